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
_FIRST_RIDGE, _LAST_RIDGE = 1e-14, 1e16


@dataclass(frozen=True)
class HessianFactor:
    """Cholesky factors of a Hessian's blocks scaled to a unit diagonal: as accurate for columns in millions as in
    millionths."""

    scales: Array
    factors: list[Array]

    def solve(self, gradient: Array) -> Array:
        """The inverse Hessian times a gradient of shape (n_features + 1, n_outputs)."""
        scaled = gradient.T.reshape(self.scales.shape) * self.scales
        for part, factor in zip(scaled, self.factors, strict=True):
            part[:], _ = dpotrs(factor, part, lower=1)
        scaled *= self.scales
        return np.ascontiguousarray(scaled.reshape(gradient.T.shape).T)


def factor_hessian(objective: Objective, H: Array) -> HessianFactor:
    """Factors of a Hessian of the objective in blocks, as from `Objective.hessian_blocks`; overwrites them.

    Args:
        objective: says whether the loss leaves directions flat.
        H: shape (n_blocks, side, side), in C order.
    """
    _fill_flat_directions(objective, H)
    diagonal = _diagonals(H)
    # A column of zeros has none, nor has an intercept that is held.
    scales = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
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


def _diagonals(H: Array) -> Array:
    """A view of the diagonals of blocks."""
    return H.reshape(len(H), -1)[:, :: H.shape[1] + 1]


def _factor(H: Array) -> Array:
    """Cholesky factor of H (unit diagonal) plus the smallest ridge in powers of 100 that makes it definite.

    Where none does, because an entry is not finite, that of the unit matrix: a step along the scaled gradient.
    """
    diagonal = H.reshape(-1)[:: len(H) + 1]
    unit = np.maximum(diagonal, 0.0)
    ridge = _FIRST_RIDGE
    while ridge < _LAST_RIDGE:
        diagonal[:] = unit + ridge
        factor: Array
        factor, failed = dpotrf(H.T, lower=1, clean=0)
        if not failed:
            return factor
        ridge *= 100
    return np.eye(len(H), order="F")
