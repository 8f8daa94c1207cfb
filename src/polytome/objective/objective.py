"""The objective: mean loss over the rows plus penalty, and every sum over the rows that a solver
may ask for.

    P(W) = sum_i s_i loss(x_i W + b, y_i) / sum_i s_i + penalty(W)

Coefficients have one shape everywhere inside: (n_features + 1, n_outputs), the intercept in the
last row. Features are the rows' standardised columns. Losses see scores only, penalties feature
coefficients only, rows neither: they meet here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from polytome.losses import Loss, labels_of, offset_of
from polytome.numerics.totals import class_totals
from polytome.passes import Columns, Derivatives, HessianOfScores, HessianProduct, RowSquares, Scores, ValueAndGradient
from polytome.penalties import Bounded, Penalty, by_column
from polytome.rows import Rows
from polytome.threads import kept

Array = NDArray[Any]

__all__ = ["Objective", "Sizes", "all_scores"]


_INDEPENDENT_OF_PENALTY = tuple(
    f"_kept_{name}"
    for name in ("shape", "total_weight", "room", "soft", "row_lengths", "offset_size", "null", "_latest")
)
_ROUNDING_OF_CENTRE = 4 * float(np.finfo(np.float64).eps)  # of the largest coefficient of a column
_LEAST_BESIDE_OFFSETS = 1e-9  # nats: the smallest yardstick, where offsets predict all labels


def all_scores(rows: Rows, raw: Array) -> Array:
    """Scores of all rows in float64, (n_rows, n_outputs): a pass. `raw` are coefficients for raw
    columns, float64."""
    (scores,) = rows.reduce(Scores(raw))
    return scores


@dataclass(frozen=True)
class Sizes:
    """Upper bounds on the root mean squares of scaled columns, each of shape (n_features,), and
    their norms.

    Attributes:
        summed: of columns as they are summed, with what centres them beside.
        centred: of columns about their centres.
        summed_norm: the Euclidean norm of `summed`.
        centred_norm: that of `centred`.
        summed_dual: the penalty's dual norm of `summed`.
        centred_dual: that of `centred`.
        depth: how many additions stand between a row and a sum over all rows: those of a block, and
            of blocks.
    """

    summed: Array
    centred: Array
    summed_norm: float
    centred_norm: float
    summed_dual: float
    centred_dual: float
    depth: int


@dataclass(frozen=True, eq=False)
class _Known:
    """Coefficients, the mean loss there and its gradient, and perhaps the scores of all rows."""

    W: Array
    loss: float
    gradient: Array
    scores: Array | None


@dataclass(frozen=True)
class Objective:
    """Mean loss over rows plus penalty, as a function of coefficients (n_features + 1, n_outputs),
    intercept last.

    Args:
        loss: a function of scores and targets.
        penalty: a function of the feature coefficients. Values are of all of it; gradients and
            Hessians leave out its rest, if it has one.
        rows: the data.
        fit_intercept: whether the last row of the coefficients may move away from zero.

    Example:
        >>> from polytome.losses import Logistic
        >>> from polytome.penalties import L2
        >>> from polytome.rows import as_rows
        >>> objective = Objective(Logistic(), L2(1.0), as_rows(np.array([[-1.0], [1.0]]), np.array([0, 1])))
        >>> value, gradient = objective.value_and_gradient(np.zeros((2, 1)))
        >>> round(value, 4), gradient.ravel()
        (0.6931, array([-0.5,  0. ]))
    """

    loss: Loss
    penalty: Penalty
    rows: Rows
    fit_intercept: bool = True

    @property
    @kept
    def shape(self) -> tuple[int, int]:
        """Shape of the coefficients: (n_features + 1, n_outputs)."""
        return self.rows.n_features + 1, self.loss.n_outputs

    @property
    def size(self) -> int:
        """Number of coefficients, intercepts included."""
        return self.shape[0] * self.shape[1]

    @property
    @kept
    def total_weight(self) -> float:
        """Sum of the weights of the rows."""
        return float(self.rows.weight.sum())

    @property
    @kept
    def unpenalised(self) -> Array:
        """The columns that a penalty leaves alone while it weighs others, shape (n_unpenalised,).

        Like the intercept, they have an equation each that a dual point must satisfy.
        """
        weights = self.penalty.weights
        return np.zeros(0, dtype=np.intp) if isinstance(weights, float) else np.flatnonzero(weights == 0)

    @property
    @kept
    def room(self) -> Array:
        """How far one prediction for all rows can move the mean residual of each output, shape
        (n_outputs,)."""
        return self.loss.room(self.rows.target, self.rows.weight)

    @property
    @kept
    def sizes(self) -> Sizes:
        """How large the columns are, and how long sums over the rows."""
        columns, zero, facts = self.rows.columns, np.zeros(self.rows.n_features), self.rows.facts
        summed = columns.scale * (self.rows.lengths(zero) + np.abs(columns.shift))
        centred = columns.scale * self.rows.lengths(columns.shift)
        norms = float(np.linalg.norm(summed)), float(np.linalg.norm(centred))
        dual = self.penalty.dual_norm(summed[:, None]), self.penalty.dual_norm(centred[:, None])
        return Sizes(summed, centred, *norms, *dual, facts.largest_block + facts.n_blocks)

    @property
    @kept
    def offset_size(self) -> float:
        """A bound on the weighted root mean square of the rows' offsets, as vectors; 0 where there
        are none."""
        offset = offset_of(self.rows.target)
        if offset is None:
            return 0.0
        squares = np.einsum("ij,ij->i", offset, offset)
        return float(np.sqrt(self.rows.weight @ squares / self.total_weight)) * (1 + (self.rows.n_rows + 20) * 2.0**-52)

    @property
    @kept
    def soft(self) -> Array:
        """For each row whether its label is soft, so that its residual is a difference of numbers
        near one.

        Shape (n,), or (0,) where no label is.
        """
        target = labels_of(self.rows.target)
        if target.dtype.kind != "f":
            return np.zeros(0)
        if not self.loss.separable:
            return np.ones(len(target))
        between = (target > 0) & (target < 1)
        return np.asarray(between if target.ndim == 1 else between.any(axis=1), dtype=np.float64)

    @property
    @kept
    def row_lengths(self) -> Array:
        """Mean square of each row's standardised columns, shape (n,): how much of an outlier a row
        is. Two passes, once."""
        (squares,) = self.rows.reduce(RowSquares(self.standard_columns))
        return squares / self.rows.n_features

    @property
    def standard_columns(self) -> Columns:
        """The raw columns centred and scaled to a standard deviation of one; constant ones are
        zeros."""
        mean, deviation = self.rows.moments()
        return Columns(mean, 1 / np.where(deviation > 0, deviation, np.inf))

    def canonical(self, W: Array) -> Array:
        """The representative of smallest penalty among coefficients that give the same
        predictions: a softmax does not see what is added to all classes alike."""
        if not self.penalty.has_rest:
            return self.loss.canonical(W)
        if not self.loss.separable:
            centre = np.vstack([self.penalty.centre(W[:-1]), W[-1:].mean(axis=1, keepdims=True)])
            # What is canonical but for rounding stays as it is.
            centre[np.abs(centre) <= _ROUNDING_OF_CENTRE * np.abs(W).max(axis=1, keepdims=True)] = 0.0
            W = W - centre
        return np.vstack([self.penalty.nearest(W[:-1]), W[-1:]]) if isinstance(self.penalty, Bounded) else W

    def at(self, precision: Any) -> Objective:
        """The same objective with its products in another floating type; itself where that is its
        own."""
        rows = self.rows.at(precision)
        return self if rows is self.rows else replace(self, rows=rows)

    def with_penalty(self, penalty: Penalty) -> Objective:
        """The same rows and loss under another penalty; what does not depend on it is kept."""
        changed = replace(self, penalty=penalty)
        for name in _INDEPENDENT_OF_PENALTY:
            if name in vars(self):
                vars(changed)[name] = vars(self)[name]
        return changed

    def value_and_gradient(self, W: Array) -> tuple[float, Array]:
        """`P(W)` in nats and its gradient, that of the penalty's quadratic part: one pass over the
        rows."""
        known = self._known_at(W) if self.penalty.has_rest else None
        if known is not None:
            loss, gradient = known.loss, known.gradient.copy()
        else:
            columns = self.rows.columns
            with np.errstate(over="ignore", invalid="ignore"):
                value, gradient = self.rows.reduce(ValueAndGradient(self.loss, columns.to_raw(W)))
                gradient = columns.from_raw(gradient)
            gradient /= self.total_weight
            if not self.fit_intercept:
                gradient[-1] = 0.0
            loss = float(value) / self.total_weight
            if self.penalty.has_rest:
                self.remember(W, loss, gradient)
        gradient[:-1] += self.penalty.quadratic * W[:-1]
        return loss + self.penalty.value(W[:-1]), gradient

    def _known_at(self, W: Array) -> _Known | None:
        """What is known of these coefficients, if the last pass was for them: a fit under absolute
        values, its certificate, its zeros, and the next fit of a path ask for them in turn."""
        latest = self._latest
        return latest[0] if latest and np.array_equal(latest[0].W, W) else None

    def remember(self, W: Array, loss: float, gradient: Array, scores: Array | None = None) -> None:
        """Keeps what was found at coefficients, in the place of what was kept before.

        Args:
            W: coefficients.
            loss: the mean loss there, in nats.
            gradient: its gradient, of the shape of W.
            scores: of all rows, (n_rows, n_outputs), if they are known.
        """
        self._latest[:] = [_Known(W.copy(), loss, gradient.copy(), scores)]

    def known_scores(self, W: Array) -> Array | None:
        """The scores of all rows at these coefficients, if they were remembered."""
        known = self._known_at(W)
        return None if known is None else known.scores

    @property
    @kept
    def _latest(self) -> list[_Known]:
        """What is known of the last coefficients; at most one entry."""
        return []

    @property
    def hessian_entries(self) -> int:
        """Numbers in the blocks of the Hessian."""
        return self.shape[0] * self.size if self.loss.separable else self.size**2

    def hessian(self, W: Array, rows: Rows | None = None) -> Array:
        """Hessian, (size, size), coefficients ordered output by output (`W.T.ravel()`); see
        `hessian_blocks`."""
        H: Array = block_diag(*self.hessian_blocks(W, rows))
        return H

    def hessian_blocks(self, W: Array, rows: Rows | None = None) -> Array:
        """The blocks on the Hessian's diagonal, outside of which it is zero: one pass over the
        rows.

        Shape (n_outputs, n_features + 1, n_features + 1) for a separable loss, whose outputs are
        independent of each other, else (1, size, size). The Hessian of a row's loss is
        `diag(m) - u u'`, so each output has a diagonal block `X' diag(m_k) X`, minus the Gram
        matrix of the rows `u_i (x) x_i`. `rows` may be a weighted sample that stands for them all.
        """
        return self.derivatives(W, rows)[2]

    def derivatives(self, W: Array, rows: Rows | None = None) -> tuple[float, Array, Array]:
        """`P(W)` in nats, its gradient, and its Hessian as in `hessian_blocks`, both with the
        penalty's quadratic part: one pass over the rows in float64."""
        rows = (self.rows if rows is None else rows).at(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            sums = rows.reduce(Derivatives(self.loss, W, rows.columns, self.fit_intercept))
        value, gradient, blocks = sums
        for terms in (gradient, blocks):
            terms /= self.total_weight
        gradient[:-1] += self.penalty.quadratic * W[:-1]
        diagonal = blocks.reshape(len(blocks), -1)[:, :: blocks.shape[1] + 1]
        diagonal.reshape(-1, self.shape[0])[:, :-1] += by_column(self.penalty.quadratic)
        return float(value) / self.total_weight + self.penalty.value(W[:-1]), gradient, blocks

    def dot(self, one: Array, other: Array) -> Array:
        """Inner products of coefficients: of each output's, (n_outputs,), for a separable loss,
        else of all, (1,)."""
        if self.loss.separable:
            products: Array = np.einsum("ij,ij->j", one, other)
            return products
        return np.array([np.vdot(one, other)])

    def hessian_product(self, W: Array, direction: Array) -> Array:
        """Hessian at `W` times a direction of the same shape: one pass over the rows."""
        columns = self.rows.columns
        one_pass = HessianProduct(self.loss, columns.to_raw(W), columns.to_raw(direction))
        result = columns.from_raw(np.vstack(self.rows.reduce(one_pass))) / self.total_weight
        if not self.fit_intercept:
            result[-1] = 0.0
        result[:-1] += self.penalty.quadratic * direction[:-1]
        return result

    def intercept_hessian(self, W: Array) -> Array:
        """Hessian with respect to the intercepts alone, (n_outputs, n_outputs): one pass over the
        rows."""
        (hessian,) = self.rows.reduce(HessianOfScores(self.loss, self.rows.columns.to_raw(W)))
        result: Array = hessian / self.total_weight
        return result

    @property
    @kept
    def null(self) -> tuple[Array, float]:
        """Coefficients of the null model and its objective: the yardstick of `tol`.

        The null model is the best intercept alone, beside the offsets where rows have some; where
        no intercept is wanted, all scores are zero. Offsets may predict all labels: the yardstick
        is then 1e-9 nats.
        """
        target, weight = self.rows.target, self.rows.weight
        scores = np.zeros(self.shape[1])
        if self.fit_intercept:
            scores = self.loss.null_scores(target, weight)
        W = np.zeros(self.shape)
        W[-1] = scores
        if target.ndim == 1 and target.dtype.kind == "i":  # rows of one class have one loss
            weight = class_totals(target, weight, int(target.max()) + 1)
            target = np.arange(len(weight))
        total = 0.0
        for start in range(0, len(weight), 65_536):
            part = slice(start, start + 65_536)
            value, _ = self.loss.value_and_gradient(np.tile(scores, (len(weight[part]), 1)), target[part])
            total += float(weight[part] @ value)
        least = 0.0 if offset_of(self.rows.target) is None else _LEAST_BESIDE_OFFSETS
        return W, max(total / self.total_weight, least)
