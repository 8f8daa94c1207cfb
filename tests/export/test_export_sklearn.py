"""A scikit-learn twin predicts the same, from a data frame too; scikit-learn's own fits get a
certificate."""

from __future__ import annotations

import ast
import pickle
import runpy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression as Theirs
from sklearn.linear_model import LogisticRegressionCV, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import exported_models as models
from fitted_models import data, exact
from polytome import LogisticRegression, load_dataset
from polytome.errors import ArgumentError, DataError, FileError
from polytome.export import from_sklearn, sklearn_twin, to_c, to_sklearn, to_sql, write_sklearn
from polytome.export.form import form_of
from polytome.files.sources import fit_source, open_source, read_for_model


@pytest.mark.parametrize("make", [models.iris, models.virginica, models.digits])
def test_the_twin_predicts_the_same_and_so_does_the_written_program(make: Any, tmp_path: Path) -> None:
    model = make()
    X = np.random.default_rng(3).uniform(0, 8, size=(300, model.n_features_in_))
    seen = write_sklearn(model, tmp_path / "twin.py")
    assert seen.largest_difference < 1e-12
    for twin in (to_sklearn(model), runpy.run_path(str(tmp_path / "twin.py"))["estimator"]):
        assert type(twin) is Theirs
        assert np.abs(twin.predict_proba(X) - model.predict_proba(X)).max() < 1e-12
        np.testing.assert_array_equal(twin.predict(X), model.predict(X))
        np.testing.assert_array_equal(twin.classes_, model.classes_)
        np.testing.assert_allclose(twin.decision_function(X), model.decision_function(X), rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(twin.coef_, model.coef_)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"scale": "standard"}, "scale"),
        ({"penalty_weights": [1.0, 0.0, 2.5, 1e3]}, "penalty_weights"),
        ({"scale": [1.0, 2.0, 3.0, 4.0], "penalty_weights": [4.0, 0.0, 1.0, 1.0]}, "scale and penalty_weights"),
        ({"class_weight": "balanced"}, "class_weight"),
        ({"C": 0.25, "fit_intercept": False}, None),
    ],
)
def test_a_twin_predicts_the_same_under_any_penalty_and_says_what_a_new_fit_would_lose(
    settings: dict[str, Any], said: str | None, tmp_path: Path
) -> None:
    X, y = load_dataset("iris").X[:120], load_dataset("iris").y[:120]
    model = LogisticRegression(tol=1e-8, **settings).fit(X, y)
    assert write_sklearn(model, tmp_path / "twin.py").largest_difference < 1e-12
    program = (tmp_path / "twin.py").read_text()
    sentence = f"# a new fit: would be another model: it would know nothing of {said}\n"
    assert ("# a new fit: " in program) == (said is not None) == (sentence in program)
    twin = runpy.run_path(str(tmp_path / "twin.py"))["estimator"]
    assert np.abs(twin.predict_proba(X) - model.predict_proba(X)).max() < 1e-12
    again = twin.set_params(tol=1e-10, max_iter=10_000).fit(X, y)
    assert np.allclose(again.predict_proba(X), model.predict_proba(X), atol=1e-3) == (said is None)


def test_a_table_goes_in_as_a_data_frame_with_missing_cells_and_unknown_levels(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    for binary in (False, True):
        model = models.hostile(tmp_path, binary=binary)
        frame = pandas.DataFrame(models.hostile_rows())[list(models.hostile_rows())[::-1]].assign(more=1)
        write_sklearn(model, tmp_path / "twin.py")
        expected = model.predict_proba(models.encoded_rows(model, models.hostile_rows()))
        for twin in (to_sklearn(model), runpy.run_path(str(tmp_path / "twin.py"))["estimator"]):
            np.testing.assert_allclose(twin.predict_proba(frame), expected, atol=1e-13)
            np.testing.assert_allclose(twin.predict_proba(frame.astype({"label": object})), expected, atol=1e-13)


def test_the_twin_refuses_what_the_model_refuses(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    twin = to_sklearn(models.hostile(tmp_path, missing="drop", unknown="error"))
    frame = pandas.DataFrame(models.hostile_rows())
    assert len(twin.predict(frame[:1])) == 1
    for row in range(1, 5):
        with pytest.raises(ValueError):
            twin.predict(frame[row : row + 1])


def test_the_program_is_data_and_one_function_whatever_the_names(tmp_path: Path) -> None:
    write_sklearn(models.hostile(tmp_path), tmp_path / "twin.py")
    tree = ast.parse((tmp_path / "twin.py").read_text())
    imported, function, assigned = tree.body
    assert isinstance(imported, ast.ImportFrom)
    assert isinstance(function, ast.FunctionDef)
    assert isinstance(assigned, ast.Assign)
    for keyword in assigned.value.keywords:
        if keyword.arg != "settings":
            ast.literal_eval(keyword.value)


def test_a_model_without_penalty_and_one_of_named_columns(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    X, y = data(K=3)
    frame = pandas.DataFrame(X, columns=list("abcde"))
    model = LogisticRegression(C=np.inf).fit(frame, y)
    write_sklearn(model, tmp_path / "twin.py")
    twin = runpy.run_path(str(tmp_path / "twin.py"))["estimator"]
    assert np.isinf(twin.C)
    assert twin.feature_names_in_.tolist() == list("abcde")
    assert np.abs(twin.predict_proba(frame) - model.predict_proba(frame)).max() < 1e-13


def test_what_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match="no folder"):
        write_sklearn(models.iris(), tmp_path / "absent" / "twin.py")
    monkeypatch.setattr(sklearn_twin, "_MOST_COEFFICIENTS", 639)
    with pytest.raises(ArgumentError, match=r"640 coefficients are too many"):
        write_sklearn(models.digits(), tmp_path / "twin.py")


@pytest.mark.parametrize("K", [2, 3])
def test_there_and_back_changes_no_bit(K: int) -> None:
    X, y = data(K=K)
    model = LogisticRegression(C=0.3).fit(X, np.array(["a", "b", "c"])[y])
    again = from_sklearn(to_sklearn(model))
    np.testing.assert_array_equal(again.coef_, model.coef_)
    np.testing.assert_array_equal(again.classes_, model.classes_)
    assert again.C == 0.3
    assert not hasattr(again, "certificate_")


@pytest.mark.parametrize("K", [2, 4])
@pytest.mark.parametrize("options", [{}, {"C": 0.01}, {"fit_intercept": False}, {"class_weight": "balanced"}])
def test_a_good_fit_of_scikit_learn_gets_a_certificate_of_the_same_objective(K: int, options: dict[str, Any]) -> None:
    X, y = data(K=K)
    theirs = Theirs(solver="newton-cg", tol=1e-12, max_iter=1000, **options).fit(X, y)
    model = from_sklearn(theirs, X, y)
    ours = exact(**options).fit(X, y)
    assert model.certificate_.holds
    assert model.certificate_.gap < 1e-9
    assert model.certificate_.objective == pytest.approx(ours.certificate_.objective, abs=1e-11)
    assert model.objective_.strength == ours.objective_.strength
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))
    assert np.abs(model.predict_proba(X) - theirs.predict_proba(X)).max() < 1e-14


def test_a_fit_that_was_stopped_early_shows() -> None:
    iris = load_dataset("iris")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = Theirs(max_iter=5).fit(iris.X, iris.y)
    model = from_sklearn(theirs, iris.X, iris.y)
    assert not model.certificate_.holds
    best = exact().fit(iris.X, iris.y).certificate_.objective
    assert best < model.certificate_.objective <= best + model.certificate_.gap
    assert "NOT reached" in str(model.certificate_)
    assert model.solver_ == "scikit-learn, lbfgs"


def test_liblinear_loses_by_penalising_its_intercept() -> None:
    X, y = data(K=2)
    theirs = Theirs(solver="liblinear", tol=1e-12).fit(X + 5, y)
    best = exact().fit(X + 5, y).certificate_.objective
    found = from_sklearn(theirs, X + 5, y).certificate_
    assert not found.holds
    assert best + 1e-4 < found.objective <= best + found.gap


def test_sparse_rows_and_models_without_certificate_travel_on(tmp_path: Path) -> None:
    X, y = data(K=3)
    theirs = Theirs(solver="newton-cg", tol=1e-12).fit(csr_array(X), y)
    assert from_sklearn(theirs, csr_array(X), y).certificate_.gap < 1e-9
    program = tmp_path / "twin.py"
    write_sklearn(from_sklearn(theirs), program)
    assert "certificate" not in program.read_text()
    np.testing.assert_array_equal(runpy.run_path(str(program))["estimator"].coef_, theirs.coef_)


def test_weights_and_frames_are_those_of_their_fit() -> None:
    pandas = pytest.importorskip("pandas")
    X, y = data(K=3)
    frame, weights = pandas.DataFrame(X, columns=list("abcde")), np.linspace(0.5, 2, len(y))
    theirs = Theirs(solver="newton-cg", tol=1e-12).fit(frame, y, sample_weight=weights)
    model = from_sklearn(theirs, frame, y, sample_weight=weights)
    assert model.certificate_.gap < 1e-9
    assert model.feature_names_in_.tolist() == list("abcde")
    assert from_sklearn(theirs, frame, y).certificate_.gap > 1e-5  # of another objective


def test_without_data_there_is_no_certificate_and_so_no_file_and_no_report(tmp_path: Path) -> None:
    iris = load_dataset("iris")
    model = from_sklearn(Theirs(max_iter=1000).fit(iris.X, iris.y))
    with pytest.raises(ArgumentError, match=r"no certificate; .* from_sklearn\(estimator, X, y\)"):
        model.save(tmp_path / "model.safetensors")
    with pytest.raises(ArgumentError, match="no certificate"):
        model.report(iris.X, iris.y)
    assert not list(tmp_path.iterdir())


def test_what_is_no_softmax_regression_is_refused() -> None:
    X, y = data(K=3)
    with pytest.raises(ArgumentError, match="estimator is a SGDClassifier"):
        from_sklearn(SGDClassifier(loss="log_loss").fit(X, y))
    with pytest.raises(ArgumentError, match=r"estimator is a Pipeline: .*; give its last step"):
        from_sklearn(make_pipeline(StandardScaler(), Theirs()).fit(X, y))
    with pytest.raises(ArgumentError, match="estimator is a LogisticRegressionCV"):
        from_sklearn(LogisticRegressionCV())
    with pytest.raises(ArgumentError, match="estimator is a LogisticRegression: needs a sklearn"):
        from_sklearn(LogisticRegression().fit(X, y))
    one_against_rest = Theirs().fit(X, y)
    one_against_rest.multi_class = "ovr"  # as before scikit-learn 1.8
    with pytest.raises(ArgumentError, match="fits each class against the rest"):
        from_sklearn(one_against_rest)
    sparse = Theirs(l1_ratio=1, solver="saga", max_iter=5000).fit(X, y)
    with pytest.raises(ArgumentError, match="L1 penalty"):
        from_sklearn(sparse, X, y)
    assert np.abs(from_sklearn(sparse).predict_proba(X) - sparse.predict_proba(X)).max() < 1e-14


def test_a_binary_model_that_an_older_version_fitted_as_softmax() -> None:
    """Its scores were minus and plus the one stored: softmax(-s, s) = sigmoid(2 s)."""
    X, y = data(K=2)
    theirs = Theirs().fit(X, y)
    theirs.multi_class = "multinomial"
    scores = theirs.decision_function(X)
    expected = np.exp(scores) / (np.exp(scores) + np.exp(-scores))
    np.testing.assert_allclose(from_sklearn(theirs).predict_proba(X)[:, 1], expected, rtol=1e-12)


def test_bad_data_are_refused() -> None:
    X, y = data(K=3)
    theirs = Theirs().fit(X, y)
    with pytest.raises(ArgumentError, match="X and y belong together"):
        from_sklearn(theirs, X)
    with pytest.raises(DataError, match="y has the labels"):
        from_sklearn(theirs, X, y + 1)
    with pytest.raises(DataError, match="X has 4 features"):
        from_sklearn(theirs, X[:, :4], y)


@pytest.mark.data
def test_adult_with_its_missing_cells() -> None:
    pandas = pytest.importorskip("pandas")
    model, _ = models.adult()
    cells = models.adult_cells(3000)
    X = models.encoded_rows(model, cells)
    twin = to_sklearn(model)
    assert np.abs(twin.predict_proba(pandas.DataFrame(cells)) - model.predict_proba(X)).max() < 1e-12


# --- frames as they come ------------------------------------------------------------------------


def ordinary_frame(pandas: Any, n: int = 60) -> Any:
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "age": rng.integers(18, 90, n),
            "kids": pandas.array(rng.integers(0, 4, n), dtype="Int64"),
            "member": rng.random(n) > 0.5,
            "zip": rng.integers(1, 5, n),
            "colour": rng.choice(["red", "blue"], n),
        }
    )
    frame.loc[::7, "kids"] = pandas.NA
    return frame


FRAMES = {
    "as made": lambda frame, path, pandas: frame,
    "from the file": lambda frame, path, pandas: pandas.read_csv(path).drop(columns="y"),
    "nullable": lambda frame, path, pandas: frame.convert_dtypes(),
    "objects": lambda frame, path, pandas: frame.astype(object),
    "categoricals": lambda frame, path, pandas: frame.astype({"colour": "category", "zip": "category"}),
    "fractions": lambda frame, path, pandas: frame.astype({"kids": "Float64", "age": float, "zip": float}),
}


@pytest.mark.parametrize("unknown", ["error", "zero"])
@pytest.mark.parametrize("categories", [(), ("zip", "member", "kids")])
def test_whole_numbers_with_gaps_and_truth_values_are_what_the_model_takes_them_for(
    unknown: str, categories: tuple[str, ...], tmp_path: Path
) -> None:
    pandas = pytest.importorskip("pandas")
    frame, path = ordinary_frame(pandas), tmp_path / "rows.csv"
    frame.assign(y=np.resize(["no", "yes", "no"], len(frame))).to_csv(path, index=False)
    options = {"target": "y", "missing": "mean", "unknown": unknown, "categories": categories}
    model = fit_source(LogisticRegression(), open_source(str(path), **options))
    write_sklearn(model, tmp_path / "twin.py")
    expected = model.predict_proba(read_for_model(model, str(path), target="y").X)
    for twin in (to_sklearn(model), runpy.run_path(str(tmp_path / "twin.py"))["estimator"]):
        kept = pickle.dumps(twin)
        for form, make in FRAMES.items():
            found = pickle.loads(kept).predict_proba(make(frame, path, pandas))
            np.testing.assert_allclose(found, expected, atol=1e-13, err_msg=form)


def test_a_cell_that_is_no_number_or_that_nothing_fills_is_an_error(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame, path = ordinary_frame(pandas), tmp_path / "rows.csv"
    frame.assign(y=np.resize(["no", "yes", "no"], len(frame))).to_csv(path, index=False)
    twin = to_sklearn(
        fit_source(LogisticRegression(), open_source(str(path), target="y", missing="drop", unknown="zero"))
    )
    good = frame.iloc[1:3]
    assert len(twin.predict(good)) == 2
    for column, cell in (("kids", pandas.NA), ("age", "old"), ("colour", None), ("colour", np.nan), ("colour", "?")):
        with pytest.raises((ValueError, TypeError)):
            twin.predict(good.astype(object).assign(**{column: [cell, cell]}))


@pytest.mark.parametrize(
    "labels",
    [
        np.array([np.str_("no"), np.str_("yes")], dtype=object),
        np.array([np.int64(3), np.int64(5)], dtype=object),
        np.array([False, True]),
        np.array([0.5, 1.5], dtype=np.float32),
        np.array(['say "no"', "it's\nyes \N{SNOWMAN} */ # \\"]),
    ],
)
def test_a_program_with_labels_of_any_kind_runs(labels: np.ndarray, tmp_path: Path) -> None:
    X, y = data(K=2)
    model = LogisticRegression().fit(X, y)
    model.classes_ = labels
    write_sklearn(model, tmp_path / "twin.py")
    twin = runpy.run_path(str(tmp_path / "twin.py"))["estimator"]
    assert twin.predict(X).tolist() == model.predict(X).tolist()


# --- frames of their fit ------------------------------------------------------------------------


def test_a_frame_with_its_columns_in_another_order_gets_no_certificate() -> None:
    pandas = pytest.importorskip("pandas")
    X, y = data(K=3)
    frame = pandas.DataFrame(X, columns=list("abcde"))
    theirs = Theirs(solver="newton-cg", tol=1e-12).fit(frame, y)
    with pytest.raises(DataError, match=r"in another order: give X\[list\(estimator.feature_names_in_\)\]"):
        from_sklearn(theirs, frame[list("ebcda")], y)
    with pytest.raises(DataError, match="X has the columns 'a', 'b', 'c', 'd', 'z'; the fit also had 'e'"):
        from_sklearn(theirs, frame.rename(columns={"e": "z"}), y)
    polars = pytest.importorskip("polars")
    with pytest.raises(DataError, match="in another order"):
        from_sklearn(theirs, polars.DataFrame(frame[list("ebcda")].to_dict("list")), y)
    assert from_sklearn(theirs, frame[list("ebcda")][list("abcde")], y).certificate_.gap < 1e-9
    assert from_sklearn(theirs, X, y).certificate_.gap < 1e-9


@pytest.mark.parametrize("export", [to_sklearn, to_c, to_sql, form_of])
@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_texts_that_no_other_program_reads_are_refused(export: Any, text: str) -> None:
    X, y = data(K=2)
    model = LogisticRegression().fit(X, y)
    model.classes_ = np.array(["no", text], dtype=object)
    with pytest.raises(ArgumentError, match=r"the class .* holds a character that no other program can read"):
        export(model)
    model.classes_ = np.array([0, 1])
    model.feature_names_in_ = np.array(["a", "b", "c", "d", text], dtype=object)
    with pytest.raises(ArgumentError, match=r"the column .* holds a character"):
        export(model)
