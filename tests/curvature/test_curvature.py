"""What the solvers know of the Hessian: factors, conjugate gradients, preconditioners, decrements
and samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.linalg import block_diag, hadamard

from polytome import native
from polytome.curvature import conjugate_gradients as curvature
from polytome.curvature import preconditioner
from polytome.curvature.conjugate_gradients import conjugate_gradients, newton_decrement
from polytome.curvature.hessian_factor import factor_hessian
from polytome.curvature.preconditioner import DiagonalPreconditioner, GramPreconditioner, precondition
from polytome.curvature.sampling import drawn_by_curvature, sampled_hessian
from polytome.losses import Logistic, Softmax, Squared
from polytome.objective import Objective
from polytome.passes import curvature_of
from polytome.penalties import L2, NoPenalty
from polytome.rows import as_rows
from registry import LOSSES, PENALTIES

N, D = 80, 4


def make(name, penalty, fit_intercept=True, seed=7):
    rng = np.random.default_rng(seed)
    loss, target = LOSSES[name](rng, N)
    rows = as_rows(rng.normal(size=(N, D)), target, rng.uniform(0.2, 3, N))
    return Objective(loss, penalty, rows, fit_intercept)


def centred(objective):
    """Columns of mean zero, so that at the null model the intercepts decouple."""
    rows = objective.rows
    mean, _ = rows.moments()
    columns = type(rows.columns)(mean, rows.columns.scale)
    return Objective(objective.loss, objective.penalty, rows.with_columns(columns))


def point(objective, seed=3):
    """Random coefficients, canonical, without intercept where none is fitted."""
    W = 0.5 * np.random.default_rng(seed).normal(size=objective.shape)
    W[-1] *= objective.fit_intercept
    return objective.loss.canonical(W)


def inverse_hessian_times(objective, W, G):
    """The Hessian's pseudo-inverse times G: the solution of least norm, by dense linear algebra."""
    H = objective.hessian(W)
    return (np.linalg.pinv(H, rcond=1e-10, hermitian=True) @ G.T.ravel()).reshape(G.T.shape).T


class Identity:
    """No preconditioning."""

    def solve(self, gradient):
        return gradient.copy()


# Newton decrements and conjugate gradients


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_newton_decrement_is_that_of_dense_linear_algebra(loss_name, penalty, fit_intercept):
    objective = make(loss_name, penalty, fit_intercept)
    W = point(objective)
    _, gradient = objective.value_and_gradient(W)
    expected = np.vdot(gradient, inverse_hessian_times(objective, W, gradient)) / 2
    assert newton_decrement(objective, W, gradient) == pytest.approx(expected, rel=1e-9)


def test_newton_decrement_of_a_quadratic_is_the_distance_from_the_minimum(rng):
    objective = make("squared", L2(0.3))
    W = point(objective)
    value, gradient = objective.value_and_gradient(W)
    X = np.hstack([objective.rows.X, np.ones((N, 1))])
    w = objective.rows.weight[:, None] / objective.total_weight
    ridge = np.diag(np.append(np.full(D, 0.3), 0.0))
    best = np.linalg.solve(X.T @ (w * X) + ridge, X.T @ (w * objective.rows.target[:, None]))
    least, _ = objective.value_and_gradient(best)
    assert newton_decrement(objective, W, gradient) == pytest.approx(value - least, rel=1e-10)


def test_newton_decrement_without_the_hessian_errs_on_the_small_side(loss_name, penalty, monkeypatch):
    objective = make(loss_name, penalty)
    W = point(objective)
    _, gradient = objective.value_and_gradient(W)
    exact = newton_decrement(objective, W, gradient)
    monkeypatch.setattr(curvature, "LARGEST_HESSIAN", 0)
    reached = newton_decrement(objective, W, gradient)
    assert 0.7 * exact <= reached <= exact * (1 + 1e-9)


@given(seed=st.integers(0, 2**32 - 1))
def test_conjugate_gradients_solve_a_positive_definite_system(seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(12, 12))
    H = root @ root.T + 0.1 * np.eye(12)
    rhs = rng.normal(size=(12, 1))
    x, image = conjugate_gradients(lambda v: H @ v, rhs, Identity(), tolerance=0.0, max_products=100)
    assert_allclose(x, np.linalg.solve(H, rhs), rtol=1e-6, atol=1e-8 * np.abs(x).max())
    assert_allclose(image, H @ x, rtol=1e-8, atol=1e-10 * np.abs(rhs).max())


def test_conjugate_gradients_end_after_one_step_with_the_exact_inverse(rng):
    root = rng.normal(size=(12, 12))
    H = root @ root.T + np.eye(12)
    products = []

    class Exact:
        def solve(self, gradient):
            return np.linalg.solve(H, gradient)

    def product(v):
        products.append(v)
        return H @ v

    rhs = rng.normal(size=(12, 1))
    x, _ = conjugate_gradients(product, rhs, Exact(), tolerance=1e-8, max_products=100)
    assert_allclose(x, np.linalg.solve(H, rhs), rtol=1e-8)
    assert len(products) <= 2


def test_conjugate_gradients_stop_at_their_limit_and_only_ever_gain(rng):
    root = rng.normal(size=(12, 12))
    H = root @ root.T
    rhs = H @ rng.normal(size=(12, 1))

    def model(most):
        x, _ = conjugate_gradients(lambda v: H @ v, rhs, Identity(), tolerance=0.0, max_products=most)
        return float(np.vdot(x, H @ x) / 2 - np.vdot(rhs, x))

    values = [model(most) for most in range(7)]
    assert values[0] == 0.0
    assert (np.diff(values) < 0).all()


def test_conjugate_gradients_of_nothing_are_nothing():
    x, image = conjugate_gradients(lambda v: v, np.zeros((3, 1)), Identity(), tolerance=0.1, max_products=5)
    assert_array_equal(x, np.zeros((3, 1)))
    assert_array_equal(image, np.zeros((3, 1)))


# The factored Hessian


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_factor_solves_with_the_hessian(loss_name, penalty, fit_intercept):
    objective = make(loss_name, penalty, fit_intercept)
    W = point(objective)
    _, gradient = objective.value_and_gradient(W)
    step = factor_hessian(objective, objective.hessian_blocks(W)).solve(gradient)
    assert_allclose(step, inverse_hessian_times(objective, W, gradient), rtol=1e-8, atol=1e-10)
    assert_allclose(step, objective.loss.canonical(step), atol=1e-10)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_factor_solves_each_block_and_leaves_the_gradient_alone(n_outputs, order, rng):
    """Blocks of a separable loss that have nothing in common, against dense linear algebra."""
    roots = rng.normal(size=(n_outputs, 9, D + 1)) * 10.0 ** rng.uniform(-3, 3, D + 1)
    H = roots.transpose(0, 2, 1) @ roots
    objective = Objective(Squared(n_outputs), NoPenalty(), as_rows(np.zeros((2, D)), np.zeros((2, n_outputs))))
    factor = factor_hessian(objective, H.copy())
    for _ in range(2):
        gradient = np.asarray(rng.normal(size=(D + 1, n_outputs)), order=order)
        before = gradient.copy()
        solution = factor.solve(gradient)
        assert_array_equal(gradient, before)
        assert solution.flags.c_contiguous
        assert not np.shares_memory(solution, gradient)
        assert_allclose(np.einsum("kij,jk->ik", H, solution), gradient, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", ["softmax", "logistic", "squared-two"])
def test_newton_direction_follows_the_units_of_the_columns(name):
    objective = make(name, NoPenalty())
    units = np.array([1e-6, 1e6, 1.0, 1e3])
    rows = objective.rows
    rescaled = Objective(objective.loss, NoPenalty(), as_rows(rows.X * units, rows.target, rows.weight))
    W = point(objective)
    factors = np.append(units, 1.0)[:, None]
    directions = []
    for problem, V in [(objective, W), (rescaled, W / factors)]:
        _, gradient = problem.value_and_gradient(V)
        directions.append(factor_hessian(problem, problem.hessian_blocks(V)).solve(gradient))
    assert_allclose(directions[1] * factors, directions[0], rtol=1e-6)


@pytest.mark.parametrize("name", ["softmax", "logistic"])
def test_a_singular_hessian_still_gives_a_direction_of_descent(name, rng):
    """A column twice, a column of zeros, and no penalty."""
    loss, target = LOSSES[name](rng, N)
    X = rng.normal(size=(N, 3))
    objective = Objective(loss, NoPenalty(), as_rows(np.column_stack([X, X[:, 0], np.zeros(N)]), target))
    W = point(objective)
    value, gradient = objective.value_and_gradient(W)
    step = factor_hessian(objective, objective.hessian_blocks(W)).solve(gradient)
    expected = inverse_hessian_times(objective, W, gradient)
    assert np.vdot(gradient, step) == pytest.approx(np.vdot(gradient, expected), rel=1e-6)
    assert objective.value_and_gradient(W - 0.1 * step)[0] < value
    assert_array_equal(step[4], 0.0)


# Preconditioners


def null_problem(counts, penalty, seed=7):
    """Centred columns and classes of given sizes; and a canonical gradient."""
    rng = np.random.default_rng(seed)
    target = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    rows = as_rows(rng.normal(size=(len(target), D)) @ rng.normal(size=(D, D)), target)
    objective = centred(Objective(Softmax(len(counts)), penalty, rows))
    return objective, objective.loss.canonical(rng.normal(size=objective.shape))


# Balanced classes have equal eigenvalues; the others differ by more than a factor of two, so none
# share a factor.
@pytest.mark.parametrize("counts", [(30, 30, 30), (25, 25, 25, 25), (150, 30, 6)], ids=str)
@pytest.mark.parametrize("penalty", [L2(0.3), NoPenalty()], ids=["l2", "none"])
def test_gram_preconditioner_is_the_inverse_hessian_at_the_null_model(counts, penalty):
    objective, gradient = null_problem(counts, penalty)
    W = objective.null[0]
    inverse = precondition(objective, W)
    assert isinstance(inverse, GramPreconditioner)
    assert_allclose(inverse.solve(gradient), inverse_hessian_times(objective, W, gradient), rtol=1e-9, atol=1e-12)


def test_eigenvalues_that_share_a_factor_are_off_by_less_than_two():
    objective, _ = null_problem((50, 30, 20), L2(1e-3))
    W = objective.null[0]
    inverse = precondition(objective, W)
    assert len(inverse.groups) == 1
    basis = np.linalg.svd(np.ones((1, 3)))[2][1:]  # changes of the classes that sum to zero
    directions = np.array([np.outer(e, b) for e in np.eye(D + 1) for b in basis])
    after = np.array([inverse.solve(objective.hessian_product(W, V)).ravel() for V in directions])
    eigenvalues = np.linalg.eigvals(after @ directions.reshape(len(directions), -1).T).real
    assert eigenvalues.min() > 0.5
    assert eigenvalues.max() < 2
    assert eigenvalues.max() > 1.01


@pytest.mark.parametrize("penalty", [L2(0.3), NoPenalty()], ids=["l2", "none"])
@pytest.mark.parametrize("name", ["logistic", "logistic-soft", "squared"])
def test_gram_preconditioner_of_one_output_is_the_inverse_hessian_everywhere(name, penalty):
    objective = make(name, penalty)
    W = point(objective)
    _, gradient = objective.value_and_gradient(W)
    step = precondition(objective, W).solve(gradient)
    assert_allclose(step, inverse_hessian_times(objective, W, gradient), rtol=1e-9)


def test_gram_preconditioner_without_intercept_leaves_it_at_zero():
    objective = make("softmax", L2(0.3), fit_intercept=False)
    W = point(objective)
    _, gradient = objective.value_and_gradient(W)
    assert_array_equal(precondition(objective, W).solve(gradient)[-1], 0.0)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix, sparse.csc_matrix], ids=["array", "csr", "csc"])
@pytest.mark.parametrize("penalty", [L2(0.3), NoPenalty()], ids=["l2", "none"])
def test_diagonal_preconditioner_is_exact_for_orthogonal_columns(storage, penalty, monkeypatch):
    monkeypatch.setattr(preconditioner, "MAX_GRAM_COLUMNS", 0)
    X = hadamard(16)[:, 1:5] * np.array([1e-3, 1.0, 1e3, 5.0]) + np.array([1.0, 0.0, -2.0, 3.0])
    target = np.array([0] * 10 + [1] * 5 + [2])
    objective = centred(Objective(Softmax(3), penalty, as_rows(storage(X), target)))
    W = objective.null[0]
    _, gradient = objective.value_and_gradient(W)
    inverse = precondition(objective, W)
    assert isinstance(inverse, DiagonalPreconditioner)
    expected = factor_hessian(objective, objective.hessian_blocks(W)).solve(gradient)
    assert_allclose(inverse.solve(gradient), expected, rtol=1e-8, atol=1e-12)


def test_diagonal_preconditioner_is_the_gram_one_with_its_diagonal(loss_name, monkeypatch):
    """Both have the same part over outputs; the diagonal form inverts `alpha diag(S) + lambda`."""
    objective = make(loss_name, L2(0.3))
    W = point(objective)
    full = precondition(objective, W)
    monkeypatch.setattr(preconditioner, "MAX_GRAM_COLUMNS", 0)
    diagonal = precondition(objective, W)
    assert_allclose(diagonal.outputs.alpha, full.outputs.alpha, rtol=1e-12)
    block = next(iter(objective.rows.blocks()))
    trace, _, _ = curvature_of(objective.loss, block, objective.rows.columns.to_raw(W))
    S = trace @ block.X**2 / objective.total_weight
    alpha = full.outputs.alpha
    for k in np.flatnonzero(alpha):
        assert_allclose(diagonal.inverse[:, k], 1 / (alpha[k] * S + 0.3), rtol=1e-10)


@pytest.mark.parametrize("most_columns", [0, 4096], ids=["diagonal", "gram"])
def test_preconditioners_are_symmetric_and_positive(loss_name, penalty, most_columns, monkeypatch, rng):
    monkeypatch.setattr(preconditioner, "MAX_GRAM_COLUMNS", most_columns)
    objective = make(loss_name, penalty)
    inverse = precondition(objective, point(objective))
    A, B = (objective.loss.canonical(rng.normal(size=objective.shape)) for _ in range(2))
    assert np.vdot(A, inverse.solve(B)) == pytest.approx(np.vdot(B, inverse.solve(A)), rel=1e-9)
    assert np.vdot(A, inverse.solve(A)) > 0
    for got, alone in zip(inverse.solve_both(A, B), (A, B), strict=True):
        assert_allclose(got, inverse.solve(alone), rtol=1e-9, atol=1e-12 * np.abs(got).max())
    step = inverse.solve(A)
    assert_allclose(objective.loss.canonical(step), step, atol=1e-9 * np.abs(step).max())


@pytest.mark.parametrize("most_columns", [0, 4096], ids=["diagonal", "gram"])
def test_preconditioner_where_every_row_is_sure(most_columns, monkeypatch):
    monkeypatch.setattr(preconditioner, "MAX_GRAM_COLUMNS", most_columns)
    objective = Objective(Logistic(), L2(0.1), as_rows(np.array([[-1.0], [1.0]]), np.array([0, 1])))
    W = np.array([[2000.0], [0.0]])
    _, gradient = objective.value_and_gradient(W)
    step = precondition(objective, W).solve(gradient)
    assert_allclose(step[:-1], gradient[:-1] / 0.1, rtol=1e-10)


# Sampling


def sample_of(objective, W, size):
    return block_diag(*sampled_hessian(objective, W, size))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
def test_a_sample_of_every_row_is_the_full_hessian(name, penalty):
    objective = make(name, penalty)
    W = point(objective)
    assert_allclose(sample_of(objective, W, 10**9), objective.hessian(W), rtol=1e-10, atol=1e-13)


def test_a_sample_of_rows_is_close_to_the_full_hessian(rng):
    X = rng.normal(size=(20_000, 3))
    target = (X[:, 0] + rng.logistic(size=len(X)) > 0).astype(int)
    objective = Objective(Logistic(), L2(1e-3), as_rows(X, target))
    W = np.array([[1.0], [0.0], [0.0], [0.0]])
    H = objective.hessian(W)
    error = [np.linalg.norm(sample_of(objective, W, size) - H) / np.linalg.norm(H) for size in (500, 5_000)]
    assert 0 < error[0] < 0.15
    assert 0 < error[1] < 0.05


def test_few_rows_hold_nearly_all_curvature_where_most_are_sure(rng):
    """All but a hundred of 5,100 rows are classified beyond doubt; a sample of a tenth holds those
    hundred, nearly."""
    unsure, sure = rng.normal(size=(100, 2)), rng.choice([-30.0, 30.0], size=(5_000, 1)) + rng.normal(size=(5_000, 2))
    X = np.concatenate([unsure, sure])
    objective = Objective(Logistic(), NoPenalty(), as_rows(X, (X[:, 0] > 0).astype(int)))
    W = np.array([[1.0], [0.1], [0.0]])
    H = objective.hessian(W)
    assert np.linalg.norm(sample_of(objective, W, 500) - H) <= 1e-6 * np.linalg.norm(H)
    evenly = objective.hessian(W, objective.rows.sample(500, rng))
    assert np.linalg.norm(evenly - H) > 0.1 * np.linalg.norm(H), "the sample had no chance to fail"


@pytest.mark.parametrize("storage", [np.asarray, np.asfortranarray, np.float32, sparse.csr_matrix])
@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_native_and_numpy_draw_the_same_rows(loss_name, storage, precision, rng, monkeypatch):
    loss, target = LOSSES[loss_name](rng, 900)
    X = storage(rng.integers(0, 9, (900, D)).astype(float))
    weight = np.where(rng.random(900) < 0.2, 0.0, rng.uniform(0.2, 3, 900))
    objective = Objective(loss, L2(0.1), as_rows(X, target, weight)).at(precision)
    W = 0.2 * rng.normal(size=objective.shape)
    drawn = []
    for chosen in (*native.instruction_sets(), None):
        monkeypatch.setattr(native, "instruction_set", lambda chosen=chosen: chosen)
        drawn.append(drawn_by_curvature(objective, W, 100))
    assert 0 < drawn[-1].n_rows < 200
    assert (drawn[-1].weight > 0).all()
    for rows in drawn[:-1]:
        assert rows.n_rows == drawn[-1].n_rows
        assert_allclose(rows.weight, drawn[-1].weight, rtol=1e-5 if precision == np.float32 else 1e-11)
        assert_array_equal(rows.whole.target, drawn[-1].whole.target)


def test_a_sample_is_never_empty():
    objective = Objective(Logistic(), L2(0.1), as_rows(np.array([[-1.0], [1.0]]), np.array([0, 1])))
    H = sample_of(objective, np.array([[2000.0], [0.0]]), 1)
    assert_allclose(H, np.diag([0.1, 0.0]), atol=1e-300)


def test_row_lengths_are_mean_squares_of_standardised_columns(rng):
    X = np.column_stack([rng.normal(5, 3, N), rng.normal(0, 1e-3, N), np.full(N, 0.1)])
    weight = rng.uniform(0.2, 3, N)
    objective = Objective(Logistic(), NoPenalty(), as_rows(X, np.arange(N) % 2, weight))
    mean = np.average(X, axis=0, weights=weight)
    deviation = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    standard = (X[:, :2] - mean[:2]) / deviation[:2]  # a constant column counts as zeros
    assert_allclose(objective.row_lengths, (standard**2).sum(axis=1) / 3, rtol=1e-10)


def test_row_curvature_is_the_weighted_trace(loss_name):
    objective = make(loss_name, NoPenalty())
    W, rows = point(objective), objective.rows
    block = next(iter(rows.blocks()))
    trace, m, u = curvature_of(objective.loss, block, W)
    expected = m.sum(axis=1) if u is None else np.einsum("ij,ij->i", m, 1 - u)
    assert_allclose(trace, rows.weight * expected, rtol=1e-12)
    if isinstance(objective.loss, Squared):
        assert_array_equal(trace, rows.weight * objective.loss.n_outputs)
