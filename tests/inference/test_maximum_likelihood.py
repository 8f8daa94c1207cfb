"""Estimates and covariances: closed forms, mpmath, definitions, statsmodels, and what must not
change them."""

from __future__ import annotations

import warnings
from typing import Any

import mpmath
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse, stats
from scipy.linalg import sqrtm
from scipy.stats import chi2_contingency

from polytome import LogisticRegression
from polytome.errors import ArgumentError, DataError
from polytome.inference import LogisticResult, fit_formula, summarize

ALONE = ["observed", "HC0", "HC1", "HC2", "HC3", "robust"]


def drawn(K: int, n: int = 150, d: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Classes that overlap."""
    rng = np.random.default_rng([K, n, d, seed])
    X = rng.normal(size=(n, d)) * [1, 30, 0.01][:d] + [0, 2000, 0][:d]
    scores = (X - X.mean(0)) / X.std(0) @ rng.normal(size=(d, K))
    return X, (scores + rng.gumbel(size=(n, K))).argmax(axis=1), rng


def fitted(X: Any, y: Any, weights: Any = None, **settings: Any) -> LogisticRegression:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LogisticRegression(C=np.inf, tol=1e-8, **settings).fit(X, y, weights)


def tabled(X: Any, y: Any, weights: Any = None, **asked: Any) -> LogisticResult:
    return summarize(fitted(X, y, weights), X, y, weights=weights, **asked)


def assert_same_covariance(got: np.ndarray, want: np.ndarray) -> None:
    """Entry by entry, relative to the errors of its two coefficients; two-way clusters may make
    some of these negative."""
    errors, tolerance = np.sqrt(np.abs(np.diag(want))), 1e-8
    assert_allclose(got / np.outer(errors, errors), want / np.outer(errors, errors), atol=tolerance)


def test_a_table_of_two_by_two_has_closed_forms() -> None:
    a, b, c, d = 12, 5, 7, 9
    data = {"y": ["no"] * a + ["yes"] * b + ["no"] * c + ["yes"] * d, "x": [0] * (a + b) + [1] * (c + d)}
    result = fit_formula("y ~ x", data)
    assert_allclose(result.coefficients[0], [np.log(b / a), np.log(a * d / (b * c))], rtol=1e-12)
    assert_allclose(result.standard_errors[0], np.sqrt([1 / a + 1 / b, 1 / a + 1 / b + 1 / c + 1 / d]), rtol=1e-12)
    # Rao's score test is Pearson's test of independence, the likelihood-ratio test is G.
    for method, ratio in (("score", "pearson"), ("likelihood-ratio", "log-likelihood")):
        expected = chi2_contingency([[a, b], [c, d]], correction=False, lambda_=ratio)
        test = result.test("x", method)
        assert_allclose([test.statistic, test.p_value], expected[:2], rtol=1e-10)
        assert test.df == 1
    assert_allclose(result.test("x").statistic, result.z[0, 1] ** 2, rtol=1e-12)
    zero, one = b / (a + b), d / (c + d)  # the probabilities of "yes"
    tjur = (b * zero + d * one) / (b + d) - (a * zero + c * one) / (a + c)
    assert_allclose(result.statistics.tjur, tjur, rtol=1e-12)


@pytest.mark.parametrize(("K", "seed"), [(2, 0), (3, 1), (3, 2)])
def test_digits_against_arithmetic_of_forty(K: int, seed: int) -> None:
    rng = np.random.default_rng([K, seed])
    X, y, w = rng.normal(size=(14, 2)).round(3), np.arange(14) % K, rng.integers(1, 4, 14)
    result = tabled(X, y, w, weights_are="frequencies")
    with mpmath.workdps(40):
        rows = [mpmath.matrix([1, *map(float, x)]) for x in X]
        size = 3 * (K - 1)
        theta = mpmath.matrix(size, 1)
        for _ in range(60):
            gradient, information = mpmath.matrix(size, 1), mpmath.matrix(size, size)
            for x, own, weight in zip(rows, y, w, strict=True):
                parts = [mpmath.exp(sum(theta[3 * k + j] * x[j] for j in range(3))) for k in range(K - 1)]
                p = [part / (1 + sum(parts)) for part in parts]
                for k in range(K - 1):
                    for j in range(3):
                        gradient[3 * k + j] += int(weight) * (int(own == k + 1) - p[k]) * x[j]
                        for m in range(K - 1):
                            for i in range(3):
                                h = p[k] * (int(k == m) - p[m])
                                information[3 * k + j, 3 * m + i] += int(weight) * h * x[j] * x[i]
            step = mpmath.lu_solve(information, gradient)
            theta += step
            if max(map(abs, step)) < mpmath.mpf(10) ** -35:
                break
        V = np.array((information**-1).tolist(), dtype=float)
        exact = np.array([float(each) for each in theta])
    assert_allclose(result.coefficients.ravel(), exact, rtol=1e-12, atol=1e-13)
    assert_allclose(result.covariance, V, rtol=1e-12, atol=1e-12 * np.abs(V).max())


def parts(result: LogisticResult, X: np.ndarray, y: np.ndarray) -> tuple[Any, ...]:
    """Scores of rows, curvatures and columns, written down once more."""
    Z = np.column_stack([np.ones(len(X)), X])
    p = np.exp(np.column_stack([np.zeros(len(X)), Z @ result.coefficients.T]))
    p /= p.sum(axis=1, keepdims=True)
    residual = (np.eye(p.shape[1])[y] - p)[:, 1:]
    W = np.array([np.diag(row) - np.outer(row, row) for row in p[:, 1:]])
    return Z, residual, W


def sandwich(result: LogisticResult, Z: np.ndarray, residual: np.ndarray) -> np.ndarray:
    scores = (residual[:, :, None] * Z[:, None, :]).reshape(len(Z), -1)
    information = np.linalg.inv(tabled_covariance(result))
    return np.linalg.inv(information) @ (scores.T @ scores) @ np.linalg.inv(information)


def tabled_covariance(result: LogisticResult) -> np.ndarray:
    turned = result.likelihood.to_given
    return turned @ result.likelihood.covariance(result.best.derived) @ turned.T


@pytest.mark.parametrize("K", [2, 4])
def test_robust_covariances_are_what_their_definitions_say(K: int) -> None:
    X, y, rng = drawn(K)
    n = len(X)
    plain = tabled(X, y)
    Z, residual, W = parts(plain, X, y)
    k, V = plain.covariance.shape[0], plain.covariance
    E = K - 1
    assert_allclose(np.linalg.inv(V), sum(np.kron(W[i], np.outer(Z[i], Z[i])) for i in range(n)), rtol=1e-7)
    G = [np.kron(np.eye(E), z) @ V @ np.kron(np.eye(E), z).T for z in Z]
    by_two = np.array([np.linalg.inv(sqrtm(np.eye(E) - W[i] @ G[i]).real) @ residual[i] for i in range(n)])
    by_three = np.array([np.linalg.solve(np.eye(E) - W[i] @ G[i], residual[i]) for i in range(n)])
    wanted = {
        "HC0": sandwich(plain, Z, residual),
        "HC1": sandwich(plain, Z, residual) * n / (n - k),
        "robust": sandwich(plain, Z, residual) * n / (n - 1),
        "HC2": sandwich(plain, Z, by_two),
        "HC3": sandwich(plain, Z, by_three),
    }
    for kind, expected in wanted.items():
        assert_same_covariance(tabled(X, y, covariance=kind).covariance, expected)
    assert_same_covariance(tabled(X, y, clusters=np.arange(n)).covariance, wanted["robust"])
    groups, others = rng.integers(0, 12, n), rng.integers(0, 5, n)

    def by(codes: np.ndarray, factor: float) -> np.ndarray:
        scores = (residual[:, :, None] * Z[:, None, :]).reshape(n, -1)
        sums = np.array([scores[codes == each].sum(axis=0) for each in np.unique(codes)])
        return factor * len(sums) / (len(sums) - 1) * V @ sums.T @ sums @ V

    assert_same_covariance(tabled(X, y, clusters=groups).covariance, by(groups, 1))
    factor = (n - 1) / (n - k)
    two = by(groups, factor) + by(others, factor) - by(groups * 10 + others, factor)
    result = tabled(X, y, clusters=np.column_stack([groups, others]), covariance="cluster-HC1")
    assert_same_covariance(result.covariance, two)


def test_few_clusters_are_judged_by_t_and_f() -> None:
    X, y, _ = drawn(2)
    groups = np.arange(len(y)) % 7
    result = tabled(X, y, clusters=groups)
    assert result.estimate.df == 6
    z = result.coefficients[0, 1] / result.standard_errors[0, 1]
    assert result.p_values[0, 1] == pytest.approx(2 * stats.t.sf(abs(z), 6))
    ends = np.asarray(result.confidence_intervals(0.9)[["lower", "upper"]])[1]
    assert_allclose(ends, result.coefficients[0, 1] + stats.t.ppf([0.05, 0.95], 6) * result.standard_errors[0, 1])
    one = result.test(np.eye(result.coefficients.size)[[1]])
    assert one.statistic == pytest.approx(z**2)
    assert one.p_value == pytest.approx(result.p_values[0, 1])
    assert "F(1, 6)" in str(one)
    two = result.test(np.eye(result.coefficients.size)[[0, 1]])
    assert two.p_value == pytest.approx(stats.f.sf(two.statistic, 2, 6))
    effects = result.effects()
    assert effects.df == 6
    width = np.asarray(effects.table["upper"] - effects.table["effect"])
    assert_allclose(width, stats.t.ppf(0.975, 6) * effects.standard_errors)
    assert "6 degrees of freedom" in str(result)
    assert " t " in str(result)
    assert tabled(X, y, covariance="HC1").estimate.df == np.inf
    by_two = tabled(X, y, clusters=np.column_stack([groups, np.arange(len(y)) % 5]))
    assert by_two.estimate.df == 4


def test_sums_by_cluster_are_the_same_however_many_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, rng = drawn(3)
    groups = rng.integers(0, 40, len(X))
    once = tabled(X, y, clusters=groups).covariance
    monkeypatch.setattr("polytome.inference.covariance._MOST_SUMS", 90)
    assert_allclose(tabled(X, y, clusters=groups).covariance, once, rtol=1e-12)


@pytest.mark.parametrize("kind", [*ALONE, "cluster", "cluster-HC1"])
@pytest.mark.parametrize("K", [2, 3])
def test_a_frequency_is_a_row_several_times(kind: str, K: int) -> None:
    X, y, rng = drawn(K, n=60)
    w, groups = rng.integers(0, 4, len(X)), rng.integers(0, 9, len(X))
    repeated = np.repeat(np.arange(len(X)), w)
    by_cluster = kind.startswith("cluster")
    one = tabled(X, y, w, weights_are="frequencies", covariance=kind, clusters=groups if by_cluster else None)
    many = tabled(X[repeated], y[repeated], covariance=kind, clusters=groups[repeated] if by_cluster else None)
    assert_allclose(one.coefficients, many.coefficients, rtol=1e-8)
    assert_same_covariance(one.covariance, many.covariance)
    for name, value in one.statistics.to_json().items():
        assert value == (None if value is None else pytest.approx(many.statistics.to_json()[name], rel=1e-9))


def test_weights_are_told_apart_by_name() -> None:
    X, y, rng = drawn(2)
    w = rng.uniform(0.5, 3, len(X))
    importance, sampling = tabled(X, y, w, weights_are="importance"), tabled(X, y, w, weights_are="sampling")
    Z, residual, W = parts(importance, X, y)
    bread = np.linalg.inv((Z * (W[:, 0, 0] * w)[:, None]).T @ Z)
    assert_allclose(importance.covariance, bread, rtol=1e-8)
    scores = Z * residual * w[:, None]
    assert_allclose(sampling.covariance, bread @ scores.T @ scores @ bread * len(X) / (len(X) - 1), rtol=1e-8)
    # A sample's weights have no scale; importance has.
    assert_allclose(tabled(X, y, 5 * w, weights_are="sampling").covariance, sampling.covariance, rtol=1e-8)
    assert_allclose(tabled(X, y, 5 * w, weights_are="importance").covariance, importance.covariance / 5, rtol=1e-8)
    assert "pseudo log-likelihood" in str(sampling)
    with pytest.raises(ArgumentError, match="sampling weights make a pseudo-likelihood"):
        sampling.test("feature_0", "likelihood-ratio")
    with pytest.raises(ArgumentError, match="not valid with sampling weights"):
        tabled(X, y, w, weights_are="sampling", covariance="observed")


@pytest.mark.parametrize("K", [2, 4])
def test_sparse_columns_give_the_same_table(K: int) -> None:
    X, y, _ = drawn(K)
    X = X - [0, 2000, 0]
    X[np.abs(X) < 0.3 * X.std(0)] = 0
    for kind in ("observed", "HC3"):
        one, other = tabled(X, y, covariance=kind), tabled(sparse.csc_matrix(X), y, covariance=kind)
        assert_allclose(other.coefficients, one.coefficients, rtol=1e-8, atol=1e-10)
        assert_same_covariance(other.covariance, one.covariance)


def test_another_reference_turns_the_same_fit() -> None:
    X, y, _ = drawn(3)
    names = np.array(["a", "b", "c"])[y]
    one, other = tabled(X, names, reference="a"), tabled(X, names, reference="c")
    assert other.estimate.equations == ("a", "b")
    assert_allclose(other.coefficients[0], -one.coefficients[1], rtol=1e-9)
    assert_allclose(other.coefficients[1], one.coefficients[0] - one.coefficients[1], rtol=1e-8)
    assert_allclose(other.standard_errors[0], one.standard_errors[1], rtol=1e-9)
    test = one.test("[b]feature_0 = [c]feature_0")
    assert_allclose(test.statistic, other.z[1, 1] ** 2, rtol=1e-7)
    binary = tabled(X, np.where(y == 0, "a", "b"), reference="b")
    assert_allclose(binary.coefficients, -tabled(X, np.where(y == 0, "a", "b")).coefficients, rtol=1e-8)


def test_columns_that_are_sums_of_others_are_not_estimated() -> None:
    X, y, _ = drawn(3)
    wide = np.column_stack([X[:, 0], X[:, 1], X[:, 0] + 2 * X[:, 1] + 3, X[:, 2], np.ones(len(X))])
    frame = pd.DataFrame(wide, columns=["a", "b", "sum", "c", "one"])
    frame["y"] = y
    for result in (tabled(frame[["a", "b", "sum", "c", "one"]], y), fit_formula("y ~ a + b + sum + c + one", frame)):
        assert np.isnan(result.coefficients[:, [3, 5]]).all()
        small = tabled(X, y)
        assert_allclose(result.coefficients[:, [0, 1, 2, 4]], small.coefficients, rtol=1e-6)
        assert_allclose(result.statistics.aic, small.statistics.aic)
        text = " ".join(str(result).split())
        assert "Not estimated (NA), as sums of other columns: 'sum' = 'a' + 2 'b' + 3; 'one' = 1" in text
        assert_allclose(result.test("a", "score").statistic, small.test("feature_0", "score").statistic, rtol=1e-6)
        with pytest.raises(ArgumentError, match="'sum' is not estimated"):
            result.test("sum = 0")


@pytest.mark.parametrize("K", [2, 3, 5])
def test_statsmodels_has_the_same_numbers(K: int) -> None:
    models = pytest.importorskip("statsmodels.api")
    for seed in range(3):
        X, y, rng = drawn(K, seed=seed)
        groups = rng.integers(0, 10, len(X))
        scaled = (X - X.mean(0)) / X.std(0)
        design = np.column_stack([np.ones(len(X)), scaled])
        model = (models.Logit if K == 2 else models.MNLogit)(y, design)
        asked: dict[str, dict[str, Any]] = {
            "observed": {},
            "HC0": {"cov_type": "HC0"},
            "cluster-HC1": {"cov_type": "cluster", "cov_kwds": {"groups": groups}},
        }
        for kind, how in asked.items():
            theirs = model.fit(disp=0, method="newton", tol=1e-12, maxiter=100, **how)
            ours = tabled(scaled, y, covariance=kind, clusters=groups if kind == "cluster-HC1" else None)
            assert_allclose(ours.coefficients.ravel(), np.asarray(theirs.params).T.ravel(), rtol=1e-8)
            assert_same_covariance(ours.covariance, np.asarray(theirs.cov_params()))
            assert_allclose(ours.statistics.log_likelihood, theirs.llf, rtol=1e-12)
            assert_allclose(ours.statistics.null_log_likelihood, theirs.llnull, rtol=1e-8)
            assert_allclose([ours.statistics.aic, ours.statistics.bic], [theirs.aic, theirs.bic], rtol=1e-10)


def test_what_is_not_valid_is_refused_by_name() -> None:
    X, y, _ = drawn(2)
    with pytest.raises(ArgumentError, match=r"has a penalty \(C=1\).*fit with C=numpy.inf"):
        summarize(LogisticRegression().fit(X, y), X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        early = LogisticRegression(C=np.inf, max_iter=1).fit(X, y)
    with pytest.raises(ArgumentError, match="not certified"):
        summarize(early, X, y)
    model = fitted(X, y)
    with pytest.raises(ArgumentError, match="not those of the fit"):
        summarize(model, X[::-1], y)
    with pytest.raises(ArgumentError, match="class_weight"):
        summarize(fitted(X, y, class_weight="balanced"), X, y)
    with pytest.raises(ArgumentError, match="tables are made of LogisticRegression"):
        summarize(object(), X, y)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="reference='z': not one of the classes of y, 0, 1"):
        summarize(model, X, y, reference="z")
    with pytest.raises(DataError, match="weights is -1 in row 3"):
        summarize(model, X, y, weights=np.where(np.arange(len(X)) == 3, -1, 1), weights_are="frequencies")
    with pytest.raises(DataError, match="frequencies are whole numbers"):
        summarize(model, X, y, weights=np.full(len(X), 0.5), weights_are="frequencies")
    with pytest.raises(ArgumentError, match="say whether weights are"):
        summarize(model, X, y, weights=np.ones(len(X)))
    with pytest.raises(ArgumentError, match="all rows have the same clusters"):
        summarize(model, X, y, clusters=np.zeros(len(X)))
    with pytest.raises(ArgumentError, match="errors by cluster need both"):
        summarize(model, X, y, covariance="cluster")
    with pytest.raises(ArgumentError, match="covariance='HC9': needs one of observed, HC0"):
        summarize(model, X, y, covariance="HC9")
    with pytest.raises(DataError, match="8 coefficients for 7 rows"):
        tabled(np.random.default_rng(0).normal(size=(7, 7)), [0, 1, 0, 1, 1, 0, 1])


def test_clusters_of_any_values_none_of_which_is_missing() -> None:
    X, y, rng = drawn(2)
    codes = rng.integers(0, 3, len(y))
    expected = tabled(X, y, clusters=codes)
    mixed = np.array([1, "a", 2.5], dtype=object)[codes]
    assert_same_covariance(tabled_covariance(tabled(X, y, clusters=mixed)), tabled_covariance(expected))
    for gap in (None, np.nan, float("nan")):
        broken = mixed.copy()
        broken[7] = gap
        with pytest.raises(DataError, match="clusters is missing in row 7"):
            tabled(X, y, clusters=broken)
    with pytest.raises(DataError, match="clusters is missing in row 7"):
        tabled(X, y, clusters=np.where(np.arange(len(y)) == 7, np.nan, codes))
    # A row that does not count needs no cluster.
    weight = (np.arange(len(y)) != 7).astype(float)
    broken = tabled(X, y, weight, weights_are="frequencies", clusters=np.where(weight == 0, np.nan, codes))
    assert np.isfinite(broken.standard_errors).all()


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("kind", ["HC2", "HC3"])
def test_a_row_that_has_a_column_to_itself_changes_no_robust_error(kind: str, K: int) -> None:
    X, y, _ = drawn(K)
    own = np.zeros((len(y), 1))
    own[3] = 1.0
    with_it = tabled(np.hstack([X, own]), y, covariance=kind)
    without = tabled(np.delete(X, 3, axis=0), np.delete(y, 3), covariance=kind)
    assert_allclose(with_it.standard_errors[:, :-1], without.standard_errors, rtol=1e-5)
    assert np.isnan(with_it.standard_errors[:, -1]).all()


@pytest.mark.parametrize("kind", ["HC1", "cluster-HC1"])
def test_a_factor_that_has_no_degrees_of_freedom_is_refused(kind: str) -> None:
    X, y = np.array([[1.0, 0.0], [2.0, 1.0], [1.0, 5.0]]), np.array([0, 1, 1])
    clusters = {"clusters": [1, 2, 3]} if kind == "cluster-HC1" else {}
    with pytest.raises(DataError, match="divides by n - k"):
        tabled(X, y, covariance=kind, **clusters)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", ["HC0", "HC1", "robust", "cluster", "cluster-HC1"])
def test_robust_score_tests_are_those_of_boos(kind: str, n_classes: int) -> None:
    """By their definition, at the fit without the columns that are tested (statsmodels 0.15 has
    that of HC0 with centred scores)."""
    rng = np.random.default_rng(n_classes)
    n = 150
    X, clusters = rng.normal(size=(n, 3)), rng.integers(0, 20, n)
    y = (X @ rng.normal(size=(3, n_classes)) + rng.gumbel(size=(n, n_classes))).argmax(axis=1)
    by = clusters if kind.startswith("cluster") else None
    result = summarize(LogisticRegression(C=np.inf, tol=1e-8).fit(X, y), X, y, covariance=kind, clusters=by)
    names = ", ".join(f"{name} = 0" for name in ("feature_1", "feature_2"))
    test = result.test(names, "score")
    small = LogisticRegression(C=np.inf, tol=1e-12).fit(X[:, :1], y)
    P, E, design = small.predict_proba(X[:, :1]), n_classes - 1, np.column_stack([np.ones(n), X])
    residual = np.eye(n_classes)[y] - P
    G = np.einsum("ik,ij->ikj", residual[:, 1:], design).reshape(n, -1)
    curvature = np.eye(n_classes) * P[:, :, None] - P[:, :, None] * P[:, None]
    information = np.einsum("ij,iab,ik->ajbk", design, curvature[:, 1:, 1:], design).reshape(4 * E, 4 * E)
    sums = G if by is None else np.array([G[clusters == c].sum(axis=0) for c in range(20)])
    factor = {"HC1": n / (n - 4 * E), "robust": n / (n - 1)}.get(kind, 1.0)
    if by is not None:
        factor = 20 / 19 * ((n - 1) / (n - 4 * E) if kind == "cluster-HC1" else 1.0)
    A = np.kron(np.eye(E), [[0, 0, 1, 0], [0, 0, 0, 1]]) @ np.linalg.inv(information)
    moved = A @ G.sum(axis=0)
    statistic = moved @ np.linalg.solve(factor * A @ sums.T @ sums @ A.T, moved)
    assert test.method == "robust score"
    assert test.df == 2 * E
    assert test.statistic * (1 if by is None else test.df) == pytest.approx(statistic, rel=1e-6)
    assert np.isinf(test.df_errors) if by is None else test.df_errors == 19


def test_there_is_no_score_test_beside_corrections_by_cluster() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), rng.integers(0, 2, 60)
    result = summarize(LogisticRegression(C=np.inf).fit(X, y), X, y, covariance="CR2", clusters=np.arange(60) % 12)
    with pytest.raises(ArgumentError, match="compares likelihoods"):
        result.test("feature_1", "score")


@pytest.mark.parametrize("scale", [1e-13, 1e-6, 1e13])
def test_the_scale_of_weights_changes_no_digit(scale: float) -> None:
    """Though the fit that the table begins with is a coarse one."""
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(300, 2)), rng.uniform(0.5, 2, 300)
    y = (X @ [3.0, 1.0] + rng.logistic(size=300) > 0).astype(int)
    results = []
    for own in (weight, weight * scale):
        model = LogisticRegression(C=np.inf, tol=1e-3).fit(X, y, own)
        results.append(summarize(model, X, y, weights=own, weights_are="sampling"))
    assert_allclose(results[0].coefficients, results[1].coefficients, rtol=1e-13)
    assert_allclose(results[0].standard_errors, results[1].standard_errors, rtol=1e-12)
