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
    assert model.objective_.C == pytest.approx(settings.get("C", 1.0))
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


def test_statsmodels_prints_the_same_numbers():
    """`DiscreteL1` of Spector and Mazzeo's data, with weights per coefficient, as statsmodels'
    tests have them; its penalty is `alpha |w|` on the sum of losses, the constant left alone."""
    spector = pytest.importorskip("statsmodels.api").datasets.spector.load_pandas()
    results = pytest.importorskip("statsmodels.discrete.tests.results.results_discrete").DiscreteL1.logit()
    columns, target = spector.exog.to_numpy(), spector.endog.to_numpy().astype(int)
    model = LogisticRegression(C=1 / 3, l1_ratio=1, tol=1e-12, penalty_weights=[1, 1, 1]).fit(columns, target)
    expected = np.asarray(results.params)
    assert_allclose(np.append(model.coef_[0], model.intercept_), expected, rtol=1e-3, atol=1e-3)
