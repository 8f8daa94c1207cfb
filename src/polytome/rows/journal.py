"""What passes over rows that lie elsewhere made of them, kept in a file: a fit that was killed does
the same arithmetic on the same sums, and reads the rows only for those that are not there.

All that a solver learns of the rows are sums, in an order that its arithmetic decides. So a fit
that begins again with the sums of an earlier one comes to the iterate where that ended, and goes on
with the same bits, whatever the solver keeps.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from polytome.errors import ArgumentError, FileError
from polytome.passes import Pass, Sums

__all__ = ["Journal"]

_MARK = b"polytome checkpoint 1\n"
_DIGEST_BYTES = 32
_LENGTH_BYTES = 8
_MOST_HEAD_BYTES = 2**24
_BY_COLUMNS = "T"


class Journal:
    """The sums of passes in the order in which they were asked for.

    Each record is whole or not there: it ends with a digest, and one that is cut off or damaged is
    forgotten, with all that follow.

    Args:
        path: the file; it is made if it does not exist.
        belongs_to: what the sums depend on besides the passes, such as the data and the settings,
            as plain JSON values by name.

    Raises:
        ArgumentError: the file belongs to something else; the message says in what it differs.
        FileError: it is another kind of file, or cannot be read or written.

    Example:
        >>> import tempfile
        >>> from polytome.passes import CentredSums
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = Path(folder.name, "fit.checkpoint")
        >>> for again in range(2):
        ...     with Journal(path, {"data": "some"}) as journal:
        ...         known = journal.recalled(CentredSums(np.zeros(2)), lambda: (np.arange(2.0),))
        ...         journal.n_recalled, known[0]
        (0, array([0., 1.]))
        (1, array([0., 1.]))
        >>> folder.cleanup()
    """

    def __init__(self, path: str | PathLike[str], belongs_to: Mapping[str, Any]) -> None:
        self.path, self.n_recalled, self._end, self._is_recalling = Path(path), 0, 0, True
        is_new = not self.path.exists()
        try:
            self.path.touch()
            self._file = self.path.open("r+b")
        except OSError as error:
            raise FileError(f"{path}: cannot be used as a checkpoint ({error.strerror or error})") from error
        try:
            self._begin(belongs_to)
        except Exception:
            self._close()
            if is_new:
                self.path.unlink(missing_ok=True)
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        """Close the file; what could not be written to it was told before."""
        with suppress(OSError):  # raised once more for what is left in the buffer
            self._file.close()

    def recalled(self, a_pass: Pass, compute: Callable[[], Sums], *about: Any) -> Sums:
        """What a pass gives: from the file, if it comes next there; else it is computed and kept.

        Args:
            a_pass: the pass.
            compute: does it.
            about: what else the sums depend on, such as how columns are scaled.

        Raises:
            FileError: the file cannot be written.
        """
        try:
            key = _digest_of(a_pass, about)
        except TypeError:
            return compute()
        if self._is_recalling:
            found = self._next(key)
            if found is not None:
                self.n_recalled += 1
                return found
            self._is_recalling = False
        from safetensors.numpy import save

        sums = compute()
        content = save(dict(_named(place, each) for place, each in enumerate(sums)))
        record = key + len(content).to_bytes(_LENGTH_BYTES, "little") + content
        self._append(record + hashlib.sha256(record).digest())
        return sums

    def _begin(self, belongs_to: Mapping[str, Any]) -> None:
        """Check that the file is that of this fit, or make it so where it is new."""
        own = json.dumps(belongs_to, sort_keys=True).encode()
        head = _MARK + len(own).to_bytes(_LENGTH_BYTES, "little") + own
        found = self._file.read(len(head))
        if found == head:
            self._end = len(head)
            return
        if head.startswith(found):  # new, or its writer was killed
            self._append(head)
            return
        if not found.startswith(_MARK):
            raise FileError(f"{self.path}: is not a checkpoint; give the name of a new file")
        length = int.from_bytes(found[len(_MARK) : len(_MARK) + _LENGTH_BYTES], "little")
        self._file.seek(len(_MARK) + _LENGTH_BYTES)
        try:
            theirs = json.loads(self._file.read(min(length, _MOST_HEAD_BYTES)))
        except (ValueError, RecursionError):
            theirs = None
        theirs = theirs if isinstance(theirs, dict) else {}
        wanted = json.loads(own)
        name = next((name for name in belongs_to if theirs.get(name) != wanted[name]), "something")
        raise ArgumentError(
            f"{self.path}: is the checkpoint of another fit, with other {name}; give another name, or remove it"
        )

    def _next(self, key: bytes) -> Sums | None:
        """The sums of the next record, if it is of this pass, and undamaged."""
        from safetensors.numpy import load

        self._file.seek(self._end)
        head = self._file.read(len(key) + _LENGTH_BYTES)
        length = int.from_bytes(head[len(key) :], "little")
        left = self.path.stat().st_size - self._file.tell()
        if head[: len(key)] != key or length + _DIGEST_BYTES > left:
            return None
        content, digest = self._file.read(length), self._file.read(_DIGEST_BYTES)
        if hashlib.sha256(head + content).digest() != digest:
            return None
        self._end += len(head) + len(content) + len(digest)
        arrays = load(content)
        names = sorted(arrays, key=lambda name: int(name.removesuffix(_BY_COLUMNS)))
        # Copies, whose memory lies as that of any other array does.
        return tuple(np.array(arrays[name].T if name.endswith(_BY_COLUMNS) else arrays[name]) for name in names)

    def _append(self, content: bytes) -> None:
        """Write after what is recalled, in place of what follows there, and have it on the disk."""
        try:
            self._file.seek(self._end)
            self._file.write(content)
            self._file.truncate()
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise FileError(
                f"{self.path}: the checkpoint cannot be written ({error.strerror or error}); what it held is kept"
            ) from error
        self._end += len(content)


def _named(place: int, array: Any) -> tuple[str, Any]:
    """A result by its place, and how it lies in memory: sums of it round accordingly."""
    array = np.asarray(array)
    by_columns = array.flags.f_contiguous and not array.flags.c_contiguous
    return f"{place}{_BY_COLUMNS if by_columns else ''}", np.array(array.T if by_columns else array, order="C")


def _digest_of(*values: Any) -> bytes:
    """A digest of plain values, arrays, and records of these."""
    digest = hashlib.sha256()
    for value in values:
        if is_dataclass(value) and not isinstance(value, type):
            own = [getattr(value, each.name) for each in fields(value)]
            digest.update(type(value).__qualname__.encode() + _digest_of(*own))
        elif isinstance(value, np.ndarray | np.generic):
            array = np.asarray(value)
            digest.update(f"{array.dtype.str} {array.shape} ".encode() + array.tobytes())
        elif isinstance(value, tuple | list):
            digest.update(f"{len(value)} ".encode() + _digest_of(*value))
        elif value is None or isinstance(value, str | bytes | bool | int | float | np.dtype):
            digest.update(repr(value).encode() + b" ")
        else:
            raise TypeError(f"{type(value)} is not a value of a pass")
    return digest.digest()
