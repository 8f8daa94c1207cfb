"""What a fit leaves in its model: nothing of an earlier one, nothing that differs from run to run,
nothing that pickle, joblib and skops could not take along."""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

import exported_models
import polytome
from fitted_models import data
from polytome import LogisticRegression, Stop, load
from polytome.evaluation.metrics import evaluate
from polytome.export import to_sql
from polytome.files.sources import fit_source, one_against_rest, open_source, read_for_model
from polytome.models.fitted_source import FittedSource
from polytome.report.facts import reproduction_facts

IRIS = load_iris()
PARTS = ("encoder_", "image_shape_", "positive_", "training_")


def iris_frame() -> pd.DataFrame:
    found = polytome.load_dataset("iris")
    return pd.DataFrame(found.X, columns=found.feature_names)


# --- a new fit starts from nothing of the last one ----------------------------------------------


@pytest.mark.parametrize(
    "make",
    [exported_models.iris, exported_models.virginica, exported_models.digits, None],
    ids=["iris", "virginica", "digits", "hostile"],
)
@pytest.mark.parametrize("from_file", [False, True])
def test_nothing_of_a_source_outlives_it(make: Any, from_file: bool, tmp_path: Path) -> None:
    model = copy.deepcopy(exported_models.hostile(tmp_path) if make is None else make())
    if from_file:
        model.save(tmp_path / "model.safetensors")
        model = load(tmp_path / "model.safetensors")
    X, y = data(d=5)
    model.fit(X, y)
    new = LogisticRegression(**model.get_params()).fit(X, y)
    assert vars(model).keys() == vars(new).keys()
    assert model.source_ == FittedSource()
    assert not [part for part in PARTS if hasattr(model, part)]
    assert joblib.hash(model) == joblib.hash(new)
    model.save(tmp_path / "again.safetensors")
    assert load(tmp_path / "again.safetensors").source_ == FittedSource()


def test_a_refit_on_columns_in_another_order_is_judged_by_their_names(tmp_path: Path) -> None:
    frame, y = iris_frame(), IRIS.target_names[IRIS.target]
    model = fit_source(LogisticRegression(), open_source("iris"))
    backwards = frame[frame.columns[::-1]]
    model.fit(backwards, y).save(tmp_path / "model.safetensors")
    frame.assign(label=y).to_csv(tmp_path / "iris.csv", index=False)
    again = load(tmp_path / "model.safetensors")
    rows = read_for_model(again, str(tmp_path / "iris.csv"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # arrays have no names
        assert evaluate(again, rows.X, rows.y).accuracy == model.score(backwards, y)
    assert f'CAST("{frame.columns[-1]}"' in to_sql(again).splitlines()[5]


def test_a_source_of_another_kind_takes_the_place_of_the_first(tmp_path: Path) -> None:
    model = fit_source(LogisticRegression(), one_against_rest(open_source("iris"), "virginica"))
    fit_source(model, open_source("digits"))
    assert model.image_shape_ == (8, 8)
    assert not hasattr(model, "positive_")
    fit_source(model, one_against_rest(open_source("iris"), "setosa"))
    assert model.positive_ == "setosa"
    assert not hasattr(model, "image_shape_")


def test_the_part_that_is_absent_is_named() -> None:
    with pytest.raises(AttributeError, match="this LogisticRegression has no encoder_"):
        _ = LogisticRegression().encoder_


# --- equal fits are equal -----------------------------------------------------------------------

FITS = {
    "binary": lambda: LogisticRegression().fit(*data(K=2)),
    "softmax": lambda: LogisticRegression().fit(*data(K=3)),
    "sgd": lambda: LogisticRegression(solver="sgd", random_state=3, tol=0.1).fit(*data(K=3)),
    "no penalty": lambda: LogisticRegression(C=np.inf).fit(*data(K=3)),
    "one against the rest": lambda: polytome.OneVsRest().fit(*data(K=3)),
    "one against one": lambda: polytome.OneVsOne().fit(*data(K=3)),
    "linear": lambda: polytome.LinearRegression().fit(*data(K=3)),
    "perceptron": lambda: polytome.Perceptron().fit(*data(K=2)),
    "a source": lambda: fit_source(LogisticRegression(), open_source("iris")),
    "images": lambda: fit_source(LogisticRegression(C=0.01, tol=0.1), open_source("digits")),
}


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_equal_fits_have_equal_hashes_and_pickles(fit: Any) -> None:
    one, two = fit(), fit()
    assert joblib.hash(one) == joblib.hash(two)
    back = pickle.loads(pickle.dumps(one))
    assert vars(back).keys() == vars(one).keys()
    assert getattr(back, "stop_", None) is getattr(one, "stop_", None)
    assert getattr(back, "history_", None) == getattr(one, "history_", None)


def test_a_pickle_keeps_no_times_and_a_file_does(tmp_path: Path) -> None:
    model = fit_source(LogisticRegression(), open_source("iris"))
    back = pickle.loads(pickle.dumps(model))
    assert np.isnan(back.history_[-1].seconds)
    assert np.isnan(back.training_.seconds)
    assert "Seconds" not in dict(reproduction_facts(back.training_))
    for each in (model, back):
        each.save(tmp_path / "model.safetensors")
        again = load(tmp_path / "model.safetensors")
        seconds = [each.history_[-1].seconds, each.training_.seconds]
        np.testing.assert_array_equal([again.history_[-1].seconds, again.training_.seconds], seconds)


@pytest.mark.parametrize("stop", Stop)
def test_outcomes_are_what_skops_can_rebuild(stop: Stop) -> None:
    """It calls a type with what `__reduce__` says, where that is all there is to it."""
    kind, arguments = stop.__reduce__()
    assert kind(*arguments) is stop
    assert all(isinstance(argument, str) for argument in arguments)


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_skops_round_trip(fit: Any) -> None:
    skops = pytest.importorskip("skops.io")
    model = fit()
    content = skops.dumps(model)
    types = skops.get_untrusted_types(data=content)
    assert all(name.startswith("polytome.") for name in types)
    again = skops.loads(content, trusted=types)
    X = np.zeros((3, model.n_features_in_))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert vars(again).keys() == vars(model).keys()
    assert getattr(again, "history_", None) == getattr(model, "history_", None)
    assert getattr(again, "certificate_", None) == getattr(model, "certificate_", None)
    assert getattr(again, "stop_", None) is getattr(model, "stop_", None)
