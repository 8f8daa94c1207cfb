"""Many equal rows: the same problem over the distinct ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from polytome.objective import Objective
from polytome.rows import distinct_rows, in_memory
from polytome.solvers.iterates import Iterate
from polytome.solvers.size import Size
from polytome.solvers.solver import Relay, Solver

Array = NDArray[Any]

__all__ = ["DistinctRows"]


@dataclass(frozen=True)
class DistinctRows(Solver):
    """Another solver on rows of which no two are equal, each with the total weight of its equals.

    The objective is the same function; the certificate still sees every row.

    Args:
        solver: runs on the distinct rows.

    Example:
        >>> from polytome.solvers import Newton
        >>> DistinctRows(Newton())
        DistinctRows(solver=Newton(sample=None))
    """

    solver: Solver

    in_memory = "DistinctRows"
    careful_fallback = True

    @property
    def patience(self) -> int:
        """That of the inner solver."""
        return self.solver.patience

    def iterates(self, objective: Objective, start: Array) -> Iterator[Iterate]:
        """The iterates of the inner solver; finding equal rows takes about as long as a pass."""
        rows = distinct_rows(in_memory(objective.rows, self.in_memory))
        yield from Relay(self.solver, replace(objective, rows=rows), start)

    def numbers_held(self, size: Size) -> float:
        """A copy of X at most, and the keys of the rows."""
        return size.rows * (size.row + 6) + self.solver.numbers_held(size)
