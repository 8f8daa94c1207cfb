"""`OneVsRest`: one binary model per class, that class against all others."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from polytome import numerics
from polytome.losses import IndependentSigmoids, Logistic, Loss
from polytome.models.certain_outputs import CERTAIN, Outputs
from polytome.models.certified import BinaryModels
from polytome.models.fitting import Problem, check_settings, keep_fit, minimum_of, planned
from polytome.models.partitions import by_partition
from polytome.models.penalty_weights import numbered_weights
from polytome.models.predictions import scores_of
from polytome.models.streamed import encoder_in, keep_encoder, opened
from polytome.rows import rows_of

Array = NDArray[Any]

__all__ = ["OneVsRest"]


class OneVsRest(BinaryModels):
    """One binary logistic regression per class, that class against all others; the most confident
    one wins.

    Minimises the sum over classes of
    `sum_i s_i loss(x_i w_k + b_k, [y_i = k]) / S + ||w_k||^2 / (2 C S)`: what K fits of
    scikit-learn's `LogisticRegression(C=C)` minimise, each divided by `C S`. All K are trained
    together, in one pass over X per step. Two classes need one model only.

    Args:
        C: inverse strength of each model's penalty; `numpy.inf` for none. Intercepts are never
            penalised.
        l1_ratio: the share of absolute values in the penalty, as in `LogisticRegression`; the rest
            are squares. Above 0 there is a `proved_zero_`.
        fit_intercept: whether to fit intercepts.
        scale: what columns are divided by before their coefficients are penalised, as in
            `LogisticRegression`.
        penalty_weights: what the penalty of each column is multiplied by, as in
            `LogisticRegression`.
        bounds: what coefficients are within, those of all classes alike, as in
            `LogisticRegression`.
        groups: which coefficients are 0 together, as in `LogisticRegression`, those of all models:
            a column is in the models of all classes or of none.
        group_ratio: the share of norms of groups beside absolute values, as in
            `LogisticRegression`.
        solver: "auto", or as in `LogisticRegression`.
        tol: the fit stops when the sum of the objectives is proved to be within `tol` times that of
            the null models.
        max_iter: most iterations.
        random_state: seed of "sgd"; nothing else is random.
        verbose: 1 prints a line for each iteration.
        callback: called with a `Progress` at each iteration; a true return value stops the fit.

    Attributes:
        classes_: the labels, sorted, shape (K,).
        coef_, intercept_: (K, d) and (K,), one row per class; (1, d) and (1,) for two classes.
        certificate_: how far the sum of the objectives is from its minimum, and so at most each of
            them.
        stop_, history_, objective_, solver_, n_iter_: as in `LogisticRegression`.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> X = np.array([[0.0], [0.4], [2.0], [2.2], [4.0], [4.4]])
        >>> model = OneVsRest(C=10.0).fit(X, ["low", "low", "middle", "middle", "high", "high"])
        >>> model.predict([[0.1], [4.2]])
        array(['low', 'high'], dtype='<U6')
        >>> model.coef_.shape, model.certificate_.holds
        ((3, 1), True)

    References: Rifkin and Klautau, In defense of one-vs-all classification, JMLR 5, 2004.
    """

    has_probabilities = True

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit all the models until the certificate holds.

        Args:
            X: shape (n, d). NumPy of any real type and order, memory maps, SciPy sparse, pandas or
                polars; not copied. Or rows from `polytome.open_rows`, which bring their labels.
            y: one label per row.
            sample_weight: one weight per row; 2 equals the row twice, 0 equals its absence.

        Returns:
            The fitted classifier. Where the certificate was not reached a `ConvergenceWarning` says
            how far it is.

        Raises:
            DataError: X, y or sample_weight cannot be used; the message names the place.
            ArgumentError: a setting cannot be used.
        """
        check_settings(self)
        X, y = opened(X, y)
        given = X
        X, labels, weight = self._checked(X, y, sample_weight)
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
        problem = Problem(loss, rows_of(X, target, weight), outputs, name, labels.classes)
        with numbered_weights(self, encoder_in(given)):
            plan = planned(self, X, problem)
        keep_fit(self, plan, minimum_of(self, plan))
        keep_encoder(self, given)
        return self

    @property
    def kind(self) -> str:
        """What a sentence calls this model."""
        return "logistic regression" if len(self.classes_) == 2 else "one logistic regression per class"

    @by_partition
    def predict_proba(self, X: Any) -> Array:
        """The sigmoids of the scores divided by their sum, shape (n, K).

        For more than two classes the K models do not agree on a distribution; this is the one in
        their proportions.
        """
        scores = scores_of(self, X)
        if scores.shape[1] == 1:
            return numerics.sigmoid(np.hstack([-scores, scores]))
        # Softmax of the logarithms divides by the sum, even where every sigmoid is below the
        # smallest float.
        return numerics.softmax(numerics.log_sigmoid(scores), axis=1)

    @by_partition
    def predict_log_proba(self, X: Any) -> Array:
        """Logarithm of the probabilities, finite even where a probability is below the smallest
        float."""
        scores = scores_of(self, X)
        if scores.shape[1] == 1:
            return numerics.log_sigmoid(np.hstack([-scores, scores]))
        return numerics.log_softmax(numerics.log_sigmoid(scores), axis=1)
