"""Whether rows are read piece by piece, and the options that mean nothing then, or mean something
only then."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

__all__ = [
    "check_beside_streams",
    "check_solver_beside_streams",
    "opened_workers",
    "refuse_beside_streams",
    "refuse_in_memory",
    "refuse_report_without_test_rows",
    "why_read",
]


def why_read(sources: list[str], memory: str | None, workers: str | None = None) -> str | None:
    """Why the sources are read piece by piece; None if they are not."""
    from polytome.files.sources import is_dataset
    from polytome.files.streamed import why_streamed

    is_one_dataset = len(sources) == 1 and is_dataset(sources[0])
    return None if is_one_dataset and memory is workers is None else why_streamed(sources, memory, workers)


def opened_workers(workers: str | None) -> AbstractContextManager[Any]:
    """Who makes the passes, as long as the context lasts; None for this process."""
    if workers is None:
        return nullcontext()
    from polytome.rows import dask

    return dask.opened_workers(workers)


def refuse_beside_streams(sources: list[str], why: str, options: dict[str, Any]) -> None:
    """Refuse options that mean nothing for rows that are read piece by piece."""
    from polytome.errors import ArgumentError

    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ArgumentError(
            f"{given[0]}: {sources[0]} is read piece by piece ({why}), where the option cannot be used; leave it out"
        )


def check_solver_beside_streams(sources: list[str], why: str, solver: str) -> None:
    """Refuse, before the first reading, a solver that needs all rows in memory."""
    from polytome.errors import ArgumentError

    if solver == "dual":
        raise ArgumentError(
            f"--solver dual: dual coordinate ascent needs rows in memory, and {sources[0]} is read piece by piece "
            f"({why}); use --solver auto"
        )


def refuse_report_without_test_rows(report: Path | None, test_fraction: float | None) -> None:
    """Refuse a report on all training rows, which it would take into memory."""
    from polytome.errors import ArgumentError

    if report is not None and not test_fraction:
        raise ArgumentError(
            "--report: shows rows that the model was not trained on where rows are read piece by piece; hold some out "
            "with --test-fraction, or give others to polytome report"
        )


def check_beside_streams(cache: Path | None, checkpoint: Path | None, solver: str) -> None:
    """Refuse a folder that copies cannot be kept in, and to keep passes where a solver makes
    none."""
    from polytome.errors import ArgumentError
    from polytome.files.row_cache import check_cache_folder

    if cache is not None:
        check_cache_folder(cache)
    if checkpoint is not None and solver == "sgd":
        raise ArgumentError(
            "--checkpoint: keeps sums over all rows, and --solver sgd makes none; leave one of them out"
        )


def refuse_in_memory(source: str, options: dict[str, Path | None]) -> None:
    """Refuse what is for rows that are read piece by piece."""
    from polytome.errors import ArgumentError

    for name, value in options.items():
        if value is not None:
            raise ArgumentError(
                f"{name}: is for rows that are read piece by piece, and {source} is not: it fits into memory; "
                "leave it out, or allow less with --memory"
            )
