"""Wrong arrays and wrong arguments: each is found before any work, and the message names the place
and the remedy."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
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


def damaged(kind: type, index: int) -> object:
    """X with one index spoilt after SciPy saw it."""
    matrix = kind(X)
    matrix.indices[0] = index
    return matrix


def damaged_places() -> sparse.coo_matrix:
    matrix = sparse.coo_matrix(X)
    matrix.row[5] = 99
    return matrix


def damaged_pointers(pointer: int) -> sparse.csr_matrix:
    matrix = sparse.csr_matrix(X)
    matrix.indptr[2] = pointer
    return matrix


def spoil(attribute: str, value: object) -> Callable[[], object]:
    """A prediction after an attribute of the fitted model was set by hand."""
    model = LogisticRegression().fit(X, Y)
    setattr(model, attribute, value)
    return lambda: model.predict(X)


ARROW = pa.table(
    {
        "nulls": pa.nulls(8),
        "number": np.arange(8.0),
        "text": list("abcdefgh"),
        "day": pa.array([datetime.date(2020, 1, day) for day in range(1, 9)]),
        "gap": [1, 2, 3, None, 5, 6, 7, 8],
    }
)
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
    "text in an object array": (
        fit(np.array([["red", 1]] * 8, dtype=object)),
        DataError,
        ("'red'", "row 0, column 0"),
    ),
    "array of text": (fit(np.array([["a", "b"]] * 8)), DataError, ("text", "'a'", "astype(float)")),
    "complex": (fit(X + 1j), DataError, ("Complex data not supported", "a column each")),
    "complex, CSR": (fit(sparse.csr_matrix(X + 1j)), DataError, ("Complex data not supported",)),
    "None in a list": (fit([[1.0, 2.0]] * 5 + [[3.0, None]] * 3), DataError, ("NaN (None)", "row 5, column 1")),
    "NaN in a list": (fit([[1.0, 2.0]] * 5 + [[3.0, np.nan]] * 3), DataError, ("contains NaN", "row 5, column 1")),
    "NA in an object array": (fit(np.array([[pd.NA, 1.0]] * 8)), DataError, ("NaN (<NA>)", "row 0, column 0")),
    "text in a list": (fit([[1.0, "2"]] * 8), DataError, ("'2'", "row 0, column 1", "encode")),
    "a list of dates": (fit([[datetime.date(2020, 1, 1)]] * 8), TypeError, ("2020", "row 0, column 0")),
    "dates of NumPy among objects": (
        fit(np.array([[np.datetime64("2020-01-01"), 1.0]] * 8, dtype=object)),
        DataError,
        ("row 0, column 0", "not a number"),
    ),
    "datetime64": (fit(X.astype("datetime64[D]")), DataError, ("datetime64[D]", "not a number", "days")),
    "timedelta64 with NaT": (
        fit(np.full((8, 2), "NaT", dtype="timedelta64[s]")),
        DataError,
        ("timedelta64[s]", "not a number"),
    ),
    "masked": (fit(np.ma.masked_greater(X, 1.0)), DataError, ("masked at row", "column", "filled")),
    "number beyond float64": (fit(np.array([[10**400, 1]] * 8, dtype=object)), DataError, ("row 0, column 0", "fits")),
    "a dict in an object array": (fit(np.array([[{}, 1]] * 8, dtype=object)), TypeError, ("{}", "row 0, column 0")),
    "column of nulls, Arrow": (fit(ARROW.select(["nulls", "number"])), DataError, ("NaN", "row 0", "'nulls'")),
    "column of nulls, pandas": (fit(pd.DataFrame({"a": [None] * 8, "b": Y})), DataError, ("NaN", "row 0", "'a'")),
    "column of nulls, polars": (fit(pl.DataFrame({"a": [None] * 8, "b": Y})), DataError, ("NaN", "row 0", "'a'")),
    "text, Arrow": (fit(ARROW.select(["text"])), DataError, ("'text'", "string", "OneHotEncoder")),
    "dates, Arrow": (fit(ARROW.select(["day"])), DataError, ("'day'", "date32")),
    "a gap, Arrow": (fit(ARROW.select(["gap"])), DataError, ("NaN", "row 3", "'gap'")),
    "NA in a column of objects": (
        fit(pd.DataFrame({"age": np.array([1, 2, pd.NA, 4, 5, 6, 7, 8], dtype=object)})),
        DataError,
        ("NaN (<NA>)", "row 2", "'age'"),
    ),
    "a lazy frame": (fit(pl.DataFrame({"a": Y}).lazy()), DataError, ("LazyFrame", "collect()")),
    "a name twice": (fit(pd.DataFrame(X, columns=["a", "b", "a"])), DataError, ("several columns named 'a'",)),
    "sparse, one dimension": (fit(sparse.coo_array(np.arange(8.0))), DataError, ("1 dimension",)),
    "too large to square": (fit(X * 1e200), DataError, ("column 0", "too large", "rescale")),
    "too large, sparse": (fit(sparse.csr_matrix(X * 1e200)), DataError, ("column 0", "too large", "rescale")),
    "too large, named": (fit(frame(X * [1, 1e200, 1])), DataError, ("'height'", "too large")),
    "one dimension": (fit(X[:, 0]), ValueError, ("Expected 2D array", "reshape")),
    "three dimensions": (fit(X[:, :, None]), ValueError, ("dim 3",)),
    "nothing": (fit(None), ValueError, ("None",)),
    "ragged": (fit([[1, 2], [3]], [0, 1]), DataError, ("ragged", "row 1 has 1", "row 0 has 2")),
    "no rows": (fit(X[:0], Y[:0]), ValueError, ("0 sample(s)",)),
    "no columns": (fit(X[:, :0]), ValueError, ("0 feature(s)",)),
    "one row": (fit(X[:1], Y[:1]), ValueError, ("1 sample", "minimum of 2")),
    "y shorter": (fit(y=Y[:-1]), ValueError, ("[8, 7]",)),
    "y missing": (fit(y=None), ValueError, ("requires y",)),
    "y of one class": (fit(y=["a"] * 8), DataError, ("only one class", "'a'", "at least two")),
    "NaN in y": (fit(y=np.where(np.arange(8) == 3, np.nan, Y)), DataError, ("y contains NaN at row 3",)),
    "infinity in y": (fit(y=np.where(np.arange(8) == 3, np.inf, Y)), DataError, ("y contains infinity at row 3",)),
    "None in y": (
        fit(y=np.array(["a", "b", None, "b"] * 2, dtype=object)),
        DataError,
        ("y contains NaN at row 2 (None)",),
    ),
    "None in a list of labels": (fit(y=["a", "b", "a", None] * 2), DataError, ("y contains NaN at row 3 (None)",)),
    "NaN in a list of labels": (fit(y=["a", "b", "a", np.nan] * 2), DataError, ("y contains NaN at row 3 (nan)",)),
    "NA in y": (fit(y=pd.Series(["a", None] * 4, dtype="string")), DataError, ("y contains NaN at row 1 (<NA>)",)),
    "NA among whole numbers in y": (fit(y=pd.Series([0, 1, None] * 3, dtype="Int64")[:8]), DataError, ("at row 2",)),
    "null in y, polars": (fit(y=pl.Series(["a", None] * 4)), DataError, ("y contains NaN at row 1 (None)",)),
    "NaT in y": (fit(y=np.array(["2020-01-01", "NaT"] * 4, dtype="datetime64[D]")), DataError, ("NaT at row 1",)),
    "masked y": (fit(y=np.ma.masked_equal(Y, 1)), DataError, ("y[1] is masked",)),
    "masked soft labels": (fit(y=np.ma.masked_equal(np.full((8, 2), 0.5), 0.5)), DataError, ("y[0, 0] is masked",)),
    "text and numbers in y": (
        fit(y=np.array(["a", "b", 1, "b"] * 2, dtype=object)),
        DataError,
        ("y[2] = 1 beside 'a'", "one type"),
    ),
    "text and numbers in a list": (fit(y=["a", "b", 1, "b"] * 2), DataError, ("y[2] = 1 beside 'a'", "one type")),
    "truth beside numbers in y": (fit(y=np.array([1, True] * 4, dtype=object)), DataError, ("y[1] = True beside 1",)),
    "y of two columns of text": (
        fit(y=pd.DataFrame({"p": list("ab") * 4, "q": list("ab") * 4})),
        DataError,
        ("2 columns",),
    ),
    "y of lists": (fit(y=[[1], [1, 2]] * 4), DataError, ("unequal", "MultiLabelBinarizer")),
    "y of real numbers": (fit(y=X[:, 0]), DataError, ("continuous", "LinearRegression")),
    "y of three dimensions": (fit(y=np.zeros((8, 2, 2))), ValueError, ("dim 3",)),
    "y of several labels": (fit(y=np.tile([1, 1, 0], (8, 1))), DataError, ("row 0", "adds up to 2", "one dimension")),
    "soft labels not adding up": (fit(y=np.tile([0.5, 0.4], (8, 1))), DataError, ("row 0", "adds up to 0.9")),
    "negative soft label": (fit(y=np.tile([1.5, -0.5], (8, 1))), DataError, ("y[0, 1] = -0.5", "from 0 to 1")),
    "NaN in soft labels": (fit(y=np.tile([1.0, np.nan], (8, 1))), DataError, ("y[0, 1] = nan",)),
    "soft labels too few": (fit(y=np.full((7, 2), 0.5)), DataError, ("[8, 7]", "one row of y")),
    "negative weight": (fit(weight=[1, 1, -1, 1, 1, 1, 1, 1]), DataError, ("sample_weight[2] = -1", "not negative")),
    "NaN weight": (fit(weight=[1, np.nan, 1, 1, 1, 1, 1, 1]), DataError, ("sample_weight[1] = nan",)),
    "infinite weight": (fit(weight=[np.inf] + [1] * 7), DataError, ("sample_weight[0] = inf", "finite")),
    "weights too few": (fit(weight=[1, 1]), DataError, ("sample_weight", "(2,)", "8 rows")),
    "weights of two dimensions": (fit(weight=np.ones((8, 1))), DataError, ("sample_weight", "(8, 1)")),
    "weights all zero": (fit(weight=np.zeros(8)), DataError, ("sample_weight", "zero for every row")),
    "None among weights": (fit(weight=[1, None] * 4), DataError, ("sample_weight[1] = nan",)),
    "text among weights": (fit(weight=np.array([1, "2"] * 4, dtype=object)), DataError, ("sample_weight[1] = '2'",)),
    "weights of text": (fit(weight=["1"] * 8), DataError, ("sample_weight", "not numbers")),
    "weights of dates": (fit(weight=np.zeros(8, dtype="datetime64[D]")), DataError, ("sample_weight", "datetime64")),
    "masked weight": (fit(weight=np.ma.masked_equal(Y, 1)), DataError, ("sample_weight[1] is masked",)),
    "weights too large": (fit(weight=np.full(8, 1e308)), DataError, ("sample_weight adds up to inf", "1e+308", "C")),
    "weights too small": (fit(weight=np.full(8, 1e-310)), DataError, ("sample_weight adds up to 8e-310",)),
    "weights of classes too large": (fit(class_weight={0: 1e300}), DataError, ("class_weight", "4e+300")),
    "index outside, CSC": (fit(damaged(sparse.csc_matrix, 10**9)), DataError, ("column 0", "1000000000", "8 rows")),
    "index outside, CSR": (fit(damaged(sparse.csr_array, 3)), DataError, ("row 0", "index 3", "3 columns")),
    "index negative, CSR": (fit(damaged(sparse.csr_matrix, -1)), DataError, ("row 0", "index -1")),
    "index outside, COO": (fit(damaged_places()), DataError, ("row 99", "8 rows")),
    "pointers falling": (fit(damaged_pointers(-1)), DataError, ("indptr", "growing order")),
    "pointers too large": (fit(damaged_pointers(10**6)), DataError, ("indptr", "growing order")),
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
    "l1_ratio": (fit(l1_ratio=1.5), ArgumentError, ("l1_ratio=1.5", "from 0")),
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
    "class_weight of no class": (
        fit(class_weight={"0": 1, 1: 2}),
        ArgumentError,
        ("'0'", "not among the classes", "are 0"),
    ),
    "class_weight mistyped": (
        fit(y=np.array(["ill", "well"] * 4), class_weight={"well": 1, "il": 50}),
        ArgumentError,
        ("'il'", "'ill'"),
    ),
    "fit_intercept text": (fit(fit_intercept="no"), ArgumentError, ("fit_intercept='no'", "True or False")),
    "warm_start text": (fit(warm_start="x"), ArgumentError, ("warm_start='x'",)),
    "verbose text": (fit(verbose="x"), ArgumentError, ("verbose='x'",)),
    "verbose negative": (fit(verbose=-1), ArgumentError, ("verbose=-1",)),
    "callback no function": (fit(callback="print"), ArgumentError, ("callback='print'", "function")),
    "random_state unused": (fit(random_state=-1), ArgumentError, ("random_state=-1",)),
    "random_state a Generator": (fit(random_state=RNG), ArgumentError, ("random_state=", "RandomState")),
    "scale True": (fit(scale=True), ArgumentError, ("scale=True", "'standard'")),
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
    "None in a list": (ask([[1.0, 2.0, None]]), DataError, ("NaN (None)", "row 0, column 2")),
    "None in an object array": (ask(np.array([[1.0, None, 2.0]])), DataError, ("NaN (None)", "row 0, column 1")),
    "datetime64": (ask(X.astype("datetime64[D]")), DataError, ("datetime64[D]", "not a number")),
    "masked": (ask(np.ma.masked_greater(X, 1.0)), DataError, ("masked at row",)),
    "complex": (ask(X + 1j), DataError, ("Complex data not supported",)),
    "index outside, CSC": (ask(damaged(sparse.csc_matrix, 10**9)), DataError, ("column 0", "1000000000")),
    "index outside, CSR": (ask(damaged(sparse.csr_matrix, 10**9)), DataError, ("row 0", "1000000000")),
    "pointers falling": (ask(damaged_pointers(-1)), DataError, ("indptr", "growing order")),
    "coefficients of another shape": (spoil("coef_", np.ones((1, 2))), ArgumentError, ("coef_", "(1, 2)", "(1, 3)")),
    "one coefficient": (spoil("coef_", 1.0), ArgumentError, ("coef_", "shape ()", "(1, 3)")),
    "coefficients of text": (spoil("coef_", np.array([["a"] * 3])), ArgumentError, ("coef_", "<U1")),
    "NaN among coefficients": (spoil("coef_", np.array([[1, np.nan, 1]])), ArgumentError, ("coef_[0, 1] is nan",)),
    "infinite intercept": (spoil("intercept_", np.array([np.inf])), ArgumentError, ("intercept_[0] is inf",)),
    "one intercept": (spoil("intercept_", 0.0), ArgumentError, ("intercept_", "shape ()", "(1,)")),
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
