"""Averaged stochastic steps without a step size to choose: many coefficients.

The steps are AdaGrad's, in units of the size of each column. From the second pass on, the gradient
of the last pass takes the noise out of them (SVRG). Classes whose rows have ceased to come are
represented by those of their rows that are kept, or by the mean of their rows and the variance of
the columns.

References: Duchi, Hazan and Singer, Adaptive subgradient methods for online learning and stochastic
optimization, JMLR 12, 2011; Johnson and Zhang, Accelerating stochastic gradient descent using
predictive variance reduction, NeurIPS 2013; Polyak and Juditsky, Acceleration of stochastic
approximation by averaging, SIAM Journal on Control and Optimization 30, 1992.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.numerics import softmax
from polytome.rows.identities import Seen
from polytome.solvers.running_batch import Batch, column_sums
from polytome.solvers.running_kept import Kept
from polytome.solvers.running_quadratic import Quadratic

Array = NDArray[Any]

__all__ = [
    "FIRST_SQUARES_OF_PASSES",
    "ROWS_PER_STEP",
    "Steps",
    "first_steps",
    "grown",
    "grown_steps",
    "overdue_shares",
    "step_along",
    "steps_of",
    "with_columns",
]

ROWS_PER_STEP = 100
"""Rows of which the gradient of a step is made."""
_STEP = 0.15  # the first step of a coefficient, over the size of its column
_SCORE_STEP = 20.0  # the most that first steps move the scores of a row
_USUAL_ENTRIES = 10.0  # of a usual column, that count for each
_AVERAGE_POWER = 3  # the weight of a step in the average: the number of rows before it, to this power
FIRST_SQUARES_OF_PASSES = 1e-2
"""The share of the squares so far that is kept when the gradient of a pass takes the noise away."""
_MISSED_ROWS = 20.0  # how many rows of a class must be overdue for it to be represented by its mean
_MOST_SPREAD = 100.0  # of scores: beyond it all of the gradient is one class's


@dataclass(frozen=True)
class Steps:
    """Stochastic steps, and sums that stand for rows that have gone.

    Attributes:
        iterate: coefficients after the last step.
        squares: sums of squared gradients, of the same shape.
        clock: rows that steps were made of.
        averaged: the same since the average began.
        entries: of each column, how many are not zero, (n_features + 1,).
        column_squares: of each column, the sum of its squares.
        class_sums: of each class and column, the weighted sum, (n_outputs, n_features + 1).
        last_seen: of each class, the clock when its last row came.
        anchor: coefficients at which the whole gradient is known; (0, 0) if it is at none.
        gradient: the mean gradient there.
    """

    iterate: Array
    squares: Array
    clock: float
    averaged: float
    entries: Array
    column_squares: Array
    class_sums: Array
    last_seen: Array
    anchor: Array = field(default_factory=lambda: np.zeros((0, 0)))
    gradient: Array = field(default_factory=lambda: np.zeros((0, 0)))


def step_along(
    model: Steps,
    average: Array,
    batch: Batch,
    rows: Array,
    ridge: Array,
    seen: Seen,
    class_weight: Array,
    kept: Kept | None,
    *,
    counts: bool,
) -> tuple[Steps, Array]:
    """One step, and the average after it."""
    objective, weight = batch.objective(len(class_weight), rows), batch.weight[rows]
    if counts:
        model = with_columns(model, batch.dense_or_sparse(rows), batch, rows)
    clock = model.clock + len(rows)
    present = np.bincount(batch.codes[rows], minlength=len(class_weight)) > 0
    last_seen = np.where(present, clock, model.last_seen)
    # A row counts by its weight, as compared with the mean weight so far.
    share = seen.n_rows / seen.weight * float(weight.sum()) / len(rows)
    overdue = overdue_shares(replace(model, clock=clock, last_seen=last_seen), class_weight, kept)
    share *= 1 - overdue.sum()
    replayed = overdue * _trust(model, class_weight, kept)
    again = kept.objective(replayed, batch, int(clock) // ROWS_PER_STEP) if kept and replayed.any() else None

    def estimated(W: Array) -> Array:
        found: Array = objective.value_and_gradient(W)[1] * share
        if again is not None:
            found += again.value_and_gradient(W)[1] * replayed.sum()
        if (overdue > replayed).any():
            found += _of_means(model, W, overdue - replayed, batch.fit_intercept)
        return found

    gradient = estimated(model.iterate)
    if model.anchor.size and (kept is not None or not overdue.any()):
        gradient += model.gradient - estimated(model.anchor)
    # Steps are those of centred columns: the intercept's is then the only one in the direction of
    # the means.
    means = _column_means(model) if batch.fit_intercept else np.zeros(len(gradient) - 1)
    gradient[:-1] -= np.outer(means, gradient[-1])
    gradient += ridge / seen.weight * model.iterate
    squares = model.squares + gradient * gradient
    first = min(_STEP, _SCORE_STEP * model.entries[-1] / model.entries.sum())
    reach = (first / _sizes(model))[:, None]
    step = np.divide(reach * gradient, np.sqrt(squares), out=np.zeros_like(gradient), where=squares > 0)
    step[-1] -= means @ step[:-1]
    iterate = model.iterate - step
    averaged = model.averaged + len(rows)
    # The sum of t^p up to `averaged` is about averaged^(p + 1) / (p + 1).
    newest = min(1.0, (_AVERAGE_POWER + 1) * len(rows) / averaged)
    average = average + newest * (iterate - average)
    model = replace(model, iterate=iterate, squares=squares, clock=clock, averaged=averaged, last_seen=last_seen)
    return model, average


def overdue_shares(model: Steps, class_weight: Array, kept: Kept | None) -> Array:
    """The share of each class whose rows have ceased to come, and whose mean is known, or some of
    its rows; 0 of the others."""
    shares = class_weight / class_weight.sum()
    missed = shares * (model.clock - model.last_seen) >= _MISSED_ROWS
    known = (model.class_sums[:, -1] > 0) | (kept is not None)
    result: Array = np.where(missed & known, shares, 0.0)
    return result


def _trust(model: Steps, class_weight: Array, kept: Kept | None) -> Array:
    """How far the rows that are kept stand for those of their class, from 0 to 1, and not its mean
    and the variances: few rows are told apart by anything, and more than a row has entries are
    not."""
    if kept is None:
        return np.zeros(len(class_weight))
    counts = kept.counts(len(class_weight))
    weight = np.bincount(kept.codes, kept.weight, len(class_weight))
    entries = model.entries[:-1].sum() / model.entries[-1]
    whole = (weight >= class_weight * (1 - 1e-9)) | (model.class_sums[:, -1] == 0)
    return np.where(whole, 1.0, counts / (counts + entries))


def _sizes(model: Steps) -> Array:
    """The root mean square of the entries of each column that are not 0, some entries of a usual
    column added: a few small ones say little about how large others will be."""
    found = model.entries > 0
    usual = np.median(model.column_squares[found] / model.entries[found])
    sizes: Array = np.sqrt((model.column_squares + _USUAL_ENTRIES * usual) / (model.entries + _USUAL_ENTRIES))
    return sizes


def _column_means(model: Steps) -> Array:
    """The weighted mean of each column."""
    sums = model.class_sums.sum(axis=0)
    means: Array = sums[:-1] / (sums[-1] or 1.0)
    return means


def _of_means(model: Steps, W: Array, shares: Array, fit_intercept: bool) -> Array:
    """The gradient of classes whose rows no longer come, from their means and the variance of the
    columns.

    Were the columns of a class independent and normal, this would be the gradient of a bound on its
    mean loss, `log sum_k exp(mean scores_k + variance of scores_k / 2)` with scores as compared
    with the class's own.
    """
    weight = model.class_sums[:, -1:]
    means = model.class_sums / np.where(weight > 0, weight, 1.0)
    mean_square = (weight * means * means).sum(axis=0) / weight.sum()
    variance = np.maximum(model.column_squares / model.entries[-1] - mean_square, 0.0)[:, None]
    gradient = np.zeros_like(W)
    for k in np.flatnonzero(shares):
        difference = W - W[:, [k]]
        spread = np.minimum((variance * difference * difference).sum(axis=0) / 2, _MOST_SPREAD)
        p = softmax((means[k] @ difference + spread)[None, :], axis=1)[0]
        of_class = p * (means[k][:, None] + np.where(spread < _MOST_SPREAD, variance * difference, 0.0))
        of_class[:, k] = 0.0
        of_class[:, k] = -of_class.sum(axis=1)
        gradient += shares[k] * of_class
    if not fit_intercept:
        gradient[-1] = 0.0
    return gradient


def with_columns(model: Steps, X: Any, batch: Batch, rows: Array) -> Steps:
    """With what further rows say about the columns, and the classes' parts of them."""
    weight, codes = batch.weight[rows], batch.codes[rows]
    squares, entries, _ = column_sums(X)
    sums = model.class_sums.copy()
    for k in np.unique(codes):
        own = codes == k
        sums[k, :-1] += weight[own] @ X[own]
        sums[k, -1] += weight[own].sum()
    return replace(
        model,
        entries=model.entries + np.append(entries, len(rows)),
        column_squares=model.column_squares + np.append(squares, len(rows)),
        class_sums=sums,
    )


def first_steps(coefficients: Array) -> Steps:
    """Before the first step."""
    side, n_outputs = coefficients.shape
    columns, classes = np.zeros(side), np.zeros((n_outputs, side))
    return Steps(coefficients, np.zeros_like(coefficients), 0.0, 0.0, columns, columns, classes, np.zeros(n_outputs))


def steps_of(model: Quadratic, W: Array, seen: Seen) -> Steps:
    """Steps that go on from a quadratic model and its coefficients, as if they had made it."""
    if not seen.n_rows:
        return first_steps(W)
    diagonal = model.hessian.diagonal().reshape(W.T.shape).T
    n_rows, squares = float(seen.n_rows), model.gram.diagonal() * seen.n_rows / seen.weight
    # The mean square of a gradient is about the curvature; a step's is that of the mean of some
    # rows.
    return Steps(
        W,
        diagonal / ROWS_PER_STEP**2,
        n_rows,
        n_rows,
        np.full(len(W), n_rows),
        squares,
        model.gram[-1:] if W.shape[1] == 1 else np.zeros(W.T.shape),
        np.full(W.shape[1], n_rows),
    )


def grown(W: Array, columns: int, classes: int) -> Array:
    """With zeros for further columns, before the intercept, and for further classes."""
    wider = np.insert(W, [len(W) - 1] * columns, 0.0, axis=0)
    return np.concatenate([wider, np.zeros((len(wider), classes))], axis=1)


def grown_steps(model: Steps, columns: int, classes: int) -> Steps:
    """With further columns and classes; with a class the average begins anew, and no gradient is
    known."""
    at = [len(model.entries) - 1] * columns
    last_seen = np.append(model.last_seen, np.full(classes, model.clock))
    sums = np.insert(model.class_sums, at, 0.0, axis=1)
    return Steps(
        grown(model.iterate, columns, classes),
        grown(model.squares, columns, classes),
        model.clock,
        0.0 if classes else model.averaged,
        np.insert(model.entries, at, 0.0),
        np.insert(model.column_squares, at, 0.0),
        np.concatenate([sums, np.zeros((classes, sums.shape[1]))]),
        last_seen,
    )
