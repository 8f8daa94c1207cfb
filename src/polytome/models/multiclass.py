"""Many classes by binary models: one against the rest, each pair, or labels that do not exclude each other.

Each of these is one separable objective, a sum of binary problems over the same rows. So one pass over X serves all the
models, no row is copied for any of them, and one certificate bounds their sum; since no term is negative, it also
bounds each.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from polytome import numerics
from polytome.certificates.certificate import Certificate
from polytome.errors import DataError
from polytome.losses import IndependentSigmoids, Logistic, Loss, Softmax
from polytome.losses.pairwise import PairwiseSigmoids
from polytome.models.certain_outputs import CERTAIN, Outputs, nothing_to_learn
from polytome.models.features import FeatureScale, checked_features, feature_scale
from polytome.models.fitting import (
    Kept,
    check_settings,
    classes_of,
    keep_solution,
    penalty_of,
    refuse_foreign_arrays,
    reporter_of,
    rounded,
    scores_of,
    sigmoids_of,
)
from polytome.models.formula import Formula
from polytome.models.labels import (
    Labels,
    hard_labels,
    is_soft,
    label_table,
    refuse_constant_labels,
    row_weights,
)
from polytome.models.penalty_weights import PenaltyWeights
from polytome.objective import Objective
from polytome.rows import Rows, as_rows
from polytome.solvers import Choice, Progress, Solver, Stop, minimize
from polytome.solvers.driver import Callback
from polytome.solvers.memory import planned_solver

Array = NDArray[Any]


__all__ = ["MultilabelLogistic", "OneVsOne", "OneVsRest"]


class _BinaryModels(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """The settings that these classifiers share, and the fit of one objective for all their binary models."""

    coef_: Array
    intercept_: Array
    certificate_: Certificate
    stop_: Stop
    history_: tuple[Progress, ...]
    objective_: Formula
    solver_: Choice
    n_iter_: Array
    n_features_in_: int

    def __init__(
        self,
        *,
        C: float = 1.0,
        fit_intercept: bool = True,
        scale: FeatureScale = None,
        penalty_weights: PenaltyWeights = None,
        solver: str | Solver = "auto",
        tol: float = 1e-4,
        max_iter: int = 10_000,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        callback: Callback | None = None,
    ) -> None:
        self.C = C
        self.fit_intercept = fit_intercept
        self.scale = scale
        self.penalty_weights = penalty_weights
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.verbose = verbose
        self.callback = callback

    def _minimum(self, loss: Loss | None, rows: Rows, X: Any, outputs: Outputs) -> Kept:
        """The objective of all the binary models and its minimum; no loss where nothing is to be learned.

        `X` is given to name an entry that is not finite, `outputs` say which of the models are to be learned.
        """
        rows = feature_scale(self, rows, X)
        penalty = penalty_of(self, float(rows.weight.sum()), rows.n_features)
        objective = Objective(loss or Softmax(1), penalty, rows, bool(self.fit_intercept))
        if loss is None:
            self.solver_, solution = nothing_to_learn(objective, self.tol)
            return rounded(self, objective, solution, outputs)
        choice = planned_solver(self.solver, objective, self.random_state)
        report = reporter_of(self)
        solution = minimize(objective, choice.solver, tol=self.tol, max_iter=self.max_iter, callback=report)
        self.solver_ = choice.after(solution)
        return rounded(self, objective, solution, outputs)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class OneVsRest(_BinaryModels):
    """One binary logistic regression per class, that class against all others; the most confident one wins.

    Minimises the sum over classes of `sum_i s_i loss(x_i w_k + b_k, [y_i = k]) / S + ||w_k||^2 / (2 C S)`: what K fits
    of scikit-learn's `LogisticRegression(C=C)` minimise, each divided by `C S`. All K are trained together, in one
    pass over X per step. Two classes need one model only.

    Args:
        C: inverse strength of each model's L2 penalty; `numpy.inf` for none. Intercepts are never penalised.
        fit_intercept: whether to fit intercepts.
        scale: what columns are divided by before the penalty looks at them, as in `LogisticRegression`.
        penalty_weights: what the penalty of each column is multiplied with, as in `LogisticRegression`.
        solver: "auto", or as in `LogisticRegression`.
        tol: the fit stops when the sum of the objectives is proved to be within `tol` times that of the null models.
        max_iter: most iterations.
        random_state: seed of "sgd"; nothing else is random.
        verbose: 1 prints a line for each iteration.
        callback: called with a `Progress` at each iteration; a true answer stops the fit.

    Attributes:
        classes_: the labels, sorted, shape (K,).
        coef_, intercept_: (K, d) and (K,), one row per class; (1, d) and (1,) for two classes.
        certificate_: how far the sum of the objectives is from its minimum, and so at most each of them.
        stop_, history_, objective_, solver_, n_iter_: as in `LogisticRegression`.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> X = np.array([[0.0], [0.4], [2.0], [2.2], [4.0], [4.4]])
        >>> model = OneVsRest(C=10.0).fit(X, ["low", "low", "middle", "middle", "high", "high"])
        >>> model.predict([[0.1], [4.2]])
        array(['low', 'high'], dtype='<U6')
        >>> model.coef_.shape, model.certificate_.holds
        ((3, 1), True)

    References: document 001; Rifkin and Klautau, In defense of one-vs-all classification, JMLR 5, 2004.
    """

    classes_: Array

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit all the models until the certificate holds.

        Args:
            X: shape (n, d). NumPy of any real type and order, memory maps, SciPy sparse, pandas or polars; not copied.
            y: one label per row.
            sample_weight: one weight per row; 2 equals the row twice, 0 equals its absence.

        Returns:
            The fitted classifier. Where the certificate was not reached a `ConvergenceWarning` says how far it is.

        Raises:
            DataError: X, y or sample_weight cannot be used; the message names the place.
            ArgumentError: a setting cannot be used.
        """
        check_settings(self)
        X, labels, weight = _checked(self, X, y, sample_weight)
        counting, places = labels.counting(weight) if self.fit_intercept else (labels, np.arange(len(labels.classes)))
        n_classes, n_counting = len(labels.classes), len(places)
        # The score of a class that does not count, and of the only one that does, is certain.
        certain = np.full(n_classes, -CERTAIN)
        certain[places] = 0.0 if n_counting > 1 else CERTAIN
        loss: Loss | None = (
            None if n_counting == 1 else IndependentSigmoids(n_counting) if n_classes > 2 else Logistic()
        )
        target, name, learned = counting.target, "logistic", places
        if n_classes > 2:
            target, name = (target[:, None] == np.arange(n_counting)).view(np.uint8), "one_vs_rest"
        else:
            certain, learned = certain[1:], np.zeros(1, dtype=np.intp)
        outputs = Outputs(learned if loss is not None else learned[:0], certain)
        kept = self._minimum(loss, as_rows(X, target, weight), X, outputs)
        self.classes_ = labels.classes
        keep_solution(self, kept, name, n_classes)
        return self

    def decision_function(self, X: Any) -> Array:
        """The score of each class against the rest, shape (n, K); for two classes of the second one, shape (n,)."""
        scores = scores_of(self, X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> Array:
        """The class with the largest score, shape (n,)."""
        return classes_of(self, scores_of(self, X))

    def predict_proba(self, X: Any) -> Array:
        """The sigmoids of the scores divided by their sum, shape (n, K).

        For more than two classes the K models do not agree on a distribution; this is the one in their proportions.
        """
        scores = scores_of(self, X)
        if scores.shape[1] == 1:
            return numerics.sigmoid(np.hstack([-scores, scores]))
        # Softmax of the logarithms divides by the sum, even where every sigmoid is below the smallest float.
        return numerics.softmax(numerics.log_sigmoid(scores), axis=1)


class OneVsOne(_BinaryModels):
    """One binary logistic regression per pair of classes, on the rows of those two; each casts a vote.

    All `K (K - 1) / 2` models are trained together: a row takes part in the K - 1 pairs of its class, in one pass over
    X per step, and no row is copied for a pair. The class with most votes wins; confidence breaks ties: the sum over
    a class's pairs of the scores for it.

    Args:
        C: inverse strength of each model's L2 penalty; `numpy.inf` for none. Intercepts are never penalised.
        fit_intercept: whether to fit intercepts.
        scale: what columns are divided by before the penalty looks at them, as in `LogisticRegression`.
        penalty_weights: what the penalty of each column is multiplied with, as in `LogisticRegression`.
        solver: "auto", or as in `LogisticRegression`.
        tol: the fit stops when the sum of the objectives is proved to be within `tol` times that of the null models.
        max_iter: most iterations.
        random_state: seed of "sgd"; nothing else is random.
        verbose: 1 prints a line for each iteration.
        callback: called with a `Progress` at each iteration; a true answer stops the fit.

    Attributes:
        classes_: the labels, sorted, shape (K,).
        pairs_: positions in `classes_` of the two classes of each model, shape (P, 2), the smaller first.
        coef_, intercept_: (P, d) and (P,); a positive score speaks for the second class of the pair.
        certificate_: how far the sum of the objectives is from its minimum, and so at most each of them.
        stop_, history_, objective_, solver_, n_iter_: as in `LogisticRegression`.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> X = np.array([[0.0], [0.4], [2.0], [2.2], [4.0], [4.4]])
        >>> model = OneVsOne(C=10.0).fit(X, ["a", "a", "b", "b", "c", "c"])
        >>> model.pairs_.tolist()
        [[0, 1], [0, 2], [1, 2]]
        >>> model.predict([[2.1]]), model.votes([[2.1]])
        (array(['b'], dtype='<U1'), array([[1, 2, 0]]))

    References: document 001; Hastie and Tibshirani, Classification by pairwise coupling, The Annals of Statistics 26,
    1998.
    """

    classes_: Array
    pairs_: Array

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit all the models until the certificate holds; arguments, result and errors as in `OneVsRest.fit`."""
        check_settings(self)
        X, labels, weight = _checked(self, X, y, sample_weight)
        counting, places = labels.counting(weight) if self.fit_intercept else (labels, np.arange(len(labels.classes)))
        target, n_classes = counting.target, len(labels.classes)
        pairs = PairwiseSigmoids(n_classes).pairs
        # Between a class that counts and one that does not, the first is certain; between two that do not, nothing is.
        counts = np.isin(pairs, places)
        certain = CERTAIN * (counts[:, 1].astype(float) - counts[:, 0])
        loss = PairwiseSigmoids(len(places)) if len(places) > 1 else None
        rows = as_rows(X, target, weight)
        if isinstance(X, np.ndarray) and not isinstance(X, np.memmap):
            # In blocks of one class only the K - 1 scores of its pairs are computed, so its rows come together once.
            order = np.argsort(target, kind="stable")
            rows = as_rows(X[order], target[order], weight[order])
            rows = rows.with_ends(np.cumsum(np.bincount(target)).tolist())
        outputs = Outputs(np.flatnonzero(counts.all(axis=1)), certain)
        kept = self._minimum(loss, rows, X, outputs)
        self.classes_, self.pairs_ = labels.classes, pairs
        keep_solution(self, kept, "one_vs_one", n_classes)
        return self

    def votes(self, X: Any) -> Array:
        """How many pairs each class wins in each row, shape (n, K), whole numbers from 0 to K - 1.

        A score of 0 is a vote for the first class of its pair.
        """
        return self._votes_and_confidence(scores_of(self, X))[0]

    def decision_function(self, X: Any) -> Array:
        """Votes plus a confidence between -1/3 and 1/3, shape (n, K); for two classes the score, shape (n,)."""
        scores = scores_of(self, X)
        if scores.shape[1] == 1:
            return scores[:, 0]
        votes, confidence = self._votes_and_confidence(scores)
        decision: Array = votes + confidence / (3 * (np.abs(confidence) + 1))
        return decision

    def predict(self, X: Any) -> Array:
        """The class with most votes, and among these with most confidence, shape (n,)."""
        decision = self.decision_function(X)
        codes = (decision > 0).astype(int) if decision.ndim == 1 else decision.argmax(axis=1)
        predicted: Array = self.classes_[codes]
        return predicted

    def _votes_and_confidence(self, scores: Array) -> tuple[Array, Array]:
        # One column per class: +1 where it is the second of a pair, -1 where it is the first.
        sides = np.zeros((len(self.pairs_), len(self.classes_)))
        models = np.arange(len(self.pairs_))
        sides[models, self.pairs_[:, 1]], sides[models, self.pairs_[:, 0]] = 1.0, -1.0
        wins = scores > 0
        votes = wins @ (sides > 0).astype(int) + ~wins @ (sides < 0).astype(int)
        return votes, scores @ sides


class MultilabelLogistic(_BinaryModels):
    """One binary logistic regression per label, for labels that do not exclude each other (sigmoid outputs).

    Minimises the sum over labels of `sum_i s_i loss(x_i w_l + b_l, y_il) / S + ||w_l||^2 / (2 C S)`, all together.

    Args:
        C: inverse strength of each model's L2 penalty; `numpy.inf` for none. Intercepts are never penalised.
        fit_intercept: whether to fit intercepts.
        scale: what columns are divided by before the penalty looks at them, as in `LogisticRegression`.
        penalty_weights: what the penalty of each column is multiplied with, as in `LogisticRegression`.
        solver: "auto", or as in `LogisticRegression`.
        tol: the fit stops when the sum of the objectives is proved to be within `tol` times that of the null models.
        max_iter: most iterations.
        random_state: seed of "sgd"; nothing else is random.
        verbose: 1 prints a line for each iteration.
        callback: called with a `Progress` at each iteration; a true answer stops the fit.

    Attributes:
        labels_: the names of the L labels: the columns of a frame, else 0..L-1.
        classes_: 0..L-1, by which scikit-learn's scorers and cross-validation count the labels.
        coef_, intercept_: (L, d) and (L,).
        certificate_: how far the sum of the objectives is from its minimum, and so at most each of them.
        stop_, history_, objective_, solver_, n_iter_: as in `LogisticRegression`.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
        >>> model = MultilabelLogistic(C=100.0).fit(X, np.array([[0, 1], [1, 0], [1, 1], [0, 0]]))
        >>> model.predict([[0.9, 0.8]])
        array([[1, 1]])

    Reference: document 001; Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.2.
    """

    labels_: Array
    classes_: Array

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit all the models until the certificate holds.

        Args:
            X: shape (n, d), as in `OneVsRest.fit`.
            y: shape (n, L): 0 or 1 (or False, True, or a probability) for each row and label.
            sample_weight: one weight per row.

        Raises:
            DataError: X, y or sample_weight cannot be used; the message names the place.
            ArgumentError: a setting cannot be used.
        """
        check_settings(self)
        refuse_foreign_arrays(X)
        names = getattr(y, "columns", None)
        target = label_table(y)
        X = checked_features(self, X, target)
        weight = row_weights(sample_weight, X.shape[0])
        n_labels = target.shape[1]
        labels = np.arange(n_labels) if names is None else np.asarray(list(names))
        refuse_constant_labels(target, labels)
        certain = np.zeros(n_labels)
        if self.fit_intercept:  # what is constant by weight alone is certain
            counting = target[weight > 0]
            certain = CERTAIN * ((counting == 1).all(axis=0).astype(float) - (counting == 0).all(axis=0))
        learned = np.flatnonzero(certain == 0)
        loss = IndependentSigmoids(len(learned)) if len(learned) else None
        target = (
            target if len(learned) == n_labels else target[:, learned] if loss else np.zeros(len(target), dtype=int)
        )
        kept = self._minimum(loss, as_rows(X, target, weight), X, Outputs(learned, certain))
        self.labels_, self.classes_ = labels, np.arange(n_labels)
        keep_solution(self, kept, "multilabel", n_labels)
        return self

    def decision_function(self, X: Any) -> Array:
        """The score of each label, shape (n, L): positive where it is more likely than not."""
        return scores_of(self, X)

    def predict(self, X: Any) -> Array:
        """0 or 1 for each row and label, shape (n, L)."""
        predicted: Array = (scores_of(self, X) > 0).astype(int)
        return predicted

    def predict_proba(self, X: Any) -> Array:
        """Probability of each label, shape (n, L); rows need not add up to 1."""
        return sigmoids_of(self, X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.classifier_tags.multi_class = False
        tags.target_tags.single_output = False
        tags.target_tags.multi_output = True
        return tags


def _checked(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Labels, Array]:
    """X, the classes with a code per row, and the weights of the rows."""
    if is_soft(y):
        raise DataError(
            f"y has shape {np.shape(y)}: {type(estimator).__name__} needs one label per row; for probabilities use "
            "LogisticRegression, for labels that do not exclude each other MultilabelLogistic"
        )
    refuse_foreign_arrays(X)
    X = checked_features(estimator, X, y)
    return X, hard_labels(y), row_weights(sample_weight, X.shape[0])
