"""Rows drawn at random, of very many in little memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["drawn", "numbers_where", "shuffled"]

_ROWS_AT_ONCE = 2**20


def drawn(n_rows: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The numbers of `size` of so many rows, without replacement, in growing order.

    Args:
        n_rows: how many there are.
        size: how many are drawn, at most all.
        rng: makes the choice.

    Example:
        >>> drawn(10, 3, np.random.default_rng(0)).tolist()
        [2, 4, 6]
    """
    return np.sort(shuffled(np.arange(n_rows, dtype=_type_for(n_rows)), rng)[:size].astype(np.int64))


def shuffled(numbers: Array, rng: np.random.Generator) -> Array:
    """The numbers of rows, which are an array of the caller's own, in the order that
    `rng.permutation` gives of their number: without a copy, and in half the memory where they have
    four bytes.

    Example:
        >>> own = np.arange(5, dtype=np.uint32)
        >>> shuffled(own, np.random.default_rng(1)).tolist() == np.random.default_rng(1).permutation(5).tolist()
        True
    """
    rng.shuffle(numbers)
    return numbers


def numbers_where(is_chosen: NDArray[np.bool_]) -> Array:
    """The numbers of the rows that are chosen, of four bytes each where that is enough.

    Example:
        >>> numbers_where(np.array([False, True, True]))
        array([1, 2], dtype=uint32)
    """
    starts = range(0, len(is_chosen), _ROWS_AT_ONCE)
    kind = _type_for(len(is_chosen))
    found = [(np.flatnonzero(is_chosen[at : at + _ROWS_AT_ONCE]) + at).astype(kind) for at in starts]
    return np.concatenate(found) if found else np.empty(0, dtype=kind)


def _type_for(n_rows: int) -> np.dtype[Any]:
    return np.dtype(np.uint32 if n_rows <= 2**32 else np.int64)
