"""Newton's method within bounds, for more coefficients than a Hessian is formed of: its model is
minimised within the bounds by conjugate gradients, from products of the Hessian alone."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.curvature.conjugate_gradients import conjugate_gradients
from polytome.curvature.preconditioner import Preconditioner, precondition
from polytome.objective import Objective
from polytome.penalties import Bounded, Penalty
from polytome.solvers.iterates import Iterate
from polytome.solvers.lbfgs import memory_of_preconditioner
from polytome.solvers.proximal_newton import ProximalNewton
from polytome.solvers.size import Size
from polytome.solvers.solver import GivesWay, Solver

Array = NDArray[Any]

__all__ = ["ProjectedNewton"]

_MAX_TRIES = 30
_SUFFICIENT_DECREASE = 0.1  # of what the model predicts
_ROUNDS = 6  # of a model: which coefficients are at a bound, and then conjugate gradients of the others
_MAX_PRODUCTS = 60  # of one round
_MAX_HALVINGS = 12
_ROUND_ACCURACY = 0.1  # of the residual, at the end of a round of conjugate gradients
_FORCING = (0.03, 0.3)  # of the slope, what is left of it at the end of a step's model
_LEAST_SHARE_MOVING = 0.6  # of all coefficients: with fewer, a Hessian of some after the other is faster
_MOST_IN_VAIN = 8  # steps after which the slope has not halved


@dataclass(frozen=True)
class ProjectedNewton(Solver):
    """Newton's method within bounds, whose model is minimised by conjugate gradients.

    Each step minimises a quadratic model of the objective within the bounds: coefficients at a
    bound that the model pushes outwards stay there, preconditioned conjugate gradients move the
    others, what would pass a bound ends at it, and so in turns, until little is left of the slope.
    A product of the Hessian costs a pass over the rows, and no Hessian is formed.

    The preconditioner is that of all coefficients, cut to those that move, and so as good as few
    are kept at their bounds. Where four in ten are, as under signs, `ProximalNewton` goes on, and
    so where no step lowers the objective.

    Args:
        then: the solver that goes on.

    Example:
        >>> ProjectedNewton()
        ProjectedNewton(then=ProximalNewton(largest=2000))

    References: Moré and Toraldo, On the solution of large quadratic programming problems with bound
    constraints, SIAM Journal on Optimization 1, 1991; Lin and Moré, Newton's method for large
    bound-constrained optimization problems, SIAM Journal on Optimization 9, 1999.
    """

    then: Solver | None = field(default_factory=ProximalNewton)

    def minimises(self, penalty: Penalty) -> bool:
        """Whether the penalty is squares within bounds."""
        return isinstance(penalty, Bounded) and not np.any(penalty.corner)

    def numbers_held(self, size: Size) -> float:
        """Arrays of coefficients and the preconditioner; or what the solver that goes on holds."""
        own = 20 * size.coefficients + memory_of_preconditioner(size)
        return max(own, 0 if self.then is None else self.then.numbers_held(size))

    def iterates(self, objective: Objective, start: Array) -> Generator[Iterate, None, GivesWay]:
        """Iterates from `start`; each counts its products, and every step tried."""
        objective = objective.at(np.float64)
        penalty = objective.penalty
        assert isinstance(penalty, Bounded)
        limits = tuple(np.full(objective.shape, infinite) for infinite in (-np.inf, np.inf))
        for own, limit in zip(limits, (penalty.lower, penalty.upper), strict=True):
            own[:-1] = limit
        box = _Box(*limits)
        W = box.nearest(start)
        value, gradient = objective.value_and_gradient(W)
        passes, first = 1.0, float(np.linalg.norm(box.slope(W, gradient)))
        least, in_vain = first, 0
        while True:
            yield Iterate(W, value, gradient, passes, in_float64=True)
            size = float(np.linalg.norm(box.slope(W, gradient)))
            least, in_vain = (size, 0) if size < least / 2 else (least, in_vain + 1)
            if in_vain > _MOST_IN_VAIN or box.is_kept(W, gradient).mean() > 1 - _LEAST_SHARE_MOVING:
                return GivesWay(W, passes)
            inverse = precondition(objective, W)
            forcing = float(np.clip(np.sqrt(size / max(first, 1e-300)), *_FORCING))
            product = _Products(objective, W)
            target, predicted = _least_in_box(product, gradient, box, inverse, forcing * size)
            passes += 1 + product.count
            rounding = 4 * np.finfo(np.float64).eps * abs(value)
            length = 1.0
            for _ in range(_MAX_TRIES):
                trial = objective.canonical(target if length == 1 else box.nearest(W + length * (target - W)))
                passes += 1
                new_value, new_gradient = objective.value_and_gradient(trial)
                allowed = _SUFFICIENT_DECREASE * length * min(predicted, 0.0) + rounding
                if new_value - value <= allowed and np.isfinite(new_gradient).all():
                    break
                length /= 2
            else:
                return GivesWay(W, passes)
            if (trial == W).all():
                return GivesWay(W, passes)
            W, value, gradient = trial, new_value, new_gradient


@dataclass(frozen=True)
class _Box:
    """Bounds of all coefficients and intercepts."""

    lower: Array
    upper: Array

    def nearest(self, W: Array) -> Array:
        return np.clip(W, self.lower, self.upper)

    def is_kept(self, W: Array, slope: Array) -> Array:
        """Which coefficients are at a bound that a step down the slope would pass."""
        found: Array = ((self.lower >= W) & (slope > 0)) | ((self.upper <= W) & (slope < 0))
        return found

    def slope(self, W: Array, gradient: Array) -> Array:
        """The gradient without what bounds keep."""
        return np.where(self.is_kept(W, gradient), 0.0, gradient)


class _Products:
    """Products of the Hessian at a point, counted."""

    def __init__(self, objective: Objective, W: Array) -> None:
        self.objective, self.W, self.count = objective, W, 0

    def __call__(self, direction: Array) -> Array:
        self.count += 1
        return self.objective.hessian_product(self.W, direction)


@dataclass(frozen=True)
class _Restricted:
    """About the inverse of the Hessian of the coefficients that move."""

    inverse: Preconditioner
    moves: Array

    def solve(self, slope: Array) -> Array:
        """Its product with their slope."""
        return np.where(self.moves, self.inverse.solve(np.where(self.moves, slope, 0.0)), 0.0)


def _is_within(aim: float, moves: Array, residual: Array) -> bool:
    """Whether what is left for the coefficients that move is small enough."""
    return float(np.linalg.norm(np.where(moves, residual, 0.0))) <= aim


def _least_in_box(
    product: _Products, gradient: Array, box: _Box, inverse: Preconditioner, slope_left: float
) -> tuple[Array, float]:
    """Where `g' (V - W) + (V - W)' H (V - W) / 2` is about least within the box, and its value
    there."""
    V, g, model = product.W, gradient, 0.0
    for _ in range(_ROUNDS):
        moves = ~box.is_kept(V, g)
        if float(np.linalg.norm(np.where(moves, g, 0.0))) <= slope_left:
            break
        restricted, own = _Restricted(inverse, moves), np.where(moves, -g, 0.0)
        aim = max(_ROUND_ACCURACY * float(np.linalg.norm(own)), 0.5 * slope_left)
        step, image = conjugate_gradients(
            product, own, restricted, max_products=_MAX_PRODUCTS, is_solved=partial(_is_within, aim, moves)
        )
        ways = [(step, image), (-restricted.solve(g), None)]
        for way, known in ways:
            moved, image, change = _projected(product, V, g, way, known, box)
            if change < 0:
                break
        else:
            break
        V, g, model = moved, g + image, model + change
    return V, model


def _projected(
    product: _Products, V: Array, g: Array, way: Array, image: Array | None, box: _Box
) -> tuple[Array, Array, float]:
    """A point along a way, brought within the box, at which the model is lower: with the change of
    its slope and its own; a change of 0 where there is none."""
    length = 1.0
    for _ in range(_MAX_HALVINGS):
        moved = box.nearest(V + length * way)
        change = moved - V
        descent = float(np.vdot(g, change))
        if descent < 0:
            is_whole = image is not None and length == 1 and np.array_equal(moved, V + way)
            along = image if is_whole and image is not None else product(change)
            curvature = float(np.vdot(change, along))
            # The minimum along this change, which is within the box if it is no longer.
            share = min(-descent / curvature, 1.0) if curvature > 0 else 1.0
            gained = share * descent + 0.5 * share * share * curvature
            if gained < 0:
                return V + share * change if share < 1 else moved, share * along, gained
        length /= 2
    return V, np.zeros_like(V), 0.0
