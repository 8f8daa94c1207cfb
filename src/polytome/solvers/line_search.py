"""The backtracking line search of L-BFGS."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.objective import Objective

Array = NDArray[Any]

__all__ = ["backtrack"]

_SUFFICIENT_DECREASE = 1e-4
_MIN_STEP = 1e-10


def backtrack(
    objective: Objective, W: Array, value: float, gradient: Array, direction: Array
) -> tuple[Array, float, Array, int] | None:
    """The first of the steps 1, t1, t2, ... along `direction` that decreases the objective enough.

    Steps shrink to the minimum of the cubic through both ends. Where two values differ by no more
    than rounding, the slope decides instead (the approximate Wolfe condition of Hager and Zhang,
    SIAM J. Optim. 16, 2005).

    Returns:
        Coefficients, value and gradient there and the passes made; None if no step helps.
    """
    slope = float(np.vdot(gradient, direction))
    if not slope < 0:
        return None
    rounding = 4 * np.finfo(objective.rows.precision).eps * abs(value)
    t, passes = 1.0, 0
    while t > _MIN_STEP:
        trial = W + t * direction
        trial_value, trial_gradient = objective.value_and_gradient(trial)
        passes += 1
        if np.isfinite(trial_value):
            trial_slope = float(np.vdot(trial_gradient, direction))
            decreases = trial_value <= value + _SUFFICIENT_DECREASE * t * slope
            within_rounding = trial_value <= value + rounding and abs(trial_slope) <= (
                1 - 2 * _SUFFICIENT_DECREASE
            ) * abs(slope)
            if decreases or within_rounding:
                return trial, trial_value, trial_gradient, passes
            t *= _cubic_step(value, slope * t, trial_value, trial_slope * t)
        else:
            t *= 0.1
    return None


def _cubic_step(value0: float, slope0: float, value1: float, slope1: float) -> float:
    """Minimiser of the cubic with these values and slopes at 0 and 1, kept within [0.1, 0.6]."""
    a = slope0 + slope1 - 3 * (value1 - value0)
    root = a * a - slope0 * slope1
    if not root >= 0:
        return 0.5
    denominator = slope1 - slope0 + 2 * np.sqrt(root)
    if denominator == 0:
        return 0.5
    return float(min(max(1 - (slope1 + np.sqrt(root) - a) / denominator, 0.1), 0.6))
