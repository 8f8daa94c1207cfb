"""Newton's method with a Cholesky factor of the full Hessian: for few coefficients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.curvature import newton_direction
from polytome.objective import Objective
from polytome.solvers.driver import Iterate
from polytome.solvers.line_search import backtrack

__all__ = ["Newton"]


@dataclass(frozen=True)
class Newton:
    """Newton's method with a backtracking line search; one Hessian of `objective.size` squared entries per iteration.

    Example:
        >>> Newton()
        Newton()

    Reference: Boyd and Vandenberghe, Convex Optimization, 2004, section 9.5.2.
    """

    def iterates(self, objective: Objective, start: NDArray[Any]) -> Iterator[Iterate]:
        """Iterates from `start`; each counts a pass for its Hessian and one for every step tried."""
        objective = objective.at(np.float64)
        W = start
        value, gradient = objective.value_and_gradient(W)
        passes = 1
        while True:
            direction, decrement = newton_direction(objective, W, gradient)
            passes += 1
            yield Iterate(W, value, gradient, passes, decrement)
            step = backtrack(objective, W, value, gradient, direction)
            if step is None:
                return
            W, value, gradient, tried = step
            passes += tried
