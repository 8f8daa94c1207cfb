"""The equations of columns that a penalty leaves alone: solved first, and the remainder added to the gap.

A dual point is feasible if `sum_i s_i x_ij R_i = 0` for each unpenalised column j and, where there is an intercept,
`sum_i s_i R_i = 0`. Let Z be these columns, p the predictions of some coefficients, `g = Z' diag(s) (p - y) / S` what
they leave of the equations, `C_i = diag(p_i) - p_i p_i'` the curvature of row i, and H that of Z, so that

    q_i = p_i + C_i c' z_i     with     H c = -g

satisfies all of them, whatever g. If no `|z_i c|` is large, q_i is a distribution. The divergence of q from p is on
average at most `chi^2 = g' H^-1 g = eta^2`; and by Cauchy and Schwarz the gradient of the penalised columns moves by at
most `sqrt(L) eta` times their root mean squares, L being the smoothness of the loss.

Where predictions are almost certain of the label, q_i is the label: such rows leave nothing of an equation, at the price
of their loss. So nothing is lost where unpenalised columns tell some classes apart perfectly.

All that is needed of H is a lower bound of its smallest eigenvalue, brought to a unit diagonal: the one computed
minus a bound of the rounding (Weyl). Where columns depend on each other it is not positive. If some of them are exactly
sums of others, their equations follow from those of the others, which are then looked at alone.

References: Higham, Accuracy and Stability of Numerical Algorithms, 2002, chapter 3; Horn and Johnson, Matrix Analysis,
2013, section 4.3 (Weyl's inequality).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.independent_columns import independent_columns
from polytome.certificates.rounding import ELEMENTARY_ROUNDINGS, UNIT, Rounding, growth
from polytome.losses import Loss
from polytome.objective import Objective
from polytome.passes import Block, Columns, Sums, block_scores, kronecker_rows

Array = NDArray[Any]

__all__ = ["Equations", "solve_equations"]

_MAX_STEPS = 20
_MAX_HALVINGS = 40
_MAX_SCORE_CHANGE = 0.5  # of a score: by less, predictions stay distributions
_FLAT_EIGENVALUE = 1e-14  # eigenvalues of a matrix with a unit diagonal: below is rounding
_EQUATIONS_GAP_FRACTION = 1e-3  # of the gap that is asked for: what the equations may add


@dataclass(frozen=True)
class Equations:
    """The equations of the unpenalised columns and the intercept at some coefficients.

    Attributes:
        objective: with products in float64.
        remainder: what the predictions leave of them, (n_places, n_outputs).
        remainder_error: how far rounding may have moved the root of the sum of squares of `remainder`, scaled.
        places: of these columns among the rows of the coefficients.
        scales: what brings the Hessian's diagonal to about one, (n_outputs, n_places); 0 where it has none, and nothing
            is left.
        directions: eigenvectors of the scaled Hessian.
        eigenvalues: of the scaled Hessian, as computed.
        min_eigenvalue: none is below this, rounding included; not positive where nothing is known.
        longest: bound on the length of a row's scaled columns.
        rounded: the mean mass that went to the label where predictions were sure of it.
        rounded_norm: the root mean square of what this changed.
    """

    objective: Objective
    remainder: Array
    remainder_error: float
    places: Array
    scales: Array
    directions: Array
    eigenvalues: Array
    min_eigenvalue: float
    longest: float
    rounded: float
    rounded_norm: float

    @classmethod
    def at(cls, objective: Objective, W: Array, negligible: float) -> Equations:
        """Those at coefficients `W`; a residual up to `negligible` counts as none, unless a label is soft."""
        rounded_below = None if objective.soft.size and objective.soft.any() else negligible
        places = _places(objective, objective.rows.columns.to_raw(W), rounded_below)
        found, H = cls._of(objective, W, rounded_below, places)
        if not found.min_eigenvalue > 0 and (chosen := independent_columns(objective, H[None], places)) is not None:
            found, _ = cls._of(objective, W, rounded_below, chosen)
        return found

    @classmethod
    def _of(cls, objective: Objective, W: Array, sure: float | None, places: Array) -> tuple[Equations, Array]:
        """Those of some columns, and the Hessian of their coefficients."""
        rows, raw, total = objective.rows, objective.rows.columns.to_raw(W), objective.total_weight
        sums = rows.reduce(_SumsOfEquations(objective.loss, raw, rows.columns, places, sure))
        H, diagonal, remainder, sizes, (mean, square) = (each / total for each in sums)
        n_outputs, width = diagonal.shape
        hessian, active = H.copy(), diagonal > 0
        if not objective.loss.separable:  # the same change to every class is none: there, any curvature will do
            fill = diagonal.sum(axis=0) / np.maximum(active.sum(axis=0), 1) ** 2
            blocks = H.reshape(n_outputs, width, n_outputs, width)
            for a in range(width):
                blocks[:, a, :, a] += fill[a] * np.outer(active[:, a], active[:, a])
            diagonal = diagonal + fill
        scales = np.where(active, 1 / np.sqrt(np.where(active, diagonal, 1.0)), 0.0)
        H *= scales.ravel()[:, None] * scales.ravel()
        H[np.diag_indices_from(H)] += ~active.ravel()  # these are satisfied, and remain so
        eigenvalues, directions = np.linalg.eigh(H)
        depth = objective.sizes.depth + 2 * ELEMENTARY_ROUNDINGS + n_outputs
        eigenvalue_error = len(H) * growth(depth + 200) * (1 + float(np.abs(eigenvalues).max(initial=0.0)))
        # A matrix with a unit diagonal has an eigenvalue of at most one; one without rows has no equation to lose.
        min_eigenvalue = float(eigenvalues.min(initial=1.0)) - eigenvalue_error if not remainder.T[~active].any() else 0.0
        longest = np.inf
        if min_eigenvalue > 0:
            (lengths,) = rows.reduce(_ScaledLengths(rows.columns, places, scales))
            longest = float(np.sqrt(lengths.max())) * (1 + growth(width + 20))
        remainder_error = growth(depth) * float(np.linalg.norm(sizes.T * scales))
        parts = scales, directions, eigenvalues, min_eigenvalue, longest
        growth_factor = 1 + growth(rows.n_rows + 20)
        masses = float(mean) * growth_factor, float(np.sqrt(square)) * growth_factor
        return cls(objective, remainder, remainder_error, places, *parts, *masses), hessian

    def step(self) -> Array:
        """Newton's step for these coefficients alone, of the shape of all."""
        scaled = (self.remainder.T * self.scales).ravel()
        coordinates = self.directions.T @ scaled
        is_curved = self.eigenvalues > _FLAT_EIGENVALUE * len(coordinates)
        solved = self.directions @ np.divide(
            coordinates, self.eigenvalues, out=np.zeros_like(coordinates), where=is_curved
        )
        step = np.zeros(self.objective.shape)
        step[self.places] = -(solved.reshape(self.scales.shape) * self.scales).T
        return step

    def price(self, rounding: Rounding | None = None) -> tuple[float, float]:
        """The divergence in nats that satisfying the equations takes, and by how much it moves the gradient of the
        penalised columns, in the penalty's dual norm; infinite where it cannot be known.

        Args:
            rounding: what rounding may have done at the coefficients; None to leave that out.
        """
        sizes, smoothness = self.objective.sizes, self.objective.loss.smoothness
        remainder, divergence = float(np.linalg.norm(self.remainder.T * self.scales)), 0.0
        if rounding is not None:
            remainder, divergence = remainder + self.remainder_error, rounding.divergence
        remainder *= 1 + growth(self.scales.size + 20)
        if not (self.min_eigenvalue > 0 and 2 * self.longest * remainder <= _MAX_SCORE_CHANGE * self.min_eigenvalue):
            return np.inf, np.inf
        eta = remainder / float(np.sqrt(self.min_eigenvalue)) * (1 + 8 * UNIT)
        change = (float(np.sqrt(smoothness)) * eta + self.rounded_norm) * (1 + 8 * UNIT)
        # From other predictions, themselves so far from p, the divergence has a product of both changes beside. And the
        # gradient is that of scores which were summed in another order.
        cross_term = change * float(np.sqrt(2 * divergence / smoothness))
        summation_error = 2 * float(np.sqrt(2 * smoothness * divergence))
        moved = change * sizes.centred_dual + summation_error * sizes.summed_dual
        growth_factor = 1 + growth(sum(self.objective.shape) + 20)
        return (eta * eta + 3 * self.rounded + cross_term) * growth_factor, moved * growth_factor


def solve_equations(
    objective: Objective, W: Array, tol: float, known: tuple[float, Array] | None
) -> tuple[float, Array, Array, Equations]:
    """Newton's method on the unpenalised columns and the intercept: value, gradient, coefficients and equations at the
    end.

    Args:
        objective: with products in float64.
        W: coefficients, shape `objective.shape`.
        tol: the tolerance that the certificate will be judged by.
        known: value and gradient at `W`, if they are known.
    """
    value, gradient = objective.value_and_gradient(W) if known is None else known
    tolerance = _EQUATIONS_GAP_FRACTION * tol * objective.null[1]
    distance = float(np.sqrt(2 * objective.penalty.modulus * tolerance))
    n_outputs, size = objective.loss.n_outputs, objective.sizes.centred_dual
    negligible = min(tolerance, distance / size if size > 0 else np.inf, 1.0) / (8 * n_outputs)
    equations = Equations.at(objective, W, negligible)
    for _ in range(_MAX_STEPS):
        divergence, moved = equations.price()
        if divergence <= tolerance and moved <= distance:
            break
        step = equations.step()
        decrement = -float(np.vdot(step, gradient))
        if not (decrement > 0 and (trial := _halved(objective, W, value, step, decrement))):
            break
        W, value, gradient = trial
        equations = Equations.at(objective, W, negligible)
    return value, gradient, W, equations


def _halved(
    objective: Objective, W: Array, value: float, step: Array, decrement: float
) -> tuple[Array, float, Array] | None:
    """Where the longest of the halved steps leads that lowers the objective, or, where that is rounding, brings the
    slope along it to less than half; None where none does."""
    rounding = 8 * UNIT * (abs(value) + 1)
    for _ in range(_MAX_HALVINGS):
        trial = W + step
        trial_value, gradient = objective.value_and_gradient(trial)
        if np.isfinite(trial_value) and np.isfinite(gradient).all():
            slope = abs(float(np.vdot(step, gradient)))
            if trial_value < value - rounding or (trial_value <= value + rounding and slope < 0.5 * decrement):
                return trial, trial_value, gradient
        step, decrement = step / 2, decrement / 2
        if decrement < UNIT * UNIT * abs(value):
            break
    return None


@dataclass(frozen=True, eq=False)
class _SumsOfEquations:
    """What the equations of some columns are made of: the Hessian, its diagonal with columns as they are summed, what
    predictions leave of the equations, of which absolute values that is the sum, and the means of rounded masses.

    Args:
        loss: a loss of `polytome.losses`.
        raw: coefficients for raw columns, shape (n_features + 1, n_outputs).
        columns: how the columns are standardised.
        places: of the columns that have equations.
        negligible: a residual up to this counts as none; None where a label is soft, and a residual the difference of
            numbers near one.
    """

    loss: Loss
    raw: Array
    columns: Columns
    places: Array
    negligible: float | None
    joined = 0

    def of_block(self, block: Block) -> Sums:
        Z, sizes = _columns(self.columns, block, self.places)
        residual, m, u, mass = _rounded_residuals(self.loss, block, self.raw, self.negligible)
        weighted, weight = m * block.weight[:, None], block.weight[:, None]
        H: Array = np.zeros((m.shape[1], Z.shape[1]) * 2)
        for k, of_output in enumerate(weighted.T):
            H[k, :, k] = Z.T @ (Z * of_output[:, None])
        H = H.reshape((m.shape[1] * Z.shape[1],) * 2)
        if u is not None:
            kronecker = kronecker_rows(u * np.sqrt(weight), Z)
            H -= kronecker.T @ kronecker
        absolute_sums = sizes.T @ ((np.abs(residual) + float(self.negligible is None)) * weight)
        mean, square = block.weight @ mass, block.weight @ (2 * mass * mass)
        return H, weighted.T @ (sizes * sizes), Z.T @ (residual * weight), absolute_sums, np.array([mean, square])


@dataclass(frozen=True, eq=False)
class _ScaledLengths:
    """For each row of positive weight the largest squared length of its scaled columns of any output, joined: (n,)."""

    columns: Columns
    places: Array
    scales: Array
    joined = 1

    def of_block(self, block: Block) -> Sums:
        _, sizes = _columns(self.columns, block, self.places)
        lengths: Array = (sizes * sizes @ (self.scales * self.scales).T).max(axis=1)
        return (np.where(block.weight > 0, lengths, 0.0),)


def _rounded_residuals(
    loss: Loss, block: Block, raw: Array, negligible: float | None
) -> tuple[Array, Array, Array | None, Array]:
    """The residuals and the curvature of a block, where residuals up to `negligible` are nothing.

    With the mass of each row that went to its label, (n,): no more than the label has, so that the divergence from what
    was predicted is at most three times as much, even if all else changes by half.
    """
    scores = block_scores(block, raw)
    value, residual = loss.value_and_gradient(scores, block.target)
    m, u = loss.curvature(scores, block.target)
    mass = np.zeros(len(residual))
    if negligible is None:
        return residual, m, u, mass
    is_negligible = np.abs(residual) <= negligible
    if u is None:
        mass = np.where(is_negligible, np.abs(residual), 0.0).sum(axis=1)
        return np.where(is_negligible, 0.0, residual), np.where(is_negligible, 0.0, m), None, mass
    is_negligible &= (negligible * loss.n_outputs <= np.exp(-value))[:, None]
    label = residual.argmin(axis=1)
    every_row = np.arange(len(residual))
    is_negligible[every_row, label] = False
    mass = np.where(is_negligible, residual, 0.0).sum(axis=1)
    residual = np.where(is_negligible, 0.0, residual)
    residual[every_row, label] = 0.0
    residual[every_row, label] = -residual.sum(axis=1)
    is_zero = (residual == 0).all(axis=1)
    m = np.where(is_negligible | is_zero[:, None], 0.0, m)
    root = np.sqrt(np.maximum(m.sum(axis=1, keepdims=True), UNIT))
    return residual, m, m / root, mass


def _places(objective: Objective, raw: Array, negligible: float | None) -> Array:
    """The unpenalised columns and the intercept's place; without those whose equation follows from the intercept's,
    or is none, as they never change, or are zero, in all rows that have residuals."""
    rows, free = objective.rows, objective.unpenalised
    low, high = np.full(len(free), np.inf), np.full(len(free), -np.inf)
    for block in rows.blocks():
        residual, _, _, _ = _rounded_residuals(objective.loss, block, raw, negligible)
        X = _raw(block, free)[(block.weight > 0) & residual.any(axis=1)]
        if len(X):
            low, high = np.minimum(low, X.min(axis=0)), np.maximum(high, X.max(axis=0))
    if not objective.fit_intercept:
        return np.asarray(free[((low != 0) | (high != 0)) & (low <= high)])
    return np.append(free[low < high], rows.n_features)


def _columns(columns: Columns, block: Block, places: Array) -> tuple[Array, Array]:
    """The standardised columns at these places, and how large they are as they are summed, both (n, n_places)."""
    features = places[places < len(columns.shift)]
    X, shift, scale = _raw(block, features), columns.shift[features], columns.scale[features]
    Z, sizes = (X - shift) * scale, (np.abs(X) + np.abs(shift)) * scale
    if len(features) < len(places):
        ones = np.ones((len(X), 1))
        Z, sizes = np.hstack([Z, ones]), np.hstack([sizes, ones])
    return Z, sizes


def _raw(block: Block, features: Array) -> Array:
    """Columns of a block as they are, dense and in float64."""
    X: Any = block.X[:, features]
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X, dtype=np.float64)
