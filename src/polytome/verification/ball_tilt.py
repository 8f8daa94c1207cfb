"""Predictions that satisfy the equations of unpenalised columns exactly, in ball arithmetic.

A lower bound of the objective needs `sum_i s_i x_ij (q_i - y_i) = 0` for every column j that the
penalty leaves alone, and for the intercept. The predictions p of a witness nearly do so. With their
curvature `C_i = diag(p_i) - p_i p_i'` and `H = sum_i s_i C_i (x) x_i x_i'` over these columns,
`q_i = p_i + C_i c x_i` does, where `H c = -sum_i s_i (p_i - y_i) x_i`: an identity of real numbers.
The balls of c contain its solution, and those of q decide whether it is a distribution. A column
that is a sum of others in every row has no equation of its own. Where p is almost certain of a
label, it is taken to be the label: so there is a bound too where these columns tell some classes
apart, and no coefficients are optimal.

Reference: Rump, Verification methods: rigorous results using floating-point arithmetic, Acta
Numerica 19, 2010, section 10 (linear systems).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flint import arb, arb_mat, fmpq_mat

from polytome.verification.exact_data import Ball, Block, ExactData

__all__ = ["Tilt"]

_MOST_ELIMINATED = 100_000  # entries of the rows that are eliminated exactly
_NEGLIGIBLE_PROBABILITY = arb(2) ** -50
Predict = Callable[[Block], Iterator[tuple[list[Ball], list[Ball]]]]
"""What a witness predicts for each row of a block, and one minus that."""


@dataclass(frozen=True)
class Tilt:
    """What is added to a witness's scores, to first order, so that the equations hold.

    Attributes:
        problem: gives the rows.
        columns: whose equations these are, the intercept's (a column of ones) last, if there is
            one.
        changes: c, for each output a number for each of these.
    """

    problem: ExactData
    columns: list[int]
    changes: list[list[Ball]]

    @classmethod
    def of(cls, problem: ExactData, predict: Predict) -> Tilt | None:
        """That of a witness, by its predictions; None where the equations cannot be solved."""
        found = cls._of(problem, predict, _changing(problem))
        if found is None and (columns := _independent(problem)) is not None:
            found = cls._of(problem, predict, columns)
        return found

    @classmethod
    def _of(cls, problem: ExactData, predict: Predict, columns: list[int]) -> Tilt | None:
        """That of some columns; None where they depend on each other, or the bits are too few."""
        n_outputs = problem.n_outputs
        width = len(columns) + problem.fit_intercept
        groups = [list(range(n_outputs))] if problem.softmax else [[k] for k in range(n_outputs)]
        changes = [[arb(0)] * width for _ in range(n_outputs)]
        for group in groups:
            side = len(group) * width
            left, curvature = [arb(0)] * side, [[arb(0)] * side for _ in range(side)]
            for block in problem.blocks():
                for i, predicted in enumerate(predict(block)):
                    p, rest = _rounded_predictions(problem, block.y[i], *predicted)
                    x = _entries(problem, block, i, columns)
                    for m, k in enumerate(group):
                        s = block.weight[i] * block.takes_part(i, k)
                        residual = s * (p[k] - block.y[i][k])
                        for a, xa in enumerate(x):
                            left[m * width + a] -= residual * xa
                        for other, against in enumerate(group):
                            factor = s * p[k] * (rest[k] if k == against else -p[against])
                            for a, xa in enumerate(x):
                                row, weighted = curvature[m * width + a], factor * xa
                                for c, xc in enumerate(x):
                                    row[other * width + c] += weighted * xc
            places = [at for at in range(side) if curvature[at][at] != 0 or left[at] != 0]
            if problem.softmax and places:  # the same change of all scores is none: the last ones stay as they are
                places = [at for at in places if at // width < places[-1] // width]
            if not places:
                continue
            matrix = arb_mat([[curvature[at][to] for to in places] for at in places])
            try:
                solved = matrix.solve(arb_mat([[left[at]] for at in places])).entries()
            except ZeroDivisionError:
                return None
            for at, change in zip(places, solved, strict=True):
                changes[group[at // width]][at % width] = change
        return cls(problem, columns, changes)

    def moved(self, block: Block, row: int, p: list[Ball], rest: list[Ball]) -> tuple[list[Ball], list[Ball]] | None:
        """The predictions of a row, and one minus them; None where they may not be a
        distribution."""
        p, rest = _rounded_predictions(self.problem, block.y[row], p, rest)
        x = _entries(self.problem, block, row, self.columns)
        dz = [sum((c * xa for c, xa in zip(change, x, strict=True)), arb(0)) for change in self.changes]
        if self.problem.softmax:
            mean = sum((pk * dk for pk, dk in zip(p, dz, strict=True)), arb(0))
            factors = [1 + dk - mean for dk in dz]
            if block.weight[row] > 0 and not all(pk == 0 or f >= 0 for pk, f in zip(p, factors, strict=True)):
                return None
            q = [pk * factor for pk, factor in zip(p, factors, strict=True)]
            return q, [1 - qk for qk in q]
        q, others = [], []
        for k, (pk, rk, dk) in enumerate(zip(p, rest, dz, strict=True)):
            up, down = 1 + rk * dk, 1 - pk * dk
            if block.weight[row] > 0 and block.takes_part(row, k) and not (up >= 0 and down >= 0):
                return None
            q.append(pk * up)
            others.append(rk * down)
        return q, others


def _rounded_predictions(
    problem: ExactData, y: list[Ball], p: list[Ball], rest: list[Ball]
) -> tuple[list[Ball], list[Ball]]:
    """Predictions of a row, and one minus them, where what is almost nothing beside a certain label
    is nothing."""
    if problem.softmax:
        label = next((k for k, yk in enumerate(y) if yk == 1), None)
        if label is None:
            return p, rest
        p = [arb(0) if k != label and pk <= _NEGLIGIBLE_PROBABILITY else pk for k, pk in enumerate(p)]
        p[label] = 1 - sum((pk for k, pk in enumerate(p) if k != label), arb(0))
        return p, [1 - pk for pk in p]
    pairs = [
        (arb(0), arb(1))
        if yk == 0 and pk <= _NEGLIGIBLE_PROBABILITY
        else (arb(1), arb(0))
        if yk == 1 and rk <= _NEGLIGIBLE_PROBABILITY
        else (pk, rk)
        for yk, pk, rk in zip(y, p, rest, strict=True)
    ]
    return [pk for pk, _ in pairs], [rk for _, rk in pairs]


def _changing(problem: ExactData) -> list[int]:
    """The unpenalised columns but those that never change, whose equation is the intercept's, or
    none."""
    first, moves = problem.first_and_moving()
    return [j for j in problem.free if moves[j] or not (problem.fit_intercept or first[j] == 0)]


def _independent(problem: ExactData) -> list[int] | None:
    """Unpenalised columns of which, and the intercept's, all others are sums, in every row that
    counts; their equations follow. None where there are too many rows."""
    columns = _changing(problem)
    if problem.X.shape[0] * (len(columns) + 1) > _MOST_ELIMINATED:
        return None
    rows = []
    for block in problem.blocks():
        for i, s in enumerate(block.weight):
            if s > 0:
                entries = [x.fmpq() for x in _entries(problem, block, i, columns)]
                # The intercept first, so that it is never one of the others.
                rows.append([entries.pop(), *entries] if problem.fit_intercept else entries)
    reduced, rank = fmpq_mat(rows).rref()
    pivots = [next(j for j in range(reduced.ncols()) if reduced[i, j] != 0) for i in range(rank)]
    return [columns[j - problem.fit_intercept] for j in pivots if j >= problem.fit_intercept]


def _entries(problem: ExactData, block: Block, row: int, columns: list[int]) -> list[Ball]:
    """What a row holds in these columns, and 1 where there is an intercept."""
    if isinstance(block.X, list):
        stored = dict(block.X[row])
        entries = [stored.get(j, arb(0)) for j in columns]
    else:
        entries = [block.X[row, j] for j in columns]
    return [*entries, arb(1)] if problem.fit_intercept else entries
