"""The equations of columns that a penalty leaves alone: solved first, and the remainder added to
the gap.

A dual point is feasible if `sum_i s_i x_ij R_i = 0` for each unpenalised column j and, where there
is an intercept, `sum_i s_i R_i = 0`. Let Z be these columns, p the predictions of some
coefficients, `g = Z' diag(s) (p - y) / S` what they leave of the equations,
`C_i = diag(p_i) - p_i p_i'` the curvature of row i, and H that of Z, so that

    q_i = p_i + C_i c' z_i     with     H c = -g

satisfies all of them, whatever g. If no `|z_i c|` is large, q_i is a distribution. The divergence
of q from p is on average at most `chi^2 = g' H^-1 g = eta^2`; and by Cauchy and Schwarz the
gradient of the penalised columns moves by at most `sqrt(L) eta` times their root mean squares, L
being the smoothness of the loss.

Classes that a label gives nothing and predictions next to nothing get nothing in q_i, and the
likeliest class their mass. So nothing is lost where unpenalised columns tell some classes apart
perfectly.

All that is needed of H is a lower bound of its smallest eigenvalue, brought to a unit diagonal: the
one computed minus a bound of the rounding (Weyl). Where columns depend on each other it is not
positive. Then equations that imply the others are sought, and H is theirs alone: of tiny data by an
elimination without rounding, else columns of which the others are exactly sums.

References: Higham, Accuracy and Stability of Numerical Algorithms, 2002, chapter 3; Horn and
Johnson, Matrix Analysis, 2013, section 4.3 (Weyl's inequality).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.independent_columns import independent_columns
from polytome.certificates.rounding import ELEMENTARY_ROUNDINGS, UNIT, Rounding, growth
from polytome.losses import Loss, Squared, labels_of
from polytome.objective import Objective
from polytome.passes import Block, Columns, Sums, block_scores, kronecker_rows

Array = NDArray[Any]

__all__ = ["Equations", "solve_equations"]

_MAX_STEPS = 20
_MAX_HALVINGS = 40
_MAX_SCORE_CHANGE = 0.5  # of a score: by less, predictions stay distributions
_FLAT_EIGENVALUE = 1e-14  # eigenvalues of a matrix with a unit diagonal: below is rounding
_EQUATIONS_GAP_FRACTION = 1e-3  # of the gap that is asked for: what the equations may add
_MOST_EXACT = 2**17  # products: a tenth of a second


@dataclass(frozen=True)
class Equations:
    """The equations of the unpenalised columns and the intercept at some coefficients.

    Attributes:
        objective: with products in float64.
        remainder: what the predictions leave of them, (n_places, n_outputs).
        remainder_error: how far rounding may have moved the root of the sum of squares of
            `remainder`, scaled.
        places: of these columns among the rows of the coefficients.
        scales: what brings the Hessian's diagonal to about one, (n_outputs, n_places); 0 where it
            has none, and nothing is left.
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
        """Those at coefficients `W`; predictions within `negligible` of a label that is not soft
        are the label."""
        rows, raw, total = objective.rows, objective.rows.columns.to_raw(W), objective.total_weight
        places, varies = _places(objective, raw, negligible)
        soft = bool(objective.soft.any())
        sums = rows.reduce(_SumsOfEquations(objective.loss, raw, rows.columns, places, negligible, soft))
        sums = tuple(values / total for values in sums)
        found = cls._of(objective, places, varies, sums, not objective.loss.separable)
        if found.min_eigenvalue > 0:
            return found
        if (independent := _independent(objective, raw, negligible, places)) is not None:
            return cls._of(objective, places, independent, sums, False)
        if (chosen := independent_columns(objective, sums[0][None], places)) is not None:
            needed = varies & np.isin(places, chosen)
            return cls._of(objective, places, needed, sums, not objective.loss.separable)
        return found

    @classmethod
    def _of(cls, objective: Objective, places: Array, needed: Array, sums: Sums, fills: bool) -> Equations:
        """Those of means over the rows, of which `needed` ones, (n_outputs, n_places), imply the
        others; where it fills them, with a curvature for what is the same in every class."""
        rows, (H, diagonal, remainder, sizes, (mean, square)) = objective.rows, sums
        H, (n_outputs, width) = H.copy(), diagonal.shape
        active = (diagonal > 0) & needed
        if fills:  # the same change to every class is none: there, any curvature will do
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
        # A matrix with a unit diagonal has an eigenvalue of at most one; one without rows has no
        # equation to lose.
        min_eigenvalue = (
            float(eigenvalues.min(initial=1.0)) - eigenvalue_error if not remainder.T[needed & ~active].any() else 0.0
        )
        longest = np.inf
        if min_eigenvalue > 0:
            (lengths,) = rows.reduce(_ScaledLengths(rows.columns, places, scales))
            longest = float(np.sqrt(lengths.max())) * (1 + growth(width + 20))
        remainder_error = growth(depth) * float(np.linalg.norm(sizes.T * scales))
        parts = scales, directions, eigenvalues, min_eigenvalue, longest
        growth_factor = 1 + growth(rows.n_rows + 20)
        masses = float(mean) * growth_factor, float(np.sqrt(square)) * growth_factor
        return cls(objective, remainder, remainder_error, places, *parts, *masses)

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
        """The divergence in nats that satisfying the equations takes, and by how much it moves the
        gradient of the penalised columns, in the penalty's dual norm; infinite where it cannot be
        known.

        Args:
            rounding: what rounding may have done at the coefficients; None to leave that out.
        """
        divergence, change, summation_error = self.changes(rounding)
        moved = change * self.objective.sizes.centred_dual + summation_error * self.objective.sizes.summed_dual
        return divergence, moved * (1 + growth(sum(self.objective.shape) + 20))

    def changes(self, rounding: Rounding | None = None) -> tuple[float, float, float]:
        """That divergence, and what the columns' root mean squares, about their centres and as they
        are summed, are to be multiplied by for bounds of how far entries of the gradient move."""
        # Other losses' dual points need not be predictions beside those of the scores.
        if not isinstance(self.objective.loss, Squared) and not self.objective.loss.is_cross_entropy:
            return np.inf, np.inf, 0.0
        smoothness = self.objective.loss.smoothness
        remainder, divergence = float(np.linalg.norm(self.remainder.T * self.scales)), 0.0
        if rounding is not None:
            remainder, divergence = remainder + self.remainder_error, rounding.divergence
        remainder *= 1 + growth(self.scales.size + 20)
        if not (self.min_eigenvalue > 0 and 2 * self.longest * remainder <= _MAX_SCORE_CHANGE * self.min_eigenvalue):
            return np.inf, np.inf, 0.0
        eta = remainder / float(np.sqrt(self.min_eigenvalue)) * (1 + 8 * UNIT)
        change = (float(np.sqrt(smoothness)) * eta + self.rounded_norm) * (1 + 8 * UNIT)
        # From other predictions, themselves so far from p, the divergence has a product of both
        # changes beside. And the gradient is that of scores which were summed in another order.
        cross_term = change * float(np.sqrt(2 * divergence / smoothness))
        summation_error = 2 * float(np.sqrt(2 * smoothness * divergence))
        growth_factor = 1 + growth(sum(self.objective.shape) + 20)
        return (eta * eta + 3 * self.rounded + cross_term) * growth_factor, change, summation_error


def solve_equations(
    objective: Objective, W: Array, tol: float, known: tuple[float, Array], slope: float | None = None
) -> tuple[float, Array, Array, Equations]:
    """Newton's method on the unpenalised columns and the intercept: value, gradient, coefficients
    and equations at the end.

    Args:
        objective: with products in float64.
        W: coefficients, shape `objective.shape`.
        tol: the tolerance that the certificate will be judged by.
        known: value and gradient at `W`.
        slope: how fast the gap grows with a change of all predictions, where the penalty has a
            rest; None where it has none.
    """
    value, gradient = known
    tolerance = _EQUATIONS_GAP_FRACTION * tol * objective.null[1]
    n_outputs, size = objective.loss.n_outputs, objective.sizes.centred_dual
    if slope is None:
        distance = float(np.sqrt(2 * objective.penalty.modulus * tolerance))
    else:
        distance = size * tolerance / slope if slope > 0 else np.inf
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
    """Where the longest of the halved steps leads that lowers the objective, or, where that is
    rounding, brings the slope along it to less than half; None where none does."""
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
    """What the equations of some columns are made of: the Hessian, its diagonal with columns as
    they are summed, what predictions leave of the equations, of which absolute values that is the
    sum, and the means of rounded masses.

    Args:
        loss: a loss of `polytome.losses`.
        raw: coefficients for raw columns, shape (n_features + 1, n_outputs).
        columns: how the columns are standardised.
        places: of the columns that have equations.
        negligible: predictions this near to a label are the label.
        soft: whether a label is soft, and a residual the difference of numbers near one.
    """

    loss: Loss
    raw: Array
    columns: Columns
    places: Array
    negligible: float
    soft: bool
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
        absolute_sums = sizes.T @ ((np.abs(residual) + float(self.soft)) * weight)
        mean, square = block.weight @ mass, block.weight @ (2 * mass * mass)
        return H, weighted.T @ (sizes * sizes), Z.T @ (residual * weight), absolute_sums, np.array([mean, square])


@dataclass(frozen=True, eq=False)
class _ScaledLengths:
    """For each row of positive weight the largest squared length of its scaled columns of any
    output, joined: (n,)."""

    columns: Columns
    places: Array
    scales: Array
    joined = 1

    def of_block(self, block: Block) -> Sums:
        _, sizes = _columns(self.columns, block, self.places)
        lengths: Array = (sizes * sizes @ (self.scales * self.scales).T).max(axis=1)
        return (np.where(block.weight > 0, lengths, 0.0),)


def _rounded_residuals(
    loss: Loss, block: Block, raw: Array, negligible: float
) -> tuple[Array, Array, Array | None, Array]:
    """The residuals and the curvature of a block, where predictions within `negligible` of a label
    that is 0 or 1 are the label.

    With the mass of each row that was moved, (n,), in a softmax to the likeliest class: no more
    than that had, so that the divergence from what was predicted is at most three times as much,
    even if all else changes by half.
    """
    scores = block_scores(block, raw)
    _, residual = loss.value_and_gradient(scores, block.target)
    m, u = loss.curvature(scores, block.target)
    target = labels_of(block.target)
    if u is None:
        label = target.reshape(residual.shape) if target.size == residual.size else 0
        is_negligible = (np.abs(residual) <= negligible) & ((label == 0) | (label == 1))
        mass = np.where(is_negligible, np.abs(residual), 0.0).sum(axis=1)
        return np.where(is_negligible, 0.0, residual), np.where(is_negligible, 0.0, m), None, mass
    classes = np.arange(loss.n_outputs)
    is_zero = target == 0 if target.ndim == 2 else classes != target[:, None]
    likeliest = m.argmax(axis=1)[:, None]
    most = np.take_along_axis(m, likeliest, 1)
    is_negligible = is_zero & (m <= negligible) & (classes != likeliest) & (negligible * loss.n_outputs <= most)
    mass = np.where(is_negligible, m, 0.0).sum(axis=1)
    residual = np.where(is_negligible, 0.0, residual)
    own = np.take_along_axis(residual, likeliest, 1)
    np.put_along_axis(residual, likeliest, 0.0, 1)
    # What the others leave to a label does not cancel; nor does what comes on top where it is none.
    own = np.where(own < 0, -residual.sum(axis=1, keepdims=True), own + mass[:, None])
    np.put_along_axis(residual, likeliest, own, 1)
    is_zero = (residual == 0).all(axis=1) & (is_zero.sum(axis=1) == loss.n_outputs - 1)
    m = np.where(is_negligible | is_zero[:, None], 0.0, m)
    root = np.sqrt(np.maximum(m.sum(axis=1, keepdims=True), UNIT))
    return residual, m, m / root, mass


def _places(objective: Objective, raw: Array, negligible: float) -> tuple[Array, Array]:
    """The unpenalised columns and the intercept's place, and for which outputs each of them has an
    equation of its own, (n_outputs, n_places).

    A column that never changes in the rows whose predictions of an output are no labels has an
    equation that follows from the intercept's; one that is zero there has none. The outputs of a
    softmax have such rows in common.
    """
    rows, free, loss = objective.rows, objective.unpenalised, objective.loss
    low, high = (np.full((loss.n_outputs, len(free)), each) for each in (np.inf, -np.inf))
    for block in rows.blocks():
        residual, m, _, _ = _rounded_residuals(loss, block, raw, negligible)
        takes_part = ((residual != 0) | (m != 0)) & (block.weight > 0)[:, None]
        if not loss.separable:
            takes_part = np.repeat(takes_part.any(axis=1, keepdims=True), loss.n_outputs, axis=1)
        X = _raw(block, free)
        for k, own in enumerate(takes_part.T):
            low[k] = np.minimum(low[k], X[own].min(axis=0, initial=np.inf))
            high[k] = np.maximum(high[k], X[own].max(axis=0, initial=-np.inf))
    if objective.fit_intercept:
        varies = np.column_stack([low < high, np.ones(loss.n_outputs, dtype=bool)])
    else:
        varies = ((low != 0) | (high != 0)) & (low <= high)
    kept = varies.any(axis=0)
    places = np.append(free, rows.n_features) if objective.fit_intercept else free
    return places[kept], varies[:, kept]


def _independent(objective: Objective, raw: Array, negligible: float, places: Array) -> Array | None:
    """Which equations imply all others, (n_outputs, n_places); None for more than tiny data.

    Coefficients whose scores are the same in all outputs that a row is in doubt between change no
    prediction, and what predictions leave of an equation along them is nothing. With those of
    independent columns, the pivots of an elimination without rounding, they span all coefficients.
    """
    rows, loss, width = objective.rows, objective.loss, len(places)
    if not rows.facts.is_resident or rows.n_rows * (loss.n_outputs * width) ** 2 > _MOST_EXACT:
        return None
    vectors = set()
    for block in rows.blocks():
        residual, m, _, _ = _rounded_residuals(loss, block, raw, negligible)
        Z = np.hstack([_raw(block, places[places < rows.n_features]), np.ones((len(m), 1))])[:, :width]
        for z, in_doubt in zip(Z.tolist(), ((residual != 0) | (m != 0)) & (block.weight > 0)[:, None], strict=True):
            whole = _whole_multiples(z[::-1])  # the intercept comes first
            outputs = np.flatnonzero(in_doubt).tolist()
            for k, other in zip(outputs, outputs if loss.separable else outputs[1:], strict=False):
                vector = [0] * (loss.n_outputs * width)
                vector[other * width : (other + 1) * width] = [-x for x in whole]
                vector[k * width : (k + 1) * width] = whole
                vectors.add(tuple(vector))
    pivots: dict[int, list[int]] = {}
    for each in sorted(vectors):
        vector = list(each)
        for at in range(len(vector)):
            if vector[at] and at in pivots:
                own, factor = pivots[at][at], vector[at]
                vector = [own * x - factor * y for x, y in zip(vector, pivots[at], strict=True)]
            if vector[at]:
                divisor = math.gcd(*vector)
                pivots[at] = [x // divisor for x in vector]
                break
    found = np.zeros(loss.n_outputs * width, dtype=bool)
    found[list(pivots)] = True
    return found.reshape(loss.n_outputs, width)[:, ::-1]


def _whole_multiples(values: list[float]) -> list[int]:
    """Whole numbers in the same proportion, exactly."""
    exact = [Fraction(value) for value in values]
    common = math.lcm(*(value.denominator for value in exact))
    return [int(value * common) for value in exact]


def _columns(columns: Columns, block: Block, places: Array) -> tuple[Array, Array]:
    """The standardised columns at these places, and how large they are as they are summed, both
    (n, n_places)."""
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
