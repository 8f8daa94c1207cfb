"""A copy on disk of rows as numbers, where decoding their files takes longer than computing with
them.

A file holds the pieces of the parts one after the other as they lie in memory, then an index as
JSON, and at its end the length of that. Its name tells the files that the rows are from, with sizes
and times, and how they were encoded: for a changed file it is another one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.errors import ArgumentError, FileError
from polytome.files.atomic_files import atomic_output
from polytome.tables.readers.opening import file_errors, is_folder
from polytome.tables.streams.places import SeenFile
from polytome.tables.streams.table import StreamedTable

__all__ = ["CachedPart", "bytes_of_cache", "cached", "check_cache_folder"]

_MARK = b"polytome rows 1\n"
_LENGTH_BYTES = 8
_SHORT = np.dtype(np.int32)


@dataclass(frozen=True)
class CachedPart:
    """Some rows as numbers, in a file that holds them as they lie in memory.

    Attributes:
        file: which file.
        width: columns.
        dtype: of the numbers.
        is_sparse: whether pieces are CSR.
        pieces: of each the byte where it begins, its rows, and its entries.
    """

    file: SeenFile
    width: int
    dtype: np.dtype[Any]
    is_sparse: bool
    pieces: tuple[tuple[int, int, int], ...]

    @property
    def n_rows(self) -> int:
        """How many there are."""
        return sum(rows for _, rows, _ in self.pieces)

    def __str__(self) -> str:
        return str(self.file)

    def read(self) -> Iterator[Any]:
        """The rows piece by piece.

        The file is read and not mapped: what is mapped counts as memory of the process, and ends it
        where another one cuts the file.
        """
        self.file.check()
        with file_errors(self.file), self.file.path.open("rb") as stream:
            for begin, rows, entries in self.pieces:
                stream.seek(begin)
                values = _read(stream, self.dtype, entries)
                if self.is_sparse:
                    parts = (values, _read(stream, _SHORT, entries), _read(stream, _SHORT, rows + 1))
                    yield sparse.csr_array(parts, shape=(rows, self.width))
                else:
                    yield values.reshape(rows, self.width)


def check_cache_folder(folder: str | PathLike[str]) -> Path:
    """Check before long work starts that copies can be kept in a folder.

    Raises:
        FileError: it does not exist, or may not be written to.
    """
    place = Path(folder)
    if not is_folder(place):
        raise FileError(f"{folder}: there is no such folder for copies of rows; create it first")
    if not os.access(place, os.W_OK):
        raise FileError(f"{folder}: permission to write to the folder is denied; choose another")
    return place


def bytes_of_cache(table: StreamedTable) -> int:
    """The bytes that a copy of the rows takes, at most."""
    X = table.X
    size = X.n_entries * (X.dtype.itemsize + _SHORT.itemsize * X.is_sparse)
    return size + (table.n_rows + len(X.parts)) * _SHORT.itemsize * X.is_sparse


def cached(table: StreamedTable, folder: str | PathLike[str]) -> StreamedTable:
    """The same rows, read from a copy in a folder, which is made in one reading unless it is there.

    Pieces and parts are those of the files, so that a fit ends with the same bits.

    Args:
        table: the rows; those that are held out stay in their files.
        folder: where copies are kept; it must exist.

    Raises:
        ArgumentError: the rows are those of a data frame.
        FileError: the folder has too little space, or cannot be written to; then nothing is left
            there.
    """
    if not table.files:
        raise ArgumentError(
            f"{folder}: a copy is made of rows in files, and those of a {table.name} lie encoded with workers; "
            "fit them without one"
        )
    place = check_cache_folder(folder)
    path = (place / _name_of(table)).absolute()  # workers that read it have working directories of their own
    if not path.exists():
        needed, free = bytes_of_cache(table), shutil.disk_usage(place).free
        if needed > free:
            raise FileError(
                f"{folder}: a copy of the rows takes {needed / 1e9:,.2g} GB, and {free / 1e9:,.2g} GB are free there; "
                "choose another folder, or read the files without a copy"
            )
        _write(table, path)
    return replace(table, X=replace(table.X, parts=_parts(table, path)))


def _name_of(table: StreamedTable) -> str:
    """The name of the copy of these rows."""
    X = table.X
    digest = hashlib.sha256()
    files = [[str(file.path.resolve()), file.size, file.modified] for file in table.files]
    encoder = None if table.encoder is None else table.encoder.to_json()
    parts = [part.n_rows for part in X.parts]
    shape = [X.n_features, X.dtype.str, X.is_sparse, X.piece_rows]
    digest.update(json.dumps([files, encoder, parts, shape], sort_keys=True).encode())
    if table.rows is not None:
        digest.update(table.rows.astype("<i8").tobytes())
    return f"{table.files[0].path.name}-{digest.hexdigest()[:24]}.rows"


def _write(table: StreamedTable, path: Path) -> None:
    """Make the copy: one reading."""
    X = table.X
    parts: list[list[tuple[int, int, int]]] = [[] for _ in X.parts]
    with atomic_output(path) as stream:
        place = stream.write(_MARK)
        for number, piece in X.pieces(range(len(X.parts))):
            if X.is_sparse:
                entries = piece.nnz
                arrays = [piece.data, piece.indices.astype(_SHORT), piece.indptr.astype(_SHORT)]
            else:
                entries, arrays = piece.size, [piece]
            parts[number].append((place, piece.shape[0], entries))
            place += sum(stream.write(_as_stored(array).data) for array in arrays)
        index = json.dumps(parts).encode()
        stream.write(index + len(index).to_bytes(_LENGTH_BYTES, "little"))


def _as_stored(array: NDArray[Any]) -> NDArray[Any]:
    """An array in the order of bytes of this machine, without gaps: values may lie beside others
    in memory."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def _parts(table: StreamedTable, path: Path) -> tuple[CachedPart, ...]:
    """The parts of a copy, once it is known that they are those of the table."""
    X, file = table.X, SeenFile.of(path)
    with file_errors(path), path.open("rb") as stream:
        mark = stream.read(len(_MARK))
        stream.seek(max(file.size - _LENGTH_BYTES, 0))
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        stream.seek(max(file.size - _LENGTH_BYTES - length, 0))
        content = stream.read(min(length, file.size))
    try:
        index = json.loads(content)
        pieces = [tuple((int(begin), int(rows), int(entries)) for begin, rows, entries in part) for part in index]
    except (ValueError, TypeError, RecursionError):
        pieces = []
    found = tuple(CachedPart(file, X.n_features, X.dtype, X.is_sparse, part) for part in pieces)
    if mark != _MARK or [part.n_rows for part in found] != [part.n_rows for part in X.parts]:
        raise FileError(f"{path}: is not a copy of these rows, or damaged; remove it")
    return found


def _read(stream: IO[bytes], dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    content = stream.read(count * dtype.itemsize)
    if len(content) < count * dtype.itemsize:
        raise FileError(f"{stream.name}: is a damaged copy of rows; remove it")
    return np.frombuffer(content, dtype=dtype)
