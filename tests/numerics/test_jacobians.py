"""Jacobians against fourth-order central differences, exact arithmetic and their own products."""

import mpmath
import numpy as np
import pytest

from polytome.errors import ArgumentError
from polytome.numerics import (
    cross_entropy_from_scores,
    cross_entropy_softmax_gradient,
    cross_entropy_softmax_layer_gradient,
    softmax,
    softmax_jacobian,
    softmax_jacobian_product,
    softmax_layer_jacobian,
    softmax_layer_jacobian_product,
    softmax_layer_transposed_jacobian_product,
)

STEP = 1e-3  # truncation about STEP**4 and round-off about epsilon / STEP, both near 1e-12
CLOSE = {"rtol": 1e-10, "atol": 2e-12}


def differences(function, point):
    """Derivatives of `function` with respect to every entry of `point`, whose axes come last."""
    columns = []
    for entry in np.eye(point.size).reshape(point.size, *point.shape):
        ahead, behind = (function(point + h * STEP * entry) - function(point - h * STEP * entry) for h in (1, 2))
        columns.append((8 * ahead - behind) / (12 * STEP))
    return np.stack(columns, axis=-1).reshape(*np.shape(columns[0]), *point.shape)


@pytest.fixture
def layer():
    """A sample x, coefficients W, intercepts b, and a direction for W and for p."""
    random = np.random.default_rng(0)
    return [random.normal(size=shape) for shape in (3, (3, 4), 4, (3, 4), 4)]


def test_softmax_jacobian_is_the_derivative_of_softmax():
    scores = np.random.default_rng(1).normal(size=5)
    np.testing.assert_allclose(softmax_jacobian(scores), differences(softmax, scores), **CLOSE)


def test_softmax_jacobian_is_diag_p_minus_p_p():
    scores = np.random.default_rng(2).normal(size=(2, 3, 4))
    p = softmax(scores)
    jacobian = softmax_jacobian(scores)
    for index in np.ndindex(2, 3):
        want = np.diag(p[index]) - np.outer(p[index], p[index])
        np.testing.assert_allclose(jacobian[index], want, rtol=1e-13, atol=1e-16)


def test_derivatives_keep_what_one_minus_p_would_lose():
    # The likelier class has p = 1 - 2e-22 here, which rounds to 1.
    scores = np.array([50.0, 0.0, -1.0])
    mpmath.mp.dps = 60
    exponentials = [mpmath.exp(score) for score in scores]
    p = [exponential / sum(exponentials) for exponential in exponentials]
    want = [[float(p[j] * ((j == k) - p[k])) for k in range(3)] for j in range(3)]
    np.testing.assert_allclose(softmax_jacobian(scores), want, rtol=1e-14)
    for k, direction in enumerate(np.eye(3)):
        np.testing.assert_allclose(softmax_jacobian_product(scores, direction), want[k], rtol=1e-14)
    want = [float(p[k] - (k == 0)) for k in range(3)]
    np.testing.assert_allclose(cross_entropy_softmax_gradient(0, scores), want, rtol=1e-14)
    np.testing.assert_allclose(cross_entropy_softmax_gradient([1.0, 0.0, 0.0], scores), want, rtol=1e-14)


def test_softmax_jacobian_product_is_the_matrix_times_the_direction():
    random = np.random.default_rng(3)
    scores, direction = random.normal(size=(2, 6, 4))
    want = np.einsum("njk,nk->nj", softmax_jacobian(scores), direction)
    np.testing.assert_allclose(softmax_jacobian_product(scores, direction), want, rtol=1e-13, atol=1e-16)


def test_extreme_scores_have_zero_derivatives():
    for scores in ([1e300, -1e300], [0.0, -np.inf], [np.inf, 3.0]):
        np.testing.assert_array_equal(softmax_jacobian(scores), np.zeros((2, 2)))
        np.testing.assert_array_equal(softmax_jacobian_product(scores, [1.0, -2.0]), np.zeros(2))
        np.testing.assert_array_equal(cross_entropy_softmax_gradient(1, scores), [1, -1])


def test_scores_that_overflow_decide_without_a_warning():
    x, W = np.array([1e200, 1.0]), np.array([[1e200, -1e200], [0.0, 1.0]])
    np.testing.assert_array_equal(softmax_layer_jacobian(x, W), np.zeros((2, 2, 2)))
    np.testing.assert_array_equal(cross_entropy_softmax_layer_gradient(1, x, W), np.outer(x, [1, -1]))


def test_layer_jacobian_is_the_derivative_in_the_coefficients(layer):
    x, W, b, _, _ = layer
    want = differences(lambda coefficients: softmax(x @ coefficients + b), W)
    assert want.shape == (4, 3, 4)
    np.testing.assert_allclose(softmax_layer_jacobian(x, W, b), want, **CLOSE)
    without = differences(lambda coefficients: softmax(x @ coefficients), W)
    np.testing.assert_allclose(softmax_layer_jacobian(x, W), without, **CLOSE)


def test_layer_products_are_the_tensor_times_the_direction(layer):
    x, W, b, in_W, in_p = layer
    matrix = softmax_layer_jacobian(x, W, b).reshape(4, 12)
    forward = softmax_layer_jacobian_product(x, W, in_W, b)
    reverse = softmax_layer_transposed_jacobian_product(x, W, in_p, b)
    np.testing.assert_allclose(forward, matrix @ in_W.ravel(), rtol=1e-12)
    np.testing.assert_allclose(reverse.ravel(), in_p @ matrix, rtol=1e-12)
    np.testing.assert_allclose(in_p @ forward, np.sum(reverse * in_W), rtol=1e-12)


@pytest.mark.parametrize("target", [2, [0.125, 0.5, 0.25, 0.125], [False, True, False, False]])
def test_cross_entropy_gradients_are_its_derivatives(layer, target):
    x, W, b, _, _ = layer
    scores = x @ W + b
    in_scores = differences(lambda s: cross_entropy_from_scores(target, s), scores)
    np.testing.assert_allclose(cross_entropy_softmax_gradient(target, scores), in_scores, **CLOSE)
    in_W = differences(lambda coefficients: cross_entropy_from_scores(target, x @ coefficients + b), W)
    np.testing.assert_allclose(cross_entropy_softmax_layer_gradient(target, x, W, b), in_W, **CLOSE)
    in_W = differences(lambda coefficients: cross_entropy_from_scores(target, x @ coefficients), W)
    np.testing.assert_allclose(cross_entropy_softmax_layer_gradient(target, x, W), in_W, **CLOSE)


def test_many_samples_are_each_on_their_own(layer):
    _, W, b, in_W, _ = layer
    random = np.random.default_rng(4)
    x, in_p, codes = random.normal(size=(5, 3)), random.normal(size=(5, 4)), random.integers(0, 4, 5)
    together = [
        softmax_layer_jacobian(x, W, b),
        softmax_layer_jacobian_product(x, W, in_W, b),
        softmax_layer_transposed_jacobian_product(x, W, in_p, b),
        cross_entropy_softmax_layer_gradient(codes, x, W, b),
    ]
    for i in range(5):
        alone = [
            softmax_layer_jacobian(x[i], W, b),
            softmax_layer_jacobian_product(x[i], W, in_W, b),
            softmax_layer_transposed_jacobian_product(x[i], W, in_p[i], b),
            cross_entropy_softmax_layer_gradient(codes[i], x[i], W, b),
        ]
        for several, one in zip(together, alone, strict=True):
            np.testing.assert_allclose(several[i], one, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_is_kept(layer, dtype):
    x, W, b, in_W, in_p = (array.astype(dtype) for array in layer)
    results = [
        softmax_jacobian(b),
        softmax_jacobian_product(b, in_p),
        softmax_layer_jacobian(x, W, b),
        softmax_layer_jacobian_product(x, W, in_W, b),
        softmax_layer_transposed_jacobian_product(x, W, in_p, b),
        cross_entropy_softmax_gradient(1, b),
        cross_entropy_softmax_layer_gradient([0, 0, 1, 0], x, W, b),
    ]
    assert {result.dtype for result in results} == {np.dtype(dtype)}


def test_shapes_that_do_not_fit_are_refused_with_both(layer):
    x, W, b, in_W, _ = layer
    with pytest.raises(ArgumentError, match=r"scores and direction .*same shape; got \(4,\) and \(3,\)"):
        softmax_jacobian_product(b, x)
    with pytest.raises(ArgumentError, match=r"shapes \(..., d\) and \(d, K\); got \(4,\) and \(3, 4\)"):
        softmax_layer_jacobian(b, W)
    with pytest.raises(ArgumentError, match=r"b must have shape \(4,\) .*got \(3,\)"):
        softmax_layer_jacobian(x, W, x)
    with pytest.raises(ArgumentError, match=r"got \(4,\) and \(3,\)"):
        softmax_layer_transposed_jacobian_product(x, W, x, b)
    with pytest.raises(ArgumentError, match=r"got \(4,\) and \(3,\)"):
        softmax_layer_jacobian_product(x, W, in_W[:, :3], b)
    with pytest.raises(ArgumentError, match=r"target: shape \(2,\) does not fit predictions of shape \(4,\)"):
        cross_entropy_softmax_gradient([0, 1], b)
    with pytest.raises(ArgumentError, match="the only row holds class code 4; codes must be 0 to 3"):
        cross_entropy_softmax_gradient(4, b)
