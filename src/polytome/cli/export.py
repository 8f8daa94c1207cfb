"""`polytome export`: a model for programs that run without Polytome."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polytome.cli.options import Json, ModelPath
from polytome.cli.output import print_json
from polytome.cli.outputs import check_outputs

if TYPE_CHECKING:
    from polytome.export.agreement import Agreement

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

    Several formats may be given at once: all files are written, or none. ONNX,
    scikit-learn and SQL are run on rows drawn from the model's ranges before; the
    largest difference from the model's own probabilities is printed.

    \b
    Examples:
      polytome export iris.safetensors --onnx iris.onnx --c iris.h
      polytome export people.safetensors --sql - --table people --keep id
    """
    from polytome.errors import ArgumentError, PolytomeError
    from polytome.export import to_sql, write_c, write_onnx, write_sklearn, write_sql, write_torch
    from polytome.files.atomic_files import atomic_group
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
    made: list[tuple[str, Path, Agreement | None]] = []
    query = None
    try:
        with atomic_group():
            if onnx:
                made.append(("ONNX", onnx, write_onnx(fitted, onnx, precision=precision)))  # type: ignore[arg-type]
            if torch:
                write_torch(fitted, torch)
                made.append(("PyTorch state", torch, None))
            if sklearn:
                made.append(("scikit-learn", sklearn, write_sklearn(fitted, sklearn)))
            if c:
                write_c(fitted, c, prefix=prefix)
                made.append(("C", c, None))
            if sql == "-":
                query = to_sql(fitted, table=table, keep=keep or ())
            elif sql:
                made.append(("SQL", Path(sql), write_sql(fitted, sql, table=table, keep=keep or ())))
    except PolytomeError as error:
        if made:
            raise type(error)(f"{error}; nor were the other files written") from error
        raise
    if as_json:
        written = [{"form": form, "path": str(path), "agreement": seen and seen.to_json()} for form, path, seen in made]
        print_json({"model": str(model), "written": written, **({"sql": query} if query else {})})
        return
    for form, path, seen in made:
        run_by = f" Run by {seen}." if seen else ""
        print(f"{form} is in {path}.{run_by}", file=sys.stderr if query else sys.stdout)
    if query:
        print(query, end="")
