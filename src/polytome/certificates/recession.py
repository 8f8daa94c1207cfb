"""Whether coefficients without a penalty have an optimum: directions in which no row's loss rises.

A direction V of the coefficients leaves the loss of no row larger, however far one goes, where it
puts no other class above the row's own:

    x_i (v_{y_i} - v_k) >= 0    for all rows i and classes k.

These directions are a cone. Where it holds nothing but directions that change no score, the optimum
exists. Else the classes are separated: completely where some direction makes all of these
differences positive, in part ("quasi-completely") where it makes some of them positive, and the
others are zero for all directions of the cone. The loss then falls for ever along such a direction,
and coefficients that it changes have no finite estimate.

What one column does is seen by comparing its numbers. That nothing else separates is shown by the
residuals of a fit, where there was one, and that all rows are separated by its coefficients, which
are then such a direction. What is left is asked of linear programmes: the largest sum of
differences, for coefficients within [-1, 1]. Rows are brought in as they are needed: a few hundred
of them often show that there is no such direction. What is found is proved without rounding: a
direction is made to have differences that are exactly zero where they must be, in whole numbers,
and each of the others is shown to be positive.

References: Albert and Anderson, On the existence of maximum likelihood estimates in logistic
regression models, Biometrika 71, 1984; Konis, Linear programming algorithms for detecting separated
data in binary logistic regression models, thesis, University of Oxford, 2007.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from polytome.certificates.column_directions import column_directions
from polytome.certificates.recession_cone import POSITIVE, Cone, UndecidedError
from polytome.certificates.recession_proof import exact_directions
from polytome.rows import StreamedRows
from polytome.rows.blocks import Storage
from polytome.threads import one_blas_thread

Array = NDArray[Any]

__all__ = ["ANY_SIGN", "Recession", "recession_of"]

ANY_SIGN = 2
"""For a coefficient that some directions of the cone raise and others lower, or of which that is
not known, as there are too many to ask for each."""

_MOST_SIGN_UNKNOWNS = 3000
"""Signs that are asked for, each by two linear programmes, times unknowns; beyond, none is
claimed."""


@dataclass(frozen=True, eq=False)
class Recession:
    """A direction without end, proved.

    Attributes:
        direction: whole numbers for raw columns, intercept last, (n_features + 1, K); the first
            class has 0.
        spanning: whole numbers, directions of which all are sums: of the used columns, and of the
            intercept where there is one, (n, n_used + 1, K).
        separated: numbers of the rows whose own class it puts strictly above some other.
        is_complete: whether it puts each row of positive weight strictly above every other class.
        signs: of what coefficients of class `a` less those of class `b` do along all directions,
            (n_features, K, K): 1 grows without bound, -1 falls, `ANY_SIGN` either, 0 has a
            finite estimate.
    """

    direction: Array
    spanning: Array
    separated: Array
    is_complete: bool
    signs: Array


def recession_of(
    rows: Storage | StreamedRows,
    target: Array,
    used: Array,
    fit_intercept: bool,
    scores: Array | None = None,
    coefficients: Array | None = None,
) -> Recession | None:
    """What separates the classes; None where nothing does.

    Args:
        rows: with their weights; rows of weight 0 do not count. Those of a stream are read again
            for each linear programme.
        target: the class of each row, whole numbers from 0, or (n_rows, K) probabilities; -1 for a
            row that takes no part.
        used: columns without penalty, none of which depends on the others and the intercept.
        fit_intercept: whether there is an intercept.
        scores: of a fit, (n_rows, K), where there was one: they may save the linear programmes.
        coefficients: of that fit, for raw columns, (n_features + 1, K): they may save them, too.

    Raises:
        UndecidedError: neither was shown.

    Example:
        >>> from polytome.rows import as_rows
        >>> X, y = np.array([[0.0], [0.0], [1.0]]), np.array([0, 1, 1])  # whoever has a one is of class 1
        >>> found = recession_of(as_rows(X, y), y, np.array([0]), True)
        >>> found.is_complete, int(found.signs[0, 1, 0]), found.direction[:, 1].tolist()
        (False, 1, [1, 0])
    """
    cone = Cone.of(rows, target, used, fit_intercept)
    if cone is None:
        return None
    with one_blas_thread():
        columns = column_directions(cone)
        of_columns = columns.margins > 0
        basis = None if columns.free.all() else np.eye(cone.n_unknowns)[:, columns.free]
        # Enough of the directions of one column outweighs whatever happens in their rows.
        guess = None
        if coefficients is not None and np.isfinite(coefficients).all():
            guess = cone.from_raw(cone.kept(coefficients.T).T)
        W, others, n_found = _found(cone.within(np.where(of_columns, 0, cone.kinds), basis), scores, guess)
        positive = of_columns | others
        exact = exact_directions(cone, columns, W, positive, n_found) if positive.any() else None
        if exact is None:
            return None
        zero = (cone.kinds > 0) & ~positive
        return Recession(
            direction=cone.spread(exact[0]),
            spanning=exact[1],
            separated=np.flatnonzero(positive.any(axis=1)),
            is_complete=not zero.any(),
            signs=_signs(cone, exact[1], positive),
        )


def _found(cone: Cone, scores: Array | None, guess: Array | None) -> tuple[Array, Array, int]:
    """The sum of directions, each of which makes differences positive that no earlier one does,
    these differences, and the number of directions. A guess that makes all differences positive is
    such a direction."""
    W, n_found, positive = np.zeros(cone.shape), 0, np.zeros(cone.kinds.shape, dtype=bool)
    asked = cone.kinds == 1
    if not cone.size or not asked.any() or (scores is not None and cone.overlaps_at(scores)):
        return W, positive, 0
    guess = None if guess is None else cone.scaled_direction(guess)
    if guess is not None and not (cone.kinds == 2).any() and (cone.differences(guess)[asked] > POSITIVE).all():
        return guess, asked, 1
    while True:
        # Each turn asks for differences that no direction so far makes positive.
        found = cone.best(cone.sum_of(asked & ~positive))
        if found is None:
            raise UndecidedError("a linear programme had no answer")
        more = (cone.differences(found) > POSITIVE) & asked & ~positive
        if not more.any():
            return W, positive, n_found
        W, n_found, positive = W + found, n_found + 1, positive | more


def _signs(cone: Cone, spanning: Array, positive: Array) -> Array:
    """What each difference of coefficients does; `spanning` are directions of which all are sums,
    (n, n_used + 1, K)."""
    n_used, K = len(cone.used), cone.shape[1]
    coefficients = spanning[:, :n_used]
    may_move = (coefficients[:, :, :, None] != coefficients[:, :, None, :]).any(axis=0)
    signs = np.where(may_move, ANY_SIGN, 0).astype(np.int8)  # where nobody asks, or no answer is found
    asked = [(j, a, b) for j, a, b in np.argwhere(may_move) if a > b]
    if ((cone.kinds > 0) & ~positive).any():
        cone = cone.within(np.where(positive, cone.kinds, 0), _basis(cone, spanning))
    for j, a, b in asked if len(asked) * cone.size <= _MOST_SIGN_UNKNOWNS else ():
        wanted = np.zeros(cone.shape)
        wanted[j, a], wanted[j, b] = 1.0, -1.0
        most, least = cone.best(wanted), cone.best(-wanted)
        if most is not None and least is not None:
            rises, falls = (wanted * most).sum() > POSITIVE, (wanted * least).sum() < -POSITIVE
            sign = ANY_SIGN if rises == falls else 1 if rises else -1
            signs[j, a, b], signs[j, b, a] = sign, ANY_SIGN if sign == ANY_SIGN else -sign
    whole = np.zeros((cone.rows.n_features, K, K), dtype=np.int8)
    whole[cone.used] = signs
    return whole


def _basis(cone: Cone, spanning: Array) -> Array:
    """Orthonormal unknowns, for scaled columns, of which these directions are sums."""
    vectors = []
    for direction in spanning:
        most = max(abs(each) for each in direction.flat)
        scaled = cone.from_raw(np.array([[each / most for each in row] for row in direction]))
        vectors.append(scaled[:, 1:].ravel() / np.abs(scaled).max())
    Q: Array = qr(np.array(vectors).T, mode="economic")[0]
    return Q
