"""The softmax Hessian as a sum over pairs of classes, and what a sample of the pairs makes of it.

With probabilities p, the Hessian of a row's softmax loss is

    diag(p) - p p'  =  sum over pairs k > l of  p_k p_l (e_k - e_l)(e_k - e_l)'

the Laplacian of a graph whose edges are pairs of classes. Nearly all of the curvature is in few
pairs: most rows have one rival class, or none. A pair adds `p_k p_l x x'` to four blocks of the
Hessian of the coefficients, so the blocks of two different classes are weighted Gram matrices of
rows, and the others are minus the sums of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.numerics import softmax
from polytome.objective import Objective, all_scores
from polytome.passes import Block, Grams, Sums
from polytome.penalties import by_column
from polytome.rows import in_memory
from polytome.rows.blocks import in_order

Array = NDArray[Any]

__all__ = ["ROWS_AT_ONCE", "pair_hessian"]

ROWS_AT_ONCE = 32_768
"""Rows of drawn pairs that are copied at a time, to be multiplied."""
_MAX_IMPORTANCE = 1e100
_GOLDEN_RATIO = 0.6180339887498949  # its multiples spread evenly between whole numbers


def pair_hessian(objective: Objective, W: Array, temperature: Array, pairs: int, draw: int = 0) -> Array:
    """An unbiased estimate of the Hessian of a softmax objective whose rows are at a temperature
    each.

    A row at temperature T has the curvature of `softmax(scores / T)`: at 1 its own; above, more
    where it is certain.

    Args:
        objective: one with the softmax loss.
        W: coefficients, shape `objective.shape`.
        temperature: one per row, 1 or more.
        pairs: about how many pairs are drawn for each coefficient, at most; those that matter most
            are certain to be.
        draw: number of the draw; each is another sample.

    Returns:
        Shape (1, objective.size, objective.size), as from `Objective.hessian_blocks`.

    Example:
        >>> from polytome.losses import Softmax
        >>> from polytome.penalties import L2
        >>> from polytome.rows import as_rows
        >>> objective = Objective(Softmax(3), L2(1.0), as_rows(np.eye(3), np.arange(3)))
        >>> W = np.zeros(objective.shape)
        >>> bool(np.allclose(pair_hessian(objective, W, np.ones(3), 10**6), objective.hessian_blocks(W)))
        True

    Reference: Spielman and Srivastava, Graph sparsification by effective resistances, SIAM J.
    Comput. 40, 2011.
    """
    n_columns, n_classes = objective.shape
    H = np.zeros((n_classes, n_columns, n_classes, n_columns))
    first, second = np.tril_indices(n_classes, -1)
    drawn = _draw(objective, W, temperature, pairs, draw)
    for start in range(0, len(drawn), ROWS_AT_ONCE):
        for place, gram in _grams(objective, drawn[start : start + ROWS_AT_ONCE]):
            H[first[place], :, second[place]] -= gram

    def complete(k: int) -> None:
        """The blocks right of the diagonal mirror those below it, and the rows of blocks sum to
        zero."""
        H[k, :, k + 1 :] = H[k + 1 :, :, k].transpose(1, 0, 2)
        own = H[k, :, k]
        np.negative(H[k].sum(axis=1), out=own)
        np.einsum("aa->a", own[:-1, :-1])[:] += by_column(objective.penalty.quadratic)

    for _ in in_order(complete, range(n_classes), objective.rows.facts.n_threads):
        pass
    return H.reshape(1, objective.size, objective.size)


def _grams(objective: Objective, drawn: Array) -> Iterator[tuple[int, Array]]:
    """`X' diag(c) X / S` over the rows of drawn pairs, c being their weights, the intercept's
    column of ones last.

    Yields the place of a pair of classes and the matrix of some of its rows, which follow each
    other in `drawn`.
    """
    row, places, weight = drawn[:, 0].astype(np.intp), drawn[:, 1].astype(np.intp), drawn[:, 2]
    chosen = objective.rows.at(np.float64).subset(row, weight / objective.total_weight)
    rows = chosen.with_target(places).with_ends((np.flatnonzero(np.diff(places)) + 1).tolist())
    of_blocks, grams = rows.reduce(Grams(rows.columns, objective.fit_intercept))
    return zip(of_blocks.tolist(), grams, strict=True)


def _draw(objective: Objective, W: Array, temperature: Array, pairs: int, draw: int) -> Array:
    """Drawn pairs: the row, the place of the pair in `tril_indices`, and its weight; shape
    (n_drawn, 3), by place.

    A pair's importance is its share in the diagonal blocks' own diagonals, summed over the columns:
    so rare classes and columns keep their curvature. Three passes over the rows, whose
    probabilities are kept meanwhile.
    """
    rows = in_memory(objective.rows, "a sample of pairs of classes").at(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        scores = all_scores(rows, rows.columns.to_raw(W))
    scores /= temperature[:, None]
    (p,) = rows.with_target(scores).reduce(_SoftmaxOfTargets())
    rows = rows.with_target(np.arange(rows.n_rows))  # so that a block knows its rows
    features, intercept = (pairs / np.maximum(diagonal, 1e-300) for diagonal in rows.reduce(_Diagonals(p)))
    with np.errstate(over="ignore"):
        (drawn,) = rows.reduce(_DrawnPairs(p, features, intercept, draw))
    place = drawn[:, 1].astype(
        np.uint16 if objective.loss.n_outputs < 256 else np.uint32
    )  # short integers are sorted faster
    return drawn[np.argsort(place, kind="stable")]


@dataclass(frozen=True)
class _SoftmaxOfTargets:
    """Probabilities of rows whose targets are scores, joined."""

    joined = 1

    def of_block(self, block: Block) -> Sums:
        return (softmax(block.target, axis=1),)


@dataclass(frozen=True, eq=False)
class _Diagonals:
    """The diagonals of the Hessian's diagonal blocks: of the columns, (n_features, n_classes), and
    of the intercepts.

    Targets are the numbers of the rows, `p` the probabilities of all.
    """

    p: Array
    joined = 0

    def of_block(self, block: Block) -> Sums:
        own = self.p[block.target[0] : block.target[-1] + 1]
        curvature = own * (1 - own) * block.weight[:, None]
        return _squares(block).T @ curvature, curvature.sum(axis=0)


@dataclass(frozen=True, eq=False)
class _DrawnPairs:
    """Pairs drawn from each row, joined: the row, the place of the pair and its weight. Targets as
    in `_Diagonals`.

    `features` and `intercept` are what a unit of each diagonal counts.
    """

    p: Array
    features: Array
    intercept: Array
    draw: int
    joined = 1

    def of_block(self, block: Block) -> Sums:
        importance = (_squares(block) @ self.features + self.intercept) * block.weight[:, None]
        # Without a bound the share in a diagonal that is almost nothing could be infinite, and
        # infinity times zero is NaN.
        np.minimum(importance, _MAX_IMPORTANCE, out=importance)
        row, place, weight = _pairs_of_rows(self.p[block.target[0] : block.target[-1] + 1], importance, self.draw)
        return (np.column_stack([block.target[row], place, block.weight[row] * weight]),)


def _pairs_of_rows(p: Array, importance: Array, draw: int) -> tuple[Array, Array, Array]:
    """Pairs drawn from rows with probabilities p: the row, the place of the pair in `tril_indices`,
    and its weight."""
    # First a row and a class that is not its most probable one, then a more probable class to make
    # the pair.
    chance = importance + np.einsum("ik,ik->i", p, importance)[:, None]
    chance *= p
    chance[np.arange(len(p)), p.argmax(axis=1)] = 0.0
    np.minimum(chance, 1.0, out=chance)
    row, k = np.divmod(_systematic(chance.ravel(), draw), p.shape[1])
    own, drawn, curvature, expected = p[row, k, None], chance[row, k, None], p[row], importance[row]
    earlier = np.arange(p.shape[1]) < k[:, None]
    curvature *= own * ((curvature > own) | (earlier & (curvature == own)))
    expected += importance[row, k, None]
    expected *= curvature
    expected /= drawn
    np.minimum(expected, 1.0, out=expected)
    place, other = np.divmod(_systematic(expected.ravel(), draw), p.shape[1])
    row, k = row[place], k[place]
    higher, lower = np.maximum(k, other), np.minimum(k, other)
    weight = curvature[place, other] / (expected[place, other] * drawn[place, 0])
    return row, higher * (higher - 1) // 2 + lower, weight


def _squares(block: Block) -> Any:
    """The squared entries of a block, as it is stored."""
    X = block.X
    return X * X if isinstance(X, np.ndarray) else type(X)((X.data * X.data, X.indices, X.indptr), shape=X.shape)


def _systematic(expected: Array, draw: int) -> Array:
    """What systematic sampling draws: the places where the sum of the expectations so far passes a
    whole number.

    Reference: Madow, On the theory of systematic sampling, Annals of Mathematical Statistics
    20, 1949.
    """
    offset = (0.5 + draw * _GOLDEN_RATIO) % 1.0
    cumulative = np.cumsum(expected)
    total = cumulative[-1] if len(cumulative) else 0.0
    thresholds = np.arange(1.0, total + 2) - offset
    return np.searchsorted(cumulative, thresholds[thresholds <= total])
