"""How the seconds of a fit grow: with rows, columns and classes, beside scikit-learn's Newton
solver; with threads."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.datasets import gaussian, prepared, restore, store
from benchmarks.ladder import Ladder, Options, climb, first_within, race, threads_to_try
from benchmarks.measure import merged, run
from benchmarks.methods import OURS, Method
from benchmarks.references import reference, tightest
from benchmarks.shapes import SHAPES, Shape

TARGET = 1e-4
AXES = {
    "rows": [(n, 30, 2) for n in (1_000, 10_000, 100_000, 1_000_000)],
    "columns": [(10_000, d, 2) for d in (10, 100, 1_000)],
    "classes": [(10_000, 50, k) for k in (2, 10, 100)],
}
_MOST_COEFFICIENTS_FOR_CHOLESKY = 200
_LIMIT = 20.0


def measure_scaling(data: Path | None, work: Path, limit: float) -> dict[str, Any]:
    """Seconds to 1e-4 of the minimum for each size, and on MNIST for each number of threads."""
    axes = {}
    for axis, sizes in AXES.items():
        print(axis, flush=True)
        axes[axis] = [_at_size(size, work, min(limit, _LIMIT)) for size in sizes]
    print("threads", flush=True)
    return {"axes": axes, "threads": _threads(data, work, limit)}


def _at_size(size: tuple[int, int, int], work: Path, limit: float) -> dict[str, Any]:
    problem = gaussian(*size)
    folder = work / problem.name
    if not folder.exists():
        store(problem, folder)
    few = (size[1] + 1) * (1 if size[2] == 2 else size[2]) <= _MOST_COEFFICIENTS_FOR_CHOLESKY
    peer = Method("scikit-learn", "newton-cholesky" if few else "newton-cg")
    shape = Shape(problem.name, problem.name, "overlapping clouds", (TARGET,), (peer,))
    options = Options(limit, 1, threads_to_try(problem.input_bytes))
    ladders = race(shape, folder, tightest(problem), [peer], options)
    return {"size": size, "seconds": {ladder[0]["label"].split()[0]: _seconds(ladder) for ladder in ladders}}


def _seconds(ladder: Ladder) -> float | None:
    row = first_within(ladder, TARGET)
    return None if row is None else float(row["seconds"])


def _threads(data: Path | None, work: Path, limit: float) -> dict[str, float]:
    """Median seconds of a fit of MNIST to 1e-6 with each number of threads, in turns."""
    folder, shape = prepared("mnist", data, work), SHAPES["mnist"]
    ladder = climb(folder, Method(OURS), shape.targets, reference("mnist", restore(folder)), limit)
    row = first_within(ladder, shape.targets[-1]) or ladder[-1]
    counts = sorted({1, 2, len(os.sched_getaffinity(0))})
    methods = [replace(Method(**row["method"]), threads=count) for count in counts]
    runs = [[run(folder, method, limit) for method in methods] for _ in range(3)]
    return {
        str(count): merged(list(mine))["seconds"] for count, mine in zip(counts, zip(*runs, strict=True), strict=True)
    }
