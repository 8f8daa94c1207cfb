"""`partial_fit(keep_rows=...)`: a sample of the rows is learned from again where classes come one
after the other."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits, load_iris

from polytome import LogisticRegression, load
from polytome.errors import ArgumentError, FileError
from polytome.files.saved_kept import kept_from_saved, kept_to_saved
from polytome.rows.identities import identities
from polytome.solvers.running_batch import Batch
from polytome.solvers.running_kept import Kept, largest_quota
from polytome.solvers.running_steps import Steps

DIGITS, IRIS = load_digits(return_X_y=True), load_iris(return_X_y=True)


def batch_of(X: Any, codes: np.ndarray, weight: np.ndarray | None = None) -> Batch:
    weight = np.ones(len(codes)) if weight is None else weight
    found = identities(X, codes.astype(np.uint64), weight)
    return Batch(X, codes.astype(np.int64), weight, np.arange(len(codes)), found, np.ones(X.shape[1]))


def kept_of(X: Any, codes: np.ndarray, most: int, rows: int) -> Kept:
    kept = Kept.begin(most, X.shape[1])
    for start in range(0, len(codes), rows):
        kept = kept.plus(batch_of(X[start : start + rows], codes[start : start + rows]))
    return kept


def learned(X: Any, y: Any, keep_rows: int | None, *, rows: int = 100, **settings: Any) -> LogisticRegression:
    """A model of classes that come one after the other."""
    order, model = np.argsort(y, kind="stable"), LogisticRegression(**settings)
    for start in range(0, len(y), rows):
        places = order[start : start + rows]
        model.partial_fit(X[places], y[places], keep_rows=keep_rows)
    return model


def pairs(n_rows: int = 540) -> tuple[np.ndarray, np.ndarray]:
    """Three digits by products of pixels: more coefficients than have their curvature kept."""
    chosen = np.flatnonzero(np.isin(DIGITS[1], (3, 5, 8)))[:n_rows]
    X = DIGITS[0][chosen] / 16
    return np.hstack([X * np.roll(X, k, axis=1) for k in range(16)]), DIGITS[1][chosen]


@pytest.fixture(scope="module")
def in_turn() -> dict[int | None, LogisticRegression]:
    X, y = pairs()
    return {keep: learned(X, y, keep, rows=50) for keep in (None, 400)}


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_the_sample_depends_on_neither_order_nor_batches(form: Any) -> None:
    X, y = DIGITS
    order = np.random.default_rng(0).permutation(len(y))
    one, other = kept_of(form(X), y, 200, 97), kept_of(form(X[order]), y[order], 200, 500)
    for kept in (one, other):
        assert len(kept.codes) == 200
        assert np.bincount(kept.codes).tolist() == [20] * 10
    assert np.array_equal(one.identities, other.identities)
    assert np.array_equal(one.codes, other.codes)
    assert abs(one.X - other.X).sum() == 0
    assert abs(one.X - form(X)[np.searchsorted(np.sort(one.identities), one.identities)]).shape == (200, 64)


def test_a_class_of_few_rows_leaves_its_room_to_others() -> None:
    codes = np.repeat([0, 1, 2], [3, 300, 300])
    kept = kept_of(np.random.default_rng(0).normal(size=(603, 2)), codes, 100, 50)
    assert np.bincount(kept.codes).tolist() == [3, 48, 48]
    assert largest_quota(np.array([3, 300, 300]), 100) == 48
    assert largest_quota(np.array([3, 4]), 100) == 100


def test_copies_of_a_row_are_one_row_with_their_weight() -> None:
    X = np.random.default_rng(0).integers(0, 2, (1000, 2)).astype(float)
    kept = kept_of(X, X[:, 0].astype(int), 10, 70)
    assert len(kept.codes) == 4
    assert kept.weight.sum() == 1000
    for row, weight in zip(kept.X, kept.weight, strict=True):
        assert weight == (row == X).all(axis=1).sum()


def test_each_class_weighs_what_it_is_given() -> None:
    X, y = DIGITS
    kept, shares = kept_of(X, y, 500, 100), np.array([0.0, 3.0, *[1.0] * 8])
    for turn in (None, 0, 7):
        objective = kept.objective(shares, batch_of(X, y), turn)
        assert objective.total_weight == pytest.approx(11.0)
        weights = np.bincount(np.asarray(objective.rows.target), np.asarray(objective.rows.weight), 10)
        assert np.allclose(weights, shares)


@pytest.mark.parametrize("data", [IRIS, (DIGITS[0][:200, 10:20], DIGITS[1][:200])], ids=["iris", "digits"])
def test_few_columns_are_a_fit_as_long_as_all_rows_are_kept(data: Any) -> None:
    X, y = data
    model = learned(X, y, len(y), rows=25, C=0.1)
    assert model.distance_to_batch(X, y).relative_gap < 1e-6
    assert model.state_.n_kept == len(np.unique(np.column_stack([X, y]), axis=0))
    assert f"{model.state_.n_kept} rows kept" in str(model.state_)


def test_few_columns_end_nearer_with_some_rows() -> None:
    X, y = IRIS
    without, some = (learned(X, y, keep, rows=30).distance_to_batch(X, y) for keep in (None, 60))
    assert some.relative_gap < without.relative_gap / 10


def test_many_columns_end_nearer_with_some_rows(in_turn: Any) -> None:
    X, y = pairs()
    assert isinstance(in_turn[400].state_.running.model, Steps)
    best = LogisticRegression(tol=1e-6).fit(X, y).certificate_.objective
    without, some = (in_turn[keep].distance_to_batch(X, y).objective - best for keep in (None, 400))
    assert 0 < some < without * 0.8


def test_few_rows_do_no_harm_where_means_say_all() -> None:
    """Normal columns: their means and variances are all that there is to know of a class."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 900)
    X = rng.normal(size=(900, 1024)) + (np.arange(1024) % 60 == y[:, None])
    without, some = (learned(X, y, keep, C=0.01).distance_to_batch(X, y).objective for keep in (None, 90))
    assert some < without * 1.05


def test_passes_in_turn_approach_the_optimum(in_turn: Any) -> None:
    X, y = pairs()
    model, best = copy(in_turn[400]), LogisticRegression(tol=1e-6).fit(X, y).certificate_.objective
    once, order = model.distance_to_batch(X, y).objective - best, np.argsort(y, kind="stable")
    for _ in range(9):
        for start in range(0, len(y), 50):
            model.partial_fit(X[order[start : start + 50]], y[order[start : start + 50]])
    assert model.state_.passes == 10
    assert model.distance_to_batch(X, y).objective - best < once / 4


@pytest.mark.parametrize(
    "data", [(DIGITS[0][:300, 8:24].astype(np.uint8), DIGITS[1][:300]), pairs(200)], ids=["few", "many"]
)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_a_loaded_model_goes_on_with_equal_bits(data: Any, form: Any, tmp_path: Path) -> None:
    X, y = form(data[0]), data[1]
    order = np.argsort(y, kind="stable")[:: 1 if form is np.asarray else 3]
    whole, parts = LogisticRegression(), LogisticRegression()
    for start in range(0, len(order), 120):
        rows = order[start : start + 120]
        whole.partial_fit(X[rows], y[rows], keep_rows=70)
        parts.partial_fit(X[rows], y[rows], keep_rows=70).save(tmp_path / "model.safetensors")
        parts = load(tmp_path / "model.safetensors")
        assert parts.state_.running.kept.X.dtype == X.dtype
    assert (whole.coef_ == parts.coef_).all()
    assert whole.state_.n_kept == parts.state_.n_kept >= 60


def test_the_file_grows_by_the_rows_that_are_kept(in_turn: Any, tmp_path: Path) -> None:
    sizes = []
    for keep in (None, 400):
        in_turn[keep].save(tmp_path / "model.safetensors")
        sizes.append((tmp_path / "model.safetensors").stat().st_size)
    assert 400 * 1024 * 8 <= sizes[1] - sizes[0] <= 400 * 1024 * 8 + 10_000


def test_columns_and_types_may_change() -> None:
    names = ["a", "b", "c"]
    model = LogisticRegression().partial_fit(np.eye(2, dtype=bool), [0, 1], feature_names=names[:2], keep_rows=9)
    assert model.state_.running.kept.X.dtype == np.uint8
    model.partial_fit(np.full((2, 3), 0.5, np.float32), [1, 2], feature_names=names)
    model.partial_fit(sparse.csr_matrix(np.full((1, 3), 300)), [2], feature_names=names)
    kept = model.state_.running.kept
    assert kept.X.dtype == np.float64
    assert sorted(kept.X.toarray().tolist()) == [[0, 1, 0], [0.5] * 3, [0.5] * 3, [1, 0, 0], [300] * 3]
    whole = np.array([[1, 0, 0], [0, 1, 0], [0.5] * 3, [0.5] * 3, [300] * 3])
    assert model.distance_to_batch(whole, [0, 1, 1, 2, 2]).relative_gap < 1e-3


def test_how_many_rows_is_said_once() -> None:
    X, y = IRIS
    for wrong in (-1, 2.5, True, "all"):
        with pytest.raises(ArgumentError, match=r"keep_rows=.*whole number"):
            LogisticRegression().partial_fit(X, y, keep_rows=wrong)
    model = LogisticRegression().partial_fit(X, y, keep_rows=20)
    for other in (0, 30):
        with pytest.raises(ArgumentError, match=f"keep_rows={other}: the model began with 20"):
            model.partial_fit(X, y, keep_rows=other)
    assert model.partial_fit(X, y).state_.n_kept == model.partial_fit(X, y, keep_rows=20).state_.n_kept == 18
    with pytest.raises(ArgumentError, match="keep_rows=20: the model began with 0"):
        LogisticRegression().partial_fit(X, y).partial_fit(X, y, keep_rows=20)
    assert LogisticRegression().partial_fit(X, y, keep_rows=0).state_.running.kept is None


def test_fewer_rows_than_classes_are_one_of_each() -> None:
    assert learned(*IRIS, 2).state_.n_kept == 3


WRONG: dict[str, Any] = {
    "codes": lambda values: values - 1,
    "weight": lambda values: -values,
    "identities": lambda values: values[::-1],
    "rows": lambda values: np.where(values == values.max(), np.nan, values),
    "entries": lambda values: values[:-1],
    "columns": lambda values: values + 2,
    "bounds": lambda values: values[::-1],
}


@pytest.mark.parametrize("name", WRONG)
def test_rows_of_a_damaged_file_are_refused(name: str) -> None:
    X, y = IRIS
    form = np.asarray if name not in ("entries", "columns", "bounds") else sparse.csr_matrix
    saved, tensors = kept_to_saved(kept_of(form(X), y, 30, 50))
    back = kept_from_saved(saved, tensors, 4, 3, 150)
    assert abs(back.X - kept_of(form(X), y, 30, 50).X).sum() == 0
    with pytest.raises(FileError, match="damaged"):
        kept_from_saved(saved, tensors | {f"kept_{name}": WRONG[name](tensors[f"kept_{name}"])}, 4, 3, 150)
    for wrong in ({"most": 20}, {"quota": 9}, {"arrival": 150}):
        with pytest.raises(FileError, match="damaged"):
            kept_from_saved(saved | wrong, tensors, 4, 3, 150)
    with pytest.raises(FileError, match="damaged"):
        kept_from_saved(saved, {key: tensors[key] for key in tensors if key != f"kept_{name}"}, 4, 3, 150)


def test_rows_beside_a_state_that_keeps_none_are_refused(tmp_path: Path) -> None:
    from polytome.files.saved_state import state_from_saved, state_to_saved

    model = LogisticRegression().partial_fit(*IRIS, keep_rows=10)
    saved, tensors = state_to_saved(model.state_, model.classes_)
    assert state_from_saved(saved, tensors, model.classes_, 4).n_kept == 9
    with pytest.raises(FileError, match="keeps none"):
        state_from_saved(saved | {"kept": None}, tensors, model.classes_, 4)
    older = replace(model.state_, running=replace(model.state_.running, kept=None))
    assert "kept" not in state_to_saved(older, model.classes_)[0]
