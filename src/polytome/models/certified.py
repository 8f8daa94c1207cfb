"""What certified classifiers have in common: the attributes that `keep_fit` sets, and how scores
are read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin

from polytome.certificates.certificate import Certificate
from polytome.errors import DataError
from polytome.models.bounds import Bounds
from polytome.models.features import FeatureScale, checked_features, refuse_foreign_arrays
from polytome.models.formula import Formula
from polytome.models.groups import Groups
from polytome.models.labels import Labels, hard_labels, is_soft, row_weights
from polytome.models.model import Model
from polytome.models.partitions import by_partition
from polytome.models.penalty_weights import PenaltyWeights
from polytome.models.predictions import predicted_classes, scores_of
from polytome.models.streamed import streamed_data
from polytome.solvers import Choice, Progress, Solver, Stop
from polytome.solvers.driver import Callback
from polytome.tables.streams.frames import refuse_spread

Array = NDArray[Any]

__all__ = ["BinaryModels", "CertifiedClassifier"]


class CertifiedClassifier(ClassifierMixin, Model):  # type: ignore[misc]  # scikit-learn is untyped
    """A classifier whose fit ends with a certificate; one score for each class, of two classes one
    in all."""

    classes_: Array
    coef_: Array
    at_bound_: Array
    intercept_: Array
    certificate_: Certificate
    stop_: Stop
    history_: tuple[Progress, ...]
    objective_: Formula
    solver_: Choice
    n_iter_: Array

    @property
    def _n_outputs(self) -> int:
        """How many rows `coef_` has: one score distinguishes two classes."""
        n_classes = len(self.classes_)
        return 1 if n_classes == 2 else n_classes

    def _output_name(self, output: int) -> str:
        """What one of several outputs distinguishes."""
        return str(self.classes_[output])

    @by_partition
    def decision_function(self, X: Any) -> Array:
        """Scores `X @ coef_.T + intercept_`: shape (n,) for two classes (positive: the second),
        else (n, K)."""
        scores = scores_of(self, X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    @by_partition
    def predict(self, X: Any) -> Array:
        """The class with the largest score, shape (n,)."""
        return predicted_classes(self, X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy: the weighted share of rows whose class is predicted."""
        refuse_spread(X)
        return float(super().score(X, y, sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class BinaryModels(CertifiedClassifier):
    """The settings of classifiers that are made of binary models.

    Each of these is one separable objective, a sum of binary problems over the same rows. So one
    pass over X serves all the models, no row is copied for any of them, and one certificate bounds
    their sum; since no term is negative, it also bounds each.
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        l1_ratio: float = 0.0,
        fit_intercept: bool = True,
        scale: FeatureScale = None,
        penalty_weights: PenaltyWeights = None,
        bounds: Bounds = None,
        groups: Groups = None,
        group_ratio: float = 1.0,
        solver: str | Solver = "auto",
        tol: float = 1e-4,
        max_iter: int = 10_000,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        callback: Callback | None = None,
    ) -> None:
        self.C = C
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.scale = scale
        self.penalty_weights = penalty_weights
        self.bounds = bounds
        self.groups = groups
        self.group_ratio = group_ratio
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.verbose = verbose
        self.callback = callback

    def _checked(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Labels, Array]:
        """X, the classes with a code per row, and the weights of the rows."""
        if (streamed := streamed_data(self, X, y, sample_weight)) is not None:
            return streamed
        if is_soft(y):
            raise DataError(
                f"y has shape {np.shape(y)}: {type(self).__name__} needs one label per row; for probabilities use "
                "LogisticRegression, for labels that do not exclude each other MultilabelLogistic"
            )
        refuse_foreign_arrays(X)
        X = checked_features(self, X, y)
        return X, hard_labels(y), row_weights(sample_weight, X.shape[0])
