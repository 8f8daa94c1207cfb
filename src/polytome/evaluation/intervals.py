"""The uncertainty of a number that was computed from a sample of rows: 95 % intervals.

Each describes what other samples of as many rows, drawn in the same way, would have given. The
model is held fixed: the intervals do not cover that another training set would have given another
model. Shares have Wilson's interval; means of one number per row have Student's, and so have
differences between a model and the null model on the same rows (paired, so that what makes a row
hard for both cancels). With weights an interval is as wide as that of as many rows of equal weight
as Kish's effective number, `(sum w)^2 / sum w^2`: it does not depend on the unit of the weights.

References:
    Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927); Brown, Cai and DasGupta, "Interval estimation for a
    binomial proportion", Statistical Science 16 (2001): why Wilson's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from polytome.errors import ArgumentError, DataError

Array = NDArray[Any]

__all__ = [
    "ClassQuality",
    "Estimate",
    "Mean",
    "Quality",
    "class_qualities",
    "mean_interval",
    "quality",
    "student_interval",
    "weighted_share",
    "wilson_interval",
]


class Estimate(NamedTuple):
    """A number from a sample, and the ends of its interval; NaN where the sample does not allow
    one."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Quality:
    """A model on rows with known labels, beside the null model on the same rows.

    Attributes:
        n_rows: how many rows.
        accuracy: share of the rows that were predicted correctly.
        accuracy_gain: accuracy minus that of the most frequent class.
        log_loss: mean of minus the log-probability of the true class, in nats.
        log_loss_gain: log loss of the null model minus log loss, in nats: positive where the model
            is better.
    """

    n_rows: int
    accuracy: Estimate
    accuracy_gain: Estimate
    log_loss: Estimate
    log_loss_gain: Estimate


@dataclass(frozen=True)
class ClassQuality:
    """How well one class is recognised.

    Attributes:
        label: the class.
        n_rows: rows of the class; with weights, their sum.
        n_predicted: rows that were predicted as the class; with weights, their sum.
        precision: share of rows of the class, among the rows predicted as it.
        recall: share of rows predicted as the class, among the rows of the class.
        f1: harmonic mean of the two; NaN where the class neither occurs nor is predicted.
    """

    label: Any
    n_rows: float
    n_predicted: float
    precision: Estimate
    recall: Estimate
    f1: float


def wilson_interval(successes: float, n: float, level: float = 0.95) -> Estimate:
    """A share with Wilson's interval: the values that a score test would not reject.

    Args:
        successes: how often it happened.
        n: of how many times; with 0 nothing is known.
        level: how often the interval is to cover the true share, between 0 and 1.

    Raises:
        ArgumentError: there are more successes than times, or the level is not between 0 and 1.

    Example:
        >>> print(*(round(number, 3) for number in wilson_interval(0, 10)))
        0.0 0.0 0.278
    """
    if not 0 <= successes <= n:
        raise ArgumentError(f"successes={successes}: needs a number from 0 to n={n}")
    if n == 0:
        return Estimate(np.nan, 0.0, 1.0)
    z = _normal_quantile(level)
    share, room = successes / n, z**2 / n
    middle = (share + room / 2) / (1 + room)
    half = z / (1 + room) * np.sqrt(share * (1 - share) / n + room / (4 * n))
    # At the ends the formula gives 0 and 1, apart from rounding.
    low = 0.0 if successes == 0 else float(middle - half)
    return Estimate(share, low, 1.0 if successes == n else float(middle + half))


def mean_interval(values: Array, level: float = 0.95, weight: Array | None = None) -> Estimate:
    """A mean with Student's interval.

    Args:
        values: one per row, shape (n,).
        level: how often the interval is to cover the true mean, between 0 and 1.
        weight: of each row; None for equal ones.

    Example:
        >>> print(*(round(number, 3) for number in mean_interval(np.array([1.0, 2.0, 3.0]))))
        2.0 -0.484 4.484
    """
    values = np.asarray(values, dtype=np.float64)
    if weight is not None:
        mean = Mean()
        mean.add(values, weight)
        return mean.interval(level)
    spread = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    return student_interval(float(values.mean()), spread / np.sqrt(len(values)), len(values), level)


def student_interval(mean: float, standard_error: float, n: float, level: float = 0.95) -> Estimate:
    """A mean with Student's interval, from its standard error.

    Args:
        mean: of n rows.
        standard_error: of this mean.
        n: how many rows; with weights, the effective number.
        level: how often the interval is to cover the true mean, between 0 and 1.

    Example:
        >>> print(*(round(number, 3) for number in student_interval(2.0, 0.5, 10)))
        2.0 0.869 3.131
    """
    if not n > 1:
        return Estimate(mean, np.nan, np.nan)
    half = float(special.stdtrit(n - 1, (1 + _checked_level(level)) / 2)) * standard_error
    return Estimate(mean, mean - half, mean + half)


def quality(
    codes: Array, log_probabilities: Array, predicted: Array | None = None, weight: Array | None = None
) -> Quality:
    """Accuracy and log loss with intervals, and what the model gains over the null model of the
    same rows.

    Args:
        codes: true classes as positions, shape (n,).
        log_probabilities: natural logarithms, shape (n, K).
        predicted: predicted classes as positions, shape (n,); None for the most probable ones.
        weight: of each row, shape (n,); None for equal ones.

    Example:
        >>> found = quality(np.array([0, 0, 1, 1]), np.log([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.6, 0.4]]))
        >>> found.accuracy.value, found.accuracy_gain.value, round(found.log_loss_gain.value, 3)
        (0.75, 0.25, 0.191)
    """
    n_rows = len(codes)
    counts = np.bincount(codes, weight)
    right = (log_probabilities.argmax(axis=1) if predicted is None else predicted) == codes
    null_right = codes == counts.argmax()
    loss = -log_probabilities[np.arange(n_rows), codes]
    with np.errstate(divide="ignore"):
        null_loss = -np.log(counts / counts.sum())[codes]
    if weight is not None:  # a class whose rows have no weight would be infinitely improbable
        null_loss = np.where(weight > 0, null_loss, 0.0)
    accuracy = wilson_interval(int(right.sum()), n_rows)
    if weight is not None:
        accuracy = weighted_share(float(weight[right].sum()), float(weight.sum()), float((weight**2).sum()))
    mean_loss = mean_interval(loss, weight=weight)
    return Quality(
        n_rows=n_rows,
        accuracy=accuracy,
        accuracy_gain=mean_interval(right.astype(np.float64) - null_right, weight=weight),
        log_loss=mean_loss._replace(low=max(0.0, mean_loss.low)),  # a log loss is never negative
        log_loss_gain=mean_interval(null_loss - loss, weight=weight),
    )


def class_qualities(confusion: Array, classes: Array, squares: Array | None = None) -> list[ClassQuality]:
    """Precision, recall and F1 of each class, shares with Wilson's interval.

    Args:
        confusion: counts or weights of rows, shape (K, K), true classes in rows.
        classes: their labels, shape (K,).
        squares: sums of squared weights, shape (K, K), which say how many rows of equal weight the
            intervals are as wide as; None where each row has the weight 1.

    Example:
        >>> found = class_qualities(np.array([[8, 2], [1, 9]]), np.array(["cat", "dog"]))[0]
        >>> found.label, round(found.precision.value, 3), found.recall.value, round(found.f1, 3)
        ('cat', 0.889, 0.8, 0.842)
    """
    squares = confusion if squares is None else squares
    right, n_rows, n_predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    of_rows, of_predicted = squares.sum(axis=1), squares.sum(axis=0)
    return [
        ClassQuality(
            label,
            n_rows[k].item(),
            n_predicted[k].item(),
            weighted_share(right[k], n_predicted[k], of_predicted[k]),
            weighted_share(right[k], n_rows[k], of_rows[k]),
            float(2 * right[k] / (n_rows[k] + n_predicted[k])) if n_rows[k] + n_predicted[k] else np.nan,
        )
        for k, label in enumerate(classes.tolist())
    ]


def weighted_share(right: float, total: float, squares: float) -> Estimate:
    """A share of the weight of rows with Wilson's interval for Kish's effective number of rows,
    `total^2 / squares`.

    Args:
        right: the weight of the rows where it happened.
        total: the weight of all rows; with 0 nothing is known.
        squares: the sum of their squared weights.

    Example:
        >>> weighted_share(6.0, 12.0, 24.0) == wilson_interval(3, 6)
        True

    Reference:
        Kish, "Survey Sampling" (1965).
    """
    if not total > 0:
        return wilson_interval(0, 0)
    n = total if total == squares else total**2 / squares
    share = min(right / total, 1.0)
    return wilson_interval(right if total == squares else share * n, n)._replace(value=float(share))


class Mean:
    """A weighted mean of one number per row, added up over pieces of rows.

    Example:
        >>> mean = Mean()
        >>> mean.add(np.array([1.0, 2.0, 3.0]), np.ones(3))
        >>> print(*(round(number, 3) for number in mean.interval()))
        2.0 -0.484 4.484
    """

    def __init__(self) -> None:
        self._sums = np.zeros(5)

    def add(self, values: Array, weight: Array) -> None:
        """Count some rows."""
        squares = weight**2
        self._sums += [
            weight.sum(),
            (weight * values).sum(),
            squares.sum(),
            (squares * values).sum(),
            (squares * values**2).sum(),
        ]

    @property
    def value(self) -> float:
        """The mean."""
        if not self._sums[0] > 0:
            raise DataError("every row has the weight 0: at least one row must count")
        return float(self._sums[1] / self._sums[0])

    @property
    def n_effective(self) -> float:
        """Kish's effective number of rows, `(sum w)^2 / sum w^2`."""
        return float(self._sums[0] ** 2 / self._sums[2])

    @property
    def standard_error(self) -> float:
        """Of the mean, `sqrt(sum w^2 (x - mean)^2) / sum w` times `sqrt(n / (n - 1))`, n the
        effective number of rows; NaN for a single one."""
        total, _, squares, first, second = self._sums
        spread, n = max(second - 2 * self.value * first + self.value**2 * squares, 0.0), self.n_effective
        return float(np.sqrt(spread * n / (n - 1)) / total) if n > 1 else float("nan")

    def interval(self, level: float = 0.95) -> Estimate:
        """The mean with Student's interval."""
        return student_interval(self.value, self.standard_error, self.n_effective, level)


def _normal_quantile(level: float) -> float:
    """The z of a two-sided level."""
    return float(special.ndtri((1 + _checked_level(level)) / 2))


def _checked_level(level: float) -> float:
    """A level, after checking that it is between 0 and 1."""
    if not 0 < level < 1:
        raise ArgumentError(f"level={level!r}: needs a number between 0 and 1")
    return level
