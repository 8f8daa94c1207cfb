"""Open a file that may be compressed, missing, cut short, a pipe, malicious or of another kind
altogether.

A few bytes can claim to be very many: a compressed file of 4 MB decompresses to 4 GB, and a header
can announce what does not follow. So each file has an allowance, from which memory is requested
before it is allocated.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import math
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, NamedTuple, cast

from polytome.errors import ArgumentError, FileError, MissingExtraError
from polytome.tables.readers.whereabouts import STANDARD_INPUT, located, part_of, shown_name
from polytome.threads import kept

__all__ = [
    "START_BYTES",
    "Allowance",
    "InputFile",
    "exists",
    "file_errors",
    "is_folder",
    "kind_of_bytes",
    "library_errors",
    "plain_name",
    "read_exactly",
]

_COMPRESSIONS = {
    ".gz": ("gzip", b"\x1f\x8b"),
    ".bz2": ("bzip2", b"BZh"),
    ".xz": ("xz", b"\xfd7zXZ\x00"),
    ".zst": ("zstd", b"\x28\xb5\x2f\xfd"),
    ".lz4": ("lz4", b"\x04\x22\x4d\x18"),
    ".zip": ("zip", b"PK\x03\x04"),
}
_WORKBOOKS = {
    "Excel workbook": (b"[Content_Types].xml", b"_rels/.rels", b"docProps/", b"xl/"),
    "OpenDocument file": (b"mimetypeapplication/vnd.oasis.opendocument",),
}
_MAGIC = (
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"FEA1", "Feather V1"),
    (b"\xff\xff\xff\xff", "Arrow stream"),
    (b"\x93NUMPY", "NumPy array"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"SQLite format 3\0", "SQLite database"),
    (b"\x89PNG", "PNG image"),
    (b"%PDF", "PDF"),
    (b"\xd0\xcf\x11\xe0", "Excel"),
    (b"\x00\x00\x08\x01", "IDX"),
    (b"\x00\x00\x08\x03", "IDX"),
)
_PIECE = 1 << 22
START_BYTES = 1 << 16
"""How many bytes of a file are examined to recognise its kind."""
_ZIP_NAME = 30  # where the name of a member stands in its header
_GIGABYTE = 10**9
_ALWAYS_ALLOWED = 1 << 30
"""Bytes that the contents of any file may take."""
_TIMES_ITS_SIZE = 100
"""Larger files may take this many times their size: more than ordinary tables, which gzip
compresses 3 to 50 times."""


class Allowance(NamedTuple):
    """How much memory the contents of a file may take."""

    size: int
    """Bytes."""

    @classmethod
    def of(cls, file_size: int, read_limit: float | None = None) -> Allowance:
        """The allowance of a file: 2^30 bytes, or 100 times its size if that is more, unless a
        limit is given.

        Args:
            file_size: its bytes.
            read_limit: gigabytes (10^9 bytes).

        Raises:
            ArgumentError: the limit is not a positive number.

        Example:
            >>> Allowance.of(1000).size, Allowance.of(10**9, read_limit=0.5).size
            (1073741824, 500000000)
        """
        if read_limit is None:
            return cls(max(_ALWAYS_ALLOWED, _TIMES_ITS_SIZE * file_size))
        if isinstance(read_limit, bool) or not isinstance(read_limit, int | float) or not 0 < read_limit < math.inf:
            raise ArgumentError(f"read_limit={read_limit!r}: needs a positive number of gigabytes")
        return cls(int(read_limit * _GIGABYTE))

    def check(self, source: object, needed: int, what: str) -> None:
        """Refuse what would take more than the allowance.

        Args:
            source: what messages call the file.
            needed: bytes.
            what: what would take them.

        Raises:
            FileError: the allowance is too small.
        """
        if needed > self.size:
            raise FileError(
                f"{source}: {what} would take {_gigabytes(needed)} GB of memory, and {_gigabytes(self.size)} GB are "
                "allowed for it; is the file damaged or malicious? If not, allow more with read_limit (--read-limit GB)"
            )


def _gigabytes(size: int) -> str:
    return f"{size / _GIGABYTE:,.1f}" if size >= _GIGABYTE // 10 else f"{size / _GIGABYTE:.2g}"


def exists(path: str | PathLike[str]) -> bool:
    """Whether there is such a file or folder; false for a name that no file can have.

    Example:
        >>> exists("."), exists("\\0"), exists("a" * 5000)
        (True, False, False)
    """
    if str(path) == STANDARD_INPUT:
        return True
    try:
        located(path).stat()
    except PermissionError:  # opening it will say so
        return True
    except (OSError, ValueError):
        return False
    return True


def is_folder(path: str | PathLike[str]) -> bool:
    """Whether this is a folder.

    Example:
        >>> is_folder("."), is_folder("\\0")
        (True, False)
    """
    try:
        return stat.S_ISDIR(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


@contextmanager
def library_errors(source: object, what: str) -> Iterator[None]:
    """Turn whatever a library raises on a damaged file into a `FileError`.

    Every kind of exception: no list of them is ever complete. So nothing but calls of the library
    belongs inside; Polytome's own errors must stay visible.

    Example:
        >>> with library_errors("some.npy", "array"):
        ...     raise IndexError("list index out of range")
        Traceback (most recent call last):
        polytome.errors.FileError: some.npy: damaged array (list index out of range); download or write it again
    """
    try:
        yield
    except MissingExtraError:  # of a decompressor
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise FileError(f"{source}: damaged {what} ({reason}); download or write it again") from error


@contextmanager
def file_errors(path: object) -> Iterator[None]:
    """Say why the system does not provide a file.

    Raises:
        FileError: it is missing, may not be read, is a directory, or has a name that no file can
            have.

    Example:
        >>> with file_errors("absent"), open("absent.csv") as stream:
        ...     stream.read()
        Traceback (most recent call last):
        polytome.errors.FileError: absent: no such file; check the path (the current folder is ...)
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FileError(f"{path}: no such file; check the path (the current folder is {Path.cwd()})") from error
    except PermissionError as error:
        raise FileError(f"{path}: permission to read it is denied; check its permissions") from error
    except IsADirectoryError as error:
        raise FileError(f"{path}: is a directory, and a file is needed; name a file in it") from error
    except OSError as error:
        raise FileError(
            f"{path}: cannot be read ({error.strerror or error}); check what it is, or copy it again"
        ) from error


class InputFile:
    """A file to read, and how much memory its contents may take.

    What a pipe delivers is kept, since it can be read only once.

    Args:
        path: the file, or what `located` finds.
        read_limit: gigabytes; see `Allowance`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "tiny.csv.gz")
        ...     _ = path.write_bytes(gzip.compress(b"age,colour"))
        ...     InputFile(path).contents()
        b'age,colour'
    """

    def __init__(self, path: str | Path, read_limit: float | None = None) -> None:
        if "\0" in str(path):
            raise FileError(f"{str(path)!r}: contains a zero byte, which a path cannot have; check the name")
        Allowance.of(0, read_limit)  # raises where it is not a limit
        self.path = located(path)
        self.part = part_of(path)
        """What its name says after `#`: which sheet or table of it is meant; None where it says
        nothing."""
        self._read_limit = read_limit

    @classmethod
    def of(cls, path: Path | InputFile) -> InputFile:
        """The file itself, where it is not given by its path."""
        return path if isinstance(path, InputFile) else cls(path)

    def beside(self, path: Path) -> InputFile:
        """Another file, with the same limit."""
        return InputFile(path, self._read_limit)

    def __str__(self) -> str:
        return shown_name(self.path, self.part)

    @property
    @kept
    def _piped(self) -> bytes | None:
        """What came from a pipe or a device; None for a file that can be opened again."""
        with file_errors(self):
            mode = self.path.stat().st_mode
            if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
                return None
            with self.path.open("rb") as stream:
                return _Bounded(stream, self, Allowance.of(0, self._read_limit), "its output").read()

    @property
    def allowance(self) -> Allowance:
        """How much memory its contents may take."""
        with file_errors(self):
            size = self.path.stat().st_size if self._piped is None else len(self._piped)
        return Allowance.of(size, self._read_limit)

    @contextmanager
    def packed(self) -> Iterator[IO[bytes]]:
        """Open it as it is.

        Raises:
            FileError: see `file_errors`.
        """
        with file_errors(self), self.path.open("rb") if self._piped is None else io.BytesIO(self._piped) as stream:
            yield stream

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Open it for reading, decompressed if it is gzip, bzip2, xz, zstd, lz4 or a zip archive of
        one file.

        Raises:
            FileError: see `file_errors`; or the compressed data are cut short, damaged, or
                decompress to more than is allowed.
        """
        with self.packed() as stream:
            kind = self._compression(stream)
            if kind is None:
                yield stream
            else:
                with library_errors(self, kind):
                    inner = _UNPACK[kind](stream)
                with inner:
                    yield cast(IO[bytes], _Bounded(inner, self, self.allowance, "unpacked, it"))

    def starts_with(self) -> bytes:
        """The first bytes, decompressed: enough to recognise its kind."""
        with self.opened() as stream:
            return stream.read(START_BYTES)

    def contents(self) -> bytes:
        """All bytes, decompressed."""
        with self.opened() as stream:
            return stream.read()

    @property
    def is_plain(self) -> bool:
        """Whether the file is not compressed, so that a library can open it by its path."""
        if self._piped is not None:
            return False
        with self.packed() as stream:
            return self._compression(stream) is None

    def unpacked_size(self) -> int:
        """About how many bytes it holds, by how far its beginning is compressed."""
        with self.packed() as stream:
            kind, size = self._compression(stream), self.path.stat().st_size
            if kind is None:
                return size
            with library_errors(self, kind), _UNPACK[kind](stream) as inner:
                found, used = len(inner.read(_PIECE)), max(stream.tell(), 1)
            return found if found < _PIECE else found * size // used

    def members(self) -> list[zipfile.ZipInfo]:
        """The contents of a zip archive."""
        with self.packed() as stream, library_errors(self, "zip archive"), zipfile.ZipFile(stream) as archive:
            return archive.infolist()

    def _compression(self, stream: IO[bytes]) -> str | None:
        """How it is compressed; this must agree with its name."""
        start = stream.read(8)
        stream.seek(0)
        if not start:
            raise FileError(f"{self}: the file is empty; it holds no rows")
        kind, magic = _COMPRESSIONS.get(self.path.suffix.lower(), ("", b""))
        if not start.startswith(magic):
            raise FileError(
                f"{self}: is named {self.path.suffix} but is not a {kind} file; rename it or download it again"
            )
        found = next((kind for kind, magic in _COMPRESSIONS.values() if start.startswith(magic)), None)
        if found != "zip":
            return found
        # NumPy's own archives and workbooks are zip files too; only the name tells that there is
        # one file to unpack.
        return found if kind == "zip" and self._is_one_file() else None

    def _is_one_file(self) -> bool:
        """Whether a zip archive holds one file, of another kind than NumPy's."""
        names = [member.filename for member in _files_in(self.members())]
        if any(name.endswith(".npy") for name in names):
            return False
        if len(names) != 1:
            raise FileError(f"{self}: contains {len(names)} files{_some(names)}; unpack it, and name one of them")
        return True


def _some(names: list[str]) -> str:
    return f" ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if names else ""


class _Bounded:
    """A stream that is read in pieces and counted while it is read: its size is not known
    beforehand."""

    def __init__(self, stream: IO[bytes], file: InputFile, allowance: Allowance, what: str) -> None:
        self._stream, self._file, self._allowance, self._what = stream, file, allowance, what
        self._count = 0

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, or all."""
        pieces = []
        while size and (piece := self._piece(_PIECE if size < 0 else min(size, _PIECE))):
            pieces.append(piece)
            size -= len(piece) if size > 0 else 0
            self._count += len(piece)
            self._allowance.check(self._file, self._count, self._what)
        return b"".join(pieces)

    def _piece(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except Exception as error:  # of the decompressor
            if isinstance(error, EOFError) or "Truncated" in str(error):
                raise FileError(f"{self._file}: the compressed file is cut short; download or copy it again") from error
            raise FileError(
                f"{self._file}: cannot be read or decompressed ({error}); download or copy it again"
            ) from error


def _files_in(members: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """Those that are neither folders nor files that macOS adds."""
    return [member for member in members if not member.filename.endswith("/") and "__MACOSX/" not in member.filename]


def _only_member(stream: IO[bytes]) -> IO[bytes]:
    archive = zipfile.ZipFile(stream)
    members = _files_in(archive.infolist())
    return archive.open(members[0])


def _by_pyarrow(codec: str) -> Callable[[IO[bytes]], IO[bytes]]:
    """A decompressor that Python does not have."""

    def decompressed(stream: IO[bytes]) -> IO[bytes]:
        try:
            import pyarrow
        except ImportError as error:
            raise MissingExtraError(f'{codec} files need pyarrow: pip install "polytome[cli]"') from error
        return cast(IO[bytes], pyarrow.CompressedInputStream(pyarrow.PythonFile(stream, "r"), codec))

    return decompressed


_UNPACK: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    "gzip": lambda stream: cast(IO[bytes], gzip.GzipFile(fileobj=stream)),
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
    "zstd": _by_pyarrow("zstd"),
    "lz4": _by_pyarrow("lz4"),
    "zip": _only_member,
}


def plain_name(path: Path) -> str:
    """Return the file's name in lower case without the ending of a compression, such as `.gz`."""
    name = path.name.lower()
    return name.removesuffix(path.suffix.lower()) if path.suffix.lower() in _COMPRESSIONS else name


def kind_of_bytes(start: bytes) -> str | None:
    """Name the kind of file that begins with these bytes; None when they are not a known mark.

    Example:
        >>> kind_of_bytes(b"PAR1..."), kind_of_bytes(b"age,income")
        ('Parquet', None)
    """
    kind = next((kind for magic, kind in _MAGIC if start.startswith(magic)), None)
    if kind != "zip":
        return kind
    first = start[_ZIP_NAME : _ZIP_NAME + 64]  # the name of the first file in it, and of some what it holds
    return next((kind for kind, names in _WORKBOOKS.items() if first.startswith(names)), "zip")


def read_exactly(stream: IO[bytes], size: int) -> bytes:
    """Read up to `size` bytes in pieces, because a false header must not make us reserve memory."""
    pieces = []
    while size > 0 and (piece := stream.read(min(size, _PIECE))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
