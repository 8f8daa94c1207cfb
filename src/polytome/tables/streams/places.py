"""Which files a user means, and whether they are still what they were when they were first
opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from os import PathLike
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from polytome.errors import FileError
from polytome.tables.readers.opening import InputFile, exists, file_errors, is_folder, plain_name
from polytome.tables.readers.whereabouts import located, shown_name

__all__ = ["SeenFile", "files_of", "is_several", "unbounded"]

_ENDINGS = (
    *(".parquet", ".pq", ".arrow", ".feather", ".ipc"),
    *(".csv", ".tsv", ".tab", ".svm", ".libsvm", ".svmlight", ".npy"),
)
_NO_LIMIT = 2.0**40  # gigabytes


def unbounded(path: Path) -> InputFile:
    """A file of which a piece at a time is in memory, so that all of it may be as long as it is."""
    return InputFile(path, _NO_LIMIT)


def is_several(source: str) -> bool:
    """Whether a name means the files of a pattern, or the tables in a folder.

    Example:
        >>> is_several("logs/2026-*/*.parquet"), is_several("iris.csv")
        (True, False)
    """
    return (has_magic(source) and not exists(source)) or (is_folder(source) and bool(_files_in(Path(source))))


def files_of(source: str | PathLike[str] | Sequence[str | PathLike[str]]) -> tuple[Path, ...]:
    """The files that a path, a folder, a pattern such as `logs/*.parquet`, or a sequence of these
    names, in this order.

    Those of a folder or a pattern are in the order of their names.

    Raises:
        FileError: there are none.
    """
    if not isinstance(source, str | PathLike):
        found = tuple(path for one in source for path in files_of(one))
        if not found:
            raise FileError("source is an empty sequence; name at least one file")
        return found
    name = str(source)
    if is_folder(name):
        files = _files_in(Path(name))
        if not files:
            raise FileError(f"{name}: this folder has no file that ends in {' or '.join(_ENDINGS)}; name the files")
        return tuple(files)
    if has_magic(name) and not exists(name):
        paths = sorted(Path(path) for path in glob(name, recursive=True))  # noqa: PTH207  (of absolute patterns too)
        if not paths:
            raise FileError(f"{name}: no file has such a name; check the pattern (the current folder is {Path.cwd()})")
        return tuple(path for path in paths if not path.is_dir())
    return (Path(name),)


def _files_in(folder: Path) -> list[Path]:
    """The tables in a folder and the folders in it, but for hidden ones, and those that begin with
    `_`."""
    return sorted(
        path
        for path in folder.rglob("*")
        if Path(plain_name(path)).suffix in _ENDINGS
        and not any(name.startswith((".", "_")) for name in path.relative_to(folder).parts)
    )


@dataclass(frozen=True)
class SeenFile:
    """A file as it was when it was first opened.

    Attributes:
        path: where it is.
        size: its bytes.
        modified: when it was changed for the last time, in nanoseconds.
    """

    path: Path
    size: int
    modified: int

    @classmethod
    def of(cls, path: Path) -> SeenFile:
        """The file as it is now.

        Raises:
            FileError: it cannot be read; see `file_errors`.
        """
        path = located(path)
        with file_errors(path):
            status = path.stat()
            if not S_ISREG(status.st_mode) and not S_ISDIR(status.st_mode):
                raise FileError(f"{path}: is not a file that can be read again for each pass; copy it into one")
            with path.open("rb"):
                pass
        return cls(path, status.st_size, status.st_mtime_ns)

    def check(self) -> None:
        """Refuse a file that is not what it was.

        Raises:
            FileError: its size or its time has changed, or it cannot be read any more.
        """
        if SeenFile.of(self.path) != self:
            raise FileError(
                f"{self.path}: was changed while its rows were in use; leave it as it is until the end, and begin again"
            )

    def __str__(self) -> str:
        return shown_name(self.path)
