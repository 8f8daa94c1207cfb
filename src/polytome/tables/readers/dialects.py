"""How a text table is written: what separates its cells, and whether quotation marks enclose
some."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from polytome.tables.readers.opening import Allowance
from polytome.threads import kept

__all__ = ["SEPARATORS", "Cell", "Dialect", "enclose_cells", "find_dialect", "named_separator", "sample_lines"]

SEPARATORS = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma", " ": "blank"}
"""What separates the cells of a line, and its name."""
_COLUMN_BYTES = 2048
"""Bytes that a column costs besides its cells: its name, and objects of several libraries."""
_SAMPLE_LETTERS = 1 << 17
_SAMPLE_ROWS = 100
_NAMED = re.compile(rb'"?sep=([\t;|,:!~^ ])"?\r?\n', re.IGNORECASE)


class Cell(NamedTuple):
    """A cell of a text table."""

    text: str
    end: str
    """What ends it: the separator, a newline, or nothing at the end of the text."""
    stop: int
    """Where the next one begins."""
    is_open: bool = False
    """Whether a quotation mark begins it that is never closed."""


class Dialect:
    """How a text table is written.

    Args:
        separator: of its cells.
        quote: what may enclose a cell, doubled where it is part of one; None where such marks are
            text.

    Example:
        >>> list(Dialect(",", "'").rows("a,b\\n'1\\n2','it''s'\\n3,4"))
        [(1, ['a', 'b']), (2, ['1\\n2', "it's"]), (4, ['3', '4'])]
    """

    def __init__(self, separator: str, quote: str | None) -> None:
        self.separator = separator
        self.quote = quote

    @property
    @kept
    def _cell(self) -> re.Pattern[str]:
        separator, q = re.escape(self.separator), self.quote
        quoted = f"(?:{q}(?P<quoted>[^{q}]*+(?:{q}{q}[^{q}]*+)*+)(?P<close>{q}?+))?+" if q else ""
        return re.compile(f"{quoted}(?P<plain>[^{separator}\\n]*+)(?P<end>{separator}|\\n|\\Z)")

    def cells(self, text: str, position: int = 0) -> Iterator[Cell]:
        """Cut text, whose lines end with newlines, into cells, from a place where one begins."""
        end = "\n"
        while position < len(text) or end == self.separator:
            found = self._cell.match(text, position)
            assert found is not None  # any text begins with a cell, which may be empty
            position, end = found.end(), found["end"]
            quoted = found["quoted"] if self.quote else None
            if quoted is None:
                yield Cell(found["plain"], end, position)
            else:
                inside = quoted.replace(f"{self.quote}{self.quote}", str(self.quote))
                yield Cell(inside + found["plain"], end, position, is_open=not found["close"])

    def rows(self, text: str) -> Iterator[tuple[int, list[str]]]:
        """The rows of a text, each with the number of the line on which it begins; empty lines are
        left out."""
        line, lines, row = 1, 0, []
        for cell in self.cells(text):
            row.append(cell.text)
            lines += cell.text.count("\n")
            if cell.end != self.separator:
                if row != [""]:
                    yield line, row
                line, lines, row = line + lines + 1, 0, []

    def widths(self, text: str) -> Iterator[tuple[int, int, bool]]:
        """As `rows`, with the number of cells in place of them, and whether one of them encloses
        the end of a line.

        A row may have more cells than there is memory for.
        """
        position, line = 0, 1
        while position < len(text):
            end = text.find("\n", position) % (len(text) + 1)  # the end, where there is no newline
            width, lines = 1 + text.count(self.separator, position, end), 0
            if self.quote and text.find(self.quote, position, end) >= 0:
                width = 0
                for cell in self.cells(text, position):
                    width += 1
                    lines += cell.text.count("\n")
                    if cell.end != self.separator:
                        end = cell.stop - len(cell.end)
                        break
            if end > position:
                yield line, width, lines > 0
            position, line = end + 1, line + lines + 1


def named_separator(data: bytes) -> tuple[bytes, str | None]:
    """A table without a first line such as `sep=;`, which tells Excel the separator.

    Example:
        >>> named_separator(b"sep=;\\na;b\\n"), named_separator(b"a;b\\n")
        ((b'a;b\\n', ';'), (b'a;b\\n', None))
    """
    line = _NAMED.match(data)
    return (data[line.end() :], line[1].decode()) if line else (data, None)


def sample_lines(source: str, data: bytes, allowance: Allowance) -> str:
    """Decode the first lines, enough to see how a table is written; no line is cut off.

    Args:
        source: what messages call the file.
        data: all of it, in UTF-8.
        allowance: of memory.

    Raises:
        FileError: a line has more cells than the allowance permits.
    """
    lines: list[str] = []
    size = 0
    for line in io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="replace", newline=None):
        if line.strip():
            cells = 1 + max(map(line.count, SEPARATORS))
            allowance.check(source, cells * _COLUMN_BYTES, f"a line of {cells:,} cells")
            lines.append(line)
            size += len(line)
        if len(lines) == _SAMPLE_ROWS or (size >= _SAMPLE_LETTERS and len(lines) > 1):
            break
    return "".join(lines)


def find_dialect(pieces: Callable[[], Iterable[bytes]], sample: str, separator: str | None) -> Dialect:
    """Tell how a table is written.

    Args:
        pieces: gives all of it, in pieces that end where lines do, each time that it is called.
        sample: its first lines.
        separator: where the file names it; else it is the one that cuts every line into the same
            number of cells, more than one.

    Example:
        >>> text = 'ham\\t"Call me\\nspam\\tYou "won"\\n'
        >>> dialect = find_dialect(lambda: [text.encode()], text, None)
        >>> dialect.separator, dialect.quote
        ('\\t', None)
    """
    first = sample.partition("\n")[0].strip()
    quote = "'" if first[:1] == first[-1:] == "'" and '"' not in first else '"'
    separator = separator or _likeliest_separator(sample, quote)
    return Dialect(separator, None if _quotes_are_text(pieces, separator.encode(), quote.encode()) else quote)


def _likeliest_separator(sample: str, quote: str) -> str:
    """The separator on which most lines agree."""
    shares = {}
    for separator in SEPARATORS:
        shares[separator] = _agreement(sample, Dialect(separator, quote))
        if shares[separator] < 1 and separator != " " and quote in sample:
            shares[separator] = max(shares[separator], _agreement(sample, Dialect(separator, None)))
        if shares[separator] == 1:
            return separator
    del shares[" "]  # prose is full of blanks: they separate cells only if every line agrees
    likeliest = max(shares, key=lambda separator: shares[separator])
    return likeliest if shares[likeliest] else ","


def _agreement(sample: str, dialect: Dialect) -> float:
    """Which part of the rows has the usual number of cells; nothing where that is one."""
    widths = [width for _, width, _ in dialect.widths(sample)]
    usual = max(set(widths), key=widths.count, default=1)
    return widths.count(usual) / len(widths) if usual > 1 else 0.0


def _quotes_are_text(pieces: Callable[[], Iterable[bytes]], separator: bytes, quote: bytes) -> bool:
    """Whether quotation marks are ordinary characters.

    They are where every line has the same number of cells without them, while one of them, were it
    to enclose a cell, would be followed by more text, or enclose the end of a line. The latter
    proves little if the separator also occurs in sentences: a text of two lines with a comma in
    each is not rare.
    """
    if all(enclose_cells(piece, separator, quote) for piece in pieces()):
        return False
    widths: set[int] = set()
    for piece in pieces():
        widths.update(_widths(piece, separator))
        if len(widths) > 1:
            return False
    if widths in (set(), {0}):
        return False
    s, q = re.escape(separator), quote
    closed = rb"%b *+" % q
    if separator in b", " and max(widths) < 3:
        closed = rb"(?:%b|(?=\r?\Z))" % closed
    cell = rb"(?:%b[^%b]*+(?:%b%b[^%b]*+)*+%b|(?!%b)[^%b]*+)" % (q, q, q, q, q, closed, q, s)
    whole = re.compile(rb"%b(?:%b%b)*+" % (cell, s, cell))
    quoted = (piece for piece in pieces() if quote in piece)
    return not all(whole.fullmatch(line) for piece in quoted for line in piece.splitlines() if quote in line)


def _widths(piece: bytes, separator: bytes) -> list[int]:
    """How many separators the lines have that hold more than a carriage return: each number
    once."""
    raw = np.frombuffer(piece, dtype=np.uint8)
    ends = np.append(np.flatnonzero(raw == ord("\n")), len(raw))
    separators = np.flatnonzero(raw == ord(separator))
    widths = np.diff(np.searchsorted(separators, ends), prepend=0)
    found: list[int] = np.unique(widths[np.diff(ends, prepend=-1) > 2]).tolist()
    return found


def enclose_cells(piece: bytes, separator: bytes, quote: bytes) -> bool:
    """Whether all quotation marks of some lines enclose cells, or are doubled in one, on one line
    each; the usual case.

    Example:
        >>> enclose_cells(b'1,"a,b"\\n', b",", b'"'), enclose_cells(b'1,"a\\n', b",", b'"')
        (True, False)
    """
    if quote not in piece:
        return True
    raw = np.frombuffer(piece, dtype=np.uint8)
    marks = np.flatnonzero(raw == ord(quote))
    ends = np.append(np.flatnonzero(raw == ord("\n")), len(raw))
    return _all_enclose(raw, marks, ends, separator + b"\r\n")


def _all_enclose(raw: NDArray[np.uint8], marks: NDArray[np.intp], ends: NDArray[np.intp], around: bytes) -> bool:
    opening, closing = marks[0::2], marks[1::2]
    if len(opening) != len(closing):
        return False
    outside = np.zeros(256, dtype=np.bool_)
    outside[list(around)] = True
    doubled = np.append(closing[:-1] + 1 == opening[1:], False)
    begins = (opening == 0) | outside[raw[opening - 1]] | np.roll(doubled, 1)
    stops = (closing == len(raw) - 1) | outside[raw[np.minimum(closing + 1, len(raw) - 1)]] | doubled
    on_one_line = not (np.searchsorted(marks, ends) % 2).any()
    return bool(on_one_line and begins.all() and stops.all())
