"""The curvature of single rows, and Hessians from a sample of rows drawn by it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome import native
from polytome.objective import Objective, block_scores
from polytome.rows import Block, Rows

Array = NDArray[Any]

__all__ = ["drawn_by_curvature", "row_curvature", "sampled_hessian"]


def row_curvature(objective: Objective, block: Block, raw: Array) -> tuple[Array, Array, Array | None]:
    """Trace of each row's Hessian times the row's weight, and the `m`, `u` that the Hessian is made of.

    Args:
        objective: gives the loss.
        block: some rows.
        raw: coefficients for raw columns.
    """
    m, u = objective.loss.curvature(block_scores(block, raw), block.target)
    trace = m.sum(axis=1) - (0.0 if u is None else (u * u).sum(axis=1))
    return block.weight * np.maximum(trace, 0.0), m, u


def drawn_by_curvature(objective: Objective, W: Array, size: int) -> Rows:
    """About `size` rows that stand for all: a pass over the rows.

    A row is drawn with a probability that grows with the trace of its Hessian and with `Objective.row_lengths`, and
    counts for the inverse of that probability. Where most rows are classified beyond doubt, few rows hold nearly all of
    the curvature; and a column that few rows have is seen by these.

    Reference: Xu, Yang, Roosta, Re and Mahoney, Sub-sampled Newton methods with non-uniform sampling, NeurIPS 2016.
    """
    rows, raw = objective.rows, objective.rows.columns.to_raw(W)
    traces = native.traces(objective.loss, rows.whole, raw, rows.n_threads)
    if traces is None:
        importance = rows.each(lambda block: row_curvature(objective, block, raw)[0])
    else:
        importance = rows.weight * traces
    importance *= 1 + objective.row_lengths
    probability = np.minimum(1.0, size * importance / max(float(importance.sum()), 1e-300))
    chosen = np.flatnonzero(np.random.default_rng(0).random(rows.n_rows) < probability)
    if len(chosen) == 0:
        chosen = np.array([int(probability.argmax())])
    return rows.subset(chosen, rows.weight[chosen] / np.maximum(probability[chosen], 1e-300))


def sampled_hessian(objective: Objective, W: Array, size: int) -> Array:
    """The Hessian of rows `drawn_by_curvature`, as from `Objective.hessian_blocks`."""
    return objective.hessian_blocks(W, drawn_by_curvature(objective, W, size))
