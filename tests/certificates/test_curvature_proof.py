"""Without a penalty the curvature proves the distance from the minimum: theorem, parts, and what it
says of fits."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import sparse

from exact_rank import exact_rank
from polytome import LogisticRegression, MultilabelLogistic, OneVsOne, OneVsRest, Stop, verify
from polytome.certificates import curvature_proof
from polytome.certificates.certificate import at_other_coefficients, certify
from polytome.certificates.curvature_proof import curvature_bound
from polytome.certificates.independent_columns import independent_columns
from polytome.export import from_sklearn
from polytome.losses import IndependentSigmoids, Logistic, Softmax, Squared
from polytome.losses.pairwise import PairwiseSigmoids
from polytome.objective import Objective
from polytome.passes import change_of_probabilities
from polytome.penalties import NoPenalty
from polytome.rows import Columns, as_rows
from polytome.solvers import LBFGS, Newton, minimize

LOSSES = [Logistic(), Softmax(3), IndependentSigmoids(2), PairwiseSigmoids(3)]


def problem(loss: Any, n: int = 80, d: int = 3, seed: int = 0, fit_intercept: bool = True) -> Objective:
    """Labels that have little to do with the features, so that there is a minimum."""
    rng = np.random.default_rng(seed)
    shape = (n, loss.n_outputs) if isinstance(loss, IndependentSigmoids) else (n,)
    target = rng.integers(0, 2 if isinstance(loss, (Logistic, IndependentSigmoids)) else 3, shape)
    X, weight = rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-2, 2, d), rng.uniform(0.5, 2.0, n)
    return Objective(loss, NoPenalty(), as_rows(X, target, weight), fit_intercept)


def exact_value(objective: Objective, W: Any) -> mpmath.mpf:
    """The objective at coefficients as a user gets them, in the digits in use."""
    rows = objective.rows
    coefficients, intercept = rows.columns.as_given(np.asarray(W))
    X = rows.whole.X.toarray() if rows.is_sparse else rows.whole.X
    total = mpmath.mpf(0)
    for x, y, s in zip(X.tolist(), rows.target.tolist(), rows.weight.tolist(), strict=True):
        z = [
            mpmath.fsum([mpmath.mpf(a) * mpmath.mpf(c) for a, c in zip(x, row, strict=True)]) + mpmath.mpf(b)
            for row, b in zip(coefficients.tolist(), intercept.tolist(), strict=True)
        ]
        total += mpmath.mpf(s) * _loss(objective.loss, z, y)
    return total / mpmath.fsum([mpmath.mpf(s) for s in rows.weight.tolist()])


def _loss(loss: Any, z: list[mpmath.mpf], y: Any) -> mpmath.mpf:
    def sigmoid_loss(score: mpmath.mpf, label: int) -> mpmath.mpf:
        return mpmath.log1p(mpmath.exp(-score if label else score))

    if isinstance(loss, Softmax):
        return mpmath.log(mpmath.fsum([mpmath.exp(score) for score in z])) - z[y]
    if isinstance(loss, PairwiseSigmoids):
        return mpmath.fsum(
            [sigmoid_loss(score, y == pair[1]) for score, pair in zip(z, loss.pairs.tolist(), strict=True) if y in pair]
        )
    return mpmath.fsum([sigmoid_loss(score, label) for score, label in zip(z, np.atleast_1d(y).tolist(), strict=True)])


# --- the theorem ---


def test_a_third_central_moment_is_at_most_the_range_times_the_variance() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        p = rng.dirichlet(np.full(5, 10 ** rng.uniform(-1, 1)))
        v = rng.normal(size=5) * 10 ** rng.uniform(-2, 2)
        centred = v - p @ v
        assert abs(p @ centred**3) <= np.ptp(v) * (p @ centred**2) * (1 + 1e-12)


def test_a_loss_with_the_slowest_decay_of_curvature_reaches_the_bound() -> None:
    """`phi'' = exp(-rho t)` from a slope of -nu: its fall is the first bound of the theorem, and
    below the second."""
    with mpmath.workdps(60):
        for nu in (mpmath.mpf("1e-9"), mpmath.mpf("0.01"), mpmath.mpf("0.3")):
            for rho in (mpmath.mpf("0.01"), mpmath.mpf(1), mpmath.mpf("2.9")):
                x = nu * rho

                def phi(t: mpmath.mpf, nu: mpmath.mpf = nu, rho: mpmath.mpf = rho) -> mpmath.mpf:
                    return -nu * t + (mpmath.exp(-rho * t) + rho * t - 1) / rho**2

                end = -mpmath.log1p(-x) / rho
                fall = ((1 - x) * mpmath.log1p(-x) + x) / rho**2
                assert abs(phi(end) + fall) <= mpmath.mpf(10) ** -40
                assert abs(mpmath.diff(phi, end)) <= mpmath.mpf(10) ** -20
                assert fall <= nu**2 / 2 * (1 + x / (3 * (1 - x)))
                assert end <= nu * (1 + x / (2 * (1 - x)))
                # As it is computed, with more than one unit of curvature and less.
                for least in (0.5, 1.0):
                    root = mpmath.sqrt(mpmath.mpf(least))
                    y = x / least
                    if y < curvature_proof._MAX_NU_RHO:
                        fall = ((1 - y) * mpmath.log1p(-y) + y) / (rho / root) ** 2
                        computed = curvature_proof._distance(float(nu), float(rho), least)
                        assert fall <= computed * (1 + mpmath.mpf(10) ** -14)
                        end = -mpmath.log1p(-y) / (rho / root) / root
                        computed = curvature_proof._radius(float(nu), float(rho), least)
                        assert end <= computed * (1 + mpmath.mpf(10) ** -14)


def test_where_the_gradient_is_too_large_for_the_curvature_nothing_is_proved() -> None:
    assert curvature_proof._distance(1.0, 1.0, 1.0) == curvature_proof._radius(1.0, 1.0, 1.0) == np.inf
    objective = problem(Logistic())
    assert curvature_bound(objective, objective.null[0] + 30.0, objective.hessian_blocks(objective.null[0])) is None


# --- the bound ---


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_the_bound_is_true_and_sharp_near_the_minimum(loss: Any, fit_intercept: bool) -> None:
    objective = problem(loss, fit_intercept=fit_intercept)
    best = minimize(objective, Newton(), tol=1e-15).coefficients
    rng = np.random.default_rng(1)
    with mpmath.workdps(40):
        least = exact_value(objective, best)
        for size in (1e-7, 1e-5, 1e-3, 1e-2):
            away = size * rng.normal(size=best.shape) / np.append(objective.rows.X.std(axis=0), 1.0)[:, None]
            away[-1] *= fit_intercept
            W = loss.canonical(best + away)
            found = curvature_bound(objective, W, objective.hessian_blocks(W))
            assert found is not None
            excess = exact_value(objective, W) - least
            assert excess <= found.gap <= 1.2 * excess
            assert found.exact <= found.gap
            moved = np.linalg.norm(loss.canonical(W - best)[:-1])
            assert moved <= found.distance <= 100 * moved  # columns of four decades: one stands for all
            assert abs(exact_value(objective, W) - found.objective) <= found.rounding


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_lengths_and_ranges_hold_for_every_direction(loss: Any) -> None:
    """Random directions of unit length in the metric of the Hessian: no score of a row has a larger
    range."""
    objective = problem(loss, n=40)
    W = loss.canonical(0.1 * np.random.default_rng(2).normal(size=objective.shape) / objective.rows.X.std())
    blocks, every = objective.hessian_blocks(W), np.ones(len(W), dtype=bool)
    outputs = [[k] for k in range(loss.n_outputs)] if loss.separable else [list(range(loss.n_outputs - 1))]
    parts = [curvature_proof._Part.of(np.array(own), every, block) for own, block in zip(outputs, blocks, strict=True)]
    seen = curvature_proof._row_sums(objective, W, parts)
    dense = np.column_stack([objective.rows.X, np.ones(40)])
    rng, reached = np.random.default_rng(3), np.zeros(len(parts))
    for place, part in enumerate(parts):
        assert part.defect < 1e-9
        rows = np.einsum("ksj,ij->iks", part.by_output, dense)
        if not loss.separable:
            rows = np.concatenate([rows, np.zeros_like(rows[:, :1])], axis=1)
        # Besides random directions those in which a row's own scores move apart.
        own = [row[k] - row[m] for row in rows for k in range(rows.shape[1]) for m in range(k)] or list(rows[:, 0])
        for eta in [*rng.normal(size=(200, len(part.T))), *own]:
            direction = (part.T.T @ (eta / np.linalg.norm(eta))).reshape(len(part.outputs), -1).T
            H = part.H
            assert direction.T.ravel() @ H @ direction.T.ravel() == pytest.approx(1.0, rel=1e-8)
            scores = dense @ direction
            scores = scores if loss.separable else np.column_stack([scores, np.zeros(40)])
            spread = np.abs(scores).max() if loss.separable else np.ptp(scores, axis=1).max()
            assert spread <= seen.range[place] * (1 + 1e-9)
            reached[place] = max(reached[place], spread)
    assert (reached >= 0.5 * seen.range).all()


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_no_direction_of_unit_length_changes_coefficients_by_more_than_the_longest(loss: Any) -> None:
    objective = problem(loss, n=40)
    W = objective.null[0]
    outputs = [[k] for k in range(loss.n_outputs)] if loss.separable else [list(range(loss.n_outputs - 1))]
    for own, block in zip(outputs, objective.hessian_blocks(W), strict=True):
        part = curvature_proof._Part.of(np.array(own), np.ones(len(W), dtype=bool), block)
        T = part.T.reshape(len(part.T), len(own), -1)
        spectral = np.linalg.norm(T[:, :, :-1].reshape(len(T), -1), 2)
        assert spectral <= part.longest(True) <= np.sqrt(len(T)) * spectral * (1 + 1e-12)
        assert part.longest(False) >= np.linalg.norm(part.T, 2)


@pytest.mark.parametrize("softmax", [False, True])
def test_probabilities_change_by_no_more_than_is_said(softmax: bool) -> None:
    rng = np.random.default_rng(4)
    for _ in range(300):
        z = rng.normal(size=(1, 3)) * 10 ** rng.uniform(-1, 1.5)
        moved = z + rng.normal(size=(1, 3)) * 10 ** rng.uniform(-6, 0.5)
        off = np.abs(moved - z) * (1 + 1e-9) + 1e-14
        loss = Softmax(3) if softmax else IndependentSigmoids(3)
        m, u = loss.curvature(z, np.zeros(1, int))
        bound = change_of_probabilities(loss, m, u, off)
        with mpmath.workdps(60):
            p, q = (_probabilities(scores, softmax) for scores in (z, moved))
            change = [abs(a - b) for a, b in zip(p, q, strict=True)]
            if softmax:
                assert mpmath.fsum(change) <= bound.item() * (1 + mpmath.mpf(10) ** -12)
            else:
                assert all(c <= b * (1 + mpmath.mpf(10) ** -12) for c, b in zip(change, bound[0].tolist(), strict=True))


def _probabilities(scores: np.ndarray, softmax: bool) -> list[mpmath.mpf]:
    e = [mpmath.exp(mpmath.mpf(z)) for z in scores[0].tolist()]
    return [v / mpmath.fsum(e) if softmax else v / (1 + v) for v in e]


@pytest.mark.parametrize("offset", [0.0, 1e4, 1e8])
@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
def test_what_is_proved_is_of_the_coefficients_that_are_returned(offset: float, stored: Any) -> None:
    rng = np.random.default_rng(5)
    x = np.round(rng.normal(size=30), 3)
    y = (x + 2 * rng.logistic(size=30) > 0).astype(int)
    model = LogisticRegression(C=np.inf, tol=1e-7).fit(stored((x + offset)[:, None]), y)
    near = LogisticRegression(C=np.inf, tol=1e-13).fit(((x + offset) - offset)[:, None], y)
    assert model.certificate_.is_of_curvature
    with mpmath.workdps(50):
        values = []
        for fitted, column in ((model, x + offset), (near, (x + offset) - offset)):
            w, b = mpmath.mpf(float(fitted.coef_[0, 0])), mpmath.mpf(float(fitted.intercept_[0]))
            z = [w * mpmath.mpf(v) + b for v in column.tolist()]
            losses = [_loss(Logistic(), [s], label) for s, label in zip(z, y.tolist(), strict=True)]
            values.append(mpmath.fsum(losses) / 30)
        assert values[0] - values[1] <= model.certificate_.gap
        assert abs(values[0] - model.certificate_.objective) <= model.certificate_.rounding


def test_a_sum_over_rows_that_rounding_has_spoilt_proves_nothing() -> None:
    """Of a column of 1e14 with a spread of one, scores are off by hundredths: all of that is
    counted."""
    rng = np.random.default_rng(6)
    x = np.round(rng.normal(size=40), 0) + 1e14
    y = rng.integers(0, 2, 40)
    rows = as_rows(x[:, None], y).with_columns(Columns.identity(1))
    objective = Objective(Logistic(), NoPenalty(), rows)
    W = np.array([[1e-3], [-1e11]])
    found = curvature_bound(objective, W, objective.hessian_blocks(W))
    assert found is None or found.gap >= 1e-4


def test_losses_of_another_kind_are_left_alone() -> None:
    rng = np.random.default_rng(7)
    objective = Objective(Squared(), NoPenalty(), as_rows(rng.normal(size=(20, 2)), rng.normal(size=20)))
    W = np.zeros(objective.shape)
    assert curvature_bound(objective, W, objective.hessian_blocks(W)) is None


# --- columns that depend on each other ---


def table(seed: int = 0, n: int = 200) -> np.ndarray:
    """Two categories in columns, a constant, a number, and its double."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1))
    return np.hstack(
        [np.eye(3)[rng.integers(0, 3, n)], np.eye(2)[rng.integers(0, 2, n)], np.full((n, 1), 0.1), x, 2 * x]
    )


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
def test_exact_dependence_is_found_and_leaves_the_proof(stored: Any) -> None:
    X = table()
    y = (X[:, 6] + X[:, 0] + np.random.default_rng(1).logistic(size=len(X)) > 0).astype(int)
    model = LogisticRegression(C=np.inf).fit(stored(X), y)
    assert model.stop_ is Stop.CERTIFIED
    assert model.certificate_.coefficient_bound == np.inf  # there are others that are as good
    objective = Objective(Logistic(), NoPenalty(), as_rows(stored(X), y))
    chosen = independent_columns(objective, objective.hessian_blocks(objective.null[0]))
    assert chosen is not None
    assert len(chosen) == 5
    columns = [[Fraction(v) for v in row] for row in np.column_stack([X, np.ones(len(X))]).tolist()]
    assert exact_rank(columns) == exact_rank([[row[j] for j in chosen] for row in columns]) == 5


@pytest.mark.parametrize("row", [0, 117])
@pytest.mark.parametrize("size", [1e-7, 1e-15])
def test_dependence_that_one_entry_breaks_is_none(row: int, size: float) -> None:
    """Left out, the column would be a direction along which the objective may go down for ever."""
    X = table()[:, 6:]
    X[row, 1] += size * abs(X[row, 1])
    assert X[row, 1] != 2 * X[row, 0]
    y = np.random.default_rng(2).integers(0, 2, len(X))
    objective = Objective(Logistic(), NoPenalty(), as_rows(X, y))
    assert independent_columns(objective, objective.hessian_blocks(objective.null[0])) is None


def test_whole_numbers_beyond_those_of_float64_are_not_taken_for_equal() -> None:
    X = np.array([[2**53, 2**53 + 1], [5, 5], [7, 7], [9, 9]], dtype=np.int64)
    objective = Objective(Logistic(), NoPenalty(), as_rows(X, np.array([0, 1, 1, 0])))
    assert curvature_bound(objective, objective.null[0], objective.hessian_blocks(objective.null[0])) is None


# --- fits ---


@pytest.mark.parametrize("kind", [LogisticRegression, OneVsRest, OneVsOne, MultilabelLogistic])
def test_the_checker_confirms_what_a_fit_proves_and_refutes_less(kind: Any) -> None:
    pytest.importorskip("flint", reason="python-flint is not installed")
    rng = np.random.default_rng(8)
    X, y = table(3, 90)[:, [0, 1, 2, 6]], rng.integers(0, 3, 90)
    target = np.eye(3, dtype=int)[y] if kind is MultilabelLogistic else y
    model = kind(C=np.inf).fit(X, target)
    assert model.stop_ is Stop.CERTIFIED
    found = verify(model, X, target)
    assert found.verdict == "confirmed", str(found)
    model.certificate_ = replace(model.certificate_, gap=0.9 * found.excess_at_most)
    false = verify(model, X, target)
    assert false.verdict == "refuted"
    assert false.excess_at_least > 0.9 * found.excess_at_most


@pytest.mark.parametrize("scale", [None, "standard", 7.0])
@pytest.mark.parametrize("kind", [LogisticRegression, OneVsRest, OneVsOne, MultilabelLogistic])
def test_the_checker_bounds_the_distance_of_coefficients_too(kind: Any, scale: Any) -> None:
    pytest.importorskip("flint", reason="python-flint is not installed")
    rng = np.random.default_rng(9)
    X, y = rng.normal(size=(60, 2)) * [1, 20] + 3, rng.integers(0, 3, 60)
    target = np.eye(3, dtype=int)[y] if kind is MultilabelLogistic else y
    model = kind(C=np.inf, tol=1e-3, scale=scale).fit(X, target)
    found = verify(model, X, target)
    assert found.verdict == "confirmed", str(found)
    assert found.coefficient_bound <= model.certificate_.coefficient_bound < np.inf
    best = kind(C=np.inf, tol=1e-10, scale=scale).fit(X, target)
    divisor = {None: 1.0, "standard": X.std(axis=0), 7.0: 7.0}[scale]
    moved = np.linalg.norm((model.coef_ - best.coef_) * divisor)
    assert moved <= found.coefficient_bound + best.certificate_.coefficient_bound
    model.certificate_ = replace(model.certificate_, distance=0.9 * moved)
    false = verify(model, X, target)
    assert false.verdict == "refuted"
    assert "from the optimal ones" in str(false)


def test_a_minimum_at_infinity_is_none_of_the_curvature() -> None:
    """Every row with a one has label 1: the best coefficient is infinite, and only what it leaves
    has a minimum."""
    x, y = np.array([0.0, 0, 0, 0, 1, 1]), np.array([0, 1, 0, 1, 1, 1])
    with pytest.warns(UserWarning, match="No finite coefficients are optimal: in 2 of 6 rows"):
        model = LogisticRegression(C=np.inf).fit(x[:, None], y)
    assert model.stop_ is Stop.CERTIFIED
    assert model.certificate_.coefficient_bound == np.inf
    objective = Objective(Logistic(), NoPenalty(), as_rows(x[:, None], y))
    W = objective.rows.columns.from_raw_coefficients(np.vstack([model.coef_.T, model.intercept_]))
    assert curvature_bound(objective, W, objective.hessian_blocks(W)) is None


def test_an_estimate_says_so() -> None:
    """Of rows on a border whose factors are not simple, no dependence is shown."""
    rng = np.random.default_rng(3)
    u = rng.normal(size=40)
    side = np.repeat([-1.0, 0.0, 1.0, 0.0], 10)
    X = np.column_stack([u, u * np.pi + side])
    y = np.where(side == 0, rng.integers(0, 2, 40), side > 0).astype(int)
    model = LogisticRegression(C=np.inf).fit(X, y)
    assert model.stop_ is Stop.ESTIMATED
    assert str(model.certificate_).startswith("Estimated, since without a penalty nothing was proved")


def test_a_solver_without_curvature_gets_newtons_steps_to_a_proof() -> None:
    objective = problem(Softmax(3))
    solution = minimize(objective, LBFGS(), tol=1e-2)
    assert solution.stop is Stop.CERTIFIED
    assert solution.certificate.is_of_curvature
    assert str(solution.certificate).startswith("Proved without a penalty, by the curvature: the objective")


def test_imported_coefficients_are_proved_just_as_they_are() -> None:
    from sklearn.linear_model import LogisticRegression as Theirs

    rng = np.random.default_rng(9)
    X, y = rng.normal(size=(200, 3)), rng.integers(0, 3, 200)
    model = from_sklearn(Theirs(C=np.inf, tol=1e-6, max_iter=1000).fit(X, y), X, y)
    assert model.certificate_.is_of_curvature
    assert model.stop_ is Stop.CERTIFIED
    objective = Objective(Softmax(3), NoPenalty(), as_rows(X, y))
    W = minimize(objective, Newton(), tol=1e-15).coefficients
    with mpmath.workdps(40):
        given = objective.rows.columns.from_raw_coefficients(np.vstack([model.coef_.T, model.intercept_]))
        excess = exact_value(objective, given) - exact_value(objective, W)
    assert excess <= model.certificate_.gap


def test_other_coefficients_have_what_is_left_of_a_proof() -> None:
    objective = problem(Logistic())
    solution = minimize(objective, Newton(), tol=1e-10)
    W = solution.coefficients
    near = at_other_coefficients(solution.certificate, objective, W, W * (1 + 1e-3))
    far = at_other_coefficients(solution.certificate, objective, W, W * 1e3 + 1e3)
    assert near.is_of_curvature
    assert near.gap >= solution.certificate.gap
    assert near.coefficient_bound >= solution.certificate.coefficient_bound + 0.99e-3 * np.linalg.norm(W[:-1])
    assert far.coefficient_bound >= 0.99e3 * np.linalg.norm(W[:-1])
    assert not far.is_of_separation
    assert far.kind == "estimate" or far.gap < far.objective


def test_a_gap_counts_the_rounding_of_the_objective() -> None:
    objective = problem(Logistic())
    solution = minimize(objective, Newton(), tol=1e-10)
    again, _ = certify(objective, solution.coefficients, 1e-10)
    assert 0 < again.rounding <= again.gap < again.objective
    assert 0 < again.coefficient_bound < 1e-3
