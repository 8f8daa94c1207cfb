"""The softmax Hessian as a sum over pairs of classes, and what a sample of the pairs makes of it.

With probabilities p, the Hessian of a row's softmax loss is

    diag(p) - p p'  =  sum over pairs k > l of  p_k p_l (e_k - e_l)(e_k - e_l)'

the Laplacian of a graph whose edges are pairs of classes. Nearly all of the curvature is in few pairs: most rows have
one rival class, or none. A pair adds `p_k p_l x x'` to four blocks of the Hessian of the coefficients, so the blocks of
two different classes are weighted Gram matrices of rows, and the others are minus the sums of these.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.losses import Squared
from polytome.numerics import softmax
from polytome.objective import Objective, block_scores
from polytome.penalties import NoPenalty
from polytome.rows import Block
from polytome.rows.blocks import in_order
from polytome.threads import available_threads

Array = NDArray[Any]

__all__ = ["pair_hessian"]

_MOST_ROWS = 16_384
_MOST_IMPORTANT = 1e100
_GOLDEN = 0.6180339887498949  # its multiples spread evenly between whole numbers


def pair_hessian(objective: Objective, W: Array, temperature: Array, pairs: int, turn: int = 0) -> Array:
    """An unbiased estimate of the Hessian of a softmax objective whose rows are at a temperature each.

    A row at temperature T has the curvature of `softmax(scores / T)`: at 1 its own, above more where it is sure.

    Args:
        objective: one with the softmax loss.
        W: coefficients, shape `objective.shape`.
        temperature: one per row, 1 or more.
        pairs: about how many pairs are drawn for each coefficient, at most; those that matter most are certain to be.
        turn: another number, another draw.

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

    Reference: Spielman and Srivastava, Graph sparsification by effective resistances, SIAM J. Comput. 40, 2011.
    """
    n_columns, n_classes = objective.shape
    H = np.zeros((n_classes, n_columns, n_classes, n_columns))
    parts = _parts_of_pairs(_draw(objective, W, temperature, pairs, turn))
    grams = in_order(lambda part: _gram(objective, part), parts, available_threads())
    first, second = np.tril_indices(n_classes, -1)
    for part, gram in zip(parts, grams, strict=True):
        place = int(part[0, 1])
        H[first[place], :, second[place]] -= gram

    def complete(k: int) -> None:
        """The blocks right of the diagonal mirror those below it, and the rows of blocks sum to zero."""
        H[k, :, k + 1 :] = H[k + 1 :, :, k].transpose(1, 0, 2)
        own = H[k, :, k]
        np.negative(H[k].sum(axis=1), out=own)
        np.einsum("aa->a", own[:-1, :-1])[:] += objective.penalty.strength

    for _ in in_order(complete, range(n_classes), available_threads()):
        pass
    return H.reshape(1, objective.size, objective.size)


def _parts_of_pairs(drawn: Array) -> list[Array]:
    """Drawn pairs by pair of classes, in parts of which the rows fit into little memory."""
    drawn = drawn[np.argsort(drawn[:, 1], kind="stable")]
    bounds = [0, *(np.flatnonzero(np.diff(drawn[:, 1])) + 1), len(drawn)]
    cuts = [cut for start, stop in pairwise(bounds) for cut in range(start, stop, _MOST_ROWS)]
    return [drawn[start:stop] for start, stop in pairwise([*cuts, len(drawn)])]


def _gram(objective: Objective, part: Array) -> Array:
    """`X' diag(c) X / S` over the rows of drawn pairs, c being their weights; the intercept's column of ones last."""
    drawn: Any = objective.rows.at(np.float64).subset(part[:, 0].astype(np.intp), part[:, 2])
    rows = replace(drawn, target=np.zeros(len(part)), n_threads=1)  # other parts have the other threads
    # The squared loss has curvature 1 everywhere, so its Hessian is this matrix but for the sum of the weights.
    squared = Objective(Squared(), NoPenalty(), rows, objective.fit_intercept)
    gram: Array = squared.hessian_blocks(np.zeros((objective.shape[0], 1)))[0]
    gram *= squared.total_weight / objective.total_weight
    return gram


def _draw(objective: Objective, W: Array, temperature: Array, pairs: int, turn: int) -> Array:
    """Drawn pairs: the row, the place of the pair in `tril_indices`, and its weight; shape (n_drawn, 3).

    A pair's importance is its share in the diagonal blocks' own diagonals, summed over the columns: so rare classes and
    columns keep what curvature they have. Two passes over the rows.
    """
    described = np.column_stack([np.arange(objective.rows.n_rows), 1 / temperature])
    rows, raw = objective.rows.at(np.float64).with_target(described), objective.rows.columns.to_raw(W)

    def spread(block: Block) -> tuple[Array, ...]:
        p = _tempered(block, raw)
        bend = p * (1 - p) * block.weight[:, None]
        return _squares(block).T @ bend, bend.sum(axis=0)

    features, intercept = rows.sum(spread)
    features, intercept = (pairs / np.maximum(diagonal, 1e-300) for diagonal in (features, intercept))

    def block_pairs(block: Block) -> Array:
        p = _tempered(block, raw)
        # Without a bound the share in a diagonal that is next to nothing could be infinite, and that times zero none.
        importance = np.minimum((_squares(block) @ features + intercept) * block.weight[:, None], _MOST_IMPORTANT)
        # First a row and a class that is not its most probable one, then a more probable class to make the pair.
        chance = p * (importance + (p * importance).sum(axis=1, keepdims=True))
        chance[np.arange(len(p)), p.argmax(axis=1)] = 0.0
        np.minimum(chance, 1.0, out=chance)
        row, k = np.divmod(_systematic(chance.ravel(), turn), p.shape[1])
        own, drawn, rivals = p[row, k, None], chance[row, k, None], p[row]
        earlier = np.arange(p.shape[1]) < k[:, None]
        curvature = own * np.where((rivals > own) | (earlier & (rivals == own)), rivals, 0.0)
        expected = np.minimum(curvature * (importance[row, k, None] + importance[row]) / drawn, 1.0)
        place, other = np.divmod(_systematic(expected.ravel(), turn), p.shape[1])
        row, k, drawn = row[place], k[place], drawn[place, 0]
        weight = block.weight[row] * curvature[place, other] / (expected[place, other] * drawn)
        higher, lower = np.maximum(k, other), np.minimum(k, other)
        return np.column_stack([block.target[row, 0], higher * (higher - 1) // 2 + lower, weight])

    with np.errstate(over="ignore"):
        return rows.each(block_pairs)


def _squares(block: Block) -> Any:
    """The squared entries of a block, as it is stored."""
    X = block.X
    return X * X if isinstance(X, np.ndarray) else type(X)((X.data * X.data, X.indices, X.indptr), shape=X.shape)


def _systematic(expected: Array, turn: int) -> Array:
    """What systematic sampling draws: the places where the sum of the expectations so far passes a whole number.

    Reference: Madow, On the theory of systematic sampling, Annals of Mathematical Statistics 20, 1949.
    """
    begin = (0.5 + turn * _GOLDEN) % 1.0
    so_far = np.cumsum(expected)
    total = so_far[-1] if len(so_far) else 0.0
    wanted = np.arange(1.0, total + 2) - begin
    return np.searchsorted(so_far, wanted[wanted <= total])


def _tempered(block: Block, raw: Array) -> Array:
    """Probabilities of a block whose target holds the inverse temperature in column 1."""
    scores = block_scores(block, raw)
    scores *= block.target[:, 1:2]
    return softmax(scores, axis=1)
