"""A fit to some of the rows tells what one to all of them takes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from polytome.losses import Logistic, Softmax
from polytome.objective import Objective
from polytome.passes import CurvatureSums, ProductOfColumns, Scores, ValueAndGradient
from polytome.penalties import L2
from polytome.rows import Storage, as_rows
from polytome.solvers import LBFGS, DualCoordinateAscent, Newton, Solver, minimize
from polytome.solvers.trial import Seen, Trial, evenly_spaced, fit_watched, representative, trial_fit


def objective_of(n: int, d: int = 5, is_sparse: bool = False) -> Objective:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    target = (X[:, 0] + rng.logistic(size=n) > 0).astype(np.int64)
    rows = as_rows(sparse.csr_matrix(np.where(X > 0.5, X, 0.0)) if is_sparse else X, target)
    return Objective(Logistic(), L2(1 / n), rows)


def in_memory(objective: Objective) -> Storage:
    rows = objective.rows
    assert isinstance(rows, Storage)
    return rows


def test_rows_are_spread_over_all() -> None:
    chosen = evenly_spaced(1_000, 10)
    assert (chosen // 100 == np.arange(10)).all()
    assert (evenly_spaced(7, 20) == np.arange(7)).all()


def test_a_row_of_each_class_with_weight_is_chosen(rng: np.random.Generator) -> None:
    target, weight = rng.integers(0, 40, 500), (rng.random(500) < 0.5).astype(float)
    found = representative(target, weight, np.array([3, 4, 5]))
    assert {3, 4, 5} <= set(found.tolist())
    assert (np.diff(found) > 0).all()
    assert set(target[found][weight[found] > 0].tolist()) == set(target[weight > 0].tolist())
    soft = np.zeros((500, 3))
    soft[:, 0], soft[77], soft[78] = 1.0, [0.5, 0.5, 0.0], [0.25, 0.0, 0.75]
    assert representative(soft, np.ones(500), np.array([0, 1])).tolist() == [0, 1, 77, 78]
    assert representative(soft[:, 2], np.ones(500), np.array([0, 1])).tolist() == [0, 1, 78]
    assert representative(soft[:, 0], np.ones(500), np.array([0, 1])).tolist() == [0, 1, 78]


@pytest.mark.parametrize("solver", [Newton(), LBFGS()])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_a_watched_fit_is_the_fit_itself(solver: Solver, is_sparse: bool) -> None:
    objective = objective_of(300, is_sparse=is_sparse)
    trial = fit_watched(in_memory(objective), objective, solver, tol=1e-6, max_iter=100)
    solution = minimize(objective, solver, tol=1e-6, max_iter=100)
    assert trial.passes == solution.passes
    assert trial.share == 1
    assert {seen.n_rows for seen in trial.over_all} == {300}
    # The certificate's passes are not counted by the solver.
    assert len(trial.over_all) >= trial.passes - sum(isinstance(seen.a_pass, CurvatureSums) for seen in trial.seen)
    assert 0 <= trial.beside_passes <= trial.seconds


def test_sums_are_counted_and_what_is_joined_is_not() -> None:
    objective = objective_of(50, d=3)

    def prepared(rows: Storage) -> Storage:
        rows.reduce(Scores(np.zeros((4, 1))))
        return rows

    trial = fit_watched(in_memory(objective), objective, LBFGS(), prepared, tol=1e-4, max_iter=100)
    assert {seen.n_sums for seen in trial.seen if isinstance(seen.a_pass, ValueAndGradient)} == {1 + 4}
    assert next(seen.n_sums for seen in trial.seen if isinstance(seen.a_pass, Scores)) == 0


def test_few_rows_are_fitted_whole() -> None:
    objective = objective_of(500)
    trial = trial_fit(in_memory(objective), objective, Newton(), lambda rows: rows, tol=1e-4, max_iter=100)
    assert trial.n_rows == 500


def test_no_trial_has_more_rows_than_the_sample() -> None:
    objective = objective_of(4_000)
    sample = in_memory(objective).subset(np.arange(300), np.ones(300))
    trial = trial_fit(sample, objective, Newton(), lambda rows: rows, tol=1e-4, max_iter=100)
    assert trial.n_rows == 300


def made(n_rows: int, *seen: Seen, seconds: float = 0.0, earlier: Trial | None = None, share: float = 1.0) -> Trial:
    return Trial(n_rows, seen, seconds, 1.0, share, earlier)


def test_passes_grow_with_the_rows_and_the_rest_does_not() -> None:
    objective = objective_of(1_000)
    value = ValueAndGradient(objective.loss, np.zeros(objective.shape))
    trial = made(100, Seen(value, 100, 6, 1.0), Seen(value, 100, 6, 3.0), Seen(value, 20, 6, 0.5), seconds=6.5)
    found = trial.expected(objective, LBFGS(), None)
    assert found.shared == pytest.approx(10 * 2 * 2.0)  # two passes of the median
    assert found.own == pytest.approx(0.5 + 2.0)
    assert found.readings == 2
    assert trial.expected(objective, LBFGS(), one_pass=30.0).shared == pytest.approx(2 * 30.0)


def test_rows_that_are_drawn_do_not_grow_beyond_their_number() -> None:
    objective = Objective(Softmax(2), L2(1.0), as_rows(np.ones((100_000, 4)), np.zeros(100_000, dtype=np.int64)))
    columns = objective.rows.columns
    seen = Seen(CurvatureSums(objective.loss, np.zeros((5, 2)), columns), 1_000, 20, 1.0)
    found = made(1_000, seen, seconds=1.0).expected(objective, LBFGS(), None)
    drawn = 2 * 100_000 * 2 // 4  # all of them: as much arithmetic as two passes
    assert drawn >= 100_000
    assert found.own == pytest.approx(100.0)
    assert found.shared == 0


def test_steps_on_the_dual_grow_by_the_slope_of_two_trials() -> None:
    objective = objective_of(1_000)
    first = made(100, seconds=2.0)
    second = made(200, seconds=3.0, earlier=first)
    found = second.expected(objective, DualCoordinateAscent(), None)
    assert found.shared + found.own == pytest.approx(3.0 + 800 * 0.01)


def test_an_unfinished_fit_counts_for_its_share() -> None:
    objective = objective_of(100)
    seen = Seen(ProductOfColumns(), 100, 5, 1.0)
    whole, half = (made(100, seen, seconds=2.0, share=share).expected(objective, LBFGS(), None) for share in (1, 0.5))
    assert (half.shared, half.own, half.readings) == (2 * whole.shared, 2 * whole.own, 2 * whole.readings)
