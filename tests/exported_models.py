"""Fitted models and hostile tables that the tests of every export share."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polytome import LogisticRegression
from polytome.files.sources import fit_source, one_against_rest, open_source
from polytome.tables.frames import Frame
from polytome.tables.readers.idx import IDX_FILES, find_idx
from polytome.tables.table import read_table

HOSTILE = r"""a "quoted" name,label,/scores; DROP TABLE,it's,*/ end,kind
1.5,b c,0,O'Brien,10,no
2.5,"d ""e"" f",1,back\slash,20,yes
,b c,1,percent %s,30,maybe
4.5,?,0,O'Brien,15,no
0.5,"d ""e"" f",0,??/trigraph,12,yes
3.0,b c,1,,50,maybe
2.0,ünïcode,0,back\slash,11,maybe
1.0,b c,0,O'Brien,9,no
"""
"""Number columns, text columns, missing cells of both, and whatever breaks quoting in SQL, C and
ONNX."""


@cache
def iris() -> LogisticRegression:
    return fit_source(LogisticRegression(), open_source("iris"))


@cache
def virginica() -> LogisticRegression:
    return fit_source(LogisticRegression(), one_against_rest(open_source("iris"), "virginica"))


@cache
def digits() -> LogisticRegression:
    return fit_source(LogisticRegression(C=0.01), open_source("digits"))


def hostile(folder: Path, missing: str = "mean", unknown: str = "zero", binary: bool = False) -> LogisticRegression:
    path = folder / "hostile.csv"
    path.write_text(HOSTILE.replace("maybe", "no") if binary else HOSTILE, encoding="utf-8")
    rows = open_source(str(path), target="kind", missing=missing, unknown=unknown)
    return fit_source(LogisticRegression(), rows)


def hostile_rows() -> dict[str, list[Any]]:
    """Rows of the hostile table with missing cells and unknown levels."""
    return {
        'a "quoted" name': [1.0, None, 3.0, 2.0, 0.0],
        "label": ["b c", 'd "e" f', None, "never seen", "ünïcode"],
        "/scores; DROP TABLE": [0.0, 1.0, 1.0, None, 0.5],
        "it's": ["O'Brien", None, "percent %s", "back\\slash", "never seen"],
        "*/ end": [10.0, 20.0, 30.0, 15.0, -12.0],
    }


def encoded_rows(model: LogisticRegression, rows: dict[str, list[Any]]) -> Any:
    return model.encoder_.encode(Frame.of(rows))


def data_folder() -> Path:
    folder = os.environ.get("POLYTOME_DATA")
    if not folder:
        pytest.skip("POLYTOME_DATA names no folder")
    return Path(folder)


@cache
def adult() -> tuple[LogisticRegression, Path]:
    """A model of incomes, and the file of its test rows, whose labels end in a full stop."""
    folder = data_folder() / "adult"
    rows = open_source(str(folder / "adult-train.csv"), target="last", missing="mean", unknown="zero", header="no")
    return fit_source(LogisticRegression(scale="standard", tol=1e-3), rows), folder / "adult-test.csv"


def adult_cells(n_rows: int) -> dict[str, list[Any]]:
    """The first test rows as a program would hold them, None where a cell is missing."""
    import csv

    model, path = adult()
    with path.open(newline="", encoding="utf-8") as stream:
        lines = [line for line in csv.reader(stream, skipinitialspace=True) if line][:n_rows]
    columns: dict[str, list[Any]] = {}
    for place, column in enumerate(model.encoder_.columns):
        words = [None if line[place] == "?" else line[place] for line in lines]
        is_number = column.kind == "number"
        columns[column.name] = [None if word is None else float(word) for word in words] if is_number else words
    return columns


@cache
def mnist() -> tuple[LogisticRegression, np.ndarray]:
    """A quick model of digits, and its test images."""
    images = find_idx(data_folder() / "mnist", IDX_FILES[2])
    if images is None:
        pytest.skip("no MNIST")
    X = read_table(images).X.reshape(10_000, 784).astype(np.float64)
    rows = open_source("mnist", data_dir=data_folder() / "mnist")
    few = np.arange(0, 60_000, 20)
    return LogisticRegression(C=0.01, scale=255).fit(rows.X[few], rows.y[few]), X
