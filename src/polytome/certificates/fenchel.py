"""What a penalty that is more than a sum of squares puts into a duality gap, and which coefficients
the gap proves to be zero.

Let R be the residuals of predictions that satisfy the intercept's equation, and those of columns
without a penalty, G their gradient, and B a number that the objective reaches. Losses are not
negative, so the minimum is among the coefficients V whose penalty is at most B, and with
Fenchel's inequality in every row, and for these V,

    P* >= D(R) = -sum_i s_i loss*(R_i) / S - max_V (<V, -G> - penalty(V))
    P - D      = divergence of R from the predictions
                 + penalty(W) + max_V (<V, -G> - penalty(V)) + <W, G>

The last three terms are the penalty's (`Penalty.fenchel_gap`). Because V is bounded, they are
finite where a conjugate would not be: a gradient that is a little beyond the corners of a lasso
costs a little. Of cross-entropies the dual point that is shrunk until it is within the corners
(`shrunk`) costs less, most of the time; the better of the two is taken.

*Zeros.* Losses are smooth with a constant L, so -D is strongly convex in R: the optimal residuals
R* are unique, with `sum_i s_i ||R_i - R*_i||^2 / S <= 2 L (P - D)`. Entry jk of G is therefore no
farther from that of G* than `sqrt(2 L gap)` times the deviation of column j. Where it stays inside
the corner, the coefficient is 0 at every optimum. The same holds of a group's norm: its gradient is
no farther than that times the root of the sum of its columns' squared deviations.

References: Ndiaye, Fercoq, Gramfort and Salmon, Gap safe screening rules for sparsity enforcing
penalties, Journal of Machine Learning Research 18, 2017; Boyd and Vandenberghe, Convex
Optimization, 2004, section 5.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.rounding import UNIT, Rounding, growth, rounding_of
from polytome.certificates.shrunk import expected_divergence, feasible_multiple, shrunk_divergence
from polytome.certificates.unpenalised import Equations, solve_equations
from polytome.objective import Objective
from polytome.penalties import Bounded, ElasticNet, GroupLasso

Array = NDArray[Any]

__all__ = ["DualPoint", "gap_slope", "loss_gradient", "proved_zeros", "quick_gap"]

_LATEST = "_kept_dual_point"
_SMALL_CHANGE = 1e-6  # of all predictions: where the slope of the gap is taken


@dataclass(frozen=True)
class DualPoint:
    """Predictions next to those of some coefficients, which satisfy all equations, and what they
    prove.

    Attributes:
        gradient: near theirs, (n_features, n_outputs).
        error: theirs differs from it by no more, entry by entry.
        exact: the gap that exact arithmetic would prove, but for what is left of equations.
        balanced: with what is left of equations.
        total: with rounding too, but for that of the objective and of the scores.
    """

    gradient: Array
    error: Array
    exact: float
    balanced: float
    total: float

    @classmethod
    def beside(
        cls, objective: Objective, W: Array, value: float, gradient: Array, equations: Equations | None = None
    ) -> DualPoint:
        """That beside the predictions of coefficients.

        Args:
            objective: with products in float64, and a penalty that has a rest.
            W: coefficients, shape `objective.shape`.
            value: the objective there.
            gradient: and its gradient.
            equations: those of columns without a penalty; None if there are none.
        """
        if equations is None and (latest := vars(objective).get(_LATEST)) is not None and np.array_equal(latest[0], W):
            known: DualPoint = latest[1]  # of the certificate, which its zeros ask for again
            return known
        penalty, rounding, sizes = objective.penalty, rounding_of(objective, W, value), objective.sizes
        G, largest = loss_gradient(objective, W, gradient), (value + rounding.objective) * (1 + growth(100))
        growth_factor = 1 + growth(sum(objective.shape) + 20)
        summed, centred = (each[:, None] * growth_factor for each in (sizes.summed, sizes.centred))

        def share_of_penalty(error: Array, multiple: float = 1.0) -> float:
            return penalty.fenchel_gap(W[:-1], multiple * G, error, largest)

        none = np.zeros_like(summed)
        error = 16 * UNIT * (np.abs(penalty.quadratic * W[:-1]) + np.abs(G)) + summed * rounding.balance
        exact = share_of_penalty(none)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            if equations is None:
                unbalanced = np.abs(gradient[-1])
                share = _share(objective, rounding, unbalanced)
                moved = share * _reach(objective, value) * centred
                balanced = _mixed(rounding, share) + share_of_penalty(moved)
                share = _share(objective, rounding, unbalanced + rounding.balance)
                error = error + share * _reach(objective, value) * centred
                mixed = _mixed(rounding, share)
                total = mixed + share_of_penalty(error)
                multiple = feasible_multiple(objective, G, error) if objective.loss.is_cross_entropy else 1.0
                t = 1 - multiple
                # The scores as computed are off by as much as the objective, in the mean.
                added = mixed + t * rounding.objective
                if 0 < multiple < 1 and added + share_of_penalty(error, multiple) < total:
                    divergence = shrunk_divergence(objective, W, t + UNIT, rounding.roundings)
                    added += divergence
                    if (shrunk := added + share_of_penalty(error, multiple)) < total:
                        exact = min(exact, divergence + share_of_penalty(none, multiple))
                        balanced = min(
                            balanced, divergence + _mixed(rounding, share) + share_of_penalty(moved, multiple)
                        )
                        G, total = multiple * G, shrunk
            else:
                divergence, change, summation_error = equations.changes()
                balanced = divergence + share_of_penalty(change * centred + summation_error * summed)
                divergence, change, summation_error = equations.changes(rounding)
                error = error + change * centred + summation_error * summed
                total = divergence + share_of_penalty(error)
        balanced, total = (each if each >= 0 else np.inf for each in (balanced, total))  # of NaN, nothing
        found = cls(G, error, exact, min(balanced, total), total)
        if equations is None:
            vars(objective)[_LATEST] = W.copy(), found
        return found


def _share(objective: Objective, rounding: Rounding, unbalanced: Array) -> float:
    """How much of all predictions one prediction takes the place of, so that these mean residuals
    vanish."""
    if not objective.fit_intercept:
        return 0.0
    room = np.maximum(rounding.room, 0.0)
    needed = np.divide(unbalanced, room, out=np.zeros_like(unbalanced), where=unbalanced > 0)
    share = float(needed.max()) * (1 + growth(objective.rows.n_rows))
    return share if share < 1 else np.inf


def _mixed(rounding: Rounding, share: float) -> float:
    """The divergence in nats that this takes at most."""
    return share * rounding.cost + 0.5 * share * share if share > 0 else 0.0


def _reach(objective: Objective, value: float) -> float:
    """How far, in the root mean square, one entry of a row's residuals can be from that of the
    prediction for all."""
    loss = objective.loss
    return math.sqrt(2) if loss.is_cross_entropy else 2 + math.sqrt(2 * loss.smoothness * value) * (1 + growth(8))


def loss_gradient(objective: Objective, W: Array, gradient: Array) -> Array:
    """The gradient of the loss alone with respect to the feature coefficients."""
    found: Array = gradient[:-1] - objective.penalty.quadratic * W[:-1]
    return found


def quick_gap(objective: Objective, W: Array, value: float, gradient: Array) -> float:
    """The gap as if equations were satisfied, nothing rounded, and predictions as often right as
    they say."""
    G, penalty = loss_gradient(objective, W, gradient), objective.penalty
    none = np.zeros((len(G), 1))
    gap = penalty.fenchel_gap(W[:-1], G, none, value)
    if not objective.loss.is_cross_entropy or objective.unpenalised.size:
        return gap
    multiple = feasible_multiple(objective, G)
    if not 0 < multiple < 1:
        return gap
    divergence = expected_divergence(objective, 1 - multiple, value - penalty.value(W[:-1]))
    return min(gap, divergence + penalty.fenchel_gap(W[:-1], multiple * G, none, value))


def gap_slope(objective: Objective, W: Array, value: float, gradient: Array) -> float:
    """How fast the gap grows, at most, with a small change of all predictions: nats per root mean
    square."""
    G, centred = loss_gradient(objective, W, gradient), objective.sizes.centred[:, None]
    gaps = [objective.penalty.fenchel_gap(W[:-1], G, h * centred, value) for h in (0.0, _SMALL_CHANGE)]
    return max(gaps[1] - gaps[0], 0.0) / _SMALL_CHANGE


def proved_zeros(objective: Objective, W: Array, tol: float) -> Array:
    """Which feature coefficients are 0 at every optimum, as the duality gap at `W` proves;
    (n_features, n_outputs), boolean. A few passes over the rows.

    Args:
        objective: what was minimised.
        W: coefficients near the optimum, shape `objective.shape`.
        tol: the tolerance of their certificate, relative to the null model.

    Example:
        >>> from polytome.losses import Logistic
        >>> from polytome.rows import as_rows
        >>> rows = as_rows(np.array([[-2.0, 0.1], [-1.0, -0.1], [1.0, -0.1], [2.0, 0.1]]), np.array([0, 0, 1, 1]))
        >>> proved_zeros(Objective(Logistic(), ElasticNet(0.7, 1.0), rows), np.zeros((3, 1)), 1e-4).ravel()
        array([False,  True])
    """
    objective, penalty = objective.at(np.float64), objective.penalty
    nowhere = np.zeros((objective.shape[0] - 1, objective.shape[1]), dtype=bool)
    if not isinstance(penalty, Bounded | ElasticNet | GroupLasso):
        return nowhere
    loss, rows, sizes = objective.loss, objective.rows, objective.sizes
    deviations = rows.columns.scale * rows.lengths(rows.moments()[0]) if objective.fit_intercept else sizes.summed
    # Deviations that columns are divided by are rounded, and so is the strength.
    slack = 1 + 2 * growth(2 * rows.n_rows + 200)
    if math.isfinite(loss.largest_residual):  # no slope is longer than a column times such residuals
        none, longest = np.zeros_like(W[:-1]), math.sqrt(W.shape[1]) * loss.largest_residual * slack
        at_once = penalty.proved_zeros(none, none, longest * deviations)
        if np.delete(at_once, objective.unpenalised, axis=0).all():
            return at_once
    value, gradient = objective.value_and_gradient(W)
    equations = None
    if objective.unpenalised.size:
        slope = gap_slope(objective, W, value, gradient)
        value, gradient, W, equations = solve_equations(objective, W, tol, (value, gradient), slope)
    point = DualPoint.beside(objective, W, value, gradient, equations)
    rounding = rounding_of(objective, W, value)
    gap = (point.total + rounding.divergence + rounding.objective + rounding.strength) * (1 + growth(200))
    if not np.isfinite(gap):
        return nowhere
    radius = math.sqrt(2 * loss.smoothness * gap) * slack * deviations
    return penalty.proved_zeros(point.gradient * slack, point.error * slack, radius)
