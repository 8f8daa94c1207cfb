"""Every kind of model is reported: page, card and notebook say what it is and how good it is, in
true words."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

import polytome
from fitted_models import data
from polytome.errors import ArgumentError
from polytome.files.training_record import record_training
from polytome.models.fitted import certificate_of
from polytome.report.card import model_card
from polytome.report.contents import Judged, Measured, judge_any, measure

X, Y = data(K=4, n=300)
LABELS = np.array(["north", "east", "south", "west"])[Y]
TABLE = pd.DataFrame(np.stack([Y > 1, Y % 2], axis=1).astype(int), columns=["large", "odd"])
TARGETS = X[:, :2] @ [[1.0, 2.0], [3.0, 4.0]] + np.random.default_rng(0).normal(size=(300, 2))

MODELS: dict[str, tuple[Any, Any, str]] = {
    "one against the rest": (polytome.OneVsRest(), LABELS, "One logistic regression per class"),
    "one against one": (polytome.OneVsOne(), LABELS, "One logistic regression per pair of classes"),
    "labels": (polytome.MultilabelLogistic(), TABLE, "One logistic regression per label"),
    "linear": (polytome.LinearRegression(), TARGETS[:, 0], "Linear regression"),
    "linear, two": (polytome.LinearRegression(), TARGETS, "Linear regression"),
    "perceptron": (polytome.Perceptron(epochs=5, random_state=0), Y > 1, "Perceptron"),
    "adaline": (polytome.Adaline(random_state=0), Y > 1, "Adaptive linear neuron"),
    "sigmoid": (polytome.SigmoidNeuron(random_state=0), Y > 1, "Sigmoid neuron"),
}


def fitted(name: str) -> tuple[Any, Any, str]:
    model, y, kind = MODELS[name]
    return model.fit(X[:200], y[:200]), y[200:], kind


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.split("<main", 1)[1]).split())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_page_says_what_the_model_is_and_how_good_it_is(name: str, rows: bool) -> None:
    pytest.importorskip("jinja2")
    model, y, kind = fitted(name)
    html = model.report(X[200:], y).html if rows else model.report().html
    text = text_of(html)
    assert kind in text
    assert "None" not in text.replace("tol=None", "").replace("=None", "")
    certificate = certificate_of(model)
    assert ('id="certificate"' in html) == (certificate is not None) == (str(model.__dict__.get("objective_")) in text)
    assert ("No certificate" in text) == (certificate is None)
    assert ('id="quality"' in html) == rows
    for link in re.findall(r'href="#([\w-]+)"', html):
        assert f'id="{link}"' in html


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_card_and_a_notebook_say_the_same(name: str) -> None:
    model, y, kind = fitted(name)
    card = model_card(model, judge_any(model, X[200:], y, name="new rows"), name="it")
    assert kind in card
    assert "None:" not in card.split("## Metrics")[1].split("## Limits")[0]
    assert ("duality-gap" in card) == (certificate_of(model) is not None)
    assert "not evaluated on any" in model_card(model, name="it")
    shown = model._repr_mimebundle_()["text/html"]
    assert ("Certificate" in shown.rpartition("<table")[2]) == (certificate_of(model) is not None)
    assert "<table" in shown


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_measures_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, r2_score

    from polytome.report.wording import percent

    for name in ("one against one", "perceptron", "adaline"):
        model, y, _ = fitted(name)
        found = judge_any(model, X[200:], y, name="new rows")
        assert isinstance(found, Measured)
        assert found.measures[0].model == percent(accuracy_score(y, model.predict(X[200:])))
    model, y, _ = fitted("linear, two")
    explained = [each.model for each in measure(model, X[200:], y, name="").measures if "variance" in each.name]
    assert explained == [percent(r2_score(y[:, j], model.predict(X[200:])[:, j])) for j in range(2)]
    model, y, _ = fitted("labels")
    assert measure(model, X[200:], y, name="").measures[0].model == percent(model.score(X[200:], y))
    for name in ("one against the rest", "sigmoid"):
        model, y, _ = fitted(name)
        assert isinstance(judge_any(model, X[200:], y, name="new rows"), Judged)


def test_what_is_proved_of_one_distribution_is_not_said_of_several() -> None:
    model, y, _ = fitted("one against the rest")
    model.training_ = record_training(model, X[:200], LABELS[:200])
    assert model.training_.could_change is None
    assert model.training_.centre_bounds.size == 0
    text = text_of(model.report(X[200:], y).html)
    assert "total variation" not in text
    assert "the coefficients are within a distance of" in text


def test_rows_of_training_flatter_every_model() -> None:
    model = polytome.OneVsOne().fit(X, LABELS)
    text = text_of(model.report(X, LABELS, X_train=X, y_train=LABELS).html)
    assert "Nothing was held out" in text
    assert "not evaluated on any" in model_card(model, judge_any(model, X, LABELS, name="rows"))


@pytest.mark.parametrize("name", ["labels", "linear"])
def test_a_record_of_training_needs_classes(name: str) -> None:
    model, y, _ = fitted(name)
    with pytest.raises(ArgumentError, match="a record of training counts the rows of each class, and"):
        model.report(X_train=X, y_train=np.concatenate([y, y, y]))


def test_a_report_is_about_a_model_of_polytome() -> None:
    from sklearn.linear_model import LogisticRegression

    from polytome.report import make_report

    with pytest.raises(ArgumentError, match="give a fitted Polytome model"):
        make_report(LogisticRegression().fit(X, Y))
