"""Print a hash of the coefficients of some forty fits, over models, storages, solvers and
penalties.

    python benchmarks/bits.py > before.txt          on one commit, and again on another:
    python benchmarks/bits.py | diff before.txt -

The hashes hold for one machine and one set of libraries: they show that a change of shape changed
no number there.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_digits, load_iris

from polytome import (
    Adaline,
    LinearRegression,
    LogisticRegression,
    MultilabelLogistic,
    OneVsOne,
    OneVsRest,
    Perceptron,
    SigmoidNeuron,
)

SOLVERS = ("auto", "newton", "lbfgs", "gradient-descent", "sgd", "dual")


def _sparse_rows(n: int, d: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = sparse.random_array((n, d), density=0.03, rng=rng, format="csr", dtype=np.float64)
    return X, (np.asarray(X[:, :9].sum(axis=1)).ravel() + rng.normal(size=n) * 0.2 > 0.1).astype(int)


def fits() -> Iterator[tuple[str, Any]]:
    """The names of the fits, and the fitted models."""
    iris, digits, cancer = (load(return_X_y=True) for load in (load_iris, load_digits, load_breast_cancer))
    wide = _sparse_rows(3000, 500, 0)
    tall = np.random.default_rng(1).normal(size=(60_000, 6))
    told = (tall @ np.arange(6.0) > np.random.default_rng(2).logistic(size=60_000)).astype(int)
    sets = {"iris": iris, "digits": digits, "cancer": cancer, "wide": wide, "tall": (tall, told)}
    for name, (X, y) in sets.items():
        for solver in SOLVERS if name in ("iris", "digits") else SOLVERS[:3]:
            limit = 30 if solver in ("gradient-descent", "sgd") else 1000
            model = LogisticRegression(solver=solver, random_state=3, max_iter=limit)
            yield f"{name} {solver}", model.fit(X, y)
        yield f"{name} C=1e3, columns scaled", LogisticRegression(C=1e3, scale="standard").fit(X, y)
        yield f"{name} no intercept, tol 1e-8", LogisticRegression(fit_intercept=False, tol=1e-8).fit(X, y)
    X, y = digits
    yield "digits float32", LogisticRegression().fit(X.astype(np.float32), y)
    yield "digits bytes", LogisticRegression().fit(X.astype(np.uint8), y)
    yield "digits by column", LogisticRegression().fit(np.asfortranarray(X), y)
    yield "digits CSR", LogisticRegression().fit(sparse.csr_array(X), y)
    yield "digits CSC", LogisticRegression().fit(sparse.csc_array(X), y)
    yield "digits weights", LogisticRegression(class_weight="balanced").fit(X, y, sample_weight=1.0 + y)
    yield "digits soft labels", LogisticRegression().fit(X, 0.9 * np.eye(10)[y] + 0.01)
    shaken = iris[0] + np.random.default_rng(0).normal(size=(150, 4))
    yield "iris no penalty", LogisticRegression(C=np.inf).fit(shaken, iris[1])
    for model in (OneVsRest(), OneVsOne()):
        yield f"digits {type(model).__name__}", model.fit(X, y)
    yield "digits MultilabelLogistic", MultilabelLogistic().fit(X, np.stack([y > 4, y % 2], 1).astype(int))
    yield "cancer LinearRegression", LinearRegression().fit(cancer[0], cancer[1].astype(float))
    for neuron in (Perceptron(random_state=0), Adaline(random_state=0), SigmoidNeuron(random_state=0)):
        yield f"iris {type(neuron).__name__}", neuron.fit(iris[0], iris[1] == 0)


def main() -> None:
    """Print them."""
    warnings.simplefilter("ignore")
    for name, model in fits():
        parts = [np.ascontiguousarray(np.asarray(part)) for part in (model.coef_, model.intercept_)]
        print(f"{hashlib.sha1(b''.join(part.tobytes() for part in parts)).hexdigest()[:12]}  {name}", flush=True)


if __name__ == "__main__":
    main()
