"""Read a table, a view or the rows of a query from a file of SQLite, which is opened for reading
alone.

Reference:
    https://sqlite.org/datatype3.html: a column may hold values of several types.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import quote

from polytome.errors import ArgumentError, DataError, FileError
from polytome.plain.names import suggested
from polytome.tables.frames import Cells, Frame, cells_of, listing
from polytome.tables.readers.columnar import UnusableCells
from polytome.tables.readers.opening import Allowance, InputFile

__all__ = ["QUERIES", "gathered", "read_database"]

_ROWS_AT_A_TIME = 10_000
_BYTES_OF_VALUE = 64
QUERIES = ("select", "with", "values")
"""The first words of what is read as a query and not as the name of a table."""
_READING = frozenset([sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE])
_TABLES = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"


def read_database(file: InputFile) -> Frame:
    """Read rows of an SQLite file.

    Args:
        file: the file; after `#` its name has a table or view, or a query that begins with SELECT,
            WITH or VALUES. Without it, the only table is read.

    Returns:
        The frame: numbers are numbers, text is text, NULL is missing.

    Raises:
        ArgumentError: there is no such table, there are several and none is named, or the query
            cannot be run or would write.
        FileError: the file is damaged, has no rows, or needs more memory than is allowed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "shop.db")
        ...     with closing(sqlite3.connect(path)) as database, database:
        ...         _ = database.execute("CREATE TABLE people (age INTEGER, hue TEXT)")
        ...         _ = database.execute("INSERT INTO people VALUES (25, 'red'), (31, NULL)")
        ...     frame = read_database(InputFile(f"{path}#select age, hue from people where age > 30"))
        >>> frame.names, frame["age"].numbers(), frame["hue"].words()[0]
        (('age', 'hue'), array([31.]), array([-1]))
    """
    try:
        with closing(_opened(file)) as database:
            return _rows_of(file, database, _query_of(file, database))
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # also of a damaged name
        raise FileError(f"{file}: cannot be read as an SQLite database ({error}); is it damaged, or locked?") from error


def _opened(file: InputFile) -> sqlite3.Connection:
    if file.is_plain:
        return sqlite3.connect(f"file:{quote(str(file.path.absolute()))}?mode=ro", uri=True)
    database = sqlite3.connect(":memory:")
    database.deserialize(file.contents())
    return database


def _query_of(file: InputFile, database: sqlite3.Connection) -> str:
    """What is to be run."""
    if file.part is not None and file.part.strip().lower().startswith(QUERIES):
        return file.part
    names = [name for (name,) in database.execute(_TABLES)]
    if not names:
        raise FileError(f"{file}: has no table; there is nothing to read")
    if file.part is None and len(names) > 1:
        raise ArgumentError(
            f"{file}: has {len(names)} tables, {listing(names)}; name one of them, as in '{file.path}#{names[0]}', or "
            f"give a query: '{file.path}#select ...'"
        )
    name = names[0] if file.part is None else file.part
    if name not in names:
        raise ArgumentError(
            f"{file}: has no table {suggested(name, names)}; choose one of {listing(names)}, or give a query that "
            "begins with SELECT"
        )
    escaped = name.replace('"', '""')
    return f'SELECT * FROM "{escaped}"'


def _rows_of(file: InputFile, database: sqlite3.Connection, query: str) -> Frame:
    """Run a query and gather its columns."""
    database.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY)
    source = str(file)
    try:
        found = database.execute(query)
    except (sqlite3.Error, sqlite3.Warning) as error:
        if "not a database" in str(error) or "malformed" in str(error):
            raise
        raise ArgumentError(
            f"{source}: the query cannot be run ({error}); give one query that reads, and nothing else"
        ) from error
    names = [name for name, *_ in found.description]
    return gathered(source, names, lambda: found.fetchmany(_ROWS_AT_A_TIME), file.allowance)


def gathered(
    source: str, names: Sequence[str], some_rows: Callable[[], Sequence[Sequence[Any]]], allowance: Allowance
) -> Frame:
    """The columns of the rows that a query gives.

    Args:
        source: what messages call it.
        names: of the columns.
        some_rows: gives the next rows, and none at the end.
        allowance: of their memory.

    Raises:
        ArgumentError: a name stands twice.
        FileError: there are no rows, or too many.
        DataError: text cannot be read.
    """
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ArgumentError(f"{source}: names the column {twice[0]!r} twice; name one of them AS something else")
    columns: list[list[Any]] = [[] for _ in names]
    n_bytes = n_rows = 0
    while rows := some_rows():
        n_rows += len(rows)
        for column, values in zip(columns, zip(*rows, strict=True), strict=True):
            column += values
            n_bytes += sum(len(value) for value in values if isinstance(value, str | bytes))
        n_bytes += _BYTES_OF_VALUE * len(rows) * len(names)
        allowance.check(source, n_bytes, f"{n_rows:,} rows or more of {len(names):,} columns")
    if not n_rows:
        raise FileError(f"{source}: has 0 rows and {len(names)} columns; there is nothing to read")
    return Frame(tuple(names), tuple(_cells(source, *each) for each in zip(names, columns, strict=True)), source)


def _cells(source: str, name: str, values: list[Any]) -> Cells:
    """The cells of a column; it may hold bytes, which are no value."""
    other = next((value for value in values if not isinstance(value, str | bool | int | float | None)), None)
    if other is not None:
        what = "bytes (a BLOB)" if isinstance(other, bytes) else f"values of the type {type(other).__name__}"
        return UnusableCells(
            len(values),
            f"{source}, column {name!r}: holds {what}, neither numbers nor text; convert it in the query, or "
            f"leave it out with --drop {name}",
        )
    try:
        return cells_of(values)
    except ValueError as error:  # such as a lone surrogate
        raise DataError(f"{source}, column {name!r}: cannot be read ({error}); correct it") from error
