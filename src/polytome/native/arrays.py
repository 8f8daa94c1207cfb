"""Arrays, matrices and losses as the extension reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.losses import IndependentSigmoids, Logistic, Loss, Softmax, Squared

if TYPE_CHECKING:
    from polytome.rows import Block

Array = NDArray[Any]

__all__ = ["csr_entries", "doubles", "is_known", "named_loss", "readable"]

_LOSSES = {IndependentSigmoids: "sigmoids", Logistic: "sigmoids", Squared: "squared"}
_NUMBERS = frozenset("?bBhHiIlLqQefd")


def csr_entries(X: Any) -> tuple[Array, Array, Array] | None:
    """The entries of a CSR matrix, their columns and where rows begin; None where the extension cannot read them.

    Where rows begin is copied: the extension checks it once, and another thread may write into the matrix meanwhile.
    """
    matrix: Any = X
    if not (sparse.issparse(X) and matrix.format == "csr" and is_known(matrix.dtype)):
        return None
    if not is_known(matrix.indices.dtype) or matrix.indices.dtype.char not in "iIlLqQ":
        return None
    data, indices = (np.require(part, requirements=("C", "A")) for part in (matrix.data, matrix.indices))
    return data, indices, np.array(matrix.indptr, dtype=np.int64)


def readable(block: Block) -> Array:
    """A dense block as it is stored, or converted if the extension could not read that."""
    X = block.stored if is_known(block.stored.dtype) else block.X
    return np.require(np.asarray(X), requirements=("ALIGNED",))


def doubles(values: Array) -> Array:
    """Values as the extension reads all but X; copied only where they are stored in another way."""
    if values.dtype == np.float64 and values.flags.c_contiguous and values.flags.aligned:
        return values
    return np.require(values, np.float64, ("C_CONTIGUOUS", "ALIGNED"))


def is_known(dtype: np.dtype[Any]) -> bool:
    """Whether the extension reads entries of this type."""
    return dtype.char in _NUMBERS and dtype.isnative


def named_loss(loss: Loss, target: Array) -> tuple[str, Array] | None:
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
    return name, matrix if matrix.flags.aligned and is_known(matrix.dtype) else doubles(matrix)
