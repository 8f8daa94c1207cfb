"""The objective: mean loss over the rows plus penalty, and every sum over the rows that a solver may ask for.

    P(W) = sum_i s_i loss(x_i W + b, y_i) / sum_i s_i + penalty(W)

Coefficients have one shape everywhere inside: (n_features + 1, n_outputs), the intercept in the last row. Features
are the rows' standardised columns. Losses see scores only, penalties feature coefficients only, rows neither: they
meet here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk

from polytome import native
from polytome.losses import Loss
from polytome.penalties import Penalty
from polytome.rows import Block, Rows

Array = NDArray[Any]

__all__ = ["Objective", "block_scores", "block_value_and_gradient"]


def block_scores(block: Block, raw: Array) -> Array:
    """Scores of a block in float64; `raw` are coefficients for raw columns, float64."""
    scores: Array = np.asarray(block.X @ raw[:-1].astype(block.X.dtype, copy=False), dtype=np.float64)
    scores += raw[-1]
    return scores


def block_value_and_gradient(loss: Loss, block: Block, raw: Array) -> tuple[Array, Array]:
    """Weighted loss and its gradient with respect to raw coefficients: the one place where a block becomes both."""
    fused = native.value_and_gradient(loss, block, raw)
    if fused is not None:
        return fused
    value, residual = loss.value_and_gradient(block_scores(block, raw), block.target)
    residual *= block.weight[:, None]
    gradient = np.empty(raw.shape)
    gradient[:-1] = block.X.T @ residual.astype(block.X.dtype, copy=False)
    gradient[-1] = residual.sum(axis=0)
    return np.asarray(block.weight @ value), gradient


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

    @cached_property
    def total_weight(self) -> float:
        """Sum of the weights of the rows."""
        return float(self.rows.weight.sum())

    def at(self, precision: Any) -> Objective:
        """The same objective with its products in another floating type."""
        return replace(self, rows=self.rows.at(precision))

    def value_and_gradient(self, W: Array) -> tuple[float, Array]:
        """`P(W)` in nats and its gradient: one pass over the rows."""
        loss, raw = self.loss, self.rows.columns.to_raw(W)
        with np.errstate(over="ignore", invalid="ignore"):
            value, gradient = self.rows.sum(lambda block: block_value_and_gradient(loss, block, raw))
            gradient = self.rows.columns.from_raw(gradient)
        gradient /= self.total_weight
        if not self.fit_intercept:
            gradient[-1] = 0.0
        gradient[:-1] += self.penalty.gradient(W[:-1])
        return float(value) / self.total_weight + self.penalty.value(W[:-1]), gradient

    def hessian(self, W: Array, rows: Rows | None = None) -> Array:
        """Hessian, (size, size), coefficients ordered output by output (`W.T.ravel()`): one pass over the rows.

        The Hessian of a row's loss is `diag(m) - u u'`, so each output has a diagonal block `X' diag(m_k) X`, from
        which the Gram matrix of the rows `u_i (x) x_i` is taken away. `rows` may be a weighted sample that stands
        for them all.
        """
        rows = (self.rows if rows is None else rows).at(np.float64)
        n_columns, n_outputs = self.shape
        raw = self.rows.columns.to_raw(W)

        def block_hessian(block: Block) -> tuple[Array, ...]:
            fused = native.hessian(self.loss, block, W, rows.columns, self.fit_intercept)
            if fused is not None:
                return (fused[np.newaxis],)
            m, u = self.loss.curvature(block_scores(block, raw))
            X = np.empty((len(block.weight), n_columns))
            X[:, :-1] = rows.dense(block)
            X[:, -1] = 1.0 if self.fit_intercept else 0.0
            roots = np.sqrt(block.weight[:, None] * np.maximum(m, 0.0))
            diagonal = np.stack([dsyrk(1.0, (X * root[:, None]).T, lower=True) for root in roots.T])
            if u is None:
                return (diagonal,)
            root = np.sqrt(block.weight)[:, None]
            kronecker = ((u * root)[:, :, None] * X[:, None, :]).reshape(len(X), -1)
            return diagonal, dsyrk(1.0, kronecker.T, lower=True)

        sums = rows.sum(block_hessian)
        H = -_mirrored(sums[1]) if len(sums) == 2 else np.zeros((self.size, self.size))
        for k in range(n_outputs):
            part = slice(k * n_columns, (k + 1) * n_columns)
            H[part, part] += _mirrored(sums[0][k])
        H /= self.total_weight
        penalised = np.tile(np.append(np.ones(n_columns - 1), 0.0), n_outputs)
        H[np.diag_indices_from(H)] += self.penalty.strength * penalised
        return H

    def hessian_product(self, W: Array, direction: Array) -> Array:
        """Hessian at `W` times a direction of the same shape: one pass over the rows."""
        raw, along = self.rows.columns.to_raw(W), self.rows.columns.to_raw(direction)

        def block_product(block: Block) -> tuple[Array, ...]:
            m, u = self.loss.curvature(block_scores(block, raw))
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
        result[:-1] += self.penalty.strength * direction[:-1]
        return result

    def intercept_hessian(self, W: Array) -> Array:
        """Hessian with respect to the intercepts alone, (n_outputs, n_outputs): one pass over the rows."""
        raw = self.rows.columns.to_raw(W)

        def block_hessian(block: Block) -> tuple[Array, ...]:
            m, u = self.loss.curvature(block_scores(block, raw))
            hessian = np.diag(block.weight @ m)
            return (hessian if u is None else hessian - (u * block.weight[:, None]).T @ u,)

        (hessian,) = self.rows.sum(block_hessian)
        result: Array = hessian / self.total_weight
        return result

    @cached_property
    def null(self) -> tuple[Array, float]:
        """Coefficients of the null model and its objective: the yardstick of `tol`.

        The null model is the best intercept alone; where no intercept is wanted, all scores are zero.
        """
        rows = self.rows
        scores = np.zeros(self.shape[1])
        if self.fit_intercept:
            scores = self.loss.null_scores(rows.target, rows.weight)
        W = np.zeros(self.shape)
        W[-1] = scores
        total = 0.0
        for start in range(0, rows.n_rows, 65_536):
            part = slice(start, start + 65_536)
            target, weight = rows.target[part], rows.weight[part]
            value, _ = self.loss.value_and_gradient(np.tile(scores, (len(weight), 1)), target)
            total += float(weight @ value)
        return W, total / self.total_weight


def _mirrored(lower: Array) -> Array:
    """The symmetric matrix whose lower triangle is given."""
    symmetric: Array = np.tril(lower)
    symmetric += np.tril(lower, -1).T
    return symmetric
