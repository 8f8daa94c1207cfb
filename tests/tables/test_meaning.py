"""Tables are read as they were meant: indexes, large whole numbers, gaps, marks in numbers, rare
and equal names."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polytome.errors import ArgumentError, DataError, FileError
from polytome.files.model_file import load
from polytome.files.sources import fit_source, hold_out, open_source, read_for_model
from polytome.files.splits import rows_of_training
from polytome.models.logistic import LogisticRegression
from polytome.tables.encoder import Column, Encoder
from polytome.tables.frames import Frame
from polytome.tables.marked_numbers import explain_marks
from polytome.tables.readers.plain_rows import encode_plain_rows
from polytome.tables.table import Table, read_table

pyarrow = pytest.importorskip("pyarrow")
LARGE = [2**53, 2**53 + 1, 2**53 + 2, 2**53 + 3]


def _read(folder: Path, text: str, **options: Any) -> Table:
    (folder / "t.csv").write_text(text)
    return read_table(folder / "t.csv", **{"target": "y", **options})


def _parquet(folder: Path, columns: dict[str, Any], **options: Any) -> Table:
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), folder / "t.parquet")
    return read_table(folder / "t.parquet", **{"target": "y", **options})


# --- the index of pandas


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [3, 0, 5, 1, 4, 2], [2, 3, 9, 11, 40, 41], [0, 1, 2, 3, 0, 1]])
@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_an_index_in_a_text_table_is_left_out_and_said(tmp_path: Path, order: list[int], name: str) -> None:
    lines = [f"{i},{i % 3}.5,{'ab'[i % 2]}" for i in order]
    table = _read(tmp_path, "\n".join([f"{name},x,y", *lines]))
    assert table.feature_names == ("x",)
    assert any("is taken to be the index" in note for note in table.notes)
    kept = _read(tmp_path, "\n".join([f"{name},x,y", *lines]), categories=["1"])
    assert kept.feature_names is not None
    assert len(kept.feature_names) == 1 + len(set(order))


def test_an_index_that_was_written_and_read_several_times_is_left_out(tmp_path: Path) -> None:
    table = _read(tmp_path, ",Unnamed: 0,Unnamed: 0.1,x,y\n0,0,4,1.5,a\n1,2,8,1.5,b\n2,4,6,2.5,a\n")
    assert table.feature_names == ("x",)
    assert _read(tmp_path, "1,2,a\n2,2,b\n", target="last").feature_names == (
        "column_1",
        "column_2",
    )  # no header, no index


def test_a_first_column_without_name_that_repeats_is_a_feature(tmp_path: Path) -> None:
    assert _read(tmp_path, ",x,y\n1,5,a\n1,6,b\n0,7,a\n0,8,b\n").feature_names == ("column_1", "x")
    assert _read(tmp_path, ",x,y\n0.5,5,a\n1.5,6,b\n0.25,7,a\n").feature_names == ("column_1", "x")


def test_an_index_of_texts_is_left_out(tmp_path: Path) -> None:
    lines = "".join(f"row {i},{i % 4}.5,{'ab'[i % 2]}\n" for i in range(30))
    assert _read(tmp_path, ",x,y\n" + lines).feature_names == ("x",)


def test_a_column_of_different_whole_numbers_is_pointed_out(tmp_path: Path) -> None:
    lines = "".join(f"{i * 7 % 40},{i % 4}.5,{'ab'[i % 2]}\n" for i in range(40))
    assert "column 'id' counts the rows" in _read(tmp_path, "id,x,y\n" + lines).notes[0]
    lines = "".join(f"{i * i},{i % 4}.5,{'ab'[i % 2]}\n" for i in range(40))
    assert "column 'id' holds a different whole number in each row" in _read(tmp_path, "id,x,y\n" + lines).notes[0]


@pytest.mark.parametrize("index", [[5, 1, 9, 2], ["p", "q", "r", "s"], [0.5, 1.5, 0.5, 2.5]])
@pytest.mark.parametrize("name", [None, "id"])
def test_parquet_names_its_index(tmp_path: Path, index: list[Any], name: str | None) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": [1.0, 2, 4, 3], "y": list("abab")}, index=pandas.Index(index, name=name))
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet", target="y")
    assert table.feature_names == ("x",)
    assert any("is taken to be the index" in note for note in table.notes)
    assert (
        read_table(tmp_path / "t.parquet", target=name or "__index_level_0__", drop=["y"], categories=["x"]).y
        is not None
    )


def test_a_model_finds_a_column_that_another_file_has_as_index(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    encoder = Encoder((Column("id", "number"), Column("x", "number")), None, "error", "error")
    pandas.DataFrame({"x": [1.0, 2]}, index=pandas.Index([7, 8], name="id")).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", encoder=encoder).X.tolist() == [[7, 1], [8, 2]]


def test_a_category_that_is_declared_and_not_used_is_unknown(tmp_path: Path) -> None:
    codes = pyarrow.array([0, 1, 0, 1])
    colour = pyarrow.DictionaryArray.from_arrays(codes, ["red", "blue", "green"])
    label = pyarrow.DictionaryArray.from_arrays(codes, ["a", "b", "c"])
    table = _parquet(tmp_path, {"colour": colour, "y": label})
    assert table.feature_names == ("colour=blue", "colour=red")
    assert sorted(set(table.y)) == ["a", "b"]


# --- large whole numbers


def test_large_whole_numbers_keep_their_digits(tmp_path: Path) -> None:
    words = [str(number) for number in LARGE]
    x = [1.0, 2.0, 3.0, 4.0]
    assert _parquet(tmp_path, {"x": x, "y": LARGE}).y.tolist() == words
    assert _parquet(tmp_path, {"x": x, "y": [Decimal(number) for number in LARGE]}).y.tolist() == words
    assert _parquet(tmp_path, {"x": x, "y": pyarrow.array(LARGE, pyarrow.uint64())}).y.tolist() == words
    assert _parquet(tmp_path, {"x": x, "y": pyarrow.array(LARGE).dictionary_encode()}).y.tolist() == words
    table = _parquet(tmp_path, {"i": [*LARGE[:3], None], "x": x, "y": list("abab")}, categories=["i"], missing="mean")
    assert table.feature_names == ("i=(missing)", *(f"i={word}" for word in words[:3]), "x")
    for labels in (np.array(LARGE), -np.array(LARGE), np.array(LARGE, dtype=np.uint64) + np.uint64(2**63)):
        np.savez(tmp_path / "t.npz", X=np.eye(4), y=labels)
        assert read_table(tmp_path / "t.npz").y.tolist() == [str(label) for label in labels.tolist()]
    (tmp_path / "t.svm").write_text("".join(f"{number} 1:1\n" for number in LARGE) + "+1 1:2\n2.50 1:3\n")
    assert read_table(tmp_path / "t.svm").y.tolist() == [*words, "1", "2.5"]


def test_large_labels_of_libsvm_in_pieces_take_no_more_memory_than_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.svm"
    path.write_text("1 1:1\n" * 40 + "".join(f"{number} 1:1 3:2\n" for number in LARGE * 5) + "-2.50 2:1\n" * 40)
    labels = ["1"] * 40 + [str(number) for number in LARGE * 5] + ["-2.5"] * 40
    for piece in (40, 64, 1 << 23):
        monkeypatch.setattr("polytome.tables.readers.libsvm._PIECE", piece)
        assert read_table(path).y.tolist() == labels
    path.write_text("9" * 300 + " 1:1\n" + "1 1:1\n" * 10_000)
    with pytest.raises(FileError, match=r"its labels would take 0\.012 GB"):
        read_table(path, read_limit=0.01)


def test_large_whole_numbers_of_json_are_the_levels_that_they_name() -> None:
    levels = tuple(str(number) for number in LARGE)
    encoder = Encoder((Column("id", "category", levels), Column("x", "number")), None, "error", "error")
    for rows in ([[number, 1] for number in LARGE], [[str(number), 1] for number in LARGE]):
        assert encode_plain_rows(encoder, rows)[:, :4].tolist() == np.eye(4).tolist()
    assert encode_plain_rows(encoder, [[LARGE[1], 10**25]]).tolist() == [[0, 1, 0, 0, 1e25]]


# --- gaps


def test_words_for_nothing_are_gaps_among_numbers_and_names_among_words(tmp_path: Path) -> None:
    text = "c,x,y\nNone,1,NA\nred,NA,EU\nNone,NaN,NA\nred,2,EU\n"
    table = _read(tmp_path, text, missing="mean")
    assert table.feature_names == ("c=None", "c=red", "x")
    assert table.X[:, 2].tolist() == [1, 1.5, 1.5, 2]
    assert table.y.tolist() == ["NA", "EU", "NA", "EU"]
    assert sum("is read as a name like any other" in note for note in table.notes) == 2
    stated = _read(tmp_path, text, missing="mean", marks=["None"])
    assert stated.feature_names == ("c=(missing)", "c=red", "x")
    encoder = stated.encoder
    assert encoder is not None
    assert Encoder.from_json(encoder.to_json()) == encoder
    (tmp_path / "new.csv").write_text("c,x\nNone,None\nNA,7\n")  # NA is no level, so it can only be a gap
    assert read_table(tmp_path / "new.csv", encoder=encoder).X.tolist() == [[1, 0, 1.5], [1, 0, 7]]


def test_any_word_can_be_stated_as_a_mark(tmp_path: Path) -> None:
    table = _read(tmp_path, "c,x,y\n-,-999,a\nred,3,b\nred,5,a\n", missing="mean", marks=["-", "-999"])
    assert table.X.tolist() == [[1, 0, 4], [0, 1, 3], [0, 1, 5]]
    (tmp_path / "new.csv").write_text("c,x\n-,-999\n")
    assert read_table(tmp_path / "new.csv", encoder=table.encoder).X.tolist() == [[1, 0, 4]]
    assert _read(tmp_path, "c,x,y\n?,1,a\nred,3,b\n", marks=[""]).feature_names == ("c=?", "c=red", "x")


def test_files_with_nulls_mark_nothing_by_words(tmp_path: Path) -> None:
    table = _parquet(tmp_path, {"c": ["NA", "?", None, "NA"], "y": ["None", "NA", "None", "NA"]}, missing="mean")
    assert table.feature_names == ("c=(missing)", "c=?", "c=NA")
    assert table.y.tolist() == ["None", "NA", "None", "NA"]
    np.savez(tmp_path / "t.npz", X=np.eye(4), y=np.array(["None", "NA", "?", "NA"]))
    assert read_table(tmp_path / "t.npz").y.tolist() == ["None", "NA", "?", "NA"]


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_marks_are_stated_for_text_that_is_stored_as_codes(tmp_path: Path, ending: str) -> None:
    from pyarrow import feather, parquet

    colour = pyarrow.array(["red", "-", None, "blue"]).dictionary_encode()
    write = parquet.write_table if ending == "parquet" else feather.write_feather
    write(pyarrow.table({"c": colour, "y": list("abab")}), str(tmp_path / f"t.{ending}"))
    path = tmp_path / f"t.{ending}"
    assert read_table(path, target="y", missing="drop", marks=["-"]).X.tolist() == [[0, 1], [1, 0]]
    assert read_table(path, target="y", missing="drop").feature_names == ("c=-", "c=blue", "c=red")


def test_labels_of_numbers_have_gaps(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 4, column 'y': the label is missing"):
        _read(tmp_path, "x,y\n1,0\n2,1\n3,NA\n")


# --- numbers with marks


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("1,234", "may group its digits or be its decimal point"),
        ("12,5", "decimal comma"),
        ("0,123", "decimal comma"),
        ("1,234,567.8", "grouped by commas"),
        ("1.234.567", "grouped by points"),
        ("1.234,56", "grouped by points"),
        ("1 234", "digits are grouped"),
        ("1\u202f234,5", "digits are grouped"),
        ("1'234", "digits are grouped"),
        ("12%", "percentage"),
        ("12.5 %", "percentage"),
        ("$5", "amount of money"),
        ("-$1,200.50", "amount of money"),
        ("5 \u20ac", "amount of money"),
        ("EUR 5", "amount of money"),
        ("(5)", "brackets"),
        ("($1,200)", "brackets"),
        ("\u22125", "another minus sign"),
        ("5-", "another minus sign"),
    ],
)
def test_marked_numbers_are_named_and_never_guessed(tmp_path: Path, word: str, says: str) -> None:
    assert says in explain_marks(word)
    text = f'x,y\n"{word}",a\n"{word}",b\n7,a\n"{word}",b\n'
    with pytest.raises(DataError, match=rf"line 2, column 'x': .*{says}.*--categories x"):
        _read(tmp_path, text)
    assert len(_read(tmp_path, text, categories=["x"]).feature_names or ()) == 2
    plain = Encoder((Column("x", "number"),), None, "error", "error")
    with pytest.raises(DataError, match=says):
        plain.encode(Frame.of({"x": [word]}))


@pytest.mark.parametrize(
    "word", ["red", "1-2", "2020-01-01", "A5", "10:30", "5 kg", "1.2.3", "KLM 123", "()", "%", "$"]
)
def test_words_that_are_no_numbers_are_levels(tmp_path: Path, word: str) -> None:
    assert explain_marks(word) == ""
    assert _read(tmp_path, f"x,y\n{word},a\nother,b\n").feature_names == tuple(sorted([f"x={word}", "x=other"]))


# --- rare texts, many labels, equal names, booleans


def test_texts_with_rows_enough_are_learned_from(tmp_path: Path) -> None:
    lines = ["z,y", *(f"z{i % 1500},{'ab'[i % 2]}" for i in range(7500))]
    assert len(_read(tmp_path, "\n".join(lines)).feature_names or ()) == 1500
    few = "\n".join(lines[:3701])
    with pytest.raises(DataError, match=r"holds 1500 different texts in 3700 cells.*--drop z.*--categories z"):
        _read(tmp_path, few)
    assert len(_read(tmp_path, few, categories=["z"]).feature_names or ()) == 1500


def test_texts_too_long_to_keep_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytome.tables.schemas.MOST_LEVEL_BYTES", 1000)
    text = "z,y\n" + "".join(f"{'uv'[i % 2] * 600},{'ab'[i % 2]}\n" for i in range(10))
    with pytest.raises(DataError, match="1,200 bytes are too many to keep"):
        _read(tmp_path, text)
    assert len(_read(tmp_path, text, categories=["z"]).feature_names or ()) == 2


def test_many_labels_are_pointed_out(tmp_path: Path) -> None:
    table = _read(tmp_path, "x,y\n" + "".join(f"{i % 3}.5,{label}\n" for i, label in enumerate("abcdefab")))
    assert table.notes == ("column 'y' holds 6 different labels in 8 rows; is it the target?",)
    np.savez(tmp_path / "t.npz", X=np.eye(8), y=np.array(list("abcdefab")))
    assert len(read_table(tmp_path / "t.npz").notes) == 1
    assert _read(tmp_path, "x,y\n1.5,a\n2.5,b\n2.5,a\n").notes == ()


@pytest.mark.parametrize("text", ["a=b,a,y\n1,b,u\n2,c,v\n3,b,u\n", "a=b,a,y\nc,b=c,u\nd,c,v\nc,b=c,u\n"])
def test_columns_that_make_equal_features_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="'a=b', 'a' both make a feature named 'a=b"):
        _read(tmp_path, text)


def test_truth_values_are_read_alike_whatever_stands_beside_them() -> None:
    number = Encoder((Column("ok", "number"),), None, "error", "error")
    for rows in ([[True], ["true"], [1]], [[True]], [["TRUE"], [1.0]], [[True], [1]]):
        assert (encode_plain_rows(number, rows) == 1).all()
    for rows in ([["true"], [35]], [[True], [35]], [[35], ["False"]]):
        with pytest.raises(DataError, match="is not a finite number"):
            encode_plain_rows(number, rows)
    for levels in (("false", "true"), ("False", "True")):
        category = Encoder((Column("ok", "category", (*levels, "1")[:2]),), None, "error", "zero")
        for rows in ([[True]], [[True], ["x"]], [[True], [1]], [["true"], [1]]):
            assert encode_plain_rows(category, rows)[0].tolist() == [0, 1]
    ones = Encoder((Column("ok", "category", ("1", "true")),), None, "error", "error")
    assert encode_plain_rows(ones, [[1], [True]]).tolist() == [[1, 0], [0, 1]]


# --- rows that are held out, to be predicted, or known from training


def _people(folder: Path) -> Path:
    random = np.random.default_rng(0)
    path = folder / "people.csv"
    lines = [
        f"{'' if i % 2 else random.normal() + i},{'uv'[i % 2] if i else 'rare'},{'ab'[i % 3 == 0]}" for i in range(40)
    ]
    path.write_text("\n".join(["x,c,y", *lines]))
    return path


def test_rows_held_out_teach_nothing(tmp_path: Path) -> None:
    whole = open_source(str(_people(tmp_path)), target="y", missing="mean")
    for seed in range(6):
        split = hold_out(whole, 0.5, seed)
        is_test = np.zeros(40, dtype=bool)
        is_test[split.test_names - 1] = True
        text = (tmp_path / "people.csv").read_text().splitlines()
        (tmp_path / "train.csv").write_text("\n".join([text[0], *np.array(text[1:])[~is_test]]))
        alone = open_source(str(tmp_path / "train.csv"), target="y", missing="mean")
        assert split.encoder == alone.encoder
        assert np.array_equal(split.X, alone.X)
        assert split.X_test.shape == (is_test.sum(), split.X.shape[1])
        assert any("c=rare" in note for note in split.notes) == is_test[0]


def test_a_column_that_only_rows_held_out_fill_is_refused(tmp_path: Path) -> None:
    source = open_source(str(_people(tmp_path)), target="y", missing="mean")
    first = int(hold_out(source, 0.5).test_names[0])
    lines = [f"{'5' if i + 1 == first else ''},1.5,{'ab'[i % 3 == 0]}" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["x,z,y", *lines]))
    with pytest.raises(DataError, match=r"column 'x': every cell of the rows to learn from is missing.*--drop x"):
        hold_out(open_source(str(tmp_path / "t.csv"), target="y", missing="mean"), 0.5)


@pytest.mark.parametrize("labels", [["0", ""], ["open", "open"], ["", ""], ["1.5", "NA"]])
def test_rows_to_be_predicted_need_no_labels(tmp_path: Path, labels: list[str]) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,0\n2,1\n3,0\n4,1\n")
    model = fit_source(LogisticRegression(), open_source(str(tmp_path / "t.csv"), target="y"))
    (tmp_path / "new.csv").write_text("x,y\n" + "".join(f"{i}.5,{label}\n" for i, label in enumerate(labels)))
    rows = read_for_model(model, str(tmp_path / "new.csv"), labels=False)
    assert rows.y is None
    assert rows.X.tolist() == [[0.5], [1.5]]


def test_rows_of_training_are_recognised(tmp_path: Path) -> None:
    path = _people(tmp_path)

    def said(source: Any, file: Path = path) -> str:
        fit_source(LogisticRegression(), source).save(tmp_path / "m.safetensors")
        model = load(tmp_path / "m.safetensors")
        rows = read_for_model(model, str(file), unknown="zero")
        return rows_of_training(model, rows.X, rows.y, rows.name)

    whole = open_source(str(path), target="y", missing="mean")
    assert said(whole).startswith("these are the rows that the model was trained on")
    halved = hold_out(whole, 0.5, seed=4)
    assert said(halved).startswith(f"{len(halved.y)} of these 40 rows are those that the model was trained on")
    copy = tmp_path / "copy.csv"
    copy.write_text(path.read_text())
    assert said(halved, copy).startswith(f"{len(halved.y)} of these 40 rows")
    lines = path.read_text().splitlines()
    copy.write_text("\n".join([*lines[:20], lines[20].replace(",a", ",b")]))
    assert said(whole, copy) == ""
    path.write_text("\n".join(lines[:-3]))
    assert "trained on a source of the same name" in said(whole)


@pytest.mark.parametrize("name", ["t.parquet", "t.npz", "t.svm"])
def test_a_header_is_for_text_tables(tmp_path: Path, name: str) -> None:
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"x": [1, 2], "y": ["a", "b"]}), tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", X=np.eye(2), y=["a", "b"])
    (tmp_path / "t.svm").write_text("1 1:1\n2 1:2\n")
    with pytest.raises(ArgumentError, match="is not a text table"):
        read_table(tmp_path / name, target="y" if name == "t.parquet" else None, header="yes")
    with pytest.raises(ArgumentError, match="iris is a built-in data set and takes no --missing-mark"):
        open_source("iris", marks=["NA"])
    with pytest.raises(ArgumentError, match="iris is a built-in data set and takes no --header"):
        open_source("iris", header="yes")
