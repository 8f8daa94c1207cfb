"""A bound of the minimum without penalty, in ball arithmetic, by the curvature at some coefficients.

With g and H the gradient and the Hessian of P there, `nu^2 = g' H^-1 g`, and r_i the largest range that the scores of
row i can have in a direction d with `d' H d = 1`, let rho be the largest of the r_i and `x = nu rho`. If x < 1, then

    P* >= P - nu^2 / 2 * (1 + x / (3 (1 - x)))

and the minimum is at most `nu (1 + x / (2 (1 - x)))` away in the metric of H. A coefficient is then off by that times
the root of its diagonal entry of H^-1, and all of them by that times the root of the sum of these.

The proof is in docs/certificate.md. For two classes k, l of a softmax the difference of the scores is <v, d> with
v = (e_k - e_l) (x) x_i, and its largest value is the root of `v' H^-1 v`. H is a sum of covariances and so never
negative; that it has an inverse is shown by computing one. Where columns depend on each other it has none, and some are
chosen by exact elimination on which the others depend.

Reference: Sun and Tran-Dinh, Generalized self-concordant functions: a recipe for Newton-type methods, Mathematical
Programming 178, 2019.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from flint import arb, arb_mat, fmpq_mat

from polytome.verification.ball_newton import hessian_sums, with_ones
from polytome.verification.balls import BallProblem
from polytome.verification.exact_data import Ball

__all__ = ["excess_by_curvature"]

_MOST_ELIMINATED = 100_000  # entries of the rows that are eliminated exactly


def excess_by_curvature(problem: BallProblem, W: Ball, b: list[Ball]) -> tuple[Ball, Ball]:
    """How far P at these coefficients is above its minimum, at most; infinite where nothing is proved.

    And how far these, of columns divided by their scale, are from the optimal ones; infinite where columns depend on
    each other, which leaves more than one choice.
    """
    slopes, curvature = hessian_sums(problem, W, b)
    every = list(range(slopes.nrows()))
    outputs = list(range(problem.n_outputs))
    parts = [outputs[:-1]] if problem.softmax else [[k] for k in outputs]
    for columns in (every, None):
        columns = _independent(problem) if columns is None else columns
        if columns is None:
            break
        try:
            found = [_part(problem, slopes, curvature, part, columns) for part in parts]
        except ZeroDivisionError:
            continue
        far = sum((away * away for _, away in found), arb(0)).sqrt() if columns == every else arb("inf")
        return sum((excess for excess, _ in found), arb(0)), far
    return arb("inf"), arb("inf")


def _part(
    problem: BallProblem, slopes: Ball, curvature: dict[tuple[int, int], Ball], part: list[int], columns: list[int]
) -> tuple[Ball, Ball]:
    """The bound for outputs that belong together; of a softmax the last one is held."""
    total, size = problem.total_weight, len(columns)
    unknowns = [(k, j) for k in part for j in columns]
    gradient = arb_mat([[slopes[j, k] / total] for k, j in unknowns])
    hessian = [[curvature[min(k, m), max(k, m)][j, i] / total for m, i in unknowns] for k, j in unknowns]
    inverse = arb_mat(hessian).inv()
    nu = (gradient.transpose() * inverse * gradient)[0, 0].abs_upper().sqrt()
    rho: Any = arb(0)
    # A held output has no place in the inverse: the pairs with it are the single outputs.
    forms = [{place: 1} for place in range(len(part))]
    forms += [{one: 1, other: -1} for one, other in combinations(range(len(part)), 2)]
    for block in problem.blocks():
        rows = [[row[j] for j in columns] for row in with_ones(problem, block).tolist()]
        counting = [i for i, s in enumerate(block.weight) if s > 0]
        if not counting:
            continue
        X = arb_mat([rows[i] for i in counting])
        for form in forms:
            matrix = arb_mat(size, size)
            for one, sign in form.items():
                for other, other_sign in form.items():
                    entries = [
                        [sign * other_sign * inverse[one * size + i, other * size + j] for j in range(size)]
                        for i in range(size)
                    ]
                    matrix += arb_mat(entries)
            for row, image in zip(X.tolist(), (X * matrix).tolist(), strict=True):
                rho = max(rho, sum((p * q for p, q in zip(row, image, strict=True)), arb(0)).abs_upper())
    x: Any = nu * rho.sqrt()
    if not x < 1:
        return arb("inf"), arb("inf")
    divisors = problem.divisors
    squares = [divisors[j] ** 2 * inverse[at, at] for at, (_, j) in enumerate(unknowns) if j < len(divisors)]
    away = nu * (1 + x / (2 * (1 - x))) * sum(squares, arb(0)).sqrt()
    return nu * nu / 2 * (1 + x / (3 * (1 - x))), away


def _independent(problem: BallProblem) -> list[int] | None:
    """Columns on which all others depend exactly, in every row that counts; None where there are too many rows."""
    n_rows, n_features = problem.X.shape
    if n_rows * (n_features + 1) > _MOST_ELIMINATED:
        return None
    rows = []
    for block in problem.blocks():
        for i, row in enumerate(with_ones(problem, block).tolist()):
            if block.weight[i] > 0:
                rows.append([x.fmpq() for x in row])
    reduced, rank = fmpq_mat(rows).rref()
    return [next(j for j in range(reduced.ncols()) if reduced[i, j] != 0) for i in range(rank)]
