"""The largest of some values, in an order that is the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["largest"]

_EQUAL = 1e-9
"""Values this close, as a share of the larger one, may differ by rounding alone."""
_NOTHING = 1e-12
"""Values below this share of the largest may be rounding errors of zero."""


def largest(values: ArrayLike, most: int | None = None, names: Sequence[Any] | None = None) -> NDArray[np.intp]:
    """Positions of the largest values, the largest first; values that are equal up to rounding are
    ordered by name.

    Two processors, or two versions of a library, add in different orders, so numbers that are equal
    in exact arithmetic differ in their last digits. So neighbours in the order whose difference may
    be rounding count as equal, and, to keep the order consistent, so do all values connected by
    such neighbours.

    Args:
        values: sizes, shares or other numbers from 0 to infinity, shape (n,); what is not a number
            comes last.
        most: the most positions; None for all.
        names: n names, or other values that can be compared; None to use the positions.

    Example:
        >>> largest([0.1 + 0.2, 0.5, 0.3, 0.1], most=3, names=["pear", "fig", "apple", "date"])
        array([1, 2, 0])
    """
    sizes = np.asarray(values, dtype=np.float64)
    sizes = np.where(np.isnan(sizes), -1.0, sizes)
    order: NDArray[np.intp] = np.argsort(-sizes, kind="stable")
    most = len(order) if most is None else min(most, len(order))
    if most == 0:
        return order[:0]
    ranked = sizes[order]
    nothing = _NOTHING * np.max(ranked, where=np.isfinite(ranked), initial=0.0)
    before, after = ranked[:-1], ranked[1:]
    apart = (after < before * (1 - _EQUAL)) & (before > nothing) | (after < 0) & (before >= 0)
    group = np.concatenate([[0], np.cumsum(apart)])
    drawn = np.searchsorted(group, group[most - 1], side="right")  # any that ties with the last one may take its place
    name: Sequence[Any] = range(len(order)) if names is None else names
    by_name = sorted(range(drawn), key=lambda place: (group[place], name[int(order[place])], order[place]))
    return order[by_name[:most]]
