"""Predictions in compiled code, of rows that come and go: they are not bound first, which would take as long."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.native.arrays import csr_entries, doubles, is_csr, is_known
from polytome.native.held import _passes, worthwhile_threads

Array = NDArray[Any]
Link = Literal["scores", "softmax", "sigmoids"]
"""What scores are turned into: nothing else, the softmax of each row, or the sigmoid of each score."""

__all__ = ["Link", "predictions", "predicts"]


def predicts(X: Any) -> bool:
    """Whether compiled code multiplies a matrix as it is, in float64."""
    return is_csr(X) if sparse.issparse(X) else is_known(X.dtype) and X.flags.aligned


def predictions(best: str, X: Any, coefficients: Array, link: Link) -> tuple[bool, Array]:
    """Whether all scores of rows are finite, and the scores, or the probabilities that belong to them.

    Args:
        best: an instruction set.
        X: an array or a CSR matrix, (n, n_features), that compiled code multiplies.
        coefficients: shape (n_outputs, n_features + 1), the intercept in the last column, float64.
        link: what scores are turned into.

    Raises:
        IndexError: a column index is out of range.
        ValueError: the pointers of a sparse matrix do not grow.
    """
    n_rows = X.shape[0]
    result = np.empty((n_rows, len(coefficients)))
    how = (result, worthwhile_threads(n_rows))
    if not sparse.issparse(X):
        return _passes.predict_dense(best, X, link, doubles(coefficients), *how), result
    data, indices, bounds = csr_entries(X)
    return _passes.predict_sparse(best, data, indices, bounds, link, doubles(coefficients.T), *how), result
