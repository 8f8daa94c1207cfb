"""The compiled twins of passes: which rows and losses each suits, and how it is called.

A twin of all rows shares the blocks out to threads by itself; one of a block takes the place of
`of_block`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polytome.losses import Squared, offset_of
from polytome.native.arrays import doubles, link_name, loss_name, reads_as_is
from polytome.native.entries import derivatives_of_entries, products_pay
from polytome.native.stored_rows import StoredRows
from polytome.numerics.exact_sums import UNIT
from polytome.passes import (
    SLACK,
    UNDERFLOW,
    Block,
    CentredSquares,
    CentredSums,
    Derivatives,
    Gram,
    Grams,
    LossOfScores,
    OffsetsOfEntries,
    Pass,
    ProofSums,
    RowSquares,
    Scores,
    SquaresOfEntries,
    StoredTwice,
    Sums,
    Traces,
    ValueAndGradient,
    added_up,
    concordance_of,
    curvature_of,
    weight_of_absent,
)

Array = NDArray[Any]

__all__ = ["TWINS", "EachBlock", "Twin", "Whole", "forms_derivatives"]

_MAX_COLUMNS = 256
_MAX_COEFFICIENTS = 2_048


class Whole(NamedTuple):
    """A call that passes over all rows, and what turns its return value into the pass's results."""

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

    suits: Callable[[Any, StoredRows], bool]
    work: Callable[[str, Any, StoredRows], Whole | EachBlock]


def forms_derivatives(n_columns: int, n_coefficients: int) -> bool:
    """Whether Hessians of this size are formed in compiled code; BLAS multiplies wide blocks as
    fast.

    Args:
        n_columns: the intercept's included.
        n_coefficients: of all outputs.
    """
    return n_columns <= _MAX_COLUMNS and n_coefficients <= _MAX_COEFFICIENTS


def _reads(a_pass: Pass, rows: StoredRows) -> bool:
    return rows.is_dense or rows.is_csr


def _reads_dense(a_pass: Pass, rows: StoredRows) -> bool:
    return rows.is_dense


def _reads_csr(a_pass: Pass, rows: StoredRows) -> bool:
    return rows.is_csr


def _knows_loss(a_pass: ValueAndGradient | Derivatives, rows: StoredRows) -> bool:
    return loss_name(a_pass.loss, rows.block.target) != "" and _reads(a_pass, rows)


def _value_and_gradient(instructions: str, a_pass: ValueAndGradient, rows: StoredRows) -> Whole:
    name, raw = loss_name(a_pass.loss, rows.block.target), a_pass.raw
    if not rows.is_dense:
        return _sparse_value_and_gradient(instructions, name, raw, rows)
    coefficients = np.ascontiguousarray(raw.T)
    gradient = np.zeros(coefficients.shape)  # from the system, which clears pages when they are touched
    compute = partial(rows.bound.value_and_gradient, instructions, name, coefficients, gradient)
    return Whole(compute, lambda value: (np.asarray(value), _transposed(gradient)))


_STRETCH = {3: 4, 5: 8, 6: 8, 7: 8}
"""Outputs beyond a multiple of eight that are passed faster with zeros behind them, in one
stretch."""


def _sparse_value_and_gradient(instructions: str, name: str, raw: Array, rows: StoredRows) -> Whole:
    n_outputs = raw.shape[1]
    wide = n_outputs - n_outputs % 8 + _STRETCH.get(n_outputs % 8, n_outputs % 8)
    coefficients = doubles(raw)
    if wide > n_outputs:
        coefficients = np.zeros((len(raw), wide))
        coefficients[:, :n_outputs] = raw
    gradient = np.zeros(coefficients.shape)
    compute = partial(rows.bound.value_and_gradient, instructions, name, coefficients, gradient, n_outputs)
    return Whole(compute, lambda value: (np.asarray(value), np.ascontiguousarray(gradient[:, :n_outputs])))


def _transposed(gradient: Array) -> Array:
    return np.ascontiguousarray(gradient.T)


def _suits_derivatives(a_pass: Derivatives, rows: StoredRows) -> bool:
    return (_forms_derivatives(a_pass) or _products_pay(a_pass, rows)) and _knows_loss(a_pass, rows)


def _forms_derivatives(a_pass: Derivatives) -> bool:
    return forms_derivatives(len(a_pass.W), a_pass.W.size)


def _products_pay(a_pass: Derivatives, rows: StoredRows) -> bool:
    n_columns, n_outputs = a_pass.W.shape
    return products_pay(rows, n_columns, n_outputs if a_pass.loss.separable else n_outputs * (n_outputs + 1) // 2)


def _derivatives(instructions: str, a_pass: Derivatives, rows: StoredRows) -> Whole:
    if not _products_pay(a_pass, rows):
        return _dense_derivatives(instructions, a_pass, rows)

    def dense() -> Sums:
        if _forms_derivatives(a_pass):
            work = _dense_derivatives(instructions, a_pass, rows)
            return work.results(work.compute())
        return added_up(map(a_pass.of_block, rows.parts()))

    return Whole(*derivatives_of_entries(instructions, a_pass, rows, dense))


def _dense_derivatives(instructions: str, a_pass: Derivatives, rows: StoredRows) -> Whole:
    (n_columns, n_outputs), size = a_pass.W.shape, a_pass.W.size
    shape = (n_outputs, n_columns, n_columns) if a_pass.loss.separable else (1, size, size)
    sums = np.zeros(size + shape[0] * shape[1] ** 2)
    name, coefficients = loss_name(a_pass.loss, rows.block.target), np.ascontiguousarray(a_pass.W.T)
    standard = doubles(a_pass.columns.shift), doubles(a_pass.columns.scale), a_pass.fit_intercept
    compute = partial(rows.bound.derivatives, instructions, name, coefficients, *standard, sums)

    def results(value: float) -> Sums:
        return np.asarray(value), _transposed(sums[:size].reshape(n_outputs, n_columns)), sums[size:].reshape(shape)

    return Whole(compute, results)


def _suits_scores(a_pass: Scores, rows: StoredRows) -> bool:
    # Products are in float64, whatever the rows are stored in: where others are asked for, NumPy
    # makes them.
    return rows.block.precision == np.float64 and reads_as_is(rows.block.stored)


def _scores(instructions: str, a_pass: Scores, rows: StoredRows) -> Whole:
    raw = a_pass.raw
    scores = np.empty((rows.block.stored.shape[0], raw.shape[1]))
    compute = partial(rows.bound.scores, instructions, doubles(raw.T if rows.is_dense else raw), scores)
    return Whole(compute, lambda none: (scores,))


def _suits_traces(a_pass: Traces, rows: StoredRows) -> bool:
    return rows.is_dense and link_name(a_pass.loss) != ""


def _traces(instructions: str, a_pass: Traces, rows: StoredRows) -> Whole:
    result = np.empty((rows.block.stored.shape[0], 1))
    compute = partial(
        rows.bound.traces, instructions, link_name(a_pass.loss), np.ascontiguousarray(a_pass.raw.T), result
    )
    return Whole(compute, lambda none: (result[:, 0],))


def _suits_loss_of_scores(a_pass: LossOfScores, rows: StoredRows) -> bool:
    stored = rows.block.stored
    suits = rows.is_dense and stored.dtype == np.float64 and stored.flags.c_contiguous and stored.flags.aligned
    return suits and loss_name(a_pass.loss, rows.block.target) != ""


def _loss_of_scores(instructions: str, a_pass: LossOfScores, rows: StoredRows) -> Whole:
    name, scores = loss_name(a_pass.loss, rows.block.target), rows.block.stored
    slope, residuals = np.zeros((1, scores.shape[1])), np.empty(scores.shape if a_pass.with_residuals else (0, 0))
    intercepts = doubles(a_pass.intercepts[np.newaxis])
    compute = partial(rows.bound.loss_of_scores, instructions, name, intercepts, slope, residuals)
    joined = (residuals,) if a_pass.with_residuals else ()
    return Whole(compute, lambda value: (np.asarray(value), slope[0], *joined))


def _suits_gram(a_pass: Gram, rows: StoredRows) -> bool:
    return products_pay(rows, len(a_pass.columns.shift) + 1, 1)


def _gram(instructions: str, a_pass: Gram, rows: StoredRows) -> Whole:
    """That of squared errors is their Hessian."""
    block, n_columns = rows.block, len(a_pass.columns.shift) + 1
    weight = a_pass.weight_of(block)
    of_squares = replace(rows, block=replace(block, target=np.zeros(len(weight)), weight=weight))
    squares = Derivatives(Squared(), np.zeros((n_columns, 1)), a_pass.columns, a_pass.fit_intercept)
    work = _derivatives(instructions, squares, of_squares)
    return Whole(work.compute, lambda value: (work.results(value)[2][0],))


def _suits_grams(a_pass: Grams, rows: StoredRows) -> bool:
    return len(a_pass.columns.shift) < _MAX_COLUMNS and _reads(a_pass, rows)


def _grams(instructions: str, a_pass: Grams, rows: StoredRows) -> Whole:
    size = len(a_pass.columns.shift) + 1
    grams = np.empty((len(rows.ends), size, size))
    standard = doubles(a_pass.columns.shift), doubles(a_pass.columns.scale), a_pass.fit_intercept
    compute = partial(rows.bound.grams, instructions, *standard, grams.reshape(-1))
    return Whole(compute, lambda none: (rows.block.target[rows.ends - 1], grams))


def _suits_proof(a_pass: ProofSums, rows: StoredRows) -> bool:
    narrow = len(a_pass.W) <= _MAX_COLUMNS and a_pass.coordinates.shape[1] > 0
    return narrow and _reads(a_pass, rows) and loss_name(a_pass.loss, rows.block.target) != ""


def _proof(instructions: str, a_pass: ProofSums, rows: StoredRows) -> EachBlock:
    n_parts, n_columns = a_pass.coordinates.shape[0], a_pass.coordinates.shape[-1]
    n_outputs, loss, columns = a_pass.W.shape[1], a_pass.loss, a_pass.columns
    has_offset = offset_of(rows.block.target) is not None
    numbers = np.array(
        [
            a_pass.score_growth,
            *a_pass.length_growth,
            2 * UNIT if has_offset else 0.0,
            loss.smoothness,
            concordance_of(loss),
            float(a_pass.is_soft),
            SLACK,
            UNDERFLOW,
        ]
    )
    given = (
        loss_name(loss, rows.block.target),
        np.ascontiguousarray(a_pass.W.T),
        doubles(columns.shift),
        doubles(columns.scale),
        doubles(a_pass.coordinates.reshape(-1, n_columns)),
        doubles(a_pass.norms.reshape(-1, n_columns)),
        doubles(a_pass.intercept_error),
        numbers,
    )
    ends = np.cumsum([*[n_outputs * n_columns] * 3, n_parts, 1, 1, 1, n_parts])

    def of_block(block: Block) -> Sums:
        sums = np.empty(ends[-1] + 1)
        StoredRows.of_single(block, 1).bound.proof_sums(instructions, *given, sums)
        *products, moved, value, loss_error, mean_error, ranges, deviation = np.split(sums, ends)
        products = [_transposed(each.reshape(n_outputs, n_columns)) for each in products]
        return *products, moved, value[0], loss_error[0], mean_error[0], ranges[None], deviation

    return EachBlock(of_block)


def _centred_sums(instructions: str, a_pass: CentredSums, rows: StoredRows) -> EachBlock:
    near = doubles(a_pass.near)

    def of_block(block: Block) -> Sums:
        first, second = np.empty(near.shape), np.empty(near.shape)
        StoredRows.of_single(block).bound.moments(instructions, near, first, second)
        return first, second, block.weight.sum()

    return EachBlock(of_block)


def _row_squares(instructions: str, a_pass: RowSquares, rows: StoredRows) -> EachBlock:
    shift, scale = doubles(a_pass.columns.shift), doubles(a_pass.columns.scale)

    def of_block(block: Block) -> Sums:
        sums = np.empty(len(block.weight))
        StoredRows.of_single(block).bound.squares(instructions, shift, scale, sums)
        return (sums,)

    return EachBlock(of_block)


def _sums_of_entries(instructions: str, block: Block, near: Array) -> tuple[Array, Array, Array]:
    """Sums over the stored entries of each column of `x - near`, and of its square, and the weight
    of the others."""
    sums = np.zeros((4, len(near)))
    StoredRows.of_single(block).bound.moments(instructions, doubles(near), sums)
    return sums[0], sums[1], weight_of_absent(block.stored, block.weight, *sums[2:])


def _offsets_of_entries(instructions: str, a_pass: OffsetsOfEntries, rows: StoredRows) -> EachBlock:
    def of_block(block: Block) -> Sums:
        first, _, absent = _sums_of_entries(instructions, block, a_pass.near)
        return (first - a_pass.near * absent,)

    return EachBlock(of_block)


def _squares_of_entries(instructions: str, a_pass: SquaresOfEntries, rows: StoredRows) -> EachBlock:
    mean = a_pass.mean

    def of_block(block: Block) -> Sums:
        _, second, absent = _sums_of_entries(instructions, block, mean)
        return (second + mean * mean * absent,)

    return EachBlock(of_block)


def _centred_squares(instructions: str, a_pass: CentredSquares, rows: StoredRows) -> EachBlock:
    of_entries = _squares_of_entries(instructions, SquaresOfEntries(a_pass.mean), rows).of_block

    def of_block(block: Block) -> Sums:
        weight, _, _ = curvature_of(a_pass.loss, block, a_pass.raw)
        return of_entries(replace(block, weight=weight))

    return EachBlock(of_block)


def _stored_twice(instructions: str, a_pass: StoredTwice, rows: StoredRows) -> Whole:
    return Whole(partial(rows.bound.has_duplicates, instructions), lambda found: (np.asarray(found),))


TWINS: Mapping[type, Twin] = {
    CentredSquares: Twin(_reads_csr, _centred_squares),
    CentredSums: Twin(_reads_dense, _centred_sums),
    Derivatives: Twin(_suits_derivatives, _derivatives),
    Gram: Twin(_suits_gram, _gram),
    Grams: Twin(_suits_grams, _grams),
    LossOfScores: Twin(_suits_loss_of_scores, _loss_of_scores),
    OffsetsOfEntries: Twin(_reads_csr, _offsets_of_entries),
    ProofSums: Twin(_suits_proof, _proof),
    RowSquares: Twin(_reads_dense, _row_squares),
    Scores: Twin(_suits_scores, _scores),
    SquaresOfEntries: Twin(_reads_csr, _squares_of_entries),
    StoredTwice: Twin(_reads_csr, _stored_twice),
    Traces: Twin(_suits_traces, _traces),
    ValueAndGradient: Twin(_knows_loss, _value_and_gradient),
}
"""What compiled code offers; every other pass, and every other storage, is NumPy's, by
`of_block`."""
