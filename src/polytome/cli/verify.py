"""`polytome verify`: an independent check of a model's certificate on the data of its fit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import typer

from polytome.cli.evaluate import rows_for_model
from polytome.cli.options import DataFolder, Header, Json, Missing, ModelPath, ReadLimit, SourceNames, Target, Unknown
from polytome.cli.output import live_line, make_console, print_json
from polytome.cli.show import show_facts
from polytome.cli.text_options import Encoding

if TYPE_CHECKING:
    from polytome.verification.findings import Verification

__all__ = ["verify"]

UNDECIDED = 3


def verify(
    model: ModelPath,
    sources: SourceNames,
    data: DataFolder = None,
    target: Target = None,
    missing: Missing = None,
    unknown: Unknown = None,
    header: Header = "auto",
    read_limit: ReadLimit = None,
    encoding: Encoding = None,
    as_json: Json = False,
) -> None:
    """Confirm or refute a model's certificate on the data of its fit.

    This is a slow and simple check in ball arithmetic, which bounds its own
    rounding and shares no code with the fit. SOURCE is what the model was trained
    on; rows that train held out (--test-fraction, also by --group or --time) are
    left out again, and those of a model trained with --weight have their weights.
    Several files of one kind, a folder or a pattern are read into memory. Needs the
    extra "verify".

    \b
    Examples:
      polytome verify people.safetensors people.csv
      polytome verify mnist.safetensors mnist --data DIR --json
      polytome verify clicks.safetensors logs/2026-*/*.parquet

    Exit status: 0 confirmed, 1 refuted (or an error), 3 undecided.
    """
    from polytome.files.sources import is_dataset, open_model
    from polytome.files.splits import training_rows
    from polytome.files.streamed import named
    from polytome.verification import checker

    fitted = open_model(model)
    split = "train" if len(sources) == 1 and is_dataset(sources[0]) else None
    options = (split, data, target, missing, unknown, header, read_limit)
    rows, _ = rows_for_model(fitted, sources, *options, weights=True, encoding=encoding, judges=False)
    assert rows.y is not None
    X, y, weight = training_rows(fitted, rows.X, rows.y, rows.weight, rows.beside)
    with live_line() as say:
        found = checker.verify(fitted, X, y, weight, progress=say)
    if as_json:
        print_json({"model": str(model), "source": named(sources), **found.to_json()})
    else:
        _show(found)
    if found.verdict != "confirmed":
        raise typer.Exit(1 if found.verdict == "refuted" else UNDECIDED)


def _show(found: Verification) -> None:
    """The sentence, then the numbers."""
    console = make_console()
    console.print(str(found), soft_wrap=True)
    facts = {
        "Objective": f"{found.objective:.15g} (claimed {found.claimed_objective:.15g})",
        "Claimed gap": f"{found.claimed_gap:.6g}",
        "Proved": f"{found.excess_at_least:.6g} to {found.excess_at_most:.6g} above the minimum",
        "Distance": (
            f"the coefficients are proved to be within {found.coefficient_bound:.6g} of the optimal ones"
            if math.isfinite(found.coefficient_bound)
            else "nothing is proved of how far the coefficients are from the optimal ones"
        ),
        "Null model": f"{found.null_objective:.15g}; the tolerance is {found.tol:.3g} of it",
        "Witness": found.witness,
        "Arithmetic": f"balls of {found.bits} bits",
        "Rows": f"{found.n_rows:,}, checked in {found.seconds:.1f} s",
    }
    if found.claimed_zeros:
        facts["Zeros"] = (
            f"{found.confirmed_zeros:,} of {found.claimed_zeros:,} coefficients that are said to be 0 at every optimum "
            "are proved to be"
        )
    if found.margin is not None:
        facts["Margin"] = f"{found.margin:.6g}, the smallest of all rows"
    show_facts(console, facts)
