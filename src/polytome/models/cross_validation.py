"""`LogisticRegressionCV`: the strength and the kind of the penalty, chosen by rows held out in
turn."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from polytome.errors import ArgumentError, DataError
from polytome.models.bounds import Bounds
from polytome.models.certified import CertifiedClassifier
from polytome.models.features import FeatureScale
from polytome.models.fitted import feature_names_in
from polytome.models.fitting import objective_of
from polytome.models.fold_fits import OfFold, Search, at_ratio
from polytome.models.folds import MIN_FOLDS, checked_folds
from polytome.models.groups import Groups, check_group_ratio, check_groups
from polytome.models.labels import Labels, class_weights
from polytome.models.logistic import LogisticRegression
from polytome.models.partitions import by_partition
from polytome.models.path import (
    PathProgress,
    checked_grid,
    data_in_memory,
    largest_strength,
    min_ratio_of,
    problem_of,
)
from polytome.models.peer_settings import threads_of
from polytome.models.penalty_weights import PenaltyWeights
from polytome.models.predictions import log_probabilities_of, probabilities_of
from polytome.plain.names import close_name
from polytome.solvers import Solver
from polytome.threads import available_threads

Array = NDArray[Any]

__all__ = ["LogisticRegressionCV", "chosen_by_rule", "mean_and_error", "scorer_of"]

_RULES = ("min", "1se")
_SQUARES_BEGIN = 10.0  # times the largest gradient: the strongest L2 penalty of a grid


class LogisticRegressionCV(CertifiedClassifier):
    """Logistic or softmax regression whose `C` and `l1_ratio` are chosen by cross-validation.

    Each fold is held out in turn, and a path of warm-started, certified fits to the other rows is
    judged by it. All folds have one grid, which comes from all rows. Rows are held out by a weight
    of 0: X is not copied, and `scale`, `class_weight="balanced"` and all else that is learned from
    rows is learned from the training rows of each fold. The chosen model is then fitted to all
    rows.

    Args:
        Cs: the inverse strengths to try: positive numbers, or how many, in a geometric series from
            a strength at which nothing is left of the model.
        l1_ratios: the shares of absolute values to try, each from 0 (L2) to 1 (L1).
        cv: the folds: how many (stratified; with `groups`, no group is in two of them), a splitter
            of scikit-learn, such as `TimeSeriesSplit()`, or pairs of training and held-out rows.
        rule: "min" takes what predicts held-out rows best; "1se" the strongest penalty that is,
            with the same `l1_ratio`, no more than one standard error worse.
        scoring: what is best: None for the log loss, the name of a scorer of scikit-learn, or a
            function of (model, X, y) that is larger for better models.
        fit_intercept: as in `LogisticRegression`, like all that follow.
        class_weight: None, "balanced", or a dict from class to weight.
        scale: what each column is divided by before its coefficient is penalised.
        penalty_weights: what the penalty of each column's coefficients is multiplied by.
        bounds: what coefficients are within, in every fit.
        groups: which coefficients are 0 together, in every fit with an l1_ratio above 0; those of
            rows, which are held out together, go to `fit`.
        group_ratio: where there are groups, the share of their norms beside absolute values.
        solver: "auto", or what `LogisticRegression` takes.
        tol: each fit is proved to be within `tol` times the null model's objective of its minimum.
        max_iter: most iterations of each fit.
        n_jobs: threads, which share the folds; they change no bit of the result.
        random_state: seed of solver="sgd".
        verbose: 1 prints a line for each fit.
        callback: called with a `PathProgress` after each fit; a true return value stops, as Ctrl-C
            does.

    Attributes:
        C_, l1_ratio_: the chosen ones.
        Cs_: the grid, rising, shape (n_Cs,).
        l1_ratios_: shape (n_l1_ratios,).
        scores_: of each fold, larger for better models, (n_folds, n_l1_ratios, n_Cs); for the log
            loss minus the mean over the fold's held-out rows.
        mean_scores_: their mean over the folds, each weighted by its held-out rows, (n_l1_ratios,
            n_Cs).
        standard_errors_: of these means.
        coefs_paths_: intercept last, (n_folds, n_l1_ratios, n_Cs, 1 or K, n_features + 1).
        n_iter_: iterations, (n_folds, n_l1_ratios, n_Cs).
        held_out_proba_: the probabilities of each row's classes by the chosen settings fitted
            without it, (n, K); NaN for a row that is never held out, the mean for one that is
            several times.
        folds_: the training rows and held-out rows of each fold.
        n_folds_done_: folds that the choice rests on: all, unless it was stopped.
        coef_, intercept_, certificate_: of the chosen model, fitted to all rows, like all other
            attributes of `LogisticRegression`.

    Example:
        >>> from polytome import load_dataset
        >>> iris = load_dataset("iris")
        >>> search = LogisticRegressionCV(Cs=5, l1_ratios=[0, 1], cv=5, rule="1se").fit(iris.X, iris.y)
        >>> search.scores_.shape, search.l1_ratio_, search.certificate_.holds
        ((5, 2, 5), 0.0, True)

    References: Stone, Cross-validatory choice and assessment of statistical predictions, Journal of
    the Royal Statistical Society B 36, 1974; Hastie, Tibshirani and Friedman, The Elements of
    Statistical Learning, 2009, section 7.10 (the rule of one standard error).
    """

    has_probabilities = True
    n_iter_: Array

    def __init__(
        self,
        *,
        Cs: int | ArrayLike = 10,
        l1_ratios: Sequence[float] = (0.0, 0.5, 1.0),
        cv: Any = 10,
        rule: Literal["min", "1se"] = "min",
        scoring: str | Callable[[Any, Any, Any], float] | None = None,
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
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        callback: Callable[[PathProgress], object] | None = None,
    ) -> None:
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.cv = cv
        self.rule = rule
        self.scoring = scoring
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
        self.random_state = random_state
        self.verbose = verbose
        self.callback = callback

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None) -> Self:
        """Choose the penalty, and fit the chosen model to all rows.

        Ctrl-C ends the fits that are being made. Where two folds or more are finished, the choice
        rests on these, with a warning. Calling `fit` again with the same settings and data goes on
        with the other folds.

        Args:
            X: shape (n, d), as in `LogisticRegression`; in memory.
            y: one label per row.
            sample_weight: one weight per row, which counts in fits and in scores; a scorer gets it
                if it is scikit-learn's.
            groups: for each row the group that it belongs to, such as a person: rows of one group
                are held out together.

        Returns:
            The fitted classifier.

        Raises:
            ArgumentError: a setting cannot be used.
            DataError: X, y, sample_weight or groups cannot be used, or a fold lacks a class.
            KeyboardInterrupt: it was stopped before two folds were finished.
        """
        return self._fit(X, y, sample_weight, groups)

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        groups: Any = None,
        encode: Callable[[Array], Any] | None = None,
    ) -> Self:
        """The same, where perhaps X depends on the training rows: on means that fill its gaps."""
        ratios, rule = self._checked_ratios(), self._checked_rule()
        settings = {name: value for name, value in self.get_params(deep=False).items() if name not in _OF_SEARCH}
        model = LogisticRegression(**settings)
        if not ratios.any():
            check_groups(model.groups, 0.0, True)
            check_group_ratio(model.group_ratio, model.groups is not None)
        for ratio in ratios:
            at_ratio(model, ratio)._check_settings()
        given = X
        X, labels, weight = data_in_memory(self, X, y, sample_weight)
        if labels.is_soft:
            raise DataError("y has a probability for each class: cross-validation needs one label per row")
        model.n_features_in_ = self.n_features_in_
        if (names := feature_names_in(self)) is not None:
            model.feature_names_in_ = names
        search = Search(
            model=model,
            X=X,
            labels=labels,
            weight=weight,
            is_weighted=sample_weight is not None,
            folds=checked_folds(self.cv, X, labels, weight, groups),
            Cs=self._grid(model, X, labels, weight, ratios),
            ratios=ratios,
            scorer=scorer_of(self.scoring),
            encode=encode,
        )
        known = self._known(search)
        found, interrupted = search.run(self._n_threads(), known, self._report)
        done = [
            fold for fold in range(len(search.folds)) if all((fold, place) in found for place in range(len(ratios)))
        ]
        self._finished = None
        if interrupted:
            self._finished = search.digest(), found
        if len(done) < min(MIN_FOLDS, len(search.folds)):
            raise KeyboardInterrupt(
                f"stopped when {len(done)} of {len(search.folds)} folds were finished; fit, called again with the same "
                "data, goes on from there"
            )
        self._choose(search, found, done, rule)
        self._refit(given, y, sample_weight, search, done)
        return self

    @by_partition
    def predict_proba(self, X: Any) -> Array:
        """Probability of each class, shape (n, K), columns in the order of `classes_`."""
        return probabilities_of(self, X)[:, : len(self.classes_)]

    @by_partition
    def predict_log_proba(self, X: Any) -> Array:
        """Logarithm of the probabilities, finite even where a probability is below the smallest
        float."""
        return log_probabilities_of(self, X)[:, : len(self.classes_)]

    @property
    def kind(self) -> str:
        """What a sentence calls this model."""
        return "logistic regression" if len(self.classes_) == 2 else "softmax regression"

    def best_model(self) -> LogisticRegression:
        """The chosen model as a `LogisticRegression`: what is saved, reported and exported."""
        check_is_fitted(self, "coef_")
        model = copy(self._refitted)
        for name in ("classes_", "source_", "coef_", "intercept_"):
            setattr(model, name, getattr(self, name))
        return model

    def _saved_as(self) -> LogisticRegression:
        return self.best_model()

    def _report(self, progress: PathProgress) -> object:
        if self.verbose:
            print(progress)
        return self.callback is not None and self.callback(progress)

    def _n_threads(self) -> int:
        return threads_of(self.n_jobs) or available_threads()

    def _known(self, search: Search) -> dict[tuple[int, int], OfFold]:
        """What an interrupted fit to the same data has finished."""
        finished = vars(self).get("_finished")
        return dict(finished[1]) if finished is not None and finished[0] == search.digest() else {}

    def _checked_ratios(self) -> Array:
        try:
            ratios = np.asarray(self.l1_ratios, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"l1_ratios={self.l1_ratios!r}: needs a list of numbers from 0 to 1") from error
        if ratios.ndim != 1 or not len(ratios) or not ((ratios >= 0) & (ratios <= 1)).all():
            raise ArgumentError(
                f"l1_ratios={self.l1_ratios!r}: needs a list of numbers from 0 (L2) to 1 (L1), at least one"
            )
        return np.unique(ratios)

    def _checked_rule(self) -> str:
        given = self.get_params(deep=False)
        Cs: Any = given["Cs"]
        rule, callback = given["rule"], given["callback"]
        if rule not in _RULES:
            raise ArgumentError(f"rule={rule!r}: needs 'min' (the best) or '1se' (the simplest near it)")
        if callback is not None and not callable(callback):
            raise ArgumentError(f"callback={callback!r}: needs None or a function, called with a PathProgress")
        if not isinstance(Cs, Integral) or Cs is True:
            checked_grid("Cs", Cs)
        elif int(Cs) < 1:
            raise ArgumentError(f"Cs={Cs!r}: needs how many strengths to try, at least 1, or a list of them")
        return str(rule)

    def _grid(self, model: LogisticRegression, X: Any, labels: Labels, weight: Array, ratios: Array) -> Array:
        """One grid of C for all folds and ratios, rising, from all rows."""
        Cs: Any = self.Cs
        if not isinstance(Cs, Integral):
            return checked_grid("Cs", Cs)
        weight = class_weights(model.class_weight, labels, weight)
        model = at_ratio(model, 0.0 if model.groups is None else 1.0)
        objective = objective_of(model, X, problem_of(model, X, labels, weight))
        largest, _ = largest_strength(objective, 1.0)
        positive = ratios[ratios > 0]
        begin = max(_SQUARES_BEGIN if (ratios == 0).any() else 0.0, 1 / positive.min() if len(positive) else 0.0)
        strengths = largest * np.geomspace(begin, min_ratio_of(objective), int(Cs))
        found: Array = 1 / (strengths * objective.total_weight)
        return found

    def _choose(self, search: Search, found: dict[tuple[int, int], OfFold], done: list[int], rule: str) -> None:
        """Sets the scores and what they choose."""
        folds, shape = len(search.folds), (len(search.ratios), len(search.Cs))
        first = next(iter(found.values()))
        self.Cs_, self.l1_ratios_, self.folds_ = search.Cs, search.ratios, search.folds
        self.scores_ = np.full((folds, *shape), np.nan)
        self.n_iter_ = np.zeros((folds, *shape), dtype=np.int32)
        self.coefs_paths_ = np.full((folds, *shape, *first.coefficients.shape[1:]), np.nan)
        for (fold, place), part in found.items():
            self.scores_[fold, place], self.n_iter_[fold, place] = part.scores, part.iterations
            self.coefs_paths_[fold, place] = part.coefficients
        self.n_folds_done_ = len(done)
        weights = np.array([search.weight[search.folds[fold][1]].sum() for fold in done])
        self.mean_scores_, self.standard_errors_ = mean_and_error(self.scores_[done], weights)
        place, at = chosen_by_rule(self.mean_scores_, self.standard_errors_, rule)
        self.l1_ratio_, self.C_ = float(search.ratios[place]), float(search.Cs[at])
        self._chosen = place, at
        self.held_out_proba_ = search.held_out_probabilities(self.coefs_paths_[:, place, at], done)
        if failed := sum(part.failed for part in found.values()):
            warnings.warn(
                f"{failed} of {len(found) * len(search.Cs)} fits of the cross-validation did not reach their "
                "certificates; raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _refit(self, X: Any, y: Any, sample_weight: Any, search: Search, done: list[int]) -> None:
        """Fits the chosen model to all rows."""
        model = search.model
        refitted = LogisticRegression(**at_ratio(model, self.l1_ratio_).get_params(deep=False))
        refitted.set_params(C=self.C_, n_jobs=self.n_jobs, callback=None)
        self._refitted = refitted.fit(X, y, sample_weight)
        for name in ("proved_zero_", "at_bound_"):
            self.__dict__.pop(name, None)
        for name, value in vars(refitted).items():
            if name.endswith("_") and not name.startswith("_") and name not in ("n_iter_", "n_features_in_"):
                setattr(self, name, value)
        if len(done) < len(search.folds):
            warnings.warn(
                f"stopped when {len(done)} of {len(search.folds)} folds were finished: the choice, C={self.C_:.6g}, "
                "rests on these; fit, called again with the same data, goes on with the others",
                UserWarning,
                stacklevel=3,
            )


_OF_SEARCH = ("Cs", "l1_ratios", "cv", "rule", "scoring", "callback", "verbose")
"""Settings that no single fit has, or of which it has its own."""


def mean_and_error(scores: Array, weights: Array) -> tuple[Array, Array]:
    """The mean of the folds' scores, and its standard error, each fold weighted by its held-out
    rows.

    The variance of a fold's score is the weighted mean square about the mean, over the number of
    folds less one, as glmnet has it; 0 of a single fold.

    Args:
        scores: (n_folds, ...).
        weights: of each fold, (n_folds,).

    Example:
        >>> mean_and_error(np.array([[1.0], [3.0]]), np.array([1.0, 3.0]))
        (array([2.5]), array([0.8660254]))
    """
    mean = np.average(scores, axis=0, weights=weights)
    variance = np.average((scores - mean) ** 2, axis=0, weights=weights)
    return mean, np.sqrt(variance / max(len(scores) - 1, 1))


def chosen_by_rule(means: Array, errors: Array, rule: str) -> tuple[int, int]:
    """Which l1_ratio and which C a rule takes; of equal ones the strongest penalty.

    Args:
        means: larger for better ones, (n_l1_ratios, n_Cs), C rising.
        errors: their standard errors.
        rule: "min" or "1se".

    Example:
        >>> means, errors = np.array([[-3.0, -1.2, -1.0, -1.1]]), np.full((1, 4), 0.25)
        >>> chosen_by_rule(means, errors, "min"), chosen_by_rule(means, errors, "1se")
        ((0, 2), (0, 1))
    """
    # Column by column, so that of equal means the smallest C comes first, and there the most zeros.
    flat = int(np.argmax(means[::-1].T))
    place, at = len(means) - 1 - flat % len(means), flat // len(means)
    if rule == "1se":
        at = int(np.flatnonzero(means[place] >= means[place, at] - errors[place, at])[0])
    return place, at


def scorer_of(scoring: Any) -> Any:
    """The scorer that a setting stands for; None for the log loss.

    Raises:
        ArgumentError: there is none of that name.

    Example:
        >>> scorer_of(None) is scorer_of("neg_log_loss") is None
        True
    """
    from sklearn.metrics import get_scorer, get_scorer_names

    if scoring in (None, "neg_log_loss") or callable(scoring):
        return None if scoring == "neg_log_loss" else scoring
    try:
        return get_scorer(scoring)
    except (ValueError, TypeError, KeyError) as error:
        close = close_name(scoring, get_scorer_names())
        raise ArgumentError(
            f"scoring={scoring!r}: needs None (the log loss), the name of a scorer of scikit-learn"
            + (f" (did you mean {close!r}?)" if close else "")
            + ", or a function of (model, X, y)"
        ) from error
