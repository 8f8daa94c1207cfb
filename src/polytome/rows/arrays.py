"""Rows of a NumPy array or memory map, of any real type and order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from polytome.passes import Block
from polytome.rows.blocks import Array, Storage

__all__ = ["ArrayRows", "block_rows"]

# A converted block of this size stays in the caches of one core while it is multiplied twice;
# measured best on 1 MB of L2.
_BLOCK_BYTES = 2**22
_MAX_BLOCK_ROWS = 16_384


def block_rows(n_features: int, precision: np.dtype[Any]) -> int:
    """How many rows of so many columns make a block: so many that it fills a core's cache, and no
    more.

    Example:
        >>> block_rows(784, np.dtype(np.float32)), block_rows(4, np.dtype(np.float64))
        (1337, 16384)
    """
    return min(max(_BLOCK_BYTES // (precision.itemsize * max(n_features, 1)), 16), _MAX_BLOCK_ROWS)


@dataclass(frozen=True)
class ArrayRows(Storage):
    """Rows of a two-dimensional array: one block at a time is converted to the precision of the
    products.

    Example:
        >>> import numpy as np
        >>> from polytome.passes import CentredSums
        >>> rows = ArrayRows.of(np.array([[1, 2], [3, 4]], dtype=np.uint8), target=np.array([0, 1]))
        >>> rows.reduce(CentredSums(np.zeros(2)))[0]
        array([4., 6.])
    """

    def parts(self) -> list[slice]:
        """Slices of equal size, so that a block just fills a core's cache."""
        size = block_rows(self.n_features, self.precision)
        return [slice(start, min(start + size, self.n_rows)) for start in range(0, self.n_rows, size)]

    def pick(self, chosen: Array | slice) -> Block:
        """The chosen rows; a slice shares the storage."""
        return Block(self.X[chosen], self.precision, self.target[chosen], self.weight[chosen])
