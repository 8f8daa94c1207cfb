"""Tables that stay in their files: the same encoder, classes and coefficients as in memory, and
clear faults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_iris

from polytome import LinearRegression, LogisticRegression, OneVsOne, OneVsRest, load, open_rows, read_table
from polytome.errors import ArgumentError, DataError, FileError, PolytomeError
from polytome.files.sources import fit_source, open_source
from polytome.files.streamed import fit_streamed
from polytome.tables.streams import learning

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def written(columns: dict[str, Any], path: Path, group: int = 7) -> Path:
    parquet.write_table(pyarrow.table(columns), path, row_group_size=group)
    return path


def people(n_rows: int = 400, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    age, hue = rng.normal(40, 10, n_rows), rng.choice(["red", "blue", "green"], n_rows)
    score = (age - 40) / 10 + (hue == "red") + rng.logistic(size=n_rows)
    income = np.where(score > 1, "high", np.where(score > -1, "middle", "low"))
    town = rng.choice([f"town {k}" for k in range(15)], n_rows)
    return {"age": age, "hue": hue, "count": rng.integers(0, 5, n_rows), "town": town, "income": income}


def assert_same(path: Any, files: Any = None, off: float = 1e-7, model: Any = None, **options: Any) -> Any:
    """Fits rows in memory and rows in files; the second model."""
    table = read_table(path, **options)
    rows = open_rows(path if files is None else files, **options)
    assert rows.encoder.feature_names == table.feature_names
    assert rows.encoder.label_kind == table.encoder.label_kind
    for mine, theirs in zip(rows.encoder.columns, table.encoder.columns, strict=True):
        assert mine.kind == theirs.kind
        assert mine.fill == (
            pytest.approx(theirs.fill, rel=1e-12) if mine.kind == "number" and theirs.fill else theirs.fill
        )
    assert_array_equal(rows.classes[rows.codes], table.y)
    pieces = [piece for _, piece in rows.X.pieces(range(len(rows.X.parts)))]
    X = np.vstack([piece.toarray() if rows.X.is_sparse else piece for piece in pieces])
    assert_allclose(X, table.X.toarray() if rows.X.is_sparse else table.X, rtol=1e-14)
    make = LogisticRegression if model is None else model
    # Of few rows in memory a fit is polished further than the tolerance, in ways that need all rows
    # at once.
    held, streamed = make(tol=1e-8, scale="standard").fit(table.X, table.y), make(tol=1e-8, scale="standard").fit(rows)
    assert streamed.certificate_.holds
    assert_array_equal(streamed.classes_, held.classes_)
    assert_allclose(streamed.coef_, held.coef_, atol=off)
    assert_allclose(streamed.intercept_, held.intercept_, atol=off)
    assert streamed.encoder_ == rows.encoder
    return streamed


@pytest.mark.parametrize("group", [3, 50, 1_000])
@pytest.mark.parametrize("kind", [LogisticRegression, OneVsRest, OneVsOne])
def test_a_table_of_numbers_and_names(kind: Any, group: int, tmp_path: Path) -> None:
    path = written(people(), tmp_path / "people.parquet", group)
    model = assert_same(path, model=kind, target="income")
    model.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert_array_equal(
        again.predict(read_table(path, encoder=again.encoder_).X), model.predict(read_table(path, target="income").X)
    )


def test_iris_and_digits(tmp_path: Path) -> None:
    for name, (X, y) in {"iris": load_iris(return_X_y=True), "digits": load_digits(return_X_y=True)}.items():
        columns = {f"x{j}": X[:, j] for j in range(X.shape[1])}
        path = written({**columns, "label": y}, tmp_path / f"{name}.parquet", 60)
        model = assert_same(path, target="label")
        assert model.classes_.dtype.kind == "i"


def test_pieces_end_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for rows, n_rows in ((1, 100), (10, 400), (64, 400)):
        path = written(people(n_rows), tmp_path / f"{rows}.parquet", 33)
        monkeypatch.setattr("polytome.tables.streams.opening._MOST_PIECE_ROWS", rows)
        assert_same(path, target="income", drop=["town"])


def test_several_files_a_folder_and_a_pattern(tmp_path: Path) -> None:
    whole = people()
    written(whole, tmp_path / "whole.parquet")
    folder = tmp_path / "parts"
    folder.mkdir()
    for place, start in enumerate(range(0, 400, 90)):
        written({name: column[start : start + 90] for name, column in whole.items()}, folder / f"{place}.parquet")
    (folder / "_SUCCESS").write_text("")
    (folder / ".hidden.parquet").write_text("")
    names = sorted(folder.glob("[0-9].parquet"))
    for files in (folder, str(folder / "[0-9].parquet"), str(tmp_path / "*" / "?.parquet"), names):
        assert_same(tmp_path / "whole.parquet", files, target="income")


@pytest.mark.parametrize("missing", ["mean", "drop"])
def test_missing_cells(missing: str, tmp_path: Path) -> None:
    columns, rng = people(), np.random.default_rng(1)
    gaps = {name: rng.random(400) < 0.05 for name in columns if missing == "drop" or name != "income"}
    masked = {
        name: pyarrow.array(column, mask=gaps.get(name, np.zeros(400, dtype=bool))) for name, column in columns.items()
    }
    assert_same(written(masked, tmp_path / "gaps.parquet", 45), target="income", missing=missing)


def test_kinds_of_columns(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    n_rows = 120
    columns = {
        "whole": pyarrow.array(rng.integers(0, 9, n_rows)),
        "yes": pyarrow.array(rng.random(n_rows) < 0.5),
        "short": pyarrow.array(rng.normal(size=n_rows).astype(np.float32)),
        "coded": pyarrow.array(rng.choice(["u", "v"], n_rows)).dictionary_encode(),
        "text of numbers": pyarrow.array([f"{value:.2f}" for value in rng.normal(size=n_rows)]),
        "digits": pyarrow.array(rng.choice(["1", "2", "3"], n_rows)),
        "truth": pyarrow.array(rng.choice(["true", "False"], n_rows)),
        "grade": pyarrow.array(rng.integers(1, 4, n_rows)),
    }
    path = written(columns, tmp_path / "kinds.parquet", 25)
    assert_same(path, target="grade")
    assert_same(path, target="yes", categories=["digits", "whole"], drop=["short"])
    assert_same(path, target="coded", categories=["truth"])


def test_text_that_is_numbers_needs_no_memory_for_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "MOST_WORDS", 20)
    rng = np.random.default_rng(2)
    values = [None if place == 90 else f"{value:.3f}" for place, value in enumerate(rng.normal(size=200))]
    path = written({"value": values, "y": rng.choice(["a", "b"], 200)}, tmp_path / "text.parquet", 30)
    monkeypatch.setattr("polytome.tables.streams.opening._MOST_PIECE_ROWS", 16)
    assert_same(path, target="y", missing="mean")


@pytest.mark.data
def test_adult(tmp_path: Path) -> None:
    folder = os.environ.get("POLYTOME_DATA")
    found = Path(folder or "", "adult", "adult-train.csv")
    if not (folder and found.exists()):
        pytest.skip("POLYTOME_DATA has no adult")
    from pyarrow import csv

    options = csv.ReadOptions(autogenerate_column_names=True)
    rows = csv.read_csv(found, options).slice(0, 8_000)
    parquet.write_table(rows, tmp_path / "adult.parquet", row_group_size=1_500)
    assert_same(tmp_path / "adult.parquet", target="last", off=1e-10)


def changed(**columns: Any) -> dict[str, Any]:
    return {**people(40), **columns}


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        (changed(), {"target": "wage"}, "target='wage': .* has no such column; .* its columns are 'age', 'hue'"),
        (changed(), {"target": "income", "drop": ["size"]}, "drop='size': .* has no such column"),
        (changed(), {"target": "income", "missing": "no"}, "missing='no': choose one of"),
        (changed(), {"target": "income", "memory": "much"}, "memory='much': needs a size such as '2GB'"),
        (changed(), {"target": "income", "memory": "1MB"}, "read piece by piece need .* MB, and of 0.001 GB"),
        (changed(income=["a"] * 40), {"target": "income"}, "holds only the label 'a'; a classifier needs at least two"),
        (changed(age=[None] * 40), {"target": "income"}, "column 'age': every cell is missing"),
        (changed(age=[1.0] * 33 + [None] * 7), {"target": "income"}, r"row 34, column 'age': the cell is missing"),
        (
            changed(hue=["a"] * 11 + [None] + ["b"] * 28),
            {"target": "income"},
            r"row 12, column 'hue': the cell is miss",
        ),
        (
            changed(income=["a", "b", "c", None] * 10),
            {"target": "income"},
            "row 4, column 'income': the label is missing",
        ),
        (changed(age=[1.0] * 37 + [np.inf] * 3), {"target": "income"}, "row 38, column 'age': 'inf' is not a finite"),
        (
            changed(age=["1"] * 39 + ["x"]),
            {"target": "income"},
            "row 40, column 'age': 'x' is not a finite number, whi",
        ),
        (changed(hue=[f"{k}th" for k in range(40)]), {"target": "income"}, "holds 40 different texts in 40 cells"),
        ({"y": ["a", "b"]}, {"target": "y"}, "has no column besides the target 'y'"),
    ],
)
def test_faults_of_a_table(columns: Any, options: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(PolytomeError, match=said):
        open_rows(written(columns, tmp_path / "t.parquet"), **options)


def test_too_many_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "MOST_WORDS", 10)
    words = [f"{k}th" for k in range(40)]
    path = written(changed(hue=words), tmp_path / "t.parquet")
    with pytest.raises(
        DataError, match=r"column 'hue': holds .* different texts, such as '0th', and 10 of them are kept"
    ):
        open_rows(path, target="income", categories=["hue"])
    with pytest.raises(DataError, match=r"different labels.*choose a column of classes"):
        open_rows(path, target="hue", drop=["town"])


def test_faults_of_files(tmp_path: Path) -> None:
    first, second = (written(people(40, seed), tmp_path / f"{seed}.parquet") for seed in (0, 1))
    for number in range(2, 40):
        written(people(3, number), tmp_path / f"{number:02d}.parquet")
    lacking = people(3)
    del lacking["hue"]
    late = written(lacking, tmp_path / "37.parquet")
    with pytest.raises(FileError, match=r"37.parquet: lacks the column 'hue', which .*0.parquet has"):
        open_rows(tmp_path, target="income")
    written(changed(hue=[1.0] * 40), late)
    with pytest.raises(FileError, match=r"37.parquet, column 'hue': holds numbers, and in .*0.parquet it holds text"):
        open_rows(tmp_path, target="income")
    written(changed(more=[1.0] * 40), late)
    assert "'more' is a column of" in open_rows(tmp_path, target="income").notes[-1]
    whole = second.read_bytes()
    for content, said in (
        (whole[:-20], "damaged Parquet file"),
        (whole[: len(whole) // 2], "damaged Parquet file"),
        (b"", "the file is empty"),
        (b"age,income\n1,a\n", "is neither a Parquet nor an Arrow file"),
    ):
        second.write_bytes(content)
        with pytest.raises(FileError, match=said):
            open_rows([first, second], target="income")
    with pytest.raises(FileError, match="no such file"):
        open_rows(tmp_path / "none.parquet", target="income")
    with pytest.raises(FileError, match="no file has such a name"):
        open_rows(str(tmp_path / "none*.parquet"), target="income")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="this folder has no file that ends in"):
        open_rows(tmp_path / "empty", target="income")
    with pytest.raises(FileError, match="empty sequence"):
        open_rows([], target="income")


def test_a_file_that_is_changed_is_noticed(tmp_path: Path) -> None:
    path = written(people(), tmp_path / "people.parquet")
    rows = open_rows(path, target="income")
    LogisticRegression().fit(rows)
    written(people(400, 1), path)
    with pytest.raises(FileError, match=r"people\.parquet: was changed while its rows were in use"):
        LogisticRegression().fit(rows)
    path.unlink()
    with pytest.raises(FileError, match="no such file"):
        LogisticRegression().fit(rows)


def test_damage_in_the_middle_of_a_file(tmp_path: Path) -> None:
    path = written(people(), tmp_path / "people.parquet", 50)
    content = bytearray(path.read_bytes())
    for at in range(200, len(content) // 2, 37):
        content[at] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(PolytomeError, match=r"people\.parquet"):
        open_rows(path, target="income")


def test_what_cannot_take_such_rows_says_so(tmp_path: Path) -> None:
    rows = open_rows(written(people(), tmp_path / "people.parquet"), target="income")
    with pytest.raises(ArgumentError, match="y is given beside rows from open_rows"):
        LogisticRegression().fit(rows, [1, 2])
    with pytest.raises(ArgumentError, match="sample_weight is given beside rows from open_rows"):
        OneVsRest().fit(rows, sample_weight=[1.0])
    model = LogisticRegression().fit(rows)
    with pytest.raises(ArgumentError, match="here features in memory are needed"):
        model.predict(rows)
    with pytest.raises(ArgumentError, match="here features in memory are needed"):
        LinearRegression().fit(rows, [1.0])


def test_weights_of_classes(tmp_path: Path) -> None:
    path = written(people(), tmp_path / "people.parquet", 90)
    table, rows = read_table(path, target="income"), open_rows(path, target="income")
    for weights in ("balanced", {"low": 0.0}, {"high": 3.0}):
        held, streamed = (LogisticRegression(tol=1e-8, class_weight=weights) for _ in range(2))
        held.fit(table.X, table.y)
        streamed.fit(rows)
        assert_allclose(streamed.coef_, held.coef_, atol=1e-9)


@pytest.mark.parametrize("kind", [LogisticRegression, OneVsRest, OneVsOne])
def test_penalty_weights_by_name(kind: Any, tmp_path: Path) -> None:
    path = written(people(), tmp_path / "people.parquet", 90)
    rows, weights = open_rows(path, target="income"), {"age": 0.0, "hue": 3.0}
    streamed = kind(tol=1e-8, scale="standard", penalty_weights=weights).fit(rows)
    held = fit_source(
        kind(tol=1e-8, scale="standard", penalty_weights=weights), open_source(str(path), target="income")
    )
    assert streamed.penalty_weights == weights
    assert_allclose(streamed.coef_, held.coef_, atol=1e-6)
    recorded = fit_streamed(kind(scale="standard", penalty_weights=weights), rows)
    assert_allclose(recorded.source_.training.divisor, held.source_.training.divisor, rtol=1e-12)
    with pytest.raises(ArgumentError, match="names 'aeg', which is not a column of X: it has 'age'"):
        kind(penalty_weights={"aeg": 0.0}).fit(rows)
