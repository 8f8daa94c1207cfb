"""Read IDX files, the format of MNIST and the data sets named after it.

An IDX file starts with two zero bytes, one byte for the type of its values and one for the number
of dimensions; then come the dimensions as big-endian 32-bit integers and then the values, row by
row, big-endian.

Reference:
    LeCun, Cortes and Burges, "The MNIST database of handwritten digits" (1998), section "File
    formats".
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polytome.errors import FileError
from polytome.tables.readers.opening import InputFile, file_errors, plain_name, read_exactly

__all__ = ["IDX_FILES", "find_idx", "images_and_labels", "is_idx_name", "read_idx", "read_idx_pair"]

IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
"""The names of the four files, to which `.gz` may be added."""

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_DIMENSIONS = 32  # that any NumPy can hold


def is_idx_name(path: Path) -> bool:
    """Tell whether a file is named as an IDX file."""
    return "idx1-" in path.name or "idx3-" in path.name


def find_idx(folder: Path, name: str) -> Path | None:
    """Find an IDX file in a folder: compressed or not, written `-idx3` or `.idx3`."""
    spellings = (name, name.replace("-idx", ".idx"))
    candidates = (folder / (spelling + suffix) for spelling in spellings for suffix in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def read_idx(path: Path | InputFile, n_dimensions: int | None = None) -> NDArray[np.generic]:
    """Read one IDX file.

    Args:
        path: the file, compressed or not.
        n_dimensions: the number of dimensions it must have; None accepts any.

    Returns:
        The array in its own shape and type (uint8 stays uint8).

    Raises:
        FileError: the mark, the type, the number of dimensions or the length is wrong.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "tiny-idx1-ubyte")
        ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
        ...     read_idx(path)
        array([7, 8, 9], dtype=uint8)
    """
    with InputFile.of(path).opened() as stream:
        mark = read_exactly(stream, 4)
        if len(mark) < 4 or mark[:2] != b"\0\0" or mark[2] not in _TYPES or not 1 <= mark[3] <= _MOST_DIMENSIONS:
            raise FileError(
                f"{path}: is not an IDX file: it starts with {mark.hex(' ')}, not 00 00 08 01 or 03; download it again"
            )
        if n_dimensions not in (None, mark[3]):
            raise FileError(
                f"{path}: has {mark[3]} dimensions where {n_dimensions} are needed "
                "(images have 3, labels 1); are images and labels swapped?"
            )
        header = read_exactly(stream, 4 * mark[3])
        if len(header) < 4 * mark[3]:
            raise FileError(f"{path}: the file ends within its header; download it again")
        shape = tuple(int(length) for length in np.frombuffer(header, dtype=">u4"))
        dtype = np.dtype(_TYPES[mark[2]])
        expected = math.prod(shape) * dtype.itemsize
        data = read_exactly(stream, expected + 1)  # one byte more shows that something follows
    if len(data) < expected:
        raise FileError(
            f"{path}: cut short: shape {shape} needs {expected} bytes, found {len(data)}; download it again"
        )
    if len(data) > expected:
        raise FileError(f"{path}: data follow after the {expected} bytes that shape {shape} needs; download it again")
    return np.frombuffer(data, dtype=dtype).astype(dtype.newbyteorder("="), copy=False).reshape(shape)


def read_idx_pair(
    images_path: Path | InputFile, labels_path: Path | InputFile | None
) -> tuple[NDArray[np.generic], NDArray[np.int64] | None]:
    """Read images and their labels.

    Args:
        images_path: `(n, height, width)` images.
        labels_path: `(n,)` labels; None when there are none.

    Returns:
        The images `(n, height, width)` in their own type and the labels `(n,)` as int64, or None.

    Raises:
        FileError: a file is damaged, or the two differ in length.
    """
    images = read_idx(images_path, n_dimensions=3)
    if images.size == 0:
        raise FileError(f"{images_path}: holds no pixels: its shape is {images.shape}")
    if labels_path is None:
        return images, None
    labels = read_idx(labels_path, n_dimensions=1)
    if labels.dtype.kind not in "iu":
        raise FileError(f"{labels_path}: holds labels of type {labels.dtype}; whole numbers are needed")
    if len(labels) != len(images):
        raise FileError(
            f"{labels_path}: holds {len(labels)} labels for the {len(images)} images in {images_path}; "
            "the two files must come from the same set"
        )
    return images, labels.astype(np.int64)


def images_and_labels(path: Path) -> tuple[Path, Path | None]:
    """Find the pair that a path means: a folder's training pair, or an images file and the labels
    beside it."""
    if not path.is_dir():
        stem = plain_name(path)
        if "labels" in stem:
            raise FileError(f"{path}: holds labels; name the images file or the folder instead")
        return path, find_idx(path.parent, stem.replace(".idx", "-idx").replace("images-idx3", "labels-idx1"))
    images = find_idx(path, IDX_FILES[0])
    if images is None:
        with file_errors(path):
            found = ", ".join(sorted(entry.name for entry in path.iterdir())[:6]) or "nothing"
        raise FileError(
            f"{path}: is a folder without {IDX_FILES[0]} (or .gz); found {found}; name a file in it instead"
        )
    labels = find_idx(path, IDX_FILES[1])
    if labels is None:
        raise FileError(
            f"{path}: holds {images.name} but not {IDX_FILES[1]} (or .gz); put the labels beside the images"
        )
    return images, labels
