"""Tables of coefficients beside statsmodels', and how often intervals cover.

    python -m benchmarks.inference [--speed] [--coverage N]

Thirty seeded data sets with every covariance that statsmodels has, to 1e-8 of the standard errors;
with `--speed` a million rows of fifty columns; with `--coverage` so many simulated data sets for
each kind of interval. Needs statsmodels.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np

from polytome import LogisticRegression
from polytome.inference import fit_formula, summarize

_TOLERANCE = 1e-8


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns, classes that overlap, and clusters."""
    rng = np.random.default_rng(seed)
    n, d, K = int(rng.integers(150, 900)), int(rng.integers(1, 7)), int(rng.integers(2, 6))
    X = rng.normal(size=(n, d))
    y = (X @ rng.normal(size=(d, K)) * 0.7 + rng.gumbel(size=(n, K))).argmax(axis=1)
    return X, y, rng.integers(0, 25, n)


def worst_difference(seed: int) -> float:
    """The largest difference of a coefficient or a covariance, relative to standard errors."""
    import statsmodels.api as models

    X, y, groups = drawn(seed)
    design = np.column_stack([np.ones(len(X)), X])
    peer = (models.Logit if y.max() == 1 else models.MNLogit)(y, design)
    model = LogisticRegression(C=np.inf, tol=1e-8).fit(X, y)
    asked: dict[str, dict[str, Any]] = {
        "observed": {},
        "HC0": {"cov_type": "HC0"},
        "cluster-HC1": {"cov_type": "cluster", "cov_kwds": {"groups": groups}},
    }
    worst = 0.0
    for kind, how in asked.items():
        theirs = peer.fit(disp=0, method="newton", tol=1e-13, maxiter=100, **how)
        ours = summarize(model, X, y, covariance=kind, clusters=groups if kind == "cluster-HC1" else None)
        errors = ours.standard_errors.ravel()
        change = np.abs(ours.coefficients.ravel() - np.asarray(theirs.params).T.ravel()) / errors
        spread = np.abs(ours.covariance - np.asarray(theirs.cov_params())) / np.outer(errors, errors)
        worst = max(worst, change.max(), spread.max())
    return worst


def speed() -> None:
    """Seconds of the processor for a million rows of fifty columns with robust errors."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1_000_000, 50))
    y = (X @ rng.normal(size=50) * 0.2 + rng.logistic(size=len(X)) > 0).astype(int)
    start = time.process_time()
    model = LogisticRegression(C=np.inf, tol=1e-8).fit(X, y)
    fitted = time.process_time()
    summarize(model, X, y, covariance="HC1")
    print(f"1,000,000 x 50: fit {fitted - start:.2f} s, table with HC1 {time.process_time() - fitted:.2f} s")


def coverage(n_sets: int) -> None:
    """How often 95 % intervals hold the true coefficient."""
    for name, n, options, how in (
        ("Wald, n = 2,000", 2000, {}, "wald"),
        ("profile, n = 100", 100, {}, "profile"),
        ("50 clusters, n = 1,000", 1000, {"clusters": True}, "wald"),
    ):
        held = np.zeros(2)
        for seed in range(n_sets):
            rng = np.random.default_rng([n, seed])
            groups = rng.integers(0, 50, n)
            # A column that is the same in a cluster, and what pulls its rows together: there is no
            # effect to find.
            x = rng.normal(size=50)[groups] if options else rng.normal(size=n)
            pulled = 0.5 * rng.normal(size=50)[groups] if options else 0.0
            slope = 0.0 if options else 0.8
            y = (slope * x + pulled + rng.logistic(size=n) > 0).astype(int)
            result = fit_formula("y ~ x", {"y": y, "x": x}, clusters=groups if options else None)
            ends = result.confidence_intervals(method=how, terms="x")
            held += ends["lower"][0] <= slope <= ends["upper"][0], 1
        print(f"{name}: {100 * held[0] / held[1]:.1f} % of {n_sets:,} intervals hold the coefficient")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--coverage", type=int, default=0)
    asked = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        differences = [worst_difference(seed) for seed in range(30)]
        print(f"30 data sets against statsmodels: largest difference {max(differences):.1e} standard errors")
        if asked.speed:
            speed()
        if asked.coverage:
            coverage(asked.coverage)
    if max(differences) > _TOLERANCE:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
