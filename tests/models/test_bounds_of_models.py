"""Bounds in classifiers that are made of binary models, in paths and in cross-validation."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from typer.testing import CliRunner

from polytome import (
    LogisticRegression,
    LogisticRegressionCV,
    MultilabelLogistic,
    OneVsOne,
    OneVsRest,
    RegularizationPath,
    load,
    load_dataset,
)
from polytome.cli.app import app
from polytome.errors import ArgumentError

iris = load_dataset("iris")
X, y = np.asarray(iris.X), np.asarray(iris.y)
classes = np.unique(y)
BOUNDS = {1: (None, 0), 2: (0.1, 2.0), 3: (0, None)}


def single_fits(targets, rows, settings):
    """The same problems one by one."""
    for target, own in zip(targets, rows, strict=True):
        yield LogisticRegression(**settings).fit(X[own], target[own])


@pytest.mark.parametrize("ratio", [0.0, 0.8])
def test_each_binary_model_is_the_bounded_fit_of_its_own(ratio, tmp_path):
    settings = {"C": 0.5, "l1_ratio": ratio, "bounds": BOUNDS, "tol": 1e-10}
    every, pairs = np.ones(150, dtype=bool), [(0, 1), (0, 2), (1, 2)]
    cases = {
        OneVsRest: ([y == label for label in classes], [every] * 3),
        OneVsOne: ([y == classes[j] for _, j in pairs], [np.isin(y, classes[[i, j]]) for i, j in pairs]),
        MultilabelLogistic: ([y == label for label in classes], [every] * 3),
    }
    for kind, (targets, rows) in cases.items():
        target = np.stack(targets, axis=1).astype(int) if kind is MultilabelLogistic else y
        model = kind(**settings).fit(X, target)
        assert model.stop_.name == "CERTIFIED"
        for k, own in enumerate(single_fits(targets, rows, settings)):
            assert_allclose(model.coef_[k], own.coef_[0], atol=2e-4)
        assert (model.coef_[:, 1] <= 0).all()
        assert (model.coef_[:, 2] >= 0.1).all()
        assert (model.coef_[:, 3] >= 0).all()
        assert_array_equal(model.at_bound_[:, 2], (model.coef_[:, 2] == 0.1) | (model.coef_[:, 2] == 2))
        assert model.at_bound_.any()
        assert (model.coef_[model.proved_zero_] == 0).all()
        assert "bounds of 3 of 4 columns" in str(model.objective_)
        model.save(tmp_path / "m.safetensors")
        again = load(tmp_path / "m.safetensors")
        assert again.bounds == {1: (-np.inf, 0.0), 2: (0.1, 2.0), 3: (0.0, np.inf)}
        assert_array_equal(again.at_bound_, model.at_bound_)
        assert clone(model).bounds == BOUNDS


def test_verify_confirms_bounded_models_and_refutes_what_lies_beyond():
    pytest.importorskip("flint")
    from polytome import verify

    for kind in (OneVsRest, OneVsOne):
        model = kind(C=0.5, bounds=(0, None)).fit(X, y)
        assert verify(model, X, y).verdict == "confirmed"
        model.coef_ = np.where(model.at_bound_, -0.01, model.coef_)
        found = verify(model, X, y)
        assert found.verdict == "refuted"
        assert "its bounds are from 0 to inf" in str(found)


@pytest.mark.parametrize("kind", [OneVsRest, OneVsOne, MultilabelLogistic, RegularizationPath, LogisticRegressionCV])
@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ((1, 0), "bounds are from 1 to 0: the lower bound is above the upper one"),
        ({"petal": (0, 1)}, "bounds names"),
        ({9: (0, 1)}, "bounds has the place 9, and X has 4 columns"),
        ([(0, 1)] * 3, "bounds has pairs for 3 columns, X has 4"),
        ("positive", "bounds='positive': needs None, a pair"),
    ],
)
def test_bounds_that_cannot_be_used_are_named(kind, bounds, told):
    target = np.eye(3)[np.searchsorted(classes, y)] if kind is MultilabelLogistic else y
    with pytest.raises(ArgumentError, match=told):
        kind(bounds=bounds).fit(X, target)


@pytest.mark.parametrize("target", [y, y == "versicolor"], ids=["softmax", "two"])
@pytest.mark.parametrize(
    ("bounds", "ratio", "settings"),
    [
        ((0, None), 1.0, {}),
        ({0: (0, None), 2: (None, 0)}, 0.5, {"scale": "standard"}),
        ({0: (0.2, 0.5), 3: (-3.0, -1.0)}, 0.5, {"scale": [1.0, 2.0, 0.5, 3.0]}),
        ({0: (0.2, 0.5), 1: (-1.0, 1.0)}, 1.0, {"penalty_weights": [1.0, 0.0, 2.0, 1.0]}),
        ({0: (0.3, 0.3), 2: (-0.1, 0.0)}, 1.0, {"fit_intercept": False}),
    ],
    ids=str,
)
def test_a_path_begins_at_the_strength_from_which_coefficients_move(target, bounds, ratio, settings):
    """Above it penalised coefficients are as near to 0 as their bounds allow, and below one is not;
    and each point is the fit of its own."""
    path = RegularizationPath(ratio, 5, bounds=bounds, min_ratio=0.01, **settings).fit(X, target)
    low, high = np.full(4, -np.inf), np.full(4, np.inf)
    for column, (a, b) in bounds.items() if isinstance(bounds, dict) else ((j, bounds) for j in range(4)):
        low[column] = -np.inf if a is None else a
        high[column] = np.inf if b is None else b
    nearest, weighed = np.clip(0.0, low, high), np.asarray(settings.get("penalty_weights", np.ones(4))) > 0
    for factor, stays in ((1.001, True), (0.97, False)):
        C = 1 / (factor * path.strength_max_ * 150)
        fit = LogisticRegression(C=C, l1_ratio=ratio, bounds=bounds, tol=1e-9, **settings).fit(X, target)
        assert bool((np.abs(fit.coef_ - nearest)[:, weighed] < 1e-12).all()) == stays
    assert all(certificate.holds for certificate in path.certificates_)
    assert (path.coefs_ >= low).all()
    assert (path.coefs_ <= high).all()
    assert np.isfinite(path.deviance_explained_).all()
    own = LogisticRegression(C=path.Cs_[-1], l1_ratio=ratio, bounds=bounds, **settings).fit(X, target)
    gap = own.certificate_.gap + path.certificates_[-1].gap
    assert abs(own.certificate_.objective - path.certificates_[-1].objective) <= gap


def test_a_saved_path_keeps_its_bounds(tmp_path):
    path = RegularizationPath(0.5, 3, bounds=(0, 1)).fit(X, y)
    path.save(tmp_path / "p.safetensors")
    again = load(tmp_path / "p.safetensors")
    assert again.bounds == (0.0, 1.0)
    assert_array_equal(again.coefs_, path.coefs_)
    assert_array_equal(again.model_at(2).at_bound_, path.model_at(2).at_bound_)


def test_cross_validation_chooses_among_fits_within_bounds():
    search = LogisticRegressionCV(Cs=4, l1_ratios=[0, 1], cv=3, bounds=(0, None)).fit(X, y)
    assert (search.coefs_paths_[..., :-1] >= 0).all()
    assert (search.coef_ >= 0).all()
    assert_array_equal(search.at_bound_, search.coef_ == 0)
    assert search.best_model().bounds == (0, None)
    assert search.certificate_.holds
    free = search.set_params(bounds=None).fit(X, y)
    assert "at_bound_" not in vars(free)


def test_tune_takes_bounds_by_name(tmp_path):
    table = pd.DataFrame(X[:, :3], columns=["a", "b", "c"]).assign(colour=np.where(X[:, 1] > 3, "red", "blue"), kind=y)
    table.to_csv(tmp_path / "t.csv", index=False)
    arguments = ["tune", str(tmp_path / "t.csv"), "--target", "kind", "--C", "3", "--l1-ratio", "1", "--folds", "3"]
    out = tmp_path / "m.safetensors"
    done = CliRunner().invoke(app, [*arguments, "--bounds", "c=0:,colour=-1:1", "--out", str(out)])
    assert done.exit_code == 0, done.output
    model = load(out)
    assert (model.coef_[:, 2] >= 0).all()
    assert (np.abs(model.coef_[:, 3:]) <= 1).all()
    assert "bounds of" in done.output
    wrong = CliRunner().invoke(app, [*arguments, "--bounds", "d=0:"])
    assert wrong.exit_code == 1
    assert "bounds names 'd'" in wrong.output.replace("\n", " ")
    wrong = CliRunner().invoke(app, [*arguments, "--bounds", "a=2:1"])
    assert "the lower bound is above the upper one" in " ".join(wrong.output.split())
