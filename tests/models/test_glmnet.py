"""The minima, grids and choices by cross-validation of R's glmnet, from the fixture that
`fixtures/make_glmnet.R` makes."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.model_selection import PredefinedSplit

from polytome import LogisticRegression, LogisticRegressionCV, RegularizationPath
from polytome.models.cross_validation import chosen_by_rule

GLMNET = json.loads((Path(__file__).parent / "fixtures" / "glmnet.json").read_text(encoding="utf-8"))
FITS = {fit["name"]: fit for fit in GLMNET["fits"]}
GRIDS = {grid["name"]: grid for grid in GLMNET["grids"]}
# Cross-validation has no offsets; R's scores of grouped fits differ from ours by up to 8e-4.
CROSSINGS = {
    crossing["name"]: crossing
    for crossing in GLMNET["crossings"]
    if "type.multinomial" not in crossing["settings"] and not crossing["offset"]
}
SCORES = {"deviance": (None, 0, -2), "class": ("accuracy", 1, -1), "auc": ("roc_auc", 0, 1)}


def settings_of(fit, n_features):
    """Ours, but for C: glmnet rescales penalty factors to a mean of 1."""
    own = fit["settings"]
    found = {
        "l1_ratio": own["alpha"],
        "scale": "standard" if own.get("standardize", True) else None,
        "fit_intercept": own.get("intercept", True),
    }
    if "penalty.factor" in own:
        factors = np.array(own["penalty.factor"])
        found["penalty_weights"] = factors * n_features / factors.sum()
    if {"lower.limits", "upper.limits"} & set(own):
        found["bounds"] = own.get("lower.limits", -np.inf), own.get("upper.limits", np.inf)
    if own.get("type.multinomial") == "grouped":
        found["groups"] = "classes"
    return found


def objective_of(fit, data, point, coef, intercept, settings):
    """The objective in R's own terms, at any coefficients."""
    X, y, n_features = data["x"], data["y"], data["x"].shape[1]
    share = data["weights"] if fit["weights"] else np.ones(len(y))
    share = share / share.sum()
    scores = X @ coef.T + intercept + (data["offset"].reshape(len(y), -1) if fit["offset"] else 0)
    if len(coef) == 1:
        loss = np.logaddexp(0, scores[:, 0]) - y * scores[:, 0]
    else:
        loss = logsumexp(scores, axis=1) - scores[np.arange(len(y)), y]
    sizes = np.broadcast_to(settings.get("penalty_weights", 1.0), n_features)
    deviation = np.sqrt(share @ (X - share @ X) ** 2) if settings["scale"] else np.ones(n_features)
    scaled, ratio = coef * deviation, settings["l1_ratio"]
    sums = np.linalg.norm(scaled, axis=0) if "groups" in settings else np.abs(scaled).sum(axis=0)
    penalty = (sizes * (ratio * sums + (1 - ratio) / 2 * (scaled**2).sum(axis=0))).sum()
    return share @ loss + point["lambda"] * penalty


@pytest.mark.parametrize("name", FITS)
def test_the_minima_are_those_of_glmnet(name):
    fit = FITS[name]
    data = {key: np.array(value) for key, value in GLMNET["data"][fit["data"]].items()}
    X, y = data["x"], data["y"]
    settings, weight = settings_of(fit, X.shape[1]), data["weights"] if fit["weights"] else np.ones(len(y))
    for point in fit["points"][1::2]:
        model = LogisticRegression(C=1 / (point["lambda"] * weight.sum()), tol=1e-8, **settings)
        model.fit(X, y, sample_weight=weight, offset=data["offset"] if fit["offset"] else None)
        theirs, ours = (np.array(point["coef"]), np.array(point["intercept"])), (model.coef_, model.intercept_)
        least, found = (objective_of(fit, data, point, *each, settings) for each in (ours, theirs))
        assert model.certificate_.holds
        assert abs(least - model.certificate_.objective) < 1e-12
        assert -1e-8 < found - least < (3e-8 if "groups" in settings else 1e-8)
        # glmnet stops where a sweep changes little, which is not always the minimum to all digits.
        # Of four classes the same number can be added to all: only differences are determined.
        for mine, its in zip(ours, theirs, strict=True):
            pair = [each - each.mean(axis=0) if len(each) > 1 else each for each in (mine, its)]
            np.testing.assert_allclose(*pair, atol=2e-3 * max(1, np.abs(its).max()))


@pytest.mark.parametrize("name", GRIDS)
def test_the_grids_are_those_of_glmnet(name):
    grid = GRIDS[name]
    data, theirs = GLMNET["data"][grid["data"]], np.array(grid["lambda"])
    X = np.array(data["x"])
    path = RegularizationPath(n_strengths=20, tol=1e-2, min_ratio=1e-4, **settings_of(grid, X.shape[1]))
    path.fit(X, data["y"])
    # glmnet ends where nearly all is explained. Where columns have no penalty, it finds the fit to
    # them by sweeps.
    np.testing.assert_allclose(
        path.strengths_[: len(theirs)], theirs, rtol=1e-11 if path.penalty_weights is None else 1e-5
    )
    assert path.strength_max_ == path.strengths_[0]


@pytest.mark.parametrize("name", CROSSINGS)
def test_cross_validation_scores_and_chooses_as_glmnet(name):
    """glmnet keeps lambda in the folds, where C, as in scikit-learn, is kept here: lambda is
    `1 / (C S)` with S the weight of the training rows, alike in all folds of the fixture."""
    crossing = CROSSINGS[name]
    data = {key: np.array(value) for key, value in GLMNET["data"][crossing["data"]].items()}
    X, y, folds = data["x"], data["y"], data["foldid"]
    weight = data["weights"] if crossing["weights"] else np.ones(len(y))
    (of_training,) = {weight[folds != fold].sum() for fold in np.unique(folds)}
    settings = settings_of(crossing, X.shape[1])
    scoring, start, factor = SCORES[crossing["measure"]]
    search = LogisticRegressionCV(
        Cs=1 / (of_training * np.array(crossing["lambda"])),
        l1_ratios=[settings.pop("l1_ratio")],
        cv=PredefinedSplit(folds),
        scoring=scoring,
        tol=1e-7,
        **settings,
    ).fit(X, y, sample_weight=weight if crossing["weights"] else None)
    np.testing.assert_allclose(start + factor * search.mean_scores_[0], crossing["cvm"], atol=1e-4)
    np.testing.assert_allclose(abs(factor) * search.standard_errors_[0], crossing["cvsd"], atol=1e-4)
    assert 1 / (search.C_ * of_training) == pytest.approx(crossing["lambda_min"], rel=1e-9)
    _, simplest = chosen_by_rule(search.mean_scores_, search.standard_errors_, "1se")
    assert 1 / (search.Cs_[simplest] * of_training) == pytest.approx(crossing["lambda_1se"], rel=1e-9)
