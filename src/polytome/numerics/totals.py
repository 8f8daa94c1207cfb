"""Sums by class, of very many rows in little memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["class_totals"]

_ROWS_AT_ONCE = 2**20


def class_totals(codes: Array, weight: Array, n_classes: int) -> Array:
    """The total weight of each class, to the bit as `numpy.bincount` gives it.

    That makes whole numbers of eight bytes of the codes, and a copy of weights that take no memory:
    here of a million rows at a time.

    Args:
        codes: the class of each row, shape (n,).
        weight: of each row, shape (n,).
        n_classes: how many there are, at least.

    Example:
        >>> class_totals(np.array([0, 2, 0], dtype=np.int8), np.array([1.0, 0.5, 2.0]), 3)
        array([3. , 0. , 0.5])
    """
    starts = range(0, len(codes), _ROWS_AT_ONCE)
    if len(weight) and weight.strides == (0,) and weight[0] == 1.0:  # sums of ones are numbers of rows
        counts = sum(np.bincount(codes[start : start + _ROWS_AT_ONCE], minlength=n_classes) for start in starts)
        return np.asarray(counts, dtype=np.float64)
    totals: Array = np.zeros(n_classes)
    places = np.arange(n_classes)
    for start in starts:
        part = slice(start, start + _ROWS_AT_ONCE)
        # The totals so far come first, so that all is added up in the order of the rows.
        some = np.concatenate([places, codes[part]])
        totals = np.bincount(some, weights=np.concatenate([totals, weight[part]]), minlength=n_classes)
    return totals
