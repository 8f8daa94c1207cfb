"""The results: kept in benchmarks.json, where later runs are merged in, and shown as tables in benchmarks.md."""

from __future__ import annotations

import json
import math
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polytome

Results = dict[str, Any]
TARGETS = (1e-4, 1e-6)
PATIENCE = 20  # seconds

_HOW = """\
Made by `python -m benchmarks table`, `python -m benchmarks mnist` and `python -m benchmarks multiclass`. Machine:
{machine}.

Every run has a process of its own, which loads the data, fits three rows so that everything is imported, and then
starts the clock. Runs take turns (ours, a peer, ours, a peer) and medians are shown; a run of more than {patience}
seconds is not repeated; what takes longer than the time limit or fails says so. The peers use all threads of the BLAS,
on data below 32 MB also one alone, and the faster of the two counts.

- **Above the minimum** is `(P - D) / D`: P is the objective of the fitted coefficients, evaluated in float64 by the
  same code for every library, and D the dual value of a tight fit by Polytome, below which no objective can lie. The
  true distance is at most this.
- **Memory** is the peak during the fit beyond what was in use just before it, the data included.
- Each library is given the format that it prefers: pixels as bytes to Polytome, as floating numbers between 0 and 1 to
  scikit-learn.
"""
_TABLE = """\
## Default options

No option is set except C = 10 for the news posts. scikit-learn: `LogisticRegression()` as it is (lbfgs, at most 100
iterations), and the Newton solver that suits the size of the problem. *Proved gap* is what Polytome itself reports,
relative to the null model. scikit-learn does not count passes over the data; its iterations are shown, each of
which is about one pass for lbfgs and many for newton-cg. Where the minimum is close to zero (digits, singh) a distance
relative to it is large although the gap is small.
"""
_MNIST = """\
## MNIST at equal distance from the minimum

60,000 digits, pixels / 255, C = 1. Each method is run with smaller and smaller `tol` (steps of about 3, `max_iter` out
of the way), and the first run that comes within the target counts, measured in the same way for all.
"""
_MULTICLASS = """\
## Many classes by binary models

`OneVsRest` and `OneVsOne` beside scikit-learn's `OneVsRestClassifier` and `OneVsOneClassifier` of its own
`LogisticRegression`, at equal distance from the minimum of the sum of the binary objectives: every method with smaller
and smaller `tol`, and the first run within the target counts. One process of scikit-learn uses one thread of the BLAS
or all, whichever is faster at its largest `tol`; two processes (`n_jobs=2`) get the `tol` that one needed. Of its
iterations those of the binary model with the most are shown. C = 1, for the news posts 10.
"""


def machine() -> dict[str, Any]:
    """The processor, the cores and the versions; nothing that names this computer or its folders."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        "polytome": polytome.__version__,
        **{name: version(name) for name in ("numpy", "scipy", "scikit-learn")},
    }


def read_results(folder: Path) -> Results:
    """What earlier runs left, or an empty beginning."""
    path, here = folder / "benchmarks.json", machine()
    if not path.exists():
        return {"machine": here, "lower_bounds": {}, "table": {}, "mnist": {}}
    results: Results = json.loads(path.read_text())
    if results["machine"] != here:
        raise SystemExit(
            "benchmarks.json comes from another machine or other versions: move it away, or give --out DIR"
        )
    return results


def write_results(results: Results, folder: Path) -> None:
    """Both files, whole each time, so that an interrupted series keeps what it has."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "benchmarks.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "benchmarks.md").write_text(markdown(results))


def excess(row: dict[str, Any], lower_bound: float) -> float:
    """How far above the lower bound the row's objective lies, relative to the bound; rounding may make it zero."""
    return max(0.0, row["objective"] - lower_bound) / lower_bound


def markdown(results: Results) -> str:
    """The page."""
    facts = dict(results["machine"])
    versions = ", ".join(
        f"{name} {facts[key]}"
        for name, key in (
            ("Python", "python"),
            ("NumPy", "numpy"),
            ("SciPy", "scipy"),
            ("scikit-learn", "scikit-learn"),
        )
    )
    parts = [
        "# Benchmarks\n",
        _HOW.format(
            machine=f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB; {versions}", patience=PATIENCE
        ),
    ]
    if results["table"]:
        parts += [_TABLE, _defaults_table(results)]
    if results["mnist"]:
        parts += [_MNIST, *_climbed(results["mnist"]["ladders"], results["lower_bounds"]["mnist"])]
    for position, (name, entry) in enumerate(results.get("multiclass", {}).items()):
        heading = f"### {name}: {entry['reduction']}, {_sizes(entry['data'])}\n"
        parts += [*([_MULTICLASS] if position == 0 else []), heading, *_climbed(entry["ladders"], entry["bound"])]
    return "\n".join(parts)


def _defaults_table(results: Results) -> str:
    lines = _head(
        "data", "who", "seconds", "passes", "above the minimum", "proved gap", "its own verdict", "memory, MB"
    )
    for name, entry in results["table"].items():
        data, bound = entry["data"], results["lower_bounds"].get(name)
        sizes = f"**{name}** {_sizes(data)}"
        for row in entry["rows"]:
            label = row["label"] + (f" ({row['solver']})" if row.get("passes") is not None else "")
            lines.append(_cells(sizes, label, *_common(row, bound), proved=True))
            sizes = ""
    return "\n".join(lines) + "\n"


def _sizes(data: dict[str, int]) -> str:
    """Rows, columns, classes and megabytes."""
    return (
        f"{data['n_rows']:,} × {data['n_features']:,}, {data['n_classes']} classes, {data['input_bytes'] / 1e6:.3g} MB"
    )


def _climbed(ladders: list[list[dict[str, Any]]], bound: float) -> list[str]:
    """The two tables of methods that were run with smaller and smaller tolerances."""
    return [_targets_table(ladders, bound), "Every run:\n", _rungs_table(ladders, bound)]


def _targets_table(ladders: list[list[dict[str, Any]]], bound: float) -> str:
    """Seconds to each target, and how many times ours that is."""
    heads = [f"{text} {target:.0e}" for target in TARGETS for text in ("seconds to", "times ours,")]
    lines = _head("who", *heads)
    ours = [first_within(ladders[0], target, bound) for target in TARGETS]
    for ladder in ladders:
        cells = [ladder[0]["label"]]
        for target, best in zip(TARGETS, ours, strict=True):
            row = first_within(ladder, target, bound)
            if row is None:
                end = ladder[-1]["status"]
                cells += ["not reached" if end == "ok" else end, ""]
            else:
                cells += [_number(row["seconds"]), "" if best is None else f"{row['seconds'] / best['seconds']:.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def first_within(ladder: list[dict[str, Any]], target: float, bound: float) -> dict[str, Any] | None:
    """The first run, from loose to tight, that comes within the target."""
    return next((row for row in ladder if row["status"] == "ok" and excess(row, bound) <= target), None)


def _rungs_table(ladders: list[list[dict[str, Any]]], bound: float) -> str:
    lines = _head("who", "tol", "seconds", "passes", "above the minimum", "its own verdict", "memory, MB")
    for ladder in ladders:
        for row in ladder:
            tol = f"{row['method']['settings']['tol']:.0e}"
            lines.append(_cells(row["label"], tol, *_common(row, bound), proved=False))
    return "\n".join(lines) + "\n"


def _common(row: dict[str, Any], bound: float | None) -> list[str]:
    """The cells that every table shows: a run that did not end well has its status in place of the seconds."""
    if row["status"] != "ok":
        return [row["status"], "", "", "", "", ""]
    effort = f"{row['passes']:g}" if row["passes"] is not None else f"({row['iterations']} iterations)"
    return [
        _number(row["seconds"]),
        effort,
        "unknown" if bound is None else f"{excess(row, bound):.1e}",
        "" if row["relative_gap"] is None else f"{row['relative_gap']:.1e}",
        row["verdict"],
        "not measured" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 1e6:.0f}",
    ]


def _cells(first: str, second: str, *rest: str, proved: bool) -> str:
    cells = list(rest) if proved else [cell for position, cell in enumerate(rest) if position != 3]
    return "| " + " | ".join([first, second, *cells]) + " |"


def _head(*names: str) -> list[str]:
    return ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]


def _number(value: float) -> str:
    """Three significant digits, never in powers of ten."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"
