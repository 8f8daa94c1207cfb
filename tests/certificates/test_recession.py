"""Separation is found where exact arithmetic finds it, is proved, and is seen nowhere else."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from exact_programme import best_within, differences, is_separated
from polytome.certificates.aliases import aliases_of
from polytome.certificates.recession import ANY_SIGN, Recession, recession_of
from polytome.certificates.recession_cone import Cone
from polytome.rows import as_rows

SEEDS = range(12)


def look(X: Any, y: Any, weight: Any = None, fit_intercept: bool = True) -> Recession | None:
    rows = as_rows(X, y, weight)
    used = np.arange(rows.n_features)
    aliases = [alias.column for alias in aliases_of(rows, used, fit_intercept)]
    return recession_of(rows, y, np.setdiff1d(used, aliases), fit_intercept)


def assert_proved(found: Recession, X: Any, y: Any) -> None:
    """The direction's differences, in fractions."""
    V = [[Fraction(int(each)) for each in row] for row in found.direction]
    K, separated = len(V[0]), []
    for i, (x, own) in enumerate(zip(X, y, strict=True)):
        entries = [Fraction(float(each)) for each in x] + [Fraction(1)]
        scores = [sum((e * row[k] for e, row in zip(entries, V, strict=True)), Fraction(0)) for k in range(K)]
        assert all(scores[own] >= score for score in scores)
        if any(scores[own] > score for score in scores):
            separated.append(i)
    assert separated
    assert separated == found.separated.tolist()


def assert_signs(found: Recession, X: Any, y: Any) -> None:
    """What each difference of coefficients does, by the simplex method in fractions."""
    d, K = found.signs.shape[:2]
    rows = differences(X, y, K, True)
    for j in range(d):
        for a in range(K):
            for b in range(a):
                cost = [Fraction(0)] * ((d + 1) * (K - 1))
                for k, sign in ((a, 1), (b, -1)):
                    if k:
                        cost[(k - 1) * (d + 1) + j] += sign
                rises, falls = best_within(rows, cost)[0] > 0, best_within(rows, [-each for each in cost])[0] > 0
                expected = ANY_SIGN if rises and falls else int(rises) - int(falls)
                assert found.signs[j, a, b] == expected
                assert found.signs[j, b, a] == (expected if expected in (0, ANY_SIGN) else -expected)


def of_few_values(seed: int, K: int) -> tuple[Any, Any]:
    """Small whole numbers: many ties, so that separation is often in part."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 3, size=(int(rng.integers(5, 13)), int(rng.integers(1, 4)))).astype(float)
    y = np.append(np.arange(K), rng.integers(0, K, len(X) - K))
    return X, y


@pytest.mark.parametrize("K", [2, 3, 4])
@pytest.mark.parametrize("seed", SEEDS)
def test_separation_is_what_exact_arithmetic_says(seed: int, K: int) -> None:
    X, y = of_few_values(seed, K)
    found = look(X, y)
    assert (found is not None) == is_separated(X, y, K)
    if found is not None:
        assert_proved(found, X, y)


@pytest.mark.parametrize("seed", SEEDS)
def test_signs_are_what_exact_arithmetic_says(seed: int) -> None:
    X, y = of_few_values(seed, 2 + seed % 2)
    found = look(X, y)
    if found is not None and not aliases_of(as_rows(X, y), np.arange(X.shape[1]), True):
        assert_signs(found, X, y)


def separated(seed: int) -> tuple[Any, Any, Any]:
    """Overlapping rows, and beside them one direction that rules out a class, through the origin of
    shifted, scaled and turned columns."""
    rng = np.random.default_rng(seed)
    n, d, K = 40, 3, int(rng.integers(2, 4))
    X = rng.integers(-4, 5, size=(n, d)).astype(float)
    y = np.append(np.arange(K), rng.integers(0, K, n - K))
    X[:, 0] = 0.0
    ruled_out = np.flatnonzero(y == K - 1)[: int(rng.integers(1, 4))]
    X[ruled_out, 0] = rng.integers(1, 5, len(ruled_out))
    mixing = rng.integers(-2, 3, size=(d, d)).astype(float)
    mixing += np.diag(np.sign(mixing.sum(axis=1)) * 8 + 1)
    return (X @ mixing) * 2.0 ** rng.integers(-20, 21, d) + rng.integers(-3, 4, d), y, ruled_out


@pytest.mark.parametrize("seed", range(20))
def test_a_direction_among_columns_is_found_and_proved(seed: int) -> None:
    X, y, ruled_out = separated(seed)
    found = look(X, y)
    assert found is not None
    assert set(ruled_out) <= set(found.separated.tolist())
    assert_proved(found, X, y)


@pytest.mark.parametrize("seed", range(20))
def test_the_same_rows_in_other_classes_end_it(seed: int) -> None:
    X, y, ruled_out = separated(seed)
    K = int(y.max()) + 1
    y = np.concatenate([y, np.repeat(np.arange(K - 1), len(ruled_out))])
    assert look(np.vstack([X, np.tile(X[ruled_out], (K - 1, 1))]), y) is None


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9, 1e-12, 1e-15])
def test_near_misses_are_not_accused(gap: float) -> None:
    """Two classes that overlap by next to nothing, on a scale of 1."""
    X = np.array([[0.0], [0.5 + gap], [0.5], [1.0]])
    assert look(X, np.array([0, 0, 1, 1])) is None


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6])
def test_near_hits_are_found(gap: float) -> None:
    X = np.array([[0.0], [0.5], [0.5 + gap], [1.0]])
    found = look(X, np.array([0, 0, 1, 1]))
    assert found is not None
    assert found.is_complete


@pytest.mark.parametrize("apart", [1e-9, 1e-10, 1e-11])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_columns_that_are_nearly_equal_are_not_accused(apart: float, fit_intercept: bool) -> None:
    """Rows that lie on the border fix their coefficients, by differences that are next to
    nothing; only the first column tells classes apart."""
    rng = np.random.default_rng(0)
    X = rng.integers(-8, 9, size=(40, 3)).astype(float)
    X[:, 0], y = np.arange(40) < 5, rng.integers(0, 2, 40)
    X[:, 2] = X[:, 1] + 2.0 ** round(np.log2(apart)) * X[:, 2]
    y[:5] = 1
    found = recession_of(as_rows(X, y), y, np.arange(3), fit_intercept)
    assert found is not None
    assert_proved(found, X, y)
    assert found.separated.tolist() == [0, 1, 2, 3, 4]
    assert found.signs[:, 1, 0].tolist() == [1, 0, 0]


def test_columns_that_differ_by_less_than_rounding_shows_are_not_accused() -> None:
    """Where the border is not seen in floats, nothing is said."""
    rng = np.random.default_rng(1)
    X = np.zeros((40, 3))
    X[:, 1], steps = rng.uniform(1, 2, 40), rng.integers(-2, 3, 40)
    X[:, 0], y = np.arange(40) < 5, rng.integers(0, 2, 40)
    X[:, 2] = X[:, 1] + 2.0**-52 * steps
    y[:5] = 1
    found = recession_of(as_rows(X, y), y, np.arange(3), True)
    assert found is None or found.signs[:, 1, 0].tolist() == [1, 0, 0]


def test_touching_classes_are_separated_in_part() -> None:
    """They share a value, and no row lies beyond it on the wrong side."""
    X, y = np.array([[0.1], [0.3], [0.3], [0.7]]), np.array([0, 0, 1, 1])
    found = look(X, y)
    assert found is not None
    assert not found.is_complete
    assert found.separated.tolist() == [0, 3]
    assert found.signs[0, 1, 0] == 1


def test_rows_without_weight_do_not_count() -> None:
    X, y = np.array([[0.0], [2.0], [1.0], [3.0]]), np.array([0, 0, 1, 1])
    assert look(X, y) is None
    found = look(X, y, np.array([1.0, 0.0, 1.0, 1.0]))
    assert found is not None
    assert found.is_complete
    assert found.separated.tolist() == [0, 2, 3]


def test_a_class_that_only_a_sum_of_columns_tells_apart() -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(-5, 6, size=(60, 3)).astype(float)
    y = rng.integers(0, 2, 60)
    y[X.sum(axis=1) > 0] = 1
    y[X.sum(axis=1) < 0] = 0
    y[np.flatnonzero(X.sum(axis=1) == 0)[:2]] = [0, 1]
    found = look(X, y)
    assert found is not None
    assert len(set(found.direction[:-1, 1].tolist())) == 1
    assert_proved(found, X, y)


@pytest.mark.parametrize("of", [sparse.csr_array, sparse.csc_array, np.asfortranarray, np.float32])
def test_representations_agree(of: Any) -> None:
    X, y = of_few_values(3, 3)
    one, two = look(X, y), look(of(X) if of is not np.float32 else X.astype(np.float32), y)
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.signs, two.signs)
    np.testing.assert_array_equal(one.separated, two.separated)


def test_more_columns_than_rows_are_separated() -> None:
    X, y = np.random.default_rng(0).normal(size=(12, 30)), np.arange(12) % 3
    found = look(X, y)
    assert found is not None
    assert found.is_complete
    assert_proved(found, X, y)


def test_many_rows_and_one_that_can_be_told_apart() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 6)).round(3)
    y = (X[:, 0] + rng.logistic(size=len(X)) > 0).astype(int)
    assert look(X, y) is None
    X[:, 5] = 0.0
    X[7, 5], y[7] = 1.0, 1
    found = look(X, y)
    assert found is not None
    assert found.separated.tolist() == [7]
    assert found.signs[:, 1, 0].tolist() == [0, 0, 0, 0, 0, 1]


def test_soft_labels_leave_no_room_where_they_are_shared() -> None:
    X = np.array([[0.0], [1.0], [2.0]])
    hard = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    shared = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    both = np.array([[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]])
    for target, expected in ((hard, [0, 1, 2]), (shared, [0, 2])):
        found = recession_of(as_rows(X, target), target, np.arange(1), True)
        assert found is not None
        assert found.separated.tolist() == expected
    assert recession_of(as_rows(X, both), both, np.arange(1), True) is None


def test_without_an_intercept_the_origin_is_where_classes_part() -> None:
    X, y = np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([0, 0, 1, 1])
    assert look(X, y) is not None
    assert look(X, y, fit_intercept=False) is None


def test_no_sign_is_claimed_that_was_not_asked_for() -> None:
    """More columns than rows: any coefficient may rise or fall, and there are many of them."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 59)), np.arange(40) % 2
    found = recession_of(as_rows(X, y), y, np.arange(59), True)
    assert found is not None
    assert found.is_complete
    assert (found.signs[:, 1, 0] == ANY_SIGN).all()


def test_nothing_is_separated_by_no_columns() -> None:
    X, y = np.zeros((4, 2)), np.array([0, 1, 1, 0])
    assert look(X, y, fit_intercept=False) is None
    assert look(np.zeros((4, 0)), y, fit_intercept=False) is None


def fitted(X: Any, y: Any, K: int, n_steps: int = 12) -> Any:
    """Coefficients after some steps of Newton's method, hardly damped."""
    Z, Y = np.column_stack([X, np.ones(len(X))]), np.eye(K)[y]
    W = np.zeros((Z.shape[1], K))
    for _ in range(n_steps):
        p = np.exp(Z @ W - (Z @ W).max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        curvature = np.eye(K) * p[:, :, None] - p[:, :, None] * p[:, None]
        H = np.einsum("ij,iab,ik->jakb", Z, curvature, Z).reshape(W.size, W.size) + 1e-9 * np.eye(W.size)
        W += np.linalg.solve(H, (Z.T @ (Y - p)).ravel()).reshape(W.shape)
    return W


def scores_of(X: Any, W: Any) -> Any:
    return np.column_stack([X, np.ones(len(X))]) @ W


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("seed", range(10))
def test_scores_of_a_fit_change_nothing(seed: int, K: int) -> None:
    X, y = of_few_values(seed, K)
    rows = as_rows(X, y)
    used = np.setdiff1d(
        np.arange(X.shape[1]), [alias.column for alias in aliases_of(rows, np.arange(X.shape[1]), True)]
    )
    plain = recession_of(rows, y, used, True)
    for scores in (scores_of(X, fitted(X, y, K)), np.random.default_rng(seed).normal(size=(len(X), K)) * 3):
        found = recession_of(rows, y, used, True, scores)
        assert (found is None) == (plain is None)
        if found is not None and plain is not None:
            assert_proved(found, X, y)
            np.testing.assert_array_equal(found.separated, plain.separated)
            np.testing.assert_array_equal(found.signs, plain.signs)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("seed", range(10))
def test_coefficients_of_a_fit_change_nothing(seed: int, K: int) -> None:
    """Nor do those of no fit, which are no direction of the cone."""
    X, y = of_few_values(seed, K)
    rows = as_rows(X, y)
    used = np.setdiff1d(
        np.arange(X.shape[1]), [alias.column for alias in aliases_of(rows, np.arange(X.shape[1]), True)]
    )
    plain, W = recession_of(rows, y, used, True), fitted(X, y, K)
    for guess in (W, -W, np.zeros_like(W), np.full_like(W, np.inf)):
        found = recession_of(rows, y, used, True, None, guess)
        assert (found is None) == (plain is None)
        if found is not None and plain is not None:
            assert_proved(found, X, y)
            np.testing.assert_array_equal(found.separated, plain.separated)
            np.testing.assert_array_equal(found.signs, plain.signs)


@pytest.mark.parametrize("K", [2, 5])
def test_coefficients_that_separate_all_rows_need_no_programme(K: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many classes these took most of the time of a fit."""
    rng = np.random.default_rng(K)
    X = rng.normal(size=(80, 20))
    y = (X @ rng.normal(size=(20, K))).argmax(axis=1)
    W = fitted(X, y, K)
    monkeypatch.setattr("polytome.certificates.recession._MOST_SIGN_UNKNOWNS", 0)
    plain = recession_of(as_rows(X, y), y, np.arange(20), True)
    monkeypatch.setattr(Cone, "best", lambda *_: pytest.fail("a linear programme"))
    found = recession_of(as_rows(X, y), y, np.arange(20), True, None, W)
    assert found is not None
    assert plain is not None
    assert found.is_complete
    assert_proved(found, X, y)
    np.testing.assert_array_equal(found.signs, plain.signs)


def test_residuals_of_a_fit_are_seen_to_overlap() -> None:
    """Else the linear programmes are never saved."""
    for K in (2, 3):
        rng = np.random.default_rng(K)
        X, y = rng.normal(size=(200, 4)), rng.integers(0, K, 200)
        cone = Cone.of(as_rows(X, y), y, np.arange(4), True)
        assert cone is not None
        assert cone.overlaps_at(scores_of(X, fitted(X, y, K)))
        y = (X[:, 0] > 0).astype(int)
        separated = Cone.of(as_rows(X, y), y, np.arange(4), True)
        assert separated is not None
        assert not separated.overlaps_at(scores_of(X, fitted(X, y, 2, 6)))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("K", [2, 3, 4])
def test_columns_that_tell_classes_apart_beside_a_sum_that_does(K: int, fit_intercept: bool) -> None:
    """Two markers, one of them rare; and a sum of two columns, whose direction the markers' rows
    break."""
    rng = np.random.default_rng(K)
    n = 300
    X = np.zeros((n, 5))
    X[:, 4], y = rng.normal(size=n), rng.integers(0, K, n)
    X[:, 2] = rng.integers(-2, 3, n)
    X[:, 3] = -X[:, 2] + (y == K - 1) * rng.integers(0, 2, n)
    last, first = np.flatnonzero(y == K - 1), np.flatnonzero(y == 0)
    X[last[:7], 0] = 1.0
    X[last[:7], 3] -= 5.0
    X[first[:1], 1] = 4.0
    X[first[:1], 2] += 3.0
    found = look(X, y, fit_intercept=fit_intercept)
    assert found is not None
    assert_proved(found, X, y)
    beyond = np.flatnonzero(X[:, 2] + X[:, 3] != 0)
    assert set(found.separated.tolist()) == {*beyond.tolist(), *last[:7].tolist(), int(first[0])}
    assert found.signs[[0, 2, 3, 4], K - 1, 0].tolist() == [1, 1, 1, 0]
    assert found.signs[1, K - 1, 0] == -1


def test_many_columns_that_each_tell_a_class_apart() -> None:
    """More unknowns than fractions would do; sparse as they are."""
    rng = np.random.default_rng(0)
    X, y = (rng.random((1500, 130)) < 0.04).astype(float), rng.integers(0, 2, 1500)
    for j in range(12):
        X[y == j % 2, j] = 0.0
    found = look(sparse.csr_array(X), y)
    assert found is not None
    assert found.separated.tolist() == np.flatnonzero(X[:, :12].any(axis=1)).tolist()
    signs = found.signs[:, 1, 0]
    assert np.flatnonzero(signs).tolist() == list(range(12))
    assert signs[:12].tolist() == [1, -1] * 6
