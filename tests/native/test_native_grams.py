"""Gram matrices of standardised rows, one for each part, and the Hessians from pairs of classes
that they make."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from compiled import grams
from polytome import native
from polytome.curvature.pairs import pair_hessian
from polytome.losses import Softmax
from polytome.objective import Objective
from polytome.passes import Block, Columns
from polytome.penalties import L2
from polytome.rows import as_rows

SETS = native.instruction_sets()
compiled = pytest.mark.skipif(native.instruction_set() is None, reason="NumPy does the work")

STORAGES = {
    "array": np.asarray,
    "fortran": np.asfortranarray,
    "float32": np.float32,
    "csr": sparse.csr_array,
    "csc": sparse.csc_array,
}
ENDS = np.array([1, 1, 200, 203, 403], dtype=np.int64)  # an empty part, several tiles, a few rows


@pytest.fixture
def block(rng):
    X = np.where(rng.random((403, 37)) < 0.3, rng.normal(size=(403, 37)), 0.0)
    return Block(X, np.dtype(float), np.zeros(403), rng.uniform(0, 2, 403))


@pytest.fixture
def columns(rng):
    return Columns(rng.normal(size=37), rng.uniform(0.5, 2, 37))


@compiled
@pytest.mark.parametrize("chosen", SETS)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("storage", ["array", "fortran", "float32", "csr"])
def test_each_part_has_the_gram_matrix_of_its_rows(storage, fit_intercept, chosen, block, columns, monkeypatch):
    monkeypatch.setattr(native, "instruction_set", lambda: chosen)
    stored = STORAGES[storage](block.stored)
    made = grams(replace(block, stored=stored), columns, fit_intercept, ENDS, 2)
    raw = stored.toarray() if sparse.issparse(stored) else stored
    X = np.column_stack([(raw - columns.shift) * columns.scale, np.full(403, float(fit_intercept))])
    assert made.shape == (5, 38, 38)
    for gram, start, stop in zip(made, [0, *ENDS], ENDS, strict=False):
        assert_allclose(gram, (X[start:stop].T * block.weight[start:stop]) @ X[start:stop], rtol=1e-12, atol=1e-12)
        assert_array_equal(gram, gram.T)
    assert not made[1].any()


@compiled
@pytest.mark.parametrize("storage", ["array", "csr"])
def test_threads_change_no_bit_of_gram_matrices(storage, block, columns):
    stored = replace(block, stored=STORAGES[storage](block.stored))
    one, *more = (grams(stored, columns, True, np.arange(1, 404), threads) for threads in (1, 2, 3))
    for other in more:
        assert_array_equal(one, other)


@compiled
def test_gram_matrices_of_other_storage_or_many_columns_are_left_to_numpy(block, columns):
    assert grams(replace(block, stored=sparse.csc_array(block.stored)), columns, True, ENDS, 1) is None
    wide = replace(block, stored=np.zeros((403, 300)))
    assert grams(wide, Columns.identity(300), True, ENDS, 1) is None


@compiled
@pytest.mark.parametrize("storage", ["array", "csr"])
@pytest.mark.parametrize(
    ("ends", "weight", "threads", "message"),
    [
        ([403, 1, 403], 403, 1, "ends"),
        ([-1, 403], 403, 1, "ends"),
        ([402], 403, 1, "ends"),
        ([], 403, 1, "ends"),
        ([403], 402, 1, "weight"),
        ([403], 403, 0, "threads"),
    ],
)
def test_gram_matrices_of_wrong_arguments_are_refused(storage, ends, weight, threads, message, block, columns):
    wrong = replace(block, stored=STORAGES[storage](block.stored), weight=np.ones(weight))
    with pytest.raises(ValueError, match=message):
        grams(wrong, columns, True, np.array(ends, dtype=np.int64), threads)


@compiled
@pytest.mark.parametrize("column", [-1, 37])
def test_a_column_of_gram_matrices_out_of_range_is_refused(column, block, columns):
    X = sparse.csr_array(block.stored)
    X.indices[-1] = column
    with pytest.raises(IndexError):
        grams(replace(block, stored=X), columns, True, ENDS, 2)


# What they make


def pairs_objective(storage, rng, n_threads=None):
    X = np.where(rng.random((5_000, 6)) < 0.5, rng.normal(size=(5_000, 6)), 0.0)
    rows = as_rows(STORAGES[storage](X), rng.integers(0, 5, 5_000), rng.uniform(0.2, 3, 5_000), n_threads=n_threads)
    mean, deviation = rows.moments()
    return Objective(Softmax(5), L2(0.01), rows.with_columns(Columns(mean, 1 / deviation)))


@pytest.mark.parametrize("storage", STORAGES)
def test_a_drawn_hessian_is_the_same_for_any_number_of_threads(storage):
    W = np.random.default_rng(1).normal(size=(7, 5))
    draws = []
    for n_threads in (1, 2, 3):
        objective = pairs_objective(storage, np.random.default_rng(0), n_threads)
        draws.append(pair_hessian(objective, W, np.full(5_000, 1.5), 100, draw=2))
    assert_array_equal(draws[0], draws[1])
    assert_array_equal(draws[0], draws[2])
    assert_array_equal(draws[0], draws[0].transpose(0, 2, 1))


@compiled
@pytest.mark.parametrize("storage", ["array", "csr"])
def test_a_drawn_hessian_is_the_one_that_numpy_draws(storage, monkeypatch, rng):
    objective = pairs_objective(storage, rng)
    W, temperature = rng.normal(size=(7, 5)), rng.uniform(1, 4, 5_000)
    drawn = pair_hessian(objective, W, temperature, 100)
    monkeypatch.setattr(native, "instruction_set", lambda: None)
    assert_allclose(drawn, pair_hessian(objective, W, temperature, 100), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("storage", ["csr", "csc"])
def test_blocks_of_sparse_rows_end_where_they_are_told_to(storage, rng):
    X = np.where(rng.random((50, 4)) < 0.5, rng.normal(size=(50, 4)), 0.0)
    rows = as_rows(STORAGES[storage](X), np.arange(50)).with_ends([7, 30])
    assert [len(block.weight) for block in rows.blocks()] == [7, 23, 20]
    assert_array_equal(np.vstack([block.X.toarray() for block in rows.blocks()]), X)
