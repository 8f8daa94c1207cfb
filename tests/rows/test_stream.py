"""Rows of a stream equal the same rows in memory, however they are cut, and are read within
bounds."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits

from polytome import LogisticRegression
from polytome.errors import ArgumentError, DataError
from polytome.losses import Logistic, Softmax
from polytome.models.cost import cost_of_fit
from polytome.objective import Objective
from polytome.passes import Columns, RowSquares, Scores, ValueAndGradient
from polytome.penalties import L2
from polytome.rows import Stream, StreamedRows, as_rows, rows_of
from polytome.solvers import LBFGS, DistinctRows, Newton, RowSpace, TemperedNewton, minimize
from polytome.tables.streams.table import StreamedTable


@dataclass(frozen=True)
class Held:
    """A part whose rows are in memory after all."""

    X: Any
    size: int
    n_rows: int = 0
    seen: list[int] = field(default_factory=list, compare=False)

    def read(self) -> Iterator[Any]:
        for start in range(0, self.X.shape[0], self.size):
            self.seen.append(start)
            yield self.X[start : start + self.size]


def stream_of(X: Any, ends: list[int], size: int) -> Stream:
    bounds = [0, *sorted(ends), X.shape[0]]
    cut = [X[start:end] for start, end in pairwise(bounds)]
    parts = tuple(Held(part, size, part.shape[0]) for part in cut)
    entries = X.nnz if sparse.issparse(X) else X.size
    return Stream(parts, X.shape[1], size, sparse.issparse(X), entries, X.dtype)


def problem(rng: np.random.Generator, n_rows: int = 300) -> tuple[Any, Any, Any]:
    X = rng.normal(1, 3, (n_rows, 5)) * (rng.random((n_rows, 5)) < 0.6)
    return X, rng.integers(0, 3, n_rows).astype(np.int8), rng.uniform(0.1, 3, n_rows)


@settings(max_examples=30)
@given(
    ends=st.lists(st.integers(0, 120), max_size=6),
    size=st.integers(1, 130),
    storage=st.sampled_from([np.asarray, sparse.csr_matrix]),
    n_threads=st.sampled_from([1, 2, 5]),
)
def test_however_the_rows_are_cut(ends: list[int], size: int, storage: Any, n_threads: int) -> None:
    rng = np.random.default_rng(3)
    X, y, weight = problem(rng, 120)
    stream = stream_of(storage(X), ends, size)
    rows = StreamedRows.of(stream, y, weight, n_threads=n_threads)
    held = as_rows(storage(X), y, weight, n_threads=1)
    raw, columns = rng.normal(size=(6, 3)), Columns(X.mean(axis=0), np.full(5, 0.5))
    for a_pass in (ValueAndGradient(Softmax(3), raw), Scores(raw), RowSquares(columns)):
        one, other = (each.with_columns(columns).reduce(a_pass) for each in (rows, held))
        for got, want in zip(one, other, strict=True):
            assert_allclose(got, want, rtol=1e-12, atol=1e-12)
    for got, want in zip(rows.moments(), held.moments(), strict=True):
        assert_allclose(got, want, rtol=1e-12, atol=1e-13)
    assert_array_equal(np.concatenate([block.target for block in rows.blocks()]), y)
    chosen = np.sort(rng.permutation(120)[:17])
    few, wanted = rows.subset(chosen, weight[chosen]), held.subset(chosen, weight[chosen])
    for name in ("X", "target"):
        got, want = (getattr(each, name) for each in (few, wanted))
        assert_array_equal(
            got.toarray() if sparse.issparse(got) else got, want.toarray() if sparse.issparse(want) else want
        )
    facts = rows.facts
    lengths = [len(block.weight) for block in rows.blocks()]
    assert max(lengths) <= facts.largest_block
    assert len(lengths) <= facts.n_blocks


def test_the_bits_do_not_depend_on_the_number_of_threads(rng: np.random.Generator) -> None:
    X, y, weight = problem(rng, 5_000)
    sums = [
        StreamedRows.of(stream_of(X, [700, 3_000], 900), y, weight, n_threads=n).reduce(
            ValueAndGradient(Softmax(3), np.ones((6, 3)) * np.arange(3))
        )
        for n in (1, 2, 8)
    ]
    for other in sums[1:]:
        for got, want in zip(other, sums[0], strict=True):
            assert_array_equal(got, want)


def test_one_part_of_one_piece_has_the_bits_of_rows_in_memory(rng: np.random.Generator) -> None:
    X, y, weight = problem(rng, 40_000)
    one_pass = ValueAndGradient(Softmax(3), rng.normal(size=(6, 3)))
    for got, want in zip(
        StreamedRows.of(stream_of(X, [], 50_000), y, weight).reduce(one_pass),
        as_rows(X, y.astype(np.int64), weight).reduce(one_pass),
        strict=True,
    ):
        assert_array_equal(got, want)


@pytest.mark.parametrize("solver", [Newton(sample=200), LBFGS()])
def test_digits_by_the_solvers(solver: Any) -> None:
    X, y = load_digits(return_X_y=True)
    for matrix in (X, sparse.csr_matrix(X)):
        rows = rows_of(stream_of(matrix, [300, 1_500], 400), y)
        objective = Objective(
            Softmax(10), L2(1 / len(y)), rows.with_columns(Columns(np.zeros(64), np.full(64, 1 / 16)))
        )
        solution = minimize(objective, solver, tol=1e-5)
        assert solution.certificate.holds
        assert solution.certificate.kind == "proof"


def test_no_more_than_a_few_pieces_are_read_ahead(rng: np.random.Generator) -> None:
    X = rng.normal(size=(100, 2))
    stream = stream_of(X, [50, 60, 70, 80], 5)
    pieces = stream.pieces(range(5))
    for _ in range(3):
        next(pieces)
    pieces.close()
    assert len(stream.parts[0].seen) <= 5  # type: ignore[attr-defined]
    assert len(stream.parts[1].seen) <= 1  # type: ignore[attr-defined]
    assert not any(part.seen for part in stream.parts[2:])  # type: ignore[attr-defined]
    assert threading.active_count() < 10


def test_only_the_parts_of_chosen_rows_are_read(rng: np.random.Generator) -> None:
    X, y, weight = problem(rng)
    stream = stream_of(X, [100, 200], 50)
    StreamedRows.of(stream, y, weight).subset(np.array([110, 150]), np.ones(2))
    assert [bool(part.seen) for part in stream.parts] == [False, True, False]  # type: ignore[attr-defined]


def test_batches_are_all_rows_once_in_another_order(rng: np.random.Generator) -> None:
    X = np.arange(60.0)[:, None]
    rows = StreamedRows.of(stream_of(X, [25], 10), np.zeros(60))
    batches = list(rows.batches(7, rng))
    order = np.concatenate([batch.stored[:, 0] for batch in batches])
    assert max(len(batch.weight) for batch in batches) == 7
    assert_array_equal(np.sort(order), X[:, 0])
    assert not np.array_equal(order, X[:, 0])


@pytest.mark.parametrize("change", [lambda X: X[:-1], lambda X: np.vstack([X, X[:1]]), lambda X: X[:, :1]])
def test_a_part_that_has_changed_is_noticed(change: Any, rng: np.random.Generator) -> None:
    X = rng.normal(size=(30, 2))
    stream = stream_of(X, [10, 20], 4)
    parts = list(stream.parts)
    parts[1] = Held(change(X[10:20]), 4, 10)
    changed = Stream(tuple(parts), 2, 4, False, 60, X.dtype)
    with pytest.raises(DataError, match="has other rows or columns than when they were counted, 10 rows of 2 columns"):
        StreamedRows.of(changed, np.zeros(30)).reduce(Scores(np.zeros((3, 1))))


def test_an_error_of_a_reading_is_raised_and_ends_the_threads() -> None:
    class Broken:
        n_rows = 3

        def read(self) -> Iterator[Any]:
            yield np.zeros((1, 2))
            raise DataError("the disk is gone")

    before = threading.active_count()
    stream = Stream((Broken(), Broken()), 2, 1, False, 12, np.dtype(float))
    with pytest.raises(DataError, match="the disk is gone"):
        StreamedRows.of(stream, np.zeros(6)).reduce(Scores(np.zeros((3, 1))))
    assert threading.active_count() == before


def test_rows_can_be_pickled(rng: np.random.Generator) -> None:
    X, y, weight = problem(rng)
    rows = StreamedRows.of(stream_of(X, [100], 50), y, weight)
    again = pickle.loads(pickle.dumps(rows))
    assert_array_equal(again.reduce(Scores(np.ones((6, 1))))[0], rows.reduce(Scores(np.ones((6, 1))))[0])


class Unread:
    """Rows that nobody may read."""

    n_rows = 3

    def read(self) -> Any:
        raise AssertionError("was read")


@pytest.mark.parametrize(
    ("solver", "name"),
    [
        ("dual", "dual coordinate ascent"),
        (RowSpace(Newton()), "RowSpace"),
        (DistinctRows(Newton()), "DistinctRows"),
        (LBFGS(then=TemperedNewton()), "TemperedNewton"),
    ],
)
def test_solvers_that_need_rows_in_memory_refuse_before_any_reading(solver: Any, name: str) -> None:
    stream = Stream((Unread(), Unread()), 2, 3, False, 12, np.dtype(float))
    rows = StreamedTable("rows", stream, np.arange(6) % 2, np.arange(2), None, ())
    said = f"{name} needs rows in memory, and these are read block by block"
    with pytest.raises(ArgumentError, match=said):
        LogisticRegression(solver=solver, scale="standard").fit(rows)
    with pytest.raises(ArgumentError, match=said):
        cost_of_fit(LogisticRegression(solver=solver), rows)
    if not isinstance(solver, str):
        objective = Objective(Logistic(), L2(1.0), StreamedRows.of(stream, rows.codes))
        with pytest.raises(ArgumentError, match=said):
            minimize(objective, solver)
