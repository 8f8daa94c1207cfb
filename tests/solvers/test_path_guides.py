"""What a path carries on: models that are widened, where fits begin, and what the first fold tells
the others."""

import numpy as np
import pytest
from scipy import sparse

from polytome import load_dataset
from polytome.losses import IndependentSigmoids, Logistic, Softmax
from polytome.objective import Objective
from polytome.penalties import L2, ElasticNet, GroupLasso
from polytome.rows import as_rows
from polytome.solvers import LBFGS
from polytome.solvers.choose import Choice
from polytome.solvers.path import Guide, minima_along
from polytome.solvers.working_set_model import Model


@pytest.mark.parametrize("kind", ["softmax", "binary", "sigmoids", "sparse", "groups", "weights of 0"])
def test_a_widened_model_is_that_of_all_its_coefficients(rng, kind):
    X, y, d = rng.normal(size=(60, 300)), rng.integers(0, 3, 60), 300
    weight = rng.uniform(0.5, 2.0, 60)
    loss, target = Softmax(3), y
    if kind == "binary":
        loss, target = Logistic(), y % 2
    if kind == "sigmoids":
        loss, target = IndependentSigmoids(3), np.eye(3)[y]
    if kind == "sparse":
        X = sparse.csr_matrix(np.where(rng.random(X.shape) < 0.1, X, 0.0))
    weights = np.ones(d)
    if kind == "weights of 0":
        weights[:2] = 0.0
    groups = np.arange(d) // 2 if kind == "groups" else None
    penalty = ElasticNet(0.01, 0.9, weights) if groups is None else GroupLasso(0.01, 0.9, groups)
    objective = Objective(loss, penalty, as_rows(X, target, weight))
    W = rng.normal(size=objective.shape) * 0.1
    few = rng.random(objective.shape) < 0.02
    more = few | (rng.random(objective.shape) < 0.02)
    if groups is not None:
        few[:-1], more[:-1] = (np.repeat(each[:-1].any(axis=1)[::2], 2)[:, None] for each in (few, more))
    is_free = np.zeros(objective.shape, dtype=bool)
    is_free[-1], is_free[:-1] = True, weights[:, None] == 0
    few, more = few | is_free, more | is_free
    assert few.sum() < more.sum()
    widened = Model.at(objective, W, few, is_free, groups).widened(objective, more, is_free, groups)
    whole = Model.at(objective, W, more, is_free, groups)
    np.testing.assert_array_equal(widened.chosen, whole.chosen)
    np.testing.assert_allclose(widened.intercepts, whole.intercepts, rtol=1e-10, atol=1e-14)
    for one, other in zip(widened.blocks, whole.blocks, strict=True):
        np.testing.assert_array_equal(one.penalised, other.penalised)
        np.testing.assert_array_equal(one.free, other.free)
        np.testing.assert_allclose(one.S, other.S, rtol=1e-9, atol=1e-12)


@pytest.fixture(scope="module")
def folds():
    """Objectives of two folds of some digits."""
    digits = load_dataset("digits")
    rows = as_rows(digits.X[:600] / 16.0, digits.y[:600])
    first, second = (np.arange(600) % 5 != fold for fold in (0, 1))
    return [
        Objective(Softmax(10), L2(1.0), rows.subset(np.flatnonzero(own), np.ones(int(own.sum()))))
        for own in (first, second)
    ]


STRENGTHS = np.geomspace(1e-1, 1e-5, 9)


def iterations(objective, **beside):
    """How many iterations each of the fits along a path of squares takes; each is certified."""
    choose = lambda _: Choice(LBFGS(), "for the test")  # noqa: E731
    steps = list(minima_along(objective, map(L2, STRENGTHS), choose, **beside))
    assert all(step.solution.certificate.holds for step in steps)
    return [len(step.solution.history) - 1 for step in steps], steps


def test_another_fold_needs_fewer_iterations_with_a_guide(folds):
    alone, by_itself = iterations(folds[1])
    guide = Guide()
    iterations(folds[0], trace=guide)
    assert len(guide.points) == len(guide.hessians) == len(STRENGTHS)
    guided, steps = iterations(folds[1], guide=guide)
    assert sum(guided) < 0.8 * sum(alone)
    for one, other in zip(by_itself, steps, strict=True):  # two proofs about one minimum
        gaps = one.solution.certificate.gap + other.solution.certificate.gap
        assert abs(one.solution.certificate.objective - other.solution.certificate.objective) <= gaps


def test_a_guide_of_another_shape_is_no_guide(folds):
    alone, _ = iterations(folds[1])
    strange = Guide(points=[np.ones((3, 2))] * len(STRENGTHS), hessians=[None] * len(STRENGTHS))
    assert iterations(folds[1], guide=strange)[0] == alone
