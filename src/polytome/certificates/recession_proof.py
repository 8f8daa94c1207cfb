"""Directions in which no loss rises, proved in whole numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from polytome.certificates.column_directions import ColumnDirections
from polytome.certificates.recession_cone import Cone, UndecidedError
from polytome.numerics.exact_rows import exact_null_space, has_independent_columns, whole_multiples, whole_numbers

Array = NDArray[Any]

__all__ = ["exact_directions"]

_DEPENDENT = 1e-12
"""What is left of a constraint of length 1 that depends on others."""
_AT_ONCE = 4096
_MOST_EXACT_UNKNOWNS = 120
_MOST_EXACT_PRODUCTS = 2**25
_MAX_FACTOR = 2.0**500


def exact_directions(
    cone: Cone, columns: ColumnDirections, W: Array, positive: Array, n_found: int
) -> tuple[Array, Array] | None:
    """A direction that makes all of these differences positive and the others exactly zero, in
    whole numbers, (n_used + 1, K); and what all directions are sums of: (n, n_used + 1, K).

    None where a difference is not what it should be.

    Raises:
        UndecidedError: to compute that without rounding takes too long.

    Args:
        cone: of all unknowns and constraints.
        columns: directions of one column each.
        W: the sum of others that were found, for scaled columns; 0 for unknowns that are not free.
        positive: the differences that one of all these makes positive.
        n_found: how many W is the sum of; each makes differences positive that no earlier one does.
    """
    zero, free = (cone.kinds > 0) & ~positive, columns.free
    solutions: list[list[Fraction]] = []
    total = np.full(cone.n_unknowns, Fraction(0))
    raw = cone.to_raw(W)[:, 1:].ravel()
    if not zero.any():
        total[:] = [Fraction(float(each)) for each in raw / max(np.abs(raw).max(), 1e-300)]
    else:
        places, solutions = _null_space(cone, zero, free, n_found)
        if n_found and not places:
            return None
        shares = raw[free][places]
        shares = shares / np.abs(shares).max(initial=1e-300)
        for share, solution in zip(shares, solutions, strict=True):
            total[free] += Fraction(float(share)) * np.array(solution, dtype=object)
    factor = _factor(cone, columns, total)
    if factor is None:
        return None
    with_columns = _of_classes(cone, total) + factor * columns.total
    direction = _whole(with_columns[None])[0]
    if zero.any():
        others = np.zeros((len(solutions), cone.n_unknowns), dtype=object)
        for other, solution in zip(others, solutions, strict=True):
            other[free] = solution
        found = _whole(np.array([_of_classes(cone, other) for other in others], dtype=object).reshape(-1, *cone.shape))
        # What one column does was seen by comparing numbers.
        if not _exact_differences(cone, found, zero, "zero"):
            return None
        spanning = np.concatenate([_whole(columns.spanning), found])
    else:
        spanning = np.array([_of_classes(cone, each) for each in np.eye(cone.n_unknowns, dtype=np.int64)], dtype=object)
    return (direction, spanning) if _exact_differences(cone, direction[None], positive, "positive") else None


def _of_classes(cone: Cone, unknowns: Array) -> Array:
    """Unknowns as (n_used + 1, K); the first class has 0."""
    found = np.zeros(cone.shape, dtype=object)
    found[:, 1:] = unknowns.reshape(cone.shape[0], -1)
    return found


def _whole(directions: Array) -> Array:
    """The same directions in whole numbers."""
    whole = np.empty(directions.shape, dtype=object)
    for place, direction in enumerate(directions):
        numbers = whole_multiples([Fraction(each) for each in direction.flat])
        whole[place] = np.array(numbers, dtype=object).reshape(direction.shape)
    return whole


def _factor(cone: Cone, columns: ColumnDirections, total: Array) -> int | None:
    """How much of the directions of one column outweighs what another one takes where they give."""
    if not columns.margins.any():
        return 0
    if not total.any():
        return 1
    raw = _of_classes(cone, total).astype(np.float64)
    lost = -cone.differences(cone.from_raw(raw))
    where = columns.margins > 0
    with np.errstate(over="ignore"):
        most = 2 * float((np.maximum(lost[where], 0) / columns.margins[where]).max()) + 1
    return int(np.ceil(most)) if most < _MAX_FACTOR else None


def _null_space(cone: Cone, zero: Array, free: Array, n_found: int) -> tuple[list[int], list[list[Fraction]]]:
    """The directions among free unknowns that leave these differences zero, as from
    `exact_null_space`."""
    n_free = int(free.sum())
    independent = _independent_constraints(cone, zero, free, n_free - n_found)
    if has_independent_columns(independent):
        return [], []
    if n_free > _MOST_EXACT_UNKNOWNS:
        raise UndecidedError(
            f"in float64 a direction separates them in part, and beside rows that overlap at most "
            f"{_MOST_EXACT_UNKNOWNS} unknowns are computed without rounding, not {n_free}"
        )
    return exact_null_space(independent)


def _independent_constraints(cone: Cone, zero: Array, free: Array, most: int) -> Array:
    """Constraints on free unknowns that all others of these depend on, up to rounding: `most` at
    most; whole numbers, (rank, n_free)."""
    K = cone.shape[1]
    scale = cone.rows.columns.scale[cone.used]
    scale = np.repeat(np.append(scale, 1.0) if cone.fit_intercept else scale, K - 1)[free]
    basis, kept = np.zeros((0, len(scale))), np.zeros((0, len(scale)))
    for part, X in cone.raw_pieces(zero):
        places = np.argwhere(zero[part])
        for start in range(0, len(places) if len(kept) < most else 0, _AT_ONCE):
            rows, other = places[start : start + _AT_ONCE].T
            raw = cone.constraints(X[rows], cone.own[part[rows]], other)[:, free]
            scaled = raw * scale
            norms = np.linalg.norm(scaled, axis=1)
            raw, scaled = raw[norms > 0], scaled[norms > 0] / norms[norms > 0, None]
            # What is left of each beside those that are kept; twice, for its digits.
            rest = scaled - (scaled @ basis.T) @ basis
            rest -= (rest @ basis.T) @ basis
            fresh = np.flatnonzero(np.linalg.norm(rest, axis=1) > _DEPENDENT)
            if len(fresh):
                Q, R, order = qr(rest[fresh].T, mode="economic", pivoting=True)
                rank = int((np.abs(np.diag(R)) > _DEPENDENT).sum())
                basis, kept = np.vstack([basis, Q.T[:rank]]), np.vstack([kept, raw[fresh[order[:rank]]]])
    return np.array([whole_numbers(row)[0] for row in kept], dtype=object).reshape(len(kept), len(scale))


def _exact_differences(cone: Cone, directions: Array, which: Array, what: str) -> bool:
    """Whether these differences are exactly zero, or positive, for all of the directions."""
    n_products = 0
    for part, X in cone.raw_pieces(which) if len(directions) else ():
        chosen = which[part]
        for own in np.unique(cone.own[part]):
            of_class = cone.own[part] == own
            for k in np.flatnonzero(chosen[of_class].any(axis=0)):
                difference = directions[:, :, own] - directions[:, :, k]
                places = np.flatnonzero((difference != 0).any(axis=0))
                if not len(places):
                    if what == "positive":
                        return False
                    continue
                some = np.unique(X[of_class][chosen[of_class][:, k]][:, places], axis=0)
                n_products += some.size * len(directions)
                if n_products > _MOST_EXACT_PRODUCTS:
                    raise UndecidedError(
                        "in float64 a direction separates them, and to show it without rounding takes more than "
                        f"{_MOST_EXACT_PRODUCTS:,} products"
                    )
                values = whole_numbers(some)[0] @ difference[:, places].T
                if not all(value == 0 if what == "zero" else value > 0 for value in values.flat):
                    return False
    return True
