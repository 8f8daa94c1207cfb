"""Arrow tables as frames, and the text columns of every table, through pyarrow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from polytome.errors import DataError, FileError, MissingExtraError
from polytome.tables.date_columns import DateCells
from polytome.tables.frames import EXACT, Cells, Frame, NumberCells, TextCells
from polytome.tables.readers.opening import library_errors
from polytome.tables.readers.row_index import index_of_metadata
from polytome.threads import kept

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "VALUE_BYTES",
    "ArrowText",
    "UnusableCells",
    "cells_of_arrow",
    "checked_frame",
    "import_pyarrow",
    "kind_of_column",
    "orders_of_arrow",
    "table_frame",
]

VALUE_BYTES = 16
"""Bytes that a value takes: decoded, and as a number."""


def import_pyarrow(source: str | Path) -> Any:
    """Import pyarrow, or say what brings it.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtraError(f'{source}: reading tables needs pyarrow: pip install "polytome[cli]"') from error
    return pyarrow


_TEXT = ("string", "large_string", "string_view")


class ArrowText:
    """A column of strings that stays in pyarrow until its values are needed."""

    def __init__(self, array: pyarrow.ChunkedArray) -> None:
        self._array = array

    @property
    @kept
    def _cells(self) -> TextCells:
        """The words and a code for each row: one Python string per distinct word, not per row."""
        encoded = self._array.dictionary_encode().combine_chunks()
        if hasattr(encoded, "chunks"):  # older releases keep a chunked array of one chunk
            encoded = encoded.chunk(0) if encoded.num_chunks else encoded.type.wrap_array([])
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return TextCells(codes, encoded.dictionary.to_pylist())

    def __len__(self) -> int:
        return len(self._array)

    def numbers(self) -> NDArray[np.float64]:
        """Return the cells as numbers; fast if every cell is a plain finite number."""
        import pyarrow

        try:
            values: NDArray[np.float64] = self._array.cast(pyarrow.float64()).to_numpy()
        except pyarrow.ArrowInvalid:
            return self._cells.numbers()
        return values if np.isfinite(values).all() else self._cells.numbers()

    def words(self) -> tuple[NDArray[np.intp], tuple[str, ...]]:
        """Return the codes, -1 where a cell is missing, and the distinct words."""
        return self._cells.words()

    def text(self, row: int) -> str:
        """Return one cell as it is written."""
        return str(self._array[row].as_py() or "").strip()

    def take(self, keep: NDArray[np.bool_]) -> ArrowText:
        """Return the rows where `keep` is true."""
        import pyarrow

        return ArrowText(self._array.filter(pyarrow.array(keep)))

    def without(self, marks: Collection[str]) -> Cells:
        """Return cells that are missing where these hold one of the words."""
        cells = self._cells.without(marks)
        return self if cells is self._cells else cells

    def is_blank(self) -> bool:
        """Tell whether every cell is empty."""
        return self._array[0].as_py() == "" and not any(word.strip() for word in self._array.unique().to_pylist())


class _CodedText:
    """A column of codes and words that stays in pyarrow until its values are needed."""

    def __init__(self, array: pyarrow.ChunkedArray) -> None:
        self._array = array

    @property
    @kept
    def _cells(self) -> TextCells:
        return _coded_text(self._array)

    def __len__(self) -> int:
        return len(self._array)

    def numbers(self) -> NDArray[np.float64]:
        """Return the cells as numbers."""
        return self._cells.numbers()

    def words(self) -> tuple[NDArray[np.intp], tuple[str, ...]]:
        """Return the codes, -1 where a cell is missing, and the distinct words."""
        return self._cells.words()

    def text(self, row: int) -> str:
        """Return one cell, empty where it is missing."""
        return self._cells.text(row)

    def take(self, keep: NDArray[np.bool_]) -> TextCells:
        """Return the rows where `keep` is true."""
        return self._cells.take(keep)

    def without(self, marks: Collection[str]) -> TextCells:
        """Return cells that are missing where these hold one of the words."""
        return self._cells.without(marks)


class UnusableCells:
    """A column of dates, lists or the like, neither numbers nor words; an error only where it is
    used."""

    def __init__(self, length: int, complaint: str) -> None:
        self._length = length
        self._complaint = complaint

    def __len__(self) -> int:
        return self._length

    def _refuse(self) -> NoReturn:
        raise DataError(self._complaint)

    def numbers(self) -> NDArray[np.float64]:
        """Raise: such a column cannot be used."""
        self._refuse()

    def words(self) -> tuple[NDArray[np.intp], tuple[str, ...]]:
        """Raise: such a column cannot be used."""
        self._refuse()

    def text(self, row: int) -> str:
        """Raise: such a column cannot be used."""
        self._refuse()

    def take(self, keep: NDArray[np.bool_]) -> UnusableCells:
        """Return as many cells as `keep` has true entries."""
        return UnusableCells(int(keep.sum()), self._complaint)

    def without(self, marks: Collection[str]) -> UnusableCells:
        """Return the same: an error only where it is used."""
        return self


def checked_frame(table: pyarrow.Table, source: str, kind: str, most_viewed: int) -> Frame:
    """Turn an Arrow table from outside into a frame, once all lengths, offsets, indices and letters
    are checked.

    Args:
        table: the table, as pyarrow decoded it.
        source: what messages call the file.
        kind: of the file.
        most_viewed: bytes that all views of text may refer to together.

    Raises:
        FileError: it is damaged, refers to the same text over and over, or as for `table_frame`.
    """
    with library_errors(source, kind):
        viewed = _viewed_bytes(table)
    if viewed > most_viewed:
        raise FileError(f"{source}: refers to the same text over and over; write its columns with the type string")
    with library_errors(source, kind):
        table.validate(full=True)
        table.column_names  # noqa: B018  # raises where a name is not text
    return table_frame(table, source)


def _viewed_bytes(table: pyarrow.Table) -> int:
    """The total length of all texts that columns of views refer to; many views may refer to one
    long text."""
    total = 0
    for column in table.columns:
        for chunk in column.chunks:
            array = chunk.dictionary if hasattr(chunk, "dictionary") else chunk
            if str(array.type) == "string_view":  # a view begins with its length
                views = np.frombuffer(array.buffers()[1], dtype=np.int32).reshape(-1, 4)
                total += int(views[array.offset : array.offset + len(array), 0].sum(dtype=np.int64))
    return total


def table_frame(table: pyarrow.Table, source: str) -> Frame:
    """Turn an Arrow table into a frame.

    Args:
        table: the table.
        source: what messages call it.

    Raises:
        FileError: it names a column twice or holds no rows.
    """
    twice = [name for name, count in Counter(table.column_names).items() if count > 1]
    if twice:
        raise FileError(f"{source}: has two columns named {twice[0]!r}; give each column its own name")
    if not table.num_rows or not table.num_columns:
        raise FileError(
            f"{source}: has {table.num_rows} rows and {table.num_columns} columns; there is nothing to read"
        )
    named = zip(table.column_names, table.columns, strict=True)
    cells = tuple(cells_of_arrow(source, name, column) for name, column in named)
    index = index_of_metadata(table.schema.metadata, table.column_names)
    return Frame(tuple(table.column_names), cells, source, index=index, orders=orders_of_arrow(table))


def orders_of_arrow(table: pyarrow.Table) -> dict[str, tuple[str, ...]]:
    """The words, in order, of the columns of text whose type says that it is ordered; not of those
    whose pieces order them differently.

    Example:
        >>> import pyarrow
        >>> sizes = pyarrow.DictionaryArray.from_arrays([1, 0], ["small", "large"], ordered=True)
        >>> orders_of_arrow(pyarrow.table({"size": sizes, "price": [2, 1]}))
        {'size': ('small', 'large')}
    """
    from pyarrow import types

    found = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if types.is_dictionary(column.type) and column.type.ordered and str(column.type.value_type) in _TEXT:
            orders = {tuple(chunk.dictionary.to_pylist()) for chunk in column.chunks}
            if len(orders) == 1:
                found[name] = tuple(str(word).strip() for word in orders.pop())
    return found


def cells_of_arrow(source: str, name: str, column: pyarrow.ChunkedArray) -> Cells:
    """The cells that fit the type of an Arrow column."""
    import pyarrow
    from pyarrow import types

    kind = column.type
    if types.is_dictionary(kind) and str(kind.value_type) in _TEXT:
        return _CodedText(column)
    if types.is_dictionary(kind) and _is_numeric(kind.value_type):
        return cells_of_arrow(source, name, column.cast(kind.value_type))
    if str(kind) in _TEXT:
        return ArrowText(column.cast(pyarrow.large_string()))
    if types.is_boolean(kind):
        return NumberCells(column.cast(pyarrow.int8()).cast(pyarrow.float64()).to_numpy(), boolean=True)
    if _is_numeric(kind):
        if _has_large_numbers(column):
            return ArrowText(column.cast(pyarrow.large_string()))
        if (types.is_integer(kind) or types.is_floating(kind)) and not column.null_count:
            return NumberCells(column.to_numpy().astype(np.float64, copy=False))  # a few microseconds sooner
        return NumberCells(column.cast(pyarrow.float64(), safe=False).to_numpy())
    if types.is_timestamp(kind) or types.is_date(kind):
        return DateCells(_times(column), source, name)
    return UnusableCells(
        len(column),
        f"{source}, column {name!r}: holds values of type {kind}, neither numbers nor text; "
        f"convert it, or leave it out with --drop {name}",
    )


def _times(column: pyarrow.ChunkedArray) -> NDArray[np.datetime64]:
    """Dates, or times as a clock showed them in their time zone."""
    import pyarrow
    from pyarrow import compute, types

    if types.is_timestamp(column.type) and column.type.tz is not None:
        column = compute.local_timestamp(column)
    times: NDArray[np.datetime64] = column.cast(pyarrow.timestamp("us"), safe=False).to_numpy()
    return times


def kind_of_column(kind: pyarrow.DataType) -> str:
    """Name what a column of an Arrow type holds: numbers, booleans, text, nothing, or else the type
    itself."""
    from pyarrow import types

    values = kind.value_type if types.is_dictionary(kind) else kind
    if types.is_null(values):
        return "nothing"
    if types.is_boolean(values):
        return "booleans"
    if str(values) in _TEXT:
        return "text"
    return "numbers" if _is_numeric(values) else f"values of type {kind}"


def _is_numeric(kind: pyarrow.DataType) -> bool:
    """Tell whether values of a type become numbers."""
    from pyarrow import types

    tests = (types.is_boolean, types.is_integer, types.is_floating, types.is_decimal, types.is_null)
    return any(test(kind) for test in tests)


def _has_large_numbers(column: pyarrow.ChunkedArray) -> bool:
    """Tell whether whole numbers are larger than float64 holds exactly: as text they keep their
    digits."""
    from pyarrow import compute, types

    kind = column.type
    if not (types.is_int64(kind) or types.is_uint64(kind) or types.is_decimal(kind)) or not len(column):
        return False
    ends = compute.min_max(column).as_py()
    return any(value is not None and abs(value) > EXACT for value in ends.values())


def _coded_text(column: pyarrow.ChunkedArray) -> TextCells:
    """Text stored as codes; it is never written out, since a few words can stand for very many long
    cells."""
    import pyarrow

    codes: list[NDArray[np.integer]] = []
    words: list[str | None] = []
    for chunk in column.chunks:
        # As Parquet stores them, in four bytes; others, which may have no sign, in eight.
        indices = chunk.indices if chunk.type.index_type == pyarrow.int32() else chunk.indices.cast(pyarrow.int64())
        found = (indices.fill_null(-1) if indices.null_count else indices).to_numpy(zero_copy_only=False)
        codes.append(np.where(found < 0, -1, found.astype(np.int64) + len(words)) if words else found)
        words += chunk.dictionary.to_pylist()
    if not codes:
        return TextCells(np.empty(0, dtype=np.int64), [])
    return TextCells(codes[0] if len(codes) == 1 else np.concatenate(codes), words)
