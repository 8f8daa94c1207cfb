"""A regression in decimal arithmetic of eighty digits and more: what it loses, and what is proved.

Where a penalty has corners, groups or bounds, where rows have offsets, and where columns have no
penalty, sums of floats may not suffice for a proof: a column of 1e10 beside others of 1, weights
over 24 decades. Here everything is computed in so many digits that rounding is nothing, and so no
formula has to avoid cancellation. With residuals `R_i = q_i - y_i` of any distributions q_i

    P* >= D = sum_i s_i (H(q_i) + <o_i, R_i>) / S - max_V (<V, -G> - penalty(V))

as long as the columns without a penalty, and the intercept, have `sum_i s_i z_i R_i = 0`. The
maximum is over V of no larger penalty than a value that the objective reaches, and within bounds
(`fenchel`). What is left of the equations moves q by `C_i c' z_i`, with `H c = -left`, and that is
paid for: see `unpenalised`. Of H the smallest eigenvalue is needed, and its pivots know one: the
eigenvalues of a matrix of m columns with a unit diagonal add up to m, so that with the mean of
arithmetic and geometric means none is below `det H / e`.

References: Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1; Boyd and
Vandenberghe, Convex Optimization, 2004, section 5.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.losses import Loss, WithOffset, labels_of, offset_of
from polytome.objective import Objective
from polytome.penalties import L2, Bounded, ElasticNet, GroupLasso, NoPenalty, WeightedL2, without_bounds
from polytome.rows import in_memory

Array = NDArray[Any]

__all__ = ["DecimalProblem", "exact", "solved"]

_MIN_DIGITS, _MAX_DIGITS = 80, 400
_SPARE_DIGITS = 10  # sums of as many terms, and some roundings of each
_FLAT_DIGITS = 20  # of a pivot, fewer than there are: below is rounding
_MAX_EXACT_INTEGER = 2.0**53
_LOST_DIGITS = 24  # of a gradient, at most, where the last step to a balance begins
_BALANCING_STEPS = 40
_MAX_TILT = Decimal("0.25")
_PENALTIES = (L2, WeightedL2, ElasticNet, NoPenalty)  # their corners are written down here, and no others
ZERO: Any = Decimal(0)  # NumPy has no types for arrays of these
ONE: Any = Decimal(1)
INFINITE: Any = Decimal("inf")

_decimal = np.frompyfunc(Decimal, 1, 1)
_exponential = np.frompyfunc(Decimal.exp, 1, 1)
_logarithm = np.frompyfunc(lambda q: q.ln() if q > 0 else ZERO, 1, 1)


def exact(values: Any) -> Array:
    """Floats as `Decimal`, without rounding.

    Example:
        >>> exact(np.array([0.5]))[0]
        Decimal('0.5')
    """
    return np.asarray(_decimal(np.asarray(values)))


@dataclass(frozen=True, eq=False)
class DecimalProblem:
    """An objective, all its numbers `Decimal`; coefficients are those of columns times their scale,
    (n_features + 1, n_outputs), intercept last.

    Attributes:
        objective: what it states.
        digits: that are computed with.
        columns: of all rows, with ones for the intercept, (n, n_features + 1).
        weight: of the rows and outputs, those of the rows adding up to one, (n, n_outputs).
        labels: probabilities of the outputs, (n, n_outputs).
        offset: scores that come on top, (n, n_outputs).
        is_soft: for each row whether its label is, (n, 1).
        is_free: which coefficients no penalty and no bound sees, the intercepts among them; of a
            softmax without those of its last class, as only differences matter.
        moves: which coefficients are not fixed, by equal bounds for instance.
        corner: what the absolute value of each coefficient is multiplied by, or its group's norm.
        quadratic: the curvature of its square.
        lower: bound of each coefficient.
        upper: the same.
        groups: the number of each column's group; None where single coefficients have corners.
    """

    objective: Objective
    digits: int
    columns: Array
    weight: Array
    labels: Array
    offset: Array
    is_soft: Array
    is_free: Array
    moves: Array
    corner: Array
    quadratic: Array
    lower: Array
    upper: Array
    groups: Array | None

    @classmethod
    def suits(cls, objective: Objective) -> bool:
        """Whether this is made for an objective: a cross-entropy, rows in memory, and one of the
        library's penalties, perhaps within bounds; of these not norms with absolute values beside
        them."""
        penalty = without_bounds(objective.penalty)
        is_known = type(penalty) in _PENALTIES or (type(penalty) is GroupLasso and penalty.group_ratio == 1)
        is_bare = objective.penalty.is_nothing
        return is_known and not is_bare and objective.loss.is_cross_entropy and objective.rows.facts.is_resident

    @classmethod
    def of(cls, objective: Objective) -> DecimalProblem | None:
        """The problem; None where whole numbers have been rounded on the way to floats."""
        rows, loss, penalty = in_memory(objective.rows, "a proof in decimals"), objective.loss, objective.penalty
        if rows.facts.dtype in (np.int64, np.uint64) and abs(rows.whole.stored).max() > _MAX_EXACT_INTEGER:
            return None
        X: Any = rows.whole.X
        X = np.asarray(X.toarray() if rows.is_sparse else X, dtype=np.float64)
        (n, n_features), n_outputs = X.shape, loss.n_outputs
        shape = n_features + 1, n_outputs
        corner, quadratic = np.zeros(shape), np.zeros(shape)
        lower, upper = np.full(shape, -np.inf), np.full(shape, np.inf)
        is_free = np.zeros(shape, dtype=bool)
        quadratic[:-1], is_free[:-1] = penalty.quadratic, np.asarray(penalty.weights) == 0
        if isinstance(penalty, ElasticNet | GroupLasso | Bounded):
            corner[:-1] = penalty.corner
        if isinstance(penalty, Bounded):
            lower[:-1], upper[:-1] = penalty.lower, penalty.upper
        is_free[-1] = objective.fit_intercept
        moves = is_free | (lower < upper)
        moves[-1] = objective.fit_intercept
        if not loss.separable:
            moves[is_free[:, -1], -1] = False
            is_free[:, -1] = False
        digits = _digits(X * rows.columns.scale, corner, quadratic, lower, upper, objective.null[1])
        limits = exact(corner), exact(quadratic), exact(lower), exact(upper)
        with localcontext(context(digits)):
            weight = exact(rows.weight)[:, None]
            still = np.zeros((n, n_outputs))
            # At scores of 0, offsets left out, each output of a row has a curvature.
            part, alone = np.ones((n, n_outputs)), loss.loss if isinstance(loss, WithOffset) else loss
            if loss.separable:
                part = np.sign(alone.curvature(still, labels_of(rows.target))[0])
            offset = offset_of(rows.target)
            return cls(
                objective,
                digits,
                np.hstack([exact(X) * exact(rows.columns.scale), np.full((n, 1), ONE)]),
                weight / weight.sum() * exact(part),
                _labels(alone, labels_of(rows.target), still),
                exact(still if offset is None else offset),
                exact(np.sign(objective.soft[:, None])) if objective.soft.size else np.full((n, 1), ZERO),
                is_free,
                moves,
                *limits,
                penalty.groups if isinstance(penalty, GroupLasso) else None,
            )

    @property
    def is_softmax(self) -> bool:
        """Or else each output has a sigmoid."""
        return not self.objective.loss.separable

    @property
    def slight(self) -> Decimal:
        """The relative error of a sum."""
        return Decimal(10) ** (_SPARE_DIGITS + len(str(len(self.columns))) - self.digits)

    def scores(self, U: Array) -> Array:
        """Those of all rows, offsets included, (n, n_outputs)."""
        return np.asarray(self.columns @ U + self.offset)

    def predictions(self, scores: Array) -> tuple[Array, Array, Array]:
        """Probabilities q, what they leave, `1 - q`, and residuals `q - y`, each with all its
        digits even where it is next to nothing; (n, n_outputs)."""
        if self.is_softmax:
            each = _exponential(scores - scores.max(axis=1, keepdims=True))
            outputs = range(each.shape[1])
            others = np.column_stack([each[:, [j for j in outputs if j != k]].sum(axis=1) for k in outputs])
            total = each.sum(axis=1, keepdims=True)
            q, rest = each / total, others / total
        else:
            small: Any = _exponential(-np.abs(scores))
            total = ONE + small
            q, rest = (np.where(side, ONE, small) / total for side in (scores > 0, scores <= 0))
        return q, rest, np.where(self.labels == 1, -rest, q - self.labels)

    def hessian(self, q: Array, rest: Array, chosen: Array) -> Array:
        """The Hessian of the loss with respect to chosen coefficients, in the order of
        `chosen.T`."""
        places = [np.flatnonzero(own) for own in chosen.T]
        starts = np.cumsum([0, *(len(own) for own in places)])
        H = np.full((starts[-1], starts[-1]), ZERO)
        for k, own in enumerate(places):
            for m in range(k, len(places)) if self.is_softmax else [k]:
                if not len(own) or not len(places[m]):
                    continue
                curvature = self.weight[:, k] * q[:, k] * (rest[:, k] if m == k else -q[:, m])
                block = (self.columns[:, own] * curvature[:, None]).T @ self.columns[:, places[m]]
                H[starts[k] : starts[k + 1], starts[m] : starts[m + 1]] = block
                H[starts[m] : starts[m + 1], starts[k] : starts[k + 1]] = block.T
        return H

    def loss_of(self, scores: Array) -> Decimal:
        """The mean loss at scores."""
        if self.is_softmax:
            top = scores.max(axis=1, keepdims=True)
            log_sums = _logarithm(_exponential(scores - top).sum(axis=1, keepdims=True))
            # Labels add up to one, but for their last digit.
            losses = log_sums - (self.labels * (scores - top)).sum(axis=1, keepdims=True)
            return Decimal((self.weight[:, :1] * losses).sum())
        losses = _logarithm(ONE + _exponential(-np.abs(scores))) + np.maximum(scores, ZERO) - self.labels * scores
        return Decimal((self.weight * losses).sum())

    def norms(self, W: Array) -> Array:
        """Absolute values, or of each coefficient its group's norm, (n_features, n_outputs)."""
        if self.groups is None:
            return np.abs(W)
        found = np.full(W.shape, ZERO)
        for group in range(int(self.groups.max()) + 1):
            own = self.groups == group
            found[own] = Decimal((W[own] * W[own]).sum()).sqrt()
        return found

    def counted(self, of_groups: Array) -> Array:
        """What is alike for all coefficients of a group, counted once."""
        if self.groups is None:
            return of_groups
        return np.asarray(of_groups[np.unique(self.groups, return_index=True)[1], :1])

    def penalty(self, U: Array) -> Decimal:
        """The penalty of coefficients that are within bounds."""
        W = U[:-1]
        corners = self.counted(self.corner[:-1] * self.norms(W)).sum()
        return Decimal(corners + (self.quadratic[:-1] * W * W).sum() / 2)

    def balanced(self, U: Array, intercepts_alone: bool = False) -> Array | None:
        """The same coefficients, but those without a penalty at their best, or the intercepts
        alone; None where they have no minimum."""
        chosen = self.is_free.copy()
        chosen[:-1] &= not intercepts_alone
        if not chosen.any():
            return U
        scores = self.scores(U)
        value, close = self.loss_of(scores), Decimal(10) ** (_LOST_DIGITS - self.digits)
        for _ in range(_BALANCING_STEPS):
            q, rest, residual = self.predictions(scores)
            gradient = (self.columns.T @ (self.weight * residual)).T[chosen.T]
            quotient = solved(self.hessian(q, rest, chosen), gradient, self._flat)
            step = np.full(U.shape, ZERO)
            step.T[chosen.T] = -quotient
            slope = Decimal((gradient * quotient).sum())
            if slope <= close * close * value:
                return np.asarray(U + step)
            for _ in range(60):
                reached = self.scores(U + step)
                lower = self.loss_of(reached)
                if lower <= value - slope / 10 or slope < close * value:
                    break
                step, slope = step / 4, slope / 4
            U, scores, value = U + step, reached, lower
        return None

    def gap(self, U: Array, dual: Array) -> tuple[Decimal, Decimal, Decimal] | None:
        """How far the objective of coefficients is from its minimum at most, as the predictions of
        others prove it, that objective, and how much of the gap is rounding; None where they prove
        nothing.

        Args:
            U: coefficients within bounds.
            dual: others, balanced.
        """
        q, rest, residual = self.predictions(self.scores(dual))
        S, X, slight = self.weight, np.abs(self.columns), self.slight
        blurred = np.abs(residual) + self.is_soft
        if (tilt := self._tilt(q, rest, residual, blurred)) is None:
            return None
        both = q if self.is_softmax else np.hstack([q, rest])
        entropy = -both * _logarithm(both)
        weights = S if self.is_softmax else np.hstack([S, S])
        entropies, offsets = (weights * entropy).sum(), (S * self.offset * residual).sum()
        given = self.scores(U)
        value = self.loss_of(given) + self.penalty(U)
        sizes = X @ np.abs(U) + np.abs(self.offset)
        error = slight * (ONE + value + entropies + (S * (sizes + np.abs(self.offset))).sum())
        moved = 2 * tilt * np.minimum(q, rest) + slight * blurred
        error += 4 * tilt * tilt + 2 * tilt * entropies + (S * np.abs(self.offset) * moved).sum()
        G = (self.columns.T @ (S * residual))[:-1]
        away = (X.T @ (S * moved))[:-1]
        gain, gain_alone = (self._gain(G, each, value + error) for each in (away, away * ZERO))
        if not gain.is_finite():
            return None
        gap = value - (entropies + offsets - gain)
        # Rounding has a part in the gain, which is convex in the gradient.
        rounding = error * (ONE + slight) + slight * abs(gain) + (gain - gain_alone if gain_alone.is_finite() else ZERO)
        return gap + error + slight * (abs(gain) + value), value, rounding

    def _tilt(self, q: Array, rest: Array, residual: Array, blurred: Array) -> Decimal | None:
        """How much a score has to change, at most, so that predictions that follow it satisfy the
        equations of what has no penalty; None where that is not known."""
        if not self.is_free.any():
            return Decimal(0)
        own = self.is_free.T
        left = np.abs((self.columns.T @ (self.weight * residual)).T[own])
        left = left + self.slight * (np.abs(self.columns).T @ (self.weight * blurred)).T[own]
        H = self.hessian(q, rest, self.is_free)
        diagonal = H.diagonal()
        if not (diagonal > 0).all():
            return None
        scale = ONE / np.array([Decimal(entry).sqrt() for entry in diagonal])
        H = H * scale[:, None] * scale
        least = ONE
        for pivot in pivots(H):
            if pivot <= self._flat:
                return None
            least *= pivot
        least = least / 3 - self.slight * len(H) * len(H)  # less than 1 / e of it
        if least <= 0:
            return None
        change = Decimal(((left * scale) ** 2).sum()).sqrt() / least  # of scaled coefficients
        lengths = np.full((len(self.columns), self.is_free.shape[1]), ZERO)
        at = 0
        for k, places in enumerate(np.flatnonzero(each) for each in own):
            if len(places):
                scaled = self.columns[:, places] * scale[at : at + len(places)]
                lengths[:, k] = (scaled * scaled).sum(axis=1)
            at += len(places)
        tilt = 2 * change * Decimal(lengths.max()).sqrt()
        return tilt if tilt <= _MAX_TILT else None

    def _gain(self, G: Array, away: Array, largest: Decimal) -> Decimal:
        """`max_V (<V, -G'> - penalty(V))` over V within bounds whose penalty is no larger than
        this, and G' no farther from G than `away`, entry by entry; or more."""
        corner, quadratic = self.corner[:-1], self.quadratic[:-1]
        is_penalised = self.moves[:-1] & ~self.is_free[:-1]
        is_fixed = self.lower[:-1] == self.upper[:-1]
        if not isinstance(self.objective.penalty, Bounded):
            size = self.counted(self.norms(G) + self.norms(away))
            kept, corner, quadratic = (self.counted(each) for each in (is_penalised, corner, quadratic))
            excess = np.maximum(size * (ONE + self.slight) - corner, ZERO)[kept]
            by_squares, by_size = ZERO, ZERO
            for beyond, c, curvature in zip(excess, corner[kept], quadratic[kept], strict=True):
                if beyond > 0:
                    by_squares += beyond * beyond / (2 * curvature) if curvature > 0 else INFINITE
                    by_size = max(by_size, beyond / c * largest if c > 0 else INFINITE)
            return Decimal(min(by_squares, by_size))
        total, steepest = ZERO, ZERO
        for place in zip(*np.nonzero(is_penalised | is_fixed), strict=True):
            terms = (each[place] for each in (self.lower, self.upper, corner, quadratic))
            gains = [_gain_within(G[place] + side * away[place], *terms_) for side, terms_ in _sides(terms)]
            total += max(gain for gain, _ in gains)
            steepest = max(steepest, *(excess for _, excess in gains))
        return Decimal(total + (steepest * largest if steepest > 0 else ZERO))

    @property
    def _flat(self) -> Decimal:
        """Of a pivot, next to its diagonal: below is rounding."""
        return Decimal(10) ** (_FLAT_DIGITS - self.digits)


def _sides(terms: Any) -> list[tuple[int, tuple[Decimal, ...]]]:
    """Both signs, each with the same terms."""
    known = tuple(terms)
    return [(-1, known), (1, known)]


def _gain_within(G: Decimal, lower: Decimal, upper: Decimal, c: Decimal, curvature: Decimal) -> tuple[Decimal, Decimal]:
    """`max_V (-G V - c |V| - curvature / 2 V^2)` within bounds; where only its corner keeps V
    finite, at the end of that, and what the gradient exceeds it by, in parts of it."""
    asked = min(max(G, -c), c) - G
    if asked == 0:
        V = ZERO
    elif curvature > 0:
        V = asked / curvature
    else:
        V = INFINITE.copy_sign(asked)
    V = min(max(V, lower), upper)
    if V.is_finite():
        return -(G * V + c * abs(V) + curvature * V * V / 2), ZERO
    if c == 0:
        return INFINITE, ZERO
    nearest = min(max(ZERO, lower), upper)
    back = -c if asked > 0 else c
    return -(back * nearest + c * abs(nearest)), abs(asked) / c


def pivots(A: Array) -> list[Decimal]:
    """Those of an elimination of a symmetric matrix, in its order, up to the first that is not
    positive."""
    A, found = A.copy(), []
    for j in range(len(A)):
        found.append(Decimal(A[j, j]))
        if found[-1] <= 0:
            break
        A[j + 1 :, j + 1 :] -= (A[j + 1 :, j] / A[j, j])[:, None] * A[j, j + 1 :]
    return found


def solved(A: Array, b: Array, flat: Decimal) -> Array:
    """`A^-1 b` for a positive semidefinite matrix; 0 where rounding has left nothing of a pivot.

    Example:
        >>> solved(exact(np.array([[4.0, 2.0], [2.0, 1.0]])), exact(np.array([8.0, 4.0])), Decimal("1e-20"))
        array([Decimal('2'), Decimal('0')], dtype=object)
    """
    A, b, x, diagonal = A.copy(), b.copy(), np.full(len(b), ZERO), A.diagonal().copy()
    is_kept = np.zeros(len(b), dtype=bool)
    for j in range(len(b)):
        is_kept[j] = A[j, j] > flat * diagonal[j]
        if is_kept[j]:
            factor = A[j + 1 :, j] / A[j, j]
            A[j + 1 :, j + 1 :] -= factor[:, None] * A[j, j + 1 :]
            b[j + 1 :] -= factor * b[j]
    for j in np.flatnonzero(is_kept)[::-1]:
        x[j] = (b[j] - (A[j, j + 1 :] * x[j + 1 :]).sum()) / A[j, j]
    return x


def context(digits: int) -> Context:
    """Decimal arithmetic of so many digits."""
    return Context(prec=digits, Emin=-999_999_999, Emax=999_999_999, traps=[])


def _digits(X: Array, corner: Array, quadratic: Array, lower: Array, upper: Array, null: float) -> int:
    """Digits in which sums over the rows reach what the penalty of each column asks for."""
    with np.errstate(all="ignore"):
        largest = np.log10(np.abs(X).max(axis=0, initial=1e-300)[:, None])
        widest = np.maximum(np.abs(lower[:-1]), np.abs(upper[:-1]))
        asked = [np.log10(corner[:-1]), np.log10(quadratic[:-1] * null) / 2, np.log10(null / widest)]
        needed = largest - np.max(np.nan_to_num(asked, nan=-np.inf, neginf=-np.inf), axis=0)
    more = float(np.where(np.isfinite(needed), needed, 0.0).max(initial=0.0))
    return min(_MIN_DIGITS + math.ceil(more), _MAX_DIGITS)


def _labels(loss: Loss, labels: Array, still: Array) -> Array:
    """The probabilities of labels, those of a row of several outputs adding up to one; a loss
    without offsets tells those of its outputs at scores of 0."""
    if not loss.separable and labels.ndim == 2:
        soft = exact(labels)
        return np.asarray(soft / soft.sum(axis=1, keepdims=True))
    return np.asarray(-np.sum([exact(part) for part in loss.exact_residuals(still, labels)[1:]], axis=0))
