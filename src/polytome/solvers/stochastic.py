"""Stochastic and mini-batch gradient descent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.objective import Objective, block_value_and_gradient
from polytome.rows import Block
from polytome.solvers.driver import Iterate
from polytome.solvers.gradient_descent import check_learning_rate

Array = NDArray[Any]

__all__ = ["StochasticGradientDescent"]


@dataclass(frozen=True)
class StochasticGradientDescent:
    """Shuffled epochs of steps, each along the gradient of a few rows; `batch_size=1` is classical stochastic descent.

    Step t (counted from 0) has the rate `learning_rate / (1 + decay * t)`. An iterate is the end of an epoch: its
    value and gradient cost one more pass over the rows.

    Args:
        learning_rate: the first rate; None for one over the largest curvature of a single row, which is always safe.
        batch_size: rows per step.
        decay: how fast the rate falls; 0 keeps it constant.
        seed: of the shuffling.

    Raises:
        ArgumentError: a setting cannot be used.

    Example:
        >>> StochasticGradientDescent(0.5, batch_size=10).batch_size
        10

    Reference: Robbins and Monro, A stochastic approximation method, Annals of Mathematical Statistics 22, 1951.
    """

    learning_rate: float | None = None
    batch_size: int = 1
    decay: float = 0.0
    seed: int = 0
    patience = 100  # epochs: a lowest value is rarer where steps are random

    def __post_init__(self) -> None:
        check_learning_rate(self.learning_rate)
        if self.batch_size < 1:
            raise ArgumentError(f"batch_size={self.batch_size}: needs a positive whole number")
        if not (np.isfinite(self.decay) and self.decay >= 0):
            raise ArgumentError(f"decay={self.decay}: needs zero or a positive number")

    def iterates(self, objective: Objective, start: Array) -> Iterator[Iterate]:
        """Iterates from `start`, one per epoch."""
        objective = objective.at(np.float64)
        rng = np.random.default_rng(self.seed)
        first_rate = self.learning_rate or 1 / _steepest_row(objective)
        W, step, epoch = start.copy(), 0, 0
        while True:
            value, gradient = objective.value_and_gradient(W)
            yield Iterate(W.copy(), value, gradient, 2 * epoch + 1)
            with np.errstate(over="ignore", invalid="ignore"):
                for batch in objective.rows.batches(self.batch_size, rng):
                    W -= first_rate / (1 + self.decay * step) * _batch_gradient(objective, batch, W)
                    step += 1
            epoch += 1


def _batch_gradient(objective: Objective, batch: Block, W: Array) -> Array:
    """Unbiased gradient from some rows: their mean, weighted as in the whole, plus the penalty's."""
    columns = objective.rows.columns
    _, gradient = block_value_and_gradient(objective.loss, batch, columns.to_raw(W))
    # The share of the batch in the total weight, scaled up to the whole.
    gradient = columns.from_raw(gradient) * (objective.rows.n_rows / len(batch.weight) / objective.total_weight)
    if not objective.fit_intercept:
        gradient[-1] = 0.0
    gradient[:-1] += objective.penalty.gradient(W[:-1])
    return gradient


def _steepest_row(objective: Objective) -> float:
    """Bound on the curvature of the objective restricted to any one row."""
    rows = objective.rows
    largest = 0.0

    def block_largest(block: Block) -> tuple[Array, ...]:
        nonlocal largest
        X = rows.dense(block)
        squared_norms = (X * X).sum(axis=1) + 1.0
        largest = max(largest, float((squared_norms * block.weight).max()))
        return (np.zeros(1),)

    rows.sum(block_largest)
    mean_weight = objective.total_weight / rows.n_rows
    return objective.loss.smoothness * largest / mean_weight + objective.penalty.strength
