"""The objective: its derivatives against differences, its weights against repeated rows, its null
model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import entropy

from polytome import native
from polytome.losses import Logistic, Softmax, Squared
from polytome.objective import Objective
from polytome.passes import ValueAndGradient, hessian_of_scores
from polytome.passes.gradients import _weighted_grams
from polytome.penalties import L2, NoPenalty
from polytome.rows import Columns, as_rows
from polytome.solvers import Newton, minimize
from registry import LOSSES, PENALTIES, of_each

N, D = 60, 4
COLUMNS = Columns(np.array([0.5, -1.0, 0.0, 2.0]), np.array([1.0, 0.5, 2.0, 0.1]))


@pytest.fixture(params=[True, False], ids=["intercept", "no-intercept"])
def fit_intercept(request):
    return request.param


@pytest.fixture(params=[np.asarray, sparse.csr_matrix, sparse.csc_matrix], ids=["array", "csr", "csc"])
def storage(request):
    return request.param


def make(name, penalty, fit_intercept=True, storage=np.asarray, seed=7, n=N):
    rng = np.random.default_rng(seed)
    loss, target = LOSSES[name](rng, n)
    rows = as_rows(storage(rng.normal(size=(n, D))), target, rng.uniform(0.2, 3, n)).with_columns(COLUMNS)
    return Objective(loss, penalty, rows, fit_intercept)


def point(objective, seed=3):
    return 0.5 * np.random.default_rng(seed).normal(size=objective.shape)


def difference(fn, W, towards, h=1e-3):
    """Derivative of `fn` at W along a direction: central differences of fourth order."""
    step = h * towards
    return (8 * (fn(W + step) - fn(W - step)) - (fn(W + 2 * step) - fn(W - 2 * step))) / (12 * h)


def by_output(G):
    """Coefficients in the order of `Objective.hessian`."""
    return G.T.ravel()


def free(objective):
    """The directions that coefficients may move along, as rows: each coefficient, the intercept if
    it is fitted."""
    each = np.eye(objective.size).reshape(-1, *objective.shape)
    return each if objective.fit_intercept else each[: -objective.loss.n_outputs]


def test_value_is_the_weighted_mean_loss_plus_the_penalty(loss_name, penalty, storage):
    objective = make(loss_name, penalty, storage=storage)
    rows, W = objective.rows, point(objective)
    X = (rows.X if storage is np.asarray else rows.X.toarray()) - COLUMNS.shift
    losses, _ = objective.loss.value_and_gradient(X * COLUMNS.scale @ W[:-1] + W[-1], rows.target)
    value, _ = objective.value_and_gradient(W)
    expected = np.average(losses, weights=rows.weight) + penalty.value(W[:-1])
    assert value == pytest.approx(expected, rel=1e-13)


def test_gradient_is_the_derivative_of_the_value(loss_name, penalty, fit_intercept):
    objective = make(loss_name, penalty, fit_intercept)
    W = point(objective)
    _, gradient = objective.value_and_gradient(W)
    slopes = [difference(lambda V: objective.value_and_gradient(V)[0], W, towards) for towards in free(objective)]
    assert_allclose(gradient.ravel()[: len(slopes)], slopes, rtol=1e-9, atol=1e-11)


def test_hessian_is_the_derivative_of_the_gradient(loss_name, penalty, fit_intercept):
    objective = make(loss_name, penalty, fit_intercept)
    W = point(objective)
    H = objective.hessian(W)
    assert_allclose(H, H.T, rtol=1e-13, atol=1e-15)
    for towards in free(objective):
        change = difference(lambda V: objective.value_and_gradient(V)[1], W, towards)
        assert_allclose(H @ by_output(towards), by_output(change), rtol=1e-9, atol=1e-11)


def test_hessian_product_is_the_hessian_times_the_direction(loss_name, penalty, fit_intercept):
    objective = make(loss_name, penalty, fit_intercept)
    W, direction = point(objective), point(objective, seed=4)
    if not fit_intercept:
        direction[-1] = 0.0
    product = objective.hessian_product(W, direction)
    assert_allclose(by_output(product), objective.hessian(W) @ by_output(direction), rtol=1e-12, atol=1e-14)


def test_hessian_blocks_are_all_that_is_not_zero(loss_name, penalty, fit_intercept):
    """Those of a separable loss from differences: a change to one output bends its own gradient and
    no other."""
    objective = make(loss_name, penalty, fit_intercept)
    W, (n_columns, n_outputs) = point(objective), objective.shape
    blocks = objective.hessian_blocks(W)
    assert objective.hessian_entries == blocks.size
    if not objective.loss.separable:
        assert blocks.shape == (1, objective.size, objective.size)
        return
    assert blocks.shape == (n_outputs, n_columns, n_columns)
    for towards in free(objective):
        change = difference(lambda V: objective.value_and_gradient(V)[1], W, towards)
        assert_allclose(np.einsum("kij,jk->ik", blocks, towards), change, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("n_weights", [1, 3, 4, 5, 30])
def test_weighted_grams_of_few_and_of_many_weights(n_weights, rng):
    """Four columns: up to four weights one by one, more of them from the products of columns."""
    X, weights = rng.normal(size=(50, 4)), rng.random((50, n_weights)) * (rng.random((50, n_weights)) < 0.7)
    grams = _weighted_grams(X, weights)
    expected = np.einsum("ia,ik,ib->kab", X, weights, X)
    assert_allclose(grams, expected, rtol=1e-12, atol=1e-13)
    assert_array_equal(grams, grams.transpose(0, 2, 1))


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_hessian_of_scores_is_the_weighted_sum_of_the_rows_hessians(order, rng):
    p, weight = np.asarray(rng.dirichlet(np.ones(5), 70), order=order), rng.random(70) * (rng.random(70) < 0.7)
    rows = [w * (np.diag(q) - np.outer(q, q)) for w, q in zip(weight, p, strict=True)]
    whole = hessian_of_scores(weight, p, p)
    assert_allclose(whole, np.sum(rows, axis=0), rtol=1e-12, atol=1e-14)
    assert_array_equal(whole, whole.T)
    assert_array_equal(hessian_of_scores(weight, p, None), np.diag(weight @ p))


def test_hessians_by_numpy_are_symmetric_to_the_last_bit(loss_name, storage, monkeypatch):
    monkeypatch.setattr(native, "instruction_set", lambda: None)
    objective = make(loss_name, NoPenalty(), storage=storage)
    blocks = objective.hessian_blocks(point(objective))
    assert_array_equal(blocks, blocks.transpose(0, 2, 1))


def test_blocks_of_one_class_add_up_to_the_same(rng):
    """Pairs of classes: only a class's own scores are computed where a block holds no other
    class."""
    loss, target = LOSSES["pairwise"](rng, N)
    target = np.sort(target)
    rows = as_rows(rng.normal(size=(N, D)), target, rng.uniform(0.2, 3, N)).with_columns(COLUMNS)
    whole = Objective(loss, L2(0.3), rows)
    by_class = Objective(loss, L2(0.3), rows.with_ends(np.cumsum(np.bincount(target))))
    assert [len(set(block.target)) for block in by_class.rows.blocks()] == [1, 1, 1]
    W = point(whole)
    for one, other in zip(sums(by_class, W), sums(whole, W), strict=True):
        assert_allclose(one, other, rtol=1e-13, atol=1e-15)


def test_intercept_hessian_is_a_part_of_the_hessian(loss_name):
    objective = make(loss_name, NoPenalty())
    W = point(objective)
    at = np.arange(1, objective.loss.n_outputs + 1) * objective.shape[0] - 1
    part = objective.hessian(W)[np.ix_(at, at)]
    assert_allclose(objective.intercept_hessian(W), part, rtol=1e-12, atol=1e-15)


def test_the_hessian_of_a_sample_stands_for_all(loss_name, penalty):
    objective = make(loss_name, penalty)
    W, rows = point(objective), objective.rows
    every_second = np.arange(0, N, 2)
    doubled = np.concatenate([every_second, every_second])
    halves = [rows.subset(chosen, rows.weight[chosen]) for chosen in (every_second, every_second + 1)]
    ridge = np.append(np.broadcast_to(penalty.quadratic, (D, 1)), 0.0)
    both = sum(objective.hessian(W, half) for half in halves) - np.diag(np.tile(ridge, objective.loss.n_outputs))
    assert_allclose(both, objective.hessian(W), rtol=1e-12, atol=1e-14)
    twice = objective.hessian(W, rows.subset(doubled, rows.weight[doubled] / 2))
    assert_allclose(twice, objective.hessian(W, halves[0]), rtol=1e-12, atol=1e-14)


def test_without_intercept_its_gradient_and_curvature_are_zero(loss_name, penalty):
    objective = make(loss_name, penalty, fit_intercept=False)
    W = point(objective)
    assert_array_equal(objective.value_and_gradient(W)[1][-1], 0.0)
    assert_array_equal(objective.hessian_product(W, W)[-1], 0.0)
    H = objective.hessian(W).reshape(objective.loss.n_outputs, D + 1, -1)
    assert_array_equal(H[:, -1], 0.0)


@pytest.mark.parametrize("loss", [Logistic(), Softmax(2)], ids=["logistic", "softmax"])
def test_a_fit_without_intercept_has_none(loss, rng):
    X, target = rng.normal(size=(50, 2)), np.repeat([0, 1], [40, 10])
    objective = Objective(loss, L2(0.1), as_rows(X, target), fit_intercept=False)
    assert_array_equal(minimize(objective, Newton()).coefficients[-1], 0.0)


# Weights


def sums(objective, W):
    value, gradient = objective.value_and_gradient(W)
    product = objective.hessian_product(W, point(objective, seed=4))
    null, null_value = objective.null
    return value, gradient, objective.hessian(W), product, objective.intercept_hessian(W), null, null_value


@given(seed=st.integers(0, 2**32 - 1))
@of_each(LOSSES)
def test_weights_count_how_often_a_row_occurs(name, seed):
    rng = np.random.default_rng(seed)
    loss, target = LOSSES[name](rng, 6)
    target = np.concatenate([target, target])
    X = rng.normal(size=(12, D))
    # No class loses all its rows: those that may occur not at all are all in the second half.
    times = np.concatenate([rng.integers(1, 4, 6), [0], rng.integers(0, 4, 5)])
    repeated = as_rows(X.repeat(times, axis=0), target.repeat(times, axis=0))
    weighted = as_rows(X, target, times.astype(float))
    W = rng.normal(size=(D + 1, loss.n_outputs))
    got, want = (sums(Objective(loss, L2(0.3), rows.with_columns(COLUMNS)), W) for rows in (weighted, repeated))
    for one, other in zip(got, want, strict=True):
        assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_a_common_factor_of_the_weights_changes_nothing(loss_name, penalty):
    objective = make(loss_name, penalty)
    rows = objective.rows
    heavier = Objective(objective.loss, penalty, rows.subset(np.arange(N), 1024 * rows.weight))
    W = point(objective)
    for one, other in zip(sums(heavier, W), sums(objective, W), strict=True):
        assert_allclose(one, other, rtol=1e-13, atol=1e-15)


def test_blocks_add_up_to_the_gradient(loss_name):
    """The sum that stochastic descent takes from batches is the one of the whole."""
    objective = make(loss_name, NoPenalty())
    W, rows = point(objective), objective.rows
    raw = rows.columns.to_raw(W)
    one_pass, batches = ValueAndGradient(objective.loss, raw), rows.batches(7, np.random.default_rng(0))
    parts = [native.reduce_block(one_pass, batch) for batch in batches]
    value, gradient = objective.value_and_gradient(W)
    total = objective.total_weight
    assert sum(part[0] for part in parts) / total == pytest.approx(value, rel=1e-13)
    assert_allclose(rows.columns.from_raw(sum(part[1] for part in parts)) / total, gradient, rtol=1e-11, atol=1e-14)


# The null model


def test_null_model_is_stationary_in_the_intercept(loss_name, penalty):
    objective = make(loss_name, penalty)
    W, value = objective.null
    at_null, gradient = objective.value_and_gradient(W)
    assert_array_equal(W[:-1], 0.0)
    assert_allclose(gradient[-1], 0.0, atol=1e-14)
    assert value == pytest.approx(at_null, rel=1e-13)


def test_null_value_is_the_entropy_of_the_class_frequencies(rng):
    target, weight = rng.permutation(np.arange(N) % 3), rng.uniform(0.1, 2, N)
    frequencies = np.bincount(target, weights=weight)
    rows = as_rows(rng.normal(size=(N, D)), target, weight)
    assert Objective(Softmax(3), L2(1.0), rows).null[1] == pytest.approx(entropy(frequencies), rel=1e-14)
    first = rows.with_target((target == 0).astype(int))
    expected = entropy([frequencies[0], frequencies[1:].sum()])
    assert Objective(Logistic(), L2(1.0), first).null[1] == pytest.approx(expected, rel=1e-14)
    assert Objective(Softmax(2), L2(1.0), first).null[1] == pytest.approx(expected, rel=1e-14)


def test_null_value_of_the_squared_loss_is_half_the_variance(rng):
    target, weight = rng.normal(size=N), rng.uniform(0.1, 2, N)
    rows = as_rows(rng.normal(size=(N, D)), target, weight)
    variance = np.cov(target, aweights=weight, ddof=0)
    assert Objective(Squared(), L2(1.0), rows).null[1] == pytest.approx(variance / 2, rel=1e-13)


def test_null_value_of_many_rows(rng):
    """More rows than are valued at a time."""
    target = rng.integers(0, 2, 150_000)
    objective = Objective(Logistic(), L2(1.0), as_rows(np.zeros((len(target), 1)), target))
    assert objective.null[1] == pytest.approx(entropy(np.bincount(target)), rel=1e-12)


# Precision


def test_float32_products_give_nearly_the_same_in_float64(loss_name):
    objective = make(loss_name, PENALTIES["l2"])
    W = point(objective)
    value, gradient = objective.value_and_gradient(W)
    rough_value, rough = objective.at(np.float32).value_and_gradient(W)
    assert rough.dtype == np.float64
    assert rough_value == pytest.approx(value, rel=1e-6)
    assert np.abs(rough - gradient).max() <= 1e-6 * np.abs(gradient).max()
    assert np.abs(rough - gradient).max() > 0, "the products were not in float32"
