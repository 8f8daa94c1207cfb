"""Covariances of maximum-likelihood estimates: what the likelihood says, and what holds where rows
vary more than it says, or come in clusters.

With the scores of a row `g_i = r_i (x) x_i`, the information `I` and `V = I^-1`:

| name | covariance | rows count |
|---|---|---|
| observed | `V` | by the likelihood; for these links it is the expected information too |
| HC0 | `V (sum g g') V` | alone, whatever their variance (White 1982) |
| HC1 | HC0 times `n / (n - k)`, k coefficients | |
| robust | HC0 times `n / (n - 1)`, as Stata's `vce(robust)` | |
| HC2, HC3 | with `(I - H_i)^-1/2 r_i`, `(I - H_i)^-1 r_i`, `H_i` the leverage | |
| cluster | `V (sum_c g_c g_c') V` times `G / (G - 1)`, sums over clusters | in G clusters |
| cluster-HC1 | cluster times `(n - 1) / (n - k)` | |
| CR2, CR3 | see `cluster_corrections` | in G clusters, be they few |

Two ways of clustering, A and B: the covariance by A, plus that by B, less that by A and B together,
each with its own factor. The leverage of a row is a number for two classes and a matrix for more.

Weights say what they are: "frequencies" count equal rows, `g g'` counts as often; "importance" and
"sampling" weights multiply the scores, so their squares count.

References: White, Maximum likelihood estimation of misspecified models, Econometrica 50, 1982;
MacKinnon and White, Some heteroskedasticity-consistent covariance matrix estimators, Journal of
Econometrics 29, 1985; Cameron and Miller, A practitioner's guide to cluster-robust inference,
Journal of Human Resources 50, 2015; Cameron, Gelbach and Miller, Robust inference with multiway
clustering, Journal of Business and Economic Statistics 29, 2011.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.errors import ArgumentError, DataError
from polytome.inference.cluster_corrections import CORRECTIONS
from polytome.inference.likelihood import AtRows, Likelihood, Maximum, at_block, solved
from polytome.losses import Loss
from polytome.passes import Block, Columns, Sums
from polytome.passes.gradients import kronecker_rows
from polytome.threads import one_blas_thread

Array = NDArray[Any]

__all__ = [
    "COVARIANCES",
    "Clusters",
    "ScoreProducts",
    "clusters_from",
    "covariance_of",
    "generalised_score",
    "leverages",
]

COVARIANCES = ("observed", "HC0", "HC1", "HC2", "HC3", "robust", "cluster", "cluster-HC1", *CORRECTIONS)
"""The names of covariances."""
_POWERS = {"HC2": 0.5, "HC3": 1.0}
_NOTHING_LEFT = 1e-4
"""`1 - leverage` of a row that its own coefficients fit: its residual is 0, and stays that."""
_MOST_SUMS = 2**24
"""Sums of scores by cluster that are in memory at a time, 128 MiB."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """Which cluster each row belongs to, one way or two.

    Attributes:
        names: of each way.
        codes: for each way the place of each row's cluster, (n,).
    """

    names: tuple[str, ...]
    codes: tuple[Array, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """How many clusters each way has."""
        return tuple(int(codes.max()) + 1 for codes in self.codes)

    def ways(self) -> list[tuple[Array, int]]:
        """The groupings of inclusion and exclusion, and their signs."""
        if len(self.codes) == 1:
            return [(self.codes[0], 1)]
        first, second = self.codes
        both = np.unique(first.astype(np.int64) * (int(second.max()) + 1) + second, return_inverse=True)[1]
        return [(first, 1), (second, 1), (both, -1)]


@dataclass(frozen=True, eq=False)
class ScoreProducts:
    """The weighted sum of `g g'` over the rows, `g = r (x) x`, for standardised columns.

    Args:
        loss: a loss of `polytome.losses`.
        raw: coefficients for raw columns, shape (n_features + 1, n_outputs), float64.
        columns: how the columns are standardised.
        fit_intercept: whether ones stand before them.
        counts_rows: whether weights count equal rows; else scores are multiplied by them.
        power: of `I - H` by which a residual is divided.
        covariance: of the coefficients, for the leverages; None where power is 0.
    """

    loss: Loss
    raw: Array
    columns: Columns
    fit_intercept: bool
    counts_rows: bool
    power: float = 0.0
    covariance: Array | None = None
    joined = 0

    def of_block(self, block: Block) -> Sums:
        """One matrix product."""
        rows = at_block(block, self.loss, self.raw, self.columns, self.fit_intercept)
        residual = rows.residual
        if self.covariance is not None:
            residual = _adjusted(rows, self.covariance, self.counts_rows, self.power)
        factor = np.sqrt(rows.weight) if self.counts_rows else rows.weight
        scores = kronecker_rows(residual * factor[:, None], rows.X)
        return (scores.T @ scores,)


def covariance_of(
    likelihood: Likelihood,
    best: Maximum,
    kind: str,
    *,
    counts_rows: bool = False,
    n_observations: float,
    clusters: Clusters | None = None,
    other: Array | None = None,
) -> Array:
    """The covariance of coefficients of standardised columns.

    Args:
        likelihood: of the rows.
        best: its maximum.
        kind: a name of `COVARIANCES`.
        counts_rows: whether weights are frequencies.
        n_observations: rows, or the sum of frequencies.
        clusters: for the kinds that have them.
        other: of two classes `probability_of_other` at the maximum, where it is known.

    Raises:
        DataError: HC1 of as many coefficients as rows.
    """
    V = likelihood.covariance(best.derived)
    if kind == "observed":
        return V
    n, k = n_observations, likelihood.size
    if kind.endswith("HC1") and n <= k:
        raise DataError(
            f"covariance={kind!r} divides by n - k, rows less coefficients, and there are {n:,.10g} rows for {k:,} "
            "coefficients; leave columns out"
        )
    if clusters is not None:
        meat = np.zeros_like(V)
        for codes, sign in clusters.ways():
            G = int(codes.max()) + 1
            factor = G / (G - 1) * ((n - 1) / (n - k) if kind == "cluster-HC1" else 1.0)
            meat += sign * factor * _sums_by_cluster(likelihood, best.at, codes, G)
        return V @ meat @ V
    factor = n / (n - 1) if kind == "robust" else n / (n - k) if kind == "HC1" else 1.0
    columns, power = likelihood.rows.columns, _POWERS.get(kind, 0.0)
    if likelihood.n_equations == 1 and not power:
        other = likelihood.probability_of_other(best.at) if other is None else other
        return factor * V @ likelihood.squares_of_scores(other, counts_rows) @ V
    a_pass = ScoreProducts(
        likelihood.loss,
        likelihood.raw(best.at),
        columns,
        likelihood.fit_intercept,
        counts_rows,
        power,
        V if power else None,
    )
    with one_blas_thread():  # threads share the blocks
        (products,) = likelihood.rows.reduce(a_pass)
    return factor * V @ products @ V


def generalised_score(
    likelihood: Likelihood, at: Maximum, A: Array, covariance_at: Callable[[Maximum], Array]
) -> float:
    """Of a linear hypothesis `A theta = b` the score statistic that allows for what robust errors
    allow for: with the gradient g, the information I and the covariance V where it holds,
    `(A I^-1 g)' (A V A')^-1 (A I^-1 g)`. With `V = I^-1` that is Rao's.

    Args:
        likelihood: of the rows.
        at: its maximum under the hypothesis.
        A: (r, size), of full rank, for coefficients of columns as given.
        covariance_at: V at a maximum, for coefficients of standardised columns.

    Reference: Boos, On generalized score tests, The American Statistician 46, 1992.
    """
    own = A @ likelihood.to_given
    moved, spread = own @ solved(at.derived.information, at.derived.gradient), own @ covariance_at(at) @ own.T
    return float(moved @ solved(spread, moved))


def leverages(rows: AtRows, covariance: Array, counts_rows: bool) -> tuple[Array, Array]:
    """`W_i` and `G_i` of each row, whose product is its leverage, both (b, E, E): the curvature of
    its loss with its weight, and the covariance of its scores. Of frequencies, that of one of the
    equal rows."""
    E, m = rows.residual.shape[1], rows.X.shape[1]
    V = covariance.reshape(E, m, E, m)
    G = np.empty((len(rows.X), E, E))
    for j in range(E):
        for k in range(E):
            G[:, j, k] = np.einsum("im,im->i", rows.X @ V[j, :, k, :], rows.X)
    W = rows.curvature if counts_rows else rows.curvature * rows.weight[:, None, None]
    return W, G


def _adjusted(rows: AtRows, covariance: Array, counts_rows: bool, power: float) -> Array:
    """Residuals divided by a power of `I - W_i G_i`."""
    W, G = leverages(rows, covariance, counts_rows)
    if W.shape[1] == 1:
        adjusted: Array = rows.residual / _left(1 - (W * G)[:, :, 0]) ** power
        return adjusted
    # W G is similar to the symmetric L' W L with G = L L': its eigenvalues are real, and at most 1.
    has_columns = np.asarray(rows.X.any(axis=1))[:, None, None]
    L = np.linalg.cholesky(np.where(has_columns, G, np.eye(W.shape[1])))
    T = np.swapaxes(L, 1, 2)
    values, vectors = np.linalg.eigh(T @ W @ L)
    roots = _left(1 - values)[:, :, None] ** -power
    turned = roots * (np.swapaxes(vectors, 1, 2) @ (T @ rows.residual[:, :, None]))
    return np.asarray(np.linalg.solve(T, vectors @ turned)[:, :, 0])


def _left(rest: Array) -> Array:
    """What residuals are divided by; 1 for a row of leverage 1."""
    return np.where(rest > _NOTHING_LEFT, rest, 1.0)


def _sums_by_cluster(likelihood: Likelihood, at: Array, codes: Array, n_clusters: int) -> Array:
    """`sum_g g_g g_g'`: a pass for as many clusters as fit into memory."""
    size = likelihood.size
    at_once = max(_MOST_SUMS // size, 1)
    meat = np.zeros((size, size))
    for first in range(0, n_clusters, at_once):
        count = min(at_once, n_clusters - first)
        sums = np.zeros((count, size))
        for rows in likelihood.at_rows(at):
            own = codes[rows.start : rows.start + len(rows.X)] - first
            chosen = np.flatnonzero((own >= 0) & (own < count))
            scores = kronecker_rows((rows.residual * rows.weight[:, None])[chosen], rows.X[chosen])
            indicator = sparse.csr_matrix(
                (np.ones(len(chosen)), (own[chosen], np.arange(len(chosen)))), (count, len(chosen))
            )
            sums += indicator @ scores
        meat += sums.T @ sums
    return meat


def clusters_from(columns: Sequence[Array], names: Sequence[str], counting: Array) -> Clusters:
    """Clusters of the rows that count, from one column or two of any values.

    Raises:
        ArgumentError: there are more than two columns, or all rows are in one cluster.
        DataError: the cluster of a row is missing.
    """
    if len(columns) > 2:
        raise ArgumentError(f"clusters has {len(columns)} columns: errors are clustered one way or two")
    codes = []
    for name, column in zip(names, columns, strict=True):
        values = np.asarray(column)
        gaps = np.flatnonzero(_gaps(values) & counting)
        if len(gaps):
            raise DataError(
                f"{name} is missing in row {gaps[0]}: every row needs a cluster; name it, or leave the row out"
            )
        found = _places(values[counting])
        if found.max() == 0:
            raise ArgumentError(
                f"clusters: all rows have the same {name}; errors clustered by it need several clusters"
            )
        codes.append(found)
    return Clusters(tuple(names), tuple(codes))


def _gaps(values: Array) -> Array:
    """Which values are missing: NaN, NaT, None, or what is not equal to itself."""
    if values.dtype.kind in "fcmM":
        return np.asarray(np.isnan(values))
    if values.dtype.kind != "O":
        return np.zeros(len(values), dtype=bool)
    return np.array([value is None or (value == value) is not True for value in values.tolist()], dtype=bool)


def _places(values: Array) -> Array:
    """The place of each value among those that differ, of whatever types."""
    if values.dtype.kind != "O":
        return np.asarray(np.unique(values, return_inverse=True)[1].ravel())
    places: dict[object, int] = {}
    return np.array([places.setdefault(value, len(places)) for value in values.tolist()], dtype=np.intp)
