"""Bounds on the coefficients of any penalty that is a sum over single coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError
from polytome.penalties.contract import Penalty
from polytome.penalties.elastic_net import ElasticNet
from polytome.penalties.group_lasso import GroupLasso
from polytome.penalties.nothing import NoPenalty
from polytome.penalties.ridge import L2, WeightedL2

Array = NDArray[Any]
Separable = NoPenalty | L2 | WeightedL2 | ElasticNet
"""A sum over single coefficients, of squares and absolute values."""

__all__ = ["Bounded", "Separable", "strength_and_ratio", "without_bounds"]

_UNIT = 2.0**-53
_ROUNDED_UP = 1 + 2.0**-50  # more than a division and a root can have lost


@dataclass(frozen=True, eq=False)
class Bounded:
    """A penalty where `lower <= W <= upper`, and infinite elsewhere.

    The minimum is that of the penalty among coefficients within bounds: of those that are not
    negative, for instance. What it says of itself where all coefficients are 0 holds for bounds
    that have 0 among them; others make the least penalty larger.

    Args:
        penalty: squares and absolute values, or none.
        lower: one number for each column or one for all, `-inf` for none; kept as (n_features, 1).
        upper: the same, `inf` for none; as large as `lower` or larger. Equal ones fix coefficients.

    Raises:
        ArgumentError: a bound is not a number, or the lower one is above the upper one; or a column
            without a penalty has one bound that is finite and one that is not.

    Example:
        >>> penalty = Bounded(L2(0.5), [0.0, -1.0], np.inf)
        >>> W = np.array([[2.0], [-1.0]])
        >>> penalty.value(W), penalty.value(-W), penalty.prox(-3 * W, 1.0).ravel()
        (1.25, inf, array([0., 3.]))

    References: Parikh and Boyd, Proximal algorithms, Foundations and Trends in Optimization 1,
    2014, section 2.2 (the prox of a separable sum within a box); Friedman, Hastie and Tibshirani,
    Regularization paths for generalized linear models via coordinate descent, Journal of
    Statistical Software 33, 2010 (limits, as glmnet has them).
    """

    penalty: Separable
    lower: Array
    upper: Array
    weights: Array
    is_nothing: ClassVar[bool] = False
    has_rest: ClassVar[bool] = True
    is_rotation_invariant: ClassVar[bool] = False

    def __init__(self, penalty: Separable, lower: ArrayLike, upper: ArrayLike) -> None:
        low, high = (np.asarray(each, dtype=np.float64).reshape(-1) for each in (lower, upper))
        own = np.asarray(penalty.weights, dtype=np.float64).reshape(-1)
        try:
            low, high, own = np.broadcast_arrays(low, high, own)
        except ValueError as error:
            raise ArgumentError(
                f"Bounded(lower, upper): have {low.size} and {high.size} numbers, the penalty {own.size}"
            ) from error
        if np.isnan(low).any() or np.isnan(high).any() or (low > high).any() or (low == np.inf).any():
            raise ArgumentError("Bounded(lower, upper): needs numbers, none of `lower` above that of `upper`")
        if (high == -np.inf).any():
            raise ArgumentError("Bounded(lower, upper): no coefficient is as small as an upper bound of -inf")
        is_open = ~np.isfinite(low) | ~np.isfinite(high)
        is_free = (low == -np.inf) & (high == np.inf)
        if is_free.all():
            raise ArgumentError("Bounded(lower, upper): none of them is finite; use the penalty without bounds")
        if ((own == 0) & is_open & ~is_free).any():
            raise ArgumentError(
                "Bounded(lower, upper): a column without a penalty needs both bounds finite, or none of them"
            )
        # A column without a weight that has bounds is not left alone.
        weights = np.where((own == 0) & ~is_free, 1.0, own)
        for name, column in (("lower", low), ("upper", high), ("weights", weights)):
            object.__setattr__(self, name, np.array(column)[:, None])
        object.__setattr__(self, "penalty", penalty)

    @property
    def text(self) -> str:
        """The formula of the penalty, and what its coefficients are within."""
        return f"{self.penalty.text} within bounds"

    @property
    def quadratic(self) -> float | Array:
        """That of the penalty within."""
        return self.penalty.quadratic

    @property
    def modulus(self) -> float:
        """That of the penalty, if it weighs all columns that have bounds; else 0."""
        own = np.broadcast_to(self.penalty.weights, self.weights.shape)
        return self.penalty.modulus if (self.weights == own).all() else 0.0

    @property
    def corner(self) -> float | Array:
        """What each absolute value is multiplied by; 0 of squares alone."""
        return self.penalty.corner if isinstance(self.penalty, ElasticNet) else 0.0

    @property
    def holds_zero(self) -> bool:
        """Whether all coefficients may be 0."""
        return bool(((self.lower <= 0) & (self.upper >= 0)).all())

    def around(self, penalty: Separable) -> Bounded:
        """Another penalty within the same bounds."""
        return Bounded(penalty, self.lower, self.upper)

    def value(self, coefficients: Array) -> float:
        """The penalty; infinite outside the bounds."""
        is_inside = ((coefficients >= self.lower) & (coefficients <= self.upper)).all()
        return self.penalty.value(coefficients) if is_inside else np.inf

    def nearest(self, coefficients: Array) -> Array:
        """The coefficients within bounds that are nearest."""
        found: Array = np.clip(coefficients, self.lower, self.upper)
        return found

    def prox(self, coefficients: Array, step: float) -> Array:
        """That of the penalty, brought within the bounds: a convex function of one number is least
        at the point within them that is nearest to where it is least."""
        return self.nearest(self.penalty.prox(coefficients, step))

    def conjugate(self, dual: Array) -> float:
        """`sum_jk dual W - corner |W| - quadratic W^2 / 2` at the W within bounds that makes it
        largest."""
        W = self._largest(-dual)
        if not np.isfinite(W).all():
            return np.inf
        return float((dual * W - self.corner * np.abs(W) - 0.5 * (self.quadratic * W * W)).sum())

    def feasible_multiple(self, dual: Array) -> float:
        """1, unless a coefficient has no square, and no bound where the dual would have it larger:
        then what leaves nothing of it beyond its corner."""
        beyond, corner = ~np.isfinite(self._largest(-dual)), np.broadcast_to(self.corner, dual.shape)
        size = np.abs(dual)
        return float((corner[beyond] / size[beyond]).min(initial=1.0)) * (1 - 2.0**-50 * bool(beyond.any()))

    def distance(self, gradient: Array, coefficients: Array) -> Array:
        """That of minus the gradient from the penalty's subdifferential, to which at a bound all
        that would lead beyond it is added, for each coefficient."""
        down, up = self.slopes(gradient, coefficients)
        return np.maximum(np.maximum(down, up), 0.0)

    def slopes(self, gradient: Array, coefficients: Array) -> tuple[Array, Array]:
        """How fast the objective falls where each coefficient falls, and where it grows; `-inf`
        where it may not."""
        smooth = gradient + self.quadratic * coefficients
        left = np.where(coefficients > 0, self.corner, np.negative(self.corner))
        right = np.where(coefficients < 0, np.negative(self.corner), self.corner)
        down = np.where(coefficients > self.lower, smooth + left, -np.inf)
        return down, np.where(coefficients < self.upper, -(smooth + right), -np.inf)

    def dual_norm(self, gradient: Array) -> float:
        """The Frobenius norm of `gradient / sqrt(weights)`, without the columns that are left
        alone; rounded up."""
        weighed = np.broadcast_to(self.weights > 0, gradient.shape)
        parts = np.divide(gradient, np.sqrt(self.weights), out=np.zeros(gradient.shape), where=weighed)
        return float(np.linalg.norm(parts)) * _ROUNDED_UP

    def fenchel_gap(self, coefficients: Array, gradient: Array, error: Array, largest: float) -> float:
        """A bound without cancellation, the smaller of two.

        Let V be the coefficient within bounds that makes `h(w) = G w + corner |w| + quadratic / 2
        w^2` least, c one of `corner` times the slopes of its absolute value, and
        `s = G + quadratic V + c`, which is 0 unless V is at a bound. The part of a coefficient is

            h(W) - h(V)  =  quadratic / 2 (W - V)^2 + s (W - V) + corner |W| - c W

        no term of which is negative; it is convex in G, and so largest at an end of what G may be.

        Where there is no bound and no square V is not finite if G is beyond the corner. Then G is
        brought back to it, and for what it exceeds it by, the size of coefficients counts, as in
        `ElasticNet`: those of at most the largest penalty have `sum_jk corner_j |W_jk| <= largest`.
        """
        shape = coefficients.shape
        weighed = np.broadcast_to(self.weights > 0, shape)
        W, G = coefficients[weighed], gradient[weighed]
        lower, upper = (np.broadcast_to(each, shape)[weighed] for each in (self.lower, self.upper))
        corner, quadratic = (np.broadcast_to(each, shape)[weighed] for each in (self.corner, self.quadratic))
        error = np.broadcast_to(error, shape)[weighed] + 8 * _UNIT * np.abs(G)
        rounding = 1 + (2 * W.size + 80) * _UNIT
        smallest = np.inf
        is_open = (np.isneginf(lower) | np.isposinf(upper)) & (corner > 0)
        for by_size in (is_open & (quadratic == 0), is_open):
            steepest, parts = 0.0, []
            for end in (G - error, G + error):
                # Where size counts, no farther beyond the corner than to it.
                back = np.where(by_size & np.isposinf(upper), np.maximum(end, -corner), end)
                back = np.where(by_size & np.isneginf(lower), np.minimum(back, corner), back)
                parts.append(_part(W, back, lower, upper, corner, quadratic) + (end - back) * W)
                excess = np.abs(end - back)[by_size] / corner[by_size]
                steepest = max(steepest, float(excess.max(initial=0.0)))
            largest_parts = np.maximum(*parts)
            total = float(largest_parts.sum())
            if by_size.any():
                size = np.abs(W[by_size])
                scale = float((size * (corner + np.abs(G))[by_size] + (quadratic * W * W)[by_size]).sum())
                scale += float(np.abs(largest_parts).sum())
                total = max(total + steepest * largest * rounding, 0.0) + (rounding - 1) * scale
            smallest = min(smallest, total if total >= 0 else np.inf)
            if (by_size == is_open).all():
                break
        return smallest * rounding

    def proved_zeros(self, gradient: Array, error: Array, radius: Array) -> Array:
        """Which coefficients are 0 at every minimum: those that would only lose by any change that
        their bounds allow; see `ElasticNet.proved_zeros`."""
        error = np.broadcast_to(error, gradient.shape)
        away = (error + radius[:, None]) * (1 + 24 * _UNIT) + 24 * _UNIT * (np.abs(gradient) + self.corner)
        may_grow = (self.upper > 0) & ~(gradient - away + self.corner > 0)
        may_fall = (self.lower < 0) & ~(gradient + away - self.corner < 0)
        is_allowed = (self.lower <= 0) & (self.upper >= 0) & (self.weights > 0)
        found: Array = is_allowed & ~may_grow & ~may_fall
        return found

    def centre(self, coefficients: Array) -> Array:
        """That of the penalty, as near as the bounds of all outputs allow."""
        least, most = (coefficients - self.upper).max(axis=1), (coefficients - self.lower).min(axis=1)
        # Coefficients that are within bounds, and bounds that are alike for all outputs, allow 0.
        least, most = np.minimum(least, 0.0)[:, None], np.maximum(most, 0.0)[:, None]
        return np.asarray(np.clip(self.penalty.centre(coefficients), least, most))

    def _largest(self, gradient: Array) -> Array:
        """The coefficient within bounds where `gradient w + corner |w| + quadratic / 2 w^2` is
        least; infinite where nothing keeps it."""
        parts = self.lower, self.upper, self.corner, self.quadratic
        return _least(gradient, *(np.broadcast_to(each, gradient.shape) for each in parts))


def strength_and_ratio(penalty: Penalty) -> tuple[float, float]:
    """The strength of a penalty, 0 of none, and the share of absolute values, or of norms, in it.

    Example:
        >>> strength_and_ratio(ElasticNet(0.5, 0.25))
        (0.5, 0.25)
    """
    if isinstance(penalty, Bounded):
        return strength_and_ratio(penalty.penalty)
    if isinstance(penalty, ElasticNet | GroupLasso):
        return penalty.strength, penalty.l1_ratio
    # A penalty without squares is one nevertheless.
    return 0.0 if penalty.is_nothing else max(penalty.modulus, np.finfo(np.float64).tiny), 0.0


def without_bounds(penalty: Penalty) -> Penalty:
    """The penalty within bounds; one that has none is itself.

    Example:
        >>> without_bounds(Bounded(L2(0.5), 0.0, np.inf))
        L2(strength=0.5)
    """
    return penalty.penalty if isinstance(penalty, Bounded) else penalty


def _least(G: Array, lower: Array, upper: Array, corner: Array, quadratic: Array) -> Array:
    """Where `G w + corner |w| + quadratic / 2 w^2` is least within bounds."""
    asked = np.clip(G, -corner, corner) - G
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        W = np.where(asked == 0, 0.0, asked / quadratic)
    found: Array = np.clip(W, lower, upper)
    return found


def _part(W: Array, G: Array, lower: Array, upper: Array, corner: Array, quadratic: Array) -> Array:
    """Each coefficient's part of `penalty(W) + penalty*(-G) + <W, G>`; infinite or NaN where
    nothing keeps V finite."""
    V = _least(G, lower, upper, corner, quadratic)
    c = np.where(V == 0, np.clip(-G, -corner, corner), corner * np.sign(V))
    with np.errstate(invalid="ignore", over="ignore"):
        at_bound = (lower == V) | (upper == V)
        slope = np.where(at_bound, G + quadratic * V + c, 0.0)
        # At a bound that V has without being kept there the slope is rounding, of either sign.
        outward = np.maximum(slope * (W - V), 0.0) + 4 * _UNIT * np.abs(W - V) * at_bound * (
            np.abs(G) + quadratic * np.abs(V) + corner
        )
        squares = 0.5 * quadratic * ((W - V) ** 2 + 16 * _UNIT**2 * V * V)
        found = squares + outward + np.maximum(corner * np.abs(W) - c * W, 0.0)
        return np.where(np.isfinite(V), found, np.inf)
