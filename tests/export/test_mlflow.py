"""Models in MLflow: logged, loaded, and served by a server of MLflow that is really started."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import run
from polytome import LinearRegression, LogisticRegression, train
from polytome.errors import FileError, MissingExtraError
from polytome.export import mlflow_flavour
from serving import until

ROWS = "age,hue,bought\n" + "\n".join(f"{20 + k % 37},{'abc'[k % 3]},{('yes', 'no')[k % 5 > 2]}" for k in range(60))


@pytest.fixture(scope="module")
def mlflow() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own modules, which use each other in deprecated ways
        found = pytest.importorskip("mlflow", reason="mlflow is not installed")
        for name in ("models", "pyfunc", "store.tracking.sqlalchemy_store"):
            pytest.importorskip(f"mlflow.{name}")
    return found


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("people") / "people.csv"
    path.write_text(ROWS)
    return path


@pytest.fixture(scope="module")
def model(people: Path) -> LogisticRegression:
    return train(str(people), target="bought", missing="mean", unknown="zero")


@pytest.fixture
def store(mlflow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A local store of MLflow."""
    monkeypatch.chdir(tmp_path)
    before = mlflow.get_tracking_uri()
    yield f"sqlite:///{tmp_path / 'runs.db'}"
    mlflow.set_tracking_uri(before)


def test_a_folder_answers_as_the_model_and_holds_its_file(mlflow: Any, model: Any, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    mlflow_flavour.save_model(model, tmp_path / "m")
    frame = pandas.DataFrame({"hue": ["a", None, "new"], "age": [30.0, np.nan, 50.0]})
    found = mlflow.pyfunc.load_model(str(tmp_path / "m")).predict(frame)
    assert list(found) == ["prediction", "probability_no", "probability_yes"]
    np.testing.assert_array_equal(found[["probability_no", "probability_yes"]], model.predict_proba(frame))
    assert found["prediction"].tolist() == model.predict(frame).tolist()
    described = mlflow.models.Model.load(str(tmp_path / "m"))
    assert [(each.name, each.type.name) for each in described.signature.inputs] == [
        ("age", "double"),
        ("hue", "string"),
    ]
    again = mlflow_flavour.load_model(str(tmp_path / "m"))
    assert again.certificate_ == model.certificate_
    with pytest.raises(FileError, match="holds something already"):
        mlflow_flavour.save_model(model, tmp_path / "m")


def test_models_of_arrays_have_their_columns_too(mlflow: Any, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    X = np.random.default_rng(0).normal(size=(30, 2))
    mlflow_flavour.save_model(LinearRegression().fit(X, X[:, 0]), tmp_path / "m")
    frame = pandas.DataFrame({"feature_1": X[:, 1], "feature_0": X[:, 0]})
    found = mlflow.pyfunc.load_model(str(tmp_path / "m")).predict(frame)
    np.testing.assert_array_equal(found["prediction"], LinearRegression().fit(X, X[:, 0]).predict(X))


def test_a_training_becomes_a_run(mlflow: Any, store: str, people: Path) -> None:
    result = run("train", people, "--target", "bought", "--test-fraction", "0.3", "--log-to", f"mlflow:{store}")
    assert result.exit_code == 0, result.output
    (found,) = mlflow.search_runs(output_format="list")
    assert found.data.params["C"] == "1.0"
    assert 0 < found.data.metrics["accuracy"] <= 1
    assert found.data.metrics["certificate_gap"] < 1e-3
    names = {each.path for each in mlflow.MlflowClient().list_artifacts(found.info.run_id)}
    assert {"report.html", "run.json", "certificate.json"} <= names
    (logged,) = mlflow.search_logged_models(output_format="list")
    assert mlflow_flavour.load_model(logged.model_uri).classes_.tolist() == ["no", "yes"]


def test_a_place_that_does_not_answer_is_told_before_the_fit(mlflow: Any, people: Path) -> None:
    result = run("train", people, "--target", "bought", "--log-to", "mlflow:nonsense://x")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: mlflow:nonsense://x: cannot be used (")
    assert result.stderr.endswith("; check the address\n")
    assert "Certificate" not in result.stdout


def test_a_server_of_mlflow_answers_as_the_model(mlflow: Any, model: Any, tmp_path: Path) -> None:
    mlflow_flavour.save_model(model, tmp_path / "m")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    words = ["models", "serve", "-m", str(tmp_path / "m"), "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path}
    with subprocess.Popen([sys.executable, "-m", "mlflow", *words], env=environment) as server:
        try:
            until(lambda: _is_up(port) or server.poll() is not None, "the server of MLflow answers")
            body = {"dataframe_split": {"columns": ["hue", "age"], "data": [["a", 30], ["c", 41]]}}
            example = json.loads((tmp_path / "m" / "input_example.json").read_text())
            answers = [_sent(port, body), _sent(port, {"dataframe_split": example})]
        finally:
            server.terminate()
    rows = answers[0]["predictions"]
    expected = model.predict_proba(mlflow_frame(body))
    assert [[row["probability_no"], row["probability_yes"]] for row in rows] == expected.tolist()
    assert len(answers[1]["predictions"]) == 1


def mlflow_frame(body: dict[str, Any]) -> Any:
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(body["dataframe_split"]["data"], columns=body["dataframe_split"]["columns"])


def _is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping") as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _sent(port: int, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_without_mlflow_there_is_one_sentence(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"MLflow needs mlflow, .*polytome\[mlflow\]"):
        mlflow_flavour.check_tracking("")
