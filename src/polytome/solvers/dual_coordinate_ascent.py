"""Dual coordinate ascent: the best prediction for one row after another, while the others stay as
they are."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome import native
from polytome.certificates.dual import implied_coefficients
from polytome.errors import ArgumentError
from polytome.losses import IndependentSigmoids, Logistic, Softmax, WithOffset
from polytome.numerics import log_softmax
from polytome.objective import Objective, all_scores
from polytome.objective.intercepts import KnownScores
from polytome.passes import Block
from polytome.rows import in_memory
from polytome.solvers.dual_steps import sigmoid_step, softmax_step
from polytome.solvers.iterates import DualIterate, Iterate
from polytome.solvers.lbfgs import LBFGS
from polytome.solvers.size import Size
from polytome.solvers.solver import GivesWay, Solver

Array = NDArray[Any]

__all__ = ["DualCoordinateAscent", "row_squares"]

_CERTAIN_SCORE = 60.0  # e^-60 is far below the rounding of a probability near one
_INTERCEPT_CURVATURE = 0.2
_SLOW_EPOCHS = 30  # epochs: a few iterations of the other solver take as long
_PRODUCTS_BETWEEN_INTERRUPTS = 20_000_000  # products between two chances to interrupt: about a tenth of a second


@dataclass(frozen=True)
class DualCoordinateAscent(Solver):
    """Stochastic dual coordinate ascent for rows of few entries in very many columns, such as text.

    The dual of an L2 penalised problem has a prediction for each row where the primal has
    coefficients for each column. A step looks at one row alone and touches the coefficients of its
    own columns. Where `C ||x||^2` is moderate, as with rows of unit length, a handful of epochs
    comes close to the optimum, and predictions near their optimum prove a gap that is hundreds of
    times closer to the truth than the one that the gradient proves.

    The intercept is not penalised: it is the coefficient of a small constant column whose penalty
    is centred again at the value reached after each epoch, the method of multipliers.

    Args:
        then: the solver that takes over where thirty epochs do not halve the gap
            (a weak penalty, long rows).
        seed: of the order of the rows in each epoch.

    Example:
        >>> DualCoordinateAscent().then is not None
        True

    References: Shalev-Shwartz and Zhang, Stochastic dual coordinate ascent methods for regularized
    loss minimization, JMLR 14, 2013; Yu, Huang and Lin, Dual coordinate descent methods for
    logistic regression and maximum entropy models, Machine Learning 85, 2011; Boyd and others,
    Distributed optimization and statistical learning via the alternating direction method of
    multipliers, 2011, section 2.3.
    """

    then: Solver | None = LBFGS()  # noqa: RUF009  (an immutable record)
    seed: int = 0
    in_memory = "dual coordinate ascent"
    careful_fallback = True
    fallback_after = 1000
    patience = 40  # values on the way are means over an epoch; those of the next solver may lie above them

    def iterates(self, objective: Objective, start: Array) -> Generator[Iterate, None, GivesWay]:
        """One iterate after each epoch, a pass over the rows.

        Raises:
            ArgumentError: there is no penalty, or none of some column, or the loss has no
                probabilities.
        """
        if objective.penalty.is_nothing:
            raise ArgumentError("dual coordinate ascent needs a penalty (a finite C); use solver='auto'")
        if objective.unpenalised.size:
            raise ArgumentError(
                "dual coordinate ascent needs a penalty on every column, but penalty_weights is 0 for column "
                f"{objective.unpenalised[0]}; use solver='auto'"
            )
        if isinstance(objective.loss, WithOffset):
            raise ArgumentError("dual coordinate ascent does not know offsets; use solver='auto'")
        if not isinstance(objective.loss, (Softmax, Logistic, IndependentSigmoids)):
            raise ArgumentError(f"dual coordinate ascent does not know the loss {objective.loss}; use solver='auto'")
        state = DualState(objective, start)
        # No loss is below zero, so neither is the minimum.
        yield DualIterate.of(state.dual, state.intercepts, state.value, 0, state.value)
        rng = np.random.default_rng(self.seed)
        gaps: list[float] = []
        while len(gaps) <= _SLOW_EPOCHS or gaps[-1] <= 0.5 * gaps[-1 - _SLOW_EPOCHS] or self.then is None:
            value, gap = state.epoch(rng.permutation(objective.rows.n_rows))
            gaps.append(gap)
            iterate = DualIterate.of(state.dual, state.intercepts, value, len(gaps), gap)
            yield iterate
            if gap <= 1e-7 * abs(value):
                state.refine()
        return GivesWay(iterate.point(objective), iterate.passes)

    def numbers_held(self, size: Size) -> float:
        """Dual variables, and the predictions, residuals and scores of all rows that a certificate
        compares; coefficients of the steps and of the certificate; squared entries."""
        predictions = size.rows * size.outputs
        state = predictions + 2 * size.coefficients
        own = 6 * predictions + 2 * size.coefficients + 2 * size.entries
        return state + max(own, 0 if self.then is None else self.then.numbers_held(size))


class DualState:
    """Predictions of all rows, the raw coefficients and intercepts that belong to them, and the
    objective at the start.

    Coefficients are in float32 until rounding begins to show: the certificate computes its own from
    the predictions.
    """

    def __init__(self, objective: Objective, start: Array) -> None:
        self.objective = objective
        rows = in_memory(objective.rows, "dual coordinate ascent").at(np.float64)
        self.block = rows.whole
        self.scale_squares = objective.rows.columns.scale**2 / np.ravel(objective.penalty.weights)
        squares = row_squares(self.block, self.scale_squares)
        self.per_weight = 1 / (objective.total_weight * objective.penalty.modulus)
        # A row's step sees the constant column as a curvature of this size, whatever C: measured on
        # text, where ten times more made the multipliers swing, and ten times less made them slow.
        square = _INTERCEPT_CURVATURE / (float(objective.rows.weight.mean()) * self.per_weight)
        self.intercept_square = square if objective.fit_intercept else 0.0
        self.curvature = objective.rows.weight * (squares + self.intercept_square) * self.per_weight
        self.compiled: native.DualSteps | None = None
        if native.makes_dual_steps(objective.loss, rows.stored_rows):
            settings = (self.curvature, self.scale_squares, self.per_weight, self.intercept_square)
            self.compiled = native.dual_steps(objective.loss, rows.stored_rows, *settings)
        penalty = 0.0
        if start[:-1].any():
            penalty = objective.penalty.value(start[:-1])
            raw = objective.rows.columns.to_raw(start)
            self.intercepts = raw[-1].copy()
            scores = all_scores(objective.rows.at(np.float64), raw)
            self.dual = _normalised(objective, scores).astype(np.float32)
            self.form_coefficients()
        else:
            self.intercepts = start[-1].copy()
            scores = np.tile(self.intercepts, (objective.rows.n_rows, 1))
            self.dual = _certain_scores(objective).astype(np.float32)
            self.coefficients = np.zeros((objective.shape[0] - 1, objective.shape[1]), np.float32)
        mean_loss, _ = KnownScores(objective, scores).loss_and_slope(np.zeros_like(self.intercepts))
        self.value = mean_loss + penalty

    def epoch(self, order: Array) -> tuple[float, float]:
        """A step for every row; the objective and the gap as the rows met them, in nats."""
        loss, gap = 0.0, 0.0
        entries = max(1, getattr(self.block.stored, "nnz", self.block.stored.size) * self.objective.shape[1])
        for part in np.array_split(order, entries // _PRODUCTS_BETWEEN_INTERRUPTS + 1):
            part_loss, part_gap = self._steps(part)
            loss += part_loss
            gap += part_gap
        if self.intercept_square:
            self._centre_intercept()
        total, strength = self.objective.total_weight, self.objective.penalty.modulus
        squares = np.einsum("ij,ij->i", self.coefficients, self.coefficients)
        return loss / total + 0.5 * strength * float((squares / self.scale_squares).sum()), gap / total

    def _steps(self, order: Array) -> tuple[float, float]:
        """A step for each of these rows; in Python what compiled code does."""
        if self.compiled is not None:
            return self.compiled.make(order, self.coefficients, self.intercepts, self.dual)
        loss, block = self.objective.loss, self.block
        step = softmax_step if isinstance(loss, Softmax) else sigmoid_step
        sums = np.zeros(2)
        for i in order:
            x, target, weight = block.X[[i]], block.target[[i]], block.weight[i]
            scores = np.asarray(x @ self.coefficients, dtype=np.float64) + self.intercepts
            before = self.dual[[i]].astype(np.float64)
            value, _ = loss.value_and_gradient(scores, target)
            old, residual = loss.value_and_gradient(before, target)
            # loss + conjugate - <z, R>, by Fenchel's equality at the row's own dual scores.
            sums += weight * np.array([value[0], (value - old - ((scores - before) * residual).sum(axis=1))[0]])
            self.dual[i] = step(scores, before, self.curvature[[i]])[0]
            change = weight * self.per_weight * (loss.mean(before) - loss.mean(self.dual[[i]].astype(np.float64)))
            products = x.T @ change
            self.coefficients += (products * self.scale_squares[:, None]).astype(self.coefficients.dtype)
            self.intercepts += change[0] * self.intercept_square
        return float(sums[0]), float(sums[1])

    def _centre_intercept(self) -> None:
        """The multiplier's step: the penalty of the constant column is centred where its
        coefficient is now."""
        known = KnownScores(self.objective, self.dual.astype(np.float64))
        _, slope = known.loss_and_slope(np.zeros_like(self.intercepts))
        self.intercepts -= slope * (self.objective.total_weight * self.per_weight * self.intercept_square)

    def refine(self) -> None:
        """Continues in float64."""
        if self.dual.dtype != np.float64:
            self.dual = self.dual.astype(np.float64)
            self.form_coefficients()

    def form_coefficients(self) -> None:
        dual, target = self.dual.astype(np.float64), self.objective.rows.target
        _, residual = self.objective.loss.value_and_gradient(dual, target)
        W = implied_coefficients(self.objective, residual)
        self.coefficients = (W[:-1] * self.objective.rows.columns.scale[:, None]).astype(self.dual.dtype)


def row_squares(block: Block, scale_squares: Array) -> Array:
    """Squared length of each scaled row, (n,)."""
    X = block.X
    squared = X * X if isinstance(X, np.ndarray) else type(X)((X.data * X.data, X.indices, X.indptr), shape=X.shape)
    return np.asarray(squared @ scale_squares)


def _certain_scores(objective: Objective) -> Array:
    """Predictions that agree with the targets, as scores: no residual, and so no coefficients."""
    loss, target = objective.loss, objective.rows.target
    if isinstance(loss, Softmax):
        if target.ndim == 1:
            scores = np.full((len(target), loss.n_outputs), -_CERTAIN_SCORE)
            scores[np.arange(len(target)), target] = 0.0
            return scores
        with np.errstate(divide="ignore"):
            return _normalised(objective, np.maximum(np.log(target), -_CERTAIN_SCORE))
    share = target.reshape(len(target), -1)
    with np.errstate(divide="ignore"):
        certain: Array = np.clip(np.log(share) - np.log1p(-share), -_CERTAIN_SCORE, _CERTAIN_SCORE)
        return certain


def _normalised(objective: Objective, scores: Array) -> Array:
    """Scores that are logarithms of probabilities where a row's predictions sum to one."""
    return log_softmax(scores, axis=1) if isinstance(objective.loss, Softmax) else scores
