"""Native predictions: equal to NumPy's on every representation, and each row's its own."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from compiled import traces as compiled_traces
from polytome import native
from polytome.losses import IndependentSigmoids, Logistic, Softmax
from polytome.numerics import log_sigmoid, log_softmax, sigmoid, softmax
from polytome.rows import as_rows
from registry import DENSE, REPRESENTATIONS, integers

pytestmark = pytest.mark.usefixtures("each_instruction_set")

N, D = 403, 37  # several tiles and a rest of each


def of_both(of_scores, of_one):
    """A function of several scores, or of minus and plus a single one."""
    return lambda scores: of_one(np.hstack([-scores, scores])) if scores.shape[1] == 1 else of_scores(scores)


LINKS = {
    "scores": np.asarray,
    "softmax": softmax,
    "sigmoids": sigmoid,
    "probabilities": of_both(softmax, sigmoid),
    "logarithms": of_both(log_softmax, log_sigmoid),
}


def linked(X, coefficients, link):
    """What compiled code makes of rows; coefficients have the intercept in the last column."""
    return native.linked_scores(X, coefficients[:, :-1], coefficients[:, -1], link)


def test_predictions_of_every_representation(representation, rng, tmp_path):
    X = REPRESENTATIONS[representation](integers(rng, N, D), tmp_path)
    if not native.makes_predictions(X):
        assert (sparse.issparse(X) and X.format != "csr") or not native.arrays.is_known(X.dtype)
        return
    dense = np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=float)
    # A score is wrong by some units of its largest term, a probability relatively by as much.
    error = 40 * np.finfo(float).eps * max(np.abs(dense).max(), 1)
    for K, link in product([1, 2, 3, 10, 26], LINKS):
        coefficients = 0.1 * rng.normal(size=(K, D + 1))
        finite, got = linked(X, coefficients, link)
        assert finite
        want = LINKS[link](dense @ coefficients[:, :-1].T + coefficients[:, -1])
        absolute = error if link in ("scores", "logarithms") else 0
        assert_allclose(got, want, rtol=error, atol=absolute, err_msg=f"{K} {link}")


def test_the_place_of_the_largest_score_is_the_first_of_equal_ones(representation, rng, tmp_path):
    X = REPRESENTATIONS[representation](integers(rng, N, D), tmp_path)
    if not native.makes_predictions(X):
        return
    for K in (1, 2, 3, 10):
        coefficients = rng.integers(-1, 2, (K, D + 1)).astype(float)  # scores are whole numbers: many are equal
        finite, got = linked(X, coefficients, "places")
        assert finite
        scores = linked(X, coefficients, "scores")[1]
        assert_array_equal(got[:, 0], scores[:, 0] > 0 if K == 1 else scores.argmax(axis=1))


@pytest.mark.parametrize("order", ["C", "F"])
def test_coefficients_may_lie_in_any_order(order, rng):
    X, coefficients, intercepts = rng.normal(size=(50, D)), rng.normal(size=(4, D)), rng.normal(size=4)
    wanted = native.linked_scores(X, coefficients, intercepts, "scores")[1]
    lying = np.asarray(np.repeat(coefficients, 2, axis=1), order=order)[:, ::2]
    got = native.linked_scores(X, lying, np.repeat(intercepts, 3)[::3], "scores")[1]
    assert_array_equal(got, wanted)


@pytest.mark.parametrize("d", [1, 3, 8, 30, 128, 129])
def test_rows_side_by_side_and_rows_with_gaps_have_the_same_bits(d, rng):
    """What lies behind a row, even NaN, is not among its columns."""
    whole = rng.normal(size=(131, d + 2))
    whole[:, d:] = np.nan
    apart, coefficients = whole[:, :d], rng.normal(size=(3, d + 1))
    for link in ("scores", "probabilities", "logarithms"):
        finite, got = linked(apart, coefficients, link)
        assert finite
        for storage in (np.ascontiguousarray, np.asfortranarray):
            assert_array_equal(linked(storage(apart), coefficients, link)[1], got)


@pytest.mark.parametrize("storage", [np.asarray, np.asfortranarray, sparse.csr_matrix])
def test_a_prediction_does_not_depend_on_other_rows_or_threads(storage, monkeypatch, rng):
    X = rng.normal(size=(3001, 64))
    coefficients = rng.normal(size=(7, 65))
    results = []
    for threads in ("1", "3"):
        monkeypatch.setenv("POLYTOME_NUM_THREADS", threads)
        results.append(linked(storage(X), coefficients, "softmax")[1])
    assert_array_equal(*results)
    for start, end in ((0, 1), (1, 3), (2990, 3001), (17, 200)):
        _, part = linked(storage(X[start:end]), coefficients, "softmax")
        assert_array_equal(part, results[0][start:end])


@pytest.mark.parametrize("storage", [np.asarray, np.asfortranarray, sparse.csr_matrix])
@pytest.mark.parametrize("K", [1, 4])
def test_coefficients_of_zero_do_not_hide_what_is_missing(storage, K):
    X = np.ones((70, 3))
    assert linked(storage(X), np.zeros((K, 4)), "probabilities")[0]
    X[69, 2] = np.nan
    assert not linked(storage(X), np.zeros((K, 4)), "probabilities")[0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e308])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_scores_that_are_not_finite_are_left_to_numpy(storage, bad):
    X = np.zeros((5000, 3))
    X[4321, 1] = bad
    coefficients = np.array([[0.0, 0.0, 0.0, 1.0], [1.0, 10.0, 1.0, 1.0]])
    assert not linked(storage(X), coefficients, "softmax")[0]


def test_probabilities_of_scores_far_apart():
    X = np.array([[0.0], [1.0], [700.0], [740.0], [800.0], [1.6e308], [-1.6e308]])
    _, got = linked(X, np.array([[1.0, 0.0], [-1.0, 0.0]]), "softmax")
    assert_allclose(got, softmax(X * [1.0, -1.0]), rtol=1e-15, atol=1e-323)
    assert_allclose(
        linked(X[:-2], np.array([[1.0, 0.0], [-1.0, 0.0]]), "logarithms")[1],
        log_softmax(X[:-2] * [1.0, -1.0]),
        rtol=1e-15,
    )
    assert_allclose(linked(X, np.array([[1.0, 0.0]]), "logarithms")[1], log_sigmoid(X * [-1.0, 1.0]), rtol=1e-15)
    _, got = linked(X, np.array([[1.0, 0.0], [-1.0, 0.0]]), "sigmoids")
    assert_allclose(got, sigmoid(X * [1.0, -1.0]), rtol=1e-15, atol=1e-323)


# Traces of the rows' Hessians


@pytest.mark.parametrize("name", DENSE)
def test_traces_of_every_dense_representation(name, rng, tmp_path):
    X = DENSE[name](integers(rng, N, D), tmp_path)
    for loss in (Logistic(), Softmax(1), Softmax(2), Softmax(10), IndependentSigmoids(3)):
        raw = 0.1 * rng.normal(size=(D + 1, loss.n_outputs))
        p = loss.mean(np.asarray(X, dtype=float) @ raw[:-1] + raw[-1])
        for precision in (np.float32, np.float64):
            got = compiled_traces(loss, as_rows(X, np.zeros(N)).at(precision).whole, raw, 1)
            assert got.shape == (N,)
            assert_allclose(got, (p * (1 - p)).sum(axis=1), rtol=0, atol=400 * np.finfo(precision).eps)


def test_traces_of_sure_rows_keep_their_digits():
    """Whichever class a row is sure of: nothing is taken from one."""
    gap = np.array([0.0, 1.0, 30.0, 40.0, 300.0, 700.0, 1000.0])
    raw = np.vstack([np.eye(3), np.zeros(3)])
    exact = 2 * sigmoid(gap) * sigmoid(-gap)
    for first, second in ((gap, 0 * gap), (0 * gap, gap), (1e3 + gap, 0 * gap + 1e3)):
        two = np.column_stack([first, second, np.full(len(gap), -1e300)])
        assert_allclose(compiled_traces(Softmax(3), as_rows(two, gap).whole, raw, 1), exact, rtol=2e-15)
    for z in (gap, -gap):
        rows = as_rows(z[:, None], gap).whole
        got = compiled_traces(IndependentSigmoids(2), rows, np.array([[1.0, -1.0], [0.0, 0.0]]), 1)
        assert_allclose(got, exact, rtol=2e-15)
        got = compiled_traces(Logistic(), rows, np.array([[1.0], [0.0]]), 1)
        assert_allclose(got, exact / 2, rtol=2e-15)


@pytest.mark.parametrize("storage", [np.asarray, np.asfortranarray, np.float32])
def test_a_trace_does_not_depend_on_other_rows_or_threads(storage, rng):
    X, raw = storage(rng.normal(size=(3001, 64))), rng.normal(size=(65, 7))

    def traces(start, end, n_threads):
        return compiled_traces(Softmax(7), as_rows(X[start:end], np.zeros(end - start)).whole, raw, n_threads)

    whole = traces(0, 3001, 1)
    for n_threads in (2, 3):
        assert_array_equal(traces(0, 3001, n_threads), whole)
    for start, end in ((0, 0), (0, 1), (1, 3), (2990, 3001), (17, 200)):
        assert_array_equal(traces(start, end, 2), whole[start:end])
