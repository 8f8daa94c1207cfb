"""Rows of plain Python values, such as a JSON document holds them: by position or by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from polytome.errors import DataError
from polytome.tables.encoder import Encoder
from polytome.tables.frames import Frame, listing

__all__ = ["encode_plain_rows", "plain_frame"]

Value: TypeAlias = str | float | bool | None
_NUMBERS = {float, int}
_BLOCK_ROWS = 1024


def encode_plain_rows(encoder: Encoder, rows: Sequence[Any]) -> Any:
    """Encode rows as `Encoder.encode` does a table.

    Args:
        encoder: of the model.
        rows: each a list of values in the order of the encoder's columns, or a dict from their
            names; None marks a missing value. Other names in a dict are ignored.

    Returns:
        `(n_rows, n_features)` float64, dense or CSR.

    Raises:
        DataError: a row has too few values, lacks a name or holds something other than a value; or
            as `Encoder.encode`.

    Example:
        >>> from polytome.tables.encoder import Column
        >>> columns = (Column("age", "number"), Column("size", "number"))
        >>> encoder = Encoder(columns, None, missing="error", unknown="error")
        >>> encode_plain_rows(encoder, [[25, 1.8], {"size": 1.7, "age": 31}])
        array([[25. ,  1.8],
               [31. ,  1.7]])
    """
    plain = _numbers_alone(encoder, rows)
    return encoder.encode(plain_frame(encoder, rows)) if plain is None else plain


def plain_frame(encoder: Encoder, rows: Sequence[Any]) -> Frame:
    """Rows as a table with the encoder's columns; see `encode_plain_rows`.

    Raises:
        DataError: there are no rows, a row has too few values, lacks a name or holds something that
            is not a value.
    """
    if not rows:
        raise DataError("rows: is empty; send at least one row")
    names = _names_of(encoder, rows[0])
    by_position = [_by_position(encoder, names, row, number) for number, row in enumerate(rows, start=1)]
    columns = {name: list(values) for name, values in zip(names, zip(*by_position, strict=True), strict=True)}
    return Frame.of(columns, source="rows")


def _names_of(encoder: Encoder, row: Any) -> list[str]:
    """The columns that rows like this one have: dates, or the parts of these."""
    whole = list(encoder.source_names)
    if encoder.dates and isinstance(row, Mapping | list | tuple):
        has_dates = row.keys() >= {*whole} if isinstance(row, Mapping) else len(row) == len(whole)
        if has_dates:
            return whole
    return [column.name for column in encoder.read_columns]


def _by_position(encoder: Encoder, names: list[str], row: Any, number: int) -> Sequence[Value]:
    """One row as values in the order of the columns."""
    place = f"rows, row {number}"
    if isinstance(row, Mapping):
        if not row.keys() >= set(names):
            encoder.align(Frame.of({str(name): [] for name in row}, source=place))  # raises, as for such a table
        row = [row[name] for name in names]
    elif not isinstance(row, list | tuple):
        raise DataError(f"{place}: is {_kind(row)}; send a list of values, or an object with a value for each name")
    elif len(row) != len(names):
        values = "value" if len(row) == 1 else "values"
        raise DataError(
            f"{place}: has {len(row)} {values} where the model needs {len(names)}, in this order: {listing(names)}"
        )
    for name, value in zip(names, row, strict=True):
        if not (value is None or isinstance(value, str | int | float)):
            raise DataError(f"{place}, column {name!r}: is {_kind(value)}; send a number, text, true, false or null")
    checked: Sequence[Value] = row
    return checked


def _kind(value: Any) -> str:
    """What a value is, in the words of JSON."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else f"a {type(value).__name__}")


def _numbers_alone(encoder: Encoder, rows: Sequence[Any]) -> NDArray[np.float64] | None:
    """Rows of finite numbers for numeric columns, the usual case, without a frame; None in any
    other case."""
    names = [column.name for column in encoder.columns]
    if encoder.has_terms or not all(column.kind == "number" for column in encoder.columns):
        return None
    X = np.empty((len(rows), len(names)))
    for top in range(0, len(rows), _BLOCK_ROWS):  # each assignment is one step for Python: threads wait for its end
        block = [_values(names, row) for row in rows[top : top + _BLOCK_ROWS]]
        if not all(len(row) == len(names) and {*map(type, row)} <= _NUMBERS for row in block):
            return None
        X[top : top + _BLOCK_ROWS] = block
    return X if X.size and np.isfinite(X).all() else None


def _values(names: Sequence[str], row: Any) -> Sequence[Any]:
    """The values of a row in the order of the columns; none where it is not a good row."""
    if isinstance(row, Mapping):
        return [row[name] for name in names] if row.keys() >= set(names) else ()
    return row if isinstance(row, list | tuple) else ()
