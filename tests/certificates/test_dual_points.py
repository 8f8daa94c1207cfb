"""Dual points in more digits than a float has: fits whose proof float64 alone does not reach."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

from cross_entropies import CODES, CROSS_ENTROPIES, SOFT
from polytome import LogisticRegression, OneVsOne, Stop
from polytome.certificates.careful import CarefulFrame
from polytome.losses import Logistic, Softmax, Squared
from polytome.objective import Objective
from polytome.penalties import L2
from polytome.rows import as_rows

TARGETS = [*CROSS_ENTROPIES, (Squared(3), SOFT)]


def _offsets(size: float) -> tuple[np.ndarray, np.ndarray]:
    """Columns that are far from zero, and labels that go by what they differ in."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(25, 3))
    y = (X[:, 0] + rng.logistic(size=25) > 0).astype(int)
    return np.rint(64 * X) / 64 + size * np.array([3.0, -1.0, 0.01]), y


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("size", [1e9, 1e12, 1e13])
def test_columns_far_from_zero_are_proved(size: float, fit_intercept: bool) -> None:
    X, y = _offsets(size)
    assert LogisticRegression(fit_intercept=fit_intercept).fit(X, y).stop_ is Stop.CERTIFIED


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_whole_numbers_far_from_zero_are_proved(fit_intercept: bool) -> None:
    rng = np.random.default_rng(3)
    X = rng.integers(-9, 9, (34, 3)) + np.array([10**12, -(10**9), -700])
    y = rng.integers(0, 3, 34)
    assert LogisticRegression(fit_intercept=fit_intercept).fit(X, y).stop_ is Stop.CERTIFIED


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("size", [1e8, 1e12, 1e15])
def test_outliers_that_contradict_each_other_are_proved(size: float, soft: bool) -> None:
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)
    X[3, 1], X[7, 1] = size, 0.7 * size
    y[[3, 7]] = 0, 1
    labels = rng.dirichlet(np.ones(3), 20) if soft else y
    assert LogisticRegression().fit(X, labels).stop_ is Stop.CERTIFIED


@pytest.mark.parametrize("share", [1e-9, 1e-13, 1e-18])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_rare_classes_are_proved(share: float, n_classes: int) -> None:
    rng = np.random.default_rng(5)
    y = np.arange(18) % n_classes
    weight = np.where(y == 0, 1.0, share * rng.uniform(1, 9, 18))
    model = LogisticRegression().fit(rng.normal(size=(18, 2)), y, weight)
    assert model.stop_ is Stop.CERTIFIED
    assert model.certificate_.gap <= 1e-4 * model.certificate_.null_objective


def test_rows_beyond_doubt_whose_columns_are_huge_are_proved() -> None:
    """Residuals of 1e-17 count where columns are 1e14: the fit's own predictions say too little of
    them."""
    rng = np.random.default_rng(6)
    X, y = _offsets(1e13)
    X *= rng.random(X.shape) < 0.7
    y = np.where(rng.random(25) < 0.3, 2, y)
    assert OneVsOne().fit(sparse.csr_array(X), y).stop_ is Stop.CERTIFIED


def test_the_null_model_of_rare_soft_labels_keeps_its_digits() -> None:
    y = np.array([[1.0, 0.0, 0.0], [0.25, 0.75, 0.0], [0.0, 0.5, 0.5]])
    weight = np.array([1e12, 1e-3, 1e-3])
    model = LogisticRegression().fit(np.eye(3), y, weight)
    shares = [Fraction(v) for v in (weight @ y)[1:].tolist()]
    total = float(sum(Fraction(s) for s in weight.tolist()))
    rare = np.array([float(share) for share in shares]) / total
    assert model.certificate_.null_objective == pytest.approx(-(rare * np.log(rare)).sum() + rare.sum(), rel=1e-12)


@pytest.mark.parametrize(("loss", "target"), TARGETS)
def test_exact_residuals_add_up_to_the_residuals(loss, target) -> None:
    scores = 30 * np.random.default_rng(7).normal(size=(12, loss.n_outputs))
    _, expected = loss.value_and_gradient(scores, target)
    parts = loss.exact_residuals(scores, target)
    np.testing.assert_allclose(np.sum(parts, axis=0), expected, rtol=1e-12, atol=3e-16)


def test_exact_residuals_of_soft_labels_lack_nothing() -> None:
    scores = np.random.default_rng(8).normal(size=(12, 3))
    parts = Softmax(3).exact_residuals(scores, SOFT)
    for row in range(12):
        labels = [-Fraction(parts[1][row, k]) - Fraction(parts[2][row, k]) for k in range(3)]
        assert abs(sum(labels) - 1) < Fraction(1, 2**100)
        total = sum(Fraction(y) for y in SOFT[row].tolist())
        assert all(abs(y - Fraction(v) / total) < Fraction(1, 2**100) for y, v in zip(labels, SOFT[row], strict=True))


def test_a_dual_point_serves_other_coefficients() -> None:
    rng = np.random.default_rng(11)
    objective = Objective(Logistic(), L2(0.1), as_rows(rng.normal(size=(12, 2)), CODES % 2))
    frame = CarefulFrame.of(objective)
    assert frame is not None
    best = frame.best(1e-9)
    assert best is not None
    least, given = best
    off = replace(given, coefficients=given.coefficients + 0.01)
    other = frame.certify_given(off, 1e-9)
    assert 0 < other.objective - least.objective <= other.gap <= 30 * (other.objective - least.objective)
