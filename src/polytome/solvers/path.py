"""Minima of one objective under one penalty after the other, from strong to weak: each begins where
the last one ended.

Under absolute values the smallest strength at which all penalised coefficients are 0 is known: with
G the gradient of the loss where all that has no penalty is fitted, and w the penalty's weights,

    strength_max = max_jk |G_jk| / (l1_ratio w_j)

Within bounds a strong penalty brings coefficients to V, as near to 0 as these allow, and only what
a coefficient may do from there counts: where it may grow, `-G_jk` takes the place of the size,
where it may fall, G_jk; and where V is not 0, squares have a slope there, and
`l1_ratio + (1 - l1_ratio) |V_jk|` takes the place of the ratio. Of groups it is the largest dual
norm: the least strength at which G is within all corners, of norms and absolute values together.

From one strength to the next the minimum moves little, and the Hessian serves on: a step of the
quadratic model that the last strength left behind, under the new corners, is an extrapolation of
second order, and takes one pass. Which coefficients a new Hessian should have is guessed by the
sequential strong rule, `|G_jk| >= 2 corner_new - corner_old` at the last minimum, with a slope of
less than 1. What the guess misses joins the model later, since each step and each certificate look
at all coefficients.

Where squares are all that there is to the penalty, the approximate Hessian and the pairs of L-BFGS
go on to the next strength, which changes them by a multiple of the identity. Their minima move
smoothly with the logarithm of the strength, so that each fit begins where the last two point to;
and in other folds as far from there as the minimum of the first fold was.

References: Friedman, Hastie and Tibshirani, Regularization paths for generalized linear models via
coordinate descent, Journal of Statistical Software 33, 2010; Tibshirani and others, Strong rules
for discarding predictors in lasso-type problems, Journal of the Royal Statistical Society B 74,
2012.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.certificate import is_separated
from polytome.certificates.fenchel import loss_gradient
from polytome.certificates.rounding import growth
from polytome.curvature.preconditioner import KroneckerHessian
from polytome.errors import DataError
from polytome.objective import Objective
from polytome.penalties import Bounded, ElasticNet, GroupLasso, Penalty, without_bounds
from polytome.solvers.choose import Choice
from polytome.solvers.driver import Callback, Solution, minimize
from polytome.solvers.iterates import Iterate
from polytome.solvers.lbfgs import LBFGS, Curvature
from polytome.solvers.proximal_newton import Descent, ProximalNewton
from polytome.solvers.solver import GivesWay

Array = NDArray[Any]

__all__ = ["Guide", "PathStep", "minima_along", "strength_max"]

_KEPT_HESSIAN_RATIO = 0.4  # of the gap before the last step: a Hessian takes several passes' time
_EXPECTED_SHARE = 0.4  # of the strong rule's unit slope: gradients mostly change by less
_UNPENALISED_TOLERANCE = 1e-12  # relative to the null model: of the fit of what has no penalty
_FITTED_TOLERANCE = 1e-4  # what it must reach at least
_MAX_UNPENALISED_STEPS = 100  # of Newton's method, which takes ten unless classes are separated
_SHORT_FIT = 4  # iterates, the start included
_MAX_HESSIANS = 6  # that a guide keeps
_MAX_EXTRAPOLATION = 1.5  # times the last step
_NO_STRENGTH = 1.0  # where no column is of any use: every strength gives the same


class PathStep(NamedTuple):
    """One minimum of a path: what was minimised, how, and what was found."""

    objective: Objective
    choice: Choice
    solution: Solution


def strength_max(objective: Objective, l1_ratio: float) -> tuple[float, Array]:
    """The smallest strength at which all penalised coefficients are 0 at the minimum, or as near to
    it as their bounds allow, and the coefficients there.

    Args:
        objective: of the rows; of its penalty only weights, bounds and groups count.
        l1_ratio: the share of absolute values, above 0.

    Raises:
        DataError: columns without a penalty tell classes apart perfectly.

    Example:
        >>> from polytome.losses import Logistic
        >>> from polytome.penalties import L2
        >>> from polytome.rows import as_rows
        >>> rows = as_rows(np.array([[-2.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [2.0, 1.0]]), np.array([0, 0, 1, 1]))
        >>> strength_max(Objective(Logistic(), L2(1.0), rows), 0.5)[0]
        1.5
    """
    objective, penalty = objective.at(np.float64), objective.penalty
    W, weights = objective.null[0], np.broadcast_to(without_bounds(penalty).weights, (objective.shape[0] - 1, 1))
    if not weights.all() or (isinstance(penalty, Bounded) and not penalty.holds_zero):
        W = _fitted_without_penalty(objective, weights)
    _, gradient = objective.value_and_gradient(W)
    penalised = weights[:, 0] > 0
    slopes = loss_gradient(objective, W, gradient)
    if isinstance(penalty, GroupLasso):
        unit = penalty.strength * penalty.l1_ratio / l1_ratio
        largest = penalty.multiple_of_corners(slopes) * unit
        summed = np.broadcast_to(objective.sizes.summed[:, None], slopes.shape)
        is_nothing = largest <= growth(objective.rows.n_rows) * penalty.multiple_of_corners(summed) * unit
        return _NO_STRENGTH if is_nothing else largest, W
    size = np.abs(slopes)
    if isinstance(penalty, Bounded):
        # Where squares are all that there is, a little of absolute values stands for them.
        grows, falls = penalty.upper > W[:-1], penalty.lower < W[:-1]
        size = np.maximum(np.where(grows & (W[:-1] >= 0), -slopes, 0.0), np.where(falls & (W[:-1] <= 0), slopes, 0.0))
        size /= l1_ratio + (1 - l1_ratio) * np.abs(W[:-1])
        size *= l1_ratio
    size = size[penalised] / weights[penalised]
    largest, sizes = float(size.max(initial=0.0)), objective.sizes.summed[penalised] / weights[penalised, 0]
    if largest <= growth(objective.rows.n_rows) * float(sizes.max(initial=0.0)):
        largest = _NO_STRENGTH
    return largest / l1_ratio, W


def _fitted_without_penalty(objective: Objective, weights: Array) -> Array:
    """The minimum over the intercepts and the columns that have no penalty, the other coefficients
    being as near to 0 as their bounds allow: under a penalty so strong that no gradient of a
    cross-entropy reaches its corners."""
    penalised = weights[:, 0] > 0
    sizes = np.maximum(objective.sizes.summed, objective.sizes.centred)[penalised] / weights[penalised, 0]
    strong = ElasticNet(2 * float(sizes.max(initial=0.0)) + 1.0, 1.0, weights)
    within = objective.penalty.around(strong) if isinstance(objective.penalty, Bounded) else strong
    fit: Any = {"tol": _UNPENALISED_TOLERANCE, "max_iter": _MAX_UNPENALISED_STEPS}
    solution = minimize(objective.with_penalty(within), ProximalNewton(), **fit)
    is_endless = objective.unpenalised.size and is_separated(objective, solution.coefficients)
    if solution.certificate.relative_gap > _FITTED_TOLERANCE or is_endless:
        raise DataError(
            "columns with a penalty weight of 0 tell some classes apart perfectly, or depend on each other: no "
            "strength leaves only them in the model; give them a small weight"
        )
    return solution.coefficients


def minima_along(
    objective: Objective,
    penalties: Iterable[Penalty],
    choose: Callable[[Objective], Choice],
    start: Array | None = None,
    *,
    tol: float = 1e-4,
    max_iter: int = 10_000,
    callback: Callback | None = None,
    guide: Guide | None = None,
    trace: Guide | None = None,
) -> Iterator[PathStep]:
    """The minimum under each penalty, certified at `tol` like any other.

    Args:
        objective: of the rows.
        penalties: from strong to weak, of one kind.
        choose: the solver for an objective.
        start: coefficients to start from; the null model if None.
        tol: as in `minimize`.
        max_iter: as in `minimize`, for each of them.
        callback: as in `minimize`.
        guide: what a path of much the same rows found under as many penalties; it changes where
            fits begin under squares alone, and never what is proved of where they end.
        trace: what this path finds is added to it, as another one's guide.
    """
    walk, curvature, W = _Walk(), Curvature(), start
    before: list[tuple[float, Array]] = []
    guide = guide if guide is not None and guide.suits(objective.shape) else None
    for place, penalty in enumerate(penalties):
        objective = objective.with_penalty(penalty)
        choice = choose(objective)
        solver = choice.solver
        if isinstance(solver, ProximalNewton):
            objective, solver = objective.at(np.float64), _Continued(solver.largest, walk)
        elif type(solver) is LBFGS:
            solver = _ContinuedLBFGS(**vars(solver), curvature=curvature)
        if not penalty.has_rest:
            W = _predicted(before, penalty.modulus, W, guide, place)
            if guide is not None:
                curvature.hessian = guide.hessians[place] or curvature.hessian
            elif trace is not None and trace.asks_for_hessian:
                curvature.hessian = None
        solution = minimize(objective, solver, W, tol=tol, max_iter=max_iter, callback=callback)
        yield PathStep(objective, choice, solution)
        W = solution.coefficients
        if not penalty.has_rest:
            before = [*before[-1:], (penalty.modulus, W)]
            if trace is not None:
                trace.add(solution, curvature.hessian)


def _predicted(
    before: list[tuple[float, Array]], modulus: float, W: Array | None, guide: Guide | None, place: int
) -> Array | None:
    """Where the next minimum is to be looked for: where the last two point to, on a scale of
    logarithms, and as far from there as that of the guide was."""
    if guide is not None and len(before) < 2:
        return guide.points[place] + (before[-1][1] - guide.points[place - 1] if before else 0.0)
    if len(before) < 2:
        return W
    (first, one), (second, other) = before
    ratio = math.log(second / modulus) / math.log(first / second) if first > second > modulus else 0.0
    ratio = min(ratio, _MAX_EXTRAPOLATION)
    found: Array = other + ratio * (other - one)
    if guide is not None:
        earlier, last, now = guide.points[place - 2 : place + 1]
        found += now - last - ratio * (last - earlier)
    return found


@dataclass
class Guide:
    """What a path found, for those of much the same rows: other folds.

    An approximate Hessian costs as much as several iterations, but all folds have one for the price
    of one: it is formed again where the last fit was long.

    Attributes:
        points: the coefficients of each minimum.
        hessians: the approximate Hessian that L-BFGS ended with; None of another solver.
    """

    points: list[Array] = field(default_factory=list)
    hessians: list[KroneckerHessian | None] = field(default_factory=list)
    asks_for_hessian: bool = False

    def add(self, solution: Solution, hessian: KroneckerHessian | None) -> None:
        """Adds the next minimum."""
        self.points.append(solution.coefficients)
        self.hessians.append(hessian)
        distinct = len({id(each.S) for each in self.hessians if each is not None})
        self.asks_for_hessian = len(solution.history) > _SHORT_FIT and distinct < _MAX_HESSIANS

    def suits(self, shape: tuple[int, int]) -> bool:
        """Whether coefficients have this shape."""
        return bool(self.points) and self.points[0].shape == shape


@dataclass(frozen=True)
class _ContinuedLBFGS(LBFGS):
    """L-BFGS that begins with the curvature that the last descent has learned."""

    curvature: Curvature = field(default_factory=Curvature, repr=False, compare=False)

    def iterates(self, objective: Objective, start: Array) -> Generator[Iterate, None, GivesWay | None]:
        return (yield from self.steps(objective, start, self.curvature))


@dataclass
class _Walk:
    """The descent to the last minimum, if there has been one."""

    last: Descent | None = None


@dataclass(frozen=True)
class _Continued(ProximalNewton):
    """Proximal Newton's method that begins with what the last descent ended with."""

    walk: _Walk = field(default_factory=_Walk, repr=False, compare=False)

    def iterates(self, objective: Objective, start: Array) -> Iterator[Iterate]:
        last = self.walk.last
        model = None if last is None else last.model
        descent = Descent(objective.at(np.float64), self.largest, start, model, _KEPT_HESSIAN_RATIO)
        if last is not None:
            gradient = loss_gradient(descent.objective, descent.W, descent.gradient)
            corner = descent.corner[:-1]
            if isinstance(descent.penalty, GroupLasso):
                assert isinstance(last.penalty, GroupLasso)
                fall = last.penalty.strength / descent.penalty.strength - 1
                descent.expected[:-1] = _expected_groups(descent.penalty, gradient, 1 - _EXPECTED_SHARE * fall)
            else:
                least = corner - _EXPECTED_SHARE * (last.corner[:-1] - corner)
                descent.expected[:-1] = np.abs(gradient) >= least
            if descent.limits is not None:  # one at a bound rarely leaves it
                inside = (descent.limits[0] < descent.W) & (descent.limits[1] > descent.W)
                descent.expected &= inside
        self.walk.last = descent
        yield from self.steps(descent)


def _expected_groups(penalty: GroupLasso, gradient: Array, part: float) -> Array:
    """Of each coefficient whether its group's gradient is beyond this part of all its corners."""
    if part <= 0:
        return np.ones(gradient.shape, dtype=bool)
    is_beyond = penalty.norms(penalty.beyond(gradient / part)) >= penalty.group_corner
    return np.broadcast_to(is_beyond[penalty.groups][:, None], gradient.shape)
