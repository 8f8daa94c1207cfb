"""Estimators on torch tensors: the outcome of the same rows as a NumPy array."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits, load_iris

from polytome import Adaline, LinearRegression, LogisticRegression, MultilabelLogistic, OneVsOne, OneVsRest
from polytome.errors import DataError
from polytome.models.cost import cost_of_fit
from polytome.rows import DeviceMatrix

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR")
        before = torch.get_num_threads()
        torch.set_num_threads(1)  # which wait for each other where other processes have the cores
        yield
        torch.set_num_threads(before)


def on_device(X: Any, dtype: Any = None) -> DeviceMatrix:
    """As if the tensor lay where NumPy cannot read it."""
    return DeviceMatrix(torch.from_numpy(np.asarray(X)).to(dtype))


def same(one: Any, other: Any, digits: float) -> None:
    assert one.stop_ is other.stop_
    assert one.certificate_.holds == other.certificate_.holds
    assert_array_equal(one.classes_, other.classes_)
    assert_allclose(one.coef_, other.coef_, atol=digits * np.abs(other.coef_).max())
    assert_allclose(one.intercept_, other.intercept_, atol=digits * max(1.0, np.abs(other.intercept_).max()))


@pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs"])
@pytest.mark.parametrize("classes", [2, 3])
def test_tensors_are_fitted_like_arrays(solver: str, classes: int) -> None:
    X, y = load_iris(return_X_y=True)
    X, y = X[y < classes], y[y < classes]
    settings: dict[str, Any] = {"solver": solver, "tol": 1e-9, "scale": "standard"}
    want = LogisticRegression(**settings).fit(X, y)
    model = LogisticRegression(**settings).fit(on_device(X), torch.from_numpy(y))
    same(model, want, 1e-4)
    assert abs(model.certificate_.objective - want.certificate_.objective) <= 2e-9
    for method in ("predict_proba", "predict_log_proba", "decision_function"):
        got, expected = (getattr(model, method)(rows) for rows in (on_device(X), X))
        assert isinstance(got, np.ndarray)
        assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
    assert_array_equal(model.predict(on_device(X)), model.predict(X))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_short_types_are_certified_in_float64(dtype: str) -> None:
    X, y = load_digits(return_X_y=True)  # whole numbers up to 16, which all of them hold
    want = LogisticRegression(tol=1e-6).fit(X.astype(np.float32), y)
    model = LogisticRegression(tol=1e-6).fit(on_device(X, getattr(torch, dtype)), y)
    assert model.certificate_.holds
    assert_allclose(model.predict_proba(X), want.predict_proba(X), atol=1e-2)
    assert model.certificate_.objective == pytest.approx(want.certificate_.objective, rel=1e-5)
    assert model.coef_.dtype == (np.float64 if dtype == "float16" else np.float32)


def test_a_tensor_of_its_own_type_is_fitted_as_it_comes() -> None:
    X, y = load_digits(return_X_y=True)
    tensor, weight = torch.from_numpy(X), torch.linspace(0.5, 2.0, len(y))
    shared = LogisticRegression().fit(tensor, torch.from_numpy(y), weight)
    array = LogisticRegression().fit(X, y, weight.numpy())
    assert_array_equal(shared.coef_, array.coef_)  # the same memory, by the same compiled code
    assert_array_equal(shared.predict_proba(tensor), array.predict_proba(X))
    brief = LogisticRegression().fit(tensor.bfloat16(), torch.from_numpy(y), weight)
    same(brief, array, 0.05)


def test_equal_fits_have_equal_bits() -> None:
    X, y = load_digits(return_X_y=True)
    models = [LogisticRegression().fit(on_device(X, torch.float32), y) for _ in range(2)]
    assert_array_equal(models[0].coef_, models[1].coef_)
    assert models[0].history_ == models[1].history_


def test_sparse_tensors(rng: np.random.Generator) -> None:
    X = np.where(rng.random((400, 30)) < 0.2, rng.normal(size=(400, 30)), 0.0)
    y = rng.integers(0, 3, 400)
    want = LogisticRegression(tol=1e-8).fit(sparse.csr_matrix(X), y)
    tensor = torch.from_numpy(X)
    for given in (tensor.to_sparse_csr(), tensor.to_sparse()):
        model = LogisticRegression(tol=1e-8).fit(given, y)
        same(model, want, 1e-3)
        assert_allclose(model.predict_proba(given), model.predict_proba(sparse.csr_matrix(X)), rtol=1e-10)


def test_very_many_sparse_columns(rng: np.random.Generator) -> None:
    X = sparse.random(300, 5_000, 0.01, format="csr", random_state=0)
    y = rng.integers(0, 2, 300)
    model = LogisticRegression(tol=1e-6).fit(torch.from_numpy(X.toarray()).to_sparse_csr(), y)
    assert model.certificate_.holds
    same(model, LogisticRegression(tol=1e-6).fit(X, y), 1e-1)


def test_fewer_rows_than_columns(rng: np.random.Generator) -> None:
    X, y = rng.normal(size=(40, 700)), np.arange(40) % 2
    model = LogisticRegression(tol=1e-8).fit(on_device(X), y)
    same(model, LogisticRegression(tol=1e-8).fit(X, y), 1e-3)


def test_without_a_penalty(rng: np.random.Generator) -> None:
    X, y = rng.normal(size=(500, 3)), rng.integers(0, 2, 500)
    model = LogisticRegression(C=np.inf, tol=1e-8).fit(on_device(X), y)
    same(model, LogisticRegression(C=np.inf, tol=1e-8).fit(X, y), 1e-3)


def test_other_estimators(rng: np.random.Generator) -> None:
    X, y = load_iris(return_X_y=True)
    same(OneVsRest(tol=1e-8).fit(on_device(X), torch.from_numpy(y)), OneVsRest(tol=1e-8).fit(X, y), 1e-3)
    labels = np.column_stack([y == 0, y == 2]).astype(int)
    several = MultilabelLogistic(tol=1e-8).fit(on_device(X), torch.from_numpy(labels))
    assert_allclose(several.coef_, MultilabelLogistic(tol=1e-8).fit(X, labels).coef_, atol=1e-2)


@pytest.mark.parametrize("solver", ["newton", "lbfgs", "dual", "gradient-descent", "sgd"])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_every_solver(solver: str, is_sparse: bool) -> None:
    X, y = load_iris(return_X_y=True)
    weight = np.where(np.arange(150) % 7, np.linspace(0.5, 1.5, 150), 0.0)
    tol = 1e-3
    if solver == "dual":  # whose steps are slow without compiled code
        X, y, weight, tol = X[::6], y[::6], weight[::6], 1e-2
    given = DeviceMatrix(torch.from_numpy(X).to_sparse_csr()) if is_sparse else on_device(X)
    model = LogisticRegression(solver=solver, tol=tol).fit(given, y, weight)
    want = LogisticRegression(solver=solver, tol=tol).fit(sparse.csr_matrix(X) if is_sparse else X, y, weight)
    same(model, want, 1e-3 if solver == "dual" else 1e-9)  # the steps of compiled code round in another way


@pytest.mark.parametrize("is_sparse", [False, True])
def test_many_classes_under_a_weak_penalty(is_sparse: bool, rng: np.random.Generator) -> None:
    X = np.where(rng.random((1_500, 8)) < 0.5, 2 * rng.normal(size=(1_500, 8)), 0.0)
    y = (X @ rng.normal(size=(8, 40)) + rng.gumbel(size=(1_500, 40))).argmax(axis=1)
    y[:40] = np.arange(40)
    given = DeviceMatrix(torch.from_numpy(X).to_sparse_csr()) if is_sparse else on_device(X)
    model = LogisticRegression(C=1e3, tol=1e-5).fit(given, y)
    assert model.certificate_.holds
    want = LogisticRegression(C=1e3, tol=1e-5).fit(X, y)
    assert model.certificate_.objective == pytest.approx(want.certificate_.objective, rel=2e-5)


def test_models_that_compute_on_the_host(rng: np.random.Generator) -> None:
    X, y = load_iris(return_X_y=True)
    brief = torch.from_numpy(X).bfloat16()
    for model in (LinearRegression(), Adaline(epochs=5)):
        target = torch.from_numpy((y > 0).astype(np.int64))
        fitted = model.fit(brief, target)
        coefficients = np.array(fitted.coef_)
        assert_array_equal(coefficients, model.fit(brief.float().numpy(), target.numpy()).coef_)
        assert len(fitted.predict(brief)) == 150
    one = OneVsOne(tol=1e-8).fit(brief, y)
    same(one, OneVsOne(tol=1e-8).fit(brief.float().numpy(), y), 1e-3)


def test_soft_labels_may_be_tensors() -> None:
    X = load_iris().data
    soft = np.full((len(X), 3), 1 / 3)
    soft[:50] = [0.8, 0.1, 0.1]
    model = LogisticRegression().fit(on_device(X), torch.from_numpy(soft))
    assert_allclose(model.coef_, LogisticRegression().fit(X, soft).coef_, atol=1e-2)


def test_a_fit_on_a_tensor_can_be_planned() -> None:
    X, y = load_iris(return_X_y=True)
    cost = cost_of_fit(LogisticRegression(), on_device(X, torch.bfloat16), y)
    assert cost.n_bytes == 2 * X.size
    assert cost.known_from == "a fit to all rows"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_a_cell_that_is_not_finite_is_named(bad: float, is_sparse: bool) -> None:
    X = torch.ones(10, 3, dtype=torch.float32)
    X[4, 2] = bad
    given = X.to_sparse_csr() if is_sparse else X.bfloat16()
    with pytest.raises(DataError, match="at row 4, column 2"):
        LogisticRegression().fit(given, [0, 1] * 5)
    model = LogisticRegression().fit(torch.arange(30.0).reshape(10, 3), [0, 1] * 5)
    with pytest.raises(DataError, match="at row 4, column 2"):
        model.predict(given)


def test_wrong_shapes_are_refused() -> None:
    model = LogisticRegression().fit(torch.arange(30.0).reshape(10, 3).bfloat16(), [0, 1] * 5)
    with pytest.raises(DataError, match="X has 2 features"):
        model.predict(torch.ones(4, 2).bfloat16())
    with pytest.raises(DataError, match="inconsistent numbers of samples"):
        model.fit(torch.ones(4, 2).bfloat16(), [0, 1, 0])
    with pytest.raises(DataError, match="0 sample"):
        model.fit(torch.ones(0, 3).bfloat16(), [])
    with pytest.raises(DataError, match="0 sample"):
        model.predict(torch.ones(0, 3).bfloat16())
