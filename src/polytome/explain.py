"""What a fitted model has learnt, and why it decides a row as it does, as plain data.

A coefficient is the change of a class's score when its feature grows by one unit and the others stay. Coefficients of
features with different units cannot be compared by size; those of a model with `scale="standard"` belong to the columns
as given all the same. For one row, each feature's part in a score is its coefficient times the distance from a
reference (`contributions`), and the scores being linear, the nearest value of a feature at which another class takes
over is known exactly (`smallest_flips`).

Reference:
    Agresti, "Categorical Data Analysis" (2013), sections 5.1 (odds ratios) and 8.1 (several classes); Wachter,
    Mittelstadt and Russell, "Counterfactual explanations without opening the black box", Harvard Journal of Law and
    Technology 31 (2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from polytome.encoders import Column, Encoder
from polytome.errors import ArgumentError
from polytome.features import checked_rows
from polytome.fitting import dense_coefficients
from polytome.ordering import largest

if TYPE_CHECKING:
    from polytome.estimators import LogisticRegression

Array = NDArray[Any]

__all__ = [
    "Coefficient",
    "Contributions",
    "Flip",
    "contributions",
    "feature_names",
    "largest_coefficients",
    "smallest_flips",
]


class Coefficient(NamedTuple):
    """One coefficient of a model."""

    label: Any
    """The class whose score it changes; in a binary model the second class, against the first."""
    feature: str
    value: float
    odds_ratio: float | None
    """`exp(value)`, by which the odds of the second class are multiplied; None with more than two classes."""


@dataclass(frozen=True)
class Contributions:
    """What each feature adds to each score of each row, counted from the scores at a reference.

    Attributes:
        features: the names of the d features.
        classes: the classes of the model.
        values: (n, n_outputs, d), `coef * (x - reference)`.
        baseline: (n_outputs,), the scores at the reference.
        reference: (d,), the row from which is counted; NaN for a column whose levels were added up.
    """

    features: tuple[str, ...]
    classes: tuple[Any, ...]
    values: Array
    baseline: Array
    reference: Array

    @property
    def labels(self) -> tuple[Any, ...]:
        """The class of each output; of two classes the second, whose score is its log odds against the first."""
        return self.classes[1:] if len(self.baseline) == 1 else self.classes

    @property
    def scores(self) -> Array:
        """The scores, (n, n_outputs): the baseline and all that was added to it."""
        scores: Array = self.baseline + self.values.sum(axis=2)
        return scores

    def between(self, label: Any, other: Any) -> Contributions:
        """Contributions to the score of one class minus that of another: to the log odds between the two.

        Args:
            label: a class, for which positive contributions speak.
            other: the class against which they speak.

        Returns:
            One output, as of a model of these two classes.

        Raises:
            ArgumentError: a label is none of the classes.
        """
        first, second = (self._position(one) for one in (label, other))
        values, baseline = self.values, self.baseline
        if len(baseline) == 1:  # the first class, to which the only score is relative, has the score 0
            values = np.concatenate([np.zeros_like(values), values], axis=1)
            baseline = np.concatenate([[0.0], baseline])
        difference = values[:, first] - values[:, second]
        pair = (self.classes[second], self.classes[first])
        return replace(self, classes=pair, values=difference[:, None], baseline=baseline[[first]] - baseline[[second]])

    def by_column(self, encoder: Encoder) -> Contributions:
        """Contributions of the columns of a table: those of the levels of one category are added up.

        Args:
            encoder: of the model.

        Raises:
            ArgumentError: the encoder does not make these features.
        """
        if encoder.feature_names != self.features:
            raise ArgumentError(
                f"encoder makes {len(encoder.feature_names)} features that are not the {len(self.features)} of these "
                "contributions: give the model's own, model.encoder_"
            )
        starts = _starts(encoder.columns)
        is_number = np.array([column.kind == "number" for column in encoder.columns])
        return replace(
            self,
            features=tuple(column.name for column in encoder.columns),
            values=np.add.reduceat(self.values, starts, axis=2),
            reference=np.where(is_number, self.reference[starts], np.nan),
        )

    def _position(self, label: Any) -> int:
        if label not in self.classes:
            raise ArgumentError(f"{label!r} is none of the classes {', '.join(map(repr, self.classes[:12]))}")
        return self.classes.index(label)


class Flip(NamedTuple):
    """The smallest change of one feature of a row, the others staying, that changes the predicted class."""

    feature: str
    """The name of the feature, or of the column that holds a category."""
    value: float | str | None
    """What it is now; None where no level of the category is set."""
    flipped: float | str | None
    """Where the class changes: the number at which both classes have the same score, or another level. None where no
    value in the range does it."""
    label: Any
    """The class beyond; None where there is none."""
    size: float
    """The size of the change as a share of the feature's range in training, or in the feature's own unit where the
    range is unknown; 1 for another level, infinity where no change does it."""


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
    """The coefficients of largest size, for each class in order; zeros are left out, ties are ordered by name.

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
    binary = model.coef_.shape[0] == 1
    labels = model.classes_[1:].tolist() if binary else model.classes_.tolist()
    found = []
    for label, row in zip(labels, dense_coefficients(model), strict=True):
        for j in largest(np.abs(row), most, names):
            if row[j] != 0:
                with np.errstate(over="ignore"):
                    odds_ratio = float(np.exp(row[j])) if binary else None
                found.append(Coefficient(label, names[j], float(row[j]), odds_ratio))
    return found


def contributions(model: LogisticRegression, X: Any, reference: ArrayLike | None = None) -> Contributions:
    """Split scores into what each feature adds, `score(x) = score(reference) + sum_j coef_j (x_j - reference_j)`.

    With the column means as reference these are the Shapley values of a linear score with independent features.

    Args:
        model: a fitted classifier with one score per class, or one for two classes.
        X: (n, d) rows, dense or sparse. The result has n times d numbers for each output.
        reference: (d,) the row to count from; by default the means of the training data where the model has a record
            of them, else zeros.

    Raises:
        DataError: X cannot be used; the message names the place.
        ArgumentError: the reference has another number of features or is not finite, or the scores of the model do
            not belong to classes.

    Example:
        >>> from polytome.estimators import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> found = contributions(model, [[2.5]], reference=[1.5])
        >>> found.labels, bool(np.allclose(found.scores, model.decision_function([[2.5]])))
        (('yes',), True)

    Reference: Lundberg and Lee, "A unified approach to interpreting model predictions", NeurIPS 2017, section 4.
    """
    _refuse_other_scores(model)
    rows = _dense_rows(model, X)
    start, coef = _reference(model, reference), dense_coefficients(model)
    return Contributions(
        feature_names(model),
        tuple(model.classes_.tolist()),
        (rows - start)[:, None, :] * coef,
        coef @ start + model.intercept_,
        start,
    )


def smallest_flips(model: LogisticRegression, x: Any, most: int | None = None) -> list[Flip]:
    """For each feature of one row the smallest change of it alone that changes the predicted class.

    Scores are linear: moving feature j by t moves the lead of the predicted class c over a rival k by
    `t (coef_cj - coef_kj)`. The first lead to become zero in either direction is where the class changes. Changes stay
    within the range of the feature in training (widened to the present value) where the model has a record of it. Of a
    category each other level is tried, and each that changes the class is a flip of its own.

    Args:
        model: a fitted classifier with one score per class, or one for two classes.
        x: the row, (d,) or (1, d), dense or sparse.
        most: how many flips to return at most; None for all.

    Returns:
        Sorted by size, ties by name, features that cannot change the class alone last.

    Raises:
        DataError: x cannot be used; the message names the place.
        ArgumentError: x is more than one row, or the scores of the model do not belong to classes.

    Example:
        >>> from polytome.estimators import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> flip = smallest_flips(model, [2.5])[0]
        >>> flip.feature, flip.value, round(flip.flipped, 3), flip.label
        ('feature_0', 2.5, 1.5, 'no')
    """
    _refuse_other_scores(model)
    row = _one_row(model, x)
    coef, intercept = dense_coefficients(model), model.intercept_
    if len(coef) == 1:  # the first class has the score 0
        coef, intercept = np.vstack([np.zeros_like(coef), coef]), np.concatenate([[0.0], intercept])
    encoder = getattr(model, "encoder_", None)
    columns = [Column(name, "number") for name in feature_names(model)] if encoder is None else list(encoder.columns)
    scores = coef @ row + intercept
    flips = _number_flips(model, columns, row, coef, scores, most) + _level_flips(model, columns, row, coef, scores)
    return [flips[j] for j in _smallest([flip.size for flip in flips], most, [flip.feature for flip in flips])]


def _number_flips(
    model: LogisticRegression, columns: Sequence[Column], row: Array, coef: Array, scores: Array, most: int | None
) -> list[Flip]:
    """The nearest crossing of each number, in either direction and within its range; those of least size."""
    of_numbers = [column.kind == "number" for column in columns]
    at = _starts(columns)[of_numbers]
    names = [column.name for column in columns if column.kind == "number"]
    values = row[at]
    predicted = int(scores.argmax())
    rivals = np.delete(np.arange(len(scores)), predicted)
    leads = (scores[predicted] - scores[rivals])[:, None]
    slopes = coef[predicted, at] - coef[np.ix_(rivals, at)]
    low, high = _range(model, at)
    up, rival_above = _first_crossing(leads, -slopes)
    down, rival_below = _first_crossing(leads, slopes)
    up[up >= np.maximum(high - values, 0)] = np.inf
    down[down >= np.maximum(values - low, 0)] = np.inf
    upwards = up <= down
    change = np.where(upwards, up, down)
    flipped = values + np.where(upwards, change, -change)
    rival = rivals[np.where(upwards, rival_above, rival_below)]
    span = high - low
    size = change / np.where(np.isfinite(span) & (span > 0), span, 1.0)
    classes, flips = model.classes_.tolist(), []
    for j in _smallest(size, most, names):
        beyond = classes[rival[j]] if size[j] < np.inf else None
        crossing = float(flipped[j]) if size[j] < np.inf else None
        flips.append(Flip(names[j], float(values[j]), crossing, beyond, float(size[j])))
    return flips


def _smallest(sizes: ArrayLike, most: int | None, names: Sequence[str]) -> Array:
    """Positions of the smallest changes: those whose reciprocals are the largest."""
    with np.errstate(divide="ignore"):
        return largest(1 / np.asarray(sizes, dtype=np.float64), most, names)


def _first_crossing(leads: Array, rates: Array) -> tuple[Array, Array]:
    """How far each feature goes until a rival that gains at these rates has caught up, and the position of the rival.

    Of rivals that catch up at the same time the fastest is ahead afterwards.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        distances = np.where(rates > 0, leads / rates, np.inf)
    nearest = distances.min(axis=0)
    return nearest, np.where(distances == nearest, rates, -np.inf).argmax(axis=0)


def _level_flips(
    model: LogisticRegression, columns: Sequence[Column], row: Array, coef: Array, scores: Array
) -> list[Flip]:
    """Each other level of each category that changes the class."""
    predicted = int(scores.argmax())
    flips = []
    for column, start in zip(columns, _starts(columns), strict=True):
        if column.kind == "number":
            continue
        block = slice(start, start + column.width)
        now = column.levels[int(row[block].argmax())] if row[block].any() else None
        without = scores - coef[:, block] @ row[block]
        winners = (without[:, None] + coef[:, block]).argmax(axis=0)
        found = [
            Flip(column.name, now, level, label, 1.0)
            for level, label, winner in zip(column.levels, model.classes_[winners].tolist(), winners, strict=True)
            if level != now and winner != predicted
        ]
        flips += found or [Flip(column.name, now, None, None, np.inf)]
    return flips


def _one_row(model: LogisticRegression, x: Any) -> Array:
    """The row as (d,) float64."""
    rows = x if sparse.issparse(x) or np.ndim(x) > 1 else np.asarray(x)[None]
    if np.shape(rows)[0] != 1:
        raise ArgumentError(f"x has {np.shape(rows)[0]} rows: the smallest flips are those of one row")
    row: Array = _dense_rows(model, rows)[0]
    return row


def _dense_rows(model: LogisticRegression, X: Any) -> Array:
    """Checked rows as a float64 array, whatever they were stored in."""
    rows = checked_rows(model, X)
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, dtype=np.float64)


def _reference(model: LogisticRegression, reference: ArrayLike | None) -> Array:
    """The row from which contributions count."""
    if reference is None:
        record = getattr(model, "training_", None)
        reference = np.zeros(model.n_features_in_) if record is None else record.mean
    start = np.asarray(reference, dtype=np.float64)
    if start.shape != (model.n_features_in_,) or not np.isfinite(start).all():
        raise ArgumentError(
            f"reference has shape {start.shape}: needs {model.n_features_in_} finite numbers, one for each feature"
        )
    return start


def _range(model: LogisticRegression, at: Array) -> tuple[Array, Array]:
    """The least and the greatest value of some features in training; infinite where there is no record."""
    record = getattr(model, "training_", None)
    if record is None:
        return np.full(len(at), -np.inf), np.full(len(at), np.inf)
    return np.asarray(record.low, dtype=np.float64)[at], np.asarray(record.high, dtype=np.float64)[at]


def _starts(columns: Sequence[Column]) -> Array:
    """The first feature of each column."""
    widths = [column.width for column in columns]
    return np.cumsum([0, *widths[:-1]])


def _refuse_other_scores(model: LogisticRegression) -> None:
    """Raises ArgumentError for models whose scores belong to pairs of classes or to labels that do not compete."""
    if hasattr(model, "pairs_") or hasattr(model, "labels_"):
        raise ArgumentError(
            f"model is a {type(model).__name__}, which has no score for each class: use LogisticRegression or OneVsRest"
        )
