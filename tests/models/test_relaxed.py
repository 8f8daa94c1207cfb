"""The relaxed refit: of glmnet's values, of what other fits find, and certified."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from polytome import LogisticRegression, OneVsRest, RegularizationPath, load, load_dataset, relaxed_refit, verify
from polytome.errors import ArgumentError
from polytome.solvers.driver import _Minimization

GLMNET = json.loads((Path(__file__).parent / "fixtures" / "glmnet_relaxed.json").read_text(encoding="utf-8"))


def tumours():
    data = load_dataset("breast-cancer")
    return data.X, (data.y == data.class_names[0]).astype(int)


def cases():
    for fit in GLMNET["fits"]:
        for point in fit["points"]:
            yield pytest.param(fit, point, id=f"{fit['name']} {point['lambda']}")


@pytest.mark.parametrize(("fit", "point"), list(cases()))
def test_glmnet_finds_the_same(fit, point):
    data = GLMNET["data"][fit["data"]]
    X, y = np.array(data["x"]), np.array(data["y"])
    weight = np.array(data["weights"]) if fit["weights"] else np.ones(len(y))
    settings = {"groups": "classes"} if "type.multinomial" in fit["settings"] else {}
    C = 1 / (point["lambda"] * weight.sum())
    model = LogisticRegression(C=C, l1_ratio=fit["settings"]["alpha"], scale="standard", tol=1e-10, **settings)
    model.fit(X, y, weight)
    refit = relaxed_refit(model, X, y, weight)

    def both(fitted):
        found = np.column_stack([fitted.intercept_, fitted.coef_])
        return found - found[:, :1].mean() * (np.arange(found.shape[1]) == 0) if len(found) > 1 else found

    assert refit.certificate_.holds
    np.testing.assert_allclose(both(refit), point["relaxed"], rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(0.5 * both(model) + 0.5 * both(refit), point["half"], rtol=2e-4, atol=2e-4)


def test_it_is_the_fit_of_the_kept_columns():
    X, y = tumours()
    model = LogisticRegression(C=0.05, l1_ratio=1, scale="standard").fit(X, y)
    kept = (model.coef_ != 0).any(axis=0)
    refit = relaxed_refit(model, X, y)
    alone = LogisticRegression(C=np.inf, tol=1e-12).fit(X[:, kept], y)
    assert 0 < kept.sum() < X.shape[1]
    assert not refit.coef_[:, ~kept].any()
    assert refit.certificate_.objective == pytest.approx(alone.certificate_.objective, abs=1e-7)
    assert np.abs(refit.decision_function(X) - alone.decision_function(X[:, kept])).max() < 1e-2
    assert model.penalty_weights is None


def test_sparse_rows_give_the_same():
    X, y = tumours()
    model = LogisticRegression(C=0.05, l1_ratio=1, scale="standard", tol=1e-9).fit(X, y)
    dense, thin = relaxed_refit(model, X, y), relaxed_refit(model, sparse.csr_matrix(X), y)
    np.testing.assert_allclose(dense.predict_proba(X), thin.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("magnitude", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("share", [0.0, 0.2])
def test_units_do_not_matter(magnitude, share):
    X, y = tumours()
    model = LogisticRegression(C=0.05 / magnitude, l1_ratio=1).fit(X * magnitude, y)
    refit = relaxed_refit(model, X * magnitude, y, share=share)
    assert refit.certificate_.holds
    assert not refit.coef_[model.coef_ == 0].any()


def test_a_share_lies_between():
    X, y = tumours()
    model = LogisticRegression(C=0.05, l1_ratio=1, scale="standard", tol=1e-9).fit(X, y)
    losses = []
    for fitted in (model, *(relaxed_refit(model, X, y, share=share) for share in (0.7, 0.3, 0.0))):
        losses.append(-np.log(fitted.predict_proba(X)[np.arange(len(y)), y]).mean())
    assert (np.diff(losses) < 0).all()


@pytest.mark.parametrize("groups", ["classes", ["a", "a", "b", "b"]])
def test_groups_stay_together(groups):
    iris = load_dataset("iris")
    model = LogisticRegression(C=0.05, l1_ratio=1, groups=groups).fit(iris.X, iris.y)
    kept = (model.coef_ != 0).any(axis=0)
    refit = relaxed_refit(model, iris.X, iris.y, share=0.1)
    assert refit.certificate_.holds
    assert ((refit.coef_ != 0).any(axis=0) == kept).all()
    assert not kept.all()


def test_own_weights_are_kept():
    """A column without a penalty stays in, and so does the ratio of the others' weights."""
    X, y = tumours()
    weights = np.ones(X.shape[1])
    weights[[3, 5]] = 0.0, 2.0
    model = LogisticRegression(C=0.05, l1_ratio=1, scale="standard", penalty_weights=weights).fit(X, y)
    refit = relaxed_refit(model, X, y, share=0.5)
    kept = (model.coef_ != 0).any(axis=0)
    assert refit.coef_[0, 3] != 0
    assert (np.asarray(refit.penalty_weights)[kept] == 0.5 * weights[kept]).all()


def test_nothing_kept_is_the_null_model():
    X, y = tumours()
    refit = relaxed_refit(LogisticRegression(C=1e-6, l1_ratio=1, scale="standard").fit(X, y), X, y)
    assert not refit.coef_.any()
    np.testing.assert_allclose(refit.predict_proba(X)[:, 1], y.mean(), rtol=1e-9)


def test_separated_classes_are_named_and_a_share_of_the_penalty_helps():
    X, y = load_dataset("iris").X[:100], load_dataset("iris").y[:100]
    model = LogisticRegression(C=0.02, l1_ratio=1).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="No finite coefficients are optimal"):
        relaxed_refit(model, X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert relaxed_refit(model, X, y, share=0.1).certificate_.holds


def test_it_is_saved_and_verified_as_any_model(tmp_path):
    X, y = tumours()
    path = RegularizationPath(n_strengths=20, scale="standard").fit(X, y)
    refit = relaxed_refit(path.model_at(8), X, y)
    refit.save(tmp_path / "refit.safetensors")
    loaded = load(tmp_path / "refit.safetensors")
    assert (loaded.coef_ == refit.coef_).all()
    assert verify(loaded, X, y).verdict == "confirmed"


def test_what_cannot_be_refitted_is_said():
    X, y = tumours()
    model = LogisticRegression(C=0.05, l1_ratio=1, scale="standard").fit(X, y)
    with pytest.raises(ArgumentError, match="l1_ratio > 0"):
        relaxed_refit(LogisticRegression(C=0.05, scale="standard").fit(X, y), X, y)
    with pytest.raises(ArgumentError, match="needs a fitted LogisticRegression"):
        relaxed_refit(OneVsRest(), X, y)
    for share in (-0.1, 1, 1.0, "half", True, np.nan):
        with pytest.raises(ArgumentError, match="share="):
            relaxed_refit(model, X, y, share=share)
    with pytest.raises(ArgumentError, match="X has 5 columns, the model was fitted to 30"):
        relaxed_refit(model, X[:, :5], y)
    with pytest.raises(ArgumentError, match=r"y has the classes \['a', 'b'\]"):
        relaxed_refit(model, X, np.where(y == 1, "b", "a"))


def test_a_certificate_that_is_refused_is_not_asked_for_at_every_iterate(monkeypatch):
    """Beside columns that separate some classes the gap seems to be 0, and no certificate holds:
    asked for at each iterate, they took nearly all of the time."""
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(120, 18)), 2 * rng.normal(size=(18, 6))
    W[9:] = 0
    y = (X @ W + 0.2 * rng.gumbel(size=(120, 6))).argmax(axis=1)
    mixed = y >= 4  # two of six classes overlap
    y[mixed] = 4 + np.random.default_rng(1).integers(0, 2, mixed.sum())
    asked, certify = [], _Minimization._certify
    monkeypatch.setattr(_Minimization, "_certify", lambda self, *given: asked.append(1) or certify(self, *given))
    model = LogisticRegression(C=1.0, l1_ratio=1, penalty_weights=[0.0] * 17 + [1e6], max_iter=120)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    assert model.n_iter_[0] >= 120
    assert len(asked) <= 8  # of which the last waited for 49 iterates
