"""Passes in compiled code, called on blocks as they are; None where the table leaves the work to
NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from polytome import native
from polytome.passes import (
    Block,
    Derivatives,
    Grams,
    LossOfScores,
    RowSquares,
    StoredTwice,
    Traces,
    ValueAndGradient,
)

Array = np.ndarray[Any, Any]


def offered(a_pass: Any, block: Block, ends: Any = None, n_threads: int = 1) -> Any:
    """What compiled code makes of a block that is cut at `ends`; None where the work is left to
    NumPy."""
    ends = np.array([block.stored.shape[0]] if ends is None else ends, dtype=np.int64)
    work = native.work_of(a_pass, native.StoredRows(block, ends, n_threads))
    if isinstance(work, native.Whole):
        return work.results(work.compute())
    return None if work.of_block == a_pass.of_block else work.of_block(block)


def value_and_gradient(loss: Any, block: Block, raw: Array, ends: Any = None, n_threads: int = 1) -> Any:
    return offered(ValueAndGradient(loss, raw), block, ends, n_threads)


def derivatives(loss: Any, block: Block, W: Array, columns: Any, fit_intercept: bool) -> Any:
    return offered(Derivatives(loss, W, columns, fit_intercept), block)


def traces(loss: Any, block: Block, raw: Array, n_threads: int = 1) -> Any:
    made = offered(Traces(loss, raw), block, None, n_threads)
    return None if made is None else made[0]


def row_squares(block: Block, columns: Any) -> Any:
    return offered(RowSquares(columns), block)[0]


def grams(block: Block, columns: Any, fit_intercept: bool, ends: Any, n_threads: int) -> Any:
    made = offered(Grams(columns, fit_intercept), block, ends, n_threads)
    return None if made is None else made[1]


def loss_of_scores(
    loss: Any, block: Block, b: Array, ends: Any = None, n_threads: int = 1, with_residuals: bool = False
) -> Any:
    return offered(LossOfScores(loss, b, with_residuals), block, ends, n_threads)


def stores_twice(X: Any) -> Any:
    made = offered(StoredTwice(), Block(X, np.dtype(float), np.zeros(X.shape[0]), np.ones(X.shape[0])))
    return None if made is None else bool(made[0])
