"""Read a sheet of an Excel or OpenDocument workbook, through python-calamine."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections import Counter
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import numpy as np

from polytome.errors import ArgumentError, FileError, MissingExtraError
from polytome.plain.names import suggested
from polytome.tables.date_columns import DateCells
from polytome.tables.frames import Cells, Frame, cells_of, listing, spelled
from polytome.tables.readers.delimited import header_notes
from polytome.tables.readers.headers import Decision, decide_header
from polytome.tables.readers.opening import InputFile, library_errors
from polytome.tables.readers.row_index import mark_index

__all__ = ["read_workbook"]

_LOOKED_AT = 100
_BYTES_OF_VALUE = 64
_PLAIN = (bool, float, int, str)


def read_workbook(file: InputFile, *, header: str = "auto", expected: Collection[str] = ()) -> Frame:
    """Read a sheet of a workbook: `.xlsx`, `.xls`, `.xlsb` or `.ods`.

    Numbers, dates, text, true and false are what the sheet has them as; of a formula the value that
    was saved with it counts. Rows and columns that are empty are left out.

    Args:
        file: the workbook; after `#` its name has the sheet. Without it, the only one is read.
        header: "yes", "no" or "auto": whether the first row holds names.
        expected: names that the table should have.

    Raises:
        ArgumentError: there is no such sheet, or there are several and none is named.
        FileError: the file is damaged or locked by a password, has no rows, or needs more memory
            than is allowed.
        MissingExtraError: python-calamine is not installed.
    """
    try:
        import python_calamine
    except ImportError as error:
        raise MissingExtraError(
            f'{file}: reading workbooks needs python-calamine: pip install "polytome[excel]", or save the sheet as CSV'
        ) from error
    data = io.BytesIO(file.contents())
    if zipfile.is_zipfile(data):
        with library_errors(file, "workbook"), zipfile.ZipFile(data) as archive:
            size = sum(member.file_size for member in archive.infolist())
        file.allowance.check(file, size, "unpacked, it")
    data.seek(0)
    try:
        book = python_calamine.load_workbook(data)
    except python_calamine.PasswordError as error:
        raise FileError(f"{file}: is locked by a password; save it without one") from error
    except Exception as error:
        raise FileError(f"{file}: damaged workbook ({error}); save it again, or its sheet as CSV") from error
    name = _sheet_name(file, book.sheet_names)
    with library_errors(file, "workbook"):
        sheet = book.get_sheet_by_name(name)
        rows: list[list[Any]] = sheet.to_python(skip_empty_area=True)
        first_row = sheet.start[0] if sheet.start is not None else 0
    width = len(rows[0]) if rows else 0
    file.allowance.check(file, len(rows) * width * _BYTES_OF_VALUE, f"{len(rows):,} rows of {width:,} columns")
    return _frame_of(str(file), rows, first_row, header, expected)


def _sheet_name(file: InputFile, names: Sequence[str]) -> str:
    """The sheet that is meant."""
    if not names:
        raise FileError(f"{file}: has no sheet; there is nothing to read")
    if file.part is None and len(names) > 1:
        raise ArgumentError(
            f"{file}: has {len(names)} sheets, {listing(names)}; name one of them, as in '{file}#{names[0]}'"
        )
    if file.part is not None and file.part not in names:
        raise ArgumentError(f"{file}: has no sheet {suggested(file.part, names)}; choose one of {listing(names)}")
    return file.part if file.part is not None else names[0]


def _frame_of(source: str, rows: list[list[Any]], first_row: int, header: str, expected: Collection[str]) -> Frame:
    """The rows of a sheet as a table."""
    numbered = [(number, row) for number, row in enumerate(rows, start=first_row + 1) if any(v != "" for v in row)]
    if not numbered:
        raise FileError(f"{source}: the sheet is empty; there is nothing to read")
    words = [[_spelled(value) for value in row] for _, row in numbered[:_LOOKED_AT]]
    decision = decide_header(words, expected) if header == "auto" else Decision(header == "yes")
    head = [word.strip() for word in words[0]] if decision.headed else []
    numbered = numbered[1:] if decision.headed else numbered
    if not numbered:
        raise FileError(f"{source}: holds a row of names and no rows; add rows, or use --header no if row 1 is data")
    columns = list(zip(*(row for _, row in numbered), strict=True))
    used = [place for place, values in enumerate(columns) if (head and head[place]) or any(v != "" for v in values)]
    names = [(head[place] if head else "") or f"column_{place + 1}" for place in used]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise FileError(f"{source}, row {first_row + 1}: names {twice[0]!r} twice; give each column its own name")
    cells = tuple(_cells(source, name, columns[place]) for name, place in zip(names, used, strict=True))
    notes = header_notes(decision, names, header, first_row + 1)
    locate = partial(_place, [number for number, _ in numbered])
    frame = Frame(tuple(names), cells, source, headed=decision.headed, locate=locate, notes=notes)
    return mark_index(frame, {"column_1"} if decision.headed and not head[0] else ())


def _place(numbers: Sequence[int], row: int) -> str:
    """Where a row stands in its sheet."""
    return f"row {numbers[row]}"


def _cells(source: str, name: str, values: Sequence[Any]) -> Cells:
    """The cells of a column: dates where nothing else is in it."""
    present = [value for value in values if value != ""]
    if present and all(isinstance(value, datetime.date) for value in present):
        times = [np.datetime64("NaT") if value == "" else np.datetime64(value) for value in values]
        return DateCells(np.array(times, dtype="datetime64[us]"), source, name)
    plain = (bool, float, int, str)
    return cells_of(
        [None if value == "" else value if isinstance(value, plain) else _spelled(value) for value in values]
    )


def _spelled(value: Any) -> str:
    return spelled(value) if isinstance(value, bool | float | int | str) else str(value)
