"""Data sets known by name: four that come with scikit-learn, and MNIST and Fashion-MNIST,
downloaded when first used.

Reference:
    Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 7 (1936):
    iris. LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
    recognition", Proc. IEEE 86 (1998): MNIST. Xiao, Rasul and Vollgraf, "Fashion-MNIST",
    arXiv:1708.07747 (2017).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, FileError
from polytome.plain.names import close_name
from polytome.tables.downloads import Progress, RemoteFile, fetch
from polytome.tables.readers.idx import IDX_FILES, find_idx, read_idx_pair

__all__ = ["Dataset", "DatasetInfo", "is_here", "list_datasets", "load_dataset"]


@dataclass(frozen=True)
class DatasetInfo:
    """What is known about a data set before it is loaded.

    Attributes:
        name: what `load_dataset` takes.
        description: one sentence.
        n_rows: the number of training rows.
        n_features: the number of columns.
        n_classes: the number of classes.
        bundled: True when it comes with scikit-learn, False when it is downloaded.
        source: where it comes from.
    """

    name: str
    description: str
    n_rows: int
    n_features: int
    n_classes: int
    bundled: bool
    source: str


@dataclass(frozen=True)
class Dataset:
    """A data set in memory.

    Attributes:
        name: its name.
        X: `(n, d)` features: float64, or uint8 for images.
        y: `(n,)` labels, int64 or `str`.
        X_test: `(m, d)` features of the published test part; None when there is none.
        y_test: `(m,)` its labels, or None.
        feature_names: `d` names.
        class_names: the names of the classes in the order of the source.
        scale: the number that every column is to be divided by so that it lies in [0, 1]; None to
            leave them.
        image_shape: height and width when each row is an image.
        source: where it comes from.
        description: one sentence.
    """

    name: str
    X: NDArray[Any]
    y: NDArray[Any]
    X_test: NDArray[Any] | None
    y_test: NDArray[Any] | None
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    scale: float | None
    image_shape: tuple[int, int] | None
    source: str
    description: str


_SKLEARN = "scikit-learn (originally the UCI Machine Learning Repository)"
_INFOS = (
    DatasetInfo("iris", "Sepals and petals of three species of iris, in cm.", 150, 4, 3, True, _SKLEARN),
    DatasetInfo("digits", "Handwritten digits, 8 by 8 pixels of 0 to 16.", 1797, 64, 10, True, _SKLEARN),
    DatasetInfo("wine", "Chemical analyses of wines from three growers.", 178, 13, 3, True, _SKLEARN),
    DatasetInfo("breast-cancer", "Cell nuclei of breast tumours, malignant or benign.", 569, 30, 2, True, _SKLEARN),
    DatasetInfo(
        "mnist",
        "Handwritten digits, 28 by 28 pixels of 0 to 255.",
        *(60_000, 784, 10, False),
        source="LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/",
    ),
    DatasetInfo(
        "fashion-mnist",
        "Photographs of clothing, 28 by 28 pixels of 0 to 255.",
        *(60_000, 784, 10, False),
        source="Zalando Research, https://github.com/zalandoresearch/fashion-mnist",
    ),
)
_GARMENTS = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_MIRRORS = {
    "mnist": ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    "fashion-mnist": (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
}
_CHECKSUMS: dict[str, tuple[Literal["sha256", "md5"], tuple[str, ...]]] = {
    "mnist": (
        "sha256",
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    "fashion-mnist": (
        "md5",
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
}

# The two sets have files of the same names, so a folder may hold the other one.
_FIRST_LABELS = {"mnist": [5, 0, 4, 1, 9, 2, 1, 3, 1, 4], "fashion-mnist": [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]}


def list_datasets() -> tuple[DatasetInfo, ...]:
    """Return what is known about every data set.

    Example:
        >>> [info.name for info in list_datasets()]
        ['iris', 'digits', 'wine', 'breast-cancer', 'mnist', 'fashion-mnist']
    """
    return _INFOS


def load_dataset(name: str, data_dir: str | PathLike[str] | None = None, progress: Progress | None = None) -> Dataset:
    """Load a data set by its name.

    MNIST and Fashion-MNIST are read from `data_dir`; or else from the folder that the variable
    POLYTOME_DATA names, if they are there; or else from a cache (POLYTOME_CACHE, or `polytome` in
    XDG_CACHE_HOME or `~/.cache`), downloaded when they are not there either.

    Args:
        name: one of the names that `list_datasets` gives.
        data_dir: a folder that holds the four IDX files (`.gz` or not), or has a subfolder of the
            data set's name that does; ignored for the data sets that come with scikit-learn.
        progress: called as `progress(file name, bytes so far, bytes in all or None)` during a
            download.

    Returns:
        The data set.

    Raises:
        ArgumentError: there is no such data set.
        FileError: files are absent or damaged, or a download failed.

    Example:
        >>> iris = load_dataset("iris")
        >>> iris.X.shape, iris.class_names
        ((150, 4), ('setosa', 'versicolor', 'virginica'))
        >>> print(iris.y[0])
        setosa
    """
    info = _info(name)
    return _load_bundled(info) if info.bundled else _load_images(info, data_dir, progress)


def is_here(name: str, data_dir: str | PathLike[str] | None = None) -> bool:
    """Tell whether `load_dataset` finds a data set without a network.

    Args:
        name: one of the names that `list_datasets` gives.
        data_dir: a folder that may hold its files; without it, POLYTOME_DATA and the cache are
            looked through.

    Raises:
        ArgumentError: there is no such data set.

    Example:
        >>> is_here("iris"), is_here("mnist", "no/such/folder")
        (True, False)
    """
    if _info(name).bundled or _local_files(name, data_dir) is not None:
        return True
    return data_dir is None and all((_cache(name) / f"{file}.gz").exists() for file in IDX_FILES)


def _info(name: str) -> DatasetInfo:
    """What is known about a data set; if there is none, raises ArgumentError with the closest
    name."""
    infos = {info.name: info for info in _INFOS}
    if name not in infos:
        close = close_name(str(name).replace("_", "-"), infos)
        hint = f"; did you mean {close!r}?" if close is not None else ""
        raise ArgumentError(f"name={name!r}: no such data set; choose one of {', '.join(infos)}{hint}")
    return infos[name]


def _load_bundled(info: DatasetInfo) -> Dataset:
    """Load a data set that comes with scikit-learn."""
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{info.name.replace('-', '_')}")()
    is_digits = info.name == "digits"
    names = tuple(str(label) for label in bunch.target_names)
    return Dataset(
        info.name,
        X=bunch.data.astype(np.uint8) if is_digits else bunch.data,
        y=bunch.target.astype(np.int64) if is_digits else np.array(names)[bunch.target],
        X_test=None,
        y_test=None,
        feature_names=tuple(str(feature) for feature in bunch.feature_names),
        class_names=names,
        scale=16.0 if is_digits else None,
        image_shape=(8, 8) if is_digits else None,
        source=info.source,
        description=info.description,
    )


def _load_images(info: DatasetInfo, data_dir: str | PathLike[str] | None, progress: Progress | None) -> Dataset:
    """Load the four IDX files of MNIST or of a data set in the same format."""
    paths = _local_files(info.name, data_dir)
    if paths is None:
        if data_dir is not None:
            raise FileError(f"{data_dir}: neither this folder nor {info.name} in it holds the four files {_needed()}")
        paths = _fetch_files(info.name, progress)
    images, codes = read_idx_pair(paths[0], paths[1])
    images_test, codes_test = read_idx_pair(paths[2], paths[3])
    names = _GARMENTS if info.name == "fashion-mnist" else tuple("0123456789")
    height, width = images.shape[1:]
    if codes is None or codes_test is None or max(codes.max(), codes_test.max()) >= len(names):
        raise FileError(f"{paths[1]}: a label is above {len(names) - 1}; these are not the labels of {info.name}")
    for other, first in _FIRST_LABELS.items():
        if other != info.name and codes[: len(first)].tolist() == first:
            raise FileError(
                f"{paths[1]}: holds the labels of {other}, not of {info.name}; name the folder of {info.name}"
            )
    if images_test.shape[1:] != (height, width):
        raise FileError(f"{paths[2]}: images of {images_test.shape[1:]} pixels, in training {(height, width)}")
    labels = np.array(names) if info.name == "fashion-mnist" else np.arange(len(names))
    return Dataset(
        info.name,
        X=images.reshape(len(images), -1),
        y=labels[codes],
        X_test=images_test.reshape(len(images_test), -1),
        y_test=labels[codes_test],
        feature_names=tuple(f"pixel_{row}_{column}" for row in range(height) for column in range(width)),
        class_names=names,
        scale=255.0,
        image_shape=(height, width),
        source=info.source,
        description=info.description,
    )


def _local_files(name: str, data_dir: str | PathLike[str] | None) -> list[Path] | None:
    """The four files in the folder the user named, else in that of the environment; None where they
    are not."""
    chosen = data_dir if data_dir is not None else os.environ.get("POLYTOME_DATA")
    if not chosen:
        return None
    # The subfolder first: a folder that holds one of the sets itself may have the other below it.
    for folder in (Path(chosen, name), Path(chosen)):
        found = [find_idx(folder, file) for file in IDX_FILES]
        paths = [path for path in found if path is not None]
        if len(paths) == len(IDX_FILES):
            return paths
    return None


def _cache(name: str) -> Path:
    """The folder where the files of a data set are kept once they are downloaded."""
    chosen = os.environ.get("POLYTOME_CACHE")
    cache = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "polytome")
    return cache / name


def _fetch_files(name: str, progress: Progress | None) -> list[Path]:
    """Return the four files in the cache, downloaded if need be."""
    algorithm, checksums = _CHECKSUMS[name]
    files = [RemoteFile(f"{file}.gz", checksum, algorithm) for file, checksum in zip(IDX_FILES, checksums, strict=True)]
    try:
        return [fetch(file, _MIRRORS[name], _cache(name), progress) for file in files]
    except FileError as error:
        raise FileError(
            f"{name}: {error}. Without a connection, get the four files {_needed()} "
            "on another machine and name their folder with --data DIR (or data_dir)"
        ) from error


def _needed() -> str:
    """List the names of the four files."""
    return ", ".join(f"{file}.gz" for file in IDX_FILES)
