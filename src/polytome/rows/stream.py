"""Rows that lie elsewhere, such as in files: read part by part, again for each pass, and forgotten
once added up."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol, Self

import numpy as np
from scipy import sparse

from polytome.errors import DataError
from polytome.numerics.row_numbers import drawn, first_positive
from polytome.passes import Block, Columns, Pass, Sums, added_up
from polytome.rows.arrays import ArrayRows, block_rows
from polytome.rows.blocks import Array, Facts, Moments, Standardised, Storage, submitted, weighted_moments
from polytome.rows.draw import Draw
from polytome.rows.freed_memory import return_freed_memory
from polytome.rows.journal import Journal
from polytome.rows.sparse import SparseRows
from polytome.threads import available_threads, kept

__all__ = ["Part", "Stream", "StreamedRows", "Workers"]

_PARTS_AT_ONCE = 2
"""So many are read at the same time: while one piece is computed, the next of its part and the
first of the next part are read."""
_ROWS_LOOKED_AT = 101
_DENSE_ENTRIES = 2**19  # of a block, were it dense


class Part(Protocol):
    """Some of the rows: a value that can be pickled, so that they can be read elsewhere too."""

    @property
    def n_rows(self) -> int:
        """How many there are."""
        ...

    def read(self) -> Iterator[Any]:
        """Their features piece by piece, arrays or canonical CSR matrices of one width, cut alike
        at each reading."""
        ...


class Workers(Protocol):
    """Who reads parts and makes passes over them, where that is not this process."""

    def rows(self, stream: Stream, target: Array, weight: Array, n_threads: int) -> StreamedRows:
        """The rows of a stream, under columns that are neither centred nor scaled."""
        ...


@dataclass(frozen=True)
class Stream:
    """What X is for rows that do not fit into memory: the parts that it is read from.

    Attributes:
        parts: in the order of the rows.
        n_features: columns of each.
        piece_rows: most rows of a piece.
        is_sparse: whether pieces are CSR matrices.
        n_entries: entries that are stored in all.
        dtype: their type.
        memory: bytes that a fit may take; None for what is free.
        journal: keeps the sums of passes, so that a fit that was killed can go on; None for none.
        workers: who reads the parts and makes passes over them; None for this process.
        block_rows: most rows of a sparse block; None for what suits the columns.
    """

    parts: tuple[Part, ...]
    n_features: int
    piece_rows: int
    is_sparse: bool
    n_entries: int
    dtype: np.dtype[Any]
    memory: int | None = None
    journal: Journal | None = None
    workers: Workers | None = None
    block_rows: int | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return sum(part.n_rows for part in self.parts), self.n_features

    def pieces(self, numbers: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """The pieces of the parts of these numbers, each with its number, read ahead of their use
        by other threads."""
        return_freed_memory()
        waiting = iter(numbers)
        reading: deque[tuple[int, Iterator[Any], Future[Any]]] = deque()
        with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
            try:
                while True:
                    while len(reading) < _PARTS_AT_ONCE and (number := next(waiting, -1)) >= 0:
                        pieces = self.parts[number].read()
                        reading.append((number, pieces, submitted(pool, _next, pieces)))
                    if not reading:
                        return
                    number, pieces, found = reading.popleft()
                    piece = found.result()
                    del found
                    if piece is None:
                        continue
                    reading.appendleft((number, pieces, submitted(pool, _next, pieces)))
                    yield number, piece
            finally:
                pool.shutdown(cancel_futures=True)


def _next(pieces: Iterator[Any]) -> Any:
    """The next piece with rows, None after the last."""
    return next((piece for piece in pieces if piece.shape[0]), None)


@dataclass(frozen=True)
class StreamedRows(Standardised):
    """The rows of a stream, with the target and the weight of each in memory.

    Sums are added up piece by piece within a part, and then part by part: the bits of the result
    depend on how the rows are cut into parts and pieces, and not on the number of threads.

    Example:
        >>> from polytome.passes import CentredSums
        >>> class Half:
        ...     n_rows = 1
        ...     def read(self):
        ...         yield np.array([[1.0, 2.0]])
        >>> stream = Stream((Half(), Half()), 2, 1, False, 4, np.dtype(float))
        >>> StreamedRows.of(stream, np.array([0, 1])).reduce(CentredSums(np.zeros(2)))[0]
        array([2., 4.])
    """

    stream: Stream
    target: Array
    weight: Array
    columns: Columns
    precision: np.dtype[Any]
    n_threads: int

    @classmethod
    def of(
        cls, stream: Stream, target: Array, weight: Array | None = None, *, n_threads: int | None = None
    ) -> StreamedRows:
        """Rows of a stream; unit weights unless given; columns neither centred nor scaled."""
        weight = np.broadcast_to(1.0, stream.shape[0]) if weight is None else weight
        n_threads = n_threads or available_threads()
        if stream.workers is not None:
            return stream.workers.rows(stream, target, weight, n_threads)
        return cls._of(stream, target, weight, n_threads)

    @classmethod
    def _of(cls, stream: Stream, target: Array, weight: Array, n_threads: int) -> Self:
        columns = Columns.identity(stream.n_features)
        return cls(stream, target, weight, columns, np.dtype(np.float64), n_threads)

    @property
    @kept
    def n_rows(self) -> int:
        """Number of rows."""
        return self.stream.shape[0]

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return self.stream.n_features

    @property
    def is_sparse(self) -> bool:
        """Whether pieces are sparse."""
        return self.stream.is_sparse

    @property
    def facts(self) -> Facts:
        """What is known of them without reading them; `n_blocks` and `largest_block` are upper
        bounds."""
        stream = self.stream
        largest = self.block_rows if stream.is_sparse else block_rows(stream.n_features, self.precision)
        largest = min(largest, stream.piece_rows)
        return Facts(
            n_rows=self.n_rows,
            n_features=self.n_features,
            is_sparse=stream.is_sparse,
            n_entries=stream.n_entries,
            dtype=stream.dtype,
            entry_bytes=stream.dtype.itemsize + 4 * stream.is_sparse,
            n_blocks=2 * (self.n_rows // largest + self.n_rows // stream.piece_rows + len(stream.parts)),
            largest_block=largest,
            n_threads=self.n_threads,
            is_resident=False,
        )

    @property
    @kept
    def _bounds(self) -> Array:
        """The rows before which each part begins, and the number of rows."""
        counts = [part.n_rows for part in self.stream.parts]
        return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])

    @property
    @kept
    def block_rows(self) -> int:
        """Most rows of a sparse block, as many as make up for a gradient of all columns: longer
        sums round more."""
        if self.stream.block_rows is not None:
            return self.stream.block_rows
        row, columns = self.stream.n_entries // self.n_rows + 1, self.n_features
        return max(64, 4 * columns // row, _DENSE_ENTRIES // columns)

    def reduce(self, a_pass: Pass) -> Sums:
        """What a pass makes of all rows: one reading, by compiled code where that offers it."""
        if self.stream.journal is None:
            return self._reduced(a_pass)
        about = (self.columns, self.precision, self._labels_digest)
        return self.stream.journal.recalled(a_pass, lambda: self._reduced(a_pass), *about)

    @property
    @kept
    def _labels_digest(self) -> bytes:
        """Tells rows with other targets or weights apart."""
        weight = self.weight[:1] if self.weight.strides == (0,) else self.weight
        digest = hashlib.sha256()
        for array in (self.target, weight):
            digest.update(np.ascontiguousarray(array).data.cast("B"))
        return digest.digest()

    def _reduced(self, a_pass: Pass) -> Sums:
        return added_up(self._sums_of_parts(a_pass), a_pass.joined)

    def _sums_of_parts(self, a_pass: Pass) -> Iterator[Sums]:
        """What a pass makes of each part that has rows, in their order."""
        for _, pieces in groupby(self._pieces(), key=itemgetter(0)):
            yield added_up((rows.reduce(a_pass) for _, _, rows in pieces), a_pass.joined)

    def drawn(self, importance: Pass, size: int) -> tuple[Array, Array]:
        """Rows drawn with probabilities in proportion to what a pass makes of each, of which
        nothing is kept but for those that are drawn: one reading.

        Args:
            importance: a pass with one number for each row, joined.
            size: about how many rows are wanted.

        Returns:
            Their numbers, in growing order, and the probability of each; see `rows.draw`.
        """

        def compute() -> Sums:
            draw = Draw(size)
            for (some,) in self._sums_of_pieces(importance):
                draw.add(some)
            return draw.drawn()

        if self.stream.journal is None:
            found = compute()
        else:
            about = (size, self.columns, self.precision, self._labels_digest)
            found = self.stream.journal.recalled(importance, compute, *about)
        return found[0], found[1]

    def _sums_of_pieces(self, a_pass: Pass) -> Iterator[Sums]:
        """What a pass makes of each piece, or of each part where other processes read them, in
        their order."""
        return (rows.reduce(a_pass) for _, _, rows in self._pieces())

    def _pieces(self, numbers: Sequence[int] | None = None) -> Iterator[tuple[int, int, Storage]]:
        """The number of a part, the first row of a piece of it, and the piece as rows in memory."""
        number, row = -1, 0
        for part, X in self.stream.pieces(range(len(self.stream.parts)) if numbers is None else numbers):
            if part != number:
                self._check_ended(number, row)
                number, row = part, int(self._bounds[part])
            own = slice(row, row + X.shape[0])
            self._check_fits(part, own.stop, X)
            target = self.target[own]
            target = target.astype(np.int64) if target.dtype.kind == "i" else target
            ends = tuple(range(self.block_rows, X.shape[0], self.block_rows)) if self.is_sparse else ()
            yield number, row, self._in_memory(X, target, self.weight[own], ends)
            row = own.stop
        self._check_ended(number, row)

    def _in_memory(self, X: Any, target: Array, weight: Array, ends: tuple[int, ...] = ()) -> Storage:
        """Some of the rows, under the same columns and in the same precision."""
        kind: type[Storage] = SparseRows if self.is_sparse else ArrayRows
        return kind(X, target, weight, self.columns, self.precision, self.n_threads, ends)

    def _check_ended(self, number: int, row: int) -> None:
        """Refuse a part that had fewer rows than when they were counted."""
        if number >= 0 and row != self._bounds[number + 1]:
            self._check_fits(number, row, None)

    def _check_fits(self, number: int, end: int, X: Any) -> None:
        """Refuse a part of another number of rows or columns than when they were counted."""
        if (X is not None and X.shape[1] != self.n_features) or (end > self._bounds[number + 1]) or X is None:
            part = self.stream.parts[number]
            raise DataError(
                f"{part}: has other rows or columns than when they were counted, {part.n_rows:,} rows of "
                f"{self.n_features:,} columns; leave the data as they are during a fit"
            )

    def blocks(self) -> Iterator[Block]:
        """The blocks in order: one reading."""
        for _, _, rows in self._pieces():
            yield from rows.blocks()

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[Block]:
        """All rows once: the parts in random order, and the rows of each piece in random order,
        `size` at a time."""
        for _, _, rows in self._pieces(rng.permutation(len(self.stream.parts)).tolist()):
            yield from rows.batches(size, rng)

    def sample(self, size: int, rng: np.random.Generator) -> Storage:
        """`size` rows drawn without replacement, in their order: at most one reading."""
        chosen = drawn(self.n_rows, size, rng)
        return self.subset(chosen, self.weight[chosen])

    def subset(self, chosen: Array, weight: Array) -> Storage:
        """A copy of the chosen rows, which are in growing order, under new weights; only their
        parts are read."""
        found = self.features_of(chosen)
        X: Any = sparse.vstack(found, format="csr") if self.is_sparse else np.concatenate(found)
        return self._in_memory(X, self.target[chosen], weight)

    def _parts_of(self, chosen: Array) -> list[int]:
        """The numbers of the parts that have some of the chosen rows."""
        return np.flatnonzero(np.diff(np.searchsorted(chosen, self._bounds))).tolist()

    def features_of(self, chosen: Array) -> list[Any]:
        """The features of the chosen rows, which are in growing order, piece by piece."""
        found = []
        for _, row, rows in self._pieces(self._parts_of(chosen)):
            own = slice(*np.searchsorted(chosen, [row, row + rows.n_rows]))
            if own.stop > own.start:
                found.append(rows.X[chosen[own] - row])
        return found

    @property
    @kept
    def _moments(self) -> Moments:
        # One reading, of sparse rows two or three; and one of the part that has the first rows.
        first = first_positive(self.weight)
        number = int(np.searchsorted(self._bounds, first, side="right")) - 1
        most = 1 if self.is_sparse else _ROWS_LOOKED_AT
        counting = first + np.flatnonzero(self.weight[first : first + 10 * most] > 0)
        few = counting[counting < self._bounds[number + 1]][:most]
        X: Any = self.subset(few, self.weight[few]).X
        return weighted_moments(self, np.median(X.toarray() if self.is_sparse else X, axis=0).astype(np.float64))
