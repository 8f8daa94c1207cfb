"""The guard of Newton's method: of many rows that are not in memory a byte for each, and never less
curvature than a number."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from polytome.losses import Logistic, Softmax, Squared
from polytome.objective import Objective
from polytome.passes import Columns, Gram
from polytome.penalties import L2
from polytome.rows import Stream, StreamedRows, as_rows
from polytome.solvers import Newton, guard, minimize
from polytome.solvers.guard import Guard
from polytome.solvers.memory import forecast
from polytome.solvers.size import Size


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows count as many."""
    monkeypatch.setattr(guard, "_MOST_NUMBERED_ROWS", 10)


@dataclass(frozen=True)
class Half:
    """Some rows of a matrix."""

    X: Any

    @property
    def n_rows(self) -> int:
        return int(self.X.shape[0])

    def read(self) -> Iterator[Any]:
        yield self.X


def both(X: Any, y: Any, n_classes: int, strength: float, weight: Any = None) -> tuple[Objective, Objective]:
    """The objective of rows in memory, and of the same rows in two parts."""
    middle, is_sparse = X.shape[0] // 2, bool(sparse.issparse(X))
    entries = X.nnz if is_sparse else X.size
    halves = (Half(X[:middle]), Half(X[middle:]))
    stream = Stream(halves, X.shape[1], X.shape[0] - middle, is_sparse, entries, X.dtype)
    loss = Logistic() if n_classes == 2 else Softmax(n_classes)
    in_memory, parts = as_rows(X, y, weight), StreamedRows.of(stream, y, weight)
    return Objective(loss, L2(strength), in_memory), Objective(loss, L2(strength), parts)


def values(one: Guard) -> Any:
    """The extra curvature of each row, as numbers."""
    return guard._values_of(one.objective.loss)[one.extra]


@pytest.mark.usefixtures("many")
def test_levels_are_the_numbers_rounded_up(rng: np.random.Generator) -> None:
    X, y = rng.normal(1, 3, (400, 5)), rng.integers(0, 3, 400)
    numbers, levels = (Guard(objective) for objective in both(X, y, 3, 0.1))
    W, direction = rng.normal(size=(6, 3)), 3 * rng.normal(size=(6, 3))
    for each in (numbers, levels):
        each.learn(W, direction)
    assert levels.extra is not None
    assert levels.extra.dtype == np.uint8
    assert_array_equal(levels.extra > 0, numbers.extra > 0)
    found = numbers.extra > 0
    for ratio, slack in ((0.0, 1.0), (0.7, 1.0), (0.4, 1.0), (2.0, 1.06)):
        for each in (numbers, levels):
            each.fade(ratio)
        times = values(levels)[found] / numbers.extra[found]
        assert times.min() > 1 - 1e-12
        assert times.max() < slack * 2**0.25 + 1e-12
    for each in (numbers, levels):
        each.learn(2 * W, direction)
    assert (values(levels) >= numbers.extra * (1 - 1e-12)).all()
    for _ in range(12):
        for each in (numbers, levels):
            each.fade(2.0)
    assert not numbers.is_active
    assert not levels.is_active


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("loss", [Logistic(), Squared()])
def test_where_no_row_is_to_blame_all_are(loss: Any, rng: np.random.Generator) -> None:
    """A step along which no score changes shows nothing."""
    X, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    twice = [Guard(Objective(loss, each.penalty, each.rows)) for each in both(X, y, 2, 0.1)]
    for times in range(4):
        for each in twice:
            each.learn(np.zeros((4, 1)), np.zeros((4, 1)))
        expected = np.full(40, 4.0**times * 1e-6 * loss.smoothness)
        assert_allclose(twice[0].extra, expected, rtol=1e-12)
        assert (values(twice[1]) >= expected).all()
        assert (values(twice[1]) < 2**0.25 * expected).all()
    for _ in range(40):
        twice[1].learn(np.zeros((4, 1)), np.zeros((4, 1)))
    assert (twice[1].extra == 255).all()


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("copies_all", [True, False])
@pytest.mark.parametrize("most", [10, 1_000])
def test_the_matrix_is_that_of_the_extra_curvature(
    storage: Any, copies_all: bool, most: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = rng.normal(1, 3, (300, 5)) * (rng.random((300, 5)) < 0.6)
    monkeypatch.setattr(guard, "_MOST_NUMBERED_ROWS", most)
    _, objective = both(storage(X), rng.integers(0, 3, 300), 3, 0.1, rng.uniform(0.1, 3, 300))
    one = Guard(objective)
    one.learn(rng.normal(size=(6, 3)), 3 * rng.normal(size=(6, 3)))
    if not copies_all:
        monkeypatch.setattr("polytome.rows.blocks._LEAST_COPIED", 10)
        monkeypatch.setattr("polytome.rows.blocks._COPIED_BYTES", 1)
        monkeypatch.setattr(StreamedRows, "subset", None)
    extra = values(one) if most < 300 else one.extra
    rows = as_rows(X, np.zeros(300), objective.rows.weight * extra)
    expected = rows.reduce(Gram(Columns.identity(5), True))[0] / objective.total_weight
    assert_allclose(one.matrix, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


@pytest.mark.usefixtures("many")
def test_a_byte_for_each_row(rng: np.random.Generator) -> None:
    """Three while steps are looked at, beside blocks that do not grow with the rows."""
    peaks = []
    X = rng.normal(size=(10_000, 1)).astype(np.float32)
    for n_parts in (5, 30):
        n_rows = n_parts * len(X)
        stream = Stream((Half(X),) * n_parts, 1, len(X), False, n_rows, X.dtype)
        y = np.tile(rng.integers(0, 2, len(X)).astype(np.int8), n_parts)
        objective = Objective(Logistic(), L2(1e-6), StreamedRows.of(stream, y, n_threads=1))
        one = Guard(objective)
        tracemalloc.start()
        for _ in range(2):
            one.learn(np.array([[1.0], [0.0]]), np.array([[30.0], [0.0]]))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert one.extra is not None
        assert one.extra.nbytes == n_rows
    assert (peaks[1] - peaks[0]) / 250_000 < 3.5


@pytest.mark.usefixtures("many")
def test_guarded_steps_over_parts_end_where_those_in_memory_do(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a point where most rows are classified beyond doubt, whole steps make some badly
    wrong."""
    X = rng.normal(size=(300, 3))
    y = (X @ [1.0, -1.0, 0.5] + rng.logistic(size=300) > 0).astype(int)
    start = np.array([[4.0], [4.0], [0.0], [0.0]])
    learned: list[bool] = []
    learn = Guard.learn

    def seen(self: Guard, W: Any, direction: Any) -> None:
        learn(self, W, direction)
        learned.append(self._by_levels)

    monkeypatch.setattr(Guard, "learn", seen)
    solutions = [minimize(objective, Newton(), start, tol=1e-10) for objective in both(X, y, 2, 1e-3)]
    assert {*learned} == {True, False}
    assert [solution.stop.name for solution in solutions] == ["CERTIFIED"] * 2
    assert_allclose(solutions[1].coefficients, solutions[0].coefficients, rtol=1e-5)


@pytest.mark.usefixtures("many")
def test_a_forecast_counts_bytes_of_rows_in_parts() -> None:
    X, y = np.ones((100_000, 2)), np.arange(100_000) % 2
    held = [Newton().numbers_held(Size.of(objective)) for objective in both(X, y, 2, 1.0)]
    assert held[0] - held[1] >= 2 * len(X)
    in_memory, parts = both(X, y, 2, 1.0)
    assert forecast(parts, Newton()) < forecast(in_memory, Newton())


def test_fewer_rows_in_parts_have_the_numbers_of_rows_in_memory(rng: np.random.Generator) -> None:
    X, y = rng.normal(1, 3, (400, 5)), rng.integers(0, 3, 400)
    one, other = (Guard(objective) for objective in both(X, y, 3, 0.1))
    W = rng.normal(size=(6, 3))
    for each in (one, other):
        each.learn(W, 3 * W[::-1])
        each.fade(2.0)
    assert other.extra is not None
    assert_allclose(other.extra, one.extra, rtol=1e-12)
