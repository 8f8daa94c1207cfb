"""Dual points in more digits than a float has, and that of the optimum.

The certificate wants predictions whose residuals, times columns, add up to minus the penalty's gradient. Where columns
are as large as 1e14, residuals in float64 do not reach that: so each is a sum of floats here, sums over them are free
of rounding, and Newton's steps are made in coordinates in which no column hides another.

Reference: Nocedal and Wright, Numerical Optimization, 2006, section 3.4; `exact_sums` and `hessian_root.Basis`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.rounding import UNIT
from polytome.curvature.hessian_root import Basis, HessianRoot
from polytome.numerics.exact_sums import ExactSums, exact_difference, exact_scores, exact_sums
from polytome.objective import Objective

Array = NDArray[Any]

__all__ = ["DualPoint", "find_optimum", "whole"]

_MAX_RELATIVE_CHANGE = 0.25  # of each probability: no prediction is moved further
_MAX_REFINEMENTS = 6
_MAX_STEPS = 120  # from the null model to the optimum
_MAX_TRIES = 6  # to refine what a step has led to
_STEPS_BETWEEN_TRIES = 5  # steps, before the next try
_TRIED_GAP_FRACTION = 0.01  # of what may be left: when a step of smaller predicted decrease is tried
_SLOPE_TOLERANCE = 0.3  # what may be left of a slope
_MAX_LENGTHS = 60


class Frame(Protocol):
    """What a dual point asks of its frame: see `careful.CarefulFrame`, whose members these are."""

    @property
    def objective(self) -> Objective: ...
    @property
    def root(self) -> HessianRoot | None: ...
    @property
    def exact(self) -> tuple[Array, Array] | None: ...
    @property
    def is_tiny(self) -> bool: ...
    def basis(self, scores: Array) -> Basis: ...
    def sums(self, parts: list[Array], likeliest: Array | None) -> ExactSums: ...
    def movable(self, residual: Array, scores: Array) -> tuple[Array, float, float]: ...


@dataclass(frozen=True)
class DualPoint:
    """Predictions of all rows that differ a little from those of known scores, and what their residuals add up to.

    They are the floats of `loss.mean`, with a change of two floats each; of two that add up to one the smaller. In a
    row of the softmax loss the likeliest class has what the others leave.

    Attributes:
        scores: shape (n, n_outputs).
        coefficients: of the features, standardised, shape (n_features, n_outputs).
        change: by how much the predictions differ from those of the scores, (2, n, n_outputs).
        moves: the same as one float each, and of the likeliest class too, (n, n_outputs).
        parts: what the residuals are the sums of, see `exact_sums`.
        residual: of the rows, without weights, shape (n, n_outputs), rounded.
        gradient: `G + lambda W`, and in the last row the mean residuals, (n_features + 1, n_outputs).
        gradient_error: how far rounding may have moved the gradient, of the same shape.
        chi_square: bound on each row's divergence between the predictions of both, in nats, shape (n,).
        primal: standardised coefficients of the centred objective, intercept last, that the predictions are those of.
    """

    scores: Array
    coefficients: Array
    change: Array
    moves: Array
    parts: list[Array]
    residual: Array
    gradient: Array
    gradient_error: Array
    chi_square: Array
    primal: Array

    @classmethod
    def at(cls, frame: Frame, scores: Array, primal: Array) -> DualPoint:
        """The predictions of scores, about the coefficients that they are nearly those of."""
        return cls._of(frame, scores, primal[:-1], np.zeros((2, *scores.shape)), primal)

    def about(self, frame: Frame, coefficients: Array) -> DualPoint:
        """The same dual point about other coefficients."""
        return self._of(frame, self.scores, coefficients, self.change, self.primal)

    @classmethod
    def _of(cls, frame: Frame, scores: Array, coefficients: Array, change: Array, primal: Array) -> DualPoint:
        objective = frame.objective
        likeliest = None if objective.loss.separable else scores.argmax(axis=1)
        parts = [*objective.loss.exact_residuals(scores, objective.rows.target), *change]
        scale, total = objective.rows.columns.scale[:, None], objective.total_weight
        sums = frame.sums(parts, likeliest)
        features = sums.features * scale / total
        mean = sums.mean / total if objective.fit_intercept else np.zeros(len(sums.mean))
        gradient = np.vstack([features + objective.penalty.quadratic * coefficients, mean])
        gradient_error = np.vstack(
            [sums.features_error * scale / total + 4 * UNIT * np.abs(features), sums.mean_error / total]
        )
        m, _ = objective.loss.curvature(scores, objective.rows.target)
        moves = whole([change[0]], likeliest)
        square = np.divide(moves * moves, m, out=np.zeros_like(m), where=moves != 0).sum(axis=1) * (1 + 1e-9)
        gradient_error *= 1 + 1e-9
        return cls(
            scores,
            coefficients,
            change,
            moves,
            parts,
            whole(parts, likeliest),
            gradient,
            gradient_error,
            square,
            primal,
        )

    def refined(self, frame: Frame, at: list[Array], tolerance: float) -> DualPoint:
        """A dual point at which the penalty's gap is no larger than this, if a few of Newton's steps lead to one.

        Coefficients in float64 cannot bring the residuals of huge rows to where their sums vanish; a dual point can be
        changed by less than a score can. Newton's step D asks for scores `dz = x D`, to which residuals answer by
        `(diag(p) - p p') dz`; then `G + lambda W` is `-lambda D`. What D lacks, further steps find.

        Args:
            frame: where the sums are made.
            at: what the coefficients that the predictions are those of are the sum of, (n_features + 1, n_outputs).
            tolerance: in nats.
        """
        best, dual, basis = self, self, frame.basis(self.scores) if frame.is_tiny else None
        D = np.zeros_like(self.gradient)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for _ in range(_MAX_REFINEMENTS):
                if frame.root is None or best.remaining_gap(frame) <= tolerance:
                    break
                if basis is None:
                    penalty_gradient = np.vstack([frame.objective.penalty.quadratic * D[:-1], np.zeros_like(D[-1:])])
                    step = frame.root.step(self.primal, dual.gradient + penalty_gradient)
                    dz = frame.root.X @ step
                else:
                    gradient = _gradient_in(basis, frame, dual.scores, dual.parts, at)
                    gradient += basis.standard.T @ (frame.objective.penalty.quadratic * (basis.standard @ D))
                    step = frame.root.step_in(basis, self.scores, gradient)
                    dz = basis.X[0] @ step
                if not np.isfinite(dz).all():
                    break
                dual, D = dual.moved(frame, dz), D + step
                best = dual if dual.remaining_gap(frame) < best.remaining_gap(frame) else best
        return best

    def remaining_gap(self, frame: Frame) -> float:
        """What may be left of the gap, other than rounding and the divergence of its scores' predictions."""
        objective = frame.objective
        room, reach, cost = frame.movable(self.residual * objective.rows.weight[:, None], np.abs(self.scores))
        share = float((np.abs(self.gradient[-1]) / np.maximum(room, 0.0)).max()) if self.gradient[-1].any() else 0.0
        size = objective.penalty.dual_norm(self.gradient[:-1]) + share * reach
        moved = float(objective.rows.weight @ self.chi_square) / objective.total_weight
        return size * size / (2 * objective.penalty.modulus) + share * cost + moved

    def moved(self, frame: Frame, dz: Array) -> DualPoint:
        """The predictions that answer to a small change of all scores; where it is not small they go part of
        the way."""
        m, u = frame.objective.loss.curvature(self.scores, frame.objective.rows.target)
        likeliest = self.scores.argmax(axis=1)[:, None]
        if u is None:
            change_asked = m * dz
        else:
            dz = dz - np.take_along_axis(dz, likeliest, 1)
            change_asked = m * (dz - (m * dz).sum(axis=1, keepdims=True))
        high, low = exact_difference(self.change[0], -change_asked)
        change = np.stack([high, self.change[1] + low])
        if u is not None:
            np.put_along_axis(change, likeliest[None], 0.0, 2)
        change *= _no_more_than(_MAX_RELATIVE_CHANGE * m, np.abs(change[0]))
        if u is not None:  # what the others leave to the likeliest
            rest = np.abs(whole([change[0]], likeliest[:, 0]))
            change *= _no_more_than(2 * _MAX_RELATIVE_CHANGE * m, rest).min(axis=1, keepdims=True)
        return self._of(frame, self.scores, self.coefficients, change, self.primal)


def _no_more_than(bounds: Array, sizes: Array) -> Array:
    """Powers of two, which round nothing, that bring sizes to at most these."""
    part = np.divide(bounds, sizes, out=np.ones_like(sizes), where=sizes > bounds)
    return np.where(part < 1, 2.0 ** np.floor(np.log2(np.maximum(part, 1e-300))), 1.0)


def whole(parts: list[Array], likeliest: Array | None) -> Array:
    """The sum of the parts; where outputs belong together, the likeliest has minus what the others have."""
    total: Array = np.sum(parts, axis=0)
    if likeliest is not None:
        total[np.arange(len(total)), likeliest] = 0.0
        total[np.arange(len(total)), likeliest] = -total.sum(axis=1)
    return total


def _gradient_in(basis: Basis, frame: Frame, scores: Array, parts: list[Array], at: list[Array]) -> Array:
    """The gradient with respect to coordinates of a basis, at the sum of these coefficients."""
    objective = frame.objective
    likeliest = None if objective.loss.separable else scores.argmax(axis=1)
    sums = exact_sums(basis.X, objective.rows.weight, parts, likeliest)
    penalty_rows = (basis.standard * objective.penalty.weights).T, np.zeros_like(basis.standard.T)
    penalty = np.sum([exact_scores(penalty_rows, W[:-1])[0] for W in at], axis=0)
    # The part of the loss adds up to zero over the classes by itself; a mean would hide small entries.
    penalty = penalty if objective.loss.separable else penalty - penalty.mean(axis=1, keepdims=True)
    return np.asarray(sums.features / objective.total_weight + objective.penalty.modulus * penalty)


def find_optimum(frame: Frame, tolerance: float) -> DualPoint | None:
    """The dual point of the optimum of a tiny problem, with no more than this left of its gap if that can be had.

    Newton's method in the coordinates of a basis leads coefficients of two floats each to it. Each step is as long as
    the slope along it asks for: a row that only a long step would put on its wrong side does not shorten a step that is short enough.
    """
    objective, exact = frame.objective, frame.exact
    assert exact is not None
    assert frame.root is not None
    scale = np.append(objective.rows.columns.scale, 1.0)[:, None]
    ones = np.full((objective.rows.n_rows, 1), float(objective.fit_intercept))
    X = np.hstack([exact[0], ones]), np.hstack([exact[1], np.zeros_like(ones)])
    W = np.stack([objective.null[0], np.zeros(objective.shape)])  # for the centred columns as they are, not scaled
    scores, best, tries, last_try = X[0] @ W[0], None, 0, 0
    best_gap = np.inf
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        for number in range(_MAX_STEPS):
            basis, at = frame.basis(scores), [part / scale for part in W]
            parts = objective.loss.exact_residuals(scores, objective.rows.target)
            gradient = _gradient_in(basis, frame, scores, parts, at)
            step = frame.root.step_in(basis, scores, gradient)
            predicted_decrease, dz = -0.5 * float(np.vdot(gradient, step)), basis.X[0] @ step
            if not np.isfinite(dz).all():
                break
            if (
                predicted_decrease <= _TRIED_GAP_FRACTION * tolerance and number >= last_try + _STEPS_BETWEEN_TRIES
            ) or number == _MAX_STEPS - 1:
                dual = DualPoint.at(frame, scores, at[0]).refined(frame, at, tolerance)
                remaining, tries, last_try = dual.remaining_gap(frame), tries + 1, number
                if best is None or remaining < best_gap:
                    best, best_gap = dual, remaining
                if best_gap <= tolerance or tries >= _MAX_TRIES:
                    break
            length = _step_length(objective, scores, dz, -2 * predicted_decrease, basis.standard @ step)
            for part in exact_scores((basis.T, np.zeros_like(basis.T)), length * step):
                high, low = exact_difference(W[0], -part)
                W = np.stack([high, W[1] + low])
            products = [exact_scores(X, part) for part in W]
            scores = products[0][0] + (products[0][1] + products[1][0])
    return best


def _step_length(objective: Objective, scores: Array, dz: Array, slope: float, D: Array) -> float:
    """The length of a step: where the slope along it is a small part of its first value; 1 where rounding hides it."""
    loss, target, share = objective.loss, objective.rows.target, objective.rows.weight / objective.total_weight
    _, before = loss.value_and_gradient(scores, target)
    penalty_curvature = float(np.vdot(objective.penalty.quadratic * D, D))
    if not -slope > 8 * UNIT * float(share @ np.abs(before * dz).sum(axis=1)):
        return 1.0

    def risen(length: float) -> float:
        """By how much the slope has risen, as a share of what it was."""
        _, residual = loss.value_and_gradient(scores + length * dz, target)
        rise = float(share @ ((residual - before) * dz).sum(axis=1)) + length * penalty_curvature
        return rise / -slope if np.isfinite(rise) else np.inf

    lower, upper, length = 0.0, np.inf, 1.0
    for _ in range(_MAX_LENGTHS):
        rise = risen(length)
        if rise > 1 + _SLOPE_TOLERANCE:
            upper = length
        elif rise < 1 - _SLOPE_TOLERANCE and length < 1:
            lower = length
        else:
            break
        length = (lower + upper) / 2 if upper <= 4 * lower else max(upper / 8, float(np.sqrt(lower * upper)))
    return length
