"""Read JSON Lines: an object in each line, with a value for each name; and a JSON array of such
objects.

Reference:
    https://jsonlines.org/ and https://github.com/ndjson/ndjson-spec.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from polytome.errors import FileError
from polytome.tables.frames import Frame
from polytome.tables.readers.columnar import VALUE_BYTES, checked_frame, import_pyarrow
from polytome.tables.readers.opening import InputFile, library_errors

__all__ = ["looks_like_json", "read_json_lines"]

_KIND = "JSON"
_BLOCK_BYTES = 1 << 20
_NAMES = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
_BYTES_OF_VALUE = 64
"""Bytes that a value of an array takes as an object of Python."""


def looks_like_json(start: bytes) -> bool:
    """Whether a file that begins so holds objects of JSON.

    Example:
        >>> looks_like_json(b'{"age": 25}'), looks_like_json(b'[{"age": 25}]'), looks_like_json(b"age,hue")
        (True, True, False)
    """
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"["):
        start = start[1:].lstrip()
    return start.startswith(b"{") and start[1:].lstrip()[:1] in (b'"', b"}", b"")


def read_json_lines(file: InputFile) -> Frame:
    """Read a file with an object of JSON in each line, or one array of objects.

    A name that some objects do not have is missing there, and so is null. A column holds values of
    one kind: numbers, text, or true and false. Objects and lists cannot be used, which is an error
    only where they are needed.

    Args:
        file: the file.

    Raises:
        FileError: the file is damaged, a line is not an object or names a column twice, or the
            values of a column are of several kinds; the message names the line.
        MissingExtraError: pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "people.jsonl")
        ...     _ = path.write_text('{"age": 25, "hue": "red"}\\n{"age": 31}\\n')
        ...     frame = read_json_lines(InputFile(path))
        >>> frame.names, frame["age"].numbers(), frame["hue"].words()
        (('age', 'hue'), array([25., 31.]), (array([ 0, -1]), ('red',)))
    """
    pyarrow = import_pyarrow(str(file))
    from pyarrow import json as arrow_json

    data = file.contents().removeprefix(b"\xef\xbb\xbf")
    source, is_array = str(file), data.lstrip().startswith(b"[")
    if not data.strip():
        raise FileError(f"{source}: holds no rows, only blank lines")
    lines = data.count(b"},") + 1 if is_array else data.count(b"\n") + 1
    width = data[: data.find(b"}") + 1].count(b":") + 1
    each = _BYTES_OF_VALUE if is_array else VALUE_BYTES
    file.allowance.check(source, len(data) + lines * width * each, f"{lines:,} rows of {width:,} values")
    if is_array:
        data = _lines_of_array(data, source)
    options = arrow_json.ReadOptions(block_size=max(_BLOCK_BYTES, _longest_line(data) + 1))
    try:
        table = arrow_json.read_json(pyarrow.BufferReader(data), read_options=options)
    except pyarrow.ArrowInvalid as error:
        raise FileError(_explain(data, source, is_array, str(error))) from error
    frame = checked_frame(table, source, _KIND, file.allowance.size)
    if frame.n_rows == data.count(b"\n") + (not data.endswith(b"\n")) and not is_array:
        return Frame(frame.names, frame.cells, source, locate=_line_of)
    return frame if is_array else Frame(frame.names, frame.cells, source, locate=partial(_place, data))


def _line_of(row: int) -> str:
    """The line of a row, where each line is one."""
    return f"line {row + 1}"


def _place(data: bytes, row: int) -> str:
    """The line of a row, where some are blank."""
    numbers = (number for number, line in enumerate(data.split(b"\n"), 1) if line.strip())
    return next((f"line {number}" for place, number in enumerate(numbers) if place == row), f"row {row + 1}")


def _longest_line(data: bytes) -> int:
    """Bytes of the longest line, which the reader must hold as a whole."""
    longest = begin = 0
    while (end := data.find(b"\n", begin)) >= 0:
        longest, begin = max(longest, end - begin), end + 1
    return max(longest, len(data) - begin)


def _lines_of_array(data: bytes, source: str) -> bytes:
    """The objects of an array as lines."""
    try:
        rows = json.loads(data)
    except ValueError as error:
        raise FileError(f"{source}: is not JSON ({error}); write it again, or as one object in each line") from error
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise FileError(f'{source}, row {number}: is {_kind(row)} where an object is needed, as in {{"age": 25}}')
    if not rows:
        raise FileError(f"{source}: has 0 rows; there is nothing to read")
    return "\n".join(json.dumps(row) for row in rows).encode()


def _explain(data: bytes, source: str, is_array: bool, reason: str) -> str:
    """Say which line cannot be read, what it holds and what to do."""
    seen: dict[str, tuple[str, str]] = {}
    for place, text in _rows(data, "row" if is_array else "line"):
        try:
            row = json.loads(text, object_pairs_hook=_Pairs)
        except ValueError as error:
            return f'{source}, {place}: is not JSON ({error}); write one object in each line, as in {{"age": 25}}'
        if not isinstance(row, _Pairs):
            return f'{source}, {place}: is {_kind(row)} where an object is needed, as in {{"age": 25}}'
        if len({name for name, _ in row}) < len(row):
            name = next(name for number, (name, _) in enumerate(row) if name in {each for each, _ in row[:number]})
            return f"{source}, {place}: names {name!r} twice; give each column its own name"
        for name, value in row:
            if value is None:
                continue
            first, kind = seen.setdefault(name, (place, _kind(value)))
            if kind != _kind(value):
                return (
                    f"{source}, {place}, column {name!r}: is {_kind(value)} where {first} has {kind}; write the column "
                    "alike in all rows, as text if in doubt"
                )
    with library_errors(source, _KIND):
        raise ValueError(reason)


class _Pairs(list[Any]):
    """The names and values of an object in their order."""


def _rows(data: bytes, what: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            yield f"{what} {number}", line.decode("utf-8", errors="replace")


def _kind(value: Any) -> str:
    """What a value is, in the words of JSON."""
    return "an object" if isinstance(value, _Pairs) else _NAMES.get(type(value), "null")
