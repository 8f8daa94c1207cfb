"""The certificate of a dual point: a prediction for each row proves a lower bound, and yields coefficients.

Any predictions q_i whose residuals `R_i = q_i - y_i` have weighted sum zero are feasible for the dual of an L2
penalised problem. They imply coefficients `W = -G / lambda` with `G = X' diag(s) R / S`, and with p_i the predictions
of these coefficients and any intercepts, the duality gap is the mean over the rows of how far p is from q:

    P(W, b) - D(q) = sum_i s_i (loss(z_i) + loss*(R_i) - <z_i, R_i>) / S      (softmax: sum_i s_i KL(q_i || p_i) / S)

Reference: Shalev-Shwartz and Zhang, Stochastic dual coordinate ascent methods for regularized loss minimization, JMLR
14, 2013, section 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificate import Certificate
from polytome.losses import Loss
from polytome.objective import Objective, block_scores

Array = NDArray[Any]

__all__ = ["certify_dual", "exact_intercept", "raw_coefficients"]


def certify_dual(objective: Objective, dual: Array, tol: float) -> tuple[Certificate, Array]:
    """Certificate of the coefficients that a dual point implies, and the coefficients: a pass over the rows in float64.

    Args:
        objective: what was minimised, with an L2 penalty.
        dual: predictions as the scores that give them (`loss.mean(dual)`), shape (n, n_outputs).
        tol: the tolerance to be judged by, relative to the null model.
    """
    objective = objective.at(np.float64)
    loss, rows, strength = objective.loss, objective.rows, objective.penalty.strength
    target, weight = rows.target, rows.weight
    dual = dual.astype(np.float64)
    if objective.fit_intercept:
        dual += exact_intercept(loss, dual, target, weight)
    _, residual = loss.value_and_gradient(dual, target)
    raw = raw_coefficients(objective, residual)
    scores = rows.each(lambda block: block_scores(block, raw))
    if objective.fit_intercept:
        raw[-1] = exact_intercept(loss, scores, target, weight, objective.null[0][-1])
        scores += raw[-1]
    value, gradient = loss.value_and_gradient(scores, target)
    distance = value + loss.conjugate(residual, target) - (scores * residual).sum(axis=1)
    gap = float(weight @ distance) / objective.total_weight
    unbalanced = max(float(np.abs(weight @ part).max()) for part in (residual, gradient)) / objective.total_weight
    exact = unbalanced <= 1e-9 * max(1.0, objective.null[1]) or not objective.fit_intercept
    # In place: where there are many columns, each array of all coefficients takes as long as an epoch.
    raw[-1] += rows.columns.shift @ raw[:-1]
    raw[:-1] /= rows.columns.scale[:, None]
    W = raw
    P = float(weight @ value) / objective.total_weight + objective.penalty.value(W[:-1])
    # Rounding may bring the mean of numbers that are not negative below zero.
    certificate = Certificate(P, max(gap, 0.0) if exact else np.inf, objective.null[1], tol, "proof", strength)
    W[-1:] = loss.canonical(W[-1:])  # the others are: residuals of a softmax row sum to zero
    return certificate, W


def raw_coefficients(objective: Objective, residual: Array) -> Array:
    """Coefficients `-G / lambda` for raw columns that residuals of weighted sum zero imply, intercepts zero: a pass.

    Args:
        objective: what is minimised; its columns' shifts do not matter, since the intercept makes up for them.
        residual: predictions minus targets, shape (n, n_outputs), float64.
    """
    rows, weight = objective.rows.at(np.float64), objective.rows.weight
    share = residual * (weight / (-objective.total_weight * objective.penalty.strength))[:, None]
    if rows.is_sparse and rows.whole.stored.format == "csr":
        # All rows at once: a block has a gradient of all columns, and adding these up takes longer than making them.
        # A column of zeros stands for the intercept.
        X = rows.whole.X
        raw: Array = type(X)((X.data, X.indices, X.indptr), shape=(X.shape[0], X.shape[1] + 1)).T @ share
    else:
        (features,) = rows.with_target(share).sum(lambda block: (block.X.T @ block.target,))
        raw = np.vstack([features, np.zeros(features.shape[1])])
    raw[:-1] *= (rows.columns.scale**2)[:, None]
    return raw


def exact_intercept(loss: Loss, scores: Array, target: Array, weight: Array, start: Array | None = None) -> Array:
    """The intercepts b for which the weighted residuals of `scores + b` sum to zero, shape (n_outputs,).

    Newton's method with halved steps on a convex function of b; the features stay out of it.

    Example:
        >>> from polytome.losses import Logistic
        >>> b = exact_intercept(Logistic(), np.zeros((4, 1)), np.array([0, 1, 1, 1]), np.ones(4))
        >>> bool(np.isclose(b[0], np.log(3)))
        True
    """
    b = np.zeros(scores.shape[1]) if start is None else start.copy()
    total = float(weight.sum())
    value, gradient = loss.value_and_gradient(scores + b, target)
    best, slope = float(weight @ value), weight @ gradient
    for _ in range(100):
        if not np.abs(slope).max() > 1e-13 * total:
            break
        m, u = loss.curvature(scores + b, target)
        hessian = np.diag(weight @ m)
        if u is not None:
            hessian -= (u * weight[:, None]).T @ u
            hessian += hessian.diagonal().mean() / len(b)  # fills the flat direction of the softmax loss
        hessian[np.diag_indices_from(hessian)] += 1e-14 * hessian.diagonal().max() + 1e-300
        step = np.linalg.solve(hessian, slope)
        for _ in range(40):
            value, gradient = loss.value_and_gradient(scores + (b - step), target)
            reached = float(weight @ value)
            smaller = np.abs(weight @ gradient).max() < np.abs(slope).max()
            if reached < best - 1e-13 * abs(best) or (smaller and reached <= best + 1e-13 * abs(best)):
                break
            step /= 2
        else:
            break
        b, best, slope = b - step, reached, weight @ gradient
    return b
