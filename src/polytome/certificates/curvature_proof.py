"""A bound on the distance from the minimum without penalty, by the curvature at the coefficients that were reached.

Along a line the loss of a row bends less and less, but not suddenly: if `r` is the range of what its scores change by
per unit of length, `|phi'''| <= M r phi''` with M the loss's `self_concordance`, for a cross-entropy 1, since a third
central moment is at most the range times the variance. So let H be the Hessian, `nu` the norm of the gradient in the
metric of H^-1, and `rho` M times the largest range of any row over all directions of length one in the metric of H. If
`x = nu rho < 1`, there is a minimum, and

    P - P*  <=  ((1 - x) log(1 - x) + x) / rho^2  <=  nu^2 / 2 * (1 + x / (3 (1 - x)))

docs/certificate.md has the proof, and what rounding adds to each number. The norms are taken in coordinates T in which
H is nearly the unit matrix. How nearly is computed, so that T need not be the inverse of any root.

References: Bach, Self-concordant analysis for logistic regression, Electronic Journal of Statistics 4, 2010; Sun and
Tran-Dinh, Generalized self-concordant functions: a recipe for Newton-type methods, Mathematical Programming 178, 2019.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dtrtri

from polytome.certificates.independent_columns import independent_columns
from polytome.certificates.rounding import ELEMENTARY, growth
from polytome.losses import Loss
from polytome.objective import Objective
from polytome.passes import Block, Columns, Sums
from polytome.rows import Rows
from polytome.threads import kept

Array = NDArray[Any]

__all__ = ["CurvatureBound", "curvature_bound"]

_AT_ONCE = 2**22  # numbers: 32 MiB
_LEAST = 0.1  # of the curvature that was computed: where rounding leaves less, nothing is proved
_MOST = 0.9  # of nu rho
_LARGEST_WHOLE = 2**53  # whole numbers up to here are float64 numbers
_SLACK = 1e-9  # for the last few operations
_TINY = 1e-290  # for what underflows


@dataclass(frozen=True)
class CurvatureBound:
    """What the curvature proves of coefficients as a user gets them, in nats.

    Attributes:
        gap: how far the objective there is above its minimum, at most; without the rounding of the objective below.
        exact: what would be proved if nothing were rounded.
        objective: its value as computed.
        rounding: how far that may be off.
    """

    gap: float
    exact: float
    objective: float
    rounding: float


def curvature_bound(objective: Objective, W: Array, blocks: Array) -> CurvatureBound | None:
    """How far the coefficients, as a user gets them, are from the minimum: a pass that costs as much as a Hessian.

    Args:
        objective: without penalty, with products in float64.
        W: coefficients, shape `objective.shape`.
        blocks: the Hessian there, as from `Objective.hessian_blocks`.

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
    if not _bends_slowly(objective.loss) or not _is_exact(objective.rows):
        return None
    with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
        found = _bound(objective, W, blocks, np.arange(objective.shape[0] - (not objective.fit_intercept)))
        if found is None and (columns := independent_columns(objective, blocks)) is not None:
            found = _bound(objective, W, blocks, columns)
    return found


def _bends_slowly(loss: Loss) -> bool:
    """Whether the loss says by how much its curvature may change, and how large residuals, and so their roundings, are;
    with a rank-one part, in the way of probabilities."""
    known = loss.self_concordance is not None and bool(np.isfinite(loss.largest_residual))
    return known and (loss.separable or loss.is_cross_entropy)


def _is_exact(rows: Rows) -> bool:
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
        return (np.asarray(((entries > _LARGEST_WHOLE) | (entries < -_LARGEST_WHOLE)).sum()),)


def _bound(objective: Objective, W: Array, blocks: Array, columns: Array) -> CurvatureBound | None:
    """The bound by the curvature in some columns, on which the others depend."""
    each = np.arange(objective.loss.n_outputs)
    # The scores of a softmax's last class are held: only differences matter.
    outputs = list(each[:, None]) if objective.loss.separable else [each[:-1]]
    parts = [_Part.of(own, columns, block, len(W)) for own, block in zip(outputs, blocks, strict=True)]
    if not all(part.defect <= 1 - _LEAST for part in parts):
        return None
    seen = _seen(objective, W, columns, parts)
    found = [_bound_of(objective, part, *seen.of(part, place), seen.deviation) for place, part in enumerate(parts)]
    gap, exact = (sum(bounds) for bounds in zip(*found, strict=True))
    if not gap < np.inf:
        return None
    value = seen.loss / objective.total_weight
    return CurvatureBound(gap, exact, value, _value_off(objective, seen, value, _common(objective, W)))


def _common(objective: Objective, W: Array) -> Array:
    """What rounding of the intercept that a user gets moves all scores by, at most, (n_outputs,)."""
    columns = objective.rows.columns
    return np.asarray(growth(len(W) + 8) * (np.abs(W[-1]) + np.abs(columns.shift * columns.scale) @ np.abs(W[:-1])))


def _value_off(objective: Objective, seen: _Seen, value: float, common: Array) -> float:
    """How far the objective may be off: by what the rows round, and by what the intercept's rounding changes, which is
    next to nothing where the mean residuals are."""
    loss, total = objective.loss, objective.total_weight
    soft = loss.n_outputs if objective.soft.size and objective.soft.any() else 0
    roundings = _roundings(objective)
    # A score that is off moves the residuals of its row by no more than the smoothness times that.
    mean_off = max(1.0, loss.smoothness) * seen.mean_off
    slope = (np.abs(seen.mean) + mean_off) / total + roundings * loss.largest_residual
    off = roundings * (value + soft) + seen.loss_off / total + float(slope @ common)
    return (off + 0.5 * loss.smoothness * float(common @ common)) * (1 + _SLACK) + _TINY


def _roundings(objective: Objective) -> float:
    """The relative error of a sum over the rows of products with elementary functions of scores."""
    return growth(objective.sizes.depth + objective.loss.n_outputs + ELEMENTARY + 24)


@dataclass(frozen=True)
class _Part:
    """A problem of its own: outputs that belong together, and coordinates in which their Hessian is nearly the unit.

    Attributes:
        outputs: which, shape (n_own,).
        H: the Hessian of the free coefficients, output by output, (size, size).
        T: the coordinates, so that `T H T'` is nearly the unit matrix, (size, size); NaN where there are none.
    """

    outputs: Array
    H: Array
    T: Array

    @classmethod
    def of(cls, outputs: Array, columns: Array, block: Array, n_columns: int) -> _Part:
        """The part of some outputs and columns, and its coordinates by a Cholesky factor."""
        free = (np.arange(len(outputs))[:, None] * n_columns + columns).ravel()
        H = block[np.ix_(free, free)]
        diagonal = H.diagonal()
        scales = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        factor, failed = dpotrf(H * scales * scales[:, None], lower=1, clean=1)
        T, not_inverted = dtrtri(factor, lower=1)
        return cls(outputs, H, np.full_like(H, np.nan) if failed or not_inverted else T * scales)

    @property
    @kept
    def whitened(self) -> Array:
        """`T H T'`."""
        return np.asarray(self.T @ self.H @ self.T.T)

    @property
    def defect(self) -> float:
        """By how much that is not the unit matrix, in the Frobenius norm; NaN where there are no coordinates."""
        return float(np.linalg.norm(self.whitened - np.eye(len(self.T))))

    @property
    def by_output(self) -> Array:
        """T for each output, (n_own, size, n_columns): what a row becomes in these coordinates."""
        return np.ascontiguousarray(self.T.reshape(len(self.T), len(self.outputs), -1).swapaxes(0, 1))


@dataclass(frozen=True)
class _Seen:
    """What the rows add up to, in columns that are independent; without division by their weight.

    Attributes:
        gradient: weighted sums of columns times residuals, (n_columns, n_outputs).
        size: of their absolute values, of the same shape.
        square: of the columns' squares times the diagonals of the rows' Hessians, of the same shape.
        moved: for each part, by how much rounding of the scores may have moved its gradient, in its coordinates.
        loss: its weighted sum.
        loss_off: by how much that may be off, because the scores are, but for what moves them all alike.
        mean: weighted sums of residuals, (n_outputs,).
        mean_off: by how much these may be off, because the scores are.
        range: for each part, the largest range of the scores of a row over all directions of unit length.
        deviation: by how much a score may be off.
    """

    gradient: Array
    size: Array
    square: Array
    moved: Array
    loss: float
    loss_off: float
    mean: Array
    mean_off: float
    range: Array
    deviation: float

    def of(self, part: _Part, place: int) -> tuple[Array, Array, Array, float, float]:
        """What concerns a part: sums as vectors in the order of its coefficients, `moved` and `range`."""
        gradient, size, square = (
            values[:, part.outputs].T.ravel() for values in (self.gradient, self.size, self.square)
        )
        return gradient, size, square, float(self.moved[place]), float(self.range[place])


def _seen(objective: Objective, W: Array, columns: Array, parts: list[_Part]) -> _Seen:
    """One pass over the rows."""
    is_soft = bool(objective.soft.size and objective.soft.any())
    coordinates = tuple((part.by_output, np.linalg.norm(part.by_output, axis=1)) for part in parts)
    look = _Look(objective.loss, W, objective.rows.columns, columns, coordinates, _common(objective, W), is_soft)
    gradient, size, square, moved, loss, loss_off, mean, mean_off, ranges, deviations = objective.rows.reduce(look)
    sums = float(loss), float(loss_off), mean, float(mean_off)
    return _Seen(gradient, size, square, moved, *sums, ranges.max(axis=0), float(deviations.max()))


@dataclass(frozen=True, eq=False)
class _Look:
    """What `_Seen` is made of: sums over the rows, and from each block its largest range and deviation, joined."""

    loss: Loss
    W: Array
    standard: Columns
    columns: Array
    coordinates: tuple[tuple[Array, Array], ...]
    common: Array
    is_soft: bool
    joined = 2

    def of_block(self, block: Block) -> Sums:
        loss, W, columns = self.loss, self.W, self.columns
        dense = self.standard.with_intercept(block)
        scores, weight = dense @ W, block.weight[:, None]
        absolute = np.abs(dense)
        own = growth(len(W) + 8) * (absolute @ np.abs(W))
        if not loss.separable:  # the largest score is subtracted from all of a row
            own[:] = own.max(axis=1, keepdims=True)
        off, counts = own + self.common, block.weight > 0
        X, absolute = (values if len(columns) == len(W) else values[:, columns] for values in (dense, absolute))
        value, residual = loss.value_and_gradient(scores, block.target)
        m, u = loss.curvature(scores, block.target)
        lengths = [_lengths(X, absolute, *each) for each in self.coordinates]
        changes = np.broadcast_to(_changes(loss, m, u, off), (len(X), len(lengths)))
        moved = [block.weight @ (length * change) for (length, _), change in zip(lengths, changes.T, strict=True)]
        size = absolute.T @ (weight * (np.abs(residual) + float(self.is_soft)))
        ranges = [float(span[counts].max(initial=0.0)) for _, span in lengths]
        value_off = ((np.abs(residual) + _SLACK + 0.5 * loss.smoothness * own) * own).sum(axis=1)
        return (
            X.T @ (weight * residual),
            size,
            (X * X).T @ (weight * np.maximum(m, 0.0)) * (1 if u is None else 2),
            np.array(moved),
            np.asarray(block.weight @ value),
            np.asarray(block.weight @ value_off),
            block.weight @ residual,
            np.asarray(block.weight @ own.max(axis=1)),
            np.array([ranges]),
            off[counts].max(initial=0.0, keepdims=True)[0],
        )


def _lengths(X: Array, absolute: Array, by_output: Array, norms: Array) -> tuple[Array, Array]:
    """For each row bounds on the largest length, in given coordinates, of what a change of one output's probability
    moves the gradient by, and on the range of its scores along a direction of length one; both (n,).

    Args:
        X: columns of the rows, (n, n_columns).
        absolute: their absolute values.
        by_output: the coordinates, (n_own, size, n_columns).
        norms: of their columns, (n_own, n_columns).
    """
    n_own, size, _ = by_output.shape
    off = growth(X.shape[1] + n_own + 16) * (absolute @ norms.T).max(axis=1)
    longest, span = np.empty(len(X)), np.empty(len(X))
    step = max(1, _AT_ONCE // (n_own * size))
    for start in range(0, len(X), step):
        part = slice(start, start + step)
        U = X[part] @ by_output.reshape(n_own * size, -1).T
        if n_own == 1:
            longest[part] = span[part] = np.sqrt(np.einsum("ij,ij->i", U, U))
            continue
        # About their mean, as changes of probabilities add up to zero; a last output that is held has none itself.
        U = U.reshape(len(U), n_own, size)
        mean = U.sum(axis=1) / (n_own + 1)
        U -= mean[:, None]
        squares = np.column_stack([np.einsum("ikj,ikj->ik", U, U), np.einsum("ij,ij->i", mean, mean)])
        largest = np.sqrt(np.sort(squares, axis=1)[:, -2:])
        longest[part], span[part] = largest[:, 1], largest.sum(axis=1)
    more = 1 + growth(size + 16)
    return more * longest + 2 * off, more * span + 4 * off


def _changes(loss: Loss, m: Array, u: Array | None, off: Array) -> Array:
    """Bound on what probabilities change by, added up over the outputs that belong together, if scores change by no
    more than `off`: (n, n_outputs), or (n, 1) for a softmax."""
    if u is None:
        return np.asarray(np.fmin(loss.smoothness * off, (m + _TINY) * np.exp(_concordance(loss) * off) * off))
    most = off.max(axis=1, keepdims=True)
    rest = m.copy()
    rest[np.arange(len(m)), m.argmax(axis=1)] = 0.0
    return np.asarray(np.fmin(most, 4 * (rest.sum(axis=1, keepdims=True) + _TINY) * np.exp(2 * most) * most))


def _concordance(loss: Loss) -> float:
    assert loss.self_concordance is not None  # or there is no bound to be found
    return loss.self_concordance


def _bound_of(
    objective: Objective,
    part: _Part,
    gradient: Array,
    size: Array,
    square: Array,
    moved: float,
    span: float,
    deviation: float,
) -> tuple[float, float]:
    """What is proved of one part, infinite where nothing is, and what exact arithmetic would prove."""
    total, absolute = objective.total_weight, np.abs(part.T)
    roundings, concordance = _roundings(objective), _concordance(objective.loss)
    span, deviation = concordance * span, concordance * deviation
    products = growth(2 * len(part.T) + 8)
    slope = float(np.linalg.norm(part.T @ gradient)) / total
    off = (roundings + products) * float(np.linalg.norm(absolute @ size)) + moved
    # The Hessian's entries are sums of products, no larger than those of the square roots of these.
    beside = float(np.linalg.norm(absolute @ np.sqrt(square / total))) ** 2 * math.exp(min(4 * deviation, 700.0))
    least = (1 - part.defect - (roundings + products) * beside - _SLACK) * math.exp(-min(2 * deviation, 700.0))
    if not least >= _LEAST:
        return np.inf, np.inf
    more = 1 + growth(objective.rows.n_rows + 100) + _SLACK
    proved = _distance((slope + off / total) * more, span * more, least)
    return proved * (1 + _SLACK), _distance(slope, span, 1.0)


def _distance(slope: float, span: float, least: float) -> float:
    """`nu^2 / 2 (1 + x / (3 (1 - x)))` where the least curvature is `least`; infinite where x is not below one."""
    x = slope * span / least
    return slope * slope / (2 * least) * (1 + x / (3 * (1 - x))) if x <= _MOST else np.inf
