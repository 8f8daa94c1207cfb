"""Data and comparisons that the tests of the estimator share."""

from __future__ import annotations

import numpy as np

from polytome import LogisticRegression


def data(K: int = 3, n: int = 120, d: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy linear classes: never separable."""
    rng = np.random.default_rng([K, n, d, seed])
    X = rng.normal(size=(n, d))
    y = (X @ rng.normal(size=(d, K)) + 2 * rng.gumbel(size=(n, K))).argmax(axis=1)
    y[:K] = np.arange(K)
    return X, y


def exact(**settings: object) -> LogisticRegression:
    return LogisticRegression(**{"tol": 1e-12, **settings})


def assert_same_model(one: LogisticRegression, other: LogisticRegression, atol: float = 1e-6) -> None:
    np.testing.assert_array_equal(one.classes_, other.classes_)
    np.testing.assert_allclose(one.coef_, other.coef_, atol=atol)
    np.testing.assert_allclose(one.intercept_, other.intercept_, atol=atol)
