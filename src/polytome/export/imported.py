"""Coefficients that another library has found, as a Polytome model, with a certificate if data are
given.

A certificate does not depend on who found the coefficients. It is about the coefficients as given:
with the intercept made exact, duality gives a lower bound D of the objective, and
`P(as given) - D >= P(as given) - P*`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.careful import certify_given
from polytome.errors import ArgumentError, DataError
from polytome.models.features import checked_features
from polytome.models.fitted import feature_names_in
from polytome.models.fitted_source import FittedSource
from polytome.models.fitting import Kept, keep_solution, objective_of
from polytome.models.labels import class_weights, hard_labels, row_weights
from polytome.solvers import Progress, Solution, Stop
from polytome.tables.frames import listing
from polytome.threads import one_blas_thread

if TYPE_CHECKING:
    from polytome.models.logistic import LogisticRegression

Array = NDArray[Any]

__all__ = ["certify_as_given", "imported_model"]


def imported_model(scores: tuple[Array, Array], classes: Any, **settings: Any) -> LogisticRegression:
    """A fitted model from coefficients and intercepts.

    Args:
        scores: coefficients and intercepts, (K, d) and (K,), or for two classes (1, d) and (1,) for
            the second.
        classes: the K labels in this order; the model sorts them.
        settings: of `LogisticRegression`.

    Returns:
        A model that predicts. It has no `certificate_`, `objective_`, `stop_`, `history_`,
        `solver_` and `n_iter_`, since these would be about data that were not given.

    Raises:
        ArgumentError: the shapes do not fit each other, a number is not finite, or two labels are
            equal.

    Example:
        >>> model = imported_model((np.array([[1.0, -1.0]]), np.array([0.0])), ["yes", "no"])
        >>> model.classes_, model.coef_, hasattr(model, "certificate_")
        (array(['no', 'yes'], dtype='<U3'), array([[-1.,  1.]]), False)
    """
    from polytome.models.logistic import LogisticRegression

    coefficients, intercepts = (np.array(part, dtype=np.float64) for part in scores)
    labels = np.asarray(classes)
    if labels.ndim != 1 or len(labels) < 2 or len(set(labels.tolist())) != len(labels):
        raise ArgumentError(f"classes={repr(classes)[:60]}: needs a list of at least two different labels")
    outputs = {len(labels)} if len(labels) > 2 else {1, 2}
    if coefficients.ndim != 2 or 0 in coefficients.shape or len(coefficients) not in outputs:
        raise ArgumentError(
            f"coefficients of shape {coefficients.shape} for {len(labels)} classes: one row is needed for each class"
        )
    if intercepts.shape != (len(coefficients),):
        raise ArgumentError(f"intercepts of shape {intercepts.shape} for {len(coefficients)} rows of coefficients")
    if not (np.isfinite(coefficients).all() and np.isfinite(intercepts).all()):
        raise ArgumentError("a coefficient or an intercept is NaN or infinite: the training of this model has failed")
    order = np.argsort(labels, kind="stable")
    model = LogisticRegression(**settings)
    model.classes_, model.n_features_in_, model.source_ = labels[order], coefficients.shape[1], FittedSource()
    if len(labels) > 2:
        model.coef_, model.intercept_ = coefficients[order], intercepts[order]
    else:
        sign = 1 if order[0] == 0 else -1
        if len(coefficients) == 2:
            coefficients, intercepts = coefficients[1:] - coefficients[:1], intercepts[1:] - intercepts[:1]
        model.coef_, model.intercept_ = sign * coefficients, sign * intercepts
    return model


def certify_as_given(model: LogisticRegression, X: Any, y: Any, sample_weight: Any, origin: str) -> None:
    """Say how far a model's coefficients, just as they are, are from the optimum on these data.

    Args:
        model: from `imported_model`; it gets the attributes of a fit.
        X: features, shape (n, d).
        y: one label per row.
        sample_weight: one weight per row, or None.
        origin: who found the coefficients.

    Raises:
        DataError: X or y does not fit the model.
    """
    given = model.coef_, model.intercept_, model.n_features_in_
    _check_names(model, X)
    X = checked_features(model, X, y)
    if X.shape[1] != given[2]:
        raise DataError(f"X has {X.shape[1]} features; the coefficients are for {given[2]}")
    labels = hard_labels(y)
    known, found = model.classes_.tolist(), labels.classes.tolist()
    if found != known:
        raise DataError(f"y has the labels {listing(found)}; the coefficients are for {listing(known)}")
    # The model states the objective, so that a certificate always means the same.
    weight = class_weights(model.class_weight, labels, row_weights(sample_weight, X.shape[0]))
    lacking = np.setdiff1d(np.arange(len(known)), labels.counting(weight)[1])
    if len(lacking):
        raise DataError(
            f"class {known[int(lacking[0])]!r} has weight 0 in total, so no finite coefficients would be optimal, and "
            "there is nothing to certify: give it a positive weight"
        )
    problem = model._problem(X, labels, weight)
    objective = objective_of(model, X, problem).at(np.float64)
    # As in a fit: the same bits on any number of threads, and an overflow is no warning.
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        W = objective.rows.columns.from_raw_coefficients(np.vstack([given[0].T, given[1]]))
        certificate = certify_given(objective, given[0].T, given[1], model.tol)
    value, gap = certificate.objective, certificate.gap
    reached = Stop.CERTIFIED if certificate.kind == "proof" else Stop.ESTIMATED
    stop = reached if certificate.holds else Stop.INTERRUPTED
    stop = Stop.SEPARATED if certificate.is_of_separation else stop
    solution = Solution(W, stop, certificate, (Progress(0, 0.0, value, gap, 0.0),), 0.0)
    keep_solution(model, Kept(objective, solution), problem.name, problem.classes)
    model.coef_, model.intercept_, model.solver_ = given[0], given[1], origin  # type: ignore[assignment]


def _check_names(model: LogisticRegression, X: Any) -> None:
    """Refuse a frame whose columns differ from those of the fit, or have another order."""
    known, found = feature_names_in(model), list(getattr(X, "columns", ()))
    if known is None or not found or found == list(known):
        return
    if sorted(map(str, found)) == sorted(map(str, known)):
        raise DataError(
            "X has the columns of the fit in another order: give X[list(estimator.feature_names_in_)], since a "
            "coefficient belongs to a position"
        )
    lacking = [name for name in known if name not in found]
    raise DataError(f"X has the columns {listing(found, 6)}; the fit also had {listing(lacking, 6)}")
