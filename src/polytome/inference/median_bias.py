"""Median-bias-reduced estimates: each coefficient is as likely too large as too small, but for
terms of order n^(-3/2), and finite also where classes are separated.

The score is adjusted by that of Firth's method and a further term, which no likelihood has as its
gradient: there are estimates and Wald tests, but no likelihood ratios. With leverages h, the
information I and its inverse V, of two classes

    U* = X' (y - p + h (1/2 - p)) + I b,   b_j = -V_j X' (h_j (1 - 2 p)) / 3

where h_j are the leverages with `V_j V_j' / V_jj` in the place of V.

Reference: Kenne Pagui, Salvan and Sartori, Median bias reduction of maximum likelihood estimates,
Biometrika 104, 2017; Kosmidis, Kenne Pagui and Sartori, Mean and median bias reduction in
generalized linear models, Statistics and Computing 30, 2020.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.inference.ascent import CONVERGED, Ascended
from polytome.inference.likelihood import Derived, Likelihood, solved
from polytome.threads import one_blas_thread

Array = NDArray[Any]

__all__ = ["median_bias_reduced"]

_MAX_STEPS = 500
_LARGEST_STEP = 5.0
"""Of a linear predictor's coefficient for a standardised column."""


def median_bias_reduced(likelihood: Likelihood, start: Array | None = None) -> Ascended[Derived]:
    """The coefficients where the adjusted score is 0, by Fisher's scoring.

    Args:
        likelihood: of two classes.
        start: coefficients of standardised columns to begin with.

    Example:
        >>> X, codes = np.array([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]]), np.array([0, 1, 1, 1, 1, 1])
        >>> likelihood = Likelihood.of(X, codes, 2)  # all ones are of class 1
        >>> likelihood.as_given(median_bias_reduced(likelihood).at).round(4)
        array([0.619 , 2.1028])
    """
    to_given = likelihood.to_given
    at = likelihood.null_start() if start is None else start
    step: Array = np.zeros_like(at)
    distance, shortest, damping = float("inf"), float("inf"), 1.0
    derived = likelihood.derived(at)
    for _ in range(_MAX_STEPS):
        slope = derived.gradient + _adjustment(likelihood, at, derived.information, to_given)
        step = solved(derived.information, slope)
        distance = float(np.sqrt(max(float(slope @ step), 0.0)))
        if distance < 1e-13 or (distance <= CONVERGED and distance >= 0.9 * shortest):
            break
        damping = damping / 2 if distance > 2 * shortest else min(1.0, 1.5 * damping)
        shortest = min(shortest, distance)
        length = float(np.abs(step).max())
        at = at + step * damping * min(1.0, _LARGEST_STEP / length)
        derived = likelihood.derived(at)
    return Ascended(at, derived, step, distance)


def _adjustment(likelihood: Likelihood, at: Array, information: Array, to_given: Array) -> Array:
    """What is added to the score. Medians of coefficients as given are meant, which those of
    standardised columns are sums of: directions are those of the former."""
    V = solved(information, np.eye(likelihood.size))
    given = to_given @ V  # the covariance of each coefficient as given with those of the columns here
    variance = np.einsum("ij,ij->i", given, to_given)
    size = likelihood.size
    total, parts = np.zeros(size), np.zeros((size, size))
    for rows in likelihood.at_rows(at):
        p, curvature = rows.mean[:, 1], rows.weight * rows.curvature[:, 0, 0]
        with one_blas_thread():
            leverage = np.einsum("ij,ij->i", rows.X @ V, rows.X) * curvature
            total += (leverage * (0.5 - p)) @ rows.X
            own = (rows.X @ given.T) ** 2 / variance * curvature[:, None]
            parts += (own * (1 - 2 * p)[:, None]).T @ rows.X
    b = -np.einsum("ij,ij->i", given, parts) / 3
    return np.asarray(total + information @ np.linalg.solve(to_given, b))
