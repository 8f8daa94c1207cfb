"""A table of people and a model of it without a penalty, in which categories leave a level out."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas

from polytome import LogisticRegression, train
from polytome.tables.frames import Frame

SCHOOLS = ["college", "none", "school"]
CHOSEN = {"school": "none", "rank": "3"}


@cache
def people() -> pandas.DataFrame:
    random, n = np.random.default_rng(5), 300
    table = pandas.DataFrame(
        {
            "age": random.normal(45, 12, n).round(1),
            "school": random.choice(SCHOOLS, n, p=[0.3, 0.2, 0.5]),
            "rank": random.integers(1, 4, n).astype(str),
            "town": random.choice(["Aber", "Bree", "Crail", "Dull"], n),
        }
    )
    score = 0.04 * (table.age - 45) + table.school.map({"college": 0.8, "none": -0.5, "school": 0.0})
    table["ill"] = np.where(random.random(n) < 1 / (1 + np.exp(-score)), "yes", "no")
    table["way"] = np.where(random.random(n) < 0.3, "bus", np.where(table.ill == "yes", "car", "foot"))
    return table


@cache
def model() -> LogisticRegression:
    return train(people(), "ill", drop="way", categories="rank", C=np.inf, tol=1e-13, references=CHOSEN)


def frame(table: pandas.DataFrame) -> Frame:
    return Frame.of({name: table[name].astype(object).tolist() for name in table})
