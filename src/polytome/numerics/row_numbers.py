"""What is looked for among very many rows, in a few bytes for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["drawn", "first_positive", "has_one_weight", "numbers_of"]

_ROWS_AT_ONCE = 2**20


def drawn(n_rows: int, size: int, rng: np.random.Generator) -> Array:
    """Numbers of `size` rows drawn without replacement, in growing order, int64.

    They are those of `np.sort(rng.permutation(n_rows)[:size])`, which takes eight bytes for each
    row: the order of the rows is shuffled in four.

    Example:
        >>> drawn(10, 3, np.random.default_rng(0))
        array([2, 4, 6])
    """
    order = np.arange(n_rows, dtype=_smallest(n_rows))
    rng.shuffle(order)
    return np.sort(order[:size]).astype(np.int64)


def numbers_of(chosen: Array) -> Array:
    """The places where `chosen` is true, as `np.flatnonzero` finds them, in four bytes each.

    Example:
        >>> numbers_of(np.array([False, True, True])).tolist()
        [1, 2]
    """
    kind, found = _smallest(len(chosen)), [np.empty(0, dtype=_smallest(len(chosen)))]
    for start in range(0, len(chosen), _ROWS_AT_ONCE):
        found.append((np.flatnonzero(chosen[start : start + _ROWS_AT_ONCE]) + start).astype(kind))
    return np.concatenate(found)


def first_positive(weight: Array) -> int:
    """The first row with a positive weight, 0 where there is none.

    Example:
        >>> first_positive(np.array([0.0, 0.0, 2.0]))
        2
    """
    for start in range(0, len(weight), _ROWS_AT_ONCE):
        positive = weight[start : start + _ROWS_AT_ONCE] > 0
        if positive.any():
            return start + int(np.argmax(positive))
    return 0


def has_one_weight(weight: Array) -> bool:
    """Whether all rows that count have one weight.

    Example:
        >>> has_one_weight(np.array([2.0, 0.0, 2.0])), has_one_weight(np.array([2.0, 1.0]))
        (True, False)
    """
    first = weight[first_positive(weight)]
    pieces = (weight[start : start + _ROWS_AT_ONCE] for start in range(0, len(weight), _ROWS_AT_ONCE))
    return all(bool(((piece == first) | (piece <= 0)).all()) for piece in pieces)


def _smallest(n_rows: int) -> type[np.integer[Any]]:
    return np.uint32 if n_rows < 2**32 else np.int64
