"""What a fit will cost before it is made: passes, seconds and memory, on this machine or shared by
several.

Rows that are at hand are measured: a fit to some of them tells how many passes all of them will
need, and how long each takes. On paper, of rows of which only the number and the columns are known,
made-up ones tell how long a pass takes, and fits to known data sets how many there may be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone

from polytome.errors import ArgumentError
from polytome.losses import Logistic, Loss, Softmax
from polytome.models.features import checked_features, feature_scale
from polytome.models.fitting import check_settings, penalty_of
from polytome.models.labels import Labels, class_weights, hard_labels, is_soft, row_weights, soft_labels
from polytome.models.logistic import LogisticRegression
from polytome.models.streamed import streamed_data
from polytome.objective import Objective
from polytome.passes import ValueAndGradient
from polytome.rows import Rows, Storage, Stream, StreamedRows, as_rows
from polytome.solvers import Choice, Newton, ProximalNewton, Solver, named_solver
from polytome.solvers.choose import check_named_residence
from polytome.solvers.memory import forecast, memory_left, planned_solver
from polytome.solvers.trial import Trial, evenly_spaced, fit_watched, representative, trial_fit
from polytome.tables.streams.table import StreamedTable

Array = NDArray[Any]
Range = tuple[float, float, float]
"""The least, what is expected, the most."""

__all__ = ["FitCost", "Range", "SharedCost", "Workers", "cost_of_fit", "cost_on_paper"]

_PASSES_OF_MANY = (0.7, 1.0, 1.5)
_PASSES_OF_FEW = (0.4, 1.0, 4.0)
_MANY_ROWS_PER_COLUMN = 10
"""Passes over all rows for each over some of them, as known data sets showed: few rows beside their
columns are easier to fit under a weak penalty, and harder under a strong one."""
_LONG_PASS_SECONDS = 1.0
_PARTS_TIMED = 4
_MADE_ENTRIES = 2**22
_MADE_ITERATIONS = 4
_MOST_COLUMNS = 2**31 - 1
_SMALL_SUMS = 2**20

_TYPICAL_PASSES: dict[str, tuple[Range, Range, Range]] = {
    "Newton": ((4, 6, 12), (4, 8, 16), (5, 10, 20)),
    "ProximalNewton": ((1, 9, 20), (1, 11, 25), (1, 12, 30)),
    "other": ((9, 16, 40), (14, 30, 80), (15, 40, 120)),
}
"""Passes of Newton's method, of that for absolute values, and of L-BFGS, where `tol` is 1e-2, 1e-4
and 1e-6."""
_TYPICAL_TOLERANCES = (2.0, 4.0, 6.0)


@dataclass(frozen=True)
class Workers:
    """Machines like this one that share the rows, each with its own disk.

    Attributes:
        count: how many.
        bandwidth: bytes in a second between them and the one that adds up, for all of them
            together.
    """

    count: int
    bandwidth: float = 1e9

    def __post_init__(self) -> None:
        if self.count < 1 or self.count != int(self.count):
            raise ArgumentError(f"workers={self.count!r}: needs a positive whole number")
        if not (np.isfinite(self.bandwidth) and self.bandwidth > 0):
            raise ArgumentError(f"bandwidth={self.bandwidth!r}: needs a positive number of bytes in a second")


@dataclass(frozen=True)
class SharedCost:
    """What a fit will cost where workers share the rows.

    Attributes:
        workers: how many machines, and what connects them.
        bytes_sent: for each pass, to and from all workers.
        send_seconds: of each pass, for that.
        add_seconds: of each pass, for adding up the workers' sums.
        pass_seconds: of each pass, in all.
        seconds: of the fit.
        memory: bytes that the process of each worker takes beyond its rows.
    """

    workers: Workers
    bytes_sent: float
    send_seconds: float
    add_seconds: float
    pass_seconds: float
    seconds: Range
    memory: float


@dataclass(frozen=True)
class FitCost:
    """What a fit will cost.

    Attributes:
        n_rows: rows.
        n_features: columns, encoded.
        n_classes: classes.
        n_entries: entries that are stored.
        n_bytes: of the rows, in memory, or in their files where they are read in each pass.
        is_read: whether they are read in each pass.
        choice: the solver, and why; None where there is nothing to learn.
        passes: over the rows.
        known_from: in words, how the passes are known.
        reading_seconds: of reading all rows once; None where they are in memory.
        pass_seconds: of a pass over all rows, on average, with reading them.
        gradient_seconds: of one for value and gradient alone; None where the fit makes none, or on
            paper.
        own_seconds: of what is no pass, such as factors of a Hessian.
        seconds: of the fit.
        memory: bytes that the fit takes at its peak, beyond the rows where these are in memory.
        memory_left: bytes that there are; None where that is not known.
        bottleneck: what takes longest, or what there is too little of.
        shared: the same where workers share the rows; None where none were asked for.
    """

    n_rows: int
    n_features: int
    n_classes: int
    n_entries: int
    n_bytes: float
    is_read: bool
    choice: Choice | None
    passes: Range
    known_from: str
    reading_seconds: float | None
    pass_seconds: float
    gradient_seconds: float | None
    own_seconds: float
    seconds: Range
    memory: float
    memory_left: float | None
    bottleneck: str
    shared: SharedCost | None = None


def cost_of_fit(
    model: LogisticRegression, X: Any, y: Any = None, sample_weight: Any = None, *, workers: Workers | None = None
) -> FitCost:
    """What `model.fit(X, y)` will cost, from fits to some of the rows that take some tenths of a
    second.

    Where a fit to all rows takes no longer, they are all fitted, and the passes are exact.

    Args:
        model: the classifier with its settings; it is not fitted.
        X: as for `fit`, or rows from `open_rows`.
        y: as for `fit`.
        sample_weight: as for `fit`.
        workers: machines that are to share the rows.

    Raises:
        DataError: X or y cannot be used, or the fit would not fit into memory.
        ArgumentError: a setting cannot be used.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> cost = cost_of_fit(LogisticRegression(), *load_iris(return_X_y=True))
        >>> cost.n_classes, cost.known_from, cost.passes[0] == cost.passes[2] > 3
        (3, 'a fit to all rows', True)
    """
    model = clone(model).set_params(verbose=0, callback=None)
    check_settings(model)
    began = time.perf_counter()
    X, labels, weight, n_bytes = _data(model, X, y, sample_weight)
    problem = model._problem(X, labels, class_weights(model.class_weight, labels, weight))
    check_named_residence(model.solver, problem.rows)
    preparing = time.perf_counter() - began
    rows, loss, facts = problem.rows, problem.loss, problem.rows.facts
    limit = X.memory if isinstance(X, Stream) else None
    known: dict[str, Any] = {"n_rows": facts.n_rows, "n_features": facts.n_features, "n_entries": facts.n_entries}
    known |= {"n_classes": len(labels.classes), "n_bytes": n_bytes, "is_read": not facts.is_resident}
    known |= {"memory_left": memory_left(limit)}
    if loss is None:
        return _nothing_to_learn(known)
    penalty = penalty_of(model, float(rows.weight.sum()), rows.n_features)
    objective = Objective(loss, penalty, rows, bool(model.fit_intercept))
    if isinstance(rows, Storage):
        sample = rows
        objective = replace(objective, rows=_scaled(model, rows, X))
        choice = planned_solver(model.solver, objective, model.random_state)
    else:  # first the choice, while the sample takes no memory
        choice = planned_solver(model.solver, objective, model.random_state, limit)
        sample = _sample(rows)
        few = _scaled(model, sample, X)
        objective = replace(objective, rows=rows.with_columns(few.columns).at(few.precision))
    trial = trial_fit(
        sample,
        objective,
        choice.solver,
        lambda few: _scaled(model, few, X),
        tol=model.tol,
        max_iter=model.max_iter,
    )
    timed = _timed(objective, trial)
    expected = trial.expected(objective, choice.solver, timed.computing)
    is_whole = trial.n_rows == rows.n_rows
    made = _PASSES_OF_MANY if trial.n_rows >= _MANY_ROWS_PER_COLUMN * rows.n_features else _PASSES_OF_FEW
    made = (1.0, 1.0, 1.0) if is_whole and trial.share == 1 else made
    reading = timed.reading_beside * expected.readings
    part = _Parts(reading, expected.shared, expected.own + preparing, trial.passes, made)
    n_sums = max((seen.n_sums for seen in trial.over_all), default=objective.size)
    return part.cost(
        objective,
        choice,
        workers,
        n_sums,
        known
        | {
            "known_from": "a fit to all rows" if is_whole else f"a fit to {trial.n_rows:,} of the rows",
            "reading_seconds": timed.reading,
            "gradient_seconds": timed.one_pass,
        },
    )


def cost_on_paper(
    model: LogisticRegression,
    *,
    n_rows: float,
    n_features: float,
    n_entries: float | None = None,
    n_classes: int = 2,
    n_bytes: float | None = None,
    disk: float = 1e9,
    memory: float | None = None,
    workers: Workers | None = None,
) -> FitCost:
    """What a fit to rows of a shape will cost, from passes over a few made-up rows of that shape.

    Rows that do not fit into memory are read from a disk in each pass, while the last are computed.

    Args:
        model: the classifier with its settings.
        n_rows: rows.
        n_features: columns, encoded.
        n_entries: of each row that are stored; None for all of a dense row.
        n_classes: classes.
        n_bytes: of the rows on disk; None for four for each entry, and four for its place in sparse
            rows.
        disk: bytes that a disk reads in a second.
        memory: bytes that each machine may take; None for what is free here.
        workers: machines that are to share the rows.

    Raises:
        ArgumentError: a number cannot be used.
        DataError: the coefficients do not fit into memory.

    Example:
        >>> from polytome import LogisticRegression
        >>> cost = cost_on_paper(LogisticRegression(), n_rows=10**10, n_features=400, n_entries=99, memory=8e9)
        >>> cost.is_read, cost.bottleneck.split(":")[0]
        (True, 'memory')
    """
    stored = float(n_features) if n_entries is None else float(n_entries)
    _check_shape(n_rows, n_features, stored, n_classes, disk)
    n_rows, n_features = int(n_rows), int(n_features)
    is_sparse = stored < n_features / 3
    count = 1 if workers is None else workers.count
    left = memory_left(None) if memory is None else memory
    held_bytes = n_rows * stored * (12 if is_sparse else 8)
    size = n_rows * stored * (8 if is_sparse else 4) if n_bytes is None else n_bytes
    is_read = left is not None and held_bytes / count > left / 2
    loss: Loss = Logistic() if n_classes == 2 else Softmax(n_classes)
    stream = Stream(
        (_Unread(n_rows),), n_features, _piece_rows(stored), is_sparse, int(n_rows * stored), np.dtype(np.float64)
    )
    rows = StreamedRows.of(stream, np.broadcast_to(np.int8(0), n_rows))
    penalty = penalty_of(model, float(n_rows), n_features)
    objective = Objective(loss, penalty, rows, bool(model.fit_intercept))
    choice = named_solver(model.solver, objective, model.random_state)
    slope, constant, own = _seconds_of_made_rows(objective, choice.solver, stored, is_sparse, model.tol)
    computing, reading = constant + slope * n_rows, size / disk if is_read else 0.0
    passes = _typical_passes(choice.solver, model.tol)
    made = (passes[0] / passes[1], 1.0, passes[2] / passes[1])
    part = _Parts(max(reading - computing, 0.0) * passes[1], computing * passes[1], own * passes[1], passes[1], made)
    part = replace(part, disk=reading * passes[1])
    facts = {"n_rows": n_rows, "n_features": n_features, "n_entries": int(n_rows * stored), "n_classes": n_classes}
    n_sums = 1 + objective.size
    if isinstance(choice.solver, Newton | ProximalNewton):
        largest = np.inf if isinstance(choice.solver, Newton) else float(choice.solver.largest) ** 2
        n_sums += int(min(objective.hessian_entries, largest))
    return part.cost(
        objective,
        choice,
        workers,
        n_sums,
        facts
        | {
            "n_bytes": size if is_read else held_bytes,
            "is_read": is_read,
            "known_from": "fits to known data sets",
            "reading_seconds": reading if is_read else None,
            "gradient_seconds": None,
            "memory_left": left,
        },
    )


@dataclass(frozen=True)
class _Parts:
    """The seconds of a fit: of reading beyond computing, of passes, of all else; and its passes,
    with what they may be times as many."""

    reading: float
    shared: float
    own: float
    passes: float
    made: Range
    disk: float | None = None

    def each(self, seconds: float) -> float:
        """Of each pass."""
        return seconds / max(self.passes, 1.0)

    def times(self, seconds: float) -> Range:
        """Seconds of a fit whose passes may be more or fewer."""
        low, expected, high = (seconds * made for made in self.made)
        return low, expected, high

    def cost(
        self, objective: Objective, choice: Choice, workers: Workers | None, n_sums: int, known: dict[str, Any]
    ) -> FitCost:
        """The parts together, on one machine and on several."""
        needed = float(forecast(objective, choice.solver))
        low, expected, high = self.times(self.passes)
        disk = self.reading if self.disk is None else self.disk
        shares = {"disk": disk, "processor": self.shared, "what is no pass": self.own}
        shared = None
        if workers is not None:
            shared = self._shared(objective, choice, workers, n_sums)
            network = shared.send_seconds + shared.add_seconds
            shares = {name: seconds / workers.count for name, seconds in shares.items()} | {
                "what is no pass": self.own,
                "network": network * self.passes,
            }
        memory, left = needed if shared is None else shared.memory, known["memory_left"]
        return FitCost(
            choice=choice,
            passes=(low, expected, high),
            pass_seconds=self.each(self.reading + self.shared),
            own_seconds=self.own,
            seconds=self.times(self.reading + self.shared + self.own),
            memory=needed,
            bottleneck=_bottleneck(shares, memory, left),
            shared=shared,
            **known,
        )

    def _shared(self, objective: Objective, choice: Choice, workers: Workers, n_sums: int) -> SharedCost:
        """What workers make of it: each passes over its share of the rows, gets the coefficients
        and returns its sums, which one machine adds up."""
        sent = 8.0 * (objective.size + n_sums) * workers.count
        send, add = sent / workers.bandwidth, workers.count * _seconds_to_add(n_sums)
        each = self.each(self.reading + self.shared) / workers.count + send + add
        share = objective.rows.n_rows // workers.count
        needed = forecast(objective, choice.solver) * min(1.0, (share + 1) / objective.rows.n_rows)
        fit = self.times(each * self.passes + self.own)
        return SharedCost(workers, sent, send, add, each, fit, max(needed, 8.0 * 10 * objective.size))


def _bottleneck(shares: dict[str, float], memory: float, left: float | None) -> str:
    """What there is too little of, or what takes the largest share."""
    if left is not None and memory > left:
        return f"memory: the fit takes {memory / 1e9:,.3g} GB, and {left / 1e9:,.3g} GB are left"
    name = max(shares, key=lambda each: shares[each])
    total = sum(shares.values())
    return f"{name}: {shares[name] / total:.0%} of the work" if total > 0 else name


def _data(model: LogisticRegression, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Labels, Array, float]:
    """X, labels and weights as `fit` has them, and the bytes of X."""
    if (streamed := streamed_data(model, X, y, sample_weight)) is not None:
        stream = streamed[0]
        n_bytes = X.n_bytes if isinstance(X, StreamedTable) else stream.n_entries * stream.dtype.itemsize
        return *streamed, float(n_bytes)
    X = checked_features(model, X, y)
    labels = soft_labels(y) if is_soft(y) else hard_labels(y)
    matrix: Any = X
    parts = [matrix.data, matrix.indices, matrix.indptr] if sparse.issparse(X) else [matrix]
    return X, labels, row_weights(sample_weight, X.shape[0]), float(sum(part.nbytes for part in parts))


def _scaled(model: LogisticRegression, rows: Storage, X: Any) -> Storage:
    """A few rows with columns that are centred and scaled as in a fit."""
    scaled = feature_scale(model, rows, X)
    assert isinstance(scaled, Storage)
    return scaled


def _nothing_to_learn(known: dict[str, Any]) -> FitCost:
    """The cost where one class has all the weight."""
    none = (0.0, 0.0, 0.0)
    return FitCost(
        choice=None,
        passes=none,
        known_from="one class",
        reading_seconds=None,
        pass_seconds=0.0,
        gradient_seconds=None,
        own_seconds=0.0,
        seconds=none,
        memory=0.0,
        bottleneck="nothing: there is nothing to learn from one class",
        **known,
    )


def _sample(rows: Rows) -> Storage:
    """Rows of few of the parts, as many as may be copied."""
    assert isinstance(rows, StreamedRows)
    numbers = _some_parts(rows)
    bounds = np.concatenate([[0], np.cumsum([part.n_rows for part in rows.stream.parts])])
    there = np.concatenate([np.arange(bounds[number], bounds[number + 1]) for number in numbers])
    there = there[rows.weight[there] > 0]
    chosen = there[evenly_spaced(len(there), min(rows.facts.most_copied, len(there)))]
    chosen = representative(rows.target, rows.weight, chosen)
    return rows.subset(chosen, rows.weight[chosen])


def _some_parts(rows: StreamedRows) -> list[int]:
    """The numbers of a few parts, far from each other."""
    return [int(number) for number in evenly_spaced(len(rows.stream.parts), _PARTS_TIMED)]


@dataclass(frozen=True)
class _Timed:
    """Seconds of a pass over all rows: of reading them alone, of computing alone, and of both."""

    reading: float | None = None
    computing: float | None = None
    one_pass: float | None = None

    @property
    def reading_beside(self) -> float:
        """What reading adds to the seconds of computing."""
        if self.one_pass is None or self.reading is None or self.computing is None:
            return 0.0
        return max(self.one_pass - self.computing, 0.0)


def _timed(objective: Objective, trial: Trial) -> _Timed:
    """Seconds of a pass, measured on all rows, or where these are read, on some of their parts."""
    rows = objective.rows
    raw = np.full(objective.shape, 1e-6)
    one = ValueAndGradient(objective.loss, raw)
    if isinstance(rows, StreamedRows):
        few = _few_parts(rows)
        growth = rows.n_rows / few.n_rows
        reading = growth * _seconds(lambda: all(True for _ in few.stream.pieces(range(len(few.stream.parts)))))
        both = growth * _seconds(lambda: few.reduce(one))
        return _Timed(reading, None if trial.one_pass is None else trial.one_pass * rows.n_rows / trial.n_rows, both)
    if trial.one_pass is None or trial.n_rows == rows.n_rows:
        return _Timed(computing=trial.one_pass, one_pass=trial.one_pass)
    if trial.one_pass * rows.n_rows / trial.n_rows > _LONG_PASS_SECONDS:
        some = evenly_spaced(rows.n_rows, max(trial.n_rows, int(_LONG_PASS_SECONDS / trial.one_pass * trial.n_rows)))
        few_rows = rows.subset(some, rows.weight[some])
        seconds = _median_seconds(lambda: few_rows.reduce(one)) * rows.n_rows / len(some)
    else:
        seconds = _median_seconds(lambda: rows.reduce(one))
    return _Timed(computing=seconds, one_pass=seconds)


def _few_parts(rows: StreamedRows) -> StreamedRows:
    """The rows of a few parts."""
    numbers = _some_parts(rows)
    bounds = np.concatenate([[0], np.cumsum([part.n_rows for part in rows.stream.parts])])
    own = np.concatenate([np.arange(bounds[number], bounds[number + 1]) for number in numbers])
    stream = replace(rows.stream, parts=tuple(rows.stream.parts[number] for number in numbers))
    return replace(rows, stream=stream, target=rows.target[own], weight=rows.weight[own])


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _median_seconds(work: Callable[[], object]) -> float:
    return float(np.median([_seconds(work) for _ in range(3)]))


def _seconds_to_add(n_numbers: int) -> float:
    """Seconds to add so many numbers to others."""
    size = min(n_numbers, _SMALL_SUMS)
    total, more = np.zeros(size), np.ones(size)
    return _median_seconds(lambda: np.add(total, more, out=total)) * n_numbers / size


@dataclass(frozen=True)
class _Unread:
    """Rows that there are on paper only."""

    n_rows: int

    def read(self) -> Iterator[Any]:
        """There is nothing to read."""
        return iter(())


def _piece_rows(entries: float) -> int:
    return max(64, int(2**20 / (entries + 1)))


def _check_shape(n_rows: float, n_features: float, entries: float, n_classes: float, disk: float) -> None:
    for name, value, lower in (("rows", n_rows, 2), ("columns", n_features, 1), ("classes", n_classes, 2)):
        if not np.isfinite(value) or value != int(value) or value < lower:
            raise ArgumentError(f"{name}={value!r}: needs a whole number from {lower}")
    if n_features > _MOST_COLUMNS:
        raise ArgumentError(
            f"columns={n_features:g}: needs at most {_MOST_COLUMNS:,}, which a sparse matrix can number"
        )
    if not 0 < entries <= n_features:
        raise ArgumentError(f"entries={entries:g}: needs a number from 1 to that of the columns, {n_features:,}")
    if not (np.isfinite(disk) and disk > 0):
        raise ArgumentError(f"disk={disk!r}: needs a positive number of bytes in a second")


def _seconds_of_made_rows(
    objective: Objective, solver: Solver, entries: float, is_sparse: bool, tol: float
) -> tuple[float, float, float]:
    """Seconds of a pass for each row, and beside the rows; and seconds of what is no pass, for each
    pass."""
    most = max(1_000, int(_MADE_ENTRIES / entries))
    trials = []
    for size in (most // 4, most):
        rows = _made_rows(size, objective.rows.n_features, entries, objective.loss, is_sparse)
        trials.append(fit_watched(rows, objective, solver, tol=tol, max_iter=_MADE_ITERATIONS))
    few, many = (float(np.mean([seen.seconds for seen in trial.over_all])) for trial in trials)
    slope = max((many - few) / (most - most // 4), 0.1 * many / most)
    return slope, max(many - slope * most, 0.0), trials[1].beside_passes / max(trials[1].passes, 1.0)


def _made_rows(n_rows: int, n_features: int, entries: float, loss: Loss, is_sparse: bool) -> Storage:
    """Rows whose entries stand in random columns, with random labels."""
    rng = np.random.default_rng(0)
    target = rng.integers(max(loss.n_outputs, 2), size=n_rows)
    if not is_sparse:
        return as_rows(rng.normal(size=(n_rows, n_features)), target)
    each = max(1, round(entries))
    places = rng.integers(n_features, size=(n_rows, each))
    places.sort(axis=1)
    bounds = np.arange(n_rows + 1) * each
    return as_rows(sparse.csr_matrix((rng.random(n_rows * each), places.ravel(), bounds), (n_rows, n_features)), target)


def _typical_passes(solver: Solver, tol: float) -> Range:
    """How many passes known data sets took, by the tolerance."""
    known = _TYPICAL_PASSES.get(type(solver).__name__, _TYPICAL_PASSES["other"])
    digits = float(-np.log10(tol))
    low, expected, high = (
        float(np.interp(digits, _TYPICAL_TOLERANCES, [each[place] for each in known])) for place in range(3)
    )
    return low, expected, high
