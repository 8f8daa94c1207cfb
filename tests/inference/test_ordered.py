"""Ordered classes: R's polr, fifty digits, and what the model says of itself."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from scipy.optimize import minimize
from scipy.stats import chi2

from polytome.errors import ArgumentError, DataError
from polytome.inference import fit_formula, fit_ordered
from polytome.inference.ordered import OrderedLikelihood, class_probabilities

DATA = Path(os.environ.get("POLYTOME_DATA", "absent")) / "inference"
ORDER = ["low", "middle", "high"]


def simulated(n: int, K: int, seed: int) -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 2)), columns=["a", "b"])
    latent = X["a"] - 0.5 * X["b"] + rng.logistic(size=n)
    return X, np.digitize(latent, np.quantile(latent, np.linspace(0, 1, K + 1)[1:-1]))


@pytest.mark.data
def test_digits_are_those_of_polr() -> None:
    """R 4.2.2, MASS 7.3-58: polr(ses ~ write + science + prog), reltol = 1e-15. Its standard errors
    are of a numerical Hessian."""
    path = DATA / "hsbdemo.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    data = pd.read_csv(path)
    result = fit_formula("ses ~ write + science + prog", data, method="ordered", order=ORDER)
    expected = [-0.0008835043044871816, 0.0554054920274608884, -0.9787673098014511019, -0.5529970423708218119]
    np.testing.assert_allclose(result.coefficients[0], [*expected, 1.156988061858692, 3.461392164831485], atol=5e-8)
    errors = [0.01893637426801674, 0.01760016066692112, 0.36228362706485912, 0.35713798384171286]
    np.testing.assert_allclose(
        result.standard_errors[0], [*errors, 1.00217599278680281, 1.03406986642190390], rtol=3e-4
    )
    assert result.statistics.deviance == pytest.approx(395.3416797881965, rel=1e-12)
    assert result.estimate.terms[-2:] == ("low|middle", "middle|high")
    assert str(result).splitlines()[0].startswith("Ordered logistic regression: ses, low < middle < high")
    test = result.test("prog", "likelihood-ratio")
    assert (test.df, result.compare("ses ~ write + science").statistic) == (2, pytest.approx(test.statistic))
    proportional = result.predict_proba(data.iloc[:5])
    np.testing.assert_allclose(proportional.sum(axis=1), 1)


def test_digits_are_those_of_fifty() -> None:
    X = np.array([[0.5, 1.0], [-1.0, 0.25], [2.0, -1.5], [0.0, 0.75], [1.5, 2.0], [-0.5, -1.0], [0.25, 0.0]])
    y = [0, 0, 1, 2, 2, 1, 0]
    result = fit_ordered(X, y)
    with mpmath.workdps(50):

        def value(*theta: Any) -> Any:
            total = mpmath.mpf(0)
            for x, own in zip(X.tolist(), y, strict=True):
                score = mpmath.fdot(x, theta[:2])
                below = [mpmath.mpf(0), *(1 / (1 + mpmath.exp(score - t)) for t in theta[2:]), mpmath.mpf(1)]
                total += mpmath.log(below[own + 1] - below[own])
            return total

        def slope(*theta: Any) -> list[Any]:
            return [mpmath.diff(value, theta, tuple(int(i == k) for i in range(4))) for k in range(4)]

        exact = mpmath.findroot(slope, [mpmath.mpf(each) for each in result.coefficients[0]])
        order = [[tuple(int(i == j) + int(i == k) for i in range(4)) for k in range(4)] for j in range(4)]
        information = mpmath.matrix([[-mpmath.diff(value, tuple(exact), each) for each in row] for row in order])
        errors = [float(mpmath.sqrt((information**-1)[k, k])) for k in range(4)]
    np.testing.assert_allclose(result.coefficients[0], [float(each) for each in exact], rtol=1e-11)
    np.testing.assert_allclose(result.standard_errors[0], errors, rtol=1e-10)


@pytest.mark.parametrize("K", [2, 3, 6])
def test_derivatives_are_those_of_the_value(K: int) -> None:
    rng = np.random.default_rng(K)
    X, y, weight = rng.normal(size=(40, 3)), np.arange(40) % K, rng.uniform(0.2, 3, 40)
    likelihood = OrderedLikelihood.of(sparse.csr_array(X), y, K, weight)
    at = np.append(rng.normal(size=3), np.sort(rng.normal(size=K - 1)))
    derived, steps = likelihood.derived(at), np.eye(len(at)) * 1e-5
    values = [(likelihood.derived(at + step).value - likelihood.derived(at - step).value) / 2e-5 for step in steps]
    slopes = [
        (likelihood.derived(at + step).gradient - likelihood.derived(at - step).gradient) / 2e-5 for step in steps
    ]
    np.testing.assert_allclose(derived.gradient, values, rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(derived.information, -np.array(slopes), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("score", [-800.0, -40.0, 0.0, 40.0, 800.0])
def test_probabilities_keep_their_digits_in_the_tails(score: float) -> None:
    thresholds = np.array([-1.0, -1.0 + 1e-9, 2.0])
    found = class_probabilities(np.array([score]), thresholds)[0]
    with mpmath.workdps(1000):
        below = [0, *(1 / (1 + mpmath.exp(mpmath.mpf(score) - mpmath.mpf(t))) for t in thresholds), 1]
        exact = [float(high - low) for low, high in pairwise(below)]
    np.testing.assert_allclose(found, exact, rtol=1e-12, atol=1e-300)


def test_two_classes_are_a_logistic_regression() -> None:
    X, y = simulated(60, 2, 0)
    ordered = fit_ordered(X, y)
    frame = X.assign(y=y)
    plain = fit_formula("y ~ a + b", frame)
    np.testing.assert_allclose(ordered.coefficients[0], plain.coefficients[0][[1, 2, 0]] * [1, 1, -1], rtol=1e-8)
    np.testing.assert_allclose(ordered.standard_errors[0], plain.standard_errors[0][[1, 2, 0]], rtol=1e-7)
    turned = fit_ordered(X, y, order=[1, 0])
    np.testing.assert_allclose(turned.coefficients[0], -ordered.coefficients[0], rtol=1e-8)
    with pytest.raises(ArgumentError, match="three classes"):
        ordered.brant()


def test_weights_and_representations_agree() -> None:
    X, y = simulated(80, 4, 1)
    weights = np.arange(80) % 3
    repeated = fit_ordered(X.loc[X.index.repeat(weights)], np.repeat(y, weights))
    result = fit_ordered(X, y, weights=weights, weights_are="frequencies")
    np.testing.assert_allclose(result.coefficients, repeated.coefficients, rtol=1e-9)
    assert result.statistics.bic == pytest.approx(repeated.statistics.bic)
    scaled = fit_ordered(sparse.csr_array(X.to_numpy() * [1e5, 1e-4] + [0, 3.0]), y)
    plain = fit_ordered(X, y)
    np.testing.assert_allclose(scaled.coefficients[0, :2] * [1e5, 1e-4], plain.coefficients[0, :2], rtol=1e-6)
    np.testing.assert_allclose(
        scaled.predict_proba(sparse.csr_array(X.to_numpy() * [1e5, 1e-4] + [0, 3.0])), plain.predict_proba(X), rtol=1e-6
    )
    twice = fit_ordered(X.assign(c=X["a"] + 2 * X["b"]), y)
    assert np.isnan(twice.coefficients[0, 2])
    assert "'c' = 'a' + 2 'b'" in str(twice)


def test_an_end_of_an_interval_is_where_the_test_rejects() -> None:
    X, y = simulated(50, 3, 2)
    result = fit_ordered(X, y)
    ends = result.confidence_intervals(method="profile")[["lower", "upper"]].to_numpy()
    for k, pair in enumerate(ends):
        for end in pair:
            statistic = result.test((np.eye(4)[[k]], np.array([end])), "likelihood-ratio").statistic
            assert statistic == pytest.approx(chi2.ppf(0.95, 1), rel=1e-7)
    with pytest.raises(ArgumentError, match="no growing thresholds"):
        result.test((np.array([[0.0, 0.0, 1.0, -1.0]]), np.array([1.0])), "likelihood-ratio")


def test_estimates_without_a_finite_value_are_told() -> None:
    X, y = simulated(90, 3, 3)
    X["marked"] = ((y == 2) & (np.arange(90) % 4 == 0)).astype(float)
    result = fit_ordered(X, y)
    assert result.coefficients[0, 2] == np.inf
    assert np.isnan(result.standard_errors[0, 2])
    assert "'marked' to +infinity" in str(result)
    rest = fit_ordered(X.loc[X.marked == 0, ["a", "b"]], y[X.marked == 0])
    np.testing.assert_allclose(result.coefficients[0, [0, 1, 3, 4]], rest.coefficients[0], rtol=1e-6)
    np.testing.assert_allclose(result.standard_errors[0, [0, 1, 3, 4]], rest.standard_errors[0], rtol=1e-5)
    lower, upper = result.confidence_intervals(method="profile", terms="marked")[["lower", "upper"]].to_numpy()[0]
    assert np.isfinite(lower)
    assert upper == np.inf
    with pytest.raises(ArgumentError, match="marked"):
        result.brant()
    complete = fit_ordered(np.arange(9.0)[:, None], np.repeat([0, 1, 2], 3))
    assert np.isinf(complete.coefficients).all()
    both = fit_ordered(np.arange(6.0)[:, None], [0, 1, 0, 1, 2, 2])
    assert np.isfinite(both.coefficients).all()


def test_brants_test_is_that_of_its_paper() -> None:
    """Written down once more with whole matrices, from fits by another minimiser."""
    X, y = simulated(200, 4, 4)
    Z, fits = np.column_stack([np.ones(200), X]), []
    for j in range(3):
        sign = np.where(y > j, -1.0, 1.0)
        start = minimize(lambda w, s=sign: np.logaddexp(0, s * (Z @ w)).sum(), np.zeros(3), method="BFGS").x
        for _ in range(5):
            p = 1 / (1 + np.exp(-Z @ start))
            start = start + np.linalg.solve(Z.T @ (Z * (p * (1 - p))[:, None]), Z.T @ ((y > j) - p))
        fits.append((start, 1 / (1 + np.exp(-Z @ start))))
    V = np.zeros((6, 6))
    for j, (_, p) in enumerate(fits):
        for k, (_, q) in enumerate(fits):
            shared = Z.T @ ((np.minimum(p, q) - p * q)[:, None] * Z)
            own, other = (np.linalg.inv(Z.T @ (Z * (each * (1 - each))[:, None])) for each in (p, q))
            V[2 * j : 2 * j + 2, 2 * k : 2 * k + 2] = (own @ shared @ other)[1:, 1:]
    slopes = np.concatenate([w[1:] for w, _ in fits])
    D = np.array([[1, 0, -1, 0, 0, 0], [0, 1, 0, -1, 0, 0], [1, 0, 0, 0, -1, 0], [0, 1, 0, 0, 0, -1]], dtype=float)
    found = fit_ordered(X, y).brant()
    for rows, test in ((D, found.test), (D[::2], found.by_term[0]), (D[1::2], found.by_term[1])):
        expected = rows @ slopes @ np.linalg.solve(rows @ V @ rows.T, rows @ slopes)
        assert test.statistic == pytest.approx(expected, rel=1e-7)
        assert test.df == len(rows)
    assert str(found).splitlines()[1].startswith("Brant's test of proportional odds of a: chi2(2) = ")


def test_slopes_that_differ_are_seen() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=800)
    y = np.where(rng.random(800) < 1 / (1 + np.exp(-2 * x)), 1 + (rng.random(800) < 0.5), 0)
    assert fit_ordered(x[:, None], y).brant().test.p_value < 1e-6


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"order": None}, ArgumentError, "alphabet"),
        ({"order": ["bad", "fair"]}, ArgumentError, "leaves out 'good'"),
        ({"order": ["bad", "fair", "good", "bad"]}, ArgumentError, "twice"),
        ({"order": "bad"}, ArgumentError, "as a list"),
        ({"weights": [1.0] * 6}, ArgumentError, "weights_are"),
        ({"y": ["bad"] * 6}, DataError, "one class"),
        ({"X": np.ones((6, 7))}, DataError, "columns for 6 rows"),
    ],
    ids=str,
)
def test_what_cannot_be_fitted_is_refused(given: dict[str, Any], error: type[Exception], said: str) -> None:
    arguments: dict[str, Any] = {
        "X": [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]],
        "y": ["bad", "fair", "bad", "good", "fair", "good"],
        "order": ["bad", "fair", "good"],
    }
    with pytest.raises(error, match=said):
        fit_ordered(**arguments | given)


def test_an_order_is_taken_from_a_categorical_column() -> None:
    X, y = simulated(60, 3, 6)
    labels = pd.Series(pd.Categorical(np.array(["low", "middle", "high"])[y], categories=ORDER, ordered=True))
    expected = fit_ordered(X, y).coefficients
    np.testing.assert_array_equal(fit_ordered(X, labels).coefficients, expected)
    np.testing.assert_allclose(
        fit_formula("y ~ a + b", X.assign(y=labels), method="ordered").coefficients, expected, rtol=1e-12
    )
    with pytest.raises(ArgumentError, match="thresholds in the place of an intercept"):
        fit_formula("y ~ a - 1", X.assign(y=labels), method="ordered")
    with pytest.raises(ArgumentError, match="reference='low'"):
        fit_formula("y ~ a", X.assign(y=labels), method="ordered", reference="low")
    with pytest.raises(ArgumentError, match="order is for method='ordered'"):
        fit_formula("y ~ a", X.assign(y=labels), order=ORDER)
    with pytest.raises(ArgumentError, match="method='probit'"):
        fit_formula("y ~ a", X.assign(y=labels), method="probit")
    with pytest.raises(ArgumentError, match="covariance='HC1'"):
        fit_formula("y ~ a", X.assign(y=labels), method="ordered", covariance="HC1")
    with pytest.raises(DataError, match="columns"):
        fit_ordered(X, y).predict_proba([[1.0]])
    for wrong, said in (
        (X[["a"]], "'b'"),
        (X.assign(b=np.nan), "NaN at row 0, column 1"),
        ([["x", 1]], "not a"),
    ):
        with pytest.raises(DataError, match=said):
            fit_ordered(X, y).predict_proba(wrong)


def test_rows_that_were_not_fitted_are_checked() -> None:
    X, y = simulated(60, 3, 7)
    data = X.assign(y=y, group=np.repeat(["u", "v", "w"], 20))
    result = fit_formula("y ~ a + group", data, method="ordered")
    expected = result.predict_proba(data)
    np.testing.assert_allclose(result.predict_proba(pl.from_pandas(data)), expected)
    np.testing.assert_allclose(result.predict_proba({"a": X.a[:3], "group": ["u"] * 3}), expected[:3])
    for wrong, said in (
        (data[["a"]], "no column 'group'"),
        (data.assign(group="x"), "'group' is 'x' in row 0, which is none of the fit's levels"),
        (data.assign(a=np.nan), "'a' is missing in row 0"),
    ):
        with pytest.raises(DataError, match=said):
            result.predict_proba(wrong)
    shown = str(result.summary(odds_ratios=True))
    assert "0|1" in str(result)
    assert "0|1" not in shown
