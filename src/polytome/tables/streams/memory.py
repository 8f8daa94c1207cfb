"""How much memory a reading piece by piece takes, and how a user says how much there is."""

from __future__ import annotations

import re

from polytome.errors import ArgumentError, DataError
from polytome.rows.freed_memory import return_freed_memory
from polytome.solvers.memory import memory_left

__all__ = ["bytes_of", "check_held_out", "check_memory"]

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SIZE = re.compile(r"\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*([A-Za-z]*)\s*")
_BYTES_OF_ROW = 8  # a label, as it is found and as it is kept, and an order of the rows
_BYTES_OF_WEIGHT = 16  # likewise
_BYTES_HELD_OUT = 16  # of a row, while it is chosen which are held out
_BYTES_OF_VALUE = 160  # of a piece: as it is stored, decoded and encoded, of the pieces that are held at a time
_BYTES_ALWAYS = 2**26


def bytes_of(memory: str | float | None, name: str = "memory") -> int | None:
    """Bytes from a text such as "2GB", or from their number; None stays None.

    Args:
        memory: the text, or the number.
        name: what a message calls it.

    Raises:
        ArgumentError: it is neither.

    Example:
        >>> bytes_of("1.5 GB"), bytes_of(2e9), bytes_of(None)
        (1500000000, 2000000000, None)
    """
    if memory is None:
        return None
    if isinstance(memory, str):
        found = _SIZE.fullmatch(memory)
        size = float(found[1]) * _UNITS.get(found[2].upper(), 0) if found else 0.0
    else:
        size = float(memory) if isinstance(memory, int | float) and not isinstance(memory, bool) else 0.0
    if not 1 <= size < 2**63:
        raise ArgumentError(f"{name}={memory!r}: needs a size such as '2GB' or '500MB', or a number of bytes")
    return int(size)


def check_memory(
    n_rows: int, piece_rows: int, n_columns: int, held_bytes: int, limit: int | None, *, is_weighted: bool = False
) -> None:
    """Refuse rows that need more memory than there is, even piece by piece; from now on what
    pieces took is given back to the system.

    Args:
        n_rows: how many there are.
        piece_rows: of a piece.
        n_columns: that are read.
        held_bytes: memory that a reading takes besides the pieces.
        limit: bytes that the process may take; None for what is free.
        is_weighted: whether a weight of each row is kept.

    Raises:
        DataError: there is too little.
    """
    return_freed_memory()
    of_rows = n_rows * (_BYTES_OF_ROW + _BYTES_OF_WEIGHT * is_weighted)
    needed = of_rows + piece_rows * n_columns * _BYTES_OF_VALUE + held_bytes + _BYTES_ALWAYS
    _refuse_beyond(needed, f"{n_rows:,} rows that are read piece by piece need", limit)


def check_held_out(n_rows: int, limit: int | None) -> None:
    """Refuse to choose which of so many rows are held out, where that takes too much memory.

    Raises:
        DataError: there is too little.
    """
    needed = n_rows * _BYTES_HELD_OUT
    _refuse_beyond(needed, f"to choose which of {n_rows:,} rows are held out needs", limit)


def _refuse_beyond(needed: int, what: str, limit: int | None) -> None:
    left = memory_left(limit)
    if left is not None and needed > left:
        given = "" if limit is None else f" of {limit / 1e9:.2g} GB"
        raise DataError(
            f"{what} {needed / 1e6:,.0f} MB, and{given} {left / 1e6:,.0f} MB are left; allow more memory, or give "
            "fewer rows"
        )
