"""Numbers that are written with marks: read only where that is said, by an example."""

from __future__ import annotations

import numpy as np
import pytest

from polytome import read_table
from polytome.errors import ArgumentError, DataError
from polytome.tables.encoder import Encoder
from polytome.tables.number_formats import WrittenNumbers, written_numbers_of
from polytome.tables.readers.plain_rows import encode_plain_rows

INF = float("inf")


@pytest.mark.parametrize(
    ("example", "numbers"),
    [
        ("1,234.5", {"1,234.5": 1234.5, "-12,345,678": -12345678.0, "7": 7.0, ".5": 0.5, "1,23": INF, "1.234,5": INF}),
        ("1.234,5", {"1.234,5": 1234.5, "0,25": 0.25, "1.234": 1234.0, "1.5": INF, "1,234.5": INF}),
        ("1,5", {"1,5": 1.5, "1234,75": 1234.75, "12": 12.0, "1.5": INF}),
        ("1'234'567", {"1'234'567": 1234567.0, "1'234.5": 1234.5, "1,234": INF}),
        ("1 234,5", {"1 234,5": 1234.5, "1\u00a0234": 1234.0, "1\u202f234": 1234.0, "12 34": INF}),
        ("1.234.567", {"1.234.567": 1234567.0, "1.234,5": 1234.5}),
        ("$12", {"$12": 12.0, "-$12.50": -12.5, "$-3": -3.0, "7": 7.0, "-$-3": INF, "$": INF}),
        ("1.234,50 €", {"1.234,50 €": 1234.5, "\u22122,5€": -2.5, "EUR 3": 3.0, "3 %": INF}),
        ("12.5%", {"12.5%": 12.5, "-3 %": -3.0, "12": INF}),
    ],
)
def test_an_example_says_how_numbers_are_written(example: str, numbers: dict[str, float]) -> None:
    number = WrittenNumbers("x", example).number()
    assert {word: number(word) for word in numbers} == numbers
    assert number("red") == number("") == number("1e5") == INF


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ("price", "is not an example of a number"),
        ("", "is not an example of a number"),
        ("1,234", "',' may group digits or be the decimal mark; write an example with both"),
        ("1.234", r"'\.' may group digits or be the decimal mark"),
        ("1234.5", "is how numbers are read anyway"),
        ("12,34,567.5", "not grouped by three"),
        ("1,2.3'4", "more than one decimal mark"),
    ],
)
def test_what_is_not_an_example_is_refused(example: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        written_numbers_of({"price": example})


TABLE = 'price;share;hue;y\n"1.234,5";3%;1.200;no\n"99,5";;red;yes\n;10%;blue;yes\n"1.000";0,5%;blue;no\n'


def test_columns_that_are_named_and_all_that_are_written_so(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    with pytest.raises(DataError, match="decimal comma"):
        read_table(path, target="y", missing="mean")
    found = read_table(path, target="y", missing="mean", numbers={"*": "1.234,5", "share": "1,5%"})
    assert found.feature_names == ("price", "share", "hue=1.200", "hue=blue", "hue=red")
    assert found.X[:, 0].tolist() == [1234.5, 99.5, (1234.5 + 99.5 + 1000) / 3, 1000.0]
    assert found.X[:, 1].tolist() == [3.0, 4.5, 10.0, 0.5]
    assert "column 'price': read as numbers such as 1.234,5" in found.notes
    encoder = Encoder.from_json(found.encoder.to_json())
    assert encoder == found.encoder
    path.write_text('share;hue;price\n7%;red;"2.000,25"\n')
    assert read_table(path, encoder=encoder).X[0].tolist() == [2000.25, 7.0, 0.0, 0.0, 1.0]
    path.write_text("share;hue;price\n7%;red;2000.25\n")
    with pytest.raises(DataError, match=r"line 2, column 'price': '2000.25' is not a number such as 1.234,5"):
        read_table(path, encoder=encoder)


def test_numbers_need_columns_that_are_there_and_free(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    for numbers, message in (
        ({"prize": "1.234,5"}, "numbers='prize': .*did you mean 'price'"),
        ({"y": "1.234,5"}, "numbers='y': is also named by --target"),
        ({"hue": "1.234,5"}, "column 'hue': 'red' is not a number such as 1.234,5"),
    ):
        with pytest.raises(ValueError, match=message):
            read_table(path, target="y", missing="mean", numbers=numbers)
    found = read_table(path, target="y", drop=["price", "share"], numbers="$1'234.5")
    assert "no column of text holds numbers such as $1'234.5 alone" in found.notes
    np.testing.assert_array_equal(found.X.sum(axis=1), 1.0)


def test_rows_of_a_request_may_have_numbers_or_text(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    options = {"drop": ["share"], "missing": "mean", "numbers": {"price": "1.234,5"}}
    encoder = read_table(path, target="y", **options).encoder
    rows = [{"price": "2.000,25", "hue": "red"}, {"price": None, "hue": "red"}]
    found = encode_plain_rows(encoder, rows)
    assert found[:, 0].tolist() == [2000.25, encoder.columns[0].fill]
    np.testing.assert_array_equal(encode_plain_rows(encoder, [[2000.25, "red"]]), found[:1])
    with pytest.raises(DataError, match=r"rows, row 1, column 'price': '2,000.25' is not a number such as 1.234,5"):
        encode_plain_rows(encoder, [{"price": "2,000.25", "hue": "red"}])
