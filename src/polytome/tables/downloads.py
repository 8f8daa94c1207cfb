"""Download a file once, check it, and keep it: resumed where it stopped, renamed only when it is
complete."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from polytome.errors import FileError

__all__ = ["Progress", "RemoteFile", "fetch"]

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called as `progress(file name, bytes so far, bytes in all or None)`."""

_PIECE = 1 << 16
_TIMEOUT_SECONDS = 30.0
_MOST_BYTES = 1 << 30  # more than any of the files: a server that never ends must not fill the disk
# URLError, timeouts and lost connections are kinds of OSError; invalid addresses and lengths, of
# ValueError.
_TROUBLE = (OSError, http.client.HTTPException, ValueError)


@dataclass(frozen=True)
class RemoteFile:
    """A gzip file that several servers offer, and how to know that it is the right one.

    Attributes:
        name: the file's name, which is added to each mirror.
        checksum: hexadecimal digest.
        algorithm: "sha256" of the decompressed content (mirrors may compress differently), or "md5"
            of the compressed file, where that is all that has been published.
    """

    name: str
    checksum: str
    algorithm: str = "sha256"

    def matches(self, path: Path) -> bool:
        """Tell whether a file on disk is this one."""
        try:
            if self.algorithm == "md5":
                return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() == self.checksum
            with gzip.open(path, "rb") as stream:
                return hashlib.file_digest(stream, self.algorithm).hexdigest() == self.checksum
        except (EOFError, OSError, zlib.error):
            return False


def fetch(file: RemoteFile, mirrors: tuple[str, ...], folder: Path, progress: Progress | None = None) -> Path:
    """Return the path of a file in a folder, downloading it first if it is not there.

    What has arrived is kept in a file ending in `.part`, so that an interrupted download resumes
    where it stopped, even with another mirror.

    Args:
        file: what to fetch.
        mirrors: addresses of folders, each ending in a slash, tried in order.
        folder: where it is kept; made if need be.
        progress: called as data arrive.

    Returns:
        The path of the complete and checked file.

    Raises:
        FileError: no mirror gave the right file; the message says what happened with each.
    """
    path = folder / file.name
    if path.exists():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"{folder}: cannot be created for downloads ({error}); set POLYTOME_CACHE to another folder"
        ) from error
    part = folder / f"{file.name}.part"
    tried = []
    for mirror in mirrors:
        # A file resumed from another mirror may be compressed differently and then fails the check:
        # start again.
        for resumed in (True, False) if part.exists() else (False,):
            if not resumed:
                part.unlink(missing_ok=True)
            trouble = _download(mirror + file.name, part, file.name, progress)
            if trouble is None and file.matches(part):
                part.replace(path)
                return path
            tried.append(f"{mirror}{file.name} ({trouble or 'its checksum is wrong'})")
            if trouble is not None:
                break
            part.unlink(missing_ok=True)
    raise FileError(f"{file.name}: could not be downloaded; tried {'; '.join(tried)}")


def _download(url: str, part: Path, name: str, progress: Progress | None) -> str | None:
    """Download the missing rest of a partial file; return what went wrong, or None."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "polytome"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            if response.status != 206:
                start = 0  # the server sends the whole file regardless of the request
            length = response.headers.get("Content-Length")
            total = start + int(length) if length else None
            done = start
            with part.open("ab" if start else "wb") as stream:
                while piece := response.read(_PIECE):
                    stream.write(piece)
                    done += len(piece)
                    if done > _MOST_BYTES:
                        return f"it sends more than {_MOST_BYTES >> 30} GiB"
                    if progress is not None:
                        progress(name, done, total)
    except urllib.error.HTTPError as error:
        with error:  # it holds the connection
            return None if error.code == 416 else f"HTTP {error.code} {error.reason}"
    except _TROUBLE as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
    return None if total is None or done == total else f"the connection ended after {done} of {total} bytes"
