"""`LogisticRegression` gives the same model whatever form the labels and columns come in."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from fitted_models import assert_same_model, data, exact
from polytome import LogisticRegression, MultilabelLogistic, OneVsOne, OneVsRest

# --- labels ---


@pytest.mark.parametrize("K", [3, 5])
def test_renaming_classes_permutes_columns(K: int) -> None:
    X, y = data(K)
    order = np.random.default_rng(4).permutation(K)
    plain, renamed = exact().fit(X, y), exact().fit(X, order[y])
    np.testing.assert_allclose(renamed.coef_[order], plain.coef_, atol=1e-6)
    np.testing.assert_allclose(renamed.predict_proba(X)[:, order], plain.predict_proba(X), atol=1e-6)


def test_exchanging_two_classes_turns_the_sign() -> None:
    X, y = data(2)
    plain, renamed = exact().fit(X, y), exact().fit(X, 1 - y)
    np.testing.assert_allclose(renamed.coef_, -plain.coef_, atol=1e-6)
    np.testing.assert_allclose(renamed.intercept_, -plain.intercept_, atol=1e-6)


@pytest.mark.parametrize(
    "names",
    [["ant", "bee", "cat"], [-7, 0, 30], [1.0, 2.0, 5.0], ["a", "ab", "b"], [10**12, 10**12 + 1, 10**13]],
)
@pytest.mark.parametrize("as_what", [np.array, list, pd.Series, pl.Series])
def test_names_of_classes(names: list[object], as_what: object) -> None:
    X, y = data(3)
    model = LogisticRegression().fit(X, as_what([names[code] for code in y]))
    assert model.classes_.tolist() == names
    assert set(model.predict(X).tolist()) <= set(names)
    np.testing.assert_allclose(model.coef_, LogisticRegression().fit(X, y).coef_, atol=1e-12)


def test_names_of_classes_in_an_object_array() -> None:
    X, y = data(3)
    names = np.array(["ant", "bee", "cat"], dtype=object)
    assert LogisticRegression().fit(X, names[y]).classes_.tolist() == names.tolist()


def test_truth_values_as_classes() -> None:
    X, y = data(2)
    model = LogisticRegression().fit(X, y == 1)
    assert model.classes_.tolist() == [False, True]
    assert model.predict(X).dtype == bool
    np.testing.assert_array_equal(model.coef_, LogisticRegression().fit(X, y).coef_)


@pytest.mark.parametrize("K", [2, 3, 4])
def test_soft_labels_are_weighted_hard_labels(K: int) -> None:
    X, _ = data(K)
    rng = np.random.default_rng(5)
    soft, weight = rng.dirichlet(np.ones(K), size=len(X)), rng.uniform(0.5, 2.0, size=len(X))
    one = exact().fit(X, soft, weight)
    every = np.tile(np.arange(K), len(X))
    other = exact().fit(np.repeat(X, K, axis=0), every, (soft * weight[:, None]).ravel())
    assert_same_model(one, other)
    assert one.certificate_.objective == pytest.approx(other.certificate_.objective, rel=1e-9)
    assert one.classes_.tolist() == list(range(K))


@pytest.mark.parametrize("K", [2, 3])
def test_certain_soft_labels_are_hard_labels(K: int) -> None:
    X, y = data(K)
    with pytest.warns(UserWarning, match="read as the probability of each class"):
        certain = exact().fit(X, np.eye(K)[y])
    assert_same_model(certain, exact().fit(X, y))


@pytest.mark.parametrize("library", [pd, pl])
def test_soft_labels_take_names_from_a_frame(library: object) -> None:
    X, _ = data(3)
    soft = np.random.default_rng(5).dirichlet(np.ones(3), size=len(X))
    frame = library.DataFrame({name: soft[:, k] for k, name in enumerate(["red", "amber", "green"])})
    model = exact().fit(X, frame)
    assert model.classes_.tolist() == ["red", "amber", "green"]
    np.testing.assert_allclose(model.coef_, exact().fit(X, soft).coef_, atol=1e-12)


# --- columns ---


@pytest.mark.parametrize("K", [2, 3])
def test_scale_is_division_of_the_columns(K: int) -> None:
    X, y = data(K)
    X = X * [1.0, 100.0, 1e-3, 7.0, 255.0] + [0, 5, 1, -100, 30]
    divisors = {255: np.full(5, 255.0), "standard": X.std(axis=0), (1.0, 10.0, 0.1, 3.0, 50.0): None}
    for scale, divisor in divisors.items():
        divisor = np.array(scale) if divisor is None else divisor
        ours = exact(scale=np.array(scale) if isinstance(scale, tuple) else scale).fit(X, y)
        divided = exact().fit(X / divisor, y)
        np.testing.assert_allclose(ours.coef_ * divisor, divided.coef_, atol=1e-6)
        np.testing.assert_allclose(ours.intercept_, divided.intercept_, atol=1e-5)
        np.testing.assert_allclose(ours.predict_proba(X), divided.predict_proba(X / divisor), atol=1e-6)
        assert ours.certificate_.objective == pytest.approx(divided.certificate_.objective, rel=1e-9)


def test_standard_scale_counts_rows_by_their_weights_and_leaves_constant_columns() -> None:
    X, y = data(3)
    X[:, 2] = 4.2
    weight = np.random.default_rng(6).integers(1, 4, size=len(y))
    mean = np.average(X, axis=0, weights=weight)
    deviation = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    deviation[2] = 1.0
    ours = exact(scale="standard").fit(X, y, weight)
    np.testing.assert_allclose(ours.coef_, exact().fit(X / deviation, y, weight).coef_ / deviation, atol=1e-6)
    np.testing.assert_allclose(ours.coef_[:, 2], 0.0, atol=1e-9)


WHOLE = np.random.default_rng(7).integers(0, 200, size=(150, 6)) * (np.random.default_rng(8).random((150, 6)) < 0.7)
REPRESENTATIONS = {
    "float32": lambda folder: WHOLE.astype(np.float32),
    "float16": lambda folder: WHOLE.astype(np.float16),
    "uint8": lambda folder: WHOLE.astype(np.uint8),
    "int64": lambda folder: WHOLE,
    "big-endian": lambda folder: WHOLE.astype(">f8"),
    "fortran": lambda folder: np.asfortranarray(WHOLE, dtype=float),
    "every other column of a larger array": lambda folder: np.repeat(WHOLE, 2, axis=1)[:, ::2],
    "lists": lambda folder: WHOLE.tolist(),
    "csr": lambda folder: sparse.csr_matrix(WHOLE, dtype=float),
    "csr, integers": lambda folder: sparse.csr_array(WHOLE.astype(np.int16)),
    "csc": lambda folder: sparse.csc_array(WHOLE, dtype=float),
    "coo": lambda folder: sparse.coo_array(WHOLE, dtype=float),
    "pandas": lambda folder: pd.DataFrame(WHOLE, columns=list("abcdef")),
    "pandas, nullable": lambda folder: pd.DataFrame(WHOLE, columns=list("abcdef")).astype("Int64"),
    "polars": lambda folder: pl.DataFrame(WHOLE, schema=list("abcdef"), orient="row"),
    "memory map": lambda folder: memory_map(folder),
}


def memory_map(folder: Path) -> np.ndarray:
    np.save(folder / "X.npy", WHOLE.astype(np.uint8))
    return np.load(folder / "X.npy", mmap_mode="r")


@pytest.mark.parametrize("name", REPRESENTATIONS)
@pytest.mark.parametrize("K", [2, 3])
def test_every_representation_gives_the_same_model(name: str, K: int, tmp_path: Path) -> None:
    y = (WHOLE[:, :K] + np.random.default_rng(9).normal(0, 100, size=(150, K))).argmax(axis=1)
    dense = exact(scale=255).fit(WHOLE.astype(float), y)
    X = REPRESENTATIONS[name](tmp_path)
    model = exact(scale=255).fit(X, y)
    away = np.linalg.norm((model.coef_ - dense.coef_) * 255)
    assert away <= model.certificate_.coefficient_bound + dense.certificate_.coefficient_bound + 1e-10
    assert model.certificate_.coefficient_bound < 1e-4
    tolerance = 1e-5 if "float" in name or "uint8" in name or "memory" in name else 1e-6  # scores in float32
    np.testing.assert_allclose(model.predict_proba(X), dense.predict_proba(WHOLE.astype(float)), atol=tolerance)


MODELS = {
    "two classes": lambda codes: (LogisticRegression, codes > 0),
    "three classes": lambda codes: (LogisticRegression, codes),
    "soft labels": lambda codes: (LogisticRegression, np.eye(3)[codes] * 0.7 + 0.1),
    "one against the rest": lambda codes: (OneVsRest, codes),
    "pairs": lambda codes: (OneVsOne, codes),
    "several labels": lambda codes: (MultilabelLogistic, np.eye(3, dtype=int)[codes]),
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("scale", [None, "standard"])
def test_a_fit_to_sparse_rows_is_that_to_dense_ones_in_another_order(kind: str, scale: str | None) -> None:
    """Coefficients lie as predictions read them, in a pickle and in a copy as well."""
    X = WHOLE / 100
    codes = (X[:, :3] + np.random.default_rng(9).normal(size=(150, 3))).argmax(axis=1)
    make, y = MODELS[kind](codes)
    dense, model = (make(scale=scale, tol=1e-13).fit(storage(X), y) for storage in (np.asarray, sparse.csr_matrix))
    assert dense.coef_.flags.c_contiguous
    assert model.coef_.flags.f_contiguous
    np.testing.assert_allclose(model.coef_, dense.coef_, atol=1e-5)
    np.testing.assert_allclose(model.intercept_, dense.intercept_, atol=1e-5)
    for rows in (X, sparse.csr_matrix(X), sparse.csc_matrix(X)):
        np.testing.assert_allclose(model.decision_function(rows), dense.decision_function(X), atol=1e-4)
        for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
            assert again.coef_.flags.f_contiguous
            assert again.coef_.tobytes() == model.coef_.tobytes()
            assert again.decision_function(rows).tobytes() == model.decision_function(rows).tobytes()


@pytest.mark.parametrize("storage", [np.asarray, np.asfortranarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
def test_coefficients_are_a_model_s_own(solver: str, K: int, storage: Callable[[np.ndarray], Any]) -> None:
    """Nothing else holds their memory: neither the rows, nor another attribute, nor the next
    fit."""
    X, y = data(K)
    X = storage(X)
    model = LogisticRegression(warm_start=True, solver=solver).fit(X, y)
    coefficients, intercepts = model.coef_, model.intercept_
    kept = coefficients.copy(), intercepts.copy()
    arrays = [value for name, value in vars(model).items() if isinstance(value, np.ndarray) and name != "coef_"]
    assert any(value is intercepts for value in arrays)
    for other in (*arrays, X.data if sparse.issparse(X) else X):
        assert not np.shares_memory(coefficients, other)
    model.set_params(C=0.1).fit(X, y)
    assert not np.shares_memory(coefficients, model.coef_)
    assert np.abs(model.coef_ - coefficients).max() > 1e-3
    np.testing.assert_array_equal(coefficients, kept[0])
    np.testing.assert_array_equal(intercepts, kept[1])
    model.coef_[:] = 0.0
    np.testing.assert_array_equal(model.decision_function(X), np.tile(model.intercept_, (len(y), 1)).squeeze())


@pytest.mark.parametrize("library", [pd, pl])
def test_feature_names(library: object) -> None:
    X, y = data(3)
    frame = library.DataFrame({name: X[:, j] for j, name in enumerate("vwxyz")})
    model = LogisticRegression().fit(frame, y)
    assert model.feature_names_in_.tolist() == list("vwxyz")
    assert model.n_features_in_ == 5
    assert not hasattr(model.fit(X, y), "feature_names_in_")
