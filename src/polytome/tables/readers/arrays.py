"""Read NumPy's `.npy` and `.npz` files; nothing in them is ever executed."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.errors import ArgumentError, DataError, FileError
from polytome.rows.sound import sound_sparse
from polytome.solvers.memory import available_memory
from polytome.tables.readers.opening import InputFile, kind_of_bytes, library_errors

__all__ = [
    "COLUMN_BYTES",
    "check_matrix",
    "flat_images",
    "load_npy",
    "numpy_errors",
    "plain_texts",
    "position_of",
    "read_npy",
    "read_npz",
    "refuse_value",
]

Matrix: TypeAlias = "NDArray[Any] | sparse.csr_array"

COLUMN_BYTES = 64
"""What an empty column costs: coefficients, their gradients, means and deviations are dense."""
_X_NAMES = ("X", "x", "X_train", "x_train", "data", "features")
_Y_NAMES = ("y", "Y", "Y_train", "y_train", "labels", "target")
_SHARE_OF_FREE = 0.25  # of the memory that is free: larger arrays are mapped
_BLOCK_ENTRIES = 1 << 22
_LAST_LETTER = 0x10FFFF  # of Unicode
_HALVES = (0xD800, 0xDFFF)  # of letters in UTF-16, which are not text alone
_POSITION = re.compile("[0-9]{1,9}")


def read_npy(path: Path | InputFile, target: str | None = None) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Read a `.npy` file; an array larger than a quarter of the free memory stays on disk and is
    read as it is used.

    Args:
        path: the file.
        target: where the labels are: another `.npy` file, "last", or the position of a column from
            1; None for nowhere.

    Returns:
        X `(n, d)` in its own type, and the labels `(n,)` or None.

    Raises:
        ArgumentError: `target` is none of these.
        FileError: a file is damaged or holds Python objects.
    """
    array = load_npy(InputFile.of(path))
    if target is None:
        return array, None
    if target.endswith(".npy"):
        return array, load_npy(InputFile(Path(target)))
    position = position_of(target, array.shape, path)
    return np.delete(array, position - 1, axis=1), array[:, position - 1]


def position_of(target: str, shape: tuple[int, ...], path: object) -> int:
    """The position from 1 of the column of labels in an array.

    Raises:
        ArgumentError: there is no such column.
    """
    n_columns = shape[1] if len(shape) == 2 else 0
    position = n_columns if target == "last" else int(target) if _POSITION.fullmatch(target) else 0
    if not 1 <= position <= n_columns:
        raise ArgumentError(
            f"target={target!r}: {path} is an array of shape {shape} without names; give the path of a "
            f".npy file of labels, or 'last' or a position from 1 to {n_columns} when the labels are a column"
        )
    return position


def read_npz(path: Path | InputFile, target: str | None = None) -> tuple[Matrix, NDArray[Any] | None]:
    """Read the features and labels of a `.npz` file, or a sparse array that SciPy saved.

    Args:
        path: the file.
        target: the name of the array of labels; None looks for y, y_train, labels or target.

    Returns:
        X `(n, d)` dense or CSR, and the labels `(n,)` or None.

    Raises:
        ArgumentError: there is no array called `target`.
        FileError: the file is damaged, holds Python objects, decompresses to more than is allowed,
            or has no array called X, x_train, data or features.
    """
    file = InputFile.of(path)
    names = _check_archive(file)
    with file.packed() as stream, numpy_errors(file, "archive"), np.load(stream, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in names}
    odd = next((name for name, array in arrays.items() if not isinstance(array, np.ndarray)), None)
    if odd is not None:
        raise FileError(f"{path}: damaged archive ({odd}.npy is not an array); download or write it again")
    X = _sparse_array(file, arrays) if {"data", "indices", "indptr", "shape"} <= set(arrays) else None
    if target is not None and target not in arrays:
        raise ArgumentError(f"target={target!r}: {path} has no such array; it has {', '.join(arrays)}")
    X_name = _first(_X_NAMES, arrays)
    if X is None and X_name is None:
        raise FileError(f"{path}: has no array called {' or '.join(_X_NAMES)}; found {', '.join(arrays) or 'none'}")
    y_name = target or _first(_Y_NAMES, arrays)
    return arrays[str(X_name)] if X is None else X, None if y_name is None else arrays[y_name]


def flat_images(X: NDArray[Any]) -> NDArray[Any]:
    """Lay each image of a `(n, height, width)` array out as a row; other arrays stay as they are.

    Example:
        >>> flat_images(np.zeros((5, 2, 3))).shape
        (5, 6)
    """
    return X.reshape(len(X), -1) if X.ndim == 3 and X.size else X


def check_matrix(X: Matrix, source: str) -> Matrix:
    """Refuse an array that is not a table of finite real numbers.

    Args:
        X: the features, dense or CSR.
        source: the file's name.

    Returns:
        X, in the machine's byte order.

    Raises:
        DataError: the shape or the type is wrong, or a value is NaN or infinite
            (the message names the first).
    """
    if X.ndim != 2 or 0 in X.shape:
        raise DataError(
            f"{source}: an array of shape {X.shape}; rows and columns, (n, d), are needed, at least one of each"
        )
    if X.dtype.kind not in "buif":
        raise DataError(f"{source}: an array of type {X.dtype}; real numbers are needed; convert it, e.g. to float32")
    if not X.dtype.isnative:
        X = X.astype(X.dtype.newbyteorder("="))
    if sparse.issparse(X):
        wrong = np.flatnonzero(~np.isfinite(X.data))
        if len(wrong):
            row = int(np.searchsorted(X.indptr, wrong[0], side="right")) - 1
            refuse_value(source, row, int(X.indices[wrong[0]]), X.data[wrong[0]])
    elif X.dtype.kind == "f":
        step = max(1, _BLOCK_ENTRIES // X.shape[1])  # in blocks: X may be larger than memory
        for start in range(0, len(X), step):
            finite = np.isfinite(X[start : start + step])
            if not finite.all():
                row, column = (int(place) for place in np.argwhere(~finite)[0])
                refuse_value(source, start + row, column, X[start + row, column])
    return X


def refuse_value(source: str, row: int, column: int, value: object) -> None:
    """Name the first value that is not finite."""
    raise DataError(
        f"{source}, row {row + 1}, column {column + 1}: the value is {value}; "
        "replace it by a number or leave the row out"
    )


def plain_texts(values: NDArray[Any], source: str) -> list[str]:
    """Return an array of text or bytes as plain strings.

    Args:
        values: `(n,)` of type `U` or `S`; bytes are taken as UTF-8.
        source: the file's name.

    Raises:
        DataError: an entry is not a text.

    Example:
        >>> plain_texts(np.array([b"caf\\xc3\\xa9", b"tea"]), "labels.npy")
        ['café', 'tea']
    """
    if values.dtype.kind == "U" and values.dtype.itemsize:  # NumPy checks no letter, and Python's texts hold not all
        letters = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="))).view(np.uint32)
        wrong = (letters > _LAST_LETTER) | ((letters >= _HALVES[0]) & (letters <= _HALVES[1]))
        if wrong.any():
            row = int(np.argmax(wrong.reshape(len(values), -1).any(axis=1)))
            raise DataError(f"{source}, row {row + 1}: the label is not text; write the labels again")
    texts = []
    for row, value in enumerate(values.tolist(), start=1):
        try:
            texts.append(value.decode("utf-8") if isinstance(value, bytes) else value)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{source}, row {row}: the label {value!r:.60} is not UTF-8; write the labels again"
            ) from error
    return texts


def load_npy(file: InputFile) -> NDArray[Any]:
    """Read one array, or map it into memory where it would take much of what is free.

    The system ends a program that reads a map of a file which another one has cut meanwhile
    (SIGBUS), and no error can be caught. So only what has to be mapped is.
    """
    if kind_of_bytes(file.starts_with()) != "NumPy array":
        raise FileError(f"{file}: is not a .npy file; give it the ending that fits its content, or write it again")
    packed = None if file.is_plain else io.BytesIO(file.contents())
    with numpy_errors(file, "array"):
        if packed is not None:
            return cast("NDArray[Any]", np.load(packed))
        # The map tells whether the file is as long as it says, and nothing of it is read.
        mapped = cast("NDArray[Any]", np.load(file.path, mmap_mode="r", allow_pickle=False))
        free = available_memory()
        if free is None or mapped.nbytes > min(_SHARE_OF_FREE * free, file.allowance.size):
            return mapped
        return cast("NDArray[Any]", np.load(file.path, allow_pickle=False))


@contextmanager
def numpy_errors(file: InputFile, what: str) -> Iterator[None]:
    """As `library_errors`; objects, which NumPy refuses to load, are not damage."""
    try:
        with library_errors(file, what):
            yield
    except FileError as error:
        if any(words in str(error.__cause__) for words in ("Object arrays cannot be loaded", "Python objects")):
            raise FileError(
                f"{file}: holds Python objects, which are never loaded; save it with a number or text type"
            ) from error
        raise


def _check_archive(file: InputFile) -> list[str]:
    """The names of the arrays of an archive, once it is known that they fit in memory."""
    kind = kind_of_bytes(file.starts_with())
    if kind in ("Excel workbook", "OpenDocument file"):
        raise FileError(f"{file}: is an {kind}; save its table as CSV")
    if kind != "zip":
        raise FileError(f"{file}: is not a .npz file; give it the ending that fits its content, or write it again")
    members = file.members()
    names = [member.filename for member in members]
    if not any(name.endswith(".npy") for name in names):
        raise FileError(
            f"{file}: is a zip archive without NumPy arrays ({', '.join(names[:3]) or 'empty'}); unpack it, and name "
            "the file that holds the table"
        )
    # zipfile never gives more than a member's stated size, whatever it decompresses to.
    file.allowance.check(file, sum(member.file_size for member in members), "unpacked, it")
    return [name.removesuffix(".npy") for name in names if name.endswith(".npy")]


def _sparse_array(file: InputFile, arrays: dict[str, NDArray[Any]]) -> sparse.csr_array:
    """Rebuild the CSR or CSC array that `scipy.sparse.save_npz` wrote, checking every index."""
    kind, lengths = np.ravel(arrays.get("format", np.array(b"csr"))).tolist(), np.ravel(arrays["shape"])
    if kind not in ([b"csr"], [b"csc"], ["csr"], ["csc"]):
        raise FileError(f"{file}: holds a sparse array in the format {kind!r:.40}; convert it with .tocsr()")
    parts = (arrays["data"], arrays["indices"], arrays["indptr"])
    if len(lengths) != 2 or any(array.dtype.kind not in "iu" for array in (lengths, *parts[1:])):
        raise FileError(f"{file}: damaged sparse array (its shape and indices are not whole numbers); write it again")
    shape = (int(lengths[0]), int(lengths[1]))
    file.allowance.check(file, COLUMN_BYTES * max(0, *shape), f"a sparse array of shape {shape}")
    make = sparse.csr_array if kind in ([b"csr"], ["csr"]) else sparse.csc_array
    with library_errors(file, "sparse array"):
        return sparse.csr_array(sound_sparse(make(parts, shape=shape)))


def _first(names: Iterable[str], arrays: dict[str, NDArray[Any]]) -> str | None:
    """Return the first of the names that the file has."""
    return next((name for name in names if name in arrays), None)
