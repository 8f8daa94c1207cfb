"""Newton's method, guarded by curvature that it learns from steps that fail."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome import native
from polytome.curvature.conjugate_gradients import conjugate_gradients
from polytome.curvature.hessian_factor import HessianFactor, factor_hessian
from polytome.curvature.newton_point import NewtonPoint, NewtonPoints, has_free_hessian, intercept_hessian
from polytome.curvature.quasi_newton import Pairs, pair_of, two_loops
from polytome.curvature.sampling import drawn_by_class, sampled_hessian
from polytome.objective import Objective
from polytome.rows.draw import NUMBERS_OF_DRAWN
from polytome.solvers.guard import Guard, numbers_of_guarded
from polytome.solvers.iterates import Iterate
from polytome.solvers.size import Size
from polytome.solvers.solver import Solver

Array = NDArray[Any]

__all__ = ["Newton"]

_MAX_TRIES = 30
_KEPT_HESSIAN_RATIO = 0.3
_MAX_PAIRS = 8
_MAX_JOINT_COLUMNS = 64
_ROWS_PER_START_ROW = 20
_ROWS_PER_COEFFICIENT = 40
_SAMPLE_ACCURACY = 0.2  # of the distance in nats between the optima of some rows and of all


@dataclass(frozen=True)
class Newton(Solver):
    """Guarded Newton: steps solve `(H + M) D = -g`, where `M = I (x) X' diag(e) X / S` is learned
    from steps that fail.

    H hardly sees rows that are classified beyond doubt. A step may make some of them badly wrong,
    and a line search would then shorten it for all rows. Instead, each such row gets the extra
    curvature e that its loss showed along the failed step, and the step is computed again; it
    changes for those rows and hardly for others. The curvature fades while steps decrease the
    objective as predicted.

    A Hessian costs as much as several gradients. So it is kept, corrected by the gradients' changes
    along the steps since, while each step's predicted decrease is 30 % or less of that of the step
    before. And where rows far outnumber coefficients, the optimum of some of the rows, and their
    Hessian there, are a good start for all of them.

    Args:
        sample: rows whose curvature makes up the Hessian, drawn again for each step; conjugate
            gradients with exact products then correct for the rest. None for all rows, where a
            Cholesky factor gives the exact step.

    Example:
        >>> Newton()
        Newton(sample=None)

    References: Nocedal and Wright, Numerical Optimization, 2006, sections 3.4, 7.1 and 7.2; for the
    kept Hessian Shamanskii, Ukrainian Mathematical Journal 19, 1967. The guard is new here.
    """

    sample: int | None = None
    careful_fallback = True
    fallback_after = 100

    def iterates(self, objective: Objective, start: Array) -> Iterator[Iterate]:
        """Iterates from `start`; each counts a pass for its Hessian, its products and every step
        tried."""
        return (iterate for _, iterate in self._descend(objective.at(np.float64), start))

    def _descend(self, objective: Objective, start: Array) -> Iterator[tuple[_Descent, Iterate]]:
        """The state of the method at each iterate, and the iterate."""
        descent = _Descent(objective, self.sample)
        sample_objective = self._start_sample(objective, start)
        descent.start_at(start, with_hessian=sample_objective is None)
        if sample_objective is not None:
            yield descent, descent.iterate(None)
            descent.continue_from(*self._optimum(sample_objective, start))
        yield descent, descent.prepare_step()
        while descent.take_step():
            yield descent, descent.prepare_step()

    def _start_sample(self, objective: Objective, start: Array) -> Objective | None:
        """One row in twenty, or more where there are many coefficients, if that leaves many and no
        coefficients are known; else None."""
        n_rows, (side, n_outputs) = objective.rows.n_rows, objective.shape
        side *= 1 if objective.loss.separable else n_outputs
        size = max(min(n_rows // _ROWS_PER_START_ROW, objective.rows.facts.most_copied), _ROWS_PER_COEFFICIENT * side)
        if self.sample is not None or size > n_rows // 4 or start[:-1].any():
            return None
        return replace(objective, rows=drawn_by_class(objective.rows, size))

    def _optimum(self, sample_objective: Objective, start: Array) -> tuple[Array, Array, float]:
        """Coefficients near the optimum of few rows, the Hessian there, and the rows read on the
        way."""
        # The optimum of all rows is at about this distance: coming much nearer gains nothing.
        noise = sample_objective.size / sample_objective.rows.n_rows
        for descent, _ in islice(self._descend(sample_objective, start), _MAX_TRIES):
            if descent.has_step and descent.predicted_decrease <= _SAMPLE_ACCURACY * noise:
                break
        W = descent.W + descent.direction
        return W, sample_objective.hessian_blocks(W), (descent.passes + 1) * sample_objective.rows.n_rows

    def numbers_held(self, size: Size) -> float:
        """The Hessian, one before it, a copy with its guard and a factor; a sum in each thread, in
        NumPy with its terms; the steps since it was formed; the sample; and where models are
        guarded the extra curvature of each row, before, observed and afterwards."""
        sample: float = 2 * _MAX_PAIRS * size.coefficients + numbers_of_guarded(size.rows, size.is_resident)
        sample += 0 if self.sample is None else min(self.sample, size.rows) * (size.row + NUMBERS_OF_DRAWN)
        if native.makes_derivatives(size.columns, size.coefficients):
            sample_entries = min(size.rows // _ROWS_PER_START_ROW, size.most_copied) * size.row
            return int((6 + 3 * size.threads) * size.hessian + sample_entries) + sample
        kronecker = 0 if size.separable else 2 * size.threads * size.block * size.coefficients
        return (4 + 5 * size.threads) * size.hessian + kronecker + size.dense_blocks + sample


class _Descent:
    """The state of Newton's method: a point with its value and gradient, a Hessian there or at an
    earlier point, and the next step."""

    def __init__(self, objective: Objective, sample: int | None) -> None:
        self.objective, self.sample = objective, sample
        self.points = NewtonPoints.of(objective)
        self.guard = Guard(objective)
        self.passes, self.value = 0.0, np.inf
        self.W = self.gradient = np.zeros(objective.shape)
        self.direction, self.predicted_decrease, self.has_step = np.zeros(objective.shape), 0.0, False
        self.keeps_hessian = False
        self.H: Array | NewtonPoint | None = None  # the Hessian, or only what follows from it
        self.inverse: HessianFactor | None = None  # of the guarded Hessian, once it is asked for
        self.pairs: Pairs = deque(maxlen=_MAX_PAIRS)  # of the steps since it was formed

    def start_at(self, W: Array, with_hessian: bool) -> None:
        """Start at a point."""
        self._move_to(W, *self._evaluate(W, with_hessian))

    def continue_from(self, W: Array, H: Array, rows_read: float) -> None:
        """Continue from the optimum of few rows, and their Hessian, unless the start is better for
        all rows."""
        value, gradient, _ = self._evaluate(W, with_hessian=False)
        self.passes += rows_read / self.objective.rows.n_rows
        if value < self.value and np.isfinite(gradient).all():
            self._move_to(W, value, gradient, None)
            self._renew(H)
            self.predicted_decrease = np.inf

    def iterate(self, estimate: float | None, step: Array | None = None) -> Iterate:
        """The point as an iterate."""
        hessian = self._intercept_hessian()
        point = (self.W, self.value, self.gradient, self.passes, estimate)
        return Iterate(*point, step=step, in_float64=True, intercept_hessian=hessian)

    def _intercept_hessian(self) -> Array | None:
        """The entries of the Hessian at hand that belong to the intercepts."""
        if isinstance(self.H, NewtonPoint):
            return self.H.intercept_hessian
        return None if self.H is None else intercept_hessian(self.H, self.objective.shape[0])

    def prepare_step(self) -> Iterate:
        """The point as an iterate, with its next step computed: from the Hessian at hand if that is
        good enough, else from a new one."""
        last_decrease, self.has_step = self.predicted_decrease, True
        if self.H is None:
            self._form_hessian()
        self._solve()
        self.keeps_hessian = self.sample is None and self.predicted_decrease <= _KEPT_HESSIAN_RATIO * last_decrease
        if not (self.is_fresh or self.keeps_hessian):
            self._form_hessian()
            self._solve()
        if self.guard.is_active:
            return self.iterate(None)
        estimate = -0.5 * float(np.vdot(self.gradient, self.direction))
        return self.iterate(estimate, self.direction if self.sample is None else None)

    def take_step(self) -> bool:
        """Take the step; where it decreases too little, renew an old Hessian, else guard some rows.
        False if nothing helps."""
        rounding = 4 * np.finfo(np.float64).eps * abs(self.value)
        for _ in range(_MAX_TRIES):
            W = self.W + self.direction
            value, gradient, H = self._evaluate(W, with_hessian=not self.keeps_hessian)
            ratio = (self.value - value + rounding) / (self.predicted_decrease + rounding)
            if ratio > 0.1 and np.isfinite(gradient).all():
                self.guard.fade(ratio)
                self._move_to(W, value, gradient, H)
                return True
            if self.is_fresh:
                self.guard.learn(self.W, self.direction)
                self.inverse = None
                self.passes += 1
            else:
                self._form_hessian()
            self._solve()
        return False

    def _evaluate(self, W: Array, with_hessian: bool) -> tuple[float, Array, Array | NewtonPoint | None]:
        """Value and gradient, and the Hessian, or what follows from it, where that is wanted or
        almost free."""
        self.passes += 1
        objective = self.objective
        if self.sample is None and self.points.compute is not None:
            point = self.points.at(W)
            return point.value, point.gradient, point
        with_hessian |= has_free_hessian(objective)
        if with_hessian and self.sample is None and objective.shape[0] <= _MAX_JOINT_COLUMNS:
            return objective.derivatives(W)
        return *self.objective.value_and_gradient(W), None

    def _move_to(self, W: Array, value: float, gradient: Array, H: Array | NewtonPoint | None) -> None:
        if H is not None or not self.keeps_hessian:
            self._renew(H)
        elif (pair := pair_of(self.objective, W - self.W, gradient - self.gradient)) is not None:
            self.pairs.append(pair)
        self.W, self.value, self.gradient = W, value, gradient
        self.is_fresh = H is not None

    def _form_hessian(self) -> None:
        self.passes += 1
        self.is_fresh = True
        self._renew(None)  # whose memory the next one takes
        if self.sample is None:
            self._renew(self.objective.hessian_blocks(self.W))
        else:
            self._renew(sampled_hessian(self.objective, self.W, self.sample))

    def _renew(self, H: Array | NewtonPoint | None) -> None:
        """Another Hessian, or none, and nothing known beside it."""
        self.H, self.inverse = H, None
        self.pairs.clear()

    def _solve(self) -> None:
        """The guarded Newton step, and the decrease that its quadratic model predicts."""
        assert self.H is not None
        if isinstance(self.H, NewtonPoint):
            if not self.guard.is_active:
                self.direction = self.H.step
                self.predicted_decrease = -0.5 * float(np.vdot(self.gradient, self.direction))
                return
            self.H = self.objective.hessian_blocks(self.W)
        if self.inverse is None:
            self.inverse = factor_hessian(self.objective, self.guard.added_to(self.H))
        if self.sample is None:
            self.direction = -two_loops(self.objective, self.pairs, self.inverse, self.gradient)
            self.predicted_decrease = -0.5 * float(np.vdot(self.gradient, self.direction))
            return

        def product(x: Array) -> Array:
            self.passes += 1
            return self.objective.hessian_product(self.W, x) + self.guard.times(x)

        solution, image = conjugate_gradients(product, self.gradient, self.inverse, tolerance=0.5, max_products=20)
        self.direction = -solution
        self.predicted_decrease = float(np.vdot(self.gradient, solution)) - 0.5 * float(np.vdot(solution, image))
