"""Tables of coefficients beside statsmodels', and how often intervals cover.

    python -m benchmarks.inference [--speed [ROWS]] [--coverage N]

Thirty seeded data sets with every covariance that statsmodels has, to 1e-8 of the standard errors;
with `--speed` a million rows of fifty columns, or so many, beside statsmodels and glum; with
`--coverage` so many simulated data sets for each kind of interval. Needs statsmodels.
"""

from __future__ import annotations

import argparse
import contextlib
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from polytome import LogisticRegression
from polytome.inference import fit_firth, summarize

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


def speed(n_rows: int) -> None:
    """Seconds for rows of fifty columns with robust errors, beside statsmodels' GLM and, where it
    is installed, glum: those that pass, and those of the processor."""
    import statsmodels.api as models

    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 50))
    y = (X @ rng.normal(size=50) * 0.2 + rng.logistic(size=len(X)) > 0).astype(int)

    def ours() -> None:
        summarize(LogisticRegression(C=np.inf, tol=1e-8).fit(X, y), X, y, covariance="HC1")

    def statsmodels() -> None:
        design = np.column_stack([np.ones(len(X)), X])
        models.GLM(y, design, family=models.families.Binomial()).fit(cov_type="HC1")

    runs: dict[str, Callable[[], object]] = {"polytome": ours, "statsmodels' GLM": statsmodels}
    with contextlib.suppress(ImportError):
        import glum

        def of_glum() -> None:
            fit = glum.GeneralizedLinearRegressor(family="binomial", alpha=0, gradient_tol=1e-8).fit(X, y)
            fit.covariance_matrix(X, y, robust=True)

        runs["glum"] = of_glum
    for name, run in runs.items():
        passed, spent = time.perf_counter(), time.process_time()
        run()
        passed, spent = time.perf_counter() - passed, time.process_time() - spent
        print(f"{n_rows:,} x 50, {name}: {passed:.2f} s, of the processor {spent:.2f} s", flush=True)


def coverage(n_sets: int) -> None:
    """How often 95 % intervals hold the true coefficient."""
    for name, draw in {
        "Wald, n = 2,000": _plain(2000),
        "Wald, three classes, n = 2,000": _of_three_classes,
        "profile, n = 100": _plain(100, "profile"),
        "Firth's profile, n = 500 of which some 2 % are events": _rare,
        "50 clusters of 20 rows, a column of rows": _clustered(within=1.0),
        "50 clusters of 20 rows, a column of clusters": _clustered(within=0.0),
        "the same, CR2": _clustered(within=0.0, covariance="CR2"),
        "the same, CR3": _clustered(within=0.0, covariance="CR3"),
    }.items():
        held = sets = 0
        for seed in range(n_sets):
            ends, slope = draw(np.random.default_rng([7, seed]))
            lower, upper = np.asarray(ends[["lower", "upper"]])[-1]
            held, sets = held + (lower <= slope <= upper), sets + 1
        print(f"{name}: {100 * held / sets:.1f} % of {sets:,} intervals hold the coefficient", flush=True)


def _intervals(
    X: np.ndarray, y: np.ndarray, how: str = "wald", clusters: np.ndarray | None = None, covariance: str | None = None
) -> Any:
    model = LogisticRegression(C=np.inf, tol=1e-6).fit(X, y)
    return summarize(model, X, y, clusters=clusters, covariance=covariance).confidence_intervals(
        method=how, terms="feature_0"
    )


def _plain(n: int, how: str = "wald") -> Callable[[np.random.Generator], tuple[Any, float]]:
    def draw(rng: np.random.Generator) -> tuple[Any, float]:
        x = rng.normal(size=n)
        return _intervals(x[:, None], (0.8 * x + rng.logistic(size=n) > 0).astype(int), how), 0.8

    return draw


def _of_three_classes(rng: np.random.Generator) -> tuple[Any, float]:
    x = rng.normal(size=2000)
    scores = np.column_stack([np.zeros(2000), 0.5 * x, 0.8 * x - 0.5]) + rng.gumbel(size=(2000, 3))
    return _intervals(x[:, None], scores.argmax(axis=1)), 0.8


def _rare(rng: np.random.Generator) -> tuple[Any, float]:
    x = rng.normal(size=500)
    y = (0.8 * x - 4.2 + rng.logistic(size=500) > 0).astype(int)
    result = fit_firth(x[:, None], y)
    return result.confidence_intervals(method="profile", terms=result.estimate.terms[-1]), 0.8


def _clustered(within: float, covariance: str | None = None) -> Callable[[np.random.Generator], tuple[Any, float]]:
    """A column that is the same in a cluster, or differs there too, and what pulls the rows of a
    cluster together: there is no effect to find."""

    def draw(rng: np.random.Generator) -> tuple[Any, float]:
        clusters = np.repeat(np.arange(50), 20)
        x = rng.normal(size=50)[clusters] + within * rng.normal(size=1000)
        y = (0.7 * rng.normal(size=50)[clusters] + rng.logistic(size=1000) > 0).astype(int)
        return _intervals(x[:, None], y, clusters=clusters, covariance=covariance), 0.0

    return draw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", type=int, nargs="?", const=1_000_000, default=0)
    parser.add_argument("--coverage", type=int, default=0)
    asked = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        differences = [worst_difference(seed) for seed in range(30)]
        print(f"30 data sets against statsmodels: largest difference {max(differences):.1e} standard errors")
        if asked.speed:
            speed(asked.speed)
        if asked.coverage:
            coverage(asked.coverage)
    if max(differences) > _TOLERANCE:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
