"""The option `--monotone`: columns along which the score only rises, or only falls."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from polytome.cli.option_values import named_values

__all__ = ["MonotoneOption", "monotone_from"]

_OF_COLUMN = re.compile(r"(?P<name>.+?)=(?P<way>increasing|decreasing|[^<,]+(<[^<,]+)+),", re.DOTALL)

MonotoneOption = Annotated[
    list[str] | None,
    typer.Option(
        "--monotone",
        metavar="COLUMN=WAY,...",
        show_default=False,
        help="Columns along which the score of the second class, or of --positive, never falls, or never rises, as in "
        "age=increasing,income=decreasing. Levels of a category are named in their order, as in "
        "'education=none<school<college'. May be given several times.",
    ),
]


def monotone_from(texts: list[str] | None) -> dict[str, str | list[str]] | None:
    """The option as `train` takes it.

    Example:
        >>> monotone_from(["age=increasing,size=s<m<l"])
        {'age': 'increasing', 'size': ['s', 'm', 'l']}
    """
    form = "COLUMN=increasing, COLUMN=decreasing, or levels in their order as in 'size=small<medium<large'"
    found = named_values(texts or (), _OF_COLUMN, form, "'--monotone'")
    named = {match["name"]: match["way"] for match in found}
    return {
        name: [level.strip() for level in way.split("<")] if "<" in way else way for name, way in named.items()
    } or None
