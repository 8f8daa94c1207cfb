"""Which data frames lie in the partitions of a cluster, told by the library that they are from:
none is imported for it."""

from __future__ import annotations

from collections.abc import Callable

from polytome.errors import ArgumentError
from polytome.tables.streams.table import StreamedTable

Opener = Callable[..., StreamedTable]

__all__ = ["is_dask_array", "is_frame", "is_spread", "library_of", "opener_of", "refuse_spread"]


def library_of(X: object) -> str:
    """The library that a value is from.

    Example:
        >>> library_of(1)
        'builtins'
    """
    return type(X).__module__.partition(".")[0]


def is_spread(X: object) -> bool:
    """Whether a value is a collection of Dask or a data frame of Spark."""
    return library_of(X) in ("dask", "dask_expr", "pyspark")


def is_dask_array(X: object) -> bool:
    """Whether a value is a Dask array."""
    return type(X).__module__ == "dask.array.core"


def is_frame(X: object) -> bool:
    """Whether a value is a data frame of Dask or Spark."""
    return is_spread(X) and hasattr(X, "columns") and getattr(X, "ndim", 2) == 2


def refuse_spread(X: object) -> None:
    """Raises ArgumentError where rows that are needed in memory lie with the workers of a
    cluster."""
    if is_spread(X):
        raise ArgumentError(
            "X lies with the workers of a cluster, where LogisticRegression, OneVsRest and OneVsOne fit and predict; "
            "here rows in memory are needed: X.compute(), or X.toPandas() of Spark"
        )


def opener_of(source: object) -> Opener | None:
    """What opens a data frame of Dask or Spark; None for anything else."""
    if not is_frame(source):
        return None
    if library_of(source) == "pyspark":
        from polytome.tables.streams.spark_frames import open_spark_frame

        return open_spark_frame
    from polytome.tables.streams.dask_frames import open_dask_frame

    return open_dask_frame
