"""Firth's bias-reduced estimates: the log-likelihood with Jeffreys' penalty, half the logarithm of
the determinant of the information.

Of links that are canonical, as these are, it takes the bias of order 1/n away from maximum
likelihood estimates, and it keeps all estimates finite when classes are separated. Neither for two
classes nor for more is it proved to have one maximum only, so an estimate is converged, never
proved.

The derivative of the penalty with respect to a coefficient of class k is the sum over rows of

    s x p_k (c_k - sum_a c_a p_a),   c_k = (Q_kk - 2 sum_a Q_ka p_a) / 2,   Q_ka = x' V_ka x

with the blocks V of the inverse of the whole information. Of two classes that is `s x h (1/2 - p)`,
h the leverage.

References: Firth, Bias reduction of maximum likelihood estimates, Biometrika 80, 1993; Heinze and
Schemper, A solution to the problem of separation in logistic regression, Statistics in Medicine 21,
2002; Bull, Mak and Greenwood, A modified score function estimator for multinomial logistic
regression in small samples, Computational Statistics and Data Analysis 39, 2002; Kosmidis and
Firth, Jeffreys-prior penalty, finiteness and shrinkage in binomial-response generalized linear
models, Biometrika 108, 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.inference.ascent import Ascended, ascend, refitted
from polytome.inference.estimate import Refit
from polytome.inference.likelihood import Derived, Likelihood, solved, with_offsets
from polytome.passes import block_scores
from polytome.threads import one_blas_thread

Array = NDArray[Any]

__all__ = ["JeffreysLikelihood", "Penalised"]


@dataclass(frozen=True)
class Penalised:
    """The penalised log-likelihood at some coefficients of standardised columns.

    Attributes:
        value: of columns as given.
        gradient: the modified score.
        plain: the log-likelihood without the penalty.
    """

    value: float
    gradient: Array
    plain: Derived

    @property
    def information(self) -> Array:
        """Fisher's, which is the inverse of the estimates' covariance."""
        return self.plain.information


@dataclass(frozen=True)
class JeffreysLikelihood:
    """A log-likelihood and half the logarithm of the determinant of its information.

    Attributes:
        likelihood: the rows and their classes.

    Example:
        >>> X, codes = np.array([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]]), np.array([0, 1, 1, 1, 1, 1])
        >>> own = JeffreysLikelihood(Likelihood.of(X, codes, 2))  # all ones are of class 1
        >>> own.likelihood.as_given(own.maximum().at).round(6)  # as if each cell had 1/2 more: log(2.5 / 1.5)
        array([0.510826, 1.435085])
    """

    likelihood: Likelihood

    def derived(self, at: Array) -> Penalised:
        """Two passes: the information, and what it makes of each row."""
        plain = self.likelihood.derived(at)
        nothing = Penalised(-np.inf, plain.gradient, plain)
        if not (np.isfinite(plain.value) and np.isfinite(plain.information).all()):
            return nothing
        with one_blas_thread(), np.errstate(divide="ignore"):
            sign, logarithm = np.linalg.slogdet(plain.information)
        if sign <= 0 or not np.isfinite(logarithm):
            return nothing
        with np.errstate(over="ignore", invalid="ignore"):
            gradient = plain.gradient + self._of_penalty(at, plain.information)
        if not np.isfinite(gradient).all():
            return nothing
        return Penalised(plain.value + float(logarithm) / 2 - self._of_scale, gradient, plain)

    @cached_property
    def _of_scale(self) -> float:
        """What the scale of the columns adds to half the logarithm of the determinant."""
        return float(np.linalg.slogdet(self.likelihood.to_given)[1])

    def _of_penalty(self, at: Array, information: Array) -> Array:
        """The derivative of half the logarithm of the determinant: a pass."""
        likelihood = self.likelihood
        E, m = likelihood.n_equations, likelihood.n_terms
        V = solved(information, np.eye(likelihood.size)).reshape(E, m, E, m)
        gradient = np.zeros((E, m))
        raw, columns, loss = likelihood.raw(at), likelihood.rows.columns, likelihood.loss
        for block in likelihood.rows.blocks():
            X = columns.dense(block)
            X = np.column_stack([np.ones(len(X)), X]) if likelihood.fit_intercept else X
            p = loss.mean(with_offsets(block_scores(block, raw), block))[:, int(E > 1) :]
            Q = np.empty((len(X), E, E))
            for a in range(E):
                for b in range(a + 1):
                    Q[:, a, b] = Q[:, b, a] = np.einsum("ij,ij->i", X @ V[a, :, b], X)
            c = np.diagonal(Q, axis1=1, axis2=2) / 2 - (Q @ p[:, :, None])[:, :, 0]
            change = p * (c - (p * c).sum(axis=1, keepdims=True)) * block.weight[:, None]
            gradient += change.T @ X
        return gradient.ravel()

    def maximum(self, start: Array | None = None) -> Ascended[Penalised]:
        """The coefficients where the modified score is 0."""
        return ascend(self.derived, self.likelihood.null_start() if start is None else start)

    def refit(self, best: Ascended[Penalised], A: Array, b: Array, start: Array | None = None) -> Refit:
        """The same under `A theta = b`, for coefficients of columns as given; the penalty is that
        of all of them (Heinze and Schemper, 2002).

        Of more than two classes there can be several maxima far from the estimates: the higher of
        two that are found from different starts.
        """
        to_given = self.likelihood.to_given
        starts = (
            [start]
            if self.likelihood.n_equations == 1
            else [start, None if start is not None else np.zeros(len(best.at))]
        )
        found = [refitted(self.derived, best, to_given, (A, b), each) for each in starts]
        return max(found, key=lambda each: each.log_likelihood)
