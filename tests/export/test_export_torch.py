"""A torch layer and a state file hold the model bit for bit, and what PyTorch has trained gets a
certificate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import exported_models as models
from fitted_models import data, exact
from polytome import LogisticRegression, Stop, load
from polytome.errors import ArgumentError, DataError, FileError
from polytome.export import from_torch, to_torch, write_torch


def state_of(weight: object, bias: object) -> dict[str, np.ndarray]:
    return {"weight": np.array(weight, dtype=np.float64), "bias": np.array(bias, dtype=np.float64)}


def test_the_state_file_holds_scores_for_every_class_and_the_facts(tmp_path: Path) -> None:
    for model in (models.iris(), models.virginica()):
        write_torch(model, tmp_path / "state.safetensors")
        state = load_file(tmp_path / "state.safetensors")
        assert sorted(state) == ["bias", "weight"]
        X = np.random.default_rng(0).normal(size=(9, 4))
        scores = X @ state["weight"].T + state["bias"]
        assert scores.shape == (9, len(model.classes_))
        difference = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True) - model.predict_proba(X)
        assert np.abs(difference).max() < 1e-14
        with safe_open(tmp_path / "state.safetensors", framework="numpy") as file:
            facts = file.metadata()
        assert json.loads(facts["classes"]) == model.classes_.tolist()
        assert facts["certificate"] == str(model.certificate_)


@pytest.mark.parametrize("make", [models.iris, models.virginica, models.digits])
def test_there_and_back_changes_no_bit(make: object, tmp_path: Path) -> None:
    model = make()
    write_torch(model, tmp_path / "state.safetensors")
    again = from_torch(tmp_path / "state.safetensors", model.classes_)
    np.testing.assert_array_equal(again.coef_, model.coef_)
    np.testing.assert_array_equal(again.intercept_, model.intercept_)
    np.testing.assert_array_equal(again.classes_, model.classes_)
    assert not any(hasattr(again, name) for name in ("certificate_", "objective_", "stop_", "history_"))


def test_a_module_gives_the_scores_and_takes_its_file(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file as load_tensors

    for model in (models.iris(), models.virginica()):
        X = np.random.default_rng(0).uniform(0, 8, size=(50, 4))
        module = to_torch(model)
        with torch.no_grad():
            probabilities = module(torch.from_numpy(X)).softmax(1).numpy()
            places = module(torch.from_numpy(X)).argmax(1).numpy()
        assert np.abs(probabilities - model.predict_proba(X)).max() < 1e-14
        np.testing.assert_array_equal(model.classes_[places], model.predict(X))
        write_torch(model, tmp_path / "state.safetensors")
        fresh = torch.nn.Linear(4, len(model.classes_), dtype=torch.float64)
        fresh.load_state_dict(load_tensors(tmp_path / "state.safetensors"))
        assert torch.equal(fresh.weight, module.weight)
        np.testing.assert_array_equal(from_torch(module, model.classes_).coef_, model.coef_)
        with torch.no_grad():
            module.weight.zero_()
        assert model.coef_.any()  # the module has a copy


def test_what_torch_has_trained_is_certified_as_it_is() -> None:
    torch = pytest.importorskip("torch")
    X, y = data(K=3)
    features, codes = torch.from_numpy(X), torch.from_numpy(y)
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(5, 3, dtype=torch.float64))
    descent = torch.optim.LBFGS(module.parameters(), max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-14)

    def closure() -> object:
        descent.zero_grad()
        penalty = (module[1].weight ** 2).sum() / (2 * len(y))
        loss = torch.nn.functional.cross_entropy(module(features), codes) + penalty
        loss.backward()
        return loss

    start = from_torch(module, [0, 1, 2], X, y)
    descent.step(closure)
    end = from_torch(module, [0, 1, 2], X, y)
    assert not start.certificate_.holds
    assert end.certificate_.holds
    assert end.certificate_.objective == pytest.approx(closure().item(), abs=1e-12)
    assert end.certificate_.gap < 1e-6 < start.certificate_.gap


def test_the_certificate_is_a_bound_on_the_true_distance_and_not_a_wild_one(tmp_path: Path) -> None:
    """Against the minimum of a fit to 1e-12, for coefficients at several distances from it."""
    rng = np.random.default_rng(5)
    for K in (2, 4):
        X, y = data(K=K)
        best = exact().fit(X, y)
        for distance in (1e-6, 1e-3, 0.3, 3.0):
            weight = best.coef_ + distance * rng.normal(size=best.coef_.shape)
            bias = best.intercept_ + distance * rng.normal(size=best.intercept_.shape)
            found = from_torch(state_of(weight, bias), range(K), X, y)
            true = found.certificate_.objective - best.certificate_.objective
            assert -1e-12 <= true <= found.certificate_.gap + 1e-12
            assert found.certificate_.gap < 200 * true + 1e-9
            np.testing.assert_array_equal(found.coef_, weight)
            far = np.linalg.norm(found.coef_ - best.coef_)
            assert far <= found.certificate_.coefficient_bound + best.certificate_.coefficient_bound
            found.save(tmp_path / "found.safetensors")
            again = load(tmp_path / "found.safetensors")
            assert again.certificate_ == found.certificate_
            assert (found.stop_ is Stop.CERTIFIED) == found.certificate_.holds


def test_classes_are_sorted_with_their_scores() -> None:
    X = np.random.default_rng(0).normal(size=(40, 2))
    three = from_torch(state_of([[1, 0], [0, 1], [2, 2]], [1, 2, 3]), ["b", "c", "a"])
    assert three.classes_.tolist() == ["a", "b", "c"]
    assert three.coef_.tolist() == [[2, 2], [1, 0], [0, 1]]
    assert three.intercept_.tolist() == [3, 1, 2]
    one = from_torch(state_of([[1, -2]], [0.5]), ["yes", "no"])
    two = from_torch(state_of([[3, 3], [4, 1]], [1, 1.5]), ["yes", "no"])
    for model in (one, two):
        assert model.classes_.tolist() == ["no", "yes"]
        np.testing.assert_array_equal(model.predict(X), np.where(X @ [1, -2] + 0.5 > 0, "no", "yes"))


def test_a_layer_without_bias_is_judged_without_intercept() -> None:
    X, y = data(K=2)
    best = exact(fit_intercept=False).fit(X, y)
    found = from_torch({"linear.weight": best.coef_}, [0, 1], X, y)
    assert found.certificate_.holds
    assert not found.objective_.fit_intercept
    weights = np.linspace(0.5, 2, len(y))
    best = exact(C=0.1).fit(X, y, sample_weight=weights)
    found = from_torch(state_of(best.coef_, best.intercept_), [0, 1], X, y, C=0.1, sample_weight=weights, tol=1e-8)
    assert found.certificate_.holds
    assert found.objective_.total_weight == pytest.approx(weights.sum())


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ({"a.weight": np.ones((3, 2)), "b.weight": np.ones((3, 2))}, "needs one linear layer"),
        ({"weight": np.ones(3)}, "needs one linear layer"),
        ({"weight": np.ones((3, 2)), "running_mean": np.ones(3)}, "needs one linear layer"),
        ({}, "needs one linear layer"),
        (7, "source is a int"),
        (state_of(np.ones((2, 2)), np.ones(2)), "for 3 classes"),
        (state_of(np.ones((3, 2)), np.ones(2)), r"intercepts of shape \(2,\)"),
        (state_of(np.full((3, 2), np.nan), np.ones(3)), "NaN or infinite"),
    ],
)
def test_what_is_no_softmax_regression_is_refused(source: object, complaint: str) -> None:
    with pytest.raises(ArgumentError, match=complaint):
        from_torch(source, ["a", "b", "c"])


def test_bad_classes_data_and_files_are_refused(tmp_path: Path) -> None:
    state, X = state_of([[1, 0], [0, 1], [2, 2]], [1, 2, 3]), np.eye(3, 2)
    with pytest.raises(ArgumentError, match="different labels"):
        from_torch(state, ["a", "a", "b"])
    with pytest.raises(ArgumentError, match="X and y belong together"):
        from_torch(state, ["a", "b", "c"], X)
    with pytest.raises(DataError, match=r"y has the labels 'a', 'b', 'd'"):
        from_torch(state, ["a", "b", "c"], X, ["a", "b", "d"])
    with pytest.raises(DataError, match="X has 3 features"):
        from_torch(state, ["a", "b", "c"], np.eye(3), ["a", "b", "c"])
    with pytest.raises(FileError, match="no such file"):
        from_torch(tmp_path / "absent.safetensors", ["a", "b", "c"])
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(FileError, match="damaged"):
        from_torch(tmp_path / "text.safetensors", ["a", "b", "c"])
    with pytest.raises(FileError, match="no folder"):
        write_torch(models.iris(), tmp_path / "absent" / "state.safetensors")
    save_file(state, tmp_path / "good.safetensors")
    assert isinstance(from_torch(str(tmp_path / "good.safetensors"), ["a", "b", "c"]), LogisticRegression)
