"""`polytome report`: everything about a model in one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from polytome.cli.evaluate import rows_for_model
from polytome.cli.options import (
    DataFolder,
    Header,
    Json,
    JudgedSources,
    Missing,
    ModelPath,
    ReadLimit,
    Split,
    Target,
    Unknown,
    Unweighted,
)
from polytome.cli.output import make_console, print_json
from polytome.cli.outputs import check_outputs
from polytome.cli.text_options import Encoding

__all__ = ["report"]


def report(
    model: ModelPath,
    sources: JudgedSources = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html", show_default=False, help="The report (default: MODEL with the suffix .html)."
        ),
    ] = None,
    split: Split = None,
    data: DataFolder = None,
    target: Target = None,
    missing: Missing = None,
    unknown: Unknown = None,
    header: Header = "auto",
    read_limit: ReadLimit = None,
    encoding: Encoding = None,
    unweighted: Unweighted = False,
    as_json: Json = False,
) -> None:
    """Write a report on a model: one HTML file that needs no network.

    The report says what was minimised and on which data, what the certificate
    proves, how good the predictions are on the rows of SOURCE, what the model has
    learnt, which rows to look at, and how to reproduce the model. It shows values
    of some rows: whoever may read the report may read those.

    Several files of one kind, and one that does not fit into memory, are read piece
    by piece; where they have many rows the report shows some, drawn at random.

    \b
    Examples:
      polytome report people.safetensors more-people.csv --out report.html
      polytome report mnist.safetensors mnist --data DIR
      polytome report clicks.safetensors logs/2026-11/*.parquet
      polytome train iris --test-fraction 0.3 --report iris.html
    """
    from polytome.files.sources import open_model
    from polytome.files.streamed import named
    from polytome.report import make_report

    place = model.with_suffix(".html") if out is None else out
    check_outputs([model, *(sources or ()), target], {"--out": (place, ".html .htm")})
    fitted, source = open_model(model), named(sources) if sources else None
    if not sources:
        finished = make_report(fitted)
    else:
        options = (split, data, target, missing, unknown, header, read_limit)
        rows, name = rows_for_model(fitted, sources, *options, weights=not unweighted, encoding=encoding, draws=True)
        named_rows: dict[str, Any] = {"name": name, "row_names": rows.test_names, "texts": rows.texts}
        finished = make_report(fitted, rows.X, rows.y, sample_weight=rows.weight, **named_rows)
    finished.save(place)
    if as_json:
        print_json({"model": str(model), "source": source, "split": split, "out": str(place)})
        return
    make_console().print(f"The report is in {place}.", soft_wrap=True)
