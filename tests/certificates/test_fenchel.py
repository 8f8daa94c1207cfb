"""Certificates of the elastic net: never below the true distance, and zeros that are zero, by an
optimum that is known to many more digits."""

import mpmath
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from polytome import LogisticRegression, verify
from polytome.certificates.certificate import certify
from polytome.certificates.fenchel import proved_zeros
from polytome.losses import Logistic, Softmax
from polytome.objective import Objective
from polytome.penalties import ElasticNet, GroupLasso
from polytome.rows import as_rows
from polytome.solvers import ProximalNewton, minimize


def random_problem(seed, grouped=False, sparse=False):
    """Data, settings and the objective of a tiny fit."""
    rng = np.random.default_rng(seed)
    n_classes, d = int(rng.integers(2, 5)), int(rng.integers(1, 7))
    n = int(rng.integers(n_classes + 2, 20))
    X = rng.normal(size=(n, d)) * 10.0 ** rng.integers(-2, 3, size=d)
    y = rng.integers(0, n_classes, n)
    y[:n_classes] = np.arange(n_classes)
    weight = rng.gamma(1, 1, n) + 1e-3 if rng.random() < 0.5 else np.ones(n)
    ratio, C = float(rng.choice([1.0, 1.0, 0.99, 0.5, 0.05])), 10.0 ** rng.uniform(-2, 3)
    weights = rng.choice([0.0, 0.5, 1, 3], size=d) if rng.random() < 0.4 else np.ones(d)
    weights = weights if weights.any() else np.ones(d)
    strength = 1 / (C * weight.sum())
    penalty = ElasticNet(strength, ratio, weights)
    if grouped:
        groups = rng.integers(0, min(3, d), d)
        of_columns = weights[groups] if weights[groups].any() else None
        group_ratio = float(rng.choice([0.9, 0.5, 0.1, 1e-3])) if sparse else 1.0
        penalty = GroupLasso(strength, ratio, groups, of_columns, group_ratio)
    loss = Logistic() if n_classes == 2 else Softmax(n_classes)
    return rng, Objective(loss, penalty, as_rows(X, y, weight), bool(rng.random() < 0.8)), (X, y, weight)


def exact_objective(objective, data, W):
    """P in fifty digits, at floats."""
    X, y, weight = data
    penalty, total = objective.penalty, mpmath.fsum(weight)
    with mpmath.workdps(50):
        loss = mpmath.mpf(0)
        for x, label, s in zip(X.tolist(), y.tolist(), weight.tolist(), strict=True):
            scores = [mpmath.fdot(x, W[:-1, k].tolist()) + W[-1, k] for k in range(W.shape[1])]
            scores = [mpmath.mpf(0), *scores] if len(scores) == 1 else scores
            loss += s * (mpmath.log(mpmath.fsum(mpmath.exp(z) for z in scores)) - scores[label])
        ratio, value = mpmath.mpf(penalty.l1_ratio), mpmath.mpf(0)
        weights = np.broadcast_to(penalty.weights, (len(W) - 1, 1))[:, 0].tolist()
        groups = getattr(penalty, "groups", np.arange(len(weights)))
        for w, row in zip(weights, W[:-1].tolist(), strict=True):
            value += w * (1 - ratio) / 2 * mpmath.fsum(mpmath.mpf(v) ** 2 for v in row)
            of_sizes = 1 - mpmath.mpf(getattr(penalty, "group_ratio", 0))
            value += w * ratio * of_sizes * mpmath.fsum(abs(mpmath.mpf(v)) for v in row)
        for g in range(groups.max() + 1) if isinstance(penalty, GroupLasso) else ():
            own = np.flatnonzero(groups == g)
            squares = mpmath.fsum(mpmath.mpf(v) ** 2 for v in W[own].ravel().tolist())
            value += weights[own[0]] * ratio * mpmath.mpf(penalty.group_ratio) * mpmath.sqrt(len(own) * squares)
        return loss / total + penalty.strength * value


@pytest.mark.parametrize(
    ("seed", "kind"),
    [(k, kind) for kind, count in (("single", 40), ("groups", 28), ("sparse groups", 12)) for k in range(count)],
)
def test_gaps_are_above_the_distance_and_proved_zeros_are_zero(seed, kind):
    rng, objective, data = random_problem(seed, kind != "single", kind == "sparse groups")
    fine = minimize(objective, ProximalNewton(), tol=1e-13, max_iter=200)
    minimum = exact_objective(objective, data, fine.coefficients)
    has_optimum = fine.certificate.relative_gap < 1e-7  # a column without a penalty may tell classes apart
    coarse = minimize(objective, ProximalNewton(), tol=10.0 ** -int(rng.integers(2, 7)))
    assert coarse.certificate.holds or not has_optimum
    points = [fine.coefficients, coarse.coefficients, objective.null[0]]
    points += [fine.coefficients * rng.uniform(0.5, 1.5, fine.coefficients.shape)]
    points += [fine.coefficients + 10.0**-k * rng.normal(size=objective.shape) for k in (1, 4, 8)]
    is_zero = fine.coefficients[:-1] == 0
    for W in points:
        W = W if objective.fit_intercept else np.vstack([W[:-1], np.zeros_like(W[-1:])])
        certificate, at = certify(objective, W, 1e-4)
        value = exact_objective(objective, data, at)
        assert certificate.gap >= value - minimum
        assert abs(value - certificate.objective) <= certificate.gap
        zeros = proved_zeros(objective, W, 1e-4)
        assert not (zeros & ~is_zero).any() or not has_optimum
        if fine.certificate.relative_gap < 1e-10 and W is fine.coefficients and objective.penalty.l1_ratio == 1:
            assert zeros.sum() >= 0.5 * is_zero.sum()


def test_a_strong_penalty_proves_all_zeros_and_the_certificate_is_of_the_null_model(rng):
    X, y = rng.normal(size=(30, 4)), np.arange(30) % 3
    objective = Objective(Softmax(3), ElasticNet(2.0, 1.0), as_rows(X, y))
    certificate, W = certify(objective, objective.null[0], 1e-8)
    assert certificate.holds
    assert not W[:-1].any()
    assert proved_zeros(objective, W, 1e-8).all()
    assert np.isinf(certificate.coefficient_bound)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_price_that_no_slope_reaches_proves_zeros_anywhere(fit_intercept, rng):
    """Beside a column without a penalty that tells the classes apart, where no optimum is near."""
    X, y = rng.normal(size=(40, 3)), np.arange(40) % 3
    X[:, 0] = 10.0 * y
    weights = np.array([0.0, 1e6, 1e6])
    objective = Objective(Softmax(3), ElasticNet(1.0, 1.0, weights), as_rows(X, y), fit_intercept)
    W = np.vstack([rng.normal(size=(3, 3)), np.zeros((1, 3))])
    np.testing.assert_array_equal(proved_zeros(objective, W, 1e-8), np.repeat([[False], [True], [True]], 3, axis=1))
    # Just below the longest slope that any residuals have, nothing is proved so.
    residual = np.eye(3)[(y + 1) % 3] - np.eye(3)[y]
    slope = np.abs(X.T @ residual / 40).max(axis=1)
    below = Objective(Softmax(3), ElasticNet(1.0, 1.0, [0.0, 0.99 * slope[1], 1e6]), as_rows(X, y), fit_intercept)
    assert not proved_zeros(below, W, 1e-8)[1].any()


def test_a_softmax_keeps_its_zeros_where_classes_are_centred():
    """The mean of a column's coefficients would leave none at zero; the median does."""
    penalty = ElasticNet(1.0, 1.0)
    W = np.array([[0.0, 0.0, 3.0], [1.0, 2.0, 5.0], [0.0, 0.0, 1.0]])[:, :3]
    centred = W - penalty.centre(W)
    np.testing.assert_array_equal(centred, [[0.0, 0.0, 3.0], [-1.0, 0.0, 3.0], [0.0, 0.0, 1.0]])
    even = np.array([[0.0, 0.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_array_equal(even - penalty.centre(even), [[0.0, 0.0, 1.0, 2.0], [-1.0, 0.0, 1.0, 2.0]])


@pytest.mark.parametrize("ratio", [1.0, 0.9, 0.5, 0.1])
@pytest.mark.parametrize("n_classes", [3, 4, 7])
def test_no_other_centre_has_a_smaller_penalty(rng, ratio, n_classes):
    penalty, W = ElasticNet(0.7, ratio), rng.normal(size=(50, n_classes)) * rng.integers(0, 2, (50, n_classes))
    centred = W - penalty.centre(W)
    for other in (0.0, 1e-3, -1e-3, 0.3, -0.3):
        assert penalty.value(centred) <= penalty.value(centred + other) + 1e-12
    np.testing.assert_allclose(penalty.centre(centred), 0, atol=1e-12)


@pytest.mark.parametrize("seed", [4, 9, 13])
@pytest.mark.parametrize("scale", [1e-165, "standard"])
def test_zeros_of_tiny_columns_are_not_proved_too_early(seed, scale):
    """Squares of these columns are below what a float holds, their deviations are not."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 4))
    X[:, 1] = X[:, 0] + 0.7 * X[:, 1]
    y = (X[:, 1] - X[:, 0] + rng.normal(size=60) > 0).astype(int)
    settings = {"C": 0.3, "l1_ratio": 1.0, "scale": scale}
    fine = LogisticRegression(**settings, tol=1e-9).fit(X * 1e-165, y)
    with pytest.warns(ConvergenceWarning):
        coarse = LogisticRegression(**settings, max_iter=1, tol=1e-12).fit(X * 1e-165, y)
    assert not (coarse.proved_zero_ & (fine.coef_ != 0)).any()
    assert verify(fine, X * 1e-165, y).verdict == "confirmed"


@pytest.mark.parametrize("seed", [6, 24])
def test_a_far_intercept_leaves_no_rounding_behind(seed):
    """Scores beside an intercept of a million have lost digits, which the best intercept does not
    give back."""
    rng = np.random.default_rng(seed + 99)
    n = int(rng.integers(4, 12))
    X, y = rng.normal(size=(n, 4)), np.arange(n) % 2
    for ratio in (0.5, 1.0):
        objective = Objective(Logistic(), ElasticNet(0.3, ratio), as_rows(X, y))
        optimum = minimize(objective, ProximalNewton(), tol=1e-15, max_iter=60).coefficients
        least, _ = objective.value_and_gradient(optimum)
        for far in (1e4, 1e5, 1e6, 1e7):
            W = optimum.copy()
            W[-1] += far
            found, exact = certify(objective, W, 1e-4)
            value, _ = objective.value_and_gradient(exact)
            assert abs(found.objective - value) <= found.gap
            assert found.objective - found.gap <= least + 1e-15
