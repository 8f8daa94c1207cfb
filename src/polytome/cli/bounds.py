"""The option `--bounds`: pairs of numbers, for all columns or by their names."""

from __future__ import annotations

import math
import re

import typer

from polytome.cli.option_values import named_values

__all__ = ["bounds_from"]

_NUMBER = r"([-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?inf)?"
_ENDS = rf"(?P<low>{_NUMBER}):(?P<high>{_NUMBER})"
_OF_ALL = re.compile(_ENDS)
_OF_COLUMN = re.compile(rf"(?P<name>.+?)={_ENDS},", re.DOTALL)
_HINT = "'--bounds'"

Ends = tuple[float, float]


def bounds_from(texts: list[str] | None) -> Ends | dict[str, Ends] | None:
    """The option as the estimator takes it. A comma in a column's name is part of it.

    Example:
        >>> bounds_from(["0:"]), bounds_from(["age=0:,income=-1:1"])
        ((0.0, inf), {'age': (0.0, inf), 'income': (-1.0, 1.0)})
    """
    if not texts:
        return None
    if len(texts) == 1 and (match := _OF_ALL.fullmatch(texts[0])):
        return _ends(match)
    form = "LOW:HIGH or COLUMN=LOW:HIGH, such as 0: or age=0:1"
    return {match["name"]: _ends(match) for match in named_values(texts, _OF_COLUMN, form, _HINT)}


def _ends(match: re.Match[str]) -> Ends:
    """What is left out is no bound."""
    low, high = match["low"], match["high"]
    if not low and not high:
        raise typer.BadParameter(f"{match[0].removesuffix(',')!r} has no bound; give one", param_hint=_HINT)
    return float(low) if low else -math.inf, float(high) if high else math.inf
