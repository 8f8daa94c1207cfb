"""Offsets as a user gives them: numbers that are added to the scores of rows, one for each row, or
one for each row and class."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError
from polytome.models.bounds import bounds_of, bounds_text
from polytome.models.cells import vector
from polytome.models.fitted import feature_names_in
from polytome.models.groups import groups_of, groups_text
from polytome.models.penalty_weights import penalty_weights_of, weights_text
from polytome.rows import DeviceMatrix, Stream, on_host
from polytome.tables.streams.frames import is_spread
from polytome.tables.streams.table import StreamedTable

Array = NDArray[Any]

__all__ = ["checked_offset", "offset_columns", "offset_places", "offset_rows", "refuse_offset_of_parts"]

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
                "these rows (zeros for the scores without it), or make it columns of X: model.offset_as_columns()"
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


def offset_places(model: Any) -> tuple[int, ...]:
    """The columns of X that hold the offset of a model, one for each output; none where its rows
    bring it beside X, or have none."""
    places: tuple[int, ...] = vars(model).get("offset_columns_", ())
    return places


def offset_columns(model: Any, names: Sequence[str] | None, places: Sequence[int] | None) -> Any:
    """A fitted model whose offset is columns of X with the coefficient 1: see
    `LogisticRegression.offset_as_columns`.

    Raises:
        ArgumentError: the model has no offset, or names or places cannot be those of its columns.
    """
    if not vars(model).get("needs_offset_", False):
        raise ArgumentError("offset_as_columns: the model was fitted without an offset, or has it in columns already")
    coef, labels = model.coef_, model.classes_.tolist()
    coef = coef if isinstance(coef, np.ndarray) else coef.toarray()
    n_outputs, width = len(coef), coef.shape[1] + len(coef)
    default = ["offset"] if n_outputs == 1 else [f"offset_{label}" for label in labels]
    names = list(default if names is None else names)
    chosen = range(coef.shape[1], width) if places is None else [int(place) for place in places]
    for what, given in (("names", names), ("places", chosen)):
        if len(given) != n_outputs or len(set(given)) != n_outputs:
            raise ArgumentError(f"{what}={list(given)!r}: needs {n_outputs} different ones, one for each score")
    if not all(0 <= place < width for place in chosen):
        raise ArgumentError(f"places={list(chosen)!r}: needs places among the {width} columns of the new X, from 0")
    others = np.setdiff1d(np.arange(width), chosen)
    known = feature_names_in(model)
    if known is not None and set(names) & set(known.tolist()):
        raise ArgumentError(f"names={names!r}: the model has a column of this name already; give others")

    def wide(values: Array, of_offset: Any) -> Array:
        found = np.empty((*values.shape[:-1], width), dtype=values.dtype)
        found[..., others], found[..., list(chosen)] = values, of_offset
        return found

    twin = copy(model)
    twin.coef_ = wide(coef, np.eye(n_outputs, dtype=coef.dtype))
    if "proved_zero_" in vars(model):
        twin.proved_zero_ = wide(model.proved_zero_, False)
    if known is not None:
        twin.feature_names_in_ = wide(known, names)
    for setting in ("scale", "penalty_weights"):
        if np.ndim(given := getattr(model, setting)) > 0:
            setattr(twin, setting, wide(np.asarray(given, dtype=np.float64), 1.0))
    twin.n_features_in_, twin.needs_offset_, twin.offset_columns_ = width, False, tuple(chosen)
    numbers = groups_of(model, coef.shape[1], model.source_.encoder)
    if numbers is not None and not (isinstance(model.groups, str) and len(np.unique(numbers)) == len(numbers)):
        twin.groups = wide(numbers, len(numbers) + np.arange(n_outputs)).tolist()
    if (bounds := bounds_of(model, coef.shape[1], model.source_.encoder)) is not None:
        low, high = (wide(end, infinite) for end, infinite in zip(bounds, (-np.inf, np.inf), strict=True))
        twin.bounds, twin.at_bound_ = np.stack([low, high], axis=1), wide(model.at_bound_, False)
    if (found := vars(model).get("separation_")) is not None:
        moved = tuple(replace(each, column=int(others[each.column])) for each in found.infinite)
        twin.separation_ = replace(found, infinite=moved)
    # No image any more, and no record of columns that it does not have.
    twin.source_ = replace(model.source_, encoder=None, image_shape=None, training=None)
    twin.objective_ = replace(model.objective_, n_features=width)
    if model.objective_.groups != "none":
        twin.objective_ = replace(twin.objective_, groups=groups_text(groups_of(twin, width)))
    if model.objective_.bounds != "none":
        twin.objective_ = replace(twin.objective_, bounds=bounds_text(bounds_of(twin, width)))
    if model.objective_.penalty_weights != "none":
        twin.objective_ = replace(twin.objective_, penalty_weights=weights_text(penalty_weights_of(twin, width)))
    return twin


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
