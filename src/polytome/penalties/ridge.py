"""The ridge penalty: squares of the coefficients, all alike or each column's with a weight of its
own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError

Array = NDArray[Any]

__all__ = ["L2", "WeightedL2"]

_ROUNDED_UP = 1 + 2.0**-50  # more than a division and a root can have lost


@dataclass(frozen=True)
class L2:
    """Ridge penalty `strength / 2 * ||W||^2` on the mean-loss scale:
    `C = 1 / (strength * sum of weights)`.

    Args:
        strength: positive and finite.

    Raises:
        ArgumentError: the strength is not positive and finite.

    Example:
        >>> L2(0.5).value(np.array([[2.0], [1.0]]))
        1.25

    Reference: Hoerl and Kennard, Ridge regression, Technometrics 12, 1970.
    """

    strength: float
    is_nothing: ClassVar[bool] = False
    has_rest: ClassVar[bool] = False
    is_rotation_invariant: ClassVar[bool] = True
    weights: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        _check_strength("L2", self.strength)

    @property
    def text(self) -> str:
        """`strength/2 ||W||^2`."""
        return f"{self.strength:.6g}/2 ||W||^2"

    @property
    def quadratic(self) -> float:
        """The strength."""
        return self.strength

    @property
    def modulus(self) -> float:
        """The strength."""
        return self.strength

    def value(self, coefficients: Array) -> float:
        """`strength / 2 * ||W||^2`."""
        return 0.5 * self.strength * float(np.vdot(coefficients, coefficients))

    def prox(self, coefficients: Array, step: float) -> Array:
        """The coefficients: there is no rest."""
        return coefficients

    def conjugate(self, dual: Array) -> float:
        """`||dual||^2 / (2 strength)`."""
        return float(np.vdot(dual, dual)) / (2 * self.strength)

    def feasible_multiple(self, dual: Array) -> float:
        """1: every dual point is feasible."""
        return 1.0

    def distance(self, gradient: Array, coefficients: Array) -> Array:
        """`|gradient + strength W|`, for each coefficient."""
        distance: Array = np.abs(gradient + self.strength * coefficients)
        return distance

    def dual_norm(self, gradient: Array) -> float:
        """The Frobenius norm."""
        return float(np.linalg.norm(gradient))

    def fenchel_gap(self, coefficients: Array, gradient: Array, error: Array, largest: float) -> float:
        """`||G + strength W||^2 / (2 strength)` in the dual norm, at the most that the error
        allows."""
        return _fenchel_gap(self, coefficients, gradient, error)

    def centre(self, coefficients: Array) -> Array:
        """The mean."""
        return np.asarray(coefficients.mean(axis=1, keepdims=True))


@dataclass(frozen=True, eq=False)
class WeightedL2:
    """Ridge penalty `strength / 2 * sum_j weights_j ||W_j||^2`; a column of weight 0 is not
    penalised at all.

    Weight w is what dividing the column by `sqrt(w)` would be; a weight of 0 has no such
    counterpart.

    Args:
        strength: positive and finite.
        weights: one for each column, finite, zero or more, not all of them zero; kept as
            (n_features, 1).

    Raises:
        ArgumentError: the strength or a weight cannot be used.

    Example:
        >>> penalty = WeightedL2(0.5, [1.0, 4.0, 0.0])
        >>> penalty.value(np.array([[2.0], [1.0], [9.0]]))
        2.0
        >>> round(penalty.conjugate(np.array([[1.0], [2.0], [0.0]])), 9), penalty.conjugate(np.ones((3, 1)))
        (2.0, inf)

    Reference: Friedman, Hastie and Tibshirani, Regularization paths for generalized linear models
    via coordinate descent, Journal of Statistical Software 33, 2010, section 2.6 (penalty factors).
    """

    strength: float
    weights: Array
    is_nothing: ClassVar[bool] = False
    has_rest: ClassVar[bool] = False
    is_rotation_invariant: ClassVar[bool] = False

    def __init__(self, strength: float, weights: ArrayLike) -> None:
        _check_strength("WeightedL2", strength)
        column = np.asarray(weights, dtype=np.float64).reshape(-1, 1)
        if not (np.isfinite(column).all() and (column >= 0).all() and column.any()):
            raise ArgumentError(
                "WeightedL2(weights=...): needs finite numbers, zero or more, not all of them zero; for no penalty use "
                "NoPenalty()"
            )
        object.__setattr__(self, "strength", strength)
        object.__setattr__(self, "weights", column)

    @property
    def text(self) -> str:
        """`strength/2 sum_j w_j ||W_j||^2`."""
        return f"{self.strength:.6g}/2 sum_j w_j ||W_j||^2"

    @property
    def quadratic(self) -> Array:
        """`strength * weights`, (n_features, 1)."""
        return self.strength * self.weights

    @property
    def modulus(self) -> float:
        """The strength."""
        return self.strength

    def value(self, coefficients: Array) -> float:
        """`strength / 2 * sum_j weights_j ||W_j||^2`."""
        return 0.5 * self.strength * float(np.vdot(self.weights * coefficients, coefficients))

    def prox(self, coefficients: Array, step: float) -> Array:
        """The coefficients: there is no rest."""
        return coefficients

    def conjugate(self, dual: Array) -> float:
        """`sum_j ||dual_j||^2 / (2 strength weights_j)`; infinite if `dual` is not 0 where a weight
        is."""
        return self.dual_norm(dual) ** 2 / (2 * self.strength) if self.feasible_multiple(dual) else np.inf

    def feasible_multiple(self, dual: Array) -> float:
        """1, or 0 if `dual` is not 0 where a weight is."""
        return float(not dual[self.weights[:, 0] == 0].any())

    def distance(self, gradient: Array, coefficients: Array) -> Array:
        """`|gradient + strength weights W|`, for each coefficient."""
        distance: Array = np.abs(gradient + self.quadratic * coefficients)
        return distance

    def dual_norm(self, gradient: Array) -> float:
        """The Frobenius norm of `gradient / sqrt(weights)`, without the columns of weight 0;
        rounded up."""
        penalised = self.weights[:, 0] > 0
        return float(np.linalg.norm(gradient[penalised] / np.sqrt(self.weights[penalised]))) * _ROUNDED_UP

    def fenchel_gap(self, coefficients: Array, gradient: Array, error: Array, largest: float) -> float:
        """`||G + strength W||^2 / (2 strength)` in the dual norm, at the most that the error
        allows."""
        return _fenchel_gap(self, coefficients, gradient, error)

    def centre(self, coefficients: Array) -> Array:
        """The mean."""
        return np.asarray(coefficients.mean(axis=1, keepdims=True))


def _fenchel_gap(penalty: L2 | WeightedL2, W: Array, G: Array, error: Array) -> float:
    """The same for both."""
    ridge = penalty.quadratic * W
    distance = np.abs(G + ridge) + error + 4 * 2.0**-53 * (np.abs(G) + np.abs(ridge))
    return penalty.dual_norm(distance) ** 2 / (2 * penalty.modulus) * (1 + (2 * W.size + 40) * 2.0**-53)


def _check_strength(name: str, strength: Any) -> None:
    if not (np.isfinite(strength) and strength > 0):
        raise ArgumentError(
            f"{name}(strength={strength}): needs a positive finite number; for no penalty use NoPenalty()"
        )
