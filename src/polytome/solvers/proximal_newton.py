"""Newton's method for penalties with corners: a quadratic model of the loss on a working set of
coefficients, minimised with the penalty as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.fenchel import quick_gap
from polytome.certificates.rounding import UNIT
from polytome.curvature.newton_point import FREE_HESSIAN_OPERATIONS
from polytome.objective import Objective
from polytome.penalties import Bounded, ElasticNet, GroupLasso, Penalty
from polytome.solvers.iterates import Iterate
from polytome.solvers.least_under_corners import FLAT
from polytome.solvers.size import Size
from polytome.solvers.solver import Solver
from polytome.solvers.working_set_model import Model, quadratic_of

Array = NDArray[Any]

__all__ = ["ProximalNewton"]

_MAX_TRIES = 40
_SUFFICIENT_DECREASE = 0.1  # of what the model predicts
_KEPT_HESSIAN_RATIO = 0.1  # of the gap before the last step, to which it fell
_ALWAYS_WHOLE = 300  # coefficients: fewer are one working set
_LEAST_ADDED = 50  # coefficients that join a working set at a time, if so many would move
_MODEL_ACCURACY = 3e-3  # times the gap's part of the objective: of a corner, what a slope may exceed it by
_COARSE_OPERATIONS = 1e9  # of the Hessian of whole groups: from there on
_COARSE_GAP = 1e-6  # and above this part of the objective, float32 and some of the rows are enough


@dataclass(frozen=True)
class ProximalNewton(Solver):
    """Proximal Newton's method on a working set, with the exact Hessian of its coefficients.

    Each step minimises the penalty and a quadratic model of the loss over coefficients that are not
    0 or would move, all classes together: class by class, or with a bound in the place of the
    Hessian, the method takes hundreds of steps where it now takes ten. What is not penalised is
    eliminated from the model; then sweeps of coordinate descent find which coefficients stay 0, and
    a factor of the others' Hessian finds how large those are. Groups of coefficients take the place
    of single ones where the penalty has norms. A line search guarantees descent. The
    Hessian is kept while the gap falls to a tenth with each step.

    Args:
        largest: coefficients of a working set, at most: the side of the Hessian. One group is in it
            in any case.

    Example:
        >>> ProximalNewton()
        ProximalNewton(largest=2000)

    References: Lee, Sun and Saunders, Proximal Newton-type methods for minimizing composite
    functions, SIAM Journal on Optimization 24, 2014; Friedman, Hastie and Tibshirani,
    Regularization paths for generalized linear models via coordinate descent, Journal of
    Statistical Software 33, 2010.
    """

    largest: int = 2000
    careful_fallback = True
    fallback_after = 60

    def minimises(self, penalty: Penalty) -> bool:
        """Whether the penalty is made of absolute values, or of norms of groups, and squares if it
        has any; or has bounds."""
        return isinstance(penalty, ElasticNet | GroupLasso | Bounded)

    def iterates(self, objective: Objective, start: Array) -> Iterator[Iterate]:
        """Iterates from `start`; each counts a pass for its Hessian and every step tried."""
        yield from self.steps(Descent(objective.at(np.float64), self.largest, start))

    def steps(self, descent: Descent) -> Iterator[Iterate]:
        """The iterates of a descent, from where it is."""
        yield descent.iterate()
        while descent.take_step():
            yield descent.iterate()

    def numbers_held(self, size: Size) -> float:
        """The Hessian of the largest working set, copies with and without what is not penalised, a
        factor; a sum and its rows in each thread."""
        side = min(self.largest, size.coefficients)
        return int((5 + 2 * size.threads) * side**2 + size.dense_blocks + 10 * size.coefficients)


class Descent:
    """A point with its value and gradient, and the Hessian of a working set there or at an earlier
    point.

    Args:
        objective: with products in float64.
        largest: coefficients of a working set, at most.
        start: coefficients.
        model: what another descent over the same rows, perhaps under another strength, ended with.
        kept_ratio: of the gap before the last step, to which it fell: the Hessian is kept then.

    Attributes:
        expected: coefficients that a Hessian has too when it is formed, as far as there is room.
    """

    def __init__(
        self,
        objective: Objective,
        largest: int,
        start: Array,
        model: Model | None = None,
        kept_ratio: float = _KEPT_HESSIAN_RATIO,
    ) -> None:
        self.objective, self.largest, self.passes, self.kept_ratio = objective, largest, 1.0, kept_ratio
        penalty = objective.penalty
        assert isinstance(penalty, ElasticNet | GroupLasso | Bounded)
        shape = objective.shape[0] - 1, objective.shape[1]
        self.penalty, self.corner, self.absolute = penalty, np.zeros(objective.shape), None
        self.groups = penalty.groups if isinstance(penalty, GroupLasso) else None
        self.corner[:-1] = np.broadcast_to(penalty.corner, shape)
        if isinstance(penalty, GroupLasso) and penalty.has_absolute_values:
            self.absolute = np.zeros(objective.shape)
            self.absolute[:-1] = penalty.absolute_corner
        self.is_free, self.limits = self.corner == 0, None
        if isinstance(penalty, Bounded):
            self.is_free[:-1] = penalty.weights == 0
            self.limits = tuple(np.full(objective.shape, infinite) for infinite in (-np.inf, np.inf))
            for own, limit in zip(self.limits, (penalty.lower, penalty.upper), strict=True):
                own[:-1] = limit
            start = np.clip(start, *self.limits)
        self.is_free[-1] = objective.fit_intercept
        self.W = start
        self.value, self.gradient = objective.value_and_gradient(start)
        self.gap = self.gap_before = np.inf
        self.is_fresh = False
        self.expected = np.zeros(objective.shape, dtype=bool)
        self.model = None if model is None else model.under(quadratic_of(objective))

    def iterate(self) -> Iterate:
        """The point as an iterate."""
        self.gap_before = self.gap
        self.gap = quick_gap(self.objective, self.W, self.value, self.gradient)
        return Iterate(
            self.W,
            self.value,
            self.gradient,
            self.passes,
            in_float64=True,
            intercept_hessian=None if self.model is None else self.model.intercepts,
        )

    def take_step(self) -> bool:
        """One step; False if none lowers the objective."""
        chosen = self._working_set()
        operations = self.objective.rows.n_rows * int(chosen.sum()) ** 2
        kept = operations > FREE_HESSIAN_OPERATIONS and self.gap <= self.kept_ratio * self.gap_before
        if self.model is None or not kept:
            self._form_model(chosen)
        elif (chosen & ~self.model.chosen).any():
            self._widen_model(chosen)
        if self._moved():
            return True
        if not self.is_fresh:
            self._form_model(chosen)
            return self._moved()
        return False

    def _form_model(self, chosen: Array) -> None:
        self.passes += 1
        self.is_fresh = True
        chosen = self._with_expected(chosen)
        is_coarse = self.objective.rows.n_rows * float(chosen.sum()) ** 2 > _COARSE_OPERATIONS
        is_coarse &= self.gap > _COARSE_GAP * self.value
        self.model = Model.at(self.objective, self.W, chosen, self.is_free, self.groups, is_coarse)

    def _widen_model(self, chosen: Array) -> None:
        """More coefficients for the model, with their curvature where the others have theirs; or a
        new model, where they are too many together."""
        assert self.model is not None
        both = self._with_expected(chosen | self.model.chosen)
        if self.model.hessians is None or int(both.sum()) > self.largest:
            self._form_model(chosen)
            return
        self.passes += 1
        self.model = self.model.widened(self.objective, both, self.is_free, self.groups)

    def _with_expected(self, chosen: Array) -> Array:
        """With those that are expected, as far as there is room; of groups whole ones."""
        room = self.largest - int(chosen.sum())
        if isinstance(self.penalty, GroupLasso):
            return chosen | self._expected_groups(self.penalty, chosen, room)
        if room > 0:
            chosen = chosen | _first(self.expected & ~chosen, np.abs(self.gradient), room)
        return chosen

    def _expected_groups(self, penalty: GroupLasso, chosen: Array, room: int) -> Array:
        """Which coefficients are of groups that are expected and not chosen, those that would move
        fastest first."""
        offered = np.zeros(len(penalty.group_corner), dtype=bool)
        offered[penalty.groups[(self.expected & ~chosen)[:-1].any(axis=1)]] = True
        urgency = penalty.norms(self.gradient[:-1]) / np.where(penalty.group_corner > 0, penalty.group_corner, np.inf)
        order = np.argsort(np.where(offered, -urgency, np.inf), kind="stable")[: int(offered.sum())]
        sizes = np.bincount(penalty.groups) * self.objective.shape[1]
        taken = np.zeros(len(offered), dtype=bool)
        taken[order[np.cumsum(sizes[order]) <= room]] = True
        found = np.zeros(self.W.shape, dtype=bool)
        found[:-1] = taken[penalty.groups][:, None]
        return found

    def _working_set(self) -> Array:
        """The coefficients that are not 0, those that have no penalty, and those that would move;
        not more than the largest Hessian has, those that would move fastest first."""
        chosen: Array = (self.W != 0) | self.is_free
        if self.limits is not None:
            chosen &= (self.limits[0] < self.W) & (self.limits[1] > self.W)
        if not self.objective.fit_intercept:
            chosen[-1] = False
        if self.W.size <= min(_ALWAYS_WHOLE, self.largest):
            chosen[:-1] = True
            return chosen
        slopes = self.gradient[:-1] - self.penalty.quadratic * self.W[:-1]
        excess = self.penalty.distance(slopes, self.W[:-1])
        if isinstance(self.penalty, GroupLasso):
            chosen[:-1] |= self._groups_to_choose(self.penalty, excess)[self.penalty.groups][:, None]
            return chosen
        moving = (excess > 0) & ~chosen[:-1]
        urgency = np.zeros(self.W.shape)
        urgency[:-1] = excess / np.where(self.corner[:-1] > 0, self.corner[:-1], 1.0)
        chosen[:-1] |= _first(moving, urgency[:-1], max(int(chosen.sum()), _LEAST_ADDED * self.objective.shape[1]))
        # Where there are too many, those that are nearly optimal wait their turn.
        room = max(self.largest - int(self.is_free.sum()), 1)
        found: Array = self.is_free | _first(chosen & ~self.is_free, urgency, room)
        return found

    def _groups_to_choose(self, penalty: GroupLasso, excess: Array) -> Array:
        """Of the groups those that are not 0 and those that would move, not more coefficients than
        the largest Hessian has, but at least one group."""
        is_penalised, is_zero = penalty.group_corner > 0, penalty.norms(self.W[:-1]) == 0
        urgency = np.divide(excess, penalty.group_corner, out=np.zeros_like(excess), where=is_penalised)
        sizes = np.bincount(penalty.groups) * self.objective.shape[1]
        chosen: Array = is_penalised & ~is_zero
        count = max(int(chosen.sum()), _LEAST_ADDED * self.objective.shape[1] // int(sizes.min()))
        chosen |= _first(is_penalised & is_zero & (excess > 0), urgency, count)
        order = np.argsort(np.where(chosen, -urgency, np.inf), kind="stable")
        room = np.cumsum(sizes[order]) <= self.largest - int(self.is_free.sum())
        room[:1] = True
        chosen[order[~room]] = False
        return chosen

    def _moved(self) -> bool:
        """Goes to where the model is least, or as far on the way as the objective allows."""
        assert self.model is not None
        accuracy = max(_MODEL_ACCURACY * min(self.gap / max(self.value, UNIT), 1.0), FLAT)
        target = self.model.least(self.W, self.gradient, self.corner, accuracy, self.limits, self.absolute)
        direction = target - self.W
        rounding = 4 * np.finfo(np.float64).eps * abs(self.value)
        corners = self._corners(self.W)
        length = 1.0
        for _ in range(_MAX_TRIES):
            W = target if length == 1 else self.W + length * direction
            slope = float(np.vdot(self.gradient, direction)) * length
            predicted = slope + float((self._corners(W) - corners).sum())
            W = self.objective.canonical(W)
            self.passes += 1
            value, gradient = self.objective.value_and_gradient(W)
            allowed = _SUFFICIENT_DECREASE * min(predicted, 0.0) + rounding
            if value - self.value <= allowed and np.isfinite(gradient).all():
                self.is_fresh = False
                if length < 1:
                    self.gap = np.inf  # the model is not good enough to be kept
                moved = bool((W != self.W).any())
                self.W, self.value, self.gradient = W, value, gradient
                return moved
            length /= 2
        return False

    def _corners(self, W: Array) -> Array:
        """The parts of the penalty that are not squares: of each coefficient, or of each group."""
        if isinstance(self.penalty, GroupLasso):
            return self.penalty.rest(W[:-1])
        return np.asarray(self.corner * np.abs(W))


def _first(offered: Array, urgency: Array, count: int) -> Array:
    """Of those that are offered the most urgent ones, at most so many."""
    if int(offered.sum()) <= count:
        return offered
    order = np.argsort(np.where(offered, -urgency, np.inf), axis=None, kind="stable")[:count]
    found = np.zeros(offered.shape, dtype=bool)
    found.ravel()[order] = True
    return found
