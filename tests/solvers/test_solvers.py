"""Every solver reaches the same certified optimum, and says truly why it stopped where it does
not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise, repeat
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from polytome import LogisticRegression, Progress, Stop, native
from polytome.curvature.preconditioner import precondition
from polytome.errors import ArgumentError
from polytome.losses import IndependentSigmoids, Logistic, Loss, Softmax, Squared
from polytome.losses.pairwise import PairwiseSigmoids
from polytome.objective import Objective
from polytome.penalties import L2, NoPenalty
from polytome.rows import Columns, as_rows
from polytome.solvers import (
    LBFGS,
    DualCoordinateAscent,
    GradientDescent,
    Iterate,
    Newton,
    RowSpace,
    Solver,
    StochasticGradientDescent,
    choose_solver,
    lbfgs,
    minimize,
    named_solver,
    stochastic,
)
from polytome.solvers.driver import Epoch, train
from polytome.solvers.ridge_start import ridge_start
from polytome.solvers.solver import Relay

EXACT = {
    "newton": Newton(),
    "newton from a sample": Newton(sample=60),
    "lbfgs": LBFGS(),
    "lbfgs without memory to speak of": LBFGS(memory=3, rebuild=(0,)),
    "lbfgs then newton": LBFGS(then=Newton(), then_after=3),
    "row space, newton": RowSpace(Newton()),
    "row space, lbfgs": RowSpace(LBFGS()),
}
SLOW = {
    "gradient descent": GradientDescent(),
    "stochastic": StochasticGradientDescent(batch_size=1, decay=1e-2, seed=3),
    "mini-batch": StochasticGradientDescent(0.5, batch_size=32, decay=0.05, seed=3),
}


def make_objective(K: int = 3, n: int = 150, d: int = 6, strength: float = 0.01, **settings: object) -> Objective:
    rng = np.random.default_rng([K, n, d])
    X = rng.normal(size=(n, d))
    scores = X @ rng.normal(size=(d, K)) + rng.gumbel(size=(n, K))
    target = scores.argmax(axis=1)
    target[:K] = np.arange(K)
    penalty = L2(strength) if strength else NoPenalty()
    rows = as_rows(X, target, rng.uniform(0.5, 2.0, size=n))
    return Objective(Logistic() if K == 2 else Softmax(K), penalty, rows, **settings)


@pytest.fixture(scope="module")
def optimum() -> dict[tuple[int, bool], np.ndarray]:
    """Reference coefficients from plain Newton steps in NumPy, to rounding."""
    return {(K, fi): plain_newton(make_objective(K, fit_intercept=fi)) for K in (2, 3) for fi in (True, False)}


def plain_newton(objective: Objective) -> np.ndarray:
    """Undamped Newton with a pseudo-inverse: right for these tame problems, and shares no step with
    the solvers."""
    W = np.zeros(objective.shape)
    for _ in range(50):
        _, gradient = objective.value_and_gradient(W)
        step = np.linalg.pinv(objective.hessian(W), rcond=1e-12, hermitian=True) @ gradient.T.ravel()
        W = W - step.reshape(W.T.shape).T
    assert np.abs(gradient).max() < 1e-13
    return objective.loss.canonical(W)


# --- the same optimum ---


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("name", EXACT)
def test_exact_solvers_reach_the_optimum(name: str, K: int, fit_intercept: bool, optimum: dict) -> None:
    objective = make_objective(K, fit_intercept=fit_intercept)
    solution = minimize(objective, EXACT[name], tol=1e-14)
    assert solution.stop is Stop.CERTIFIED
    assert solution.certificate.kind == "proof"
    np.testing.assert_allclose(solution.coefficients, optimum[K, fit_intercept], atol=1e-6)
    away = np.linalg.norm((solution.coefficients - optimum[K, fit_intercept])[:-1])
    assert away <= solution.certificate.coefficient_bound + 1e-12


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("name", SLOW)
def test_gradient_solvers_reach_the_optimum(name: str, K: int, optimum: dict) -> None:
    objective = make_objective(K, strength=0.01 if name == "gradient descent" else 0.1)
    best = plain_newton(objective)
    solution = minimize(objective, SLOW[name], tol=1e-4, max_iter=3000)
    assert solution.stop is Stop.CERTIFIED
    away = np.linalg.norm((solution.coefficients - best)[:-1])
    assert away <= solution.certificate.coefficient_bound
    assert solution.certificate.coefficient_bound < 0.15 * np.linalg.norm(best[:-1])


@pytest.mark.parametrize("name", EXACT)
def test_without_penalty(name: str) -> None:
    objective = make_objective(3, strength=0.0)
    solution = minimize(objective, EXACT[name], tol=1e-12)
    assert solution.stop is Stop.CERTIFIED
    assert solution.certificate.is_of_curvature
    best = minimize(objective, Newton(), tol=1e-15).coefficients
    np.testing.assert_allclose(solution.coefficients, best, atol=1e-4)


@pytest.mark.parametrize("loss", [IndependentSigmoids(3), Squared(3)])
@pytest.mark.parametrize("solver", [Newton(), LBFGS(), GradientDescent()])
def test_other_losses(loss: object, solver: object) -> None:
    rng = np.random.default_rng(0)
    X, target = rng.normal(size=(80, 4)), rng.integers(0, 2, size=(80, 3)).astype(float)
    objective = Objective(loss, L2(0.05), as_rows(X, target))
    solution = minimize(objective, solver, tol=1e-9)
    assert solution.stop is Stop.CERTIFIED
    np.testing.assert_allclose(solution.coefficients, plain_newton(objective), atol=1e-3)


def test_squared_loss_is_ridge_regression_in_closed_form() -> None:
    rng = np.random.default_rng(1)
    X, target = rng.normal(size=(40, 5)), rng.normal(size=(40, 2))
    centred, aim = X - X.mean(axis=0), target - target.mean(axis=0)
    exact = np.linalg.solve(centred.T @ centred + 40 * 0.3 * np.eye(5), centred.T @ aim)
    for solver in (Newton(), LBFGS(), RowSpace(Newton())):
        solution = minimize(Objective(Squared(2), L2(0.3), as_rows(X, target)), solver, tol=1e-20)
        np.testing.assert_allclose(solution.coefficients[:-1], exact, atol=1e-9)
        np.testing.assert_allclose(solution.coefficients[-1], target.mean(axis=0) - X.mean(axis=0) @ exact, atol=1e-9)


# Each value of each meets each of the others.
@pytest.mark.parametrize(
    ("K", "strength", "fit_intercept"),
    [(2, 1e-5, True), (4, 1e-5, False), (2, 1e-2, False), (4, 1e-2, True), (2, 10.0, True), (4, 10.0, False)],
)
def test_row_space_equals_the_primal_solution(K: int, strength: float, fit_intercept: bool) -> None:
    objective = make_objective(K, n=12, d=30, strength=strength, fit_intercept=fit_intercept)
    primal = minimize(objective, Newton(), tol=1e-22).coefficients
    for inner in (Newton(), LBFGS()):
        solution = minimize(objective, RowSpace(inner), tol=1e-22)
        rounding = 1e-8 * max(1.0, np.abs(primal).max()) + 2 * np.sqrt(2 * solution.certificate.exact / strength)
        assert rounding < (1e-7 if inner == Newton() else 1e-5)  # L-BFGS cannot see beyond the rounding of values
        np.testing.assert_allclose(solution.coefficients, primal, atol=rounding)


def test_row_space_of_sparse_and_shifted_columns() -> None:
    rng = np.random.default_rng(4)
    X = sparse.random_array((20, 900), density=0.05, random_state=rng, format="csr")
    y = rng.integers(0, 3, size=20)
    fits = [LogisticRegression(solver=s, tol=1e-12, scale="standard").fit(X, y) for s in (RowSpace(Newton()), "lbfgs")]
    # Scaled columns count the rounding of their deviations: no smaller gap is proved, and
    # coefficients go by its root.
    np.testing.assert_allclose(fits[1].coef_, fits[0].coef_, rtol=1e-4, atol=1e-4)


# --- gradient descent ---


def test_first_steps_of_gradient_descent_by_hand() -> None:
    """Rows -1 -> 0 and 1 -> 1: from zero the gradient is -1/2, so w = 0.05, and then the sigmoid of
    0.05 decides."""
    objective = Objective(Logistic(), L2(0.1), as_rows(np.array([[-1.0], [1.0]]), np.array([0, 1])))
    walk = GradientDescent(learning_rate=0.1).iterates(objective, np.zeros((2, 1)))
    first, second, third = next(walk), next(walk), next(walk)
    assert first.value == pytest.approx(np.log(2), rel=1e-15)
    np.testing.assert_allclose(first.gradient, [[-0.5], [0.0]], atol=1e-16)
    np.testing.assert_allclose(second.coefficients, [[0.05], [0.0]], atol=1e-16)
    slope = -1 / (1 + np.exp(0.05)) + 0.1 * 0.05
    np.testing.assert_allclose(second.gradient, [[slope], [0.0]], atol=1e-15)
    assert second.value == pytest.approx(np.log1p(np.exp(-0.05)) + 0.05 * 0.05**2, rel=1e-14)
    np.testing.assert_allclose(third.coefficients, [[0.05 - 0.1 * slope], [0.0]], atol=1e-15)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("scales", [(1.0,) * 6, (1e-2, 1e2, 1.0, 1e1, 1e-1, 1.0)])
def test_gradient_descent_descends_at_its_own_rate(K: int, scales: tuple[float, ...]) -> None:
    objective = make_objective(K)
    objective = Objective(objective.loss, L2(0.01), as_rows(objective.rows.X * scales, objective.rows.target))
    history = minimize(objective, GradientDescent(), tol=1e-12, max_iter=200).history
    assert len(history) > 20
    assert all(later.objective < earlier.objective for earlier, later in pairwise(history))


def test_stochastic_steps_by_hand() -> None:
    """Batches of one row along the seeded order, the rate falling as 1 / (1 + decay t)."""
    X, y = np.array([[1.0], [2.0], [-1.0]]), np.array([1, 0, 1])
    objective = Objective(Logistic(), L2(0.1), as_rows(X, y))
    order = np.random.default_rng(5).permutation(3)
    w = b = 0.0
    for t, i in enumerate(order):
        residual = 1 / (1 + np.exp(-(w * X[i, 0] + b))) - y[i]
        rate = 0.5 / (1 + 0.25 * t)
        w, b = w - rate * (residual * X[i, 0] + 0.1 * w), b - rate * residual
    walk = StochasticGradientDescent(0.5, batch_size=1, decay=0.25, seed=5).iterates(objective, np.zeros((2, 1)))
    next(walk)
    np.testing.assert_allclose(next(walk).coefficients.ravel(), [w, b], atol=1e-14)


def test_one_batch_of_all_rows_is_gradient_descent() -> None:
    objective = make_objective(3)
    start = objective.null[0]
    stochastic = StochasticGradientDescent(0.1, batch_size=objective.rows.n_rows).iterates(objective, start)
    batch = GradientDescent(0.1).iterates(objective, start)
    for _ in range(5):
        np.testing.assert_allclose(next(stochastic).coefficients, next(batch).coefficients, atol=1e-12)


def test_stochastic_is_seeded() -> None:
    objective = make_objective(3)

    def coefficients(seed: int) -> np.ndarray:
        solver = StochasticGradientDescent(batch_size=4, seed=seed)
        return minimize(objective, solver, tol=1e-12, max_iter=5).coefficients

    assert np.array_equal(coefficients(1), coefficients(1))
    assert not np.array_equal(coefficients(1), coefficients(2))


def linear_steps(X: np.ndarray, y: np.ndarray, weight: np.ndarray, size: int, rate: float) -> tuple[np.ndarray, float]:
    """One epoch of least squares from zero, rows in their order, and the weighted mean of the loss
    before each step."""
    X = np.column_stack([X, np.ones(len(X))])
    w, met = np.zeros(X.shape[1]), 0.0
    for start in range(0, len(X), size):
        part = slice(start, start + size)
        error = X[part] @ w - y[part]
        met += weight[part] @ (0.5 * error**2)
        w -= rate * X[part].T @ (weight[part] * error) / len(error) / weight.mean()
    return w, met / weight.sum()


@pytest.mark.parametrize("size", [1, 7, 20, 100])
def test_rows_in_their_order_by_hand(size: int) -> None:
    """A last batch that is smaller counts as much as the others; weights count in steps and in the
    running loss."""
    rng = np.random.default_rng(8)
    X, y, weight = rng.normal(size=(50, 3)), rng.normal(size=50), rng.uniform(0.5, 2.0, size=50)
    objective = Objective(Squared(), NoPenalty(), as_rows(X, y, weight))
    walk = StochasticGradientDescent(0.05, batch_size=size, shuffle=False).iterates(objective, np.zeros((4, 1)))
    start, epoch = next(walk), next(walk)
    w, running = linear_steps(X, y, weight, size, 0.05)
    np.testing.assert_allclose(epoch.coefficients.ravel(), w, atol=1e-14)
    assert epoch.running == pytest.approx(running, rel=1e-13)
    assert epoch.updates == -(-50 // size)
    assert (start.running, start.updates) == (None, None)


@pytest.mark.parametrize("size", [1, 7, 50])
@pytest.mark.parametrize("shuffle", [False, True])
def test_the_ends_of_epochs_of_single_steps_are_the_iterates(size: int, shuffle: bool) -> None:
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(50, 3)), rng.integers(0, 2, size=50)
    objective = Objective(Logistic(), L2(0.1), as_rows(X, y))
    solver = StochasticGradientDescent(0.3, batch_size=size, decay=0.1, seed=6, shuffle=shuffle)
    walk, steps = solver.iterates(objective, np.zeros((4, 1))), solver.steps(objective, np.zeros((4, 1)))
    before = next(walk).coefficients
    for _ in range(3):
        epoch, used, running = next(walk), [], 0.0
        for step in islice(steps, -(-50 // size)):
            np.testing.assert_array_equal(step.coefficients, before - step.rate * step.gradient)
            gradient = Objective(Logistic(), L2(0.1), as_rows(X[step.rows], y[step.rows])).value_and_gradient(before)[1]
            np.testing.assert_allclose(step.gradient, gradient, atol=1e-14)
            before = step.coefficients
            used.extend(step.rows.tolist())
            running += step.loss / 50
        np.testing.assert_array_equal(before, epoch.coefficients)
        assert sorted(used) == list(range(50))
        assert running == epoch.running


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("size", [1, 3, 64])
def test_batches_do_not_depend_on_the_chunks_that_they_are_cut_from(
    kind: object, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(9)
    X, y = rng.integers(0, 4, size=(100, 5)).astype(float), rng.integers(0, 2, size=100)
    rows = as_rows(kind(X), y).with_columns(Columns(X.mean(axis=0), 1 / X.std(axis=0)))
    solver = StochasticGradientDescent(0.1, batch_size=size, seed=2)
    epochs = []
    for entries in (0, 200, 10_000):
        monkeypatch.setattr(stochastic, "_CHUNK_ENTRIES", entries)
        walk = solver.iterates(Objective(Logistic(), L2(0.1), rows), np.zeros((6, 1)))
        epochs.append([next(walk), next(walk), next(walk)][-1])
    for epoch in epochs[1:]:
        np.testing.assert_allclose(epoch.coefficients, epochs[0].coefficients, atol=1e-13)
        assert epoch.running == pytest.approx(epochs[0].running, rel=1e-12)


def test_a_walk_ends_after_an_epoch_that_changed_nothing() -> None:
    """y = 2 x + 1 at its solution: all errors are exactly zero."""
    objective = Objective(Squared(), NoPenalty(), as_rows(np.array([[0.0], [1.0], [4.0]]), np.array([1.0, 3.0, 9.0])))
    walk = list(StochasticGradientDescent(0.1).iterates(objective, np.array([[2.0], [1.0]])))
    assert [iterate.updates for iterate in walk] == [None, 0]
    assert walk[-1].running == 0.0


# --- a number of epochs ---


def test_epochs_of_gradient_descent() -> None:
    """Each epoch is one step, and the loss it met is that of the iterate before."""
    objective = make_objective(3)
    training = train(objective, GradientDescent(0.1), np.zeros(objective.shape), epochs=4)
    walk = GradientDescent(0.1).iterates(objective, np.zeros(objective.shape))
    iterates = [next(walk) for _ in range(5)]
    np.testing.assert_array_equal(training.coefficients, iterates[-1].coefficients)
    expected = [
        Epoch(i, after.value, before.value, None) for i, (before, after) in enumerate(pairwise(iterates), start=1)
    ]
    assert training.history == tuple(expected)
    assert training.stop is Stop.EPOCHS
    assert training.stop.succeeded


def test_epochs_of_single_rows_are_those_of_the_solver() -> None:
    objective = make_objective(2)
    solver = StochasticGradientDescent(0.1, seed=6)
    training = train(objective, solver, np.zeros(objective.shape), epochs=3)
    walk = solver.iterates(objective, np.zeros(objective.shape))
    np.testing.assert_array_equal(training.coefficients, [next(walk) for _ in range(4)][-1].coefficients)
    assert [epoch.updates for epoch in training.history] == [150] * 3
    assert training.history[-1].running < training.history[0].running


def test_training_that_changes_nothing_says_so() -> None:
    objective = Objective(Squared(), NoPenalty(), as_rows(np.array([[0.0], [1.0]]), np.array([1.0, 3.0])))
    for epochs in (1, 5):
        training = train(objective, StochasticGradientDescent(0.1), np.array([[2.0], [1.0]]), epochs=epochs)
        assert training.stop is Stop.UNCHANGED
        assert [epoch.updates for epoch in training.history] == [0]
        assert training.coefficients.ravel().tolist() == [2.0, 1.0]


@pytest.mark.parametrize("solver", [GradientDescent(1e300), StochasticGradientDescent(1e300, batch_size=10)])
def test_training_that_overflows_keeps_the_lowest_finite_coefficients(solver: object) -> None:
    objective = make_objective(3)
    start = np.zeros(objective.shape)
    training = train(objective, solver, start, epochs=9)
    assert training.stop is Stop.NONFINITE
    assert np.isfinite(training.coefficients).all()
    assert objective.value_and_gradient(training.coefficients)[0] <= objective.value_and_gradient(start)[0]


def test_training_that_climbs_says_so() -> None:
    rng = np.random.default_rng(3)
    objective = Objective(Squared(), NoPenalty(), as_rows(rng.normal(size=(30, 2)), rng.normal(size=30)))
    training = train(objective, GradientDescent(3.0), np.zeros((3, 1)), epochs=6)
    assert training.stop is Stop.DIVERGED
    assert not training.stop.succeeded
    assert training.history[-1].objective > training.history[0].running
    assert "learning rate" in training.stop.value


def test_interrupted_training_keeps_the_coefficients_so_far() -> None:
    objective = make_objective(2)
    start, solver = np.zeros(objective.shape), StochasticGradientDescent(0.1)
    training = train(objective, solver, start, epochs=50, callback=lambda epoch: epoch.number == 2)
    assert training.stop is Stop.INTERRUPTED
    assert len(training.history) == 2
    np.testing.assert_array_equal(training.coefficients, train(objective, solver, start, epochs=2).coefficients)


# --- why a walk stops ---


@pytest.mark.parametrize("solver", [*EXACT.values(), *SLOW.values()], ids=[*EXACT, *SLOW])
def test_max_iter(solver: object) -> None:
    solution = minimize(make_objective(3), solver, tol=1e-15, max_iter=2)
    assert solution.stop is Stop.MAX_ITER
    assert not solution.stop.succeeded
    assert len(solution.history) == 3
    assert not solution.certificate.holds
    assert "max_iter" in solution.stop.value


def test_no_iterations_keep_the_start() -> None:
    objective = make_objective(3)
    solution = minimize(objective, Newton(), max_iter=0)
    assert solution.stop is Stop.MAX_ITER
    np.testing.assert_allclose(solution.coefficients, objective.null[0], atol=1e-12)
    start = np.random.default_rng(0).normal(size=objective.shape)
    moved = minimize(objective, Newton(), start, max_iter=0).coefficients
    np.testing.assert_allclose(moved[:-1], objective.loss.canonical(start)[:-1], atol=1e-12)


@pytest.mark.parametrize("solver", [GradientDescent(1e300), StochasticGradientDescent(1e300, batch_size=10)])
def test_nonfinite_keeps_the_best_finite_iterate(solver: object) -> None:
    solution = minimize(make_objective(3), solver, tol=1e-12)
    assert solution.stop is Stop.NONFINITE
    assert "learning rate" in solution.stop.value
    assert np.isfinite(solution.coefficients).all()
    assert solution.certificate.objective <= solution.history[0].objective * (1 + 1e-12)
    assert not solution.certificate.holds


def test_interrupted_keeps_the_best() -> None:
    objective = make_objective(3)
    seen: list[Progress] = []

    def stop_at_third(progress: Progress) -> bool:
        seen.append(progress)
        return len(seen) == 3

    solution = minimize(objective, LBFGS(), tol=1e-14, callback=stop_at_third)
    assert solution.stop is Stop.INTERRUPTED
    assert tuple(seen) == solution.history
    assert len(seen) == 3
    assert solution.certificate.objective <= min(p.objective for p in seen)  # less: its intercept is exact


def test_callback_sees_each_iteration_and_a_false_answer_goes_on() -> None:
    seen: list[Progress] = []
    solution = minimize(make_objective(2), Newton(), callback=seen.append)
    assert solution.stop is Stop.CERTIFIED
    assert [p.iteration for p in seen] == list(range(len(seen)))
    assert tuple(seen) == solution.history


@pytest.mark.parametrize("solver", [Newton(), LBFGS(), RowSpace(Newton()), LBFGS(then=Newton(), then_after=5)])
@pytest.mark.parametrize("K", [2, 3])
def test_separated_without_penalty(K: int, solver: object) -> None:
    rng = np.random.default_rng(K)
    target = np.arange(30) % K
    X = np.eye(K)[target] * 4 + 0.1 * rng.normal(size=(30, K))
    objective = Objective(Logistic() if K == 2 else Softmax(K), NoPenalty(), as_rows(X, target))
    solution = minimize(objective, solver, tol=1e-4)
    assert solution.stop is Stop.SEPARATED
    assert not solution.stop.succeeded
    assert "separated" in solution.stop.value
    assert solution.certificate.kind == "proof"
    assert solution.certificate.gap == solution.certificate.objective


@pytest.mark.parametrize("solver", [Newton(), LBFGS(), RowSpace(Newton())])
def test_stalled_where_rounding_ends_all_progress(solver: object) -> None:
    solution = minimize(make_objective(3), solver, tol=1e-300, max_iter=2000)
    assert solution.stop is Stop.STALLED
    assert solution.certificate.exact < 1e-18  # values of 0.6 tell nothing below 1e-16 apart
    assert "certificate does not hold" in solution.stop.value


@pytest.mark.parametrize("name", [*EXACT, *SLOW])
def test_history_grows(name: str) -> None:
    solver = {**EXACT, **SLOW}[name]
    solution = minimize(make_objective(3), solver, tol=1e-6, max_iter=50)
    for earlier, later in pairwise(solution.history):
        assert later.iteration == earlier.iteration + 1
        assert later.seconds >= earlier.seconds
        assert later.passes > earlier.passes or "row space" in name  # one pass over the rows, whatever comes after it
        assert later.passes >= earlier.passes
    assert solution.passes == solution.history[-1].passes
    assert solution.history[0].passes >= 1


def test_null_model_and_tol_have_one_meaning() -> None:
    """`tol` bounds the gap relative to the objective of the best intercept alone."""
    objective = make_objective(4)
    share = np.bincount(objective.rows.target, weights=objective.rows.weight) / objective.rows.weight.sum()
    assert objective.null[1] == pytest.approx(-(share * np.log(share)).sum(), rel=1e-13)
    for tol in (1e-2, 1e-5, 1e-9):
        certificate = minimize(objective, LBFGS(), tol=tol).certificate
        assert certificate.tol == tol
        assert certificate.null_objective == objective.null[1]
        assert certificate.gap <= tol * objective.null[1]


def test_start_shortens_the_walk() -> None:
    objective = make_objective(3)
    cold = minimize(objective, LBFGS(), tol=1e-8)
    warm = minimize(objective, LBFGS(), cold.coefficients, tol=1e-8)
    assert len(warm.history) == 1
    assert warm.stop is Stop.CERTIFIED


# --- settings ---


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: GradientDescent(0.0), "learning_rate=0.0"),
        (lambda: GradientDescent(-1.0), "learning_rate=-1.0"),
        (lambda: GradientDescent(np.nan), "learning_rate=nan"),
        (lambda: GradientDescent(np.inf), "learning_rate=inf"),
        (lambda: StochasticGradientDescent(-0.1), "learning_rate=-0.1"),
        (lambda: StochasticGradientDescent(batch_size=0), "batch_size=0"),
        (lambda: StochasticGradientDescent(batch_size=2.5), "batch_size=2.5"),
        (lambda: StochasticGradientDescent(decay=-1.0), "decay=-1.0"),
        (lambda: StochasticGradientDescent(decay=np.nan), "decay=nan"),
        (lambda: minimize(make_objective(), Newton(), tol=0.0), "tol=0.0"),
        (lambda: minimize(make_objective(), Newton(), tol=-1e-4), "tol=-0.0001"),
        (lambda: minimize(make_objective(), Newton(), tol=np.nan), "tol=nan"),
        (lambda: minimize(make_objective(), Newton(), max_iter=-1), "max_iter=-1"),
        (lambda: train(make_objective(), Newton(), np.zeros((7, 3)), epochs=0), "epochs=0"),
        (lambda: train(make_objective(), Newton(), np.zeros((7, 3)), epochs=1.5), "epochs=1.5"),
        (lambda: named_solver("simplex", make_objective()), "solver='simplex'"),
        (lambda: named_solver(3, make_objective()), "solver=3"),
        (lambda: L2(0.0), "strength=0.0"),
        (lambda: L2(np.inf), "strength=inf"),
    ],
)
def test_wrong_settings(make: object, words: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert words in str(caught.value)
    assert "needs" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("newton", Newton),
        ("lbfgs", LBFGS),
        ("gradient-descent", GradientDescent),
        ("sgd", StochasticGradientDescent),
    ],
)
def test_solvers_by_name(name: str, kind: type) -> None:
    assert isinstance(named_solver(name, make_objective()).solver, kind)


def test_solver_stands_for_itself_and_seeds_are_kept() -> None:
    solver = LBFGS(memory=7)
    assert named_solver(solver, make_objective()).solver is solver
    assert named_solver("sgd", make_objective(), 17).solver.seed == 17
    assert named_solver("sgd", make_objective()) == named_solver("sgd", make_objective())
    state = np.random.RandomState(3)
    assert len({named_solver("sgd", make_objective(), state).solver.seed for _ in range(2)}) == 2


def without_entries(n: int, d: int) -> Any:
    """A matrix of zeros; a sparse one where a dense one would be large."""
    return np.zeros((n, d)) if n * d < 2_000_000 else sparse.csr_array((n, d))


@pytest.mark.parametrize(
    ("n", "d", "K", "expected"),
    [
        (150, 4, 3, "Newton"),
        (500_000, 30, 2, "Newton"),
        (60_000, 784, 10, "LBFGS"),
        (11_314, 130_107, 20, "DualCoordinateAscent" if native.instruction_set() else "LBFGS"),
        (32_561, 123, 2, "Newton"),
        (102, 12_600, 2, "RowSpace"),
        (30, 5_000, 3, "RowSpace"),
        (3, 5, 3, "Newton"),
        (6_412, 55_197, 105, "DualCoordinateAscent" if native.instruction_set() else "LBFGS"),
        (494_021, 118, 23, "DistinctRows"),
    ],
)
def test_choice_by_shape(n: int, d: int, K: int, expected: str) -> None:
    """From a matrix without entries: the choice looks at the shape alone."""
    rows = as_rows(without_entries(n, d), np.arange(n) % K)
    solver = choose_solver(Objective(Logistic() if K == 2 else Softmax(K), L2(1.0), rows)).solver
    assert type(solver).__name__ == expected


def test_few_entries_in_more_columns_than_rows_are_left_to_dual_steps(rng: np.random.Generator) -> None:
    """A short text has a dozen of terms: a decomposition of the rows would forget that."""
    if native.instruction_set() is None:
        pytest.skip("no compiled code")
    X = sparse.random_array((300, 900), density=0.01, random_state=rng, format="csr")
    y = (X @ rng.normal(size=900) > 0).astype(int)
    for matrix, expected in ((X, DualCoordinateAscent), (X.toarray(), RowSpace)):
        model = LogisticRegression().fit(matrix, y)
        assert isinstance(model.solver_.solver, expected)
        assert model.certificate_.holds
    full = sparse.csr_array(rng.normal(size=(300, 900)))
    assert isinstance(LogisticRegression().fit(full, y).solver_.solver, RowSpace)


@dataclass(frozen=True)
class StandsStill(Solver):
    """A solver whose steps lead nowhere, with one that may take over."""

    then: Newton | None
    patience = 3

    def iterates(self, objective: Objective, start: np.ndarray) -> Iterator[Iterate]:
        yield from repeat(Iterate(start, *objective.value_and_gradient(start), 1.0), 50)


@pytest.mark.parametrize(("then", "stop"), [(Newton(), Stop.CERTIFIED), (None, Stop.STALLED)])
def test_where_a_solver_stands_still_the_one_that_was_to_follow_takes_over(then: Newton | None, stop: Stop) -> None:
    solution = minimize(make_objective(3), StandsStill(then))
    assert solution.stop is stop
    assert len(solution.history) == 4 if then is None else len(solution.history) > 5
    passes = [progress.passes for progress in solution.history]
    assert passes == sorted(passes)


def test_lbfgs_goes_on_for_as_long_as_the_rest_of_newtons_method_would_take() -> None:
    """A Hessian grows with the square of the coefficients, a pass does not: the more, the later is
    the change."""

    def chosen(d: int) -> LBFGS:
        rows = as_rows(sparse.csr_array((20_000, d)), np.arange(20_000) % 10)
        solver = choose_solver(Objective(Softmax(10), L2(1.0), rows)).solver
        assert isinstance(solver, LBFGS)
        assert isinstance(solver.then, Newton)
        return solver

    patience = [chosen(d).then_after for d in (50, 200, 220)]
    assert patience[0] >= 100
    assert patience[0] < patience[1] < patience[2]


@pytest.mark.parametrize(
    ("n", "d", "loss", "expected"),
    [
        (15_000, 16, PairwiseSigmoids(26), "Newton"),  # 325 blocks of 17 x 17, not one of 5,525
        (15_000, 16, IndependentSigmoids(26), "Newton"),
        (1_797, 64, PairwiseSigmoids(10), "Newton"),
        (60_000, 784, IndependentSigmoids(10), "LBFGS"),
        (60_000, 784, PairwiseSigmoids(10), "LBFGS"),
        (11_314, 130_107, IndependentSigmoids(20), "DualCoordinateAscent" if native.instruction_set() else "LBFGS"),
        (102, 12_600, IndependentSigmoids(4), "RowSpace"),
    ],
)
def test_choice_by_shape_of_many_binary_models(n: int, d: int, loss: Loss, expected: str) -> None:
    """As dear as their blocks: the joint Hessian of 26 letters in pairs would have had the side
    5,525."""
    rows = as_rows(without_entries(n, d), np.arange(n) % 3)
    assert type(choose_solver(Objective(loss, L2(1.0), rows)).solver).__name__ == expected


# Where a long descent begins


def clouds(rng, strength, soft=False):
    """Six classes of 600 rows in twelve columns of different size, centred."""
    y = rng.integers(0, 6, 600)
    X = (rng.normal(size=(600, 12)) + 2 * rng.normal(size=(6, 12))[y]) * np.logspace(-1, 1, 12)
    target = 0.9 * np.eye(6)[y] + 0.1 / 6 if soft else y
    return Objective(Softmax(6), L2(strength), as_rows(X - X.mean(axis=0), target))


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("strength", [1e-5, 1e-3, 1e-1])
def test_ridge_start_is_below_newtons_step_from_the_null_model_however_long(strength, soft, rng):
    objective = clouds(rng, strength, soft)
    null, _ = objective.null
    _, gradient = objective.value_and_gradient(null)
    step = -precondition(objective, null).solve(gradient)
    best = min(objective.value_and_gradient(null + length * step)[0] for length in np.geomspace(0.01, 100, 200))
    start = ridge_start(objective, null, gradient)
    assert objective.value_and_gradient(start)[0] <= best * 1.001


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_lbfgs_from_a_ridge_regression_comes_to_the_same_minimum(fit_intercept, rng, monkeypatch):
    objective = replace(clouds(rng, 1e-3), fit_intercept=fit_intercept)
    reference = minimize(objective, LBFGS(), tol=1e-10)
    monkeypatch.setattr(lbfgs, "_LONG_PASS_OPERATIONS", 0)
    solution = minimize(objective, LBFGS(), tol=1e-10)
    assert solution.stop is Stop.CERTIFIED
    assert solution.history[0].objective < reference.history[0].objective / 2
    assert solution.passes < reference.passes
    assert_allclose(solution.coefficients, reference.coefficients, atol=1e-3)


@pytest.mark.parametrize("inner", [Newton(), LBFGS()], ids=str)
def test_constant_rows_span_no_dimension(inner: Solver) -> None:
    """The null model is the minimum, in the space of rows that are all alike as anywhere."""
    objective = Objective(Logistic(), L2(1.0), as_rows(np.zeros((4, 6)), np.array([0, 1, 1, 1])))
    solution = minimize(objective, RowSpace(inner))
    assert solution.stop is Stop.CERTIFIED
    assert_allclose(solution.coefficients, objective.null[0], atol=1e-12)


def test_a_relay_goes_on_where_a_solver_gives_way_or_is_halted() -> None:
    objective = make_objective(2)
    start = objective.null[0]
    solver = LBFGS(then=LBFGS(memory=4, then=Newton(), then_after=3), then_after=2)
    seen = list(islice(Relay(solver, objective, start), 7))
    assert [iterate.took_over for iterate in seen] == [()] * 2 + [("LBFGS",)] * 3 + [("LBFGS", "Newton")] * 2
    passes = [iterate.passes for iterate in seen]
    assert passes == sorted(passes)
    # What the second one starts from is the point at which the first one gave way, not one before
    # it.
    alone = list(islice(Relay(LBFGS(), objective, start), 3))
    np.testing.assert_array_equal(seen[2].coefficients, alone[2].coefficients)
    relay = Relay(LBFGS(then=Newton()), objective, start)
    assert relay.go_on(objective.at(np.float32), start, 5.0)
    assert (relay.took_over, relay.solver) == (("float64",), LBFGS(then=Newton()))
    assert relay.go_on(relay.objective, start, 5.0)
    assert next(relay).passes > 5.0
    assert relay.took_over == ("float64", "Newton")
    assert not relay.go_on(relay.objective, start, 9.0)
