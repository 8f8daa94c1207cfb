"""What columns become in training and in prediction: kinds, levels, gaps, unseen levels,
headers."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from polytome.errors import ArgumentError, DataError, FileError
from polytome.tables.encoder import Column, Encoder
from polytome.tables.frames import Frame, NumberCells, TextCells
from polytome.tables.schemas import learn_encoder
from polytome.tables.table import Table, read_table


def _read(folder: Path, text: str, name: str = "t.csv", **options: Any) -> Table:
    (folder / name).write_text(text)
    return read_table(folder / name, **options)


TRAIN = "age,colour,ok,y\n20,red,true,a\n40,blue,FALSE,b\n?,,True,a\n60,red,false,b\n"


# --- kinds of columns


def test_booleans_and_integers_are_numbers(tmp_path: Path) -> None:
    table = _read(tmp_path, "id,ok,y\n7,true,a\n9,False,b\n4,TRUE,a\n", target="y")
    assert table.feature_names == ("id", "ok")
    assert_array_equal(table.X, [[7, 1], [9, 0], [4, 1]])


def test_numbers_can_be_made_categories(tmp_path: Path) -> None:
    table = _read(tmp_path, "rank,y\n10,a\n9,b\n10,a\n", target="y", categories=["rank"])
    assert table.feature_names == ("rank=10", "rank=9")  # sorted as text
    assert_array_equal(table.X, [[1, 0], [0, 1], [1, 0]])
    assert table.encoder is not None
    new = _read(tmp_path, "rank\n9\n", encoder=table.encoder, name="new.csv")
    assert_array_equal(new.X, [[0, 1]])
    with pytest.raises(DataError, match=r"new\.csv, line 2, column 'rank': the level '09' was.*'10', '9'.*--unknown"):
        _read(tmp_path, "rank\n09\n", encoder=table.encoder, name="new.csv")


def test_a_column_with_many_words_is_text_and_says_so(tmp_path: Path) -> None:
    table = _read(tmp_path, "grade,y\n1,a\n2,b\n3+,a\n3+,b\n", target="y")
    assert table.feature_names == ("grade=1", "grade=2", "grade=3+")
    assert table.notes == ("column 'grade' is read as text: 2 of its 4 cells are not numbers",)


def test_a_column_that_counts_the_rows_is_pointed_out(tmp_path: Path) -> None:
    table = _read(tmp_path, "n,x,y\n1,5,a\n2,5,b\n3,1,a\n", target="y")
    assert table.notes == ("column 'n' counts the rows; leave it out with --drop n if it is not a measurement",)
    assert _read(tmp_path, "n,x,y\n1,5,a\n2,5,b\n3,1,a\n", target="y", drop=["1"]).feature_names == ("x",)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["+1", "-1", "+1"], np.array([1, -1, 1])),
        (["1.0", "2", "1"], np.array([1, 2, 1])),
        (["01", "02", "01"], np.array(["01", "02", "01"])),
        (["0.5", "1.5", "0.5"], np.array(["0.5", "1.5", "0.5"])),
        (["yes", " no", "yes "], np.array(["yes", "no", "yes"])),
        (["true", "false", "true"], np.array(["true", "false", "true"])),
        (["99999999999999999999", "1", "1"], np.array(["99999999999999999999", "1", "1"])),
    ],
)
def test_labels_are_whole_numbers_or_text(tmp_path: Path, words: list[str], expected: np.ndarray) -> None:
    y = _read(tmp_path, "x,y\n" + "".join(f"{i % 2}.5,{word}\n" for i, word in enumerate(words)), target="y").y
    assert y is not None
    assert y.dtype.kind == expected.dtype.kind
    assert_array_equal(y, expected)


def test_training_decides_the_type_of_labels(tmp_path: Path) -> None:
    text = _read(tmp_path, "x,y\n1,1\n2,b\n", target="y").encoder
    whole = _read(tmp_path, "x,y\n1,1\n2,2\n", target="y").encoder
    assert text is not None
    assert whole is not None
    assert_array_equal(_read(tmp_path, "x,y\n1,1\n2,2\n", encoder=text).y, ["1", "2"])
    assert_array_equal(_read(tmp_path, "x,y\n1,1\n2,1\n", encoder=whole).y, [1, 1])
    with pytest.raises(DataError, match=r"t\.csv, line 3, column 'y': the label 'b' is not a whole number"):
        _read(tmp_path, "x,y\n1,1\n2,b\n", encoder=whole)
    assert _read(tmp_path, "x,y\n1,\n2,\n", encoder=whole).y is None
    with pytest.raises(DataError, match=r"line 3, column 'y': the label is missing"):
        _read(tmp_path, "x,y\n1,1\n2,\n", encoder=whole)


# --- headers


@pytest.mark.parametrize(
    ("text", "options", "names"),
    [
        ("1,2,a\n3,4,b\n", {"target": "last"}, ("column_1", "column_2")),
        ("x,z,y\n3,4,b\n3,5,a\n", {"target": "last"}, ("x", "z")),
        ("p,q,a\nr,q,b\np,q,a\n", {"target": "column_3"}, ("column_1=p", "column_1=r", "column_2=q")),
        ("hue,size,y\nred,big,b\nred,small,a\n", {"target": "3"}, ("hue=red", "size=big", "size=small")),
        ("a,b,y\na,c,y\na,c,z\n", {"target": "y"}, ("a=a", "b=c")),
        ("a,b,y\na,c,y\na,c,z\n", {"target": "3", "header": "no"}, ("column_1=a", "column_2=b", "column_2=c")),
        ("2019,2020,y\n3,4,b\n3,5,a\n", {"target": "y"}, ("2019", "2020")),
        ("2019,2020,7\n3,4,b\n3,5,a\n", {"target": "last", "header": "yes"}, ("2019", "2020")),
        ('"",x,y\n9,2,a\n4,4,b\n', {"target": "y"}, ("x",)),
        ('"",x,y\n9,2,a\n9,4,b\n', {"target": "y"}, ("column_1", "x")),
    ],
)
def test_header_is_found(tmp_path: Path, text: str, options: dict[str, Any], names: tuple[str, ...]) -> None:
    assert _read(tmp_path, text, **options).feature_names == names


def test_columns_are_matched_by_name_in_any_order(tmp_path: Path) -> None:
    trained = _read(tmp_path, "age,colour,y\n1,red,a\n2,blue,b\n", target="y")
    assert trained.encoder is not None
    new = _read(tmp_path, "note,colour,age\nhello,blue,9\n", encoder=trained.encoder)
    assert_array_equal(new.X, [[9, 1, 0]])
    assert new.y is None
    assert_array_equal(_read(tmp_path, "9,blue\n8,red\n", encoder=trained.encoder).X, [[9, 1, 0], [8, 0, 1]])
    with pytest.raises(DataError, match=r"lacks the column 'age'; found 'note', 'colour'"):
        _read(tmp_path, "note,colour\nhello,blue\n", encoder=trained.encoder)
    with pytest.raises(DataError, match=r"has 3 columns and no header line, .* needs 2: 'age', 'colour'"):
        _read(tmp_path, "9,blue,7\n", encoder=trained.encoder)


def test_without_headers_the_target_may_stand_first(tmp_path: Path) -> None:
    trained = _read(tmp_path, "1,7,red\n2,8,blue\n", target="1")
    assert trained.encoder is not None
    both = _read(tmp_path, "2,8,blue\n1,7,red\n", encoder=trained.encoder)
    assert_array_equal(both.y, [2, 1])
    alone = _read(tmp_path, "8,blue\n7,red\n", encoder=trained.encoder)
    assert_array_equal(alone.X, both.X)
    assert alone.y is None


# --- gaps and unseen levels


def test_gaps_take_the_training_mean_and_a_level_of_their_own(tmp_path: Path) -> None:
    table = _read(tmp_path, TRAIN, target="y", missing="mean")
    assert table.feature_names == ("age", "colour=(missing)", "colour=blue", "colour=red", "ok")
    assert_allclose(table.X, [[20, 0, 0, 1, 1], [40, 0, 1, 0, 0], [40, 1, 0, 0, 1], [60, 0, 0, 1, 0]])
    assert table.encoder is not None
    assert table.encoder.columns[0].fill == 40.0
    new = _read(tmp_path, "age,colour,ok\nNA,red,true\n", encoder=table.encoder)
    assert_allclose(new.X, [[40, 0, 0, 1, 1]])  # the mean of training, not of the new file
    with pytest.raises(DataError, match=r"line 2, column 'age': the cell is missing"):
        _read(tmp_path, "age,colour,ok\nNA,red,true\n", encoder=table.encoder, missing="error")


def test_a_gap_that_training_never_saw_is_an_unseen_level(tmp_path: Path) -> None:
    encoder = _read(tmp_path, "c,y\nu,a\nv,b\n", target="y", missing="mean").encoder
    assert encoder is not None
    with pytest.raises(DataError, match=r"line 2, column 'c': the level '\?' was not in the training data"):
        _read(tmp_path, "c,x\n?,1\n", encoder=encoder)
    assert_array_equal(_read(tmp_path, "c,x\n?,1\nu,1\n", encoder=encoder, unknown="zero").X, [[0, 0], [1, 0]])


def test_rows_with_gaps_can_be_dropped(tmp_path: Path) -> None:
    table = _read(tmp_path, TRAIN + "1,red,true,\n", target="y", missing="drop")
    assert_array_equal(table.X[:, 0], [20, 40, 60])
    assert_array_equal(table.y, ["a", "b", "b"])
    assert_array_equal(table.kept, [True, True, False, True, False])
    assert table.notes == ("2 of 5 rows have a missing cell and are left out",)
    assert table.encoder is not None
    new = "age,colour,ok\n1,red,true\n,red,true\n3,blue,false\n"
    with pytest.raises(DataError, match=r"line 3, column 'age': the cell is missing"):
        _read(tmp_path, new, encoder=table.encoder)
    assert_array_equal(_read(tmp_path, new, encoder=table.encoder, missing="drop").kept, [True, False, True])
    with pytest.raises(ArgumentError, match=r"trained with missing='drop' and has no means"):
        _read(tmp_path, new, encoder=table.encoder, missing="mean")


def test_places_stay_right_after_rows_are_dropped(tmp_path: Path) -> None:
    encoder = _read(tmp_path, "x,c,y\n1,u,a\n2,v,b\n", target="y").encoder
    assert encoder is not None
    with pytest.raises(DataError, match=r"line 6, column 'c': the level 'w'"):
        _read(tmp_path, 'x,c,z\n,u,"two\nlines"\n\n3,u,0\n4,w,0\n', encoder=encoder, missing="drop")


@pytest.mark.parametrize("options", [{"drop": ["c"]}, {"categories": ["c"]}, {"target": "c"}])
def test_a_trained_encoder_takes_no_training_options(tmp_path: Path, options: dict[str, Any]) -> None:
    encoder = _read(tmp_path, "c,y\nu,a\nv,b\n", target="y").encoder
    with pytest.raises(ArgumentError, match=r"t\.csv: target, weight, drop, .* and terms are for training"):
        _read(tmp_path, "c,y\nu,a\n", encoder=encoder, **options)
    assert_array_equal(_read(tmp_path, "c,y\nu,a\n", encoder=encoder, target="y").X, [[1, 0]])


def test_unseen_levels_can_count_as_none(tmp_path: Path) -> None:
    encoder = _read(tmp_path, "c,y\nu,a\nv,b\n", target="y", unknown="zero").encoder
    assert encoder is not None
    assert_array_equal(_read(tmp_path, "c,x\nw,1\nv,1\n", encoder=encoder).X, [[0, 0], [0, 1]])
    with pytest.raises(DataError, match=r"line 2, column 'c': the level 'w'"):
        _read(tmp_path, "c,x\nw,1\nv,1\n", encoder=encoder, unknown="error")


def test_a_word_in_a_number_column_of_new_data_is_named(tmp_path: Path) -> None:
    encoder = _read(tmp_path, "x,y\n1,a\n2,b\n", target="y").encoder
    assert encoder is not None
    with pytest.raises(DataError, match=r"line 3, column 'x': 'two' is not a finite number.*\(2 such cells\)"):
        _read(tmp_path, "x\n1\ntwo\nthree\n", encoder=encoder)


def test_many_levels_make_the_rows_sparse(tmp_path: Path) -> None:
    rows = "".join(f"{i % 9},{i % 2}\n" for i in range(40))
    table = _read(tmp_path, "c,y\n" + rows, target="y", categories=["c"])
    assert sparse.issparse(table.X)
    assert_array_equal(table.X.toarray(), np.eye(9)[np.arange(40) % 9])


# --- frames in memory


def test_text_and_number_cells_say_the_same() -> None:
    text = TextCells.of(["3", "2.5", None, "3"])
    numbers = NumberCells(np.array([3, 2.5, np.nan, 3]))
    for cells in (text, numbers):
        codes, words = cells.words()
        assert [words[code] if code >= 0 else None for code in codes] == ["3", "2.5", None, "3"]
        assert_array_equal(cells.numbers(), [3, 2.5, np.nan, 3])
        assert [cells.text(row) for row in range(4)] == ["3", "2.5", "", "3"]
        kept = cells.take(np.array([False, True, True, False]))
        assert_array_equal(kept.numbers(), [2.5, np.nan])
        assert kept.words()[1] == ("2.5",)


def test_frames_of_unequal_columns_are_refused() -> None:
    with pytest.raises(DataError, match="differ in length"):
        Frame.of({"a": [1, 2], "b": ["x"]})


def test_an_encoder_learned_from_memory_reads_a_file(tmp_path: Path) -> None:
    frame = Frame.of({"ok": [True, False], "age": [1, 2.5], "hue": ["red", "blue"], "y": [0, 1]})
    encoder, _, _ = learn_encoder(frame, "y")
    assert encoder.label_kind == "integer"
    assert_array_equal(encoder.encode(frame), [[1, 1, 0, 1], [0, 2.5, 1, 0]])
    table = _read(tmp_path, "ok,age,hue\ntrue,1,red\nfalse,2.5,blue\n", encoder=encoder)
    assert_array_equal(table.X, encoder.encode(frame))
    widened = replace(encoder, columns=(*encoder.columns, Column("new", "number")))
    with pytest.raises(DataError, match="lacks the column 'new'"):
        read_table(tmp_path / "t.csv", encoder=widened)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_arrays_must_be_as_wide_as_the_encoder(tmp_path: Path, name: str) -> None:
    encoder = Encoder((Column("a", "number"), Column("b", "number")), None, "error", "error")
    for width in (2, 3):
        X = np.ones((4, width))
        (np.save if name == "a.npy" else lambda path, X: np.savez(path, X=X))(tmp_path / name, X)
        if width == 2:
            assert_array_equal(read_table(tmp_path / name, encoder=encoder).X, X)
        else:
            with pytest.raises(DataError, match=rf"{name}: has 3 features where 2 are expected"):
                read_table(tmp_path / name, encoder=encoder)


# --- real data


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "n_rows", "header"),
    [
        ("inference/spector.csv", 32, ("OBS", "GPA", "TUCE", "PSI")),
        ("inference/anes96.csv", 944, None),
        ("inference/endometrial.csv", 79, ("NV", "PI", "EH")),
        ("course/toydata.txt", 100, ("column_1", "column_2")),
        ("course/iris_1D_2c.csv", 6, ("Petal_Length",)),
    ],
)
def test_real_small_tables(data: Path, name: str, n_rows: int, header: tuple[str, ...] | None) -> None:
    table = read_table(data / name, target="last")
    assert table.X.shape[0] == n_rows
    assert header in (None, table.feature_names)


@pytest.mark.data
def test_real_file_with_a_broken_letter_names_its_line(data: Path) -> None:
    with pytest.raises(FileError, match=r"iris_full_lamkbd\.csv, line 41: byte 0xe2 is not UTF-8"):
        read_table(data / "course/iris_full_lamkbd.csv", target="Label")


@pytest.mark.data
def test_half_a_million_rows_in_seconds(data: Path) -> None:
    start = time.process_time()
    table = read_table(data / "kdd99/kddcup.data_10_percent.gz", target="last")
    seconds = time.process_time() - start
    assert table.X.shape == (494021, 118)
    assert table.y is not None
    assert len(np.unique(table.y)) == 23
    assert seconds < 40  # of a processor, about 5; row by row in Python it takes more than a minute
    assert table.encoder is not None
    with pytest.raises(DataError, match=r"corrected\.gz, line 136489, column 'column_3': the level 'icmp'"):
        read_table(data / "kdd99/corrected.gz", encoder=table.encoder)
