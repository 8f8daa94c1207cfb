"""The contract of solvers, and how one continues where another gives way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from polytome.objective import Objective
from polytome.penalties import Penalty
from polytome.rows import Rows, in_memory
from polytome.solvers.iterates import Iterate
from polytome.solvers.size import Size

Array = NDArray[Any]

__all__ = ["GivesWay", "Relay", "Solver", "check_residence"]


@runtime_checkable
class Solver(Protocol):
    """A record of settings that can step from a start towards the minimum of an objective.

    A subclass overrides what differs from here.
    """

    then: Solver | None = None
    """The solver that continues where this one gives way or is halted; None for none."""

    in_memory: ClassVar[str] = ""
    """What of it needs all rows in memory, as a message names it; empty for nothing."""

    def minimises(self, penalty: Penalty) -> bool:
        """Whether it finds minima under this penalty; by gradients alone, where squares are all
        that there is to it."""
        return not penalty.has_rest

    @property
    def patience(self) -> int:
        """Iterations without a new lowest value after which the driver considers it stalled."""
        return 10

    @property
    def fallback_after(self) -> float:
        """Iterations that it needs where rounding does no harm."""
        return np.inf

    @property
    def careful_fallback(self) -> bool:
        """Whether a careful Newton's method follows where rounding has halted it, or, in small
        problems, after `fallback_after` iterations."""
        return False

    def iterates(self, objective: Objective, start: Array) -> Iterator[Iterate]:
        """Iterates from `start`, the start included.

        The generator ends when no further progress is possible, or returns `GivesWay` for `then` to
        go on.
        """
        ...

    def numbers_held(self, size: Size) -> float:
        """How many numbers of eight bytes it holds at its peak, those of `then` included."""
        return 5 * size.coefficients


def check_residence(solver: Solver, rows: Rows) -> None:
    """Refuse, before any work, rows that are read block by block, where a solver or one that may
    take over from it needs them in memory.

    Raises:
        ArgumentError: it does.
    """
    last: Solver | None = solver
    while last is not None:
        if last.in_memory:
            in_memory(rows, last.in_memory)
        last = last.then


class GivesWay(NamedTuple):
    """What a solver's generator returns to give way to the next solver.

    Attributes:
        coefficients: where the next one starts.
        passes: over the rows so far.
    """

    coefficients: Array
    passes: float


class Relay:
    """The iterates of a solver and of its successors, which name themselves and count the passes so
    far.

    `iterates` are those of the solver whose turn it is, as it makes them.

    Example:
        >>> from polytome.losses import Logistic
        >>> from polytome.penalties import L2
        >>> from polytome.rows import as_rows
        >>> from polytome.solvers import LBFGS, Newton
        >>> objective = Objective(Logistic(), L2(0.1), as_rows(np.array([[-1.0], [0.0], [1.0]]), np.array([0, 1, 1])))
        >>> relay = Relay(LBFGS(then=Newton(), then_after=2), objective, np.zeros((2, 1)))
        >>> [iterate.took_over for iterate, _ in zip(relay, range(4))]
        [(), (), ('Newton',), ('Newton',)]
    """

    def __init__(self, solver: Solver, objective: Objective, start: Array, passes: float = 0.0) -> None:
        self.solver = solver
        self.took_over: tuple[str, ...] = ()
        self._begin(objective, start, passes)

    def _begin(self, objective: Objective, start: Array, passes: float) -> None:
        self.objective, self.passes = objective, passes
        self.iterates = self.solver.iterates(objective, start)

    def __iter__(self) -> Relay:
        return self

    def __next__(self) -> Iterate:
        while True:
            try:
                return self.named(next(self.iterates))
            except StopIteration as end:
                if not self.gives_way(end.value):
                    raise

    def named(self, iterate: Iterate) -> Iterate:
        """An iterate of the solver whose turn it is, with the names of those that took over, and
        all passes so far."""
        if not (self.passes or self.took_over):
            return iterate
        names = (*self.took_over, *iterate.took_over)
        return replace(iterate, passes=self.passes + iterate.passes, took_over=names)

    def gives_way(self, handover: GivesWay | None) -> bool:
        """Goes on with the next solver, where one has ended in order to give way to it; False if
        there is none."""
        if handover is None or not self._next_solver():
            return False
        self._begin(self.objective, handover.coefficients, self.passes + handover.passes)
        return True

    def go_on(self, exact: Objective, start: Array, passes: float) -> bool:
        """Goes on from coefficients at which the solver was halted: in float64, or where that is
        so, with the next solver; False if there is none."""
        if self.objective is not exact:
            self.took_over += ("float64",)
        elif not self._next_solver():
            return False
        self._begin(exact, start, passes)
        return True

    def _next_solver(self) -> bool:
        if self.solver.then is None:
            return False
        self.solver = self.solver.then
        self.took_over += (type(self.solver).__name__,)
        return True
