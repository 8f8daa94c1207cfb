"""Recognise numbers that are written with marks, such as 1,234 or 12%: their meaning is never
guessed."""

from __future__ import annotations

import re

__all__ = ["CURRENCY", "SPACE", "explain_marks"]

_SIGN = r"[-+\u2212]?"
SPACE = r"[ \u00a0\u2009\u202f]"
_AMOUNT = rf"\d(?:[\d.,']|{SPACE}(?=\d))*"
CURRENCY = r"(?:[$\u20ac\u00a3\u00a5\u20b9]|USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|SEK|NOK|DKK)"

_SHAPES = (
    (
        rf"{_SIGN}[1-9]\d{{0,2}},\d{{3}}",
        "looks like a number with a comma, which may group its digits or be its decimal point; write it without "
        "the comma, or with a point",
    ),
    (
        rf"{_SIGN}[1-9]\d{{0,2}}(,\d{{3}})+(\.\d+)?",
        "looks like a number whose digits are grouped by commas; write it without them",
    ),
    (
        rf"{_SIGN}[1-9]\d{{0,2}}(\.\d{{3}})+,\d+|{_SIGN}[1-9]\d{{0,2}}(\.\d{{3}}){{2,}}",
        "looks like a number whose digits are grouped by points; write it without them, and a decimal comma as a point",
    ),
    (rf"{_SIGN}\d*,\d+", "looks like a number with a decimal comma; write it with a point"),
    (
        rf"{_SIGN}[1-9]\d{{0,2}}(({SPACE}\d{{3}})+|('\d{{3}})+)([.,]\d+)?",
        "looks like a number whose digits are grouped; write it without the marks between them",
    ),
    (rf"{_SIGN}{_AMOUNT}{SPACE}?%", "looks like a percentage; write the number alone, in the whole column"),
    (
        rf"{_SIGN}{SPACE}?{CURRENCY}{SPACE}?{_SIGN}{_AMOUNT}|{_SIGN}{_AMOUNT}{SPACE}?{CURRENCY}",
        "looks like an amount of money; write the number alone",
    ),
    (
        rf"\({SPACE}?{CURRENCY}?{SPACE}?{_AMOUNT}{SPACE}?{CURRENCY}?%?\)",
        "looks like a negative number in brackets, as in accounts; write it with a minus sign",
    ),
    (rf"\u2212{_AMOUNT}|{_AMOUNT}-", "looks like a number with another minus sign; write it with - in front"),
)
_PATTERNS = tuple((re.compile(pattern), said) for pattern, said in _SHAPES)


def explain_marks(word: str) -> str:
    """Say what a word looks like that would be a number without its marks; empty for any other
    word.

    Example:
        >>> explain_marks("12%")
        'looks like a percentage; write the number alone, in the whole column'
        >>> explain_marks("red")
        ''
    """
    return next((said for pattern, said in _PATTERNS if pattern.fullmatch(word)), "")
