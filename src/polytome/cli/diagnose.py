"""`polytome diagnose`: separation and dependent columns, before any fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polytome.cli.options import (
    Categories,
    DataFolder,
    Drop,
    Header,
    Intercept,
    Json,
    Missing,
    MissingMark,
    Positive,
    ReadLimit,
    SourceName,
    Target,
)
from polytome.cli.output import live_line, make_console, print_json, show_notes

if TYPE_CHECKING:
    from polytome.models.diagnose import Diagnosis

__all__ = ["diagnose"]


def diagnose(
    source: SourceName,
    formula: Annotated[
        str | None,
        typer.Argument(
            metavar="[FORMULA]",
            show_default=False,
            help='Instead of --target: as in "income ~ age + town" (see infer).',
        ),
    ] = None,
    target: Target = None,
    positive: Positive = None,
    intercept: Intercept = True,
    missing: Missing = None,
    missing_mark: MissingMark = None,
    header: Header = "auto",
    read_limit: ReadLimit = None,
    drop: Drop = None,
    categories: Categories = None,
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """Say whether classes are separated, and which columns are sums of others.

    Where classes are separated, even in part, coefficients without a penalty
    (train --C inf) grow without bound and mean nothing: the columns are named,
    with the classes that they tell apart. A finite C needs none of this.

    \b
    Examples:
      polytome diagnose iris
      polytome diagnose people.csv --target income --drop id
      polytome diagnose people.csv "income ~ age * town"

    Exit status: 0 also where classes are separated.
    """
    if formula is not None:
        if target or positive or not intercept or missing or drop or data:
            raise typer.BadParameter("a formula says what is predicted by what: leave --target, --drop and such out")
        from polytome.inference.formula import diagnose_formula
        from polytome.tables.columns import read_columns

        columns = read_columns(
            source, header=header, categories=categories or (), marks=missing_mark, read_limit=read_limit
        )
        _show(source, diagnose_formula(formula, columns), columns.notes, as_json)
        return
    from polytome.files.sources import one_against_rest, open_source
    from polytome.models.diagnose import diagnose as diagnosis_of

    options: dict[str, Any] = {
        "target": target,
        "missing": missing,
        "marks": missing_mark,
        "header": header,
        "read_limit": read_limit,
        "drop": drop or (),
        "categories": categories or (),
    }
    with live_line() as say:
        say(f"reading {source}")
        rows = open_source(source, data_dir=data, **options)
        if positive is not None:
            rows = one_against_rest(rows, positive)
        say("looking for what separates the classes")
        found = diagnosis_of(rows.X, rows.y, fit_intercept=intercept, encoder=rows.encoder)
    _show(source, found, rows.notes, as_json)


def _show(source: str, found: Diagnosis, notes: Iterable[str], as_json: bool) -> None:
    if as_json:
        print_json({"source": source, **found.to_json()})
        return
    show_notes(notes)
    make_console().print(str(found), soft_wrap=True, markup=False, highlight=False)
