"""Rows of plain values: the quick way and the way through a table give the same."""

import numpy as np
import pandas
import pytest

from polytome.errors import DataError
from polytome.tables.encoder import Column, Encoder
from polytome.tables.readers import plain_rows
from polytome.tables.readers.plain_rows import encode_plain_rows, plain_frame
from polytome.tables.table import read_table

NUMBERS = Encoder((Column("a", "number"), Column("b", "number", fill=7.0)), None, missing="mean", unknown="error")
GRADES = Encoder((Column("grade", "category", ("3", "A", "true")),), None, missing="error", unknown="error")


def test_numbers_alone_are_encoded_as_through_a_table(monkeypatch):
    monkeypatch.setattr(plain_rows, "_BLOCK_ROWS", 3)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((10, 2)) * 10.0 ** rng.integers(-300, 300, (10, 2))
    rows = X.tolist()
    by_name = [{"b": b, "a": a, "c": None} for a, b in rows]
    for given in (rows, by_name, rows[:4] + by_name[4:], [tuple(row) for row in rows]):
        assert np.array_equal(encode_plain_rows(NUMBERS, given), X)
        assert np.array_equal(NUMBERS.encode(plain_frame(NUMBERS, given)), X)


def test_what_is_not_a_plain_number_goes_through_the_table():
    assert encode_plain_rows(NUMBERS, [[1, None], ["3", 4], [2, "2.5"]]).tolist() == [[1, 7], [3, 4], [2, 2.5]]
    assert encode_plain_rows(NUMBERS, [[True, 1.5], [False, 2]]).tolist() == [[1, 1.5], [0, 2]]
    for row in ([np.nan, 1.0], [None, 1.0], [np.inf, 1.0], ["x", 1.0]):
        with pytest.raises(DataError, match="rows, row 1, column 'a'"):
            encode_plain_rows(NUMBERS, [row])


def test_a_number_beside_words_is_spelled_as_a_table_spells_it():
    """3 and 3.0 are the level "3", alone or beside text; true is the level "true"."""
    for rows in ([[3]], [[3.0]], [["A"], [3.0]], [["A"], [True]], [["3"], [3]]):
        assert encode_plain_rows(GRADES, rows).sum() == len(rows)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "rows: is empty"),
        ([[1, 2], [1]], "row 2: has 1 value where the model needs 2, in this order: 'a', 'b'"),
        ([{"a": 1}], "row 1: lacks the column 'b'; found 'a'"),
        ([7], "row 1: is a number; send a list"),
        ([None], "row 1: is null"),
        ([[1, [2]]], "row 1, column 'b': is a list"),
        ([[1, {}]], "row 1, column 'b': is an object"),
    ],
)
def test_rows_that_are_none(rows, words):
    with pytest.raises(DataError, match=words):
        encode_plain_rows(NUMBERS, rows)


@pytest.mark.parametrize(
    "options", [{"dates": {"day": "month,age"}}, {"numbers": {"price": "$1,234.5"}}, {"min_level_count": 2}]
)
def test_a_row_that_lacks_a_column_is_refused_whatever_else_is_read_of_it(options):
    """Dates have parts and marked numbers are read before the lack is noticed."""
    columns = {"x": [1.0, 2, 3, 4], "day": ["2026-01-01", "2026-02-01"] * 2, "price": ["$1,000.5", "$2.0"] * 2}
    chosen = {"dates": {"day": "month"}, "numbers": {"price": "$1,234.5"}, **options}
    frame = pandas.DataFrame({**columns, "y": list("abab")})
    encoder = read_table(frame, target="y", **chosen).encoder
    full = {name: values[0] for name, values in columns.items()}
    assert encode_plain_rows(encoder, [full]).shape[0] == 1
    for name in columns:
        row = {other: value for other, value in full.items() if other != name}
        with pytest.raises(DataError, match=f"rows, row 1: lacks the column '{name}'"):
            encode_plain_rows(encoder, [row])
