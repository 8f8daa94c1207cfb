"""Cells that are numbers: what arrays, lists and frames hold, and the place of each cell that is
not one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.errors import DataError, DataTypeError
from polytome.rows import sound_sparse

Array = NDArray[Any]

__all__ = ["is_missing", "masked_place", "numeric_array", "readable_features", "refuse_unreadable_columns", "vector"]

_TIME = "a date or a span of time is not a number: give for example days, (X - start) / numpy.timedelta64(1, 'D')"
_ARROW_NUMBERS = ("int", "uint", "float", "double", "halffloat", "bool", "decimal")


def is_missing(value: Any) -> bool:
    """Whether a cell is None, NaN, pandas' NA or a date that is not a time.

    Example:
        >>> is_missing(None), is_missing(float("nan")), is_missing(np.datetime64("NaT")), is_missing("NaN")
        (True, True, True, False)
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating | np.datetime64 | np.timedelta64) and bool(value != value)


def masked_place(values: Any) -> tuple[int, ...] | None:
    """The first masked cell of a masked array; None where there is none."""
    if not isinstance(values, np.ma.MaskedArray) or not (masked := np.argwhere(np.ma.getmaskarray(values))).size:
        return None
    return tuple(map(int, masked[0]))


def readable_features(X: Any) -> Any:
    """X as scikit-learn can check it: valid sparse matrices, and lists and objects as arrays of
    numbers.

    Raises:
        DataError: a cell is masked, missing, text, a date or complex; rows are of unequal length;
            or a column of a frame holds such things.
    """
    if sparse.issparse(X):
        matrix: Any = X
        _refuse_type(matrix.dtype, np.empty(0))
        return X if matrix.format in ("csr", "csc") else sound_sparse(X)
    if (place := masked_place(X)) is not None:
        where = ", ".join(f"{name} {at}" for name, at in zip(("row", "column"), place, strict=False))
        raise DataError(f"X is masked at {where}: fill in or drop masked values first, as in X.filled(0)")
    if isinstance(X, np.ma.MaskedArray):
        return numeric_array(np.asarray(X.data))
    if isinstance(X, list | tuple):
        return numeric_array(_array_of_lists(X))
    if isinstance(X, np.ndarray):
        return numeric_array(X)
    refuse_unreadable_columns(X)
    return X


def numeric_array(X: Array, names: Array | None = None) -> Array:
    """An array of numbers: X itself, or objects as float64.

    Args:
        X: of any shape and type.
        names: of its columns.

    Raises:
        DataError: an entry is not a number; the message names its place.

    Example:
        >>> numeric_array(np.array([[1, 2.5]], dtype=object))
        array([[1. , 2.5]])
    """
    if X.dtype.kind != "O":
        _refuse_type(X.dtype, X.flat[:1] if X.size else X)
        return X
    if X.ndim != 2:
        return X  # scikit-learn says what is wrong with its shape
    times = any(issubclass(kind, np.datetime64 | np.timedelta64) for kind in set(map(type, X.ravel().tolist())))
    try:
        numbers = X.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        times, numbers = True, np.empty(0)
    if not times and not np.isnan(numbers).any():
        return numbers
    for row, cells in enumerate(X.tolist()):
        for column, cell in enumerate(cells):
            where = f"row {row}, column {column}" + ("" if names is None else f" ({names[column]!r})")
            _refuse_cell(cell, where)
    return numbers


def _refuse_cell(cell: Any, where: str) -> None:
    """Raises DataError for a cell of X that is not a number."""
    if is_missing(cell):
        what = "NaN" if isinstance(cell, float) else f"NaN ({cell})"
        raise DataError(f"X contains {what} at {where}: {FILL_IN}")
    if isinstance(cell, np.datetime64 | np.timedelta64):
        raise DataError(f"X holds {cell!r} at {where}: {_TIME}")
    try:
        float(cell)
    except (ValueError, OverflowError) as error:
        raise DataError(f"X holds {cell!r} at {where}, which is not a number that fits: encode it first") from error
    except TypeError as error:
        raise DataTypeError(f"X holds {cell!r} at {where}, not a number: {error}") from error


FILL_IN = "fill in or drop missing values first, for example with sklearn.impute.SimpleImputer"


def _refuse_type(dtype: np.dtype[Any], example: Array) -> None:
    """Raises DataError for an array of text, dates or complex numbers."""
    if dtype.kind in "biufO":
        return
    found = f", as {example.tolist()[0]!r}" if example.size else ""
    if dtype.kind in "mM":
        raise DataError(f"X holds {dtype}: {_TIME}")
    if dtype.kind == "c":
        raise DataError(
            f"X holds {dtype}{found}. Complex data not supported: give real and imaginary part a column each"
        )
    raise DataError(
        f"X holds {'text, ' if dtype.kind in 'US' else ''}{dtype}{found}, not numbers: convert text of numbers with "
        "X.astype(float), and encode other text, for example with sklearn.preprocessing.OneHotEncoder"
    )


def _array_of_lists(X: Any) -> Array:
    """Rows given as lists, as an array; numbers beside text stay numbers, so that the text can be
    named."""
    try:
        array = np.asarray(X)
    except ValueError as error:
        lengths = [len(row) if hasattr(row, "__len__") else -1 for row in X]
        odd = next((i for i, length in enumerate(lengths) if length != lengths[0]), None)
        if odd is None:
            raise DataError(f"X is a list of unequal parts: {error}") from error
        raise DataError(
            f"X is ragged (inhomogeneous): row {odd} has {lengths[odd]} entries, row 0 has {lengths[0]}; give every "
            "row the same columns"
        ) from error
    if array.dtype.kind in "US" and array.ndim == 2:
        for row, cells in enumerate(X):
            for column, cell in enumerate(cells):
                if isinstance(cell, str | bytes):
                    raise DataError(
                        f"X holds text, {cell!r}, at row {row}, column {column}, not a number: encode it first"
                    )
    return array


def refuse_unreadable_columns(X: Any) -> None:
    """Raises DataError at the first column of a frame that holds text, dates or other things that
    are not numbers."""
    if hasattr(X, "collect") and hasattr(X, "explain"):
        raise DataError(f"X is a {type(X).__name__}, a query that has not run: give X.collect()")
    names = []
    for name, dtype, numeric, values in _frame_columns(X):
        names.append(name)
        if numeric or (getattr(dtype, "kind", None) == "O" and _all_numbers(values)):
            continue
        cells = list(values)
        row = next((row for row, cell in enumerate(cells) if is_missing(cell)), None)
        if row is not None and all(is_missing(cell) or _is_number(cell) for cell in cells):
            raise DataError(f"X contains NaN ({cells[row]}) at row {row}, column {name!r}: {FILL_IN}")
        raise DataError(
            f"column {name!r} of X has type {dtype}, not numbers: encode it first (for example with "
            "sklearn.preprocessing.OneHotEncoder), or train from the file with `polytome train`, which does"
        )
    twice = (
        next((name for at, name in enumerate(names) if name in names[:at]), None)
        if len({*names}) < len(names)
        else None
    )
    if twice is not None:
        raise DataError(f"X has several columns named {twice!r}: give each a name of its own")


def _frame_columns(X: Any) -> Iterator[tuple[Any, Any, bool, Any]]:
    """Name, type, whether that is numeric, and cells of each column of a frame of pandas, polars or
    Arrow."""
    if hasattr(X, "column_names") and hasattr(X, "schema"):
        for name, dtype, column in zip(X.column_names, X.schema.types, X.columns, strict=True):
            yield name, dtype, str(dtype).startswith(_ARROW_NUMBERS), column.to_pylist()
    elif hasattr(X, "columns") and hasattr(X, "dtypes"):
        for at, (name, dtype) in enumerate(zip(X.columns, X.dtypes, strict=True)):
            kind = getattr(dtype, "kind", None)
            numeric = kind in "biuf" if kind is not None else bool(dtype.is_numeric() or str(dtype) == "Boolean")
            yield name, dtype, numeric, X.iloc[:, at] if hasattr(X, "iloc") else X[name]


def _all_numbers(values: Any) -> bool:
    """Whether NumPy reads all cells of a column of objects as numbers, none of them NaN."""
    try:
        return not np.isnan(np.asarray(values, dtype=np.float64)).any()
    except (TypeError, ValueError, OverflowError):
        return False


def _is_number(cell: Any) -> bool:
    """Whether NumPy reads a cell of a column of objects as a number."""
    if isinstance(cell, np.datetime64 | np.timedelta64):
        return False
    try:
        float(cell)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def vector(values: Any, name: str) -> Array:
    """One number per row, or a single one, as float64; NaN where one is missing.

    Args:
        values: an array, list or column.
        name: of the argument.

    Raises:
        DataError: a cell is masked or not a number.

    Example:
        >>> vector([1, 2], "sample_weight")
        array([1., 2.])
    """
    if (place := masked_place(values)) is not None:
        raise DataError(f"{name}{list(place)} is masked: fill in or drop it first")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(f"{name} is a list of unequal parts: give one number per row") from error
    if array.dtype.kind == "O" and array.ndim == 1:
        for row, cell in enumerate(array.tolist()):
            if not is_missing(cell) and (isinstance(cell, str | bytes) or not _is_number(cell)):
                raise DataError(f"{name}[{row}] = {cell!r}: needs a number")
        return np.array([np.nan if is_missing(cell) else float(cell) for cell in array.tolist()])
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name} holds {array.dtype}, not numbers: give one number per row")
    return array.astype(np.float64, copy=False)
