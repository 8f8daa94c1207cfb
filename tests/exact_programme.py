"""Whether classes are separated, by the simplex method in fractions: slow, and without rounding."""

from __future__ import annotations

from fractions import Fraction
from typing import Any


def largest(cost: list[Fraction], A: list[list[Fraction]], b: list[Fraction]) -> tuple[Fraction, list[Fraction]]:
    """The largest `cost @ x` with `A x <= b`, x >= 0, for b >= 0, and where it is; Bland's rule."""
    n, m = len(cost), len(A)
    table = [
        row + [Fraction(int(i == j)) for j in range(m)] + [right]
        for i, (row, right) in enumerate(zip(A, b, strict=True))
    ]
    bottom = [-each for each in cost] + [Fraction(0)] * (m + 1)
    basis = list(range(n, n + m))
    while (column := next((j for j in range(n + m) if bottom[j] < 0), None)) is not None:
        ratios = [(row[-1] / row[column], basis[i], i) for i, row in enumerate(table) if row[column] > 0]
        if not ratios:
            raise AssertionError("without bound")
        _, _, i = min(ratios)
        pivot = table[i][column]
        table[i] = [each / pivot for each in table[i]]
        for k in range(m):
            if k != i and table[k][column]:
                factor = table[k][column]
                table[k] = [a - factor * c for a, c in zip(table[k], table[i], strict=True)]
        factor = bottom[column]
        bottom = [a - factor * c for a, c in zip(bottom, table[i], strict=True)]
        basis[i] = column
    x = [Fraction(0)] * (n + m)
    for i, place in enumerate(basis):
        x[place] = table[i][-1]
    return bottom[-1], x[:n]


def differences(X: Any, y: Any, K: int, fit_intercept: bool) -> list[list[Fraction]]:
    """Own score less another's, as linear functions of the coefficients of all classes but the
    first, for each row and other class."""
    rows = []
    for x, own in zip(X, y, strict=True):
        entries = [Fraction(float(each)) for each in x] + [Fraction(1)] * fit_intercept
        for k in range(K):
            if k != own:
                row = []
                for a in range(1, K):
                    sign = int(a == own) - int(a == k)
                    row += [sign * each for each in entries]
                rows.append(row)
    return rows


def is_separated(X: Any, y: Any, K: int, fit_intercept: bool = True) -> bool:
    """Whether some direction makes no difference negative, and one of them positive."""
    rows = differences(X, y, K, fit_intercept)
    return best_within(rows, [sum(column, Fraction(0)) for column in zip(*rows, strict=True)])[0] > 0


def best_within(rows: list[list[Fraction]], cost: list[Fraction]) -> tuple[Fraction, list[Fraction]]:
    """The largest `cost @ w` for w within [-1, 1] that makes no difference negative."""
    d = len(cost)
    one = [[Fraction(int(i == j)) for j in range(d)] for i in range(d)]
    zero = [Fraction(0)] * d
    A = [[-each for each in row] + list(row) for row in rows]
    A += [each + zero for each in one] + [zero + each for each in one]
    b = [Fraction(0)] * len(rows) + [Fraction(1)] * (2 * d)
    value, x = largest(cost + [-each for each in cost], A, b)
    return value, [a - c for a, c in zip(x[:d], x[d:], strict=True)]
