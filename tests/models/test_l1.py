"""`LogisticRegression(l1_ratio=...)`: settings, kinds of X, what is kept, and what does without
it."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

from polytome import LogisticRegression, load, load_dataset
from polytome.errors import ArgumentError, FileError
from polytome.solvers import ProximalNewton

iris = load_dataset("iris")
X, y = np.asarray(iris.X), np.asarray(iris.y)
TWO = y == "versicolor"


@pytest.mark.parametrize("target", [y, TWO], ids=["softmax", "two"])
@pytest.mark.parametrize(
    "settings",
    [
        {"l1_ratio": 1},
        {"l1_ratio": 0.3, "C": 10},
        {"l1_ratio": 1, "scale": "standard", "fit_intercept": False},
        {"l1_ratio": 0.9, "penalty_weights": [1, 0, 2, 0.5]},
        {"l1_ratio": 1, "class_weight": "balanced", "C": 0.2},
    ],
    ids=str,
)
def test_every_fit_is_certified_and_its_proved_zeros_are_zeros(target, settings):
    model = LogisticRegression(tol=1e-8, **settings).fit(X, target)
    assert model.stop_.name == "CERTIFIED"
    assert model.certificate_.holds
    assert model.certificate_.kind == "proof"
    assert isinstance(model.solver_.solver, ProximalNewton)
    assert model.certificate_.l1_ratio == model.objective_.l1_ratio == settings["l1_ratio"]
    strength = settings.get("C", 1.0)
    assert abs(model.objective_.C - strength) < 1e-9 * strength
    assert model.proved_zero_.shape == model.coef_.shape
    assert model.proved_zero_.dtype == bool
    assert_array_equal(model.coef_[model.proved_zero_], 0)
    assert np.isfinite(model.certificate_.coefficient_bound) == (settings["l1_ratio"] < 1)


def test_kinds_of_rows_have_one_minimum(rng):
    dense = rng.integers(0, 3, (200, 12)) * (rng.random((200, 12)) < 0.5) * 1.0
    target = (dense[:, :3].sum(axis=1) + rng.normal(size=200) > 2).astype(int)
    weight = rng.integers(0, 3, 200)
    expected = LogisticRegression(l1_ratio=1, C=0.3, tol=1e-9).fit(dense, target, weight)
    assert (expected.coef_ == 0).any()
    repeated = np.repeat(np.arange(200), weight)
    for X_, y_, s in [
        (sparse.csr_array(dense), target, weight),
        (sparse.csc_array(dense), target, weight),
        (np.asfortranarray(dense), target, weight),
        (dense.astype(np.uint8), target, weight),
        (dense.astype(np.float32), target, weight),
        (dense[repeated], target[repeated], None),
        (pd.DataFrame(dense), target, weight),
    ]:
        found = LogisticRegression(l1_ratio=1, C=0.3, tol=1e-9).fit(X_, y_, s)
        assert found.stop_.name == "CERTIFIED"
        assert_allclose(found.coef_, expected.coef_, atol=2e-4)


def test_float32_rows_have_float32_coefficients_and_zeros_stay():
    model = LogisticRegression(l1_ratio=1).fit(X.astype(np.float32), y)
    assert model.coef_.dtype == np.float32
    assert model.certificate_.holds
    assert (model.coef_[model.proved_zero_] == 0).all()


def test_a_ratio_of_0_is_the_ridge_with_the_same_bits():
    plain = LogisticRegression().fit(X, y)
    for settings in ({"l1_ratio": 0}, {"l1_ratio": 0.0}, {"penalty": "elasticnet", "l1_ratio": 0}):
        same = LogisticRegression(**settings).fit(X, y)
        assert same.coef_.tobytes() == plain.coef_.tobytes()
        assert same.objective_ == plain.objective_
        assert same.certificate_ == plain.certificate_
        assert "proved_zero_" not in vars(same)


def test_scikit_learns_settings_mean_the_same():
    expected = LogisticRegression(l1_ratio=1).fit(X, y).coef_
    for settings in ({"penalty": "l1"}, {"penalty": "elasticnet", "l1_ratio": 1}, {"l1_ratio": 1, "solver": "saga"}):
        assert_array_equal(LogisticRegression(**settings).fit(X, y).coef_, expected)
    two = LogisticRegression(penalty="l1", solver="liblinear").fit(X, TWO)
    assert two.stop_.name == "CERTIFIED"


def test_a_new_fit_keeps_no_zeros_of_the_old_one():
    model = LogisticRegression(l1_ratio=1).fit(X, y)
    model.set_params(l1_ratio=0).fit(X, y)
    assert "proved_zero_" not in vars(model)
    assert clone(model.set_params(l1_ratio=0.5)).l1_ratio == 0.5


def test_without_a_penalty_the_ratio_means_nothing():
    model = LogisticRegression(C=np.inf, l1_ratio=0.5).fit(X, TWO)
    assert model.objective_.strength == model.objective_.l1_ratio == 0
    assert "proved_zero_" not in vars(model)


def test_a_warm_start_needs_fewer_steps():
    model = LogisticRegression(l1_ratio=1, tol=1e-8, warm_start=True).fit(X, y)
    again = int(model.fit(X, y).n_iter_[0])
    assert again <= 1
    assert model.stop_.name == "CERTIFIED"


def test_a_class_without_weight_has_zeros():
    weight = np.where(y == "setosa", 0.0, 1.0)
    model = LogisticRegression(l1_ratio=1).fit(X, y, weight)
    assert model.coef_.shape == model.proved_zero_.shape == (3, 4)
    assert not model.coef_[0].any()


@pytest.mark.filterwarnings("ignore:No finite coefficients are optimal")  # the third column separates setosa
def test_a_model_file_keeps_all_of_it(tmp_path):
    for settings in ({"l1_ratio": 0.7, "C": 0.5}, {"penalty": "l1", "penalty_weights": [1.0, 2.0, 0.0, 1.0]}):
        model = LogisticRegression(**settings).fit(X, y)
        model.save(tmp_path / "m.safetensors")
        again = load(tmp_path / "m.safetensors")
        assert_array_equal(again.coef_, model.coef_)
        assert_array_equal(again.proved_zero_, model.proved_zero_)
        assert again.objective_ == model.objective_
        assert again.certificate_ == model.certificate_
        assert str(again.fit(X, y).objective_) == str(model.objective_)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda saved, tensors: saved["parameters"].update(l1_ratio=0.5), "l1_ratio is 0.7 in the objective"),
        (lambda saved, tensors: saved["objective"].update(l1_ratio=0.5), "l1_ratio is 0.5 in the objective"),
        (lambda saved, tensors: saved["certificate"].update(l1_ratio=1.0), "1.0 in the certificate"),
        (lambda saved, tensors: saved["certificate"].update(l1_ratio=2), "l1_ratio"),
        (lambda saved, tensors: saved["objective"].update(l1_ratio="1"), "l1_ratio"),
        (lambda saved, tensors: tensors.pop("proved_zero"), "its tensors are"),
        (lambda saved, tensors: tensors.update(proved_zero=np.zeros((3, 4))), "proved_zero is float64"),
        (lambda saved, tensors: tensors.update(proved_zero=np.zeros((4, 3), dtype=bool)), r"shape \(4, 3\)"),
    ],
)
def test_a_model_file_that_contradicts_itself_is_refused(change, told):
    from polytome.files.model_file import _from_saved, _kind_of, _to_saved

    model = LogisticRegression(l1_ratio=0.7).fit(X, y)
    saved, tensors = _to_saved(_kind_of(model), model)
    saved["checksum"] = "0" * 64
    _from_saved(saved, tensors)
    change(saved, tensors)
    with pytest.raises(FileError, match=told):
        _from_saved(saved, tensors)


@pytest.mark.parametrize("ratio", [1.5, -0.1, np.nan, np.inf, "1", True, [0.5], 1j])
def test_ratios_that_cannot_be_used_are_named(ratio):
    with pytest.raises(ArgumentError, match=r"l1_ratio=.*: needs a number from 0"):
        LogisticRegression(l1_ratio=ratio).fit(X, y)


SPECTOR = """
2.66,20,0,0 2.89,22,0,0 3.28,24,0,0 2.92,12,0,0 4,21,0,1 2.86,17,0,0 2.76,17,0,0 2.87,21,0,0
3.03,25,0,0 3.92,29,0,1 2.63,20,0,0 3.32,23,0,0 3.57,23,0,0 3.26,25,0,1 3.53,26,0,0 2.74,19,0,0
2.75,25,0,0 2.83,19,0,0 3.12,23,1,0 3.16,25,1,1 2.06,22,1,0 3.62,28,1,1 2.89,14,1,0 3.51,26,1,0
3.54,24,1,1 2.83,27,1,1 3.39,17,1,1 2.67,24,1,0 3.65,21,1,1 4,23,1,1 3.1,21,1,0 2.39,19,1,1
"""
"""Grade point average, score before, teaching method, whether the grade improved: Spector and
Mazzeo, Journal of Economic Education 11, 1980."""


def test_statsmodels_prints_the_same_numbers():
    """Its `DiscreteL1`, made with `fit_regularized(method="l1", acc=1e-10)`: the penalty is
    `alpha |w|` beside a sum of losses, with a number for each coefficient, the constant's too."""
    table = np.array([[float(number) for number in row.split(",")] for row in SPECTOR.split()])
    columns, target = table[:, :3], table[:, 3].astype(int)
    model = LogisticRegression(C=1 / 3, l1_ratio=1, tol=1e-9).fit(columns, target)
    assert_allclose(model.coef_[0], [0, 0.15493781, 0], rtol=1e-4)
    assert_allclose(model.intercept_, [-4.10271595], rtol=1e-4)
    assert_array_equal(model.coef_[0] == 0, [True, False, True])
    with_ones = np.column_stack([np.ones(len(columns)), columns])
    for alpha, expected in [
        ([0.1, 0.1, 0.1, 0.1], [-10.37593611, 2.27080968, 0.06670638, 2.05723691]),
        ([0.4, 0.4, 0.5, 0.5], [-5.32670811, 1.18216019, 0.01402395, 1.45178712]),
        ([0.5, 0.5, 1.0, 1.0], [-3.92630318, 0.90126958, 0.0, 1.09498178]),
    ]:
        settings = {"l1_ratio": 1, "tol": 1e-9, "penalty_weights": alpha, "fit_intercept": False}
        found = LogisticRegression(**settings).fit(with_ones, target).coef_[0]
        assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("groups", [None, "classes", [0, 0, 1, 1]])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_coefficient_that_is_not_0_is_not_said_to_be(groups, n_classes, rng):
    """From coefficients near zeros of the optimum a fit may end before it has reached them."""
    noise, labels = rng.normal(size=(60, 4)), np.arange(60) % n_classes
    model = LogisticRegression(C=0.05, l1_ratio=1.0, groups=groups, tol=0.01, warm_start=True).fit(noise, labels)
    zeros = model.proved_zero_
    assert zeros.any()
    model.coef_ = model.coef_ + 1e-6 * rng.normal(size=zeros.shape)
    model.fit(noise, labels)
    assert (model.coef_[zeros] != 0).any()  # or nothing is tested
    assert_array_equal(model.coef_[model.proved_zero_], 0)
