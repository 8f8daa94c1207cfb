"""Losses and penalties other than the library's: a certificate is right, an estimate, or refused by
name."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize as minimize_by_scipy

from polytome.certificates.careful import CarefulFrame
from polytome.certificates.certificate import certify, dual_value
from polytome.certificates.curvature_proof import curvature_bound
from polytome.certificates.decimal_problem import DecimalProblem
from polytome.errors import ArgumentError
from polytome.losses import Logistic, Loss, Softmax, Squared
from polytome.losses.neurons import PerceptronLoss
from polytome.objective import Objective
from polytome.penalties import (
    L2,
    Bounded,
    ElasticNet,
    GroupLasso,
    NoPenalty,
    Penalty,
    WeightedL2,
    strength_and_ratio,
)
from polytome.rows import as_rows
from polytome.solvers import LBFGS, GradientDescent, Newton, Stop, minimize, train

Array = np.ndarray[Any, Any]
LOGISTIC = Logistic()


@dataclass(frozen=True)
class SquaredHinge:
    """`max(0, 1 - m)^2 / 2` of the margin m: convex and smooth, with a second derivative that
    jumps."""

    n_outputs = 1
    separable = True
    smoothness: float = 1.0
    has_certificate = True
    is_cross_entropy = False
    self_concordance = None
    largest_residual = np.inf

    def outputs_of(self, target: Array) -> slice:
        return slice(None)

    def value_and_gradient(self, scores: Array, target: Array) -> tuple[Array, Array]:
        side = np.where(target == 1, 1.0, -1.0)[:, None]
        short = np.maximum(1 - side * scores, 0.0)
        return (0.5 * short * short)[:, 0], -side * short

    def curvature(self, scores: Array, target: Array) -> tuple[Array, None]:
        return 1.0 * (self.value_and_gradient(scores, target)[1] != 0), None

    def mean(self, scores: Array) -> Array:
        return LOGISTIC.mean(scores)

    def exact_residuals(self, scores: Array, target: Array) -> list[Array]:
        return [self.value_and_gradient(scores, target)[1]]

    def conjugate(self, dual: Array, target: Array) -> Array:
        r = np.where(target == 1, dual[:, 0], -dual[:, 0])
        return np.where(r <= 0, 0.5 * r * r + r, np.inf)

    def null_scores(self, target: Array, weight: Array) -> Array:
        share = weight @ target / weight.sum()
        return np.array([2 * share - 1])

    def room(self, target: Array, weight: Array) -> Array:
        return LOGISTIC.room(target, weight)

    def margin(self, scores: Array, target: Array) -> Array:
        return LOGISTIC.margin(scores, target)

    def canonical(self, coefficients: Array) -> Array:
        return coefficients


@dataclass(frozen=True)
class SteepLogistic(SquaredHinge):
    """The logistic loss of twice the score: its curvature changes twice as fast, and its residuals
    reach 2."""

    smoothness: float = 1.0
    self_concordance = 2.0
    largest_residual = 2.0

    def value_and_gradient(self, scores: Array, target: Array) -> tuple[Array, Array]:
        value, gradient = LOGISTIC.value_and_gradient(2 * scores, target)
        return value, 2 * gradient

    def curvature(self, scores: Array, target: Array) -> tuple[Array, None]:
        return 4 * LOGISTIC.curvature(2 * scores, target)[0], None

    def conjugate(self, dual: Array, target: Array) -> Array:
        return LOGISTIC.conjugate(dual / 2, target)

    def null_scores(self, target: Array, weight: Array) -> Array:
        return LOGISTIC.null_scores(target, weight) / 2


def noisy(seed: int, n: int = 40, size: float = 1.0) -> tuple[Array, Array]:
    """Rows of two columns, and labels that they do not settle."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) * size
    y = (X @ [1.0, -0.5] / size + 1.2 * rng.logistic(size=n) > 0).astype(int)
    y[:2] = 0, 1
    return X, y


def least(objective: Objective) -> float:
    """The minimum, by SciPy; of a smooth objective."""

    def look(w: Array) -> tuple[float, Array]:
        value, gradient = objective.value_and_gradient(w.reshape(objective.shape))
        return value, gradient.ravel()

    settings = {"ftol": 1e-16, "gtol": 1e-12, "maxiter": 5000}
    start = np.zeros(objective.size)
    return float(minimize_by_scipy(look, start, jac=True, method="L-BFGS-B", options=settings).fun)


def proximal_path(objective: Objective, iterations: int = 3000) -> list[Array]:
    """Coefficients on the way to the minimum, by proximal gradient steps: what `prox` is for."""
    W, path = objective.null[0], []
    raw = np.column_stack([next(iter(objective.rows.blocks())).stored, np.ones(objective.rows.n_rows)])
    step = 1 / (objective.loss.smoothness * np.linalg.norm(raw, 2) ** 2 / len(raw) + objective.penalty.modulus)
    for _ in range(iterations):
        _, gradient = objective.value_and_gradient(W)
        W = W - step * gradient
        W = np.vstack([objective.penalty.prox(W[:-1], step), W[-1:]])
        path.append(W)
    return path


# Penalties


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", [Logistic(), Softmax(2)], ids=["logistic", "softmax"])
@pytest.mark.parametrize(
    "penalty", [ElasticNet(0.1, 0.5), ElasticNet(0.2, 0.995), ElasticNet(1.0, 1e-3), ElasticNet(0.1, 1.0)], ids=str
)
def test_the_certificate_of_an_elastic_net_is_right_and_tight(penalty, loss, fit_intercept):
    X, y = noisy(0)
    objective = Objective(loss, penalty, as_rows(X, y), fit_intercept)
    path = proximal_path(objective)
    minimum = objective.value_and_gradient(path[-1])[0]
    for W in [path[0], path[3], path[20], path[-1], np.ones(objective.shape) * [[1], [1], [fit_intercept]]]:
        certificate, at = certify(objective, W, 1e-4)
        assert certificate.kind == "proof"
        assert (certificate.strength, certificate.modulus) == (penalty.strength, penalty.modulus)
        assert certificate.objective == pytest.approx(objective.value_and_gradient(at)[0], rel=1e-14)
        assert certificate.gap >= certificate.objective - minimum - 1e-15
        assert np.linalg.norm(at[:-1] - path[-1][:-1]) <= certificate.coefficient_bound + 1e-12
        if penalty.modulus > 0:  # the bounded coefficients can only make it tighter
            apart = certificate.objective - dual_value(objective, at)
            assert certificate.gap <= min(apart, certificate.objective) * (1 + 1e-9) + 1e-12
    last, _ = certify(objective, path[-1], 1e-4)
    assert last.gap <= 1e-9


def test_an_elastic_net_is_not_minimised_as_if_it_were_a_ridge():
    objective = Objective(Logistic(), ElasticNet(0.1, 0.5), as_rows(*noisy(0)))
    for solver in (Newton(), LBFGS(), GradientDescent()):
        with pytest.raises(ArgumentError, match=r"does not minimise the penalty 0.1 \(0.5 .*ProximalNewton"):
            minimize(objective, solver)
    with pytest.raises(ArgumentError, match=r"does not minimise the penalty 0.1 \(0.5 .*ProximalNewton"):
        train(objective, GradientDescent(), objective.null[0], epochs=2)


def test_a_ridge_minimum_under_an_elastic_net_is_not_certified():
    """The minimum of the quadratic part alone, whose gradient is zero there."""
    X, y = noisy(1)
    ridge = minimize(Objective(Logistic(), L2(0.05), as_rows(X, y)), Newton(), tol=1e-10)
    objective = Objective(Logistic(), ElasticNet(0.1, 0.5), as_rows(X, y))
    certificate, _ = certify(objective, ridge.coefficients, 1e-4)
    apart = certificate.objective - objective.value_and_gradient(proximal_path(objective)[-1])[0]
    assert apart > 1e-3
    assert certificate.gap >= apart
    assert not certificate.holds


def test_a_penalty_without_a_modulus_has_a_dual_value():
    objective = Objective(Logistic(), ElasticNet(0.05, 1.0), as_rows(*noisy(0)))
    W = proximal_path(objective)[-1]
    assert objective.value_and_gradient(W)[0] - dual_value(objective, W) == pytest.approx(0, abs=1e-6)
    assert dual_value(objective, 3 * W) <= objective.value_and_gradient(W)[0]


class Doubled(ElasticNet):
    """Twice the corner, and a class that the library does not know."""

    @property
    def corner(self) -> Any:
        return 2 * super().corner


def test_decimals_prove_nothing_of_a_penalty_that_they_have_not_written_down():
    rows, known = as_rows(*noisy(0)), ElasticNet(0.1, 0.5)
    groups = [GroupLasso(0.1, 0.5, [0, 1], group_ratio=ratio) for ratio in (1.0, 0.5)]
    cases = [(known, True), (Doubled(0.1, 0.5), False), (groups[0], True), (groups[1], False), (L2(0.1), True)]
    cases += [(Bounded(known, 0.0, 1.0), True), (Bounded(Doubled(0.1, 0.5), 0.0, 1.0), False), (NoPenalty(), False)]
    for penalty, suits in cases:
        assert DecimalProblem.suits(Objective(Logistic(), penalty, rows)) == suits


def test_a_penalty_without_squares_is_not_taken_for_none():
    @dataclass(frozen=True)
    class Rest(NoPenalty):
        is_nothing = False
        has_rest = True

    assert strength_and_ratio(NoPenalty()) == (0.0, 0.0)
    assert strength_and_ratio(Rest())[0] > 0


# Losses


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "penalty", [NoPenalty(), L2(0.1), L2(1e-4), WeightedL2(0.1, [1.0, 0.0])], ids=["none", "l2", "weak", "weighted"]
)
def test_no_false_proof_of_a_squared_hinge(penalty: Penalty, seed: int) -> None:
    X, y = noisy(seed, n=20 + 20 * (seed % 3), size=[0.3, 1, 5, 50][seed % 4])
    objective = Objective(SquaredHinge(), penalty, as_rows(X, y))
    minimum = least(objective)
    for solver in (Newton(), LBFGS()):
        for tol in (0.5, 1e-4):
            solution = minimize(objective, solver, tol=tol, max_iter=300)
            certificate = solution.certificate
            if certificate.kind == "proof":
                assert certificate.gap >= certificate.objective - minimum - 1e-12
            if penalty.is_nothing:
                assert certificate.kind == "estimate" or certificate.is_of_separation
            if isinstance(penalty, L2):
                assert solution.stop is Stop.CERTIFIED


def test_the_curvature_proves_nothing_of_a_loss_that_does_not_say_how_fast_it_changes():
    X, y = noisy(0)
    W = np.array([[0.3], [-0.1], [0.0]])
    for loss, proves in [(SquaredHinge(), False), (Squared(), False), (SteepLogistic(), True), (Logistic(), True)]:
        objective = Objective(loss, NoPenalty(), as_rows(X, y))
        W = minimize(objective, Newton(), tol=1e-8).coefficients
        assert (curvature_bound(objective, W, objective.hessian_blocks(W)) is not None) == proves


@pytest.mark.parametrize("seed", range(6))
def test_the_curvature_of_a_steeper_loss_is_taken_for_what_it_is(seed: int) -> None:
    """Twice as steep a loss is the same objective in half the coefficients: at points all around
    the minimum the proof holds, and is that of the logistic loss."""
    X, y = noisy(seed, n=60)
    steep, plain = (Objective(loss, NoPenalty(), as_rows(X, y)) for loss in (SteepLogistic(), Logistic()))
    best = minimize(plain, Newton(), tol=1e-12).coefficients
    minimum, found = plain.value_and_gradient(best)[0], 0
    rng = np.random.default_rng(seed)
    for size in 10.0 ** rng.uniform(-3, 0, 40):
        W = best + size * rng.normal(size=best.shape)
        bound = curvature_bound(steep, W / 2, steep.hessian_blocks(W / 2))
        other = curvature_bound(plain, W, plain.hessian_blocks(W))
        assert (bound is None) == (other is None)
        if bound is not None and other is not None:
            found += 1
            assert bound.gap + bound.rounding >= bound.objective - minimum
            assert bound.gap == pytest.approx(other.gap, rel=1e-6)
    assert found > 5


@pytest.mark.parametrize(
    ("loss", "reason"), [(replace(SquaredHinge(), smoothness=np.inf), "no bound"), (PerceptronLoss(), "no certificate")]
)
def test_a_loss_that_no_certificate_suits_is_refused_by_name(loss: Loss, reason: str) -> None:
    objective = Objective(loss, L2(0.1), as_rows(*noisy(0)))
    for refused in (lambda: minimize(objective, Newton()), lambda: certify(objective, np.zeros((3, 1)), 1e-4)):
        with pytest.raises(ArgumentError, match=rf"{type(loss).__name__}\(.*{reason}.*`train`"):
            refused()


def test_careful_certificates_are_of_cross_entropies_under_a_ridge():
    X, y = noisy(0)
    cases = [(Logistic(), L2(0.1), True), (Squared(), L2(0.1), False), (SquaredHinge(), L2(0.1), False)]
    cases += [(Logistic(), NoPenalty(), False), (Logistic(), ElasticNet(0.1, 0.1), False)]
    for loss, penalty, suits in cases:
        assert (CarefulFrame.of(Objective(loss, penalty, as_rows(X, y))) is not None) == suits
