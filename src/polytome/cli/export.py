"""`polytome export`: a model for programs that run without Polytome."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from polytome.cli.options import Json, ModelPath
from polytome.cli.output import print_json
from polytome.cli.outputs import check_outputs

__all__ = ["export"]


def export(
    model: ModelPath,
    onnx: Annotated[
        Path | None, typer.Option(metavar="FILE.onnx", show_default=False, help="ONNX; the table's encoder included.")
    ] = None,
    precision: Annotated[str, typer.Option(metavar="float64|float32", help="Of the ONNX input and its arithmetic.")] = (
        "float64"
    ),
    torch: Annotated[
        Path | None,
        typer.Option(metavar="FILE.safetensors", show_default=False, help="State of a torch.nn.Linear; gives scores."),
    ] = None,
    sklearn: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.py", show_default=False, help="A Python program that makes the model in scikit-learn."
        ),
    ] = None,
    c: Annotated[
        Path | None,
        typer.Option("--c", metavar="FILE.h", show_default=False, help="A C99 header without dependencies."),
    ] = None,
    prefix: Annotated[str, typer.Option(metavar="NAME", help="The prefix of all names in the C header.")] = (
        "polytome"
    ),
    sql: Annotated[
        str | None,
        typer.Option(metavar="FILE.sql|-", show_default=False, help="A SQL query; - prints it."),
    ] = None,
    table: Annotated[str, typer.Option(metavar="NAME", help="The table that the query reads.")] = "rows",
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", show_default=False, help="A column of the table that the query also returns."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a model for programs that run without Polytome.

    Several formats may be given at once. ONNX, scikit-learn and SQL are run on
    rows drawn from the model's ranges before the file is written; the largest
    difference from the model's own probabilities is printed.

    \b
    Examples:
      polytome export iris.safetensors --onnx iris.onnx --c iris.h
      polytome export people.safetensors --sql - --table people --keep id
    """
    from polytome.errors import ArgumentError
    from polytome.export import to_sql, write_c, write_onnx, write_sklearn, write_sql, write_torch
    from polytome.files.model_file import load

    outputs = {
        "--onnx": (onnx, ".onnx"),
        "--torch": (torch, ".safetensors"),
        "--sklearn": (sklearn, ".py"),
        "--c": (c, ".h"),
        "--sql": (None if sql in (None, "-") else Path(str(sql)), ".sql"),
    }
    if sql is None and not any(path for path, _ in outputs.values()):
        raise typer.BadParameter("name at least one of --onnx, --torch, --sklearn, --c and --sql")
    if precision not in ("float64", "float32"):
        raise ArgumentError(f"precision={precision!r}: choose 'float64' or 'float32'")
    check_outputs([model], outputs)
    fitted = load(model)
    written: list[dict[str, Any]] = []

    def note(form: str, path: object, agreement: Any = None) -> None:
        written.append({"form": form, "path": str(path), "agreement": agreement and agreement.to_json()})
        if not as_json:
            seen = f" Run by {agreement}." if agreement else ""
            print(f"{form} is in {path}.{seen}", file=sys.stderr if sql == "-" else sys.stdout)

    if onnx:
        note("ONNX", onnx, write_onnx(fitted, onnx, precision=precision))  # type: ignore[arg-type]  # checked there
    if torch:
        write_torch(fitted, torch)
        note("PyTorch state", torch)
    if sklearn:
        note("scikit-learn", sklearn, write_sklearn(fitted, sklearn))
    if c:
        write_c(fitted, c, prefix=prefix)
        note("C", c)
    query = to_sql(fitted, table=table, keep=keep or ()) if sql == "-" else None
    if sql and query is None:
        note("SQL", sql, write_sql(fitted, sql, table=table, keep=keep or ()))
    if as_json:
        print_json({"model": str(model), "written": written, **({"sql": query} if query else {})})
    elif query:
        print(query, end="")
