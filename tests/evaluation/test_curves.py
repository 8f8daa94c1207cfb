"""Bins, curves and paths: against closed forms, brute force, and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse, stats
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression as SklearnLogisticRegression
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import log_loss as sklearn_log_loss

from polytome import LogisticRegression, load_dataset
from polytome.errors import ArgumentError, DataError
from polytome.evaluation import curves, sweeps
from polytome.numerics import log_sigmoid, sigmoid

RANDOM = np.random.default_rng(0)
P = RANDOM.random(500)
HAPPENED = RANDOM.random(500) < P**1.3
IRIS = load_dataset("iris")


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 17), (3, 17), (17, 17), (400, 1000)])
def test_the_binomial_interval_is_that_of_scipy(successes: int, n: int) -> None:
    expected = stats.binomtest(successes, n).proportion_ci(0.95, method="exact")
    assert np.allclose(curves.binomial_interval(successes, n), expected, rtol=1e-10)


def test_the_binomial_interval_covers_at_least_as_often_as_it_says() -> None:
    n = 20
    lower, upper = curves.binomial_interval(np.arange(n + 1), np.full(n + 1, n), level=0.9)
    for share in np.linspace(0.001, 0.999, 200):
        inside = (lower <= share) & (share <= upper)
        assert stats.binom.pmf(np.arange(n + 1), n, share)[inside].sum() >= 0.9


def test_calibration_bins_are_those_of_scikit_learn() -> None:
    bins = curves.calibration_bins(HAPPENED, P)
    frequency, mean = calibration_curve(HAPPENED, P, n_bins=10)
    assert np.allclose([each.frequency for each in bins], frequency)
    assert np.allclose([each.mean_probability for each in bins], mean)
    assert sum(each.n_rows for each in bins) == len(P)
    assert all(each.lower <= each.frequency <= each.upper for each in bins)


def test_the_calibration_error_by_hand() -> None:
    bins = curves.calibration_bins([True, False, True, True], [0.1, 0.2, 0.8, 1.0], bins=2)
    # |1/2 - 0.15| and |1 - 0.9|, half of the rows each
    assert np.isclose(curves.calibration_error(bins), (0.35 + 0.1) / 2)


def test_empty_bins_are_left_out_and_0_and_1_are_in_the_first_and_the_last() -> None:
    bins = curves.calibration_bins([False, True], [0.0, 1.0])
    assert [(each.low, each.high) for each in bins] == [(0.0, 0.1), (0.9, 1.0)]


def test_the_area_below_the_roc_curve_is_the_share_of_pairs_in_order() -> None:
    scores = np.round(P, 1)  # with ties, which count half
    pairs = scores[HAPPENED][:, None] - scores[~HAPPENED]
    curve = curves.roc_curve(HAPPENED, scores)
    assert np.isclose(curve.area, np.mean((pairs > 0) + (pairs == 0) / 2))
    assert np.isclose(np.trapezoid(curve.y, curve.x), curve.area)
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)


def test_precision_and_recall_are_counts_at_every_cut_off() -> None:
    scores = np.round(P, 1)
    curve = curves.precision_recall_curve(HAPPENED, scores)
    points = set(zip(curve.x.round(12), curve.y.round(12), strict=True))
    area, before = 0.0, 0.0
    for cut_off in np.unique(scores)[::-1]:
        taken = scores >= cut_off
        recall, precision = HAPPENED[taken].sum() / HAPPENED.sum(), HAPPENED[taken].mean()
        assert (np.round(recall, 12), np.round(precision, 12)) in points
        area, before = area + (recall - before) * precision, recall
    assert np.isclose(curve.area, area)
    assert np.isclose(curve.share, HAPPENED.mean())


def test_scores_of_one_class_against_the_rest() -> None:
    model = LogisticRegression().fit(IRIS.X, IRIS.y)
    pairs = curves.one_against_rest(model, IRIS.X, IRIS.y)
    assert list(pairs) == model.classes_.tolist()
    truth, scores = pairs[model.classes_[1]]
    assert (truth == (IRIS.y == model.classes_[1])).all()
    assert (scores == model.predict_proba(IRIS.X)[:, 1]).all()
    two = LogisticRegression().fit(IRIS.X, IRIS.y == IRIS.y[0])
    ((label, (_, scores)),) = curves.one_against_rest(two, IRIS.X, IRIS.y == IRIS.y[0]).items()
    assert label is True
    assert (scores == two.decision_function(IRIS.X)).all()


def test_medians_and_spreads_of_sparse_columns_are_those_of_dense_ones() -> None:
    X = RANDOM.integers(-2, 3, size=(31, 5)) * (RANDOM.random((31, 5)) < [0.1, 0.4, 0.6, 0.9, 1.0])
    for kind in (sparse.csr_array, sparse.csr_matrix, sparse.csc_array):
        assert (curves.typical_row(kind(X)) == np.median(X, axis=0)).all()
        assert np.allclose(curves.column_spreads(kind(X)), X.std(axis=0))


def test_a_descent_is_gradient_descent_written_out() -> None:
    X, y = IRIS.X[50:, 2:3], (IRIS.y[50:] == IRIS.y[-1]).astype(float)
    n, C, rate = len(y), 2.0, 0.05
    (walk,) = sweeps.learning_rate_descents(LogisticRegression(C=C), X, y, [rate], epochs=7)
    w, b = 0.0, np.log(y.mean() / (1 - y.mean()))
    centred = X[:, 0] - X[:, 0].mean()  # the library descends along centred columns
    values = []
    for _ in range(8):
        z = centred * w + b
        values.append(-(y * log_sigmoid(z) + (1 - y) * log_sigmoid(-z)).mean() + w * w / (2 * C * n))
        error = sigmoid(z) - y
        w, b = w - rate * ((error * centred).mean() + w / (C * n)), b - rate * error.mean()
    assert np.allclose(walk.objectives, values, rtol=1e-6)
    assert not walk.diverges


@pytest.mark.parametrize("solver", ["gradient-descent", "sgd"])
def test_large_rates_diverge_and_small_ones_do_not(solver: Any) -> None:
    walks = sweeps.learning_rate_descents(LogisticRegression(), IRIS.X, IRIS.y, [1e-3, 1e4], epochs=10, solver=solver)
    assert [walk.diverges for walk in walks] == [False, True]
    assert [walk.learning_rate for walk in walks] == [1e-3, 1e4]


def test_a_regularization_path_is_made_of_the_fits_of_scikit_learn() -> None:
    X, y, X_other, y_other = IRIS.X[::2], IRIS.y[::2], IRIS.X[1::2], IRIS.y[1::2]
    path = sweeps.regularization_path(LogisticRegression(tol=1e-9), X, y, X_other, y_other, [10, 0.1])
    assert [point.C for point in path] == [0.1, 10]
    for point in path:
        peer = SklearnLogisticRegression(C=point.C, tol=1e-8, max_iter=10_000).fit(X, y)
        assert np.allclose(point.coefficients, peer.coef_, atol=1e-3)
        assert np.isclose(point.train_loss, sklearn_log_loss(y, peer.predict_proba(X)), atol=1e-5)
        assert np.isclose(point.held_out_loss, sklearn_log_loss(y_other, peer.predict_proba(X_other)), atol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: curves.calibration_bins([True], [0.1, 0.2]), DataError, r"shapes \(1,\) and \(2,\)"),
        (lambda: curves.calibration_bins([True], [1.2]), DataError, "not scores"),
        (lambda: curves.calibration_bins([True], [np.nan]), DataError, "outside"),
        (lambda: curves.calibration_bins([True], [0.2], bins=0), ArgumentError, "bins=0"),
        (lambda: curves.roc_curve([True, True], [0.1, 0.2]), DataError, "every row is of the class"),
        (lambda: curves.precision_recall_curve([False], [0.1]), DataError, "no row is of the class"),
        (lambda: curves.roc_curve([True, False], [0.1]), DataError, "shapes"),
        (lambda: curves.known_codes(["a", "z"], np.array(["a", "b"])), DataError, r"y\[1\]"),
        (lambda: curves.known_codes([], np.array(["a", "b"])), DataError, "empty"),
        (lambda: descents([]), ArgumentError, "learning_rates is empty"),
        (lambda: descents([-1.0]), ArgumentError, "learning_rate=-1.0"),
        (lambda: descents([1.0], solver="newton"), ArgumentError, "solver='newton'"),
        (
            lambda: sweeps.regularization_path(LogisticRegression(), IRIS.X, IRIS.y, IRIS.X, IRIS.y, []),
            ArgumentError,
            "Cs is empty",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def descents(rates: Any, **settings: Any) -> Any:
    return sweeps.learning_rate_descents(LogisticRegression(), IRIS.X, IRIS.y, rates, **settings)


def test_scores_rank_where_there_are_no_probabilities() -> None:
    model = RidgeClassifier().fit(IRIS.X, IRIS.y)
    pairs = curves.one_against_rest(model, IRIS.X, IRIS.y)
    assert (pairs[model.classes_[2]][1] == model.decision_function(IRIS.X)[:, 2]).all()


def test_a_weight_equals_as_many_equal_rows_in_bins_and_curves() -> None:
    weight = np.random.default_rng(3).integers(0, 4, len(P))
    again = np.repeat(np.arange(len(P)), weight)
    for curve in (curves.roc_curve, curves.precision_recall_curve):
        mine, wanted = curve(HAPPENED, P, weight), curve(HAPPENED[again], P[again])
        assert np.isclose(mine.area, wanted.area, rtol=1e-12)
        assert np.isclose(mine.share, wanted.share, rtol=1e-12)
        assert np.allclose(np.interp(0.3, mine.x, mine.y), np.interp(0.3, wanted.x, wanted.y))
    found, wanted_bins = (
        curves.calibration_bins(HAPPENED, P, 10, weight),
        curves.calibration_bins(HAPPENED[again], P[again]),
    )
    assert np.isclose(curves.calibration_error(found), curves.calibration_error(wanted_bins))
    for one, other in zip(found, wanted_bins, strict=True):
        assert np.isclose(one.frequency, other.frequency)
        assert np.isclose(one.mean_probability, other.mean_probability)
        assert one.weight == other.n_rows
        assert one.n_rows < other.n_rows
        assert one.lower <= one.frequency <= one.upper
        assert one.upper - one.lower >= other.upper - other.lower - 1e-12  # fewer rows know less


def test_the_unit_of_weights_does_not_matter() -> None:
    weight = np.random.default_rng(4).random(len(P))
    found, other = (curves.calibration_bins(HAPPENED, P, 5, factor * weight) for factor in (1, 1000))
    for one, two in zip(found, other, strict=True):
        assert np.allclose(one[3:7], two[3:7])
    assert np.allclose(
        [each[:7] for each in curves.calibration_bins(HAPPENED, P)],
        [each[:7] for each in curves.calibration_bins(HAPPENED, P, 10, np.full(len(P), 0.3))],
    )


def test_the_interval_of_less_than_one_success_lies_around_its_share() -> None:
    shares = np.linspace(0.001, 0.999, 50)
    for effective in (1.0, 1.7, 20.3):
        lower, upper = curves.binomial_interval(shares * effective, np.full(50, effective))
        assert (lower <= shares).all()
        assert (shares <= upper).all()


@pytest.mark.parametrize("weight", [[1.0], [-1.0] * 500, [0.0] * 500, [np.nan] * 500])
def test_wrong_weights_are_refused(weight: list[float]) -> None:
    with pytest.raises(DataError, match="sample_weight"):
        curves.calibration_bins(HAPPENED, P, 10, weight)
    with pytest.raises(DataError, match="sample_weight"):
        curves.roc_curve(HAPPENED, P, weight)
