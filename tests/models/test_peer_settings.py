"""Settings, names, types and methods of scikit-learn's LogisticRegression: the same meaning, or one
clear sentence."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.model_selection import GridSearchCV

from polytome import LogisticRegression, MultilabelLogistic, OneVsOne, OneVsRest, load
from polytome.errors import ArgumentError
from polytome.evaluation.explain import contributions
from polytome.export import to_sklearn
from polytome.models.peer_settings import own_settings, threads_of
from polytome.solvers import LBFGS, Newton, Stop

X, y = load_iris(return_X_y=True)
TWO = y > 0
PEERS_NAMES = ("newton-cg", "newton-cholesky", "liblinear", "sag", "saga")


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PEERS_NAMES)
def test_scikit_learns_names_of_solvers_mean_auto_and_say_so(name: str) -> None:
    auto, named = LogisticRegression().fit(X, TWO), LogisticRegression(solver=name).fit(X, TWO)
    assert named.coef_.tobytes() == auto.coef_.tobytes()
    assert named.solver_.solver == auto.solver_.solver
    assert str(named.solver_).startswith(f"{auto.solver_.solver}: solver='{name}' is scikit-learn's and means 'auto'")
    assert named.solver_.reason.endswith(auto.solver_.reason)


@pytest.mark.parametrize("kind", [OneVsRest, OneVsOne])
def test_the_names_of_solvers_hold_for_models_made_of_binary_ones(kind: Any) -> None:
    assert kind(solver="saga").fit(X, y).coef_.tobytes() == kind().fit(X, y).coef_.tobytes()


@pytest.mark.parametrize(
    "settings",
    [
        {"penalty": "l2"},
        {"penalty": "deprecated"},
        {"penalty": "elasticnet", "l1_ratio": 0},
        {"l1_ratio": None},
        {"l1_ratio": 0},
        {"dual": False},
        {"dual": True, "solver": "liblinear"},
        {"intercept_scaling": 1},
        {"intercept_scaling": 1000.0},
        {"multi_class": "auto"},
        {"multi_class": "ovr"},
        {"n_jobs": 2},
        {"n_jobs": -1},
    ],
    ids=str,
)
def test_settings_with_the_same_meaning_change_no_bit(settings: dict[str, Any]) -> None:
    plain = LogisticRegression().fit(X, TWO)
    ways = (
        LogisticRegression(**settings),
        LogisticRegression().set_params(**settings),
        clone(LogisticRegression(**settings)),
    )
    for model in ways:
        assert {name: model.get_params()[name] for name in settings} == settings
        assert model.fit(X, TWO).coef_.tobytes() == plain.coef_.tobytes()


def test_the_penalty_may_be_given_by_place() -> None:
    assert LogisticRegression("l2").get_params()["penalty"] == "l2"


def test_multinomial_of_three_classes_is_softmax() -> None:
    named, plain = LogisticRegression(multi_class="multinomial").fit(X, y), LogisticRegression().fit(X, y)
    assert named.coef_.tobytes() == plain.coef_.tobytes()


def test_no_penalty_is_none_or_an_infinite_C(tmp_path: Any) -> None:
    noisy = np.random.default_rng(0).normal(size=(200, 3))
    target = np.random.default_rng(1).random(200) < 1 / (1 + np.exp(-noisy[:, 0]))
    infinite, none = (model.fit(noisy, target) for model in (LogisticRegression(C=np.inf), LogisticRegression(None)))
    assert none.coef_.tobytes() == infinite.coef_.tobytes()
    assert none.objective_.strength == 0
    with pytest.warns(UserWarning, match="penalty=None will ignore the C") as caught:
        LogisticRegression(penalty=None, C=4).fit(noisy, target)
    assert caught[0].filename == __file__
    none.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert np.inf == again.C
    assert again.fit(noisy, target).coef_.tobytes() == none.coef_.tobytes()
    assert np.inf == to_sklearn(none).C


def test_settings_of_scikit_learn_alone_stay_out_of_files(tmp_path: Any) -> None:
    model = LogisticRegression(solver="saga", n_jobs=2, dual=False, C=2.0).fit(X, y)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert (again.solver, again.C, again.n_jobs) == ("saga", 2.0, None)
    assert "n_jobs" not in own_settings(model)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"penalty": "l1", "solver": "sag"}, r"Solver sag supports only 'l2' or None penalties, got penalty='l1'"),
        ({"l1_ratio": 0.5, "solver": "liblinear"}, r"Only 'saga' solver supports elasticnet .* solver=liblinear"),
        ({"l1_ratio": 0.5, "solver": "newton"}, r"solver='newton' minimises L2 .*l1_ratio=0.5: use solver='auto'"),
        ({"l1_ratio": 1, "solver": "lbfgs"}, r"Solver lbfgs supports only 'l2' or None penalties, got l1_ratio=1"),
        ({"penalty": "elasticnet", "l1_ratio": None}, r"l1_ratio must be given"),
        (
            {"penalty": "none"},
            r"penalty='none': needs 'l2', 'l1', 'elasticnet' or None; for no penalty give None, or C=numpy.inf",
        ),
        ({"penalty": 2}, r"penalty=2: needs 'l2', 'l1'"),
        ({"l1_ratio": True}, r"l1_ratio=True: needs a number from 0"),
        ({"l1_ratio": 2}, r"l1_ratio=2: needs a number from 0"),
        ({"l1_ratio": "0"}, r"l1_ratio='0': needs a number from 0"),
        ({"l1_ratio": float("nan")}, r"l1_ratio=nan: needs a number from 0"),
        ({"dual": True}, r"Solver auto supports only dual=False, got dual=True: .* solver='dual'"),
        ({"dual": "no"}, r"dual='no': needs True or False"),
        ({"intercept_scaling": 0}, r"intercept_scaling=0: needs a positive number"),
        ({"n_jobs": 0}, r"n_jobs=0: needs None, a number of threads, or -1"),
        ({"n_jobs": True}, r"n_jobs=True: needs None"),
        ({"n_jobs": 1.5}, r"n_jobs=1.5: needs None"),
        ({"multi_class": "crammer"}, r"multi_class='crammer': needs 'auto'"),
        ({"multi_class": "ovr"}, r"polytome.OneVsRest"),
        ({"solver": "liblinear"}, r"'liblinear' solver does not support multiclass classification: .*OneVsRest"),
        ({"solver": "cg"}, r"solver='cg': needs one of auto, newton, lbfgs"),
    ],
    ids=str,
)
def test_settings_with_another_meaning_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ArgumentError, match=told):
        LogisticRegression(**settings).fit(X, y)


def test_multinomial_of_two_classes_is_another_model() -> None:
    with pytest.raises(ArgumentError, match=r"C doubled: leave multi_class out, and give C=3"):
        LogisticRegression(multi_class="multinomial", C=1.5).fit(X, TWO)


def test_a_penalty_that_contradicts_l1_ratio_is_l2_and_warned_about() -> None:
    with pytest.warns(UserWarning, match="Inconsistent values: penalty=l2 with l1_ratio=1"):
        model = LogisticRegression("l2", l1_ratio=1.0).fit(X, y)
    assert model.coef_.tobytes() == LogisticRegression().fit(X, y).coef_.tobytes()


def test_an_old_grid_runs_where_it_can() -> None:
    grid = {"penalty": ["l2", None], "solver": ["liblinear", "saga", "newton-cholesky"], "C": [1.0]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # without a penalty the classes are separated
        search = GridSearchCV(LogisticRegression(), grid, cv=3, error_score="raise").fit(X, TWO)
    assert len(search.cv_results_["mean_test_score"]) == 6
    assert search.best_score_ == 1.0


def test_every_setting_of_scikit_learn_is_known() -> None:
    theirs = set(Peer().get_params())
    assert theirs <= set(LogisticRegression().get_params())


def test_jobs_are_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYTOME_NUM_THREADS", "4")
    assert [threads_of(jobs) for jobs in (None, 1, 3, -1, -2, -9)] == [None, 1, 3, 4, 3, 1]
    rows = LogisticRegression(n_jobs=3)._problem(X, *_labels_and_weight()).rows
    assert rows.n_threads == 3


def _labels_and_weight() -> tuple[Any, Any]:
    from polytome.models.labels import hard_labels

    return hard_labels(y), np.ones(len(y))


# --- warnings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("solver", "begins"),
    [
        ("lbfgs", "lbfgs failed to converge after 1 iteration"),
        ("newton-cg", "newton-cg failed to converge after 1 iteration(s). Increase the number of iterations."),
        ("newton-cholesky", "Newton solver did not converge after 1 iterations"),
        ("liblinear", "Liblinear failed to converge, increase the number of iterations."),
        ("sag", "The max_iter was reached which means the coef_ did not converge"),
        ("saga", "The max_iter was reached which means the coef_ did not converge"),
        ("newton", "`max_iter` iterations were made before the certificate held"),
        (LBFGS(), "`max_iter` iterations were made before the certificate held"),
    ],
    ids=str,
)
def test_filters_of_warnings_meet_the_words_they_know(solver: Any, begins: str) -> None:
    with pytest.warns(ConvergenceWarning) as caught:
        LogisticRegression(solver=solver, max_iter=1, tol=1e-12).fit(X, TWO)
    text = str(caught[0].message)
    assert text.startswith(begins)
    assert "`max_iter` iterations were made" in text
    assert caught[0].filename == __file__


def test_no_iteration_leaves_zeros_with_their_certificate() -> None:
    with pytest.warns(ConvergenceWarning):
        model = LogisticRegression(max_iter=0, tol=1e-6).fit(X, y == 2)
    assert not model.coef_.any()
    assert not model.intercept_.any()
    np.testing.assert_array_equal(model.predict_proba(X), np.full((150, 2), 0.5))
    assert model.n_iter_.tolist() == [0]
    best = LogisticRegression(tol=1e-12).fit(X, y == 2).certificate_.objective
    assert np.isclose(model.certificate_.objective, np.log(2), rtol=1e-15)
    assert np.log(2) - best <= model.certificate_.gap < np.inf
    assert model.stop_ is Stop.MAX_ITER


def test_no_iteration_after_a_warm_start_keeps_what_was_learnt() -> None:
    model = LogisticRegression(warm_start=True).fit(X, TWO)
    before = model.coef_.copy()
    model.set_params(max_iter=0).fit(X, TWO)
    np.testing.assert_allclose(model.coef_, before, rtol=1e-12)


@pytest.mark.parametrize("solver", ["auto", "newton-cg", "gradient-descent"])
@pytest.mark.parametrize("settings", [{}, {"fit_intercept": False}, {"C": np.inf}, {"scale": "standard"}], ids=str)
def test_one_step_after_the_other_is_as_good_as_several_at_once(solver: str, settings: dict[str, Any]) -> None:
    """The steps of methods without memory are the same ones."""
    models = [LogisticRegression(solver=solver, max_iter=n, warm_start=n == 1, **settings) for n in (3, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        models[0].fit(X, y)
        for _ in range(3):
            models[1].fit(X, y)
    np.testing.assert_allclose(models[1].coef_, models[0].coef_, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(models[1].intercept_, models[0].intercept_, rtol=1e-7, atol=1e-12)


def test_a_warm_start_begins_at_coefficients_set_by_hand() -> None:
    model = LogisticRegression(max_iter=1, warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    optimum = LogisticRegression(tol=1e-9).fit(X, y)
    model.coef_, model.intercept_ = optimum.coef_, optimum.intercept_
    assert model.fit(X, y).n_iter_.tolist() == [0]


# --- types --------------------------------------------------------------------------------------

SINGLE = X.astype(np.float32)


@pytest.mark.parametrize("rows", [SINGLE, sparse.csr_matrix(SINGLE), np.asfortranarray(SINGLE)], ids=["C", "csr", "F"])
@pytest.mark.parametrize("target", [TWO, y], ids=["two", "three"])
def test_float32_in_float32_out(rows: Any, target: Any) -> None:
    ours, theirs = LogisticRegression().fit(rows, target), Peer(max_iter=1000).fit(rows, target)
    for name in ("coef_", "intercept_", "n_iter_"):
        assert getattr(ours, name).dtype == getattr(theirs, name).dtype
    for name in ("decision_function", "predict_proba", "predict_log_proba"):
        for X_seen in (rows, rows.astype(np.float64)):
            assert getattr(ours, name)(X_seen).dtype == getattr(theirs, name)(X_seen).dtype, name
    np.testing.assert_array_equal(ours.predict(rows), theirs.predict(rows))
    np.testing.assert_allclose(ours.predict_proba(rows).sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    "fit", [LogisticRegression().fit, OneVsRest().fit, OneVsOne().fit], ids=["softmax", "ovr", "ovo"]
)
@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_the_certificate_is_about_the_rounded_coefficients(fit: Any, shift: float) -> None:
    rows = (X + shift).astype(np.float32)
    model = fit(rows, y)
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    assert model.certificate_.holds
    if isinstance(model, LogisticRegression):
        value = _objective_of(model, rows, y)
        assert np.isclose(model.certificate_.objective, value, rtol=1e-12)
        best = LogisticRegression(tol=1e-13).fit(rows.astype(np.float64), y).certificate_.objective
        assert value - best <= model.certificate_.gap


def _objective_of(model: Any, rows: Any, labels: Any) -> float:
    """The mean loss plus penalty, by NumPy alone."""
    scores = rows.astype(np.float64) @ model.coef_.astype(np.float64).T + model.intercept_.astype(np.float64)
    losses = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(labels)), labels]
    return float(losses.mean() + (model.coef_.astype(np.float64) ** 2).sum() / (2 * model.C * len(labels)))


def test_coefficients_stay_long_where_short_ones_would_lose_the_certificate() -> None:
    far = SINGLE + np.float32(1e5)  # the intercept is so large that float32 holds it to a hundredth
    model = LogisticRegression(tol=1e-8, solver=Newton()).fit(far, y)
    assert model.certificate_.holds
    assert model.coef_.dtype == np.float64
    assert model.predict_proba(far).dtype == np.float64


def test_coefficients_beyond_float32_stay_long() -> None:
    tiny = np.array([[1e-42], [2e-42], [3e-42], [4e-42]], np.float32)
    model = LogisticRegression(C=np.inf, tol=1e-3).fit(tiny, [0, 1, 0, 1])
    assert np.isfinite(model.coef_).all()
    assert np.abs(model.coef_).max() > np.finfo(np.float32).max
    assert model.coef_.dtype == np.float64


def test_labels_of_float32_rows() -> None:
    model = MultilabelLogistic().fit(SINGLE, np.column_stack([TWO, y == 2]))
    assert model.coef_.dtype == model.predict_proba(SINGLE).dtype == np.float32


def test_other_types_keep_float64() -> None:
    for rows in (X, SINGLE.astype(np.float16), (10 * X).astype(np.uint8), X.tolist()):
        assert LogisticRegression().fit(rows, y).coef_.dtype == np.float64
    assert LogisticRegression(solver="liblinear").fit(SINGLE, TWO).coef_.dtype == np.float64


def test_float32_models_come_back_from_files(tmp_path: Any) -> None:
    model = LogisticRegression().fit(SINGLE, y)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert (again.coef_.dtype, again.intercept_.dtype, again.n_iter_.dtype) == (np.float32, np.float32, np.int32)
    assert again.predict_proba(SINGLE).tobytes() == model.predict_proba(SINGLE).tobytes()


# --- methods ------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [TWO, y], ids=["two", "three"])
def test_sparse_coefficients_serve_everywhere(target: Any, tmp_path: Any) -> None:
    model = LogisticRegression().fit(X, target)
    dense = model.coef_
    scores, parts = model.decision_function(X), contributions(model, X).values
    assert model.sparsify() is model
    assert sparse.issparse(model.coef_)
    for rows in (X, sparse.coo_matrix(X), sparse.csc_array(X)):
        np.testing.assert_allclose(model.decision_function(rows), scores, rtol=1e-12)
    np.testing.assert_array_equal(contributions(model, X).values, parts)
    model.save(tmp_path / "model")
    assert load(tmp_path / "model").coef_.tobytes() == dense.tobytes()
    np.testing.assert_array_equal(to_sklearn(model).coef_, dense)
    warm = clone(model).set_params(warm_start=True).fit(X, target).sparsify().fit(X, target)
    assert warm.n_iter_.tolist() == [0]
    assert model.densify().coef_.tobytes() == dense.tobytes()


@pytest.mark.parametrize("method", ["sparsify", "densify"])
def test_only_fitted_models_have_coefficients_to_turn(method: str) -> None:
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        getattr(LogisticRegression(), method)()


def test_arrays_of_other_libraries_get_one_clear_word(monkeypatch: pytest.MonkeyPatch) -> None:
    class Foreign(list):  # type: ignore[type-arg]
        def __array_namespace__(self, api_version: str | None = None) -> Any:
            return np

    rows = Foreign(X.tolist())
    model = LogisticRegression().fit(rows, y)  # without dispatch it is read as NumPy reads it
    monkeypatch.setattr("polytome.models.features.get_config", lambda: {"array_api_dispatch": True})
    for call in (
        lambda: LogisticRegression().fit(rows, y),
        lambda: model.predict(rows),
        lambda: OneVsRest().fit(rows, y),
    ):
        with pytest.raises(ArgumentError, match=r"X is .*Foreign, and array_api_dispatch is on: .* numpy.asarray\(X\)"):
            call()
    assert model.predict(X).shape == (150,)
