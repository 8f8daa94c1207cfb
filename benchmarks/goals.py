"""What Polytome's speed is held to, and what was measured of it: the first table of the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.ladder import first_within, ratio
from benchmarks.measure import Row
from benchmarks.predict import N_ROWS, best_ratio

Results = dict[str, Any]
Measured = tuple[float, bool] | None
"""A value, and whether it was measured or is only known to be at least so much; None where nothing
was measured."""


@dataclass(frozen=True)
class Goal:
    """One line: the work, the least that must hold, what is aimed at, in which unit, and how it is
    read off."""

    work: str
    least: float
    aim: float
    unit: str
    measure: Callable[[Results], Measured]
    more_is_better: bool = True

    def line(self, results: Results) -> tuple[str, str, str, str, str]:
        """The cells of the table: work, at least, aim, measured, reached."""
        measured = self.measure(results)
        bounds = (self._text(self.least), self._text(self.aim))
        if measured is None:
            return self.work, *bounds, "not measured", ""
        value, exact = measured
        return self.work, *bounds, ("" if exact else "more than ") + self._text(value), self._verdict(value)

    def _verdict(self, value: float) -> str:
        sign = 1 if self.more_is_better else -1
        return "the aim" if sign * value >= sign * self.aim else "yes" if sign * value >= sign * self.least else "no"

    def _text(self, value: float) -> str:
        shown = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
        return f"{shown} {self.unit}".rstrip()


def against(shape: str, target: float, *peers: tuple[str, str | None]) -> Callable[[Results], Measured]:
    """Seconds of the fastest of some peers (library and solver; None for any) over ours, to a
    target of a race."""

    def is_chosen(row: Row) -> bool:
        return any(
            row["method"]["library"] == name and solver in (None, row["method"]["solver"]) for name, solver in peers
        )

    def measure(results: Results) -> Measured:
        race = results["races"].get(shape)
        return None if race is None else ratio(race["ladders"], target, is_chosen)

    return measure


def _memory(results: Results) -> Measured:
    """Megabytes beyond the bytes of MNIST, where the fit came within 1e-6."""
    race = results["races"].get("mnist")
    row = None if race is None else first_within(race["ladders"][0], 1e-6)
    return None if row is None or row["peak_bytes"] is None else (row["peak_bytes"] / 1e6, True)


def _roofline(results: Results) -> Measured:
    passes = [one for one in results.get("roofline", {}).get("passes", ()) if one["dtype"] == "float32"]
    return (min(one["times"] for one in passes), True) if passes else None


def _threads(results: Results) -> Measured:
    seconds = results.get("scaling", {}).get("threads")
    return None if seconds is None else (seconds["1"] / seconds["2"], True)


def _predict(results: Results) -> Measured:
    rows = results.get("predict", {}).get("rows")
    return None if rows is None else (best_ratio(rows, "predict_proba", N_ROWS), True)


def _startup(part: str, name: str, factor: float = 1.0) -> Callable[[Results], Measured]:
    def measure(results: Results) -> Measured:
        found = results.get("startup")
        return None if found is None else (factor * found[part][name], True)

    return measure


def _iris(results: Results) -> Measured:
    found = results.get("startup")
    if found is None:
        return None
    peers = [seconds for name, seconds in found["iris"].items() if name.startswith("scikit-learn")]
    return min(peers) / found["iris"]["polytome"], True


def _serve(name: str, factor: float = 1.0) -> Callable[[Results], Measured]:
    """One of the numbers of single rows from 32 connections, nothing beside them."""

    def measure(results: Results) -> Measured:
        found = results.get("serve")
        return None if found is None else (factor * found["rows"][1][name], True)

    return measure


_SKLEARN = ("scikit-learn", None)
GOALS = (
    Goal("MNIST, C = 1, to 1e-6, against scikit-learn's fastest", 10, 30, "×", against("mnist", 1e-6, _SKLEARN)),
    Goal("MNIST, peak memory beyond the bytes of the images", 100, 60, "MB", _memory, more_is_better=False),
    Goal(
        "one pass over MNIST in float32, over what memory and arithmetic allow",
        3,
        1.5,
        "×",
        _roofline,
        more_is_better=False,
    ),
    Goal(
        "tall, two classes, to 1e-8, against newton-cholesky and glum",
        5,
        10,
        "×",
        against("tall", 1e-8, ("scikit-learn", "newton-cholesky"), ("glum", None)),
    ),
    Goal(
        "20 newsgroups, C = 10, to 1e-4, against scikit-learn's fastest",
        5,
        15,
        "×",
        against("newsgroups", 1e-4, _SKLEARN),
    ),
    Goal("sector, 105 classes, to 1e-4, against scikit-learn's fastest", 5, 15, "×", against("sector", 1e-4, _SKLEARN)),
    Goal("kdd99, to 1e-4, against scikit-learn's fastest", 5, 10, "×", against("kdd99", 1e-4, _SKLEARN)),
    Goal(
        "linear probe in float16, to 1e-4, against scikit-learn's fastest", 5, 20, "×", against("probe", 1e-4, _SKLEARN)
    ),
    Goal("MNIST, seconds on one thread over those on two", 1.7, 1.9, "×", _threads),
    Goal("`predict_proba`, 10,000 images, against scikit-learn", 3, 8, "×", _predict),
    Goal("Iris from end to end, against scikit-learn's fastest", 1, 1, "×", _iris),
    Goal(
        "Iris, the solver alone", 1, 1, "ms", _startup("iris", "polytome, its solver alone", 1e3), more_is_better=False
    ),
    Goal("`import polytome`", 0.2, 0.2, "s", _startup("processes", "import polytome"), more_is_better=False),
    Goal("`polytome --help`", 0.4, 0.4, "s", _startup("processes", "polytome --help"), more_is_better=False),
    Goal("`predict_proba` of one row", 50, 50, "µs", _startup("row", "polytome", 1e6), more_is_better=False),
    Goal("`polytome serve`, single rows a second, 32 connections", 2000, 5000, "", _serve("per_second")),
    Goal("the same, 99 of 100 answered within", 50, 20, "ms", _serve("p99", 1e3), more_is_better=False),
    Goal("the same, errors", 0, 0, "", _serve("errors"), more_is_better=False),
)
