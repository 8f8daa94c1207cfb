"""Passes of first derivatives, alone or with the Hessian; and the products of columns that they are
made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from polytome.losses import Loss
from polytome.passes.block import Block, Columns
from polytome.passes.one_pass import Sums
from polytome.passes.scores import block_scores

Array = NDArray[Any]

__all__ = ["Derivatives", "Gram", "Grams", "ProductOfColumns", "ValueAndGradient", "kronecker_rows"]


@dataclass(frozen=True, eq=False)
class ValueAndGradient:
    """Weighted loss of the rows, and its gradient with respect to raw coefficients.

    Args:
        loss: a loss of `polytome.losses`.
        raw: coefficients for raw columns, shape (n_features + 1, n_outputs), float64.
    """

    loss: Loss
    raw: Array
    joined = 0

    def of_block(self, block: Block) -> Sums:
        """The one place where NumPy computes both from rows."""
        outputs = self.loss.outputs_of(block.target)
        value, residual = self.loss.value_and_gradient(block_scores(block, self.raw[:, outputs]), block.target)
        residual *= block.weight[:, None]
        gradient = np.zeros(self.raw.shape)
        gradient[:-1, outputs] = block.X.T @ residual.astype(block.X.dtype, copy=False)
        gradient[-1, outputs] = residual.sum(axis=0)
        return np.asarray(block.weight @ value), gradient


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Weighted loss of the rows, its gradient, and the blocks of its Hessian, all for standardised
    columns.

    The blocks are those of `polytome.objective.Objective.hessian_blocks`.

    Args:
        loss: a loss of `polytome.losses`.
        W: coefficients for standardised columns, shape (n_features + 1, n_outputs), float64.
        columns: how the columns are standardised.
        fit_intercept: without, the intercepts' derivatives are zero.
    """

    loss: Loss
    W: Array
    columns: Columns
    fit_intercept: bool
    joined = 0

    def of_block(self, block: Block) -> Sums:
        """Each output's `X' diag(m_k) X`, less the Gram matrix of the rows `u_i (x) x_i`."""
        raw = self.columns.to_raw(self.W)
        value, gradient = ValueAndGradient(self.loss, raw).of_block(block)
        gradient = self.columns.from_raw(gradient)
        if not self.fit_intercept:
            gradient[-1] = 0.0
        outputs = self.loss.outputs_of(block.target)
        m, u = self.loss.curvature(block_scores(block, raw[:, outputs]), block.target)
        X = self.columns.with_intercept(block, self.fit_intercept)
        blocks = np.zeros((self.loss.n_outputs, X.shape[1], X.shape[1]))
        blocks[outputs] = _weighted_grams(X, block.weight[:, None] * np.maximum(m, 0.0))
        if u is not None:
            root = np.sqrt(block.weight)[:, None]
            blocks = (block_diag(*blocks) - _gram(kronecker_rows(u * root, X)))[np.newaxis]
        return value, gradient, blocks


@dataclass(frozen=True, eq=False)
class ProductOfColumns:
    """The raw columns times the targets, (n_features, n_outputs): the targets are residuals,
    weighted already."""

    joined = 0

    def of_block(self, block: Block) -> Sums:
        """One matrix product."""
        return (np.asarray(block.X.T @ block.target),)


@dataclass(frozen=True, eq=False)
class Gram:
    """`X' diag(weight) X` of standardised columns, the intercept's last.

    Args:
        columns: how the columns are standardised.
        fit_intercept: without, the intercept's column is zero.
        level_values: the weight is that of the rows times one of these numbers, of which the target
            of each row, (n,), is the place; None for that of the rows.
    """

    columns: Columns
    fit_intercept: bool
    level_values: Array | None = None
    joined = 0

    def of_block(self, block: Block) -> Sums:
        """One matrix product."""
        X = self.columns.with_intercept(block, self.fit_intercept)
        return ((X * self.weight_of(block)[:, None]).T @ X,)

    def weight_of(self, block: Block) -> Array:
        """The weight of each row of a block."""
        return block.weight if self.level_values is None else block.weight * self.level_values[block.target]


@dataclass(frozen=True, eq=False)
class Grams:
    """`X' diag(weight) X` of the standardised rows of each block, joined, and before it each
    block's last target.

    Shapes (n_blocks,) and (n_blocks, n_features + 1, n_features + 1), the intercept's column last.

    Args:
        columns: how the columns are standardised.
        fit_intercept: without, the intercept's column is zero.
    """

    columns: Columns
    fit_intercept: bool
    joined = 2

    def of_block(self, block: Block) -> Sums:
        """One matrix product."""
        X = self.columns.with_intercept(block, self.fit_intercept)
        X *= np.sqrt(block.weight)[:, None]
        return block.target[-1:], _gram(X)[np.newaxis]


def kronecker_rows(u: Array, X: Array) -> Array:
    """The rows `u_i (x) x_i`, (n, n_outputs * n_columns): their Gram matrix couples the outputs of
    a Hessian."""
    rows: Array = (u[:, :, None] * X[:, None, :]).reshape(len(X), u.shape[1] * X.shape[1])
    return rows


def _gram(X: Array) -> Array:
    """`X' X`: NumPy computes one triangle, without the interpreter's lock, so that threads can
    share blocks."""
    product: Array = X.T @ X
    return product


def _weighted_grams(X: Array, weights: Array) -> Array:
    """`X' diag(w) X` for each column w of the weights, (n_weights, n_columns, n_columns)."""
    n_columns = X.shape[1]
    if weights.shape[1] <= n_columns:
        return np.stack([_gram(X * np.sqrt(w)[:, None]) for w in weights.T])
    # Many weights for few columns: every product of two columns once, and one matrix product for
    # all the weights.
    row, column = np.tril_indices(n_columns)
    grams = np.empty((weights.shape[1], n_columns, n_columns))
    grams[:, row, column] = weights.T @ (X[:, row] * X[:, column])
    grams[:, column, row] = grams[:, row, column]
    return grams
