"""Rows drawn in one reading: those of the formula, however they are cut, and few held."""

import tracemalloc

import numpy as np
import pytest

from polytome.rows.draw import Draw


def in_pieces(importance: np.ndarray, size: int, piece: int, total: float | None = None) -> Draw:
    draw = Draw(size, total)
    for start in range(0, len(importance), piece):
        draw.add(importance[start : start + piece])
    return draw


@pytest.fixture(scope="module")
def importance() -> np.ndarray:
    """Many small numbers and few that are much larger, all of them sums of powers of two, so that
    their total does not depend on the order of additions."""
    rng = np.random.default_rng(5)
    return rng.integers(0, 2**10, 30_000) * np.where(rng.random(30_000) < 0.001, 2.0**10, 2.0**-10)


@pytest.mark.parametrize("piece", [1_000, 777, 30_000])
@pytest.mark.parametrize("size", [1, 200, 5_000, 10**9])
def test_the_draw_is_that_of_the_formula(importance: np.ndarray, size: int, piece: int) -> None:
    probability = np.minimum(1.0, size * importance / importance.sum())
    wanted = np.flatnonzero(np.random.default_rng(0).random(len(importance)) < probability)
    for total in (None, float(importance.sum())):
        numbers, found = in_pieces(importance, size, piece, total).drawn()
        if len(wanted):
            np.testing.assert_array_equal(numbers, wanted)
        else:
            assert numbers.tolist() == [importance.argmax()]
        np.testing.assert_array_equal(found, probability[numbers])


def test_each_row_is_drawn_as_often_as_its_probability_says() -> None:
    """Over many random numbers: the sum of inverse probabilities is the number of rows."""
    rng = np.random.default_rng(1)
    importance = rng.random(50) ** 3
    size, drawn, times = 10, np.zeros(50), 4_000
    for seed in range(times):
        draw = Draw(size)
        draw._rng = np.random.default_rng(seed)
        for piece in (importance[:7], importance[7:8], importance[8:]):
            draw.add(piece)
        numbers, _ = draw.drawn()
        drawn[numbers] += 1
    probability = np.minimum(1.0, size * importance / importance.sum())
    deviation = np.sqrt(probability * (1 - probability) / times)
    assert (np.abs(drawn / times - probability) <= 5 * deviation + 1e-12).all()


@pytest.mark.parametrize("order", ["growing", "falling"])
def test_few_rows_are_held(order: str) -> None:
    peaks = []
    for n_pieces in (20, 200):
        draw = Draw(1_000)
        tracemalloc.start()
        try:
            for place in range(n_pieces):
                draw.add(np.full(2_000, 1.0 + (place if order == "growing" else n_pieces - place)))
            draw.drawn()
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert draw.n_seen == 400_000
    assert peaks[1] < peaks[0] + 4_000 * 24 + 2**15


def test_rows_of_no_importance_give_the_first_of_the_most_important() -> None:
    for values, wanted in (([0.0, 0.0], 0), ([1e-320, 2e-320, 2e-320], 1)):
        numbers, probability = in_pieces(np.array(values), 1, 1).drawn()
        assert numbers.tolist() == [wanted]
        assert (probability <= 1).all()


def test_an_empty_piece_changes_nothing(importance: np.ndarray) -> None:
    draw = Draw(200)
    for piece in (importance[:0], importance, importance[:0]):
        draw.add(piece)
    np.testing.assert_array_equal(draw.drawn()[0], in_pieces(importance, 200, 7_000).drawn()[0])
