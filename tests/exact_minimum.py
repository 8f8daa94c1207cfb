"""The minimum of a small fit in 80 digits, by Newton's method on exact data: the truth that bounds
are held to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

flint = pytest.importorskip("flint", reason="python-flint is not installed")

_DIGITS = 80


class ExactModel:
    """Coefficients of exact numbers: scores, distributions and classes without rounding worth the
    name."""

    def __init__(self, W: list[list[Any]], b: list[Any]) -> None:
        self.W, self.b = W, b  # each output's coefficients, (m, d), and intercepts

    @classmethod
    def of(cls, model: Any) -> ExactModel:
        """A fitted model as it was returned."""
        return cls(_exact(model.coef_), _exact(model.intercept_[None])[0])

    def scores(self, X: Any) -> list[list[Any]]:
        """Scores of each row, one for each class: of two classes the first has 0."""
        zero = [flint.arb(0)] if len(self.b) == 1 else []
        return [
            zero
            + [sum((x * w for x, w in zip(row, part, strict=True)), b) for part, b in zip(self.W, self.b, strict=True)]
            for row in _exact(X)
        ]

    def log_probabilities(self, X: Any) -> list[list[Any]]:
        """Of each row and class."""
        found = []
        for scores in self.scores(X):
            top = max(scores, key=lambda score: float(score.mid()))
            total = sum(((s - top).exp() for s in scores), flint.arb(0)).log()
            found.append([s - top - total for s in scores])
        return found

    def classes(self, X: Any) -> np.ndarray:
        """The position of the largest score of each row."""
        found = []
        for scores in self.scores(X):
            best = 0
            for k, score in enumerate(scores):
                best = k if score.mid() > scores[best].mid() else best
            found.append(best)
        return np.array(found)


def exact_minimum(model: Any, X: Any, codes: Any, weight: Any, divisor: Any) -> ExactModel:
    """The minimum of what a model minimised, from where it ended.

    Args:
        model: fitted; without a penalty there has to be a minimum.
        X: its rows, (n, d).
        codes: positions of their classes.
        weight: of each row.
        divisor: of each column.
    """
    with flint.ctx.workdps(_DIGITS):
        return _newton(model, X, codes, weight, divisor)


def _newton(model: Any, X: Any, codes: Any, weight: Any, divisor: Any) -> ExactModel:
    n, d = X.shape
    m = len(model.coef_)
    total = sum(_exact(weight[None])[0], flint.arb(0))
    strength = 1 / (flint.arb(model.C) * total) if np.isfinite(model.C) else flint.arb(0)
    shares = [s / total for s in _exact(weight[None])[0]]
    squares = [strength * v * v for v in _exact(divisor[None])[0]]
    middle = (
        X[0] if model.fit_intercept else np.zeros(d)
    )  # near the rows, exactly: differences keep the Hessian in hand
    rows = [[x - c for x, c in zip(row, _exact(middle[None])[0], strict=True)] + [flint.arb(1)] for row in _exact(X)]
    if not model.fit_intercept:
        rows = [row[:-1] for row in rows]
    Z, width = flint.arb_mat(rows), len(rows[0])
    # Of several classes what has no penalty stays of the last one: what is added to all of them
    # changes nothing.
    held = d if np.isfinite(model.C) else 0
    free = [(k, j) for k in range(m) for j in range(width) if not (m > 1 and k == m - 1 and j >= held)]
    start = ExactModel.of(model)
    theta = [[*start.W[k], start.b[k] + _dot(start.W[k], _exact(middle[None])[0])][:width] for k in range(m)]

    def evaluate(theta: list[list[Any]]) -> tuple[Any, list[list[Any]]]:
        scores = Z * flint.arb_mat(theta).transpose()
        value, p = flint.arb(0), []
        for i in range(n):
            own = ([flint.arb(0)] if m == 1 else []) + [scores[i, k] for k in range(m)]
            top = max(own, key=lambda score: float(score.mid()))
            parts = [(s - top).exp() for s in own]
            whole = sum(parts, flint.arb(0))
            value += shares[i] * (whole.log() + top - own[codes[i]])
            p.append([part / whole for part in parts][-m:])
        value += sum((squares[j] * t[j] * t[j] for t in theta for j in range(d)), flint.arb(0)) / 2
        return value.mid(), p

    value, p = evaluate(theta)
    for _ in range(200):
        residual = [[shares[i] * (p[i][k] - int(codes[i] == (k if m > 1 else 1))) for i in range(n)] for k in range(m)]
        slope = flint.arb_mat(residual) * Z
        gradient = [[slope[k, j] + (squares[j] * theta[k][j] if j < d else 0) for j in range(width)] for k in range(m)]
        blocks = {}
        for k in range(m):
            for other in range(k, m):
                factors = [shares[i] * p[i][k] * (int(k == other) - p[i][other]) for i in range(n)]
                scaled = flint.arb_mat([[f * z for z in row] for f, row in zip(factors, rows, strict=True)])
                blocks[k, other] = Z.transpose() * scaled
        hessian = flint.arb_mat(
            [
                [
                    blocks[min(k, o), max(k, o)][i, j] + (squares[j] if (k, i) == (o, j) and j < d else 0)
                    for o, j in free
                ]
                for k, i in free
            ]
        )
        right = flint.arb_mat([[gradient[k][j].mid()] for k, j in free])
        step = [entry.mid() for entry in _middle(hessian).solve(right, algorithm="approx").entries()]
        decrement = sum((gradient[k][j] * s for (k, j), s in zip(free, step, strict=True)), flint.arb(0)).mid()
        if decrement < flint.arb(10) ** -55:
            break
        size = flint.arb(1)
        for _ in range(200):
            moved = [list(t) for t in theta]
            for (k, j), s in zip(free, step, strict=True):
                moved[k][j] = (moved[k][j] - size * s).mid()
            new_value, new_p = evaluate(moved)
            if new_value <= value - size * decrement / 4:
                break
            size /= 2
        theta, value, p = moved, new_value, new_p
    else:
        raise AssertionError("Newton's method did not reach the minimum")
    b = [t[d] if model.fit_intercept else flint.arb(0) for t in theta]
    W = [t[:d] for t in theta]
    return ExactModel(W, [b[k] - _dot(W[k], _exact(middle[None])[0]) for k in range(m)])


def _exact(values: Any) -> list[list[Any]]:
    return [[flint.arb(float(value)) for value in row] for row in np.asarray(values, dtype=np.float64)]


def _dot(first: list[Any], second: list[Any]) -> Any:
    return sum((x * y for x, y in zip(first, second, strict=True)), flint.arb(0)).mid()


def _middle(matrix: Any) -> Any:
    return flint.arb_mat([[matrix[i, j].mid() for j in range(matrix.ncols())] for i in range(matrix.nrows())])
