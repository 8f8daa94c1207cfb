"""Rows that are a torch tensor: the same sums, made on their device."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

import determinism
from polytome import LogisticRegression
from polytome.errors import DataError, DataTypeError, MissingExtraError
from polytome.losses import Softmax
from polytome.passes import (
    CentredSums,
    Columns,
    CurvatureSums,
    Derivatives,
    HessianOfScores,
    HessianProduct,
    Pass,
    RowSquares,
    Scores,
    Traces,
    ValueAndGradient,
)
from polytome.rows import ArrayRows, DeviceMatrix, SparseRows, TensorRows, as_rows, on_host, without_library
from polytome.rows import arrays as array_rows
from polytome.rows import sparse as sparse_rows
from polytome.rows import torch as tensor_rows
from polytome.tables.table import read_table
from registry import LOSSES

torch = pytest.importorskip("torch")
N, D = 203, 5


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Torch says once that its CSR tensors are new."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR")
        before = torch.get_num_threads()
        torch.set_num_threads(1)  # which wait for each other where other processes have the cores
        yield
        torch.set_num_threads(before)


def csr(X: Any) -> Any:
    return torch.from_numpy(np.asarray(X)).to_sparse_csr()


def passes_of(loss: Any, rng: np.random.Generator, is_sparse: bool) -> list[Any]:
    raw, direction = 0.5 * rng.normal(size=(2, D + 1, loss.n_outputs))
    columns = Columns(rng.normal(size=D), rng.uniform(0.5, 2, D))
    found: list[Any] = [
        ValueAndGradient(loss, raw),
        ValueAndGradient(loss, np.vstack([np.zeros((D, loss.n_outputs)), raw[-1:]])),
        HessianProduct(loss, raw, direction),
        HessianOfScores(loss, raw),
        Traces(loss, raw),
        Scores(raw),
    ]
    if is_sparse:
        return found
    dense = [CentredSums(raw[:-1, 0]), RowSquares(columns), CurvatureSums(loss, raw, columns)]
    return [*found, *dense, Derivatives(loss, raw, columns, True), Derivatives(loss, raw, columns, False)]


def integers(rng: np.random.Generator) -> Any:
    """Whole numbers, which all types hold."""
    return (rng.integers(1, 10, (N, D)) * (rng.random((N, D)) < 0.5)).astype(np.float64)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "uint8", "int64"])
@pytest.mark.parametrize("name", LOSSES)
def test_dense_sums_are_those_of_an_array(
    name: str, dtype: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, (loss, target) = integers(rng), LOSSES[name](rng, N)
    weight = rng.uniform(0, 2, N) * (rng.random(N) < 0.9)
    matrix = DeviceMatrix(torch.from_numpy(X).to(getattr(torch, dtype)))
    monkeypatch.setattr(array_rows, "_BLOCK_BYTES", 1)
    rows, want = TensorRows.of(matrix, target, weight), ArrayRows.of(X, target, weight)
    assert len(rows.parts()) == 13
    assert rows.facts.n_entries == N * D
    for one in passes_of(loss, rng, False):
        for precision, digits in ((np.float64, 1e-12), (np.float32, 2e-6)):
            for got, expected in zip(rows.at(precision).reduce(one), want.reduce(one), strict=True):
                assert got.dtype.kind == "f"
                assert got.shape == expected.shape
                assert_allclose(
                    got, expected, atol=digits * max(np.abs(expected).max(), 1e-300), err_msg=str(type(one))
                )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", LOSSES)
def test_sparse_sums_are_those_of_a_matrix(
    name: str, dtype: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparse_rows, "_DENSE_BLOCK_BYTES", 64)
    X, (loss, target) = integers(rng).astype(dtype), LOSSES[name](rng, N)
    weight = rng.uniform(0, 2, N)
    rows = as_rows(DeviceMatrix(csr(X)), target, weight)
    want = SparseRows.of(sparse.csr_matrix(X), target, weight)
    assert isinstance(rows, TensorRows)
    assert rows.is_sparse
    assert len(rows.parts()) > 1
    assert rows.facts.n_entries == want.facts.n_entries
    for one in passes_of(loss, rng, True):
        for got, expected in zip(rows.reduce(one), want.reduce(one), strict=True):
            assert_allclose(got, expected, atol=1e-12 * max(np.abs(expected).max(), 1e-300), err_msg=str(type(one)))
    for got, expected in zip(rows.moments(), want.moments(), strict=True):
        assert_allclose(got, expected, rtol=1e-12)


@dataclass(frozen=True)
class Unknown:
    """A pass that torch does not have."""

    joined = 1

    def of_block(self, block: Any) -> Any:
        return block.X.sum(axis=0), block.target


def test_a_pass_without_a_twin_is_made_on_the_host(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_rows, "_BLOCK_BYTES", 1)
    X, target = integers(rng), rng.integers(0, 3, N)
    sums, targets = TensorRows.of(DeviceMatrix(torch.from_numpy(X).bfloat16()), target).reduce(Unknown())
    assert_array_equal(sums, X.sum(axis=0))
    assert_array_equal(targets, target)


def test_every_twin_is_tested_here(rng: np.random.Generator) -> None:
    assert set(tensor_rows._TWINS) == {type(one) for one in passes_of(Softmax(3), rng, False)}


def test_equal_calls_have_equal_bits(rng: np.random.Generator) -> None:
    X = rng.normal(size=(3_000, 40)).astype(np.float32)
    one = ValueAndGradient(Softmax(7), rng.normal(size=(41, 7)))
    for matrix in (DeviceMatrix(torch.from_numpy(X)), DeviceMatrix(csr(X * (X > 0.5)))):
        rows = TensorRows.of(matrix, np.arange(3_000) % 7).at(np.float32)
        first = rows.reduce(one)
        for _ in range(5):
            for got, want in zip(rows.reduce(one), first, strict=True):
                assert_array_equal(got, want)


def test_products_of_float32_are_not_shortened(rng: np.random.Generator) -> None:
    X = rng.normal(size=(300, D)).astype(np.float32)
    rows = TensorRows.of(DeviceMatrix(torch.from_numpy(X)), np.arange(300) % 3).at(np.float32)
    one: Pass = Scores(rng.normal(size=(D + 1, 3)))
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        (got,) = rows.reduce(one)
    finally:
        torch.set_float32_matmul_precision(before)
    assert_allclose(got, ArrayRows.of(X, np.zeros(300)).reduce(one)[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("is_sparse", [False, True])
def test_rows_are_taken_on_the_device(is_sparse: bool, rng: np.random.Generator) -> None:
    X = integers(rng)
    matrix = DeviceMatrix(csr(X) if is_sparse else torch.from_numpy(X))
    mask = rng.random(N) < 0.3
    for chosen in (slice(3, 90), slice(0, N), slice(5, 50, 3), np.array([7, 7, 0, 202]), mask, np.zeros(0, dtype=int)):
        taken = matrix.take(chosen)
        assert isinstance(taken, DeviceMatrix)
        assert taken.is_sparse == is_sparse
        host = matrix[chosen]
        assert_array_equal(host.toarray() if is_sparse else host, X[chosen])
    rows = TensorRows.of(matrix, np.arange(N))
    few = rows.sample(20, rng)
    assert isinstance(few, TensorRows)
    assert few.n_rows == 20
    block = few.whole
    assert_array_equal(block.X.toarray() if is_sparse else block.X, X[block.target])
    batches = list(rows.batches(50, rng))
    assert_array_equal(np.sort(np.concatenate([each.target for each in batches])), np.arange(N))


def test_what_numpy_can_read_shares_its_memory() -> None:
    tensor = torch.zeros(4, 3, requires_grad=True)
    X = without_library(tensor)
    assert type(X) is np.ndarray
    with torch.no_grad():
        tensor[2, 1] = 5
    assert X[2, 1] == 5
    assert type(without_library(torch.zeros(4, 3).t())) is np.ndarray


def test_the_rest_stays_a_tensor() -> None:
    for tensor in (torch.ones(4, 3).bfloat16(), torch.ones(4, 3).to_sparse_csr(), torch.ones(4, 3).to_sparse()):
        matrix = without_library(tensor)
        assert isinstance(matrix, DeviceMatrix)
        assert matrix.shape == (4, 3)
        assert len(matrix) == 4
        assert matrix.dtype == np.float32
    assert without_library(torch.ones(4, 3).bfloat16()).nbytes == 24


class Foreign:
    """An array of another library that speaks DLPack."""

    def __init__(self, X: Any, device: int = 1) -> None:
        self.X, self.device, self.shape = X, device, X.shape

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device, 0

    def __dlpack__(self, **settings: Any) -> Any:
        return self.X.__dlpack__()


def test_arrays_of_other_libraries_are_read_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.arange(6.0).reshape(3, 2)
    read = without_library(Foreign(X))
    assert np.shares_memory(read, X)
    elsewhere = torch.ones(3, 2, dtype=torch.bfloat16)
    monkeypatch.setattr(torch, "from_dlpack", lambda other: elsewhere)
    assert without_library(Foreign(X, device=2)).tensor is elsewhere or isinstance(
        without_library(Foreign(X, device=2)), DeviceMatrix
    )
    line = np.arange(3.0)
    foreign_line = Foreign(line)
    assert without_library(foreign_line) is foreign_line


def test_a_device_needs_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtraError, match="Foreign on a device"):
        without_library(Foreign(np.ones((2, 2)), device=2))


@pytest.mark.parametrize(
    ("tensor", "error", "words"),
    [
        (torch.ones(3), DataError, "1 dimensions"),
        (torch.ones(2, 2, 2), DataError, "3 dimensions"),
        (torch.ones(2, 2, dtype=torch.complex64), DataTypeError, "complex64"),
    ],
)
def test_tensors_that_cannot_be_rows(tensor: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        without_library(tensor)


def test_on_host_leaves_the_rest_alone() -> None:
    values = [1, 2]
    assert on_host(values) is values
    assert on_host(None) is None
    assert on_host(torch.tensor([1.5]).bfloat16()).tolist() == [1.5]


def test_what_the_page_on_determinism_promises(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path, settings = determinism.write_rows(tmp_path, wide=False), determinism.SETTINGS["newton"]
    table = read_table(path, target="y", weight="w")
    found = {"in memory": determinism.in_memory(path, settings)}
    tensor = torch.from_numpy(table.X)
    found["in memory, as a tensor"] = LogisticRegression(**settings).fit(tensor, table.y, table.weight)
    found["by torch, as on a device"] = LogisticRegression(**settings).fit(DeviceMatrix(tensor), table.y, table.weight)
    determinism.check(found)
