"""A run as frames: after each step of the solver the parameters, the loss, a bound on how far it is
from the lowest, what the step did with which numbers, the regions of the classes, and in words how
it goes.

The steps are those of the library's solvers, so the parameters of a frame are to the last bit those
of an estimator or a neuron with the same settings after as many steps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.certificate import certify, is_separated
from polytome.errors import ArgumentError
from polytome.losses import Logistic
from polytome.losses.neurons import SquaredSigmoid
from polytome.plain.values import plain
from polytome.play.problems import Problem
from polytome.play.regions import class_regions, level_line
from polytome.play.verdicts import verdict
from polytome.play.views import curve_grid, plane_window
from polytome.solvers import StochasticGradientDescent
from polytome.teaching.tracing import trace, walk
from polytome.threads import one_blas_thread

Array = NDArray[Any]

__all__ = ["MOST_FRAMES", "MOST_STEPS", "Move", "Update", "frames", "json_line", "moves"]

MOST_STEPS = 5000
"""The most steps of a run."""

MOST_FRAMES = 500
"""The most frames of one request."""

_TOL = 1e-9
_HIGH_UP = 100.0
_ODDS = np.log(9.0)  # of probabilities 0.9 and 0.1


@dataclass(frozen=True)
class Update:
    """The step that led to a point.

    Attributes:
        before: the coefficients that it left, shape (n_features + 1, n_outputs).
        gradient: the gradient that it used, of the same shape.
        rate: how far it went along it; None where the solver chose direction and length.
        rows: positions of the points that the gradient is of; None for all.
    """

    before: Array
    gradient: Array
    rate: float | None = None
    rows: Array | None = None


@dataclass(frozen=True)
class Move:
    """Where a run stands.

    Attributes:
        coefficients: shape (n_features + 1, n_outputs).
        value: the objective over all points.
        gradient: its gradient.
        passes: readings of all points that the steps have taken so far.
        update: the step that led here; None at the start.
        average: mean of the coefficients after each step so far; None where steps are of all
            points.
    """

    coefficients: Array
    value: float
    gradient: Array
    passes: float
    update: Update | None = None
    average: Array | None = None

    @property
    def is_finite(self) -> bool:
        """Whether there is anything to go on from."""
        return bool(
            np.isfinite(self.value) and np.isfinite(self.gradient).all() and np.isfinite(self.coefficients).all()
        )


def moves(problem: Problem) -> Iterator[Move]:
    """The start and every step after it, until the solver ends or a number is not finite.

    Example:
        >>> from polytome.play.problems import make_problem
        >>> from polytome.play.settings import Settings
        >>> problem = make_problem(Settings(data="six-petals", rate=0.5))
        >>> [round(move.value, 4) for move in islice(moves(problem), 3)]
        [0.6931, 0.6002, 0.5835]
    """
    walking = _stochastic_moves(problem) if problem.settings.way in ("mini-batch", "stochastic") else _moves(problem)
    for move in walking:
        yield move
        if not move.is_finite:
            return


def _moves(problem: Problem) -> Iterator[Move]:
    """The iterates of a solver that steps with all points."""
    rate = problem.settings.rate if problem.settings.way == "batch" else None
    update: Update | None = None
    iterates = walk(problem.objective, problem.solver, problem.start, MOST_STEPS)
    while True:
        with np.errstate(all="ignore"):  # a user may start where nothing but infinities comes of it
            iterate = next(iterates, None)
        if iterate is None:
            return
        yield Move(iterate.coefficients, iterate.value, iterate.gradient, iterate.passes, update)
        update = Update(iterate.coefficients, iterate.gradient, rate)


def _stochastic_moves(problem: Problem) -> Iterator[Move]:
    """Every single step of a solver that steps with a few points."""
    solver, objective, W = problem.solver, problem.objective, problem.start
    assert isinstance(solver, StochasticGradientDescent)
    yield Move(W, *objective.value_and_gradient(W), passes=0.0)
    steps, taken, rows_read, total = solver.steps(objective, W), 0, 0, np.zeros_like(W)
    while True:
        with one_blas_thread():  # as where an estimator or a neuron takes these steps
            step = next(steps, None)
        if step is None:
            return
        taken, rows_read, total = taken + 1, rows_read + len(step.rows), total + step.coefficients
        update = Update(W, step.gradient, step.rate, step.rows)
        W = step.coefficients
        passes = rows_read / objective.rows.n_rows
        yield Move(W, *objective.value_and_gradient(W), passes, update, total / taken)


def frames(problem: Problem, first: int = 0, count: int = MOST_FRAMES) -> Iterator[dict[str, Any]]:
    """Some frames of a run, each as values that `json_line` takes; computed when requested.

    Args:
        problem: what is descended on, and how.
        first: the first frame that is wanted; 0 is the start.
        count: how many at most.

    Raises:
        ArgumentError: more frames are requested than a request or a run may have.

    Example:
        >>> from polytome.play.problems import make_problem
        >>> from polytome.play.settings import Settings
        >>> problem = make_problem(Settings(data="six-petals", rate=0.5))
        >>> [frame["words"] for frame in frames(problem, first=1, count=1)]
        ['The loss fell from 0.6931 to 0.6002.']
    """
    if not (0 <= first <= MOST_STEPS and 1 <= count <= MOST_FRAMES):
        raise ArgumentError(
            f"first={first}, count={count}: a run has {MOST_STEPS:,} steps, and a request can have {MOST_FRAMES} frames"
        )
    return _frames(problem, first, count)


def _frames(problem: Problem, first: int, count: int) -> Iterator[dict[str, Any]]:
    """The generator behind `frames`, which checks before the first one is requested."""
    before: Move | None = None
    start_value = 0.0
    walking = islice(moves(problem), first + count + 1)  # one more, to know whether the last one is the end
    here = next(walking, None)
    for step in range(first + count):
        if here is None:
            return
        following = next(walking, None)
        start_value = here.value if step == 0 else start_value
        if step >= first:
            yield _frame(problem, step, start_value, before, here, is_last=following is None and step < MOST_STEPS)
        before, here = here, following


def _frame(
    problem: Problem, step: int, start_value: float, before: Move | None, here: Move, is_last: bool
) -> dict[str, Any]:
    """One frame, as values for JSON."""
    W = here.coefficients
    gap = _gap(problem, here)
    found = verdict(problem, start_value, before.value if before else None, here.value, gap, is_last)
    frame: dict[str, Any] = {
        "step": step,
        "passes": here.passes,
        "coefficients": W,
        "value": here.value,
        "gradient": here.gradient,
        "gap": gap,
        "wrong": _wrong(problem, W) if here.is_finite else None,
        "state": found.state,
        "words": found.words,
        "last": is_last,
        **_picture(problem, W),
    }
    if here.update is not None:
        frame["update"] = _update(problem, here.update)
    if here.average is not None:
        frame["average"] = here.average
        frame["average_value"] = problem.objective.value_and_gradient(here.average)[0]
    return frame


def _gap(problem: Problem, here: Move) -> float | None:
    """A proved bound on how far the loss is above its lowest value; None where nothing is proved.

    A certificate is about the coefficients with the best intercept. Its objective less its gap is a
    value below which no coefficients come, and so bounds these, with the intercept that they have.
    Nor do any come below zero, which is all that can be said far up, and what the loss comes to
    where the classes are separated without a penalty.
    """
    objective, W = problem.objective, here.coefficients
    if not problem.has_certificate or not here.is_finite:
        return None
    if not problem.settings.penalty:
        return here.value if is_separated(objective, W) else None
    if here.value > _HIGH_UP * objective.null[1]:
        return here.value
    certificate, _ = certify(objective, W, _TOL)
    # Rounding may have moved the value, and once more that of the certificate.
    return here.value - max(certificate.objective - certificate.gap - 2 * certificate.rounding, 0.0)


def _wrong(problem: Problem, W: Array) -> Array | None:
    """Positions of the points that the model does not put into their class; None where there are no
    classes."""
    return np.flatnonzero(problem.classify(W, problem.X) != problem.codes) if problem.classes else None


def _picture(problem: Problem, W: Array) -> dict[str, Any]:
    """What is drawn behind the points: regions and lines of probability in the plane, or curves
    over one feature."""
    if problem.X.shape[1] == 1:
        grid = curve_grid(problem)
        with np.errstate(over="ignore", invalid="ignore"):
            curves = problem.objective.loss.mean(grid[:, None] * W[:1] + W[1:])
        return {"curves": curves.T.round(5)}
    window = plane_window(problem)
    picture: dict[str, Any] = {"regions": class_regions(W, window, problem.threshold)}
    if isinstance(problem.objective.loss, Logistic | SquaredSigmoid):
        picture["lines"] = [level_line(W, window, level) for level in (-_ODDS, _ODDS)]
    return picture


def _update(problem: Problem, update: Update) -> dict[str, Any]:
    """The numbers of one step; for a single point also what the chain rule makes of it."""
    parts: dict[str, Any] = {"before": update.before, "gradient": update.gradient, "rate": update.rate}
    if update.rows is not None:
        parts["rows"] = update.rows
    if update.rows is not None and len(update.rows) == 1 and np.isfinite(update.before).all():
        x, y = problem.X[update.rows], problem.target[update.rows]
        lines = trace(problem.objective.loss, x, y, update.before, update.rate or 1.0).rows()
        wanted = ("x", "y", "z", "yhat", "L", "dL/dz")
        parts["chain"] = [[line.symbol, line.formula, np.ravel(line.value)] for line in lines if line.symbol in wanted]
    return parts


def json_line(values: Any) -> str:
    """One line of JSON: arrays as lists, and None for what JSON cannot hold.

    Example:
        >>> json_line({"value": float("inf"), "w": np.array([0.1, 2.0])})
        '{"value":null,"w":[0.1,2.0]}\\n'
    """
    return json.dumps(plain(values), separators=(",", ":"), allow_nan=False) + "\n"
