"""Coordinate descent on a quadratic model with absolute values, whose Gram matrix is at hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.native.stored_rows import _passes

Array = NDArray[Any]

__all__ = ["descend"]


def descend(
    compiled: bool, H: Array, corner: Array, gradient: Array, coefficients: Array, sweeps: int, tolerance: float
) -> int:
    """Minimise `g' d + d' H d / 2 + sum_a corner_a |w_a + d_a|`, one coordinate after the other,
    and change the coefficients w to `w + d`, the gradient g to `g + H d`.

    Compiled code makes the same roundings, so the bits are the same.

    Args:
        compiled: whether compiled code does it.
        H: symmetric, with rows side by side, float64.
        corner: not negative, float64.
        gradient: changed in place, float64.
        coefficients: changed in place, float64.
        sweeps: how many, at most, from one on.
        tolerance: they end when no step of the last one changed its own slope by more than that
            part of its corner.

    Returns:
        How many sweeps were made.

    Reference: Friedman, Hastie and Tibshirani, Regularization paths for generalized linear models
    via coordinate descent, Journal of Statistical Software 33, 2010, section 2.2.

    Example:
        >>> w, g = np.zeros(2), np.array([-3.0, 0.5])
        >>> descend(False, np.eye(2), np.ones(2), g, w, 5, 1e-9), w, g
        (2, array([2., 0.]), array([-1. ,  0.5]))
    """
    if compiled and _passes is not None:
        return int(_passes.gram_descent(H, corner, gradient, coefficients, sweeps, tolerance))
    diagonal = np.diagonal(H).tolist()
    for sweep in range(1, sweeps + 1):
        is_least = True
        for a, (curvature, l1) in enumerate(zip(diagonal, corner.tolist(), strict=True)):
            if not curvature > 0:
                continue
            before = float(coefficients[a])
            best, threshold = before - float(gradient[a]) / curvature, l1 / curvature
            now = best - threshold if best > threshold else best + threshold if best < -threshold else 0.0
            step = now - before
            if step == 0:
                continue
            coefficients[a] = now
            gradient += step * H[a]
            is_least &= curvature * abs(step) <= tolerance * l1
        if is_least:
            return sweep
    return sweeps
