"""The page about a table of coefficients: its sections, its pictures in words, and what it
refuses."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from polytome.errors import ArgumentError
from polytome.inference import fit_formula
from polytome.report.statistics_page import statistics_report

pytest.importorskip("matplotlib")
pytest.importorskip("formulaic")


def rows(n_columns: int = 1) -> dict[str, Any]:
    random = np.random.default_rng(6)
    data: dict[str, Any] = {f"x{j}": random.normal(size=60) for j in range(n_columns)}
    score = data["x0"] + random.logistic(size=60)
    return data | {"y": (score > 0).astype(int), "k": np.digitize(score, [-1, 1]), "<g>": ["a", "b", "c"] * 20}


def headings(html: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", html)


ALWAYS = ["Coefficients", "Forest plot", "Adjusted predictions"]


@pytest.mark.parametrize(
    ("response", "method", "expected"),
    [
        ("y", "maximum-likelihood", [*ALWAYS, "Residuals", "Influence"]),
        ("y", "firth", [*ALWAYS, "Residuals"]),
        ("y", "median", [*ALWAYS, "Residuals"]),
        ("k", "ordered", ALWAYS),
    ],
)
def test_each_kind_of_table_has_the_sections_that_hold_for_it(response: str, method: str, expected: list[str]) -> None:
    result = fit_formula(f"{response} ~ x0 + `<g>`", rows(), method=method)
    html = statistics_report(result, title="A & b").html
    assert headings(html) == expected
    assert "<h1>A &amp; b</h1>" in html
    assert "by &lt;g&gt;" in html
    assert "<g>" not in html
    texts = re.findall(r'<img src="data:image/[a-z+]+;base64,[^"]+" alt="([^"]+)" width="\d+" height="\d+">', html)
    assert len(texts) == html.count("<img") == len(expected) - len(ALWAYS) + 3


def test_variables_are_chosen_and_those_that_are_not_drawn_are_named() -> None:
    result = fit_formula("y ~ " + " + ".join(f"x{j}" for j in range(9)), rows(9))
    html = statistics_report(result, variables=["x3"], tests=[result.test("x1")]).html
    assert len(re.findall("Mean predicted probabilities", html)) == 1
    assert "Tests" in headings(html)
    assert "Wald test of x1" in html
    with pytest.raises(ArgumentError, match="'z' is not one of the model's"):
        statistics_report(result, variables=["z"])
    with pytest.raises(ArgumentError, match="result is dict"):
        statistics_report({})
