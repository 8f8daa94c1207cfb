"""Exports of models with products, powers and splines give their probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas
import pytest
from test_export_sql import answered, needs_exp

import term_models
from c_programs import answers, needs_compiler
from polytome import train
from polytome.errors import ArgumentError
from polytome.export import to_sklearn, to_torch, write_onnx, write_sql

MODELS = [term_models.model, term_models.ways]
COLUMNS = ["age", "hours", "school", "sex"]


def rows() -> pandas.DataFrame:
    """Known rows, missing cells, an unknown level, and numbers beyond the knots."""
    table = term_models.people()[COLUMNS].copy()
    table.loc[0, "school"] = "elsewhere"
    table.loc[1, "age"], table.loc[2, "age"] = -30.0, 180.0
    return table


@needs_exp
@pytest.mark.parametrize("make", MODELS)
def test_sql(make: Any, tmp_path: Any) -> None:
    model, table = make(), rows()
    assert write_sql(model, tmp_path / "m.sql").n_labels_differ == 0
    cells = {name: table[name].astype(object).where(table[name].notna(), None).tolist() for name in COLUMNS}
    labels, probabilities = answered(model, cells)
    assert labels == model.predict(table).tolist()
    assert np.abs(probabilities - model.predict_proba(table)).max() < 1e-12


@needs_exp
def test_a_number_that_is_too_large_for_a_term_has_no_answer_in_sql() -> None:
    huge = {"age": [40.0], "hours": [1e150], "school": ["none"], "sex": ["M"]}
    labels, probabilities = answered(term_models.model(), huge)
    assert labels == [None]
    assert np.isnan(probabilities).all()


@needs_compiler
@pytest.mark.parametrize("make", MODELS)
def test_c(make: Any, tmp_path: Any) -> None:
    model, table = make(), rows()
    levels = {column.name: column.levels for column in model.encoder_.read_columns}
    codes = table.astype(object)
    for name in ("school", "sex"):
        known = {level: code for code, level in enumerate(levels[name])}
        codes[name] = [np.nan if pandas.isna(cell) else known.get(cell, -1) for cell in table[name]]
    found = answers(model, codes.to_numpy(dtype=float), tmp_path)
    np.testing.assert_allclose(found[:, 1:], model.predict_proba(table), atol=1e-12)
    codes.loc[0, "hours"] = 1e150  # its cube is beyond floats
    assert answers(model, codes[:1].to_numpy(dtype=float), tmp_path)[0, 0] == -1


@pytest.mark.parametrize("make", MODELS)
def test_onnx(make: Any, tmp_path: Any) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model, table = make(), rows()
    assert write_onnx(model, tmp_path / "m.onnx").n_labels_differ == 0
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    feed = {}
    for name in COLUMNS:
        kind = object if name in ("school", "sex") else np.float64
        feed[name] = table[[name]].fillna("").to_numpy(object) if kind is object else table[[name]].to_numpy(kind)
    (probabilities,) = session.run(["probabilities"], feed)
    np.testing.assert_allclose(probabilities, model.predict_proba(table), atol=1e-12)
    feed["hours"] = feed["hours"].copy()
    feed["hours"][0] = 1e150
    (probabilities,) = session.run(["probabilities"], feed)
    assert np.isnan(probabilities[0]).all()
    assert not np.isnan(probabilities[1:]).any()


@pytest.mark.parametrize("precision", ["float32"])
def test_a_power_of_numbers_alone_in_float32(precision: Any, tmp_path: Any) -> None:
    pytest.importorskip("onnxruntime")
    table = term_models.people()[["age", "hours", "ill"]].dropna()
    model = train(table, "ill", scale="standard", powers={"age": 2}, crosses=["age*hours"])
    assert write_onnx(model, tmp_path / "m.onnx", precision=precision, rows=table).n_labels_differ == 0


def test_without_a_penalty(tmp_path: Any) -> None:
    table = term_models.people().drop(columns="way").dropna()
    model = train(table, "ill", C=np.inf, crosses=["age*sex", "school*sex"], splines={"age": 3})
    assert [name for name in model.encoder_.feature_names if "school*" in name] == [
        "school*sex=none*M",
        "school*sex=school*M",
    ]
    assert write_sql(model, tmp_path / "m.sql").n_labels_differ == 0
    pytest.importorskip("onnxruntime")
    assert write_onnx(model, tmp_path / "m.onnx").n_labels_differ == 0


def test_torch_takes_encoded_rows() -> None:
    torch = pytest.importorskip("torch")
    model, table = term_models.model(), rows()[3:]
    frame = table.astype(object).where(table.notna(), None)
    from polytome.tables.data_frames import frame_of

    X = np.asarray(model.encoder_.encode(frame_of(frame)))
    scores = to_torch(model)(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_allclose(scores[:, 1] - scores[:, 0], model.decision_function(table), atol=1e-9)


def test_scikit_learn_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"makes 'age\*sex=F' of other columns"):
        to_sklearn(term_models.model())
