"""The one fit of every certified classifier: from a problem to coefficients, certificate and all
other results.

    fit of the classifier     checks its settings, X and y, and states the `Problem`
    ├─ planned                -> objective and solver
    ├─ minimum_of             -> solution
    └─ keep_fit               -> rounding, and what is kept

Plain functions over an estimator with the usual parameters (`C`, `tol`, `max_iter`, `scale`,
`fit_intercept`, `verbose`, `callback`); classifiers differ in the problem that they state and in
how they read the scores.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from polytome.certificates.certificate import at_other_coefficients
from polytome.certificates.fenchel import proved_zeros
from polytome.certificates.recession_cone import UndecidedError
from polytome.errors import ArgumentError
from polytome.losses import Loss, Softmax, WithOffset
from polytome.models.bounds import (
    at_bound,
    bounded,
    bounds_of,
    bounds_text,
    check_bounds,
    check_bounds_of_certain,
    within_bounds,
)
from polytome.models.certain_outputs import Outputs, nothing_to_learn
from polytome.models.features import check_scale, feature_scale
from polytome.models.fitted import NO_CERTIFICATE, certificate_of, learns_in_parts
from polytome.models.fitted_source import FittedSource
from polytome.models.formula import Formula
from polytome.models.groups import check_group_ratio, check_groups, group_ratio_of, groups_of, groups_text
from polytome.models.peer_settings import check_ratio, l1_ratio_of, peer_warning
from polytome.models.penalty_weights import check_penalty_weights, penalty_weights_of, weights_text
from polytome.models.separation import separation_of, separation_sentence, unpenalised_columns, why_not_looked_for
from polytome.models.settings import check_common_settings, real_number
from polytome.objective import Objective
from polytome.passes import Columns
from polytome.penalties import L2, Bounded, ElasticNet, GroupLasso, NoPenalty, Penalty, WeightedL2, strength_and_ratio
from polytome.rows import Rows, Stream
from polytome.solvers import Choice, Progress, Solution, Stop, minimize
from polytome.solvers.choose import check_named_residence
from polytome.solvers.driver import Callback, check_limits
from polytome.solvers.memory import planned_solver

Array = NDArray[Any]

__all__ = [
    "Kept",
    "Plan",
    "Problem",
    "check_certified",
    "check_settings",
    "is_penalised",
    "keep_fit",
    "keep_solution",
    "minimum_of",
    "moved",
    "objective_of",
    "penalty_of",
    "planned",
    "reporter_of",
    "rounded",
]

_BESIDE = (
    " Columns whose penalty weight is 0 may tell some classes apart perfectly, or depend on each other or on the "
    "intercept: then no finite coefficients are optimal, or nothing can be proved; give them a small weight."
)


@dataclass(frozen=True)
class Problem:
    """What a classifier asks to be minimised.

    Attributes:
        loss: of the outputs that are learned; None where there is nothing to learn.
        rows: with the targets of this loss, and columns as given.
        outputs: which outputs of the model are learned, and what is certain of the others.
        name: of the loss in the formula.
        classes: the labels.
    """

    loss: Loss | None
    rows: Rows
    outputs: Outputs
    name: str
    classes: Array


@dataclass(frozen=True)
class Plan:
    """How a problem's minimum is to be found.

    Attributes:
        problem: as the classifier states it.
        objective: what is minimised.
        choice: the solver, and why it was chosen; None where there is nothing to learn.
    """

    problem: Problem
    objective: Objective
    choice: Choice | None


def planned(estimator: Any, X: Any, problem: Problem) -> Plan:
    """The objective of a problem, and the estimator's solver for it.

    Args:
        estimator: the classifier.
        X: features as given, to name an entry that is not finite.
        problem: what is minimised.
    """
    check_named_residence(estimator.solver, problem.rows)
    objective = objective_of(estimator, X, problem)
    check_bounds_of_certain(estimator, objective.rows.n_features, problem.outputs)
    if problem.loss is None:
        return Plan(problem, objective, None)
    memory = X.memory if isinstance(X, Stream) else None
    return Plan(problem, objective, planned_solver(estimator.solver, objective, estimator.random_state, memory))


def minimum_of(estimator: Any, plan: Plan) -> Solution | None:
    """The minimum, from the null model; None where there is nothing to learn."""
    if plan.choice is None:
        return None
    limits: Any = {"tol": estimator.tol, "max_iter": estimator.max_iter, "callback": reporter_of(estimator)}
    return minimize(plan.objective, plan.choice.solver, **limits)


def keep_fit(estimator: Any, plan: Plan, solution: Solution | None) -> None:
    """Set all attributes of the fitted classifier: by the solution, or with None as where there is
    nothing to learn."""
    objective, problem = plan.objective, plan.problem
    if plan.choice is None or solution is None:
        estimator.solver_, solution = nothing_to_learn(objective, estimator.tol)
    else:
        estimator.solver_ = plan.choice.after(solution)
    keep_solution(estimator, rounded(estimator, objective, solution, problem.outputs), problem.name, problem.classes)


def objective_of(estimator: Any, X: Any, problem: Problem) -> Objective:
    """The objective of a problem under the estimator's penalty, on columns that are centred and
    scaled implicitly."""
    rows = feature_scale(estimator, problem.rows, X)
    penalty = penalty_of(estimator, float(rows.weight.sum()), rows.n_features, rows.columns)
    return Objective(problem.loss or Softmax(1), penalty, rows, bool(estimator.fit_intercept))


def check_certified(estimator: Any) -> None:
    """Raises NotFittedError without coefficients, ArgumentError without the certificate of a
    fit."""
    check_is_fitted(estimator, "coef_")
    if learns_in_parts(estimator):
        raise ArgumentError(f"model {NO_CERTIFICATE}")
    if certificate_of(estimator) is None:
        raise ArgumentError(
            "model has coefficients from elsewhere and no certificate; bring them in with the data that they were "
            "fitted on, as from_sklearn(estimator, X, y)"
        )


def check_settings(estimator: Any) -> None:
    """Raises ArgumentError unless every setting that certified classifiers share can be used, but
    for `solver`."""
    C: Any = estimator.C
    if not real_number(C) > 0:
        raise ArgumentError(f"C={C!r}: needs a positive number, or numpy.inf for no penalty")
    if not 1e-100 <= float(C) <= 1e100 and not np.isinf(float(C)):
        raise ArgumentError(f"C={C!r}: needs a number from 1e-100 to 1e100, or numpy.inf for no penalty")
    smoothing: Any = vars(estimator).get("label_smoothing", 0.0)
    if not 0 <= real_number(smoothing) < 1 or isinstance(smoothing, bool):
        raise ArgumentError(f"label_smoothing={smoothing!r}: needs a number from 0, and below 1")
    check_limits(estimator.tol, estimator.max_iter)
    check_common_settings(estimator)
    check_scale(estimator.scale)
    check_penalty_weights(estimator.penalty_weights)
    check_bounds(vars(estimator).get("bounds"), vars(estimator).get("groups") is not None)
    if "l1_ratio" in vars(estimator) and "penalty" not in vars(estimator):
        check_ratio(estimator)
        check_groups(estimator.groups, l1_ratio_of(estimator), is_penalised(estimator))
        check_group_ratio(estimator.group_ratio, estimator.groups is not None)


def penalty_of(estimator: Any, total_weight: float, n_features: int, columns: Columns | None = None) -> Penalty:
    """The penalty on the mean-loss scale that stands for `C` on the scale of sums, within bounds if
    there are some; `penalty=None` disables C.

    Raises:
        ArgumentError: `penalty_weights`, `groups` or `bounds` do not fit the columns.
    """
    return bounded(estimator, _without_bounds(estimator, total_weight, n_features), n_features, columns)


def _without_bounds(
    estimator: Any, total_weight: float, n_features: int
) -> NoPenalty | L2 | WeightedL2 | ElasticNet | GroupLasso:
    weights, groups = penalty_weights_of(estimator, n_features), groups_of(estimator, n_features)
    if groups is not None and weights is not None:
        _check_weights_of_groups(weights, groups)
    if not is_penalised(estimator) or (weights is not None and not weights.any()):
        return NoPenalty()
    strength = 1 / (estimator.C * total_weight)
    if ratio := l1_ratio_of(estimator):
        if groups is not None:
            return GroupLasso(strength, ratio, groups, weights, group_ratio_of(estimator))
        return ElasticNet(strength, ratio, weights)
    return L2(strength) if weights is None else WeightedL2(strength, weights)


def is_penalised(estimator: Any) -> bool:
    """Whether the settings ask for a penalty; `penalty=None` disables C.

    Example:
        >>> from polytome import LogisticRegression
        >>> is_penalised(LogisticRegression()), is_penalised(LogisticRegression(C=np.inf))
        (True, False)
    """
    return not np.isinf(estimator.C) and vars(estimator).get("penalty", "l2") is not None


def _check_weights_of_groups(weights: Array, groups: Array) -> None:
    """Raises ArgumentError where columns of one group have different weights."""
    _, first = np.unique(groups, return_index=True)
    differs = weights != weights[first][groups]
    if differs.any():
        column = int(np.argmax(differs))
        other = int(first[groups[column]])
        raise ArgumentError(
            f"penalty_weights[{column}] is {weights[column]:g} and penalty_weights[{other}] is {weights[other]:g}, but "
            "both columns are in one group, whose norm has one weight: give them the same"
        )


def reporter_of(estimator: Any) -> Callback | None:
    """The estimator's callback, behind a printed line for each iteration where `verbose` asks for
    one."""
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
    """The solution with other coefficients, and the certificate of these: a pass over the rows in
    float64.

    A certificate is a lower bound of the minimum, and that bound holds for all coefficients.
    """
    certificate = at_other_coefficients(solution.certificate, objective.at(np.float64), solution.coefficients, W)
    return replace(solution, coefficients=W, certificate=certificate, given=None)


@dataclass(frozen=True)
class Kept:
    """What a fit keeps: a solution of an objective, which of the model's outputs the objective has
    (all, if None), and the type in which coefficients are stored."""

    objective: Objective
    solution: Solution
    outputs: Outputs | None = None
    dtype: type[np.floating[Any]] = np.float64


def rounded(estimator: Any, objective: Objective, solution: Solution, outputs: Outputs) -> Kept:
    """What is kept of a solution: float32 coefficients for rows of float32, where scikit-learn has
    them.

    The certificate is about the rounded coefficients; where it would not hold for them, they stay
    float64.
    """
    # liblinear computes in float64 only, so code that asks for it by name has always had float64.
    if objective.rows.facts.dtype != np.float32 or estimator.solver == "liblinear":
        return Kept(objective, solution, outputs)
    columns = objective.rows.columns
    with np.errstate(over="ignore"):
        coef, intercept = (part.astype(np.float32) for part in solution.as_given(objective))
        coef = within_bounds(bounds := bounds_of(estimator, coef.shape[1]), coef)
    if bounds is not None and not np.array_equal(within_bounds(bounds, coef.astype(np.float64)), coef):
        return Kept(objective, solution, outputs)
    if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
        return Kept(objective, solution, outputs)
    raw = np.vstack([coef.T, intercept]).astype(np.float64)
    short = replace(moved(objective, solution, columns.from_raw_coefficients(raw)), given=(raw[:-1], raw[-1]))
    lost = solution.certificate.holds and not short.certificate.holds
    return Kept(objective, solution, outputs) if lost else Kept(objective, short, outputs, np.float32)


def keep_solution(estimator: Any, kept: Kept, loss: str, classes: Array) -> None:
    """Sets the attributes of a fitted classifier, and warns where the certificate was not reached.

    What an earlier fit had of its source goes: encoder, image shape and record are about other
    columns.
    """
    objective, solution = kept.objective, kept.solution
    outputs = Outputs.all(objective.shape[1]) if kept.outputs is None else kept.outputs
    estimator.classes_, estimator.source_ = classes, FittedSource()
    coefficients, intercept = outputs.spread(*solution.as_given(objective))
    coefficients = within_bounds(bounds := bounds_of(estimator, objective.rows.n_features), coefficients)
    # Predictions read them output by output for dense rows, and column by column for sparse ones;
    # with the strides that a pickle of them gets, which `joblib.hash` tells.
    by_column = objective.rows.is_sparse and len(coefficients) > 1
    coefficients = np.asarray(coefficients, order="F" if by_column else "C")
    estimator.coef_, estimator.intercept_ = (part.astype(kept.dtype, copy=False) for part in (coefficients, intercept))
    scale = estimator.scale
    estimator.certificate_, estimator.stop_ = outputs.certificate(solution.certificate), solution.stop
    estimator.history_ = solution.history
    estimator.n_iter_ = np.array([len(solution.history) - 1], dtype=np.int32)
    strength, l1_ratio = strength_and_ratio(objective.penalty)
    vars(estimator).pop("at_bound_", None)
    if bounds is not None:
        estimator.at_bound_ = at_bound(bounds, estimator.coef_)
    _keep_zeros(estimator, objective, solution, outputs)
    estimator.objective_ = Formula(
        loss=loss,
        n_rows=objective.rows.n_rows,
        total_weight=objective.total_weight,
        n_features=objective.rows.n_features,
        n_classes=len(classes),
        strength=strength,
        fit_intercept=objective.fit_intercept,
        scale="none" if scale is None else scale if isinstance(scale, str) else _numbers(scale),
        value=estimator.certificate_.objective,
        penalty_weights=weights_text(_weights_of(objective.penalty)),
        l1_ratio=l1_ratio,
        has_offset=isinstance(objective.loss, WithOffset),
        label_smoothing=float(vars(estimator).get("label_smoothing", 0.0)),
        groups=groups_text(objective.penalty.groups if isinstance(objective.penalty, GroupLasso) else None),
        group_ratio=objective.penalty.group_ratio if isinstance(objective.penalty, GroupLasso) else 1.0,
        bounds=bounds_text(bounds),
    )
    _keep_separation(estimator, objective, solution, outputs)
    sentence = separation_sentence(estimator)
    if not solution.stop.succeeded and solution.stop is not Stop.INTERRUPTED:
        alone = ", ".join(estimator._output_name(int(outputs.learned[output])) for output in solution.separated)
        alone = f" This concerns {alone}, and not the others." if alone else ""
        begins = peer_warning(estimator.solver, len(solution.history) - 1)
        beside = _BESIDE if solution.stop is Stop.STALLED and objective.unpenalised.size and not sentence else ""
        beside += f" {sentence}" if sentence else ""
        text = f"{begins}{solution.stop.value}.{alone}{beside} {estimator.certificate_}"
        warnings.warn(text, ConvergenceWarning, stacklevel=4)
    elif sentence:
        warnings.warn(f"{sentence} {estimator.certificate_}", ConvergenceWarning, stacklevel=4)


def _keep_separation(estimator: Any, objective: Objective, solution: Solution, outputs: Outputs) -> None:
    """What separates the classes where some coefficients have no penalty, or why that is not known;
    that there is an optimum may be proved already."""
    estimator.separation_ = None
    vars(estimator).pop("separation_unknown_", None)
    is_known = solution.stop is Stop.SEPARATED and not solution.separated
    has_optimum = np.isfinite(solution.certificate.distance)
    if is_known or has_optimum or solution.stop is Stop.INTERRUPTED or not len(unpenalised_columns(objective)):
        return
    if reason := why_not_looked_for(objective):
        estimator.separation_unknown_ = reason
    else:
        try:
            estimator.separation_ = separation_of(objective, outputs.learned, coefficients=solution.coefficients)
        except UndecidedError as error:
            estimator.separation_unknown_ = str(error)


def _keep_zeros(estimator: Any, objective: Objective, solution: Solution, outputs: Outputs) -> None:
    """Which coefficients are proved to be 0, where a penalty can make them so; no word of an
    earlier fit."""
    vars(estimator).pop("proved_zero_", None)
    if objective.penalty.has_rest:
        zeros = proved_zeros(objective, solution.coefficients, solution.certificate.tol)
        everywhere, _ = outputs.spread(zeros.T, np.zeros(len(outputs.learned)))
        # From elsewhere a fit may end next to a 0 of the optimum: such a coefficient is not one.
        estimator.proved_zero_ = everywhere.astype(bool) & (estimator.coef_ == 0)


def _weights_of(penalty: Penalty) -> float | Array:
    """What a penalty weighs columns with, whether they have bounds or not."""
    return penalty.penalty.weights if isinstance(penalty, Bounded) else penalty.weights


def _numbers(scale: Any) -> str:
    """One number as it is; of several, how many."""
    return f"{scale:g}" if np.ndim(scale) == 0 else f"{np.size(scale)} given numbers"
