"""The log-likelihood of classes against a reference class, with its derivatives, and its maximum,
also under linear constraints.

Coefficients here are a vector: equation by equation, in each the intercept first (where there is
one), then the columns. They are computed for centred and scaled columns, so that neither years nor
incomes cost digits, and returned for the columns as given.

Reference: McCullagh and Nelder, Generalized Linear Models, 1989, chapters 4 and 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, block_diag, cho_factor, cho_solve, null_space

from polytome.errors import DataError
from polytome.inference.estimate import Refit
from polytome.losses import Logistic, Loss, Softmax, Squared, WithOffset, labels_of, offset_of, with_offset
from polytome.numerics import sigmoid
from polytome.passes import Block, Columns, Derivatives, Scores, block_scores
from polytome.rows import as_rows
from polytome.rows.blocks import Storage
from polytome.threads import one_blas_thread

Array = NDArray[Any]

__all__ = ["AtRows", "Derived", "Likelihood", "Maximum", "at_block", "offset_columns", "solved", "with_offsets"]

_CONVERGED = 1e-13
"""The predicted gain of a step, in nats for each nat of the log-likelihood, after which one more
step is at the limit of rounding."""
_SAME = 1e-20
"""The same after which the derivatives before the step are those after it, to ten digits: a gain of
g nats changes curvatures by some root of 2 g in all."""
_MAX_STEPS = 200
_MAX_HALVINGS = 5


@dataclass(frozen=True)
class Derived:
    """The log-likelihood at some coefficients of standardised columns, its gradient and minus its
    Hessian, which is the observed information (and for these links the expected one too)."""

    value: float
    gradient: Array
    information: Array


@dataclass(frozen=True)
class Maximum:
    """Coefficients where the log-likelihood is largest, on standardised columns.

    Attributes:
        at: the coefficients.
        derived: what the log-likelihood is there.
        last_step: the step before the last pass, from which a separated fit is told.
    """

    at: Array
    derived: Derived
    last_step: Array


@dataclass(frozen=True)
class AtRows:
    """A block of rows under some coefficients.

    Attributes:
        start: the number of its first row.
        X: standardised columns, the intercept's first, (b, m).
        weight: (b,).
        target: the place of each row's class, 0 for the reference, (b,).
        residual: `1[y = k] - p_k` for each equation, (b, E).
        mean: the probability of each class, the reference's first, (b, K).
        loss: minus the logarithm of the own class's probability, (b,).
        curvature: the Hessian of minus the log-likelihood with respect to the scores, (b, E, E).
    """

    start: int
    X: Array
    weight: Array
    target: Array
    residual: Array
    mean: Array
    loss: Array
    curvature: Array


@dataclass(frozen=True)
class Likelihood:
    """Rows, their classes as places (0 is the reference), and which columns there are.

    Attributes:
        rows: columns of full rank, centred and scaled implicitly; targets are whole numbers, with
            offsets where there are some.
        n_equations: classes less one.
        fit_intercept: whether there is one.

    Example:
        >>> X, codes = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 1, 0, 1])
        >>> likelihood = Likelihood.of(X, codes, 2)
        >>> found = likelihood.maximum()
        >>> likelihood.as_given(found.at).round(4)
        array([-1.3623,  0.9082])
        >>> round(found.derived.value, 4)
        -2.3475
    """

    rows: Storage
    n_equations: int
    fit_intercept: bool = True
    loss: Loss = field(init=False)

    def __post_init__(self) -> None:
        loss: Loss = Logistic() if self.n_equations == 1 else Softmax(self.n_equations + 1)
        object.__setattr__(self, "loss", loss if offset_of(self.rows.target) is None else WithOffset(loss))

    @classmethod
    def of(
        cls,
        X: Any,
        codes: Array,
        n_classes: int,
        weight: Array | None = None,
        fit_intercept: bool = True,
        offset: Array | None = None,
    ) -> Likelihood:
        """Of a matrix, dense or sparse, and the place of each row's class; an offset, (n,), is
        added to the log odds of each class against the reference."""
        target = codes if offset is None else with_offset(codes, offset_columns(offset, n_classes))
        rows = as_rows(X, target, weight).at(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            mean, deviation = rows.moments()
        wrong = np.flatnonzero(~(np.isfinite(mean) & np.isfinite(deviation)))
        if len(wrong):
            raise DataError(f"column {wrong[0]} is too large: squares of its values overflow; rescale it")
        shift = mean if fit_intercept else np.zeros_like(mean)
        scale = np.where(deviation > 0, deviation, 1.0) if fit_intercept else np.hypot(deviation, mean)
        return cls(rows.with_columns(Columns(shift, 1 / np.where(scale > 0, scale, 1.0))), n_classes - 1, fit_intercept)

    @property
    def n_terms(self) -> int:
        """Coefficients of each equation."""
        return self.rows.n_features + int(self.fit_intercept)

    @property
    def size(self) -> int:
        """Coefficients of all equations."""
        return self.n_equations * self.n_terms

    @property
    def to_given(self) -> Array:
        """The matrix that turns coefficients of standardised columns into those of columns as they
        are given."""
        columns = self.rows.columns
        one = np.diag(columns.scale)
        if self.fit_intercept:
            one = np.block([[np.ones((1, 1)), -(columns.shift * columns.scale)[None]], [np.zeros((len(one), 1)), one]])
        return block_diag(*[one] * self.n_equations)

    def as_given(self, at: Array) -> Array:
        """Coefficients for the columns as given, from those for standardised ones."""
        given: Array = self.to_given @ at
        return given

    def from_given(self, coefficients: Array) -> Array:
        """The inverse of `as_given`."""
        columns = self.rows.columns
        own = coefficients.reshape(self.n_equations, -1).copy()
        slopes = own[:, int(self.fit_intercept) :]
        if self.fit_intercept:
            own[:, 0] += slopes @ columns.shift
        own[:, int(self.fit_intercept) :] = slopes / columns.scale
        return own.ravel()

    def derived(self, at: Array) -> Derived:
        """One pass, by compiled code where there is some."""
        a_pass = Derivatives(self.loss, self._matrix(at), self.rows.columns, self.fit_intercept)
        with one_blas_thread():  # threads share the blocks
            value, gradient, blocks = self.rows.reduce(a_pass)
        n, d, order = self.n_equations, self.rows.n_features + 1, self._order
        outputs = np.arange(n) + (n > 1)
        places = (outputs[:, None] * d + order).ravel() if n > 1 else order
        information = blocks[0][np.ix_(places, places)]
        slope = -gradient[:, outputs if n > 1 else [0]][order].T.ravel()
        return Derived(-float(value), slope, (information + information.T) / 2)

    @property
    def _order(self) -> Array:
        """The places of an equation's coefficients among those of the engine, whose intercept is
        last."""
        d = self.rows.n_features
        return np.append(d, np.arange(d)) if self.fit_intercept else np.arange(d)

    def probability_of_other(self, at: Array) -> Array:
        """Of two classes the probability of the one that a row does not have, (n,): the size of its
        residual."""
        rows = self.rows
        (scores,) = rows.reduce(Scores(self.raw(at)))
        offset = offset_of(rows.target)
        own = scores[:, 0] if offset is None else scores[:, 0] + offset[:, -1]
        return np.asarray(sigmoid(np.where(labels_of(rows.target) == 1, -own, own)))

    def squares_of_scores(self, other: Array, counts_rows: bool) -> Array:
        """Of two classes the weighted sum of `g g'` over the rows, `g = r x`: a Gram matrix of rows
        with the squares of residuals for weights, by compiled code where there is some.

        Args:
            other: `probability_of_other`.
            counts_rows: whether weights count equal rows; else scores are multiplied by them.
        """
        rows = self.rows
        weight = (rows.weight if counts_rows else rows.weight**2) * other**2
        squares = Derivatives(Squared(), np.zeros((rows.n_features + 1, 1)), rows.columns, self.fit_intercept)
        with one_blas_thread():
            _, _, blocks = replace(rows, weight=weight, target=np.zeros(len(weight))).reduce(squares)
        found: Array = blocks[0][np.ix_(self._order, self._order)]
        return (found + found.T) / 2

    def maximum(
        self,
        start: Array | None = None,
        constraints: tuple[Array, Array] | None = None,
        known: Derived | None = None,
    ) -> Maximum:
        """Newton's method, with halved steps where a step does not gain.

        Args:
            start: coefficients of standardised columns; the intercepts' best if None.
            constraints: A and b of `A theta = b`, for coefficients of standardised columns; the
                start must satisfy them.
            known: what `derived` has at the start; computed if None.
        """
        at = self.null_start() if start is None else start
        basis = None if constraints is None else null_space(constraints[0])
        now, step = self.derived(at) if known is None else known, np.zeros_like(at)
        for _ in range(_MAX_STEPS):
            step, gain = _newton_step(now, basis)
            if gain <= 0:
                break
            if gain <= _SAME * abs(now.value):
                return Maximum(at + step, now, step)
            ahead = self._advanced(at, now, step, gain, basis)
            if ahead is None:
                break
            at, now = ahead
            if gain <= _CONVERGED * max(self._nat, abs(now.value)):
                break
        return Maximum(at, now, step)

    def _advanced(
        self, at: Array, now: Derived, step: Array, gain: float, basis: Array | None
    ) -> tuple[Array, Derived] | None:
        """The coefficients after a step, or half of it, that gains, or is too short to show it;
        where neither does, as far from the maximum, after one that is damped."""
        shows = gain > 1e-11 * max(self._nat, abs(now.value))
        steps = [step * 0.5**halving for halving in range(_MAX_HALVINGS)]
        weight = float(self.rows.weight.sum())
        dampings = (weight * 10.0**power for power in range(-9, 4))
        for each in chain(steps, (_newton_step(now, basis, damping)[0] for damping in dampings)):
            after = self.derived(at + each)
            if np.isfinite(after.value) and (after.value >= now.value or not shows):
                return at + each, after
        return None

    @property
    def _nat(self) -> float:
        """What a nat of one row counts, on average: weights may have any scale."""
        return float(self.rows.weight.mean())

    def null_start(self) -> Array:
        """No coefficients but the best intercepts; zero without intercepts."""
        at = np.zeros((self.n_equations, self.n_terms))
        if self.fit_intercept:
            at[:, 0] = self.null_intercepts
            offset = offset_of(self.rows.target)
            if offset is not None:
                scores = self.loss.null_scores(self.rows.target, self.rows.weight)
                at[:, 0] = scores if len(scores) == 1 else scores[1:] - scores[0]
        return at.ravel()

    @property
    def shares(self) -> Array:
        """The share of each class in the weight, the reference first."""
        totals: Array = np.bincount(labels_of(self.rows.target), self.rows.weight, self.n_equations + 1)
        shares: Array = totals / totals.sum()
        return shares

    @property
    def null_intercepts(self) -> Array:
        """The log odds of each class against the reference."""
        shares = self.shares
        logarithms: Array = np.log(shares[1:] / shares[0])
        return logarithms

    @property
    def null_value(self) -> float:
        """The log-likelihood with intercepts alone, beside offsets where there are some."""
        offset = offset_of(self.rows.target)
        if offset is not None:
            scores = self.loss.null_scores(self.rows.target, self.rows.weight)
            value = self.loss.value_and_gradient(np.tile(scores, (len(offset), 1)), self.rows.target)[0]
            return -float(self.rows.weight @ value)
        shares = self.shares
        return float(self.rows.weight.sum() * (shares @ np.log(shares)))

    def refit(self, best: Maximum, A: Array, b: Array, start: Array | None = None) -> Refit:
        """The maximum under `A theta = b`, for coefficients of columns as given.

        Args:
            best: the maximum without it.
            A: (r, size).
            b: (r,).
            start: coefficients near it, for columns as given; the best quadratic guess if None.
        """
        found = self.constrained(best, A, b, start)
        derived = found.derived
        score = float(derived.gradient @ solved(derived.information, derived.gradient))
        slope = np.linalg.solve(self.to_given.T, derived.gradient)
        return Refit(self.as_given(found.at), derived.value, slope, score)

    def constrained(self, best: Maximum, A: Array, b: Array, start: Array | None = None) -> Maximum:
        """The same, of standardised columns."""
        own = A @ self.to_given
        guess = best.at if start is None else self.from_given(start)
        spread = solved(best.derived.information, own.T)
        guess = guess - spread @ np.linalg.lstsq(own @ spread, own @ guess - b, rcond=None)[0]
        return self.maximum(guess, (own, b))

    def covariance(self, at: Derived) -> Array:
        """The inverse of the information, for coefficients of standardised columns."""
        return solved(at.information, np.eye(self.size))

    def at_rows(self, at: Array) -> Iterator[AtRows]:
        """Each block of rows under some coefficients, in order."""
        raw, start = self.raw(at), 0
        for block in self.rows.blocks():
            with one_blas_thread():
                yield at_block(block, self.loss, raw, self.rows.columns, self.fit_intercept, start)
            start += len(block.weight)

    def raw(self, at: Array) -> Array:
        """Coefficients for raw columns as the engine has them."""
        return self.rows.columns.to_raw(self._matrix(at))

    def _matrix(self, at: Array) -> Array:
        """Coefficients as the engine has them: a column for each output, the intercept last."""
        own = at.reshape(self.n_equations, self.n_terms)
        W = np.zeros((self.rows.n_features + 1, self.n_equations + (self.n_equations > 1)))
        outputs = slice(int(self.n_equations > 1), None)
        W[:-1, outputs] = own[:, int(self.fit_intercept) :].T
        if self.fit_intercept:
            W[-1, outputs] = own[:, 0]
        return W


def at_block(block: Block, loss: Loss, raw: Array, columns: Columns, fit_intercept: bool, start: int = 0) -> AtRows:
    """A block of rows under coefficients for raw columns."""
    scores = block_scores(block, raw)
    first = int(scores.shape[1] > 1)
    value, residual = loss.value_and_gradient(scores.copy(), block.target)
    m, u = loss.curvature(scores.copy(), block.target)
    curvature = m[:, first:, None] * np.eye(scores.shape[1] - first)
    if u is not None:
        curvature -= u[:, first:, None] * u[:, None, first:]
    X = columns.dense(block)
    X = np.column_stack([np.ones(len(X)), X]) if fit_intercept else X
    sums = with_offsets(scores, block)
    mean = loss.mean(sums) if first else loss.mean(np.hstack([-sums, sums]))
    return AtRows(start, X, block.weight, labels_of(block.target), -residual[:, first:], mean, value, curvature)


def offset_columns(offset: Array, n_classes: int) -> Array:
    """An offset as one of scores: none is added to the reference's.

    Example:
        >>> offset_columns(np.array([0.5]), 3)
        array([[0. , 0.5, 0.5]])
    """
    if n_classes == 2:
        return offset[:, None]
    return np.column_stack([np.zeros(len(offset)), *[offset] * (n_classes - 1)])


def with_offsets(scores: Array, block: Block) -> Array:
    """The scores of a block with its offsets, if it has any."""
    offset = offset_of(block.target)
    return scores if offset is None else scores + offset


def _newton_step(now: Derived, basis: Array | None, damping: float = 0.0) -> tuple[Array, float]:
    """The step to the maximum of the quadratic model, within the constraints, and its gain."""
    information = now.information + damping * np.eye(len(now.information)) if damping else now.information
    if basis is None:
        step = solved(information, now.gradient)
    elif basis.shape[1] == 0:
        step = np.zeros_like(now.gradient)
    else:
        step = basis @ solved(basis.T @ information @ basis, basis.T @ now.gradient)
    return step, float(step @ now.gradient) / 2


def solved(matrix: Array, right: Array) -> Array:
    """The solution of a system whose matrix is positive definite, or nearly: columns are scaled,
    and what curvature is lost counts as none."""
    size = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    size = np.where(size > 0, size, 1.0)
    scaled = matrix / np.outer(size, size)
    right = right / (size if right.ndim == 1 else size[:, None])
    with one_blas_thread():
        try:
            found = cho_solve(cho_factor(scaled), right)
        except LinAlgError:
            found = np.linalg.pinv(scaled, rcond=1e-14, hermitian=True) @ right
    return np.asarray(found / (size if right.ndim == 1 else size[:, None]))
