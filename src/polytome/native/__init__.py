"""Loss and gradient of a block of rows in compiled code, one read of the rows as they are stored.

The reference is NumPy's path in `polytome.objective`, which runs wherever this one does not: where the extension could
not be built, for losses and matrices that it does not know, and with the environment variable `POLYTOME_NATIVE=0`.
Threads, blocks and the order of addition are none of its business: it sees one block and lets other threads run.
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

if TYPE_CHECKING:
    from polytome.rows import Block, Columns

try:
    from polytome.native import _passes
except ImportError:  # installed without a compiler
    _passes = None  # type: ignore[assignment]

Array = NDArray[Any]

__all__ = [
    "dual_steps",
    "has_duplicates",
    "hessian",
    "instruction_set",
    "instruction_sets",
    "moments",
    "reads_csr",
    "sparse_moments",
    "value_and_gradient",
]

_LOSSES = {IndependentSigmoids: "sigmoids", Logistic: "sigmoids", Squared: "squared"}
_MOST_COLUMNS = 256
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


def value_and_gradient(loss: Loss, block: Block, raw: Array) -> tuple[Array, Array] | None:
    """Weighted loss of a block and its gradient with respect to raw coefficients; None where NumPy has to do it.

    Args:
        loss: a loss of `polytome.losses`.
        block: rows as they are stored.
        raw: coefficients for raw columns, shape (n_features + 1, n_outputs), float64.

    Raises:
        IndexError: a class code or a column index is out of range.
    """
    best = instruction_set()
    if best is None or (named := _named(loss, block.target)) is None:
        return None
    name, target = named
    task = (name, target, _doubles(block.weight), _doubles(raw))
    gradient = np.zeros(raw.shape)  # from the system, which clears pages when they are touched
    X: Any = block.stored
    if not sparse.issparse(block.stored):
        value = _passes.dense(best, _readable(block), block.precision == np.float32, *task, gradient)
    elif reads_csr(X):
        data, indices, bounds = _csr(X)
        value = _passes.sparse(best, data, indices, bounds, *task, gradient)
    else:
        return None
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
    best = instruction_set()
    X: Any = block.stored
    named = None if best is None or not reads_csr(X) else _named(loss, block.target)
    if best is None or named is None:
        return None
    bend, scale_squares, per_weight, intercept_square = settings
    name, target = named
    return _passes.dual(
        best,
        *_csr(X),
        name,
        target,
        _doubles(block.weight),
        _doubles(bend),
        order.astype(np.int64, copy=False),
        _doubles(scale_squares),
        *state,
        per_weight,
        intercept_square,
    )


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


def sparse_moments(block: Block, near: Array) -> Array | None:
    """Sums over the stored entries of each column of a CSR block, (4, n_features); None where NumPy has to do it.

    Weighted sums of `x - near` and of its square, the weight of the entries, and how many of them have weight.

    Args:
        block: rows as they are stored.
        near: a value of each column, shape (n_features,), float64.
    """
    best = instruction_set()
    if best is None or not reads_csr(block.stored):
        return None
    sums = np.zeros((4, len(near)))
    _passes.sparse_moments(best, *_csr(block.stored), _doubles(block.weight), _doubles(near), sums)
    return sums


def has_duplicates(X: Any) -> bool | None:
    """Whether a row of a CSR matrix stores a column twice, in whatever order; None where SciPy has to find out."""
    best = instruction_set()
    if best is None or not reads_csr(X):
        return None
    return _passes.has_duplicates(best, *_csr(X), X.shape[1])


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


def reads_csr(X: Any) -> bool:
    """Whether the extension is there, and a matrix is CSR and of a type that it reads."""
    if instruction_set() is None or not sparse.issparse(X):
        return False
    matrix: Any = X
    known = matrix.format == "csr" and _is_known(matrix.dtype)
    return known and bool(matrix.data.flags.aligned and matrix.indices.flags.aligned)


def _csr(X: Any) -> tuple[Array, Array, Array]:
    """Entries, their columns and the bounds of the rows."""
    return X.data, X.indices, X.indptr.astype(np.int64, copy=False)


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
    """The loss as the extension calls it, and the target as a float64 matrix; None for other losses."""
    if type(loss) is Softmax and target.ndim == 2:
        name = "softmax of distributions"
    elif type(loss) is Softmax and target.dtype.kind in "iu":
        name = "softmax of codes"
    elif type(loss) in _LOSSES:
        name = _LOSSES[type(loss)]
    else:
        return None
    return name, _doubles(target if target.ndim == 2 else target[:, None])
