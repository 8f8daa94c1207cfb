"""What a table of coefficients is made of, however they were estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

Array = NDArray[Any]

__all__ = ["Estimate", "Refit", "Refitter", "two_sided", "width_of"]


@dataclass(frozen=True, eq=False)
class Refit:
    """The best coefficients under linear constraints.

    Attributes:
        coefficients: all of them, a vector: equation by equation.
        log_likelihood: there; of a method that adds a penalty to it, with the penalty.
        gradient: of that, with respect to the coefficients.
        score_statistic: Rao's, with the information there.
    """

    coefficients: Array
    log_likelihood: float
    gradient: Array
    score_statistic: float


class Refitter(Protocol):
    """Maximises what was maximised, under `A theta = b`."""

    def __call__(self, A: Array, b: Array, start: Array | None = None) -> Refit:
        """Args: A, (r, n_estimated), and b, (r,), for the coefficients that are estimated, in their
        order; coefficients near the maximum, to start from."""
        ...


@dataclass(frozen=True, eq=False)
class Estimate:
    """Coefficients with their covariance, in one order everywhere: equation by equation.

    Attributes:
        terms: the names of the coefficients of each equation.
        equations: what each equation is about: for classes against a reference, the class.
        coefficients: (n_equations, n_terms); NaN for what is not estimated, infinite where no
            finite value is best.
        covariance: (n_equations n_terms, n_equations n_terms), NaN where a coefficient has none.
        log_likelihood: at its maximum; of a method that adds a penalty to it, with the penalty.
        refit: the same under constraints; None where that makes no sense, as for weights that do
            not count rows.
        finite: the values that stand for the infinite coefficients in what is computed from all,
            with 0 for those that are not estimated; (n_equations, n_terms).
        df: degrees of freedom of the errors: one less than the clusters; infinite without clusters.
    """

    terms: tuple[str, ...]
    equations: tuple[Any, ...]
    coefficients: Array
    covariance: Array
    log_likelihood: float
    refit: Refitter | None = None
    finite: Array | None = None
    df: float = np.inf

    @property
    def labels(self) -> list[tuple[Any, str]]:
        """Equation and term of each coefficient, in the order of `covariance`."""
        return [(equation, term) for equation in self.equations for term in self.terms]

    @property
    def estimated(self) -> Array:
        """Which coefficients are estimated, as places in the vector of all; infinite ones are."""
        return np.flatnonzero(~np.isnan(self.coefficients.ravel()))

    @property
    def standard_errors(self) -> Array:
        """The roots of the covariance's diagonal, (n_equations, n_terms)."""
        variance = np.diag(self.covariance)
        with np.errstate(invalid="ignore"):
            errors: Array = np.sqrt(variance).reshape(self.coefficients.shape)
        return errors


def two_sided(statistic: Array, df: float) -> Array:
    """How probable values at least as far from 0 are: of a normal number, or of Student's t.

    Example:
        >>> two_sided(np.array([1.96]), np.inf).round(4), two_sided(np.array([1.96]), 49).round(4)
        (array([0.05]), array([0.0557]))
    """
    size = np.abs(statistic)
    return np.asarray(2 * (norm.sf(size) if np.isinf(df) else t.sf(size, df)))


def width_of(level: float, df: float) -> float:
    """How many standard errors an interval reaches to either side."""
    return float(norm.ppf((1 + level) / 2) if np.isinf(df) else t.ppf((1 + level) / 2, df))
