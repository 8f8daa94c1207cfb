"""Rows drawn by their curvature, and Hessians from a sample of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.objective import Objective
from polytome.passes import Traces
from polytome.rows import Storage

Array = NDArray[Any]

__all__ = ["drawn_by_curvature", "sampled_hessian"]

_ROWS_AT_ONCE = 2**20


def drawn_by_curvature(objective: Objective, W: Array, size: int) -> Storage:
    """About `size` rows that stand for all: a pass over the rows.

    A row is drawn with a probability that grows with the trace of its Hessian and with
    `Objective.row_lengths`, and counts for the inverse of that probability. Where most rows are
    classified beyond doubt, few rows hold nearly all of the curvature; and a column that few rows
    have is seen by these.

    Reference: Xu, Yang, Roosta, Re and Mahoney, Sub-sampled Newton methods with non-uniform
    sampling, NeurIPS 2016.
    """
    rows, raw = objective.rows, objective.rows.columns.to_raw(W)
    (traces,) = rows.reduce(Traces(objective.loss, raw))
    parts = [slice(start, start + _ROWS_AT_ONCE) for start in range(0, rows.n_rows, _ROWS_AT_ONCE)]
    lengths, importance = objective.row_lengths, np.empty(rows.n_rows)
    for part in parts:
        importance[part] = rows.weight[part] * traces[part] * (1 + lengths[part])
    del traces
    total, rng, found = max(float(importance.sum()), 1e-300), np.random.default_rng(0), []
    for part in parts:
        own = importance[part]
        found.append(part.start + np.flatnonzero(rng.random(len(own)) < np.minimum(1.0, size * own / total)))
    chosen = np.concatenate(found)
    if len(chosen) == 0:
        chosen = np.array([int(np.minimum(1.0, size * importance / total).argmax())])
    probability = np.minimum(1.0, size * importance[chosen] / total)
    return rows.subset(chosen, rows.weight[chosen] / np.maximum(probability, 1e-300))


def sampled_hessian(objective: Objective, W: Array, size: int) -> Array:
    """The Hessian of rows `drawn_by_curvature`, as from `Objective.hessian_blocks`."""
    return objective.hessian_blocks(W, drawn_by_curvature(objective, W, size))
