"""Arrays, matrices and losses as the extension reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.losses import IndependentSigmoids, Logistic, Loss, Softmax, Squared, WithOffset, labels_of, offset_of
from polytome.passes import Block

Array = NDArray[Any]

__all__ = [
    "csr_entries",
    "doubles",
    "is_csr",
    "is_known",
    "link_name",
    "loss_name",
    "offset_matrix",
    "readable",
    "reads_as_is",
    "target_matrix",
]

_LOSSES: dict[type, tuple[str, str]] = {
    IndependentSigmoids: ("sigmoids", "sigmoids"),
    Logistic: ("sigmoids", "sigmoids"),
    Softmax: ("softmax", "softmax"),
    Squared: ("squared", ""),
}
"""The losses that the extension knows, by name, and what links their scores to probabilities, if it
makes these."""
_TYPE_CODES = frozenset("?bBhHiIlLqQefd")


def is_csr(X: Any) -> bool:
    """Whether X is a CSR matrix of types that the extension reads."""
    matrix: Any = X
    if not (sparse.issparse(X) and matrix.format == "csr" and is_known(matrix.dtype)):
        return False
    return is_known(matrix.indices.dtype) and matrix.indices.dtype.char in "iIlLqQ"


def csr_entries(matrix: Any) -> tuple[Array, Array, Array]:
    """The entries of a CSR matrix, their columns and where rows begin.

    Where rows begin is copied: the extension checks it once, and another thread may write into the
    matrix meanwhile.
    """
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
    return dtype.char in _TYPE_CODES and dtype.isnative


def reads_as_is(X: Any) -> bool:
    """Whether the extension reads a matrix without any part of it being converted."""
    if isinstance(X, np.ndarray):
        dtype = X.dtype
        return dtype.char in _TYPE_CODES and dtype.isnative and X.flags.aligned
    return is_csr(X)


def loss_name(loss: Loss, target: Array) -> str:
    """The loss as the extension calls it; empty for losses that it does not know."""
    if isinstance(loss, WithOffset):  # which the rows have been bound with
        loss, target = loss.loss, labels_of(target)
    name, _ = _LOSSES.get(type(loss), ("", ""))
    if name != "softmax":
        return name
    if target.ndim == 2:
        return "softmax of distributions"
    return "softmax of codes" if target.dtype.kind in "iu" else ""


def link_name(loss: Loss) -> str:
    """What makes probabilities of the loss's scores, as the extension calls it; empty where it
    makes none."""
    return _LOSSES.get(type(loss), ("", ""))[1]


def target_matrix(target: Array) -> Array:
    """A target as a matrix that the extension reads; without entries where it holds no numbers."""
    target = labels_of(target)
    if target.dtype.kind not in "biuf":
        return np.empty((0, 0))
    matrix = target if target.ndim == 2 else target[:, None]
    return matrix if matrix.flags.aligned and is_known(matrix.dtype) else doubles(matrix)


def offset_matrix(target: Array) -> Array:
    """The offsets of a target; without entries where it has none."""
    offset = offset_of(target)
    return np.empty((0, 0)) if offset is None else offset
