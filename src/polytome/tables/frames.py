"""A table of named columns as it was read, before its columns are interpreted.

A `Frame` holds one `Cells` per column. The same cells can be read as numbers or as words: `1` is a
number in one table and the name of a category in another, and only the encoder knows which.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from polytome.errors import DataError
from polytome.threads import kept

__all__ = [
    "EXACT",
    "MISSING_WORDS",
    "Cells",
    "Frame",
    "NumberCells",
    "TextCells",
    "cells_of",
    "listing",
    "parse_number",
    "spelled",
]

MISSING_WORDS = frozenset(["", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "Null", "null", "None"])
"""Words that among numbers can only mean "no value here"; among other words all but the empty one
may be names."""
EXACT = 2**53
"""float64 holds every whole number up to here."""
_BOOLEANS = {"true": 1.0, "false": 0.0}


def parse_number(word: str) -> float:
    """Return the finite number that a word spells, and infinity when it spells none.

    Example:
        >>> parse_number("2.5"), parse_number("12a"), parse_number("1_000")
        (2.5, inf, inf)
    """
    try:
        value = float(word)
    except ValueError:
        return np.inf
    return value if np.isfinite(value) and "_" not in word else np.inf


def listing(names: Sequence[Any], most: int = 12, form: Callable[[Any], str] = repr, between: str = ", ") -> str:
    """Write names one after another; if they are many, only the first few.

    Example:
        >>> listing(["a", "b", "c"], most=2), listing(["a", "b"], form=str)
        ("'a', 'b' and 1 more", 'a, b')
    """
    shown = between.join(form(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


class Cells(Protocol):
    """One column of a frame."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def numbers(self) -> NDArray[np.float64]:
        """Return the cells as numbers: NaN where a cell is missing, infinity where it is not a
        finite number."""
        ...

    def words(self) -> tuple[NDArray[np.intp], tuple[str, ...]]:
        """Return a code for each cell, -1 where it is missing, and the distinct words the codes
        stand for."""
        ...

    def text(self, row: int) -> str:
        """Return one cell as its reader would see it."""
        ...

    def take(self, keep: NDArray[np.bool_]) -> Cells:
        """Return the rows where `keep` is true."""
        ...

    def without(self, marks: Collection[str]) -> Cells:
        """Return cells that are missing where these hold one of the words."""
        ...


class TextCells:
    """A column of words: a code for each row and the distinct words.

    Args:
        codes: `(n,)` integers, positions in `words`; -1 where a cell is missing.
        words: the words as the file spells them. Blanks around them are removed, words that are
            then equal become one, the empty word becomes a missing cell, and a word that no code
            points at is forgotten.

    Example:
        >>> cells = TextCells.of(["red", " blue", "", "red "])
        >>> cells.words()
        (array([ 0,  1, -1,  0]), ('red', 'blue'))
        >>> cells.without(["blue"]).words()
        (array([ 0, -1, -1,  0]), ('red',))
    """

    def __init__(self, codes: NDArray[np.integer], words: Sequence[str | None]) -> None:
        found: dict[str, int] = {}
        recode = np.full(len(words) + 1, -1, dtype=np.intp)  # code -1 points at its last entry
        used = np.zeros(len(words) + 1, dtype=np.bool_)
        used[codes] = True
        for old, raw in enumerate(words):
            word = (raw or "").strip()
            if word and used[old]:
                recode[old] = found.setdefault(word, len(found))
        self._codes = recode[codes]
        self._words = tuple(found)

    @classmethod
    def of(cls, values: Sequence[str | None]) -> TextCells:
        """Return the cells for a plain sequence of words, None where one is missing."""
        found: dict[str | None, int] = {}
        codes = np.array([found.setdefault(value, len(found)) for value in values], dtype=np.intp)
        return cls(codes, list(found))

    def __len__(self) -> int:
        return len(self._codes)

    def numbers(self) -> NDArray[np.float64]:
        """Return the cells as numbers: a word of `MISSING_WORDS` is missing, true and false are 1
        and 0 among such."""
        values = [np.nan if word in MISSING_WORDS else parse_number(word) for word in self._words]
        if all(value in (0.0, 1.0) or not np.isfinite(value) for value in values):
            values = [_BOOLEANS.get(word.lower(), value) for word, value in zip(self._words, values, strict=True)]
        lookup = np.array([*values, np.nan], dtype=np.float64)  # code -1 points at its last entry
        numbers: NDArray[np.float64] = lookup[self._codes]
        return numbers

    def words(self) -> tuple[NDArray[np.intp], tuple[str, ...]]:
        """Return the codes, -1 where a cell is missing, and the distinct words."""
        return self._codes, self._words

    def text(self, row: int) -> str:
        """Return one cell, empty where it is missing."""
        code = self._codes[row]
        return self._words[code] if code >= 0 else ""

    def take(self, keep: NDArray[np.bool_]) -> TextCells:
        """Return the rows where `keep` is true."""
        return TextCells(self._codes[keep], self._words)

    def without(self, marks: Collection[str]) -> TextCells:
        """Return cells that are missing where these hold one of the words."""
        if not set(marks) & set(self._words):
            return self
        return TextCells(self._codes, [None if word in marks else word for word in self._words])


class NumberCells:
    """A column that its file already holds as numbers.

    Args:
        values: `(n,)` float64; NaN where a cell is missing.
        boolean: whether 1 and 0 stand for true and false; matters only when the column is read as
            words.

    Example:
        >>> NumberCells(np.array([3.0, np.nan, 2.5])).words()
        (array([ 1, -1,  0]), ('2.5', '3'))
    """

    def __init__(self, values: NDArray[np.float64], boolean: bool = False) -> None:
        self._values = values
        self._boolean = boolean

    @property
    def is_boolean(self) -> bool:
        """Whether 1 and 0 stand for true and false."""
        return self._boolean

    def __len__(self) -> int:
        return len(self._values)

    def numbers(self) -> NDArray[np.float64]:
        """Return the values; an infinite one does not count as a number, just as in text."""
        if np.isfinite(self._values).all():
            return self._values
        return np.where(np.isinf(self._values), np.inf, self._values)

    def words(self) -> tuple[NDArray[np.intp], tuple[str, ...]]:
        """Return the codes, -1 where a cell is missing, and the distinct values as words."""
        present = ~np.isnan(self._values)
        distinct, inverse = np.unique(self._values[present], return_inverse=True)
        codes = np.full(len(self._values), -1, dtype=np.intp)
        codes[present] = inverse
        return codes, tuple(self._spell(value) for value in distinct)

    def text(self, row: int) -> str:
        """Return one cell, empty where it is missing."""
        value = self._values[row]
        return "" if np.isnan(value) else self._spell(value)

    def take(self, keep: NDArray[np.bool_]) -> NumberCells:
        """Return the rows where `keep` is true."""
        return NumberCells(self._values[keep], self._boolean)

    def without(self, marks: Collection[str]) -> NumberCells:
        """Return cells that are missing where these hold one of the words, read as numbers."""
        marked = np.isin(self._values, [parse_number(mark) for mark in marks if mark])
        return NumberCells(np.where(marked, np.nan, self._values), self._boolean) if marked.any() else self

    def _spell(self, value: np.float64) -> str:
        return spelled(bool(value) if self._boolean else float(value))


def spelled(value: str | float | bool) -> str:
    """Write a value as a text file would: whole numbers without a point.

    Example:
        >>> spelled(2.0), spelled(True), spelled(0.5)
        ('2', 'true', '0.5')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return f"{value:.0f}" if float(value).is_integer() else repr(float(value))


def _row_place(row: int) -> str:
    """Place for files that have rows and no lines."""
    return f"row {row + 1}"


@dataclass(frozen=True)
class Frame:
    """Named columns of equal length, and where they came from.

    Attributes:
        names: one name per column, each different.
        cells: one `Cells` per column.
        source: the file's name, for messages.
        headed: False when the names were made up because the file has no header line.
        locate: turns a row of the file, counted from 0, into words such as "line 7".
        rows: `(n,)` the row of the file that each row of the frame came from; None when that is all
            of them in order.
        index: columns that number or name the rows, such as the index that pandas writes.
        categories: columns that their source declares to be categories, whatever they look like.
        orders: of columns that their source declares to be ordered categories the words in order.
        notes: what a user should know about how the table was read.

    Example:
        >>> frame = Frame.of({"age": [25, None], "colour": ["red", "blue"]})
        >>> frame["age"].numbers(), frame.place(1)
        (array([25., nan]), '<memory>, row 2')
    """

    names: tuple[str, ...]
    cells: tuple[Cells, ...]
    source: str
    headed: bool = True
    locate: Callable[[int], str] = field(default=_row_place, repr=False, compare=False)
    rows: NDArray[np.intp] | None = field(default=None, repr=False, compare=False)
    index: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, columns: Mapping[str, Sequence[str | float | bool | None]], source: str = "<memory>") -> Frame:
        """Return a frame of plain Python values, such as the rows of a request; None marks a
        missing cell.

        Args:
            columns: for each name its values; a column with at least one `str` is read as text.
            source: what messages call these data.

        Raises:
            DataError: the columns differ in length.
        """
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"{source}: columns differ in length: {lengths}; give each one value per row")
        return cls(tuple(columns), tuple(cells_of(values) for values in columns.values()), source)

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.cells[0]) if self.cells else 0

    def __getitem__(self, name: str) -> Cells:
        """Return the cells of the column with this name."""
        return self.cells[self._places[name]]

    @property
    @kept
    def _places(self) -> dict[str, int]:
        """The place of each name, the first where there are several."""
        return {name: place for place, name in reversed([*enumerate(self.names)])}

    def place(self, row: int) -> str:
        """Say where a row of this frame stands in its file."""
        return f"{self.source}, {self.locate(row if self.rows is None else int(self.rows[row]))}"

    def take(self, keep: NDArray[np.bool_]) -> Frame:
        """Return the rows where `keep` is true; their places in the file stay known."""
        rows = np.flatnonzero(keep) if self.rows is None else self.rows[keep]
        return replace(self, cells=tuple(cells.take(keep) for cells in self.cells), rows=rows)

    def without(self, name: str, marks: Collection[str]) -> Frame:
        """Return a frame in which the cells of a column that hold one of the words are missing."""
        place = self.names.index(name)
        cells = self.cells[place].without(marks)
        return replace(self, cells=(*self.cells[:place], cells, *self.cells[place + 1 :]))

    def select(self, names: Sequence[str]) -> Frame:
        """Return the columns with these names, in this order."""
        return replace(self, names=tuple(names), cells=tuple(self[name] for name in names))


def cells_of(values: Sequence[str | float | bool | None]) -> Cells:
    """Choose the cells for plain Python values, so that how a value is read does not depend on the
    other rows.

    Example:
        >>> cells_of(["a", 1, None]).words()
        (array([ 0,  1, -1]), ('a', '1'))
    """
    kinds = {type(value) for value in values if value is not None}
    boolean = kinds == {bool}
    large = int in kinds and any(isinstance(value, int) and abs(value) > EXACT for value in values)
    if str in kinds or large or (bool in kinds and not boolean):
        return TextCells.of([None if value is None else spelled(value) for value in values])
    return NumberCells(np.array([np.nan if value is None else value for value in values], dtype=np.float64), boolean)
