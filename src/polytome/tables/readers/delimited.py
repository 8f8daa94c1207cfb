"""Read text tables: cells separated by commas, tabs, semicolons, bars or blanks, with or without a
header."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from polytome.errors import FileError
from polytome.tables.frames import Cells, Frame, listing
from polytome.tables.readers.columnar import ArrowText, import_pyarrow
from polytome.tables.readers.dialects import SEPARATORS, Dialect, find_dialect, named_separator, sample_lines
from polytome.tables.readers.encodings import as_utf8
from polytome.tables.readers.headers import Decision, decide_header
from polytome.tables.readers.opening import Allowance, InputFile, kind_of_bytes
from polytome.tables.readers.row_index import mark_index

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "Text",
    "check_is_text",
    "header_notes",
    "line_of_row",
    "parse_delimited",
    "read_columns",
    "read_delimited",
]

_BLOCK_BYTES = 1 << 20
_MOST_BLOCK_BYTES = (1 << 31) - 1  # which pyarrow holds in 32 bits
_CELL_BYTES = 16
"""Bytes that a cell takes besides its letters: where it begins, and the number that it becomes."""
_REMEDIES = {
    "Excel workbook": "give it the ending .xlsx, or save its table as CSV",
    "OpenDocument file": "give it the ending .ods, or save its table as CSV",
    "Excel": "give it the ending .xls, or save its table as CSV",
    "SQLite database": "give it the ending .db",
    "zip": "unpack it",
    "gzip": "unpack it",
    "bzip2": "unpack it",
    "xz": "unpack it",
    "zstd": "unpack it",
}


class Text(NamedTuple):
    """A table as text, and how to read it."""

    source: str
    data: bytes
    dialect: Dialect
    first_line: int
    """What its first line is in the file."""

    def decoded(self) -> str:
        """All of it, with newlines alone at the ends of lines."""
        return self.data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def read_delimited(
    path: Path | InputFile, *, header: str = "auto", expected: Collection[str] = (), encoding: str | None = None
) -> Frame:
    """Read a text table; every cell stays text until its number is needed.

    Args:
        path: the file, perhaps compressed.
        header: "yes", "no", or "auto" to find out; see `polytome.tables.readers.headers`. The notes
            of the frame say what was decided where there is doubt.
        expected: names that the table should have.
        encoding: see `as_utf8`.

    Returns:
        The frame; without a header its columns are `column_1`, `column_2`, ...; columns that have
        neither a name nor any value (they come from separators at the ends of lines) are left out.

    Raises:
        FileError: the file is empty, not text, not UTF-8, ragged, or names a column twice.
        MissingExtraError: pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "tiny.csv")
        ...     _ = path.write_text("age,colour\\n25,red\\n31,blue\\n")
        ...     frame = read_delimited(path)
        >>> frame.names, frame["age"].numbers()
        (('age', 'colour'), array([25., 31.]))
    """
    file = InputFile.of(path)
    allowance = file.allowance
    rules: dict[str, Any] = {"header": header, "expected": expected, "allowance": allowance, "encoding": encoding}
    return parse_delimited(file.contents(), str(file), **rules)


def parse_delimited(
    data: bytes,
    source: str,
    *,
    header: str = "auto",
    expected: Collection[str] = (),
    allowance: Allowance | None = None,
    encoding: str | None = None,
) -> Frame:
    """Read a text table that is in memory, such as the body of a request; see `read_delimited`.

    Args:
        data: the text.
        source: what messages call it.
        header: as for `read_delimited`.
        expected: as for `read_delimited`.
        allowance: of memory; None is that of a file of this size.
        encoding: see `as_utf8`.

    Raises:
        FileError: as for `read_delimited`.
        MissingExtraError: pyarrow is not installed.

    Example:
        >>> parse_delimited(b"age,colour\\n25,red\\n", "the body").names
        ('age', 'colour')
    """
    import_pyarrow(source)
    allowance = allowance or Allowance.of(len(data))
    data = as_utf8(data, source, encoding)
    check_is_text(source, data)
    data, named = named_separator(data)
    sample = sample_lines(source, data, allowance)
    text = Text(source, data, find_dialect(lambda: [data], sample, named), first_line=2 if named else 1)
    rows = [row for _, row in text.dialect.rows(sample)]
    if not rows:
        raise FileError(f"{source}: holds no rows, only blank lines")
    width, lines = len(rows[0]), max(data.count(b"\n"), data.count(b"\r")) + 1
    allowance.check(
        source, len(data) + lines * width * _CELL_BYTES, f"a table of {lines:,} lines and {width:,} columns"
    )
    decision = decide_header(rows, expected) if header == "auto" else Decision(header == "yes")
    headed = decision.headed
    columns = read_columns(text, width)
    if headed:
        columns = [column.slice(1) for column in columns]
    if not columns[0]:
        remedy = "" if encoding is None else f"; is it {encoding}? another --encoding may make lines of it"
        raise FileError(
            f"{source}: holds a header line and no rows; add rows, or use --header no if line 1 is data{remedy}"
        )
    names, cells = _name_columns(source, rows[0] if headed else None, [ArrowText(column) for column in columns])
    locate = partial(line_of_row, text, headed)
    notes = header_notes(decision, names, header, text.first_line)
    frame = Frame(names, cells, source, headed=headed, locate=locate, notes=notes)
    return mark_index(frame, {"column_1"} if headed and not rows[0][0].strip() else ())


def check_is_text(source: str, data: bytes) -> None:
    """Refuse what is not UTF-8 text, naming the line of the first byte that is not."""
    kind = kind_of_bytes(data[:100])
    if kind:
        remedy = _REMEDIES.get(kind, "give it the ending that fits its content")
        raise FileError(f"{source}: is a file of the kind {kind}, not text; {remedy}")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FileError(f"{source}: is UTF-16 text, which is not read piece by piece; save it as UTF-8")
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise FileError(
            f"{source}, line {line}: contains a zero byte, so this is not a text file; check what kind of file it is"
        )


def read_columns(text: Text, width: int, wanted: Sequence[int] | None = None) -> list[pyarrow.ChunkedArray]:
    """Split the whole text into columns of strings.

    Args:
        text: whole rows of a table.
        width: how many cells each must have.
        wanted: the places of the columns to return; None for all.

    Raises:
        FileError: a row has another number of cells, or a letter is not UTF-8.
    """
    import pyarrow

    try:
        columns = _cut(text, width, wanted, _BLOCK_BYTES)
    except pyarrow.ArrowInvalid as error:
        if len(text.data) <= _BLOCK_BYTES:
            raise FileError(_explain(text, width, str(error))) from error
        try:  # a row that is longer than a block
            columns = _cut(text, width, wanted, min(len(text.data), _MOST_BLOCK_BYTES))
        except pyarrow.ArrowException as error:
            raise FileError(_explain(text, width, str(error))) from error
    if text.dialect.quote and text.data.count(text.dialect.quote.encode()) % 2:
        _refuse_open_quote(text)
    return columns


def _cut(text: Text, width: int, wanted: Sequence[int] | None, block_bytes: int) -> list[pyarrow.ChunkedArray]:
    """Let pyarrow split the text, a block at a time."""
    import pyarrow
    from pyarrow import csv as arrow_csv

    names = [str(number) for number in range(width)]
    table = arrow_csv.read_csv(
        pyarrow.BufferReader(text.data),
        read_options=arrow_csv.ReadOptions(column_names=names, block_size=block_bytes),
        parse_options=arrow_csv.ParseOptions(
            delimiter=text.dialect.separator,
            quote_char=text.dialect.quote or False,
            newlines_in_values=text.dialect.quote is not None and text.dialect.quote.encode() in text.data,
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pyarrow.string()),
            include_columns=None if wanted is None else [str(place) for place in wanted],
            strings_can_be_null=False,
        ),
    )
    return list(table.columns)


def _refuse_open_quote(text: Text) -> None:
    """Refuse a quotation mark that is never closed: it makes one cell of all that follows, without
    an error."""
    line = text.first_line
    for cell in text.dialect.cells(text.decoded()):
        if cell.is_open:
            raise FileError(f"{text.source}, line {line}: a quotation mark is opened and never closed; close it")
        line += cell.text.count("\n") + (cell.end == "\n")


def _name_columns(
    source: str, header: Sequence[str] | None, cells: Sequence[ArrowText]
) -> tuple[tuple[str, ...], tuple[Cells, ...]]:
    """Give every column its name, leave out the nameless empty ones, and refuse a name that comes
    twice."""
    named: dict[str, Cells] = {}
    for number, column in enumerate(cells, start=1):
        name = header[number - 1].strip() if header else ""
        if header and not name and column.is_blank():
            continue
        name = name or f"column_{number}"
        if name in named:
            raise FileError(f"{source}, line 1: the header names {name!r} twice; give each column its own name")
        named[name] = column
    return tuple(named), tuple(named.values())


def header_notes(decision: Decision, names: Sequence[str], header: str, line: int) -> tuple[str, ...]:
    """Say how the first line was read, if this could be wrong."""
    if decision.reason:
        return (
            f"line {line} is read as the names of the columns, {listing(names, 4)}, because {decision.reason}; "
            "use --header no if it is a row",
        )
    if decision.headed or header != "auto":
        return ()
    return (
        f"no line of names was found, so the columns are {listing(names, 4)}; use --header yes if line {line} is one",
    )


def line_of_row(text: Text, headed: bool, row: int) -> str:
    """Find the line on which a row starts."""
    for position, (line, _, _) in enumerate(text.dialect.widths(text.decoded()), start=-int(headed)):
        if position == row:
            return f"line {line + text.first_line - 1}"
    return f"row {row + 1}"


def _explain(text: Text, width: int, reason: str) -> str:
    """Say which line cannot be read, what it holds and what to do."""
    try:
        decoded = text.decoded()
    except UnicodeDecodeError as error:
        line = text.data.count(b"\n", 0, error.start) + text.first_line
        byte = text.data[error.start]
        return (
            f"{text.source}, line {line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8, or name its "
            "encoding, as in --encoding cp1252 (of Windows); pieces of a long file are in UTF-8"
        )
    name = SEPARATORS.get(text.dialect.separator, text.dialect.separator)
    for line, found, is_split in text.dialect.widths(decoded):
        if found != width:
            hint = "; is a quotation mark left open?" if is_split else ""
            return (
                f"{text.source}, line {line + text.first_line - 1}: {found} cells where the first line has {width} "
                f"(separator: {name}){hint}; give every line the same number of cells"
            )
    return f"{text.source}: cannot be read as a text table ({reason}); is a quotation mark left open?"
