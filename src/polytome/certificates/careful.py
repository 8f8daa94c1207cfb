"""The certificate where rounding matters: the same bound with sums that keep their digits, about coefficients as given.

Columns are centred at a value of the bulk of their rows, so that neither an offset nor one huge value swamps the rest;
the intercept that belongs to that centre is a sum free of rounding. Each row has an error bound of its own, sums of
losses and of residuals are exact but for one rounding, and sums over a column are bounded by the sums of absolute
values. This takes some passes over the rows in NumPy, so it is asked for where the quick bound does not suffice.

Reference: Higham, Accuracy and Stability of Numerical Algorithms, 2002, chapter 4; `exact_sums` for the sums.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.certificate import Certificate, at_other_coefficients, certify, proof_of_parts
from polytome.certificates.exact_sums import Sums, exact_products, exact_sums
from polytome.certificates.rounding import ELEMENTARY, UNIT, Rounding, divergences, growth
from polytome.curvature.hessian_root import HessianRoot
from polytome.objective import Objective
from polytome.objective.intercepts import exact_intercept
from polytome.passes import Block, Columns
from polytome.passes import Sums as PassSums
from polytome.rows import Storage, as_rows, in_memory
from polytome.threads import kept

Array = NDArray[Any]

__all__ = ["CarefulFrame", "Given", "certify_given"]

MOST_ENTRIES = 2**25
"""The most entries of X, or of the scores, for which this is done: 256 MiB."""
_ROWS_LOOKED_AT = 1001
_SMALL = 0.25  # of each probability: no dual point is moved further
_MOST_REFINEMENTS = 4
_PART = 1e-3  # of the gap that is asked for
_MOST_EXACT = 2**17  # products: a tenth of a second
_SHARES = (0.5, 0.75, 0.9, 0.99, 1.0)
_TINY = 1e-300


@dataclass(frozen=True)
class Given:
    """Coefficients as a user gets them, and the intercept that a dual point is taken at.

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
        """The frame of an objective, if it has few enough entries."""
        rows = objective.rows
        fits = max(rows.facts.n_entries, rows.n_rows * objective.loss.n_outputs) <= MOST_ENTRIES
        return cls(objective.at(np.float64)) if fits and rows.facts.is_resident else None

    @property
    def _rows(self) -> Storage:
        """The rows, which are in memory."""
        return in_memory(self.objective.rows, "a careful certificate")

    @property
    @kept
    def centre(self) -> Array:
        """What is subtracted from each column: a median of rows drawn by weight; zero where nothing may be."""
        rows = self.objective.rows
        dense = not rows.is_sparse or rows.n_rows * rows.n_features <= MOST_ENTRIES
        if not (self.objective.fit_intercept and dense):
            return np.zeros(rows.n_features)
        chosen = np.random.default_rng(0).choice(rows.n_rows, _ROWS_LOOKED_AT, p=rows.weight / rows.weight.sum())
        few = rows.subset(np.sort(chosen), np.ones(len(chosen))).whole.X
        return np.asarray(np.median(few.toarray() if rows.is_sparse else few, axis=0))

    @property
    @kept
    def centred(self) -> Objective:
        """The same objective over centred columns: a dense copy of X, unless the centre is zero."""
        rows, columns = self.objective.rows, Columns(np.zeros(len(self.centre)), self.objective.rows.columns.scale)
        if not self.centre.any():
            return replace(self.objective, rows=rows.with_columns(columns))
        copy = np.vstack([_columns(block, self.centre) for block in rows.blocks()])
        held = as_rows(copy, rows.target, rows.weight, n_threads=rows.facts.n_threads)
        return replace(self.objective, rows=held.with_columns(columns))

    @property
    @kept
    def _root(self) -> HessianRoot | None:
        """The square root of the centred objective's Hessian, if it is small enough."""
        return HessianRoot.of(self.centred)

    def start(self, W: Array) -> Array:
        """Standardised coefficients as those of the centred objective."""
        coefficients, intercept = self.objective.rows.columns.as_given(W)
        return np.vstack([W[:-1], self.moved(coefficients.T, intercept, 1.0)])

    def moved(self, coefficients: Array, intercept: Array, sign: float) -> Array:
        """The intercept for centred columns that belongs to one for raw columns (sign 1), or the other way round
        (sign -1): sums of products, free of rounding but for the last."""
        if not self.centre.any():
            return np.array(intercept, dtype=np.float64)
        product, rest = exact_products(self.centre[:, None], coefficients)
        terms = np.vstack([sign * product, sign * rest, intercept[None, :]])
        return np.array([math.fsum(column) for column in terms.T.tolist()])

    def certify(self, W: Array, tol: float, estimate: float | None = None) -> tuple[Certificate, Given]:
        """The certificate of coefficients of the centred objective, rounded to raw columns, with the best intercept."""
        coefficients = W[:-1] * self.objective.rows.columns.scale[:, None]
        centred = self.balanced(W) if self.objective.fit_intercept else np.zeros_like(W[-1])
        given = Given(coefficients, self.moved(coefficients, centred, -1.0), centred)
        return self.certify_given(given, tol, estimate), given

    def balanced(self, W: Array) -> Array:
        """The best intercept for coefficients of the centred objective, from theirs."""
        scores, _ = self._scores(W[:-1] * self.objective.rows.columns.scale[:, None])
        found: Array = W[-1] + exact_intercept(self.objective, scores + W[-1])
        return found

    def certify_given(self, given: Given, tol: float, estimate: float | None = None) -> Certificate:
        """The certificate of coefficients just as they are, by the dual point of their centred intercept."""
        objective = self.objective
        scores, error = self._scores(given.coefficients)
        actual = self.moved(given.coefficients, given.intercept, 1.0)
        scores += given.centred
        error += growth(3) * np.abs(scores) + UNIT * np.abs(actual)
        W = given.coefficients / objective.rows.columns.scale[:, None]
        enough = _PART * tol * objective.null[1]
        dual = self._refined(_DualPoint.at(self, scores, W), np.vstack([W, given.centred]), enough)
        off = self._at_rows(dual, scores, error, actual - given.centred)
        residual = dual.residual * objective.rows.weight[:, None]
        room, reach, cost = self._movable(residual, np.abs(scores) + error + np.abs(actual - given.centred))
        penalty = objective.penalty.value(W)
        its_size = objective.penalty.strength * float(np.linalg.norm(W))
        found = Rounding(
            objective=off.value_error + growth(W.size + 8) * penalty,
            strength=4 * UNIT * (penalty + objective.null[1]),
            gradient=float(np.linalg.norm(dual.off[:-1])) + 4 * UNIT * its_size,
            balance=float(dual.off[-1].max()) + _TINY,
            divergence=off.divergence,
            reach=reach + its_size,
            cost=cost,
            room=room,
            roundings=growth(objective.rows.n_rows + ELEMENTARY),
        )
        size, value = float(np.linalg.norm(dual.gradient[:-1])), off.value + penalty
        unbalanced = np.abs(dual.gradient[-1])
        return proof_of_parts(objective, found, value, size, unbalanced, tol, divergence=off.moved, estimate=estimate)

    def _refined(self, dual: _DualPoint, W: Array, enough: float) -> _DualPoint:
        """A dual point at which the penalty's gap is no larger than this, if a few of Newton's steps lead to one.

        Coefficients in float64 cannot bring the residuals of huge rows to where their sums vanish; a dual point can be
        changed by less than a score can. Newton's step D asks for scores `dz = x D`, to which residuals answer by
        `(diag(p) - p p') dz`; then `G + lambda W` is `-lambda D`.
        """
        root, strength = self._root, self.objective.penalty.strength

        def left(dual: _DualPoint) -> float:
            """What may be left of the gap, but for factors of the size of one."""
            size, unbalanced = float(np.linalg.norm(dual.gradient[:-1])), np.abs(dual.gradient[-1])
            return size * size / (2 * strength) + float((unbalanced / self.objective.room).max())

        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for _ in range(_MOST_REFINEMENTS):
                if root is None or left(dual) <= enough:
                    break
                better = dual.moved(self, root.X @ root.step(W, dual.gradient))
                if better is None or not left(better) < left(dual):
                    break
                dual = better
        return dual

    def _scores(self, coefficients: Array) -> tuple[Array, Array]:
        """Scores of centred columns without intercept, and a bound on the error of each, both (n, n_outputs)."""
        size = growth(self.objective.rows.n_features + 4)
        scores, most = self.objective.rows.reduce(_ScoresAndSizes(self.centre, coefficients))
        return scores, size * most

    def sums(self, residual: Array, likeliest: Array) -> Sums:
        """Weighted sums over the rows of their residuals, and of centred columns times residuals."""
        rows, loss = self._rows, self.objective.loss
        stored = rows.facts.dtype
        # Whole numbers of 64 bits may have been rounded on the way to float64.
        if rows.n_rows * (rows.n_features + 1) * loss.n_outputs**2 <= _MOST_EXACT and stored not in (
            np.int64,
            np.uint64,
        ):
            X = rows.whole.X.toarray() if rows.is_sparse else rows.whole.X
            return exact_sums(X, self.centre, rows.weight, residual, None if loss.separable else likeliest)
        weighted = residual * rows.weight[:, None]
        features, most = rows.with_target(weighted).reduce(_ColumnsTimesTargets(self.centre))
        mean = np.array([math.fsum(column) for column in weighted.T.tolist()])
        off = growth(loss.n_outputs + 4) * np.abs(weighted).sum(axis=0)
        return Sums(features, growth(rows.n_rows + ELEMENTARY) * most, mean, off)

    def _movable(self, residual: Array, scores: Array) -> tuple[Array, float, float]:
        """How far one prediction for some rows can move the mean residuals, how much of the gradient with them, and the
        price in nats.

        Rows far out would move much of it, so that the rows are taken which move the residuals at the least price.
        """
        loss, rows, total = self.objective.loss, self.objective.rows, self.objective.total_weight
        wide = float(np.sqrt(max(loss.n_outputs, 2)))
        best, least = (np.zeros(loss.n_outputs), np.inf, np.inf), np.inf
        for limit in np.quantile(self._sizes, _SHARES):
            near = self._sizes <= limit
            weight = np.where(near, rows.weight, 0.0)
            if not weight.any():
                continue
            own = np.abs(residual[near].sum(axis=0)) / total * (1 + growth(rows.n_rows))
            room = loss.room(rows.target, weight) * (float(weight.sum()) / total) - own
            reach = wide * float(np.sqrt(weight @ self._sizes**2 / total)) * (1 + growth(rows.n_rows + 8))
            if room.min() > 0 and reach / room.min() < least:
                cost = loss.n_outputs * float(np.log(2)) + 2 * float(weight @ scores.sum(axis=1)) / total
                best, least = (room, reach, cost * (1 + growth(rows.n_rows + 8))), reach / float(room.min())
        return best

    @property
    @kept
    def _sizes(self) -> Array:
        """The length of each row's centred and scaled columns, shape (n,), a little more."""
        scale = self.objective.rows.columns.scale
        with np.errstate(over="ignore"):
            (squares,) = self.objective.rows.reduce(_SquaredSizes(self.centre, scale))
        return np.sqrt(squares) * (1 + growth(len(scale) + 8))

    def _at_rows(self, dual: _DualPoint, scores: Array, error: Array, change: Array) -> _AtRows:
        """What the rows add up to, by themselves: no column is read."""
        loss, rows, total = self.objective.loss, self.objective.rows, self.objective.total_weight
        value, slope = loss.value_and_gradient(scores + change, rows.target)
        before, residual = loss.value_and_gradient(scores, rows.target)
        # Of the residuals of the dual point, relative errors are errors of their scores.
        inner = error + 2 * growth(ELEMENTARY + loss.n_outputs)
        deviation = inner + np.abs(change)
        soft = loss.n_outputs * UNIT * ELEMENTARY * (self.objective.soft if self.objective.soft.size else 0.0)
        divergence = divergences(loss, scores, rows.target, deviation)
        # Far from the dual point's intercept the divergence is known better from the losses of both.
        product = (np.abs(residual) * np.abs(change)).sum(axis=1)
        far = np.maximum(value - before - (residual * change).sum(axis=1), 0.0)
        far += growth(ELEMENTARY + 2 * loss.n_outputs) * (value + before + product) + soft
        far += (np.abs(slope - residual) * inner).sum(axis=1) + divergences(loss, scores + change, rows.target, inner)
        divergence = np.fmin(divergence, far)
        divergence += 2 * (np.abs(dual.change) * deviation.max(axis=1, keepdims=True)).sum(axis=1)
        first = (np.abs(slope) * error).sum(axis=1) + divergences(loss, scores + change, rows.target, error)
        off = first + growth(ELEMENTARY + loss.n_outputs) * value + soft
        weigh = rows.weight / total
        return _AtRows(
            math.fsum((weigh * value).tolist()),
            math.fsum((weigh * off).tolist()) + 4 * UNIT * math.fsum((weigh * value).tolist()),
            math.fsum((weigh * divergence).tolist()) * (1 + 1e-9),
            math.fsum((weigh * dual.chi_square).tolist()) * (1 + 1e-9),
        )


def _columns(block: Block, centre: Array) -> Any:
    """The centred columns of a block; sparse where the centre is zero."""
    X: Any = block.X
    if not centre.any():
        return X
    return (X if isinstance(X, np.ndarray) else X.toarray()) - centre


@dataclass(frozen=True, eq=False)
class _ScoresAndSizes:
    """Scores of centred columns without intercept, and the sums of the absolute values of their terms, both joined."""

    centre: Array
    coefficients: Array
    joined = 2

    def of_block(self, block: Block) -> PassSums:
        X = _columns(block, self.centre)
        return np.asarray(X @ self.coefficients), np.asarray(abs(X) @ np.abs(self.coefficients))


@dataclass(frozen=True, eq=False)
class _ColumnsTimesTargets:
    """Centred columns times targets, and the sums of the absolute values of their terms."""

    centre: Array
    joined = 0

    def of_block(self, block: Block) -> PassSums:
        X = _columns(block, self.centre)
        return np.asarray(X.T @ block.target), np.asarray(abs(X).T @ np.abs(block.target))


@dataclass(frozen=True, eq=False)
class _SquaredSizes:
    """The squared length of each row's centred and scaled columns, a little more, joined."""

    centre: Array
    scale: Array
    joined = 1

    def of_block(self, block: Block) -> PassSums:
        X: Any = abs(_columns(block, self.centre)) * (1 + 4 * UNIT)
        squares: Any = X * X if isinstance(X, np.ndarray) else X.multiply(X)
        return (np.asarray(squares @ self.scale**2),)


@dataclass(frozen=True)
class _DualPoint:
    """Residuals of all rows that differ a little from those of known scores, and what they add up to.

    Attributes:
        scores: shape (n, n_outputs).
        coefficients: of the features, standardised, shape (n_features, n_outputs).
        residual: of the rows, without weights, shape (n, n_outputs).
        change: by how much they differ from those of the scores, of the same shape.
        gradient: `G + lambda W`, and in the last row the mean residuals, (n_features + 1, n_outputs).
        off: how far rounding may have moved the gradient, of the same shape.
        chi_square: bound on each row's divergence between the predictions of both, in nats, shape (n,).
    """

    scores: Array
    coefficients: Array
    residual: Array
    change: Array
    gradient: Array
    off: Array
    chi_square: Array

    @classmethod
    def at(cls, frame: CarefulFrame, scores: Array, coefficients: Array) -> _DualPoint:
        """The residuals of scores."""
        _, residual = frame.objective.loss.value_and_gradient(scores, frame.objective.rows.target)
        nothing = np.zeros_like(residual)
        return cls._of(frame, scores, coefficients, residual, nothing)

    @classmethod
    def _of(cls, frame: CarefulFrame, scores: Array, coefficients: Array, residual: Array, change: Array) -> _DualPoint:
        objective = frame.objective
        scale, total = objective.rows.columns.scale[:, None], objective.total_weight
        sums = frame.sums(residual, scores.argmax(axis=1))
        features = sums.features * scale / total
        mean = sums.mean / total if objective.fit_intercept else np.zeros(len(sums.mean))
        gradient = np.vstack([features + objective.penalty.strength * coefficients, mean])
        off = np.vstack([sums.features_off * scale / total + 4 * UNIT * np.abs(features), sums.mean_off / total])
        m, _ = objective.loss.curvature(scores, objective.rows.target)
        square = np.divide(change * change, m, out=np.zeros_like(m), where=change != 0).sum(axis=1) * (1 + 1e-9)
        return cls(scores, coefficients, residual, change, gradient, off * (1 + 1e-9), square)

    def moved(self, frame: CarefulFrame, dz: Array) -> _DualPoint | None:
        """The residuals that answer to a small change of all scores; None where it is not small."""
        m, u = frame.objective.loss.curvature(self.scores, frame.objective.rows.target)
        if u is None:
            change, relative = m * dz, np.abs(dz[m > 0])
        else:
            dz = dz - dz[np.arange(len(dz)), self.scores.argmax(axis=1)][:, None]
            centred = dz - (m * dz).sum(axis=1, keepdims=True)
            change, relative = m * centred, np.abs(centred[m > 0])
        change = self.change + change
        if (relative.size and not relative.max() <= _SMALL) or not (np.abs(change) <= _SMALL * m).all():
            return None
        residual = self.residual + (change - self.change)
        if u is not None:  # each row's residuals add up to zero: the likeliest class has what the others leave
            own = self.scores.argmax(axis=1)[:, None]
            np.put_along_axis(residual, own, 0.0, 1)
            np.put_along_axis(residual, own, -residual.sum(axis=1, keepdims=True), 1)
        return self._of(frame, self.scores, self.coefficients, residual, change)


def certify_given(objective: Objective, coefficients: Array, intercept: Array, tol: float) -> Certificate:
    """The certificate of coefficients and intercepts just as they are, whoever found them.

    Args:
        objective: what they are judged by.
        coefficients: for raw columns, shape (n_features, n_outputs).
        intercept: for raw columns, shape (n_outputs,).
        tol: the tolerance to be judged by, relative to the null model.
    """
    frame = CarefulFrame.of(objective) if objective.penalty.strength > 0 else None
    if frame is not None:
        centred = frame.moved(coefficients, intercept, 1.0)
        W = np.vstack([coefficients / objective.rows.columns.scale[:, None], centred])
        if objective.fit_intercept:
            centred = frame.balanced(W)
        return frame.certify_given(Given(coefficients, intercept, centred), tol)
    columns = Columns(np.zeros(len(coefficients)), objective.rows.columns.scale)
    objective = replace(objective, rows=objective.rows.with_columns(columns)).at(np.float64)
    W = columns.from_raw_coefficients(np.vstack([coefficients, intercept]))
    certificate, _ = certify(objective, W, tol)
    return at_other_coefficients(certificate, objective, W)


@dataclass(frozen=True)
class _AtRows:
    """Means over the rows in nats.

    Of the loss, of what its rounding may be, of the divergence of the predictions of the dual point's scores from those
    of the coefficients, and of that of the dual point from its scores.
    """

    value: float
    value_error: float
    divergence: float
    moved: float
