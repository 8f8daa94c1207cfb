"""Sums by class equal those of NumPy to the bit, however many rows are taken at a time."""

from __future__ import annotations

import numpy as np
import pytest

from polytome.numerics import totals


@pytest.mark.parametrize("size", [1, 7, 1000, 5000])
def test_the_bits_are_those_of_numpy(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(size)
    codes, weight = rng.integers(0, 3, 3000).astype(np.int8), rng.lognormal(sigma=9, size=3000)
    monkeypatch.setattr(totals, "_ROWS_AT_ONCE", size)
    for each in (weight, np.broadcast_to(1.0, 3000)):
        wanted = np.bincount(codes, weights=each, minlength=5)
        assert totals.class_totals(codes, each, 5).tobytes() == wanted.tobytes()


def test_no_rows_have_totals_of_0() -> None:
    assert totals.class_totals(np.zeros(0, dtype=np.int8), np.broadcast_to(1.0, 0), 3).tolist() == [0, 0, 0]
