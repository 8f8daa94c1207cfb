"""The equations of columns that a penalty leaves alone: solved first, and what is left of them paid for.

A dual point is feasible if `sum_i s_i x_ij R_i = 0` for each unpenalised column j and, where there is an intercept,
`sum_i s_i R_i = 0`. Let Z be these columns, p the predictions of some coefficients, `g = Z' diag(s) (p - y) / S` what
they leave of the equations, `C_i = diag(p_i) - p_i p_i'` the curvature of row i, and H that of Z, so that

    q_i = p_i + C_i c' z_i     with     H c = -g

satisfies all of them, whatever g. If no `|z_i c|` is large, q_i is a distribution. The divergence of q from p is on
average at most `chi^2 = g' H^-1 g = eta^2`; and by Cauchy and Schwarz the gradient of the penalised columns moves by at
most `sqrt(L) eta` times their root mean squares, L being the smoothness of the loss.

Where predictions are all but sure of the label, q_i is the label: such rows leave nothing of an equation, at the price
of their loss. So nothing is lost where unpenalised columns tell some classes apart perfectly.

All that has to be known of H is a lower bound of its smallest eigenvalue, brought to a unit diagonal: the one computed
minus a bound of the rounding (Weyl). Where columns depend on each other it is not positive, and nothing is proved.

References: Higham, Accuracy and Stability of Numerical Algorithms, 2002, chapter 3; Horn and Johnson, Matrix Analysis,
2013, section 4.3 (Weyl's inequality).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.rounding import ELEMENTARY, UNIT, Rounding, growth
from polytome.losses import Loss, Squared
from polytome.objective import Objective
from polytome.passes import Block, Columns, Sums, block_scores, kronecker_rows

Array = NDArray[Any]

__all__ = ["Equations", "solve_equations"]

_MOST_STEPS = 20
_MOST_HALVINGS = 40
_MOST_CHANGE = 0.5  # of a score: by less, predictions stay distributions
_FLAT = 1e-14  # eigenvalues of a matrix with a unit diagonal: below is rounding
_PART = 1e-3  # of the gap that is asked for: what the equations may add


@dataclass(frozen=True)
class Equations:
    """The equations of the unpenalised columns and the intercept at some coefficients.

    Attributes:
        objective: with products in float64.
        left: what the predictions leave of them, (n_places, n_outputs).
        off: how far rounding may have moved the root of the sum of squares of `left`, scaled.
        places: of these columns among the rows of the coefficients.
        scales: what brings the Hessian's diagonal to about one, (n_outputs, n_places); 0 where it has none, and nothing
            is left.
        directions: eigenvectors of the scaled Hessian.
        eigenvalues: of the scaled Hessian, as computed.
        least: none is below this, rounding included; not positive where nothing is known.
        longest: bound on the length of a row's scaled columns.
        rounded: the mean mass that went to the label where predictions were sure of it.
        rounded_norm: the root mean square of what this changed.
    """

    objective: Objective
    left: Array
    off: float
    places: Array
    scales: Array
    directions: Array
    eigenvalues: Array
    least: float
    longest: float
    rounded: float
    rounded_norm: float

    @classmethod
    def at(cls, objective: Objective, W: Array, small: float) -> Equations:
        """Those at coefficients `W`; a residual up to `small` counts as none, unless a label is soft."""
        rows, raw, total = objective.rows, objective.rows.columns.to_raw(W), objective.total_weight
        sure = None if objective.soft.size and objective.soft.any() else small
        places = _places(objective, raw, sure)
        sums = rows.reduce(_SumsOfEquations(objective.loss, raw, rows.columns, places, sure))
        H, diagonal, left, most, (mean, square) = (each / total for each in sums)
        n_outputs, width = diagonal.shape
        active = diagonal > 0
        if not objective.loss.separable:  # the same change to every class is none: there, any curvature will do
            fill = diagonal.sum(axis=0) / np.maximum(active.sum(axis=0), 1) ** 2
            blocks = H.reshape(n_outputs, width, n_outputs, width)
            for a in range(width):
                blocks[:, a, :, a] += fill[a] * np.outer(active[:, a], active[:, a])
            diagonal = diagonal + fill
        scales = np.where(active, 1 / np.sqrt(np.where(active, diagonal, 1.0)), 0.0)
        H *= scales.ravel()[:, None] * scales.ravel()
        H[np.diag_indices_from(H)] += ~active.ravel()  # those are satisfied, and stay so
        eigenvalues, directions = np.linalg.eigh(H)
        depth = objective.sizes.depth + 2 * ELEMENTARY + n_outputs
        off = len(H) * growth(depth + 200) * (1 + float(np.abs(eigenvalues).max(initial=0.0)))
        # A matrix with a unit diagonal has an eigenvalue of at most one; one without rows has no equation to lose.
        least = float(eigenvalues.min(initial=1.0)) - off if not left.T[~active].any() else 0.0
        longest = np.inf
        if least > 0:
            (lengths,) = rows.reduce(_ScaledLengths(rows.columns, places, scales))
            longest = float(np.sqrt(lengths.max())) * (1 + growth(width + 20))
        error = growth(depth) * float(np.linalg.norm(most.T * scales))
        parts = scales, directions, eigenvalues, least, longest
        more = 1 + growth(rows.n_rows + 20)
        return cls(objective, left, error, places, *parts, float(mean) * more, float(np.sqrt(square)) * more)

    def step(self) -> Array:
        """Newton's step for these coefficients alone, of the shape of all."""
        scaled = (self.left.T * self.scales).ravel()
        along = self.directions.T @ scaled
        curved = self.eigenvalues > _FLAT * len(along)
        solved = self.directions @ np.divide(along, self.eigenvalues, out=np.zeros_like(along), where=curved)
        step = np.zeros(self.objective.shape)
        step[self.places] = -(solved.reshape(self.scales.shape) * self.scales).T
        return step

    def price(self, off: Rounding | None = None) -> tuple[float, float]:
        """The divergence in nats that satisfying the equations takes, and by how much it moves the gradient of the
        penalised columns, in the penalty's dual norm; infinite where it cannot be known.

        Args:
            off: what rounding may have done at the coefficients; None to leave that out.
        """
        # Other losses' dual points need not be predictions beside those of the scores.
        if not isinstance(self.objective.loss, Squared) and not self.objective.loss.is_cross_entropy:
            return np.inf, np.inf
        sizes, smoothness = self.objective.sizes, self.objective.loss.smoothness
        left, divergence = float(np.linalg.norm(self.left.T * self.scales)), 0.0
        if off is not None:
            left, divergence = left + self.off, off.divergence
        left *= 1 + growth(self.scales.size + 20)
        if not (self.least > 0 and 2 * self.longest * left <= _MOST_CHANGE * self.least):
            return np.inf, np.inf
        eta = left / float(np.sqrt(self.least)) * (1 + 8 * UNIT)
        change = (float(np.sqrt(smoothness)) * eta + self.rounded_norm) * (1 + 8 * UNIT)
        # From other predictions, themselves so far from p, the divergence has a product of both changes beside. And the
        # gradient is that of scores which were summed in another order.
        beside = change * float(np.sqrt(2 * divergence / smoothness))
        slip = 2 * float(np.sqrt(2 * smoothness * divergence))
        moved = change * sizes.centred_dual + slip * sizes.summed_dual
        more = 1 + growth(sum(self.objective.shape) + 20)
        return (eta * eta + 3 * self.rounded + beside) * more, moved * more


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
    enough = _PART * tol * objective.null[1]
    distance = float(np.sqrt(2 * objective.penalty.modulus * enough))
    n_outputs, size = objective.loss.n_outputs, objective.sizes.centred_dual
    small = min(enough, distance / size if size > 0 else np.inf, 1.0) / (8 * n_outputs)
    equations = Equations.at(objective, W, small)
    for _ in range(_MOST_STEPS):
        divergence, moved = equations.price()
        if divergence <= enough and moved <= distance:
            break
        step = equations.step()
        decrement = -float(np.vdot(step, gradient))
        if not (decrement > 0 and (reached := _halved(objective, W, value, step, decrement))):
            break
        W, value, gradient = reached
        equations = Equations.at(objective, W, small)
    return value, gradient, W, equations


def _halved(
    objective: Objective, W: Array, value: float, step: Array, decrement: float
) -> tuple[Array, float, Array] | None:
    """Where the longest of the halved steps leads that lowers the objective, or, where that is rounding, brings the
    slope along it to less than half; None where none does."""
    rounding = 8 * UNIT * (abs(value) + 1)
    for _ in range(_MOST_HALVINGS):
        trial = W + step
        reached, gradient = objective.value_and_gradient(trial)
        if np.isfinite(reached) and np.isfinite(gradient).all():
            slope = abs(float(np.vdot(step, gradient)))
            if reached < value - rounding or (reached <= value + rounding and slope < 0.5 * decrement):
                return trial, reached, gradient
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
        small: a residual up to this counts as none; None where a label is soft, and a residual the difference of
            numbers near one.
    """

    loss: Loss
    raw: Array
    columns: Columns
    places: Array
    small: float | None
    joined = 0

    def of_block(self, block: Block) -> Sums:
        Z, sizes = _columns(self.columns, block, self.places)
        residual, m, u, mass = _sure(self.loss, block, self.raw, self.small)
        weighted, weight = m * block.weight[:, None], block.weight[:, None]
        H: Array = np.zeros((m.shape[1], Z.shape[1]) * 2)
        for k, each in enumerate(weighted.T):
            H[k, :, k] = Z.T @ (Z * each[:, None])
        H = H.reshape((m.shape[1] * Z.shape[1],) * 2)
        if u is not None:
            kronecker = kronecker_rows(u * np.sqrt(weight), Z)
            H -= kronecker.T @ kronecker
        most = sizes.T @ ((np.abs(residual) + float(self.small is None)) * weight)
        mean, square = block.weight @ mass, block.weight @ (2 * mass * mass)
        return H, weighted.T @ (sizes * sizes), Z.T @ (residual * weight), most, np.array([mean, square])


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


def _sure(loss: Loss, block: Block, raw: Array, small: float | None) -> tuple[Array, Array, Array | None, Array]:
    """The residuals and the curvature of a block, where residuals up to `small` are nothing.

    With the mass of each row that went to its label, (n,): no more than the label has, so that the divergence from what
    was predicted is at most three times as much, whatever else changes by half.
    """
    scores = block_scores(block, raw)
    value, residual = loss.value_and_gradient(scores, block.target)
    m, u = loss.curvature(scores, block.target)
    mass = np.zeros(len(residual))
    if small is None:
        return residual, m, u, mass
    tiny = np.abs(residual) <= small
    if u is None:
        mass = np.where(tiny, np.abs(residual), 0.0).sum(axis=1)
        return np.where(tiny, 0.0, residual), np.where(tiny, 0.0, m), None, mass
    tiny &= (small * loss.n_outputs <= np.exp(-value))[:, None]
    label = residual.argmin(axis=1)
    everyone = np.arange(len(residual))
    tiny[everyone, label] = False
    mass = np.where(tiny, residual, 0.0).sum(axis=1)
    residual = np.where(tiny, 0.0, residual)
    residual[everyone, label] = 0.0
    residual[everyone, label] = -residual.sum(axis=1)
    alone = (residual == 0).all(axis=1)
    m = np.where(tiny | alone[:, None], 0.0, m)
    root = np.sqrt(np.maximum(m.sum(axis=1, keepdims=True), UNIT))
    return residual, m, m / root, mass


def _places(objective: Objective, raw: Array, small: float | None) -> Array:
    """The unpenalised columns and the intercept's place; without those whose equation follows from the intercept's,
    or is none, as they never change, or are zero, in all rows that have residuals."""
    rows, free = objective.rows, objective.unpenalised
    low, high = np.full(len(free), np.inf), np.full(len(free), -np.inf)
    for block in rows.blocks():
        residual, _, _, _ = _sure(objective.loss, block, raw, small)
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
