"""Read a table or the rows of a query from any database that SQLAlchemy has an address for, by
reading alone.

`postgresql://reader@host/shop#select age, left from customers`: what follows `#` is a table, a view
or a query, as for a file of SQLite. An address never has a password: other users see it in the list
of processes, and a shell and a model's record would keep it. Drivers find it by themselves
(`PGPASSWORD`, `~/.pgpass`, an option file of MySQL), or it is in `POLYTOME_DATABASE_PASSWORD`.

Reference:
    https://docs.sqlalchemy.org/en/20/core/engines.html: how an address is written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from polytome.errors import ArgumentError, FileError, MissingExtraError
from polytome.plain.names import suggested
from polytome.tables.frames import Frame, listing
from polytome.tables.readers.databases import QUERIES, gathered
from polytome.tables.readers.opening import Allowance, exists

__all__ = ["check_no_password", "is_address", "read_address"]

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9]*(\+[A-Za-z0-9_]+)?://")
_PASSWORD = re.compile(r"(?<=://)([^/:@\s]*):[^\s]*@")
_SECRET = re.compile(r"([?&][^=&#\s]*(?:password|passwd|pwd|secret|token)[^=&#\s]*=)[^&#\s]*", re.IGNORECASE)
_VARIABLE = "POLYTOME_DATABASE_PASSWORD"
_ROWS_AT_A_TIME = 10_000
_READING = {
    "postgresql": "SET TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
    "oracle": "SET TRANSACTION READ ONLY",
}
"""What makes a database refuse to write; others are left by a rollback."""


def is_address(name: object) -> bool:
    """Whether this is the address of a database.

    Example:
        >>> is_address("postgresql+psycopg://reader@host/shop#customers"), is_address("shop.db#customers")
        (True, False)
    """
    return isinstance(name, str) and _ADDRESS.match(name) is not None


def check_no_password(name: str) -> None:
    """Refuse an address that has a password.

    Raises:
        ArgumentError: it has; the message does not show it.

    Example:
        >>> check_no_password("postgresql://me:secret@host/shop")
        Traceback (most recent call last):
        polytome.errors.ArgumentError: postgresql://me:...@host/shop: has a password, which ...
    """
    if is_address(name) and (_PASSWORD.search(name) or _SECRET.search(name)):
        shown = _SECRET.sub(r"\1...", _PASSWORD.sub(r"\1:...@", name))
        raise ArgumentError(
            f"{shown}: has a password, which others see in the list of processes, and which shells and records keep; "
            f"leave it out, and set the variable {_VARIABLE}, or what the driver reads (PGPASSWORD, ~/.pgpass, ...)"
        )


def read_address(name: str, read_limit: float | None = None) -> Frame:
    """Read rows of a database.

    Args:
        name: its address; after `#` a table or view, or a query that begins with SELECT, WITH or
            VALUES. Without it, the only table is read.
        read_limit: gigabytes; see `Allowance`.

    Returns:
        The frame: numbers are numbers, text is text, dates are written as 2026-11-30, NULL is
        missing.

    Raises:
        ArgumentError: the address has a password, or is none; or there is no such table, or the
            query cannot be run or would write.
        FileError: the database does not answer, or there are no rows, or too many for memory.
        MissingExtraError: SQLAlchemy or the driver is not installed.
    """
    check_no_password(name)
    allowance = Allowance.of(0, read_limit)
    address, _, part = name.partition("#")
    with _connected(address) as (connection, sqlalchemy):
        query = _query_of(name, address, part.strip(), connection, sqlalchemy)
        with _told(name, sqlalchemy):
            found = connection.execution_options(yield_per=_ROWS_AT_A_TIME).exec_driver_sql(query)
            if not found.returns_rows:
                raise ArgumentError(f"{name}: the query gives no rows; give one query that reads, and nothing else")

            def some_rows() -> list[tuple[Any, ...]]:
                return [tuple(map(_plain, row)) for row in found.fetchmany(_ROWS_AT_A_TIME)]

            return gathered(name, list(found.keys()), some_rows, allowance)


@contextmanager
def _connected(address: str) -> Iterator[tuple[Any, Any]]:
    """A connection that reads, and the package."""
    try:
        import sqlalchemy
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f'{address}: needs SQLAlchemy, which is not installed: pip install "polytome[sql]", and the driver of the '
            "database"
        ) from error
    try:
        url = sqlalchemy.make_url(address)
        if (password := os.environ.get(_VARIABLE)) is not None and url.username is not None:
            url = url.set(password=password)
        if url.get_backend_name() == "sqlite" and url.database and not exists(url.database):
            raise FileError(f"{address}: no such file; SQLAlchemy would make an empty one")
        engine = sqlalchemy.create_engine(url)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{address}: needs the driver {error.name}, which is not installed: pip install it, or name another in the "
            "address, as in postgresql+psycopg://"
        ) from error
    except sqlalchemy.exc.ArgumentError as error:
        raise ArgumentError(
            f"{address}: is not an address that SQLAlchemy knows ({_first_line(error)}); write "
            "DATABASE://USER@HOST/NAME, with postgresql, mysql, mssql, oracle or another"
        ) from error
    try:
        with _told(address, sqlalchemy, FileError), engine.connect() as connection:
            if reading := _READING.get(engine.dialect.name):
                connection.exec_driver_sql(reading)
            yield connection, sqlalchemy
            connection.rollback()
    finally:
        engine.dispose()


@contextmanager
def _told(name: str, sqlalchemy: Any, kind: type[ArgumentError | FileError] = ArgumentError) -> Iterator[None]:
    """Errors of the database in one line."""
    try:
        yield
    except sqlalchemy.exc.SQLAlchemyError as error:
        said = _first_line(getattr(error, "orig", None) or error)
        if (password := os.environ.get(_VARIABLE)) and password in said:
            said = said.replace(password, "...")
        if kind is FileError:
            raise FileError(f"{name}: the database does not answer ({said}); check the address") from error
        raise ArgumentError(
            f"{name}: the query cannot be run ({said}); give one query that reads, and nothing else"
        ) from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _query_of(name: str, address: str, part: str, connection: Any, sqlalchemy: Any) -> str:
    """What is to be run."""
    if part.lower().startswith(QUERIES):
        return part
    with _told(name, sqlalchemy, FileError):
        inspector = sqlalchemy.inspect(connection)
        names = [*inspector.get_table_names(), *inspector.get_view_names()]
        quote = connection.dialect.identifier_preparer.quote
        schema, _, table = part.rpartition(".")
        if (
            schema
            and part not in names
            and table in inspector.get_table_names(schema) + inspector.get_view_names(schema)
        ):
            return f"SELECT * FROM {quote(schema)}.{quote(table)}"
    if not names:
        raise FileError(f"{name}: has no table; there is nothing to read")
    if not part and len(names) > 1:
        raise ArgumentError(
            f"{name}: has {len(names)} tables, {listing(names)}; name one of them, as in '{address}#{names[0]}', or "
            f"give a query: '{address}#select ...'"
        )
    if part and part not in names:
        raise ArgumentError(
            f"{name}: has no table {suggested(part, names)}; choose one of {listing(names)}, or give a query that "
            "begins with SELECT"
        )
    return f"SELECT * FROM {quote(part or names[0])}"


def _plain(value: Any) -> Any:
    """A value of a driver as Python's own number or text; what is neither stays as it is."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and value.is_finite() else float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return bytes(value) if isinstance(value, memoryview | bytearray) else value
