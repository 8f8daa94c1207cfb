"""Files of numbers alone in parts: slices of `.npy` files, ranges of lines of libsvm text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.errors import ArgumentError, DataError, FileError
from polytome.rows import Stream
from polytome.rows.stream import Workers
from polytome.tables.arrays_of_files import array_labels
from polytome.tables.readers.arrays import COLUMN_BYTES, load_npy, numpy_errors, position_of, refuse_value
from polytome.tables.readers.libsvm import Lines, parse_lines
from polytome.tables.readers.opening import Allowance, InputFile, kind_of_bytes
from polytome.tables.streams.each_row import chosen_of, composed
from polytome.tables.streams.lines import PIECE_BYTES, Range, ranges_of
from polytome.tables.streams.memory import check_memory
from polytome.tables.streams.places import SeenFile, unbounded
from polytome.tables.streams.seen_labels import SeenLabels
from polytome.tables.streams.table import StreamedTable

Array = NDArray[Any]

__all__ = ["ARRAYS", "array_files", "array_pieces", "open_arrays"]

ARRAYS = {"npy": "a .npy file", "libsvm": "libsvm text"}
"""The kinds of files that hold numbers alone."""
_PIECES_OF_PART = 4
_TIMES_ITS_TEXT = 32  # what a piece of text takes: words, numbers, and what finds them
_MOST_LINES = 2**16


class ArrayPart(Protocol):
    """Some rows of numbers: a part of a stream that tells its labels, too."""

    @property
    def n_rows(self) -> int:
        """How many there are; before they were read, at most so many."""
        ...

    def labelled(self) -> Iterator[tuple[Any, Array | None]]:
        """The features and labels piece by piece, every number checked."""
        ...

    def checked(self, n_rows: int, n_features: int) -> ArrayPart:
        """The same part, after it was read once."""
        ...

    def read(self) -> Iterator[Any]:
        """The features piece by piece."""
        ...


class ArrayFile(Protocol):
    """A file of numbers, as `NpyFile` and `LibsvmFile` are."""

    @property
    def files(self) -> tuple[SeenFile, ...]: ...
    @property
    def held_bytes(self) -> int: ...
    @property
    def n_features(self) -> int | None: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...

    def parts(self, piece_rows: int) -> Sequence[ArrayPart]:
        """Its rows in parts."""
        ...


def array_files(paths: Sequence[Path], kind: str, target: str | None) -> Sequence[ArrayFile]:
    """Files of numbers of one kind.

    Raises:
        ArgumentError: the target means nothing.
        FileError: a file is damaged, or has other columns than the first.
    """
    if kind == "libsvm":
        if target is not None:
            raise ArgumentError(f"target={target!r}: {paths[0]} has its labels in a fixed place; leave the option out")
        return [LibsvmFile(SeenFile.of(path)) for path in paths]
    if target is not None and target.endswith(".npy") and len(paths) > 1:
        raise ArgumentError(
            f"target={target!r}: is one file of labels for {len(paths)} files of rows; make the labels a column of "
            "each, and give its position"
        )
    files = [NpyFile.of(path, target) for path in paths]
    for file in files:
        if (file.shape[1:], file.dtype) != (files[0].shape[1:], files[0].dtype):
            raise FileError(
                f"{file.file}: has rows of shape {file.shape[1:]} and type {file.dtype}, and those of {files[0].file} "
                f"have {files[0].shape[1:]} and {files[0].dtype}; write all files alike"
            )
    return files


def open_arrays(
    name: str,
    files: Sequence[ArrayFile],
    rows_of_piece: Callable[[int], int],
    limit: int | None,
    progress: Callable[[int, int], object] | None,
    workers: Workers | None = None,
) -> StreamedTable:
    """Open files of numbers: one reading for the labels, and to check every number.

    Args:
        name: what messages call all of them.
        files: in the order of the rows.
        rows_of_piece: how many rows of so many columns are read at a time.
        limit: bytes that the process may take; None for what is free.
        progress: called with the rows read so far, and about how many there are.
        workers: who makes the passes of a fit; None for this process.
    """
    width = files[0].n_features
    piece_rows = _MOST_LINES if width is None else rows_of_piece(width)
    parts = [part for file in files for part in file.parts(piece_rows)]
    n_rows = sum(part.n_rows for part in parts)
    held_bytes = max(file.held_bytes for file in files)
    check_memory(n_rows, piece_rows if width else 0, width or 0, held_bytes, limit)
    labels = SeenLabels(name)
    counts: list[int] = []
    done, n_entries, n_features = 0, 0, width or 0
    for part in parts:
        before = done
        for piece, y in part.labelled():
            done += piece.shape[0]
            n_entries += piece.nnz if width is None else piece.size
            n_features = max(n_features, piece.shape[1])
            if y is not None:
                labels.see(y)
            if progress is not None:
                progress(done, max(n_rows, done))
        counts.append(done - before)
    if not done:
        raise DataError(f"{name}: holds no row; there is nothing to learn from")
    if not labels.n_rows:
        raise DataError(f"{name}: has no labels to learn from; say where they are with --target (or target=...)")
    if not n_features:
        raise DataError(f"{name}: every row is empty; each line needs the form 'label index:value ...'")
    notes: list[str] = []
    classes, codes = labels.coded(unbounded(files[0].files[0].path), notes)
    pairs = zip(parts, counts, strict=True)
    checked = tuple(part.checked(count, n_features) for part, count in pairs if count)
    X = Stream(checked, n_features, piece_rows, width is None, n_entries, files[0].dtype, limit, workers=workers)
    seen = tuple(one for file in files for one in file.files)
    return StreamedTable(name, X, codes, classes, None, seen, tuple(notes))


def array_pieces(
    paths: Sequence[Path], kind: str, n_features: int, rows_of_piece: Callable[[int], int], target: str | None
) -> tuple[int, Iterator[tuple[Any, Array | None]]]:
    """About how many rows files of numbers have, and their features and labels piece by piece, for
    a model of so many features.

    Raises:
        ArgumentError: the target means nothing.
        DataError: there are other features.
        FileError: a file is damaged.
    """
    parts: list[ArrayPart] = []
    for file in array_files(paths, kind, target):
        if file.n_features not in (None, n_features):
            raise DataError(
                f"{file.files[0]}: has {file.n_features} features where {n_features} are expected; is it the "
                "right file?"
            )
        found = file.parts(_MOST_LINES if kind == "libsvm" else rows_of_piece(n_features))
        parts += [part.checked(part.n_rows, n_features) for part in found]
    name = str(paths[0])

    def pieces() -> Iterator[tuple[Any, Array | None]]:
        for part in parts:
            for X, y in part.labelled():
                yield X, None if y is None else array_labels(y, len(y), name, False, [])

    return sum(part.n_rows for part in parts), pieces()


@dataclass(frozen=True)
class NpyFile:
    """What the head of a `.npy` file says.

    Attributes:
        file: which file.
        begin: the byte at which its numbers begin.
        shape: of the array, one row for each image.
        dtype: of its numbers, in the machine's byte order.
        stored: their type as they are stored.
        by_columns: whether they are stored column after column.
        column: the place of the labels among the columns; None where they are in another file, or
            nowhere.
        beside: the other file of labels.
    """

    file: SeenFile
    begin: int
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    stored: np.dtype[Any]
    by_columns: bool
    column: int | None = None
    beside: SeenFile | None = None

    @classmethod
    def of(cls, path: Path, target: str | None) -> NpyFile:
        """Read the head of a file.

        Raises:
            ArgumentError: the target is no column.
            DataError: it is not a table of real numbers.
            FileError: it is damaged, cut short, or holds Python objects.
        """
        file, given = SeenFile.of(path), unbounded(path)
        if kind_of_bytes(given.starts_with()) != "NumPy array":
            raise FileError(f"{path}: is not a .npy file; give it the ending that fits its content, or write it again")
        with given.opened() as stream, numpy_errors(given, "array"):
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, by_columns, stored = read(stream)
            if stored.hasobject:
                raise ValueError("Object arrays cannot be loaded")
            begin = stream.tell() if given.is_plain else 0
        if len(shape) == 3:
            shape = (shape[0], shape[1] * shape[2])
            if by_columns:
                raise FileError(f"{path}: holds images in Fortran order; write numpy.ascontiguousarray of them")
        if len(shape) != 2 or 0 in shape:
            raise DataError(
                f"{path}: an array of shape {shape}; rows and columns, (n, d), are needed, at least one of each"
            )
        if stored.kind not in "buif":
            raise DataError(f"{path}: an array of type {stored}; real numbers are needed; convert it, e.g. to float32")
        if not given.is_plain:
            raise FileError(f"{path}: is compressed, and .npy files are read piece by piece as they lie; unpack it")
        if begin + prod(shape) * stored.itemsize > file.size:
            raise FileError(
                f"{path}: damaged array (cut short: {shape[0]:,} rows of {shape[1]:,} numbers need more bytes than "
                "it has); download or write it again"
            )
        found = cls(file, begin, shape, stored.newbyteorder("="), stored, by_columns)
        if target is None:
            return found
        if target.endswith(".npy"):
            beside = Path(target)
            return replace(found, beside=SeenFile.of(beside))
        return replace(found, column=position_of(target, shape, path) - 1)

    @property
    def files(self) -> tuple[SeenFile, ...]:
        """The file, and that of the labels."""
        return (self.file,) if self.beside is None else (self.file, self.beside)

    @property
    def held_bytes(self) -> int:
        """Memory that a reading takes besides the pieces."""
        return 0

    @property
    def n_features(self) -> int:
        """Columns, that of the labels not counted."""
        return self.shape[1] - (self.column is not None)

    def parts(self, piece_rows: int) -> list[NpyPart]:
        """Its rows in parts: slices."""
        size = _PIECES_OF_PART * piece_rows
        starts = range(0, self.shape[0], size)
        return [NpyPart(self, start, min(size, self.shape[0] - start), piece_rows) for start in starts]


@dataclass(frozen=True)
class NpyPart:
    """A slice of a `.npy` file.

    Attributes:
        array: the file.
        start: its first row.
        size: its rows.
        piece_rows: most rows of a piece.
        used: which of its rows are used, eight to a byte; None for all.
        n_used: how many these are; None for all.
    """

    array: NpyFile
    start: int
    size: int
    piece_rows: int
    used: NDArray[np.uint8] | None = None
    n_used: int | None = None

    def __str__(self) -> str:
        return str(self.array.file)

    @property
    def n_rows(self) -> int:
        """How many of its rows are used."""
        return self.size if self.n_used is None else self.n_used

    def only(self, chosen: NDArray[np.bool_]) -> NpyPart:
        """The part with some of the rows that it has now."""
        return replace(self, used=composed(self.used, self.size, chosen), n_used=int(chosen.sum()))

    def checked(self, n_rows: int, n_features: int) -> NpyPart:
        """The same part, after it was read once."""
        return self

    def labelled(self) -> Iterator[tuple[Array, Array | None]]:
        """The features and labels piece by piece.

        Raises:
            DataError: a number is not finite; the message names the first.
            FileError: the file of labels is damaged.
        """
        array = self.array
        beside = None if array.beside is None else _labels_beside(array.beside.path)
        if beside is not None and beside.shape != array.shape[:1]:
            raise DataError(
                f"{array.beside}: labels of shape {beside.shape} for {array.shape[0]} rows; one label per row is "
                f"needed, {array.shape[:1]} (argmax(axis=1) turns one-hot rows into labels)"
            )
        for row, block in self._blocks():
            X, y = self._divided(block)
            if X.dtype.kind == "f" and not np.isfinite(X).all():
                place, column = (int(number) for number in np.argwhere(~np.isfinite(X))[0])
                refuse_value(str(self), row + place, column, X[place, column])
            yield X, y if beside is None else np.array(beside[row : row + len(X)])

    def read(self) -> Iterator[Array]:
        """The features piece by piece."""
        used = chosen_of(self.used, self.size)
        for row, block in self._blocks():
            X, _ = self._divided(block)
            first = row - self.start
            yield X if used is None else X[used[first : first + len(X)]]

    def _divided(self, block: Array) -> tuple[Array, Array | None]:
        """Features and labels."""
        column = self.array.column
        return (block, None) if column is None else (np.delete(block, column, axis=1), np.array(block[:, column]))

    def _blocks(self) -> Iterator[tuple[int, Array]]:
        """Its rows piece by piece, each with the row that is its first."""
        array, size = self.array, self.array.stored.itemsize
        array.file.check()
        n_rows, width = array.shape
        with unbounded(array.file.path).opened() as stream:
            for start in range(self.start, self.start + self.size, self.piece_rows):
                count = min(self.piece_rows, self.start + self.size - start)
                if array.by_columns:
                    block = np.empty((count, width), dtype=array.stored, order="F")
                    for column in range(width):
                        stream.seek(array.begin + (column * n_rows + start) * size)
                        block[:, column] = self._numbers(stream.read(count * size), count)
                else:
                    stream.seek(array.begin + start * width * size)
                    block = self._numbers(stream.read(count * width * size), count * width).reshape(count, width)
                yield start, block.astype(array.dtype, copy=False)

    def _numbers(self, content: bytes, count: int) -> Array:
        """Numbers from their bytes."""
        if len(content) < count * self.array.stored.itemsize:
            raise FileError(f"{self}: was cut short while its rows were in use; leave it as it is until the end")
        return np.frombuffer(content, dtype=self.array.stored)


def _labels_beside(path: Path) -> Array:
    """The labels in a file of their own, as `read_npy` gives them."""
    y = load_npy(InputFile(path))
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


@dataclass(frozen=True)
class LibsvmFile:
    """A file of libsvm text."""

    file: SeenFile

    @property
    def files(self) -> tuple[SeenFile, ...]:
        """The file."""
        return (self.file,)

    @property
    def held_bytes(self) -> int:
        """Memory that a reading takes besides the pieces."""
        return _TIMES_ITS_TEXT * PIECE_BYTES

    @property
    def n_features(self) -> None:
        """Known only once all lines were read."""
        return

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers."""
        return np.dtype(np.float64)

    def parts(self, piece_rows: int) -> list[LibsvmPart]:
        """Its rows in parts: ranges of lines."""
        return [LibsvmPart(found, count) for found, count in ranges_of(self.file, piece_rows)]


@dataclass(frozen=True)
class LibsvmPart:
    """A range of lines of libsvm text.

    Attributes:
        range: the bytes.
        size: how many rows it has; before it was read, at most so many.
        n_features: columns; None before all rows were read.
        used: which of its rows are used, eight to a byte; None for all.
        n_used: how many these are; None for all.
    """

    range: Range
    size: int
    n_features: int | None = None
    used: NDArray[np.uint8] | None = None
    n_used: int | None = None

    def __str__(self) -> str:
        return str(self.range.file)

    @property
    def n_rows(self) -> int:
        """How many of its rows are used."""
        return self.size if self.n_used is None else self.n_used

    def only(self, chosen: NDArray[np.bool_]) -> LibsvmPart:
        """The part with some of the rows that it has now."""
        return replace(self, used=composed(self.used, self.size, chosen), n_used=int(chosen.sum()))

    def checked(self, n_rows: int, n_features: int) -> LibsvmPart:
        """The same part, after it was read once."""
        return replace(self, size=n_rows, n_features=n_features)

    def labelled(self) -> Iterator[tuple[Any, Array]]:
        """The features and labels piece by piece.

        Raises:
            DataError: a line is malformed; the message names it.
            FileError: an index needs more memory than is allowed.
        """
        source, allowance = unbounded(self.range.file.path), Allowance.of(self.range.file.size)
        for line, text in zip(self.range.lines, self.range.texts(), strict=False):
            found = parse_lines(source, text, line, self.n_features)
            widest = int(found.columns.max(initial=-1)) + 1
            if self.n_features is None:
                allowance.check(f"{source}, lines from {line}", COLUMN_BYTES * widest, f"index {widest}")
            if len(found.lengths):
                yield _matrix(found, self.n_features or widest), found.labels

    def read(self) -> Iterator[Any]:
        """The features piece by piece."""
        row = 0
        used = chosen_of(self.used, self.size)
        for X, _ in self.labelled():
            own, row = slice(row, row + X.shape[0]), row + X.shape[0]
            yield X if used is None else X[used[own]]


def _matrix(found: Lines, n_features: int) -> Any:
    """Some lines as a sparse matrix."""
    ends = np.concatenate([[0], np.cumsum(found.lengths)])
    return sparse.csr_array((found.values, found.columns, ends), shape=(len(found.lengths), n_features))
