"""The start of a long descent: a ridge regression of the labels, with the best softening and step
length."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.curvature.preconditioner import kronecker_hessian
from polytome.objective import Objective, all_scores
from polytome.rows import Rows

Array = NDArray[Any]

__all__ = ["ridge_start"]

_SOFTENING_FACTOR = 4.0
_MAX_ROUNDS = 30  # by then the Hessian is softer by more than float64 can express
_SAMPLED_ROWS = 1000  # enough to choose two numbers


def ridge_start(objective: Objective, null: Array, gradient: Array) -> Array:
    """Coefficients from which a descent needs fewer passes than from the null model.

    There the Hessian is `A (x) S + lambda I`, and Newton's step a ridge regression of the labels.
    Once rows are told apart, little of that curvature is left, so that the penalty weighs more
    against it: the curvature is divided by four as long as that lowers the objective, and each step
    is made as long as is best, both judged by a thousand rows.

    Args:
        objective: what is minimised.
        null: the coefficients of the null model, shape `objective.shape`.
        gradient: the gradient there.

    Reference: Hastie, Buja and Tibshirani, Penalized discriminant analysis, Annals of Statistics
    23, 1995.
    """
    hessian = kronecker_hessian(objective, null)
    sample = objective.rows.sample(min(_SAMPLED_ROWS, objective.rows.n_rows), np.random.default_rng(0))
    best, best_value, length = null, np.inf, 1.0
    for _ in range(_MAX_ROUNDS):
        direction = -hessian.inverse().solve(gradient)
        value, length = _best_length(objective, sample, null, direction, length)
        if not value < best_value:
            break
        best, best_value = null + length * direction, value
        hessian, length = hessian.softened(_SOFTENING_FACTOR), length / _SOFTENING_FACTOR
    return best


def _best_length(objective: Objective, rows: Rows, null: Array, direction: Array, length: float) -> tuple[float, float]:
    """The objective of some rows where it is least along a direction, and how far that is: Newton's
    method in the logarithm of the length, which starts at `length`."""
    loss, along = objective.loss, rows.columns.to_raw(direction)
    score_changes = all_scores(rows, along)
    share = rows.weight / rows.weight.sum()
    square = 2 * objective.penalty.value(direction[:-1])

    def evaluate(length: float) -> tuple[float, float, float]:
        scores = null[-1] + length * score_changes
        value, residual = loss.value_and_gradient(scores, rows.target)
        m, u = loss.curvature(scores, rows.target)
        curvature = (m * score_changes * score_changes).sum(axis=1) - (
            0.0 if u is None else (u * score_changes).sum(axis=1) ** 2
        )
        slope = float(share @ (residual * score_changes).sum(axis=1)) + length * square
        return float(share @ value) + 0.5 * length**2 * square, slope, float(share @ curvature) + square

    lower, upper = 0.0, np.inf
    for _ in range(12):
        value, slope, curvature = evaluate(length)
        lower, upper = (length, upper) if slope < 0 else (lower, length)
        next_length = length - slope / curvature
        if not lower < next_length < upper:
            next_length = 0.5 * (lower + upper) if np.isfinite(upper) else 2 * length
        if abs(next_length - length) <= 0.03 * length:
            break
        length = min(next_length, 4 * length)
    return value, length
