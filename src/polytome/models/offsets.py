"""Offsets as a user gives them: numbers that are added to the scores of rows, one for each row, or
one for each row and class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError
from polytome.models.cells import vector
from polytome.rows import DeviceMatrix, Stream, on_host
from polytome.tables.streams.frames import is_spread
from polytome.tables.streams.table import StreamedTable

Array = NDArray[Any]

__all__ = ["checked_offset", "offset_rows", "refuse_offset_of_parts"]

_LARGEST = 1e100
"""Beyond it, squares leave the range of float64."""


def checked_offset(offset: Any, n_rows: int, n_classes: int) -> Array:
    """An offset as a matrix, (n, 1) for two classes, whose one score it is added to, else
    (n, n_classes).

    Args:
        offset: shape (n,) or (n, 1) for two classes, (n, n_classes) for more; one number for all
            rows of two classes, or one for each class, is repeated.
        n_rows: n.
        n_classes: of the model.

    Raises:
        DataError: it has another shape, or holds what is not a finite number.

    Example:
        >>> checked_offset([0.5, -1], 2, 2)
        array([[ 0.5],
               [-1. ]])
    """
    values = _matrix(offset)
    n_outputs = 1 if n_classes == 2 else n_classes
    wanted = f"({n_rows},)" if n_outputs == 1 else f"({n_rows}, {n_outputs})"
    if values.ndim == 0 and n_outputs == 1:
        values = np.full((n_rows, 1), float(values))
    elif n_outputs == 1 and values.ndim == 1:
        values = values[:, None]
    if values.shape != (n_rows, n_outputs):
        what = (
            "one number for each row, added to the score of the second class"
            if n_outputs == 1
            else (f"a row of {n_outputs} numbers for each row, one for each class")
        )
        raise DataError(f"offset has shape {np.shape(offset)}: needs {wanted}, {what}")
    wrong = np.argwhere(~(np.abs(values) <= _LARGEST))
    if len(wrong):
        row, output = map(int, wrong[0])
        place = f"offset[{row}]" if n_outputs == 1 else f"offset[{row}, {output}]"
        raise DataError(
            f"{place} = {values[row, output]:g}: offsets need finite numbers up to {_LARGEST:g}; leave rows out, or "
            "give them the weight 0, whose scores are not known"
        )
    return np.ascontiguousarray(values)


def offset_rows(model: Any, offset: Any, n_rows: int) -> Array | None:
    """The offset of rows to be predicted, (n, n_outputs); None where there is none.

    Raises:
        DataError: the model was fitted with an offset, and these rows have none; or the offset
            cannot be used.
    """
    if offset is None:
        if vars(model).get("needs_offset_", False):
            raise DataError(
                "the model was fitted with an offset, and these rows have none: give offset=, the same quantity for "
                "these rows (zeros for the scores without it)"
            )
        return None
    return checked_offset(offset, n_rows, len(model.classes_))


def refuse_offset_of_parts(X: Any, offset: Any) -> None:
    """Raises ArgumentError where an offset is given beside rows that are not in memory, or are on a
    device."""
    if offset is None:
        return
    where = ""
    if isinstance(X, DeviceMatrix):
        where = "rows on a device"
    elif isinstance(X, Stream | StreamedTable) or is_spread(X):
        where = "rows that are read in parts, or lie with workers"
    if where:
        raise ArgumentError(
            f"offset: {where} cannot have one; give X as an array, a sparse matrix or a frame in memory"
        )


def _matrix(offset: Any) -> Array:
    """An offset as an array of floats."""
    given = on_host(offset)
    if hasattr(given, "toarray"):
        given = given.toarray()
    if np.ndim(given) <= 1:
        return vector(given, "offset")
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"offset cannot be read as numbers: {error}") from error
