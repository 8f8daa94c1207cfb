"""Rows whose scores are known: their loss as a function of the intercepts alone, and the intercepts that are best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.objective.objective import Objective
from polytome.passes import HessianOfKnownScores, LossOfScores
from polytome.rows import ArrayRows
from polytome.threads import kept

Array = NDArray[Any]

__all__ = ["ROUNDING", "KnownScores", "damped_step", "exact_intercept"]

ROUNDING = 1e-13
"""Residuals of this size, relative to the loss, are rounding."""
_BALANCED = 1e-9
_MOST_STEPS = 200
_RARE = 1e-4  # of the weight
_RAREST = 1e-30
_LARGEST = 40.0  # e^40 to one is more than the rarest class needs


@dataclass(frozen=True)
class KnownScores:
    """The loss of all rows when intercepts are added to their scores: no columns are read.

    Args:
        objective: gives the loss, the targets and the weights.
        scores: shape (n, n_outputs), float64.
    """

    objective: Objective
    scores: Array

    @property
    @kept
    def rows(self) -> ArrayRows:
        """The scores as rows of so many columns."""
        its = self.objective.rows
        return ArrayRows.of(self.scores, its.target, its.weight, n_threads=its.facts.n_threads)

    def loss_and_slope(self, b: Array) -> tuple[float, Array]:
        """Mean loss of the rows in nats, and its gradient with respect to the intercepts `b`, (n_outputs,)."""
        value, slope = self.rows.reduce(LossOfScores(self.objective.loss, b))
        return float(value) / self.objective.total_weight, slope / self.objective.total_weight

    def loss_slope_and_residuals(self, b: Array) -> tuple[float, Array, Array]:
        """The same, and the gradients of the rows' losses with respect to their scores, (n, n_outputs)."""
        value, slope, residuals = self.rows.reduce(LossOfScores(self.objective.loss, b, with_residuals=True))
        return float(value) / self.objective.total_weight, slope / self.objective.total_weight, residuals

    def hessian(self, b: Array) -> Array:
        """The Hessian of the mean loss with respect to the intercepts, (n_outputs, n_outputs)."""
        (hessian,) = self.rows.reduce(HessianOfKnownScores(self.objective.loss, b))
        return np.asarray(hessian / self.objective.total_weight)


def exact_intercept(objective: Objective, scores: Array) -> Array:
    """What to add to the scores of all rows so that the weighted residuals sum to zero, shape (n_outputs,).

    Newton's method with halved steps on a convex function of the intercepts; its Hessian is kept while it serves.

    Args:
        objective: gives the loss, the targets and the weights.
        scores: shape (n, n_outputs), float64.

    Example:
        >>> from polytome.losses import Logistic
        >>> from polytome.penalties import NoPenalty
        >>> from polytome.rows import as_rows
        >>> objective = Objective(Logistic(), NoPenalty(), as_rows(np.zeros((4, 1)), np.array([0, 1, 1, 1])))
        >>> bool(np.isclose(exact_intercept(objective, np.zeros((4, 1)))[0], np.log(3)))
        True
    """
    known, its = KnownScores(objective, scores), objective.rows
    b, off = _balanced(known, np.zeros(scores.shape[1]))
    if off > _BALANCED:  # nothing bends where all rows are sure of the same: begin where their mean is the null model's
        null = np.clip(objective.loss.null_scores(its.target, its.weight), -_LARGEST, _LARGEST)
        centred = null - its.weight @ scores / objective.total_weight
        nearer, left = _balanced(known, objective.loss.canonical(centred[np.newaxis])[0])
        b = nearer if left < off else b
    return b


def _balanced(known: KnownScores, b: Array) -> tuple[Array, float]:
    """Where Newton's method from intercepts `b` ends, and how far the mean residuals are from zero there.

    Those of rare outputs are measured by the weight that the output has.
    """
    separable, hessian = known.objective.loss.separable, None
    unit = np.clip(known.objective.room / _RARE, _RAREST, 1.0)
    value, slope = known.loss_and_slope(b)
    off = float((np.abs(slope) / unit).max())
    for _ in range(_MOST_STEPS):
        if not off > ROUNDING:
            break
        fresh = hessian is None
        hessian = known.hessian(b) if hessian is None else hessian
        step = damped_step(hessian, 0.0, slope, separable)
        # A Hessian from elsewhere gets one try: a fresh one is the better remedy for a step that does not serve.
        for _ in range(40 if fresh else 1):
            reached, there = known.loss_and_slope(b - step)
            change, left = reached - value, float((np.abs(there) / unit).max())
            if change < -ROUNDING * abs(value) or (left < off and change <= ROUNDING * abs(value)):
                hessian = hessian if left <= 0.1 * off else None
                b, value, slope, off = b - step, reached, there, left
                break
            step /= 2
        else:
            if fresh:
                break
            hessian = None
    return b, off


def damped_step(hessian: Array, damping: float, gradient: Array, separable: bool) -> Array:
    """The inverse of `hessian + damping I` times the gradient; directions without curvature get no step."""
    if separable:  # a diagonal matrix, and a large one where there are many pairs of classes
        bend = hessian.diagonal() + damping
        return np.divide(gradient, bend, out=np.zeros_like(gradient), where=bend > 1e-15 * bend.max())
    diagonal = hessian.diagonal()
    if damping == 0.0 and diagonal.min() < _RARE**2 * diagonal.max():
        return _rare_step(hessian, gradient)
    # The mean fills the flat direction of the softmax loss: the same change to every intercept.
    filled = hessian + hessian.diagonal().mean() / len(hessian) + damping * np.eye(len(hessian))
    bends, directions = np.linalg.eigh(filled)
    along = np.divide(directions.T @ gradient, bends, out=np.zeros_like(gradient), where=bends > 1e-15 * bends[-1])
    step: Array = directions @ along
    return step


def _rare_step(hessian: Array, gradient: Array) -> Array:
    """The step of the softmax loss where classes differ by many orders of magnitude: that of all classes but the one of
    the most curvature, whose Hessian is definite, with its diagonal brought to one."""
    diagonal = hessian.diagonal()
    others = np.flatnonzero((np.arange(len(diagonal)) != diagonal.argmax()) & (diagonal > 0))
    scale = 1 / np.sqrt(diagonal[others])
    matrix = hessian[np.ix_(others, others)] * scale[:, None] * scale
    bends, directions = np.linalg.eigh(matrix)
    along = directions.T @ (gradient[others] * scale)
    along = np.divide(along, bends, out=np.zeros_like(along), where=bends > 1e-15 * max(bends.max(initial=0.0), 0.0))
    step = np.zeros_like(gradient)
    step[others] = (directions @ along) * scale
    centred: Array = step - step.mean()
    return centred
