"""Where results will go, checked before any work: no output replaces an input or another output."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["check_outputs", "is_same_file"]

_ENDINGS = frozenset(
    [
        ".csv",
        ".tsv",
        ".tab",
        ".parquet",
        ".pq",
        ".feather",
        ".arrow",
        ".ipc",
        ".npy",
        ".npz",
        ".svm",
        ".libsvm",
        ".svmlight",
        ".json",
        ".html",
        ".htm",
        ".md",
        ".safetensors",
        ".onnx",
        ".py",
        ".h",
        ".sql",
        ".jsonl",
        ".ndjson",
        ".db",
        ".sqlite",
        ".ods",
        ".xls",
        ".xlsx",
        ".zip",
        ".gz",
        ".bz2",
        ".xz",
        ".zst",
        ".lz4",
        ".png",
        ".jpg",
        ".jpeg",
        ".gif",
        ".bmp",
        ".webp",
        ".pdf",
    ]
)
"""Endings that stand for a file format."""


def check_outputs(inputs: Iterable[str | Path | None], outputs: Mapping[str, tuple[Path | None, str]]) -> None:
    """Check that all outputs can be written, and that none of them is an input or another output.

    Args:
        inputs: paths that are read, and names of data sets; None where there is none.
        outputs: for each option the path it names and the endings it may have, separated by blanks.

    Raises:
        ArgumentError: a file would be overwritten that the same command reads or writes, or its
            ending stands for another format.
        FileError: a file cannot be written.

    Example:
        >>> check_outputs(["iris"], {"--out": (Path("iris.csv"), ".safetensors")})
        Traceback (most recent call last):
        polytome.errors.ArgumentError: --out iris.csv: the output is not a .csv file; end the name with .safetensors
    """
    from polytome.errors import ArgumentError
    from polytome.files.atomic_files import check_writable
    from polytome.tables.readers.idx import is_idx_name
    from polytome.tables.readers.whereabouts import STANDARD_INPUT, located

    read = [located(name) for name in inputs if name is not None and str(name) != STANDARD_INPUT]
    written: dict[str, Path] = {}
    for option, (path, endings) in outputs.items():
        if path is None:
            continue
        if str(path) == STANDARD_INPUT:
            raise ArgumentError(f"{option} -: is not a file that can be written; name one, or leave {option} out")
        check_writable(path)
        for other in read:
            if is_same_file(path, other):
                raise ArgumentError(f"{option} {path}: is {other}, which this command reads; choose another name")
        for name, other in written.items():
            if is_same_file(path, other) and not _is_device(path):
                raise ArgumentError(f"{option} {path}: is also the file of {name}; choose another name for one of them")
        ending = path.suffix.lower()
        if (ending in _ENDINGS and ending not in endings.split()) or is_idx_name(path):
            wanted = " or ".join(endings.split()) or "one that stands for no other format"
            raise ArgumentError(f"{option} {path}: the output is not a {ending} file; end the name with {wanted}")
        written[option] = path


def is_same_file(path: str | Path, other: str | Path) -> bool:
    """Whether two paths lead to one file, however they are spelled.

    Example:
        >>> is_same_file("a/../b.csv", Path("b.csv"))
        True
    """
    path, other = Path(path), Path(other)
    with suppress(OSError):  # one of them does not exist, or cannot
        return path.samefile(other) and not _is_device(path)
    return os.path.realpath(path) == os.path.realpath(other)


def _is_device(path: Path) -> bool:
    """Whether this exists and is not a regular file, such as /dev/null."""
    return path.exists() and not path.is_file()
