"""From the body of a request to rows of numbers: JSON, CSV, an Arrow stream, or an image."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polytome.plain.values import refuse_constant
from polytome.serve.exchange import Refusal
from polytome.serve.models import ServedModel
from polytome.tables.readers.arrow_streams import count_stream_rows, parse_arrow_stream
from polytome.tables.readers.delimited import parse_delimited
from polytome.tables.readers.plain_rows import encode_plain_rows

__all__ = ["ARROW", "CSV", "IMAGES", "JSON", "Rows", "image_rows", "read_rows"]

ARROW = "application/vnd.apache.arrow.stream"
"""Media type of an Arrow stream."""
CSV = "text/csv"
"""Media type of a text table."""
_HEADERS = {"": "auto", "; header=present": "yes", "; header=absent": "no"}
IMAGES = ("image/png", "image/jpeg")
"""Media types of images."""
JSON = "application/json"
"""Media type of `{"rows": [...]}`."""
_NESTED = 4
"""The most lists and objects for each allowed row, counted before decoding: each takes time and
memory."""
_EXACT_DIGITS = 300
"""Of a whole number that is read as such."""
_FEW = 1000
"""Brackets that do not count: they may stand in text."""
_MORE_VALUES = 10
"""Values of each row besides those of the model: names that are ignored, or commas in texts."""
_MORE_COLUMNS = 10_000
"""Columns that a text table may have besides those of the model."""
_FREE_CELLS = 1 << 20
"""Cells that an Arrow stream may claim without bytes for them: a column of nulls takes none at any
length."""
_MOST_DIGITS = 10_000
"""The most characters of a number: with very many, Python takes longer for each."""


class Rows(NamedTuple):
    """What was sent."""

    X: Any
    """(n, d) features."""
    seen: list[Any] | None = None
    """For an image: what the model sees, rows of pixels."""


def read_rows(served: ServedModel, kind: str, body: bytes, most_rows: int) -> Rows:
    """Read and encode a table that a client sent.

    Args:
        served: the model.
        kind: the media type of the body, other than an image; of CSV also with `; header=present`
            or `; header=absent` (RFC 4180).
        body: as it came.
        most_rows: that are taken at once.

    Raises:
        Refusal: the body cannot be read as its type, or holds too many rows.
        PolytomeError: the rows do not suit the model; the messages are those of the command line.
    """
    if kind == JSON:
        nested = body.count(b"[") + body.count(b"{")
        _check_count((nested - _FEW) // _NESTED, most_rows)
        _check_values(body.count(b","), most_rows * (len(served.encoder.read_columns) + _MORE_VALUES))
        rows = _json_rows(body)
        _check_count(len(rows), most_rows)
        return Rows(encode_plain_rows(served.encoder, rows))
    if kind.partition(";")[0] == CSV:
        header = _HEADERS.get(kind.removeprefix(CSV))
        if header is None:
            raise Refusal(415, f"the parameter header of {CSV} may be present or absent")
        _check_width(body, len(served.encoder.read_columns))
        expected = {*served.encoder.source_names, *(column.name for column in served.encoder.read_columns)}
        frame = parse_delimited(body, "the body", header=header, expected=expected)
    elif kind == ARROW:
        n_rows = count_stream_rows(body, "the body")
        _check_count(n_rows, most_rows)
        _check_cells(n_rows * len(served.encoder.read_columns), len(body))
        frame = parse_arrow_stream(body, "the body")
    else:
        said = f"not {kind[:100]!r}" if kind else "and the header Content-Type says none"
        raise Refusal(415, f"the body may be {', '.join((JSON, CSV, ARROW, *IMAGES))}, {said}")
    _check_count(frame.n_rows, most_rows)
    return Rows(served.encoder.encode(frame))


def _json_rows(body: bytes) -> list[Any]:
    """The rows of a JSON document; one flat row counts as a list of one."""
    try:
        content = _DECODER.decode(body.decode("utf-8-sig"))
    except RecursionError:
        raise Refusal(400, "the body is nested too deeply; rows are lists of values, or objects") from None
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are
        raise Refusal(400, f"the body is not JSON in UTF-8: {_without_data(error)}") from None
    if not isinstance(content, dict) or "rows" not in content:
        raise Refusal(422, 'the body needs the form {"rows": [...]}, each row a list of values or an object')
    if len(content) > 1:
        others = ", ".join(repr(name[:40]) for name in list(content)[:8] if name != "rows")
        raise Refusal(422, f'the body has {others} besides "rows"; send {{"rows": [...]}} alone')
    rows = content["rows"]
    if isinstance(rows, dict):
        return [rows]
    if not isinstance(rows, list):
        raise Refusal(422, '"rows" needs a list of rows, each a list of values or an object')
    is_flat = bool(rows) and not any(isinstance(row, list | dict) for row in rows)
    return [rows] if is_flat else rows


def _whole_number(text: str) -> float:
    """A whole number with all its digits, as it may be the name of a level; beyond float64 it is
    infinite."""
    return int(text) if len(text) <= _EXACT_DIGITS else _number(text)


def _number(text: str) -> float:
    """Any other number as a float.

    A Python function, although `float` would be faster: between its calls other threads can run,
    which the decoder in C would not allow before the end of the body.
    """
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(text):,} characters; send one of {_MOST_DIGITS:,} at most")
    return float(text)


_refuse_constant = partial(refuse_constant, remedy="; send null for a missing value")
_DECODER = json.JSONDecoder(parse_float=_number, parse_int=_whole_number, parse_constant=_refuse_constant)


def _without_data(error: ValueError) -> str:
    """Where and why the decoder stopped; the error itself holds the whole text."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} cannot be decoded"
    return str(error)


def _check_count(n_rows: int, most_rows: int) -> None:
    if n_rows > most_rows:
        raise Refusal(413, f"{n_rows:,} rows at once, and this server takes {most_rows:,}; send them in parts")


def _check_values(n_values: int, most: int) -> None:
    """Refuse a document of very many values before it is decoded, which cannot be interrupted."""
    if n_values > most:
        raise Refusal(413, f"the body has {n_values:,} values, more than the model needs; send those alone")


def _check_width(body: bytes, n_columns: int) -> None:
    """Refuse a text table of very many columns: each of them takes memory and time, however short
    it is."""
    text = body.lstrip()
    line = text[: min((end for end in (text.find(b"\n"), text.find(b"\r")) if end >= 0), default=len(text))]
    width = max(line.count(separator) for separator in (b",", b";", b"\t", b"|")) + 1
    if width > n_columns + _MORE_COLUMNS:
        raise Refusal(413, f"the body has {width:,} columns, and the model needs {n_columns:,}; send those alone")


def _check_cells(n_cells: int, n_bytes: int) -> None:
    """Refuse a stream that claims more cells than it can hold at one bit each."""
    if n_cells > 8 * n_bytes + _FREE_CELLS:
        raise Refusal(413, f"the body has {n_bytes:,} bytes and claims {n_cells:,} cells; send fewer rows at once")


def image_rows(form: NDArray[Any]) -> Rows:
    """The row of an image that is in the form of those that the model was trained on."""
    return Rows(np.asarray(form, dtype=np.float64).reshape(1, -1), form.tolist())
