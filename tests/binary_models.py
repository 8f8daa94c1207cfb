"""Data and comparisons that the tests of many binary models share."""

from __future__ import annotations

from typing import Any

import numpy as np

from polytome import MultilabelLogistic, OneVsOne, OneVsRest

Estimator = OneVsRest | OneVsOne | MultilabelLogistic
Array = np.ndarray[Any, Any]
KINDS = [OneVsRest, OneVsOne, MultilabelLogistic]
TIGHT = 1e-12


def labels_for(kind: type[Estimator], X: Array, K: int = 4, seed: int = 3) -> Array:
    """Noisy labels that no model separates: K classes, or K labels side by side."""
    rng = np.random.default_rng(seed)
    size = X.std() * np.sqrt(X.shape[1])
    scores = (X - X.mean()) @ rng.normal(size=(X.shape[1], K)) / size + rng.gumbel(size=(len(X), K))
    return (scores > 0.5).astype(int) if kind is MultilabelLogistic else scores.argmax(axis=1)


def away(one: Array, other: Array) -> float:
    return float(np.linalg.norm(one - other))


def joint_bound(models: list[Any]) -> float:
    """What the certificates of models prove of their coefficients taken together."""
    return float(np.linalg.norm([model.certificate_.coefficient_bound for model in models]))


def assert_same_models(one: Estimator, other: Estimator) -> None:
    """As far as both certificates know, and no bound is loose."""
    bounds = one.certificate_.coefficient_bound + other.certificate_.coefficient_bound
    assert away(one.coef_, other.coef_) <= bounds + 1e-10
    assert bounds < 1e-4
    np.testing.assert_allclose(one.intercept_, other.intercept_, atol=1e-4)
