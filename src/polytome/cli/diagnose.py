"""`polytome diagnose`: separation and dependent columns, before any fit."""

from __future__ import annotations

from typing import Any

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
    WeightColumn,
)
from polytome.cli.output import live_line, make_console, print_json, show_notes

__all__ = ["diagnose"]


def diagnose(
    source: SourceName,
    target: Target = None,
    weight: WeightColumn = None,
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

    Exit status: 0 also where classes are separated.
    """
    from polytome.files.sources import one_against_rest, open_source
    from polytome.models.diagnose import diagnose as diagnosis_of

    options: dict[str, Any] = {
        "target": target,
        "weight": weight,
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
        found = diagnosis_of(rows.X, rows.y, sample_weight=rows.weight, fit_intercept=intercept, encoder=rows.encoder)
    if as_json:
        print_json({"source": source, **found.to_json()})
        return
    show_notes(rows.notes)
    make_console().print(str(found), soft_wrap=True, markup=False, highlight=False)
