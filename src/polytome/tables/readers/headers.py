"""Decide whether the first line of a text table holds names: by the names that are expected, and by
what stands below.

Names may be numbers: pandas writes 0, 1, 2, ... unless told otherwise, and years or wavelengths
head columns as well. Numbers are read as names where they could hardly be values: they stand above
text, they count, or they are evenly spaced or years, and differ from everything below.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from polytome.tables.frames import MISSING_WORDS, parse_number

__all__ = ["Decision", "decide_header"]

_MANY = 8
"""Columns: so many numbers that count from 0 or 1 are not a row of data, whatever stands below."""
_FEW = 3
_MOST_CELLS = 50_000
"""Cells below the first line that are examined."""


class Decision(NamedTuple):
    """What the first line is."""

    headed: bool
    """Whether it holds names."""
    reason: str = ""
    """Why, in words for a note; empty where there is no doubt."""


class _Below(NamedTuple):
    """What stands below one cell of the first line."""

    first: str
    words: list[str]
    numbers: list[float]

    @property
    def is_number(self) -> bool:
        """Whether the cell of the first line is a number."""
        return bool(np.isfinite(parse_number(self.first)))

    @property
    def only_numbers(self) -> bool:
        """Whether numbers and nothing else but gaps stand below."""
        return bool(self.words) and len(self.numbers) == len(self.words)

    @property
    def is_coarser(self) -> bool:
        """Whether the number has fewer digits after its point than every number below, such as 3
        above 3.0."""
        return self.only_numbers and _decimals(self.first) < min(map(_decimals, self.words))

    @property
    def is_far(self) -> bool:
        """Whether the number is farther from those below than they are from one another."""
        value, low, high = float(self.first), min(self.numbers, default=0.0), max(self.numbers, default=0.0)
        return self.only_numbers and not low - (high - low) <= value <= high + (high - low)

    @property
    def is_new_word(self) -> bool:
        """Whether a word stands above words that repeat and is not one of them."""
        return self.first not in self.words and len(set(self.words)) <= len(self.words) / 2


def decide_header(rows: Sequence[Sequence[str]], expected: Collection[str] = ()) -> Decision:
    """Decide whether the first of some rows holds names.

    Args:
        rows: the first rows of a table, as cells.
        expected: names that the table should have, such as the columns of a model.

    Example:
        >>> decide_header([["age", "colour"], ["25", "red"]])
        Decision(headed=True, reason='')
        >>> decide_header([["0", "1", "2"], ["0.5", "1.5", "3.25"], ["0.25", "1.5", "9.0"]])
        Decision(headed=True, reason='its numbers count, above fractions')
    """
    first = [cell.strip() for cell in rows[0]]
    if set(expected) & {cell for cell in first if not _is_number(cell)}:
        return Decision(headed=True)
    if expected and set(expected) <= set(first):  # all of them are numbers
        return Decision(headed=True, reason="these are the expected names")
    named = [cell for cell in first if cell]
    if not named:
        return Decision(headed=False)
    looked_at = rows[1 : 1 + max(_MANY, _MOST_CELLS // len(first))]
    whole_rows = [[cell.strip() for cell in row] for row in looked_at if len(row) == len(first)]
    columns = [_below(name, [row[place] for row in whole_rows]) for place, name in enumerate(first) if name]
    if not any(column.is_number for column in columns):
        return Decision(headed=_are_words_names(columns))
    if len(set(named)) < len(named) or any(column.first in MISSING_WORDS for column in columns):
        return Decision(headed=False)
    reason = _why_numbers_are_names(columns, known=bool(expected))
    return Decision(headed=bool(reason), reason=reason)


def _are_words_names(columns: Sequence[_Below]) -> bool:
    """Words are names above numbers, or if none of them occurs again below."""
    known = [column for column in columns if column.first not in MISSING_WORDS]  # NA may be a name, or a gap
    if any(column.only_numbers for column in known):
        return True
    if len(known) < len(columns):
        return False
    names = [column.first for column in columns]
    return len(set(names)) == len(names) and not any(column.first in column.words for column in columns)


def _why_numbers_are_names(columns: Sequence[_Below], known: bool) -> str:
    """Why a line with numbers in it holds names; empty where it does not.

    Args:
        columns: those with a cell in the first line.
        known: whether other names were expected; then the line is data if in doubt.
    """
    words = [column for column in columns if not column.is_number]
    above_words = [column for column in columns if column.is_number and column.words and not column.numbers]
    above_numbers = [column for column in columns if column.is_number and column.only_numbers]
    if any(column.first in column.words for column in words):
        return ""
    if len(above_words) > 1 or any(len(column.words) > 1 for column in above_words):
        return "it has numbers above text"
    if not above_numbers or len(above_numbers) + len(words) < len(columns):
        return ""
    return _why_these_count(columns, words, above_numbers, known)


def _why_these_count(
    columns: Sequence[_Below], words: Sequence[_Below], above_numbers: Sequence[_Below], known: bool
) -> str:
    """Why numbers above numbers are names."""
    numbers = [float(column.first) for column in above_numbers]
    steps = _steps(numbers)
    plain = all(_is_plain(column.first) for column in above_numbers)
    counts = plain and numbers[0] in (0.0, 1.0) and steps <= {1.0}
    far, coarser = (all(flags) for flags in zip(*((c.is_far, c.is_coarser) for c in above_numbers), strict=True))
    n, n_below = len(numbers), min(len(column.words) for column in above_numbers)
    if plain and any(column.only_numbers for column in words) and (counts or far):
        return "it has a word above numbers"
    some_coarser = any(column.is_coarser for column in above_numbers)
    if counts and ((n >= _FEW and some_coarser) or (n > 1 and some_coarser and n_below >= _FEW)):
        return "its numbers count, above fractions"
    if counts and (n >= _MANY or (numbers[0] == 0 and n >= _FEW and not known)):
        return "its numbers count"
    even = _is_even(numbers)
    rises = all(step > 0 for step in steps) or all(step < 0 for step in steps)
    years = plain and n > 1 and rises and all(1500 <= number < 2200 for number in numbers)
    news = bool(words) and n_below > _FEW and all(column.is_new_word for column in words)
    if news and ((counts and (coarser or n >= _FEW or (n > 1 and numbers[0] == 0))) or years):
        return "its numbers count or are years, beside a word that does not occur again"
    if even and n >= _FEW and (n >= _MANY or (n_below >= _FEW and (far or coarser))):
        return "its numbers are evenly spaced, unlike those below"
    fractions = any("." in word for column in (columns[0], columns[-1]) for word in column.words)
    if even and n > _FEW and n_below >= _MANY and fractions and not _any_row_is_even(above_numbers):
        return "its numbers are evenly spaced, unlike those below"
    if years and n_below >= _FEW and (far or coarser):
        return "its numbers are years, unlike those below"
    if coarser and rises and n >= _FEW and n_below >= _MANY:
        return "its numbers rise and have fewer digits than all below"
    return ""


def _steps(numbers: Sequence[float]) -> set[float]:
    return {round(after - before, 9) for before, after in pairwise(numbers)}


def _is_even(numbers: Sequence[float]) -> bool:
    """Tell whether numbers are evenly spaced and not all equal."""
    return len(steps := _steps(numbers)) == 1 and steps != {0.0}


def _any_row_is_even(columns: Sequence[_Below]) -> bool:
    return any(_is_even(row) for row in zip(*(column.numbers for column in columns), strict=False))


def _below(first: str, cells: Sequence[str]) -> _Below:
    words = [cell for cell in cells if cell not in MISSING_WORDS]
    return _Below(first, words, [value for value in map(parse_number, words) if np.isfinite(value)])


def _is_number(cell: str) -> bool:
    return bool(np.isfinite(parse_number(cell)))


def _decimals(cell: str) -> int:
    """Count the digits after the point; one that is written with an exponent has many."""
    return 99 if "e" in cell.lower() else len(cell.partition(".")[2])


def _is_plain(cell: str) -> bool:
    """Tell whether a cell is a whole number as a name would be: digits alone."""
    return cell.isascii() and cell.isdigit()
