"""ONNX files predict what the model predicts, in onnxruntime, from the cells of a table to the
label."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import exported_models as models
from polytome import LogisticRegression, OneVsOne
from polytome.errors import ArgumentError, DataError, FileError
from polytome.export import agreement, onnx_graph, to_onnx, write_onnx
from polytome.export.form import form_of
from polytome.files.sources import fit_source, open_source
from polytome.tables.frames import Frame

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def run(path: Path, feed: dict[str, Any]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def fed(rows: dict[str, list[Any]]) -> dict[str, np.ndarray]:
    """Cells as a user of onnxruntime gives them: NaN for a missing number, an empty text for a
    missing text."""
    feed = {}
    for name, values in rows.items():
        if any(isinstance(value, str) for value in values):
            column = np.array(["" if value is None else value for value in values], dtype=object)
        else:
            column = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        feed[f"{name}_" if name == "label" else name] = column[:, None]
    return feed


@pytest.mark.parametrize("make", [models.iris, models.virginica, models.digits])
def test_probabilities_scores_and_labels_are_those_of_the_model(make: Any, tmp_path: Path) -> None:
    model = make()
    random = np.random.default_rng(3)
    X = random.uniform(0, 8, size=(500, model.n_features_in_))
    seen = write_onnx(model, tmp_path / "model.onnx")
    found = run(tmp_path / "model.onnx", {"X": X})
    assert np.abs(found["probabilities"] - model.predict_proba(X)).max() < 1e-12
    np.testing.assert_array_equal(found["label"].astype(np.str_), model.predict(X).astype(np.str_))
    assert found["label"].dtype == (np.int64 if model.classes_.dtype.kind == "i" else object)
    scores = model.decision_function(X)
    margins = found["scores"][:, 1] if scores.ndim == 1 else found["scores"]
    np.testing.assert_allclose(margins, scores, rtol=1e-12, atol=1e-12)
    assert seen.n_rows == 256
    assert seen.largest_difference < 1e-12
    assert seen.n_labels_differ == 0


def test_a_small_probability_keeps_its_digits(tmp_path: Path) -> None:
    """1 - p would give zero."""
    model = LogisticRegression(C=1e6).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    model.coef_, model.intercept_ = np.array([[1.0]]), np.array([0.0])
    write_onnx(model, tmp_path / "model.onnx")
    found = run(tmp_path / "model.onnx", {"X": np.array([[60.0], [-60.0], [800.0]])})["probabilities"]
    np.testing.assert_allclose(found[:2], [[np.exp(-60), 1], [1, np.exp(-60)]], rtol=1e-14)
    np.testing.assert_array_equal(found[2], [0, 1])


def test_a_table_comes_in_by_its_columns_with_missing_cells_and_unknown_levels(tmp_path: Path) -> None:
    for binary in (False, True):
        model = models.hostile(tmp_path, binary=binary)
        write_onnx(model, tmp_path / "model.onnx")
        found = run(tmp_path / "model.onnx", fed(models.hostile_rows()))
        X = models.encoded_rows(model, models.hostile_rows())
        np.testing.assert_allclose(found["probabilities"], model.predict_proba(X), atol=1e-13)
        np.testing.assert_array_equal(found["label"], model.predict(X))


def test_what_the_model_refuses_gets_nan_and_a_label_of_no_class(tmp_path: Path) -> None:
    model = models.hostile(tmp_path, missing="drop", unknown="error")
    write_onnx(model, tmp_path / "model.onnx")
    found = run(tmp_path / "model.onnx", fed(models.hostile_rows()))
    assert np.isfinite(found["probabilities"][0]).all()
    assert np.isnan(found["probabilities"][1:4]).all()
    assert found["label"][0] == model.predict(models.encoded_rows(model, first_row()))[0]
    assert found["label"][1:4].tolist() == ["", "", ""]
    numbers = models.digits()
    write_onnx(numbers, tmp_path / "digits.onnx")
    assert run(tmp_path / "digits.onnx", {"X": np.full((1, 64), np.nan)})["label"].tolist() == [-1]


def first_row() -> dict[str, list[Any]]:
    return {name: values[:1] for name, values in models.hostile_rows().items()}


def test_float32_is_half_as_large_and_close(tmp_path: Path) -> None:
    model = models.digits()
    seen = write_onnx(model, tmp_path / "single.onnx", precision="float32")
    write_onnx(model, tmp_path / "double.onnx")
    assert 1e-9 < seen.largest_difference < 1e-3
    X = np.random.default_rng(0).uniform(0, 16, size=(50, 64)).astype(np.float32)
    found = run(tmp_path / "single.onnx", {"X": X})
    assert found["probabilities"].dtype == np.float32
    assert np.abs(found["probabilities"] - model.predict_proba(X)).max() < 1e-4
    assert (tmp_path / "single.onnx").stat().st_size < 0.65 * (tmp_path / "double.onnx").stat().st_size


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    model = models.iris()
    seen = write_onnx(model, tmp_path / "model.onnx")
    facts = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert facts["agreement"] == str(seen)
    assert facts["certificate"] == str(model.certificate_)
    assert facts["objective"] == str(model.objective_)
    assert json.loads(facts["classes"]) == model.classes_.tolist()
    assert json.loads(facts["columns"]) == list(model.encoder_.feature_names)


def test_the_rows_to_compare_on_can_be_given(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    table = models.hostile(tmp_path)
    assert write_onnx(table, tmp_path / "m.onnx", rows=models.hostile_rows()).n_rows == 5
    assert write_onnx(table, tmp_path / "m.onnx", rows=pandas.DataFrame(models.hostile_rows())).n_rows == 5
    assert write_onnx(models.iris(), tmp_path / "m.onnx", rows=np.ones((3, 4))).n_rows == 3
    with pytest.raises(DataError, match="lacks the column"):
        write_onnx(table, tmp_path / "m.onnx", rows={"label": ["b c"]})
    with pytest.raises(DataError, match=r"rows has shape \(3, 5\); the model predicts rows of 4 numbers"):
        write_onnx(models.iris(), tmp_path / "m.onnx", rows=np.ones((3, 5)))
    with pytest.raises(DataError, match="no named columns"):
        write_onnx(table, tmp_path / "m.onnx", rows=np.ones((3, 5)))


def test_rows_are_drawn_from_the_ranges_of_training(tmp_path: Path) -> None:
    model = LogisticRegression().fit(np.eye(4), [0, 1, 1, 2])
    model.training_ = SimpleNamespace(low=np.array([0.0, -5, 9, 1]), high=np.array([1.0, 5, 9, 2]))
    X = agreement.sample_cells(model, form_of(model))
    assert X.shape == (256, 4)
    assert (np.clip(X, model.training_.low, model.training_.high) == X).all()
    assert write_onnx(model, tmp_path / "model.onnx").n_rows == 256
    probabilities = models.digits().predict_proba(agreement.sample_cells(models.digits(), form_of(models.digits())))
    assert probabilities.max() - probabilities.min() > 0.9  # without ranges: rows that tell classes apart


def test_a_file_that_predicts_something_else_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement.np, "abs", lambda difference: difference + 1e-9)
    with pytest.raises(ArgumentError, match="its predictions differ from the model's: onnxruntime"):
        write_onnx(models.iris(), tmp_path / "model.onnx", rows=np.ones((1, 4)))
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        to_onnx(LogisticRegression())
    with pytest.raises(ArgumentError, match="OneVsOne, which cannot be exported"):
        to_onnx(OneVsOne().fit([[0.0], [1.0], [2.0]], [0, 1, 2]))
    with pytest.raises(ArgumentError, match="choose 'float64' or 'float32'"):
        to_onnx(models.iris(), precision="float16")
    with pytest.raises(FileError, match="no folder"):
        write_onnx(models.iris(), tmp_path / "absent" / "model.onnx")
    with pytest.raises(FileError, match="is a folder"):
        write_onnx(models.iris(), tmp_path)
    broken = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    broken.coef_ = np.array([[np.nan]])
    with pytest.raises(ArgumentError, match="holds NaN"):
        to_onnx(broken)


def test_more_than_a_protobuf_message_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert onnx_graph._LARGEST_FILE < 2**31
    monkeypatch.setattr(onnx_graph, "_LARGEST_FILE", 8 * models.digits().coef_.size - 1)
    with pytest.raises(ArgumentError, match=r"640 coefficients in float64 need .* GiB, .* holds at most 2 GiB"):
        to_onnx(models.digits())
    assert to_onnx(models.digits(), precision="float32").ByteSize() > 0


@pytest.mark.parametrize("y", [[True, False, True, False], [0.0, 2.0, 0.0, 2.0], [10, -3, 10, -3]])
def test_labels_of_other_types(y: list[Any], tmp_path: Path) -> None:
    X = np.array([[0.0], [1.0], [2.0], [4.0]])
    model = LogisticRegression().fit(X, y)
    write_onnx(model, tmp_path / "model.onnx")
    found = run(tmp_path / "model.onnx", {"X": X})["label"]
    assert [str(label) for label in found] == [str(label) for label in model.predict(X).tolist()]


@pytest.mark.data
def test_adult_with_its_missing_cells(tmp_path: Path) -> None:
    model, _ = models.adult()
    cells = models.adult_cells(5000)
    seen = write_onnx(model, tmp_path / "adult.onnx")
    assert seen.largest_difference < 1e-12
    feed = fed(cells)
    found = run(tmp_path / "adult.onnx", feed)
    X = models.encoded_rows(model, cells)
    assert np.abs(found["probabilities"] - model.predict_proba(X)).max() < 1e-12
    np.testing.assert_array_equal(found["label"], model.predict(X))


@pytest.mark.data
def test_mnist(tmp_path: Path) -> None:
    model, X = models.mnist()
    write_onnx(model, tmp_path / "mnist.onnx")
    found = run(tmp_path / "mnist.onnx", {"X": X})
    assert np.abs(found["probabilities"] - model.predict_proba(X)).max() < 1e-12
    np.testing.assert_array_equal(found["label"], model.predict(X))


def test_a_level_called_na_and_a_stated_mark_are_read_as_the_model_reads_them(tmp_path: Path) -> None:
    lines = [f"{('NA', 'EU', '-')[i % 3]},{'ab'[i % 5 > 2]}" for i in range(30)]
    (tmp_path / "t.csv").write_text("\n".join(["c,y", *lines]))
    source = open_source(str(tmp_path / "t.csv"), target="y", missing="mean", marks=["-"])
    assert source.encoder is not None
    assert source.encoder.feature_names == ("c=(missing)", "c=EU", "c=NA")
    model = fit_source(LogisticRegression(), source)
    write_onnx(model, tmp_path / "model.onnx")
    cells = ["NA", "EU", "-", "", "None"]
    found = run(tmp_path / "model.onnx", {"c": np.array(cells, dtype=object)[:, None]})
    expected = model.predict_proba(source.encoder.encode(Frame.of({"c": cells})))
    assert np.abs(found["probabilities"] - expected).max() < 1e-12
