"""Read Parquet and Arrow (Feather) files."""

from __future__ import annotations

from pathlib import Path

from polytome.errors import FileError
from polytome.tables.frames import Frame
from polytome.tables.readers.arrow_streams import read_arrow_file
from polytome.tables.readers.columnar import VALUE_BYTES, checked_frame, import_pyarrow
from polytome.tables.readers.opening import InputFile, kind_of_bytes, library_errors

__all__ = ["read_columnar"]


def read_columnar(path: Path | InputFile) -> Frame:
    """Read a Parquet or Arrow file, distinguished by its first bytes.

    Args:
        path: the file.

    Returns:
        The frame. Numbers and Booleans stay numbers, text stays text, nulls are missing cells.

    Raises:
        FileError: the file is neither, is damaged, names a column twice, holds no rows or needs
            more memory than is allowed.
        MissingExtraError: pyarrow is not installed.
    """
    file = InputFile.of(path)
    import_pyarrow(str(file))
    kind = kind_of_bytes(file.starts_with())
    if kind == "Parquet":
        return _read_parquet(file)
    if kind in ("Arrow", "Arrow stream"):
        return read_arrow_file(file)
    if kind == "Feather V1":
        raise FileError(
            f"{file}: is a Feather file of version 1, from before 2020; write it again, with "
            "pyarrow.feather.write_feather(pyarrow.feather.read_table(OLD), NEW)"
        )
    raise FileError(f"{file}: is neither a Parquet nor an Arrow file; give it the ending that fits its content")


def _read_parquet(file: InputFile) -> Frame:
    """Read a Parquet file; its text stays coded, since a few words can stand for very many long
    cells."""
    import pyarrow
    from pyarrow import parquet

    name = "Parquet file"
    opened = str(file.path) if file.is_plain else pyarrow.BufferReader(file.contents())
    with library_errors(file, name):
        metadata = parquet.read_metadata(opened)
        rows, n_columns, schema = metadata.num_rows, metadata.num_columns, metadata.schema
        # Not from the columns of each group: where those are damaged, pyarrow ends the process.
        unpacked = sum(metadata.row_group(place).total_byte_size for place in range(metadata.num_row_groups))
        columns = [schema.column(place) for place in range(n_columns)]
        texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
    needed = rows * n_columns * VALUE_BYTES + unpacked
    file.allowance.check(file, needed, f"{rows:,} rows of {n_columns:,} columns")
    with library_errors(file, name):
        table = parquet.ParquetFile(opened, read_dictionary=sorted(set(texts))).read()
    return checked_frame(table, str(file), name, file.allowance.size)
