"""Rows whose scores are known: their loss as a function of the intercepts alone, and the intercepts
that are best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from polytome.objective.objective import Objective
from polytome.passes import HessianOfKnownScores, LossOfScores
from polytome.rows import ArrayRows
from polytome.threads import kept

Array = NDArray[Any]
Point = TypeVar("Point", bound=tuple[Any, ...])
"""The objective and its gradient with respect to the intercepts, and whatever else is known
there."""

__all__ = ["RESIDUAL_ROUNDING", "KnownScores", "balanced", "exact_intercept", "newton_step"]

RESIDUAL_ROUNDING = 1e-13
"""Residuals of this size, relative to the loss, are rounding."""
_BALANCED_RESIDUAL = 1e-9
_MAX_STEPS = 200
_MAX_STALLED_STEPS = 40  # that do not halve the residual
_RARE_WEIGHT = 1e-4  # of the weight
_MIN_UNIT = 1e-30
_MAX_NULL_SCORE = 40.0  # e^40 to one is more than the rarest class needs


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
        rows = self.objective.rows
        return ArrayRows.of(self.scores, rows.target, rows.weight, n_threads=rows.facts.n_threads)

    def loss_and_slope(self, b: Array) -> tuple[float, Array]:
        """Mean loss of the rows in nats, and its gradient with respect to the intercepts `b`,
        (n_outputs,)."""
        value, slope = self.rows.reduce(LossOfScores(self.objective.loss, b))
        return float(value) / self.objective.total_weight, slope / self.objective.total_weight

    def loss_slope_and_residuals(self, b: Array) -> tuple[float, Array, Array]:
        """The same, and the gradients of the rows' losses with respect to their scores,
        (n, n_outputs)."""
        value, slope, residuals = self.rows.reduce(LossOfScores(self.objective.loss, b, with_residuals=True))
        return float(value) / self.objective.total_weight, slope / self.objective.total_weight, residuals

    def hessian(self, b: Array) -> Array:
        """The Hessian of the mean loss with respect to the intercepts, (n_outputs, n_outputs)."""
        (hessian,) = self.rows.reduce(HessianOfKnownScores(self.objective.loss, b))
        return np.asarray(hessian / self.objective.total_weight)


def exact_intercept(objective: Objective, scores: Array, hessian: Array | None = None) -> Array:
    """What to add to the scores of all rows so that the weighted residuals sum to zero, shape
    (n_outputs,).

    Newton's method on a convex function of the intercepts.

    Args:
        objective: gives the loss, the targets and the weights.
        scores: shape (n, n_outputs), float64.
        hessian: that of the intercepts nearby, (n_outputs, n_outputs), if it is known.

    Example:
        >>> from polytome.losses import Logistic
        >>> from polytome.penalties import NoPenalty
        >>> from polytome.rows import as_rows
        >>> objective = Objective(Logistic(), NoPenalty(), as_rows(np.zeros((4, 1)), np.array([0, 1, 1, 1])))
        >>> bool(np.isclose(exact_intercept(objective, np.zeros((4, 1)))[0], np.log(3)))
        True
    """
    known, rows = KnownScores(objective, scores), objective.rows
    b, residual = _balanced(known, np.zeros(scores.shape[1]), hessian)
    if (
        residual > _BALANCED_RESIDUAL
    ):  # no curvature where all rows predict the same class: start where their mean is the null model's
        null = np.clip(objective.loss.null_scores(rows.target, rows.weight), -_MAX_NULL_SCORE, _MAX_NULL_SCORE)
        centred = null - rows.weight @ scores / objective.total_weight
        other, nearer_residual = _balanced(known, objective.loss.canonical(centred[np.newaxis])[0])
        b = other if nearer_residual < residual else b
    return b


def _balanced(known: KnownScores, b: Array, hessian: Array | None = None) -> tuple[Array, float]:
    """Where Newton's method from intercepts `b` ends, and how far the mean residuals are from zero
    there.

    Those of rare outputs are measured by the weight that the output has.
    """
    unit = np.clip(known.objective.room / _RARE_WEIGHT, _MIN_UNIT, 1.0)
    separable = known.objective.loss.separable
    b, (_, slope) = balanced(known.loss_and_slope, known.hessian, b, separable=separable, unit=unit, hessian=hessian)
    return b, float((np.abs(slope) / unit).max())


def balanced(
    evaluate: Callable[[Array], Point],
    hessian_at: Callable[[Array], Array],
    b: Array,
    *,
    separable: bool,
    unit: Array | float = 1.0,
    damp: bool = False,
    tolerance: float = RESIDUAL_ROUNDING,
    start: Point | None = None,
    hessian: Array | None = None,
) -> tuple[Array, Point]:
    """Newton's method on intercepts alone: its Hessian is kept while steps converge fast, and a
    step that does not decrease is damped or halved.

    Args:
        evaluate: the objective and its gradient at intercepts, and whatever else is wanted of the
            last ones.
        hessian_at: the Hessian there, (n_outputs, n_outputs).
        b: the intercepts to start from, (n_outputs,).
        separable: whether Hessians are diagonal.
        unit: the unit of each gradient's absolute value.
        damp: whether a failed step is damped, which still advances where hardly a row has
            curvature; else it is halved, and ends where another start is needed.
        tolerance: a gradient below this counts as zero.
        start: what `evaluate` gives at the start, if it is known.
        hessian: that of a place nearby, if it is known.

    Returns:
        The intercepts, and what `evaluate` gave there.

    Reference: Levenberg, A method for the solution of certain non-linear problems in least squares,
    Quarterly of Applied Mathematics 2, 1944.
    """
    point = evaluate(b) if start is None else start
    residual = float((np.abs(point[1]) / unit).max())
    is_fresh, is_nearby, damping, length = False, hessian is not None, 0.0, 1.0
    smallest, stalled = np.inf, 0
    for _ in range(_MAX_STEPS):
        stalled = 0 if residual < 0.5 * smallest else stalled + 1
        smallest = min(smallest, residual)
        if not residual > tolerance or stalled > _MAX_STALLED_STEPS:
            break
        if hessian is None:
            hessian, is_fresh, is_nearby = hessian_at(b), True, False
        step = length * newton_step(hessian, point[1], separable, damping)
        trial = evaluate(b - step)
        change, trial_residual = trial[0] - point[0], float((np.abs(trial[1]) / unit).max())
        rounding = RESIDUAL_ROUNDING * abs(point[0])
        if change < -rounding or (trial_residual < residual and change <= rounding):
            if is_nearby:
                hessian = _corrected(hessian, step, point[1] - trial[1], separable)
            hessian = hessian if trial_residual <= (0.5 if is_nearby else 0.1) * residual else None
            b, point, residual = b - step, trial, trial_residual
            is_fresh, damping, length = False, damping / 10, 1.0
        elif not is_fresh:  # a fresh Hessian is the better remedy for a failed step
            hessian = None
        elif not damp:
            length /= 2
        elif residual < _BALANCED_RESIDUAL:  # as exact as rounding allows
            break
        else:
            damping = max(10 * damping, 1e-3 * float(hessian.diagonal().max()), 1e-12)
    return b, point


def _corrected(hessian: Array, step: Array, slope_change: Array, separable: bool) -> Array:
    """The Hessian nearby, changed so that it explains by how much a step changed the slope: by the
    secant of each output, or by the formula of Broyden, Fletcher, Goldfarb and Shanno."""
    image = hessian @ step
    if separable:
        ratio = np.divide(slope_change, image, out=np.ones_like(step), where=image != 0)
        return np.diag(hessian.diagonal() * np.clip(ratio, 0.5, 2.0))
    seen, expected = float(step @ slope_change), float(step @ image)
    if not (seen > 0 and expected > 0):
        return hessian
    return hessian + np.outer(slope_change, slope_change) / seen - np.outer(image, image) / expected


def newton_step(hessian: Array, gradient: Array, separable: bool, damping: float = 0.0) -> Array:
    """The inverse of `hessian + damping I` times the gradient; directions without curvature get no
    step."""
    if separable:  # a diagonal matrix, and a large one where there are many pairs of classes
        curvature = hessian.diagonal() + damping
        is_curved = curvature > 1e-15 * curvature.max()
        return np.divide(gradient, curvature, out=np.zeros_like(gradient), where=is_curved)
    diagonal = hessian.diagonal()
    if damping == 0.0 and diagonal.min() < _RARE_WEIGHT**2 * diagonal.max():
        return _rare_step(hessian, gradient)
    # The mean fills the flat direction of the softmax loss: the same change to every intercept.
    filled = hessian + hessian.diagonal().mean() / len(hessian) + damping * np.eye(len(hessian))
    eigenvalues, directions = np.linalg.eigh(filled)
    is_curved = eigenvalues > 1e-15 * eigenvalues[-1]
    along = np.divide(directions.T @ gradient, eigenvalues, out=np.zeros_like(gradient), where=is_curved)
    step: Array = directions @ along
    return step


def _rare_step(hessian: Array, gradient: Array) -> Array:
    """The step of the softmax loss where classes differ by many orders of magnitude: that of all
    classes but the one of the most curvature, whose Hessian is definite, with its diagonal brought
    to one."""
    diagonal = hessian.diagonal()
    others = np.flatnonzero((np.arange(len(diagonal)) != diagonal.argmax()) & (diagonal > 0))
    scale = 1 / np.sqrt(diagonal[others])
    matrix = hessian[np.ix_(others, others)] * scale[:, None] * scale
    eigenvalues, directions = np.linalg.eigh(matrix)
    along = directions.T @ (gradient[others] * scale)
    is_curved = eigenvalues > 1e-15 * max(eigenvalues.max(initial=0.0), 0.0)
    along = np.divide(along, eigenvalues, out=np.zeros_like(along), where=is_curved)
    step = np.zeros_like(gradient)
    step[others] = (directions @ along) * scale
    centred: Array = step - step.mean()
    return centred
