"""Rows drawn by their curvature: those of the formula, in little memory, wherever they are."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from polytome.curvature import sampling
from polytome.curvature.sampling import Importance, drawn_by_class, drawn_by_curvature
from polytome.losses import Logistic, Softmax
from polytome.objective import Objective
from polytome.passes import Columns, Traces
from polytome.penalties import L2
from polytome.rows import Stream, StreamedRows, as_rows
from polytome.rows.journal import Journal


def problem(n_rows: int) -> Objective:
    """Rows of two columns, with weights."""
    rng = np.random.default_rng(n_rows)
    X = rng.normal(size=(n_rows, 2))
    return Objective(Logistic(), L2(0.1), as_rows(X, (X[:, 0] > 0).astype(int), rng.integers(0, 4, n_rows)))


@dataclass(frozen=True)
class Made:
    """A part of a stream whose rows are made when they are read: 2,000 at a time."""

    seed: int
    n_rows: int

    def read(self) -> Iterator[np.ndarray]:
        rng = np.random.default_rng(self.seed)
        for start in range(0, self.n_rows, 2_000):
            yield rng.normal(size=(min(2_000, self.n_rows - start), 3))


@dataclass(frozen=True)
class Held:
    """A part whose rows are in memory after all."""

    X: object

    @property
    def n_rows(self) -> int:
        return self.X.shape[0]  # type: ignore[attr-defined, no-any-return]

    def read(self) -> Iterator[object]:
        for start in range(0, self.n_rows, 100):
            yield self.X[start : start + 100]  # type: ignore[index]


@pytest.mark.parametrize("at_once", [7, 2**20])
def test_the_draw_is_that_of_the_formula(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_ROWS_AT_ONCE", at_once)
    objective, W = problem(1_000), np.array([[2.0], [0.5], [-0.1]])
    (traces,) = objective.rows.reduce(Traces(objective.loss, objective.rows.columns.to_raw(W)))
    importance = objective.rows.weight * traces * (1 + objective.row_lengths)
    probability = np.minimum(1.0, 50 * importance / importance.sum())
    chosen = np.flatnonzero(np.random.default_rng(0).random(1_000) < probability)
    found = drawn_by_curvature(objective, W, 50)
    assert 20 < len(chosen) < 100
    np.testing.assert_array_equal(found.X, objective.rows.X[chosen])
    np.testing.assert_array_equal(found.weight, objective.rows.weight[chosen] / probability[chosen])


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_rows_drawn_by_class_stand_for_all_and_leave_no_class_out(storage: type) -> None:
    y = np.repeat([0, 1, 2, 3], [10_000, 5_000, 3, 0])
    y = np.append(np.random.default_rng(0).permutation(y), 4)
    rows = as_rows(storage(np.arange(len(y), dtype=float)[:, None]), y)
    found = drawn_by_class(rows, 500)
    places = np.ravel(found.X.toarray() if sparse.issparse(found.X) else found.X).astype(int)
    assert (np.diff(places) > 0).all()
    np.testing.assert_array_equal(found.target, y[places])
    np.testing.assert_allclose(np.bincount(found.target, found.weight), np.bincount(y), rtol=1e-12)
    drawn, share = np.bincount(found.target), np.bincount(y) / len(y)
    wanted = 500 * np.sqrt(share * (1 - share)) / np.sqrt(share * (1 - share)).sum()
    np.testing.assert_array_equal(drawn, np.minimum(np.bincount(y), np.ceil(wanted)))
    assert drawn[2:].tolist() == [3, 0, 1]


def test_rows_without_classes_are_drawn_evenly(rng: np.random.Generator) -> None:
    weight = rng.uniform(0.5, 2.0, 1_000)
    rows = as_rows(np.arange(1_000.0)[:, None], rng.dirichlet(np.ones(3), 1_000), weight)
    found = drawn_by_class(rows, 100)
    places = np.ravel(found.X).astype(int)
    np.testing.assert_array_equal(places // 10, np.arange(100))
    np.testing.assert_allclose(found.weight, 10 * weight[places], rtol=1e-15)


@pytest.mark.parametrize("storage", [np.asarray, np.float32, sparse.csr_matrix])
def test_streamed_rows_are_drawn_as_in_memory(storage: type, rng: np.random.Generator) -> None:
    """A column that hardly varies, rows of weight 0, parts without rows, and other cuts."""
    X = rng.normal(1, [3, 1e-3, 0], (900, 3)) * (rng.random((900, 3)) < 0.6)
    y, weight = rng.integers(0, 3, 900).astype(np.int8), np.where(rng.random(900) < 0.2, 0.0, rng.uniform(0.1, 3, 900))
    X, W, columns = storage(X), rng.normal(size=(4, 3)), Columns(np.full(3, 0.1), np.array([0.5, 2.0, 1.0]))
    drawn = []
    for bounds in (None, [0, 900], [0, 1, 1, 333, 900]):
        if bounds is None:
            rows = as_rows(X, y, weight)
        else:
            parts = [Held(X[start:end]) for start, end in pairwise(bounds)]
            entries = X.nnz if sparse.issparse(X) else X.size
            stream = Stream(tuple(parts), 3, 100, sparse.issparse(X), entries, X.dtype)
            rows = StreamedRows.of(stream, y, weight)
        drawn.append(drawn_by_curvature(Objective(Softmax(3), L2(0.1), rows.with_columns(columns)), W, 60))
    assert 30 < drawn[0].n_rows < 100
    for found in drawn[1:]:
        np.testing.assert_array_equal(found.whole.target, drawn[0].whole.target)
        assert abs(found.X - drawn[0].X).max() == 0
        np.testing.assert_allclose(found.weight, drawn[0].weight, rtol=1e-6 if storage is np.float32 else 1e-11)


def test_a_draw_from_a_stream_takes_no_byte_of_each_row() -> None:
    peaks = []
    for n_parts in (2, 40):
        parts = tuple(Made(seed, 10_000) for seed in range(n_parts))
        stream = Stream(parts, 3, 2_000, False, 30_000 * n_parts, np.dtype(float))
        codes = np.zeros(10_000 * n_parts, dtype=np.int8)
        objective = Objective(Softmax(3), L2(0.1), StreamedRows.of(stream, codes, n_threads=1))
        objective.rows.moments()
        tracemalloc.start()
        try:
            drawn_by_curvature(objective, np.ones((4, 3)) * np.arange(3), 500)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 380_000 < 0.8


def test_a_draw_in_memory_takes_few_bytes_of_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_ROWS_AT_ONCE", 2**12)
    peaks = []
    for n_rows in (50_000, 150_000):
        objective = problem(n_rows)
        objective.row_lengths  # noqa: B018 (kept by the objective, eight more bytes of each row)
        tracemalloc.start()
        try:
            drawn_by_curvature(objective, np.array([[2.0], [0.5], [-0.1]]), 50)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 100_000 < 26


def test_a_checkpoint_keeps_what_was_drawn_alone(tmp_path: Path) -> None:
    """A fit that goes on does not read the rows again for it, and its file does not grow with
    them."""
    path, n_recalled, W = tmp_path / "fit.checkpoint", [], np.ones((4, 3)) * np.arange(3)
    stream = Stream((Made(1, 40_000),), 3, 2_000, False, 120_000, np.dtype(float))
    codes, found = np.zeros(40_000, dtype=np.int8), []
    importance = Importance(Softmax(3), W, Columns.identity(3))
    for _ in range(2):
        with Journal(path, {"data": "some"}) as journal:
            kept = Stream(stream.parts, 3, 2_000, False, 120_000, stream.dtype, journal=journal)
            found.append(StreamedRows.of(kept, codes).drawn(importance, 100))
            n_recalled.append(journal.n_recalled)
    assert n_recalled == [0, 1]
    assert path.stat().st_size < 20_000
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_rows_of_weight_0_are_not_drawn_by_class() -> None:
    """A sample of them alone has no weight to divide by."""
    target = np.arange(8_000) % 3
    weight = np.zeros(8_000)
    weight[3_000:3_040] = 1
    some = drawn_by_class(as_rows(np.zeros((8_000, 1)), target, weight), 400)
    assert some.weight.min() > 0
    assert some.weight.sum() == weight.sum()


def test_classes_are_looked_at_a_piece_at_a_time_and_the_same_rows_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = as_rows(rng.normal(size=(5_000, 2)), rng.integers(0, 4, 5_000) ** 2 % 5, (rng.random(5_000) < 0.7) * 2.0)
    whole = drawn_by_class(rows, 300)
    monkeypatch.setattr("polytome.curvature.sampling._ROWS_AT_ONCE", 170)
    parts = drawn_by_class(rows, 300)
    np.testing.assert_array_equal(whole.weight, parts.weight)
    np.testing.assert_array_equal(whole.target, parts.target)
    np.testing.assert_array_equal(whole.X, parts.X)
