"""Models come back from their files to the last bit, and damaged files end in a clear error."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from polytome import native
from polytome.errors import ArgumentError, FileError
from polytome.files import model_file
from polytome.files.model_file import FORMAT_VERSION, load, save
from polytome.models.logistic import LogisticRegression
from polytome.solvers import GradientDescent, Stop
from polytome.tables.encoder import Column, Encoder

IRIS = load_iris()


def fitted(y: Any = IRIS.target, **settings: Any) -> LogisticRegression:
    return LogisticRegression(**settings).fit(IRIS.data, y)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


@pytest.fixture(scope="module")
def iris_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "iris.safetensors"
    model = fitted(IRIS.target_names[IRIS.target])
    model.encoder_ = Encoder(tuple(Column(name, "number") for name in "abcd"), "label", "error", "error")
    model.image_shape_ = (2, 2)
    model.save(path)
    return path


def parts(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["polytome"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def assert_equal_models(one: LogisticRegression, two: LogisticRegression, X: Any = IRIS.data) -> None:
    assert two.coef_.tobytes() == one.coef_.tobytes()
    assert two.intercept_.tobytes() == one.intercept_.tobytes()
    assert two.coef_.shape == one.coef_.shape
    assert two.classes_.dtype == one.classes_.dtype
    assert two.classes_.tolist() == one.classes_.tolist()
    assert [type(label) for label in two.classes_.tolist()] == [type(label) for label in one.classes_.tolist()]
    assert two.certificate_ == one.certificate_
    assert two.objective_ == one.objective_
    assert two.stop_ is one.stop_
    assert two.history_ == one.history_
    assert two.n_iter_.tolist() == one.n_iter_.tolist()
    assert two.n_features_in_ == one.n_features_in_
    assert two.predict_log_proba(X).tobytes() == one.predict_log_proba(X).tobytes()
    assert two.predict(X).tolist() == one.predict(X).tolist()


# --- what was saved comes back ------------------------------------------------------------------

LABELS = {
    "text": IRIS.target_names[IRIS.target],
    "wide text": IRIS.target_names[IRIS.target].astype("<U40"),
    "text beyond ASCII": np.array(["fleur", "花", "цветок"])[IRIS.target],
    "object text": IRIS.target_names[IRIS.target].astype(object),
    "int64": IRIS.target - 1,
    "int8": IRIS.target.astype(np.int8),
    "uint64": IRIS.target.astype(np.uint64) + np.uint64(2**63),
    "big-endian": IRIS.target.astype(">i4"),
    "float32": IRIS.target.astype(np.float32),
    "two booleans": IRIS.target == 2,
    "two numbers": np.minimum(IRIS.target, 1),
}


@pytest.mark.parametrize("kind", LABELS)
def test_round_trip_of_every_kind_of_label(path: Path, kind: str) -> None:
    model = fitted(LABELS[kind])
    model.save(path)
    assert_equal_models(model, load(path))


@pytest.mark.parametrize("instruction_set", [native.instruction_set(), None])
@pytest.mark.parametrize("K", [2, 10])
def test_round_trip_of_a_fit_to_sparse_rows(
    path: Path, K: int, instruction_set: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Coefficients lie column by column, those from a file output by output: predictions are the
    same in every bit."""
    monkeypatch.setattr(native, "instruction_set", lambda: instruction_set)
    rng = np.random.default_rng(0)
    X, y = sparse.random(300, 333, 0.1, "csr", random_state=rng), rng.permutation(np.arange(300) % K)
    model = LogisticRegression(C=5).fit(X, y)
    model.save(path)
    again = load(path)
    for rows in (X, X.tocsc(), X.toarray(), X.toarray().astype(np.float32), X[:1].toarray()):
        assert_equal_models(model, again, rows)


@pytest.mark.parametrize(
    "settings",
    [
        {"C": np.inf, "max_iter": 3},
        {"C": np.float64(0.1), "fit_intercept": False, "class_weight": "balanced"},
        {"class_weight": {0: 2.0, 1: 0.5}, "solver": "lbfgs", "tol": 1e-6},
        {"scale": "standard", "random_state": 7, "warm_start": True},
        {"scale": 4, "verbose": 0, "l1_ratio": None},
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_round_trip_of_settings(path: Path, settings: dict[str, Any]) -> None:
    model = fitted(**settings)
    save(model, path)
    again = load(path)
    assert_equal_models(model, again)
    assert again.get_params() == model.get_params()
    assert again.fit(IRIS.data, IRIS.target).coef_.shape == model.coef_.shape


def test_scale_with_one_number_per_column(path: Path) -> None:
    model = fitted(scale=[1.0, 1 / 3, 2.0, 1e-3])
    model.save(path)
    assert load(path).scale.tolist() == [1.0, 1 / 3, 2.0, 1e-3]


def test_what_cannot_be_saved_is_replaced(path: Path) -> None:
    settings = {"solver": GradientDescent(), "random_state": np.random.RandomState(0), "callback": lambda _: False}
    model = fitted(**settings, tol=0.5)
    model.save(path)
    again = load(path)
    assert (again.solver, again.random_state, again.callback) == ("auto", None, None)
    assert again.solver_ == str(model.solver_)
    assert_equal_models(model, again)


def test_feature_names_of_a_frame(path: Path) -> None:
    frame = pd.DataFrame(IRIS.data, columns=["a", "b", "c", "Länge"])
    model = LogisticRegression().fit(frame, IRIS.target)
    model.save(path)
    again = load(path)
    assert again.feature_names_in_.dtype == model.feature_names_in_.dtype
    assert again.feature_names_in_.tolist() == ["a", "b", "c", "Länge"]
    assert_equal_models(model, again, frame)
    with pytest.raises(ValueError, match="feature names"):
        again.predict(frame.rename(columns={"a": "z"}))


def test_encoder_image_shape_and_positive_label(path: Path, iris_file: Path) -> None:
    again = load(iris_file)
    assert [column.name for column in again.encoder_.columns] == ["a", "b", "c", "d"]
    assert again.image_shape_ == (2, 2)
    binary = fitted(np.where(IRIS.target == 2, "virginica", "not virginica"))
    binary.positive_ = "virginica"
    binary.save(path)
    assert load(path).positive_ == "virginica"
    assert not hasattr(load(path), "encoder_")


def test_an_unproved_fit_keeps_its_infinite_gap(path: Path) -> None:
    model = fitted()
    model.certificate_, model.stop_ = replace(model.certificate_, gap=np.inf), Stop.STALLED
    model.save(path)
    assert load(path).certificate_.gap == np.inf


def test_interrupted_fit_keeps_its_reason(path: Path) -> None:
    model = fitted(callback=lambda _: True)
    model.save(path)
    assert load(path).stop_ is Stop.INTERRUPTED


def test_the_metadata_have_one_key_and_are_strict_json(iris_file: Path) -> None:
    with safe_open(iris_file, framework="numpy") as file:
        metadata = file.metadata()
    assert list(metadata) == ["polytome"]
    record = json.loads(metadata["polytome"], parse_constant=pytest.fail)
    assert record["format_version"] == FORMAT_VERSION
    assert record["objective"]["n_rows"] == 150


# --- what cannot be saved -----------------------------------------------------------------------


def test_refuses_an_unfitted_model_and_leaves_no_file(path: Path) -> None:
    with pytest.raises(NotFittedError):
        save(LogisticRegression(), path)
    assert not path.exists()


def test_refuses_what_is_no_model(path: Path) -> None:
    with pytest.raises(ArgumentError, match="model is a dict"):
        save({}, path)  # type: ignore[arg-type]


def test_refuses_coefficients_that_could_not_be_read_again(path: Path) -> None:
    model = fitted()
    save(model, path)
    before = path.read_bytes()
    model.coef_[0, 0] = np.nan
    with pytest.raises(ArgumentError, match="cannot be saved: coef holds NaN"):
        save(model, path)
    assert path.read_bytes() == before


def test_refuses_labels_that_json_cannot_hold(path: Path) -> None:
    model = fitted()
    model.classes_ = np.array([1 + 2j, 2, 3])
    with pytest.raises(ArgumentError, match="complex128"):
        save(model, path)


def test_failed_save_leaves_the_old_file_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted().save(path)
    before = path.read_bytes()

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(FileError, match="No space left"):
        fitted(C=2).save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


# --- files that are no models -------------------------------------------------------------------


def no_file(path: Path) -> None:
    assert not path.exists()


def huge_header(path: Path) -> None:
    path.write_bytes((10**15).to_bytes(8, "little") + b"{" + bytes(100))


def header_beyond_the_end(path: Path) -> None:
    path.write_bytes((1000).to_bytes(8, "little") + b"{" + bytes(100))


def foreign_tensors(path: Path) -> None:
    save_file({"coef": np.zeros((1, 2))}, path, {"format": "pt"})


def metadata_no_json(path: Path) -> None:
    save_file({"coef": np.zeros((1, 2))}, path, {"polytome": "{format_version: 1"})


def metadata_deeply_nested(path: Path) -> None:
    save_file({"coef": np.zeros((1, 2))}, path, {"polytome": "[" * 100_000})


def metadata_a_list(path: Path) -> None:
    save_file({"coef": np.zeros((1, 2))}, path, {"polytome": "[]"})


def newer_format(path: Path) -> None:
    record = json.dumps({"format_version": FORMAT_VERSION + 1, "library_version": "9.1"})
    save_file({"planes": np.zeros(3)}, path, {"polytome": record})


def impossible_format(path: Path) -> None:
    save_file({"coef": np.zeros(3)}, path, {"polytome": '{"format_version": "one"}'})


def half_precision_brain_floats(path: Path) -> None:
    header = json.dumps(
        {
            "__metadata__": {"polytome": '{"format_version": 1}'},
            "coef": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]},
        }
    ).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_file, "no such file"),
        (Path.mkdir, "is a folder"),
        (os.mkfifo, "not a regular file"),
        (Path.touch, "empty"),
        (lambda path: path.write_bytes(b"abc"), "cut short: it holds 3 bytes"),
        (lambda path: path.write_text("age,colour\n25,red\n31,blue\n"), "not a safetensors file"),
        (lambda path: path.write_bytes(b"\x80\x04\x95 a pickle never is loaded"), "not a safetensors file"),
        (huge_header, "not a safetensors file"),
        (header_beyond_the_end, "its header alone needs 1008"),
        (foreign_tensors, "not a model that Polytome saved"),
        (metadata_no_json, "not JSON"),
        (metadata_deeply_nested, "not JSON"),
        (metadata_a_list, "not a JSON object"),
        (newer_format, f"format {FORMAT_VERSION + 1}, and Polytome .* reads up to {FORMAT_VERSION}; upgrade.*9.1"),
        (impossible_format, "format_version is 'one'"),
        (half_precision_brain_floats, "type BF16, which NumPy lacks"),
    ],
)
def test_wrong_files(path: Path, make: Any, message: str) -> None:
    make(path)
    with pytest.raises(FileError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))


# --- models with a part that no save has written ------------------------------------------------


def put(*place: str, value: Any) -> Any:
    def change(record: dict[str, Any], tensors: dict[str, Any]) -> None:
        *way, last = place
        for step in way:
            record = record[step]
        record[last] = value

    return change


def put_tensor(name: str, value: Any) -> Any:
    def change(record: dict[str, Any], tensors: dict[str, Any]) -> None:
        tensors[name] = np.asarray(value)

    return change


def drop(*place: str) -> Any:
    def change(record: dict[str, Any], tensors: dict[str, Any]) -> None:
        *way, last = place
        for step in way:
            record = record[step]
        del record[last]

    return change


LIES = [
    (drop("certificate"), r"the model lacks \['certificate'\]"),
    (put("extra", value=1), r"the model has also \['extra'\]"),
    (drop("certificate", "gap"), r"certificate lacks \['gap'\]"),
    (put("certificate", "gap", value="small"), "certificate.gap is 'small'"),
    (put("certificate", "gap", value=True), "certificate.gap is True"),
    (put("certificate", "kind", value="hope"), "certificate.kind is 'hope'"),
    (put("certificate", value=[1, 2]), "certificate is"),
    (put("objective", "n_classes", value=4), "objective does not fit 3 classes"),
    (put("objective", "n_rows", value=1.5), "objective.n_rows is 1.5"),
    (put("objective", "fit_intercept", value="yes"), "objective.fit_intercept is 'yes'"),
    (put("stop", value="FINISHED"), "stop is 'FINISHED'"),
    (put("stop", value=3), "stop is 3"),
    (put("n_iter", value=None), "n_iter is None"),
    (put("solver", value=5), "solver is 5"),
    (put("parameters", value=None), "parameters is None"),
    (put("parameters", "C", value="1"), "parameters.C is '1'"),
    (put("parameters", "scale", value="tensor"), "contradict"),
    (put("parameters", "penalty_weights", value="tensor"), "contradict"),
    (put("parameters", "penalty_weights", value=[["a", 2.0]]), "penalty weights 'none', the settings 4 given numbers"),
    (put("parameters", "penalty_weights", value=[["a", -2.0]]), "penalty_weights is -2.0"),
    (
        put("objective", "penalty_weights", value="4 given numbers"),
        "the penalty weights '4 given numbers', the settings",
    ),
    (put("parameters", "scale", value="odd"), "parameters.scale is 'odd'"),
    (put("parameters", "class_weight", value="odd"), "class_weight is 'odd'"),
    (put("parameters", "class_weight", value=[[1, 2, 3]]), r"class_weight\[0\] is \[1, 2, 3\], not a list of 2"),
    (put("parameters", "class_weight", value=[[[], 2]]), "class_weight is"),
    (put("classes", value=["a", "b", "c"]), "classes is"),
    (put("classes", "dtype", value="<M8[s]"), "the type of classes is '<M8"),
    (put("classes", "dtype", value="<i8"), "not in a tensor"),
    (put("classes", "dtype", value="<U3"), "longer than its type"),
    (put("classes", "values", value=["a", "b"]), "classes.values is .*, not a list of 3"),
    (put("classes", "values", value=["a", "b", "b"]), "two classes are equal"),
    (put("classes", "values", value=["a", "b", 3]), "a class is 3"),
    (put_tensor("classes", np.arange(3)), "classes has also"),
    (put("feature_names", value=["a"]), "1 feature names for 4"),
    (put("feature_names", value="abcd"), "feature_names is 'abcd'"),
    (put("feature_names", value=[1, 2, 3, 4]), r"feature_names\[0\] is 1"),
    (put("encoder", value={"columns": []}), "encoder"),
    (put("encoder", "columns", value=[]), "encoder.columns is empty"),
    (put("image_shape", value=[3, 3]), r"image_shape is \[3, 3\] for 4"),
    (put("image_shape", value=["2", 2]), r"image_shape\[0\] is '2'"),
    (put("image_shape", value=[-2, -2]), "image_shape"),
    (put("positive", value="virginica"), "positive is 'virginica'"),
    (put("certificate", "gap", value=-1), "certificate.gap is -1, not a number from 0 to inf"),
    (put("certificate", "tol", value=10**400), "certificate.tol is 1000"),
    (put("certificate", "objective", value=0.5), "the objective is 0.1.* in the certificate 0.5"),
    (put("certificate", "strength", value=0.5), "in the certificate .* of 0.5"),
    (put("certificate", "kind", value="estimate"), "an estimate, although there is a penalty"),
    (put("certificate", "gap", value=0.1), "stop is CERTIFIED, although the certificate does not hold"),
    (put("stop", value="SEPARATED"), "stop is SEPARATED, although there is a penalty"),
    (put("objective", "loss", value="logistic"), "a logistic loss for 3 classes"),
    (put("objective", "total_weight", value=0), "objective.total_weight is 0"),
    (put("objective", "scale", value=[]), r"objective.scale is \[\], not text"),
    (put("solver", value="a\0b"), "solver is .*, which is not text"),
    (put("library_version", value="x" * 1000), "library_version has 1000 characters"),
    (put("parameters", "tol", value="nan"), "parameters.tol is 'nan'"),
    (put("parameters", "class_weight", value=[[0, 1], [0, 2]]), "names a class twice"),
    (put("classes", "dtype", value="<U99999"), "would need far more memory than their 25 characters"),
    (put("classes", "dtype", value="<U4294967295"), "would need far more memory"),
    (put("classes", "values", value=["a", "b", "\ud800"]), "a class is .*, which is not text|values.* is not text"),
    (put("classes", "values", value=["a", "b", "c\0"]), "ends with the character NUL"),
    (put("feature_names", value=["a", "b", "c", "\udfff"]), r"feature_names\[3\] is .*, which is not text"),
    (put("image_shape", value=[2**60, 2**60]), r"image_shape\[0\] is"),
    (put("n_iter", value=2**64), "n_iter is 18446744073709551616"),
    (put_tensor("history", np.zeros((0, 5))), r"history is float64 of shape \(0, 5\)"),
    (put_tensor("history", [[0.5, 0, 1, 1, 0]]), "history has impossible numbers of iterations"),
    (put_tensor("history", [[0, 0, 1.0, -1, 0]]), "history holds an objective, a gap or a time below zero"),
    (put_tensor("coef", np.zeros((3, 4), np.float32)), "intercept is float64 of shape .*, not float32"),
    (put_tensor("coef", np.zeros((3, 4), np.float16)), "coef is float16"),
    (put_tensor("coef", np.zeros((3, 5))), "objective does not fit 3 classes and 5"),
    (put_tensor("coef", np.zeros((2, 4))), r"coef is float64 of shape \(2, 4\)"),
    (put_tensor("coef", np.zeros(4)), r"coef is float64 of shape \(4,\)"),
    (put_tensor("coef", np.full((3, 4), np.nan)), "coef holds NaN"),
    (put_tensor("intercept", [0, 0, np.inf]), "intercept holds NaN or infinity"),
    (put_tensor("intercept", np.zeros(2)), r"intercept is float64 of shape \(2,\)"),
    (put_tensor("history", np.zeros((2, 4))), "history is"),
    (put_tensor("history", np.full((2, 5), np.nan)), "history has impossible"),
    (put_tensor("weights", np.zeros(2)), "its tensors are"),
    (put_tensor("scale", np.ones(4)), "contradict"),
    (put_tensor("penalty_weights", np.ones(4)), "contradict"),
]


@pytest.mark.parametrize(("lie", "message"), LIES)
def test_a_part_that_cannot_be_right(path: Path, iris_file: Path, lie: Any, message: str) -> None:
    record, tensors = parts(iris_file)
    lie(record, tensors)
    if "checksum" in record:
        record["checksum"] = model_file.checksum_of(record, tensors)  # the lie is consistent; only its content is wrong
    save_file(tensors, path, {"polytome": json.dumps(record)})
    with pytest.raises(FileError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: damaged or foreign") or "encoder" in str(caught.value)


def test_the_untouched_parts_are_a_model(path: Path, iris_file: Path) -> None:
    record, tensors = parts(iris_file)
    save_file(tensors, path, {"polytome": json.dumps(record)})
    assert_equal_models(load(iris_file), load(path))


@pytest.mark.parametrize("dtype", ["<U2147483647", "<U3", "|O", "<i4", "<f8", "|i8", "<b1", "<f1", "<i1", "<i8"])
def test_labels_that_are_numbers_have_the_type_of_their_tensor(path: Path, dtype: str) -> None:
    """A type that no array could have is refused like one that this array does not have."""
    fitted(IRIS.target).save(path)
    saved, tensors = parts(path)
    saved["classes"]["dtype"] = dtype
    saved["checksum"] = model_file.checksum_of(saved, tensors)
    save_file(tensors, path, {"polytome": json.dumps(saved)})
    if dtype == tensors["classes"].dtype.str:
        assert load(path).classes_.dtype == dtype
    else:
        with pytest.raises(FileError, match=r"the type of classes is|classes are"):
            load(path)


def test_as_many_steps_as_scikit_learns_counter_can_hold(path: Path) -> None:
    fitted(IRIS.target).save(path)
    saved, tensors = parts(path)
    for n_iter in (2**31 - 1, 2**31):
        saved["n_iter"] = n_iter
        saved["checksum"] = model_file.checksum_of(saved, tensors)
        save_file(tensors, path, {"polytome": json.dumps(saved)})
        if n_iter < 2**31:
            assert load(path).n_iter_ == n_iter
        else:
            with pytest.raises(FileError, match="n_iter is 2147483648"):
                load(path)


def test_one_changed_coefficient_is_found(path: Path, iris_file: Path) -> None:
    record, tensors = parts(iris_file)
    tensors["coef"][1, 2] = np.nextafter(tensors["coef"][1, 2], 9)
    save_file(tensors, path, {"polytome": json.dumps(record)})
    with pytest.raises(FileError, match="checksum"):
        load(path)


# --- files damaged anywhere ---------------------------------------------------------------------


def test_truncation_at_any_byte_is_an_error(path: Path, iris_file: Path) -> None:
    whole = iris_file.read_bytes()
    for size in {*range(200), *range(200, len(whole), 37), *range(len(whole) - 20, len(whole))}:
        path.write_bytes(whole[:size])
        with pytest.raises(FileError, match=r"model\.safetensors: "):
            load(path)


def test_added_bytes_are_an_error(path: Path, iris_file: Path) -> None:
    path.write_bytes(iris_file.read_bytes() + b"\0")
    with pytest.raises(FileError, match=r"model\.safetensors: "):
        load(path)


def test_changed_bytes_are_an_error_or_change_nothing(path: Path, iris_file: Path) -> None:
    whole, model = iris_file.read_bytes(), load(iris_file)
    dice = random.Random(0)
    positions = [*range(16), *(dice.randrange(len(whole)) for _ in range(600))]
    messages = []
    for position in positions:
        damaged = bytearray(whole)
        damaged[position] ^= dice.randrange(1, 256)
        path.write_bytes(damaged)
        try:
            again = load(path)
        except FileError as error:
            messages.append(str(error))
        else:
            assert_equal_models(model, again)
    assert all(message.startswith(str(path)) for message in messages)
    assert len(messages) > 0.95 * len(positions)


def test_loading_imports_no_pickle_and_runs_nothing(
    path: Path, iris_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, lambda *_, **__: pytest.fail("unpickled"))
    record, tensors = parts(iris_file)
    record["solver"] = "__import__('os').mkdir('ran')"
    record["checksum"] = model_file.checksum_of(record, tensors)
    save_file(tensors, path, {"polytome": json.dumps(record)})
    monkeypatch.chdir(path.parent)
    assert load(path).solver_ == "__import__('os').mkdir('ran')"
    assert not Path("ran").exists()


# --- files that change while they are read ------------------------------------------------------


def test_a_file_that_is_rewritten_while_others_load_it_never_ends_the_process(path: Path) -> None:
    """As `cp` does: cut short, then written piece by piece. A map of the file would end the process
    with SIGBUS."""
    model = LogisticRegression(C=1e-3, tol=0.9).fit(np.random.default_rng(0).normal(size=(6, 60_000)), np.arange(6) % 3)
    model.save(path)
    content = path.read_bytes()
    program = """
import sys
from polytome import load
from polytome.errors import FileError
print("ready", flush=True)
loaded = refused = 0
while sys.stdin.readline() == "again\\n":
    try:
        load(sys.argv[1])
        loaded += 1
    except FileError:
        refused += 1
    print(loaded, refused, flush=True)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    for _ in range(6):
        child.stdin.write("again\n")
        child.stdin.flush()
        with path.open("r+b") as stream:
            stream.truncate(0)
            for start in range(0, len(content), 2**18):
                stream.write(content[start : start + 2**18])
        loaded, refused = map(int, child.stdout.readline().split())
    child.communicate()
    assert child.returncode == 0
    assert loaded + refused == 6
    assert load(path).certificate_ == model.certificate_


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 300])
def test_names_that_no_file_can_have(name: str) -> None:
    with pytest.raises(FileError, match=r"not a valid file name|cannot be read"):
        load(name)


def test_a_certificate_of_an_older_file_has_the_fields_of_today(path: Path, iris_file: Path) -> None:
    """Fields that came later are filled with their defaults; where there are none, nothing is
    lacking."""
    record, tensors = parts(iris_file)
    for name in ("rounding", "intercept"):
        record["certificate"].pop(name, None)
    record["checksum"] = model_file.checksum_of(record, tensors)
    save_file(tensors, path, {"polytome": json.dumps(record)})
    certificate = load(path).certificate_
    assert certificate.gap == record["certificate"]["gap"]
    assert [getattr(certificate, name, 0.0) for name in ("rounding", "intercept")] == [0.0, 0.0]


def test_labels_that_look_like_numbers_stay_texts(path: Path) -> None:
    model = fitted(np.array(["inf", "nan", "1"], dtype=object)[IRIS.target])
    model.save(path)
    assert load(path).classes_.tolist() == model.classes_.tolist()


def test_float32_coefficients_come_back_as_they_were(path: Path) -> None:
    model = fitted()
    model.coef_, model.intercept_ = model.coef_.astype(np.float32), model.intercept_.astype(np.float32)
    model.save(path)
    assert load(path).coef_.dtype == np.float32
    np.testing.assert_array_equal(load(path).coef_, model.coef_)
