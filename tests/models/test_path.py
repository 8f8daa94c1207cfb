"""A path of fits: where it begins, that each point is the fit there, and what it refuses."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from polytome import LogisticRegression, RegularizationPath, load, load_dataset
from polytome.errors import ArgumentError, DataError, FileError
from polytome.files.model_file import _from_saved
from polytome.files.saved_path import path_from_saved
from polytome.files.sources import open_model
from polytome.files.tensor_files import read_tensors
from polytome.models.path import PathProgress

Array = NDArray[Any]


def rows(n: int = 120, d: int = 12, n_classes: int = 3, seed: int = 0) -> tuple[Array, Array]:
    """Rows of some columns that matter and others that do not, and labels that follow them in
    part."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, d)) * random.uniform(0.3, 3.0, d)
    X[:, -1] = X[:, 0] + 0.1 * X[:, -1]
    scores = X[:, :n_classes] @ random.normal(size=(n_classes, n_classes)) + random.gumbel(size=(n, n_classes))
    return X, scores.argmax(axis=1)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"l1_ratio": 0.4},
        {"fit_intercept": False},
        {"scale": "standard"},
        {"penalty_weights": [2.0, 0.5, 0.0, *[1.0] * 9]},
        {"penalty_weights": [0.0, 0.0, *[1.0] * 10], "l1_ratio": 0.7, "fit_intercept": False},
    ],
    ids=str,
)
def test_at_the_largest_strength_all_is_left_out_and_proved_and_just_below_it_is_not(
    settings: dict[str, Any], n_classes: int
) -> None:
    X, y = rows(n_classes=n_classes)
    path = RegularizationPath(n_strengths=2, **settings).fit(X, y)
    penalised = np.array(settings.get("penalty_weights", np.ones(12))) > 0
    exact = {"l1_ratio": 1.0} | settings | {"tol": 1e-10}
    above, below = (
        LogisticRegression(C=1 / (path.strength_max_ * factor * len(y)), **exact).fit(X, y)
        for factor in (1 + 1e-5, 1 - 1e-3)
    )
    assert not above.coef_[:, penalised].any()
    assert above.proved_zero_[:, penalised].all()
    assert below.coef_[:, penalised].any()
    assert not path.coefs_[0][:, penalised].any()


def test_where_squares_are_all_the_path_begins_as_glmnets() -> None:
    X, y = rows()
    lasso, ridge = (RegularizationPath(ratio, n_strengths=2).fit(X, y) for ratio in (1.0, 0.0))
    assert ridge.strength_max_ == pytest.approx(1000 * lasso.strength_max_)


@pytest.mark.parametrize("kind", ["dense", "sparse", "float32"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_every_point_is_the_fit_there(l1_ratio: float, n_classes: int, kind: str) -> None:
    X, y = rows(n_classes=n_classes)
    given: Any = {"dense": X, "sparse": sparse.csr_matrix(X), "float32": X.astype(np.float32)}[kind]
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    settings: dict[str, Any] = {"l1_ratio": l1_ratio, "class_weight": "balanced", "tol": 1e-7}
    path = RegularizationPath(n_strengths=8, min_ratio=1e-3, **settings).fit(given, y, weight)
    assert len(path.certificates_) == 8
    for point, found in enumerate(path.certificates_):
        assert found.holds
        assert found.tol == 1e-7
        alone = LogisticRegression(C=path.Cs_[point], **settings).fit(given, y, weight)
        least = alone.certificate_.objective - alone.certificate_.gap
        assert least <= found.objective + 1e-12
        assert found.objective - found.gap <= alone.certificate_.objective + 1e-12
        assert path.coefs_[point].dtype == alone.coef_.dtype
        assert np.abs(path.coefs_[point] - alone.coef_).max() < 5e-3 * max(np.abs(alone.coef_).max(), 1e-3)


def test_the_strong_rule_loses_no_coefficient() -> None:
    """The conditions of optimality hold over all coefficients, whether a working set had them or
    not."""
    X, y = rows(n=60, d=300, n_classes=3, seed=2)
    path = RegularizationPath(n_strengths=30, tol=1e-9).fit(X, y)
    Xc, onehot = X - X.mean(axis=0), np.eye(3)[y]
    for strength, coef, intercept in zip(path.strengths_, path.coefs_, path.intercepts_, strict=True):
        scores = X @ coef.T + intercept
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        slopes = Xc.T @ (p / p.sum(axis=1, keepdims=True) - onehot) / len(y)
        excess = np.where(coef.T == 0, np.abs(slopes) - strength, np.abs(slopes + strength * np.sign(coef.T)))
        assert excess.max() < 1e-3 * strength
    assert (np.diff(path.deviance_explained_) > 0).all()


def test_what_a_path_says_of_its_points() -> None:
    iris = load_dataset("iris")
    seen: list[PathProgress] = []
    path = RegularizationPath(n_strengths=10, scale="standard", callback=seen.append).fit(iris.X, iris.y)
    assert path.coefs_.shape == (10, 3, 4)
    assert path.intercepts_.shape == (10, 3)
    assert path.Cs_ == pytest.approx(1 / (150 * path.strengths_))
    assert path.n_active_.tolist() == [int(np.count_nonzero(coef)) for coef in path.coefs_]
    assert [progress.done for progress in seen] == list(range(1, 11))
    assert path.deviance_explained_[0] == pytest.approx(0.0, abs=1e-9)
    loss = -np.log(path.model_at(9).predict_proba(iris.X)[np.arange(150), np.repeat([0, 1, 2], 50)]).mean()
    assert path.deviance_explained_[9] == pytest.approx(1 - loss / np.log(3))


def test_a_path_that_is_stopped_keeps_its_points() -> None:
    X, y = rows()
    path = RegularizationPath(n_strengths=10, callback=lambda progress: progress.done == 3).fit(X, y)
    assert len(path.strengths_) == len(path.coefs_) == len(path.n_active_) == 3


def test_a_point_is_a_model() -> None:
    iris = load_dataset("iris")
    path = RegularizationPath(n_strengths=10).fit(iris.X, iris.y)
    model = path.model_at(C=path.Cs_[4])
    assert type(model) is LogisticRegression
    assert (model.coef_ == path.coefs_[4]).all()
    assert model.l1_ratio == 1.0
    assert model.proved_zero_.shape == (3, 4)
    assert "CERTIFIED" in model.stop_.name
    alone = LogisticRegression(C=model.C, l1_ratio=1.0).fit(iris.X, iris.y)
    assert (model.predict(iris.X) == alone.predict(iris.X)).mean() > 0.99


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_a_path_is_saved_whole(l1_ratio: float, tmp_path: Path) -> None:
    iris = load_dataset("iris")
    settings: dict[str, Any] = {"scale": [1.0, 2.0, 3.0, 4.0], "n_strengths": 5, "class_weight": {"setosa": 2.0}}
    path = RegularizationPath(l1_ratio, **settings).fit(iris.X, iris.y)
    path.save(tmp_path / "path.safetensors")
    again = load(tmp_path / "path.safetensors")
    assert type(again) is RegularizationPath
    for name in (
        "strengths_",
        "Cs_",
        "coefs_",
        "intercepts_",
        "n_active_",
        "deviance_explained_",
        "n_iter_",
        "divisors_",
    ):
        assert (getattr(again, name) == getattr(path, name)).all(), name
    assert again.certificates_ == path.certificates_
    assert again.strength_max_ == path.strength_max_
    assert again.n_strengths == 5
    one, other = again.model_at(3), path.model_at(3)
    assert (one.predict_proba(iris.X) == other.predict_proba(iris.X)).all()
    assert one.objective_ == other.objective_
    assert len(one.history_) == len(other.history_)
    if l1_ratio:
        assert (one.proved_zero_ == other.proved_zero_).all()
    with pytest.raises(FileError, match="holds a path of fits, not a model; save one of them"):
        open_model(tmp_path / "path.safetensors")


def test_a_damaged_path_is_refused(tmp_path: Path) -> None:
    X, y = rows()
    file = tmp_path / "path.safetensors"
    RegularizationPath(n_strengths=3).fit(X, y).save(file)
    content, tensors = read_tensors(file, "polytome")
    whole = json.loads(content)
    changes: list[tuple[str, Any]] = [
        ("coef", lambda found: found[:2]),
        ("coef", lambda found: found[0]),
        ("intercept", lambda found: found[:, :1]),
        ("proved_zero", lambda found: found.astype(float)),
        ("strengths", lambda found: found[::-1]),
        ("deviance_explained", lambda found: found * np.nan),
        ("divisors", lambda found: found[:3]),
        ("history", lambda found: found[:-1]),
        ("history_ends", lambda found: found[::-1]),
        ("history_ends", lambda found: found.astype(float)),
    ]
    for name, change in changes:
        with pytest.raises(FileError, match="damaged"):
            path_from_saved(whole, {**tensors, name: change(tensors[name])}, _from_saved)
    for key, value in (("points", []), ("points", [{}]), ("model", {})):
        with pytest.raises(FileError, match="damaged"):
            path_from_saved({**whole, key: value}, tensors, _from_saved)
    file.write_bytes(file.read_bytes().replace(b"CERTIFIED", b"ESTIMATED", 1))
    with pytest.raises(FileError, match="the checksum does not match"):
        load(file)


def test_strengths_of_ones_own_in_any_order() -> None:
    X, y = rows()
    path = RegularizationPath(strengths=[0.01, 0.1, 0.03]).fit(X, y)
    assert path.strengths_.tolist() == [0.1, 0.03, 0.01]


def test_the_same_bits_for_any_number_of_threads() -> None:
    X, y = rows(n=400, d=40)
    first, second = (RegularizationPath(n_strengths=10, n_jobs=n).fit(X, y) for n in (1, 3))
    assert (first.coefs_ == second.coefs_).all()


def test_columns_of_no_use_give_a_path_of_zeros() -> None:
    path = RegularizationPath(n_strengths=3).fit(np.ones((6, 2)), [0, 1, 0, 1, 1, 1])
    assert not path.coefs_.any()
    assert all(found.holds for found in path.certificates_)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_strengths": 0}, "n_strengths=0: needs a whole number, 1 or more"),
        ({"strengths": [0.1, -1.0]}, r"strengths\[1\] is -1: needs positive finite numbers"),
        ({"strengths": [0.1, np.nan]}, r"strengths\[1\] is nan"),
        ({"strengths": []}, "at least one"),
        ({"strengths": "many"}, "needs a list of positive numbers"),
        ({"min_ratio": 2}, "min_ratio=2: needs a number between 0 and 1"),
        ({"l1_ratio": 1.5}, "l1_ratio=1.5: needs a number from 0"),
        ({"callback": 3}, "callback=3: needs None or a function"),
        ({"tol": 0}, "tol=0"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], words: str) -> None:
    X, y = rows()
    with pytest.raises(ArgumentError, match=words):
        RegularizationPath(**settings).fit(X, y)


def test_data_that_cannot_be_used() -> None:
    X, y = rows()
    with pytest.raises(DataError, match="one class has all the weight"):
        RegularizationPath().fit(X, y, (y == 1).astype(float))
    with pytest.raises(DataError, match="tell some classes apart perfectly"):
        RegularizationPath(penalty_weights=[0.0, 1.0]).fit(
            [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 1.0]], [0, 0, 1, 1]
        )
    with pytest.raises(NotFittedError):
        RegularizationPath().model_at(0)
    path = RegularizationPath(n_strengths=3).fit(X, y)
    with pytest.raises(ArgumentError, match="point=3: needs a whole number from 0 to 2"):
        path.model_at(3)
    with pytest.raises(ArgumentError, match="the path has no fit there; the nearest of its 3 are"):
        path.model_at(C=1.2345)
    with pytest.raises(ArgumentError, match="one of them"):
        path.model_at()


def test_fits_that_end_early_are_told_once() -> None:
    X, y = rows(n=40, d=60)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        RegularizationPath(n_strengths=5, max_iter=0).fit(X, y)
    (one,) = [each for each in seen if issubclass(each.category, ConvergenceWarning)]
    assert "of 5 fits of the path did not reach their certificates" in str(one.message)
