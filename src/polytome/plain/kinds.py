"""What a value of a model file may be: a schema is built from these kinds, and each value is
checked against it.

A kind is a function of a value from JSON and of its name in messages. It returns the value as the
model needs it, or refuses it. Every number has a range and every text a maximal length: nothing is
used before that is checked.

JSON has no infinity and no NaN: `plain` writes them as the texts "inf", "-inf" and "nan" where a
number is expected.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from reprlib import Repr
from typing import Any, NoReturn, TypeAlias

import numpy as np

from polytome.errors import FileError

Kind: TypeAlias = Callable[[Any, str], Any]
"""A kind of value: takes a value and its place, and returns the value or refuses the file."""

__all__ = [
    "DAMAGED",
    "LARGEST",
    "LARGEST_COUNT",
    "WHOLE",
    "Kind",
    "brief",
    "choice",
    "either",
    "flag",
    "label",
    "listed",
    "mapped",
    "members",
    "optional",
    "real",
    "record",
    "refuse",
    "text",
    "whole",
]

DAMAGED = "damaged or foreign: "
"""The beginning of every message about a file's content."""
WHOLE = "the model"
"""The name of the whole metadata; its members have their own names."""
LARGEST = sys.float_info.max
"""The largest finite number."""
LARGEST_COUNT = 2**53
"""The largest count: up to it every whole number is a float64."""
_LONGEST_TEXT = 1_000_000
_LONGEST_SHOWN = 120  # characters
_brief = Repr()
_brief.maxstring = _brief.maxother = _brief.maxlong = 50


def brief(value: Any) -> str:
    """A value as a message shows it: short, whatever it is.

    Example:
        >>> brief([[1], "x" * 1000])
        "[[1], 'xxxxxxxxxxxxxxxxxxxxxx...xxxxxxxxxxxxxxxxxxxxxxx']"
    """
    shown = _brief.repr(value)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[: _LONGEST_SHOWN - 4]} ..."


def refuse(complaint: str) -> NoReturn:
    """Raise for content that no save can have written.

    Example:
        >>> refuse("coef holds NaN")
        Traceback (most recent call last):
        polytome.errors.FileError: damaged or foreign: coef holds NaN
    """
    raise FileError(DAMAGED + complaint)


def whole(low: int, high: int) -> Kind:
    """A whole number in a range, its ends included.

    Example:
        >>> whole(0, 9)(True, "n_iter")
        Traceback (most recent call last):
        polytome.errors.FileError: damaged or foreign: n_iter is True, not a whole number from 0 to 9
    """

    def check(value: Any, what: str) -> Any:
        if type(value) is not int or not low <= value <= high:
            refuse(f"{what} is {brief(value)}, not a whole number from {low} to {high}")
        return value

    return check


def real(low: float, high: float, *, nan: bool = False) -> Kind:
    """A number in a range, its ends included; infinite if an end is infinite, NaN only if that is
    allowed.

    Example:
        >>> real(0, np.inf)("inf", "gap")
        inf
        >>> real(0, LARGEST)(10**400, "tol")
        Traceback (most recent call last):
        polytome.errors.FileError: damaged or foreign: tol is 1000000000000000000000...00000000000000000000000, not ...
    """
    texts: dict[str, Any] = {"inf": np.inf, "-inf": -np.inf, "nan": np.nan}

    def check(value: Any, what: str) -> Any:
        number: Any = texts.get(value) if isinstance(value, str) else value
        is_number = type(number) is float or (type(number) is int and abs(number) <= LARGEST)
        if not is_number or not (low <= number <= high or (nan and number != number)):
            refuse(f"{what} is {brief(value)}, not a number from {low:g} to {high:g}")
        # NumPy has no type for whole numbers beyond 64 bits.
        return float(number) if abs(number) > LARGEST_COUNT else number

    return check


def text(longest: int = _LONGEST_TEXT, *, nul: bool = False) -> Kind:
    """Text that can be written out, without the character NUL unless it is allowed.

    Example:
        >>> text()("\\ud800", "solver")
        Traceback (most recent call last):
        polytome.errors.FileError: damaged or foreign: solver is '\\ud800', which is not text
    """

    def check(value: Any, what: str) -> Any:
        if not isinstance(value, str):
            refuse(f"{what} is {brief(value)}, not text")
        if len(value) > longest:
            refuse(f"{what} has {len(value)} characters, more than {longest}")
        if not _can_be_written(value) or ("\0" in value and not nul):
            refuse(f"{what} is {brief(value)}, which is not text")
        return value

    return check


def _can_be_written(value: str) -> bool:
    """Whether there is no half of a surrogate pair in it."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def choice(*texts: str) -> Kind:
    """One of a few texts.

    Example:
        >>> choice("proof", "estimate")("proof", "kind")
        'proof'
    """

    def check(value: Any, what: str) -> Any:
        if not isinstance(value, str) or value not in texts:
            refuse(f"{what} is {brief(value)}, not one of {', '.join(texts)}")
        return value

    return check


def flag(value: Any, what: str) -> Any:
    """A boolean.

    Example:
        >>> flag(True, "warm_start")
        True
    """
    if type(value) is not bool:
        refuse(f"{what} is {brief(value)}, neither true nor false")
    return value


def optional(kind: Kind) -> Kind:
    """None, or a value of a kind.

    Example:
        >>> optional(flag)(None, "training")
    """
    return lambda value, what: None if value is None else kind(value, what)


def either(*kinds: Kind) -> Kind:
    """A value of any of several kinds; the last one complains.

    Example:
        >>> either(flag, whole(0, 1))(1, "fit_intercept")
        1
    """

    def check(value: Any, what: str) -> Any:
        for kind in kinds[:-1]:
            try:
                return kind(value, what)
            except FileError:
                continue
        return kinds[-1](value, what)

    return check


def listed(kind: Kind, length: int | None = None) -> Kind:
    """A list of values of one kind, of a given length if there is one.

    Example:
        >>> listed(whole(1, 99), 2)([28, 28], "image_shape")
        [28, 28]
    """

    def check(value: Any, what: str) -> Any:
        if not isinstance(value, list):
            refuse(f"{what} is {brief(value)}, not a list")
        if length is not None and len(value) != length:
            refuse(f"{what} is {brief(value)}, not a list of {length}")
        return [kind(item, f"{what}[{place}]") for place, item in enumerate(value)]

    return check


def mapped(kind: Kind) -> Kind:
    """An object of at most a hundred names, all with values of one kind.

    Example:
        >>> mapped(text())({"numpy": "2.4"}, "versions")
        {'numpy': '2.4'}
    """

    def check(value: Any, what: str) -> Any:
        if not isinstance(value, dict) or len(value) > 100:
            refuse(f"{what} is {brief(value)}, not an object of few names")
        return {text()(name, what): kind(each, f"{what}.{brief(name)}") for name, each in value.items()}

    return check


_number = either(whole(-(2**63), 2**64 - 1), real(-LARGEST, LARGEST), flag)


def label(value: Any, what: str) -> Any:
    """A class: text, a finite number or a boolean. The text "inf" is a text here.

    Example:
        >>> label("inf", "a class"), label(3, "a class")
        ('inf', 3)
    """
    return text(nul=True)(value, what) if isinstance(value, str) else _number(value, what)


def members(data: Any, names: Collection[str], what: str, absent: Collection[str] = ()) -> dict[str, Any]:
    """Return a JSON object after checking that it has these members and no others; some may be
    absent.

    Example:
        >>> members({"gap": 0.0}, ["gap", "tol"], "certificate")
        Traceback (most recent call last):
        polytome.errors.FileError: damaged or foreign: certificate lacks ['tol']
    """
    if not isinstance(data, dict):
        refuse(f"{what} is {brief(data)}, not a JSON object")
    for problem, found in (("lacks", set(names) - set(data) - set(absent)), ("has also", set(data) - set(names))):
        if found:
            refuse(f"{what} {problem} {brief(sorted(found))}")
    return data


def record(kinds: Mapping[str, Kind], defaults: Mapping[str, Any] | None = None) -> Kind:
    """An object with a value of its own kind for each name; those with a default may be absent, as
    in older files.

    Example:
        >>> record({"gap": real(0, np.inf), "tol": real(0, 1)}, {"tol": 1e-4})({"gap": 0.5}, "certificate")
        {'gap': 0.5, 'tol': 0.0001}
    """
    filled = defaults or {}

    def check(value: Any, what: str) -> Any:
        found = members(value, kinds.keys(), what, filled.keys())
        place = "" if what == WHOLE else f"{what}."
        return {
            name: kind(found[name], place + name) if name in found else filled[name] for name, kind in kinds.items()
        }

    return check
