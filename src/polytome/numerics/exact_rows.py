"""Linear algebra of float64 numbers without any rounding: every float is a whole number times a
power of two.

Reference: Bareiss, Sylvester's identity and multistep integer-preserving Gaussian elimination,
Mathematics of Computation 22, 1968.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["exact_null_space", "has_independent_columns", "whole_multiples", "whole_numbers"]

_MANTISSA = 53
_PRIME = 2**31 - 1


def whole_numbers(values: Array) -> tuple[Array, int]:
    """Finite float64 numbers as whole numbers of Python, and the power of two that was multiplied
    by.

    Example:
        >>> whole_numbers(np.array([0.5, -3.0]))
        (array([1, -6], dtype=object), 1)
    """
    mantissa, exponent = np.frexp(np.asarray(values, dtype=np.float64))
    whole = (mantissa * 2.0**_MANTISSA).astype(np.int64)
    exponent = np.where(whole == 0, 0, exponent - _MANTISSA)
    # Zeros at the end of each number say nothing of how fine the finest is.
    zeros = np.where(whole == 0, 0, _trailing_zeros(whole))
    whole, exponent = whole >> zeros, exponent + zeros
    power = max(0, -int(exponent.min(initial=0)))
    shifted = [int(number) << int(place) for number, place in zip(whole.flat, (exponent + power).flat, strict=True)]
    result = np.empty(whole.size, dtype=object)
    result[:] = shifted
    return result.reshape(whole.shape), power


def _trailing_zeros(whole: Array) -> Array:
    lowest = np.where(whole == 0, 1, whole & -whole)
    return (np.frexp(lowest.astype(np.float64))[1] - 1).astype(np.int64)


def whole_multiples(fractions: list[Fraction]) -> list[int]:
    """The same direction in whole numbers.

    Example:
        >>> whole_multiples([Fraction(1, 2), Fraction(-1, 3)])
        [3, -2]
    """
    common = lcm(*(each.denominator for each in fractions)) if fractions else 1
    return [int(each * common) for each in fractions]


def exact_null_space(matrix: Array) -> tuple[list[int], list[list[Fraction]]]:
    """All solutions of `matrix @ w = 0`: which entries of w are free, and the solution for each
    that is 1 there and 0 at the other free ones.

    Args:
        matrix: whole numbers, (n, d); n log n times d^2 operations, so for small ones.

    Example:
        >>> free, solutions = exact_null_space(np.array([[1, 2, 0], [0, 0, 1]], dtype=object))
        >>> free, solutions == [[-2, 1, 0]]
        ([1], True)
    """
    rows = [[int(each) for each in row] for row in matrix]
    d, pivots, done = matrix.shape[1], [], 0
    for column in range(d):
        # The smallest number that is not zero makes the others grow least.
        places = [i for i in range(done, len(rows)) if rows[i][column]]
        if not places:
            continue
        place = min(places, key=lambda i: abs(rows[i][column]))
        rows[done], rows[place] = rows[place], rows[done]
        pivot = rows[done]
        head = pivot[column]
        for i, row in enumerate(rows):
            if i != done and (factor := row[column]):
                left = [head * a - factor * b for a, b in zip(row, pivot, strict=True)]
                common = gcd(*left)
                rows[i] = [each // common for each in left] if common > 1 else left
        pivots.append(column)
        done += 1
    free = [column for column in range(d) if column not in set(pivots)]
    solutions = []
    for column in free:
        solution = [Fraction(0)] * d
        solution[column] = Fraction(1)
        for row, pivot_column in zip(rows, pivots, strict=False):
            solution[pivot_column] = Fraction(-row[column], row[pivot_column])
        solutions.append(solution)
    return free, solutions


def has_independent_columns(matrix: Array) -> bool:
    """Whether no column depends on others; False where it is not shown.

    Numbers that do not depend on each other modulo a prime do not depend on each other at all.

    Args:
        matrix: whole numbers, (n, d); n times d^2 operations.

    Example:
        >>> has_independent_columns(np.array([[1, 2], [3, 4]], dtype=object))
        True
        >>> has_independent_columns(np.array([[1, 2], [2, 4]], dtype=object))
        False
    """
    if len(matrix) < matrix.shape[1]:
        return False
    rest = (matrix % _PRIME).astype(np.int64)
    for column in range(matrix.shape[1]):
        places = np.flatnonzero(rest[column:, column])
        if not len(places):
            return False
        place = column + places[0]
        rest[[column, place]] = rest[[place, column]]
        below = rest[column + 1 :, column:]
        factors = below[:, 0] * pow(int(rest[column, column]), -1, _PRIME) % _PRIME
        below -= np.multiply.outer(factors, rest[column, column:]) % _PRIME
        below %= _PRIME
    return True
