"""Paired differences: of known models, against scikit-learn and SciPy, and seeded."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as peer
from sklearn.datasets import load_breast_cancer, load_iris

from polytome.errors import ArgumentError, DataError
from polytome.evaluation.comparison import Opinion, compare, compare_opinions, mcnemar
from polytome.models.linear import LinearRegression
from polytome.models.logistic import LogisticRegression
from polytome.models.neurons import Perceptron


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    weak = LogisticRegression(C=1e-5, scale="standard").fit(X[::2], y[::2])
    strong = LogisticRegression(scale="standard").fit(X[::2], y[::2])
    return weak, strong, X[1::2], y[1::2]


@pytest.mark.parametrize("counts", [(0, 0), (3, 3), (1, 9), (20, 4), (0, 60)])
def test_mcnemar_is_a_binomial_test(counts):
    wanted = stats.binomtest(counts[0], sum(counts)).pvalue if sum(counts) else 1.0
    assert mcnemar(*counts) == pytest.approx(wanted, rel=1e-9)


def test_measures_are_scikit_learns_and_differences_theirs(cancer):
    weak, strong, X, y = cancer
    found = {each.name: each for each in compare(weak, strong, X, y).differences}
    for name, score in (
        ("accuracy", lambda m: peer.accuracy_score(y, m.predict(X))),
        ("AUC", lambda m: peer.roc_auc_score(y, m.predict_proba(X)[:, 1])),
        ("log loss, nats", lambda m: peer.log_loss(y, m.predict_proba(X))),
    ):
        each = found[name]
        assert (each.first, each.second) == pytest.approx((score(weak), score(strong)), rel=1e-9)
        assert each.difference == each.second - each.first
        assert each.low <= each.difference <= each.high
    assert found["log loss, nats"].high < 0  # the stronger model is better beyond chance


def test_the_bootstrap_interval_of_a_mean_is_that_of_the_central_limit(cancer):
    weak, strong, X, y = cancer
    found = compare(weak, strong, X, y).differences[-1]
    losses = [-m.predict_log_proba(X)[np.arange(len(y)), y] for m in (weak, strong)]
    error = 1.96 * (losses[1] - losses[0]).std(ddof=1) / np.sqrt(len(y))
    assert found.low == pytest.approx(found.difference - error, abs=0.2 * error)
    assert found.high == pytest.approx(found.difference + error, abs=0.2 * error)


def test_seeds_decide_and_order_turns_signs(cancer):
    weak, strong, X, y = cancer
    one, again, other = (compare(weak, strong, X, y, seed=seed) for seed in (1, 1, 2))
    assert one.differences == again.differences != other.differences
    turned = compare(strong, weak, X, y, seed=1)
    for here, there in zip(one.differences, turned.differences, strict=True):
        assert (here.difference, here.low, here.high) == pytest.approx((-there.difference, -there.high, -there.low))
    assert one.rows_of_one(True).tolist() == turned.rows_of_one(False).tolist()


def test_who_is_right_where(cancer):
    weak, strong, X, y = cancer
    found = compare(weak, strong, X, y)
    right, also = weak.predict(X) == y, strong.predict(X) == y
    assert found.rows_of_one(False).tolist() == np.flatnonzero(right & ~also).tolist()
    assert found.rows_of_one(True).tolist() == np.flatnonzero(also & ~right).tolist()
    assert found.n_both_right == (right & also).sum()
    assert found.n_both_wrong == (~right & ~also).sum()
    assert found.agreement == (weak.predict(X) == strong.predict(X)).mean()
    assert found.to_json()["second_right_rows"] == (np.flatnonzero(also & ~right) + 1).tolist()


def test_a_model_does_not_differ_from_itself(cancer):
    _, strong, X, y = cancer
    found = compare(strong, strong, X, y)
    assert [each[3:] for each in found.differences] == [(0.0, 0.0, 0.0)] * 3
    assert (found.p_value, found.agreement, found.n_first_right, found.n_second_right) == (1.0, 1.0, 0, 0)


def test_classes_in_another_order_are_the_same_classes():
    X, y = load_iris(return_X_y=True)
    y = np.array(["a", "b", "c"])[y]
    model = LogisticRegression(C=0.01).fit(X, y)
    p, codes = model.predict_log_proba(X), np.searchsorted(model.classes_, y)
    turn = np.array([2, 0, 1])  # classes c, a, b
    opinion = Opinion(model.classes_[turn], np.argsort(turn)[codes], p[:, turn].argmax(axis=1), p[:, turn])
    found = compare_opinions(Opinion.of(model, X, y), opinion)
    assert all(each.difference == 0 for each in found.differences)
    assert found.agreement == 1
    auc = np.mean([peer.roc_auc_score(codes == k, p[:, k]) for k in range(3)])
    assert found.differences[1].first == pytest.approx(auc)


def test_rows_with_other_labels_are_left_out(cancer):
    weak, strong, X, y = cancer
    found = compare(weak, strong, X, np.where(np.arange(len(y)) == 3, 7, y))
    assert (found.n_rows, found.n_left_out) == (len(y) - 1, 1)
    assert 3 not in found.rows


def test_without_probabilities_decisions_are_compared(cancer):
    weak, _, X, y = cancer
    found = compare(weak, Perceptron(epochs=2).fit(X, y), X, y)
    assert [each.name for each in found.differences] == ["accuracy"]


def test_what_cannot_be_compared_is_refused(cancer):
    weak, _, X, y = cancer
    others = LogisticRegression().fit(X, np.where(y == 1, "yes", "no"))
    with pytest.raises(ArgumentError, match=r"different classes \(0, 1, no, yes are of one only\)"):
        compare(weak, others, X, y)
    with pytest.raises(DataError, match="no row has a label"):
        compare(weak, weak, X, np.full(len(y), 9))
    with pytest.raises(ArgumentError, match="two models are compared by classes"):
        compare(weak, LinearRegression().fit(X, y), X, y)
    turned = Opinion.of(weak, X, 1 - y)
    with pytest.raises(DataError, match="row 1: the two models read different labels"):
        compare_opinions(Opinion.of(weak, X, y), turned)
