"""Which predictions are settled: proved to be the same at the exact minimum as they are at the fit.

Let P be the objective with an L2 penalty of strength `lambda`, `(W, b)` the fit, `(W*, b*)` the minimum, and `p_i` and
`p*_i` the distributions that they predict for row i of the training data. The gradient vanishes at the minimum, and
the loss is the log-partition function minus a linear function of the scores, so that exactly

    P - P*  =  lambda/2 ||W - W*||^2  +  sum_i s_i KL(p*_i || p_i) / S,

W belonging to the columns as the penalty sees them. The certificate's gap bounds the left side, hence both terms on the
right. Three things follow, and no more than these is claimed here.

1. By Pinsker's inequality the total variation between `p_i` and `p*_i` is at most `sqrt(gap / 2)` on average over
   the rows of training.
2. Row i of training can have another class at the minimum only if `KL(p*_i || p_i)` is at least
   `-log(1 - (sqrt(p_k) - sqrt(p_l))^2)`, k and l its two most probable classes: no distribution under which k is not
   the single most probable class is closer. All these costs are paid from one budget, `S gap`.
3. For any row x the difference of two scores moves by at most `sqrt(2) ||x - m|| sqrt(2 gap / lambda)` (without the
   first factor where there is one output for two classes) plus what it moves by at the point m, the mean of
   training. That part belongs to the intercept: were it large, the same difference would have moved in many rows
   of training, and the sum of their divergences would exceed the budget; `centre_bounds` finds where it does.

Rounding errors aside. Without penalty there is no such proof.

References:
    Csiszar, "I-divergence geometry of probability distributions and minimization problems", Annals of Probability 3
    (1975); Cover and Thomas, "Elements of Information Theory" (2006), section 11.6 (Pinsker's inequality).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

if TYPE_CHECKING:
    from polytome.estimators import LogisticRegression

Array = NDArray[Any]

__all__ = [
    "centre_bounds",
    "centred_lengths",
    "cost_of_change",
    "mean_variation_bound",
    "most_changes",
    "score_radius",
    "settled_rows",
    "settled_scores",
]

_MOST_CLASSES = 200
_PAIRS_TIMES_ROWS = 500_000
_BLOCK_ENTRIES = 2**20


def mean_variation_bound(gap: float) -> float:
    """`sqrt(gap / 2)`: how far the predicted probabilities of training are from the best ones, on average, at most.

    Args:
        gap: proved, in nats.

    Returns:
        A bound on the mean total variation, the largest difference in the probability of any set of classes.

    Example:
        >>> mean_variation_bound(2e-4)
        0.01
    """
    return float(min(1.0, np.sqrt(gap / 2)))


def cost_of_change(log_probabilities: Array) -> Array:
    """`-log(1 - (sqrt(p_k) - sqrt(p_l))^2)`: the divergence that a change of the most probable class needs, in nats.

    Args:
        log_probabilities: predicted, shape (n, K), K at least 2.

    Returns:
        Shape (n,); infinite where a probability is 1.

    Example:
        >>> cost_of_change(np.log([[0.5, 0.5], [0.9, 0.1]])).round(3)
        array([0.   , 0.511])
    """
    second, first = np.sort(log_probabilities, axis=1)[:, -2:].T
    difference = np.exp(first / 2) - np.exp(second / 2)
    with np.errstate(divide="ignore"):
        cost: Array = -np.log1p(-(difference**2))
    return cost


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
    return int(np.searchsorted(paid, budget, side="right"))


def score_radius(gap: float, strength: float, n_outputs: int) -> float:
    """How far a difference of two scores may move for each unit of a row's length: `sqrt(2 gap / lambda)`.

    Args:
        gap: proved, in nats.
        strength: of the penalty, positive.
        n_outputs: 1, or the number of classes; with more than one the difference of two columns of W counts, and
            its length is at most sqrt(2) times that of all of W.

    Example:
        >>> score_radius(0.02, 0.01, n_outputs=1)
        2.0
    """
    return float(np.sqrt((2 if n_outputs > 1 else 1) * 2 * gap / strength))


def centred_lengths(X: Any, centre: Array, divisor: Array) -> Array:
    """`||(x - m) / divisor||` of each row, shape (n,).

    Args:
        X: array or sparse matrix, shape (n, d).
        centre: m, shape (d,).
        divisor: of each column, shape (d,).

    Example:
        >>> centred_lengths(np.array([[3.0, 8.0]]), np.zeros(2), np.array([1.0, 2.0]))
        array([5.])
    """
    if sparse.issparse(X):
        matrix: Any = X
        scaled: Any = sparse.csr_array(matrix.astype(np.float64).multiply(1 / divisor))
        middle = centre / divisor
        squares = scaled.multiply(scaled).sum(axis=1) - 2 * (scaled @ middle) + middle @ middle
        found: Array = np.sqrt(np.maximum(squares, 0.0))
        return found
    lengths = np.empty(X.shape[0])
    size = max(1, _BLOCK_ENTRIES // max(X.shape[1], 1))
    for start in range(0, len(lengths), size):
        lengths[start : start + size] = np.linalg.norm((X[start : start + size] - centre) / divisor, axis=1)
    return lengths


def centre_bounds(log_probabilities: Array, reach: Array, weight: Array, budget: float) -> Array:
    """How far the difference of each two scores may move at the centre of the rows.

    If it moves by c there, it moves by at least `a_i = c - reach_i` in row i, which costs at least
    `M (1 - exp(-a^2/2 f(|o| + a)))`: M the probability of the two classes together, o their log-odds, f the density
    of the logistic distribution, a at most 2. The bound is the c at which these costs, weighted, exceed the budget.

    Args:
        log_probabilities: of the rows of training, shape (n, K).
        reach: how far the difference of two scores may move in each row relative to the centre, shape (n,).
        weight: of each row, shape (n,).
        budget: `S gap`.

    Returns:
        (K, K), symmetric, zero on the diagonal, infinite where nothing is proved; (0, 0) for more than 200 classes.

    Example:
        >>> balanced = np.log(np.full((1000, 2), 0.5))
        >>> centre_bounds(balanced, np.zeros(1000), np.ones(1000), 1e-3).round(4)
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
    odds, together = np.abs(one - two), np.exp(np.logaddexp(one, two)) * weight[rows]

    def cost(move: Array) -> Array:
        excess = np.clip(move[:, None] - reach[rows], 0.0, 2.0)
        tail = np.exp(-(odds + excess))
        total: Array = (-together * np.expm1(-(excess**2) / 2 * tail / (1 + tail) ** 2)).sum(axis=1)
        return total

    low, high = np.zeros(len(first)), np.full(len(first), float(reach[rows].max()) + 2.0)
    unknown = ~(cost(high) > budget)
    for _ in range(30):
        middle = (low + high) / 2
        beyond = cost(middle) > budget
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    bounds = np.zeros((n_classes, n_classes))
    bounds[first, second] = bounds[second, first] = np.where(unknown, np.inf, high)
    return bounds


def settled_scores(log_probabilities: Array, reach: Array, bounds: Array) -> NDArray[np.bool_]:
    """Which rows have one score that no other can overtake.

    Args:
        log_probabilities: shape (n, K); their differences are those of the scores.
        reach: how far the difference of two scores may move relative to the centre, shape (n,).
        bounds: how far it may move at the centre, from `centre_bounds`.

    Example:
        >>> bounds = np.array([[0.0, 0.1], [0.1, 0.0]])
        >>> settled_scores(np.log([[0.4, 0.6], [0.52, 0.48]]), np.array([0.1, 0.1]), bounds)
        array([ True, False])
    """
    if bounds.size == 0:
        return np.zeros(len(log_probabilities), dtype=np.bool_)
    top, rows = log_probabilities.argmax(axis=1), np.arange(len(log_probabilities))
    lead = log_probabilities[rows, top][:, None] - log_probabilities - bounds[top]
    lead[rows, top] = np.inf
    settled: NDArray[np.bool_] = lead.min(axis=1) > reach
    return settled


def settled_rows(model: LogisticRegression, X: Any) -> NDArray[np.bool_]:
    """Which rows, new ones or others, are proved to get the same class at the exact minimum.

    Args:
        model: with a record of its training (`training_`), which holds the bounds at the centre.
        X: features, shape (n, d).

    Returns:
        Shape (n,); all false where nothing is proved, as without penalty.

    Example:
        >>> from polytome.sources import fit_source, open_source
        >>> from polytome.estimators import LogisticRegression
        >>> iris = open_source("iris")
        >>> int(settled_rows(fit_source(LogisticRegression(), iris), iris.X).sum())
        150
    """
    from polytome.features import checked_columns

    log_probabilities, certificate, record = model.predict_log_proba(X), model.certificate_, model.training_
    if record.centre_bounds.size == 0:
        return np.zeros(len(log_probabilities), dtype=np.bool_)
    centre = record.mean if model.objective_.fit_intercept else np.zeros_like(record.mean)
    lengths = centred_lengths(checked_columns(model, X), centre, record.divisor)
    radius = score_radius(certificate.gap, certificate.strength, model.coef_.shape[0])
    return settled_scores(log_probabilities, radius * lengths, record.centre_bounds)
