"""`polytome runs`: the trainings that were kept, and what they differ in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polytome.cli.options import Json
from polytome.cli.output import make_console, print_json, show_notes
from polytome.cli.show import show_table

if TYPE_CHECKING:
    from polytome.files.runs import Run
    from polytome.models.logistic import LogisticRegression

__all__ = ["LogTo", "check_log", "keep", "runs"]

_MLFLOW = "mlflow:"
LogTo = Annotated[
    str | None,
    typer.Option(
        "--log-to",
        metavar="DIR|mlflow:URI",
        show_default=False,
        help="Keep the run in a folder of this one: command, settings, digests of the data, metrics and the model "
        "(see: polytome runs); or with a report in MLflow, such as mlflow:http://host:5000.",
    ),
]
_METRICS = {"accuracy": -1, "balanced_accuracy": -1, "f1": -1, "matthews": -1, "auc": -1, "average_precision": -1}
_METRICS |= {"log_loss": 1, "brier_score": 1, "calibration_error": 1}
"""Those of an evaluation, and whether less (1) or more (-1) is better."""
_SHOWN = ("accuracy", "auc", "log_loss")


def check_log(place: str) -> None:
    """Check before long work that a run can be kept.

    Raises:
        FileError: it cannot.
    """
    from polytome.files.runs import check_run_folder

    if place.startswith(_MLFLOW):
        from polytome.export.mlflow_flavour import check_tracking

        check_tracking(place.removeprefix(_MLFLOW))
    else:
        check_run_folder(place)


def keep(
    place: str, facts: Mapping[str, Any], model: LogisticRegression, write_report: Callable[[Path], object]
) -> None:
    """Keep a run in a folder or in MLflow.

    Raises:
        FileError: it cannot be kept.
    """
    from polytome.files.runs import keep_run

    if place.startswith(_MLFLOW):
        from polytome.export.mlflow_flavour import log_run

        log_run(place.removeprefix(_MLFLOW), facts, model, write_report)
    else:
        keep_run(place, facts, model.save)


def runs(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder that runs were kept in.", show_default=False)
    ],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="RUN...", help="Compare these in detail.", show_default=False)
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option("--sort", metavar="METRIC", show_default=False, help="The best first, by a metric."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the runs that polytome train --log-to kept, or compare some of them.

    Metrics can be compared where runs were judged by the same rows: these have the
    same letter.

    \b
    Examples:
      polytome train churn.csv --target left --test-fraction 0.2 --log-to runs
      polytome runs runs --sort log_loss
      polytome runs runs 20261130T183216Z 20261130T184001Z
    """
    from polytome.errors import ArgumentError
    from polytome.files.runs import differences, read_runs

    if sort is not None and sort not in _METRICS:
        raise ArgumentError(f"--sort {sort}: is not one of the metrics {', '.join(_METRICS)}")
    found = read_runs(folder, names or ())
    unread = [run.name for run in found if run.facts is None]
    found = [run for run in found if run.facts is not None]
    show_notes([f"{', '.join(unread)}: cannot be read and left out"] if unread else [])
    if sort is not None:
        found.sort(key=lambda run: _rank(run, sort))
    letters = _letters(found)
    if as_json:
        told = [{"name": run.name, "rows": letters[run.name], **(run.facts or {})} for run in found]
        print_json({"folder": str(folder), "runs": told, "differences": dict(differences(found)) if names else None})
        return
    console = make_console()
    if names:
        heads = ("", *(run.name for run in found))
        settings = [(title, *map(_cell, values)) for title, values in differences(found)]
        show_table(console, "What the runs differ in", heads, settings or [("nothing", *("" for _ in found))])
        metrics = [
            (name.replace("_", " "), *(_cell(run.value("metrics", name)) for run in found))
            for name in _METRICS
            if any(run.value("metrics", name) is not None for run in found)
        ]
        metrics += [("rows they were judged by", *(letters[run.name] for run in found))]
        metrics += [("certificate holds", *(_holds(run) for run in found))]
        metrics += [("seconds", *(_cell(run.value("seconds")) for run in found))]
        show_table(console, "What came of them", heads, metrics)
        for run in found:
            console.print(f"{run.name}: {run.value('command')}", soft_wrap=True)
        return
    shown = dict.fromkeys([*_SHOWN, *([sort] if sort else [])])
    heads = ("run", "data", "C", "rows", *(name.replace("_", " ") for name in shown), "proved")
    lines = [
        (
            run.name,
            Path(str(run.value("data", "name"))).name,
            _cell(run.value("settings", "C")),
            letters[run.name],
            *(_cell(run.value("metrics", name)) for name in shown),
            _holds(run),
        )
        for run in found
    ]
    show_table(console, f"{len(found):,} {'run' if len(found) == 1 else 'runs'} in {folder}", heads, lines, whole="run")
    if len(set(letters.values())) > 1:
        console.print("\nMetrics of different letters are of different rows.")


def _rank(run: Run, sort: str) -> tuple[bool, float]:
    """The best first, those without the metric last."""
    value = run.value("metrics", sort)
    return (True, 0.0) if not isinstance(value, int | float) else (False, _METRICS[sort] * value)


def _letters(found: list[Run]) -> dict[str, str]:
    """For each run a letter of the rows that it was judged by, in the order in which they came; of
    training rows it says so."""
    seen: dict[Any, str] = {}
    for run in sorted(found, key=lambda run: run.name):
        judged = run.value("judged_sha256")
        seen.setdefault(judged, _letter(len(seen)) + (" (training)" if judged == run.value("data_sha256") else ""))
    return {run.name: seen[run.value("judged_sha256")] for run in found}


def _letter(number: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    return (_letter(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


def _holds(run: Run) -> str:
    return "yes" if run.value("certificate", "holds") else "no"


def _cell(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.5g}"
    text = value if isinstance(value, str) else f"{value:,}" if type(value) is int else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
