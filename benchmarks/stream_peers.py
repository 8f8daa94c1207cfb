"""One Parquet file beside others' ways to read it and to learn from it, in processor seconds.

    python -m benchmarks.stream_peers --work DIR --gigabytes 1

Makes the file of `benchmarks.streams` if the folder has none, and says how long it takes to

- read all of its columns once: by pyarrow, and by polars and DuckDB, which add each of them up,
  where they are installed; and one pass of ours, which decodes, encodes and adds up a gradient;
- fit two classes, the first against the rest, to a certificate; and what scikit-learn's
  SGDClassifier comes to in the same time by `partial_fit` over the same encoded pieces, with each
  of some step sizes. Both minimise one objective, which is evaluated by one pass of ours.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import SGDClassifier

from benchmarks.streams import make_parquet, reading_alone
from polytome import LogisticRegression, open_rows
from polytome.files.streamed import streamed_against_rest
from polytome.losses import Logistic
from polytome.objective import Objective
from polytome.passes import ValueAndGradient
from polytome.penalties import L2
from polytome.rows import rows_of


def _took(work: Callable[[], object]) -> dict[str, float]:
    """Seconds of all threads, and by the clock."""
    began, processor = time.perf_counter(), time.process_time()
    work()
    return {"processor": time.process_time() - processor, "clock": time.perf_counter() - began}


def _polars(path: Path) -> None:
    import polars
    from polars import selectors

    sums = selectors.numeric().sum(), selectors.string().max()
    polars.scan_parquet(path).select(*sums).collect(engine="streaming")


def _duckdb(path: Path) -> None:
    import duckdb

    duckdb.sql(f"select sum(columns('x.*')), max(town), max(hue), max(y) from '{path}'").fetchall()


def readings(path: Path, rows: Any) -> dict[str, Any]:
    """Seconds to read the file by each library that is installed."""
    found: dict[str, Any] = {"pyarrow": _took(lambda: reading_alone(path, "parquet"))}
    for name, scan in (("polars", _polars), ("duckdb", _duckdb)):
        try:
            found[name] = min((_took(lambda scan=scan: scan(path)) for _ in range(2)), key=lambda took: took["clock"])  # type: ignore[misc]
        except ImportError:
            found[name] = "not installed"
    a_pass = ValueAndGradient(Logistic(), np.full((rows.n_features + 1, 1), 1e-3))
    found["a pass of ours"] = min(
        (_took(lambda: rows.reduce(a_pass)) for _ in range(2)), key=lambda took: took["clock"]
    )
    return found


_STEPS: tuple[dict[str, Any], ...] = (
    {"learning_rate": "optimal"},
    {"learning_rate": "invscaling", "eta0": 0.1},
    {"learning_rate": "constant", "eta0": 1e-2, "average": True},
    {"learning_rate": "constant", "eta0": 1e-3, "average": True},
)


def sgd(table: Any, objective: Objective, seconds: float, steps: dict[str, Any]) -> dict[str, Any]:
    """Where stochastic steps are when the processor seconds are spent: the lowest objective at the
    end of a time over the rows."""
    model = SGDClassifier(loss="log_loss", alpha=objective.penalty.quadratic, random_state=0, **steps)
    spent, found = 0.0, []
    while spent < seconds:
        began = time.process_time()
        for X, y, _ in table.labelled_pieces():
            model.partial_fit(X, y == table.classes[1], classes=[False, True])  # sorted they might change places
        spent += time.process_time() - began
        found.append(objective.value_and_gradient(np.vstack([model.coef_.T, model.intercept_]))[0])
    return {**steps, "processor": spent, "times_over_the_rows": len(found), "objective": min(found)}


def main() -> None:
    """Measure and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    path = chosen.work / "rows.parquet"
    if not path.exists():
        make_parquet(path, chosen.gigabytes * 1e9)
    table = streamed_against_rest(open_rows(path, target="y"), "a")
    rows = rows_of(table.X, table.codes)
    objective = Objective(Logistic(), L2(1 / rows.n_rows), rows)
    found: dict[str, Any] = {"file_bytes": path.stat().st_size, "n_rows": rows.n_rows, "n_features": rows.n_features}
    found["readings"] = readings(path, rows)
    model = LogisticRegression()
    took = _took(lambda: model.fit(table))
    value, _ = objective.value_and_gradient(np.vstack([model.coef_.T, model.intercept_]))
    found["fit"] = took | {"objective": value, "gap": model.certificate_.gap, "stop": model.stop_.name}
    found["sgd"] = [sgd(table, objective, took["processor"], steps) for steps in _STEPS]
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
