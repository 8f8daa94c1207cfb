"""Write a file whole or not at all: a crash, a full disk or Ctrl-C leaves the old file as it was."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO

from polytome.errors import FileError

__all__ = ["atomic_output", "check_writable"]


def check_writable(path: str | PathLike[str]) -> Path:
    """Find out before long work starts whether a file can be written at the end of it.

    Args:
        path: where the file will be.

    Returns:
        The path.

    Raises:
        FileError: the folder does not exist or may not be written to, or the path is a folder.

    Example:
        >>> check_writable("no/such/folder/model.safetensors")
        Traceback (most recent call last):
        polytome.errors.FileError: no/such/folder/model.safetensors: there is no folder no/such/folder; make it first
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise FileError(f"{path}: is a folder; add the name of a file in it")
    if not target.parent.is_dir():
        raise FileError(f"{path}: there is no folder {path.parent}; make it first")
    if not os.access(target.parent if not target.exists() or target.is_file() else target, os.W_OK):
        raise FileError(f"{path}: the folder {path.parent} may not be written to; choose another")
    return path


@contextmanager
def atomic_output(path: str | PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a binary stream whose content takes the place of the file when the block ends without an error.

    The bytes go to a temporary file in the same folder, are forced to the disk, and the file is renamed; a rename
    within one folder either happens or does not. Devices and pipes, which cannot be replaced, are written to directly.

    Args:
        path: the file to be written; a symbolic link is followed.

    Yields:
        The stream.

    Raises:
        FileError: the file cannot be written; the old one is as it was.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "greeting.txt")
        ...     with atomic_output(path) as stream:
        ...         _ = stream.write(b"hello")
        ...     path.read_bytes()
        b'hello'
    """
    path = check_writable(path)
    target = Path(os.path.realpath(path))
    device = target.exists() and not target.is_file()
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        if device:
            with target.open("wb") as stream:
                yield stream
            return
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except OSError as error:
        raise FileError(f"{path}: could not be written ({error.strerror or error}); nothing was changed") from error
    finally:
        if not device:
            temporary.unlink(missing_ok=True)
