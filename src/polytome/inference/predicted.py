"""The probabilities of classes that coefficients make of columns, their sums over rows, and the
derivatives of these.

Reference: Agresti, Categorical Data Analysis, 2013, section 5.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.inference.ordered import class_probabilities
from polytome.numerics import sigmoid

Array = NDArray[Any]

__all__ = ["Multinomial", "Ordered", "probabilities_of"]


def probabilities_of(coefficients: Array, X: Array, n_classes: int, *, has_offset: bool, is_ordered: bool) -> Array:
    """The probability of each class for rows, (n, K).

    Args:
        coefficients: (n_equations, n_terms), as in a table.
        X: (n, d), with the intercept's column first and the offset last, where there are any; of
            ordered classes with a first one that is not used.
        n_classes: K.
        has_offset: whether there is an offset.
        is_ordered: whether the classes are ordered.

    Example:
        >>> probabilities_of(np.zeros((2, 1)), np.ones((1, 1)), 3, has_offset=False, is_ordered=False).round(2)
        array([[0.33, 0.33, 0.33]])
    """
    if is_ordered:
        return Ordered(coefficients[0], n_classes, has_offset).probabilities(X)
    return Multinomial(coefficients, has_offset).probabilities(X)


@dataclass(frozen=True, eq=False)
class Multinomial:
    """Probabilities of classes against the first.

    Attributes:
        beta: (n_equations, n_terms).
        has_offset: whether the columns end with the offset, whose coefficient is 1.
    """

    beta: Array
    has_offset: bool

    @property
    def n_classes(self) -> int:
        """K."""
        return len(self.beta) + 1

    @property
    def _whole(self) -> Array:
        return np.column_stack([self.beta, np.ones(len(self.beta))]) if self.has_offset else self.beta

    def probabilities(self, X: Array) -> Array:
        """Of each class, (n, K)."""
        return _probabilities(X, self._whole)

    def mean(self, weight: Array, X: Array) -> tuple[Array, Array]:
        """The sum of the probabilities of each class, and its derivatives."""
        beta = self._whole
        P, jacobian = _probabilities(X, beta), np.zeros((self.n_classes, *beta.shape))
        for m in range(1, self.n_classes):
            turned = P * ((np.arange(self.n_classes) == m) - P[:, [m]])
            jacobian[:, m - 1] = (turned * weight[:, None]).T @ X
        return weight @ P, self._flat(jacobian)

    def derivative(self, weight: Array, X: Array, slope: Array) -> tuple[Array, Array]:
        """The same of what the probabilities change by where columns change by a slope."""
        beta, K = self._whole, self.n_classes
        P, jacobian = _probabilities(X, beta), np.zeros((K, *beta.shape))
        own = np.column_stack([np.zeros(len(slope)), slope @ beta.T])
        away = own - (P * own).sum(axis=1, keepdims=True)
        for m in range(1, K):
            turned = P * ((np.arange(K) == m) - P[:, [m]])
            by_score = turned * away - P * (P[:, m] * away[:, m])[:, None]
            jacobian[:, m - 1] = (by_score * weight[:, None]).T @ X + (turned * weight[:, None]).T @ slope
        return weight @ (P * away), self._flat(jacobian)

    def _flat(self, jacobian: Array) -> Array:
        kept = jacobian[:, :, :-1] if self.has_offset else jacobian
        return kept.reshape(self.n_classes, -1)


@dataclass(frozen=True, eq=False)
class Ordered:
    """Probabilities of ordered classes: `P(class <= j) = sigmoid(t_j - x'b)`.

    Attributes:
        beta: the coefficients of the columns, which begin with one that is not used (the
            intercept's), then the thresholds t.
        n_classes: the classes.
        has_offset: whether the columns end with the offset, which is added to x'b.
    """

    beta: Array
    n_classes: int
    has_offset: bool

    def probabilities(self, X: Array) -> Array:
        """Of each class, (n, K)."""
        return class_probabilities(self._along(X), self.beta[self._n_slopes :])

    @property
    def _n_slopes(self) -> int:
        return len(self.beta) - (self.n_classes - 1)

    def _along(self, X: Array) -> Array:
        """`x'b` of columns, or of what they change by, with the offset."""
        own = X[:, 1 : 1 + self._n_slopes] @ self.beta[: self._n_slopes]
        return np.asarray(own + X[:, -1]) if self.has_offset else np.asarray(own)

    def mean(self, weight: Array, X: Array) -> tuple[Array, Array]:
        """The sum of the probabilities of each class, and its derivatives."""
        P = self.probabilities(X)
        X, _, first, _ = self._at(X)
        by_score = -np.diff(first, axis=1)
        jacobian = np.column_stack([(by_score * weight[:, None]).T @ X, self._by_thresholds(weight @ first[:, 1:-1])])
        return weight @ P, jacobian

    def derivative(self, weight: Array, X: Array, slope: Array) -> tuple[Array, Array]:
        """The same of what the probabilities change by where columns change by a slope."""
        change = self._along(slope)
        X, slope, first, second = self._at(X, slope)
        by_score, twice = -np.diff(first, axis=1), np.diff(second, axis=1)
        scaled = weight * change
        to_slopes = (twice * scaled[:, None]).T @ X + (by_score * weight[:, None]).T @ slope
        return scaled @ by_score, np.column_stack([to_slopes, -self._by_thresholds(scaled @ second[:, 1:-1])])

    def _at(self, X: Array, slope: Array | None = None) -> tuple[Array, Array, Array, Array]:
        """Columns without the intercept's, and the first and second derivatives of the sigmoid at
        each threshold, 0 beyond the outer ones."""
        own = slice(1, 1 + self._n_slopes)
        u = self.beta[self._n_slopes :] - self._along(X)[:, None]
        X = X[:, own]
        first = sigmoid(u) * sigmoid(-u)
        second = first * (sigmoid(-u) - sigmoid(u))
        nothing = np.zeros((len(X), 1))
        padded = [np.hstack([nothing, each, nothing]) for each in (first, second)]
        return X, X if slope is None else slope[:, own], padded[0], padded[1]

    def _by_thresholds(self, sums: Array) -> Array:
        """A threshold moves the classes below and above it against each other."""
        K = self.n_classes
        return np.asarray(np.eye(K, K - 1) * sums - np.eye(K, K - 1, -1) * sums)


def _probabilities(X: Array, beta: Array) -> Array:
    scores = np.column_stack([np.zeros(len(X)), X @ beta.T])
    scores -= scores.max(axis=1, keepdims=True)
    parts = np.exp(scores)
    probabilities: Array = parts / parts.sum(axis=1, keepdims=True)
    return probabilities
