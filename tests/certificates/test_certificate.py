"""The certificate against optima found by Newton's method in fifty decimal digits: a proof that is
never too small."""

from __future__ import annotations

import json
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
from scipy import sparse

from polytome import native
from polytome.certificates.certificate import Certificate, certify, dual_value, is_separated
from polytome.losses import IndependentSigmoids, Logistic, Softmax
from polytome.objective import Objective
from polytome.penalties import L2, NoPenalty
from polytome.rows import Columns, as_rows
from polytome.solvers import LBFGS, Newton, minimize

DIGITS = 50
FAR = 2
STRENGTHS = (1e-6, 1e-3, 1.0, 1e2)
KINDS = ("hard", "soft", "weighted", "weighted soft", "no intercept", "badly scaled")
PROBLEMS = [
    (kind, K, strength) for kind in KINDS for K in (2, 3, 4, 5) for strength in STRENGTHS if (K, strength) != (4, 1e-3)
]


# --- the problems, and the objective again in mpmath, which uses nothing of the package ---


@dataclass
class Problem:
    """A tiny problem: X as the loss sees it (n, d), one row of class probabilities per row,
    weights, strength."""

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


def exact_value_and_gradient(problem: Problem, W: mpmath.matrix) -> tuple[mpmath.mpf, mpmath.matrix]:
    """The objective and its gradient in mpmath; W is (d + 1, n_outputs)."""
    n, d = problem.X.shape
    total = mpmath.fsum(map(exact, problem.weight))
    value, gradient = mpmath.mpf(0), mpmath.zeros(W.rows, W.cols)
    for i in range(n):
        x = [*map(exact, problem.X[i]), mpmath.mpf(int(problem.fit_intercept))]
        share = exact(problem.weight[i]) / total
        y = list(map(exact, problem.Y[i]))
        y = [entry / mpmath.fsum(y) for entry in y]
        scores = [mpmath.fdot(x, W[:, k]) for k in range(W.cols)]
        scores = [mpmath.mpf(0), *scores] if problem.binary else scores
        normaliser = mpmath.fsum(map(mpmath.exp, scores))
        value += share * (mpmath.log(normaliser) - mpmath.fdot(y, scores))
        for k in range(W.cols):
            residual = share * (mpmath.exp(scores[k + problem.binary]) / normaliser - y[k + problem.binary])
            for j in range(d + 1):
                gradient[j, k] += residual * x[j]
    strength = exact(problem.strength)
    for k in range(W.cols):
        for j in range(d):
            value += strength / 2 * W[j, k] ** 2
            gradient[j, k] += strength * W[j, k]
    return value, gradient


def exact(number: float) -> mpmath.mpf:
    return mpmath.mpf(float(number))


def exact_value(problem: Problem, W: np.ndarray) -> mpmath.mpf:
    """The objective of float coefficients, free of rounding."""
    with mpmath.workdps(DIGITS):
        return exact_value_and_gradient(problem, mpmath.matrix(W.tolist()))[0]


def exact_optimum(problem: Problem) -> tuple[mpmath.mpf, np.ndarray]:
    """Smallest value and coefficients, proved by a gradient of zero in fifty digits.

    Newton's method in float64 comes near; then its last Hessian, in float64, with gradients in
    fifty digits, gains several digits with each step.
    """
    start, hessian = float_newton(problem)
    size = 1 / np.sqrt(hessian.diagonal())
    inverse = np.linalg.pinv(size[:, None] * hessian * size, rcond=1e-14, hermitian=True) * size[:, None] * size
    with mpmath.workdps(DIGITS):
        W = mpmath.matrix(start.tolist())
        for _ in range(60):
            value, gradient = exact_value_and_gradient(problem, W)
            largest = mpmath.norm(gradient, mpmath.inf)
            if largest < mpmath.mpf(10) ** (8 - DIGITS):
                break
            scaled = np.array((gradient / largest).tolist(), dtype=float)
            step = -(inverse @ scaled.T.ravel()).reshape(start.T.shape).T
            W += largest * mpmath.matrix(step.tolist())
        assert largest < mpmath.mpf(10) ** (8 - DIGITS)
        return value, np.array(W.tolist(), dtype=float)


def float_newton(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Optimum to float64 rounding, (d + 1, n_outputs), and the Hessian there, output by output."""
    X = np.column_stack([problem.X, np.full(len(problem.X), float(problem.fit_intercept))])
    first = int(problem.binary)  # of two classes only the second has a score
    n_outputs = problem.Y.shape[1] - first
    share = problem.weight / problem.weight.sum()
    ridge = np.append(np.full(X.shape[1] - 1, problem.strength), 0.0 if problem.fit_intercept else 1.0)

    def evaluate(W: np.ndarray) -> tuple[float, np.ndarray]:
        scores = np.column_stack([np.zeros((len(X), first)), X @ W])
        top = scores.max(axis=1, keepdims=True)
        p = np.exp(scores - top)
        value = share @ (np.log(p.sum(axis=1)) + top[:, 0] - (problem.Y * scores).sum(axis=1))
        return float(value + 0.5 * (ridge[:, None] * W * W).sum()), (p / p.sum(axis=1, keepdims=True))[:, first:]

    W = np.zeros((X.shape[1], n_outputs))
    for _ in range(100):
        value, p = evaluate(W)
        gradient = X.T @ ((p - problem.Y[:, first:]) * share[:, None]) + ridge[:, None] * W
        hessian = np.diag(np.tile(ridge, n_outputs)).reshape(n_outputs, X.shape[1], n_outputs, X.shape[1])
        for k in range(n_outputs):
            for m in range(n_outputs):
                hessian[k, :, m] += X.T @ (X * (share * p[:, k] * ((k == m) - p[:, m]))[:, None])
        hessian = hessian.reshape(gradient.size, gradient.size)
        size = 1 / np.sqrt(hessian.diagonal())
        scaled = size[:, None] * hessian * size
        step = -size * np.linalg.lstsq(scaled, size * gradient.T.ravel(), rcond=1e-14)[0]
        step = step.reshape(n_outputs, -1).T
        t = 1.0
        while evaluate(W + t * step)[0] > value + 1e-15 and t > 1e-8:
            t /= 2
        W = W + t * step
        if np.vdot(gradient, -step) < 1e-28:
            break
    return W, hessian


def iterates(best: np.ndarray, fit_intercept: bool, rng: np.random.Generator) -> list[np.ndarray]:
    """Coefficients far from the optimum (the first `FAR`), nearer, and at it to rounding."""
    size = np.abs(best).max() + 0.1
    far = [rng.normal(size=best.shape), best + 0.1 * size * rng.normal(size=best.shape)]
    near = [np.zeros(best.shape), best * 3]
    near += [best + scale * size * rng.normal(size=best.shape) for scale in (1e-3, 1e-6)]
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
    for index, W in enumerate(iterates(best, problem.fit_intercept, np.random.default_rng(K))):
        certificate, certified = certify(objective, W, tol=1e-4)
        value = exact_value(problem, certified)
        distance = float(value - smallest)
        assert certificate.kind == "proof"
        assert certificate.objective == pytest.approx(float(value), rel=1e-12, abs=1e-12)
        assert distance <= certificate.gap <= certificate.objective
        # The intercept is exact: predicted and observed weight of each class agree.
        assert np.abs(marginal_residual(problem, certified)).max() <= (1e-11 if index >= FAR else 1e-8)
        # Two ways to the same number: primal minus dual value, and the squared gradient.
        dual = dual_value(objective, certified)
        assert dual <= float(smallest) + 1e-11 * (1 + abs(dual))
        scale = abs(certificate.objective) + abs(dual) + certificate.gap
        # No more than the objective itself, since losses are not negative; rounding comes on top.
        gap = min(certificate.objective - dual, certificate.objective)
        slack = 1e-11 * scale + 1e-12 * np.abs(certified).max() + certificate.rounding + certificate.intercept
        assert certificate.gap == pytest.approx(gap, abs=slack)
        # Strong convexity: the coefficients of the features (never the intercept) are within the
        # bound.
        away = np.linalg.norm(certified[:-1] - best[:-1])
        assert certificate.coefficient_bound >= away * (1 - 1e-7) - 1e-7 * np.linalg.norm(best[:-1])


def marginal_residual(problem: Problem, W: np.ndarray) -> np.ndarray:
    """`sum_i s_i (p_i - y_i) / S`, written out; zero without intercept, where nothing can make it
    so."""
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


@pytest.mark.parametrize("size", [3.0, 30.0, 300.0])
@pytest.mark.parametrize("K", [2, 3, 5])
def test_intercept_is_solved_where_scores_are_saturated(K: int, size: float) -> None:
    """Convex, and solvable from anywhere: a certificate far from the optimum is loose, but it is
    one."""
    problem = make_problem("hard", K, 1e-3)
    smallest, best = exact_optimum(problem)
    rng = np.random.default_rng(int(size))
    for _ in range(5):
        certificate, certified = certify(problem.objective(), size * rng.normal(size=best.shape), tol=1e-4)
        assert certificate.gap >= float(exact_value(problem, certified) - smallest)
        assert np.isfinite(certificate.gap)
        assert np.abs(marginal_residual(problem, certified)).max() <= 1e-8


@pytest.mark.parametrize("K", [2, 3, 5])
def test_certificate_tightens_to_the_optimum(K: int) -> None:
    problem = make_problem("hard", K, 1e-3)
    _, best = exact_optimum(problem)
    certificate, _ = certify(problem.objective(), best, tol=1e-10)
    assert certificate.holds
    assert certificate.exact < 1e-20
    assert certificate.gap < 1e-11


def test_solvers_certificate_is_true() -> None:
    """What `minimize` returns, not only what `certify` says of a point."""
    for kind, K in (("hard", 2), ("soft", 3), ("badly scaled", 3), ("no intercept", 4)):
        problem = make_problem(kind, K, 1e-3)
        smallest, _ = exact_optimum(problem)
        for solver in (Newton(), LBFGS()):
            solution = minimize(problem.objective(), solver, tol=1e-6)
            assert solution.certificate.holds
            assert solution.certificate.gap >= float(exact_value(problem, solution.coefficients) - smallest) - 1e-13


# --- without a penalty ---


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
        assert certificate.kind == "estimate" or distance <= certificate.gap
        assert certificate.gap == pytest.approx(distance, rel=2 * accuracy)
        assert certificate.estimate == pytest.approx(distance, rel=accuracy)
        away = problem.objective().loss.canonical(certified - best)[:-1]
        assert certificate.coefficient_bound >= np.linalg.norm(away) * (1 - 1e-7)
        assert np.isfinite(certificate.coefficient_bound) == (certificate.kind == "proof")


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
    bound = certificate.coefficient_bound
    assert (plain["coefficient_bound"], plain["distance"]) == (bound if np.isfinite(gap) else None, None)


def test_json_of_a_bound_that_does_not_follow_from_the_gap() -> None:
    known, unknown = (Certificate(0.25, 1e-5, 1.0, 1e-4, "proof", distance=far) for far in (0.5, np.inf))
    assert [known.to_json()[name] for name in ("coefficient_bound", "distance")] == [0.5, 0.5]
    assert [unknown.to_json()[name] for name in ("coefficient_bound", "distance")] == [None, None]


def test_json_has_every_field_by_its_name() -> None:
    certificate = Certificate(0.25, 1e-5, 1.0, 1e-4, "proof", 0.1, 1e-10, 1e-12, 1e-11, 0.5)
    found = certificate.to_json()
    assert {name: found[name] for name in vars(certificate)} == vars(certificate)
    assert [name for name in found if found[name] != getattr(certificate, name)] == []


def test_json_of_a_computed_certificate_holds_only_plain_values() -> None:
    for strength in (1e-3, 0.0):
        problem = make_problem("soft", 3, 1e-3)
        problem.strength = strength
        certificate = minimize(problem.objective(), Newton(), tol=1e-6).certificate
        assert json.loads(json.dumps(certificate.to_json(), allow_nan=False))["holds"] is True


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array, sparse.csc_array], ids=["dense", "csr", "csc"])
@pytest.mark.parametrize("loss", [Softmax(3), Logistic(), IndependentSigmoids(3)], ids=lambda loss: type(loss).__name__)
def test_short_scores_stand_for_the_rows_while_the_intercept_becomes_exact(loss, stored, monkeypatch) -> None:
    """Far from its exact value to begin with, and still the rows are passed over once for value and
    gradient."""
    rng = np.random.default_rng(5)
    X = stored(rng.normal(size=(80, 40)) * (rng.random((80, 40)) < 0.5))
    codes = rng.integers(0, 3, size=80)
    target = np.eye(3, dtype=int)[codes] if isinstance(loss, IndependentSigmoids) else np.minimum(codes, loss.n_outputs)
    columns = Columns(rng.normal(size=40), rng.uniform(0.5, 2.0, size=40))
    rows = as_rows(X, target, rng.uniform(0.5, 2.0, size=80)).with_columns(columns)
    objective = Objective(loss, L2(0.1), rows)
    W = loss.canonical(0.3 * rng.normal(size=objective.shape) + 5.0 * np.eye(*objective.shape)[::-1])
    widths = []
    once = Objective.value_and_gradient
    monkeypatch.setattr(
        Objective, "value_and_gradient", lambda self, W: widths.append(self.rows.n_features) or once(self, W)
    )
    certificate, exact = certify(objective, W, 1e-4)
    assert widths.count(40) == 1
    np.testing.assert_allclose(exact[:-1], W[:-1], rtol=0, atol=1e-15)
    value, gradient = once(objective, exact)
    assert np.abs(gradient[-1]).max() <= 1e-12
    assert certificate.objective == pytest.approx(value, rel=1e-12)
    assert certificate.exact == pytest.approx(min(value - dual_value(objective, exact), value), rel=1e-8)


# --- rows of many columns and few outputs: the certificate from their scores ---


STORAGES = {
    "float64": np.asarray,
    "float32": lambda X: X.astype(np.float32),
    "float16": lambda X: X.astype(np.float16),
    "uint8": lambda X: X.astype(np.uint8),
    "columns first": np.asfortranarray,
    "CSR": sparse.csr_matrix,
}


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("loss", [Logistic(), Softmax(3), IndependentSigmoids(2)], ids=lambda loss: type(loss).__name__)
def test_a_certificate_from_scores_is_the_duality_gap(loss, storage, compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(native, "instruction_set", lambda: None)
    rng = np.random.default_rng(3)
    n, d, K = 200, 13, loss.n_outputs
    X = STORAGES[storage](rng.integers(0, 9, size=(n, d)).astype(np.float64))
    shape = (n, K) if isinstance(loss, IndependentSigmoids) else (n,)
    target = rng.integers(0, 3 if isinstance(loss, Softmax) else 2, shape)
    columns = Columns(rng.normal(4, 1, d), rng.uniform(0.1, 0.5, d))
    rows = as_rows(X, target, rng.uniform(0, 2, n)).with_columns(columns)
    objective = Objective(loss, L2(0.05), rows)
    certificate, W = certify(objective, 0.3 * rng.normal(size=objective.shape), 1e-4)
    value, gradient = objective.value_and_gradient(W)
    assert np.abs(gradient[-1]).max() < 1e-13
    assert certificate.objective == pytest.approx(value, rel=1e-12)
    # No gap is larger than the objective.
    assert certificate.exact == pytest.approx(min(value - dual_value(objective, W), value), rel=1e-10)
    assert certificate.exact == pytest.approx(min(np.vdot(gradient[:-1], gradient[:-1]) / 0.1, value), rel=1e-10)
