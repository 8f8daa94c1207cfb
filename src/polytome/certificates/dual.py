"""The certificate of a dual point: a prediction for each row proves a lower bound, and yields
coefficients.

Any predictions q_i whose residuals `R_i = q_i - y_i` have weighted sum zero are feasible for the
dual of an L2 penalised problem. They imply coefficients `W = -G / lambda` with
`G = X' diag(s) R / S`, and with p_i the predictions of these coefficients and any intercepts, the
duality gap is the mean over the rows of how far p is from q:

    P(W, b) - D(q) = sum_i s_i (loss(z_i) + loss*(R_i) - <z_i, R_i>) / S
                   = sum_i s_i KL(q_i || p_i) / S      (softmax)

Reference: Shalev-Shwartz and Zhang, Stochastic dual coordinate ascent methods for regularized loss
minimization, JMLR 14, 2013, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome import native
from polytome.certificates.certificate import Certificate, proof_of_parts
from polytome.certificates.rounding import rounding_of
from polytome.objective import Objective
from polytome.objective.intercepts import KnownScores, exact_intercept
from polytome.passes import Block, ProductOfColumns, Scores, Sums
from polytome.rows import in_memory

Array = NDArray[Any]

__all__ = ["certify_dual", "implied_coefficients"]


def certify_dual(
    objective: Objective, dual: Array, tol: float, intercepts: Array | None = None
) -> tuple[Certificate, Array]:
    """Certificate of the coefficients that a dual point implies, and these: two passes over the
    rows in float64.

    Args:
        objective: what was minimised, with a penalty of every column.
        dual: predictions as the scores that give them (`loss.mean(dual)`), shape (n, n_outputs).
        tol: the tolerance to be judged by, relative to the null model.
        intercepts: for raw columns, near those that are best, shape (n_outputs,); if None, the null
            model's.
    """
    objective = objective.at(np.float64)
    rows = objective.rows
    dual = dual.astype(np.float64)
    shift = exact_intercept(objective, dual) if objective.fit_intercept else np.zeros(dual.shape[1])
    dual_loss, dual_slope, residual = KnownScores(objective, dual).loss_slope_and_residuals(shift)
    W = implied_coefficients(objective, residual)
    scores = _scores_without_intercept(objective, W)
    intercept = np.array(objective.null[0][-1] if intercepts is None else intercepts)
    scores += intercept
    correction = exact_intercept(objective, scores) if objective.fit_intercept else np.zeros_like(intercept)
    loss, _ = KnownScores(objective, scores).loss_and_slope(correction)
    # loss* of a residual is <u, R> - loss(u) at the scores u that it belongs to, by Fenchel's
    # equality.
    scores -= dual
    product = float(rows.weight @ np.einsum("ij,ij->i", scores, residual)) / objective.total_weight
    divergence = loss - dual_loss - product - float((correction - shift) @ dual_slope)
    intercept += correction
    W[-1] = objective.loss.canonical((intercept + (rows.columns.shift * rows.columns.scale) @ W[:-1])[np.newaxis])
    P = loss + objective.penalty.value(W[:-1])
    rounding = rounding_of(objective, W, max(P, dual_loss))
    terms = abs(loss) + abs(dual_loss) + _size_of_products(objective, dual, scores, residual, correction, shift)
    rounding = replace(rounding, divergence=rounding.divergence + rounding.objective + rounding.roundings * terms)
    # The columns' centres matter where residuals do not quite add up to zero.
    unbalanced = np.abs(dual_slope)
    size = objective.penalty.dual_norm((rows.columns.scale * rows.columns.shift)[:, None])
    size *= float(np.linalg.norm(unbalanced))
    return proof_of_parts(objective, rounding, P, size, unbalanced, tol, divergence=max(divergence, 0.0)), W


def _size_of_products(
    objective: Objective, dual: Array, change: Array, residual: Array, found: Array, shift: Array
) -> float:
    """Bound on the mean absolute value of the products of scores and residuals, by Cauchy and
    Schwarz."""
    share = objective.rows.weight / objective.total_weight

    def size(values: Array) -> float:
        return float(np.sqrt(share @ np.einsum("ij,ij->i", values, values)))

    intercepts = float(np.linalg.norm(found)) + float(np.linalg.norm(shift))
    return (size(change) + 2 * size(dual) + intercepts) * size(residual)


def implied_coefficients(objective: Objective, residual: Array) -> Array:
    """Coefficients that residuals of weighted sum zero imply, the intercepts left at zero: a pass.

    Each column's are `-G / lambda`, lambda being its own. They are those of scaled columns,
    canonical where the residuals are (a softmax row's sum to zero). The shifts of the columns do
    not matter, since the intercept makes up for them.

    Args:
        objective: what is minimised.
        residual: predictions minus targets, shape (n, n_outputs), float64.
    """
    rows, weight = objective.rows.at(np.float64), objective.rows.weight
    scale = rows.columns.scale / np.ravel(objective.penalty.weights)
    share = np.zeros((rows.n_rows + 1, residual.shape[1]))
    np.multiply(residual, (weight / (-objective.total_weight * objective.penalty.modulus))[:, None], out=share[:-1])
    if not rows.is_sparse:
        (features,) = rows.with_target(share[:-1]).reduce(ProductOfColumns())
        return np.vstack([features * scale[:, None], np.zeros(features.shape[1])])
    # Column by column: each line of the coefficients is written once, and the residuals stay in the
    # cache. They are to the columns what coefficients are to the rows. An empty column makes room
    # for the intercepts.
    X = _scaled(in_memory(rows, "a dual point").whole.stored, scale).tocsc()
    bounds = np.append(X.indptr, X.indptr[-1:])
    columns: Any = sparse.csr_matrix((X.data, X.indices, bounds), shape=(X.shape[1] + 1, X.shape[0]))
    return _scores_of(columns, share)


def _scores_without_intercept(objective: Objective, W: Array) -> Array:
    """Scores of all rows for scaled columns, float64; the last row of W has to be zero."""
    rows = objective.rows
    if not rows.is_sparse:
        (scores,) = rows.reduce(_Products(W[:-1] * rows.columns.scale[:, None]))
        return scores
    return _scores_of(_scaled(in_memory(rows, "a dual point").whole.stored, rows.columns.scale), W)


def _scores_of(X: Any, W: Array) -> Array:
    """Scores of a sparse matrix's rows, float64."""
    n_rows = X.shape[0]
    block = Block(X, np.dtype(np.float64), np.zeros(n_rows), np.ones(n_rows))
    (scores,) = native.reduce_block(Scores(W), block)
    return scores


@dataclass(frozen=True, eq=False)
class _Products:
    """Products of the raw columns with coefficients, joined: (n, n_outputs)."""

    coefficients: Array
    joined = 1

    def of_block(self, block: Block) -> Sums:
        return (np.asarray(block.X @ self.coefficients),)


def _scaled(X: Any, scale: Array) -> Any:
    """A sparse matrix as CSR with scaled columns: cheaper than scaling the coefficients of many
    outputs."""
    X = X.tocsr()
    if (scale == 1.0).all():
        return X
    return sparse.csr_matrix((X.data * scale[X.indices], X.indices, X.indptr), shape=X.shape)
