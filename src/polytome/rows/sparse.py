"""Rows of a SciPy sparse matrix: CSR in blocks that share its storage, CSC whole."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from scipy import sparse

from polytome.passes import Block
from polytome.rows.blocks import Array, Storage
from polytome.rows.sound import sound_sparse

__all__ = ["SparseRows", "csr_parts"]

_DENSE_BLOCK_BYTES = 2**22


def csr_parts(n_rows: int, n_features: int, n_entries: int) -> list[slice]:
    """The blocks of sparse rows: few where there are many columns, as each adds up a dense gradient
    of all columns.

    Example:
        >>> csr_parts(1000, 5, 2000), len(csr_parts(1_000_000, 100, 10_000_000))
        ([slice(0, 1000, None)], 190)
    """
    by_gradient = (n_entries + n_rows) // (4 * n_features + 1)
    by_dense_size = n_rows * n_features * 8 // _DENSE_BLOCK_BYTES
    count = max(1, min(by_gradient, by_dense_size, n_rows // 64))
    bounds = np.linspace(0, n_rows, count + 1).astype(int)
    return [slice(int(a), int(b)) for a, b in pairwise(bounds)]


@dataclass(frozen=True)
class SparseRows(Storage):
    """Rows of a CSR or CSC matrix; no entry is copied unless its type differs from that of the
    products.

    `of` takes any sparse matrix, and makes it sound first.

    Example:
        >>> from polytome.passes import OffsetsOfEntries
        >>> X = sparse.csr_matrix(np.array([[0.0, 2.0], [3.0, 0.0]]))
        >>> SparseRows.of(X, target=np.array([0, 1])).reduce(OffsetsOfEntries(np.zeros(2)))
        (array([3., 2.]),)
    """

    @classmethod
    def of(cls, X: Any, target: Array, weight: Array | None = None, **settings: Any) -> Self:
        """Rows of a sparse matrix in any format; see `Storage.of` and
        `polytome.rows.sound.sound_sparse`."""
        return super().of(sound_sparse(X), target, weight, **settings)

    def parts(self) -> list[slice]:
        """See `csr_parts`."""
        if self.X.format == "csc":
            return [slice(0, self.n_rows)]  # cutting rows out of a CSC matrix would search all of it
        return csr_parts(self.n_rows, self.n_features, self.X.nnz)

    def pick(self, chosen: Array | slice) -> Block:
        """The chosen rows; a slice of a CSR matrix shares its storage."""
        X = self.X
        if isinstance(chosen, slice) and X.format == "csr":
            start, stop = int(X.indptr[chosen.start]), int(X.indptr[chosen.stop])
            indptr = X.indptr[chosen.start : chosen.stop + 1] - X.indptr[chosen.start]
            shape = (chosen.stop - chosen.start, self.n_features)
            X = sparse.csr_matrix((X.data[start:stop], X.indices[start:stop], indptr), shape=shape)
        elif not isinstance(chosen, slice) or chosen != slice(0, self.n_rows):
            X = sparse.csr_matrix(X[chosen])
        return Block(X, self.precision, self.target[chosen], self.weight[chosen])
