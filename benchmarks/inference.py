"""Tables of coefficients beside statsmodels', and how often intervals cover.

    python -m benchmarks.inference [--speed [ROWS]] [--coverage N]

Thirty seeded data sets with every covariance, weights of each kind and clusters one and two ways,
to 1e-8 of the standard errors; with `--speed` a million rows of fifty columns, or so many, beside
statsmodels and glum, and a tenth of these of five classes beside MNLogit; with `--coverage` so many
simulated data sets for each kind of interval. Needs statsmodels.
"""

from __future__ import annotations

import argparse
import contextlib
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.linalg import sqrtm

from polytome import LogisticRegression
from polytome.inference import fit_firth, summarize

_TOLERANCE = 1e-8


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Columns, classes that overlap, clusters two ways, and whole weights."""
    rng = np.random.default_rng(seed)
    n, d, K = int(rng.integers(150, 900)), int(rng.integers(1, 7)), int(rng.integers(2, 6))
    X = rng.normal(size=(n, d))
    y = (X @ rng.normal(size=(d, K)) * 0.7 + rng.gumbel(size=(n, K))).argmax(axis=1)
    return X, y, np.column_stack([rng.integers(0, 25, n), rng.integers(0, 12, n)]), rng.integers(1, 5, n)


def differences_from_statsmodels(seed: int) -> dict[str, float]:
    """The largest difference of a coefficient or a covariance, relative to standard errors, of each
    covariance that statsmodels has, and of those made of its scores and Hessians: statsmodels has
    no weights for several classes, nor HC2 and HC3."""
    X, y, groups, weight = drawn(seed)
    found = {}
    for kind, weights_are, clusters in _asked():
        weights = {} if weights_are is None else {"weights": weight, "weights_are": weights_are}
        fitted = LogisticRegression(C=np.inf, tol=1e-8).fit(X, y, None if weights_are is None else weight)
        by = None if clusters is None else groups[:, :clusters]
        ours = summarize(fitted, X, y, covariance=kind, clusters=by, **weights)
        params, covariance = _of_statsmodels(X, y, kind, weights_are, weight, by)
        errors = ours.standard_errors.ravel()
        change = np.abs(ours.coefficients.ravel() - params) / errors
        spread = np.abs(ours.covariance - covariance) / np.outer(errors, errors)
        name = " ".join(
            [kind, *([] if clusters is None else [("", "one way", "two ways")[clusters]]), weights_are or ""]
        ).strip()
        found[name] = float(max(change.max(), spread.max()))
    return found


def _asked() -> Iterator[tuple[str, str | None, int | None]]:
    """Covariances, what weights are, and by how many ways of clusters."""
    for weights_are in (None, "frequencies", "importance", "sampling"):
        kinds = ("observed", "HC0", "HC1", "HC2", "HC3", "robust")
        for kind in kinds[1:] if weights_are == "sampling" else kinds:
            yield kind, weights_are, None
        for kind in ("cluster", "cluster-HC1"):
            yield kind, weights_are, 1
            yield kind, weights_are, 2


def _of_statsmodels(
    X: np.ndarray, y: np.ndarray, kind: str, weights_are: str | None, weight: np.ndarray, groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Its coefficients, and its covariance or, where it has none, the sandwich of its Hessian and
    its scores. Weights are whole, so that its rows are repeated for them."""
    import statsmodels.api as models

    design = np.column_stack([np.ones(len(X)), X])
    make = models.Logit if y.max() == 1 else models.MNLogit
    times = np.ones_like(weight) if weights_are is None else weight
    by = None if groups is None else np.repeat(groups, times, axis=0)
    how: dict[str, Any] = {}
    if weights_are in (None, "frequencies") and kind == "HC0":
        how = {"cov_type": "HC0"}
    elif weights_are in (None, "frequencies") and by is not None and kind == "cluster-HC1":
        how = {"cov_type": "cluster", "cov_kwds": {"groups": by if by.shape[1] > 1 else by[:, 0]}}
    fit = make(np.repeat(y, times), np.repeat(design, times, axis=0)).fit(
        disp=0, method="newton", tol=1e-13, maxiter=100, **how
    )
    params = np.asarray(fit.params).T.ravel()
    if how or kind == "observed":
        return params, np.asarray(fit.cov_params())
    once = make(y, design)
    V, scores = -np.linalg.inv(fit.model.hessian(fit.params)), np.asarray(once.score_obs(fit.params))
    counts_rows = weights_are == "frequencies"
    if kind in ("HC2", "HC3"):
        probabilities = np.asarray(once.predict(fit.params)).reshape(len(y), -1)
        scores = _adjusted(
            scores, probabilities[:, -1:] if y.max() == 1 else probabilities[:, 1:], design, V, times, counts_rows, kind
        )
    n, k = (int(times.sum()) if counts_rows else len(y)), len(V)
    factor = {"HC1": n / (n - k), "cluster-HC1": (n - 1) / (n - k), "robust": n / (n - 1)}.get(kind, 1.0)
    if groups is None:
        meat = (scores * (times if counts_rows else times**2)[:, None]).T @ scores
    else:
        meat = np.zeros_like(V)
        for columns, sign in (([0], 1), ([1], 1), ([0, 1], -1))[: 3 if groups.shape[1] > 1 else 1]:
            codes = np.unique(groups[:, columns], axis=0, return_inverse=True)[1].ravel()
            sums = np.zeros((codes.max() + 1, k))
            np.add.at(sums, codes, scores * times[:, None])
            meat += sign * len(sums) / (len(sums) - 1) * sums.T @ sums
    return params, factor * V @ meat @ V


def _adjusted(
    scores: np.ndarray,
    p: np.ndarray,
    design: np.ndarray,
    V: np.ndarray,
    weight: np.ndarray,
    counts_rows: bool,
    kind: str,
) -> np.ndarray:
    """Scores with residuals multiplied by a power of `I - H_i`, row by row, as it is defined."""
    E, m = p.shape[1], design.shape[1]
    residual = scores.reshape(len(p), E, m)[:, :, 0]  # the first column is the intercept's
    adjusted = np.empty_like(scores)
    for i, x in enumerate(design):
        spread = np.einsum("a,jakb,b->jk", x, V.reshape(E, m, E, m), x)
        curvature = (np.diag(p[i]) - np.outer(p[i], p[i])) * (1.0 if counts_rows else weight[i])
        rest = np.eye(E) - curvature @ spread
        power = np.linalg.inv(rest if kind == "HC3" else np.real(sqrtm(rest)))
        adjusted[i] = np.kron(power @ residual[i], x)
    return adjusted


def speed(n_rows: int) -> None:
    """Seconds for rows of fifty columns with robust errors, beside statsmodels' GLM and, where it
    is installed, glum; and of twenty columns and five classes, beside MNLogit."""
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
    _compare(f"{n_rows:,} x 50", runs)
    X = np.ascontiguousarray(X[: n_rows // 10, :20])
    classes = (X @ rng.normal(size=(20, 5)) * 0.3 + rng.gumbel(size=(len(X), 5))).argmax(axis=1)
    runs = {
        "polytome": lambda: summarize(LogisticRegression(C=np.inf, tol=1e-8).fit(X, classes), X, classes),
        "MNLogit": lambda: models.MNLogit(classes, models.add_constant(X)).fit(method="newton", disp=0).bse,
    }
    _compare(f"{len(X):,} x 20, five classes", runs)


def _compare(what: str, runs: dict[str, Callable[[], object]]) -> None:
    """The medians of three runs of each, one after the other, and their ratios to the first."""
    passed: dict[str, list[float]] = {name: [] for name in runs}
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(3):
        for name, run in runs.items():
            start, own = time.perf_counter(), time.process_time()
            run()
            passed[name].append(time.perf_counter() - start)
            spent[name].append(time.process_time() - own)
    first = next(iter(runs))
    for name in runs:
        ratio = float(np.median(np.divide(spent[name], spent[first])))
        seconds, own = float(np.median(passed[name])), float(np.median(spent[name]))
        print(f"{what}, {name}: {seconds:.2f} s, of the processor {own:.2f} s, {ratio:.1f} times", flush=True)


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
        found = [differences_from_statsmodels(seed) for seed in range(30)]
        for name in found[0]:
            print(f"30 data sets against statsmodels, {name}: {max(each[name] for each in found):.1e} standard errors")
        largest = max(max(each.values()) for each in found)
        print(f"the largest difference: {largest:.1e}", flush=True)
        if asked.speed:
            speed(asked.speed)
        if asked.coverage:
            coverage(asked.coverage)
    if largest > _TOLERANCE:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
