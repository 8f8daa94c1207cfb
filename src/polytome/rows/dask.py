"""Rows in parts that workers of a Dask cluster read or hold: a task is a part and a pass, and this
process adds up in the order of the parts."""

from __future__ import annotations

import logging
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NoReturn

import numpy as np
from scipy import sparse

from polytome._version import __version__
from polytome.errors import ArgumentError, ClusterError, DataError, MissingExtraError, PolytomeError
from polytome.passes import Pass, Sums
from polytome.rows.blocks import Array
from polytome.rows.elsewhere import (
    ArrayPart,
    Labels,
    check_same_rows,
    features_there,
    labels_of,
    message_of,
    sums_there,
)
from polytome.rows.sound import sound_sparse
from polytome.rows.stream import Stream, StreamedRows
from polytome.threads import available_threads, kept

__all__ = ["DaskPart", "DaskRows", "DaskWorkers", "as_workers", "held_stream", "opened_workers", "stream_of_array"]

CONNECT_SECONDS = 10.0
"""How long a scheduler may take to answer."""
START_SECONDS = 60.0
"""How long workers may take to import Polytome."""
WORKERS_SECONDS = 60.0
"""How long a cluster may be without a worker."""
PART_SECONDS = 600.0
"""How long no part at all may be finished."""
FETCH_SECONDS = 120.0
"""How long finished sums may take to arrive."""
SILENT_SECONDS = 60
"""How long a process of a local cluster may be silent before its work goes to another one."""
RESTART_SECONDS = 600
"""How long a process of a local cluster that has ended may take to be there again."""
_GROUPS_OF_THREAD = 4  # in a pass, so that no thread waits long for the others
_ENTRIES_OF_GROUP = 2**22  # which take some tenths of a second to read
_MOST_GROUPED = 16  # parts: each has sums of its own, which the worker keeps until all are made
_LARGE_BYTES = 2**16  # of a pass: it is sent once, and then from worker to worker
_TOGETHER_SECONDS = 0.05  # what is finished within this time is fetched together
_LOOK_SECONDS = 1.0
_STILL_TO_COME = ("pending", "finished", "lost")  # what was lost with its worker is computed again
_LOST_WORKERS = 10  # that one task may lose before it is taken to be the reason


@dataclass(frozen=True)
class DaskWorkers:
    """The workers of a Dask cluster, as `polytome.open_rows` takes them.

    What a pass makes of a part does not depend on who computes it, and sums are added up in the
    order of the parts: the bits of a result are those of one process, whatever the number of
    workers, and whether some of them are lost. Dask computes again what was lost.

    Args:
        client: a `distributed.Client`.
        part_seconds: how long no part at all may be finished, before a fit is given up.
        workers_seconds: how long there may be no worker, before a fit is given up.

    Raises:
        ArgumentError: the client is not one of `distributed`, or is asynchronous.
        ClusterError: there is no worker, or one of them lacks this version of Polytome.
    """

    client: Any
    part_seconds: float = PART_SECONDS
    workers_seconds: float = WORKERS_SECONDS

    def __post_init__(self) -> None:
        if not hasattr(self.client, "scheduler_info"):
            raise ArgumentError(f"workers={self.client!r}: needs a distributed.Client")
        if self.client.asynchronous:
            raise ArgumentError("workers: this distributed.Client is asynchronous; give one that is not")
        self._check_versions()

    def rows(self, stream: Stream, target: Array, weight: Array, n_threads: int) -> DaskRows:
        """The rows of a stream whose parts these workers read or hold."""
        return DaskRows._of(stream, target, weight, n_threads)

    def _check_versions(self) -> None:
        """Wait for a worker, and refuse those that could not make a pass."""
        try:
            self.client.wait_for_workers(1, timeout=self.workers_seconds)
        except TimeoutError:
            self._refuse_no_worker()
        here = _versions()

        def versions() -> Any:  # a local function travels by value: nothing needs to be installed for it
            try:
                from importlib import import_module

                return {name: import_module(name).__version__ for name in here}
            except ImportError as error:
                return str(error)

        what = "say what they have"
        found = self._limited(lambda: self.client.run(versions, on_error="return"), START_SECONDS, what)
        found = {f"worker {address}": there for address, there in found.items()}
        # The scheduler unpacks tasks too.
        found["the scheduler"] = self._limited(lambda: self.client.run_on_scheduler(versions), START_SECONDS, what)
        for who, there in found.items():
            if not isinstance(there, dict):
                raise ClusterError(f"{who} cannot compute: {there}; install polytome=={__version__} there")
            _check_same(here, there, who)

    def of_parts(self, task: Callable[..., Any], *arguments: Sequence[Any]) -> Iterator[Any]:
        """What a function makes of each of some arguments, in their order: computed by the workers,
        and given out as soon as all before it are.

        Raises:
            PolytomeError: what the function raised.
            ClusterError: workers were lost, or took too long.
        """
        return self.results(self.submitted(task, *arguments))

    def submitted(self, task: Callable[..., Any], *arguments: Sequence[Any]) -> list[Any]:
        """A future of what a function makes of each of some arguments."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")  # targets are as large as they are
            futures: list[Any] = self.client.map(task, *arguments, pure=False)
        return futures

    def results(self, pending: list[Any]) -> Iterator[Any]:
        """The results of futures, as in `of_parts`."""
        try:
            n_done, last = 0, time.monotonic()
            while pending:
                self._wait(pending, _TOGETHER_SECONDS)
                ready = list(takewhile(lambda future: future.status == "finished", pending))
                if ready:
                    yield from self._fetched(ready)
                    pending = pending[len(ready) :]
                    n_done, last = 0, time.monotonic()
                    continue
                if pending[0].status not in _STILL_TO_COME:
                    self._refuse(pending[0])
                done = sum(future.status == "finished" for future in pending)
                if done != n_done:
                    n_done, last = done, time.monotonic()
                self._check_waited(time.monotonic() - last, len(pending) - done)
                self._wait(pending[:1], _LOOK_SECONDS)
        finally:
            for future in pending:
                future.release()

    def sent(self, value: Any) -> Any:
        """A value that tasks share: as the result of a task, which Dask can compute again where its
        worker is lost, unlike what is scattered."""
        return self.client.submit(_same, value, pure=False)

    def _wait(self, futures: Sequence[Any], seconds: float) -> None:
        """Wait until all futures have a result or an error, or some time has passed."""
        from distributed import wait

        # Of what was cancelled its status tells.
        with suppress(TimeoutError, CancelledError), self.client.as_current():
            wait(futures, timeout=seconds)

    def _fetched(self, ready: list[Any]) -> list[Any]:
        try:
            fetched: list[Any] = self._limited(
                lambda: self.client.gather(ready, asynchronous=True), FETCH_SECONDS, "send what they computed"
            )
        except ClusterError:
            raise
        except Exception:
            for future in ready:  # it may have been lost after it was finished, and failed since
                if future.status not in _STILL_TO_COME:
                    self._refuse(future)
            raise
        return fetched

    def _limited(self, call: Callable[[], Any], seconds: float, what: str) -> Any:
        """The result of a coroutine of the client's, within a time."""

        async def awaited() -> Any:
            return await call()

        try:
            return self.client.sync(awaited, asynchronous=False, callback_timeout=seconds)
        except TimeoutError as error:
            raise ClusterError(
                f"the workers of {self._address} took longer than {seconds:g} s to {what}; look at their logs, and fit "
                "again"
            ) from error

    def _check_waited(self, seconds: float, n_left: int) -> None:
        """Give up after the time in which no part was finished."""
        if seconds > self.workers_seconds and not self.n_threads():
            self._refuse_no_worker()
        if seconds > self.part_seconds:
            raise ClusterError(
                f"the workers of {self._address} have finished no part for {self.part_seconds:g} s, and {n_left} are "
                "left; look at their logs, give them smaller row groups or chunks, or allow more with "
                "DaskWorkers(client, part_seconds=...)"
            )

    def n_threads(self) -> int:
        """How many tasks the workers do at a time, as the scheduler has last told it."""
        return sum(worker["nthreads"] for worker in self.client.scheduler_info(n_workers=-1)["workers"].values())

    @property
    def _address(self) -> str:
        return str(self.client.scheduler_info(n_workers=0)["address"])

    def _refuse_no_worker(self) -> NoReturn:
        raise ClusterError(
            f"the cluster {self._address} has had no worker for {self.workers_seconds:g} s; start some with "
            f"dask worker {self._address}"
        )

    def _refuse(self, future: Any) -> NoReturn:
        """Raise for a task that failed for good."""
        error = future.exception(timeout=CONNECT_SECONDS) if future.status == "error" else None
        if isinstance(error, PolytomeError):
            raise error
        if error is None:
            raise ClusterError(
                f"the cluster has given up a part ({future.status}): its scheduler was restarted or lost, or the "
                "client closed; fit again with a cluster that runs"
            )
        if type(error).__name__ == "KilledWorker":
            raise ClusterError(
                "the workers that were given one of the parts died, one after the other, perhaps because it does not "
                "fit into their memory; give them more, or smaller row groups or chunks (Dask's allowed-failures says "
                "how many may die)"
            ) from error
        if isinstance(error, MemoryError):
            raise ClusterError(
                "a worker had too little memory for one of the parts; give it more, or smaller row groups or chunks"
            ) from error
        raise ClusterError(
            f"a worker failed: {type(error).__name__}: {error}; it needs polytome=={__version__}, and the files under "
            "the same paths as here"
        ) from error


@dataclass(frozen=True)
class DaskPart:
    """Rows that workers hold: a future of what `read` gives.

    Attributes:
        future: of a part.
        n_rows: how many rows it has.
        name: what messages call it.
        checksum: of its features.
        workers: who hold it.
    """

    future: Any
    n_rows: int
    name: str
    checksum: int
    workers: DaskWorkers

    def __str__(self) -> str:
        return self.name

    def read(self) -> Iterator[Any]:
        """Its features, fetched."""
        (part,) = self.workers.results([self.future])
        check_same_rows(part, self.checksum)
        return iter(part.pieces)


class DaskRows(StreamedRows):
    """The rows of a stream whose parts the workers of a Dask cluster read or hold, with the target
    and the weight of each in this process too.

    Each worker gets the targets and weights of its parts once, and passes as values.
    """

    @property
    def workers(self) -> DaskWorkers:
        """Who reads or holds the parts."""
        workers = self.stream.workers
        assert isinstance(workers, DaskWorkers)
        return workers

    @property
    @kept
    def groups(self) -> list[list[int]]:
        """The parts with rows, by number: those of a group are one task, which takes Dask a few
        milliseconds: so there are no more than share the work evenly, and where there is little of
        it, one for each thread. Parts that workers hold already stay apart, each where it is."""
        numbers = np.flatnonzero(np.diff(self._bounds)).tolist()
        size = 1
        if not any(isinstance(part, DaskPart) for part in self.stream.parts):
            n_threads, wanted = max(1, self.workers.n_threads()), self.stream.n_entries / _ENTRIES_OF_GROUP
            n_groups = int(min(max(n_threads, wanted), _GROUPS_OF_THREAD * n_threads))
            size = min(_MOST_GROUPED, max(1, len(numbers) // n_groups))
        return [numbers[start : start + size] for start in range(0, len(numbers), size)]

    @property
    @kept
    def parts_there(self) -> list[Any]:
        """The parts of each group as a future."""
        groups = [[self.stream.parts[number] for number in group] for group in self.groups]
        held = [part.future for group in groups for part in group if isinstance(part, DaskPart)]
        return held or self.workers.submitted(_same, groups)

    @property
    @kept
    def labels_there(self) -> list[Any]:
        """The targets and weights of each group as a future."""
        return self.workers.submitted(_same, [[self._labels_of(number) for number in group] for group in self.groups])

    def _labels_of(self, number: int) -> Labels:
        own = slice(*self._bounds[number : number + 2])
        return labels_of(self.target[own], self.weight[own], getattr(self.stream.parts[number], "checksum", None))

    def _sums_of_parts(self, a_pass: Pass) -> Iterator[Sums]:
        for sums in self._answers(_sums, range(len(self.groups)), a_pass):
            yield from sums

    def _sums_of_pieces(self, a_pass: Pass) -> Iterator[Sums]:
        return self._sums_of_parts(a_pass)

    def features_of(self, chosen: Array) -> list[Any]:
        """The features of the chosen rows, which are in growing order, piece by piece."""
        bounds, wanted = self._bounds, {*self._parts_of(chosen)}
        ends = np.searchsorted(chosen, bounds)
        places = [place for place, group in enumerate(self.groups) if wanted & {*group}]
        own = [
            [chosen[ends[number] : ends[number + 1]] - bounds[number] for number in self.groups[place]]
            for place in places
        ]
        return [X for pieces in self._answers(_features, places, None, own) for X in pieces]

    def _answers(
        self, task: Any, places: Sequence[int], a_pass: Pass | None, *arguments: Sequence[Any]
    ) -> Iterator[Any]:
        """What a function makes of some groups and a pass, in their order."""
        from distributed.protocol.pickle import dumps

        message: Any = message_of(self, a_pass, dumps)
        if len(message) > _LARGE_BYTES:
            message = self.workers.sent(message)
        parts, labels = ([there[place] for place in places] for there in (self.parts_there, self.labels_there))
        return self.workers.of_parts(task, parts, labels, [message] * len(parts), *arguments)


def _same(value: Any) -> Any:
    """What a worker is to have."""
    return value


def _sums(parts: Any, labels: list[Labels], message: bytes) -> list[Sums]:
    """What a pass makes of the parts of a group, by as many threads as the worker has for a
    task."""
    from distributed import get_worker

    n_threads = max(1, available_threads() // get_worker().state.nthreads)
    return [sums_there(part, own, message, n_threads) for part, own in zip(_listed(parts), labels, strict=True)]


def _features(parts: Any, labels: list[Labels], message: bytes, chosen: list[Array]) -> list[Any]:
    """The features of the chosen rows of each part of a group."""
    asked = zip(_listed(parts), labels, chosen, strict=True)
    return [X for part, own, rows in asked if len(rows) for X in features_there(part, own, message, rows)]


def _listed(parts: Any) -> list[Any]:
    """The parts of a group: a held one comes alone."""
    return parts if isinstance(parts, list) else [parts]


def _versions() -> dict[str, str]:
    """What must be the same wherever the rows are: passes travel as values."""
    import scipy

    return {"polytome": __version__, "numpy": np.__version__, "scipy": scipy.__version__}


def _check_same(here: dict[str, str], there: dict[str, str], who: str) -> None:
    for name, version in here.items():
        if there[name] != version:
            raise ClusterError(
                f"{who} has {name} {there[name]}, and {version} is here; install {name}=={version} there"
            )


def stream_of_array(X: Any, workers: DaskWorkers) -> Stream:
    """The rows of a Dask array, held by the workers: a part for each of its chunks of rows.

    Raises:
        DataError: it is no matrix of real numbers, or an entry is NaN or infinite.
    """
    from dask import delayed

    if X.ndim != 2 or X.dtype.kind not in "biuf":
        raise DataError(f"X is a Dask array of shape {X.shape} and type {X.dtype}: needs a matrix of real numbers")
    chunks = X.rechunk({1: -1}).to_delayed().ravel().tolist()
    parts = [delayed(_part_of_chunk, pure=False)(chunk, f"chunk {place} of X") for place, chunk in enumerate(chunks)]
    return held_stream(parts, int(X.shape[1]), workers)[0]


def held_stream(
    parts: Sequence[Any], n_features: int, workers: DaskWorkers, memory: int | None = None
) -> tuple[Stream, Array, Array | None]:
    """A stream of delayed `ArrayPart` values, which workers compute now and hold; and the codes and
    weights of all their rows."""
    futures = workers.client.compute(list(parts))
    facts: list[_Facts] = list(workers.of_parts(_Facts.of, futures))
    held = tuple(
        DaskPart(future, each.n_rows, each.name, each.checksum, workers)
        for future, each in zip(futures, facts, strict=True)
    )
    some = next((each for each in facts if each.n_rows), facts[0])
    most, n_entries = max(each.n_rows for each in facts), sum(each.n_entries for each in facts)
    dtype = np.dtype(some.dtype)
    stream = Stream(held, n_features, max(1, most), some.is_sparse, n_entries, dtype, memory, workers=workers)
    weights = [each.weight for each in facts if each.weight is not None]
    return stream, np.concatenate([each.codes for each in facts]), np.concatenate(weights) if weights else None


@dataclass(frozen=True)
class _Facts:
    """What is to be known of a part that a worker holds."""

    n_rows: int
    name: str
    checksum: int
    codes: Array
    weight: Array | None
    is_sparse: bool
    n_entries: int
    dtype: str

    @classmethod
    def of(cls, part: ArrayPart) -> _Facts:
        """Told by the worker."""
        X: Any = part.pieces[0]
        is_sparse: bool = sparse.issparse(X)
        n_entries = int(X.nnz if is_sparse else X.size)
        codes = np.zeros(part.n_rows, dtype=np.int8) if part.codes is None else part.codes
        return cls(part.n_rows, part.name, part.checksum, codes, part.weight, is_sparse, n_entries, X.dtype.str)


def _part_of_chunk(chunk: Any, name: str) -> ArrayPart:
    """A chunk of an array as a part; every entry is finite."""
    X: Any = sound_sparse(chunk) if sparse.issparse(chunk) else np.ascontiguousarray(chunk)
    is_sparse: bool = sparse.issparse(X)
    entries = X.data if is_sparse else X
    if entries.dtype.kind == "f" and not np.isfinite(entries).all():
        row, column = np.argwhere(~np.isfinite(X.toarray() if is_sparse else X))[0].tolist()
        raise DataError(
            f"{name}: contains {X[row, column]} at row {row} of it, column {column}; fill it in, or drop the row"
        )
    return ArrayPart.of(X, name)


def as_workers(workers: Any) -> DaskWorkers:
    """The workers of a `distributed.Client`; `DaskWorkers` as they are."""
    return workers if isinstance(workers, DaskWorkers) else DaskWorkers(workers)


@contextmanager
def opened_workers(workers: str) -> Iterator[DaskWorkers]:
    """The workers that a user names: the address of a scheduler, or how many processes to start
    here, which are ended in the end.

    Raises:
        ArgumentError: it is neither.
        ClusterError: no scheduler answers at the address, or its workers cannot be used.
        MissingExtraError: Dask is not installed.
    """
    text = workers.strip()
    if not (text.isdecimal() and int(text) > 0) and "://" not in text:
        raise ArgumentError(
            f"workers={workers!r}: needs a number of processes, or the address of a scheduler such as tcp://host:8786"
        )
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise MissingExtraError(
            f"workers={workers!r}: needs Dask, which is not installed: pip install 'polytome[dask]'"
        ) from error
    if not text.isdecimal():
        try:
            client = Client(text, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(
                f"workers={workers!r}: no scheduler has answered within {CONNECT_SECONDS:g} s; start one with "
                "dask scheduler, or give a number of processes"
            ) from error
        with _quiet(), client:
            yield DaskWorkers(client)
        return
    settings = {
        "distributed.scheduler.allowed-failures": _LOST_WORKERS,
        "distributed.scheduler.worker-ttl": f"{SILENT_SECONDS} s",
        # Without it a process that takes 15 s to come back, on a busy machine, never does.
        "distributed.deploy.lost-worker-timeout": f"{RESTART_SECONDS} s",
    }
    with (
        _quiet(),
        dask.config.set(settings),
        LocalCluster(
            n_workers=int(text),
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            preload=[__name__],
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield DaskWorkers(client, workers_seconds=RESTART_SECONDS)


def dask_setup(worker: Any) -> None:
    """What Dask calls as a process of a local cluster begins: Ctrl-C is for the process that has
    the fit."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask tells on stderr of lost workers and their tasks: here results tell."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
