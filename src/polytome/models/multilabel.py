"""`MultilabelLogistic`: one binary model per label, for labels that do not exclude each other."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from polytome.losses import IndependentSigmoids
from polytome.models.certain_outputs import CERTAIN, Outputs
from polytome.models.certified import BinaryModels
from polytome.models.features import checked_features, refuse_foreign_arrays
from polytome.models.fitting import Problem, check_settings, keep_fit, minimum_of, planned
from polytome.models.labels import label_table, refuse_constant_labels, row_weights
from polytome.models.predictions import scores_of, sigmoids_of
from polytome.rows import as_rows

Array = NDArray[Any]

__all__ = ["MultilabelLogistic"]


class MultilabelLogistic(BinaryModels):
    """One binary logistic regression per label, for labels that do not exclude each other
    (sigmoid outputs).

    Minimises the sum over labels of
    `sum_i s_i loss(x_i w_l + b_l, y_il) / S + ||w_l||^2 / (2 C S)`, all together.

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
        bounds: what coefficients are within, those of all labels alike, as in
            `LogisticRegression`.
        groups: which coefficients are 0 together, as in `LogisticRegression`, those of all models:
            a column is in the models of all labels or of none.
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
        labels_: the names of the L labels: the columns of a frame, else 0..L-1.
        classes_: 0..L-1, by which scikit-learn's scorers and cross-validation count the labels.
        coef_, intercept_: (L, d) and (L,).
        certificate_: how far the sum of the objectives is from its minimum, and so at most each of
            them.
        stop_, history_, objective_, solver_, n_iter_: as in `LogisticRegression`.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
        >>> model = MultilabelLogistic(C=100.0).fit(X, np.array([[0, 1], [1, 0], [1, 1], [0, 0]]))
        >>> model.predict([[0.9, 0.8]])
        array([[1, 1]])

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.2.
    """

    outputs = "labels"
    has_probabilities = True
    labels_: Array

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
        self.labels_ = labels
        rows, outputs = as_rows(X, target, weight), Outputs(learned, certain)
        plan = planned(self, X, Problem(loss, rows, outputs, "multilabel", np.arange(n_labels)))
        keep_fit(self, plan, minimum_of(self, plan))
        return self

    @property
    def kind(self) -> str:
        """What a sentence calls this model."""
        return "one logistic regression per label"

    @property
    def _n_outputs(self) -> int:
        return len(self.labels_)

    def _output_name(self, output: int) -> str:
        return str(self.labels_[output])

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
