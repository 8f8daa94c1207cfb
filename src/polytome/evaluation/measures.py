"""Measures of predictions from a table of confusion, from probabilities, or from a ranking of rows;
each takes weights of rows.

What scikit-learn has under the same name is equal. Of two classes F1 and average precision are
those of the positive class; of more all but the calibration error are means over classes that
occur, each class against all others.

Reference:
    Hand and Till, "A simple generalisation of the area under the ROC curve for multiple class
    classification problems", Machine Learning 45 (2001); Matthews, "Comparison of the predicted and
    observed secondary structure of T4 phage lysozyme", Biochimica et Biophysica Acta 405 (1975);
    Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78
    (1950).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.evaluation.intervals import Mean
from polytome.evaluation.ranked_counts import RankedCounts, Ranking

Array = NDArray[Any]

__all__ = [
    "CALIBRATION_BINS",
    "Tally",
    "balanced_accuracy",
    "bin_of",
    "brier_scores",
    "f1",
    "matthews",
    "ranking",
    "top_places",
]

CALIBRATION_BINS = 10
"""How many bins of equal width the calibration error has."""
_MOST_ROWS, _MOST_SCORES = 2**20, 2**22
"""So many are kept to be ranked exactly; of more, rows are counted by the size of their score."""
_TOPS = (2, 3, 5, 10)


def balanced_accuracy(confusion: Array) -> float:
    """The mean over the classes that occur of the share of their rows that is recognised.

    Args:
        confusion: counts or weights, shape (K, K), true classes in rows.

    Example:
        >>> balanced_accuracy(np.array([[8, 2], [1, 1]]))
        0.65
    """
    totals = confusion.sum(axis=1)
    present = totals > 0
    return float((np.diag(confusion)[present] / totals[present]).mean())


def f1(confusion: Array, positive: int | None = None) -> float:
    """`2 P R / (P + R)` of precision and recall: of one class, or the mean over the classes that
    occur or are predicted.

    Args:
        confusion: counts or weights, shape (K, K), true classes in rows.
        positive: the place of the class; None for the mean.

    Example:
        >>> round(f1(np.array([[8, 2], [1, 9]]), 1), 4)
        0.8571
    """
    right, both = np.diag(confusion), confusion.sum(axis=1) + confusion.sum(axis=0)
    if positive is not None:
        return float(2 * right[positive] / both[positive]) if both[positive] else 0.0
    present = both > 0
    return float((2 * right[present] / both[present]).mean())


def matthews(confusion: Array) -> float:
    """Matthews' correlation coefficient of true and predicted classes: 0 for any constant
    prediction, 1 if all are right.

    Args:
        confusion: counts or weights, shape (K, K), true classes in rows.

    Example:
        >>> round(matthews(np.array([[8, 2], [1, 9]])), 4)
        0.7035
    """
    counts = np.asarray(confusion, dtype=np.float64)
    total, true, predicted = counts.sum(), counts.sum(axis=1), counts.sum(axis=0)
    covariance = np.trace(counts) * total - true @ predicted
    spread = (total**2 - true @ true) * (total**2 - predicted @ predicted)
    return float(covariance / np.sqrt(spread)) if spread > 0 else 0.0


def brier_scores(codes: Array, probabilities: Array) -> Array:
    """The squared error of each row's probabilities, shape (n,): of two classes that of one, of
    more the sum over the classes.

    Args:
        codes: true classes as positions, shape (n,).
        probabilities: shape (n, K).

    Example:
        >>> brier_scores(np.array([0, 1]), np.array([[0.5, 0.5], [0.0, 1.0]]))
        array([0.25, 0.  ])
    """
    rows, n_classes = np.arange(len(codes)), probabilities.shape[1]
    if n_classes == 2:
        wrong: Array = probabilities[rows, 1 - codes] ** 2  # the other one: 1 - p would cancel
        return wrong
    of_true = probabilities[rows, codes]
    errors: Array = (probabilities**2).sum(axis=1) - of_true**2 + (1 - of_true) ** 2
    return errors


def ranking(belongs: Array, scores: Array, weight: Array | None = None) -> Ranking:
    """The area under the ROC curve and the average precision `sum (R_k - R_(k-1)) P_k`.

    Args:
        belongs: whether each row belongs to the class, shape (n,).
        scores: higher for the class, shape (n,).
        weight: of each row; None for equal ones.

    Returns:
        Both; NaN where the rows of one kind have no weight.

    Example:
        >>> found = ranking(np.array([False, True, True]), np.array([0.1, 0.4, 0.8]))
        >>> found.auc, found.average_precision
        (1.0, 1.0)
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(order) - 1)
    weights = np.ones(len(order)) if weight is None else weight[order]
    hits = np.cumsum(np.where(belongs[order], weights, 0.0))[last]
    misses = np.cumsum(np.where(belongs[order], 0.0, weights))[last]
    if not (hits[-1] > 0 and misses[-1] > 0):
        return Ranking(np.nan, np.nan)
    new_hits, new_misses = np.diff(hits, prepend=0.0), np.diff(misses, prepend=0.0)
    area = (new_misses * (hits - new_hits / 2)).sum() / (hits[-1] * misses[-1])
    rows = hits + misses
    precision = np.divide(hits, rows, out=np.zeros_like(hits), where=rows > 0)
    return Ranking(float(area), float((new_hits * precision).sum() / hits[-1]))


def bin_of(probabilities: Array, bins: int) -> NDArray[np.intp]:
    """The bin of equal width that each probability lies in, counted from 0; a bin has its upper
    end.

    Args:
        probabilities: shape (n,).
        bins: how many.

    Example:
        >>> bin_of(np.array([0.0, 0.5, 0.51]), 2)
        array([0, 0, 1])
    """
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], probabilities)


def top_places(n_classes: int) -> tuple[int, ...]:
    """The k of the top-k accuracies that say something of so many classes.

    Example:
        >>> top_places(3), top_places(10), top_places(100)
        ((), (2, 3), (2, 3, 5, 10))
    """
    return tuple(k for k in _TOPS if 2 * k < n_classes)


class Tally:
    """What a model's probabilities are worth, added up over pieces of rows.

    Args:
        n_classes: K; of two the second is the positive one.

    Example:
        >>> tally = Tally(2)
        >>> tally.add(np.array([0, 1]), np.log([[0.8, 0.2], [0.4, 0.6]]), np.ones(2))
        >>> round(tally.brier_score, 3), tally.rankings().auc, round(tally.calibration_error, 3)
        (0.1, 1.0, 0.3)
    """

    def __init__(self, n_classes: int) -> None:
        self._n_classes = n_classes
        self.loss = Mean()
        self._squares = Mean()
        self._bins = np.zeros((3, CALIBRATION_BINS))
        self._within = np.zeros(n_classes)
        self._kept: list[tuple[Array, Array, Array]] = []
        self._n_kept = 0
        self._counts: list[RankedCounts] | None = None

    def add(self, codes: Array, log_probabilities: Array, weight: Array) -> None:
        """Count some rows.

        Args:
            codes: true classes as positions, shape (n,).
            log_probabilities: shape (n, K).
            weight: of each row.
        """
        own = log_probabilities[np.arange(len(codes)), codes]
        self.loss.add(-own, weight)
        probabilities = np.exp(log_probabilities)
        self._squares.add(brier_scores(codes, probabilities), weight)
        if self._n_classes == 2:
            happened, predicted = codes == 1, probabilities[:, 1]
        else:
            happened, predicted = log_probabilities.argmax(axis=1) == codes, probabilities.max(axis=1)
        place = bin_of(predicted, CALIBRATION_BINS)
        for j, values in enumerate((weight, weight * predicted, weight * happened)):
            self._bins[j] += np.bincount(place, values, CALIBRATION_BINS)
        if top_places(self._n_classes):
            before = (log_probabilities > own[:, None]).sum(axis=1)
            self._within += np.bincount(before, weight, self._n_classes)
        self._keep(codes, log_probabilities, weight)

    def _keep(self, codes: Array, log_probabilities: Array, weight: Array) -> None:
        scores = log_probabilities[:, [1]] if self._n_classes == 2 else log_probabilities
        self._n_kept += len(codes)
        if self._counts is None and max(self._n_kept / _MOST_ROWS, self._n_kept * scores.shape[1] / _MOST_SCORES) > 1:
            self._counts = [RankedCounts(scores.shape[1]) for _ in range(scores.shape[1])]
            for each in self._kept:
                self._count(*each)
            self._kept = []
        if self._counts is None:
            self._kept.append((codes, scores, weight))
        else:
            self._count(codes, scores, weight)

    def _count(self, codes: Array, scores: Array, weight: Array) -> None:
        """Count rows by the size of their scores, class by class."""
        assert self._counts is not None
        for k, counts in enumerate(self._counts):
            counts.add(codes == (1 if self._n_classes == 2 else k), scores[:, k], weight)

    @property
    def brier_score(self) -> float:
        """The mean of `brier_scores`."""
        return self._squares.value

    @property
    def calibration_error(self) -> float:
        """`sum_b w_b |f_b - p_b| / sum_b w_b` over bins of equal width: of two classes by the
        probability of the positive one, of more by that of the predicted class."""
        total, predicted, happened = self._bins
        return float(np.abs(happened - predicted).sum() / total.sum())

    @property
    def top_k(self) -> dict[int, float]:
        """For some k the share of rows whose true class is among the k most probable ones."""
        shares = np.cumsum(self._within) / max(self._within.sum(), np.finfo(float).tiny)
        return {k: float(shares[k - 1]) for k in top_places(self._n_classes)}

    def rankings(self) -> Ranking | None:
        """Of the positive class, or the mean over the classes that have rows of both kinds: exact,
        or for more than some million rows right to four decimals. None where the classes are too
        many for that, or there are no rows."""
        if self._counts is not None:
            found = [counts.ranking() for counts in self._counts]
        elif self._kept:
            codes, scores, weight = (np.concatenate(each) for each in zip(*self._kept, strict=True))
            classes = [1] if self._n_classes == 2 else range(self._n_classes)
            found = [ranking(codes == k, scores[:, place], weight) for place, k in enumerate(classes)]
        else:
            return None
        if None in found:
            return None
        known = np.array([each for each in found if each is not None and not np.isnan(each.auc)])
        return Ranking(*map(float, known.mean(axis=0))) if len(known) else Ranking(np.nan, np.nan)
