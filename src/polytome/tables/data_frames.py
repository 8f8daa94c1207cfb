"""Data frames in memory as tables of named columns: of pandas, polars, Arrow, and of all that hand
out Arrow's columns."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Protocol, TypeGuard

import numpy as np

from polytome.errors import DataError
from polytome.tables.frames import Cells, Frame, TextCells, cells_of, listing, spelled
from polytome.tables.readers.columnar import UnusableCells, cells_of_arrow, import_pyarrow, orders_of_arrow
from polytome.tables.readers.row_index import is_index_name
from polytome.tables.streams.frames import is_spread

__all__ = ["DATA_FRAME", "DataFrame", "frame_of", "is_data_frame"]

DATA_FRAME = "the data frame"
"""What messages call a data frame."""


class DataFrame(Protocol):
    """A data frame of pandas, polars or Arrow: anything with columns that hands them out."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the columns as a capsule of an Arrow stream."""
        ...


def is_data_frame(data: object) -> TypeGuard[DataFrame]:
    """Whether a value is a data frame in memory, with names for its columns.

    Example:
        >>> import pandas
        >>> is_data_frame(pandas.DataFrame({"age": [25]})), is_data_frame([[25]]), is_data_frame("people.csv")
        (True, False, False)
    """
    if isinstance(data, np.ndarray | str) or is_spread(data):
        return False
    return _is_pandas(data) or (hasattr(data, "__arrow_c_stream__") and _has_columns(data))


def _is_pandas(data: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, pandas.DataFrame)


def _has_columns(data: Any) -> bool:
    """Whether it has several columns, unlike a series, which hands out Arrow's columns, too."""
    return hasattr(data, "columns") or hasattr(data, "column_names")


def frame_of(data: Any, wanted: Collection[str] | None = None) -> Frame:
    """A data frame as a table. Its index is no column.

    Args:
        data: a frame of pandas, polars or Arrow, or of anything else with columns that hands them
            out by `__arrow_c_stream__`. Names that are no text are written as text.
        wanted: the columns that will be read; others may hold anything. None for all.

    Raises:
        DataError: there are no rows, or two columns have one name.
        MissingExtraError: pyarrow is not installed.

    Example:
        >>> import pandas
        >>> frame = frame_of(pandas.DataFrame({"age": [25, None], "hue": ["red", "blue"]}, index=[7, 8]))
        >>> frame.names, frame["age"].numbers(), frame["hue"].words()
        (('age', 'hue'), array([25., nan]), (array([0, 1]), ('red', 'blue')))
    """
    pyarrow = import_pyarrow(DATA_FRAME)
    table: Any = data if _is_pandas(data) else pyarrow.table(data)
    labels = list(table.columns) if _is_pandas(data) else table.column_names
    if (several := next((label for label in labels if isinstance(label, tuple)), None)) is not None:
        raise DataError(
            f"{DATA_FRAME}: has a column with several names, {several!r}; give each column one, as "
            "df.columns = ['_'.join(names) for names in df.columns] does"
        )
    names = tuple(map(str, labels))
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{DATA_FRAME}: has two columns named {twice[0]!r}; give each column its own name")
    n_rows = len(table)
    if not n_rows or not names:
        raise DataError(f"{DATA_FRAME}: has {n_rows} rows and {len(names)} columns; there is nothing to read")
    cells: list[Cells] = []
    categories, orders = [], {} if _is_pandas(data) else orders_of_arrow(table)
    for place, name in enumerate(names):
        if wanted is not None and name not in wanted:
            cells.append(UnusableCells(n_rows, f"{DATA_FRAME}, column {name!r}: is not read"))
        elif not _is_pandas(data):
            cells.append(cells_of_arrow(DATA_FRAME, name, table.column(place)))
        else:
            series = table.iloc[:, place]
            if hasattr(series, "cat"):
                categories.append(name)
                if series.cat.ordered:
                    orders[name] = tuple(word.strip() for word in _words_of(series))
            cells.append(_cells_of_pandas(series, name))
    index = tuple(name for name in names if is_index_name(name))
    return Frame(names, tuple(cells), DATA_FRAME, index=index, categories=tuple(categories), orders=orders)


def _cells_of_pandas(series: Any, name: str) -> Cells:
    """The cells of one column of pandas."""
    import pyarrow

    if hasattr(series, "cat"):  # what stands for the codes may be anything, such as intervals
        return TextCells(series.cat.codes.to_numpy(), _words_of(series))
    if hasattr(series, "sparse"):
        series = series.sparse.to_dense()
    try:
        array = pyarrow.Array.from_pandas(series)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError, OverflowError):
        return _cells_of_objects([_plain(value) for value in series.tolist()], name)
    chunked = array if isinstance(array, pyarrow.ChunkedArray) else pyarrow.chunked_array([array])
    return cells_of_arrow(DATA_FRAME, name, chunked)


def _words_of(series: Any) -> list[str]:
    """The categories of a column of pandas, as text."""
    return [str(word) if _is_other(word) else spelled(_plain(word)) for word in series.cat.categories]


def _cells_of_objects(values: Sequence[Any], name: str) -> Cells:
    """The cells of a column of Python's objects of several types."""
    odd = next((value for value in values if _is_other(value)), None)
    if odd is None:
        return cells_of(values)
    kinds = sorted({type(value).__name__ for value in values if value is not None})
    return UnusableCells(
        len(values),
        f"{DATA_FRAME}, column {name!r}: holds values of the types {listing(kinds, form=str)}; numbers or text are "
        f"needed: convert it, or leave it out with --drop {name}",
    )


def _plain(value: Any) -> Any:
    """A value of NumPy or pandas as Python's own, None where it is missing."""
    value = value.item() if isinstance(value, np.generic) else value
    missing = type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)
    return None if missing else value


def _is_other(value: Any) -> bool:
    """Whether a value is neither missing, nor text, nor a number."""
    return not isinstance(value, str | bool | int | float | np.generic | None)
