"""Texts of options as the estimators take them."""

from __future__ import annotations

import re
from typing import Literal

import typer

__all__ = ["dates_of", "groups_from", "scale_of", "weights_of"]

_WEIGHT = re.compile(r"(?P<name>.+?)=(?P<number>[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?inf|nan),", re.DOTALL)


def dates_of(texts: list[str] | None) -> dict[str, str] | None:
    """The option `--date` as `read_table` takes it."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, _, parts = text.rpartition("=")
        if not name or name in found:
            what = f"names the column {name!r} twice" if name else "is not COLUMN=PART,..., such as signup=year,month"
            raise typer.BadParameter(f"{text!r} {what}", param_hint="'--date'")
        found[name] = parts
    return found or None


def scale_of(text: str | None) -> float | str | None:
    """The option `--scale` as the estimator takes it."""
    if text in (None, "none"):
        return None
    if text == "standard":
        return text
    try:
        return float(str(text))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not 'none', 'standard' or a number", param_hint="'--scale'") from None


def groups_from(text: str | None) -> Literal["classes", "columns"] | None:
    """The option `--groups` as the estimator takes it."""
    if text in (None, "none"):
        return None
    if text == "classes":
        return "classes"
    if text == "columns":
        return "columns"
    raise typer.BadParameter(f"{text!r} is not 'none', 'classes' or 'columns'", param_hint="'--groups'")


def weights_of(texts: list[str] | None) -> dict[str, float] | None:
    """The option `--penalty-weights` as the estimator takes it. A comma in a column's name is part
    of it."""
    found: dict[str, float] = {}
    for text in texts or ():
        rest = f"{text},"
        while rest:
            match = _WEIGHT.match(rest)
            if match is None:
                reason = f"{rest.removesuffix(',')!r} is not COLUMN=NUMBER, such as age=0"
                raise typer.BadParameter(reason, param_hint="'--penalty-weights'")
            name, number = match["name"], match["number"]
            if name in found:
                reason = f"the column {name!r} is named twice"
                raise typer.BadParameter(reason, param_hint="'--penalty-weights'")
            found[name], rest = float(number), rest[match.end() :]
    return found or None
