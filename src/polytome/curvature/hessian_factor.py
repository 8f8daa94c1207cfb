"""The full Hessian, its flat directions filled in, equilibrated and factored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotrs, spotrf

from polytome.objective import Objective

Array = NDArray[Any]

__all__ = ["LARGEST_HESSIAN", "HessianFactor", "factor_hessian", "ridged_factor"]

LARGEST_HESSIAN = 6_000
"""Largest side of a Hessian that is formed (its blocks may have as many entries): 288 MB of
float64."""
_FIRST_RIDGE, _LAST_RIDGE = 1e-14, 1e16


@dataclass(frozen=True)
class HessianFactor:
    """Cholesky factors of a Hessian's blocks scaled to a unit diagonal: as accurate for columns in
    millions as in millionths."""

    scales: Array
    factors: list[Array]

    def solve(self, gradient: Array) -> Array:
        """The inverse Hessian times a gradient of shape (n_features + 1, n_outputs)."""
        scaled = gradient.T.reshape(self.scales.shape) * self.scales
        for part, factor in zip(scaled, self.factors, strict=True):
            part[:], _ = dpotrs(factor, part, lower=1)
        scaled *= self.scales
        return np.ascontiguousarray(scaled.reshape(gradient.T.shape).T)

    def solve_both(self, first: Array, second: Array) -> tuple[Array, Array]:
        """The same for two gradients."""
        return self.solve(first), self.solve(second)


def factor_hessian(objective: Objective, H: Array) -> HessianFactor:
    """Factors of a Hessian of the objective in blocks, as from `Objective.hessian_blocks`;
    overwrites them.

    Args:
        objective: says whether the loss leaves directions flat.
        H: shape (n_blocks, side, side), in C order.
    """
    _fill_flat_directions(objective, H)
    diagonal = _diagonals(H)
    # A column of zeros has none, nor has a fixed intercept.
    scales = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    H *= scales[:, :, None]
    H *= scales[:, None, :]
    return HessianFactor(scales, [_factor(block) for block in H])


def _fill_flat_directions(objective: Objective, H: Array) -> None:
    """Adds curvature where the softmax loss has none: the same change to every class changes no
    prediction.

    The gradient has no component along these directions (coefficients are kept canonical), so no
    step changes.
    """
    n_columns, n_outputs = objective.shape
    if objective.loss.separable:
        return
    blocks = H[0].reshape(n_outputs, n_columns, n_outputs, n_columns)
    own = np.einsum("kala->akl", blocks)  # a view: the entries that couple the outputs in each column
    own += np.einsum("akk->a", own)[:, None, None] / n_outputs**2


def _diagonals(H: Array) -> Array:
    """A view of the diagonals of blocks."""
    return H.reshape(len(H), -1)[:, :: H.shape[1] + 1]


def _factor(H: Array) -> Array:
    """Cholesky factor of H, whose diagonal is one, plus a small ridge."""
    unit = np.maximum(H.diagonal(), 0.0)
    # Columns for the rows: a symmetric matrix, in the order in which LAPACK reads it.
    return ridged_factor(H.T, lambda ridge: unit + ridge, _FIRST_RIDGE)


def ridged_factor(S: Array, diagonal_of: Callable[[float], Array], ridge: float) -> Array:
    """Lower Cholesky factor of a matrix whose diagonal is raised until it is definite; overwrites
    the diagonal.

    Where no ridge makes it so, because an entry is not finite, that of the unit matrix.

    Args:
        S: symmetric, float32 or float64.
        diagonal_of: the diagonal that a ridge makes.
        ridge: the first one that is tried; the others are greater by powers of 100.

    Example:
        >>> ridged_factor(np.ones((2, 2)), lambda ridge: np.full(2, 1 + ridge), 3.0).diagonal() ** 2
        array([4.  , 3.75])
    """
    potrf: Any = dpotrf if S.dtype == np.float64 else spotrf
    diagonal = np.einsum("ii->i", S)  # a view
    while ridge < _LAST_RIDGE:
        diagonal[:] = diagonal_of(ridge)
        factor: Array
        factor, failed = potrf(S, lower=1, clean=0)
        if not failed:
            return factor
        ridge *= 100
    return np.eye(len(S), dtype=S.dtype, order="F")
