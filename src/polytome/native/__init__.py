"""Loss and gradient of rows in compiled code, one read of the rows as they are stored.

The reference is NumPy's path in `polytome.objective`, which runs wherever this one does not: where the extension could
not be built, for losses and matrices that it does not know, and with the environment variable `POLYTOME_NATIVE=0`.
Which rows make a block is none of its business: it is told, and adds up the blocks in their order.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.errors import ArgumentError
from polytome.losses import IndependentSigmoids, Logistic, Loss, Softmax, Squared
from polytome.threads import available_threads

if TYPE_CHECKING:
    from polytome.rows import Block, Columns

try:
    from polytome.native import _passes
except ImportError:  # installed without a compiler
    _passes = None  # type: ignore[assignment]

Array = NDArray[Any]

__all__ = ["hessian", "instruction_set", "instruction_sets", "linked_scores", "moments", "value_and_gradient"]

_LOSSES = {IndependentSigmoids: "sigmoids", Logistic: "sigmoids", Squared: "squared"}
_MOST_COLUMNS = 256
_FEW_ROWS = 1_000  # that are not worth a second thread
_NUMBERS = frozenset("?bBhHiIlLqQefd")


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
    if best is None or (named := _named(loss, block.target)) is None:
        return None
    name, target = named
    ends = np.array([len(block.weight)], dtype=np.int64) if ends is None else ends
    X: Any = block.stored
    if not sparse.issparse(block.stored):
        coefficients = np.ascontiguousarray(raw.T)
        gradient = np.zeros(coefficients.shape)
        task = (name, target, _doubles(block.weight), coefficients, gradient, ends, n_threads)
        value = _passes.dense(best, _readable(block), block.precision == np.float32, *task)
        return np.asarray(value), np.ascontiguousarray(gradient.T)
    if not (X.format == "csr" and _is_known(X.dtype) and X.data.flags.aligned and X.indices.flags.aligned):
        return None
    gradient = np.zeros(raw.shape)  # from the system, which clears pages when they are touched
    task = (name, target, _doubles(block.weight), _doubles(raw), gradient, ends, n_threads)
    value = _passes.sparse(best, X.data, X.indices, X.indptr.astype(np.int64, copy=False), *task)
    return np.asarray(value), gradient


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
    is_sparse = sparse.issparse(X)
    if best is None or not _is_known(X.dtype) or (is_sparse and X.format != "csr"):
        return None
    n_rows = X.shape[0]
    result = np.empty((n_rows, len(coefficients)))
    how = (result, 1 if n_rows < _FEW_ROWS else available_threads())
    if not is_sparse:
        finite = X.flags.aligned and _passes.dense_scores(best, X, link, _doubles(coefficients), *how)
    else:
        parts = (X.data, X.indices, X.indptr.astype(np.int64, copy=False))
        aligned = X.data.flags.aligned and X.indices.flags.aligned
        finite = aligned and _passes.sparse_scores(best, *parts, link, _doubles(coefficients.T), *how)
    return result if finite else None


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
    weight = _doubles(block.weight)
    _passes.moments(best, _readable(block), weight, _doubles(near), first, second)
    return first, second


def hessian(loss: Loss, block: Block, W: Array, columns: Columns, fit_intercept: bool) -> Array | None:
    """Hessian of the weighted loss of a dense block and a single output; None where NumPy has to do it.

    Args:
        loss: a loss of `polytome.losses`.
        block: rows as they are stored.
        W: coefficients for standardised columns, shape (n_features + 1, 1), float64.
        columns: how the columns are standardised.
        fit_intercept: without, the intercept's row and column are zero.

    Returns:
        Shape (n_features + 1, n_features + 1); only the lower triangle means something.
    """
    best = instruction_set()
    # BLAS multiplies wide blocks as fast; its trouble is with few columns.
    if best is None or sparse.issparse(block.stored) or W.shape[1] > 1 or len(W) > _MOST_COLUMNS:
        return None
    if type(loss) not in _LOSSES:
        return None
    result = np.empty((len(W), len(W)))
    weight = _doubles(block.weight)
    shape = (_doubles(columns.shift), _doubles(columns.scale), fit_intercept)
    _passes.hessian(best, _readable(block), _LOSSES[type(loss)], weight, _doubles(W.ravel()), *shape, result)
    return result


def _readable(block: Block) -> Array:
    """A dense block as it is stored, or converted if the extension could not read that."""
    X = block.stored if _is_known(block.stored.dtype) else block.X
    return np.require(np.asarray(X), requirements=("ALIGNED",))


def _doubles(values: Array) -> Array:
    """Values as the extension reads all but X; copied only where they are stored in another way."""
    return np.require(values, np.float64, ("C_CONTIGUOUS", "ALIGNED"))


def _is_known(dtype: np.dtype[Any]) -> bool:
    """Whether the extension reads entries of this type."""
    return dtype.char in _NUMBERS and dtype.isnative


def _named(loss: Loss, target: Array) -> tuple[str, Array] | None:
    """The loss as the extension calls it, and the target as a matrix that it reads; None for other losses."""
    if type(loss) is Softmax and target.ndim == 2:
        name = "softmax of distributions"
    elif type(loss) is Softmax and target.dtype.kind in "iu":
        name = "softmax of codes"
    elif type(loss) in _LOSSES:
        name = _LOSSES[type(loss)]
    else:
        return None
    matrix = target if target.ndim == 2 else target[:, None]
    return name, matrix if matrix.flags.aligned and _is_known(matrix.dtype) else _doubles(matrix)
