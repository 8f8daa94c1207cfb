"""What would change a prediction: for each column, the smallest change to it alone that puts a row
into another class.

Scores are linear: moving feature j by t moves the lead of the predicted class c over a rival k by
`t (coef_cj - coef_kj)`. The class changes where the first lead becomes zero in either direction; a
little further, by the rounding of the scores, it has changed with certainty, for exact scores and
for those that a model computes. Beyond that point no value in that direction restores the class,
since the rows of one class are a convex set.

Reference:
    Wachter, Mittelstadt and Russell, "Counterfactual explanations without opening the black box",
    Harvard Journal of Law and Technology 31 (2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from polytome.certificates.rounding import growth
from polytome.errors import ArgumentError
from polytome.evaluation.explain import dense_rows, feature_names, first_features, refuse_other_scores
from polytome.evaluation.ordering import largest
from polytome.models.calibration import calibrated_coefficients, calibration_of
from polytome.models.decision import decision_of
from polytome.models.fitted import nameless
from polytome.models.fitted_source import source_of
from polytome.models.predictions import dense_coefficients
from polytome.tables.encoder import Column

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

Array = NDArray[Any]

__all__ = ["Flip", "smallest_flips"]

_BLOCK_ENTRIES = 2**21
_LARGEST = 1e300  # a part of a score beyond which scores may overflow


class Flip(NamedTuple):
    """The smallest change of one feature of a row, with the others unchanged, that changes the
    predicted class."""

    feature: str
    """The name of the feature, or of the column that holds a category."""
    value: float | str | None
    """Its current value; None if no level of the category is set."""
    flipped: float | str | None
    """Another level, or the nearest number that the model certainly puts into another class: where
    both classes have the same score, and beyond it by no more than the rounding of scores. None if
    no value in the range does so."""
    label: Any
    """The class beyond; None if there is none."""
    size: float
    """The size of the change as a share of the feature's range in training, or in the feature's own
    unit if the range is unknown; 1 for another level, infinity if no change does so."""
    rounded: float | str | None
    """`flipped` for a reader: of the same class, and beyond it by at most a hundredth of the
    change, in as few digits as that takes. For a category, the level."""


def smallest_flips(model: Fitted, x: Any, most: int | None = None) -> list[Flip]:
    """For each feature of one row, the smallest change to it alone that changes the predicted
    class.

    Changes stay within the range of the feature in training (widened to the current value) if the
    model has a record of it. For a category each other level is tried, and each level that changes
    the class is a separate flip. A column of text has none.

    Args:
        model: a fitted classifier with one score per class, or one for two classes.
        x: the row, (d,) or (1, d), dense or sparse.
        most: the most flips to return; None for all.

    Returns:
        Sorted by size, ties by name, features that cannot change the class alone last.

    Raises:
        DataError: x cannot be used; the message names the place.
        ArgumentError: x is more than one row, the scores of the model do not belong to classes, or
            costs or a table of probabilities decide which one is predicted.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> flip = smallest_flips(model, [2.5])[0]
        >>> flip.feature, flip.value, round(flip.flipped, 9), flip.label, model.predict([[flip.flipped]]).item()
        ('feature_0', 2.5, 1.5, 'no', 'no')
    """
    refuse_other_scores(model)
    if (rule := decision_of(model)) is not None and rule.costs is not None:
        raise ArgumentError(
            "model.decision_ is a rule of costs: where it changes its class, no difference of two scores says; set it "
            "to None for the most probable class"
        )
    if (calibration := calibration_of(model)) is not None and calibration.is_table:
        raise ArgumentError(
            "model.calibration_ is a table: where it changes the class, no difference of two scores says; set it to "
            "None for the scores of the fit"
        )
    here = _Here.of(model, _one_row(model, x))
    encoder = source_of(model).encoder
    columns = [Column(name, "number") for name in feature_names(model)] if encoder is None else list(encoder.columns)
    flips = _number_flips(here, columns, most) + _level_flips(here, columns)
    if encoder is not None and encoder.has_terms:
        # A change of these would change what is made of them, too.
        moved = {name for column in columns if column.term for name in (column.name, *column.term.of)}
        flips = [flip for flip in flips if flip.feature not in moved]
    return [flips[j] for j in _smallest([flip.size for flip in flips], most, [flip.feature for flip in flips])]


def _smallest(sizes: ArrayLike, most: int | None, names: Sequence[str]) -> Array:
    """Positions of the smallest changes: those whose reciprocals are the largest."""
    with np.errstate(divide="ignore"):
        return largest(1 / np.asarray(sizes, dtype=np.float64), most, names)


@dataclass(frozen=True)
class _Here:
    """A row and its model, with one row of coefficients for each class."""

    model: Fitted
    row: Array
    coef: Array
    intercept: Array
    predicted: int

    @classmethod
    def of(cls, model: Fitted, row: Array) -> _Here:
        coef, intercept = calibrated_coefficients(model, dense_coefficients(model), model.intercept_)
        if len(coef) == 1:  # the first class has the score 0
            coef, intercept = np.vstack([np.zeros_like(coef), coef]), np.concatenate([[0.0], intercept])
        if (rule := decision_of(model)) is not None and rule.costs is None:
            intercept = intercept - np.array([0.0, rule.log_odds])  # a cut-off is where this score is 0
        model = nameless(model)
        return cls(model, row, coef, intercept, model.classes_.tolist().index(model.predict(row[None]).tolist()[0]))

    def rounding(self, beside: Array) -> Array:
        """The largest error of each score, (K, n), where one feature adds as much as `beside` to
        its size."""
        size = np.abs(self.coef) @ np.abs(self.row) + np.abs(self.intercept)
        return 2 * growth(len(self.row) + 4) * (size[:, None] + beside)

    def classes_at(self, at: Array, values: Array) -> list[Any]:
        """The class of the row with one feature after the other moved to a value."""
        found: list[Any] = []
        size = max(1, _BLOCK_ENTRIES // len(self.row))
        for start in range(0, len(at), size):
            part = slice(start, start + size)
            rows = np.tile(self.row, (len(at[part]), 1))
            rows[np.arange(len(rows)), at[part]] = values[part]
            found += self.model.predict(rows).tolist()
        return found

    def surely_beyond(self, at: Array, direction: float) -> Array:
        """The nearest value of some features, in one direction, at which a rival is ahead by more
        than scores are rounded; infinite where there is none."""
        rivals = np.delete(np.arange(len(self.coef)), self.predicted)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            leads = (self.coef[self.predicted] - self.coef[rivals]) @ self.row
            leads = np.maximum(leads + (self.intercept[self.predicted] - self.intercept[rivals]), 0.0)[:, None]
            gains = direction * (self.coef[np.ix_(rivals, at)] - self.coef[self.predicted, at])
            distances = np.where(gains > 0, leads / gains, np.inf)
            # The part of the feature itself grows with the distance, which is a little longer than
            # to the crossing.
            parts = 2 * np.abs(self.coef[:, at]) * (np.abs(self.row[at]) + distances.min(axis=0))
            off = self.rounding(np.where(np.isfinite(parts), parts, 0.0))
            off = 2 * (off[self.predicted] + off[rivals])
            moved = self.row[at] + direction * np.where(gains > 0, (leads + off) / gains, np.inf).min(axis=0)
            moved = np.where(np.abs(self.coef[:, at]).max(axis=0) * np.abs(moved) < _LARGEST, moved, direction * np.inf)
        least = np.nextafter(self.row[at], direction * np.inf)
        found: Array = np.maximum(moved, least) if direction > 0 else np.minimum(moved, least)
        return found


def _number_flips(here: _Here, columns: Sequence[Column], most: int | None) -> list[Flip]:
    """The nearest flip of each number, in either direction and within its range; those of least
    size."""
    of_numbers = [column.kind == "number" for column in columns]
    at = first_features(columns)[of_numbers]
    names = [column.name for column in columns if column.kind == "number"]
    values, (low, high) = here.row[at], _range(here.model, at)
    span = high - low
    low, high = np.minimum(low, values), np.maximum(high, values)
    up, down = here.surely_beyond(at, 1.0), here.surely_beyond(at, -1.0)
    up[up > high], down[down < low] = np.inf, -np.inf
    flipped = np.where(up - values <= values - down, up, down)
    size = np.abs(flipped - values) / np.where(np.isfinite(span) & (span > 0), span, 1.0)
    chosen = _smallest(size, most, names)
    found = chosen[np.isfinite(flipped[chosen])]
    short = np.array([_shortened(values[j], flipped[j], low[j], high[j]) for j in found])
    labels = here.classes_at(at[found], flipped[found])
    beyond = here.classes_at(at[found], short)
    # If a third class follows at once, the short number would belong to it.
    rounded = np.where([one == other for one, other in zip(labels, beyond, strict=True)], short, flipped[found])
    flips = [
        Flip(names[j], float(values[j]), float(flipped[j]), label, float(size[j]), shown)
        for j, label, shown in zip(found.tolist(), labels, rounded.tolist(), strict=True)
    ]
    return flips + [Flip(names[j], float(values[j]), None, None, np.inf, None) for j in chosen[len(found) :].tolist()]


def _shortened(value: float, flipped: float, low: float, high: float) -> float:
    """The number of fewest digits at or beyond `flipped`, by a hundredth of the change at most,
    within the range."""
    context = Context(rounding=ROUND_CEILING if flipped > value else ROUND_FLOOR)
    exact, change = Decimal(repr(float(flipped))), abs(flipped - value)
    place = max(exact.adjusted() + 1, Decimal(repr(float(change))).adjusted())
    while place > int(exact.as_tuple().exponent):
        short = float(exact.quantize(Decimal((0, (1,), place)), context=context))
        if abs(short - flipped) <= 0.01 * change and low <= short <= high:
            return short
        place -= 1
    return float(flipped)


def _level_flips(here: _Here, columns: Sequence[Column]) -> list[Flip]:
    """Each other level of each category that changes the class."""
    flips = []
    label_now = here.model.classes_.tolist()[here.predicted]
    scores = here.coef @ here.row + here.intercept
    for column, start in zip(columns, first_features(columns), strict=True):
        if column.kind != "category":
            continue
        block = slice(start, start + column.width)
        now, coef = column.level_of(here.row[block]), column.by_level(here.coef[:, block])
        moved = (scores - here.coef[:, block] @ here.row[block])[:, None] + coef
        off = here.rounding(np.abs(coef)).max(axis=0)
        # The model is evaluated only where a rival comes close.
        rivals = np.delete(moved, here.predicted, axis=0).max(axis=0)
        near = np.flatnonzero(~(moved[here.predicted] - rivals > 4 * off))
        if column.steps:
            rows = np.tile(here.row, (len(near), 1))
            rows[:, block] = column.features_of_levels()[near]
            labels = here.model.predict(rows).tolist() if len(near) else []
        else:
            without = here.row.copy()
            without[block] = 0.0
            # A feature of each level and what it is there; a reference has zeros alone.
            values = column.by_level(np.ones(column.width))
            at = column.by_level(np.arange(column.width, dtype=np.float64)).astype(int)
            labels = replace(here, row=without).classes_at(start + at[near], values[near])
        levels = [column.levels[k] for k in near]
        found = [
            Flip(column.name, now, level, label, 1.0, level)
            for level, label in zip(levels, labels, strict=True)
            if level != now and label != label_now
        ]
        flips += found or [Flip(column.name, now, None, None, np.inf, None)]
    return flips


def _one_row(model: Fitted, x: Any) -> Array:
    """The row as (d,) float64."""
    rows = x if sparse.issparse(x) or np.ndim(x) > 1 else np.asarray(x)[None]
    if np.shape(rows)[0] != 1:
        raise ArgumentError(f"x has {np.shape(rows)[0]} rows: give the one row whose flips are wanted")
    row: Array = dense_rows(model, rows)[0]
    return row


def _range(model: Fitted, at: Array) -> tuple[Array, Array]:
    """The least and the greatest value of some features in training; infinite where there is no
    record."""
    record = source_of(model).training
    if record is None:
        return np.full(len(at), -np.inf), np.full(len(at), np.inf)
    return np.asarray(record.low, dtype=np.float64)[at], np.asarray(record.high, dtype=np.float64)[at]
