"""The equations of columns that a penalty leaves alone: solved first, and what is left of them paid for.

A dual point is feasible if `sum_i s_i x_ij R_i = 0` for each unpenalised column j and, where there is an intercept,
`sum_i s_i R_i = 0`. Let Z be these columns, p the predictions of some coefficients, `g = Z' diag(s) (p - y) / S` what
they leave of the equations, `C_i = diag(p_i) - p_i p_i'` the curvature of row i, and H that of Z, so that

    q_i = p_i + C_i c' z_i     with     H c = -g

satisfies all of them, whatever g. If no `|z_i c|` is large, q_i is a distribution. The divergence of q from p is on
average at most `chi^2 = g' H^-1 g = eta^2`; and by Cauchy and Schwarz the gradient of the penalised columns moves by at
most `sqrt(L) eta` times their root mean squares, L being the smoothness of the loss.

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
from polytome.objective import Objective, block_scores
from polytome.rows import Block

Array = NDArray[Any]

__all__ = ["Equations", "solve_equations"]

_MOST_STEPS = 100
_MOST_HALVINGS = 40
_MOST_CHANGE = 0.5  # of a score: by less, predictions stay distributions
_FLAT = 1e-14  # eigenvalues of a matrix with a unit diagonal: below is rounding
_PART = 1e-3  # of the gap that is asked for: what the equations may add


@dataclass(frozen=True)
class Equations:
    """The equations of the unpenalised columns and the intercept at some coefficients.

    Attributes:
        objective: with products in float64.
        places: of these columns among the rows of the coefficients; one that never changes is left to the intercept.
        scales: what brings the Hessian's diagonal to about one, (n_outputs, n_places).
        directions: eigenvectors of the scaled Hessian.
        eigenvalues: of the scaled Hessian, as computed.
        least: none is below this, rounding included; not positive where nothing is known.
        longest: bound on the length of a row's scaled columns.
    """

    objective: Objective
    places: Array
    scales: Array
    directions: Array
    eigenvalues: Array
    least: float
    longest: float

    @classmethod
    def at(cls, objective: Objective, W: Array, places: Array) -> Equations:
        """Those at coefficients `W`: two passes over the rows."""
        rows, loss, raw = objective.rows, objective.loss, objective.rows.columns.to_raw(W)

        def block_sums(block: Block) -> tuple[Array, ...]:
            Z, sizes = _columns(objective, block, places)
            m, u = loss.curvature(block_scores(block, raw), block.target)
            weighted = m * block.weight[:, None]
            H: Array = np.zeros((m.shape[1], Z.shape[1]) * 2)
            for k, weight in enumerate(weighted.T):
                H[k, :, k] = Z.T @ (Z * weight[:, None])
            H = H.reshape(weighted.shape[1] * Z.shape[1], -1)
            if u is not None:
                root = u * np.sqrt(block.weight)[:, None]
                kronecker = (root[:, :, None] * Z[:, None, :]).reshape(len(Z), -1)
                H -= kronecker.T @ kronecker
            return H, weighted.T @ (sizes * sizes)

        H, diagonal = (sums / objective.total_weight for sums in rows.sum(block_sums))
        n_outputs, width = diagonal.shape
        if not loss.separable:  # the same change to every class is none: there, any curvature will do
            fill = diagonal.sum(axis=0) / n_outputs**2
            H.reshape(n_outputs, width, n_outputs, width)[:, range(width), :, range(width)] += fill[:, None, None]
            diagonal = diagonal + fill
        scales = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        H *= scales.ravel()[:, None] * scales.ravel()
        eigenvalues, directions = np.linalg.eigh(H)
        off = len(H) * growth(objective.sizes.depth + 2 * ELEMENTARY + 200) * (1 + float(np.abs(eigenvalues).max()))
        least = float(eigenvalues[0]) - off if (diagonal > 0).all() else 0.0

        def block_lengths(block: Block) -> Array:
            _, sizes = _columns(objective, block, places)
            lengths: Array = (sizes * sizes @ (scales * scales).T).max(axis=1)
            return np.where(block.weight > 0, lengths, 0.0)

        longest = float(np.sqrt(rows.each(block_lengths).max())) * (1 + growth(width + 20))
        return cls(objective, places, scales, directions, eigenvalues, least, longest)

    def step(self, gradient: Array) -> Array:
        """Newton's step for these coefficients alone, of the shape of the gradient."""
        scaled = (gradient[self.places].T * self.scales).ravel()
        along = self.directions.T @ scaled
        curved = self.eigenvalues > _FLAT * len(along)
        solved = self.directions @ np.divide(along, self.eigenvalues, out=np.zeros_like(along), where=curved)
        step = np.zeros_like(gradient)
        step[self.places] = -(solved.reshape(self.scales.shape) * self.scales).T
        return step

    def price(self, gradient: Array, off: Rounding | None = None) -> tuple[float, float]:
        """The divergence in nats that satisfying the equations takes, and by how much it moves the gradient of the
        penalised columns, in the penalty's dual norm; infinite where it cannot be known.

        Args:
            gradient: of the objective, shape `objective.shape`.
            off: what rounding may have done to it; None to leave that out.
        """
        sizes, smoothness = self.objective.sizes, self.objective.loss.smoothness
        left = float(np.linalg.norm(gradient[self.places].T * self.scales))
        divergence = slip = 0.0
        if off is not None:
            # The predictions of this Hessian and of the gradient are of scores that were summed in different orders.
            slip = 2 * float(np.sqrt(2 * smoothness * off.divergence))
            errors = np.append(sizes.summed * (1 + growth(len(gradient))), 1.0)[self.places] * (off.balance + slip)
            left += float(np.linalg.norm(self.scales.max(axis=0) * errors))
            divergence = off.divergence
        left *= 1 + growth(self.scales.size + 20)
        if not (self.least > 0 and 2 * self.longest * left <= _MOST_CHANGE * self.least):
            return np.inf, np.inf
        eta = left / float(np.sqrt(self.least)) * (1 + 8 * UNIT)
        # The divergence from other predictions, themselves that far from p, has a product of both changes beside.
        moved = float(np.sqrt(smoothness)) * eta * sizes.centred_dual + slip * sizes.summed_dual
        return eta * eta + eta * float(np.sqrt(2 * divergence)), moved * (1 + growth(len(gradient) + 20))


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
    places = _places(objective)
    enough = _PART * tol * objective.null[1]
    equations = Equations.at(objective, W, places)
    for _ in range(_MOST_STEPS):
        divergence, moved = equations.price(gradient)
        if divergence <= enough and moved * moved <= 2 * objective.penalty.modulus * enough:
            break
        step = equations.step(gradient)
        decrement = -float(np.vdot(step, gradient))
        if not (reached := _halved(objective, W, value, step, decrement)):
            break
        W, value, gradient = reached
        equations = Equations.at(objective, W, places)
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


def _places(objective: Objective) -> Array:
    """The unpenalised columns and the intercept's place; without those whose equation follows from the intercept's,
    or is none, as they never change, or are zero in every row."""
    rows, free = objective.rows, objective.unpenalised
    low, high = np.full(len(free), np.inf), np.full(len(free), -np.inf)
    for block in rows.blocks():
        X = _raw(block, free)[block.weight > 0]
        if len(X):
            low, high = np.minimum(low, X.min(axis=0)), np.maximum(high, X.max(axis=0))
    if not objective.fit_intercept:
        return np.asarray(free[(low != 0) | (high != 0)])
    return np.append(free[low < high], rows.n_features)


def _columns(objective: Objective, block: Block, places: Array) -> tuple[Array, Array]:
    """The standardised columns at these places, and how large they are as they are summed, both (n, n_places)."""
    columns, features = objective.rows.columns, places[places < objective.rows.n_features]
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
