"""Whether coefficients without a penalty have an optimum: directions in which no row's loss rises.

A direction V of the coefficients leaves the loss of no row larger, however far one goes, where it
puts no other class above the row's own:

    x_i (v_{y_i} - v_k) >= 0    for all rows i and classes k.

These directions are a cone. Where it holds nothing but directions that change no score, the optimum
exists. Else the classes are separated: completely where some direction makes all of these
differences positive, in part ("quasi-completely") where it makes some of them positive, and the
others are zero for all directions of the cone. The loss then falls for ever along such a direction,
and coefficients that it changes have no finite estimate.

The largest sum of differences, for coefficients within [-1, 1], is a linear programme. Rows are
brought in as they are needed: a few hundred of them often show that there is no such direction.
What is found is proved without rounding: a direction is made to have differences that are exactly
zero where they must be, in whole numbers, and each of the others is shown to be positive.

References: Albert and Anderson, On the existence of maximum likelihood estimates in logistic
regression models, Biometrika 71, 1984; Konis, Linear programming algorithms for detecting separated
data in binary logistic regression models, thesis, University of Oxford, 2007.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import qr
from scipy.optimize import linprog

from polytome.certificates.aliases import sizes_and_centres
from polytome.numerics.exact_rows import exact_null_space, whole_multiples, whole_numbers
from polytome.objective import all_scores
from polytome.passes import Block, Columns
from polytome.rows import StreamedRows
from polytome.rows.blocks import Storage
from polytome.threads import one_blas_thread

Array = NDArray[Any]

__all__ = ["ANY_SIGN", "MOST_UNKNOWNS", "Recession", "recession_of"]

ANY_SIGN = 2
"""For a coefficient that some directions of the cone raise and others lower, or of which that is
not known, as there are too many to ask for each."""

_POSITIVE = 1e-7
"""A difference of scores above this, of columns and rows scaled to 1, counts as positive until it
is proved."""
_FEASIBILITY = 1e-10
_FIRST_ROWS = 5
_MORE_ROWS = 5
"""So many constraints for each unknown are in the first programme, and are added to each next."""
_MOST_ROUNDS = 200
_DEPENDENT = 1e-12
"""What is left of a constraint of length 1 that depends on others."""
_AT_ONCE = 4096
MOST_UNKNOWNS = 400
"""Coefficients that can be asked about."""
_MOST_EXACT_UNKNOWNS = 120
_MOST_EXACT_PRODUCTS = 2**25
_MOST_SIGN_UNKNOWNS = 3000
"""Signs that are asked for, each by two linear programmes, times unknowns; beyond, none is
claimed."""


@dataclass(frozen=True, eq=False)
class Recession:
    """A direction without end, proved.

    Attributes:
        direction: whole numbers for raw columns, intercept last, (n_features + 1, K); the first
            class has 0.
        separated: numbers of the rows whose own class it puts strictly above some other.
        is_complete: whether it puts each row of positive weight strictly above every other class.
        signs: of what coefficients of class `a` less those of class `b` do along all directions,
            (n_features, K, K): 1 grows without bound, -1 falls, `ANY_SIGN` either, 0 has a
            finite estimate.
    """

    direction: Array
    separated: Array
    is_complete: bool
    signs: Array


def recession_of(rows: Storage | StreamedRows, target: Array, used: Array, fit_intercept: bool) -> Recession | None:
    """What separates the classes; None where nothing does, or nothing was proved to.

    Args:
        rows: with their weights; rows of weight 0 do not count. Those of a stream are read again
            for each linear programme.
        target: the class of each row, whole numbers from 0, or (n_rows, K) probabilities; -1 for a
            row that takes no part.
        used: columns without penalty, none of which depends on the others and the intercept.
        fit_intercept: whether there is an intercept.

    Example:
        >>> from polytome.rows import as_rows
        >>> X, y = np.array([[0.0], [0.0], [1.0]]), np.array([0, 1, 1])  # whoever has a one is of class 1
        >>> found = recession_of(as_rows(X, y), y, np.array([0]), True)
        >>> found.is_complete, int(found.signs[0, 1, 0]), found.direction[:, 1].tolist()
        (False, 1, [1, 0])
    """
    cone = _Cone.of(rows, target, used, fit_intercept)
    if cone is None:
        return None
    with one_blas_thread():
        W, n_found = np.zeros(cone.shape), 0
        positive = np.zeros(cone.kinds.shape, dtype=bool)
        while True:
            # Each turn asks for differences that no direction so far makes positive.
            found = cone.best(cone.sum_of((cone.kinds == 1) & ~positive))
            if found is None:
                return None
            more = (cone.differences(found) > _POSITIVE) & (cone.kinds == 1) & ~positive
            if not more.any():
                break
            W, n_found, positive = W + found, n_found + 1, positive | more
        return cone.proved(W, positive, n_found) if n_found else None


@dataclass(frozen=True, eq=False)
class _Cone:
    """The directions, for columns that are centred and scaled to 1 at most.

    `kinds` (n_rows, K) says what is asked of the own class less each other one: 1 not negative, 2
    zero, 0 nothing.
    """

    rows: Storage | StreamedRows
    used: Array
    fit_intercept: bool
    own: Array
    kinds: Array
    is_active: Array
    constraints: list[Array]
    is_equal: list[Array]

    @classmethod
    def of(cls, rows: Storage | StreamedRows, target: Array, used: Array, fit_intercept: bool) -> _Cone | None:
        own, kinds = _asked(target, rows.weight)
        n_unknowns = (len(used) + fit_intercept) * (kinds.shape[1] - 1)
        if not 0 < n_unknowns <= MOST_UNKNOWNS or not (kinds > 0).any():
            return None
        rows = rows.at(np.float64)
        size, shift, _ = sizes_and_centres(rows, fit_intercept)
        scaled, is_active = rows.with_columns(Columns(shift, 1 / size)), np.zeros(kinds.shape, dtype=bool)
        cone = cls(scaled, used, fit_intercept, own, kinds, is_active, [], [])
        cone.bring_in(np.argwhere(kinds > 0), _FIRST_ROWS)
        return cone

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.used) + self.fit_intercept, self.kinds.shape[1]

    @property
    def size(self) -> int:
        """Unknowns: the first class has none."""
        return self.shape[0] * (self.shape[1] - 1)

    def spread(self, W: Array) -> Array:
        """Coefficients of all columns, intercept last."""
        whole = np.zeros((self.rows.n_features + 1, W.shape[1]), dtype=W.dtype)
        whole[self.used] = W[: len(self.used)]
        if self.fit_intercept:
            whole[-1] = W[-1]
        return whole

    def kept(self, entries: Array) -> Array:
        """Of entries for all columns and the intercept, in rows or columns, those that are used."""
        found: Array = entries[..., [*self.used, *([-1] if self.fit_intercept else [])]]
        return found

    def differences(self, W: Array) -> Array:
        """Scores of the own class less those of each class, (n_rows, K)."""
        scores = all_scores(self.rows, self.rows.columns.to_raw(self.spread(W)))
        return np.take_along_axis(scores, self.own[:, None], axis=1) - scores

    def features(self, chosen: Array) -> Array:
        """Scaled columns of some rows, the intercept's last: (n_chosen, n_used + 1)."""
        numbers, places = np.unique(chosen, return_inverse=True)
        blocks = self.rows.subset(numbers, np.ones(len(numbers))).blocks()
        X = np.vstack([self.rows.columns.with_intercept(block, self.fit_intercept) for block in blocks])
        return self.kept(X[places])

    def sum_of(self, which: Array) -> Array:
        """The sum of the chosen differences, as coefficients of W: (n_used + 1, K)."""
        factors = -which.astype(np.float64)
        np.put_along_axis(factors, self.own[:, None], which.sum(axis=1, keepdims=True).astype(np.float64), axis=1)
        total, start = np.zeros((self.rows.n_features + 1, which.shape[1])), 0
        for block in self.rows.blocks():
            part = factors[start : start + len(block.weight)]
            start += len(part)
            if part.any():
                total += self.rows.columns.with_intercept(block, self.fit_intercept).T @ part
        kept = self.kept(total.T).T
        scaled: Array = kept / max(1.0, np.abs(kept).max(initial=0.0))
        return scaled

    def bring_in(self, places: Array, per_unknown: int) -> None:
        """Constraints that the programme is to know: the first for each pair of classes."""
        most = max(20, per_unknown * self.size // self.shape[1] + 1)
        places = places[~self.is_active[tuple(places.T)]]
        pairs = self.own[places[:, 0]] * self.shape[1] + places[:, 1]
        chosen = places[np.sort(np.concatenate([np.flatnonzero(pairs == pair)[:most] for pair in np.unique(pairs)]))]
        if len(chosen):
            self.is_active[tuple(chosen.T)] = True
            rows = _constraints(self.features(chosen[:, 0]), self.own[chosen[:, 0]], chosen[:, 1], self.shape[1])
            sizes = np.abs(rows).max(axis=1, keepdims=True)
            self.constraints.append(rows / np.where(sizes > 0, sizes, 1.0))
            self.is_equal.append(self.kinds[tuple(chosen.T)] == 2)

    def best(self, wanted: Array) -> Array | None:
        """The direction within [-1, 1] for which `sum(wanted * W)` is largest; None where no answer
        was found."""
        cost = -wanted[:, 1:].ravel()
        for _ in range(_MOST_ROUNDS):
            equal, A = np.concatenate(self.is_equal), np.concatenate(self.constraints)
            # An equation is two inequalities.
            at_most_zero = sparse.csr_array(np.vstack([-A, A[equal]]))
            answer = _linear_programme(cost, at_most_zero, np.zeros(at_most_zero.shape[0]))
            if answer.x is None:
                return None
            W = np.zeros(self.shape)
            W[:, 1:] = answer.x.reshape(self.shape[0], -1)
            if -answer.fun <= _POSITIVE * 1e-2:
                return np.zeros(self.shape)
            differences = self.differences(W)
            off = np.where(self.kinds == 1, -differences, np.where(self.kinds == 2, np.abs(differences), 0.0))
            places = np.argwhere(off > 2 * _FEASIBILITY * self.size)
            places = places[~self.is_active[tuple(places.T)]]
            if not len(places):
                return W
            self.bring_in(places[np.argsort(-off[tuple(places.T)], kind="stable")], _MORE_ROWS)
        return None

    def proved(self, W: Array, positive: Array, n_found: int) -> Recession | None:
        """The direction in whole numbers; None where a difference is not what it should be.

        W is the sum of `n_found` directions, each of which makes differences positive that no
        earlier one does.
        """
        zero = (self.kinds > 0) & ~positive
        exact = _exact_direction(self, W, zero, n_found)
        if exact is None or not _all_positive(self, exact, positive) or not _all_zero(self, exact, zero):
            return None
        direction, solutions = exact
        return Recession(
            direction=self.spread(direction),
            separated=np.flatnonzero(positive.any(axis=1)),
            is_complete=not zero.any(),
            signs=self._signs(solutions),
        )

    def _signs(self, solutions: Array) -> Array:
        """What each difference of coefficients does; `solutions` span the directions, (n_solutions,
        n_used + 1, K)."""
        n_used, K = len(self.used), self.shape[1]
        solutions = solutions[:, :n_used]
        may_move = (solutions[:, :, :, None] != solutions[:, :, None, :]).any(axis=0)
        signs = np.where(may_move, ANY_SIGN, 0).astype(np.int8)  # where nobody asks, or no answer is found
        asked = [(j, a, b) for j, a, b in np.argwhere(may_move) if a > b]
        for j, a, b in asked if len(asked) * self.size <= _MOST_SIGN_UNKNOWNS else ():
            wanted = np.zeros(self.shape)
            wanted[j, a], wanted[j, b] = 1.0, -1.0
            most, least = self.best(wanted), self.best(-wanted)
            if most is not None and least is not None:
                rises, falls = (wanted * most).sum() > _POSITIVE, (wanted * least).sum() < -_POSITIVE
                sign = ANY_SIGN if rises == falls else 1 if rises else -1
                signs[j, a, b], signs[j, b, a] = sign, ANY_SIGN if sign == ANY_SIGN else -sign
        whole = np.zeros((self.rows.n_features, K, K), dtype=np.int8)
        whole[self.used] = signs
        return whole


def _linear_programme(cost: Array, A: Any, b: Array) -> Any:
    """The least `cost @ x` with `A x <= b`, for x within [-1, 1]."""
    tolerances: Any = {"primal_feasibility_tolerance": _FEASIBILITY, "dual_feasibility_tolerance": _FEASIBILITY}
    return linprog(cost, A_ub=A, b_ub=b, bounds=(-1, 1), method="highs", options=tolerances)


def _asked(target: Array, weight: Array) -> tuple[Array, Array]:
    """The own class of each row, and what is asked of the others; of soft labels all that have a
    share must have equal scores."""
    if target.ndim == 1:
        K = int(target.max()) + 1
        own = np.maximum(target, 0).astype(np.intp)
        kinds = np.ones((len(own), K), dtype=np.int8)
        kinds[target < 0] = 0
    else:
        own = target.argmax(axis=1)
        kinds = np.where(target > 0, 2, 1).astype(np.int8)
        kinds[(target < 0).any(axis=1)] = 0
    kinds[np.arange(len(own)), own] = 0
    kinds[weight == 0] = 0
    return own, kinds


def _pieces(cone: _Cone, which: Array) -> Iterator[tuple[Array, Array]]:
    """Numbers of rows of which some difference is chosen, and their columns as they are stored, the
    intercept's ones last."""
    chosen = np.flatnonzero(which.any(axis=1))
    identity = Columns.identity(cone.rows.n_features)
    for part, block in _blocks_of(cone.rows, chosen) if len(chosen) else ():
        yield part, cone.kept(identity.with_intercept(block))


def _blocks_of(rows: Storage | StreamedRows, chosen: Array) -> Iterator[tuple[Array, Block]]:
    """The chosen rows, which are in growing order, a block at a time; those of a stream are not
    gathered in memory, as they may be almost all."""
    start = 0
    if isinstance(rows, Storage):
        for block in rows.subset(chosen, np.ones(len(chosen))).blocks():
            part = chosen[start : start + len(block.weight)]
            start += len(part)
            yield part, block
        return
    for block in rows.blocks():
        own = slice(*np.searchsorted(chosen, [start, start + len(block.weight)]))
        part = chosen[own]
        if len(part):
            kept = part - start
            yield part, Block(block.stored[kept], block.precision, block.target[kept], block.weight[kept])
        start += len(block.weight)


def _exact_direction(cone: _Cone, W: Array, zero: Array, n_found: int) -> tuple[Array, Array] | None:
    """A direction next to W for which some differences are exactly zero, (n_used + 1, K) whole
    numbers; and all of them: (n_solutions, n_used + 1, K)."""
    used, K = cone.shape
    raw = cone.rows.columns.to_raw(cone.spread(W))
    raw = cone.kept((raw - raw[:, :1]).T).T
    if not zero.any():
        direction, _ = whole_numbers(raw / np.abs(raw).max())
        each = np.zeros((cone.size, used, K), dtype=object)
        each[:, :, 1:] = np.eye(cone.size, dtype=np.int64).reshape(cone.size, used, K - 1)
        return direction, each
    if cone.size > _MOST_EXACT_UNKNOWNS:
        return None
    independent = _independent_constraints(cone, zero, cone.size - n_found)
    if independent is None:
        return None
    free, solutions = exact_null_space(independent)
    if not free:
        return None
    flat = raw[:, 1:].ravel()
    shares, _ = whole_numbers(flat[free] / np.abs(flat[free]).max(initial=1e-300))
    total = [
        sum((share * each for share, each in zip(shares, column, strict=True)), Fraction(0))
        for column in zip(*solutions, strict=True)
    ]
    spanning = np.zeros((len(solutions) + 1, used, K), dtype=object)
    for place, solution in enumerate([total, *solutions]):
        spanning[place, :, 1:] = np.array(whole_multiples(solution), dtype=object).reshape(used, K - 1)
    return spanning[0], spanning[1:]


def _constraints(X: Array, own: Array, other: Array, K: int) -> Array:
    """The own class's score less another's, as linear functions of the unknowns: (n, n_used * (K -
    1))."""
    rows, places = np.zeros((*X.shape, K)), np.arange(len(X))
    rows[places, :, own] = X
    rows[places, :, other] = -X
    return rows[:, :, 1:].reshape(len(X), -1)


def _independent_constraints(cone: _Cone, zero: Array, most: int) -> Array | None:
    """Constraints that all others of these depend on, up to rounding: `most` at most; whole
    numbers, (rank, unknowns)."""
    K = cone.shape[1]
    scale = cone.rows.columns.scale[cone.used]
    scale = np.repeat(np.append(scale, 1.0) if cone.fit_intercept else scale, K - 1)
    basis, kept = np.zeros((0, cone.size)), np.zeros((0, cone.size))
    for part, X in _pieces(cone, zero):
        places = np.argwhere(zero[part])
        for start in range(0, len(places) if len(kept) < most else 0, _AT_ONCE):
            rows, other = places[start : start + _AT_ONCE].T
            raw = _constraints(X[rows], cone.own[part[rows]], other, K)
            scaled = raw * scale
            norms = np.linalg.norm(scaled, axis=1)
            raw, scaled = raw[norms > 0], scaled[norms > 0] / norms[norms > 0, None]
            # What is left of each beside those that are kept; twice, for its digits.
            rest = scaled - (scaled @ basis.T) @ basis
            rest -= (rest @ basis.T) @ basis
            fresh = np.flatnonzero(np.linalg.norm(rest, axis=1) > _DEPENDENT)
            if len(fresh):
                Q, R, order = qr(rest[fresh].T, mode="economic", pivoting=True)
                rank = int((np.abs(np.diag(R)) > _DEPENDENT).sum())
                basis, kept = np.vstack([basis, Q.T[:rank]]), np.vstack([kept, raw[fresh[order[:rank]]]])
    return np.array([whole_numbers(row)[0] for row in kept], dtype=object) if len(kept) else None


def _all_zero(cone: _Cone, exact: tuple[Array, Array], zero: Array) -> bool:
    """Whether all that spans the directions leaves these differences exactly zero; then so does the
    direction, a sum of it."""
    return _exact_differences(cone, exact[1], zero, "zero")


def _all_positive(cone: _Cone, exact: tuple[Array, Array], positive: Array) -> bool:
    """Whether the direction makes these differences positive, without rounding."""
    return _exact_differences(cone, exact[0][None], positive, "positive")


def _exact_differences(cone: _Cone, directions: Array, which: Array, what: str) -> bool:
    n_products = 0
    for part, X in _pieces(cone, which):
        chosen = which[part]
        for own in np.unique(cone.own[part]):
            of_class = cone.own[part] == own
            for k in np.flatnonzero(chosen[of_class].any(axis=0)):
                difference = directions[:, :, own] - directions[:, :, k]
                places = np.flatnonzero((difference != 0).any(axis=0))
                if not len(places):
                    if what == "positive":
                        return False
                    continue
                some = np.unique(X[of_class][chosen[of_class][:, k]][:, places], axis=0)
                n_products += some.size * len(directions)
                if n_products > _MOST_EXACT_PRODUCTS:
                    return False
                values = whole_numbers(some)[0] @ difference[:, places].T
                if not all(value == 0 if what == "zero" else value > 0 for value in values.flat):
                    return False
    return True
