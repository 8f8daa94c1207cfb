"""How a classifier performs at every cut-off, and in every bin of its probabilities.

Plain functions on arrays; `polytome.plots` draws what they return.

Reference:
    Murphy, "Probabilistic Machine Learning: An Introduction" (2022), section 5.1.3 (ROC and
    precision-recall curves); Brown, Cai and DasGupta, "Interval estimation for a binomial
    proportion", Statistical Science 16 (2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from polytome.errors import ArgumentError, DataError
from polytome.evaluation.measures import bin_of
from polytome.evaluation.metrics import class_codes

Array = NDArray[Any]

__all__ = [
    "Bin",
    "Curve",
    "binomial_interval",
    "calibration_bins",
    "calibration_error",
    "column_spreads",
    "confidence",
    "known_codes",
    "one_against_rest",
    "precision_recall_curve",
    "roc_curve",
    "typical_row",
]


class Bin(NamedTuple):
    """The rows whose predicted probability lies between two bounds."""

    low: float
    high: float
    n_rows: int
    mean_probability: float
    frequency: float
    """Share of its rows in which the predicted event happened."""
    lower: float
    """Lower end of the binomial interval of that share."""
    upper: float
    weight: float
    """The sum of the weights of its rows; without weights their number."""


@dataclass(frozen=True)
class Curve:
    """Two rates as the cut-off of a score falls.

    Attributes:
        x: false-positive rate, or recall; shape (m,).
        y: true-positive rate, or precision; shape (m,).
        area: area under the ROC curve, or average precision.
        share: share of the rows that belong to the class.
    """

    x: Array
    y: Array
    area: float
    share: float


def binomial_interval(successes: ArrayLike, n: ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Clopper and Pearson's interval of a share: it covers the true share with at least the given
    probability.

    Its ends are quantiles of beta distributions: `B(a; k, n - k + 1)` and `B(1 - a; k + 1, n - k)`
    with `a = (1 - level) / 2`.

    Args:
        successes: how often it happened; with weights their share of the effective number.
        n: of how many times, at least 1; with weights Kish's effective number, `(sum w)^2 / sum
            w^2`.
        level: the least probability of covering.

    Returns:
        Lower and upper ends, float64.

    Example:
        >>> lower, upper = binomial_interval(0, 10)
        >>> print(lower, upper.round(3))
        0.0 0.308

    Reference:
        Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of
        the binomial", Biometrika 26 (1934).
    """
    k, n = np.asarray(successes, np.float64), np.asarray(n, np.float64)
    tail = (1 - level) / 2
    some, less = np.where(k > 0, k, 1.0), np.where(k < n, k, n - 1)
    lower = np.where(k > 0, betaincinv(some, n - some + 1, tail), 0.0)
    upper = np.where(k < n, betaincinv(less + 1, n - less, 1 - tail), 1.0)
    return lower, upper


def calibration_bins(
    happened: ArrayLike, probabilities: ArrayLike, bins: int = 10, sample_weight: ArrayLike | None = None
) -> tuple[Bin, ...]:
    """Rows in bins of equal width by predicted probability: predicted probabilities beside observed
    frequencies.

    Args:
        happened: booleans, shape (n,).
        probabilities: predicted, shape (n,).
        bins: how many; an empty one is left out.
        sample_weight: of each row, shape (n,); None for equal ones. Rows of weight 0 count nowhere.

    Raises:
        DataError: the lengths differ, there are no rows, or a probability is outside [0, 1].
        ArgumentError: `bins` is less than 1.

    Example:
        >>> (low, high) = calibration_bins([False, True, True], [0.1, 0.8, 0.9], bins=2)
        >>> low.n_rows, high.n_rows, round(high.mean_probability, 2), high.frequency
        (1, 2, 0.85, 1.0)
    """
    event, p = np.asarray(happened, bool), np.asarray(probabilities, np.float64)
    if event.shape != p.shape or p.ndim != 1 or not p.size:
        raise DataError(f"happened, probabilities: shapes {event.shape} and {p.shape}; give one of each for each row")
    if not ((p >= 0) & (p <= 1)).all():
        raise DataError("probabilities: one is outside [0, 1]; give probabilities, not scores")
    if bins < 1:
        raise ArgumentError(f"bins={bins}: give at least 1")
    weight = _weights_of(sample_weight, event)
    event, p, weight = event[weight > 0], p[weight > 0], weight[weight > 0]
    edges = np.linspace(0, 1, bins + 1)
    place = bin_of(p, bins)
    n = np.bincount(place, minlength=bins)
    hits, total, sums, squares = (
        np.bincount(place, values, minlength=bins) for values in (weight * event, weight * p, weight, weight**2)
    )
    found = []
    for j in np.flatnonzero(n):
        share, effective = hits[j] / sums[j], sums[j] ** 2 / squares[j]
        lower, upper = map(float, binomial_interval(share * effective, effective))
        mean, weight_of_bin = float(total[j] / sums[j]), float(sums[j])
        bounds = float(edges[j]), float(edges[j + 1])
        found.append(Bin(*bounds, int(n[j]), mean, float(share), lower, upper, weight_of_bin))
    return tuple(found)


def _weights_of(sample_weight: ArrayLike | None, rows: Array) -> Array:
    """A weight for each row, 1 where there are none."""
    if sample_weight is None:
        return np.ones(len(rows))
    weight = np.asarray(sample_weight, np.float64)
    if weight.shape != rows.shape:
        raise DataError(f"sample_weight has shape {weight.shape}: give one weight for each of {len(rows)} rows")
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.any()):
        raise DataError("sample_weight: give finite numbers of 0 and more, not all 0")
    return weight


def calibration_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error `sum_b n_b |f_b - p_b| / n`, between 0 and 1, with the weights
    of rows in the place of their numbers where there are some.

    Args:
        bins: from `calibration_bins`.

    Example:
        >>> round(calibration_error(calibration_bins([False, True, True], [0.1, 0.8, 0.9], bins=2)), 4)
        0.1333

    Reference:
        Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
        binning", AAAI (2015).
    """
    n = sum(each.weight for each in bins)
    return sum(each.weight * abs(each.frequency - each.mean_probability) for each in bins) / n


def confidence(codes: Array, probabilities: Array) -> tuple[Array, Array]:
    """Whether the most probable class of each row is the true one, and its probability.

    Args:
        codes: true classes as positions, shape (n,).
        probabilities: shape (n, K).

    Example:
        >>> confidence(np.array([0, 0]), np.array([[0.75, 0.25], [0.5, 0.5]]))
        (array([ True,  True]), array([0.75, 0.5 ]))
    """
    return probabilities.argmax(axis=1) == codes, probabilities.max(axis=1)


def roc_curve(belongs: ArrayLike, scores: ArrayLike, sample_weight: ArrayLike | None = None) -> Curve:
    """The receiver operating characteristic: true- against false-positive rate as the cut-off
    falls.

    Its area is the probability that a row of the class has a higher score than a row of another
    class.

    Args:
        belongs: whether each row belongs to the class, shape (n,).
        scores: higher for the class, shape (n,).
        sample_weight: of each row, shape (n,); None for equal ones.

    Raises:
        DataError: all rows are of the class, or none is.

    Example:
        >>> roc_curve([False, True, True], [0.1, 0.4, 0.8]).area
        1.0

    Reference:
        Hanley and McNeil, "The meaning and use of the area under a receiver operating
        characteristic curve", Radiology 143 (1982).
    """
    from sklearn import metrics

    truth, scores, weight = _both_kinds(belongs, scores, sample_weight)
    false_positives, true_positives, _ = metrics.roc_curve(truth, scores, sample_weight=weight)
    area = float(metrics.auc(false_positives, true_positives))
    return Curve(false_positives, true_positives, area, _share(truth, weight))


def precision_recall_curve(belongs: ArrayLike, scores: ArrayLike, sample_weight: ArrayLike | None = None) -> Curve:
    """Precision against recall as the cut-off falls; the area is the average precision
    `sum (R_k - R_(k-1)) P_k`.

    Args:
        belongs: whether each row belongs to the class, shape (n,).
        scores: higher for the class, shape (n,).
        sample_weight: of each row, shape (n,); None for equal ones.

    Raises:
        DataError: all rows are of the class, or none is.

    Example:
        >>> curve = precision_recall_curve([False, True, True], [0.1, 0.4, 0.8])
        >>> curve.area, curve.x.tolist()
        (1.0, [0.0, 0.5, 1.0, 1.0])

    Reference:
        Davis and Goadrich, "The relationship between precision-recall and ROC curves", ICML (2006):
        why points are not joined by straight lines.
    """
    from sklearn import metrics

    truth, scores, weight = _both_kinds(belongs, scores, sample_weight)
    precision, recall, _ = metrics.precision_recall_curve(truth, scores, sample_weight=weight)
    area = float(metrics.average_precision_score(truth, scores, sample_weight=weight))
    return Curve(recall[::-1], precision[::-1], area, _share(truth, weight))


def _share(truth: Array, weight: Array | None) -> float:
    return float(truth.mean() if weight is None else weight[truth].sum() / weight.sum())


def _both_kinds(
    belongs: ArrayLike, scores: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Array, Array, Array | None]:
    """Checked; rows of weight 0 are left out."""
    truth, scores = np.asarray(belongs, bool), np.asarray(scores, np.float64)
    if truth.shape != scores.shape or truth.ndim != 1:
        raise DataError(f"belongs, scores: shapes {truth.shape} and {scores.shape}; give one of each for each row")
    weight = None
    if sample_weight is not None:
        weight = _weights_of(sample_weight, truth)
        counts = weight > 0
        truth, scores, weight = truth[counts], scores[counts], weight[counts]
    if truth.all() or not truth.any():
        kind = "every row is" if truth.size and truth.all() else "no row is"
        raise DataError(f"{kind} of the class: its rates need rows of both kinds")
    return truth, scores, weight


def one_against_rest(model: Any, X: Any, y: Any) -> dict[Any, tuple[Array, Array]]:
    """For each class whether each row belongs to it, and the model's score for it.

    Args:
        model: any fitted classifier of scikit-learn's kind with `decision_function` or
            `predict_proba`.
        X: features, shape (n, d).
        y: labels, shape (n,); each must be a class of the model.

    Returns:
        label -> (booleans, scores); with two classes, only for the second. A class without rows is
        left out.

    Raises:
        ArgumentError: the model has no scores.
        DataError: a label is not one of the model's classes.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> X = np.array([[0.0], [1.0], [2.0]])
        >>> model = LogisticRegression().fit(X, ["no", "yes", "yes"])
        >>> truth, scores = one_against_rest(model, X, ["no", "yes", "yes"])["yes"]
        >>> truth
        array([False,  True,  True])
    """
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(model)
    codes = known_codes(y, model.classes_)
    two, has_scores = len(model.classes_) == 2, hasattr(model, "decision_function")
    if not (has_scores or hasattr(model, "predict_proba")):
        raise ArgumentError(f"model is a {type(model).__name__}, which has no scores: labels alone cannot rank rows")
    if has_scores and (two or not hasattr(model, "predict_proba")):
        scores = np.asarray(model.decision_function(X))
        scores = np.column_stack([-scores, scores]) if two else scores
    else:
        scores = np.asarray(model.predict_proba(X))
    first = 1 if two else 0
    return {
        label: (codes == k, scores[:, k])
        for k, label in enumerate(model.classes_.tolist())
        if k >= first and (codes == k).any()
    }


def known_codes(y: Any, classes: Array) -> Array:
    """The position of each label among the classes.

    Raises:
        DataError: a label is not one of them.
    """
    codes = class_codes(np.asarray(y), np.asarray(classes))
    if not codes.size:
        raise DataError("y is empty: give at least one row")
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise DataError(f"y[{row}] = {np.asarray(y)[row]!r} is not one of the model's classes; leave such rows out")
    return codes


def typical_row(X: Any) -> Array:
    """The median of each column, shape (d,): a row from which one or two features are moved.

    The median of a column of zeros and ones is a possible value (or, in a tie, one half), which its
    mean seldom is.

    Args:
        X: shape (n, d): an array, a frame, or a sparse matrix.

    Example:
        >>> typical_row([[0, 1.0], [0, 2.0], [1, 9.0]])
        array([0., 2.])
    """
    if hasattr(X, "tocsc"):
        from sklearn.utils.sparsefuncs import csc_median_axis_0

        return np.asarray(csc_median_axis_0(X.tocsc().astype(np.float64)))
    return np.asarray(np.median(np.asarray(X, dtype=np.float64), axis=0))


def column_spreads(X: Any) -> Array:
    """The standard deviation of each column, shape (d,).

    Args:
        X: shape (n, d): an array, a frame, or a sparse matrix.

    Example:
        >>> column_spreads([[0, 1.0], [2, 1.0]])
        array([1., 0.])
    """
    if hasattr(X, "tocsr"):
        from sklearn.utils.sparsefuncs import mean_variance_axis

        return np.asarray(np.sqrt(mean_variance_axis(X.tocsr().astype(np.float64), axis=0)[1]))
    return np.asarray(np.std(np.asarray(X, dtype=np.float64), axis=0))
