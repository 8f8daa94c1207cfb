"""The columns of a file as they are, for who asks for them by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.tables.encoder import MISSING_MARKS
from polytome.tables.frames import MISSING_WORDS, Frame
from polytome.tables.kinds_of_files import is_named, kind_of_file, read_frame
from polytome.tables.named_columns import find_columns
from polytome.tables.readers.opening import InputFile
from polytome.tables.schemas import column_kind, without_gap_words

__all__ = ["NamedColumns", "read_columns"]


@dataclass(frozen=True, eq=False)
class NamedColumns:
    """The columns of a file, each read as numbers or as words when it is asked for.

    Attributes:
        frame: the table as it was read.
        categories: columns that are words whatever they look like.
        marks: words that mark a missing cell, besides the empty one.
        notes: receives what a user should know of the columns that were asked for.
    """

    frame: Frame
    categories: tuple[str, ...]
    marks: tuple[str, ...]
    notes: list[str] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns; those that number the rows, as pandas writes them, come
        last."""
        index = self.frame.index
        return (*(name for name in self.frame.names if name not in index), *index)

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the columns that do not number the rows."""
        return tuple(name for name in self.frame.names if name not in self.frame.index)

    def __len__(self) -> int:
        return self.frame.n_rows

    def column(self, name: str) -> NDArray[Any]:
        """One column: float64 with NaN where a cell is missing, or text with None.

        Raises:
            DataError: the column cannot be used; the message names the place.
        """
        frame = self.frame.without(name, set(self.marks) - MISSING_WORDS)
        if column_kind(frame, name, self.categories, self.marks, self.notes) == "number":
            return frame[name].numbers()
        codes, words = without_gap_words(frame, name, self.marks, self.notes)[name].words()
        lookup: NDArray[Any] = np.array([*words, None], dtype=object)
        return lookup[codes]


def read_columns(
    path: str | PathLike[str],
    *,
    header: str = "auto",
    categories: Sequence[str] = (),
    marks: Sequence[str] | None = None,
    read_limit: float | None = None,
    encoding: str | None = None,
) -> NamedColumns:
    """Read a table of named columns.

    Args:
        path: a text table, or a file of Parquet or Arrow.
        header: "yes", "no" or "auto": whether line 1 of a text table holds names.
        categories: columns to read as words even if they look like numbers.
        marks: words that mark a missing cell, besides the empty one; None is "?" in a text table.
        read_limit: gigabytes of memory that the file's contents may take.
        encoding: of a text table; None is UTF-8, or what its mark says.

    Raises:
        ArgumentError: the file has no named columns, an option names none, or there is no such
            encoding.
        DataError: what the file holds cannot be used.
        FileError: the file cannot be read.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "people.csv")
        ...     _ = path.write_text("age,colour\\n25,red\\n,blue\\n")
        ...     columns = read_columns(path)
        >>> columns.column("age"), columns.column("colour")
        (array([25., nan]), array(['red', 'blue'], dtype=object))
    """
    file = InputFile(fspath(path), read_limit)
    kind = kind_of_file(file)
    if not is_named(kind):
        raise ArgumentError(
            f"{path}: has no named columns; a formula needs a text table, or a file of Parquet or Arrow"
        )
    is_text = kind == "delimited"
    if encoding is not None and not is_text:
        raise ArgumentError(f"encoding={encoding!r}: {path} is not a text table; leave the option out")
    frame = read_frame(file, kind, header, set(), encoding)
    forced = tuple(find_columns(frame, categories, "categories"))
    found = tuple(marks) if marks is not None else MISSING_MARKS if is_text else ()
    return NamedColumns(frame, forced, found, list(frame.notes))
