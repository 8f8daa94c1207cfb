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
"""Most coefficients whose full Hessian is formed: 288 MB of float64."""
_FIRST_RIDGE = 1e-14


@dataclass(frozen=True)
class HessianFactor:
    """Cholesky factor of a Hessian scaled to a unit diagonal: as accurate for columns in millions as in millionths."""

    scale: Array
    factor: tuple[Array, bool]

    def solve(self, gradient: Array) -> Array:
        """The inverse Hessian times a gradient of shape (n_features + 1, n_outputs)."""
        solution = self.scale * cho_solve(self.factor, self.scale * gradient.T.ravel(), check_finite=False)
        return np.ascontiguousarray(solution.reshape(gradient.T.shape).T)


def factor_hessian(objective: Objective, H: Array) -> HessianFactor:
    """Factor of a Hessian of the objective, ordered as by `Objective.hessian`; overwrites it."""
    _fill_flat_directions(objective, H)
    diagonal = H.diagonal().copy()
    diagonal[diagonal <= 0] = 1.0  # a column of zeros, or an intercept that is held
    scale = 1 / np.sqrt(diagonal)
    H *= scale[:, None]
    H *= scale
    return HessianFactor(scale, _factor(H))


def _fill_flat_directions(objective: Objective, H: Array) -> None:
    """Adds curvature where the softmax loss has none: the same change to every class changes no prediction.

    The gradient has no component along these directions (coefficients are kept canonical), so no step changes.
    """
    n_columns, n_outputs = objective.shape
    if n_outputs == 1 or np.any(objective.loss.canonical(np.ones((1, n_outputs)))):
        return
    diagonal = H.diagonal().reshape(n_outputs, n_columns).mean(axis=0)
    blocks = H.reshape(n_outputs, n_columns, n_outputs, n_columns)
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
