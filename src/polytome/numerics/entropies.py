"""Entropy, cross-entropy and Kullback-Leibler divergence: the cost of a distribution or a
prediction.

Results are in nats (natural logarithm) unless `base` says otherwise: `base=2` gives bits. `0 log 0`
is 0. The floating dtype of the arguments is kept (integers and booleans count as float64); sums are
taken in float64.

A target is either integer class codes, shaped like the predictions without their class axis, or
distributions over the classes, shaped like the predictions.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.special import entr, xlog1py, xlogy

from polytome.errors import ArgumentError
from polytome.numerics.elementary import as_floating, as_fractions, first_row, log_softmax, one_hot

__all__ = [
    "as_distributions",
    "binary_cross_entropy",
    "binary_cross_entropy_from_scores",
    "cross_entropy",
    "cross_entropy_from_scores",
    "entropy",
    "kl_divergence",
    "looks_like_probabilities",
    "target_distributions",
]

Array = NDArray[Any]


def entropy(probabilities: ArrayLike, *, axis: int = -1, base: float | None = None) -> Array:
    """Entropy `-sum_k p_k log p_k` along `axis`: the mean surprise of a draw.

    Args:
        probabilities: Distributions; the classes lie along `axis`.
        axis: The class axis.
        base: Of the logarithm; None for nats, 2 for bits.

    Returns:
        One number per distribution, without `axis`.

    Raises:
        ArgumentError: A row is not a distribution, or `base` is not usable.

    Example:
        >>> entropy([[0.5, 0.25, 0.125, 0.125], [1.0, 0.0, 0.0, 0.0]], base=2)
        array([1.75, 0.  ])

    Reference: Cover and Thomas, Elements of Information Theory, 2006, section 2.1.
    """
    p = as_distributions(probabilities, "probabilities", axis)
    return _in_base(entr(p).sum(axis, dtype=np.float64), base, p.dtype)


def cross_entropy(target: ArrayLike, probabilities: ArrayLike, *, axis: int = -1, base: float | None = None) -> Array:
    """Cross-entropy `-sum_k t_k log p_k` along `axis`; for a class code, `-log p` of that class.

    It is `inf` exactly where the target has mass and the prediction has none.

    Args:
        target: Integer class codes, or distributions (module docstring).
        probabilities: Predicted distributions; the classes lie along `axis`.
        axis: The class axis.
        base: Of the logarithm; None for nats, 2 for bits.

    Returns:
        One number per row, without `axis`.

    Raises:
        ArgumentError: Shapes do not fit, a row is not a distribution, or a code or `base` is out of
            range.

    Example:
        >>> cross_entropy([0, 2], [[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]], base=2)
        array([1., 2.])

    Reference: Goodfellow, Bengio and Courville, Deep Learning, 2016, section 3.13.
    """
    p = as_distributions(probabilities, "probabilities", axis)
    t = target_distributions(target, p.shape, axis, p.dtype)
    return _in_base(-xlogy(t, p).sum(axis, dtype=np.float64), base, np.result_type(t, p))


def cross_entropy_from_scores(
    target: ArrayLike, scores: ArrayLike, *, axis: int = -1, base: float | None = None
) -> Array:
    """Cross-entropy between a target and `softmax(scores)`, finite and exact where the softmax
    underflows.

    It warns if the scores look like probabilities: softmax would be applied to them a second time.

    Args:
        target: Integer class codes, or distributions (module docstring).
        scores: The classes lie along `axis`; `-inf` forbids a class.
        axis: The class axis.
        base: Of the logarithm; None for nats, 2 for bits.

    Returns:
        One number per row, without `axis`.

    Raises:
        ArgumentError: Shapes do not fit, a target is not a distribution, or a code or `base` is out
            of range.

    Example:
        >>> cross_entropy_from_scores([0, 1], [[1000.0, 0.0], [1000.0, 0.0]])
        array([   0., 1000.])

    Reference: Goodfellow, Bengio and Courville, Deep Learning, 2016, section 6.2.2.3.
    """
    log_p = log_softmax(scores, axis)
    t = target_distributions(target, log_p.shape, axis, log_p.dtype)
    if looks_like_probabilities(scores, axis=axis):
        warnings.warn(
            "scores: every row is a distribution, so these are probably probabilities, to which softmax would be "
            "applied a second time; give them to cross_entropy. If they are scores, add a constant to them: the result "
            "stays the same and this warning disappears",
            stacklevel=2,
        )
    with np.errstate(invalid="ignore"):
        surprise = np.where(t == 0, 0, t * log_p)  # 0 * -inf: a class that is forbidden and absent costs nothing
    return _in_base(-surprise.sum(axis, dtype=np.float64), base, np.result_type(t, log_p))


def binary_cross_entropy(target: ArrayLike, probability: ArrayLike, *, base: float | None = None) -> Array:
    """Cross-entropy of two classes, `-t log p - (1 - t) log(1 - p)`, entry by entry.

    Args:
        target: Probability in [0, 1] (or the label 0 or 1) of the positive class.
        probability: Predicted probability of the positive class, same shape.
        base: Of the logarithm; None for nats, 2 for bits.

    Returns:
        One number per entry; `inf` exactly where the target has mass and the prediction has none.

    Raises:
        ArgumentError: Shapes differ, an entry is not in [0, 1], or `base` is not usable.

    Example:
        >>> binary_cross_entropy([1, 0, 0.5], [0.25, 0.0, 0.5], base=2)
        array([2., 0., 1.])

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, equation 4.90.
    """
    p = as_fractions(probability, "probability")
    t = _binary_target(target, p, "probability")
    # log1p(-p) keeps a p below 1e-16, which 1 - p would round away.
    return _in_base(-xlogy(t, p) - xlog1py(1 - t, -p), base, np.result_type(t, p))


def binary_cross_entropy_from_scores(target: ArrayLike, score: ArrayLike, *, base: float | None = None) -> Array:
    """Cross-entropy between a binary target and `sigmoid(score)`, finite and exact in both tails.

    Args:
        target: Probability in [0, 1] (or the label 0 or 1) of the positive class.
        score: Log odds of the positive class, same shape.
        base: Of the logarithm; None for nats, 2 for bits.

    Returns:
        One number per entry.

    Raises:
        ArgumentError: Shapes differ, a target is not in [0, 1], or `base` is not usable.

    Example:
        >>> binary_cross_entropy_from_scores([1, 0], [-1000.0, -40.0])
        array([1.00000000e+03, 4.24835426e-18])

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, equation 4.90.
    """
    s = as_floating(score, "score")
    t = _binary_target(target, s, "score")
    # The likelier class costs log1p(exp(-|s|)), the other |s| more. All terms are >= 0, so nothing
    # cancels, as it would in softplus(s) - t s.
    unlikely = np.where(s < 0, t, 1 - t)
    gap = np.abs(s)
    with np.errstate(invalid="ignore"):
        nats = np.where(unlikely == 0, 0, unlikely * gap) + np.log1p(np.exp(-gap))
    return _in_base(nats, base, np.result_type(t, s))


def kl_divergence(p: ArrayLike, q: ArrayLike, *, axis: int = -1, base: float | None = None) -> Array:
    """Kullback-Leibler divergence `sum_k p_k log(p_k / q_k)` along `axis`.

    It is what predicting q costs beyond the entropy of p, which every prediction costs.

    Args:
        p: True distributions; the classes lie along `axis`.
        q: Predicted distributions, same shape.
        axis: The class axis.
        base: Of the logarithm; None for nats, 2 for bits.

    Returns:
        One number >= 0 per row, without `axis`; `inf` exactly where p has mass and q has none.

    Raises:
        ArgumentError: Shapes differ, a row is not a distribution, or `base` is not usable.

    Example:
        >>> kl_divergence([[1.0, 0.0]], [[0.25, 0.75]], base=2)
        array([2.])

    Reference: Cover and Thomas, Elements of Information Theory, 2006, section 2.3.
    """
    p = as_distributions(p, "p", axis)
    q = as_distributions(q, "q", axis)
    if p.shape != q.shape:
        raise ArgumentError(f"p and q must have the same shape; got {p.shape} and {q.shape}")
    # Two logarithms, because p / q may overflow. By Gibbs' inequality the sum is >= 0 until it is
    # rounded.
    nats = (xlogy(p, p) - xlogy(p, q)).sum(axis, dtype=np.float64)
    return _in_base(np.maximum(nats, 0), base, np.result_type(p, q))


def looks_like_probabilities(scores: ArrayLike, *, axis: int = -1) -> bool:
    """Whether every row is a distribution, so that what should be scores is probably a softmax of
    them.

    Scores of a model add up to 1 only by chance, to within the tolerance of `as_distributions` and
    in all rows at once. Round numbers chosen by hand, such as 1 and 0, may. A single probability of
    one of two classes cannot be distinguished from a score at all.

    Args:
        scores: At least one dimension; the classes lie along `axis`.
        axis: The class axis.

    Returns:
        False too where there is no row, or only one class.

    Raises:
        ArgumentError: `axis` does not exist.

    Example:
        >>> looks_like_probabilities([[2.0, 1.0], [0.3, 0.7]]), looks_like_probabilities([[0.2, 0.8], [0.3, 0.7]])
        (False, True)
    """
    array = as_floating(scores, "scores")
    _check_axis(array, "scores", axis)
    return array.size > 0 and array.shape[axis] > 1 and bool(_are_distributions(array, axis)[0].all())


def as_distributions(values: ArrayLike, name: str, axis: int = -1) -> Array:
    """Floating array whose entries along `axis` lie in [0, 1] and sum to 1.

    The sum may be off by the square root of the dtype's epsilon: 1.5e-8 in float64, 3.5e-4 in
    float32.

    Args:
        values: Probabilities, at least one dimension.
        name: What an error message calls them.
        axis: The class axis.

    Returns:
        The array (see `polytome.numerics.elementary.as_floating`), of the same shape.

    Raises:
        ArgumentError: `axis` does not exist, or a row is not a distribution.

    Example:
        >>> as_distributions([0.25, 0.75], "target")
        array([0.25, 0.75])
    """
    array = as_floating(values, name)
    _check_axis(array, name, axis)
    valid, total = _are_distributions(array, axis)
    if not valid.all():
        index, row = first_row(~valid)
        entries = np.moveaxis(array, axis, -1)[index]
        extent = f"entries from {entries.min()} to {entries.max()}, " if entries.size else "no entries, "
        raise ArgumentError(
            f"{name}: {row} is not a distribution: {extent}sum {total[index]:.10g}. "
            f"Probabilities lie in [0, 1] and sum to 1 along axis {axis} (scores become so by softmax)"
        )
    return array


def target_distributions(
    target: ArrayLike, shape: tuple[int, ...], axis: int = -1, dtype: DTypeLike = np.float64
) -> Array:
    """Checked target of predictions of the given shape, as distributions: class codes become
    one-hot rows.

    Args:
        target: Integer class codes, or distributions (module docstring).
        shape: Of the predictions.
        axis: Their class axis.
        dtype: For integers and booleans; a floating target keeps its own.

    Returns:
        Distributions of the given shape.

    Raises:
        ArgumentError: The shapes do not fit, a code is out of range, or a row is not a
            distribution.

    Example:
        >>> target_distributions([1, 0], (2, 3))
        array([[0., 1., 0.],
               [1., 0., 0.]])
    """
    array = np.asarray(target)
    without_classes = (*shape[:axis], *shape[axis:][1:])
    if array.shape == shape:
        return as_distributions(array.astype(dtype) if array.dtype.kind in "biu" else array, "target", axis)
    if array.shape != without_classes:
        raise ArgumentError(
            f"target: shape {array.shape} does not fit predictions of shape {shape}, classes on axis {axis}; "
            f"give class codes of shape {without_classes} or distributions of shape {shape}"
        )
    return np.moveaxis(one_hot(array, shape[axis], dtype), -1, axis)


def _check_axis(array: Array, name: str, axis: int) -> None:
    """Raises ArgumentError where there is no such axis."""
    if not -array.ndim <= axis < array.ndim:
        raise ArgumentError(f"{name}: shape {array.shape} has no axis {axis}")


def _are_distributions(array: Array, axis: int) -> tuple[Array, Array]:
    """Whether the entries along `axis` lie in [0, 1] and sum to 1, and what they sum to, without
    that axis."""
    tolerance = float(np.finfo(array.dtype).eps) ** 0.5
    with np.errstate(over="ignore", invalid="ignore"):
        total = array.sum(axis, dtype=np.float64)
        # With no entry below 0, a sum of 1 leaves none above 1.
        return (array >= 0).all(axis) & (np.abs(total - 1) <= tolerance), total


def _binary_target(target: ArrayLike, prediction: Array, name: str) -> Array:
    """Target in [0, 1] of the shape of the prediction; 0/1 integers and booleans take its dtype."""
    array = np.asarray(target)
    if array.shape != prediction.shape:
        raise ArgumentError(f"target and {name} must have the same shape; got {array.shape} and {prediction.shape}")
    return as_fractions(array.astype(prediction.dtype) if array.dtype.kind in "biu" else array, "target")


def _in_base(nats: Array, base: float | None, dtype: DTypeLike) -> Array:
    """Nats as units of `base` and of the given dtype; adding 0 turns -0.0 into 0.0."""
    if base is not None:
        if not (0 < base < math.inf) or base == 1:
            raise ArgumentError(
                f"base: {base} is not usable; give a finite number above 0 other than 1, or None for nats"
            )
        nats = nats / math.log(base)
    with np.errstate(over="ignore"):
        return np.asarray(nats + 0.0).astype(dtype)[()]
