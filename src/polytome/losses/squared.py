"""Half the squared error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.numerics.exact_sums import exact_difference

Array = NDArray[Any]

__all__ = ["Squared"]


@dataclass(frozen=True)
class Squared:
    """Squared loss `1/2 ||z - y||^2`: linear regression.

    `target` is a real number per output, shape (n, n_outputs), or (n,) for one output.

    Example:
        >>> Squared().value_and_gradient(np.array([[3.0]]), np.array([1.0]))
        (array([2.]), array([[2.]]))

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, section 3.1.
    """

    n_outputs: int = 1
    separable = True
    smoothness = 1.0
    has_certificate = True
    is_cross_entropy = False
    self_concordance = 0.0
    largest_residual = np.inf

    def outputs_of(self, target: Array) -> slice | Array:
        """All of them."""
        return slice(None)

    def value_and_gradient(self, scores: Array, target: Array) -> tuple[Array, Array]:
        """`1/2 ||z - y||^2` and `z - y`."""
        residual = scores - target.reshape(scores.shape)
        return 0.5 * (residual * residual).sum(axis=1), residual

    def curvature(self, scores: Array, target: Array) -> tuple[Array, Array | None]:
        """`m = 1`; no rank-one part."""
        return np.ones_like(scores), None

    def mean(self, scores: Array) -> Array:
        """The scores themselves."""
        return scores

    def exact_residuals(self, scores: Array, target: Array) -> list[Array]:
        """`z - y`."""
        return list(exact_difference(scores, target.reshape(scores.shape).astype(np.float64)))

    def conjugate(self, dual: Array, target: Array) -> Array:
        """`1/2 ||dual||^2 + <dual, y>`."""
        value: Array = (dual * (0.5 * dual + target.reshape(dual.shape))).sum(axis=1)
        return value

    def null_scores(self, target: Array, weight: Array) -> Array:
        """The weighted mean of the target."""
        scores: Array = weight @ target.reshape(len(target), -1) / weight.sum()
        return scores

    def room(self, target: Array, weight: Array) -> Array:
        """`1 / sqrt(n_outputs)`: every residual is possible, and adding c to those of all rows
        costs `||c||^2 / 2`."""
        return np.full(self.n_outputs, self.n_outputs**-0.5)

    def margin(self, scores: Array, target: Array) -> Array:
        """`-inf`: a real target has no right side."""
        return np.full(scores.shape, -np.inf)

    def canonical(self, coefficients: Array) -> Array:
        """The coefficients themselves."""
        return coefficients
