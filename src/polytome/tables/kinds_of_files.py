"""Of what kind a file is, and its frame where its columns have names."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from polytome.errors import ArgumentError
from polytome.tables.frames import Frame
from polytome.tables.readers.arrow_files import read_columnar
from polytome.tables.readers.delimited import read_delimited
from polytome.tables.readers.idx import is_idx_name
from polytome.tables.readers.json_lines import looks_like_json, read_json_lines
from polytome.tables.readers.libsvm import looks_like_libsvm
from polytome.tables.readers.opening import InputFile, is_folder, kind_of_bytes, plain_name
from polytome.tables.readers.text_folders import is_text_folder
from polytome.tables.readers.workbooks import read_workbook

__all__ = ["WITH_HEADERS", "is_named", "kind_of_file", "read_frame"]

_ENDINGS = {
    **dict.fromkeys((".csv", ".tsv", ".tab"), "delimited"),
    **dict.fromkeys((".parquet", ".pq", ".feather", ".arrow", ".ipc"), "columnar"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "json"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), "workbook"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), "database"),
    **dict.fromkeys((".svm", ".libsvm", ".svmlight"), "libsvm"),
    ".npy": "npy",
    ".npz": "npz",
}


_MAGIC_KINDS = {
    "Parquet": "columnar",
    "Arrow": "columnar",
    "Arrow stream": "columnar",
    "Feather V1": "columnar",
    "Excel workbook": "workbook",
    "Excel": "workbook",
    "OpenDocument file": "workbook",
    "SQLite database": "database",
    "NumPy array": "npy",
    "zip": "npz",
    "IDX": "idx",
}


WITH_HEADERS = ("delimited", "workbook")
"""Kinds of tables of which the first row may hold names."""


_WITH_PARTS = ("workbook", "database")
"""Kinds of files of which a part can be named after `#`."""


def is_named(kind: str) -> bool:
    """Whether files of this kind have named columns.

    Example:
        >>> is_named("delimited"), is_named("npy")
        (True, False)
    """
    return kind in ("delimited", "columnar", "json", *_WITH_PARTS)


def read_frame(
    file: InputFile, kind: str, header: str, expected: Collection[str], encoding: str | None = None
) -> Frame:
    """Read a file with named columns.

    Args:
        file: the file.
        kind: of it; see `kind_of_file`.
        header: as for `read_table`.
        expected: names that the table should have.
        encoding: of a text table; None is UTF-8, or what its mark says.

    Raises:
        ArgumentError: the part of the file that is named is not there.
        FileError: the file cannot be read, or needs more memory than is allowed.
        MissingExtraError: a package is not installed.
    """
    if kind == "delimited":
        return read_delimited(file, header=header, expected=expected, encoding=encoding)
    if kind == "workbook":
        return read_workbook(file, header=header, expected=expected)
    if kind == "database":  # Python may have been built without SQLite
        from polytome.tables.readers.databases import read_database

        return read_database(file)
    return read_json_lines(file) if kind == "json" else read_columnar(file)


def kind_of_file(file: InputFile) -> str:
    """Tell the kind of a file by its ending, or else by its first bytes.

    Raises:
        ArgumentError: a part is named of a file that has none.
    """
    kind = _kind_of_file(file)
    if file.part is not None and kind not in _WITH_PARTS:
        raise ArgumentError(
            f"{file}: only workbooks and databases have parts that are named after #; leave out #{file.part}"
        )
    return kind


def _kind_of_file(file: InputFile) -> str:
    if is_text_folder(file.path):
        return "texts"
    if is_folder(file.path) or is_idx_name(file.path):
        return "idx"
    kind = _ENDINGS.get(Path(plain_name(file.path)).suffix)
    if kind:
        return kind
    start = file.starts_with()
    marked = _MAGIC_KINDS.get(kind_of_bytes(start) or "")
    if marked or looks_like_json(start):
        return marked or "json"
    return "libsvm" if looks_like_libsvm(start) else "delimited"
