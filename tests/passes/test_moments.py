"""The weight of rows that lack an entry, against sums without rounding."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

from polytome.passes import moments, weight_of_absent


@pytest.mark.parametrize("decades", [0, 1, 12])
@pytest.mark.parametrize("stored", ["csr", "csc"])
def test_no_column_loses_what_light_rows_weigh(decades: int, stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "_MAX_DENSE_ENTRIES", 64)
    rng = np.random.default_rng(decades)
    for share in (0.03, 0.5, 0.97):
        X = sparse.csr_array((rng.random((70, 9)) < share) * 1.0).asformat(stored)
        weight = 0.1 * 10.0 ** rng.uniform(-decades, decades, 70) * (rng.random(70) < 0.9)
        heaviest = int(weight.argmax())
        X = X.tolil()
        X[heaviest, 4], X[:, 5], X[heaviest, 6] = 1.0, 1.0, 0.0
        X = X.asformat(stored)
        has = X.toarray() != 0
        present, count = weight @ has, has[weight > 0].sum(axis=0)
        exact = [float(sum(Fraction(w) for w in weight[~has[:, j]])) for j in range(9)]
        np.testing.assert_allclose(weight_of_absent(X, weight, present, count), exact, rtol=1e-13)


def test_rows_of_equal_weight_are_counted() -> None:
    X = sparse.csr_array(np.eye(1000)[:, :3])
    weight = np.full(1000, 0.1)
    absent = weight_of_absent(X, weight, np.full(3, 0.1), np.ones(3))
    assert (absent == 999 * 0.1).all()
