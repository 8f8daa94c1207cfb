"""Where the bytes of a named source are: in a file, in a part of one, or on the standard input.

`-` means the standard input. It can be read once, so its bytes are copied to a temporary file the
first time that they are asked for; after that it is a file like any other, of any size. `PATH#PART`
means a part of a file that has several: a sheet of a workbook, a table of a database, or the rows
of a query.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import weakref
from os import PathLike
from pathlib import Path
from typing import IO, Any

from polytome.errors import FileError

__all__ = ["STANDARD_INPUT", "located", "part_of", "shown_name"]

STANDARD_INPUT = "-"
"""The name of a source that stands for the standard input."""
_SHOWN = "standard input"
_SEPARATOR = "#"
_COPIES: weakref.WeakKeyDictionary[Any, Path] = weakref.WeakKeyDictionary()
"""The temporary file of each standard input that was read; there is one in a process, but in
tests."""


def located(name: str | PathLike[str]) -> Path:
    """The file in which the bytes of a source are.

    Raises:
        FileError: the standard input is closed, or there is no room for its copy.

    Example:
        >>> str(located("people.csv"))
        'people.csv'
    """
    if str(name) == STANDARD_INPUT:
        return _copied_input()
    return Path(_divided(str(name))[0])


def part_of(name: str | PathLike[str]) -> str | None:
    """The part of a file that a source names after `#`; None where it names none.

    Example:
        >>> part_of("people.csv"), part_of("no such file.csv#x")
        (None, None)
    """
    return _divided(str(name))[1]


def shown_name(path: Path, part: str | None = None) -> str:
    """What messages call a source.

    Example:
        >>> shown_name(Path("book.xlsx"), "Sheet1")
        'book.xlsx#Sheet1'
    """
    name = _SHOWN if path in _COPIES.values() else str(path)
    return name if part is None else f"{name}{_SEPARATOR}{part}"


def _divided(name: str) -> tuple[str, str | None]:
    """A path and its part; a file may have the sign in its own name."""
    path, sign, part = name.partition(_SEPARATOR)
    if not sign or "\0" in name or _is_file(name) or not _is_file(path):
        return name, None
    return path, part


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # such as a name that is too long
        return False


def _copied_input() -> Path:
    stream = sys.stdin
    if stream is None or stream.closed:
        raise FileError(f"{_SHOWN}: is closed; send rows to it, as in: polytome ... {STANDARD_INPUT} < FILE")
    if stream not in _COPIES:
        _COPIES[stream] = _copy_of(stream.buffer, stream)
    return _COPIES[stream]


def _copy_of(source: IO[bytes], owner: Any) -> Path:
    """A temporary file with all that a stream gives, which is gone when its owner is."""
    folder = Path(tempfile.mkdtemp(prefix="polytome-"))
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    path = folder / "standard-input"
    try:
        with path.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
    except OSError as error:
        raise FileError(
            f"{_SHOWN}: could not be copied to {folder} ({error.strerror or error}); free some space there, or choose "
            "another folder with the variable TMPDIR"
        ) from error
    return path
