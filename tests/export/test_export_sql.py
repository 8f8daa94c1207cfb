"""The query, answered by SQLite on real tables, gives what the model gives; no name or text gets
out of its quotes."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exported_models as models
from polytome import LogisticRegression
from polytome.errors import ArgumentError, FileError
from polytome.export import sql_query, to_sql, write_sql
from polytome.tables.encoder import Column, Encoder


def _can_exp() -> bool:
    try:
        return bool(sqlite3.connect(":memory:").execute("SELECT exp(1)").fetchall())
    except sqlite3.OperationalError:
        return False


needs_exp = pytest.mark.skipif(not _can_exp(), reason="this SQLite has no mathematical functions")


def database(columns: dict[str, list[Any]], table: str = "rows", kinds: dict[str, str] | None = None) -> Any:
    found = sqlite3.connect(":memory:")
    quoted = [f"{quote(name)} {(kinds or {}).get(name, '')}" for name in columns]
    found.execute(f"CREATE TABLE {quote(table)} ({', '.join(quoted)})")
    marks = ", ".join("?" * len(columns))
    found.executemany(f"INSERT INTO {quote(table)} VALUES ({marks})", zip(*columns.values(), strict=True))
    return found


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def answered(model: LogisticRegression, columns: dict[str, list[Any]], **options: Any) -> tuple[list[Any], np.ndarray]:
    answer = database(columns).execute(to_sql(model, **options)).fetchall()
    return [row[0] for row in answer], np.array([row[1:] for row in answer], dtype=np.float64)


def as_columns(model: LogisticRegression, X: np.ndarray) -> dict[str, list[Any]]:
    return dict(zip(model.encoder_.feature_names, X.T.tolist(), strict=True))


@needs_exp
@pytest.mark.parametrize("make", [models.iris, models.virginica, models.digits])
def test_probabilities_and_classes_are_those_of_the_model(make: Any, tmp_path: Path) -> None:
    model = make()
    X = np.random.default_rng(3).uniform(0, 8, size=(300, model.n_features_in_))
    labels, probabilities = answered(model, as_columns(model, X))
    assert np.abs(probabilities - model.predict_proba(X)).max() < 1e-12
    assert labels == model.predict(X).tolist()
    seen = write_sql(model, tmp_path / "model.sql")
    assert seen is not None
    assert seen.largest_difference < 1e-12
    assert (tmp_path / "model.sql").read_text() == to_sql(model)


@needs_exp
def test_small_probabilities_keep_their_digits_and_large_scores_do_not_overflow() -> None:
    model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    model.coef_, model.intercept_ = np.array([[1.0]]), np.array([0.0])
    labels, found = answered(model, {"feature_0": [60.0, -60.0, 5000.0, 0.0, 3]})
    np.testing.assert_allclose(found[:2], [[np.exp(-60), 1], [1, np.exp(-60)]], rtol=1e-14)
    assert found[2].tolist() == [0, 1]
    assert labels == [1, 0, 1, 0, 1]


@needs_exp
@pytest.mark.parametrize("binary", [False, True])
def test_a_table_with_hostile_names_missing_cells_and_unknown_levels(binary: bool, tmp_path: Path) -> None:
    model = models.hostile(tmp_path, binary=binary)
    labels, probabilities = answered(model, models.hostile_rows())
    X = models.encoded_rows(model, models.hostile_rows())
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-13)
    assert labels == model.predict(X).tolist()


@needs_exp
def test_what_the_model_refuses_is_null(tmp_path: Path) -> None:
    model = models.hostile(tmp_path, missing="drop", unknown="error")
    labels, probabilities = answered(model, models.hostile_rows())
    assert labels[0] in model.classes_
    assert labels[1:] == [None] * 4
    assert np.isnan(probabilities[1:]).all()
    zero = models.hostile(tmp_path, missing="drop", unknown="zero", binary=True)
    labels, probabilities = answered(zero, models.hostile_rows())
    assert [label is not None for label in labels] == [True, False, False, False, True]
    assert np.isnan(probabilities[1:4]).all()


@needs_exp
def test_the_answer_can_keep_columns_of_a_table_of_any_name() -> None:
    model = models.iris()
    columns = as_columns(model, np.eye(4)) | {'k"ey': ["a", "b", "c", "d"], "s_0": [1, 2, 3, 4]}
    found = database(columns, 'my "rows"; --').execute(to_sql(model, table='my "rows"; --', keep=['k"ey', "s_0"]))
    names = [column[0] for column in found.description]
    assert names == ['k"ey', "s_0", "prediction", *(f"probability_{label}" for label in model.classes_)]
    assert [row[:2] for row in found.fetchall()] == [("a", 1), ("b", 2), ("c", 3), ("d", 4)]


@needs_exp
def test_labels_and_columns_with_quotes_are_texts_and_nothing_else() -> None:
    X = np.random.default_rng(0).normal(size=(20, 1))
    evil = "'; DROP TABLE rows; --"
    model = LogisticRegression().fit(X, np.resize([evil, '"no"\n\''], 20))
    model.feature_names_in_ = np.array(['x"; DROP TABLE rows; --'], dtype=object)
    tables = database({'x"; DROP TABLE rows; --': X[:, 0].tolist()})
    answer = tables.execute(to_sql(model)).fetchall()
    assert {row[0] for row in answer} <= {evil, '"no"\n\''}
    assert tables.execute("SELECT count(*) FROM rows").fetchone() == (20,)


@needs_exp
def test_whole_numbers_in_a_table_do_not_lead_to_whole_number_arithmetic() -> None:
    model = models.iris()
    X = np.array([[5, 3, 1, 0], [6, 3, 5, 2]])
    _, probabilities = answered(model, as_columns(model, X))
    assert np.abs(probabilities - model.predict_proba(X.astype(float))).max() < 1e-12


def test_many_levels_and_columns_that_differ_in_case_only(tmp_path: Path) -> None:
    levels = tuple(sorted(f"level {number}" for number in range(3000)))
    model = LogisticRegression().fit(np.eye(8), np.arange(8) % 3)
    model.encoder_ = Encoder((Column("a", "category", levels), Column("A", "number")), None, "error", "error")
    model.coef_ = np.random.default_rng(0).normal(size=(3, 3001))
    model.n_features_in_ = 3001
    assert write_sql(model, tmp_path / "model.sql") is None
    assert '"A"' in (tmp_path / "model.sql").read_text()
    columns = (model.encoder_.columns[0], Column("b", "number"))
    model.encoder_ = Encoder(columns, None, "error", "error")
    seen = write_sql(model, tmp_path / "model.sql")
    assert seen is not None
    assert seen.largest_difference < 1e-12


def test_a_query_that_sqlite_does_not_answer_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_query, "to_sql", lambda model, **options: "SELECT nonsense(")
    with pytest.raises(ArgumentError, match=r"SQLite does not answer the query \(.*\); to_sql"):
        write_sql(models.iris(), tmp_path / "model.sql")
    assert not list(tmp_path.iterdir())


def test_without_exp_the_file_is_written_unchecked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Poor(sqlite3.Connection):
        def execute(self, *words: Any) -> Any:
            raise sqlite3.OperationalError("no such function: exp")

    monkeypatch.setattr(sql_query.sqlite3, "connect", lambda path: Poor(path))
    assert write_sql(models.iris(), tmp_path / "model.sql") is None
    assert (tmp_path / "model.sql").exists()


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="keep='prediction': the answer has a column of this name"):
        to_sql(models.iris(), keep=["prediction"])
    with pytest.raises(ArgumentError, match="no column or table"):
        to_sql(models.iris(), table="")
    with pytest.raises(FileError, match="no folder"):
        write_sql(models.iris(), tmp_path / "absent" / "model.sql")
    twice = LogisticRegression().fit(np.eye(3), [0, 1, 1])
    twice.feature_names_in_ = np.array(["a", "b", "b"], dtype=object)
    with pytest.raises(ArgumentError, match="two columns are called 'b'"):
        to_sql(twice)
    wide = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    wide.coef_, wide.n_features_in_ = np.ones((1, 1601)), 1601
    with pytest.raises(ArgumentError, match=r"1,601 columns .* export to ONNX"):
        to_sql(wide)


@needs_exp
@pytest.mark.data
def test_adult_with_its_missing_cells() -> None:
    model, _ = models.adult()
    cells = models.adult_cells(2000)
    labels, probabilities = answered(model, cells)
    X = models.encoded_rows(model, cells)
    assert np.abs(probabilities - model.predict_proba(X)).max() < 1e-12
    assert labels == model.predict(X).tolist()


# --- tables whose columns have other types than the training's ----------------------------------


def typed(fill: float | None, unknown: str) -> LogisticRegression:
    """A model of a number and two categories: a boolean and a whole number."""
    rng = np.random.default_rng(1)
    model = LogisticRegression().fit(rng.normal(size=(40, 5)), np.arange(40) % 3)
    columns = (
        Column("n", "number", (), fill),
        Column("flag", "category", ("false", "true")),
        Column("code", "category", ("1", "12")),
    )
    model.encoder_ = Encoder(columns, None, "error", unknown)
    return model


@needs_exp
@pytest.mark.parametrize("kind", ["", "TEXT", "REAL", "INTEGER", "NUMERIC"])
@pytest.mark.parametrize("unknown", ["error", "zero"])
@pytest.mark.parametrize("fill", [None, 0.5])
def test_a_cell_is_what_it_spells_in_a_column_of_any_type_or_it_is_refused(
    fill: float | None, unknown: str, kind: str
) -> None:
    model = typed(fill, unknown)
    numbers = {"1.5": 1.5, 1.5: 1.5, "-2e-1": -0.2, 7: 7.0, 0.1 + 0.2: 0.1 + 0.2, 2**53: 2.0**53, True: 1.0}
    gaps = [None, "", "?", "NA"]
    refused = ["true", "12abc", "1,5", "abc", "5 %", 1e999, -1e999]
    cells = [*numbers, *gaps, *refused]
    columns = {"n": cells, "flag": ["true"] * len(cells), "code": [12] * len(cells)}
    answer = database(columns, kinds=dict.fromkeys(columns, kind)).execute(to_sql(model)).fetchall()
    expected = [*numbers.values(), *[np.nan if fill is None else fill] * len(gaps), *[np.nan] * len(refused)]
    for cell, row, number in zip(cells, answer, expected, strict=True):
        if np.isnan(number):
            assert set(row) == {None}, cell
        else:
            rows = np.array([[number, 0, 1, 0, 1.0]])
            np.testing.assert_allclose(row[1:], model.predict_proba(rows)[0], atol=1e-13, err_msg=repr(cell))
            assert row[0] == model.predict(rows)[0]


@needs_exp
@pytest.mark.parametrize("kind", ["", "TEXT", "REAL", "INTEGER"])
def test_truth_values_and_codes_are_their_levels_however_a_database_holds_them(kind: str) -> None:
    model = typed(None, "zero")
    flags = [True, 1, "true", "True", "TRUE", False, 0, "false", "False"]
    columns = {"n": [0.0] * len(flags), "flag": flags, "code": [1, "1", 1.0, 12, "12", 12.0, 1, 12, 1]}
    answer = database(columns, kinds={"flag": kind, "code": kind}).execute(to_sql(model)).fetchall()
    yes, one = np.arange(len(flags)) < 5, np.isin(np.arange(len(flags)), [0, 1, 2, 6, 8])
    rows = np.column_stack([np.zeros(len(flags)), ~yes, yes, one, ~one]).astype(float)
    np.testing.assert_allclose([row[1:] for row in answer], model.predict_proba(rows), atol=1e-13)


@needs_exp
def test_an_empty_text_is_a_missing_category_and_not_a_level_never_seen() -> None:
    answer = database({"n": [0.0] * 3, "flag": ["", None, "perhaps"], "code": [1] * 3})
    found = answer.execute(to_sql(typed(None, "zero"))).fetchall()
    assert [row[0] is None for row in found] == [True, True, False]
