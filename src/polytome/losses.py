"""The losses: functions of scores and targets alone.

Conventions. `scores` is `X @ W + b`, shape (n, n_outputs), float64. `target` holds one entry or row per row of scores
(see each class). All values are in nats per row, unweighted. A loss never sees features or coefficients.

The Hessian of every loss here, with respect to the scores of one row, is `diag(m) - u u'`. `curvature` returns the two
arrays, so that a solver can form products, diagonals or whole matrices without knowing which loss it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from polytome.exact_sums import exact_difference, exact_products
from polytome.numerics import sigmoid, softmax

Array = NDArray[Any]

__all__ = ["IndependentSigmoids", "Logistic", "Loss", "Softmax", "Squared"]


class Loss(Protocol):
    """What an objective asks of a loss: values, derivatives, the inverse link and the convex conjugate."""

    @property
    def n_outputs(self) -> int:
        """Number of scores per row."""
        ...

    @property
    def separable(self) -> bool:
        """Whether the loss is a sum over outputs, so that no output's score has to do with another's."""
        ...

    @property
    def smoothness(self) -> float:
        """A bound on the largest eigenvalue of the Hessian with respect to the scores of one row."""
        ...

    def outputs_of(self, target: Array) -> slice | Array:
        """The outputs that matter to rows of these targets; the methods below take scores of these, or of all."""
        ...

    def value_and_gradient(self, scores: Array, target: Array) -> tuple[Array, Array]:
        """Loss of each row, shape (n,), and its gradient with respect to the scores, shape (n, n_outputs)."""
        ...

    def curvature(self, scores: Array, target: Array) -> tuple[Array, Array | None]:
        """`m`, `u` of the Hessian `diag(m) - u u'` of each row; `u` is None where it is zero (separable losses)."""
        ...

    def mean(self, scores: Array) -> Array:
        """The predicted mean (the probabilities), shape (n, n_outputs)."""
        ...

    def exact_residuals(self, scores: Array, target: Array) -> list[Array]:
        """The gradient once more, as arrays of its shape that add up to it: only the mean in them is rounded."""
        ...

    def conjugate(self, dual: Array, target: Array) -> Array:
        """Convex conjugate of each row's loss at `dual`, shape (n,); `inf` outside its domain."""
        ...

    def null_scores(self, target: Array, weight: Array) -> Array:
        """The scores of the null model, the best intercept alone, shape (n_outputs,)."""
        ...

    def room(self, target: Array, weight: Array) -> Array:
        """How far one prediction for all rows can move the mean residual of each output to either side, (n_outputs,):
        what a dual point that is not quite feasible is made feasible with."""
        ...

    def margin(self, scores: Array, target: Array) -> Array:
        """How far each row is on its right side, for each output of a separable loss, shape (n, n_outputs), else for
        all of them, shape (n, 1); `-inf` where no side is right (soft labels)."""
        ...

    def canonical(self, coefficients: Array) -> Array:
        """The representative of least norm among coefficients that give the same predictions."""
        ...


@dataclass(frozen=True)
class Softmax:
    """Softmax loss `log sum_k exp(z_k) - <y, z>` for K classes, one score each (symmetric parametrisation).

    `target` is an integer code 0..K-1 per row, shape (n,), or a row of probabilities (soft labels), shape (n, K).

    Example:
        >>> value, gradient = Softmax(3).value_and_gradient(np.zeros((1, 3)), np.array([0]))
        >>> value.round(4), gradient.round(3)
        (array([1.0986]), array([[-0.667,  0.333,  0.333]]))

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.4.
    """

    n_outputs: int
    separable = False
    smoothness = 0.5  # the largest eigenvalue of diag(p) - p p' is at most 1/2 (Boehning 1992)

    def outputs_of(self, target: Array) -> slice | Array:
        """All of them."""
        return slice(None)

    def value_and_gradient(self, scores: Array, target: Array) -> tuple[Array, Array]:
        """`-log p_y` and `p - y`, with one exponential per score; shapes (n,) and (n, K)."""
        shifted = scores - scores.max(axis=1, keepdims=True)
        exponentials = np.exp(shifted)
        if target.ndim == 2:
            total = exponentials.sum(axis=1)
            likeliest = exponentials == 1.0
            likeliest &= likeliest.cumsum(axis=1) == 1
            # Neither the logarithm nor the products cancel, however sure the row.
            value = np.log1p(np.where(likeliest, 0.0, exponentials).sum(axis=1)) - (target * shifted).sum(axis=1)
            exponentials /= total[:, None]
            exponentials -= target
            return value, exponentials
        rows = np.arange(len(target))
        own = exponentials[rows, target]
        exponentials[rows, target] = 0.0
        others = exponentials.sum(axis=1)
        total = others + own
        # Where the true class has the largest score the loss is log(1 + others), and p_y - 1 is minus the others:
        # neither form cancels, however sure the row.
        value = np.where(own == 1.0, np.log1p(others), np.log(total) - shifted[rows, target])
        exponentials[rows, target] = -others
        exponentials /= total[:, None]
        return value, exponentials

    def curvature(self, scores: Array, target: Array) -> tuple[Array, Array | None]:
        """`m = u = p`: the Hessian of a row is `diag(p) - p p'`."""
        p = self.mean(scores)
        return p, p

    def mean(self, scores: Array) -> Array:
        """`softmax(z)`, shape (n, K)."""
        return softmax(scores, axis=1)

    def exact_residuals(self, scores: Array, target: Array) -> list[Array]:
        """`p - y`: p, the targets, and for soft labels what they lack to add up to one."""
        p = self.mean(scores)
        if target.ndim == 1:
            return [p, -np.eye(self.n_outputs)[target]]
        total, rest = np.zeros((len(target), 1)), np.zeros((len(target), 1))
        for column in target.T:
            total, left = exact_difference(total, -column[:, None])
            rest += left
        y = target / total
        product, lost = exact_products(y, total)
        return [p, -y, -((target - product - lost) - y * rest) / total]

    def conjugate(self, dual: Array, target: Array) -> Array:
        """`sum_k q_k log q_k` where `q = dual + y` is a distribution, else `inf`."""
        q = dual + (target if target.ndim == 2 else np.eye(self.n_outputs)[target])
        feasible = (q >= -1e-12).all(axis=1) & (np.abs(q.sum(axis=1) - 1) <= 1e-9)
        return np.where(feasible, xlogy(np.maximum(q, 0), np.maximum(q, 0)).sum(axis=1), np.inf)

    def null_scores(self, target: Array, weight: Array) -> Array:
        """`log` of the class frequencies, shifted to sum to zero."""
        with np.errstate(divide="ignore"):
            scores = np.log(self.room(target, weight))
        centred: Array = scores - scores.mean()
        return centred

    def room(self, target: Array, weight: Array) -> Array:
        """The frequency of each class."""
        if target.ndim == 1:
            frequency = np.bincount(target, weights=weight, minlength=self.n_outputs)
        else:
            frequency = weight @ target
        found: Array = frequency / frequency.sum()
        return found

    def margin(self, scores: Array, target: Array) -> Array:
        """The score of the true class minus the largest other one."""
        if target.ndim == 2:
            return np.full((len(scores), 1), -np.inf)
        rows = np.arange(len(target))
        others = scores.copy()
        others[rows, target] = -np.inf
        margin: Array = scores[rows, target] - others.max(axis=1)
        return margin[:, None]

    def canonical(self, coefficients: Array) -> Array:
        """Coefficients whose rows sum to zero: adding a constant to all classes changes no prediction."""
        centred: Array = coefficients - coefficients.mean(axis=1, keepdims=True)
        return centred


@dataclass(frozen=True)
class IndependentSigmoids:
    """Sum over outputs of the binary cross-entropy `softplus(z) - y z`, for labels that do not exclude each other.

    `target` holds 0, 1 or a probability per output, shape (n, n_outputs).

    Example:
        >>> IndependentSigmoids(2).value_and_gradient(np.zeros((1, 2)), np.array([[1, 0]]))[1]
        array([[-0.5,  0.5]])

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.2.
    """

    n_outputs: int
    separable = True
    smoothness = 0.25

    def outputs_of(self, target: Array) -> slice | Array:
        """All of them."""
        return slice(None)

    def value_and_gradient(self, scores: Array, target: Array) -> tuple[Array, Array]:
        """`softplus(z) - y z` summed over outputs, and `p - y`, each in the form that does not cancel."""
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
        """`p - y`, where p is nearly one as the difference of two that are exact, `1 - y` and `1 - p`."""
        tail = sigmoid(-np.abs(scores))
        near, rest = exact_difference((scores > 0).astype(np.float64), target.astype(np.float64))
        return [np.where(scores > 0, -tail, tail), near, rest]

    def conjugate(self, dual: Array, target: Array) -> Array:
        """`q log q + (1 - q) log(1 - q)` summed over outputs, `q = dual + y`; `inf` outside [0, 1]."""
        q = dual + target
        feasible = ((q >= -1e-12) & (q <= 1 + 1e-12)).all(axis=1)
        inside = np.clip(q, 0, 1)
        value = (xlogy(inside, inside) + xlogy(1 - inside, 1 - inside)).sum(axis=1)
        return np.where(feasible, value, np.inf)

    def null_scores(self, target: Array, weight: Array) -> Array:
        """Log-odds of the mean target of each output."""
        with np.errstate(divide="ignore"):
            scores: Array = np.log(weight @ target) - np.log(weight @ (1.0 - target))
        return scores

    def room(self, target: Array, weight: Array) -> Array:
        """The smaller of the mean target of each output and its complement to one."""
        present, absent = weight @ target, weight @ (1.0 - target)
        found: Array = np.minimum(present, absent) / weight.sum()
        return found

    def margin(self, scores: Array, target: Array) -> Array:
        """`z` where the target is 1, `-z` where it is 0."""
        return np.where(target == 1, scores, np.where(target == 0, -scores, -np.inf))

    def canonical(self, coefficients: Array) -> Array:
        """The coefficients themselves: no two give the same predictions."""
        return coefficients


@dataclass(frozen=True)
class Logistic:
    """Logistic loss `softplus(z) - y z` of one score: binary logistic regression.

    `target` is 0, 1 or the probability of class 1, shape (n,).

    Example:
        >>> value, gradient = Logistic().value_and_gradient(np.zeros((1, 1)), np.array([1]))
        >>> value.round(4), gradient
        (array([0.6931]), array([[-0.5]]))

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.2.
    """

    n_outputs = 1
    separable = True
    smoothness = 0.25

    # One sigmoid output: the arithmetic is that of `IndependentSigmoids(1)`, targets reshaped to one column.

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
        """Log-odds of the mean target, shape (1,)."""
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
        """One: no residual is out of reach, and the same change to all of them moves the mean as far."""
        return np.ones(self.n_outputs)

    def margin(self, scores: Array, target: Array) -> Array:
        """`-inf`: a real target has no right side."""
        return np.full(scores.shape, -np.inf)

    def canonical(self, coefficients: Array) -> Array:
        """The coefficients themselves."""
        return coefficients
