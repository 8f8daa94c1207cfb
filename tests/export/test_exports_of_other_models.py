"""One class against the rest, sigmoid neurons and least squares travel as what they are; others say
why not."""

from __future__ import annotations

import runpy
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import exported_models
import polytome
from c_programs import answers, needs_compiler
from fitted_models import data
from polytome.errors import ArgumentError
from polytome.export import (
    to_c,
    to_onnx,
    to_sklearn,
    to_sql,
    write_onnx,
    write_sklearn,
    write_sql,
    write_torch,
)
from polytome.files.sources import fit_source, open_source
from polytome.files.tensor_files import read_tensors

X, Y = data(K=4)
LABELS = np.array(["north", "east", "south", "west"])[Y]
FRAME = pd.DataFrame(X, columns=list("abcde"))
TARGETS = X[:, :2] @ [[1.0, 2.0], [3.0, 4.0]] + np.random.default_rng(0).normal(size=(len(X), 2))


def _hostile(folder: Path) -> Any:
    path = folder / "hostile.csv"
    path.write_text(exported_models.HOSTILE, encoding="utf-8")
    rows = open_source(str(path), target="kind", missing="mean", unknown="zero")
    return fit_source(polytome.OneVsRest(C=100.0), rows)


MODELS: dict[str, Any] = {
    "rest": lambda _: polytome.OneVsRest(C=1000.0).fit(X, LABELS),
    "rest, a frame": lambda _: polytome.OneVsRest().fit(FRAME, Y),
    "rest of two": lambda _: polytome.OneVsRest().fit(X, Y > 1),
    "rest, a table": _hostile,
    "rest, weights": lambda _: polytome.OneVsRest(penalty_weights=[0, 1, 2, 4, 0.5], scale="standard").fit(X, LABELS),
    "softmax, weights": lambda _: polytome.LogisticRegression(penalty_weights={"a": 0, "c": 9}, scale=3.0).fit(
        FRAME, Y
    ),
    "sigmoid": lambda _: polytome.SigmoidNeuron(random_state=0).fit(X, (Y > 1).astype(int)),
    "linear": lambda _: polytome.LinearRegression().fit(X, TARGETS[:, 0]),
    "linear, a frame": lambda _: polytome.LinearRegression().fit(FRAME, TARGETS[:, 0]),
    "linear, two": lambda _: polytome.LinearRegression(fit_intercept=False).fit(X, TARGETS),
}


def rows(model: Any) -> np.ndarray:
    """Some near to those of training, and some whose sigmoids are all below any float."""
    random = np.random.default_rng(3)
    near = random.normal(size=(60, model.n_features_in_))
    return np.vstack([near, 1000 * near[:20]])


def expected(model: Any, cells: np.ndarray) -> tuple[Any, np.ndarray]:
    model = polytome.models.fitted.nameless(model)
    found = model.predict(cells)
    return found, found.reshape(len(found), -1) if model.outputs == "numbers" else model.predict_proba(cells)


@pytest.mark.parametrize("name", MODELS)
def test_every_written_form_agrees(name: str, tmp_path: Path) -> None:
    model = MODELS[name](tmp_path)
    seen = [write_sql(model, tmp_path / "a.sql"), write_sklearn(model, tmp_path / "twin.py")]
    pytest.importorskip("onnxruntime")
    seen.append(write_onnx(model, tmp_path / "a.onnx"))
    for agreement in seen:
        assert agreement is not None
        assert agreement.largest_difference < 1e-10
        assert agreement.n_labels_differ == 0
        assert ("number" in str(agreement)) == (model.outputs == "numbers")
    twin = runpy.run_path(str(tmp_path / "twin.py"))["estimator"]
    assert type(twin).__module__.startswith("sklearn")


@pytest.mark.parametrize("name", [name for name in MODELS if name != "rest, a table"])
def test_far_rows_have_the_same_answers_everywhere(name: str, tmp_path: Path) -> None:
    model = MODELS[name](tmp_path)
    cells = rows(model)
    labels, numbers = expected(model, cells)
    names = list(FRAME) if "feature_names_in_" in vars(model) else [f"feature_{j}" for j in range(cells.shape[1])]
    size = max(1.0, np.abs(numbers).max())
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(f"CREATE TABLE rows ({', '.join(names)})")
        database.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(names))})", cells.tolist())
        answer = database.execute(to_sql(model)).fetchall()
    first = 0 if model.outputs == "numbers" else 1
    assert np.abs(np.array([row[first:] for row in answer], np.float64) - numbers).max() / size < 1e-12
    if first:
        assert [row[0] for row in answer] == [str(one) if type(one) is bool else one for one in labels.tolist()]
    twin = to_sklearn(model)
    given = pd.DataFrame(cells, columns=names) if "feature_names_in_" in vars(twin) else cells
    np.testing.assert_array_equal(twin.predict(given) if first else labels, labels)
    theirs = twin.predict_proba(given) if first else twin.predict(given).reshape(len(cells), -1)
    usable = np.isfinite(theirs).all(axis=1)  # scikit-learn divides 0 by 0 where every sigmoid is below any float
    assert usable[:60].all()
    assert np.abs(theirs - numbers)[usable].max() / size < 1e-9
    write_torch(model, tmp_path / "state.safetensors")
    _, state = read_tensors(tmp_path / "state.safetensors")
    scores = cells @ state["weight"].T + state["bias"]
    if first:
        np.testing.assert_array_equal(model.classes_[scores.argmax(axis=1)], labels)
    else:
        np.testing.assert_allclose(scores, numbers, rtol=1e-9, atol=1e-9)


@needs_compiler
@pytest.mark.parametrize("name", [name for name in MODELS if name != "rest, a table"])
def test_the_header_computes_what_the_model_computes(name: str, tmp_path: Path) -> None:
    model = MODELS[name](tmp_path)
    cells = rows(model)
    labels, numbers = expected(model, cells)
    cells[-1, 0] = np.nan
    answer = answers(model, cells, tmp_path)
    assert np.abs(answer[:-1, 1:] - numbers[:-1]).max() / max(1.0, np.abs(numbers).max()) < 1e-12
    assert answer[-1, 0] == -1
    assert np.isnan(answer[-1, 1:]).all()
    if model.outputs != "numbers":
        np.testing.assert_array_equal(model.classes_[answer[:-1, 0].astype(int)], labels[:-1])


OTHERS: dict[str, tuple[Any, str]] = {
    "pairs": (polytome.OneVsOne().fit(X, Y), "cast votes.*export a OneVsRest"),
    "labels": (
        polytome.MultilabelLogistic().fit(X, np.stack([Y > 1, Y % 2], 1).astype(int)),
        "do not exclude each other: export one LogisticRegression for each label",
    ),
    "perceptron": (polytome.Perceptron(epochs=500).fit(X[:9], X[:9, 0] > 0), "no probabilities; export a Log"),
    "a dict": ({}, "model is a dict: only a model of Polytome"),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("form", [to_c, to_sql, to_onnx, to_sklearn])
def test_what_has_no_such_form_names_the_remedy(name: str, form: Any) -> None:
    model, message = OTHERS[name]
    with pytest.raises(ArgumentError, match=message):
        form(model)
