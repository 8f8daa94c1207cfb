"""The figures of the page: drawn by matplotlib as SVG on a white ground, so that they read alike in
light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.methods import OURS

# Okabe and Ito's colours, which those who cannot tell red from green can tell apart; one for each
# library.
_COLOURS = {
    OURS: "#000000",
    "scikit-learn": "#0072b2",
    "scikit-learn-intelex": "#56b4e9",
    "glum": "#009e73",
    "statsmodels": "#cc79a7",
    "PyTorch": "#d55e00",
    "adelie": "#e69f00",
}
# The solvers of a library differ in marker and line.
_MARKERS = {
    "newton-cg": "s",
    "lbfgs": "D",
    "bfgs": "D",
    "sag": "^",
    "saga": "v",
    "liblinear": "P",
}
_LINES = {"lbfgs": "--", "bfgs": "--", "sag": ":", "saga": ":", "liblinear": "-."}
_EXACT = 1e-13
_STYLE = {
    "svg.hashsalt": "polytome",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def draw_race(race: dict[str, Any], path: Path) -> None:
    """Suboptimality against seconds: one line for each method, from its loosest tolerance to its
    tightest."""
    figure, axes = _empty("seconds", "relative suboptimality")
    for ladder in race["ladders"]:
        points = [(row["seconds"], max(row["suboptimality"], _EXACT)) for row in ladder if row["status"] == "ok"]
        if points:
            axes.plot(*zip(*points, strict=True), label=ladder[0]["label"], **_look(ladder[0]["method"]))
    for target in race["targets"]:
        axes.axhline(target, color="#888888", linewidth=0.8, linestyle=(0, (2, 3)))
    _finish(figure, axes, path)


def _look(method: dict[str, Any]) -> dict[str, Any]:
    """The library's colour, the solver's marker and line, hollow where the same method is drawn in
    another form."""
    ours = method["library"] == OURS
    other_form = (
        method["dtype"] == ("float32" if ours else "float64") or method["layout"] == "dense" or method["n_jobs"]
    )
    return {
        "color": _COLOURS[method["library"]],
        "marker": _MARKERS.get(method["solver"] or "", "o"),
        "markerfacecolor": "white" if other_form else None,
        "linestyle": _LINES.get(method["solver"] or "", "-"),
        "linewidth": 2.4 if ours else 1.2,
        "markersize": 6 if ours else 4.5,
        "zorder": 3 if ours else 2,
    }


def draw_scaling(points: list[dict[str, Any]], axis: str, path: Path) -> None:
    """Seconds against rows, columns or classes."""
    position = ("rows", "columns", "classes").index(axis)
    figure, axes = _empty(axis, "seconds to 1e-4", width=5.0)
    for name, marker in ((OURS, "o"), ("scikit-learn", "s")):
        drawn = [(point["size"][position], point["seconds"].get(name)) for point in points]
        drawn = [(size, seconds) for size, seconds in drawn if seconds is not None]
        if drawn:
            width = 2.4 if name == OURS else 1.4
            axes.plot(*zip(*drawn, strict=True), color=_COLOURS[name], marker=marker, linewidth=width, label=name)
    axes.legend(frameon=False)
    _save(figure, path)


def _empty(across: str, up: str, width: float = 8.6) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    pyplot.rcParams.update(_STYLE)
    figure, axes = pyplot.subplots(figsize=(width, 4.4), layout="constrained")
    axes.set(xscale="log", yscale="log", xlabel=across, ylabel=up)
    return figure, axes


def _finish(figure: Any, axes: Any, path: Path) -> None:
    """A legend beside the lines, in their order."""
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
