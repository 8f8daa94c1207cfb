"""Firth's estimates are those of logistf and brglm2, and what tables of counts make them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import chi2

from polytome.errors import ArgumentError, DataError
from polytome.inference import FirthResult, fit_firth, fit_formula
from polytome.inference.firth import JeffreysLikelihood
from polytome.inference.likelihood import Likelihood

DATA = Path(os.environ.get("POLYTOME_DATA", "absent")) / "inference"


def table(name: str) -> pd.DataFrame:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return pd.read_csv(path)


def profile(result: FirthResult, **given: Any) -> Any:
    return result.confidence_intervals(method="profile", **given)[["lower", "upper"]].to_numpy()


@pytest.mark.data
def test_the_endometrial_study_is_that_of_logistf() -> None:
    """Heinze and Schemper (2002); digits of R's logistf 1.26 and brglm2 0.9.2."""
    data = table("endometrial.csv")
    result = fit_firth(data[["NV", "PI", "EH"]], data["HG"])
    np.testing.assert_allclose(
        result.coefficients[0],
        [3.77455971364702858, 2.92927335319709403, -0.03475175987043382, -2.60416392529365481],
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        result.standard_errors[0],
        [1.4886916634356544, 1.5507637294530392, 0.03957814734776308, 0.77601764250156124],
        rtol=1e-9,
    )
    assert result.statistics.deviance == pytest.approx(56.57539465104197, rel=1e-10)
    expected = [[1.0825371, 7.20928050], [0.6097244, 7.85463171], [-0.1244587, 0.04045547], [-4.3651832, -1.23272106]]
    np.testing.assert_allclose(profile(result), expected, rtol=2e-7)
    smaller = fit_firth(data[["PI", "EH"]], data["HG"])
    test = result.compare(smaller)
    assert (test.df, test.method) == (1, "penalised likelihood ratio")
    assert test.statistic == pytest.approx(result.test("NV", "likelihood-ratio").statistic)
    assert "Firth's penalised likelihood" in str(result)
    assert "Converged" in str(result)
    assert "Proved" not in str(result)


@pytest.mark.data
def test_three_classes_are_those_of_brglm2() -> None:
    """R's brglm2 0.9.2, brmultinom(type = "AS_mean", epsilon = 1e-12)."""
    data = table("hsbdemo.csv")
    X = pd.DataFrame({"low": data.ses == "low", "middle": data.ses == "middle", "write": data.write}).astype(float)
    result = fit_firth(X, data["prog"], reference="academic")
    expected = [
        [1.6562211131880837, 1.1233725552818499, 0.5976855355005994, -0.0564140268790459],
        [4.1051878243079694, 0.9442950258268696, 1.2155658805470881, -0.1098278745054605],
    ]
    np.testing.assert_allclose(result.coefficients, expected, rtol=1e-8)
    errors = [
        [1.21951514056076094, 0.51081918831328410, 0.46049673835892752, 0.02124584021286904],
        [1.19595780738142987, 0.58836137097306718, 0.50337526337574778, 0.02194835573785655],
    ]
    np.testing.assert_allclose(result.standard_errors, errors, rtol=1e-8)
    assert result.statistics.deviance == pytest.approx(360.03117107307, rel=1e-10)
    other = fit_firth(X, data["prog"], reference="vocation")
    np.testing.assert_allclose(other.coefficients[0], -result.coefficients[1], rtol=1e-8)


@pytest.mark.data
def test_weights_are_those_of_brglm2() -> None:
    data = table("hsbdemo.csv")
    number = np.arange(1, len(data) + 1)
    chosen = np.flatnonzero((data.ses == "low") | (number % 7 == 0))[:40]
    some, weights = data.iloc[chosen], (1 + number % 3)[chosen]
    result = fit_firth(some[["write", "science"]], some["prog"], weights=weights, weights_are="frequencies")
    expected = [
        [-10.10922096066833653, 0.05368512885358915, 0.19283173420065391],
        [0.03941906436054889, -0.03064167180830622, 0.05441592627879301],
    ]
    np.testing.assert_allclose(result.coefficients, expected, rtol=1e-7)
    repeated = some.loc[some.index.repeat(weights)]
    np.testing.assert_allclose(
        fit_firth(repeated[["write", "science"]], repeated["prog"]).coefficients, expected, rtol=1e-7
    )


@pytest.mark.parametrize("counts", [[[3, 5], [7, 2]], [[0, 5], [7, 2]], [[0, 5], [7, 0]], [[1, 1], [1, 0]]])
def test_a_table_of_four_cells_gets_a_half_more_in_each(counts: Any) -> None:
    X = np.repeat([0.0, 0.0, 1.0, 1.0], np.ravel(counts))[:, None]
    y = np.repeat([0, 1, 0, 1], np.ravel(counts))
    (a, b), (c, d) = np.asarray(counts) + 0.5
    result = fit_firth(X, y)
    np.testing.assert_allclose(result.coefficients[0], [np.log(b / a), np.log(a * d / (b * c))], rtol=1e-10, atol=1e-12)
    assert np.isfinite(profile(result)).all()


def test_intercepts_of_many_classes_get_a_half_more_in_each() -> None:
    """Jeffreys' prior of a multinomial is Dirichlet's with 1/2 for each class."""
    result = fit_firth(np.arange(12.0)[:, None] % 1, np.repeat(list("abcd"), [1, 2, 3, 6]))
    np.testing.assert_allclose(result.coefficients[:, 0], np.log(np.array([2.5, 3.5, 6.5]) / 1.5), rtol=1e-10)
    assert np.isnan(result.coefficients[:, 1]).all()
    assert "Not estimated (NA)" in str(result)


@pytest.mark.parametrize("K", [2, 3, 5])
def test_the_modified_score_is_the_derivative(K: int) -> None:
    rng = np.random.default_rng(K)
    X, y, weight = rng.normal(size=(30, 3)), rng.integers(0, K, 30), rng.uniform(0.2, 3, 30)
    for fit_intercept in (True, False):
        own = JeffreysLikelihood(Likelihood.of(X, y, K, weight, fit_intercept))
        at = rng.normal(size=own.likelihood.size)
        steps = np.eye(len(at)) * 1e-5
        numeric = [(own.derived(at + step).value - own.derived(at - step).value) / 2e-5 for step in steps]
        np.testing.assert_allclose(own.derived(at).gradient, numeric, atol=1e-7)


def test_digits_are_those_of_fifty() -> None:
    """By Newton's method on the modified score in mpmath, whose digits double with each step."""
    X, y = [[0.5, 1.0], [-1.0, 0.25], [2.0, -1.5], [0.0, 0.75], [1.5, 2.0], [-0.5, -1.0]], [0, 0, 1, 1, 0, 1]
    result = fit_firth(np.array(X), np.array(y))
    with mpmath.workdps(50):
        rows = [[mpmath.mpf(1), *map(mpmath.mpf, x)] for x in X]

        def score(*theta: Any) -> list[Any]:
            p = [1 / (1 + mpmath.exp(-mpmath.fdot(row, theta))) for row in rows]
            A = mpmath.matrix(3, 3)
            for row, each in zip(rows, p, strict=True):
                for i in range(3):
                    for j in range(3):
                        A[i, j] += each * (1 - each) * row[i] * row[j]
            V = A**-1
            residuals = []
            for row, each, own in zip(rows, p, y, strict=True):
                Q = sum(row[i] * V[i, j] * row[j] for i in range(3) for j in range(3))
                residuals.append(own - each + Q * each * (1 - each) * (mpmath.mpf(1) / 2 - each))
            return [mpmath.fsum(r * row[i] for r, row in zip(residuals, rows, strict=True)) for i in range(3)]

        exact = mpmath.findroot(score, [mpmath.mpf(each) for each in result.coefficients[0]])
    np.testing.assert_allclose(result.coefficients[0], [float(each) for each in exact], rtol=1e-12)


def test_an_end_of_an_interval_is_where_the_test_rejects() -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, size=(40, 1)).astype(float)
    y = np.array(list("abc"))[rng.integers(0, 2, 40)]
    y[X[:, 0] > 0] = "c"  # separated
    y[:2] = "c"
    result = fit_firth(X, y)
    for k, (lower, upper) in zip((1, 3), profile(result, terms="feature_0"), strict=True):
        assert lower < result.coefficients.ravel()[k] < upper
        for end in (lower, upper):
            statistic = result.test((np.eye(4)[[k]], np.array([end])), "likelihood-ratio").statistic
            assert statistic == pytest.approx(chi2.ppf(0.95, 1), rel=1e-7)


def test_nearly_as_many_coefficients_as_rows_converge() -> None:
    rng = np.random.default_rng(0)
    for K in (2, 3):
        X, y = rng.normal(size=(10, 8)), np.arange(10) % K
        assert "Converged" in str(fit_firth(X, y))


def test_representations_and_scales_agree() -> None:
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(60, 3)) * [1.0, 1e4, 1e-3] + [0.0, 2000.0, 0.0], rng.integers(0, 3, 60)
    plain = fit_firth(X, y)
    np.testing.assert_allclose(fit_firth(sparse.csr_array(X), y).coefficients, plain.coefficients, rtol=1e-8)
    scaled = fit_firth((X - [0.0, 2000.0, 0.0]) / [1.0, 1e4, 1e-3], y)
    np.testing.assert_allclose(scaled.coefficients[:, 1:], plain.coefficients[:, 1:] * [1.0, 1e4, 1e-3], rtol=1e-7)
    zeros = np.append(np.ones(60), np.zeros(5))
    more = fit_firth(np.vstack([X, X[:5]]), np.append(y, (y[:5] + 1) % 3), weights=zeros, weights_are="importance")
    np.testing.assert_allclose(more.coefficients, plain.coefficients, rtol=1e-9)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"reference": "x"}, ArgumentError, "reference='x'"),
        ({"weights": [1.0] * 6}, ArgumentError, "weights_are"),
        ({"weights": [1.0] * 6, "weights_are": "sampling"}, ArgumentError, "pseudo-likelihood"),
        ({"weights": [1.0] * 6, "weights_are": "guesses"}, ArgumentError, "guesses"),
        ({"weights": [-1.0, 1, 1, 1, 1, 1], "weights_are": "importance"}, DataError, "row 0"),
        ({"X": np.ones((6, 7)) * np.arange(6)[:, None]}, DataError, "8 columns for 6 rows"),
        ({"X": [[np.nan]] * 6}, DataError, "NaN"),
        ({"y": [1] * 6}, DataError, "one class"),
        ({"y": [0, 1]}, DataError, "6"),
    ],
    ids=str,
)
def test_what_cannot_be_fitted_is_refused(given: dict[str, Any], error: type[Exception], said: str) -> None:
    arguments: dict[str, Any] = {"X": [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], "y": [0, 1, 0, 1, 0, 1]} | given
    with pytest.raises(error, match=said):
        fit_firth(**arguments)


def test_only_models_of_the_same_rows_are_compared() -> None:
    rng = np.random.default_rng(0)
    X, y = pd.DataFrame(rng.normal(size=(40, 2)), columns=["a", "b"]), rng.integers(0, 2, 40)
    result = fit_firth(X, y)
    with pytest.raises(ArgumentError, match="same model"):
        result.compare(fit_firth(X, y))
    with pytest.raises(ArgumentError, match="rows"):
        result.compare(fit_firth(X[["a"]][:30], y[:30]))
    with pytest.raises(ArgumentError, match="not nested"):
        result.compare(fit_firth(X[["a"]].rename(columns={"a": "c"}) ** 2, y))
    with pytest.raises(ArgumentError, match="by that name"):
        result.compare(fit_firth(X[["a"]].rename(columns={"a": "c"}), y))


def test_a_formula_gives_the_same_table() -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=50), "group": np.repeat(list("abcde"), 10), "y": np.arange(50) % 2})
    data.loc[data.group == "c", "y"] = 1
    result = fit_formula("y ~ x + group", data, method="firth")
    dummies = pd.get_dummies(data.group, dtype=float).iloc[:, 1:]
    np.testing.assert_allclose(
        result.coefficients, fit_firth(data[["x"]].join(dummies), data.y).coefficients, rtol=1e-9
    )
    tests = (result.test("group", "likelihood-ratio"), result.compare("y ~ x"))
    assert tests[0].statistic == pytest.approx(tests[1].statistic)
    assert [test.df for test in tests] == [4, 4]
    effects = result.effects("group").table
    assert np.isfinite(effects["std_error"]).all()
    with pytest.raises(ArgumentError, match="covariance='HC3'"):
        fit_formula("y ~ x", data, method="firth", covariance="HC3")
