"""What a classifier makes of a table that is read piece by piece: X, labels and weights as of one
in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.models.fitted_source import FittedSource
from polytome.models.labels import Labels
from polytome.rows import Stream
from polytome.tables.encoder import Encoder
from polytome.tables.streams.table import StreamedTable

Array = NDArray[Any]

__all__ = ["encoder_in", "keep_encoder", "streamed_data"]


def streamed_data(estimator: Any, table: StreamedTable, y: Any, sample_weight: Any) -> tuple[Stream, Labels, Array]:
    """The features, the classes with a code per row, and the weights of the rows; sets
    `n_features_in_`.

    Raises:
        ArgumentError: labels or weights are given beside the table.
    """
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise ArgumentError(
                f"{name} is given beside rows from open_rows, which bring their labels and have equal weights; "
                "leave it out"
            )
    estimator.n_features_in_ = table.X.n_features
    vars(estimator).pop("feature_names_in_", None)
    return table.X, Labels(table.classes, table.codes), np.broadcast_to(1.0, table.n_rows)


def encoder_in(X: Any) -> Encoder | None:
    """How columns became features, where rows come from a table; else None."""
    return X.encoder if isinstance(X, StreamedTable) else None


def keep_encoder(estimator: Any, X: Any) -> None:
    """Keeps how columns became features, where the rows came from a table."""
    if (encoder := encoder_in(X)) is not None:
        estimator.source_ = FittedSource(encoder=encoder)
