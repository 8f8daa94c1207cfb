"""Exports of a model that leaves levels out give its probabilities for all levels."""

import numpy as np
import pytest
from test_export_sql import answered, needs_exp

import reference_models
from c_programs import answers, needs_compiler
from polytome.export import to_sklearn, write_onnx, write_sklearn, write_sql

people = pytest.fixture(reference_models.people, scope="module")
model = pytest.fixture(reference_models.model, scope="module")


@needs_exp
def test_sql(people, model, tmp_path):
    assert write_sql(model, tmp_path / "m.sql").n_labels_differ == 0
    shown = people.drop(columns=["ill", "way"])
    labels, probabilities = answered(model, {name: shown[name].tolist() for name in shown})
    assert labels == model.predict(people).tolist()
    assert np.abs(probabilities - model.predict_proba(people)).max() < 1e-12


@needs_compiler
def test_c(people, model, tmp_path):
    levels = {column.name: column.levels for column in model.encoder_.columns}
    codes = {name: people[name].map(levels[name].index) for name in ("school", "rank", "town")}
    rows = people.assign(**codes)[["age", "school", "rank", "town"]].to_numpy(dtype=float)
    found = answers(model, rows, tmp_path)
    np.testing.assert_allclose(found[:, 1:], model.predict_proba(people), atol=1e-12)
    rows[0, 1] = -1  # never seen
    assert answers(model, rows[:1], tmp_path)[0, 0] == -1


def test_onnx(people, model, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    assert write_onnx(model, tmp_path / "m.onnx").n_labels_differ == 0
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    rows = {each.name: people[[each.name]].to_numpy() for each in session.get_inputs()}
    rows["age"] = rows["age"].astype(np.float64)
    (probabilities,) = session.run(["probabilities"], rows)
    np.testing.assert_allclose(probabilities, model.predict_proba(people), atol=1e-12)


def test_scikit_learn(people, model, tmp_path):
    assert write_sklearn(model, tmp_path / "m.py").n_labels_differ == 0
    np.testing.assert_allclose(to_sklearn(model).predict_proba(people), model.predict_proba(people), atol=1e-12)
    with pytest.raises(ValueError, match="unknown"):
        to_sklearn(model).predict(people.assign(town="Elgin"))
