"""The tables of the page, as Markdown, from the results alone."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.goals import GOALS, Results
from benchmarks.ladder import Ladder, fastest_within, first_within, ratio
from benchmarks.measure import Row
from benchmarks.methods import OURS


def table(head: tuple[str, ...], lines: list[tuple[str, ...]]) -> str:
    """A table with a heading."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *lines)) + "\n"


def goals_table(results: Results) -> str:
    """What must hold, what is aimed at, what was measured."""
    return table(("work", "must hold", "aim", "measured", "reached"), [goal.line(results) for goal in GOALS])


def fastest_table(races: dict[str, dict[str, Any]]) -> str:
    """Each race to each of its targets: ours, the fastest of all peers, and the ratio."""
    lines = []
    for name, race in races.items():
        for target in race["targets"]:
            ours = first_within(race["ladders"][0], target)
            peer = fastest_within(
                [ladder for ladder in race["ladders"] if ladder[0]["method"]["library"] != OURS], target
            )
            known = ratio(race["ladders"], target, lambda _: True)
            lines.append(
                (
                    name,
                    f"{target:.0e}",
                    number(ours and ours["seconds"]),
                    "none" if peer is None else peer["label"],
                    "" if peer is None else number(peer["seconds"]),
                    "" if known is None else ("" if known[1] else "more than ") + f"{known[0]:.2g}",
                )
            )
    return table(("data", "to", "polytome, s", "fastest peer of all", "its seconds", "ratio"), lines)


def race_table(race: dict[str, Any]) -> str:
    """Each method: seconds to each target, how many times ours that is, and the memory of the last
    of them."""
    targets, ladders = race["targets"], race["ladders"]
    heads = [text for target in targets for text in (f"seconds to {target:.0e}", "times ours")]
    ours = [first_within(ladders[0], target) for target in targets]
    lines = []
    for ladder in ladders:
        cells = [ladder[0]["label"]]
        row = None
        for target, best in zip(targets, ours, strict=True):
            row = first_within(ladder, target)
            cells += [_ended(ladder), ""] if row is None else [number(row["seconds"]), _times(row, best)]
        shown = row or next((one for one in reversed(ladder) if one["status"] == "ok"), None)
        lines.append((*cells, "" if shown is None else f"{shown['suboptimality']:.0e}", _memory(shown)))
    return table(("who", *heads, "came within", "memory, MB"), lines)


def rungs_table(ladders: list[Ladder]) -> str:
    """Every run."""
    head = ("who", "tol", "threads", "seconds", "above the minimum", "passes", "its own verdict", "memory, MB")
    return table(head, [_rung(row) for ladder in ladders for row in ladder])


def _rung(row: Row) -> tuple[str, ...]:
    method = row["method"]
    first = (
        row["label"],
        "its own" if method["tol"] is None else f"{method['tol']:.0e}",
        "all" if method["threads"] is None else str(method["threads"]),
    )
    if row["status"] != "ok":
        return (*first, row["status"], "", "", "", "")
    iterations = "" if row["iterations"] is None else f"({row['iterations']} iterations)"
    effort = f"{row['passes']:g}" if "passes" in row else iterations
    return (*first, number(row["seconds"]), f"{row['suboptimality']:.1e}", effort, row["verdict"], _memory(row))


def predict_table(rows: list[dict[str, Any]]) -> str:
    """Prediction of many rows and of one."""
    head = ("what", "rows", "numbers", "polytome, ms", "scikit-learn, ms", "ratio")
    return table(
        head,
        [
            (
                f"`{row['function']}`",
                f"{row['n_rows']:,}",
                row["dtype"],
                number(1e3 * row["ours"]),
                number(1e3 * row["theirs"]),
                f"{row['theirs'] / row['ours']:.1f}",
            )
            for row in rows
        ],
    )


def startup_table(found: dict[str, dict[str, float]]) -> str:
    """Seconds of processes, of small fits and of one row, in milliseconds."""
    names = {"processes": "process: `{}`", "iris": "Iris: {}", "row": "one row: {}"}
    return table(
        ("what", "ms"),
        [
            (names[part].format(name), number(1e3 * took))
            for part, seconds in found.items()
            for name, took in seconds.items()
        ],
    )


def serve_table(rows: list[dict[str, Any]]) -> str:
    """Requests a second and latencies, one line for each load."""
    return table(
        ("connections", "beside them", "requests a second", "half within, ms", "99 of 100 within, ms", "errors"),
        [
            (
                str(row["connections"]),
                row["beside"],
                f"{row['per_second']:,.0f}",
                number(1e3 * row["p50"]),
                number(1e3 * row["p99"]),
                str(row["errors"]),
            )
            for row in rows
        ],
    )


def roofline_table(found: dict[str, Any]) -> str:
    """The pass beside its bound."""
    return table(
        ("numbers", "threads", "seconds", "bound on all threads", "times the bound"),
        [
            (one["dtype"], str(one["threads"]), number(one["seconds"]), number(one["bound"]), f"{one['times']:.2f}")
            for one in found["passes"]
        ],
    )


def scaling_table(axes: dict[str, list[dict[str, Any]]]) -> str:
    """Seconds at each size."""
    lines = []
    for points in axes.values():
        for point in points:
            n_rows, n_features, n_classes = point["size"]
            ours, theirs = (point["seconds"].get(name) for name in ("polytome", "scikit-learn"))
            cells = (number(ours), number(theirs), f"{theirs / ours:.1f}" if ours and theirs else "")
            lines.append((f"{n_rows:,}", f"{n_features:,}", str(n_classes), *cells))
    return table(("rows", "columns", "classes", "polytome, s", "scikit-learn, s", "ratio"), lines)


def number(value: float | None) -> str:
    """Three significant digits, never in powers of ten."""
    if value is None:
        return "not reached"
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if value > 0 else "0"


def _ended(ladder: Ladder) -> str:
    """Why a target was not reached: the status of the run that did not end well, or that it came no
    closer."""
    bad = [row["status"] for row in ladder if row["status"] != "ok"]
    return bad[-1] if bad else "not reached"


def _times(row: Row, ours: Row | None) -> str:
    """Two significant digits, or whole numbers."""
    if ours is None:
        return ""
    times = row["seconds"] / ours["seconds"]
    return f"{times:.2g}" if times < 10 else f"{times:.0f}"


def _memory(row: Row | None) -> str:
    if row is None:
        return ""
    return "not measured" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 1e6:.0f}"
