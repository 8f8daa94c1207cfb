"""A bound of the minimum without a penalty, in ball arithmetic, by the curvature at some
coefficients.

With g and H the gradient and the Hessian of P there, `nu^2 = g' H^-1 g`, and r_i the largest range
that the scores of row i can have in a direction d with `d' H d = 1`, let rho be the largest of the
r_i and `x = nu rho`. If x < 1, then

    P* >= P - nu^2 / 2 * (1 + x / (3 (1 - x)))

and the minimum is at most `nu (1 + x / (2 (1 - x)))` away in the metric of H. A coefficient is then
off by that times the root of its diagonal entry of H^-1, and all of them by that times the root of
the sum of these.

The proof is in docs/certificate.md. For two classes k, l of a softmax the difference of the scores
is <v, d> with v = (e_k - e_l) (x) x_i, and its largest value is the root of `v' H^-1 v`. H is a sum
of covariances and so never negative; that it has an inverse is shown by computing one. Where
columns depend on each other it has none, and some are chosen by exact elimination on which the
others depend.

Where classes are separated in part there is no minimum. Losses are not negative, and a softmax with
fewer classes has a smaller one; so P is never below what is left of it without some classes of some
rows, and that is bounded instead.

Reference: Sun and Tran-Dinh, Generalized self-concordant functions: a recipe for Newton-type
methods, Mathematical Programming 178, 2019.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from flint import arb, arb_mat, fmpq_mat

from polytome.verification.ball_newton import hessian_sums, with_ones
from polytome.verification.balls import BallProblem
from polytome.verification.exact_data import Ball, Block

__all__ = ["excess_by_curvature", "least_of_the_rest"]

_MAX_ELIMINATED_ENTRIES = 100_000  # entries of the rows that are eliminated exactly


def excess_by_curvature(problem: BallProblem, W: Ball, b: list[Ball]) -> tuple[Ball, Ball]:
    """How far P at these coefficients is above its minimum, at most; infinite where nothing is
    proved.

    And how far these, of columns divided by their scale, are from the optimal ones; infinite where
    columns depend on each other, which leaves more than one choice.
    """
    slopes, curvature = hessian_sums(problem, W, b)
    width, outputs = slopes.nrows(), list(range(problem.n_outputs))
    excess, squares = arb(0), arb(0)
    for part in [outputs[:-1]] if problem.softmax else [[k] for k in outputs]:
        every_column = [(k, j) for k in part for j in range(width)]
        for unknowns in (every_column, None):
            unknowns = _independent(problem, part) if unknowns is None else unknowns
            try:
                found = None if unknowns is None else _part(problem, slopes, curvature, part, unknowns)
            except ZeroDivisionError:
                continue
            break
        else:
            found = None
        if found is None:
            return arb("inf"), arb("inf")
        excess += found[0]
        squares += found[1] ** 2 if unknowns == every_column else arb("inf")
    return excess, squares.sqrt()


def least_of_the_rest(problem: BallProblem, W: Ball, b: list[Ball], allowed: Ball) -> Ball:
    """What P is never below, by what is left without classes that are all but impossible at these
    coefficients.

    Args:
        problem: without penalty.
        W: coefficients, (d, m).
        b: intercepts.
        allowed: what these may add to P there.
    """
    masses = []
    for block in problem.blocks():
        for i, (p, rest) in enumerate(problem.predictions(block, W, b)):
            s, y = block.weight[i], block.y[i]
            masses.append([np.inf] * problem.n_outputs)
            for k, (pk, rk, yk) in enumerate(zip(p, rest, y, strict=True)):
                # Of a softmax only classes that are not the row's can go.
                if not block.takes_part(i, k):
                    masses[-1][k] = -1.0
                elif yk == 0 or (yk == 1 and not problem.softmax):
                    masses[-1][k] = float((s * (pk if yk == 0 else rk)).mid())
    mass = np.array(masses)
    smallest = np.sort(mass[(mass >= 0) & (mass < np.inf)])
    n_dropped = int(np.searchsorted(smallest.cumsum(), float((allowed * problem.total_weight).mid()), side="right"))
    if n_dropped == 0:
        return arb("-inf")
    others = replace(problem, own=mass > smallest[n_dropped - 1])
    return others.value(W, b) - excess_by_curvature(others, W, b)[0]


def _part(
    problem: BallProblem,
    slopes: Ball,
    curvature: dict[tuple[int, int], Ball],
    part: list[int],
    unknowns: list[tuple[int, int]],
) -> tuple[Ball, Ball]:
    """The bounds for outputs that belong together, of which some coefficients are enough; of a
    softmax the last one is held."""
    if not unknowns:
        return arb(0), arb(0)
    total, width = problem.total_weight, slopes.nrows()
    gradient = arb_mat([[slopes[j, k] / total] for k, j in unknowns])
    hessian = [[curvature[min(k, m), max(k, m)][j, i] / total for m, i in unknowns] for k, j in unknowns]
    inverse = arb_mat(hessian).inv()
    nu = (gradient.transpose() * inverse * gradient)[0, 0].abs_upper().sqrt()
    table: dict[tuple[int, int], Ball] = {(k, m): arb_mat(width, width) for k in part for m in part}
    for one, (k, j) in enumerate(unknowns):
        for other, (m, i) in enumerate(unknowns):
            table[k, m][j, i] = inverse[one, other]
    rho: Any = arb(0)
    # A held output has no place in the inverse: the pairs with it are the single outputs.
    held = problem.n_outputs - 1
    pairs = [(k, held if problem.softmax else k) for k in part] + list(combinations(part, 2))
    for block in problem.blocks():
        rows = with_ones(problem, block).tolist()
        for k, m in pairs:
            counting = [i for i, s in enumerate(block.weight) if s > 0 and _both(block, i, k, m)]
            if not counting:
                continue
            matrix = table[k, k]
            if k != m and m in part:
                matrix = table[k, k] + table[m, m] - table[k, m] - table[m, k]
            X = arb_mat([rows[i] for i in counting])
            for row, image in zip(X.tolist(), (X * matrix).tolist(), strict=True):
                rho = max(rho, sum((p * q for p, q in zip(row, image, strict=True)), arb(0)).abs_upper())
    x: Any = nu * rho.sqrt()
    if not x < 1:
        return arb("inf"), arb("inf")
    divisors = problem.divisors
    squares = [divisors[j] ** 2 * inverse[at, at] for at, (_, j) in enumerate(unknowns) if j < len(divisors)]
    away = nu * (1 + x / (2 * (1 - x))) * sum(squares, arb(0)).sqrt()
    return nu * nu / 2 * (1 + x / (3 * (1 - x))), away


def _both(block: Block, row: int, one: int, other: int) -> bool:
    return block.takes_part(row, one) and block.takes_part(row, other)


def _independent(problem: BallProblem, part: list[int]) -> list[tuple[int, int]] | None:
    """Output and column of coefficients that are enough for all differences of scores that count,
    in every row; None where there are too many rows."""
    n_rows, width = problem.X.shape[0], problem.X.shape[1] + problem.fit_intercept
    # Where all classes are everywhere, what columns depend on each other is the same for all.
    alone = problem.own is None or not problem.softmax
    if n_rows * width * (1 if alone else len(part) ** 2) > _MAX_ELIMINATED_ENTRIES:
        return None
    rows = []
    for block in problem.blocks():
        for i, row in enumerate(with_ones(problem, block).tolist()):
            if not block.weight[i] > 0:
                continue
            numbers = [x.fmpq() for x in row]
            if alone:
                if block.takes_part(i, part[0]):
                    rows.append(numbers)
                continue
            own = [k for k in range(problem.n_outputs) if block.takes_part(i, k)]
            for k in own[1:]:  # the score of class k less that of the first
                signs = {own[0]: -1, k: 1}
                rows.append([signs.get(m, 0) * x for m in part for x in numbers])
    if not rows:
        return []
    reduced, rank = fmpq_mat(rows).rref()
    places = [next(j for j in range(reduced.ncols()) if reduced[i, j] != 0) for i in range(rank)]
    if alone:
        return [(k, j) for k in part for j in places]
    return [(part[place // width], place % width) for place in places]
