"""The full Hessian, its flat directions filled in, equilibrated and factored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotrs

from polytome.objective import Objective

Array = NDArray[Any]

__all__ = ["LARGEST_HESSIAN", "HessianFactor", "factor_hessian"]

LARGEST_HESSIAN = 6_000
"""Largest side of a Hessian that is formed (its blocks may have as many entries): 288 MB of float64."""
_FIRST_RIDGE = 1e-14


@dataclass(frozen=True)
class HessianFactor:
    """Cholesky factors of a Hessian's blocks scaled to a unit diagonal: as accurate for columns in millions as in
    millionths."""

    scales: Array
    factors: list[Array]

    def solve(self, gradient: Array) -> Array:
        """The inverse Hessian times a gradient of shape (n_features + 1, n_outputs)."""
        by_block = gradient.T.reshape(self.scales.shape)
        solution = np.stack(
            [
                scale * dpotrs(factor, scale * part, lower=1)[0]
                for scale, factor, part in zip(self.scales, self.factors, by_block, strict=True)
            ]
        )
        return np.ascontiguousarray(solution.reshape(gradient.T.shape).T)


def factor_hessian(objective: Objective, H: Array) -> HessianFactor:
    """Factors of a Hessian of the objective in blocks, as from `Objective.hessian_blocks`; overwrites them."""
    _fill_flat_directions(objective, H)
    diagonal = np.einsum("bii->bi", H).copy()
    diagonal[diagonal <= 0] = 1.0  # a column of zeros, or an intercept that is held
    scales = 1 / np.sqrt(diagonal)
    H *= scales[:, :, None]
    H *= scales[:, None, :]
    return HessianFactor(scales, [_factor(block) for block in H])


def _fill_flat_directions(objective: Objective, H: Array) -> None:
    """Adds curvature where the softmax loss has none: the same change to every class changes no prediction.

    The gradient has no component along these directions (coefficients are kept canonical), so no step changes.
    """
    n_columns, n_outputs = objective.shape
    if objective.loss.separable:
        return
    blocks = H[0].reshape(n_outputs, n_columns, n_outputs, n_columns)
    own = np.einsum("kala->akl", blocks)  # a view: what the outputs have to do with each other in each column
    own += np.einsum("akk->a", own)[:, None, None] / n_outputs**2


def _factor(H: Array) -> Array:
    """Cholesky factor of H (unit diagonal) plus the smallest ridge in powers of 100 that makes it definite."""
    diagonal = np.einsum("ii->i", H)
    unit = np.maximum(diagonal, 0.0)
    ridge = _FIRST_RIDGE
    while True:
        diagonal[:] = unit + ridge
        factor: Array
        factor, failed = dpotrf(H.T, lower=1, clean=0)
        if not failed:
            return factor
        ridge *= 100
