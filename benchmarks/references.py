"""The minimum of each problem, found once to 1e-12 by a tight fit, kept in references.json and used
by every run.

What is kept: the objective P* of that fit, and the duality gap, which proves how far above the
minimum it is at most. Where float64 cannot prove so much (the columns of kdd99 reach 7e8), P* is
where the iterations stand still, and `proved` says how much is proved.
"""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import Problem
from benchmarks.methods import exact_objective

Reference = dict[str, Any]
PROVED = 1e-12
_STORED = Path(__file__).with_name("references.json")


def reference(name: str, problem: Problem, reduction: str | None = None) -> Reference:
    """The stored reference of that name, made and stored first if there is none for these very
    data."""
    stored = json.loads(_STORED.read_text()) if _STORED.exists() else {}
    known = fingerprint(problem)
    if name not in stored or not math.isclose(stored[name]["fingerprint"], known, rel_tol=PROVED):
        stored[name] = {**tightest(problem, reduction), "fingerprint": known}
        _STORED.write_text(json.dumps(dict(sorted(stored.items())), indent=1) + "\n")
    entry: Reference = stored[name]
    return entry


def fingerprint(problem: Problem) -> float:
    """The objective at fixed coefficients: it tells other data apart, but not the last bits of the
    same data."""
    n_outputs = 1 if problem.n_classes == 2 else problem.n_classes
    W = np.random.default_rng(0).standard_normal((problem.X.shape[1] + 1, n_outputs)) / 10
    return exact_objective(problem, W)


def tightest(problem: Problem, reduction: str | None = None) -> Reference:
    """A fit in two steps: the first finds out how small the minimum is, the second goes to 1e-12 of
    it."""
    from polytome import LogisticRegression, OneVsOne, OneVsRest

    classifier = {None: LogisticRegression, "one-vs-rest": OneVsRest, "one-vs-one": OneVsOne}[reduction]
    tol = 1e-6
    scale = None if problem.scale == 1 else problem.scale
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where float64 cannot prove so much, `proved` says what it did
        model = classifier(C=problem.C, scale=scale, tol=tol).fit(problem.X, problem.y)
        certificate = model.certificate_
        tol = PROVED / 2 * certificate.objective / certificate.null_objective
        model = classifier(C=problem.C, scale=scale, tol=tol).fit(problem.X, problem.y)
    certificate = model.certificate_
    W = np.vstack([model.coef_.T * problem.scale, model.intercept_])
    name = type(model.solver_.solver).__name__
    return {
        "objective": exact_objective(problem, W, reduction),
        "gap": certificate.gap,
        "proved": certificate.gap / certificate.objective,
        "how": f"{name}, {model.history_[-1].passes:.0f} passes, {model.stop_.name.lower()}",
    }


def suboptimality(objective: float, entry: Reference) -> float:
    """`(P - P*) / P*`, at least 0: rounding may bring an objective below the stored minimum by a
    hair."""
    return max(0.0, objective - entry["objective"]) / abs(entry["objective"])
