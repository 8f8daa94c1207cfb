"""The results: kept in benchmarks.json, where later runs are merged in, and shown in benchmarks.md
with its figures."""

from __future__ import annotations

import json
import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import polytome
from benchmarks import tables
from benchmarks.figures import draw_race, draw_scaling
from benchmarks.goals import Results
from benchmarks.ladder import PATIENCE, PATIENCE_WITH_SLOWER
from benchmarks.shapes import MODELS, SHAPES

FIGURES = "images"
_PACKAGES = ("numpy", "scipy", "scikit-learn", "scikit-learn-intelex", "glum", "statsmodels", "torch", "adelie")
_HOW = """\
Made by `python -m benchmarks`. Machine: {machine}. {versions}.

{goals}
A ratio is the time of the fastest peer divided by Polytome's time, to the same distance from the
minimum, side by side in one run. *More than* means that no peer came that close within its time
limit.

## How it is measured

- **The distance** is the true relative suboptimality `(P - P*) / P*`. P is the objective of the
  fitted coefficients, evaluated in float64 by the same code for every library; P* is the minimum,
  found once for each problem, to 1e-12, and kept in `benchmarks/references.json` together with the
  duality gap that proves it. What a library reports about its own accuracy plays no part.
- **A ladder** is a method at smaller and smaller tolerances: ten times smaller until it comes as
  close as required, then half-way between the last tolerance that did not and the first that did.
  The loosest tolerance that did counts.
- **Every run has its own process**, which loads the data, fits six rows so that everything is
  imported, and then starts the clock. A fit of less than a tenth of a second is repeated five times
  there. The runs that may decide (Polytome's, and those of peers at most {slower:.0f} times slower than the
  fastest) are then repeated in turns, and medians are shown; a run of more than {patience:.0f} seconds is not
  repeated.
- **Time limits.** A peer gets {slower:.0f} times as long as the fastest peer before it, but at least five
  seconds. A run that exceeds its limit is ended and shown as such, and a peer whose runs have taken
  longer than that in total is given no smaller tolerance.
- **Format and threads.** Each library is given the format it prefers, in memory, before the clock
  starts; its result is converted to a common form after the clock has stopped. Peers use one thread
  on data below 1 MB, whichever is faster at the first tolerance between 1 and 32 MB, and all
  threads above.
- **Memory** is the peak during the fit beyond what was in use just before it, with the data already
  in memory.
- liblinear also penalises the intercept: the error this causes is part of its distance.
"""
_MODELS = """\
## Many classes by binary models

`OneVsRest` and `OneVsOne` beside scikit-learn's `OneVsRestClassifier` and `OneVsOneClassifier` of
its own `LogisticRegression`, to the same distance from the minimum of the sum of the binary
objectives; scikit-learn with one process and with two (`n_jobs=2`).
"""
_PREDICT = """\
## Prediction

MNIST with the same coefficients, both libraries in turns in one process; medians.
"""
_STARTUP = """\
## Start-up and small data

Medians. Processes include the start of Python (*nothing*: `python -c pass`); fits have default
options.
"""
_SERVE = """\
## Server

`polytome serve` with a model of Iris in its own process. Each loopback connection is kept open and
sends its next single row when it has received its answer. The clients run on the same cores.
"""
_ROOFLINE = """\
## One pass over MNIST

Objective and gradient for ten classes, the best of several runs. Measured in the same run:
{gigabytes:.1f} GB/s from memory and {gigaflops:.0f} billion operations per second in a large matrix product by the
BLAS, in float32 on all threads. The bound is the larger of the time to read X once and the time for
{operations:.2f} billion operations at that rate.
"""
_SCALING = """\
## Scaling

Seconds to 1e-4 on overlapping clouds of points in float32, beside scikit-learn's newton-cholesky
(up to 200 coefficients) or newton-cg; where scikit-learn took more than 20 seconds, its time is
left out.
"""


def machine() -> dict[str, Any]:
    """The processor, the cores and the versions; nothing that names this computer or its
    folders."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "versions": {"Python": platform.python_version(), "polytome": polytome.__version__, **_versions()},
    }


def _versions() -> dict[str, str]:
    """Those of the packages that are installed."""
    found = {}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def read_results(folder: Path) -> Results:
    """What earlier runs left, or an empty beginning."""
    path, here = folder / "benchmarks.json", machine()
    if not path.exists():
        return {"machine": here, "races": {}}
    results: Results = json.loads(path.read_text())
    if results["machine"] != here:
        raise SystemExit(
            "benchmarks.json comes from another machine or other versions: move it away, or give --out DIR"
        )
    return results


def write_results(results: Results, folder: Path) -> None:
    """The data, the page and its figures, whole each time, so that an interrupted series keeps what
    it has."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "benchmarks.json").write_text(json.dumps(results, indent=1) + "\n")
    for name, race in results["races"].items():
        draw_race(race, folder / FIGURES / figure_of(name))
    for axis, points in results.get("scaling", {}).get("axes", {}).items():
        draw_scaling(points, axis, folder / FIGURES / figure_of(f"scaling {axis}"))
    (folder / "benchmarks.md").write_text(page(results))


def figure_of(name: str) -> str:
    """The file of a figure."""
    return f"benchmark-{name.replace(' ', '-')}.svg"


def page(results: Results) -> str:
    """The page as Markdown."""
    facts = results["machine"]
    parts = [
        "# Benchmarks\n",
        _HOW.format(
            machine=f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB",
            versions=", ".join(f"{name} {number}" for name, number in facts["versions"].items()),
            goals=tables.goals_table(results),
            slower=PATIENCE_WITH_SLOWER,
            patience=PATIENCE,
        ),
    ]
    for heading, shapes in (("## Races\n", SHAPES), (_MODELS, MODELS)):
        races = {name: results["races"][name] for name in shapes if name in results["races"]}
        if races:
            parts += [heading, tables.fastest_table(races), *(_race(name, race) for name, race in races.items())]
    return "\n".join([*parts, *_others(results)])


def _race(name: str, race: dict[str, Any]) -> str:
    data, lowest = race["data"], race["reference"]
    sizes = (
        f"{data['n_rows']:,} × {data['n_features']:,}, {data['n_classes']} classes, {data['input_bytes'] / 1e6:.3g} MB"
    )
    lines = [
        f"### {name}\n",
        f"{race['about'][0].upper()}{race['about'][1:]}: {sizes}. Minimum {lowest['objective']:.10g}, "
        f"proved to {lowest['proved']:.0e} of it ({lowest['how']}).\n",
        f"![{name}: relative suboptimality against seconds, one line for each method]({FIGURES}/{figure_of(name)})\n",
        tables.race_table(race),
    ]
    if race["skipped"]:
        lines.append(f"Not installed, and so not measured: {', '.join(race['skipped'])}.\n")
    return "\n".join([*lines, _folded("Every run", tables.rungs_table(race["ladders"]))])


def _folded(title: str, text: str) -> str:
    return f'<details markdown="1">\n<summary>{title}</summary>\n\n{text}\n</details>\n'


def _others(results: Results) -> list[str]:
    """The parts that are not races, as far as they were measured."""
    parts: list[str] = []
    if "predict" in results:
        parts += [_PREDICT, tables.predict_table(results["predict"]["rows"])]
    if "startup" in results:
        parts += [_STARTUP, tables.startup_table(results["startup"])]
    if "serve" in results:
        parts += [_SERVE, tables.serve_table(results["serve"]["rows"])]
    if "roofline" in results:
        found = results["roofline"]
        facts = {
            "gigabytes": found["bytes_per_second"] / 1e9,
            "gigaflops": found["operations_per_second"] / 1e9,
            "operations": found["operations"] / 1e9,
        }
        parts += [_ROOFLINE.format(**facts), tables.roofline_table(found)]
    if "scaling" in results:
        found = results["scaling"]
        figures = [f"![seconds against {axis}]({FIGURES}/{figure_of(f'scaling {axis}')})\n" for axis in found["axes"]]
        threads = ", ".join(f"{seconds:.3g} s on {count}" for count, seconds in found["threads"].items())
        parts += [_SCALING, *figures, tables.scaling_table(found["axes"])]
        parts.append(f"Threads: MNIST to 1e-6 takes {threads}.\n")
    return parts
