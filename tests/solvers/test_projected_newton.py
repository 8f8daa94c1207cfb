"""`ProjectedNewton`: the same minimum as the method with Hessians, where it gives way, and when it
is chosen."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.optimize import minimize as scipy_minimize

from polytome.losses import Logistic, Softmax
from polytome.objective import Objective
from polytome.penalties import L2, Bounded, ElasticNet, WeightedL2
from polytome.rows import as_rows
from polytome.solvers import ProjectedNewton, ProximalNewton, Stop, choose_solver, minimize


def problem(seed, n_classes=3, n=60, d=12, low=-0.2, high=0.3, strength=1e-3, form=np.asarray, intercept=True):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * 10 ** rng.uniform(-1, 1, size=d)
    y = (X @ rng.normal(size=(d, n_classes)) + 2 * rng.normal(size=(n, n_classes))).argmax(axis=1)
    y[:n_classes] = np.arange(n_classes)
    loss = Logistic() if n_classes == 2 else Softmax(n_classes)
    return Objective(loss, Bounded(L2(strength), low, high), as_rows(form(X), y), intercept)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(
    ("low", "high", "strength"), [(-0.2, 0.3, 1e-3), (-0.01, 0.01, 1e-4), (0.1, 0.4, 1e-2), (-5.0, 5.0, 1e-5)]
)
def test_it_finds_the_minimum_of_the_method_with_hessians(n_classes, low, high, strength):
    for seed, intercept in ((0, True), (1, False)):
        objective = problem(seed, n_classes, low=low, high=high, strength=strength, intercept=intercept)
        found = minimize(objective, ProjectedNewton(), tol=1e-10)
        other = minimize(objective, ProximalNewton(), tol=1e-10)
        assert found.stop is Stop.CERTIFIED
        assert (found.coefficients[:-1] >= low).all()
        assert (found.coefficients[:-1] <= high).all()
        gaps = found.certificate.gap, other.certificate.gap
        assert -gaps[0] <= other.certificate.objective - found.certificate.objective + 1e-15
        assert found.certificate.objective - other.certificate.objective <= gaps[0] + 1e-15


def test_sparse_rows_and_another_start_have_the_same_minimum():
    dense, other = problem(2), problem(2, form=sparse.csr_array)
    found = minimize(dense, ProjectedNewton(), tol=1e-12)
    away = np.random.default_rng(0).normal(size=dense.shape)
    again = minimize(other, ProjectedNewton(), away, tol=1e-12)
    assert_allclose(again.coefficients, found.coefficients, atol=1e-4)


def test_no_other_implementation_finds_less():
    objective = problem(3, 2, low=-0.05, high=0.08)
    found = minimize(objective, ProjectedNewton(), tol=1e-12)

    def value(w):
        at, slope = objective.value_and_gradient(w[:, None])
        return at, slope[:, 0]

    ends = [(-0.05, 0.08)] * 12 + [(None, None)]
    theirs = scipy_minimize(
        value, np.zeros(13), jac=True, bounds=ends, method="L-BFGS-B", options={"ftol": 1e-16, "gtol": 1e-10}
    )
    assert found.certificate.objective - found.certificate.gap <= theirs.fun
    assert_allclose(found.certificate.objective, theirs.fun, rtol=1e-9)


def test_it_gives_way_where_most_coefficients_are_kept_at_a_bound():
    objective = problem(4, 3, low=0.0, high=np.inf)
    iterates = list(ProjectedNewton().iterates(objective, np.zeros(objective.shape)))
    assert len(iterates) == 1
    solution = minimize(objective, ProjectedNewton(), tol=1e-8)
    assert solution.took_over == ("ProximalNewton took over at iteration 1",)
    assert solution.stop is Stop.CERTIFIED


def test_it_gives_way_at_the_minimum_and_where_nothing_is_lower():
    objective = problem(5)
    best = minimize(objective, ProximalNewton(), tol=1e-13).coefficients
    iterates = list(ProjectedNewton().iterates(objective, best))
    values = [iterate.value for iterate in iterates]
    assert len(values) < 30
    assert max(np.diff(values), default=0.0) <= 1e-15


def test_which_penalties_it_minimises_and_when_it_is_chosen():
    solver = ProjectedNewton()
    assert solver.minimises(Bounded(L2(0.1), 0.0, 1.0))
    assert solver.minimises(Bounded(WeightedL2(0.1, np.ones(2)), 0.0, 1.0))
    assert not solver.minimises(Bounded(ElasticNet(0.1, 0.5), 0.0, 1.0))
    assert not solver.minimises(L2(0.1))
    assert isinstance(choose_solver(problem(0)).solver, ProximalNewton)
    wide = problem(0, 3, n=20, d=900)
    assert isinstance(choose_solver(wide).solver, ProjectedNewton)
    with_corner = Objective(wide.loss, Bounded(ElasticNet(0.1, 0.5), 0.0, 1.0), wide.rows)
    assert isinstance(choose_solver(with_corner).solver, ProximalNewton)
