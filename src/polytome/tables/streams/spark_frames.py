"""Spark data frames as tables to learn from: partitions are encoded and held by the executors."""

from __future__ import annotations

import pickle
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from polytome.errors import ArgumentError
from polytome.rows import Stream
from polytome.rows.elsewhere import checksum_of, checksum_of_piece
from polytome.rows.spark import JOB_SECONDS, PIECES, SparkPart, SparkWorkers, answers, within
from polytome.tables.streams.learning import Learner
from polytome.tables.streams.spread import asked_of, encoded, joined, learner_of
from polytome.tables.streams.table import StreamedTable
from polytome.tables.weight_columns import check_some_weight

__all__ = ["open_spark_frame"]

_SOURCE = "Spark data frame"


def open_spark_frame(frame: Any, target: str, workers: Any, memory: int | None, **options: Any) -> StreamedTable:
    """A Spark data frame as what `fit` takes in place of X and y: two jobs, and the encoded rows
    stay with the executors until the table is forgotten.

    Args:
        frame: the data frame.
        target: its column of labels.
        workers: None: a data frame knows its executors.
        memory: bytes that the fit may take in the driver.
        **options: as for `asked_of`.

    Raises:
        ArgumentError: an option cannot be used, or names no column; or the session is one of Spark
            Connect.
        ClusterError: executors are lost, or cannot be used.
        DataError: what the frame holds cannot be used.
    """
    if workers is not None:
        raise ArgumentError("workers is given beside a Spark data frame, which is computed by its own session")
    if ".connect." in type(frame).__module__:
        raise ArgumentError("X is a data frame of Spark Connect; give one of a session that has a SparkContext")
    notes: list[str] = []
    asked = asked_of(_SOURCE, frame.columns, target, notes=notes, **options)
    chosen = frame.select([f"`{name.replace('`', '``')}`" for name in asked.read])

    def learners_of(batches: Iterable[Any]) -> Iterator[tuple[int, Learner]]:
        import pyarrow

        place, tables = _place(), [pyarrow.Table.from_batches([batch]) for batch in batches if batch.num_rows]
        if tables:
            yield place, learner_of(pyarrow.concat_tables(tables), asked, place)

    encoder, classes, more = joined(asked, (learner for _, learner in answers(chosen, learners_of)))

    def pieces_of(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow

        place, name = _place(), f"{_SOURCE}, partition {_place()}"
        for number, batch in enumerate(batch for batch in batches if batch.num_rows):
            X, codes, weight = encoded(pyarrow.Table.from_batches([batch]), asked, encoder, classes, name)
            weight = np.empty(0) if weight is None else weight
            row = {"place": place, "number": number, "features": pickle.dumps(X), "codes": codes.tobytes()}
            row |= {"weight": weight.tobytes(), "checksum": checksum_of_piece(X)}
            kinds = [pyarrow.int32()] * 2 + [pyarrow.binary()] * 3 + [pyarrow.int64()]
            columns = [pyarrow.array([value], kind) for value, kind in zip(row.values(), kinds, strict=True)]
            yield pyarrow.RecordBatch.from_arrays(columns, names=list(row))

    pieces = chosen.mapInArrow(pieces_of, PIECES).persist()
    workers = SparkWorkers(pieces)
    weakref.finalize(workers, _forget, pieces).atexit = False
    labels = pieces.select("place", "number", "codes", "weight", "checksum")
    told = within(frame.sparkSession, labels.collect, JOB_SECONDS)
    told = sorted(told, key=lambda row: (row["place"], row["number"]))
    codes = [np.frombuffer(bytes(row["codes"]), dtype=np.min_scalar_type(-len(classes))) for row in told]
    parts = []
    for place in sorted({row["place"] for row in told}):
        own = [number for number, row in enumerate(told) if row["place"] == place]
        checksum = checksum_of([told[number]["checksum"] for number in own])
        parts.append(SparkPart(workers, place, sum(len(codes[number]) for number in own), checksum))
    width, n_rows = len(encoder.feature_names), sum(map(len, codes))
    n_entries = n_rows * (len(encoder.columns) if encoder.is_sparse else width)
    most = max(map(len, codes))
    dtype = np.dtype(np.float64)
    X = Stream(tuple(parts), width, most, encoder.is_sparse, n_entries, dtype, memory, workers=workers)
    weight = None
    if asked.weight is not None:
        weight = np.concatenate([np.frombuffer(bytes(row["weight"])) for row in told])
        check_some_weight(weight, _SOURCE, asked.weight)
    return StreamedTable(_SOURCE, X, np.concatenate(codes), classes, encoder, (), (*notes, *more), weight=weight)


def _forget(pieces: Any) -> None:
    """Let the executors free encoded rows; where the session has ended, they have."""
    with suppress(Exception):
        pieces.unpersist()


def _place() -> int:
    """The number of the partition that this executor is at."""
    from pyspark import TaskContext

    context = TaskContext.get()
    assert context is not None
    return int(context.partitionId())
