"""The log-likelihood of ordered classes under proportional odds (the cumulative logit model):

    P(class <= j | x) = sigmoid(t_j - x'b)        with thresholds t_1 < t_2 < ...

With u and v, the thresholds above and below a row's class less its x'b, and d = u - v, its
probability is `sigmoid(u) sigmoid(-v) (1 - exp(-d))`, of which no factor cancels. Each logarithm is
concave in the coefficients, so there is one maximum at the most; along a direction none of them
falls exactly where the classes below and above each threshold are separated.

Reference: McCullagh, Regression models for ordinal data, Journal of the Royal Statistical Society B
42, 1980; Agresti, Analysis of Ordinal Categorical Data, 2010, chapter 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import log_expit

from polytome.certificates.recession import Recession, recession_of
from polytome.errors import ArgumentError
from polytome.inference.ascent import Ascended, ascend, refitted
from polytome.inference.estimate import Refit
from polytome.inference.likelihood import Derived
from polytome.numerics import sigmoid
from polytome.passes import Columns
from polytome.rows import as_rows
from polytome.rows.blocks import Storage
from polytome.threads import one_blas_thread

Array = NDArray[Any]

__all__ = ["OrderedLikelihood", "class_probabilities"]


@dataclass(frozen=True)
class OrderedLikelihood:
    """Rows with the places of their classes, from the lowest.

    Coefficients are a vector: those of the columns, then the thresholds; computed for centred and
    scaled columns.

    Attributes:
        rows: columns of full rank, beside an intercept too; targets are whole numbers.
        n_classes: of which each has a row.
        offset: what is added to each row's x'b; None without one.

    Example:
        >>> X, codes = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]]), np.array([0, 1, 0, 1, 2, 2])
        >>> likelihood = OrderedLikelihood.of(X, codes, 3)
        >>> best = likelihood.maximum()
        >>> (likelihood.to_given @ best.at).round(4), round(best.derived.value, 4)
        (array([1.7908, 2.5885, 6.2662]), -3.4235)
    """

    rows: Storage
    n_classes: int
    offset: Array | None = None

    @classmethod
    def of(
        cls, X: Any, codes: Array, n_classes: int, weight: Array | None = None, offset: Array | None = None
    ) -> OrderedLikelihood:
        """Of a matrix, dense or sparse, and the place of each row's class."""
        rows = as_rows(X, codes, weight).at(np.float64)
        mean, deviation = rows.moments()
        columns = Columns(mean, 1 / np.where(deviation > 0, deviation, 1.0))
        return cls(rows.with_columns(columns), n_classes, offset)

    @property
    def n_slopes(self) -> int:
        """Columns."""
        return self.rows.n_features

    @property
    def size(self) -> int:
        """Coefficients and thresholds."""
        return self.n_slopes + self.n_classes - 1

    @property
    def to_given(self) -> Array:
        """The matrix that turns coefficients of standardised columns into those of columns as they
        are given."""
        columns, p = self.rows.columns, self.n_slopes
        matrix = np.eye(self.size)
        matrix[:p, :p] = np.diag(columns.scale)
        matrix[p:, :p] = columns.shift * columns.scale
        return matrix

    @property
    def totals(self) -> Array:
        """The weight of each class."""
        found: Array = np.bincount(self.rows.target, self.rows.weight, self.n_classes)
        return found

    def null_start(self) -> Array:
        """No coefficients but the best thresholds; beside an offset, about these."""
        share = self.totals.cumsum()[:-1] / self.totals.sum()
        mean = 0.0 if self.offset is None else np.average(self.offset, weights=self.rows.weight)
        return np.append(np.zeros(self.n_slopes), np.log(share / (1 - share)) + mean)

    @property
    def null_value(self) -> float:
        """The log-likelihood with thresholds alone."""
        if self.offset is None:
            return float(self.totals @ np.log(self.totals / self.totals.sum()))
        A = np.eye(self.n_slopes, self.size)
        return float(ascend(self.derived, self.null_start(), (A, np.zeros(len(A)))).derived.value)

    def _blocks(self) -> Iterator[tuple[Array, Array, Array, Array | float]]:
        """Standardised columns, places of classes, weights and offsets."""
        start = 0
        for block in self.rows.blocks():
            stop = start + len(block.weight)
            offset = 0.0 if self.offset is None else self.offset[start:stop]
            yield self.rows.columns.dense(block), block.target, block.weight, offset
            start = stop

    def derived(self, at: Array) -> Derived:
        """A pass: the value, the gradient and the observed information; -infinity where thresholds
        do not grow."""
        p, K = self.n_slopes, self.n_classes
        slopes, thresholds = at[:p], at[p:]
        gaps = np.diff(thresholds)
        gradient, information = np.zeros(self.size), np.zeros((self.size, self.size))
        if not (gaps > 0).all() or not np.isfinite(at).all():
            return Derived(-np.inf, gradient, np.eye(self.size))
        # Between two thresholds: log(1 - exp(-d)) for each row of the class.
        inner = self.totals[1:-1]
        value = float(inner @ np.log(-np.expm1(-gaps)))
        first, second = _gap_derivatives(gaps)
        slope, curvature = np.zeros(K - 1), np.zeros((K - 1, K - 1))
        lower = np.arange(K - 2)
        np.add.at(slope, lower + 1, inner * first)
        np.add.at(slope, lower, -inner * first)
        for j, weight in enumerate(inner * second):
            curvature[j : j + 2, j : j + 2] += weight * np.array([[1.0, -1.0], [-1.0, 1.0]])
        cross = np.zeros((p, K - 1))
        for X, codes, weight, offset in self._blocks():
            with one_blas_thread():
                scores = X @ slopes + offset
            total = np.zeros(len(X))
            pull = np.zeros(len(X))
            for side, (place, is_there) in ((1, (codes, codes < K - 1)), (-1, (codes - 1, codes > 0))):
                place = np.where(is_there, place, 0)
                u = side * (thresholds[place] - scores)
                own = np.where(is_there, weight, 0.0)
                value += float(own @ log_expit(u))
                rest, bend = own * sigmoid(-u), own * sigmoid(u) * sigmoid(-u)
                slope += side * np.bincount(place, rest, K - 1)
                pull -= side * rest
                total += bend
                curvature[np.diag_indices(K - 1)] += np.bincount(place, bend, K - 1)
                for j in range(K - 1):
                    chosen = place == j
                    cross[:, j] -= bend[chosen] @ X[chosen]
            with one_blas_thread():
                gradient[:p] += pull @ X
                information[:p, :p] += X.T @ (X * total[:, None])
        gradient[p:] = slope
        information[p:, p:], information[:p, p:], information[p:, :p] = curvature, cross, cross.T
        return Derived(value, gradient, information)

    def maximum(self) -> Ascended[Derived]:
        """Newton's method from the best thresholds."""
        return ascend(self.derived, self.null_start())

    def refit(self, best: Ascended[Derived], A: Array, b: Array, start: Array | None = None) -> Refit:
        """The maximum under `A theta = b`, for coefficients of columns as given.

        Raises:
            ArgumentError: no growing thresholds were found that satisfy it.
        """
        to_given, p = self.to_given, self.n_slopes
        guess = to_given @ best.at if start is None else start
        # The best quadratic guess; else other slopes, or all thresholds elsewhere, as far as
        # needed.
        spread = to_given @ np.linalg.pinv(best.derived.information, rcond=1e-14, hermitian=True) @ to_given.T @ A.T
        moves = (spread, np.vstack([A[:, :p].T, np.zeros((self.size - p, len(A)))]), _shifts(A, p))
        for move in moves:
            moved = guess - move @ np.linalg.lstsq(A @ move, A @ guess - b, rcond=None)[0]
            holds = np.allclose(A @ moved, b, rtol=1e-9, atol=1e-9 * (1 + np.abs(b).max(initial=0.0)))
            if holds and (np.diff(moved[p:]) > 0).all():
                return refitted(self.derived, best, to_given, (A, b), moved)
        raise ArgumentError("hypothesis: no growing thresholds satisfy it")

    def recession(self, at: Array) -> Recession | None:
        """The directions in which no loss rises: of the rows below and above each threshold."""
        X: Any = self.rows.X
        codes, weight, K = self.rows.target, self.rows.weight, self.n_classes
        below, above = np.flatnonzero(codes < K - 1), np.flatnonzero(codes > 0)
        rows, place = np.append(below, above), np.append(codes[below], codes[above] - 1)
        chosen = sparse.csr_matrix((np.ones(len(rows)), (np.arange(len(rows)), place)), (len(rows), K - 1))
        stacked = sparse.hstack([-sparse.csr_matrix(X)[rows], chosen], format="csr")
        is_below = np.repeat([1, 0], [len(below), len(above)])
        scores = stacked @ (self.to_given @ at)
        if self.offset is not None:
            scores = scores - self.offset[rows]
        found = as_rows(stacked.astype(np.float64), is_below, weight[rows])
        return recession_of(found, is_below, np.arange(self.size), False, np.column_stack([0 * scores, scores]))


def _gap_derivatives(gaps: Array) -> tuple[Array, Array]:
    """Of `log(1 - exp(-d))` the first derivative, and minus the second."""
    with np.errstate(over="ignore"):
        return 1 / np.expm1(gaps), 1 / (4 * np.sinh(gaps / 2) ** 2)


def _shifts(A: Array, p: int) -> Array:
    """All thresholds by the same amount, for each equation."""
    move = np.zeros((A.shape[1], len(A)))
    move[p:] = A[:, p:].sum(axis=1)
    return move


def class_probabilities(scores: Array, thresholds: Array) -> Array:
    """The probability of each class, (n, K), for `x'b` of each row.

    Example:
        >>> class_probabilities(np.array([0.0, 800.0]), np.array([-1.0, 1.0])).round(4)
        array([[0.2689, 0.4621, 0.2689],
               [0.    , 0.    , 1.    ]])
    """
    u = thresholds - scores[:, None]
    inner = sigmoid(u[:, 1:]) * sigmoid(-u[:, :-1]) * -np.expm1(-np.diff(thresholds))
    return np.column_stack([sigmoid(u[:, :1]), inner, sigmoid(-u[:, -1:])])
