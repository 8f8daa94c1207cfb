"""What the package marginaleffects makes of a table, beside the table's own effects."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas
import pytest

from polytome import LogisticRegression
from polytome.errors import ArgumentError, MissingExtraError
from polytome.inference import fit_formula, summarize, to_marginaleffects

pytest.importorskip("formulaic")
# What marginaleffects itself does with newer polars.
pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")


@pytest.fixture(scope="module")
def data() -> pandas.DataFrame:
    random, n = np.random.default_rng(2), 240
    table = pandas.DataFrame(
        {
            "age": random.integers(20, 70, n),
            "rank": random.integers(1, 4, n),
            "town": random.choice(["Aber", "Bree", "Crail"], n),
            "paid": random.random(n) < 0.4,
            "time": random.uniform(0.5, 2, n),
            "cases": random.integers(1, 4, n),
        }
    )
    score = 0.05 * (table.age - 45) + 0.4 * (table["rank"] == 2) - 0.5 * (table.town == "Bree") + 0.3 * table.paid
    table["ill"] = random.random(n) < 1 / (1 + np.exp(-score))
    third = random.random(n) < 0.3
    table["way"] = np.where(third, "bus", np.where(table.ill, "car", "foot"))
    return table


FITS: dict[str, tuple[str, dict[str, Any]]] = {
    "two classes": ("ill ~ age + C(rank) + town + paid", {"covariance": "HC1"}),
    "three classes": ("way ~ age + C(town, Treatment('Crail')) + poly(time, 2)", {"reference": "foot"}),
    "offset": ("ill ~ age + offset(log(time))", {}),
    "Firth": ("ill ~ age * town", {"method": "firth"}),
    "ordered": ("way ~ age + town", {"method": "ordered", "order": ["foot", "bus", "car"]}),
    "weights": ("ill ~ age + paid", {"weights": "cases", "weights_are": "frequencies"}),
    "without an intercept": ("ill ~ 0 + town + age", {}),
}


@pytest.mark.parametrize("name", FITS)
def test_slopes_and_contrasts_are_the_tables_own(name, data):
    marginaleffects = pytest.importorskip("marginaleffects")
    formula, options = FITS[name]
    result = fit_formula(formula, data, **options)
    wts = "weight" if name == "weights" else None
    found = marginaleffects.avg_slopes(to_marginaleffects(result), wts=wts, eps_vcov=1e-5)
    groups = found["group"].to_list() if "group" in found.columns else [None] * found.height
    theirs = dict(
        zip(
            zip(groups, found["term"], found["contrast"].str.replace(r"dY/dX|\+0.0001", "dP/dx"), strict=True),
            zip(found["estimate"], found["std_error"], strict=True),
            strict=True,
        )
    )
    effects = result.effects()
    is_grouped = groups[0] is not None
    assert len(theirs) == len(effects.rows)
    for (variable, contrast, label), value, error in zip(
        effects.rows, effects.values, effects.standard_errors, strict=True
    ):
        estimate, std_error = theirs[str(label) if is_grouped else None, variable, contrast]
        assert estimate == pytest.approx(value, rel=1e-4, abs=1e-7)
        assert std_error == pytest.approx(error, rel=1e-3)


def test_predictions_are_the_tables_own(data):
    marginaleffects = pytest.importorskip("marginaleffects")
    result = fit_formula("way ~ age + town", data)
    found = marginaleffects.avg_predictions(to_marginaleffects(result), by="group").sort("group")
    own = result.predictions()
    np.testing.assert_allclose(found["estimate"], own.values, rtol=1e-10)
    np.testing.assert_allclose(found["std_error"], own.standard_errors, rtol=1e-5)


def test_a_table_of_a_classifier_is_taken_too(data):
    marginaleffects = pytest.importorskip("marginaleffects")
    X = data[["age", "time"]]
    result = summarize(LogisticRegression(C=np.inf).fit(X, data.ill), X, data.ill)
    found = marginaleffects.avg_slopes(to_marginaleffects(result), eps_vcov=1e-5).sort("term")
    np.testing.assert_allclose(found["estimate"], result.effects().values, rtol=1e-4)
    model = to_marginaleffects(result)
    with pytest.raises(ArgumentError, match="ask for another in the fit, as covariance='HC3'"):
        marginaleffects.avg_slopes(model, vcov="HC3")


def test_what_cannot_be_taken_is_refused(data, monkeypatch):
    with pytest.raises(ArgumentError, match="result is a LogisticRegression: give a table"):
        to_marginaleffects(LogisticRegression())
    split = data.assign(sure=np.where(data.ill, 1.0, np.where(data.paid, 1.0, 0.0)))
    with pytest.raises(
        ArgumentError, match=r"the estimate of '(sure|Intercept)' for True is infinite.*method=\"firth\""
    ):
        to_marginaleffects(fit_formula("ill ~ age + sure", split))
    monkeypatch.setitem(sys.modules, "marginaleffects.classes", None)
    with pytest.raises(MissingExtraError, match="pip install"):
        to_marginaleffects(fit_formula("ill ~ age", data))
