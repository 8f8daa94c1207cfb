"""The certificate counts its own rounding: what it is built from, and cases in which a naive bound
is false."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import logsumexp
from sklearn.datasets import load_breast_cancer, load_digits, load_iris

from polytome import LogisticRegression, native
from polytome.certificates.careful import CarefulFrame, certify_given
from polytome.certificates.certificate import certify, proof_of_parts
from polytome.certificates.rounding import UNIT, divergences, growth, rounding_of
from polytome.curvature.hessian_root import HessianRoot
from polytome.losses import IndependentSigmoids, Logistic, Softmax
from polytome.losses.pairwise import PairwiseSigmoids
from polytome.numerics.exact_sums import exact_products
from polytome.objective import Objective
from polytome.objective.intercepts import KnownScores, exact_intercept
from polytome.penalties import L2, NoPenalty
from polytome.rows import as_rows
from polytome.solvers import Stop, minimize
from polytome.solvers.careful_newton import CarefulNewton

floats = st.floats(min_value=-1e100, max_value=1e100, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-100)


def true_objective(x: np.ndarray, y: np.ndarray, w: float, b: float, C: float) -> mpmath.mpf:
    """The objective of one column and two classes in fifty digits."""
    with mpmath.workdps(50):
        total = mpmath.mpf(0)
        for value, label in zip(x.tolist(), y.tolist(), strict=True):
            z = mpmath.mpf(w) * mpmath.mpf(value) + mpmath.mpf(b)
            total += mpmath.log1p(mpmath.exp(-abs(z))) + (max(-z, 0) if label else max(z, 0))
        return total / len(x) + mpmath.mpf(w) ** 2 / (2 * mpmath.mpf(C) * len(x))


# --- sums and products free of rounding ---


@given(floats, floats)
def test_a_product_and_its_rest_are_the_product(a: float, b: float) -> None:
    product, rest = exact_products(np.array([a]), np.array([b]))
    assert Fraction(float(product[0])) + Fraction(float(rest[0])) == Fraction(a) * Fraction(b)


def test_growth_is_the_relative_error_of_roundings_in_turn() -> None:
    assert growth(0) == 0
    assert growth(10) == pytest.approx(10 * UNIT, rel=1e-14)
    assert growth(1e16) == np.inf


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("K", [1, 2, 5])
def test_losses_and_residuals_are_as_right_as_the_bound_takes_them_to_be(K: int, compiled: bool, monkeypatch) -> None:
    """Forty roundings stand for the elementary functions of a row, sure or in doubt."""
    if not compiled:
        monkeypatch.setattr(native, "instruction_set", lambda: None)
    rng = np.random.default_rng(K)
    scores = rng.normal(size=(400, K)) * 10 ** rng.uniform(-3, 2.3, size=(400, 1))
    if K == 1:
        loss, target = Logistic(), rng.integers(0, 2, 400)
        every = np.hstack([np.zeros((400, 1)), scores])
    else:
        loss, target = Softmax(K), rng.integers(0, K, 400)
        every = scores
    for i in range(400):
        objective = Objective(loss, NoPenalty(), as_rows(scores[i : i + 1], target[i : i + 1]))
        value, _, residual = KnownScores(objective, scores[i : i + 1]).loss_slope_and_residuals(np.zeros(K))
        with mpmath.workdps(400):
            # Of the scores less the largest, as they are rounded: that is an error of scores, which
            # is counted there.
            z = [mpmath.mpf(float(s)) for s in every[i] - every[i].max()]
            total = mpmath.fsum([mpmath.exp(s) for s in z])
            own = int(target[i])
            true_value = mpmath.log(total) - z[own]
            p = [mpmath.exp(s) / total for s in z]
            rest = mpmath.fsum([q for k, q in enumerate(p) if k != own])
            true = [-rest if k == own else q for k, q in enumerate(p)]
            true = true[1:] if K == 1 else true
            allowed = growth(40 + K)
            assert abs(value - true_value) <= allowed * true_value + mpmath.mpf(10) ** -290
            for found, wanted in zip(residual[0], true, strict=True):
                assert abs(float(found) - wanted) <= allowed * abs(wanted) + mpmath.mpf(10) ** -290


# --- the cases in which the bound without rounding is false ---


@pytest.mark.parametrize("outlier", [1e3, 1e6, 1e9, 1e10, 1e12, 1e15, -1e11])
def test_one_sentinel_in_a_column_is_proved_and_true(outlier: float) -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=12)
    y = (x + rng.logistic(size=12) > 0).astype(int)
    y[0], x[0] = int(outlier > 0), outlier
    x[1], y[1], y[2] = 0.5, 1, 0
    model = LogisticRegression().fit(x[:, None], y)
    certificate = model.certificate_
    value = true_objective(x, y, float(model.coef_[0, 0]), float(model.intercept_[0]), 1.0)
    # The right slope puts the outlier on its side beyond doubt: the optimum of the others is that
    # of all.
    others = LogisticRegression(tol=1e-13).fit(x[1:, None], y[1:])
    better = true_objective(x, y, float(others.coef_[0, 0]), float(others.intercept_[0]), 1.0)
    assert model.stop_ is Stop.CERTIFIED
    assert value - better <= certificate.gap <= certificate.tol * certificate.null_objective
    assert abs(certificate.objective - value) <= certificate.gap + 1e-12
    assert abs(model.coef_[0, 0] - others.coef_[0, 0]) <= certificate.coefficient_bound + others.certificate_.gap**0.5


@pytest.mark.parametrize("offset", [1e4, 1e8, 1e12])
def test_an_offset_far_beyond_the_spread_is_proved_about_what_is_returned(offset: float) -> None:
    rng = np.random.default_rng(3)
    x = np.round(rng.normal(size=20), 3) + offset
    y = (x - offset + rng.logistic(size=20) > 0).astype(int)
    model = LogisticRegression().fit(x[:, None], y)
    value = true_objective(x, y, float(model.coef_[0, 0]), float(model.intercept_[0]), 1.0)
    near = LogisticRegression(tol=1e-12).fit((x - offset)[:, None], y)
    least = true_objective(x - offset, y, float(near.coef_[0, 0]), float(near.intercept_[0]), 1.0)
    assert model.certificate_.holds
    assert value - least <= model.certificate_.gap
    assert abs(model.certificate_.objective - value) <= model.certificate_.gap


def test_twelve_rows_of_wild_columns_end() -> None:
    """Columns of 1e-7, 1e-1 and 1e15 beside each other: the intercepts of dual ascent are looked
    for a limited time."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 3)) * [2e-7, 0.1, 2000.0]
    X[6, 1], X[11, 2] = -1.7e11, -1.2e15
    y = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 5, 5])
    with pytest.warns(UserWarning, match="classes|certificate"):
        model = LogisticRegression(C=0.289, solver="dual", max_iter=50).fit(X, y)
    assert model.stop_ in Stop
    assert 0 <= model.certificate_.gap <= model.certificate_.objective


@pytest.mark.parametrize("load", [load_iris, load_digits, load_breast_cancer])
def test_a_tolerance_of_1e_12_is_certified_still(load) -> None:
    X, y = load(return_X_y=True)
    model = LogisticRegression(tol=1e-12).fit(X, y)
    assert model.stop_ is Stop.CERTIFIED
    assert 0 < model.certificate_.rounding <= model.certificate_.gap


def test_weights_over_many_decades_leave_a_rare_class_its_proof() -> None:
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(30, 2)), np.arange(30) % 3
    weight = np.where(y == 2, 1e-12, 1.0) * 10 ** rng.uniform(-2, 2, 30)
    model = LogisticRegression().fit(X, y, weight)
    assert model.stop_ is Stop.CERTIFIED
    assert model.certificate_.gap <= model.certificate_.objective


# --- the parts ---


def problem(loss, n: int = 60, d: int = 4, seed: int = 0) -> Objective:
    rng = np.random.default_rng(seed)
    shape = (n, loss.n_outputs) if isinstance(loss, IndependentSigmoids) else (n,)
    most = 2 if isinstance(loss, (Logistic, IndependentSigmoids)) else 3
    return Objective(loss, L2(0.05), as_rows(rng.normal(size=(n, d)), rng.integers(0, most, shape)))


LOSSES = [Logistic(), Softmax(3), IndependentSigmoids(2), PairwiseSigmoids(3)]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_room_is_how_far_a_constant_prediction_moves_the_mean_residual(loss) -> None:
    """One prediction for all rows, as extreme as it may be: nothing moves the mean residual of an
    output less far."""
    objective = problem(loss)
    rows, weight = objective.rows, objective.rows.weight / objective.total_weight
    for output in range(loss.n_outputs):
        reached = []
        for sign in (-60.0, 60.0):
            scores = np.zeros((rows.n_rows, loss.n_outputs))
            scores[:, output] = sign
            if not loss.separable:
                scores[:, (output + 1) % loss.n_outputs] = -sign
            _, residual = loss.value_and_gradient(scores, rows.target)
            reached.append(abs(float(weight @ residual[:, output])))
        assert objective.room[output] <= min(reached) * (1 + 1e-9)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_what_is_left_of_the_intercepts_equation_is_paid_for(loss) -> None:
    """A certificate of coefficients with a wrong intercept, by its residual, is looser than the
    truth."""
    objective = problem(loss)
    best = minimize(objective, CarefulNewton(), tol=1e-13)
    least = best.certificate.objective - best.certificate.gap
    for off in (1e-9, 1e-6, 1e-3):
        W = best.coefficients.copy()
        W[-1] += off * np.arange(1, loss.n_outputs + 1)
        W = loss.canonical(W)
        value, gradient = objective.value_and_gradient(W)
        found = proof_of_parts(
            objective,
            rounding_of(objective, W, value),
            value,
            float(np.linalg.norm(gradient[:-1])),
            np.abs(gradient[-1]),
            1e-4,
        )
        assert value - least <= found.gap
        assert found.intercept > 0
        assert found.gap >= found.rounding + found.intercept


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array, sparse.csc_array], ids=["dense", "csr", "csc"])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_careful_and_quick_certificates_agree(loss, stored, fit_intercept: bool) -> None:
    objective = problem(loss)
    rows = objective.rows
    objective = replace(objective, rows=as_rows(stored(rows.X), rows.target, rows.weight), fit_intercept=fit_intercept)
    start = minimize(objective, CarefulNewton(), tol=1e-3, max_iter=3).coefficients
    quick, W = certify(objective, start, 1e-4)
    frame = CarefulFrame.of(objective)
    assert frame is not None
    careful, given = frame.certify(frame.start(W), 1e6)  # at a tolerance that asks for no refinement
    assert careful.objective == pytest.approx(quick.objective, rel=1e-13)
    assert careful.exact == pytest.approx(quick.exact, rel=1e-6, abs=1e-15)
    assert careful.rounding <= quick.rounding + 1e-15
    again = certify_given(objective, given.coefficients, given.intercept, 1e6)
    assert again.gap == pytest.approx(careful.gap, rel=1e-6, abs=1e-14)


def test_a_refined_dual_point_proves_more_and_nothing_false() -> None:
    objective = problem(Softmax(3))
    best = minimize(objective, CarefulNewton(), tol=1e-13)
    least = best.certificate.objective
    frame = CarefulFrame.of(objective)
    assert frame is not None
    W = frame.start(best.coefficients + 1e-3 * objective.loss.canonical(np.ones(objective.shape).cumsum(axis=1)))
    loose, _ = frame.certify(W, 1e6)
    sharp, _ = frame.certify(W, 1e-9)
    assert loose.objective - least - 1e-13 <= sharp.gap < 0.5 * loose.gap


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_the_root_of_the_hessian_gives_newtons_step(loss) -> None:
    objective = problem(loss)
    W = loss.canonical(0.3 * np.random.default_rng(1).normal(size=objective.shape))
    _, gradient = objective.value_and_gradient(W)
    root = HessianRoot.of(objective)
    assert root is not None
    step = root.step(W, gradient)
    np.testing.assert_allclose(objective.hessian_product(W, step), -gradient, atol=1e-12)


def test_rare_classes_get_exact_intercepts() -> None:
    rng = np.random.default_rng(2)
    target = np.arange(60) % 3
    weight = 10.0 ** np.array([0, -9, -18])[target]
    objective = Objective(Softmax(3), L2(0.1), as_rows(rng.normal(size=(60, 2)), target, weight))
    scores = rng.normal(size=(60, 3))
    b = exact_intercept(objective, scores)
    _, slope = KnownScores(objective, scores).loss_and_slope(b)
    assert (np.abs(slope) <= 1e-8 * objective.room).all()


def test_a_gap_is_no_larger_than_the_objective_however_little_that_is_known() -> None:
    objective = problem(Logistic())
    value, _ = objective.value_and_gradient(objective.null[0])
    off = replace(rounding_of(objective, objective.null[0], value), objective=value)
    for size in np.sqrt(2 * objective.penalty.modulus * value * np.array([0.1, 0.5, 0.9, 2.0])):
        found = proof_of_parts(objective, off, value, float(size), np.zeros(1), 1e-4)
        assert value < found.gap <= found.objective <= 2 * value * (1 + 1e-9)


@pytest.mark.parametrize("size", [1e-6, 0.1, 3.0, 40.0])
def test_divergences_are_bounded_class_by_class(size: float) -> None:
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(400, 4)) * 10.0 ** rng.uniform(-1, 3, (400, 4))
    deviation = size * 10.0 ** rng.uniform(-3, 1, (400, 4))
    others = scores + deviation * rng.choice([-1.0, 1.0], (400, 4))
    log_p, log_q = (z - logsumexp(z, axis=1, keepdims=True) for z in (scores, others))
    true = (np.exp(log_p) * (log_p - log_q)).sum(axis=1)
    target = np.zeros(400, dtype=int)
    bound = divergences(Softmax(4), scores, target, deviation)
    assert (true <= bound * (1 + 1e-9) + 1e-12).all()


def test_a_class_beyond_doubt_may_have_a_score_that_is_far_off() -> None:
    scores, deviation = np.array([[0.0, -0.1, -1e15, -900.0]]), np.array([[1e-16, 1e-16, 0.1, 1e-13]])
    assert divergences(Softmax(4), scores, np.array([0]), deviation)[0] < 1e-31
