"""The optimum of a tiny problem in eighty digits, for fits that float64 does not lead to a proof.

Newton's method as in a textbook. Columns of 1e15 beside others of 1e-8, weights over 24 decades and
rows that contradict each other make Hessians whose condition leaves nothing of sixteen digits; of
eighty, tens are left. What is found proves nothing by being near the optimum: certificates evaluate
it as any other point.

Reference: Nocedal and Wright, Numerical Optimization, 2006, section 3.4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Context, Decimal, localcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.objective import Objective

Array = NDArray[Any]

__all__ = ["Optimum"]

_DIGITS = Context(prec=80, Emin=-9999, Emax=999_999, traps=[])
_ZERO, _ONE = Decimal(0), Decimal(1)
_CLOSE = 1e-40  # of the null model's objective: where one more step leaves nothing
_MOST_WORK = 2_500_000  # multiplications: each takes about a microsecond
_EXPONENTIAL = 64  # multiplications
_FEWEST_STEPS = 10
_MOST_LENGTHS = 60
_STEEP = Decimal("0.3")  # what may be left of a slope

_decimal = np.frompyfunc(Decimal, 1, 1)
_exponential = np.frompyfunc(Decimal.exp, 1, 1)


@dataclass(frozen=True, eq=False)
class Optimum:
    """The optimum of an objective, as far as floats can tell it.

    Attributes:
        scores: of all rows, of the softmax loss less those of each row's likeliest class,
            (n, n_outputs).
        change: by how much the optimum's predictions differ from those of these scores, two floats
            each, (2, n, n_outputs).
        near: coefficients for raw columns, (n_features, n_outputs), and intercepts, (n_outputs,):
            each rounded; and the intercepts that are best beside the rounded coefficients.
    """

    scores: Array
    change: Array
    near: list[tuple[Array, Array]]

    @classmethod
    def of(cls, objective: Objective, X: Array) -> Optimum | None:
        """The optimum, if it takes no longer than a second or two.

        Args:
            objective: with a ridge penalty of every column.
            X: its columns as they are, dense, shape (n, n_features).
        """
        if not objective.loss.is_cross_entropy:
            return None
        with localcontext(_DIGITS):
            problems, close = _problems(objective, X), Decimal(_CLOSE * objective.null[1])
            steps = int(_MOST_WORK / sum(problem.work for problem in problems))
            found = [problem.solved(close, steps) for problem in problems] if steps >= _FEWEST_STEPS else [None]
            solved = [(problem, u) for problem, u in zip(problems, found, strict=False) if u is not None]
            if len(solved) < len(problems):
                return None
            scores = np.hstack([problem.of_outputs(problem.scores(u)) for problem, u in solved])
            if not objective.loss.separable:
                scores -= scores.max(axis=1, keepdims=True)
            floats = scores.astype(np.float64)
            rest = np.hstack([problem.residual(u) for problem, u in solved])
            for part in objective.loss.exact_residuals(floats, objective.rows.target):
                rest = rest - _exact(part)
            change = rest.astype(np.float64)
            change = np.stack([change, (rest - _exact(change)).astype(np.float64)])
            W = np.hstack([problem.of_outputs(u) for problem, u in solved]).astype(np.float64)
            if not objective.fit_intercept:
                return cls(floats, change, [(W, np.zeros(W.shape[1]))])
            near = [(W[:-1], W[-1])]
            beside = [(problem, problem.beside(W[:-1]).solved(close, steps, u[-1:])) for problem, u in solved]
            best = [problem.of_outputs(b)[0].astype(np.float64) for problem, b in beside if b is not None]
            if len(best) == len(problems):
                near.append((W[:-1], np.hstack(best)))
        return cls(floats, change, near)


def _problems(objective: Objective, X: Array) -> list[_Problem]:
    """Those that an objective consists of."""
    rows, loss, (n, n_features) = objective.rows, objective.loss, X.shape
    width, n_outputs = n_features + objective.fit_intercept, loss.n_outputs
    columns = _exact(np.column_stack([X, np.ones(n)])[:, :width])
    quadratic = np.broadcast_to(np.ravel(objective.penalty.quadratic), n_features)
    ridge = (_exact(np.append(quadratic, 0.0)) / _exact(np.append(rows.columns.scale, 1.0)) ** 2)[:width]
    weight = _exact(rows.weight)[:, None] / Decimal(objective.total_weight)
    still = np.zeros((n, n_outputs))
    labels = -np.sum([_exact(part) for part in loss.exact_residuals(still, rows.target)[1:]], axis=0)
    if not loss.separable:
        offset = np.full((n, n_outputs - 1), _ZERO)
        return [_Problem(slice(0, n_outputs), columns, weight, labels, ridge, offset)]
    takes_part, offset = _exact(np.sign(loss.curvature(still, rows.target)[0])), np.full((n, 1), _ZERO)
    outputs = [slice(k, k + 1) for k in range(n_outputs)]
    return [_Problem(own, columns, weight * takes_part[:, own], labels[:, own], ridge, offset) for own in outputs]


@dataclass(frozen=True, eq=False)
class _Problem:
    """Logistic or softmax regression under a ridge, all its numbers `Decimal`.

    Of a softmax the scores of the last class are held at zero: only differences matter. The
    coefficients with the least penalty then have a sum of zero over the classes.

    Attributes:
        outputs: of the objective, which are those of this problem.
        columns: of all rows, with ones for the intercept, (n, n_columns).
        weight: of the rows, adding up to one, (n, 1); 0 for those that take no part.
        labels: probabilities of the outputs, (n, n_outputs).
        ridge: the penalty's curvature for each column, (n_columns,).
        offset: scores that come on top, (n, n_free).
    """

    outputs: slice
    columns: Array
    weight: Array
    labels: Array
    ridge: Array
    offset: Array

    @property
    def is_softmax(self) -> bool:
        """Or else it is a logistic regression, of one output."""
        return bool(self.labels.shape[1] > 1)

    @property
    def work(self) -> float:
        """How many multiplications a step takes."""
        (n, width), free = self.columns.shape, self.offset.shape[1]
        pairs = free * (free + 1) / 2
        return float(n * (free * _EXPONENTIAL + pairs * width**2) + (free * width) ** 3 / 3)

    def scores(self, u: Array) -> Array:
        """Those of the free outputs, (n, n_free)."""
        return np.asarray(self.offset + self.columns @ u)

    def of_outputs(self, values: Array) -> Array:
        """Those of all outputs, from those of the free ones: with a sum of zero."""
        if not self.is_softmax:
            return values
        every = np.hstack([values, np.full((len(values), 1), _ZERO)])
        return np.asarray(every - every.sum(axis=1, keepdims=True) / every.shape[1])

    def residual(self, u: Array) -> Array:
        """Predictions less labels, (n, n_outputs), of rows that take part."""
        p = _predictions(self.scores(u))
        p = np.hstack([p, _ONE - p.sum(axis=1, keepdims=True)]) if self.is_softmax else p
        return np.asarray((p - self.labels) * _exact((self.weight > 0).astype(np.float64)))

    def beside(self, coefficients: Array) -> _Problem:
        """The problem of the intercepts alone, beside these coefficients in float64."""
        own = _exact(coefficients[:, self.outputs])
        own = own[:, :-1] - own[:, -1:] if self.is_softmax else own
        X, ones = np.hsplit(self.columns, [len(own)])
        return replace(self, columns=ones, ridge=self.ridge[len(own) :], offset=X @ own)

    def solved(self, close: Decimal, most: int, start: Array | None = None) -> Array | None:
        """The coefficients of the free outputs, (n_columns, n_free); None where that takes more
        steps than this, or more digits.

        Each step of Newton's method is as long as the slope along it asks for: a row that a long
        step would put on its wrong side has a say only where it gets there.
        """
        u = np.full((self.columns.shape[1], self.offset.shape[1]), _ZERO) if start is None else start
        p = _predictions(self.scores(u))
        for _ in range(most):
            y = self.labels[:, : len(u.T)]
            gradient = self.columns.T @ (self.weight * (p - y)) + self.ridge[:, None] * self._mixed(u)
            quotient = _quotient(self._hessian(p), gradient.T.ravel())
            if quotient is None:
                return None
            step = -quotient.reshape(u.T.shape).T
            slope = -(gradient * step).sum()
            if slope <= 2 * close:
                return np.asarray(u + step)
            length, p = self._length(self.scores(u), p, step, slope)
            u = u + length * step
        return None

    def _mixed(self, u: Array) -> Array:
        """The penalty's gradient for a ridge of one: less the mean over the classes."""
        return np.asarray(u - u.sum(axis=1, keepdims=True) / self.labels.shape[1]) if self.is_softmax else u

    def _hessian(self, p: Array) -> Array:
        X, free = self.columns, range(len(p.T))
        H = np.full((len(free), len(X.T)) * 2, _ZERO)
        mixed = self._mixed(np.array([[Decimal(k == m) for m in free] for k in free]))
        for k in free:
            for m in free[k:]:
                block, curvature = H[k, :, m], self.weight[:, 0] * p[:, k] * (Decimal(k == m) - p[:, m])
                for j, column in enumerate(X.T):
                    block[j, : j + 1] = block[: j + 1, j] = (curvature * column) @ X[:, : j + 1]
                    block[j, j] += self.ridge[j] * mixed[k, m]
                H[m, :, k] = block
        return H.reshape((len(free) * len(X.T),) * 2)

    def _length(self, scores: Array, p: Array, step: Array, slope: Decimal) -> tuple[Decimal, Array]:
        """How long a step is made, and predictions there: the slope along it is to be a small part
        of what it was."""
        moves = self.columns @ step
        bend = (self.ridge[:, None] * step * self._mixed(step)).sum()
        least, most, length = _ZERO, Decimal("inf"), _ONE
        for _ in range(_MOST_LENGTHS):
            tried, reached = length, _predictions(scores + length * moves)
            risen = ((self.weight * (reached - p) * moves).sum() + length * bend) / slope
            if risen > _ONE + _STEEP:
                most = length
            elif risen < _ONE - _STEEP and length < 1:
                least = length
            else:
                break
            length = (least + most) / 2 if most <= 4 * least else max(most / 8, (least * most).sqrt())
        return tried, reached


def _exact(values: Array) -> Array:
    """Floats as `Decimal`, without rounding."""
    return np.asarray(_decimal(values))


def _predictions(scores: Array) -> Array:
    """The probabilities of the free outputs; the last class has a score of zero."""
    every = np.hstack([scores, np.full((len(scores), 1), _ZERO)])
    each = np.asarray(_exponential(every - every.max(axis=1, keepdims=True)))
    return np.asarray(each[:, :-1] / each.sum(axis=1, keepdims=True))


def _quotient(A: Array, b: Array) -> Array | None:
    """`A^-1 b` for a matrix that is positive definite, of which the lower half is read; None where
    the digits have nothing left of that."""
    A, pivots, x = A.copy(), np.full(len(b), _ZERO), b.copy()
    for j in range(len(b)):  # column after column of L, with A = L diag(pivots) L'
        if j:
            A[j:, j] -= A[j:, :j] @ (A[j, :j] * pivots[:j])
            x[j] -= A[j, :j] @ x[:j]
        if not A[j, j] > 0:
            return None
        pivots[j] = A[j, j]
        A[j:, j] /= pivots[j]
    x /= pivots
    for j in range(len(b) - 1)[::-1]:
        x[j] -= A[j + 1 :, j] @ x[j + 1 :]
    return x
