"""Checks of the matrix X, in place: what fit and predict accept, and the error for everything
else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn import get_config
from sklearn.utils.validation import check_consistent_length, validate_data

from polytome.errors import ArgumentError, DataError, DataTypeError
from polytome.models.cells import FILL_IN, numeric_array, readable_features
from polytome.models.fitted import feature_names_in
from polytome.models.framed import encoded_rows
from polytome.rows import Columns, DeviceMatrix, Rows, Stream, on_host, sound_sparse, without_library
from polytome.rows.choose import fast_precision
from polytome.tables.streams.frames import refuse_spread
from polytome.tables.streams.table import StreamedTable

Array = NDArray[Any]
FeatureScale = str | float | ArrayLike | None
"""What columns are divided by before the penalty: None, "standard", a number, or one number per
column."""

__all__ = [
    "FeatureScale",
    "check_scale",
    "checked_batch",
    "checked_columns",
    "checked_features",
    "checked_rows",
    "divisors_of",
    "feature_scale",
    "refuse_foreign_arrays",
    "refuse_nonfinite",
]


def checked_features(estimator: Any, X: Any, y: Any) -> Any:
    """X as an array or sparse matrix of its own type, of as many rows as y; sets `n_features_in_`.

    Raises:
        DataError: X has another shape, or holds what is not a number; y has another length, or is
            None.
    """
    if y is None:
        raise DataError(f"{type(estimator).__name__} requires y to be passed, but the target y is None")
    X, y = without_library(X), on_host(y)
    if (_is_plain(X) or isinstance(X, DeviceMatrix)) and len(X) > 1 and X.shape[1] > 0:
        estimator.n_features_in_ = X.shape[1]
        vars(estimator).pop("feature_names_in_", None)
    else:
        X = _validated(estimator, X, ensure_min_samples=2)
    try:
        check_consistent_length(X, y)
    except (TypeError, ValueError) as error:
        raise DataError(f"{error}: give one row of y for each row of X") from error
    return X


def checked_batch(estimator: Any, X: Any, y: Any, *, reset: bool = True) -> Any:
    """X as `checked_features` returns it, perhaps of no rows at all, with finite entries; without
    `reset` of the columns that the model has."""
    if y is None:
        raise DataError(f"{type(estimator).__name__} requires y to be passed, but the target y is None")
    X = _validated(estimator, X, ensure_min_samples=0, reset=reset)
    try:
        check_consistent_length(X, y)
    except (TypeError, ValueError) as error:
        raise DataError(f"{error}: give one row of y for each row of X") from error
    X = sound_sparse(X) if sparse.issparse(X) else X
    refuse_nonfinite(X, estimator)
    return X


def checked_rows(estimator: Any, X: Any) -> Any:
    """X to be predicted: the same columns as in training, all finite; a sparse one is sound."""
    X = on_host(checked_columns(estimator, X))
    X = sound_sparse(X) if sparse.issparse(X) else X
    refuse_nonfinite(X, estimator)
    return X


def checked_columns(estimator: Any, X: Any) -> Any:
    """X to be predicted: the same columns as in training; whether its entries are finite is left to
    the caller. Data frames become features as in training, if that was on a table."""
    fitted = vars(estimator)
    if _is_plain(X) and X.shape[1] == fitted.get("n_features_in_") and "feature_names_in_" not in fitted:
        return X
    X = without_library(encoded_rows(estimator, X))
    if isinstance(X, DeviceMatrix) and len(X):
        if X.shape[1] != estimator.n_features_in_:
            has, expected = f"X has {X.shape[1]} features", f"{estimator.n_features_in_} features as input"
            raise DataError(f"{has}, but {type(estimator).__name__} is expecting {expected}")
        return X
    return _validated(estimator, X, reset=False)


def _validated(estimator: Any, X: Any, **settings: Any) -> Any:
    """X after scikit-learn's checks of its shape and names; every cell is a number, but perhaps NaN
    or infinite."""
    if isinstance(X, StreamedTable):
        raise ArgumentError(
            "X is rows from open_rows, which LogisticRegression, OneVsRest and OneVsOne fit piece by piece; here "
            "features in memory are needed, as read_table gives them"
        )
    refuse_spread(X)
    X = readable_features(on_host(X))
    settings |= {"accept_sparse": ["csr", "csc"], "dtype": "numeric", "ensure_all_finite": False}
    try:
        checked = validate_data(estimator, X, **settings)
    except ValueError as error:
        raise DataError(str(error)) from error
    except TypeError as error:
        raise DataTypeError(f"X cannot be read: {error}") from error
    names = feature_names_in(estimator)
    return checked if sparse.issparse(checked) else numeric_array(checked, names)


def _is_plain(X: Any) -> bool:
    """Whether X is a matrix of numbers with rows, in which scikit-learn's checks, slow for few
    rows, find no fault."""
    return type(X) is np.ndarray and X.ndim == 2 and X.dtype.kind in "biuf" and len(X) > 0


def feature_scale(estimator: Any, rows: Rows, X: Any) -> Rows:
    """Rows with implicitly centred and scaled columns, in the fastest precision that is exact for
    them.

    Raises:
        DataError: an entry is NaN or infinite, or a column too large for float64 sums.
        ArgumentError: `scale` does not have one number for each column.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = rows.moments()
    if not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
        if not isinstance(X, Stream):  # whose entries were looked at
            refuse_nonfinite(X, estimator)
        column = int(np.flatnonzero(~(np.isfinite(mean) & np.isfinite(deviation)))[0])
        raise DataError(
            f"{_column_name(estimator, column)} of X is too large: squares of its values overflow; rescale it"
        )
    divisor = divisors_of(estimator.scale, deviation)
    shift = mean if estimator.fit_intercept else np.zeros_like(mean)
    stored = rows.facts.dtype  # not X's own, if duplicate entries were added up
    return rows.with_columns(Columns(shift, 1 / divisor)).at(fast_precision(stored, shift, deviation))


def refuse_foreign_arrays(X: Any) -> None:
    """Raises ArgumentError where scikit-learn is to dispatch to the library of an array that is not
    NumPy's."""
    if isinstance(X, np.ndarray):
        return
    foreign = hasattr(X, "__array_namespace__") or type(X).__module__.partition(".")[0] == "torch"
    if foreign and get_config()["array_api_dispatch"]:
        raise ArgumentError(
            f"X is {type(X).__module__}.{type(X).__name__}, and array_api_dispatch is on: Polytome computes with NumPy "
            "on the processor; give numpy.asarray(X), or switch array_api_dispatch off"
        )


def refuse_nonfinite(X: Any, estimator: Any) -> None:
    """Raises DataError at the first NaN or infinity, naming row and column; looks at one block at a
    time."""
    if (X.dtype.kind not in "fc") or X.shape[0] == 0:
        return
    if isinstance(X, DeviceMatrix) and X.is_sparse:
        X = on_host(X)
    if sparse.issparse(X):
        matrix: Any = X
        if np.isfinite(matrix.data).all():
            return
        entries = sound_sparse(X).tocoo()
        at = int(np.flatnonzero(~np.isfinite(entries.data))[0])
        _refuse_entry(estimator, int(entries.row[at]), int(entries.col[at]), entries.data[at])
    size = max(1, 2**20 // max(X.shape[1], 1))
    for start in range(0, X.shape[0], size):
        piece = X[start : start + size]
        finite = np.isfinite(piece)
        if not finite.all():
            row, column = map(int, np.argwhere(~finite)[0])
            _refuse_entry(estimator, start + row, column, piece[row, column])


def _refuse_entry(estimator: Any, row: int, column: int, value: Any) -> None:
    what, remedy = ("NaN", FILL_IN) if np.isnan(value) else ("infinity", "replace it by a number, or drop the row")
    raise DataError(f"X contains {what} at row {row}, {_column_name(estimator, column)}: {remedy}")


def _column_name(estimator: Any, column: int) -> str:
    names = feature_names_in(estimator)
    return f"column {column}" if names is None else f"column {column} ({names[column]!r})"


def check_scale(scale: Any) -> None:
    """Raises ArgumentError unless a scale can be used; the data tell whether it has a number for
    each column."""
    if scale is None or (isinstance(scale, str) and scale == "standard"):
        return
    needs = f"scale={scale!r}: needs None, 'standard', a number or one number per column"
    if isinstance(scale, str | bool | np.bool_):
        raise ArgumentError(needs)
    try:
        numbers = np.asarray(scale, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError(needs) from error
    if not (np.isfinite(numbers).all() and (numbers > 0).all()):
        raise ArgumentError("scale must hold positive finite numbers: each column is divided by its own")


def divisors_of(scale: FeatureScale, deviation: Array) -> Array:
    """What each column is divided by."""
    if scale is None:
        return np.ones_like(deviation)
    if isinstance(scale, str):
        return np.where(deviation > 0, deviation, 1.0)
    numbers = np.asarray(scale, dtype=np.float64)
    if numbers.shape not in ((), deviation.shape):
        raise ArgumentError(
            f"scale has shape {numbers.shape}, X has {len(deviation)} columns: give one number for each"
        )
    return np.broadcast_to(numbers, deviation.shape).astype(np.float64)
