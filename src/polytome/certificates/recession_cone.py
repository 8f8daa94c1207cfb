"""The directions in which no row's loss rises, as a linear programme that is given rows as it needs
them.

References: Konis, Linear programming algorithms for detecting separated data in binary logistic
regression models, thesis, University of Oxford, 2007; Huangfu and Hall, Parallelizing the dual
revised simplex method, Mathematical Programming Computation 10, 2018.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve, eigvalsh
from scipy.optimize import linprog

from polytome.certificates.aliases import sizes_and_centres
from polytome.objective import all_scores
from polytome.passes import Block, Columns
from polytome.rows import StreamedRows
from polytome.rows.blocks import Storage

Array = NDArray[Any]

__all__ = ["MOST_UNKNOWNS", "POSITIVE", "Cone", "UndecidedError"]

POSITIVE = 1e-7
"""A difference of scores above this, of columns and rows scaled to 1, counts as positive until it
is proved."""
_FEASIBILITY = 1e-10
_FIRST_ROWS = 5
_MORE_ROWS = 5
"""So many constraints for each unknown are in the first programme, and are added to each next."""
_MOST_ROUNDS = 200
MOST_UNKNOWNS = 400
"""Coefficients that can be asked about."""
_MIN_EIGENVALUE = 1e-9
"""Of a Hessian scaled to a diagonal of 1; its rounding is six digits below."""
_MAX_LOSS_OF_RESIDUAL = 0.5


class UndecidedError(Exception):
    """It is not known whether there is a direction without end; the message says why."""


@dataclass(frozen=True, eq=False)
class Cone:
    """The directions, for columns that are centred and scaled to 1 at most.

    Unknowns are coefficients of the used columns, the intercept last, for all classes but the
    first, which has none: `(n_used + 1) * (K - 1)`.

    Attributes:
        kinds: (n_rows, K), what is asked of the own class less each other one: 1 not negative, 2
            zero, 0 nothing.
        basis: (unknowns, size), orthonormal, what the directions are sums of; all, if None.
    """

    rows: Storage | StreamedRows
    used: Array
    fit_intercept: bool
    own: Array
    kinds: Array
    basis: Array | None = None
    _active: list[tuple[Array, Array, Array]] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Storage | StreamedRows, target: Array, used: Array, fit_intercept: bool) -> Cone | None:
        """None where nothing is asked.

        Raises:
            UndecidedError: of too many unknowns.
        """
        own, kinds = _asked(target, rows.weight)
        n_unknowns = (len(used) + fit_intercept) * (kinds.shape[1] - 1)
        if not n_unknowns or not (kinds > 0).any():
            return None
        if n_unknowns > MOST_UNKNOWNS:
            raise UndecidedError(f"of {n_unknowns:,} unknowns at most {MOST_UNKNOWNS} are looked at")
        rows = rows.at(np.float64)
        size, shift, _ = sizes_and_centres(rows, fit_intercept)
        return cls(rows.with_columns(Columns(shift, 1 / size)), used, fit_intercept, own, kinds)

    def within(self, kinds: Array, basis: Array | None) -> Cone:
        """Other constraints on fewer directions."""
        return replace(self, kinds=kinds, basis=basis, _active=[])

    @property
    def shape(self) -> tuple[int, int]:
        """Of a direction: used columns and the intercept, and classes."""
        return len(self.used) + self.fit_intercept, self.kinds.shape[1]

    @property
    def n_unknowns(self) -> int:
        """Coefficients of all classes but the first."""
        return self.shape[0] * (self.shape[1] - 1)

    @property
    def size(self) -> int:
        """Variables of the linear programme."""
        return self.n_unknowns if self.basis is None else self.basis.shape[1]

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

    def to_raw(self, W: Array) -> Array:
        """The direction for columns as they are stored; the first class has 0."""
        raw = self.rows.columns.to_raw(self.spread(W))
        return self.kept((raw - raw[:, :1]).T).T

    def from_raw(self, V: Array) -> Array:
        """The inverse of `to_raw`."""
        return self.kept(self.rows.columns.from_raw_coefficients(self.spread(V)).T).T

    def scaled_direction(self, W: Array) -> Array | None:
        """The direction of coefficients for scaled columns, within the basis and [-1, 1], the first
        class without any; None where there is none."""
        unknowns = (W - W[:, :1])[:, 1:].ravel()
        unknowns = unknowns if self.basis is None else self.basis @ (self.basis.T @ unknowns)
        most = np.abs(unknowns).max(initial=0.0)
        if not 0 < most < np.inf:
            return None
        return np.column_stack([np.zeros(self.shape[0]), (unknowns / most).reshape(self.shape[0], -1)])

    def differences(self, W: Array) -> Array:
        """Scores of the own class less those of each class, (n_rows, K)."""
        return self.of_scores(all_scores(self.rows, self.rows.columns.to_raw(self.spread(W))))

    def of_scores(self, scores: Array) -> Array:
        """The own class's less those of each class."""
        return np.take_along_axis(scores, self.own[:, None], axis=1) - scores

    def scaled_blocks(self) -> Iterator[tuple[slice, Array]]:
        """Places of rows and their scaled columns, the intercept's last: (n, n_used + 1)."""
        start = 0
        for block in self.rows.blocks():
            stop = start + len(block.weight)
            yield slice(start, stop), self.kept(self.rows.columns.with_intercept(block, self.fit_intercept))
            start = stop

    def raw_pieces(self, which: Array) -> Iterator[tuple[Array, Array]]:
        """Numbers of rows of which some difference is chosen, and their columns as they are stored,
        the intercept's ones last."""
        chosen = np.flatnonzero(which.any(axis=1))
        identity = Columns.identity(self.rows.n_features)
        for part, block in _blocks_of(self.rows, chosen) if len(chosen) else ():
            yield part, self.kept(identity.with_intercept(block))

    def constraints(self, X: Array, own: Array, other: Array) -> Array:
        """The own class's score less another's, as linear functions of the unknowns: (n,
        unknowns)."""
        rows, places = np.zeros((*X.shape, self.shape[1])), np.arange(len(X))
        rows[places, :, own] = X
        rows[places, :, other] = -X
        return rows[:, :, 1:].reshape(len(X), -1)

    def sum_of(self, which: Array) -> Array:
        """The sum of the chosen differences, as coefficients of W: (n_used + 1, K)."""
        factors = -which.astype(np.float64)
        np.put_along_axis(factors, self.own[:, None], which.sum(axis=1, keepdims=True).astype(np.float64), axis=1)
        total = np.zeros(self.shape)
        for place, X in self.scaled_blocks():
            if factors[place].any():
                total += X.T @ factors[place]
        scaled: Array = total / max(1.0, np.abs(total).max(initial=0.0))
        return scaled

    def best(self, wanted: Array) -> Array | None:
        """The direction within [-1, 1] for which `sum(wanted * W)` is largest; None where no answer
        was found."""
        cost = -wanted[:, 1:].ravel() if self.basis is None else -(wanted[:, 1:].ravel() @ self.basis)
        if not self._active:
            self._bring_in(np.argwhere(self.kinds > 0), _FIRST_ROWS)
        for _ in range(_MOST_ROUNDS):
            _, constraints, equal = (np.concatenate(each) for each in zip(*self._active, strict=True))
            # An equation is two inequalities.
            at_most_zero = sparse.csr_array(np.vstack([-constraints, constraints[equal]]))
            answer = _linear_programme(cost, at_most_zero, np.zeros(at_most_zero.shape[0]))
            if answer.x is None:
                return None
            W = np.zeros(self.shape)
            if -answer.fun <= POSITIVE * 1e-2:
                return W
            unknowns = answer.x if self.basis is None else self.basis @ answer.x
            W[:, 1:] = unknowns.reshape(self.shape[0], -1)
            differences = self.differences(W)
            violated = np.where(self.kinds == 1, -differences, np.where(self.kinds == 2, np.abs(differences), 0.0))
            places = self._fresh(np.argwhere(violated > 2 * _FEASIBILITY * self.size))
            if not len(places):
                return W
            self._bring_in(places[np.argsort(-violated[tuple(places.T)], kind="stable")], _MORE_ROWS)
        return None

    def _fresh(self, places: Array) -> Array:
        """Places of differences that the programme does not have yet."""
        known = np.zeros(self.kinds.shape, dtype=bool)
        for earlier, _, _ in self._active:
            known[tuple(earlier.T)] = True
        fresh: Array = places[~known[tuple(places.T)]]
        return fresh

    def _bring_in(self, places: Array, per_unknown: int) -> None:
        """Constraints that the programme is to know: the first for each pair of classes."""
        most = max(20, per_unknown * self.size // self.shape[1] + 1)
        pairs = self.own[places[:, 0]] * self.shape[1] + places[:, 1]
        chosen = places[np.sort(np.concatenate([np.flatnonzero(pairs == pair)[:most] for pair in np.unique(pairs)]))]
        numbers, rows_of = np.unique(chosen[:, 0], return_inverse=True)
        some = self.rows.subset(numbers, np.ones(len(numbers))).blocks()
        X = self.kept(np.vstack([self.rows.columns.with_intercept(block, self.fit_intercept) for block in some]))
        rows = self.constraints(X[rows_of], self.own[chosen[:, 0]], chosen[:, 1])
        rows = rows if self.basis is None else rows @ self.basis
        sizes = np.abs(rows).max(axis=1, keepdims=True)
        self._active.append((chosen, rows / np.where(sizes > 0, sizes, 1.0), self.kinds[tuple(chosen.T)] == 2))

    def overlaps_at(self, scores: Array) -> bool:
        """Whether the residuals of a fit show that no direction makes a difference positive; False
        where they show nothing.

        Positive weights under which the constraints add up to 0 leave no direction in which one of
        them grows and none falls (Stiemke). A fit's residuals are such weights where its gradient
        is 0; where it is small, a step of Newton's method makes it so.

        Args:
            scores: of all rows, (n_rows, K).
        """
        if (self.kinds == 2).any() or not np.isfinite(scores).all():
            return False
        asked = self.kinds == 1
        # What overflows shows nothing, as a scale that is not a number.
        with np.errstate(under="ignore", over="ignore", invalid="ignore"):
            shares = np.where(asked, np.exp(-self.of_scores(scores)), 0.0)
            shares /= 1 + shares.sum(axis=1, keepdims=True)
        p = shares.copy()
        np.put_along_axis(p, self.own[:, None], 1 - shares.sum(axis=1, keepdims=True), axis=1)
        gradient, hessian = self._derivatives(shares, p)
        if self.basis is not None:
            gradient, hessian = gradient @ self.basis, self.basis.T @ hessian @ self.basis
        scale = np.sqrt(hessian.diagonal())
        if not (scale > 0).all():
            return False
        hessian = hessian / scale / scale[:, None]
        if eigvalsh(hessian, subset_by_index=[0, 0])[0] < _MIN_EIGENVALUE:
            return False
        step = cho_solve(cho_factor(hessian), gradient / scale) / scale
        W = np.zeros(self.shape)
        W[:, 1:] = (step if self.basis is None else self.basis @ step).reshape(self.shape[0], -1)
        change = all_scores(self.rows, self.rows.columns.to_raw(self.spread(W)))
        change -= (p * change).sum(axis=1, keepdims=True)
        return bool((change[asked] > -_MAX_LOSS_OF_RESIDUAL).all())

    def _derivatives(self, shares: Array, p: Array) -> tuple[Array, Array]:
        """Of the log likelihood with respect to the unknowns, and less its second ones."""
        n_used, K = self.shape
        weight = self.rows.weight[:, None]
        residuals = -shares
        np.put_along_axis(residuals, self.own[:, None], shares.sum(axis=1, keepdims=True), axis=1)
        residuals, gradient = residuals * weight, np.zeros((n_used, K - 1))
        hessian = np.zeros((n_used, K - 1, n_used, K - 1))
        for place, X in self.scaled_blocks():
            gradient += X.T @ residuals[place, 1:]
            for a in range(1, K):
                for b in range(1, a + 1):
                    factors = p[place, a] * ((a == b) - p[place, b]) * self.rows.weight[place]
                    hessian[:, a - 1, :, b - 1] += X.T @ (X * factors[:, None])
        for a in range(1, K):
            for b in range(1, a):
                hessian[:, b - 1, :, a - 1] = hessian[:, a - 1, :, b - 1].T
        return gradient.ravel(), hessian.reshape(self.n_unknowns, self.n_unknowns)


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
