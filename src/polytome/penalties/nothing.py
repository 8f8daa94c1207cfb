"""No penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["NoPenalty"]


@dataclass(frozen=True)
class NoPenalty:
    """No penalty: the maximum-likelihood fit, which has no finite solution where the classes can be
    separated.

    Example:
        >>> NoPenalty().value(np.ones((2, 1)))
        0.0
    """

    is_nothing: ClassVar[bool] = True
    has_rest: ClassVar[bool] = False
    is_rotation_invariant: ClassVar[bool] = True
    text: ClassVar[str] = "0"
    quadratic: ClassVar[float] = 0.0
    modulus: ClassVar[float] = 0.0
    weights: ClassVar[float] = 0.0

    def value(self, coefficients: Array) -> float:
        """Zero."""
        return 0.0

    def prox(self, coefficients: Array, step: float) -> Array:
        """The coefficients."""
        return coefficients

    def conjugate(self, dual: Array) -> float:
        """0 at zero, infinite elsewhere."""
        return 0.0 if not np.any(dual) else np.inf

    def feasible_multiple(self, dual: Array) -> float:
        """1 at zero, 0 elsewhere."""
        return float(not np.any(dual))

    def distance(self, gradient: Array, coefficients: Array) -> Array:
        """`|gradient|`, for each coefficient."""
        return np.abs(gradient)

    def dual_norm(self, gradient: Array) -> float:
        """0: there is no coefficient that it weighs."""
        return 0.0

    def fenchel_gap(self, coefficients: Array, gradient: Array, error: Array, largest: float) -> float:
        """0: there is no coefficient that it weighs."""
        return 0.0

    def centre(self, coefficients: Array) -> Array:
        """The mean."""
        return np.asarray(coefficients.mean(axis=1, keepdims=True))
