"""Encoders: their way through JSON, honest and hostile, and dense rows against sparse ones."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse

from polytome.errors import FileError
from polytome.tables import encoder as encoders
from polytome.tables.encoder import MISSING_LEVEL, Column, Encoder
from polytome.tables.frames import MISSING_WORDS, Frame

# --- dense and sparse

WORDS = (
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
    .map(str.strip)
    .filter(lambda word: bool(word) and word not in MISSING_WORDS and word != MISSING_LEVEL)
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def _encoders(draw: st.DrawFn) -> Encoder:
    names = draw(st.lists(WORDS, min_size=2, max_size=6, unique=True))
    missing = draw(st.sampled_from(["error", "drop", "mean"]))
    columns = []
    for name in names[1:]:
        if draw(st.booleans()):
            columns.append(Column(name, "number", (), draw(FLOATS) if missing == "mean" else None))
        else:
            levels = draw(st.sets(WORDS, min_size=1, max_size=9))
            levels |= {MISSING_LEVEL} if missing == "mean" and draw(st.booleans()) else set()
            columns.append(
                Column(name, "category", tuple(sorted(levels)), MISSING_LEVEL if missing == "mean" else None)
            )
    return Encoder(
        tuple(columns),
        draw(st.sampled_from([None, names[0]])),
        missing,
        draw(st.sampled_from(["error", "zero"])),
        draw(st.sampled_from(["integer", "text"])),
    )


@settings(derandomize=True, deadline=None)
@given(_encoders())
def test_encoder_survives_json(encoder: Encoder) -> None:
    text = json.dumps(encoder.to_json(), allow_nan=False)
    assert Encoder.from_json(json.loads(text)) == encoder


@settings(derandomize=True, deadline=None)
@given(_encoders(), st.data())
def test_dense_and_sparse_agree_with_the_definition(encoder: Encoder, data: st.DataObject) -> None:
    n_rows = data.draw(st.integers(1, 5))
    columns: dict[str, list[Any]] = {}
    expected: list[np.ndarray] = []
    for column in encoder.columns:
        if column.kind == "number":
            values = data.draw(st.lists(FLOATS, min_size=n_rows, max_size=n_rows))
            expected.append(np.array(values)[:, None])
        else:
            values = data.draw(st.lists(st.sampled_from(column.levels), min_size=n_rows, max_size=n_rows))
            expected.append(np.array([[float(value == level) for level in column.levels] for value in values]))
        columns[column.name] = values
    frame = Frame.of(columns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoders, "SPARSE_BELOW", 0.0)
        dense = encoder.encode(frame)
        patch.setattr(encoders, "SPARSE_BELOW", np.inf)
        thin = encoder.encode(frame)
    assert isinstance(dense, np.ndarray)
    assert sparse.issparse(thin)
    assert_array_equal(dense, np.hstack(expected))
    assert_array_equal(thin.toarray(), dense)
    assert thin.nnz == np.count_nonzero(dense)
    assert len(encoder.feature_names) == dense.shape[1]


# --- hostile JSON

GOOD = Encoder(
    (Column("age", "number", (), 3.5), Column("hue", "category", ("(missing)", "red"), "(missing)")),
    "y",
    "mean",
    "zero",
).to_json()


def _with(path: tuple[Any, ...], value: object) -> object:
    plain = json.loads(json.dumps(GOOD))
    spot = plain
    for key in path[:-1]:
        spot = spot[key]
    spot[path[-1]] = value
    return plain


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "encoder"),
        ([GOOD], "encoder"),
        ({}, "lacks"),
        ({**GOOD, "extra": 1}, "extra"),
        ({1: 2}, "lacks"),
        (_with(("columns",), []), "at least one column"),
        (_with(("columns",), "age"), "columns is 'age', not a list"),
        (_with(("columns", 0), 7), "column"),
        (_with(("columns", 0), {"name": "age"}), "encoder.columns[0] lacks"),
        (_with(("columns", 0, "name"), 7), "encoder.columns[0].name"),
        (_with(("columns", 0, "name"), "\ud800"), "text"),
        (_with(("columns", 0, "name"), "hue"), "differ from each other"),
        (_with(("columns", 0, "name"), "y"), "differ from each other and from the target"),
        (_with(("columns", 0, "kind"), "date"), "encoder.columns[0].kind"),
        (_with(("columns", 0, "kind"), ["number"]), "encoder.columns[0].kind"),
        (_with(("columns", 0, "fill"), float("nan")), "encoder.columns[0].fill"),
        (_with(("columns", 0, "fill"), float("inf")), "encoder.columns[0].fill"),
        (_with(("columns", 0, "fill"), 10**400), "encoder.columns[0].fill"),
        (_with(("columns", 0, "fill"), True), "encoder.columns[0].fill"),
        (_with(("columns", 0, "fill"), "3"), "encoder.columns[0].fill"),
        (_with(("columns", 0, "levels"), ["a"]), "a column of numbers has none"),
        (_with(("columns", 1, "levels"), "red"), "not a list"),
        (_with(("columns", 1, "levels"), {"red": 1}), "not a list"),
        (_with(("columns", 1, "levels"), []), "sorted"),
        (_with(("columns", 1, "levels"), ["red", "blue"]), "sorted"),
        (_with(("columns", 1, "levels"), ["red", "red"]), "different levels"),
        (_with(("columns", 1, "levels"), [None]), "level"),
        (_with(("columns", 1, "fill"), 0.5), "(missing)"),
        (_with(("target",), 3), "target"),
        (_with(("missing",), "guess"), "missing"),
        (_with(("unknown",), None), "unknown"),
        (_with(("label_kind",), "float"), "label_kind"),
    ],
)
def test_hostile_json_is_refused(data: object, says: str) -> None:
    assert Encoder.from_json(GOOD).to_json() == GOOD
    with pytest.raises(FileError, match="encoder") as caught:
        Encoder.from_json(data)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 250
