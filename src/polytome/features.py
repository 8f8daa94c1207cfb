"""Checks of the matrix X, in place: what fit and predict accept, and the error for each thing that they do not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils.validation import validate_data

from polytome.errors import ArgumentError, DataError
from polytome.labels import is_soft
from polytome.rows import Columns, Rows
from polytome.rows.choose import fast_precision

Array = NDArray[Any]
FeatureScale = str | float | ArrayLike | None
"""What columns are divided by before the penalty: None, "standard", a number, or one number per column."""

__all__ = [
    "FeatureScale",
    "checked_columns",
    "checked_features",
    "checked_rows",
    "feature_scale",
    "refuse_nonfinite",
]


def checked_features(estimator: Any, X: Any, y: Any) -> tuple[Any, Any]:
    """X as an array or sparse matrix of its own type, and y, both of the same length; sets `n_features_in_`.

    Raises:
        DataError: a frame has a column that is not numeric.
    """
    _refuse_text_columns(X)
    soft = is_soft(y)
    settings: dict[str, Any] = {"accept_sparse": ["csr", "csc"], "dtype": "numeric", "ensure_all_finite": False}
    if soft:
        checked = validate_data(estimator, X, **settings)
        if np.shape(y)[0] != checked.shape[0]:
            raise DataError(
                f"X has {checked.shape[0]} rows, y has {np.shape(y)[0]}: give one row of y for each row of X"
            )
        return checked, y
    return validate_data(estimator, X, y, ensure_min_samples=2, **settings)  # type: ignore[no-any-return]


def checked_rows(estimator: Any, X: Any) -> Any:
    """X to be predicted: the same columns as in training, all finite."""
    X = checked_columns(estimator, X)
    refuse_nonfinite(X, estimator)
    return X


def checked_columns(estimator: Any, X: Any) -> Any:
    """X to be predicted: the same columns as in training; whether its entries are finite is left to the caller."""
    if _is_plain(estimator, X):
        return X
    _refuse_text_columns(X)
    settings: dict[str, Any] = {"accept_sparse": ["csr", "csc"], "dtype": "numeric", "ensure_all_finite": False}
    return validate_data(estimator, X, reset=False, **settings)


def _is_plain(estimator: Any, X: Any) -> bool:
    """Whether scikit-learn would find nothing wrong with X: for few rows its checks would take most of the time."""
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype.kind not in "biuf" or len(X) == 0:
        return False
    fitted = vars(estimator)
    return X.shape[1] == fitted.get("n_features_in_") and "feature_names_in_" not in fitted


def feature_scale(estimator: Any, rows: Rows, X: Any) -> Rows:
    """Rows with implicitly centred and scaled columns, in the fastest precision that is exact for them.

    Raises:
        DataError: an entry is NaN or infinite, or a column too large for float64 sums.
        ArgumentError: `scale` is not None, "standard", or positive numbers.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = rows.moments()
    if not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
        refuse_nonfinite(X, estimator)
        column = int(np.flatnonzero(~(np.isfinite(mean) & np.isfinite(deviation)))[0])
        raise DataError(
            f"{_column_name(estimator, column)} of X is too large: squares of its values overflow; rescale it"
        )
    divisor = _divisors(estimator.scale, deviation)
    shift = mean if estimator.fit_intercept else np.zeros_like(mean)
    stored = rows.whole.stored.dtype  # not X's own, if entries that it stores twice were added up
    return rows.with_columns(Columns(shift, 1 / divisor)).at(fast_precision(stored, shift, deviation))


def refuse_nonfinite(X: Any, estimator: Any) -> None:
    """Raises DataError at the first NaN or infinity, naming row and column; looks at one block at a time."""
    if (X.dtype.kind not in "fc") or X.shape[0] == 0:
        return
    if sparse.issparse(X):
        matrix: Any = X
        if np.isfinite(matrix.data).all():
            return
        entries = matrix.tocoo()
        at = int(np.flatnonzero(~np.isfinite(entries.data))[0])
        _refuse_entry(estimator, int(entries.row[at]), int(entries.col[at]), entries.data[at])
    size = max(1, 2**20 // max(X.shape[1], 1))
    for start in range(0, X.shape[0], size):
        finite = np.isfinite(X[start : start + size])
        if not finite.all():
            row, column = map(int, np.argwhere(~finite)[0])
            _refuse_entry(estimator, start + row, column, X[start + row, column])


def _refuse_entry(estimator: Any, row: int, column: int, value: Any) -> None:
    what = "NaN" if np.isnan(value) else "infinity"
    raise DataError(
        f"X contains {what} at row {row}, {_column_name(estimator, column)}: fill in or drop missing values first, "
        "for example with sklearn.impute.SimpleImputer"
    )


def _column_name(estimator: Any, column: int) -> str:
    names = getattr(estimator, "feature_names_in_", None)
    return f"column {column}" if names is None else f"column {column} ({names[column]!r})"


def _divisors(scale: FeatureScale, deviation: Array) -> Array:
    """What each column is divided by."""
    if scale is None:
        return np.ones_like(deviation)
    if isinstance(scale, str):
        if scale != "standard":
            raise ArgumentError(f"scale={scale!r}: needs None, 'standard', a number or one number per column")
        return np.where(deviation > 0, deviation, 1.0)
    try:
        numbers = np.asarray(scale, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"scale={scale!r}: needs None, 'standard', a number or one number per column") from error
    if numbers.shape not in ((), deviation.shape):
        raise ArgumentError(
            f"scale has shape {numbers.shape}, X has {len(deviation)} columns: give one number for each"
        )
    if not (np.isfinite(numbers).all() and (numbers > 0).all()):
        raise ArgumentError("scale must hold positive finite numbers: each column is divided by its own")
    return np.broadcast_to(numbers, deviation.shape).astype(np.float64)


def _refuse_text_columns(X: Any) -> None:
    """Raises DataError at the first column of a frame that holds text, dates or other things that are not numbers."""
    if not (hasattr(X, "columns") and hasattr(X, "dtypes")):
        return
    types = X.dtypes if isinstance(X.dtypes, list) else list(X.dtypes)
    for name, dtype in zip(X.columns, types, strict=True):
        kind = getattr(dtype, "kind", None)
        numeric = kind in "biuf" if kind is not None else bool(dtype.is_numeric() or str(dtype) == "Boolean")
        if not numeric and not (kind == "O" and _all_numbers(X[name])):
            raise DataError(
                f"column {name!r} of X has type {dtype}, not numbers: encode it first (for example with "
                "sklearn.preprocessing.OneHotEncoder), or train from the file with `polytome train`, which does"
            )


def _all_numbers(values: Any) -> bool:
    try:
        np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return True
