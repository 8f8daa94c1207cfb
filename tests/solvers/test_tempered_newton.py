"""Rows at temperatures, Hessians from pairs of classes, and equal rows merged into one."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from polytome.curvature.pairs import pair_hessian
from polytome.errors import ArgumentError
from polytome.losses import Logistic, Softmax
from polytome.objective import Objective
from polytome.penalties import L2, NoPenalty
from polytome.rows import ArrayRows, SparseRows, as_rows, distinct_rows
from polytome.rows import distinct as distinct_module
from polytome.solvers import DistinctRows, Newton, Stop, TemperedNewton, minimize
from polytome.solvers.tempered_newton import _ruined
from registry import PENALTIES

STORED = {"array": np.asarray, "csr": sparse.csr_array, "csc": sparse.csc_array, "float32": np.float32}


PENALTY = L2(0.01)


def make(stored="array", penalty=PENALTY, fit_intercept=True, n=300, d=4, n_classes=5, soft=False, spread=1.0):
    rng = np.random.default_rng(7)
    X = np.where(rng.random((n, d)) < 0.5, rng.normal(size=(n, d)), 0.0) * np.geomspace(1, spread, d)
    scores = X / np.geomspace(1, spread, d) @ rng.normal(size=(d, n_classes))
    y = rng.dirichlet(np.ones(n_classes), n) if soft else (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    rows = as_rows(STORED[stored](X), y, rng.uniform(0.2, 3, n))
    mean, deviation = rows.moments()
    rows = rows.with_columns(type(rows.columns)(mean, 1 / deviation))
    return Objective(Softmax(n_classes), penalty, rows, fit_intercept)


def point(objective, seed=3):
    W = np.random.default_rng(seed).normal(size=objective.shape)
    W[-1] *= objective.fit_intercept
    return objective.loss.canonical(W)


# The Hessian from pairs


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("soft", [True, False])
def test_all_pairs_make_the_hessian(stored, fit_intercept, soft):
    objective = make(stored, fit_intercept=fit_intercept, soft=soft)
    W = point(objective)
    all_pairs = pair_hessian(objective, W, np.ones(objective.rows.n_rows), 1e18)
    assert_allclose(all_pairs, objective.hessian_blocks(W), rtol=1e-6 if stored == "float32" else 1e-10, atol=1e-13)


@pytest.mark.parametrize("temperature", [1.0, 1.5, 20.0])
def test_a_temperature_divides_the_scores(temperature):
    objective = make()
    W = point(objective)
    hot = pair_hessian(objective, W, np.full(objective.rows.n_rows, temperature), 1e18)
    assert_allclose(hot, objective.hessian_blocks(W / temperature), rtol=1e-10, atol=1e-13)


def test_each_row_has_its_own_temperature():
    objective = make(penalty=NoPenalty())
    W, n = point(objective), objective.rows.n_rows
    hot = np.arange(n) % 3 == 0
    parts = [objective.rows.subset(np.flatnonzero(some), objective.rows.weight[some]) for some in (~hot, hot)]
    expected = objective.hessian_blocks(W, parts[0]) + objective.hessian_blocks(W / 4, parts[1])
    assert_allclose(pair_hessian(objective, W, np.where(hot, 4.0, 1.0), 1e18), expected, rtol=1e-10, atol=1e-13)


def test_drawn_pairs_come_close_and_their_mean_closer():
    objective = make(n=20_000)
    W, ones = point(objective), np.ones(20_000)
    H = objective.hessian_blocks(W)
    draws = [pair_hessian(objective, W, ones, 200, turn) for turn in range(16)]
    errors = [np.linalg.norm(draw - H) / np.linalg.norm(H) for draw in draws]
    assert 0.001 < np.mean(errors) < 0.05
    assert np.linalg.norm(np.mean(draws, axis=0) - H) / np.linalg.norm(H) < 0.5 * np.mean(errors)


def test_a_draw_is_a_hessian():
    """No negative curvature, and none along the same change to every class."""
    objective = make(n=2_000, penalty=NoPenalty())
    (H,) = pair_hessian(objective, point(objective), np.ones(2_000), 3)
    assert np.linalg.eigvalsh(H).min() >= -1e-12
    same = np.tile(np.random.default_rng(0).normal(size=objective.shape[0]), objective.shape[1])
    assert_allclose(H @ same, 0, atol=1e-12)


@pytest.mark.parametrize("size", [1.0, 1e9])
def test_rows_beyond_doubt_have_no_pairs(size):
    objective = Objective(Softmax(3), L2(0.5), as_rows(size * np.eye(3), np.arange(3)), False)
    H = pair_hessian(objective, np.vstack([5_000 * np.eye(3), np.zeros(3)]), np.ones(3), 100)
    assert_array_equal(H[0], np.diag(np.tile([0.5, 0.5, 0.5, 0.0], 3)))


# The solver


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_tempered_newton_finds_what_newton_finds(stored, penalty, fit_intercept):
    objective = make(stored, penalty, fit_intercept)
    found = minimize(objective, TemperedNewton(), tol=1e-10)
    expected = minimize(objective, Newton(), tol=1e-12)
    assert found.stop is Stop.CERTIFIED
    assert_allclose(found.certificate.objective, expected.certificate.objective, rtol=1e-9)


def test_few_pairs_become_many_where_steps_succeed():
    """One pair for each coefficient misleads, and still the walk ends as exact as any."""
    solution = minimize(make(n=3_000), TemperedNewton(pairs=1), tol=1e-10)
    assert solution.stop is Stop.CERTIFIED


def test_columns_in_millions_and_classes_nearly_separated():
    objective = make(penalty=L2(1e-7), spread=1e6, n=500)
    outlier = np.zeros((500, 4))
    outlier[::50] = 1e6
    rows = as_rows(np.asarray(objective.rows.X) + outlier, objective.rows.target)
    objective = Objective(Softmax(5), L2(1e-7), rows)
    found, expected = (minimize(objective, solver, tol=1e-5) for solver in (TemperedNewton(), Newton()))
    assert found.stop is Stop.CERTIFIED
    assert_allclose(found.certificate.objective, expected.certificate.objective, rtol=1e-5)


def test_a_row_that_a_step_flips_is_ruined_and_its_neighbours_are_not():
    X = np.array([[1.0, 0.0], [0.0, 1.0], [40.0, 0.0]])
    objective = Objective(Softmax(3), L2(1e-3), as_rows(X, np.array([0, 1, 0])), False)
    W = np.array([[1.0, -0.5, -0.5], [-0.5, 1.0, -0.5], [0.0, 0.0, 0.0]])
    step = np.array([[-1.5, 0.75, 0.75], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert_array_equal(_ruined(objective, W, step, np.zeros(3), 0.1), [False, False, True])


def test_tempered_newton_is_for_the_softmax_loss():
    objective = Objective(Logistic(), L2(1.0), as_rows(np.eye(2), np.arange(2)))
    with pytest.raises(ArgumentError, match="softmax"):
        minimize(objective, TemperedNewton())


# Equal rows


def wide_indices(X):
    return sparse.csr_array((X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), shape=X.shape)


REPEATED = {
    "array": lambda X: X,
    "csr": sparse.csr_array,
    "int64 indices": lambda X: wide_indices(sparse.csr_array(X)),
    "uint8": lambda X: X.astype(np.uint8),
    "bool": lambda X: X > 0,
    "float16": lambda X: X.astype(np.float16),
    "fortran": np.asfortranarray,
}


@pytest.mark.parametrize("stored", REPEATED)
@pytest.mark.parametrize("soft", [True, False])
def test_merged_rows_have_the_same_sums(stored, soft, rng):
    X = rng.integers(0, 3, size=(3_000, 5)).astype(float)
    X[:7] = 0.0
    y = np.eye(3)[rng.integers(0, 3, 3_000)] if soft else rng.integers(0, 3, 3_000)
    rows = as_rows(REPEATED[stored](X), y, rng.uniform(0.5, 2, 3_000))
    merged = distinct_rows(rows)
    keys = np.unique(np.column_stack([rows.X.toarray() if rows.is_sparse else rows.X, y]), axis=0)
    assert merged.n_rows == len(keys) < 1_000
    before, after = (Objective(Softmax(3), L2(0.1), some) for some in (rows, merged))
    W = point(before)
    for one, other in zip(before.value_and_gradient(W), after.value_and_gradient(W), strict=True):
        assert_allclose(one, other, rtol=1e-10, atol=1e-12)
    assert_allclose(before.hessian_blocks(W), after.hessian_blocks(W), rtol=1e-10, atol=1e-12)


def test_rows_that_differ_stay_as_they_are(rng):
    rows = as_rows(rng.normal(size=(500, 3)), np.zeros(500, int))
    assert distinct_rows(rows) is rows
    column_by_column = as_rows(sparse.csc_array(np.ones((500, 3))), np.zeros(500, int))
    assert distinct_rows(column_by_column) is column_by_column


def test_a_mostly_empty_array_becomes_sparse_and_keeps_its_columns(rng):
    X = np.zeros((1_000, 20))
    X[np.arange(1_000), rng.integers(0, 20, 1_000)] = 1.0
    rows = as_rows(X, rng.integers(0, 2, 1_000))
    columns = type(rows.columns)(rng.normal(size=20), rng.uniform(1, 2, 20))
    merged = distinct_rows(rows.with_columns(columns).at(np.float32))
    assert isinstance(rows, ArrayRows)
    assert isinstance(merged, SparseRows)
    assert merged.n_rows == 40
    assert merged.columns is columns
    assert merged.precision == np.float32


def test_a_mostly_empty_array_of_float16_stays_dense():
    X = np.zeros((100, 20), np.float16)
    X[::2, 0] = 0.5
    merged = distinct_rows(as_rows(X, np.zeros(100, int)))
    assert merged.n_rows == 2
    assert merged.X.dtype == np.float16


def test_rows_that_share_a_key_by_accident_are_not_merged(monkeypatch, rng):
    monkeypatch.setattr(distinct_module, "_keys", lambda X, target: np.zeros(X.shape[0], np.uint64))
    rows = as_rows(rng.normal(size=(500, 3)), np.zeros(500, int))
    assert distinct_rows(rows) is rows


def test_a_walk_over_distinct_rows_is_certified_over_all(rng):
    X, y = rng.integers(0, 2, size=(2_000, 4)).astype(float), rng.integers(0, 3, 2_000)
    objective = Objective(Softmax(3), L2(1e-3), as_rows(X, y))
    found, expected = (minimize(objective, solver, tol=1e-10) for solver in (DistinctRows(Newton()), Newton()))
    assert found.stop is Stop.CERTIFIED
    assert_allclose(found.coefficients, expected.coefficients, atol=1e-7)
