"""Newton's method, guarded by curvature that it learns from steps that fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.curvature import conjugate_gradients
from polytome.hessian_factor import factor_hessian
from polytome.objective import Objective, block_scores
from polytome.rows import Block
from polytome.sampling import sampled_hessian
from polytome.solvers.iterates import Iterate

Array = NDArray[Any]

__all__ = ["Newton"]

_MOST_TRIES = 30


@dataclass(frozen=True)
class Newton:
    """Guarded Newton: steps solve `(H + M) D = -g`, where `M = I (x) X' diag(e) X / S` is learned from steps that fail.

    H hardly sees rows that are classified beyond doubt. A step may turn some of them into disasters, and a line
    search would then shorten it for all rows. Instead, each such row gets the extra curvature e that its loss showed
    along the failed step, and the step is computed anew; it changes for those rows and hardly for others. The curvature
    fades while steps keep their promise.

    Args:
        sample: rows whose curvature makes up the Hessian, drawn anew for each step; conjugate gradients with exact
            products then mend what the sample misses. None for all rows, where a Cholesky factor gives the exact step.

    Example:
        >>> Newton()
        Newton(sample=None)

    Reference: Nocedal and Wright, Numerical Optimization, 2006, sections 3.4 and 7.1. The guard is our own.
    """

    sample: int | None = None
    patience = 10

    def iterates(self, objective: Objective, start: Array) -> Iterator[Iterate]:
        """Iterates from `start`; each counts a pass for its Hessian, its products and every step tried."""
        objective = objective.at(np.float64)
        W = start
        value, gradient = objective.value_and_gradient(W)
        guard, passes = _Guard(objective), 1.0
        while True:
            H = objective.hessian_blocks(W) if self.sample is None else sampled_hessian(objective, W, self.sample)
            direction, promised, products = self._step(objective, W, gradient, H, guard)
            passes += 1 + products
            decrement = None if guard.is_up else -0.5 * float(np.vdot(gradient, direction))
            yield Iterate(W, value, gradient, passes, decrement)
            rounding = 4 * np.finfo(np.float64).eps * abs(value)
            for _ in range(_MOST_TRIES):
                trial_value, trial_gradient = objective.value_and_gradient(W + direction)
                passes += 1
                kept = (value - trial_value + rounding) / (promised + rounding)
                if kept > 0.1 and np.isfinite(trial_gradient).all():
                    break
                guard.learn(W, direction)
                direction, promised, products = self._step(objective, W, gradient, H, guard)
                passes += 1 + products
            else:
                return
            guard.fade(kept)
            W, value, gradient = W + direction, trial_value, trial_gradient

    def _step(
        self, objective: Objective, W: Array, gradient: Array, H: Array, guard: _Guard
    ) -> tuple[Array, float, int]:
        """The guarded Newton step, the decrease that its quadratic model promises, and the products made."""
        inverse = factor_hessian(objective, guard.added_to(H))
        if self.sample is None:
            direction = -inverse.solve(gradient)
            return direction, -0.5 * float(np.vdot(gradient, direction)), 0
        products = 0

        def product(x: Array) -> Array:
            nonlocal products
            products += 1
            return objective.hessian_product(W, x) + guard.times(x)

        solution, image = conjugate_gradients(product, gradient, inverse, tolerance=0.5, most=20)
        promised = float(np.vdot(gradient, solution)) - 0.5 * float(np.vdot(solution, image))
        return -solution, promised, products


class _Guard:
    """The extra curvature e of each row, and the matrix `X' diag(e) X / S` that it makes."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.extra: Array | None = None
        self._matrix: Array | None = None

    @property
    def is_up(self) -> bool:
        """Whether any row has extra curvature."""
        return self.extra is not None

    def learn(self, W: Array, direction: Array) -> None:
        """Raises each row's extra curvature to what its loss showed beyond its quadratic model: a pass over the
        rows."""
        loss, columns = self.objective.loss, self.objective.rows.columns
        raw, along = columns.to_raw(W), columns.to_raw(direction)

        def block_extra(block: Block) -> Array:
            scores, change = block_scores(block, raw), block_scores(block, along)
            value, gradient = loss.value_and_gradient(scores, block.target)
            changed, _ = loss.value_and_gradient(scores + change, block.target)
            m, u = loss.curvature(scores, block.target)
            bent = (m * change * change).sum(axis=1) - (0.0 if u is None else (u * change).sum(axis=1) ** 2)
            excess = changed - value - (gradient * change).sum(axis=1) - 0.5 * bent
            shown: Array = 2 * excess / np.maximum((change * change).sum(axis=1), 1e-300)
            return shown

        with np.errstate(over="ignore", invalid="ignore"):
            shown = np.nan_to_num(self.objective.rows.each(block_extra), nan=loss.smoothness)
        shown = np.clip(shown, 0.0, loss.smoothness)
        before = np.zeros_like(shown) if self.extra is None else self.extra
        self.extra = np.maximum(before, shown)
        if not (self.extra > 1.01 * before).any():  # no row is to blame, so rounding is: all of them hold the step back
            self.extra = np.maximum(4 * before, 1e-6 * loss.smoothness)
        self._matrix = None

    def fade(self, kept: float) -> None:
        """Lowers the extra curvature after a step that kept this share of its promise."""
        if self.extra is None or kept <= 0.5:
            return
        self.extra = self.extra * (0.05 if kept > 1 else 0.25)
        self.extra[self.extra < 1e-12] = 0.0
        self._matrix = None
        if not self.extra.any():
            self.extra = None

    @property
    def matrix(self) -> Array:
        """`X' diag(e) X / S` with the intercept's column of ones, (d + 1, d + 1): a pass over the rows it was
        learned from."""
        if self._matrix is None:
            self._matrix = _weighted_gram(self.objective, self.extra)
        return self._matrix

    def added_to(self, H: Array) -> Array:
        """`H + I (x) matrix`, H in blocks; a new array."""
        guarded = H.copy()
        if self.is_up:
            n_columns = len(self.matrix)
            for start in range(0, H.shape[1], n_columns):
                part = slice(start, start + n_columns)
                guarded[:, part, part] += self.matrix
        return guarded

    def times(self, x: Array) -> Array:
        """The matrix times coefficients x."""
        return self.matrix @ x if self.is_up else np.zeros_like(x)


def _weighted_gram(objective: Objective, extra: Array | None) -> Array:
    """`X' diag(s e) X / S` over the rows with extra curvature."""
    rows = objective.rows
    assert extra is not None
    chosen = np.flatnonzero(extra)
    guarded = rows.subset(chosen, rows.weight[chosen] * extra[chosen])

    def block_gram(block: Block) -> tuple[Array, ...]:
        X = np.empty((len(block.weight), objective.shape[0]))
        X[:, :-1] = rows.dense(block)
        X[:, -1] = 1.0 if objective.fit_intercept else 0.0
        return ((X * block.weight[:, None]).T @ X,)

    (gram,) = guarded.sum(block_gram)
    gram /= objective.total_weight
    return gram
