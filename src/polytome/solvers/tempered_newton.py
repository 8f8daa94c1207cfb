"""Newton's method for the softmax loss in which rows that a step would ruin count as less certain
than they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.curvature.hessian_factor import factor_hessian
from polytome.curvature.pairs import ROWS_AT_ONCE, pair_hessian
from polytome.errors import ArgumentError
from polytome.losses import Loss, Softmax
from polytome.numerics import softmax
from polytome.objective import Objective, all_scores
from polytome.passes import Block, Sums
from polytome.rows import in_memory
from polytome.solvers.iterates import Iterate
from polytome.solvers.size import Size
from polytome.solvers.solver import Solver

Array = NDArray[Any]

__all__ = ["TemperedNewton"]

_MAX_EXCESS_TEMPERATURE = 30.0
_MAX_PAIRS_PER_COEFFICIENT = 10**12  # for each coefficient: enough that no pair that matters is left out
_MAX_STEP_LENGTH, _MIN_STEP_LENGTH = 16.0, 1e-3


@dataclass(frozen=True)
class TemperedNewton(Solver):
    """Newton steps with the curvature of `softmax(scores / T)`, a temperature T for each row.

    A row that is classified beyond doubt has no curvature, so a step may ruin it, and a line search
    would then shorten the step for all rows. At a temperature above 1 it has some: a step that
    moves its margin by a share of itself is foreseen. Temperatures start at 2, fall towards 1 while
    steps succeed, and rise for the rows that made a step fail. Hessians come from a sample of pairs
    of classes (`pair_hessian`), which grows once all rows are at 1.

    Args:
        pairs: about how many pairs of classes are drawn for each coefficient.

    Example:
        >>> TemperedNewton()
        TemperedNewton(pairs=200)

    Reference: Nocedal and Wright, Numerical Optimization, 2006, section 3.4. The temperatures are
    new here.
    """

    pairs: int = 200
    in_memory = "TemperedNewton"
    careful_fallback = True

    def iterates(self, objective: Objective, start: Array) -> Iterator[Iterate]:
        """Iterates from `start`; each counts a pass for its Hessian and every step tried."""
        if not isinstance(objective.loss, Softmax):
            raise ArgumentError(f"TemperedNewton: needs the softmax loss, not {objective.loss}; use solver='auto'")
        in_memory(objective.rows, self.in_memory)
        objective = objective.at(np.float64)
        W, passes, pairs, draw = start, 1.0, self.pairs, 0
        value, gradient = objective.value_and_gradient(W)
        excess = np.ones(objective.rows.n_rows)  # temperature minus 1
        while True:
            H = pair_hessian(objective, W, 1 + excess, pairs, draw)
            direction = -factor_hessian(objective, H).solve(gradient)
            decrement = -0.5 * float(np.vdot(gradient, direction))
            passes += 2
            yield Iterate(W, value, gradient, passes, None if excess.any() else decrement)
            length, at_end, new_passes = _step_length(objective, W, direction, value, decrement)
            passes += new_passes
            draw += 1
            ruined = _ruined(objective, W, direction, excess, decrement + 40 * _rounding(value))
            raised = np.clip(9 * excess, 0.2, _MAX_EXCESS_TEMPERATURE)
            excess *= 0.5 if length >= 1 else 0.8
            excess[excess < 0.01] = 0.0
            excess[ruined] = raised[ruined]
            passes += 1
            if length >= 1 and not excess.any():
                pairs = min(4 * pairs, _MAX_PAIRS_PER_COEFFICIENT)
            if at_end[0] <= value + _rounding(value):
                W, (value, gradient) = W + length * direction, at_end

    def numbers_held(self, size: Size) -> float:
        """The Hessian and its factor, scores of all rows twice, drawn pairs (row, place, weight)
        with two copies, rows of some of them; their Gram matrices take less than the factor."""
        drawn = min(2 * self.pairs * size.coefficients, size.rows * size.outputs)
        rows = min(drawn, ROWS_AT_ONCE) * size.columns
        return 3 * size.hessian + 2 * size.rows * size.outputs + 9 * drawn + rows + size.dense_blocks


def _step_length(
    objective: Objective, W: Array, direction: Array, value: float, decrement: float
) -> tuple[float, tuple[float, Array], int]:
    """Powers of two: up while the objective falls further, or down until it falls.

    Returns:
        The length, the value and the gradient there, and the passes made.
    """

    def evaluate(length: float) -> tuple[float, Array]:
        trial, gradient = objective.value_and_gradient(W + length * direction)
        return (trial if np.isfinite(gradient).all() else np.inf), gradient

    rounding = _rounding(value)
    length, at_end, passes = 1.0, evaluate(1.0), 1
    if at_end[0] < value - 1.2 * decrement - rounding:  # flatter than predicted
        while length < _MAX_STEP_LENGTH:
            further = evaluate(2 * length)
            passes += 1
            if not further[0] < at_end[0]:
                break
            length, at_end = 2 * length, further
        return length, at_end, passes
    while not at_end[0] <= value - 0.1 * length * decrement + rounding and length > _MIN_STEP_LENGTH:
        length /= 2
        at_end = evaluate(length)
        passes += 1
    return length, at_end, passes


def _rounding(value: float) -> float:
    """How much the difference of two such values may owe to rounding: scores are sums of terms that
    cancel."""
    return 100 * float(np.finfo(np.float64).eps) * abs(value)


def _ruined(objective: Objective, W: Array, direction: Array, excess: Array, predicted_decrease: float) -> Array:
    """Whether the whole step costs a row much more than its tempered curvature predicts: two passes
    over the rows."""
    rows = objective.rows
    # A row matters if it alone costs a thousandth of the predicted decrease.
    threshold = 1e-3 * predicted_decrease * objective.total_weight
    with np.errstate(over="ignore", invalid="ignore"):
        scores, changes = (all_scores(rows, rows.columns.to_raw(V)) for V in (W, direction))
        one_pass = _Ruined(objective.loss, rows.target, scores, changes, excess, threshold)
        (ruined,) = rows.with_target(np.arange(rows.n_rows)).reduce(one_pass)
    return ruined


@dataclass(frozen=True, eq=False)
class _Ruined:
    """Whether a change of all scores ruins a row, joined; the targets of the rows are their
    numbers."""

    loss: Loss
    target: Array
    scores: Array
    changes: Array
    excess: Array
    threshold: float
    joined = 1

    def of_block(self, block: Block) -> Sums:
        own = slice(block.target[0], block.target[-1] + 1)
        scores, change = self.scores[own], self.changes[own]
        value, gradient = self.loss.value_and_gradient(scores, self.target[own])
        changed, _ = self.loss.value_and_gradient(scores + change, self.target[own])
        p = softmax(scores / (1 + self.excess[own, None]), axis=1)
        beyond = changed - value - np.einsum("ik,ik->i", gradient, change)
        p *= change
        curvature = np.einsum("ik,ik->i", p, change) - p.sum(axis=1) ** 2
        return (~(beyond <= 0.75 * curvature) & ~(block.weight * (beyond - 0.5 * curvature) <= self.threshold),)
