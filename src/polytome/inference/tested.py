"""Wald, likelihood-ratio and score tests of linear hypotheses, and profile-likelihood intervals.

References: Rao, Linear Statistical Inference and Its Applications, 1973, section 6e; Agresti,
Categorical Data Analysis, 2013, section 1.3; Boos, On generalized score tests, The American
Statistician 46, 1992; Venzon and Moolgavkar, A method for computing
profile-likelihood-based confidence intervals, Applied Statistics 37, 1988.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr
from scipy.stats import chi2, f
from sklearn.exceptions import ConvergenceWarning

from polytome.errors import ArgumentError
from polytome.inference.estimate import Estimate, Refitter
from polytome.inference.hypotheses import Hypothesis

Array = NDArray[Any]

__all__ = ["METHODS", "Test", "likelihood_ratio", "profile_interval", "robust_score", "score", "wald"]

METHODS = ("wald", "likelihood-ratio", "score")
"""The names of tests."""
_END = 1e-11
"""How near an end of an interval is to the exact one, relative to its distance from the
estimate."""
_MOST_STEPS = 200


@dataclass(frozen=True)
class Test:
    """A test of a hypothesis; prints as a line.

    Attributes:
        method: "Wald", "likelihood ratio", "score" or "robust score".
        hypothesis: what was tested.
        statistic: under the hypothesis about as a chi-squared number; with errors by cluster as
            Fisher's F.
        df: its degrees of freedom: how many independent equations the hypothesis has.
        p_value: how probable a statistic as large is.
        df_errors: the degrees of freedom of F's denominator; infinite for a chi-squared number.

    Example:
        >>> print(Test("Wald", "read = write", 4.2, 1, 0.0404))
        Wald test of read = write: chi2(1) = 4.2000, p = 0.0404
    """

    __test__ = False  # the name is not for pytest

    method: str
    hypothesis: str
    statistic: float
    df: int
    p_value: float
    df_errors: float = np.inf

    @property
    def law(self) -> str:
        """The distribution of the statistic under the hypothesis."""
        return f"chi2({self.df})" if np.isinf(self.df_errors) else f"F({self.df}, {self.df_errors:.6g})"

    def __str__(self) -> str:
        p = f"{self.p_value:.4f}" if self.p_value >= 1e-4 else f"{self.p_value:.2e}"
        return f"{self.method} test of {self.hypothesis}: {self.law} = {self.statistic:.4f}, p = {p}"

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "method": self.method,
            "hypothesis": self.hypothesis,
            "statistic": self.statistic,
            "df": self.df,
            "p_value": self.p_value,
        } | ({} if np.isinf(self.df_errors) else {"df_errors": self.df_errors})

    @classmethod
    def of(cls, method: str, hypothesis: str, statistic: float, df: int, df_errors: float = np.inf) -> Test:
        """With its p-value; from a chi-squared statistic, which F divides by its degrees of
        freedom."""
        statistic = max(float(statistic), 0.0)
        if np.isinf(df_errors):
            return cls(method, hypothesis, statistic, df, float(chi2.sf(statistic, df)))
        p = float(f.sf(statistic / df, df, df_errors))
        return cls(method, hypothesis, statistic / df, df, p, df_errors)


def wald(estimate: Estimate, hypothesis: Hypothesis) -> Test:
    """`(A theta - b)' (A V A')^-1 (A theta - b)`."""
    A, b = _independent(hypothesis)
    values = estimate.coefficients.ravel()
    infinite = np.flatnonzero(np.isinf(values) & A.any(axis=0))
    if len(infinite):
        raise ArgumentError(
            f"hypothesis {hypothesis.text!r}: {estimate.labels[infinite[0]][1]!r} has no finite estimate, so Wald's "
            "test says nothing; use method='likelihood-ratio'"
        )
    used, whole = A.any(axis=0), A
    A = A[:, used]
    rest = A @ values[used] - b
    spread = A @ estimate.covariance[np.ix_(used, used)] @ A.T
    size = np.sqrt(np.maximum(np.diag(spread), 0.0))
    if not (size > 0).all():
        raise ArgumentError(f"hypothesis {hypothesis.text!r}: the covariance has no variance for it")
    scaled, rest = spread / np.outer(size, size), rest / size
    if not np.linalg.eigvalsh(scaled)[0] > 1e-12:
        raise ArgumentError(
            f"hypothesis {hypothesis.text!r}: the covariance has no positive variance for each of its {len(rest)} "
            "equations, as with few clusters; test fewer"
        )
    statistic = float(rest @ np.linalg.solve(scaled, rest))
    if estimate.degrees is None:
        return Test.of("Wald", hypothesis.text, statistic, len(rest), estimate.df)
    return _of_few_clusters(
        statistic, hypothesis.text, len(rest), estimate.degrees.together(whole[:, estimate.estimated])
    )


def _of_few_clusters(statistic: float, text: str, r: int, eta: float) -> Test:
    """By Fisher's F, as Hotelling's T^2 has it."""
    df_errors = eta - r + 1
    if not df_errors > 0:
        raise ArgumentError(
            f"hypothesis {text!r}: too few clusters for its {r} equations together, whose errors have {eta:.1f} "
            "degrees of freedom; test fewer"
        )
    value = max(statistic, 0.0) * df_errors / (eta * r)
    return Test("Wald", text, value, r, float(f.sf(value, r, df_errors)), df_errors)


def likelihood_ratio(estimate: Estimate, hypothesis: Hypothesis, refit: Refitter) -> Test:
    """Twice what the hypothesis costs of the log-likelihood."""
    A, b = _independent(hypothesis)
    found = refit(A[:, estimate.estimated], b)
    statistic = 2 * (estimate.log_likelihood - found.log_likelihood)
    return Test.of("likelihood ratio", hypothesis.text, statistic, len(b))


def robust_score(estimate: Estimate, hypothesis: Hypothesis) -> Test:
    """That of Boos, where the hypothesis holds."""
    assert estimate.robust_score is not None
    A, b = _independent(hypothesis)
    statistic = estimate.robust_score(A[:, estimate.estimated], b)
    return Test.of("robust score", hypothesis.text, statistic, len(b), estimate.df)


def score(estimate: Estimate, hypothesis: Hypothesis, refit: Refitter) -> Test:
    """`U' I^-1 U` with the gradient and the information where the hypothesis holds."""
    A, b = _independent(hypothesis)
    return Test.of("score", hypothesis.text, refit(A[:, estimate.estimated], b).score_statistic, len(b))


def profile_interval(estimate: Estimate, place: int, level: float, refit: Refitter) -> tuple[float, float]:
    """The values of one coefficient that a likelihood-ratio test does not reject; an end without a
    limit is infinite, and one that is not found NaN, with a ConvergenceWarning.

    Args:
        estimate: of all coefficients.
        place: of the coefficient in the vector of all.
        level: of confidence.
        refit: the maximum under constraints.
    """
    estimated = estimate.estimated
    A = (estimated == place).astype(float)[None]
    values = estimate.coefficients.ravel() if estimate.finite is None else estimate.finite.ravel()
    centre, threshold = float(values[place]), float(np.sqrt(chi2.ppf(level, 1)))
    error = float(estimate.standard_errors.ravel()[place])
    unit = error if 0 < error < 1e3 * (1 + abs(centre)) else 1.0
    last = values[estimated]

    def profile(value: float) -> tuple[float, float]:
        nonlocal last
        try:
            found = refit(A, np.array([value]), last)
        except np.linalg.LinAlgError:
            found = refit(A, np.array([value]))
        last = found.coefficients
        drop = 2 * (estimate.log_likelihood - found.log_likelihood)
        return float(np.sqrt(max(drop, 0.0))), float(A[0] @ found.gradient)

    ends = []
    for side in (-1, 1):
        last = values[estimated]
        best = estimate.coefficients.ravel()[place]
        # From an infinite estimate the way leads back through where the log-likelihood is flat.
        flat = 2 * abs(centre) if np.isinf(best) else 8 * unit
        ends.append(side * np.inf if best == side * np.inf else _end(profile, centre, side, unit, threshold, flat))
    if np.isnan(ends).any():
        equation, term = estimate.labels[place]
        warnings.warn(
            f"profile interval of {term!r} of {equation!r}: no end was found in {_MOST_STEPS} steps; it is told as "
            "missing (NA)",
            ConvergenceWarning,
            stacklevel=2,
        )
    return ends[0], ends[1]


def _end(
    profile: Callable[[float], tuple[float, float]],
    centre: float,
    side: int,
    unit: float,
    threshold: float,
    flat: float,
) -> float:
    """Where the signed root of the profile's drop, which is nearly linear, reaches a threshold:
    Newton's method between the values that are known to be too near and too far. Beyond the
    distance `flat` a log-likelihood that does not fall has come to its limit. NaN where no end is
    found."""
    near, far = 0.0, np.inf
    distance = threshold * unit
    for _ in range(_MOST_STEPS):
        root, slope = profile(centre + side * distance)
        if root < threshold:
            near = distance
            if far == np.inf and abs(slope) * unit < 1e-9 and distance > flat:
                return side * np.inf
        else:
            far = distance
        rate = -side * slope / root if root > 0 else 0.0
        step = (threshold - root) / rate if rate > 0 else np.inf
        wanted = distance + step
        if far == np.inf:
            wanted = min(wanted, 2 * distance) if wanted > distance else 2 * distance
        elif not near < wanted < far:
            wanted = (near + far) / 2
        if abs(wanted - distance) <= _END * distance or (far < np.inf and far - near <= _END * far):
            return centre + side * wanted
        distance = wanted
    return np.nan


def _independent(hypothesis: Hypothesis) -> tuple[Array, Array]:
    """Rows of the hypothesis none of which follows from the others."""
    A, b = hypothesis.A, hypothesis.b
    _, R, order = qr(A.T, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(R))
    kept = np.sort(order[: int((diagonal > 1e-12 * diagonal.max()).sum())])
    return A[kept], b[kept]
