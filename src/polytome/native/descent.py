"""Coordinate descent on a quadratic model with absolute values, or with norms of groups, whose Gram
matrix is at hand."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.native.stored_rows import _passes

Array = NDArray[Any]

_FLAT = 1e-13  # of the largest eigenvalue of a group: rounding
_MAX_ROOT_STEPS = 100
_SPARSE_GROUP_STEPS = 20  # of one group, at most: sweeps come back to it

__all__ = ["Box", "Groups", "descend", "descend_in_groups"]


@dataclass(frozen=True, eq=False)
class Box:
    """What coordinates are within, float64, one number for each.

    Attributes:
        lower: no coordinate is below it; `-inf` for no bound.
        upper: nor above it; `inf` for no bound.
        scale: what a slope's tolerance is a part of: a corner, or of a coordinate without one any
            other slope.

    Example:
        >>> Box.of_corners(np.ones(2)).upper
        array([inf, inf])
    """

    lower: Array
    upper: Array
    scale: Array

    @classmethod
    def of_corners(cls, corner: Array) -> Box:
        """No bounds, and slopes as parts of corners."""
        return cls(np.full(len(corner), -np.inf), np.full(len(corner), np.inf), corner)


def descend(
    compiled: bool,
    H: Array,
    corner: Array,
    gradient: Array,
    coefficients: Array,
    sweeps: int,
    tolerance: float,
    box: Box | None = None,
) -> int:
    """Minimise `g' d + d' H d / 2 + sum_a corner_a |w_a + d_a|` within a box, one coordinate after
    the other, and change the coefficients w to `w + d`, the gradient g to `g + H d`.

    Compiled code makes the same roundings, so the bits are the same.

    Args:
        compiled: whether compiled code does it.
        H: symmetric, with rows side by side, float64.
        corner: not negative, float64.
        gradient: changed in place, float64.
        coefficients: changed in place, float64.
        sweeps: how many, at most, from one on.
        tolerance: they end when no step of the last one changed its own slope by more than that
            part of its corner, or of its scale in the box.
        box: what `w + d` is within; anything, if None.

    Returns:
        How many sweeps were made.

    Reference: Friedman, Hastie and Tibshirani, Regularization paths for generalized linear models
    via coordinate descent, Journal of Statistical Software 33, 2010, section 2.2.

    Example:
        >>> w, g = np.zeros(2), np.array([-3.0, 0.5])
        >>> descend(False, np.eye(2), np.ones(2), g, w, 5, 1e-9), w, g
        (2, array([2., 0.]), array([-1. ,  0.5]))
    """
    box = Box.of_corners(corner) if box is None else box
    if compiled and _passes is not None:
        limits = box.lower, box.upper, box.scale
        return int(_passes.gram_descent(H, corner, *limits, gradient, coefficients, sweeps, tolerance))
    parts = [each.tolist() for each in (np.diagonal(H), corner, box.lower, box.upper, box.scale)]
    coordinates = list(zip(*parts, strict=True))
    for sweep in range(1, sweeps + 1):
        is_least = True
        for a, (curvature, l1, lower, upper, scale) in enumerate(coordinates):
            if not curvature > 0:
                continue
            before = float(coefficients[a])
            best, threshold = before - float(gradient[a]) / curvature, l1 / curvature
            alone = best - threshold if best > threshold else best + threshold if best < -threshold else 0.0
            now = min(max(alone, lower), upper)
            step = now - before
            if step == 0:
                continue
            coefficients[a] = now
            gradient += step * H[a]
            is_least &= curvature * abs(step) <= tolerance * scale
        if is_least:
            return sweep
    return sweeps


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of coordinates side by side, each with the eigenvectors and eigenvalues of its part of
    a Gram matrix.

    Attributes:
        starts: the first coordinate of each group, and the number of all, int64.
        bases: the eigenvectors of one group after another, each in a row, (sum of squares,).
        curvatures: their eigenvalues, the largest of a group last, (n_coordinates,).

    Example:
        >>> Groups.of(np.diag([2.0, 1.0, 3.0]), np.array([0, 2, 3])).curvatures
        array([1., 2., 3.])
    """

    starts: Array
    bases: Array
    curvatures: Array

    @classmethod
    def of(cls, H: Array, starts: Array) -> Groups:
        """The groups of a matrix; what rounding leaves of no curvature is lifted above 0."""
        bases, curvatures = [np.zeros(0)], np.zeros(len(H))
        for first, end in pairwise(starts.tolist()):
            values, vectors = np.linalg.eigh(H[first:end, first:end])
            curvatures[first:end] = np.maximum(values, _FLAT * max(float(values[-1]), 0.0))
            bases.append(vectors.T.ravel())
        return cls(np.asarray(starts, dtype=np.int64), np.concatenate(bases), curvatures)


def descend_in_groups(
    compiled: bool,
    H: Array,
    groups: Groups,
    corner: Array,
    absolute: Array,
    gradient: Array,
    coefficients: Array,
    sweeps: int,
    tolerance: float,
) -> int:
    """Minimise `g' d + d' H d / 2 + sum_g corner_g ||w_g + d_g|| + absolute_g ||w_g + d_g||_1`, one
    group after the other, and change the coefficients w to `w + d`, the gradient g to `g + H d`.

    In the directions of its eigenvectors a group's part is separable but for the norm, which is the
    root of one equation: without absolute values each group's part is minimised exactly. With them
    by a few proximal gradient steps.

    Args:
        compiled: whether compiled code does it.
        H: symmetric, with rows side by side, float64; a group's coordinates stand together.
        groups: where they stand, and the eigenvectors of their parts of H.
        corner: what each group's norm is multiplied by, positive, float64.
        absolute: what its absolute values are multiplied by, 0 for none, float64.
        gradient: changed in place, float64.
        coefficients: changed in place, float64.
        sweeps: how many, at most, from one on.
        tolerance: they end when no step of the last one changed its own slope by more than that
            part of its corner and what its absolute values are multiplied by.

    Returns:
        How many sweeps were made.

    References: Qin, Scheinberg and Goldfarb, Efficient block-coordinate descent algorithms for the
    group lasso, Mathematical Programming Computation 5, 2013; Simon, Friedman, Hastie and
    Tibshirani, A sparse-group lasso, Journal of Computational and Graphical Statistics 22, 2013.

    Example:
        >>> w, g, H = np.zeros(3), np.array([-3.0, -4.0, 0.5]), np.eye(3)
        >>> groups, corner, absolute = Groups.of(H, np.array([0, 2, 3])), np.ones(2), np.zeros(2)
        >>> descend_in_groups(False, H, groups, corner, absolute, g, w, 5, 1e-9), w.round(9)
        (2, array([2.4, 3.2, 0. ]))
    """
    if compiled and _passes is not None:
        parts = groups.starts, corner, absolute, groups.bases, groups.curvatures
        return int(_passes.group_descent(H, *parts, gradient, coefficients, sweeps, tolerance))
    for sweep in range(1, sweeps + 1):
        is_least, entry = True, 0
        corners = zip(corner.tolist(), absolute.tolist(), strict=True)
        for (first, end), (group_corner, of_sizes) in zip(pairwise(groups.starts.tolist()), corners, strict=True):
            own, count = slice(first, end), end - first
            basis = groups.bases[entry : entry + count * count].reshape(count, count)
            curvature, entry = groups.curvatures[own], entry + count * count
            if not curvature[-1] > 0:
                continue
            if of_sizes > 0:
                scale = group_corner + of_sizes
                parts_of_group = H[own, own], float(curvature[-1]), group_corner, of_sizes, tolerance * scale
                now, changed = _least_in_sparse_group(gradient[own], coefficients[own], *parts_of_group)
                gradient += (now - coefficients[own]) @ H[own]
                coefficients[own] = now
                is_least &= changed <= tolerance * scale
                continue
            turned = basis @ coefficients[own]
            slope = curvature * turned - basis @ gradient[own]
            norm = _least_norm(curvature, slope, group_corner)
            now = slope * norm / (curvature * norm + group_corner) if norm > 0 else np.zeros(count)
            change = (now @ basis if norm > 0 else now) - coefficients[own]
            if not change.any():
                continue
            coefficients[own] += change
            if norm == 0:
                coefficients[own] = 0.0
            gradient += change @ H[own]
            is_least &= float(np.linalg.norm(curvature * (now - turned))) <= tolerance * group_corner
        if is_least:
            return sweep
    return sweeps


def _least_in_sparse_group(
    gradient: Array, start: Array, H: Array, steepest: float, corner: float, absolute: float, allowed: float
) -> tuple[Array, float]:
    """Where proximal gradient steps lead that minimise a group's part with absolute values, and how
    much the first one changed its own slope."""
    w, slope, first = start.copy(), gradient.copy(), None
    for _ in range(_SPARSE_GROUP_STEPS):
        best, threshold = w - slope / steepest, absolute / steepest
        step = best - np.clip(best, -threshold, threshold)
        norm = float(np.linalg.norm(step)) * steepest
        step = (1 - corner / norm if norm > corner else 0.0) * step - w
        w = w + step
        changed = steepest * float(np.linalg.norm(step))
        first = changed if first is None else first
        if changed <= allowed:
            break
        slope += H @ step
    return w, first or 0.0


def _least_norm(curvature: Array, slope: Array, corner: float) -> float:
    """The norm of the t that makes `t' diag(curvature) t / 2 - slope' t + corner ||t||` least: 0,
    or the root of `sum_i (slope_i / (curvature_i norm + corner))^2 = 1`."""
    length = float(np.linalg.norm(slope))
    if not length > corner:
        return 0.0
    norm = (length - corner) / float(curvature[-1])
    for _ in range(_MAX_ROOT_STEPS):
        reach = curvature * norm + corner
        squares = (slope / reach) ** 2
        value = float(squares.sum())
        # One over the root of the value is concave in the norm: from below, Newton's method goes
        # up.
        following = norm + (value**0.5 - 1) * value / float((squares * curvature / reach).sum())
        if not following > norm * (1 + 4e-16):
            break
        norm = following
    return norm
