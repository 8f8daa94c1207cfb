"""The rows that have gone as a quadratic function: few coefficients.

Each batch leaves its second-order model, and the coefficients minimise the models of all batches
and the penalty.

Reference: Schraudolph, Yu and Guenter, A stochastic quasi-Newton method for online convex
optimization, AISTATS 2007; with the whole Hessian it is the extended Kalman filter's update,
iterated: Bell and Cathey, The iterated Kalman filter update as a Gauss-Newton method, IEEE
Transactions on Automatic Control 38, 1993.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.curvature.hessian_factor import factor_hessian
from polytome.objective import Objective
from polytome.solvers.running_batch import Batch, is_sparse

Array = NDArray[Any]

__all__ = ["Quadratic", "flat", "gram_of", "minimum", "none_of", "solved", "wider", "with_class"]

_MOST_ITERATIONS, _MOST_HALVINGS = 50, 40
_DECREMENT = 1e-6  # of Newton's method, for each unit of weight: where it ends


@dataclass(frozen=True)
class Quadratic:
    """The rows that have gone as `w' hessian w / 2 - linear' w`, coefficients ordered output by
    output.

    Attributes:
        hessian: shape (size, size).
        linear: shape (size,).
        gram: the weighted sum of x x', x with a 1 at its end, (n_features + 1, n_features + 1).
    """

    hessian: Array
    linear: Array
    gram: Array


def minimum(model: Quadratic, objective: Objective, ridge: Array, W: Array) -> tuple[Array, float, Array, Array]:
    """Coefficients that minimise the model of old rows, the loss of new ones and the penalty, by
    Newton's method; and the loss of the new rows there, its gradient and Hessian, all as sums."""
    for _ in range(_MOST_ITERATIONS):
        value, gradient, blocks = objective.derivatives(W)
        total = objective.total_weight
        value, gradient, hessian = value * total, gradient * total, blocks[0] * total
        pulled, here = _gradient(model, ridge, W), value + _value(model, ridge, W)
        slope = gradient + pulled
        step = factor_hessian(objective, _full(model, hessian, ridge)).solve(slope)
        decrement = float(np.vdot(slope, step))
        if not decrement > _DECREMENT * total:
            break
        size = 1.0
        for _ in range(_MOST_HALVINGS):
            trial = objective.loss.canonical(W - size * step)
            there, _ = objective.value_and_gradient(trial)
            if there * total + _value(model, ridge, trial) <= here - 1e-4 * size * decrement:
                break
            size /= 2
        else:
            break
        W = trial
    return W, value, gradient, hessian


def none_of(model: Quadratic) -> Quadratic:
    """The model of no rows, of the same shape."""
    return Quadratic(np.zeros_like(model.hessian), np.zeros_like(model.linear), np.zeros_like(model.gram))


def solved(model: Quadratic, objective: Objective, ridge: Array, W: Array) -> Array:
    """Coefficients that minimise the model and the penalty."""
    factor = factor_hessian(objective, _full(model, np.zeros_like(model.hessian), ridge))
    for _ in range(2):  # the second takes away what rounding and the factor's ridge have left
        W = W - factor.solve(_gradient(model, ridge, W))
    return objective.loss.canonical(W)


def with_class(model: Quadratic, K: int, fit_intercept: bool) -> Quadratic:
    """With one more class than K, which none of the rows that have gone belongs to.

    They are modelled as if each class had been as likely to them as any other: the model of their
    loss at coefficients that are all zero.
    """
    side = len(model.gram)
    hessian, linear = np.zeros((K + 1, side, K + 1, side)), np.zeros((K + 1, side))
    hessian[:K, :, :K] = model.hessian.reshape(K, side, K, side)
    linear[:K] = model.linear.reshape(K, side)
    if K:
        q, direction = 1 / (K + 1), np.append(np.full(K, -1 / K), 1.0)
        gram, sums = model.gram.copy(), model.gram[-1].copy()
        if not fit_intercept:
            gram[-1] = gram[:, -1] = sums[-1] = 0.0
        hessian += q * (1 - q) * np.einsum("k,l,ij->kilj", direction, direction, gram)
        linear -= q * np.outer(direction, sums)
    return Quadratic(hessian.reshape((K + 1) * side, -1), linear.ravel(), model.gram)


def wider(model: Quadratic, n_classes: int, columns: int) -> Quadratic:
    """With further columns, which were 0 in all rows that have gone."""
    side = len(model.gram)
    if not columns:
        return model
    H = model.hessian.reshape(n_classes, side, n_classes, side)
    at = [side - 1] * columns
    H = np.insert(np.insert(H, at, 0.0, axis=1), at, 0.0, axis=3)
    size = n_classes * (side + columns)
    linear = np.insert(model.linear.reshape(n_classes, side), at, 0.0, axis=1).ravel()
    gram = np.insert(np.insert(model.gram, at, 0.0, axis=0), at, 0.0, axis=1)
    return Quadratic(H.reshape(size, size), linear, gram)


def flat(W: Array) -> Array:
    """Coefficients in the order of a Hessian: output by output."""
    return W.T.ravel()


def gram_of(batch: Batch) -> Array:
    """The weighted sum of x x', x with a 1 at its end."""
    X = batch.dense_or_sparse(slice(None))
    X = np.column_stack([X.toarray() if is_sparse(X) else X, np.ones(len(batch.codes))])
    gram: Array = (X * batch.weight[:, None]).T @ X
    return gram


def _full(model: Quadratic, hessian: Array, ridge: Array) -> Array:
    H = model.hessian + hessian
    H.reshape(-1)[:: len(H) + 1] += np.tile(ridge[:, 0], len(H) // len(ridge))
    return H[None]


def _gradient(model: Quadratic, ridge: Array, W: Array) -> Array:
    slope = model.hessian @ flat(W) - model.linear
    gradient: Array = slope.reshape(W.T.shape).T + ridge * W
    return gradient


def _value(model: Quadratic, ridge: Array, W: Array) -> float:
    w = flat(W)
    return float(w @ (model.hessian @ w) / 2 - model.linear @ w + (ridge * W * W).sum() / 2)
