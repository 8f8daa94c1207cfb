"""What an objective asks of a penalty."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["Penalty", "by_column"]


class Penalty(Protocol):
    """A convex function of the feature coefficients `W`, shape (n_features, n_outputs); never of
    the intercept.

    It is the sum of two parts, and least, with the value 0, where all coefficients are 0, unless
    they have bounds that exclude that:

        penalty(W) = sum_jk quadratic_jk W_jk^2 / 2 + rest(W)

    The quadratic part is all that a gradient or a Hessian of an objective holds of the penalty. The
    rest is any other convex function, with corners or without, such as a sum of absolute values or
    of lengths of groups. It is known by its values and its `prox` alone, and a penalty that has one
    says so (`has_rest`): solvers that go by gradients would miss it, so `minimize` refuses them for
    it, and certificates ask for `fenchel_gap` instead.

    An array over coefficients has their shape, or one that broadcasts to it: a float where all are
    alike, (n_features,
    1) where each column has its own. A sum over coefficients may be off by as many roundings as it
    has terms; so may the conjugate, at a dual that is itself off by some units in the last place.

    Every objective asks for `quadratic`, `value`, `modulus`, `weights` and `dual_norm`; the driver
    and certificates for `conjugate` and `fenchel_gap`; the dual value for `feasible_multiple`;
    `prox` and `distance` are a solver's step, and how far each group is from optimal; `centre` is
    asked for where one number can be added to all coefficients of a column without a change of
    predictions. The tests hold all of them to each other.
    """

    @property
    def is_nothing(self) -> bool:
        """Whether it is 0 for all coefficients, so that there is no penalty at all."""
        ...

    @property
    def has_rest(self) -> bool:
        """Whether there is more to it than the quadratic part; where there is not, and it is not
        nothing, the modulus is positive."""
        ...

    @property
    def is_rotation_invariant(self) -> bool:
        """Whether `penalty(Q W) = penalty(W)` for every orthogonal Q: a solver may then turn the
        columns."""
        ...

    @property
    def text(self) -> str:
        """The formula with its numbers, such as `0.5/2 ||W||^2`."""
        ...

    @property
    def quadratic(self) -> float | Array:
        """The curvature of the quadratic part, one number per coefficient: `modulus * weights`,
        where the modulus is not 0."""
        ...

    @property
    def modulus(self) -> float:
        """The penalty is strongly convex with this modulus in the norm `||sqrt(weights) W||`; 0 if
        in none."""
        ...

    @property
    def weights(self) -> float | Array:
        """What the penalty weighs each coefficient with; 0 for one that it leaves alone."""
        ...

    def value(self, coefficients: Array) -> float:
        """The penalty of the feature coefficients."""
        ...

    def prox(self, coefficients: Array, step: float) -> Array:
        """`argmin_V ||V - W||^2 / (2 step) + rest(V)`, the rest being the penalty without its
        quadratic part."""
        ...

    def conjugate(self, dual: Array) -> float:
        """The convex conjugate, `max_W <W, dual> - penalty(W)`; infinite where `dual` is not
        feasible."""
        ...

    def feasible_multiple(self, dual: Array) -> float:
        """The largest multiple of `dual`, from 0 to 1, at which the conjugate is finite; rounded
        down."""
        ...

    def distance(self, gradient: Array, coefficients: Array) -> Array:
        """How far minus the loss's gradient is from the subdifferential at the coefficients, for
        each group of them.

        The groups are what the penalty sees as one: single coefficients, the rows of W, or several
        of these. The distance is Euclidean, so that the square root of the sum of its squares is
        that of all coefficients.
        """
        ...

    def dual_norm(self, gradient: Array) -> float:
        """The norm that is dual to `||sqrt(weights) W||`: of `gradient / sqrt(weights)`, where the
        weights are not 0.

        For a penalty without a rest, its square over twice the modulus is the penalty's share of a
        duality gap.
        """
        ...

    def fenchel_gap(self, coefficients: Array, gradient: Array, error: Array, largest: float) -> float:
        """A bound, rounding included, on `penalty(W) + max_V (<V, -G> - penalty(V)) + <W, G>`: its
        share of a duality gap.

        The maximum needs to be only over V of no larger penalty than `largest`, among which the
        minimum of the objective is.

        Args:
            coefficients: W.
            gradient: near G, that of the loss alone; for coefficients without a weight G is 0, and
                nothing is read here.
            error: G differs from it by no more than that, entry by entry.
            largest: no smaller than the penalty of W.
        """
        ...

    def centre(self, coefficients: Array) -> Array:
        """What makes the penalty of each column smallest where it is subtracted from all its
        coefficients, (n_features, 1)."""
        ...


def by_column(quadratic: float | Array) -> float | Array:
    """The quadratic part of one output's coefficients: a float, or shape (n_features,).

    Example:
        >>> by_column(0.5), by_column(np.array([[0.5], [0.0]]))
        (0.5, array([0.5, 0. ]))
    """
    return quadratic if isinstance(quadratic, float) else np.asarray(quadratic)[:, 0]
