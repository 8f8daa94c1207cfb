"""`offset()` in formulas: what is added to the log odds with the coefficient 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from polytome.errors import ArgumentError, DataError
from polytome.inference import fit_firth, fit_formula
from polytome.inference.tested import _end

pytest.importorskip("formulaic")


R = {
    "coefficients": [-0.76795273138143, 0.92138829265699],
    "errors": [0.28136428319602, 0.40791376560541],
    "likelihoods": [-40.308491861486, -43.020527642857],
    "firth": [-0.76776645715807, 0.88679454305627],
}
"""What R says of `rates`."""


def rates() -> pd.DataFrame:
    """Rows watched for different times."""
    i = np.arange(60)
    x, t = np.sin(1.7 * i), 0.5 + (i * 7 % 12) / 3
    y = ((i * 37 % 61) / 61 < 1 / (1 + np.exp(0.8 - 0.9 * x - np.log(t)))).astype(int)
    return pd.DataFrame({"x": x, "t": t, "y": y, "g": np.array(list("abc"))[i * 5 % 3], "k": (i * 11 % 3)})


@pytest.fixture(scope="module")
def result() -> Any:
    return fit_formula("y ~ x + offset(log(t))", rates())


def test_the_offset_has_the_coefficient_one(result: Any) -> None:
    free = fit_formula("y ~ x + log(t)", rates())
    held = free.test("log(t) = 1", "likelihood-ratio")
    assert held.statistic == pytest.approx(2 * (free.statistics.log_likelihood - result.statistics.log_likelihood))
    data = rates()
    X = np.column_stack([np.ones(60), data.x])
    p = 1 / (1 + np.exp(-(X @ result.coefficients[0] + np.log(data.t))))
    assert_allclose(X.T @ (data.y - p), 0, atol=1e-9)
    assert_allclose(np.linalg.inv(X.T @ (X * np.asarray(p * (1 - p))[:, None])), result.covariance, rtol=1e-9)
    assert "Offset: log(t) is added to the log odds" in str(result)
    assert_allclose(result.residuals("pearson"), (data.y - p) / np.sqrt(p * (1 - p)), rtol=1e-7)


def test_r_s_glm_and_brglm2_agree(result: Any) -> None:
    # glm(y ~ x + offset(log(t)), binomial, d); brglm2 with type = "AS_mean"
    assert_allclose(result.coefficients[0], R["coefficients"], rtol=1e-7)
    assert_allclose(result.standard_errors[0], R["errors"], rtol=1e-7)
    assert_allclose([result.statistics.log_likelihood, result.statistics.null_log_likelihood], R["likelihoods"])
    firth = fit_formula("y ~ x + offset(log(t))", rates(), method="firth")
    assert_allclose(firth.coefficients[0], R["firth"], rtol=1e-6)


def test_a_table_without_columns_and_one_of_several_offsets() -> None:
    data = rates().assign(half=np.log(rates().t) / 2)
    alone = fit_formula("y ~ 1 + offset(half) + offset(0.5 * log(t))", data)
    assert alone.statistics.log_likelihood == pytest.approx(alone.statistics.null_log_likelihood)
    p = 1 / (1 + np.exp(-(alone.coefficients[0, 0] + np.log(data.t))))
    assert p.sum() == pytest.approx(data.y.sum())


def test_of_three_classes_it_is_added_to_each_against_the_reference() -> None:
    data = rates()
    three = fit_formula("k ~ x + offset(log(t))", data)
    X, o = np.column_stack([np.ones(60), data.x]), np.log(np.asarray(data.t))
    parts = np.column_stack([np.ones(60), np.exp(X @ three.coefficients.T + o[:, None])])
    P = parts / parts.sum(axis=1, keepdims=True)
    assert_allclose(X.T @ (np.eye(3)[data.k] - P)[:, 1:], 0, atol=1e-9)
    assert_allclose(three.predictions().values, P.mean(axis=0), rtol=1e-9)
    assert "of each class against 0" in str(three)


def test_predictions_and_effects_follow_the_offset(result: Any) -> None:
    data, b = rates(), result.coefficients[0]
    twice = 1 / (1 + np.exp(-(b[0] + b[1] * data.x + np.log(2))))
    assert_allclose(result.predictions(at={"t": 2}).values, twice.mean(), rtol=1e-9)
    p = 1 / (1 + np.exp(-(b[0] + b[1] * data.x + np.log(data.t))))
    assert_allclose(result.effects("t").values, (p * (1 - p) / data.t).mean(), rtol=1e-4)
    assert_allclose(result.effects("x").values, b[1] * (p * (1 - p)).mean(), rtol=1e-9)
    step = 1e-6
    change = [
        (1 / (1 + np.exp(-(b[0] + d[0] + (b[1] + d[1]) * data.x + np.log(data.t))))).mean() for d in np.eye(2) * step
    ]
    slope = (np.array(change) - p.mean()) / step
    assert_allclose(result.predictions().standard_errors[0], np.sqrt(slope @ result.covariance @ slope), rtol=1e-4)


def test_profile_and_comparison_have_the_offset(result: Any) -> None:
    ends = result.confidence_intervals(method="profile", terms="x")
    for end in (ends["lower"][0], ends["upper"][0]):
        assert result.test(f"x = {end}", "likelihood-ratio").p_value == pytest.approx(0.05, abs=1e-7)
    test = result.compare("y ~ 1 + offset(log(t))")
    assert test.statistic == pytest.approx(result.statistics.likelihood_ratio)
    with pytest.raises(ArgumentError, match="another offset"):
        result.compare("y ~ 1")


def test_rows_without_an_offset_are_left_out() -> None:
    data = rates()
    data.loc[[4, 9], "t"] = np.nan
    some = fit_formula("y ~ x + offset(log(t))", data)
    assert some.about.n_dropped == 2
    assert_allclose(some.coefficients, fit_formula("y ~ x + offset(log(t))", data.dropna()).coefficients)
    with pytest.raises(DataError, match="'t' is missing in row 4"):
        fit_formula("y ~ x + offset(log(t))", data, missing="error")


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ x * offset(t)", "stands by itself"),
        ("y ~ x + I(offset(t))", "stands by itself"),
        ("y ~ x + offset(g)", "'g' holds categories"),
        ("y ~ x + offset(t, x)", "takes one column"),
        ("y ~ x + offset(lag(t))", "no function 'lag'"),
        ("y ~ x + offset(tt)", "no column 'tt'; did you mean 't'"),
        ("y ~ x + offset(log(0 * t))", "the offset .* is -inf in row 0"),
    ],
)
def test_a_wrong_offset_is_refused(formula: str, message: str) -> None:
    with pytest.raises((ArgumentError, DataError), match=message):
        fit_formula(formula, rates())


def test_a_profile_that_does_not_end_is_missing() -> None:
    # A profile that jumps over the threshold never comes near an end.
    assert np.isnan(_end(lambda value: (0.0, 0.0), 0.0, 1, 1.0, 2.0, np.inf))


def test_an_end_that_is_not_found_is_told(monkeypatch: pytest.MonkeyPatch, result: Any) -> None:
    monkeypatch.setattr("polytome.inference.tested._MOST_STEPS", 1)
    with pytest.warns(ConvergenceWarning, match="'x' of 1: no end was found in 1 steps"):
        ends = result.confidence_intervals(method="profile", terms="x")
    assert np.isnan(ends["lower"][0])


def test_firth_s_influence_is_refused_by_name() -> None:
    found = fit_firth(rates()[["x"]], rates()["y"])
    for ask in (found.influence, found.dfbeta):
        with pytest.raises(ArgumentError, match="Firth's penalty changes with each row"):
            ask()
    assert np.isfinite(found.residuals("standardised")).all()


@pytest.fixture(scope="module")
def in_order() -> Any:
    return fit_formula("k ~ x + offset(log(t))", rates(), method="ordered")


def test_ordered_classes_have_offsets_with_the_coefficient_one(in_order: Any) -> None:
    free = fit_formula("k ~ x + log(t)", rates(), method="ordered")
    held = free.test("log(t) = 1", "likelihood-ratio")
    lost = 2 * (free.statistics.log_likelihood - in_order.statistics.log_likelihood)
    assert held.statistic == pytest.approx(lost, rel=1e-8)
    assert "Offset: log(t) is added to x'b" in str(in_order)
    # With thresholds alone, by another search.
    data = rates()
    log_t, k = np.log(data.t.to_numpy()), data.k.to_numpy()

    def loss(thresholds: np.ndarray) -> float:
        below = 1 / (1 + np.exp(log_t[:, None] - np.append(thresholds, np.inf)))
        return -np.log(np.diff(np.column_stack([np.zeros(60), below]))[np.arange(60), k]).sum()

    null = minimize(loss, [-1.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    assert in_order.statistics.null_log_likelihood == pytest.approx(-null.fun, abs=1e-8)
    assert free.test("x", "likelihood-ratio").statistic > 0


def test_two_ordered_classes_are_two_classes_with_an_offset(result: Any) -> None:
    ordered = fit_formula("y ~ x + offset(log(t))", rates(), method="ordered")
    intercept, slope = result.coefficients[0]
    assert_allclose(ordered.coefficients[0], [slope, -intercept], rtol=1e-8)
    assert_allclose(ordered.standard_errors[0], result.standard_errors[0, ::-1], rtol=1e-7)
    at = {"x": [0.3], "t": 2.0}
    assert_allclose(ordered.effects("t", at={"x": 0.3}).values, result.effects("t", at={"x": 0.3}).values, rtol=1e-7)
    ours, theirs = ordered.effects("x", at={"t": 2.0}), result.effects("x", at={"t": 2.0})
    assert_allclose(ours.values[-1:], theirs.values, rtol=1e-7)
    assert_allclose(ours.standard_errors[-1:], theirs.standard_errors, rtol=1e-6)
    assert_allclose(ordered.predictions(at=at).values[-1:], result.predictions(at=at).values, rtol=1e-8)


def test_predictions_and_tests_of_ordered_classes_see_the_offset(in_order: Any) -> None:
    new = pd.DataFrame({"x": [0.0, 0.5], "t": [1.0, 3.0]})
    slope, *thresholds = in_order.coefficients[0]
    below = 1 / (
        1 + np.exp(-(np.array(thresholds) - slope * new.x.to_numpy()[:, None] - np.log(new.t.to_numpy())[:, None]))
    )
    assert_allclose(in_order.predict_proba(new)[:, 0], below[:, 0], rtol=1e-12)
    assert_allclose(in_order.predict_proba(new)[:, 2], 1 - below[:, 1], rtol=1e-10)
    with pytest.raises(DataError, match=r"the offset log.t. is -inf in row 1"):
        in_order.predict_proba(new.assign(t=[1.0, 0.0]))
    brant = in_order.brant()
    data = rates()
    for j in range(2):
        above = fit_formula("y ~ x + offset(log(t))", data.assign(y=(data.k > j).astype(int)))
        assert_allclose(brant.slopes[j], above.coefficients[0, 1:], rtol=1e-7)
    lower, upper = in_order.confidence_intervals(method="profile", terms="x").to_numpy()[0, -2:]
    assert lower < slope < upper
