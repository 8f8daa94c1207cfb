"""`LogisticRegression`: the same model as scikit-learn's at its optimum, from any input, with
honest attributes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_svmlight_file, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as PeerRegression

from fitted_models import assert_same_model, data, exact
from polytome import LogisticRegression, Progress, Stop
from polytome.solvers import LBFGS, GradientDescent, Newton, StochasticGradientDescent

LOADERS = {"iris": load_iris, "digits": load_digits, "wine": load_wine, "breast cancer": load_breast_cancer}


# --- the same optimum as scikit-learn ---


def peer_objective(peer: PeerRegression, X: np.ndarray, y: np.ndarray, C: float) -> float:
    """The mean loss plus penalty of scikit-learn's coefficients, written out."""
    log_p = peer.predict_log_proba(X)[np.arange(len(y)), np.searchsorted(peer.classes_, y)]
    return -log_p.mean() + (peer.coef_**2).sum() / (2 * C * len(y))


def centred(intercept: np.ndarray) -> np.ndarray:
    """Adding a constant to the intercepts of all classes changes no prediction."""
    return intercept if len(intercept) == 1 else intercept - intercept.mean()


@pytest.mark.parametrize(
    ("name", "fit_intercept"), [(name, yes) for name in LOADERS for yes in (True, False) if yes or name != "digits"]
)
def test_coefficients_of_scikit_learn(name: str, fit_intercept: bool) -> None:
    X, y = LOADERS[name](return_X_y=True)
    model = exact(fit_intercept=fit_intercept, tol=1e-12).fit(X, y)
    # On digits scikit-learn is slow to its last digits.
    tol, atol = (1e-8, 1e-4) if name == "digits" else (1e-12, 1e-6)
    peer = PeerRegression(solver="newton-cholesky", tol=tol, max_iter=10_000, fit_intercept=fit_intercept)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # at this tolerance its line search may end in rounding
        peer.fit(X, y)
    assert model.certificate_.kind == "proof"
    assert model.certificate_.coefficient_bound < 1e-4  # rounding of the objective counted, which the coefficients beat
    assert model.certificate_.objective <= peer_objective(peer, X, y, 1.0) + 1e-12
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=atol)
    np.testing.assert_allclose(centred(model.intercept_), centred(peer.intercept_), atol=100 * atol, rtol=1e-6)


@pytest.fixture(scope="module")
def a9a() -> tuple[sparse.csr_matrix, np.ndarray, PeerRegression]:
    """Rows and labels of it, and what scikit-learn makes of them; of all rows in ten seconds."""
    folder = os.environ.get("POLYTOME_DATA")
    if not folder:
        pytest.skip("POLYTOME_DATA is not set")
    X, y = (each[:6000] for each in load_svmlight_file(str(Path(folder) / "a9a" / "a9a")))
    return X, y, PeerRegression(solver="newton-cholesky", tol=1e-10, max_iter=1000).fit(X.toarray(), y)


@pytest.mark.data
@pytest.mark.parametrize("solver", ["auto", LBFGS()])
def test_coefficients_of_scikit_learn_on_a9a(
    a9a: tuple[sparse.csr_matrix, np.ndarray, PeerRegression], solver: object
) -> None:
    X, y, peer = a9a
    model = LogisticRegression(solver=solver, tol=1e-12 if solver == "auto" else 1e-10).fit(X, y)
    assert model.certificate_.holds
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-5 if solver == "auto" else 1e-2)
    assert model.certificate_.objective <= peer_objective(peer, X, y, 1.0) + 1e-10


@pytest.mark.parametrize("K", [2, 4])
@pytest.mark.parametrize("C", [1e-3, 1.0, 1e3, np.inf])
def test_any_strength_with_weights(K: int, C: float) -> None:
    X, y = data(K)
    weight = np.random.default_rng(1).uniform(0.1, 3.0, size=len(y))
    model = exact(C=C).fit(X, y, weight)
    peer = PeerRegression(C=C, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(X, y, weight)
    # Without a penalty scikit-learn's softmax coefficients are free up to a constant; so are ours.
    ours, theirs = (m.coef_ if K == 2 else m.coef_ - m.coef_.mean(axis=0) for m in (model, peer))
    np.testing.assert_allclose(ours, theirs, atol=2e-6)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=1e-6)
    assert model.stop_ is Stop.CERTIFIED
    assert model.certificate_.is_of_curvature == np.isinf(C)


def test_without_intercept_there_is_none() -> None:
    for K in (2, 3):
        X, y = data(K)
        assert not exact(fit_intercept=False).fit(X, y).intercept_.any()


# --- probabilities ---


def test_log_probabilities_where_probabilities_are_zero() -> None:
    for K in (2, 3):
        X, y = data(K)
        model = LogisticRegression().fit(X, y)
        far = 2000 * X[:5] / np.abs(X[:5] @ model.coef_.T).max(axis=1, keepdims=True)
        with np.errstate(divide="ignore"):
            naive = np.log(model.predict_proba(far))
        exact_log = model.predict_log_proba(far)
        assert np.isneginf(naive).any()
        assert np.isfinite(exact_log).all()
        scores = model.decision_function(far)
        scores = np.column_stack([np.zeros(5), scores]) if K == 2 else scores
        expected = scores - np.logaddexp.reduce(scores, axis=1)[:, None]
        np.testing.assert_allclose(exact_log, expected, atol=1e-11)


def test_small_probability_is_not_one_minus_the_other() -> None:
    model = LogisticRegression().fit([[-1.0], [1.0]], [0, 1])
    x = (40 - model.intercept_[0]) / model.coef_[0, 0]
    assert model.decision_function([[x]])[0] == pytest.approx(40, rel=1e-14)
    p = model.predict_proba([[x], [-x]])
    assert p[0, 0] == pytest.approx(np.exp(-40), rel=1e-12)  # 4e-18; 1 - p would be 0
    assert p[1, 1] == pytest.approx(np.exp(-40), rel=1e-12)
    assert p[0, 1] == 1.0


@pytest.mark.parametrize("K", [2, 5])
def test_predictions_belong_together(K: int) -> None:
    X, y = data(K)
    model = LogisticRegression().fit(X, y)
    p = model.predict_proba(X)
    assert p.shape == (len(y), K)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(np.log(p), model.predict_log_proba(X), atol=1e-13)
    np.testing.assert_array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])
    scores = X @ model.coef_.T + model.intercept_
    np.testing.assert_allclose(model.decision_function(X), scores[:, 0] if K == 2 else scores, atol=1e-13)
    assert model.score(X, y) == np.mean(model.predict(X) == y)


def test_scores_too_large_for_float64_are_still_probabilities() -> None:
    X, y = data(3)
    model = LogisticRegression().fit(X, y)
    p = model.predict_proba(np.eye(5) * 1e308 * 1.5)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0)


# --- weights ---


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("scale", [None, "standard"])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_integer_weights_are_repeated_rows(K: int, scale: str | None, class_weight: str | None) -> None:
    X, y = data(K)
    weight = np.random.default_rng(2).integers(0, 4, size=len(y))
    weight[:K] = 1
    settings = {"scale": scale, "class_weight": class_weight}
    weighted = exact(**settings).fit(X, y, weight)
    repeated = exact(**settings).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert_same_model(weighted, repeated)
    assert weighted.certificate_.null_objective == pytest.approx(repeated.certificate_.null_objective, rel=1e-12)


@pytest.mark.parametrize("K", [2, 3])
def test_weight_zero_is_a_dropped_row(K: int) -> None:
    X, y = data(K)
    kept = np.arange(len(y)) % 4 > 0
    kept[:K] = True
    outlier = X.copy()
    outlier[~kept] = 1e6
    assert_same_model(exact(scale="standard").fit(outlier, y, kept), exact(scale="standard").fit(X[kept], y[kept]))


def test_scaled_weights_change_the_penalty_alone() -> None:
    """The loss is a mean, `C` counts against the sum of the weights: doubling both changes
    nothing."""
    X, y = data(3)
    assert_same_model(exact(C=2.0).fit(X, y), exact(C=1.0).fit(X, y, np.full(len(y), 2.0)))


@pytest.mark.parametrize("K", [2, 4])
def test_class_weight(K: int) -> None:
    X, y = data(K)
    weight = np.random.default_rng(3).uniform(0.5, 2.0, size=len(y))
    count = np.bincount(y, weights=weight)
    balanced = exact(class_weight="balanced").fit(X, y, weight)
    assert_same_model(balanced, exact().fit(X, y, weight * (weight.sum() / (K * count))[y]))
    given = exact(class_weight={0: 3.0, 1: 0.5}).fit(X, y, weight)
    assert_same_model(given, exact().fit(X, y, weight * np.array([3.0, 0.5, 1.0, 1.0])[y]))
    peer = PeerRegression(class_weight="balanced", solver="newton-cholesky", tol=1e-12).fit(X, y)
    np.testing.assert_allclose(exact(class_weight="balanced").fit(X, y).coef_, peer.coef_, atol=1e-6)


# --- the course of a fit ---


def test_attributes() -> None:
    X, y = data(3)
    model = LogisticRegression().fit(X, y)
    assert model.coef_.shape == (3, 5)
    assert model.intercept_.shape == (3,)
    assert (model.coef_.dtype, model.intercept_.dtype) == (np.float64, np.float64)
    assert model.coef_.flags.c_contiguous
    assert model.n_iter_.tolist() == [len(model.history_) - 1]
    assert model.stop_ is Stop.CERTIFIED
    assert model.certificate_.holds
    assert all(isinstance(line, Progress) for line in model.history_)
    np.testing.assert_allclose(model.coef_.sum(axis=0), 0.0, atol=1e-12)
    assert LogisticRegression().fit(*data(2)).coef_.shape == (1, 5)


def test_certificate_is_of_the_returned_coefficients() -> None:
    """Objective, gap and strength recomputed from `coef_` and `intercept_` in plain NumPy."""
    X, y = data(3)
    model = LogisticRegression(C=0.1, tol=1e-3).fit(X, y)
    scores = X @ model.coef_.T + model.intercept_
    p = np.exp(scores - np.logaddexp.reduce(scores, axis=1)[:, None])
    strength = 1 / (0.1 * len(y))
    value = -np.log(p[np.arange(len(y)), y]).mean() + strength / 2 * (model.coef_**2).sum()
    gradient = (p - np.eye(3)[y]).T @ X / len(y) + strength * model.coef_
    assert model.certificate_.objective == pytest.approx(value, rel=1e-12)
    assert model.certificate_.gap == pytest.approx((gradient**2).sum() / (2 * strength), rel=1e-6)
    assert model.certificate_.strength == pytest.approx(strength, rel=1e-15)
    np.testing.assert_allclose((p - np.eye(3)[y]).sum(axis=0), 0.0, atol=1e-9)


@pytest.mark.parametrize("K", [2, 3])
def test_objective_text(K: int) -> None:
    X, y = data(K)
    model = LogisticRegression(C=0.5).fit(X, y)
    loss = "logistic" if K == 2 else "softmax"
    assert str(model.objective_) == f"(1/120) sum_i {loss}_loss(x_i W + b, y_i) + {1 / 60:.6g}/2 ||W||^2"
    assert model.objective_.value == model.certificate_.objective
    assert model.objective_.C * 120 * model.objective_.strength == pytest.approx(1.0, rel=1e-15)
    bare = LogisticRegression(C=np.inf, fit_intercept=False).fit(X, y, np.full(120, 2.0)).objective_
    assert str(bare) == f"(1/240) sum_i s_i {loss}_loss(x_i W, y_i)"
    assert (bare.C, bare.strength) == (np.inf, 0.0)
    assert "255" in str(LogisticRegression(scale=255).fit(X, y).objective_)
    assert "standard deviation" in str(LogisticRegression(scale="standard").fit(X, y).objective_)
    assert "5 given numbers" in str(LogisticRegression(scale=np.ones(5)).fit(X, y).objective_)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("scale", [None, "standard"])
def test_warm_start(K: int, scale: str | None) -> None:
    X, y = data(K)
    model = LogisticRegression(warm_start=True, solver="lbfgs", scale=scale, tol=1e-8).fit(X + 3, y)
    first = model.n_iter_[0]
    assert first > 2
    assert model.fit(X + 3, y).n_iter_[0] == 0
    model.set_params(C=1.1).fit(X + 3, y)
    cold = LogisticRegression(C=1.1, solver="lbfgs", scale=scale, tol=1e-8).fit(X + 3, y)
    assert model.n_iter_[0] < cold.n_iter_[0]
    assert_same_model(model, cold, atol=1e-3)


def test_warm_start_from_another_shape_starts_cold() -> None:
    X, y = data(3)
    model = LogisticRegression(warm_start=True).fit(X, y)
    for other, target in ((X[:, :3], y), (X, y + 1), (X, np.minimum(y, 1))):
        warm = clone(model).fit(X, y).fit(other, target)
        cold = LogisticRegression().fit(other, target)
        np.testing.assert_array_equal(warm.coef_, cold.coef_)


def test_refit_keeps_nothing() -> None:
    X, y = data(3)
    other, target = data(2, d=4, seed=5)
    model = LogisticRegression().fit(pd.DataFrame(X, columns=list("abcde")), y)
    model.fit(other, target)
    fresh = LogisticRegression().fit(other, target)
    assert set(vars(model)) == set(vars(fresh))
    np.testing.assert_array_equal(model.coef_, fresh.coef_)
    assert model.classes_.tolist() == [0, 1]
    assert len(model.history_) == len(fresh.history_)


def test_fit_changes_no_setting() -> None:
    X, y = data(3)
    settings = {
        "C": 2.0,
        "class_weight": {0: 2.0},
        "scale": np.ones(5),
        "solver": Newton(),
        "max_iter": 50,
        "warm_start": True,
    }
    model = LogisticRegression(**settings)
    before = dict(model.get_params())
    model.fit(X, y)
    assert all(model.get_params()[name] is value for name, value in before.items())
    copied = clone(model).fit(X, y)
    np.testing.assert_array_equal(copied.coef_, model.coef_)


@pytest.mark.parametrize(
    "solver", ["newton", "lbfgs", "gradient-descent", "sgd", LBFGS(memory=5), GradientDescent(0.1)]
)
def test_max_iter_warns_with_the_certificate(solver: object) -> None:
    X, y = data(3)
    with pytest.warns(ConvergenceWarning) as caught:
        model = LogisticRegression(solver=solver, max_iter=1, tol=1e-10).fit(X, y)
    assert model.stop_ is Stop.MAX_ITER
    assert model.n_iter_.tolist() == [1]
    assert not model.certificate_.holds
    assert str(model.certificate_) in str(caught[0].message)
    assert "raise max_iter" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_separated_classes_without_penalty_warn_what_to_do() -> None:
    X, y = load_iris(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match=r"separated perfectly.*use a penalty"):
        model = LogisticRegression(C=np.inf).fit(X[:100], y[:100])
    assert model.stop_ is Stop.SEPARATED
    assert model.score(X[:100], y[:100]) == 1.0


def test_callback_interrupts_without_a_warning() -> None:
    X, y = data(3)
    seen: list[Progress] = []
    model = LogisticRegression(solver="lbfgs", tol=1e-12, callback=lambda p: seen.append(p) or len(seen) == 3)
    model.fit(X, y)
    assert model.stop_ is Stop.INTERRUPTED
    assert tuple(seen) == model.history_
    assert model.certificate_.objective <= min(p.objective for p in seen)


def test_verbose_prints_a_line_for_each_iteration(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = data(3)
    model = LogisticRegression(verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(model.history_)
    assert all("objective" in line and "gap" in line for line in lines)
    LogisticRegression().fit(X, y)
    assert capsys.readouterr().out == ""


def test_random_state_is_the_seed_of_sgd() -> None:
    X, y = data(3)

    def coefficients(seed: object) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # three epochs are few
            return LogisticRegression(solver="sgd", random_state=seed, max_iter=3).fit(X, y).coef_

    np.testing.assert_array_equal(coefficients(1), coefficients(1))
    np.testing.assert_array_equal(coefficients(np.random.RandomState(1)), coefficients(np.random.RandomState(1)))
    assert not np.array_equal(coefficients(1), coefficients(2))


def test_solvers_agree_through_the_estimator() -> None:
    X, y = data(3)
    best = exact(scale="standard").fit(X, y)
    for solver, tol in (
        ("newton", 1e-12),
        ("lbfgs", 1e-12),
        ("gradient-descent", 1e-8),
        (StochasticGradientDescent(0.5, batch_size=40, decay=0.05), 1e-4),
    ):
        model = LogisticRegression(solver=solver, tol=tol, scale="standard").fit(X, y)
        assert model.stop_ is Stop.CERTIFIED
        # The bound is on the coefficients of the scaled columns, in which the penalty is measured.
        away = np.linalg.norm((model.coef_ - best.coef_) * X.std(axis=0))
        assert away <= model.certificate_.coefficient_bound + best.certificate_.coefficient_bound


# --- the short way to a prediction ---


@pytest.mark.parametrize("K", [2, 3])
def test_one_row_is_predicted_as_among_others(K: int) -> None:
    X, y = data(K)
    model = LogisticRegression().fit(X, y)
    for method in (model.predict, model.predict_proba, model.predict_log_proba, model.decision_function):
        one, among_others = method(X[3:4]), method(X)[3:4]
        if one.dtype.kind == "f":
            np.testing.assert_allclose(one, among_others, rtol=1e-12)  # BLAS may add in another order
        else:
            assert one.tolist() == among_others.tolist()


def test_coefficients_set_by_hand_are_the_ones_that_predict() -> None:
    X, y = data(3)
    model = LogisticRegression().fit(X, y)
    model.predict_proba(X)
    model.coef_[0] += 1.0
    changed = X @ model.coef_.T + model.intercept_
    np.testing.assert_allclose(model.decision_function(X), changed, atol=1e-13)
    model.coef_, model.intercept_ = -model.coef_, -model.intercept_
    np.testing.assert_allclose(model.decision_function(X), -changed, atol=1e-13)


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X[:, :4],
        lambda X: np.hstack([X, X]),
        lambda X: X[:0],
        lambda X: X[0],
        lambda X: X[np.newaxis],
        lambda X: np.where(X[3, 2] == X, np.nan, X),
        lambda X: np.where(X[3, 2] == X, np.inf, X).astype(np.float32),
    ],
)
def test_rows_that_cannot_be_predicted_are_refused_as_scikit_learn_refuses_them(change: Callable) -> None:
    X, y = data(3)
    model = LogisticRegression().fit(X, y)
    wrong = change(X)
    with pytest.raises((ValueError, TypeError)) as peer:
        PeerRegression().fit(X, y).predict_proba(wrong)
    with pytest.raises(type(peer.value)) as ours:
        model.predict_proba(wrong)
    if "NaN" in str(peer.value) or "infinity" in str(peer.value):
        assert "at row 3, column 2" in str(ours.value)
    else:
        one_line = " ".join(str(peer.value).splitlines())
        assert str(ours.value) == one_line.replace("PeerRegression", "LogisticRegression")


def test_an_array_is_warned_about_where_names_were_fitted() -> None:
    X, y = data(3)
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = LogisticRegression().fit(frame, y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        got = model.predict_proba(X)
    np.testing.assert_array_equal(got, model.predict_proba(frame))
