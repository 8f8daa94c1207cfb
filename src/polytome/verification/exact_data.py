"""The data of a fit as exact numbers, a few rows at a time, for the ball arithmetic of
`polytome.verify`.

A float is a rational number, and a ball holds it exactly. What is not a float (the total weight,
probabilities that add up to 1, weights times factors of classes, standard deviations) is computed
from floats in balls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx, fmpq
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[Any]
Ball = Any
"""A ball of python-flint, which has no types."""

__all__ = ["Ball", "Block", "ExactData", "exact", "precision"]

_BLOCK_ENTRIES = 2**16
_ENTRIES_PER_SPARSE_ROW = 64  # entries that a sparse row is taken to have


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Ball arithmetic with a given number of bits."""
    before, ctx.prec = ctx.prec, bits
    try:
        yield
    finally:
        ctx.prec = before


def _root(square: Ball) -> Ball:
    """The root of a number that is not negative, even if its ball is so in part."""
    return square.sqrt() if square >= 0 else arb(0, square.abs_upper().sqrt())


def exact(number: float) -> Ball:
    """The rational number that a float is.

    Example:
        >>> exact(0.1)
        3602879701896397/36028797018963968
    """
    return fmpq(*float(number).as_integer_ratio())


@dataclass
class Block:
    """A few rows in balls: labels, weights and offsets, and their features when they are needed."""

    stored: Any
    y: list[list[Ball]]
    weight: list[Ball]
    own: list[list[bool]] | None
    offset: list[list[Ball]] | None = None

    @cached_property
    def X(self) -> Any:
        """The features: a matrix of balls, or column and value of each stored entry, row by row."""
        if not sparse.issparse(self.stored):
            return arb_mat(_plain(self.stored).tolist())
        part: Any = self.stored
        columns, entries = part.indices.tolist(), _plain(part.data).tolist()
        rows: list[list[tuple[int, Ball]]] = []
        for start, end in pairwise(part.indptr.tolist()):
            row: dict[int, Ball] = {}
            for j, x in zip(columns[start:end], entries[start:end], strict=True):
                row[j] = row.get(j, 0) + arb(x)  # a place that is stored twice holds the sum
            rows.append(list(row.items()))
        return rows

    def takes_part(self, row: int, output: int) -> bool:
        """Whether a row counts for an output."""
        return self.own is None or self.own[row][output]


@dataclass
class ExactData:
    """The data that a model was fitted to, and the settings of the fit.

    Attributes:
        X: (n, d) dense, or CSR; every number is taken as it is.
        y: (n, m) labels: distributions (softmax), or a number from 0 to 1 for each output
            (sigmoids).
        weight: (n,) weights of the rows.
        C: inverse strength of the penalty; `inf` for none.
        softmax: whether the outputs are the classes of one softmax, or independent sigmoids.
        fit_intercept: whether there is an intercept.
        own: (n, m) which outputs a row takes part in, of a softmax its classes; None for all.
        factor: (n,) place of each row in `factors`, by which its weight is multiplied; None for no
            factors.
        factors: exact rational numbers.
        scale: None, "standard", or positive numbers (d,).
        penalty_weights: what the penalty of each column is multiplied by, zero or more, (d,); None
            for 1.
        l1_ratio: the share of absolute values and of norms of groups in the penalty; the rest are
            squares.
        group_ratio: where there are groups, the share of norms in these.
        offset: (n, m) what is added to the scores of each row; None for nothing.
        groups: for each column the number of its group, whose norm takes the place of absolute
            values, or is beside them, (d,); None where there are none.
        bounds: for each column what its coefficients are within, the lower and the upper one, (d,);
            None where there are none.
        progress: called with the number of rows done and of all rows, where there are many.
    """

    X: Any
    y: Array
    weight: Array
    C: float
    softmax: bool
    fit_intercept: bool
    own: Array | None = None
    factor: Array | None = None
    factors: list[Any] = field(default_factory=list)
    scale: Any = None
    penalty_weights: list[float] | None = None
    l1_ratio: float = 0.0
    offset: Array | None = None
    groups: list[int] | None = None
    bounds: list[tuple[float, float]] | None = None
    group_ratio: float = 1.0
    progress: Callable[[int, int], None] | None = None

    def __post_init__(self) -> None:
        self._kept: dict[int, list[Block]] = {}
        self._constants: dict[int, tuple[Ball, list[Ball]]] = {}

    @property
    def n_outputs(self) -> int:
        """Columns of the labels."""
        return int(self.y.shape[1])

    def blocks(self) -> Iterator[Block]:
        """All rows, with the bits in use; few rows are converted once."""
        n_rows, n_features = self.X.shape
        size = max(1, _BLOCK_ENTRIES // (_ENTRIES_PER_SPARSE_ROW if sparse.issparse(self.X) else n_features))
        if n_rows <= size:
            if ctx.prec not in self._kept:
                self._kept[ctx.prec] = [self._block(slice(0, n_rows))]
            yield from self._kept[ctx.prec]
            return
        for start in range(0, n_rows, size):
            if self.progress is not None:
                self.progress(start, n_rows)
            yield self._block(slice(start, start + size))

    def _block(self, rows: slice) -> Block:
        y = [[arb(v) for v in row] for row in self.y[rows].tolist()]
        if self.softmax and self.y.dtype.kind == "f":  # probabilities add up to 1 apart from their rounding
            totals = [sum(row, arb(0)) for row in y]
            y = [[v / total for v in row] for row, total in zip(y, totals, strict=True)]
        weight = [arb(s) for s in self.weight[rows].tolist()]
        if self.factor is not None:
            factors = [arb(f) for f in self.factors]
            weight = [s * factors[k] for s, k in zip(weight, self.factor[rows].tolist(), strict=True)]
        own = None if self.own is None else self.own[rows].tolist()
        offset = None if self.offset is None else [[arb(o) for o in row] for row in self.offset[rows].tolist()]
        return Block(self.X[rows], y, weight, own, offset)

    @property
    def total_weight(self) -> Ball:
        """S."""
        return self._constant()[0]

    @property
    def divisors(self) -> list[Ball]:
        """What each column is divided by before its coefficient is penalised."""
        return self._constant()[1]

    @property
    def ridges(self) -> list[Ball]:
        """`(1 - a) w_j d_j^2`, a being the share of absolute values: what the penalty multiplies
        each squared coefficient with, but for half the strength."""
        squares = 1 - arb(float(self.l1_ratio))
        return [squares * w * d * d for w, d in zip(self._weights, self.divisors, strict=True)]

    @property
    def sizes(self) -> list[Ball]:
        """`w_j d_j`: what it multiplies each absolute coefficient with, but for a times the
        strength."""
        return [w * d for w, d in zip(self._weights, self.divisors, strict=True)]

    @property
    def has_sizes(self) -> bool:
        """Whether the penalty has absolute values of single coefficients."""
        return self.l1_ratio > 0 and (self.groups is None or self.group_ratio < 1)

    @property
    def of_norms(self) -> Ball:
        """What the penalty multiplies `w_g sqrt(p)` times a group's norm with: 0 without groups."""
        share = arb(0) if self.groups is None else arb(float(self.group_ratio))
        return self.strength * arb(float(self.l1_ratio)) * share

    @property
    def of_sizes(self) -> Ball:
        """What it multiplies `w_j d_j` times an absolute coefficient with."""
        share = arb(1) if self.groups is None else 1 - arb(float(self.group_ratio))
        return self.strength * arb(float(self.l1_ratio)) * share

    def grouped(self, table: list[list[Ball]]) -> dict[int, tuple[Ball, Ball, Ball]]:
        """For each group whose norm is penalised the root of the number of its columns, its
        weight, and the norm of its rows of a table."""
        assert self.groups is not None
        found: dict[int, tuple[Ball, Ball, Ball]] = {}
        sizes, weights = Counter(self.groups), self._weights
        for j, group in enumerate(self.groups):
            if (weight := weights[j]) > 0:
                size = arb(sizes[group]).sqrt() if group not in found else found[group][0]
                squares = sum((entry * entry for entry in table[j]), arb(0))
                found[group] = size, weight, squares + (found[group][2] if group in found else 0)
        return {group: (size, weight, _root(squares)) for group, (size, weight, squares) in found.items()}

    @property
    def _weights(self) -> list[Ball]:
        """w_j, as balls."""
        return [arb(w) for w in self.penalty_weights or [1.0] * len(self.divisors)]

    @property
    def free(self) -> list[int]:
        """The columns that the penalty and the bounds leave alone, where there is one or the
        other."""
        if self.bounds is None and np.isinf(self.C):
            return []
        bounds = self.bounds or [(-np.inf, np.inf)] * len(self.divisors)
        weights = [0.0] * len(bounds) if np.isinf(self.C) else self.penalty_weights or [1.0] * len(bounds)
        return [j for j, ends in enumerate(bounds) if weights[j] == 0 and np.isinf(ends).all()]

    @property
    def strength(self) -> Ball:
        """`1 / (C S)`; 0 without a penalty."""
        return arb(0) if np.isinf(self.C) else 1 / (arb(self.C) * self.total_weight)

    def _constant(self) -> tuple[Ball, list[Ball]]:
        if ctx.prec not in self._constants:
            total = sum((s for block in self.blocks() for s in block.weight), arb(0))
            if self.scale is None:
                divisors = [arb(1)] * self.X.shape[1]
            elif isinstance(self.scale, str):
                divisors = self._deviations(total)
            else:
                divisors = [arb(v) for v in np.asarray(self.scale, dtype=np.float64).tolist()]
            self._constants[ctx.prec] = total, divisors
        return self._constants[ctx.prec]

    def spreads(self) -> list[Ball]:
        """No less than how far a column's values are from one that an intercept may subtract, in
        the root mean square; without an intercept from 0."""
        total = self.total_weight
        if self.fit_intercept:
            return self._deviations(total)
        squares = [arb(0)] * self.X.shape[1]
        for block in self.blocks():
            rows = block.X if isinstance(block.X, list) else (list(enumerate(row)) for row in block.X.tolist())
            for s, row in zip(block.weight, rows, strict=True):
                for j, x in row:
                    squares[j] += s * x * x
        return [(square / total).sqrt() for square in squares]

    def _deviations(self, total: Ball) -> list[Ball]:
        """Weighted standard deviations; 1 for a constant column. Dense ones around a row, so that
        little cancels."""
        first, moves = self.first_and_moving()
        origin = [arb(0 if sparse.issparse(self.X) else x) for x in first]
        sums, squares = [arb(0)] * len(origin), [arb(0)] * len(origin)
        for block in self.blocks():
            rows = block.X if isinstance(block.X, list) else (list(enumerate(row)) for row in block.X.tolist())
            for s, row in zip(block.weight, rows, strict=True):
                for j, x in row:
                    if moves[j]:
                        weighted = s * (x - origin[j])
                        sums[j] += weighted
                        squares[j] += weighted * (x - origin[j])
        return [
            ((square - part * part / total) / total).sqrt() if moving else arb(1)
            for square, part, moving in zip(squares, sums, moves, strict=True)
        ]

    def first_and_moving(self) -> tuple[list[Any], list[bool]]:
        """The first row that counts, and which columns differ from it in another one that does."""
        counting = np.flatnonzero(self.weight > 0)
        first = _dense(self.X[counting[:1]])[0]
        moves, size = np.zeros(len(first), dtype=bool), max(1, 2**22 // len(first))
        for start in range(0, len(counting), size):
            moves |= (_dense(self.X[counting[start : start + size]]) != first).any(axis=0)
        return first.tolist(), moves.tolist()


def _plain(values: Array) -> Array:
    """Numbers of a type whose `tolist` is exact: 64-bit floats, or whole numbers."""
    if values.dtype.kind == "f":
        return values.astype(np.float64, copy=False)
    return values.astype(np.uint8) if values.dtype.kind == "b" else values


def _dense(rows: Any) -> Array:
    return _plain(rows.toarray() if hasattr(rows, "toarray") else rows)
