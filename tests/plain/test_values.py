"""Plain values: whatever Polytome prints, serves or saves is what JSON can hold, and comes back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polytome.certificates.certificate import Certificate
from polytome.errors import ArgumentError, FileError
from polytome.models.formula import Formula
from polytome.plain.kinds import brief, real
from polytome.plain.values import plain

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner)
)


@settings(derandomize=True, deadline=None)
@given(VALUES, st.booleans())
def test_whatever_is_plain_is_json_and_stays_what_it_is(value: Any, words: bool) -> None:
    once = plain(value, words=words)
    assert json.loads(json.dumps(once, allow_nan=False)) == once
    assert plain(once, words=words) == once


@settings(derandomize=True, deadline=None)
@given(st.floats())
def test_words_bring_every_number_back(number: float) -> None:
    again = real(-np.inf, np.inf, nan=True)(json.loads(json.dumps(plain(number, words=True))), "it")
    assert again == number or (np.isnan(again) and np.isnan(number))


@pytest.mark.parametrize("gap", [0.25, np.inf, np.nan])
def test_what_a_fit_says_of_itself_is_json_whatever_came_out(gap: float) -> None:
    certificate = Certificate(np.float64(0.5), gap, 1.0, 1e-4, "proof", 0.1, estimate=gap, rounding=gap)
    found = json.loads(json.dumps(certificate.to_json(), allow_nan=False))
    expected = gap if np.isfinite(gap) else None
    assert [found[name] for name in ("gap", "relative_gap", "estimate", "rounding")] == [expected] * 4
    assert (found["objective"], found["holds"], found["kind"]) == (0.5, False, "proof")
    formula = Formula("logistic", 3, 3.0, 1, 2, 0.0, True, "none", gap)
    found = json.loads(json.dumps(formula.to_json(), allow_nan=False))
    assert (found["C"], found["value"], found["text"]) == (None, expected, str(formula))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[1.5, np.nan], [np.inf, -2.0]]), [[1.5, None], [None, -2.0]]),
        (np.array([1, 2], dtype=np.uint8), [1, 2]),
        (np.array([True, False]), [True, False]),
        (np.array(["a", "nan"]), ["a", "nan"]),
        (np.array([None, np.float32(0.5), np.int64(3), float("nan")], dtype=object), [None, 0.5, 3, None]),
        (np.float64("inf"), None),
        (np.int32(7), 7),
        (np.array(2.5), 2.5),
        (np.zeros((0, 3)), []),
    ],
)
def test_arrays_become_lists_of_pythons_own_values(array: Any, expected: Any) -> None:
    found = plain(array)
    assert found == expected
    assert json.loads(json.dumps(found, allow_nan=False)) == expected


@pytest.mark.parametrize(
    "value", [{1, 2}, 1j, pytest.param(object(), id="object"), b"bytes", [np.array([1j])]], ids=repr
)
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(ArgumentError, match="which JSON cannot hold"):
        plain(value)


def test_a_value_of_any_size_is_shown_briefly() -> None:
    nested: Any = "x" * 1000
    for _ in range(20):
        nested = [nested] * 5
    assert len(brief(nested)) <= 120
    with pytest.raises(FileError) as caught:
        real(0, 1)({str(n): [nested] for n in range(50)}, "it")
    assert len(str(caught.value)) < 250
