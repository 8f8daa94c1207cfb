"""Residuals that are shrunk into the corners: their divergence in fifty digits, and how much
sharper a certificate is by them."""

import mpmath
import numpy as np
import pytest

from polytome import LogisticRegression, load_dataset, verify
from polytome.certificates.certificate import certify
from polytome.certificates.fenchel import loss_gradient
from polytome.certificates.rounding import growth
from polytome.certificates.shrunk import shrunk_divergence
from polytome.losses import IndependentSigmoids, Logistic, Softmax
from polytome.objective import Objective
from polytome.penalties import ElasticNet, GroupLasso
from polytome.rows import as_rows
from polytome.solvers import ProximalNewton, minimize

ROUNDINGS = growth(200)


def exact_divergence(scores, labels, share):
    """`KL((1 - t) p + t y || p)` of rows of probabilities, given by floats, in fifty digits."""
    found = []
    with mpmath.workdps(50):
        for z, y in zip(scores.tolist(), labels.tolist(), strict=True):
            exponentials = [mpmath.exp(each) for each in z]
            p = [each / mpmath.fsum(exponentials) for each in exponentials]
            t = mpmath.mpf(share)
            q = [(1 - t) * pk + t * mpmath.mpf(yk) for pk, yk in zip(p, y, strict=True)]
            found.append(mpmath.fsum(qk * mpmath.log(qk / pk) for qk, pk in zip(q, p, strict=True) if qk))
    return found


@pytest.mark.parametrize("share", [1e-12, 1e-3, 0.3, 0.999])
@pytest.mark.parametrize("kind", ["softmax", "soft labels", "logistic", "sigmoids"])
def test_no_divergence_is_above_its_bound(rng, kind, share):
    W = np.vstack([rng.normal(size=(2, 3)) * 8, np.zeros((1, 3))])
    X, y, weight = rng.normal(size=(12, 2)), rng.integers(0, 3, 12), rng.uniform(0.5, 2.0, 12)
    if kind == "logistic":
        W, y = W[:, :1], y % 2
    loss = {"logistic": Logistic(), "sigmoids": IndependentSigmoids(3)}.get(kind, Softmax(3))
    target = y
    labels = np.eye(3)[y]
    if kind == "soft labels":
        target = labels = 0.9 * labels + 0.1 / 3
    if kind == "sigmoids":
        target = labels
    objective = Objective(loss, ElasticNet(0.1, 1.0), as_rows(X, target, weight))
    scores = X @ W[:-1] + W[-1]
    if kind in ("softmax", "soft labels"):
        rows = exact_divergence(scores, labels, share)
    else:
        of_each = y[:, None] if kind == "logistic" else labels
        columns = [
            exact_divergence(np.stack([0 * z, z], axis=1), np.stack([1.0 - v, v * 1.0], axis=1), share)
            for z, v in zip(scores.T, of_each.T, strict=True)
        ]
        rows = [mpmath.fsum(each) for each in zip(*columns, strict=True)]
    exact = float(mpmath.fsum(s * each for s, each in zip(weight, rows, strict=True)) / mpmath.fsum(weight))
    bound = shrunk_divergence(objective, W, share, ROUNDINGS)
    assert exact * (1 - 1e-10) <= bound
    value, _ = objective.value_and_gradient(W)
    assert bound <= share * (value - objective.penalty.value(W[:-1])) / np.log(2) * (1 + 1e-6)
    objective.remember(W, 0.0, W, scores)  # from known scores the same
    assert shrunk_divergence(objective, W, share, ROUNDINGS) == pytest.approx(bound, rel=1e-6)


@pytest.mark.parametrize("grouped", [False, True])
def test_near_the_minimum_the_gap_is_of_the_size_of_the_penalty_not_of_the_objective(rng, grouped):
    X = rng.normal(size=(300, 8))
    y = (X[:, 0] + 3 * rng.logistic(size=300) > 0).astype(int)
    penalty = GroupLasso(0.02, 1.0, np.arange(8)) if grouped else ElasticNet(0.02, 1.0)
    objective = Objective(Logistic(), penalty, as_rows(X, y))
    best = minimize(objective, ProximalNewton(), tol=1e-10)
    certificate, W = certify(objective, best.coefficients * (1 + 1e-3 * rng.normal(size=objective.shape)), 1e-4)
    value, gradient = objective.value_and_gradient(W)
    by_size = penalty.fenchel_gap(W[:-1], loss_gradient(objective, W, gradient), np.zeros((8, 1)), value)
    assert value - best.certificate.objective <= certificate.gap < by_size / 4


@pytest.mark.parametrize("groups", [None, "classes"])
def test_balls_confirm_what_rests_on_shrunk_residuals(groups):
    iris = load_dataset("iris")
    X, y = iris.X[::5], iris.y[::5]
    model = LogisticRegression(C=3.0, l1_ratio=1.0, groups=groups, tol=1e-2).fit(X, y)
    found = verify(model, X, y)
    assert found.verdict == "confirmed", str(found)
    assert found.witness == "the model's own coefficients"


def test_the_last_pass_is_not_made_again(monkeypatch):
    iris = load_dataset("iris")
    rows = as_rows(iris.X, np.unique(iris.y, return_inverse=True)[1])
    objective = Objective(Softmax(3), ElasticNet(0.01, 0.9), rows)
    passes, reduce = [], type(rows).reduce
    monkeypatch.setattr(type(rows), "reduce", lambda self, a_pass: passes.append(a_pass) or reduce(self, a_pass))
    W = np.arange(15.0).reshape(5, 3)
    first, gradient = objective.value_and_gradient(W)
    expected = gradient.copy()
    gradient += 1.0  # what a caller does with it is its own affair
    again, same = objective.value_and_gradient(W.copy())
    np.testing.assert_array_equal(same, expected)
    assert (again, len(passes)) == (first, 1)
    other = objective.with_penalty(ElasticNet(0.02, 0.9))
    value, moved = other.value_and_gradient(W)
    assert len(passes) == 1
    assert value - other.penalty.value(W[:-1]) == pytest.approx(first - objective.penalty.value(W[:-1]), rel=1e-14)
    np.testing.assert_allclose(moved[:-1] - expected[:-1], 0.001 * W[:-1], atol=1e-14)
    other.value_and_gradient(W + 1e-300 + 1.0)
    assert len(passes) == 2
