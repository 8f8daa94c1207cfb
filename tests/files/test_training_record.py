"""What a record says of the data equals what the data say, it travels with the model, and lies in
it are found."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy import sparse
from sklearn.datasets import load_iris
from typer.testing import CliRunner

from polytome import LogisticRegression, load
from polytome.cli.app import app
from polytome.errors import DataError, FileError
from polytome.evaluation.explain import feature_names
from polytome.files import model_file
from polytome.files.sources import fit_source, hold_out, one_against_rest, open_source
from polytome.files.training_record import data_hash, record_training

IRIS = load_iris()


def awkward_table(n=500):
    """A constant column, two that repeat the first, one of which spells zero as minus zero, and one
    nearly equal."""
    rng = np.random.default_rng(0)
    first = rng.integers(-2, 3, size=n).astype(float)
    with_minus_zero = np.where(first == 0, -0.0, first)
    nearly = first.copy()
    nearly[-1] += 1
    X = np.column_stack([first, np.full(n, 7.0), rng.normal(size=n), with_minus_zero, nearly, first, np.full(n, 7.0)])
    return X, rng.integers(0, 3, size=n)


def fitted(X, y):
    return LogisticRegression(tol=0.5).fit(X, y)


FORMS = {
    "C order": np.ascontiguousarray,
    "Fortran order": np.asfortranarray,
    "float32": lambda X: X.astype(np.float32),
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "frame": lambda X: pd.DataFrame(X, columns=list("abcdefg")),
}


@pytest.mark.parametrize("form", FORMS)
def test_columns_are_described_in_every_form_of_the_data(form, monkeypatch):
    monkeypatch.setattr("polytome.files.training_record._BLOCK_ENTRIES", 7 * 64)  # several blocks
    X, y = awkward_table()
    given = FORMS[form](X)
    record = record_training(fitted(given, y), given, y)
    stored = X.astype(np.float32).astype(float) if form == "float32" else X
    np.testing.assert_array_equal(record.low, stored.min(axis=0))
    np.testing.assert_array_equal(record.high, stored.max(axis=0))
    np.testing.assert_allclose(record.mean, stored.mean(axis=0), atol=1e-12)
    assert record.constant.tolist() == [1, 6]
    assert record.duplicates.tolist() == [[0, 3], [0, 5]]
    assert record.class_counts.tolist() == np.bincount(y).tolist()
    assert record.n_rows == 500


def test_sparse_columns_count_the_zeros_that_are_not_stored():
    X = sparse.csr_array(np.array([[0.0, 3.0, 0.0], [0.0, 2.0, 0.0], [-4.0, 1.0, 0.0]]))
    record = record_training(fitted(X, [0, 1, 0]), X, [0, 1, 0])
    assert record.low.tolist() == [-4, 1, 0]
    assert record.high.tolist() == [0, 3, 0]
    assert record.constant.tolist() == [2]


def test_the_hash_is_that_of_the_numbers_row_by_row_and_the_labels():
    X, y = np.array([[1.5, -2.0], [0.25, 8.0]]), np.array([3, 4])
    text = b"dense f8 (2, 2)\n" + X.astype("<f8").tobytes() + json.dumps([3, 4]).encode()
    assert data_hash(X, y) == hashlib.sha256(text).hexdigest()
    assert data_hash(X.astype(">f8"), y) == data_hash(np.asfortranarray(X), y) == data_hash(X, y)
    assert data_hash(sparse.csr_array(X), y) == data_hash(sparse.csc_matrix(X), y) != data_hash(X, y)


@pytest.mark.parametrize("change", [(0, 0, 1e-300), (1, 1, 9.0)])
def test_the_hash_tells_one_changed_cell(change):
    X, y = awkward_table()
    row, column, amount = change
    other = X.copy()
    other[row, column] += amount if X[row, column] == 0 else 1
    other[row, column] = np.nextafter(other[row, column], 99)
    assert data_hash(X, y) != data_hash(other, y)
    assert data_hash(X, y) != data_hash(X, np.roll(y, 1))


def test_explicit_zeros_do_not_change_the_hash_and_stay_in_the_callers_matrix():
    plain = sparse.csr_array(np.array([[1.0, 0.0], [0.0, 2.0]]))
    padded = sparse.csr_array((np.array([1.0, 0.0, 2.0]), np.array([0, 1, 1]), np.array([0, 2, 3])), shape=(2, 2))
    assert data_hash(plain, [0, 1]) == data_hash(padded, [0, 1])
    assert padded.nnz == 3


def test_labels_that_do_not_belong_to_the_model_are_refused():
    model = fitted(IRIS.data, IRIS.target)
    with pytest.raises(DataError, match="y holds 7 in row 1, which is not one of"):
        record_training(model, IRIS.data[:2], [0, 7])
    with pytest.raises(DataError, match="one label for each row, not probabilities"):
        record_training(model, IRIS.data, np.eye(3)[IRIS.target])


def test_a_source_leaves_its_record_and_a_plain_fit_drops_it():
    source = hold_out(open_source("iris"), 0.2, seed=5)
    model = fit_source(LogisticRegression(), source, command="polytome train iris")
    record = model.training_
    assert (record.source, record.command, record.seed, record.test_fraction) == ("iris", "polytome train iris", 5, 0.2)
    assert (record.n_rows, record.n_test_rows, record.class_counts.tolist()) == (120, 30, [40, 40, 40])
    assert record.data_sha256 == data_hash(source.X, source.y)
    assert set(record.versions) == {"polytome", "numpy", "scipy", "scikit-learn", "python"}
    assert 0 < record.seconds < 60
    assert not hasattr(model.fit(source.X, source.y), "training_")


def test_one_against_the_rest_counts_both_classes():
    model = fit_source(LogisticRegression(), one_against_rest(open_source("iris"), "setosa"))
    assert model.classes_.tolist() == ["not setosa", "setosa"]
    assert model.training_.class_counts.tolist() == [100, 50]


# --- in the model file --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    return fit_source(LogisticRegression(), hold_out(open_source("iris"), 0.2), command="polytome train 'my file.csv'")


@pytest.fixture
def path(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_it_comes_back_from_the_file_to_the_last_bit(model, path):
    one, two = model.training_, load(path).training_
    for name, value in vars(one).items():
        if isinstance(value, np.ndarray):
            assert getattr(two, name).dtype == value.dtype
            np.testing.assert_array_equal(getattr(two, name), value)
        else:
            assert getattr(two, name) == value


def parts(path):
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["polytome"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def write(path, record, tensors):
    record["checksum"] = model_file.checksum_of(record, tensors)
    save_file(tensors, path, {"polytome": json.dumps(record)})


def test_a_file_of_format_1_is_read_and_has_no_record(model, path):
    record, tensors = parts(path)
    record["format_version"] = 1
    del record["training"]
    write(path, record, {name: tensor for name, tensor in tensors.items() if not name.startswith("training_")})
    again = load(path)
    assert not hasattr(again, "training_")
    np.testing.assert_array_equal(again.coef_, model.coef_)


def test_a_model_without_a_record_is_saved_without_one(path):
    fitted(IRIS.data, IRIS.target).save(path)
    assert parts(path)[0]["training"] is None
    assert not hasattr(load(path), "training_")


LIES = [
    ({"training.data_sha256": "abc"}, {}, "data_sha256 is 'abc'"),
    ({"training.n_rows": -1}, {}, "n_rows is -1, not a whole number"),
    ({"training.n_rows": 121}, {}, "class counts of training do not make 121"),
    ({"training.seconds": "-inf"}, {}, "seconds is '-inf', not a number"),
    ({"training.notes": [3]}, {}, r"notes\[0\] is 3, not text"),
    ({"training.versions": {"numpy": 2}}, {}, "versions.'numpy' is 2, not text"),
    ({"training.versions": ["2"]}, {}, "training.versions is"),
    ({"training.command": 5}, {}, "training.command is 5"),
    ({"training.extra": 1}, {}, r"training has also \['extra'\]"),
    ({"training": []}, {}, "training is"),
    ({"training": None}, {}, "its tensors are"),
    ({"format_version": 1}, {}, r"has also \['training'\]"),
    ({}, {"training_low": np.zeros(4, np.float32)}, "training_low is float32"),
    ({}, {"training_low": np.zeros(3)}, "not one number for each of 4"),
    ({}, {"training_low": np.full(4, np.nan)}, "out of order or not finite"),
    ({}, {"training_high": np.full(4, -1.0)}, "out of order"),
    ({}, {"training_constant": np.array([0])}, "training_constant does not name"),
    ({}, {"training_duplicates": np.array([[0, 4]])}, "pairs of features"),
    ({}, {"training_duplicates": np.array([[1, 0]])}, "pairs of features"),
    ({}, {"training_duplicates": np.array([0, 1])}, "training_duplicates has shape"),
    ({}, {"training_class_counts": np.array([121, -1, 0])}, "class counts"),
    ({}, {"training_class_counts": np.array([60, 60])}, "class counts"),
    ({"training.could_change": 121}, {}, "could_change is 121 of 120"),
    ({}, {"training_divisor": np.zeros(4)}, "training_divisor is not one positive"),
    ({}, {"training_centre_bounds": np.zeros((2, 2))}, "training_centre_bounds does not bound"),
    ({}, {"training_centre_bounds": np.full((3, 3), np.nan)}, "training_centre_bounds does not bound"),
    ({}, {"training_more": np.zeros(3)}, "its tensors are"),
]


@pytest.mark.parametrize(("values", "arrays", "message"), LIES)
def test_a_part_that_cannot_be_right(path, values, arrays, message):
    record, tensors = parts(path)
    for place, value in values.items():
        *way, last = place.split(".")
        inside = record
        for step in way:
            inside = inside[step]
        inside[last] = value
    write(path, record, tensors | arrays)
    with pytest.raises(FileError, match=f"damaged or foreign: .*{message}"):
        load(path)


# --- from the command line ----------------------------------------------------------------------


def test_train_records_its_command_line_and_what_the_reader_noticed(tmp_path):
    table = tmp_path / "my table.csv"
    rows = ["length,colour,kind"] + [f"{i % 7},{'red' if i % 3 else 'blue'},{'ab'[i % 2]}" for i in range(40)]
    rows[5] = ",red,a"
    table.write_text("\n".join(rows), encoding="utf-8")
    out = tmp_path / "model.safetensors"
    options = ["--target", "kind", "--missing", "drop", "--test-fraction", "0.25", "--seed", "3", "--out", str(out)]
    arguments = ["train", str(table), *options]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    model = load(out)
    record = model.training_
    assert record.command == f"polytome train '{table}' {' '.join(options)}"
    assert record.notes == ("1 of 40 rows have a missing cell and are left out",)
    assert (record.seed, record.test_fraction, record.n_rows, record.n_test_rows) == (3, 0.25, 29, 10)
    assert feature_names(model) == ("length", "colour=blue", "colour=red")
    assert record.low.tolist() == [0, 0, 0]
    assert record.high.tolist() == [6, 1, 1]
