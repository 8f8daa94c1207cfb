from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from file_makers import CSV, IMAGES, LABELS, idx_bytes
from polytome.errors import ArgumentError, DataError, FileError
from polytome.files.sources import (
    fit_source,
    hold_out,
    one_against_rest,
    open_source,
    read_for_model,
)
from polytome.models.logistic import LogisticRegression

IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture
def people(tmp_path: Path) -> str:
    path = tmp_path / "people.csv"
    path.write_text(CSV)
    return str(path)


@pytest.fixture
def images(tmp_path: Path) -> str:
    for name, array in zip(IDX, (IMAGES, LABELS, IMAGES[:2], LABELS[:2]), strict=True):
        (tmp_path / name).write_bytes(idx_bytes(array))
    return str(tmp_path)


def test_a_data_set_wins_over_a_file_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("iris").write_text(CSV)
    assert open_source("iris").X.shape == (150, 4)
    assert open_source("./iris", target="income").X.shape == (4, 4)


@pytest.mark.parametrize(
    "option", [{"target": "x"}, {"missing": "drop"}, {"unknown": "zero"}, {"drop": ["a"]}, {"categories": ["a"]}]
)
def test_options_for_files_are_refused_for_data_sets(option: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match=f"{next(iter(option))}.*iris is a built-in data set"):
        open_source("iris", **option)  # type: ignore[arg-type]


def test_a_wrong_name_lists_the_data_sets() -> None:
    with pytest.raises(FileError, match=r"irs: no such file.*iris, digits, wine"):
        open_source("irs")


def test_a_file_without_labels_cannot_be_trained_on(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.eye(3))
    with pytest.raises(DataError, match=r"no labels to learn from.*--target"):
        open_source(str(tmp_path / "X.npy"))


def test_a_folder_of_images_brings_its_test_rows(images: str) -> None:
    source = open_source(images)
    assert source.X.shape == (4, 6)
    assert source.X_test.shape == (2, 6)
    assert source.y_test.tolist() == LABELS[:2].tolist()


def test_a_folder_without_test_images(images: str) -> None:
    for name in IDX[2:]:
        Path(images, name).unlink()
    assert open_source(images).X_test is None


@pytest.mark.parametrize("label", ["setosa", "virginica"])
def test_the_positive_class_is_the_second_whatever_the_alphabet_says(label: str) -> None:
    iris = open_source("iris")
    model = fit_source(LogisticRegression(), one_against_rest(iris, label))
    assert model.classes_.tolist() == [f"not {label}", label]
    twin = LogisticRegression().fit(iris.X, iris.y == label)
    assert (model.coef_ == twin.coef_).all()
    assert ((model.predict(iris.X) == label) == twin.predict(iris.X)).all()
    benign = fit_source(LogisticRegression(scale="standard"), one_against_rest(open_source("breast-cancer"), "benign"))
    assert benign.classes_.tolist() == ["not benign", "benign"]


def test_a_positive_label_that_is_none() -> None:
    with pytest.raises(ArgumentError, match=r"positive='rose'.*'setosa', 'versicolor', 'virginica'"):
        one_against_rest(open_source("iris"), "rose")


def test_hold_out_takes_the_same_share_of_every_class() -> None:
    source = open_source("wine")
    split = hold_out(source, 0.25, seed=3)
    for label in np.unique(source.y):
        assert (split.y_test == label).sum() == round(0.25 * (source.y == label).sum())
    together = np.vstack([split.X, split.X_test])
    assert sorted(map(tuple, together)) == sorted(map(tuple, source.X))
    assert (hold_out(source, 0.25, seed=3).X_test == split.X_test).all()
    assert not np.array_equal(hold_out(source, 0.25, seed=4).X_test, split.X_test)


def test_hold_out_leaves_each_class_a_row_to_learn_from(people: str) -> None:
    split = hold_out(open_source(people, target="income"), 0.9)
    assert sorted(split.y.tolist()) == ["high", "low"]


@pytest.mark.parametrize(
    ("fraction", "message"), [(0.0, "between"), (1.0, "between"), (np.nan, "between"), (0.001, "small")]
)
def test_fractions_that_cannot_be_used(fraction: float, message: str) -> None:
    with pytest.raises(ArgumentError, match=rf"test_fraction=.*{message}"):
        hold_out(open_source("iris"), fraction)


def test_hold_out_refuses_data_with_test_rows(images: str) -> None:
    with pytest.raises(ArgumentError, match="has its own test rows"):
        hold_out(open_source(images), 0.2)


def test_a_model_reads_a_table_by_its_column_names(people: str, tmp_path: Path) -> None:
    source = open_source(people, target="income")
    model = fit_source(LogisticRegression(), source)
    path = tmp_path / "new.csv"
    path.write_text("income,extra,colour,age\nlow,1,red,25\nhigh,2,blue,31.5\n")
    rows = read_for_model(model, str(path))
    assert (source.X[:2] == rows.X).all()
    assert rows.y.tolist() == ["low", "high"]


def test_a_model_of_arrays_reads_a_table_by_position(tmp_path: Path) -> None:
    model = LogisticRegression().fit(np.eye(4)[:, :2], [0, 1, 1, 0])
    path = tmp_path / "rows.csv"
    path.write_text("1,2\n3,4\n")
    assert read_for_model(model, str(path), header="no").X.tolist() == [[1, 2], [3, 4]]


def test_a_model_refuses_rows_of_another_width(people: str) -> None:
    model = fit_source(LogisticRegression(), open_source("iris"))
    with pytest.raises(DataError, match=r"wine: has 13 features, and the model was trained with 4"):
        read_for_model(model, "wine")


def test_split_is_for_data_sets_with_test_rows(people: str) -> None:
    model = fit_source(LogisticRegression(), open_source("iris"))
    with pytest.raises(ArgumentError, match=r"split='test': iris has no test rows"):
        read_for_model(model, "iris", split="test")
    with pytest.raises(ArgumentError, match="choose train or test"):
        read_for_model(model, "iris", split="half")
    with pytest.raises(ArgumentError, match="is a file and has one part"):
        read_for_model(model, people, split="test")
    assert len(read_for_model(model, "iris", split="train").X) == 150


@pytest.mark.parametrize("source", ["iris", "table.csv"])
def test_a_folder_of_data_sets_is_refused_beside_what_is_not_read_from_it(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("a,b\n1,x\n2,y\n")
    with pytest.raises(ArgumentError, match=f"is a folder of mnist or fashion-mnist, and not for {source}; leave it"):
        open_source(source, data_dir=tmp_path)
