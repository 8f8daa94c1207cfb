"""Options on the columns of tables to train on: which are kept, how they are written and named, and
which levels count."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Ids", "MinLevelCount", "Names", "Numbers", "names_of", "numbers_of"]

Ids = Annotated[
    list[str] | None,
    typer.Option(
        "--id",
        metavar="COLUMN,...",
        show_default=False,
        help="Columns that are not features, and that predict keeps beside its predictions; as for --drop.",
    ),
]
Numbers = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[COLUMN=]EXAMPLE",
        show_default=False,
        help="How numbers with marks are written, as in price=1,234.5 or '$12' or 12.5%: in this column, or in every "
        "column of text the cells of which are all written so. May be given several times.",
    ),
]
Names = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,...|FILE",
        show_default=False,
        help="The names of the columns of a table without a header line, or a file with one on each line.",
    ),
]
MinLevelCount = Annotated[
    int,
    typer.Option(
        metavar="NUMBER",
        help="In how many rows a level of a category must occur; rarer ones, and unknown ones later, count as one "
        "level, (other).",
    ),
]


def numbers_of(texts: list[str] | None) -> dict[str, str] | str | None:
    """An example for all columns, or one for each."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, _, example = text.rpartition("=")
        name = name or "*"
        if name in found:
            what = "all columns" if name == "*" else f"the column {name!r}"
            raise typer.BadParameter(f"{text!r} names {what} twice", param_hint="'--numbers'")
        found[name] = example
    return found["*"] if list(found) == ["*"] else found or None


def names_of(text: str | None) -> tuple[str, ...]:
    """Names with commas between them, or those in the lines of a file."""
    if text is None:
        return ()
    if not Path(text).is_file():
        return tuple(text.split(","))
    from polytome.errors import FileError
    from polytome.tables.readers.opening import InputFile

    try:
        lines = InputFile(text).contents().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise FileError(f"{text}: is not UTF-8 ({error.reason}); save the names as UTF-8") from error
    found = [line.strip() for line in lines if line.strip()]
    return tuple(found[0].split(",")) if len(found) == 1 else tuple(found)
