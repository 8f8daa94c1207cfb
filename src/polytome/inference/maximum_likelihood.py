"""From rows and their classes to a table: the maximum of the likelihood, proved where it can be,
and what stands in its way."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from polytome.certificates.aliases import Alias, aliases_of
from polytome.certificates.certificate import Certificate
from polytome.errors import ArgumentError, DataError
from polytome.inference.cluster_corrections import CORRECTIONS, ClusterCorrection
from polytome.inference.covariance import COVARIANCES, Clusters, covariance_of, generalised_score
from polytome.inference.design import Design
from polytome.inference.estimate import Estimate, Refit
from polytome.inference.likelihood import Derived, Likelihood, Maximum, offset_columns
from polytome.inference.logistic_result import LogisticResult
from polytome.inference.result import About
from polytome.inference.sample import Sample
from polytome.inference.statistics import FitStatistics
from polytome.losses import labels_of
from polytome.models.diagnose import Diagnosis, diagnose
from polytome.models.logistic import LogisticRegression
from polytome.models.separation import Separation
from polytome.rows import as_rows
from polytome.solvers import Stop
from polytome.tables.frames import listing

Array = NDArray[Any]

__all__ = [
    "Asked",
    "Known",
    "about_offset",
    "about_unknown_separation",
    "check_asked",
    "maximum_likelihood",
    "places_after",
    "weights_checked",
]

_TOL = 1e-9
_FULL_RANK = 1e-7
"""The smallest eigenvalue of a correlation matrix whose columns are not looked at one by one."""
_MOVES = 1e-3
"""How far an intercept moves in the last step of a separated fit, relative to what moves most."""
_WEIGHTS = {
    "frequencies": "Weights are frequencies: a row stands for so many equal ones.",
    "importance": "Importance weights multiply the log-likelihood; rows are counted, not weights.",
    "sampling": "Sampling weights: a row stands for so many of the population; errors are robust.",
}


@dataclass(frozen=True)
class Asked:
    """What a table is to be of.

    Attributes:
        response: what is predicted, in messages and titles.
        covariance: a name of `COVARIANCES`.
        clusters: of the rows of the sample.
        formula: the formula, if there is one.
        terms: for each term the places of its columns among those of the sample.
        frame: the library of the data's frame.
        n_dropped: rows that were left out as something is missing.
        design: how columns are made of data.
        offset: what the offset is, as the formula has it; empty without one.
    """

    response: str
    covariance: str = "observed"
    clusters: Clusters | None = None
    formula: str | None = None
    terms: Mapping[str, Sequence[int]] = field(default_factory=dict)
    frame: str | None = None
    n_dropped: int = 0
    design: Design | None = None
    offset: str = ""


def check_asked(covariance: Any, clusters: Any, weights: Any, weights_are: Any) -> str:
    """The name of the covariance; with sampling weights and with clusters it need not be given.

    Raises:
        ArgumentError: names that are not known, or that do not go together.
    """
    if weights_are is not None and weights_are not in _WEIGHTS:
        raise ArgumentError(f"weights_are={weights_are!r}: needs one of {', '.join(_WEIGHTS)}")
    if (weights is None) != (weights_are is None):
        raise ArgumentError(
            "weights and weights_are need each other: say whether weights are 'frequencies' (equal rows), 'importance' "
            "or 'sampling' (of a survey), since their standard errors differ"
        )
    if covariance is None:
        covariance = "cluster" if clusters is not None else "robust" if weights_are == "sampling" else "observed"
    if covariance not in COVARIANCES:
        raise ArgumentError(f"covariance={covariance!r}: needs one of {', '.join(COVARIANCES)}")
    if (str(covariance).startswith("cluster") or covariance in CORRECTIONS) != (clusters is not None):
        raise ArgumentError(
            f"covariance={covariance!r} and clusters: errors by cluster need both the kind and the clusters"
        )
    if weights_are == "sampling" and covariance == "observed":
        raise ArgumentError(
            "covariance='observed' is not valid with sampling weights: their sum is not a number of observations; use "
            "'robust', an HC or clusters"
        )
    return str(covariance)


def weights_checked(weights: Any, weights_are: str | None, n_rows: int, name: str = "weights") -> Array:
    """The weight of each row as float64.

    Raises:
        DataError: a weight is negative, or not a number, or not whole where it is a frequency.
    """
    if weights is None:
        return np.ones(n_rows)
    try:
        weight = np.asarray(weights, dtype=np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} are not numbers: {error}") from error
    if weight.shape != (n_rows,):
        raise DataError(f"{name} has {len(weight):,} entries for {n_rows:,} rows: give one for each")
    wrong, what = ~np.isfinite(weight) | (weight < 0), "weights are finite and not negative"
    if weights_are == "frequencies" and not wrong.any():
        wrong, what = (
            weight != np.round(weight),
            "frequencies are whole numbers; for others use weights_are='importance'",
        )
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{name} is {weight[row]:g} in row {row}: {what}")
    if not weight.any():
        raise DataError(f"{name} is 0 in every row: at least one must count")
    return weight


def places_after(classes: Sequence[Any], reference: Any, response: str) -> list[int]:
    """The places of the classes, the reference's first.

    Raises:
        ArgumentError: the reference is not one of them.
    """
    if reference is None:
        first = 0
    else:
        same = [k for k, each in enumerate(classes) if each == reference] or [
            k for k, each in enumerate(classes) if str(each) == str(reference)
        ]
        if not same:
            raise ArgumentError(f"reference={reference!r}: not one of the classes of {response}, {listing(classes)}")
        first = same[0]
    return [first, *(k for k in range(len(classes)) if k != first)]


@dataclass(frozen=True)
class Known:
    """What is known of the coefficients of a fit that was made before.

    Attributes:
        likelihood: of the rows, with all columns.
        at: the coefficients, of standardised columns.
        derived: what the log-likelihood is there.
    """

    likelihood: Likelihood
    at: Array
    derived: Derived


def maximum_likelihood(
    sample: Sample, asked: Asked, model: LogisticRegression | None = None, known: Known | None = None
) -> LogisticResult:
    """The table of a sample whose first class is the reference.

    Args:
        sample: rows that all have weight.
        asked: what the table is to be of.
        model: a fit to all columns whose certificate holds, with the classes of the sample in any
            order; it is made here if None.
        known: what is known at the model's coefficients.
    """
    K, p = len(sample.classes), sample.X.shape[1]
    _refuse_too_many(sample, K, p)
    aliases = _aliases(sample, known)
    kept = np.setdiff1d(np.arange(p), [alias.column for alias in aliases])
    X = sample.X if not aliases else sample.X[:, kept]
    if known is not None and aliases:
        known = None
    if known is None:
        likelihood = Likelihood.of(X, sample.codes, K, sample.weight, sample.fit_intercept, sample.offset)
    else:
        likelihood = known.likelihood
    start = None if known is None else known.at
    if model is None:
        model, start = _fitted(likelihood, X, sample)
    certificate = None if model is None else model.certificate_
    separation, unknown = (None, "") if model is None else _separation(model, X, sample)
    best = likelihood.maximum(start, known=None if known is None else known.derived)
    other = likelihood.probability_of_other(best.at) if K == 2 else None
    estimate = _estimate(sample, asked, likelihood, best, kept, _infinite(separation, kept, K), other)
    intercept = int(sample.fit_intercept)
    sampled = sample.weights_are == "sampling"
    only_wald = "sampling weights make a pseudo-likelihood" if sampled else ""
    if asked.covariance != "observed" and not sampled:
        only_wald = f"{asked.covariance} errors allow for rows that the likelihood does not describe"
    notes = (
        _about_optimum(certificate, best, sample, separation),
        *about_offset(asked, sample),
        *_about_separation(separation, kept, sample, only_wald),
        *about_unknown_separation(unknown),
        *_about_aliases(aliases, sample),
        *_about_variances(estimate),
    )
    about = About(
        title="Logistic regression" if K == 2 else "Softmax regression",
        response=asked.response,
        covariance=asked.covariance,
        errors=_about_errors(asked, sample, likelihood.size, estimate.own_df),
        reference=sample.classes[0],
        formula=asked.formula,
        weights=_WEIGHTS.get(sample.weights_are or "", ""),
        n_dropped=asked.n_dropped,
        notes=notes,
        terms={name: tuple(j + intercept for j in places) for name, places in asked.terms.items()},
        frame=asked.frame,
        only_wald=only_wald,
        is_proved=sample.offset is None if certificate is None else certificate.holds and certificate.kind == "proof",
    )
    statistics = FitStatistics(
        log_likelihood=best.derived.value,
        null_log_likelihood=likelihood.null_value,
        n_observations=sample.n_observations,
        n_coefficients=likelihood.size,
        n_null=(K - 1) * intercept,
        tjur=None if other is None else _tjur(likelihood, other),
        population=float(sample.weight.sum()) if sampled else None,
    )
    return LogisticResult(estimate, about, statistics, sample, likelihood, best, design=asked.design)


def _refuse_too_many(sample: Sample, K: int, p: int) -> None:
    size, rows = (K - 1) * (p + int(sample.fit_intercept)), sample.n_rows
    if size > sample.n_observations:
        raise DataError(
            f"the model has {size:,} coefficients for {rows:,} rows: estimates by maximum likelihood need more rows "
            "than coefficients; leave columns out, or fit with a penalty (a finite C)"
        )


def _aliases(sample: Sample, known: Known | None) -> tuple[Alias, ...]:
    """Columns that are sums of those before them, and of the intercept, as R finds them."""
    if sample.X.shape[1] == 0:
        return ()
    if known is None:
        codes = (sample.codes > 0).astype(np.intp)
        likelihood = Likelihood.of(sample.X, codes, 2, sample.weight, sample.fit_intercept)
        information = likelihood.derived(np.zeros(likelihood.size)).information
    else:  # of one equation: rows count by other weights, which changes no rank
        n_terms = known.likelihood.n_terms
        information = known.derived.information[:n_terms, :n_terms]
    size = np.sqrt(np.diag(information))
    if (size > 0).all() and np.linalg.eigvalsh(information / np.outer(size, size))[0] > _FULL_RANK:
        return ()
    rows = as_rows(sample.X, sample.codes, sample.weight)
    return aliases_of(rows, np.arange(sample.X.shape[1]), sample.fit_intercept, keep_order=True)


def _fitted(likelihood: Likelihood, X: Any, sample: Sample) -> tuple[LogisticRegression | None, Array | None]:
    """The fit whose optimum is proved, and where it ends; None where that has a closed form."""
    if X.shape[1] == 0:
        return None, None
    model = LogisticRegression(C=np.inf, tol=_TOL, fit_intercept=sample.fit_intercept)
    weight = None if sample.weights_are is None else sample.weight
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the table says it
        warnings.simplefilter("ignore", UserWarning)
        offset = None if sample.offset is None else offset_columns(sample.offset, len(sample.classes))
        model.fit(X, sample.codes, weight, offset=offset)
    own = np.column_stack([model.intercept_, model.coef_])
    own = own if len(sample.classes) == 2 else own[1:] - own[0]
    return model, likelihood.from_given(own[:, 0 if sample.fit_intercept else 1 :].ravel())


def _separation(model: LogisticRegression, X: Any, sample: Sample) -> tuple[Separation | None, str]:
    """What separates the classes of the sample, or why that is not known: a fit that ended as they
    are keeps no word of it, and another may have the classes in another order."""
    if model.stop_ is not Stop.SEPARATED and model.separation_ is None:
        return None, vars(model).get("separation_unknown_", "")
    found = diagnose(X, sample.codes, sample_weight=sample.weight, fit_intercept=sample.fit_intercept)
    return found.separation, found.not_looked_for


def _infinite(separation: Separation | None, columns: Array, K: int) -> Array | None:
    """The sign of each infinite coefficient against the reference, by equation and column: 2 where
    both are possible; None where nothing is separated."""
    if separation is None:
        return None
    signs = np.zeros((K - 1, int(columns.max(initial=-1)) + 1))
    for each in separation.infinite:
        for against in each.against:
            if against == 0:
                signs[each.of - 1, columns[each.column]] = each.sign or 2
            if each.of == 0:
                signs[against - 1, columns[each.column]] = -each.sign or 2
    return signs


def _estimate(
    sample: Sample,
    asked: Asked,
    likelihood: Likelihood,
    best: Maximum,
    kept: Array,
    infinite: Array | None,
    other: Array | None,
) -> Estimate:
    """Coefficients and covariance with a place for each column, estimated or not."""
    first, p, E = int(sample.fit_intercept), sample.X.shape[1], likelihood.n_equations
    places = np.append(np.arange(first), kept + first).astype(np.intp)
    turned = likelihood.to_given
    finite, coefficients = np.zeros((E, p + first)), np.full((E, p + first), np.nan)
    finite[:, places] = coefficients[:, places] = likelihood.as_given(best.at).reshape(E, -1)
    counts_rows = sample.weights_are == "frequencies"
    corrected = None
    if asked.covariance in CORRECTIONS:
        codes = _one_way(asked)
        corrected = ClusterCorrection(
            asked.covariance, likelihood, best.at, best.derived.information, codes, counts_rows
        )

    def covariance_at(maximum: Maximum, other: Array | None = None) -> Array:
        return covariance_of(
            likelihood,
            maximum,
            asked.covariance,
            counts_rows=counts_rows,
            n_observations=sample.n_observations,
            clusters=asked.clusters,
            other=other,
        )

    def robust_score(A: Array, b: Array) -> float:
        return generalised_score(likelihood, likelihood.constrained(best, A, b), A, covariance_at)

    V = covariance_at(best, other) if corrected is None else corrected.covariance()
    everywhere = (np.arange(E)[:, None] * (p + first) + places).ravel()
    covariance = np.full((E * (p + first), E * (p + first)), np.nan)
    covariance[np.ix_(everywhere, everywhere)] = turned @ V @ turned.T
    if infinite is not None:
        lost = np.zeros(coefficients.shape, dtype=bool)
        lost[:, first : first + infinite.shape[1]] = infinite != 0
        if first:
            lost[:, 0] = _moving_intercepts(likelihood, best)
        coefficients[lost] = np.copysign(np.inf, finite[lost])
        known = np.abs(infinite) == 1
        coefficients[:, first : first + infinite.shape[1]][known] = infinite[known] * np.inf
        covariance[lost.ravel()] = covariance[:, lost.ravel()] = np.nan

    def refit(A: Array, b: Array, start: Array | None = None) -> Refit:
        return likelihood.refit(best, A, b, start)

    names = (*(["Intercept"] if first else []), *sample.names)
    df = np.inf if asked.clusters is None else min(asked.clusters.counts) - 1.0
    degrees = None if corrected is None else _DegreesAsGiven(corrected, turned)
    value = best.derived.value
    has_robust_score = corrected is None and asked.covariance != "observed"
    return Estimate(
        names,
        sample.classes[1:],
        coefficients,
        covariance,
        value,
        refit,
        finite,
        df,
        degrees,
        robust_score if has_robust_score else None,
    )


@dataclass(frozen=True, eq=False)
class _DegreesAsGiven:
    """Degrees of freedom of combinations of coefficients for columns as they are given."""

    correction: ClusterCorrection
    to_given: Array

    def each(self, A: Array) -> Array:
        return self.correction.degrees(A @ self.to_given)

    def together(self, A: Array) -> float:
        return self.correction.joint_degrees(A @ self.to_given)


def _one_way(asked: Asked) -> Array:
    """The clusters of each row, of a covariance that has them one way."""
    assert asked.clusters is not None
    if len(asked.clusters.codes) > 1:
        raise ArgumentError(
            f"covariance={asked.covariance!r} is of clusters one way, and there are two, "
            f"{listing(asked.clusters.names)}; give one of them, or use covariance='cluster'"
        )
    return asked.clusters.codes[0]


def _moving_intercepts(likelihood: Likelihood, best: Maximum) -> Array:
    """Which intercepts of a separated fit still move, and so without bound."""
    step = np.abs(likelihood.as_given(best.last_step).reshape(likelihood.n_equations, -1))
    own = np.abs(best.last_step)
    moving: Array = step[:, 0] > _MOVES * own.max(initial=1e-300)
    return moving


def _tjur(likelihood: Likelihood, other: Array) -> float:
    """The difference between the mean probabilities of two classes, from those of the class that a
    row does not have."""
    rows, codes = likelihood.rows, labels_of(likelihood.rows.target)
    means = np.bincount(codes, rows.weight * other, 2) / np.bincount(codes, rows.weight, 2)
    return float(1.0 - means.sum())


def _about_optimum(
    certificate: Certificate | None, best: Maximum, sample: Sample, separation: Separation | None
) -> str:
    """What is proved of the maximum."""
    if certificate is None and sample.offset is not None:
        return "Computed by Newton's method to the limit of rounding; the log-likelihood is concave."
    if certificate is None:
        return "Exact: the coefficients have a closed form."
    total = float(sample.weight.sum())
    gap = max(-best.derived.value / total - certificate.objective + certificate.gap, certificate.rounding) * total
    if not certificate.holds:
        return f"Not certified: the log-likelihood may be {gap:.1e} below its maximum; do not rely on this table."
    if certificate.kind == "estimate":
        return f"Estimated, not proved: the log-likelihood is within {gap:.1e} of its maximum."
    of = "its supremum, which no coefficients reach" if separation is not None else "its maximum"
    return f"Proved: the log-likelihood is within {gap:.1e} of {of}."


def about_offset(asked: Asked, sample: Sample, to: str = "") -> list[str]:
    """A sentence about the offset, if there is one; `to` is what it is added to, if not to log
    odds."""
    if sample.offset is None:
        return []
    log_odds = "the log odds" if len(sample.classes) == 2 else f"the log odds of each class against {sample.classes[0]}"
    return [f"Offset: {asked.offset or 'given'} is added to {to or log_odds}, with the coefficient 1."]


def _about_separation(separation: Separation | None, columns: Array, sample: Sample, only_wald: str) -> list[str]:
    if separation is None:
        return []
    infinite = tuple(replace(each, column=int(columns[each.column])) for each in separation.infinite)
    found = replace(separation, infinite=infinite)
    either = " (either is told with the sign that this fit has)" if any(each.sign == 0 for each in infinite) else ""
    lines = str(Diagnosis(sample.n_rows, sample.names, sample.classes, (), found)).splitlines()
    told = "; ".join(" ".join(line.split()) for line in lines[2:])
    holds = "profile intervals and likelihood-ratio tests hold"
    if only_wald:
        holds = f"nor are there profile intervals or likelihood-ratio tests, as {only_wald}"
    return [
        f"{lines[0]} No finite estimate: {told}{either}. An infinite estimate has neither a standard error nor a Wald "
        f"test; {holds}."
    ]


def about_unknown_separation(reason: str) -> list[str]:
    """A sentence for where it is not known whether the classes are separated; none without a
    reason."""
    if not reason:
        return []
    return [
        f"Whether the classes are separated is not known: {reason}. Where they are, large estimates with large errors "
        "stand for infinite ones."
    ]


def _about_aliases(aliases: Sequence[Alias], sample: Sample) -> list[str]:
    if not aliases:
        return []
    diagnosis = Diagnosis(sample.n_rows, sample.names, sample.classes, tuple(aliases), None)
    lines = str(diagnosis).splitlines()[2:]
    return [f"Not estimated (NA), as sums of other columns: {'; '.join(map(str.strip, lines))}."]


def _about_variances(estimate: Estimate) -> list[str]:
    if not (np.diag(estimate.covariance) < 0).any():
        return []
    return ["Two-way clustering has made a variance negative, of too few clusters: its standard error is NA."]


def _about_errors(asked: Asked, sample: Sample, size: int, own_df: Array | float) -> str:
    n, kind = f"{sample.n_observations:,.10g}", asked.covariance
    after = f"{sample.n_observations - size:,.10g}"
    if asked.clusters is not None:
        ways = " and by ".join(
            f"{name} ({count:,} clusters)"
            for name, count in zip(asked.clusters.names, asked.clusters.counts, strict=True)
        )
        if kind in CORRECTIONS:
            known = own_df[np.isfinite(own_df)] if isinstance(own_df, np.ndarray) else np.array([])
            which = f", {known.min():.1f} to {known.max():.1f} for these coefficients" if len(known) else ""
            return (
                f"Standard errors {kind}, clustered by {ways}; intervals and tests by Student's t and F of "
                f"Satterthwaite's degrees of freedom{which}."
            )
        more = f" (n - 1)/(n - k), n = {n}, n - k = {after}" if kind == "cluster-HC1" else ""
        law = f"intervals and tests by Student's t and F of {min(asked.clusters.counts) - 1:,} degrees of freedom"
        return f"Standard errors clustered by {ways}; small-sample factor G/(G - 1){more}; {law}."
    return {
        "observed": "Standard errors from the observed information.",
        "HC1": f"Standard errors HC1: robust; small-sample factor n/(n - k) = {n}/{after}.",
        "robust": f"Standard errors robust; small-sample factor n/(n - 1), n = {n}.",
    }.get(kind, f"Standard errors {kind}: robust; no small-sample factor.")


def refuse_one_class(classes: Sequence[Any], response: str) -> None:
    """Raises DataError for a response of one class."""
    if len(classes) < 2:
        raise DataError(f"{response} has only one class, {classes[0]!r}: a model needs rows of at least two")
