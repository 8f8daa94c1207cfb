"""Stochastic and mini-batch gradient descent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.objective import Objective, block_value_and_gradient
from polytome.rows import Block, Columns, Rows
from polytome.solvers.gradient_descent import check_learning_rate
from polytome.solvers.iterates import Iterate

Array = NDArray[Any]

__all__ = ["StochasticGradientDescent"]


@dataclass(frozen=True)
class StochasticGradientDescent:
    """Epochs of steps, each along the gradient of a few rows; `batch_size=1` is classical stochastic descent.

    Step t (counted from 0) has the rate `learning_rate / (1 + decay * t)`. An iterate is the end of an epoch: its
    value and gradient cost one more pass over the rows. It also carries the `running` loss of the epoch, each row's
    before its own step, and how many `updates` changed the coefficients.

    Args:
        learning_rate: the first rate; None for one over the largest curvature of a single row, which is always safe.
        batch_size: rows per step.
        decay: how fast the rate falls; 0 keeps it constant.
        seed: of the shuffling.
        shuffle: whether each epoch visits the rows in a new random order; else in the order in which they are stored.

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
    shuffle: bool = True
    patience = 100  # epochs: a lowest value is rarer where steps are random

    def __post_init__(self) -> None:
        check_learning_rate(self.learning_rate)
        batch_size: Any = self.batch_size
        if not (isinstance(batch_size, Integral) and int(batch_size) >= 1):
            raise ArgumentError(f"batch_size={batch_size!r}: needs a positive whole number")
        if not (np.isfinite(self.decay) and self.decay >= 0):
            raise ArgumentError(f"decay={self.decay}: needs zero or a positive number")

    def iterates(self, objective: Objective, start: Array) -> Iterator[Iterate]:
        """Iterates from `start`, one per epoch; ends after an epoch that changed nothing."""
        objective = objective.at(np.float64)
        order = np.random.default_rng(self.seed) if self.shuffle else _AsStored()
        first_rate = self.learning_rate or 1 / _steepest_row(objective)
        W, step, epoch = start.copy(), 0, 0
        running = updates = None
        while True:
            value, gradient = objective.value_and_gradient(W)
            yield Iterate(W, value, gradient, 2 * epoch + 1, running=running, updates=updates)
            if updates == 0:
                return
            running, updates = 0.0, 0
            with np.errstate(over="ignore", invalid="ignore"):
                for batch, columns in _batches(objective.rows, self.batch_size, order):
                    met, gradient = _batch_value_and_gradient(objective, batch, columns, W)
                    moved = W - first_rate / (1 + self.decay * step) * gradient
                    running += met / objective.total_weight
                    updates += int((moved != W).any())
                    W, step = moved, step + 1
            epoch += 1


class _AsStored:
    """Stands where a generator of random numbers would, and shuffles nothing."""

    @staticmethod
    def permutation(n: int) -> Array:
        return np.arange(n)


def _batches(rows: Rows, size: int, order: Any) -> Iterator[tuple[Block, Columns]]:
    """Batches of `size` rows, and the columns that they are in.

    Small ones are cut from chunks that are dense and standardised already: a few rows of a sparse matrix cost several
    times as much as of an array.
    """
    batches_per_chunk = _CHUNK_ENTRIES // (size * max(rows.n_features, 1))
    if batches_per_chunk < _FEWEST_PER_CHUNK:
        for batch in rows.batches(size, order):
            yield batch, rows.columns
        return
    standardised = Columns.identity(rows.n_features)
    for chunk in rows.batches(batches_per_chunk * size, order):
        X = rows.dense(chunk)
        for start in range(0, len(X), size):
            part = slice(start, start + size)
            yield Block(X[part], X.dtype, chunk.target[part], chunk.weight[part]), standardised


_CHUNK_ENTRIES = 2**18  # 2 MB: the chunk stays in the cache of one core
_FEWEST_PER_CHUNK = 10  # wide rows are better left sparse


def _batch_value_and_gradient(objective: Objective, batch: Block, columns: Columns, W: Array) -> tuple[float, Array]:
    """Weighted loss of some rows, and an unbiased gradient: their mean as weighted in the whole, plus the penalty's."""
    value, gradient = block_value_and_gradient(objective.loss, batch, columns.to_raw(W))
    # The share of the batch in the total weight, scaled up to the whole.
    gradient = columns.from_raw(gradient) * (objective.rows.n_rows / len(batch.weight) / objective.total_weight)
    if not objective.fit_intercept:
        gradient[-1] = 0.0
    gradient[:-1] += objective.penalty.gradient(W[:-1])
    return float(value), gradient


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
