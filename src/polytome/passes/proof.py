"""What a proof by the curvature asks of the rows: how far rounding may have moved each one, and how
far a direction of unit length can.

See `polytome.certificates.curvature_proof`, which makes a bound of these sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.losses import Loss, offset_of
from polytome.numerics.exact_sums import UNIT, growth
from polytome.passes.block import Block, Columns
from polytome.passes.one_pass import Sums, added_up

Array = NDArray[Any]

__all__ = ["SLACK", "UNDERFLOW", "ProofSums", "change_of_probabilities", "concordance_of", "sum_rounding"]

SLACK = 1e-9
"""Relative, for the last few operations."""
UNDERFLOW = 1e-290
"""For what underflows."""
_NUMBERS_AT_ONCE = 2**17  # a megabyte: what is made of them stays in the cache


@dataclass(frozen=True, eq=False)
class ProofSums:
    """Sums over the rows, in standardised columns and the intercept's; not divided by their weight.

    With `R_i` a row's residuals, `D_i` the diagonal of its Hessian and `e_i` bounds on the errors
    of its scores, its results are

    - `sum_i s_i x_i R_i`, `sum_i s_i |x_i| |R_i|` and `sum_i s_i x_i^2 D_i`, each (n_columns,
      n_outputs);
    - for each part, by how much `e` may have moved its gradient, in its coordinates;
    - the loss, a bound on its error, and one on that of the mean residual;
    - joined, from each block: for each part the largest range of a row's scores along a direction
      of unit length, (1, n_parts), and the largest error of a score, (1,).

    Args:
        loss: a cross-entropy whose outputs are independent, or that of softmax.
        W: coefficients of standardised columns, (n_columns, n_outputs).
        columns: how columns are standardised.
        coordinates: of each part, of one output or of all but the last of a softmax, the directions
            of unit length, (n_parts, n_own, size, n_columns).
        intercept_error: what moves the scores of all rows, at most, (n_outputs,).
        is_soft: whether some labels are distributions.
    """

    loss: Loss
    W: Array
    columns: Columns
    coordinates: Array
    intercept_error: Array
    is_soft: bool
    joined = 2

    @property
    def norms(self) -> Array:
        """The lengths of the columns of the coordinates, (n_parts, n_own, n_columns)."""
        return np.asarray(np.linalg.norm(self.coordinates, axis=2))

    @property
    def length_growth(self) -> tuple[float, float]:
        """The relative rounding of the products that make lengths, and of their sum of squares."""
        n_own, size, n_columns = self.coordinates.shape[1:]
        return growth(n_columns + n_own + 16), growth(size + 16)

    @property
    def score_growth(self) -> float:
        """The relative rounding of scores."""
        return growth(len(self.W) + 8)

    def of_block(self, block: Block) -> Sums:
        """The sums over some rows, a few at a time."""
        *sums, ranges, deviations = added_up(map(self._of_piece, _pieces(block, len(self.W))), self.joined)
        return *sums, ranges.max(axis=0, keepdims=True), deviations.max(keepdims=True)

    def _of_piece(self, block: Block) -> Sums:
        loss, W = self.loss, self.W
        X = self.columns.with_intercept(block)
        scores, weight = X @ W, block.weight[:, None]
        absolute = np.abs(X)
        score_error = self.score_growth * (absolute @ np.abs(W)) + sum_rounding(scores, block.target)
        if not loss.separable:  # the largest score is subtracted from all of a row
            score_error[:] = score_error.max(axis=1, keepdims=True)
        deviation, has_weight = score_error + self.intercept_error, block.weight > 0
        value, residual = loss.value_and_gradient(scores, block.target)
        m, u = loss.curvature(scores, block.target)
        norms, growths = self.norms, self.length_growth
        lengths = [_lengths(X, absolute, *of_part, growths) for of_part in zip(self.coordinates, norms, strict=True)]
        changes = np.broadcast_to(change_of_probabilities(loss, m, u, deviation), (len(X), len(lengths)))
        moved = [block.weight @ (length * change) for (length, _), change in zip(lengths, changes.T, strict=True)]
        ranges = [float(span[has_weight].max(initial=0.0)) for _, span in lengths]
        loss_error = ((np.abs(residual) + SLACK + 0.5 * loss.smoothness * score_error) * score_error).sum(axis=1)
        return (
            X.T @ (weight * residual),
            absolute.T @ (weight * (np.abs(residual) + float(self.is_soft))),
            (X * X).T @ (weight * np.maximum(m, 0.0)) * (1 if u is None else 2),
            np.array(moved),
            np.asarray(block.weight @ value),
            np.asarray(block.weight @ loss_error),
            np.asarray(block.weight @ score_error.max(axis=1)),
            np.array([ranges]),
            deviation[has_weight].max(initial=0.0, keepdims=True)[0],
        )


def _pieces(block: Block, n_columns: int) -> Iterator[Block]:
    step = max(1, _NUMBERS_AT_ONCE // n_columns)
    n_rows = len(block.weight)
    if n_rows <= step:
        yield block
        return
    for start in range(0, n_rows, step):
        part = slice(start, start + step)
        stored = block.stored[part]
        yield replace(block, stored=stored, target=block.target[part], weight=block.weight[part])


def _lengths(
    X: Array, absolute: Array, by_output: Array, norms: Array, growths: tuple[float, float]
) -> tuple[Array, Array]:
    """For each row bounds on the largest length, in given coordinates, of what a change of one
    output's probability moves the gradient by, and on the range of its scores along a direction of
    length one; both (n,).

    Args:
        X: columns of the rows, (n, n_columns).
        absolute: their absolute values.
        by_output: the coordinates, (n_own, size, n_columns).
        norms: of their columns, (n_own, n_columns).
        growths: of products, and of sums of squares.
    """
    n_own, size, _ = by_output.shape
    error = growths[0] * (absolute @ norms.T).max(axis=1)
    longest, span = np.empty(len(X)), np.empty(len(X))
    step = max(1, 8 * _NUMBERS_AT_ONCE // max(n_own * size, 1))
    for start in range(0, len(X), step):
        part = slice(start, start + step)
        U = X[part] @ by_output.reshape(n_own * size, X.shape[1]).T
        if n_own == 1:
            longest[part] = span[part] = np.sqrt(np.einsum("ij,ij->i", U, U))
            continue
        # About their mean, as changes of probabilities add up to zero; a last output that is held
        # has none itself.
        U = U.reshape(len(U), n_own, size)
        mean = U.sum(axis=1) / (n_own + 1)
        U -= mean[:, None]
        squares = np.column_stack([np.einsum("ikj,ikj->ik", U, U), np.einsum("ij,ij->i", mean, mean)])
        largest = np.sqrt(np.sort(squares, axis=1)[:, -2:])
        longest[part], span[part] = largest[:, 1], largest.sum(axis=1)
    growth_factor = 1 + growths[1]
    return growth_factor * longest + 2 * error, growth_factor * span + 4 * error


def change_of_probabilities(loss: Loss, m: Array, u: Array | None, deviation: Array) -> Array:
    """Bound on what probabilities change by, added up over the outputs that belong together, if
    scores change by no more than `deviation`: (n, n_outputs), or (n, 1) for a softmax.

    Example:
        >>> from polytome.losses import Logistic
        >>> m, u = Logistic().curvature(np.zeros((1, 1)), np.zeros((1, 1)))
        >>> float(change_of_probabilities(Logistic(), m, u, np.array([[0.01]]))[0, 0])
        0.0025
    """
    if u is None:
        return np.asarray(
            np.fmin(loss.smoothness * deviation, (m + UNDERFLOW) * np.exp(concordance_of(loss) * deviation) * deviation)
        )
    largest = deviation.max(axis=1, keepdims=True)
    rest = m.copy()
    rest[np.arange(len(m)), m.argmax(axis=1)] = 0.0
    return np.asarray(
        np.fmin(largest, 4 * (rest.sum(axis=1, keepdims=True) + UNDERFLOW) * np.exp(2 * largest) * largest)
    )


def concordance_of(loss: Loss) -> float:
    """By how much the curvature changes with a score, at most."""
    assert loss.self_concordance is not None  # or there is no bound to be found
    return loss.self_concordance


def sum_rounding(scores: Array, target: Array) -> Array | float:
    """Bound on what rounding does to the sums of rows' scores and offsets; 0 where there are no
    offsets."""
    offset = offset_of(target)
    return 0.0 if offset is None else 2 * UNIT * np.abs(scores + offset)
