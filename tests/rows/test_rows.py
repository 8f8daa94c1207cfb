"""Rows: however a matrix is stored, cut and shared among threads, its sums are those of the dense
float64 array."""

import tracemalloc
from copy import deepcopy
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as drawn_arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from column_store import ColumnStore, ColumnStoreRows
from polytome import native
from polytome.errors import ArgumentError
from polytome.losses import Softmax
from polytome.objective import Objective
from polytome.passes import ValueAndGradient, added_up
from polytome.penalties import L2
from polytome.rows import ArrayRows, Columns, as_rows
from polytome.rows import arrays as array_rows
from polytome.rows import sparse as sparse_rows
from polytome.rows.blocks import in_order
from polytome.rows.choose import fast_precision
from polytome.solvers import LBFGS, DistinctRows, Newton, RowSpace, Stop, choose_solver, minimize
from polytome.threads import one_blas_thread
from registry import REPRESENTATIONS, ROWS, SPARSE, STORED, integers, twin

N, D, K = 403, 5, 3
COLUMNS = Columns(np.array([0.0, 1.5, -2.0, 0.3, 4.0]), np.array([1.0, 0.5, 3.0, 1.0, 0.1]))


@pytest.fixture(params=ROWS)
def representation(request):
    """Every kind of rows, those that no estimator makes among them."""
    return request.param


by_storage = pytest.mark.parametrize("storage", ["c-order", "csr-matrix", "csc-matrix"])


@pytest.fixture
def dense(rng):
    return integers(rng, N, D)


@pytest.fixture
def target(rng):
    return rng.integers(0, K, N)


@pytest.fixture
def weight(rng):
    return np.where(rng.random(N) < 0.2, 0.0, rng.uniform(0.1, 5, N))


@pytest.fixture
def many_blocks(monkeypatch):
    """Blocks of sixteen rows of an array, six of a CSR matrix."""
    monkeypatch.setattr(array_rows, "_BLOCK_BYTES", 1)
    monkeypatch.setattr(sparse_rows, "_DENSE_BLOCK_BYTES", 64)


def stored(name, dense, folder, target, weight=None, columns=COLUMNS, **settings):
    return ROWS[name].as_rows(STORED[name](dense, folder), target, weight, **settings).with_columns(columns)


def sums(rows):
    """Everything that an objective adds up over rows."""
    objective = Objective(Softmax(K), L2(0.1), rows)
    rng = np.random.default_rng(3)
    W, direction = 0.3 * rng.normal(size=(2, D + 1, K))
    value, gradient = objective.value_and_gradient(W)
    return {
        "value": np.array(value),
        "gradient": gradient,
        "hessian": objective.hessian(W),
        "product": objective.hessian_product(W, direction),
        "intercept": objective.intercept_hessian(W),
    }


def assert_close(got, want, tolerance):
    """Each array within `tolerance` of the size of its largest entry."""
    for name, array in want.items():
        assert np.isfinite(got[name]).all(), name
        assert np.abs(got[name] - array).max() <= tolerance * np.abs(array).max(), name


@dataclass(frozen=True)
class SecondColumn:
    """How many rows there are and, joined, their second standardised columns and their targets."""

    columns: Columns
    joined = 2

    def of_block(self, block):
        return np.array(len(block.target)), self.columns.dense(block)[:, 1], block.target


class Broken:
    joined = 0

    def of_block(self, block):
        raise FloatingPointError("in a block")


# One representation like another


def test_sums_are_those_of_the_dense_twin(representation, dense, target, weight, tmp_path):
    rows = stored(representation, dense, tmp_path, target, weight)
    reference = ArrayRows.of(twin(representation, dense), target, weight).with_columns(COLUMNS)
    assert_close(sums(rows), sums(reference), 1e-12)
    assert_close(sums(rows.at(np.float32)), sums(reference), 1e-6)


@pytest.mark.usefixtures("many_blocks")
def test_sums_do_not_depend_on_the_blocks(representation, dense, target, weight, tmp_path, monkeypatch):
    rows = stored(representation, dense, tmp_path, target, weight)
    n_blocks = len(rows.parts())
    cut = sums(rows)
    monkeypatch.undo()
    assert len(rows.parts()) == 1
    assert n_blocks == ROWS[representation].blocks
    assert_close(cut, sums(rows), 1e-12)


def test_moments_are_those_of_the_dense_twin(representation, dense, target, weight, tmp_path):
    X = twin(representation, dense)
    mean = weight @ X / weight.sum()
    deviation = np.sqrt(weight @ (X - mean) ** 2 / weight.sum())
    # Those of the raw columns, in float64, whatever the centring, the scaling and the precision.
    rows = stored(representation, dense, tmp_path, target, weight)
    for moments in (rows.moments(), rows.at(np.float32).moments()):
        assert_allclose(moments, (mean, deviation), rtol=1e-12)


@pytest.mark.usefixtures("many_blocks")
def test_blocks_hold_the_rows_in_order(representation, dense, target, weight, tmp_path):
    rows = stored(representation, dense, tmp_path, target, weight)
    blocks = list(rows.blocks())
    assert_array_equal(np.concatenate([block.target for block in blocks]), target)
    assert_array_equal(np.concatenate([block.weight for block in blocks]), weight)
    standard = np.vstack([rows.dense(block) for block in blocks])
    expected = (twin(representation, dense) - COLUMNS.shift) * COLUMNS.scale
    assert_allclose(standard, expected, rtol=1e-15, atol=1e-15)
    assert {block.X.dtype for block in rows.at(np.float32).blocks()} == {np.dtype(np.float32)}


def test_batches_hold_each_row_once_in_an_order_set_by_the_seed(representation, dense, tmp_path):
    numbers = np.arange(N)
    rows = stored(representation, dense, tmp_path, numbers, weight=numbers / 7)
    batches = list(rows.batches(32, np.random.default_rng(5)))
    order = np.concatenate([batch.target for batch in batches])
    assert [len(batch.target) for batch in batches] == [32] * 12 + [19]
    assert_array_equal(np.sort(order), numbers)
    assert_array_equal(np.concatenate([batch.weight for batch in batches]), order / 7)
    expected = (twin(representation, dense)[order] - COLUMNS.shift) * COLUMNS.scale
    assert_allclose(np.vstack([rows.dense(batch) for batch in batches]), expected, rtol=1e-15, atol=1e-15)

    def order_of(seed):
        return np.concatenate([batch.target for batch in rows.batches(32, np.random.default_rng(seed))])

    assert_array_equal(order_of(5), order)
    assert (order_of(6) != order).any()


def test_sample_is_some_rows_in_the_order_of_the_storage(representation, dense, tmp_path):
    numbers = np.arange(N)
    rows = stored(representation, dense, tmp_path, numbers, weight=numbers / 7)
    sample = rows.sample(50, np.random.default_rng(5))
    assert sample.n_rows == 50
    assert (np.diff(sample.target) > 0).all()
    assert_array_equal(sample.weight, sample.target / 7)
    assert_array_equal(sample.target, rows.sample(50, np.random.default_rng(5)).target)
    X = np.vstack([sample.with_columns(Columns.identity(D)).dense(block) for block in sample.blocks()])
    assert_array_equal(X, twin(representation, dense)[sample.target])
    assert_array_equal(sample.columns.scale, COLUMNS.scale)


def test_subset_is_the_chosen_rows_under_new_weights(representation, dense, target, tmp_path):
    chosen, weight = np.array([3, 4, 100, N - 1]), np.array([1.0, 0.5, 2.0, 0.0])
    subset = stored(representation, dense, tmp_path, target).subset(chosen, weight)
    direct = ArrayRows.of(twin(representation, dense)[chosen], target[chosen], weight).with_columns(COLUMNS)
    assert_close(sums(subset), sums(direct), 1e-12)


def test_storage_is_left_as_it_was(representation, dense, target, weight, tmp_path):
    X = STORED[representation](dense, tmp_path)
    before = deepcopy(X)
    rows = ROWS[representation].as_rows(X, target, weight).with_columns(COLUMNS)
    sums(rows)
    rows.moments()
    list(rows.batches(32, np.random.default_rng(0)))
    if sparse.issparse(X):
        assert X.format == before.format
        assert_array_equal(X.data, before.data)
        if X.format != "coo":
            assert_array_equal(X.indices, before.indices)
    else:
        assert_array_equal(X[:], before[:])


def test_as_rows_picks_the_class_by_the_storage(representation, dense, tmp_path):
    rows = stored(representation, dense, tmp_path, np.zeros(N))
    assert type(rows) is ROWS[representation].kind
    assert rows.is_sparse == (representation in SPARSE)
    assert (rows.n_rows, rows.n_features) == (N, D)
    assert_array_equal(rows.weight, np.ones(N))


# Threads


@by_storage
@pytest.mark.usefixtures("many_blocks")
@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_bits_do_not_depend_on_the_number_of_threads(storage, precision, dense, target, weight, tmp_path):
    def all_sums(n_threads):
        rows = stored(storage, dense, tmp_path, target, weight, n_threads=n_threads).at(precision)
        mean, deviation = rows.moments()
        return sums(rows) | {"mean": mean, "deviation": deviation}

    with one_blas_thread():
        alone = all_sums(1)
        for n_threads in (2, 3, 5):
            for name, array in all_sums(n_threads).items():
                assert array.tobytes() == alone[name].tobytes(), (name, n_threads)


@pytest.mark.parametrize("n_threads", [1, 2, 3, 5])
def test_sums_are_added_in_order(n_threads):
    # In floating point 1e16 + 1 + 1 + ... loses every 1; in any other order some would count.
    parts = [1e16, *[1.0] * 40, -1e16]
    (total,) = added_up(in_order(lambda part: (np.array(part),), parts, n_threads))
    assert total == 0.0


def test_sums_are_added_in_float64():
    (total,) = added_up((np.float32(part),) for part in [2**24, 1, 1, 1])
    assert total.dtype == np.float64
    assert total == 2**24 + 3


def test_sums_leave_their_terms_alone():
    terms = [np.ones(2), np.ones(2)]
    added_up((term,) for term in terms)
    assert_array_equal(terms, np.ones((2, 2)))


@by_storage
@pytest.mark.usefixtures("many_blocks")
@pytest.mark.parametrize("n_threads", [1, 2, 3, 5])
def test_each_gives_one_entry_per_row_in_order(storage, n_threads, dense, tmp_path):
    rows = stored(storage, dense, tmp_path, np.arange(N), n_threads=n_threads)
    count, first, numbers = rows.reduce(SecondColumn(COLUMNS))
    assert count == N
    assert_allclose(first, (dense[:, 1] - COLUMNS.shift[1]) * COLUMNS.scale[1], rtol=1e-15)
    assert_array_equal(numbers, np.arange(N))


def test_a_sum_of_nothing_is_an_error():
    with pytest.raises(ArgumentError, match="at least one row"):
        added_up([])


@pytest.mark.usefixtures("many_blocks")
def test_an_error_in_a_thread_reaches_the_caller(dense, target):
    with pytest.raises(FloatingPointError, match="in a block"):
        as_rows(dense, target, n_threads=3).reduce(Broken())


# Columns

numbers = st.floats(-100, 100)
scales = st.floats(1e-3, 1e3)


@given(
    columns=st.builds(Columns, drawn_arrays(float, 3, elements=numbers), drawn_arrays(float, 3, elements=scales)),
    W=drawn_arrays(float, (4, 2), elements=numbers),
    G=drawn_arrays(float, (4, 2), elements=numbers),
    X=drawn_arrays(float, (5, 3), elements=numbers),
)
def test_columns_are_a_change_of_variables(columns, W, G, X):
    raw = columns.to_raw(W)
    spread = max(1.0, np.abs(columns.shift).max(), np.abs(X).max()) * columns.scale.max()
    size = 1 + spread * np.abs(W).max() * max(1.0, np.abs(X).max())
    # The same scores from raw as from standardised columns,
    assert_allclose(X @ raw[:-1] + raw[-1], columns.apply(X) @ W[:-1] + W[-1], atol=1e-13 * size)
    # a transpose that turns gradients back,
    pairing = float(np.vdot(raw, G))
    assert abs(pairing - np.vdot(W, columns.from_raw(G))) <= 1e-12 * size * (1 + np.abs(G).max())
    # and an inverse.
    assert_allclose(columns.from_raw_coefficients(raw), W, rtol=1e-12, atol=1e-13 * size)


@pytest.mark.parametrize("order", ["C", "F"])
def test_coefficients_as_given_lie_as_they_lay(order, rng):
    """Those of columns that are not scaled are the same memory, seen output by output; scaled ones
    are a copy."""
    W = np.asarray(rng.normal(size=(D + 1, K)), order=order)
    unscaled = Columns(COLUMNS.shift, np.ones(D))
    for columns in (Columns.identity(D), unscaled, COLUMNS):
        before = W.copy()
        coefficients, intercepts = columns.as_given(W)
        raw = columns.to_raw(W)
        assert_array_equal(coefficients, raw[:-1].T)
        assert_allclose(intercepts, raw[-1], rtol=1e-14)
        assert np.shares_memory(coefficients, W) == (columns is not COLUMNS)
        assert not np.shares_memory(intercepts, W)
        assert coefficients.flags.f_contiguous or order == "F"
        assert_array_equal(W, before)


def test_identity_columns_change_nothing(rng):
    W, X = rng.normal(size=(4, 2)), rng.normal(size=(5, 3))
    columns = Columns.identity(3)
    for changed in (columns.to_raw(W), columns.from_raw(W), columns.from_raw_coefficients(W)):
        assert_array_equal(changed, W)
    assert_array_equal(columns.apply(X), X)


@pytest.fixture
def awkward(rng):
    """Columns with a large mean, of tiny and huge size, constant (no binary fraction), and zero."""
    X = rng.normal(size=(N, D))
    X[:, 0] += 1e6
    X[:, 1] *= 1e-6
    X[:, 2] *= 1e6
    X[:, 3] = 0.1
    X[:, 4] = 0.0
    return X


@by_storage
@pytest.mark.usefixtures("many_blocks")
def test_standardised_sums_are_those_of_explicitly_standardised_columns(storage, awkward, target, weight, tmp_path):
    rows = stored(storage, awkward, tmp_path, target, weight)
    mean, deviation = rows.moments()
    divisor = np.where(deviation > 0, deviation, 1.0)
    explicit = (awkward - mean) / divisor
    implicit = rows.with_columns(Columns(mean, 1 / divisor))
    # Implicit centring subtracts numbers a million times larger than the result.
    assert_close(sums(implicit), sums(as_rows(explicit, target, weight)), 1e-9)


@by_storage
@pytest.mark.usefixtures("many_blocks")
def test_moments_of_awkward_columns(storage, awkward, target, weight, tmp_path):
    mean, deviation = stored(storage, awkward, tmp_path, target, weight).moments()
    X = awkward.astype(np.longdouble)
    exact_mean = weight @ X / weight.sum()
    exact_deviation = np.sqrt(weight @ (X - exact_mean) ** 2 / weight.sum())
    assert (np.abs(mean - exact_mean) <= 1e-13 * (np.abs(exact_mean) + exact_deviation)).all()
    assert_allclose(deviation[:3], exact_deviation[:3].astype(float), rtol=1e-9)
    assert_array_equal(deviation[3:], 0.0)


@by_storage
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("constant", [1.0, 0.1, -7e5 / 3])
def test_a_constant_column_has_no_deviation(storage, weighted, constant, rng, tmp_path):
    n = 100_000
    weight = rng.random(n) if weighted else None
    rows = as_rows(REPRESENTATIONS[storage](np.full((n, 1), constant), tmp_path), np.zeros(n), weight)
    mean, deviation = rows.moments()
    assert_allclose(mean, constant, rtol=1e-11)
    assert deviation[0] == 0.0


@by_storage
def test_a_column_constant_among_rows_of_positive_weight_has_no_deviation(storage, rng, tmp_path):
    X = np.concatenate([np.full((100, 1), 5.0), np.full((50, 1), 0.7)])
    weight = np.concatenate([np.zeros(100), rng.random(50)])
    _, deviation = as_rows(REPRESENTATIONS[storage](X, tmp_path), np.zeros(150), weight).moments()
    assert deviation[0] == 0.0


# Memory and precision


def test_no_copy_of_all_rows_is_made():
    n, d = 60_000, 1_000
    X = np.broadcast_to(np.arange(d, dtype=np.uint8), (n, d)).copy()
    X.flags.writeable = False
    objective = Objective(Softmax(K), L2(0.1), as_rows(X, np.zeros(n, dtype=int), n_threads=2))
    W = np.full((d + 1, K), 1e-3)
    passes = {
        "value and gradient": lambda: objective.value_and_gradient(W),
        "moments": lambda: objective.rows.moments(),
        "batch": lambda: next(iter(objective.rows.batches(100, np.random.default_rng(0)))),
    }
    tracemalloc.start()
    try:
        for name, one_pass in passes.items():
            tracemalloc.reset_peak()
            one_pass()
            assert tracemalloc.get_traced_memory()[1] < 20e6, name
    finally:
        tracemalloc.stop()
    assert X.nbytes == 60_000_000


def test_a_float64_csr_matrix_is_shared_by_its_blocks(dense, target):
    X = sparse.csr_matrix(dense)
    for block in as_rows(X, target).blocks():
        assert np.shares_memory(block.X.data, X.data)


EXACT = ["bool", "int8", "uint8", "int16", "uint16", "float16", "float32"]
INEXACT = ["int32", "uint32", "int64", "uint64", "float64", "longdouble"]


@pytest.mark.parametrize("dtype", EXACT + INEXACT)
def test_fast_precision_is_float32_where_it_holds_every_value(dtype):
    mean, deviation = np.array([0.0, 99.0, 5.0]), np.array([1.0, 1.0, 0.0])
    expected = np.float32 if dtype in EXACT else np.float64
    assert fast_precision(np.dtype(dtype), mean, deviation) == expected
    far_from_zero = np.array([0.0, 101.0, 5.0])
    assert fast_precision(np.dtype(dtype), far_from_zero, deviation) == np.float64


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="NumPy 1 keeps errstate per thread")
def test_threads_share_the_caller_s_word_on_overflow():
    with np.errstate(over="ignore"):
        assert list(in_order(np.exp, [1000.0] * 8, n_threads=2)) == [np.inf] * 8
    with pytest.warns(RuntimeWarning, match="overflow"):
        list(in_order(np.exp, [1000.0] * 8, n_threads=2))


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array, sparse.csc_array], ids=["dense", "csr", "csc"])
def test_deviations_keep_what_light_rows_add_to_a_heavy_one(stored) -> None:
    X = np.array([[0.0, 0.7, 0.0, -0.5], [0.2, 0.0, 0.6, 0.1], [0.3, 0.0, -0.7, -0.2], [0.0, 0.3, 0.0, 0.4]])
    weight = np.array([1e-2, 5e-11, 1.2e10, 3e-9])
    _, found = as_rows(stored(X), np.zeros(4), weight).moments()
    w = [Fraction(v) for v in weight.tolist()]
    for j in range(4):
        x = [Fraction(v) for v in X[:, j].tolist()]
        mean = sum(a * b for a, b in zip(w, x, strict=True)) / sum(w)
        variance = sum(a * (b - mean) ** 2 for a, b in zip(w, x, strict=True)) / sum(w)
        assert found[j] == pytest.approx(float(variance) ** 0.5, rel=1e-13)


# Neither an array nor a sparse matrix


@pytest.mark.parametrize(
    "solver", [None, LBFGS(), Newton(sample=50), DistinctRows(Newton()), RowSpace(Newton())], ids=lambda s: str(s)[:14]
)
def test_a_column_store_is_fitted_like_the_array_it_stands_for(solver, dense, target):
    """And never as one array: the store refuses to become one."""
    found = []
    for rows in (ColumnStoreRows.of(ColumnStore(tuple(dense.T)), target), as_rows(dense, target)):
        objective = Objective(Softmax(K), L2(0.1), rows)
        chosen = choose_solver(objective).solver if solver is None else solver
        found.append(minimize(objective, chosen, tol=1e-6))
    assert [solution.stop for solution in found] == [Stop.CERTIFIED] * 2
    assert_allclose(found[0].coefficients, found[1].coefficients, atol=1e-6)


@pytest.mark.skipif(native.instruction_set() is None, reason="no compiled code")
def test_each_block_of_a_column_store_is_left_to_compiled_code(dense, target, monkeypatch):
    rows = ColumnStoreRows.of(ColumnStore(tuple(dense.T)), target)
    raw = np.ones((D + 1, K))
    want = as_rows(dense, target).reduce(ValueAndGradient(Softmax(K), raw))

    def refused(self, block):
        raise AssertionError("NumPy was asked")

    monkeypatch.setattr(ValueAndGradient, "of_block", refused)
    for got, expected in zip(rows.reduce(ValueAndGradient(Softmax(K), raw)), want, strict=True):
        assert_array_equal(got, expected)


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array])
def test_facts_are_those_of_the_rows_that_have_them(stored) -> None:
    """How many rows make a block depends on the precision, and bounds of rounding go by it."""
    X, y = np.ones((3_000, 784)), np.zeros(3_000, int)
    made = as_rows(stored(X), y)
    made.facts, made.moments()  # kept from here on
    for precision in (np.float32, np.float64):
        changed, fresh = made.at(precision), as_rows(stored(X), y).at(precision)
        assert changed.facts == fresh.facts
        assert changed.with_target(1 - y).facts == fresh.facts
        assert changed.with_columns(changed.columns).with_ends([17]).facts == fresh.with_ends([17]).facts


@pytest.mark.parametrize("of", [np.asarray, np.asfortranarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("size", [1e-155, 1e-165, 1e-300])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_moments_of_columns_whose_squares_no_float_holds(of, size, is_weighted):
    rng = np.random.default_rng(0)
    large = np.column_stack([rng.normal(size=41), rng.gamma(1, 1, 41), np.zeros(41), np.ones(41), rng.normal(size=41)])
    weight = rng.gamma(1, 1, 41) if is_weighted else np.ones(41)
    factor = np.array([size, size, size, size, 1.0])
    rows = as_rows(of(large * factor), np.zeros(41), weight)
    mean, deviation = rows.moments()
    true_mean = weight @ large / weight.sum()
    true_deviation = np.sqrt(weight @ (large - true_mean) ** 2 / weight.sum())
    assert_allclose(mean / factor, true_mean, rtol=1e-12, atol=1e-15)
    assert_allclose(deviation / factor, true_deviation, rtol=1e-12, atol=0)
    assert (rows.lengths(mean) / factor >= true_deviation * (1 - 1e-14)).all()
    assert (rows.lengths(0 * mean) / factor >= np.sqrt(weight @ large**2 / weight.sum()) * (1 - 1e-14)).all()
