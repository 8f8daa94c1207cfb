"""Hessians of sparse rows as sums of products of entries: equal to their definition for all losses
and storages, the same bits for any number of threads, and dense where a shift would cost digits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from polytome import LogisticRegression, native
from polytome.losses import IndependentSigmoids, Logistic, Softmax, Squared, WithOffset
from polytome.losses.offset import with_offset
from polytome.native import entries
from polytome.objective import Objective
from polytome.passes import Columns, Derivatives, Gram, added_up
from polytome.penalties import L2
from polytome.rows import as_rows
from polytome.solvers import Newton
from polytome.solvers.choose import choose_solver

pytestmark = pytest.mark.skipif(native.instruction_set() is None, reason="no compiled code")

N, D = 400, 30


@pytest.fixture(autouse=True)
def products_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small matrices take the way of large ones, in several blocks."""
    monkeypatch.setattr(entries, "_FEW_OPERATIONS", -1e9)
    monkeypatch.setattr(entries, "_PRODUCTS_PER_SUM", 0)
    monkeypatch.setattr("polytome.rows.sparse._DENSE_BLOCK_BYTES", 2**12)


def few_entries(rng: np.random.Generator, dtype: Any = float) -> Any:
    X = sparse.random(N, D, density=0.1, format="csr", random_state=1, dtype=np.float64)
    X.data = rng.integers(1, 9, X.nnz).astype(dtype)
    return X.astype(dtype)


def assert_as_defined(rows: Any, one: Any) -> None:
    assert len(rows.stored_rows.ends) > 1
    expected = added_up(map(one.of_block, rows.stored_rows.parts()))
    found = [rows.reduce(one), replace(rows, n_threads=3).reduce(one)]
    for got, again, want in zip(*found, expected, strict=True):
        assert_array_equal(got, again)
        assert got.shape == want.shape
        assert_allclose(got, want, rtol=1e-11, atol=1e-11 * np.abs(want).max())


LOSSES = [Logistic(), IndependentSigmoids(3), Squared(2), Softmax(2), Softmax(4)]


def targets(loss: Any, rng: np.random.Generator) -> Any:
    if isinstance(loss, Softmax):
        return rng.integers(0, loss.n_outputs, N)
    if isinstance(loss, Logistic):
        return rng.integers(0, 2, N).astype(float)
    return rng.integers(0, 2, (N, loss.n_outputs)).astype(float)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("intercept", [True, False])
def test_derivatives_are_those_of_the_definition(loss: Any, intercept: bool, rng: np.random.Generator) -> None:
    weight = np.where(rng.random(N) < 0.2, 0.0, rng.uniform(0.1, 5, N))
    rows = as_rows(few_entries(rng), targets(loss, rng), weight, n_threads=1)
    columns = Columns(rng.normal(size=D), rng.uniform(0.1, 9, D))
    W = rng.normal(size=(D + 1, loss.n_outputs))
    assert_as_defined(rows, Derivatives(loss, W, columns, intercept))


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float32"])
def test_entries_of_any_type(dtype: str, rng: np.random.Generator) -> None:
    X = few_entries(rng, np.float32 if dtype == "float16" else dtype)
    X.indices = X.indices.astype(np.int64)
    rows = as_rows(X, rng.integers(0, 3, N), n_threads=1).at(np.float64)
    assert_as_defined(rows, Derivatives(Softmax(3), rng.normal(size=(D + 1, 3)), Columns.identity(D), True))


def test_columns_in_any_order_and_stored_twice(rng: np.random.Generator) -> None:
    indices = rng.integers(0, D, (N, 5))  # some twice in a row
    X = sparse.csr_matrix((rng.normal(size=N * 5), indices.ravel(), np.arange(N + 1) * 5), shape=(N, D))
    for loss in (Logistic(), Softmax(3)):
        rows = as_rows(few_entries(rng), targets(loss, rng), n_threads=1)
        rows = replace(rows, X=X)
        assert rows.stored_rows.entry_products == 15 * N
        assert_as_defined(rows, Derivatives(loss, rng.normal(size=(D + 1, loss.n_outputs)), Columns.identity(D), True))


def test_offsets_of_scores_count(rng: np.random.Generator) -> None:
    target = with_offset(rng.integers(0, 3, N), rng.normal(size=(N, 3)))
    rows = as_rows(few_entries(rng), target, n_threads=1)
    one = Derivatives(WithOffset(Softmax(3)), rng.normal(size=(D + 1, 3)), Columns.identity(D), True)
    assert_as_defined(rows, one)


def test_a_column_far_from_zero_keeps_its_digits(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """In raw columns nothing would be left of a deviation of 1 about 1e9."""
    X = few_entries(rng).tolil()
    X[:, 0] = 1e9 + rng.normal(size=(N, 1))
    rows = as_rows(X.tocsr(), rng.integers(0, 2, N).astype(float), n_threads=1)
    columns = Columns(np.append(1e9, np.zeros(D - 1)), np.ones(D))
    one = Derivatives(Logistic(), rng.normal(size=(D + 1, 1)), columns, True)
    assert native.twins._products_pay(one, rows.stored_rows)
    expected = added_up(map(one.of_block, rows.stored_rows.parts()))
    for _ in range(2):
        for got, want in zip(rows.reduce(one), expected, strict=True):
            assert_allclose(got, want, rtol=1e-6, atol=1e-6 * np.abs(want).max())
        monkeypatch.setattr("polytome.native.twins._MAX_COLUMNS", 1)  # and where NumPy forms the blocks


@pytest.mark.parametrize("level_values", [np.array([0.0, 0.5, 3.0]), None])
def test_a_gram_matrix_of_weighted_rows(level_values: Any, rng: np.random.Generator) -> None:
    rows = as_rows(few_entries(rng), rng.integers(0, 3, N).astype(np.uint8), rng.random(N), n_threads=1)
    columns = Columns(rng.normal(size=D), rng.uniform(0.1, 9, D))
    assert_as_defined(rows, Gram(columns, True, level_values))


def test_rows_of_few_entries_are_left_to_newtons_method(rng: np.random.Generator) -> None:
    """Were each Hessian one of dense blocks, L-BFGS would do."""
    n, d = 20_000, 200
    X = sparse.csr_matrix((np.ones(n * 4), rng.integers(0, d, n * 4), np.arange(n + 1) * 4), shape=(n, d))
    X.sum_duplicates()
    y = (X @ rng.normal(size=d) + rng.logistic(size=n) > 0).astype(int)
    few = choose_solver(Objective(Logistic(), L2(1e-4), as_rows(X, y.astype(float))))
    dense = choose_solver(Objective(Logistic(), L2(1e-4), as_rows(X.toarray(), y.astype(float))))
    assert few.solver == Newton()
    assert dense.solver != Newton()
    model = LogisticRegression(tol=1e-11).fit(X, y)
    assert model.certificate_.holds
    other = LogisticRegression(tol=1e-11, solver="lbfgs").fit(X, y)
    assert_allclose(model.coef_, other.coef_, atol=1e-4)


def test_dense_rows_in_a_sparse_matrix_stay_in_dense_blocks(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "_FEW_OPERATIONS", 0.0)
    dense = as_rows(sparse.csr_matrix(rng.normal(size=(N, D))), np.zeros(N)).stored_rows
    assert dense.entry_products == N * D * (D + 1) // 2
    assert native.hessian_operations(dense, D + 1, 1) is None
    few = as_rows(few_entries(rng), np.zeros(N)).stored_rows
    assert native.hessian_operations(few, D + 1, 2) == 24 * few.entry_products
