"""Rows drawn by their curvature: those of the formula, in little memory."""

import tracemalloc

import numpy as np
import pytest

from polytome.curvature import sampling
from polytome.curvature.sampling import drawn_by_curvature
from polytome.losses import Logistic
from polytome.objective import Objective
from polytome.passes import Traces
from polytome.penalties import L2
from polytome.rows import as_rows


def problem(n_rows: int) -> Objective:
    """Rows of two columns, with weights."""
    rng = np.random.default_rng(n_rows)
    X = rng.normal(size=(n_rows, 2))
    return Objective(Logistic(), L2(0.1), as_rows(X, (X[:, 0] > 0).astype(int), rng.integers(0, 4, n_rows)))


@pytest.mark.parametrize("at_once", [7, 2**20])
def test_the_draw_is_that_of_the_formula(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_ROWS_AT_ONCE", at_once)
    objective, W = problem(1_000), np.array([[2.0], [0.5], [-0.1]])
    (traces,) = objective.rows.reduce(Traces(objective.loss, objective.rows.columns.to_raw(W)))
    importance = objective.rows.weight * traces * (1 + objective.row_lengths)
    probability = np.minimum(1.0, 50 * importance / importance.sum())
    chosen = np.flatnonzero(np.random.default_rng(0).random(1_000) < probability)
    found = drawn_by_curvature(objective, W, 50)
    assert 20 < len(chosen) < 100
    np.testing.assert_array_equal(found.X, objective.rows.X[chosen])
    np.testing.assert_array_equal(found.weight, objective.rows.weight[chosen] / probability[chosen])


def test_a_draw_takes_few_bytes_of_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_ROWS_AT_ONCE", 2**12)
    peaks = []
    for n_rows in (50_000, 150_000):
        objective = problem(n_rows)
        objective.row_lengths  # noqa: B018 (kept by the objective, eight more bytes of each row)
        tracemalloc.start()
        try:
            drawn_by_curvature(objective, np.array([[2.0], [0.5], [-0.1]]), 50)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 100_000 < 26
