"""`partial_fit` learns from rows that come in parts, and `distance_to_batch` says how well."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.feature_extraction import DictVectorizer
from sklearn.metrics import log_loss

import polytome.models.partial
from polytome import LogisticRegression, load, verify
from polytome.errors import ArgumentError, DataError
from polytome.solvers.running_quadratic import Quadratic
from polytome.solvers.running_steps import Steps

IRIS, DIGITS, CANCER = (loaded(return_X_y=True) for loaded in (load_iris, load_digits, load_breast_cancer))


def learned(X: Any, y: Any, *, rows: int = 30, passes: int = 1, order: str = "shuffled", **settings: Any) -> Any:
    """A model of all rows, in batches."""
    rng, model = np.random.default_rng(0), LogisticRegression(**settings)
    places = rng.permutation(len(y)) if order == "shuffled" else np.argsort(y, kind="stable")
    for _ in range(passes):
        if order == "reshuffled":
            places = rng.permutation(len(y))
        for start in range(0, len(y), rows):
            model.partial_fit(X[places[start : start + rows]], y[places[start : start + rows]])
    return model


def wide(n_rows: int = 400, n_features: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Rows of more coefficients than have their curvature kept."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n_rows, n_features)) / 10
    return X, (X[:, :3] + rng.normal(size=(n_rows, 3)) / 20).argmax(axis=1)


@pytest.mark.parametrize("order", ["shuffled", "reshuffled", "sorted"])
@pytest.mark.parametrize("data", [IRIS, CANCER], ids=["iris", "cancer"])
def test_passes_approach_the_optimum_of_one_copy_of_the_data(data: Any, order: str) -> None:
    X, y = data[0] / data[0].std(axis=0), data[1]
    model = learned(X, y, passes=10, order=order)
    assert model.state_.n_rows == len(y)
    assert model.state_.passes == 10
    assert model.distance_to_batch(X, y).relative_gap < 1e-6
    best = LogisticRegression(tol=1e-10).fit(X, y)
    assert np.allclose(model.coef_, best.coef_, atol=1e-3)


def test_digits_are_within_a_hundredth_of_the_optimum_after_passes() -> None:
    X, y = DIGITS
    model = learned(X, y, rows=600, passes=5)
    assert isinstance(model.state_.running.model, Quadratic)
    assert model.distance_to_batch(X, y).relative_gap < 1e-2


def test_one_call_is_a_fit() -> None:
    X, y = IRIS
    model = LogisticRegression(C=0.5, scale=2.0).partial_fit(X, y)
    assert model.distance_to_batch(X, y).relative_gap < 1e-6
    assert np.allclose(model.coef_, LogisticRegression(C=0.5, scale=2.0, tol=1e-12).fit(X, y).coef_, atol=1e-4)


def test_once_over_is_near_the_optimum() -> None:
    X, y = CANCER[0] / CANCER[0].std(axis=0), CANCER[1]
    assert learned(X, y).distance_to_batch(X, y).relative_gap < 2e-2


def test_many_coefficients_come_nearer_with_each_pass() -> None:
    X, y = wide()
    gaps = []
    for passes in (1, 5, 25):
        model = learned(X, y, rows=100, passes=passes, C=10.0)
        proved = model.distance_to_batch(X, y)
        gaps.append(proved.objective - LogisticRegression(C=10.0, tol=1e-9).fit(X, y).certificate_.objective)
    assert isinstance(model.state_.running.model, Steps)
    assert model.state_.passes == 25
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2] > 0


def test_rows_of_few_kinds_are_not_mistaken_for_passes() -> None:
    """Four kinds of rows, all of which come in each batch: the data are as many as came."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (1000, 1)).astype(float)
    y = (rng.random(1000) < np.where(X[:, 0] > 0, 0.8, 0.3)).astype(int)
    model = LogisticRegression(C=0.01)
    for start in range(0, 1000, 50):
        model.partial_fit(X[start : start + 50], y[start : start + 50])
    assert model.distance_to_batch(X, y).relative_gap < 2e-3


def test_new_rows_after_passes_count() -> None:
    X, y = IRIS
    model = learned(X[::2], y[::2], passes=4)
    for start in range(0, 75, 25):
        model.partial_fit(X[1::2][start : start + 25], y[1::2][start : start + 25])
    assert model.state_.n_rows == len(np.unique(np.column_stack([X, y]), axis=0)) or model.state_.n_rows == 150
    assert model.distance_to_batch(X, y).relative_gap < 1e-2


def test_classes_that_arrive_one_after_the_other() -> None:
    X, y = DIGITS
    best = log_loss(y, LogisticRegression().fit(X, y).predict_proba(X))
    model = learned(X, y, rows=300, order="sorted")
    assert model.classes_.tolist() == list(range(10))
    assert log_loss(y, model.predict_proba(X)) - best < 0.6
    assert model.score(X, y) > 0.8


def test_classes_that_arrive_one_after_the_other_are_not_forgotten_by_steps() -> None:
    X, y = wide(900)
    model = learned(X * 10, y, rows=50, order="sorted", C=0.01)
    assert isinstance(model.state_.running.model, Steps)
    assert model.score(X * 10, y) > 0.6  # a third are of the class that came last


def test_labels_keep_their_order_whichever_comes_first() -> None:
    X, y = IRIS
    names = np.array(["virginica", "setosa", "versicolor"])[y]
    model = learned(X, names, order="sorted", passes=6)
    assert model.classes_.tolist() == sorted(names[[0, 60, 120]])
    assert model.score(X, names) > 0.95
    two = learned(X[:100], -y[:100], order="sorted", passes=6)
    assert two.coef_.shape == (1, 4)
    assert two.score(X[:100], -y[:100]) == 1.0


def test_a_class_without_rows_is_improbable() -> None:
    X, y = IRIS
    model = LogisticRegression().partial_fit(X, y, classes=[0, 1, 2, 3])
    assert model.predict_proba(X).shape == (150, 4)
    assert model.predict_proba(X)[:, 3].max() < 1e-40
    assert model.distance_to_batch(X, y).relative_gap < 1e-6


@pytest.mark.parametrize("far", [0.0, 1e6, 1e9, 1e12])
@pytest.mark.parametrize("lacking", [[2], [1, 2], [0, 2]])
def test_a_distance_to_rows_that_lack_classes_holds_far_from_zero(far: float, lacking: list[int]) -> None:
    """Against other coefficients for the same rows, in fifty digits: the infimum is no higher."""
    mpmath = pytest.importorskip("mpmath")
    rng = np.random.default_rng(len(lacking) + lacking[0])
    Z = rng.normal(size=(40, 2))
    y = (Z @ rng.normal(size=(2, 3)) + rng.gumbel(size=(40, 3))).argmax(axis=1)
    X, rows = Z + far, ~np.isin(y, lacking)
    of_all = LogisticRegression(tol=1e-6).fit(X, y)
    X, Z, y, strength = X[rows], X[rows] - far, y[rows], 1 / rows.sum()
    of_these = LogisticRegression().partial_fit(X, y, classes=[0, 1, 2])
    best = LogisticRegression(C=2.0, tol=1e-12).fit(Z, y) if len({*y.tolist()}) > 1 else None

    def objective(coef: Any, intercept: Any) -> Any:
        total = sum(mpmath.mpf(float(w)) ** 2 for w in np.ravel(coef)) * strength / 2
        for x, own in zip(X, y, strict=True):
            scores = [b + mpmath.fdot(map(float, x), map(float, w)) for w, b in zip(coef, intercept, strict=True)]
            total += mpmath.log(sum(mpmath.exp(score - scores[own]) for score in scores)) / len(y)
        return total

    with mpmath.workdps(50):
        least = mpmath.mpf(0)
        if best is not None:  # half of a coefficient in each of two classes, and the third never
            coef, moved = np.zeros((3, 2)), [mpmath.mpf(-200)] * 3
            for label, sign in zip(sorted({*y.tolist()}), (-1, 1), strict=True):
                coef[label] = sign * best.coef_[0] / 2
                moved[label] = sign * mpmath.mpf(float(best.intercept_[0])) / 2 - far * sum(
                    map(mpmath.mpf, coef[label])
                )
            least = objective(coef, moved)
        for model in (of_all, of_these):
            found = model.distance_to_batch(X, y)
            excess = objective(model.coef_, list(map(mpmath.mpf, model.intercept_.tolist()))) - least
            assert found.kind == "proof"
            assert excess <= found.gap
            assert far > 1e6 or model is of_all or found.gap <= excess + 1e-3


def test_one_class_alone_is_certain() -> None:
    model = LogisticRegression().partial_fit([[1.0], [2.0]], ["a", "a"])
    assert model.predict([[3.0]]).tolist() == ["a"]
    assert model.predict_proba([[3.0]]).tolist() == [[1.0]]
    with pytest.raises(DataError, match="at least two"):
        model.distance_to_batch([[1.0]], ["a"])
    assert model.partial_fit([[9.0], [10.0]], ["b", "b"]).predict([[1.0], [9.0]]).tolist() == ["a", "b"]


def test_weights_are_repetitions() -> None:
    X, y = IRIS
    weight = np.random.default_rng(0).integers(0, 3, 150)
    model = LogisticRegression().partial_fit(X, y, sample_weight=weight)
    twin = LogisticRegression().partial_fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert np.allclose(model.coef_, twin.coef_, atol=1e-4)
    assert model.distance_to_batch(X, y, sample_weight=weight).relative_gap < 1e-6
    heavier = LogisticRegression(class_weight={1: 2.0, "of no row": 3.0}).partial_fit(X, y)
    doubled = LogisticRegression().partial_fit(X, y, sample_weight=1.0 + (y == 1))
    assert np.allclose(heavier.coef_, doubled.coef_, atol=1e-6)


@pytest.mark.parametrize("settings", [{"fit_intercept": False}, {"C": np.inf}, {"penalty_weights": [1, 0, 2, 1]}])
def test_settings_of_the_objective_hold(settings: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    X, y = IRIS[0], (IRIS[1] > 0) ^ (rng.random(150) < 0.2)
    model = learned(X, y, passes=8, **settings)
    best = LogisticRegression(tol=1e-9, **settings).fit(X, y)
    assert np.allclose(model.coef_, best.coef_, atol=1e-3)


@pytest.mark.parametrize("storage", [sparse.csr_matrix, sparse.csc_array, np.asfortranarray, np.float32])
def test_storage_makes_no_difference(storage: Any) -> None:
    for X, y in (IRIS, wide(200)):
        X = X.astype(np.float32).astype(np.float64)
        model, twin = LogisticRegression(), LogisticRegression()
        for _ in range(2):
            model.partial_fit(X, y)
            twin.partial_fit(storage(X), y)
        assert np.allclose(model.coef_, twin.coef_, rtol=1e-6, atol=1e-9)
        assert twin.state_.passes == 2


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_frame_may_have_new_columns_at_its_end(frame: Any) -> None:
    X, y = IRIS
    names = ["a", "b", "c", "d"]
    model = LogisticRegression().partial_fit(frame(dict(zip(names[:2], X[:75, :2].T, strict=True))), y[:75])
    model.partial_fit(frame(dict(zip(names, X[75:].T, strict=True))), y[75:])
    assert model.feature_names_in_.tolist() == names
    whole = X.copy()
    whole[:75, 2:] = 0
    assert model.distance_to_batch(frame(dict(zip(names, whole.T, strict=True))), y).relative_gap < 0.2
    with pytest.raises(DataError, match="yet now missing"):
        model.partial_fit(frame(dict(zip(names[:3], X[:, :3].T, strict=True))), y)
    with pytest.raises(DataError, match="same order"):
        model.partial_fit(frame(dict(zip(names[::-1], X.T, strict=True))), y)


def test_a_vocabulary_may_grow() -> None:
    batches = [
        ([{"word=red": 1}, {"word=sea": 1}], ["hot", "cold"]),
        ([{"word=ice": 1}, {"word=red": 1, "word=fire": 1}], ["cold", "hot"]),
    ]
    vectoriser, model = DictVectorizer(sort=False), LogisticRegression(C=10.0)
    names: list[str] = []
    for words, labels in batches:
        vectoriser.fit([dict.fromkeys(names, 0), *words] if names else words)
        names = vectoriser.get_feature_names_out().tolist()
        model.partial_fit(vectoriser.transform(words), labels, feature_names=names)
    assert names == ["word=red", "word=sea", "word=ice", "word=fire"]
    assert model.predict(vectoriser.transform([{"word=ice": 1}, {"word=fire": 1}])).tolist() == ["cold", "hot"]
    with pytest.raises(DataError, match=r"feature_names\[0\] is 'x', where the model knows 'word=red'"):
        model.partial_fit(np.eye(4), ["hot"] * 4, feature_names=["x", *names[1:]])
    with pytest.raises(ArgumentError, match="at each call"):
        model.partial_fit(np.eye(4), ["hot"] * 4)


def test_growth_from_few_coefficients_to_many_goes_on() -> None:
    X, y = wide(300, 400)
    names = [f"x{column}" for column in range(400)]
    model = LogisticRegression().partial_fit(pd.DataFrame(X[:150, :300], columns=names[:300]), y[:150])
    assert isinstance(model.state_.running.model, Quadratic)
    before = model.score(pd.DataFrame(X[:, :300], columns=names[:300]), y)
    model.partial_fit(pd.DataFrame(X[150:], columns=names), y[150:])
    assert isinstance(model.state_.running.model, Steps)
    assert model.score(pd.DataFrame(X, columns=names), y) > before - 0.1


WRONG = [
    ([[np.nan, 1.0]], ["a"], DataError, "NaN at row 0, column 0"),
    ([[1.0, np.inf]], ["a"], DataError, "infinity at row 0, column 1"),
    ([[1e12, 1.0]], ["a"], DataError, r"X\[0, 0\] is 1e\+12"),
    ([[1e200, 1.0]], ["a"], DataError, r"X\[0, 0\] is 1e\+200"),
    ([[1.0, 2.0, 3.0]], ["a"], DataError, "X has 3 features, but LogisticRegression is expecting 2"),
    ([[1.0]], ["a"], DataError, "X has 1 features, but LogisticRegression is expecting 2"),
    ([[1.0, 2.0]], [7], DataError, "y has numbers for labels, as 7, and .* text, as 'a'"),
    ([[1.0, 2.0]], [True], DataError, "y has booleans for labels"),
    ([[1.0, 2.0]], ["a", "b"], DataError, "inconsistent numbers of samples"),
    ([[1.0, 2.0]], None, DataError, "requires y"),
    ([[1.0, 2.0]], [[0.5, 0.5]], DataError, "one label per row"),
    ([["x", 2.0]], ["a"], DataError, "column 0"),
]


@pytest.mark.parametrize(("X", "y", "kind", "message"), WRONG)
def test_a_wrong_batch_is_refused_and_changes_nothing(X: Any, y: Any, kind: Any, message: str) -> None:
    model = LogisticRegression().partial_fit([[0.0, 1.0], [1.0, 0.5], [2.0, 2.0]], ["a", "b", "c"])
    before = pickle.dumps(vars(model))
    with pytest.raises(kind, match=message):
        model.partial_fit(X, y)
    assert pickle.dumps(vars(model)) == before


def test_an_empty_batch_changes_nothing() -> None:
    model = LogisticRegression().partial_fit([[0.0], [1.0]], [0, 1])
    state = model.state_
    assert model.partial_fit(np.zeros((0, 1)), []).state_ is state
    assert "coef_" not in vars(LogisticRegression().partial_fit(np.zeros((0, 2)), []))


def test_settings_that_need_all_rows_are_refused() -> None:
    X, y = IRIS
    with pytest.raises(AttributeError, match="partial_fit"):
        LogisticRegression(scale="standard").partial_fit(X, y)
    with pytest.raises(AttributeError, match="partial_fit"):
        LogisticRegression(class_weight="balanced").partial_fit(X, y)
    model = LogisticRegression().partial_fit(X, y)
    with pytest.raises(ArgumentError, match="scale is not what the model began with"):
        model.set_params(scale=2.0).partial_fit(X, y)
    with pytest.raises(ArgumentError, match="fit_intercept"):
        model.set_params(scale=None, fit_intercept=False).partial_fit(X, y)


def test_an_interrupted_call_leaves_the_old_model_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = IRIS
    model = LogisticRegression().partial_fit(X[:100], y[:100])
    before = pickle.dumps(vars(model))

    def interrupted(*arguments: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    for place in ("set_coefficients", "identities", "Batch"):
        with monkeypatch.context() as patched:
            patched.setattr(polytome.models.partial, place, interrupted)
            with pytest.raises(KeyboardInterrupt):
                model.partial_fit(X[100:], y[100:])
        assert pickle.dumps(vars(model)) == before


def test_fit_begins_anew() -> None:
    X, y = IRIS
    model = LogisticRegression().partial_fit(X[:60], y[:60]).fit(X, y)
    assert "state_" not in vars(model)
    assert model.certificate_.holds
    assert (model.coef_ == LogisticRegression().fit(X, y).coef_).all()
    assert "coef_" not in vars(clone(model))
    other = LogisticRegression().fit(X[:, :2], y > 0).partial_fit(X, y)
    assert (other.coef_ == LogisticRegression().partial_fit(X, y).coef_).all()
    assert not hasattr(other, "certificate_")


def test_nothing_is_claimed_about_rows_that_are_gone() -> None:
    X, y = IRIS
    model = LogisticRegression().partial_fit(X, y)
    for name in ("certificate_", "objective_", "history_", "stop_", "n_iter_", "solver_"):
        assert not hasattr(model, name)
    with pytest.raises(AttributeError, match="distance_to_batch"):
        _ = model.certificate_
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = model.other
    with pytest.raises(ArgumentError, match="distance_to_batch"):
        verify(model, X, y)
    assert "partial_fit" in model._repr_html_()
    assert "nothing is proved about rows that are gone" in model.report(X, y).html
    assert repr(model) == "LogisticRegression()"
    assert "150 rows of 3 classes, 1 pass" in str(model.state_)


def test_distance_to_batch_is_the_certificate_of_the_coefficients_as_they_are() -> None:
    X, y = IRIS
    fitted = LogisticRegression(tol=1e-3).fit(X, y)
    best = LogisticRegression(tol=1e-12).fit(X, y).certificate_.objective
    own = fitted.distance_to_batch(X, y)
    assert own.objective == pytest.approx(fitted.certificate_.objective, rel=1e-9)
    assert own.objective - best <= own.gap < 1e-3
    fitted.intercept_ = fitted.intercept_ + np.array([1.0, 0.0, 0.0])
    moved = fitted.distance_to_batch(X, y)
    assert moved.objective - best <= moved.gap
    assert moved.gap > 10 * own.gap
    with pytest.raises(DataError, match="the labels 7"):
        fitted.distance_to_batch(X[:1], [7])
    some = fitted.distance_to_batch(X[:100], y[:100])
    assert 0 < some.gap <= some.objective
    with pytest.raises(DataError, match="no rows"):
        fitted.distance_to_batch(X[:0], y[:0])


def test_a_distance_counts_classes_that_the_data_lack() -> None:
    """The infimum leaves them out; the coefficients give them probability."""
    X, y = IRIS
    model = LogisticRegression().partial_fit(X, y)
    proved = model.distance_to_batch(X[:50], y[:50])
    penalty = (model.coef_**2).sum() / (2 * 50)
    assert proved.objective == pytest.approx(log_loss(y[:50], model.predict_proba(X[:50]), labels=[0, 1, 2]) + penalty)
    assert proved.gap == proved.objective


@pytest.mark.parametrize("data", [IRIS, wide(200)], ids=["few", "many"])
def test_a_loaded_model_goes_on_with_equal_bits(data: Any, tmp_path: Path) -> None:
    X, y = data
    whole, parts = LogisticRegression(), LogisticRegression()
    for _ in range(3):
        for start in range(0, len(y), 40):
            rows = slice(start, start + 40)
            whole.partial_fit(X[rows], y[rows])
            parts.partial_fit(X[rows], y[rows]).save(tmp_path / "model.safetensors")
            parts = load(tmp_path / "model.safetensors")
    assert whole.state_.passes == parts.state_.passes == 3
    assert (whole.coef_ == parts.coef_).all()
    assert (whole.intercept_ == parts.intercept_).all()
    assert (pickle.loads(pickle.dumps(whole)).partial_fit(X, y).coef_ == parts.partial_fit(X, y).coef_).all()


def test_names_and_classes_are_saved(tmp_path: Path) -> None:
    model = LogisticRegression().partial_fit(np.eye(2), [True, False], feature_names=["u", "v"])
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.state_.names == ("u", "v")
    assert again.classes_.tolist() == [False, True]
    assert again.partial_fit(np.eye(2, 3), [True, False], feature_names=["u", "v", "w"]).n_features_in_ == 3


@pytest.mark.parametrize("data", [DIGITS, wide(200)], ids=["few", "many"])
def test_threads_change_no_bit(data: Any) -> None:
    X, y = data
    one, two = (LogisticRegression(n_jobs=jobs).partial_fit(X, y).partial_fit(X, y) for jobs in (1, 2))
    assert (one.coef_ == two.coef_).all()


@pytest.mark.parametrize("settings", [{"l1_ratio": 0.5}, {"penalty": "l1"}, {"penalty": "elasticnet", "l1_ratio": 1.0}])
def test_absolute_values_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="partial_fit learns under squares alone"):
        LogisticRegression(**settings).partial_fit(*IRIS)


def test_what_fit_found_of_its_rows_does_not_stay() -> None:
    X, y = IRIS
    model = LogisticRegression(l1_ratio=1.0).fit(X, y)
    model.l1_ratio = 0.0
    model.partial_fit(X, y)
    assert not {"proved_zero_", "separation_", "certificate_"} & vars(model).keys()
