"""Sparse matrices in every form: the sums of their dense twin, and no read outside, whoever writes
meanwhile."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from fitted_models import data, exact
from polytome import LinearRegression, LogisticRegression, MultilabelLogistic, OneVsOne, OneVsRest, Perceptron
from polytome.errors import DataError, PolytomeError
from polytome.files.training_record import data_hash, record_training
from polytome.rows import as_rows, sound_sparse

RNG = np.random.default_rng(0)
DENSE = RNG.integers(1, 100, size=(60, 5)) * (RNG.random((60, 5)) < 0.5)
CODES = (DENSE[:, 0] + RNG.normal(0, 40, size=60) > 30).astype(int)


def strided(matrix: Any) -> Any:
    """The same matrix with entries and indices that do not lie side by side."""
    data, indices = (np.repeat(part, 2)[::2] for part in (matrix.data, matrix.indices))
    return type(matrix)((data, indices, matrix.indptr), shape=matrix.shape)


def unsorted(matrix: Any) -> Any:
    """The same matrix with the entries of each line in the reverse order."""
    order = np.concatenate([np.arange(a, b)[::-1] for a, b in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)])
    return type(matrix)((matrix.data[order], matrix.indices[order], matrix.indptr), shape=matrix.shape)


def wide(matrix: Any) -> Any:
    matrix = matrix.copy()
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    return matrix


def read_only(matrix: Any) -> Any:
    matrix = matrix.copy()
    for part in (matrix.data, matrix.indices, matrix.indptr):
        part.setflags(write=False)
    return matrix


def big_endian(matrix: Any) -> Any:
    matrix = matrix.copy()
    matrix.data = matrix.data.astype(">f8")
    return matrix


def other_indices(dtype: str) -> Any:
    def changed(matrix: Any) -> Any:
        matrix = matrix.copy()
        matrix.indices = matrix.indices.astype(dtype)
        return matrix

    return changed


FORMS = {
    **{
        f"{kind.__name__}, {name}": lambda dtype, kind=kind, change=change: change(kind(DENSE.astype(dtype)))
        for kind in (sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, sparse.csc_array)
        for name, change in {
            "strided": strided,
            "unsorted": unsorted,
            "indices of 64 bits": wide,
            "read-only": read_only,
            "big-endian": big_endian,
            "indices of 16 bits": other_indices("i2"),
            "indices of the other byte order": other_indices(">i4"),
        }.items()
    },
    **{
        kind.__name__: lambda dtype, kind=kind: kind(DENSE.astype(dtype))
        for kind in (
            sparse.coo_matrix,
            sparse.coo_array,
            sparse.lil_matrix,
            sparse.lil_array,
            sparse.dok_matrix,
            sparse.dok_array,
            sparse.dia_matrix,
            sparse.bsr_array,
        )
    },
    "pandas": lambda dtype: pd.DataFrame(DENSE.astype(dtype)).astype(pd.SparseDtype(dtype, 0)),
}


@pytest.mark.filterwarnings("ignore:pandas.DataFrame with sparse columns found")
@pytest.mark.parametrize("dtype", [np.float64, np.int8])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_model_of_its_dense_twin(form: str, dtype: Any) -> None:
    X, twin = FORMS[form](dtype), DENSE.astype(float)
    model, dense = exact().fit(X, CODES), exact().fit(twin, CODES)
    np.testing.assert_allclose(model.coef_, dense.coef_, atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X), model.predict_proba(twin), rtol=1e-12)
    if sparse.issparse(X):
        np.testing.assert_array_equal(sound_sparse(X).toarray(), twin)


def doubled(dtype: Any, kind: str) -> tuple[Any, np.ndarray]:
    """A matrix that stores each entry in two parts, whose sum may be beyond its type; and its dense
    twin."""
    largest = 1 if dtype is bool else 100 if np.dtype(dtype).kind in "iu" else 40_000
    first, second = (RNG.integers(1, largest, size=(60, 5), endpoint=True) for _ in range(2))
    first[RNG.random((60, 5)) < 0.4] = 0
    second[first == 0] = 0
    rows, columns = np.nonzero(first)
    values = np.concatenate([part[rows, columns].astype(dtype) for part in (first, second)])
    places = np.tile(rows, 2), np.tile(columns, 2)
    if kind == "coo":
        return sparse.coo_array((values, places), shape=(60, 5)), (first + second).astype(float)
    major, minor = places if kind == "csr" else places[::-1]
    order, lines = np.argsort(major, kind="stable"), 60 if kind == "csr" else 5
    bounds = np.append(0, np.cumsum(np.bincount(major, minlength=lines)))
    make = sparse.csr_array if kind == "csr" else sparse.csc_matrix
    return make((values[order], minor[order], bounds), shape=(60, 5)), (first + second).astype(float)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int16, np.float32, np.float64, np.int64])
def test_entries_stored_twice_are_added_up_beyond_their_type(dtype: Any, kind: str) -> None:
    X, twin = doubled(dtype, kind)
    y = (twin[:, 0] > twin[:, 0].mean()).astype(int)
    np.testing.assert_array_equal(sound_sparse(X).toarray(), twin)
    model = exact(scale="standard").fit(X, y)
    np.testing.assert_allclose(model.coef_, exact(scale="standard").fit(twin, y).coef_, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(model.predict_proba(X), model.predict_proba(twin), rtol=1e-12)
    record, wanted = record_training(model, X, y), record_training(model, twin, y)
    np.testing.assert_allclose(record.mean, wanted.mean, rtol=1e-12)
    np.testing.assert_allclose(record.high, wanted.high)
    np.testing.assert_allclose(record.divisor, wanted.divisor, rtol=1e-10)
    line = LinearRegression().fit(X, y)
    np.testing.assert_allclose(line.predict(X), LinearRegression().fit(twin, y).predict(twin), atol=1e-9)
    for other in (OneVsRest, OneVsOne):
        np.testing.assert_allclose(other(tol=1e-12).fit(X, y).coef_, other(tol=1e-12).fit(twin, y).coef_, atol=1e-6)


@pytest.mark.parametrize("make", [LogisticRegression, OneVsRest, OneVsOne, LinearRegression, Perceptron])
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array])
@pytest.mark.parametrize("index", [10**9, -1, 5])
def test_every_model_refuses_an_index_outside(make: type, kind: type, index: int) -> None:
    good = kind(DENSE.astype(float))
    bad = good.copy()
    bad.indices[-1] = index if index != 5 or bad.format == "csr" else 60
    with pytest.raises(DataError, match="stores an entry with the index"):
        make().fit(bad, CODES)
    model = make().fit(good, CODES)
    with pytest.raises(DataError, match="stores an entry with the index"):
        model.predict(bad)
    with pytest.raises(DataError, match="stores an entry with the index"):
        MultilabelLogistic().fit(bad, np.stack([CODES, 1 - CODES], axis=1))


def test_the_matrix_stays_as_it_is() -> None:
    X, _ = doubled(np.int8, "csr")
    before = [part.copy() for part in (X.data, X.indices, X.indptr)]
    exact().fit(X, CODES)
    for part, was in zip((X.data, X.indices, X.indptr), before, strict=True):
        np.testing.assert_array_equal(part, was)
    rows = as_rows(sparse.csr_matrix(DENSE), CODES)
    assert data_hash(rows.whole.stored, CODES) == data_hash(sparse.csr_matrix(DENSE), CODES)


@contextmanager
def another_thread_writes(X: Any) -> Iterator[None]:
    """Indices and pointers far outside come and go."""
    indices, bounds, done = X.indices.copy(), X.indptr.copy(), threading.Event()

    def write() -> None:
        rng = np.random.default_rng(1)
        while not done.wait(1e-3):
            X.indices[rng.integers(0, len(indices), 50)] = rng.choice([10**9, -(10**9)])
            if rng.random() < 0.3:
                X.indptr[rng.integers(1, len(bounds) - 1, 5)] = 10**9
            X.indices[:], X.indptr[:] = indices, bounds

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        done.set()
        writer.join()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix])
def test_another_thread_may_write_into_a_matrix_that_is_read(kind: type) -> None:
    """A wrong index is refused or never seen, and the interpreter lives on."""
    dense, y = data(3)
    X = kind(np.tile(np.where(np.abs(dense) > 0.5, dense, 0.0), (5, 8)))
    y = np.tile(y, 5)
    model = LogisticRegression().fit(X, y)
    outcomes: Counter[str] = Counter()
    with another_thread_writes(X):
        for solver in ("newton", "lbfgs", "dual" if kind is sparse.csr_matrix else "auto") * 4:
            again = LogisticRegression(solver=solver, tol=0.1, max_iter=5)
            for work, arguments in ((model.predict_proba, (X,)), (again.fit, (X, y))):
                try:
                    work(*arguments)
                    outcomes["done"] += 1
                except (PolytomeError, ValueError, IndexError) as error:
                    outcomes[type(error).__name__] += 1
    assert outcomes.total() == 24
    np.testing.assert_array_equal(LogisticRegression().fit(X, y).coef_, model.coef_)
