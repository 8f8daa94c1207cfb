"""Coefficients that `proved_zero_` says are 0 at every optimum, beside that in eighty digits.

    python -m benchmarks.proved_zero --problems 1000 --seed 0

Small random problems under absolute values, squares beside them, norms of groups, both, and bounds:
of two classes and of three, with soft labels, weights, offsets, and columns that are scaled, sparse
or float32. Many have a strength next to the one at which the first coefficient leaves 0. The
optimum is found in decimal arithmetic; of norms with absolute values beside them, which that does
not know, it is a fit to the last digit that floats reach. None of the claims may be wrong: each one
that is, is printed.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from polytome import LogisticRegression
from polytome.certificates.decimal_optimum import decimal_optimum
from polytome.certificates.decimal_problem import DecimalProblem
from polytome.objective import Objective

KINDS = ("lasso", "elastic net", "groups", "sparse groups", "bounds")
_MAX_STEPS = 120
_FINEST = {"tol": 1e-13, "max_iter": 2000}
_ZERO = 1e-7  # of a score in the root mean square: what a fit in floats may leave of a 0
_ZERO_OF_DECIMALS = 1e-12  # the same of a barrier, where a coefficient is about to leave 0


class Watched(LogisticRegression):
    """A model that keeps what it minimises."""

    def _minimum(self, plan: Any, data: Any) -> Any:
        self.minimised_ = plan.objective.at(np.float64)
        return super()._minimum(plan, data)


def make(kind: str, number: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The data of a problem (X, y, weights, offset) and its settings: always the same."""
    rng = np.random.default_rng([KINDS.index(kind), number])
    n, d, n_classes = int(rng.integers(5, 13)), int(rng.integers(2, 5)), int(rng.choice([2, 2, 3]))
    X: Any = rng.normal(size=(n, d)) * 10 ** (rng.uniform(-2, 2, d) * (rng.random() < 0.3))
    X = X + 5 * rng.normal(size=d) * (rng.random() < 0.3)
    if rng.random() < 0.2:
        X[:, -1] = X[:, 0] * rng.choice([1, -2]) + 1e-3 * rng.normal(size=n) * (rng.random() < 0.5)
    y = (X / X.std(axis=0) @ rng.normal(size=(d, n_classes)) + 2 * rng.gumbel(size=(n, n_classes))).argmax(axis=1)
    y[rng.permutation(n)[:n_classes]] = np.arange(n_classes)
    if rng.random() < 0.15:
        y = np.eye(n_classes)[y] + 0.3 * rng.random((n, n_classes))
        y = y / y.sum(axis=1, keepdims=True)
    settings: dict[str, Any] = {
        "C": float(10 ** rng.uniform(-1.5, 1.5)),
        "tol": float(10 ** -rng.uniform(1, 12)),
        "fit_intercept": bool(rng.random() < 0.8),
        "l1_ratio": 1.0 if kind in ("lasso", "groups") or rng.random() < 0.4 else float(rng.choice([0.5, 0.9, 0.99])),
    }
    if kind in ("groups", "sparse groups"):
        settings["groups"] = "classes" if rng.random() < 0.3 else rng.integers(0, max(2, d // 2), d).tolist()
        settings["l1_ratio"] = 1.0 if rng.random() < 0.6 else 0.8
    if kind == "sparse groups":
        settings["group_ratio"] = float(rng.choice([0.5, 0.9, 0.1, rng.uniform(0.01, 1)]))
    if kind == "bounds":
        ends = np.sort(rng.normal(size=(d, 2)) / np.abs(X).max(axis=0)[:, None], axis=1)
        ends[rng.random((d, 2)) < 0.4] = 0.0
        ends.sort(axis=1)
        settings |= {"bounds": ends, "l1_ratio": float(rng.choice([0.0, 0.5, 1.0]))}
    if rng.random() < 0.2:
        settings["scale"] = "standard"
    if kind != "bounds" and rng.random() < 0.15:
        weights = np.where(rng.random(d) < 0.3, 0.0, rng.uniform(0.1, 2, d))
        numbers = settings.get("groups", "classes")
        settings["penalty_weights"] = weights if numbers == "classes" else weights[numbers]
    weight = rng.uniform(0, 3, n) * (rng.random(n) < 0.9) if rng.random() < 0.2 else None
    if weight is not None and np.ndim(y) == 1:
        weight = weight + 0.01
    offset = rng.normal(size=n if n_classes == 2 else (n, n_classes)) if rng.random() < 0.15 else None
    if (form := rng.random()) < 0.15:
        X = X.astype(np.float32)
    elif form < 0.3:
        X = sparse.csr_array(X * (rng.random(X.shape) < 0.7))
    data = X, y, weight, offset
    if rng.random() < 0.4:
        settings["C"] *= _share_of_first(settings, data) * (1 + rng.choice([-1, 1]) * 10 ** -rng.uniform(0.5, 9))
    return data, settings


def _share_of_first(settings: dict[str, Any], data: Any) -> float:
    """What C is multiplied by so that the first coefficient is about to leave 0; 1 where that is
    not at once."""
    objective = fitted(settings | {"max_iter": 0}, data).minimised_
    if objective.unpenalised.size:
        return 1.0
    _, gradient = objective.value_and_gradient(objective.null[0])
    multiple = float(objective.penalty.feasible_multiple(-gradient[:-1]))
    return multiple if multiple > 0 else 1.0


def fitted(settings: dict[str, Any], data: Any) -> Any:
    """A model of these settings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return Watched(**settings).fit(*data)


def optimum(objective: Objective, settings: dict[str, Any], data: Any) -> np.ndarray | None:
    """Which coefficients are not 0 at the optimum, (n_outputs, n_features); None where it takes too
    long."""
    size = objective.rows.lengths(np.zeros(objective.rows.n_features))
    if not DecimalProblem.suits(objective):
        return np.asarray(np.abs(fitted(settings | _FINEST, data).coef_) * size > _ZERO)
    problem = DecimalProblem.of(objective)
    found = None if problem is None else decimal_optimum(problem, objective.null[0][-1], _MAX_STEPS)
    return (
        None
        if found is None
        else np.abs(found[1][:-1].T.astype(np.float64)) * objective.rows.columns.scale * size > _ZERO_OF_DECIMALS
    )


def main(arguments: list[str] | None = None) -> int:
    """Prints what was claimed, and returns how many claims are wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=1000, help="how many, in turn of each kind")
    parser.add_argument("--seed", type=int, default=0, help="the number of the first problem of each kind")
    parser.add_argument("--seconds", type=float, default=np.inf, help="after which no further one is begun")
    given = parser.parse_args(arguments)
    counts, wrong, until = Counter[str](), 0, time.monotonic() + given.seconds
    for place in range(given.problems):
        if time.monotonic() > until:
            break
        kind, number = KINDS[place % len(KINDS)], given.seed + place // len(KINDS)
        data, settings = make(kind, number)
        model = fitted(settings, data)
        is_other = optimum(model.minimised_, settings, data)
        if is_other is None:
            counts["without an optimum"] += 1
            continue
        claimed = vars(model).get("proved_zero_", np.zeros(is_other.shape, dtype=bool))
        counts.update({"problems": 1, kind: 1, "claims": int(claimed.sum()), "zeros": int((~is_other).sum())})
        if (claimed & is_other).any():
            wrong += 1
            print(f"WRONG: {kind} {number}, {np.argwhere(claimed & is_other).tolist()}, {settings}", flush=True)
    kinds = ", ".join(f"{counts[kind]:,} of {kind}" for kind in KINDS)
    print(
        f"{counts['problems']:,} problems ({kinds}): {counts['claims']:,} of {counts['zeros']:,} zeros are proved; "
        f"wrong in {wrong} problems; {counts['without an optimum']} more without an optimum to compare"
    )
    return wrong


if __name__ == "__main__":
    raise SystemExit(main() > 0)
