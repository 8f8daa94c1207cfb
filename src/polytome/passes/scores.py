"""Passes that have a result for each row: scores and squared lengths; and the loss of scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.losses import Loss
from polytome.passes.block import Block, Columns
from polytome.passes.one_pass import Sums

Array = NDArray[Any]
__all__ = ["LossOfScores", "RowSquares", "Scores", "block_scores"]


def block_scores(block: Block, raw: Array) -> Array:
    """Scores of a block in float64; `raw` are coefficients for raw columns, float64."""
    if not raw[:-1].any():  # a null model's: no product, nor the conversion of the rows for it
        return np.tile(raw[-1], (block.stored.shape[0], 1))
    scores: Array = np.asarray(block.X @ raw[:-1].astype(block.X.dtype, copy=False), dtype=np.float64)
    scores += raw[-1]
    return scores


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of all rows in float64, joined: (n, n_outputs).

    Args:
        raw: coefficients for raw columns, shape (n_features + 1, n_outputs), float64.
    """

    raw: Array
    joined = 1

    def of_block(self, block: Block) -> Sums:
        """Their product with the coefficients, in the block's precision."""
        return (block_scores(block, self.raw),)


@dataclass(frozen=True, eq=False)
class RowSquares:
    """Sum of squares of each row's standardised columns, joined: (n,).

    Args:
        columns: how the columns are standardised.
    """

    columns: Columns
    joined = 1

    def of_block(self, block: Block) -> Sums:
        """The squares of the dense columns, added up."""
        X = self.columns.dense(block)
        return (np.einsum("ij,ij->i", X, X),)


@dataclass(frozen=True, eq=False)
class LossOfScores:
    """Weighted loss of rows that are scores themselves, and its gradient with respect to intercepts
    added to them.

    Args:
        loss: a loss of `polytome.losses`.
        intercepts: shape (n_outputs,), float64.
        with_residuals: whether each row's gradient with respect to its scores is wanted as well,
            joined: (n, n_outputs), without weights.
    """

    loss: Loss
    intercepts: Array
    with_residuals: bool = False

    @property
    def joined(self) -> int:
        """The residuals, if they are wanted."""
        return int(self.with_residuals)

    def of_block(self, block: Block) -> Sums:
        """The loss of the block's columns, as scores."""
        value, residual = self.loss.value_and_gradient(block.X + self.intercepts, block.target)
        sums = np.asarray(block.weight @ value), np.asarray(block.weight @ residual)
        return (*sums, residual) if self.with_residuals else sums
