"""Penalties: closed forms, quadratic parts, proximal maps, conjugates, feasible multiples and strong convexity."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from polytome.errors import ArgumentError
from polytome.penalties import L2, NoPenalty, WeightedL2, by_column
from registry import PENALTIES

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


@by_penalty
@given(W=coefficients)
def test_the_value_is_that_of_the_quadratic_part_and_the_rest(name, W):
    """None of these has a rest: then the proximal map moves nothing, and the value is the quadratic part's."""
    penalty = PENALTIES[name]
    assert penalty.value(W) == pytest.approx(smooth(penalty, W), rel=1e-12)
    assert_array_equal(penalty.prox(W, 0.7), W)


@by_penalty
@given(W=coefficients)
def test_fenchel_young_is_an_equality_at_the_gradient(name, W):
    penalty = PENALTIES[name]
    G = penalty.quadratic * W
    assert penalty.value(W) + penalty.conjugate(G) == pytest.approx(float(np.vdot(W, G)), rel=1e-12)
    assert_allclose(penalty.distance(-G, W), 0, atol=1e-300)


@by_penalty
@given(W=coefficients, dual=coefficients)
def test_young_inequality_holds_at_every_dual(name, W, dual):
    penalty = PENALTIES[name]
    bound = float(np.vdot(W, dual))
    total = penalty.value(W) + penalty.conjugate(dual)
    assert total >= bound - 1e-12 * (1 + abs(bound))


@by_penalty
@given(dual=coefficients)
def test_the_feasible_multiple_is_the_largest_with_a_finite_conjugate(name, dual):
    penalty = PENALTIES[name]
    multiple = penalty.feasible_multiple(dual)
    assert 0 <= multiple <= 1
    assert np.isfinite(penalty.conjugate(multiple * dual))
    assert multiple == 1 or np.isinf(penalty.conjugate((multiple + 1e-6) * dual))
    assert penalty.feasible_multiple(feasible(penalty, dual)) == 1


@by_penalty
@given(dual=coefficients)
def test_the_conjugate_is_the_square_of_the_dual_norm_over_twice_the_modulus(name, dual):
    penalty = PENALTIES[name]
    if penalty.modulus:
        square = penalty.dual_norm(dual) ** 2 / (2 * penalty.modulus)
        assert penalty.conjugate(feasible(penalty, dual)) == pytest.approx(square, rel=1e-12)
        norm = np.sqrt((penalty.weights * dual * dual).sum())
        assert penalty.dual_norm(penalty.weights * dual) == pytest.approx(norm, rel=1e-12)


@by_penalty
@given(W=coefficients, other=coefficients)
def test_the_modulus_is_that_of_strong_convexity_in_the_norm_of_the_weights(name, W, other):
    penalty = PENALTIES[name]
    apart = other - W
    below = penalty.value(W) + np.vdot(penalty.quadratic * W, apart)
    below += penalty.modulus / 2 * float((penalty.weights * apart * apart).sum())
    size = 1 + penalty.value(W) + penalty.value(other)
    assert penalty.value(other) >= below - 1e-12 * size
    assert_array_equal(penalty.quadratic, penalty.modulus * np.asarray(penalty.weights))


@by_penalty
@given(G=coefficients, W=coefficients)
def test_the_distance_from_the_subdifferential_is_what_is_left_of_the_gradient(name, G, W):
    penalty = PENALTIES[name]
    assert_allclose(penalty.distance(G, W), np.abs(G + penalty.quadratic * W), rtol=1e-14, atol=1e-300)


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
