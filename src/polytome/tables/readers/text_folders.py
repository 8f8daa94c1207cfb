"""A folder of text files, one text in each; those of each class in a subfolder named after it."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from polytome.errors import FileError
from polytome.tables.frames import Frame, TextCells
from polytome.tables.images import IMAGE_SUFFIXES
from polytome.tables.readers.encodings import check_encoding
from polytome.tables.readers.idx import is_idx_name
from polytome.tables.readers.opening import Allowance, file_errors, is_folder, kind_of_bytes, plain_name

__all__ = ["LABEL_COLUMN", "TEXT_COLUMN", "is_text_folder", "read_text_folder"]

LABEL_COLUMN, TEXT_COLUMN = "label", "text"
"""The columns of the table that a folder of texts is read as."""
_OTHER_ENDINGS = (
    *(".csv", ".tsv", ".tab", ".parquet", ".pq", ".feather", ".arrow", ".ipc", ".npy", ".npz"),
    *(".jsonl", ".ndjson", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".db", ".sqlite", ".sqlite3"),
    *(".svm", ".libsvm", ".svmlight", ".safetensors", *IMAGE_SUFFIXES),
)
_SECOND = "latin-1"  # in which every byte is a letter


def is_text_folder(path: str | PathLike[str]) -> bool:
    """Whether this is a folder with text files, or with subfolders of them, and no tables, arrays
    or images.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "spam").mkdir()
        ...     _ = Path(folder, "spam", "1.txt").write_text("win a prize")
        ...     is_text_folder(folder), is_text_folder(Path(folder, "spam", "1.txt"))
        (True, False)
    """
    if not is_folder(path):
        return False
    folder = Path(path)
    with file_errors(path):
        files = [*_files_in(folder), *(file for one in _subfolders(folder) for file in _files_in(one))]
    return bool(files) and not any(
        Path(plain_name(file)).suffix in _OTHER_ENDINGS or is_idx_name(file) for file in files
    )


def read_text_folder(path: str | PathLike[str], encoding: str | None = None, read_limit: float | None = None) -> Frame:
    """Read the texts of a folder as a table of one column, and one of labels where the texts lie in
    subfolders.

    Texts are in the order of their names, subfolder by subfolder. Hidden files and folders are left
    out.

    Args:
        path: the folder.
        encoding: of the texts; None is UTF-8, and Latin-1 for a file that is not, which a note
            says.
        read_limit: gigabytes of memory that the texts may take; see `read_table`.

    Raises:
        ArgumentError: there is no such encoding.
        FileError: a subfolder is empty, a text lies outside of the subfolders, a file is not text
            or cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for label, text in (("ham", "see you at six"), ("spam", "win a prize")):
        ...         Path(folder, label).mkdir()
        ...         _ = Path(folder, label, "1.txt").write_text(text)
        ...     frame = read_text_folder(folder)
        >>> frame.names, frame["label"].text(0), frame["text"].text(0)
        (('label', 'text'), 'ham', 'see you at six')
    """
    check_encoding(encoding)
    folder = Path(path)
    with file_errors(path):
        outside, inside = _files_in(folder), {one: _files_in(one) for one in _subfolders(folder)}
    if empty := next((one for one, files in inside.items() if not files), None):
        raise FileError(f"{empty}: this folder holds no text files; fill it, or remove it")
    if inside and outside:
        raise FileError(
            f"{outside[0]}: lies outside of the subfolders, whose names are the labels; move it into one, or away"
        )
    files = [*outside, *(file for some in inside.values() for file in some)]
    with file_errors(path):
        size = sum(file.stat().st_size for file in files)
    Allowance.of(size, read_limit).check(path, 2 * size, f"{len(files):,} texts")
    texts, others = [], []
    for file in files:
        text, is_second = _decoded(file, encoding)
        texts.append(text)
        others += [file] if is_second else []
    notes: tuple[str, ...] = ()
    if others:
        notes = (
            f"{len(others):,} of {len(files):,} files are not UTF-8, such as {others[0].relative_to(folder)}, and are "
            f"read as Latin-1; name another with --encoding",
        )
    columns = {TEXT_COLUMN: TextCells.of(texts)}
    if inside:
        columns = {LABEL_COLUMN: TextCells.of([file.parent.name for file in files]), **columns}
    places = [str(file.relative_to(folder)) for file in files]
    return Frame(tuple(columns), tuple(columns.values()), str(path), locate=places.__getitem__, notes=notes)


def _files_in(folder: Path) -> list[Path]:
    """The files of a folder, sorted; hidden ones are left out."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_dir())


def _decoded(file: Path, encoding: str | None) -> tuple[str, bool]:
    """The text of a file, and whether it is not in the encoding that was tried first."""
    with file_errors(file):
        data = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    kind = kind_of_bytes(data[:100])
    wide = encoding is not None and encoding.lower().replace("-", "").replace("_", "").startswith(("utf16", "utf32"))
    if kind is not None or (b"\0" in data and not wide):
        what = f"a file of the kind {kind}" if kind is not None else "a binary file (it holds a zero byte)"
        raise FileError(f"{file}: is {what}, not text; remove it, or save it as text")
    try:
        return data.decode(encoding or "utf-8"), False
    except UnicodeDecodeError as error:
        if encoding is not None:
            raise FileError(
                f"{file}: byte {error.start + 1}, 0x{data[error.start]:02x}, is not {encoding}; name the encoding of "
                "the texts with --encoding, or leave the option out"
            ) from error
    return data.decode(_SECOND), True
