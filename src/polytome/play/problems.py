"""From settings to a problem: the points, the objective, the solver, the start, and what theory
says about the rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError
from polytome.losses import IndependentSigmoids, Logistic, Loss, Softmax, Squared
from polytome.losses.neurons import PerceptronLoss, SquaredSigmoid
from polytome.numerics.outward import rounded_up
from polytome.objective import Objective
from polytome.penalties import L2, NoPenalty
from polytome.play.points import Table, load_points
from polytome.play.settings import Settings
from polytome.rows import as_rows
from polytome.solvers import LBFGS, GradientDescent, Newton, Solver, StochasticGradientDescent, Stop, minimize
from polytome.threads import kept

Array = NDArray[Any]

__all__ = ["Optimum", "Problem", "make_problem"]

_BINARY = ("logistic", "adaline", "sigmoid", "perceptron")
_OPTIMUM_TOL = 1e-9


@dataclass(frozen=True)
class Optimum:
    """The minimum of an objective, or why there is none to show.

    Attributes:
        coefficients: shape (n_features + 1, n_outputs); None if there is none.
        value: the objective there, in nats (squared units for squared losses), or None.
        words: one sentence for the user.
    """

    coefficients: Array | None
    value: float | None
    words: str


@dataclass(frozen=True)
class Problem:
    """What a run needs; everything follows from the settings.

    Attributes:
        settings: as they were requested.
        table: the points, of one or two features.
        X: their features as the model sees them, shape (n, d): standardised if that was requested.
        target: what the loss compares with, one entry or row per point.
        codes: positions in `classes`, shape (n,); empty where a number is predicted.
        classes: names of the classes that the model distinguishes.
        objective: the objective.
        solver: the solver.
        start: the start, shape (n_features + 1, n_outputs).
    """

    settings: Settings
    table: Table
    X: Array
    target: Array
    codes: Array
    classes: tuple[str, ...]
    objective: Objective
    solver: Solver
    start: Array

    @property
    def threshold(self) -> float:
        """The score above which a model of one output says 1."""
        return 0.5 if isinstance(self.objective.loss, Squared) else 0.0

    @property
    def has_certificate(self) -> bool:
        """Whether a distance from the minimum can be proved or estimated for this loss."""
        return self.objective.loss.has_certificate

    def classify(self, coefficients: Array, X: Array) -> Array:
        """The class of each row, as a position in `classes`."""
        with np.errstate(over="ignore", invalid="ignore"):
            scores = X @ coefficients[:-1] + coefficients[-1]
        codes: Array = (scores[:, 0] > self.threshold).astype(int) if scores.shape[1] == 1 else scores.argmax(axis=1)
        return codes

    def parameter_names(self) -> list[str]:
        """A name for each coefficient, row by row: weights, then intercepts; with the class where
        there are several."""
        symbols = [f"w{position + 1}" if len(self.X[0]) > 1 else "w" for position in range(self.X.shape[1])] + ["b"]
        n_outputs = self.objective.shape[1]
        return [
            f"{symbol} {self.classes[k]}" if n_outputs > 1 else symbol for symbol in symbols for k in range(n_outputs)
        ]

    @property
    @kept
    def curvature_bound(self) -> float:
        """Largest curvature L that the objective can have, from the data: steps of all rows below 2
        / L descend.

        It is the largest eigenvalue of `smoothness * X'X / n + penalty`, X with a column of ones;
        infinite for the perceptron, whose loss has a kink. For the squared loss it is the curvature
        itself.
        """
        loss, (n, d) = self.objective.loss, self.X.shape
        if not np.isfinite(loss.smoothness):
            return np.inf
        with_ones = np.column_stack([self.X, np.ones(n)])
        bend = loss.smoothness * (with_ones.T @ with_ones) / n
        bend[np.arange(d), np.arange(d)] += self.settings.penalty
        return float(np.linalg.eigvalsh(bend)[-1])

    @property
    @kept
    def row_curvature_bound(self) -> float:
        """Largest curvature that the objective of any single row can have, which limits steps on a
        few rows."""
        with_ones = np.column_stack([self.X, np.ones(len(self.X))])
        return float(self.objective.loss.smoothness * (with_ones**2).sum(axis=1).max() + self.settings.penalty)

    @property
    def safe_rate(self) -> float | None:
        """The rate below which theory promises descent, `2 / L`; None where there is no such
        promise or no rate."""
        if self.settings.way in ("newton", "lbfgs"):
            return None
        bound = self.curvature_bound if self.settings.way == "batch" else self.row_curvature_bound
        return 2 / bound if np.isfinite(bound) else None

    @property
    @kept
    def optimum(self) -> Optimum:
        """The minimum, found by Newton's method and certified."""
        if isinstance(self.objective.loss, PerceptronLoss):
            return Optimum(None, None, "The perceptron's loss is 0 wherever no point is on the wrong side.")
        if isinstance(self.objective.loss, SquaredSigmoid):
            return Optimum(None, None, "This loss is not convex: where descent ends depends on where it starts.")
        solution = minimize(self.objective, Newton(), tol=_OPTIMUM_TOL, max_iter=200)
        if solution.stop is Stop.SEPARATED:
            words = (
                "The classes can be separated: without a penalty the loss falls towards 0 and the weights grow forever."
            )
            return Optimum(None, 0.0, words)
        value, certificate = self.objective.value_and_gradient(solution.coefficients)[0], solution.certificate
        claim = "proved" if certificate.kind == "proof" else "estimated"
        words = f"The lowest value is {value:.6g} ({claim} to within {rounded_up(max(certificate.gap, 1e-16), 1):.0e})."
        return Optimum(solution.coefficients, value, words)


def make_problem(settings: Settings, file: tuple[str, bytes] | None = None) -> Problem:
    """The problem that the settings describe.

    Args:
        settings: the state of the playground.
        file: name and content of the table that the data set "file" stands for.

    Raises:
        ArgumentError: the settings do not fit each other; the message says what does.
        DataError, FileError: a user's own table cannot be used.

    Example:
        >>> problem = make_problem(Settings(classes=("setosa", "versicolor"), rate=0.5))
        >>> problem.objective.shape, problem.parameter_names(), problem.classes
        ((3, 1), ['w1', 'w2', 'b'], ('setosa', 'versicolor'))
    """
    table = load_points(settings, file)
    X = _standardised(table) if settings.standardise else table.X
    loss, target, codes, classes = _loss(settings, table)
    penalty = L2(settings.penalty) if settings.penalty > 0 else NoPenalty()
    objective = Objective(loss, penalty, as_rows(np.ascontiguousarray(X), target))
    return Problem(
        settings, table, X, target, codes, classes, objective, _solver(settings), _start(settings, objective)
    )


def _standardised(table: Table) -> Array:
    """Columns of mean 0 and standard deviation 1."""
    deviation = table.X.std(axis=0)
    if not deviation.all():
        name = table.feature_names[int(deviation.argmin())]
        raise DataError(f"{name}: has one value only and cannot be standardised; choose another feature")
    X: Array = (table.X - table.X.mean(axis=0)) / deviation
    return X


def _loss(settings: Settings, table: Table) -> tuple[Loss, Array, Array, tuple[str, ...]]:
    """The loss, its targets, the code of each row, and the names of the classes."""
    name, n_classes = settings.loss, len(table.class_names)
    if table.target:
        if name != "adaline":
            raise ArgumentError(
                f"loss={name!r}: {table.target} is a number, not a class; choose the squared error ('adaline')"
            )
        return Squared(), table.y, np.empty(0, dtype=int), ()
    counts = np.bincount(table.y, minlength=n_classes)
    if not counts.all():
        raise DataError(f"no point of class {table.class_names[int(counts.argmin())]!r} is left; choose more rows")
    if name == "softmax":
        return Softmax(n_classes), table.y, table.y, table.class_names
    if name == "one-vs-rest" and n_classes > 2:
        memberships = (table.y[:, None] == np.arange(n_classes)).view(np.uint8)
        return IndependentSigmoids(n_classes), memberships, table.y, table.class_names
    one = settings.one or table.class_names[-1]
    if one not in table.class_names:
        raise ArgumentError(f"one={one[:80]!r}: choose the class that counts as 1 from {', '.join(table.class_names)}")
    codes = (table.y == table.class_names.index(one)).astype(int)
    others = [each for each in table.class_names if each != one]
    classes = (others[0] if len(others) == 1 else f"not {one}", one)
    losses: dict[str, Loss] = {
        "adaline": Squared(),
        "sigmoid": SquaredSigmoid(),
        "perceptron": PerceptronLoss(),
        "logistic": Logistic(),
        "one-vs-rest": Logistic(),  # two classes need one model
    }
    # Neurons take 0.0 and 1.0, as in `polytome.models.neurons`; the logistic loss codes, as in
    # `polytome.models.logistic`.
    target = codes.astype(np.float64) if name in ("adaline", "sigmoid", "perceptron") else codes
    return losses[name], target, codes, classes


def _solver(settings: Settings) -> Solver:
    """The solver that the settings name."""
    if settings.way in ("newton", "lbfgs"):
        if settings.loss == "perceptron":
            raise ArgumentError(
                f"way={settings.way!r}: the perceptron's loss has no curvature to use; choose batch, mini-batch or "
                "stochastic steps"
            )
        return Newton() if settings.way == "newton" else LBFGS()
    if settings.way == "batch":
        return GradientDescent(settings.rate)
    size = settings.batch if settings.way == "mini-batch" else 1
    return StochasticGradientDescent(settings.rate, size, settings.decay, settings.seed, settings.shuffle)


def _start(settings: Settings, objective: Objective) -> Array:
    """Where the run begins."""
    shape = objective.shape
    if settings.start == "zeros":
        return np.zeros(shape)
    if settings.start == "null":
        return objective.null[0]
    if settings.start == "random":
        return np.random.default_rng(settings.seed).normal(size=shape)
    numbers = settings.start_numbers()
    if len(numbers) != objective.size:
        raise ArgumentError(
            f"start: {len(numbers)} numbers for {objective.size} parameters; give the {shape[1]} weight(s) of each "
            "feature, then the intercept(s)"
        )
    return np.array(numbers).reshape(shape)
