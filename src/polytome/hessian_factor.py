"""The full Hessian, its flat directions filled in, equilibrated and factored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

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
    factors: list[tuple[Array, bool]]

    def solve(self, gradient: Array) -> Array:
        """The inverse Hessian times a gradient of shape (n_features + 1, n_outputs)."""
        by_block = gradient.T.reshape(self.scales.shape)
        solution = np.stack(
            [
                scale * cho_solve(factor, scale * part, check_finite=False)
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
    diagonal = H[0].diagonal().reshape(n_outputs, n_columns).mean(axis=0)
    blocks = H[0].reshape(n_outputs, n_columns, n_outputs, n_columns)
    columns = np.arange(n_columns)
    blocks[:, columns, :, columns] += diagonal[:, None, None] / n_outputs


def _factor(H: Array) -> tuple[Array, bool]:
    """Cholesky factor of H (unit diagonal) plus the smallest ridge in powers of 100 that makes it definite."""
    ridge = _FIRST_RIDGE
    on_diagonal = np.diag_indices_from(H)
    unit = H[on_diagonal].copy()
    while True:
        H[on_diagonal] = np.maximum(unit, 0) + ridge
        try:
            factor: tuple[Array, bool] = cho_factor(H, lower=True, check_finite=False)
        except LinAlgError:
            ridge *= 100
            continue
        return factor
