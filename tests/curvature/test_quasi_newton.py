"""An inverse Hessian corrected by steps: that of the matrices of Broyden, Fletcher, Goldfarb and
Shanno."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from polytome.curvature.hessian_factor import factor_hessian
from polytome.curvature.quasi_newton import pair_of, two_loops
from polytome.losses import IndependentSigmoids, Logistic, Loss
from polytome.objective import Objective
from polytome.penalties import L2
from polytome.rows import as_rows

Array = NDArray[Any]


@dataclass(frozen=True)
class Matrix:
    """An inverse Hessian of one output, as it is."""

    inverse: Array

    def solve(self, gradient: Array) -> Array:
        return np.asarray(self.inverse @ gradient)

    def solve_both(self, first: Array, second: Array) -> tuple[Array, Array]:
        return self.solve(first), self.solve(second)


def objective_of(loss: Loss, target: Array) -> Objective:
    return Objective(loss, L2(0.1), as_rows(np.random.default_rng(0).normal(size=(len(target), 3)), target))


def test_pairs_correct_as_the_matrices_of_the_textbook(rng: np.random.Generator) -> None:
    objective = objective_of(Logistic(), rng.integers(0, 2, 30))
    H = (root := rng.normal(size=(4, 4))) @ root.T + np.eye(4)
    start = np.diag(rng.uniform(0.5, 2.0, 4))
    pairs: Any = deque()
    for _ in range(3):
        step = rng.normal(size=(4, 1))
        pairs.append(pair_of(objective, step, H @ step))
    step, change, _ = pairs[-1]
    expected = start * (step.T @ change).item() / (change.T @ start @ change).item()  # Nocedal and Wright, (7.20)
    for step, change, _ in pairs:
        rho = 1 / (step.T @ change).item()
        V = np.eye(4) - rho * change @ step.T
        expected = V.T @ expected @ V + rho * step @ step.T  # (7.16)
    gradient = rng.normal(size=(4, 1))
    assert_allclose(two_loops(objective, pairs, Matrix(start), gradient), expected @ gradient, rtol=1e-10)
    assert_allclose(two_loops(objective, pairs, Matrix(start), change), step, rtol=1e-9, atol=1e-12)


def test_outputs_of_a_separable_loss_have_corrections_of_their_own(rng: np.random.Generator) -> None:
    objective = objective_of(IndependentSigmoids(2), rng.integers(0, 2, (30, 2)))
    W = rng.normal(size=objective.shape)
    inverse = factor_hessian(objective, objective.hessian_blocks(W))
    step = rng.normal(size=objective.shape)
    change = step * np.array([2.0, 3.0])
    pair = pair_of(objective, step, change)
    assert pair is not None
    assert_allclose(two_loops(objective, deque([pair]), inverse, change), step, rtol=1e-10)


def test_a_step_without_curvature_makes_no_pair(rng: np.random.Generator) -> None:
    objective = objective_of(IndependentSigmoids(2), rng.integers(0, 2, (30, 2)))
    step = rng.normal(size=objective.shape)
    assert pair_of(objective, step, -step) is None
    pair = pair_of(objective, step, step * np.array([1.0, -1.0]))
    assert pair is not None
    assert np.isfinite(pair[2]).tolist() == [True, False]
