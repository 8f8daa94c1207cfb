"""`polytome card`: a model card, in Markdown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

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

__all__ = ["card"]


def card(
    model: ModelPath,
    sources: JudgedSources = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="CARD.md", show_default=False, help="Write the card to this file instead of stdout."),
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
    """Write a model card: data, objective, certificate, metrics and limits.

    The card is Markdown that begins with the YAML that model hubs read. It says
    only what is known: without SOURCE it has no metrics.

    \b
    Examples:
      polytome card people.safetensors more-people.csv --out CARD.md
      polytome card iris.safetensors
    """
    from polytome.files.atomic_files import atomic_output
    from polytome.files.sources import open_model
    from polytome.files.streamed import named
    from polytome.report.card import model_card
    from polytome.report.contents import judge_any

    check_outputs([model, *(sources or ()), target], {"--out": (out, ".md")})
    fitted, source = open_model(model), named(sources) if sources else None
    judged = None
    if sources:
        options = (split, data, target, missing, unknown, header, read_limit)
        rows, name = rows_for_model(fitted, sources, *options, weights=not unweighted, encoding=encoding, draws=True)
        judged = judge_any(fitted, rows.X, rows.y, name=name, sample_weight=rows.weight)
    text = model_card(fitted, judged, name=model.stem)
    if out is not None:
        with atomic_output(out) as stream:
            stream.write(text.encode())
    if as_json:
        names = {"model": str(model), "source": source, "split": split}
        print_json({**names, **({"card": text} if out is None else {"out": str(out)})})
    elif out is None:
        sys.stdout.write(text)
    else:
        make_console().print(f"The card is in {out}.", soft_wrap=True)
