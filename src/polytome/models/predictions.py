"""From the coefficients of a fitted model to scores, probabilities and classes of rows.

Plain functions over a model with `coef_`, `intercept_` and `n_features_in_`. Coefficients are
checked at every call: nothing can go stale where a user changes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from polytome import native, numerics
from polytome.errors import ArgumentError, DataError
from polytome.models.calibration import calibrated_coefficients, calibration_of
from polytome.models.features import checked_columns, refuse_foreign_arrays, refuse_nonfinite
from polytome.models.offsets import offset_rows
from polytome.objective.objective import all_scores
from polytome.passes import block_scores
from polytome.rows import DeviceMatrix, as_rows, sound_sparse

Array = NDArray[Any]
_DOUBLE = np.dtype(np.float64)

__all__ = [
    "checked_coefficients",
    "dense_coefficients",
    "log_probabilities_of",
    "predicted_classes",
    "probabilities_of",
    "refuse_nonfinite_coefficients",
    "scores_of",
    "sigmoids_of",
]


def scores_of(estimator: Any, X: Any, offset: Any = None) -> Array:
    """Scores `X @ coef_.T + intercept_` of a fitted classifier, and an offset if there is one,
    shape (n, n_outputs)."""
    return _linked_scores(estimator, X, "scores", offset)


def probabilities_of(estimator: Any, X: Any, offset: Any = None) -> Array:
    """The softmax of the scores of several classes, the sigmoids of plus and minus the score of
    two; shape (n, K).

    The sigmoid of both signs: 1 - p would be 0 where the true value is 1e-18.
    """
    return _linked_scores(estimator, X, "probabilities", offset)


def log_probabilities_of(estimator: Any, X: Any, offset: Any = None) -> Array:
    """The logarithms of `probabilities_of`, from the scores: finite even where a probability is
    below any float."""
    return _linked_scores(estimator, X, "logarithms", offset)


def predicted_classes(estimator: Any, X: Any, offset: Any = None) -> Array:
    """The class of each row: the one of the largest score, or by the sign of a single one
    (positive: the second)."""
    places = _linked_scores(estimator, X, "places", offset)[:, 0]
    classes: Array = estimator.classes_[places.astype(np.intp)]
    return classes


def sigmoids_of(estimator: Any, X: Any) -> Array:
    """The sigmoid of each score, shape (n, n_outputs)."""
    return _linked_scores(estimator, X, "sigmoids")


def dense_coefficients(estimator: Any) -> Array:
    """`coef_` as an array, even where `sparsify` has made it a sparse matrix."""
    coef = estimator.coef_
    dense: Array = coef if isinstance(coef, np.ndarray) else coef.toarray()
    return dense


def _linked_scores(estimator: Any, X: Any, link: native.Link, offset: Any = None) -> Array:
    """The scores, or what a link makes of them, computed in float64; in float32 for float32 rows
    and coefficients."""
    if "coef_" not in vars(estimator):
        check_is_fitted(estimator)
    refuse_foreign_arrays(X)
    X = checked_columns(estimator, X)
    known = offset_rows(estimator, offset, X.shape[0])
    coefficients, intercepts = _coefficients(estimator)
    is_single: bool = estimator.coef_.dtype == np.float32 == X.dtype
    if is_single and link == "places":  # of the scores that are shown, of which two may be equal
        return _link_of(_linked_scores(estimator, X, "scores", offset), link)
    if known is None:
        linked = _linked(estimator, X, coefficients, intercepts, link)
    else:
        if (calibration := calibration_of(estimator)) is not None:
            known = known / calibration.temperature
        linked = _link_of(_linked(estimator, X, coefficients, intercepts, "scores") + known, link)
    return linked.astype(np.float32) if is_single else linked


def _linked(estimator: Any, X: Any, coefficients: Array, intercepts: Array, link: native.Link) -> Array:
    if native.makes_predictions(X):
        try:
            finite, linked = native.linked_scores(X, coefficients, intercepts, link)
        except (IndexError, ValueError):
            sound_sparse(X)  # names the place
            raise
        if finite:
            return linked
    if not coefficients.any(axis=0).all():  # a library's product may skip zeros
        refuse_nonfinite(X, estimator)
    # In one order: NumPy's products depend in their last bits on how factors lie, and `coef_` lies
    # as its fit left it.
    both = np.concatenate([coefficients, intercepts[:, np.newaxis]], axis=1)
    raw = np.ascontiguousarray(both).T
    with np.errstate(over="ignore", invalid="ignore"):
        rows = as_rows(X, np.zeros(X.shape[0]))
        if isinstance(X, DeviceMatrix):
            scores = all_scores(rows, raw)
        else:
            scores = np.concatenate([block_scores(block, raw) for block in rows.blocks()])
    if not np.isfinite(scores).all():
        refuse_nonfinite(X, estimator)
        refuse_nonfinite_coefficients(both)
        row = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        # Beyond the range of float64 not even the sign of a score could be trusted.
        raise DataError(f"row {row} of X is so large that its scores leave the range of float64")
    return _link_of(scores, link)


def _link_of(scores: Array, link: native.Link) -> Array:
    """What a link makes of scores, by NumPy."""
    both = np.hstack([-scores, scores]) if scores.shape[1] == 1 else None
    if link == "logarithms":
        return numerics.log_softmax(scores, axis=1) if both is None else numerics.log_sigmoid(both)
    if link == "probabilities":
        return numerics.softmax(scores, axis=1) if both is None else numerics.sigmoid(both)
    if link == "places":
        return (scores > 0).astype(float) if scores.shape[1] == 1 else scores.argmax(axis=1)[:, np.newaxis]
    return numerics.sigmoid(scores) if link == "sigmoids" else scores


def _coefficients(estimator: Any) -> tuple[Array, Array]:
    """Coefficients (n_outputs, n_features) and intercepts in float64, as a temperature or other
    shares of classes correct them.

    Checked at each call: nothing can go stale where a user changes `coef_`.
    """
    n_outputs = estimator._n_outputs
    coefficients, intercepts = checked_coefficients(estimator, estimator.coef_, estimator.intercept_, n_outputs)
    if coefficients.dtype is not _DOUBLE or intercepts.dtype is not _DOUBLE:
        coefficients, intercepts = coefficients.astype(_DOUBLE), intercepts.astype(_DOUBLE)
    if calibration_of(estimator) is None:
        return coefficients, intercepts
    return calibrated_coefficients(estimator, coefficients, intercepts)


def checked_coefficients(estimator: Any, given: Any, intercepts: Any, n_outputs: int) -> tuple[Array, Array]:
    """Coefficients (n_outputs, n_features) and intercepts as arrays.

    Raises:
        ArgumentError: they have another shape, or are not numbers: a user can put anything there.
    """
    is_sparse: bool = not isinstance(given, np.ndarray) and sparse.issparse(given)
    coefficients = np.asarray(given.toarray() if is_sparse else given)
    intercepts, shape, n_features = np.asarray(intercepts), coefficients.shape, estimator.n_features_in_
    fits = len(shape) == 2 and shape[1] == n_features and shape[0] == n_outputs
    if not fits or coefficients.dtype.kind not in "biuf":
        raise ArgumentError(
            f"coef_ is {type(given).__name__} of shape {shape} and type {coefficients.dtype}: needs numbers of shape "
            f"{(n_outputs, n_features)}"
        )
    if intercepts.shape != shape[:1] or intercepts.dtype.kind not in "biuf":
        raise ArgumentError(
            f"intercept_ has shape {intercepts.shape} and type {intercepts.dtype}: needs numbers of shape {shape[:1]}, "
            f"as coef_ has shape {shape}"
        )
    return coefficients, intercepts


def refuse_nonfinite_coefficients(coefficients: Array) -> None:
    """Raises ArgumentError at the first coefficient that is NaN or infinite."""
    wrong = np.argwhere(~np.isfinite(coefficients))
    if len(wrong):
        output, column = map(int, wrong[0])
        last = column == coefficients.shape[1] - 1
        name = f"intercept_[{output}]" if last else f"coef_[{output}, {column}]"
        raise ArgumentError(f"{name} is {coefficients[output, column]}: the model cannot predict; fit it again")
