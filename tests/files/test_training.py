"""`train` on data frames, and models that take data frames: the same models, columns and rows as
from files."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from numpy.testing import assert_array_equal

import polytome
from polytome import OneVsRest, PolytomeError, train
from polytome.errors import ArgumentError, DataError
from polytome.evaluation.explain import contributions
from polytome.evaluation.metrics import evaluate
from polytome.files.sources import fit_source, open_source
from polytome.tables.data_frames import frame_of, is_data_frame

N_ROWS = 120


@pytest.fixture(scope="module")
def people() -> pandas.DataFrame:
    random = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "age": random.integers(18, 80, N_ROWS),
            "hue": random.choice(["red", "green", "blue"], N_ROWS),
            "smokes": random.random(N_ROWS) < 0.5,
            "size": random.normal(size=N_ROWS).round(3),
        }
    )
    score = frame["age"] / 20 + (frame["hue"] == "red") + random.normal(size=N_ROWS) - 2.5
    frame["income"] = np.where(score > 0, "high", "low")
    frame.loc[3, "size"] = np.nan
    frame.loc[5, "hue"] = None
    return frame


@pytest.fixture(scope="module")
def model(people: pandas.DataFrame) -> Any:
    return train(people, target="income", test_fraction=0.25, missing="mean")


def test_a_frame_and_its_file_give_the_same_bits(people, model, tmp_path):
    people.to_parquet(tmp_path / "people.parquet")
    people.to_csv(tmp_path / "people.csv", index=False)
    for name in ("people.parquet", "people.csv"):
        other = train(tmp_path / name, target="income", test_fraction=0.25, missing="mean")
        assert_array_equal(other.coef_, model.coef_)
        assert_array_equal(other.intercept_, model.intercept_)
        assert other.encoder_.columns == model.encoder_.columns
        assert other.training_.data_sha256 == model.training_.data_sha256
        assert_array_equal(other.predict_proba(people), model.predict_proba(people))


def test_rows_piece_by_piece_are_the_same_rows(people, model, tmp_path):
    parts = [people[:50], people[50:]]
    for place, part in enumerate(parts):
        part.to_parquet(tmp_path / f"part-{place}.parquet")
    several = train(
        [tmp_path / "part-0.parquet", tmp_path / "part-1.parquet"], "income", test_fraction=0.25, missing="mean"
    )
    np.testing.assert_allclose(several.coef_, model.coef_, rtol=1e-3, atol=1e-3)
    assert evaluate(several).n_rows == evaluate(model).n_rows == 30
    assert evaluate(several).accuracy == evaluate(model).accuracy


def test_a_list_of_one_path_is_this_path(people, model, tmp_path):
    people.to_parquet(tmp_path / "people.parquet")
    found = train([tmp_path / "people.parquet"], "income", test_fraction=0.25, missing="mean")
    assert_array_equal(found.coef_, model.coef_)
    with pytest.raises(ArgumentError, match="source: is an empty list; give at least one file"):
        train([], "income")


@pytest.mark.parametrize(
    "as_frame",
    [
        polars.from_pandas,
        lambda df: pyarrow.Table.from_pandas(df, preserve_index=False),
        lambda df: df.convert_dtypes(),
        lambda df: df.convert_dtypes(dtype_backend="pyarrow"),
        lambda df: df.astype(object),
        lambda df: df.astype({"hue": "category", "income": "category"}),
        lambda df: df.set_index(pandas.Index(np.arange(len(df))[::-1], name="row")),
    ],
    ids=["polars", "arrow", "nullable", "arrow types", "objects", "category", "index"],
)
def test_every_kind_of_frame_is_the_same_table(people, model, as_frame):
    frame = as_frame(people)
    assert is_data_frame(frame)
    other = train(frame, target="income", test_fraction=0.25, missing="mean")
    assert_array_equal(other.coef_, model.coef_)
    assert_array_equal(model.predict_proba(frame), model.predict_proba(people))
    assert model.score(frame) == model.score(people) == model.score(people.drop(columns="income"), people["income"])


def test_columns_are_found_by_name_and_others_are_ignored(people, model):
    shuffled = people[["size", "income", "smokes", "hue", "age"]].iloc[::-1].copy()
    shuffled.insert(1, "note", [["a", {}]] * len(people))
    for method in (model.predict, model.predict_proba, model.predict_log_proba, model.decision_function):
        assert_array_equal(method(shuffled)[::-1], method(people))
    rows = contributions(model, shuffled).by_column(model.encoder_)
    assert rows.features == ("age", "hue", "smokes", "size")
    np.testing.assert_allclose(rows.scores[:, 0], model.decision_function(shuffled))


def test_held_out_rows_judge_the_model_and_stay_in_memory(people, model, tmp_path):
    evaluation = evaluate(model)
    assert evaluation.n_rows == 30
    held_out = model.held_out_.row_names - 1
    assert evaluation.accuracy == model.score(people.iloc[held_out])
    assert model.training_.n_rows == 90
    model.save(tmp_path / "model.safetensors")
    for copied in (polytome.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))):
        assert_array_equal(copied.predict_proba(people), model.predict_proba(people))
        assert not hasattr(copied, "held_out_")
        with pytest.raises(ArgumentError, match="no rows that training held out"):
            evaluate(copied)


def test_a_cut_off_is_chosen_on_rows_that_were_held_out(people, model):
    rule = polytome.choose_threshold(model, prefer="f1")
    held_out = people.iloc[model.held_out_.row_names - 1]
    assert rule.threshold == polytome.choose_threshold(model, held_out, prefer="f1").threshold
    assert "30 held-out rows" in rule.reason
    with pytest.raises(ArgumentError, match="no rows that training held out"):
        polytome.choose_threshold(train(people, target="income", missing="mean"), prefer="f1")


def test_models_of_other_columns_are_compared_on_one_frame(people, model):
    small = train(people[["age", "income"]], target="income")
    found = polytome.compare(small, model, people)
    assert found.n_rows == N_ROWS
    assert found.differences[0][1:3] == (small.score(people), model.score(people))
    assert polytome.compare(small, model, people.drop(columns="income"), people["income"]).p_value == found.p_value


def test_texts_beside_numbers_dates_and_bounds(people, tmp_path):
    random = np.random.default_rng(1)
    words = np.where(people["income"] == "high", "a large house", "a small flat")
    frame = people.assign(
        words=[f"{word} number {number}" for word, number in zip(words, random.integers(0, 9, N_ROWS), strict=True)],
        day=pandas.Timestamp("2026-01-05") + pandas.to_timedelta(random.integers(0, 90, N_ROWS), unit="D"),
    )
    options = {"missing": "mean", "dates": {"day": "month"}, "bounds": {"age": (0, None)}}
    model = train(frame, target="income", text="words", **options)
    assert model.certificate_.holds
    names = model.encoder_.feature_names
    assert {"age", "hue=red", "words: house"} < {*names}
    assert any(name.startswith("day.month") for name in names)
    model.save(tmp_path / "model.safetensors")
    path = tmp_path / "people.csv"
    frame.to_csv(path, index=False)
    loaded, of_file = (
        polytome.load(tmp_path / "model.safetensors"),
        train(path, target="income", text="words", **options),
    )
    assert_array_equal(loaded.predict_proba(frame), model.predict_proba(frame))
    assert_array_equal(of_file.coef_, model.coef_)


def test_a_report_says_which_rows_it_is_about(people, model):
    pytest.importorskip("jinja2")
    assert "rows of the data frame that were held out" in model.report().html
    whole = train(people, target="income", missing="mean")
    assert "accuracy" in whole.report(people).html.lower()
    assert "held out" not in whole.report(people).html.split("Data")[0]


def test_a_certificate_is_verified_on_the_frame(people):
    pytest.importorskip("flint")
    weighted = people.assign(cases=np.arange(N_ROWS) % 3 + 1.0)
    found = train(weighted, target="income", test_fraction=0.25, missing="drop", weight="cases")
    assert found.training_.n_rows < 90
    assert polytome.verify(found, weighted).verdict == "confirmed"
    assert polytome.verify(train(people, "income", missing="mean", positive="high"), people).verdict == "confirmed"


def test_labels_beside_a_frame_are_read_as_in_training(people):
    numbers = people.assign(income=(people["income"] == "high").astype(float)).drop(columns=["size", "hue"])
    model = train(numbers, target="income")
    assert model.classes_.tolist() == [0, 1]
    expected = model.score(numbers)
    for y in (
        numbers["income"],
        numbers["income"].astype("Int64"),
        numbers["income"].tolist(),
        polars.Series(numbers["income"]),
    ):
        assert model.score(numbers, y) == expected
    with pytest.raises(DataError, match=r"y has shape \(3,\), and X has 120 rows"):
        model.score(numbers, [0, 1, 0])
    one = train(people, target="income", missing="mean", positive="high")
    assert one.classes_.tolist() == ["not high", "high"]
    assert one.score(people, people["income"]) == one.score(people) > 0.5


def test_pandas_categories_of_anything_are_categories():
    grade = pandas.Series([1, 2, 3, 1, 2, 3] * 4, dtype="category")
    age = pandas.cut(pandas.Series(np.arange(24)), [0, 8, 16, 24])
    df = pandas.DataFrame({"grade": grade, "age": age, "y": list("ab") * 12})
    model = train(df, target="y", missing="mean")
    grade_levels, age_levels = (column.levels for column in model.encoder_.columns)
    assert grade_levels == ("1", "2", "3")
    assert set(age_levels) == {"(0, 8]", "(8, 16]", "(16, 24]", "(missing)"}
    assert_array_equal(model.predict_proba(df.astype({"grade": float})), model.predict_proba(df))


def test_other_estimators_take_frames_too(people):
    model = fit_source(OneVsRest(), open_source(people, target="hue", missing="drop"))
    rows = people.dropna()
    assert model.predict(rows[["income", "size", "age", "smokes"]]).shape == (len(rows),)
    assert 0 < model.score(rows, rows["hue"]) <= 1


def test_labels_of_columns_that_are_no_text_are_names():
    df = pandas.DataFrame({0: [1.0, 2, 3, 4], 1: list("abab"), 2: list("xyxy")})
    model = train(df, target=2)
    assert model.encoder_.feature_names == ("0", "1=a", "1=b")
    assert model.score(df) == 1


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    ("people", {"target": "incme"}, "target='incme': the data frame has no such column; .*; did you mean 'income'"),
    ("people", {}, "say which column holds the labels"),
    ("people", {"target": "income"}, r"row 6, column 'hue': the cell is missing"),
    ("people", {"target": ["income"]}, "target is a list: needs the name"),
    ("people", {"target": "income", "drop": "agee"}, "drop='agee': .*; did you mean 'age'"),
    ("people", {"target": "income", "mising": "mean"}, "mising: is neither .*; did you mean 'missing'"),
    ("people", {"target": "income", "Cs": 1.0}, "Cs: is neither .*; did you mean 'C'"),
    ("people", {"target": "income", "C": -1}, "C"),
    ("people", {"target": "income", "test_fraction": 1.5}, "test_fraction=1.5: needs a number between 0 and 1"),
    ("people", {"target": "income", "memory": "1GB"}, "memory: is for files .* a data frame is in memory"),
    ("people", {"target": "income", "header": "no"}, "header='no': the data frame is not a text table"),
    ("people", {"target": "income", "checkpoint": "x"}, "checkpoint: is for rows that are read piece by piece"),
    ("empty", {"target": "income"}, "has 0 rows"),
    ("array", {"target": "income"}, "source is a ndarray: needs a data frame"),
    ("twice", {"target": "income"}, "has two columns named 'age'"),
    ("levels", {"target": "income"}, "has a column with several names"),
    ("lists", {"target": "income"}, r"column 'age': holds values of "),
    ("mixed", {"target": "income"}, r"column 'age': holds values of the types dict, int"),
    ("missing.csv", {"target": "income"}, "missing.csv: no such file"),
]


@pytest.mark.parametrize(("kind", "options", "message"), WRONG)
def test_wrong_uses_are_named(kind, options, message, people):
    frames = {
        "people": people,
        "empty": people[:0],
        "array": people[["age", "size"]].to_numpy(),
        "twice": people.rename(columns={"size": "age"}),
        "levels": people.set_axis(pandas.MultiIndex.from_product([["x"], people.columns]), axis=1),
        "lists": people.assign(age=[[1]] * N_ROWS),
        "mixed": people.assign(age=pandas.Series([1, {}] * (N_ROWS // 2), dtype=object)),
    }
    with pytest.raises(PolytomeError, match=message):
        train(frames.get(kind, kind), **options)


def test_missing_columns_are_all_named_with_what_was_perhaps_meant(people, model):
    with pytest.raises(DataError, match=r"lacks the column 'age' \(did you mean 'Age'\?\), 'size'; found 'Age', 'hue'"):
        model.predict(people.rename(columns={"age": "Age"}).drop(columns="size"))
    with pytest.raises(DataError, match="neither given nor in the column 'income'"):
        model.score(people.drop(columns="income"))
    with pytest.raises(DataError, match=r"the data frame, row 1, column 'hue': the level 'pink' was not in"):
        model.predict(people.assign(hue="pink"))


def test_a_frame_of_every_type():
    """Each column beside the cells that a text file with the same values has."""
    df = pandas.DataFrame(
        {
            "int8": np.array([1, -2], dtype=np.int8),
            "large": [2**60 + 1, 3],
            "Int64": pandas.array([1, None], dtype="Int64"),
            "boolean": pandas.array([True, None], dtype="boolean"),
            "sparse": pandas.arrays.SparseArray([0.0, 2.5]),
            "object": pandas.Series([True, None], dtype=object),
            "words": pandas.Series(["a", 1], dtype=object),
            "decimal": pandas.array([1.5, None], dtype="Float64"),
        }
    )
    frame = frame_of(df)
    numbers = {name: frame[name].numbers().tolist() for name in frame.names if name not in ("large", "words")}
    nan = pytest.approx(np.nan, nan_ok=True)
    assert numbers == {
        "int8": [1, -2],
        "Int64": [1, nan],
        "boolean": [1, nan],
        "sparse": [0, 2.5],
        "object": [1, nan],
        "decimal": [1.5, nan],
    }
    assert frame["large"].text(0) == str(2**60 + 1)
    assert frame["words"].words()[1] == ("a", "1")


def test_paths_and_data_sets_are_what_the_command_takes(tmp_path: Path):
    assert train("iris", test_fraction=0.2).held_out_.X.shape == (30, 4)
    assert train("digits", scale=None).scale == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"references": "hue=red", "C": np.inf}, "references='hue=red': needs a level for each column"),
        ({"references": ["hue=red"]}, "references=.*: needs a level for each column"),
        ({"numbers": 3}, "numbers=3: needs an example such as '1,234.5'"),
        ({"dates": "day"}, "dates='day': needs the parts of each column"),
        ({"ids": 1.5}, "ids=1.5: needs a name, or a list of names"),
        ({"drop": None}, "drop=None: needs a name, or a list of names"),
        ({"time": ["x"], "test_fraction": 0.5}, "time=.*: needs the name of a column"),
        ({"names": ["a", "b"]}, "names='a', 'b': the data frame has names of its own"),
    ],
)
def test_arguments_of_another_type_are_refused_by_their_name(arguments, message):
    table = pandas.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "hue": list("rbrb"), "y": list("abab")})
    with pytest.raises(ArgumentError, match=message):
        train(table, "y", **arguments)
