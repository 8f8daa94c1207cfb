"""`OneVsRest`, `OneVsOne` and `MultilabelLogistic` from data of every form, and the words for what
they cannot use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from binary_models import KINDS, TIGHT, Array, Estimator, assert_same_models, labels_for
from fitted_models import data
from polytome import MultilabelLogistic, OneVsOne, OneVsRest, Stop
from polytome.errors import ArgumentError, DataError
from polytome.rows import as_rows
from registry import REPRESENTATIONS, integers, twin

# --- labels ---

FORMS: dict[str, Callable[[Array], Any]] = {
    "booleans": lambda Y: Y.astype(bool),
    "float32": lambda Y: Y.astype(np.float32),
    "lists": lambda Y: Y.tolist(),
    "objects": lambda Y: Y.astype(object),
    "csr": sparse.csr_array,
    "csc, booleans": lambda Y: sparse.csc_matrix(Y.astype(bool)),
    "pandas": lambda Y: pd.DataFrame(Y, columns=["sun", "rain", "wind"]),
    "pandas, booleans": lambda Y: pd.DataFrame(Y.astype(bool), columns=["sun", "rain", "wind"]),
    "polars": lambda Y: pl.DataFrame(Y, schema=["sun", "rain", "wind"], orient="row"),
}


@pytest.mark.parametrize("name", FORMS)
def test_labels_of_every_form(name: str) -> None:
    X, _ = data()
    Y = labels_for(MultilabelLogistic, X, 3)
    plain, model = MultilabelLogistic().fit(X, Y), MultilabelLogistic().fit(X, FORMS[name](Y))
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    np.testing.assert_array_equal(model.intercept_, plain.intercept_)
    named = name.startswith(("pandas", "polars"))
    assert model.labels_.tolist() == (["sun", "rain", "wind"] if named else [0, 1, 2])
    assert model.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", [OneVsRest, OneVsOne])
@pytest.mark.parametrize("names", [["ant", "bee", "cat"], [-7, 0, 30], [1.0, 2.0, 5.0]])
def test_names_of_classes(kind: type[Estimator], names: list[Any]) -> None:
    X, y = data()
    model = kind().fit(X, [names[code] for code in y])
    assert model.classes_.tolist() == names
    assert set(model.predict(X).tolist()) == set(names)
    np.testing.assert_array_equal(model.coef_, kind().fit(X, y).coef_)


# --- columns, rows and weights ---


@pytest.mark.parametrize("kind", KINDS)
def test_every_representation_gives_the_same_model(
    kind: type[Estimator], representation: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    dense = integers(rng, 90, 5)
    target = labels_for(kind, dense, 3)
    plain = kind(tol=TIGHT).fit(twin(representation, dense), target)
    X = REPRESENTATIONS[representation](dense, tmp_path)
    model = kind(tol=TIGHT).fit(X, target)
    assert model.stop_ is Stop.CERTIFIED
    assert_same_models(model, plain)
    np.testing.assert_array_equal(model.predict(X), plain.predict(twin(representation, dense)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("library", [pd, pl])
def test_frames(kind: type[Estimator], library: Any) -> None:
    X, _ = data()
    target = labels_for(kind, X, 3)
    frame = library.DataFrame({name: X[:, j] for j, name in enumerate("vwxyz")})
    model = kind().fit(frame, target)
    assert model.feature_names_in_.tolist() == list("vwxyz")
    np.testing.assert_array_equal(model.coef_, kind().fit(X, target).coef_)
    np.testing.assert_array_equal(model.predict(frame), kind().fit(X, target).predict(X))


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_divided_by_their_scale(kind: type[Estimator]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, size=(150, 4)).astype(np.uint8)
    target = labels_for(kind, pixels / 255, 3)
    divided = kind(tol=TIGHT).fit(pixels / 255, target)
    model = kind(scale=255, tol=TIGHT).fit(pixels, target)
    assert "255" in str(model.objective_)
    model.coef_ = model.coef_ * 255
    assert_same_models(model, divided)


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_counts_how_often_a_row_occurs(kind: type[Estimator]) -> None:
    X, _ = data()
    target, times = labels_for(kind, X, 3), np.arange(len(X)) % 3
    repeated = kind(tol=TIGHT).fit(X.repeat(times, axis=0), target.repeat(times, axis=0))
    weighted = kind(tol=TIGHT).fit(X, target, times)
    assert_same_models(weighted, repeated)
    assert weighted.certificate_.objective == pytest.approx(repeated.certificate_.objective, rel=1e-10)


WIDE = np.random.default_rng(1).normal(size=(1600, 700))  # blocks of 748 rows in float64, 1497 in float32
TALL = np.random.default_rng(2).normal(size=(40_000, 4))  # blocks of 16,384 rows
TEXT = sparse.random_array((20_000, 200), density=0.05, random_state=np.random.default_rng(3), format="csr")
MANY_BLOCKS = {
    "float64": TALL,
    "uint8": (20 * np.abs(WIDE)).astype(np.uint8),
    "fortran order": np.asfortranarray(TALL),
    "csr": TEXT,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MANY_BLOCKS)
def test_bits_do_not_depend_on_the_number_of_threads(
    kind: type[Estimator], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = MANY_BLOCKS[name]
    target = labels_for(kind, X.toarray() if sparse.issparse(X) else X)
    bits = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("POLYTOME_NUM_THREADS", threads)
        model = kind(tol=1e-3, C=1e-3).fit(X, target)
        objectives = np.array([line.objective for line in model.history_])
        arrays = (model.coef_, model.intercept_, objectives, np.array(model.certificate_.gap))
        bits.append([array.tobytes() for array in arrays])
    assert len(model.history_) > 1
    assert len(as_rows(X, np.zeros(X.shape[0])).at(np.float32).parts()) > 1, "otherwise this could not fail"
    assert bits[0] == bits[1] == bits[2]


# --- wrong use ---

X8 = np.random.default_rng(0).normal(size=(8, 3))
Y8 = np.arange(8) % 3
L8 = np.array([[0, 1], [1, 0], [1, 1], [0, 0]] * 2)


def spoilt(array: Array, value: float) -> Array:
    wrong = array.astype(float)
    wrong[2, 1] = value
    return wrong


def fit(kind: type[Estimator], X: Any = X8, y: Any = None, weight: Any = None, **settings: Any) -> Callable[[], object]:
    y = (L8 if kind is MultilabelLogistic else Y8) if y is None else y
    return lambda: kind(**settings).fit(X, y, sample_weight=weight)


NAMED = pd.DataFrame({"sun": [0, 1] * 4, "rain": [1] * 8})
WRONG: dict[str, tuple[Callable[[], object], type[Exception], tuple[str, ...]]] = {
    **{
        f"{name}, {kind.__name__}": (fit(kind, **changes), error, words)
        for kind in KINDS
        for name, changes, error, words in (
            ("NaN", {"X": spoilt(X8, np.nan)}, DataError, ("NaN", "row 2, column 1", "SimpleImputer")),
            ("infinity, CSR", {"X": sparse.csr_array(spoilt(X8, np.inf))}, DataError, ("infinity", "row 2, column 1")),
            ("text", {"X": pd.DataFrame({"city": list("abcdefgh")})}, DataError, ("'city'", "not numbers")),
            ("C of zero", {"C": 0}, ArgumentError, ("C=0", "positive")),
            ("C as text", {"C": "1"}, ArgumentError, ("C='1'", "positive")),
            ("negative tol", {"tol": -1e-4}, ArgumentError, ("tol=-0.0001", "positive")),
            ("fraction of an iteration", {"max_iter": 1.5}, ArgumentError, ("max_iter=1.5", "whole number")),
            ("unknown solver", {"solver": "fast"}, ArgumentError, ("solver='fast'", "newton")),
            ("scale of zero", {"scale": 0.0}, ArgumentError, ("scale", "positive")),
            ("negative weight", {"weight": [1] * 7 + [-1]}, DataError, ("sample_weight[7]", "-1")),
            ("few weights", {"weight": [1.0] * 7}, DataError, ("sample_weight", "(7,)", "8 rows")),
            ("other number of rows", {"X": X8[:7]}, ValueError, ("inconsistent", "[7, 8]")),
        )
    },
    **{
        f"{name}, {kind.__name__}": (fit(kind, **changes), DataError, (kind.__name__ if own else "", *words))
        for kind in (OneVsRest, OneVsOne)
        for name, changes, own, words in (
            ("probabilities", {"y": np.full((8, 3), 1 / 3)}, True, ("(8, 3)", "LogisticRegression", "one label")),
            ("several labels", {"y": L8}, True, ("(8, 2)", "MultilabelLogistic")),
            ("one class", {"y": ["a"] * 8}, False, ("only one class", "'a'")),
            ("no label", {"y": ["a", None] * 4}, False, ("y contains NaN at row 1 (None)",)),
            ("mixed labels", {"y": np.array(["a", 1] * 4, dtype=object)}, False, ("y[1] = 1", "'a'", "one type")),
        )
    },
    **{
        name: (fit(MultilabelLogistic, **changes), DataError, words)
        for name, changes, words in (
            ("one dimension", {"y": Y8}, ("(8,)", "column per label", "OneVsRest")),
            ("three dimensions", {"y": np.zeros((8, 2, 2))}, ("(8, 2, 2)", "column per label")),
            ("no label", {"y": np.zeros((8, 0))}, ("(8, 0)", "column per label")),
            ("lists of labels", {"y": [["sun"], ["sun", "rain"]] * 4}, ("unequal", "MultiLabelBinarizer")),
            ("text as labels", {"y": [["sun", "rain"]] * 8}, ("not numbers", "0 or 1")),
            ("label of 2", {"y": spoilt(L8, 2)}, ("y[2, 1] = 2", "0, 1 or a probability")),
            ("label below 0", {"y": spoilt(L8, -0.5)}, ("y[2, 1] = -0.5",)),
            ("NaN among labels", {"y": spoilt(L8, np.nan)}, ("y[2, 1] = nan",)),
            ("infinity among labels", {"y": spoilt(L8, np.inf)}, ("y[2, 1] = inf",)),
            ("missing label, pandas", {"y": pd.DataFrame({"sun": pd.array([0, 1, None, 1] * 2)})}, ("y[2, 0] = nan",)),
            ("always there", {"y": NAMED}, ("label 'rain' is 1 in every row", "leave the column out")),
            ("masked", {"y": np.ma.masked_equal(L8, 1)}, ("y[0, 1] is masked",)),
            ("never there", {"y": 1 - NAMED}, ("label 'rain' is 0 in every row", "infinite")),
            ("never there, by number", {"y": L8 * [0, 1]}, ("label 0 is 0 in every row",)),
        )
    },
    "no labels": (lambda: MultilabelLogistic().fit(X8, None), DataError, ("requires y to be passed",)),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_found_before_any_work(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call, error, words = WRONG[name]
    monkeypatch.setattr("polytome.models.fitting.minimize", lambda *_, **__: pytest.fail("the fit began"))
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("n_rows", range(50, 70))
def test_a_constant_label_is_found_whatever_rounding_does_to_the_weights(n_rows: int) -> None:
    rng = np.random.default_rng(n_rows)
    X, weight = rng.normal(size=(n_rows, 2)), rng.random(n_rows)
    Y = np.stack([np.ones(n_rows), np.arange(n_rows) % 2], axis=1)
    with pytest.raises(DataError, match="label 0 is 1 in every row"):
        MultilabelLogistic().fit(X, Y, weight)


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_rows_to_predict(kind: type[Estimator]) -> None:
    model = kind().fit(X8, L8 if kind is MultilabelLogistic else Y8)
    with pytest.raises(ValueError, match="3 features"):
        model.predict(X8[:, :2])
    with pytest.raises(DataError, match="row 2, column 1"):
        model.decision_function(spoilt(X8, np.nan))
    model.coef_ = model.coef_ * 1e308
    with pytest.raises(DataError, match="range of float64"):
        model.predict(1e9 * X8)
