"""The softmax loss of K classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from polytome.numerics import softmax
from polytome.numerics.exact_sums import exact_difference, exact_products
from polytome.numerics.totals import class_totals

Array = NDArray[Any]

__all__ = ["Softmax"]


@dataclass(frozen=True)
class Softmax:
    """Softmax loss `log sum_k exp(z_k) - <y, z>` for K classes, one score each
    (symmetric parametrisation).

    `target` is an integer code 0..K-1 per row, shape (n,), or a row of probabilities (soft labels),
    shape (n, K).

    Example:
        >>> value, gradient = Softmax(3).value_and_gradient(np.zeros((1, 3)), np.array([0]))
        >>> value.round(4), gradient.round(3)
        (array([1.0986]), array([[-0.667,  0.333,  0.333]]))

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.4.
    """

    n_outputs: int
    separable = False
    smoothness = 0.5  # the largest eigenvalue of diag(p) - p p' is at most 1/2 (Boehning 1992)
    has_certificate = True
    is_cross_entropy = True
    self_concordance = 1.0
    largest_residual = 1.0

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
        # Where the true class has the largest score the loss is log(1 + others), and p_y - 1 is
        # minus the others: neither form cancels, however certain the prediction.
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
        frequency = class_totals(target, weight, self.n_outputs) if target.ndim == 1 else weight @ target
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
        """Coefficients whose rows sum to zero: adding a constant to all classes changes no
        prediction."""
        centred: Array = coefficients - coefficients.mean(axis=1, keepdims=True)
        return centred
