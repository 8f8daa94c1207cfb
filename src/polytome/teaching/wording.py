"""Values in words: arrays, numbers and verdicts as short text, the same in a terminal and on a
page."""

from __future__ import annotations

from typing import Any

import numpy as np

from polytome.teaching.documents import Verdict, identities, numbers

__all__ = ["array_text", "cell_text", "comparison", "outcome_text", "short_text"]

_SIGNIFICANT = 6
_FEW = 6


def cell_text(value: Any) -> str:
    """A cell of a table: text as it is, numbers with six digits, arrays in brackets.

    Example:
        >>> cell_text(2 / 3), cell_text("rate"), cell_text(60_000), cell_text(np.array([0.5, 1.0]))
        ('0.666667', 'rate', '60,000', '[0.5 1. ]')
    """
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        return f"{value:.{_SIGNIFICANT}g}"
    return array_text(value) if isinstance(value, np.ndarray) else str(value)


def array_text(values: Any) -> str:
    """An array in brackets, a line per row, six digits.

    Example:
        >>> print(array_text(np.eye(2)))
        [[1. 0.]
         [0. 1.]]
    """
    values = np.asarray(values)
    small = values.dtype.kind == "f" and bool((np.abs(values[values != 0]) >= 1e-4).all())
    return np.array2string(values, precision=_SIGNIFICANT, suppress_small=small, threshold=60, edgeitems=3)


def short_text(value: Any) -> str:
    """What a document prints or a lesson computed, on one line; of long lists only the ends.

    Example:
        >>> short_text([0.1234567890123, 2]), short_text(list(range(100))), short_text(None)
        ('[0.12345679, 2]', '[0, 1, 2, ..., 97, 98, 99]', 'nothing legible')
    """
    if value is None:
        return "nothing legible"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.8g}"
    if isinstance(value, list | tuple):
        items = [short_text(item) for item in value]
        if len(items) > 2 * _FEW:
            items = [*items[: _FEW // 2], "...", *items[-_FEW // 2 :]]
        return f"[{', '.join(items)}]"
    if isinstance(value, dict):
        return ", ".join(f"{name}={item!r}" for name, item in value.items())
    return str(value)


def outcome_text(verdict: Verdict) -> str:
    """The outcome with a sign that can be recognised without colour.

    Example:
        >>> from polytome.teaching.documents import judge_number
        >>> outcome_text(judge_number("S4-01", 0.5))
        '✓ agrees'
    """
    signs = {"agrees": "✓", "fault of the document": "✎", "disagrees": "✗", "not computed": "–"}
    return f"{signs[verdict.outcome]} {verdict.outcome}"


def comparison(verdict: Verdict) -> list[tuple[str, str]]:
    """The two values of a verdict and what they are called: printed and computed, or an identity's
    error and bound.

    Example:
        >>> from polytome.teaching.documents import judge_identity
        >>> comparison(judge_identity("I-24", 1e-16))
        [('error', '1e-16'), ('at most', '1e-12')]
    """
    if verdict.id in identities():
        return [("error", short_text(verdict.computed)), ("at most", short_text(verdict.printed))]
    printed = ("printed", short_text(verdict.printed))
    if verdict.outcome == "not computed":
        return [printed]
    if numbers()[verdict.id].rule == "within":
        return [printed, *zip(("lowest", "highest"), map(short_text, verdict.computed), strict=True)]
    return [printed, ("computed", short_text(verdict.computed))]
