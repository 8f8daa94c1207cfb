"""Wrong arrays and wrong arguments: each is found before any work, and the message names the place and the remedy."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from polytome import LogisticRegression, PolytomeError
from polytome.errors import ArgumentError, DataError
from polytome.objective import Objective
from polytome.solvers import Newton

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3))
Y = np.array([0, 1] * 4)
NAMES = ["age", "height", "weight"]


def spoilt(value: float, dtype: type = np.float64) -> np.ndarray:
    """X with one wrong entry, at row 2, column 1."""
    wrong = X.astype(dtype)
    wrong[2, 1] = value
    return wrong


def fit(X: object = X, y: object = Y, weight: object = None, **settings: object) -> Callable[[], object]:
    return lambda: LogisticRegression(**settings).fit(X, y, sample_weight=weight)


def ask(wrong: object, method: str = "predict", train: object = X) -> Callable[[], object]:
    return lambda: getattr(LogisticRegression().fit(train, Y), method)(wrong)


def frame(data: object = X) -> pd.DataFrame:
    return pd.DataFrame(data, columns=NAMES)


def days(library: str) -> object:
    dates = [datetime.date(2020, 1, day) for day in range(1, 9)]
    return pl.DataFrame({"born": dates}) if library == "polars" else pd.DataFrame({"born": pd.to_datetime(dates)})


TEXT = {"age": np.arange(8.0), "city": list("abcdefgh")}

# name: (what is done, the error, words that its message must hold)
DATA: dict[str, tuple[Callable[[], object], type[Exception], tuple[str, ...]]] = {
    "NaN": (fit(spoilt(np.nan)), DataError, ("NaN", "row 2, column 1", "SimpleImputer")),
    "infinity": (fit(spoilt(-np.inf)), DataError, ("infinity", "row 2, column 1")),
    "NaN, float32": (fit(spoilt(np.nan, np.float32)), DataError, ("NaN", "row 2, column 1")),
    "infinity, float16": (fit(spoilt(np.inf, np.float16)), DataError, ("infinity", "row 2, column 1")),
    "NaN, Fortran order": (fit(np.asfortranarray(spoilt(np.nan))), DataError, ("NaN", "row 2, column 1")),
    "NaN, pandas": (fit(frame(spoilt(np.nan))), DataError, ("NaN", "row 2", "'height'")),
    "missing, pandas": (
        fit(pd.DataFrame({"age": pd.array([1, 2, None, 4, 5, 6, 7, 8], dtype="Int64")})),
        DataError,
        ("NaN", "row 2", "'age'"),
    ),
    "missing, polars": (fit(pl.DataFrame({"age": [1.0, 2, None, 4, 5, 6, 7, 8]})), DataError, ("row 2", "'age'")),
    "missing, polars integers": (
        fit(pl.DataFrame({"age": [1, 2, None, 4, 5, 6, 7, 8]})),
        DataError,
        ("row 2", "'age'"),
    ),
    "infinity, CSR": (fit(sparse.csr_matrix(spoilt(np.inf))), DataError, ("infinity", "row 2, column 1")),
    "NaN, CSC": (fit(sparse.csc_array(spoilt(np.nan))), DataError, ("NaN", "row 2, column 1")),
    "text, pandas": (fit(pd.DataFrame(TEXT)), DataError, ("'city'", "not numbers", "OneHotEncoder")),
    "text, polars": (fit(pl.DataFrame(TEXT)), DataError, ("'city'", "String", "OneHotEncoder")),
    "categories, pandas": (
        fit(pd.DataFrame({"sex": pd.Categorical(list("mf") * 4)})),
        DataError,
        ("'sex'", "category"),
    ),
    "dates, pandas": (fit(days("pandas")), DataError, ("'born'", "datetime64")),
    "dates, polars": (fit(days("polars")), DataError, ("'born'", "Date")),
    "None in an object array": (
        fit(np.where(np.arange(24).reshape(8, 3) == 7, None, X)),
        DataError,
        ("NaN", "row 2, column 1"),
    ),
    "text in an object array": (fit(np.array([["red", 1]] * 8, dtype=object)), ValueError, ("'red'",)),
    "array of text": (fit(np.array([["a", "b"]] * 8)), ValueError, ("strings", "numeric")),
    "complex": (fit(X + 1j), ValueError, ("Complex data not supported",)),
    "too large to square": (fit(X * 1e200), DataError, ("column 0", "too large", "rescale")),
    "too large, sparse": (fit(sparse.csr_matrix(X * 1e200)), DataError, ("column 0", "too large", "rescale")),
    "too large, named": (fit(frame(X * [1, 1e200, 1])), DataError, ("'height'", "too large")),
    "one dimension": (fit(X[:, 0]), ValueError, ("Expected 2D array", "reshape")),
    "three dimensions": (fit(X[:, :, None]), ValueError, ("dim 3",)),
    "nothing": (fit(None), ValueError, ("None",)),
    "ragged": (fit([[1, 2], [3]], [0, 1]), ValueError, ("inhomogeneous",)),
    "no rows": (fit(X[:0], Y[:0]), ValueError, ("0 sample(s)",)),
    "no columns": (fit(X[:, :0]), ValueError, ("0 feature(s)",)),
    "one row": (fit(X[:1], Y[:1]), ValueError, ("1 sample", "minimum of 2")),
    "y shorter": (fit(y=Y[:-1]), ValueError, ("[8, 7]",)),
    "y missing": (fit(y=None), ValueError, ("requires y",)),
    "y of one class": (fit(y=["a"] * 8), DataError, ("only one class", "'a'", "at least two")),
    "y of one class by weight": (fit(weight=Y), DataError, ("only one class", "positive weight")),
    "NaN in y": (fit(y=np.where(np.arange(8) == 3, np.nan, Y)), ValueError, ("y contains NaN",)),
    "None in y": (fit(y=np.array(["a", "b", None, "b"] * 2, dtype=object)), ValueError, ("y",)),
    "text and numbers in y": (fit(y=np.array(["a", "b", 1, "b"] * 2, dtype=object)), ValueError, ("y",)),
    "y of real numbers": (fit(y=X[:, 0]), ValueError, ("continuous",)),
    "y of three dimensions": (fit(y=np.zeros((8, 2, 2))), ValueError, ("dim 3",)),
    "y of several labels": (fit(y=np.tile([1, 1, 0], (8, 1))), DataError, ("row 0", "adds up to 2", "one dimension")),
    "soft labels not adding up": (fit(y=np.tile([0.5, 0.4], (8, 1))), DataError, ("row 0", "adds up to 0.9")),
    "negative soft label": (fit(y=np.tile([1.5, -0.5], (8, 1))), DataError, ("y[0, 1] = -0.5", "from 0 to 1")),
    "NaN in soft labels": (fit(y=np.tile([1.0, np.nan], (8, 1))), DataError, ("y[0, 1] = nan",)),
    "soft labels too few": (fit(y=np.full((7, 2), 0.5)), DataError, ("8 rows", "y has 7")),
    "negative weight": (fit(weight=[1, 1, -1, 1, 1, 1, 1, 1]), DataError, ("sample_weight[2] = -1", "not negative")),
    "NaN weight": (fit(weight=[1, np.nan, 1, 1, 1, 1, 1, 1]), DataError, ("sample_weight[1] = nan",)),
    "infinite weight": (fit(weight=[np.inf] + [1] * 7), DataError, ("sample_weight[0] = inf", "finite")),
    "weights too few": (fit(weight=[1, 1]), DataError, ("sample_weight", "(2,)", "8 rows")),
    "weights of two dimensions": (fit(weight=np.ones((8, 1))), DataError, ("sample_weight", "(8, 1)")),
    "weights all zero": (fit(weight=np.zeros(8)), DataError, ("sample_weight", "zero for every row")),
}

ARGUMENTS: dict[str, tuple[Callable[[], object], type[Exception], tuple[str, ...]]] = {
    "C zero": (fit(C=0), ArgumentError, ("C=0", "positive", "numpy.inf")),
    "C negative": (fit(C=-1.0), ArgumentError, ("C=-1.0", "positive")),
    "C NaN": (fit(C=np.nan), ArgumentError, ("C=nan",)),
    "C text": (fit(C="a"), ArgumentError, ("C='a'",)),
    "C None": (fit(C=None), ArgumentError, ("C=None", "numpy.inf")),
    "C too small for a float": (fit(C=1e-320), ArgumentError, ("C=",)),
    "C too large for a float": (fit(C=1e308), ArgumentError, ("C=", "numpy.inf")),
    "tol zero": (fit(tol=0), ArgumentError, ("tol=0", "positive")),
    "tol negative": (fit(tol=-1e-4), ArgumentError, ("tol=-0.0001", "positive")),
    "tol NaN": (fit(tol=np.nan), ArgumentError, ("tol=nan",)),
    "tol text": (fit(tol="small"), ArgumentError, ("tol=", "small")),
    "max_iter negative": (fit(max_iter=-1), ArgumentError, ("max_iter=-1",)),
    "max_iter text": (fit(max_iter="many"), ArgumentError, ("max_iter=", "many")),
    "l1_ratio": (fit(l1_ratio=0.5), ArgumentError, ("l1_ratio=0.5", "L2")),
    "scale too short": (fit(scale=[1, 2]), ArgumentError, ("scale", "(2,)", "3 columns")),
    "scale negative": (fit(scale=-255), ArgumentError, ("scale", "positive")),
    "scale zero": (fit(scale=[1, 0, 1]), ArgumentError, ("scale", "positive")),
    "scale NaN": (fit(scale=np.nan), ArgumentError, ("scale", "finite")),
    "scale unknown": (fit(scale="robust"), ArgumentError, ("scale='robust'", "'standard'")),
    "scale of text": (fit(scale=["a", "b", "c"]), ArgumentError, ("scale",)),
    "solver unknown": (fit(solver="simplex"), ArgumentError, ("solver='simplex'", "auto", "newton")),
    "solver None": (fit(solver=None), ArgumentError, ("solver=None", "polytome.solvers")),
    "solver a class": (fit(solver=Newton), ArgumentError, ("solver=", "Newton")),
    "Newton too large": (
        fit(sparse.csr_matrix((8, 1_000_000)), solver="newton"),  # whatever the machine
        DataError,
        ("1,000,000 columns", "Newton", "GB", "available", "auto"),
    ),
    "random_state text": (fit(solver="sgd", random_state="a"), ArgumentError, ("random_state=", "'a'")),
    "random_state negative": (fit(solver="sgd", random_state=-1), ArgumentError, ("random_state=-1",)),
    "class_weight unknown": (fit(class_weight="auto"), ArgumentError, ("class_weight='auto'", "balanced")),
    "class_weight a list": (fit(class_weight=[1, 2]), ArgumentError, ("class_weight=[1, 2]", "dict")),
    "class_weight negative": (fit(class_weight={0: -1}), ArgumentError, ("class_weight[0] = -1",)),
    "class_weight NaN": (fit(class_weight={1: np.nan}), ArgumentError, ("class_weight[1] = nan",)),
    "class_weight text": (fit(class_weight={0: "much"}), ArgumentError, ("class_weight[0]", "much")),
    "class_weight zero": (fit(class_weight={0: 0}), PolytomeError, ("class_weight",)),
    "class_weight all zero": (fit(class_weight={0: 0, 1: 0}), PolytomeError, ("class_weight",)),
    "class_weight of soft labels": (
        fit(y=np.full((8, 2), 0.5), class_weight="balanced"),
        ArgumentError,
        ("class_weight", "soft labels", "sample_weight"),
    ),
}

PREDICTION: dict[str, tuple[Callable[[], object], type[Exception], tuple[str, ...]]] = {
    "columns too few": (ask(X[:, :2]), ValueError, ("2 features", "expecting 3")),
    "columns renamed": (ask(frame().rename(columns={"age": "Age"}), train=frame()), ValueError, ("Age", "age")),
    "columns reordered": (ask(frame()[NAMES[::-1]], train=frame()), ValueError, ("same order",)),
    "NaN": (ask(spoilt(np.nan)), DataError, ("NaN", "row 2, column 1")),
    "NaN, named": (ask(frame(spoilt(np.nan)), "predict_proba", frame()), DataError, ("row 2", "'height'")),
    "infinity, sparse": (ask(sparse.csr_array(spoilt(np.inf)), "decision_function"), DataError, ("row 2, column 1",)),
    "text": (ask(pl.DataFrame({"a": [1.0], "b": [1.0], "c": ["x"]})), DataError, ("'c'", "String")),
    "one row as one dimension": (ask(X[0]), ValueError, ("Expected 2D array", "reshape(1, -1)")),
    "no rows": (ask(X[:0]), ValueError, ("0 sample(s)",)),
    "unfitted": (lambda: LogisticRegression().predict(X), NotFittedError, ("not fitted",)),
}

WRONG = {
    f"{group}: {name}": case
    for group, cases in (("data", DATA), ("argument", ARGUMENTS))
    for name, case in cases.items()
}


@pytest.mark.parametrize("name", WRONG)
def test_fit_refuses_before_any_work(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_work(*_: object) -> None:
        pytest.fail("the objective was evaluated before the input was found to be wrong")

    monkeypatch.setattr(Objective, "value_and_gradient", no_work)
    run, error, words = WRONG[name]
    with pytest.raises(error) as caught:
        run()
    assert [word for word in words if word not in str(caught.value)] == []
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", PREDICTION)
def test_predict_refuses(name: str) -> None:
    run, error, words = PREDICTION[name]
    with pytest.raises(error) as caught:
        run()
    assert [word for word in words if word not in str(caught.value)] == []


def test_there_are_many() -> None:
    assert len(WRONG) + len(PREDICTION) >= 80


def test_first_wrong_entry_of_many_blocks_is_named() -> None:
    wrong = np.zeros((300_000, 4), dtype=np.float32)
    wrong[::2] = 1.0
    wrong[290_001, 3] = np.nan
    wrong[290_002, 0] = np.inf
    with pytest.raises(DataError, match="NaN at row 290001, column 3"):
        LogisticRegression().fit(wrong, np.arange(300_000) % 2)


def test_scores_beyond_float64_are_refused_or_keep_their_sign() -> None:
    model = LogisticRegression(C=1e12).fit(X * 1e-6, Y)
    assert model.coef_.sum() < -1e5  # so the score of a row of equal large numbers is far below zero
    try:
        right = model.decision_function(np.full((1, 3), 1e305))[0] < 0
    except DataError:
        right = True
    assert right


def test_a_class_is_named_as_the_user_wrote_it() -> None:
    with pytest.raises(DataError) as caught:
        LogisticRegression().fit(X, np.zeros(8, dtype=int))
    assert "only one class, 0:" in str(caught.value)


def test_a_failed_fit_leaves_the_fitted_model_as_it_was() -> None:
    model = LogisticRegression().fit(X, Y)
    before = model.coef_.copy(), model.classes_.copy(), model.certificate_
    for wrong, y in ((spoilt(np.nan), Y), (X, np.zeros(8)), (X[:, :2] * 1e200, Y)):
        with pytest.raises(PolytomeError):
            model.fit(wrong, y)
    np.testing.assert_array_equal(model.coef_, before[0])
    np.testing.assert_array_equal(model.classes_, before[1])
    assert model.certificate_ is before[2]


def test_input_is_never_changed() -> None:
    data, target, weight = X.copy(), Y.copy(), np.ones(8)
    LogisticRegression(scale="standard", class_weight="balanced").fit(data, target, weight).predict_proba(data)
    np.testing.assert_array_equal(data, X)
    np.testing.assert_array_equal(target, Y)
    np.testing.assert_array_equal(weight, np.ones(8))
