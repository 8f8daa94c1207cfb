"""Better coefficients in 64-bit floats, for `polytome.verify`: Newton's method by conjugate gradients, in a few lines.

What it finds proves nothing by itself, and need not: the ball arithmetic of `polytome.balls` then evaluates it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import expit, softmax

from polytome.balls import BallProblem

Array = NDArray[Any]

__all__ = ["polished"]

_ROWS = 4096


def polished(
    problem: BallProblem, coefficients: Array, intercepts: Array, say: Callable[[str], None], steps: int = 6
) -> tuple[Array, Array]:
    """Coefficients (m, d) and intercepts (m,) after a few Newton steps, each solved by conjugate gradients.

    Reference: Nocedal and Wright, Numerical Optimization, 2006, section 7.1.
    """
    floats = _Floats(problem)
    W = floats.scaled(coefficients, intercepts)
    value, gradient, product, diagonal = floats.derivatives(W)
    for step in range(steps):
        say(f"a better witness: step {step + 1}")
        operator = LinearOperator((W.size, W.size), matvec=product, dtype=np.float64)
        scaling = LinearOperator((W.size, W.size), matvec=lambda v, d=diagonal: v / d, dtype=np.float64)
        direction, _ = cg(operator, -gradient, rtol=1e-3, maxiter=60, M=scaling)
        slope, size = float(gradient @ direction), 1.0
        while size > 1e-6:
            trial = W + size * direction.reshape(W.shape)
            new = floats.derivatives(trial)
            if new[0] <= value + 1e-4 * size * slope + 1e-15 * abs(value):
                break
            size /= 2
        else:
            break
        smaller = np.abs(new[1]).max() < 0.5 * np.abs(gradient).max()
        W, (value, gradient, product, diagonal) = trial, new
        if not smaller:
            break
    return floats.given(W)


class _Floats:
    """The objective in floats, with columns divided by their largest absolute deviation from their mean."""

    def __init__(self, problem: BallProblem) -> None:
        self.problem, self.X = problem, problem.X
        n_features = self.X.shape[1]
        self.weight = np.array([float(s) for block in problem.blocks() for s in block.weight])
        self.weight /= self.weight.sum()
        self.y = _floats_of(problem.y)
        if problem.softmax:
            self.y /= self.y.sum(axis=1, keepdims=True)
        self.mean = np.zeros(n_features)
        if problem.fit_intercept and not sparse.issparse(self.X):
            self.mean = sum(self.weight[rows] @ self._plain(rows) for rows in self._parts())
        largest = np.zeros(n_features)
        for rows in self._parts():
            part = self._plain(rows)
            size = abs(part).max(axis=0) if not sparse.issparse(part) else abs(part).max(axis=0).toarray().ravel()
            largest = np.maximum(largest, size)
        self.size = np.where(largest > 0, largest, 1.0)
        divisors = np.array([float(d) for d in problem.divisors])
        self.ridge = float(problem.strength) * (divisors / self.size) ** 2

    def scaled(self, coefficients: Array, intercepts: Array) -> Array:
        """Coefficients of the columns as they are centred and scaled here, (d + 1, m), intercepts last."""
        return np.vstack([coefficients.T * self.size[:, None], intercepts + coefficients @ self.mean])

    def given(self, W: Array) -> tuple[Array, Array]:
        """The inverse of `scaled`."""
        coefficients = (W[:-1] / self.size[:, None]).T
        return coefficients, W[-1] - coefficients @ self.mean

    def derivatives(self, W: Array) -> tuple[float, Array, Callable[[Array], Array], Array]:
        """Value, gradient, product with the Hessian, and its diagonal."""
        problem, value = self.problem, 0.0
        gradient, diagonal = np.zeros_like(W), np.zeros_like(W)
        predictions = np.empty(self.y.shape)
        ridge = np.append(self.ridge, 0.0)[:, None]
        for rows in self._parts():
            X, y, s = self._columns(rows), self.y[rows], self.weight[rows][:, None]
            z = X @ W[:-1] + W[-1]
            if problem.softmax:
                p = softmax(z, axis=1)
                top = z.max(axis=1, keepdims=True)
                loss = np.log(np.exp(z - top).sum(axis=1, keepdims=True)) + (y * (top - z)).sum(axis=1, keepdims=True)
            else:
                p = expit(z)
                loss = np.logaddexp(0, z) - y * z
            s = s if problem.own is None else s * problem.own[rows]
            value += float((s * loss).sum())
            predictions[rows] = p
            curvature = s * p * (1 - p)
            residual = s * (p - y)
            gradient[:-1] += X.T @ residual
            squares = X.multiply(X) if sparse.issparse(X) else X * X
            diagonal[:-1] += squares.T @ curvature
            gradient[-1] += residual.sum(axis=0)
            diagonal[-1] += curvature.sum(axis=0)
        value += 0.5 * float((ridge * W * W).sum())
        gradient += ridge * W
        diagonal += ridge
        if not problem.fit_intercept:
            gradient[-1] = 0.0

        def product(flat: Array) -> Array:
            V = flat.reshape(W.shape)
            result = ridge * V
            for rows in self._parts():
                X, p, s = self._columns(rows), predictions[rows], self.weight[rows][:, None]
                s = s if problem.own is None else s * problem.own[rows]
                u = X @ V[:-1] + V[-1]
                u = s * p * (u - (p * u).sum(axis=1, keepdims=True) if problem.softmax else (1 - p) * u)
                result[:-1] += X.T @ u
                result[-1] += u.sum(axis=0) if problem.fit_intercept else 0.0
            return result.ravel()

        return value, gradient.ravel(), product, np.maximum(diagonal.ravel(), 1e-300)

    def _parts(self) -> list[slice]:
        return [slice(start, start + _ROWS) for start in range(0, self.X.shape[0], _ROWS)]

    def _plain(self, rows: slice) -> Any:
        """The rows as floats, centred."""
        part = self.X[rows]
        return part.astype(np.float64) if sparse.issparse(part) else part.astype(np.float64) - self.mean

    def _columns(self, rows: slice) -> Any:
        """The rows as floats, centred and scaled."""
        part = self._plain(rows)
        return part @ sparse.diags_array(1 / self.size) if sparse.issparse(part) else part / self.size


def _floats_of(y: Array) -> Array:
    """Labels as floats, also where they are exact fractions."""
    if y.dtype.kind != "O":
        return y.astype(np.float64)
    return np.array([[int(v.p) / int(v.q) for v in row] for row in y.tolist()])
