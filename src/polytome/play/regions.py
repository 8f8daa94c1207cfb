"""How a linear model divides the plane: the exact region of each class, and lines of equal
probability.

A class wins where its score is the largest, or, with one output, where the score is above a
threshold. Scores are linear in the features, so every region is a convex polygon: the window, cut
by one line for each rival.

Reference:
    Sutherland and Hodgman, "Reentrant polygon clipping", Communications of the ACM 17, 1974.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["class_regions", "level_line"]

Window = tuple[float, float, float, float]
"""Left, right, bottom, top."""


def class_regions(coefficients: Array, window: Window, threshold: float = 0.0) -> list[Array]:
    """The part of a window that a linear model gives to each class.

    Args:
        coefficients: shape (3, n_outputs): the weights of two features, and the intercepts.
        window: left, right, bottom, top.
        threshold: the score above which one output says 1.

    Returns:
        The corners of each class's polygon, shape (m, 2); m is 0 for a class that wins nowhere in
        the window.

    Example:
        >>> zeros, ones = class_regions(np.array([[1.0], [0.0], [0.0]]), (-1, 1, 0, 1))
        >>> zeros.tolist()
        [[-1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [-1.0, 1.0]]
    """
    left, right, bottom, top = window
    whole = np.array([[left, bottom], [right, bottom], [right, top], [left, top]], dtype=np.float64)
    n_outputs = coefficients.shape[1]
    if not np.isfinite(coefficients).all():
        return [np.empty((0, 2))] * max(n_outputs, 2)
    if n_outputs == 1:
        shifted = coefficients[:, 0] - [0.0, 0.0, threshold]
        return [_cut(whole, -shifted, ties=True), _cut(whole, shifted, ties=False)]
    regions = []
    for k in range(n_outputs):
        region = whole
        for rival in range(n_outputs):
            if rival != k:
                region = _cut(region, coefficients[:, k] - coefficients[:, rival], ties=k < rival)
        regions.append(region)
    return regions


def level_line(coefficients: Array, window: Window, level: float) -> Array:
    """The line on which the score of one output has a certain value, within a window.

    Args:
        coefficients: shape (3, 1).
        window: left, right, bottom, top.
        level: the score.

    Returns:
        Its two ends, shape (2, 2), or nothing, shape (0, 2), where it does not cross the window.

    Example:
        >>> level_line(np.array([[0.0], [2.0], [0.0]]), (-1, 1, 0, 1), 1.0).tolist()
        [[-1.0, 0.5], [1.0, 0.5]]
    """
    above = class_regions(coefficients, window, level)[1]
    if not len(above):
        return above
    distances = np.abs(above @ coefficients[:2, 0] + coefficients[2, 0] - level)
    following = np.roll(above, -1, axis=0)
    both = distances + np.roll(distances, -1)
    edge = int(both.argmin())
    on_line = both[edge] <= 1e-9 * (1 + np.abs(coefficients).sum() * (1 + np.abs(above).max()))
    return np.array([above[edge], following[edge]]) if on_line else np.empty((0, 2))


def _cut(polygon: Array, line: Array, *, ties: bool) -> Array:
    """The part of a convex polygon where `line[0] x + line[1] y + line[2] >= 0`; if that is 0
    everywhere, all of it if ties count."""
    if not len(polygon) or not (line.any() or ties):
        return polygon[:0]
    with np.errstate(over="ignore", invalid="ignore"):
        side = polygon @ line[:2] + line[2]
        if not np.isfinite(side).all():
            return np.empty((0, 2))
        corners = []
        following = [*range(1, len(polygon)), 0]  # np.roll takes as long as the rest of this
        for here, there, at, to in zip(polygon, polygon[following], side, side[following], strict=True):
            if at >= 0:
                corners.append(here)
            if (at >= 0) != (to >= 0):
                corners.append(here + (there - here) * (at / (at - to)))
    return np.array(corners).reshape(-1, 2)
