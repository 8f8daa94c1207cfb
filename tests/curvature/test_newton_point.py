"""The points of small problems in compiled code: what NumPy and LAPACK make of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from polytome import native
from polytome.curvature.newton_point import NewtonPoints
from polytome.losses import IndependentSigmoids, Logistic, Loss, Softmax, WithOffset, with_offset
from polytome.objective import Objective
from polytome.passes import Columns
from polytome.penalties import L2, NoPenalty, Penalty, WeightedL2
from polytome.rows import as_rows
from polytome.solvers import Newton, minimize

compiled = pytest.mark.skipif(native.instruction_set() is None, reason="without compiled code")
N_ROWS = 90


def objective_of(loss: Loss, penalty: Penalty, rng: np.random.Generator, *, fit_intercept: bool = True) -> Objective:
    """A small problem whose columns differ in scale and are shifted, and whose rows have
    weights."""
    X = rng.normal(size=(N_ROWS, 4)) * [1e-3, 1.0, 30.0, 1e4] + [0.0, 2.0, -5.0, 1e4]
    codes = rng.integers(0, loss.n_outputs if loss.n_outputs > 1 else 2, N_ROWS)
    target = np.eye(loss.n_outputs)[codes] if isinstance(loss, IndependentSigmoids) else codes
    rows = as_rows(X, target, rng.integers(0, 4, N_ROWS).astype(float))
    mean, deviation = rows.moments()
    columns = Columns(mean if fit_intercept else np.zeros(4), 1 / deviation)
    return Objective(loss, penalty, rows.with_columns(columns), fit_intercept)


def assert_is_the_definition(objective: Objective, W: np.ndarray) -> None:
    points = NewtonPoints.of(objective)
    assert points.compute is not None
    found, wanted = points.at(W), replace(points, compute=None).at(W)
    assert found.value == pytest.approx(wanted.value, rel=1e-14)
    for name in ("gradient", "step", "intercept_hessian"):
        one, other = getattr(found, name), getattr(wanted, name)
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-11 * np.abs(other).max(), err_msg=name)


@compiled
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("penalty", [L2(0.01), WeightedL2(0.1, [1.0, 2.0, 0.5, 3.0])], ids=["L2", "WeightedL2"])
@pytest.mark.parametrize("loss", [Logistic(), Softmax(3), Softmax(2), IndependentSigmoids(3)], ids=repr)
def test_compiled_points_are_those_of_the_definition(
    loss: Loss, penalty: Penalty, fit_intercept: bool, rng: np.random.Generator
) -> None:
    objective = objective_of(loss, penalty, rng, fit_intercept=fit_intercept)
    W = objective.canonical(rng.normal(size=objective.shape))
    W[-1] *= fit_intercept
    assert_is_the_definition(objective, W)


@compiled
def test_points_beside_offsets_and_with_soft_labels_are_those_of_the_definition(rng: np.random.Generator) -> None:
    objective = objective_of(Softmax(3), L2(0.01), rng)
    shares = rng.dirichlet(np.ones(3), N_ROWS)
    for loss, target in [
        (Softmax(3), shares),
        (WithOffset(Softmax(3)), with_offset(objective.rows.target, rng.normal(size=(N_ROWS, 3)))),
        (WithOffset(Softmax(3)), with_offset(shares, rng.normal(size=(N_ROWS, 3)))),
    ]:
        changed = replace(objective, loss=loss, rows=objective.rows.with_target(target))
        assert_is_the_definition(changed, objective.canonical(rng.normal(size=objective.shape)))


@compiled
@pytest.mark.parametrize("loss", [Logistic(), Softmax(3)], ids=repr)
def test_columns_that_depend_on_each_other_have_the_step_of_a_ridge(loss: Loss, rng: np.random.Generator) -> None:
    X = rng.normal(size=(N_ROWS, 2))
    rows = as_rows(
        np.column_stack([X, X.sum(axis=1), np.zeros(N_ROWS)]), rng.integers(0, loss.n_outputs + 1, N_ROWS) % 2
    )
    objective = Objective(loss, NoPenalty(), rows)
    points = NewtonPoints.of(objective)
    found, wanted = (each.at(np.zeros(objective.shape)) for each in (points, replace(points, compute=None)))
    # The step itself is not determined; what it promises is.
    promised = [-float(np.vdot(point.gradient, point.step)) for point in (found, wanted)]
    assert promised[0] == pytest.approx(promised[1], rel=1e-6)


@compiled
def test_points_that_are_not_finite_have_answers(rng: np.random.Generator) -> None:
    objective = objective_of(Softmax(3), L2(0.01), rng)
    with np.errstate(all="ignore"):
        point = NewtonPoints.of(objective).at(np.full(objective.shape, 1e308) * rng.normal(size=objective.shape))
    assert not (np.isfinite(point.value) and np.isfinite(point.gradient).all())


@pytest.mark.parametrize(
    "of",
    [
        lambda rng: Objective(Logistic(), L2(1.0), as_rows(rng.normal(size=(50, 64)), np.arange(50) % 2)),
        lambda rng: Objective(Logistic(), L2(1.0), as_rows(rng.normal(size=(150_000, 2)), np.arange(150_000) % 2)),
    ],
    ids=["many coefficients", "many rows"],
)
def test_larger_problems_are_left_to_their_passes(
    of: Callable[[np.random.Generator], Objective], rng: np.random.Generator
) -> None:
    assert NewtonPoints.of(of(rng)).compute is None


@compiled
@pytest.mark.parametrize("loss", [Logistic(), Softmax(3)], ids=repr)
@pytest.mark.parametrize("tol", [1e-3, 1e-8])
def test_fits_end_at_the_minimum_that_numpy_finds(
    loss: Loss, tol: float, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = objective_of(loss, L2(0.01), rng)
    found = minimize(objective, Newton(), tol=tol)
    monkeypatch.setattr(native, "newton_points", lambda *_: None)
    wanted = minimize(objective, Newton(), tol=tol)
    assert found.certificate.holds
    assert wanted.certificate.holds
    assert len(found.history) == len(wanted.history)
    # Each is within what it proves of the one minimum.
    apart = np.linalg.norm((found.coefficients - wanted.coefficients)[:-1])
    assert apart <= found.certificate.coefficient_bound + wanted.certificate.coefficient_bound
    np.testing.assert_allclose(found.coefficients, wanted.coefficients, rtol=1e-6, atol=1e-7)


def test_a_tolerance_below_the_default_doubles_the_digits(rng: np.random.Generator) -> None:
    objective = objective_of(Softmax(3), L2(0.01), rng)
    solution = minimize(objective, Newton(), tol=1e-6)
    assert solution.certificate.relative_gap < 1e-11
    assert solution.certificate.objective <= min(each.objective for each in solution.history) * (1 + 1e-15)
