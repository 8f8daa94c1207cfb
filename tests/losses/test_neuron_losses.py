"""The losses of the classical neurons: their definitions, their slopes, and what they have no
conjugate for."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from polytome.errors import ArgumentError
from polytome.losses.neurons import PerceptronLoss, SquaredSigmoid
from polytome.objective import Objective
from polytome.penalties import L2
from polytome.rows import as_rows
from polytome.solvers import GradientDescent, minimize

zeros_and_ones = arrays(np.float64, 8, elements=st.sampled_from([0.0, 1.0]))


@given(z=arrays(np.float64, 8, elements=st.floats(-1e3, 1e3)), y=zeros_and_ones)
def test_perceptron_loss_is_its_definition(z: np.ndarray, y: np.ndarray) -> None:
    value, gradient = PerceptronLoss().value_and_gradient(z[:, None], y)
    step = np.array([1.0 if score > 0 else 0.0 for score in z])
    np.testing.assert_array_equal(gradient[:, 0], step - y)
    np.testing.assert_array_equal(value, (step - y) * z)
    np.testing.assert_array_equal(PerceptronLoss().mean(z[:, None])[:, 0], step)
    margin = PerceptronLoss().margin(z[:, None], y)[:, 0]
    assert ((value > 0) == (margin < 0)).all()


@given(z=arrays(np.float64, 8, elements=st.floats(-9, 9)), q=arrays(np.float64, 8, elements=st.floats(-0.5, 1.5)))
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_perceptron_loss_obeys_young_with_equality_at_its_gradient(label: float, z: np.ndarray, q: np.ndarray) -> None:
    loss, y = PerceptronLoss(), np.full(8, label)
    value, gradient = loss.value_and_gradient(z[:, None], y)
    np.testing.assert_allclose(value + loss.conjugate(gradient, y), gradient[:, 0] * z, atol=1e-15)
    dual = q[:, None] - y[:, None]
    conjugate = loss.conjugate(dual, y)
    assert (np.isfinite(conjugate) == ((dual[:, 0] + y >= 0) & (dual[:, 0] + y <= 1))).all()
    assert (value + conjugate >= dual[:, 0] * z - 1e-12).all()


@pytest.mark.parametrize("y", [0.0, 1.0, 0.3])
@pytest.mark.parametrize("z", [0.0, 1e-8, -1e-8, 2.0, -5.0, 37.0, -37.0, 300.0, -300.0])
def test_squared_sigmoid_is_exact_at_scores_of_every_size(z: float, y: float) -> None:
    value, gradient = SquaredSigmoid().value_and_gradient(np.array([[z]]), np.array([y]))
    with mpmath.workdps(400):
        a = 1 / (1 + mpmath.exp(-mpmath.mpf(z)))
        exact = ((a - mpmath.mpf(y)) ** 2, 2 * (a - mpmath.mpf(y)) * a * (1 - a))
    np.testing.assert_allclose(value[0], float(exact[0]), rtol=3e-15)
    np.testing.assert_allclose(gradient[0, 0], float(exact[1]), rtol=3e-15)


@given(z=arrays(np.float64, 8, elements=st.floats(-20, 20)), y=arrays(np.float64, 8, elements=st.floats(0, 1)))
def test_gradient_of_squared_sigmoid_is_the_slope_of_its_value(z: np.ndarray, y: np.ndarray) -> None:
    loss, h = SquaredSigmoid(), 1e-3

    def value(scores: np.ndarray) -> np.ndarray:
        return loss.value_and_gradient(scores[:, None], y)[0]

    near, far = value(z + h) - value(z - h), value(z + 2 * h) - value(z - 2 * h)
    gradient = loss.value_and_gradient(z[:, None], y)[1]
    np.testing.assert_allclose(gradient[:, 0], (8 * near - far) / (12 * h), atol=1e-11)


def test_smoothness_of_squared_sigmoid_is_its_largest_curvature_and_no_more() -> None:
    loss, z = SquaredSigmoid(), np.linspace(-10, 10, 200_001)
    for label in (0.0, 1.0):
        gradient = loss.value_and_gradient(z[:, None], np.full(len(z), label))[1][:, 0]
        curvature = np.abs(np.diff(gradient) / np.diff(z)).max()
        assert 0.9999 * loss.smoothness < curvature < loss.smoothness
    # The Gauss-Newton part is the whole where the labels are met on average: y = a.
    m, u = loss.curvature(z[:, None], np.zeros(len(z)))
    a = loss.mean(z[:, None])[:, 0]
    np.testing.assert_allclose(m[:, 0], 2 * (a * (1 - a)) ** 2, atol=1e-15)
    assert u is None


def test_squared_sigmoid_has_a_useless_conjugate() -> None:
    """sup_z (0 z - loss) = -inf loss = 0, and the supremum of a line minus a bounded function is
    infinite."""
    z, y = np.linspace(-50, 50, 1001), np.ones(1)
    values = SquaredSigmoid().value_and_gradient(z[:, None], np.ones(1001))[0]
    assert -values.min() == pytest.approx(0.0, abs=1e-15)
    assert (0.01 * z - values).max() == pytest.approx(0.5, abs=1e-9)  # and grows with the range of z
    assert SquaredSigmoid().conjugate(np.array([[0.0]]), y) == [0.0]
    assert SquaredSigmoid().conjugate(np.array([[0.01]]), y) == [np.inf]


@given(
    y=arrays(np.float64, 8, elements=st.floats(0.05, 0.95)), weight=arrays(np.float64, 8, elements=st.floats(0.1, 3))
)
def test_null_scores_are_the_best_constant(y: np.ndarray, weight: np.ndarray) -> None:
    constant = SquaredSigmoid().null_scores(y, weight)
    gradient = SquaredSigmoid().value_and_gradient(np.tile(constant, (8, 1)), y)[1]
    np.testing.assert_allclose(weight @ gradient, 0.0, atol=1e-13)
    zero = np.tile(PerceptronLoss().null_scores(np.round(y), weight), (8, 1))
    np.testing.assert_array_equal(PerceptronLoss().value_and_gradient(zero, np.round(y))[0], 0.0)


@pytest.mark.parametrize("loss", [PerceptronLoss(), SquaredSigmoid()])
def test_minimize_gives_no_certificate_to_what_has_none(loss: object) -> None:
    objective = Objective(loss, L2(0.1), as_rows(np.eye(3), np.array([0.0, 1.0, 1.0])))
    with pytest.raises(ArgumentError, match=r"no certificate.*use `train`"):
        minimize(objective, GradientDescent(0.1))
    W = np.ones(objective.shape)
    np.testing.assert_array_equal(loss.canonical(W), W)
