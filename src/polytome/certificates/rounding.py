"""The effect of rounding on a certificate: a priori bounds, from the unit roundoff and columns'
sizes.

A sum of n products, in whatever order, is off by at most `growth(n)` times the sum of their
absolute values (Higham, section 3.1). Here the sums run over rows, and by Cauchy and Schwarz the
absolute values are bounded by root mean squares of columns, of residuals and of scores, which are
known without another reading of the rows. Exponentials and logarithms are assumed accurate to eight
units in the last place; the tests hold them to that. All bounds are in nats.

References: Higham, Accuracy and Stability of Numerical Algorithms, 2002, sections 2.2 and 3.1; for
`2 L loss` as a bound on a squared gradient Nesterov, Introductory Lectures on Convex Optimization,
2004, theorem 2.1.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.losses import Loss
from polytome.numerics.exact_sums import UNIT, growth
from polytome.objective import Objective
from polytome.penalties import Bounded

Array = NDArray[Any]

__all__ = [
    "ELEMENTARY_ROUNDINGS",
    "UNIT",
    "Rounding",
    "divergences",
    "growth",
    "rounding_of",
    "strength_error",
]

ELEMENTARY_ROUNDINGS = 40
"""Roundings that stand for all the elementary functions and products that make a residual or the
loss of a row."""
_UNDERFLOW = 1e-290  # stands for what underflows
_UNDERFLOWN_PROBABILITY = 1e-300
_MAX_DEVIATION = 150.0
_MAX_PRODUCT_COEFFICIENTS = 2**16


@dataclass(frozen=True)
class Rounding:
    """How far numbers that were computed at some coefficients can be from those of the rows
    themselves.

    Attributes:
        objective: of the objective, in nats.
        strength: of the gap, because the strength of the penalty is itself rounded, in nats.
        gradient: of its gradient with respect to the feature coefficients, in the penalty's dual
            norm.
        balance: of each output's mean residual.
        divergence: mean Kullback-Leibler divergence between predictions at the scores as computed
            and at the scores of the coefficients as returned, in nats.
        reach: bound on the change of the gradient where predictions give way to that dual point.
        cost: mean divergence of the dual point that `Loss.room` promises from the predictions, in
            nats, at most.
        room: how far that can move the mean residual of each output, shape (n_outputs,).
        roundings: the relative error of a mean over the rows of elementary functions of scores.
    """

    objective: float
    strength: float
    gradient: float
    balance: float
    divergence: float
    reach: float
    cost: float
    room: Array
    roundings: float


def rounding_of(objective: Objective, W: Array, value: float) -> Rounding:
    """Bounds for value and gradient of an objective, computed in float64 at coefficients `W`.

    Args:
        objective: with products in float64.
        W: coefficients, shape `objective.shape`.
        value: the objective there, in nats, or more.
    """
    loss, n_outputs = objective.loss, objective.shape[1]
    penalty = objective.penalty.value(W[:-1])
    mean_loss = max(value - penalty, 0.0) + UNIT
    sizes = objective.sizes
    as_summed = _score_sizes(W, sizes.summed, sizes.summed_norm)
    about_centre = _score_sizes(W, sizes.centred, sizes.centred_norm)
    # Scores: as many products as columns, to raw columns and to the intercept that a user gets; and
    # the sum with the offset.
    offset, score_error = objective.offset_size, growth(3 * len(W) + 6) * as_summed
    if offset:
        score_error += growth(2) * (as_summed + offset)
    shifted = score_error**2
    divergence = 0.5 * loss.smoothness * shifted
    # Residuals, by the smoothness of the loss; those of soft labels are differences of numbers near
    # one.
    residuals = math.sqrt(2 * loss.smoothness * mean_loss)
    soft = math.sqrt(n_outputs) if objective.soft.size and objective.soft.any() else 0.0
    roundings = growth(sizes.depth + n_outputs + ELEMENTARY_ROUNDINGS)
    balance = roundings * (residuals + soft) + _UNDERFLOW
    penalty_norm = math.sqrt(2 * penalty * objective.penalty.modulus)  # the dual norm of its gradient
    objective_error = roundings * (mean_loss + soft) + growth(W.size + 4) * penalty
    objective_error += residuals * math.sqrt(shifted) + divergence
    # The loss of a row, and its residual in the dual point times its scores; a cross-entropy by the
    # size of the scores.
    largest = n_outputs * math.log(2) + 2 * math.sqrt(n_outputs) * (about_centre + offset)
    return Rounding(
        objective=objective_error,
        strength=strength_error(objective, penalty, value if isinstance(objective.penalty, Bounded) else 0.0),
        gradient=sizes.summed_dual * (1 + growth(len(W))) * balance + 4 * UNIT * penalty_norm,
        balance=balance,
        divergence=divergence,
        reach=sizes.centred_dual * (1 + growth(len(W))) * math.sqrt(max(n_outputs, 2)) + penalty_norm + _UNDERFLOW,
        cost=largest if loss.is_cross_entropy else mean_loss + objective_error + largest,
        room=objective.room,
        roundings=roundings,
    )


def strength_error(objective: Objective, penalty: float, least: float = 0.0) -> float:
    """What the rounding of the penalty's strength, and of the columns' deviations if they are
    scaled, may do to a gap.

    The least penalty is at most the null model's objective; where its coefficients are not within
    bounds, at most another value `least` of the objective.
    """
    scaled = (
        2 * growth(objective.rows.n_rows + ELEMENTARY_ROUNDINGS) if (objective.rows.columns.scale != 1).any() else 0.0
    )
    # A share of absolute values, and one of squares, are rounded products of it.
    roundings = 8 if objective.penalty.has_rest else 4
    return (roundings * UNIT + scaled) * (penalty + max(objective.null[1], least))


def _score_sizes(W: Array, sizes: Array, norm: float) -> float:
    """Bound on the root mean square of rows of scores, for columns of known root mean squares.

    For many coefficients by the inequality of Cauchy and Schwarz once more, which needs no array of
    their size.
    """
    if W.size <= _MAX_PRODUCT_COEFFICIENTS:
        return _norm(sizes @ np.abs(W[:-1]) + np.abs(W[-1]))
    return norm * (1 + growth(len(W))) * _norm(W[:-1]) + _norm(W[-1])


def _norm(values: Array) -> float:
    return math.sqrt(float(np.vdot(values, values))) * (1 + growth(values.size + 2))


def divergences(loss: Loss, scores: Array, target: Array, deviation: Array) -> Array:
    """Bound on each row's divergence between predictions whose scores differ by no more than a
    deviation, (n,).

    Half the deviation's square times the largest curvature on the way: that of the loss at the
    scores, times the exponential of what the scores may change, if the loss is self-concordant;
    never more than the loss's smoothness. Of the softmax loss each class counts with a deviation of
    its own.
    """
    known = loss.self_concordance
    if known is None or not (loss.separable or loss.is_cross_entropy):
        return np.asarray(0.5 * loss.smoothness * (deviation * deviation).sum(axis=1))
    m, u = loss.curvature(scores, target)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if u is None:
            exponent = np.where(
                deviation < _MAX_DEVIATION, deviation, np.inf
            )  # beyond, what has underflowed might come back
            curvature = np.fmin(loss.smoothness, (m + _UNDERFLOWN_PROBABILITY) * np.exp(known * exponent))
            return np.asarray(0.5 * (curvature * deviation * deviation).sum(axis=1))
        # The form of diag(p) - p p' is a variance: no larger than half the range squared, nor than
        # the second moment about the likeliest class, of which no other has a greater part than
        # what their scores differ by allows.
        likeliest = scores.argmax(axis=1)[:, None]
        below = scores - np.take_along_axis(scores, likeliest, 1)
        moved = deviation + np.take_along_axis(deviation, likeliest, 1)
        most = np.fmin(1.0, np.exp(below + moved + 8 * UNIT * (np.abs(below) + moved)) + _UNDERFLOWN_PROBABILITY)
        np.put_along_axis(most, likeliest, 0.0, 1)
        second = 0.5 * (most * moved * moved).sum(axis=1)
        return np.asarray(np.fmin(second, 0.5 * deviation.max(axis=1) ** 2))
