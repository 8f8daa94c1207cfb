"""Effects of ordered classes: against differences of predicted probabilities, errors by the delta
method against differences, and a logistic regression where there are two classes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from polytome.errors import ArgumentError
from polytome.inference import OrderedResult, fit_formula, fit_ordered
from polytome.inference.ordered import class_probabilities

FORMULA = "health ~ town * age + log(wage) + member"


DATA = Path(os.environ.get("POLYTOME_DATA", "absent")) / "inference"


@pytest.mark.data
def test_polr_s_predictions_and_their_differences() -> None:
    """R 4.2.2, MASS 7.3-58: colMeans(predict(m, type = "probs")) of polr(ses ~ write + science +
    prog), as it is, with science shifted by 1e-4 to both sides, and with prog set."""
    path = DATA / "hsbdemo.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    data = pd.read_csv(path)
    order = ["low", "middle", "high"]
    found = fit_formula("ses ~ write + science + prog", data, method="ordered", order=order)
    assert_allclose(found.predictions().values, [0.2346717972, 0.4741730135, 0.2911551894], atol=1e-8)
    assert_allclose(found.effects("science").values, [-0.009102401691, -0.001321161970, 0.010423563661], atol=1e-8)
    assert_allclose(found.effects("prog").values[3:], [0.08795568675, 0.02123174860, -0.10918743535], atol=1e-7)


def people(n: int = 200) -> pd.DataFrame:
    random = np.random.default_rng(8)
    data = pd.DataFrame({"age": random.integers(18, 80, n), "wage": random.uniform(1, 5, n).round(2)})
    data["town"], data["member"] = random.choice(["east", "north", "west"], n), random.integers(0, 2, n)
    latent = 0.03 * data.age - 0.5 * np.log(data.wage) + (data.town == "west") + random.logistic(size=n)
    data["health"] = np.digitize(latent, [0.5, 2.0, 3.0])
    return data


@pytest.fixture(scope="module")
def result() -> OrderedResult:
    return fit_formula(FORMULA, people(), method="ordered")


def mean_probabilities(result: OrderedResult, data: pd.DataFrame) -> Any:
    """The mean probabilities of the classes as a function of the coefficients."""
    X = result.design.columns_of(data)
    p = X.shape[1]
    return lambda theta: class_probabilities(X @ theta[:p], theta[p:]).mean(axis=0)


def numerical(of: Any, theta: np.ndarray) -> np.ndarray:
    """Its derivatives, (K, n_coefficients)."""
    steps = 1e-5 * np.maximum(1, np.abs(theta))
    columns = [(of(theta + step) - of(theta - step)) / (2 * step.max()) for step in np.diag(steps)]
    return np.column_stack(columns)


def agrees(found: Any, of: Any, result: OrderedResult, rtol: float = 1e-6) -> None:
    theta = result.coefficients[0]
    J = numerical(of, theta)
    assert_allclose(found.values, of(theta), rtol=rtol)
    assert_allclose(found.covariance, J @ result.covariance @ J.T, rtol=1e-4, atol=1e-9)


def test_predictions_are_means_with_errors_by_the_delta_method(result: OrderedResult) -> None:
    agrees(result.predictions(), mean_probabilities(result, result.design.data), result)
    data = result.design.data.assign(age=50)
    agrees(result.predictions(at={"age": 50}), mean_probabilities(result, data), result)
    assert_allclose(result.predictions().values, result.predict_proba(people()).mean(axis=0), rtol=1e-12)


def test_an_effect_of_a_number_is_a_derivative_for_each_class(result: OrderedResult) -> None:
    data, h = result.design.data, 1e-4
    low, high = (mean_probabilities(result, data.assign(age=data.age + each)) for each in (-h, h))
    found = result.effects("age")
    agrees(found, lambda theta: (high(theta) - low(theta)) / (2 * h), result, rtol=1e-5)
    assert [each for _, _, each in found.rows] == [0, 1, 2, 3]
    assert_allclose(found.values.sum(), 0, atol=1e-15)
    assert_allclose(found.covariance.sum(), 0, atol=1e-12)


def test_an_effect_of_a_level_is_a_difference(result: OrderedResult) -> None:
    data = result.design.data
    low, high = (mean_probabilities(result, data.assign(town=town)) for town in ("east", "west"))
    found = result.effects("town")
    assert found.rows[4][1] == "west - east"
    west = np.arange(4, 8)
    own = type(found)(found.title, found.rows[4:], found.values[west], found.covariance[np.ix_(west, west)])
    agrees(own, lambda theta: high(theta) - low(theta), result)
    assert_allclose(result.effects().values.reshape(-1, 4).sum(axis=1), 0, atol=1e-14)


def test_at_the_means(result: OrderedResult) -> None:
    data, theta, h = result.design.data, result.coefficients[0], 1e-5
    means = {name: float(data[name].mean()) for name in ("age", "wage", "member")}
    X = [result.design.columns_of(data.assign(**means | {"age": means["age"] + each})).mean(axis=0) for each in (-h, h)]
    low, high = (class_probabilities(np.atleast_1d(x @ theta[: len(x)]), theta[len(x) :])[0] for x in X)
    assert_allclose(result.effects("age", at="means").values, (high - low) / (2 * h), rtol=1e-6)


def test_of_two_classes_it_is_a_logistic_regression() -> None:
    data = people().assign(health=lambda each: (each.health > 1).astype(int))
    ordered = fit_formula(FORMULA, data, method="ordered").effects()
    logistic = fit_formula(FORMULA, data).effects()
    assert ordered.rows == logistic.rows
    assert_allclose(ordered.values, logistic.values, rtol=1e-6)
    assert_allclose(ordered.standard_errors, logistic.standard_errors, rtol=1e-6)


def test_columns_without_a_formula_and_wrong_input() -> None:
    data = people()
    found = fit_ordered(data[["age", "member"]], data["health"])
    assert_allclose(found.effects("member").values.sum(), 0, atol=1e-15)
    assert found.effects("member").rows[0][1] == "1 - 0"
    with pytest.raises(ArgumentError, match="did you mean 'member'"):
        found.effects("membre")
    with pytest.raises(ArgumentError, match="at='median'"):
        found.predictions(at="median")
