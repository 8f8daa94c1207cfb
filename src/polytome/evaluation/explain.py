"""What a fitted model has learnt, and why it decides a row as it does, as plain data.

A coefficient is the change of a class's score when its feature grows by one unit and the others
stay the same. Coefficients of features with different units cannot be compared by size; even those
of a model with `scale="standard"` refer to the columns as given. For one row, each feature's part
in a score is its coefficient times the distance from a reference (`contributions`).

Reference:
    Agresti, "Categorical Data Analysis" (2013), sections 5.1 (odds ratios) and 8.1
    (several classes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError
from polytome.evaluation.ordering import largest
from polytome.models.calibration import calibrated_coefficients
from polytome.models.features import checked_rows
from polytome.models.fitted import feature_names_in
from polytome.models.fitted_source import source_of
from polytome.models.offsets import offset_places
from polytome.models.predictions import dense_coefficients
from polytome.tables.encoder import Column, Encoder

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

Array = NDArray[Any]

__all__ = [
    "Coefficient",
    "Contributions",
    "cells_of",
    "contributions",
    "dense_rows",
    "feature_names",
    "first_features",
    "has_odds",
    "largest_coefficients",
    "levels_against",
    "output_names",
    "reference_levels",
    "refuse_other_scores",
]


class Coefficient(NamedTuple):
    """One coefficient of a model."""

    label: Any
    """The class whose score it changes; in a binary model the second class, against the first; see
    `output_names`."""
    feature: str
    value: float
    odds_ratio: float | None
    """`exp(value)`, by which the odds of the second class are multiplied; None where there are
    others than two."""
    against: str | None
    """The reference level that the feature, a level, is compared with; None for other features, and
    where all levels of a category have one."""
    per_deviation: float | None
    """The change where the feature grows by one of its standard deviations among the training rows;
    None where these are not known."""

    @property
    def effect(self) -> float:
        """What coefficients are ranked by: the change per deviation, if it is known."""
        return abs(self.value if self.per_deviation is None else self.per_deviation)


@dataclass(frozen=True)
class Contributions:
    """What each feature adds to each score of each row, measured from the scores at a reference.

    Attributes:
        features: the names of the d features.
        classes: the classes of the model.
        values: (n, n_outputs, d), `coef * (x - reference)`.
        baseline: (n_outputs,), the scores at the reference.
        reference: (d,), the row to measure from; NaN for a column whose levels were added up.
    """

    features: tuple[str, ...]
    classes: tuple[Any, ...]
    values: Array
    baseline: Array
    reference: Array

    @property
    def labels(self) -> tuple[Any, ...]:
        """The class of each output; with two classes the second, whose score is its log odds
        against the first."""
        return self.classes[1:] if len(self.baseline) == 1 else self.classes

    @property
    def scores(self) -> Array:
        """The scores, (n, n_outputs): the baseline plus all contributions."""
        scores: Array = self.baseline + self.values.sum(axis=2)
        return scores

    def between(self, label: Any, other: Any) -> Contributions:
        """Contributions to the score of one class minus that of another: to the log odds between
        the two.

        Args:
            label: the class that positive contributions count for.
            other: the class that they count against.

        Returns:
            One output, as in a model of these two classes.

        Raises:
            ArgumentError: a label is not one of the classes.
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
        """Contributions of the columns of a table: the contributions of the levels of a category
        are added up, and those of the columns that a spline or a product adds to these. A column of
        text has those of its terms, as far as they are not all zero.

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
        if encoder.has_text:
            return self._by_column_and_term(encoder)
        groups = _together(encoder)
        starts = np.array([start for _, _, start, _ in groups])
        is_number = np.array([columns[0].kind == "number" and len(columns) == 1 for _, columns, _, _ in groups])
        return replace(
            self,
            features=tuple(name for name, _, _, _ in groups),
            values=np.add.reduceat(self.values, starts, axis=2),
            reference=np.where(is_number, self.reference[starts], np.nan),
        )

    def _by_column_and_term(self, encoder: Encoder) -> Contributions:
        names: list[str] = []
        values: list[Array] = []
        reference: list[Any] = []
        for name, columns, start, end in _together(encoder):
            column, part = columns[0], self.values[:, :, start:end]
            if column.terms is None:
                names.append(name)
                values.append(part.sum(axis=2, keepdims=True))
                is_number = column.kind == "number" and len(columns) == 1
                reference.append([self.reference[start] if is_number else np.nan])
                continue
            spoke = np.flatnonzero(part.any(axis=(0, 1)))
            of_terms = column.feature_names
            names += [of_terms[j] for j in spoke]
            values.append(part[:, :, spoke])
            reference.append(self.reference[start + spoke])
        return replace(
            self, features=tuple(names), values=np.concatenate(values, axis=2), reference=np.concatenate(reference)
        )

    def _position(self, label: Any) -> int:
        if label not in self.classes:
            raise ArgumentError(f"{label!r} is not one of the classes {', '.join(map(repr, self.classes[:12]))}")
        return self.classes.index(label)


def feature_names(model: Fitted) -> tuple[str, ...]:
    """The names of a model's features.

    They come from its encoder, or from the frame it was trained on, or else are `feature_0`,
    `feature_1`, ...

    Args:
        model: a fitted model.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> feature_names(LogisticRegression().fit([[0.0], [1.0], [2.0]], [0, 1, 1]))
        ('feature_0',)
    """
    if (encoder := source_of(model).encoder) is not None:
        return tuple(encoder.feature_names)
    names = feature_names_in(model)
    return _numbered(model.n_features_in_) if names is None else tuple(map(str, names))


@lru_cache(maxsize=1)
def _numbered(n: int) -> tuple[str, ...]:
    """Made once for a model of many features, which a report asks for with each of its rows."""
    return tuple(f"feature_{j}" for j in range(n))


def reference_levels(model: Fitted) -> dict[str, str]:
    """For each category that leaves a level out, that level: coefficients of the others compare
    them with it.

    Args:
        model: a fitted model.

    Example:
        >>> import numpy as np, pandas, polytome
        >>> people = pandas.DataFrame({"hue": ["red", "red", "blue", "blue"] * 2, "y": list("ababbaaa")})
        >>> reference_levels(polytome.train(people, "y", C=np.inf))
        {'hue': 'blue'}
    """
    encoder = source_of(model).encoder
    columns = () if encoder is None else encoder.columns
    return {column.name: column.reference for column in columns if column.reference is not None}


def levels_against(model: Fitted) -> list[str | None]:
    """For each feature the level that it is compared with: the reference, of a step the one below;
    None where there is none."""
    encoder = source_of(model).encoder
    if encoder is None:
        return [None] * model.n_features_in_
    return [level for column in encoder.columns for level in column.compared_with]


def output_names(model: Fitted) -> list[Any]:
    """What each row of `coef_` counts for: a class, of two the second; one of a pair; a label; the
    place of a number.

    Example:
        >>> from polytome import OneVsOne
        >>> output_names(OneVsOne().fit([[0.0], [1.0], [2.0]], ["a", "b", "c"]))
        ['b against a', 'c against a', 'c against b']
    """
    if model.outputs == "numbers":
        return list(range(len(np.atleast_2d(model.coef_))))
    if model.outputs == "classes":
        classes: list[Any] = model.classes_.tolist()
        return classes[1:] if model.coef_.shape[0] == 1 else classes
    model_of_outputs: Any = model
    if model.outputs == "labels":
        return list(model_of_outputs.labels_.tolist())
    return [f"{second} against {first}" for first, second in model.classes_[model_of_outputs.pairs_].tolist()]


def has_odds(model: Fitted) -> bool:
    """Whether the score is the log odds of one class against one other.

    Example:
        >>> from polytome import LogisticRegression, Perceptron
        >>> has_odds(LogisticRegression().fit([[0], [1]], [0, 1])), has_odds(Perceptron().fit([[0.0], [1.0]], [0, 1]))
        (True, False)
    """
    return model.outputs == "classes" and model.has_probabilities and model.coef_.shape[0] == 1


def largest_coefficients(model: Fitted, most: int = 5) -> list[Coefficient]:
    """The coefficients of the largest effect, for each class in order; zeros are left out, and the
    ones of an offset, ties ordered by name.

    The effect is the change of the score where the feature grows by one standard deviation among
    the training rows: per unit, a level that hardly any row has would come before what differs
    among all of them. Models without a record of their training, and those of earlier files, rank
    by coefficients.

    Args:
        model: a fitted model.
        most: the most coefficients for each class.

    Returns:
        For two classes the coefficients of the second; for more, those of every class, or other
        output.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]], ["no", "yes", "yes"])
        >>> [(found.label, found.feature, round(found.odds_ratio)) for found in largest_coefficients(model)]
        [('yes', 'feature_0', 2)]
    """
    names, against = feature_names(model), levels_against(model)
    binary = has_odds(model)
    found = []
    coefficients = np.array(np.atleast_2d(dense_coefficients(model)))
    coefficients[:, list(offset_places(model))] = 0.0  # these were not learned
    record = source_of(model).training
    deviation = None if record is None else record.deviation
    for label, row in zip(output_names(model), coefficients, strict=True):
        effects = row if deviation is None else row * deviation
        for j in largest(np.abs(effects), most, names):
            if row[j] != 0:
                with np.errstate(over="ignore"):
                    odds_ratio = float(np.exp(row[j])) if binary else None
                per_deviation = None if deviation is None else float(effects[j])
                found.append(Coefficient(label, names[j], float(row[j]), odds_ratio, against[j], per_deviation))
    return found


def contributions(model: Fitted, X: Any, reference: ArrayLike | None = None) -> Contributions:
    """Split scores into what each feature adds,
    `score(x) = score(reference) + sum_j coef_j (x_j - reference_j)`.

    With the column means as reference these are the Shapley values of a linear score with
    independent features.

    Args:
        model: a fitted classifier with one score per class, or one for two classes.
        X: (n, d) rows, dense or sparse. The result has n times d numbers for each output.
        reference: (d,) the row to measure from; by default the means of the training data if the
            model has a record of them, else zeros. Of a column of text the default is an empty
            text, so that only terms that occur contribute.

    Raises:
        DataError: X cannot be used; the message names the place.
        ArgumentError: the reference has another number of features or is not finite, or the scores
            of the model do not belong to classes.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> found = contributions(model, [[2.5]], reference=[1.5])
        >>> found.labels, bool(np.allclose(found.scores, model.decision_function([[2.5]])))
        (('yes',), True)

    Reference: Lundberg and Lee, "A unified approach to interpreting model predictions", NeurIPS
    2017, section 4.
    """
    refuse_other_scores(model)
    rows = dense_rows(model, X)
    start = _reference(model, reference)
    coef, intercept = calibrated_coefficients(model, dense_coefficients(model), model.intercept_)
    return Contributions(
        feature_names(model),
        tuple(model.classes_.tolist()),
        (rows - start)[:, None, :] * coef,
        coef @ start + intercept,
        start,
    )


def dense_rows(model: Fitted, X: Any) -> Array:
    """Checked rows as a float64 array, whatever their storage."""
    rows = checked_rows(model, X)
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, dtype=np.float64)


def _reference(model: Fitted, reference: ArrayLike | None) -> Array:
    """The row from which contributions are measured."""
    if reference is None:
        record = source_of(model).training
        reference = np.zeros(model.n_features_in_) if record is None else _without_texts(model, record.mean)
    start = np.asarray(reference, dtype=np.float64)
    if start.shape != (model.n_features_in_,) or not np.isfinite(start).all():
        raise ArgumentError(
            f"reference has shape {start.shape}: needs {model.n_features_in_} finite numbers, one for each feature"
        )
    return start


def _without_texts(model: Fitted, means: Array) -> Array:
    """The means of features, those of the terms of a text being zero."""
    encoder = source_of(model).encoder
    if encoder is None or not encoder.has_text:
        return means
    is_term = np.repeat([column.kind == "text" for column in encoder.columns], [c.width for c in encoder.columns])
    return np.where(is_term, 0.0, means)


def cells_of(encoder: Encoder, row: Array) -> dict[str, float | str]:
    """A row as it was in its table, by the names that `Contributions.by_column` gives: the level of
    each category instead of zeros and ones, and of a text the number of each of its terms.

    Args:
        encoder: of the model.
        row: (d,) features.

    Example:
        >>> columns = (Column("age", "number"), Column("colour", "category", ("blue", "red")))
        >>> cells_of(Encoder(columns, None, missing="error", unknown="zero"), np.array([25.0, 0.0, 0.0]))
        {'age': 25.0, 'colour': 'none of its levels'}
    """
    cells: dict[str, float | str] = {}
    for name, columns, start, end in _together(encoder):
        column, part = columns[0], row[start:end]
        if column.term is not None and column.term.kind in ("levels", "spline"):
            cells[name] = cells[column.term.of[0]]  # the number, which says more than what is made of it
        elif column.terms is not None:
            names = column.feature_names
            cells |= {names[j]: float(part[j]) for j in np.flatnonzero(part)}
        elif column.kind == "number":
            cells[column.name] = float(part[0])
        else:
            cells[column.name] = column.level_of(part) or "none of its levels"
    return cells


def _together(encoder: Encoder) -> list[tuple[str, tuple[Column, ...], int, int]]:
    """What is shown as one: a column, or all that a spline or a product adds; its name, its
    columns, and its first feature and the one after its last."""
    found, start = [], 0
    titled = groupby(encoder.columns, lambda column: column.name if column.term is None else column.term.title)
    for name, group in titled:
        columns = tuple(group)
        end = start + sum(column.width for column in columns)
        found.append((name, columns, start, end))
        start = end
    return found


def first_features(columns: Sequence[Column]) -> Array:
    """The first feature of each column."""
    widths = [column.width for column in columns]
    return np.cumsum([0, *widths[:-1]])


def refuse_other_scores(model: Fitted) -> None:
    """Raises ArgumentError for models whose scores belong to pairs of classes or to independent
    labels."""
    if model.outputs != "classes":
        raise ArgumentError(
            f"model is a {type(model).__name__}, which has no score for each class: use LogisticRegression or OneVsRest"
        )
