"""Effects on probabilities: against differences of predicted probabilities, errors against the
delta method by differences."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from inference_data import people
from polytome import LogisticRegression
from polytome.errors import ArgumentError
from polytome.inference import LogisticResult, fit_formula, summarize

FORMULA = "vote ~ C(town, Treatment('west')) * age + log(wage) + member"


@pytest.fixture(scope="module")
def result() -> LogisticResult:
    return fit_formula(FORMULA, people(), reference="no", covariance="HC1")


def predicted(result: LogisticResult, **changed: Any) -> Any:
    """The mean probabilities of the classes, with variables changed, as a function of
    coefficients."""
    data = result.design.data.assign(**changed)
    X = np.column_stack([np.ones(len(data)), result.design.columns_of(data)])

    def of(theta: np.ndarray) -> np.ndarray:
        scores = np.column_stack([np.zeros(len(X)), X @ theta.reshape(result.coefficients.shape).T])
        P = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.average(P / P.sum(axis=1, keepdims=True), axis=0, weights=result.sample.weight)

    return of


def difference(high: Any, low: Any, by: float = 1.0) -> Any:
    return lambda theta: (high(theta) - low(theta)) / by


def derivative(function: Any, at: np.ndarray) -> np.ndarray:
    """By central differences, (n_values, n_coefficients)."""
    steps = 1e-4 * np.maximum(np.abs(at), 1e-2)
    return np.array(
        [
            (function(at + step) - function(at - step)) / (2 * size)
            for size, step in zip(steps, np.diag(steps), strict=True)
        ]
    ).T


def check(result: LogisticResult, found: Any, contrast: Any) -> None:
    theta = result.coefficients.ravel()
    assert_allclose(found.values, contrast(theta), rtol=5e-5, atol=1e-9)
    J = derivative(contrast, theta)
    assert_allclose(found.covariance, J @ result.covariance @ J.T, rtol=1e-3, atol=1e-12)
    assert_allclose(found.values.reshape(-1, 3).sum(axis=1), 0, atol=1e-15)


def test_effects_are_differences_of_predicted_probabilities(result: LogisticResult) -> None:
    data = result.design.data

    def by_step(name: str, **fixed: Any) -> Any:
        own, h = fixed.pop(name, data[name]), 1e-3 * data[name].std()
        sides = (predicted(result, **{name: own + step}, **fixed) for step in (h, -h))
        return difference(*sides, 2 * h)

    def between(name: str, low: Any, high: Any) -> Any:
        return difference(predicted(result, **{name: high}), predicted(result, **{name: low}))

    check(result, result.effects("age"), by_step("age"))
    check(result, result.effects("wage"), by_step("wage"))
    check(result, result.effects("age", at={"town": "south", "age": 40}), by_step("age", town="south", age=40))
    check(result, result.effects("member"), between("member", False, True))
    town = result.effects("town")
    assert [contrast for _, contrast, _ in town.rows[::3]] == ["north - west", "south - west"]
    levels = [between("town", "west", level) for level in ("north", "south")]
    check(result, town, lambda theta: np.concatenate([level(theta) for level in levels]))
    assert {name for name, _, _ in result.effects().rows} == {"town", "age", "wage", "member"}
    chances = result.predictions(at={"age": [30, 60]})
    theta = result.coefficients.ravel()
    for place, age in enumerate((30, 60)):
        assert_allclose(chances.values[3 * place : 3 * place + 3], predicted(result, age=age)(theta), rtol=1e-9)
    errors = derivative(predicted(result, age=30), theta)
    assert_allclose(chances.standard_errors[:3], np.sqrt(np.diag(errors @ result.covariance @ errors.T)), rtol=1e-5)


def test_columns_are_variables_where_there_is_no_formula(result: LogisticResult) -> None:
    frame = people()
    X = pd.DataFrame({"age": frame["age"], "wage": frame["wage"], "member": frame["member"].astype(int)})
    model = LogisticRegression(C=np.inf, tol=1e-8).fit(X, frame["vote"])
    one, other = summarize(model, X, frame["vote"]), fit_formula("vote ~ age + wage + member", frame)
    for how in ({}, {"at": "means"}, {"at": {"age": [30.0, 50.0], "member": 1}}):
        mine, theirs = one.effects(**how), other.effects(**how)
        assert_allclose(mine.values, theirs.values, rtol=1e-7, atol=1e-12)
        assert_allclose(mine.standard_errors, theirs.standard_errors, rtol=1e-7)


def test_weights_weigh_rows() -> None:
    frame = people()
    weighted = fit_formula("vote ~ town + age", frame, weights="count", weights_are="frequencies")
    repeated = fit_formula("vote ~ town + age", frame.loc[frame.index.repeat(frame["count"])].reset_index(drop=True))
    for how in ("average", "means"):
        one, other = weighted.effects(at=how), repeated.effects(at=how)
        assert_allclose(one.values, other.values, rtol=1e-8)
        assert_allclose(one.covariance, other.covariance, rtol=1e-7, atol=1e-12)


def test_effects_show_themselves(result: LogisticResult) -> None:
    found = result.effects()
    assert max(map(len, str(found).splitlines())) <= 80
    assert list(found.table.columns[:4]) == ["variable", "contrast", "class", "effect"]
    assert len(found.to_json()["effects"]) == len(found.rows)
    assert "<table>" in found._repr_html_()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"variables": "agee"}, "no variable is 'agee'; did you mean 'age'"),
        ({"at": "median"}, "at='median': needs 'average', 'means', or a mapping"),
        ({"at": {"agee": 3}}, "no variable is 'agee'"),
        ({"at": {"town": "east"}}, "town has no level 'east'; there are 'north', 'south', 'west'"),
        ({"at": {"age": "old"}}, "age = 'old' is not a number"),
        ({"variables": "town", "at": {"town": "west"}}, "sets all the variables"),
    ],
)
def test_what_is_not_there_is_refused(result: LogisticResult, how: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        result.effects(**how)


@pytest.mark.parametrize(
    ("formula", "at"),
    [
        (FORMULA, {"age": [18.0, 33.5, 71.0]}),
        (FORMULA, {"age": [18, 60], "town": ["west", "south"]}),
        (FORMULA, {"wage": [9.0, 30.0], "age": [20, 50]}),
        ("vote ~ age * log(wage) + offset(log(wage)) + offset(age)", {"age": [1.0, 2.0]}),
        ("vote ~ 0 + age + bs(wage, df=4) + C(member)", {"age": [20, 50], "member": [0, 1]}),
        ("vote ~ age + age:wage", {"wage": [9.0, 30.0], "age": [20, 50]}),
    ],
)
def test_predictions_at_values_are_those_of_changed_rows(formula: str, at: dict[str, Any]) -> None:
    """Though columns along a number are made from two of its values."""
    result = fit_formula(formula, people(), reference="no")
    wanted = []
    for each in product(*at.values()):
        data = result.design.data.assign(**dict(zip(at, each, strict=True)))
        X = result.design.columns_of(data)
        X = np.column_stack([np.ones(len(X)), X]) if result.sample.fit_intercept else X
        offset = result.design.offset_of(data)
        scores = X @ result.coefficients.T + (0.0 if offset is None else offset[:, None])
        P = np.exp(np.column_stack([np.zeros(len(X)), scores]))
        wanted.append((P / P.sum(axis=1, keepdims=True)).mean(axis=0))
    assert_allclose(result.predictions(at=at).values, np.ravel(wanted), rtol=1e-10)


def test_predictions_along_a_number_make_columns_twice(result: LogisticResult, monkeypatch: pytest.MonkeyPatch) -> None:
    made, columns_of = [], type(result.design).columns_of
    monkeypatch.setattr(type(result.design), "columns_of", lambda self, data: made.append(1) or columns_of(self, data))
    result.predictions(at={"age": list(range(20, 45))})
    assert len(made) == 2
