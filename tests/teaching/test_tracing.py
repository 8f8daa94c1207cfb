"""Steps by hand against high-precision arithmetic, finite differences and the objective; walks
against the driver."""

import inspect
from dataclasses import FrozenInstanceError

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_info

from polytome.errors import ArgumentError, DataError
from polytome.losses import IndependentSigmoids, Logistic, Softmax, Squared
from polytome.objective import Objective
from polytome.penalties import L2, NoPenalty
from polytome.rows import as_rows
from polytome.solvers import GradientDescent, Newton, Solver, minimize
from polytome.teaching.layouts import intercept_first, intercept_last
from polytome.teaching.tracing import trace, walk
from registry import LOSSES

RATE = 0.1
THETA = [[0.1, 0.05], [0.2, -0.1]]  # document 003, intercepts first


def problem(loss_name, rng, n=5, d=3):
    """A loss, samples, targets and coefficients."""
    loss, y = LOSSES[loss_name](rng, n)
    return loss, rng.normal(size=(n, d)), y, rng.normal(size=(d + 1, loss.n_outputs))


def as_objective(loss, x, y):
    return Objective(loss, NoPenalty(), as_rows(x, y))


@pytest.fixture
def step():
    return trace(Softmax(2), [1.4], 0, intercept_last(THETA), RATE)


def test_the_step_of_document_003_in_fifty_digits(step):
    with mpmath.workdps(50):
        theta, x, rate = mpmath.matrix(THETA), mpmath.matrix([1.0, 1.4]), mpmath.mpf(RATE)

        def forward(theta):
            z = theta.T * x
            grown = [mpmath.exp(score) for score in z]
            p = [e / mpmath.fsum(grown) for e in grown]
            return z, p, -mpmath.log(p[0])

        z, p, loss = forward(theta)
        dz = mpmath.matrix([p[0] - 1, p[1]])
        gradient = x * dz.T
        after = theta - rate * gradient
        _, p_after, loss_after = forward(after)
        found = {
            "scores": (step.scores[0], z),
            "mean": (step.mean[0], p),
            "loss": ([step.loss], [loss]),
            "dz": (step.score_gradient[0], dz),
            "dw": (step.weight_gradient[0], gradient[1, :]),
            "db": (step.intercept_gradient, gradient[0, :]),
            "theta": (intercept_first(step.coefficients).ravel(), after),
            "mean after": (step.mean_after[0], p_after),
            "loss after": ([step.loss_after], [loss_after]),
        }
        for what, (ours, exact) in found.items():
            for mine, true in zip(ours, exact, strict=True):
                assert abs(mpmath.mpf(float(mine)) - true) <= 1e-15, what


def test_the_printed_numbers_of_document_003(step):
    assert_allclose(step.scores, [[0.38, -0.09]], atol=1e-15)
    assert_allclose(step.mean, [[0.61538, 0.38462]], atol=5e-6)
    assert_allclose(step.score_gradient, [[-0.38462, 0.38462]], atol=5e-6)
    assert_allclose(step.weight_gradient, [[-0.53846, 0.53846]], atol=5e-6)
    assert_allclose(intercept_first(step.coefficients), [[0.13846, 0.01154], [0.25385, -0.15385]], atol=5e-6)
    assert step.loss == pytest.approx(0.485509, abs=5e-7)
    assert step.loss_after == pytest.approx(0.403952, abs=5e-7)


def test_a_step_is_a_step_of_gradient_descent_on_the_objective(loss_name, rng):
    loss, x, y, W = problem(loss_name, rng)
    step = trace(loss, x, y, W, RATE)
    objective = as_objective(loss, x, y)
    value, gradient = objective.value_and_gradient(W)
    assert step.loss == pytest.approx(value, rel=1e-14)
    assert_allclose(np.vstack([step.weight_gradient, step.intercept_gradient]), gradient, rtol=1e-12, atol=1e-15)
    _, second = walk(objective, GradientDescent(RATE), W, steps=1)
    assert_allclose(step.coefficients, second.coefficients, rtol=1e-13, atol=1e-15)
    assert step.loss_after == pytest.approx(second.value, rel=1e-13)


def test_gradients_are_finite_differences(loss_name, rng):
    loss, x, y, W = problem(loss_name, rng)
    step = trace(loss, x, y, W, RATE)
    h = 1e-5
    for j, k in np.ndindex(W.shape):
        move = np.zeros_like(W)
        move[j, k] = h
        slope = (trace(loss, x, y, W + move, RATE).loss - trace(loss, x, y, W - move, RATE).loss) / (2 * h)
        mine = step.weight_gradient[j, k] if j < len(W) - 1 else step.intercept_gradient[k]
        assert mine == pytest.approx(slope, rel=1e-8, abs=1e-9)


def test_every_line_follows_from_those_above(loss_name, rng):
    loss, x, y, W = problem(loss_name, rng)
    step = trace(loss, x, y, W, RATE)
    if loss_name == "pairwise":  # a row counts in the pairs of its class only
        counts, indicator = (loss.pairs == y[:, None, None]).any(axis=2), loss.pairs[:, 1] == y[:, None]
    else:
        counts = np.ones((len(x), loss.n_outputs))
        indicator = np.eye(loss.n_outputs)[y] if loss_name in ("softmax", "softmax-two") else y.reshape(len(x), -1)
    assert_array_equal(step.coefficients_before, W)
    assert_allclose(step.scores, x @ W[:-1] + W[-1], rtol=1e-14)
    assert_array_equal(step.mean, loss.mean(step.scores))
    if loss.is_cross_entropy or isinstance(loss, Squared):  # the canonical link
        assert_allclose(step.score_gradient, counts * (step.mean - indicator) / len(x), atol=1e-15)
    assert_allclose(step.weight_gradient, x.T @ step.score_gradient, rtol=1e-14)
    assert_allclose(step.intercept_gradient, step.score_gradient.sum(axis=0), rtol=1e-14)
    assert_allclose(step.coefficients[:-1], W[:-1] - RATE * step.weight_gradient, rtol=1e-14)
    assert_allclose(step.coefficients[-1], W[-1] - RATE * step.intercept_gradient, rtol=1e-14)
    again = trace(loss, x, y, step.coefficients, RATE)
    assert_array_equal(step.mean_after, again.mean)
    assert step.loss_after == again.loss < step.loss
    floats = [value for name, value in vars(step).items() if isinstance(value, np.ndarray) and name != "y"]
    assert {array.dtype for array in floats} == {np.dtype(np.float64)}


def test_one_sample_is_a_batch_of_one(loss_name, rng):
    loss, x, y, W = problem(loss_name, rng)
    alone, batch = trace(loss, x[0], y[0], W, RATE), trace(loss, x[:1], y[:1], W, RATE)
    for name, value in vars(batch).items():
        assert_array_equal(getattr(alone, name), value)


def test_a_trace_is_a_record_of_its_own(rng):
    loss, x, y, W = problem("softmax", rng)
    step = trace(loss, x, y, W, RATE)
    before = str(step)
    for array in (x, y, W):
        array[:] = 0
    assert str(step) == before
    with pytest.raises(FrozenInstanceError):
        step.loss = 0.0


def test_a_step_too_long_has_an_infinite_loss():
    step = trace(Squared(), [1e200], 0.0, [[1.0], [0.0]], 1.0)
    assert step.loss_after == np.inf


def test_booleans_are_classes():
    for loss in (Softmax(2), Logistic()):
        x, W = [[1.0], [2.0]], np.arange(2.0 * loss.n_outputs).reshape(2, -1)
        assert trace(loss, x, [True, False], W, RATE).loss == trace(loss, x, [1, 0], W, RATE).loss


def test_rows_hold_every_quantity_in_order(step):
    rows = step.rows()
    symbols = ["x", "y", "W", "b", "z", "yhat", "L", "dL/dz", "dL/dW", "dL/db", "new W", "new b", "new yhat", "new L"]
    assert [row.symbol for row in rows] == symbols
    by_symbol = {row.symbol: row for row in rows}
    assert_array_equal(by_symbol["z"].value, step.scores)
    assert_array_equal(by_symbol["new W"].value, step.coefficients[:-1])
    assert by_symbol["L"].shape == ()
    assert by_symbol["dL/dW"].shape == (1, 2)
    assert by_symbol["dL/dW"].latex == r"\partial L / \partial W"
    assert by_symbol["new yhat"].latex == r"\hat{y}_{\text{new}}"
    assert len({row.name for row in rows}) == len(rows)


def test_a_batch_is_said_to_be_a_mean(loss_name, rng):
    loss, *rest = problem(loss_name, rng)
    formulas = {row.symbol: row.formula for row in trace(loss, *rest, RATE).rows()}
    assert formulas["L"] == "mean of loss(z, y)"
    is_difference = (loss.is_cross_entropy or isinstance(loss, Squared)) and loss_name != "pairwise"
    assert formulas["dL/dz"] == ("(yhat - y) / 5" if is_difference else "(loss.gradient) / 5")


class Doubled(Logistic):
    """Not a loss of the house: its gradient is not `yhat - y`, and its null scores do not look at
    the targets."""

    def value_and_gradient(self, scores, target):
        value, gradient = super().value_and_gradient(scores, target)
        return 2 * value, 2 * gradient

    def null_scores(self, target, weight):
        return np.zeros(1)


def test_no_formula_is_claimed_that_does_not_hold():
    formulas = {row.symbol: row.formula for row in trace(Doubled(), [1.4], 1, [[0.2], [0.1]], RATE).rows()}
    assert formulas["dL/dz"] == "loss.gradient"
    assert formulas["L"] == "loss(z, y)"


@pytest.mark.parametrize("y", [[1], [[0], [1]], [0, 1, 1], 1])
def test_targets_are_counted_for_any_loss(y):
    with pytest.raises(DataError, match="needs other targets for 2"):
        trace(Doubled(), [[1.4], [1.0]], y, [[0.2], [0.1]], RATE)


@pytest.mark.parametrize(("n", "d", "scale"), [(1, 1, 1.0), (5, 3, 1e-7), (100, 50, 1e9)])
def test_the_table_is_aligned_and_80_columns_wide(loss_name, rng, n, d, scale):
    loss, x, y, W = problem(loss_name, rng, max(n, 3), d)
    lines = str(trace(loss, scale * x, y, W, 12345.678)).splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line != line.rstrip()]
    assert type(loss).__name__ in lines[0]
    start = lines[1].index("value")
    for line in lines[2:]:
        assert line[start - 1] == " "
        assert line[start:].strip()
    assert len([line for line in lines[2:] if line[0] != " "]) == 14


@pytest.mark.parametrize("rate", [0, -1.0, np.nan, np.inf, None, "0.1"])
def test_rates_that_are_none(rate):
    with pytest.raises(ArgumentError, match=r"learning_rate=.*: needs a positive number"):
        trace(Softmax(2), [1.4], 0, intercept_last(THETA), rate)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (Softmax(2), [0, 2]),
        (Softmax(2), [0, -1]),
        (Softmax(2), [0.0, 1.0]),
        (Softmax(2), ["a", "b"]),
        (Softmax(2), 0),
        (Softmax(2), [0]),
        (Softmax(2), [[1.0, 0.0, 0.0]] * 2),
        (Logistic(), [[0], [1]]),
        (IndependentSigmoids(1), [0, 1]),
        (IndependentSigmoids(2), [0, 1]),
        (Squared(2), [0.0, 1.0]),
    ],
)
def test_targets_of_another_kind(loss, y):
    with pytest.raises(DataError, match=r"y = .*\n?.* needs other targets for 2 sample\(s\)"):
        trace(loss, [[1.4], [1.0]], y, np.zeros((2, loss.n_outputs)), RATE)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (Softmax(2), [[0.5, 0.5], [0.5, 0.6]]),
        (Logistic(), [1, 2]),
        (Logistic(), [1, -1]),
        (Logistic(), [1, np.nan]),
        (IndependentSigmoids(1), [[1], [1.5]]),
        (Squared(), [1.0, np.inf]),
    ],
)
def test_targets_that_could_not_be_means_are_named(loss, y):
    with pytest.raises(DataError, match=r"y\[1\] = .*: is not a target of"):
        trace(loss, [[1.4], [1.0]], y, np.zeros((2, loss.n_outputs)), RATE)


@pytest.mark.parametrize(
    ("x", "W", "message"),
    [
        ([1.4, 2.0], THETA, r"coefficients have shape \(2, 2\): 2 features and Softmax.* need \(3, 2\)"),
        ([1.4], [[0.1], [0.2]], r"coefficients have shape \(2, 1\)"),
        ([[np.nan]], THETA, r"x\[0, 0\] = nan"),
        ([1.4], [[0.1, np.inf], [0, 0]], r"coefficients\[0, 1\] = inf"),
        (1.4, THETA, r"x has shape \(\)"),
        (np.ones((0, 1)), THETA, r"x has shape \(0, 1\)"),
    ],
)
def test_arrays_that_do_not_fit(x, W, message):
    with pytest.raises(DataError, match=message):
        trace(Softmax(2), x, 0, W, RATE)


def test_text_is_no_sample():
    with pytest.raises(ArgumentError, match="x: dtype <U3 is not supported"):
        trace(Softmax(2), ["1.4"], 0, THETA, RATE)


@pytest.fixture
def objective(rng):
    loss, x, y, _ = problem("softmax", rng, n=40)
    return Objective(loss, L2(0.3), as_rows(x, y))


def test_a_walk_yields_the_start_and_every_step_after(objective, solver):
    iterates = list(walk(objective, solver, steps=3))
    assert len(iterates) == 4
    assert_array_equal(iterates[0].coefficients, 0)
    for iterate in iterates:
        value, gradient = objective.value_and_gradient(iterate.coefficients)
        assert iterate.value == pytest.approx(value, rel=1e-13)
        assert_allclose(iterate.gradient, gradient, atol=1e-13)
    assert iterates[-1].value < iterates[0].value


def test_a_walk_has_the_bits_of_a_fit(objective):
    start, _ = objective.null
    solution = minimize(objective, Newton(), tol=1e-12)
    values = [iterate.value for iterate in walk(objective, Newton(), start, steps=len(solution.history) - 1)]
    assert values == [progress.objective for progress in solution.history]


def test_a_walk_starts_where_it_is_told(objective, rng):
    start = rng.normal(size=objective.shape)
    (only,) = walk(objective, GradientDescent(RATE), start, steps=0)
    assert_array_equal(only.coefficients, start)


def test_a_walk_ends_with_its_solver(objective):
    class OneStep(Solver):
        def iterates(self, objective, start):
            yield from [next(GradientDescent(RATE).iterates(objective, start))]

    assert len(list(walk(objective, OneStep(), steps=5))) == 1


def test_a_walk_is_lazy_and_leaves_blas_alone_between_iterates(objective):
    def threads():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    inside = []

    class Watched(Solver):
        def iterates(self, objective, start):
            for iterate in GradientDescent(RATE).iterates(objective, start):
                inside.append(threads())
                yield iterate

    outside = threads()
    walker = walk(objective, Watched(), steps=2)
    assert inspect.getgeneratorstate(walker) == inspect.GEN_CREATED
    for count, _ in enumerate(walker, 1):
        assert len(inside) == count
        assert threads() == outside
    assert {number for counts in inside for number in counts} == {1}


@pytest.mark.parametrize("steps", [-1, 1.5, None, "3"])
def test_steps_that_are_no_count_are_refused_at_once(objective, steps):
    with pytest.raises(ArgumentError, match=r"steps=.*: needs zero or a positive whole number"):
        walk(objective, Newton(), steps=steps)


def test_starts_that_do_not_fit_are_refused_at_once(objective):
    with pytest.raises(DataError, match=r"start has shape \(3, 3\): this objective needs \(4, 3\)"):
        walk(objective, Newton(), np.zeros((3, 3)))
    with pytest.raises(DataError, match=r"start\[1, 2\] = nan"):
        walk(objective, Newton(), np.where(np.arange(12).reshape(4, 3) == 5, np.nan, 0.0))
