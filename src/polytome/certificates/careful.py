"""The certificate where rounding matters: the same bound with more accurate sums, for coefficients
as given.

Columns are centred at a value of the bulk of their rows, so that neither an offset nor one huge
value swamps the rest; the intercept that belongs to that centre is a sum free of rounding. Each row
has an error bound of its own, sums of losses and of residuals are exact but for one rounding, and
sums over a column are bounded by the sums of absolute values. This takes some passes over the rows
in NumPy, so it is asked for where the quick bound does not suffice.

Reference: Higham, Accuracy and Stability of Numerical Algorithms, 2002, chapter 4; `exact_sums` for
the sums.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.certificate import Certificate, at_other_coefficients, certify, proof_of_parts
from polytome.certificates.dual_points import DualPoint, whole
from polytome.certificates.optimum import Optimum
from polytome.certificates.rounding import ELEMENTARY_ROUNDINGS, Rounding, divergences, growth, strength_error
from polytome.curvature.hessian_root import HessianRoot
from polytome.losses import WithOffset
from polytome.numerics.exact_sums import UNIT, ExactSums, exact_difference, exact_products, exact_scores, exact_sums
from polytome.objective import Objective
from polytome.objective.intercepts import exact_intercept
from polytome.passes import Block, Columns, Sums
from polytome.rows import Storage, as_rows, in_memory
from polytome.threads import kept

Array = NDArray[Any]

__all__ = ["CarefulFrame", "Given", "certify_given"]

MAX_ENTRIES = 2**25
"""The most entries of X, or of the scores, for which this is done: 256 MiB."""
_SAMPLED_ROWS = 1001
_MAX_EXACT_INTEGER = 2.0**53
_REFINED_GAP_FRACTION = 1e-3  # of the gap that is asked for
_MAX_EXACT_PRODUCTS = 2**17  # products: a tenth of a second
_ROW_SHARES = (0.5, 0.75, 0.9, 0.99, 1.0)
_UNDERFLOW = 1e-300


@dataclass(frozen=True)
class Given:
    """Coefficients as a user gets them, and the intercept of the dual point.

    Attributes:
        coefficients: for raw columns, shape (n_features, n_outputs).
        intercept: for raw columns, shape (n_outputs,).
        centred: the intercept of the dual point, for centred columns, shape (n_outputs,).
    """

    coefficients: Array
    intercept: Array
    centred: Array


@dataclass(frozen=True)
class CarefulFrame:
    """An objective whose columns are centred where most of their values are.

    Args:
        objective: with an L2 penalty.
    """

    objective: Objective

    @classmethod
    def of(cls, objective: Objective) -> CarefulFrame | None:
        """The frame of an objective, if its loss is a cross-entropy without offsets, its penalty a
        ridge that weighs every column, and it has few enough entries."""
        rows = objective.rows
        facts = rows.facts
        penalty, is_resident = objective.penalty, facts.is_resident
        if penalty.is_nothing or penalty.has_rest or objective.unpenalised.size or not is_resident:
            return None
        if not objective.loss.is_cross_entropy or isinstance(objective.loss, WithOffset):
            return None
        fits = max(facts.n_entries, rows.n_rows * objective.loss.n_outputs) <= MAX_ENTRIES
        return cls(objective.at(np.float64)) if fits else None

    @property
    def _rows(self) -> Storage:
        """The rows, which are in memory."""
        return in_memory(self.objective.rows, "a careful certificate")

    @property
    @kept
    def centre(self) -> Array:
        """What is subtracted from each column: a median of rows drawn by weight; zero where nothing
        may be."""
        rows = self.objective.rows
        dense = not rows.is_sparse or rows.n_rows * rows.n_features <= MAX_ENTRIES
        if not (self.objective.fit_intercept and dense):
            return np.zeros(rows.n_features)
        chosen = np.random.default_rng(0).choice(rows.n_rows, _SAMPLED_ROWS, p=rows.weight / rows.weight.sum())
        sample = rows.subset(np.sort(chosen), np.ones(len(chosen))).whole.X
        return np.asarray(np.median(sample.toarray() if rows.is_sparse else sample, axis=0))

    @property
    @kept
    def centred(self) -> Objective:
        """The same objective over centred columns: a dense copy of X, unless the centre is zero."""
        rows, columns = self.objective.rows, Columns(np.zeros(len(self.centre)), self.objective.rows.columns.scale)
        if not self.centre.any():
            return replace(self.objective, rows=rows.with_columns(columns))
        copy = np.vstack([_columns(block, self.centre) for block in rows.blocks()])
        centred_rows = as_rows(copy, rows.target, rows.weight, n_threads=rows.facts.n_threads)
        return replace(self.objective, rows=centred_rows.with_columns(columns))

    @property
    @kept
    def root(self) -> HessianRoot | None:
        """The square root of the centred objective's Hessian, if it is small enough."""
        return HessianRoot.of(self.centred)

    def start(self, W: Array) -> Array:
        """Standardised coefficients as those of the centred objective."""
        coefficients, intercept = self.objective.rows.columns.as_given(W)
        return np.vstack([W[:-1], self.moved(coefficients.T, intercept, 1.0)])

    def moved(self, coefficients: Array, intercept: Array, sign: float) -> Array:
        """The intercept for centred columns that belongs to one for raw columns (sign 1), or the
        other way round (sign -1): sums of products, free of rounding but for the last."""
        if not self.centre.any():
            return np.array(intercept, dtype=np.float64)
        product, rest = exact_products(self.centre[:, None], coefficients)
        terms = np.vstack([sign * product, sign * rest, intercept[None, :]])
        return np.array([math.fsum(column) for column in terms.T.tolist()])

    def certify(self, W: Array, tol: float, estimate: float | None = None) -> tuple[Certificate, Given]:
        """The certificate of coefficients of the centred objective, rounded to raw columns, with
        the best intercept."""
        given = self.given(W)
        return self.certify_given(given, tol, estimate), given

    def given(self, W: Array) -> Given:
        """Coefficients of the centred objective, rounded to raw columns, with the best
        intercept."""
        coefficients = W[:-1] * self.objective.rows.columns.scale[:, None]
        centred = self.balanced(W) if self.objective.fit_intercept else np.zeros_like(W[-1])
        return Given(coefficients, self.moved(coefficients, centred, -1.0), centred)

    def balanced(self, W: Array) -> Array:
        """The best intercept for coefficients of the centred objective, from theirs."""
        coefficients = W[:-1] * self.objective.rows.columns.scale[:, None]
        scores, _ = self.objective.rows.reduce(_ScoresAndSizes(self.centre, coefficients))
        found: Array = W[-1] + exact_intercept(self.objective, scores + W[-1])
        return found

    def certify_given(self, given: Given, tol: float, estimate: float | None = None) -> Certificate:
        """The certificate of coefficients just as they are: by the dual point of their centred
        intercept, or that of the optimum if it proves more."""
        objective = self.objective
        scores, error = self.scores(given)
        W = given.coefficients / objective.rows.columns.scale[:, None]
        moved = given.centred - self.moved(given.coefficients, given.intercept, 1.0)
        dual = DualPoint.at(self, scores + moved, W)
        dual = dual.refined(self, np.vstack([W, given.centred]), _REFINED_GAP_FRACTION * tol * objective.null[1])
        found = self._proof(dual, scores, error, tol, estimate)
        if not found.holds and self.optimum is not None:
            better = self._proof_by_optimum(self.optimum, given, tol, estimate)
            found = better if better.gap < found.gap else found
        return found

    def best(self, tol: float) -> tuple[Certificate, Given] | None:
        """The optimum as near as coefficients and intercepts in float64 come to it, with its
        certificate; None where that takes long."""
        if self.optimum is None:
            return None
        points = [Given(W, b, self.moved(W, b, 1.0)) for W, b in self.optimum.near]
        proofs = [self._proof_by_optimum(self.optimum, given, tol) for given in points]
        return min(zip(proofs, points, strict=True), key=lambda proof: proof[0].gap)

    @property
    @kept
    def optimum(self) -> Optimum | None:
        """That of tiny data; None where it takes long."""
        return None if self._raw is None else Optimum.of(self.objective, self._raw)

    def _proof_by_optimum(
        self, optimum: Optimum, given: Given, tol: float, estimate: float | None = None
    ) -> Certificate:
        W = given.coefficients / self.objective.rows.columns.scale[:, None]
        likeliest = None if self.objective.loss.separable else optimum.scores.argmax(axis=1)
        dual = DualPoint.at(self, optimum.scores, W, optimum.change)
        return self._proof(dual, *self.scores(given, likeliest), tol, estimate)

    def _proof(self, dual: DualPoint, scores: Array, error: Array, tol: float, estimate: float | None) -> Certificate:
        """The certificate of the coefficients that a dual point is about, with their scores and
        bounds on the errors of these, (n, n_outputs) both."""
        objective = self.objective
        sums = self._at_rows(dual, scores, error)
        residual = dual.residual * objective.rows.weight[:, None]
        room, gradient_change, cost = self.movable(residual, np.abs(scores) + error)
        penalty = objective.penalty.value(dual.coefficients)
        penalty_norm = objective.penalty.dual_norm(objective.penalty.quadratic * dual.coefficients)
        found = Rounding(
            objective=sums.value_error + growth(dual.coefficients.size + 8) * penalty,
            strength=strength_error(objective, penalty),
            gradient=objective.penalty.dual_norm(dual.gradient_error[:-1]) + 4 * UNIT * penalty_norm,
            balance=float(dual.gradient_error[-1].max()) + _UNDERFLOW,
            divergence=sums.rounding,
            reach=gradient_change + penalty_norm,
            cost=cost,
            room=room,
            roundings=growth(objective.rows.n_rows + ELEMENTARY_ROUNDINGS),
        )
        size, value = objective.penalty.dual_norm(dual.gradient[:-1]), sums.value + penalty
        unbalanced = np.abs(dual.gradient[-1])
        return proof_of_parts(
            objective, found, value, size, unbalanced, tol, divergence=sums.divergence, estimate=estimate
        )

    @property
    @kept
    def _raw(self) -> Array | None:
        """The columns as they are, if sums that are free of rounding are almost free."""
        rows, n_outputs = self._rows, self.objective.loss.n_outputs
        if rows.n_rows * (rows.n_features + 1) * n_outputs**2 > _MAX_EXACT_PRODUCTS:
            return None
        # Whole numbers of 64 bits may have been rounded on the way to float64.
        if rows.facts.dtype in (np.int64, np.uint64) and abs(rows.whole.stored).max() > _MAX_EXACT_INTEGER:
            return None
        return np.asarray(rows.whole.X.toarray() if rows.is_sparse else rows.whole.X, dtype=np.float64)

    @property
    @kept
    def _exact(self) -> tuple[Array, Array] | None:
        """The same centred, as two floats for each entry."""
        return None if self._raw is None else exact_difference(self._raw, self.centre)

    def scores(self, given: Given, less: Array | None = None) -> tuple[Array, Array]:
        """Scores of coefficients just as they are, and a bound on the error of each, both
        (n, n_outputs).

        Where only differences of scores matter and sums are free of rounding, they are those to one
        class of each row, `less`, or else the likeliest: two large scores can be near each other.
        """
        if self._raw is not None:
            if less is None and not self.objective.loss.separable:
                less = exact_scores(self._raw, given.coefficients, given.intercept).argmax(axis=1)
            scores = exact_scores(self._raw, given.coefficients, given.intercept, less)
            return scores, UNIT * np.abs(scores) + _UNDERFLOW
        size = growth(self.objective.rows.n_features + 4)
        scores, absolute_sums = self.objective.rows.reduce(_ScoresAndSizes(self.centre, given.coefficients))
        actual = self.moved(given.coefficients, given.intercept, 1.0)
        scores += actual
        return scores, size * absolute_sums + 2 * UNIT * (np.abs(scores) + np.abs(actual))

    def sums(self, parts: list[Array], likeliest: Array | None) -> ExactSums:
        """Weighted sums over the rows of their residuals, and of centred columns times residuals;
        see `exact_sums`."""
        rows, loss = self.objective.rows, self.objective.loss
        if self._exact is not None:
            return exact_sums(self._exact, rows.weight, parts, likeliest)
        weighted = whole(parts, likeliest) * rows.weight[:, None]
        sizes = -whole([-np.abs(part) for part in parts], likeliest)
        if likeliest is not None:
            sizes[np.arange(len(sizes)), likeliest] *= -1
        sizes *= rows.weight[:, None]
        targets_as_rows = rows.with_target(np.hstack([weighted, sizes]))
        features, absolute_sums = targets_as_rows.reduce(_ColumnsTimesTargets(self.centre))
        mean = np.array([math.fsum(column) for column in weighted.T.tolist()])
        mean_error = growth(loss.n_outputs + 8) * sizes.sum(axis=0)
        return ExactSums(features, growth(rows.n_rows + ELEMENTARY_ROUNDINGS) * absolute_sums, mean, mean_error)

    def movable(self, residual: Array, scores: Array) -> tuple[Array, float, float]:
        """How far one prediction for some rows can move the mean residuals, how much of the
        gradient with them, and the price in nats.

        Outlying rows would move much of it, so the rows are chosen that move the residuals at the
        least price.
        """
        loss, rows, total = self.objective.loss, self.objective.rows, self.objective.total_weight
        factor = float(np.sqrt(max(loss.n_outputs, 2)))
        best, best_ratio = (np.zeros(loss.n_outputs), np.inf, np.inf), np.inf
        for limit in np.quantile(self._sizes, _ROW_SHARES):
            is_chosen = self._sizes <= limit
            weight = np.where(is_chosen, rows.weight, 0.0)
            if not weight.any():
                continue
            moved = np.abs(residual[is_chosen].sum(axis=0)) / total * (1 + growth(rows.n_rows))
            room = loss.room(rows.target, weight) * (float(weight.sum()) / total) - moved
            gradient_change = factor * float(np.sqrt(weight @ self._sizes**2 / total)) * (1 + growth(rows.n_rows + 8))
            if room.min() > 0 and gradient_change / room.min() < best_ratio:
                cost = loss.n_outputs * float(np.log(2)) + 2 * float(weight @ scores.sum(axis=1)) / total
                best, best_ratio = (
                    (room, gradient_change, cost * (1 + growth(rows.n_rows + 8))),
                    gradient_change / float(room.min()),
                )
        return best

    @property
    @kept
    def _sizes(self) -> Array:
        """The length of each row's centred and scaled columns in the penalty's dual norm, shape
        (n,), a little more."""
        scale = self.objective.rows.columns.scale / np.sqrt(np.ravel(self.objective.penalty.weights))
        with np.errstate(over="ignore"):
            (squares,) = self.objective.rows.reduce(_SquaredSizes(self.centre, scale))
        return np.sqrt(squares) * (1 + growth(len(scale) + 8))

    def _at_rows(self, dual: DualPoint, scores: Array, error: Array) -> _AtRows:
        """Sums over the rows from their scores alone: no column is read."""
        loss, rows, total = self.objective.loss, self.objective.rows, self.objective.total_weight
        value, slope = loss.value_and_gradient(scores, rows.target)
        soft = 4 * UNIT * (self.objective.soft[:, None] if self.objective.soft.size else 0.0)
        slope = np.abs(slope) + soft
        # Predictions of the dual point have relative errors, as if its scores were off.
        prediction_error = 2 * growth(ELEMENTARY_ROUNDINGS + loss.n_outputs)
        deviation = prediction_error + error + np.abs(scores - dual.scores) * (1 + 2 * UNIT)
        beside = deviation
        if not loss.separable:  # scores count but for a constant: that of the likeliest class
            beside = np.take_along_axis(deviation, dual.scores.argmax(axis=1)[:, None], 1)
        change_error = (np.abs(dual.moves) * (deviation + beside)).sum(axis=1)
        bound = divergences(loss, dual.scores, rows.target, deviation)
        # Far from its scores the divergence is known better from the losses of both.
        divergence, size = self._divergence(dual.scores, scores, error)
        divergence_error = (growth(ELEMENTARY_ROUNDINGS + 2 * loss.n_outputs) + 2 * prediction_error) * size
        divergence_error += (self._slopes(dual.scores, scores) * error).sum(axis=1)
        divergence_error += divergences(loss, scores, rows.target, error)
        divergence_error += divergences(loss, dual.scores, rows.target, np.full_like(error, prediction_error))
        is_near = bound <= divergence + divergence_error
        divergence, divergence_error = np.where(is_near, 0.0, divergence), np.where(is_near, bound, divergence_error)
        value_error = (slope * error).sum(axis=1) + divergences(loss, scores, rows.target, error)
        share = rows.weight / total

        def mean(values: Array) -> float:
            return math.fsum((share * values).tolist()) * (1 + 1e-9)

        return _AtRows(
            math.fsum((share * value).tolist()),
            mean(value_error + growth(2 * ELEMENTARY_ROUNDINGS + loss.n_outputs) * value),
            mean(divergence + dual.chi_square + change_error),
            mean(divergence_error) + _UNDERFLOW,
        )

    def _divergence(self, scores: Array, others: Array, error: Array) -> tuple[Array, Array]:
        """Each row's divergence between the predictions of scores and of others, (n,), and the
        sizes of its terms."""
        loss = self.objective.loss
        if not loss.separable:
            likeliest = scores.argmax(axis=1)
            before, residual = loss.value_and_gradient(scores, likeliest)
            after, _ = loss.value_and_gradient(others, likeliest)
            divergence = after - before - (residual * (others - scores)).sum(axis=1)
            sizes = np.abs(residual) * (np.abs(others - scores) + error)
            return np.maximum(divergence, 0.0), before + after + sizes.sum(axis=1)
        m, _ = loss.curvature(np.zeros_like(scores), self.objective.rows.target)
        sign = np.where(scores > 0, -1.0, 1.0) * (m > 0)
        scores, others = sign * scores, sign * others
        tail = loss.mean(scores) * (m > 0)
        before, after = (np.logaddexp(0.0, z) * (m > 0) for z in (scores, others))
        divergence = np.maximum(after - before - tail * (others - scores), 0.0)
        return divergence.sum(axis=1), (before + after + tail * (np.abs(others - scores) + error)).sum(axis=1)

    def _slopes(self, scores: Array, others: Array) -> Array:
        """How much predictions differ, (n, n_outputs)."""
        _, one = self.objective.loss.value_and_gradient(scores, self.objective.rows.target)
        _, other = self.objective.loss.value_and_gradient(others, self.objective.rows.target)
        return np.asarray(np.abs(one - other) + 8 * UNIT)


def _columns(block: Block, centre: Array) -> Any:
    """The centred columns of a block; sparse where the centre is zero."""
    X: Any = block.X
    if not centre.any():
        return X
    return (X if isinstance(X, np.ndarray) else X.toarray()) - centre


@dataclass(frozen=True, eq=False)
class _ScoresAndSizes:
    """Scores of centred columns without intercept, and the sums of the absolute values of their
    terms, both joined."""

    centre: Array
    coefficients: Array
    joined = 2

    def of_block(self, block: Block) -> Sums:
        X = _columns(block, self.centre)
        return np.asarray(X @ self.coefficients), np.asarray(abs(X) @ np.abs(self.coefficients))


@dataclass(frozen=True, eq=False)
class _ColumnsTimesTargets:
    """Centred columns times the first half of the targets, and their absolute values times the
    other half."""

    centre: Array
    joined = 0

    def of_block(self, block: Block) -> Sums:
        X, (weighted, sizes) = _columns(block, self.centre), np.hsplit(block.target, 2)
        return np.asarray(X.T @ weighted), np.asarray(abs(X).T @ sizes)


@dataclass(frozen=True, eq=False)
class _SquaredSizes:
    """The squared length of each row's centred and scaled columns, a little more, joined."""

    centre: Array
    scale: Array
    joined = 1

    def of_block(self, block: Block) -> Sums:
        X: Any = abs(_columns(block, self.centre)) * (1 + 4 * UNIT)
        squares: Any = X * X if isinstance(X, np.ndarray) else X.multiply(X)
        return (np.asarray(squares @ self.scale**2),)


def certify_given(objective: Objective, coefficients: Array, intercept: Array, tol: float) -> Certificate:
    """The certificate of coefficients and intercepts just as they are, whoever found them.

    Args:
        objective: what they are judged by.
        coefficients: for raw columns, shape (n_features, n_outputs).
        intercept: for raw columns, shape (n_outputs,).
        tol: the tolerance to be judged by, relative to the null model.
    """
    frame = CarefulFrame.of(objective)
    if frame is not None:
        centred = frame.moved(coefficients, intercept, 1.0)
        W = np.vstack([coefficients / objective.rows.columns.scale[:, None], centred])
        if objective.fit_intercept:
            centred = frame.balanced(W)
        return frame.certify_given(Given(coefficients, intercept, centred), tol)
    columns = Columns(np.zeros(len(coefficients)), objective.rows.columns.scale)
    objective = replace(objective, rows=objective.rows.with_columns(columns)).at(np.float64)
    W = columns.from_raw_coefficients(np.vstack([coefficients, intercept]))
    certificate, before = certify(objective, W, tol)
    return at_other_coefficients(certificate, objective, before, W)


@dataclass(frozen=True)
class _AtRows:
    """Means over the rows in nats.

    Of the loss, of what its rounding may be, of the divergence of the dual point from the
    predictions of the coefficients, and of what rounding may add to it.
    """

    value: float
    value_error: float
    divergence: float
    rounding: float
