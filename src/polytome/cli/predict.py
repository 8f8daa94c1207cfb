"""`polytome predict`: predictions, as CSV, for a file of rows or for images."""

from __future__ import annotations

import sys
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
            metavar="FILE.csv", show_default=False, help="Write to this file instead of stdout: CSV, or .parquet."
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
    header line must have them in the order of training. The CSV has the column
    prediction and one column probability_CLASS for each class; a model of several
    labels or numbers has one column prediction_NAME for each, and a model without
    probabilities has none. If rows were left out (--missing drop), the column row
    says which ones are there.

    A model of texts in a folder takes folders of text files, and the column file
    gives the name of each.

    A model of images (trained on mnist, fashion-mnist, digits or a folder) takes
    PNG, JPEG, GIF, BMP and WebP files and folders of them. The drawing on each is
    separated from its background, scaled and centred as the training images were;
    the column file gives its name.

    Several files of one kind, and one that does not fit into memory, are read piece
    by piece; their predictions are written as Parquet.

    \b
    Examples:
      polytome predict iris.safetensors new.csv
      polytome predict iris.safetensors new.csv --out predictions.csv
      polytome predict mnist.safetensors images.npy --no-probabilities
      polytome predict mnist.safetensors my_digit.png photo.jpg
    """
    from polytome.errors import ArgumentError, FileError
    from polytome.files.atomic_files import atomic_output
    from polytome.files.predictions import predict_rows
    from polytome.files.sources import open_model, read_for_model
    from polytome.files.streamed import why_read_piecewise

    check_outputs([model, *files], {"--out": (out, ".csv .parquet")})
    fitted = open_model(model)
    if (why := why_read_piecewise(files)) is not None:
        refuse_beside_streams(files, why, {"--encoding": encoding})
        if out is None or out.suffix.lower() != ".parquet":
            raise ArgumentError(
                f"{files[0]}: is read piece by piece ({why}), and its predictions are written as Parquet: give "
                "--out FILE.parquet"
            )
        options = {"probabilities": probabilities, "missing": missing, "unknown": unknown, "header": header}
        _predict_piecewise(fitted, model, files, out, options, as_json)
        return
    with live_line() as say:
        say(f"reading {' '.join(files)}")
        how: dict[str, Any] = {"missing": missing, "unknown": unknown, "header": header, "read_limit": read_limit}
        rows = read_for_model(fitted, files, labels=False, encoding=encoding, **how)
    show_notes(rows.notes)
    found = predict_rows(fitted, rows.X, probabilities=probabilities, kept=rows.kept, files=rows.files)
    counts = found.counts()
    failed: FileError | None = None
    if out is not None:
        content = found.to_parquet() if out.suffix.lower() == ".parquet" else found.to_csv(guard_formulas).encode()
        try:
            with atomic_output(out) as stream:
                stream.write(content)
        except FileError as error:  # the results are shown nevertheless
            failed = error
    if as_json:
        read = {"file": files[0]} if rows.files is None else {"files": rows.files}
        names = {"model": str(model), **read, "n_rows": len(found.predictions), "classes": found.classes}
        counted = {"counts": {str(label): count for label, count in counts.items()}}
        columns = {"row": found.rows, "predictions": found.predictions, "probabilities": found.probabilities}
        shown = {name: column for name, column in columns.items() if column is not None}
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
    fitted: Any, model: Path, files: list[str], out: Path, options: dict[str, Any], as_json: bool
) -> None:
    """Predict rows that do not fit into memory."""
    from polytome.files.streamed import predict_streamed

    with live_line() as say:
        n_rows, counts = predict_streamed(
            fitted, files, out, progress=lambda done, n_rows: say(f"{done:,} of {n_rows:,} rows"), **options
        )
    if as_json:
        counted = {str(label): count for label, count in counts.items()}
        print_json({"model": str(model), "files": files, "n_rows": n_rows, "counts": counted, "out": str(out)})
    else:
        told = f": {balance(counts)}" if counts else ""
        make_console().print(f"{n_rows:,} predictions are in {out}{told}.", soft_wrap=True)
