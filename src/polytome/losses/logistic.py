"""The logistic loss of two classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from polytome.losses.sigmoids import IndependentSigmoids

Array = NDArray[Any]

__all__ = ["Logistic"]


@dataclass(frozen=True)
class Logistic:
    """Logistic loss `softplus(z) - y z` of one score: binary logistic regression.

    `target` is 0, 1 or the probability of class 1, shape (n,).

    Example:
        >>> import numpy as np
        >>> value, gradient = Logistic().value_and_gradient(np.zeros((1, 1)), np.array([1]))
        >>> value.round(4), gradient
        (array([0.6931]), array([[-0.5]]))

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.2.
    """

    n_outputs = 1
    separable = True
    smoothness = 0.25
    has_certificate = True
    is_cross_entropy = True
    self_concordance = 1.0
    largest_residual = 1.0

    # One sigmoid output: the arithmetic is that of `IndependentSigmoids(1)`, targets reshaped to
    # one column.

    def outputs_of(self, target: Array) -> slice | Array:
        """All of them."""
        return slice(None)

    def value_and_gradient(self, scores: Array, target: Array) -> tuple[Array, Array]:
        """`softplus(z) - y z`, shape (n,), and `sigmoid(z) - y`, shape (n, 1)."""
        return _ONE_SIGMOID.value_and_gradient(scores, target[:, None])

    def curvature(self, scores: Array, target: Array) -> tuple[Array, Array | None]:
        """`m = p (1 - p)`; no rank-one part."""
        return _ONE_SIGMOID.curvature(scores, target)

    def mean(self, scores: Array) -> Array:
        """`sigmoid(z)`, shape (n, 1)."""
        return _ONE_SIGMOID.mean(scores)

    def exact_residuals(self, scores: Array, target: Array) -> list[Array]:
        """`p - y`."""
        return _ONE_SIGMOID.exact_residuals(scores, target[:, None])

    def conjugate(self, dual: Array, target: Array) -> Array:
        """Minus the binary entropy of `q = dual + y`; `inf` outside [0, 1]."""
        return _ONE_SIGMOID.conjugate(dual, target[:, None])

    def null_scores(self, target: Array, weight: Array) -> Array:
        """Log odds of the mean target, shape (1,)."""
        return _ONE_SIGMOID.null_scores(target[:, None], weight)

    def room(self, target: Array, weight: Array) -> Array:
        """The smaller of the mean target and its complement to one, shape (1,)."""
        return _ONE_SIGMOID.room(target[:, None], weight)

    def margin(self, scores: Array, target: Array) -> Array:
        """`z` where the target is 1, `-z` where it is 0."""
        return _ONE_SIGMOID.margin(scores, target[:, None])

    def canonical(self, coefficients: Array) -> Array:
        """The coefficients themselves."""
        return coefficients


_ONE_SIGMOID = IndependentSigmoids(1)
