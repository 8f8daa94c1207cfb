"""What a fitted model has learnt, as plain data: names of its features and its largest coefficients.

A coefficient is the change of a class's score when its feature grows by one unit and the others stay. Coefficients of
features with different units cannot be compared by size; those of a model with `scale="standard"` belong to the columns
as given all the same.

Reference:
    Agresti, "Categorical Data Analysis" (2013), sections 5.1 (odds ratios) and 8.1 (several classes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from polytome.estimators import LogisticRegression

__all__ = ["Coefficient", "feature_names", "largest_coefficients"]


class Coefficient(NamedTuple):
    """One coefficient of a model."""

    label: Any
    """The class whose score it changes; in a binary model the second class, against the first."""
    feature: str
    value: float
    odds_ratio: float | None
    """`exp(value)`, by which the odds of the second class are multiplied; None with more than two classes."""


def feature_names(model: LogisticRegression) -> tuple[str, ...]:
    """The names of a model's features.

    They come from its encoder, or from the frame that it was trained on, or else are `feature_0`, `feature_1`, ...

    Args:
        model: a fitted model.

    Example:
        >>> from polytome.estimators import LogisticRegression
        >>> feature_names(LogisticRegression().fit([[0.0], [1.0], [2.0]], [0, 1, 1]))
        ('feature_0',)
    """
    if hasattr(model, "encoder_"):
        return tuple(model.encoder_.feature_names)
    names = getattr(model, "feature_names_in_", None)
    return tuple(f"feature_{j}" for j in range(model.n_features_in_)) if names is None else tuple(map(str, names))


def largest_coefficients(model: LogisticRegression, most: int = 5) -> list[Coefficient]:
    """The coefficients of largest size, for each class in order; zeros are left out.

    Args:
        model: a fitted model.
        most: how many for each class at most.

    Returns:
        For two classes the coefficients of the second one; for more those of every class.

    Example:
        >>> from polytome.estimators import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]], ["no", "yes", "yes"])
        >>> [(found.label, found.feature, round(found.odds_ratio)) for found in largest_coefficients(model)]
        [('yes', 'feature_0', 2)]
    """
    names = feature_names(model)
    binary = len(model.coef_) == 1
    labels = model.classes_[1:].tolist() if binary else model.classes_.tolist()
    found = []
    for label, row in zip(labels, model.coef_, strict=True):
        for j in np.argsort(-np.abs(row), kind="stable")[:most]:
            if row[j] != 0:
                with np.errstate(over="ignore"):
                    odds_ratio = float(np.exp(row[j])) if binary else None
                found.append(Coefficient(label, names[j], float(row[j]), odds_ratio))
    return found
