"""Stable elementary functions of logistic and softmax regression: arrays in, arrays out.

Each function keeps float16, float32 and float64 as they are and turns integers and booleans into
float64. None of them warns or returns `inf` or `nan` where the true value is a number of its dtype.
Logarithms are natural.

Two rules make the forms stable. Exponentials are only taken of numbers that are not positive, so
that they cannot overflow; and where 1 is added to something that may be tiny, `log1p` avoids the
rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from polytome.errors import ArgumentError

__all__ = [
    "as_floating",
    "as_fractions",
    "first_row",
    "log_sigmoid",
    "log_softmax",
    "logit",
    "logsumexp",
    "one_hot",
    "sigmoid",
    "softmax",
    "softplus",
]

Array = NDArray[Any]


def sigmoid(scores: ArrayLike) -> Array:
    """Probability of the positive class, `1 / (1 + exp(-score))`.

    Args:
        scores: Log odds, any shape; `inf` and `-inf` are allowed.

    Returns:
        Probabilities in [0, 1], same shape and floating dtype, accurate down to the subnormal
        numbers.

    Example:
        >>> sigmoid([0.0, -745.0, float("inf")])
        array([5.e-001, 5.e-324, 1.e+000])

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, equation 4.59.
    """
    scores = as_floating(scores, "scores")
    # exp(-score) would overflow at -745, where the answer is 5e-324: fold both signs onto
    # exp(-|score|) <= 1.
    decay = np.exp(-np.abs(scores))
    one = np.ones_like(decay)
    probabilities: Array = np.where(scores < 0, decay, one) / (one + decay)
    return probabilities


def logit(probabilities: ArrayLike) -> Array:
    """Log odds of a probability, `log(p / (1 - p))`, the inverse of `sigmoid`.

    Args:
        probabilities: Numbers in [0, 1], any shape.

    Returns:
        Log odds, same shape and floating dtype; `-inf` at 0 and `inf` at 1.

    Raises:
        ArgumentError: An entry is not in [0, 1].

    Example:
        >>> logit([0.0, 0.5, 0.75]).round(6)
        array([    -inf, 0.      , 1.098612])

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, equation 4.61.
    """
    p = as_fractions(probabilities, "probabilities")
    with np.errstate(divide="ignore"):
        small = np.log(p) - np.log1p(-p)
        # Near 1/2 that difference cancels. From 1/4 upwards 2p - 1 is exact, and logit is twice its
        # arctanh.
        return np.where(p < 0.25, small, 2 * np.arctanh(2 * p - 1)).astype(p.dtype)[()]


def log_sigmoid(scores: ArrayLike) -> Array:
    """Log-probability of the positive class in nats, `-log(1 + exp(-score))`.

    Args:
        scores: Log odds, any shape.

    Returns:
        Numbers <= 0, same shape and floating dtype.

    Example:
        >>> log_sigmoid([-1000.0, 0.0, 40.0])
        array([-1.00000000e+03, -6.93147181e-01, -4.24835426e-18])

    Reference: Maechler, Accurately Computing log(1 - exp(-|a|)), 2012 (package Rmpfr).
    """
    scores = as_floating(scores, "scores")
    # Both terms are <= 0, so nothing cancels; log1p keeps exp(-40), which 1 + exp(-40) would lose.
    return np.minimum(scores, np.zeros_like(scores)) - np.log1p(np.exp(-np.abs(scores)))


def softplus(scores: ArrayLike) -> Array:
    """Smooth ramp `log(1 + exp(score))`, in nats: the logistic loss of a negative sample.

    Args:
        scores: Log odds, any shape.

    Returns:
        Numbers >= 0, same shape and floating dtype.

    Example:
        >>> softplus([-40.0, 0.0, 1000.0])
        array([4.24835426e-18, 6.93147181e-01, 1.00000000e+03])

    Reference: Maechler, Accurately Computing log(1 - exp(-|a|)), 2012 (package Rmpfr).
    """
    scores = as_floating(scores, "scores")
    # log(1 + exp(s)) = max(s, 0) + log(1 + exp(-|s|)): both terms are >= 0 and exp cannot overflow.
    return np.maximum(scores, np.zeros_like(scores)) + np.log1p(np.exp(-np.abs(scores)))


def softmax(scores: ArrayLike, axis: int = -1) -> Array:
    """Class probabilities `exp(score_k) / sum_j exp(score_j)` along `axis`.

    A score of `-inf` gives exactly 0, and a lone `inf` exactly 1. Where no limit exists (several
    `inf`, or nothing but `-inf` for two classes or more) the row is `nan`.

    Args:
        scores: At least one dimension; the classes lie along `axis`.
        axis: The class axis.

    Returns:
        Probabilities, same shape and floating dtype.

    Raises:
        ArgumentError: `axis` does not exist or holds no class.

    Example:
        >>> softmax([[0.0, 0.0], [1e300, -1e300]])
        array([[0.5, 0.5],
               [1. , 0. ]])

    Reference: Blanchard, Higham and Higham, Accurately computing the log-sum-exp and softmax
    functions, 2021.
    """
    exponentials, _, _ = _below_highest(as_floating(scores, "scores"), axis)
    np.exp(exponentials, out=exponentials)
    exponentials /= _sum(exponentials, axis)
    return exponentials


def log_softmax(scores: ArrayLike, axis: int = -1) -> Array:
    """Log-probabilities `score_k - log sum_j exp(score_j)` along `axis`, in nats.

    Finite where `softmax` underflows to 0 and below 0 where it rounds to 1; infinite scores as in
    `softmax`.

    Args:
        scores: At least one dimension; the classes lie along `axis`.
        axis: The class axis.

    Returns:
        Numbers <= 0, same shape and floating dtype.

    Raises:
        ArgumentError: `axis` does not exist or holds no class.

    Example:
        >>> log_softmax([[40.0, 0.0], [1e300, -1e300]])
        array([[-4.24835426e-018, -4.00000000e+001],
               [ 0.00000000e+000, -2.00000000e+300]])

    Reference: Blanchard, Higham and Higham, Accurately computing the log-sum-exp and softmax
    functions, 2021.
    """
    shifted, _, position = _below_highest(as_floating(scores, "scores"), axis)
    # Both terms are <= 0: subtracting log-sum-exp from the unshifted scores instead would cancel.
    with np.errstate(over="ignore"):
        shifted -= _log_sum(shifted, position, axis)
    return shifted


def logsumexp(scores: ArrayLike, axis: int = -1, keepdims: bool = False) -> Array:
    """Logarithm of a sum of exponentials, `log sum_k exp(score_k)` along `axis`, in nats.

    Args:
        scores: At least one dimension; `inf` and `-inf` are allowed (nothing but `-inf` gives
            `-inf`).
        axis: The axis summed over.
        keepdims: Keep that axis, with length 1.

    Returns:
        Same floating dtype, without `axis` (or with length 1 there).

    Raises:
        ArgumentError: `axis` does not exist or has length 0.

    Example:
        >>> logsumexp([[1000.0, 1000.0], [0.0, -40.0]])
        array([1.00069315e+03, 4.24835426e-18])

    Reference: Blanchard, Higham and Higham, Accurately computing the log-sum-exp and softmax
    functions, 2021.
    """
    scores = as_floating(scores, "scores")
    shifted, highest, position = _below_highest(scores, axis)
    total = np.where(np.isinf(highest), highest, highest + _log_sum(shifted, position, axis))
    with np.errstate(over="ignore"):
        total = total.astype(scores.dtype)
    return total if keepdims else total.squeeze(axis)[()]


def one_hot(codes: ArrayLike, n_classes: int, dtype: DTypeLike = np.float64) -> Array:
    """Indicator of each class code: 1 in the column of the code, 0 elsewhere.

    Args:
        codes: Integers 0..n_classes-1, any shape.
        n_classes: Length of the new last axis, at least 1.
        dtype: Of the result.

    Returns:
        Array of shape (*codes.shape, n_classes).

    Raises:
        ArgumentError: A code is not an integer or out of range, or `n_classes` is below 1.

    Example:
        >>> one_hot([2, 0], 3)
        array([[0., 0., 1.],
               [1., 0., 0.]])

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.4 (the 1-of-K
    scheme).
    """
    codes = np.asarray(codes)
    if n_classes < 1:
        raise ArgumentError(f"n_classes: {n_classes} is below 1; give the number of classes")
    if codes.dtype.kind not in "iu":
        raise ArgumentError(
            f"codes: class codes must be integers, got dtype {codes.dtype}; encode the labels as 0..K-1"
        )
    outside = (codes < 0) | (codes >= n_classes)
    if outside.any():
        index, row = first_row(outside)
        raise ArgumentError(f"codes: {row} holds class code {codes[index]}; codes must be 0 to {n_classes - 1}")
    indicators = np.zeros((*codes.shape, n_classes), dtype)
    np.put_along_axis(indicators, codes[..., np.newaxis], 1, axis=-1)
    return indicators


def as_floating(values: ArrayLike, name: str) -> Array:
    """Array of float16, float32 or float64, not copied; integers and booleans become float64.

    Args:
        values: Real numbers, any shape.
        name: What an error message calls them.

    Returns:
        The array, of the same shape.

    Raises:
        ArgumentError: The dtype is another one.

    Example:
        >>> as_floating([1, 2], "scores")
        array([1., 2.])
    """
    array = np.asarray(values)
    if array.dtype.char in "efd":
        return array
    if array.dtype.kind in "biu":
        return array.astype(np.float64)
    raise ArgumentError(f"{name}: dtype {array.dtype} is not supported; convert it to float16, float32 or float64")


def as_fractions(values: ArrayLike, name: str) -> Array:
    """Floating array (see `as_floating`) whose every entry lies in [0, 1].

    Args:
        values: Real numbers in [0, 1], any shape.
        name: What an error message calls them.

    Returns:
        The array, of the same shape.

    Raises:
        ArgumentError: An entry is below 0, above 1 or `nan`.

    Example:
        >>> as_fractions([0, 0.25], "probabilities")
        array([0.  , 0.25])
    """
    array = as_floating(values, name)
    outside = ~((array >= 0) & (array <= 1))
    if outside.any():
        index, row = first_row(outside)
        raise ArgumentError(f"{name}: {row} holds {array[index]}, which is not in [0, 1]")
    return array


def first_row(wrong: ArrayLike) -> tuple[tuple[int, ...], str]:
    """Index of the first true entry and its name in an error message.

    Args:
        wrong: One boolean per row, at least one of them true.

    Returns:
        The index and the words for it.

    Example:
        >>> first_row([False, True])
        ((1,), 'row 1 (counting from 0)')
    """
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    if not index:
        return index, "the only row"
    return index, f"row {index[0] if len(index) == 1 else index} (counting from 0)"


def _below_highest(scores: Array, axis: int) -> tuple[Array, Array, Array]:
    """Scores minus the highest of their row (a new array), that highest score, and its position
    along `axis`."""
    if not -scores.ndim <= axis < scores.ndim or scores.shape[axis] == 0:
        raise ArgumentError(f"scores: shape {scores.shape} has no class along axis {axis}")
    position = scores.argmax(axis, keepdims=True)  # on short rows argmax takes half the time of max
    highest = np.take_along_axis(scores, position, axis)
    with np.errstate(over="ignore", invalid="ignore"):
        shifted = scores - highest
    if np.isinf(highest).any():
        # inf - inf is nan, as it should be where infinities compete; one without a rival is
        # highest, at 0.
        alone = np.isinf(highest) & ((scores == highest).sum(axis, keepdims=True) == 1)
        shifted[alone & (scores == highest)] = 0
    return shifted, highest, position


def _log_sum(shifted: Array, position: Array, axis: int) -> Array:
    """`log sum exp(shifted)`; log1p adds the 1 of the highest score, to which the others would be
    rounded away."""
    exponentials = np.exp(shifted)
    np.put_along_axis(exponentials, position, 0, axis)
    return np.log1p(_sum(exponentials, axis))


def _sum(terms: Array, axis: int) -> Array:
    """Sum that keeps its axis; in float64, because a running sum of ones stalls at 2,048 in
    float16."""
    total: Array = terms.sum(axis, dtype=np.float64, keepdims=True)
    return total
