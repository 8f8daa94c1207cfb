"""What every certified classifier shares: checks of its settings, its penalty, its reports, and what it keeps.

Plain functions over an estimator with the usual parameters (`C`, `tol`, `max_iter`, `scale`, `fit_intercept`,
`verbose`, `callback`) and attributes (`coef_`, `intercept_`); the estimators stay thin and have no common ancestor.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from polytome import native, numerics
from polytome.certificates.certificate import at_other_coefficients
from polytome.errors import ArgumentError, DataError
from polytome.models.certain_outputs import Outputs
from polytome.models.features import check_scale, checked_columns, refuse_nonfinite
from polytome.models.formula import Formula
from polytome.models.peer_settings import peer_warning
from polytome.models.settings import check_common_settings, real_number
from polytome.objective import Objective
from polytome.passes import block_scores
from polytome.penalties import L2, NoPenalty
from polytome.rows import as_rows, sound_sparse
from polytome.solvers import Progress, Solution, Stop
from polytome.solvers.driver import Callback, check_limits

Array = NDArray[Any]
_Wanted = native.Link | Literal["logarithms", "probabilities"]

__all__ = [
    "Kept",
    "check_certified",
    "check_settings",
    "checked_coefficients",
    "classes_of",
    "dense_coefficients",
    "keep_solution",
    "log_probabilities_of",
    "moved",
    "penalty_of",
    "probabilities_of",
    "refuse_foreign_arrays",
    "refuse_nonfinite_coefficients",
    "reporter_of",
    "rounded",
    "scores_of",
    "sigmoids_of",
]


def check_certified(estimator: Any) -> None:
    """Raises NotFittedError without coefficients, ArgumentError without the certificate that a fit brings along."""
    check_is_fitted(estimator, "coef_")
    if not hasattr(estimator, "certificate_"):
        raise ArgumentError(
            "model has coefficients from elsewhere and no certificate; bring them in with the data that they were "
            "fitted on, as from_sklearn(estimator, X, y)"
        )


def check_settings(estimator: Any) -> None:
    """Raises ArgumentError unless every setting that certified classifiers share can be used, but for `solver`."""
    C: Any = estimator.C
    if not real_number(C) > 0:
        raise ArgumentError(f"C={C!r}: needs a positive number, or numpy.inf for no penalty")
    if not 1e-100 <= float(C) <= 1e100 and not np.isinf(float(C)):
        raise ArgumentError(f"C={C!r}: needs a number from 1e-100 to 1e100, or numpy.inf for no penalty")
    check_limits(estimator.tol, estimator.max_iter)
    check_common_settings(estimator)
    check_scale(estimator.scale)


def penalty_of(estimator: Any, total_weight: float) -> L2 | NoPenalty:
    """The penalty on the mean-loss scale that stands for `C` on the scale of sums; `penalty=None` makes C void."""
    if np.isinf(estimator.C) or getattr(estimator, "penalty", "l2") is None:
        return NoPenalty()
    return L2(1 / (estimator.C * total_weight))


def reporter_of(estimator: Any) -> Callback | None:
    """The estimator's callback, behind a printed line for each iteration where `verbose` asks for one."""
    callback: Callback | None = estimator.callback
    if not estimator.verbose:
        return callback

    def report(progress: Progress) -> object:
        print(
            f"pass {progress.passes:6.0f}  objective {progress.objective:.8g}  gap {progress.gap:.2e}  "
            f"{progress.seconds:.2f} s"
        )
        return callback is not None and callback(progress)

    return report


def moved(objective: Objective, solution: Solution, W: Array) -> Solution:
    """The solution with other coefficients, and the certificate of these: a pass over the rows in float64.

    A certificate is a lower bound of the minimum, and that bound holds for all coefficients.
    """
    certificate = at_other_coefficients(solution.certificate, objective.at(np.float64), W)
    return replace(solution, coefficients=W, certificate=certificate, given=None)


@dataclass(frozen=True)
class Kept:
    """What a fit keeps: a solution of an objective, which of the model's outputs the objective has (all, if None), and
    the type in which coefficients are stored."""

    objective: Objective
    solution: Solution
    outputs: Outputs | None = None
    dtype: type[np.floating[Any]] = np.float64


def rounded(estimator: Any, objective: Objective, solution: Solution, outputs: Outputs) -> Kept:
    """What is kept of a solution: float32 coefficients for rows of float32, where scikit-learn has them.

    The certificate is about the rounded coefficients; where it would not hold for them, they stay float64.
    """
    # liblinear computes in float64 only, so code that asks for it by name has always had float64.
    if objective.rows.facts.dtype != np.float32 or estimator.solver == "liblinear":
        return Kept(objective, solution, outputs)
    columns = objective.rows.columns
    with np.errstate(over="ignore"):
        coef, intercept = (part.astype(np.float32) for part in solution.as_given(objective))
    if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
        return Kept(objective, solution, outputs)
    raw = np.vstack([coef.T, intercept]).astype(np.float64)
    short = replace(moved(objective, solution, columns.from_raw_coefficients(raw)), given=(raw[:-1], raw[-1]))
    lost = solution.certificate.holds and not short.certificate.holds
    return Kept(objective, solution, outputs) if lost else Kept(objective, short, outputs, np.float32)


def keep_solution(estimator: Any, kept: Kept, loss: str, n_classes: int) -> None:
    """Sets the attributes of a fitted classifier, and warns where the certificate was not reached."""
    objective, solution = kept.objective, kept.solution
    outputs = Outputs.all(objective.shape[1]) if kept.outputs is None else kept.outputs
    coefficients, intercept = outputs.spread(*solution.as_given(objective))
    # Predictions read them output by output for dense rows, and column by column for sparse ones; with the strides that
    # a pickle of them gets, which `joblib.hash` tells.
    by_column = objective.rows.is_sparse and len(coefficients) > 1
    coefficients = np.asarray(coefficients, order="F" if by_column else "C")
    estimator.coef_, estimator.intercept_ = (part.astype(kept.dtype, copy=False) for part in (coefficients, intercept))
    scale = estimator.scale
    estimator.certificate_, estimator.stop_ = outputs.certificate(solution.certificate), solution.stop
    estimator.history_ = solution.history
    estimator.n_iter_ = np.array([len(solution.history) - 1], dtype=np.int32)
    estimator.objective_ = Formula(
        loss=loss,
        n_rows=objective.rows.n_rows,
        total_weight=objective.total_weight,
        n_features=objective.rows.n_features,
        n_classes=n_classes,
        strength=objective.penalty.strength,
        fit_intercept=objective.fit_intercept,
        scale="none" if scale is None else scale if isinstance(scale, str) else _numbers(scale),
        value=estimator.certificate_.objective,
    )
    if not solution.stop.succeeded and solution.stop is not Stop.INTERRUPTED:
        alone = ", ".join(_name_of(estimator, int(outputs.learned[output])) for output in solution.separated)
        alone = f" This concerns {alone}, and not the others." if alone else ""
        begins = peer_warning(estimator.solver, len(solution.history) - 1)
        text = f"{begins}{solution.stop.value}.{alone} {estimator.certificate_}"
        warnings.warn(text, ConvergenceWarning, stacklevel=3)


def _name_of(estimator: Any, output: int) -> str:
    """What one of several binary models tells apart."""
    if hasattr(estimator, "pairs_"):
        first, second = estimator.classes_[estimator.pairs_[output]]
        return f"{first} against {second}"
    return str(getattr(estimator, "labels_", estimator.classes_)[output])


def scores_of(estimator: Any, X: Any) -> Array:
    """Scores `X @ coef_.T + intercept_` of a fitted classifier, shape (n, n_outputs)."""
    return _linked_scores(estimator, X, "scores")


def probabilities_of(estimator: Any, X: Any) -> Array:
    """The softmax of the scores of several classes, the sigmoids of plus and minus the score of two; shape (n, K).

    The sigmoid of both signs: 1 - p would be 0 where the true value is 1e-18.
    """
    return _linked_scores(estimator, X, "probabilities")


def log_probabilities_of(estimator: Any, X: Any) -> Array:
    """The logarithms of `probabilities_of`, from the scores: finite even where a probability is below any float."""
    return _linked_scores(estimator, X, "logarithms")


def sigmoids_of(estimator: Any, X: Any) -> Array:
    """The sigmoid of each score, shape (n, n_outputs)."""
    return _linked_scores(estimator, X, "sigmoids")


def dense_coefficients(estimator: Any) -> Array:
    """`coef_` as an array, which `sparsify` may have made a sparse matrix."""
    coef = estimator.coef_
    dense: Array = coef if isinstance(coef, np.ndarray) else coef.toarray()
    return dense


def refuse_foreign_arrays(X: Any) -> None:
    """Raises ArgumentError where scikit-learn is to dispatch to the library of an array that is not NumPy's."""
    if isinstance(X, np.ndarray):
        return
    foreign = hasattr(X, "__array_namespace__") or type(X).__module__.partition(".")[0] == "torch"
    if foreign and get_config()["array_api_dispatch"]:
        raise ArgumentError(
            f"X is {type(X).__module__}.{type(X).__name__}, and array_api_dispatch is on: Polytome computes with NumPy "
            "on the processor; give numpy.asarray(X), or switch array_api_dispatch off"
        )


def _linked_scores(estimator: Any, X: Any, link: _Wanted) -> Array:
    """The scores, or what a link makes of them, computed in float64; in float32 for float32 rows and coefficients."""
    if "coef_" not in vars(estimator):
        check_is_fitted(estimator)
    refuse_foreign_arrays(X)
    X = checked_columns(estimator, X)
    linked = _linked(estimator, X, _coefficients(estimator), link)
    return linked.astype(np.float32) if estimator.coef_.dtype == np.float32 == X.dtype else linked


def _linked(estimator: Any, X: Any, coefficients: Array, link: _Wanted) -> Array:
    if link == "logarithms":
        scores = _linked(estimator, X, coefficients, "scores")
        if scores.shape[1] == 1:
            return numerics.log_sigmoid(np.hstack([-scores, scores]))
        return numerics.log_softmax(scores, axis=1)
    if link == "probabilities":
        link = "softmax" if len(coefficients) > 1 else "sigmoids"
        coefficients = coefficients if len(coefficients) > 1 else np.concatenate([-coefficients, coefficients])
    if native.makes_predictions(X):
        try:
            finite, linked = native.linked_scores(X, coefficients, link)
        except (IndexError, ValueError):
            sound_sparse(X)  # names the place
            raise
        if finite:
            return linked
    # In one order: NumPy's products depend in their last bits on how factors lie, and `coef_` lies as its fit left it.
    raw = np.ascontiguousarray(coefficients).T
    with np.errstate(over="ignore", invalid="ignore"):
        blocks = as_rows(X, np.zeros(X.shape[0])).blocks()
        scores = np.concatenate([block_scores(block, raw) for block in blocks])
    if not np.isfinite(scores).all():
        refuse_nonfinite(X, estimator)
        refuse_nonfinite_coefficients(coefficients)
        row = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        # Beyond the range of float64 not even the sign of a score could be trusted.
        raise DataError(f"row {row} of X is so large that its scores leave the range of float64")
    if link == "softmax":
        return numerics.softmax(scores, axis=1)
    return numerics.sigmoid(scores) if link == "sigmoids" else scores


def _coefficients(estimator: Any) -> Array:
    """Coefficients and, last, intercepts, (n_outputs, n_features + 1).

    Put together anew for each call, and checked: nothing can go stale where a user changes `coef_`.
    """
    n_outputs = len(getattr(estimator, "pairs_", estimator.classes_))
    outputs = (1, 2) if n_outputs == 2 else (n_outputs,)  # one output tells two classes apart
    coefficients, intercepts = checked_coefficients(estimator, estimator.coef_, estimator.intercept_, outputs)
    return np.concatenate([coefficients, intercepts[:, np.newaxis]], axis=1).astype(np.float64, copy=False)


def checked_coefficients(estimator: Any, given: Any, intercepts: Any, outputs: tuple[int, ...]) -> tuple[Array, Array]:
    """Coefficients (n_outputs, n_features) and intercepts as arrays, for one of these numbers of outputs.

    Raises:
        ArgumentError: they have another shape, or are no numbers: a user can put anything there.
    """
    coefficients = np.asarray(given.toarray() if hasattr(given, "toarray") else given)
    intercepts, shape, n_features = np.asarray(intercepts), coefficients.shape, estimator.n_features_in_
    fits = len(shape) == 2 and shape[1] == n_features and shape[0] in outputs
    if not fits or coefficients.dtype.kind not in "biuf":
        raise ArgumentError(
            f"coef_ is {type(given).__name__} of shape {shape} and type {coefficients.dtype}: needs numbers of shape "
            f"{(outputs[0], n_features)}"
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
        raise ArgumentError(f"{name} is {coefficients[output, column]}: the model cannot predict; fit it anew")


def classes_of(estimator: Any, scores: Array) -> Array:
    """The class of each row: the one of the largest score, or by the sign of a single one (positive: the second)."""
    codes = (scores[:, 0] > 0).astype(int) if scores.shape[1] == 1 else scores.argmax(axis=1)
    classes: Array = estimator.classes_[codes]
    return classes


def _numbers(scale: Any) -> str:
    """A number as it is, many as their count."""
    return f"{scale:g}" if np.ndim(scale) == 0 else f"{np.size(scale)} given numbers"
