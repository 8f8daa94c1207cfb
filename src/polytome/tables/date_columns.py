"""Columns of dates and times: never levels of a category, but parts of them, each a column, where
these are asked for.

A part is what a calendar or a clock shows where the time was written down; a time zone changes
nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError
from polytome.plain.names import close_name
from polytome.tables.date_forms import as_iso, check_example, examples_like
from polytome.tables.frames import MISSING_WORDS, Cells, Frame, NumberCells, TextCells, listing
from polytome.tables.label_columns import refuse_first

__all__ = [
    "PARTS",
    "DateCells",
    "DateParts",
    "date_parts_of",
    "is_time",
    "names_with_parts",
    "parts_of_dates",
    "refuse_dates",
    "times_of",
    "with_parts",
]

PARTS = ("year", "quarter", "month", "day", "weekday", "hour", "age")
"""Parts of a date. Quarter, month, weekday and hour are categories, the others numbers; the age is
in days, before the latest date of the training table."""
_CATEGORIES = ("quarter", "month", "weekday", "hour")
_WEEKDAYS = ("1 Mon", "2 Tue", "3 Wed", "4 Thu", "5 Fri", "6 Sat", "7 Sun")
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)([T ](\d\d:\d\d(:\d\d(\.\d+)?)?)( ?(Z|UTC|[+-]\d\d(:?\d\d)?))?)?")
_OTHER = re.compile(r"\d{1,2}([./-])\d{1,2}\1(\d{4}|\d\d)|\d{4}([./])\d{1,2}\3\d{1,2}")
_DAY_MICROSECONDS = 86_400_000_000
_LENGTH = len("2026-11-30T18:05:00")

Dates = NDArray[np.datetime64]


class DateCells:
    """A column that its file holds as dates or times.

    Args:
        values: `(n,)` datetime64; NaT where a cell is missing.
        place: what messages call the table.
        name: of the column.
    """

    def __init__(self, values: Dates, place: str, name: str) -> None:
        self.values = values.astype("datetime64[us]")
        self._place, self._name = place, name

    def __len__(self) -> int:
        return len(self.values)

    def _refuse(self) -> NoReturn:
        raise DataError(f"{self._place}, column {self._name!r}: {_remedy('holds dates', self._name)}")

    def numbers(self) -> NDArray[np.float64]:
        """Raise: a date is not a number, but has parts."""
        self._refuse()

    def words(self) -> tuple[NDArray[np.intp], tuple[str, ...]]:
        """Raise: a date is not a level, but has parts."""
        self._refuse()

    def seconds(self) -> NDArray[np.float64]:
        """Return the cells as seconds since 1970, NaN where one is missing: their order in time."""
        seconds: NDArray[np.float64] = self.values.astype(np.int64) / 1e6
        return np.where(np.isnat(self.values), np.nan, seconds)

    def text(self, row: int) -> str:
        """Return one cell, empty where it is missing."""
        value = self.values[row]
        return "" if np.isnat(value) else str(value.astype("datetime64[s]"))

    def take(self, keep: NDArray[np.bool_]) -> DateCells:
        """Return the rows where `keep` is true."""
        return DateCells(self.values[keep], self._place, self._name)

    def without(self, marks: Collection[str]) -> DateCells:
        """Return the same: no date is a word."""
        return self


@dataclass(frozen=True)
class DateParts:
    """What a model reads of a column of dates.

    Attributes:
        name: of the column.
        parts: some of `PARTS`; each is a column of the model, `name.part`.
        reference: the time from which the age is counted, as in 2026-11-30T18:05:00; None without
            an age.
        example: 31 December of some year as the column writes it, such as 31.12.2026; None where
            dates are written as 2026-12-31, which they may be in any case.
    """

    name: str
    parts: tuple[str, ...]
    reference: str | None = None
    example: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of its parts."""
        return tuple(f"{self.name}.{part}" for part in self.parts)

    @property
    def categories(self) -> tuple[str, ...]:
        """The names of those that are categories."""
        return tuple(f"{self.name}.{part}" for part in self.parts if part in _CATEGORIES)


def parts_of_dates(wanted: Mapping[str, str | Sequence[str]]) -> tuple[DateParts, ...]:
    """The parts that are asked for, of each column.

    Args:
        wanted: for each column some of `PARTS`, as a sequence or separated by commas; among them
            perhaps an example of how its dates are written.

    Raises:
        ArgumentError: there is no such part, or none is named.

    Example:
        >>> [(each.parts, each.example) for each in parts_of_dates({"signup": "year,31.12.2026", "last": ["age"]})]
        [(('year',), '31.12.2026'), (('age',), None)]
    """
    if not isinstance(wanted, Mapping):
        raise ArgumentError(f"dates={wanted!r}: needs the parts of each column, as in {{'signup': 'year,month'}}")
    found = []
    for name, given in wanted.items():
        parts = given.split(",") if isinstance(given, str) else list(given)
        items = [part.strip() for part in parts]
        examples = [item for item in items if item[:1].isdigit()]
        parts = [item for item in items if item not in examples]
        for example in examples:
            check_example(example)
        if len(examples) > 1 or not parts:
            what = f"is written in two ways, {listing(examples)}" if examples[1:] else "names no part"
            raise ArgumentError(f"date {name!r}: {what}; give one example at most, and some of {', '.join(PARTS)}")
        for part in parts:
            if part not in PARTS:
                close = close_name(part, PARTS)
                hint = f"; did you mean {close!r}?" if close is not None else ""
                raise ArgumentError(f"date {name!r}: has no part {part!r}; choose some of {', '.join(PARTS)}{hint}")
        if len({*parts}) < len(parts):
            raise ArgumentError(f"date {name!r}: {listing(parts)} name a part twice")
        found.append(DateParts(name, tuple(parts), example=examples[0] if examples else None))
    return tuple(found)


def date_parts_of(frames: Iterable[Frame], asked: DateParts, marks: Sequence[str]) -> DateParts:
    """What a model will read of a column of dates, with the reference of its age.

    Args:
        frames: the rows of the training table; they are read only for an age.
        asked: the parts that are asked for.
        marks: words that mark a missing cell.

    Raises:
        DataError: a cell is not a date, or every one is missing.

    Example:
        >>> frame = Frame.of({"signup": ["2026-11-28", "2026-11-30"]})
        >>> date_parts_of([frame], DateParts("signup", ("month", "age")), ())
        DateParts(name='signup', parts=('month', 'age'), reference='2026-11-30T00:00:00', example=None)
    """
    name = asked.name
    if "age" not in asked.parts:
        return asked
    latest, place = np.datetime64("NaT", "us"), ""
    for frame in frames:
        latest, place = (
            np.fmax(latest, np.fmax.reduce(times_of(frame, name, marks, example=asked.example))),
            frame.source,
        )
    if np.isnat(latest):
        raise DataError(f"{place}, column {name!r}: every cell is missing; leave the column out with --drop {name}")
    return replace(asked, reference=str(latest.astype("datetime64[s]")))


def is_time(text: str) -> bool:
    """Whether a text is a time as a reference is written.

    Example:
        >>> is_time("2026-11-30T18:05:00"), is_time("2026-02-30T18:05:00"), is_time("2026-11-30")
        (True, False, False)
    """
    return len(text) == _LENGTH and text[10] == "T" and not np.isnat(_time(text))


def with_parts(frame: Frame, dates: Sequence[DateParts], marks: Sequence[str]) -> Frame:
    """A frame with columns for the parts of its dates, in the place of these; one that has the
    parts, or lacks the dates, as it is.

    Raises:
        DataError: a cell is not a date; the message names its place.

    Example:
        >>> frame = Frame.of({"signup": ["2026-11-30", None], "age": [25, 31]})
        >>> frame = with_parts(frame, [DateParts("signup", ("year", "weekday"))], ())
        >>> frame.names, frame["signup.year"].numbers(), frame["signup.weekday"].words()
        (('signup.year', 'signup.weekday', 'age'), array([2026.,   nan]), (array([ 0, -1]), ('1 Mon',)))
    """
    for each in dates:
        if each.name not in frame.names or set(each.columns) <= set(frame.names):
            continue
        place, values = frame.names.index(each.name), times_of(frame, each.name, marks, example=each.example)
        cells = [_part(values, part, each.reference) for part in each.parts]
        frame = replace(
            frame,
            names=(*frame.names[:place], *each.columns, *frame.names[place + 1 :]),
            cells=(*frame.cells[:place], *cells, *frame.cells[place + 1 :]),
            categories=(*frame.categories, *each.categories),
        )
    return frame


def names_with_parts(names: Sequence[str], dates: Sequence[DateParts]) -> list[str]:
    """Names of columns, with those of its parts in the place of a date.

    Example:
        >>> names_with_parts(["age", "signup"], [DateParts("signup", ("year", "month"))])
        ['age', 'signup.year', 'signup.month']
    """
    parts = {each.name: each.columns for each in dates}
    return [part for name in names for part in parts.get(name, (name,))]


def refuse_dates(source: str, name: str, words: Sequence[str], marks: Collection[str]) -> None:
    """Refuse to make levels of dates.

    Raises:
        DataError: all words of a column are dates.

    Example:
        >>> refuse_dates("people.csv", "when", ["2026-11-30", "?"], ["?"])
        Traceback (most recent call last):
        polytome.errors.DataError: people.csv, column 'when': holds dates, such as '2026-11-30'; make parts of ...
        >>> refuse_dates("people.csv", "hue", ["red", "2026-11-30"], [])
    """
    present = [word for word in words if word not in marks and word not in MISSING_WORDS]
    if not present:
        return
    if all(_ISO.fullmatch(word) for word in present):
        raise DataError(f"{source}, column {name!r}: {_remedy(f'holds dates, such as {present[0]!r}', name)}")
    if all(_OTHER.fullmatch(word) for word in present):
        raise DataError(
            f"{source}, column {name!r}: holds what look like dates, such as {present[0]!r}; "
            f"{_how_written(name, present)}, leave the column out with --drop {name}, or let each count as a level "
            f"with --categories {name}"
        )


def _how_written(name: str, words: Sequence[str]) -> str:
    """What to do about dates that are not written as 2026-12-31."""
    ways = [f"--date {name}=year,month,{example}" for example in examples_like(words)]
    if not ways:
        return f"write them as 2026-11-30 for --date {name}=year,month,age"
    return f"make parts of them, with 31 December as it would be written there: {' or '.join(ways)}"


def _remedy(found: str, name: str) -> str:
    """What is wrong with a column of dates, and what to do."""
    return (
        f"{found}; make parts of them with --date {name}=year,month,weekday,age (or dates= in Python; the parts are "
        f"{', '.join(PARTS)}), or leave the column out with --drop {name}"
    )


def times_of(
    frame: Frame, name: str, marks: Collection[str], otherwise: str | None = None, example: str | None = None
) -> Dates:
    """The cells of a column as times, NaT where one is missing.

    Args:
        frame: the table.
        name: of the column.
        marks: words that mark a missing cell.
        otherwise: what else to do about a cell that is not a date, than to write it so; None is to
            leave the column out.
        example: how dates are written; see `DateParts`.

    Raises:
        DataError: a cell is not a date.

    Example:
        >>> times_of(Frame.of({"day": ["2026-11-30", "2026-12-01"]}), "day", ()).astype("datetime64[D]").tolist()
        [datetime.date(2026, 11, 30), datetime.date(2026, 12, 1)]
    """
    cells: Cells = frame[name]
    if isinstance(cells, DateCells):
        return cells.values
    codes, words = cells.words()
    missing = [word in marks or word in MISSING_WORDS for word in words]
    found = [
        np.datetime64("NaT", "us") if gap else _time(word, example) for gap, word in zip(missing, words, strict=True)
    ]
    odd = np.array([not gap and np.isnat(time) for gap, time in zip(missing, found, strict=True)] + [False])
    shown = "2026-11-30 or 2026-11-30T18:05" if example is None else f"{example} or 2026-12-31"
    remedy = "write all cells so"
    if odd.any() and example is None and otherwise is None:
        ways = examples_like(word for word, gap in zip(words, missing, strict=True) if not gap)
        remedy += "".join(f", say how they are written with --date {name}=PARTS,{way}" for way in ways)
    refuse_first(
        frame,
        name,
        odd[codes],
        f"{{value}} is not a date such as {shown}; {remedy}, or "
        + (otherwise or f"leave the column out with --drop {name}"),
    )
    times: Dates = np.array([*found, np.datetime64("NaT", "us")], dtype="datetime64[us]")[codes]
    return times


def _time(word: str, example: str | None = None) -> Any:
    """The time that a word spells, as a clock showed it there; NaT for none."""
    found = _ISO.fullmatch(word if example is None else as_iso(word, example))
    if found is None:
        return np.datetime64("NaT", "us")
    try:
        return np.datetime64(f"{found[1]}T{found[3] or '00:00'}", "us")
    except ValueError:
        return np.datetime64("NaT", "us")


def _part(values: Dates, part: str, reference: str | None) -> Cells:
    """The cells of one part."""
    missing = np.isnat(values)
    known = np.where(missing, np.datetime64(0, "us"), values)
    days = known.astype("datetime64[D]").astype(np.int64)
    months = known.astype("datetime64[M]").astype(np.int64)
    if part in _CATEGORIES:
        codes, words = {
            "quarter": (months % 12 // 3, [f"Q{quarter}" for quarter in range(1, 5)]),
            "month": (months % 12, [f"{month:02}" for month in range(1, 13)]),
            "weekday": ((days + 3) % 7, list(_WEEKDAYS)),  # day 0 was a Thursday
            "hour": (known.astype("datetime64[h]").astype(np.int64) % 24, [f"{hour:02}" for hour in range(24)]),
        }[part]
        return TextCells(np.where(missing, -1, codes), words)
    if part == "age":
        numbers: NDArray[Any] = (np.datetime64(str(reference), "us") - known).astype(np.int64) / _DAY_MICROSECONDS
    elif part == "year":
        numbers = months // 12 + 1970.0
    else:
        numbers = (days - known.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)) + 1.0
    return NumberCells(np.where(missing, np.nan, numbers.astype(np.float64)))
