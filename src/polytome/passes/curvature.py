"""Passes that add up second derivatives with respect to scores, or multiply the Hessian by a
direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.losses import Loss
from polytome.passes.block import Block, Columns
from polytome.passes.one_pass import Sums
from polytome.passes.scores import block_scores

Array = NDArray[Any]

__all__ = [
    "CurvatureSums",
    "HessianOfKnownScores",
    "HessianOfScores",
    "HessianProduct",
    "Traces",
    "curvature_of",
    "hessian_of_scores",
]


def hessian_of_scores(weight: Array, m: Array, u: Array | None) -> Array:
    """Weighted sum over rows of `diag(m) - u u'`, the Hessians with respect to their scores,
    (n_outputs, n_outputs)."""
    hessian = np.diag(weight @ m)
    if u is not None:
        rooted = u * np.sqrt(weight)[:, None]
        hessian -= rooted.T @ rooted
    return hessian


def curvature_of(loss: Loss, block: Block, raw: Array) -> tuple[Array, Array, Array | None]:
    """Trace of each row's Hessian times the row's weight, and the `m`, `u` that the Hessian is made
    of.

    Args:
        loss: a loss of `polytome.losses`.
        block: some rows.
        raw: coefficients for raw columns.
    """
    m, u = loss.curvature(block_scores(block, raw), block.target)
    return block.weight * _traces(m, u), m, u


def _traces(m: Array, u: Array | None) -> Array:
    """The traces of `diag(m) - u u'`."""
    trace: Array = m.sum(axis=1) - (0.0 if u is None else (u * u).sum(axis=1))
    return np.maximum(trace, 0.0)


@dataclass(frozen=True, eq=False)
class Traces:
    """Trace of each row's Hessian with respect to its scores, joined: (n,); for the softmax
    `sum_k p_k (1 - p_k)`.

    Args:
        loss: a loss of `polytome.losses`.
        raw: coefficients for raw columns, shape (n_features + 1, n_outputs), float64.
    """

    loss: Loss
    raw: Array
    joined = 1

    def of_block(self, block: Block) -> Sums:
        """The sum of `m - u^2` over the outputs, where the Hessian is `diag(m) - u u'`."""
        m, u = self.loss.curvature(block_scores(block, self.raw), block.target)
        return (_traces(m, u),)


@dataclass(frozen=True, eq=False)
class HessianOfScores:
    """Weighted sum of the rows' Hessians with respect to their scores, (n_outputs, n_outputs).

    It is the Hessian with respect to the intercepts.

    Args:
        loss: a loss of `polytome.losses`.
        raw: coefficients for raw columns, shape (n_features + 1, n_outputs), float64.
    """

    loss: Loss
    raw: Array
    joined = 0

    def of_block(self, block: Block) -> Sums:
        """The sum of `diag(m) - u u'`."""
        m, u = self.loss.curvature(block_scores(block, self.raw), block.target)
        return (hessian_of_scores(block.weight, m, u),)


@dataclass(frozen=True, eq=False)
class HessianOfKnownScores:
    """The same for rows that are scores themselves, to which intercepts are added.

    Args:
        loss: a loss of `polytome.losses`.
        intercepts: shape (n_outputs,), float64.
    """

    loss: Loss
    intercepts: Array
    joined = 0

    def of_block(self, block: Block) -> Sums:
        """The sum of `diag(m) - u u'`."""
        m, u = self.loss.curvature(block.X + self.intercepts, block.target)
        return (hessian_of_scores(block.weight, m, u),)


@dataclass(frozen=True, eq=False)
class CurvatureSums:
    """What the approximation of a Hessian by a Kronecker product is made of.

    The Gram matrix of the standardised columns, weighted by the trace of each row's Hessian,
    (n_features, n_features); the sums of the columns weighted by each output's curvature,
    (n_features, n_outputs), and of these weights; and the Hessian of the scores.

    Args:
        loss: a loss of `polytome.losses`.
        raw: coefficients for raw columns, shape (n_features + 1, n_outputs), float64.
        columns: how the columns are standardised.
    """

    loss: Loss
    raw: Array
    columns: Columns
    joined = 0

    def of_block(self, block: Block) -> Sums:
        """Each of them by one matrix product."""
        trace, m, u = curvature_of(self.loss, block, self.raw)
        curvature = block.weight[:, None] * (m if u is None else m - u * u)
        X = self.columns.dense(block)
        means = X.T @ curvature.astype(X.dtype)
        X *= np.sqrt(trace).astype(X.dtype)[:, None]
        return X.T @ X, means, curvature.sum(axis=0), hessian_of_scores(block.weight, m, u)


@dataclass(frozen=True, eq=False)
class HessianProduct:
    """The Hessian of the weighted loss times a direction: the entries of the raw columns, and of
    the intercepts.

    Args:
        loss: a loss of `polytome.losses`.
        raw: coefficients for raw columns, shape (n_features + 1, n_outputs), float64.
        direction: of the same shape, for raw columns too.
    """

    loss: Loss
    raw: Array
    direction: Array
    joined = 0

    def of_block(self, block: Block) -> Sums:
        """`X' (diag(m) - u u') X` times the direction, from right to left."""
        m, u = self.loss.curvature(block_scores(block, self.raw), block.target)
        change = block_scores(block, self.direction)
        product = m * change
        if u is not None:
            product -= u * (u * change).sum(axis=1, keepdims=True)
        product *= block.weight[:, None]
        return block.X.T @ product.astype(block.X.dtype, copy=False), product.sum(axis=0)
