"""The command line, given a file of any kind of model, works or says in one line what it needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import polytome
from commands import done, run
from fitted_models import data
from polytome.files.sources import fit_source, open_source

X, Y = data(K=3, d=3)
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])
LABELS = np.array(["east", "north", "west"])[Y]

MODELS: dict[str, Any] = {
    "rest": lambda: polytome.OneVsRest().fit(FRAME, LABELS),
    "pairs": lambda: polytome.OneVsOne().fit(FRAME, LABELS),
    "labels": lambda: polytome.MultilabelLogistic().fit(
        FRAME, pd.DataFrame(np.stack([Y > 0, Y % 2], 1).astype(int), columns=["sun", "rain"])
    ),
    "linear": lambda: polytome.LinearRegression().fit(FRAME, X[:, 0] - X[:, 1]),
    "two numbers": lambda: polytome.LinearRegression().fit(FRAME, X[:, :2]),
    "perceptron": lambda: polytome.Perceptron(epochs=3).fit(FRAME, (Y > 0).astype(int)),
    "sigmoid": lambda: polytome.SigmoidNeuron(random_state=0).fit(FRAME, (Y > 0).astype(int)),
}
COLUMNS = {
    "rest": ["prediction", "probability_east", "probability_north", "probability_west"],
    "pairs": ["prediction"],
    "labels": ["prediction_sun", "prediction_rain", "probability_sun", "probability_rain"],
    "linear": ["prediction"],
    "two numbers": ["prediction_0", "prediction_1"],
    "perceptron": ["prediction"],
    "sigmoid": ["prediction", "probability_0", "probability_1"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of each model, and one with labels for each kind of them."""
    folder = tmp_path_factory.mktemp("models")
    for name, make in MODELS.items():
        make().save(folder / f"{name}.safetensors")
    FRAME.to_csv(folder / "rows.csv", index=False)
    FRAME.assign(label=LABELS).to_csv(folder / "named.csv", index=False)
    FRAME.assign(label=(Y > 0).astype(int)).to_csv(folder / "numbered.csv", index=False)
    return folder


def labelled(folder: Path, name: str) -> Path:
    return folder / ("numbered.csv" if name in ("perceptron", "sigmoid") else "named.csv")


@pytest.mark.parametrize("name", MODELS)
def test_predict_writes_what_the_model_predicts(name: str, folder: Path, tmp_path: Path) -> None:
    model = MODELS[name]()
    file = folder / f"{name}.safetensors"
    done("predict", file, folder / "rows.csv", "--out", tmp_path / "out.csv")
    found = pd.read_csv(tmp_path / "out.csv")
    assert list(found) == COLUMNS[name]
    n = sum(column.startswith("prediction") for column in COLUMNS[name])
    predicted = found.iloc[:, :n].to_numpy()
    np.testing.assert_array_equal(predicted, model.predict(FRAME).reshape(len(X), -1))
    if n < len(COLUMNS[name]):
        np.testing.assert_array_equal(found.iloc[:, n:].to_numpy(), model.predict_proba(FRAME))
    said = json.loads(done("predict", file, folder / "rows.csv", "--json"))
    assert said["n_rows"] == len(X)
    assert "NaN" not in json.dumps(said)


@pytest.mark.parametrize("name", MODELS)
def test_explain_card_and_report_speak_of_every_model(name: str, folder: Path, tmp_path: Path) -> None:
    model, file = MODELS[name](), folder / f"{name}.safetensors"
    text = done("explain", file)
    assert model.kind in " ".join(text.split())
    assert json.loads(done("explain", file, "--json"))["kind"] == type(model).__name__
    assert model.kind[1:] in done("card", file)
    done("report", file, "--out", tmp_path / "report.html")
    assert model.kind[1:] in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("name", MODELS)
def test_evaluate_and_judged_pages_need_classes(name: str, folder: Path, tmp_path: Path) -> None:
    model, file, rows = MODELS[name](), folder / f"{name}.safetensors", labelled(folder, name)
    if model.outputs in ("labels", "numbers"):
        for words in (("evaluate", file, rows), ("card", file, rows), ("verify", file, rows)):
            found = run(*words)
            assert found.exit_code == 1
            assert "have one label each, and" in found.output
            assert len(found.output.strip().splitlines()) == 1
        return
    metrics = json.loads(done("evaluate", file, rows, "--json"))["metrics"]
    y = LABELS if rows.name == "named.csv" else (Y > 0).astype(int)
    assert metrics["accuracy"] == pytest.approx(model.score(FRAME, y))
    assert (metrics["log_loss"] is None) == (not model.has_probabilities)
    assert "accuracy" in done("evaluate", file, rows)
    assert "Accuracy" in done("card", file, rows)
    done("report", file, rows, "--out", tmp_path / "report.html")


def test_a_certificate_of_each_kind_is_verified(folder: Path) -> None:
    pytest.importorskip("flint")
    for name in ("rest", "pairs"):
        assert "Confirmed" in done("verify", folder / f"{name}.safetensors", folder / "named.csv")
    found = run("verify", folder / "perceptron.safetensors", folder / "numbered.csv")
    assert found.exit_code == 1
    assert "has a certificate that can be verified" in " ".join(found.output.split())


@pytest.mark.parametrize("name", MODELS)
def test_serve_takes_what_has_probabilities_and_a_certificate(name: str, folder: Path) -> None:
    pytest.importorskip("uvicorn")
    from polytome.errors import FileError
    from polytome.serve.models import ServedModel

    file = folder / f"{name}.safetensors"
    if name == "rest":
        served = ServedModel.read(file)
        assert json.loads(served.description)["classes"] == ["east", "north", "west"]
        return
    with pytest.raises(FileError, match=r"serve a LogisticRegression or a OneVsRest, or use polytome predict"):
        ServedModel.read(file)


def test_export_says_in_one_line_what_has_no_such_form(folder: Path, tmp_path: Path) -> None:
    for name, words in (("pairs", "cast votes"), ("labels", "do not exclude each other"), ("perceptron", "no probab")):
        found = run("export", folder / f"{name}.safetensors", "--c", tmp_path / "model.h")
        assert found.exit_code == 1
        assert words in found.output
        assert not (tmp_path / "model.h").exists()
    for name in ("rest", "linear", "two numbers", "sigmoid"):
        done("export", folder / f"{name}.safetensors", "--c", tmp_path / f"{name}.h", "--sql", tmp_path / f"{name}.sql")


@pytest.mark.parametrize("make", [polytome.OneVsRest, polytome.OneVsOne])
def test_a_model_of_a_table_finds_its_columns_again(make: Any, folder: Path, tmp_path: Path) -> None:
    model = fit_source(make(), open_source(str(folder / "named.csv"), target="label"))
    model.save(tmp_path / "model.safetensors")
    FRAME[["c", "a", "b"]].assign(label=LABELS).to_csv(tmp_path / "turned.csv", index=False)
    metrics = json.loads(done("evaluate", tmp_path / "model.safetensors", tmp_path / "turned.csv", "--json"))["metrics"]
    assert metrics["accuracy"] == pytest.approx(model.score(X, LABELS))


@pytest.mark.parametrize("make", [polytome.MultilabelLogistic, polytome.LinearRegression])
def test_a_source_teaches_models_of_classes_only(make: Any) -> None:
    from polytome.errors import ArgumentError

    with pytest.raises(ArgumentError, match="digits has one label for each row, and"):
        fit_source(make(), open_source("digits"))
