"""Known scores: their loss as a function of the intercepts, and the intercepts that make residuals
sum to zero."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from polytome import native
from polytome.losses import IndependentSigmoids, Logistic, Softmax, Squared
from polytome.numerics import logit
from polytome.objective import Objective
from polytome.objective.intercepts import RESIDUAL_ROUNDING, KnownScores, balanced, exact_intercept, newton_step
from polytome.penalties import L2
from polytome.rows import arrays as array_rows
from polytome.rows import as_rows
from registry import LOSSES

N = 403  # several tiles and a rest


@pytest.fixture(params=["native", "numpy"])
def path(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(native, "instruction_set", lambda: None)
    return request.param


def objective_of(loss, target, weight, n_threads=1):
    return Objective(loss, L2(1.0), as_rows(np.zeros((len(weight), 1)), target, weight, n_threads=n_threads))


def make(name, times=1.0, n=N):
    """Rows of which a fifth have no weight, and scores for them."""
    rng = np.random.default_rng(3)
    loss, target = LOSSES[name](rng, n)
    weight = np.where(rng.random(n) < 0.2, 0.0, rng.uniform(0.1, 5, n))
    return objective_of(loss, target, weight), times * rng.normal(size=(n, loss.n_outputs))


def residual_sums(objective, scores, b):
    """The mean residual of each output, by the loss itself."""
    _, residual = objective.loss.value_and_gradient(scores + b, objective.rows.target)
    return np.abs(objective.rows.weight @ residual).max() / objective.total_weight


# The intercepts that are best


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("times", [1.0, 20.0, 1000.0])
def test_exact_intercept(loss_name, times):
    objective, scores = make(loss_name, times)
    before = scores.copy()
    b = exact_intercept(objective, scores)
    assert residual_sums(objective, scores, b) <= 2 * RESIDUAL_ROUNDING + 1e-16 * np.abs(scores).max()
    assert_array_equal(scores, before)


@pytest.mark.parametrize("times", [1.0, 20.0, 1000.0])
def test_native_and_numpy_find_the_same_intercepts(loss_name, times, monkeypatch):
    objective, scores = make(loss_name, times)
    found = exact_intercept(objective, scores)
    monkeypatch.setattr(native, "instruction_set", lambda: None)
    assert_allclose(found, exact_intercept(objective, scores), rtol=1e-9, atol=1e-11)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("away", [40.0, -50.0, 400.0, -1e4])
def test_exact_intercept_where_all_rows_are_sure_of_the_same(loss_name, away):
    """There is no curvature to go by where the first output's scores stand so far from the
    others'."""
    objective, scores = make(loss_name, 3.0)
    scores[:, 0] += away
    b = exact_intercept(objective, scores)
    assert residual_sums(objective, scores, b) <= 2 * RESIDUAL_ROUNDING + 1e-16 * np.abs(scores).max()
    assert_allclose(objective.loss.canonical(b[np.newaxis])[0], b, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("away", [0.0, 3.0, 30.0, 300.0])
def test_scores_that_all_rows_share_leave_the_null_model(loss_name, away):
    """In closed form: the intercepts that bring the same scores of all rows to those of the class
    frequencies."""
    objective, _ = make(loss_name)
    scores = away * np.random.default_rng(1).normal(size=objective.loss.n_outputs)
    b = exact_intercept(objective, np.tile(scores, (N, 1)))
    null = objective.loss.null_scores(objective.rows.target, objective.rows.weight)
    reached = objective.loss.canonical((scores + b)[np.newaxis])[0]
    assert_allclose(reached, null, rtol=1e-11, atol=1e-11)


@pytest.mark.usefixtures("path")
def test_log_odds_of_the_weight_of_one_class():
    objective = objective_of(Logistic(), np.array([0, 1, 1, 0]), np.array([1.0, 2.0, 4.0, 0.0]))
    assert_allclose(exact_intercept(objective, np.full((4, 1), -2.0)), logit(6 / 7) + 2, rtol=1e-12)


@pytest.mark.parametrize("loss", [Logistic(), Softmax(2)], ids=repr)
def test_scores_without_any_curvature_are_left_alone(loss):
    """No step can be told from another where every probability is 0 or 1, there and at the mean,
    and none is taken."""
    scores = np.array([[-1e5, 1e5], [-1e5, 1e5], [-1e5, 1e5], [1e5, -1e5]])[:, : loss.n_outputs]
    objective = objective_of(loss, np.array([0, 1, 0, 1]), np.ones(4))
    assert_array_equal(exact_intercept(objective, scores), np.zeros(loss.n_outputs))


def test_a_hessian_is_kept_while_it_serves(monkeypatch):
    formed, found = [], KnownScores.hessian
    monkeypatch.setattr(KnownScores, "hessian", lambda self, b: formed.append(b) or found(self, b))
    objective, scores = make("softmax-soft")
    near = scores + exact_intercept(objective, scores) + [1e-3, 0.0, -1e-3]
    formed.clear()
    assert residual_sums(objective, near, np.zeros(3)) > 1e-4
    assert residual_sums(objective, near, exact_intercept(objective, near)) <= 2 * RESIDUAL_ROUNDING
    assert len(formed) == 1


# Loss, slope and Hessian


@pytest.mark.usefixtures("path")
def test_slope_and_hessian_are_derivatives_of_the_mean_loss(loss_name):
    objective, scores = make(loss_name)
    known, b = KnownScores(objective, scores), np.random.default_rng(2).normal(size=objective.loss.n_outputs)
    value, slope = known.loss_and_slope(b)
    each, _ = objective.loss.value_and_gradient(scores + b, objective.rows.target)
    assert value == pytest.approx(np.average(each, weights=objective.rows.weight), rel=1e-13)
    steps = 1e-4 * np.eye(len(b))
    differences = [known.loss_and_slope(b + h)[0] - known.loss_and_slope(b - h)[0] for h in steps]
    assert_allclose(slope, np.array(differences) / 2e-4, rtol=1e-6, atol=1e-8)
    differences = [known.loss_and_slope(b + h)[1] - known.loss_and_slope(b - h)[1] for h in steps]
    assert_allclose(known.hessian(b), np.array(differences) / 2e-4, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_native_and_numpy_write_the_same_residuals(loss_name, n_threads, monkeypatch):
    """In one block and in several."""
    objective, scores = make(loss_name)
    objective = objective_of(objective.loss, objective.rows.target, objective.rows.weight, n_threads)
    b = np.random.default_rng(2).normal(size=objective.loss.n_outputs)
    _, want = objective.loss.value_and_gradient(scores + b, objective.rows.target)
    for block_bytes in (array_rows._BLOCK_BYTES, 1):
        for chosen in (*native.instruction_sets(), None):
            monkeypatch.setattr(array_rows, "_BLOCK_BYTES", block_bytes)
            monkeypatch.setattr(native, "instruction_set", lambda chosen=chosen: chosen)
            value, slope, residuals = KnownScores(objective, scores).loss_slope_and_residuals(b)
            assert_allclose(residuals, want, rtol=1e-13, atol=1e-14)
            assert_allclose(slope, objective.rows.weight @ want / objective.total_weight, rtol=1e-12, atol=1e-15)
            again = KnownScores(objective, scores).loss_and_slope(b)
            assert again[0] == value
            assert_array_equal(again[1], slope)


# The step


def test_a_step_of_a_separable_loss_is_one_division_for_each_output():
    hessian, gradient = np.diag([2.0, 0.0, 1e-30]), np.array([1.0, 1.0, 1.0])
    assert_array_equal(newton_step(hessian, gradient, separable=True), [0.5, 0.0, 0.0])
    assert_allclose(newton_step(hessian, gradient, separable=True, damping=2.0), [0.25, 0.5, 0.5], rtol=1e-15)
    assert_array_equal(newton_step(0 * hessian, gradient, separable=True), np.zeros(3))


def test_a_step_of_the_softmax_loss_solves_with_the_hessian(rng):
    """The Hessian is flat along the same change to every intercept, in which gradients have no
    part."""
    objective, scores = make("softmax")
    hessian = KnownScores(objective, scores).hessian(np.zeros(3))
    gradient = rng.normal(size=3)
    gradient -= gradient.mean()
    step = newton_step(hessian, gradient, separable=False)
    assert_allclose(step, np.linalg.pinv(hessian, rcond=1e-10) @ gradient, rtol=1e-10)
    assert_allclose(newton_step(hessian, gradient, separable=False, damping=1e6), gradient / 1e6, rtol=1e-5)
    assert_array_equal(newton_step(0 * hessian, gradient, separable=False), np.zeros(3))


def test_the_squared_loss_needs_one_step(monkeypatch):
    objective, scores = make("squared-two", 1000.0)
    slopes, found = [], KnownScores.loss_and_slope
    monkeypatch.setattr(KnownScores, "loss_and_slope", lambda self, b: slopes.append(b) or found(self, b))
    b = exact_intercept(objective, scores)
    assert isinstance(objective.loss, Squared)
    assert_allclose(b, objective.rows.weight @ (objective.rows.target - scores) / objective.total_weight, rtol=1e-12)
    assert len(slopes) <= 3


@pytest.mark.parametrize("loss", [Softmax(3), IndependentSigmoids(3)])
def test_a_hessian_nearby_is_corrected_by_the_steps(loss, rng):
    """Secants find the minimum from a Hessian that is a third too large, and no other is formed."""
    target = rng.integers(0, 3, 400) if loss == Softmax(3) else rng.integers(0, 2, (400, 3))
    scores = rng.normal(size=(400, 3))
    known = KnownScores(Objective(loss, L2(0.1), as_rows(np.zeros((400, 1)), target)), scores)
    best, evaluated = exact_intercept(known.objective, scores), []

    def evaluate(b):
        evaluated.append(b)
        return known.loss_and_slope(b)

    def refuse(b):
        raise AssertionError("no Hessian is needed")

    start = best + np.array([0.02, -0.03, 0.01])
    b, (_, slope) = balanced(evaluate, refuse, start, separable=loss.separable, hessian=1.3 * known.hessian(best))
    assert_allclose(b, best, rtol=0, atol=1e-12)
    assert np.abs(slope).max() < 1e-13
    assert len(evaluated) < 8
