"""Covariances by cluster that are right in small samples, and the degrees of freedom they have.

Coefficients follow the rows of a cluster, the more so the fewer clusters there are and the more a
column differs between them, so that residuals there are too small. With the working covariance of
the likelihood itself, `W_g^-1` for the residuals `e_g` of a linear model with weights `W_g`, the
information `I = sum_g I_g`, and the part `H_g = X_g I^-1 X_g' W_g` of the hat matrix:

| name | what residuals of a cluster are multiplied by |
|---|---|
| CR2 | `D (D (1 - H_g) W_g^-1 D)^-1/2 D`, `D = W_g^-1/2`: exact under the working covariance |
| CR3 | `(1 - H_g)^-1`: terms are `(I - I_g)^-1 s_g`, Newton's steps without the cluster |

A linear combination of coefficients then has a variance whose own mean and variance are known under
the working covariance; a chi-squared number with the same two has Satterthwaite's degrees of
freedom. Several combinations together have those of Hotelling's T^2.

References: Bell and McCaffrey, Bias reduction in standard errors for linear regression with
multi-stage samples, Survey Methodology 28, 2002; Pustejovsky and Tipton, Small-sample methods for
cluster-robust variance estimation and hypothesis testing in fixed effects models, Journal of
Business and Economic Statistics 36, 2018, whose R package clubSandwich has the same formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

from polytome.errors import ArgumentError
from polytome.inference.likelihood import Likelihood, at_block
from polytome.passes.gradients import kronecker_rows
from polytome.threads import one_blas_thread

Array = NDArray[Any]

__all__ = ["CORRECTIONS", "ClusterCorrection"]

CORRECTIONS = ("CR2", "CR3")
"""The names of corrections."""
_NOTHING_LEFT = 1e-8
"""What is left of a direction without a cluster that alone says something of it: no residual."""
_MOST_ROWS = 4_000
"""Rows of a cluster whose matrix of rows by rows is decomposed: some twenty seconds."""
_ENTRIES_AT_ONCE = 2**22
_KEPT_ENTRIES = 2**23
"""Numbers of all clusters that are kept, 64 MiB; beyond, they are made again for each question."""


class _OfCluster(NamedTuple):
    """What a cluster adds, in coordinates in which the information is the unit matrix.

    With adjusted weights Y of the rows' residuals, (n_rows, size): `term = Y' e`, how it moves the
    coefficients; `moved = Y' X`, how much of a change of coefficients it takes for its own; and
    `spread = Y' W^-1 Y`, the covariance of the term, but for what the fit takes away.
    """

    term: Array
    moved: Array
    spread: Array


@dataclass(frozen=True, eq=False)
class ClusterCorrection:
    """A corrected covariance by cluster, and the degrees of freedom of any combination.

    Attributes:
        kind: a name of `CORRECTIONS`.
        likelihood: of the rows.
        at: its maximum, coefficients of standardised columns.
        information: there.
        codes: the place of each row's cluster.
        counts_rows: whether weights count equal rows.
    """

    kind: str
    likelihood: Likelihood
    at: Array
    information: Array
    codes: Array
    counts_rows: bool = False
    _kept: list[_OfCluster] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind == "CR2" and self.likelihood.n_equations > 1:
            raise ArgumentError(
                "covariance='CR2' is of two classes: of more its definition depends on which class is the reference; "
                "use covariance='CR3'"
            )
        weight = self.likelihood.rows.weight
        rows = np.bincount(self.codes, weight if self.counts_rows else None)
        if self.kind == "CR2" and rows.max() > _MOST_ROWS:
            raise ArgumentError(
                f"covariance='CR2' decomposes a matrix of rows by rows for each cluster, and one has {rows.max():,.0f} "
                f"rows, more than {_MOST_ROWS:,}; use covariance='CR3', which takes any"
            )

    def covariance(self) -> Array:
        """Of coefficients of standardised columns."""
        root, size = self._root, len(self.information)
        meat = np.zeros((size, size))
        for each in self._clusters():
            meat += np.outer(each.term, each.term)
        half = solve_triangular(root, meat, lower=True, trans="T")
        found: Array = solve_triangular(root, half.T, lower=True, trans="T")
        return (found + found.T) / 2

    def degrees(self, contrasts: Array) -> Array:
        """Satterthwaite's degrees of freedom of combinations, each by itself.

        Args:
            contrasts: of coefficients of standardised columns, (r, size).
        """
        at_once = max(_ENTRIES_AT_ONCE // len(self.information) ** 2, 1)
        parts = [self._degrees(contrasts[start : start + at_once]) for start in range(0, len(contrasts), at_once)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def joint_degrees(self, contrasts: Array) -> float:
        """Those of Hotelling's T^2 of combinations together, (r, size): with r of them and eta of
        these, `(eta - r + 1) / (eta r)` of Wald's statistic has Fisher's F of r and `eta - r + 1`
        degrees of freedom."""
        C, r = self._whitened(contrasts), len(contrasts)
        mean = np.zeros((r, r))
        for each in self._clusters():
            moved = each.moved.T @ C
            mean += C.T @ each.spread @ C - moved.T @ moved
        values, vectors = np.linalg.eigh((mean + mean.T) / 2)
        if not values[0] > 0:
            return 0.0
        C = C @ (vectors / np.sqrt(values)) @ vectors.T
        sums = np.zeros((r, r, len(C), len(C)))
        variance = 0.0
        for each in self._clusters():
            moved = each.moved.T @ C
            sums += np.einsum("is,jt->stij", moved, moved)
            own = moved.T @ moved
            whole = C.T @ each.spread @ C - own
            variance += np.trace(whole) ** 2 - np.trace(own) ** 2 + np.vdot(whole, whole) - np.vdot(own, own)
        for s in range(r):
            for t in range(r):
                variance += float(np.vdot(sums[s, t], sums[s, t]) + np.vdot(sums[s, t], sums[s, t].T))
        return float(r * (r + 1) / variance)

    def _degrees(self, contrasts: Array) -> Array:
        C = self._whitened(contrasts)
        size, r = C.shape
        sums, mean, variance = np.zeros((r, size, size)), np.zeros(r), np.zeros(r)
        for each in self._clusters():
            moved = each.moved.T @ C
            sums += np.einsum("is,js->sij", moved, moved)
            own = np.einsum("is,is->s", moved, moved)
            whole = np.einsum("is,is->s", C, each.spread @ C) - own
            mean += whole
            variance += whole**2 - own**2
        variance += np.einsum("sij,sij->s", sums, sums)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(mean**2 / variance)

    @property
    def _root(self) -> Array:
        return np.asarray(cholesky(self.information, lower=True))

    def _whitened(self, contrasts: Array) -> Array:
        return np.asarray(solve_triangular(self._root, contrasts.T, lower=True))

    def _clusters(self) -> Iterator[_OfCluster]:
        """All of them, kept where they are small."""
        if self._kept:
            yield from self._kept
            return
        size, n_clusters = len(self.information), int(self.codes.max()) + 1
        if 2 * n_clusters * size**2 <= _KEPT_ENTRIES:
            self._kept.extend(self._made())
            yield from self._kept
        else:
            yield from self._made()

    def _made(self) -> Iterator[_OfCluster]:
        likelihood, root, raw = self.likelihood, self._root, self.likelihood.raw(self.at)
        order = np.argsort(self.codes, kind="stable")
        ends = np.cumsum(np.bincount(self.codes))
        n_at_once = max(_ENTRIES_AT_ONCE // likelihood.size, 1)
        first = 0
        while first < len(ends):
            start = ends[first - 1] if first else 0
            last = max(int(np.searchsorted(ends, start + n_at_once, side="right")), first + 1)
            places = order[start : ends[last - 1]]
            block = likelihood.rows.pick(places)
            with one_blas_thread():
                rows = at_block(block, likelihood.loss, raw, likelihood.rows.columns, likelihood.fit_intercept)
                for g in range(first, last):
                    own = slice((ends[g - 1] if g else 0) - start, ends[g] - start)
                    make = self._by_rows if self.kind == "CR2" else self._by_information
                    yield make(root, rows.X[own], rows.residual[own], rows.curvature[own], rows.weight[own])
            first = last

    def _by_information(self, root: Array, X: Array, residual: Array, curvature: Array, weight: Array) -> _OfCluster:
        """CR3: of the cluster's information and score alone."""
        score = (kronecker_rows(residual, X) * weight[:, None]).sum(axis=0)
        E, m = residual.shape[1], X.shape[1]
        weights = curvature * weight[:, None, None]
        information = np.empty((E, m, E, m))
        for j in range(E):
            for k in range(E):
                information[j, :, k, :] = X.T @ (weights[:, j, k, None] * X)
        half = solve_triangular(root, information.reshape(E * m, E * m), lower=True)
        values, vectors = np.linalg.eigh(solve_triangular(root, half.T, lower=True))
        left = np.where(1 - values > _NOTHING_LEFT, 1 - values, np.inf)
        inverse = (vectors / left) @ vectors.T
        moved = (vectors * (values / left)) @ vectors.T
        spread = (vectors * (values / left**2)) @ vectors.T
        return _OfCluster(inverse @ solve_triangular(root, score, lower=True), moved, spread)

    def _by_rows(self, root: Array, X: Array, residual: Array, curvature: Array, weight: Array) -> _OfCluster:
        """CR2, of two classes: of a decomposition of rows by rows."""
        residual, weights = residual[:, 0], curvature[:, 0, 0] * weight
        if self.counts_rows:
            counts = weight.astype(np.intp)
            X, residual, weights = (np.repeat(each, counts, axis=0) for each in (X, residual, curvature[:, 0, 0]))
            weight = np.ones(len(residual))
        counts_rows = weights > 0
        X, residual, weights, weight = (each[counts_rows] for each in (X, residual, weights, weight))
        D = 1 / np.sqrt(weights)
        whitened = solve_triangular(root, X.T, lower=True).T
        left = np.diag(1 / weights) - whitened @ whitened.T
        values, vectors = np.linalg.eigh(D[:, None] * left * D)
        roots = np.where(values > 1e-12 * values.max(initial=0.0), values, np.inf) ** -0.5
        adjustment = D[:, None] * ((vectors * roots) @ vectors.T) * D
        Y = adjustment @ (weights[:, None] * whitened)
        return _OfCluster(Y.T @ (weight * residual / weights), Y.T @ whitened, (Y.T / weights) @ Y)
