"""The rows and features that are said to deserve a look are those that a slow, plain search
finds."""

import numpy as np
import pytest
from sklearn.datasets import load_wine

from polytome import LogisticRegression
from polytome.evaluation.diagnosis import confidently_wrong_rows, confused_rows, largest_effects, least_certain_rows
from polytome.files.training_record import record_training


@pytest.fixture(scope="module")
def judged():
    rng = np.random.default_rng(0)
    return rng.integers(0, 4, size=300), np.log(rng.dirichlet(np.ones(4), size=300))


def test_least_certain(judged):
    codes, log_p = judged
    lead = {row: np.diff(np.sort(p)[-2:])[0] for row, p in enumerate(np.exp(log_p))}
    found = least_certain_rows(codes, log_p, most=5)
    assert [each.row for each in found] == sorted(lead, key=lead.get)[:5]
    for each in found:
        p = np.exp(log_p[each.row])
        assert each.p_predicted == pytest.approx(p.max())
        assert each.p_true == pytest.approx(p[codes[each.row]])
        assert each.p_runner_up == pytest.approx(np.sort(p)[-2])
        assert {each.predicted, each.runner_up} == set(np.argsort(p)[-2:].tolist())


def test_confidently_wrong(judged):
    codes, log_p = judged
    wrong = [row for row in range(300) if log_p[row].argmax() != codes[row]]
    want = sorted(wrong, key=lambda row: log_p[row, codes[row]])[:7]
    assert [each.row for each in confidently_wrong_rows(codes, log_p, most=7)] == want


def test_confused(judged):
    codes, log_p = judged
    rows = [row for row in range(300) if codes[row] == 2 and log_p[row].argmax() == 1]
    found = confused_rows(codes, log_p, true=2, predicted=1, most=100)
    assert [each.row for each in found] == sorted(rows, key=lambda row: -log_p[row, 1])


def test_rows_without_a_known_label_are_never_wrong():
    log_p = np.log([[0.9, 0.1], [0.2, 0.8]])
    assert confidently_wrong_rows(np.array([-1, 0]), log_p)[0].row == 1
    assert np.isnan(least_certain_rows(np.array([-1, 0]), log_p)[1].p_true)


def test_ties_are_told_in_the_order_of_the_rows():
    log_p = np.log(np.full((5, 3), 1 / 3))
    assert [each.row for each in least_certain_rows(np.zeros(5, int), log_p)] == [0, 1, 2, 3, 4]
    assert all(each.predicted == 0 != each.runner_up for each in least_certain_rows(np.zeros(5, int), log_p))


def test_effects_over_the_range():
    X, y = load_wine(return_X_y=True)
    model = LogisticRegression(scale="standard").fit(X, y)
    model.training_ = record_training(model, X, y)
    size = np.abs(model.coef_) * (X.max(axis=0) - X.min(axis=0))
    for row, effects in enumerate(largest_effects(model, most=4)):
        assert [each.feature for each in effects] == [f"feature_{j}" for j in np.argsort(-size[row])[:4]]
        assert [abs(each.over_range) for each in effects] == pytest.approx(np.sort(size[row])[::-1][:4])
        assert {each.label for each in effects} == {row}


def test_effects_without_a_record_go_by_the_coefficients():
    X, y = load_wine(return_X_y=True)
    model = LogisticRegression(scale="standard").fit(X, y == 1)
    (effects,) = largest_effects(model, most=3)
    assert [each.coefficient for each in effects] == [model.coef_[0, j] for j in np.argsort(-abs(model.coef_[0]))[:3]]
    assert effects[0].odds_ratio == pytest.approx(np.exp(effects[0].coefficient))
    assert np.isnan(effects[0].over_range)


def test_features_without_effect_are_left_out():
    X = np.column_stack([np.arange(6.0), np.ones(6)])
    model = LogisticRegression().fit(X, [0, 0, 1, 0, 1, 1])
    model.training_ = record_training(model, X, [0, 0, 1, 0, 1, 1])
    assert [each.feature for each in largest_effects(model)[0]] == ["feature_0"]
