"""Median bias reduction: R's brglm2, its invariances, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from polytome.errors import ArgumentError
from polytome.inference import MedianResult, bootstrap, fit_formula

pytest.importorskip("formulaic")
DATA = Path(os.environ.get("POLYTOME_DATA", "absent")) / "inference"
BRGLM2 = {
    "endometrial": (
        "HG ~ NV + PI + EH",
        [3.969359826073, 3.869206635996, -0.038677972002, -2.707934471280],
        [1.5523232592143, 2.2982422634079, 0.0418665111251, 0.8030140571394],
    ),
    "admissions": (
        "admit ~ gre + gpa + C(rank)",
        [
            *(-3.92908196283353, 0.00222873975574, 0.79169799230627),
            *(-0.66747584994252, -1.32220077902638, -1.52351277002958),
        ],
        [
            *(1.13571942169230, 0.00109033843312, 0.33073315646315),
            *(0.31616520603260, 0.34451285106247, 0.41566670174733),
        ],
    ),
}
"""R 4.2.2: glm(..., method = "brglmFit", type = "AS_median", epsilon = 1e-12)."""


@pytest.mark.data
@pytest.mark.parametrize("name", BRGLM2)
def test_digits_are_those_of_brglm2(name: str) -> None:
    path = DATA / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    formula, coefficients, errors = BRGLM2[name]
    result = fit_formula(formula, pd.read_csv(path), method="median")
    assert_allclose(result.coefficients[0], coefficients, rtol=1e-9)
    assert_allclose(result.standard_errors[0], errors, rtol=1e-9)
    assert "Converged: the adjusted score is 0" in str(result)


def test_weights_are_rows_and_separation_is_finite() -> None:
    data = pd.DataFrame({"x": [0, 0, 1, 1, 2, 3], "y": [0, 1, 0, 1, 1, 0], "w": [5, 3, 2, 6, 4, 1]})
    weighted = fit_formula("y ~ x", data, weights="w", weights_are="frequencies", method="median")
    assert_allclose(weighted.coefficients[0], [-0.0361033744269, 0.6031853936130], rtol=1e-9)
    assert_allclose(weighted.standard_errors[0], [0.645590989557, 0.578005589340], rtol=1e-9)
    apart = pd.DataFrame({"x": [0, 0, 0, 1, 1, 1], "y": [0, 1, 1, 1, 1, 1]})
    assert_allclose(fit_formula("y ~ x", apart, method="median").coefficients[0], [0.619039208406, 2.102812718296])
    whole = fit_formula("y ~ x", {"x": range(8), "y": [0] * 4 + [1] * 4}, method="median")
    assert isinstance(whole, MedianResult)
    assert np.isfinite(whole.coefficients).all()
    assert "Converged" in str(whole)


def test_a_mirror_turns_signs_and_scales_turn_with_columns() -> None:
    random = np.random.default_rng(2)
    data = pd.DataFrame({"x": random.normal(size=40), "z": random.normal(size=40)})
    data["y"] = (random.random(40) < 1 / (1 + np.exp(-data.x))).astype(int)
    own = fit_formula("y ~ x + z", data, method="median").coefficients[0]
    mirrored = fit_formula("y ~ x + z", data.assign(y=1 - data.y), method="median").coefficients[0]
    assert_allclose(mirrored, -own, rtol=1e-8)
    scaled = fit_formula("y ~ x + z", data.assign(x=1e6 * data.x), method="median").coefficients[0]
    assert_allclose(scaled, own * [1, 1e-6, 1], rtol=1e-7)


def test_of_one_probability_half_of_the_estimates_are_too_small() -> None:
    # All samples of 20 rows are known: how probable it is that the estimate lies below the truth.
    n, truth = 20, np.log(0.3 / 0.7)
    chance, below = stats.binom.pmf(np.arange(1, n), n, 0.3), []
    for k in range(1, n):
        found = fit_formula("y ~ 1", {"y": [1] * k + [0] * (n - k)}, method="median")
        # Firth's method adds 1/2 to each count, this one 1/6.
        assert found.coefficients[0, 0] == pytest.approx(np.log((k + 1 / 6) / (n - k + 1 / 6)), abs=1e-9)
        below.append(float(found.coefficients[0, 0] < truth))
    assert abs(chance @ below - 0.5) < 0.11


def test_what_needs_a_likelihood_is_refused_and_wald_holds() -> None:
    data = {"x": [0.0, 1, 2, 3, 4, 5, 6, 7], "y": [0, 0, 1, 0, 1, 0, 1, 1], "k": [0, 1, 2, 0, 1, 2, 0, 1]}
    result = fit_formula("y ~ x", data, method="median")
    assert result.test("x").df == 1
    assert "Wald against intercepts alone" in str(result)
    for ask in (
        lambda: result.confidence_intervals(method="profile"),
        lambda: result.test("x", "likelihood-ratio"),
        lambda: result.compare("y ~ 1"),
    ):
        with pytest.raises(ArgumentError, match="maximise no likelihood"):
            ask()
    for ask in (result.influence, result.dfbeta):
        with pytest.raises(ArgumentError, match="adjustment of median bias reduction"):
            ask()
    with pytest.raises(ArgumentError, match="for two classes, and k has 3"):
        fit_formula("k ~ x", data, method="median")
    with pytest.raises(ArgumentError, match="covariance='HC1'"):
        fit_formula("y ~ x", data, method="median", covariance="HC1")
    assert_allclose(result.predictions().values, result.predictions(at="average").values)
    assert np.isfinite(bootstrap(result, n=20, method="percentile").replicates).all()
