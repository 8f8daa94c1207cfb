"""Brant's test of proportional odds: whether each threshold, fitted by itself, has the same slopes.

Reference: Brant, Assessing proportionality in the proportional odds model for ordinal logistic
regression, Biometrics 46, 1990; Long and Freese, Regression Models for Categorical Dependent
Variables Using Stata, 2014, section 7.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import pinvh

from polytome.errors import ArgumentError
from polytome.inference.likelihood import Likelihood, solved
from polytome.inference.sample import Sample
from polytome.inference.tested import Test
from polytome.models.diagnose import diagnose
from polytome.tables.frames import listing

Array = NDArray[Any]

__all__ = ["BrantTest", "brant_test"]


@dataclass(frozen=True, eq=False)
class BrantTest:
    """Whether the slopes are the same at each threshold; prints as a few lines.

    Attributes:
        test: of all columns at once.
        by_term: of each column.
        slopes: of the logistic regressions of the classes above each threshold against those up to
            it, (n_classes - 1, n_columns).
        thresholds: the names of these.
    """

    test: Test
    by_term: tuple[Test, ...]
    slopes: Array
    thresholds: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, (self.test, *self.by_term)))

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        return self.test.to_json() | {"by_term": [test.to_json() for test in self.by_term]}


def brant_test(sample: Sample, kept: Array, names: tuple[str, ...]) -> BrantTest:
    """Of rows whose classes are in order.

    Args:
        sample: the rows.
        kept: the columns that are estimated.
        names: of the thresholds.

    Raises:
        ArgumentError: there are two classes only, no columns, or rows of some threshold are
            separated.
    """
    K, p = len(sample.classes), len(kept)
    if K < 3 or p == 0:
        raise ArgumentError("Brant's test compares slopes between thresholds: it needs three classes and a column")
    X = sample.X[:, kept]
    fits, slopes = [], []
    for j, name in enumerate(names):
        above = (sample.codes > j).astype(np.intp)
        separation = diagnose(X, above, sample_weight=sample.weight).separation
        if separation is not None:
            columns = listing([sample.names[kept[each.column]] for each in separation.infinite])
            raise ArgumentError(
                f"Brant's test needs finite slopes at each threshold, and at {name} the classes are separated by "
                f"{columns}; leave such columns out"
            )
        likelihood = Likelihood.of(X, above, 2, sample.weight, offset=sample.offset)
        best = likelihood.maximum()
        fits.append((likelihood, best))
        slopes.append(likelihood.as_given(best.at)[1:])
    covariance = _covariance(fits, p)
    beta = np.array(slopes)

    def test(columns: Array, text: str) -> Test:
        A = np.zeros(((K - 2) * len(columns), (K - 1) * p))
        for row, (j, column) in enumerate((j, column) for j in range(1, K - 1) for column in columns):
            A[row, column], A[row, j * p + column] = 1.0, -1.0
        rest = A @ beta.ravel()
        spread = A @ covariance @ A.T
        return Test.of("Brant's", text, float(rest @ pinvh(spread) @ rest), len(rest))

    every = test(np.arange(p), "proportional odds")
    each = tuple(test(np.array([k]), f"proportional odds of {sample.names[j]}") for k, j in enumerate(kept))
    return BrantTest(every, each, beta, names)


def _covariance(fits: list[Any], p: int) -> Array:
    """Of the slopes of all thresholds, which the same rows make dependent: (n, n) for n thresholds
    times p columns."""
    n = len(fits)
    inverse = [solved(best.derived.information, np.eye(p + 1)) for _, best in fits]
    shared = np.zeros((n, n, p + 1, p + 1))
    for parts in zip(*(likelihood.at_rows(best.at) for likelihood, best in fits), strict=True):
        X, weight = parts[0].X, parts[0].weight
        probabilities = [part.mean[:, 1] for part in parts]
        for j in range(n):
            for k in range(j, n):
                # Whoever is above the higher threshold is above the lower one.
                factors = weight * probabilities[k] * (1 - probabilities[j])
                shared[j, k] += X.T @ (X * factors[:, None])
    covariance = np.zeros((n * p, n * p))
    for j in range(n):
        for k in range(j, n):
            own = fits[j][0].to_given @ inverse[j] @ shared[j, k] @ inverse[k] @ fits[k][0].to_given.T
            block = own[1:, 1:]
            covariance[j * p : (j + 1) * p, k * p : (k + 1) * p] = block
            covariance[k * p : (k + 1) * p, j * p : (j + 1) * p] = block.T
    return covariance
