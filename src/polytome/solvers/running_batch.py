"""Rows as they come to a model that goes on learning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.losses import Softmax
from polytome.objective import Objective
from polytome.penalties import NoPenalty
from polytome.rows import as_rows

Array = NDArray[Any]

__all__ = ["Batch", "column_sums", "is_sparse"]


@dataclass(frozen=True)
class Batch:
    """Rows as they come.

    Attributes:
        X: an array or CSR, divided by nothing.
        codes: the class of each row, in the order in which classes arrived.
        weight: of each row, positive.
        places: of each row in the data as given, for messages.
        identities: of each row, as from `identities`.
        scale: what each column is multiplied by.
        fit_intercept: whether there is an intercept.
        n_threads: threads that share the work.
    """

    X: Any
    codes: Array
    weight: Array
    places: Array
    identities: Array
    scale: Array
    fit_intercept: bool = True
    n_threads: int | None = None

    def objective(self, n_classes: int, rows: Array | slice = slice(None)) -> Objective:
        """The loss of some of the rows, without a penalty."""
        X: Any = self.X[rows]
        data = as_rows(X, self.codes[rows], self.weight[rows], n_threads=self.n_threads)
        columns = replace(data.columns, scale=self.scale)
        return Objective(Softmax(n_classes), NoPenalty(), data.with_columns(columns).at(np.float64), self.fit_intercept)

    def dense_or_sparse(self, rows: Array | slice) -> Any:
        """Some rows, scaled, in float64."""
        X: Any = self.X[rows]
        if is_sparse(X):
            return sparse.csr_matrix(X.multiply(self.scale[None, :]), dtype=np.float64)
        return X.astype(np.float64) * self.scale


def is_sparse(X: Any) -> bool:
    """Whether a matrix is one of SciPy's sparse ones."""
    return bool(sparse.issparse(X))


def column_sums(X: Any, *, but_largest: bool = False) -> tuple[Array, Array, Array]:
    """Of each column the sum of its squares, how many entries are not 0, and the largest magnitude;
    the first two of all entries but the largest, if that is asked for."""
    if is_sparse(X):
        X = X.tocsr()
        largest = np.asarray(abs(X).max(axis=0).toarray(), dtype=np.float64).ravel()
        entries, columns = X.data, X.indices
    else:
        largest = np.abs(X).max(axis=0, initial=0.0)
        entries, columns = X, slice(None)
    counted = (np.abs(entries) < largest[columns]) if but_largest else True
    counted = counted & (entries != 0)
    squares = np.where(counted, entries * entries, 0.0)
    if is_sparse(X):
        size = len(largest)
        return np.bincount(columns, squares, size), np.bincount(columns, counted, size).astype(np.float64), largest
    return squares.sum(axis=0), counted.sum(axis=0, dtype=np.float64), largest
