"""Where sums of floats do not suffice: what eighty digits and more prove of coefficients, and the
optimum itself of tiny data, under any penalty.

Squares alone, of every column, have sums of their own in the meantime, which are faster: `careful`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.certificate import Certificate
from polytome.certificates.decimal_optimum import decimal_optimum, work_of_a_step
from polytome.certificates.decimal_problem import DecimalProblem, context, exact
from polytome.certificates.rounding import UNIT, strength_error
from polytome.objective import Objective
from polytome.penalties import Bounded, strength_and_ratio
from polytome.threads import kept

Array = NDArray[Any]

__all__ = ["DecimalProof"]

_MAX_WORK = 6_000_000  # multiplications: each takes half a microsecond
_MIN_STEPS = 25
_STEPS_OF_A_PROOF = 8  # passes over the rows, each about a step without its Hessian
_OPERATIONS_OF_A_SCORE = 64


@dataclass(frozen=True)
class DecimalProof:
    """An objective whose certificates are computed in decimals.

    Args:
        objective: with a penalty, or bounds.
    """

    objective: Objective

    @classmethod
    def of(cls, objective: Objective) -> DecimalProof | None:
        """If it suits, and its rows are few enough for some seconds."""
        if not DecimalProblem.suits(objective):
            return None
        rows, n_outputs = objective.rows, objective.loss.n_outputs
        operations = rows.n_rows * n_outputs * (rows.n_features + 1 + _OPERATIONS_OF_A_SCORE)
        return cls(objective.at(np.float64)) if _STEPS_OF_A_PROOF * operations <= _MAX_WORK else None

    @property
    def may_find_optimum(self) -> bool:
        """Whether the data are so tiny that the optimum is found in a few seconds, unless their
        columns ask for more digits than most."""
        return _MIN_STEPS * work_of_a_step(self.objective) <= _MAX_WORK

    @property
    @kept
    def problem(self) -> DecimalProblem | None:
        """The same in decimals."""
        return DecimalProblem.of(self.objective)

    def of_coefficients(self, W: Array, tol: float) -> tuple[Certificate, tuple[Array, Array]] | None:
        """The certificate of coefficients as they are returned, with the best intercepts, by the
        dual point next to their own predictions; and these coefficients and intercepts for raw
        columns. None where it proves nothing.

        Args:
            W: standardised coefficients, shape `objective.shape`.
            tol: the tolerance to be judged by, relative to the null model.
        """
        if (problem := self.problem) is None:
            return None
        with localcontext(context(problem.digits)):
            raw, intercept = self.objective.rows.columns.as_given(W)
            given = self._given(problem, np.asarray(raw.T, dtype=np.float64), np.asarray(intercept, dtype=np.float64))
            dual = problem.balanced(self._decimal(*given))
            return None if dual is None else self._best(problem, [given], dual, tol)

    def of_optimum(self, tol: float) -> tuple[Certificate, tuple[Array, Array]] | None:
        """The optimum as near as coefficients and intercepts in float64 come to it, with its
        certificate; None where that takes long."""
        if (problem := self.problem) is None:
            return None
        steps = int(_MAX_WORK / work_of_a_step(problem.objective, problem.digits))
        if steps < _MIN_STEPS:
            return None
        found = decimal_optimum(problem, self.objective.null[0][-1], steps)
        if found is None:
            return None
        with localcontext(context(problem.digits)):
            optimum, sparse = found
            if (dual := problem.balanced(optimum)) is None:
                return None
            scale = exact(self.objective.rows.columns.scale)[:, None]
            W = self.objective.canonical(sparse.astype(np.float64))
            raw = (exact(W[:-1]) * scale).astype(np.float64)
            points = [(raw, W[-1]), self._given(problem, raw, W[-1])]
            return self._best(problem, points, dual, tol)

    def _given(self, problem: DecimalProblem, raw: Array, intercept: Array) -> tuple[Array, Array]:
        """The same coefficients, within bounds, with the intercepts that are best beside them."""
        if not self.objective.fit_intercept:
            return raw, np.zeros_like(intercept)
        U = self._decimal(raw, intercept)
        if problem.is_softmax:
            U[-1] -= U[-1, -1]
        best = problem.balanced(U, intercepts_alone=True)
        if best is None:
            return raw, intercept
        b = best[-1]
        if problem.is_softmax:
            b = b - Decimal(b.sum()) / len(b)
        return raw, np.asarray(b.astype(np.float64))

    def _decimal(self, raw: Array, intercept: Array) -> Array:
        """Coefficients for raw columns as those of the problem."""
        W = exact(raw) / exact(self.objective.rows.columns.scale)[:, None]
        return np.vstack([W, exact(intercept)[None, :]])

    def _best(
        self, problem: DecimalProblem, points: list[tuple[Array, Array]], dual: Array, tol: float
    ) -> tuple[Certificate, tuple[Array, Array]] | None:
        """Of points the one that has the smallest gap, with its certificate."""
        found = []
        for point in points:
            raw = self._within(point[0])
            if not (np.isfinite(raw).all() and np.isfinite(point[1]).all()):
                continue
            U = self._decimal(raw, point[1])
            if (bound := problem.gap(U, dual)) is not None:
                found.append((self._certificate(problem, U, bound, tol), (raw, point[1])))
        return min(found, key=lambda each: each[0].gap, default=None)

    def _within(self, raw: Array) -> Array:
        """Coefficients for raw columns within bounds, but for rounding where columns are scaled."""
        penalty, scale = self.objective.penalty, self.objective.rows.columns.scale[:, None]
        if not isinstance(penalty, Bounded):
            return raw
        return np.clip(raw, penalty.lower * scale, penalty.upper * scale)

    def _certificate(
        self, problem: DecimalProblem, U: Array, bound: tuple[Decimal, Decimal, Decimal], tol: float
    ) -> Certificate:
        """What the bound says, with what the rounding of the penalty's strength may do, and of
        scaled coefficients that are brought within bounds."""
        objective = self.objective
        gap, value, rounding = (float(each) for each in bound)
        penalty = float(problem.penalty(U))
        (strength, l1_ratio), has_bounds = strength_and_ratio(objective.penalty), isinstance(objective.penalty, Bounded)
        added = strength_error(objective, penalty, value if has_bounds else 0.0)
        if has_bounds and (objective.rows.columns.scale != 1).any():
            sizes = (problem.weight * (np.abs(problem.columns) @ np.abs(U))).sum()
            added += 8 * UNIT * (2 * float(sizes) + penalty)
        total = (max(gap, 0.0) + added) * (1 + 8 * UNIT)
        stated: dict[str, Any] = {"l1_ratio": l1_ratio, "has_bounds": has_bounds}
        largest = value * (1 + 8 * UNIT) + added
        if not total < largest:  # losses are not negative
            total = largest
        rounding = min(rounding + added, total)
        return Certificate(
            max(value, total), total, objective.null[1], tol, "proof", strength, None, rounding, **stated
        )
