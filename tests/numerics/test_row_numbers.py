"""What is looked for among very many rows: the same as NumPy finds in more memory."""

from __future__ import annotations

import numpy as np
import pytest

from polytome.numerics import row_numbers
from polytome.numerics.row_numbers import drawn, first_positive, has_one_weight, numbers_of


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at three rows at a time."""
    monkeypatch.setattr(row_numbers, "_ROWS_AT_ONCE", 3)


@pytest.mark.parametrize(("n_rows", "size"), [(1, 1), (2, 1), (10, 10), (1_000, 7), (70_000, 69_000)])
def test_the_rows_drawn_are_those_of_a_permutation(n_rows: int, size: int) -> None:
    ours, theirs = np.random.default_rng(5), np.random.default_rng(5)
    found = drawn(n_rows, size, ours)
    assert found.dtype == np.int64
    assert np.array_equal(found, np.sort(theirs.permutation(n_rows)[:size]))
    assert ours.random() == theirs.random()


def test_numbers_are_those_of_flatnonzero_in_four_bytes_and_shuffled_alike() -> None:
    chosen = np.random.default_rng(0).random(1_000) < 0.3
    found = numbers_of(chosen)
    assert found.itemsize == 4
    assert np.array_equal(found, np.flatnonzero(chosen))
    np.random.default_rng(5).shuffle(found)
    assert np.array_equal(found, np.random.default_rng(5).permutation(np.flatnonzero(chosen)))


def test_weights_are_looked_at_in_turns() -> None:
    weight = np.array([0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 2.0, 2.0])
    assert first_positive(weight) == 4
    assert first_positive(np.zeros(5)) == 0
    assert has_one_weight(weight)
    assert not has_one_weight(np.append(weight, 1.0))
    assert has_one_weight(np.broadcast_to(1.0, 10))
