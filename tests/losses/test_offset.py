"""Offsets: a loss with them is the loss of sums, in NumPy, in compiled code, and in every
solver."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize as scipy_minimize

from polytome import native
from polytome.certificates.certificate import dual_value
from polytome.losses import IndependentSigmoids, Logistic, Softmax, WithOffset, labels_of, offset_of, with_offset
from polytome.objective import Objective
from polytome.passes import Derivatives, HessianOfScores, HessianProduct, LossOfScores, ValueAndGradient, added_up
from polytome.penalties import L2, NoPenalty
from polytome.rows import ArrayRows, as_rows, distinct_rows
from polytome.solvers import Newton, Stop, minimize
from registry import SOLVERS

CASES = {
    "logistic": (Logistic(), lambda rng, n: rng.permutation(np.arange(n) % 2)),
    "logistic-bytes": (Logistic(), lambda rng, n: rng.permutation(np.arange(n) % 2).astype(np.uint8)),
    "logistic-soft": (Logistic(), lambda rng, n: rng.random(n)),
    "softmax": (Softmax(3), lambda rng, n: rng.permutation(np.arange(n) % 3)),
    "softmax-short": (Softmax(3), lambda rng, n: rng.permutation(np.arange(n) % 3).astype(np.int32)),
    "softmax-soft": (Softmax(3), lambda rng, n: rng.dirichlet(np.ones(3), n)),
    "sigmoids": (IndependentSigmoids(2), lambda rng, n: rng.integers(0, 2, (n, 2)).astype(np.uint8)),
}
by_case = pytest.mark.parametrize("name", CASES)


def case(name, rng, n=40):
    """A loss, its labels and offsets, and both as a target."""
    loss, make = CASES[name]
    labels, offset = make(rng, n), 3 * rng.normal(size=(n, loss.n_outputs))
    return loss, labels, offset, with_offset(labels, offset)


@by_case
def test_the_loss_is_that_of_the_sums(name, rng):
    loss, labels, offset, target = case(name, rng)
    scores = 2 * rng.normal(size=offset.shape)
    found, true = WithOffset(loss).value_and_gradient(scores, target), loss.value_and_gradient(scores + offset, labels)
    for one, other in zip(found, true, strict=True):
        assert_array_equal(one, other)
    m, u = WithOffset(loss).curvature(scores, target)
    assert_array_equal(m, loss.curvature(scores + offset, labels)[0])
    assert (u is None) == loss.separable
    assert_array_equal(labels_of(target[3:7]), labels[3:7])
    assert_array_equal(offset_of(target[3:7]), offset[3:7])


@by_case
def test_fenchels_equality_holds_with_the_offset_in_the_conjugate(name, rng):
    loss, _, _, target = case(name, rng)
    scores = 2 * rng.normal(size=(len(target), loss.n_outputs))
    value, residual = WithOffset(loss).value_and_gradient(scores, target)
    both = value + WithOffset(loss).conjugate(residual, target)
    assert_allclose(both, (scores * residual).sum(axis=1), atol=1e-12)


@by_case
def test_the_null_model_is_the_best_intercept_beside_the_offsets(name, rng):
    loss, labels, offset, target = case(name, rng)
    weight = rng.random(len(target))

    def of_intercepts(b):
        value, residual = loss.value_and_gradient(offset + b, labels)
        return weight @ value, weight @ residual

    best = scipy_minimize(of_intercepts, np.zeros(loss.n_outputs), jac=True, method="BFGS", options={"gtol": 1e-10})
    assert_allclose(WithOffset(loss).null_scores(target, weight), loss.canonical(best.x[None])[0], atol=1e-7)


@pytest.mark.parametrize("size", [0.0, 1.0, 1e3, 1e6])
def test_the_null_model_is_found_beside_offsets_of_every_size(size, rng):
    labels, offset = np.arange(200) % 2, size * rng.normal(size=(200, 1))
    labels[::7] = 1
    target, weight = with_offset(labels, offset), np.ones(200)
    b = WithOffset(Logistic()).null_scores(target, weight)
    value, residual = Logistic().value_and_gradient(offset + b, labels)
    # Where each row is certain, the slope jumps where a row changes sides.
    worse = [Logistic().value_and_gradient(offset + b + step, labels)[0].mean() for step in (-1e-3, 1e-3)]
    assert abs(residual.mean()) < 1e-6 or min(worse) >= value.mean() * (1 - 1e-9)


@pytest.mark.parametrize("storage", ["dense", "float32", "csr"])
@by_case
def test_compiled_code_and_numpy_agree(name, storage, rng):
    loss, _, offset, target = case(name, rng, 5000)
    X = (rng.normal(size=(5000, 30)) * (rng.random((5000, 30)) < 0.5)).astype(np.float32)
    X = (
        sparse.csr_matrix(X.astype(np.float64))
        if storage == "csr"
        else X.astype(np.float32 if "3" in storage else float)
    )
    rows = as_rows(X, target, rng.random(5000), n_threads=2).with_ends([1000, 2501])
    raw = 0.3 * rng.normal(size=(31, loss.n_outputs))
    assert rows.facts.n_blocks > 1
    for a_pass in (
        ValueAndGradient(WithOffset(loss), raw),
        Derivatives(WithOffset(loss), raw, rows.columns, True),
        HessianProduct(WithOffset(loss), raw, raw),
        HessianOfScores(WithOffset(loss), raw),
    ):
        true = added_up([a_pass.of_block(block) for block in rows.blocks()])
        for one, other in zip(rows.reduce(a_pass), true, strict=True):
            assert_allclose(one, other, rtol=1e-11, atol=1e-10)
    scores = ArrayRows.of(rng.normal(size=offset.shape), target, rows.weight)
    a_pass = LossOfScores(WithOffset(loss), raw[-1], with_residuals=True)
    true = added_up([a_pass.of_block(block) for block in scores.blocks()], 1)
    for one, other in zip(scores.reduce(a_pass), true, strict=True):
        assert_allclose(one, other, rtol=1e-11, atol=1e-12)


def test_offsets_of_a_wrong_shape_do_not_reach_compiled_code(rng):
    if native.instruction_set() is None:
        pytest.skip("there is no compiled code here")
    rows = as_rows(rng.normal(size=(9, 2)), with_offset(np.arange(9) % 3, np.zeros((9, 2))))
    with pytest.raises(ValueError, match="offset"):
        rows.reduce(ValueAndGradient(WithOffset(Softmax(3)), np.zeros((3, 3))))


@pytest.mark.parametrize("name", ["logistic", "softmax", "softmax-soft"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_finds_the_minimum(solver, name, rng):
    loss, _, _, target = case(name, rng, 60)
    X = rng.normal(size=(60, 3))
    objective = Objective(WithOffset(loss), L2(0.1), as_rows(X, target))
    solution = minimize(objective, SOLVERS[solver], tol=1e-3 if solver == "sgd" else 1e-8)
    least = minimize(objective, Newton(), tol=1e-10)
    assert solution.stop is Stop.CERTIFIED
    assert solution.certificate.objective - least.certificate.objective <= solution.certificate.gap
    value, gradient = objective.value_and_gradient(least.coefficients)
    assert np.abs(gradient).max() < 1e-6
    assert abs(value - dual_value(objective, least.coefficients)) < 1e-8


def test_separation_does_not_depend_on_offsets():
    X, y = np.array([[-2.0], [-1.0], [1.0], [2.0]]), np.array([0, 0, 1, 1])
    target = with_offset(y, np.array([[9.0], [9.0], [-9.0], [-9.0]]))  # each row on its wrong side
    solution = minimize(Objective(WithOffset(Logistic()), NoPenalty(), as_rows(X, target)), Newton())
    assert solution.stop is Stop.SEPARATED


def test_an_offset_on_the_right_side_separates_nothing():
    X, y = np.array([[-1.0], [1.0], [-1.0], [1.0]]), np.array([0, 0, 1, 1])
    target = with_offset(y, np.array([[-9.0], [-9.0], [9.0], [9.0]]))
    solution = minimize(Objective(WithOffset(Logistic()), NoPenalty(), as_rows(X, target)), Newton())
    assert solution.stop is Stop.CERTIFIED


def test_rows_that_differ_in_their_offset_are_not_merged():
    target = with_offset(np.zeros(4, dtype=np.int64), np.arange(4.0)[:, None])
    rows = as_rows(np.ones((4, 1)), target)
    assert distinct_rows(rows).n_rows == 4
