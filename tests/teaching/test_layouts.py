"""Layouts: each function undoes its inverse, and a model predicts the same in the layout of each
document."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from fitted_models import data
from polytome import LogisticRegression
from polytome.errors import DataError
from polytome.numerics import entropy, sigmoid
from polytome.teaching import layouts as to

numbers = st.floats(-1e6, 1e6)
sizes = st.integers(0, 5)
matrices = arrays(np.float64, st.tuples(sizes, sizes), elements=numbers)
coefficients = arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=numbers)
one_row = arrays(np.float64, st.tuples(st.just(1), sizes), elements=numbers)


@given(matrices)
def test_samples_come_back(X):
    assert_array_equal(to.rows_from_columns(to.columns_from_rows(X)), X)
    assert_array_equal(to.columns_from_rows(to.rows_from_columns(X)), X)
    assert_array_equal(to.without_ones(to.with_ones(X)), X)
    extended = np.insert(X, 0, 1, axis=1)
    assert_array_equal(to.with_ones(to.without_ones(extended)), extended)


@given(one_row)
def test_one_sample_comes_back(x):
    assert_array_equal(to.row_from_column(to.column_from_row(x)), x)
    assert_array_equal(to.row_from_vector(to.vector_from_row(x)), x)
    column = np.append(1.0, x)[:, np.newaxis]
    assert_array_equal(to.column_from_row(to.row_from_column(column)), column)
    assert_array_equal(to.vector_from_row(to.row_from_vector(x[0])), x[0])


@given(coefficients)
def test_coefficients_come_back(W):
    assert_array_equal(to.intercept_last(to.intercept_first(W)), W)
    assert_array_equal(to.intercept_first(to.intercept_last(W)), W)
    assert_array_equal(to.join_weights(*to.split_weights(W)), W)
    assert_array_equal(to.join_coef(*to.split_coef(W)), W)
    for join, split, weights in ((to.join_weights, to.split_weights, W[1:]), (to.join_coef, to.split_coef, W[1:].T)):
        again, bias = split(join(weights, W[0]))
        assert_array_equal(again, weights)
        assert_array_equal(bias, W[0])


@given(numbers, st.integers(1, 10**6))
def test_costs_come_back(cost, n):
    assert to.mean_from_sum(to.sum_from_mean(cost, n), n) == pytest.approx(cost, rel=1e-15, abs=1e-300)
    assert to.sum_from_mean(to.mean_from_sum(cost, n), n) == pytest.approx(cost, rel=1e-15, abs=1e-300)
    assert to.nats_from_bits(to.bits_from_nats(cost)) == pytest.approx(cost, rel=1e-15, abs=1e-300)
    assert to.bits_from_nats(to.nats_from_bits(cost)) == pytest.approx(cost, rel=1e-15, abs=1e-300)


def test_nothing_is_converted():
    pixels = np.array([[0, 255], [7, 8]], dtype=np.uint8)
    for X in (to.rows_from_columns(pixels), to.with_ones(pixels), to.without_ones(to.with_ones(pixels))):
        assert X.dtype == np.uint8


@pytest.fixture(scope="module", params=[2, 3], ids=["binary", "three-classes"])
def fitted(request):
    """Samples, scores (n, K), and the coefficients of a model."""
    X, y = data(K=request.param)
    model = LogisticRegression().fit(X, y)
    scores = model.decision_function(X).reshape(len(X), -1)
    return X, scores, to.join_coef(model.coef_, model.intercept_)


def test_the_layout_of_document_000_gives_the_same_scores(fitted):
    X, scores, coefficients = fitted
    columns = to.columns_from_rows(X)
    W, b = to.split_weights(coefficients)
    assert columns.shape == X.shape[::-1]
    assert W.shape == (X.shape[1], scores.shape[1])
    assert_allclose(to.rows_from_columns(W.T @ columns + b[:, np.newaxis]), scores, rtol=1e-13, atol=1e-14)


def test_the_scalar_bias_of_document_000_is_the_last_coefficient():
    X, y = data(K=2)
    model = LogisticRegression().fit(X, y)
    W, b = model.coef_.T, float(model.intercept_[0])
    probabilities = sigmoid(W.T @ to.columns_from_rows(X) + b)
    assert_allclose(probabilities, model.predict_proba(X)[:, 1:].T, rtol=1e-13)
    assert_array_equal(to.join_weights(W, b), to.join_coef(model.coef_, model.intercept_))


def test_the_layout_of_document_001_gives_the_same_scores(fitted):
    X, scores, coefficients = fitted
    W, b = to.split_coef(coefficients)
    assert W.shape == (scores.shape[1], X.shape[1])
    assert_allclose(X @ W.T + b, scores, rtol=1e-13, atol=1e-14)


def test_the_layout_of_document_002_gives_the_same_scores(fitted):
    X, scores, coefficients = fitted
    extended = to.with_ones(X)
    assert_array_equal(extended[:, 0], 1)
    assert_allclose(extended @ to.intercept_first(coefficients), scores, rtol=1e-13, atol=1e-14)


def test_the_layout_of_document_003_gives_the_same_scores(fitted):
    X, scores, coefficients = fitted
    theta = to.intercept_first(coefficients)
    for i in range(3):
        x = to.column_from_row(X[i : i + 1])
        assert x.shape == (X.shape[1] + 1, 1)
        assert_allclose(theta.T @ x, scores[i][:, np.newaxis], rtol=1e-13, atol=1e-14)


def test_the_layout_of_document_004_gives_the_same_scores(fitted):
    X, scores, coefficients = fitted
    W, b = to.split_weights(coefficients)
    assert_allclose(to.vector_from_row(to.row_from_vector(X[0]) @ W + b), scores[0], rtol=1e-13, atol=1e-14)


def test_the_cost_of_document_001_is_a_sum():
    A = np.array([[0.3792, 0.3104, 0.3104], [0.3072, 0.4147, 0.278], [0.4263, 0.2248, 0.349], [0.2668, 0.2978, 0.4354]])
    losses = -np.log(A[range(4), [0, 1, 2, 2]])
    assert to.mean_from_sum(losses.sum(), 4) == pytest.approx(0.9335162268231179, rel=1e-14)
    assert_array_equal(to.mean_from_sum(np.array([2.0, 4.0]), 4), [0.5, 1.0])  # gradients scale alike


def test_bits_and_nats_are_those_of_the_entropy():
    p = [0.6, 0.38, 0.01, 0.01]
    assert_allclose(to.bits_from_nats(entropy(p)), entropy(p, base=2), rtol=1e-15)
    assert to.nats_from_bits(1.0) == np.log(2)


@pytest.mark.parametrize(
    ("convert", "message"),
    [
        (lambda: to.rows_from_columns([1, 2]), r"X has shape \(2,\): needs \(n_features, n_samples\)"),
        (lambda: to.columns_from_rows([1, 2]), r"X has shape \(2,\): needs \(n_samples, n_features\)"),
        (lambda: to.with_ones(np.ones((2, 2, 2))), r"X has shape \(2, 2, 2\)"),
        (lambda: to.without_ones([[1, 5], [1, 6], [2, 7], [3, 8]]), r"X\[2, 0\] = 2: the first column must hold ones"),
        (lambda: to.without_ones([[1, 5], [np.nan, 6]]), r"X\[1, 0\] = nan"),
        (lambda: to.without_ones(np.ones((2, 0))), r"X has shape \(2, 0\): needs \(n_samples, 1 \+ n_features\)"),
        (lambda: to.row_from_column([[1.4], [1.0]]), r"x\[0, 0\] = 1.4: needs a 1 on top"),
        (lambda: to.row_from_column([[1.0, 1.4]]), r"x has shape \(1, 2\): needs \(1 \+ n_features, 1\)"),
        (lambda: to.row_from_column(np.ones((0, 1))), r"x has shape \(0, 1\)"),
        (lambda: to.column_from_row([[1.0], [1.4]]), r"x has shape \(2, 1\): needs \(1, n_features\)"),
        (lambda: to.vector_from_row([[1.0], [1.4]]), r"x has shape \(2, 1\): needs \(1, n_features\)"),
        (lambda: to.row_from_vector([[1.0, 1.4]]), r"x has shape \(1, 2\): needs \(n_features,\)"),
        (lambda: to.join_weights([[1.0, 2.0]], 3.0), r"bias has shape \(1,\): needs \(2,\)"),
        (lambda: to.join_weights([1.0, 2.0], 3.0), r"weights has shape \(2,\): needs \(n_features, n_outputs\)"),
        (lambda: to.join_coef([[1.0, 2.0]], [3.0, 4.0]), r"bias has shape \(2,\): needs \(1,\)"),
        (lambda: to.join_coef([1.0, 2.0], [3.0]), r"coef has shape \(2,\): needs \(n_outputs, n_features\)"),
        (lambda: to.split_weights(np.ones((0, 2))), r"coefficients has shape \(0, 2\): needs \(n_features \+ 1"),
        (lambda: to.intercept_last([1.0]), r"coefficients has shape \(1,\): needs \(1 \+ n_features, n_outputs\)"),
        (lambda: to.intercept_first([1.0]), r"coefficients has shape \(1,\): needs \(n_features \+ 1, n_outputs\)"),
    ],
)
def test_shapes_that_do_not_fit(convert, message):
    with pytest.raises(DataError, match=message):
        convert()
