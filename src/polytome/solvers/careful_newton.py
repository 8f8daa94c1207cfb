"""Newton's method for small problems whose columns, or single rows, differ by many orders of
magnitude."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.curvature.hessian_root import HessianRoot
from polytome.errors import ArgumentError
from polytome.objective import Objective
from polytome.solvers.guard import Guard
from polytome.solvers.iterates import Iterate
from polytome.solvers.solver import Solver

Array = NDArray[Any]

__all__ = ["CarefulNewton"]

_MAX_GUARDS = 30
_MIN_STEP_LENGTH = 1e-3


@dataclass(frozen=True)
class CarefulNewton(Solver):
    """Newton's steps from the triangular factor of the Hessian's square root, guarded as in
    `Newton`.

    Example:
        >>> from polytome.losses import Logistic
        >>> from polytome.penalties import L2
        >>> from polytome.rows import as_rows
        >>> rows = as_rows(np.array([[-1.0], [1.0], [1e12]]), np.array([0, 1, 1]))
        >>> *_, last = zip(CarefulNewton().iterates(Objective(Logistic(), L2(0.1), rows), np.zeros((2, 1))), range(50))
        >>> bool(np.abs(last[0].gradient).max() < 1e-9)
        True

    References: Nocedal and Wright, Numerical Optimization, 2006, section 3.4; `HessianRoot` for the
    factor.
    """

    patience = 30
    fallback_after = 200

    def iterates(self, objective: Objective, start: Array) -> Iterator[Iterate]:
        """Iterates from `start`; each counts a pass for its step and one for every step tried.

        Raises:
            ArgumentError: the problem is too large, or has no penalty.
        """
        root = HessianRoot.of(objective)
        if root is None:
            raise ArgumentError(f"{self} is for few rows and columns under an L2 penalty; use solver='auto'")
        objective, guard = root.objective, Guard(root.objective)
        W, passes = start, 1.0
        value, gradient = objective.value_and_gradient(W)
        while np.isfinite(value) and np.isfinite(gradient).all():
            direction = root.step(W, gradient, guard.extra)
            passes += 1
            slope = float(np.vdot(gradient, direction))
            yield Iterate(W, value, gradient, passes, None if guard.is_active else -0.5 * slope, in_float64=True)
            for _ in range(_MAX_GUARDS):
                length, value_and_gradient = _step_length(objective, W, direction, slope)
                passes += 1
                if length >= _MIN_STEP_LENGTH:
                    break
                guard.learn(W, direction)
                direction = root.step(W, gradient, guard.extra)
                slope = float(np.vdot(gradient, direction))
                passes += 2
            else:
                return
            guard.fade(1.0 if length < 1 else 2.0)
            W = W + length * direction
            value, gradient = value_and_gradient


def _step_length(objective: Objective, W: Array, direction: Array, slope: float) -> tuple[float, tuple[float, Array]]:
    """The length of a step, and value and gradient at its end.

    It ends where the objective still falls, or rises by no more than half as steeply as it fell at
    the start: slopes show that even where values differ by rounding alone. A steeper rise has the
    minimum between, where the secant of the slopes points to.
    """
    length = 1.0
    while True:
        value, gradient = objective.value_and_gradient(W + length * direction)
        trial_slope = float(np.vdot(gradient, direction)) if np.isfinite(gradient).all() else np.inf
        if length < _MIN_STEP_LENGTH or trial_slope <= -0.5 * slope:
            return length, (value, gradient)
        length *= min(max(slope / (slope - trial_slope), 0.1), 0.5)
