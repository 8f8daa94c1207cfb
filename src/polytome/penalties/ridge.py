"""The penalties: functions of the feature coefficients, shape (n_features, n_outputs); never of the intercept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError

Array = NDArray[Any]

__all__ = ["L2", "NoPenalty", "Penalty"]


class Penalty(Protocol):
    """What an objective asks of a penalty."""

    @property
    def strength(self) -> float:
        """The modulus of strong convexity (the `lambda` of the literature); 0 without penalty."""
        ...

    def value(self, coefficients: Array) -> float:
        """The penalty of the feature coefficients."""
        ...

    def gradient(self, coefficients: Array) -> Array:
        """Its gradient, of the same shape."""
        ...

    def conjugate(self, dual: Array) -> float:
        """Its convex conjugate at `dual`."""
        ...


@dataclass(frozen=True)
class L2:
    """Ridge penalty `strength / 2 * ||W||^2` on the mean-loss scale: `C = 1 / (strength * sum of weights)`.

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

    def __post_init__(self) -> None:
        if not (np.isfinite(self.strength) and self.strength > 0):
            raise ArgumentError(
                f"L2(strength={self.strength}): needs a positive finite number; for no penalty use NoPenalty()"
            )

    def value(self, coefficients: Array) -> float:
        """`strength / 2 * ||W||^2`."""
        return 0.5 * self.strength * float(np.vdot(coefficients, coefficients))

    def gradient(self, coefficients: Array) -> Array:
        """`strength * W`."""
        return self.strength * coefficients

    def conjugate(self, dual: Array) -> float:
        """`||dual||^2 / (2 strength)`."""
        return float(np.vdot(dual, dual)) / (2 * self.strength)


@dataclass(frozen=True)
class NoPenalty:
    """No penalty: the maximum-likelihood fit, which has no finite solution where the classes can be separated.

    Example:
        >>> NoPenalty().value(np.ones((2, 1)))
        0.0
    """

    strength = 0.0

    def value(self, coefficients: Array) -> float:
        """Zero."""
        return 0.0

    def gradient(self, coefficients: Array) -> Array:
        """Zeros."""
        return np.zeros_like(coefficients)

    def conjugate(self, dual: Array) -> float:
        """0 at zero, infinite elsewhere."""
        return 0.0 if not np.any(dual) else np.inf
