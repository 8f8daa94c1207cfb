"""Who fits without a penalty is told which coefficients have no finite estimate, by every model and
after saving."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from polytome import LogisticRegression, MultilabelLogistic, OneVsOne, OneVsRest, diagnose, load
from polytome.certificates import recession_proof
from polytome.errors import DataError, FileError
from polytome.files import model_file
from polytome.files.tensor_files import read_tensors
from polytome.inference import fit_ordered, summarize
from polytome.models.separation import Infinite, separation_sentence

IRIS = load_iris()
SOFTMAX = {Infinite(1, 2, (0, 1), 1), Infinite(1, 0, (1,), 0)}
"""The last class grows against both others, which no row with a one is of: between them anything
goes."""
DATA = Path(os.environ.get("POLYTOME_DATA", "absent"))


def endometrial() -> tuple[pd.DataFrame, Any]:
    path = DATA / "inference" / "endometrial.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    table = pd.read_csv(path)
    return table[["NV", "PI", "EH"]], table["HG"]


def heard(model: Any, X: Any, y: Any, **given: Any) -> tuple[Any, str]:
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(X, y, **given)
    (found,) = caught
    return model, str(found.message)


def test_the_column_of_the_endometrial_study_is_named() -> None:
    """Heinze and Schemper, A solution to the problem of separation in logistic regression,
    Statistics in Medicine 21, 2002."""
    X, y = endometrial()
    model, said = heard(LogisticRegression(C=np.inf), X, y)
    assert "in 13 of 79 rows" in said
    assert "'NV' (to +infinity)" in said
    assert "'PI'" not in said
    assert model.separation_.infinite == (Infinite(0, 1, (0,), 1),)
    assert str(diagnose(X, y)).splitlines()[-1].split() == ["'NV'", "to", "+infinity"]
    told = diagnose(X, y).to_json()
    assert told["infinite"] == [{"feature": "NV", "of": 1, "against": [0], "sign": 1}]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression(C=np.inf).fit(X[["PI", "EH"]], y)
        LogisticRegression().fit(X, y)


def of_a_marker(n_classes: int) -> tuple[Any, Any]:
    """Whoever has a one in the second column is of the last class."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=90), np.repeat([0.0, 1.0], [80, 10]), rng.normal(size=90)])
    y = rng.integers(0, n_classes, 90)
    y[-10:] = n_classes - 1
    return X, np.array(list("abcd"))[y]


@pytest.mark.parametrize(
    ("model", "n_classes", "expected"),
    [
        (LogisticRegression(C=np.inf), 2, {Infinite(1, 1, (0,), 1)}),
        (LogisticRegression(C=np.inf), 3, SOFTMAX),
        (OneVsRest(C=np.inf), 3, {Infinite(1, 0, (), -1), Infinite(1, 1, (), -1), Infinite(1, 2, (), 1)}),
        (OneVsOne(C=np.inf), 3, {Infinite(1, 2, (0,), 1), Infinite(1, 2, (1,), 1)}),
        (LogisticRegression(penalty_weights=[1.0, 0.0, 1.0]), 3, SOFTMAX),
        (LogisticRegression(C=np.inf, scale="standard"), 3, SOFTMAX),
    ],
    ids=str,
)
def test_every_model_names_what_has_no_finite_estimate(
    model: Any, n_classes: int, expected: set[Infinite], tmp_path: Path
) -> None:
    X, y = of_a_marker(n_classes)
    model, said = heard(model, X, y)
    assert set(model.separation_.infinite) == expected
    assert "'feature_1'" in said
    assert "'feature_0'" not in said
    model.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert again.separation_ == model.separation_
    assert separation_sentence(again) == separation_sentence(model)
    model.C, model.penalty_weights = 1.0, None
    assert model.fit(X, y).separation_ is None


@pytest.mark.parametrize(
    "lie",
    [
        {"infinite": [{"column": 3, "of": 0, "against": [1], "sign": 1}]},
        {"infinite": [{"column": 0, "of": 3, "against": [1], "sign": 1}]},
        {"infinite": [{"column": 0, "of": 0, "against": [3], "sign": 1}]},
        {"infinite": [{"column": 0, "of": 0, "against": [1], "sign": 2}]},
        {"infinite": [{"column": 0, "of": 0, "against": 1, "sign": 1}]},
        {"infinite": [{"column": 0, "of": 0, "against": [1]}]},
        {"infinite": {}},
        {"n_separated": 0},
        {"n_separated": 91},
        {"is_complete": 1},
        {"more": 1},
    ],
    ids=str,
)
def test_what_no_fit_can_have_found_is_refused(lie: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    heard(LogisticRegression(C=np.inf), *of_a_marker(3))[0].save(path)
    text, tensors = read_tensors(path, "polytome")
    saved = json.loads(text)
    saved["separation"] |= lie
    saved["checksum"] = model_file.checksum_of(saved, tensors)
    save_file(tensors, path, {"polytome": json.dumps(saved)})
    with pytest.raises(FileError, match="separation"):
        load(path)


def test_labels_of_a_multilabel_model_are_problems_of_their_own() -> None:
    X, y = of_a_marker(2)
    rng = np.random.default_rng(1)
    labels = pd.DataFrame({"marked": (y == "b").astype(int), "other": rng.integers(0, 2, len(y))})
    labels.loc[80:, "other"] = [0, 1] * 5
    model, said = heard(MultilabelLogistic(C=np.inf), X, labels)
    assert model.separation_.infinite == (Infinite(1, 0, (), 1),)
    assert "marked against the others, to +infinity" in said


def test_a_class_without_weight_keeps_the_places_of_the_others() -> None:
    X, y = of_a_marker(4)
    model, said = heard(LogisticRegression(C=np.inf), X, y, sample_weight=(y != "a").astype(float))
    assert set(model.separation_.infinite) == {Infinite(1, 3, (1, 2), 1), Infinite(1, 1, (2,), 0)}
    assert "d against b and c" in said


@pytest.mark.parametrize("limit", ["_MOST_EXACT_UNKNOWNS", "_MOST_EXACT_PRODUCTS"])
def test_what_cannot_be_decided_is_not_called_finite(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A direction of several columns that is found but takes too long to prove: no fit, diagnosis
    or table may say that nothing separates the classes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = (X @ [[0.0, 1.0], [0.0, 2.0], [0.0, -1.0]]).argmax(axis=1)
    y = np.where(y == 1, y + rng.integers(0, 2, 60), 0)  # two of three classes overlap
    monkeypatch.setattr(recession_proof, limit, 2)
    model, said = heard(LogisticRegression(C=np.inf), X, y)
    assert model.separation_ is None
    assert said.startswith("Whether the classes are separated is not known: in float64 a direction separates them")
    assert "Not separated" not in str(diagnose(X, y))
    assert diagnose(X, y).to_json()["separated"] == "not known"
    assert "is not known: in float64" in " ".join(str(summarize(model, X, y)).split())
    ordered = fit_ordered(np.array([[0, 1, 2, 2, 3, 4, 5, 5, 6]]).T, np.array([0, 0, 0, 1, 1, 1, 1, 2, 2]))
    assert "is not known: in float64" in " ".join(str(ordered).split())
    monkeypatch.undo()
    assert diagnose(X, y).to_json()["separated"] == "in part"
    y[np.argmax(X @ [1.0, 2.0, -1.0])] = 0  # deep among the others: nothing is to be proved
    assert diagnose(X, y).separation is None


def test_classes_that_are_separated_completely_are_told_as_before() -> None:
    X, y = IRIS.data[:100], IRIS.target[:100]
    model, said = heard(LogisticRegression(C=np.inf), X, y)
    assert "can be separated perfectly" in said
    assert model.separation_ is None
    assert str(diagnose(X, y)).startswith("Separated completely: each of 100 rows")


def test_dependent_columns_are_named_beside_separation() -> None:
    X, y = of_a_marker(3)
    X = np.column_stack([X, X[:, 0] - 2 * X[:, 2] + 3])
    lines = str(diagnose(pd.DataFrame(X, columns=list("wxyz")), y)).splitlines()
    assert lines[2].split("  ")[-1] == "c against a and b, to +infinity"
    assert lines[3].split("  ")[-1] == "a against b, in either direction"
    assert lines[-1].strip() == "'z' = 'w' - 2 'y' + 3"


def test_what_cannot_be_diagnosed_is_refused() -> None:
    with pytest.raises(DataError, match="NaN"):
        diagnose([[np.nan], [1.0]], [0, 1])
    with pytest.raises(DataError, match="class"):
        diagnose([[0.0], [1.0]], [1, 1])


def test_whole_numbers_that_float64_rounds_are_not_accused():
    """2**53 and 2**53 + 1 tell the classes apart the other way round than their roundings do."""
    X = np.array([[2**53 + 1], [2**53 + 3], [2**53 + 2], [2**53 + 4], [2**53 + 1]])
    model = LogisticRegression(C=np.inf, max_iter=3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, [0, 0, 1, 1, 1])
    assert model.separation_ is None
    assert any("float64 rounds" in str(each.message) for each in caught)
