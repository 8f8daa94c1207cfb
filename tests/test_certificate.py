"""The certificate against optima found by Newton's method in fifty decimal digits: a proof that is never too small."""

from __future__ import annotations

import json
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest

from polytome.certificate import Certificate, certify, dual_value, is_separated
from polytome.losses import Logistic, Softmax
from polytome.objective import Objective
from polytome.penalties import L2, NoPenalty
from polytome.rows import Columns, as_rows
from polytome.solvers import LBFGS, Newton, minimize

DIGITS = 50
STRENGTHS = (1e-6, 1e-3, 1.0, 1e2)
KINDS = ("hard", "soft", "weighted", "weighted soft", "no intercept", "badly scaled")
PROBLEMS = [(kind, K, strength) for kind in KINDS for K in (2, 3, 4, 5) for strength in STRENGTHS if (K, strength) !=
(4, 1e-3)]


# --- the problems, and the objective once more in mpmath: nothing of the package is used to find the optimum ---


@dataclass
class Problem:
    """A tiny problem: X as the loss sees it (n, d), one row of class probabilities per row, weights, strength."""

    X: np.ndarray
    Y: np.ndarray
    weight: np.ndarray
    strength: float
    fit_intercept: bool
    binary: bool

    def objective(self, columns: Columns | None = None, X: np.ndarray | None = None) -> Objective:
        soft = not np.isin(self.Y, (0, 1)).all()
        codes = self.Y.argmax(axis=1)
        target = (self.Y[:, 1] if soft else codes) if self.binary else (self.Y if soft else codes)
        rows = as_rows(self.X if X is None else X, target, self.weight)
        rows = rows if columns is None else rows.with_columns(columns)
        loss = Logistic() if self.binary else Softmax(self.Y.shape[1])
        return Objective(loss, L2(self.strength) if self.strength else NoPenalty(), rows, self.fit_intercept)


def make_problem(kind: str, K: int, strength: float) -> Problem:
    rng = np.random.default_rng([KINDS.index(kind), K, STRENGTHS.index(strength) if strength else 9])
    n, d = 12, 2 if K > 3 else 3
    X = rng.normal(size=(n, d))
    if kind == "badly scaled":
        X *= 10.0 ** rng.uniform(-3, 3, size=d)
    codes = np.append(np.arange(K), rng.integers(0, K, size=n - K))
    Y = rng.dirichlet(np.ones(K), size=n) if "soft" in kind else np.eye(K)[codes]
    weight = rng.uniform(0.1, 5.0, size=n) if "weighted" in kind else np.ones(n)
    if kind == "weighted":
        weight[-2:] = 0.0
    return Problem(X, Y, weight, strength, kind != "no intercept", K == 2)


def exact_value_gradient_hessian(problem: Problem, W: mpmath.matrix, second: bool = True):
    """The objective, its gradient and its Hessian (output by output) in mpmath; W is (d + 1, n_outputs)."""
    n, d = problem.X.shape
    n_outputs = 1 if problem.binary else problem.Y.shape[1]
    n_columns = d + 1
    total = mpmath.fsum(mpmath.mpf(float(s)) for s in problem.weight)
    value, gradient = mpmath.mpf(0), mpmath.zeros(n_columns * n_outputs, 1)
    hessian = mpmath.zeros(n_columns * n_outputs)
    for i in range(n):
        x = [mpmath.mpf(float(v)) for v in problem.X[i]] + [mpmath.mpf(int(problem.fit_intercept))]
        share = mpmath.mpf(float(problem.weight[i])) / total
        scores = [mpmath.fsum(x[j] * W[j, k] for j in range(n_columns)) for k in range(n_outputs)]
        every = [mpmath.mpf(0), *scores] if problem.binary else scores
        normaliser = mpmath.fsum(mpmath.exp(z) for z in every)
        p = [mpmath.exp(z) / normaliser for z in every]
        y = [mpmath.mpf(float(v)) for v in problem.Y[i]]
        value += share * (mpmath.log(normaliser) * mpmath.fsum(y) - mpmath.fsum(a * z for a, z in zip(y, every,
        strict=True))) if problem.binary:
            p, y = p[1:], y[1:]
        for k in range(n_outputs):
            for j in range(n_columns):
                gradient[k * n_columns + j] += share * (p[k] - y[k]) * x[j]
        for k in range(n_outputs if second else 0):
            for m in range(k + 1):
                bend = share * p[k] * ((1 if k == m else 0) - p[m])
                for j in range(n_columns):
                    for h in range(n_columns):
                        hessian[k * n_columns + j, m * n_columns + h] += bend * x[j] * x[h]
    for k in range(n_outputs):
        for m in range(k if second else 0):
            for j in range(n_columns):
                for h in range(n_columns):
                    hessian[m * n_columns + h, k * n_columns + j] = hessian[k * n_columns + j, m * n_columns + h]
    strength = mpmath.mpf(problem.strength)
    for k in range(n_outputs):
        for j in range(d):
            at = k * n_columns + j
            value += strength / 2 * W[j, k] ** 2
            gradient[at] += strength * W[j, k]
            hessian[at, at] += strength
    return value, gradient, hessian


def exact_value(problem: Problem, W: np.ndarray) -> mpmath.mpf:
    """The objective of float coefficients, free of rounding."""
    with mpmath.workdps(DIGITS):
        return exact_value_gradient_hessian(problem, mpmath.matrix(W.tolist()), second=False)[0]


def exact_optimum(problem: Problem) -> tuple[mpmath.mpf, np.ndarray]:
    """Smallest value and coefficients: damped Newton in float64, then Newton in fifty digits until the gradient is
    0."""
    n_columns, n_outputs = problem.X.shape[1] + 1, 1 if problem.binary else problem.Y.shape[1]
    with mpmath.workdps(DIGITS):
        W = mpmath.matrix(_float_newton(problem).tolist())
        for _ in range(60):
            value, gradient, hessian = exact_value_gradient_hessian(problem, W)
            if mpmath.norm(gradient, mpmath.inf) < mpmath.mpf(10) ** (5 - DIGITS):
                break
            _fill_flat(problem, hessian, n_columns, n_outputs)
            step = mpmath.lu_solve(hessian, -gradient)
            slope, t = mpmath.fdot(gradient, step), mpmath.mpf(1)
            while True:
                trial = W.copy()
                for k in range(n_outputs):
                    for j in range(n_columns):
                        trial[j, k] += t * step[k * n_columns + j]
                tried = exact_value_gradient_hessian(problem, trial, second=False)[0]
                if tried <= value + slope * t / 4 or t < 1e-6 or abs(slope) < mpmath.mpf(10) ** -40:
                    break
                t /= 2
            W = trial
        assert mpmath.norm(gradient, mpmath.inf) < mpmath.mpf(10) ** (5 - DIGITS)
        return value, np.array([[float(W[j, k]) for k in range(n_outputs)] for j in range(n_columns)])


def _fill_flat(problem: Problem, hessian: mpmath.matrix, n_columns: int, n_outputs: int) -> None:
    """Curvature where the objective has none: an absent intercept, and the same change to every class."""
    for j in range(n_columns):
        held = j == n_columns - 1 and not problem.fit_intercept
        flat = not problem.binary and (j == n_columns - 1 or problem.strength == 0)
        for k in range(n_outputs):
            if held:
                hessian[k * n_columns + j, k * n_columns + j] += 1
            for m in range(n_outputs if flat and not held else 0):
                hessian[k * n_columns + j, m * n_columns + j] += 1


def _float_newton(problem: Problem) -> np.ndarray:
    """A rough optimum in float64, (d + 1, n_outputs): only a start for the exact one."""
    X = np.column_stack([problem.X, np.full(len(problem.X), float(problem.fit_intercept))])
    n_outputs = 1 if problem.binary else problem.Y.shape[1]
    Y = problem.Y[:, 1:] if problem.binary else problem.Y
    share = problem.weight / problem.weight.sum()
    ridge = np.append(np.full(X.shape[1] - 1, problem.strength), 1e-12)

    def evaluate(W: np.ndarray) -> tuple[float, np.ndarray]:
        scores = X @ W
        every = np.column_stack([np.zeros(len(X)), scores]) if problem.binary else scores
        top = every.max(axis=1, keepdims=True)
        p = np.exp(every - top)
        value = share @ (np.log(p.sum(axis=1)) + top[:, 0] - (problem.Y * every).sum(axis=1))
        p /= p.sum(axis=1, keepdims=True)
        return float(value + 0.5 * (ridge[:, None] * W * W).sum()), p[:, 1:] if problem.binary else p

    W = np.zeros((X.shape[1], n_outputs))
    for _ in range(200):
        value, p = evaluate(W)
        gradient = X.T @ ((p - Y) * share[:, None]) + ridge[:, None] * W
        blocks = [[X.T @ (X * (share * p[:, k] * ((k == m) - p[:, m]))[:, None]) for m in range(n_outputs)] for k in
        range(n_outputs)] hessian = np.block(blocks) + np.diag(np.tile(ridge, n_outputs))
        step = -np.linalg.lstsq(hessian, gradient.T.ravel(), rcond=None)[0].reshape(n_outputs, -1).T
        t = 1.0
        while evaluate(W + t * step)[0] > value and t > 1e-8:
            t /= 2
        W = W + t * step
        if np.abs(gradient).max() < 1e-13:
            break
    return W


def iterates(best: np.ndarray, fit_intercept: bool, rng: np.random.Generator) -> list[np.ndarray]:
    """Coefficients far from the optimum, near it, and at it to rounding."""
    size = np.abs(best).max() + 0.1
    far = [rng.normal(size=best.shape), np.zeros(best.shape), best * 3]
    near = [best + scale * size * rng.normal(size=best.shape) for scale in (1e-1, 1e-3, 1e-6)]
    every = [*far, *near, best.copy()]
    for W in every:
        W[-1] *= fit_intercept
    return every


# --- the proof ---


@pytest.mark.parametrize(("kind", "K", "strength"), PROBLEMS)
def test_gap_is_never_smaller_than_the_true_distance(kind: str, K: int, strength: float) -> None:
    problem = make_problem(kind, K, strength)
    objective = problem.objective()
    smallest, best = exact_optimum(problem)
    for W in iterates(best, problem.fit_intercept, np.random.default_rng(K)):
        certificate, certified = certify(objective, W, tol=1e-4)
        value = exact_value(problem, certified)
        distance = float(value - smallest)
        assert certificate.kind == "proof"
        assert np.isfinite(certificate.gap)
        assert certificate.objective == pytest.approx(float(value), rel=1e-13, abs=1e-13)
        assert certificate.gap >= distance * (1 - 1e-7) - 1e-13
        # The intercept is exact: predicted and observed weight of each class agree.
        assert np.abs(marginal_residual(problem, certified)).max() <= 1e-11
        # Two ways to the same number: primal minus dual value, and the squared gradient.
        dual = dual_value(objective, certified)
        assert dual <= float(smallest) + 1e-11 * (1 + abs(dual))
        scale = abs(certificate.objective) + abs(dual) + certificate.gap
        assert certificate.gap == pytest.approx(certificate.objective - dual, abs=1e-11 * scale)
        # Strong convexity: the coefficients of the features (never the intercept) are within the bound.
        away = np.linalg.norm(certified[:-1] - best[:-1])
        assert certificate.coefficient_bound >= away * (1 - 1e-7) - 1e-7 * np.linalg.norm(best[:-1])


def marginal_residual(problem: Problem, W: np.ndarray) -> np.ndarray:
    """`sum_i s_i (p_i - y_i) / S`, written out; zero without intercept, where nothing can make it so."""
    if not problem.fit_intercept:
        return np.zeros(1)
    scores = problem.X @ W[:-1] + W[-1]
    every = np.column_stack([np.zeros(len(scores)), scores]) if problem.binary else scores
    p = np.exp(every - every.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return problem.weight @ (p - problem.Y) / problem.weight.sum()


def test_problems_are_many_and_distinct() -> None:
    assert len(set(PROBLEMS)) == len(PROBLEMS) >= 60


@pytest.mark.parametrize("K", [2, 4])
def test_gap_of_implicitly_centred_and_scaled_columns(K: int) -> None:
    """The same proof where the loss sees `(raw - shift) * scale` of stored columns."""
    problem = make_problem("hard", K, 1e-3)
    rng = np.random.default_rng(0)
    columns = Columns(rng.normal(size=problem.X.shape[1]) * 10, 10.0 ** rng.uniform(-2, 2, size=problem.X.shape[1]))
    stored = problem.X / columns.scale + columns.shift
    problem.X = columns.apply(stored)
    smallest, best = exact_optimum(problem)
    objective = problem.objective(columns, stored)
    for W in iterates(best, True, rng):
        certificate, certified = certify(objective, W, tol=1e-4)
        assert certificate.gap >= float(exact_value(problem, certified) - smallest) * (1 - 1e-7) - 1e-12


@pytest.mark.parametrize("size", [10.0, 100.0, 1000.0])
@pytest.mark.parametrize("K", [2, 3])
def test_gap_far_from_the_optimum(K: int, size: float) -> None:
    """Saturated scores and an intercept far away: the intercept is still solved, or the gap is infinite."""
    problem = make_problem("hard", K, 1e-3)
    smallest, best = exact_optimum(problem)
    rng = np.random.default_rng(int(size))
    for _ in range(5):
        certificate, certified = certify(problem.objective(), size * rng.normal(size=best.shape), tol=1e-4)
        assert certificate.gap >= float(exact_value(problem, certified) - smallest)
        assert not certificate.holds
        if np.isfinite(certificate.gap):
            assert np.abs(marginal_residual(problem, certified)).max() <= 1e-8


@pytest.mark.parametrize("K", [2, 3, 5])
def test_certificate_tightens_to_the_optimum(K: int) -> None:
    problem = make_problem("hard", K, 1e-3)
    _, best = exact_optimum(problem)
    certificate, _ = certify(problem.objective(), best, tol=1e-10)
    assert certificate.holds
    assert certificate.gap < 1e-20


def test_solvers_certificate_is_true() -> None:
    """What `minimize` returns, not only what `certify` says of a point."""
    for kind, K in (("hard", 2), ("soft", 3), ("badly scaled", 3), ("no intercept", 4)):
        problem = make_problem(kind, K, 1e-3)
        smallest, _ = exact_optimum(problem)
        for solver in (Newton(), LBFGS()):
            solution = minimize(problem.objective(), solver, tol=1e-6)
            assert solution.certificate.holds
            assert solution.certificate.gap >= float(exact_value(problem, solution.coefficients) - smallest) - 1e-13


# --- without penalty ---


def overlapping_problem(K: int) -> Problem:
    """Every row could be of every class, so that the maximum-likelihood fit is finite."""
    problem = make_problem("weighted soft", K, STRENGTHS[0])
    problem.strength = 0.0
    return problem


@pytest.mark.parametrize("K", [2, 3, 4])
def test_estimate_without_penalty_is_close_near_the_optimum(K: int) -> None:
    problem = overlapping_problem(K)
    smallest, best = exact_optimum(problem)
    rng = np.random.default_rng(K)
    for size, accuracy in ((1e-1, 0.3), (1e-2, 0.03), (1e-3, 3e-3)):
        certificate, certified = certify(problem.objective(), best + size * rng.normal(size=best.shape), tol=1e-4)
        distance = float(exact_value(problem, certified) - smallest)
        assert certificate.kind == "estimate"
        assert certificate.gap == pytest.approx(distance, rel=accuracy)
        assert certificate.estimate == certificate.gap
        assert certificate.coefficient_bound == np.inf


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_separating_coefficients_without_penalty_prove_the_whole_objective(K: int, fit_intercept: bool) -> None:
    angle = 2 * np.pi * np.arange(12) / 12
    codes = (np.arange(12) * K) // 12
    centres = 2 * np.pi * (np.arange(K) + 0.5) / K
    X = np.column_stack([np.cos(angle + 0.1), np.sin(angle + 0.1)])
    target = np.eye(K)[codes]
    problem = Problem(X, target, np.ones(12), 0.0, fit_intercept, K == 2)
    direction = np.vstack([np.cos(centres), np.sin(centres), np.zeros(K)])
    W = 5 * (direction[:, 1:] - direction[:, :1] if K == 2 else direction)
    assert is_separated(problem.objective(), W)
    certificate, _ = certify(problem.objective(), W, tol=1e-4)
    assert certificate.kind == "proof"
    assert certificate.gap == certificate.objective > 0
    assert not is_separated(problem.objective(), -W)


def test_separation_ignores_rows_without_weight_and_refuses_soft_labels() -> None:
    X, W = np.array([[-1.0], [1.0], [2.0]]), np.array([[1.0], [0.0]])
    labels, weight = np.array([0, 1, 0]), np.array([1.0, 1.0, 0.0])
    assert is_separated(Objective(Logistic(), NoPenalty(), as_rows(X, labels, weight)), W)
    assert not is_separated(Objective(Logistic(), NoPenalty(), as_rows(X, labels)), W)
    soft = np.array([0.1, 0.9, 0.9])
    assert not is_separated(Objective(Logistic(), NoPenalty(), as_rows(X, soft)), W)


# --- what a certificate says ---


def test_relative_gap_holds_and_bound() -> None:
    certificate = Certificate(0.25, 2e-4, 2.0, 1e-4, "proof", strength=0.1)
    assert certificate.relative_gap == 1e-4
    assert certificate.holds
    assert certificate.coefficient_bound == pytest.approx(np.sqrt(2 * 2e-4 / 0.1), rel=1e-15)
    assert not Certificate(0.25, 2.1e-4, 2.0, 1e-4, "proof", strength=0.1).holds
    assert not Certificate(0.25, np.inf, 2.0, 1e-4, "proof", strength=0.1).holds
    assert not Certificate(0.25, np.nan, 2.0, 1e-4, "proof", strength=0.1).holds


@pytest.mark.parametrize("kind", ["proof", "estimate"])
@pytest.mark.parametrize("gap", [0.0, 1e-9, 0.5, np.inf])
def test_text_is_one_plain_sentence(kind: str, gap: float) -> None:
    text = str(Certificate(0.25, gap, 1.0, 1e-4, kind, 0.1 if kind == "proof" else 0.0))
    assert text.startswith("Proved" if kind == "proof" else "Estimated")
    assert text.endswith(".")
    assert "\n" not in text
    assert text.isascii()
    assert ("NOT" in text) == (gap > 1e-4)
    assert "0.25" in text


@pytest.mark.parametrize("gap", [0.0, 1e-9, np.inf])
def test_json_round_trip(gap: float) -> None:
    certificate = Certificate(0.25, gap, 1.0, 1e-4, "proof", 0.1, estimate=1e-10)
    plain = json.loads(json.dumps(certificate.to_json(), allow_nan=False))
    assert plain["holds"] is (gap <= 1e-4)
    assert plain["gap"] == (gap if np.isfinite(gap) else None)
    assert plain["relative_gap"] == (gap if np.isfinite(gap) else None)
    assert (plain["kind"], plain["objective"], plain["null_objective"]) == ("proof", 0.25, 1.0)
    assert (plain["tol"], plain["strength"], plain["estimate"]) == (1e-4, 0.1, 1e-10)


def test_json_of_a_computed_certificate_holds_only_plain_values() -> None:
    for strength in (1e-3, 0.0):
        problem = make_problem("soft", 3, 1e-3)
        problem.strength = strength
        certificate = minimize(problem.objective(), Newton(), tol=1e-6).certificate
        assert json.loads(json.dumps(certificate.to_json(), allow_nan=False))["holds"] is True
