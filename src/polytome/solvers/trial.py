"""What a fit will take, learned from a fit to some of its rows: which passes it makes, and how long
they and all else take.

The sample has the penalty, the columns and the solver of all rows, so that it needs about as many
iterations; and every pass over it is timed. A pass over all rows takes as much longer as there are
more of them, or what one was measured to take; what is not a pass (factors, the recursion of
L-BFGS) depends on the coefficients, and takes the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.curvature.preconditioner import MAX_GRAM_COLUMNS, gram_sample
from polytome.losses import labels_of
from polytome.numerics.totals import class_totals
from polytome.objective import Objective
from polytome.passes import CurvatureSums, Pass, Sums, ValueAndGradient
from polytome.rows import Storage
from polytome.solvers.driver import Progress, Stop, minimize
from polytome.solvers.dual_coordinate_ascent import DualCoordinateAscent
from polytome.solvers.solver import Solver

Array = NDArray[Any]

__all__ = ["Expected", "Seen", "Trial", "evenly_spaced", "fit_watched", "representative", "trial_fit"]

_FIRST_ROWS = 2_000
_ROWS_PER_COLUMN = 2  # of a trial, as long as columns are few enough for their Gram matrix
_ENOUGH_SECONDS = 0.3
_MAX_SECONDS = 2.0
_MAX_GROWTH = 8
_READINGS_OF_DRAW = 2  # where rows are drawn by their curvature: to know it, and to copy them


@dataclass(frozen=True)
class Seen:
    """A pass that was made: which, over how many rows, how many numbers it added up, and how long
    it took, in seconds."""

    a_pass: Pass
    n_rows: int
    n_sums: int
    seconds: float


class _Watching:
    """Before a class of rows: notes every pass over them, and over whatever is derived from
    them."""

    log: list[Seen]

    def reduce(self, a_pass: Pass) -> Sums:
        began = time.perf_counter()
        sums: Sums = super().reduce(a_pass)  # type: ignore[misc]
        seconds = time.perf_counter() - began
        n_sums = sum(each.size for each in sums[: len(sums) - a_pass.joined])
        self.log.append(Seen(a_pass, self.n_rows, n_sums, seconds))  # type: ignore[attr-defined]
        return sums


def _watched(rows: Storage, log: list[Seen]) -> Storage:
    """The same rows, each of whose passes is noted in the log."""
    kind: Any = type(f"Watched{type(rows).__name__}", (_Watching, type(rows)), {"log": log})
    watching: Storage = kind(**{each.name: getattr(rows, each.name) for each in fields(rows)})
    return watching


def evenly_spaced(n_rows: int, size: int) -> Array:
    """The numbers of so many rows, one of each stretch of equal length, drawn at random.

    Example:
        >>> evenly_spaced(3, 3)
        array([0, 1, 2])
    """
    if size >= n_rows:
        return np.arange(n_rows)
    edges = np.linspace(0, n_rows, size + 1).astype(np.int64)
    chosen: Array = np.random.default_rng(0).integers(edges[:-1], edges[1:])
    return chosen


def representative(target: Array, weight: Array, chosen: Array) -> Array:
    """The numbers of rows, and of one row of each class that has weight, but not among them: a fit
    without one of the classes would be another one.

    Args:
        target: codes, shape (n,); probabilities of the second of two classes, (n,), or of all,
            (n, n_classes).
        weight: of the rows.
        chosen: numbers of rows, in growing order.

    Example:
        >>> representative(np.array([0, 1, 2, 2, 1]), np.ones(5), np.array([0, 4]))
        array([0, 2, 4])
    """
    target = labels_of(target)
    if target.ndim == 1 and target.dtype.kind in "iu":
        n_classes = int(target.max()) + 1
        total = class_totals(target, weight, n_classes)
        lacking = (total > 0) & (np.bincount(target[chosen], weight[chosen], n_classes) == 0)
        candidates = np.flatnonzero(lacking[target] & (weight > 0))
        _, first = np.unique(target[candidates], return_index=True)
        return np.union1d(chosen, candidates[first])
    probabilities = np.column_stack([1 - target, target]) if target.ndim == 1 else target
    lacking = (weight @ probabilities > 0) & (weight[chosen] @ probabilities[chosen] == 0)
    likeliest = [int((weight * column).argmax()) for column in probabilities[:, lacking].T]
    return np.union1d(chosen, np.array(likeliest, dtype=chosen.dtype))


@dataclass(frozen=True)
class Trial:
    """A fit to some of the rows.

    Attributes:
        n_rows: how many.
        seen: its passes.
        seconds: of the whole fit, its passes included.
        passes: over the rows, as the solver counts them; if it was cut short, as it would have made
            by the rate at which its gap fell.
        share: of those passes that it made.
        earlier: the trial of fewer rows before it, if there was one.
    """

    n_rows: int
    seen: tuple[Seen, ...]
    seconds: float
    passes: float
    share: float
    earlier: Trial | None = field(default=None, repr=False)

    @property
    def over_all(self) -> tuple[Seen, ...]:
        """The passes over all of its rows, but for those over rows that are drawn where there are
        more."""
        return tuple(
            seen for seen in self.seen if seen.n_rows == self.n_rows and not isinstance(seen.a_pass, CurvatureSums)
        )

    @property
    def beside_passes(self) -> float:
        """Seconds that were not spent in passes."""
        return max(self.seconds - sum(seen.seconds for seen in self.seen), 0.0)

    @property
    def one_pass(self) -> float | None:
        """Seconds of one pass of value and gradient, the median; None if there was none."""
        found = [seen.seconds for seen in self.over_all if isinstance(seen.a_pass, ValueAndGradient)]
        return float(np.median(found)) if found else None

    @property
    def _typical_seconds(self) -> float:
        """Seconds of all passes over all of its rows, but for what disturbed some of them."""
        kinds: dict[type, list[float]] = {}
        for seen in self.over_all:
            kinds.setdefault(type(seen.a_pass), []).append(seen.seconds)
        return float(sum(len(each) * np.median(each) for each in kinds.values()))

    def expected(self, objective: Objective, solver: Solver, one_pass: float | None) -> Expected:
        """What a fit to all rows of an objective will take.

        Args:
            objective: with all rows.
            solver: the one of the trial.
            one_pass: seconds of a pass of value and gradient over all rows, where that was
                measured.
        """
        n_rows, facts = objective.rows.n_rows, objective.rows.facts
        growth, own = n_rows / self.n_rows, self.one_pass
        of_passes = growth if own is None or one_pass is None else one_pass / own
        over_all = of_passes * self._typical_seconds
        drawn = gram_sample(n_rows, facts.n_features, objective.loss.n_outputs)
        beside, n_draws = self.beside_passes, 0
        for seen in self.seen:
            if isinstance(seen.a_pass, CurvatureSums):
                beside += seen.seconds * min(drawn or n_rows, n_rows) / seen.n_rows
                n_draws += drawn is not None
            elif seen.n_rows != self.n_rows:
                beside += seen.seconds
        if isinstance(solver, DualCoordinateAscent):  # whose steps are no passes
            slope = self.beside_passes / self.n_rows
            if (known := self.earlier) is not None:
                more = self.beside_passes - known.beside_passes
                slope = min(slope, max(more / (self.n_rows - known.n_rows), 0.0))
            over_all += slope * n_rows
            beside -= slope * self.n_rows
        readings = len(self.over_all) + _READINGS_OF_DRAW * n_draws
        return Expected(over_all / self.share, beside / self.share, readings / self.share)


@dataclass(frozen=True)
class Expected:
    """What a fit to all rows will take.

    Attributes:
        shared: seconds of passes over all rows, which as many workers as there are can share.
        own: seconds of all else.
        readings: how often all rows are read, where they are not in memory.
    """

    shared: float
    own: float
    readings: float


def trial_fit(
    sample: Storage,
    objective: Objective,
    solver: Solver,
    prepared: Callable[[Storage], Storage],
    *,
    tol: float,
    max_iter: int,
) -> Trial:
    """Fits to more and more rows, until one takes some tenths of a second or has all rows; the last
    of them.

    Args:
        sample: some of the rows, or all; none of the fits has more.
        objective: with all rows; they are not read.
        solver: the one that will be used.
        prepared: makes passes over rows that are made before a fit, and returns them.
        tol: as for `minimize`.
        max_iter: as for `minimize`.
    """
    counting = np.flatnonzero(sample.weight > 0)
    size = max(_FIRST_ROWS, _ROWS_PER_COLUMN * min(sample.n_features, MAX_GRAM_COLUMNS))
    size, earlier, is_dual = min(sample.n_rows, size), None, isinstance(solver, DualCoordinateAscent)
    while True:
        rows = sample
        if size < sample.n_rows:
            chosen = counting[evenly_spaced(len(counting), size)]
            chosen = representative(sample.target, sample.weight, chosen)
            rows = sample.subset(chosen, sample.weight[chosen])
        trial = fit_watched(rows, objective, solver, prepared, tol=tol, max_iter=max_iter, earlier=earlier)
        is_enough = trial.seconds >= _ENOUGH_SECONDS and (earlier is not None or not is_dual)
        if size == sample.n_rows or is_enough:
            return trial
        growth = min(_MAX_GROWTH, max(2.0, _ENOUGH_SECONDS / trial.seconds))
        size, earlier = int(growth * size), trial
        if 2 * size > sample.n_rows:
            size = sample.n_rows


def fit_watched(
    rows: Storage,
    objective: Objective,
    solver: Solver,
    prepared: Callable[[Storage], Storage] = lambda rows: rows,
    *,
    tol: float,
    max_iter: int,
    earlier: Trial | None = None,
) -> Trial:
    """A fit to some rows with the penalty of all, each of whose passes is noted; cut short after
    two seconds.

    Args:
        rows: some of the rows.
        objective: with all rows, which are not read.
        solver: how.
        prepared: as for `trial_fit`.
        tol: as for `minimize`.
        max_iter: as for `minimize`.
        earlier: the trial of fewer rows.
    """
    log: list[Seen] = []
    began = time.perf_counter()
    small = replace(objective, rows=prepared(_watched(rows, log)))

    def is_late(progress: Progress) -> bool:
        return progress.seconds > _MAX_SECONDS

    solution = minimize(small, solver, tol=tol, max_iter=max_iter, callback=is_late)
    seconds = time.perf_counter() - began
    share = 1.0
    if solution.stop is Stop.INTERRUPTED:
        share = _share_made(solution.history, tol * small.null[1])
    return Trial(rows.n_rows, tuple(log), seconds, solution.passes / share, share, earlier)


def _share_made(history: tuple[Progress, ...], goal: float) -> float:
    """The share of the passes that an unfinished fit has made, if its gap goes on falling at its
    rate."""
    first, last = history[len(history) // 2], history[-1]
    passes = last.passes - first.passes
    if not (np.isfinite(first.gap) and 0 < last.gap < first.gap and passes > 0):
        return 0.1
    per_pass = np.log(first.gap / last.gap) / passes
    left = max(np.log(last.gap / goal), 0.0) / per_pass
    return float(last.passes / (last.passes + left))
