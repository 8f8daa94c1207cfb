"""Residuals, influence and tests of the fit, against their definitions and fits without a row."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2

from inference_data import people
from polytome.errors import ArgumentError
from polytome.inference import LogisticResult, fit_formula
from polytome.inference.residuals import rounded

FORMULA = "vote ~ town + age"


@pytest.fixture(scope="module")
def three() -> LogisticResult:
    return fit_formula(FORMULA, people(), reference="no")


@pytest.fixture(scope="module")
def two() -> LogisticResult:
    frame = people()
    return fit_formula(FORMULA, frame.assign(vote=frame["vote"] == "no"))


def chances(result: LogisticResult) -> np.ndarray:
    X = np.column_stack([np.ones(len(result.sample.codes)), result.sample.X])
    P = np.exp(np.column_stack([np.zeros(len(X)), X @ result.coefficients.T]))
    return P / P.sum(axis=1, keepdims=True)


def test_residuals_are_what_their_definitions_say(two: LogisticResult, three: LogisticResult) -> None:
    p, y = chances(two)[:, 1], two.sample.codes
    deviance = np.sign(y - p) * np.sqrt(-2 * np.log(np.where(y == 1, p, 1 - p)))
    pearson = (y - p) / np.sqrt(p * (1 - p))
    assert_allclose(two.residuals(), deviance, rtol=1e-9)
    assert_allclose((two.residuals() ** 2).sum(), two.statistics.deviance, rtol=1e-12)
    assert_allclose(two.residuals("pearson"), pearson, rtol=1e-9)
    Z = np.column_stack([np.ones(len(y)), two.sample.X])
    h = p * (1 - p) * np.einsum("ij,jk,ik->i", Z, two.covariance, Z)
    frame = two.influence()
    assert_allclose(frame["leverage"], h, rtol=1e-8)
    assert_allclose(h.sum(), 4, rtol=1e-9)
    assert_allclose(frame["cook"], pearson**2 * h / (1 - h) ** 2 / 4, rtol=1e-8)
    assert_allclose(two.residuals("standardised"), deviance / np.sqrt(1 - h), rtol=1e-8)
    assert_allclose(two.residuals("standardised-pearson"), pearson / np.sqrt(1 - h), rtol=1e-8)
    assert_allclose((three.residuals() ** 2).sum(), three.statistics.deviance, rtol=1e-12)
    P, own = chances(three), np.eye(3)[three.sample.codes]
    assert_allclose(three.residuals("pearson"), (own - P) / np.sqrt(P * (1 - P)), rtol=1e-8)
    assert_allclose(three.influence()["leverage"].sum(), 8, rtol=1e-9)


def test_quantile_residuals_are_normal_where_the_model_is_right() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000)
    result = fit_formula("y ~ x", {"y": (rng.random(4000) < 1 / (1 + np.exp(-x))).astype(int), "x": x})
    residuals = result.residuals("quantile", seed=3)
    assert np.array_equal(residuals, result.residuals("quantile", seed=3))
    assert_allclose([residuals.mean(), residuals.std()], [0, 1], atol=0.03)
    assert_allclose(np.quantile(residuals, [0.025, 0.25, 0.75, 0.975]), [-1.96, -0.674, 0.674, 1.96], atol=0.1)


@pytest.mark.parametrize("name", ["two", "three"])
def test_a_row_moves_the_coefficients_about_as_a_fit_without_it_does(name: str, request: pytest.FixtureRequest) -> None:
    result: LogisticResult = request.getfixturevalue(name)
    changes = result.dfbeta()
    frame = people()
    frame = frame.assign(vote=frame["vote"] == "no") if name == "two" else frame
    for row in (0, 7, 50):
        without = fit_formula(FORMULA, frame.drop(index=row), reference=result.about.reference)
        exact = (result.coefficients - without.coefficients).ravel()
        assert_allclose(changes[row], exact, atol=0.15 * np.abs(exact / result.standard_errors.ravel()).max() * 2)
        V = np.linalg.inv(result.covariance)
        cook = changes[row] @ V @ changes[row] / result.coefficients.size
        assert_allclose(result.influence()["cook"][row], cook, rtol=1e-7)
    assert_allclose(result.dfbeta(standardised=True), changes / result.standard_errors.ravel())


def test_tests_of_the_fit_count_rows(two: LogisticResult, three: LogisticResult) -> None:
    for result in (two, three):
        P, codes = chances(result), result.sample.codes
        other = 1 - P[:, 0]
        ends = np.quantile(other, np.linspace(0, 1, 7))
        groups = np.clip(np.searchsorted(ends, other) - 1, 0, 5)
        statistic = 0.0
        for g in range(6):
            inside = groups == g
            seen, expected = np.bincount(codes[inside], minlength=P.shape[1]), P[inside].sum(axis=0)
            statistic += ((seen - expected) ** 2 / expected).sum()
        test = result.hosmer_lemeshow(6)
        assert_allclose([test.statistic, test.p_value], [statistic, chi2.sf(statistic, test.df)], rtol=1e-7)
        assert test.df == 4 * (P.shape[1] - 1)
    saturated = fit_formula("vote ~ town", people(), reference="no")
    with pytest.raises(ArgumentError, match="too few for the coefficients"):
        saturated.pearson()
    frame = people()
    main = fit_formula("vote ~ town + member", frame)
    full = fit_formula("vote ~ town * member", frame)
    test = main.pearson()
    assert test.df == main.compare("vote ~ town").df * 2 == full.compare(main).df  # 6 patterns, 2 equations, 8 of 12
    assert_allclose(test.statistic, main_by_hand(main), rtol=1e-8)


def main_by_hand(result: LogisticResult) -> float:
    P, statistic = chances(result), 0.0
    for pattern in np.unique(result.sample.X, axis=0):
        inside = (pattern == result.sample.X).all(axis=1)
        expected = P[inside].sum(axis=0)
        statistic += ((np.bincount(result.sample.codes[inside], minlength=3) - expected) ** 2 / expected).sum()
    return float(statistic)


def test_frequencies_count_in_them(three: LogisticResult) -> None:
    frame = people()
    weighted = fit_formula(FORMULA, frame, weights="count", weights_are="frequencies")
    repeated = fit_formula(FORMULA, frame.loc[frame.index.repeat(frame["count"])].reset_index(drop=True))
    assert_allclose(weighted.hosmer_lemeshow().statistic, repeated.hosmer_lemeshow().statistic, rtol=1e-7)
    assert_allclose(weighted.pearson().statistic, repeated.pearson().statistic, rtol=1e-7)
    assert np.array_equal(weighted.classification_table().counts, repeated.classification_table().counts)
    once = np.repeat(weighted.influence()["cook"].to_numpy(), frame["count"])
    assert_allclose(once, repeated.influence()["cook"], rtol=1e-7)
    with pytest.raises(ArgumentError, match="which importance weights do not"):
        fit_formula(FORMULA, frame, weights="count", weights_are="importance").pearson()


def test_classes_as_they_are_predicted(two: LogisticResult, three: LogisticResult) -> None:
    P, y = chances(two), two.sample.codes
    for threshold in (0.3, 0.5):
        found = two.classification_table(threshold)
        seen = P[:, 1] >= threshold
        assert found.counts.tolist() == [[np.sum((y == k) & (seen == j)) for j in (0, 1)] for k in (0, 1)]
        assert found.sensitivity == np.mean(seen[y == 1])
        assert found.specificity == np.mean(~seen[y == 0])
        assert found.accuracy == np.mean(seen == y)
    shown = three.classification_table()
    assert shown.accuracy == np.mean(chances(three).argmax(axis=1) == three.sample.codes)
    assert "are predicted as their own class" in str(shown)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda result: result.residuals("raw"), "kind='raw': needs one of deviance"),
        (lambda result: result.residuals("quantile"), "have no order"),
        (lambda result: result.residuals("standardised"), "a matrix of leverages"),
        (lambda result: result.classification_table(0.3), "threshold is for two classes"),
        (lambda result: result.classification_table(2), "threshold=2: needs a number between 0 and 1"),
        (lambda result: result.classification_table().sensitivity, "are of two classes"),
        (lambda result: result.hosmer_lemeshow(2), "groups=2: needs a whole number, 3 or more"),
    ],
)
def test_what_has_no_meaning_is_refused(three: LogisticResult, call: object, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        call(three)  # type: ignore[operator]


def test_equal_rows_are_in_one_group_whatever_rounding_makes_of_them() -> None:
    rng = np.random.default_rng(0)
    exact = rng.choice(np.array([0.1, 0.3, 0.55, 0.7, 0.9]), 500)
    noisy = exact * (1 + 4e-16 * rng.integers(-2, 3, 500))
    assert len(np.unique(noisy)) > 5
    assert_allclose(rounded(noisy), exact, rtol=1e-14)
    assert len(np.unique(rounded(noisy))) == 5
    assert (rounded(exact) == exact).all()


@pytest.mark.parametrize("K", [2, 3])
def test_a_row_that_fits_itself_has_no_influence_that_could_be_told(K: int) -> None:
    frame = people()
    frame["alone"] = (np.arange(len(frame)) == 5).astype(float)
    if K == 2:
        frame["vote"] = frame["vote"] == "no"
    result = fit_formula("vote ~ age + alone", frame)
    cook = np.asarray(result.influence()["cook"])
    assert np.flatnonzero(np.isnan(cook)).tolist() == [5]
    assert np.isnan(result.dfbeta()[5]).all()
    assert np.nanmax(cook) < 1
    if K == 2:
        assert np.flatnonzero(np.isnan(result.residuals("standardised"))).tolist() == [5]
