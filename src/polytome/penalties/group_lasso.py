"""The group lasso: norms of groups of coefficients, which are zero together, with squares or
absolute values beside them or without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError

Array = NDArray[Any]

__all__ = ["GroupLasso", "group_lasso_text"]

_UNIT = 2.0**-53
_SMALLEST = 2.0**-1022  # of what norms are multiplied by: below, a product is rounded, perhaps to 0
_ROUNDED_UP = 1 + 2.0**-50  # more than a division and a root can have lost
_MAX_ROOT_STEPS = 100
_MAX_CENTRE_STEPS = 50


@dataclass(frozen=True, eq=False)
class GroupLasso:
    """`strength * sum_g weight_g (l1_ratio (group_ratio sqrt(p_g) ||W_g|| + (1 - group_ratio)
    ||W_g||_1) + (1 - l1_ratio) / 2 ||W_g||^2)`, on the mean-loss scale:
    `C = 1 / (strength * sum of weights of rows)`.

    `W_g` are all coefficients of the `p_g` columns of a group: of a softmax those of all classes.
    Where each column is a group, a column is in the model for all classes or for none. Absolute
    values beside the norms, a sparse group lasso, make single coefficients 0 in groups that are
    not.

    Args:
        strength: positive and finite.
        l1_ratio: the share of norms and absolute values, above 0 and at most 1; the rest are
            squares.
        groups: the number of each column's group, whole numbers, (n_features,); kept as 0, 1, ...
        weights: None for 1, or one for each column, finite, zero or more, alike in a group, not all
            of them zero; kept as (n_features, 1).
        group_ratio: the share of norms in what is not squares, above 0 and at most 1; the rest are
            absolute values.

    Raises:
        ArgumentError: one of them cannot be used.

    Example:
        >>> penalty = GroupLasso(0.5, 1.0, [0, 0, 1])
        >>> W = np.array([[3.0], [4.0], [2.0]])
        >>> round(penalty.value(W), 9), penalty.prox(W, 1.0).ravel().round(4)
        (4.535533906, array([2.5757, 3.4343, 1.5   ]))
        >>> GroupLasso(0.5, 1.0, [0, 0, 1], group_ratio=0.5).prox(W / 10, 1.0).ravel().round(4)
        array([0., 0., 0.])

    References: Yuan and Lin, Model selection and estimation in regression with grouped variables,
    Journal of the Royal Statistical Society B 68, 2006; Meier, van de Geer and Buehlmann, The group
    lasso for logistic regression, the same journal, B 70, 2008.
    """

    strength: float
    l1_ratio: float
    groups: Array
    weights: float | Array
    group_ratio: float
    group_corner: Array
    is_nothing: ClassVar[bool] = False
    has_rest: ClassVar[bool] = True
    is_rotation_invariant: ClassVar[bool] = False

    def __init__(
        self,
        strength: float,
        l1_ratio: float,
        groups: ArrayLike,
        weights: ArrayLike | None = None,
        group_ratio: float = 1.0,
    ) -> None:
        if not (np.isfinite(strength) and strength > 0):
            raise ArgumentError(
                f"GroupLasso(strength={strength}): needs a positive finite number; for no penalty use NoPenalty()"
            )
        if not 0 < l1_ratio <= 1:
            raise ArgumentError(
                f"GroupLasso(l1_ratio={l1_ratio}): needs a number above 0, and at most 1; for 0 use L2 or WeightedL2"
            )
        if not 0 < group_ratio <= 1:
            raise ArgumentError(
                f"GroupLasso(group_ratio={group_ratio}): needs a number above 0, and at most 1; for absolute values "
                "alone use ElasticNet"
            )
        given = np.asarray(groups)
        if given.ndim != 1 or not given.size or given.dtype.kind not in "iu":
            raise ArgumentError("GroupLasso(groups=...): needs a whole number for each column, the number of its group")
        _, first, numbers, sizes = np.unique(given, return_index=True, return_inverse=True, return_counts=True)
        of_groups = np.ones(len(sizes))
        column: float | Array = 1.0
        if weights is not None:
            column = np.asarray(weights, dtype=np.float64).reshape(-1, 1)
            if column.shape != (given.size, 1):
                raise ArgumentError(f"GroupLasso(weights=...): has {column.size} numbers for {given.size} columns")
            if not (np.isfinite(column).all() and (column >= 0).all() and column.any()):
                raise ArgumentError(
                    "GroupLasso(weights=...): needs finite numbers, zero or more, not all of them zero; for no penalty "
                    "use NoPenalty()"
                )
            of_groups = column[first, 0]
            if not (column[:, 0] == of_groups[numbers]).all():
                raise ArgumentError("GroupLasso(weights=...): needs the same number for all columns of a group")
        object.__setattr__(self, "strength", float(strength))
        object.__setattr__(self, "l1_ratio", float(l1_ratio))
        object.__setattr__(self, "groups", numbers.reshape(-1))
        object.__setattr__(self, "weights", column)
        object.__setattr__(self, "group_ratio", float(group_ratio))
        norms = self.strength * self.l1_ratio * self.group_ratio
        object.__setattr__(self, "group_corner", norms * (np.sqrt(sizes) * of_groups))
        is_lost = (of_groups > 0) & (self.group_corner < _SMALLEST)
        if is_lost.any() or group_ratio < _SMALLEST:
            # Rounded to 0, it would leave the group out of the gap.
            place = first[np.argmax(is_lost)]
            raise ArgumentError(
                f"GroupLasso(strength={strength}, l1_ratio={l1_ratio}, group_ratio={group_ratio}): leaves the norm of "
                f"the group of column {place} a share of less than {_SMALLEST:.3g}, which floats cannot hold; needs a "
                "larger share or weight, or for no penalty of a group the weight 0"
            )

    @property
    def text(self) -> str:
        """The formula, without the part of a ratio of 1."""
        alone, weighted = len(self.group_corner) == len(self.groups), not isinstance(self.weights, float)
        return group_lasso_text(self.strength, self.l1_ratio, alone, weighted, self.group_ratio)

    @property
    def quadratic(self) -> float | Array:
        """`strength * (1 - l1_ratio) * weights`."""
        return self.modulus * self.weights

    @property
    def modulus(self) -> float:
        """`strength * (1 - l1_ratio)`."""
        return self.strength * (1 - self.l1_ratio)

    @property
    def corner(self) -> Array:
        """`strength * l1_ratio * group_ratio * sqrt(p_g) * weights` of each column's group,
        (n_features, 1)."""
        return self.group_corner[self.groups][:, None]

    @property
    def absolute_corner(self) -> float | Array:
        """`strength * l1_ratio * (1 - group_ratio) * weights`: what each absolute value is
        multiplied by; 0 where there are norms alone."""
        return self.strength * self.l1_ratio * (1 - self.group_ratio) * self.weights

    @property
    def has_absolute_values(self) -> bool:
        """Whether there are absolute values beside the norms."""
        return self.group_ratio < 1

    def beyond(self, values: Array) -> Array:
        """What is left of each value beyond the corner of its absolute value, with its sign."""
        if not self.has_absolute_values:
            return values
        found: Array = values - np.clip(values, np.negative(self.absolute_corner), self.absolute_corner)
        return found

    def rest(self, coefficients: Array) -> Array:
        """The norms and absolute values of each group, times their corners, (n_groups,)."""
        found = np.asarray(self.group_corner * self.norms(coefficients))
        if self.has_absolute_values:
            sizes = (self.absolute_corner * np.abs(coefficients)).sum(axis=1)
            found += np.bincount(self.groups, weights=sizes, minlength=len(found))
        return found

    def norms(self, values: Array) -> Array:
        """The Euclidean norm of each group's values, (n_groups,); nothing overflows or underflows
        on the way."""
        values = np.abs(values)
        largest = np.zeros(len(self.group_corner))
        np.maximum.at(largest, self.groups, values.max(axis=1, initial=0.0))
        # A power of two: nothing is rounded.
        scale = np.ldexp(1.0, np.frexp(np.where(np.isfinite(largest) & (largest > 0), largest, 1.0))[1] - 1)
        values /= scale[self.groups][:, None]
        values *= values
        squares = np.bincount(self.groups, weights=values.sum(axis=1), minlength=len(scale))
        return np.asarray(scale * np.sqrt(squares))

    def value(self, coefficients: Array) -> float:
        """The penalty; never negative."""
        squares = 0.0
        if self.modulus:
            squares = 0.5 * self.modulus * float(np.vdot(self.weights * coefficients, coefficients))
        sizes = 0.0
        if self.has_absolute_values:
            sizes = float((self.absolute_corner * np.abs(coefficients)).sum())
        return float(self.group_corner @ self.norms(coefficients)) + squares + sizes

    def prox(self, coefficients: Array, step: float) -> Array:
        """`V_g max(1 - step * corner_g / ||V_g||, 0)`, V being the coefficients beyond the step's
        part of the corners of their absolute values."""
        if self.has_absolute_values:
            corner = step * self.absolute_corner
            coefficients = coefficients - np.clip(coefficients, np.negative(corner), corner)
        norms = self.norms(coefficients)
        left = np.maximum(norms - step * self.group_corner, 0.0)
        parts = np.divide(left, norms, out=np.zeros_like(norms), where=norms > 0)
        found: Array = coefficients * parts[self.groups][:, None]
        return found

    def conjugate(self, dual: Array) -> float:
        """`sum_g max(||dual_g|| - corner_g, 0)^2 / (2 quadratic_g)`, of the norms only of what is
        beyond the corners of absolute values; infinite where something is left and there is no
        square."""
        beyond = np.maximum(self.norms(self.beyond(dual)) - self.group_corner, 0.0)
        quadratic = self._of_groups(self.quadratic)
        if (beyond[quadratic == 0] > 0).any():
            return np.inf
        return float((beyond * beyond / np.where(quadratic > 0, quadratic, 1.0)).sum()) / 2

    def feasible_multiple(self, dual: Array) -> float:
        """1, unless there is a group without a square: then the largest that leaves nothing of it
        beyond its corner."""
        size, quadratic = self.norms(self.beyond(dual)), self._of_groups(self.quadratic)
        beyond = (quadratic == 0) & (size > self.group_corner)
        if self.has_absolute_values:
            # A group of weight 0 has no corner, and a multiple of 0.
            is_open = bool((beyond & (self.group_corner == 0)).any())
            largest = self._dual_norms(np.abs(dual), beyond & (self.group_corner > 0)).max(initial=1.0)
            return 0.0 if is_open else 1 / float(largest)
        slack = (dual.size + 16) * 4 * _UNIT * bool(beyond.any())
        return float((self.group_corner[beyond] / size[beyond]).min(initial=1.0)) * (1 - slack)

    def distance(self, gradient: Array, coefficients: Array) -> Array:
        """That of minus the gradient from `quadratic W + corner W_g / ||W_g||`, where all
        directions of length up to 1 take the place of the last at 0, and from the slopes of
        absolute values, for each group."""
        smooth, norms = gradient + self.quadratic * coefficients, self.norms(coefficients)
        parts = np.divide(self.group_corner, norms, out=np.zeros_like(norms), where=norms > 0)
        at_corner = np.maximum(self.norms(self.beyond(smooth)) - self.group_corner, 0.0)
        left = smooth + parts[self.groups][:, None] * coefficients
        if self.has_absolute_values:
            left = np.where(coefficients == 0, self.beyond(left), left + self.absolute_corner * np.sign(coefficients))
        return np.where(norms == 0, at_corner, self.norms(left))

    def dual_norm(self, gradient: Array) -> float:
        """The Frobenius norm of `gradient / sqrt(weights)`, without the columns of weight 0;
        rounded up."""
        if isinstance(self.weights, float):
            return float(np.linalg.norm(gradient))
        penalised = self.weights[:, 0] > 0
        return float(np.linalg.norm(gradient[penalised] / np.sqrt(self.weights[penalised]))) * _ROUNDED_UP

    def fenchel_gap(self, coefficients: Array, gradient: Array, error: Array, largest: float) -> float:
        """A bound without cancellation, the smaller of two.

        Let e be the direction of a group's gradient, a and b the norms of its coefficients and its
        gradient, and `r <= corner` any number: `g = r e` is a subgradient of `corner ||.||` at 0,
        so that Fenchel's inequality holds with it, and the part of a group is at most

            a (corner - r + r/2 ||e + W / a||^2)  +  ||quadratic W + G - g||^2 / (2 quadratic)

        Neither term is negative, and G may be off in the second alone. r is b, or the corner if
        that is less.

        Coefficients of at most the largest penalty have `sum_g corner_g ||W_g|| <= largest`; so
        what norms of the gradient exceed the corners by, at most, in parts of these, times that is
        all that they can gain from it.

        Absolute values take their part c of the gradient, as much of it as their corners allow,
        for `corner |W| + c W`, which is not negative; what is beyond takes its place above, and
        that of its norms the dual norm of norms and absolute values together.
        """
        of_sizes = 0.0
        if self.has_absolute_values:
            whole, corner = np.abs(gradient) + error, np.broadcast_to(self.absolute_corner, gradient.shape)
            slopes = np.clip(gradient, -corner, corner)
            of_sizes = float((np.abs(coefficients) * (corner + np.sign(coefficients) * slopes)).sum())
            gradient = self.beyond(gradient)
        n_outputs, penalised = coefficients.shape[1], self.group_corner > 0
        # A norm, or an entry of a direction, is off by no more than this part of it.
        unit = (n_outputs * int(np.bincount(self.groups).max()) + 20) * _UNIT
        rounding = 1 + (2 * coefficients.size + 80) * _UNIT
        corner, quadratic = self.group_corner[penalised], self._of_groups(self.quadratic)[penalised]
        all_a, all_b = self.norms(coefficients), self.norms(gradient)
        a, b = (each[penalised] * (1 + unit) for each in (all_a, all_b))
        apart = self.norms(np.broadcast_to(error, coefficients.shape))[penalised] * (1 + unit)
        towards, along = (
            np.divide(of, size[self.groups][:, None], out=np.zeros_like(of), where=size[self.groups][:, None] > 0)
            for of, size in ((gradient, all_b), (coefficients, all_a))
        )
        against = (self.norms(towards + along)[penalised] + 2 * unit) * (1 + unit)
        bend = 0.5 * against * against
        by_squares = np.inf
        if self.modulus > 0:
            r = np.minimum(all_b, self.group_corner)
            rest = self.norms(self.quadratic * coefficients + (all_b - r)[self.groups][:, None] * towards)[penalised]
            rest = (rest + apart + 2 * unit * (quadratic * a + b)) * (1 + unit)
            r = r[penalised]
            by_squares = float((a * (corner - r + r * bend) + rest * rest / (2 * quadratic)).sum())
        beyond = max(float(((b + apart - corner) / corner).max(initial=0.0)), 0.0)
        if self.has_absolute_values and beyond > 0:
            beyond = float(self._dual_norms(whole, penalised).max(initial=1.0)) - 1
        gains = a * (corner - all_b[penalised] + b * bend + apart + 2 * unit * b) + 0.5 * quadratic * a * a
        scale = float((a * (corner + b * (1 + bend) + apart) + quadratic * a * a).sum())
        by_size = max(float(gains.sum()), 0.0) + beyond * largest * rounding + (rounding - 1) * scale
        return (min(by_squares, by_size) + of_sizes) * rounding

    def proved_zeros(self, gradient: Array, error: Array, radius: Array) -> Array:
        """Which coefficients are 0 at every minimum; see `ElasticNet.proved_zeros`.

        In a group that is not 0 a coefficient is, if its gradient stays within the corner of its
        absolute value: the norm's slope has its sign, and only adds to that.
        """
        error = np.broadcast_to(error, gradient.shape)
        farthest = self.norms(self.beyond(gradient)) + self.norms(error) + self.norms(radius[:, None])
        farthest *= 1 + 4 * (gradient.size + 20) * _UNIT
        if self.has_absolute_values:  # what is beyond a corner is rounded as a part of what was there
            farthest += 4 * _UNIT * self.norms(gradient)
        is_zero = (self.group_corner > 0) & (farthest < self.group_corner)
        found = np.repeat(is_zero[self.groups][:, None], gradient.shape[1], axis=1)
        alone = (np.abs(gradient) + error + radius[:, None]) * (1 + 24 * _UNIT)
        return np.asarray(found | (alone < self.absolute_corner))

    def centre(self, coefficients: Array) -> Array:
        """The mean: a norm is smallest where each of its columns has the mean 0.

        Beside absolute values what is between it and the median, as in `ElasticNet`, with squares
        that have the norm's curvature: next to 0 in each step such squares are above the norm, and
        where they are least it is less.
        """
        if not self.has_absolute_values:
            return np.asarray(coefficients.mean(axis=1, keepdims=True))
        n = coefficients.shape[1]
        ordered, mean = np.sort(coefficients, axis=1), coefficients.mean(axis=1, keepdims=True)
        corner, quadratic = (np.broadcast_to(each, mean.shape) for each in (self.absolute_corner, self.quadratic))
        centre, kinks = np.zeros_like(mean), (n - 2 * np.arange(n + 1)) / n
        norms = self.norms(coefficients)
        for _ in range(_MAX_CENTRE_STEPS):
            if not (norms > 0).any():
                break
            curvature = np.divide(self.group_corner, norms, out=np.zeros_like(norms), where=norms > 0)
            curvature = curvature[self.groups][:, None] + quadratic
            parts = np.divide(corner, curvature, out=np.zeros_like(curvature), where=curvature > 0)
            found = np.median(np.hstack([ordered, mean + parts * kinks]), axis=1)[:, None]
            found = np.where((norms > 0)[self.groups][:, None] & (corner > 0), found, centre)
            is_known = np.abs(found - centre) <= 4 * _UNIT * np.abs(found)
            centre = found
            if is_known.all():
                break
            norms = self.norms(coefficients - centre)
        return np.asarray(np.where(corner > 0, centre, mean))

    def multiple_of_corners(self, gradient: Array) -> float:
        """The least multiple of all corners that a gradient is within, where what has no penalty
        does not count: with it as the strength's factor, all coefficients are 0."""
        sizes, penalised = np.abs(gradient), self.group_corner > 0
        norms = self.norms(sizes)
        if self.has_absolute_values:
            return float(self._multiples(sizes, np.flatnonzero(penalised & (norms > 0))).max(initial=0.0))
        return float((norms[penalised] / self.group_corner[penalised]).max(initial=0.0))

    def _dual_norms(self, sizes: Array, of: Array) -> Array:
        """The dual norms of some groups that have corners, for absolute values (n_features,
        n_outputs) of a gradient; no less than 1, and rounded up; 1 of all others."""
        found = np.ones(len(self.group_corner))
        own = np.flatnonzero(of & (self.norms(self.beyond(sizes)) > self.group_corner))
        if len(own):
            rounded_up = 1 + (sizes.size + 40) * 4 * _UNIT
            found[own] = np.maximum(self._multiples(sizes, own) * rounded_up, 1.0)
        return found

    def _multiples(self, sizes: Array, own: Array) -> Array:
        """Of these groups, which have corners and are not 0, the v at which what is beyond v times
        the corners of absolute values is as long as v times the group's.

        The length of `max(s sizes - corner, 0)` is convex in s = 1 / v, so that Newton's method
        from above goes down to the root.
        """
        if not len(own):
            return np.zeros(0)
        entries = np.isin(self.groups, own)
        place, n_own = np.searchsorted(own, self.groups[entries]), len(own)
        corner = np.broadcast_to(self.absolute_corner, sizes.shape)[entries]
        group_corner = self.group_corner[own]
        largest = np.zeros(n_own)
        np.maximum.at(largest, place, sizes[entries].max(axis=1))
        # In parts of the group's corner, and of its largest entry: nothing overflows.
        corner = corner / group_corner[place][:, None]
        ratios = sizes[entries] / largest[place][:, None]
        s = 1 + corner[np.unique(place, return_index=True)[1], 0]
        for _ in range(_MAX_ROOT_STEPS):
            beyond = np.maximum(s[place][:, None] * ratios - corner, 0.0)
            length = np.sqrt(np.bincount(place, weights=(beyond * beyond).sum(axis=1), minlength=n_own))
            slope = np.bincount(place, weights=(beyond * ratios).sum(axis=1), minlength=n_own)
            # Where the group's corner is next to nothing, nothing is left beyond: that is the root.
            slope = np.divide(slope, length, out=np.ones_like(s), where=length > 0)
            following = s - np.maximum(length - 1, 0.0) / slope
            if not (following < s).any():
                break
            s = following
        return np.asarray(largest / (s * group_corner))

    def _of_groups(self, of_columns: float | Array) -> Array:
        """A number of each column, alike in a group, as one of each group."""
        found = np.zeros(len(self.group_corner))
        found[self.groups] = np.broadcast_to(of_columns, (len(self.groups), 1))[:, 0]
        return found


def group_lasso_text(strength: float, l1_ratio: float, alone: bool, weighted: bool, group_ratio: float = 1.0) -> str:
    """The formula of a group lasso with its numbers.

    Args:
        strength: of the penalty.
        l1_ratio: the share of norms and absolute values.
        alone: whether each column is a group.
        weighted: whether columns have weights.
        group_ratio: the share of norms in these.

    Example:
        >>> group_lasso_text(0.5, 1.0, False, False, 0.75)
        '0.5 (0.75 sum_g sqrt(p_g) ||W_g|| + 0.25 ||W||_1)'

        >>> group_lasso_text(0.5, 1.0, True, False), group_lasso_text(0.5, 0.9, False, True)
        ('0.5 sum_j ||W_j||', '0.5 sum_g w_g (0.9 sqrt(p_g) ||W_g|| + 0.1/2 ||W_g||^2)')
    """
    letter = "j" if alone else "g"
    norm = f"||W_{letter}||" if alone else f"sqrt(p_{letter}) ||W_{letter}||"
    sums, inside = f"sum_{letter} ", f"{norm}"
    if group_ratio < 1:
        of_group = f"W_{letter}" if weighted else "W"
        norms = f"{l1_ratio * group_ratio:.6g} {norm if weighted else sums + norm}"
        inside = f"{norms} + {l1_ratio * (1 - group_ratio):.6g} ||{of_group}||_1"
        inside += f" + {1 - l1_ratio:.6g}/2 ||{of_group}||^2" if l1_ratio < 1 else ""
        return f"{strength:.6g} {f'{sums}w_{letter} ' if weighted else ''}({inside})"
    if weighted:
        sums += f"w_{letter} "
        if l1_ratio < 1:
            inside = f"({l1_ratio:.6g} {norm} + {1 - l1_ratio:.6g}/2 ||W_{letter}||^2)"
        return f"{strength:.6g} {sums}{inside}"
    if l1_ratio == 1:
        return f"{strength:.6g} {sums}{norm}"
    return f"{strength:.6g} ({l1_ratio:.6g} {sums}{norm} + {1 - l1_ratio:.6g}/2 ||W||^2)"
