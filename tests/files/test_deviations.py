"""Deviations of columns are recorded, kept, and rank the coefficients that are shown."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from commands import done
from polytome.evaluation.explain import largest_coefficients
from polytome.files.model_file import load
from polytome.files.training import train
from polytome.files.training_record import _deviation, record_training
from polytome.models.logistic import LogisticRegression


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("form", [np.asarray, np.asfortranarray, sparse.csr_array])
def test_deviations_are_those_of_numpy(dtype, form):
    random = np.random.default_rng(0)
    X = random.integers(0, 9, size=(300, 4)).astype(dtype)
    X[:, 2] = 7
    y = random.integers(0, 2, len(X))
    found = record_training(LogisticRegression().fit(form(X), y), form(X), y).deviation
    assert found == pytest.approx(X.astype(np.float64).std(axis=0), rel=1e-12)
    assert found[2] == 0


def test_far_from_zero_little_cancels():
    X = 1e9 + np.random.default_rng(0).normal(size=(500, 1))
    y = (X[:, 0] > 1e9).astype(int)
    found = record_training(LogisticRegression(scale="standard").fit(X, y), X, y).deviation
    assert found == pytest.approx(X.std(axis=0), rel=1e-6)
    assert _deviation(np.array([np.inf]), np.zeros(1), 2, np.array([False]))[0] == np.finfo(np.float64).max


def test_what_differs_among_all_rows_comes_before_a_rare_level(tmp_path):
    random = np.random.default_rng(0)
    hours = random.integers(10, 60, 500)
    land = np.where(np.arange(500) < 3, "Atlantis", "Utopia")
    rich = (random.random(500) < 1 / (1 + np.exp(-(hours - 35) / 8))) & (land == "Utopia")
    frame = pd.DataFrame({"hours": hours, "land": land, "rich": np.where(rich, "yes", "no")})
    frame.to_csv(tmp_path / "people.csv", index=False)
    model = train(frame, target="rich", C=1e3)
    first, *others = largest_coefficients(model)
    assert first.feature == "hours"
    assert abs(others[0].value) > 10 * abs(first.value)
    assert first.per_deviation == pytest.approx(first.value * hours.std())
    assert [each.effect for each in (first, *others)] == sorted(
        [each.effect for each in (first, *others)], reverse=True
    )
    model.save(tmp_path / "m.safetensors")
    assert np.array_equal(load(tmp_path / "m.safetensors").training_.deviation, model.training_.deviation)
    shown = done("explain", tmp_path / "m.safetensors").split("Largest coefficients")[1].splitlines()
    assert shown[1].split() == ["feature", "coefficient", "odds", "ratio", "per", "deviation"]
    assert shown[2].startswith("hours")
    streamed = train([str(tmp_path / "people.csv")] * 2, target="rich", C=1e3)
    assert streamed.training_.deviation == pytest.approx(model.training_.deviation, rel=1e-12)
