"""Cut-offs do what is preferred, and costs decide for the class of the smallest expected cost."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as peer
from sklearn.datasets import load_breast_cancer, load_iris

from polytome.errors import ArgumentError, DataError
from polytome.evaluation.diagnosis import confidently_wrong_rows
from polytome.evaluation.flips import smallest_flips
from polytome.evaluation.metrics import evaluate
from polytome.evaluation.settled import settled_rows
from polytome.evaluation.thresholds import Preference, choose_threshold, chosen_threshold, read_costs
from polytome.files.model_file import load
from polytome.files.sources import fit_source, open_source
from polytome.models.decision import DecisionRule, decision_of
from polytome.models.linear import LinearRegression
from polytome.models.logistic import LogisticRegression
from polytome.models.one_vs_rest import OneVsRest
from polytome.report import make_report
from polytome.report.card import model_card
from polytome.report.contents import judge


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    y = np.array(["benign", "malignant"])[1 - y]
    return X, y


@pytest.fixture
def model(cancer):
    X, y = cancer
    return LogisticRegression(C=1e-3, scale="standard").fit(X[::2], y[::2])


def curve(y, p, cuts):
    happened = y == "malignant"
    rates = []
    for cut in cuts:
        said = p >= cut
        recall = (said & happened).sum() / happened.sum()
        precision = (said & happened).sum() / max(said.sum(), 1)
        rates.append((recall, precision, 2 * recall * precision / max(recall + precision, 1e-300)))
    return np.array(rates)


@pytest.mark.parametrize("prefer", ["f1", "recall=0.9", "recall=1", "precision=0.97", "precision=1"])
def test_no_other_cut_off_does_better(cancer, model, prefer):
    X, y = cancer[0][1::2], cancer[1][1::2]
    rule = choose_threshold(model, X, y, prefer=prefer)
    p = model.predict_proba(X)[:, 1]
    recall, precision, f1 = curve(y, p, np.unique(p)).T
    (own,) = curve(y, p, [rule.threshold])
    wanted = Preference.parsed(prefer)
    if wanted.of == "f1":
        assert own[2] == pytest.approx(f1.max())
        assert own[2] > peer.f1_score(y, model.predict(X), pos_label="malignant")
    elif wanted.of == "recall":
        assert own[0] >= wanted.least
        assert own[1] == pytest.approx(precision[recall >= wanted.least].max())
    else:
        assert own[1] >= wanted.least
        assert own[0] == pytest.approx(recall[precision >= wanted.least].max())
    model.decision_ = rule
    found = evaluate(model, X, y)
    assert (found.per_class[1].recall.value, found.per_class[1].precision.value) == pytest.approx(own[:2])


def test_weights_count_as_repeated_rows(cancer, model):
    X, y = cancer[0][1::2], cancer[1][1::2]
    weight = np.random.default_rng(0).integers(0, 3, len(y))
    weighted = choose_threshold(model, X, y, prefer="f1", sample_weight=weight)
    repeated = choose_threshold(model, X.repeat(weight, 0), y.repeat(weight), prefer="f1")
    p = model.predict_proba(X[weight > 0])[:, 1]
    assert ((p >= weighted.threshold) == (p >= repeated.threshold)).all()


def test_costs_of_two_classes_are_a_cut_off(cancer, model):
    X, _ = cancer
    costs = np.array([[0.0, 2.0], [18.0, 0.0]])
    rule = choose_threshold(model, costs=costs)
    assert rule.threshold == pytest.approx(0.1)
    model.decision_ = rule
    p = model.predict_proba(X)
    assert (model.predict(X) == model.classes_[(p @ costs).argmin(axis=1)]).all()
    assert (model.predict(X) != model.classes_[p.argmax(axis=1)]).any()


def test_costs_of_many_classes_choose_the_smallest_expectation():
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression(C=0.1).fit(X, y)
    costs = np.array([[0, 1, 1], [1, 0, 9], [1, 1, -0.5]])
    model.decision_ = choose_threshold(model, costs=costs)
    expected = np.array([[p @ costs[:, k] for k in range(3)] for p in model.predict_proba(X)])
    assert (model.predict(X) == expected.argmin(axis=1)).all()
    assert (model.predict(X) != model.predict_proba(X).argmax(axis=1)).any()
    equal = 1 - np.eye(3)
    model.decision_ = choose_threshold(model, costs=equal)
    assert (model.predict(X) == model.predict_proba(X).argmax(axis=1)).all()


def test_rows_of_equal_probability_are_not_divided():
    p, codes = np.array([0.5, 0.5, 0.5, 0.2]), np.array([1, 0, 1, 0])
    rule = chosen_threshold(codes, p, np.ones(4), Preference("recall", 0.5), ["no", "yes"], "rows")
    assert rule.threshold == 0.35


def test_probabilities_of_exactly_one_and_zero():
    p, codes = np.array([1.0, 1.0, 0.0]), np.array([1, 1, 0])
    rule = chosen_threshold(codes, p, np.ones(3), Preference("f1"), ["no", "yes"], "rows")
    assert rule.codes(np.column_stack([1 - p, p])).tolist() == codes.tolist()
    alike = np.array([1.0, np.nextafter(1.0, 0.0)])
    rule = chosen_threshold(np.array([1, 0]), alike, np.ones(2), Preference("recall", 1.0), ["no", "yes"], "rows")
    assert 0 < rule.threshold < 1


@pytest.mark.parametrize("costs", [[[0, 2], [18, 0]], None])
def test_files_keep_the_rule(cancer, model, costs, tmp_path):
    X, y = cancer
    model.decision_ = choose_threshold(model, X[1::2], y[1::2], **({"costs": costs} if costs else {"prefer": "f1"}))
    model.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert (again.decision_.threshold, again.decision_.reason) == (model.decision_.threshold, model.decision_.reason)
    assert (again.predict(X) == model.predict(X)).all()


def test_files_keep_costs(tmp_path):
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression().fit(X, y)
    model.decision_ = DecisionRule.by_costs([[0, 1, 1], [1, 0, 9], [1, 1, 0]])
    model.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert (again.decision_.costs == model.decision_.costs).all()
    assert (again.predict(X) == model.predict(X)).all()


def test_another_fit_starts_without_a_rule(cancer, model):
    X, y = cancer
    model.decision_ = DecisionRule(threshold=0.2)
    assert decision_of(model) is not None
    assert model.fit(X, y).decision_ is None
    model.decision_ = DecisionRule(threshold=0.2)
    model.decision_ = None
    assert decision_of(model) is None


def test_settled_rows_are_those_of_the_cut_off():
    iris = open_source("iris")
    y = np.where(iris.y == "virginica", "virginica", "not virginica")
    source = replace(iris, y=y)
    loose = fit_source(LogisticRegression(C=1.0, tol=1e-2), source)
    tight = fit_source(LogisticRegression(C=1.0, tol=1e-10), source)
    for threshold in (0.03, 0.5, 0.9):
        rule = DecisionRule(threshold=threshold)
        loose.decision_ = tight.decision_ = rule
        settled = settled_rows(loose, iris.X)
        assert settled.any()
        assert (loose.predict(iris.X) == tight.predict(iris.X))[settled].all()
        # Rows on the cut-off itself are never settled.
        p = loose.predict_proba(iris.X)[:, 1]
        loose.decision_ = DecisionRule(threshold=float(p[120]))
        assert not settled_rows(loose, iris.X)[120]


def test_flips_lead_to_the_other_side_of_the_cut_off(cancer, model):
    X, _ = cancer
    model.decision_ = DecisionRule(threshold=0.15)
    x = X[3]
    flip = smallest_flips(model, x)[0]
    moved = x.copy()
    moved[int(flip.feature.removeprefix("feature_"))] = flip.flipped
    assert model.predict(moved[None])[0] == flip.label != model.predict(x[None])[0]
    assert model.predict_proba(moved[None])[0, 1] == pytest.approx(0.15, abs=1e-9)


def test_costs_have_no_smallest_flips():
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression().fit(X, y)
    model.decision_ = DecisionRule(costs=1 - np.eye(3))
    with pytest.raises(ArgumentError, match="rule of costs"):
        smallest_flips(model, X[0])
    assert not settled_rows(model, X).any()


def test_reports_tell_the_rule_and_judge_by_it(cancer, model):
    X, y = cancer
    model.decision_ = DecisionRule(threshold=0.15)
    judged = judge(model, X[1::2], y[1::2], name="others")
    said = model.predict(X[1::2])
    assert judged.quality.accuracy.value == judged.evaluation.accuracy == (said == y[1::2]).mean()
    wrong = {shown.judged.row for shown in judged.confidently_wrong}
    assert wrong <= set(np.flatnonzero(said != y[1::2]).tolist())
    card = model_card(model, judged, name="m")
    assert "malignant is predicted where its probability is at least 0.15" in card
    assert "Not proved: that training rows keep their class by the cut-off in force" in card
    assert "at least 0.15" in make_report(model, X[1::2], y[1::2]).html
    assert confidently_wrong_rows(np.array([0]), np.log([[0.8, 0.2]]), decided=np.array([1]))[0].predicted == 1


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, "prefer, costs: give one"),
        ({"prefer": "f1", "costs": [[0, 1], [1, 0]]}, "prefer, costs: give one"),
        ({"prefer": "f1"}, "held out"),
        ({"prefer": "recall"}, "needs f1, recall=SHARE"),
        ({"prefer": "recall=1.2"}, "needs f1, recall=SHARE"),
        ({"prefer": "recall=nan"}, "needs f1, recall=SHARE"),
        ({"prefer": "accuracy=0.5"}, "needs f1, recall=SHARE"),
        ({"costs": [[0, 1]]}, "1 rows: give one for each of 2"),
        ({"costs": [[0, 1], [1, "x"]]}, "not a table of numbers"),
        ({"costs": [[0, 1], [1, np.inf]]}, r"costs\[1, 1\] is inf"),
        ({"costs": [[0, 0], [1, 0]]}, "would always be predicted"),
        ({"costs": [[0, 1], [0, 2]]}, "would always be predicted"),
        ({"costs": 3.0}, "0 rows"),
    ],
)
def test_wrong_wishes_are_refused(model, how, message):
    with pytest.raises(ArgumentError, match=message):
        choose_threshold(model, **how)


def test_wrong_rows_and_models_are_refused(cancer, model):
    X, y = cancer
    with pytest.raises(DataError, match="only one class"):
        choose_threshold(model, X[y == "benign"], y[y == "benign"], prefer="f1")
    noise = np.random.default_rng(0).permutation(y)
    with pytest.raises(ArgumentError, match="no cut-off reaches it on held-out rows; the largest precision is"):
        choose_threshold(LogisticRegression(C=1e-9).fit(X, y), X, noise, prefer="precision=1")
    with pytest.raises(ArgumentError, match="LinearRegression: a rule decides"):
        choose_threshold(LinearRegression().fit(X, y == "benign"), X, y, prefer="f1")
    many = LogisticRegression().fit(*load_iris(return_X_y=True))
    with pytest.raises(ArgumentError, match="there are 3; give costs"):
        choose_threshold(many, *load_iris(return_X_y=True), prefer="f1")
    with pytest.raises(ArgumentError, match="the model has 3: give costs"):
        many.decision_ = DecisionRule(threshold=0.5)
    with pytest.raises(ArgumentError, match="decision_ is a float"):
        many.decision_ = 0.5
    part = LogisticRegression().partial_fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(ArgumentError, match="learns by partial_fit"):
        part.decision_ = DecisionRule(threshold=0.5)
    assert decision_of(OneVsRest().fit(*load_iris(return_X_y=True))) is None


@pytest.mark.parametrize("threshold", [0, 1, -0.1, np.nan, np.inf, "half"])
def test_impossible_thresholds_are_refused(threshold):
    with pytest.raises(ArgumentError, match="threshold="):
        DecisionRule(threshold=threshold)


@pytest.mark.parametrize("how", [{}, {"threshold": 0.5, "costs": np.eye(3)}, {"costs": [[0, 1], [1, 0]]}])
def test_a_rule_is_one_thing(how):
    with pytest.raises(ArgumentError, match=r"costs"):
        DecisionRule(**how)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("t,no,yes\nno,0,1\n", "column 1: lacks the class 'yes'"),
        ("t,no\nno,0\nyes,1\n", "line 1: lacks the class 'yes'"),
        ("t,no,yes\nno,0,1\nmaybe,1,0\n", "column 1: 'maybe' is not one of the classes no, yes"),
        ("t,no,yes\nno,0,1\nno,1,0\n", "the class 'no' is named twice"),
        ("t,no,yes\nno,0,1\nyes,many,0\n", "line 3, column 'no': 'many' is not a finite number"),
        ("t,no,yes\nno,0,inf\nyes,1,0\n", "line 2, column 'yes': 'inf' is not a finite number"),
        ("t,no,yes\nno,0\nyes,1,0\n", "line 2: has 2 cells, and line 1 has 3"),
    ],
)
def test_wrong_files_of_costs_are_refused_by_their_place(tmp_path, text, message):
    path = tmp_path / "costs.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_costs(path, ["no", "yes"])


def test_files_of_costs_have_classes_in_any_order_and_numbers_as_labels(tmp_path):
    path = tmp_path / "costs.csv"
    path.write_text("\ufefftrue, 2, 0, 1\n1,3,4,0\n0,1,0,2\n2,0,5,6\n")
    assert read_costs(path, [0, 1, 2]).tolist() == [[0, 2, 1], [4, 0, 3], [5, 6, 0]]
