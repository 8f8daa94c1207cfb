"""The command line as a user meets it: what is printed where, the files, and the exit status."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer import Context
from typer.main import get_command

from commands import PRESSES_CTRL_C, done, run
from exported_models import data_folder
from file_makers import CSV, IMAGES, LABELS, idx_bytes
from polytome import LogisticRegression, cli
from polytome._version import __version__
from polytome.cli.app import app
from polytome.cli.interruption import Interruption
from polytome.cli.option_values import weights_of
from polytome.files.model_file import load
from polytome.files.sources import open_source
from polytome.solvers import memory

NEW_IRIS = "petal width (cm),petal length (cm),sepal width (cm),sepal length (cm)\n0.2,1.3,3.2,4.9\n1.8,5.1,3.0,5.9\n"


def parsed(*words: object) -> dict[str, Any]:
    text = done(*words, "--json")
    assert text.count("\n") == 1
    return json.loads(text, parse_constant=pytest.fail)


def refused(*words: object, status: int = 1) -> str:
    result = run(*words)
    assert result.exit_code == status
    assert result.stderr.startswith("Error: " if status == 1 else "Usage: ")
    assert status == 2 or result.stderr.count("\n") == 1
    assert "Traceback" not in result.output
    return result.stderr


@pytest.fixture(scope="module")
def iris_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "iris.safetensors"
    done("train", "iris", "--out", path)
    return path


@pytest.fixture
def new_iris(tmp_path: Path) -> Path:
    path = tmp_path / "new.csv"
    path.write_text(NEW_IRIS)
    return path


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(CSV)
    return path


# --- train --------------------------------------------------------------------------------------


def test_train_shows_data_formula_certificate_metrics_confusion_coefficients_and_where_the_model_is() -> None:
    text = done("train", "iris")
    parts = [
        "iris: 150 rows, 4 features, 3 classes",
        "setosa 50, versicolor 50, virginica 50",
        "softmax regression, 15 coefficients, C = 1",
        "(1/150) sum_i softmax_loss(x_i W + b, y_i) + 0.00666667/2 ||W||^2",
        "the certificate holds",
        "Proved: the objective 0.192575",
        "150 rows of the training data (nothing was held out)",
        "0.9733  0.3333",
        "0.1197  1.0986",
        "versicolor       0          47          3",
        "petal length (cm)        2.723",
        "Not saved: add --out iris.safetensors",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert max(map(len, text.splitlines())) <= 80


def test_train_on_one_class_against_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "virginica.safetensors"
    text = done("train", "iris", "--positive", "virginica", "--out", path)
    assert "not virginica 100, virginica 50" in text
    assert "log odds of virginica against not virginica" in text
    assert "odds ratio" in text
    model, X = load(path), open_source("iris").X
    predicted = model.predict([X[3], X[145], [4.9, 3.2, 1.3, 0.2]]).tolist()
    assert predicted == ["not virginica", "virginica", "not virginica"]
    assert parsed("evaluate", path, "iris")["metrics"]["n_unseen"] == 0


def test_train_json_has_its_keys_and_finite_numbers(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    found = parsed("train", "iris", "--test-fraction", "0.2", "--out", path)
    assert list(found) == [
        "data",
        "objective",
        "certificate",
        "stop",
        "decision",
        "calibration",
        "recalibration",
        "separation",
        "metrics",
        "model",
        "seconds",
    ]
    assert found["data"]["balance"] == {"setosa": 40, "versicolor": 40, "virginica": 40}
    assert found["data"]["n_test_rows"] == 30
    assert found["objective"]["C"] == 1
    certificate = found["certificate"]
    assert {"gap", "relative_gap", "kind", "holds"} <= set(certificate)
    assert certificate["kind"] == "proof"
    bound = (2 * certificate["gap"] / certificate["strength"]) ** 0.5
    assert bound <= certificate["coefficient_bound"] <= 1.001 * bound
    assert certificate["distance"] is None
    assert found["metrics"]["rows"] == "held-out"
    assert found["metrics"]["n_rows"] == 30
    assert found["model"]["path"] == str(path)
    assert found["model"]["n_iter"] == load(path).n_iter_[0]
    assert found["seconds"] > 0


def test_without_penalty_json_says_what_is_proved_and_c_is_null() -> None:
    found = parsed("train", "iris", "--C", "inf")
    assert found["objective"]["C"] is None
    assert found["certificate"]["kind"] == "proof"  # setosa stands apart, and the rest is proved
    assert found["certificate"]["coefficient_bound"] is None  # nothing finite is optimal


def test_separated_classes_without_penalty_are_a_warning() -> None:
    result = run("train", "iris", "--positive", "setosa", "--C", "inf")
    assert result.exit_code == 0
    assert result.stderr.startswith("Warning: the classes can be separated perfectly")
    assert "use a penalty" in result.stderr


def test_json_turns_infinity_into_null() -> None:
    metrics = parsed("train", "iris", "--positive", "setosa")["model"]["largest_coefficients"]
    assert all(np.isclose(np.exp(found["value"]), found["odds_ratio"]) for found in metrics)
    from polytome.cli.output import print_json

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream := io.StringIO())
        print_json({"a": float("inf"), "b": [float("nan"), np.array([1.5, -np.inf])], "c": {"d": 1}})
    assert json.loads(stream.getvalue()) == {"a": None, "b": [None, [1.5, None]], "c": {"d": 1}}


def test_the_solver_and_the_reason_are_shown() -> None:
    reason = "Newton(sample=None): 15 coefficients, 150 rows: so few that its steps cost almost nothing"
    assert parsed("train", "iris")["model"]["solver"] == reason
    shown = "Solver Newton's method (15 coefficients, 150 rows: so few that its steps cost almost nothing) Stopped"
    assert shown in " ".join(done("train", "iris").split())
    assert "L-BFGS (asked for)" in done("train", "iris", "--solver", "lbfgs")


def test_the_held_out_rows_depend_on_the_seed_alone() -> None:
    first, again, other = (
        parsed("train", "wine", "--scale", "standard", "--test-fraction", "0.5", "--seed", seed)["metrics"]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first["log_loss"] != other["log_loss"]


def test_options_reach_the_estimator(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    done("train", "iris", "--C", "0.5", "--scale", "standard", "--class-weight", "balanced", "--no-intercept")
    words = ["--tol", "1e-6", "--max-iter", "50", "--solver", "lbfgs", "--seed", "4", "--scale", "2.5", "--C", "0.5"]
    done("train", "iris", *words, "--class-weight", "balanced", "--no-intercept", "--out", path)
    settings = load(path).get_params()
    wanted = {"C": 0.5, "scale": 2.5, "class_weight": "balanced", "fit_intercept": False, "tol": 1e-6, "max_iter": 50}
    assert {name: settings[name] for name in wanted} == wanted
    assert (settings["solver"], settings["random_state"]) == ("lbfgs", 4)


@pytest.mark.data
def test_weights_of_a_tables_columns_reach_the_penalty_the_file_and_the_report(tmp_path: Path) -> None:
    table = tmp_path / "adult.csv"
    with (data_folder() / "adult" / "adult-train.csv").open("rb") as whole:
        table.write_bytes(b"".join(islice(whole, 4_000)))
    options = ["--target", "last", "--header", "no", "--missing", "mean", "--tol", "1e-3", "--scale", "standard"]
    weights = ["--penalty-weights", "column_1=0,column_2=2.5", "--penalty-weights", "column_14=1e3"]
    files = ["--out", tmp_path / "m.safetensors", "--report", tmp_path / "m.html"]
    found = parsed("train", table, *options, *weights, *files)
    asked = {"column_1": 0.0, "column_2": 2.5, "column_14": 1000.0}
    assert found["model"]["penalty_weights"] == asked
    assert found["stop"]["name"] == "CERTIFIED"
    model = load(tmp_path / "m.safetensors")
    assert model.penalty_weights == asked
    assert "column_1=0,column_2=2.5" in model.training_.command
    assert "column_1 0, column_2 2.5, column_14 1,000; others 1" in (tmp_path / "m.html").read_text()
    rows = open_source(str(table), target="last", header="no", missing="mean")
    names = [name.partition("=")[0] for name in rows.encoder.feature_names]
    features = [asked.get(name, 1.0) for name in names]
    listed = LogisticRegression(penalty_weights=features, scale="standard", tol=1e-3, random_state=0)
    assert np.array_equal(model.coef_, listed.fit(rows.X, rows.y).coef_)
    assert parsed("train", "iris")["model"]["penalty_weights"] is None


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["a=0"], {"a": 0.0}),
        (["a=.5,b=1e-3"], {"a": 0.5, "b": 0.001}),
        (["a,b=2,c=3."], {"a,b": 2.0, "c": 3.0}),
        (["a=b=2", "=c=1"], {"a=b": 2.0, "=c": 1.0}),
        ([], None),
    ],
)
def test_a_comma_or_a_sign_of_equality_in_a_name_is_part_of_it(
    texts: list[str], wanted: dict[str, float] | None
) -> None:
    assert weights_of(texts) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age", "'age' is not COLUMN=NUMBER"),
        ("age=x", "'age=x' is not COLUMN=NUMBER"),
        ("age=1,", "'' is not COLUMN=NUMBER"),
        ("=1", "'=1' is not COLUMN=NUMBER"),
        ("age=1,age=2", "the column 'age' is named twice"),
        ("age=-1", "penalty_weights['age'] is -1.0"),
        ("age=nan", "penalty_weights['age'] is nan"),
        ("petal=0", "names 'petal', which is not a column of X: it has 'sepal length (cm)'"),
        ("petal length=0", "did you mean 'petal length (cm)'"),
    ],
)
def test_weights_that_cannot_be_used_are_refused_before_anything_is_shown(text: str, message: str) -> None:
    result = run("train", "iris", "--penalty-weights", text)
    assert result.exit_code in (1, 2)
    assert result.stdout == ""
    assert message in " ".join(result.stderr.split())


def test_images_are_divided_by_their_largest_pixel_unless_told_otherwise() -> None:
    assert parsed("train", "digits")["objective"]["scale"] == "16"
    assert parsed("train", "digits", "--scale", "none", "--C", "0.01")["objective"]["scale"] == "none"


def test_many_classes_are_shown_shortly() -> None:
    text = done("train", "digits")
    assert "from 174 rows (class 8) to 183 (class 3)" in text
    assert max(map(len, text.splitlines())) <= 80


def test_classes_with_long_names_are_shown_as_confused_pairs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = np.array([f"class with the long name {letter}" for letter in "abcdef"])
    y = rng.integers(0, 6, 300)
    np.savez(tmp_path / "long.npz", X=y[:, None] + rng.normal(size=(300, 2)), y=names[y])
    text = done("train", tmp_path / "long.npz")
    assert "Most confused pairs" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_table_with_text_columns(people: Path, tmp_path: Path) -> None:
    text = done("train", people, "--target", "income", "--category", "age", "--out", tmp_path / "m.safetensors")
    # Four of the values tie; those that the list has room for are the first by name, whatever the
    # processor adds first.
    listed = [line.split()[0] for line in text.splitlines() if re.match("(age|colour)=", line)]
    assert listed == ["colour=red", "age=-4e2", "age=25", "age=31.5", "age=7"]
    encoder = load(tmp_path / "m.safetensors").encoder_
    assert encoder.target == "income"
    assert [column.kind for column in encoder.columns] == ["category", "category"]
    assert re.search(r"\bage\b", done("train", people, "--target", "income", "--drop", "age")) is None


def test_notes_go_to_stderr(tmp_path: Path) -> None:
    path = tmp_path / "gaps.csv"
    path.write_text(CSV + "3,,low\n")
    assert "--missing mean" in refused("train", path, "--target", "income")
    result = run("train", path, "--target", "income", "--missing", "drop", "--json")
    assert result.stderr == "Note: 1 of 5 rows have a missing cell and are left out\n"
    assert json.loads(result.stdout)["data"]["n_rows"] == 4


def test_a_fit_without_its_certificate_warns_and_is_no_error(recwarn: pytest.WarningsRecorder) -> None:
    result = run("train", "iris", "--max-iter", "1")
    assert result.exit_code == 0
    assert result.stderr.startswith("Warning: --max-iter iterations were made")
    assert result.stderr.count("\n") == 1
    assert "NOT" in result.stdout
    assert not recwarn.list


def test_a_folder_of_images_is_tested_on_its_own_test_images(tmp_path: Path) -> None:
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    for name, array in zip(names, (IMAGES, LABELS, IMAGES[:2], LABELS[:2]), strict=True):
        (tmp_path / name).write_bytes(idx_bytes(array))
    found = parsed("train", tmp_path, "--scale", "255")
    assert (found["metrics"]["rows"], found["metrics"]["n_rows"]) == ("held-out", 2)
    assert found["data"]["n_features"] == 6


def test_control_characters_in_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "hostile.csv"
    path.write_text("a\x1b[31mred,[bold]b[/bold],label\n1,2,\x1b[2Jx\n2,1,y\n3,5,y\n1,3,\x1b[2Jx\n")
    text = done("train", path, "--target", "label")
    assert "\x1b" not in text
    assert "[bold]b[/bold]" in text


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "irs"], "irs: no such file or folder, and no data set of that name"),
        (["train", "iris", "--positive", "rose"], "it has 'setosa', 'versicolor', 'virginica'"),
        (["train", "iris", "--target", "x"], "target"),
        (["train", "iris", "--C", "-1"], "C=-1.0: needs a positive number"),
        (["train", "iris", "--C", "nan"], "C=nan: needs a positive number"),
        (["train", "iris", "--solver", "magic"], "solver='magic'"),
        (["train", "iris", "--tol", "0"], "tol=0.0"),
        (["train", "iris", "--scale", "-3"], "scale must hold positive"),
        (["train", "iris", "--max-iter", "-1"], "max_iter=-1"),
        (["train", "iris", "--class-weight", "odd"], "class_weight='odd'"),
        (["train", "iris", "--test-fraction", "2"], "test_fraction=2"),
        (["train", "iris", "--out", "no/such/folder/m"], "there is no folder no/such/folder"),
        (["train", "mnist", "--data", "no/such/folder"], "no/such/folder"),
        (["predict", "absent.safetensors", "x.csv"], "absent.safetensors: no such file"),
        (["evaluate", "absent.safetensors", "iris"], "absent.safetensors: no such file"),
        (["explain", "absent.safetensors"], "absent.safetensors: no such file"),
    ],
)
def test_errors_are_one_line_and_status_1(words: list[str], message: str) -> None:
    assert message in refused(*words)


def test_a_fit_that_memory_cannot_hold_is_one_line_and_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 2_000_000)
    monkeypatch.setattr(memory, "_BYTES_ALWAYS_THERE", 0)
    assert "a fit of 4 columns and 3 outputs by Newton would need" in refused("train", "iris")


@pytest.mark.parametrize(
    "words",
    [
        ["train"],
        ["train", "iris", "--scale", "odd"],
        ["train", "iris", "--C", "much"],
        ["train", "iris", "--max-iter", "1.5"],
        ["train", "iris", "--nonsense"],
        ["explain", "model", "--top", "0"],
        ["fit", "iris"],
    ],
)
def test_wrong_use_is_status_2(words: list[str]) -> None:
    assert "Error: " in refused(*words, status=2)


def test_errors_about_files_and_models(iris_model: Path, new_iris: Path, people: Path, tmp_path: Path) -> None:
    assert "not a safetensors file" in refused("explain", people)
    assert "lacks the column 'sepal length (cm)'" in refused("predict", iris_model, people)
    assert "expected in column 'label'" in refused("evaluate", iris_model, new_iris)
    assert "wine: has 13 features, and the model was trained with 4" in refused("evaluate", iris_model, "wine")
    assert "--target NAME" in refused("train", people)
    assert "is a folder" in refused("train", "iris", "--out", tmp_path)
    assert "such file" in refused("predict", iris_model, tmp_path / "absent.csv")


def test_an_out_that_cannot_be_written_is_found_before_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytome.files.sources.open_source", lambda *_, **__: pytest.fail("work has begun"))
    refused("train", "iris", "--out", "no/such/folder/m")


def test_running_out_of_memory_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("polytome.files.sources.open_source", fail)
    assert refused("train", "iris") == "Error: MemoryError\n"


# --- predict ------------------------------------------------------------------------------------


def test_predict_writes_csv(iris_model: Path, new_iris: Path, tmp_path: Path) -> None:
    rows = list(csv.reader(io.StringIO(done("predict", iris_model, new_iris))))
    assert rows[0] == ["prediction", "probability_setosa", "probability_versicolor", "probability_virginica"]
    model = load(iris_model)
    X = np.array([[4.9, 3.2, 1.3, 0.2], [5.9, 3.0, 5.1, 1.8]])
    assert [row[0] for row in rows[1:]] == model.predict(X).tolist() == ["setosa", "virginica"]
    assert [[float(cell) for cell in row[1:]] for row in rows[1:]] == model.predict_proba(X).tolist()
    out = tmp_path / "out.csv"
    said = done("predict", iris_model, new_iris, "--out", out)
    assert said == f"2 predictions are in {out}: setosa 1, virginica 1.\n"
    assert list(csv.reader(io.StringIO(out.read_text()))) == rows
    assert done("predict", iris_model, new_iris, "--no-probabilities") == "prediction\nsetosa\nvirginica\n"


def test_predict_json(iris_model: Path, new_iris: Path, tmp_path: Path) -> None:
    found = parsed("predict", iris_model, new_iris)
    assert found["predictions"] == ["setosa", "virginica"]
    assert np.allclose(np.sum(found["probabilities"], axis=1), 1)
    assert "probabilities" not in parsed("predict", iris_model, new_iris, "--no-probabilities")
    written = parsed("predict", iris_model, new_iris, "--out", tmp_path / "o.csv")
    assert written["out"] == str(tmp_path / "o.csv")
    assert "predictions" not in written


def test_predict_guards_formulas_where_it_is_told_so(tmp_path: Path) -> None:
    table, out = tmp_path / "sums.csv", tmp_path / "out.csv"
    table.write_text("size,sum\n" + "".join(f"{number},{'=1+1' if number < 4 else '-2'}x\n" for number in range(8)))
    model = tmp_path / "sums.safetensors"
    done("train", table, "--target", "sum", "--out", model)
    plain = done("predict", model, table)
    assert [line.split(",")[0] for line in plain.splitlines()[1:]] == ["=1+1x"] * 4 + ["-2x"] * 4
    guarded = done("predict", model, table, "--guard-formulas")
    assert guarded == plain.replace("\n=", "\n'=").replace("\n-", "\n'-")
    done("predict", model, table, "--guard-formulas", "--out", out)
    assert out.read_text() == guarded


def test_predict_with_rows_left_out_says_which_are_there(people: Path, tmp_path: Path) -> None:
    model, new = tmp_path / "m.safetensors", tmp_path / "new.csv"
    done("train", people, "--target", "income", "--out", model)
    new.write_text("age,colour\n25,red\n,red\n7,green\n")
    assert "line 3" in refused("predict", model, new)
    rows = done("predict", model, new, "--missing", "drop", "--no-probabilities").splitlines()
    assert [row.split(",")[0] for row in rows] == ["row", "1", "3"]
    new.write_text("age,colour\n25,violet\n")
    assert "--unknown zero" in refused("predict", model, new)
    assert len(done("predict", model, new, "--unknown", "zero").splitlines()) == 2


def test_predict_from_arrays_and_libsvm(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3))
    np.savez(tmp_path / "t.npz", X=X, y=(X[:, 0] > 0).astype(int))
    model = tmp_path / "m.safetensors"
    done("train", tmp_path / "t.npz", "--out", model)
    np.save(tmp_path / "new.npy", X[:4])
    (tmp_path / "new.svm").write_text("1 1:0.5\n0 2:1\n")  # its largest index is below 3
    expected = [str(label) for label in load(model).predict(X[:4])]
    assert done("predict", model, tmp_path / "new.npy", "--no-probabilities").split() == ["prediction", *expected]
    assert len(done("predict", model, tmp_path / "new.svm").splitlines()) == 3
    np.save(tmp_path / "wide.npy", np.ones((2, 4)))
    assert "4 features where 3 are expected" in refused("predict", model, tmp_path / "wide.npy")


def test_failed_predict_leaves_the_old_file(iris_model: Path, new_iris: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("old")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        assert "No space left" in refused("predict", iris_model, new_iris, "--out", out)
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.csv", "out.csv"]


# --- evaluate, explain, datasets ----------------------------------------------------------------


def test_evaluate_agrees_with_train(iris_model: Path) -> None:
    trained, evaluated = parsed("train", "iris")["metrics"], parsed("evaluate", iris_model, "iris")["metrics"]
    assert trained.pop("rows") == "training"
    assert trained == evaluated
    assert "0.9733  0.3333" in done("evaluate", iris_model, "iris")


def test_evaluate_reports_labels_that_training_never_saw(people: Path, tmp_path: Path) -> None:
    model, more = tmp_path / "m.safetensors", tmp_path / "more.csv"
    done("train", people, "--target", "income", "--out", model)
    more.write_text(CSV + "30,red,middling\n")
    text = " ".join(done("evaluate", model, more).split())
    assert "1 more rows have labels that training never saw: middling 1." in text
    assert parsed("evaluate", model, more)["metrics"]["unseen"] == {"middling": 1}


def test_explain(iris_model: Path) -> None:
    text = done("explain", iris_model)
    assert re.search("Trained on +150 rows", text)
    assert "Proved: the objective 0.192575" in text
    assert "petal length (cm)        2.723" in text
    assert max(map(len, text.splitlines())) <= 80
    found = parsed("explain", iris_model, "--top", "1")
    assert found["classes"] == ["setosa", "versicolor", "virginica"]
    assert len(found["features"]) == 4
    assert [one["label"] for one in found["largest_coefficients"]] == found["classes"]


def test_datasets(tmp_path: Path) -> None:
    text = done("datasets", "--data", tmp_path)
    assert "fashion-mnist" in text
    assert "60,000" in text
    assert max(map(len, text.splitlines())) <= 80
    found = {one["name"]: one for one in parsed("datasets", "--data", tmp_path)["datasets"]}
    assert found["iris"]["offline"] is True
    assert found["mnist"]["offline"] is False


# --- the program --------------------------------------------------------------------------------


def test_every_command_has_an_example_in_its_help() -> None:
    for command in ("train", "predict", "evaluate", "explain", "datasets"):
        text = done(command, "--help")
        assert f"  polytome {command}" in text
        assert max(map(len, text.splitlines())) <= 80


def test_version_and_bare_call() -> None:
    assert done("--version") == f"polytome {__version__}\n"
    assert "Commands:" in run().output


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    for name in list(sys.modules):
        if name.startswith("polytome.cli.") or name.partition(".")[0] == module:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(sys, "argv", ["polytome", "datasets"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert (
        caught.value.code
        == f'Error: the command line needs {module}, which is not installed: pip install "polytome[cli]"'
    )


def started(*words: object, **settings: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "polytome", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings)


def test_help_is_fast_because_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, typer; known = {*sys.modules}; "  # early releases of typer import rich
        "from polytome.cli.app import app; app(['--help'], standalone_mode=False); heavy = {'numpy', 'scipy', "
        "'sklearn', 'pyarrow', 'rich', 'polytome.cli.train'}; sys.exit(', '.join(heavy & {*sys.modules} - known))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr.strip() == ""
    assert "Commands:" in result.stdout


def test_help_shows_of_each_command_what_its_own_help_begins_with() -> None:
    group = get_command(app)
    context = Context(group)
    names = group.list_commands(context)  # type: ignore[attr-defined]
    assert len(names) == 19
    for name in names:
        _, command, rest = group.resolve_command(context, [name, "--json"])  # type: ignore[attr-defined]
        assert (command.name, rest) == (name, ["--json"])
        assert group.commands[name].get_short_help_str(200) == command.get_short_help_str(200)  # type: ignore[attr-defined]


def test_a_command_that_is_mistyped_is_guessed() -> None:
    result = run("evalaute")
    assert result.exit_code == 2
    assert "Did you mean 'evaluate'?" in result.output


def test_in_a_pipe_there_is_no_colour_no_box_and_no_live_line() -> None:
    process = started("train", "iris")
    out, err = process.communicate()
    assert process.returncode == 0
    assert "\x1b" not in out
    assert out.isascii()
    assert err == ""


def test_a_closed_pipe_is_no_traceback(iris_model: Path) -> None:
    process = started("explain", iris_model)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait()


@pytest.fixture
def slow(tmp_path: Path) -> list[str]:
    """A fit of many iterations."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2_000, 20)), rng.integers(0, 3, 2_000)
    np.savez(tmp_path / "slow.npz", X=X * 10.0 ** np.linspace(-2, 2, 20), y=y)
    return [
        "train",
        str(tmp_path / "slow.npz"),
        "--solver",
        "gradient-descent",
        "--tol",
        "1e-14",
        "--max-iter",
        "1000000",
    ]


def test_ctrl_c_keeps_the_best_iterate_and_says_so(slow: list[str], tmp_path: Path) -> None:
    path = tmp_path / "kept.safetensors"
    command = [sys.executable, "-c", PRESSES_CTRL_C, *slow, "--out", str(path)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=600, start_new_session=True)
    out, err = process.stdout, process.stderr
    assert process.returncode == 130
    assert out.startswith("Data")
    assert "the fit was interrupted" in out
    assert re.search("Certificate +Proved:", out)
    assert f"The best model so far, with the certificate above, is in {path}." in out
    assert err.strip() == "Stopping at the next iterate; Ctrl-C again stops at once."
    model = load(path)
    assert model.stop_.name == "INTERRUPTED"
    assert not model.certificate_.holds


def test_ctrl_c_with_json_prints_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Interruption, "requested", True)
    result = run("train", "iris", "--tol", "1e-14", "--json")
    assert result.exit_code == 130
    found = json.loads(result.stdout)
    assert found["stop"]["name"] == "INTERRUPTED"
    assert found["metrics"] is None


def test_ctrl_c_without_out_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Interruption, "requested", True)
    result = run("train", "iris", "--tol", "1e-14")
    assert result.exit_code == 130
    assert "Interrupted; nothing is saved, because no --out was given." in result.stdout


def test_the_second_ctrl_c_stops_at_once_and_the_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)

    def press_twice() -> None:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGINT)
            assert interruption.requested
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        press_twice()
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_before_the_fit_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("polytome.files.sources.open_source", interrupt)
    result = run("train", "iris")
    assert result.exit_code == 130
    assert result.stderr == "Interrupted.\n"


# --- real data ----------------------------------------------------------------------------------


@pytest.mark.data
def test_mnist_from_end_to_end(tmp_path: Path) -> None:
    data = os.environ.get("POLYTOME_DATA")
    if not data:
        pytest.skip("POLYTOME_DATA names no folder of real data")
    path = tmp_path / "mnist.safetensors"
    found = parsed("train", "mnist", "--data", data, "--out", path)
    assert found["certificate"]["holds"]
    assert found["objective"]["value"] == pytest.approx(0.23212, abs=2e-5)
    assert found["metrics"]["accuracy"] == pytest.approx(0.926, abs=2e-3)
    evaluated = parsed("evaluate", path, "mnist", "--data", data)["metrics"]
    assert evaluated == {name: value for name, value in found["metrics"].items() if name != "rows"}
    predicted = done("predict", path, Path(data, "mnist", "t10k-images-idx3-ubyte.gz"), "--no-probabilities").split()
    assert len(predicted) == 10_001
    assert predicted[1] == "7"
