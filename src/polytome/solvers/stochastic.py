"""Stochastic and mini-batch gradient descent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polytome import native
from polytome.errors import ArgumentError
from polytome.objective import Objective
from polytome.passes import Block, Columns, Sums, ValueAndGradient
from polytome.rows import Rows
from polytome.solvers.gradient_descent import check_learning_rate
from polytome.solvers.iterates import Iterate
from polytome.solvers.solver import Solver

Array = NDArray[Any]

__all__ = ["Step", "StochasticGradientDescent"]


class Step(NamedTuple):
    """One step within an epoch.

    Attributes:
        rows: positions of the rows that it used.
        loss: their loss before the step, weighted and summed, in nats.
        rate: how far it went along the gradient.
        gradient: mean gradient of these rows and the penalty's, shape (n_features + 1, n_outputs).
        coefficients: those after the step, of the same shape.
    """

    rows: Array
    loss: float
    rate: float
    gradient: Array
    coefficients: Array


@dataclass(frozen=True)
class StochasticGradientDescent(Solver):
    """Epochs of steps, each along the gradient of a few rows; `batch_size=1` is classical
    stochastic descent.

    Step t (counted from 0) has the rate `learning_rate / (1 + decay * t)`. An iterate is the end of
    an epoch: its value and gradient cost one more pass over the rows. It also carries the `running`
    loss of the epoch, each row's before its own step, and how many `updates` changed the
    coefficients.

    Args:
        learning_rate: the first rate; None for one over the largest curvature of a single row,
            which is always safe.
        batch_size: rows per step.
        decay: how fast the rate falls; 0 keeps it constant.
        seed: of the shuffling.
        shuffle: whether each epoch visits the rows in a new random order; else in the order in
            which they are stored.

    Raises:
        ArgumentError: a setting cannot be used.

    Example:
        >>> StochasticGradientDescent(0.5, batch_size=10).batch_size
        10

    Reference: Robbins and Monro, A stochastic approximation method, Annals of Mathematical
    Statistics 22, 1951.
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
        order, first_rate = _Order(self), self._first_rate(objective)
        W, taken, epoch = start.copy(), 0, 0
        running = updates = None
        while True:
            value, gradient = objective.value_and_gradient(W)
            yield Iterate(W, value, gradient, 2 * epoch + 1, running=running, updates=updates)
            if updates == 0:
                return
            running, updates = 0.0, 0
            with np.errstate(over="ignore", invalid="ignore"):
                for step in self._epoch(objective, W, order, first_rate, taken):
                    running += step.loss / objective.total_weight
                    updates += int((step.coefficients != W).any())
                    W, taken = step.coefficients, taken + 1
            epoch += 1

    def steps(self, objective: Objective, start: Array) -> Iterator[Step]:
        """Every step after the start, one by one: the epochs of `iterates` in detail.

        Example:
            >>> from polytome.losses import Squared
            >>> from polytome.penalties import NoPenalty
            >>> from polytome.rows import as_rows
            >>> rows = as_rows(np.array([[1.0], [2.0]]), np.array([2.0, 4.0]))
            >>> solver = StochasticGradientDescent(0.1, shuffle=False)
            >>> walk = solver.steps(Objective(Squared(), NoPenalty(), rows), np.zeros((2, 1)))
            >>> next(walk).rows, next(walk).rows
            (array([0]), array([1]))
        """
        objective = objective.at(np.float64)
        order, first_rate = _Order(self), self._first_rate(objective)
        W, taken, changed = start.copy(), 0, True
        while changed:
            changed = False
            epoch = self._epoch(objective, W, order, first_rate, taken)
            while True:
                with np.errstate(over="ignore", invalid="ignore"):  # not around the yield: the caller's code runs there
                    step = next(epoch, None)
                if step is None:
                    break
                changed = changed or bool((step.coefficients != W).any())
                W, taken = step.coefficients, taken + 1
                yield step

    def _epoch(self, objective: Objective, W: Array, order: _Order, first_rate: float, taken: int) -> Iterator[Step]:
        """The steps of one epoch, after `taken` earlier ones."""
        for number, (batch, columns) in enumerate(_batches(objective.rows, self.batch_size, order)):
            loss, gradient = _batch_value_and_gradient(objective, batch, columns, W)
            rate = first_rate / (1 + self.decay * (taken + number))
            W = W - rate * gradient
            rows = order.drawn[number * self.batch_size : (number + 1) * self.batch_size]
            yield Step(rows, loss, rate, gradient, W)

    def _first_rate(self, objective: Objective) -> float:
        return self.learning_rate or 1 / _steepest_row(objective)


class _Order:
    """Draws the order of the rows in each epoch, as the settings ask for, and keeps the last
    one."""

    def __init__(self, solver: StochasticGradientDescent) -> None:
        self.rng = np.random.default_rng(solver.seed) if solver.shuffle else None
        self.drawn: Array = np.arange(0)

    def permutation(self, n: int) -> Array:
        self.drawn = np.arange(n) if self.rng is None else self.rng.permutation(n)
        return self.drawn


def _batches(rows: Rows, size: int, order: Any) -> Iterator[tuple[Block, Columns]]:
    """Batches of `size` rows, and the columns that they are in.

    Small ones are cut from chunks that are dense and standardised already: a few rows of a sparse
    matrix cost several times as much as those of an array.
    """
    batches_per_chunk = _CHUNK_ENTRIES // (size * max(rows.n_features, 1))
    if batches_per_chunk < _MIN_BATCHES_PER_CHUNK:
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
_MIN_BATCHES_PER_CHUNK = 10  # wide rows are better left sparse


def _batch_value_and_gradient(objective: Objective, batch: Block, columns: Columns, W: Array) -> tuple[float, Array]:
    """Weighted loss of some rows, and an unbiased gradient: their mean as weighted in the whole,
    plus the penalty's."""
    value, gradient = native.reduce_block(ValueAndGradient(objective.loss, columns.to_raw(W)), batch)
    # The share of the batch in the total weight, scaled up to the whole.
    gradient = columns.from_raw(gradient) * (objective.rows.n_rows / len(batch.weight) / objective.total_weight)
    if not objective.fit_intercept:
        gradient[-1] = 0.0
    gradient[:-1] += objective.penalty.quadratic * W[:-1]
    return float(value), gradient


def _steepest_row(objective: Objective) -> float:
    """Bound on the curvature of the objective restricted to any one row."""
    rows = objective.rows
    (squares,) = rows.reduce(_WeightedSquares(rows.columns))
    mean_weight = objective.total_weight / rows.n_rows
    return objective.loss.smoothness * float(squares.max()) / mean_weight + float(np.max(objective.penalty.quadratic))


@dataclass(frozen=True, eq=False)
class _WeightedSquares:
    """The squared length of each row's standardised columns, the intercept's among them, times its
    weight, joined."""

    columns: Columns
    joined = 1

    def of_block(self, block: Block) -> Sums:
        X = self.columns.dense(block)
        return (((X * X).sum(axis=1) + 1.0) * block.weight,)
