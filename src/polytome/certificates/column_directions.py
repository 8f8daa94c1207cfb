"""Columns that tell a class from all others by themselves, as a 0/1 column does whose ones are in
one class only: found by comparing numbers, so that nothing is left to prove.

Where no row of class a lies below t in column j, and no other row above it, the direction in which
the coefficient of j for class a grows, and its intercept falls by t times as much, leaves the loss
of no row larger. Rows that do not lie at t itself are told apart for certain.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.recession_cone import Cone

Array = NDArray[Any]

__all__ = ["ColumnDirections", "column_directions"]


@dataclass(frozen=True, eq=False)
class ColumnDirections:
    """Directions of one column each.

    Attributes:
        total: their sum, fractions for raw columns, (n_used + 1, K); the first class has 0.
        spanning: those that do not depend on others, (n, n_used + 1, K).
        margins: what `total` makes of the differences, (n_rows, K): positive exactly where one of
            the directions is.
        free: of the unknowns, those that are left when each of `spanning` has set one of them to 0.
    """

    total: Array
    spanning: Array
    margins: Array
    free: Array


def column_directions(cone: Cone) -> ColumnDirections:
    """Those of a cone: two passes over the rows.

    Only where labels are hard, and where a column and a class leave no choice of t: else it is left
    to the linear programmes.
    """
    used, K = cone.shape
    free, total, spanning = np.ones((used, K - 1), dtype=bool), np.full((used, K), Fraction(0)), []
    found = _told_apart(cone) if not (cone.kinds == 2).any() else []
    margins, tells = _margins(cone, found)
    for each in (found[place] for place in np.flatnonzero(tells)):
        direction = _direction(cone, each)
        total += direction
        # Where the first class grows, all others fall, which fixes the coefficient of one of them.
        place = each.of_class - 1 if each.of_class else int(free[each.column].argmax())
        if free[each.column, place]:
            free[each.column, place] = False
            spanning.append(direction)
    return ColumnDirections(total, np.array(spanning, dtype=object).reshape(-1, used, K), margins, free.ravel())


@dataclass(frozen=True)
class _ToldApart:
    """A class whose rows do not lie below (sign 1) or above (-1) a value of a used column, which
    others do not exceed that way."""

    column: int
    of_class: int
    sign: int
    at: float


def _told_apart(cone: Cone) -> list[_ToldApart]:
    """Columns and classes that leave no choice of the value; the first class last."""
    K, d = cone.shape[1], cone.rows.n_features
    low, high = np.full((K, d), np.inf), np.full((K, d), -np.inf)
    is_asked: Array = np.asarray((cone.kinds > 0).any(axis=1))
    start = 0
    for block in cone.rows.blocks():
        place = slice(start, start + len(block.weight))
        start, X = place.stop, block.X
        for a in np.unique(cone.own[place][is_asked[place]]):
            some: Any = X[(cone.own[place] == a) & is_asked[place]]
            least, most = some.min(axis=0), some.max(axis=0)
            if cone.rows.is_sparse:
                least, most = least.toarray().ravel(), most.toarray().ravel()
            low[a], high[a] = np.minimum(low[a], least), np.maximum(high[a], most)
    low, high, found = low[:, cone.used], high[:, cone.used], []
    for a in (*range(1, K), *([0] if K > 2 else [])):
        others = np.arange(K) != a
        # The other way round it is the same question about negative numbers.
        for sign, own, most in ((1, low[a], high[others].max(axis=0)), (-1, -high[a], -low[others].min(axis=0))):
            value = most if cone.fit_intercept else np.zeros_like(most)
            is_told = (own == most) if cone.fit_intercept else (own >= 0) & (most <= 0)
            places = np.flatnonzero(is_told & np.isfinite(own))
            found += [_ToldApart(int(j), a, sign, float(sign * value[j]) + 0.0) for j in places]
    return found


def _margins(cone: Cone, found: list[_ToldApart]) -> tuple[Array, Array]:
    """What the directions together make of the differences, (n_rows, K), and which of them tell any
    row apart."""
    margins, tells, start = np.zeros(cone.kinds.shape), np.zeros(len(found), dtype=bool), 0
    columns = np.unique(cone.used[[each.column for each in found]])
    for block in cone.rows.blocks() if found else ():
        place = slice(start, start + len(block.weight))
        start, some = place.stop, block.X[:, columns]
        stored = some.toarray() if cone.rows.is_sparse else np.asarray(some)
        own, asked = cone.own[place], cone.kinds[place] == 1
        for k, each in enumerate(found):
            beyond = each.sign * (stored[:, np.searchsorted(columns, cone.used[each.column])] - each.at)
            margin, is_own = np.zeros(asked.shape), own == each.of_class
            margin[is_own] = beyond[is_own, None]
            margin[~is_own, each.of_class] = -beyond[~is_own]
            margin[~asked] = 0.0
            margins[place] += margin
            tells[k] |= bool(margin.any())
    return margins, tells


def _direction(cone: Cone, each: _ToldApart) -> Array:
    """Fractions, (n_used + 1, K); the first class has 0."""
    direction = np.full(cone.shape, Fraction(0))
    classes, way = (each.of_class, each.sign) if each.of_class else (slice(1, None), -each.sign)
    direction[each.column, classes] = Fraction(way)
    if cone.fit_intercept:
        direction[-1, classes] = -way * Fraction(each.at)
    return direction
