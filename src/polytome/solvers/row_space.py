"""Far more columns than rows: the same problem in the space of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import svd

from polytome.errors import ArgumentError
from polytome.objective import Objective
from polytome.rows import ArrayRows, in_memory
from polytome.solvers.iterates import Iterate
from polytome.solvers.size import Size
from polytome.solvers.solver import Relay, Solver

Array = NDArray[Any]

__all__ = ["RowSpace"]


@dataclass(frozen=True)
class RowSpace(Solver):
    """Another solver in the space of at most n dimensions that n rows span; exact with the L2
    penalty and without one.

    A coefficient vector's part outside the span of the rows changes no score and only costs
    penalty, so the optimum lies in the span (the representer theorem). With the singular value
    decomposition `X = F Q'` the problem in `w`, where `W = Q w`, has the same penalty, n rows and
    at most n columns.

    Args:
        solver: runs on the reduced problem.

    Reference: Hastie and Tibshirani, Efficient quadratic regularization for expression arrays,
    Biostatistics 5, 2004.
    """

    solver: Solver

    in_memory = "RowSpace"
    careful_fallback = True

    @property
    def patience(self) -> int:
        """That of the inner solver."""
        return self.solver.patience

    def iterates(self, objective: Objective, start: Array) -> Iterator[Iterate]:
        """The iterates of the inner solver as coefficients of the columns; one pass over the rows
        in all.

        Raises:
            ArgumentError: columns have penalty weights of their own.
        """
        if not objective.penalty.is_rotation_invariant:
            raise ArgumentError("RowSpace needs a penalty that weighs all columns alike; use solver='auto'")
        rows = in_memory(objective.rows, self.in_memory).at(np.float64)
        U, singular, Qt = svd(np.vstack([rows.dense(block) for block in rows.blocks()]), full_matrices=False)
        nonzero = singular > np.finfo(np.float64).eps * singular.max()
        nonzero[0] = True  # of columns that are all constant, one dimension of zeros
        F, Q = U[:, nonzero] * singular[nonzero], Qt[nonzero].T
        reduced = replace(objective, rows=ArrayRows.of(F, rows.target, rows.weight))

        def in_columns(w: Array) -> Array:
            return np.vstack([Q @ w[:-1], w[-1:]])

        for iterate in Relay(self.solver, reduced, np.vstack([Q.T @ start[:-1], start[-1:]])):
            # The whole gradient lies in the span of the rows as well, so none of it is lost.
            W, gradient = in_columns(iterate.coefficients), in_columns(iterate.gradient)
            step = None if iterate.step is None else in_columns(iterate.step)
            yield replace(iterate, coefficients=W, gradient=gradient, passes=1, in_float64=False, step=step)

    def numbers_held(self, size: Size) -> float:
        """The dense rows, their copy in the decomposition, and its two factors; then as many
        columns as rows."""
        rank = min(size.rows, size.columns)
        reduced = replace(size, columns=rank + 1, is_sparse=False, row=rank)
        return 5 * size.rows * size.columns + 4 * rank**2 + reduced.passes + self.solver.numbers_held(reduced)
