"""Products and sums of float64 numbers that are free of rounding, but for the last.

References: Dekker, A floating-point technique for extending the available precision, Numerische Mathematik 18, 1971
(products); Knuth, The Art of Computer Programming, volume 2, section 4.2.2 (differences); Shewchuk, Adaptive precision
floating-point arithmetic and fast robust geometric predicates, Discrete and Computational Geometry 18, 1997 (sums).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.rounding import UNIT

Array = NDArray[Any]

__all__ = ["Sums", "exact_products", "exact_sums"]

_SPLITTER = 2.0**27 + 1


@dataclass(frozen=True)
class Sums:
    """Weighted sums over the rows: of columns times residuals (n_features, n_outputs), of residuals (n_outputs,), and
    by how much each may be off."""

    features: Array
    features_off: Array
    mean: Array
    mean_off: Array


def exact_products(a: Array, b: Array) -> tuple[Array, Array]:
    """Products of float64 numbers and what their rounding has left out: `a b` is exactly the sum of both.

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


def exact_sums(X: Array, centre: Array, weight: Array, residual: Array, likeliest: Array | None) -> Sums:
    """Weighted sums over rows of their residuals, and of centred columns times residuals.

    Args:
        X: shape (n, n_features), float64.
        centre: what is subtracted from each column, shape (n_features,).
        weight: shape (n,).
        residual: shape (n, n_outputs).
        likeliest: an output of each row whose residual is minus what the others have, and is added up as such; None
            where the outputs have nothing to do with each other.

    Example:
        >>> found = exact_sums(np.array([[1e16], [1.0]]), np.zeros(1), np.ones(2), np.array([[1.0], [1.0]]), None)
        >>> found.features.item(), found.mean.item()
        (1e+16, 2.0)
    """
    (n, n_outputs), n_features = residual.shape, X.shape[1]
    parts = residual[:, :, None]
    if likeliest is not None:
        parts = np.zeros((n, n_outputs, n_outputs))
        parts[:, np.arange(n_outputs), np.arange(n_outputs)] = residual
        parts[np.arange(n), likeliest] = -residual
        parts[np.arange(n), likeliest, likeliest] = 0.0
    high, low = exact_products(weight[:, None, None], parts)
    features = np.zeros((n_features, n_outputs))
    mean, most = np.zeros(n_outputs), np.zeros_like(features)
    centred = X - centre
    shifted = centred - X
    lost = (X - (centred - shifted)) - (centre + shifted)  # X - centre is exactly centred + lost
    for k in range(n_outputs):
        mean[k] = math.fsum([*high[:, k].ravel().tolist(), *low[:, k].ravel().tolist()])
        for j in range(n_features):
            x, rest = centred[:, j, None], lost[:, j, None]
            product, left = exact_products(x, high[:, k])
            terms = [product, left, x * low[:, k], rest * high[:, k]]
            features[j, k] = math.fsum(np.concatenate([term.ravel() for term in terms]).tolist())
            most[j, k] = np.abs(product).sum()
    # Two products of what is left are rounded; and each sum is, once.
    return Sums(features, 8 * UNIT * UNIT * most + UNIT * np.abs(features), mean, UNIT * np.abs(mean))
