"""A safetensors file, read into memory and checked before anything in it is used.

It is read and not mapped: a file that another program rewrites in place (as `cp` does) while its
pages are being used would end the process with SIGBUS, and its content could change after it was
checked.

Reference:
    The safetensors format, https://huggingface.co/docs/safetensors: eight bytes of length, a JSON
    header, raw tensors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import FileError

__all__ = ["Tensors", "read_tensors", "read_texts_and_tensors"]

Tensors = dict[str, NDArray[Any]]
"""Arrays by name."""

_LARGEST_HEADER_BYTES = 100_000_000
_REMEDY = "name a file that save, or train --out, wrote"
"""A limit of safetensors itself."""
_TYPES = {f"{kind}{8 * size}": f"<{code}{size}" for kind, code in (("I", "i"), ("U", "u")) for size in (1, 2, 4, 8)}
_TYPES |= {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "|b1"}


def read_tensors(path: str | PathLike[str], key: str | None = None) -> tuple[str, Tensors]:
    """Read one text of a safetensors file's metadata, and its tensors.

    Args:
        path: the file.
        key: of the text; a file without it is refused before its tensors are read. None reads no
            text.

    Returns:
        The text, empty without a key, and the tensors: arrays of their own, little-endian as in the
        file.

    Raises:
        FileError: the file is missing, cut short, damaged, of another kind, or has a tensor of a
            type that NumPy lacks; the message names it.

    Example:
        >>> import tempfile
        >>> from safetensors.numpy import save_file
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_file({"x": np.eye(2)}, Path(folder, "a.safetensors"), {"title": "identity"})
        ...     read_tensors(Path(folder, "a.safetensors"), "title")
        ('identity', {'x': array([[1., 0.],
               [0., 1.]])})
    """
    texts, tensors = read_texts_and_tensors(path, () if key is None else (key,))
    return "".join(texts), tensors


def read_texts_and_tensors(path: str | PathLike[str], keys: Sequence[str]) -> tuple[list[str], Tensors]:
    """As `read_tensors`, with several texts of the metadata."""
    try:
        with _opened(Path(path)) as stream:
            start, header = _read_header(stream)
            texts = [_text_of(header, key) for key in keys]
            return texts, _tensors_of(start + stream.read())
    except FileError as error:
        raise FileError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise FileError(f"{path}: no such file; check the path") from error
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from error


def _opened(path: Path) -> IO[bytes]:
    """The file, if it is a regular file: reading from a pipe would wait."""
    if path.is_dir():
        raise FileError("is a folder; name the file in it")
    if path.exists() and not path.is_file():
        raise FileError("is not a regular file; name another")
    try:
        return path.open("rb")
    except ValueError as error:  # NUL, or a character that no file name can have
        raise FileError(f"is not a valid file name ({error})") from error


def _read_header(stream: IO[bytes]) -> tuple[bytes, dict[str, Any]]:
    """The bytes up to the tensors, and the header among them."""
    size = os.fstat(stream.fileno()).st_size
    start = stream.read(9)
    if not start:
        raise FileError(f"the file is empty; {_REMEDY}")
    if len(start) < 9:
        raise FileError(f"the file is cut short: it holds {len(start)} bytes only")
    length = int.from_bytes(start[:8], "little")
    if start[8:] != b"{" or length > _LARGEST_HEADER_BYTES:
        raise FileError(f"is not a safetensors file, or its first bytes are damaged; {_REMEDY}")
    if length > size - 8:
        raise FileError(
            f"the file is cut short, or its first bytes are damaged: it holds {size} bytes, its header alone needs "
            f"{length + 8}"
        )
    start += stream.read(length - 1)
    try:
        header = json.loads(start[8:])
    except (ValueError, RecursionError) as error:
        raise FileError(f"damaged: its header is not JSON ({error}); copy the file again") from error
    if not isinstance(header, dict):
        raise FileError("damaged: its header is not a JSON object; copy the file again")
    return start, header


def _text_of(header: dict[str, Any], key: str) -> str:
    """One text of the metadata."""
    metadata = header.get("__metadata__")
    text = metadata.get(key) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise FileError(f"a safetensors file, but not a model that Polytome saved: its metadata lack {key!r}")
    return text


def _tensors_of(content: bytes) -> Tensors:
    """The tensors of a whole file."""
    from safetensors import SafetensorError, deserialize

    try:
        found: Any = deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise FileError(f"damaged, or not a safetensors file ({error}); copy the file again") from error
    tensors = {}
    for name, tensor in found:
        if tensor["dtype"] not in _TYPES:
            raise FileError(f"the tensor {name[:60]!r} has the type {tensor['dtype']}, which NumPy lacks")
        values = np.frombuffer(tensor["data"], dtype=_TYPES[tensor["dtype"]])
        if values.dtype == np.bool_ and (values.view(np.uint8) > 1).any():
            raise FileError(f"damaged: the tensor {name[:60]!r} holds booleans that are neither 0 nor 1")
        try:
            tensors[name] = values.reshape(tensor["shape"])
        except ValueError as error:  # an empty tensor, with more or larger dimensions than NumPy allows
            raise FileError(
                f"damaged: the tensor {name[:60]!r} has a shape that no array can have ({error})"
            ) from error
    return tensors
