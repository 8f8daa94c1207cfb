"""The table of Firth's bias-reduced estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.aliases import Alias, aliases_of
from polytome.errors import ArgumentError, DataError
from polytome.inference.arrays import sample_of
from polytome.inference.ascent import Ascended
from polytome.inference.display import p_text
from polytome.inference.estimate import Estimate, Refit
from polytome.inference.firth import JeffreysLikelihood, Penalised
from polytome.inference.frames import kind_of_frame
from polytome.inference.likelihood import Likelihood, Maximum, solved
from polytome.inference.logistic_result import LogisticResult
from polytome.inference.maximum_likelihood import Asked, about_offset
from polytome.inference.result import About, Result
from polytome.inference.sample import Sample, refuse_unless_nested
from polytome.inference.statistics import FitStatistics
from polytome.inference.tested import Test
from polytome.models.diagnose import Diagnosis
from polytome.rows import as_rows
from polytome.tables.frames import listing

Array = NDArray[Any]

__all__ = ["FirthResult", "FirthStatistics", "firth", "fit_firth"]

_NO_INFLUENCE = (
    "Cook's distance and dfbeta are those of maximum likelihood, and Firth's penalty changes with each row that is "
    "left out; fit again without the row, or look at residuals('standardised')"
)


@dataclass(frozen=True)
class FirthStatistics(FitStatistics):
    """What is known of a fit beside its coefficients: log-likelihoods are without the penalty, the
    test against the null model is of penalised ones.

    Attributes:
        penalised: the log-likelihood with the penalty.
        null_penalised: where all coefficients but the intercepts are 0, with the penalty of the
            whole model.
    """

    penalised: float = np.nan
    null_penalised: float = np.nan

    @property
    def likelihood_ratio(self) -> float:
        """The statistic of the penalised likelihood-ratio test against the null model."""
        return max(2 * (self.penalised - self.null_penalised), 0.0)

    def to_json(self) -> dict[str, Any]:
        """All of them for programs."""
        own = {"penalised_log_likelihood": self.penalised, "null_penalised_log_likelihood": self.null_penalised}
        return super().to_json() | own


@dataclass(frozen=True, eq=False)
class FirthResult(LogisticResult):
    """A table of bias-reduced coefficients: tests and profile intervals are of the penalised
    likelihood."""

    has_influence: ClassVar[bool] = False

    def compare(self, smaller: Result | str) -> Test:
        """The penalised likelihood-ratio test of a smaller model, whose columns are some of this
        one's.

        The penalty is that of this model, with the coefficients of the other columns held at 0
        (Heinze and Schemper, 2002): penalised likelihoods of two models are not compared.

        Args:
            smaller: the result of another fit to the same rows; or its formula.

        Raises:
            ArgumentError: it is not nested in this model, or was fitted to other rows.
        """
        smaller = self._fitted(smaller)
        if smaller.sample is None or self.sample is None:
            raise ArgumentError("smaller: the rows of a fit are not known, so that nothing says they are the same")
        refuse_unless_nested(smaller.sample, self.sample)
        own = self.estimate.terms
        foreign = [term for term in smaller.estimate.terms if term not in own]
        if foreign:
            raise ArgumentError(
                f"smaller: {listing(foreign)} is not a column of this model by that name; state what is to be tested, "
                "as in test('a = b', 'likelihood-ratio')"
            )
        estimated = ~np.isnan(self.coefficients[0])
        left_out = [
            term
            for term, is_there in zip(own, estimated, strict=True)
            if term not in smaller.estimate.terms and is_there
        ]
        if not left_out:
            raise ArgumentError("smaller has as many coefficients as this model: they are the same model")
        values = self.coefficients.size
        chosen = [k for k, (_, term) in enumerate(self.labels) if term in left_out]
        found = self.test(np.eye(values)[chosen], "likelihood-ratio")
        text = smaller.about.formula or f"the model without {listing(left_out)}"
        return Test.of("penalised likelihood ratio", text, found.statistic, found.df)

    def influence(self) -> Any:
        """Refused: the penalty changes with each row that is left out.

        Raises:
            ArgumentError: always.
        """
        raise ArgumentError(_NO_INFLUENCE)

    def dfbeta(self, *, standardised: bool = False) -> Array:
        """Refused: the penalty changes with each row that is left out.

        Raises:
            ArgumentError: always.
        """
        raise ArgumentError(_NO_INFLUENCE)

    def _against_null(self) -> str:
        s = self.statistics
        test = f"chi2({s.df}) = {s.likelihood_ratio:.2f}, p {p_text(s.p_value)}"
        return f"Penalised likelihood ratio against intercepts alone: {test}"


def fit_firth(
    X: Any,
    y: Any,
    *,
    fit_intercept: bool = True,
    reference: Any = None,
    weights: Any = None,
    weights_are: str | None = None,
) -> FirthResult:
    """Fit a logistic or softmax regression by Firth's penalised likelihood, and make its table.

    The estimates have no bias of order 1/n and are finite also where classes are separated. For
    data with a formula see `fit_formula(..., method="firth")`.

    Args:
        X: shape (n, d), dense or sparse, or a frame, whose columns have names.
        y: one label for each row.
        fit_intercept: whether there is an intercept.
        reference: the class that the others are compared with; the first, if None.
        weights: the weight of each row.
        weights_are: "frequencies" (a row stands for so many equal ones) or "importance"; needed
            with weights.

    Raises:
        ArgumentError: an argument has a value that cannot be used.
        DataError: rows, labels or weights cannot be used.

    Example:
        >>> X, y = [[0], [0], [0], [1], [1], [1]], ["no", "yes", "yes", "yes", "yes", "yes"]  # no one with a 1 is "no"
        >>> result = fit_firth(X, y)
        >>> result.coefficients.round(4)
        array([[0.5108, 1.4351]])
        >>> result.confidence_intervals(method="profile", terms="feature_0")[["lower", "upper"]].round(3).to_numpy()
        array([[-1.891,  6.592]])

    References: Firth, Bias reduction of maximum likelihood estimates, Biometrika 80, 1993; Heinze
    and Schemper, A solution to the problem of separation in logistic regression, Statistics in
    Medicine 21, 2002.
    """
    check_weights_known(weights, weights_are)
    sample = sample_of(X, y, fit_intercept=fit_intercept, reference=reference, weights=weights, weights_are=weights_are)
    terms = {name: (j,) for j, name in enumerate(sample.names)}
    return firth(sample, Asked("y", terms=terms, frame=kind_of_frame(X)))


def check_weights_known(weights: Any, weights_are: Any) -> None:
    """Raises ArgumentError unless weights are named, and of a kind that makes a likelihood."""
    if weights_are == "sampling":
        raise ArgumentError(
            "weights_are='sampling': such weights make a pseudo-likelihood, with robust errors, which only maximum "
            "likelihood has here; use fit_formula without a method"
        )
    if weights_are not in (None, "frequencies", "importance"):
        raise ArgumentError(f"weights_are={weights_are!r}: needs 'frequencies' or 'importance'")
    if (weights is None) != (weights_are is None):
        raise ArgumentError(
            "weights and weights_are need each other: say whether weights are 'frequencies' (equal rows) or "
            "'importance'"
        )


def check_covariance_known(kind: str, method: str) -> None:
    """Raises ArgumentError unless a covariance is that of the information."""
    if kind != "observed":
        raise ArgumentError(
            f"covariance={kind!r}: errors with method={method!r} are of the information alone; leave one of them out"
        )


def firth(sample: Sample, asked: Asked) -> FirthResult:
    """The table of a sample whose first class is the reference.

    Raises:
        DataError: there are more columns than rows.
    """
    K, p, first = len(sample.classes), sample.X.shape[1], int(sample.fit_intercept)
    kept, aliases = estimable(sample)
    X = sample.X[:, kept]
    likelihood = Likelihood.of(X, sample.codes, K, sample.weight, sample.fit_intercept, sample.offset)
    own = JeffreysLikelihood(likelihood)
    best = own.maximum()
    turned, E = likelihood.to_given, K - 1
    places = np.append(np.arange(first), kept + first).astype(np.intp)
    coefficients = np.full((E, p + first), np.nan)
    coefficients[:, places] = likelihood.as_given(best.at).reshape(E, -1)
    everywhere = (np.arange(E)[:, None] * (p + first) + places).ravel()
    covariance = np.full((coefficients.size, coefficients.size), np.nan)
    spread = solved(best.derived.information, np.eye(likelihood.size))
    covariance[np.ix_(everywhere, everywhere)] = turned @ spread @ turned.T

    def refit(A: Array, b: Array, start: Array | None = None) -> Refit:
        return own.refit(best, A, b, start)

    names = (*(["Intercept"] if first else []), *sample.names)
    finite = np.nan_to_num(coefficients)
    estimate = Estimate(names, sample.classes[1:], coefficients, covariance, best.derived.value, refit, finite)
    return FirthResult(
        estimate,
        _about(sample, asked, best, aliases),
        _statistics(sample, own, best, len(kept)),
        sample,
        likelihood,
        Maximum(best.at, best.derived.plain, best.last_step),
        design=asked.design,
    )


def estimable(sample: Sample) -> tuple[Array, tuple[Alias, ...]]:
    """The columns that are not sums of those before them, and the others.

    Raises:
        DataError: there are more columns than rows.
    """
    p = sample.X.shape[1]
    n_terms = p + int(sample.fit_intercept)
    if n_terms > sample.n_rows:
        raise DataError(
            f"the model has {n_terms:,} columns for {sample.n_rows:,} rows: leave columns out, or fit with a penalty "
            "(a finite C)"
        )
    if p == 0:
        return np.zeros(0, dtype=np.intp), ()
    rows = as_rows(sample.X, sample.codes, sample.weight)
    aliases = aliases_of(rows, np.arange(p), sample.fit_intercept, keep_order=True)
    return np.setdiff1d(np.arange(p), [alias.column for alias in aliases]), aliases


def about_aliases(aliases: tuple[Alias, ...], sample: Sample) -> list[str]:
    """A sentence about the columns that are not estimated, if there are any."""
    if not aliases:
        return []
    lines = str(Diagnosis(sample.n_rows, sample.names, sample.classes, aliases, None)).splitlines()[2:]
    return [f"Not estimated (NA), as sums of other columns: {'; '.join(map(str.strip, lines))}."]


def about_weights(sample: Sample) -> str:
    """A sentence about the weights; empty without any."""
    return {
        "frequencies": "Weights are frequencies: a row stands for so many equal ones.",
        "importance": "Importance weights multiply the log-likelihood; rows are counted, not weights.",
    }.get(sample.weights_are or "", "")


def about_convergence(what: str, best: Ascended[Any]) -> str:
    """Whether an ascent has ended where it should."""
    if not best.has_converged:
        return f"Not converged: {what} is {best.distance:.1e} of its standard error from 0; do not rely on this table."
    return f"Converged: {what} is 0, within {max(best.distance, 1e-16):.0e} of its standard error."


def _about(sample: Sample, asked: Asked, best: Ascended[Penalised], aliases: tuple[Alias, ...]) -> About:
    first = int(sample.fit_intercept)
    return About(
        title="Logistic regression" if len(sample.classes) == 2 else "Softmax regression",
        response=asked.response,
        method="Firth's penalised likelihood",
        errors="Standard errors from the information at the estimates.",
        reference=sample.classes[0],
        formula=asked.formula,
        weights=about_weights(sample),
        n_dropped=asked.n_dropped,
        notes=(
            about_convergence("the modified score", best) + " That no other maximum exists is not proved.",
            *about_offset(asked, sample),
            *about_aliases(aliases, sample),
        ),
        terms={name: tuple(j + first for j in places) for name, places in asked.terms.items()},
        frame=asked.frame,
    )


def _statistics(sample: Sample, own: JeffreysLikelihood, best: Ascended[Penalised], n_kept: int) -> FirthStatistics:
    likelihood, first = own.likelihood, int(sample.fit_intercept)
    slopes = np.flatnonzero(np.tile(np.arange(likelihood.n_terms) >= first, likelihood.n_equations))
    null = best.derived.value
    if len(slopes):
        null = own.refit(best, np.eye(likelihood.size)[slopes], np.zeros(len(slopes))).log_likelihood
    return FirthStatistics(
        log_likelihood=best.derived.plain.value,
        null_log_likelihood=likelihood.null_value,
        n_observations=sample.n_observations,
        n_coefficients=likelihood.size,
        n_null=likelihood.n_equations * first,
        penalised=best.derived.value,
        null_penalised=null,
    )
