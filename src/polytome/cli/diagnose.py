"""`polytome diagnose`: separation and dependent columns, before any fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polytome.cli.beside_streams import refuse_beside_streams, why_read
from polytome.cli.option_groups import TableOptions, Without
from polytome.cli.options import DataFolder, Intercept, Json, MemoryLimit, Positive, SourceNames, Target, WeightColumn
from polytome.cli.output import live_line, make_console, print_json, show_notes
from polytome.cli.term_options import TermOptions

if TYPE_CHECKING:
    from polytome.models.diagnose import Diagnosis

__all__ = ["diagnose"]


def diagnose(
    sources: SourceNames,
    *,
    target: Target = None,
    weight: WeightColumn = None,
    positive: Positive = None,
    intercept: Intercept = True,
    table: Annotated[TableOptions, Without(["unknown", "reference"])],
    terms: TermOptions,
    memory: MemoryLimit = None,
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """Say whether classes are separated, and which columns are sums of others.

    Where classes are separated, even in part, coefficients without a penalty
    (train --C inf) grow without bound and mean nothing: the columns are named,
    with the classes that they tell apart. A finite C needs none of this.

    Several files of one kind, and one that does not fit into memory, are read
    piece by piece. A formula may follow one file instead of --target.

    \b
    Examples:
      polytome diagnose iris
      polytome diagnose people.csv --target income --drop id
      polytome diagnose logs/2026-*/*.parquet --target clicked
      polytome diagnose people.csv "income ~ age * town"

    Exit status: 0 also where classes are separated.
    """
    if (formula := _formula_among(sources)) is not None:
        if (
            target
            or weight
            or memory
            or positive
            or not intercept
            or table.missing
            or table.drop
            or table.date
            or data
            or terms.made()
        ):
            raise typer.BadParameter("a formula says what is predicted by what: leave --target, --drop and such out")
        from polytome.inference.formula import diagnose_formula
        from polytome.tables.columns import read_columns

        columns = read_columns(
            sources[0],
            header=table.header,
            categories=table.categories or (),
            marks=table.missing_mark,
            **table.whole(),
        )
        _show(sources[0], diagnose_formula(formula, columns), columns.notes, as_json)
        return
    from polytome.files.sources import one_against_rest, open_source
    from polytome.files.streamed import named, streamed_against_rest
    from polytome.models.diagnose import diagnose as diagnosis_of
    from polytome.tables.streams.opening import open_rows

    as_without_penalty = {"C": math.inf, "fit_intercept": intercept}
    options = {"target": target, "weight": weight, **table.reading(as_without_penalty), "terms": terms.made()}
    looking = "looking for what separates the classes"
    with live_line() as say:
        say(f"reading {sources[0]}")
        if (why := why_read(sources, memory)) is not None:
            refuse_beside_streams(sources, why, {"--data": data, **table.refused_piecewise()})
            told = partial(_told, say)
            streamed = open_rows(sources, memory=memory, progress=told, **options)
            streamed = streamed if positive is None else streamed_against_rest(streamed, positive)
            say(looking)
            notes, found = streamed.notes, diagnosis_of(streamed, fit_intercept=intercept)
        else:
            rows = open_source(sources[0], data_dir=data, **options, **table.whole())
            rows = rows if positive is None else one_against_rest(rows, positive)
            say(looking)
            how: dict[str, Any] = {"sample_weight": rows.weight, "fit_intercept": intercept, "encoder": rows.encoder}
            notes, found = rows.notes, diagnosis_of(rows.X, rows.y, **how)
    _show(named(sources), found, notes, as_json)


def _formula_among(sources: list[str]) -> str | None:
    """A formula that follows the one source, as in `people.csv "income ~ age"`."""
    is_there = len(sources) == 2 and "~" in sources[1] and not Path(sources[1]).exists()
    return sources[1] if is_there else None


def _show(source: str, found: Diagnosis, notes: Iterable[str], as_json: bool) -> None:
    if as_json:
        print_json({"source": source, **found.to_json()})
        return
    show_notes(notes)
    make_console().print(str(found), soft_wrap=True, markup=False, highlight=False)


def _told(say: Callable[[str], object], done: int, n_rows: int) -> None:
    say(f"reading {done:,} of {n_rows:,} rows")
