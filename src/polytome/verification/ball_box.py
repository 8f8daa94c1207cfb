"""Bounds on coefficients, in ball arithmetic: what a gradient can gain within them, and which
coefficients they and a penalty keep at 0.

A coefficient W gains from a slope g at most the largest value, within its bounds, of

    -g W - c |W| - a / 2 W^2        c = strength a' w_j d_j,   a = strength r_j

with a' the share of absolute values and r_j as in `polytome.verification.balls`. It is concave on
each side of 0, and so below its tangent at any point that is tried, less `a / 2` times the square
of the distance. Where a bound is infinite and there are no squares, only coefficients whose
absolute values cost no more than a known value of P matter, as there.

Reference: Boyd and Vandenberghe, Convex Optimization, 2004, section 3.1.3 (the first-order
condition).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from flint import arb
from numpy.typing import NDArray

from polytome.verification.exact_data import Ball, ExactData

__all__ = ["gains_in_box", "zeros_in_box"]

_INFINITE = arb("inf")


def gains_in_box(problem: ExactData, G: list[list[Ball]], reached: Ball) -> Ball:
    """No less than what all coefficients together can gain from a gradient.

    Args:
        problem: with bounds.
        G: the gradient, row by row.
        reached: a value that P has somewhere.
    """
    found = _INFINITE
    for uses_size in (False, True):
        total, steepest = arb(0), arb(0)
        for slopes, a, c, size, low, high in _columns(problem, G):
            for g in slopes:
                sides = []
                if high >= 0:
                    sides.append((-g - c, max(low, arb(0)), high))
                if low <= 0:
                    sides.append((g - c, max(-high, arb(0)), -low))
                gains = []
                for slope, near, far in sides:
                    is_open = not far.is_finite()
                    if is_open and size > 0 and not slope < 0 and (uses_size or not a > 0):
                        steepest = max(steepest, (slope / size).upper())
                        gains.append(arb(0))
                    else:
                        gains.append(_most(slope, a, near, far))
                total += max(gains, key=lambda ball: ball.upper()).upper()
        by_size = (steepest * reached).upper() if steepest > 0 else arb(0)
        found = min(found, (total + by_size).upper())
    return found


def zeros_in_box(problem: ExactData, G: list[list[Ball]], away: list[Ball]) -> NDArray[np.bool_]:
    """Which coefficients are 0 wherever P is least, (d, m): those that lose by every change that
    their bounds allow, at all gradients that are no farther from G.

    Args:
        problem: with bounds.
        G: a gradient, row by row.
        away: how far from it that at the minimum may be, one number for each column.
    """
    found = np.zeros((len(G), problem.n_outputs), dtype=bool)
    for j, (slopes, _, c, _, low, high) in enumerate(_columns(problem, G)):
        for k, g in enumerate(slopes):
            may_grow = high > 0 and not g - away[j] + c > 0
            may_fall = low < 0 and not g + away[j] - c < 0
            found[j, k] = low <= 0 and high >= 0 and not may_grow and not may_fall
    return found


def _columns(problem: ExactData, G: list[list[Ball]]) -> Iterator[tuple[list[Ball], Ball, Ball, Ball, Ball, Ball]]:
    """Of each column its slopes, the square's factor, the absolute value's, what that is of the
    size that P bounds, and its bounds; of one that is left alone a gain of nothing."""
    assert problem.bounds is not None
    strength, ratio, free = problem.strength, arb(float(problem.l1_ratio)), set(problem.free)
    for j, (row, size, ridge, (low, high)) in enumerate(
        zip(G, problem.sizes, problem.ridges, problem.bounds, strict=True)
    ):
        if j in free:
            yield [], arb(0), arb(0), arb(0), arb(low), arb(high)
            continue
        corner = strength * ratio * size
        yield row, strength * ridge, corner, corner, arb(low), arb(high)


def _most(slope: Ball, a: Ball, near: Ball, far: Ball) -> Ball:
    """No less than `slope w - a / 2 w^2` from a number of 0 or more to a larger one, or to
    infinity."""
    tried = near
    if a > 0:
        tried = (slope / a).mid()
        tried = near if tried < near else far if tried > far else tried
    elif far.is_finite() and slope > 0:
        tried = far
    left = slope - a * tried
    rise = arb(0)
    if not left <= 0:
        farther = left.upper() * (far - tried) if far.is_finite() else _INFINITE
        rise = max(rise, farther, key=lambda ball: ball.upper())
    if not left >= 0:
        rise = max(rise, (-left).upper() * (tried - near), key=lambda ball: ball.upper())
    if a > 0:
        rise = min(rise.upper(), (left * left / (2 * a)).upper())
    return (slope * tried - a / 2 * tried * tried + rise).upper()
