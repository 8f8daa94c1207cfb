"""Labels of exported models are those of the model's cut-off, or the export is refused by name."""

import numpy as np
import pytest
from test_export_sql import answered, as_columns, needs_exp

import exported_models as models
from c_programs import answers, needs_compiler
from polytome import LogisticRegression
from polytome.errors import ArgumentError
from polytome.export import to_c, to_onnx, to_sklearn, to_sql, to_torch, write_onnx, write_sql
from polytome.models.decision import DecisionRule

X = np.random.default_rng(3).uniform(0, 8, size=(300, 4))


@pytest.fixture(params=[0.05, 0.7])
def model(request):
    found = models.virginica()
    found.decision_ = DecisionRule(threshold=request.param)
    yield found
    found.decision_ = None  # the model is made once for all tests


@needs_exp
def test_sql(model, tmp_path):
    labels, probabilities = answered(model, as_columns(model, X))
    assert labels == model.predict(X).tolist()
    assert np.abs(probabilities - model.predict_proba(X)).max() < 1e-12
    seen = write_sql(model, tmp_path / "m.sql")
    assert seen.n_labels_differ == 0
    assert f"at least {model.decision_.threshold:g}" in (tmp_path / "m.sql").read_text()


@needs_exp
def test_rows_that_are_refused_have_no_label_in_sql(model):
    columns = as_columns(model, X[:2])
    columns[next(iter(columns))][0] = None
    labels, _ = answered(model, columns)
    assert labels == [None, model.predict(X[1:2])[0]]


@needs_compiler
def test_c(model, tmp_path):
    found = answers(model, X, tmp_path)
    assert (model.classes_[found[:, 0].astype(int)] == model.predict(X)).all()
    assert answers(model, np.full((1, 4), np.nan), tmp_path)[0, 0] == -1


def test_onnx(model, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    assert write_onnx(model, tmp_path / "m.onnx").n_labels_differ == 0
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    names = [each.name for each in session.get_inputs()]
    rows = {name: X[:, [j]] for j, name in enumerate(names)} if len(names) > 1 else {names[0]: X}
    (labels,) = session.run(["label"], rows)
    assert (np.ravel(labels) == model.predict(X)).all()


@pytest.mark.parametrize("form", [to_sklearn, to_torch])
def test_forms_without_labels_of_their_own_are_refused(model, form):
    pytest.importorskip("torch" if form is to_torch else "sklearn")
    with pytest.raises(ArgumentError, match=r"decides by a cut-off of 0\.\d+.*export to ONNX, C or SQL"):
        form(model)


@pytest.mark.parametrize("form", [to_c, to_sql, to_onnx, to_sklearn])
def test_costs_of_many_classes_are_refused(form):
    if form is to_onnx:
        pytest.importorskip("onnx")
    model = LogisticRegression().fit([[0.0], [1.0], [2.0]], [0, 1, 2])
    model.decision_ = DecisionRule(costs=1 - np.eye(3))
    with pytest.raises(ArgumentError, match=r"decides by costs.*set model\.decision_ = None"):
        form(model)
