"""Arrow files and streams (Feather) in parts: a record batch at a time is in memory, or a piece of
it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

from polytome.errors import FileError
from polytome.tables.frames import Frame
from polytome.tables.readers.arrow_streams import claims_of_batches
from polytome.tables.readers.columnar import checked_frame, import_pyarrow, kind_of_column, table_frame
from polytome.tables.readers.opening import kind_of_bytes, library_errors, read_exactly
from polytome.tables.readers.row_index import index_of_metadata
from polytome.tables.streams.places import SeenFile, unbounded

__all__ = ["ArrowFile", "ArrowPart"]

_NAME = "Arrow file"
_FILE_HEAD = 8  # the mark, and two bytes that fill it up
_MOST_BATCH_BYTES = 2**29


@dataclass(frozen=True)
class ArrowFile:
    """What an Arrow file says of its columns and batches, counted without decoding them.

    Attributes:
        file: which file.
        kinds: of its columns by their names; see `kind_of_column`.
        index: the columns that pandas has marked as an index.
        n_rows: how many rows it has.
        batch_bytes: of its largest batch, decoded.
    """

    file: SeenFile
    kinds: dict[str, str]
    index: tuple[str, ...]
    n_rows: int
    batch_bytes: int
    headed: bool = True
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path) -> ArrowFile:
        """Look at the heads of all batches.

        Raises:
            FileError: the file is damaged, names a column twice, or has a batch that is too large.
            MissingExtraError: pyarrow is not installed.
        """
        import_pyarrow(str(path))
        from pyarrow import ipc

        file = SeenFile.of(path)
        with _stream(file) as stream, library_errors(path, _NAME):
            schema = ipc.open_stream(stream).schema
            names, marks = list(schema.names), schema.metadata
            kinds = {name: kind_of_column(schema.field(place).type) for place, name in enumerate(names)}
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise FileError(f"{path}: has two columns named {twice[0]!r}; give each column its own name")
        n_rows = largest = 0
        with _stream(file) as stream:
            for kind, count, unpacked in claims_of_batches(stream, str(path)):
                if unpacked > _MOST_BATCH_BYTES:
                    raise _too_large(file)
                n_rows, largest = n_rows + count * (kind == "record batch"), max(largest, unpacked)
        return cls(file, kinds, index_of_metadata(marks, names), n_rows, largest)

    @property
    def held_bytes(self) -> int:
        """Memory that a reading takes besides the pieces: a batch as it is stored, decoded, and in
        columns."""
        return 3 * self.batch_bytes

    @property
    def names(self) -> tuple[str, ...]:
        """Of its columns."""
        return tuple(self.kinds)

    def parts(self, columns: Sequence[str], piece_rows: int) -> list[ArrowPart]:
        """Its rows as one part: words may be told in one batch and used in all that follow."""
        return [ArrowPart(self.file, self.n_rows, tuple(columns), piece_rows)] if self.n_rows else []


@dataclass(frozen=True)
class ArrowPart:
    """All rows of an Arrow file.

    Attributes:
        file: which file.
        n_rows: how many rows it has.
        columns: those that are read.
        piece_rows: most rows of a piece.
        is_checked: whether they were read before, so that their text need not be checked again.
    """

    file: SeenFile
    n_rows: int
    columns: tuple[str, ...]
    piece_rows: int
    is_checked: bool = False

    def __str__(self) -> str:
        return str(self.file)

    def checked(self, n_rows: int, columns: Sequence[str]) -> ArrowPart:
        """The same part with some of its columns, after it was read once."""
        return replace(self, n_rows=n_rows, columns=tuple(columns), is_checked=True)

    def frames(self) -> Iterator[Frame]:
        """The rows piece by piece.

        Raises:
            FileError: the file has changed since it was first opened, or is damaged.
        """
        import pyarrow
        from pyarrow import ipc

        self.file.check()
        row, source = 0, str(self.file)
        with _stream(self.file) as stream:
            with library_errors(source, _NAME):
                batches = ipc.open_stream(stream)
            while True:
                with library_errors(source, _NAME):
                    batch = next(batches, None)
                    table = None if batch is None else pyarrow.Table.from_batches([batch]).select(list(self.columns))
                if table is None:
                    return
                for start in range(0, len(table), self.piece_rows):
                    piece = table.slice(start, self.piece_rows)
                    if self.is_checked:
                        frame = table_frame(piece, source)
                    else:
                        frame = checked_frame(piece, source, _NAME, _MOST_BATCH_BYTES)
                    yield replace(frame, locate=partial(_place_after, row))
                    row += len(piece)


def _place_after(first: int, row: int) -> str:
    return f"row {first + row + 1}"


@contextmanager
def _stream(file: SeenFile) -> Iterator[Any]:
    """The stream that a file holds, of whichever kind it is."""
    with unbounded(file.path).opened() as stream:
        start = stream.read(_FILE_HEAD)
        kind = kind_of_bytes(start)
        if kind == "Feather V1":
            raise FileError(
                f"{file}: is a Feather file of version 1, from before 2020; write it again, with "
                "pyarrow.feather.write_feather(pyarrow.feather.read_table(OLD), NEW)"
            )
        joined = _Joined(start if kind == "Arrow stream" else b"", stream)
        try:
            yield joined
        except FileError as error:
            if joined.is_too_large:
                raise _too_large(file) from error
            raise


def _too_large(file: SeenFile) -> FileError:
    return FileError(
        f"{file}: has a batch of more than {_MOST_BATCH_BYTES >> 20} MiB, the most that is decoded at a time; write it "
        "in smaller batches, such as of 65,536 rows"
    )


class _Joined:
    """A stream of some bytes and then of another stream, as pyarrow reads it, a batch at a time."""

    closed = False

    def __init__(self, start: bytes, stream: IO[bytes]) -> None:
        self._start, self._stream, self.is_too_large = start, stream, False

    def read(self, size: int) -> bytes:
        """The next bytes."""
        self.is_too_large = size > _MOST_BATCH_BYTES
        if self.is_too_large:
            raise ValueError("too large")
        found, self._start = self._start[:size], self._start[size:]
        return found + read_exactly(self._stream, size - len(found)) if len(found) < size else found

    def close(self) -> None:
        """Leave the stream to who opened it."""
