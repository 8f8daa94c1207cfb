"""The Hessian's square root, and its triangular factor: for small problems whose columns or rows
differ by many orders of magnitude."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, solve_triangular

from polytome.objective import Objective, all_scores
from polytome.threads import kept

Array = NDArray[Any]

__all__ = ["HessianRoot"]

_MAX_ENTRIES = 2**24
_MAX_OPERATIONS = 2e9  # operations of a factorisation


@dataclass(frozen=True)
class HessianRoot:
    """A matrix A with `A'A = H`, never H itself.

    The Hessian of a row's softmax loss is `sum_{k<l} p_k p_l (e_k - e_l)(e_k - e_l)'`, that of a
    sigmoid `p (1 - p)`. So A has rows `sqrt(s_i p_k p_l / S) (e_k - e_l) (x) x_i`, and
    `sqrt(lambda) I` for the penalty. Its triangular factor, with pivoted columns and rows in the
    order of their size, preserves small rows beside rows a billion times as large, which the
    entries of H would lose.

    Args:
        objective: with a ridge penalty of every column, and products in float64, over few rows and
            columns.

    Reference: Cox and Higham, Stability of Householder QR factorization for weighted least squares
    problems, in Numerical Analysis 1997, 1998.
    """

    objective: Objective

    @classmethod
    def of(cls, objective: Objective) -> HessianRoot | None:
        """The root of an objective's Hessian, if every column is penalised and it is small enough
        to be factored."""
        n, (n_columns, n_outputs) = objective.rows.n_rows, objective.shape
        pairs, side, problems = 1, n_columns, n_outputs
        if not objective.loss.separable:
            pairs, side, problems = n_outputs * (n_outputs - 1) // 2 + n_outputs, n_columns * n_outputs, 1
        entries = problems * (n * pairs + side) * side
        suits = entries <= _MAX_ENTRIES and entries * side <= _MAX_OPERATIONS and not objective.penalty.is_nothing
        suits = suits and not objective.unpenalised.size and objective.rows.facts.is_resident
        return cls(objective.at(np.float64)) if suits else None

    @property
    @kept
    def X(self) -> Array:
        """The standardised columns of all rows, and the intercept's, (n, n_features + 1)."""
        rows = self.objective.rows
        dense = np.vstack([rows.dense(block) for block in rows.blocks()])
        return np.column_stack([dense, np.full(rows.n_rows, float(self.objective.fit_intercept))])

    def step(self, W: Array, gradient: Array, extra: Array | None = None) -> Array:
        """`-H^-1 gradient` at coefficients `W`.

        Args:
            W: shape `objective.shape`.
            gradient: of the same shape; those of the softmax loss's classes add up to zero.
            extra: curvature that is added to each row's, shape (n,).
        """
        objective, X, n_columns = self.objective, self.X, len(gradient)
        scores = all_scores(objective.rows, objective.rows.columns.to_raw(W))
        m, u = objective.loss.curvature(scores, objective.rows.target)
        weighted = X * np.sqrt(objective.rows.weight / objective.total_weight)[:, None]
        # An intercept that is not fitted is held at zero; and so is the same change to each class,
        # which changes no prediction.
        ridge = np.broadcast_to(objective.penalty.quadratic, (n_columns - 1, 1)).ravel()
        penalty_rows = np.diag(np.sqrt(np.append(ridge, 1.0 - objective.fit_intercept)))
        if u is not None:
            sizes = np.sqrt((weighted * weighted).sum(axis=0) + (penalty_rows * penalty_rows).sum(axis=0))
            flat = np.kron(np.ones(objective.shape[1]), np.diag(sizes))
            A = np.vstack([*_pairs(weighted, m, extra), np.kron(np.eye(objective.shape[1]), penalty_rows), flat])
            return np.ascontiguousarray(_solved(A, gradient.T.ravel()).reshape(-1, n_columns).T)
        more = 0.0 if extra is None else extra[:, None]
        each = zip((m + more).T, gradient.T, strict=True)
        solved = [_solved(np.vstack([weighted * np.sqrt(c)[:, None], penalty_rows]), g) for c, g in each]
        return np.column_stack(solved)


def _pairs(X: Array, p: Array, extra: Array | None) -> list[Array]:
    """The rows of every pair of classes, and those of the extra curvature."""
    n_outputs, parts = p.shape[1], []
    for k in range(n_outputs):
        for other in range(k):
            part = np.zeros((len(X), n_outputs, X.shape[1]))
            part[:, k] = X * np.sqrt(p[:, k] * p[:, other])[:, None]
            part[:, other] = -part[:, k]
            parts.append(part.reshape(len(X), -1))
        if extra is not None:
            part = np.zeros((len(X), n_outputs, X.shape[1]))
            part[:, k] = X * np.sqrt(extra)[:, None]
            parts.append(part.reshape(len(X), -1))
    return parts


def _solved(A: Array, gradient: Array) -> Array:
    """`-(A'A)^-1 gradient`; minus the gradient where A has no full rank in float64."""
    factored = _factor(A)
    if factored is None:
        return -gradient
    triangle, order, scale = factored
    inner = solve_triangular(triangle, (gradient / scale)[order], trans="T", check_finite=False)
    step = np.empty_like(gradient)
    step[order] = solve_triangular(triangle, inner, check_finite=False)
    return -step / scale


def _factor(A: Array) -> tuple[Array, Array, Array] | None:
    """The triangle of a matrix of scaled columns, their order and their sizes; None if it has no
    full rank."""
    scale = np.abs(A).max(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    A = A / scale
    if not np.isfinite(A).all():
        return None
    A = A[np.argsort(-np.abs(A).max(axis=1), kind="stable")]
    triangle, order = qr(A, mode="r", pivoting=True, check_finite=False)
    triangle = triangle[: A.shape[1]]
    return (triangle, order, scale) if np.abs(np.diag(triangle)).min() > 0 else None
