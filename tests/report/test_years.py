"""Numbers of a table's cells are written as in the table: a year is not 2,020."""

from __future__ import annotations

import re

import numpy as np

from polytome import LogisticRegression
from polytome.report import make_report


def test_a_year_has_no_comma_and_a_larger_number_has() -> None:
    random = np.random.default_rng(0)
    X = np.column_stack([random.integers(1995, 2025, 80), 10_000 * random.integers(1, 9, 80)])
    y = np.where(X[:, 0] + random.normal(0, 5, 80) > 2010, "new", "old")
    model = LogisticRegression(scale="standard").fit(X, y)
    page = make_report(model, X, y).html
    shown = re.findall(r"feature_0 = ([\d,]+)", page)
    assert shown
    assert all(re.fullmatch(r"\d{4}", year) for year in shown)
    assert all("," in large for large in re.findall(r"feature_1 = ([\d,]+)", page))
