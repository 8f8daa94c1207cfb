"""An inverse Hessian that steps and the changes of the gradient along them correct."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from polytome.objective import Objective

Array = NDArray[Any]
Pairs = deque[tuple[Array, Array, Array]]
"""Steps, the changes of the gradient along them, and the inner products of both, by output."""

__all__ = ["Inverse", "Pairs", "pair_of", "two_loops"]


class Inverse(Protocol):
    """An approximate inverse Hessian."""

    def solve(self, gradient: Array) -> Array:
        """Its product with a gradient."""

    def solve_both(self, first: Array, second: Array) -> tuple[Array, Array]:
        """Its products with two."""


def pair_of(objective: Objective, step: Array, gradient_change: Array) -> tuple[Array, Array, Array] | None:
    """A pair and its products; None where it shows no curvature.

    Rounding alone must not make a pair; unlike a test of norms, this one does not depend on the
    columns' units. An infinite product leaves an output out of the pair.
    """
    product = objective.dot(step, gradient_change)
    product[~(product > 1e-12 * objective.dot(np.abs(step), np.abs(gradient_change)))] = np.inf
    return (step, gradient_change, product) if np.isfinite(product).any() else None


def two_loops(objective: Objective, pairs: Pairs, inverse: Inverse, gradient: Array) -> Array:
    """The inverse Hessian that the pairs and the preconditioner imply, times the gradient."""
    q = gradient.copy()
    alphas = []
    for step, gradient_change, product in reversed(pairs):
        alpha = objective.dot(step, q) / product
        alphas.append(alpha)
        q -= alpha * gradient_change
    if not pairs:
        return inverse.solve(q)
    _, gradient_change, product = pairs[-1]
    r, solved = inverse.solve_both(q, gradient_change)
    is_known = np.isfinite(product)
    r = r * np.where(is_known, product, 1.0) / np.where(is_known, objective.dot(gradient_change, solved), 1.0)
    for (step, gradient_change, product), alpha in zip(pairs, reversed(alphas), strict=True):
        r += (alpha - objective.dot(gradient_change, r) / product) * step
    return r
