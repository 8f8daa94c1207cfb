"""Cut text that does not fit into memory into pieces of whole lines, or of whole rows of a
table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polytome.errors import FileError
from polytome.tables.readers.dialects import Dialect, enclose_cells
from polytome.tables.readers.opening import read_exactly
from polytome.tables.streams.places import SeenFile, unbounded

__all__ = ["LONGEST_ROW", "PIECE_BYTES", "Range", "RowText", "end_of_row", "ranges_of", "row_texts"]

LONGEST_ROW = 2**24
"""Bytes of one row: rows that are read piece by piece must not be longer."""
PIECE_BYTES = 2**22
"""Bytes that are read at a time."""
_PIECES_OF_RANGE = 4
_HEAD_BYTES = 2**16
_RowEnds = Callable[[bytes], NDArray[np.int64]]


class RowText(NamedTuple):
    """Some whole rows of a text."""

    text: bytes
    line: int
    """The line of the file on which they begin."""
    n_lines: int
    """How many lines end in them, those within cells not counted: at least the number of rows."""


def row_texts(
    source: str, stream: IO[bytes], most_rows: int, dialect: Dialect | None = None, line: int = 1
) -> Iterator[RowText]:
    """Cut what a stream gives into pieces of whole rows, with bounds on their bytes and rows.

    Args:
        source: what messages call the file.
        stream: the text.
        most_rows: of a piece.
        dialect: of the table; without one each line is a row.
        line: on which the text begins.

    Raises:
        FileError: a row is longer than `LONGEST_ROW`.

    Example:
        >>> import io
        >>> rows = io.BytesIO(b'1,"a\\nb"\\n2,c\\n3,d')
        >>> [piece.text for piece in row_texts("t.csv", rows, 2, Dialect(",", '"'))]
        [b'1,"a\\nb"\\n2,c\\n', b'3,d']
    """
    find = _line_ends if dialect is None or dialect.quote is None else _ends_of_rows(dialect)
    rest = b""
    while True:
        block = stream.read(PIECE_BYTES)
        text = rest + block
        ends = find(text) if b"\n" in text or b"\r" in text else np.empty(0, dtype=np.int64)
        if not block and text and (not len(ends) or ends[-1] < len(text)):
            ends = np.append(ends, len(text))
        begin = 0
        for start in range(0, len(ends), most_rows):
            some = ends[start : start + most_rows]
            piece = text[begin : some[-1]]
            begin = int(some[-1])
            yield RowText(piece, line, len(some))
            line += piece.count(b"\n")
        rest = text[begin:]
        if len(rest) > LONGEST_ROW:
            hint = "; is a quotation mark left open?" if dialect is not None and dialect.quote else ""
            raise FileError(
                f"{source}, line {line}: is longer than {LONGEST_ROW >> 20} MiB, the most that a row may have which is "
                f"read piece by piece{hint or '; do its lines end?'}"
            )
        if not block:
            return


@dataclass(frozen=True)
class Range:
    """A range of bytes of a text that begins and ends where rows do.

    Attributes:
        file: which file.
        begin: its first byte, counted without compression.
        ends: the bytes at which its pieces end.
        lines: those on which they begin.
    """

    file: SeenFile
    begin: int
    ends: tuple[int, ...]
    lines: tuple[int, ...]

    def texts(self, first: int = 0) -> Iterator[bytes]:
        """Its pieces, from one on.

        Raises:
            FileError: the file has changed since it was first opened, or is damaged.
        """
        self.file.check()
        file = unbounded(self.file.path)
        begin = self.ends[first - 1] if first else self.begin
        with file.opened() as stream:
            if file.is_plain:
                stream.seek(begin)
            else:
                _skip(stream, begin)
            for end in self.ends[first:]:
                yield read_exactly(stream, end - begin)
                begin = end


def ranges_of(
    file: SeenFile, most_rows: int, dialect: Dialect | None = None, begin: int = 0, line: int = 1
) -> list[tuple[Range, int]]:
    """Cut a text into ranges, each with a bound on its rows: of a compressed file one, since it can
    only be read from its beginning.

    Args:
        file: the text.
        most_rows: of a piece.
        dialect: of a table; without one each line is a row.
        begin: the byte where its rows begin.
        line: the line where they do.

    Raises:
        FileError: a row is too long, or a byte is zero; the message names the line.
    """
    found: list[tuple[Range, int]] = []
    most = _PIECES_OF_RANGE if unbounded(file.path).is_plain else None
    with unbounded(file.path).opened() as stream:
        read_exactly(stream, begin)
        pieces = _looked_at(file, row_texts(str(file), stream, most_rows, dialect, line))
        while some := list(islice(pieces, most)):
            sizes, lines, counts = zip(*some, strict=True)
            ends = tuple((begin + np.cumsum(sizes)).tolist())
            found.append((Range(file, begin, ends, lines), sum(counts)))
            begin = ends[-1]
    return found


def _looked_at(file: SeenFile, pieces: Iterator[RowText]) -> Iterator[tuple[int, int, int]]:
    """The bytes, the line and the number of lines of each piece."""
    for piece in pieces:
        if b"\0" in piece.text:
            line = piece.line + piece.text.count(b"\n", 0, piece.text.index(b"\0"))
            raise FileError(
                f"{file}, line {line}: contains a zero byte, so this is not a text file; check what kind of file it is"
            )
        yield len(piece.text), piece.line, piece.n_lines


def _skip(stream: IO[bytes], size: int) -> None:
    """Read and forget so many bytes."""
    while size > 0 and (piece := stream.read(min(size, PIECE_BYTES))):
        size -= len(piece)


def end_of_row(text: bytes, dialect: Dialect) -> int:
    """Where the first row ends that is not blank.

    Example:
        >>> end_of_row(b"\\na,b\\n1,2\\n", Dialect(",", None))
        5
    """
    find = _line_ends if dialect.quote is None else _ends_of_rows(dialect)
    size = _HEAD_BYTES
    while True:
        begin = 0
        for end in map(int, find(text[:size])):
            if text[begin:end].strip(b"\r\n"):
                return end
            begin = end
        if size >= len(text):
            return len(text)
        size *= 4


def _line_ends(text: bytes) -> NDArray[np.int64]:
    return np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n")) + 1


def _ends_of_rows(dialect: Dialect) -> _RowEnds:
    """Finds where the rows of a table end that may have line breaks in quotation marks."""
    separator, quote = dialect.separator.encode(), str(dialect.quote).encode()
    s, q = re.escape(separator), quote
    cell = rb"(?:%b[^%b]*+(?:%b%b[^%b]*+)*+%b?+)?+[^%b\r\n]*+" % (q, q, q, q, q, q, s)
    row = re.compile(rb"(?:%b%b)*+%b(?:\r\n?|\n)" % (cell, s, cell))

    def find(text: bytes) -> NDArray[np.int64]:
        last = text.rfind(b"\n") + 1
        if enclose_cells(text[:last], separator, quote):
            return _line_ends(text)
        found, place = [], 0
        while (match := row.match(text, place)) is not None:
            place = match.end()
            found.append(place)
        if found and place == len(text) and text.endswith(b"\r"):  # perhaps half of an end
            found.pop()
        return np.array(found, dtype=np.int64)

    return find
