"""Rows of a column store: the smallest kind of rows with random access that is not an array."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from polytome.passes import Block
from polytome.rows import Storage
from polytome.rows import arrays as array_rows

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class ColumnStore:
    """Columns of one length, each stored by itself. To ask for all of it as one array is an
    error."""

    columns: Sequence[Array]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.columns[0]), len(self.columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.result_type(*self.columns)

    def __getitem__(self, chosen: Any) -> Array:
        return np.stack([column[chosen] for column in self.columns], axis=1)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        raise AssertionError("a copy of the whole store was asked for")


@dataclass(frozen=True)
class ColumnStoreRows(Storage):
    """Rows of a column store: a block's columns are put together when it is asked for."""

    def parts(self) -> list[slice]:
        size = max(16, array_rows._BLOCK_BYTES // (8 * self.n_features))
        return [slice(start, min(start + size, self.n_rows)) for start in range(0, self.n_rows, size)]

    def pick(self, chosen: Any) -> Block:
        return Block(self.X[chosen], self.precision, self.target[chosen], self.weight[chosen])
