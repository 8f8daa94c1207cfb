"""Better coefficients in 64-bit floats, for `polytome.verify`: Newton's method by conjugate
gradients, in a few lines.

What it finds proves nothing by itself, and need not: it is then evaluated in the ball arithmetic of
`polytome.verification.balls`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import expit, logsumexp, softmax

from polytome.verification.balls import BallProblem

Array = NDArray[Any]

__all__ = ["polished", "polished_with_corners"]

_MOST_PROXIMAL_STEPS = 500
_BLOCK_ROWS = 4096


def polished(
    problem: BallProblem, coefficients: Array, intercepts: Array, say: Callable[[str], None], steps: int = 3
) -> tuple[Array, Array]:
    """Coefficients (m, d) and intercepts (m,) after a few Newton steps, each solved by conjugate
    gradients.

    Reference: Nocedal and Wright, Numerical Optimization, 2006, section 7.1.
    """
    floats = _Floats(problem)
    iterate = floats.at(floats.scaled(coefficients, intercepts))
    for step in range(steps):
        say(f"a better witness: Newton step {step + 1} in floats")
        new = _newton_step(floats, iterate)
        if new is None:
            break
        is_much_better = np.abs(new.gradient).max() < 0.5 * np.abs(iterate.gradient).max()
        iterate = new
        if not is_much_better:
            break
    return floats.given(iterate.W)


@dataclass(frozen=True)
class _Iterate:
    """Coefficients and what is known at them: all have the shape of W except `predictions`,
    (n, m)."""

    W: Array
    value: float
    gradient: Array
    diagonal: Array
    predictions: Array


def _newton_step(floats: _Floats, iterate: _Iterate) -> _Iterate | None:
    """The end of a Newton step, halved until the objective falls sufficiently; None if it never
    does."""
    shape, length = (iterate.W.size, iterate.W.size), 1.0
    diagonal = np.maximum(iterate.diagonal.ravel(), 1e-300)
    hessian = LinearOperator(shape, matvec=lambda v: floats.product(iterate, v), dtype=np.float64)
    scaling = LinearOperator(shape, matvec=lambda v: v / diagonal, dtype=np.float64)
    direction, _ = cg(hessian, -iterate.gradient.ravel(), rtol=1e-3, maxiter=40, M=scaling)
    slope = float(iterate.gradient.ravel() @ direction)
    while length > 1e-6:
        new = floats.at(iterate.W + length * direction.reshape(iterate.W.shape))
        if new.value <= iterate.value + 1e-4 * length * slope + 1e-15 * abs(iterate.value):
            return new
        length /= 2
    return None


def polished_with_corners(
    problem: BallProblem, coefficients: Array, intercepts: Array, say: Callable[[str], None]
) -> tuple[Array, Array]:
    """Better coefficients and intercepts under a penalty of absolute values, by accelerated
    proximal gradient steps from given ones; the last ones where no step improves them.

    Reference: Beck and Teboulle, A fast iterative shrinkage-thresholding algorithm for linear
    inverse problems, SIAM Journal on Imaging Sciences 2, 2009.
    """
    floats = _Floats(problem)
    lower, upper = floats.bounds
    sizes = np.array([float(size) for size in problem.sizes]) * float(problem.strength) * problem.l1_ratio
    corner = np.append(sizes / floats.size, 0.0)[:, None]
    groups = None if problem.groups is None else np.append(problem.groups, max(problem.groups) + 1)
    if groups is not None:
        corner *= np.sqrt(np.bincount(groups))[groups][:, None]

    def norms(W: Array) -> Array:
        """What corners are multiplied by: absolute values, or of each column its group's norm."""
        if groups is None:
            return np.abs(W)
        return np.asarray(np.sqrt(np.bincount(groups, (W * W).sum(axis=1)))[groups][:, None])

    parts = 1.0 if groups is None else 1 / np.bincount(groups)[groups][:, None]  # each group counts once

    def whole(iterate: _Iterate) -> float:
        return iterate.value + float((parts * corner * norms(iterate.W)).sum())

    best = last = floats.at(floats.scaled(coefficients, intercepts))
    ahead, momentum, length = last, 1.0, 1.0
    for step in range(_MOST_PROXIMAL_STEPS):
        if step % 100 == 0:
            say(f"proximal gradient step {step}")
        for _ in range(60):
            W = ahead.W - length * ahead.gradient
            size_of = norms(W)
            left = np.maximum(size_of - length * corner, 0.0)
            W = W * np.divide(left, size_of, out=np.zeros_like(left), where=size_of > 0)
            new = floats.at(np.clip(W, lower, upper))
            apart = new.W - ahead.W
            size = float((apart * apart).sum())
            if new.value <= ahead.value + float((ahead.gradient * apart).sum()) + size / (2 * length) + 1e-16:
                break
            length = max(length / 2, np.finfo(np.float64).tiny)  # columns of 1e150 bring it there
        if size == 0:
            break
        best = new if whole(new) < whole(best) else best
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        if whole(new) > whole(last):  # too much momentum: begin anew
            following, momentum = 1.0, 1.0
        ahead = floats.at(new.W + (momentum - 1) / following * (new.W - last.W))
        last, momentum = new, following
    return floats.given(best.W)


class _Floats:
    """The objective in floats, with columns centred, unless they are sparse, and divided by their
    largest size."""

    def __init__(self, problem: BallProblem) -> None:
        self.problem, self.n_rows = problem, problem.X.shape[0]
        self.is_sparse = bool(sparse.issparse(problem.X))
        self.weight = np.array([[float(s)] for block in problem.blocks() for s in block.weight])
        self.weight /= self.weight.sum()
        self.y = _floats_of(problem.y)
        self.offset = np.zeros((1, 1)) if problem.offset is None else problem.offset
        if problem.softmax:
            self.y /= self.y.sum(axis=1, keepdims=True)
        n_features = problem.X.shape[1]
        self.mean, self.size = np.zeros(n_features), np.ones(n_features)
        if problem.fit_intercept and not self.is_sparse:
            self.mean = np.sum([self.weight[rows, 0] @ X for rows, X in self._blocks()], axis=0)
        largest = np.max([np.ravel(_dense(abs(X).max(axis=0))) for _, X in self._blocks()], axis=0)
        self.size = np.where(largest > 0, largest, 1.0)
        if problem.groups is not None and problem.l1_ratio > 0:
            # Columns of a group keep the proportions that its norm sees.
            divisors = np.array([float(divisor) for divisor in problem.divisors])
            of_group = np.zeros(max(problem.groups) + 1)
            np.maximum.at(of_group, problem.groups, self.size / divisors)
            self.size = divisors * of_group[problem.groups]
        ridges = np.array([float(ridge) for ridge in problem.ridges])
        self.ridge = np.append(float(problem.strength) * ridges / self.size**2, 0.0)[:, None]

    def scaled(self, coefficients: Array, intercepts: Array) -> Array:
        """Coefficients of the columns as they are centred and scaled here, (d + 1, m), intercepts
        last."""
        return np.vstack([coefficients.T * self.size[:, None], intercepts + coefficients @ self.mean])

    def given(self, W: Array) -> tuple[Array, Array]:
        """The inverse of `scaled`."""
        coefficients = (W[:-1] / self.size[:, None]).T
        if self.problem.bounds is not None:  # a quotient may round past them
            coefficients = np.clip(coefficients, *np.array(self.problem.bounds).T)
        return coefficients, W[-1] - coefficients @ self.mean

    @property
    def bounds(self) -> tuple[Array, Array]:
        """What the coefficients of columns as they are scaled here are within, (d + 1, 1) both."""
        if self.problem.bounds is None:
            return np.array([[-np.inf]]), np.array([[np.inf]])
        low, high = np.array(self.problem.bounds).T
        return np.append(low * self.size, -np.inf)[:, None], np.append(high * self.size, np.inf)[:, None]

    def at(self, W: Array) -> _Iterate:
        """Value, gradient, diagonal of the Hessian and predictions at W."""
        value = 0.5 * float((self.ridge * W * W).sum())
        gradient, diagonal = self.ridge * W, np.zeros_like(W) + self.ridge
        predictions = np.empty(self.y.shape)
        for rows, X in self._blocks():
            y, s, z = self.y[rows], self._weight(rows), X @ W[:-1] + W[-1]
            z = z + (self.offset[rows] if len(self.offset) > 1 else self.offset)
            if self.problem.softmax:
                p = softmax(z, axis=1)
                value += float((s * (logsumexp(z, axis=1, keepdims=True) - (y * z).sum(axis=1, keepdims=True))).sum())
            else:
                p = expit(z)
                value += float((s * (np.logaddexp(0, z) - y * z)).sum())
            predictions[rows] = p
            self._add(gradient, X, s * (p - y))
            self._add(diagonal, X.multiply(X) if self.is_sparse else X * X, s * p * (1 - p))
        return _Iterate(W, value, gradient, diagonal, predictions)

    def product(self, iterate: _Iterate, direction: Array) -> Array:
        """The Hessian at an iterate times a direction, both flat."""
        V = direction.reshape(iterate.W.shape)
        result = self.ridge * V
        for rows, X in self._blocks():
            p, u = iterate.predictions[rows], X @ V[:-1] + V[-1]
            change = p * (u - (p * u).sum(axis=1, keepdims=True)) if self.problem.softmax else p * (1 - p) * u
            self._add(result, X, self._weight(rows) * change)
        return result.ravel()

    def _add(self, total: Array, X: Any, residual: Array) -> None:
        """Adds the columns, and the intercept if there is one, times the residuals of their
        rows."""
        total[:-1] += X.T @ residual
        if self.problem.fit_intercept:
            total[-1] += residual.sum(axis=0)

    def _weight(self, rows: slice) -> Array:
        own = self.problem.own
        return self.weight[rows] if own is None else self.weight[rows] * own[rows]

    def _blocks(self) -> Iterator[tuple[slice, Any]]:
        """The rows as floats, centred and scaled."""
        for start in range(0, self.n_rows, _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            X: Any = self.problem.X[rows].astype(np.float64)
            yield rows, X @ sparse.diags_array(1 / self.size) if self.is_sparse else (X - self.mean) / self.size


def _dense(X: Any) -> Any:
    return X.toarray() if hasattr(X, "toarray") else X


def _floats_of(y: Array) -> Array:
    """Labels as floats, even if they are exact fractions."""
    if y.dtype.kind != "O":
        return y.astype(np.float64)
    return np.array([[int(v.p) / int(v.q) for v in row] for row in y.tolist()])
