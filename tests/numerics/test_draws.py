"""Rows drawn at random, of very many in little memory."""

import tracemalloc

import numpy as np
import pytest

from polytome.numerics.draws import drawn, numbers_where


@pytest.mark.parametrize(("n_rows", "size"), [(1, 1), (10, 0), (10, 10), (100_001, 77)])
def test_the_choice_is_that_of_a_permutation(n_rows, size):
    found = drawn(n_rows, size, np.random.default_rng(5))
    assert found.dtype == np.int64
    assert found.tolist() == sorted(np.random.default_rng(5).permutation(n_rows)[:size].tolist())


def test_numbers_go_on_from_one_part_to_the_next():
    is_chosen = np.zeros(2**20 + 10, dtype=bool)
    is_chosen[[0, 2**20 - 1, 2**20, 2**20 + 9]] = True
    assert numbers_where(is_chosen).tolist() == [0, 2**20 - 1, 2**20, 2**20 + 9]
    assert numbers_where(is_chosen[:0]).tolist() == []


def test_a_draw_takes_four_bytes_a_row():
    tracemalloc.start()
    try:
        drawn(1_000_000, 10, np.random.default_rng(0))
        assert tracemalloc.get_traced_memory()[1] < 4_100_000
    finally:
        tracemalloc.stop()
