"""Predictions of rows that lie in the partitions of a cluster: made there, and only when they are
asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from polytome.errors import ArgumentError
from polytome.models.fitted_source import source_of
from polytome.models.offsets import refuse_offset_of_parts
from polytome.tables.readers.columnar import table_frame
from polytome.tables.streams.frames import is_dask_array, is_frame, is_spread, library_of
from polytome.tables.streams.spread import arrow_of
from polytome.tables.table import encode_rows

Array = NDArray[Any]
Method = TypeVar("Method", bound=Callable[..., Any])

__all__ = ["by_partition"]

_COLUMNS = {
    "predict": "prediction",
    "predict_proba": "probability",
    "predict_log_proba": "log_probability",
    "decision_function": "score",
}


def by_partition(method: Method) -> Method:
    """A method of a model that predicts rows, made to take collections of Dask and data frames of
    Spark too.

    Of a Dask array it returns a Dask array, of a Dask data frame a series or a data frame, and of a
    Spark data frame the same frame with columns added: nothing is computed yet.
    """

    @wraps(method)
    def predicting(self: Any, X: Any, *offset: Any, **named: Any) -> Any:
        if isinstance(X, np.ndarray) or not is_spread(X):
            return method(self, X, *offset, **named)
        check_is_fitted(self)
        for each in (*offset, *named.values()):
            refuse_offset_of_parts(X, each)
        columns = _Columns(self, method.__name__)
        if is_dask_array(X):
            return _of_array(columns, X)
        if library_of(X) == "pyspark":
            from polytome.rows.spark import with_columns

            return with_columns(X, columns.beside, columns.named(columns.example()))
        if not is_frame(X):
            raise ArgumentError(f"X is {type(X).__name__} of Dask: predictions are made of a Dask data frame or array")
        meta = columns.of_values(columns.example()[:0], X._meta.index[:0])
        return X.map_partitions(columns.of_pandas, meta=meta)

    return cast(Method, predicting)


@dataclass(frozen=True)
class _Columns:
    """What a method of a model makes of rows, as columns; a value that travels to where they are.

    Attributes:
        model: the fitted model.
        method: the name of the method.
    """

    model: Any
    method: str

    def values(self, X: Any) -> Array:
        """What the method returns."""
        found: Array = getattr(self.model, self.method)(X)
        return found

    def example(self) -> Array:
        """The same of a row of zeros: its shape and type are those of all rows."""
        return self.values(np.zeros((1, self.model.n_features_in_)))

    def named(self, values: Array) -> dict[str, Array]:
        """The columns by their names, as predictions in files have them."""
        if values.ndim == 1:
            return {_COLUMNS[self.method]: values}
        labels = [f"{_COLUMNS[self.method]}_{label}" for label in self.model.classes_.tolist()]
        return dict(zip(labels, values.T, strict=True))

    def of_values(self, values: Array, index: Any) -> Any:
        """The columns as a series of pandas, or as a data frame if they are several."""
        import pandas

        columns = self.named(values)
        if values.ndim == 1:
            ((name, column),) = columns.items()
            return pandas.Series(column, index=index, name=name)
        return pandas.DataFrame(columns, index=index)

    def of_pandas(self, partition: Any) -> Any:
        """The predictions of a partition of a data frame of pandas."""
        if not len(partition):
            return self.of_values(self.example()[:0], partition.index)
        encoder = source_of(self.model).encoder
        X = partition if encoder is None else self._encoded(arrow_of(partition, "Dask data frame"), "Dask data frame")
        return self.of_values(self.values(X), partition.index)

    def beside(self, table: Any) -> dict[str, Array]:
        """The predictions of the rows of an Arrow table that is not empty."""
        encoder = source_of(self.model).encoder
        X = table.to_pandas() if encoder is None else self._encoded(table, "Spark data frame")
        return self.named(self.values(X))

    def _encoded(self, table: Any, source: str) -> Any:
        encoder = source_of(self.model).encoder
        assert encoder is not None
        names = [name for name in encoder.source_names if name in table.column_names]
        return encode_rows(table_frame(table.select(names), source), replace(encoder, target=None), None, None).X


def _of_array(columns: _Columns, X: Any) -> Any:
    """The predictions of a Dask array, as a Dask array."""
    example = columns.example()
    rows = X.rechunk({1: -1})
    settings: dict[str, Any] = {"dtype": example.dtype, "meta": example[:0]}
    if example.ndim == 1:
        return rows.map_blocks(columns.values, drop_axis=1, **settings)
    return rows.map_blocks(columns.values, chunks=(rows.chunks[0], (example.shape[1],)), **settings)
