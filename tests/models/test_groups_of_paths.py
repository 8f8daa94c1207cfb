"""Groups of coefficients in paths, cross-validation and the models made of binary ones: each point
against a fit by itself, conditions of an optimum that are computed here, what is kept, and wrong
settings."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit

from polytome import (
    LogisticRegression,
    LogisticRegressionCV,
    MultilabelLogistic,
    OneVsOne,
    OneVsRest,
    RegularizationPath,
    load,
)
from polytome.errors import ArgumentError
from polytome.penalties import GroupLasso

Array = NDArray[Any]

PARTS = [0, 0, 0, 1, 1, 2, 3, 3, 4, 5, 5, 5]
WEIGHTS = [2.0, 2.0, 2.0, 0.0, 0.0, 1.0, 0.5, 0.5, 1.0, 3.0, 3.0, 3.0]


def rows(n: int = 120, d: int = 12, n_classes: int = 3, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    X, W = rng.normal(size=(n, d)), np.zeros((d, n_classes))
    W[: d // 3] = rng.normal(size=(d // 3, n_classes))
    return X, np.argmax(X @ W + rng.gumbel(size=(n, n_classes)), axis=1)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(
    "settings",
    [
        {"groups": "classes"},
        {"groups": PARTS, "l1_ratio": 0.6, "scale": "standard"},
        {"groups": PARTS, "group_ratio": 0.4},
        {"groups": PARTS, "penalty_weights": WEIGHTS, "group_ratio": 0.7},
        {"groups": "classes", "penalty_weights": [0.0, 0.0, *[2.0] * 10], "l1_ratio": 0.8, "fit_intercept": False},
        {"groups": "classes", "class_weight": "balanced", "group_ratio": 0.999},
    ],
    ids=str,
)
def test_each_point_is_the_fit_there_and_the_largest_strength_is_exact(
    settings: dict[str, Any], n_classes: int
) -> None:
    X, y = rows(n_classes=n_classes)
    settings = {"l1_ratio": 1.0} | settings
    path = RegularizationPath(n_strengths=8, min_ratio=5e-3, tol=1e-6, **settings).fit(X, y)
    assert all(found.holds for found in path.certificates_)
    penalised = np.array(settings.get("penalty_weights", np.ones(12))) > 0
    assert not path.coefs_[0][:, penalised].any()
    assert path.coefs_[0][:, ~penalised].all()
    above, below = (
        LogisticRegression(C=float(path.Cs_[0] / factor), tol=1e-10, **settings).fit(X, y)
        for factor in (1 + 1e-5, 1 - 1e-3)
    )
    assert not above.coef_[:, penalised].any()
    assert above.proved_zero_[:, penalised].all()
    assert below.coef_[:, penalised].any()
    for point in (2, 5, 7):
        alone = LogisticRegression(C=float(path.Cs_[point]), tol=1e-9, **settings).fit(X, y)
        found = path.certificates_[point]
        apart = (found.objective - alone.certificate_.objective) / found.null_objective
        assert -1e-9 <= apart <= 1e-6
        assert_array_equal(path.model_at(point).coef_[alone.proved_zero_], 0)
        assert path.model_at(point).objective_.groups == alone.objective_.groups != "none"


@pytest.mark.parametrize("group_ratio", [1.0, 0.5])
def test_the_multiple_of_all_corners_is_the_least_that_holds_a_gradient(group_ratio: float) -> None:
    rng = np.random.default_rng(1)
    for scale in (1e-8, 1.0, 1e12):
        penalty = GroupLasso(0.3, 0.8, PARTS, WEIGHTS, group_ratio)
        gradient = scale * rng.normal(size=(12, 3))
        found = penalty.multiple_of_corners(gradient)
        inside, outside = gradient / (found * (1 + 1e-12)), gradient / (found * (1 - 1e-9))
        held = penalty.group_corner > 0
        assert (penalty.norms(penalty.beyond(inside))[held] <= penalty.group_corner[held]).all()
        assert (penalty.norms(penalty.beyond(outside))[held] > penalty.group_corner[held]).any()
    assert penalty.multiple_of_corners(np.zeros((12, 3))) == 0.0


def test_columns_of_no_use_give_a_path_of_zeros() -> None:
    settings: dict[str, Any] = {"groups": "classes", "group_ratio": 0.5, "n_strengths": 3}
    path = RegularizationPath(**settings).fit(np.ones((6, 2)), [0, 1, 2, 1, 0, 2])
    assert not path.coefs_.any()
    assert all(found.holds for found in path.certificates_)


def test_a_path_of_sparse_rows_with_many_groups_works_on_some_at_a_time() -> None:
    """More coefficients that would move than a working set has: whole groups wait."""
    from polytome.solvers import ProximalNewton

    X, y = rows(n=60, d=40, n_classes=5)
    settings: dict[str, Any] = {"groups": np.arange(40) // 2, "n_strengths": 5, "min_ratio": 0.01}
    few = RegularizationPath(**settings, solver=ProximalNewton(largest=60), tol=1e-5).fit(sparse.csr_array(X), y)
    many = RegularizationPath(**settings, tol=1e-8).fit(X, y)
    assert all(found.holds for found in few.certificates_)
    for one, other in zip(few.certificates_, many.certificates_, strict=True):
        assert -1e-8 <= (one.objective - other.objective) / other.null_objective <= 1e-5
    pairs = (few.coefs_ != 0).any(axis=1).reshape(5, 20, 2)
    assert_array_equal(pairs[..., 0], pairs[..., 1])


def test_the_same_bits_for_any_number_of_threads_and_a_file_that_keeps_all(tmp_path: Path) -> None:
    X, y = rows()
    settings: dict[str, Any] = {"groups": ["a", *"bbccddeeff", "a"], "group_ratio": 0.8, "n_strengths": 6}
    one, two = (RegularizationPath(**settings, n_jobs=n).fit(X, y) for n in (1, 2))
    assert one.coefs_.tobytes() == two.coefs_.tobytes()
    one.save(tmp_path / "path.safetensors")
    again = load(tmp_path / "path.safetensors")
    assert again.groups == settings["groups"]
    assert again.group_ratio == 0.8
    assert_array_equal(again.coefs_, one.coefs_)
    assert again.model_at(3).objective_ == one.model_at(3).objective_


def test_cross_validation_scores_are_those_of_fits_by_hand() -> None:
    X, y = rows(n=90)
    folds = [(np.setdiff1d(np.arange(90), held), held) for held in np.array_split(np.arange(90), 3)]
    settings: dict[str, Any] = {"groups": PARTS, "group_ratio": 0.6, "tol": 1e-9}
    search = LogisticRegressionCV(Cs=[0.05, 0.5], l1_ratios=[0, 0.7], cv=folds, **settings).fit(X, y)
    for place, ratio in enumerate(search.l1_ratios_):
        own = settings | {"l1_ratio": ratio} if ratio else {"tol": 1e-9}
        for fold, (train, held) in enumerate(folds):
            for at, C in enumerate(search.Cs_):
                alone = LogisticRegression(C=C, **own).fit(X[train], y[train])
                score = alone.predict_log_proba(X[held])[np.arange(len(held)), y[held]].mean()
                assert search.scores_[fold, place, at] == pytest.approx(score, abs=1e-5)
    groups_left_out = (search.coefs_paths_[:, 1, 0, :, :-1] == 0).all(axis=2)
    assert groups_left_out.any()
    assert search.best_model().certificate_.holds


def test_a_grid_begins_where_all_groups_are_left_out_and_squares_have_no_groups(tmp_path: Path) -> None:
    X, y = rows()
    settings: dict[str, Any] = {"groups": "classes", "cv": 3, "Cs": 4}
    search = LogisticRegressionCV(l1_ratios=[1], **settings).fit(X, y, groups=np.arange(120) // 2)
    path = RegularizationPath(groups="classes", n_strengths=1).fit(X, y)
    assert search.Cs_[0] == pytest.approx(1 / (path.strength_max_ * 120), rel=1e-12)
    assert not search.coefs_paths_[:, 0, 0, :, :-1].all()
    assert search.best_model().groups == "classes"
    weak = np.full(120, 1e-3)
    squares = LogisticRegressionCV(l1_ratios=[0, 1], scoring=_prefers_dense, **settings).fit(X, y, weak)
    model = squares.best_model()
    assert (squares.l1_ratio_, model.groups, model.objective_.groups) == (0.0, None, "none")
    model.save(tmp_path / "model.safetensors")
    assert load(tmp_path / "model.safetensors").groups is None


def _prefers_dense(model: Any, X: Any, y: Any) -> float:
    """Larger for models without a zero."""
    return float((model.coef_ != 0).mean())


@pytest.mark.parametrize("kind", [OneVsRest, OneVsOne, MultilabelLogistic])
@pytest.mark.parametrize("settings", [{"groups": "classes"}, {"groups": PARTS, "group_ratio": 0.5}], ids=str)
def test_models_made_of_binary_ones_share_their_groups(kind: Any, settings: dict[str, Any], tmp_path: Path) -> None:
    X, y = rows()
    C, codes = 0.05, np.unique(y)
    target = (y[:, None] == codes).astype(int) if kind is MultilabelLogistic else y
    model = kind(C=C, l1_ratio=1, tol=1e-8, **settings).fit(X, target)
    assert model.stop_.name == "CERTIFIED"
    norms = settings.get("group_ratio", 1.0)
    numbers = np.arange(12) if settings["groups"] == "classes" else np.array(PARTS)
    _check_optimum(X, y, model, C, numbers, norms)
    left_out = (model.coef_ == 0).all(axis=0)
    assert 0 < left_out.sum() < 12
    if norms == 1:
        assert_array_equal(model.coef_ == 0, np.broadcast_to(left_out, model.coef_.shape))
    model.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert (again.objective_, again.group_ratio) == (model.objective_, norms)
    assert_array_equal(again.proved_zero_, model.proved_zero_)


def _check_optimum(X: Array, y: Array, model: Any, C: float, numbers: Array, norms: float) -> None:
    """The conditions of an optimum, in parts of each group's corners."""
    scores, residual = X @ model.coef_.T + model.intercept_, np.zeros((len(y), len(model.coef_)))
    pairs = model.pairs_.tolist() if hasattr(model, "pairs_") else [(None, k) for k in range(3)]
    for place, (first, second) in enumerate(pairs):
        own = np.ones(len(y), dtype=bool) if first is None else (y == first) | (y == second)
        residual[own, place] = expit(scores[own, place]) - (y[own] == second)
    gradient, W = C * X.T @ residual, model.coef_.T
    assert np.abs(residual.sum(axis=0)).max() < 1e-2
    for g in range(numbers.max() + 1):
        own = numbers == g
        corner, norm = norms * np.sqrt(own.sum()), np.linalg.norm(W[own])
        slope = gradient[own] + (corner * W[own] / norm if norm > 0 else 0)
        beyond = np.sign(slope) * np.maximum(np.abs(slope) - (1 - norms), 0)
        left = np.where(W[own] == 0, beyond, slope + (1 - norms) * np.sign(W[own]))
        assert np.linalg.norm(left) <= (corner if norm == 0 else 0) + 2e-3 * (corner + 1 - norms)


def test_groups_of_two_classes_are_those_of_one_model() -> None:
    X, y = rows(n_classes=2)
    settings: dict[str, Any] = {"groups": PARTS, "l1_ratio": 0.9, "C": 0.1, "tol": 1e-10}
    assert_allclose(OneVsRest(**settings).fit(X, y).coef_, LogisticRegression(**settings).fit(X, y).coef_, atol=1e-6)


@pytest.mark.parametrize("kind", [OneVsRest, OneVsOne, MultilabelLogistic])
def test_the_proofs_of_models_made_of_binary_ones_are_confirmed(kind: Any) -> None:
    pytest.importorskip("flint")
    from polytome import verify

    X, y = rows(n=60, d=6)
    target = (y[:, None] == np.arange(3)).astype(int) if kind is MultilabelLogistic else y
    model = kind(C=0.1, l1_ratio=0.9, groups=[0, 0, 1, 1, 2, 2], group_ratio=0.7, tol=1e-6).fit(X, target)
    found = verify(model, X, target)
    assert found.verdict == "confirmed", found.reasons
    assert found.confirmed_zeros == model.proved_zero_.sum() > 0


@pytest.mark.parametrize("kind", [RegularizationPath, LogisticRegressionCV, OneVsRest, OneVsOne])
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"groups": "rows"}, "groups='rows': needs None, 'classes', 'columns'"),
        ({"groups": [0, 1]}, "groups has 2 labels, X has 12 columns"),
        ({"groups": [0.5] * 12}, r"groups\[0\] is 0.5: needs a whole number or text"),
        ({"groups": "classes", "group_ratio": 2}, "group_ratio=2: needs a number above 0"),
        ({"group_ratio": 0.5}, "group_ratio=0.5 has no effect without groups"),
        ({"group_ratio": 0.5, "l1_ratio": 0}, "group_ratio=0.5 has no effect without groups"),
        ({"groups": "classes", "l1_ratio": 0}, "groups has no effect where l1_ratio is 0"),
        ({"groups": "classes", "bounds": (0, None)}, "bounds"),
        ({"groups": PARTS, "penalty_weights": np.arange(12)}, "both columns are in one group"),
    ],
)
def test_groups_that_cannot_be_used_are_named(kind: Any, settings: dict[str, Any], told: str) -> None:
    X, y = rows()
    settings = {"l1_ratio": 1.0} | settings
    if kind is LogisticRegressionCV:
        settings["l1_ratios"] = [settings.pop("l1_ratio")]
    with pytest.raises(ArgumentError, match=told):
        kind(**settings).fit(X, y)
