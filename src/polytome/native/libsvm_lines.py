"""Lines of libsvm text as numbers, read in compiled code where they are written as they usually
are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.native.stored_rows import _passes

Array = NDArray[Any]

__all__ = ["read_lines"]


def read_lines(text: bytes) -> tuple[Array, Array, Array, Array] | None:
    """The labels of whole lines, how many entries each has, and their columns and values; None
    where anything is written in another way, or wrongly.

    Columns are counted from 0. Each number is the float64 nearest to its decimal digits, as Python
    reads it.
    """
    n_lines, n_entries = text.count(b"\n") + 1, text.count(b":")
    labels, lengths = np.empty(n_lines), np.empty(n_lines, dtype=np.int64)
    columns, values = np.empty(n_entries, dtype=np.int32), np.empty(n_entries)
    n_rows, n_found = _passes.libsvm_lines(text, labels, lengths, columns, values)
    if n_rows < 0:
        return None
    return labels[:n_rows], lengths[:n_rows], columns[:n_found], values[:n_found]
