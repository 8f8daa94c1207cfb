"""Image files, and folders of them, as rows with labels: the name of a subfolder is the label of
its images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError, FileError
from polytome.models.fitted_source import source_of
from polytome.tables.images import IMAGE_SUFFIXES, training_form
from polytome.tables.readers.opening import exists, is_folder

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

__all__ = ["ImageRows", "find_images", "images_for_model", "is_images", "read_images"]


class ImageRows(NamedTuple):
    """Images as rows."""

    X: NDArray[Any]
    """`(n, height * width)` uint8 or float64, each image in its training form, row by row."""
    y: NDArray[Any] | None
    """`(n,)` labels, int64 where all are whole numbers, else `str`; None where an image has
    none."""
    files: tuple[str, ...]
    """The names of the n files."""


def is_images(path: str | PathLike[str]) -> bool:
    """Whether this is the name of an image file, or a folder that contains image files.

    Example:
        >>> is_images("photo.JPG"), is_images("rows.csv")
        (True, False)
    """
    path = Path(path)
    return bool(_images_in(path)) if is_folder(path) else path.suffix.lower() in IMAGE_SUFFIXES


def find_images(paths: Iterable[str | PathLike[str]]) -> list[tuple[Path, str | None]]:
    """Find image files and their labels.

    Args:
        paths: image files, in any order, and folders of them. The images of a folder follow sorted
            by name, those of its subfolders too, whose names are their labels: in `folder/3/a.png`
            the label is "3".

    Returns:
        For each image its path and its label; None if it is not in a subfolder.

    Raises:
        FileError: there is no such file or folder, or a folder holds no image.
    """
    found: list[tuple[Path, str | None]] = []
    for path in map(Path, paths):
        if not exists(path):
            raise FileError(f"{path}: no such file or folder; check the path (the current folder is {Path.cwd()})")
        images = _images_in(path) if is_folder(path) else [path]
        if not images:
            raise FileError(f"{path}: neither this folder nor a subfolder holds an image {IMAGE_SUFFIXES}")
        found += [(image, image.parent.name if path not in (image, image.parent) else None) for image in images]
    return found


def read_images(
    paths: str | PathLike[str] | Sequence[str | PathLike[str]], shape: tuple[int, int] = (28, 28), full: float = 255
) -> ImageRows:
    """Read image files as rows.

    Args:
        paths: a file or a folder, or several; see `find_images`.
        shape: height and width of the training images.
        full: the value of full ink in them; see `training_form`.

    Returns:
        The rows, with labels if each image is in a subfolder.

    Raises:
        PolytomeError: a file cannot be used; see `training_form`.
    """
    found = find_images([paths] if isinstance(paths, str | PathLike) else paths)
    labels = [label for _, label in found if label is not None]
    y: NDArray[Any] | None = None
    if len(labels) == len(found):
        y = np.array(labels, dtype=np.int64 if all(map(_is_whole, labels)) else np.str_)
    X = np.stack([training_form(path, shape, full).ravel() for path, _ in found])
    return ImageRows(X, y, tuple(str(path) for path, _ in found))


def images_for_model(model: Fitted, paths: Sequence[str | PathLike[str]]) -> ImageRows:
    """Read image files in the form of the images that a model was trained on.

    Args:
        model: fitted to images: it has `image_shape_`, and its `scale` is the value of full ink.
        paths: see `find_images`.

    Raises:
        ArgumentError: there are other things besides the images.
        DataError: the model was not trained on images, or the value of full ink is unknown; an
            image cannot be used.
        FileError: a file cannot be read.
    """
    if other := next((path for path in paths if exists(path) and not is_images(path)), None):
        raise ArgumentError(f"{other}: is not an image, and was given with images; give either one table or images")
    shape, full = source_of(model).image_shape, vars(model).get("scale")
    if shape is None:
        raise DataError(f"{paths[0]}: is an image, and the model was not trained on images but on a table of numbers")
    if not isinstance(full, int | float | np.integer | np.floating):
        raise DataError(
            f"{paths[0]}: the value of full ink in the model's images is not known, because it was trained with "
            f"scale={full!r}; train it with the largest pixel value as the scale"
        )
    rows = read_images(paths, shape, float(full))
    if rows.y is None or rows.y.dtype.kind == model.classes_.dtype.kind:
        return rows
    if rows.y.dtype.kind == "i":  # folders may be named by numbers where the classes are text
        return rows._replace(y=rows.y.astype(np.str_))
    odd = next(label for label in rows.y.tolist() if not _is_whole(label))
    raise DataError(f"{paths[0]}: subfolder {odd!r} is not a label: the classes of the model are whole numbers")


def _images_in(folder: Path) -> list[Path]:
    """The image files of a folder and of its subfolders, sorted; hidden ones are left out."""
    found = [path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.suffix.lower() in IMAGE_SUFFIXES]
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def _is_whole(label: str) -> bool:
    """Whether a label is a number such as 12 and not a code such as 012."""
    return label.isascii() and label.isdecimal() and len(label) < 16 and str(int(label)) == label
