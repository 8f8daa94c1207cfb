"""The minima that R's glmnet finds, from the fixture that `fixtures/make_glmnet.R` makes."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp

from polytome import LogisticRegression

GLMNET = json.loads((Path(__file__).parent / "fixtures" / "glmnet.json").read_text(encoding="utf-8"))
FITS = {
    fit["name"]: fit
    for fit in GLMNET["fits"]
    if not {"lower.limits", "upper.limits", "type.multinomial"} & set(fit["settings"])
}


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
    penalty = (sizes * (ratio * np.abs(scaled) + (1 - ratio) / 2 * scaled**2)).sum()
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
        assert -1e-8 < found - least < 1e-8
        # glmnet stops where a sweep changes little, which is not always the minimum to all digits.
        # Of four classes the same number can be added to all: only differences are determined.
        for mine, its in zip(ours, theirs, strict=True):
            pair = [each - each.mean(axis=0) if len(each) > 1 else each for each in (mine, its)]
            np.testing.assert_allclose(*pair, atol=2e-3 * max(1, np.abs(its).max()))
