"""Races against other libraries, and what bounds Polytome's speed. Run it on a quiet machine; each
part is merged into benchmarks.json and the page is rebuilt.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.datasets import prepared, restore
from benchmarks.ladder import Options, race, threads_to_try
from benchmarks.peers import installed
from benchmarks.predict import measure_predict
from benchmarks.references import reference
from benchmarks.report import read_results, write_results
from benchmarks.roofline import measure_roofline
from benchmarks.scaling import measure_scaling
from benchmarks.serve import measure_serve
from benchmarks.shapes import MODELS, SHAPES, Shape
from benchmarks.startup import measure_startup

RACES = {"ladder": SHAPES, "multiclass": MODELS}
SINGLE: dict[str, Callable[..., dict[str, Any]]] = {
    "predict": measure_predict,
    "roofline": measure_roofline,
    "scaling": measure_scaling,
    "serve": measure_serve,
    "startup": measure_startup,
}


def main() -> None:
    args = _arguments()
    with ExitStack() as stack:
        if args.work is None:
            args.work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if args.part == "references":
            _references(args)
            return
        results = read_results(args.out)
        if args.part in RACES:
            for shape in _chosen(RACES[args.part], args.only):
                print(shape.name, flush=True)
                results["races"][shape.name] = _race(shape, args)
                write_results(results, args.out)
        elif args.part in SINGLE:
            results[args.part] = SINGLE[args.part](args.data, args.work, args.limit)
        write_results(results, args.out)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("part", choices=(*RACES, *SINGLE, "references", "page"))
    parser.add_argument("--only", nargs="+", metavar="NAME", help="shapes of ladder, multiclass or references")
    parser.add_argument("--peers", nargs="+", metavar="LIBRARY", help="libraries to race against; all, if not given")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds after which a fit is ended")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each method, of which the median is shown")
    parser.add_argument("--data", type=Path, default=os.environ.get("POLYTOME_DATA"), help="folder of the real data")
    parser.add_argument("--work", type=Path, help="folder in which prepared data is kept for the next time")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs", help="folder of benchmarks.md")
    args = parser.parse_args()
    args.data = None if args.data is None else Path(args.data)
    return args


def _chosen(shapes: dict[str, Shape], names: list[str] | None) -> list[Shape]:
    unknown = set(names or ()) - set(shapes)
    if unknown:
        raise SystemExit(f"--only {' '.join(sorted(unknown))}: the names are {', '.join(shapes)}")
    return [shape for name, shape in shapes.items() if names is None or name in names]


def _race(shape: Shape, args: argparse.Namespace) -> dict[str, Any]:
    folder = prepared(shape.problem, args.data, args.work)
    problem = restore(folder)
    entry = reference(shape.name, problem, shape.reduction)
    wanted = [peer for peer in shape.peers if args.peers is None or peer.library in args.peers]
    skipped = sorted({peer.library for peer in wanted if not installed(peer.library)})
    peers = [peer for peer in wanted if peer.library not in skipped]
    options = Options(args.limit, args.repeats, threads_to_try(problem.input_bytes))
    n_rows, n_features = problem.X.shape
    return {
        "about": shape.about,
        "targets": shape.targets,
        "reference": {name: entry[name] for name in ("objective", "gap", "proved", "how")},
        "data": {
            "n_rows": n_rows,
            "n_features": n_features,
            "n_classes": problem.n_classes,
            "input_bytes": problem.input_bytes,
        },
        "skipped": skipped,
        "ladders": race(shape, folder, entry, peers, options),
    }


def _references(args: argparse.Namespace) -> None:
    for shape in _chosen(SHAPES | MODELS, args.only):
        problem = restore(prepared(shape.problem, args.data, args.work))
        entry = reference(shape.name, problem, shape.reduction)
        print(f"{shape.name}: {entry['objective']:.13g}, proved to {entry['proved']:.1e} ({entry['how']})", flush=True)


if __name__ == "__main__":
    main()
