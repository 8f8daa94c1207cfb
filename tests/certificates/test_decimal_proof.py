"""Certificates in decimals, and the optimum of tiny data under any penalty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from polytome import LogisticRegression, Stop
from polytome.certificates.certificate import Certificate
from polytome.certificates.decimal_proof import DecimalProof
from polytome.losses import Logistic, Softmax, WithOffset, with_offset
from polytome.objective import Objective
from polytome.penalties import L2, Bounded, ElasticNet, GroupLasso, NoPenalty, WeightedL2
from polytome.rows import as_rows
from polytome.solvers import ProximalNewton, minimize

PENALTIES = [
    ElasticNet(0.06, 1.0),
    ElasticNet(0.05, 0.5, [1.0, 0.0, 3.0]),
    GroupLasso(0.05, 1.0, [0, 0, 1]),
    GroupLasso(0.05, 0.7, [0, 1, 2]),
    Bounded(L2(0.1), [0.0, -np.inf, 0.2], [np.inf, 0.1, 0.2]),
    Bounded(ElasticNet(0.02, 1.0), -0.3, np.inf),
    Bounded(NoPenalty(), -0.4, 0.3),
]


@dataclass(frozen=True)
class _Solved:
    objective: Objective
    W: np.ndarray
    certificate: Certificate
    proof: DecimalProof
    optimum: Certificate
    coefficients: np.ndarray


@pytest.fixture(scope="module", params=[(k, p) for k in (2, 3) for p in range(len(PENALTIES))], ids=str)
def solved(request) -> _Solved:
    n_classes, place = request.param
    rng = np.random.default_rng(place)
    X, y = rng.normal(size=(14, 3)), rng.integers(0, n_classes, 14)
    y[:n_classes] = np.arange(n_classes)
    rows = as_rows(X, y, rng.uniform(0.5, 2, 14))
    objective = Objective(Logistic() if n_classes == 2 else Softmax(n_classes), PENALTIES[place], rows)
    solution = minimize(objective, ProximalNewton(), tol=1e-9)
    proof = DecimalProof.of(objective)
    assert proof is not None
    found = proof.of_optimum(1e-12)
    assert found is not None
    return _Solved(objective, solution.coefficients, solution.certificate, proof, found[0], found[1][0])


def test_the_optimum_is_that_of_floats(solved: _Solved) -> None:
    known, found = solved.certificate, solved.optimum
    assert found.holds
    assert found.gap < 4e-15 * found.null_objective
    assert known.objective - known.gap <= found.objective <= known.objective + found.gap
    given, _ = solved.objective.rows.columns.as_given(solved.W)
    np.testing.assert_allclose(solved.coefficients.T, given, atol=1e-3)
    # What is next to 0 is exactly that.
    is_small = np.abs(solved.coefficients.T) < 1e-9
    np.testing.assert_array_equal(solved.coefficients.T[is_small], 0.0)


def test_the_gap_of_any_coefficients_is_no_smaller_than_their_distance(solved: _Solved) -> None:
    rng, lowest = np.random.default_rng(5), solved.optimum.objective - solved.optimum.gap
    for size in (1e-8, 1e-4, 1.0):
        W = solved.objective.canonical(solved.W + size * rng.normal(size=solved.W.shape))
        found = solved.proof.of_coefficients(W, 1e-4)
        assert found is not None
        certificate, (raw, intercept) = found
        value, _ = solved.objective.value_and_gradient(np.vstack([raw, intercept]))
        assert certificate.objective == pytest.approx(value, rel=1e-13)
        assert certificate.gap >= value - solved.optimum.objective - 1e-15
        assert certificate.objective - certificate.gap <= lowest + 2 * solved.optimum.gap


@pytest.mark.parametrize("penalty", [L2(0.1), WeightedL2(0.1, [1.0, 0.0]), ElasticNet(0.1, 0.5)])
@pytest.mark.parametrize("loss", [Softmax(3), Logistic()])
def test_offsets_are_part_of_the_scores(loss, penalty) -> None:
    rng = np.random.default_rng(3)
    X, offset = rng.normal(size=(15, 2)), 3 * rng.normal(size=(15, loss.n_outputs))
    offset[:2] = 900.0  # where no curvature is left of a float
    target = with_offset(np.arange(15) % max(2, loss.n_outputs), offset)
    objective = Objective(WithOffset(loss), penalty, as_rows(X, target))
    proof = DecimalProof.of(objective)
    assert proof is not None
    found = proof.of_optimum(1e-12)
    assert found is not None
    certificate, (raw, intercept) = found
    assert certificate.gap < 1e-14 * certificate.null_objective
    value, gradient = objective.value_and_gradient(np.vstack([raw, intercept]))
    assert certificate.objective == pytest.approx(value, rel=1e-13)
    assert penalty.has_rest or np.abs(gradient).max() < 1e-13


def test_rows_on_the_border_of_a_softmax_take_no_more_than_a_share() -> None:
    """Where the predictions' equations are not solved, the remainder is paid for or nothing is
    proved."""
    rows = as_rows(np.array([[1.0], [2.0], [-1.0], [0.5]]), np.array([0, 1, 1, 0]))
    proof = DecimalProof.of(Objective(Logistic(), ElasticNet(0.1, 1.0), rows))
    assert proof is not None
    found = proof.of_coefficients(np.array([[0.0], [30.0]]), 1e-4)
    assert found is not None
    assert found[1][1] == pytest.approx(0.0, abs=1e-15)  # the intercept is the best one


@pytest.mark.parametrize(
    "settings",
    [
        {"l1_ratio": 1.0},
        {"l1_ratio": 0.5, "groups": "classes"},
        {"bounds": (0, None)},
        {"penalty_weights": [1.0, 0.0, 1.0]},
        {"l1_ratio": 1.0, "scale": "standard"},
    ],
    ids=str,
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_sentinel_does_not_stall_a_fit(settings, n_classes: int) -> None:
    rng = np.random.default_rng(n_classes)
    X = rng.normal(size=(30, 3))
    y = (X @ rng.normal(size=(3, n_classes)) + rng.gumbel(size=(30, n_classes))).argmax(axis=1)
    X[[3, 17], 0] = 1e10
    X[:, 2] += 1e9
    model = LogisticRegression(**settings).fit(X, y)
    assert model.stop_ is Stop.CERTIFIED
    assert model.certificate_.holds


def test_columns_of_any_size_have_digits_enough() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3)) * [1e100, 1.0, 1e-100]
    model = LogisticRegression(C=0.5, l1_ratio=1.0).fit(X, np.arange(20) % 2)
    assert model.stop_ is Stop.CERTIFIED
    assert model.coef_[0, 0] != 0
    assert model.coef_[0, 2] == 0


def test_what_is_large_or_has_no_penalty_is_left_to_floats() -> None:
    target = np.arange(400_000) % 2
    assert DecimalProof.of(Objective(Logistic(), ElasticNet(0.1, 1.0), as_rows(np.ones((400_000, 1)), target))) is None
    assert DecimalProof.of(Objective(Logistic(), NoPenalty(), as_rows(np.ones((4, 1)), target[:4]))) is None
