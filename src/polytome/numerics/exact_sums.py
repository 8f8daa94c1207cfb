"""Products and sums of float64 numbers that are free of rounding, but for the last.

References: Dekker, A floating-point technique for extending the available precision, Numerische
Mathematik 18, 1971 (products); Knuth, The Art of Computer Programming, volume 2, section 4.2.2
(differences); Shewchuk, Adaptive precision floating-point arithmetic and fast robust geometric
predicates, Discrete and Computational Geometry 18, 1997 (sums).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["UNIT", "ExactSums", "exact_difference", "exact_products", "exact_scores", "exact_sums", "growth"]

UNIT = 2.0**-53
"""The unit roundoff of float64: each operation is off by at most this, relative to its result."""
_SPLITTER = 2.0**27 + 1


def growth(n: float) -> float:
    """`n u / (1 - n u)`: the relative error of n roundings one after the other; infinite where n is
    too large for a bound.

    Example:
        >>> growth(1) == UNIT / (1 - UNIT)
        True
    """
    return n * UNIT / (1 - n * UNIT) if n * UNIT < 0.5 else np.inf


@dataclass(frozen=True)
class ExactSums:
    """Weighted sums over the rows: of columns times residuals (n_features, n_outputs), of residuals
    (n_outputs,), and by how much each may be off."""

    features: Array
    features_error: Array
    mean: Array
    mean_error: Array


def exact_difference(a: Array, b: Array) -> tuple[Array, Array]:
    """Differences of float64 numbers and what their rounding has left out: `a - b` is exactly the
    sum of both.

    Example:
        >>> difference, rest = exact_difference(np.array([1.0]), np.array([1e-20]))
        >>> float(difference[0]), float(rest[0])
        (1.0, -1e-20)
    """
    difference: Array = a - b
    shifted = difference - a
    rest: Array = (a - (difference - shifted)) - (b + shifted)
    return difference, rest


def exact_products(a: Array, b: Array) -> tuple[Array, Array]:
    """Products of float64 numbers and what their rounding has left out: `a b` is exactly the sum of
    both.

    Example:
        >>> product, rest = exact_products(np.array([0.1]), np.array([3.0]))
        >>> float(product[0]), float(rest[0])
        (0.30000000000000004, -2.7755575615628914e-17)
    """
    product: Array = a * b
    a_high, b_high = _high(a), _high(b)
    a_low, b_low = a - a_high, b - b_high
    rest: Array = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, rest


def _high(a: Array) -> Array:
    """The upper 26 bits of each number."""
    large = _SPLITTER * a
    high: Array = large - (large - a)
    return high


def exact_scores(X: Array, coefficients: Array, intercept: Array, less: Array | None = None) -> Array:
    """Scores of rows, free of rounding but for the last, (n, n_outputs).

    Args:
        X: shape (n, n_features).
        coefficients: shape (n_features, n_outputs).
        intercept: shape (n_outputs,).
        less: an output of each row whose score is subtracted from those of all, (n,); None for no
            such thing.

    Example:
        >>> X, W = np.array([[1e16, 1.0]]), np.array([[1.0, 1.0], [3.0, 0.5]])
        >>> exact_scores(X, W, np.zeros(2), np.array([1])).tolist()
        [[2.5, 0.0]]
    """
    each = []
    for k in range(coefficients.shape[1]):
        products = exact_products(X, coefficients[:, k])
        each.append(np.hstack([*products, np.full((len(X), 1), intercept[k])]))
    terms = np.stack(each, axis=1)
    if less is not None:
        own = np.take_along_axis(terms, less[:, None, None], 1)
        terms = np.concatenate([terms, np.broadcast_to(-own, terms.shape)], axis=2)
    return np.array([[math.fsum(score) for score in row] for row in terms.tolist()]).reshape(terms.shape[:2])


def exact_sums(X: tuple[Array, Array], weight: Array, parts: list[Array], likeliest: Array | None) -> ExactSums:
    """Weighted sums over rows of their residuals, and of columns times residuals.

    Args:
        X: two floats for each entry, (n, n_features) each, the second no more than the rounding of
            the first.
        weight: shape (n,).
        parts: what residuals are the sums of, each of shape (n, n_outputs).
        likeliest: an output of each row whose residual is minus what the others have; None where
            the outputs have nothing to do with each other.

    Example:
        >>> X = np.array([[1e16], [1.0]]), np.zeros((2, 1))
        >>> found = exact_sums(X, np.ones(2), [np.ones((2, 1))], None)
        >>> found.features.item(), found.mean.item()
        (1e+16, 2.0)
    """
    n_features, n_outputs = X[0].shape[1], parts[0].shape[1]
    features = np.zeros((n_features, n_outputs))
    mean, most = np.zeros(n_outputs), np.zeros_like(features)
    for k in range(n_outputs):
        rows, values = _residuals_of(parts, likeliest, k)
        high, low = exact_products(weight[rows], values)
        mean[k] = math.fsum([*high.tolist(), *low.tolist()])
        for j in range(n_features):
            x, rest = X[0][rows, j], X[1][rows, j]
            product, left = exact_products(x, high)
            terms = [product, left, x * low, rest * high]
            features[j, k] = math.fsum(np.concatenate(terms).tolist())
            most[j, k] = np.abs(product).sum()
    # Two products of what is left are rounded; and each sum is, once.
    return ExactSums(features, 8 * UNIT * UNIT * most + UNIT * np.abs(features), mean, UNIT * np.abs(mean))


def _residuals_of(parts: list[Array], likeliest: Array | None, output: int) -> tuple[Array, Array]:
    """Rows and numbers that add up to an output's residuals."""
    rows, values = [], []
    for part in parts:
        if likeliest is None:
            signed = part[:, [output]]
        else:
            signed = np.where((likeliest == output)[:, None], -part, 0.0)
            signed[:, output] = np.where(likeliest == output, 0.0, part[:, output])
        at, which = np.nonzero(signed)
        rows.append(at)
        values.append(signed[at, which])
    return np.concatenate(rows), np.concatenate(values)
