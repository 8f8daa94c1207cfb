"""Newton's method with a damping that measures steps by the change of the scores."""

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
from polytome.sampling import row_lengths, sampled_hessian
from polytome.solvers.driver import Iterate

Array = NDArray[Any]

__all__ = ["Newton"]

_FIRST_DAMPING = 1e-2
_MOST_DAMPING = 1e8
_LEAST_DAMPING = 1e-10


@dataclass(frozen=True)
class Newton:
    """Damped Newton: steps solve `(H + mu M) D = -g`, where `M = smoothness * I (x) X'X / S` bounds every Hessian.

    `M` measures a direction by how much it changes the scores of all rows, also of those that are classified beyond
    doubt, which `H` does not see. `mu` is 0 until a step disappoints, grows while steps do, and falls as they keep
    their promise (Levenberg 1944, Marquardt 1963). A plain line search would shorten the whole step for the sake of
    a few such rows.

    Args:
        sample: rows whose curvature makes up the Hessian, drawn anew for each step; conjugate gradients with exact
            products then mend what the sample misses. None for all rows, where a Cholesky factor gives the exact step.

    Example:
        >>> Newton()
        Newton(sample=None)

    References: Nocedal and Wright, Numerical Optimization, 2006, sections 4.1, 7.1 and 10.3.
    """

    sample: int | None = None

    def iterates(self, objective: Objective, start: Array) -> Iterator[Iterate]:
        """Iterates from `start`; each counts a pass for its Hessian, its products and every step tried."""
        objective = objective.at(np.float64)
        W = start
        value, gradient = objective.value_and_gradient(W)
        lengths = None if self.sample is None else row_lengths(objective)
        damping, passes = _Damping(objective, W), 1.0
        while True:
            H = objective.hessian(W) if lengths is None else sampled_hessian(objective, W, self.sample or 0, lengths)
            direction, promised, products = self._step(objective, W, gradient, H, damping)
            passes += 1 + products
            decrement = -0.5 * float(np.vdot(gradient, direction)) if damping.mu == 0 else None
            yield Iterate(W, value, gradient, passes, decrement)
            rounding = 4 * np.finfo(np.float64).eps * abs(value)
            while True:
                trial = W + direction
                trial_value, trial_gradient = objective.value_and_gradient(trial)
                passes += 1
                kept = (value - trial_value + rounding) / (promised + rounding)
                if damping.judge(kept if np.isfinite(trial_value) else -np.inf):
                    break
                if damping.mu > _MOST_DAMPING:
                    return
                direction, promised, products = self._step(objective, W, gradient, H, damping)
                passes += products
            W, value, gradient = trial, trial_value, trial_gradient
            damping.move(W)

    def _step(
        self, objective: Objective, W: Array, gradient: Array, H: Array, damping: _Damping
    ) -> tuple[Array, float, int]:
        """The damped Newton step, the decrease that the quadratic model promises, and the passes made."""
        inverse = factor_hessian(objective, damping.added_to(H))
        if self.sample is None:
            direction = -inverse.solve(gradient)
            slope = float(np.vdot(gradient, direction))
            return direction, -0.5 * slope + 0.5 * damping.product(direction), 0
        products = 0

        def product(x: Array) -> Array:
            nonlocal products
            products += 1
            return objective.hessian_product(W, x) + damping.times(x)

        solution, image = conjugate_gradients(product, gradient, inverse, tolerance=0.5, most=20)
        bent = float(np.vdot(solution, image)) - damping.product(solution)
        return -solution, float(np.vdot(gradient, solution)) - 0.5 * bent, products


class _Damping:
    """The factor mu and the metric M of the damping; M is formed only where it is needed."""

    def __init__(self, objective: Objective, W: Array) -> None:
        self.objective = objective
        self.mu = 0.0
        self.move(W)

    def move(self, W: Array) -> None:
        """Goes to new coefficients, and forgets the metric of the old."""
        self.W = W
        self._metric: Array | None = None

    @property
    def metric(self) -> Array:
        """`X' diag(w) X / S` with the intercept's column of ones, (d + 1, d + 1): a pass over the rows."""
        if self._metric is None:
            self._metric = _score_metric(self.objective, self.W)
        return self._metric

    def judge(self, kept: float) -> bool:
        """Whether a step that kept this share of its promise is taken; sets mu for the next."""
        if kept < 0.25:
            self.mu = 4 * self.mu if self.mu > 0 else _FIRST_DAMPING
        elif kept > 0.75:
            self.mu = self.mu / 10 if self.mu > _LEAST_DAMPING else 0.0
        return kept > 1e-3

    def added_to(self, H: Array) -> Array:
        """`H + mu M`, a new matrix."""
        damped = H.copy()
        if self.mu > 0:
            n_columns = len(self.metric)
            for start in range(0, len(H), n_columns):
                part = slice(start, start + n_columns)
                damped[part, part] += self.mu * self.metric
        return damped

    def times(self, x: Array) -> Array:
        """`mu M x` for coefficients x."""
        return self.mu * (self.metric @ x) if self.mu > 0 else np.zeros_like(x)

    def product(self, x: Array) -> float:
        """`mu x'Mx`."""
        return float(np.vdot(x, self.times(x)))


def _score_metric(objective: Objective, W: Array) -> Array:
    rows = objective.rows
    raw = rows.columns.to_raw(W)

    def block_gram(block: Block) -> tuple[Array, ...]:
        margin = np.abs(objective.loss.margin(block_scores(block, raw), block.target))
        margin[~np.isfinite(margin)] = 0.0  # soft labels have no margin: the largest curvature is safe
        half = np.maximum(margin / 2, 1e-4)
        X = np.empty((len(block.weight), objective.shape[0]))
        X[:, :-1] = rows.dense(block)
        X[:, -1] = 1.0 if objective.fit_intercept else 0.0
        X *= np.sqrt(block.weight * np.tanh(half) / half)[:, None]
        return (X.T @ X,)

    (gram,) = rows.sum(block_gram)
    metric: Array = objective.loss.smoothness / objective.total_weight * gram
    return metric
