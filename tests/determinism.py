"""The table of `docs/determinism.md`, and the fits that it is about: whoever makes some of them
checks what the table promises of each two."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from polytome import LogisticRegression
from polytome.tables.table import read_table

PAGE = Path(__file__).parent.parent / "docs" / "determinism.md"
SETTINGS = {"newton": {"tol": 1e-9}, "lbfgs": {"tol": 1e-9, "solver": "lbfgs", "C": 0.01}}
"""Fits that come to the end of what rounding lets them reach, by both kinds of solvers."""


def promises() -> dict[frozenset[str], str]:
    """What the page says of each two ways: "bits", or a number."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    names = [row[1] for row in rows]
    found = {}
    for place, row in enumerate(rows):
        assert row[0] == str(place + 1)
        for other, cell in enumerate(row[2 : 2 + place]):
            found[frozenset({names[place], names[other]})] = cell
        assert not any(row[2 + place :]), f"{names[place]}: the table is to have each pair once"
    return found


def write_rows(folder: Path, *, wide: bool) -> Path:
    """A Parquet file of several parts, with two categories; where it is wide, encoded rows are
    sparse."""
    import pyarrow
    from pyarrow import parquet

    rng = np.random.default_rng(7)
    X, town = rng.normal(size=(600, 3)), rng.integers(0, 30 if wide else 4, 600)
    y = np.array(["a", "b", "c"])[np.argmax(X + 0.1 * town[:, None] * X + rng.gumbel(size=(600, 3)), axis=1)]
    columns = {f"x{j}": X[:, j] for j in range(3)} | {"town": [f"t{k:02}" for k in town], "hue": list("uv" * 300)}
    path = folder / "rows.parquet"
    parquet.write_table(pyarrow.table({**columns, "w": rng.integers(0, 4, 600), "y": y}), path, row_group_size=150)
    return path


def in_memory(path: Path, settings: Mapping[str, Any]) -> LogisticRegression:
    """A fit to the rows in memory."""
    table = read_table(path, target="y", weight="w")
    return LogisticRegression(**settings).fit(table.X, table.y, table.weight)


def check(found: Mapping[str, LogisticRegression]) -> None:
    """Compare each two fits as the page promises it."""
    promised = promises()
    for one, other in combinations(found, 2):
        promise = promised[frozenset({one, other})]
        mine, theirs = found[one], found[other]
        coefficients = [np.column_stack([model.coef_, model.intercept_]) for model in (mine, theirs)]
        if promise == "bits":
            assert coefficients[0].tobytes() == coefficients[1].tobytes(), (one, other)
            certificates = [(model.certificate_.objective, model.certificate_.gap) for model in (mine, theirs)]
            assert certificates[0] == certificates[1], (one, other)
        else:
            apart = np.abs(coefficients[0] - coefficients[1]).max() / np.abs(coefficients[0]).max()
            assert apart <= float(promise), (one, other, apart)
