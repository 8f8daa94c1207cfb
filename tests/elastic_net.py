"""A penalty with a rest that has corners: the contract `Penalty` in full, which no solver minimises
yet."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ElasticNet:
    """`strength / 2 ||W||^2 + l1 sum |W|`, where one of the two may be 0.

    Reference: Zou and Hastie, Regularization and variable selection via the elastic net, Journal of
    the Royal Statistical Society B 67, 2005.
    """

    strength: float
    l1: float
    is_nothing: ClassVar[bool] = False
    has_rest: ClassVar[bool] = True
    is_rotation_invariant: ClassVar[bool] = False
    weights: ClassVar[float] = 1.0

    @property
    def text(self) -> str:
        return f"{self.strength:.6g}/2 ||W||^2 + {self.l1:.6g} sum |W|"

    @property
    def quadratic(self) -> float:
        return self.strength

    @property
    def modulus(self) -> float:
        return self.strength

    def value(self, coefficients: Array) -> float:
        return 0.5 * self.strength * float(np.vdot(coefficients, coefficients)) + self.l1 * float(
            np.abs(coefficients).sum()
        )

    def prox(self, coefficients: Array, step: float) -> Array:
        return np.sign(coefficients) * np.maximum(np.abs(coefficients) - step * self.l1, 0.0)

    def conjugate(self, dual: Array) -> float:
        beyond = np.maximum(np.abs(dual) - self.l1, 0.0)
        if self.strength == 0:
            return np.inf if beyond.any() else 0.0
        return float(np.vdot(beyond, beyond)) / (2 * self.strength)

    def feasible_multiple(self, dual: Array) -> float:
        largest = float(np.abs(dual).max(initial=0.0))
        return 1.0 if self.strength > 0 or largest <= self.l1 else self.l1 / largest * (1 - 2.0**-50)

    def distance(self, gradient: Array, coefficients: Array) -> Array:
        smooth = gradient + self.strength * coefficients
        at_corner = np.maximum(np.abs(smooth) - self.l1, 0.0)
        return np.where(coefficients == 0, at_corner, np.abs(smooth + self.l1 * np.sign(coefficients)))

    def dual_norm(self, gradient: Array) -> float:
        return float(np.linalg.norm(gradient))
