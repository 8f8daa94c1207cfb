"""One-vs-rest, one-vs-one and multilabel: every binary model as if it were fitted alone, one
certificate for all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression as PeerRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from binary_models import KINDS, TIGHT, Array, Estimator, assert_same_models, away, joint_bound, labels_for
from fitted_models import data, exact
from polytome import LogisticRegression, MultilabelLogistic, OneVsOne, OneVsRest, Stop, read_table
from polytome.solvers import LBFGS, Newton


def assert_same_as_separate_fits(
    model: Estimator, alone: list[LogisticRegression], divisor: float | Array = 1.0, atol: float = 1e-6
) -> None:
    """Coefficients within what the certificates prove, and the proofs are sharp enough to mean
    something."""
    assert model.stop_ is Stop.CERTIFIED
    assert model.certificate_.kind == "proof"
    coefficients = np.vstack([one.coef_ for one in alone])
    proved = model.certificate_.coefficient_bound + joint_bound(alone)
    assert model.coef_.shape == coefficients.shape
    assert away(model.coef_ * divisor, coefficients * divisor) <= proved + 1e-12
    assert proved < 3e-4
    np.testing.assert_allclose(model.intercept_, np.concatenate([one.intercept_ for one in alone]), atol=atol)


# --- scikit-learn's own checks ---

ONE_COLUMN = "gives one label per row where a column per label is needed"
OTHER_VALUES = "gives labels other than 0 and 1"
EXPECTED_FAILURES = {
    "check_classifier_data_not_an_array": OTHER_VALUES,
    "check_classifier_not_supporting_multiclass": f"wants its own words where it {ONE_COLUMN}",
    "check_classifiers_classes": ONE_COLUMN,
    "check_classifiers_one_label": "wants a label that is always there to be fitted; its intercept would be infinite",
    "check_classifiers_one_label_sample_weights": ONE_COLUMN,
    "check_classifiers_regression_target": ONE_COLUMN,
    "check_classifiers_train": "takes the classes of one target for `classes_`",
    "check_complex_data": ONE_COLUMN,
    "check_decision_proba_consistency": ONE_COLUMN,
    "check_estimator_sparse_array": "expects two probabilities for one label",
    "check_estimator_sparse_matrix": "expects two probabilities for one label",
    "check_estimators_dtypes": OTHER_VALUES,
    "check_fit2d_1feature": OTHER_VALUES,
    "check_sample_weights_not_an_array": OTHER_VALUES,
    "check_sample_weights_not_overwritten": OTHER_VALUES,
    "check_sample_weights_pandas_series": OTHER_VALUES,
    "check_sample_weights_shape": OTHER_VALUES,
}


@parametrize_with_checks(
    [OneVsRest(), OneVsOne(), OneVsRest(solver="lbfgs"), MultilabelLogistic()],
    expected_failed_checks=lambda model: EXPECTED_FAILURES if isinstance(model, MultilabelLogistic) else {},
)
def test_scikit_learns_own_checks(estimator: object, check: object) -> None:
    """Those that fail ask a multilabel classifier to take a single target."""
    check(estimator)


@pytest.mark.parametrize("kind", KINDS)
def test_settings_and_tags(kind: type[Estimator]) -> None:
    model = kind(C=3.0, solver=Newton(), scale=2.0)
    assert is_classifier(model)
    assert clone(model).get_params() == model.get_params()
    assert model.__sklearn_tags__().classifier_tags.multi_label == (kind is MultilabelLogistic)
    with pytest.raises(NotFittedError):
        model.predict([[1.0]])


@pytest.mark.parametrize("n_labels", [2, 3])
def test_scorers_and_searches_take_the_multilabel_classifier(n_labels: int) -> None:
    X, Y = make_multilabel_classification(200, n_classes=n_labels, random_state=0)
    peer = OneVsRestClassifier(PeerRegression(solver="newton-cholesky", tol=1e-10))
    for scoring in ("accuracy", "f1_macro", "roc_auc", "average_precision"):
        ours = cross_val_score(MultilabelLogistic(tol=1e-10), X, Y, cv=3, scoring=scoring)
        np.testing.assert_allclose(ours, cross_val_score(peer, X, Y, cv=3, scoring=scoring), atol=1e-12)
    for method in ("predict_proba", "decision_function"):
        ours = cross_val_predict(MultilabelLogistic(tol=1e-10), X, Y, cv=3, method=method)
        np.testing.assert_allclose(ours, cross_val_predict(peer, X, Y, cv=3, method=method), atol=1e-3)
    search = GridSearchCV(MultilabelLogistic(), {"C": [1e-4, 1.0]}, cv=3).fit(X, Y)
    assert search.best_params_ == {"C": 1.0}


# --- the binary models, each as if it were alone ---

SETTINGS = [
    {},
    {"C": 0.05, "solver": "lbfgs"},
    {"C": 30.0, "scale": np.array([2.0, 1.0, 0.5, 3.0, 1.0])},
    {"fit_intercept": False},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=["default", "strong", "scaled", "no-intercept"])
@pytest.mark.parametrize("K", [3, 5])
def test_one_vs_rest_is_a_fit_per_class(K: int, settings: dict[str, Any]) -> None:
    X, y = data(K)
    weight = np.random.default_rng(1).uniform(0.2, 3.0, size=len(y))
    model = OneVsRest(tol=TIGHT, **settings).fit(X, y, weight)
    alone = [exact(**settings).fit(X, y == k, weight) for k in range(K)]
    assert_same_as_separate_fits(model, alone, settings.get("scale", 1.0))
    total = sum(one.certificate_.objective for one in alone)
    assert model.certificate_.objective == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("settings", SETTINGS, ids=["default", "strong", "scaled", "no-intercept"])
@pytest.mark.parametrize("K", [2, 3, 5])
def test_one_vs_one_is_a_fit_per_pair_on_its_rows(K: int, settings: dict[str, Any]) -> None:
    X, y = data(K)
    weight = np.random.default_rng(1).uniform(0.2, 3.0, size=len(y))
    model = OneVsOne(tol=TIGHT, **settings).fit(X, y, weight)
    pairs = [(i, j) for i in range(K) for j in range(i + 1, K)]
    assert model.pairs_.tolist() == [list(pair) for pair in pairs]
    rows = [np.isin(y, pair) for pair in pairs]
    alone = [exact(**settings).fit(X[own], y[own], weight[own]) for own in rows]
    assert_same_as_separate_fits(model, alone, settings.get("scale", 1.0))
    total = sum(weight[own].sum() * one.certificate_.objective for own, one in zip(rows, alone, strict=True))
    assert model.certificate_.objective * weight.sum() == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("settings", SETTINGS, ids=["default", "strong", "scaled", "no-intercept"])
@pytest.mark.parametrize("n_labels", [1, 3])
def test_multilabel_is_a_fit_per_label(n_labels: int, settings: dict[str, Any]) -> None:
    X, _ = data()
    Y = labels_for(MultilabelLogistic, X, n_labels)
    weight = np.random.default_rng(1).uniform(0.2, 3.0, size=len(Y))
    model = MultilabelLogistic(tol=TIGHT, **settings).fit(X, Y, weight)
    assert_same_as_separate_fits(model, [exact(**settings).fit(X, y, weight) for y in Y.T], settings.get("scale", 1.0))
    np.testing.assert_array_equal(model.predict(X), (model.predict_proba(X) > 0.5).astype(int))
    np.testing.assert_allclose(model.predict_proba(X), expit(X @ model.coef_.T + model.intercept_), rtol=1e-12)


def test_multilabel_of_probabilities_is_a_soft_fit_per_label() -> None:
    X, _ = data()
    P = np.random.default_rng(2).random((len(X), 3))
    P[:5, 1], P[5:9, 1] = 0.0, 1.0
    alone = [exact().fit(X, np.stack([1 - p, p], axis=1)) for p in P.T]
    assert_same_as_separate_fits(MultilabelLogistic(tol=TIGHT).fit(X, P), alone)


@pytest.mark.parametrize("kind", [OneVsRest, OneVsOne])
def test_two_classes_are_one_model(kind: type[Estimator]) -> None:
    X, y = data(2)
    names = np.array(["no", "yes"])
    model, plain = kind(tol=TIGHT).fit(X, names[y]), exact().fit(X, names[y])
    assert_same_as_separate_fits(model, [plain])
    np.testing.assert_allclose(model.decision_function(X), plain.decision_function(X), atol=1e-9)
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))
    if kind is OneVsRest:
        np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X), atol=1e-9)
    else:
        np.testing.assert_array_equal(model.votes(X), model.predict(X)[:, None] == names)


# --- predictions ---


def share_models(model: OneVsOne | OneVsRest, peer: Any) -> None:
    """Gives scikit-learn's binary models our coefficients."""
    for row, binary in enumerate(peer.estimators_):
        binary.coef_, binary.intercept_ = model.coef_[row : row + 1], model.intercept_[row : row + 1]


def peer_with_models_of(model: OneVsOne | OneVsRest, peer: Any, X: Array, y: Array) -> Any:
    """scikit-learn's classifier, its binary models replaced by ours."""
    peer.fit(X, y)
    share_models(model, peer)
    return peer


IRIS = load_iris(return_X_y=True)


def ties(votes: Array) -> Array:
    """Where two classes have the most votes."""
    ordered = np.sort(votes, axis=1)
    return ordered[:, -1] == ordered[:, -2]


@pytest.mark.parametrize("K", [3, 5])
def test_one_vs_one_predicts_what_scikit_learn_does(K: int) -> None:
    X, y = data(K, n=200)
    model = OneVsOne().fit(X, y)
    peer = peer_with_models_of(model, OneVsOneClassifier(PeerRegression()), X, y)
    wide = 3 * np.random.default_rng(5).normal(size=(2000, X.shape[1]))
    assert ties(model.votes(wide)).any()
    np.testing.assert_array_equal(model.predict(wide), peer.predict(wide))
    np.testing.assert_allclose(model.decision_function(wide), peer.decision_function(wide), rtol=1e-12)


@pytest.fixture(scope="module")
def four_classes() -> tuple[OneVsOne, Any]:
    """A fit of four classes in two columns, and scikit-learn's."""
    X, y = data(4, n=40, d=2)
    model = OneVsOne().fit(X, y)
    return model, peer_with_models_of(model, OneVsOneClassifier(PeerRegression()), X, y)


@given(
    coefficients=st.lists(st.integers(-2, 2), min_size=12, max_size=12),
    intercepts=st.lists(st.integers(-1, 1), min_size=6, max_size=6),
)
def test_ties_of_votes_of_confidence_and_of_scores(
    four_classes: tuple[OneVsOne, Any], coefficients: list[int], intercepts: list[int]
) -> None:
    """Whole numbers tie often and without rounding: scores of zero, equal votes, equal
    confidence."""
    model, peer = four_classes
    model.coef_, model.intercept_ = np.reshape(coefficients, (6, 2)).astype(float), np.array(intercepts, dtype=float)
    share_models(model, peer)
    grid = np.array([[a, b] for a in range(-2, 3) for b in range(-2, 3)], dtype=float)
    np.testing.assert_array_equal(model.predict(grid), peer.predict(grid))
    np.testing.assert_array_equal(model.decision_function(grid), peer.decision_function(grid))


def test_confidence_decides_a_circle_of_votes() -> None:
    """b beats a, a beats c, c beats b: one vote each; the scores for a, b, c add up to 2 - 3, 3 - 1
    and 1 - 2."""
    model = OneVsOne().fit(IRIS[0], np.array(["a", "b", "c"])[IRIS[1]])
    model.coef_, model.intercept_ = np.zeros((3, 4)), np.array([3.0, -2.0, 1.0])
    row = np.zeros((1, 4))
    assert model.votes(row).tolist() == [[1, 1, 1]]
    assert model.predict(row).tolist() == ["b"]
    expected = [1 - 1 / 6, 1 + 2 / 9, 1 - 1 / 6]
    np.testing.assert_allclose(model.decision_function(row)[0], expected, rtol=1e-15)
    # However large a score, one vote more counts for more.
    model.intercept_ = np.array([-1e-9, -1e-9, 1e9])
    assert model.predict(row).tolist() == ["a"]


@pytest.mark.parametrize("K", [3, 5])
def test_one_vs_rest_predicts_what_scikit_learn_does(K: int) -> None:
    X, y = data(K, n=200)
    model = OneVsRest().fit(X, y)
    peer = peer_with_models_of(model, OneVsRestClassifier(PeerRegression()), X, y)
    wide = 3 * np.random.default_rng(5).normal(size=(2000, X.shape[1]))
    np.testing.assert_array_equal(model.predict(wide), peer.predict(wide))
    np.testing.assert_allclose(model.decision_function(wide), peer.decision_function(wide), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(model.predict_proba(wide), peer.predict_proba(wide), rtol=1e-9)


def test_probabilities_where_every_sigmoid_underflows() -> None:
    """Far below zero a sigmoid is an exponential, and exponentials in proportion are a softmax."""
    model = OneVsRest().fit(*IRIS)
    model.coef_ = np.zeros((3, 4))
    model.intercept_ = np.array([-800.0, -801.0, -5000.0])
    np.testing.assert_array_equal(expit(model.intercept_), 0.0)
    p = model.predict_proba(np.zeros((2, 4)))
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-15)
    np.testing.assert_allclose(p[0, :2], expit([1.0, -1.0]), rtol=1e-14)
    model.intercept_ = np.array([1000.0, 40.0, -1000.0])
    np.testing.assert_allclose(model.predict_proba(np.zeros((1, 4))), [[0.5, 0.5, 0.0]], rtol=1e-15)


# --- certificates ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_the_certificate_is_of_the_returned_coefficients(kind: type[Estimator], solver: str) -> None:
    """Objective and gap recomputed from `coef_` and `intercept_` in plain NumPy."""
    X, _ = data(n=200)
    target, C = labels_for(kind, X), 0.5
    model = kind(C=C, tol=1e-3, solver=solver).fit(X, target)
    strength, scores = 1 / (C * len(X)), X @ model.coef_.T + model.intercept_
    counts = np.ones(scores.shape)
    if kind is MultilabelLogistic:
        present = target
    elif kind is OneVsRest:
        present = target[:, None] == np.arange(4)
    else:
        present = target[:, None] == model.pairs_[:, 1]
        counts = (target[:, None] == model.pairs_[:, 0]) | present
    losses = np.logaddexp(0, scores) - present * scores
    value = (counts * losses).sum() / len(X) + strength / 2 * (model.coef_**2).sum()
    residual = counts * (expit(scores) - present)
    gradient = residual.T @ X / len(X) + strength * model.coef_
    certificate = model.certificate_
    assert model.stop_ is Stop.CERTIFIED
    assert certificate.holds
    assert certificate.objective == pytest.approx(value, rel=1e-12)
    assert certificate.gap == pytest.approx((gradient**2).sum() / (2 * strength), rel=1e-6)
    assert certificate.strength == pytest.approx(strength, rel=1e-15)
    assert model.objective_.value == certificate.objective
    np.testing.assert_allclose(residual.sum(axis=0), 0.0, atol=1e-8)
    best = kind(C=C, tol=TIGHT).fit(X, target)
    assert 0 < certificate.objective - best.certificate_.objective <= certificate.gap
    assert away(model.coef_, best.coef_) <= certificate.coefficient_bound + best.certificate_.coefficient_bound


@pytest.mark.parametrize("kind", KINDS)
def test_without_penalty_the_curvature_proves_the_distance(kind: type[Estimator]) -> None:
    X, _ = data(n=200)
    target = labels_for(kind, X, 3)
    model = kind(C=np.inf, tol=1e-9).fit(X, target)
    assert model.stop_ is Stop.CERTIFIED
    assert model.certificate_.is_of_curvature
    best = kind(C=np.inf, tol=1e-12).fit(X, target)
    np.testing.assert_allclose(model.coef_, best.coef_, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_separated_classes_without_penalty_warn_what_to_do(kind: type[Estimator]) -> None:
    X, y = IRIS[0][:100], IRIS[1][:100]
    with pytest.warns(ConvergenceWarning, match=r"separated perfectly.*use a penalty") as caught:
        model = kind(C=np.inf).fit(X, y[:, None] == [0, 1] if kind is MultilabelLogistic else y)
    assert model.stop_ is Stop.SEPARATED
    assert model.score(X, y[:, None] == [0, 1] if kind is MultilabelLogistic else y) == 1.0
    assert caught[0].filename == __file__


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize(("kind", "named"), [(OneVsRest, "far"), (OneVsOne, "far against left, far against right")])
def test_the_models_that_separate_are_named_where_others_have_an_optimum(kind, named: str, solver: str) -> None:
    x = np.array([0.0, 1.0, 2.0, 3.0, 1.5, 2.5, 3.5, 4.5, 20.0, 21.0])
    X, y = np.column_stack([x, x * x]), np.repeat(["left", "right", "far"], [4, 4, 2])
    with pytest.warns(ConvergenceWarning, match=f"separated perfectly.*concerns {named}, and not the others"):
        model = kind(C=np.inf, tol=1e-8, solver=solver).fit(X, y)
    assert model.stop_ is Stop.SEPARATED
    if kind is OneVsOne:  # left against right, the one with an optimum
        alone = LogisticRegression(C=np.inf, tol=1e-12).fit(X[:8], y[:8])
        assert alone.stop_ is Stop.CERTIFIED
        np.testing.assert_allclose(model.coef_[2], alone.coef_[0], atol=1e-3)
    assert kind(C=1.0).fit(X, y).stop_ is Stop.CERTIFIED


def test_a_label_that_is_separated_is_named() -> None:
    X = np.arange(6.0)[:, None]
    Y = np.column_stack([[0, 0, 0, 1, 1, 1], [0, 1, 0, 1, 0, 1]])
    with pytest.warns(ConvergenceWarning, match="concerns 0, and not the others"):
        assert MultilabelLogistic(C=np.inf, tol=1e-8).fit(X, Y).stop_ is Stop.SEPARATED


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_cut_short_warns_where_it_was_called(kind: type[Estimator]) -> None:
    X, _ = data()
    with pytest.warns(ConvergenceWarning, match="raise max_iter") as caught:
        model = kind(max_iter=1, tol=1e-10).fit(X, labels_for(kind, X))
    assert str(model.certificate_) in str(caught[0].message)
    assert not model.certificate_.holds
    assert caught[0].filename == __file__


@pytest.mark.data
def test_letters() -> None:
    """325 pairs and 26 letters: the certificates hold, and some of the models are those of separate
    fits."""
    if "POLYTOME_DATA" not in os.environ:
        pytest.skip("POLYTOME_DATA is not set")
    table = read_table(Path(os.environ["POLYTOME_DATA"], "letter/letter.scale"))
    X, y = table.X.toarray()[::3], np.asarray(table.y)[::3]
    pairs, rest = OneVsOne(tol=1e-8).fit(X, y), OneVsRest(tol=1e-8).fit(X, y)
    assert isinstance(pairs.solver_.solver, Newton)
    for model in (pairs, rest):
        assert model.stop_ is Stop.CERTIFIED
        assert model.certificate_.kind == "proof"
    for pair in (0, 100, 324):
        first, second = pairs.classes_[pairs.pairs_[pair]]
        own = (y == first) | (y == second)
        alone = LogisticRegression(tol=1e-8).fit(X[own], y[own])
        bound = pairs.certificate_.coefficient_bound + alone.certificate_.coefficient_bound
        assert away(pairs.coef_[pair], alone.coef_[0]) <= bound
    alone = LogisticRegression(tol=1e-8).fit(X, y == rest.classes_[7])
    assert away(rest.coef_[7], alone.coef_[0]) <= joint_bound([rest]) + joint_bound([alone])
    assert pairs.score(X, y) > rest.score(X, y) > 0.7


def test_solvers_can_be_given() -> None:
    X, y = data()
    models = [OneVsOne(solver=solver, tol=TIGHT).fit(X, y) for solver in (Newton(), LBFGS(), "gradient-descent")]
    for model in models[1:]:
        assert_same_models(model, models[0])
