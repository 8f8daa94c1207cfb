"""The native passes: equal to NumPy's on every representation and loss, exact in the tails, safe
with bad input."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

import polytome
from compiled import derivatives, loss_of_scores, row_squares, traces, value_and_gradient
from polytome import native
from polytome.errors import ArgumentError
from polytome.losses import IndependentSigmoids, Logistic, Softmax, Squared
from polytome.objective import Objective
from polytome.passes import Block, ValueAndGradient
from polytome.penalties import L2
from polytome.rows import Columns, as_rows
from registry import LOSSES, REPRESENTATIONS, integers

SETS = native.instruction_sets()
pytestmark = pytest.mark.skipif(not SETS, reason="the extension was not built")

N, D = 403, 37  # several tiles and a rest of each


@pytest.fixture(params=SETS)
def instruction_set(request):
    return request.param


@pytest.fixture
def passes(monkeypatch, instruction_set):
    """Value and gradient of rows: as the instruction set computes them, and as NumPy does."""

    def both(rows, loss, raw):
        results = []
        for chosen in (instruction_set, None):
            monkeypatch.setattr(native, "instruction_set", lambda chosen=chosen: chosen)
            with np.errstate(all="ignore"):
                results.append(rows.reduce(ValueAndGradient(loss, raw)))
        return results

    return both


def assert_equal_to_rounding(results, precision):
    """Each array within some units in the last place of its largest entry."""
    tolerance = 40 * np.finfo(precision).eps
    for got, want in zip(*results, strict=True):
        assert got.shape == want.shape
        assert np.isfinite(want).all()
        assert np.abs(got - want).max() <= tolerance * max(np.abs(want).max(), 1e-300)


def weights(rng, n):
    return np.where(rng.random(n) < 0.2, 0.0, rng.uniform(0.1, 5, n))


def block_of(X, target, precision=np.float64):
    return Block(X, np.dtype(precision), target, np.ones(len(target)))


# Equal to NumPy


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_every_representation_and_loss(representation, precision, passes, rng, tmp_path):
    X = REPRESENTATIONS[representation](integers(rng, N, D), tmp_path)
    for make in LOSSES.values():
        loss, target = make(rng, N)
        raw = 0.1 * rng.normal(size=(D + 1, loss.n_outputs))
        rows = as_rows(X, target, weights(rng, N)).at(precision)
        assert_equal_to_rounding(passes(rows, loss, raw), precision)


def targets(family, K, rng):
    return {
        "codes": lambda: (Softmax(K), rng.integers(0, K, N)),
        "distributions": lambda: (Softmax(K), rng.dirichlet(np.ones(K), N)),
        "sigmoids": lambda: (IndependentSigmoids(K), rng.random((N, K))),
        "squared": lambda: (Squared(K), rng.normal(size=(N, K))),
    }[family]()


@pytest.mark.parametrize("K", [1, 2, 3, 7, 10, 26, 105])
@pytest.mark.parametrize("family", ["codes", "distributions", "sigmoids", "squared"])
@pytest.mark.parametrize("storage", [np.asarray, np.asfortranarray, sparse.csr_matrix])
def test_any_number_of_outputs(storage, family, K, passes, rng):
    loss, target = targets(family, K, rng)
    for d in (1, D, 64):
        X = storage(integers(rng, N, d).astype(np.float32))
        raw = 0.1 * rng.normal(size=(d + 1, K))
        for precision in (np.float32, np.float64):
            rows = as_rows(X, target, weights(rng, N)).at(precision)
            assert_equal_to_rounding(passes(rows, loss, raw), precision)


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 129])
def test_any_number_of_rows(n, passes, rng):
    for K in (1, 2, 10):
        loss = Softmax(K) if K > 1 else Logistic()
        raw = rng.normal(size=(5, K))
        rows = as_rows(rng.normal(size=(n, 4)), rng.integers(0, max(K, 2), n))
        assert_equal_to_rounding(passes(rows, loss, raw), np.float64)


@pytest.mark.parametrize("size", [30.0, 800.0, 1e5])
def test_large_scores(size, loss_name, passes, rng):
    loss, target = LOSSES[loss_name](rng, N)
    raw = size * rng.normal(size=(D + 1, loss.n_outputs))
    rows = as_rows(rng.normal(size=(N, D)), target)
    assert_equal_to_rounding(passes(rows, loss, raw), np.float64)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("family", ["codes", "distributions", "sigmoids", "squared"])
@pytest.mark.parametrize("storage", [np.asarray, np.asfortranarray, np.int16, sparse.csr_matrix, sparse.csc_matrix])
def test_derivatives_for_standardised_columns(storage, family, fit_intercept, instruction_set, monkeypatch, rng):
    for d, K in ((1, 1), (6, 3), (7, 2), (D, 1), (D, 10), (255, 1)):
        loss, target = targets(family, K, rng)
        columns = Columns(rng.normal(size=d), rng.uniform(0.1, 2, d))
        rows = as_rows(storage(integers(rng, N, d)), target, weights(rng, N)).with_columns(columns)
        W = rng.normal(size=(d + 1, K)) / d
        results = []
        for chosen in (instruction_set, None):
            monkeypatch.setattr(native, "instruction_set", lambda chosen=chosen: chosen)
            results.append(Objective(loss, L2(0.1), rows, fit_intercept).derivatives(W))
        assert results[0][0] == pytest.approx(results[1][0], rel=1e-14)
        for got, want in zip(results[0][1:], results[1][1:], strict=True):
            assert got.shape == want.shape
            assert np.abs(got - want).max() <= 2e-13 * max(np.abs(want).max(), 1e-300)


def test_the_hessian_of_sure_rows_keeps_its_digits(instruction_set, monkeypatch):
    """The variance p (1 - p) of a class that a row is sure of, against fifty digits."""
    monkeypatch.setattr(native, "instruction_set", lambda: instruction_set)
    scores = np.array([[40.0, 0.0, 3.0], [-3.0, 38.0, 38.0], [0.0, 0.0, 0.0], [5.0, 700.0, 5.0]])
    for row in scores:
        block = block_of(np.zeros((1, 0)), np.array([0]))
        _, _, hessian = derivatives(Softmax(3), block, row[None, :], Columns.identity(0), True)
        with mpmath.workdps(400):
            exponentials = [mpmath.exp(score) for score in row]
            p = [e / mpmath.fsum(exponentials) for e in exponentials]
            exact = [[float(one * ((k == j) - other)) for j, other in enumerate(p)] for k, one in enumerate(p)]
        assert_allclose(hessian[0], exact, rtol=2e-15)


def stored_targets(target):
    """A target in the types that hold it, in another order, with steps through memory, and
    read-only."""
    types = ("uint8", "int32") if target.dtype.kind == "i" else ("float16", "float32")
    yield from (target.astype(name) for name in types)
    wide = np.zeros((3 * len(target), *(2 * side for side in target.shape[1:])), target.dtype)
    strided = wide[::-3, ::2] if target.ndim == 2 else wide[::-3]
    strided[:] = target
    yield strided
    in_columns = np.asfortranarray(target)
    in_columns.flags.writeable = False
    yield in_columns


def from_known_scores(loss, scores, target, weight, b, with_residuals=False):
    return loss_of_scores(loss, Block(scores, np.dtype(float), target, weight), b, with_residuals=with_residuals)


@pytest.mark.parametrize("K", [1, 2, 3, 7, 26, 105])
@pytest.mark.parametrize("family", ["codes", "distributions", "sigmoids", "squared"])
def test_loss_and_residuals_of_known_scores(family, K, instruction_set, monkeypatch, rng):
    """Against the loss itself. A row without weight has a residual like any other."""
    monkeypatch.setattr(native, "instruction_set", lambda: instruction_set)
    loss, as_drawn = targets(family, K, rng)
    weight, b = weights(rng, N), rng.normal(size=K)
    for target in stored_targets(as_drawn):
        exact = target if family == "codes" else target.astype(np.float64)
        for size, n in ((1.0, N), (1.0, 1), (30.0, 63), (30.0, 64), (800.0, 65), (800.0, 129)):
            scores = size * rng.normal(size=(n, K))
            got = from_known_scores(loss, scores, target[:n], weight[:n], b, with_residuals=True)
            each, want = loss.value_and_gradient(scores + b, exact[:n])
            assert_equal_to_rounding((got, (weight[:n] @ each, weight[:n] @ want, want)), np.float64)


@pytest.mark.parametrize("family", ["codes", "distributions", "sigmoids", "squared"])
def test_residuals_of_known_scores_change_neither_loss_nor_scores(family, instruction_set, monkeypatch, rng):
    monkeypatch.setattr(native, "instruction_set", lambda: instruction_set)
    loss, target = targets(family, 5, rng)
    scores, weight, b = 5 * rng.normal(size=(N, 5)), weights(rng, N), rng.normal(size=5)
    before = scores.copy()
    with_residuals = from_known_scores(loss, scores, target, weight, b, with_residuals=True)
    value, slope = from_known_scores(loss, scores, target, weight, b)
    assert_array_equal(scores, before)
    assert value == with_residuals[0]
    assert_array_equal(slope, with_residuals[1])


def test_residuals_without_any_weight_and_loss_without_rows(instruction_set, monkeypatch, rng):
    monkeypatch.setattr(native, "instruction_set", lambda: instruction_set)
    loss, target = targets("codes", 3, rng)
    scores = rng.normal(size=(N, 3))
    value, slope, residuals = from_known_scores(loss, scores, target, np.zeros(N), np.zeros(3), with_residuals=True)
    assert value == 0.0
    assert_array_equal(slope, np.zeros(3))
    assert_allclose(residuals, loss.value_and_gradient(scores, target)[1], rtol=0, atol=1e-15)
    value, slope = from_known_scores(loss, scores[:0], target[:0], np.zeros(0), np.ones(3))
    assert value == 0.0
    assert_array_equal(slope, np.zeros(3))


@pytest.mark.parametrize("storage", [np.asarray, np.asfortranarray, np.float32, np.uint8])
def test_moments(storage, instruction_set, monkeypatch, rng):
    X = storage(integers(rng, N, D) + 1e6 * (storage is np.asarray))
    X[:, 3] = X[0, 3]
    for d in (1, D):
        mean_and_deviation = []
        for chosen in (instruction_set, None):
            monkeypatch.setattr(native, "instruction_set", lambda chosen=chosen: chosen)
            mean_and_deviation.append(as_rows(X[:, :d], np.zeros(N), weights(np.random.default_rng(1), N)).moments())
        for got, want in zip(*mean_and_deviation, strict=True):
            assert_allclose(got, want, rtol=1e-13, atol=1e-13)
    assert got[3] == 0.0


@pytest.mark.parametrize("storage", [np.asarray, np.asfortranarray, np.float32, np.float16, np.uint8])
def test_row_squares(storage, instruction_set, monkeypatch, rng):
    monkeypatch.setattr(native, "instruction_set", lambda: instruction_set)
    X = storage(integers(rng, N, D))
    columns = Columns(rng.normal(3, 1, D), np.where(np.arange(D) == 3, 0.0, rng.uniform(0.1, 2, D)))
    for d in (1, D):
        part = Columns(columns.shift[:d], columns.scale[:d])
        got = row_squares(block_of(X[:, :d], np.zeros(N)), part)
        want = (((X[:, :d].astype(np.float64) - part.shift) * part.scale) ** 2).sum(axis=1)
        assert_allclose(got, want, rtol=1e-13)


def test_a_width_of_a_power_of_two_and_many_columns(passes, rng):
    for d in (512, 1024, 5000):
        rows = as_rows(rng.normal(size=(70, d)), rng.integers(0, 3, 70))
        assert_equal_to_rounding(passes(rows, Softmax(3), 0.01 * rng.normal(size=(d + 1, 3))), np.float64)


def test_every_half_is_converted_exactly(passes):
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)][:, None]
    rows = as_rows(halves, np.zeros((len(halves), 1)))
    # The gradient of the squared loss at zero scores and target 1 for one row is minus its entry.
    for start in range(0, len(halves), 9973):
        target = np.zeros((len(halves), 1))
        target[start] = 1.0
        (_, gradient), _ = passes(rows.with_target(target), Squared(1), np.zeros((2, 1)))
        assert gradient[0, 0] == -float(halves[start, 0])
    value, reference = passes(rows.with_target(halves.astype(float)), Squared(1), np.array([[1.0], [0.0]]))
    assert value[0] == reference[0] == 0.0


# Exact in the tails


def softplus(z):
    return mpmath.log1p(mpmath.exp(z))


def test_loss_and_residual_of_sure_and_unsure_rows_are_exact_to_a_few_units(monkeypatch, instruction_set):
    monkeypatch.setattr(native, "instruction_set", lambda: instruction_set)
    rng = np.random.default_rng(0)
    near, far, small = rng.uniform(-40, 40, 150), rng.uniform(-700, 700, 50), 10 ** rng.uniform(-18, 0, 50)
    scores = np.concatenate([near, far, small, [0.0]])
    raw = np.array([[1.0], [0.0]])
    with mpmath.workdps(60):
        for z in scores:
            value, gradient = value_and_gradient(Logistic(), block_of(np.array([[z]]), np.array([0])), raw)
            exact = softplus(mpmath.mpf(z))
            slope = 1 / (1 + mpmath.exp(-mpmath.mpf(z)))
            assert abs(mpmath.mpf(float(value)) / exact - 1) < 1e-15
            assert abs(mpmath.mpf(gradient[1, 0]) / slope - 1) < 1e-15
            two = np.array([[0.0, 1.0], [0.0, 0.0]])
            value, gradient = value_and_gradient(Softmax(2), block_of(np.array([[z]]), np.array([0])), two)
            assert abs(mpmath.mpf(float(value)) / exact - 1) < 1e-15
            assert_array_equal(gradient[1, 0], -gradient[1, 1])
            assert abs(mpmath.mpf(gradient[1, 1]) / slope - 1) < 1e-15


def test_the_smallest_probabilities_fade_out(monkeypatch, instruction_set):
    monkeypatch.setattr(native, "instruction_set", lambda: instruction_set)
    raw = np.array([[1.0], [0.0]])
    for z in (-708.0, -720.0, -740.0, -744.0, -746.0, -800.0, -np.inf):
        _, gradient = value_and_gradient(Logistic(), block_of(np.array([[z]]), np.array([0])), raw)
        assert gradient[1, 0] == pytest.approx(float(mpmath.exp(z)), abs=5e-324, rel=1e-14)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_a_value_that_is_not_finite_stays_so(storage, bad, loss_name, passes, rng):
    dense = rng.normal(size=(N, D))
    dense[100, 3] = bad
    loss, target = LOSSES[loss_name](rng, N)
    raw = rng.normal(size=(D + 1, loss.n_outputs))
    (value, gradient), (want, want_gradient) = passes(as_rows(storage(dense), target), loss, raw)
    assert not np.isfinite(gradient[3]).all()
    assert_array_equal(np.isnan(value), np.isnan(want))
    assert_array_equal(np.isfinite(gradient).all(axis=1), np.isfinite(want_gradient).all(axis=1))


def test_large_sums_do_not_lose_small_gradients(monkeypatch, instruction_set):
    """In float32 a tile is summed in float32, the tiles in float64."""
    monkeypatch.setattr(native, "instruction_set", lambda: instruction_set)
    n = 2**20
    X = np.full((n, 1), np.float32(1 / 3))
    _, gradient = value_and_gradient(Squared(1), block_of(X, -np.ones(n), np.float32), np.zeros((2, 1)))
    exact = float(n * Fraction(float(np.float32(1 / 3))))
    assert gradient[0, 0] == pytest.approx(exact, rel=1e-6)
    assert gradient[1, 0] == n


# Bad input


@pytest.fixture
def block(rng):
    return block_of(rng.normal(size=(9, 4)), rng.integers(0, 3, 9))


def test_without_rows_or_columns_there_is_nothing_to_add(instruction_set, monkeypatch):
    monkeypatch.setattr(native, "instruction_set", lambda: instruction_set)
    for storage in (np.asarray, sparse.csr_matrix):
        value, gradient = value_and_gradient(
            Softmax(3), block_of(storage(np.zeros((0, 4))), np.zeros(0, int)), np.ones((5, 3))
        )
        assert value == 0.0
        assert_array_equal(gradient, np.zeros((5, 3)))
        value, gradient = value_and_gradient(
            Softmax(2), block_of(storage(np.zeros((5, 0))), np.zeros(5, int)), np.ones((1, 2))
        )
        assert value == pytest.approx(5 * np.log(2), rel=1e-15)
        assert_array_equal(gradient, [[-2.5, 2.5]])


def test_misaligned_and_foreign_bytes(passes, rng):
    dense = rng.normal(size=(N, D))
    buffer = bytearray(dense.nbytes + 1)
    misaligned = np.frombuffer(buffer, dtype=np.float64, offset=1).reshape(N, D)
    misaligned[:] = dense
    assert not misaligned.flags.aligned
    raw = rng.normal(size=(D + 1, 3))
    target = rng.integers(0, 3, N)
    want, _ = passes(as_rows(dense, target), Softmax(3), raw)
    for X in (misaligned, dense.astype(">f8"), dense[::-1][::-1], np.broadcast_to(dense, dense.shape)):
        X.flags.writeable = False
        got, _ = passes(as_rows(X, target), Softmax(3), raw)
        assert_array_equal(got[1], want[1])


def test_one_row_repeated_without_copies(passes, rng):
    X = np.broadcast_to(rng.normal(size=D), (N, D))
    assert X.strides[0] == 0
    rows = as_rows(X, rng.integers(0, 3, N))
    assert_equal_to_rounding(passes(rows, Softmax(3), rng.normal(size=(D + 1, 3))), np.float64)


@pytest.mark.parametrize("code", [-1, 3, 2**40])
def test_a_code_out_of_range_is_refused(code, block, monkeypatch, instruction_set):
    monkeypatch.setattr(native, "instruction_set", lambda: instruction_set)
    target = block.target.copy()
    target[5] = code
    with pytest.raises(IndexError, match="class code"):
        value_and_gradient(Softmax(3), block_of(block.X, target), np.zeros((5, 3)))
    with pytest.raises(IndexError, match="class code"):
        from_known_scores(Softmax(3), np.zeros((9, 3)), target, np.ones(9), np.zeros(3))


@pytest.mark.parametrize("column", [-1, 4, 2**30])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_a_column_index_out_of_range_is_refused(column, index, monkeypatch, instruction_set):
    monkeypatch.setattr(native, "instruction_set", lambda: instruction_set)
    X = sparse.csr_matrix(np.eye(4))
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    X.indices[2] = column
    with pytest.raises(IndexError, match="column index"):
        value_and_gradient(Softmax(3), block_of(X, np.zeros(4, int)), np.zeros((5, 3)))


SHARED = {
    "target": np.zeros((4, 1)),
    "offset": np.zeros((0, 0)),
    "weight": np.ones(4),
    "ends": np.array([1, 4]),
    "threads": 2,
}
DENSE = {"X": np.zeros((4, 2)), "single": False, **SHARED}
CSR = {"data": np.ones(4), "indices": np.zeros(4, np.int32), "bounds": np.arange(5)}
SPARSE = {**CSR, "columns": 2, **SHARED}
SCORES = {"X": np.zeros((4, 3)), "single": False, **SHARED}

VALUE = {"loss": "softmax of codes", "coefficients": np.zeros((3, 3)), "gradient": np.zeros((3, 3))}
VALUE_OF_SPARSE = {**VALUE, "outputs": 3}
DERIVATIVES = {
    "loss": "softmax of codes",
    "coefficients": np.zeros((3, 3)),
    "shift": np.zeros(2),
    "scale": np.ones(2),
    "intercept": True,
    "sums": np.zeros(9 + 81),
}
MOMENTS = {"near": np.zeros(2), "first": np.zeros(2), "second": np.zeros(2)}
SPARSE_MOMENTS = {"near": np.zeros(2), "sums": np.zeros((4, 2))}
SQUARES = {"shift": np.zeros(2), "scale": np.ones(2), "sums": np.zeros(4)}
ALL_SCORES = {"coefficients": np.zeros((3, 3)), "result": np.zeros((4, 3))}
TRACES = {"link": "softmax", "coefficients": np.zeros((3, 3)), "result": np.zeros((4, 1))}
KNOWN = {
    "loss": "softmax of codes",
    "intercepts": np.zeros((1, 3)),
    "slope": np.zeros((1, 3)),
    "residuals": np.zeros((4, 3)),
}
DUAL = {
    "loss": "softmax of codes",
    "curvature": np.ones(4),
    "scale_squares": np.ones(2),
    "per_weight": 1.0,
    "intercept_square": 1.0,
    "order": np.array([0, 3]),
    "coefficients": np.zeros((2, 3)),
    "intercepts": np.zeros(3),
    "duals": np.zeros((4, 3)),
}
PREDICT = {
    "link": "softmax",
    "coefficients": np.zeros((3, 2)),
    "intercepts": np.zeros(3),
    "result": np.zeros((4, 3)),
    "threads": 2,
}


def changes(rows, method, arguments, error, *wrong):
    return [(rows, method, arguments, change, error) for change in wrong]


WRONG = [
    *changes(
        DENSE,
        "value_and_gradient",
        VALUE,
        ValueError,
        {"target": np.zeros((3, 1))},
        {"target": np.zeros((4, 3))},
        {"target": np.zeros((4, 1), np.complex64)},
        {"target": np.zeros((0, 0))},
        {"offset": np.zeros((3, 3))},
        {"offset": np.zeros((4, 2))},
        {"offset": np.zeros((4, 3), np.float32)},
        {"ends": np.array([2, 3])},
        {"ends": np.array([2, 1, 4])},
        {"ends": np.array([-1, 4])},
        {"ends": np.zeros(0, np.int64)},
        {"threads": 0},
        {"weight": np.ones(5)},
        {"coefficients": np.zeros((4, 3))},
        {"coefficients": np.zeros((3, 0)), "gradient": np.zeros((3, 0))},
        {"gradient": np.zeros((2, 3))},
        {"X": np.zeros((4, 2), np.complex128)},
        {"loss": "hinge"},
        {"set": "abacus"},
    ),
    *changes(
        DENSE,
        "value_and_gradient",
        VALUE,
        TypeError,
        {"ends": np.array([1, 4], np.int32)},
        {"coefficients": np.asfortranarray(np.ones((3, 3)))},
        {"gradient": np.zeros((3, 3), np.float32)},
        {"X": np.zeros(4)},
    ),
    *changes(
        SPARSE,
        "value_and_gradient",
        VALUE_OF_SPARSE,
        ValueError,
        {"outputs": 0},
        {"outputs": 4},
        {"bounds": np.array([0, 1, 2, 3, 5])},
        {"bounds": np.array([0, 2, 1, 3, 4])},
        {"bounds": np.array([-1, 1, 2, 3, 4])},
        {"bounds": np.zeros(0, np.int64)},
        {"indices": np.zeros(3, np.int32)},
        {"indices": np.zeros(4)},
        {"columns": 1},
        {"coefficients": np.zeros((2, 3)), "gradient": np.zeros((2, 3))},
        {"coefficients": np.zeros((0, 0)), "gradient": np.zeros((0, 0))},
    ),
    *changes(
        SPARSE,
        "value_and_gradient",
        VALUE_OF_SPARSE,
        TypeError,
        {"bounds": np.arange(5, dtype=np.int32)},
        {"data": np.ones(8)[::2]},
    ),
    *changes(
        DENSE,
        "derivatives",
        DERIVATIVES,
        ValueError,
        {"weight": np.ones(3)},
        {"coefficients": np.zeros((2, 3))},
        {"shift": np.zeros(3)},
        {"scale": np.zeros(3)},
        {"loss": "sigmoids", "target": np.zeros((4, 3)), "sums": np.zeros(9 + 81)},
        {"sums": np.zeros(81)},
        {"ends": np.array([1, 5])},
    ),
    *changes(
        SPARSE,
        "derivatives",
        DERIVATIVES,
        ValueError,
        {"bounds": np.array([0, 1, 2, 3, 5])},
        {"indices": np.zeros(3, np.int32)},
        {"coefficients": np.zeros((3, 0))},
        {"sums": np.zeros(81)},
    ),
    *changes(SPARSE, "derivatives", DERIVATIVES, IndexError, {"indices": np.full(4, 2, np.int32)}),
    *changes(DENSE, "moments", MOMENTS, ValueError, *({name: np.zeros(3)} for name in MOMENTS)),
    *changes(
        SPARSE,
        "moments",
        SPARSE_MOMENTS,
        ValueError,
        {"near": np.zeros(3)},
        *({"sums": np.zeros((k, 3))} for k in (3, 4)),
    ),
    *changes(DENSE, "squares", SQUARES, ValueError, *({name: np.zeros(3)} for name in SQUARES)),
    *changes(
        DENSE,
        "traces",
        TRACES,
        ValueError,
        {"link": "scores"},
        {"link": "identity"},
        {"coefficients": np.zeros((3, 4))},
        {"coefficients": np.zeros((0, 3))},
        {"result": np.zeros((3, 1))},
        {"result": np.zeros((4, 3))},
    ),
    *changes(DENSE, "traces", TRACES, TypeError, {"result": np.zeros((4, 1), np.float32)}),
    *(
        case
        for rows in (DENSE, SPARSE)
        for case in changes(
            rows,
            "scores",
            ALL_SCORES,
            ValueError,
            {"coefficients": np.zeros((0, 0))},
            {"coefficients": np.zeros((4, 4))},
            {"result": np.zeros((3, 3))},
            {"result": np.zeros((4, 2))},
        )
    ),
    *changes(
        SCORES,
        "loss_of_scores",
        KNOWN,
        ValueError,
        {"X": np.zeros((3, 3))},
        {"X": np.zeros((4, 2))},
        {"X": np.zeros((4, 0)), "intercepts": np.zeros((1, 0)), "slope": np.zeros((1, 0))},
        {"X": np.zeros((4, 3), np.float32)},
        {"X": np.asfortranarray(np.zeros((4, 3)))},
        {"intercepts": np.zeros((1, 2))},
        {"intercepts": np.zeros((2, 3)), "slope": np.zeros((2, 3))},
        {"slope": np.zeros((1, 2))},
        {"slope": np.zeros((3, 1))},
        {"residuals": np.zeros((4, 2))},
        {"residuals": np.zeros((3, 3))},
        {"target": np.zeros((4, 3))},
        {"loss": "softmax of distributions"},
        {"loss": "hinge"},
        {"set": "abacus"},
    ),
    *changes(
        SCORES,
        "loss_of_scores",
        KNOWN,
        IndexError,
        {"target": np.full((4, 1), 3)},
        {"target": np.full((4, 1), np.nan)},
    ),
    *changes(
        SCORES,
        "loss_of_scores",
        KNOWN,
        TypeError,
        {"residuals": np.asfortranarray(np.zeros((4, 3)))},
        {"residuals": np.broadcast_to(np.zeros((1, 3)), (4, 3))},
    ),
    *changes(
        SPARSE,
        "dual_steps",
        DUAL,
        ValueError,
        {"curvature": np.ones(3)},
        {"scale_squares": np.ones(3)},
        {"order": np.array([4])},
        {"order": np.array([-1])},
        {"coefficients": np.zeros((3, 3))},
        {"coefficients": np.zeros((2, 3), np.float32)},
        {"coefficients": np.zeros((2, 3), np.float16), "duals": np.zeros((4, 3), np.float16)},
        {"intercepts": np.zeros(2)},
        {"duals": np.zeros((3, 3))},
        {"target": np.zeros((4, 1), np.int64)},
        {"target": np.zeros((4, 3))},
        {"target": np.zeros((8, 1))[::2]},
        {"loss": "squared"},
    ),
]


def called(set, rows, method, arguments, change):
    """A method of bound rows, with some of their arguments or its own changed."""
    from polytome.native import _passes

    kind = _passes.SparseRows if "bounds" in rows else _passes.DenseRows
    bound = kind(**{name: change.get(name, value) for name, value in rows.items()})
    own = {"set": set, **arguments}
    return getattr(bound, method)(**{name: change.get(name, value) for name, value in own.items()})


@pytest.mark.parametrize(("rows", "method", "arguments", "change", "error"), WRONG)
def test_the_extension_checks_what_it_is_given(rows, method, arguments, change, error, instruction_set):
    called(instruction_set, rows, method, arguments, {})
    with pytest.raises(error):
        called(instruction_set, rows, method, arguments, change)


@pytest.mark.parametrize(
    ("rows", "change", "error"),
    [
        ({"X": DENSE["X"]}, {"link": "identity"}, ValueError),
        ({"X": DENSE["X"]}, {"coefficients": np.zeros((3, 4))}, ValueError),
        ({"X": DENSE["X"]}, {"coefficients": np.zeros((0, 0))}, ValueError),
        ({"X": DENSE["X"]}, {"intercepts": np.zeros(2)}, ValueError),
        ({"X": DENSE["X"]}, {"result": np.zeros((3, 3))}, ValueError),
        ({"X": DENSE["X"]}, {"result": np.zeros((4, 3), np.float32)}, TypeError),
        ({"X": DENSE["X"]}, {"threads": 0}, ValueError),
        ({"X": DENSE["X"]}, {"X": np.zeros((4, 2), np.complex128)}, ValueError),
        (CSR, {"link": "identity"}, ValueError),
        (
            CSR,
            {"coefficients": np.zeros((0, 0))},
            ValueError,
        ),
        (CSR, {"result": np.zeros((4, 2))}, ValueError),
        (CSR, {"threads": 0}, ValueError),
        (
            CSR,
            {"bounds": np.array([0, 1, 2, 3, 5])},
            ValueError,
        ),
    ],
)
def test_the_extension_checks_what_it_predicts(rows, change, error, instruction_set):
    from polytome.native import _passes

    call = _passes.predict_dense if "X" in rows else _passes.predict_sparse
    assert call(**{"set": instruction_set, **rows, **PREDICT})
    with pytest.raises(error):
        call(**{"set": instruction_set, **rows, **PREDICT, **change})


def test_a_read_only_gradient_is_refused(instruction_set):
    gradient = np.zeros((3, 3))
    gradient.flags.writeable = False
    with pytest.raises(TypeError):
        called(instruction_set, DENSE, "value_and_gradient", VALUE, {"gradient": gradient})


# What NumPy keeps, and who chooses


def test_other_losses_and_matrices_are_left_to_numpy(block):
    class Own(Softmax):
        pass

    raw = np.zeros((5, 3))
    assert value_and_gradient(Softmax(3), block, raw) is not None
    assert value_and_gradient(Own(3), block, raw) is None
    known = np.zeros((9, 3)), block.target, block.weight, np.zeros(3)
    assert from_known_scores(Softmax(3), *known) is not None
    assert from_known_scores(Own(3), *known) is None
    assert traces(Softmax(3), block, raw, 1) is not None
    for loss in (Own(3), Squared(3)):
        assert traces(loss, block, raw, 1) is None
    assert traces(Softmax(3), block_of(sparse.csr_matrix(block.X), block.target), raw, 1) is None
    assert value_and_gradient(Softmax(3), block_of(sparse.csc_matrix(block.X), block.target), raw) is None
    assert value_and_gradient(Softmax(3), block_of(block.X, block.target.astype(float)), raw) is None


def configuration(value):
    """The last line of `show_config` under a value of POLYTOME_NATIVE, or the last line of the
    error."""
    run = subprocess.run(
        [sys.executable, "-c", "import polytome; polytome.show_config()"],
        env={"POLYTOME_NATIVE": value, "PATH": ""},
        capture_output=True,
        text=True,
    )
    return (run.stdout if run.returncode == 0 else run.stderr).strip().splitlines()[-1]


def test_a_variable_chooses():
    assert configuration("").startswith(f"passes        native, {SETS[0]} ")
    assert configuration(SETS[-1]).startswith(f"passes        native, {SETS[-1]} ")
    assert configuration("0").startswith("passes        NumPy (POLYTOME_NATIVE=0")
    assert "needs one of 0, 1, " in configuration("abacus")


def test_a_value_that_is_no_choice_names_the_choices(monkeypatch):
    monkeypatch.setenv("POLYTOME_NATIVE", "abacus")
    native.instruction_set.cache_clear()
    with pytest.raises(ArgumentError, match="POLYTOME_NATIVE='abacus': needs one of 0, 1, "):
        native.instruction_set()
    monkeypatch.setenv("POLYTOME_NATIVE", "0")
    assert native.instruction_set() is None
    native.instruction_set.cache_clear()


def test_without_the_extension_numpy_does_the_work(monkeypatch, capsys):
    monkeypatch.setattr(native, "_passes", None)
    native.instruction_set.cache_clear()
    polytome.show_config()
    assert "passes        NumPy (the extension was not built" in capsys.readouterr().out
    native.instruction_set.cache_clear()


@pytest.mark.parametrize("scores", [(50.0, 0.0, -3.0), (0.0, 700.0, 0.0), (3.0, 3.0, -50.0), (0.0, 0.0, 0.0)])
def test_a_soft_label_of_zeros_and_ones_keeps_the_digits_of_a_sure_row(instruction_set, scores, monkeypatch):
    """The loss of a sure row is the sum of the other exponentials: it is not what is left of one
    plus them."""
    monkeypatch.setattr(native, "instruction_set", lambda: instruction_set)
    raw, label = np.vstack([scores, np.zeros(3)]), int(np.argmax(scores))
    X = np.ones((5, 1))
    (soft, hard) = (
        native.reduce_block(ValueAndGradient(Softmax(3), raw), block_of(X, target))
        for target in (np.eye(3)[np.full(5, label)], np.full(5, label))
    )
    assert_allclose(soft[0], hard[0], rtol=1e-14)
    with mpmath.workdps(60):
        true = 5 * mpmath.log(mpmath.fsum(mpmath.exp(mpmath.mpf(z) - scores[label]) for z in scores))
    assert soft[0] == pytest.approx(float(true), rel=1e-14)


@pytest.mark.parametrize("n_outputs", [2, 3, 5, 6, 7, 9, 11])
def test_sparse_outputs_side_by_side_have_the_bits_that_each_has_alone(each_instruction_set, n_outputs):
    """Whatever zeros are put behind them."""
    rng = np.random.default_rng(n_outputs)
    X = sparse.random(N, D, density=0.2, format="csr", random_state=rng)
    target, raw = rng.integers(0, 2, (N, n_outputs)), rng.normal(size=(D + 1, n_outputs))
    _, together = as_rows(X, target).reduce(ValueAndGradient(IndependentSigmoids(n_outputs), raw))
    assert together.shape == raw.shape
    for k in range(n_outputs):
        alone = ValueAndGradient(IndependentSigmoids(1), np.ascontiguousarray(raw[:, [k]]))
        assert_array_equal(together[:, k], as_rows(X, target[:, [k]]).reduce(alone)[1][:, 0])
