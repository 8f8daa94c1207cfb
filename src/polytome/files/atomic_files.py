"""Write a file whole or not at all: a crash, a full disk or Ctrl-C leaves the old file as it was.

A writer locks its temporary file as long as it runs. The lock of a killed process is gone, so the
next save into the same folder knows which temporary files are abandoned, and removes them.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from os import PathLike
from pathlib import Path
from typing import IO

from polytome.errors import FileError

if sys.platform != "win32":  # without such locks: what a killed process leaves there stays
    import fcntl

__all__ = ["atomic_group", "atomic_output", "check_writable"]

_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.polytome\.tmp")


def check_writable(path: str | PathLike[str]) -> Path:
    """Check before long work starts that a file can be written at its end.

    Args:
        path: where the file will be.

    Returns:
        The path.

    Raises:
        FileError: the folder does not exist or may not be written to, or the path is a folder or
            not a valid file name.

    Example:
        >>> check_writable("no/such/folder/model.safetensors")
        Traceback (most recent call last):
        polytome.errors.FileError: no/such/folder/model.safetensors: there is no folder no/such/folder; create it first
    """
    path = Path(path)
    try:
        target = _target(path)
        if target.is_dir():
            raise FileError(f"{path}: is a folder; add the name of a file in it")
        if not target.parent.is_dir():
            raise FileError(f"{path}: there is no folder {path.parent}; create it first")
        if not os.access(target.parent if not target.exists() or target.is_file() else target, os.W_OK):
            raise FileError(f"{path}: permission to write to the folder {path.parent} is denied; choose another")
    except OSError as error:  # such as a name that is too long
        raise FileError(f"{path}: cannot be written ({error.strerror or error}); choose another name") from error
    return path


@contextmanager
def atomic_output(path: str | PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a binary stream whose content replaces the file when the block ends without an error.

    The bytes go to a temporary file in the same folder, are forced to the disk, and the file is
    renamed; a rename within one folder either happens or does not. Devices and pipes, which cannot
    be replaced, are written to directly.

    Args:
        path: the file to be written; a symbolic link is followed.

    Yields:
        The stream.

    Raises:
        FileError: the file cannot be written; an existing one is unchanged.

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
    target = _target(path)
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as device:
                yield device
            return
        _remove_abandoned(target.parent)
        group = _GROUP.get()
        with ExitStack() as own:
            temporary, stream = (own if group is None else group[0]).enter_context(_temporary(target))
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            if group is None:
                temporary.replace(target)
            else:
                group[1].append((temporary, target))
    except OSError as error:
        raise FileError(f"{path}: could not be written ({error.strerror or error}); nothing was changed") from error


@contextmanager
def atomic_group() -> Iterator[None]:
    """Put the files of all `atomic_output` in the block in place together, when the block ends
    without an error; else none of them.

    Raises:
        FileError: a file cannot be put in place, such as where its folder is gone by now.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     try:
        ...         with atomic_group():
        ...             with atomic_output(Path(folder, "one.txt")) as stream:
        ...                 _ = stream.write(b"one")
        ...             raise FileError("the second cannot be made")
        ...     except FileError:
        ...         list(Path(folder).iterdir())
        []
    """
    with ExitStack() as files:
        whole: list[tuple[Path, Path]] = []
        token = _GROUP.set((files, whole))
        try:
            yield
        finally:
            _GROUP.reset(token)
        for temporary, target in whole:
            try:
                temporary.replace(target)
            except OSError as error:
                raise FileError(f"{target}: could not be written ({error.strerror or error})") from error


_GROUP: ContextVar[tuple[ExitStack, list[tuple[Path, Path]]] | None] = ContextVar("group", default=None)
"""Of the group around an output: the files that stay open until its end, and where each belongs."""


def _target(path: Path) -> Path:
    """The file that a path leads to."""
    try:
        return Path(os.path.realpath(path))
    except ValueError as error:  # NUL, or a character that no file name can have
        raise FileError(f"{str(path)!r}: is not a valid file name ({error})") from error


@contextmanager
def _temporary(target: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file beside the target, locked while it is written; it is gone afterwards unless it was
    renamed."""
    while True:
        temporary = target.with_name(f".{secrets.token_hex(8)}.polytome.tmp")
        stream = temporary.open("xb")
        _lock(stream.fileno())
        if os.fstat(stream.fileno()).st_nlink:
            break
        stream.close()  # another save removed it as abandoned just before it was locked
    try:
        with stream:
            yield temporary, stream
    finally:
        temporary.unlink(missing_ok=True)


def _lock(descriptor: int, *, wait: bool = True) -> bool:
    """Whether the file could be locked; where there are no locks it could not."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_abandoned(folder: Path) -> None:
    """Remove the temporary files that this user's killed processes have left in a folder."""
    if sys.platform == "win32":
        return
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name):
                _remove_if_abandoned(Path(entry.path))


def _remove_if_abandoned(temporary: Path) -> None:
    # Another process may remove it too, and it may not be a file at all: whatever goes wrong, the
    # save continues.
    with suppress(OSError):
        descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if os.fstat(descriptor).st_uid == os.getuid() and _lock(descriptor, wait=False):
                temporary.unlink()
        finally:
            os.close(descriptor)
