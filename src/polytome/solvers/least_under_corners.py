"""Where a quadratic model is least under absolute values or norms of groups: sweeps of coordinate
descent find which coefficients stay 0, and a factor of the others' Hessian how large those are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from polytome import native

Array = NDArray[Any]

__all__ = ["FLAT", "excess", "least_with_corners", "least_with_norms"]

_ROUNDS, _SWEEPS = 60, 30  # of the model: sweeps, and then a step of all coefficients that are not 0
_GROUP_SWEEPS = 20  # over groups, before such a step
_MAX_HALVINGS = 30
FLAT = 1e-13
"""Of the largest eigenvalue, or of the diagonal: rounding."""


def least_with_corners(
    H: Array, gradient: Array, start: Array, corner: Array, accuracy: float, box: native.Box
) -> Array:
    """Where `g' (w - start) + (w - start)' H (w - start) / 2 + sum corner |w|` is least within a
    box: there no slope exceeds what it may be by more than this part of its scale."""
    w, g = start.copy(), gradient.copy()
    if not len(w):
        return w
    for _ in range(_ROUNDS):
        native.gram_descent(H, corner, g, w, _SWEEPS, accuracy / 4, box)
        if excess(g, w, corner, box).max() <= accuracy:
            break
        _go_on_support(H, g, w, corner, box)
        if excess(g, w, corner, box).max() <= accuracy:
            break
    return w


def excess(g: Array, w: Array, corner: Array, box: native.Box) -> Array:
    """How far each slope is from what its corner and its bounds allow, as a part of its scale."""
    at_zero = w == 0
    kink = corner * np.sign(w)
    down = np.where(w > box.lower, np.where(at_zero, g - corner, g + kink), -np.inf)
    up = np.where(w < box.upper, np.where(at_zero, -g - corner, -(g + kink)), -np.inf)
    return np.asarray(np.maximum(down, up) / box.scale)


def _go_on_support(H: Array, g: Array, w: Array, corner: Array, box: native.Box) -> None:
    """A step of the coefficients that are neither at a corner nor at a bound to where the model is
    least for their signs; those that would pass one stay there, or if that is no descent, the step
    ends at the first; in place."""
    support = np.flatnonzero(((w != 0) | (corner == 0)) & (w > box.lower) & (w < box.upper))
    if not len(support):
        return
    sign = np.sign(w[support])
    own = H[np.ix_(support, support)]
    diagonal = np.diag_indices_from(own)
    own[diagonal] += FLAT * own[diagonal].max()
    factor, failed = lapack.dpotrf(own, lower=True, overwrite_a=True)
    if failed:
        return
    slope = g[support] + corner[support] * sign
    step, _ = lapack.dpotrs(factor, -slope, lower=True)
    # Along the step the model is a parabola up to the first corner or bound.
    lower, upper = box.lower[support], box.upper[support]
    stops = np.where(step > 0, upper, lower)
    stops = np.where((step * sign < 0) & (corner[support] > 0), np.clip(0.0, lower, upper), stops)
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.where(step != 0, (stops - w[support]) / step, np.inf)
    for change, stopped in (
        (np.where(ends <= 1, stops - w[support], step), ends <= 1),
        (step * min(1.0, float(ends.min())), ends <= min(1.0, float(ends.min()))),
    ):
        moved = H[:, support] @ change
        if np.isfinite(change).all() and float(slope @ change) + 0.5 * float(change @ moved[support]) < 0:
            w[support] = np.clip(w[support] + change, lower, upper)
            w[support[stopped]] = stops[stopped]
            g += moved
            return


Corners = tuple[Array, Array]
"""What each group's norm is multiplied by, and what its absolute values are; (n_groups,) both."""


def least_with_norms(
    H: Array, gradient: Array, start: Array, groups: native.Groups, corners: Corners, accuracy: float
) -> Array:
    """The same with the sum of `corner ||w_g||` over groups in the place of absolute values, or
    beside them."""
    w, g = start.copy(), gradient.copy()
    if not len(w):
        return w
    for _ in range(_ROUNDS):
        native.group_descent(H, groups, *corners, g, w, _GROUP_SWEEPS, accuracy / 4)
        if _excess_of_norms(g, w, groups, corners) <= accuracy:
            break
        _go_on_groups(H, g, w, groups, corners)
        if _excess_of_norms(g, w, groups, corners) <= accuracy:
            break
    return w


def _norms(values: Array, groups: native.Groups) -> Array:
    return np.asarray(np.sqrt(np.add.reduceat(values * values, groups.starts[:-1])))


def _excess_of_norms(g: Array, w: Array, groups: native.Groups, corners: Corners) -> float:
    """How far a slope's norm is from what its corners allow, at most, as a part of these."""
    corner, absolute = corners
    sizes, counts = _norms(w, groups), np.diff(groups.starts)
    towards = np.divide(corner, sizes, out=np.zeros_like(sizes), where=sizes > 0)
    slope, of_each = g + np.repeat(towards, counts) * w, np.repeat(absolute, counts)
    slope = np.where(w == 0, slope - np.clip(slope, -of_each, of_each), slope + of_each * np.sign(w))
    left = _norms(slope, groups)
    return float((np.where(sizes == 0, left - corner, left) / (corner + absolute)).max())


def _go_on_groups(H: Array, g: Array, w: Array, groups: native.Groups, corners: Corners) -> None:
    """A step of Newton's method of the groups that are not 0, whose norms are smooth, or as long a
    part of it as is descent; in place.

    Beside absolute values of the coefficients that are not 0, with their signs; those that would
    pass 0 stay there.
    """
    sizes, counts = _norms(w, groups), np.diff(groups.starts)
    moves = np.repeat(sizes > 0, counts) & ((w != 0) | np.repeat(corners[1] == 0, counts))
    support = np.flatnonzero(moves)
    if not len(support):
        return
    counts = np.add.reduceat(moves.astype(np.int64), groups.starts[:-1])
    is_active = counts > 0
    counts, sizes, corner, absolute = (each[is_active] for each in (counts, sizes, *corners))
    inside, own_w, of_each = np.append(0, np.cumsum(counts)), w[support], np.repeat(absolute, counts)
    own = H.copy() if len(support) == len(w) else H[np.ix_(support, support)]
    diagonal = own.reshape(-1)[:: len(own) + 1]
    diagonal += FLAT * diagonal.max() + np.repeat(corner / sizes, counts)
    along, parts = own_w / np.repeat(sizes, counts), corner / sizes
    for first, end, part in zip(inside.tolist(), inside[1:].tolist(), parts.tolist(), strict=False):
        unit = along[first:end]
        own[first:end, first:end] -= part * unit[:, None] * unit
    # Seen from the side a symmetric matrix is in the order of LAPACK, and is not copied.
    factor, failed = lapack.dpotrf(own.T, lower=True, clean=False, overwrite_a=True)
    if failed:
        return
    signs = of_each * np.sign(own_w)
    slope = g[support] + np.repeat(corner / sizes, counts) * own_w + signs
    step, _ = lapack.dpotrs(factor, -slope, lower=True)
    whole = np.zeros_like(w)
    for _ in range(_MAX_HALVINGS):
        trial, way = own_w + step, step
        passing = (trial * own_w < 0) & (of_each > 0)
        if passing.any():
            trial[passing] = 0.0
            way = trial - own_w
        whole[support] = way
        moved = H @ whole
        norms = np.sqrt(np.add.reduceat(trial * trial, inside[:-1]))
        change = float((g[support] + signs) @ way) + 0.5 * float(way @ moved[support])
        change += float((corner * (norms - sizes)).sum())
        if np.isfinite(change) and change < 0:
            w[support] = trial
            g += moved
            return
        step = step / 2
