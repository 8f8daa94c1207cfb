"""Text tables in parts: ranges of bytes that begin where rows do, of which a piece at a time is in
memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import FileError
from polytome.tables.frames import Frame
from polytome.tables.readers.columnar import ArrowText, import_pyarrow
from polytome.tables.readers.delimited import Text, check_is_text, header_notes, line_of_row, read_columns
from polytome.tables.readers.dialects import Dialect, find_dialect, named_separator, sample_lines
from polytome.tables.readers.headers import Decision, decide_header
from polytome.tables.readers.opening import Allowance, read_exactly
from polytome.tables.readers.row_index import is_index_name
from polytome.tables.streams.lines import LONGEST_ROW, PIECE_BYTES, Range, RowText, end_of_row, ranges_of, row_texts
from polytome.tables.streams.places import SeenFile, unbounded

__all__ = ["TextFile", "TextPart"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SCANNED_ROWS = 2**20  # of a piece, where it is only looked at


@dataclass(frozen=True)
class TextFile:
    """What the beginning of a text table says: how it is written, and its columns.

    Attributes:
        file: which file.
        names: of its columns; without a header line `column_1`, `column_2`, ...
        places: of these columns in a row.
        width: cells of a row.
        index: columns that number or name the rows.
        headed: whether it has a header line.
        notes: what a user should know about how it is read.
        separator, quote: how it is written; see `Dialect`.
        begin: the byte at which the rows begin.
        line: the line on which they do.
    """

    file: SeenFile
    names: tuple[str, ...]
    places: tuple[int, ...]
    width: int
    index: tuple[str, ...]
    headed: bool
    notes: tuple[str, ...]
    separator: str
    quote: str | None
    begin: int
    line: int

    @classmethod
    def of(cls, path: Path, header: str = "auto", expected: Collection[str] = ()) -> TextFile:
        """Look at the beginning of a file, and at all of it where there are quotation marks.

        Args:
            path: the file, plain or compressed.
            header: as for `read_table`.
            expected: names that the table should have.

        Raises:
            FileError: the file is empty, not text, or names a column twice.
            MissingExtraError: pyarrow is not installed.
        """
        import_pyarrow(str(path))
        file, source = SeenFile.of(path), str(path)
        with unbounded(path).opened() as stream:
            start = read_exactly(stream, 2 * LONGEST_ROW)
        rest = start.removeprefix(_BYTE_ORDER_MARK)
        check_is_text(source, rest)
        head, named = named_separator(rest)
        skipped, line = len(start) - len(head), 2 if named else 1
        sample = sample_lines(source, head, Allowance.of(file.size))

        def lines() -> Iterator[bytes]:
            with unbounded(path).opened() as stream:
                read_exactly(stream, skipped)
                for piece in row_texts(source, stream, _SCANNED_ROWS, line=line):
                    yield piece.text

        dialect = find_dialect(lines, sample, named)
        rows = [row for _, row in dialect.rows(sample)]
        if not rows:
            raise FileError(f"{source}: holds no rows, only blank lines")
        decision = decide_header(rows, expected) if header == "auto" else Decision(header == "yes")
        names = [cell.strip() if decision.headed else "" for cell in rows[0]]
        begin = end_of_row(head, dialect) if decision.headed else 0
        line += head.count(b"\n", 0, begin)
        nameless = [place for place, name in enumerate(names) if not name] if decision.headed else []
        names = [name or f"column_{place + 1}" for place, name in enumerate(names)]
        twice = [name for name, count in Counter(names).items() if count > 1]
        places = tuple(range(len(names)))
        how = (dialect.separator, dialect.quote, skipped + begin, line)
        found = cls(file, tuple(names), places, len(names), (), decision.headed, (), *how)
        blank, odd = found._odd_columns(nameless)
        places = tuple(place for place in places if place not in blank)
        if twice and len({names[place] for place in places}) < len(places):
            raise FileError(f"{source}, line 1: the header names {twice[0]!r} twice; give each column its own name")
        names = [names[place] for place in places]
        index = [name for name in names if name in odd and len(odd) < len(names)]
        notes = header_notes(decision, names, header, 2 if named else 1)
        return replace(found, names=tuple(names), places=places, index=tuple(index), notes=notes)

    @property
    def kinds(self) -> dict[str, str]:
        """Of its columns by their names: whether they are numbers is seen when they are read."""
        return dict.fromkeys(self.names, "text")

    @property
    def held_bytes(self) -> int:
        """Memory that a reading takes besides the pieces: text, and the strings that it is cut
        into."""
        return 16 * PIECE_BYTES

    def parts(self, columns: Sequence[str], piece_rows: int) -> list[TextPart]:
        """Its rows in parts, each a range of bytes.

        Raises:
            FileError: a row is too long, or a byte is zero; the message names the line.
        """
        places = tuple(self.places[self.names.index(name)] for name in columns)
        ranges = ranges_of(self.file, piece_rows, self._dialect, self.begin, self.line)
        return [TextPart(self, tuple(columns), places, found, n_rows) for found, n_rows in ranges]

    def _texts(self, piece_rows: int) -> Iterator[RowText]:
        """All of its rows in pieces."""
        with unbounded(self.file.path).opened() as stream:
            read_exactly(stream, self.begin)
            yield from row_texts(str(self.file), stream, piece_rows, self._dialect, self.line)

    @property
    def _dialect(self) -> Dialect:
        return Dialect(self.separator, self.quote)

    def frame(self, text: bytes, line: int, columns: Sequence[str], places: Sequence[int]) -> Frame | None:
        """Whole rows as a table of the columns at these places of a row; None for blank lines
        alone."""
        if not text.strip():
            return None
        source = str(self.file)
        found = read_columns(Text(source, text, self._dialect, line), self.width, places)
        return Frame(tuple(columns), tuple(map(ArrowText, found)), source, headed=self.headed)

    def _odd_columns(self, nameless: Sequence[int]) -> tuple[set[int], set[str]]:
        """The columns without a name that are blank, and those that look like an index: one more
        reading, where there are such columns."""
        looked_at = [place for place, name in enumerate(self.names) if place in nameless or is_index_name(name)]
        if not looked_at or not self.headed:
            return set(), set()
        seen = {place: _Odd() for place in looked_at}
        for piece in self._texts(_SCANNED_ROWS):
            names = [self.names[place] for place in looked_at]
            frame = self.frame(piece.text, piece.line, names, looked_at)
            for place, cells in zip(looked_at, () if frame is None else frame.cells, strict=frame is not None):
                codes, words = cells.words()
                seen[place].see(cells.numbers(), codes, words)
        blank = {place for place in nameless if seen[place].is_blank}
        # As in memory: the first column where it has no name, and those that pandas has named.
        index = {
            self.names[place]
            for place, odd in seen.items()
            if (place == 0 or is_index_name(self.names[place])) and place not in blank and odd.tells_rows_apart
        }
        return blank, index


class _Odd:
    """What is seen of a column that may be blank, or an index: the hash of each different cell."""

    def __init__(self) -> None:
        self.is_blank, self._has_gaps, self._all_numbers, self._all_whole = True, False, True, True
        self._n_rows, self._hashes = 0, np.empty(0, dtype=np.int64)

    def see(self, numbers: NDArray[Any], codes: NDArray[Any], words: Sequence[str]) -> None:
        """Look at more cells."""
        self.is_blank = self.is_blank and not words
        self._has_gaps = self._has_gaps or bool((codes < 0).any())
        self._all_numbers = self._all_numbers and bool(np.isfinite(numbers).all())
        self._all_whole = self._all_whole and self._all_numbers and bool((numbers == np.floor(numbers)).all())
        self._n_rows += len(codes)
        self._hashes = np.union1d(self._hashes, np.array([hash(word) for word in words], dtype=np.int64))

    @property
    def tells_rows_apart(self) -> bool:
        """Whether cells are whole numbers most of which differ, or texts all of which do."""
        most = self._n_rows / 2 if self._all_whole else self._n_rows - 1
        return not self._has_gaps and self._all_whole >= self._all_numbers and len(self._hashes) > most


@dataclass(frozen=True)
class TextPart:
    """A range of bytes of a text table.

    Attributes:
        table: whose it is.
        columns: those that are read.
        places: of these in a row.
        range: the bytes.
        n_rows: how many rows it has; before it was read, at most so many.
    """

    table: TextFile
    columns: tuple[str, ...]
    places: tuple[int, ...]
    range: Range
    n_rows: int

    def __str__(self) -> str:
        return str(self.table.file)

    def checked(self, n_rows: int, columns: Sequence[str]) -> TextPart:
        """The same part with some of its columns, after it was read once, and so many rows were
        found."""
        places = tuple(self.places[self.columns.index(name)] for name in columns)
        return replace(self, n_rows=n_rows, columns=tuple(columns), places=places)

    def frames(self) -> Iterator[Frame]:
        """The rows piece by piece.

        Raises:
            FileError: the file has changed since it was first opened, or a row has more or fewer
                cells than others.
        """
        for number, text in enumerate(self.range.texts()):
            frame = self.table.frame(text, self.range.lines[number], self.columns, self.places)
            if frame is not None:
                yield replace(frame, locate=partial(self._line, number))

    def _line(self, number: int, row: int) -> str:
        """On which line a row of a piece begins."""
        text = Text(str(self), next(self.range.texts(number)), self.table._dialect, self.range.lines[number])
        return line_of_row(text, False, row)
