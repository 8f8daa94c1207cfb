"""Factors of Hessians that have none: every search for a ridge ends."""

from __future__ import annotations

import numpy as np
import pytest

from polytome.curvature.hessian_factor import factor_hessian
from polytome.curvature.preconditioner import _factor
from polytome.losses import Logistic
from polytome.objective import Objective
from polytome.penalties import NoPenalty
from polytome.rows import as_rows


@pytest.fixture
def objective(rng: np.random.Generator) -> Objective:
    return Objective(Logistic(), NoPenalty(), as_rows(rng.normal(size=(30, 3)), np.arange(30) % 2))


@pytest.mark.parametrize("entry", [np.inf, -np.inf])
def test_a_hessian_that_is_not_finite_has_a_factor_all_the_same(entry: float, objective: Objective) -> None:
    H = objective.hessian_blocks(np.zeros(objective.shape))
    H[0, 1, 2] = H[0, 2, 1] = entry
    factor = factor_hessian(objective, H)
    assert np.isfinite(factor.solve(np.ones(objective.shape))).all()


def test_a_hessian_that_is_far_from_definite_becomes_so(objective: Objective) -> None:
    H = np.full((1, 4, 4), 1e9)
    H[0][np.diag_indices(4)] = 1.0
    assert np.isfinite(factor_hessian(objective, H).solve(np.ones(objective.shape))).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("entry", [np.inf, 1e6])
def test_a_gram_matrix_that_is_none_has_a_factor_all_the_same(entry: float, dtype: type) -> None:
    S = np.eye(3, dtype=dtype)
    S[0, 1] = S[1, 0] = entry
    factor, lower = _factor(S, 0.1, float(np.finfo(dtype).eps))
    assert lower
    assert np.isfinite(np.tril(factor)).all()
