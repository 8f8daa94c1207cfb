"""A table of people and models of it with products, powers and splines."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas

from polytome import LogisticRegression, train

CROSSES = ["age*sex", "school*sex", ("hours", "age")]


@cache
def people() -> pandas.DataFrame:
    """400 rows; some ages and schools are missing."""
    random, n = np.random.default_rng(8), 400
    table = pandas.DataFrame(
        {
            "age": random.normal(45, 12, n).round(1),
            "hours": random.integers(5, 60, n),
            "school": random.choice(["college", "none", "school"], n, p=[0.3, 0.2, 0.5]),
            "sex": random.choice(["F", "M"], n),
        }
    )
    score = np.abs(table.age - 45) / 5 - 2 + (table.hours - 30) / 20 * np.where(table.sex == "M", 1, -1)
    table["ill"] = np.where(random.random(n) < 1 / (1 + np.exp(-score)), "yes", "no")
    table["way"] = np.where(random.random(n) < 0.3, "bus", np.where(table.ill == "yes", "car", "foot"))
    table.loc[random.random(n) < 0.05, "age"] = np.nan
    table.loc[random.random(n) < 0.05, "school"] = None
    return table


def fitted(target: str = "ill", **settings: Any) -> LogisticRegression:
    """A model with each kind of term."""
    rules = {"missing": "mean", "scale": "standard", "unknown": "zero", **settings}
    other = "way" if target == "ill" else "ill"
    return train(people(), target, drop=other, crosses=CROSSES, splines={"age": 4}, powers={"hours": 3}, **rules)


@cache
def model() -> LogisticRegression:
    return fitted()


@cache
def ways() -> LogisticRegression:
    """Of three classes."""
    return fitted("way")
