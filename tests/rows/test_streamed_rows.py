"""Rows without a matrix: fitted to the certificate of rows in memory, and refused where all are
needed at once."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.datasets import load_digits, load_iris, load_svmlight_file

from polytome.certificates.careful import CarefulFrame
from polytome.certificates.curvature_proof import curvature_bound
from polytome.certificates.independent_columns import independent_columns
from polytome.errors import ArgumentError
from polytome.losses import Logistic, Softmax
from polytome.objective import Objective
from polytome.passes import Columns
from polytome.penalties import L2, NoPenalty, WeightedL2
from polytome.rows import as_rows, in_memory
from polytome.solvers import (
    LBFGS,
    DistinctRows,
    DualCoordinateAscent,
    GradientDescent,
    Newton,
    RowSpace,
    StochasticGradientDescent,
    TemperedNewton,
    minimize,
)
from polytome.solvers.careful_newton import CarefulNewton
from polytome.solvers.memory import forecast, planned_solver
from streamed import StreamedRows, pieces_on_disk


def objectives(X: Any, y: Any, folder: Path, size: int, C: float = 1.0) -> tuple[Objective, Objective]:
    """The same objective over rows in memory and over rows that are read piece by piece."""
    n_classes = int(y.max()) + 1
    loss = Logistic() if n_classes == 2 else Softmax(n_classes)
    held, streamed = as_rows(X, y), StreamedRows.of(pieces_on_disk(X, folder, size), y)
    return tuple(Objective(loss, L2(1 / (C * len(y))), rows) for rows in (held, streamed))  # type: ignore[return-value]


def assert_same_certificate(held: Objective, streamed: Objective, solver: Any, tol: float = 1e-8) -> None:
    want, got = (minimize(objective, solver, tol=tol) for objective in (held, streamed))
    assert want.certificate.holds
    assert got.stop is want.stop
    assert got.certificate.kind == "proof"
    assert got.certificate.holds
    assert got.certificate.null_objective == pytest.approx(want.certificate.null_objective, rel=1e-12)
    allowed = tol * want.certificate.null_objective
    assert got.certificate.objective == pytest.approx(want.certificate.objective, abs=2 * allowed)
    assert np.linalg.norm(got.coefficients[:-1] - want.coefficients[:-1]) <= 2 * np.sqrt(
        2 * allowed / held.penalty.modulus
    )


@pytest.mark.parametrize(
    ("solver", "tol"),
    [
        (Newton(), 1e-9),
        (Newton(sample=60), 1e-6),
        (LBFGS(), 1e-9),
        (GradientDescent(), 1e-3),
        (StochasticGradientDescent(batch_size=50, decay=1e-3), 1e-2),
    ],
)
def test_iris_by_every_solver_that_reads_rows_block_by_block(solver: Any, tol: float, tmp_path: Path) -> None:
    X, y = load_iris(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    assert_same_certificate(*objectives(X, y, tmp_path, 40, C=0.1), solver, tol)


@pytest.mark.parametrize("solver", [Newton(), LBFGS()])
def test_digits(solver: Any, tmp_path: Path) -> None:
    X, y = load_digits(return_X_y=True)
    assert_same_certificate(*objectives(X / 16, y, tmp_path, 500), solver)


@pytest.mark.data
def test_a9a_by_the_solver_that_suits_it(tmp_path: Path) -> None:
    folder = os.environ.get("POLYTOME_DATA")
    if not folder or not (Path(folder) / "a9a" / "a9a").exists():
        pytest.skip("POLYTOME_DATA has no a9a")
    X, y = load_svmlight_file(str(Path(folder) / "a9a" / "a9a"))
    held, streamed = objectives(X, (y > 0).astype(int), tmp_path, 5_000)
    choice = planned_solver("auto", streamed)
    assert choice.solver == planned_solver("auto", held).solver
    assert_same_certificate(held, streamed, choice.solver)


def test_sums_and_moments_are_those_of_rows_in_memory(tmp_path: Path, rng: np.random.Generator) -> None:
    X = rng.normal(2, 3, (300, 6)) * (rng.random((300, 6)) < 0.5)
    y, weight = rng.integers(0, 3, 300), np.where(rng.random(300) < 0.2, 0.0, rng.uniform(0.1, 5, 300))
    for name, matrix in (("dense", X), ("sparse", sparse.csr_matrix(X))):
        folder = tmp_path / name
        folder.mkdir()
        held = as_rows(matrix, y, weight)
        streamed = StreamedRows.of(pieces_on_disk(matrix, folder, 70), y, weight)
        for got, want in zip(streamed.moments(), held.moments(), strict=True):
            assert_allclose(got, want, rtol=1e-12, atol=1e-14)
        assert (streamed.lengths(np.zeros(6)) >= np.sqrt(weight @ X**2 / weight.sum())).all()
        one, other = (Objective(Softmax(3), L2(0.1), rows) for rows in (held, streamed))
        W = rng.normal(size=(7, 3))
        for got, want in zip(other.derivatives(W), one.derivatives(W), strict=True):
            assert_allclose(got, want, rtol=1e-10, atol=1e-12)
        assert_allclose(other.row_lengths, one.row_lengths, rtol=1e-10)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("penalty", [NoPenalty(), WeightedL2(0.1, [1.0, 0.0, 3.0, 0.0])])
def test_what_no_penalty_holds_is_proved_of_streamed_rows(
    penalty: Any, storage: Any, tmp_path: Path, rng: np.random.Generator
) -> None:
    X = storage(rng.normal(size=(200, 4)) * (rng.random((200, 4)) < 0.7))
    y, weight = rng.integers(0, 3, 200), rng.uniform(0.5, 2, 200)
    streamed = StreamedRows.of(pieces_on_disk(X, tmp_path, 30), y, weight)
    one, other = (Objective(Softmax(3), penalty, rows) for rows in (as_rows(X, y, weight), streamed))
    want, got = (minimize(objective, Newton(), tol=1e-8) for objective in (one, other))
    assert got.stop is want.stop
    assert got.certificate.kind == "proof"
    assert got.certificate.holds
    assert got.certificate.gap == pytest.approx(want.certificate.gap, abs=1e-9 * want.certificate.null_objective)


@pytest.mark.parametrize(
    ("stored", "holds"),
    [(np.float32, True), (np.int64, True), (np.uint64, True), (np.longdouble, False)],
)
def test_whether_float64_holds_all_entries_is_asked_block_by_block(stored: Any, holds: bool, tmp_path: Path) -> None:
    X, y = np.arange(1, 9)[:, np.newaxis].astype(stored), np.array([0, 1, 1, 0, 1, 0, 0, 1])
    cases = [(X, holds)]
    if stored in (np.int64, np.uint64):
        large = X * stored(2**50)
        beyond = large.copy()
        beyond[7] += stored(1)
        cases += [(large, True), (beyond, False)]
    for number, (entries, proved) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        for rows in (as_rows(entries, y), StreamedRows.of(pieces_on_disk(entries, folder, 3), y)):
            scaled = rows.with_columns(Columns(np.zeros(1), np.array([1 / float(entries.max())])))
            objective = Objective(Logistic(), NoPenalty(), scaled)
            W = minimize(objective, Newton()).coefficients
            assert (curvature_bound(objective, W, objective.hessian_blocks(W)) is not None) == proved


def test_columns_that_depend_on_others_are_found_block_by_block(tmp_path: Path, rng: np.random.Generator) -> None:
    level = rng.integers(0, 3, 90)
    X, y = np.eye(3)[level], rng.integers(0, 2, 90)
    X[50] *= 2  # so that the levels do not add up to one in a single block
    for matrix, count in ((np.eye(3)[level], 3), (X, None)):
        folder = tmp_path / str(count)
        folder.mkdir()
        objective = Objective(Logistic(), NoPenalty(), StreamedRows.of(pieces_on_disk(matrix, folder, 20), y))
        blocks = objective.hessian_blocks(np.zeros(objective.shape))
        found = independent_columns(objective, blocks)
        assert found is None if count is None else len(found) == count


@pytest.mark.parametrize(
    "solver",
    [DualCoordinateAscent(), RowSpace(Newton()), DistinctRows(LBFGS()), TemperedNewton()],
    ids=lambda solver: type(solver).__name__,
)
def test_what_needs_all_rows_at_once_says_so_before_any_work(solver: Any, tmp_path: Path) -> None:
    _, streamed = objectives(*load_iris(return_X_y=True), tmp_path, 40)

    def unreadable() -> Any:
        raise AssertionError("a row was read")

    unread = replace(streamed, rows=replace(streamed.rows, source=unreadable))
    with pytest.raises(ArgumentError, match="needs rows in memory, and these are read block by block"):
        next(iter(solver.iterates(unread, np.zeros(streamed.shape))))
    with pytest.raises(ArgumentError, match="use solver='auto'"):
        in_memory(streamed.rows, "this")


def test_careful_ways_are_not_taken(tmp_path: Path) -> None:
    held, streamed = objectives(*load_iris(return_X_y=True), tmp_path, 40)
    assert CarefulFrame.of(held) is not None
    assert CarefulFrame.of(streamed) is None
    with pytest.raises(ArgumentError, match="few rows"):
        next(CarefulNewton().iterates(streamed, np.zeros(streamed.shape)))


def test_auto_takes_nothing_that_needs_all_rows_at_once(tmp_path: Path) -> None:
    """Text and few rows of many columns, for which rows in memory have ways of their own."""
    rng = np.random.default_rng(0)
    text = sparse.random_array((300, 6_000), density=0.01, rng=rng, format="csr")
    for name, X, own in (("text", text, "DualCoordinateAscent"), ("wide", rng.normal(size=(40, 800)), "RowSpace")):
        folder = tmp_path / name
        folder.mkdir()
        y = np.arange(X.shape[0]) % 3
        held, streamed = objectives(X, y, folder, 100)
        if name == "wide":
            assert type(planned_solver("auto", held).solver).__name__ == own
        assert type(planned_solver("auto", streamed).solver).__name__ in ("LBFGS", "Newton")
        assert forecast(streamed, Newton()) > 0
