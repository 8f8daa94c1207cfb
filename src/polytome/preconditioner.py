"""Approximations of the inverse Hessian: what L-BFGS starts from, and conjugate gradients are preconditioned by.

At the null model every row has the same probabilities, so the Hessian is exactly a Kronecker product `A (x) S + lambda I`,
with `A = diag(p) - p p'` over outputs and `S` the Gram matrix of the columns. Elsewhere that form is the natural approximation:
`A` the mean Hessian over rows, `S` the Gram matrix weighted by each row's curvature. Two ways to invert it:

    KroneckerPreconditioner   S in full, for up to some thousands of columns
    DiagonalPreconditioner    the diagonal of S, for any number of columns
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, eigh

from polytome.objective import Objective, block_scores
from polytome.rows import Block
from polytome.rows.blocks import centred_squares

Array = NDArray[Any]

__all__ = ["DiagonalPreconditioner", "KroneckerPreconditioner", "Preconditioner", "precondition"]

LARGEST_GRAM = 4_096
_SAMPLE = 20_000


class Preconditioner(Protocol):
    """An approximate inverse Hessian."""

    def solve(self, gradient: Array) -> Array:
        """The inverse times a gradient of shape (n_features + 1, n_outputs)."""
        ...


@dataclass(frozen=True)
class Outputs:
    """The part over outputs: the mean Hessian of the loss with respect to the scores, `V diag(alpha) V'`."""

    V: Array
    alpha: Array
    mean_weight: float

    def solve_intercept(self, gradient: Array) -> Array:
        """Inverse of the intercepts' Hessian times their gradient; zero along directions without curvature."""
        curvature = self.alpha * self.mean_weight
        usable = curvature > 1e-12 * curvature.max()
        inverse = np.where(usable, 1 / np.where(usable, curvature, 1.0), 0.0)
        step: Array = self.V @ (inverse * (self.V.T @ gradient))
        return step


@dataclass(frozen=True)
class KroneckerPreconditioner:
    """`(A (x) S + lambda I)^-1` through one generalised eigenproblem.

    With `M = a S + lambda I` for the mean eigenvalue `a` of A, let `U' M U = I` and `U' (lambda I) U = diag(e)`. Then
    `U' (alpha S + lambda I) U = diag(alpha / a * (1 - e) + e)` for every eigenvalue alpha of A at once. Unlike the eigenvalues of
    S, those `e` lie in [0, 1] however differently the columns are scaled.
    """

    outputs: Outputs
    U: Array
    denominator: Array

    def solve(self, gradient: Array) -> Array:
        """Two products with a (d, d) matrix."""
        rotated = self.U.T @ (gradient[:-1] @ self.outputs.V)
        features = self.U @ (rotated / self.denominator) @ self.outputs.V.T
        return np.vstack([features, self.outputs.solve_intercept(gradient[-1])])


@dataclass(frozen=True)
class DiagonalPreconditioner:
    """`(A (x) diag(S) + lambda I)^-1`: a division, in the eigenvectors of A."""

    outputs: Outputs
    denominator: Array

    def solve(self, gradient: Array) -> Array:
        """Two products with a (K, K) matrix."""
        features = (gradient[:-1] @ self.outputs.V) / self.denominator @ self.outputs.V.T
        return np.vstack([features, self.outputs.solve_intercept(gradient[-1])])


def precondition(objective: Objective, W: Array) -> Preconditioner:
    """The preconditioner that suits the number of columns, with the curvature at `W`; part of a pass over the rows."""
    n_rows, n_features = objective.rows.n_rows, objective.rows.n_features
    if n_features > LARGEST_GRAM:
        return _diagonal(objective, W)
    # About as much arithmetic as ten passes, and never so few rows that their Gram matrix misleads.
    size = max(_SAMPLE, 20 * n_rows * objective.loss.n_outputs // n_features)
    if size < n_rows:
        objective = replace(objective, rows=objective.rows.sample(size, np.random.default_rng(0)))
    return _kronecker(objective, W)


def _row_curvature(objective: Objective, block: Block, raw: Array) -> tuple[Array, Array, Array | None]:
    """Trace of each row's Hessian times its weight, and the `m`, `u` it is made of."""
    m, u = objective.loss.curvature(block_scores(block, raw))
    trace = m.sum(axis=1) - (0.0 if u is None else (u * u).sum(axis=1))
    return block.weight * np.maximum(trace, 0.0), m, u


def _mean_hessian(weight: Array, m: Array, u: Array | None) -> Array:
    """Weighted sum of `diag(m) - u u'` over rows, (n_outputs, n_outputs)."""
    hessian = np.diag(weight @ m)
    return hessian if u is None else hessian - (u * weight[:, None]).T @ u


def _outputs(objective: Objective, mean_hessian: Array, trace: float) -> Outputs:
    """Eigenvectors of A, normalised so that `A (x) S` has the trace of the Hessian."""
    n_outputs = len(mean_hessian)
    if not trace > 0:  # every row is classified beyond doubt: any positive curvature will do
        return Outputs(np.eye(n_outputs), np.ones(n_outputs), 1.0)
    alpha, V = np.linalg.eigh(mean_hessian / trace)
    return Outputs(V, np.maximum(alpha, 0.0), trace / objective.total_weight)


def _kronecker(objective: Objective, W: Array) -> KroneckerPreconditioner:
    rows, strength = objective.rows, objective.penalty.strength
    raw = rows.columns.to_raw(W)

    def block_sums(block: Block) -> tuple[Array, ...]:
        trace, m, u = _row_curvature(objective, block, raw)
        X = (rows.dense(block) * np.sqrt(trace)[:, None]).astype(rows.precision, copy=False)
        return X.T @ X, _mean_hessian(block.weight, m, u), np.asarray(trace.sum())

    S, mean_hessian, trace = rows.sum(block_sums)
    outputs = _outputs(objective, mean_hessian, float(trace))
    S /= objective.total_weight
    typical = float(outputs.alpha.sum()) / max(1, int((outputs.alpha > 1e-12).sum()))
    M = typical * S
    diagonal = M.diagonal() + strength
    diagonal[diagonal <= 0] = 1.0
    ridge = float(np.finfo(rows.precision).eps)
    while True:
        M[np.diag_indices_from(M)] = diagonal * (1 + ridge)
        try:
            e, U = eigh(np.diag(np.full(len(M), strength)), M, check_finite=False)
        except LinAlgError:
            ridge *= 100
            continue
        e = np.clip(e, 0.0, 1.0)
        ratio = outputs.alpha / typical
        denominator = np.multiply.outer(1 - e, ratio) + e[:, None]
        # Without penalty a direction that no output bends is left alone, not divided by zero.
        denominator[denominator < 1e-12] = 1.0
        return KroneckerPreconditioner(outputs, U, denominator)


def _diagonal(objective: Objective, W: Array) -> DiagonalPreconditioner:
    rows, strength = objective.rows, objective.penalty.strength
    raw = rows.columns.to_raw(W)

    def block_sums(block: Block) -> tuple[Array, ...]:
        trace, m, u = _row_curvature(objective, block, raw)
        return _mean_hessian(block.weight, m, u), np.asarray(trace.sum())

    mean_hessian, trace = rows.sum(block_sums)
    outputs = _outputs(objective, mean_hessian, float(trace))
    columns = rows.columns
    squares = centred_squares(rows, columns.shift, lambda block: _row_curvature(objective, block, raw)[0])
    squares *= columns.scale**2 / objective.total_weight
    denominator = np.multiply.outer(squares, outputs.alpha) + strength
    denominator[denominator <= 0] = 1.0
    return DiagonalPreconditioner(outputs, denominator)
