"""Proximal Newton's method: few steps, the optimum by conditions that are checked here, other
implementations, and the same bits whatever the threads."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression as Theirs

from polytome.errors import ArgumentError
from polytome.losses import IndependentSigmoids, Logistic, Softmax
from polytome.losses.pairwise import PairwiseSigmoids
from polytome.objective import Objective
from polytome.penalties import L2, ElasticNet, GroupLasso
from polytome.rows import as_rows
from polytome.solvers import LBFGS, Newton, ProximalNewton, Stop, minimize


def twenty_by_twenty(seed, n_classes):
    """Few rows in as many columns: class by class, or with a bound in the place of the Hessian, 300
    steps do not suffice."""
    n = 20 if n_classes < 4 else 40
    return make_classification(
        n_samples=n, n_features=20, n_informative=10, n_redundant=2, n_classes=n_classes, random_state=seed
    )


def problem(X, y, C, ratio, weights=None, row_weights=None, fit_intercept=True):
    n_classes = int(y.max()) + 1
    total = len(y) if row_weights is None else row_weights.sum()
    loss = Logistic() if n_classes == 2 else Softmax(n_classes)
    return Objective(loss, ElasticNet(1 / (C * total), ratio, weights), as_rows(X, y, row_weights), fit_intercept)


def largest_violation(X, y, W, C, ratio, weights=None, row_weights=None, fit_intercept=True):
    """How far the conditions of an optimum are from being met, with everything computed anew: in
    parts of `strength * l1_ratio`."""
    s = np.ones(len(y)) if row_weights is None else row_weights
    w = np.ones(X.shape[1]) if weights is None else np.asarray(weights)
    scores = X @ W[:-1] + W[-1]
    if scores.shape[1] == 1:
        residual = expit(scores) - y[:, None]
    else:
        residual = softmax(scores, axis=1) - np.eye(scores.shape[1])[y]
    gradient = X.T @ (residual * s[:, None]) * C
    l1, l2 = ratio * w[:, None], (1 - ratio) * w[:, None]
    away = np.where(
        W[:-1] == 0, np.maximum(np.abs(gradient) - l1, 0), np.abs(gradient + l2 * W[:-1] + l1 * np.sign(W[:-1]))
    )
    balance = C * (s @ residual) if fit_intercept else np.zeros(1)
    return max(float(away.max()), float(np.abs(balance).max()))


def test_twenty_by_twenty_is_certified_in_few_steps():
    steps = []
    for seed, n_classes in itertools.product(range(3), (2, 3, 10)):
        X, y = twenty_by_twenty(seed, n_classes)
        for C, ratio in [(0.01, 1.0), (1.0, 1.0), (10.0, 1.0), (1000.0, 1.0), (1.0, 0.5), (1000.0, 0.1)]:
            solution = minimize(problem(X, y, C, ratio), ProximalNewton(), tol=1e-8)
            assert solution.stop is Stop.CERTIFIED
            steps.append(len(solution.history) - 1)
    assert max(steps) <= 20
    assert np.median(steps) <= 9


def test_groups_of_twenty_by_twenty_are_certified_in_few_steps():
    steps = []
    for seed, n_classes in itertools.product(range(2), (2, 3, 10)):
        X, y = twenty_by_twenty(seed, n_classes)
        loss = Logistic() if n_classes == 2 else Softmax(n_classes)
        for C, ratio, size in [(0.01, 1.0, 1), (1.0, 1.0, 4), (10.0, 1.0, 1), (1000.0, 1.0, 4), (10.0, 0.5, 1)]:
            penalty = GroupLasso(1 / (C * len(y)), ratio, np.arange(20) // size)
            solution = minimize(Objective(loss, penalty, as_rows(X, y)), ProximalNewton(), tol=1e-8)
            assert solution.stop is Stop.CERTIFIED
            steps.append(len(solution.history) - 1)
    assert max(steps) <= 20
    assert np.median(steps) <= 9


@pytest.mark.parametrize("loss", ["sigmoids", "softmax"])
def test_a_small_working_set_of_groups_reaches_the_same_minimum(rng, loss):
    """Where a group is larger than the working set, it is worked on alone."""
    X = rng.normal(size=(50, 120))
    y = (X[:, :3] + 0.5 * rng.normal(size=(50, 3))).argmax(axis=1)
    penalty, own = (
        GroupLasso(0.03, 1.0, np.arange(120) // 2),
        Softmax(3) if loss == "softmax" else IndependentSigmoids(3),
    )
    objective = Objective(own, penalty, as_rows(X, y if loss == "softmax" else np.eye(3)[y]))
    whole = minimize(objective, ProximalNewton(), tol=1e-9)
    assert whole.stop is Stop.CERTIFIED
    assert np.count_nonzero(penalty.norms(whole.coefficients[:-1])) > 4
    for largest in (24, 2):
        few = minimize(objective, ProximalNewton(largest=largest), tol=1e-5)
        assert few.stop is Stop.CERTIFIED
        assert few.certificate.objective - whole.certificate.objective < 1e-4


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("ratio", [1.0, 0.7, 0.01])
@pytest.mark.parametrize("n_classes", [2, 3, 4])
@pytest.mark.parametrize("weights", [None, (1.0, 0.0, 2.0, 0.5, 1.0, 0.0)], ids=["alike", "weighted"])
def test_the_conditions_of_an_optimum_hold(rng, n_classes, ratio, fit_intercept, weights):
    X = rng.normal(size=(80, 6)) * [1, 1, 3, 1, 0.3, 1]
    y = (X @ rng.normal(size=(6, n_classes)) + 2 * rng.normal(size=(80, n_classes))).argmax(axis=1)
    y[:n_classes] = np.arange(n_classes)
    row_weights = rng.gamma(2, size=80)
    settings = {"C": 0.8, "ratio": ratio, "weights": weights, "row_weights": row_weights}
    settings["fit_intercept"] = fit_intercept
    solution = minimize(problem(X, y, **settings), ProximalNewton(), tol=1e-9)
    assert solution.stop is Stop.CERTIFIED
    assert largest_violation(X, y, solution.coefficients, **settings) < 2e-3


@pytest.mark.parametrize("loss", ["sigmoids", "pairwise"])
def test_outputs_that_are_independent_are_as_if_alone(rng, loss):
    X, y = rng.normal(size=(60, 5)), rng.integers(0, 3, 60)
    penalty, rows = ElasticNet(0.02, 0.9), as_rows(X, y)
    if loss == "sigmoids":
        rows = as_rows(X, np.eye(3)[y])
        parts = [(X, (y == k).astype(int), 1.0) for k in range(3)]
        together = Objective(IndependentSigmoids(3), penalty, rows)
    else:
        together = Objective(PairwiseSigmoids(3), penalty, rows)
        pairs = PairwiseSigmoids(3).pairs
        parts = [(X[own], (y[own] == b).astype(int), own.mean()) for a, b in pairs for own in [(y == a) | (y == b)]]
    found = minimize(together, ProximalNewton(), tol=1e-11)
    assert found.stop is Stop.CERTIFIED
    for k, (X_k, y_k, share) in enumerate(parts):
        alone = Objective(Logistic(), ElasticNet(0.02 / share, 0.9), as_rows(X_k, y_k))
        expected = minimize(alone, ProximalNewton(), tol=1e-12).coefficients
        assert_allclose(found.coefficients[:, k], expected[:, 0], atol=2e-5)


@pytest.mark.parametrize(("n_classes", "ratio"), [(2, 1.0), (3, 1.0), (3, 0.5)])
def test_scikit_learns_saga_finds_nothing_better(n_classes, ratio):
    X, y = make_classification(
        n_samples=100, n_features=8, n_informative=5, n_classes=n_classes, n_clusters_per_class=1, random_state=4
    )
    objective = problem(X, y, 0.5, ratio)
    ours = minimize(objective, ProximalNewton(), tol=1e-12)
    theirs = Theirs(C=0.5, l1_ratio=ratio, solver="saga", tol=1e-10, max_iter=20_000).fit(X, y)
    value, _ = objective.value_and_gradient(np.vstack([theirs.coef_.T, theirs.intercept_]))
    assert ours.certificate.objective <= value + 1e-13
    assert value - ours.certificate.objective < 1e-7
    assert_allclose(ours.coefficients[:-1], theirs.coef_.T, atol=1e-3)


def test_liblinear_finds_nothing_better():
    X, y = make_classification(n_samples=100, n_features=8, n_informative=5, random_state=4)
    objective = problem(X, y, 0.5, 1.0, fit_intercept=False)
    theirs = Theirs(C=0.5, l1_ratio=1, solver="liblinear", fit_intercept=False, tol=1e-10, max_iter=10_000).fit(X, y)
    ours = minimize(objective, ProximalNewton(), tol=1e-12)
    value, _ = objective.value_and_gradient(np.vstack([theirs.coef_.T, [[0.0]]]))
    assert ours.certificate.objective <= value + 1e-13
    assert_allclose(ours.coefficients[:-1], theirs.coef_.T, atol=1e-5)


def test_a_small_working_set_reaches_the_same_minimum(rng):
    X = rng.normal(size=(60, 200))
    y = (X[:, :5].sum(axis=1) + rng.normal(size=60) > 0).astype(int)
    objective = problem(X, y, 0.3, 1.0)
    whole = minimize(objective, ProximalNewton(), tol=1e-10)
    few = minimize(objective, ProximalNewton(largest=12), tol=1e-6)
    assert whole.stop is few.stop is Stop.CERTIFIED
    assert few.certificate.objective - whole.certificate.objective < 1e-6
    assert np.count_nonzero(whole.coefficients) > 12


@pytest.mark.parametrize("kind", ["dense", "float32", "sparse"])
def test_threads_and_compiled_code_change_no_bit_of_the_steps(kind, rng, monkeypatch):
    X = rng.integers(0, 3, (3000, 30)) * (rng.random((3000, 30)) < 0.4) * 1.0
    y = (X[:, :4].sum(axis=1) + rng.normal(size=3000)).round().clip(0, 2).astype(int)
    stored = {"dense": X, "float32": X.astype(np.float32), "sparse": sparse.csr_array(X)}[kind]
    found = []
    for n_threads in (1, 2, 5):
        rows = as_rows(stored, y, n_threads=n_threads)
        objective = Objective(Softmax(3), ElasticNet(0.01, 1.0), rows)
        found.append(minimize(objective, ProximalNewton(), tol=1e-6).coefficients)
    assert_array_equal(found[0], found[1])
    assert_array_equal(found[0], found[2])
    assert (found[0] == 0).any()


def test_a_stall_is_told(rng):
    """A sentinel of 1e10 in a column leaves float64 without the digits."""
    X = rng.normal(size=(40, 3))
    X[::7, 1] = 1e14
    y = rng.integers(0, 2, 40)
    solution = minimize(problem(X, y, 1.0, 1.0), ProximalNewton(), tol=1e-12, max_iter=50)
    assert solution.stop is not Stop.CERTIFIED or solution.certificate.holds
    assert solution.certificate.gap >= 0


def test_the_zeros_of_a_start_may_leave(rng):
    """From other coefficients the same minimum is found."""
    X, y = twenty_by_twenty(1, 3)
    objective = problem(X, y, 1.0, 0.8)
    found = [
        minimize(objective, ProximalNewton(), start, tol=1e-11).coefficients
        for start in (None, rng.normal(size=objective.shape))
    ]
    assert_allclose(found[0], found[1], atol=1e-5)
    assert_array_equal(found[0] == 0, found[1] == 0)


def test_solvers_and_penalties_that_do_not_fit_are_named(rng):
    X, y = twenty_by_twenty(0, 2)
    for solver in (Newton(), LBFGS()):
        with pytest.raises(ArgumentError, match=r"does not minimise the penalty .*\|\|W\|\|_1.*ProximalNewton"):
            minimize(problem(X, y, 1.0, 1.0), solver)
    with pytest.raises(ArgumentError, match=r"ProximalNewton does not minimise the penalty .*L2"):
        minimize(Objective(Logistic(), L2(0.1), as_rows(X, y)), ProximalNewton())
