"""The optimum of a tiny problem in decimal arithmetic, under any penalty.

Corners, norms of groups and bounds are smoothed by logarithms, of which less and less is left
(barriers), and each step of Newton's method takes their curvature from multipliers that are carried
along (primal-dual): so some thirty steps end where what is left of the logarithms is below the last
digit of a float. All of it is as it would be if each column were in other units, and eighty digits
and more leave some even where columns differ by a factor of 1e30. What is found proves nothing by
being near the optimum: `DecimalProblem.gap` evaluates it as any other point.

References: Nocedal and Wright, Numerical Optimization, 2006, section 19.3; Chan, Golub and Mulet, A
nonlinear primal-dual method for total variation-based image restoration, SIAM Journal on Scientific
Computing 20, 1999 (norms).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.decimal_problem import ONE, ZERO, DecimalProblem, context, exact, solved
from polytome.objective import Objective

Array = NDArray[Any]

__all__ = ["decimal_optimum", "work_of_a_step"]

_START, _END = Decimal("0.1"), Decimal("1e-30")  # of the null model's objective, for each barrier
_FALL, _FASTER_FALL = Decimal("0.1"), Decimal("0.001")  # of the barriers, after a step that served
_SERVED = Decimal("0.9")  # of a step: it was long enough
_LOST_DIGITS = 20  # of a gradient, at least
_SMALL = Decimal("1e-3")  # of the null model's objective: from there on they may fall faster
_WITHIN = Decimal("0.99")  # of the way to a bound, or to a multiplier of 0
_EXPONENTIAL = 64  # multiplications
_MAX_LENGTHS = 40
_FAR = Decimal(100)  # times the largest score: what scores change by in one step
_STEEP = Decimal("0.3")  # what may be left of a slope
_NEGLIGIBLE = Decimal("1e-24")  # of the null model's objective, and of a score: what is set to 0
_LEAST = Decimal("1e-300")  # column
_SLIGHT = Decimal("1e-12")  # of a score: what may be, where the penalty makes it negligible


def work_of_a_step(objective: Objective, digits: int = 80) -> float:
    """How many multiplications of eighty digits a step takes."""
    (width, n_outputs), n = objective.shape, objective.rows.n_rows
    pairs = n_outputs if objective.loss.separable else n_outputs * (n_outputs + 1) / 2
    multiplications = n * (3 * n_outputs * _EXPONENTIAL + pairs * width**2) + objective.size**3 / 3
    return float((multiplications + 20 * objective.size**2) * digits / 80)


def decimal_optimum(problem: DecimalProblem, start: Array, max_steps: int) -> tuple[Array, Array] | None:
    """Coefficients next to the optimum, (n_features + 1, n_outputs), and the same with those that
    are next to nothing set to 0; None where that takes more steps, or more digits.

    Args:
        problem: what is minimised.
        start: intercepts, float64, (n_outputs,).
        max_steps: of Newton's method.
    """
    with localcontext(context(problem.digits)):
        state = _Interior.at(problem, start)
        null = exact(problem.objective.null[1]).item()
        end = _END * null
        mu = _START * null if state.count else end
        # Columns of any size ask for all the digits of the gradient.
        last, rounding = Decimal("inf"), null * Decimal(10) ** (2 * (_LOST_DIGITS - problem.digits))
        for _ in range(max_steps):
            slope, length = state.step(mu)
            if slope is None:
                return None
            if slope > max(mu * state.count, end) or length < _SERVED:
                continue
            if mu <= end:
                if slope <= rounding or slope >= last:
                    return state.U, state.rounded(null, mu)
                last = slope
            mu = max(end, mu * (_FASTER_FALL if mu < _SMALL * null else _FALL))
    return None


@dataclass(eq=False)
class _Interior:
    """A point within bounds, and the multipliers of its barriers.

    Attributes:
        U: coefficients.
        along: for each coefficient the slope of its norm, in parts of its corner.
        pushes: multipliers of lower and of upper bounds, 0 where there is none.
        count: of barriers.
    """

    problem: DecimalProblem
    U: Array
    along: Array
    pushes: tuple[Array, Array]
    has_bound: tuple[Array, Array]
    count: int

    @classmethod
    def at(cls, problem: DecimalProblem, intercepts: Array) -> _Interior:
        """Coefficients of 0, or next to it within bounds."""
        lower, upper = problem.lower, problem.upper
        has_bound = _are_finite(lower) & problem.moves, _are_finite(upper) & problem.moves
        U = np.full(lower.shape, ZERO)
        if problem.objective.fit_intercept:
            b = exact(intercepts)
            U[-1] = b - b[-1] if problem.is_softmax else b
        is_fixed = lower == upper
        U[is_fixed] = lower[is_fixed]
        largest: Any = np.abs(problem.columns).max(axis=0)
        reach = ONE / np.array([max(each, _LEAST) for each in largest])[:, None]
        for place in zip(*np.nonzero(has_bound[0] | has_bound[1]), strict=True):
            low, high = lower[place], upper[place]
            room = min(reach[place[0], 0], (high - low) / 4)
            U[place] = min(max(ZERO, low + room), high - room)
        none = np.full(U.shape, ZERO)
        count = int(has_bound[0].sum() + has_bound[1].sum() + (problem.corner > 0).sum())
        return cls(problem, U, none, (none, none), has_bound, count)

    def step(self, mu: Decimal) -> tuple[Decimal | None, Decimal]:
        """One of Newton's steps: its slope, None where there is none; and its length, whole where
        the slope is rounding."""
        problem, U = self.problem, self.U
        chosen = problem.moves
        if not self.pushes[0].any() and not self.pushes[1].any():
            self.pushes = self._pushes(mu)
        scores = problem.scores(U)
        q, rest, residual = problem.predictions(scores)
        of_penalty = problem.quadratic * U + self._barrier_slopes(U, mu)
        gradient = problem.columns.T @ (problem.weight * residual) + of_penalty
        H = problem.hessian(q, rest, chosen)
        diagonal = problem.quadratic + self._curvature_of_bounds()
        H[np.diag_indices_from(H)] += diagonal.T[chosen.T]
        self._add_norms(H, mu)
        quotient = solved(H, gradient.T[chosen.T], Decimal(10) ** (10 - problem.digits))
        step = np.full(U.shape, ZERO)
        step.T[chosen.T] = -quotient
        slope = -Decimal((gradient * step).sum())
        if not slope.is_finite() or slope < 0:
            return None, ZERO
        sizes = np.abs(problem.columns).T @ (problem.weight * np.abs(residual)) + np.abs(of_penalty)
        rounding = problem.slight * Decimal((sizes * np.abs(step)).sum())
        length = self._length(scores, step, slope, mu) if slope > rounding else ONE
        self._follow(step, length, mu)
        return slope, length

    def _distances(self, U: Array) -> tuple[Array, Array]:
        """To lower and upper bounds; 1 where there is none."""
        down, up = U - self.problem.lower, self.problem.upper - U
        return np.where(self.has_bound[0], down, ONE), np.where(self.has_bound[1], up, ONE)

    def _pushes(self, mu: Decimal) -> tuple[Array, Array]:
        down, up = self._distances(self.U)
        return np.where(self.has_bound[0], mu / down, ZERO), np.where(self.has_bound[1], mu / up, ZERO)

    def _curvature_of_bounds(self) -> Array:
        down, up = self._distances(self.U)
        return np.asarray(self.pushes[0] / down + self.pushes[1] / up)

    def _sizes(self, U: Array, mu: Decimal) -> tuple[Array, Array]:
        """For each coefficient with a corner the root r of its squared norm and that of epsilon,
        `mu / corner`, and `t = epsilon + r`, what the smoothed norm divides by; 1 elsewhere."""
        corner = self.problem.corner[:-1]
        epsilon = np.where(corner > 0, mu / np.where(corner > 0, corner, ONE), ZERO)
        norms = self.problem.norms(U[:-1])
        r = np.array([[Decimal(each).sqrt() for each in row] for row in epsilon * epsilon + norms * norms])
        r = np.where(corner > 0, r.reshape(norms.shape), ONE)
        return r, np.where(corner > 0, epsilon + r, ONE)

    def _barrier_slopes(self, U: Array, mu: Decimal) -> Array:
        """The gradient of the smoothed corners and of the barriers of bounds."""
        _, t = self._sizes(U, mu)
        down, up = self._distances(U)
        found = np.where(self.has_bound[1], mu / up, ZERO) - np.where(self.has_bound[0], mu / down, ZERO)
        found[:-1] += self.problem.corner[:-1] * U[:-1] / t
        return np.asarray(found)

    def _add_norms(self, H: Array, mu: Decimal) -> None:
        """The curvature of smoothed corners, `corner / t (1 - v w' / r)` and symmetric, in
        place."""
        problem, (r, t) = self.problem, self._sizes(self.U, mu)
        columns, outputs = np.nonzero(problem.moves.T)[::-1]
        for a, (j, k) in enumerate(zip(columns, outputs, strict=True)):
            if j == len(r) or not problem.corner[j, k] > 0:
                continue
            factor = problem.corner[j, k] / t[j, k]
            H[a, a] += factor
            same = [a] if problem.groups is None else self._of_group(columns, j)
            for b in same:
                i, m = columns[b], outputs[b]
                crossed = self.along[j, k] * self.U[i, m] + self.along[i, m] * self.U[j, k]
                H[a, b] -= factor * crossed / (2 * r[j, k])

    def _of_group(self, columns: Array, j: Any) -> Array:
        """The places of the coefficients that are in the group of a column."""
        groups = self.problem.groups
        assert groups is not None
        return np.flatnonzero(np.append(groups, -1)[columns] == groups[j])

    def _length(self, scores: Array, step: Array, slope: Decimal, mu: Decimal) -> Decimal:
        """How long a step is made: within bounds, and where little is left of the slope along
        it."""
        problem, U = self.problem, self.U
        longest = min([Decimal("inf"), *_lengths(zip(self._distances(U), (step, -step), self.has_bound, strict=True))])
        moves = problem.columns @ step
        # Where nothing has curvature, a step is no longer than that is worth a look.
        far = _FAR * (ONE + Decimal(np.abs(scores).max()))
        if (largest := Decimal(np.abs(moves).max())) > far:
            longest = min(longest, far / largest)
        full = min(ONE, _WITHIN * longest)
        least, most, length = ZERO, longest, full
        for _ in range(_MAX_LENGTHS):
            tried, reached = length, U + length * step
            _, _, residual = problem.predictions(scores + length * moves)
            along = problem.quadratic * reached + self._barrier_slopes(reached, mu)
            left = ((problem.weight * residual * moves).sum() + (along * step).sum()) / slope
            if left > _STEEP:
                most = length
            elif left < -_STEEP and length < full:
                least = length
            else:
                break
            length = (least + most) / 2 if most <= 4 * least else max(most / 8, (least * most).sqrt())
        return Decimal(tried)

    def _follow(self, step: Array, length: Decimal, mu: Decimal) -> None:
        """Goes along the step, and takes the multipliers to where it leads them."""
        problem, U, (r, t) = self.problem, self.U, self._sizes(self.U, mu)
        W, move, v = U[:-1], step[:-1], self.along[:-1]
        towards = W * move
        if problem.groups is not None:
            for group in range(int(problem.groups.max()) + 1):
                own = problem.groups == group
                towards[own] = towards[own].sum()
        v = v + length * (move + W - v * t - v * towards / r) / t
        norms = problem.norms(v)
        v = np.where(norms > ONE, v / np.where(norms > ONE, norms, ONE), v)
        self.along = np.vstack([np.where(problem.corner[:-1] > 0, v, ZERO), self.along[-1:]])
        distances, pushes = self._distances(U), []
        for has, push, away, own in zip(self.has_bound, self.pushes, distances, (step, -step), strict=True):
            change = np.where(has, mu / away - push - push * own / away, ZERO)
            longest = min([ONE, *(_WITHIN * each for each in _lengths([(push, change, has)]))])
            pushes.append(push + longest * change)
        self.pushes = pushes[0], pushes[1]
        self.U = U + length * step

    def rounded(self, null: Decimal, mu: Decimal) -> Array:
        """The coefficients, those that are next to nothing set to 0."""
        problem, found = self.problem, self.U.copy()
        W = found[:-1]
        norms, largest = problem.norms(W), np.abs(problem.columns[:, :-1]).max(axis=0)[:, None]
        is_zero = (problem.corner[:-1] > 0) & (problem.corner[:-1] * norms <= _NEGLIGIBLE * null)
        is_zero &= largest * norms <= _SLIGHT
        is_zero |= largest * norms <= _NEGLIGIBLE
        is_zero &= (problem.lower[:-1] <= 0) & (problem.upper[:-1] >= 0)
        W[is_zero] = ZERO
        return found


def _are_finite(limit: Array) -> NDArray[np.bool_]:
    return np.array([[each.is_finite() for each in row] for row in limit])


def _lengths(parts: Any) -> list[Decimal]:
    """For each that falls along its change how long a step brings it to 0."""
    found = []
    for sizes, changes, has in parts:
        falls = has & (changes < 0)
        found += (-sizes[falls] / changes[falls]).tolist()
    return found
