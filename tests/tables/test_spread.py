"""What is learned of a table partition by partition is what is learned of it at once."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from polytome.errors import DataError, PolytomeError
from polytome.tables.streams import learning
from polytome.tables.streams.spread import Asked, asked_of, encoded, joined, learner_of

pyarrow = pytest.importorskip("pyarrow")

CELLS = st.one_of(st.sampled_from(["red", "blue", "3", "4.5", "NA", "", None]), st.integers(0, 3).map(str))


def asked(missing: str) -> Asked:
    return asked_of(
        "t", ["x", "c", "y"], "y", missing=missing, unknown="error", drop=(), categories=(), marks=("?",), notes=[]
    )


@settings(max_examples=150)
@given(
    cells=st.lists(st.tuples(st.none() | st.integers(-3, 3).map(float), CELLS, CELLS), min_size=1, max_size=25),
    ends=st.lists(st.integers(0, 25), max_size=4),
    missing=st.sampled_from(["error", "mean"]),
)
def test_joined(cells: list[tuple[Any, Any, Any]], ends: list[int], missing: str) -> None:
    table = pyarrow.table(
        {
            "x": pyarrow.array([row[0] for row in cells], pyarrow.float64()),
            "c": pyarrow.array([row[1] for row in cells], pyarrow.string()),
            "y": pyarrow.array([row[2] for row in cells], pyarrow.string()),
        }
    )
    bounds = [0, *sorted(min(end, len(cells)) for end in ends), len(cells)]
    cut = [table.slice(start, end - start) for start, end in pairwise(bounds)]
    asks = asked(missing)

    def told(tables: list[Any]) -> Any:
        try:
            encoder, classes, notes = joined(asks, (learner_of(each, asks, place) for place, each in enumerate(tables)))
        except PolytomeError as error:
            return type(error)
        return encoder, classes.tolist(), notes

    at_once, in_parts = told([table]), told(cut)
    assert in_parts == at_once
    if not isinstance(at_once, type):
        encoder, classes, _ = at_once
        whole = encoded(table, asks, encoder, np.array(classes), "t")
        parts = [encoded(each, asks, encoder, np.array(classes), "t") for each in cut]
        dense = [X if isinstance(X, np.ndarray) else X.toarray() for X, _, _ in (whole, *parts)]
        assert_array_equal(np.vstack(dense[1:]), dense[0])
        assert_array_equal(np.concatenate([codes for _, codes, _ in parts]), whole[1])


def test_too_many_words_are_numbers_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "MOST_WORDS", 5)
    asks = asked("error")
    numbers = [
        pyarrow.table({"x": [1.0] * 4, "c": [f"{4 * k + j}" for j in range(4)], "y": list("abab")}) for k in (0, 1)
    ]
    encoder, _, _ = joined(asks, [learner_of(each, asks, place) for place, each in enumerate(numbers)])
    assert encoder.feature_names == ("x", "c")
    words = [each.set_column(1, "c", [[f"w{k}{j}" for j in range(4)]]) for k, each in enumerate(numbers)]
    with pytest.raises(DataError, match="column 'c': holds 8 or more different texts"):
        joined(asks, [learner_of(each, asks, place) for place, each in enumerate(words)])


def test_labels_that_were_not_there_before() -> None:
    asks = asked("error")
    table = pyarrow.table({"x": [1.0, 2.0], "c": ["1", "2"], "y": ["a", "b"]})
    encoder, classes, _ = joined(asks, [learner_of(table, asks, 0)])
    with pytest.raises(DataError, match="t, partition 0: holds other labels than when it was first computed"):
        encoded(table.set_column(2, "y", [["a", "z"]]), asks, encoder, classes, "t, partition 0")
    with pytest.raises(DataError, match="t: has 0 rows"):
        joined(asks, [learner_of(table.slice(0, 0), asks, 0)])
