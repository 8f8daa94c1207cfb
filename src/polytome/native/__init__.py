"""Loss and gradient of rows in compiled code, one read of the rows as they are stored.

The reference is NumPy's path in `polytome.objective`, which runs wherever this one does not: where the extension could
not be built, for losses and matrices that it does not know, and with the environment variable `POLYTOME_NATIVE=0`.
Which rows make a block is none of its business: it is told, and adds up the blocks in their order.
"""

from __future__ import annotations

import atexit
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.errors import ArgumentError
from polytome.losses import IndependentSigmoids, Logistic, Loss, Softmax
from polytome.native.arrays import csr_entries, doubles, is_known, named_loss, readable
from polytome.threads import available_threads

if TYPE_CHECKING:
    from polytome.rows import Block, Columns

try:
    from polytome.native import _passes
except ImportError:  # installed without a compiler
    _passes = None  # type: ignore[assignment]
else:
    atexit.register(_passes.end_passes)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_passes.forget_other_threads)

Array = NDArray[Any]

__all__ = [
    "derivatives",
    "dual_steps",
    "grams",
    "has_duplicates",
    "instruction_set",
    "instruction_sets",
    "linked_scores",
    "moments",
    "reads_csr",
    "row_squares",
    "shifted_loss",
    "sparse_moments",
    "traces",
    "value_and_gradient",
]

_MOST_COLUMNS = 256
_MOST_COEFFICIENTS = 2_048
_FEW_ROWS = 1_000  # that are not worth a second thread


def instruction_sets() -> tuple[str, ...]:
    """The instruction sets that this processor and this build have in common, the best first; empty without extension.

    Example:
        >>> set(instruction_sets()) <= {"avx512", "avx2", "portable"}
        True
    """
    return () if _passes is None else tuple(_passes.instruction_sets())


@cache
def instruction_set() -> str | None:
    """The instruction set in use, None where NumPy does the work: `POLYTOME_NATIVE`, else the best there is.

    `POLYTOME_NATIVE` is 0 (NumPy), 1 or empty (the best) or one of `instruction_sets()`; it is read once.

    Raises:
        ArgumentError: the variable has another value.

    Example:
        >>> instruction_set() in (None, *instruction_sets())
        True
    """
    wanted = os.environ.get("POLYTOME_NATIVE", "").strip()
    offered = instruction_sets()
    if wanted in ("", "1"):
        return offered[0] if offered else None
    if wanted != "0" and wanted not in offered:
        raise ArgumentError(
            f"environment variable POLYTOME_NATIVE={wanted!r}: needs one of {', '.join(('0', '1', *offered))}"
        )
    return None if wanted == "0" else wanted


def value_and_gradient(
    loss: Loss, block: Block, raw: Array, ends: Array | None = None, n_threads: int = 1
) -> tuple[Array, Array] | None:
    """Weighted loss of rows and its gradient with respect to raw coefficients; None where NumPy has to do it.

    Args:
        loss: a loss of `polytome.losses`.
        block: rows as they are stored.
        raw: coefficients for raw columns, shape (n_features + 1, n_outputs), float64.
        ends: the rows before which the parts end that are added up in order, int64; one part if None.
        n_threads: threads that share the parts.

    Raises:
        IndexError: a class code or a column index is out of range.
    """
    best = instruction_set()
    if best is None or (named := named_loss(loss, block.target)) is None:
        return None
    name, target = named
    ends = np.array([len(block.weight)], dtype=np.int64) if ends is None else ends
    if not sparse.issparse(block.stored):
        coefficients = np.ascontiguousarray(raw.T)
        gradient = np.zeros(coefficients.shape)
        task = (name, target, doubles(block.weight), coefficients, gradient, ends, n_threads)
        value = _passes.dense(best, readable(block), block.precision == np.float32, *task)
        return np.asarray(value), np.ascontiguousarray(gradient.T)
    if (entries := csr_entries(block.stored)) is None:
        return None
    gradient = np.zeros(raw.shape)  # from the system, which clears pages when they are touched
    arrays = (target, doubles(block.weight), doubles(raw), gradient)
    value = _passes.sparse(best, *entries, name, *arrays, ends, n_threads)
    return np.asarray(value), gradient


def dual_steps(
    loss: Loss,
    block: Block,
    order: Array,
    settings: tuple[Array, Array, float, float],
    state: tuple[Array, Array, Array],
) -> tuple[float, float] | None:
    """Steps of dual coordinate ascent for rows of a CSR block, one after the other; None where NumPy has to do them.

    Args:
        loss: `Softmax`, `Logistic` or `IndependentSigmoids`.
        block: rows as they are stored.
        order: numbers of the rows, one step for each.
        settings: how far each row's scores follow its prediction, shape (n,); the squared scale of each column;
            `1 / (S lambda)`; the square of the constant column that stands for the intercept.
        state: raw coefficients (n_features, n_outputs), intercepts (n_outputs,) and dual scores (n, n_outputs), the
            first and last of the same type, float32 or float64; changed in place.

    Returns:
        The weighted losses of the rows and their shares of the duality gap, as each row was met.

    Raises:
        IndexError: a class code or a column index is out of range.
    """
    best, entries = instruction_set(), csr_entries(block.stored)
    if best is None or entries is None or (named := named_loss(loss, block.target)) is None:
        return None
    bend, scale_squares, per_weight, intercept_square = settings
    name, target = named
    return _passes.dual(
        best,
        *entries,
        name,
        doubles(target),
        doubles(block.weight),
        doubles(bend),
        order.astype(np.int64, copy=False),
        doubles(scale_squares),
        *state,
        per_weight,
        intercept_square,
    )


def linked_scores(X: Any, coefficients: Array, link: str) -> Array | None:
    """Scores of rows, or the probabilities that belong to them; None where NumPy has to do it.

    Products are in float64, whatever X is stored in.

    Args:
        X: an array or a CSR matrix, (n, n_features).
        coefficients: shape (n_outputs, n_features + 1), the intercept in the last column, float64.
        link: "scores" leaves them as they are, "softmax" is taken of each row, "sigmoids" of each score.

    Returns:
        Shape (n, n_outputs), float64. None as well where a score is not finite: NumPy will say which.

    Raises:
        IndexError: a column index is out of range.
    """
    best = instruction_set()
    if best is None or not is_known(X.dtype):
        return None
    n_rows = X.shape[0]
    result = np.empty((n_rows, len(coefficients)))
    how = (result, 1 if n_rows < _FEW_ROWS else available_threads())
    if not sparse.issparse(X):
        finite = X.flags.aligned and _passes.dense_scores(best, X, link, doubles(coefficients), *how)
    elif (entries := csr_entries(X)) is not None:
        finite = _passes.sparse_scores(best, *entries, link, doubles(coefficients.T), *how)
    else:
        return None
    return result if finite else None


def traces(loss: Loss, block: Block, raw: Array, n_threads: int) -> Array | None:
    """Trace of each row's Hessian with respect to its scores, `sum_k p_k (1 - p_k)`; None where NumPy has to do it.

    Args:
        loss: `Softmax`, `Logistic` or `IndependentSigmoids`.
        block: dense rows as they are stored.
        raw: coefficients for raw columns, shape (n_features + 1, n_outputs), float64.
        n_threads: threads that share the rows.

    Returns:
        Shape (n,), float64, from products in the block's precision.
    """
    best = instruction_set()
    links = {Softmax: "softmax", Logistic: "sigmoids", IndependentSigmoids: "sigmoids"}
    if best is None or sparse.issparse(block.stored) or type(loss) not in links:
        return None
    result = np.empty((len(block.weight), 1))
    single = block.precision == np.float32
    coefficients = np.ascontiguousarray(raw.T)
    _passes.dense_traces(best, readable(block), single, links[type(loss)], coefficients, result, n_threads)
    return result[:, 0]


def shifted_loss(
    loss: Loss,
    scores: Array,
    block: Block,
    intercepts: Array,
    ends: Array,
    n_threads: int,
    residuals: Array | None = None,
) -> tuple[Array, Array] | None:
    """Weighted loss of rows whose scores are known, and its gradient with respect to intercepts that are added to them.

    Args:
        loss: a loss of `polytome.losses`.
        scores: shape (n, n_outputs), float64.
        block: targets and weights of the rows.
        intercepts: shape (n_outputs,), float64.
        ends: the rows before which the parts end that are added up in order, int64.
        n_threads: threads that share the parts.
        residuals: receives the gradients of the rows' losses with respect to their scores, (n, n_outputs), float64; it
            may be `scores`. They are not wanted if None.

    Returns:
        The two; None where NumPy has to do it.

    Raises:
        IndexError: a class code is out of range.
    """
    best = instruction_set()
    if best is None or (named := named_loss(loss, block.target)) is None:
        return None
    name, target = named
    slope = np.zeros((1, scores.shape[1]))
    written = np.empty((0, 0)) if residuals is None else residuals
    arrays = (target, doubles(block.weight), doubles(intercepts[np.newaxis]), slope, written)
    value = _passes.shifted_loss(best, doubles(scores), name, *arrays, ends, n_threads)
    return np.asarray(value), slope[0]


def moments(block: Block, near: Array) -> tuple[Array, Array] | None:
    """Weighted sums of `x - near` and of its square over a dense block; None where NumPy has to do it.

    Args:
        block: rows as they are stored.
        near: a value near the mean of each column, shape (n_features,), float64.
    """
    best = instruction_set()
    if best is None or sparse.issparse(block.stored):
        return None
    first, second = np.empty(near.shape), np.empty(near.shape)
    weight = doubles(block.weight)
    _passes.moments(best, readable(block), weight, doubles(near), first, second)
    return first, second


def row_squares(block: Block, columns: Columns) -> Array | None:
    """Sum of squares of each row's standardised columns, (n,), in float64; None where NumPy has to do it.

    Args:
        block: rows as they are stored.
        columns: how the columns are standardised.
    """
    best = instruction_set()
    if best is None or sparse.issparse(block.stored):
        return None
    sums = np.empty(len(block.weight))
    _passes.squares(best, readable(block), doubles(columns.shift), doubles(columns.scale), sums)
    return sums


def sparse_moments(block: Block, near: Array) -> Array | None:
    """Sums over the stored entries of each column of a CSR block, (4, n_features); None where NumPy has to do it.

    Weighted sums of `x - near` and of its square, the weight of the entries, and how many of them have weight.

    Args:
        block: rows as they are stored.
        near: a value of each column, shape (n_features,), float64.
    """
    best, entries = instruction_set(), csr_entries(block.stored)
    if best is None or entries is None:
        return None
    sums = np.zeros((4, len(near)))
    _passes.sparse_moments(best, *entries, doubles(block.weight), doubles(near), sums)
    return sums


def has_duplicates(X: Any) -> bool | None:
    """Whether a row of a CSR matrix stores a column twice, in whatever order; None where SciPy has to find out."""
    best, entries = instruction_set(), csr_entries(X)
    if best is None or entries is None:
        return None
    return _passes.has_duplicates(best, *entries, X.shape[1])


def derivatives(
    loss: Loss,
    block: Block,
    W: Array,
    columns: Columns,
    fit_intercept: bool,
    ends: Array | None = None,
    n_threads: int = 1,
) -> tuple[Array, Array, Array] | None:
    """Weighted loss of rows, its gradient and its Hessian, in one read; None where NumPy has to do it.

    Args:
        loss: a loss of `polytome.losses`.
        block: rows as they are stored.
        W: coefficients for standardised columns, shape (n_features + 1, n_outputs), float64.
        columns: how the columns are standardised.
        fit_intercept: without, the intercepts' derivatives are zero.
        ends: the rows before which the parts end that are added up in order, int64; one part if None.
        n_threads: threads that share the parts.

    Returns:
        The loss in nats; its gradient with respect to W, of the shape of W; the Hessian in blocks, as from
        `polytome.objective.Objective.hessian_blocks`.

    Raises:
        IndexError: a class code or a column index is out of range.
    """
    best = instruction_set()
    # BLAS multiplies wide blocks as fast; its trouble is with few columns.
    if best is None or len(W) > _MOST_COLUMNS or W.size > _MOST_COEFFICIENTS:
        return None
    if (named := named_loss(loss, block.target)) is None:
        return None
    name, target = named
    (n_columns, n_outputs), size = W.shape, W.size
    shape = (n_outputs, n_columns, n_columns) if loss.separable else (1, size, size)
    sums = np.zeros(size + shape[0] * shape[1] ** 2)
    coefficients = np.ascontiguousarray(W.T)
    arrays = (target, doubles(block.weight), coefficients, doubles(columns.shift), doubles(columns.scale))
    ends = np.array([len(block.weight)], dtype=np.int64) if ends is None else ends
    if not sparse.issparse(block.stored):
        X = readable(block)
        value = _passes.dense_derivatives(best, X, name, *arrays, fit_intercept, sums, ends, n_threads)
    elif (entries := csr_entries(block.stored)) is not None:
        value = _passes.sparse_derivatives(best, *entries, name, *arrays, fit_intercept, sums, ends, n_threads)
    else:
        return None
    gradient = np.ascontiguousarray(sums[:size].reshape(n_outputs, n_columns).T)
    return np.asarray(value), gradient, sums[size:].reshape(shape)


def grams(block: Block, columns: Columns, fit_intercept: bool, ends: Array, n_threads: int) -> Array | None:
    """`X' diag(weight) X` of standardised rows, the intercept's column last; None where NumPy has to do it.

    Args:
        block: rows as they are stored.
        columns: how the columns are standardised.
        fit_intercept: without, the intercept's column is zero.
        ends: the rows before which the parts end that have a matrix each, int64.
        n_threads: threads that share the parts.

    Returns:
        Shape (n_parts, n_features + 1, n_features + 1), float64.

    Raises:
        IndexError: a column index is out of range.
    """
    best, size = instruction_set(), len(columns.shift) + 1
    if best is None or size > _MOST_COLUMNS:
        return None
    sums = np.empty((len(ends), size, size))
    weight, standard = doubles(block.weight), (doubles(columns.shift), doubles(columns.scale), fit_intercept)
    flat = sums.reshape(-1)
    if not sparse.issparse(block.stored):
        _passes.dense_grams(best, readable(block), weight, *standard, ends, flat, n_threads)
    elif (entries := csr_entries(block.stored)) is not None:
        _passes.sparse_grams(best, *entries, weight, *standard, ends, flat, n_threads)
    else:
        return None
    return sums


def reads_csr(X: Any) -> bool:
    """Whether the extension is there, and a matrix is CSR and of a type that it reads."""
    return instruction_set() is not None and csr_entries(X) is not None
