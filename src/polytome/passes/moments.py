"""Passes that measure how large columns are, dense or sparse; a centred sparse matrix is never
formed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.losses import Loss
from polytome.passes.block import Block
from polytome.passes.curvature import curvature_of
from polytome.passes.one_pass import Sums

Array = NDArray[Any]

__all__ = [
    "CentredSquares",
    "CentredSums",
    "OffsetsOfEntries",
    "SquaresOfEntries",
    "StoredTwice",
    "weight_of_absent",
]

_MAX_DENSE_ENTRIES = 2**20


@dataclass(frozen=True, eq=False)
class CentredSums:
    """Weighted sums of `x - near` and of its square over dense columns, and the weight of the rows.

    Args:
        near: a value near the mean of each column, shape (n_features,), float64.
    """

    near: Array
    joined = 0

    def of_block(self, block: Block) -> Sums:
        """Two products with the weights."""
        centred = block.X - self.near
        first = block.weight @ centred
        np.multiply(centred, centred, out=centred)
        return first, block.weight @ centred, block.weight.sum()


@dataclass(frozen=True, eq=False)
class OffsetsOfEntries:
    """Weighted sum of `x - near` of each sparse column: over stored entries one by one, then over
    the zeros at once.

    Args:
        near: a value of each column, shape (n_features,), float64.
    """

    near: Array
    joined = 0

    def of_block(self, block: Block) -> Sums:
        """The entries' offsets, less `near` for the weight of the rows that store nothing."""
        X, w = block.X, block.weight
        shifted = type(X)((X.data - self.near[_entry_columns(X)], X.indices, X.indptr), shape=X.shape)
        return (shifted.T @ w - self.near * _absent_weight(X, w),)


@dataclass(frozen=True, eq=False)
class SquaresOfEntries:
    """Weighted sum of `(x - mean)^2` of each sparse column, in the same two steps: nothing cancels.

    Args:
        mean: of each column, shape (n_features,), float64.
    """

    mean: Array
    joined = 0

    def of_block(self, block: Block) -> Sums:
        """The entries' squares, and those of the mean for the weight of the rows that store
        nothing."""
        X, w = block.X, block.weight
        stored = type(X)(((X.data - self.mean[_entry_columns(X)]) ** 2, X.indices, X.indptr), shape=X.shape)
        return (stored.T @ w + self.mean * self.mean * _absent_weight(X, w),)


@dataclass(frozen=True, eq=False)
class CentredSquares:
    """Sum of `(x - mean)^2` of each column over the rows, each counted by its weight times the
    trace of its Hessian.

    Args:
        mean: of each column, shape (n_features,), float64.
        loss: a loss of `polytome.losses`.
        raw: coefficients for raw columns, shape (n_features + 1, n_outputs), float64.
    """

    mean: Array
    loss: Loss
    raw: Array
    joined = 0

    def of_block(self, block: Block) -> Sums:
        """As `SquaresOfEntries` where rows are sparse."""
        w, _, _ = curvature_of(self.loss, block, self.raw)
        if sparse.issparse(block.stored):
            return SquaresOfEntries(self.mean).of_block(Block(block.stored, block.precision, block.target, w))
        centred = block.X - self.mean
        return (w @ (centred * centred),)


@dataclass(frozen=True)
class StoredTwice:
    """How many entries of sparse rows are stored again in the same place."""

    joined = 0

    def of_block(self, block: Block) -> Sums:
        """How many entries disappear when duplicates are added up."""
        stored: Any = block.stored
        summed = stored.astype(np.float64)
        summed.sum_duplicates()
        return (np.asarray(stored.nnz - summed.nnz),)


def _entry_columns(X: Any) -> Array:
    """The column of each stored entry of a CSR or CSC matrix."""
    return X.indices if X.format == "csr" else np.repeat(np.arange(X.shape[1]), np.diff(X.indptr))


def _absent_weight(X: Any, w: Array) -> Array:
    """Weight of the rows in which a column is not stored: exactly zero where none is, never
    negative."""
    columns = _entry_columns(X)
    rows = X.indices if X.format == "csc" else np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    present = np.bincount(columns, weights=w[rows], minlength=X.shape[1])
    return weight_of_absent(X, w, present, np.bincount(columns, weights=(w > 0)[rows], minlength=X.shape[1]))


def weight_of_absent(X: Any, w: Array, present: Array, count: Array) -> Array:
    """The weight of the rows in which a column stores no entry: zero where every row with weight
    stores one.

    Args:
        X: the rows, CSR or CSC, of which only the places of the entries matter.
        w: the weights of the rows.
        present: the weight of the rows that store an entry, shape (n_features,).
        count: how many of these have a weight, of the same shape.
    """
    counting = w[w > 0]
    if len(counting) == 0 or (counting == counting[0]).all():
        return np.asarray((len(counting) - count) * (counting[0] if len(counting) else 0.0))
    total = w.sum()
    absent: Array = np.where(count == len(counting), 0.0, np.maximum(total - present, 0.0))
    # The difference loses what light rows weigh beside heavy ones that store the column: there rows
    # are added up.
    lost = np.flatnonzero((absent < total / 2) & (count < len(counting)))
    if len(lost):
        stored = type(X)((np.ones(len(X.data)), X.indices, X.indptr), shape=X.shape)[:, lost].tocsr()
        absent[lost] = 0.0
        size = max(1, _MAX_DENSE_ENTRIES // len(lost))
        for start in range(0, len(w), size):
            part = slice(start, start + size)
            absent[lost] += w[part] @ (stored[part].toarray() == 0)
    return absent
