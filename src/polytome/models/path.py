"""`RegularizationPath`: the fits under one penalty at many strengths, each with its certificate."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from polytome.certificates.certificate import Certificate
from polytome.errors import ArgumentError, DataError
from polytome.models.bounds import Bounds
from polytome.models.features import FeatureScale, checked_features, refuse_foreign_arrays
from polytome.models.fitting import Plan, Problem, keep_fit, objective_of, penalty_of
from polytome.models.groups import Groups
from polytome.models.higher import higher
from polytome.models.labels import Labels, class_weights, hard_labels, is_soft, row_weights, soft_labels
from polytome.models.logistic import LogisticRegression
from polytome.models.penalty_weights import PenaltyWeights
from polytome.models.settings import check_whole_number, real_number
from polytome.objective import Objective
from polytome.penalties import without_bounds
from polytome.rows import Stream
from polytome.solvers import Solver
from polytome.solvers.memory import planned_solver
from polytome.solvers.path import Guide, PathStep, minima_along, strength_max
from polytome.tables.streams.frames import refuse_spread
from polytome.tables.streams.table import StreamedTable

Array = NDArray[Any]

__all__ = ["PathProgress", "RegularizationPath"]

_RATIO_OF_SQUARES = 0.001  # of absolute values, by which the largest strength of squares alone is found
_MIN_RATIO_TALL, _MIN_RATIO_WIDE = 1e-4, 1e-2


@dataclass(frozen=True)
class PathProgress:
    """How far a path or a cross-validation has come.

    Attributes:
        done: fits that are finished.
        total: fits in all.
        seconds: since the first one began.

    Example:
        >>> PathProgress(done=25, total=100, seconds=2.0).seconds_left
        6.0
    """

    done: int
    total: int
    seconds: float

    @property
    def seconds_left(self) -> float:
        """What is left, if the other fits take as long as those so far; infinite before the first
        one is done."""
        return self.seconds * (self.total - self.done) / self.done if self.done else np.inf

    def __str__(self) -> str:
        """One line."""
        left = f", about {self.seconds_left:.0f} s left" if 0 < self.done < self.total else ""
        return f"{self.done:,} of {self.total:,} fits, {self.seconds:.1f} s{left}"


class RegularizationPath(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Logistic or softmax regression at many strengths of its penalty, from the strongest worth
    looking at to a weak one; every fit is certified.

    Each point is the fit of `LogisticRegression` with that `C`, and begins where the one before
    ended, with the Hessian that it left behind. X is checked once, and not copied.

    Args:
        l1_ratio: the share of absolute values in the penalty: 1 for L1, 0 for L2.
        n_strengths: how many strengths, in a geometric series from `strength_max_` down.
        strengths: the strengths themselves, in the place of a series: positive, in any order.
            A strength multiplies the penalty of the mean loss, as glmnet's lambda;
            `C = 1 / (strength * sum of weights)`.
        min_ratio: the smallest strength over the largest; None for 1e-4, and 1e-2 where there are
            fewer rows than columns.
        fit_intercept: as in `LogisticRegression`, like all that follow.
        class_weight: None, "balanced", or a dict from class to weight.
        scale: what each column is divided by before its coefficient is penalised.
        penalty_weights: what the penalty of each column's coefficients is multiplied by; 0 leaves a
            column in the model at every strength.
        bounds: what coefficients are within, at every strength.
        groups: which coefficients are 0 together, at every strength.
        group_ratio: where there are groups, the share of their norms beside absolute values.
        solver: "auto", or what `LogisticRegression` takes.
        tol: each fit is proved to be within `tol` times the null model's objective of its minimum.
        max_iter: most iterations of each fit.
        n_jobs: threads.
        verbose: 1 prints a line for each fit.
        callback: called with a `PathProgress` after each fit; a true return value ends the path,
            which keeps the fits so far.

    Attributes:
        strength_max_: the smallest strength at which all penalised coefficients are 0, or as near
            to it as their bounds allow; for L2 that of a share of 0.001 of absolute values, as in
            glmnet.
        strengths_: strengths, falling, shape (n,).
        Cs_: the same as inverse strengths, rising, shape (n,).
        coefs_: coefficients, (n, 1, d) for two classes, (n, K, d) for more.
        intercepts_: (n, 1) or (n, K).
        certificates_: a `Certificate` for each fit.
        n_active_: coefficients that are not 0, shape (n,).
        deviance_explained_: the share of the null model's log loss that each fit explains, (n,).
        classes_: the labels, sorted.
        n_iter_: iterations of each fit, shape (n,).
        divisors_: what each column was divided by before its coefficient was penalised, (d,).
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> from polytome import load_dataset
        >>> iris = load_dataset("iris")
        >>> path = RegularizationPath(l1_ratio=1, n_strengths=20).fit(iris.X, iris.y)
        >>> path.coefs_.shape, path.n_active_[:4], all(found.holds for found in path.certificates_)
        ((20, 3, 4), array([0, 1, 2, 2]), True)
        >>> model = path.model_at(10)
        >>> model.C == float(path.Cs_[10]), model.certificate_.holds
        (True, True)

    References: Friedman, Hastie and Tibshirani, Regularization paths for generalized linear models
    via coordinate descent, Journal of Statistical Software 33, 2010; Tibshirani and others, Strong
    rules for discarding predictors in lasso-type problems, Journal of the Royal Statistical Society
    B 74, 2012.
    """

    def __init__(
        self,
        l1_ratio: float = 1.0,
        n_strengths: int = 100,
        *,
        strengths: ArrayLike | None = None,
        min_ratio: float | None = None,
        fit_intercept: bool = True,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        scale: FeatureScale = None,
        penalty_weights: PenaltyWeights = None,
        bounds: Bounds = None,
        groups: Groups = None,
        group_ratio: float = 1.0,
        solver: str | Solver = "auto",
        tol: float = 1e-4,
        max_iter: int = 10_000,
        n_jobs: int | None = None,
        verbose: int = 0,
        callback: Callable[[PathProgress], object] | None = None,
    ) -> None:
        self.l1_ratio = l1_ratio
        self.n_strengths = n_strengths
        self.strengths = strengths
        self.min_ratio = min_ratio
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.scale = scale
        self.penalty_weights = penalty_weights
        self.bounds = bounds
        self.groups = groups
        self.group_ratio = group_ratio
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.callback = callback

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit all points of the path.

        Args:
            X: shape (n, d), as in `LogisticRegression`; in memory.
            y: one label per row, or one row of class probabilities per row.
            sample_weight: one weight per row.

        Returns:
            The fitted path. Where fits did not reach their certificates a `ConvergenceWarning` says
            how many.

        Raises:
            ArgumentError: a setting cannot be used.
            DataError: X, y or sample_weight cannot be used, or columns without a penalty tell
                classes apart perfectly.
        """
        settings = {name: value for name, value in self.get_params(deep=False).items() if name not in _OF_PATH}
        model = LogisticRegression(**settings)
        model._check_settings()
        self._check_strengths()
        X, labels, weight = data_in_memory(model, X, y, sample_weight)
        weight = class_weights(model.class_weight, labels, weight)
        problem = problem_of(model, X, labels, weight)
        objective = objective_of(model, X, problem)
        self.strength_max_, start = largest_strength(objective, model.l1_ratio)
        self.strengths_ = self._strengths(objective)
        points: list[LogisticRegression] = []
        began = time.perf_counter()
        Cs = 1 / (self.strengths_ * objective.total_weight)
        for step in fits_along(model, objective, Cs, start):
            points.append(_kept(model, problem, step, float(Cs[len(points)])))
            progress = PathProgress(len(points), len(self.strengths_), time.perf_counter() - began)
            if self.verbose:
                print(progress)
            if self.callback is not None and self.callback(progress):
                break
        self._keep(points, objective)
        return self

    def model_at(self, point: int | None = None, *, C: float | None = None) -> LogisticRegression:
        """One point of the path as a fitted model, which predicts, and can be saved and reported.

        Args:
            point: its place on the path, from 0, the strongest; -1 is the weakest.
            C: or its inverse strength, one of `Cs_`.

        Raises:
            ArgumentError: the path has no such point.

        Example:
            >>> path = RegularizationPath(n_strengths=5).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
            >>> path.model_at(C=path.Cs_[3]).coef_ == path.coefs_[3]
            array([[ True]])
        """
        check_is_fitted(self, "strengths_")
        n = len(self._points)
        if (point is None) == (C is None):
            raise ArgumentError("model_at: give a point's place, or its C; one of them")
        if C is not None:
            found = np.flatnonzero(np.isclose(self.Cs_, real_number(C), rtol=1e-9, atol=0))
            if not len(found):
                distance = np.abs(np.log(self.Cs_ / max(real_number(C), 1e-300)))
                near = " and ".join(f"{each:.6g}" for each in self.Cs_[np.argsort(distance)[:2]])
                raise ArgumentError(f"C={C!r}: the path has no fit there; the nearest of its {n} are {near}")
            point = int(found[0])
        if isinstance(point, bool) or not isinstance(point, int | np.integer) or not -n <= point < n:
            raise ArgumentError(f"point={point!r}: needs a whole number from 0 to {n - 1}")
        return copy(self._points[int(point)])

    @property
    def coefs_(self) -> Array:
        """Coefficients, (n, 1, d) for two classes, (n, K, d) for more."""
        return np.array([model.coef_ for model in self._points_or_refuse()])

    @property
    def intercepts_(self) -> Array:
        """Intercepts, (n, 1) or (n, K)."""
        return np.array([model.intercept_ for model in self._points_or_refuse()])

    @property
    def certificates_(self) -> tuple[Certificate, ...]:
        """The certificate of each fit."""
        return tuple(model.certificate_ for model in self._points_or_refuse())

    def plot(self, *, chosen: float | None = None, ax: Any = None) -> Any:
        """Draw the coefficients against the strength and against their norm.

        Args:
            chosen: a C to be marked.
            ax: two axes; None for a new figure.

        Returns:
            A `PathDisplay`.

        Raises:
            MissingExtraError: Matplotlib is not installed.
        """
        return higher("draw_path")(self, chosen=chosen, ax=ax)

    def _points_or_refuse(self) -> list[LogisticRegression]:
        check_is_fitted(self, "strengths_")
        return self._points

    def keep_points(
        self, points: list[LogisticRegression], strength_max: float, strengths: Array, explained: Array, divisors: Array
    ) -> None:
        """Make this the fitted path of given points, as a file has them.

        Args:
            points: the models, from the strongest penalty to the weakest.
            strength_max: the attribute of that name, like all that follow.
            strengths: of the penalty.
            explained: the share of the null model's log loss that each explains.
            divisors: of the columns.
        """
        first, self._points = points[0], points
        self.strength_max_, self.strengths_ = strength_max, strengths
        self.deviance_explained_, self.divisors_ = explained, divisors
        self.Cs_ = np.array([model.C for model in points])
        self.classes_, self.n_features_in_ = first.classes_, first.n_features_in_
        self.__dict__.pop("feature_names_in_", None)
        if (names := vars(first).get("feature_names_in_")) is not None:
            self.feature_names_in_ = names
        self.n_active_ = np.array([np.count_nonzero(model.coef_) for model in points])
        self.n_iter_ = np.array([int(model.n_iter_[0]) for model in points])

    def save(self, path: str | PathLike[str]) -> None:
        """Write the path to one safetensors file, atomically; `polytome.load` reads it back.

        Args:
            path: the file.

        Raises:
            FileError: the file cannot be written; an existing one is unchanged.
        """
        check_is_fitted(self, "strengths_")
        higher("save")(self, path)

    def _keep(self, points: list[LogisticRegression], objective: Objective) -> None:
        """Sets the attributes of the path."""
        explained = np.array([_explained(model, objective) for model in points])
        strengths, divisors = self.strengths_[: len(points)], 1 / objective.rows.columns.scale
        self.keep_points(points, self.strength_max_, strengths, explained, divisors)
        failed = [model for model in points if not model.certificate_.holds]
        if failed:
            warnings.warn(
                f"{len(failed)} of {len(points)} fits of the path did not reach their certificates, the first at "
                f"C={failed[0].C:.6g}: {failed[0].stop_.value}",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _check_strengths(self) -> None:
        """Raises ArgumentError where the series cannot be used."""
        check_whole_number("n_strengths", self.n_strengths, 1)
        if self.strengths is not None:
            checked_grid("strengths", self.strengths)
        ratio: Any = self.min_ratio
        if ratio is not None and not 0 < real_number(ratio) < 1:
            raise ArgumentError(f"min_ratio={ratio!r}: needs a number between 0 and 1, or None")
        callback: Any = self.callback
        if callback is not None and not callable(callback):
            raise ArgumentError(f"callback={callback!r}: needs None or a function, called with a PathProgress")

    def _strengths(self, objective: Objective) -> Array:
        """The strengths of the path, falling."""
        if self.strengths is not None:
            return checked_grid("strengths", self.strengths)[::-1]
        ratio = self.min_ratio or min_ratio_of(objective)
        return self.strength_max_ * np.geomspace(1.0, ratio, int(self.n_strengths))


_OF_PATH = ("n_strengths", "strengths", "min_ratio", "callback", "verbose")
"""Settings that no single fit has, or of which it has its own."""


def data_in_memory(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Labels, Array]:
    """X, the classes with a code or probabilities per row, and the weights of the rows; sets
    `n_features_in_`.

    Raises:
        DataError: they cannot be used.
        ArgumentError: rows are read piece by piece.
    """
    if isinstance(X, Stream | StreamedTable):
        raise ArgumentError(
            "X is rows from open_rows, which are read piece by piece: a path and cross-validation need rows in memory, "
            "as read_table gives them"
        )
    refuse_spread(X)
    refuse_foreign_arrays(X)
    X = checked_features(estimator, X, y)
    return X, soft_labels(y) if is_soft(y) else hard_labels(y), row_weights(sample_weight, X.shape[0])


def problem_of(model: LogisticRegression, X: Any, labels: Labels, weight: Array) -> Problem:
    """What the model asks to be minimised.

    Raises:
        DataError: one class has all the weight, so that there is nothing to learn.
    """
    problem = model._problem(X, labels, weight)
    if problem.loss is None:
        raise DataError("one class has all the weight: rows of at least two classes must count")
    return problem


def largest_strength(objective: Objective, l1_ratio: float | None) -> tuple[float, Array]:
    """Where a path begins, and the coefficients there, or from which to start."""
    return strength_max(objective, l1_ratio or _RATIO_OF_SQUARES)


def min_ratio_of(objective: Objective) -> float:
    """The smallest strength of a path over the largest, as in glmnet."""
    return _MIN_RATIO_TALL if objective.rows.n_rows > objective.rows.n_features else _MIN_RATIO_WIDE


def checked_grid(name: str, values: Any) -> Array:
    """Positive finite numbers, rising.

    Raises:
        ArgumentError: they are not.

    Example:
        >>> checked_grid("Cs", [1.0, 0.1])
        array([0.1, 1. ])
        >>> checked_grid("Cs", [1.0, -0.1])
        Traceback (most recent call last):
        polytome.errors.ArgumentError: Cs[1] is -0.1: needs positive finite numbers
    """
    try:
        grid = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{name}={values!r}: needs a list of positive numbers") from error
    if grid.ndim != 1 or not len(grid):
        raise ArgumentError(f"{name} has shape {grid.shape}: needs a list of positive numbers, at least one")
    wrong = np.flatnonzero(~(np.isfinite(grid) & (grid > 0)))
    if len(wrong):
        raise ArgumentError(f"{name}[{wrong[0]}] is {grid[wrong[0]]:g}: needs positive finite numbers")
    return np.unique(grid)


def fits_along(
    model: LogisticRegression,
    objective: Objective,
    Cs: Array,
    start: Array | None,
    callback: Any = None,
    guide: Guide | None = None,
    trace: Guide | None = None,
) -> Iterator[PathStep]:
    """The minima of a model's objective for each C, rising; guide and trace as in
    `minima_along`."""
    total, rows = objective.total_weight, objective.rows

    def penalty(C: float) -> Any:
        at = copy(model)
        at.C = C
        return penalty_of(at, total, rows.n_features, rows.columns)

    return minima_along(
        objective,
        (penalty(float(C)) for C in Cs),
        lambda objective: planned_solver(model.solver, objective, model.random_state),
        start,
        tol=model.tol,
        max_iter=model.max_iter,
        callback=callback,
        guide=guide,
        trace=trace,
    )


def _kept(model: LogisticRegression, problem: Problem, step: PathStep, C: float) -> LogisticRegression:
    """One point as a fitted model."""
    point = copy(model)
    point.C = C
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said once for the whole path
        keep_fit(point, Plan(problem, step.objective, step.choice), step.solution)
    return point


def _explained(model: LogisticRegression, objective: Objective) -> float:
    """The share of the null model's log loss that a fit explains."""
    penalty = without_bounds(penalty_of(model, objective.total_weight, objective.rows.n_features))
    found = model.certificate_
    loss = found.objective - penalty.value(model.coef_.T / objective.rows.columns.scale[:, None])
    return float(1 - loss / found.null_objective)
