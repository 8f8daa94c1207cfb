"""Write predictions piece by piece, in the format that the ending of a file says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from polytome.errors import DataError
from polytome.files.atomic_files import atomic_output
from polytome.files.predictions import Predictions
from polytome.plain.values import plain
from polytome.tables.readers.columnar import import_pyarrow

if TYPE_CHECKING:
    import pyarrow

__all__ = ["PREDICTION_ENDINGS", "prediction_file", "prediction_lines"]

PREDICTION_ENDINGS = ".csv .parquet .pq .arrow .feather .ipc .jsonl .ndjson"
"""What the name of a file of predictions may end in, where the ending stands for a format."""
_PARQUET, _ARROW, _JSON = (".parquet", ".pq"), (".arrow", ".feather", ".ipc"), (".jsonl", ".ndjson")

Writer: TypeAlias = Callable[[Predictions], object]


@contextmanager
def prediction_file(path: str | PathLike[str], guard_formulas: bool = False) -> Iterator[Writer]:
    """Open a file for predictions, which is written whole or not at all.

    Args:
        path: the file. By its ending it is Parquet, Arrow or JSON Lines, and CSV otherwise.
        guard_formulas: as for `Predictions.to_csv`.

    Yields:
        A function that takes the predictions of more rows.

    Raises:
        DataError: a column that is kept has values of different types in different pieces.
        FileError: the file cannot be written.
        MissingExtraError: the format needs pyarrow and it is not installed.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> some = Predictions(np.array(["no", "yes"]), np.array(["yes"]), np.array([[0.25, 0.75]]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "p.jsonl")
        ...     with prediction_file(path) as write:
        ...         _ = write(some)
        ...     path.read_text()
        '{"prediction": "yes", "probability_no": 0.25, "probability_yes": 0.75}\\n'
    """
    ending = Path(path).suffix.lower()
    with atomic_output(path) as stream:
        if ending in _PARQUET or ending in _ARROW:
            with _arrow_file(stream, str(path), ending in _PARQUET) as write:
                yield write
        elif ending in _JSON:
            yield lambda found: stream.write(_json_lines(found).encode())
        else:
            yield prediction_lines(lambda text: stream.write(text.encode()), guard_formulas)


def prediction_lines(write: Callable[[str], object], guard_formulas: bool = False) -> Writer:
    """A function that writes the predictions of more rows as CSV, with a header line at first.

    Args:
        write: takes text.
        guard_formulas: as for `Predictions.to_csv`.

    Example:
        >>> import sys
        >>> import numpy as np
        >>> write = prediction_lines(sys.stdout.write)
        >>> for label in ("no", "yes"):
        ...     write(Predictions(np.array(["no", "yes"]), np.array([label])))
        prediction
        no
        yes
    """
    is_first = True

    def written(found: Predictions) -> None:
        nonlocal is_first
        if is_first:
            write(found.to_csv(guard_formulas))
        else:
            for block in found.csv_blocks(guard_formulas):
                write(block)
        is_first = False

    return written


def _json_lines(found: Predictions) -> str:
    """An object for each row; what JSON cannot hold becomes null."""
    columns = found.columns()
    rows = zip(*(plain(column) for column in columns.values()), strict=True)
    return "".join(
        json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False, allow_nan=False) + "\n" for row in rows
    )


@contextmanager
def _arrow_file(stream: IO[bytes], source: str, is_parquet: bool) -> Iterator[Writer]:
    """Parquet, or Arrow's own format, of which the first piece gives the types."""
    pyarrow = import_pyarrow(source)
    from pyarrow import ipc, parquet

    writer: Any = None
    schema: Any = None

    def written(found: Predictions) -> None:
        nonlocal writer, schema
        table = found.to_table()
        if writer is None:
            schema = table.schema
            writer = (parquet.ParquetWriter if is_parquet else ipc.new_file)(stream, schema)
        writer.write_table(_alike(table, schema, pyarrow))

    try:
        yield written
    finally:
        if writer is not None:
            writer.close()


def _alike(table: pyarrow.Table, schema: pyarrow.Schema, pyarrow: Any) -> pyarrow.Table:
    """A piece with the types of the first one."""
    for name, wanted in zip(schema.names, schema.types, strict=True):
        if table.schema.field(name).type != wanted:
            try:
                place = table.schema.get_field_index(name)
                table = table.set_column(place, name, table.column(name).cast(wanted))
            except pyarrow.ArrowInvalid as error:
                raise DataError(
                    f"column {name!r}: holds values of several types ({error}); write the predictions as CSV, or the "
                    "column alike in all rows"
                ) from error
    return table
