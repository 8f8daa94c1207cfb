"""Read NumPy's `.npy` and `.npz` files; nothing in them is ever executed."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.errors import ArgumentError, DataError, FileError
from polytome.readers.opening import kind_of_bytes, starting_bytes

__all__ = ["check_matrix", "flat_images", "read_npy", "read_npz"]

Matrix: TypeAlias = "NDArray[Any] | sparse.csr_array"

_DAMAGE = (ValueError, EOFError, OSError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error)
_X_NAMES = ("X", "x", "X_train", "x_train", "data", "features")
_Y_NAMES = ("y", "Y", "Y_train", "y_train", "labels", "target")
_BLOCK_ENTRIES = 1 << 22


def read_npy(path: Path, target: str | None = None) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Open a `.npy` file without loading it: the array stays on disk and is read as it is used.

    Args:
        path: the file.
        target: where the labels are: another `.npy` file, "last", or the position of a column from 1; None
            for nowhere.

    Returns:
        X `(n, d)` in its own type, and the labels `(n,)` or None.

    Raises:
        ArgumentError: `target` is none of these.
        FileError: a file is damaged or holds Python objects.
    """
    array = _load_npy(path)
    if target is None:
        return array, None
    if target.endswith(".npy"):
        return array, _load_npy(Path(target))
    n_columns = array.shape[1] if array.ndim == 2 else 0
    position = n_columns if target == "last" else int(target) if target.isascii() and target.isdigit() else 0
    if not 1 <= position <= n_columns:
        raise ArgumentError(
            f"target={target!r}: {path} is an array of shape {array.shape} without names; give the path of a "
            f".npy file of labels, or 'last' or a position from 1 to {n_columns} when the labels are a column"
        )
    return np.delete(array, position - 1, axis=1), array[:, position - 1]


def read_npz(path: Path, target: str | None = None) -> tuple[Matrix, NDArray[Any] | None]:
    """Read the features and labels of a `.npz` file, or a sparse array that SciPy saved.

    Args:
        path: the file.
        target: the name of the array of labels; None looks for y, y_train, labels or target.

    Returns:
        X `(n, d)` dense or CSR, and the labels `(n,)` or None.

    Raises:
        ArgumentError: there is no array called `target`.
        FileError: the file is damaged, holds Python objects, or has no array called X, x_train, data or
            features.
    """
    if kind_of_bytes(starting_bytes(path, 16)) != "zip":
        raise FileError(f"{path}: is not a .npz file; give it the ending that fits its content, or write it again")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        X = _sparse_array(arrays) if {"data", "indices", "indptr", "shape"} <= set(arrays) else None
    except _DAMAGE as error:
        raise FileError(f"{path}: {_complaint(error)}") from error
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
    """Refuse an array that is no table of finite real numbers.

    Args:
        X: the features, dense or CSR.
        source: the file's name.

    Returns:
        X, in the machine's byte order.

    Raises:
        DataError: the shape or the type is wrong, or a value is NaN or infinite (the message names the
            first).
    """
    if X.ndim != 2 or 0 in X.shape:
        raise DataError(f"{source}: an array of shape {X.shape}; needed are rows and columns, (n, d), both at least 1")
    if X.dtype.kind not in "buif":
        raise DataError(f"{source}: an array of type {X.dtype}; needed are real numbers; convert it, e.g. to float32")
    if not X.dtype.isnative:
        X = X.astype(X.dtype.newbyteorder("="))
    if sparse.issparse(X):
        wrong = np.flatnonzero(~np.isfinite(X.data))
        if len(wrong):
            row = int(np.searchsorted(X.indptr, wrong[0], side="right")) - 1
            _refuse_value(source, row, int(X.indices[wrong[0]]), X.data[wrong[0]])
    elif X.dtype.kind == "f":
        step = max(1, _BLOCK_ENTRIES // X.shape[1])  # in blocks: X may be larger than memory
        for start in range(0, len(X), step):
            finite = np.isfinite(X[start : start + step])
            if not finite.all():
                row, column = (int(place) for place in np.argwhere(~finite)[0])
                _refuse_value(source, start + row, column, X[start + row, column])
    return X


def _refuse_value(source: str, row: int, column: int, value: object) -> None:
    """Name the first value that is not finite."""
    raise DataError(
        f"{source}, row {row + 1}, column {column + 1}: the value is {value}; "
        "replace it by a number or leave the row out"
    )


def _load_npy(path: Path) -> NDArray[Any]:
    """Map one array into memory."""
    if kind_of_bytes(starting_bytes(path, 16)) != "NumPy array":
        raise FileError(f"{path}: is not a .npy file; give it the ending that fits its content, or write it again")
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGE as error:
        raise FileError(f"{path}: {_complaint(error)}") from error
    return array


def _complaint(error: Exception) -> str:
    """Put NumPy's reason for refusing a file into words with a remedy."""
    if "object" in str(error).lower():
        return "holds Python objects, which are never loaded; save it with a number or text type"
    return f"damaged file ({error}); fetch or write it again"


def _sparse_array(arrays: dict[str, NDArray[Any]]) -> sparse.csr_array:
    """Rebuild the CSR or CSC array that `scipy.sparse.save_npz` wrote, checking every index."""
    kind = str(arrays.get("format", np.array(b"csr")).item(), "ascii")
    parts = (arrays["data"], arrays["indices"], arrays["indptr"])
    shape = (int(arrays["shape"][0]), int(arrays["shape"][1]))
    if kind not in ("csr", "csc"):
        raise ValueError(f"sparse format {kind!r}, needed csr")
    X = sparse.csr_array(parts, shape=shape) if kind == "csr" else sparse.csc_array(parts, shape=shape)
    X.check_format(full_check=True)
    return sparse.csr_array(X)


def _first(names: Iterable[str], arrays: dict[str, NDArray[Any]]) -> str | None:
    """Return the first of the names that the file has."""
    return next((name for name in names if name in arrays), None)
