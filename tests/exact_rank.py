"""The rank of a matrix of fractions."""

from __future__ import annotations

from fractions import Fraction


def exact_rank(rows: list[list[Fraction]]) -> int:
    """By elimination without rounding."""
    rows, rank = [list(row) for row in rows], 0
    for j in range(len(rows[0]) if rows else 0):
        place = next((i for i in range(rank, len(rows)) if rows[i][j] != 0), None)
        if place is None:
            continue
        rows[rank], rows[place] = rows[place], rows[rank]
        for i in range(rank + 1, len(rows)):
            factor = rows[i][j] / rows[rank][j]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[rank], strict=True)]
        rank += 1
    return rank
