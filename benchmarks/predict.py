"""Throughput and latency of prediction: ours and scikit-learn's with the same coefficients, in
turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.datasets import prepared, restore

N_ROWS = 10_000
_REPEATS = {N_ROWS: 25, 1: 1000}
_FUNCTIONS = ("predict_proba", "decision_function")
_NUMBERS = ("uint8", "float32", "float64")


def measure_predict(data: Path | None, work: Path, limit: float) -> dict[str, Any]:
    """Medians in seconds for 10,000 images of MNIST and for one, in each type of number."""
    from sklearn.linear_model import LogisticRegression as Theirs

    from polytome import LogisticRegression

    problem = restore(prepared("mnist", data, work))
    images = problem.X[:N_ROWS]
    ours = LogisticRegression(tol=1e-2, scale=255).fit(images, problem.y[:N_ROWS])
    theirs = Theirs()
    theirs.classes_, theirs.n_features_in_ = ours.classes_, ours.n_features_in_
    theirs.coef_, theirs.intercept_ = ours.coef_, ours.intercept_
    rows = []
    for n_rows, repeats in _REPEATS.items():
        for function in _FUNCTIONS:
            for dtype in _NUMBERS:
                X = images[:n_rows].astype(dtype)
                mine, other = in_turns([partial(getattr(model, function), X) for model in (ours, theirs)], repeats)
                rows.append({"n_rows": n_rows, "function": function, "dtype": dtype, "ours": mine, "theirs": other})
                print(f"  {function} {n_rows} {dtype}: {mine:.3g} s, scikit-learn {other:.3g} s", flush=True)
    return {"rows": rows}


def in_turns(calls: list[Callable[[], Any]], repeats: int) -> list[float]:
    """The median seconds of each call, made `repeats` times one after the other, so that noise
    falls on all alike."""
    seconds: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(repeats):
        for call, mine in zip(calls, seconds, strict=True):
            began = time.perf_counter()
            call()
            mine.append(time.perf_counter() - began)
    return [median(mine) for mine in seconds]


def best_ratio(rows: list[dict[str, Any]], function: str, n_rows: int) -> float:
    """scikit-learn's seconds in its fastest type of number over ours in ours."""
    chosen = [row for row in rows if (row["function"], row["n_rows"]) == (function, n_rows)]
    return float(min(row["theirs"] for row in chosen) / min(row["ours"] for row in chosen))
