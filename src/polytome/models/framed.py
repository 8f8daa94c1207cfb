"""Rows of data frames for models that know the columns of a table: found by name and encoded as in
training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from polytome.errors import ArgumentError, DataError
from polytome.models.fitted_source import column_beside, source_of
from polytome.tables.data_frames import frame_of, is_data_frame
from polytome.tables.encoder import Encoder
from polytome.tables.frames import Frame, cells_of
from polytome.tables.label_columns import read_labels
from polytome.tables.table import Table, encode_rows

__all__ = ["against_rest", "encoded_rows", "held_out_rows", "labelled_rows", "table_of"]


def table_of(model: Any, X: Any, y: Any = None, *, labels: bool = True, weights: bool = False) -> Table | None:
    """The rows of a data frame as a model takes them; None for anything else, and for a model that
    knows no table.

    Args:
        model: fitted.
        X: the frame: columns are found by name, in any order, and others are ignored.
        y: the labels, where they are not a column of the frame.
        labels: whether rows need labels.
        weights: whether rows need the weights that they had in training, and are left out where
            training left out such.

    Raises:
        DataError: a column, a cell or a label is missing or cannot be used.
    """
    encoder = source_of(model).encoder
    if encoder is None or not is_data_frame(X):
        return None
    asked = replace(encoder, target=encoder.target if labels and y is None else None)
    asked = asked if weights else replace(asked, weight=None)
    beside = column_beside(model)
    wanted = {
        name
        for name in (
            *asked.source_names,
            *(column.name for column in asked.columns),
            asked.target,
            asked.weight,
            beside,
        )
        if name
    }
    missing = "drop" if weights and encoder.missing == "drop" and y is None else None
    table = encode_rows(frame_of(X, wanted), asked, missing, None, beside)
    if not labels:
        return table
    if y is not None:
        table = replace(table, y=_labels_of(encoder, y, table.X.shape[0]))
    if table.y is None:
        raise DataError(f"y: the labels are neither given nor in the column {encoder.target!r} of X; give one of them")
    positive = source_of(model).positive
    return table if positive is None else replace(table, y=against_rest(table.y, positive))


def encoded_rows(model: Any, X: Any) -> Any:
    """The features of the rows of a data frame, if the model knows the columns of a table; else X
    as it is."""
    table = table_of(model, X, labels=False)
    return X if table is None else table.X


def labelled_rows(model: Any, X: Any, y: Any = None) -> tuple[Any, Any]:
    """Features and labels as a model takes them; both as they are where X is not a data frame, or
    the model knows no table.

    Raises:
        DataError: there are no labels, or as `table_of`.
    """
    table = table_of(model, X, y)
    if table is not None:
        return table.X, table.y
    if y is None:
        raise DataError(
            "y: the labels are missing; give one for each row of X (a model that was trained on a table finds them in "
            "a data frame with its column of labels)"
        )
    return X, y


def held_out_rows(model: Any) -> tuple[Any, Any, Any]:
    """Features, labels and weights of the rows that training held out; the features may be a
    `StreamedTable`, which has its labels and weights.

    Raises:
        ArgumentError: the model has none.
    """
    held_out = source_of(model).held_out
    if held_out is None:
        raise ArgumentError(
            "X, y: the model has no rows that training held out (those that train(test_fraction=...) holds out are "
            "kept as long as the model is in memory); give rows with labels"
        )
    return held_out.X, held_out.y, held_out.weight


def against_rest(y: Any, positive: str) -> Any:
    """One label as it is, and a common one for all others.

    Example:
        >>> against_rest(np.array(["a", "b", "not a"]), "a").tolist()
        ['a', 'not a', 'not a']
    """
    return np.where(y.astype(np.str_) == positive, positive, f"not {positive}")


def _labels_of(encoder: Encoder, y: Any, n_rows: int) -> Any:
    """Labels beside a data frame, read as those of its column were in training."""
    values = (
        y.to_list() if hasattr(y, "to_list") else y.to_pylist() if hasattr(y, "to_pylist") else np.asarray(y).tolist()
    )
    if np.ndim(values) != 1 or len(values) != n_rows:
        raise DataError(f"y has shape {np.shape(values)}, and X has {n_rows} rows; give one label for each")
    frame = Frame(("y",), (cells_of(values),), "y")
    return read_labels(frame, "y", encoder.label_kind)
