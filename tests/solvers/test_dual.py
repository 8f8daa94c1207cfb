"""Dual coordinate ascent: its steps, its certificate, its native form, and the models that it
fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from compiled import stores_twice
from polytome import LogisticRegression, OneVsRest, native
from polytome.certificates.certificate import certify, dual_value
from polytome.certificates.dual import _scaled, certify_dual, implied_coefficients
from polytome.errors import ArgumentError
from polytome.losses import IndependentSigmoids, Logistic, Loss, Softmax, Squared
from polytome.numerics import kl_divergence, log_softmax, sigmoid, softmax
from polytome.objective import Objective
from polytome.objective.intercepts import exact_intercept
from polytome.penalties import L2, NoPenalty
from polytome.rows import Columns, as_rows
from polytome.solvers import LBFGS, DualCoordinateAscent, Newton, Stop, choose_solver, minimize
from polytome.solvers.dual_coordinate_ascent import DualState, _certain_scores
from polytome.solvers.dual_steps import sigmoid_step, softmax_step

needs_native = pytest.mark.skipif(native.instruction_set() is None, reason="the extension was not built or is off")
numbers = st.floats(-60, 60)


# The step of a row


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=7), st.floats(-4, 3))
def test_softmax_step_solves_its_equation(pairs: list[tuple[float, float]], power: float) -> None:
    z, u = np.array(pairs).T[:, None, :]
    u, c = log_softmax(u, axis=1), 10.0**power
    new = softmax_step(z, u, np.array([c]))
    q = np.exp(new)
    assert_allclose(q.sum(), 1, atol=1e-12)
    off = (new + c * q - z - c * np.exp(u))[0]
    mu = q[0] @ off
    # Where the prediction has weight, the equation holds but for one constant.
    assert (q[0] * np.abs(off - mu)).max() <= 1e-4 * max(1.0, c)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(numbers, numbers, st.floats(-4, 5))
def test_sigmoid_step_solves_its_equation(z: float, u: float, power: float) -> None:
    c = 10.0**power
    new = sigmoid_step(np.array([[z]]), np.array([[u]]), np.array([c]))[0, 0]
    off = new + c * (sigmoid(new) - sigmoid(u)) - z
    assert abs(off) <= 1e-5 * (1 + c)


def test_steps_agree_for_two_classes(rng: np.random.Generator) -> None:
    """The softmax of the scores (0, z) is a sigmoid; the curvature counts once per class."""
    z, u, c = rng.normal(size=(40, 1)) * 3, rng.normal(size=(40, 1)) * 3, rng.uniform(0, 20, 40)
    both = softmax_step(np.hstack([0 * z, z]), log_softmax(np.hstack([0 * u, u]), axis=1), c)
    assert_allclose(both[:, 1] - both[:, 0], sigmoid_step(z, u, 2 * c)[:, 0], atol=1e-6)


def test_steps_find_the_maximum(rng: np.random.Generator) -> None:
    z, u, c = rng.normal(size=(50, 5)) * 4, log_softmax(rng.normal(size=(50, 5)) * 4, axis=1), rng.uniform(0, 50, 50)

    def worth(logs: np.ndarray) -> np.ndarray:
        q = np.exp(logs)
        return -(q * logs).sum(axis=1) + (z * q).sum(axis=1) - c / 2 * ((q - np.exp(u)) ** 2).sum(axis=1)

    best = softmax_step(z, u, c)
    for _ in range(20):
        other = log_softmax(best + rng.normal(size=best.shape) * rng.choice([1e-3, 0.1, 2]), axis=1)
        assert (worth(other) <= worth(best) + 1e-9 * (1 + c)).all()


# The certificate


def text(rng: np.random.Generator, n: int = 150, d: int = 240, K: int = 4) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Rows of unit length with a dozen entries each, and labels that they say something about."""
    X = sparse.random(n, d, 12 / d, "csr", random_state=np.random.default_rng(5))
    X.data = rng.uniform(0.5, 2, X.nnz)
    lengths = np.sqrt(np.asarray(X.multiply(X).sum(axis=1)).ravel())
    X = sparse.csr_matrix(sparse.diags(1 / np.maximum(lengths, 1e-9)) @ X)
    y = (X @ rng.normal(size=(d, K)) * 3 + rng.gumbel(size=(n, K))).argmax(axis=1)
    y[:K] = np.arange(K)
    return X, y


KINDS = {
    "softmax": lambda y, rng: (Softmax(4), y),
    "softmax of distributions": lambda y, rng: (Softmax(4), rng.dirichlet(np.ones(4), len(y))),
    "logistic": lambda y, rng: (Logistic(), (y > 1).astype(np.int64)),
    "logistic of probabilities": lambda y, rng: (Logistic(), rng.random(len(y))),
    "sigmoids": lambda y, rng: (IndependentSigmoids(4), np.eye(4)[y]),
}


def make(kind: str, rng: np.random.Generator, strength: float = 1e-3, fit_intercept: bool = True) -> Objective:
    X, y = text(rng)
    loss, target = KINDS[kind](y, rng)
    rows = as_rows(X, target, rng.uniform(0.2, 3, len(y)))
    return Objective(loss, L2(strength), rows, fit_intercept)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_any_predictions_prove_a_bound(kind: str, fit_intercept: bool, rng: np.random.Generator) -> None:
    objective = make(kind, rng, fit_intercept=fit_intercept)
    minimum = minimize(objective, Newton(), tol=1e-13).certificate.objective
    for size in (0.1, 1, 4):
        certificate, W = certify_dual(objective, rng.normal(size=(150, objective.loss.n_outputs)) * size, 1e-4)
        value, gradient = objective.value_and_gradient(W)
        assert_allclose(certificate.objective, value, rtol=1e-11)
        assert certificate.kind == "proof"
        assert certificate.objective - certificate.gap <= minimum + 1e-12
        if fit_intercept:
            assert np.abs(gradient[-1]).max() < 1e-9


def test_predictions_of_the_optimum_prove_it(rng: np.random.Generator) -> None:
    objective = make("softmax", rng)
    W = minimize(objective, Newton(), tol=1e-15).coefficients
    scores = objective.rows.X @ W[:-1] + W[-1]
    certificate, again = certify_dual(objective, scores, 1e-9)
    assert certificate.holds
    assert_allclose(again, W, atol=1e-6)


@pytest.mark.parametrize("path", ["native", "numpy"])
@pytest.mark.parametrize(
    "storage", [sparse.csr_matrix, sparse.csc_matrix, lambda X: X.toarray()], ids=["csr", "csc", "array"]
)
def test_coefficients_of_residuals(storage: Any, path: str, rng: np.random.Generator, monkeypatch: Any) -> None:
    if path == "numpy":
        monkeypatch.setattr(native, "instruction_set", lambda: None)
    objective = make("softmax", rng, strength=0.05)
    scale = rng.uniform(0.5, 2, objective.rows.n_features)
    rows = as_rows(storage(objective.rows.X), objective.rows.target, objective.rows.weight)
    rows = rows.with_columns(Columns(rng.normal(size=len(scale)), scale))
    R = rng.normal(size=(150, 4))
    R -= rows.weight @ R / rows.weight.sum()
    got = implied_coefficients(Objective(objective.loss, objective.penalty, rows), R)
    want = -(objective.rows.X.T @ (R * rows.weight[:, None])) * scale[:, None] / objective.total_weight / 0.05
    assert_allclose(got[:-1], want, rtol=1e-11, atol=1e-12)
    assert not got[-1].any()


def divergences(loss: Loss, dual: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """KL(q || p) of each row for the predictions that two matrices of scores give, summed over
    separate outputs."""
    if isinstance(loss, Softmax):
        return kl_divergence(softmax(dual, axis=1), softmax(scores, axis=1))
    q, p = (np.stack([sigmoid(-logits), sigmoid(logits)], axis=-1) for logits in (dual, scores))
    return kl_divergence(q, p).sum(axis=1)


@pytest.mark.parametrize("path", ["native", "numpy"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("intercepts", [None, 3.0], ids=["from the null model", "from elsewhere"])
def test_the_gap_is_the_mean_divergence_of_two_predictions(
    kind: str,
    fit_intercept: bool,
    intercepts: float | None,
    path: str,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And it is the primal value less the dual one, minus the mean conjugate minus that of the
    penalty."""
    if path == "numpy":
        monkeypatch.setattr(native, "instruction_set", lambda: None)
    objective = make(kind, rng, fit_intercept=fit_intercept)
    loss, rows, total = objective.loss, objective.rows, objective.total_weight
    near = None
    if intercepts is not None:
        near = intercepts * rng.normal(size=loss.n_outputs) if fit_intercept else np.zeros(loss.n_outputs)
    for size in (0.1, 1, 4, 40):
        dual = rng.normal(size=(150, loss.n_outputs)) * size
        before = dual.copy()
        certificate, W = certify_dual(objective, dual, 1e-4, near)
        assert_array_equal(dual, before)
        balanced = dual + (exact_intercept(objective, dual) if fit_intercept else 0.0)
        scores = rows.X @ W[:-1] + W[-1]
        expected = rows.weight @ divergences(loss, balanced, scores) / total
        # No gap is larger than the objective.
        assert_allclose(certificate.exact, min(expected, certificate.objective), rtol=1e-10, atol=1e-14)
        _, residual = loss.value_and_gradient(balanced, rows.target)
        G = rows.X.T @ (rows.weight[:, None] * residual) / total
        D = -rows.weight @ loss.conjugate(residual, rows.target) / total - objective.penalty.conjugate(-G)
        proved = certificate.objective - certificate.exact
        assert_allclose(proved, max(D, 0.0), rtol=1e-10, atol=1e-12 + certificate.rounding)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_dual_point_of_coefficients_has_their_dual_value(
    kind: str, fit_intercept: bool, rng: np.random.Generator
) -> None:
    objective = make(kind, rng, fit_intercept=fit_intercept)
    start = objective.loss.canonical(rng.normal(size=objective.shape))
    start[-1] *= fit_intercept
    _, W = certify(objective, start, 1e-4)  # its intercept is exact
    certificate, _ = certify_dual(objective, objective.rows.X @ W[:-1] + W[-1], 1e-4)
    proved = max(dual_value(objective, W), 0.0)
    assert_allclose(certificate.objective - certificate.exact, proved, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gap_of_the_optimum_is_rounding_and_never_negative(kind: str, rng: np.random.Generator) -> None:
    objective = make(kind, rng, strength=0.1)
    W = minimize(objective, Newton(), tol=1e-15).coefficients
    best = objective.rows.X @ W[:-1] + W[-1]
    for off in (0.0, 1e-9, 1e-8):
        certificate, _ = certify_dual(objective, best + off * rng.normal(size=best.shape), 1e-12)
        assert 0.0 <= certificate.exact <= 1e-14
        assert certificate.gap <= 1e-11


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_weight_have_no_say_in_a_certificate(kind: str, rng: np.random.Generator) -> None:
    objective = make(kind, rng)
    rows, kept = objective.rows, np.arange(150) % 3 > 0
    dual = rng.normal(size=(150, objective.loss.n_outputs))
    results = []
    for chosen, weight in ((np.arange(150), rows.weight * kept), (np.flatnonzero(kept), rows.weight[kept])):
        part = Objective(objective.loss, objective.penalty, rows.subset(chosen, weight))
        results.append(certify_dual(part, dual[chosen], 1e-4))
    (one, W), (other, V) = results
    assert_allclose(one.gap, other.gap, rtol=1e-11)
    assert_allclose(one.objective, other.objective, rtol=1e-13)
    assert_allclose(W, V, rtol=1e-9, atol=1e-12)


def test_a_dual_point_that_no_intercept_balances_proves_nothing() -> None:
    """Scores so far from each other that no step on the intercept can be told from another."""
    objective = Objective(Logistic(), L2(0.1), as_rows(sparse.csr_matrix(np.eye(4)), np.array([0, 1, 0, 1])))
    certificate, _ = certify_dual(objective, np.array([[1e5], [1e5], [1e5], [-1e5]]), 1e-4)
    assert certificate.gap == certificate.objective  # which is known without a proof
    assert not certificate.holds


@pytest.mark.parametrize("storage", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_columns_are_scaled_in_a_copy_and_copied_only_to_be_scaled(storage: Any, rng: np.random.Generator) -> None:
    X = storage(text(rng)[0])
    before = X.copy()
    whole = _scaled(X, np.ones(X.shape[1]))
    assert (whole is X) == (X.format == "csr")
    scale = rng.uniform(0.5, 2, X.shape[1])
    assert_array_equal(_scaled(X, scale).toarray(), X.toarray() * scale)
    for name in ("data", "indices", "indptr"):
        assert_array_equal(getattr(X, name), getattr(before, name))


# The solver


@pytest.mark.parametrize("kind", KINDS)
def test_starts_from_predictions_that_agree_with_the_targets(kind: str, rng: np.random.Generator) -> None:
    objective = make(kind, rng)
    target = objective.rows.target
    dual = _certain_scores(objective)
    assert dual.shape == (150, objective.loss.n_outputs)
    assert np.isfinite(dual).all()
    wanted = np.eye(4)[target] if kind == "softmax" else target.reshape(dual.shape)
    assert_allclose(objective.loss.mean(dual), wanted, rtol=1e-13, atol=1e-25)
    if isinstance(objective.loss, Softmax):  # the steps take them for logarithms of distributions
        assert_allclose(dual, log_softmax(dual, axis=1), atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("strength", [3e-2, 1e-3])
def test_reaches_the_optimum(kind: str, fit_intercept: bool, strength: float, rng: np.random.Generator) -> None:
    objective = make(kind, rng, strength, fit_intercept)
    solution = minimize(objective, DualCoordinateAscent(), tol=1e-9)
    assert solution.stop is Stop.CERTIFIED
    reference = minimize(objective, Newton(), tol=1e-13)
    difference = solution.certificate.objective - reference.certificate.objective
    assert -1e-13 <= difference <= solution.certificate.gap
    away = np.linalg.norm((solution.coefficients - reference.coefficients)[:-1])
    assert away <= solution.certificate.coefficient_bound


def test_columns_that_are_scaled(rng: np.random.Generator) -> None:
    objective = make("softmax", rng)
    scale = rng.uniform(0.1, 3, objective.rows.n_features)
    mean, _ = objective.rows.moments()
    scaled = Objective(objective.loss, objective.penalty, objective.rows.with_columns(Columns(mean, scale)))
    solution = minimize(scaled, DualCoordinateAscent(), tol=1e-10)
    assert_allclose(solution.coefficients, minimize(scaled, Newton(), tol=1e-14).coefficients, atol=1e-3)
    assert solution.stop is Stop.CERTIFIED


@needs_native
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_native_steps_are_those_of_numpy(
    kind: str, precision: type, index: type, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = make(kind, rng)
    X = objective.rows.X
    X = sparse.csr_matrix((X.data.astype(precision), X.indices.astype(index), X.indptr.astype(index)), X.shape)
    outputs, order = objective.loss.n_outputs, rng.permutation(150)
    start = rng.normal(size=(150, outputs))
    start = log_softmax(start, axis=1) if outputs == 4 and kind != "sigmoids" else start
    results = []
    for instruction_set in (None, *native.instruction_sets()):
        monkeypatch.setattr(native, "instruction_set", lambda instruction_set=instruction_set: instruction_set)
        state = DualState(
            Objective(objective.loss, objective.penalty, as_rows(X, objective.rows.target, objective.rows.weight)),
            np.zeros(objective.shape),
        )
        state.dual = start.astype(precision)
        state.form_coefficients()
        met = state.epoch(order)
        results.append((*met, state.coefficients, state.intercepts, state.dual))
    tolerance = 2e-4 if precision == np.float32 else 2e-6  # a step ends at 1e-6
    for chosen, compiled in zip(native.instruction_sets(), results[1:], strict=True):
        for got, want in zip(compiled, results[0], strict=True):
            assert_allclose(got, want, rtol=tolerance, atol=tolerance * np.abs(want).max(), err_msg=chosen)


@needs_native
def test_a_column_outside_the_matrix_is_refused(rng: np.random.Generator) -> None:
    objective = make("softmax", rng)
    state = DualState(objective, np.zeros(objective.shape))
    state.block.stored.indices[7] = 10**6
    with pytest.raises(IndexError, match="outside its shape"):
        state.epoch(np.arange(150))


def test_warm_start_is_close_at_once(rng: np.random.Generator) -> None:
    X, y = text(rng)
    model = LogisticRegression(solver="dual", tol=1e-6, warm_start=True).fit(X, y)
    cold = model.n_iter_[0]
    assert model.fit(X, y).n_iter_[0] < cold


def test_goes_on_with_another_solver_where_it_is_slow(rng: np.random.Generator) -> None:
    objective = make("softmax", rng, strength=1e-9)
    solution = minimize(objective, DualCoordinateAscent(then=LBFGS()), tol=1e-3)
    assert solution.stop is Stop.CERTIFIED
    assert solution.passes > 31


@pytest.mark.parametrize(
    ("penalty", "loss", "words"), [(NoPenalty(), Softmax(4), "needs a penalty"), (L2(1.0), Squared(), "does not know")]
)
def test_refuses_what_it_cannot_solve(penalty: object, loss: object, words: str, rng: np.random.Generator) -> None:
    X, y = text(rng)
    target = y if isinstance(loss, Softmax) else y.astype(float)
    with pytest.raises(ArgumentError, match=words):
        minimize(Objective(loss, penalty, as_rows(X, target)), DualCoordinateAscent())


# The models


def wide(rng: np.random.Generator) -> tuple[sparse.csr_matrix, np.ndarray]:
    return text(rng, n=1500, d=6000)


@needs_native
def test_auto_takes_it_for_text_and_not_elsewhere(rng: np.random.Generator) -> None:
    X, y = wide(rng)
    rows = as_rows(X, y)
    assert isinstance(choose_solver(Objective(Softmax(4), L2(1e-3), rows)).solver, DualCoordinateAscent)
    assert not isinstance(choose_solver(Objective(Softmax(4), NoPenalty(), rows)).solver, DualCoordinateAscent)
    assert not isinstance(choose_solver(Objective(Softmax(4), L2(1e-9), rows)).solver, DualCoordinateAscent)  # too weak
    assert not isinstance(
        choose_solver(Objective(Softmax(4), L2(1e-3), as_rows(X.tocsc(), y))).solver, DualCoordinateAscent
    )


def test_models_agree_with_lbfgs(rng: np.random.Generator) -> None:
    X, y = wide(rng)
    weight = rng.uniform(0, 2, len(y))
    for kind, labels in ((LogisticRegression, y), (LogisticRegression, y > 1), (OneVsRest, y)):
        model = kind(C=5.0, tol=1e-8).fit(X, labels, sample_weight=weight)
        peer = kind(C=5.0, tol=1e-9, solver="lbfgs").fit(X, labels, sample_weight=weight)
        assert model.certificate_.holds
        assert_allclose(model.certificate_.objective, peer.certificate_.objective, rtol=1e-7)
        assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=2e-3)


@needs_native
def test_entries_in_any_order_and_none_twice(rng: np.random.Generator) -> None:
    X, y = wide(rng)
    mixed = X.copy()
    for i in range(X.shape[0]):
        part = slice(X.indptr[i], X.indptr[i + 1])
        turn = rng.permutation(X.indptr[i + 1] - X.indptr[i])
        mixed.indices[part], mixed.data[part] = X.indices[part][turn], X.data[part][turn]
    mixed.has_sorted_indices = False
    mixed.has_canonical_format = False
    assert stores_twice(mixed) is False
    assert np.shares_memory(as_rows(mixed, y).X.data, mixed.data)  # no copy of the entries
    doubled = sparse.csr_matrix((np.repeat(X.data / 2, 2), np.repeat(X.indices, 2), X.indptr * 2), shape=X.shape)
    assert stores_twice(doubled) is True
    for other in (mixed, doubled):
        for got, want in zip(as_rows(other, y).moments(), as_rows(X, y).moments(), strict=True):
            assert_allclose(got, want, rtol=1e-12, atol=1e-15)


@needs_native
def test_native_moments_of_sparse_columns(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    X = sparse.csr_matrix(rng.integers(0, 3, (100, 30)) * (1e8 + rng.normal(size=(100, 30))))
    weight = np.where(rng.random(100) < 0.3, 0.0, rng.uniform(0.1, 2, 100))
    got = as_rows(X, np.zeros(100), weight).moments()
    monkeypatch.setattr(native, "instruction_set", lambda: None)
    for one, other in zip(got, as_rows(X, np.zeros(100), weight).moments(), strict=True):
        assert_allclose(one, other, rtol=1e-12)
    dense = X.toarray()
    mean = weight @ dense / weight.sum()
    assert_allclose(got[0], mean, rtol=1e-12)
    assert_allclose(got[1], np.sqrt(weight @ (dense - mean) ** 2 / weight.sum()), rtol=1e-10)


@needs_native
def test_same_bits_for_any_number_of_threads(rng: np.random.Generator) -> None:
    X, y = wide(rng)
    fits = []
    for threads in (1, 2, 5):
        rows = as_rows(X, y, n_threads=threads)
        fits.append(minimize(Objective(Softmax(4), L2(1e-3), rows), DualCoordinateAscent(), tol=1e-8).coefficients)
    assert_array_equal(fits[0], fits[1])
    assert_array_equal(fits[0], fits[2])
