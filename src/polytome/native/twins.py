"""The compiled twins of passes: which rows and losses each suits, and how it is called.

A twin of all rows shares the blocks out to threads by itself; one of a block takes the place of `of_block`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polytome.native.arrays import doubles, link_name, loss_name, reads_as_is
from polytome.native.held import Held
from polytome.passes import (
    Block,
    CentredSquares,
    CentredSums,
    Derivatives,
    Grams,
    LossOfScores,
    OffsetsOfEntries,
    Pass,
    RowSquares,
    Scores,
    SquaresOfEntries,
    StoredTwice,
    Sums,
    Traces,
    ValueAndGradient,
    curvature_of,
    weight_of_absent,
)

Array = NDArray[Any]

__all__ = ["TWINS", "EachBlock", "Twin", "Whole", "forms_derivatives"]

_MOST_COLUMNS = 256
_MOST_COEFFICIENTS = 2_048


class Whole(NamedTuple):
    """A call that passes over all rows, and what makes the pass's results of its answer."""

    compute: Callable[[], Any]
    results: Callable[[Any], Sums]


class EachBlock(NamedTuple):
    """What is to be called for each block, its results being added up or joined."""

    of_block: Callable[[Block], Sums]


@dataclass(frozen=True)
class Twin:
    """What compiled code offers for one kind of pass.

    Attributes:
        suits: whether it does so for a pass, and rows as they are held.
        work: the work to be done on an instruction set.
    """

    suits: Callable[[Any, Held], bool]
    work: Callable[[str, Any, Held], Whole | EachBlock]


def forms_derivatives(n_columns: int, n_coefficients: int) -> bool:
    """Whether Hessians of this size are formed in compiled code; BLAS multiplies wide blocks as fast.

    Args:
        n_columns: the intercept's among them.
        n_coefficients: of all outputs.
    """
    return n_columns <= _MOST_COLUMNS and n_coefficients <= _MOST_COEFFICIENTS


def _reads(a_pass: Pass, held: Held) -> bool:
    return held.is_dense or held.is_csr


def _reads_dense(a_pass: Pass, held: Held) -> bool:
    return held.is_dense


def _reads_csr(a_pass: Pass, held: Held) -> bool:
    return held.is_csr


def _knows_loss(a_pass: ValueAndGradient | Derivatives, held: Held) -> bool:
    return loss_name(a_pass.loss, held.block.target) != "" and _reads(a_pass, held)


def _value_and_gradient(best: str, a_pass: ValueAndGradient, held: Held) -> Whole:
    name, raw = loss_name(a_pass.loss, held.block.target), a_pass.raw
    coefficients = np.ascontiguousarray(raw.T) if held.is_dense else doubles(raw)
    gradient = np.zeros(coefficients.shape)  # from the system, which clears pages when they are touched
    compute = partial(held.bound.value_and_gradient, best, name, coefficients, gradient)
    return Whole(compute, lambda value: (np.asarray(value), _upright(gradient) if held.is_dense else gradient))


def _upright(gradient: Array) -> Array:
    return np.ascontiguousarray(gradient.T)


def _suits_derivatives(a_pass: Derivatives, held: Held) -> bool:
    return forms_derivatives(len(a_pass.W), a_pass.W.size) and _knows_loss(a_pass, held)


def _derivatives(best: str, a_pass: Derivatives, held: Held) -> Whole:
    (n_columns, n_outputs), size = a_pass.W.shape, a_pass.W.size
    shape = (n_outputs, n_columns, n_columns) if a_pass.loss.separable else (1, size, size)
    sums = np.zeros(size + shape[0] * shape[1] ** 2)
    name, coefficients = loss_name(a_pass.loss, held.block.target), np.ascontiguousarray(a_pass.W.T)
    standard = doubles(a_pass.columns.shift), doubles(a_pass.columns.scale), a_pass.fit_intercept
    compute = partial(held.bound.derivatives, best, name, coefficients, *standard, sums)

    def results(value: float) -> Sums:
        return np.asarray(value), _upright(sums[:size].reshape(n_outputs, n_columns)), sums[size:].reshape(shape)

    return Whole(compute, results)


def _suits_scores(a_pass: Scores, held: Held) -> bool:
    # Products are in float64, whatever the rows are stored in: where others are asked for, NumPy makes them.
    return held.block.precision == np.float64 and reads_as_is(held.block.stored)


def _scores(best: str, a_pass: Scores, held: Held) -> Whole:
    raw = a_pass.raw
    scores = np.empty((held.block.stored.shape[0], raw.shape[1]))
    compute = partial(held.bound.scores, best, doubles(raw.T if held.is_dense else raw), scores)
    return Whole(compute, lambda nothing: (scores,))


def _suits_traces(a_pass: Traces, held: Held) -> bool:
    return held.is_dense and link_name(a_pass.loss) != ""


def _traces(best: str, a_pass: Traces, held: Held) -> Whole:
    result = np.empty((held.block.stored.shape[0], 1))
    compute = partial(held.bound.traces, best, link_name(a_pass.loss), np.ascontiguousarray(a_pass.raw.T), result)
    return Whole(compute, lambda nothing: (result[:, 0],))


def _suits_loss_of_scores(a_pass: LossOfScores, held: Held) -> bool:
    stored = held.block.stored
    suits = held.is_dense and stored.dtype == np.float64 and stored.flags.c_contiguous and stored.flags.aligned
    return suits and loss_name(a_pass.loss, held.block.target) != ""


def _loss_of_scores(best: str, a_pass: LossOfScores, held: Held) -> Whole:
    name, scores = loss_name(a_pass.loss, held.block.target), held.block.stored
    slope, residuals = np.zeros((1, scores.shape[1])), np.empty(scores.shape if a_pass.with_residuals else (0, 0))
    intercepts = doubles(a_pass.intercepts[np.newaxis])
    compute = partial(held.bound.loss_of_scores, best, name, intercepts, slope, residuals)
    joined = (residuals,) if a_pass.with_residuals else ()
    return Whole(compute, lambda value: (np.asarray(value), slope[0], *joined))


def _suits_grams(a_pass: Grams, held: Held) -> bool:
    return len(a_pass.columns.shift) < _MOST_COLUMNS and _reads(a_pass, held)


def _grams(best: str, a_pass: Grams, held: Held) -> Whole:
    size = len(a_pass.columns.shift) + 1
    grams = np.empty((len(held.ends), size, size))
    standard = doubles(a_pass.columns.shift), doubles(a_pass.columns.scale), a_pass.fit_intercept
    compute = partial(held.bound.grams, best, *standard, grams.reshape(-1))
    return Whole(compute, lambda nothing: (held.block.target[held.ends - 1], grams))


def _centred_sums(best: str, a_pass: CentredSums, held: Held) -> EachBlock:
    near = doubles(a_pass.near)

    def of_block(block: Block) -> Sums:
        first, second = np.empty(near.shape), np.empty(near.shape)
        Held.alone(block).bound.moments(best, near, first, second)
        return first, second, block.weight.sum()

    return EachBlock(of_block)


def _row_squares(best: str, a_pass: RowSquares, held: Held) -> EachBlock:
    shift, scale = doubles(a_pass.columns.shift), doubles(a_pass.columns.scale)

    def of_block(block: Block) -> Sums:
        sums = np.empty(len(block.weight))
        Held.alone(block).bound.squares(best, shift, scale, sums)
        return (sums,)

    return EachBlock(of_block)


def _sums_of_entries(best: str, block: Block, near: Array) -> tuple[Array, Array, Array]:
    """Sums over the stored entries of each column of `x - near`, and of its square, and the weight of the others."""
    sums = np.zeros((4, len(near)))
    Held.alone(block).bound.moments(best, doubles(near), sums)
    return sums[0], sums[1], weight_of_absent(block.stored, block.weight, *sums[2:])


def _offsets_of_entries(best: str, a_pass: OffsetsOfEntries, held: Held) -> EachBlock:
    def of_block(block: Block) -> Sums:
        first, _, absent = _sums_of_entries(best, block, a_pass.near)
        return (first - a_pass.near * absent,)

    return EachBlock(of_block)


def _squares_of_entries(best: str, a_pass: SquaresOfEntries, held: Held) -> EachBlock:
    mean = a_pass.mean

    def of_block(block: Block) -> Sums:
        _, second, absent = _sums_of_entries(best, block, mean)
        return (second + mean * mean * absent,)

    return EachBlock(of_block)


def _centred_squares(best: str, a_pass: CentredSquares, held: Held) -> EachBlock:
    of_entries = _squares_of_entries(best, SquaresOfEntries(a_pass.mean), held).of_block

    def of_block(block: Block) -> Sums:
        weight, _, _ = curvature_of(a_pass.loss, block, a_pass.raw)
        return of_entries(replace(block, weight=weight))

    return EachBlock(of_block)


def _stored_twice(best: str, a_pass: StoredTwice, held: Held) -> Whole:
    return Whole(partial(held.bound.has_duplicates, best), lambda found: (np.asarray(found),))


TWINS: Mapping[type, Twin] = {
    CentredSquares: Twin(_reads_csr, _centred_squares),
    CentredSums: Twin(_reads_dense, _centred_sums),
    Derivatives: Twin(_suits_derivatives, _derivatives),
    Grams: Twin(_suits_grams, _grams),
    LossOfScores: Twin(_suits_loss_of_scores, _loss_of_scores),
    OffsetsOfEntries: Twin(_reads_csr, _offsets_of_entries),
    RowSquares: Twin(_reads_dense, _row_squares),
    Scores: Twin(_suits_scores, _scores),
    SquaresOfEntries: Twin(_reads_csr, _squares_of_entries),
    StoredTwice: Twin(_reads_csr, _stored_twice),
    Traces: Twin(_suits_traces, _traces),
    ValueAndGradient: Twin(_knows_loss, _value_and_gradient),
}
"""What compiled code offers; every other pass, and every other storage, is NumPy's, by `of_block`."""
