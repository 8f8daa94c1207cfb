from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.datasets import load_iris

from polytome.encoders import Column, Encoder
from polytome.estimators import LogisticRegression
from polytome.explain import feature_names, largest_coefficients

IRIS = load_iris()


def test_names_come_from_the_encoder_then_from_the_frame_then_from_positions() -> None:
    model = LogisticRegression().fit(IRIS.data, IRIS.target)
    assert feature_names(model) == ("feature_0", "feature_1", "feature_2", "feature_3")
    model = LogisticRegression().fit(pd.DataFrame(IRIS.data, columns=list("abcd")), IRIS.target)
    assert feature_names(model) == ("a", "b", "c", "d")
    columns = (Column("n", "number"), Column("c", "category", ("x", "y", "z")))
    model.encoder_ = Encoder(columns, None, "error", "error")
    assert feature_names(model) == ("n", "c=x", "c=y", "c=z")


def test_largest_coefficients_of_each_class() -> None:
    model = LogisticRegression().fit(IRIS.data, IRIS.target)
    model.coef_ = np.array([[1.0, -3.0, 0.0, 2.0], [0.0, 0.0, 0.0, 0.0], [-1.0, 1.0, 5.0, 0.5]])
    found = largest_coefficients(model, most=2)
    assert [(one.label, one.feature, one.value) for one in found] == [
        (0, "feature_1", -3.0),
        (0, "feature_3", 2.0),
        (2, "feature_2", 5.0),
        (2, "feature_0", -1.0),
    ]
    assert {one.odds_ratio for one in found} == {None}


def test_odds_ratio_multiplies_the_odds() -> None:
    model = LogisticRegression().fit(IRIS.data, IRIS.target == 2)
    X = IRIS.data[:1].copy()
    log_odds = model.decision_function(X)[0]
    for found in largest_coefficients(model):
        moved = X.copy()
        moved[0, int(found.feature.removeprefix("feature_"))] += 1
        assert np.isclose(np.exp(model.decision_function(moved)[0] - log_odds), found.odds_ratio)
        assert found.label is True


def test_an_odds_ratio_beyond_the_floats_is_infinite_without_a_warning() -> None:
    model = LogisticRegression().fit(IRIS.data, IRIS.target == 2)
    model.coef_ = np.array([[1e4, 0, 0, 0]])
    assert largest_coefficients(model)[0].odds_ratio == np.inf
