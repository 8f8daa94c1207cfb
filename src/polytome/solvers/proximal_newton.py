"""Newton's method for penalties with corners: a quadratic model of the loss on a working set of
coefficients, minimised with the penalty as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, block_diag, lapack

from polytome import native
from polytome.certificates.fenchel import quick_gap
from polytome.certificates.rounding import UNIT
from polytome.curvature.newton_point import FREE_HESSIAN_OPERATIONS
from polytome.losses import Loss
from polytome.objective import Objective
from polytome.passes import Block, Columns, Sums, block_scores
from polytome.penalties import Bounded, ElasticNet, GroupLasso, Penalty
from polytome.solvers.iterates import Iterate
from polytome.solvers.size import Size
from polytome.solvers.solver import Solver

Array = NDArray[Any]

__all__ = ["ProximalNewton"]

_MAX_TRIES = 40
_SUFFICIENT_DECREASE = 0.1  # of what the model predicts
_KEPT_HESSIAN_RATIO = 0.1  # of the gap before the last step, to which it fell
_ALWAYS_WHOLE = 300  # coefficients: fewer are one working set
_LEAST_ADDED = 50  # coefficients that join a working set at a time, if so many would move
_ROUNDS, _SWEEPS = 60, 30  # of the model: sweeps, and then a step of all coefficients that are not 0
_GROUP_SWEEPS = 20  # over groups, before such a step
_MAX_HALVINGS = 30
_MODEL_ACCURACY = 3e-3  # times the gap's part of the objective: of a corner, what a slope may exceed it by
_SLOPE_LEFT = 1e-3  # of the steepest descent: what is left of it where there is no corner
_COARSE_OPERATIONS = 1e9  # of the Hessian of whole groups: from there on
_COARSE_GAP = 1e-6  # and above this part of the objective, float32 and some of the rows are enough
_LEFT_OUT = 0.05  # of the mean of p_k p_l: rows with less are left out of a coarse product of two classes
_COARSE_LIFT = 1e-6  # of the diagonal, beyond what float32 loses
_FLAT = 1e-13  # of the largest eigenvalue, or of the diagonal: rounding


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
        accuracy = max(_MODEL_ACCURACY * min(self.gap / max(self.value, UNIT), 1.0), _FLAT)
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


@dataclass(frozen=True)
class Model:
    """The Hessian of some coefficients, in blocks that are independent of each other.

    Attributes:
        chosen: which coefficients, shape (n_features + 1, n_outputs), boolean.
        quadratic: the penalty's curvature of each coefficient, of the same shape.
        intercepts: the Hessian with respect to the intercepts, (n_outputs, n_outputs); None without
            intercepts.
        blocks: for each block the coefficients, as places in the ravelled transpose, how many of
            them come first that are not penalised, and what is made of their Hessian.
    """

    chosen: Array
    quadratic: Array
    intercepts: Array | None
    blocks: tuple[_BlockModel, ...]
    W: Array
    hessians: tuple[Array, ...] | None
    is_coarse: bool = False

    @classmethod
    def at(
        cls,
        objective: Objective,
        W: Array,
        chosen: Array,
        is_free: Array,
        groups: Array | None,
        is_coarse: bool = False,
    ) -> Model:
        """The model at a point: a pass over the rows; of whole groups perhaps a coarse one."""
        chosen_ones, n_columns = _Chosen.of(objective, chosen), objective.shape[0]
        is_quick = objective.rows.is_sparse or 2 * int(chosen.sum()) > objective.size
        if is_quick and native.makes_derivatives(n_columns, objective.size):
            # Compiled code forms the Hessian of all coefficients in less time than NumPy that of a
            # few.
            numbers = chosen_ones.numbers
            within = [own % n_columns for own in numbers] if objective.loss.separable else numbers
            whole = objective.hessian_blocks(W)
            hessians = [H[np.ix_(own, own)] for own, H in zip(within, whole, strict=True)]
            return cls._of(objective, W, chosen, is_free, groups, hessians, None)
        of_loss = chosen_ones.hessian(objective, W, is_coarse)
        hessians = _with_quadratic(objective, chosen_ones, of_loss)
        found = cls._of(objective, W, chosen, is_free, groups, hessians, of_loss)
        return replace(found, is_coarse=True) if is_coarse else found

    def widened(self, objective: Objective, chosen: Array, is_free: Array, groups: Array | None) -> Model:
        """The model of more coefficients at the same point: a pass over the rows, for the products
        with the columns of the new ones alone."""
        assert self.hessians is not None
        chosen_ones, is_new = _Chosen.of(objective, chosen), (chosen & ~self.chosen).T
        columns = np.append(chosen_ones.features, objective.shape[0] - 1)
        added = tuple(np.flatnonzero(is_new[k, columns[own]]) for k, own in enumerate(chosen_ones.places))
        of_loss = []
        borders = chosen_ones.hessian(objective, self.W, self.is_coarse, added)
        for numbers, H, border in zip(chosen_ones.numbers, self.hessians, borders, strict=True):
            own, widened = is_new.ravel()[numbers], np.empty((len(numbers), len(numbers)))
            widened[np.ix_(~own, ~own)] = H
            widened[:, own], widened[own] = border, border.T
            of_loss.append(widened)
        hessians = _with_quadratic(objective, chosen_ones, tuple(of_loss))
        found = self._of(objective, self.W, chosen, is_free, groups, hessians, tuple(of_loss))
        return replace(found, is_coarse=self.is_coarse)

    @classmethod
    def _of(
        cls,
        objective: Objective,
        W: Array,
        chosen: Array,
        is_free: Array,
        groups: Array | None,
        hessians: list[Array],
        of_loss: tuple[Array, ...] | None,
    ) -> Model:
        """The model of Hessians, one for each block of chosen coefficients."""
        numbers, n_columns = _Chosen.of(objective, chosen).numbers, objective.shape[0]
        last = [own % n_columns == n_columns - 1 for own in numbers]
        intercepts = block_diag(*(H[np.ix_(at, at)] for H, at in zip(hessians, last, strict=True)))
        own_intercepts = intercepts if objective.fit_intercept else None
        if groups is not None and len(numbers) > 1:
            # A group has coefficients of all outputs, even if the loss has an output to itself.
            numbers, hessians = [np.concatenate(numbers)], [block_diag(*hessians)]
        blocks = []
        for own, H in zip(numbers, hessians, strict=True):
            of_own = None if groups is None else np.append(groups, -1)[own % n_columns]
            blocks.append(_BlockModel.of(own, H, is_free.T.ravel()[own], of_own))
        return cls(chosen, quadratic_of(objective), own_intercepts, tuple(blocks), W, of_loss)

    def under(self, quadratic: Array) -> Model:
        """The same where the penalty has another curvature; what has no penalty has none."""
        change = (quadratic - self.quadratic).T.ravel()
        if not change.any():
            return self
        blocks = tuple(block.with_added(change[block.penalised]) for block in self.blocks)
        return replace(self, quadratic=quadratic, blocks=blocks)

    def least(
        self,
        W: Array,
        gradient: Array,
        corner: Array,
        accuracy: float,
        limits: tuple[Array, ...] | None = None,
        absolute: Array | None = None,
    ) -> Array:
        """The coefficients at which the model with its gradient and Hessian is least, within
        limits, and under absolute values beside norms, if there are any; see
        `_least_with_corners`."""
        target = W.T.ravel().copy()
        flat_gradient, flat_corner = gradient.T.ravel(), corner.T.ravel()
        flat_limits = None if limits is None else tuple(limit.T.ravel() for limit in limits)
        flat_absolute = np.zeros_like(flat_corner) if absolute is None else absolute.T.ravel()
        for block in self.blocks:
            block.go_to_least(target, flat_gradient, flat_corner, accuracy, flat_limits, flat_absolute)
        return target.reshape(W.T.shape).T.copy()


def quadratic_of(objective: Objective) -> Array:
    """The penalty's curvature of each coefficient, 0 of intercepts."""
    quadratic = np.zeros(objective.shape)
    quadratic[:-1] = objective.penalty.quadratic
    return quadratic


@dataclass(frozen=True)
class _Chosen:
    """Where chosen coefficients are.

    Attributes:
        features: the columns that any output has chosen.
        places: of each output its columns among these, and the intercept's, which comes after them.
        numbers: of each block of a Hessian its coefficients, as places in the ravelled transpose.
    """

    features: Array
    places: tuple[Array, ...]
    numbers: list[Array]

    @classmethod
    def of(cls, objective: Objective, chosen: Array) -> _Chosen:
        (n_columns, _), loss = objective.shape, objective.loss
        features = np.flatnonzero(chosen[:-1].any(axis=1))
        columns = np.append(features, n_columns - 1)
        places = tuple(np.flatnonzero(chosen[columns, k]) for k in range(loss.n_outputs))
        flat = [k * n_columns + columns[own] for k, own in enumerate(places)]
        return cls(features, places, flat if loss.separable else [np.concatenate(flat)])

    def hessian(
        self, objective: Objective, W: Array, is_coarse: bool, added: tuple[Array, ...] | None = None
    ) -> tuple[Array, ...]:
        """The Hessian of the mean loss, in blocks, or where some places are added its columns for
        these."""
        loss, rows, total = objective.loss, objective.rows, objective.total_weight
        first = self.places[0]
        if loss.is_cross_entropy and not loss.separable and all(np.array_equal(first, own) for own in self.places):
            # Of whole groups the products of columns are needed once for each two classes.
            new = None if added is None else first[added[0]]
            (grams,) = rows.reduce(_PairedHessian(loss, rows.columns, W, self.features, first, new, is_coarse))
            grams /= total
            if is_coarse:
                at = np.arange(len(first)) if added is None else added[0], np.arange(grams.shape[2])
                grams[:, at[0], at[1]] *= 1 + _COARSE_LIFT
            return (_of_all_classes(grams, loss.n_outputs),)
        a_pass = _ChosenHessian(loss, rows.columns, W, self.features, self.places, added)
        return tuple(H / total for H in rows.reduce(a_pass))


def _with_quadratic(objective: Objective, chosen_ones: _Chosen, of_loss: tuple[Array, ...]) -> list[Array]:
    """Hessians of the loss with the penalty's curvature."""
    quadratic, hessians = quadratic_of(objective).T.ravel(), []
    for own, H in zip(chosen_ones.numbers, of_loss, strict=True):
        if quadratic[own].any():
            H = H.copy()
            H[np.diag_indices_from(H)] += quadratic[own]
        hessians.append(H)
    return hessians


@dataclass(frozen=True)
class _BlockModel:
    """One block: H of the penalised coefficients once the others are eliminated, `S = H_pp - H_pf
    H_ff^-1 H_fp`, and what they follow with."""

    penalised: Array
    free: Array
    S: Array
    inverse: Array
    mixed: Array
    groups: native.Groups | None

    @classmethod
    def of(cls, numbers: Array, H: Array, is_free: Array, groups: Array | None) -> _BlockModel:
        p, f = np.flatnonzero(~is_free), np.flatnonzero(is_free)
        if groups is not None:
            p = p[np.argsort(groups[p], kind="stable")]
        mixed, S = H[np.ix_(f, p)], np.ascontiguousarray(H[np.ix_(p, p)])
        inverse = np.zeros((len(f), len(f)))
        if len(f):
            # What is the same in every class of a softmax has no curvature.
            eigenvalues, directions = np.linalg.eigh(H[np.ix_(f, f)])
            kept = eigenvalues > _FLAT * max(float(eigenvalues.max()), 0.0)
            inverse = (directions[:, kept] / eigenvalues[kept]) @ directions[:, kept].T
            if len(p):  # in place, seen from the side: a large matrix takes longer to be made than added to
                S = blas.dgemm(-1.0, mixed.T, inverse @ mixed, 1.0, S.T, overwrite_c=True).T
        found = None
        if groups is not None:
            starts = np.flatnonzero(np.diff(groups[p], prepend=-2))
            found = native.Groups.of(S, np.append(starts, len(p)))
        return cls(numbers[p], numbers[f], S, inverse, mixed, found)

    def with_added(self, diagonal: Array) -> _BlockModel:
        """The same with this added to the diagonal of what is penalised."""
        S = self.S.copy()
        S[np.diag_indices_from(S)] += diagonal
        groups = None if self.groups is None else native.Groups.of(S, self.groups.starts)
        return replace(self, S=S, groups=groups)

    def go_to_least(
        self,
        target: Array,
        gradient: Array,
        corner: Array,
        accuracy: float,
        limits: tuple[Array, ...] | None,
        absolute: Array,
    ) -> None:
        """Changes the coefficients of this block in place."""
        free = gradient[self.free]
        reduced = gradient[self.penalised] - self.mixed.T @ (self.inverse @ free)
        before = target[self.penalised]
        if self.groups is None:
            own = corner[self.penalised]
            box = native.Box.of_corners(own) if limits is None else self._box(reduced, before, own, limits, accuracy)
            w = _least_with_corners(self.S, reduced, before, own, accuracy, box)
        else:
            first = self.penalised[self.groups.starts[:-1]]
            w = _least_with_norms(self.S, reduced, before, self.groups, (corner[first], absolute[first]), accuracy)
        target[self.penalised] = w
        target[self.free] -= self.inverse @ (free + self.mixed @ (w - before))

    def _box(
        self, gradient: Array, start: Array, corner: Array, limits: tuple[Array, ...], accuracy: float
    ) -> native.Box:
        """The limits; slopes of coefficients without a corner fall to a part of the steepest
        descent."""
        lower, upper = (limit[self.penalised] for limit in limits)
        box = native.Box(lower, upper, np.ones(len(corner)))
        steepest = max(float(_excess(gradient, start, corner, box).max(initial=0.0)), np.finfo(float).tiny)
        return replace(box, scale=np.where(corner > 0, corner, steepest * max(_SLOPE_LEFT / accuracy, 1.0)))


def _least_with_corners(
    H: Array, gradient: Array, start: Array, corner: Array, accuracy: float, box: native.Box
) -> Array:
    """Where `g' (w - start) + (w - start)' H (w - start) / 2 + sum corner |w|` is least within a
    box: there no slope exceeds what it may be by more than this part of its scale."""
    w, g = start.copy(), gradient.copy()
    if not len(w):
        return w
    for _ in range(_ROUNDS):
        native.gram_descent(H, corner, g, w, _SWEEPS, accuracy / 4, box)
        if _excess(g, w, corner, box).max() <= accuracy:
            break
        _go_on_support(H, g, w, corner, box)
        if _excess(g, w, corner, box).max() <= accuracy:
            break
    return w


def _excess(g: Array, w: Array, corner: Array, box: native.Box) -> Array:
    """How far each slope is from what its corner and its bounds allow, as a part of its scale."""
    at_zero = w == 0
    kink = corner * np.sign(w)
    down = np.where(w > box.lower, np.where(at_zero, g - corner, g + kink), -np.inf)
    up = np.where(w < box.upper, np.where(at_zero, -g - corner, -(g + kink)), -np.inf)
    return np.asarray(np.maximum(down, up) / box.scale)


def _go_on_support(H: Array, g: Array, w: Array, corner: Array, box: native.Box) -> None:
    """A step of the coefficients that are neither at a corner nor at a bound to where the model is
    least for their signs; those that would pass one stay there, or if that is no descent, the step
    ends at the first; in place."""
    support = np.flatnonzero(((w != 0) | (corner == 0)) & (w > box.lower) & (w < box.upper))
    if not len(support):
        return
    sign = np.sign(w[support])
    own = H[np.ix_(support, support)]
    diagonal = np.diag_indices_from(own)
    own[diagonal] += _FLAT * own[diagonal].max()
    factor, failed = lapack.dpotrf(own, lower=True, overwrite_a=True)
    if failed:
        return
    slope = g[support] + corner[support] * sign
    step, _ = lapack.dpotrs(factor, -slope, lower=True)
    # Along the step the model is a parabola up to the first corner or bound.
    lower, upper = box.lower[support], box.upper[support]
    stops = np.where(step > 0, upper, lower)
    stops = np.where((step * sign < 0) & (corner[support] > 0), np.clip(0.0, lower, upper), stops)
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.where(step != 0, (stops - w[support]) / step, np.inf)
    for change, stopped in (
        (np.where(ends <= 1, stops - w[support], step), ends <= 1),
        (step * min(1.0, float(ends.min())), ends <= min(1.0, float(ends.min()))),
    ):
        moved = H[:, support] @ change
        if np.isfinite(change).all() and float(slope @ change) + 0.5 * float(change @ moved[support]) < 0:
            w[support] = np.clip(w[support] + change, lower, upper)
            w[support[stopped]] = stops[stopped]
            g += moved
            return


Corners = tuple[Array, Array]
"""What each group's norm is multiplied by, and what its absolute values are; (n_groups,) both."""


def _least_with_norms(
    H: Array, gradient: Array, start: Array, groups: native.Groups, corners: Corners, accuracy: float
) -> Array:
    """The same with the sum of `corner ||w_g||` over groups in the place of absolute values, or
    beside them."""
    w, g = start.copy(), gradient.copy()
    if not len(w):
        return w
    for _ in range(_ROUNDS):
        native.group_descent(H, groups, *corners, g, w, _GROUP_SWEEPS, accuracy / 4)
        if _excess_of_norms(g, w, groups, corners) <= accuracy:
            break
        _go_on_groups(H, g, w, groups, corners)
        if _excess_of_norms(g, w, groups, corners) <= accuracy:
            break
    return w


def _norms(values: Array, groups: native.Groups) -> Array:
    return np.asarray(np.sqrt(np.add.reduceat(values * values, groups.starts[:-1])))


def _excess_of_norms(g: Array, w: Array, groups: native.Groups, corners: Corners) -> float:
    """How far a slope's norm is from what its corners allow, at most, as a part of these."""
    corner, absolute = corners
    sizes, counts = _norms(w, groups), np.diff(groups.starts)
    towards = np.divide(corner, sizes, out=np.zeros_like(sizes), where=sizes > 0)
    slope, of_each = g + np.repeat(towards, counts) * w, np.repeat(absolute, counts)
    slope = np.where(w == 0, slope - np.clip(slope, -of_each, of_each), slope + of_each * np.sign(w))
    left = _norms(slope, groups)
    return float((np.where(sizes == 0, left - corner, left) / (corner + absolute)).max())


def _go_on_groups(H: Array, g: Array, w: Array, groups: native.Groups, corners: Corners) -> None:
    """A step of Newton's method of the groups that are not 0, whose norms are smooth, or as long a
    part of it as is descent; in place.

    Beside absolute values of the coefficients that are not 0, with their signs; those that would
    pass 0 stay there.
    """
    sizes, counts = _norms(w, groups), np.diff(groups.starts)
    moves = np.repeat(sizes > 0, counts) & ((w != 0) | np.repeat(corners[1] == 0, counts))
    support = np.flatnonzero(moves)
    if not len(support):
        return
    counts = np.add.reduceat(moves.astype(np.int64), groups.starts[:-1])
    is_active = counts > 0
    counts, sizes, corner, absolute = (each[is_active] for each in (counts, sizes, *corners))
    inside, own_w, of_each = np.append(0, np.cumsum(counts)), w[support], np.repeat(absolute, counts)
    own = H.copy() if len(support) == len(w) else H[np.ix_(support, support)]
    diagonal = own.reshape(-1)[:: len(own) + 1]
    diagonal += _FLAT * diagonal.max() + np.repeat(corner / sizes, counts)
    along, parts = own_w / np.repeat(sizes, counts), corner / sizes
    for first, end, part in zip(inside.tolist(), inside[1:].tolist(), parts.tolist(), strict=False):
        unit = along[first:end]
        own[first:end, first:end] -= part * unit[:, None] * unit
    # Seen from the side a symmetric matrix is in the order of LAPACK, and is not copied.
    factor, failed = lapack.dpotrf(own.T, lower=True, clean=False, overwrite_a=True)
    if failed:
        return
    signs = of_each * np.sign(own_w)
    slope = g[support] + np.repeat(corner / sizes, counts) * own_w + signs
    step, _ = lapack.dpotrs(factor, -slope, lower=True)
    whole = np.zeros_like(w)
    for _ in range(_MAX_HALVINGS):
        trial, way = own_w + step, step
        passing = (trial * own_w < 0) & (of_each > 0)
        if passing.any():
            trial[passing] = 0.0
            way = trial - own_w
        whole[support] = way
        moved = H @ whole
        norms = np.sqrt(np.add.reduceat(trial * trial, inside[:-1]))
        change = float((g[support] + signs) @ way) + 0.5 * float(way @ moved[support])
        change += float((corner * (norms - sizes)).sum())
        if np.isfinite(change) and change < 0:
            w[support] = trial
            g += moved
            return
        step = step / 2


@dataclass(frozen=True, eq=False)
class _ChosenHessian:
    """The Hessian of the loss with respect to chosen coefficients, weighted and added up: one
    matrix for each output of a separable loss, else one for all.

    Args:
        loss: a loss of `polytome.losses`.
        columns: how the columns are standardised.
        W: coefficients for standardised columns, float64.
        features: the columns that any output has chosen.
        places: of each output's own columns among these; the intercept comes after them.
        added: of each output those of its places that are wanted with all, for a border of a matrix
            whose rest is known; None for the whole.
    """

    loss: Loss
    columns: Columns
    W: Array
    features: Array
    places: tuple[Array, ...]
    added: tuple[Array, ...] | None = None
    joined = 0

    def of_block(self, block: Block) -> Sums:
        loss, features = self.loss, self.features
        outputs = loss.outputs_of(block.target)
        raw = self.columns.to_raw(self.W)
        m, u = loss.curvature(block_scores(block, raw[:, outputs]), block.target)
        X = _standardized(block, self.columns, features)
        weight, own_outputs = block.weight, np.arange(loss.n_outputs)[outputs].tolist()
        if self.added is not None:
            return self._border(X, weight, np.maximum(m, 0.0), u, own_outputs)
        grams = [np.zeros((len(own), len(own))) for own in self.places]
        for k, m_k in zip(own_outputs, m.T, strict=True):
            own = X[:, self.places[k]] * np.sqrt(weight * np.maximum(m_k, 0.0))[:, None]
            grams[k] = own.T @ own
        if u is None:
            return tuple(grams)
        root = np.sqrt(weight)[:, None] * u
        coupled = np.hstack([X[:, own] * root[:, k, None] for k, own in enumerate(self.places)])
        return (block_diag(*grams) - coupled.T @ coupled,)

    def _border(self, X: Array, weight: Array, m: Array, u: Array | None, outputs: list[int]) -> Sums:
        """The products of all with what is added: each column is read once for each output."""
        assert self.added is not None
        new = [own[of_new] for own, of_new in zip(self.places, self.added, strict=True)]
        if u is None:
            borders = [np.zeros((len(own), len(of_new))) for own, of_new in zip(self.places, new, strict=True)]
            for k, m_k in zip(outputs, m.T, strict=True):
                borders[k] = X[:, self.places[k]].T @ (X[:, new[k]] * (weight * m_k)[:, None])
            return tuple(borders)
        ends = np.cumsum([0, *map(len, new)])
        spread = np.hstack([X[:, of_new] * (weight * u[:, k])[:, None] for k, of_new in enumerate(new)])
        rows = []
        for k, own in enumerate(self.places):
            weighted, inside = -u[:, k, None] * spread, slice(ends[k], ends[k + 1])
            weighted[:, inside] += X[:, new[k]] * (weight * m[:, k])[:, None]
            rows.append(X[:, own].T @ weighted)
        return (np.vstack(rows),)


def _standardized(block: Block, columns: Columns, features: Array) -> Array:
    """Standardized columns of a block, and a column of ones, float64."""
    chosen: Any = block.X[:, features]
    dense = chosen.toarray() if hasattr(chosen, "toarray") else chosen
    X = np.ones((len(block.weight), len(features) + 1))
    np.subtract(dense, columns.shift[features], out=X[:, :-1])
    X[:, :-1] *= columns.scale[features]
    return X


@dataclass(frozen=True, eq=False)
class _PairedHessian:
    """The Hessian of a softmax with respect to the coefficients of all classes of chosen columns,
    weighted and added up, as a product of columns for each two classes k < l:

        diag(p) - p p' = sum_{k < l} p_k p_l (e_k - e_l) (e_k - e_l)'

    In a coarse one rows whose p_k p_l is next to nothing are left out of the product of k and l,
    and products are made in float32: what is left is still a sum of squares, for a step's model and
    nothing else.

    Args:
        loss: a softmax, perhaps with an offset.
        columns: how the columns are standardised.
        W: coefficients for standardised columns, float64.
        features: the chosen columns.
        places: those of each class among these; the intercept comes after them.
        added: of these places those that are wanted with all, for a border; None for all.
        is_coarse: whether digits and rows that hardly count may be left out.
    """

    loss: Loss
    columns: Columns
    W: Array
    features: Array
    places: Array
    added: Array | None = None
    is_coarse: bool = False
    joined = 0

    def of_block(self, block: Block) -> Sums:
        raw = self.columns.to_raw(self.W)
        _, p = self.loss.curvature(block_scores(block, raw), block.target)
        assert p is not None
        X, new = _standardized(block, self.columns, self.features), self.added
        X = X if len(self.places) == X.shape[1] else X[:, self.places]
        is_new: Any = slice(None) if new is None else np.searchsorted(self.places, new)
        if self.is_coarse:
            X = X.astype(np.float32)
        n_classes = p.shape[1]
        grams = np.empty((n_classes * (n_classes - 1) // 2, X.shape[1], X[:, is_new].shape[1]))
        for place, (k, other) in enumerate(combinations(range(n_classes), 2)):
            share, own = block.weight * p[:, k] * p[:, other], X
            if self.is_coarse:
                counts = np.flatnonzero(share > _LEFT_OUT * share.mean())
                share, own = share[counts], X[counts]
            own = own * np.sqrt(share).astype(X.dtype)[:, None]
            grams[place] = own.T @ (own if new is None else own[:, is_new])
        return (grams,)


def _of_all_classes(grams: Array, n_classes: int) -> Array:
    """The Hessian, or its columns, of products for each two classes."""
    _, n, n_new = grams.shape
    found = np.zeros((n_classes, n, n_classes, n_new))
    for gram, (k, other) in zip(grams, combinations(range(n_classes), 2), strict=True):
        found[k, :, k] += gram
        found[other, :, other] += gram
        found[k, :, other] = found[other, :, k] = -gram
    return found.reshape(n_classes * n, n_classes * n_new)
