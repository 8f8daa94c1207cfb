"""L1 and elastic net beside scikit-learn's solvers: processor time, and the measured distance from
the minimum.

    python -m benchmarks.penalties a9a
    python -m benchmarks.penalties mnist --C 1

The distance is that of each result's objective, computed here, from the lowest that any method
reached, in parts of the null model's. liblinear penalises its intercept: a constant of 100 makes
that small.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logsumexp
from sklearn.datasets import load_svmlight_file
from sklearn.linear_model import LogisticRegression as Theirs

from polytome import LogisticRegression, load_dataset

_MNIST_ROWS = 10_000


def problem(name: str) -> tuple[Any, np.ndarray]:
    """Features and class codes."""
    if name == "mnist":
        data = load_dataset("mnist")
        return data.X[:_MNIST_ROWS] / 255.0, np.unique(data.y[:_MNIST_ROWS], return_inverse=True)[1]
    X, y = load_svmlight_file(str(Path(os.environ["POLYTOME_DATA"]) / "a9a" / "a9a"), n_features=123)
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    return X, (y > 0).astype(int)


def objective(X: Any, y: np.ndarray, model: Any, C: float, ratio: float) -> float:
    """The mean loss and the penalty."""
    scores = np.asarray(X @ model.coef_.T + model.intercept_)
    if scores.shape[1] == 1:
        scores = np.hstack([np.zeros_like(scores), scores])
    loss = float(np.mean(logsumexp(scores, axis=1) - scores[np.arange(len(y)), y]))
    size = ratio * np.abs(model.coef_).sum() + (1 - ratio) / 2 * (model.coef_**2).sum()
    return loss + float(size) / (C * len(y))


def main() -> None:
    """Print a line for each method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", choices=["a9a", "mnist"])
    parser.add_argument("--C", type=float, default=1.0)
    parser.add_argument("--l1-ratio", type=float, default=1.0)
    parser.add_argument("--iterations", type=int, nargs="*", default=[20, 100], help="of saga")
    given = parser.parse_args()
    X, y = problem(given.data)
    C, ratio = given.C, given.l1_ratio
    methods: dict[str, Callable[[], Any]] = {
        f"polytome tol {tol:g}": lambda tol=tol: LogisticRegression(C=C, l1_ratio=ratio, tol=tol)
        for tol in (1e-4, 1e-6)
    }
    for count in given.iterations:
        settings: dict[str, Any] = {"C": C, "l1_ratio": ratio, "solver": "saga", "tol": 1e-12, "max_iter": count}
        methods[f"saga, {count} iterations"] = lambda settings=settings: Theirs(**settings)
    if y.max() == 1 and ratio == 1:
        for tol in (1e-2, 1e-3):
            settings = {"C": C, "l1_ratio": 1, "solver": "liblinear", "tol": tol, "intercept_scaling": 100.0}
            methods[f"liblinear tol {tol:g}"] = lambda settings=settings: Theirs(**settings)
    found = {}
    for name, make in methods.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            began, used = time.perf_counter(), time.process_time()
            model = make().fit(X, y)
            seconds = time.perf_counter() - began, time.process_time() - used
        found[name] = (objective(X, y, model, C, ratio), *seconds, int((model.coef_ != 0).sum()))
        if name.startswith("polytome"):
            null = model.certificate_.null_objective
    lowest = min(value for value, *_ in found.values())
    print(f"{given.data}: {X.shape[0]:,} x {X.shape[1]}, C = {C:g}, l1_ratio = {ratio:g}")
    for name, (value, elapsed, used, count) in found.items():
        apart = (value - lowest) / null
        print(f"{name:24} {elapsed:8.2f} s, of processors {used:8.2f} s, distance {apart:8.1e}, {count} not 0")


if __name__ == "__main__":
    main()
