"""What is kept for each row of a stream, in as few bytes as it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["chosen_of", "composed", "joined", "smallest"]


def composed(used: NDArray[np.uint8] | None, n_rows: int, chosen: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Which of all rows are used, where only some of those in use are chosen; eight to a byte.

    Example:
        >>> used = composed(None, 4, np.array([True, False, True, True]))
        >>> chosen_of(composed(used, 4, np.array([False, True, True])), 4)
        array([False, False,  True,  True])
    """
    if used is not None:
        all_used = np.unpackbits(used, count=n_rows).astype(np.bool_)
        all_used[all_used] = chosen
        chosen = all_used
    return np.packbits(chosen)


def chosen_of(used: NDArray[np.uint8] | None, n_rows: int) -> NDArray[np.bool_] | None:
    """Which of all rows are used, one to a byte; None for all."""
    return None if used is None else np.unpackbits(used, count=n_rows).astype(np.bool_)


def joined(parts: list[NDArray[Any]], meant: NDArray[Any] | None = None) -> NDArray[Any]:
    """The parts one after the other, or what their codes stand for. The list is empty after that:
    each part is freed once it is copied.

    Example:
        >>> joined([np.array([0, 1]), np.array([1])], meant=np.array([5, 7]))
        array([5, 7, 7])
    """
    kind = parts[0].dtype if meant is None else meant.dtype
    found = np.empty(sum(map(len, parts)), dtype=kind)
    parts.reverse()
    row = 0
    while parts:
        part = parts.pop()
        own = slice(row, row + len(part))
        found[own] = part if meant is None else meant[part]
        row = own.stop
    return found


def smallest(n_classes: int) -> type[np.signedinteger[Any]]:
    """The smallest type that holds the codes of so many classes.

    Example:
        >>> smallest(127), smallest(128)
        (<class 'numpy.int8'>, <class 'numpy.int16'>)
    """
    return next(kind for kind in (np.int8, np.int16, np.int32) if n_classes <= np.iinfo(kind).max)
