"""The objective: mean loss over the rows plus penalty, and every sum over the rows that a solver may ask for.

    P(W) = sum_i s_i loss(x_i W + b, y_i) / sum_i s_i + penalty(W)

Coefficients have one shape everywhere inside: (n_features + 1, n_outputs), the intercept in the last row. Features
are the rows' standardised columns. Losses see scores only, penalties feature coefficients only, rows neither: they
meet here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from polytome import native
from polytome.losses import Loss
from polytome.penalties import Penalty, by_column
from polytome.rows import Block, Columns, Rows
from polytome.threads import kept

Array = NDArray[Any]

__all__ = ["Objective", "Sizes", "all_scores", "block_scores", "block_value_and_gradient", "hessian_of_scores"]


def block_scores(block: Block, raw: Array) -> Array:
    """Scores of a block in float64; `raw` are coefficients for raw columns, float64."""
    if not raw[:-1].any():  # a null model's: no product, nor the conversion of the rows for it
        return np.tile(raw[-1], (len(block.weight), 1))
    scores: Array = np.asarray(block.X @ raw[:-1].astype(block.X.dtype, copy=False), dtype=np.float64)
    scores += raw[-1]
    return scores


def all_scores(rows: Rows, raw: Array) -> Array:
    """Scores of all rows in float64, (n_rows, n_outputs): a pass. `raw` as in `block_scores`."""
    scores = native.linked_scores(rows.whole.stored, raw.T, "scores")
    return rows.each(lambda block: block_scores(block, raw)) if scores is None else scores


def block_value_and_gradient(loss: Loss, block: Block, raw: Array) -> tuple[Array, Array]:
    """Weighted loss and its gradient with respect to raw coefficients: the one place where a block becomes both."""
    fused = native.value_and_gradient(loss, block, raw)
    if fused is not None:
        return fused
    outputs = loss.outputs_of(block.target)
    value, residual = loss.value_and_gradient(block_scores(block, raw[:, outputs]), block.target)
    residual *= block.weight[:, None]
    gradient = np.zeros(raw.shape)
    gradient[:-1, outputs] = block.X.T @ residual.astype(block.X.dtype, copy=False)
    gradient[-1, outputs] = residual.sum(axis=0)
    return np.asarray(block.weight @ value), gradient


def hessian_of_scores(weight: Array, m: Array, u: Array | None) -> Array:
    """Weighted sum over rows of `diag(m) - u u'`, the Hessians with respect to their scores, (n_outputs, n_outputs)."""
    hessian = np.diag(weight @ m)
    if u is not None:
        hessian -= _gram(u * np.sqrt(weight)[:, None])
    return hessian


@dataclass(frozen=True)
class Sizes:
    """Upper bounds on the root mean squares of scaled columns, each of shape (n_features,), and their norms.

    Attributes:
        summed: of columns as they are summed, with what centres them beside.
        centred: of columns about their centres.
        summed_norm: the Euclidean norm of `summed`.
        centred_norm: that of `centred`.
        summed_dual: the penalty's dual norm of `summed`.
        centred_dual: that of `centred`.
        depth: how many additions stand between a row and a sum over all rows: those of a block, and of blocks.
    """

    summed: Array
    centred: Array
    summed_norm: float
    centred_norm: float
    summed_dual: float
    centred_dual: float
    depth: int


@dataclass(frozen=True)
class Objective:
    """Mean loss over rows plus penalty, as a function of coefficients (n_features + 1, n_outputs), intercept last.

    Args:
        loss: a function of scores and targets.
        penalty: a function of the feature coefficients.
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
        """How far one prediction for all rows can move the mean residual of each output, shape (n_outputs,)."""
        return self.loss.room(self.rows.target, self.rows.weight)

    @property
    @kept
    def sizes(self) -> Sizes:
        """How large the columns are, and how long sums over the rows."""
        columns, zero, ends = self.rows.columns, np.zeros(self.rows.n_features), self.rows.ends_of_blocks
        summed = columns.scale * (self.rows.lengths(zero) + np.abs(columns.shift))
        centred = columns.scale * self.rows.lengths(columns.shift)
        norms = float(np.linalg.norm(summed)), float(np.linalg.norm(centred))
        dual = self.penalty.dual_norm(summed[:, None]), self.penalty.dual_norm(centred[:, None])
        return Sizes(summed, centred, *norms, *dual, int(np.diff(ends, prepend=0).max()) + len(ends))

    @property
    @kept
    def soft(self) -> Array:
        """For each row whether its label is soft, so that its residual is a difference of numbers near one.

        Shape (n,), or (0,) where no label is.
        """
        target = self.rows.target
        if target.dtype.kind != "f":
            return np.zeros(0)
        if not self.loss.separable:
            return np.ones(len(target))
        between = (target > 0) & (target < 1)
        return np.asarray(between if target.ndim == 1 else between.any(axis=1), dtype=np.float64)

    @property
    @kept
    def row_lengths(self) -> Array:
        """Mean square of each row's standardised columns, shape (n,): how far a row stands out. Two passes, once."""
        mean, deviation = self.rows.moments()
        standard = self.rows.with_columns(Columns(mean, 1 / np.where(deviation > 0, deviation, np.inf)))

        def block_squares(block: Block) -> Array:
            fused = native.row_squares(block, standard.columns)
            if fused is not None:
                return fused
            X = standard.dense(block)
            squares: Array = np.einsum("ij,ij->i", X, X)
            return squares

        return standard.each(block_squares) / self.rows.n_features

    def at(self, precision: Any) -> Objective:
        """The same objective with its products in another floating type; itself where that is its own."""
        rows = self.rows.at(precision)
        return self if rows is self.rows else replace(self, rows=rows)

    def value_and_gradient(self, W: Array) -> tuple[float, Array]:
        """`P(W)` in nats and its gradient: one pass over the rows."""
        loss, rows, raw = self.loss, self.rows, self.rows.columns.to_raw(W)
        with np.errstate(over="ignore", invalid="ignore"):
            fused = native.value_and_gradient(loss, rows.whole, raw, rows.ends_of_blocks, rows.n_threads)
            value, gradient = fused or rows.sum(lambda block: block_value_and_gradient(loss, block, raw))
            gradient = self.rows.columns.from_raw(gradient)
        gradient /= self.total_weight
        if not self.fit_intercept:
            gradient[-1] = 0.0
        gradient[:-1] += self.penalty.quadratic * W[:-1]
        return float(value) / self.total_weight + self.penalty.value(W[:-1]), gradient

    @property
    def hessian_entries(self) -> int:
        """Numbers in the blocks of the Hessian."""
        return self.shape[0] * self.size if self.loss.separable else self.size**2

    def hessian(self, W: Array, rows: Rows | None = None) -> Array:
        """Hessian, (size, size), coefficients ordered output by output (`W.T.ravel()`); see `hessian_blocks`."""
        H: Array = block_diag(*self.hessian_blocks(W, rows))
        return H

    def hessian_blocks(self, W: Array, rows: Rows | None = None) -> Array:
        """The blocks on the Hessian's diagonal, outside of which it is zero: one pass over the rows.

        Shape (n_outputs, n_features + 1, n_features + 1) for a separable loss, whose outputs have nothing to do with
        each other, else (1, size, size). The Hessian of a row's loss is `diag(m) - u u'`, so each output has a
        diagonal block `X' diag(m_k) X`, from which the Gram matrix of the rows `u_i (x) x_i` is taken away. `rows` may
        be a weighted sample that stands for them all.
        """
        return self.derivatives(W, rows)[2]

    def derivatives(self, W: Array, rows: Rows | None = None) -> tuple[float, Array, Array]:
        """`P(W)` in nats, its gradient, and its Hessian as in `hessian_blocks`: one pass over the rows in float64."""
        rows = (self.rows if rows is None else rows).at(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            shape = (rows.columns, self.fit_intercept, rows.ends_of_blocks, rows.n_threads)
            fused = native.derivatives(self.loss, rows.whole, W, *shape)
            value, gradient, blocks = fused or rows.sum(lambda block: self._block_derivatives(rows, block, W))
        for sums in (gradient, blocks):
            sums /= self.total_weight
        gradient[:-1] += self.penalty.quadratic * W[:-1]
        diagonal = blocks.reshape(len(blocks), -1)[:, :: blocks.shape[1] + 1]
        diagonal.reshape(-1, self.shape[0])[:, :-1] += by_column(self.penalty.quadratic)
        return float(value) / self.total_weight + self.penalty.value(W[:-1]), gradient, blocks

    def _block_derivatives(self, rows: Rows, block: Block, W: Array) -> tuple[Array, Array, Array]:
        """Weighted loss of a block, its gradient for standardised columns, and the blocks of its Hessian."""
        raw = rows.columns.to_raw(W)
        value, gradient = block_value_and_gradient(self.loss, block, raw)
        gradient = rows.columns.from_raw(gradient)
        if not self.fit_intercept:
            gradient[-1] = 0.0
        outputs = self.loss.outputs_of(block.target)
        m, u = self.loss.curvature(block_scores(block, raw[:, outputs]), block.target)
        X = np.empty((len(block.weight), self.shape[0]))
        X[:, :-1] = rows.dense(block)
        X[:, -1] = 1.0 if self.fit_intercept else 0.0
        blocks = np.zeros((self.loss.n_outputs, X.shape[1], X.shape[1]))
        blocks[outputs] = _weighted_grams(X, block.weight[:, None] * np.maximum(m, 0.0))
        if u is not None:
            root = np.sqrt(block.weight)[:, None]
            kronecker = ((u * root)[:, :, None] * X[:, None, :]).reshape(len(X), -1)
            blocks = (block_diag(*blocks) - _gram(kronecker))[np.newaxis]
        return value, gradient, blocks

    def dot(self, one: Array, other: Array) -> Array:
        """Inner products of coefficients: of each output's, (n_outputs,), for a separable loss, else of all, (1,)."""
        if self.loss.separable:
            products: Array = np.einsum("ij,ij->j", one, other)
            return products
        return np.array([np.vdot(one, other)])

    def hessian_product(self, W: Array, direction: Array) -> Array:
        """Hessian at `W` times a direction of the same shape: one pass over the rows."""
        raw, along = self.rows.columns.to_raw(W), self.rows.columns.to_raw(direction)

        def block_product(block: Block) -> tuple[Array, ...]:
            m, u = self.loss.curvature(block_scores(block, raw), block.target)
            change = block_scores(block, along)
            product = m * change
            if u is not None:
                product -= u * (u * change).sum(axis=1, keepdims=True)
            product *= block.weight[:, None]
            return block.X.T @ product.astype(block.X.dtype, copy=False), product.sum(axis=0)

        features, intercept = self.rows.sum(block_product)
        result = self.rows.columns.from_raw(np.vstack([features, intercept])) / self.total_weight
        if not self.fit_intercept:
            result[-1] = 0.0
        result[:-1] += self.penalty.quadratic * direction[:-1]
        return result

    def intercept_hessian(self, W: Array) -> Array:
        """Hessian with respect to the intercepts alone, (n_outputs, n_outputs): one pass over the rows."""
        raw = self.rows.columns.to_raw(W)

        def block_hessian(block: Block) -> tuple[Array, ...]:
            m, u = self.loss.curvature(block_scores(block, raw), block.target)
            return (hessian_of_scores(block.weight, m, u),)

        (hessian,) = self.rows.sum(block_hessian)
        result: Array = hessian / self.total_weight
        return result

    @property
    @kept
    def null(self) -> tuple[Array, float]:
        """Coefficients of the null model and its objective: the yardstick of `tol`.

        The null model is the best intercept alone; where no intercept is wanted, all scores are zero.
        """
        target, weight = self.rows.target, self.rows.weight
        scores = np.zeros(self.shape[1])
        if self.fit_intercept:
            scores = self.loss.null_scores(target, weight)
        W = np.zeros(self.shape)
        W[-1] = scores
        if target.ndim == 1 and target.dtype.kind == "i":  # rows of one class have one loss
            weight = np.bincount(target, weights=weight)
            target = np.arange(len(weight))
        total = 0.0
        for start in range(0, len(weight), 65_536):
            part = slice(start, start + 65_536)
            value, _ = self.loss.value_and_gradient(np.tile(scores, (len(weight[part]), 1)), target[part])
            total += float(weight[part] @ value)
        return W, total / self.total_weight


def _gram(X: Array) -> Array:
    """`X' X`: NumPy computes one triangle, without the interpreter's lock, so that threads can share blocks."""
    product: Array = X.T @ X
    return product


def _weighted_grams(X: Array, weights: Array) -> Array:
    """`X' diag(w) X` for each column w of the weights, (n_weights, n_columns, n_columns)."""
    n_columns = X.shape[1]
    if weights.shape[1] <= n_columns:
        return np.stack([_gram(X * np.sqrt(w)[:, None]) for w in weights.T])
    # Many weights for few columns: every product of two columns once, and one matrix product for all the weights.
    row, column = np.tril_indices(n_columns)
    grams = np.empty((weights.shape[1], n_columns, n_columns))
    grams[:, row, column] = weights.T @ (X[:, row] * X[:, column])
    grams[:, column, row] = grams[:, row, column]
    return grams
