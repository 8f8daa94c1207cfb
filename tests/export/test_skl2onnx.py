"""Pipelines of scikit-learn that end in a model of Polytome, converted by skl2onnx."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import exported_models as models
from polytome import LinearRegression, LogisticRegression, MultilabelLogistic, OneVsOne, OneVsRest, SigmoidNeuron
from polytome.errors import ArgumentError
from polytome.export import register_with_skl2onnx
from polytome.models.decision import DecisionRule

onnxruntime = pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(90, 4))
CODES = (X @ [[1.0, 0, -1], [0, 2, 0], [-1, 0, 1], [0.5, 0, 0]] + RANDOM.normal(size=(90, 3))).argmax(axis=1)
NAMES = np.array(["red", "green", "blue"])[CODES]


def converted(pipeline: Any, rows: Any, **options: Any) -> Any:
    register_with_skl2onnx()
    proto = skl2onnx.to_onnx(pipeline, rows[:1], options={"zipmap": False}, **options)
    return onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])


KINDS = [
    (kind, y) for kind in (LogisticRegression, OneVsRest) for y in (NAMES, CODES, NAMES == "red", np.char.upper(NAMES))
]


@pytest.mark.parametrize(("kind", "labels"), [*KINDS, (SigmoidNeuron, (CODES == 1).astype(int))])
def test_probabilities_and_labels_are_those_of_the_pipeline(kind: Any, labels: np.ndarray) -> None:
    pipeline = make_pipeline(StandardScaler(), kind()).fit(X, labels)
    found, probabilities = converted(pipeline, X).run(None, {"X": X})
    assert np.abs(probabilities - pipeline.predict_proba(X)).max() < 1e-13
    assert [str(label) for label in found] == [str(label) for label in pipeline.predict(X)]


def test_float32_is_the_type_of_the_input() -> None:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, NAMES)
    found = converted(pipeline, X.astype(np.float32)).run(None, {"X": X.astype(np.float32)})[1]
    assert found.dtype == np.float32
    assert np.abs(found - pipeline.predict_proba(X)).max() < 1e-5


def test_columns_of_a_table_and_a_cut_off() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"size": X[:, 0], "weight": X[:, 1], "hue": np.where(X[:, 2] > 0, "dark", "light")})
    columns = ColumnTransformer([("n", StandardScaler(), ["size", "weight"]), ("c", OneHotEncoder(), ["hue"])])
    pipeline = make_pipeline(columns, LogisticRegression()).fit(frame, CODES == 1)
    pipeline[-1].decision_ = DecisionRule(threshold=0.2)
    label, probabilities = converted(pipeline, frame).run(
        None, {name: frame[[name]].to_numpy() for name in frame.columns}
    )
    expected = pipeline.predict_proba(frame)
    assert np.abs(probabilities - expected).max() < 1e-6  # the encoder of categories gives float32
    assert ((label == "True") == (expected[:, 1] >= 0.2)).all()


def test_numbers() -> None:
    pipeline = make_pipeline(StandardScaler(), LinearRegression()).fit(X[:, :3], X[:, 3])
    register_with_skl2onnx()
    proto = skl2onnx.to_onnx(pipeline, X[:1, :3])
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"X": X[:, :3]})[0][:, 0], pipeline.predict(X[:, :3]), atol=1e-13)


def test_what_has_no_such_form_is_refused_by_the_sentence_of_write_onnx() -> None:
    for model, labels in ((OneVsOne(), CODES), (MultilabelLogistic(), np.eye(3, dtype=int)[CODES])):
        with pytest.raises(ArgumentError, match=r"which cannot be exported: its .* export"):
            converted(make_pipeline(StandardScaler(), model).fit(X, labels), X)
    with pytest.raises(ArgumentError, match="target_opset=12: needs at least 13"):
        converted(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, CODES), X, target_opset=12)


def test_a_model_of_a_table_keeps_its_own_encoder(tmp_path: Any) -> None:
    with pytest.raises(ArgumentError, match=r"trained on a table, .* export it with polytome\.export\.write_onnx"):
        converted(models.hostile(tmp_path), np.ones((1, 5)))
