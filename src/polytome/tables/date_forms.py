"""How dates are written: 2026-12-31, or as an example of the last day of a year shows, which leaves
no doubt what is the day and what the month."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache

from polytome.errors import ArgumentError

__all__ = ["as_iso", "check_example", "examples_like"]

_DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})")
_KINDS = {"31": "day", "12": "month"}
_ORDERS = (("31", "12", "2026"), ("12", "31", "2026"), ("2026", "12", "31"))


def check_example(example: str) -> None:
    """Refuse what is not 31 December of some year.

    Raises:
        ArgumentError: it is not.
    """
    if _pattern(example) is None:
        raise ArgumentError(
            f"date {example!r}: does not show how dates are written; give 31 December of a year with four digits, as "
            "in 31.12.2026, 31/12/2026, 12/31/2026 or 2026/12/31"
        )


def as_iso(word: str, example: str) -> str:
    """A date, perhaps with a time, that is written as the example, as 2026-12-31T18:05; any other
    word as it is.

    Example:
        >>> as_iso("1.2.2026", "31.12.2026"), as_iso("1/2/2026 9:05", "12/31/2026"), as_iso("1/2/2026", "31.12.2026")
        ('2026-02-01', '2026-01-02T09:05', '1/2/2026')
    """
    pattern = _pattern(example)
    found = None if pattern is None else pattern.fullmatch(word)
    if found is None:
        return word
    time = found["time"]
    day = f"{found['year']}-{found['month']:0>2}-{found['day']:0>2}"
    return day if time is None else f"{day}T{time if time[1].isdigit() else f'0{time}'}"


def examples_like(words: Iterable[str]) -> list[str]:
    """The examples of forms in which all of some words may be dates.

    Example:
        >>> examples_like(["1/2/2025", "14/8/2025"]), examples_like(["1/2/2025"]), examples_like(["1.2.26"])
        (['31/12/2026'], ['31/12/2026', '12/31/2026'], [])
    """
    words = list(words)
    found = [mark.join(fields) for fields in _ORDERS for mark in (".", "/", "-")]
    return [example for example in found if words and all(_is_day(as_iso(word, example)) for word in words)]


def _is_day(word: str) -> bool:
    """Whether a text begins with a day of the calendar."""
    try:
        date.fromisoformat(word[:10])
    except ValueError:
        return False
    return True


@lru_cache(maxsize=64)
def _pattern(example: str) -> re.Pattern[str] | None:
    """What dates look like that are written as the example; None where it is not one."""
    match = _DATE.fullmatch(example)
    if match is None:
        return None
    kinds = [_KINDS.get(field, "year" if len(field) == 4 else "") for field in (match[1], match[3], match[4])]
    if sorted(kinds) != ["day", "month", "year"] or kinds[1] == "year":
        return None
    fields = [rf"(?P<{kind}>\d{{{'4' if kind == 'year' else '1,2'}}})" for kind in kinds]
    return re.compile(re.escape(match[2]).join(fields) + r"(?:[T ](?P<time>\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?))?")
