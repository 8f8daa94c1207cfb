"""`polytome compare`: two models on the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polytome.cli.evaluate import read_labelled
from polytome.cli.options import (
    DataFolder,
    Header,
    Json,
    Missing,
    ReadLimit,
    SourceName,
    Split,
    Target,
    Unknown,
)
from polytome.cli.output import live_line, make_console, print_json, printable
from polytome.cli.show import show_facts, show_table
from polytome.cli.text_options import Encoding

if TYPE_CHECKING:
    from polytome.evaluation.comparison import Comparison
    from polytome.files.sources import Source

__all__ = ["compare"]

_MOST_SHOWN = 5


def compare(
    first: Annotated[Path, typer.Argument(metavar="FIRST", show_default=False, help="A model (.safetensors).")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", show_default=False, help="Another one.")],
    source: SourceName,
    split: Split = None,
    data: DataFolder = None,
    target: Target = None,
    missing: Missing = None,
    unknown: Unknown = None,
    header: Header = "auto",
    read_limit: ReadLimit = None,
    encoding: Encoding = None,
    seed: Annotated[int, typer.Option(metavar="NUMBER", min=0, max=2**32 - 1, help="Of the bootstrap samples.")] = 0,
    as_json: Json = False,
) -> None:
    """Compare two models on the same rows: is one better, or is it chance?

    Each model reads the file by its own columns; both need the same classes, and
    rows that neither was trained on. Differences are those of the second model less
    the first, with 95 % intervals from bootstrap samples of the rows; where an
    interval holds 0, these rows do not tell which model is better. McNemar's exact
    test looks at the rows that one model alone predicts correctly. Each row counts
    once, whatever its weight in training.

    \b
    Examples:
      polytome compare old.safetensors new.safetensors june.csv
      polytome compare small.safetensors large.safetensors test.csv --json
    """
    from polytome.evaluation.comparison import Opinion, compare_opinions
    from polytome.files.sources import open_model

    models = [open_model(first), open_model(second)]
    options = (split, data, target, missing, unknown, header, read_limit)
    rows = [read_labelled(model, source, *options, encoding=encoding) for model in models]
    parts, numbers = _common(rows)
    opinions = [
        Opinion.of(model, each.X[part], _labels(each)[part])
        for model, each, part in zip(models, rows, parts, strict=True)
    ]
    with live_line() as say:
        say("drawing bootstrap samples")
        found = compare_opinions(*opinions, seed=seed)
    if as_json:
        names = {"first": str(first), "second": str(second), "source": source, "split": split, "seed": seed}
        ones = {
            name: numbers[found.rows_of_one(is_second)].tolist()
            for name, is_second in (("first_right_rows", False), ("second_right_rows", True))
        }
        print_json({**names, **found.to_json(), **ones})
        return
    _show(first, second, source, found, numbers)


def _labels(rows: Source) -> Any:
    assert rows.y is not None  # `read_labelled` has refused a source without labels
    return rows.y


def _common(rows: list[Source]) -> tuple[list[Any], Any]:
    """Of both ways of reading a file the places of the rows that both have, and their numbers in
    the file, counted from 1."""
    import numpy as np

    from polytome.errors import DataError

    read = [np.arange(len(_labels(each))) if each.kept is None else np.flatnonzero(each.kept) for each in rows]
    sizes = {len(each.kept) if each.kept is not None else len(_labels(each)) for each in rows}
    if len(sizes) > 1:
        raise DataError(f"{rows[0].name}: the models read {min(sizes):,} and {max(sizes):,} rows of it")
    both = np.intersect1d(read[0], read[1])
    if not len(both):
        raise DataError(f"{rows[0].name}: no row is complete for both models")
    return [np.searchsorted(each, both) for each in read], both + 1


def _show(first: Path, second: Path, source: str, found: Comparison, numbers: Any) -> None:
    console = make_console()
    show_facts(
        console,
        {"First": str(first), "Second": str(second), "Data": f"{source}: {found.n_rows:,} rows that both judge"},
    )
    lines = [
        (each.name, f"{each.first:.4f}", f"{each.second:.4f}", f"{each.difference:+.4f}", _ends(each.low, each.high))
        for each in found.differences
    ]
    heads = ("", "first", "second", "difference", "95 % interval")
    show_table(console, f"Second less first, with {found.n_samples:,} bootstrap samples", heads, lines)
    counts = [
        ("right", f"{found.n_both_right:,}", f"{found.n_first_right:,}"),
        ("wrong", f"{found.n_second_right:,}", f"{found.n_both_wrong:,}"),
    ]
    show_table(console, "Rows by who is right", ("first", "second right", "second wrong"), counts)
    console.print(
        f"\nBoth put {found.agreement:.1%} of the rows into the same class. McNemar's exact test that both are right "
        f"equally often: p = {found.p_value:.3g}."
    )
    for is_second, who in ((False, "first"), (True, "second")):
        _show_rows(console, found, numbers, is_second, who)


def _show_rows(console: Any, found: Comparison, numbers: Any, is_second: bool, who: str) -> None:
    """Some of the rows that one model alone predicts correctly."""
    import numpy as np

    chosen = found.rows_of_one(is_second)
    if not len(chosen):
        console.print(f"\nNo row is right by the {who} model alone.")
        return
    places = np.searchsorted(found.rows, chosen[:_MOST_SHOWN])
    labels = [printable(label) for label in found.classes.tolist()]
    rows = [
        (int(numbers[found.rows[at]]), labels[found.codes[at]], labels[found.first[at]], labels[found.second[at]])
        for at in places.tolist()
    ]
    more = f", {_MOST_SHOWN} of {len(chosen):,}" if len(chosen) > _MOST_SHOWN else ""
    show_table(console, f"Right by the {who} model alone{more}", ("row", "true", "first", "second"), rows)


def _ends(low: float, high: float) -> str:
    return f"{low:+.4f} to {high:+.4f}"
