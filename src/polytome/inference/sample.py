"""The rows that a result is about, and whether two results are about the same ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import qr

from polytome.errors import ArgumentError
from polytome.tables.frames import listing
from polytome.threads import one_blas_thread

Array = NDArray[Any]

__all__ = ["Sample", "refuse_unless_nested"]

_DEPENDENT = 1e-8
"""What is left of a column, relative to its length, that others make up."""
_BLOCK_ENTRIES = 2**20


@dataclass(frozen=True, eq=False)
class Sample:
    """The rows that a model was fitted to.

    Attributes:
        X: the columns, without the intercept's, dense or sparse; sums of others are among them.
        names: of these columns.
        fit_intercept: whether there is an intercept.
        codes: the place of each row's class in `classes`.
        classes: the classes.
        weight: of each row.
        numbers: which rows of the data these are.
        weights_are: "frequencies", "importance" or "sampling"; None without weights.
        offset: what is added to the log odds of each row, of each class against the first; None
            without an offset.
        clusters: the place of each row's cluster, of errors by one way of clustering; else None.
        made_of: for columns that would not change alone, as products, powers or splines are made of
            them, the name of one of these.
    """

    X: Any
    names: tuple[str, ...]
    fit_intercept: bool
    codes: Array
    classes: tuple[Any, ...]
    weight: Array
    numbers: Array
    weights_are: str | None = None
    offset: Array | None = None
    clusters: Array | None = None
    made_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Rows that count."""
        return int((self.weight > 0).sum())

    @property
    def n_observations(self) -> float:
        """Rows that count, or the sum of frequencies."""
        return float(self.weight.sum()) if self.weights_are == "frequencies" else float(self.n_rows)

    def blocks(self, widest: int | None = None) -> Iterator[tuple[slice, Array]]:
        """Pieces of the columns, dense and in float64, with the intercept's first where there is
        one; as short as for so many columns."""
        size = max(_BLOCK_ENTRIES // max(widest or self.X.shape[1], 1), 1)
        for start in range(0, self.X.shape[0], size):
            piece = slice(start, min(start + size, self.X.shape[0]))
            stored: Any = self.X[piece]
            block = np.asarray(stored.toarray() if sparse.issparse(self.X) else stored, dtype=np.float64)
            yield piece, np.column_stack([np.ones(len(block)), block]) if self.fit_intercept else block


def refuse_unless_nested(smaller: Sample, larger: Sample) -> None:
    """Raises ArgumentError unless a model is a special case of another: fitted to the same rows, by
    columns that are sums of the other's."""
    if set(smaller.classes) != set(larger.classes):
        raise ArgumentError(
            f"smaller: its classes are {listing(smaller.classes)}, those of this model {listing(larger.classes)}"
        )
    if len(smaller.numbers) != len(larger.numbers) or not np.array_equal(smaller.numbers, larger.numbers):
        raise ArgumentError(
            f"smaller: it was fitted to {len(smaller.numbers):,} rows, this model to {len(larger.numbers):,}, and they "
            "are not the same; fit both to the rows that have all columns"
        )
    places = np.array([larger.classes.index(each) for each in smaller.classes])
    if not np.array_equal(places[smaller.codes], larger.codes):
        raise ArgumentError("smaller: its rows have other classes than those of this model; fit both to the same rows")
    if smaller.weights_are != larger.weights_are or not np.array_equal(smaller.weight, larger.weight):
        raise ArgumentError("smaller: its rows have other weights than those of this model")
    own, theirs = (np.zeros(len(each.weight)) if each.offset is None else each.offset for each in (smaller, larger))
    if not np.array_equal(own, theirs):
        raise ArgumentError("smaller: it has another offset than this model; both need the same offset()")
    outside = _outside(smaller, larger)
    if outside:
        raise ArgumentError(
            f"smaller is not nested in this model: {listing(outside)} is not a sum of this model's columns; a "
            "likelihood-ratio test compares a model with a special case of it"
        )


def _outside(smaller: Sample, larger: Sample) -> list[str]:
    """Columns of one that are not sums of the other's: by the triangle of a QR decomposition, whose
    columns of the larger come first."""
    n = larger.X.shape[1] + int(larger.fit_intercept)
    R = np.zeros((0, n + smaller.X.shape[1] + int(smaller.fit_intercept)))
    widest = R.shape[1]
    for (piece, own), (_, theirs) in zip(larger.blocks(widest), smaller.blocks(widest), strict=True):
        X = np.column_stack([own, theirs])[larger.weight[piece] > 0]
        with one_blas_thread():
            R = qr(np.vstack([R, X]), mode="r", check_finite=False)[0][: R.shape[1]]
    names = [*(["Intercept"] if smaller.fit_intercept else []), *smaller.names]
    lengths = np.linalg.norm(R[:, n:], axis=0)
    left = _left(R[:, :n], R[:, n:])
    return [name for name, length, rest in zip(names, lengths, left, strict=True) if rest > _DEPENDENT * length]


def _left(own: Array, theirs: Array) -> Array:
    """The lengths of columns after what a set of columns explains of them."""
    size = np.linalg.norm(own, axis=0)
    U, values, _ = np.linalg.svd(own / np.where(size > 0, size, 1.0), full_matrices=False)
    U = U[:, values > 1e-12 * values.max(initial=0.0)]
    lengths: Array = np.linalg.norm(theirs - U @ (U.T @ theirs), axis=0)
    return lengths
