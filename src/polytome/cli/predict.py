"""`polytome predict`: predictions, as CSV, for a file of rows or for images."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from polytome.cli.beside_streams import refuse_beside_streams
from polytome.cli.options import Header, Json, Missing, ModelPath, ReadLimit, Unknown
from polytome.cli.output import live_line, make_console, print_json, show_notes
from polytome.cli.outputs import check_outputs
from polytome.cli.show import balance
from polytome.cli.text_options import Encoding

__all__ = ["predict"]


def predict(
    model: ModelPath,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", show_default=False, help="The rows to predict, or images or texts and folders of them."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="Write to this file instead of stdout: CSV, or as its ending says .parquet, .arrow or .jsonl.",
        ),
    ] = None,
    ids: Annotated[
        list[str] | None,
        typer.Option(
            "--id",
            metavar="COLUMN,...",
            show_default=False,
            help="Keep these columns beside the predictions (default: those that train --id named).",
        ),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities/--no-probabilities", help="Add one column per class.")
    ] = True,
    guard_formulas: Annotated[
        bool,
        typer.Option(
            "--guard-formulas", help="Put an apostrophe before texts that spreadsheets would read as formulas."
        ),
    ] = False,
    missing: Missing = None,
    unknown: Unknown = None,
    header: Header = "auto",
    read_limit: ReadLimit = None,
    encoding: Encoding = None,
    as_json: Json = False,
) -> None:
    """Predict each row of a file, as CSV.

    The columns of a table are found by name, in any order; a table without a
    header line must have them in the order of training. The CSV has the columns
    that --id keeps, the column prediction and one column probability_CLASS for each
    class; a model of several labels or numbers has one column prediction_NAME for
    each, and a model without probabilities has none. With --missing drop the column
    row says which rows are there. FILE may be -, the standard input.

    A model of texts in a folder takes folders of text files, and the column file
    gives the name of each.

    A model of images (trained on mnist, fashion-mnist, digits or a folder) takes
    PNG, JPEG, GIF, BMP and WebP files and folders of them. The drawing on each is
    separated from its background, scaled and centred as the training images were;
    the column file gives its name.

    Several files of one kind, and long ones, are read and predicted piece by piece,
    in little memory.

    \b
    Examples:
      polytome predict iris.safetensors new.csv
      polytome predict iris.safetensors new.csv --out predictions.csv
      polytome predict churn.safetensors june.csv --id customer --out june.jsonl
      zcat new.csv.gz | polytome predict churn.safetensors - > predictions.csv
      polytome predict mnist.safetensors images.npy --no-probabilities
    """
    import numpy as np

    from polytome.errors import ArgumentError, FileError
    from polytome.files.prediction_files import PREDICTION_ENDINGS, prediction_file
    from polytome.files.predictions import kept_columns, predict_rows
    from polytome.files.sources import open_model, read_for_model
    from polytome.files.streamed import is_long, why_read_piecewise

    check_outputs([model, *files], {"--out": (out, PREDICTION_ENDINGS)})
    fitted = open_model(model)
    options: dict[str, Any] = {"missing": missing, "unknown": unknown, "header": header, "ids": ids or ()}
    why = why_read_piecewise(files)
    if why is not None or (len(files) == 1 and not (as_json and out is None) and is_long(files[0])):
        refuse_beside_streams(files, why or "it is long", {"--encoding": encoding})
        if as_json and out is None:
            raise ArgumentError(
                f"--json: {files[0]} is read piece by piece ({why}), and its predictions are too many for one object; "
                "give --out FILE"
            )
        _predict_piecewise(
            fitted, model, files, out, {**options, "probabilities": probabilities}, guard_formulas, as_json
        )
        return
    with live_line() as say:
        say(f"reading {' '.join(files)}")
        rows = read_for_model(fitted, files, labels=False, encoding=encoding, read_limit=read_limit, **options)
    show_notes(rows.notes)
    kept = rows.kept
    if kept is None and missing == "drop":
        kept = np.ones(rows.X.shape[0], dtype=np.bool_)
    columns = {} if rows.frame is None or rows.encoder is None else kept_columns(rows.frame, rows.encoder.ids)
    found = predict_rows(fitted, rows.X, probabilities=probabilities, kept=kept, files=rows.files, ids=columns)
    counts = found.counts()
    failed: FileError | None = None
    if out is not None:
        try:
            with prediction_file(out, guard_formulas) as write:
                write(found)
        except FileError as error:  # the results are shown nevertheless
            failed = error
    if as_json:
        read = {"file": files[0]} if rows.files is None else {"files": rows.files}
        names = {"model": str(model), **read, "n_rows": len(found.predictions), "classes": found.classes}
        counted = {"counts": {str(label): count for label, count in counts.items()}}
        parts = {"row": found.rows, "predictions": found.predictions, "probabilities": found.probabilities}
        shown = {**found.ids, **{name: part for name, part in parts.items() if part is not None}}
        print_json({**names, **counted, **(shown if out is None or failed else {"out": str(out)})})
    elif out is not None and failed is None:
        console = make_console()
        told = f": {balance(counts)}" if counts else ""
        console.print(f"{len(found.predictions):,} predictions are in {out}{told}.", soft_wrap=True)
    else:
        sys.stdout.write(found.to_csv(guard_formulas))
    if failed is not None:
        raise failed


def _predict_piecewise(
    fitted: Any,
    model: Path,
    files: list[str],
    out: Path | None,
    options: dict[str, Any],
    guard_formulas: bool,
    as_json: bool,
) -> None:
    """Predict rows that are not in memory together."""
    from polytome.files.prediction_files import prediction_file, prediction_lines
    from polytome.files.streamed_predictions import predict_streamed

    if out is None:
        predict_streamed(fitted, files, prediction_lines(sys.stdout.write, guard_formulas), noted=show_notes, **options)
        return
    with live_line() as say, prediction_file(out, guard_formulas) as write:
        options |= {"progress": partial(_told, say), "noted": show_notes}
        n_rows, counts = predict_streamed(fitted, files, write, **options)
    if as_json:
        counted = {str(label): count for label, count in counts.items()}
        print_json({"model": str(model), "files": files, "n_rows": n_rows, "counts": counted, "out": str(out)})
    else:
        told = f": {balance(counts)}" if counts else ""
        make_console().print(f"{n_rows:,} predictions are in {out}{told}.", soft_wrap=True)


def _told(say: Callable[[str], None], done: int, n_rows: int) -> None:
    say(f"{done:,} of {n_rows:,} rows")
