"""Newton's method in many digits: better coefficients for `polytome.verify`, where floats of 64 bits do not suffice.

What it finds proves nothing by itself, and need not: the ball arithmetic of `polytome.balls` then evaluates it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx

from polytome.balls import Ball, BallProblem, Block

__all__ = ["newton", "zero_start"]

_HALVINGS = 60


def zero_start(problem: BallProblem) -> tuple[Ball, list[Ball]]:
    """No coefficients at all."""
    return arb_mat(problem.X.shape[1], problem.n_outputs), [arb(0)] * problem.n_outputs


def newton(
    problem: BallProblem, W: Ball, b: list[Ball], enough: Ball, most: int = 100
) -> tuple[Ball, list[Ball], Ball]:
    """Coefficients whose Newton decrement, halved, is below `enough`, or the last ones: those, intercepts, and P.

    Args:
        problem: what is minimised.
        W: coefficients to start from, (d, m).
        b: intercepts to start from.
        enough: a distance from the minimum that suffices.
        most: iterations.

    Reference: Boyd and Vandenberghe, Convex Optimization, 2004, section 9.5.
    """
    value = problem.value(W, b).mid()
    for _ in range(most):
        gradient, hessian, unknowns = _derivatives(problem, W, b)
        try:
            step = hessian.solve(gradient, algorithm="approx")
        except ZeroDivisionError:
            break
        moves = [entry.mid() for entry in step.entries()]
        decrement = sum((g * m for g, m in zip(gradient.entries(), moves, strict=True)), arb(0)).mid() / 2
        size = arb(1)
        for _ in range(_HALVINGS):
            new_W, new_b = _moved(W, b, unknowns, moves, size)
            new_value = problem.value(new_W, new_b).mid()
            if new_value.is_finite() and new_value <= value - decrement * size / 4:
                break
            size = size / 2
        else:
            break
        W, b, value = new_W, new_b, new_value
        if decrement < enough:
            break
    return W, b, value


def _moved(
    W: Ball, b: list[Ball], unknowns: list[tuple[int, int]], moves: list[Ball], size: Ball
) -> tuple[Ball, list[Ball]]:
    """Coefficients and intercepts after a step, rounded to the bits in use."""
    table, intercepts = W.tolist(), list(b)
    for (k, j), move in zip(unknowns, moves, strict=True):
        if j < len(table):
            table[j][k] = (table[j][k] - size * move).mid()
        else:
            intercepts[k] = (intercepts[k] - size * move).mid()
    return arb_mat(table), intercepts


def _derivatives(problem: BallProblem, W: Ball, b: list[Ball]) -> tuple[Ball, Ball, list[tuple[int, int]]]:
    """Gradient, Hessian, and which output and column each of their entries is for (the last column: intercepts)."""
    n_features, outputs = problem.X.shape[1], range(problem.n_outputs)
    penalised = not np.isinf(problem.C)
    width = n_features + problem.fit_intercept
    pairs = [(k, m) for k in outputs for m in outputs if k == m or (problem.softmax and k < m)]
    gradient = arb_mat(width, problem.n_outputs)
    curvature = {pair: arb_mat(width, width) for pair in pairs}
    for block in problem.blocks():
        A = _with_ones(problem, block)
        across = A.transpose()
        rows, residuals = A.tolist(), []
        factors: dict[tuple[int, int], list[Any]] = {pair: [] for pair in pairs}
        for i, p in enumerate(problem._predictions(block, W, b)):
            s, own = block.weight[i], None if block.own is None else block.own[i]
            residuals.append([s * (pk - yk) for pk, yk in zip(p, block.y[i], strict=True)])
            for k, m in pairs:
                inside = own is None or own[k]
                if not inside:
                    residuals[-1][k] = arb(0)
                rest = (1 - p[k]) if problem.softmax else problem._rest[k]
                factors[k, m].append(arb(0) if not inside else s * p[k] * (rest if k == m else -p[m]))
        gradient += across * arb_mat(residuals)
        for pair in pairs:
            weighted = [[c * a for a in row] for c, row in zip(factors[pair], rows, strict=True)]
            curvature[pair] += across * arb_mat(weighted)
    total, strength, divisors = problem.total_weight, problem.strength, problem.divisors
    unknowns = [(k, j) for k in outputs for j in range(width)]
    if problem.softmax:  # a number added to the scores of all classes changes nothing: keep the last ones
        last = problem.n_outputs - 1
        unknowns = [(k, j) for k, j in unknowns if k < last or (penalised and j < n_features)]
    g, H = [], []
    for k, j in unknowns:
        slope = gradient[j, k] / total
        row = []
        for m, i in unknowns:
            pair = (k, m) if (k, m) in curvature else (m, k)
            row.append((curvature[pair][j, i] / total).mid() if pair in curvature else arb(0))
        at = len(g)
        if j < n_features and penalised:
            ridge = strength * divisors[j] * divisors[j]
            slope += ridge * W[j, k]
            row[at] = (row[at] + ridge).mid()
        elif not penalised:  # where columns depend on each other, one of many solutions
            row[at] = (row[at] * (1 + arb(2) ** -(ctx.prec // 3))).mid() if row[at] > 0 else arb(1)
        g.append([slope.mid()])
        H.append(row)
    return arb_mat(g), arb_mat(H), unknowns


def _with_ones(problem: BallProblem, block: Block) -> Ball:
    """The rows as a matrix, with a column of ones where there is an intercept."""
    rows = block.X
    if isinstance(rows, list):
        table = [[arb(0)] * problem.X.shape[1] for _ in rows]
        for row, entries in zip(table, rows, strict=True):
            for j, x in entries:
                row[j] += x
    else:
        table = rows.tolist()
    if problem.fit_intercept:
        table = [[*row, arb(1)] for row in table]
    return arb_mat(table)
