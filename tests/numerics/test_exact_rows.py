"""Whole numbers stand for floats exactly, and null spaces are null spaces."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exact_rank import exact_rank
from polytome.numerics.exact_rows import exact_null_space, whole_multiples, whole_numbers


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6))
def test_whole_numbers_are_the_floats(values: list[float]) -> None:
    whole, power = whole_numbers(np.array(values))
    assert [Fraction(int(each), 2**power) for each in whole] == [Fraction(each) for each in values]


@given(st.lists(st.fractions(max_denominator=50), min_size=1, max_size=6))
def test_whole_multiples_point_the_same_way(values: list[Fraction]) -> None:
    found = whole_multiples(values)
    nonzero = next((place for place, each in enumerate(values) if each), None)
    if nonzero is None:
        assert not any(found)
        return
    factor = found[nonzero] / values[nonzero]
    assert factor > 0
    assert [each * factor for each in values] == found


@pytest.mark.parametrize("seed", range(20))
def test_a_null_space_is_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, d = rng.integers(1, 7, 2)
    matrix = rng.integers(-3, 4, size=(n, d)).astype(object)
    if seed % 2:
        matrix[-1] = 2 * matrix[0]
    free, solutions = exact_null_space(matrix)
    rank = exact_rank([[Fraction(int(each)) for each in row] for row in matrix])
    assert len(free) == len(solutions) == d - rank
    for place, solution in zip(free, solutions, strict=True):
        assert solution[place] == 1
        assert all(solution[other] == 0 for other in free if other != place)
        assert all(sum(a * b for a, b in zip(row, solution, strict=True)) == 0 for row in matrix)
