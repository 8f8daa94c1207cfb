"""Where classes are separated in part: what is left without the certain ones bounds the objective
from below."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from exact_rank import exact_rank
from polytome import LogisticRegression, MultilabelLogistic, OneVsOne, OneVsRest, Stop, load_dataset, verify
from polytome.certificates.certain_classes import KeptClasses, least_of_the_rest
from polytome.certificates.independent_columns import independent_unknowns
from polytome.evaluation.settled import mean_variation_bound, settled_rows
from polytome.files.training_record import record_training
from polytome.losses import Logistic, Softmax
from polytome.objective import Objective
from polytome.penalties import NoPenalty
from polytome.rows import as_rows


def parts(seed: int, n: int = 90) -> Iterator[tuple[str, Any, Any, Any]]:
    """Problems without a minimum, whose infimum is not 0."""
    rng = np.random.default_rng(seed)
    x, level, one = rng.normal(size=(n, 2)), rng.integers(0, 4, n), rng.random(n) < 0.2
    levels = np.eye(4)[level]
    two = (x[:, 0] + rng.logistic(size=n) > 0).astype(int)
    two[one] = 1
    yield "a level of one class", LogisticRegression, np.column_stack([x, one]), two
    grid = rng.integers(0, 5, (n, 2))
    side = np.sign(grid.sum(axis=1) - 4)
    yield "a border", LogisticRegression, grid, np.where(side == 0, rng.integers(0, 2, n), side > 0).astype(int)
    three = (x @ rng.normal(size=(2, 3)) + rng.gumbel(size=(n, 3))).argmax(axis=1)
    three[(level == 2) & (three == 1)] = 0
    border = np.where(side == 0, rng.integers(0, 3, n), np.where(side > 0, 2, 0))
    yield "a border of three", LogisticRegression, np.column_stack([grid, one]), border
    far = rng.random(n) < 0.2
    X, four = x + 20 * far[:, None], np.where(far, 3, three)
    for kind in (LogisticRegression, OneVsRest, OneVsOne):
        yield "a class apart", kind, X, four
        yield "a class that a level never has", kind, np.column_stack([x, levels]), three
    yield "the same, sparse", LogisticRegression, sparse.csr_array(np.column_stack([x, levels[:, 1:]])), three
    yield "labels", MultilabelLogistic, np.column_stack([x, one]), np.column_stack([two, rng.integers(0, 2, n)])


def fitted(kind: Any, X: Any, y: Any, **settings: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(C=np.inf, **settings).fit(X, y)


@cache
def solved(seed: int, place: int, tol: float) -> Any:
    """The model of a part, for tests that only look at it."""
    _, kind, X, y = list(parts(seed))[place]
    return fitted(kind, X, y, tol=tol)


# --- the bound ---


def test_a_softmax_with_fewer_classes_is_that_of_these_and_below_that_of_all() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        z, label = 10 ** rng.uniform(-1, 2) * rng.normal(size=(1, 4)), int(rng.integers(4))
        kept = rng.random(4) < 0.5
        kept[label] = True
        target = np.where(kept, np.arange(4) == label, -1.0)[None]
        value, gradient = KeptClasses(4).value_and_gradient(z, target)
        few = Softmax(int(kept.sum()))
        expected, slopes = few.value_and_gradient(z[:, kept], target[:, kept])
        np.testing.assert_allclose(value, expected, rtol=1e-13)
        np.testing.assert_allclose(gradient[:, kept], slopes, atol=1e-15)
        assert (gradient[:, ~kept] == 0).all()
        m, u = KeptClasses(4).curvature(z, target)
        assert u is not None
        np.testing.assert_allclose(m[:, kept], few.mean(z[:, kept]), atol=1e-15)
        assert (m[:, ~kept] == 0).all()
        assert (u == m).all()
        assert value[0] <= Softmax(4).value_and_gradient(z, np.array([label]))[0][0] * (1 + 1e-14) + 1e-300


def test_whatever_is_left_out_the_bound_is_below_what_can_be_reached() -> None:
    """At any coefficients, and however much goes."""
    rng, proved = np.random.default_rng(1), 0
    for seed in range(3):
        for place, (name, kind, X, y) in enumerate(parts(seed)):
            if kind is not LogisticRegression:
                continue
            model, near = solved(seed, place, 1e-9), solved(seed, place, 1e-2)
            loss = Softmax(len(np.unique(y))) if y.max() > 1 else Logistic()
            objective = Objective(loss, NoPenalty(), as_rows(X, y))
            best = objective.rows.columns.from_raw_coefficients(np.vstack([near.coef_.T, near.intercept_]))
            for _ in range(6):
                W = best * 10 ** rng.uniform(-1, 1) + 10 ** rng.uniform(-3, 0) * rng.normal(size=best.shape)
                least = least_of_the_rest(objective, W, 10 ** rng.uniform(-9, 0))
                proved += least is not None
                assert least is None or least <= model.certificate_.objective, (seed, name)
    assert proved > 5


def test_without_certain_rows_there_is_nothing_to_leave_out() -> None:
    X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 1, 0, 1])
    objective = Objective(Logistic(), NoPenalty(), as_rows(X, y))
    assert least_of_the_rest(objective, np.zeros((2, 1)), 1e-3) is None


@pytest.mark.parametrize("n_classes", [2, 3])
def test_rows_of_zeros_that_are_left_cost_what_they_cost(n_classes: int) -> None:
    """Without an intercept they say the same of every class, whatever the coefficients."""
    x, y = np.array([[0.0], [0.0], [0.0], [-1.0], [1.0]]), np.array([0, 1, n_classes - 1, 0, n_classes - 1])
    model = fitted(LogisticRegression, x, y, fit_intercept=False)
    assert model.stop_ is Stop.CERTIFIED
    least = 3 * np.log(n_classes) / 5
    assert 0 <= model.certificate_.objective - least <= model.certificate_.gap


# --- coefficients that are enough ---


def _forms(X: np.ndarray, kept: np.ndarray, free: np.ndarray) -> list[list[Fraction]]:
    """What coefficients that are free do to each difference of two scores that are kept."""
    found = []
    for x, own in zip(np.column_stack([X, np.ones(len(X))]).tolist(), kept, strict=True):
        first, *others = np.flatnonzero(own).tolist()
        for k in others:
            sign = {first: -1, k: 1}
            found.append([sign.get(m, 0) * Fraction(x[j]) for m, j in np.argwhere(free).tolist()])
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_coefficients_that_stay_reach_whatever_all_can_reach(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, n_classes, found = 40, 4, 0
    level = rng.integers(0, 3, n)
    X = np.column_stack([np.eye(3)[level], rng.integers(-2, 3, (n, 1)), rng.normal(size=(n, 1))])
    y = rng.integers(0, n_classes, n)
    absent = rng.random((3, n_classes)) < 0.4
    kept = ~absent[level]
    kept[np.arange(n), y] = True
    kept[level == 0] = np.arange(n_classes) == y[level == 0][:, None]
    kept[level == 1] = np.where(kept[level == 1].sum(axis=1, keepdims=True) > 1, ~absent[1], kept[level == 1])
    kept[np.arange(n), y] = True
    target = np.where(kept, np.eye(n_classes)[y], -1.0)
    rows = as_rows(X, target)
    objective = Objective(KeptClasses(n_classes), NoPenalty(), rows)
    free = independent_unknowns(objective, objective.hessian_blocks(np.zeros(objective.shape)))
    every = np.vstack([np.ones((n_classes - 1, X.shape[1] + 1), dtype=bool), np.zeros((1, X.shape[1] + 1), bool)])
    if free is not None:
        found += 1
        assert (
            free.sum()
            == exact_rank(_forms(X, kept, np.vstack([free, every[-1:]])))
            == exact_rank(_forms(X, kept, every))
        )
    assert found == 1


def test_a_level_that_one_entry_breaks_is_none() -> None:
    """Class 2 never has the level, but for a row that has a billionth of it: its coefficient is not
    free to go."""
    rng = np.random.default_rng(5)
    level = (rng.random(60) < 0.3).astype(float)
    y = np.where(level == 1, rng.integers(0, 2, 60), rng.integers(0, 3, 60))
    kept = ~((level == 1)[:, None] & (np.arange(3) == 2))
    X = np.column_stack([level, rng.normal(size=60)])
    for broken in (False, True):
        X[np.flatnonzero(level == 0)[0], 0] = 1e-9 * broken
        objective = Objective(KeptClasses(3), NoPenalty(), as_rows(X, np.where(kept, np.eye(3)[y], -1.0)))
        found = independent_unknowns(objective, objective.hessian_blocks(np.zeros(objective.shape)))
        assert (found is None) == broken


# --- fits ---


@pytest.mark.parametrize("tol", [1e-4, 1e-9])
@pytest.mark.parametrize("seed", range(2))
def test_fits_are_proved_and_coefficients_have_no_bound(seed: int, tol: float) -> None:
    for place, (name, kind, _, _) in enumerate(parts(seed)):
        model, best = solved(seed, place, tol), solved(seed, place, 1e-11)
        certificate = model.certificate_
        apart = kind is OneVsRest and name == "a class apart"
        assert model.stop_ in ((Stop.SEPARATED,) if apart else (Stop.CERTIFIED, Stop.SEPARATED)), name
        assert certificate.is_of_curvature, name
        assert certificate.holds, name
        assert certificate.coefficient_bound == np.inf, name
        assert certificate.objective - best.certificate_.objective <= certificate.gap, name


def test_iris_is_as_good_as_its_two_classes_that_are_not_apart() -> None:
    iris = load_dataset("iris")
    two = iris.y != "setosa"
    rest = LogisticRegression(C=np.inf, tol=1e-12).fit(iris.X[two], iris.y[two]).certificate_
    for tol in (1e-2, 1e-4, 1e-8, 1e-11):
        model = fitted(LogisticRegression, iris.X, iris.y, tol=tol)
        assert model.stop_ is Stop.CERTIFIED
        excess = model.certificate_.objective - rest.objective * 100 / 150
        assert excess <= model.certificate_.gap <= max(4 * excess, 1e-13)


def test_predictions_are_compared_with_those_in_the_limit() -> None:
    for name, kind, X, y in parts(3):
        if kind is not LogisticRegression:
            continue
        model, best = fitted(kind, X, y, tol=1e-4), fitted(kind, X, y, tol=1e-11)
        record = record_training(model, X, y)
        variation = np.abs(model.predict_proba(X) - best.predict_proba(X)).sum(axis=1).mean() / 2
        assert variation <= mean_variation_bound(model.certificate_.gap) + 1e-9, name
        assert record.could_change is not None, name
        assert (model.predict(X) != best.predict(X)).sum() <= record.could_change, name
        model.training_ = record
        assert not settled_rows(model, X).any(), name


def test_the_checker_confirms_it_in_balls_and_refutes_less() -> None:
    pytest.importorskip("flint", reason="python-flint is not installed")
    for name, kind, X, y in parts(4, 50):
        model = fitted(kind, X, y)
        found = verify(model, X, y)
        assert found.verdict == "confirmed", f"{name}: {found}"
        assert found.coefficient_bound == np.inf
        model.certificate_ = replace(model.certificate_, gap=0.9 * found.excess_at_most)
        assert verify(model, X, y).verdict == "refuted", name
