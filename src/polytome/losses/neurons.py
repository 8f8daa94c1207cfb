"""The losses of the classical neurons: the perceptron's, and the squared error of a sigmoid.

Both take one score per row and the labels 0 and 1, and both lead to models without a certificate
(`has_certificate`): `polytome.solvers.train` makes a number of epochs with them, `minimize` refuses
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.losses import Logistic
from polytome.numerics import sigmoid

Array = NDArray[Any]

__all__ = ["PerceptronLoss", "SquaredSigmoid"]

_LOGISTIC = Logistic()


class _OneOutput:
    """What losses of one score and of the labels 0 and 1 have alike."""

    n_outputs = 1
    separable = True
    has_certificate = False

    def outputs_of(self, target: Array) -> slice | Array:
        """All of them."""
        return slice(None)

    def room(self, target: Array, weight: Array) -> Array:
        """The smaller of the mean target and its complement to one, shape (1,)."""
        return _LOGISTIC.room(target, weight)

    def margin(self, scores: Array, target: Array) -> Array:
        """`z` where the target is 1, `-z` where it is 0."""
        return _LOGISTIC.margin(scores, target)

    def canonical(self, coefficients: Array) -> Array:
        """The coefficients themselves."""
        return coefficients


@dataclass(frozen=True)
class PerceptronLoss(_OneOutput):
    """Perceptron loss `(step(z) - y) z`, where `step(z)` is 1 for `z > 0`, else 0: how wrong the
    score is, 0 if right.

    Its gradient `step(z) - y` makes descent with rate 1, one row at a time, Rosenblatt's rule: add
    a row that should have been 1, subtract one that should have been 0. A score of 0 predicts 0, so
    for `y = 1` it is an error although the loss there is 0.

    The loss is convex and has a conjugate, but no smoothness (`inf`), and coefficients of zero
    minimise it whatever the data. A distance from that minimum says nothing about a classifier, so
    there is no certificate; what is proved about the rule is a bound on its errors
    (`polytome.models.neurons.perceptron_bound`).

    `target` is 0 or 1, shape (n,).

    Example:
        >>> value, gradient = PerceptronLoss().value_and_gradient(np.array([[-2.0], [0.0], [3.0]]), np.array([1, 1, 1]))
        >>> value, gradient.ravel()
        (array([2., 0., 0.]), array([-1., -1.,  0.]))

    Reference: Rosenblatt, The perceptron, Psychological Review 65, 1958.
    """

    smoothness = np.inf
    has_certificate = False
    is_cross_entropy = False
    self_concordance = None
    largest_residual = 1.0

    def value_and_gradient(self, scores: Array, target: Array) -> tuple[Array, Array]:
        """`(step(z) - y) z`, shape (n,), and `step(z) - y`, shape (n, 1)."""
        error = self.mean(scores) - target[:, None]
        return np.abs(error * scores)[:, 0], error  # no -0 for an error at z = 0

    def curvature(self, scores: Array, target: Array) -> tuple[Array, Array | None]:
        """Zeros: the loss is linear on both sides of its kink."""
        return np.zeros_like(scores), None

    def mean(self, scores: Array) -> Array:
        """`step(z)`: 1 where the score is positive, else 0, shape (n, 1)."""
        return (scores > 0).astype(np.float64)

    def exact_residuals(self, scores: Array, target: Array) -> list[Array]:
        """The gradient itself: this loss has no certificate that would want more."""
        return [self.value_and_gradient(scores, target)[1]]

    def conjugate(self, dual: Array, target: Array) -> Array:
        """0 where `q = dual + y` lies in [0, 1], else `inf`."""
        q = dual[:, 0] + target
        return np.where((q >= 0) & (q <= 1), 0.0, np.inf)

    def null_scores(self, target: Array, weight: Array) -> Array:
        """Zero, where every loss is 0."""
        return np.zeros(1)


@dataclass(frozen=True)
class SquaredSigmoid(_OneOutput):
    """Squared error of a probability, `(sigmoid(z) - y)^2`: the Brier score of one output.

    The loss is bounded by 1 and not convex: far on the wrong side it flattens, its gradient
    vanishes, and descent hardly moves. Its conjugate is infinite except at 0, so Fenchel's
    inequality proves nothing and there is no certificate. `Logistic` is the convex loss of the same
    probabilities.

    `target` is 0, 1 or a probability of class 1, shape (n,).

    Example:
        >>> SquaredSigmoid().value_and_gradient(np.zeros((1, 1)), np.array([1]))
        (array([0.25]), array([[-0.25]]))

    Reference: Brier, Verification of forecasts expressed in terms of probability, Monthly Weather
    Review 78, 1950.
    """

    smoothness = 0.15407  # 2 a^2 (1 - a) (2 - 3a) at a = (15 - sqrt(33)) / 24, rounded up
    has_certificate = False
    is_cross_entropy = False
    self_concordance = None
    largest_residual = 1.0

    def value_and_gradient(self, scores: Array, target: Array) -> tuple[Array, Array]:
        """`(a - y)^2`, shape (n,), and `2 (a - y) a (1 - a)`, shape (n, 1), with
        `a = sigmoid(z)`."""
        present, absent = sigmoid(scores), sigmoid(-scores)  # 1 - a would lose all digits near a = 1
        y = target[:, None]
        error = (1.0 - y) * present - y * absent
        return (error * error)[:, 0], 2.0 * error * present * absent

    def curvature(self, scores: Array, target: Array) -> tuple[Array, Array | None]:
        """`m = 2 (a (1 - a))^2`, the Gauss-Newton part; the rest of the second derivative may be
        negative."""
        slope = sigmoid(scores) * sigmoid(-scores)
        return 2.0 * slope * slope, None

    def mean(self, scores: Array) -> Array:
        """`sigmoid(z)`, shape (n, 1)."""
        return sigmoid(scores)

    def exact_residuals(self, scores: Array, target: Array) -> list[Array]:
        """The gradient itself: this loss has no certificate that would want more."""
        return [self.value_and_gradient(scores, target)[1]]

    def conjugate(self, dual: Array, target: Array) -> Array:
        """0 at 0 and `inf` elsewhere, as for every bounded loss whose infimum is 0."""
        return np.where(dual[:, 0] == 0, 0.0, np.inf)

    def null_scores(self, target: Array, weight: Array) -> Array:
        """Log odds of the mean target, shape (1,): the mean is the best constant for squared errors
        too."""
        return _LOGISTIC.null_scores(target, weight)
