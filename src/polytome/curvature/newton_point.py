"""What Newton's method asks of a point: value, gradient, and the step from there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome import native
from polytome.curvature.hessian_factor import factor_hessian
from polytome.objective import Objective
from polytome.rows import Storage

Array = NDArray[Any]

__all__ = ["FREE_HESSIAN_OPERATIONS", "NewtonPoint", "NewtonPoints", "has_free_hessian", "intercept_hessian"]

FREE_HESSIAN_OPERATIONS = 1_000_000
"""Operations of a Hessian that takes less than it takes to call what forms it."""
_MAX_COEFFICIENTS = 64  # whose factor takes less than LAPACK's calls do


@dataclass(frozen=True, eq=False)
class NewtonPoint:
    """A point of an objective, seen by Newton's method.

    Attributes:
        value: the objective, in nats.
        gradient: its gradient, of the shape of the coefficients.
        step: minus the inverse Hessian times the gradient, of the same shape.
        intercept_hessian: the Hessian with respect to the intercepts, (n_outputs, n_outputs).
    """

    value: float
    gradient: Array
    step: Array
    intercept_hessian: Array


@dataclass(frozen=True, eq=False)
class NewtonPoints:
    """The points of an objective with a smooth penalty.

    A few coefficients and rows take longer to be handed from call to call than to be computed with:
    one call of compiled code makes all that belongs to a point.

    Args:
        objective: with products in float64.
        compute: fills results for coefficients in compiled code, and returns the sum of the rows'
            losses; None where NumPy and LAPACK do the work.
    """

    objective: Objective
    compute: Callable[[Array, Array], float] | None

    @classmethod
    def of(cls, objective: Objective) -> NewtonPoints:
        """Those of an objective, compiled where the problem is small enough, and its rows and loss
        suit.

        Example:
            >>> from polytome.losses import Logistic
            >>> from polytome.penalties import L2
            >>> from polytome.rows import as_rows
            >>> rows = as_rows(np.array([[-1.0], [1.0]]), np.array([0, 1]))
            >>> point = NewtonPoints.of(Objective(Logistic(), L2(0.25), rows)).at(np.zeros((2, 1)))
            >>> point.gradient.ravel(), point.step[0].round(6)
            (array([-0.5,  0. ]), array([1.]))
        """
        objective = objective.at(np.float64)
        rows, loss, penalty = objective.rows, objective.loss, objective.penalty
        if not _is_small(objective) or penalty.has_rest:
            return cls(objective, None)
        # Rows that note each pass over them are to see all of them.
        if not isinstance(rows, Storage) or type(rows).reduce is not Storage.reduce:
            return cls(objective, None)
        quadratic = np.broadcast_to(np.ravel(penalty.quadratic), (rows.n_features,))
        settings = (rows.columns, objective.fit_intercept, quadratic, objective.total_weight)
        return cls(objective, native.newton_points(loss, rows.stored_rows, *settings))

    @property
    def are_free(self) -> bool:
        """Whether a point takes less than what is done around it, wherever its rows are."""
        return _is_small(self.objective)

    def at(self, W: Array) -> NewtonPoint:
        """The point of coefficients `W`: one pass over the rows."""
        if self.compute is None:
            return self._by_definition(W)
        (n_columns, n_outputs), size = W.shape, W.size
        results = np.empty(2 * size + n_outputs * n_outputs)
        total = self.compute(np.ascontiguousarray(W.T), results)
        gradient, solution = (
            np.ascontiguousarray(part.reshape(n_outputs, n_columns).T)
            for part in (results[:size], results[size : 2 * size])
        )
        value = total / self.objective.total_weight + self.objective.penalty.value(W[:-1])
        intercepts = results[2 * size :].reshape(n_outputs, n_outputs)
        return NewtonPoint(value, gradient, np.negative(solution, out=solution), intercepts)

    def _by_definition(self, W: Array) -> NewtonPoint:
        """The same by NumPy and LAPACK."""
        value, gradient, blocks = self.objective.derivatives(W)
        intercepts = intercept_hessian(blocks, len(W))
        return NewtonPoint(value, gradient, -factor_hessian(self.objective, blocks).solve(gradient), intercepts)


def has_free_hessian(objective: Objective) -> bool:
    """Whether a Hessian takes less than it takes to call what forms it."""
    return objective.rows.n_rows * objective.hessian_entries <= FREE_HESSIAN_OPERATIONS


def _is_small(objective: Objective) -> bool:
    return has_free_hessian(objective) and objective.size <= _MAX_COEFFICIENTS


def intercept_hessian(blocks: Array, n_columns: int) -> Array:
    """The entries of a Hessian in blocks that belong to the intercepts, (n_outputs, n_outputs)."""
    last = n_columns - 1
    own = [block[last::n_columns, last::n_columns] for block in blocks]
    return own[0].copy() if len(own) == 1 else np.diag(np.ravel(own))
