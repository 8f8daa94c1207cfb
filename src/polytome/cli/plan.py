"""`polytome plan`: what a fit will cost, before it is made."""

from __future__ import annotations

import time
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polytome.cli.beside_streams import check_solver_beside_streams, refuse_beside_streams, why_read
from polytome.cli.fit_words import solver_words
from polytome.cli.option_groups import FitOptions, PenaltyOptions, TableOptions, Without
from polytome.cli.options import DataFolder, Json, MemoryLimit, Target
from polytome.cli.output import live_line, make_console, print_json, show_notes
from polytome.cli.show import show_facts
from polytome.cli.term_options import TermOptions

if TYPE_CHECKING:
    from polytome.models.cost import FitCost, Workers
    from polytome.models.logistic import LogisticRegression
    from polytome.rows.devices import OnDevice

__all__ = ["plan"]

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SOURCE...",
        show_default=False,
        help="The name of a data set, or a path, or several files of one kind; without one --rows and --columns say "
        "what there is.",
    ),
]
WorkerCount = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, show_default=False, help="Machines like this one share the rows."),
]
DeviceName = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="DEVICE",
        show_default=False,
        help="The rows are a torch tensor on cpu, cuda or mps: they are moved there, and timed.",
    ),
]
Bandwidth = Annotated[
    str, typer.Option(metavar="SIZE/s", help="What the network carries between them and the one that adds up.")
]
Rows = Annotated[float | None, typer.Option(metavar="N", show_default=False, help="On paper: how many rows.")]
ColumnCount = Annotated[
    float | None, typer.Option("--columns", metavar="N", show_default=False, help="On paper: columns, encoded.")
]
Entries = Annotated[
    float | None,
    typer.Option(metavar="N", show_default=False, help="On paper: entries of a sparse row (default: all columns)."),
]
Classes = Annotated[int | None, typer.Option(metavar="K", show_default=False, help="On paper: classes (default: 2).")]
DiskSize = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        show_default=False,
        help="On paper: of the rows on disk (default: 4 bytes an entry, 8 in sparse rows).",
    ),
]
Disk = Annotated[
    str | None,
    typer.Option(metavar="SIZE/s", show_default=False, help="On paper: what a disk reads (default: 1GB/s)."),
]


def plan(
    sources: Sources = None,
    *,
    target: Target = None,
    workers: WorkerCount = None,
    device: DeviceName = None,
    bandwidth: Bandwidth = "1GB/s",
    memory: MemoryLimit = None,
    rows: Rows = None,
    columns: ColumnCount = None,
    entries: Entries = None,
    classes: Classes = None,
    size: DiskSize = None,
    disk: Disk = None,
    penalty: PenaltyOptions,
    fit: Annotated[FitOptions, Without(["label_smoothing", "offset"])],
    table: Annotated[TableOptions, Without(["unknown", "reference"])],
    terms: TermOptions,
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """Say what a fit will cost, in passes, seconds and memory, before it is made.

    The rows are read, and some of them fitted, which takes some tenths of a
    second; the number of passes over all of them is an estimate with a range. On
    paper, with --rows and --columns, nothing is read: made-up rows of this shape
    are timed.

    \b
    Examples:
      polytome plan people.csv --target income
      polytome plan 'logs/*.parquet' --target clicked --memory 2GB
      polytome plan big.parquet --target y --workers 8 --bandwidth 1GB/s
      polytome plan mnist --device cuda
      polytome plan --rows 4.3e9 --columns 1e6 --entries 39 --size 1TB
    """
    from polytome.errors import ArgumentError
    from polytome.files.streamed import named
    from polytome.models.cost import Workers, cost_on_paper
    from polytome.models.logistic import LogisticRegression
    from polytome.tables.streams.memory import bytes_of

    if device is not None:
        _check_device(device, {"--workers": workers, "--memory": memory}, sources)
    settings = {**penalty.settings(), **fit.settings()}
    model = LogisticRegression(**settings)
    machines = None if workers is None else Workers(workers, _rate(bandwidth, "bandwidth"))
    source = named(sources) if sources else None
    seconds: float | None = None
    there: OnDevice | None = None
    if sources:
        for name, value in {"rows": rows, "columns": columns, "entries": entries, "classes": classes}.items():
            _refuse_beside_source(name, value)
        _refuse_beside_source("size", size)
        _refuse_beside_source("disk", disk)
        reading = {"target": target, "weight": fit.weight, **table.reading(settings), "terms": terms.made()}
        how = (reading, table, machines, device)
        cost, seconds, there = _of_source(model, sources, penalty.scale, data, memory, *how)
    elif rows is None or columns is None:
        raise ArgumentError("nothing to plan for: give a SOURCE, or --rows and --columns for a plan on paper")
    else:
        _refuse_on_paper({"target": target, "weight": fit.weight, "data": data})
        _refuse_on_paper(_given(table, TableOptions()) | _given(terms, TermOptions()))
        cost = cost_on_paper(
            model,
            n_rows=rows,
            n_features=columns,
            n_entries=entries,
            n_classes=2 if classes is None else classes,
            n_bytes=bytes_of(size, "size"),
            disk=_rate("1GB/s" if disk is None else disk, "disk"),
            memory=bytes_of(memory),
            workers=machines,
        )
    if as_json:
        print_json({"source": source, "opening_seconds": seconds, **_as_json(cost), "device": _device_as_json(there)})
        return
    show_facts(make_console(), _facts(source or "on paper", cost, seconds, there))


def _rate(text: str, name: str) -> float:
    """Bytes in a second, from a text such as 1GB/s."""
    from polytome.tables.streams.memory import bytes_of

    found = bytes_of(text.removesuffix("/s"), name)
    assert found is not None
    return float(found)


def _refuse_beside_source(name: str, value: object) -> None:
    from polytome.errors import ArgumentError

    if value is not None:
        raise ArgumentError(
            f"{name}={value}: says what rows on paper are, and a SOURCE has rows; leave one of them out"
        )


def _given(options: TableOptions | TermOptions, usual: TableOptions | TermOptions) -> dict[str, object]:
    """The options of a group by name; None where it is as usual."""
    given = {field.name: getattr(options, field.name) for field in fields(options)}
    return {name: None if value == getattr(usual, name) else value for name, value in given.items()}


def _refuse_on_paper(options: dict[str, object]) -> None:
    """Refuse what would be said of the columns of a table, where there is none."""
    from polytome.errors import ArgumentError

    for name, value in options.items():
        if value is not None:
            option = "--id" if name == "ids" else f"--{name.replace('_', '-')}"
            raise ArgumentError(
                f"{option}: is of a SOURCE, and rows on paper have no named columns; leave it out, or give a SOURCE"
            )


def _check_device(device: str, others: dict[str, object], sources: list[str] | None) -> None:
    """Refuse, before any reading, a device that is not there, and what a plan for one does not
    know."""
    from polytome.errors import ArgumentError
    from polytome.rows.devices import check_device

    for name, value in others.items():
        if value is not None:
            raise ArgumentError(f"{name}: a plan for a device is of one machine that holds all rows; leave one out")
    if not sources:
        raise ArgumentError("--device: rows are moved there to be timed, and on paper there are none; give a SOURCE")
    check_device(device)


def _of_source(
    model: LogisticRegression,
    sources: list[str],
    scale: str | None,
    data: Path | None,
    memory: str | None,
    options: dict[str, Any],
    table: TableOptions,
    machines: Workers | None,
    device: str | None,
) -> tuple[FitCost, float, OnDevice | None]:
    """The cost of a fit to a source, the seconds that it took to open it, and its rows on a
    device."""
    from polytome.files.sources import open_source
    from polytome.models.bounds import check_named_bounds
    from polytome.models.cost import cost_of_fit
    from polytome.models.penalty_weights import check_named_weights, numbered_weights
    from polytome.rows.devices import moved_to
    from polytome.tables.streams.opening import open_rows

    began = time.perf_counter()
    if (why := why_read(sources, memory)) is None:
        with live_line() as say:
            say(f"reading {sources[0]}")
            found = open_source(sources[0], data_dir=data, **options, **table.whole())
        show_notes(found.notes)
        if scale is None:
            model.set_params(scale=found.scale)
        seconds = time.perf_counter() - began
        check_named_weights(model.penalty_weights, found.encoder)
        check_named_bounds(model.bounds, found.encoder)
        there = None if device is None else moved_to(found.X, device)
        with numbered_weights(model, found.encoder):
            X = found.X if there is None else there.X
            return cost_of_fit(model, X, found.y, found.weight, workers=machines), seconds, there
    check_solver_beside_streams(sources, why, str(model.solver))
    refuse_beside_streams(sources, why, {"--data": data, "--device": device, **table.refused_piecewise()})
    with live_line() as say:
        say(f"reading {sources[0]}")
        streamed = open_rows(
            sources, memory=memory, progress=lambda done, n_rows: say(f"reading {done:,} of {n_rows:,} rows"), **options
        )
    show_notes(streamed.notes)
    seconds = time.perf_counter() - began
    check_named_weights(model.penalty_weights, streamed.encoder)
    check_named_bounds(model.bounds, streamed.encoder)
    with numbered_weights(model, streamed.encoder):
        return cost_of_fit(model, streamed, workers=machines), seconds, None


def _facts(name: str, cost: FitCost, opening: float | None, there: OnDevice | None) -> dict[str, str]:
    """What is shown of a cost."""
    sparse = cost.n_entries < cost.n_rows * cost.n_features
    entries = f" ({cost.n_entries / cost.n_rows:,.3g} entries a row)" if sparse else ""
    where = "read in each pass" if cost.is_read else "in memory"
    facts = {
        "Data": f"{name}: {cost.n_rows:,} rows, {cost.n_features:,} columns{entries}, {cost.n_classes} classes; "
        f"{_bytes(cost.n_bytes)} {where}",
    }
    if opening is not None:
        facts["Opening"] = f"{_seconds(opening)}, to read the rows once and encode them"
    if there is not None:
        free = "" if there.free_bytes is None else f" of {_bytes(there.free_bytes)} that are free"
        facts["Device"] = (
            f"{there.name}: the rows take {_bytes(there.n_bytes)}{free} as {there.dtype}, and moving them "
            f"{_seconds(there.seconds)}; passes are timed there"
        )
    if cost.choice is not None:
        facts["Solver"] = solver_words(cost.choice)
    low, expected, high = cost.passes
    facts["Passes"] = (
        f"{expected:,.0f} (from {cost.known_from})"
        if low == high
        else f"about {expected:,.0f}, estimated from {cost.known_from}; between {low:,.0f} and {high:,.0f}"
    )
    reading = "" if cost.reading_seconds is None else f"; reading all rows once takes {_seconds(cost.reading_seconds)}"
    alone = ""
    if cost.gradient_seconds is not None:
        alone = f" on average, {_seconds(cost.gradient_seconds)} for value and gradient alone"
    facts["A pass"] = f"{_seconds(cost.pass_seconds)}{alone}{reading}"
    left = "" if cost.memory_left is None else f"; {_bytes(cost.memory_left)} are left"
    facts["Memory"] = f"{_bytes(cost.memory)} at its peak{'' if cost.is_read else ', beside the rows'}{left}"
    facts["In all"] = f"{_span(cost.seconds)}, of which {_seconds(cost.own_seconds)} are no passes"
    if (shared := cost.shared) is not None:
        count = f"{shared.workers.count:,} workers"
        facts["Shared"] = (
            f"{count}: a pass {_seconds(shared.pass_seconds)}, of which sending {_bytes(shared.bytes_sent)} at "
            f"{_bytes(shared.workers.bandwidth)}/s takes {_seconds(shared.send_seconds)} and adding up "
            f"{_seconds(shared.add_seconds)}; in all {_span(shared.seconds)}; {_bytes(shared.memory)} of memory each, "
            "beside the rows"
        )
    facts["Bottleneck"] = cost.bottleneck
    return facts


def _span(seconds: tuple[float, float, float]) -> str:
    low, expected, high = seconds
    about = f"about {_seconds(expected)}"
    return about if low == high else f"{about} ({_seconds(low)} to {_seconds(high)})"


def _seconds(seconds: float) -> str:
    """Seconds in the unit that suits.

    Example:
        >>> _seconds(0.0123), _seconds(12.34), _seconds(7_000)
        ('12 ms', '12 s', '1.9 h')
    """
    for least, unit, name in ((2 * 86_400, 86_400, "days"), (3_600, 3_600, "h"), (100, 60, "min"), (1, 1, "s")):
        if seconds >= least:
            return f"{_rounded(seconds / unit)} {name}"
    return f"{_rounded(1e3 * seconds)} ms"


def _rounded(number: float) -> str:
    """Two digits, and all of those before the point."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _bytes(size: float) -> str:
    """Bytes in the unit that suits."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{_rounded(size / unit)} {name}"
    return f"{_rounded(size / 1e3)} kB"


def _device_as_json(there: OnDevice | None) -> dict[str, Any] | None:
    """What is known of rows on a device, without the rows."""
    names = ("name", "n_bytes", "free_bytes", "seconds", "dtype")
    return None if there is None else {name: getattr(there, name) for name in names}


def _as_json(cost: FitCost) -> dict[str, Any]:
    """All of a cost as JSON can hold it."""
    solver = None if cost.choice is None else {"name": repr(cost.choice.solver), "reason": cost.choice.reason}
    return {**asdict(replace(cost, choice=None)), "choice": None, "solver": solver}
