"""Tables that others have published, to every digit that they print."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from polytome.inference import LogisticResult, fit_formula

pytestmark = pytest.mark.data
FOLDER = Path(os.environ.get("POLYTOME_DATA", "absent")) / "inference"


def table(name: str, **how: Any) -> pd.DataFrame:
    path = FOLDER / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return pd.read_csv(path, **how)


def published(name: str) -> dict[str, Any]:
    path = FOLDER / "published.json"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    found: dict[str, Any] = json.loads(path.read_text())[name]
    return found


def assert_digits(result: LogisticResult, entry: dict[str, Any], names: dict[str, str], half: float = 0.51) -> None:
    """Each number is the printed one, to half a unit of its last digit, or a little more where its
    own iterations stopped early; a column of the printed numbers is an equation."""
    order = [names.get(name, name) for name in entry["order"]]
    places = [result.estimate.terms.index(name) for name in order]
    for values, own in (
        (entry["published_coef"], result.coefficients),
        (entry["published_se"], result.standard_errors),
    ):
        printed = np.array(values).reshape(len(places), -1).T
        for got, want in zip(own[:, places].ravel(), printed.ravel(), strict=True):
            decimals = len(re.sub(r"^[^.]*\.?", "", np.format_float_positional(want, trim="-")))
            assert abs(got - want) <= half * 10.0**-decimals, (got, want)
    want = entry["published_loglik"]
    assert result.statistics.log_likelihood == pytest.approx(want, abs=1e-6 if len(str(want)) > 10 else 5e-3)


def test_spector_as_stata_prints_it() -> None:
    # Stata has kept the columns as floats of 32 bits: with these, all its digits.
    data, entry = table("spector", sep=" ", quotechar="'"), published("spector")
    for column in ("GPA", "TUCE", "PSI"):
        data[column] = data[column].astype(np.float32)
    result = fit_formula("GRADE ~ GPA + TUCE + PSI", data)
    places = [result.estimate.terms.index({"const": "Intercept"}.get(name, name)) for name in entry["order"]]
    np.testing.assert_allclose(result.coefficients[0, places], entry["published_coef"], rtol=1e-9)
    np.testing.assert_allclose(result.standard_errors[0, places], entry["published_se"], rtol=1e-9)
    assert result.statistics.log_likelihood == pytest.approx(entry["published_loglik"], abs=1e-11)
    assert round(result.statistics.mcfadden, 4) == 0.3740
    assert round(result.statistics.likelihood_ratio, 2) == 15.40
    assert f"{result.statistics.p_value:.4f}" == "0.0015"
    exact = fit_formula("GRADE ~ GPA + TUCE + PSI", table("spector", sep=" ", quotechar="'"))
    np.testing.assert_allclose(exact.coefficients[0, places], entry["computed_here_coef"], rtol=1e-9)


def test_spector_robust_errors_as_stata_prints_them() -> None:
    # glm grade gpa tuce psi, family(binomial) vce(robust): statsmodels 0.15,
    # results_glm_logit_constrained.py.
    result = fit_formula("GRADE ~ GPA + TUCE + PSI", table("spector", sep=" ", quotechar="'"), covariance="robust")
    np.testing.assert_allclose(
        result.standard_errors[0], [5.2807513766642, 1.287827879216, 0.1198091371814, 0.97985082470462], rtol=2e-7
    )
    np.testing.assert_allclose(
        result.p_values[0, 1:], [0.02820092594159, 0.42705358424294, 0.01519902587997], rtol=1e-6
    )
    assert result.covariance[1, 0] == pytest.approx(-5.7738061195745, rel=1e-6)


def test_spector_margins_as_stata_prints_them() -> None:
    # Stata 11, in statsmodels 0.15, discrete/tests/results/results_discrete.py, class Spector.
    data = table("spector", sep=" ", quotechar="'")
    data[["GPA", "TUCE", "PSI"]] = data[["GPA", "TUCE", "PSI"]].astype(np.float32)
    result = fit_formula("GRADE ~ GPA + TUCE + PSI", data)
    average, means = result.effects(), result.effects(at="means")
    np.testing.assert_allclose(average.values, [0.36258084688424, 0.01220841099085, 0.35751515254729], atol=2e-8)
    np.testing.assert_allclose(average.standard_errors, [0.1094412, 0.0177942, 0.1420034], atol=6e-8)
    np.testing.assert_allclose(means.values, [0.53385885781692, 0.01797548988961, 0.4564984096959], atol=3e-8)
    np.testing.assert_allclose(means.standard_errors, [0.237038, 0.0262369, 0.1810537], atol=6e-8)
    at = {"GPA": float(data["GPA"].mean()), "PSI": 0, "TUCE": 21}
    there = result.effects(["GPA", "TUCE"], at=at)
    np.testing.assert_allclose(there.values, [0.25105129214546, 0.00845311433473], atol=2e-8)
    np.testing.assert_allclose(there.standard_errors, [0.1735778, 0.012017], atol=1e-7)


def test_anes96_as_stata_prints_it() -> None:
    # Nine digits are settled in what Stata keeps; what it prints, seven, are all the same.
    data = table("anes96", sep="\t", quotechar="'")
    result = fit_formula("PID ~ log(popul + 0.1) + selfLR + age + educ + income", data)
    assert_digits(
        result, published("anes96 (mlogit, base PID=0)"), {"logpopul": "log(popul + 0.1)", "const": "Intercept"}, 4.0
    )


def hsbdemo(**how: Any) -> LogisticResult:
    data = table("hsbdemo")
    data["ses"] = pd.Categorical(data["ses"], ["low", "middle", "high"])
    return fit_formula("prog ~ ses + write", data, reference="academic", **how)


SES = {"const": "Intercept", "ses=middle": "ses[middle]", "ses=high": "ses[high]"}


def test_hsbdemo_as_stata_and_r_print_it() -> None:
    # This output's own iterations stop at some 1e-7; the fit below, to its end, agrees with ours.
    entry = published("hsbdemo (double precision, src B)")
    result = hsbdemo()
    places = [result.estimate.terms.index(SES.get(name, name)) for name in entry["order"]]
    np.testing.assert_allclose(result.coefficients[:, places], entry["published_coef"], atol=2e-7)
    np.testing.assert_allclose(result.standard_errors[:, places], entry["published_se"], atol=2e-8)
    np.testing.assert_allclose(result.coefficients[:, places], entry["computed_here_coef"], rtol=1e-9)
    assert round(result.statistics.log_likelihood, 6) == -179.981726
    # The multinom of R's nnet stops early: its own log-likelihood is no better, its digits are good
    # to 6e-5.
    early = published("hsbdemo multinom")
    np.testing.assert_allclose(result.coefficients[:, places], early["published_coef"], atol=6e-5)
    np.testing.assert_allclose(result.standard_errors[:, places], early["published_se"], atol=6e-6)


def test_hsbdemo_tests_as_ucla_prints_them() -> None:
    # stats.oarc.ucla.edu/stata/dae/multinomiallogistic-regression: LR chi2(6) = 48.23, and after it
    # "test 2.ses 3.ses": chi2(4) = 10.82, Prob > chi2 = 0.0287.
    result = hsbdemo()
    assert round(result.statistics.likelihood_ratio, 2) == 48.23
    test = result.test("ses")
    assert (round(test.statistic, 2), test.df, round(test.p_value, 4)) == (10.82, 4, 0.0287)


def test_admissions_as_r_prints_it() -> None:
    result = fit_formula("admit ~ gre + gpa + C(rank)", table("admissions"))
    names = {"const": "Intercept", **{f"rank{k}": f"rank[{k}]" for k in (2, 3, 4)}}
    assert_digits(result, published("admissions binary.csv"), names)
    # UCLA's page: null deviance 499.98, residual deviance 458.52, AIC 470.52; Wald test of rank
    # 20.9, df 3, p 0.00011.
    s = result.statistics
    assert [f"{value:.2f}" for value in (s.null_deviance, s.deviance, s.aic)] == ["499.98", "458.52", "470.52"]
    test = result.test("C(rank)")
    assert (round(test.statistic, 1), test.df, round(test.p_value, 5)) == (20.9, 3, 0.00011)
    # its profile intervals by confint
    ends = result.confidence_intervals(method="profile")
    want = {
        "Intercept": (-6.2716202334, -1.792547080),
        "gre": (0.0001375921, 0.004435874),
        "gpa": (0.1602959439, 1.464142727),
        "rank[2]": (-1.3008888002, -0.056745722),
        "rank[3]": (-2.0276713127, -0.670372346),
        "rank[4]": (-2.4000265384, -0.753542605),
    }
    for row in ends.itertuples():
        # R interpolates its profile: the third decimal is not settled.
        assert (row.lower, row.upper) == pytest.approx(want[row.term], rel=5e-3, abs=5e-5)


def test_endometrial_says_what_is_infinite() -> None:
    # brglm2 prints for maximum likelihood: 4.30452 (1.63730), -0.04218 (0.04433), -2.90261
    # (0.84555), NV +Inf; deviances 104.903 and 55.393.
    result = fit_formula("HG ~ NV + PI + EH", table("endometrial"))
    np.testing.assert_allclose(result.coefficients[0], [4.30452, np.inf, -0.04218, -2.90261], atol=5e-6)
    np.testing.assert_allclose(result.standard_errors[0], [1.63730, np.nan, 0.04433, 0.84555], atol=5e-6)
    assert (round(result.statistics.null_deviance, 3), round(result.statistics.deviance, 3)) == (104.903, 55.393)
    text = str(result)
    assert "'NV' to +infinity" in text
    assert re.search(r"NV +\+inf +NA +NA +NA", text)
    ends = result.confidence_intervals(method="profile", terms="NV")
    assert np.isinf(ends["upper"][0])
    assert 1.28 < ends["lower"][0] < 1.29
