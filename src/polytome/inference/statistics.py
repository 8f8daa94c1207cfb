"""How well a model fits: likelihoods, information criteria and what is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import chi2

__all__ = ["FitStatistics"]


@dataclass(frozen=True)
class FitStatistics:
    """What is known of a fit beside its coefficients.

    Attributes:
        log_likelihood: at the maximum.
        null_log_likelihood: of the model with intercepts alone.
        n_observations: rows, or the sum of frequencies.
        n_coefficients: those that were estimated.
        n_null: those of the null model.
        tjur: the mean probability of the second class among its rows, less that among the others;
            None for more than two classes.
        population: the sum of sampling weights, by which the log-likelihoods, that are pseudo ones,
            grow; None of other rows.

    Example:
        >>> statistics = FitStatistics(-12.8896334653335, -20.5917292, 32, 4, 1)
        >>> round(statistics.aic, 4), round(statistics.mcfadden, 4), round(statistics.likelihood_ratio, 4)
        (33.7793, 0.374, 15.4042)

    References: McFadden, Conditional logit analysis of qualitative choice behavior, 1974; Cox and
    Snell, Analysis of Binary Data, 1989; Nagelkerke, A note on a general definition of the
    coefficient of determination, Biometrika 78, 1991; Tjur, Coefficients of determination in
    logistic regression models, The American Statistician 63, 2009.
    """

    log_likelihood: float
    null_log_likelihood: float
    n_observations: float
    n_coefficients: int
    n_null: int
    tjur: float | None = None
    population: float | None = None

    @property
    def is_pseudo(self) -> bool:
        """Whether the log-likelihoods are not those of so many rows, but of sampling weights."""
        return self.population is not None

    @property
    def deviance(self) -> float:
        """Minus twice the log-likelihood: each row is a group of its own."""
        return -2 * self.log_likelihood

    @property
    def null_deviance(self) -> float:
        """That of the null model."""
        return -2 * self.null_log_likelihood

    @property
    def aic(self) -> float:
        """Akaike's criterion, `2 k - 2 log L`; NaN of a pseudo-likelihood, which has none."""
        return np.nan if self.is_pseudo else 2 * self.n_coefficients - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Schwarz's criterion, `k log n - 2 log L`; NaN of a pseudo-likelihood."""
        return (
            np.nan
            if self.is_pseudo
            else float(self.n_coefficients * np.log(self.n_observations) - 2 * self.log_likelihood)
        )

    @property
    def likelihood_ratio(self) -> float:
        """The statistic of the test against the null model."""
        return max(2 * (self.log_likelihood - self.null_log_likelihood), 0.0)

    @property
    def df(self) -> int:
        """Its degrees of freedom."""
        return self.n_coefficients - self.n_null

    @property
    def p_value(self) -> float:
        """Of the test against the null model; NaN where it has no more coefficients than that."""
        return float(chi2.sf(self.likelihood_ratio, self.df)) if self.df > 0 else np.nan

    @property
    def mcfadden(self) -> float:
        """`1 - log L / log L_0`."""
        return 1 - self.log_likelihood / self.null_log_likelihood

    @property
    def cox_snell(self) -> float:
        """`1 - (L_0 / L)^(2/n)`, with the sum of sampling weights for n."""
        return float(-np.expm1(2 * (self.null_log_likelihood - self.log_likelihood) / self._size))

    @property
    def nagelkerke(self) -> float:
        """Cox and Snell's over the largest that it can be."""
        return self.cox_snell / float(-np.expm1(2 * self.null_log_likelihood / self._size))

    @property
    def _size(self) -> float:
        return self.n_observations if self.population is None else self.population

    def to_json(self) -> dict[str, Any]:
        """All of them for programs."""
        names = (
            "log_likelihood null_log_likelihood deviance null_deviance n_observations n_coefficients aic bic "
            "likelihood_ratio df p_value mcfadden cox_snell nagelkerke tjur"
        )
        return {name: getattr(self, name) for name in names.split()}
