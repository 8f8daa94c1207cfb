"""Newton directions and decrements: from the full Hessian where it is small, else by conjugate gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from polytome.objective import Objective
from polytome.preconditioner import precondition

Array = NDArray[Any]

__all__ = ["LARGEST_HESSIAN", "newton_decrement", "newton_direction"]

LARGEST_HESSIAN = 6_000
_FIRST_RIDGE = 1e-14
_MOST_PRODUCTS = 200


def newton_direction(objective: Objective, W: Array, gradient: Array) -> tuple[Array, float]:
    """`-H^-1 g` and half the squared Newton decrement `g' H^-1 g / 2`, in nats: one pass over the rows.

    The decrement estimates the distance of the objective from its minimum (Boyd and Vandenberghe 2004, section 9.5.1).

    Args:
        objective: what is minimised; its size decides the memory, `8 * size**2` bytes.
        W: coefficients, shape `objective.shape`.
        gradient: the gradient of the objective there.

    Returns:
        The direction, of the shape of `W`, and the estimated distance.
    """
    H = objective.hessian(W)
    _fill_flat_directions(objective, H)
    diagonal = H.diagonal().copy()
    diagonal[diagonal <= 0] = 1.0  # a column of zeros, or an intercept that is held
    # Scaled to a unit diagonal, the factor is as accurate for columns in millions as for columns in millionths.
    scale = 1 / np.sqrt(diagonal)
    H *= scale[:, None]
    H *= scale
    factor = _factor(H)
    rhs = scale * gradient.T.ravel()
    solution = scale * cho_solve(factor, rhs)
    direction = -solution.reshape(gradient.T.shape).T
    return np.ascontiguousarray(direction), 0.5 * float(gradient.T.ravel() @ solution)


def _fill_flat_directions(objective: Objective, H: Array) -> None:
    """Adds curvature where the softmax loss has none: the same change to every class changes no prediction.

    The gradient has no component along these directions (coefficients are kept canonical), so the step does not change.
    """
    n_columns, n_outputs = objective.shape
    test = np.ones((2, n_outputs))
    if n_outputs == 1 or np.any(objective.loss.canonical(test)):
        return
    diagonal = H.diagonal().reshape(n_outputs, n_columns).mean(axis=0)
    blocks = H.reshape(n_outputs, n_columns, n_outputs, n_columns)
    columns = np.arange(n_columns)
    blocks[:, columns, :, columns] += diagonal[:, None, None] / n_outputs


def _factor(H: Array) -> tuple[Array, bool]:
    """Cholesky factor of H (unit diagonal) plus the smallest ridge in powers of 100 that makes it definite."""
    ridge = _FIRST_RIDGE
    columns = np.diag_indices_from(H)
    unit = H[columns].copy()
    while True:
        H[columns] = np.maximum(unit, 0) + ridge
        try:
            factor: tuple[Array, bool] = cho_factor(H, lower=True)
        except LinAlgError:
            ridge *= 100
            continue
        return factor


def newton_decrement(objective: Objective, W: Array, gradient: Array) -> float:
    """Half the squared Newton decrement `g' H^-1 g / 2`, in nats: an estimate of the distance from the minimum.

    Where the Hessian is too large to form, conjugate gradients solve `H x = g` until the estimate settles within a tenth: one
    pass over the rows for each of their steps. The estimate grows with every step, so it errs on the small side.

    Reference: Nocedal and Wright, Numerical Optimization, 2006, section 5.1.
    """
    if objective.size <= LARGEST_HESSIAN:
        return newton_direction(objective, W, gradient)[1]
    inverse = precondition(objective, W)
    residual = gradient.copy()
    step = inverse.solve(residual)
    product = float(np.vdot(residual, step))
    decrement, gains = 0.0, []
    for _ in range(_MOST_PRODUCTS):
        bent = objective.hessian_product(W, step)
        curvature = float(np.vdot(step, bent))
        if not (curvature > 0 and product > 0):
            break
        length = product / curvature
        gains.append(0.5 * length * product)
        decrement += gains[-1]
        if sum(gains[-5:]) <= 0.1 * decrement and len(gains) > 5:
            break
        residual -= length * bent
        solved = inverse.solve(residual)
        product, before = float(np.vdot(residual, solved)), product
        step = solved + product / before * step
    return decrement
