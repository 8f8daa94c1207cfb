"""Rows in the partitions of a Spark data frame: a job is a pass over all of them, and the driver
adds up in the order of the partitions."""

from __future__ import annotations

import pickle
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import numpy as np

from polytome import errors
from polytome._version import __version__
from polytome.errors import ArgumentError, ClusterError, PolytomeError
from polytome.passes import Pass, Sums
from polytome.rows.blocks import Array
from polytome.rows.elsewhere import ArrayPart, features_there, labels_of, message_of, sums_there
from polytome.rows.stream import Stream, StreamedRows
from polytome.threads import kept

Result = TypeVar("Result")

__all__ = ["PIECES", "SparkPart", "SparkRows", "SparkWorkers", "answers", "with_columns"]

JOB_SECONDS = 3600.0
"""How long a pass over all partitions may take."""
PIECES = "place int, number int, features binary, codes binary, weight binary, checksum long"
"""The columns of encoded rows: the partition, the number of a piece of it, and the piece."""
_ANSWERS = "place int, answer binary"
_RAISED = re.compile(r"polytome\.errors\.(\w+): (.*)")
_LOST = re.compile(r"^\w*(?:ModuleNotFoundError|PYTHON_VERSION_MISMATCH|AttributeError).*$", re.MULTILINE)


@dataclass(frozen=True)
class SparkWorkers:
    """A Spark data frame of encoded rows, as `PIECES` names its columns; its executors hold it.

    Args:
        pieces: the data frame, persisted.
        job_seconds: how long a pass over all partitions may take, before a fit is given up.
    """

    pieces: Any
    job_seconds: float = JOB_SECONDS

    def rows(self, stream: Stream, target: Array, weight: Array, n_threads: int) -> SparkRows:
        """The rows of a stream whose parts are partitions of the data frame."""
        return SparkRows._of(stream, target, weight, n_threads)

    def of_parts(self, task: Callable[[ArrayPart, Any], Any], shared: Any, wanted: set[int]) -> dict[int, Any]:
        """What a function makes of some partitions and a value that all share, by their places."""
        context = self.pieces.sparkSession.sparkContext
        sent = context.broadcast(pickle.dumps(shared))

        def of_partition(batches: Iterable[Any]) -> Iterator[tuple[int, Any]]:
            value: Any = None
            for place, part in _parts_in(batches):
                if place in wanted:
                    value = pickle.loads(sent.value) if value is None else value
                    yield place, task(part, value[place])

        try:
            return dict(answers(self.pieces, of_partition, self.job_seconds))
        finally:
            sent.destroy()


@dataclass(frozen=True)
class SparkPart:
    """One partition of encoded rows.

    Attributes:
        workers: who hold it.
        place: the number of the partition.
        n_rows: how many rows it has.
        checksum: of its features.
    """

    workers: SparkWorkers
    place: int
    n_rows: int
    checksum: int

    def __str__(self) -> str:
        return f"Spark data frame, partition {self.place}"

    def read(self) -> Iterator[Any]:
        """Its features, fetched."""
        own = self.workers.of_parts(_pieces_of, {self.place: None}, {self.place})
        return iter(own[self.place])


class SparkRows(StreamedRows):
    """The rows of a Spark data frame, with the target and the weight of each in the driver too.

    Each pass is a job, to which targets, weights and the pass are broadcast.
    """

    @property
    @kept
    def labels_there(self) -> dict[int, Any]:
        """Targets, weights and checksums of the partitions, by the numbers of the parts."""
        found = {}
        for number, part in enumerate(self.stream.parts):
            assert isinstance(part, SparkPart)
            own = slice(*self._bounds[number : number + 2])
            found[number] = labels_of(self.target[own], self.weight[own], part.checksum)
        return found

    def _sums_of_parts(self, a_pass: Pass) -> Iterator[Sums]:
        message = self._message(a_pass)
        shared = {number: (labels, message) for number, labels in self.labels_there.items()}
        return self._answers(_sums, shared)

    def _sums_of_pieces(self, a_pass: Pass) -> Iterator[Sums]:
        return self._sums_of_parts(a_pass)

    def features_of(self, chosen: Array) -> list[Any]:
        """The features of the chosen rows, which are in growing order, piece by piece."""
        bounds, message = self._bounds, self._message(None)
        ends = np.searchsorted(chosen, bounds)
        shared = {
            number: (self.labels_there[number], message, chosen[ends[number] : ends[number + 1]] - bounds[number])
            for number in self._parts_of(chosen)
        }
        return [X for pieces in self._answers(_features, shared) for X in pieces]

    def _message(self, a_pass: Pass | None) -> bytes:
        from pyspark.cloudpickle import dumps

        return message_of(self, a_pass, dumps)

    def _answers(self, task: Callable[[ArrayPart, Any], Any], shared: dict[int, Any]) -> Iterator[Any]:
        """What a function makes of the parts of these numbers, in their order."""
        parts: dict[int, Any] = {number: self.stream.parts[number] for number in shared}
        workers = self.stream.workers
        assert isinstance(workers, SparkWorkers)
        by_place = {parts[number].place: value for number, value in shared.items()}
        found = workers.of_parts(task, by_place, set(by_place))
        for number in shared:
            part = parts[number]
            if part.place not in found:
                raise ClusterError(f"{part}: is gone; persist the data frame before the fit")
            yield found[part.place]


def _sums(part: ArrayPart, shared: Any) -> Sums:
    labels, message = shared
    return sums_there(part, labels, message, 1)


def _features(part: ArrayPart, shared: Any) -> list[Any]:
    return features_there(part, *shared)


def _pieces_of(part: ArrayPart, shared: Any) -> tuple[Any, ...]:
    return part.pieces


def _parts_in(batches: Iterable[Any]) -> Iterator[tuple[int, ArrayPart]]:
    """The parts whose pieces a partition of encoded rows holds, and their places."""
    from polytome.rows.elsewhere import checksum_of

    found: dict[int, list[tuple[int, Any, int]]] = {}
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("place", "number", "features", "checksum"))
        for place, number, features, checksum in zip(*columns, strict=True):
            found.setdefault(place, []).append((number, pickle.loads(features), checksum))
    for place, pieces in found.items():
        pieces.sort(key=lambda piece: piece[0])
        checksum = checksum_of([piece[2] for piece in pieces])
        yield place, ArrayPart(tuple(piece[1] for piece in pieces), f"Spark data frame, partition {place}", checksum)


def answers(
    frame: Any, of_partition: Callable[[Iterable[Any]], Iterator[tuple[int, Any]]], seconds: float = JOB_SECONDS
) -> list[tuple[int, Any]]:
    """What a function makes of each partition of a data frame, with a number that it gives: sorted
    by these.

    Raises:
        PolytomeError: what the function raised.
        ClusterError: executors cannot make passes, were lost, or took too long.
    """

    def in_arrow(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow

        for place, answer in of_partition(batches):
            columns = [pyarrow.array([place], pyarrow.int32()), pyarrow.array([pickle.dumps(answer)], pyarrow.binary())]
            yield pyarrow.RecordBatch.from_arrays(columns, names=["place", "answer"])

    found = [
        (row["place"], pickle.loads(bytes(row["answer"])))
        for row in within(frame.sparkSession, frame.mapInArrow(in_arrow, _ANSWERS).collect, seconds)
    ]
    return sorted(found, key=lambda each: each[0])


def within(session: Any, job: Callable[[], Result], seconds: float) -> Result:
    """The result of a job of Spark, which is given up after some time; errors are Polytome's."""
    from pyspark.errors import PySparkException

    context = session.sparkContext
    tag, late = f"polytome-{uuid.uuid4().hex}", threading.Event()

    def interrupt() -> None:
        late.set()
        context.cancelJobsWithTag(tag)

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    context.addJobTag(tag)
    timer.start()
    try:
        return job()
    except Exception as error:
        if late.is_set():
            raise ClusterError(
                f"Spark has not finished a pass within {seconds:g} s; look at its executors, and fit again"
            ) from error
        if isinstance(error, PySparkException) or type(error).__module__.startswith("py4j"):
            _refuse(error)
        raise
    finally:
        timer.cancel()
        context.removeJobTag(tag)


def _refuse(error: Exception) -> NoReturn:
    """Raise what a worker has raised, or say in one sentence what Spark says in many."""
    text = str(error)
    if raised := _RAISED.search(text):
        kind = getattr(errors, raised[1], ClusterError)
        raise (kind if issubclass(kind, PolytomeError) else ClusterError)(raised[2]) from error
    if lost := _LOST.search(text):
        raise ClusterError(
            f"an executor of Spark cannot compute: {lost[0]}; set PYSPARK_PYTHON to a Python with "
            f"polytome=={__version__} before Spark begins"
        ) from error
    first = next(iter(text.splitlines()), type(error).__name__)
    raise ClusterError(f"Spark has failed: {first}; look at the logs of its executors, and fit again") from error


def with_columns(frame: Any, beside: Callable[[Any], dict[str, Array]], example: dict[str, Array]) -> Any:
    """A Spark data frame with more columns, which are computed when they are asked for.

    Args:
        frame: the data frame.
        beside: the columns of some rows, an Arrow table, by their names.
        example: the same of one row.

    Raises:
        ArgumentError: the frame has a column of such a name.
    """
    from pyspark.sql.types import DataType, DoubleType, FloatType, LongType, StringType, StructField, StructType

    twice = [name for name in example if name in frame.columns]
    if twice:
        raise ArgumentError(f"X has a column {twice[0]!r} already, which is to be added; rename or drop it")
    kinds: dict[str, DataType] = {"U": StringType(), "O": StringType(), "i": LongType(), "u": LongType()}
    fields = [
        StructField(name, FloatType() if values.dtype == np.float32 else kinds.get(values.dtype.kind, DoubleType()))
        for name, values in example.items()
    ]

    def in_arrow(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow

        for batch in batches:
            if batch.num_rows:
                table = pyarrow.Table.from_batches([batch])
                for name, values in beside(table).items():
                    table = table.append_column(name, pyarrow.array(values))
                yield from table.combine_chunks().to_batches()

    return frame.mapInArrow(in_arrow, StructType([*frame.schema.fields, *fields]))
