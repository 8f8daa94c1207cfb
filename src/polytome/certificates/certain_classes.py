"""A lower bound of the infimum without penalty, where classes are separated in part.

What some coefficients, as they grow, make certain costs nothing in the end, and there is no
minimum. But no loss is negative, and a softmax that has fewer classes to choose from has a smaller
loss:

    log sum_k exp(z_k) - z_y  >=  log sum_{k in A} exp(z_k) - z_y

for any set A of classes with y in it.

So leave out the classes that are all but impossible in a row, and the row where only its own is
left. The objective is never below what remains of it, and that may have a minimum, which the
curvature finds. Whatever is left out the bound holds; it is sharp where just that goes which tends
to nothing.

Without these classes a softmax may not depend on some coefficients any more. That is shown exactly
(`independent_unknowns`), and the curvature is that of the others.

Reference: Albert and Anderson, On the existence of maximum likelihood estimates in logistic
regression models, Biometrika 71, 1984.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.curvature_proof import curvature_bound
from polytome.certificates.independent_columns import independent_unknowns
from polytome.certificates.rounding import growth
from polytome.losses import Logistic, Loss, Softmax, WithOffset, labels_of, offset_of, with_offset
from polytome.losses.pairwise import PairwiseSigmoids
from polytome.objective import Objective
from polytome.passes import Block, Sums, block_scores

Array = NDArray[Any]

__all__ = ["KeptClasses", "labels_by_output", "least_of_the_rest"]

_MOST_ENTRIES = 2**24  # residuals that are sorted
_FAR = 1e6  # below the other scores: a probability that is 0


@dataclass(frozen=True)
class KeptClasses(Softmax):
    """The softmax loss of some classes of each row: the target, (n, K), has -1 for the others.

    Example:
        >>> loss = KeptClasses(3)
        >>> value, _ = loss.value_and_gradient(np.array([[0.0, 0.0, 9.0]]), np.array([[1.0, 0.0, -1.0]]))
        >>> bool(value[0] == np.log(2))
        True
    """

    def value_and_gradient(self, scores: Array, target: Array) -> tuple[Array, Array]:
        """Those of the classes that are kept; of the others the gradient is 0."""
        return super().value_and_gradient(_kept_scores(scores, target), np.maximum(target, 0.0))

    def curvature(self, scores: Array, target: Array) -> tuple[Array, Array | None]:
        """`m = u = p`, with 0 for the classes that are left out."""
        return super().curvature(_kept_scores(scores, target), target)


def _kept_scores(scores: Array, target: Array) -> Array:
    least = scores.min(axis=1, keepdims=True)
    return np.where(target >= 0, scores, least - _FAR)


def least_of_the_rest(objective: Objective, W: Array, allowed: float) -> float | None:
    """A lower bound of the infimum, without what is all but certain at some coefficients; None
    where nothing is proved.

    Args:
        objective: without penalty, with products in float64.
        W: coefficients, shape `objective.shape`.
        allowed: what may be left out, of the objective there, in nats.

    Example:
        >>> from polytome.penalties import NoPenalty
        >>> from polytome.rows import as_rows
        >>> X, y = np.array([[0.0], [0.0], [1.0]]), np.array([0, 1, 1])  # whoever has a one is of class 1
        >>> objective = Objective(Logistic(), NoPenalty(), as_rows(X, y))
        >>> least = least_of_the_rest(objective, np.array([[12.0], [0.0]]), 1e-4)  # the least of the others is log 2
        >>> bool(0 <= 2 * np.log(2) / 3 - least < 1e-12)
        True
    """
    rows, n_outputs = objective.rows, objective.loss.n_outputs
    is_small = rows.facts.is_resident and rows.n_rows * n_outputs <= _MOST_ENTRIES
    if not (is_small and objective.loss.is_cross_entropy):
        return None
    raw = rows.columns.to_raw(W)
    (residuals,) = rows.reduce(_Residuals(objective.loss, raw))
    labels = labels_by_output(objective.loss, rows.target)
    # Of a softmax only classes that are not the row's can go, which leaves it with others at the
    # least.
    may_go = (labels >= 0) & ((labels == 0) | objective.loss.separable)
    mass = np.where(may_go, np.abs(residuals) * rows.weight[:, None], np.inf)
    smallest = np.sort(mass[np.isfinite(mass)])
    n_dropped = int(np.searchsorted(smallest.cumsum(), allowed * objective.total_weight, side="right"))
    if n_dropped == 0:
        return None
    kept = np.where(mass <= smallest[n_dropped - 1], -1.0, labels)
    least = 0.0
    for rest, own in _rests(objective, W, kept):
        blocks = rest.hessian_blocks(own)
        free = None if rest.loss.separable else independent_unknowns(rest, blocks)
        found = curvature_bound(rest, own, blocks, free)
        if found is None:
            return None
        share = rest.total_weight / objective.total_weight
        least += max(found.objective - found.rounding - found.gap, 0.0) * share
    return least * (1 - growth(rows.n_rows + n_outputs + 100))


def _rests(objective: Objective, W: Array, kept: Array) -> Iterator[tuple[Objective, Array]]:
    """What is left of each problem of its own, and its coefficients."""
    rows = objective.rows
    if not objective.loss.separable:
        chosen = np.flatnonzero(((kept >= 0).sum(axis=1) > 1) & (rows.weight > 0))
        if len(chosen):
            yield _rest(objective, KeptClasses(objective.loss.n_outputs), chosen, kept, slice(None)), W
        return
    for k, own in enumerate(kept.T):
        chosen = np.flatnonzero((own >= 0) & (rows.weight > 0))
        if len(chosen):
            yield _rest(objective, Logistic(), chosen, own, slice(k, k + 1)), W[:, [k]]


def _rest(objective: Objective, loss: Loss, chosen: Array, labels: Array, outputs: slice) -> Objective:
    """Some rows with other labels of these outputs, and their own offsets."""
    rows, offset = objective.rows, offset_of(objective.rows.target)
    target = labels[chosen]
    if offset is not None:
        loss, target = WithOffset(loss), with_offset(target, offset[chosen][:, outputs])
    return replace(objective, loss=loss, rows=rows.subset(chosen, rows.weight[chosen]).with_target(target))


def labels_by_output(loss: Loss, target: Array) -> Array:
    """The labels of each output, (n, n_outputs): from 0 to 1, and -1 where a row takes no part."""
    target = labels_of(target)
    if isinstance(loss, PairwiseSigmoids):
        first, second = target[:, None] == loss.pairs.T[:, None]
        return np.where(second, 1.0, np.where(first, 0.0, -1.0))
    if target.ndim == 2:
        return target.astype(np.float64)
    return np.eye(loss.n_outputs)[target] if not loss.separable else target[:, None].astype(np.float64)


@dataclass(frozen=True, eq=False)
class _Residuals:
    """The gradient of each row's loss with respect to its scores, joined: (n, n_outputs)."""

    loss: Loss
    raw: Array
    joined = 1

    def of_block(self, block: Block) -> Sums:
        return (self.loss.value_and_gradient(block_scores(block, self.raw), block.target)[1],)
