"""Rows drawn by their curvature, and Hessians from a sample of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.losses import Loss
from polytome.objective import Objective
from polytome.passes import Block, Columns, RowSquares, Sums, Traces, curvature_of
from polytome.rows import Rows, Storage, StreamedRows
from polytome.rows.draw import Draw

Array = NDArray[Any]

__all__ = ["Importance", "drawn_by_class", "drawn_by_curvature", "sampled_hessian"]

_ROWS_AT_ONCE = 2**20


@dataclass(frozen=True, eq=False)
class Importance:
    """By what a row is drawn, joined: (n,); its weight times the trace of its Hessian with respect
    to its scores, and times one more than the mean square of its standardised columns.

    Args:
        loss: a loss of `polytome.losses`.
        raw: coefficients for raw columns, shape (n_features + 1, n_outputs), float64.
        columns: how the columns are standardised.
    """

    loss: Loss
    raw: Array
    columns: Columns
    joined = 1

    def of_block(self, block: Block) -> Sums:
        """The product."""
        trace, _, _ = curvature_of(self.loss, block, self.raw)
        (squares,) = RowSquares(self.columns).of_block(block)
        return (trace * (1 + squares / len(self.columns.shift)),)


def drawn_by_class(rows: Rows, size: int) -> Rows:
    """About `size` rows that stand for all, in which no class is rare: one of each of as many equal
    stretches of a class's rows. Rows of weight 0 are not drawn: a sample of them has no optimum.

    In the null model a class of the share p has curvature `p (1 - p)`; each class gets rows by the
    square root of that, and these count for as many more. Where labels are no classes, all rows
    are one.

    Reference: Fithian and Hastie, Local case-control sampling in imbalanced data sets, Annals of
    Statistics 42, 2014.
    """
    rng = np.random.default_rng(0)
    counts = np.zeros(_n_classes(rows), dtype=int)
    for _, classes in _classes(rows):
        counts += np.bincount(1 + classes, minlength=1 + len(counts))[1:]
    share = counts / max(counts.sum(), 1)
    wanted = share if len(share) == 1 else np.sqrt(share * (1 - share))
    drawn, times = [], []
    for count, part in zip(counts, wanted / max(wanted.sum(), 1e-300), strict=True):
        n_drawn = min(int(count), int(np.ceil(size * part)))
        edges = np.linspace(0, count, n_drawn + 1).astype(int)
        drawn.append(rng.integers(edges[:-1], edges[1:]))  # among the rows of the class
        times.append(np.full(n_drawn, count / max(n_drawn, 1)))
    chosen: list[list[Array]] = [[] for _ in drawn]
    seen = np.zeros(len(drawn), dtype=int)
    for start, classes in _classes(rows):
        for k, places in enumerate(drawn):
            own = np.flatnonzero(classes == k)
            first, last = np.searchsorted(places, [seen[k], seen[k] + len(own)])
            chosen[k].append(start + own[places[first:last] - seen[k]])
            seen[k] += len(own)
    together = np.concatenate([part for parts in chosen for part in parts])
    order = np.argsort(together)
    together = together[order]
    return rows.subset(together, rows.weight[together] * np.concatenate(times)[order])


def _n_classes(rows: Rows) -> int:
    """How many classes the labels have; 1 where they are no classes."""
    target = rows.target
    return int(target.max()) + 1 if target.ndim == 1 and target.dtype.kind == "i" else 1


def _classes(rows: Rows) -> Iterator[tuple[int, Array]]:
    """The first row of each piece and the classes of its rows, -1 for those of weight 0: of streams
    nothing may take bytes for each row."""
    n_classes = _n_classes(rows)
    for start in range(0, rows.n_rows, _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        yield start, np.where(rows.weight[part] > 0, 0 if n_classes == 1 else rows.target[part].astype(int), -1)


def drawn_by_curvature(objective: Objective, W: Array, size: int) -> Storage:
    """About `size` rows that stand for all: a pass over the rows.

    A row is drawn with a probability that grows with the trace of its Hessian and with
    `Objective.row_lengths`, and counts for the inverse of that probability. Where most rows are
    classified beyond doubt, few rows hold nearly all of the curvature; and a column that few rows
    have is seen by these. Rows that are read block by block keep nothing of those that are not
    drawn; of rows in memory the lengths are kept for the next time.

    Reference: Xu, Yang, Roosta, Re and Mahoney, Sub-sampled Newton methods with non-uniform
    sampling, NeurIPS 2016.
    """
    rows, raw = objective.rows, objective.rows.columns.to_raw(W)
    if isinstance(rows, StreamedRows):
        chosen, probability = rows.drawn(Importance(objective.loss, raw, objective.standard_columns), size)
    else:
        chosen, probability = _drawn_in_memory(objective, raw, size)
    return rows.subset(chosen, rows.weight[chosen] / np.maximum(probability, 1e-300))


def _drawn_in_memory(objective: Objective, raw: Array, size: int) -> tuple[Array, Array]:
    """The numbers of the rows, and the probability of each."""
    rows, lengths = objective.rows, objective.row_lengths
    (traces,) = rows.reduce(Traces(objective.loss, raw))
    parts = [slice(start, start + _ROWS_AT_ONCE) for start in range(0, rows.n_rows, _ROWS_AT_ONCE)]
    importance = np.empty(rows.n_rows)
    for part in parts:
        importance[part] = rows.weight[part] * traces[part] * (1 + lengths[part])
    del traces
    draw = Draw(size, float(importance.sum()))
    for part in parts:
        draw.add(importance[part])
    return draw.drawn()


def sampled_hessian(objective: Objective, W: Array, size: int) -> Array:
    """The Hessian of rows `drawn_by_curvature`, as from `Objective.hessian_blocks`."""
    return objective.hessian_blocks(W, drawn_by_curvature(objective, W, size))
