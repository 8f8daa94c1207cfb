"""The optimum in eighty digits, and the proofs that it brings where sixteen do not suffice."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

from cross_entropies import CODES, CROSS_ENTROPIES, SOFT
from polytome import LogisticRegression, OneVsOne, Stop
from polytome.certificates.careful import CarefulFrame
from polytome.certificates.optimum import Optimum
from polytome.losses import Logistic, Softmax, Squared
from polytome.numerics.exact_sums import exact_scores
from polytome.objective import Objective
from polytome.penalties import L2, WeightedL2
from polytome.rows import as_rows


def _objective(loss, target, fit_intercept: bool = True, penalty=None) -> Objective:
    rng = np.random.default_rng(9)
    rows = as_rows(rng.normal(size=(12, 2)), target, rng.uniform(1, 2, 12))
    return Objective(loss, penalty or L2(0.1), rows, fit_intercept)


@pytest.mark.parametrize("penalty", [L2(0.1), WeightedL2(0.1, [1.0, 7.0])])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss_and_target", CROSS_ENTROPIES)
def test_the_optimum_has_no_gradient(loss_and_target, fit_intercept: bool, penalty) -> None:
    objective = _objective(*loss_and_target, fit_intercept, penalty)
    optimum = Optimum.of(objective, objective.rows.whole.X)
    assert optimum is not None
    assert np.abs(optimum.change).max() < 1e-15
    for coefficients, intercept in optimum.near:
        _, gradient = objective.value_and_gradient(np.vstack([coefficients, intercept]))
        assert np.abs(gradient[: 2 + fit_intercept]).max() < 1e-14
        assert fit_intercept or not intercept.any()
    frame = CarefulFrame.of(objective)
    assert frame is not None
    best = frame.best(1e-12)
    assert best is not None
    assert best[0].holds
    assert best[0].gap < 1e-13


def test_predictions_of_the_optimum_have_more_digits_than_a_float() -> None:
    objective = _objective(Softmax(3), CODES)
    optimum = Optimum.of(objective, objective.rows.whole.X)
    assert optimum is not None
    p = Softmax(3).mean(optimum.scores)
    weight, likeliest = objective.rows.weight, optimum.scores.argmax(axis=1)
    left = []
    for k in range(3):
        total = Fraction(0)
        for i in range(12):
            exact = [sum(map(Fraction, (p[i, j], *optimum.change[:, i, j]))) for j in range(3)]
            exact[likeliest[i]] = 1 - sum(exact) + exact[likeliest[i]]
            total += Fraction(weight[i]) * (exact[k] - (k == CODES[i]))
        left.append(abs(total))
    assert max(left) < Fraction(1, 10**38)


def test_intercepts_are_best_beside_rounded_coefficients() -> None:
    """Rounded coefficients of a column of 1e16 move all scores alike."""
    rng = np.random.default_rng(1)
    X = np.column_stack([rng.normal(size=12), 2.0**53 + 2.0 * rng.integers(0, 9, 12)])
    objective = Objective(Logistic(), L2(0.1), as_rows(X, CODES % 2))
    optimum = Optimum.of(objective, X)
    assert optimum is not None
    means = []
    for coefficients, intercept in optimum.near:
        scores = exact_scores(X, coefficients, intercept)
        means.append(abs(float(Logistic().value_and_gradient(scores, CODES % 2)[1].mean())))
    assert len(means) == 2
    assert means[1] <= means[0]


def test_no_optimum_is_sought_where_it_takes_long_or_the_loss_is_another() -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(20_000, 3))
    assert Optimum.of(Objective(Logistic(), L2(0.1), as_rows(X, np.arange(20_000) % 2)), X) is None
    objective = _objective(Squared(3), SOFT)
    assert Optimum.of(objective, objective.rows.whole.X) is None


@pytest.mark.parametrize("less", [None, np.array([1, 0])])
def test_scores_are_free_of_rounding_but_for_the_last(less) -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(2, 3)) * 10.0 ** np.array([15, 0, -8])
    W, b = rng.normal(size=(3, 2)), rng.normal(size=2) * 1e15
    exact = [[sum(Fraction(x) * Fraction(w) for x, w in zip(row, W[:, k], strict=True)) for k in (0, 1)] for row in X]
    for row, found in enumerate(exact_scores(X, W, b, less)):
        scores = [score + Fraction(each) for score, each in zip(exact[row], b.tolist(), strict=True)]
        if less is not None:
            scores = [score - scores[less[row]] for score in scores]
        assert found.tolist() == [float(score) for score in scores]


@pytest.mark.parametrize("size", [1e10, 1e13, 1e15])
@pytest.mark.parametrize("n_classes", [3, 4])
def test_outliers_of_several_classes_that_contradict_each_other_are_proved(n_classes: int, size: float) -> None:
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(24, 3)), np.arange(24) % n_classes
    X[3, 1], X[8, 1], X[13, 1] = size, 0.7 * size, -0.3 * size
    assert LogisticRegression().fit(X, y).stop_ is Stop.CERTIFIED


@pytest.mark.parametrize("model", [LogisticRegression(), OneVsOne()])
def test_columns_that_mix_zero_and_huge_values_are_proved(model) -> None:
    rng = np.random.default_rng(5)
    X = rng.normal(np.array([1e14, -3e13, 1e12, 2e14]), size=(25, 4)) * (rng.random((25, 4)) < 0.6)
    assert model.fit(sparse.csr_array(X), np.arange(25) % 3).stop_ is Stop.CERTIFIED


def test_soft_labels_that_are_all_but_hard_are_proved() -> None:
    rng = np.random.default_rng(6)
    y = 10.0 ** -rng.uniform(0, 25, (20, 2))
    y[:2] = np.eye(2)
    weight = 10.0 ** rng.uniform(-10, 10, 20)
    model = LogisticRegression(C=1e4).fit(rng.normal(size=(20, 2)), y / y.sum(axis=1, keepdims=True), weight)
    assert model.stop_ is Stop.CERTIFIED


def test_outliers_beside_weights_of_many_decades_are_proved() -> None:
    rng = np.random.default_rng(7)
    X, y = rng.normal(size=(24, 3)), np.arange(24) % 3
    X[3, 1], X[8, 1], X[11, 2] = 1e15, 1e11, -1e14
    weight = 10.0 ** rng.uniform(-12, 12, 24)
    assert LogisticRegression(scale=[1e4, 1e-4, 1.0]).fit(X, y, weight).stop_ is Stop.CERTIFIED
