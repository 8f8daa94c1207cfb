"""Which predictions are settled: proved to be the same at the exact minimum as they are at the fit.

Let P be the objective, `lambda` the strength of its L2 penalty (0 without one), `(W, b)` the fit,
`(W*, b*)` the minimum, and `p_i` and `p*_i` the distributions that they predict for row i of the
training data. The gradient vanishes at the minimum, and the loss is the log-partition function
minus a linear function of the scores, so that exactly

    P - P*  =  lambda/2 ||W - W*||^2  +  sum_i s_i KL(p*_i || p_i) / S,

W belonging to the columns as the penalty sees them (one of weight w divided by the root of w as
well). The certificate's gap bounds the left side, hence both terms on the right. Three things
follow, and no more than these is claimed here.

1. By Pinsker's inequality the total variation between `p_i` and `p*_i` is at most `sqrt(gap / 2)`
   on average over the training rows.
2. Row i of training can have another class at the minimum only if `KL(p*_i || p_i)` is at least
   `-log(1 - (sqrt(p_k) - sqrt(p_l))^2)`, k and l its two most probable classes: no distribution
   under which k is not the single most probable class is closer. All these costs are paid from one
   budget, `S gap`.
3. For any row x the difference of two scores moves by at most `sqrt(2) ||x - m|| B`, with B the
   certificate's `coefficient_bound` (without the first factor where there is one output for two
   classes), plus what it moves by at the point m, the mean of training. That part belongs to the
   intercept: were it large, the same difference would have moved in many rows of training, and the
   sum of their divergences would exceed the budget; `centre_bounds` finds where it does.

All of this is about float64 numbers, so rounding is accounted for. The gap bounds the left side for
the coefficients as they are returned, its own rounding included. A score is a sum of d products and
the intercept, in any order, so a log-probability is off by at most
`growth(2 (d + K + 40)) (1 + K + max_k (|x| |w_k| + |b_k|))`, which `prediction_rounding` finds: the
score's own error twice over, and the exponentials and logarithms made of the scores. Leads are
compared, and costs computed, with the probabilities moved by that much to the unfavourable side.
Lengths, radius and budget are sums and products of positive numbers, which n roundings leave within
a factor of `1 + growth(n)`: they are made larger by it. Where the length of a sparse row is a
difference of large numbers, the rounding of these is added. m can be any point, so that of the mean
does not matter. What leaves the range of float64 is infinite or NaN and settles nothing.

Where only some columns have a penalty, the first two remain: the identity holds with the norm of
the penalised coefficients. Without any they do too, where the gap is proved. Coefficients are then
bounded where the curvature shows that there is one minimum; if some only grow, the distributions
converge all the same, to those that solve the dual problem, and these are `p*_i`.

References:
    Csiszar, "I-divergence geometry of probability distributions and minimization problems", Annals
    of Probability 3 (1975); Cover and Thomas, "Elements of Information Theory" (2006), section 11.6
    (Pinsker's inequality); Higham, "Accuracy and Stability of Numerical Algorithms" (2002), chapter
    3 (growth of rounding errors).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

Array = NDArray[Any]

__all__ = [
    "centre_bounds",
    "centred_lengths",
    "cost_of_change",
    "mean_variation_bound",
    "most_changes",
    "prediction_rounding",
    "score_radius",
    "settled_rows",
    "settled_scores",
]

_MOST_CLASSES = 200
_PAIRS_TIMES_ROWS = 500_000
_BLOCK_ENTRIES = 2**20
_ELEMENTARY = 40
"""Roundings that stand for the elementary functions between scores and a cost."""
_EXPONENT = 1000
"""Roundings that stand for an exponential: its argument is rounded, and is at most 745 where it is
not 0."""


def mean_variation_bound(gap: float) -> float:
    """`sqrt(gap / 2)`: a bound on the average difference of the training rows' probabilities from
    the optimal ones.

    Args:
        gap: the proved gap, in nats.

    Returns:
        A bound on the mean total variation, the largest difference in the probability of any set of
        classes.

    Example:
        >>> round(mean_variation_bound(2e-4), 9)
        0.01
    """
    return float(min(1.0, np.sqrt(gap / 2) * (1 + _growth(4))))


def prediction_rounding(coef: Array, intercept: Array, X: Any) -> Array:
    """How far rounding can bring each log-probability of a row from that of its exact scores, shape
    (n,).

    Args:
        coef: coefficients as they are returned, shape (n_outputs, d).
        intercept: the same, shape (n_outputs,).
        X: rows, array or sparse matrix, shape (n, d).

    Example:
        >>> bool(prediction_rounding(np.array([[2.0]]), np.array([1.0]), np.array([[1e9]]))[0] < 1e-4)
        True
    """
    n_outputs, d = coef.shape
    n_classes = max(n_outputs, 2)
    coef, intercept = np.abs(coef).T, np.abs(intercept)
    largest = np.empty(X.shape[0])
    with np.errstate(over="ignore", invalid="ignore"):
        for part in _parts(X):
            scores = np.asarray(abs(X[part].astype(np.float64)) @ coef) + intercept
            largest[part] = scores.max(axis=1)
        found: Array = _growth(2 * (d + n_classes + _ELEMENTARY)) * (1 + n_classes + largest)
    return found


def cost_of_change(log_probabilities: Array, rounding: Array) -> Array:
    """`-log(1 - (sqrt(p_k) - sqrt(p_l))^2)`: the divergence that a change of the most probable
    class needs, in nats.

    Args:
        log_probabilities: predicted, shape (n, K), K at least 2.
        rounding: how far they may be off, from `prediction_rounding`, shape (n,).

    Returns:
        Shape (n,): lower bounds on the divergence needed.

    Example:
        >>> cost_of_change(np.log([[0.5, 0.5], [0.9, 0.1]]), np.zeros(2)).round(3)
        array([0.   , 0.511])
    """
    ordered = np.sort(log_probabilities, axis=1)
    first, second = ordered[:, -1] - rounding, ordered[:, -2] + rounding
    difference = np.maximum(np.exp(first / 2) - np.exp(second / 2) - _growth(_EXPONENT), 0.0)
    # The remainder to 1, as a sum: near 1 the difference of the roots would cancel.
    with np.errstate(over="ignore"):
        others = np.exp(ordered[:, :-2] + rounding[:, None]).sum(axis=1)
        left = others + 2 * np.exp((ordered[:, -1] + ordered[:, -2]) / 2 + rounding) + np.finfo(np.float64).tiny
    cost: Array = np.maximum(difference**2, -np.log(left * (1 + _growth(log_probabilities.shape[1] + _EXPONENT))))
    return np.where(difference > 0, cost * (1 - _growth(_ELEMENTARY)), 0.0)


def most_changes(cost: Array, weight: Array, budget: float) -> int:
    """The largest number of rows whose weighted costs can be paid from a budget: the cheapest ones.

    Args:
        cost: of each row, shape (n,).
        weight: of each row.
        budget: `S gap`.

    Example:
        >>> most_changes(np.array([3.0, 1.0, 2.0]), np.ones(3), 3.5)
        2
    """
    with np.errstate(invalid="ignore"):
        paid = np.cumsum(np.sort(np.where(weight > 0, weight * cost, 0.0)))
    return int(np.searchsorted(paid, budget * (1 + _growth(len(paid) + 4)), side="right"))


def score_radius(coefficient_bound: float, n_outputs: int) -> float:
    """How far a difference of two scores may move for each unit of a row's norm.

    Args:
        coefficient_bound: the certificate's, which bounds how far W is from the optimal
            coefficients.
        n_outputs: 1, or the number of classes; with more than one the difference of two columns of
            W counts, and its length is at most sqrt(2) times that of all of W.

    Example:
        >>> round(score_radius(2.0, n_outputs=1), 9)
        2.0
    """
    return float(np.sqrt(2 if n_outputs > 1 else 1) * coefficient_bound * (1 + _growth(4)))


def centred_lengths(X: Any, centre: Array, divisor: Array) -> Array:
    """`||(x - m) / divisor||` of each row, or a little more, shape (n,).

    Args:
        X: array or sparse matrix, shape (n, d).
        centre: m, shape (d,).
        divisor: of each column, shape (d,).

    Example:
        >>> centred_lengths(np.array([[3.0, 8.0]]), np.zeros(2), np.array([1.0, 2.0])).round(9)
        array([5.])
    """
    n_rows, d = X.shape
    more = 1 + _growth(2 * d + 16)
    with np.errstate(over="ignore", invalid="ignore"):
        if sparse.issparse(X):
            matrix: Any = X
            scaled: Any = sparse.csr_array(matrix.astype(np.float64).multiply(1 / divisor))
            scaled.sum_duplicates()
            middle = centre / divisor
            of_rows, of_middle = scaled.multiply(scaled).sum(axis=1), middle @ middle
            squares = of_rows - 2 * (scaled @ middle) + of_middle
            terms = of_rows + 2 * (abs(scaled) @ np.abs(middle)) + of_middle
            found: Array = np.sqrt(np.maximum(squares, 0.0) + (more - 1) * terms) * more
            return found
        lengths = np.empty(n_rows)
        for part in _parts(X):
            lengths[part] = np.linalg.norm((X[part].astype(np.float64) - centre) / divisor, axis=1)
    return lengths * more


def centre_bounds(log_probabilities: Array, reach: Array, weight: Array, budget: float, rounding: Array) -> Array:
    """How far the difference of each two scores may move at the centre of the rows.

    If it moves by c there, it moves by at least `a_i = c - reach_i` in row i, which costs at least
    `M (1 - exp(-a^2/2 f(|o| + a)))`: M the probability of the two classes together, o their log
    odds, f the density of the logistic distribution, a at most 2. The bound is the c at which these
    costs, weighted, exceed the budget.

    Args:
        log_probabilities: of the training rows, shape (n, K).
        reach: how far the difference of two scores may move in each row relative to the centre,
            shape (n,).
        weight: of each row, shape (n,).
        budget: `S gap`.
        rounding: how far the log-probabilities may be off, shape (n,).

    Returns:
        (K, K), symmetric, zero on the diagonal, infinite where nothing is proved; (0, 0) for more
        than 200 classes.

    Example:
        >>> balanced = np.log(np.full((1000, 2), 0.5))
        >>> centre_bounds(balanced, np.zeros(1000), np.ones(1000), 1e-3, np.zeros(1000)).round(4)
        array([[0.    , 0.0028],
               [0.0028, 0.    ]])
    """
    n_rows, n_classes = log_probabilities.shape
    if n_classes > _MOST_CLASSES:
        return np.zeros((0, 0))
    first, second = np.triu_indices(n_classes, 1)
    most_rows = int(np.clip(_PAIRS_TIMES_ROWS // len(first), 50, 4096))
    rows = np.unique(np.linspace(0, n_rows - 1, min(n_rows, most_rows)).astype(int))  # fewer rows prove less, not wrong
    one, two = log_probabilities[rows][:, first].T, log_probabilities[rows][:, second].T
    off, reach = rounding[rows], reach[rows]
    odds, together = np.abs(one - two) + 2 * off, np.exp(np.logaddexp(one, two) - off) * weight[rows]
    budget *= 1 + _growth(len(rows) + 4 * _EXPONENT)

    def cost(move: Array) -> Array:
        with np.errstate(invalid="ignore"):
            excess = np.clip(move[:, None] - reach, 0.0, 2.0)
        tail = np.exp(-(odds + excess))
        total: Array = (-together * np.expm1(-(excess**2) / 2 * tail / (1 + tail) ** 2)).sum(axis=1)
        return total

    low, high = np.zeros(len(first)), np.full(len(first), float(reach.max()) + 2.0)
    unknown = ~(cost(high) > budget)
    for _ in range(30):
        middle = (low + high) / 2
        beyond = cost(middle) > budget
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    bounds = np.zeros((n_classes, n_classes))
    bounds[first, second] = bounds[second, first] = np.where(unknown, np.inf, high)
    return bounds


def settled_scores(log_probabilities: Array, reach: Array, bounds: Array, rounding: Array) -> NDArray[np.bool_]:
    """Which rows have one score that no other can overtake.

    Args:
        log_probabilities: shape (n, K); their differences are those of the scores.
        reach: how far the difference of two scores may move relative to the centre, shape (n,).
        bounds: how far it may move at the centre, from `centre_bounds`.
        rounding: how far the log-probabilities may be off, from `prediction_rounding`, shape (n,).

    Example:
        >>> bounds = np.array([[0.0, 0.1], [0.1, 0.0]])
        >>> settled_scores(np.log([[0.4, 0.6], [0.52, 0.48]]), np.array([0.1, 0.1]), bounds, np.zeros(2))
        array([ True, False])
    """
    if bounds.size == 0:
        return np.zeros(len(log_probabilities), dtype=np.bool_)
    top, rows = log_probabilities.argmax(axis=1), np.arange(len(log_probabilities))
    lead = log_probabilities[rows, top][:, None] - log_probabilities - (1 + _growth(4)) * bounds[top]
    lead[rows, top] = np.inf
    settled: NDArray[np.bool_] = lead.min(axis=1) > (1 + _growth(8)) * reach + 2 * rounding
    return settled


def settled_rows(model: Fitted, X: Any) -> NDArray[np.bool_]:
    """Which rows, new or not, are proved to get the same class at the exact minimum, by the model's
    cut-off if it has one.

    Args:
        model: with a record of its training (`training_`), which holds the bounds at the centre.
        X: features, shape (n, d).

    Returns:
        Shape (n,); all false where nothing is proved, for example where no finite coefficients are
        optimal, or where costs or a table of probabilities decide.

    Example:
        >>> from polytome.files.sources import fit_source, open_source
        >>> from polytome.models.logistic import LogisticRegression
        >>> iris = open_source("iris")
        >>> int(settled_rows(fit_source(LogisticRegression(), iris), iris.X).sum())
        150
    """
    from polytome.models.calibration import calibration_of
    from polytome.models.decision import decision_of
    from polytome.models.features import checked_rows
    from polytome.models.fitted_source import source_of
    from polytome.models.predictions import dense_coefficients

    log_probabilities, certificate, record = model.predict_log_proba(X), model.certificate_, source_of(model).training
    if record is None or record.centre_bounds.size == 0:
        return np.zeros(len(log_probabilities), dtype=np.bool_)
    shift = np.zeros(len(model.classes_))
    if (rule := decision_of(model)) is not None:
        if rule.costs is not None:  # no difference of two scores decides
            return np.zeros(len(log_probabilities), dtype=np.bool_)
        shift[1] = rule.log_odds
    if (calibration := calibration_of(model)) is not None:
        if calibration.is_table:
            return np.zeros(len(log_probabilities), dtype=np.bool_)
        # Corrected scores times the temperature are those of the fit with shifts of their own.
        log_probabilities, shift = log_probabilities * calibration.temperature, shift * calibration.temperature
    centre = record.mean if model.objective_.fit_intercept else np.zeros_like(record.mean)
    X = checked_rows(model, X)
    coef = dense_coefficients(model)
    reach = score_radius(certificate.coefficient_bound, len(coef)) * centred_lengths(X, centre, record.divisor)
    rounding = prediction_rounding(coef, model.intercept_, X)
    rounding = rounding + _growth(_ELEMENTARY) * np.abs(shift).max()
    if calibration is not None:  # a division, a shift, and a product with the temperature
        shifts = np.abs(calibration.shifts(len(coef))).max() * calibration.temperature
        sizes = np.abs(log_probabilities).max(axis=1) + shifts
        rounding = 2 * rounding + _growth(_ELEMENTARY) * sizes
    return settled_scores(log_probabilities - shift, reach, record.centre_bounds, rounding)


def _growth(n: float) -> float:
    """That of `polytome.certificates.rounding`, imported late: writing sentences does not need its
    arithmetic."""
    from polytome.certificates.rounding import growth

    return growth(n)


def _parts(X: Any) -> Iterator[slice]:
    """The rows of a matrix, a few megabytes at a time."""
    size = max(1, _BLOCK_ENTRIES // max(X.shape[1], 1))
    return (slice(start, start + size) for start in range(0, X.shape[0], size))
