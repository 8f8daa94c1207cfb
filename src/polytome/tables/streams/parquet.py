"""Parquet files in parts: some row groups each, of which a piece at a time is in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from polytome.errors import FileError
from polytome.tables.frames import Frame
from polytome.tables.readers.columnar import checked_frame, import_pyarrow, kind_of_column, table_frame
from polytome.tables.readers.opening import InputFile, kind_of_bytes, library_errors
from polytome.tables.readers.row_index import index_of_metadata
from polytome.tables.streams.places import SeenFile

__all__ = ["ParquetFile", "ParquetPart"]

_NAME = "Parquet file"
_BUFFER_BYTES = 2**16  # of each column, while it is read
_SMALL_PARTS = 4  # pieces: smaller row groups are joined
_PAGE_BYTES, _BYTES_OF_CELL = 2**20, 16
_PAGES = 4


@dataclass(frozen=True)
class ParquetFile:
    """What the end of a Parquet file says: its columns, and how many rows each of its row groups
    has.

    Attributes:
        file: which file.
        kinds: of its columns by their names, such as "numbers" or "text"; see `kind_of_column`.
        index: the columns that pandas has marked as an index.
        groups: the rows of each row group.
        texts: the columns whose texts may be stored as codes.
    """

    file: SeenFile
    kinds: dict[str, str]
    index: tuple[str, ...]
    groups: tuple[int, ...]
    texts: tuple[str, ...]
    headed: bool = True
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path) -> ParquetFile:
        """Read the end of a file.

        Raises:
            FileError: it is no Parquet file, cut short, damaged, or names a column twice.
            MissingExtraError: pyarrow is not installed.
        """
        import_pyarrow(str(path))
        from pyarrow import parquet

        file, given = SeenFile.of(path), InputFile(path)
        if kind_of_bytes(given.starts_with()) != "Parquet" or not given.is_plain:
            raise FileError(
                f"{path}: is not a Parquet file, or a compressed one; name files of Parquet as it is written"
            )
        with library_errors(path, _NAME), parquet.ParquetFile(path) as opened:
            schema, metadata = opened.schema_arrow, opened.metadata
            groups = tuple(metadata.row_group(place).num_rows for place in range(metadata.num_row_groups))
            columns = [metadata.schema.column(place) for place in range(metadata.num_columns)]
            texts = tuple(sorted({column.path for column in columns if column.physical_type == "BYTE_ARRAY"}))
            names, marks = list(schema.names), schema.metadata
            kinds = {name: kind_of_column(schema.field(place).type) for place, name in enumerate(names)}
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise FileError(f"{path}: has two columns named {twice[0]!r}; give each column its own name")
        return cls(file, kinds, index_of_metadata(marks, names), groups, texts)

    @property
    def names(self) -> tuple[str, ...]:
        """Of its columns."""
        return tuple(self.kinds)

    @property
    def held_bytes(self) -> int:
        """Memory that a reading takes besides the pieces: pages of each column, packed and
        unpacked, in each part that is being read."""
        return len(self.kinds) * min(_PAGE_BYTES, max(self.groups, default=0) * _BYTES_OF_CELL) * _PAGES

    def parts(self, columns: Sequence[str], piece_rows: int) -> list[ParquetPart]:
        """Its rows in parts: whole row groups, several where they are small."""
        found: list[ParquetPart] = []
        first, begun, rows = 0, 0, 0
        for place, count in enumerate(self.groups):
            rows += count
            if rows >= _SMALL_PARTS * piece_rows or place == len(self.groups) - 1:
                if rows:
                    groups = tuple(range(begun, place + 1))
                    texts = tuple(name for name in self.texts if name in columns)
                    found.append(ParquetPart(self.file, groups, first, rows, tuple(columns), texts, piece_rows))
                first, begun, rows = first + rows, place + 1, 0
        return found


@dataclass(frozen=True)
class ParquetPart:
    """Some row groups of a file.

    Attributes:
        file: which file.
        groups: the numbers of the row groups.
        first: the row of the file that is their first.
        n_rows: how many rows they have.
        columns: those that are read.
        texts: those of them whose texts may be stored as codes.
        piece_rows: most rows that are read at a time.
        is_checked: whether they were read before, so that their text need not be checked again.
    """

    file: SeenFile
    groups: tuple[int, ...]
    first: int
    n_rows: int
    columns: tuple[str, ...]
    texts: tuple[str, ...]
    piece_rows: int
    is_checked: bool = False

    def __str__(self) -> str:
        return str(self.file)

    def checked(self, n_rows: int, columns: Sequence[str]) -> ParquetPart:
        """The same part with some of its columns, after it was read once."""
        texts = tuple(name for name in self.texts if name in columns)
        return replace(self, n_rows=n_rows, columns=tuple(columns), texts=texts, is_checked=True)

    def frames(self) -> Iterator[Frame]:
        """The rows piece by piece.

        Raises:
            FileError: the file has changed since it was first opened, or is damaged.
        """
        import pyarrow
        from pyarrow import parquet

        self.file.check()
        row, source = self.first, str(self.file)
        with library_errors(source, _NAME):
            opened = parquet.ParquetFile(
                self.file.path, read_dictionary=list(self.texts), buffer_size=_BUFFER_BYTES, pre_buffer=False
            )
        with opened:
            with library_errors(source, _NAME):
                batches = opened.iter_batches(self.piece_rows, list(self.groups), list(self.columns))
            waiting: list[Any] = []
            while True:
                with library_errors(source, _NAME):
                    batch = next(batches, None)
                if batch is not None:
                    waiting.append(batch)
                # A batch ends where a row group does, in some releases: pieces do not.
                while sum(map(len, waiting)) >= (self.piece_rows if batch is not None else 1):
                    with library_errors(source, _NAME):
                        table = pyarrow.Table.from_batches(waiting)
                        piece = table.slice(0, self.piece_rows)
                        waiting = table.slice(self.piece_rows).to_batches()
                    if self.is_checked:
                        frame = table_frame(piece, source)
                    else:
                        frame = checked_frame(piece, source, _NAME, InputFile(self.file.path).allowance.size)
                    yield replace(frame, locate=partial(_place_after, row))
                    row += len(piece)
                if batch is None:
                    return


def _place_after(first: int, row: int) -> str:
    return f"row {first + row + 1}"
