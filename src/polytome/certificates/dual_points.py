"""Dual points in more digits than a float has.

The certificate wants predictions whose residuals, times columns, add up to minus the penalty's
gradient. Where columns are as large as 1e14, residuals in float64 do not reach that: so each is a
sum of floats here, and sums over them are free of rounding: see `exact_sums`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.rounding import UNIT
from polytome.curvature.hessian_root import HessianRoot
from polytome.numerics.exact_sums import ExactSums, exact_difference
from polytome.objective import Objective

Array = NDArray[Any]

__all__ = ["DualPoint", "whole"]

_MAX_RELATIVE_CHANGE = 0.25  # of each probability: no prediction is moved further
_MAX_REFINEMENTS = 6
_UNDERFLOW = 1e-290


class Frame(Protocol):
    """What a dual point asks of its frame: see `careful.CarefulFrame`, whose members these are."""

    @property
    def objective(self) -> Objective: ...
    @property
    def root(self) -> HessianRoot | None: ...
    def sums(self, parts: list[Array], likeliest: Array | None) -> ExactSums: ...
    def movable(self, residual: Array, scores: Array) -> tuple[Array, float, float]: ...


@dataclass(frozen=True)
class DualPoint:
    """Predictions of all rows that differ a little from those of known scores, and what their
    residuals add up to.

    They are the floats of `loss.mean`, with a change of two floats each; of two that add up to one
    the smaller. In a row of the softmax loss the likeliest class has what the others leave.

    Attributes:
        scores: shape (n, n_outputs).
        coefficients: of the features, standardised, shape (n_features, n_outputs).
        change: by how much the predictions differ from those of the scores, (2, n, n_outputs).
        moves: the same as one float each, and of the likeliest class too, (n, n_outputs).
        residual: of the rows, without weights, shape (n, n_outputs), rounded.
        gradient: `G + lambda W`, and in the last row the mean residuals,
            (n_features + 1, n_outputs).
        gradient_error: how far rounding may have moved the gradient, of the same shape.
        chi_square: bound on each row's divergence between the predictions of both, in nats, shape
            (n,).
    """

    scores: Array
    coefficients: Array
    change: Array
    moves: Array
    residual: Array
    gradient: Array
    gradient_error: Array
    chi_square: Array

    @classmethod
    def at(cls, frame: Frame, scores: Array, coefficients: Array, change: Array | None = None) -> DualPoint:
        """The predictions of scores, changed if need be, about coefficients; of a change that is
        not small a part."""
        objective = frame.objective
        likeliest = None if objective.loss.separable else scores.argmax(axis=1)
        m, _ = objective.loss.curvature(scores, objective.rows.target)
        change = np.zeros((2, *scores.shape)) if change is None else _small(change, m, likeliest)
        parts = [*objective.loss.exact_residuals(scores, objective.rows.target), *change]
        scale, total = objective.rows.columns.scale[:, None], objective.total_weight
        sums = frame.sums(parts, likeliest)
        features = sums.features * scale / total
        mean = sums.mean / total if objective.fit_intercept else np.zeros(len(sums.mean))
        gradient = np.vstack([features + objective.penalty.quadratic * coefficients, mean])
        gradient_error = np.vstack(
            [sums.features_error * scale / total + 4 * UNIT * np.abs(features), sums.mean_error / total]
        )
        moves = whole([change[0]], likeliest)
        square = np.divide(moves * moves, m, out=np.zeros_like(m), where=moves != 0).sum(axis=1) * (1 + 1e-9)
        gradient_error *= 1 + 1e-9
        return cls(scores, coefficients, change, moves, whole(parts, likeliest), gradient, gradient_error, square)

    def refined(self, frame: Frame, primal: Array, tolerance: float) -> DualPoint:
        """A dual point at which the penalty's gap is no larger than this, if a few of Newton's
        steps lead to one.

        Coefficients in float64 cannot bring the residuals of huge rows to where their sums vanish;
        a dual point can be changed by less than a score can. Newton's step D asks for scores
        `dz = x D`, to which residuals answer by `(diag(p) - p p') dz`; then `G + lambda W` is
        `-lambda D`. What D lacks, further steps find.

        Args:
            frame: where the sums are made.
            primal: standardised coefficients of the centred objective, intercept last, that the
                predictions are those of.
            tolerance: in nats.
        """
        best, dual, D = self, self, np.zeros_like(self.gradient)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for _ in range(_MAX_REFINEMENTS):
                if frame.root is None or best.remaining_gap(frame) <= tolerance:
                    break
                penalty_gradient = np.vstack([frame.objective.penalty.quadratic * D[:-1], np.zeros_like(D[-1:])])
                step = frame.root.step(primal, dual.gradient + penalty_gradient)
                dz = frame.root.X @ step
                if not np.isfinite(dz).all():
                    break
                dual, D = dual.moved(frame, dz), D + step
                best = dual if dual.remaining_gap(frame) < best.remaining_gap(frame) else best
        return best

    def remaining_gap(self, frame: Frame) -> float:
        """What may be left of the gap, other than rounding and the divergence of its scores'
        predictions."""
        objective = frame.objective
        room, reach, cost = frame.movable(self.residual * objective.rows.weight[:, None], np.abs(self.scores))
        share = float((np.abs(self.gradient[-1]) / np.maximum(room, 0.0)).max()) if self.gradient[-1].any() else 0.0
        size = objective.penalty.dual_norm(self.gradient[:-1]) + share * reach
        moved = float(objective.rows.weight @ self.chi_square) / objective.total_weight
        return size * size / (2 * objective.penalty.modulus) + share * cost + moved

    def moved(self, frame: Frame, dz: Array) -> DualPoint:
        """The predictions that answer to a small change of all scores."""
        m, u = frame.objective.loss.curvature(self.scores, frame.objective.rows.target)
        if u is None:
            change_asked = m * dz
        else:
            dz = dz - np.take_along_axis(dz, self.scores.argmax(axis=1)[:, None], 1)
            change_asked = m * (dz - (m * dz).sum(axis=1, keepdims=True))
        high, low = exact_difference(self.change[0], -change_asked)
        return self.at(frame, self.scores, self.coefficients, np.stack([high, self.change[1] + low]))


def _small(change: Array, m: Array, likeliest: Array | None) -> Array:
    """As much of a change of predictions with the curvature m as leaves them distributions; where
    outputs belong together, the likeliest has none of its own."""
    change = np.where(m > _UNDERFLOW, change, 0.0)
    if likeliest is not None:
        np.put_along_axis(change, likeliest[None, :, None], 0.0, 2)
    change *= _no_more_than(_MAX_RELATIVE_CHANGE * m, np.abs(change[0]))
    if likeliest is not None:
        rest = np.abs(whole([change[0]], likeliest))
        change *= _no_more_than(2 * _MAX_RELATIVE_CHANGE * m, rest).min(axis=1, keepdims=True)
    return change


def _no_more_than(bounds: Array, sizes: Array) -> Array:
    """Powers of two, which round nothing, that bring sizes to at most these."""
    part = np.divide(bounds, sizes, out=np.ones_like(sizes), where=sizes > bounds)
    return np.where(part < 1, 2.0 ** np.floor(np.log2(np.maximum(part, 1e-300))), 1.0)


def whole(parts: list[Array], likeliest: Array | None) -> Array:
    """The sum of the parts; where outputs belong together, the likeliest has minus what the others
    have."""
    total: Array = np.sum(parts, axis=0)
    if likeliest is not None:
        total[np.arange(len(total)), likeliest] = 0.0
        total[np.arange(len(total)), likeliest] = -total.sum(axis=1)
    return total
