"""Tables of R for data sets that come with it, to the digits that R settles: some eight of a
standard error, whose weights are those of the step before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from numpy.testing import assert_allclose

from polytome.inference import LogisticResult, fit_formula

R = json.loads((Path(__file__).parent / "fixtures" / "r_tables.json").read_text(encoding="utf-8"))
CASE = "case ~ spontaneous + induced"


def data(name: str) -> pd.DataFrame:
    return pd.DataFrame(R["data"][name])


def by_outcome(frame: pd.DataFrame, events: str, others: Any) -> pd.DataFrame:
    """A row for the events and one for the others, with their numbers."""
    return pd.concat([frame.assign(event=1, n=frame[events]), frame.assign(event=0, n=others)])


def check(result: LogisticResult, wanted: dict[str, Any]) -> None:
    assert_allclose(result.coefficients[0], wanted["coef"], rtol=1e-9)
    assert_allclose(result.standard_errors[0], wanted["se"], rtol=1e-6)


def test_two_classes() -> None:
    result, wanted = fit_formula(CASE, data("infert")), R["infert"]
    check(result, wanted)
    for name in ("log_likelihood", "deviance", "null_deviance", "aic", "bic"):
        assert getattr(result.statistics, name) == pytest.approx(wanted[name], rel=1e-12)
    assert result.compare("case ~ spontaneous").statistic == pytest.approx(wanted["lr_of_induced"], rel=1e-9)
    assert result.test("induced", "score").statistic == pytest.approx(wanted["rao_of_induced"], rel=1e-9)
    assert result.test("spontaneous, induced").statistic == pytest.approx(wanted["wald_of_both"], rel=1e-9)
    assert result.test("spontaneous = 2 * induced").statistic == pytest.approx(wanted["wald_of_twice"], rel=1e-9)


def test_residuals_and_influence() -> None:
    result, wanted = fit_formula(CASE, data("infert")), R["infert"]
    influence = result.influence()
    assert_allclose(influence["leverage"], wanted["hat"], rtol=1e-8)
    assert_allclose(influence["cook"], wanted["cook"], rtol=1e-8)
    for kind in ("pearson", "standardised", "standardised-pearson"):
        assert_allclose(result.residuals(kind), wanted[kind.replace("-", "_")], rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "covariance", "clusters"),
    [
        *((kind, kind, None) for kind in ("HC0", "HC1", "HC2", "HC3")),
        ("by_stratum", "cluster", "stratum"),
        ("by_stratum_HC1", "cluster-HC1", "stratum"),
        ("two_ways", "cluster", ["stratum", "education"]),
    ],
)
def test_robust_errors(name: str, covariance: str, clusters: Any) -> None:
    result = fit_formula(CASE, data("infert"), covariance=covariance, clusters=clusters)
    assert_allclose(result.standard_errors[0], R["infert"][name], rtol=1e-9)


def test_frequencies() -> None:
    girls, weights = data("menarche"), {"weights": "n", "weights_are": "frequencies"}
    counted = by_outcome(girls, "Menarche", girls["Total"] - girls["Menarche"])
    check(fit_formula("event ~ Age", counted, **weights), R["menarche"])
    students = data("UCBAdmissions")
    check(
        fit_formula("admitted ~ Gender + Dept", students, weights="Freq", weights_are="frequencies"), R["UCBAdmissions"]
    )
    cancer = data("esoph")
    counted = by_outcome(cancer, "ncases", cancer["ncontrols"])
    formula = "event ~ C(agegp, Poly) + C(tobgp, Poly) * C(alcgp, Poly)"
    check(fit_formula(formula, counted, **weights), R["esoph"])


def test_three_classes_in_order_and_not() -> None:
    lodgers = data("housing")
    levels = {"Infl": ["Low", "Medium", "High"], "Cont": ["Low", "High"], "Sat": ["Low", "Medium", "High"]}
    for name, own in (levels | {"Type": ["Tower", "Apartment", "Atrium", "Terrace"]}).items():
        lodgers[name] = pd.Categorical(lodgers[name], own)
    formula, weights = "Sat ~ Infl + Type + Cont", {"weights": "Freq", "weights_are": "frequencies"}
    # R's own iterations stop early, and polr differentiates numerically.
    ordered, wanted = fit_formula(formula, lodgers, method="ordered", **weights), R["housing_ordered"]
    assert_allclose(ordered.coefficients[0], wanted["coef"], rtol=1e-7)
    assert_allclose(ordered.standard_errors[0], wanted["se"], rtol=1e-6)
    softmax, wanted = fit_formula(formula, lodgers, **weights), R["housing_softmax"]
    assert_allclose(softmax.coefficients, wanted["coef"], rtol=1e-6)
    assert_allclose(softmax.standard_errors, wanted["se"], rtol=1e-7)
    for result, name in ((ordered, "housing_ordered"), (softmax, "housing_softmax")):
        assert result.statistics.deviance == pytest.approx(R[name]["deviance"], rel=1e-12)
