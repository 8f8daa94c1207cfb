"""Conversions between Polytome's arrays and the layouts of other texts.

In Polytome rows of X are samples, (n, d), and coefficients are (d + 1, K), one column per output,
with the intercept in the last row. Texts differ in what a row is and where the intercept stands.
Each function has an inverse:

| array | there | to Polytome | from Polytome |
|---|---|---|---|
| samples in columns | (d, n) | `rows_from_columns` | `columns_from_rows` |
| samples that begin with a 1 | (n, d + 1) | `without_ones` | `with_ones` |
| one sample, a column below a 1 | (d + 1, 1) | `row_from_column` | `column_from_row` |
| one sample, a vector | (d,) | `row_from_vector` | `vector_from_row` |
| weights (d, K) beside a bias | (d, K), (K,) or a number | `join_weights` | `split_weights` |
| one row per output (`coef_`, `intercept_`) | (K, d), (K,) | `join_coef` | `split_coef` |
| intercept in the first row | (d + 1, K) | `intercept_last` | `intercept_first` |
| cost summed over samples | a number or an array | `mean_from_sum` | `sum_from_mean` |
| logarithms of base 2 | bits | `nats_from_bits` | `bits_from_nats` |

A result may share memory with the argument. Each function raises `DataError` if an array has the
wrong shape, naming the shape and the one needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import DataError

Array = NDArray[Any]
Amount = TypeVar("Amount", float, Array)

__all__ = [
    "bits_from_nats",
    "column_from_row",
    "columns_from_rows",
    "intercept_first",
    "intercept_last",
    "join_coef",
    "join_weights",
    "mean_from_sum",
    "nats_from_bits",
    "row_from_column",
    "row_from_vector",
    "rows_from_columns",
    "split_coef",
    "split_weights",
    "sum_from_mean",
    "vector_from_row",
    "with_ones",
    "without_ones",
]


def rows_from_columns(X: ArrayLike) -> Array:
    """Samples in rows, (n, d), from samples in columns, (d, n); also for scores and targets,
    (K, n).

    Example:
        >>> rows_from_columns([[1, 2, 3], [4, 5, 6]]).tolist()
        [[1, 4], [2, 5], [3, 6]]
    """
    return _matrix(X, "X", "(n_features, n_samples)").T


def columns_from_rows(X: ArrayLike) -> Array:
    """Samples in columns, (d, n), from samples in rows, (n, d): the inverse of
    `rows_from_columns`."""
    return _matrix(X, "X", "(n_samples, n_features)").T


def without_ones(X: ArrayLike) -> Array:
    """Samples, (n, d), from samples that each begin with a 1, (n, d + 1).

    Example:
        >>> without_ones([[1, 7, 8], [1, 9, 10]]).tolist()
        [[7, 8], [9, 10]]
    """
    X = _matrix(X, "X", "(n_samples, 1 + n_features)", lambda rows, columns: columns >= 1)
    other = np.flatnonzero(X[:, 0] != 1)
    if len(other):
        row = int(other[0])
        raise DataError(
            f"X[{row}, 0] = {X[row, 0]}: the first column must hold ones; an X without one needs no conversion"
        )
    return X[:, 1:]


def with_ones(X: ArrayLike) -> Array:
    """Samples that each begin with a 1, (n, d + 1), from samples, (n, d): the inverse of
    `without_ones`."""
    X = _matrix(X, "X", "(n_samples, n_features)")
    return np.hstack([np.ones((len(X), 1), X.dtype), X])


def row_from_column(x: ArrayLike) -> Array:
    """One sample as a matrix of one row, (1, d), from a column with a 1 on top, (d + 1, 1).

    Example:
        >>> row_from_column([[1.0], [1.4]]).tolist()
        [[1.4]]
    """
    x = _matrix(x, "x", "(1 + n_features, 1)", lambda rows, columns: rows >= 1 and columns == 1)
    if x[0, 0] != 1:
        raise DataError(f"x[0, 0] = {x[0, 0]}: needs a 1 on top of the features; for features alone take x.T")
    return x[1:].T


def column_from_row(x: ArrayLike) -> Array:
    """One sample as a column with a 1 on top, (d + 1, 1), from one row, (1, d): the inverse of
    `row_from_column`."""
    return with_ones(_matrix(x, "x", "(1, n_features)", lambda rows, columns: rows == 1)).T


def row_from_vector(x: ArrayLike) -> Array:
    """One sample as a matrix of one row, (1, d), from a vector, (d,); also for scores and
    probabilities, (K,).

    Example:
        >>> row_from_vector([5.1, 3.5]).tolist()
        [[5.1, 3.5]]
    """
    x = np.asarray(x)
    if x.ndim != 1:
        raise DataError(f"x has shape {x.shape}: needs (n_features,), one sample")
    return x[np.newaxis]


def vector_from_row(x: ArrayLike) -> Array:
    """One sample as a vector, (d,), from a matrix of one row, (1, d): the inverse of
    `row_from_vector`."""
    row: Array = _matrix(x, "x", "(1, n_features)", lambda rows, columns: rows == 1)[0]
    return row


def join_weights(weights: ArrayLike, bias: ArrayLike) -> Array:
    """Coefficients, (d + 1, K), from weights, (d, K), and a bias for each output, (K,), or a number
    if there is one.

    Example:
        >>> join_weights([[0.2], [0.3]], 0.1).tolist()
        [[0.2], [0.3], [0.1]]
    """
    weights, bias = _matrix(weights, "weights", "(n_features, n_outputs)"), np.atleast_1d(bias)
    if bias.shape != weights.shape[1:]:
        raise DataError(f"bias has shape {bias.shape}: needs {weights.shape[1:]}, one entry per output of the weights")
    return np.vstack([weights, bias])


def split_weights(coefficients: ArrayLike) -> tuple[Array, Array]:
    """Weights, (d, K), and a bias for each output, (K,), from coefficients: the inverse of
    `join_weights`."""
    W = _matrix(coefficients, "coefficients", "(n_features + 1, n_outputs)", lambda rows, columns: rows >= 1)
    return W[:-1], W[-1]


def join_coef(coef: ArrayLike, intercept: ArrayLike) -> Array:
    """Coefficients, (d + 1, K), from `coef_`, one row per output, (K, d), and `intercept_`, (K,).

    Example:
        >>> join_coef([[0.2, 0.3]], [0.1]).tolist()
        [[0.2], [0.3], [0.1]]
    """
    return join_weights(_matrix(coef, "coef", "(n_outputs, n_features)").T, intercept)


def split_coef(coefficients: ArrayLike) -> tuple[Array, Array]:
    """`coef_`, (K, d), and `intercept_`, (K,), from coefficients: the inverse of `join_coef`."""
    weights, bias = split_weights(coefficients)
    return weights.T, bias


def intercept_last(coefficients: ArrayLike) -> Array:
    """Coefficients, (d + 1, K), from ones with the intercept in the first row.

    Example:
        >>> intercept_last([[0.1, 0.05], [0.2, -0.1]]).tolist()
        [[0.2, -0.1], [0.1, 0.05]]
    """
    return np.roll(_matrix(coefficients, "coefficients", "(1 + n_features, n_outputs)"), -1, axis=0)


def intercept_first(coefficients: ArrayLike) -> Array:
    """Coefficients with the intercept in the first row, (1 + d, K): the inverse of
    `intercept_last`."""
    return np.roll(_matrix(coefficients, "coefficients", "(n_features + 1, n_outputs)"), 1, axis=0)


def mean_from_sum(total: Amount, n_samples: int) -> Amount:
    """Mean cost (or its gradient) over samples from their sum.

    Example:
        >>> mean_from_sum(3.734065, 4)  # four samples
        0.93351625
    """
    return total / n_samples


def sum_from_mean(mean: Amount, n_samples: int) -> Amount:
    """Summed cost (or its gradient) over samples from their mean: the inverse of
    `mean_from_sum`."""
    return mean * n_samples


def bits_from_nats(nats: Amount) -> Amount:
    """Information in bits (base 2) from nats (natural logarithms).

    Example:
        >>> round(bits_from_nats(0.916290731874155), 6)  # -log 0.4
        1.321928
    """
    return nats / math.log(2)


def nats_from_bits(bits: Amount) -> Amount:
    """Information in nats (natural logarithms) from bits (base 2): the inverse of
    `bits_from_nats`."""
    return bits * math.log(2)


def _matrix(
    values: ArrayLike, name: str, needed: str, fits: Callable[[int, int], bool] = lambda rows, columns: True
) -> Array:
    """An array of two dimensions of the right size; otherwise raises DataError, naming the shape
    needed."""
    array = np.asarray(values)
    if array.ndim != 2 or not fits(*array.shape):
        raise DataError(f"{name} has shape {array.shape}: needs {needed}")
    return array
