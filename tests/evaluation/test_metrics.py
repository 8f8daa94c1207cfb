from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer
from sklearn.datasets import load_iris

from polytome.errors import DataError
from polytome.evaluation.metrics import (
    accuracy,
    class_codes,
    class_counts,
    confused_pairs,
    confusion_matrix,
    evaluate,
    log_loss,
    null_log_loss,
)
from polytome.models.logistic import LogisticRegression

IRIS = load_iris()
NAMES = IRIS.target_names[IRIS.target]


@pytest.fixture(scope="module")
def model() -> LogisticRegression:
    return LogisticRegression().fit(IRIS.data, NAMES)


def test_agrees_with_scikit_learn(model: LogisticRegression) -> None:
    evaluation = evaluate(model, IRIS.data, NAMES)
    predicted = model.predict(IRIS.data)
    assert evaluation.accuracy == peer.accuracy_score(NAMES, predicted)
    assert evaluation.log_loss == pytest.approx(peer.log_loss(NAMES, model.predict_proba(IRIS.data)), rel=1e-12)
    assert (evaluation.confusion == peer.confusion_matrix(NAMES, predicted)).all()
    assert evaluation.null_log_loss == pytest.approx(np.log(3), rel=1e-15)
    assert evaluation.null_accuracy == pytest.approx(1 / 3, rel=1e-15)
    assert evaluation.unseen == {}
    assert evaluation.accuracy_of_all == evaluation.accuracy


def test_unseen_labels_are_counted_and_left_out(model: LogisticRegression) -> None:
    y = NAMES.astype("<U20")
    y[[3, 60, 61]] = ["rose", "tulip", "rose"]
    known = ~np.isin(y, ["rose", "tulip"])
    evaluation, alone = evaluate(model, IRIS.data, y), evaluate(model, IRIS.data[known], y[known])
    assert evaluation.unseen == {"rose": 2, "tulip": 1}
    assert (evaluation.n_rows, evaluation.n_unseen) == (150, 3)
    assert evaluation.accuracy == alone.accuracy
    assert evaluation.log_loss == alone.log_loss
    assert (evaluation.confusion == alone.confusion).all()
    assert evaluation.accuracy_of_all == pytest.approx((model.predict(IRIS.data) == y).mean(), rel=1e-15)


def test_no_known_label_at_all_is_an_error(model: LogisticRegression) -> None:
    with pytest.raises(DataError, match=r"no label is one of.*\['rose'\].*'setosa'"):
        evaluate(model, IRIS.data, np.full(150, "rose"))


def test_numbers_are_not_the_texts_that_spell_them() -> None:
    assert class_codes(np.array([0, 1]), np.array(["0", "1"])).tolist() == [-1, -1]


def test_codes_follow_the_order_of_the_classes() -> None:
    assert class_codes(np.array([7, 3, 5]), np.array([5, 7, 3])).tolist() == [1, 2, 0]


def test_log_loss_is_finite_where_the_probability_is_zero() -> None:
    X, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
    model = LogisticRegression(C=1e3).fit(X, y)
    far = np.array([[1e4]])
    assert model.predict_proba(far)[0, 0] == 0
    evaluation = evaluate(model, far, np.array([0]))
    assert evaluation.log_loss == pytest.approx(model.decision_function(far)[0], rel=1e-14)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(0, 2**32 - 1))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_null_log_loss_is_the_smallest_of_constant_predictions(codes: list[int], seed: int) -> None:
    y = np.array(codes)
    best = null_log_loss(y)
    q = np.random.default_rng(seed).dirichlet(np.ones(5))
    with np.errstate(divide="ignore"):
        assert log_loss(y, np.tile(np.log(q), (len(y), 1))) >= best - 1e-12
        own = np.bincount(y, minlength=5) / len(y)
        assert log_loss(y, np.tile(np.log(own), (len(y), 1))) == pytest.approx(best, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_confusion_matrix_counts_every_row_once(rows: list[tuple[int, int]]) -> None:
    y, predicted = np.array(rows).T
    confusion = confusion_matrix(y, predicted, 4)
    assert confusion.sum() == len(rows)
    assert (confusion.sum(axis=1) == np.bincount(y, minlength=4)).all()
    assert (confusion.sum(axis=0) == np.bincount(predicted, minlength=4)).all()
    assert np.trace(confusion) / len(rows) == pytest.approx(accuracy(y, predicted), rel=1e-15)


def test_confused_pairs_are_sorted_and_leave_out_what_never_happens() -> None:
    pairs = confused_pairs(np.array([[5, 0, 1], [4, 4, 0], [0, 2, 8]]), np.array(["a", "b", "c"]))
    assert [(pair.true, pair.predicted, pair.n_rows, pair.share) for pair in pairs] == [
        ("b", "a", 4, 0.5),
        ("c", "b", 2, 0.2),
        ("a", "c", 1, 1 / 6),
    ]
    assert confused_pairs(np.diag([3, 0]), np.array(["a", "b"])) == []


def test_class_counts_are_plain_numbers() -> None:
    counts = class_counts(np.array([2, 1, 2]))
    assert counts == {1: 1, 2: 2}
    assert all(type(value) is int for pair in counts.items() for value in pair)
