"""What a solver yields at each step; the driver reads its progress from it, and can have it
certified."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.certificate import Certificate, certify
from polytome.certificates.dual import certify_dual
from polytome.objective import Objective

Array = NDArray[Any]

__all__ = ["DualIterate", "Iterate"]


@dataclass(frozen=True)
class Iterate:
    """One step of a solver.

    Attributes:
        coefficients: shape (n_features + 1, n_outputs), intercept last.
        value: the objective there, in nats.
        gradient: its gradient there, of the same shape.
        passes: passes over the rows so far.
        estimate: distance from the minimum that the solver's curvature suggests, in nats; None if
            it has none.
        running: mean loss that the rows met before their steps of this epoch, in nats; None where
            none are counted.
        updates: steps of this epoch that changed the coefficients; None likewise.
        in_float64: whether value and gradient are those of the rows themselves, in float64.
        intercept_hessian: the Hessian with respect to the intercepts, there or nearby; None if it
            is not known.
        took_over: the names of the solvers to which the first one has given way, the present one
            last.
        step: Newton's step from here, of the same shape; None where the solver has made none.
    """

    coefficients: Array
    value: float
    gradient: Array
    passes: float
    estimate: float | None = None
    running: float | None = None
    updates: int | None = None
    in_float64: bool = False
    intercept_hessian: Array | None = None
    took_over: tuple[str, ...] = ()
    step: Array | None = None

    @property
    def is_finite(self) -> bool:
        """Whether value and gradient are numbers."""
        return bool(np.isfinite(self.value)) and bool(np.isfinite(self.gradient).all())

    def point(self, objective: Objective) -> Array:
        """The coefficients, from which another solver can continue."""
        return self.coefficients

    def certify(self, objective: Objective, tol: float) -> tuple[Certificate, Array]:
        """The certificate of these coefficients, and the coefficients it is about."""
        known = (self.value, self.gradient) if self.in_float64 else None
        return certify(objective, self.coefficients, tol, self.estimate, known, self.intercept_hessian)


@dataclass(frozen=True)
class DualIterate(Iterate):
    """One step of a solver that works on the dual: no gradient is formed, and the rows' predictions
    prove the gap.

    Attributes:
        coefficients: empty; they follow from the predictions.
        value: the objective as the rows met it on the way here, in nats.
        gradient: empty.
        dual: predictions as the scores that give them, shape (n, n_outputs), changed in place by
            later steps.
        gap: the duality gap as the rows met it, in nats.
        intercepts: for raw columns, shape (n_outputs,), changed in place by later steps.
    """

    dual: Array = field(kw_only=True)
    gap: float = field(kw_only=True)
    intercepts: Array = field(kw_only=True)

    @classmethod
    def of(cls, dual: Array, intercepts: Array, value: float, passes: float, gap: float) -> DualIterate:
        """An iterate without coefficients and gradient."""
        nothing = np.empty((0, 0))
        return cls(nothing, value, nothing, passes, dual=dual, gap=gap, intercepts=intercepts)

    def point(self, objective: Objective) -> Array:
        """The coefficients that the predictions imply: a pass over the rows."""
        return self.certify(objective, np.inf)[1]

    @property
    def is_finite(self) -> bool:
        """Whether value and gap are numbers."""
        return bool(np.isfinite(self.value)) and bool(np.isfinite(self.gap))

    def certify(self, objective: Objective, tol: float) -> tuple[Certificate, Array]:
        """The certificate of the coefficients that the predictions imply, and the coefficients."""
        return certify_dual(objective, self.dual, tol, self.intercepts)
