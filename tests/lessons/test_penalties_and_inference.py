"""What two lessons compute by hand is what the models compute, for other numbers too."""

from __future__ import annotations

import numpy as np
import pytest

from polytome.inference import summarize
from polytome.lessons import inference, penalties
from polytome.models.cross_validation import chosen_by_rule
from polytome.models.logistic import LogisticRegression
from polytome.models.path import RegularizationPath
from polytome.numerics import softplus

RNG = np.random.default_rng(0)
TABLES = [RNG.integers(1, 60, size=(2, 2)) for _ in range(5)]


def test_soft_thresholding_is_the_minimum():
    for a, strength in zip(RNG.uniform(-2.5, 2.5, 30), RNG.uniform(0, 2, 30), strict=True):
        w = penalties.soft_threshold(a, strength)
        assert w == pytest.approx(penalties.by_trial(a, strength), abs=6e-5)
        others = w + RNG.normal(size=100)
        heights = (others - a) ** 2 / 2 + strength * np.abs(others)
        assert (w - a) ** 2 / 2 + strength * abs(w) <= heights.min()


def test_intercepts_of_the_contours_are_the_best():
    X, y = RNG.normal(size=(40, 2)), RNG.permutation(np.arange(40) % 3 == 0).astype(int)
    W = RNG.normal(scale=5, size=(20, 2))
    heights = penalties.mean_log_loss(W, X, y)
    scores = W @ X.T
    b = penalties.best_intercepts(scores, y)[:, None]
    for shift in (-1e-3, 1e-3):
        moved = scores + b + shift
        assert (heights <= (softplus(moved) - y * moved).mean(axis=1)).all()


def test_the_contour_touches_the_diamond_and_the_disc_at_the_fits():
    """No cheaper point has a smaller loss."""
    X, y = RNG.normal(size=(60, 2)), RNG.permutation(np.arange(60) % 2)
    y[:20] = X[:20, 0] > 0
    for ratio, norm in ((1.0, 1), (0.0, 2)):
        w = penalties.at_strength(X, y, 0.03, ratio).coef_[0]
        budget = np.linalg.norm(w, norm)
        assert budget > 0
        others = RNG.normal(size=(300, 2))
        others *= (budget * RNG.uniform(0, 1, 300) / np.linalg.norm(others, norm, axis=1))[:, None]
        assert (penalties.mean_log_loss(others, X, y) >= penalties.mean_log_loss(w[None], X, y)[0] - 1e-9).all()


def test_the_largest_strength_is_the_strongest_pull():
    X, y = RNG.integers(0, 9, size=(12, 3)), np.arange(12) % 3 == 0
    path = RegularizationPath(n_strengths=2).fit(X.astype(float), y)
    assert path.strength_max_ == pytest.approx(max(penalties.pull_at_zero(x, y) for x in X.T), rel=1e-12)


def test_the_rule_of_one_standard_error_is_that_of_the_search():
    for _ in range(50):
        means, errors = RNG.uniform(size=9), RNG.uniform(0, 0.3, size=9)
        assert penalties.one_standard_error(means, errors) == chosen_by_rule(-means[None], errors[None], "1se")[1]


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_a_table_by_hand_is_a_logistic_model(table):
    result = inference.fit_table(table)
    assert result.coefficients[0, 1] == pytest.approx(inference.log_odds_ratio(table), abs=1e-10)
    assert result.standard_errors[0, 1] == pytest.approx(inference.woolf_error(table), rel=1e-9)
    assert inference.firth_of(table)[0] == pytest.approx(inference.log_odds_ratio(table + 0.5), abs=1e-9)


def test_the_six_students_by_hand_are_the_model():
    result = inference.six_students()
    intercept, slope = result.coefficients[0]
    covariance = np.linalg.inv(inference.information(intercept, slope))
    assert result.covariance == pytest.approx(covariance, rel=1e-8)
    ends = result.confidence_intervals(method="profile", terms=inference.COLUMN)
    assert inference.profile_ends() == pytest.approx((ends["lower"][0], ends["upper"][0]), abs=1e-8)
    effect = result.effects(inference.COLUMN).values[0]
    assert inference.average_effect(intercept, slope) == pytest.approx(effect, rel=1e-9)
    pull = len(inference.PASSED) * penalties.pull_at_zero(penalties.HOURS, penalties.PASSED)
    assert result.test(inference.COLUMN, "score").statistic == pytest.approx(pull**2 / 4.375, rel=1e-12)


def test_a_column_by_itself_has_the_score_test_of_the_model():
    X, y = RNG.normal(size=(50, 2)), RNG.permutation(np.arange(50) % 2)
    z = inference.z_of_columns(X, y)
    for j in range(2):
        model = LogisticRegression(C=np.inf).fit(X[:, [j]], y)
        found = summarize(model, X[:, [j]], y).test(inference.COLUMN, "score")
        assert z[j] ** 2 == pytest.approx(found.statistic, rel=1e-9)


def test_the_profile_of_a_table_with_a_zero_rises_for_ever_and_firths_does_not():
    at = np.linspace(0, 12, 40)
    plain = [inference.profile_of_table(value, 0.0) for value in at]
    firth = [inference.profile_of_table(value, 0.5) for value in at]
    assert (np.diff(plain) > 0).all()
    assert at[np.argmax(firth)] == pytest.approx(inference.log_odds_ratio(inference.VESSELS + 0.5), abs=0.2)


def test_choosing_on_the_same_rows_finds_too_much_and_other_rows_do_not():
    shares = inference.selected_studies()
    assert abs(shares["named beforehand"] - 0.05) < 0.02
    assert abs(shares["the best of 20"] - (1 - 0.95**20)) < 0.05
    assert abs(shares["the best of 20, tested on other rows"] - 0.05) < 0.02
