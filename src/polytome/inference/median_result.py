"""The table of median-bias-reduced estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.inference.estimate import Estimate
from polytome.inference.firth_result import about_aliases, about_convergence, about_weights, estimable
from polytome.inference.likelihood import Likelihood, Maximum, solved
from polytome.inference.logistic_result import LogisticResult
from polytome.inference.maximum_likelihood import Asked, about_offset
from polytome.inference.median_bias import median_bias_reduced
from polytome.inference.result import About
from polytome.inference.sample import Sample
from polytome.inference.statistics import FitStatistics

Array = NDArray[Any]

__all__ = ["MedianResult", "median"]

_NO_INFLUENCE = (
    "Cook's distance and dfbeta are those of maximum likelihood, and the adjustment of median bias reduction changes "
    "with each row that is left out; fit again without the row, or look at residuals('standardised')"
)


@dataclass(frozen=True, eq=False)
class MedianResult(LogisticResult):
    """A table of median-bias-reduced coefficients, with Wald tests: they maximise no likelihood."""

    has_influence: ClassVar[bool] = False

    def influence(self) -> Any:
        """Refused: the adjustment changes with each row that is left out.

        Raises:
            ArgumentError: always.
        """
        raise ArgumentError(_NO_INFLUENCE)

    def dfbeta(self, *, standardised: bool = False) -> Array:
        """Refused: the adjustment changes with each row that is left out.

        Raises:
            ArgumentError: always.
        """
        raise ArgumentError(_NO_INFLUENCE)


def median(sample: Sample, asked: Asked) -> MedianResult:
    """The table of a sample of two classes, whose first is the reference.

    Raises:
        ArgumentError: there are more than two classes.
        DataError: there are more columns than rows.
    """
    if len(sample.classes) != 2:
        raise ArgumentError(
            f"method='median' is for two classes, and {asked.response} has {len(sample.classes)}: of more its "
            "estimates depend on the reference; use method='firth'"
        )
    p, first = sample.X.shape[1], int(sample.fit_intercept)
    kept, aliases = estimable(sample)
    X = sample.X[:, kept]
    likelihood = Likelihood.of(X, sample.codes, 2, sample.weight, sample.fit_intercept, sample.offset)
    best = median_bias_reduced(likelihood)
    turned = likelihood.to_given
    places = np.append(np.arange(first), kept + first).astype(np.intp)
    coefficients = np.full((1, p + first), np.nan)
    coefficients[0, places] = likelihood.as_given(best.at)
    covariance = np.full((p + first, p + first), np.nan)
    spread = solved(best.derived.information, np.eye(likelihood.size))
    covariance[np.ix_(places, places)] = turned @ spread @ turned.T
    names = (*(["Intercept"] if first else []), *sample.names)
    value = best.derived.value
    estimate = Estimate(names, sample.classes[1:], coefficients, covariance, value, None, np.nan_to_num(coefficients))
    about = About(
        title="Logistic regression",
        response=asked.response,
        method="median bias reduction",
        errors="Standard errors from the information at the estimates.",
        reference=sample.classes[0],
        formula=asked.formula,
        weights=about_weights(sample),
        n_dropped=asked.n_dropped,
        notes=(
            about_convergence("the adjusted score", best),
            *about_offset(asked, sample),
            *about_aliases(aliases, sample),
        ),
        terms={name: tuple(j + first for j in own) for name, own in asked.terms.items()},
        frame=asked.frame,
        only_wald="median-bias-reduced estimates maximise no likelihood",
    )
    statistics = FitStatistics(
        log_likelihood=value,
        null_log_likelihood=likelihood.null_value,
        n_observations=sample.n_observations,
        n_coefficients=likelihood.size,
        n_null=first,
    )
    at = Maximum(best.at, best.derived, best.last_step)
    return MedianResult(estimate, about, statistics, sample, likelihood, at, design=asked.design)
