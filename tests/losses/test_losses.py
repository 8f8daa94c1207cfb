"""Losses against high-precision arithmetic, finite differences, and the inequalities of convex
analysis."""

from itertools import product

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from polytome.losses import IndependentSigmoids, Logistic, Softmax, Squared
from polytome.losses.pairwise import PairwiseSigmoids
from registry import LOSSES, of_each

EPS = np.finfo(np.float64).eps
SCORES = [0, 1e-8, -1e-8, 37, -37, 1e3, -1e3]
ROWS = 6

by_loss = pytest.mark.parametrize("name", LOSSES)
seeds = st.integers(0, 2**32 - 1)
scores_of_any_size = arrays(np.float64, (ROWS, 3), elements=st.floats(-800, 800))
scores_of_moderate_size = arrays(np.float64, (ROWS, 3), elements=st.floats(-20, 20))
fractions = arrays(np.float64, (ROWS, 3), elements=st.floats(0, 1))


def case(name, seed=7, n=ROWS):
    """A loss and random targets for so many rows."""
    return LOSSES[name](np.random.default_rng(seed), n)


def as_matrix(loss, target):
    """Targets as one column per output: class codes become indicators."""
    if isinstance(loss, Softmax) and target.ndim == 1:
        return np.eye(loss.n_outputs)[target]
    if isinstance(loss, PairwiseSigmoids):
        return (loss.pairs[:, 1] == target[:, None]).astype(float)
    return target.reshape(len(target), -1).astype(float)


def counts(loss, target):
    """Whether an output counts for a row: of pairs, only those that the row's class is in."""
    if isinstance(loss, PairwiseSigmoids):
        return (loss.pairs == target[:, None, None]).any(axis=2)
    return np.ones((len(target), loss.n_outputs), dtype=bool)


def exact(name, scores, target):
    """Value and gradient of one row in 1000 digits (exp(-2000) beside 1 needs 870 of them)."""
    with mpmath.workdps(1000):
        z, y = [mpmath.mpf(float(s)) for s in scores], [mpmath.mpf(float(t)) for t in target]
        value, gradient = LOSSES[name].exact(z, y)
        return value, np.array(gradient)


def hessian(loss, scores, target):
    """`diag(m) - u u'` of each row, (n, K, K)."""
    m, u = loss.curvature(scores, target)
    diagonal = m[:, :, None] * np.eye(loss.n_outputs)
    return diagonal if u is None else diagonal - u[:, :, None] * u[:, None, :]


def difference(fn, scores, output, h=1e-3):
    """Central difference of fourth order of `fn` along one output."""
    step = h * np.eye(scores.shape[1])[output]
    near, far = fn(scores + step) - fn(scores - step), fn(scores + 2 * step) - fn(scores - 2 * step)
    return (8 * near - far) / (12 * h)


@by_loss
def test_value_and_gradient_are_exact_at_scores_of_every_size(name):
    loss, _ = case(name)
    scores = np.array(list(product(SCORES, repeat=loss.n_outputs)))
    _, target = case(name, n=len(scores))
    with np.errstate(all="raise", under="ignore"):
        value, gradient = loss.value_and_gradient(scores, target)
    counted = counts(loss, target)
    for i, y in enumerate(as_matrix(loss, target)):
        own = counted[i]
        true_value, true_gradient = exact(name, scores[i][own], y[own])
        assert abs(value[i] - true_value) <= 8 * EPS * max(1, true_value)
        assert_allclose(gradient[i][own], true_gradient.astype(float), rtol=4 * EPS, atol=8 * EPS)
        assert not gradient[i][~own].any()


@pytest.mark.parametrize("gap", [0, 1, 37, 40, 300, 700])
@pytest.mark.parametrize("loss", [Softmax(3), Logistic(), IndependentSigmoids(1)], ids=lambda loss: type(loss).__name__)
def test_gradient_of_a_sure_row_keeps_its_relative_precision(loss, gap):
    scores = np.zeros((1, loss.n_outputs))
    scores[0, 0] = gap
    softmax = isinstance(loss, Softmax)
    target = np.array([[1]]) if isinstance(loss, IndependentSigmoids) else np.array([0 if softmax else 1])
    others = 2 if softmax else 1
    expected = -others * mpmath.exp(-gap) / (1 + others * mpmath.exp(-gap))
    _, gradient = loss.value_and_gradient(scores, target)
    assert gradient[0, 0] < 0
    assert_allclose(gradient[0, 0], float(expected), rtol=1e-14)


@by_loss
def test_gradient_is_the_derivative_of_the_value(name, rng):
    loss, target = case(name)
    scores = 2 * rng.normal(size=(ROWS, loss.n_outputs))
    _, gradient = loss.value_and_gradient(scores, target)
    for k in range(loss.n_outputs):
        slope = difference(lambda z: loss.value_and_gradient(z, target)[0], scores, k)
        assert_allclose(gradient[:, k], slope, rtol=1e-9, atol=1e-10)


@by_loss
def test_curvature_is_the_derivative_of_the_gradient(name, rng):
    loss, target = case(name)
    scores = 2 * rng.normal(size=(ROWS, loss.n_outputs))
    H = hessian(loss, scores, target)
    for k in range(loss.n_outputs):
        slope = difference(lambda z: loss.value_and_gradient(z, target)[1], scores, k)
        assert_allclose(H[:, :, k], slope, rtol=1e-9, atol=1e-10)


@given(scores=scores_of_any_size)
@of_each(LOSSES)
def test_curvature_lies_between_zero_and_the_smoothness(name, scores):
    loss, target = case(name)
    eigenvalues = np.linalg.eigvalsh(hessian(loss, scores[:, : loss.n_outputs], target))
    assert eigenvalues.min() >= -4 * EPS
    assert eigenvalues.max() <= loss.smoothness + 4 * EPS


def has_canonical_link(loss):
    """Whether the gradient is the mean minus the target."""
    return loss.is_cross_entropy or isinstance(loss, Squared)


@given(scores=scores_of_any_size, seed=seeds)
@of_each(LOSSES)
def test_no_loss_is_negative_and_no_residual_larger_than_is_said(name, scores, seed):
    loss, target = case(name, seed)
    value, gradient = loss.value_and_gradient(scores[:, : loss.n_outputs], target)
    assert np.isfinite(value).all()
    assert (value >= 0).all()
    assert (np.abs(gradient) <= loss.largest_residual).all()


@given(scores=scores_of_moderate_size, directions=scores_of_moderate_size)
@of_each(LOSSES)
def test_curvature_changes_no_faster_than_the_self_concordance(name, scores, directions):
    """Along a line, by at most a factor of `exp(M r t)`, r being the range of the direction."""
    loss, target = case(name)
    if loss.self_concordance is None:
        return
    z, v = scores[:, : loss.n_outputs], directions[:, : loss.n_outputs]
    size = np.abs(v).max(axis=1) if loss.separable else np.ptp(v, axis=1)

    def along(z):
        return np.einsum("ij,ijk,ik->i", v, hessian(loss, z, target), v)

    for t in (1e-3, 0.1):
        factor = np.exp(loss.self_concordance * size * t)
        assert (along(z + t * v) <= along(z) * factor * (1 + 1e-9) + 1e-12 * (v * v).sum(axis=1)).all()


@given(share=arrays(np.float64, 3, elements=st.floats(-1, 1)), scores=scores_of_moderate_size, seed=seeds)
@of_each(LOSSES)
def test_room_keeps_its_promise(name, share, scores, seed):
    """By the residuals of one prediction for all rows, or by the same change to those of any
    scores."""
    loss, target = case(name, seed)
    weight = np.random.default_rng(seed).uniform(0.1, 3, ROWS)
    room, scores = loss.room(target, weight), scores[:, : loss.n_outputs]
    c = share[: loss.n_outputs] * room
    if not loss.separable:  # mean residuals sum to zero
        c = (c - c.mean()) / max(1.0, np.max(np.abs(c - c.mean()) / room))
    counted, y = counts(loss, target), as_matrix(loss, target)
    mass = weight @ counted / weight.sum()
    q = (weight @ (y * counted) / weight.sum() + c) / np.where(mass > 0, mass, 1.0)
    dual = np.where(counted, np.clip(q, 0, 1) - y, 0.0)
    by_prediction = (np.abs(dual) <= 1).all() and weight @ loss.conjugate(dual, target) <= 1e-12
    if by_prediction and np.abs(weight @ dual / weight.sum() - c).max() < 1e-12:
        return
    assert not loss.is_cross_entropy
    _, residual = loss.value_and_gradient(scores, target)
    price = loss.conjugate(residual + c, target) - loss.conjugate(residual, target) - scores @ c
    assert (price <= 0.5 * np.max((c / room) ** 2) + 1e-9).all()


@by_loss
def test_the_smoothness_is_attained(name):
    loss, target = case(name)
    if not has_canonical_link(loss):
        return
    tied = np.where(np.arange(loss.n_outputs) < 2, 0.0, -1e3)[None]
    assert np.linalg.eigvalsh(hessian(loss, tied, target[:1])).max() == pytest.approx(loss.smoothness, rel=1e-14)


@by_loss
def test_gradient_is_mean_minus_target(name, rng):
    loss, target = case(name)
    if not has_canonical_link(loss):
        return
    scores = 5 * rng.normal(size=(ROWS, loss.n_outputs))
    _, gradient = loss.value_and_gradient(scores, target)
    expected = (loss.mean(scores) - as_matrix(loss, target)) * counts(loss, target)
    assert_allclose(gradient, expected, atol=4 * EPS)


@by_loss
def test_nothing_passed_in_is_changed(name, rng):
    loss, target = case(name)
    scores = rng.normal(size=(ROWS, loss.n_outputs))
    for array in (scores, target):
        array.flags.writeable = False
    value, gradient = loss.value_and_gradient(scores, target)
    again, _ = loss.value_and_gradient(scores, target)
    assert_array_equal(value, again)
    assert gradient.flags.writeable
    for answer in (loss.mean(scores), loss.margin(scores, target), loss.conjugate(gradient, target)):
        assert len(answer) == ROWS


@given(scores=scores_of_any_size, seed=seeds)
@of_each(LOSSES)
def test_fenchel_young_is_an_equality_at_the_gradient(name, scores, seed):
    loss, target = case(name, seed)
    scores = scores[:, : loss.n_outputs]
    value, gradient = loss.value_and_gradient(scores, target)
    total = value + loss.conjugate(gradient, target)
    size = 1 + np.abs(value) + np.abs(scores * gradient).sum(axis=1)
    assert (np.abs(total - (scores * gradient).sum(axis=1)) <= 1e-13 * size).all()


@given(scores=scores_of_moderate_size, q=fractions, seed=seeds)
@of_each(LOSSES)
def test_young_inequality_holds_at_every_feasible_dual(name, scores, q, seed):
    loss, target = case(name, seed)
    scores, q = scores[:, : loss.n_outputs], q[:, : loss.n_outputs]
    if isinstance(loss, Softmax):
        q = (q + 1e-3) / (q + 1e-3).sum(axis=1, keepdims=True)
    dual = (q - as_matrix(loss, target)) * counts(loss, target)
    conjugate = loss.conjugate(dual, target)
    assert np.isfinite(conjugate).all()
    value, _ = loss.value_and_gradient(scores, target)
    assert (value + conjugate >= (scores * dual).sum(axis=1) - 1e-12).all()


@pytest.mark.parametrize("name", [name for name in LOSSES if name.startswith("softmax")])
def test_softmax_conjugate_is_infinite_off_the_simplex(name):
    loss, target = case(name)
    inside = np.full(loss.n_outputs, 1 / loss.n_outputs)
    tilt = np.zeros(loss.n_outputs)
    tilt[:2] = [1.0, -1.0]
    for q, finite in [(inside, True), (inside + 0.1, False), (inside * 0.9, False), (inside + tilt, False)]:
        conjugate = loss.conjugate(q - as_matrix(loss, target), target)
        assert (np.isfinite(conjugate) == finite).all()
        assert not np.isnan(conjugate).any()


@pytest.mark.parametrize("name", ["logistic", "logistic-soft", "sigmoids", "sigmoids-soft"])
@pytest.mark.parametrize(("q", "finite"), [(0.0, True), (0.5, True), (1.0, True), (-0.1, False), (1.1, False)])
def test_sigmoid_conjugate_is_infinite_outside_zero_and_one(name, q, finite):
    loss, target = case(name)
    y = as_matrix(loss, target)
    dual = 0.5 - y
    dual[:, -1] = q - y[:, -1]  # one output outside suffices
    conjugate = loss.conjugate(dual, target)
    assert (np.isfinite(conjugate) == finite).all()
    assert not np.isnan(conjugate).any()


@given(seed=seeds)
@of_each(LOSSES)
def test_null_scores_are_the_best_constant(name, seed):
    loss, target = case(name, seed)
    weight = np.random.default_rng(seed).uniform(0.1, 3, ROWS)
    scores = loss.null_scores(target, weight)
    assert scores.shape == (loss.n_outputs,)
    _, gradient = loss.value_and_gradient(np.tile(scores, (ROWS, 1)), target)
    assert_allclose(weight @ gradient, 0, atol=1e-13 * weight.sum())
    assert_allclose(loss.canonical(scores[None])[0], scores, atol=1e-14)


@given(scores=scores_of_moderate_size, seed=seeds)
@of_each(LOSSES)
def test_margin_is_positive_exactly_where_the_prediction_is_right(name, scores, seed):
    loss, target = case(name, seed)
    scores = scores[:, : loss.n_outputs]
    margin = loss.margin(scores, target)
    if name.endswith("soft") or isinstance(loss, Squared):
        assert (margin == -np.inf).all()
        return
    y = as_matrix(loss, target).astype(bool)
    for i in range(ROWS):
        if isinstance(loss, Softmax):
            wanted = scores[i][y[i]].min() - scores[i][~y[i]].max()
        else:
            wanted = np.where(y[i], scores[i], -scores[i])[counts(loss, target)[i]].min()
        assert margin[i].min() == wanted
        if loss.separable:
            own = counts(loss, target)[i]
            np.testing.assert_array_equal(margin[i], np.where(own, np.where(y[i], scores[i], -scores[i]), np.inf))


@given(W=arrays(np.float64, (4, 3), elements=st.floats(-9, 9)), shift=arrays(np.float64, 4, elements=st.floats(-9, 9)))
@of_each(LOSSES)
def test_canonical_coefficients_predict_the_same_with_least_norm(name, W, shift):
    loss, _ = case(name)
    W = W[:, : loss.n_outputs]
    canonical = loss.canonical(W)
    assert_allclose(loss.mean(canonical), loss.mean(W), rtol=1e-12, atol=1e-14)
    if not isinstance(loss, Softmax):
        assert_array_equal(canonical, W)
        return
    assert_allclose(loss.canonical(canonical), canonical, atol=1e-14)
    same_predictions = canonical + shift[:, None]
    assert np.linalg.norm(canonical) <= np.linalg.norm(same_predictions) + 1e-12


@given(scores=scores_of_any_size, seed=seeds)
def test_softmax_of_two_classes_is_logistic_in_the_difference(scores, seed):
    both = scores[:, :2]
    difference = both[:, 1:] - both[:, :1]
    _, target = case("logistic", seed)
    value, gradient = Softmax(2).value_and_gradient(both, target)
    value_of_one, gradient_of_one = Logistic().value_and_gradient(difference, target)
    assert_allclose(value, value_of_one, rtol=4 * EPS, atol=4 * EPS)
    assert_allclose(gradient, np.hstack([-gradient_of_one, gradient_of_one]), rtol=1e-15 + 8 * EPS, atol=1e-300)
    m, _ = Logistic().curvature(difference, np.zeros(len(difference)))
    assert_allclose(hessian(Softmax(2), both, target)[:, 0, 0], m[:, 0], atol=4 * EPS)
    assert_allclose(Softmax(2).conjugate(gradient, target), Logistic().conjugate(gradient_of_one, target), atol=1e-14)


def test_sigmoids_are_logistic_losses_added_up(rng):
    scores, target = rng.normal(size=(ROWS, 2)), rng.random((ROWS, 2))
    value, gradient = IndependentSigmoids(2).value_and_gradient(scores, target)
    each = [Logistic().value_and_gradient(scores[:, k : k + 1], target[:, k]) for k in range(2)]
    assert_allclose(value, each[0][0] + each[1][0], rtol=1e-14)
    assert_allclose(gradient, np.hstack([each[0][1], each[1][1]]), rtol=1e-14)


@pytest.mark.parametrize("name", ["softmax", "logistic", "sigmoids"])
def test_soft_targets_of_zero_and_one_are_hard_targets(name, rng):
    loss, target = case(name)
    y = as_matrix(loss, target)
    soft = y[:, 0] if isinstance(loss, Logistic) else y
    scores = 3 * rng.normal(size=(ROWS, loss.n_outputs))
    for hard_answer, soft_answer in zip(
        loss.value_and_gradient(scores, target), loss.value_and_gradient(scores, soft), strict=True
    ):
        assert_allclose(soft_answer, hard_answer, rtol=1e-13, atol=4 * EPS)
    assert_allclose(
        loss.null_scores(soft, np.ones(ROWS)), loss.null_scores(target, np.ones(ROWS)), rtol=1e-13, atol=1e-15
    )


def test_a_dual_in_a_pair_that_does_not_count_is_infeasible():
    loss, target = PairwiseSigmoids(3), np.array([0, 1, 2])
    dual = 0.5 * counts(loss, target) - as_matrix(loss, target) * counts(loss, target)
    assert np.isfinite(loss.conjugate(dual, target)).all()
    assert (loss.conjugate(dual + 1e-3 * ~counts(loss, target), target) == np.inf).all()


def test_pairwise_is_the_sum_of_binary_losses_on_the_rows_of_each_pair(rng):
    loss, target = PairwiseSigmoids(4), rng.integers(0, 4, 50)
    scores = 3 * rng.normal(size=(50, loss.n_outputs))
    total = 0.0
    for k, (i, j) in enumerate(loss.pairs):
        rows = np.isin(target, (i, j))
        value, gradient = Logistic().value_and_gradient(scores[rows, k : k + 1], (target[rows] == j).astype(float))
        total += value.sum()
        assert_array_equal(loss.value_and_gradient(scores, target)[1][rows, k : k + 1], gradient)
    assert loss.value_and_gradient(scores, target)[0].sum() == pytest.approx(total, rel=1e-14)
