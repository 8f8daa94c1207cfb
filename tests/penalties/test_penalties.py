"""Penalties: closed forms, derivatives, conjugates and strong convexity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from polytome.errors import ArgumentError
from polytome.penalties import L2, NoPenalty
from registry import PENALTIES

by_penalty = pytest.mark.parametrize("name", PENALTIES)
coefficients = arrays(np.float64, (3, 2), elements=st.floats(-100, 100))


def test_closed_forms():
    W = np.array([[3.0, -1.0], [0.0, 2.0]])
    assert L2(0.5).value(W) == 3.5
    assert_array_equal(L2(0.5).gradient(W), W / 2)
    assert L2(0.5).conjugate(W) == 14.0
    assert NoPenalty().value(W) == 0.0
    assert_array_equal(NoPenalty().gradient(W), np.zeros((2, 2)))
    assert NoPenalty().conjugate(W) == np.inf
    assert NoPenalty().conjugate(np.zeros((2, 2))) == 0.0


@by_penalty
@given(W=coefficients, towards=coefficients)
def test_gradient_is_the_derivative_of_the_value(name, W, towards):
    penalty = PENALTIES[name]
    slope = (penalty.value(W + towards) - penalty.value(W - towards)) / 2  # exact for quadratics
    size = penalty.value(W) + penalty.value(towards)
    assert np.vdot(penalty.gradient(W), towards) == pytest.approx(slope, rel=1e-12, abs=1e-13 * size)


@by_penalty
@given(W=coefficients)
def test_fenchel_young_is_an_equality_at_the_gradient(name, W):
    penalty = PENALTIES[name]
    G = penalty.gradient(W)
    assert penalty.value(W) + penalty.conjugate(G) == pytest.approx(float(np.vdot(W, G)), rel=1e-12)


@by_penalty
@given(W=coefficients, dual=coefficients)
def test_young_inequality_holds_at_every_dual(name, W, dual):
    penalty = PENALTIES[name]
    bound = float(np.vdot(W, dual))
    total = penalty.value(W) + penalty.conjugate(dual)
    assert total >= bound - 1e-12 * (1 + abs(bound))


@by_penalty
@given(W=coefficients, other=coefficients)
def test_strength_is_the_modulus_of_strong_convexity(name, W, other):
    penalty = PENALTIES[name]
    apart = other - W
    below = penalty.value(W) + np.vdot(penalty.gradient(W), apart) + penalty.strength / 2 * np.vdot(apart, apart)
    size = 1 + penalty.value(W) + penalty.value(other)
    assert penalty.value(other) >= below - 1e-12 * size
    assert penalty.strength >= 0


@by_penalty
def test_gradient_is_a_new_array(name):
    W = np.ones((2, 2))
    gradient = PENALTIES[name].gradient(W)
    gradient += 1
    assert_allclose(W, 1, rtol=0)


@pytest.mark.parametrize("strength", [0, -1.0, np.nan, np.inf])
def test_a_strength_that_cannot_be_used_is_named_with_the_remedy(strength):
    with pytest.raises(ArgumentError, match=rf"L2\(strength={strength}\).*positive finite.*NoPenalty\(\)"):
        L2(strength)
