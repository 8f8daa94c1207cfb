"""Absolute values in the penalties of `OneVsRest`, `OneVsOne` and `MultilabelLogistic`."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from polytome import LogisticRegression, MultilabelLogistic, OneVsOne, OneVsRest, load, load_dataset
from polytome.errors import ArgumentError
from polytome.solvers import ProximalNewton

iris = load_dataset("iris")
X, y = np.asarray(iris.X), np.asarray(iris.y)
SETTINGS = {"l1_ratio": 0.9, "C": 0.1}
LABELS = (y[:, None] == np.unique(y)).astype(int)


def fitted(kind, **changes):
    return kind(**SETTINGS | {"tol": 1e-9} | changes).fit(X, LABELS if kind is MultilabelLogistic else y)


@pytest.mark.parametrize("kind", [OneVsRest, MultilabelLogistic])
def test_each_model_is_that_of_its_class_alone(kind):
    model = fitted(kind)
    assert model.stop_.name == "CERTIFIED"
    assert isinstance(model.solver_.solver, ProximalNewton)
    assert "0.9 ||W||_1" in str(model.objective_)
    assert (model.coef_ == 0).any()
    for k, label in enumerate(np.unique(y)):
        alone = LogisticRegression(**SETTINGS, tol=1e-10).fit(X, y == label)
        assert_allclose(model.coef_[k], alone.coef_[0], atol=2e-4)
        assert_allclose(model.intercept_[k], alone.intercept_[0], atol=2e-3)
        assert not (model.proved_zero_[k] & (alone.coef_[0] != 0)).any()


def test_each_pair_is_that_of_its_classes_alone():
    model = fitted(OneVsOne)
    assert model.stop_.name == "CERTIFIED"
    for coef, zeros, (first, second) in zip(model.coef_, model.proved_zero_, model.pairs_.tolist(), strict=True):
        own = (y == model.classes_[first]) | (y == model.classes_[second])
        alone = LogisticRegression(**SETTINGS, tol=1e-10).fit(X[own], y[own] == model.classes_[second])
        assert_allclose(coef, alone.coef_[0], atol=2e-4)
        assert not (zeros & (alone.coef_[0] != 0)).any()


@pytest.mark.parametrize("kind", [OneVsRest, OneVsOne, MultilabelLogistic])
def test_it_is_saved_and_verified(kind, tmp_path):
    model = fitted(kind, tol=1e-6)
    model.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert again.objective_ == model.objective_
    assert again.l1_ratio == 0.9
    assert_array_equal(again.proved_zero_, model.proved_zero_)
    pytest.importorskip("flint")
    from polytome import verify

    found = verify(model, X, LABELS if kind is MultilabelLogistic else y)
    assert found.verdict == "confirmed", found.reasons
    assert found.confirmed_zeros == model.proved_zero_.sum() > 0


@pytest.mark.parametrize("kind", [OneVsRest, OneVsOne, MultilabelLogistic])
def test_squares_alone_have_the_bits_that_they_had(kind):
    one, other = fitted(kind, l1_ratio=0), fitted(kind, l1_ratio=0.0)
    assert one.coef_.tobytes() == other.coef_.tobytes()
    assert not hasattr(one, "proved_zero_")
    assert "||W||^2" in str(one.objective_)


@pytest.mark.parametrize("kind", [OneVsRest, OneVsOne, MultilabelLogistic])
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"l1_ratio": 1.5}, r"l1_ratio=1.5: needs a number from 0"),
        ({"l1_ratio": np.nan}, r"l1_ratio=nan: needs a number from 0"),
        ({"l1_ratio": "1"}, r"l1_ratio='1': needs a number from 0"),
        ({"l1_ratio": 1, "solver": "lbfgs"}, r"lbfgs supports only 'l2'"),
        ({"l1_ratio": 1, "solver": "newton"}, r"solver='newton' minimises L2 penalties"),
    ],
)
def test_ratios_that_cannot_be_used_are_named(kind, settings, told):
    with pytest.raises(ArgumentError, match=told):
        fitted(kind, **settings)
