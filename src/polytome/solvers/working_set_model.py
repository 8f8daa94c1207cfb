"""A quadratic model of the loss on a working set of coefficients, minimised with the penalty as it
is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, block_diag

from polytome import native
from polytome.objective import Objective
from polytome.solvers.chosen_hessian import Chosen
from polytome.solvers.least_under_corners import FLAT, excess, least_with_corners, least_with_norms

Array = NDArray[Any]

__all__ = ["Model", "quadratic_of"]

_SLOPE_LEFT = 1e-3  # of the steepest descent: what is left of it where there is no corner


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
        chosen_ones, n_columns = Chosen.of(objective, chosen), objective.shape[0]
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
        chosen_ones, is_new = Chosen.of(objective, chosen), (chosen & ~self.chosen).T
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
        numbers, n_columns = Chosen.of(objective, chosen).numbers, objective.shape[0]
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
        `least_with_corners`."""
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


def _with_quadratic(objective: Objective, chosen_ones: Chosen, of_loss: tuple[Array, ...]) -> list[Array]:
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
            kept = eigenvalues > FLAT * max(float(eigenvalues.max()), 0.0)
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
            w = least_with_corners(self.S, reduced, before, own, accuracy, box)
        else:
            first = self.penalised[self.groups.starts[:-1]]
            w = least_with_norms(self.S, reduced, before, self.groups, (corner[first], absolute[first]), accuracy)
        target[self.penalised] = w
        target[self.free] -= self.inverse @ (free + self.mixed @ (w - before))

    def _box(
        self, gradient: Array, start: Array, corner: Array, limits: tuple[Array, ...], accuracy: float
    ) -> native.Box:
        """The limits; slopes of coefficients without a corner fall to a part of the steepest
        descent."""
        lower, upper = (limit[self.penalised] for limit in limits)
        box = native.Box(lower, upper, np.ones(len(corner)))
        steepest = max(float(excess(gradient, start, corner, box).max(initial=0.0)), np.finfo(float).tiny)
        return replace(box, scale=np.where(corner > 0, corner, steepest * max(_SLOPE_LEFT / accuracy, 1.0)))
