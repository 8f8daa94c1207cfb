"""Gradient descent with a fixed learning rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.objective import Objective
from polytome.passes import Block, Sums
from polytome.solvers.iterates import Iterate
from polytome.solvers.solver import Solver

Array = NDArray[Any]

__all__ = ["GradientDescent", "check_learning_rate", "lipschitz_bound"]


def check_learning_rate(learning_rate: float | None) -> None:
    """Raises ArgumentError unless the rate is None or a positive finite number."""
    if learning_rate is not None and not (np.isfinite(learning_rate) and learning_rate > 0):
        raise ArgumentError(
            f"learning_rate={learning_rate}: needs a positive number, or None for the largest safe rate"
        )


@dataclass(frozen=True)
class GradientDescent(Solver):
    """Batch gradient descent `W <- W - learning_rate * gradient`.

    Args:
        learning_rate: the fixed step; None for one over a bound on the largest curvature, at which
            every step descends.

    Example:
        >>> GradientDescent(learning_rate=0.1)
        GradientDescent(learning_rate=0.1)

    Reference: Cauchy 1847; Boyd and Vandenberghe, Convex Optimization, 2004, section 9.3.
    """

    learning_rate: float | None = None

    def __post_init__(self) -> None:
        check_learning_rate(self.learning_rate)

    def iterates(self, objective: Objective, start: Array) -> Iterator[Iterate]:
        """Iterates from `start`, one pass over the rows each."""
        W = start
        passes = 0
        rate = self.learning_rate
        if rate is None:
            rate = 1 / lipschitz_bound(objective)
            passes = _POWER_STEPS
        while True:
            value, gradient = objective.value_and_gradient(W)
            passes += 1
            yield Iterate(W, value, gradient, passes)
            with np.errstate(over="ignore", invalid="ignore"):
                W = W - rate * gradient


_POWER_STEPS = 20


def lipschitz_bound(objective: Objective) -> float:
    """Largest curvature of the objective: that of the loss times the largest eigenvalue of the
    columns' Gram matrix.

    The eigenvalue comes from the power method, twenty passes over the rows, plus five per cent for
    what it may miss.
    """
    rows = objective.rows
    direction = np.random.default_rng(0).normal(size=(rows.n_features + 1, 1))
    if not objective.fit_intercept:
        direction[-1] = 0.0
    eigenvalue = 1.0
    for _ in range(_POWER_STEPS):
        direction /= np.sqrt(float(np.vdot(direction, direction)))
        product = rows.reduce(_GramProduct(rows.columns.to_raw(direction)))
        direction = rows.columns.from_raw(np.vstack(product)) / objective.total_weight
        if not objective.fit_intercept:
            direction[-1] = 0.0
        eigenvalue = np.sqrt(float(np.vdot(direction, direction)))
    return 1.05 * objective.loss.smoothness * eigenvalue + float(np.max(objective.penalty.quadratic))


@dataclass(frozen=True, eq=False)
class _GramProduct:
    """The columns' Gram matrix times a direction for raw columns: the entries of the columns, and
    of the intercept."""

    raw: Array
    joined = 0

    def of_block(self, block: Block) -> Sums:
        change = (block.X @ self.raw[:-1].astype(block.X.dtype) + self.raw[-1]) * block.weight[:, None]
        return block.X.T @ change.astype(block.X.dtype), change.sum(axis=0)
