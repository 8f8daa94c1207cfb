"""Penalties within bounds: proximal maps, conjugates, feasible multiples, distances, shares of gaps
and zeros, each held to the definition."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from polytome.errors import ArgumentError
from polytome.penalties import L2, Bounded, ElasticNet, NoPenalty, WeightedL2
from registry import of_each

inf = np.inf
BOUNDED = {
    "squares": Bounded(L2(0.3), [0.0, -1.0, -inf, 2.0], [inf, 1.0, -0.5, 2.5]),
    "signs": Bounded(L2(0.3), 0.0, inf),
    "weighted squares": Bounded(WeightedL2(0.3, [1.0, 0.0, 4.0, 0.0]), [0.0, -1.0, -inf, -inf], [inf, 2.0, 0.0, inf]),
    "elastic net": Bounded(ElasticNet(0.5, 0.4), [-1.0, 0.0, 0.5, -inf], [1.0, 0.0, inf, 3.0]),
    "lasso": Bounded(ElasticNet(0.5, 1.0), [0.0, -inf, -1.0, 0.2], [inf, 1.0, 0.5, 3.0]),
    "weighted lasso": Bounded(
        ElasticNet(0.5, 1.0, [1.0, 0.0, 2.0, 0.0]), [0.0, -1.0, -inf, -inf], [inf, 1.0, 0.5, inf]
    ),
    "nothing else": Bounded(NoPenalty(), [-1.0, 0.0, 0.3, -inf], [1.0, 2.0, 0.3, inf]),
}
SHAPE = (4, 2)
by_penalty = pytest.mark.parametrize("name", BOUNDED)
coefficients = arrays(np.float64, SHAPE, elements=st.floats(-100, 100))
steps = st.floats(0.01, 10)


def smooth(penalty, W):
    return float((penalty.quadratic * W * W).sum()) / 2


@settings(max_examples=40)
@given(U=coefficients, V=coefficients, step=steps)
@of_each(BOUNDED)
def test_no_other_point_within_has_a_smaller_proximal_value(name, U, V, step):
    penalty = BOUNDED[name]

    def size(W):
        return float(((W - U) ** 2).sum()) / (2 * step) + penalty.value(W) - smooth(penalty, W)

    found = penalty.prox(U, step)
    assert np.isfinite(penalty.value(found))
    assert size(found) <= size(penalty.nearest(V)) * (1 + 1e-12) + 1e-9
    assert penalty.value(V) == inf or (penalty.nearest(V) == V).all()


@settings(max_examples=40)
@given(W=coefficients, dual=coefficients, step=steps)
@of_each(BOUNDED)
def test_value_conjugate_and_distance_agree(name, W, dual, step):
    """Young's inequality at every dual, an equality at a subgradient, where the distance is 0."""
    penalty = BOUNDED[name]
    V = penalty.nearest(W)
    product = float(np.vdot(V, dual))
    assert penalty.value(V) + penalty.conjugate(dual) >= product - 1e-12 * (1 + abs(product))
    V = penalty.prox(W, step)
    subgradient = (W - V) / step + penalty.quadratic * V
    size = 1 + np.abs(W).max() / step + float(np.vdot(np.abs(V), np.abs(subgradient)))
    inside = (1 - 5e-12) * subgradient  # where the conjugate has an edge, the last digit decides
    assert abs(penalty.value(V) + penalty.conjugate(inside) - float(np.vdot(V, subgradient))) <= 1e-11 * size
    assert_allclose(penalty.distance(-subgradient, V), 0, atol=1e-12 * size)


@settings(max_examples=40)
@given(dual=coefficients)
@of_each(BOUNDED)
def test_the_feasible_multiple_is_the_largest_with_a_finite_conjugate(name, dual):
    penalty = BOUNDED[name]
    multiple = penalty.feasible_multiple(dual)
    assert 0 <= multiple <= 1
    assert np.isfinite(penalty.conjugate(multiple * dual))
    assert multiple == 1 or np.isinf(penalty.conjugate((multiple + 1e-6) * dual))


@settings(max_examples=40)
@given(G=coefficients, W=coefficients)
@of_each(BOUNDED)
def test_the_distance_is_that_of_the_steepest_descent_within(name, G, W):
    penalty = BOUNDED[name]
    W = penalty.nearest(np.where(np.abs(W) < 1e-3, 0.0, W))
    fall, h = penalty.distance(G, W), 1e-7
    for j, k in np.ndindex(SHAPE):
        slopes = [0.0]
        for sign in (-1, 1):
            moved = W.copy()
            moved[j, k] += sign * h
            change = penalty.value(moved) - penalty.value(W) + sign * h * G[j, k]
            is_near_corner = 0 < abs(W[j, k]) < 2 * h
            slopes.append(-change / h if np.isfinite(change) and not is_near_corner else 0.0)
        assert abs(max(slopes) - fall[j, k]) <= 1e-4 * (1 + np.abs(W).max() ** 2 + abs(G[j, k]))


@settings(max_examples=40)
@given(W=coefficients, G=coefficients, more=arrays(np.float64, SHAPE, elements=st.floats(-1, 1)), size=st.floats(0, 9))
@of_each(BOUNDED)
def test_the_share_of_a_gap_is_fenchels_and_no_error_of_the_gradient_makes_it_false(name, W, G, more, size):
    penalty = BOUNDED[name]
    W = penalty.nearest(W)
    free = np.broadcast_to(penalty.weights == 0, SHAPE)
    G = np.where(free, 0.0, G)
    error = np.full((4, 1), size)
    found = penalty.fenchel_gap(W, G, error, 1e200)
    near = np.where(free, 0.0, G + size * more)

    def share(near):
        conjugate = penalty.conjugate(-near)
        return penalty.value(W) + conjugate + float(np.vdot(W, near)) if np.isfinite(conjugate) else -inf

    scale = 1 + float(np.abs(W * G).sum()) + penalty.value(W)
    assert found >= share(near) - 1e-9 * scale
    assert found >= 0
    if np.isfinite(penalty.conjugate(-G)):
        assert penalty.fenchel_gap(W, G, np.zeros((4, 1)), penalty.value(W)) <= share(G) + 1e-9 * scale * (
            1 + smooth(penalty, W)
        )


@given(G=arrays(np.float64, (1, 1), elements=st.floats(-3, 3)), w=st.floats(0, 5), more=st.floats(0, 2))
def test_where_nothing_bounds_a_coefficient_its_size_does(G, w, more):
    """Of `0 <= V` with `0.5 V <= B` none gains more than an end does."""
    penalty, W = Bounded(ElasticNet(0.5, 1.0), 0.0, inf), np.array([[w]])
    largest = penalty.value(W) + more
    best = max(0.0, float((-G[0, 0] - 0.5) * largest / 0.5))
    share = float(0.5 * w + G[0, 0] * w) + best
    found = penalty.fenchel_gap(W, G, np.zeros((1, 1)), largest)
    assert share - 1e-12 * (1 + share) <= found <= share + 1e-12 * (1 + w + largest * 4)


@settings(max_examples=40)
@given(G=arrays(np.float64, SHAPE, elements=st.floats(-2, 2)), radius=st.floats(0, 0.5))
@of_each(BOUNDED)
def test_proved_zeros_are_zero_at_every_gradient_near(name, G, radius):
    penalty = BOUNDED[name]
    zeros = penalty.proved_zeros(G, np.zeros((4, 1)), np.full(4, radius))
    for side in (-1, 1):
        near = G + side * radius
        least = penalty._largest(near)
        # Where a slope is exactly 0 any coefficient is least: 0 is proved only beyond that.
        assert (least[zeros] == 0).all()
    far = penalty.proved_zeros(G, np.zeros((4, 1)), np.full(4, 1e9))
    fixed = np.broadcast_to((penalty.lower == 0) & (penalty.upper == 0), SHAPE)
    assert_array_equal(far, fixed)


@given(W=arrays(np.float64, (4, 3), elements=st.floats(-5, 5)))
def test_the_centre_stays_within_and_nothing_near_is_better(W):
    for name, penalty in BOUNDED.items():
        if np.isinf(penalty.lower).all() or name == "nothing else":
            continue
        V = penalty.nearest(W)
        centre = penalty.centre(V)
        moved = penalty.nearest(V - centre)
        assert_allclose(moved, V - centre, atol=1e-14)
        for step in (-1e-3, 1e-3):
            other = V - centre - step
            columns = ((other >= penalty.lower) & (other <= penalty.upper)).all(axis=1)
            assert penalty.value(moved) <= penalty.value(np.where(columns[:, None], other, moved)) + 1e-12


@by_penalty
def test_what_it_says_of_itself(name, rng):
    penalty, W = BOUNDED[name], BOUNDED[name].nearest(np.ones(SHAPE))
    own = np.broadcast_to(np.asarray(penalty.penalty.weights), penalty.weights.shape)
    assert penalty.has_rest
    assert not penalty.is_nothing
    assert penalty.modulus == (penalty.penalty.modulus if (penalty.weights == own).all() else 0.0)
    assert penalty.value(W) == penalty.penalty.value(W)
    assert pickle.loads(pickle.dumps(penalty)).value(W) == penalty.value(W)
    assert penalty.text == f"{penalty.penalty.text} within bounds"
    gradient = rng.normal(size=SHAPE)
    weights = np.broadcast_to(penalty.weights, (4, 1))
    expected = np.linalg.norm(np.where(weights > 0, gradient / np.sqrt(np.where(weights > 0, weights, 1)), 0))
    assert penalty.dual_norm(gradient) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("inner", "lower", "upper", "told"),
    [
        (L2(1.0), 1.0, 0.0, "none of `lower` above"),
        (L2(1.0), np.nan, 0.0, "needs numbers"),
        (L2(1.0), [0.0, 0.0], [1.0, 1.0, 1.0], "have 2 and 3 numbers"),
        (L2(1.0), -inf, -inf, "as small as an upper bound of -inf"),
        (L2(1.0), -inf, inf, "without bounds"),
        (NoPenalty(), [0.0, 0.0], [1.0, inf], "both bounds finite"),
    ],
)
def test_bounds_that_cannot_be_used_are_named(inner, lower, upper, told):
    with pytest.raises(ArgumentError, match=told):
        Bounded(inner, lower, upper)
