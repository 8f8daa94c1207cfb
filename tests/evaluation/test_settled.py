"""What is called settled does not change at the minimum: the certificate's consequences against far
tighter fits."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine

from polytome import LogisticRegression
from polytome.evaluation.settled import (
    centre_bounds,
    centred_lengths,
    cost_of_change,
    mean_variation_bound,
    most_changes,
    settled_rows,
)
from polytome.files.training_record import record_training


def clouds(K, n=400, d=4, seed=0):
    rng = np.random.default_rng([seed, K, n, d])
    X = rng.normal(size=(n, d)) + 3
    return X, (X @ rng.normal(size=(d, K)) + 2 * rng.gumbel(size=(n, K))).argmax(axis=1)


def skewed(n=600):
    """One class in thirty, and columns far from zero."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, 3)) * [1, 10, 0.1] + [100, -50, 3]
    return X, (X[:, 0] - 100 + rng.logistic(size=n) > 3.5).astype(int)


DATA = {
    "iris": load_iris(return_X_y=True),
    "wine": load_wine(return_X_y=True),
    "breast cancer": load_breast_cancer(return_X_y=True),
    "digits": tuple(each[::3] for each in load_digits(return_X_y=True)),
    "two clouds": clouds(2),
    "three clouds": clouds(3),
    "eight clouds": clouds(8, n=250, d=2),
    "skewed": skewed(),
}
SETTINGS = [
    {"scale": "standard"},
    {"scale": "standard", "C": 0.01},
    {"scale": "standard", "C": 100.0},
    {"scale": "standard", "class_weight": "balanced"},
    {"scale": "standard", "fit_intercept": False},
    {"scale": 3.0, "C": 0.1},
]
SLOW = {"digits": (0, 2, 3), "three clouds": (1, 4, 5), "eight clouds": (0, 3, 4)}
"""The settings, by their place, for data whose exact fits take longest: each is there."""
PAIRS = [(name, SETTINGS[place]) for name in DATA for place in SLOW.get(name, range(len(SETTINGS)))]


def stopped_at(X, y, gap, **settings):
    """A fit that ends as soon as its relative gap is below the wanted one."""
    return fitted(X, y, solver="lbfgs", tol=gap, **settings)


def exact_fit(X, y, **settings):
    return fitted(X, y, tol=1e-13, **settings)


def fitted(X, y, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LogisticRegression(**settings).fit(X, y)


@pytest.mark.parametrize(
    ("name", "settings"), PAIRS, ids=[f"{'-'.join(map(str, settings.values()))}-{name}" for name, settings in PAIRS]
)
def test_no_settled_prediction_changes_and_no_bound_is_broken(name, settings):
    X, y = DATA[name]
    exact = exact_fit(X, y, **settings)
    for gap in (0.3, 1e-2, 1e-4, 1e-7):
        model = stopped_at(X, y, gap, **settings)
        model.training_ = record = record_training(model, X, y)
        changed = model.predict(X) != exact.predict(X)
        assert record.could_change is not None
        assert changed.sum() <= record.could_change
        settled = settled_rows(model, X)
        assert not (changed & settled).any()
        assert record.could_change <= (~settled).sum()
        log_p, log_q = model.predict_log_proba(X), exact.predict_log_proba(X)
        middle = record.mean[None] if model.fit_intercept else np.zeros((1, X.shape[1]))
        at_centre = exact.predict_log_proba(middle)[0] - model.predict_log_proba(middle)[0]
        moved = np.abs(at_centre[:, None] - at_centre)
        assert (moved <= record.centre_bounds + 1e-9).all()
        if settings.get("class_weight") is None:
            variation = np.abs(np.exp(log_p) - np.exp(log_q)).sum(axis=1).mean() / 2
            assert variation <= mean_variation_bound(model.certificate_.gap) + 1e-12


@pytest.mark.parametrize("scale", [None, "standard", 3.0])
@pytest.mark.parametrize("name", ["two clouds", "three clouds", "eight clouds", "skewed"])
def test_without_a_penalty_no_settled_prediction_changes_either(name, scale):
    X, y = DATA[name]
    X = X if scale else X - X.mean(axis=0)
    rng = np.random.default_rng(1)
    new = X[rng.integers(len(X), size=2000)] + 2 * X.std(axis=0) * rng.normal(size=(2000, X.shape[1]))
    shares, exact = [], exact_fit(X, y, C=np.inf, scale=scale)
    for tol in (1e-2, 1e-4, 1e-7):
        model = stopped_at(X, y, tol, C=np.inf, scale=scale)
        assert model.certificate_.is_of_curvature
        model.training_ = record = record_training(model, X, y)
        changed = model.predict(X) != exact.predict(X)
        assert record.could_change is not None
        assert changed.sum() <= record.could_change
        for rows in (X, new):
            settled = settled_rows(model, rows)
            assert (model.predict(rows) == exact.predict(rows))[settled].all()
        shares.append(settled.mean())
        variation = np.abs(model.predict_proba(X) - exact.predict_proba(X)).sum(axis=1).mean() / 2
        assert variation <= mean_variation_bound(model.certificate_.gap) + 1e-12
        distance = np.linalg.norm((model.coef_ - exact.coef_) * record.divisor)
        assert distance <= model.certificate_.coefficient_bound + 1e-7
    assert shares[-1] > 0.9


@pytest.mark.parametrize("name", ["iris", "two clouds", "eight clouds"])
def test_the_objective_is_above_its_minimum_by_exactly_penalty_and_divergences(name):
    X, y = DATA[name]
    model, exact = stopped_at(X, y, 1e-2), exact_fit(X, y)
    log_p, log_q = model.predict_log_proba(X), exact.predict_log_proba(X)
    divergence = (np.exp(log_q) * (log_q - log_p)).sum(axis=1).mean()
    penalty = model.objective_.strength / 2 * np.sum((model.coef_ - exact.coef_) ** 2)
    excess = model.objective_.value - exact.objective_.value
    assert excess == pytest.approx(penalty + divergence, rel=1e-5, abs=1e-13)


@pytest.mark.parametrize("name", ["iris", "wine", "two clouds", "skewed"])
def test_new_rows_anywhere_are_settled_rightly(name):
    X, y = DATA[name]
    rng = np.random.default_rng(1)
    new = X[rng.integers(len(X), size=5000)] + 3 * X.std(axis=0) * rng.normal(size=(5000, X.shape[1]))
    exact, some = exact_fit(X, y, scale="standard"), []
    for gap in (1e-2, 1e-4, 1e-6):
        model = stopped_at(X, y, gap, scale="standard")
        model.training_ = record_training(model, X, y)
        settled = settled_rows(model, new)
        assert (model.predict(new) == exact.predict(new))[settled].all()
        some.append(settled.mean())
    assert some[-1] > 0.9  # a bound that settles nothing would prove nothing


def test_the_cost_is_the_divergence_of_the_nearest_tie():
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.ones(4), size=200)
    cost = cost_of_change(np.log(p), np.zeros(200))
    tied = p.copy()
    first, second = np.argsort(p, axis=1)[:, -1], np.argsort(p, axis=1)[:, -2]
    rows = np.arange(200)
    tied[rows, first] = tied[rows, second] = np.sqrt(p[rows, first] * p[rows, second])
    tied /= tied.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(cost, (tied * np.log(tied / p)).sum(axis=1), atol=1e-12)
    others = rng.dirichlet(np.ones(4), size=(500, 200))
    divergence = (others * np.log(others / p)).sum(axis=2)
    assert (divergence >= cost - 1e-12)[others.argmax(axis=2) != first].all()


def test_rows_without_weight_cost_nothing():
    assert most_changes(np.array([np.inf, 5.0, 1.0]), np.array([0.0, 1.0, 1.0]), 1.0) == 2


def test_lengths_are_the_same_for_sparse_rows():
    from scipy import sparse

    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 6)) * (rng.random((50, 6)) < 0.4)
    centre, divisor = X.mean(axis=0), rng.random(6) + 0.5
    want = np.sqrt((((X - centre) / divisor) ** 2).sum(axis=1))
    np.testing.assert_allclose(centred_lengths(X, centre, divisor), want)
    for kind in (sparse.csr_array, sparse.csc_matrix):
        np.testing.assert_allclose(centred_lengths(kind(X), centre, divisor), want)


def test_nothing_is_claimed_without_a_proof():
    X, _ = DATA["two clouds"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        apart = LogisticRegression(C=np.inf).fit(X, X[:, 0] > 3)
    assert apart.certificate_.is_of_separation
    apart.training_ = record = record_training(apart, X, X[:, 0] > 3)
    assert record.could_change is None
    assert not settled_rows(apart, X).any()


def test_where_columns_depend_on_each_other_only_rows_of_training_are_known():
    X, y = DATA["two clouds"]
    X = np.column_stack([X, 2 * X[:, 0]])
    model = LogisticRegression(C=np.inf, tol=1e-6).fit(X, y)
    model.training_ = record = record_training(model, X, y)
    assert record.could_change is not None
    assert record.could_change < 0.1 * len(y)
    assert record.centre_bounds.shape == (0, 0)
    assert not settled_rows(model, X).any()


def test_weights_of_rows_are_in_no_record():
    X, y = DATA["two clouds"]
    weighted = LogisticRegression().fit(X, y, sample_weight=np.linspace(0.5, 3, len(y)))
    assert record_training(weighted, X, y).could_change is None


def test_of_too_many_classes_nothing_is_said():
    assert centre_bounds(np.log(np.full((10, 201), 1 / 201)), np.zeros(10), np.ones(10), 0.1, np.zeros(10)).shape == (
        0,
        0,
    )
