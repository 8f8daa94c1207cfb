"""Least squares against closed forms, many digits, and the two peers; and the digits that normal
equations lose."""

from __future__ import annotations

from pathlib import Path

import mpmath
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg, sparse
from sklearn.base import is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression as PeerRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from polytome.errors import DataError
from polytome.losses import Squared
from polytome.models import linear as linear_regression
from polytome.models.linear import LinearRegression
from polytome.objective import Objective
from polytome.penalties import NoPenalty
from polytome.rows import as_rows
from polytome.solvers import Newton, minimize
from registry import REPRESENTATIONS, integers, twin


def noisy(n: int = 80, d: int = 5, targets: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([n, d, targets, seed])
    X = rng.normal(size=(n, d)) * rng.uniform(0.1, 10, size=d) + rng.normal(size=d)
    y = X @ rng.normal(size=(d, targets)) + rng.normal(size=(n, targets))
    return X, y[:, 0] if targets == 1 else y


def with_ones(X: np.ndarray) -> np.ndarray:
    return np.column_stack([X, np.ones(len(X))])


# --- what it computes ---


def test_document_002() -> None:
    """Twenty points, y = 0.5 + x without noise: the coefficients are [0.5, 1.0]; the ones may stand
    in X as well."""
    x = np.random.default_rng(2).normal(size=20)
    model = LinearRegression().fit(x[:, None], 0.5 + x)
    np.testing.assert_allclose([model.intercept_, *model.coef_], [0.5, 1.0], atol=1e-14)
    in_columns = LinearRegression(fit_intercept=False).fit(np.column_stack([np.ones(20), x]), 0.5 + x)
    np.testing.assert_allclose(in_columns.coef_, [0.5, 1.0], atol=1e-14)
    assert in_columns.intercept_ == 0.0
    np.testing.assert_allclose(model.predict(x[:, None]), 0.5 + x, atol=1e-14)


def test_one_column_in_closed_form() -> None:
    x, y = np.array([1.0, 2.0, 4.0, 7.0]), np.array([2.0, 1.0, 5.0, 3.0])
    slope = np.cov(x, y)[0, 1] / x.var(ddof=1)
    model = LinearRegression().fit(x[:, None], y)
    assert model.coef_[0] == pytest.approx(slope, rel=1e-14)
    assert model.intercept_ == pytest.approx(y.mean() - slope * x.mean(), rel=1e-14)
    np.testing.assert_allclose(model.singular_, [np.sqrt(((x - x.mean()) ** 2).sum())], rtol=1e-14)
    assert model.condition_ == 1.0


@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_peers_and_normal_equations_agree_on_tame_columns(targets: int, fit_intercept: bool) -> None:
    X, y = noisy(targets=targets)
    model = LinearRegression(fit_intercept=fit_intercept).fit(X, y)
    columns = with_ones(X) if fit_intercept else np.column_stack([X, np.zeros(len(X))])
    ours = np.vstack([model.coef_.T.reshape(5, targets), np.reshape(model.intercept_, (1, targets))])
    theirs = np.linalg.lstsq(columns, y.reshape(-1, targets))[0]
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    np.testing.assert_allclose(
        ours, np.linalg.pinv(columns.T @ columns) @ columns.T @ y.reshape(-1, targets), atol=1e-10
    )
    peer = PeerRegression(fit_intercept=fit_intercept).fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-12)
    np.testing.assert_allclose(model.intercept_, peer.intercept_, atol=1e-12)
    np.testing.assert_allclose(model.singular_, peer.singular_, rtol=1e-12)
    np.testing.assert_allclose(model.predict(X), peer.predict(X), atol=1e-11)
    assert model.predict(X).shape == y.shape
    assert model.coef_.shape == peer.coef_.shape
    assert model.rank_ == peer.rank_ == 5


def test_shapes_follow_y() -> None:
    X, y = noisy()
    column = LinearRegression().fit(X, y[:, None])
    assert (column.coef_.shape, column.intercept_.shape, column.predict(X).shape) == ((1, 5), (1,), (80, 1))
    one = LinearRegression().fit(X, y)
    assert (one.coef_.shape, type(one.intercept_), one.predict(X).shape) == ((5,), float, (80,))
    np.testing.assert_array_equal(column.coef_[0], one.coef_)


def test_it_is_the_minimum_of_the_squared_loss() -> None:
    X, y = noisy(targets=2)
    weight = np.random.default_rng(1).uniform(0.5, 2, size=80)
    W = minimize(Objective(Squared(2), NoPenalty(), as_rows(X, y, weight)), Newton(), tol=1e-20).coefficients
    model = LinearRegression().fit(X, y, weight)
    np.testing.assert_allclose(model.coef_.T, W[:-1], atol=1e-9)
    np.testing.assert_allclose(model.intercept_, W[-1], atol=1e-9)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 12), d=st.integers(1, 12), fit_intercept=st.booleans())
def test_residuals_are_orthogonal_to_all_columns(seed: int, n: int, d: int, fit_intercept: bool) -> None:
    """The normal equations `X'(y - Xw) = 0` hold for any shape, weights included."""
    rng = np.random.default_rng(seed)
    X, y, weight = rng.normal(size=(n, d)), rng.normal(size=n), rng.integers(1, 4, size=n).astype(float)
    model = LinearRegression(fit_intercept=fit_intercept).fit(X, y, weight)
    residual = weight * (y - model.predict(X))
    size = 1e-11 * max(1.0, np.abs(model.coef_).max()) * weight.sum()
    np.testing.assert_allclose(X.T @ residual, 0, atol=size)
    if fit_intercept:
        assert abs(residual.sum()) <= size


def test_weights_are_repetitions() -> None:
    X, y = noisy(targets=2)
    weight = np.arange(80) % 4
    weighted, repeated = (
        LinearRegression().fit(X, y, weight),
        LinearRegression().fit(X.repeat(weight, 0), y.repeat(weight, 0)),
    )
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-12)
    np.testing.assert_allclose(weighted.intercept_, repeated.intercept_, atol=1e-12)
    np.testing.assert_allclose(weighted.singular_, repeated.singular_, rtol=1e-12)


# --- dependent columns ---


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("n", "d", "rank"), [(50, 6, 3), (10, 30, 10), (10, 30, 4), (40, 1, 1), (7, 7, 7)])
def test_the_shortest_of_all_solutions(n: int, d: int, rank: int, fit_intercept: bool) -> None:
    rng = np.random.default_rng([n, d, rank])
    X = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, d)) * rng.uniform(0.2, 5, size=d)
    y = rng.normal(size=(n, 2))
    model, peer = (kind(fit_intercept=fit_intercept).fit(X, y) for kind in (LinearRegression, PeerRegression))
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-12)
    np.testing.assert_allclose(model.intercept_, peer.intercept_, atol=1e-12)
    assert model.rank_ == peer.rank_ == min(rank, n - fit_intercept)
    assert np.isfinite(model.condition_) == (model.rank_ == d)


def test_constant_columns_get_no_coefficient() -> None:
    """0.3 and 0.1 + 0.2 differ in the last bit: that column is constant but for rounding."""
    X, y = noisy()
    X = np.column_stack([np.full(80, 1e6), X, np.where(np.arange(80) % 3, 0.3, 0.1 + 0.2)])
    model = LinearRegression().fit(X, y)
    assert model.rank_ == 5
    np.testing.assert_allclose(model.coef_[[0, -1]], 0.0, atol=1e-12)
    np.testing.assert_allclose(model.coef_[1:-1], LinearRegression().fit(X[:, 1:-1], y).coef_, atol=1e-12)
    only = LinearRegression().fit(X[:, [0, -1]], y)
    assert (only.rank_, only.intercept_) == (0, pytest.approx(y.mean(), rel=1e-13))
    np.testing.assert_array_equal(only.coef_, 0.0)


def test_the_rank_does_not_depend_on_units() -> None:
    """Metres or light years: the same independent columns, the same predictions. An absolute rank
    drops the small."""
    X, y = noisy()
    units = np.array([1e-12, 1.0, 1e12, 1e-3, 1e5])
    model, plain = LinearRegression().fit(X * units, y), LinearRegression().fit(X, y)
    assert model.rank_ == 5 > np.linalg.matrix_rank((X - X.mean(axis=0)) * units)
    np.testing.assert_allclose(model.coef_ * units, plain.coef_, rtol=1e-10)
    np.testing.assert_allclose(model.predict(X * units), plain.predict(X), rtol=1e-10)
    assert model.condition_ == pytest.approx(plain.condition_, rel=1e-9)


# --- the digits that the normal equations lose ---


def in_many_digits(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least squares for these very floats, in 100 digits."""
    with mpmath.workdps(100):
        A, b = mpmath.matrix(X.tolist()), mpmath.matrix(y.tolist())
        return np.array([float(w) for w in mpmath.lu_solve(A.T * A, A.T * b)])


def by_normal_equations(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`(X'X)^-1 X'y`; infinite where X'X is singular in float64."""
    try:
        return np.linalg.solve(X.T @ X, X.T @ y)
    except np.linalg.LinAlgError:
        return np.full(X.shape[1], np.inf)


NEARLY_DEPENDENT = {
    "hilbert": linalg.hilbert(20)[:, :10],
    "powers": np.vander(np.linspace(0.0, 1.0, 40), 15),
    "twins": np.linspace(1.0, 2.0, 30)[:, None] + np.column_stack([np.zeros(30), 1e-11 * np.cos(np.arange(30))]),
}


@pytest.mark.parametrize("name", NEARLY_DEPENDENT)
@pytest.mark.parametrize("noise", [0.0, 1e-6])
def test_near_dependence_costs_digits_once_and_not_twice(name: str, noise: float) -> None:
    """Condition number kappa: an error of about kappa eps, where the normal equations have kappa^2
    eps."""
    X = NEARLY_DEPENDENT[name]
    kappa = np.linalg.cond(X)
    assert kappa > 1e10
    y = X.sum(axis=1) + noise * np.random.default_rng(0).normal(size=len(X))
    exact = in_many_digits(X, y)

    def error(w: np.ndarray) -> float:
        return float(np.linalg.norm(w - exact) / np.linalg.norm(exact))

    model = LinearRegression(fit_intercept=False).fit(X, y)
    assert model.rank_ == X.shape[1]
    # Wedin's bound: kappa^2 enters with the size of the residual alone.
    residual = np.linalg.norm(y - X @ exact) / (np.linalg.norm(X, 2) * np.linalg.norm(exact))
    allowed = 10 * np.finfo(float).eps * (kappa + kappa**2 * residual)
    assert error(model.coef_) <= allowed < 1e-2
    assert error(by_normal_equations(X, y)) > 0.5
    assert error(model.coef_) < 1e-4


def test_with_an_intercept_too() -> None:
    x = np.linspace(0.0, 1.0, 40)
    X = np.vander(x, 12)[:, :-1]
    y = with_ones(X).sum(axis=1)
    exact = in_many_digits(with_ones(X), y)
    model = LinearRegression().fit(X, y)
    assert np.linalg.cond(with_ones(X)) > 1e8
    np.testing.assert_allclose([*model.coef_, model.intercept_], exact, atol=1e-5)
    assert np.abs(by_normal_equations(with_ones(X), y) - exact).max() > 1e-2


def test_columns_far_from_zero_lose_nothing() -> None:
    """A mean of 1e8 beside a spread of 1: centring is exact because the column of ones comes
    first."""
    X, y = noisy()
    far = np.round(X * 2**20) / 2**20
    model = LinearRegression().fit(far + 2.0**27, y)
    np.testing.assert_allclose(model.coef_, LinearRegression().fit(far, y).coef_, rtol=1e-9)


# --- any rows, any number of threads ---


def test_every_representation_gives_the_same_fit(representation: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    dense = integers(rng, 60, 6)
    exact, y = twin(representation, dense), rng.normal(size=(60, 2))
    X = REPRESENTATIONS[representation](dense, tmp_path)
    model, plain = LinearRegression().fit(X, y), LinearRegression().fit(exact, y)
    np.testing.assert_allclose(model.coef_, plain.coef_, atol=1e-13)
    np.testing.assert_allclose(model.predict(X), plain.predict(exact), atol=1e-12)
    assert model.coef_.dtype == np.float64


@pytest.mark.parametrize("library", [pd, pl])
def test_frames(library: object) -> None:
    X, y = noisy(targets=2)
    names = list("abcde")
    frame = library.DataFrame(dict(zip(names, X.T, strict=True)))
    target = library.DataFrame({"u": y[:, 0], "v": y[:, 1]})
    model = LinearRegression().fit(frame, target)
    assert model.feature_names_in_.tolist() == names
    np.testing.assert_array_equal(model.coef_, LinearRegression().fit(X, y).coef_)
    assert LinearRegression().fit(frame, library.Series(y[:, 0])).coef_.shape == (5,)


MANY_BLOCKS = {
    "tall": np.random.default_rng(1).normal(size=(40_000, 4)),
    "wide": np.random.default_rng(2).normal(size=(1600, 400)),
    "text": sparse.random_array((20_000, 60), density=0.05, random_state=np.random.default_rng(3), format="csr"),
}


@pytest.mark.parametrize("name", MANY_BLOCKS)
def test_rows_in_many_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    X = MANY_BLOCKS[name]
    assert len(as_rows(X, np.zeros(X.shape[0])).parts()) > 1
    y = np.random.default_rng(4).normal(size=X.shape[0])
    bits = []
    for threads in ("1", "3"):
        monkeypatch.setenv("POLYTOME_NUM_THREADS", threads)
        model = LinearRegression().fit(X, y)
        bits.append(model.coef_.tobytes() + np.float64(model.intercept_).tobytes() + model.singular_.tobytes())
    assert bits[0] == bits[1]
    exact = np.linalg.lstsq(with_ones(X.toarray() if sparse.issparse(X) else X), y)[0]
    np.testing.assert_allclose([*model.coef_, model.intercept_], exact, atol=1e-12)


# --- what it refuses ---


def test_a_triangle_that_would_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    X = sparse.csr_array((20_000, 30_000))
    with pytest.raises(DataError, match=r"20,000 rows and 30,000 columns.*20,000 by 30,000.*4\.5 GiB.*lsqr"):
        LinearRegression().fit(X, np.zeros(20_000))
    assert LinearRegression().fit(X[:5], np.arange(5.0)).intercept_ == pytest.approx(2.0)
    monkeypatch.setattr(linear_regression, "_LARGEST_TRIANGLE", 24)
    with pytest.raises(DataError, match="5 rows and 5 columns"):
        LinearRegression().fit(np.eye(5), np.arange(5))
    assert LinearRegression().fit(np.eye(5)[:, :4], np.arange(5)).rank_ == 4


@pytest.mark.parametrize(
    ("X", "y", "weight", "words"),
    [
        ([[1.0], [np.nan]], [1, 2], None, "NaN at row 1, column 0"),
        ([[1.0], [1e200]], [1, 2], None, "column 0 of X is too large"),
        (pd.DataFrame({"a": ["x", "y"]}), [1, 2], None, "column 'a'"),
        ([[1.0], [2.0]], [1, 2], [1.0, -1.0], r"sample_weight\[1\] = -1"),
        ([[1.0], [2.0]], [[1, 2]] * 3, None, "inconsistent numbers of samples"),
        ([[1.0], [2.0]], [1, np.inf], None, "y contains infinity"),
        ([[1.0], [2.0]], [[1, 2], [3, np.nan]], None, "y contains NaN"),
    ],
)
def test_data_that_cannot_be_used(X: object, y: object, weight: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LinearRegression().fit(X, y, weight)


def test_use_before_fitting() -> None:
    with pytest.raises(NotFittedError):
        LinearRegression().predict([[0.0]])
    assert is_regressor(LinearRegression())


@parametrize_with_checks([LinearRegression(), LinearRegression(fit_intercept=False)])
def test_scikit_learns_own_checks(estimator: object, check: object) -> None:
    """None is expected to fail."""
    check(estimator)
