"""Read text tables: cells separated by commas, tabs, semicolons, bars or blanks, with or without a header."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from polytome.errors import FileError
from polytome.frames import Cells, Frame, listing
from polytome.readers.columnar import ArrowText, import_pyarrow
from polytome.readers.headers import Decision, decide_header
from polytome.readers.opening import kind_of_bytes, opened
from polytome.readers.row_index import mark_index

if TYPE_CHECKING:
    import pyarrow

__all__ = ["parse_delimited", "read_delimited"]

_SEPARATORS = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma", " ": "blank"}
_SAMPLE_BYTES = 1 << 17
_SAMPLE_ROWS = 100


class _Dialect(NamedTuple):
    """How a text table is written."""

    separator: str
    quote: str


def read_delimited(path: Path, *, header: str = "auto", expected: Collection[str] = ()) -> Frame:
    """Read a text table; every cell stays text until somebody asks for numbers.

    Args:
        path: the file, plain, gzip or bzip2, in UTF-8.
        header: "yes", "no", or "auto" to find out; see `polytome.readers.headers`. The notes of the frame say what
            was found where one could doubt it.
        expected: names that the table should have.

    Returns:
        The frame; without a header its columns are `column_1`, `column_2`, ...; columns that have neither a
        name nor any value (they come from separators at the ends of lines) are left out.

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
    with opened(path) as stream:
        return parse_delimited(stream.read(), str(path), header=header, expected=expected)


def parse_delimited(data: bytes, source: str, *, header: str = "auto", expected: Collection[str] = ()) -> Frame:
    """Read a text table that is in memory, such as the body of a request; see `read_delimited`.

    Args:
        data: the text, in UTF-8.
        source: what messages call it.
        header: as for `read_delimited`.
        expected: as for `read_delimited`.

    Raises:
        FileError: as for `read_delimited`.
        MissingExtraError: pyarrow is not installed.

    Example:
        >>> parse_delimited(b"age,colour\\n25,red\\n", "the body").names
        ('age', 'colour')
    """
    import_pyarrow(source)
    data = data.removeprefix(b"\xef\xbb\xbf")
    _check_is_text(source, data)
    sample = _sample_lines(data)
    dialect = _find_dialect(sample)
    rows = [row for row in csv.reader(sample, delimiter=dialect.separator, quotechar=dialect.quote) if row]
    if not rows:
        raise FileError(f"{source}: holds no rows, only blank lines")
    decision = decide_header(rows, expected) if header == "auto" else Decision(header == "yes")
    headed = decision.headed
    columns = _read_columns(source, data, dialect, len(rows[0]))
    if headed:
        columns = [column.slice(1) for column in columns]
    if not columns[0]:
        raise FileError(f"{source}: holds a header line and no rows; add rows, or say --header no if line 1 is data")
    names, cells = _name_columns(source, rows[0] if headed else None, [ArrowText(column) for column in columns])
    locate = partial(_line_of_row, data, dialect, headed)
    frame = Frame(names, cells, source, headed=headed, locate=locate, notes=_notes(decision, names, header))
    return mark_index(frame, {"column_1"} if headed and not rows[0][0].strip() else ())


def _check_is_text(source: str, data: bytes) -> None:
    """Refuse what is no UTF-8 text, naming the line of the first byte that is not."""
    kind = kind_of_bytes(data)
    if kind:
        raise FileError(f"{source}: is a {kind} file, not text; give it the right ending, or unpack it")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FileError(f"{source}: is UTF-16 text; save it as UTF-8")
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise FileError(f"{source}, line {line}: holds a zero byte, so this is not a text file; check the file's kind")


def _sample_lines(data: bytes) -> list[str]:
    """Decode the first lines, enough to see how the table is written."""
    start = data[:_SAMPLE_BYTES]
    if len(data) > len(start):
        start = start[: start.rfind(b"\n") + 1] or start
    text = start.decode("utf-8", errors="replace")
    return [line for line in io.StringIO(text, newline=None) if line.strip()][:_SAMPLE_ROWS]


def _find_dialect(lines: Sequence[str]) -> _Dialect:
    """Choose the separator that cuts every line into the same number of cells, more than one."""
    first = lines[0].strip() if lines else ""
    quote = "'" if first[:1] == first[-1:] == "'" and '"' not in first else '"'
    shares = {}
    for separator in _SEPARATORS:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator, quotechar=quote) if row]
        usual = max(set(widths), key=widths.count, default=1)
        shares[separator] = widths.count(usual) / len(widths) if usual > 1 else 0.0
        if shares[separator] == 1.0:
            return _Dialect(separator, quote)
    del shares[" "]  # prose is full of blanks: they separate cells only where every line agrees
    likeliest = max(shares, key=lambda separator: shares[separator])
    return _Dialect(likeliest if shares[likeliest] else ",", quote)


def _read_columns(source: str, data: bytes, dialect: _Dialect, width: int) -> list[pyarrow.ChunkedArray]:
    """Cut the whole text into columns of strings."""
    import pyarrow
    from pyarrow import csv as arrow_csv

    names = [str(number) for number in range(width)]
    try:
        table = arrow_csv.read_csv(
            pyarrow.BufferReader(data),
            read_options=arrow_csv.ReadOptions(column_names=names),
            parse_options=arrow_csv.ParseOptions(
                delimiter=dialect.separator,
                quote_char=dialect.quote,
                newlines_in_values=dialect.quote.encode() in data,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pyarrow.string()), strings_can_be_null=False
            ),
        )
    except pyarrow.ArrowInvalid as error:
        raise FileError(_explain(source, data, dialect, width, str(error))) from error
    if data.count(dialect.quote.encode()) % 2:
        _refuse_open_quote(source, data, dialect)
    return list(table.columns)


def _refuse_open_quote(source: str, data: bytes, dialect: _Dialect) -> None:
    """Refuse a quotation mark that is never closed: it makes one cell of all that follows, without an error."""
    text = io.StringIO(data.decode("utf-8"), newline="")
    reader = csv.reader(text, delimiter=dialect.separator, quotechar=dialect.quote, strict=True)
    line = 1
    try:
        for _ in reader:
            line = reader.line_num + 1
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise FileError(f"{source}, line {line}: a quotation mark is opened and never closed; close it") from error


def _name_columns(
    source: str, header: Sequence[str] | None, cells: Sequence[ArrowText]
) -> tuple[tuple[str, ...], tuple[Cells, ...]]:
    """Give every column its name, leave out the nameless empty ones, and refuse a name that comes twice."""
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


def _notes(decision: Decision, names: Sequence[str], header: str) -> tuple[str, ...]:
    """Say what the first line was taken for, where this could be wrong."""
    if decision.reason:
        return (
            f"line 1 is read as the names of the columns, {listing(names, 4)}, because {decision.reason}; "
            "say --header no if it is a row",
        )
    if decision.headed or header != "auto":
        return ()
    return (f"no line of names was found, so the columns are {listing(names, 4)}; say --header yes if line 1 is one",)


def _numbered_rows(data: bytes, dialect: _Dialect) -> Iterator[tuple[int, list[str]]]:
    """Read the text slowly, yielding each row with the line it starts on; a quoted cell may span lines."""
    reader = csv.reader(
        io.StringIO(data.decode("utf-8"), newline=""), delimiter=dialect.separator, quotechar=dialect.quote
    )
    line = 1
    for row in reader:
        if row:
            yield line, row
        line = reader.line_num + 1


def _line_of_row(data: bytes, dialect: _Dialect, headed: bool, row: int) -> str:
    """Find the line on which a row starts."""
    for position, (line, _) in enumerate(_numbered_rows(data, dialect), start=-int(headed)):
        if position == row:
            return f"line {line}"
    return f"row {row + 1}"


def _explain(source: str, data: bytes, dialect: _Dialect, width: int, reason: str) -> str:
    """Say which line cannot be read, what it holds and what to do."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        return f"{source}, line {line}: byte 0x{byte:02x} is not UTF-8 (maybe Latin-1); save the file as UTF-8"
    name = _SEPARATORS[dialect.separator]
    try:
        for line, row in _numbered_rows(data, dialect):
            if len(row) != width:
                hint = "; is a quotation mark left open?" if any("\n" in cell for cell in row) else ""
                return (
                    f"{source}, line {line}: {len(row)} cells where the first line has {width} "
                    f"(separator: {name}){hint}; give every line the same number of cells"
                )
    except csv.Error as error:
        reason = str(error)
    return f"{source}: cannot be read as a text table ({reason}); is a quotation mark left open?"
