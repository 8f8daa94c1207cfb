"""Classes without weight stay classes, are never predicted, and leave the certificate true."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression as PeerRegression
from sklearn.metrics import log_loss
from sklearn.tree import DecisionTreeClassifier

import polytome
from fitted_models import assert_same_model, data, exact
from polytome import LogisticRegression, MultilabelLogistic, OneVsOne, OneVsRest
from polytome.errors import ArgumentError, DataError
from polytome.models.certain_outputs import CERTAIN

EVERY_SOLVER = ("auto", "newton", "lbfgs", "dual", "gradient-descent", "sgd")
LABELS = np.array(["ant", "bee", "cat", "dog"])


def value(model: LogisticRegression, X: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> float:
    """The objective that `LogisticRegression` states, in exact sums of the losses of all
    classes."""
    scores = X @ model.coef_.T + model.intercept_
    scores = np.hstack([np.zeros_like(scores), scores]) if scores.shape[1] == 1 else scores
    total = math.fsum(weight)
    losses = []
    for row, code, one in zip(scores.tolist(), codes.tolist(), weight.tolist(), strict=True):
        others = math.fsum(math.exp(score - row[code]) for k, score in enumerate(row) if k != code)
        losses.append(one * math.log1p(others))
    return math.fsum(losses) / total + float((model.coef_**2).sum()) / (2 * model.C * total)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix, sparse.csc_array])
@pytest.mark.parametrize("by", ["sample_weight", "class_weight"])
def test_a_class_without_weight_is_kept_and_never_predicted(by: str, storage: Any) -> None:
    X, y = data(4)
    kept = y != 2
    settings = {"class_weight": {"cat": 0}} if by == "class_weight" else {}
    weight = kept.astype(float) if by == "sample_weight" else None
    model = exact(**settings).fit(storage(X), LABELS[y], weight)
    assert model.classes_.tolist() == LABELS.tolist()
    others = exact().fit(storage(X[kept]), LABELS[y[kept]])
    np.testing.assert_allclose(model.coef_[[0, 1, 3]], others.coef_, atol=1e-6)
    np.testing.assert_allclose(model.intercept_[[0, 1, 3]], others.intercept_, atol=1e-6)
    assert (model.coef_[2] == 0).all()
    probabilities = model.predict_proba(10 * X)
    assert (probabilities[:, 2] > 0).all()
    assert (probabilities[:, 2] < 1e-40).all()
    assert np.isfinite(model.predict_log_proba(1e6 * X)).all()
    assert "cat" not in model.predict(X)


@pytest.mark.parametrize("K", [3, 4])
def test_the_certificate_bounds_the_distance_from_the_infimum(K: int) -> None:
    """Of the objective with all classes, which a fit of scikit-learn does not bring below the
    bound."""
    X, y = data(K)
    weight = np.where(y == 1, 0.0, np.random.default_rng(2).uniform(0.5, 2.0, len(y)))
    model = LogisticRegression(tol=1e-6).fit(X, y, weight)
    certificate = model.certificate_
    reached = value(model, X, y, weight)
    assert reached == pytest.approx(certificate.objective, rel=1e-12)
    peer = PeerRegression(tol=1e-10, max_iter=10_000).fit(X, y, weight)
    assert reached - value(peer, X, y, weight) <= certificate.gap
    assert certificate.holds
    assert certificate.gap > math.exp(-CERTAIN)


def test_two_classes_of_three_keep_the_penalty_of_a_softmax() -> None:
    """As in scikit-learn: each has coefficients of its own, which sum to zero."""
    X, y = data(3)
    weight = (y != 0).astype(float)
    model = exact().fit(X, y, weight)
    peer = PeerRegression(tol=1e-12, max_iter=10_000).fit(X, y, weight)
    np.testing.assert_allclose(model.coef_[1:], peer.coef_[1:], atol=1e-3)
    np.testing.assert_allclose(model.coef_[1], -model.coef_[2], atol=1e-9)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("solver", EVERY_SOLVER)
@pytest.mark.parametrize(("K", "only"), [(2, 0), (2, 1), (4, 2)])
def test_one_class_of_weight_is_a_constant(K: int, only: int, solver: str) -> None:
    X, y = data(K)
    model = LogisticRegression(solver=solver).fit(X, y, y == only)
    assert model.classes_.tolist() == list(range(K))
    assert model.predict(100 * X).tolist() == [only] * len(y)
    assert (model.coef_ == 0).all()
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (len(y), K)
    assert (probabilities[:, only] == 1).all()
    assert (probabilities > 0).all()
    certificate = model.certificate_
    assert certificate.holds
    assert 0 < value(model, X, y, (y == only).astype(float)) <= certificate.gap
    assert "0 %" in str(certificate) or "e-" in str(certificate)
    assert "nothing to learn" in str(model.solver_)


def test_without_intercepts_every_class_has_an_optimum() -> None:
    """The class without weight is pushed away as far as the penalty lets it be."""
    X, y = data(3)
    weight = (y != 1).astype(float)
    model = exact(fit_intercept=False).fit(X, y, weight)
    peer = PeerRegression(fit_intercept=False, tol=1e-12, max_iter=10_000).fit(X, y, weight)
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-5)
    assert (model.coef_[1] != 0).all()
    alone = exact(fit_intercept=False).fit(X, y == 1, y != 1)
    assert alone.certificate_.holds
    assert (alone.coef_ != 0).any()


def test_a_column_of_soft_labels_without_weight() -> None:
    X, _ = data(3)
    soft = np.random.default_rng(5).dirichlet(np.ones(2), size=len(X))
    model = exact().fit(X, np.insert(soft, 1, 0.0, axis=1))
    assert model.classes_.tolist() == [0, 1, 2]
    assert (model.predict_proba(X)[:, 1] < 1e-40).all()
    odd = np.insert(soft, 1, 0.0, axis=1)
    odd[:5] = [0.2, 0.7, 0.1]  # the rows that have this class do not count
    again = exact().fit(X, odd, np.arange(len(X)) >= 5)
    without = exact().fit(X[5:], np.insert(soft, 1, 0.0, axis=1)[5:])
    assert_same_model(again, without)


def test_a_warm_start_after_a_fit_without_the_class() -> None:
    X, y = data(3)
    model = exact(warm_start=True).fit(X, y, y != 1)
    assert_same_model(model.fit(X, y), exact().fit(X, y))
    assert_same_model(model.fit(X, y, y != 1), exact().fit(X, y, y != 1))


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_one_against_the_rest_without_a_class(storage: Any) -> None:
    X, y = data(4)
    model = OneVsRest(tol=1e-12).fit(storage(X), y, y != 2)
    others = OneVsRest(tol=1e-12).fit(storage(X[y != 2]), y[y != 2])
    assert model.classes_.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(model.coef_[[0, 1, 3]], others.coef_, atol=1e-6)
    assert model.intercept_[2] == -CERTAIN
    assert 2 not in model.predict(X)
    assert model.predict_proba(X)[:, 2].max() < 1e-40
    alone = OneVsRest().fit(storage(X), y, y == 3)
    assert set(alone.predict(X)) == {3}
    assert alone.predict_proba(X).shape == (len(y), 4)
    two = OneVsRest().fit(storage(X), y > 1, y > 1)
    assert two.predict(X).all()


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_pairs_without_a_class(storage: Any) -> None:
    X, y = data(4)
    model = OneVsOne(tol=1e-12).fit(storage(X), y, y != 1)
    others = OneVsOne(tol=1e-12).fit(storage(X[y != 1]), y[y != 1])
    assert model.pairs_.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    np.testing.assert_allclose(model.coef_[[1, 2, 5]], others.coef_, atol=1e-6)
    assert model.intercept_[[0, 3, 4]].tolist() == [-CERTAIN, CERTAIN, CERTAIN]
    np.testing.assert_array_equal(model.predict(X), others.predict(X))
    alone = OneVsOne().fit(storage(X), y, y == 1)
    assert set(alone.predict(X)) == {1}


def test_a_label_that_weights_make_constant() -> None:
    X, y = data(3)
    table = (y[:, None] == np.arange(3)).astype(int)
    weight = (y != 2).astype(float)
    model = MultilabelLogistic(tol=1e-12).fit(X, table, weight)
    np.testing.assert_allclose(model.predict_proba(X)[:, 2], 0.0, atol=1e-40)
    others = MultilabelLogistic(tol=1e-12).fit(X[y != 2], table[y != 2, :2])
    np.testing.assert_allclose(model.coef_[:2], others.coef_, atol=1e-6)
    alone = MultilabelLogistic().fit(X, table, y == 2)
    assert alone.predict(X).tolist() == [[0, 0, 1]] * len(y)


@pytest.mark.parametrize("kind", [LogisticRegression, OneVsRest, OneVsOne])
def test_ensembles_of_rare_classes(kind: type) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), np.repeat([0, 1, 2], [35, 3, 2])
    bags = BaggingClassifier(kind(), n_estimators=20, max_samples=0.25, random_state=0).fit(X, y)
    assert bags.predict(X).shape == (40,)
    weight = (y != 2).astype(float)
    models = [("ours", LogisticRegression()), ("tree", DecisionTreeClassifier(random_state=0))]
    vote = VotingClassifier(models, voting="soft").fit(X, y, sample_weight=weight)
    assert vote.predict_proba(X).shape == (40, 3)
    assert log_loss(y, LogisticRegression().fit(X, y, weight).predict_proba(X), sample_weight=weight) < 1
    assert AdaBoostClassifier(kind(), n_estimators=3).fit(X, y).predict_proba(X).shape == (40, 3)


def test_balanced_weights_count_the_classes_that_have_weight() -> None:
    X, y = data(4)
    weight = np.where(y == 0, 0.0, 1.0 + np.arange(len(y)) % 3)
    model = exact(class_weight="balanced").fit(X, y, weight)
    others = exact(class_weight="balanced").fit(X[y != 0], y[y != 0], weight[y != 0])
    np.testing.assert_allclose(model.coef_[1:], others.coef_, atol=1e-6)


def test_keys_of_class_weight() -> None:
    """A key that is not a class is refused, unless every class has its weight: a fold may lack a
    rare class."""
    X, y = data(2)
    for given in ({"0": 1, "1": 5}, {1: 5, 7: 1}, {0: 2, "1": 5}):
        with pytest.raises(ArgumentError, match="not among the classes of y"):
            LogisticRegression(class_weight=given).fit(X, y)
    with pytest.raises(ArgumentError, match="'True', not among the classes of y"):
        LogisticRegression(class_weight={"True": 50}).fit(X, y == 1)
    given = exact(class_weight={0: 2.0, 1: 3.0, 2: 9.0}).fit(X, y)
    assert_same_model(given, exact(class_weight={0: 2.0, 1: 3.0}).fit(X, y))
    partly = exact(class_weight={1: 3.0}).fit(X, y == 1)
    assert_same_model(partly, exact(class_weight={False: 1.0, True: 3.0}).fit(X, y == 1))


def test_what_still_has_no_fit() -> None:
    X, y = data(3)
    with pytest.raises(DataError, match="only one class"):
        LogisticRegression().fit(X, np.ones(len(y)))
    with pytest.raises(DataError, match="leave every row with weight 0"):
        LogisticRegression(class_weight={0: 0}).fit(X, y, y == 0)


def test_such_a_model_is_saved_and_loaded(tmp_path: Any) -> None:
    X, y = data(3)
    for weight in (y != 1, y == 1):
        model = LogisticRegression().fit(X, y, weight)
        model.save(tmp_path / "model.safetensors")
        again = polytome.load(tmp_path / "model.safetensors")
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        assert again.certificate_ == model.certificate_
