"""Derivatives of softmax, of a softmax layer and of its cross-entropy, whole and as products.

Layout. A layer is `p = softmax(x W + b)` with `x` of shape (d,), `W` (d, K) and `b` (K,); entry [k,
i, j] of its Jacobian is the derivative of p_k with respect to W[i, j]. Everything works on one
sample or, with leading axes on `x`, `scores` and the target or direction that goes with them, on
many at once, each on its own.

Nothing here subtracts a probability from 1. The complement of a probability near 1 is the sum of
the others, and since the rows of these derivatives sum to zero, that sum is available before it is
rounded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError
from polytome.numerics.elementary import as_floating, softmax
from polytome.numerics.entropies import target_distributions

__all__ = [
    "cross_entropy_softmax_gradient",
    "cross_entropy_softmax_layer_gradient",
    "softmax_jacobian",
    "softmax_jacobian_product",
    "softmax_layer_jacobian",
    "softmax_layer_jacobian_product",
    "softmax_layer_transposed_jacobian_product",
]

Array = NDArray[Any]


def softmax_jacobian(scores: ArrayLike) -> Array:
    """Jacobian of softmax, `diag(p) - p p'`: entry [j, k] is the derivative of p_j with respect to
    score k.

    Args:
        scores: Shape (..., K).

    Returns:
        Shape (..., K, K), symmetric, rows summing to zero.

    Raises:
        ArgumentError: `scores` has no class.

    Example:
        >>> softmax_jacobian([0.0, 0.0])
        array([[ 0.25, -0.25],
               [-0.25,  0.25]])

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, equation 4.106.
    """
    p = softmax(scores)
    jacobian = -p[..., :, np.newaxis] * p[..., np.newaxis, :]
    diagonal = np.arange(p.shape[-1])
    jacobian[..., diagonal, diagonal] = 0
    # p_k (1 - p_k), written as the products with all other probabilities.
    jacobian[..., diagonal, diagonal] = -jacobian.sum(axis=-1)
    return jacobian


def softmax_jacobian_product(scores: ArrayLike, direction: ArrayLike) -> Array:
    """Jacobian of softmax times a direction, `p * (direction - <p, direction>)`, without the K x K
    matrix.

    The Jacobian is symmetric, so this is also the product with its transpose.

    Args:
        scores: Shape (..., K).
        direction: Shape (..., K), finite.

    Returns:
        Shape (..., K), rows summing to zero.

    Raises:
        ArgumentError: The shapes differ, or there is no class.

    Example:
        >>> softmax_jacobian_product([0.0, 0.0], [1.0, 0.0])
        array([ 0.25, -0.25])

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, equation 4.106.
    """
    p = softmax(scores)
    direction = as_floating(direction, "direction")
    if direction.shape != p.shape:
        raise ArgumentError(f"scores and direction must have the same shape; got {p.shape} and {direction.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        # A constant added to the direction changes nothing. Counted from the likeliest class, its
        # own entry is minus a small mean; otherwise it would be the difference of two nearly equal
        # numbers.
        relative = direction - np.take_along_axis(direction, p.argmax(axis=-1, keepdims=True), axis=-1)
        mean = (p * relative).sum(axis=-1, keepdims=True)
        product: Array = p * (relative - mean)
    return product


def softmax_layer_jacobian(x: ArrayLike, W: ArrayLike, b: ArrayLike | None = None) -> Array:
    """Jacobian of `p = softmax(x W + b)` in W: entry [k, i, j] is `x_i (p_k [j = k] - p_k p_j)`.

    Reshaped to (K, d * K), it multiplies `W.ravel()`. The Jacobian in b is `softmax_jacobian` of
    the scores.

    Args:
        x: Features of a sample, shape (..., d).
        W: Coefficients, shape (d, K).
        b: Intercepts, shape (K,), or None for zeros.

    Returns:
        Shape (..., K, d, K).

    Raises:
        ArgumentError: The shapes do not fit.

    Example:
        >>> softmax_layer_jacobian([2.0], [[0.0, 0.0]])
        array([[[ 0.5, -0.5]],
        <BLANKLINE>
               [[-0.5,  0.5]]])

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.4.
    """
    x, scores = _layer(x, W, b)
    return softmax_jacobian(scores)[..., :, np.newaxis, :] * x[..., np.newaxis, :, np.newaxis]


def softmax_layer_jacobian_product(
    x: ArrayLike, W: ArrayLike, direction: ArrayLike, b: ArrayLike | None = None
) -> Array:
    """Jacobian of a softmax layer times a direction in W (forward mode): how p moves when W moves
    along it.

    Args:
        x: Features of a sample, shape (..., d).
        W: Coefficients, shape (d, K).
        direction: Shape (d, K).
        b: Intercepts, shape (K,), or None for zeros.

    Returns:
        Shape (..., K).

    Raises:
        ArgumentError: The shapes do not fit.

    Example:
        >>> softmax_layer_jacobian_product([2.0], [[0.0, 0.0]], [[1.0, 0.0]])
        array([ 0.5, -0.5])

    Reference: Griewank and Walther, Evaluating Derivatives, 2008, section 3.1.
    """
    x, scores = _layer(x, W, b)
    return softmax_jacobian_product(scores, _layer(x, direction, None)[1])


def softmax_layer_transposed_jacobian_product(
    x: ArrayLike, W: ArrayLike, direction: ArrayLike, b: ArrayLike | None = None
) -> Array:
    """Transposed Jacobian of a softmax layer times a direction in p (reverse mode).

    It is the gradient in W of `<direction, p>`, the outer product of x and
    `softmax_jacobian_product`.

    Args:
        x: Features of a sample, shape (..., d).
        W: Coefficients, shape (d, K).
        direction: Shape (..., K).
        b: Intercepts, shape (K,), or None for zeros.

    Returns:
        Shape (..., d, K).

    Raises:
        ArgumentError: The shapes do not fit.

    Example:
        >>> softmax_layer_transposed_jacobian_product([2.0], [[0.0, 0.0]], [1.0, 0.0])
        array([[ 0.5, -0.5]])

    Reference: Griewank and Walther, Evaluating Derivatives, 2008, section 3.2.
    """
    x, scores = _layer(x, W, b)
    return _outer(x, softmax_jacobian_product(scores, direction))


def cross_entropy_softmax_gradient(target: ArrayLike, scores: ArrayLike) -> Array:
    """Gradient of the cross-entropy (in nats) after softmax with respect to the scores,
    `p - target`.

    Args:
        target: Integer class codes, shape (...), or distributions, shape (..., K).
        scores: Shape (..., K).

    Returns:
        Shape (..., K), rows summing to zero.

    Raises:
        ArgumentError: The shapes do not fit, a code is out of range, or a target is not a
            distribution.

    Example:
        >>> cross_entropy_softmax_gradient([0, 0], [[0.0, 0.0], [40.0, 0.0]])
        array([[-5.00000000e-01,  5.00000000e-01],
               [-4.24835426e-18,  4.24835426e-18]])

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, equation 4.109.
    """
    p = softmax(scores)
    gradient = p - target_distributions(target, p.shape, dtype=p.dtype)
    likeliest = p.argmax(axis=-1, keepdims=True)
    # p - 1 would round to 0 for a sample that is fitted well; the sum of the others keeps what is
    # left.
    np.put_along_axis(gradient, likeliest, 0, axis=-1)
    np.put_along_axis(gradient, likeliest, -gradient.sum(axis=-1, keepdims=True), axis=-1)
    return gradient


def cross_entropy_softmax_layer_gradient(
    target: ArrayLike, x: ArrayLike, W: ArrayLike, b: ArrayLike | None = None
) -> Array:
    """Gradient of a softmax layer's cross-entropy (in nats) with respect to W, `x (p - target)'`.

    With respect to b it is `cross_entropy_softmax_gradient` of the scores.

    Args:
        target: Integer class codes, shape (...), or distributions, shape (..., K).
        x: Features of a sample, shape (..., d).
        W: Coefficients, shape (d, K).
        b: Intercepts, shape (K,), or None for zeros.

    Returns:
        Shape (..., d, K): one matrix per sample.

    Raises:
        ArgumentError: The shapes do not fit, a code is out of range, or a target is not a
            distribution.

    Example:
        >>> cross_entropy_softmax_layer_gradient(0, [2.0], [[0.0, 0.0]])
        array([[-1.,  1.]])

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, equation 4.109.
    """
    x, scores = _layer(x, W, b)
    return _outer(x, cross_entropy_softmax_gradient(target, scores))


def _layer(x: ArrayLike, W: ArrayLike, b: ArrayLike | None) -> tuple[Array, Array]:
    """Features as an array, and the scores `x W + b`."""
    x = as_floating(x, "x")
    W = as_floating(W, "W")
    if x.ndim == 0 or W.ndim != 2 or x.shape[-1] != W.shape[0]:
        raise ArgumentError(f"x and coefficients must have shapes (..., d) and (d, K); got {x.shape} and {W.shape}")
    with np.errstate(over="ignore", invalid="ignore"):  # softmax has a limit for scores beyond the largest float
        scores: Array = x @ W
    if b is None:
        return x, scores
    b = as_floating(b, "b")
    if b.shape != W.shape[1:]:
        raise ArgumentError(f"b must have shape {W.shape[1:]} to fit coefficients {W.shape}; got {b.shape}")
    return x, scores + b


def _outer(x: Array, row: Array) -> Array:
    """Outer product of each sample's features (..., d) and its row (..., K), shape (..., d, K)."""
    return x[..., :, np.newaxis] * row[..., np.newaxis, :]
