"""Hard data: the default solver must need no advice, and certify or say truly why not."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from polytome import LogisticRegression, Stop


def hard_case(
    n: int, d: int, K: int, *, scales: bool = False, twins: bool = False, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Classes from noisy linear scores; columns 1e-6 to 1e6 times as large, the first constant and
    the last doubled."""
    rng = np.random.default_rng([n, d, K, seed])
    X = rng.normal(size=(n, d))
    if scales:
        X = X * 10.0 ** rng.uniform(-6, 6, size=d)
    if twins:
        X[:, : max(1, d // 5)] = 3.7
        X[:, -1] = X[:, d // 2]
    deviation = X.std(axis=0)
    standard = (X - X.mean(axis=0)) / np.where(deviation > 1e-12 * np.abs(X).max(axis=0), deviation, np.inf)
    y = (standard @ rng.normal(size=(d, K)) / np.sqrt(d) + rng.gumbel(size=(n, K))).argmax(axis=1)
    y[: min(n, K)] = np.arange(K)[:n]
    return X, y


def assert_certified(X: object, y: np.ndarray, **settings: object) -> LogisticRegression:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the assertion below says more
        model = LogisticRegression(max_iter=3000, **settings).fit(X, y)
    told = f"{model.stop_.name}: {model.certificate_} after {model.n_iter_[0]} iterations of {model.solver_}"
    assert model.stop_ is Stop.CERTIFIED, told
    assert model.certificate_.relative_gap <= 1e-4
    assert np.isfinite(model.coef_).all()
    return model


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("scales", [False, True])
@pytest.mark.parametrize("twins", [False, True])
@pytest.mark.parametrize(("n", "d", "K"), [(3, 1, 2), (3, 5, 3), (50, 3, 2), (200, 10, 3), (30, 200, 3)])
def test_hard_small(n: int, d: int, K: int, twins: bool, scales: bool, fit_intercept: bool) -> None:
    X, y = hard_case(n, d, K, scales=scales, twins=twins)
    for C in (1e-6, 1e-2, 1.0, 1e3, 1e6):
        assert_certified(X, y, C=C, fit_intercept=fit_intercept)


@pytest.mark.parametrize(
    ("n", "d", "K", "C", "scales", "twins"),
    [
        (400, 15, 30, 1e-6, True, True),
        (400, 15, 30, 1.0, False, True),
        (400, 15, 30, 1e6, True, False),
        (600, 60, 10, 1.0, True, True),
        (600, 60, 10, 1e4, True, True),
        (400, 10, 100, 1.0, True, True),
        (60, 3000, 2, 1e6, True, True),
        (60, 3000, 2, 1e-6, False, False),
        (40, 2000, 3, 1.0, True, True),
    ],
)
def test_hard_larger(n: int, d: int, K: int, C: float, scales: bool, twins: bool) -> None:
    X, y = hard_case(n, d, K, scales=scales, twins=twins)
    assert_certified(X, y, C=C)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8, np.int32])
def test_hard_types(dtype: type) -> None:
    X, y = hard_case(300, 8, 4)
    X = (20 * (X - X.min())).astype(dtype)
    for C in (1e-6, 1.0, 1e6):
        assert_certified(X, y, C=C)


@pytest.mark.parametrize("offset", [1e3, 1e6, -1e8])
def test_hard_means_far_from_zero(offset: float) -> None:
    X, y = hard_case(200, 5, 3)
    near, far = assert_certified(X, y, tol=1e-10), assert_certified(X + offset, y, tol=1e-10)
    np.testing.assert_allclose(far.coef_, near.coef_, atol=1e-5)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("C", [1.0, 1e4, 1e6, 1e9])
def test_perfectly_separated_under_weak_penalty(C: float, K: int) -> None:
    y = np.arange(60) % K
    X = np.eye(K)[y] * 3 + 0.1 * np.random.default_rng(0).normal(size=(60, K))
    model = assert_certified(X, y, C=C)
    assert model.score(X, y) == 1.0


@pytest.mark.parametrize("scales", [False, True])
@pytest.mark.parametrize(("n", "d", "K"), [(3, 5, 3), (200, 4, 3), (30, 200, 3), (500, 20, 2)])
def test_without_penalty_the_stop_is_true(n: int, d: int, K: int, scales: bool) -> None:
    X, y = hard_case(n, d, K, scales=scales)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=np.inf).fit(X, y)
    separable = d >= n
    assert model.stop_ is (Stop.SEPARATED if separable else Stop.CERTIFIED)
    assert (model.score(X, y) == 1.0) is separable
