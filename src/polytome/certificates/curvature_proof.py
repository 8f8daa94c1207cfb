"""A bound on the distance from the minimum without a penalty, by the curvature at the coefficients
that were reached.

Along a line the curvature of a row's loss changes, but not suddenly: if `r` is the range of what
its scores change by per unit of length, `|phi'''| <= M r phi''` with M the loss's
`self_concordance`, for a cross-entropy 1, since a third central moment is at most the range times
the variance. So let H be the Hessian, `nu` the norm of the gradient in the metric of H^-1, and
`rho` M times the largest range of any row over all directions of length one in the metric of H. If
`x = nu rho < 1`, there is a minimum, and

    P - P*  <=  ((1 - x) log(1 - x) + x) / rho^2  <=  nu^2 / 2 * (1 + x / (3 (1 - x)))

and it is at most `-log(1 - x) / rho <= nu (1 + x / (2 (1 - x)))` away in the metric of H, which
bounds coefficients.

docs/certificate.md has the proof, and what rounding adds to each number. The norms are taken in
coordinates T in which H is nearly the unit matrix. How nearly is computed, so that T need not be
the inverse of any root.

References: Bach, Self-concordant analysis for logistic regression, Electronic Journal of Statistics
4, 2010; Sun and Tran-Dinh, Generalized self-concordant functions: a recipe for Newton-type methods,
Mathematical Programming 178, 2019.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dtrtri

from polytome.certificates.independent_columns import independent_columns
from polytome.certificates.rounding import ELEMENTARY_ROUNDINGS, growth
from polytome.losses import Loss
from polytome.objective import Objective
from polytome.passes import SLACK, UNDERFLOW, Block, ProofSums, Sums, concordance_of
from polytome.rows import Rows
from polytome.threads import kept

Array = NDArray[Any]

__all__ = ["CurvatureBound", "curvature_bound", "is_exact_in_float64"]

_MIN_CURVATURE_LEFT = 0.1  # of the curvature that was computed: where rounding leaves less, nothing is proved
_MAX_NU_RHO = 0.9  # of nu rho
_MAX_EXACT_INTEGER = 2**53  # whole numbers up to here are float64 numbers


@dataclass(frozen=True)
class CurvatureBound:
    """What the curvature proves about coefficients as a user gets them, in nats.

    Attributes:
        gap: how far the objective there is above its minimum, at most; without the rounding of the
            objective below.
        exact: what would be proved if nothing were rounded.
        objective: its value as computed.
        rounding: bound on its error.
        distance: bound on the distance of the columns' coefficients, as the objective has them,
            from the optimal ones; infinite where columns depend on each other, since these are then
            not the only ones.
    """

    gap: float
    exact: float
    objective: float
    rounding: float
    distance: float


def curvature_bound(objective: Objective, W: Array, blocks: Array, free: Array | None = None) -> CurvatureBound | None:
    """How far the coefficients, as a user gets them, are from the minimum: a pass that costs as
    much as a Hessian.

    Args:
        objective: without a penalty, with products in float64.
        W: coefficients, shape `objective.shape`.
        blocks: the Hessian there, as from `Objective.hessian_blocks`.
        free: which coefficients of a softmax with fewer classes in some rows can do without the
            others, (n_outputs - 1, n_features + 1); without it all are free, or those of columns on
            which others depend.

    Returns:
        None where nothing is proved.

    Example:
        >>> from polytome.losses import Logistic
        >>> from polytome.penalties import NoPenalty
        >>> from polytome.rows import as_rows
        >>> objective = Objective(Logistic(), NoPenalty(), as_rows(np.ones((4, 1)), np.array([0, 1, 1, 1])), False)
        >>> W = np.array([[1.1], [0.0]])  # the minimum is at log 3, which is 1.0986
        >>> found = curvature_bound(objective, W, objective.hessian_blocks(W))
        >>> least, _ = objective.value_and_gradient(np.array([[np.log(3)], [0.0]]))
        >>> found.objective - least <= found.gap <= 1.01 * (found.objective - least)
        True
    """
    if not _bends_slowly(objective.loss) or not is_exact_in_float64(objective.rows):
        return None
    with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
        if free is not None:
            return _bound(objective, W, blocks, free)
        every = np.append(np.ones(len(W) - 1, dtype=bool), objective.fit_intercept)
        found = _bound(objective, W, blocks, every)
        if found is None and (columns := independent_columns(objective, blocks)) is not None:
            found = _bound(objective, W, blocks, np.isin(np.arange(len(W)), columns))
    return found


def _bends_slowly(loss: Loss) -> bool:
    """Whether the loss says by how much its curvature may change, and how large residuals, and so
    their roundings, are; with a rank-one part, in the way of probabilities."""
    known = loss.self_concordance is not None and bool(np.isfinite(loss.largest_residual))
    return known and (loss.separable or loss.is_cross_entropy)


def is_exact_in_float64(rows: Rows) -> bool:
    """Whether float64 holds all entries."""
    if rows.facts.dtype not in (np.int64, np.uint64):
        return bool(np.can_cast(rows.facts.dtype, np.float64))
    (beyond,) = rows.reduce(_BeyondFloat64())
    return bool(beyond == 0)


@dataclass(frozen=True)
class _BeyondFloat64:
    """How many whole numbers float64 may not hold."""

    joined = 0

    def of_block(self, block: Block) -> Sums:
        stored: Any = block.stored
        entries = stored if isinstance(stored, np.ndarray) else stored.data
        return (np.asarray(((entries > _MAX_EXACT_INTEGER) | (entries < -_MAX_EXACT_INTEGER)).sum()),)


def _bound(objective: Objective, W: Array, blocks: Array, free: Array) -> CurvatureBound | None:
    """The bound by the curvature in some coefficients, without which the scores can do: of columns,
    (n_columns,), or of each output."""
    every_output = np.arange(objective.loss.n_outputs)
    # The scores of a softmax's last class are held: only differences matter.
    outputs = list(every_output[:, None]) if objective.loss.separable else [every_output[:-1]]
    parts = [_Part.of(own, free, block) for own, block in zip(outputs, blocks, strict=True)]
    if not all(part.defect <= 1 - _MIN_CURVATURE_LEFT for part in parts):
        return None
    sums = _row_sums(objective, W, parts)
    found = [_bound_of(objective, part, *sums.of(part, place), sums.deviation) for place, part in enumerate(parts)]
    gap, exact = (sum(bounds) for bounds in zip(*(bounds for *bounds, _ in found), strict=True))
    if not gap < np.inf:
        return None
    value = sums.loss / objective.total_weight
    is_whole = bool(free[..., : len(W) - (not objective.fit_intercept)].all())
    distance = math.hypot(*(distance for _, _, distance in found)) * (1 + SLACK) if is_whole else np.inf
    return CurvatureBound(
        gap, exact, value, _objective_error(objective, sums, value, _intercept_error(objective, W)), distance
    )


def _intercept_error(objective: Objective, W: Array) -> Array:
    """What rounding of the intercept that a user gets moves all scores by, at most,
    (n_outputs,)."""
    columns = objective.rows.columns
    return np.asarray(growth(len(W) + 8) * (np.abs(W[-1]) + np.abs(columns.shift * columns.scale) @ np.abs(W[:-1])))


def _objective_error(objective: Objective, sums: _RowSums, value: float, intercept_error: Array) -> float:
    """Bound on the error of the objective: the rounding of the rows, and that of the intercept,
    which is almost nothing where the mean residuals are."""
    loss, total = objective.loss, objective.total_weight
    soft = loss.n_outputs if objective.soft.size and objective.soft.any() else 0
    roundings = _roundings(objective)
    # An error in a score moves the residuals of its row by no more than the smoothness times it.
    mean_error = max(1.0, loss.smoothness) * sums.mean_error
    slope = (np.abs(sums.mean) + mean_error) / total + roundings * loss.largest_residual
    error = roundings * (value + soft) + sums.loss_error / total + float(slope @ intercept_error)
    return (error + 0.5 * loss.smoothness * float(intercept_error @ intercept_error)) * (1 + SLACK) + UNDERFLOW


def _roundings(objective: Objective) -> float:
    """The relative error of a sum over the rows of products with elementary functions of scores."""
    return growth(objective.sizes.depth + objective.loss.n_outputs + ELEMENTARY_ROUNDINGS + 24)


@dataclass(frozen=True)
class _Part:
    """A problem of its own: outputs that belong together, and coordinates in which their Hessian is
    nearly the unit.

    Attributes:
        outputs: which, shape (n_own,).
        H: the Hessian of their coefficients, output by output, (n_own * n_columns, n_own *
            n_columns).
        T: the coordinates, so that `T H T'` is nearly the unit matrix, (size, n_own * n_columns),
            with zeros for coefficients that are not free; NaN where there are none.
    """

    outputs: Array
    H: Array
    T: Array

    @classmethod
    def of(cls, outputs: Array, free: Array, block: Array) -> _Part:
        """The part of some outputs, and its coordinates by a Cholesky factor."""
        places = np.flatnonzero(np.broadcast_to(free, (len(outputs), free.shape[-1])))
        whole = block[: len(outputs) * free.shape[-1], : len(outputs) * free.shape[-1]]
        T = np.zeros((len(places), len(whole)))
        if not len(places):
            return cls(outputs, whole, T)
        H = whole[np.ix_(places, places)]
        diagonal = H.diagonal()
        scales = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        factor, failed = dpotrf(H * scales * scales[:, None], lower=1, clean=1)
        inverse, not_inverted = dtrtri(factor, lower=1)
        T[:, places] = np.nan if failed or not_inverted else inverse * scales
        return cls(outputs, whole, T)

    @property
    @kept
    def whitened(self) -> Array:
        """`T H T'`."""
        return np.asarray(self.T @ self.H @ self.T.T)

    @property
    def defect(self) -> float:
        """By how much that is not the unit matrix, in the Frobenius norm; NaN where there are no
        coordinates."""
        return float(np.linalg.norm(self.whitened - np.eye(len(self.T))))

    def longest(self, fit_intercept: bool) -> float:
        """Bound on the length of what a unit vector of these coordinates changes the coefficients
        of columns by: a spectral norm is at most that of Frobenius, and the root of the largest
        sums of rows and columns."""
        T = np.abs(self._by_row[:, :, : self._by_row.shape[2] - fit_intercept])
        T = T.reshape(len(T), T.shape[1] * T.shape[2])
        sums = (T.sum(axis=each).max(initial=0.0) for each in (0, 1))
        return min(float(np.linalg.norm(T)), math.sqrt(math.prod(sums))) * (1 + growth(2 * T.size))

    @property
    def _by_row(self) -> Array:
        return self.T.reshape(len(self.T), len(self.outputs), self.T.shape[1] // len(self.outputs))

    @property
    def by_output(self) -> Array:
        """T for each output, (n_own, size, n_columns): what a row becomes in these coordinates."""
        return np.ascontiguousarray(self._by_row.swapaxes(0, 1))


@dataclass(frozen=True)
class _RowSums:
    """The sums of `ProofSums`.

    Attributes:
        gradient: weighted sums of columns times residuals, (n_columns, n_outputs).
        size: of their absolute values, of the same shape.
        square: of the columns' squares times the diagonals of the rows' Hessians, of the same
            shape.
        moved: for each part, by how much rounding of the scores may have moved its gradient, in its
            coordinates.
        loss: its weighted sum.
        loss_error: bound on its error from errors of the scores, other than a common shift.
        mean_error: bound on the error of the sums of residuals from errors of the scores.
        range: for each part, the largest range of the scores of a row over all directions of unit
            length.
        deviation: bound on the error of a score.
    """

    gradient: Array
    size: Array
    square: Array
    moved: Array
    loss: float
    loss_error: float
    mean_error: float
    range: Array
    deviation: float

    @property
    def mean(self) -> Array:
        """Weighted sums of residuals, (n_outputs,): the intercept's column is one."""
        return np.asarray(self.gradient[-1])

    def of(self, part: _Part, place: int) -> tuple[Array, Array, Array, float, float]:
        """What concerns a part: sums as vectors in the order of its coefficients, `moved` and
        `range`."""
        gradient, size, square = (
            values[:, part.outputs].T.ravel() for values in (self.gradient, self.size, self.square)
        )
        return gradient, size, square, float(self.moved[place]), float(self.range[place])


def _row_sums(objective: Objective, W: Array, parts: list[_Part]) -> _RowSums:
    """One pass over the rows."""
    is_soft = bool(objective.soft.size and objective.soft.any())
    coordinates = np.array([part.by_output for part in parts])
    one_pass = ProofSums(
        objective.loss, W, objective.rows.columns, coordinates, _intercept_error(objective, W), is_soft
    )
    gradient, size, square, moved, loss, loss_error, mean_error, ranges, deviations = objective.rows.reduce(one_pass)
    sums = float(loss), float(loss_error), float(mean_error)
    return _RowSums(gradient, size, square, moved, *sums, ranges.max(axis=0), float(deviations.max()))


def _bound_of(
    objective: Objective,
    part: _Part,
    gradient: Array,
    size: Array,
    square: Array,
    moved: float,
    span: float,
    deviation: float,
) -> tuple[float, float, float]:
    """What is proved of one part, infinite where nothing is, what exact arithmetic would prove, and
    how far the coefficients of its columns are from the optimal ones, at most."""
    total, absolute = objective.total_weight, np.abs(part.T)
    roundings, concordance = _roundings(objective), concordance_of(objective.loss)
    span, deviation = concordance * span, concordance * deviation
    products = growth(2 * len(part.T) + 8)
    slope = float(np.linalg.norm(part.T @ gradient)) / total
    gradient_error = (roundings + products) * float(np.linalg.norm(absolute @ size)) + moved
    # The Hessian's entries are sums of products, no larger than those of the square roots of these.
    hessian_size = float(np.linalg.norm(absolute @ np.sqrt(square / total))) ** 2 * math.exp(min(4 * deviation, 700.0))
    min_curvature = (1 - part.defect - (roundings + products) * hessian_size - SLACK) * math.exp(
        -min(2 * deviation, 700.0)
    )
    if not min_curvature >= _MIN_CURVATURE_LEFT:
        return np.inf, np.inf, np.inf
    growth_factor = 1 + growth(objective.rows.n_rows + 100) + SLACK
    most, widest = (slope + gradient_error / total) * growth_factor, span * growth_factor
    away = _radius(most, widest, min_curvature) * part.longest(objective.fit_intercept) * growth_factor
    return _distance(most, widest, min_curvature) * (1 + SLACK), _distance(slope, span, 1.0), away


def _distance(slope: float, span: float, min_curvature: float) -> float:
    """`nu^2 / 2 (1 + x / (3 (1 - x)))` infinite where x is not below one."""
    x = slope * span / min_curvature
    return slope * slope / (2 * min_curvature) * (1 + x / (3 * (1 - x))) if x <= _MAX_NU_RHO else np.inf


def _radius(slope: float, span: float, least: float) -> float:
    """`nu (1 + x / (2 (1 - x)))` over the root of the least curvature: how far the minimum is in
    the coordinates in which that is meant; infinite where x is not below one."""
    x = slope * span / least
    return slope / least * (1 + x / (2 * (1 - x))) if x <= _MAX_NU_RHO else np.inf
