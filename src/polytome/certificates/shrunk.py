"""Residuals that are shrunk until a penalty's corners hold their gradient, and what that costs.

Near a minimum under absolute values the gradient of the loss is a little beyond some corners. Times
a multiple a of a little less than 1 it is within all of them, and a times the residuals are those
of other predictions, `q = a p + (1 - a) y` with the labels y: a step of `t = 1 - a` from p. Where
the residuals satisfy equations, such as the intercept's, so do those of q. With `l` the loss of a
row, the divergence of q from p is at most

    KL(q || p)  <=  min(t l,  t^2 chi^2(y || p))

by convexity, and because a divergence is no larger than its chi-square; that of a certain label is
`exp(l) - 1`. It is of second order in t, while the bound by the size of coefficients (`fenchel`) is
of first order, times the objective.

Reference: Ndiaye, Fercoq, Gramfort and Salmon, Gap safe screening rules for sparsity enforcing
penalties, Journal of Machine Learning Research 18, 2017, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.losses import Loss, labels_of, offset_of
from polytome.numerics.exact_sums import UNIT
from polytome.objective import Objective
from polytome.objective.intercepts import KnownScores
from polytome.passes import Block, Sums, block_scores

Array = NDArray[Any]

__all__ = ["expected_divergence", "feasible_multiple", "shrunk_divergence"]

_CONDITION = 50.0  # of exp(l) - 1, relative to l, where it is less than l / t


def feasible_multiple(objective: Objective, gradient: Array, error: Array | float = 0.0) -> float:
    """The largest multiple of a gradient of the loss, known but for an error, that is within all
    corners; 1 where none is needed."""
    return objective.penalty.feasible_multiple(-(gradient + np.copysign(error, gradient)))


def expected_divergence(objective: Objective, share: float, mean_loss: float) -> float:
    """What the divergence will be for predictions that are as often right as they say: there the
    mean of chi-squares is the number of outputs less one."""
    return min(share * mean_loss, share * share * max(objective.shape[1] - 1, 1))


def shrunk_divergence(objective: Objective, W: Array, share: float, roundings: float) -> float:
    """A bound on the mean divergence, in nats, of predictions that are moved by a share of the way
    to the labels from those of the scores as computed: a pass over the rows, or over their scores
    where those are known.

    Args:
        objective: of a cross-entropy, with products in float64.
        W: coefficients, shape `objective.shape`.
        share: from 0 to 1.
        roundings: the relative error of a mean over the rows of elementary functions of scores.
    """
    scores, rows, raw = objective.known_scores(W), objective.rows, None
    if scores is None:
        raw = rows.columns.to_raw(W)
    else:
        rows = KnownScores(objective, scores).rows
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        (total,) = rows.reduce(_ShrunkDivergence(objective.loss, raw, share))
    return float(total) / objective.total_weight * (1 + _CONDITION * roundings)


@dataclass(frozen=True, eq=False)
class _ShrunkDivergence:
    """The sum over the rows of `min(t l, t^2 chi^2)`, weighted.

    Args:
        loss: a cross-entropy.
        raw: coefficients for raw columns, float64; None where rows are scores themselves.
        share: t.
    """

    loss: Loss
    raw: Array | None
    share: float
    joined = 0

    def of_block(self, block: Block) -> Sums:
        loss, target, t = self.loss, block.target, self.share
        scores = np.asarray(block.X) if self.raw is None else block_scores(block, self.raw)
        if labels_of(target).dtype.kind == "f":
            # Of a soft label the residual is a difference of numbers near one.
            m, _ = loss.curvature(scores, target)
            value, residual = loss.value_and_gradient(scores, target)
            distance = np.abs(residual) + 8 * UNIT
            chi_square = (distance * distance / m).sum(axis=1)
            return (np.asarray(block.weight @ np.fmin(t * value, t * t * chi_square)),)
        if loss.separable and offset_of(target) is None:
            divergence = np.exp(-loss.margin(scores, target)).sum(axis=1)
        else:
            divergence = np.expm1(loss.value_and_gradient(scores, target)[0])
        divergence *= t * t
        if (is_far := divergence > t).any():
            divergence[is_far] = t * loss.value_and_gradient(scores[is_far], target[is_far])[0]
        return (np.asarray(block.weight @ divergence),)
