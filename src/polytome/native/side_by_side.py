"""The columns of a table, written side by side as rows: an array, or a CSR matrix of the entries
that are not zero."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.native.stored_rows import _passes

Array = NDArray[Any]

__all__ = ["Room", "write_dense", "write_sparse"]

_BLOCK_ROWS = 2048
_ARRAYS_KEPT = 6
"""By a thread: two for each piece of rows, of which one is read, one waits and one is written."""


class Room:
    """Arrays that are written to again as soon as nobody holds what was written before.

    A large array is fresh pages, which the system clears one by one when they are first touched:
    that takes longer than to write rows into it.

    Example:
        >>> room = Room()
        >>> first = room.take(3, np.float64)
        >>> second = room.take(3, np.float64)
        >>> first.base is second.base
        False
        >>> del first
        >>> room.take(2, np.float64).shape
        (2,)
    """

    _of_threads = threading.local()

    def __init__(self) -> None:
        self._arrays: list[Array] = []
        self._held_by_none = 0

    @classmethod
    def of_thread(cls) -> Room:
        """That of this thread, which ends with it."""
        found: Room | None = getattr(cls._of_threads, "room", None)
        if found is None:
            found = cls._of_threads.room = cls()
        return found

    def take(self, count: int, kind: Any) -> Array:
        """An array of so many numbers; what is in it is not defined."""
        for place in range(len(self._arrays)):
            if self._holders(place) > self._held_by_none:
                continue
            if self._arrays[place].dtype == kind and len(self._arrays[place]) >= count:
                return self._arrays[place][:count]
        self._arrays = [*self._arrays[1 - _ARRAYS_KEPT :], np.empty(count, dtype=kind)]
        self._held_by_none = self._holders(len(self._arrays) - 1)
        return self._arrays[-1][:count]

    def _holders(self, place: int) -> int:
        """How many hold an array: who holds a part of it holds the array. The list and this call
        are among them; how they count is the interpreter's affair, and seen with each new one."""
        return sys.getrefcount(self._arrays[place])


def write_dense(
    is_compiled: bool, columns: Sequence[Array], starts: Array, width: int, room: Room
) -> NDArray[np.float64]:
    """Rows as an array.

    Args:
        is_compiled: whether compiled code does it; NumPy's is the definition.
        columns: each (n,): numbers, float64; or levels, whole numbers of which each is a column of
            ones and zeros, -1 for none.
        starts: the first column that is made of each, int64.
        width: columns in all.
        room: where they are written.
    """
    n_rows = len(columns[0])
    X = room.take(n_rows * width, np.float64).reshape(n_rows, width)
    if len(columns) < width or any(column.dtype.kind != "f" for column in columns):
        X.fill(0.0)
    if is_compiled:
        _passes.dense_table(_readable(columns), starts, X)
        return X
    for top in range(0, n_rows, _BLOCK_ROWS):  # a few rows at a time stay in cache while columns are written
        part = X[top : top + _BLOCK_ROWS]
        for start, column in zip(starts.tolist(), columns, strict=True):
            values = column[top : top + _BLOCK_ROWS]
            if column.dtype.kind == "f":
                part[:, start] = values
            else:
                rows = np.flatnonzero(values >= 0)
                part[rows, start + values[rows]] = 1.0
    return X


def write_sparse(
    is_compiled: bool, columns: Sequence[Array], starts: Array, width: int, room: Room
) -> sparse.csr_array:
    """Rows as a CSR matrix without zeros; see `write_dense`."""
    n_rows, n_columns = len(columns[0]), len(columns)
    # Bounds of the type of the indices, where it is long enough: SciPy would copy them otherwise.
    kind = np.int32 if n_rows * n_columns <= np.iinfo(np.int32).max else np.int64
    values = room.take(n_rows * n_columns, np.float64)
    indices = room.take(n_rows * n_columns, np.int32)
    if is_compiled:
        ends = np.empty(n_rows + 1, dtype=np.int64)
        count = _passes.sparse_table(_readable(columns), starts, values, indices, ends)
        values, indices = _without_rest(values, count), _without_rest(indices, count)
        return sparse.csr_array((values, indices, ends.astype(kind)), shape=(n_rows, width))
    _fill(columns, starts, values.reshape(n_rows, n_columns), indices.reshape(n_rows, n_columns))
    bounds = np.arange(0, n_rows * n_columns + 1, n_columns, dtype=kind)
    X: Any = sparse.csr_array((values, indices, bounds), shape=(n_rows, width))
    if np.count_nonzero(values) < values.size:  # which takes a third of the time
        X.eliminate_zeros()
    found: sparse.csr_array = X
    return found


def _fill(columns: Sequence[Array], starts: Array, values: Array, indices: Array) -> None:
    """One entry for each row and column of the table."""
    for top in range(0, len(values), _BLOCK_ROWS):  # as in `write_dense`
        rows = slice(top, top + _BLOCK_ROWS)
        indices[rows] = starts
        for j, column in enumerate(columns):
            if column.dtype.kind == "f":
                values[rows, j] = column[rows]
            else:
                indices[rows, j] += np.maximum(column[rows], 0).astype(np.int32)
                values[rows, j] = column[rows] >= 0


def _readable(columns: Sequence[Array]) -> list[Array]:
    """Columns as compiled code reads them."""
    return [
        np.ascontiguousarray(column, dtype=np.float64 if column.dtype.kind == "f" else np.int64) for column in columns
    ]


def _without_rest(array: Array, count: int) -> Array:
    """The first entries, in a copy where that frees half of the memory, as SciPy does it."""
    found = array[:count]
    return found.copy() if count < len(array) // 2 else found
