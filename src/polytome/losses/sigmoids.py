"""Independent sigmoids: one binary cross-entropy for each output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from polytome.numerics import sigmoid
from polytome.numerics.exact_sums import exact_difference
from polytome.numerics.totals import class_totals

Array = NDArray[Any]

__all__ = ["IndependentSigmoids"]

_ROWS_IN_A_COPY = 2**20
"""Class codes of more rows are not copied to numbers of eight bytes."""


@dataclass(frozen=True)
class IndependentSigmoids:
    """Sum over outputs of the binary cross-entropy `softplus(z) - y z`, for labels that do not
    exclude each other.

    `target` holds 0, 1 or a probability per output, shape (n, n_outputs).

    Example:
        >>> IndependentSigmoids(2).value_and_gradient(np.zeros((1, 2)), np.array([[1, 0]]))[1]
        array([[-0.5,  0.5]])

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.2.
    """

    n_outputs: int
    separable = True
    smoothness = 0.25
    has_certificate = True
    is_cross_entropy = True
    self_concordance = 1.0
    largest_residual = 1.0

    def outputs_of(self, target: Array) -> slice | Array:
        """All of them."""
        return slice(None)

    def value_and_gradient(self, scores: Array, target: Array) -> tuple[Array, Array]:
        """`softplus(z) - y z` summed over outputs, and `p - y`, each in the form that does not
        cancel."""
        absent = 1.0 - target
        tail = np.log1p(np.exp(-np.abs(scores)))
        value = (target * np.maximum(-scores, 0) + absent * np.maximum(scores, 0) + tail).sum(axis=1)
        gradient = absent * sigmoid(scores) - target * sigmoid(-scores)
        return value, gradient

    def curvature(self, scores: Array, target: Array) -> tuple[Array, Array | None]:
        """`m = p (1 - p)` as `sigmoid(z) sigmoid(-z)`; no rank-one part."""
        return sigmoid(scores) * sigmoid(-scores), None

    def mean(self, scores: Array) -> Array:
        """`sigmoid(z)`, shape (n, n_outputs)."""
        return sigmoid(scores)

    def exact_residuals(self, scores: Array, target: Array) -> list[Array]:
        """`p - y`, where p is nearly one as the difference of two that are exact, `1 - y` and
        `1 - p`."""
        tail = sigmoid(-np.abs(scores))
        near, rest = exact_difference((scores > 0).astype(np.float64), target.astype(np.float64))
        return [np.where(scores > 0, -tail, tail), near, rest]

    def conjugate(self, dual: Array, target: Array) -> Array:
        """`q log q + (1 - q) log(1 - q)` summed over outputs, `q = dual + y`; `inf` outside [0,
        1]."""
        q = dual + target
        feasible = ((q >= -1e-12) & (q <= 1 + 1e-12)).all(axis=1)
        inside = np.clip(q, 0, 1)
        value = (xlogy(inside, inside) + xlogy(1 - inside, 1 - inside)).sum(axis=1)
        return np.where(feasible, value, np.inf)

    def null_scores(self, target: Array, weight: Array) -> Array:
        """Log odds of the mean target of each output."""
        if target.shape[1] == 1 and target.dtype.kind in "iu" and len(target) > _ROWS_IN_A_COPY:
            absent, present = class_totals(target[:, 0], weight, 2)[:, None]
        else:
            present, absent = weight @ target, weight @ (1.0 - target)
        with np.errstate(divide="ignore"):
            scores: Array = np.log(present) - np.log(absent)
        return scores

    def room(self, target: Array, weight: Array) -> Array:
        """The smaller of the mean target of each output and its complement to one."""
        if target.shape[1] == 1 and target.dtype.kind in "iu":  # half the time of two products
            absent, present = class_totals(target[:, 0], weight, 2)[:, None]
        else:
            present, absent = weight @ target, weight @ (1.0 - target)
        found: Array = np.minimum(present, absent) / weight.sum()
        return found

    def margin(self, scores: Array, target: Array) -> Array:
        """`z` where the target is 1, `-z` where it is 0."""
        return np.where(target == 1, scores, np.where(target == 0, -scores, -np.inf))

    def canonical(self, coefficients: Array) -> Array:
        """The coefficients themselves: no two give the same predictions."""
        return coefficients
