"""A scikit-learn classifier in every respect: its own checks, and the tools that wrap
classifiers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression as PeerRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from polytome import LogisticRegression

IRIS = load_iris(as_frame=True)
X, y = IRIS.data.to_numpy(), IRIS.target.to_numpy()


@parametrize_with_checks(
    [
        LogisticRegression(),
        LogisticRegression(solver="lbfgs"),
        LogisticRegression(scale="standard", class_weight="balanced"),
    ]
)
def test_scikit_learns_own_checks(estimator: object, check: object) -> None:
    """None is expected to fail."""
    check(estimator)


def test_it_is_a_classifier_with_scikit_learns_parameters() -> None:
    model = LogisticRegression()
    assert is_classifier(model)
    settings = model.get_params()
    shared = {"C", "l1_ratio", "fit_intercept", "class_weight", "warm_start", "max_iter", "tol", "random_state"}
    assert shared | {"solver", "verbose"} <= set(settings)
    assert shared <= set(PeerRegression().get_params())
    assert clone(model.set_params(C=3.0)).get_params() == {**settings, "C": 3.0}


def test_pipeline() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-10)).fit(X, y)
    peer = make_pipeline(StandardScaler(), PeerRegression(tol=1e-10, max_iter=1000, solver="newton-cg")).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=1e-6)


def test_pipeline_with_weights() -> None:
    weight = np.arange(150) % 3
    model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-10))
    model.fit(X, y, logisticregression__sample_weight=weight)
    direct = LogisticRegression(tol=1e-10).fit(StandardScaler().fit_transform(X), y, weight)
    np.testing.assert_allclose(model[-1].coef_, direct.coef_, atol=1e-12)


def test_grid_search() -> None:
    search = GridSearchCV(LogisticRegression(), {"C": [1e-4, 1.0, 100.0], "scale": [None, "standard"]}, cv=3).fit(X, y)
    assert search.best_score_ > 0.94
    assert search.best_params_["C"] > 1e-4
    assert search.best_estimator_.certificate_.holds


def test_grid_search_in_two_processes_gives_the_same() -> None:
    scores = [
        GridSearchCV(LogisticRegression(), {"C": [0.01, 1.0]}, cv=3, n_jobs=jobs)
        .fit(X, y)
        .cv_results_["mean_test_score"]
        for jobs in (1, 2)
    ]
    np.testing.assert_array_equal(scores[0], scores[1])


def test_randomized_search_and_cross_validation() -> None:
    search = RandomizedSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, n_iter=2, cv=3, random_state=0).fit(X, y)
    assert search.best_score_ > 0.94
    assert cross_val_score(LogisticRegression(), X, y, scoring="neg_log_loss").mean() > -0.25


def test_cross_val_predict_equals_scikit_learns() -> None:
    ours = cross_val_predict(LogisticRegression(tol=1e-10), X, y, method="predict_proba")
    theirs = cross_val_predict(
        PeerRegression(solver="newton-cg", tol=1e-10, max_iter=1000), X, y, method="predict_proba"
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("wrapper", [OneVsRestClassifier, OneVsOneClassifier])
def test_binary_reductions(wrapper: type) -> None:
    ours = wrapper(LogisticRegression(tol=1e-10)).fit(X, y)
    theirs = wrapper(PeerRegression(solver="newton-cholesky", tol=1e-10)).fit(X, y)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(method: str) -> None:
    model = CalibratedClassifierCV(LogisticRegression(), method=method, cv=3).fit(X, y)
    assert model.score(X, y) > 0.9
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)


def test_voting_stacking_and_bagging() -> None:
    members = [("ours", LogisticRegression()), ("bayes", GaussianNB())]
    vote = VotingClassifier(members, voting="soft").fit(X, y)
    mean = (LogisticRegression().fit(X, y).predict_proba(X) + GaussianNB().fit(X, y).predict_proba(X)) / 2
    np.testing.assert_allclose(vote.predict_proba(X), mean, atol=1e-12)
    assert StackingClassifier(members, LogisticRegression(), cv=3).fit(X, y).score(X, y) > 0.94
    assert BaggingClassifier(LogisticRegression(), n_estimators=3, random_state=0).fit(X, y).score(X, y) > 0.94


def test_selection_by_coefficients() -> None:
    data, target = load_breast_cancer(return_X_y=True)
    model = LogisticRegression(scale="standard")
    kept = SelectFromModel(model, threshold="median").fit(StandardScaler().fit_transform(data), target)
    assert kept.get_support().sum() == 15
    assert RFE(LogisticRegression(), n_features_to_select=2).fit(X, y).support_.tolist() == [False, False, True, True]
    importance = permutation_importance(LogisticRegression().fit(X, y), X, y, n_repeats=3, random_state=0)
    assert importance.importances_mean.argmax() in (2, 3)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_and_their_column_names(library: str) -> None:
    frame = IRIS.data if library == "pandas" else pl.from_pandas(IRIS.data)
    model = LogisticRegression(tol=1e-10).fit(frame, IRIS.target)
    assert model.feature_names_in_.tolist() == IRIS.feature_names
    np.testing.assert_allclose(model.coef_, LogisticRegression(tol=1e-10).fit(X, y).coef_, atol=1e-12)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        from_array = model.predict(X)
    np.testing.assert_array_equal(model.predict(frame), from_array)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output(library: str) -> None:
    frame = IRIS.data if library == "pandas" else pl.from_pandas(IRIS.data)
    scaler = StandardScaler().set_output(transform=library)
    model = make_pipeline(scaler, LogisticRegression()).fit(frame, y)
    assert model[-1].feature_names_in_.tolist() == IRIS.feature_names
    assert model.score(frame, y) > 0.94


def test_mixed_table_through_a_column_transformer() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(size=60), "city": rng.choice(["Rome", "Oslo", "Lima"], size=60)})
    target = np.where((frame["city"] == "Oslo") | (frame["age"] > 1), "yes", "no")
    encode = ColumnTransformer([("city", OneHotEncoder(), ["city"])], remainder="passthrough")
    model = make_pipeline(encode, LogisticRegression(C=100)).fit(frame, target)
    assert model.score(frame, target) > 0.9
    assert model.classes_.tolist() == ["no", "yes"]


def test_text() -> None:
    texts = ["good film", "bad film", "very good", "very bad", "good good", "bad bad"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0, 1, 0])
    assert model.predict(["a good one", "a bad one"]).tolist() == [1, 0]
