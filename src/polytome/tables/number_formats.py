"""Numbers that are written with marks, such as 1,234.5 or $12: read where a user says how they are
written, and never guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.tables.date_columns import DateCells
from polytome.tables.frames import MISSING_WORDS, Cells, Frame, NumberCells
from polytome.tables.label_columns import refuse_first
from polytome.tables.marked_numbers import CURRENCY, SPACE
from polytome.tables.readers.columnar import UnusableCells

__all__ = [
    "ALL_COLUMNS",
    "WrittenNumbers",
    "find_written_numbers",
    "with_written_numbers",
    "written_numbers_of",
]

ALL_COLUMNS = "*"
"""Instead of the name of a column: every column of text the cells of which are all written so."""
_SIGN = "[-+\u2212]?"
_EXAMPLE = re.compile(
    rf"(?P<sign>{_SIGN})(?P<before>{CURRENCY}?){SPACE}?(?P<amount>\d[\d.,']*(?:{SPACE}\d[\d.,]*)*)"
    rf"{SPACE}?(?P<after>{CURRENCY}|%)?"
)
_GROUPING = ",.' \u00a0\u2009\u202f"


@dataclass(frozen=True)
class WrittenNumbers:
    """How the numbers of a column are written.

    Attributes:
        name: of the column.
        example: a number that is written in this way, such as `1.234,5 €` or `12.5%`. What stands
            in it between digits groups them, or is the decimal mark; a currency may stand where
            the example has one; per cent stay per cent: 12% is 12.
    """

    name: str
    example: str

    def number(self) -> Callable[[str], float]:
        """A function that returns the number that a word spells in this way, and infinity where it
        spells none.

        Example:
            >>> number = WrittenNumbers("price", "1.234,5 €").number()
            >>> number("-12.345,75"), number("99 €"), number("1.5"), number("12%")
            (-12345.75, 99.0, inf, inf)
        """
        grouping, decimal, has_currency, has_percent = _meaning(self.example)
        space = SPACE if grouping == " " else re.escape(grouping)
        whole = rf"\d{{1,3}}(?:{space}\d{{3}})+|\d+" if grouping else r"\d+"
        money = rf"(?:{CURRENCY}{SPACE}?)?" if has_currency else ""
        after = rf"(?:{SPACE}?{CURRENCY})?" if has_currency else rf"{SPACE}?%" if has_percent else ""
        pattern = re.compile(
            rf"(?P<sign>{_SIGN}){money}(?P<inner>{_SIGN})(?P<whole>{whole})?(?:{re.escape(decimal)}(?P<rest>\d*))?{after}"
        )

        def number(word: str) -> float:
            found = pattern.fullmatch(word.strip())
            if found is None or not (found["whole"] or found["rest"]) or (found["sign"] and found["inner"]):
                return np.inf
            digits = re.sub(r"\D", "", found["whole"] or "0")
            value = float(f"{digits}.{found['rest'] or '0'}")
            return -value if (found["sign"] or found["inner"]) in ("-", "\u2212") else value

        return number


def _meaning(example: str) -> tuple[str, str, bool, bool]:
    """What groups digits in an example, what its decimal mark is, and whether a currency or a per
    cent sign belongs to it."""
    found = _EXAMPLE.fullmatch(example.strip())
    if found is None:
        raise ArgumentError(
            f"numbers={example!r}: is not an example of a number; write one as it stands in the table, such as 1,234.5 "
            "or 1.234,5 or $12 or 12.5%"
        )
    marks = [" " if mark.isspace() else mark for mark in re.sub(r"\d", "", found["amount"])]
    kinds = list(dict.fromkeys(marks))
    has_currency = bool(found["before"]) or (found["after"] or "%") != "%"
    has_percent = found["after"] == "%"
    digits = re.split(r"\D", found["amount"])
    if len(kinds) > 2 or (len(kinds) == 2 and (marks.count(kinds[1]) > 1 or kinds[1] not in ",.")):
        raise ArgumentError(f"numbers={example!r}: has more than one decimal mark; write one number, such as 1,234.5")
    if len(kinds) == 1 and len(marks) == 1 and kinds[0] in ",." and len(digits[-1]) == 3:
        raise ArgumentError(
            f"numbers={example!r}: {kinds[0]!r} may group digits or be the decimal mark; write an example with both, "
            "such as 1,234.5 or 1.234,5"
        )
    is_grouped = len(kinds) == 2 or (len(kinds) == 1 and (len(marks) > 1 or kinds[0] not in ",."))
    grouping = kinds[0] if is_grouped else ""
    groups = digits[1:-1] if len(kinds) == 2 else digits[1:] if is_grouped else []
    if any(len(group) != 3 for group in groups):
        raise ArgumentError(f"numbers={example!r}: digits are not grouped by three; write one, such as 1,234.5")
    decimal = kinds[-1] if kinds and not (is_grouped and len(kinds) == 1) else "," if grouping == "." else "."
    if not grouping and decimal == "." and not has_currency and not has_percent:
        raise ArgumentError(
            f"numbers={example!r}: is how numbers are read anyway; write an example with the marks of the table, such "
            "as 1,234.5, or leave the option out"
        )
    return grouping, decimal, has_currency, has_percent


def written_numbers_of(numbers: str | Mapping[str, str]) -> tuple[WrittenNumbers, ...]:
    """The option `numbers` as records.

    Args:
        numbers: an example of how all numbers are written, or one for each column.

    Raises:
        ArgumentError: an example is not one.

    Example:
        >>> written_numbers_of("1,234.5")
        (WrittenNumbers(name='*', example='1,234.5'),)
    """
    named = {ALL_COLUMNS: numbers} if isinstance(numbers, str) else numbers
    if not isinstance(named, Mapping):
        raise ArgumentError(
            f"numbers={numbers!r}: needs an example such as '1,234.5', or one for each column, as in "
            "{'price': '1,234.5'}"
        )
    found = tuple(WrittenNumbers(str(name), str(example)) for name, example in named.items())
    for each in found:
        _meaning(each.example)
    return found


def find_written_numbers(
    frame: Frame, wanted: Sequence[WrittenNumbers], others: Collection[str | None], marks: Collection[str]
) -> tuple[WrittenNumbers, ...]:
    """The columns that are written in some way: those that are named, and for `*` those all cells
    of which are.

    Args:
        frame: the training table.
        wanted: with names of columns as they are in the table.
        others: columns that `*` does not mean.
        marks: words that mark a missing cell.
    """
    named = [each for each in wanted if each.name != ALL_COLUMNS]
    taken = {*others, *(each.name for each in named)}
    for each in wanted:
        if each.name == ALL_COLUMNS:
            number = each.number()
            for name, cells in zip(frame.names, frame.cells, strict=True):
                if name not in taken and _is_text(cells):
                    words = [word for word in cells.words()[1] if word not in MISSING_WORDS and word not in marks]
                    if words and all(np.isfinite(number(word)) for word in words):
                        named.append(WrittenNumbers(name, each.example))
    return tuple(named)


def with_written_numbers(frame: Frame, written: Sequence[WrittenNumbers], marks: Collection[str]) -> Frame:
    """A frame in which columns that are written with marks are numbers.

    Args:
        frame: a table; columns that it does not have, or has as numbers, are left as they are.
        written: how which columns are written.
        marks: words that mark a missing cell.

    Raises:
        DataError: a cell is not such a number; the message names the place and the value.

    Example:
        >>> frame = Frame.of({"price": ["1,200.50", "15", None]})
        >>> with_written_numbers(frame, [WrittenNumbers("price", "1,234.5")], ())["price"].numbers()
        array([1200.5,   15. ,    nan])
    """
    for each in written:
        if each.name not in frame.names or not _is_text(cells := frame[each.name]):
            continue
        codes, words = cells.words()
        number = each.number()
        values = [np.nan if word in MISSING_WORDS or word in marks else number(word) for word in words]
        found: NDArray[np.float64] = np.array([*values, np.nan])[codes]  # code -1 points at the last
        refuse_first(
            frame,
            each.name,
            np.isinf(found),
            f"{{value}} is not a number such as {each.example}, as the column is said to hold; correct the cell, or "
            "train with another --numbers",
        )
        place = frame.names.index(each.name)
        frame = replace(frame, cells=(*frame.cells[:place], NumberCells(found), *frame.cells[place + 1 :]))
    return frame


def _is_text(cells: Cells) -> bool:
    return not isinstance(cells, NumberCells | DateCells | UnusableCells)
