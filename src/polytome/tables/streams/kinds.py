"""The kinds of files that are read piece by piece, and what each of them brings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from polytome.errors import ArgumentError, FileError
from polytome.tables.frames import Frame
from polytome.tables.kinds_of_files import kind_of_file
from polytome.tables.readers.opening import kind_of_bytes
from polytome.tables.streams.arrays import ARRAYS
from polytome.tables.streams.arrow import ArrowFile
from polytome.tables.streams.parquet import ParquetFile
from polytome.tables.streams.places import SeenFile, unbounded
from polytome.tables.streams.text import TextFile

__all__ = ["TableFile", "TablePart", "check_header", "common_kind", "stream_kind", "table_files"]

_KINDS = {"Parquet": "a Parquet file", "Arrow": "an Arrow file", "delimited": "a text table"} | ARRAYS


class TablePart(Protocol):
    """Some of the rows of a table in a file."""

    @property
    def n_rows(self) -> int:
        """How many there are; before they were read, at most so many."""
        ...

    def frames(self) -> Iterator[Frame]:
        """The rows piece by piece."""
        ...

    def checked(self, n_rows: int, columns: Sequence[str]) -> TablePart:
        """The same part, after it was read once, and so many rows were found; from now on only
        these of its columns are read."""
        ...


class TableFile(Protocol):
    """A file with named columns, as `ParquetFile`, `ArrowFile` and `TextFile` are."""

    @property
    def file(self) -> SeenFile:
        """Which file."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Of its columns."""
        ...

    @property
    def kinds(self) -> dict[str, str]:
        """Of its columns by their names: what values they hold."""
        ...

    @property
    def index(self) -> tuple[str, ...]:
        """The columns that number or name the rows."""
        ...

    @property
    def headed(self) -> bool:
        """Whether it names its columns."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about how it is read."""
        ...

    @property
    def held_bytes(self) -> int:
        """Memory that a reading takes besides the pieces."""
        ...

    def parts(self, columns: Sequence[str], piece_rows: int) -> Sequence[TablePart]:
        """Its rows in parts."""
        ...


def stream_kind(path: Path) -> str | None:
    """What kind of file this is, of those that are read piece by piece; None for others.

    Raises:
        FileError: it cannot be read.
    """
    SeenFile.of(path)
    file = unbounded(path)
    kind = kind_of_file(file)
    if kind == "columnar":
        found = str(kind_of_bytes(file.starts_with())).split()[0]
        if found not in ("Parquet", "Arrow", "Feather"):
            raise FileError(f"{path}: is neither a Parquet nor an Arrow file; give it the ending that fits its content")
        return "Arrow" if found == "Feather" else found
    return kind if kind in _KINDS else None


def common_kind(paths: Sequence[Path]) -> str:
    """The kind of all files."""
    kinds = [stream_kind(path) for path in paths]
    for path, kind in zip(paths, kinds, strict=True):
        if kind is None:
            raise FileError(
                f"{path}: is of a kind that is not read piece by piece; give {', '.join(_KINDS.values())}, or read it "
                "whole with read_table"
            )
        if kind != kinds[0]:
            raise FileError(
                f"{path}: is {_KINDS[kind]}, and {paths[0]} is {_KINDS[str(kinds[0])]}; give files of one kind"
            )
    return str(kinds[0])


def check_header(header: str, kind: str, path: Path) -> None:
    """Refuse to be told of a header line where no text is read."""
    if header != "auto" and kind != "delimited":
        raise ArgumentError(f"header={header!r}: {path} is not a text table; leave the option out")


def table_files(paths: Sequence[Path], kind: str, header: str, expected: set[str]) -> list[TableFile]:
    """Files with named columns; the first decides whether texts have a header line."""
    if kind != "delimited":
        return [ParquetFile.of(path) if kind == "Parquet" else ArrowFile.of(path) for path in paths]
    first = TextFile.of(paths[0], header, expected)
    header = "no" if not first.headed else header
    return [first, *(TextFile.of(path, header, set(first.names)) for path in paths[1:])]
