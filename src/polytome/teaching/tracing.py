"""Steps by hand: one gradient step with every intermediate number, and the first iterates of any
solver.

`trace` goes through the same lines for any loss of `polytome.losses`: scores, mean, loss, the chain
rule, the step. Each of these losses has the gradient `yhat - y` with respect to the scores of a
row, so that linear, logistic and softmax regression differ only in the mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError, DataError
from polytome.losses import Loss
from polytome.numerics.elementary import as_floating, one_hot
from polytome.objective import Objective
from polytome.solvers import Iterate, Solver
from polytome.solvers.solver import Relay
from polytome.threads import one_blas_thread

Array = NDArray[Any]

__all__ = ["Quantity", "Trace", "trace", "walk"]

_WIDTH = 80


class Quantity(NamedTuple):
    """One line of a trace."""

    latex: str
    """Its symbol in LaTeX, without dollar signs."""
    symbol: str
    """Its symbol in plain text."""
    name: str
    """Its meaning, in words."""
    formula: str
    """How it follows from the lines above, in plain text; empty if it is given."""
    value: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value; () for a number."""
        return self.value.shape


@dataclass(frozen=True, eq=False)
class Trace:
    """One step of gradient descent on the mean loss L of some samples, before, during and after;
    see `trace`.

    All arrays but the targets are float64.

    Attributes:
        loss_name: the class of the loss.
        x: the samples, shape (n, d).
        y: their targets as given, as many as samples.
        learning_rate: the step is this times the gradient.
        coefficients_before: (d + 1, K), intercept in the last row.
        scores: `z = x W + b`, (n, K).
        mean: `yhat`, what the loss predicts from these scores, (n, K).
        loss: L, the mean over the samples, in nats (squared units of y for the squared loss).
        score_gradient: `dL/dz`, (n, K).
        weight_gradient: `dL/dW`, (d, K).
        intercept_gradient: `dL/db`, (K,).
        coefficients: those after the step, (d + 1, K).
        mean_after: `yhat` after the step, (n, K).
        loss_after: L after the step.
    """

    loss_name: str
    x: Array
    y: Array
    learning_rate: float
    coefficients_before: Array
    scores: Array
    mean: Array
    loss: float
    score_gradient: Array
    weight_gradient: Array
    intercept_gradient: Array
    coefficients: Array
    mean_after: Array
    loss_after: float

    def rows(self) -> list[Quantity]:
        """The quantities in the order in which they are computed."""
        rate, before, after = self.learning_rate, self.coefficients_before, self.coefficients
        n = len(self.x)
        L, by_scores = "loss(z, y)", "yhat - y" if self._gradient_is_a_difference else "loss.gradient"
        if n > 1:
            L, by_scores = f"mean of {L}", f"({by_scores}) / {n}"
        by_z, by_W, by_b = (rf"\partial L / \partial {symbol}" for symbol in "zWb")
        new_W, new_b, new_yhat, new_L = (rf"{symbol}_{{\text{{new}}}}" for symbol in ("W", "b", r"\hat{y}", "L"))
        lines = [
            ("x", "x", "features", "", self.x),
            ("y", "y", "target", "", self.y),
            ("W", "W", "weights", "", before[:-1]),
            ("b", "b", "intercept", "", before[-1]),
            ("z", "z", "scores", "x W + b", self.scores),
            (r"\hat{y}", "yhat", "mean", "loss.mean(z)", self.mean),
            ("L", "L", "loss", L, self.loss),
            (by_z, "dL/dz", "gradient in the scores", by_scores, self.score_gradient),
            (by_W, "dL/dW", "gradient in the weights", "x' dL/dz", self.weight_gradient),
            (by_b, "dL/db", "gradient in the intercept", "sum of rows of dL/dz", self.intercept_gradient),
            (new_W, "new W", "weights after the step", f"W - {rate:g} dL/dW", after[:-1]),
            (new_b, "new b", "intercept after the step", f"b - {rate:g} dL/db", after[-1]),
            (new_yhat, "new yhat", "mean after the step", "from new W, new b", self.mean_after),
            (new_L, "new L", "loss after the step", "from new W, new b", self.loss_after),
        ]
        return [Quantity(latex, symbol, what, how, np.asarray(value)) for latex, symbol, what, how, value in lines]

    @property
    def _gradient_is_a_difference(self) -> bool:
        """Whether `dL/dz` is `yhat - y`, as for every loss of `polytome.losses`, so that the table
        may say so."""
        n, K = self.mean.shape
        y = one_hot(self.y, K) if self.y.ndim == 1 and K > 1 else self.y.reshape(n, K)
        return np.allclose(n * self.score_gradient, self.mean - y, rtol=1e-9, atol=1e-12)

    def __str__(self) -> str:
        """A table of at most 80 columns; large arrays are shown in part."""
        heads = ("symbol", "formula", "shape", "value")
        cells = [(row.symbol, row.formula, str(row.shape)) for row in self.rows()]
        widths = [max(map(len, column)) for column in zip(*cells, heads[:3], strict=True)]
        indent = sum(widths) + 2 * len(widths)

        def line(*left: str) -> str:
            return "".join(cell.ljust(width + 2) for cell, width in zip(left, widths, strict=True))

        title = f"One step on the {self.loss_name} loss, learning rate {self.learning_rate:g}"
        lines = [title, line(*heads[:3]) + heads[3]]
        for row, left in zip(self.rows(), cells, strict=True):
            numbers = np.array2string(
                row.value, max_line_width=_WIDTH - indent, precision=6, threshold=60, edgeitems=2, floatmode="maxprec"
            )
            lines.append(line(*left) + numbers.replace("\n", "\n" + " " * indent))
        return "\n".join(lines)


def trace(loss: Loss, x: ArrayLike, y: ArrayLike, coefficients: ArrayLike, learning_rate: float) -> Trace:
    """One step of gradient descent, `W <- W - learning_rate dL/dW` and the same for b, with
    everything it computes.

    L is the mean loss of the samples, without a penalty. With `z = x W + b`, the chain rule gives
    `dL/dW = x' dL/dz`, and `dL/db` as the sum of the rows of `dL/dz`.

    Args:
        loss: any loss; it decides what a target is.
        x: one sample, (d,), or several, (n, d).
        y: its target, or one target for each sample.
        coefficients: (d + 1, K), intercept in the last row (`polytome.teaching.layouts` converts
            other layouts).
        learning_rate: a positive number.

    Returns:
        The step, every array as for several samples; print it for a table.

    Raises:
        ArgumentError: the learning rate is not a positive number.
        DataError: shapes do not fit, a number is not finite, or a target is none for this loss.

    Example:
        A softmax step, from coefficients whose intercepts come first:

        >>> from polytome.teaching.layouts import intercept_first, intercept_last
        >>> from polytome.losses import Softmax
        >>> theta = intercept_last([[0.1, 0.05], [0.2, -0.1]])
        >>> step = trace(Softmax(2), x=[1.4], y=0, coefficients=theta, learning_rate=0.1)
        >>> print(step)
        One step on the Softmax loss, learning rate 0.1
        symbol    formula               shape   value
        x                               (1, 1)  [[1.4]]
        y                               (1,)    [0]
        W                               (1, 2)  [[ 0.2 -0.1]]
        b                               (2,)    [0.1  0.05]
        z         x W + b               (1, 2)  [[ 0.38 -0.09]]
        yhat      loss.mean(z)          (1, 2)  [[0.615384 0.384616]]
        L         loss(z, y)            ()      0.485509
        dL/dz     yhat - y              (1, 2)  [[-0.384616  0.384616]]
        dL/dW     x' dL/dz              (1, 2)  [[-0.538463  0.538463]]
        dL/db     sum of rows of dL/dz  (2,)    [-0.384616  0.384616]
        new W     W - 0.1 dL/dW         (1, 2)  [[ 0.253846 -0.153846]]
        new b     b - 0.1 dL/db         (2,)    [0.138462 0.011538]
        new yhat  from new W, new b     (1, 2)  [[0.667676 0.332324]]
        new L     from new W, new b     ()      0.403952
        >>> intercept_first(step.coefficients).round(5)
        array([[ 0.13846,  0.01154],
               [ 0.25385, -0.15385]])

    Reference: Goodfellow, Bengio and Courville, Deep Learning, 2016, section 6.5.
    """
    _check_learning_rate(learning_rate)
    x, y, W = _float64(x, "x"), np.array(y), _float64(coefficients, "coefficients")
    if y.dtype == bool:
        y = y.astype(np.intp)  # NumPy would read them as a mask where codes are meant
    if x.ndim == 1:
        x, y = x[np.newaxis], y[np.newaxis]
    _check_arrays(loss, x, W)
    _check_target(loss, y, len(x))
    with np.errstate(over="ignore", invalid="ignore"):  # a step too long gives an infinite loss, not a warning
        scores = x @ W[:-1] + W[-1]
        values, row_gradients = loss.value_and_gradient(scores, y)
        score_gradient = row_gradients / len(x)
        weight_gradient, intercept_gradient = x.T @ score_gradient, score_gradient.sum(axis=0)
        after = W - learning_rate * np.vstack([weight_gradient, intercept_gradient])
        scores_after = x @ after[:-1] + after[-1]
        values_after, _ = loss.value_and_gradient(scores_after, y)
        return Trace(
            loss_name=type(loss).__name__,
            x=x,
            y=y,
            learning_rate=float(learning_rate),
            coefficients_before=W,
            scores=scores,
            mean=loss.mean(scores),
            loss=float(values.mean()),
            score_gradient=score_gradient,
            weight_gradient=weight_gradient,
            intercept_gradient=intercept_gradient,
            coefficients=after,
            mean_after=loss.mean(scores_after),
            loss_after=float(values_after.mean()),
        )


def walk(objective: Objective, solver: Solver, start: ArrayLike | None = None, steps: int = 10) -> Iterator[Iterate]:
    """The start and the first iterates of a solver, for stepping through a fit.

    No certificate is computed, and only the solver itself can stop early. The products run on one
    BLAS thread, as in `polytome.solvers.minimize`, so the bits are the same; between iterates BLAS
    may use all threads again.

    Args:
        objective: what is minimised.
        solver: how.
        start: coefficients, (d + 1, K), for the standardised columns, intercept in the last row;
            zeros if None.
        steps: at most `steps + 1` iterates are made.

    Returns:
        An iterator; each iterate is computed when it is requested.

    Raises:
        ArgumentError: `steps` is not a whole number, zero or more.
        DataError: `start` has another shape than the objective's coefficients, or a number in it is
            not finite.

    Example:
        >>> from polytome.losses import Logistic
        >>> from polytome.penalties import NoPenalty
        >>> from polytome.rows import as_rows
        >>> from polytome.solvers import GradientDescent
        >>> objective = Objective(Logistic(), NoPenalty(), as_rows(np.array([[-1.0], [1.0]]), np.array([0, 1])))
        >>> [round(iterate.value, 4) for iterate in walk(objective, GradientDescent(0.5), steps=3)]
        [0.6931, 0.5759, 0.4859, 0.4162]
    """
    _check_steps(steps)
    W = np.zeros(objective.shape) if start is None else _float64(start, "start")
    if W.shape != objective.shape:
        raise DataError(f"start has shape {W.shape}: this objective needs {objective.shape}, intercept in the last row")
    _check_finite("start", W)
    return _walk(objective, solver, W, int(steps))


def _walk(objective: Objective, solver: Solver, start: Array, steps: int) -> Iterator[Iterate]:
    """The generator behind `walk`, which checks before the first iterate is requested."""
    iterates = Relay(solver, objective, start)
    for _ in range(steps + 1):
        with one_blas_thread():  # not around the yield: the caller runs outside
            iterate = next(iterates, None)
        if iterate is None:
            return
        yield iterate


def _float64(values: ArrayLike, name: str) -> Array:
    """A copy in float64, so that a trace does not change when the caller's array does."""
    return as_floating(values, name).astype(np.float64)


def _check_learning_rate(rate: Any) -> None:
    """Raises ArgumentError unless the rate is a positive finite number."""
    if not (isinstance(rate, Real) and np.isfinite(float(rate)) and float(rate) > 0):
        raise ArgumentError(f"learning_rate={rate!r}: needs a positive number")


def _check_steps(steps: Any) -> None:
    """Raises ArgumentError unless `steps` is a whole number, zero or more."""
    if not (isinstance(steps, Integral) and int(steps) >= 0):
        raise ArgumentError(f"steps={steps!r}: needs zero or a positive whole number")


def _check_arrays(loss: Loss, x: Array, W: Array) -> None:
    """Raises DataError where samples, coefficients and loss do not fit each other, or a number is
    not finite."""
    if x.ndim != 2 or len(x) == 0:
        raise DataError(f"x has shape {x.shape}: needs (n_features,) for one sample or (n_samples, n_features)")
    needed = (x.shape[1] + 1, loss.n_outputs)
    if W.shape != needed:
        raise DataError(
            f"coefficients have shape {W.shape}: {x.shape[1]} features and {loss} need {needed}, the intercept in the "
            "last row"
        )
    _check_finite("x", x)
    _check_finite("coefficients", W)


def _check_finite(name: str, array: Array) -> None:
    """Raises DataError at the first entry that is not finite."""
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        row, column = map(int, bad[0])
        raise DataError(f"{name}[{row}, {column}] = {array[row, column]}: needs a finite number")


def _check_target(loss: Loss, y: Array, n_samples: int) -> None:
    """Raises DataError if y does not hold targets of the loss; the loss itself decides, so that
    this works for all."""
    zeros, fits = np.zeros((n_samples, loss.n_outputs)), False
    with suppress(IndexError, TypeError, ValueError), np.errstate(all="ignore"):
        _, gradient = loss.value_and_gradient(zeros, y)
        null = loss.null_scores(y, np.ones(n_samples))
        fits = (y.shape[:1], gradient.shape, null.shape) == ((n_samples,), zeros.shape, zeros.shape[1:])
    if not fits:
        raise DataError(
            f"y = {np.array2string(y, threshold=6)}, shape {y.shape}: {loss} needs other targets for {n_samples} "
            "sample(s); its docstring says which"
        )
    with np.errstate(invalid="ignore"):  # the conjugate at zero is finite exactly where the target could be a mean
        outside = np.flatnonzero(~np.isfinite(loss.conjugate(zeros, y)))
    if len(outside):
        row = int(outside[0])
        raise DataError(
            f"y[{row}] = {y[row]}: is not a target of {loss}; classes are codes 0, 1, ..., or probabilities"
        )
