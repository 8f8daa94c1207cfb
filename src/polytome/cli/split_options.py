"""Options that say which rows are held out."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["GroupColumn", "TimeColumn"]

GroupColumn = Annotated[
    str | None,
    typer.Option(
        "--group",
        metavar="COLUMN",
        show_default=False,
        help="With --test-fraction, hold out whole groups: the rows with one value of this column, such as a user, "
        "stay together. It is not a feature.",
    ),
]
TimeColumn = Annotated[
    str | None,
    typer.Option(
        "--time",
        metavar="COLUMN",
        show_default=False,
        help="With --test-fraction, hold out the latest rows by this column of numbers or dates. It is not a feature.",
    ),
]
