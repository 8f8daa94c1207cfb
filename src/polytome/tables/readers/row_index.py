"""Find the column that numbers or names the rows: the index that pandas writes unless told
otherwise."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from polytome.tables.frames import Cells, Frame

__all__ = ["index_of_metadata", "is_index_name", "mark_index"]

_NAME = re.compile(r"Unnamed: \d+(\.\d+)*|__index_level_\d+__")


def is_index_name(name: str) -> bool:
    """Whether pandas has made up this name for an index without one.

    Example:
        >>> is_index_name("Unnamed: 0"), is_index_name("id")
        (True, False)
    """
    return _NAME.fullmatch(name) is not None


def mark_index(frame: Frame, nameless: Collection[str] = ()) -> Frame:
    """Mark columns that have no name of their own as an index where they look like one.

    They do if most of their whole numbers differ, or all of their texts: this holds even for an
    index that was shuffled, filtered or concatenated.

    Args:
        frame: a text table.
        nameless: its columns without a name in the file.

    Example:
        >>> mark_index(Frame.of({"column_1": [7, 0, 3], "x": [0.5, 0.5, 1]}), ["column_1"]).index
        ('column_1',)
    """
    unnamed = [name for name in frame.names if name in nameless or is_index_name(name)]
    found = tuple(name for name in unnamed if _tells_rows_apart(frame[name]))
    return replace(frame, index=found) if found and len(found) < len(frame.names) else frame


def index_of_metadata(metadata: dict[bytes, bytes] | None, names: list[str]) -> tuple[str, ...]:
    """Which columns are an index, by what pandas writes into Parquet and Arrow files.

    Args:
        metadata: of the file's schema.
        names: of its columns.

    Reference:
        https://pandas.pydata.org/docs/development/developer.html, "Storing pandas DataFrame
        objects".
    """
    try:
        columns = json.loads((metadata or {}).get(b"pandas", b"{}"))["index_columns"]
        marked = {column for column in columns if isinstance(column, str)}  # a range is described, not stored
    except (ValueError, KeyError, TypeError, RecursionError):  # not from pandas, or damaged: then nothing is known
        marked = set()
    return tuple(name for name in names if name in marked or is_index_name(name))


def _tells_rows_apart(cells: Cells) -> bool:
    """Whether cells are whole numbers most of which differ, or texts all of which do."""
    codes, words = cells.words()
    if (codes < 0).any():
        return False
    numbers = cells.numbers()
    if np.isfinite(numbers).all():
        return bool((numbers == np.floor(numbers)).all()) and len(words) > len(codes) / 2
    return len(words) == len(codes)
