"""Sparse matrices that compiled code may read: SciPy checks neither the indices nor the pointers
that it is given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome import native
from polytome.errors import DataError
from polytome.passes import Block, StoredTwice

Array = NDArray[Any]

__all__ = ["sound_sparse"]


def sound_sparse(X: Any) -> Any:
    """A matrix as CSR or CSC: every index inside its shape, entries side by side, none stored
    twice.

    Indices are copied before they are checked, since another thread may write into a matrix during
    a fit. Entries are not, unless they are strided, of the other byte order, or stored twice: then
    they are summed in float64, as in a dense matrix, and do not wrap around in a small type.

    Args:
        X: a SciPy sparse matrix or array of any format, shape (n, d).

    Raises:
        DataError: an index lies outside the shape, or the arrays of the matrix are inconsistent.

    Example:
        >>> twice = sparse.csr_array((np.array([100, 100], dtype=np.int8), [0, 0], [0, 2]), shape=(1, 1))
        >>> sound_sparse(twice).toarray()
        array([[200.]])
    """
    if X.ndim != 2:
        raise DataError(f"X is a sparse array of {X.ndim} dimension: give a matrix of two, (rows, columns)")
    matrix = _compressed(X)
    by_row = matrix.format == "csr"
    major, minor = matrix.shape if by_row else matrix.shape[::-1]
    bounds, indices, data = (np.array(matrix.indptr), np.array(matrix.indices), _plain(matrix.data))
    stored = _checked_bounds(bounds, major, min(len(indices), len(data)))
    indices, data = indices[:stored], data[:stored]
    outside = _outside(indices, minor)
    if outside is not None:
        line = int(np.searchsorted(bounds, outside, side="right")) - 1
        lines, others = ("row", "columns") if by_row else ("column", "rows")
        raise DataError(
            f"{lines} {line} of X stores an entry with the index {indices[outside]}, but X has {minor:,} {others}: the "
            "indices of this sparse matrix are damaged; rebuild it"
        )
    kind = f"{matrix.format}_{'array' if isinstance(X, sparse.sparray) else 'matrix'}"
    matrix = getattr(sparse, kind)((data, indices, bounds), shape=matrix.shape)
    if not matrix.has_canonical_format and _stores_twice(matrix):
        matrix = matrix.astype(np.float64)
        matrix.sum_duplicates()
    return matrix


def _stores_twice(matrix: Any) -> bool:
    """Whether an entry is stored more than once."""
    n_rows = matrix.shape[0]
    block = Block(matrix, np.dtype(np.float64), np.zeros(n_rows), np.ones(n_rows))
    (found,) = native.reduce_block(StoredTwice(), block)
    return bool(found)


def _compressed(X: Any) -> Any:
    """The matrix as it is if it is CSR or CSC, else as CSR."""
    if X.format in ("csr", "csc"):
        return X
    if X.format == "bsr":
        _checked_bounds(np.array(X.indptr), X.shape[0] // X.blocksize[0], min(len(X.indices), len(X.data)))
        return X.tocsr()
    entries = X.tocoo()
    for places, size, what in ((entries.row, X.shape[0], "row"), (entries.col, X.shape[1], "column")):
        if (at := _outside(places, size)) is not None:
            raise DataError(f"X stores an entry in {what} {places[at]}, but has {size:,} {what}s: rebuild it")
    # SciPy adds up entries that are stored twice, and would do so in their own type.
    matrix = entries.astype(np.float64).tocsr()
    return matrix.astype(X.dtype) if matrix.nnz == entries.nnz else matrix


def _plain(data: Array) -> Array:
    """Entries side by side in the byte order of the machine; themselves if they are."""
    return np.require(data, data.dtype.newbyteorder("="), ("C", "A"))


def _checked_bounds(bounds: Array, lines: int, available: int) -> int:
    """The number of entries; raises DataError unless the bounds of so many lines grow and end
    within them."""
    fits = bounds.shape == (lines + 1,) and bounds[0] == 0 and bounds[-1] <= available
    if not (fits and (bounds[1:] >= bounds[:-1]).all()):
        raise DataError(
            f"indptr of X does not divide {available:,} entries among {lines:,} rows or columns in growing order: this "
            "sparse matrix is damaged; rebuild it"
        )
    return int(bounds[-1])


def _outside(indices: Array, size: int) -> int | None:
    """Where the first index is that is negative or not below the size."""
    if len(indices) == 0 or (indices.min() >= 0 and indices.max() < size):
        return None
    return int(np.flatnonzero((indices < 0) | (indices >= size))[0])
