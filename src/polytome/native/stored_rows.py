"""Rows in memory as compiled code holds them: bound once, for all passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.native.arrays import csr_entries, doubles, is_csr, offset_matrix, readable, target_matrix
from polytome.passes import Block
from polytome.threads import available_threads, kept

try:
    from polytome.native import _passes as _passes
except ImportError:  # installed without a compiler
    _passes = None  # type: ignore[assignment]

Array = NDArray[Any]

__all__ = ["FEW_ROWS", "StoredRows"]

FEW_ROWS = 1_000
"""Fewer rows are not worth a second thread, unless they are cut into blocks."""


@dataclass(frozen=True)
class StoredRows:
    """All rows as they are stored; the rows before which a block ends, int64; the threads that
    share the blocks."""

    block: Block
    ends: Array
    n_threads: int = 1

    @classmethod
    def of_single(cls, block: Block, threads: int | None = None) -> StoredRows:
        """A block as rows of their own, with so many threads, or as many as pay off."""
        n_rows = block.stored.shape[0]
        if threads is None:
            threads = 1 if n_rows < FEW_ROWS else available_threads()
        return cls(block, np.array([n_rows], dtype=np.int64), threads)

    @property
    def is_dense(self) -> bool:
        """Whether they are an array; compiled code reads one of any real type."""
        return isinstance(self.block.stored, np.ndarray)

    @property
    def is_array_by_block(self) -> bool:
        """Whether they are neither an array nor a sparse matrix, but something whose blocks are
        arrays."""
        return not self.is_dense and not sparse.issparse(self.block.stored)

    @property
    @kept
    def is_csr(self) -> bool:
        """Whether they are a CSR matrix that compiled code reads."""
        return is_csr(self.block.stored)

    def parts(self) -> Iterator[Block]:
        """The blocks."""
        block = self.block
        for start, stop in pairwise([0, *self.ends.tolist()]):
            part = slice(start, stop)
            yield Block(block.stored[part], block.precision, block.target[part], block.weight[part])

    @property
    @kept
    def entry_products(self) -> int:
        """Products of two entries of the same row of a CSR matrix, squares included."""
        matrix: Any = self.block.stored
        counts = np.diff(matrix.indptr).astype(np.float64)
        return int(counts @ (counts + 1) / 2)

    @property
    @kept
    def bound(self) -> Any:
        """The same, for compiled code: `DenseRows` or `SparseRows`."""
        block = self.block
        target, offset = target_matrix(block.target), offset_matrix(block.target)
        rest = (target, offset, doubles(block.weight), self.ends, self.n_threads)
        if self.is_dense:
            return _passes.DenseRows(readable(block), block.precision == np.float32, *rest)
        data, indices, bounds = csr_entries(block.stored)
        return _passes.SparseRows(data, indices, bounds, block.stored.shape[1], *rest)
