"""Newton's method in many digits: better coefficients for `polytome.verify`, where 64-bit floats do
not suffice.

What it finds proves nothing by itself, and need not: it is then evaluated in the ball arithmetic of
`polytome.verification.balls`.
"""

from __future__ import annotations

import numpy as np
from flint import arb, arb_mat, ctx

from polytome.verification.balls import BallProblem
from polytome.verification.exact_data import Ball, Block

__all__ = ["hessian_sums", "newton", "with_ones", "zero_start"]

_MAX_HALVINGS = 250


def zero_start(problem: BallProblem) -> tuple[Ball, list[Ball]]:
    """No coefficients at all."""
    return arb_mat(problem.X.shape[1], problem.n_outputs), [arb(0)] * problem.n_outputs


def newton(
    problem: BallProblem, W: Ball, b: list[Ball], distance: Ball, max_iterations: int = 100
) -> tuple[Ball, list[Ball], Ball]:
    """Coefficients whose halved Newton decrement is below `distance`, or the last ones, with
    intercepts and P.

    Under a penalty of absolute values or norms those that are 0 stay so, and of the others none
    passes 0: what it would change its sign with is 0 from then on.

    Args:
        problem: the problem to minimise.
        W: coefficients to start from, (d, m).
        b: intercepts to start from.
        distance: a distance from the minimum that suffices.
        max_iterations: the most iterations.

    Reference: Boyd and Vandenberghe, Convex Optimization, 2004, section 9.5.
    """
    value = problem.value(W, b).mid()
    for _ in range(max_iterations):
        gradient, hessian, unknowns = _derivatives(problem, W, b)
        try:
            step = hessian.solve(gradient, algorithm="approx")
        except ZeroDivisionError:
            break
        changes = [entry.mid() for entry in step.entries()]
        decrement = sum((g * m for g, m in zip(gradient.entries(), changes, strict=True)), arb(0)).mid() / 2
        length, end = _first_end(problem, W, unknowns, changes)
        for halvings in range(_MAX_HALVINGS):
            new_W, new_b = _moved(W, b, unknowns, changes, length)
            if end is not None and halvings == 0:
                new_W[end[1], end[0]] = arb(0)
            new_value = problem.value(new_W, new_b).mid()
            if new_value.is_finite() and new_value <= value - decrement * length / 4:
                break
            length = length / 2
        else:
            break
        W, b, value = new_W, new_b, new_value
        if decrement < distance and end is None:
            break
    return W, b, value


def _first_end(
    problem: BallProblem, W: Ball, unknowns: list[tuple[int, int]], changes: list[Ball]
) -> tuple[Ball, tuple[int, int] | None]:
    """How long a step may be, and which coefficient is 0 there, if absolute values end it before
    its end."""
    length, end = arb(1), None
    if problem.has_sizes:
        for (k, j), change in zip(unknowns, changes, strict=True):
            if j < problem.X.shape[1] and j not in problem.free and abs(change) > abs(W[j, k]):
                part = (W[j, k] / change).mid()
                if part > 0 and part < length:
                    length, end = part, (k, j)
    return length, end


def _moved(
    W: Ball, b: list[Ball], unknowns: list[tuple[int, int]], changes: list[Ball], length: Ball
) -> tuple[Ball, list[Ball]]:
    """Coefficients and intercepts after a step, rounded to the bits in use."""
    table, intercepts = W.tolist(), list(b)
    for (k, j), change in zip(unknowns, changes, strict=True):
        if j < len(table):
            table[j][k] = (table[j][k] - length * change).mid()
        else:
            intercepts[k] = (intercepts[k] - length * change).mid()
    return arb_mat(table), intercepts


def _derivatives(problem: BallProblem, W: Ball, b: list[Ball]) -> tuple[Ball, Ball, list[tuple[int, int]]]:
    """Gradient, Hessian, and which output and column each of their entries is for (the last column:
    intercepts)."""
    slopes, curvature = hessian_sums(problem, W, b)
    n_features, penalised = problem.X.shape[1], not np.isinf(problem.C)
    is_penalised = [penalised and j not in problem.free for j in range(n_features)] + [False]
    unknowns = [(k, j) for k in range(problem.n_outputs) for j in range(slopes.nrows())]
    if problem.l1_ratio > 0:
        unknowns = [(k, j) for k, j in unknowns if not is_penalised[j] or _is_active(problem, W, j, k)]
    if problem.softmax:  # a number added to the scores of all classes changes nothing: keep those of the last class
        last = problem.n_outputs - 1
        unknowns = [(k, j) for k, j in unknowns if k < last or is_penalised[j]]
    total, strength, ridges = problem.total_weight, problem.strength, problem.ridges
    gradient: list[list[Ball]] = []
    hessian: list[list[Ball]] = []
    for place, (k, j) in enumerate(unknowns):
        slope, row = slopes[j, k] / total, []
        for m, i in unknowns:
            pair = (min(k, m), max(k, m))
            row.append((curvature[pair][j, i] / total).mid() if pair in curvature else arb(0))
        if is_penalised[j]:
            ridge = strength * ridges[j]
            slope += ridge * W[j, k]
            row[place] = (row[place] + ridge).mid()
        elif not penalised or j < n_features:  # if columns are linearly dependent, one of many solutions
            row[place] = (row[place] * (1 + arb(2) ** -(ctx.prec // 3))).mid() if row[place] > 0 else arb(1)
        gradient.append([slope.mid()])
        hessian.append(row)
    if problem.l1_ratio > 0:
        _add_rest(problem, W, unknowns, gradient, hessian)
    return arb_mat(gradient), arb_mat(hessian), unknowns


def _is_active(problem: BallProblem, W: Ball, j: int, k: int) -> bool:
    """Whether a coefficient is not 0, or under norms alone its group."""
    if problem.groups is None or problem.has_sizes:
        return bool(W[j, k] != 0)
    own = [i for i, group in enumerate(problem.groups) if group == problem.groups[j]]
    return any(W[i, m] != 0 for i in own for m in range(problem.n_outputs))


def _add_rest(
    problem: BallProblem,
    W: Ball,
    unknowns: list[tuple[int, int]],
    gradient: list[list[Ball]],
    hessian: list[list[Ball]],
) -> None:
    """The derivatives of absolute values, or of norms, where these are not 0; in place."""
    divisors = problem.divisors
    penalised = [(place, j, k) for place, (k, j) in enumerate(unknowns) if j < len(divisors) and j not in problem.free]
    if problem.has_sizes:
        for place, j, k in penalised:
            gradient[place][0] = (gradient[place][0] + problem.of_sizes * problem.sizes[j] * W[j, k].sgn()).mid()
            # Beside absolute values alone coefficients can be many that are as good.
            hessian[place][place] = (hessian[place][place] * (1 + arb(2) ** -(ctx.prec // 3))).mid()
    if problem.groups is None:
        return
    table = [[d * w for w in row] for d, row in zip(divisors, W.tolist(), strict=True)]
    sums = problem.grouped(table)
    for place, j, k in penalised:
        root, weight, norm = sums[problem.groups[j]]
        corner, along = problem.of_norms * weight * root, divisors[j] * table[j][k]
        gradient[place][0] = (gradient[place][0] + corner * along / norm).mid()
        hessian[place][place] = (hessian[place][place] + corner * divisors[j] ** 2 / norm).mid()
        for other, i, m in penalised:
            if problem.groups[i] == problem.groups[j]:
                product = corner * along * divisors[i] * table[i][m] / norm**3
                hessian[place][other] = (hessian[place][other] - product).mid()


def hessian_sums(problem: BallProblem, W: Ball, b: list[Ball]) -> tuple[Ball, dict[tuple[int, int], Ball]]:
    """Sums over the rows, with a column of ones for the intercept: `X' s (p - y)`, and
    `X' diag(c) X` with the curvature c of each two outputs that depend on each other."""
    outputs, width = range(problem.n_outputs), problem.X.shape[1] + problem.fit_intercept
    pairs = [(k, m) for k in outputs for m in outputs if k == m or (problem.softmax and k < m)]
    slopes = arb_mat(width, problem.n_outputs)
    curvature = {pair: arb_mat(width, width) for pair in pairs}
    for block in problem.blocks():
        X = with_ones(problem, block)
        transposed, rows, residuals = X.transpose(), X.tolist(), []
        factors: dict[tuple[int, int], list[Ball]] = {pair: [] for pair in pairs}
        for i, (p, rest) in enumerate(problem.predictions(block, W, b)):
            s = [block.weight[i] * block.takes_part(i, k) for k in outputs]
            residuals.append([sk * (pk - yk) for sk, pk, yk in zip(s, p, block.y[i], strict=True)])
            for k, m in pairs:
                factors[k, m].append(s[k] * p[k] * (rest[k] if k == m else -p[m]))
        slopes += transposed * arb_mat(residuals)
        for pair in pairs:
            weighted = [[c * x for x in row] for c, row in zip(factors[pair], rows, strict=True)]
            curvature[pair] += transposed * arb_mat(weighted)
    return slopes, curvature


def with_ones(problem: BallProblem, block: Block) -> Ball:
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
