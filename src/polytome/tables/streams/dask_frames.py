"""Dask data frames as tables to learn from: partitions are encoded and held by the workers."""

from __future__ import annotations

from typing import Any

from polytome.errors import ArgumentError, ClusterError, DataError
from polytome.rows.dask import DaskWorkers, as_workers, held_stream
from polytome.rows.elsewhere import ArrayPart
from polytome.tables.encoder import Encoder
from polytome.tables.streams.learning import Learner
from polytome.tables.streams.spread import Asked, arrow_of, asked_of, encoded, joined, learner_of
from polytome.tables.streams.table import StreamedTable
from polytome.tables.weight_columns import check_some_weight

__all__ = ["current_workers", "open_dask_frame"]

_SOURCE = "Dask data frame"


def current_workers(workers: Any = None) -> DaskWorkers:
    """The workers given, or those of the client that Dask uses by default.

    Raises:
        ArgumentError: there is no client.
    """
    if workers is not None:
        return as_workers(workers)
    from distributed import default_client

    try:
        return DaskWorkers(default_client())
    except ValueError as error:
        if isinstance(error, ClusterError):
            raise
        raise ArgumentError(
            "X is a Dask collection, and there is no client to compute it; begin with "
            "client = distributed.Client(), or with the address of a scheduler"
        ) from error


def open_dask_frame(frame: Any, target: str, workers: Any, memory: int | None, **options: Any) -> StreamedTable:
    """A Dask data frame as what `fit` takes in place of X and y: two computations of its
    partitions.

    Args:
        frame: the data frame.
        target: its column of labels.
        workers: as for `open_rows`; None for Dask's own client.
        memory: bytes that the fit may take in this process.
        **options: as for `asked_of`.

    Raises:
        ArgumentError: an option cannot be used, or names no column.
        ClusterError: workers are lost, or cannot be used.
        DataError: what the frame holds cannot be used.
    """
    from dask import delayed

    workers, notes = current_workers(workers), list[str]()
    meta = frame._meta
    unknown = [name for name in meta.columns if str(meta[name].dtype) == "category" and not _is_known(frame[name])]
    if unknown:
        raise DataError(
            f"{_SOURCE}, column {unknown[0]!r}: its categories are not known; use frame.categorize(columns=[...]), or "
            "read it as text"
        )
    asked = asked_of(_SOURCE, list(meta.columns), target, notes=notes, **options)
    partitions = list(enumerate(frame[list(asked.read)].to_delayed()))
    learners = [delayed(_learner_of, pure=False)(partition, asked, place) for place, partition in partitions]
    encoder, classes, more = joined(asked, workers.results(workers.client.compute(learners)))
    shared = workers.sent((asked, encoder, classes))
    parts = [delayed(_part_of, pure=False)(partition, shared, place) for place, partition in partitions]
    X, codes, weight = held_stream(parts, len(encoder.feature_names), workers, memory)
    if weight is not None:
        check_some_weight(weight, _SOURCE, str(asked.weight))
    return StreamedTable(_SOURCE, X, codes, classes, encoder, (), (*notes, *more), weight=weight)


def _is_known(column: Any) -> bool:
    return bool(column.cat.known)


def _learner_of(partition: Any, asked: Asked, place: int) -> Learner:
    return learner_of(arrow_of(partition, asked.source), asked, place)


def _part_of(partition: Any, shared: tuple[Asked, Encoder, Any], place: int) -> ArrayPart:
    asked, encoder, classes = shared
    name = f"{asked.source}, partition {place}"
    X, codes, weight = encoded(arrow_of(partition, name), asked, encoder, classes, name)
    return ArrayPart.of(X, name, codes, weight)
