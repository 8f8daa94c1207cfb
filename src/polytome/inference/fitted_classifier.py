"""The table of a classifier that is fitted already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from polytome.errors import ArgumentError, DataError
from polytome.inference.covariance import clusters_from
from polytome.inference.frames import kind_of_frame
from polytome.inference.likelihood import Likelihood
from polytome.inference.logistic_result import LogisticResult
from polytome.inference.maximum_likelihood import (
    Asked,
    Known,
    check_asked,
    maximum_likelihood,
    places_after,
    refuse_one_class,
    weights_checked,
)
from polytome.inference.sample import Sample
from polytome.models.features import checked_rows
from polytome.models.fitted import NO_CERTIFICATE, feature_names_in, learns_in_parts
from polytome.models.fitted_source import source_of
from polytome.models.labels import is_soft, label_column
from polytome.models.logistic import LogisticRegression
from polytome.models.predictions import dense_coefficients
from polytome.tables.frames import listing

Array = NDArray[Any]

__all__ = ["summarize"]

_SAME_LOSS = 1e-6
"""By how much the mean loss of the rows may differ from that of the fit, relative to it."""


def summarize(
    model: LogisticRegression,
    X: Any,
    y: Any,
    *,
    reference: Any = None,
    weights: Any = None,
    weights_are: str | None = None,
    covariance: str | None = None,
    clusters: Any = None,
) -> LogisticResult:
    """The table of a fitted classifier without a penalty: coefficients with standard errors, tests
    and intervals.

    The coefficients are those of the model, brought by Newton's method from its tolerance to the
    limit of rounding.

    Args:
        model: a `LogisticRegression(C=numpy.inf)` whose certificate holds.
        X: the rows that it was fitted to.
        y: their labels.
        reference: the class that the others are compared with; the first, if None.
        weights: the weight of each row, as in the fit.
        weights_are: "frequencies" (a row stands for so many equal ones), "importance" or "sampling"
            (of a survey).
        covariance: "observed", "HC0", "HC1", "HC2", "HC3", "robust" (Stata's), "cluster",
            "cluster-HC1", or, for few clusters, "CR2" or "CR3"; None for "observed", with clusters
            for "cluster", with sampling weights for "robust".
        clusters: the cluster of each row, (n,), or two of them, (n, 2).

    Raises:
        ArgumentError: the model has a penalty, no certificate that holds, or was fitted to other
            rows; or an argument has a value that cannot be used.
        DataError: rows, labels or weights cannot be used.

    Example:
        >>> from sklearn.datasets import load_breast_cancer
        >>> data = load_breast_cancer(as_frame=True)
        >>> X, y = data.data[["mean texture", "mean smoothness"]], data.target_names[data.target]
        >>> model = LogisticRegression(C=np.inf).fit(X, y)
        >>> result = summarize(model, X, y, covariance="HC1")
        >>> result.labels
        [('malignant', 'Intercept'), ('malignant', 'mean texture'), ('malignant', 'mean smoothness')]
        >>> result.standard_errors.round(3)
        array([[1.206, 0.031, 9.532]])

    References: McCullagh and Nelder, Generalized Linear Models, 1989, chapter 4; Agresti,
    Categorical Data Analysis, 2013, chapters 5 and 8.
    """
    _check_model(model)
    kind = check_asked(covariance, clusters, weights, weights_are)
    frame, names = kind_of_frame(X), _names_of(model, X)
    matrix: Any = checked_rows(model, X)
    if is_soft(y):
        raise DataError("y has several columns: a table needs one label for each row")
    labels = label_column(y)
    if len(labels) != matrix.shape[0]:
        raise DataError(f"y has {len(labels):,} labels for {matrix.shape[0]:,} rows of X: give one for each")
    weight = weights_checked(weights, weights_are, matrix.shape[0])
    counting = weight > 0
    classes = [each for each in model.classes_.tolist() if (labels[counting] == each).any()]
    refuse_one_class(classes or labels[:1].tolist(), "y")
    unknown = np.flatnonzero(~np.isin(labels, model.classes_))
    if len(unknown):
        raise DataError(f"y[{unknown[0]}] = {labels[unknown[0]]!r}: not one of the model's classes, {listing(classes)}")
    order = places_after(classes, reference, "y")
    places = {classes[k]: place for place, k in enumerate(order)}
    codes = np.array([places.get(each, 0) for each in model.classes_.tolist()])[np.searchsorted(model.classes_, labels)]
    if not counting.all():
        matrix, codes, weight = matrix[counting], codes[counting], weight[counting]
    is_sparse = sparse.issparse(matrix)
    if is_sparse:
        matrix = matrix.tocsr()
    sample = Sample(
        matrix,
        tuple(names),
        bool(model.fit_intercept),
        codes,
        tuple(classes[k] for k in order),
        weight,
        np.flatnonzero(counting),
        weights_are,
        made_of=_made_of(model),
    )
    known = _known_at(model, sample)
    grouped = None if clusters is None else _clusters(clusters, counting)
    if grouped is not None and len(grouped.codes) == 1:
        sample = replace(sample, clusters=grouped.codes[0])
    asked = Asked("y", kind, grouped, terms=_terms_of(model, names), frame=frame)
    return maximum_likelihood(sample, asked, model, known)


def _check_model(model: Any) -> None:
    """Raises ArgumentError unless inference is valid for a model."""
    if not isinstance(model, LogisticRegression):
        raise ArgumentError(
            f"model is {type(model).__name__}: tables are made of LogisticRegression(C=numpy.inf), whose coefficients "
            "maximise one likelihood"
        )
    check_is_fitted(model, "coef_")
    if learns_in_parts(model):
        raise ArgumentError(f"model {NO_CERTIFICATE}; a table needs a fit")
    if model.objective_.strength > 0:
        raise ArgumentError(
            f"model has a penalty (C={model.C:g}): its coefficients are biased towards 0, and standard errors, tests "
            "and intervals of maximum likelihood are not valid for them; fit with C=numpy.inf, or use bootstrap(model, "
            "X, y), which says how far they vary"
        )
    if vars(model).get("needs_offset_", False):
        raise ArgumentError("model was fitted with an offset, which this table has not: use fit_formula with offset()")
    if model.class_weight is not None:
        raise ArgumentError("model has class_weight, which is not the likelihood of these rows; fit without it")
    if not model.certificate_.holds and model.separation_ is None:
        raise ArgumentError(f"model is not certified, so that it is perhaps not at the maximum: {model.certificate_}")


def _known_at(model: LogisticRegression, sample: Sample) -> Known:
    """The likelihood at the model's coefficients against the reference.

    Raises ArgumentError where the rows are not those of the fit: the loss tells.
    """
    own = np.column_stack([model.intercept_, dense_coefficients(model)]).astype(np.float64)
    if len(model.classes_) == 2:
        own = np.vstack([np.zeros_like(own), own])
    place = {each: k for k, each in enumerate(model.classes_.tolist())}
    own = own[[place[each] for each in sample.classes]]
    own = np.asarray((own[1:] - own[0])[:, 0 if sample.fit_intercept else 1 :])
    likelihood = Likelihood.of(sample.X, sample.codes, len(sample.classes), sample.weight, sample.fit_intercept)
    at = likelihood.from_given(own.ravel())
    derived = likelihood.derived(at)
    loss = -derived.value / float(sample.weight.sum())
    fitted = model.certificate_.objective
    allowed = _SAME_LOSS if model.coef_.dtype == np.float64 else 1e-4
    if abs(loss - fitted) > allowed * max(abs(fitted), allowed):
        raise ArgumentError(
            f"X, y and weights are not those of the fit: the model's mean loss is {loss:.8g} here and was {fitted:.8g} "
            "there; give what fit was given"
        )
    return Known(likelihood, at, derived)


def _names_of(model: LogisticRegression, X: Any) -> Sequence[str]:
    encoder, known = source_of(model).encoder, feature_names_in(model)
    if encoder is not None:
        return [str(name) for name in encoder.feature_names]
    if known is not None:
        return [str(name) for name in known]
    return [f"feature_{j}" for j in range(model.n_features_in_)]


def _made_of(model: LogisticRegression) -> dict[str, str]:
    """Features that products, powers and splines are made of, and these, each with one of these."""
    encoder = source_of(model).encoder
    made = [] if encoder is None else [column for column in encoder.columns if column.term is not None]
    owners = {name: column.name for column in made for name in (column.name, *(column.term.of if column.term else ()))}
    columns = () if encoder is None else encoder.columns
    return {name: owners[column.name] for column in columns for name in column.feature_names if column.name in owners}


def _terms_of(model: LogisticRegression, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Each feature by its name, and all levels of a category together by that of its column."""
    terms: dict[str, tuple[int, ...]] = {name: (j,) for j, name in enumerate(names)}
    encoder, start = source_of(model).encoder, 0
    for column in () if encoder is None else encoder.columns:
        terms.setdefault(column.name, tuple(range(start, start + column.width)))
        start += column.width
    return terms


def _clusters(clusters: Any, counting: Array) -> Any:
    """Clusters of the rows that count, from one column or two."""
    columns = getattr(clusters, "columns", None)
    values = np.asarray(clusters)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != len(counting):
        raise DataError(
            f"clusters has shape {np.shape(clusters)}: give one value for each of {len(counting):,} rows, or two"
        )
    names = [f"clusters[{j}]" for j in range(values.shape[1])] if columns is None else [str(each) for each in columns]
    if len(names) == 1:
        names = [str(getattr(clusters, "name", None) or "clusters")]
    return clusters_from(list(values.T), names, counting)
