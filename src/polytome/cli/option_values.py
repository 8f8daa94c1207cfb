"""Texts of options as the estimators take them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

import typer

__all__ = ["dates_of", "groups_from", "named_values", "references_from", "scale_of", "weights_of"]

_WEIGHT = re.compile(r"(?P<name>.+?)=(?P<number>[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?inf|nan),", re.DOTALL)


def dates_of(texts: list[str] | None) -> dict[str, str] | None:
    """The option `--date` as `read_table` takes it."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, _, parts = text.rpartition("=")
        if not name or not parts or name in found:
            what = (
                f"names the column {name!r} twice"
                if name in found
                else "is not COLUMN=PART,..., such as signup=year,month"
            )
            raise typer.BadParameter(f"{text!r} {what}", param_hint="'--date'")
        found[name] = parts
    return found or None


def references_from(texts: list[str] | None) -> dict[str, str] | None:
    """The option `--reference` as `train` takes it. What follows the first = is the level, such as
    <=50K."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, _, level = text.partition("=")
        if not name or not level or name in found:
            what = (
                f"names the column {name!r} twice" if name in found else "is not COLUMN=LEVEL, such as education=none"
            )
            raise typer.BadParameter(f"{text!r} {what}", param_hint="'--reference'")
        found[name] = level
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


def groups_from(text: str | None, option: str = "--groups") -> Literal["classes", "columns"] | None:
    """An option for groups of coefficients as the estimator takes it."""
    if text in (None, "none"):
        return None
    if text == "classes":
        return "classes"
    if text == "columns":
        return "columns"
    raise typer.BadParameter(f"{text!r} is not 'none', 'classes' or 'columns'", param_hint=f"'{option}'")


def weights_of(texts: list[str] | None) -> dict[str, float] | None:
    """The option `--penalty-weights` as the estimator takes it. A comma in a column's name is part
    of it."""
    found = named_values(texts or (), _WEIGHT, "COLUMN=NUMBER, such as age=0", "'--penalty-weights'")
    return {match["name"]: float(match["number"]) for match in found} or None


def named_values(texts: Iterable[str], pattern: re.Pattern[str], form: str, hint: str) -> Iterator[re.Match[str]]:
    """The values that texts give columns by their names, each a match. A comma in a column's name
    is part of it.

    Args:
        texts: such as `a=1,b=2`.
        pattern: of one of them and the comma after it, with the group `name`.
        form: how they are written, for a message.
        hint: the option.
    """
    seen = set[str]()
    for text in texts:
        rest = f"{text},"
        while rest:
            match = pattern.match(rest)
            if match is None:
                raise typer.BadParameter(f"{rest.removesuffix(',')!r} is not {form}", param_hint=hint)
            if match["name"] in seen:
                raise typer.BadParameter(f"the column {match['name']!r} is named twice", param_hint=hint)
            seen.add(match["name"])
            yield match
            rest = rest[match.end() :]
