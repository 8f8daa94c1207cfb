"""`python -m benchmarks table`, `python -m benchmarks mnist` and `multiclass`: run them on a quiet machine."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.datasets import NAMES, Problem, make, store
from benchmarks.measure import Row, fastest, interleaved, merged, run
from benchmarks.methods import REDUCTIONS, Method, defaults, ladders, reduced_ladders
from benchmarks.report import PATIENCE, TARGETS, Results, excess, first_within, read_results, write_results

TIGHT = 1e-9
SECONDS_FOR_BOUND = 60.0


def main() -> None:
    args = _arguments()
    results = read_results(args.out)
    for name in _names(args):
        print(name, flush=True)
        with _stored(name, args.data, args.rows) as (problem, folder):
            reduction = REDUCTIONS[name] if args.part == "multiclass" else None
            bound = _lower_bound(results, name, reduction, folder)
            if args.part == "table":
                rows = interleaved(folder, defaults(problem), args.limit, args.repeats, PATIENCE)
                results["table"][name] = {"data": _facts(problem), "rows": rows}
                results["table"] = {known: results["table"][known] for known in NAMES if known in results["table"]}
            elif args.part == "mnist":
                results["mnist"] = {"ladders": _climb(folder, ladders(), bound, args)}
            else:
                climbed = {"data": _facts(problem), "ladders": _climb(folder, reduced_ladders(name), bound, args)}
                results.setdefault("multiclass", {})[name] = {"reduction": reduction, "bound": bound, **climbed}
        write_results(results, args.out)


def _names(args: argparse.Namespace) -> list[str]:
    """The data sets of a part, those asked for alone if any are."""
    names = {"table": list(NAMES), "mnist": ["mnist"], "multiclass": list(REDUCTIONS)}[args.part]
    return [name for name in names if name in args.only] if args.only else names


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("part", choices=("table", "mnist", "multiclass"))
    parser.add_argument(
        "--only", action="append", choices=NAMES, metavar="NAME", help="one data set of the part; repeatable"
    )
    parser.add_argument("--data", type=Path, default=os.environ.get("POLYTOME_DATA"), help="folder of the real data")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each method, of which the median is shown")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds after which a fit is ended")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs", help="folder of benchmarks.md")
    parser.add_argument("--rows", type=int, help="rows drawn at random, to try it quickly; goes with another --out")
    args = parser.parse_args()
    if args.rows is not None and args.out == parser.get_default("out"):
        parser.error("--rows makes results that are not those of the page: give --out DIR")
    args.data = None if args.data is None else Path(args.data)
    return args


@contextmanager
def _stored(name: str, data: Path | None, n_rows: int | None) -> Iterator[tuple[Problem, Path]]:
    """The problem, or some of its rows, and a folder that holds it while it is being measured."""
    with tempfile.TemporaryDirectory() as folder:
        problem = make(name, data)
        if n_rows is not None:
            problem = problem.sample(n_rows)
        store(problem, Path(folder, name))
        yield problem, Path(folder, name)


def _lower_bound(results: Results, name: str, reduction: str | None, folder: Path) -> float | None:
    """A lower bound of the minimum from a tight fit of ours, made once: what every objective is compared with."""
    bounds, key = results["lower_bounds"], f"{name} {reduction}" if reduction else name
    if key not in bounds:
        row = run(folder, Method("polytome", {"tol": TIGHT}, reduction=reduction), SECONDS_FOR_BOUND, soft=True)
        if row["status"] == "ok" and row["gap"] is not None:
            bounds[key] = row["objective"] - row["gap"]
            print(f"  lower bound {bounds[key]:.10g}, gap {row['gap']:.1e}, {row['seconds']:.1f} s", flush=True)
    bound: float | None = bounds.get(key)
    return bound


def _climb(folder: Path, methods: list[list[Method]], bound: float, args: argparse.Namespace) -> list[list[Row]]:
    """Every method's runs from loose to tight until both targets are met; then repeats of the runs that met them."""
    climbed: list[list[Row]] = []
    for ladder in methods:
        begun: list[Row] = []
        if ladder[0].n_jobs is not None:
            ladder = _rungs_that_count(ladder, climbed[-1], bound)
        elif ladder[0].reduction is not None and ladder[0].library == "scikit-learn":
            ladder, begun = _faster_threads(folder, ladder, args.limit)
        climbed.append(_climb_one(folder, ladder, bound, args.limit, begun))
    counting = [first_within(rows, target, bound) for rows in climbed for target in TARGETS]
    again = {id(row): row for row in counting if row is not None and row["seconds"] <= PATIENCE}.values()
    runs = [[dict(row)] for row in again]
    for _ in range(args.repeats - 1):
        for mine in runs:
            mine.append(run(folder, Method(**mine[0]["method"]), args.limit))
    for row, mine in zip(again, runs, strict=True):
        row.update(merged(mine))
    return climbed


def _rungs_that_count(ladder: list[Method], alone: list[Row], bound: float) -> list[Method]:
    """Where one process met a target, and the last that it tried: several processes make the same coefficients."""
    counting = [first_within(alone, target, bound) for target in TARGETS]
    tolerances = {row["method"]["settings"]["tol"] for row in (*counting, alone[-1]) if row is not None}
    return [method for method in ladder if method.settings["tol"] in tolerances]


def _faster_threads(folder: Path, ladder: list[Method], limit: float) -> tuple[list[Method], list[Row]]:
    """The ladder with one thread of the BLAS or all, whichever is faster on its first rung, and the run of that."""
    chosen, row = fastest(folder, [replace(ladder[0], blas_threads=count) for count in (1, None)], limit)
    return [replace(method, blas_threads=chosen.blas_threads) for method in ladder], [row]


def _climb_one(folder: Path, ladder: list[Method], bound: float, limit: float, begun: list[Row]) -> list[Row]:
    """One method's runs, from loose to tight, until both targets are met or a run does not end well.

    `begun` holds the runs of the first rungs that were made already.
    """
    rows = list(begun)
    for method in ladder[len(begun) :]:
        if rows and (rows[-1]["status"] != "ok" or excess(rows[-1], bound) <= min(TARGETS)):
            break
        rows.append(run(folder, method, limit))
    return rows


def _facts(problem: Problem) -> dict[str, int]:
    n_rows, n_features = problem.X.shape
    return {
        "n_rows": n_rows,
        "n_features": n_features,
        "n_classes": problem.n_classes,
        "input_bytes": problem.input_bytes,
    }


if __name__ == "__main__":
    main()
