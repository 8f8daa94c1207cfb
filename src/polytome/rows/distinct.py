"""Equal rows merged into one of their total weight: the same sums over fewer rows."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from scipy import sparse

from polytome.numerics.row_numbers import drawn
from polytome.rows.arrays import ArrayRows
from polytome.rows.blocks import Array, Storage
from polytome.rows.sparse import SparseRows

__all__ = ["distinct_rows"]

_MAX_SAMPLED_ROWS = 2**14
_PIECE_ENTRIES = 2**19  # entries that are looked at together: some megabytes
_MAX_SPARSE_DENSITY = 0.2


def distinct_rows(rows: Storage) -> Storage:
    """Rows of which no two agree in columns and target; the same rows where a sample shows few
    equal ones.

    A copy, sparse where most of its entries are zero. Sums over the rows stay the same, up to
    rounding.

    Example:
        >>> rows = distinct_rows(ArrayRows.of(np.array([[1.0], [2.0], [1.0], [1.0]]), np.array([0, 1, 0, 1])))
        >>> rows.n_rows, rows.target, rows.weight
        (3, array([0, 1, 1]), array([2., 1., 1.]))
    """
    if rows.target.dtype.names is not None:  # rows with offsets are seldom equal
        return rows
    if rows.X.dtype.itemsize > 8 or (rows.is_sparse and not _is_csr(rows.X)):
        return rows
    target = rows.target.reshape(rows.n_rows, -1)
    size = min(_MAX_SAMPLED_ROWS, 8 * _PIECE_ENTRIES // max(1, rows.n_features))
    sample = drawn(rows.n_rows, size, np.random.default_rng(0))
    if len(np.unique(_keys(rows.X[sample], target[sample]))) > 0.9 * len(sample):
        return rows
    _, first, member = np.unique(_keys(rows.X, target), return_index=True, return_inverse=True)
    if not _all_equal(rows.X, target, first[member]):  # two rows share a key by chance
        return rows
    weight = np.bincount(member, weights=rows.weight)
    order = np.argsort(first)
    first, weight = first[order], weight[order]
    X = _picked(rows.X, first)
    kind = SparseRows if sparse.issparse(X) else ArrayRows
    return kind(X, rows.target[first], weight, rows.columns, rows.precision, rows.n_threads)


def _is_csr(X: Any) -> bool:
    """Whether it is a CSR matrix of SciPy, and not one on a device."""
    return sparse.issparse(X) and cast(Any, X).format == "csr"


def _keys(X: Any, target: Array) -> Array:
    """A 64-bit number for each row that equal rows share: a sum of products that wraps around,
    exact in any order."""
    factors = np.random.default_rng(0).integers(2**63, size=(2, X.shape[1] + target.shape[1]), dtype=np.uint64) * 2 + 1
    keys: Array = (_bits(target) * factors[0, X.shape[1] :]).sum(axis=1)
    if sparse.issparse(X):
        stored: Any = X
        entries = np.cumsum(_bits(stored.data) * factors[0, stored.indices] + factors[1, stored.indices])
        ends: Array = np.append(np.uint64(0), entries)[stored.indptr]
        keys += ends[1:] - ends[:-1]
        return keys
    for piece in _pieces(X):
        keys[piece] += (_bits(X[piece]) * factors[0, : X.shape[1]]).sum(axis=1)
    return keys


def _bits(values: Array) -> Array:
    """The bits of numbers as 64-bit whole numbers, the high ones mixed into the low ones."""
    bits: Array = np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}").astype(np.uint64)
    bits ^= bits >> np.uint64(29)
    return bits


def _all_equal(X: Any, target: Array, twin: Array) -> bool:
    """Whether each row is equal to its twin."""
    for piece in _pieces(X):
        differ = X[piece] != X[twin[piece]]
        if (differ.nnz if sparse.issparse(X) else differ.any()) or (target[piece] != target[twin[piece]]).any():
            return False
    return True


def _picked(X: Any, chosen: Array) -> Any:
    """The chosen rows, as CSR where most entries are zero."""
    if not isinstance(X, np.ndarray):
        return X[chosen]
    pieces = [X[chosen[piece]] for piece in _pieces(X[: len(chosen)])]
    stored = sum(np.count_nonzero(piece) for piece in pieces)
    if stored > _MAX_SPARSE_DENSITY * len(chosen) * X.shape[1] or X.dtype == np.float16:  # SciPy has no sparse float16
        return np.concatenate(pieces)
    return sparse.csr_matrix(sparse.vstack([sparse.csr_matrix(piece) for piece in pieces]))


def _pieces(X: Any) -> list[slice]:
    """Slices of few entries that make up all rows."""
    size = max(1, _PIECE_ENTRIES // max(1, X.shape[1]))
    return [slice(start, start + size) for start in range(0, X.shape[0], size)]
