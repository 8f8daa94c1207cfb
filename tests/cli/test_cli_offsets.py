"""`polytome train --offset` and `--label-smoothing`, and what reads rows for such a model."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from commands import done, run
from polytome import LogisticRegression, load

GLMNET = Path(__file__).parent.parent / "models" / "fixtures" / "glmnet.json"
NAMES = ("age", "lwt", "black", "other", "smoke", "ptl", "ht", "ui", "ftv")


@pytest.fixture(scope="module")
def births(tmp_path_factory):
    """A table of births: its offset stands between the columns."""
    data = json.loads(GLMNET.read_text(encoding="utf-8"))["data"]["birth"]
    lines = [",".join((*NAMES[:2], "known", *NAMES[2:], "weight"))]
    for x, y, offset in zip(data["x"], data["y"], data["offset"], strict=True):
        words = [*x[:2], offset, *x[2:], "low" if y else "normal"]
        lines.append(",".join(map(str, words)))
    path = tmp_path_factory.mktemp("births") / "births.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path, np.array(data["x"]), np.where(np.array(data["y"]) == 1, "low", "normal"), np.array(data["offset"])


@pytest.fixture(scope="module")
def trained(births):
    """A model file of these births."""
    out = births[0].parent / "births.safetensors"
    words = ["--target", "weight", "--offset", "known", "--label-smoothing", "0.02", "--penalty-weights", "age=0"]
    report = births[0].parent / "births.html"
    return out, done("train", births[0], *words, "--out", out, "--report", report), report


def test_a_column_is_the_offset_of_the_fit(births, trained):
    _, X, y, offset = births
    out, text, report = trained
    assert "x_i W + b + o_i" in text
    assert "10 coefficients" in text  # nine and an intercept: that of the offset is not learned
    assert "known" not in text.split("Largest coefficients")[1]
    model = load(out)
    weights = np.ones(9)
    weights[0] = 0
    same = LogisticRegression(label_smoothing=0.02, penalty_weights=weights).fit(X, y, offset=offset)
    assert_allclose(np.delete(model.coef_, 2, axis=1), same.coef_, rtol=1e-9)
    assert model.coef_[0, 2] == 1.0
    assert "known, with the coefficient 1" in report.read_text(encoding="utf-8")


def test_what_reads_rows_for_the_model_finds_its_column(births, trained, tmp_path):
    path, X, _, offset = births
    out = trained[0]
    model = load(out)
    both = np.insert(X.astype(float), 2, offset, axis=1)
    lines = done("predict", out, path).splitlines()
    found = np.array([line.split(",")[1:] for line in lines[1:]], dtype=float)
    assert_allclose(found, model.predict_proba(both), rtol=1e-12)
    assert "log loss" in done("evaluate", out, path)
    for form, name in (("--sql", "births.sql"), ("--c", "births.h"), ("--onnx", "births.onnx")):
        if form == "--onnx":
            pytest.importorskip("onnxruntime", reason="onnxruntime is absent")
        done("export", out, form, tmp_path / name)
    assert "known" in (tmp_path / "births.sql").read_text(encoding="utf-8")
    text = path.read_text(encoding="utf-8").replace("known", "unknown")
    (tmp_path / "other.csv").write_text(text, encoding="utf-8")
    refused = run("predict", out, tmp_path / "other.csv")
    assert refused.exit_code == 1
    assert "lacks the column 'known'" in refused.stderr


def test_the_certificate_of_the_file_is_confirmed(births, trained):
    pytest.importorskip("flint", reason="python-flint is absent")
    assert done("verify", trained[0], births[0]).startswith("Confirmed")


def test_three_classes_have_three_columns(births, tmp_path):
    path = births[0]
    lines = path.read_text(encoding="utf-8").splitlines()
    kinds = [f"{line},{'abc'[place % 3]}" for place, line in enumerate(lines[1:])]
    table = tmp_path / "kinds.csv"
    table.write_text("\n".join([f"{lines[0]},kind", *kinds]), encoding="utf-8")
    offsets = [word for name in ("known", "lwt", "age") for word in ("--offset", name)]
    done("train", table, "--target", "kind", "--drop", "weight", *offsets, "--out", tmp_path / "kinds.safetensors")
    model = load(tmp_path / "kinds.safetensors")
    assert_allclose(model.coef_[:, list(model.offset_columns_)], np.eye(3))
    assert model.offset_columns_ == (2, 1, 0)
    refused = run("train", table, "--target", "kind", "--offset", "known")
    assert refused.exit_code == 1
    assert "3 columns, one for each class in the order of the labels" in refused.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--offset", "knwn"], "has no such column"),
        (["--offset", "weight"], "has no such column"),
        (["--offset", "known", "--offset", "known"], "names a column twice"),
        (["--label-smoothing", "1"], "needs a number from 0, and below 1"),
        (["--offset", "known", "--memory", "1MB"], "--offset"),
        (["--offset", "known", "--penalty-weights", "known=0"], "is not a column"),
    ],
)
def test_wrong_offsets_are_named(words, message, births):
    refused = run("train", births[0], "--target", "weight", *words)
    assert refused.exit_code == 1
    assert message in " ".join(refused.stderr.split())
