"""Every kind of model is the same after its file: what it predicts, what it says of itself, and
what it remembers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

import polytome
from fitted_models import data
from polytome import load
from polytome.errors import ArgumentError, FileError
from polytome.files import model_file
from polytome.files.sources import fit_source, one_against_rest, open_source
from polytome.files.tensor_files import read_tensors
from polytome.models.fitted import certificate_of
from polytome.models.fitted_source import FittedSource

X, Y = data(K=4, d=5)
TABLE = pd.DataFrame(np.stack([Y > 1, Y % 2], axis=1).astype(int), columns=["large", "odd"])
FRAME = pd.DataFrame(X, columns=list("abcde"))
LABELS = np.array(["north", "east", "south", "west"])

KINDS: dict[str, Any] = {
    "one against the rest": lambda: polytome.OneVsRest(C=2.0, random_state=3).fit(FRAME, LABELS[Y]),
    "one against the rest of two": lambda: polytome.OneVsRest(scale="standard").fit(X, Y > 1),
    "one against one": lambda: polytome.OneVsOne(scale=np.arange(1.0, 6.0)).fit(X, Y),
    "one against one of two": lambda: polytome.OneVsOne(C=np.inf).fit(X, Y > 1),
    "labels": lambda: polytome.MultilabelLogistic().fit(X, TABLE),
    "labels by number": lambda: polytome.MultilabelLogistic().fit(X, TABLE.to_numpy()),
    "one label": lambda: polytome.MultilabelLogistic(fit_intercept=False).fit(X, TABLE.to_numpy()[:, :1]),
    "linear": lambda: polytome.LinearRegression().fit(FRAME, X @ np.arange(5.0)),
    "linear, one column": lambda: polytome.LinearRegression().fit(X, X[:, :1]),
    "linear, two targets": lambda: polytome.LinearRegression(fit_intercept=False).fit(X, X[:, :2]),
    "linear, dependent": lambda: polytome.LinearRegression().fit(X[:, [0, 0, 1]], X[:, 2]),
    "perceptron": lambda: polytome.Perceptron(epochs=4, shuffle=False).fit(X, Y > 1),
    "adaline": lambda: polytome.Adaline(learning_rate=None, batch_size=None).fit(X, (Y > 1).astype(int)),
    "sigmoid": lambda: polytome.SigmoidNeuron(random_state=np.random.RandomState(1)).fit(FRAME, Y > 1),
    "one against the rest, a source": lambda: fit_source(polytome.OneVsRest(), open_source("digits")),
    "perceptron, a source": lambda: fit_source(
        polytome.Perceptron(), one_against_rest(open_source("iris"), "virginica")
    ),
}
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "votes")


def assert_equal(one: Any, other: Any, name: str) -> None:
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype or one.dtype.kind == other.dtype.kind == "O", name
        np.testing.assert_array_equal(one, other, err_msg=name)
    elif name == "solver_":
        assert str(one) == str(other)
    elif isinstance(one, FittedSource):
        assert (one.encoder, one.image_shape, one.positive) == (other.encoder, other.image_shape, other.positive)
        assert (one.training is None) == (other.training is None)
        if one.training is not None:
            assert vars(one.training).keys() == vars(other.training).keys()
            np.testing.assert_equal(vars(other.training), vars(one.training))
    elif isinstance(one, np.random.RandomState):
        assert other is None, "a RandomState is not saved"
    else:
        assert one == other, name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_model_is_the_same_after_its_file(kind: str, tmp_path: Path) -> None:
    model = KINDS[kind]()
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert type(again) is type(model)
    assert vars(again).keys() == vars(model).keys()
    for name, value in vars(model).items():
        assert_equal(value, vars(again)[name], name)
    rows: Any = FRAME if "feature_names_in_" in vars(model) else np.random.default_rng(0).normal(size=(9, 64))
    rows = rows if rows is FRAME else rows[:, : model.n_features_in_]
    for method in METHODS:
        if callable(vars(type(model)).get(method, None)) or method == "predict":
            np.testing.assert_array_equal(getattr(again, method)(rows), getattr(model, method)(rows))
    again.save(tmp_path / "again.safetensors")
    first, second = (read_tensors(tmp_path / f"{name}.safetensors", "polytome") for name in ("model", "again"))
    assert json.loads(first[0]) == json.loads(second[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_new_fit_of_a_loaded_model_keeps_nothing(kind: str, tmp_path: Path) -> None:
    KINDS[kind]().save(tmp_path / "model.safetensors")
    model = load(tmp_path / "model.safetensors")
    other = X[:, :3]
    target = {"MultilabelLogistic": TABLE, "LinearRegression": X[:, 3]}.get(type(model).__name__, Y > 1)
    settings = {"scale": None} if "scale" in vars(model) else {}
    fresh = type(model)(**model.get_params() | settings).fit(other, target)
    model.set_params(**settings).fit(other, target)
    assert vars(model).keys() == vars(fresh).keys()
    assert model.source_ == FittedSource()
    np.testing.assert_array_equal(model.coef_, fresh.coef_)
    model.save(tmp_path / "again.safetensors")
    np.testing.assert_array_equal(load(tmp_path / "again.safetensors").predict(other), fresh.predict(other))


def change(path: Path, **values: Any) -> None:
    """Rewrite a file with other values or tensors, and the checksum that belongs to them."""
    text, tensors = read_tensors(path, "polytome")
    saved = json.loads(text)
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            tensors[name] = value
        else:
            saved[name] = value
    saved["checksum"] = model_file.checksum_of(saved, tensors)
    save_file(
        {name: np.ascontiguousarray(each) for name, each in tensors.items()}, path, {"polytome": json.dumps(saved)}
    )


LIES: list[tuple[str, dict[str, Any], str]] = [
    ("one against the rest", {"kind": "Pickle"}, "kind is 'Pickle'"),
    ("one against the rest", {"kind": ["OneVsRest"]}, r"kind is \['OneVsRest'\]"),
    ("one against the rest", {"kind": "LogisticRegression"}, "parameters lacks|a one_vs_rest loss"),
    ("one against the rest", {"kind": "OneVsOne"}, "no number of classes has so many pairs|classes"),
    ("one against the rest", {"kind": "LinearRegression"}, "the model lacks|has also"),
    ("labels", {"coef": np.zeros((3, 5)), "intercept": np.zeros(3)}, "not a list of 3|classes"),
    ("labels", {"kind": "OneVsRest"}, r"coef is float64 of shape \(2, 5\)"),
    ("linear", {"coef": np.zeros((1, 1, 5))}, r"coef is float64 of shape \(1, 1, 5\)"),
    ("linear", {"singular": np.array([1.0, 2.0])}, "descending order"),
    ("linear", {"singular": np.full(3, np.nan)}, "descending order"),
    ("linear", {"singular": np.ones(6)}, r"singular is float64 of shape \(6,\)"),
    ("linear", {"rank": 6}, "rank is 6 of 5"),
    ("linear", {"condition": -1}, "condition is -1"),
    ("linear", {"intercept": np.zeros(2)}, r"intercept is float64 of shape \(2,\)"),
    ("linear", {"classes": np.arange(2)}, "its tensors are"),
    ("perceptron", {"history": np.zeros((2, 4))}, "count its epochs from 1"),
    ("perceptron", {"history": np.array([[1.0, 0.5, 0.5, 0.5]])}, "counts steps"),
    ("perceptron", {"history": np.array([[1.0, -0.5, 0.5, 1.0]])}, "a loss below zero"),
    ("perceptron", {"history": np.zeros((0, 4))}, "history is"),
    ("perceptron", {"coef": np.zeros((2, 5)), "intercept": np.zeros(2)}, r"of shape \(1, d\)"),
    ("perceptron", {"parameters": {"epochs": 0, "shuffle": True, "random_state": None}}, "parameters.epochs is 0"),
    ("adaline", {"kind": "Perceptron"}, "parameters has also"),
]


@pytest.mark.parametrize(("kind", "lies", "message"), LIES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_part_that_cannot_be_right(kind: str, lies: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    KINDS[kind]().save(path)
    change(path, **lies)
    with pytest.raises(FileError, match=message):
        load(path)


def test_files_of_older_formats_are_models_of_the_one_kind_that_there_was(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = polytome.LogisticRegression().fit(X, Y)
    model.save(path)
    text, tensors = read_tensors(path, "polytome")
    for version, lacking in ((2, ["kind"]), (1, ["kind", "training"])):
        saved = {name: value for name, value in json.loads(text).items() if name not in lacking}
        saved["format_version"] = version
        saved["checksum"] = model_file.checksum_of(saved, tensors)
        save_file(dict(tensors), path, {"polytome": json.dumps(saved)})
        again = load(path)
        np.testing.assert_array_equal(again.coef_, model.coef_)
        assert certificate_of(again) == model.certificate_


@pytest.mark.parametrize("kind", [polytome.OneVsRest, polytome.LinearRegression, polytome.Perceptron])
def test_an_unfitted_model_cannot_be_saved(kind: Any, tmp_path: Path) -> None:
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        kind().save(tmp_path / "model.safetensors")


def test_what_no_file_can_hold_is_said(tmp_path: Path) -> None:
    model = polytome.OneVsRest().fit(X, Y)
    model.coef_[0, 0] = np.nan
    with pytest.raises(ArgumentError, match="coef holds NaN"):
        model.save(tmp_path / "model.safetensors")
