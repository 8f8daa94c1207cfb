"""What an objective asks of a penalty."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["Penalty", "by_column"]


class Penalty(Protocol):
    """A convex function of the feature coefficients `W`, shape (n_features, n_outputs); never of the intercept.

    It is the sum of a smooth quadratic part, `sum_jk quadratic_jk W_jk^2 / 2`, and of a rest that may have corners. An
    array over coefficients has their shape, or one that broadcasts to it: a float where all are alike, (n_features, 1)
    where each column has its own.
    """

    @property
    def quadratic(self) -> float | Array:
        """The curvature of the quadratic part, one number per coefficient: `modulus * weights`."""
        ...

    @property
    def modulus(self) -> float:
        """The penalty is strongly convex with this modulus in the norm `||sqrt(weights) W||`; 0 if in none."""
        ...

    @property
    def weights(self) -> float | Array:
        """What the penalty weighs each coefficient with; 0 for one that it leaves alone."""
        ...

    def value(self, coefficients: Array) -> float:
        """The penalty of the feature coefficients."""
        ...

    def prox(self, coefficients: Array, step: float) -> Array:
        """`argmin_V ||V - W||^2 / (2 step) + rest(V)`, the rest being the penalty without its quadratic part."""
        ...

    def conjugate(self, dual: Array) -> float:
        """The convex conjugate, `max_W <W, dual> - penalty(W)`; infinite where `dual` is not feasible."""
        ...

    def feasible_multiple(self, dual: Array) -> float:
        """The largest multiple of `dual`, from 0 to 1, at which the conjugate is finite."""
        ...

    def distance(self, gradient: Array, coefficients: Array) -> Array:
        """How far minus the loss's gradient is from the subdifferential at the coefficients, for each group of them.

        The groups are what the penalty sees as one: single coefficients, the rows of W, or several of these.
        """
        ...

    def dual_norm(self, gradient: Array) -> float:
        """The norm that is dual to `||sqrt(weights) W||`: of `gradient / sqrt(weights)`, where the weights are not 0.

        The quadratic part's share of a duality gap is its square over twice the modulus.
        """
        ...


def by_column(quadratic: float | Array) -> float | Array:
    """The quadratic part of one output's coefficients: a float, or shape (n_features,).

    Example:
        >>> by_column(0.5), by_column(np.array([[0.5], [0.0]]))
        (0.5, array([0.5, 0. ]))
    """
    return quadratic if isinstance(quadratic, float) else np.asarray(quadratic)[:, 0]
