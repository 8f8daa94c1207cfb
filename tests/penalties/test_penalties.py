"""Penalties: closed forms, quadratic parts, proximal maps, conjugates, feasible multiples and
strong convexity."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from polytome.errors import ArgumentError
from polytome.penalties import L2, ElasticNet, GroupLasso, NoPenalty, WeightedL2, by_column
from registry import PENALTIES as SMOOTH
from registry import PENALTIES_WITH_REST, of_each

PENALTIES = SMOOTH | PENALTIES_WITH_REST
by_penalty = pytest.mark.parametrize("name", PENALTIES)
SHAPE = (4, 2)
coefficients = arrays(np.float64, SHAPE, elements=st.floats(-100, 100))


def smooth(penalty, W):
    """The value of the quadratic part."""
    return float((penalty.quadratic * W * W).sum()) / 2


def feasible(penalty, dual):
    """A dual point that differs from another only where the penalty lets it."""
    return np.where(np.broadcast_to(np.asarray(penalty.quadratic) > 0, SHAPE), dual, 0.0)


def test_closed_forms():
    W = np.array([[3.0, -1.0], [0.0, 2.0]])
    assert L2(0.5).value(W) == 3.5
    assert L2(0.5).quadratic == L2(0.5).modulus == 0.5
    assert L2(0.5).conjugate(W) == 14.0
    assert NoPenalty().value(W) == NoPenalty().quadratic == NoPenalty().modulus == 0.0
    assert NoPenalty().conjugate(W) == np.inf
    assert NoPenalty().conjugate(np.zeros((2, 2))) == 0.0
    weighted = WeightedL2(0.5, [2.0, 0.0])
    assert weighted.value(W) == 5.0
    assert_array_equal(weighted.quadratic, [[1.0], [0.0]])
    assert weighted.conjugate(W) == np.inf
    assert weighted.conjugate(W * [[1.0], [0.0]]) == pytest.approx(5.0, rel=1e-14)
    assert_array_equal(by_column(weighted.quadratic), [1.0, 0.0])


@given(W=coefficients)
@of_each(PENALTIES)
def test_what_a_penalty_says_of_itself_is_so(name, W):
    """Zero where it is nothing; the quadratic part where it has no rest, and then the proximal map
    moves nothing."""
    penalty = PENALTIES[name]
    rest = penalty.value(W) - smooth(penalty, W)
    assert penalty.value(np.zeros(SHAPE)) == 0
    assert_array_equal(penalty.quadratic, penalty.modulus * np.asarray(penalty.weights))
    assert penalty.is_nothing or penalty.has_rest or penalty.modulus > 0
    underflow = W.size * np.finfo(float).smallest_subnormal  # what the smallest squares are rounded by
    assert rest >= -1e-12 * penalty.value(W) - underflow
    if penalty.is_nothing:
        assert not penalty.has_rest
        assert penalty.value(W) == penalty.modulus == 0
    if not penalty.has_rest:
        assert penalty.value(W) == pytest.approx(smooth(penalty, W), rel=1e-12)
        assert_array_equal(penalty.prox(W, 0.7), W)


@by_penalty
def test_a_penalty_that_says_so_is_nothing_or_has_a_rest(name, rng):
    penalty, W = PENALTIES[name], rng.normal(size=SHAPE)
    assert (penalty.value(W) == 0) == penalty.is_nothing
    assert penalty.has_rest == (penalty.value(W) > 1.000001 * smooth(penalty, W))


@by_penalty
def test_a_penalty_is_rotation_invariant_if_it_says_so(name, rng):
    penalty, W = PENALTIES[name], rng.normal(size=SHAPE)
    Q, _ = np.linalg.qr(rng.normal(size=(len(W), len(W))))
    assert (penalty.value(Q @ W) == pytest.approx(penalty.value(W), rel=1e-12)) == penalty.is_rotation_invariant


@given(W=coefficients, dual=coefficients)
@of_each(PENALTIES)
def test_young_inequality_holds_at_every_dual(name, W, dual):
    penalty = PENALTIES[name]
    bound = float(np.vdot(W, dual))
    total = penalty.value(W) + penalty.conjugate(dual)
    assert total >= bound - 1e-12 * (1 + abs(bound))


@given(U=coefficients, step=st.floats(0.01, 10))
@of_each(PENALTIES)
def test_value_prox_conjugate_and_distance_agree_at_a_proximal_point(name, U, step):
    """At `V = prox(U)`, `(U - V) / step` is a subgradient of the rest: so with the quadratic part's
    gradient it is one of the penalty, where Fenchel and Young's inequality is an equality and the
    distance is zero."""
    penalty = PENALTIES[name]
    V = penalty.prox(U, step)
    subgradient = (U - V) / step + penalty.quadratic * V
    product = float(np.vdot(V, subgradient))
    size = 1 + np.abs(U).max() / step + float(np.vdot(np.abs(V), np.abs(subgradient)))
    # Where the conjugate has an edge, the last digit decides whether it is finite.
    dual = (1 - 5e-12) * subgradient
    assert abs(penalty.value(V) + penalty.conjugate(dual) - product) <= 1e-11 * size
    assert_allclose(penalty.distance(-subgradient, V), 0, atol=1e-12 * size)


@given(U=coefficients, V=coefficients, step=st.floats(0.01, 10))
@of_each(PENALTIES)
def test_no_other_point_has_a_smaller_proximal_value(name, U, V, step):
    penalty = PENALTIES[name]

    def size(W):
        apart = W - U
        return float(np.vdot(apart, apart)) / (2 * step) + penalty.value(W) - smooth(penalty, W)

    assert size(penalty.prox(U, step)) <= size(V) * (1 + 1e-12) + 1e-9


@given(dual=coefficients)
@of_each(PENALTIES)
def test_the_feasible_multiple_is_the_largest_with_a_finite_conjugate(name, dual):
    penalty = PENALTIES[name]
    multiple = penalty.feasible_multiple(dual)
    assert 0 <= multiple <= 1
    assert np.isfinite(penalty.conjugate(multiple * dual))
    assert multiple == 1 or np.isinf(penalty.conjugate((multiple + 1e-6) * dual))
    if not penalty.has_rest:
        assert penalty.feasible_multiple(feasible(penalty, dual)) == 1


@given(dual=coefficients)
@of_each(PENALTIES)
def test_without_a_rest_the_conjugate_is_the_square_of_the_dual_norm_over_twice_the_modulus(name, dual):
    penalty = PENALTIES[name]
    norm = np.sqrt((penalty.weights * dual * dual).sum())
    assert penalty.is_nothing or penalty.dual_norm(penalty.weights * dual) == pytest.approx(norm, rel=1e-12)
    if penalty.modulus:
        square = penalty.dual_norm(dual) ** 2 / (2 * penalty.modulus)
        conjugate = penalty.conjugate(feasible(penalty, dual))
        assert conjugate <= square * (1 + 1e-12) if penalty.has_rest else conjugate == pytest.approx(square, rel=1e-12)


@given(U=coefficients, other=coefficients)
@of_each(PENALTIES)
def test_the_modulus_is_that_of_strong_convexity_in_the_norm_of_the_weights(name, U, other):
    penalty = PENALTIES[name]
    W = penalty.prox(U, 0.7)
    subgradient, apart = (U - W) / 0.7 + penalty.quadratic * W, other - W
    below = penalty.value(W) + np.vdot(subgradient, apart)
    below += penalty.modulus / 2 * float((penalty.weights * apart * apart).sum())
    size = 1 + penalty.value(W) + penalty.value(other) + np.vdot(np.abs(subgradient), np.abs(apart))
    assert penalty.value(other) >= below - 1e-12 * size


@given(G=coefficients, W=coefficients, zeros=arrays(bool, SHAPE))
@of_each(PENALTIES)
def test_the_distance_is_that_of_the_steepest_descent(name, G, W, zeros):
    """The distance from the subdifferential is how fast `<G, W> + penalty(W)` falls at most, per
    unit of length: no direction tried falls faster, and the projected one as fast."""
    penalty, W = PENALTIES[name], np.where(zeros | (np.abs(W) < 1e-3), 0.0, W)
    length, h = float(np.sqrt((penalty.distance(G, W) ** 2).sum())), 1e-7
    directions = [np.sign(-G - penalty.quadratic * W), -G, np.ones(SHAPE), *np.eye(8).reshape(-1, *SHAPE)]
    # A short step of the proximal gradient method goes along the projection.
    directions.append(penalty.prox(W - h * (G + penalty.quadratic * W), h) - W)
    fastest = 0.0
    for D in directions:
        if (size := np.linalg.norm(D)) > 0:
            step = h / size * D
            change = float(np.vdot(G, step)) + penalty.value(W + step) - penalty.value(W)
            fastest = max(fastest, -change / h)
    tolerance = 1e-5 * (1 + length) + 1e-15 * (1 + penalty.value(W)) / h * 10
    assert fastest <= length + tolerance
    assert fastest >= length - tolerance


@by_penalty
def test_a_penalty_is_a_value_that_can_be_sent(name):
    penalty, W = PENALTIES[name], np.arange(8.0).reshape(SHAPE)
    assert pickle.loads(pickle.dumps(penalty)).value(W) == penalty.value(W)


def test_equal_weights_are_a_plain_ridge(rng):
    W = rng.normal(size=SHAPE)
    one, other = WeightedL2(0.3, np.full(4, 2.0)), L2(0.6)
    assert one.value(W) == pytest.approx(other.value(W), rel=1e-14)
    assert one.conjugate(W) == pytest.approx(other.conjugate(W), rel=1e-14)
    assert one.dual_norm(W) ** 2 / one.modulus == pytest.approx(other.dual_norm(W) ** 2 / other.modulus, rel=1e-14)


@pytest.mark.parametrize("strength", [0, -1.0, np.nan, np.inf])
def test_a_strength_that_cannot_be_used_is_named_with_the_remedy(strength):
    with pytest.raises(ArgumentError, match=rf"L2\(strength={strength}\).*positive finite.*NoPenalty\(\)"):
        L2(strength)
    with pytest.raises(ArgumentError, match=rf"WeightedL2\(strength={strength}\).*positive finite.*NoPenalty\(\)"):
        WeightedL2(strength, [1.0])


@pytest.mark.parametrize("weights", [[1.0, -1.0], [np.nan, 1.0], [np.inf], [0.0, 0.0], []])
def test_weights_that_cannot_be_used_are_named_with_the_remedy(weights):
    with pytest.raises(ArgumentError, match=r"weights.*zero or more.*NoPenalty\(\)"):
        WeightedL2(0.5, weights)


@pytest.mark.parametrize("ratio", [0.9, 0.5, 0.05])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.6])
def test_no_other_centre_of_a_sparse_group_has_a_smaller_penalty(rng, ratio, l1_ratio):
    penalty = GroupLasso(0.7, l1_ratio, np.arange(30) // 3, group_ratio=ratio)
    W = rng.normal(size=(30, 5)) * rng.integers(0, 2, (30, 5))
    W[:3] = 0.0
    W[3:6] = rng.normal(size=(3, 1))
    centred = W - penalty.centre(W)
    for _ in range(40):
        other = 10.0 ** -rng.integers(0, 5) * rng.normal(size=(30, 1)) * rng.integers(0, 2, (30, 1))
        assert penalty.value(centred) <= penalty.value(centred + other) + 1e-12
    assert_allclose(penalty.centre(centred), 0, atol=1e-6)
    assert not centred[:6].any()


@pytest.mark.parametrize("ratio", [1 - 1e-12, 0.5, 1e-6])
def test_the_dual_norm_of_a_sparse_group_is_its_root(rng, ratio):
    """Of one group, by halving: with exact entries, and with entries of very different sizes."""
    penalty = GroupLasso(1.0, 1.0, np.zeros(6, dtype=int), group_ratio=ratio)
    for size in (1.0, 1e150, 1e-3):
        dual = size * 10.0 ** rng.uniform(-9, 3, (6, 2))
        low, high = 0.0, 1.0
        if np.linalg.norm(penalty.beyond(dual)) <= penalty.group_corner[0]:
            assert penalty.feasible_multiple(dual) == 1
            continue
        for _ in range(1200):
            middle = (low + high) / 2
            is_inside = np.linalg.norm(penalty.beyond(middle * dual)) <= penalty.group_corner[0]
            low, high = (middle, high) if is_inside else (low, middle)
        assert penalty.feasible_multiple(dual) == pytest.approx(low, rel=1e-9)


@pytest.mark.parametrize("ratio", [0.0, -0.1, 1.5, np.nan])
def test_a_share_of_norms_that_cannot_be_used_is_named(ratio):
    with pytest.raises(ArgumentError, match=r"group_ratio=.*above 0, and at most 1"):
        GroupLasso(1.0, 1.0, [0, 1], group_ratio=ratio)


@pytest.mark.parametrize(
    "settings",
    [
        {"l1_ratio": 1.0, "group_ratio": 1e-323},
        {"l1_ratio": 1.0, "group_ratio": 1e-310},
        {"l1_ratio": 1.0, "group_ratio": 1e-310, "strength": 1e100},
        {"l1_ratio": 1e-323},
        {"l1_ratio": 0.5, "strength": 1e-200, "weights": [1.0, 1e-120]},
    ],
)
def test_a_share_that_floats_would_round_to_nothing_is_refused(settings):
    with pytest.raises(ArgumentError, match=r"GroupLasso.*floats cannot hold; needs a larger share"):
        GroupLasso(**{"strength": 0.1, "groups": [0, 1]} | settings)


@pytest.mark.parametrize("l1_ratio", [1e-323, 1e-310])
def test_a_share_of_absolute_values_that_floats_would_round_to_nothing_is_refused(l1_ratio):
    with pytest.raises(ArgumentError, match=r"ElasticNet.*floats cannot hold; needs a larger"):
        ElasticNet(0.1, l1_ratio)


@pytest.mark.parametrize("group_ratio", [1e-306, 1e-200, 1e-16, 1e-15, 1e-3])
@pytest.mark.parametrize("excess", [1e-12, 1e-3, 10.0])
def test_a_small_share_of_norms_leaves_no_gain_out_of_the_gap(rng, group_ratio, excess):
    penalty = GroupLasso(1.0, 1.0, np.zeros(5, dtype=int), group_ratio=group_ratio)
    gradient = (1 + excess) * np.array([[1.0], [-1.0], [1.0], [0.5], [0.0]])
    gap, largest = penalty.fenchel_gap(np.zeros((5, 1)), gradient, np.zeros((5, 1)), 2.0), 2.0
    directions = [-np.sign(gradient), -gradient, *rng.normal(size=(50, 5, 1)), *-np.abs(np.eye(5))[:, :, None]]
    for direction in directions:
        V = direction * largest / penalty.value(direction)
        assert -float((V * gradient).sum()) - penalty.value(V) <= gap * (1 + 1e-12) + 1e-15
