"""Open a file that may be compressed, missing, cut short or something else altogether."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from polytome.errors import FileError

__all__ = ["kind_of_bytes", "opened", "plain_name", "read_exactly", "starting_bytes"]

_COMPRESSIONS = {".gz": ("gzip", b"\x1f\x8b"), ".bz2": ("bzip2", b"BZh")}
_MAGIC = (
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"FEA1", "Arrow"),
    (b"\xff\xff\xff\xff", "Arrow stream"),
    (b"\x93NUMPY", "NumPy array"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x89PNG", "PNG image"),
    (b"%PDF", "PDF"),
    (b"\xd0\xcf\x11\xe0", "Excel"),
    (b"\x00\x00\x08\x01", "IDX"),
    (b"\x00\x00\x08\x03", "IDX"),
)
_PIECE = 1 << 22


def plain_name(path: Path) -> str:
    """Return the file's name in lower case without its `.gz` or `.bz2`."""
    name = path.name.lower()
    return name.removesuffix(path.suffix.lower()) if path.suffix.lower() in _COMPRESSIONS else name


def kind_of_bytes(start: bytes) -> str | None:
    """Name the kind of file that begins with these bytes; None when they are no known mark.

    Example:
        >>> kind_of_bytes(b"PAR1..."), kind_of_bytes(b"age,income")
        ('Parquet', None)
    """
    return next((kind for magic, kind in _MAGIC if start.startswith(magic)), None)


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked when it is gzip or bzip2.

    Args:
        path: the file.

    Yields:
        A binary stream.

    Raises:
        FileError: the file is missing, may not be read, is a directory, or its compression is cut short or
            damaged.
    """
    try:
        with path.open("rb") as plain:
            start = plain.peek(8)
        _check_compression(path, start)
        if start.startswith(b"\x1f\x8b"):
            with gzip.open(path, "rb") as unpacked:
                yield cast(IO[bytes], unpacked)
        elif start.startswith(b"BZh"):
            with bz2.open(path, "rb") as stream:
                yield stream
        else:
            with path.open("rb") as stream:
                yield stream
    except FileNotFoundError as error:
        raise FileError(f"{path}: no such file; check the path (the current folder is {Path.cwd()})") from error
    except PermissionError as error:
        raise FileError(f"{path}: may not be read; check its permissions") from error
    except IsADirectoryError as error:
        raise FileError(f"{path}: is a directory where a file is needed; name a file in it") from error
    except EOFError as error:
        raise FileError(f"{path}: the compressed file is cut short; fetch or copy it again") from error
    except (zlib.error, OSError) as error:
        raise FileError(f"{path}: cannot be read or unpacked ({error}); fetch or copy it again") from error


def _check_compression(path: Path, start: bytes) -> None:
    """Refuse a file whose name promises a compression that its first bytes do not show."""
    if not start:
        raise FileError(f"{path}: the file is empty; it holds no rows")
    kind, magic = _COMPRESSIONS.get(path.suffix.lower(), ("", b""))
    if not start.startswith(magic):
        raise FileError(f"{path}: is named {path.suffix} but is not a {kind} file; rename it or fetch it again")


def starting_bytes(path: Path, size: int = 1 << 16) -> bytes:
    """Return the first bytes of a file, unpacked."""
    with opened(path) as stream:
        return stream.read(size)


def read_exactly(stream: IO[bytes], size: int) -> bytes:
    """Read up to `size` bytes in pieces, because a false header must not make us reserve memory."""
    pieces = []
    while size > 0 and (piece := stream.read(min(size, _PIECE))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
