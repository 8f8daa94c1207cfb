"""Newton's method: Hessians that are kept, starts from few rows, and what a certificate takes over
from them."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from polytome.certificates.certificate import certify
from polytome.losses import IndependentSigmoids, Logistic, Softmax
from polytome.models.labels import hard_labels
from polytome.objective import Objective
from polytome.penalties import L2, NoPenalty
from polytome.rows import as_rows
from polytome.solvers import LBFGS, Newton, minimize
from polytome.solvers.guard import Guard


def binary(n: int, rng: np.random.Generator, strength: float = 1e-4) -> Objective:
    X = rng.normal(size=(n, 5)) * 10.0 ** np.arange(-2, 3)
    target = (rng.random(n) < 1 / (1 + np.exp(-X @ (1 / 10.0 ** np.arange(-2, 3)) + 1))).astype(int)
    return Objective(Logistic(), L2(strength) if strength else NoPenalty(), as_rows(X, target))


def test_few_rows_are_a_good_start_for_many(rng: np.random.Generator) -> None:
    objective = binary(20_000, rng)
    null, first = islice(Newton().iterates(objective, objective.null[0]), 2)
    best = minimize(objective, LBFGS(), tol=1e-10).certificate.objective
    assert null.value == pytest.approx(objective.null[1], rel=1e-14)
    # A twentieth of the rows leaves about 20 times half a coefficient's worth of a nat, shared by
    # the rows.
    assert 0 < first.value - best < 10 * 20 * objective.size / 2 / 20_000
    assert first.passes < 3
    for iterate in (null, first):
        value, gradient = objective.value_and_gradient(iterate.coefficients)
        assert iterate.value == pytest.approx(value, rel=1e-14)
        assert_allclose(iterate.gradient, gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("strength", [1e-4, 0.0])
@pytest.mark.parametrize("storage", [np.asarray, np.float32, sparse.csr_matrix, sparse.csc_matrix])
def test_from_few_rows_to_the_same_optimum(storage: object, strength: float, rng: np.random.Generator) -> None:
    rows = binary(20_000, rng).rows
    rows = as_rows(storage(rows.X), rows.target)  # type: ignore[operator, attr-defined]
    objective = Objective(Logistic(), L2(strength) if strength else NoPenalty(), rows)
    newton, lbfgs = (minimize(objective, solver, tol=1e-9) for solver in (Newton(), LBFGS()))
    assert newton.stop.name == lbfgs.stop.name == "CERTIFIED"
    assert newton.certificate.objective == pytest.approx(lbfgs.certificate.objective, rel=2e-9)


@pytest.mark.parametrize("strength", [1e-6, 0.0])
def test_few_rows_that_mislead_do_no_harm(strength: float, rng: np.random.Generator) -> None:
    """Of a rare class they hold almost nothing, so that their own optimum is far away, or
    nowhere."""
    n = 20_000
    X = rng.normal(size=(n, 4))
    target = np.zeros(n, dtype=int)
    target[rng.choice(n, 12, replace=False)] = 1
    X[target == 1] += 1
    penalty = L2(strength) if strength else NoPenalty()
    objective = Objective(Logistic(), penalty, as_rows(X, target))
    newton, lbfgs = (minimize(objective, solver, tol=1e-7) for solver in (Newton(), LBFGS()))
    assert newton.stop.name == "CERTIFIED"
    assert newton.certificate.objective <= lbfgs.certificate.objective * (1 + 1e-6)


def test_rare_classes_are_among_the_few_rows(rng: np.random.Generator) -> None:
    """Without them the start would say that they never occur, and all rows would have to be
    guarded against steps that doubt it."""
    X = rng.normal(size=(20_000, 4))
    y = np.argmax(X @ rng.normal(size=(4, 3)) + rng.gumbel(size=(20_000, 3)), axis=1)
    y[:20] = np.repeat([3, 4], 10)
    objective = Objective(Softmax(5), L2(1e-5), as_rows(X, y))
    solution = minimize(objective, Newton(), tol=1e-6)
    assert solution.stop.name == "CERTIFIED"
    assert solution.passes < 10
    best = minimize(objective, LBFGS(), tol=1e-9).certificate
    assert solution.certificate.objective - best.objective <= 1e-6 * best.null_objective


def test_a_guard_that_fades_has_the_matrix_of_its_curvatures(rng: np.random.Generator) -> None:
    objective = binary(500, rng)
    guard = Guard(objective)
    guard.learn(objective.null[0], np.full(objective.shape, 3.0))
    before = guard.matrix.copy()
    guard.fade(0.9)
    assert guard.extra is not None
    formed = Guard(objective)
    formed.extra = guard.extra
    assert_allclose(guard.matrix, formed.matrix, rtol=1e-10, atol=1e-13 * np.abs(before).max())
    assert_allclose(guard.matrix, before / 4, rtol=1e-10)
    for _ in range(30):
        guard.fade(2.0)
    assert not guard.is_active


def test_coefficients_that_are_known_are_not_left_for_few_rows(rng: np.random.Generator) -> None:
    objective = binary(20_000, rng)
    best = minimize(objective, Newton(), tol=1e-10).coefficients
    again = minimize(objective, Newton(), best, tol=1e-8)
    assert len(again.history) == 1


def test_a_kept_hessian_saves_passes(rng: np.random.Generator) -> None:
    objective = binary(20_000, rng)
    iterates = list(islice(Newton().iterates(objective, objective.null[0]), 1, 5))
    assert all(later.passes - earlier.passes == pytest.approx(1) for earlier, later in pairwise(iterates))
    values = [iterate.value for iterate in iterates]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("loss", [Logistic(), Softmax(3), IndependentSigmoids(2)])
def test_a_certificate_from_what_is_known_is_the_same(loss: Softmax, rng: np.random.Generator) -> None:
    target = {1: (300,), 2: (300, 2), 3: (300,)}[loss.n_outputs]
    rows = as_rows(rng.normal(size=(300, 4)), rng.integers(0, 2 + (loss.n_outputs == 3), target))
    objective = Objective(loss, L2(0.01), rows)
    W = loss.canonical(rng.normal(size=objective.shape))
    *_, point = islice(Newton().iterates(objective, W), 3)
    plain, same = certify(objective, point.coefficients, 1e-4)
    hinted, also = certify(
        objective, point.coefficients, 1e-4, None, (point.value, point.gradient), point.intercept_hessian
    )
    assert hinted.gap == pytest.approx(plain.gap, rel=1e-6)
    assert_allclose(also, same, rtol=0, atol=1e-10)
    exact = objective.intercept_hessian(point.coefficients)
    assert_allclose(point.intercept_hessian, exact, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    "y",
    [
        np.array([3, -1, 3, 2, -1, 2]),
        np.array([-128, 127, 0, 127, -128, 1], dtype=np.int8),
        np.array([10**9, 5, 5, 10**9, 7, 7]),
        np.array([2**64 - 1, 2**64 - 2, 2**64 - 1, 2**64 - 3], dtype=np.uint64),
        np.repeat(np.array([200, 255, 0], dtype=np.uint8), 100),
        np.array([0, 1, 1, 0, 5, 5], dtype=np.int32),
    ],
)
@pytest.mark.parametrize("absent", [0, 1])
def test_whole_numbers_are_sorted_as_any_labels(y: np.ndarray, absent: int) -> None:
    weight = np.ones(len(y))
    weight[:absent] = 0.0
    labels = hard_labels(y)
    classes = np.unique(y[absent:])
    assert_array_equal(labels.classes, classes)
    assert labels.classes.dtype == y.dtype
    assert_array_equal(classes[labels.target][absent:], y[absent:])
    assert labels.target.min() >= 0
    assert labels.target.max() < len(classes)
