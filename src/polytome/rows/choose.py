"""Which kind of rows holds a matrix, and in which floating type its blocks are multiplied."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from polytome.rows.arrays import ArrayRows
from polytome.rows.blocks import Array, Rows, Storage
from polytome.rows.sparse import SparseRows
from polytome.rows.stream import Stream, StreamedRows
from polytome.rows.torch import DeviceMatrix, TensorRows

__all__ = ["as_rows", "fast_precision", "rows_of"]


def rows_of(X: Any, target: Array, weight: Array | None = None, *, n_threads: int | None = None) -> Rows:
    """Rows of a matrix as from `as_rows`, or `StreamedRows` where X is a stream.

    Example:
        >>> rows_of(np.eye(2), np.array([0, 1])).facts.is_resident
        True
    """
    kind = StreamedRows.of if isinstance(X, Stream) else as_rows
    return kind(X, target, weight, n_threads=n_threads)


def as_rows(X: Any, target: Array, weight: Array | None = None, *, n_threads: int | None = None) -> Storage:
    """Rows of a matrix as it is stored: `ArrayRows` for arrays, `SparseRows` for SciPy sparse
    matrices, `TensorRows` for tensors on a device.

    Args:
        X: shape (n, d); a NumPy array of any real type and order, or CSR, CSC (other sparse formats
            become CSR).
        target: one entry or row per row of X.
        weight: one per row, float64; ones if None.
        n_threads: threads that share the blocks; `available_threads()` if None.

    Example:
        >>> as_rows(np.eye(2), np.array([0, 1])).n_features
        2
    """
    if isinstance(X, DeviceMatrix):
        return TensorRows.of(X, target, weight, n_threads=n_threads)
    if sparse.issparse(X):
        return SparseRows.of(X, target, weight, n_threads=n_threads)
    return ArrayRows.of(X, target, weight, n_threads=n_threads)


def fast_precision(dtype: np.dtype[Any], mean: Array, deviation: Array) -> np.dtype[Any]:
    """float32 for products of types that it holds exactly, float64 for all others.

    Columns whose mean is far larger than their spread need float64 too: implicit centring subtracts
    two large numbers.
    """
    exact = (
        dtype.kind == "b" or (dtype.kind in "iu" and dtype.itemsize <= 2) or (dtype.kind == "f" and dtype.itemsize <= 4)
    )
    varying = deviation > 0
    centred = bool(np.all(np.abs(mean[varying]) <= 100 * deviation[varying]))
    return np.dtype(np.float32 if exact and centred else np.float64)
