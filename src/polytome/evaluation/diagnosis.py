"""What to look at: uncertain, confidently wrong and confused rows, and the features with the
largest effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polytome.evaluation.explain import feature_names, has_odds, levels_against, output_names
from polytome.evaluation.ordering import largest
from polytome.models.fitted_source import source_of
from polytome.models.predictions import dense_coefficients

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

Array = NDArray[Any]

__all__ = [
    "Effect",
    "JudgedRow",
    "confidently_wrong_rows",
    "confused_rows",
    "largest_effects",
    "least_certain_rows",
]


class JudgedRow(NamedTuple):
    """One row and a model's prediction of it. Classes are positions."""

    row: int
    true: int
    predicted: int
    p_predicted: float
    """Probability of the predicted class."""
    p_true: float
    """Probability of the true class."""
    runner_up: int
    """The most probable of the other classes."""
    p_runner_up: float


def least_certain_rows(
    codes: Array, log_probabilities: Array, most: int = 8, decided: Array | None = None
) -> list[JudgedRow]:
    """The rows whose two most probable classes are closest, the closest first.

    Args:
        codes: true classes as positions, -1 where unknown, shape (n,).
        log_probabilities: shape (n, K).
        most: the most rows.
        decided: predicted classes as positions; None for the most probable ones.

    Example:
        >>> p = np.array([[0.9, 0.1], [0.55, 0.45], [0.2, 0.8]])
        >>> [found.row for found in least_certain_rows(np.array([0, 0, 1]), np.log(p), most=2)]
        [1, 2]
    """
    second, first = np.sort(log_probabilities, axis=1)[:, -2:].T
    decided = log_probabilities.argmax(axis=1) if decided is None else decided
    return _judged(codes, log_probabilities, largest(1 - (np.exp(first) - np.exp(second)), most), decided)


def confidently_wrong_rows(
    codes: Array, log_probabilities: Array, most: int = 8, decided: Array | None = None
) -> list[JudgedRow]:
    """The misclassified rows to whose true class the model gave the least probability, the worst
    first.

    Args:
        codes: true classes as positions, -1 where unknown, shape (n,).
        log_probabilities: shape (n, K).
        most: the most rows.
        decided: predicted classes as positions; None for the most probable ones.

    Example:
        >>> p = np.array([[0.9, 0.1], [0.45, 0.55], [0.2, 0.8]])
        >>> [found.row for found in confidently_wrong_rows(np.array([0, 0, 0]), np.log(p))]
        [2, 1]
    """
    decided = log_probabilities.argmax(axis=1) if decided is None else decided
    wrong = np.flatnonzero((decided != codes) & (codes >= 0))
    cost = -log_probabilities[wrong, codes[wrong]]
    return _judged(codes, log_probabilities, wrong[largest(cost, most)], decided)


def confused_rows(
    codes: Array, log_probabilities: Array, true: int, predicted: int, most: int = 6, decided: Array | None = None
) -> list[JudgedRow]:
    """Rows of one class that were predicted as another, the most confident errors first.

    Args:
        codes: true classes as positions, shape (n,).
        log_probabilities: shape (n, K).
        true: position of the one class.
        predicted: position of the other.
        most: the most rows.
        decided: predicted classes as positions; None for the most probable ones.

    Example:
        >>> p = np.array([[0.4, 0.6], [0.9, 0.1], [0.2, 0.8]])
        >>> [found.row for found in confused_rows(np.array([0, 0, 0]), np.log(p), 0, 1)]
        [2, 0]
    """
    decided = log_probabilities.argmax(axis=1) if decided is None else decided
    rows = np.flatnonzero((codes == true) & (decided == predicted))
    return _judged(codes, log_probabilities, rows[largest(np.exp(log_probabilities[rows, predicted]), most)], decided)


class Effect(NamedTuple):
    """What one feature does to one score."""

    label: Any
    """The class whose score it is; in a binary model the second class, against the first."""
    feature: str
    coefficient: float
    """Change of the score for one unit of the feature."""
    odds_ratio: float | None
    """`exp(coefficient)`; None with more than two classes."""
    low: float
    """Smallest value in training; NaN where it was not recorded."""
    high: float
    over_range: float
    """`coefficient * (high - low)`: change of the score from one end to the other."""
    against: str | None = None
    """The reference level that the feature, a level, is compared with; None where there is none."""


def largest_effects(model: Fitted, most: int = 5) -> list[list[Effect]]:
    """The features that move each score most between their smallest and their largest value in
    training.

    Unlike coefficients, these can be compared between features of different units. If the training
    was not recorded, the absolute values of the coefficients decide. Features without effect are
    left out, ties are ordered by name.

    Args:
        model: a fitted model.
        most: the most effects for each score.

    Returns:
        One list for each score, the largest effect first; for two classes one list, for the second
        class.

    Example:
        >>> from polytome.files.sources import fit_source, open_source
        >>> from polytome.models.logistic import LogisticRegression
        >>> effect = largest_effects(fit_source(LogisticRegression(), open_source("iris")), most=1)[0][0]
        >>> effect.label, effect.feature, round(effect.coefficient, 1), round(effect.over_range, 1)
        ('setosa', 'petal length (cm)', -2.5, -14.8)
    """
    names, against, binary = feature_names(model), levels_against(model), has_odds(model)
    record = source_of(model).training
    unknown = np.full(model.n_features_in_, np.nan)
    low, high = (unknown, unknown) if record is None else (record.low, record.high)
    found = []
    for label, row in zip(output_names(model), np.atleast_2d(dense_coefficients(model)), strict=True):
        with np.errstate(over="ignore"):
            over_range, ratios = row * (high - low), np.exp(row)
        size = np.abs(row if record is None else over_range)
        effects = []
        for j in largest(size, most, names).tolist():
            if size[j] > 0:
                ratio = float(ratios[j]) if binary else None
                numbers = (float(low[j]), float(high[j]), float(over_range[j]))
                effects.append(Effect(label, names[j], float(row[j]), ratio, *numbers, against[j]))
        found.append(effects)
    return found


def _judged(codes: Array, log_probabilities: Array, rows: Array, decided: Array) -> list[JudgedRow]:
    found = []
    for row in rows.tolist():
        p, true = np.exp(log_probabilities[row]), int(codes[row])
        predicted = int(decided[row])
        runner_up = next(k for k in largest(p, 2).tolist() if k != predicted)
        p_true = float(p[true]) if true >= 0 else float("nan")
        found.append(JudgedRow(row, true, predicted, float(p[predicted]), p_true, runner_up, float(p[runner_up])))
    return found
