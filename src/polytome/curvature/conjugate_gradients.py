"""Newton decrements and the conjugate gradients that reach them where the Hessian is too large to
form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.curvature.hessian_factor import LARGEST_HESSIAN, factor_hessian
from polytome.curvature.preconditioner import Preconditioner, precondition
from polytome.objective import Objective

Array = NDArray[Any]

__all__ = ["conjugate_gradients", "newton_decrement"]


def newton_decrement(objective: Objective, W: Array, gradient: Array, blocks: Array | None = None) -> float:
    """Half the squared Newton decrement `g' H^-1 g / 2`, in nats: an estimate of the distance from
    the minimum.

    Where the Hessian is too large to form, conjugate gradients solve `H x = g`, one pass over the
    rows for each of their steps; the estimate grows with every step, so it errs on the small side.

    Args:
        objective: what is minimised.
        W: coefficients, shape `objective.shape`.
        gradient: the gradient there.
        blocks: the Hessian there, as from `Objective.hessian_blocks`, which is overwritten; None if
            it was not formed.

    Reference: Boyd and Vandenberghe, Convex Optimization, 2004, section 9.5.1.
    """
    if blocks is None and objective.hessian_entries <= LARGEST_HESSIAN**2:
        blocks = objective.hessian_blocks(W)
    if blocks is not None:
        direction = factor_hessian(objective, blocks).solve(gradient)
    else:

        def product(x: Array) -> Array:
            return objective.hessian_product(W, x)

        direction, _ = conjugate_gradients(
            product, gradient, precondition(objective, W), tolerance=0.1, max_products=200
        )
    return 0.5 * float(np.vdot(gradient, direction))


def conjugate_gradients(
    product: Callable[[Array], Array],
    rhs: Array,
    inverse: Preconditioner,
    *,
    max_products: int,
    tolerance: float = 0.0,
    is_solved: Callable[[Array], bool] = lambda residual: False,
) -> tuple[Array, Array]:
    """An approximate solution x of `H x = rhs`, and `H x`, by preconditioned conjugate gradients.

    Stops at step j when `j * gain_j <= tolerance * total gain`, the gain being the decrease of
    `x'Hx/2 - rhs'x` (Nash and Sofer, Operations Research Letters 9, 1990), when a residual is
    small enough, or after `max_products` products.

    Args:
        product: H times a direction.
        rhs: the right-hand side.
        inverse: about that of H; where what it makes of residuals is 0, x stays 0.
        max_products: how many products there may be.
        tolerance: see above.
        is_solved: whether a residual is small enough.
    """
    x, image = np.zeros_like(rhs), np.zeros_like(rhs)
    residual = rhs.copy()
    step = inverse.solve(residual)
    size = float(np.vdot(residual, step))
    total = 0.0
    for j in range(1, max_products + 1):
        hessian_step = product(step)
        curvature = float(np.vdot(step, hessian_step))
        if not (curvature > 0 and size > 0):
            break
        length = size / curvature
        x += length * step
        image += length * hessian_step
        gain = 0.5 * length * size
        total += gain
        if j * gain <= tolerance * total:
            break
        residual -= length * hessian_step
        if is_solved(residual):
            break
        solved = inverse.solve(residual)
        size, before = float(np.vdot(residual, solved)), size
        step = solved + size / before * step
    return x, image
