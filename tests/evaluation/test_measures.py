"""Every measure equals scikit-learn's of the same name, with and without weights of rows."""

import numpy as np
import pytest
from sklearn import metrics as peer
from sklearn.datasets import load_breast_cancer, load_digits

from polytome.errors import DataError
from polytome.evaluation.curves import calibration_bins, calibration_error
from polytome.evaluation.intervals import mean_interval
from polytome.evaluation.measures import Tally, ranking
from polytome.evaluation.metrics import evaluate, evaluate_pieces
from polytome.models.logistic import LogisticRegression
from polytome.models.neurons import Perceptron

KINDS = [False, True]


@pytest.fixture(scope="module")
def two():
    X, y = load_breast_cancer(return_X_y=True)
    y = np.array(["benign", "malignant"])[1 - y]
    return LogisticRegression(C=1e-3, scale="standard").fit(X[::2], y[::2]), X[1::2], y[1::2]


@pytest.fixture(scope="module")
def many():
    X, y = load_digits(return_X_y=True)
    return LogisticRegression(C=1e-4).fit(X[::4], y[::4]), X[1::2], y[1::2]


def weights_of(weighted, n_rows):
    return np.random.default_rng(2).integers(0, 4, n_rows).astype(float) if weighted else None


def numbers_of(metric):
    return [-1.0 if each is None else each for each in metric[1:]]


@pytest.mark.parametrize("weighted", KINDS)
def test_two_classes_agree_with_scikit_learn(two, weighted):
    model, X, y = two
    weight = weights_of(weighted, len(y))
    found, p, predicted = evaluate(model, X, y, weight), model.predict_proba(X), model.predict(X)
    happened = y == "malignant"
    how = {"sample_weight": weight}
    assert found.positive == "malignant"
    wanted = {
        "accuracy": peer.accuracy_score(y, predicted, **how),
        "balanced_accuracy": peer.balanced_accuracy_score(y, predicted, **how),
        "f1": peer.f1_score(y, predicted, pos_label="malignant", **how),
        "matthews": peer.matthews_corrcoef(y, predicted, **how),
        "auc": peer.roc_auc_score(happened, p[:, 1], **how),
        "average_precision": peer.average_precision_score(happened, p[:, 1], **how),
        "log_loss": peer.log_loss(y, p, **how),
        "brier_score": peer.brier_score_loss(happened, p[:, 1], **how),
    }
    assert {name: getattr(found, name) for name in wanted} == pytest.approx(wanted, rel=1e-10)
    assert found.confusion == pytest.approx(peer.confusion_matrix(y, predicted, **how))
    precision, recall, f1, _ = peer.precision_recall_fscore_support(y, predicted, **how)
    assert [each.precision.value for each in found.per_class] == pytest.approx(precision)
    assert [each.recall.value for each in found.per_class] == pytest.approx(recall)
    assert [each.f1 for each in found.per_class] == pytest.approx(f1)


@pytest.mark.parametrize("weighted", KINDS)
def test_many_classes_agree_with_scikit_learn(many, weighted):
    model, X, y = many
    weight = weights_of(weighted, len(y))
    found, p, predicted = evaluate(model, X, y, weight), model.predict_proba(X), model.predict(X)
    how = {"sample_weight": weight}
    one_hot = np.eye(10)[y]
    wanted = {
        "balanced_accuracy": peer.balanced_accuracy_score(y, predicted, **how),
        "f1": peer.f1_score(y, predicted, average="macro", **how),
        "matthews": peer.matthews_corrcoef(y, predicted, **how),
        "average_precision": peer.average_precision_score(one_hot, p, **how),
        "brier_score": peer.brier_score_loss(y, p, **how),
    }
    # scikit-learn takes no weights where it turns many classes into one against the rest.
    wanted["auc"] = np.mean([peer.roc_auc_score(y == k, p[:, k], **how) for k in range(10)])
    assert {name: getattr(found, name) for name in wanted} == pytest.approx(wanted, rel=1e-10)
    assert found.positive is None
    tops = {k: peer.top_k_accuracy_score(y, p, k=k, **how) for k in (2, 3)}
    assert found.top_k == pytest.approx(tops)


def test_the_calibration_error_is_that_of_the_bins(two, many):
    model, X, y = two
    bins = calibration_bins(y == "malignant", model.predict_proba(X)[:, 1])
    assert evaluate(model, X, y).calibration_error == pytest.approx(calibration_error(bins), rel=1e-12)
    model, X, y = many
    p = model.predict_proba(X)
    bins = calibration_bins(p.argmax(axis=1) == y, p.max(axis=1))
    assert evaluate(model, X, y).calibration_error == pytest.approx(calibration_error(bins), rel=1e-12)


def test_whole_weights_are_repeated_rows(two):
    model, X, y = two
    weight = np.random.default_rng(3).integers(0, 3, len(y))
    weighted, repeated = evaluate(model, X, y, weight), evaluate(model, X.repeat(weight, 0), y.repeat(weight))
    for one, other in zip(weighted.metrics(), repeated.metrics(), strict=True):
        assert one.name == other.name
        assert one.value == pytest.approx(other.value, rel=1e-10)
        assert one.null == pytest.approx(other.null) if one.null is not None else other.null is None
    assert weighted.n_rows == len(y)
    # Repeated rows bring no knowledge: the interval of weights is the wider one.
    assert weighted.accuracy_interval.low < repeated.accuracy_interval.low


def test_the_unit_of_weights_does_not_matter(two):
    model, X, y = two
    weight = np.random.default_rng(3).uniform(0.5, 2, len(y))
    small, large = (evaluate(model, X, y, factor * weight) for factor in (1e-3, 1e3))
    for one, other in zip(small.metrics(), large.metrics(), strict=True):
        assert numbers_of(one)[:3] == pytest.approx(numbers_of(other)[:3], rel=1e-9)


def test_pieces_give_what_all_rows_give(many):
    model, X, y = many
    weight = np.random.default_rng(3).uniform(0.5, 2, len(y))
    pieces = [(X[rows], y[rows], weight[rows]) for rows in np.array_split(np.arange(len(y)), 7)]
    apart, together = evaluate_pieces(model, pieces), evaluate(model, X, y, weight)
    for one, other in zip(apart.metrics(), together.metrics(), strict=True):
        assert numbers_of(one) == pytest.approx(numbers_of(other), rel=1e-9)


def test_the_null_model_is_what_a_constant_prediction_reaches(two):
    _, X, y = two
    constant = LogisticRegression(C=1e-12).fit(X, y)
    constant.coef_ = np.zeros_like(constant.coef_)
    found = {each.name: each for each in evaluate(constant, X, y).metrics()}
    for name, each in found.items():
        if each.null is not None:
            assert each.value == pytest.approx(each.null, abs=1e-6), name
    assert found["calibration error, 10 bins"].value == pytest.approx(0, abs=1e-6)


def test_intervals_without_weights_are_those_of_equal_ones(two):
    model, X, y = two
    plain, ones = evaluate(model, X, y), evaluate(model, X, y, np.ones(len(y)))
    assert plain.accuracy_interval == pytest.approx(ones.accuracy_interval)
    loss = -np.log(model.predict_proba(X)[np.arange(len(y)), (y == "malignant").astype(int)])
    assert plain.log_loss_interval == pytest.approx(mean_interval(loss))


def test_ties_count_half():
    found = ranking(np.array([True, False, True, False]), np.zeros(4))
    assert found == (0.5, 0.5)
    assert np.isnan(ranking(np.array([True, True]), np.zeros(2)).auc)


def test_a_class_alone_has_no_ranking(two):
    model, X, y = two
    found = evaluate(model, X[y == "benign"], y[y == "benign"])
    assert found.auc is None
    assert "AUC" not in {each.name for each in found.metrics()}
    assert found.to_json()["auc"] is None


@pytest.mark.parametrize("n_classes", [2, 3])
def test_rankings_of_very_many_rows_are_right_to_four_decimals(monkeypatch, n_classes):
    random = np.random.default_rng(n_classes)
    y = random.integers(0, n_classes, 60_000)
    scores = random.normal(size=(len(y), n_classes)) + 1.5 * np.eye(n_classes)[y]
    log_probabilities = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    weight = random.choice([0.5, 1.0, 3.0], len(y))

    def ranked():
        tally = Tally(n_classes)
        for piece in np.array_split(np.arange(len(y)), 7):
            tally.add(y[piece], log_probabilities[piece], weight[piece])
        return tally.rankings()

    exact = ranked()
    monkeypatch.setattr("polytome.evaluation.measures._MOST_ROWS", 20_000)
    counted = ranked()
    assert counted != exact
    assert counted == pytest.approx(exact, abs=5e-5)


def test_rankings_that_would_not_be_certain_are_left_out(monkeypatch):
    monkeypatch.setattr("polytome.evaluation.measures._MOST_ROWS", 3)
    tally = Tally(2)
    for second in (0.4, 0.4 + 1e-12):
        tally.add(np.array([0, 1]), np.log([[0.6, 0.4], [1 - second, second]]), np.ones(2))
    assert tally.rankings() is None
    assert tally.brier_score == pytest.approx((0.16 + 0.36) / 2)


def test_a_model_without_probabilities_has_what_is_left():
    X, y = load_breast_cancer(return_X_y=True)
    found = evaluate(Perceptron(epochs=3).fit(X, y), X, y)
    assert (found.auc, found.brier_score, found.log_loss) == (None, None, None)
    assert [each.name for each in found.metrics()] == [
        "accuracy",
        "balanced accuracy",
        "F1, of 1",
        "Matthews correlation",
    ]


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1.0, 2.0], "sample_weight has shape"),
        (np.zeros(284), "sample_weight is zero for every row"),
        (np.full(284, -1.0), r"sample_weight\[0\] = -1"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(two, weight, message):
    model, X, y = two
    with pytest.raises(DataError, match=message):
        evaluate(model, X, y, weight)


def test_rows_without_weight_that_have_a_known_label_are_refused(two):
    model, X, y = two
    weight = (y == "rare").astype(float)
    y = y.astype("<U9").copy()
    y[0], weight[0] = "rare", 1.0
    with pytest.raises(DataError, match="every row has the weight 0"):
        evaluate(model, X, y, weight)
