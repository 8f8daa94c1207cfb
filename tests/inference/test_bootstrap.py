"""The bootstrap: resamples as weights, intervals against scipy's, the same bits in any number of
threads, and separated resamples that are counted."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from polytome import LinearRegression, LogisticRegression, MultilabelLogistic, OneVsOne, OneVsRest
from polytome.errors import ArgumentError, DataError
from polytome.inference import LogisticResult, bootstrap, fit_firth, fit_formula, fit_ordered, summarize
from polytome.inference.bootstrapping import bca_ends
from polytome.inference.resampling import SEPARATED, Units
from polytome.models.diagnose import diagnose

pytest.importorskip("formulaic")


@cache
def rows(n: int = 90) -> pd.DataFrame:
    random = np.random.default_rng(5)
    x, z = random.normal(size=n), random.normal(size=n)
    y = (random.random(n) < 1 / (1 + np.exp(-x + 0.5))).astype(int)
    return pd.DataFrame({"x": x, "z": z, "y": y, "k": (x + random.logistic(size=n) > 0) + y, "c": np.arange(n) // 6})


@cache
def _table(formula: str, asked: tuple[tuple[str, Any], ...]) -> LogisticResult:
    return fit_formula(
        formula, rows(), **{name: list(value) if isinstance(value, tuple) else value for name, value in asked}
    )


def table(formula: str = "y ~ x", **asked: Any) -> LogisticResult:
    return _table(
        formula, tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in asked.items())
    )


def of_rows(n: int) -> Units:
    return Units(np.arange(n), n, None, np.ones(n), "rows")


def mean(coefficients: np.ndarray) -> float:
    return float(1 / (1 + np.exp(-coefficients[0, 0])))


def test_bca_ends_are_scipy_s() -> None:
    data = np.random.default_rng(1).exponential(size=25)
    found = stats.bootstrap((data,), np.mean, n_resamples=999, method="BCa", random_state=2)
    without = np.array([np.delete(data, i).mean() for i in range(25)])
    ends = bca_ends(data.mean(keepdims=True), found.bootstrap_distribution[:, None], without[:, None], 0.95)
    assert_allclose(np.ravel(ends), found.confidence_interval, rtol=1e-12)


def test_a_mean_is_resampled_as_scipy_does() -> None:
    result = table("y ~ 1")
    found = bootstrap(result, n=60, seed=4, statistic=mean)
    y, units = result.sample.codes, of_rows(90)
    drawn = np.array([units.drawn(4, b) for b in range(60)])
    assert_array_equal(drawn.sum(axis=1), 90)
    assert_array_equal(drawn, drawn.round())
    assert_allclose(found.replicates[:, 0], drawn @ y / 90, rtol=1e-10)
    assert_allclose(found.left_out[:, 0], (y.sum() - y) / 89, rtol=1e-10)
    assert found.names == ("statistic",)
    lower, upper = found.ends(0.9, "percentile")
    assert_allclose([lower[0], upper[0]], np.quantile(drawn @ y / 90, [0.05, 0.95]), rtol=1e-10)
    with pytest.raises(ArgumentError, match="of your statistic"):
        found.summary(odds_ratios=True)


def test_of_25_rows_intervals_cover_as_often_as_they_say() -> None:
    # Of one probability all samples are known: for each number of successes its interval, and how
    # probable that number is.
    p, n, covered, total = 0.4, 25, 0.0, 0.0
    for k in range(5, 16):
        result = summarize_mean(k, n)
        found = bootstrap(result, n=99, seed=k, statistic=mean)
        lower, upper = found.ends(0.9)
        chance = stats.binom.pmf(k, n, p)
        total += chance
        covered += chance * bool(lower[0] <= p <= upper[0])
    assert 0.85 < covered / total < 0.95


def summarize_mean(k: int, n: int) -> LogisticResult:
    return fit_formula("y ~ 1", {"y": [1] * k + [0] * (n - k)})


MODELS: dict[str, Any] = {
    "table": lambda: (table("k ~ x + z"),),
    "firth": lambda: (fit_firth(rows()[["x", "z"]], rows()["y"]),),
    "ordered": lambda: (fit_ordered(rows()[["x"]], rows()["k"]),),
    "ridge": lambda: fitted(LogisticRegression(C=1.0, scale="standard")),
    "lasso": lambda: fitted(LogisticRegression(C=0.5, l1_ratio=1.0)),
    "one-vs-rest": lambda: fitted(OneVsRest(C=1.0), "k"),
}


def fitted(model: Any, y: str = "y") -> tuple[Any, Any, Any]:
    X = rows()[["x", "z"]]
    return model.fit(X, rows()[y]), X, rows()[y]


@pytest.mark.parametrize("name", MODELS)
def test_the_same_bits_in_any_number_of_threads_and_as_part_of_more(name: str) -> None:
    asked = MODELS[name]()
    one = bootstrap(*asked, n=12, n_jobs=1, method="percentile")
    two = bootstrap(*asked, n=16, n_jobs=2, method="percentile")
    assert_array_equal(one.replicates, two.replicates[: len(one.replicates)])
    assert len(one.names) == one.replicates.shape[1] == len(one.values)
    assert np.isfinite(one.replicates).all()


def test_each_replicate_is_a_fit_to_the_weights() -> None:
    model, X, y = fitted(LogisticRegression(C=1.0))
    found = bootstrap(model, X, y, n=3, method="percentile", sample_weight=np.arange(90) % 2 + 1.0)
    weight = of_rows(90).drawn(0, 2) * (np.arange(90) % 2 + 1.0)
    again = LogisticRegression(C=1.0, tol=1e-10).fit(X, y, sample_weight=weight)
    assert_allclose(found.replicates[2], [again.intercept_[0], *again.coef_[0]], atol=1e-4)
    assert found.names == ("Intercept", "x", "z")
    assert not model.warm_start
    exact = bootstrap(table(), n=3, method="percentile")
    drawn = of_rows(90).drawn(0, 2).astype(int)
    repeated = fit_formula("y ~ x", rows().loc[np.repeat(np.arange(90), drawn)])
    assert_allclose(exact.replicates[2], repeated.coefficients[0], rtol=1e-8)


def test_errors_are_near_the_robust_ones() -> None:
    found = bootstrap(table(), n=300, method="percentile")
    robust = table(covariance="HC1").standard_errors[0]
    assert_allclose(found.standard_errors, robust, rtol=0.2)
    assert_allclose(np.diag(found.covariance), found.standard_errors**2)


def test_clusters_are_drawn_whole_and_those_of_the_table_are_taken() -> None:
    own = bootstrap(table(clusters="c"), n=5, method="percentile")
    given = bootstrap(table(), clusters=rows()["c"], n=5, method="percentile")
    assert_array_equal(own.replicates, given.replicates)
    assert own.units == "clusters"
    assert own.n_units == 15
    weight = Units(np.arange(90) // 6, 15, None, np.ones(90), "clusters").drawn(0, 1)
    assert (weight.reshape(15, 6) == weight[::6, None]).all()
    assert "15 clusters" in str(own)


def test_frequencies_are_so_many_rows() -> None:
    counted = pd.DataFrame({"x": [0, 0, 1, 1], "y": [0, 1, 0, 1], "n": [30, 10, 12, 25]})
    result = fit_formula("y ~ x", counted, weights="n", weights_are="frequencies")
    found = bootstrap(result, n=40)
    long = counted.loc[np.repeat(np.arange(4), counted["n"])]
    same = bootstrap(fit_formula("y ~ x", long), n=40)
    assert found.n_units == 77
    assert_allclose(found.standard_errors, same.standard_errors, rtol=0.4)
    ends = [bca_ends(same.values, same.replicates, each.left_out, 0.95, each.left_out_counts) for each in (found, same)]
    assert_allclose(ends[0], ends[1], rtol=1e-7)


def test_any_model_has_names_and_finite_numbers() -> None:
    X, k = rows()[["x"]], rows()["k"].to_numpy()
    pairs = bootstrap(OneVsOne(C=1.0).fit(X, k), X, k, n=4, method="percentile")
    assert pairs.names[0] == "[1 against 0]Intercept"
    both = np.column_stack([k > 0, k > 1]).astype(int)
    labels = bootstrap(MultilabelLogistic(C=1.0).fit(X, both), X, both, n=4, method="percentile")
    assert labels.replicates.shape == (4, 4)
    line = bootstrap(LinearRegression().fit(X, X["x"] * 2), X, X["x"] * 2, n=4, method="percentile")
    assert_allclose(line.replicates, [[0, 2]] * 4, atol=1e-6)
    of = bootstrap(LogisticRegression().fit(X, k), X, k, n=4, method="percentile", statistic=lambda m: m.score(X, k))
    assert of.names == ("statistic",)


def test_separated_resamples_are_counted_and_told() -> None:
    x = np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
    y = np.array([0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1])
    result = fit_formula("y ~ x", {"x": x, "y": y})
    found = bootstrap(result, n=60, method="percentile")
    separated = 0
    for b in range(60):
        used = of_rows(14).drawn(0, b) > 0
        separated += len(set(y[used])) == 2 and diagnose(x[used, None], y[used]).separation is not None
    assert found.lost[SEPARATED] == separated > 0
    assert len(found.replicates) == 60 - sum(found.lost.values())
    assert np.isfinite([found.bias, found.standard_errors, *found.ends()]).all()
    assert f"Left out: {separated} of 60 resamples, as its classes are separated" in str(found)
    assert "errors and intervals are too small" in str(found)


def test_ctrl_c_keeps_what_is_done() -> None:
    def stop(done: int, total: int) -> None:
        assert total == 50
        if done == 20:
            raise KeyboardInterrupt

    found = bootstrap(table(), n=50, method="percentile", progress=stop, n_jobs=1)
    whole = bootstrap(table(), n=50, method="percentile")
    assert found.is_interrupted
    assert 20 <= found.n < 50
    assert_array_equal(found.replicates, whole.replicates[: len(found.replicates)])
    assert "Interrupted after" in str(found)


def test_a_table_shows_odds_ratios_and_a_frame() -> None:
    found = bootstrap(table(), n=30, method="percentile", level=0.8)
    shown = found.to_json()
    assert [each["name"] for each in shown["values"]] == ["Intercept", "x"]
    assert shown["values"][1]["lower"] == pytest.approx(np.quantile(found.replicates[:, 1], 0.1))
    assert list(found.table["name"]) == ["Intercept", "x"]
    assert "percentile 80 % from" in str(found)
    assert f"{np.exp(found.values[1]):#.5g}" in str(found.summary(odds_ratios=True))


def wrong() -> dict[str, tuple[Any, str]]:
    endless = {"x": [0, 0, 0, 1, 1, 1], "y": [0, 1, 0, 1, 1, 1]}
    model, X, y = fitted(LogisticRegression())
    apart = summarize(LogisticRegression(C=np.inf).fit(X, y), X, y)
    return {
        "n": (lambda: bootstrap(table(), n=1), "n=1: needs"),
        "seed": (lambda: bootstrap(table(), seed=-1), "seed=-1"),
        "method": (lambda: bootstrap(table(), method="basic"), "method='basic'"),
        "level": (lambda: bootstrap(table(), level=95), "level=95"),
        "rows": (lambda: bootstrap(model), "give the rows that LogisticRegression"),
        "twice": (lambda: bootstrap(apart, X, y), "a table has its rows"),
        "length": (lambda: bootstrap(model, X, y[:-1]), "89 labels for 90 rows"),
        "clusters": (lambda: bootstrap(table(), clusters=[1, 2]), r"clusters has shape \(2,\)"),
        "one-cluster": (lambda: bootstrap(table(), clusters=[1] * 90), "one cluster only"),
        "two-ways": (lambda: bootstrap(table(clusters=["c", "k"])), "clustered two ways"),
        "infinite": (lambda: bootstrap(fit_formula("y ~ x", endless)), "no finite estimate of 'x'"),
        "words": (lambda: bootstrap(table(), n=3, statistic=lambda _: "large"), "statistic gave 'large'"),
        "late": (
            lambda: bootstrap(table(), n=3, method="percentile").ends(method="bca"),
            "fits without each row, which were not made",
        ),
        "few": (
            lambda: bootstrap(fit_formula("y ~ x", {"x": range(4), "y": [0, 1, 0, 1]}), n=40),
            "resamples have estimates .*Firth",
        ),
    }


@pytest.mark.parametrize("name", wrong())
def test_what_cannot_be_resampled_is_refused(name: str) -> None:
    call, message = wrong()[name]
    with pytest.raises((ArgumentError, DataError), match=message):
        call()
