"""What a classifier makes of a table that is read piece by piece: X, labels and weights as of one
in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError
from polytome.models.fitted_source import FittedSource
from polytome.models.labels import Labels, hard_labels, is_soft, row_weights, soft_labels
from polytome.rows import Stream
from polytome.tables.encoder import Encoder
from polytome.tables.streams.frames import is_dask_array, is_spread, opener_of
from polytome.tables.streams.table import StreamedTable

Array = NDArray[Any]

__all__ = ["encoder_in", "keep_encoder", "opened", "streamed_data"]


def opened(X: Any, y: Any) -> tuple[Any, Any]:
    """Rows and labels as `fit` takes them: a data frame of Dask or Spark, with the name of a column
    as y, as a table with its labels."""
    if isinstance(X, np.ndarray) or opener_of(X) is None:
        return X, y
    if not isinstance(y, str):
        raise ArgumentError(
            f"y is {type(y).__name__}: beside a data frame of Dask or Spark it is the name of the column of labels, as "
            "in fit(frame, 'income')"
        )
    from polytome.tables.streams.opening import open_rows

    return open_rows(X, target=y), None


def streamed_data(estimator: Any, table: Any, y: Any, sample_weight: Any) -> tuple[Stream, Labels, Array] | None:
    """The features, the classes with a code per row, and the weights of the rows, where these are
    read or held in parts; sets `n_features_in_`. None for rows in memory.

    Raises:
        ArgumentError: labels or weights are given beside a table that has them.
        DataError: labels or weights cannot be used.
    """
    if is_dask_array(table):
        return _dask_data(estimator, table, y, sample_weight)
    if not isinstance(table, StreamedTable):
        return None
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise ArgumentError(
                f"{name} is given beside rows from open_rows, which bring their labels and weights; leave it out, and "
                "say where they are with open_rows(..., target=..., weight=...)"
            )
    estimator.n_features_in_ = table.X.n_features
    vars(estimator).pop("feature_names_in_", None)
    weight = np.broadcast_to(1.0, table.n_rows) if table.weight is None else row_weights(table.weight, table.n_rows)
    return table.X, Labels(table.classes, table.codes), weight


def _dask_data(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple[Stream, Labels, Array]:
    """The same of a Dask array, whose labels and weights come into memory."""
    from polytome.rows.dask import stream_of_array
    from polytome.tables.streams.dask_frames import current_workers

    workers = current_workers()
    stream = stream_of_array(X, workers)
    spread = [each for each in (y, sample_weight) if is_spread(each)]
    found = workers.results(workers.client.compute(spread))
    y, sample_weight = (next(found) if is_spread(each) else each for each in (y, sample_weight))
    labels = soft_labels(y) if is_soft(y) else hard_labels(y)
    n_rows = stream.shape[0]
    if len(labels.target) != n_rows:
        raise DataError(f"X has {n_rows:,} rows and y {len(labels.target):,}: give one row of y for each row of X")
    weight = np.broadcast_to(1.0, n_rows) if sample_weight is None else row_weights(sample_weight, n_rows)
    estimator.n_features_in_ = stream.n_features
    vars(estimator).pop("feature_names_in_", None)
    return stream, labels, weight


def encoder_in(X: Any) -> Encoder | None:
    """How columns became features, where rows come from a table; else None."""
    return X.encoder if isinstance(X, StreamedTable) else None


def keep_encoder(estimator: Any, X: Any) -> None:
    """Keeps how columns became features, where the rows came from a table."""
    if (encoder := encoder_in(X)) is not None:
        estimator.source_ = FittedSource(encoder=encoder)
