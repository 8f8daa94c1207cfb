"""CR2 and CR3 against their definitions with whole matrices, and what intervals and tests make of
them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.linalg import block_diag, sqrtm
from scipy.stats import f, t

from polytome.errors import ArgumentError
from polytome.inference import fit_formula
from polytome.inference.logistic_result import LogisticResult

G, N = 9, 90


def drawn(K: int = 2) -> dict[str, Any]:
    rng = np.random.default_rng(K)
    town = np.sort(rng.integers(0, G, N))
    x, z = rng.normal(size=N), rng.normal(size=G)[town]
    scores = np.outer(0.7 * x + 0.5 * z, np.arange(K)) + rng.normal(size=(G, K))[town] * 0.6
    y = (scores + rng.gumbel(size=(N, K))).argmax(axis=1)
    order = rng.permutation(N)
    data = {"y": y, "x": x, "z": z, "town": town, "w": rng.integers(1, 4, N)}
    return {name: values[order] for name, values in data.items()}


DATA = {K: drawn(K) for K in (2, 3)}


@pytest.fixture(scope="module")
def fits() -> dict[tuple[str, int], LogisticResult]:
    asked = [("CR2", 2), ("CR3", 2), ("CR3", 3)]
    return {(kind, K): fit_formula("y ~ x + z", DATA[K], covariance=kind, clusters="town") for kind, K in asked}


class Whole:
    """The same with matrices of all rows: of a linear model of the scores with the weights of the
    likelihood, row by row and equation by equation."""

    def __init__(self, kind: str, result: LogisticResult, data: dict[str, Any], weight: Any = None) -> None:
        K = len(result.sample.classes)
        X1 = np.column_stack([np.ones(N), data["x"], data["z"]])
        scores = np.column_stack([np.zeros(N), X1 @ result.coefficients.T])
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        weight = np.ones(N) if weight is None else weight
        self.X = np.vstack([np.kron(np.eye(K - 1), x) for x in X1])
        curvatures = [s * (np.diag(q[1:]) - np.outer(q[1:], q[1:])) for s, q in zip(weight, p, strict=True)]
        W, rest = block_diag(*curvatures), (np.eye(K)[data["y"]] - p)[:, 1:]
        self.W, self.residual = W, np.linalg.solve(W, (weight[:, None] * rest).ravel())
        self.M = np.linalg.inv(self.X.T @ W @ self.X)
        self.Phi, H = np.linalg.inv(W), self.X @ self.M @ self.X.T @ W
        groups = np.repeat(data["town"], K - 1)
        self.rows = [np.flatnonzero(groups == g) for g in range(G)]
        self.left = np.eye(len(H)) - H
        self.A = []
        for own in self.rows:
            part, Phi = self.left[np.ix_(own, own)], self.Phi[np.ix_(own, own)]
            if kind == "CR3":
                self.A.append(np.linalg.inv(part))
            else:
                D = np.linalg.cholesky(Phi).T
                self.A.append(D.T @ np.linalg.inv(np.real(sqrtm(D @ part @ Phi @ D.T))) @ D)

    def adjusted(self, g: int) -> np.ndarray:
        """What cluster g's residuals are multiplied by for its term of the coefficients."""
        own = self.rows[g]
        return self.M @ self.X[own].T @ self.W[np.ix_(own, own)] @ self.A[g]

    def covariance(self) -> np.ndarray:
        terms = [self.adjusted(g) @ self.residual[self.rows[g]] for g in range(G)]
        return sum(np.outer(term, term) for term in terms)

    def products(self, C: np.ndarray) -> np.ndarray:
        """Covariances of the clusters' terms under the working model, (r, r, G, G)."""
        full = np.zeros((G, len(C), len(self.left)))
        for g in range(G):
            full[g] = C @ self.adjusted(g) @ self.left[self.rows[g]]
        return np.einsum("gsi,ij,htj->stgh", full, self.Phi, full)

    def degrees(self, contrast: np.ndarray) -> float:
        P = self.products(contrast[None])[0, 0]
        return np.trace(P) ** 2 / (P**2).sum()

    def joint(self, C: np.ndarray) -> float:
        mean = np.einsum("stgg->st", self.products(C))
        values, vectors = np.linalg.eigh(mean)
        P = self.products((vectors / np.sqrt(values)) @ vectors.T @ C)
        r = len(C)
        variance = sum((P[s, s] * P[q, q] + P[s, q] * P[q, s]).sum() for s in range(r) for q in range(r))
        return r * (r + 1) / variance


@pytest.mark.parametrize(("kind", "K"), [("CR2", 2), ("CR3", 2), ("CR3", 3)])
def test_covariance_and_degrees_are_those_of_whole_matrices(kind: str, K: int, fits: Any) -> None:
    result, whole = fits[kind, K], Whole(kind, fits[kind, K], DATA[K])
    assert_allclose(result.covariance, whole.covariance(), rtol=1e-8)
    size = result.coefficients.size
    wanted = [whole.degrees(row) for row in np.eye(size)]
    assert_allclose(result.estimate.own_df.ravel(), wanted, rtol=1e-8)
    contrast = np.linspace(-1, 2, size)
    assert_allclose(result.estimate.df_of(contrast[None]), whole.degrees(contrast), rtol=1e-8)
    A = np.eye(size)[-2:]
    assert_allclose(result.estimate.degrees.together(A), whole.joint(A), rtol=1e-8)
    # Of one combination both are Satterthwaite's.
    assert_allclose(result.estimate.degrees.together(A[:1]), wanted[-2], rtol=1e-10)


def test_intervals_and_tests_take_these_degrees(fits: Any) -> None:
    result = fits["CR2", 2]
    df, V = result.estimate.own_df, result.covariance
    assert_allclose(result.p_values, 2 * t.sf(np.abs(result.z), df))
    lower = result.coefficients - t.ppf(0.975, df) * result.standard_errors
    assert_allclose(result.table["lower"], lower.ravel())
    assert_allclose(result.table["df"], df.ravel())
    assert (df < G - 1).all()
    one = result.test("z")
    assert one.df_errors == pytest.approx(df[0, 2])
    assert one.p_value == pytest.approx(result.p_values[0, 2])
    both, eta = result.test("x = 0, z = 0"), result.estimate.degrees.together(np.eye(3)[1:])
    chi2 = result.coefficients[0, 1:] @ np.linalg.solve(V[1:, 1:], result.coefficients[0, 1:])
    assert both.statistic == pytest.approx(chi2 * (eta - 1) / (2 * eta))
    assert both.p_value == pytest.approx(f.sf(both.statistic, 2, eta - 1))
    effects = result.effects("x")
    assert 1 < effects.df[0] < G - 1
    assert_allclose(effects.table["p_value"], 2 * t.sf(abs(effects.values / effects.standard_errors), effects.df))


@pytest.mark.parametrize("kind", ["CR2", "CR3"])
def test_frequencies_are_repeated_rows_and_sampling_weights_are_not(kind: str) -> None:
    data = DATA[2]
    asked: dict[str, Any] = {"covariance": kind, "clusters": "town"}
    weighted = fit_formula("y ~ x + z", data, weights="w", weights_are="frequencies", **asked)
    repeated = fit_formula("y ~ x + z", {name: np.repeat(each, data["w"]) for name, each in data.items()}, **asked)
    assert_allclose(weighted.covariance, repeated.covariance, rtol=1e-9)
    assert_allclose(weighted.estimate.own_df, repeated.estimate.own_df, rtol=1e-7)
    sampled = fit_formula("y ~ x + z", data, weights="w", weights_are="sampling", **asked)
    whole = Whole(kind, sampled, data, data["w"].astype(float))
    assert_allclose(sampled.covariance, whole.covariance(), rtol=1e-8)
    assert_allclose(sampled.estimate.own_df[0, 1], whole.degrees(np.eye(3)[1]), rtol=1e-8)


def test_clusters_of_one_row_have_the_errors_of_rows() -> None:
    data = DATA[2] | {"own": np.arange(N)}
    for kind, rows in (("CR2", "HC2"), ("CR3", "HC3")):
        by_cluster = fit_formula("y ~ x + z", data, covariance=kind, clusters="own")
        assert_allclose(by_cluster.covariance, fit_formula("y ~ x + z", data, covariance=rows).covariance, rtol=1e-9)


def test_a_column_that_only_one_cluster_has_leaves_finite_errors() -> None:
    data = DATA[2]
    shares = [data["y"][data["town"] == g].mean() for g in range(G)]
    data = data | {"first": (data["town"] == np.argmin(np.abs(np.array(shares) - 0.5))).astype(float)}
    for kind in ("CR2", "CR3"):
        result = fit_formula("y ~ x + first", data, covariance=kind, clusters="town")
        assert np.isfinite(result.standard_errors).all()
        assert (result.standard_errors[0, :2] > 0).all()


def test_sparse_rows_and_columns_left_out_as_sums_of_others() -> None:
    from polytome import LogisticRegression
    from polytome.inference import summarize

    data = DATA[2]
    X, y = np.column_stack([data["x"], data["z"], 2 * data["x"]]), data["y"]
    model = LogisticRegression(C=np.inf, tol=1e-9).fit(X[:, :2], y)
    dense = summarize(model, X[:, :2], y, covariance="CR3", clusters=data["town"])
    thin = summarize(model, sparse.csr_array(X[:, :2]), y, covariance="CR3", clusters=data["town"])
    assert_allclose(thin.covariance, dense.covariance, rtol=1e-9)
    aliased = fit_formula("y ~ x + z + I(2 * x)", data, covariance="CR2", clusters="town")
    assert np.isnan(aliased.estimate.own_df[0, 3])
    assert np.isfinite(aliased.estimate.own_df[0, :3]).all()
    assert_allclose(
        aliased.standard_errors[0, :3],
        fit_formula("y ~ x + z", data, covariance="CR2", clusters="town").standard_errors[0],
    )


def test_what_cannot_be_done_is_said() -> None:
    data = DATA[2] | {"street": np.arange(N) % 20}
    with pytest.raises(ArgumentError, match="CR2' and clusters: errors by cluster need both"):
        fit_formula("y ~ x", data, covariance="CR2")
    with pytest.raises(ArgumentError, match="of clusters one way, and there are two"):
        fit_formula("y ~ x", data, covariance="CR3", clusters=["town", "street"])
    with pytest.raises(ArgumentError, match=r"is of two classes.*use covariance='CR3'"):
        fit_formula("y ~ x", DATA[3], covariance="CR2", clusters="town")
    few = fit_formula("y ~ x + z", data | {"half": data["town"] % 3}, covariance="CR3", clusters="half")
    with pytest.raises(ArgumentError, match=r"too few clusters for its .* together|no positive variance"):
        few.test(np.eye(3))
