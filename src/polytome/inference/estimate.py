"""What a table of coefficients is made of, however they were estimated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from polytome.threads import kept

Array = NDArray[Any]

__all__ = ["Degrees", "Estimate", "Refit", "Refitter", "two_sided", "width_of"]


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


class Degrees(Protocol):
    """Says how many degrees of freedom errors of combinations of coefficients have."""

    def each(self, A: Array) -> Array:
        """Of each combination by itself: A is (r, n_estimated), in the order of the coefficients
        that are estimated."""
        ...

    def together(self, A: Array) -> float:
        """Hotelling's, of all combinations together."""
        ...


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
        robust_score: of robust errors the generalised score statistic of constraints; None where
            there is none.
        finite: the values that stand for the infinite coefficients in what is computed from all,
            with 0 for those that are not estimated; (n_equations, n_terms).
        df: degrees of freedom of the errors: one less than the clusters; infinite without clusters.
        degrees: what knows them better, for each combination of coefficients.
    """

    terms: tuple[str, ...]
    equations: tuple[Any, ...]
    coefficients: Array
    covariance: Array
    log_likelihood: float
    refit: Refitter | None = None
    finite: Array | None = None
    df: float = np.inf
    degrees: Degrees | None = None
    robust_score: Callable[[Array, Array], float] | None = None

    def df_of(self, A: Array) -> Array | float:
        """The degrees of freedom of combinations of all coefficients, (r, size): one for each row,
        or one for all."""
        if self.degrees is None:
            return self.df
        return self.degrees.each(A[:, self.estimated])

    @property
    @kept
    def own_df(self) -> Array | float:
        """Those of the coefficients, in their shape, or one for all; NaN for what has no error."""
        if self.degrees is None:
            return self.df
        found = np.full(self.coefficients.size, np.nan)
        known = np.flatnonzero(np.isfinite(self.coefficients.ravel()))
        found[known] = self.df_of(np.eye(self.coefficients.size)[known])
        return found.reshape(self.coefficients.shape)

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


def two_sided(statistic: Array, df: Array | float) -> Array:
    """How probable values at least as far from 0 are: of a normal number, or of Student's t.

    Example:
        >>> two_sided(np.array([1.96]), np.inf).round(4), two_sided(np.array([1.96]), 49).round(4)
        (array([0.05]), array([0.0557]))
    """
    size = np.abs(statistic)
    return np.asarray(2 * (norm.sf(size) if np.isinf(df).all() else t.sf(size, df)))


def width_of(level: float, df: Array | float) -> Array:
    """How many standard errors an interval reaches to either side."""
    return np.asarray(norm.ppf((1 + level) / 2) if np.isinf(df).all() else t.ppf((1 + level) / 2, df))
