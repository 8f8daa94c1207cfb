"""The table of a regression of ordered classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import qr

from polytome.certificates.recession import ANY_SIGN, Recession
from polytome.certificates.recession_cone import UndecidedError
from polytome.errors import ArgumentError, DataError
from polytome.inference.arrays import sample_of
from polytome.inference.ascent import Ascended
from polytome.inference.brant import BrantTest, brant_test
from polytome.inference.display import Summary
from polytome.inference.effects import Effects, effects_of, predictions_of
from polytome.inference.estimate import Estimate, Refit
from polytome.inference.firth_result import (
    about_aliases,
    about_convergence,
    about_weights,
    check_weights_known,
    estimable,
)
from polytome.inference.frames import kind_of_frame
from polytome.inference.likelihood import Derived, solved
from polytome.inference.maximum_likelihood import Asked, about_offset, about_unknown_separation
from polytome.inference.ordered import OrderedLikelihood, class_probabilities
from polytome.inference.result import About, Result
from polytome.inference.sample import Sample
from polytome.inference.statistics import FitStatistics
from polytome.models.features import refuse_nonfinite
from polytome.tables.frames import listing

Array = NDArray[Any]

__all__ = ["OrderedResult", "fit_ordered", "order_of", "ordered"]

_MOST_ROWS = 5 * 10**6


@dataclass(frozen=True, eq=False)
class OrderedResult(Result):
    """A table of coefficients, and of the thresholds between classes, lowest first.

    A positive coefficient makes higher classes more likely: `exp` of it is what a unit more
    multiplies the odds by of lying above a threshold, whichever.

    Attributes:
        sample: the rows.
        likelihood: theirs, with the columns that are estimated.
        best: its maximum.
        kept: the places of these columns.
    """

    sample: Sample
    likelihood: OrderedLikelihood
    best: Ascended[Derived]
    kept: Array

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, in order: (n, n_classes).

        Args:
            X: rows with the columns of the fit; of a fit by a formula a frame, or a mapping from
                names to columns, with its variables.

        Raises:
            DataError: a column is missing, or holds what the fit cannot use.
        """
        offset = None
        if self.design is not None:
            X, offset = self.design.columns_of_new(X), self.design.offset_of_new(X)
        elif hasattr(X, "columns"):
            missing = [name for name in self.sample.names if name not in X.columns]
            if missing:
                raise DataError(f"X has no column {listing(missing)}: give the columns of the fit")
            X = X[list(self.sample.names)].to_numpy()
        try:
            values: Any = sparse.csr_matrix(cast(Any, X)) if sparse.issparse(X) else np.asarray(X, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"X is not a table of numbers: {error}") from error
        p = len(self.sample.names)
        if values.ndim != 2 or values.shape[1] != p:
            raise DataError(f"X has shape {values.shape}: needs rows of {p} columns, as in the fit")
        refuse_nonfinite(values, self)
        found = self.likelihood.to_given @ self.best.at
        n_kept = len(self.kept)
        scores = np.asarray(values[:, self.kept] @ found[:n_kept]).ravel()
        return class_probabilities(scores if offset is None else scores + offset, found[n_kept:])

    def effects(self, variables: str | Sequence[str] | None = None, *, at: Any = "average") -> Effects:
        """What a change of a variable does to the probability of each class: one for each, which
        sum to zero, as `LogisticResult.effects` has them.

        Args:
            variables: of which; all, if None.
            at: "average" over the rows as they are, at the "means" of the variables, or values that
                some are set to, as in `{"age": [30, 50]}`, the others being as they are.

        Raises:
            ArgumentError: there is no such variable, level or place.
        """
        chosen = [variables] if isinstance(variables, str) else variables
        return effects_of(self.estimate, self.sample, self.design, chosen, at, self.about, is_ordered=True)

    def predictions(self, *, at: Any = "average") -> Effects:
        """The mean probability of each class, with the variables as `effects` has them."""
        return predictions_of(self.estimate, self.sample, self.design, at, self.about, is_ordered=True)

    def brant(self) -> BrantTest:
        """Brant's test of proportional odds: whether slopes are the same at each threshold.

        Raises:
            ArgumentError: there are two classes only, or the classes are separated at a threshold.
        """
        return brant_test(self.sample, self.kept, self.estimate.terms[len(self.sample.names) :])

    def summary(self, *, odds_ratios: bool = False, level: float = 0.95, intervals: str = "wald") -> Summary:
        """The table to be shown, as `Result.summary`; with odds ratios without the thresholds,
        which are not odds ratios."""
        shown = super().summary(odds_ratios=odds_ratios, level=level, intervals=intervals)
        if not odds_ratios:
            return shown
        n_columns = len(self.sample.names)
        return replace(shown, groups=tuple((heading, rows[:n_columns]) for heading, rows in shown.groups))

    def _title(self) -> str:
        order = " < ".join(map(str, self.sample.classes))
        return f"{self.about.title}: {self.about.response}, {order} ({self.about.method})"

    def _facts(self) -> tuple[str, ...]:
        return tuple(fact.replace("intercepts alone", "thresholds alone") for fact in super()._facts())


def fit_ordered(
    X: Any, y: Any, *, order: Any = None, weights: Any = None, weights_are: str | None = None
) -> OrderedResult:
    """Fit a proportional-odds regression of ordered classes by maximum likelihood, and make its
    table.

    `P(class <= j | x) = sigmoid(threshold_j - x'b)`, as in R's polr and Stata's ologit. For data
    with a formula see `fit_formula(..., method="ordered")`.

    Args:
        X: shape (n, d), dense or sparse, or a frame, whose columns have names.
        y: one label for each row.
        order: the classes from the lowest to the highest; needed unless y holds numbers, or is a
            categorical column.
        weights: the weight of each row.
        weights_are: "frequencies" (a row stands for so many equal ones) or "importance"; needed
            with weights.

    Raises:
        ArgumentError: an argument has a value that cannot be used.
        DataError: rows, labels or weights cannot be used.

    Example:
        >>> X = [[1.0], [2.0], [2.0], [3.0], [4.0], [5.0], [5.0], [6.0]]
        >>> y = ["bad", "bad", "fair", "bad", "fair", "good", "fair", "good"]
        >>> result = fit_ordered(X, y, order=["bad", "fair", "good"])
        >>> result.estimate.terms, result.coefficients.round(3)
        (('feature_0', 'bad|fair', 'fair|good'), array([[1.848, 4.947, 9.297]]))
        >>> result.predict_proba([[3.0]]).round(3)
        array([[0.355, 0.622, 0.023]])

    References: McCullagh, Regression models for ordinal data, Journal of the Royal Statistical
    Society B 42, 1980; Agresti, Analysis of Ordinal Categorical Data, 2010, chapter 3.
    """
    check_weights_known(weights, weights_are)
    given = getattr(getattr(y, "cat", y), "categories", None)
    sample = sample_of(X, y, order=order if order is not None else given, weights=weights, weights_are=weights_are)
    if order is None and given is None:
        order_of(sample.classes, "y")
    terms = {name: (j,) for j, name in enumerate(sample.names)}
    return ordered(sample, Asked("y", terms=terms, frame=kind_of_frame(X)))


def order_of(classes: tuple[Any, ...], response: str) -> None:
    """Raises ArgumentError unless classes have an order of their own."""
    if any(isinstance(each, str) for each in classes):
        raise ArgumentError(
            f"order: {response} holds text, whose order is not that of the alphabet; give its classes from the lowest "
            f"to the highest: {listing(classes)}"
        )


def ordered(sample: Sample, asked: Asked) -> OrderedResult:
    """The table of a sample whose classes are in order.

    Raises:
        ArgumentError: there is no intercept.
        DataError: there are more columns than rows.
    """
    if not sample.fit_intercept:
        raise ArgumentError("ordered classes have thresholds in the place of an intercept: leave it in the formula")
    K, p = len(sample.classes), sample.X.shape[1]
    kept, aliases = estimable(sample)
    likelihood = OrderedLikelihood.of(sample.X[:, kept], sample.codes, K, sample.weight, sample.offset)
    best = likelihood.maximum()
    places = np.append(kept, p + np.arange(K - 1)).astype(np.intp)
    coefficients = np.full(p + K - 1, np.nan)
    coefficients[places] = likelihood.to_given @ best.at
    finite = np.nan_to_num(coefficients)
    recession, unknown = _recession(likelihood, best)
    covariance = np.full((p + K - 1, p + K - 1), np.nan)
    covariance[np.ix_(places, places)] = _covariance(likelihood, best, recession)
    names = (*sample.names, *(f"{low}|{high}" for low, high in zip(sample.classes, sample.classes[1:], strict=False)))
    notes = [f"{about_convergence('the gradient', best)} The log-likelihood is concave: there is no other maximum."]
    if recession is not None:
        notes = (
            ["The log-likelihood is near its supremum, which no coefficients reach."] if best.has_converged else notes
        )
        signs = recession.signs[:, 1, 0].astype(float)
        lost = places[signs != 0]
        coefficients[lost] = np.copysign(np.inf, np.where(signs == ANY_SIGN, finite[places], signs)[signs != 0])
        covariance[lost] = covariance[:, lost] = np.nan
        notes.append(_about_separation(recession, names, places, sample))
    notes += about_unknown_separation(unknown)
    notes += about_offset(asked, sample, "x'b, which every threshold is compared with")

    def refit(A: Array, b: Array, start: Array | None = None) -> Refit:
        return likelihood.refit(best, A, b, start)

    return OrderedResult(
        Estimate(names, (asked.response,), coefficients[None], covariance, best.derived.value, refit, finite[None]),
        About(
            title="Ordered logistic regression",
            response=asked.response,
            formula=asked.formula,
            weights=about_weights(sample),
            n_dropped=asked.n_dropped,
            notes=(*notes, *about_aliases(aliases, sample)),
            terms=asked.terms,
            frame=asked.frame,
        ),
        FitStatistics(
            log_likelihood=best.derived.value,
            null_log_likelihood=likelihood.null_value,
            n_observations=sample.n_observations,
            n_coefficients=likelihood.size,
            n_null=K - 1,
        ),
        sample,
        likelihood,
        best,
        kept,
        design=asked.design,
    )


def _recession(likelihood: OrderedLikelihood, best: Ascended[Derived]) -> tuple[Recession | None, str]:
    """What separates the classes, and why that is not known."""
    n_rows = likelihood.rows.n_rows
    if n_rows > _MOST_ROWS:
        return None, f"{n_rows:,} rows are more than the {_MOST_ROWS:,} that are looked at"
    try:
        return likelihood.recession(best.at), ""
    except UndecidedError as error:
        return None, str(error)


def _covariance(likelihood: OrderedLikelihood, best: Ascended[Derived], recession: Recession | None) -> Array:
    """The inverse of the information about what has a finite estimate; NaN for the coefficient that
    stands for each direction without end."""
    to_given = likelihood.to_given
    if recession is None:
        spread: Array = to_given @ solved(best.derived.information, np.eye(likelihood.size)) @ to_given.T
        return spread
    directions = (recession.spanning[:, :, 1] - recession.spanning[:, :, 0]).astype(np.float64)
    directions /= np.abs(directions).max(axis=1, keepdims=True)
    dropped = qr(directions, mode="r", pivoting=True)[1][: len(directions)]
    rest = np.setdiff1d(np.arange(likelihood.size), dropped)
    to_own = np.linalg.inv(to_given)
    information = to_own.T @ best.derived.information @ to_own
    covariance = np.full(information.shape, np.nan)
    covariance[np.ix_(rest, rest)] = solved(information[np.ix_(rest, rest)], np.eye(len(rest)))
    return covariance


def _about_separation(recession: Recession, names: tuple[str, ...], places: Array, sample: Sample) -> str:
    """Which estimates are infinite."""
    ends = {1: "to +infinity", -1: "to -infinity", ANY_SIGN: "in either direction"}
    signs = recession.signs[:, 1, 0]
    told = [f"{names[place]!r} {ends[int(sign)]}" for place, sign in zip(places, signs, strict=True) if sign]
    return (
        "Separated: rows are put on the right side of a threshold for certain. No finite estimate: "
        f"{listing(told, form=str)}. An infinite estimate has neither a standard error nor a Wald test; profile "
        "intervals and likelihood-ratio tests hold."
    )
