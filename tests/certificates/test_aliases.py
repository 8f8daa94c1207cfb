"""Columns that are sums of others are named with their factors, and no others are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from polytome.certificates.aliases import aliases_of
from polytome.rows import as_rows


def found(X: object, fit_intercept: bool = True) -> dict[int, tuple[dict[int, float], float]]:
    rows = as_rows(X, np.zeros(X.shape[0]))  # type: ignore[attr-defined]
    aliases = aliases_of(rows, np.arange(rows.n_features), fit_intercept)
    return {each.column: (dict(each.others), each.constant) for each in aliases}


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_sums_are_found_whatever_the_units(scale: float) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 5)) * [1, scale, 1, 1, 1]
    X[:, 3] = 2 * X[:, 0] - 3 * X[:, 1] / scale + 5
    (column,) = aliases = found(X)
    factors, constant = aliases[column]
    assert column == 3
    assert factors.keys() == {0, 1}
    np.testing.assert_allclose([factors[0], factors[1] * scale, constant], [2, -3, 5], rtol=1e-9)


def test_levels_of_two_categories_depend_once_each() -> None:
    rng = np.random.default_rng(0)
    one, two = np.eye(3)[rng.integers(0, 3, 90)], np.eye(4)[rng.integers(0, 4, 90)]
    X = np.hstack([one, two])
    for given in (X, sparse.csr_array(X)):
        # Of each category it is the most frequent level.
        assert found(given).keys() == {int(one.sum(axis=0).argmax()), 3 + int(two.sum(axis=0).argmax())}
    assert len(found(X, fit_intercept=False)) == 1


def test_constants_and_copies() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4))
    X[:, 1], X[:, 2] = 7.0, X[:, 0]
    aliases = found(X)
    assert aliases[1] == ({}, 7.0)
    assert aliases[2][0] == {0: pytest.approx(1.0)}
    assert found(X, fit_intercept=False).keys() == {2}


def test_more_columns_than_rows() -> None:
    X = np.random.default_rng(0).normal(size=(5, 9))
    assert len(found(X)) == 5


@pytest.mark.parametrize("noise", [1e-3, 1e-6, 1e-8])
def test_columns_that_nearly_depend_are_left(noise: float) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    X[:, 2] = X[:, 0] + X[:, 1] + noise * rng.normal(size=200)
    assert not found(X)


def test_rows_without_weight_do_not_count() -> None:
    X = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [0.0, 3.0]])
    weight = np.array([1.0, 1.0, 1.0, 0.0])
    (alias,) = aliases_of(as_rows(X, np.zeros(4), weight), np.arange(2), True)
    assert alias.others == ((0, pytest.approx(2.0)),)
