"""What the pictures show: which part of the plane, the loss over two of the parameters, and
everything that does not change during a run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError
from polytome.play.problems import Problem
from polytome.threads import one_blas_thread

Array = NDArray[Any]

__all__ = ["curve_grid", "loss_surface", "opening", "plane_window"]

_GRID = 61
_CURVE = 81
_MARGIN = 0.08
_LEVELS = 14
_FARTHEST = 20.0


def plane_window(problem: Problem) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of the plane of two features, with a margin around the points."""
    low, high = problem.X.min(axis=0), problem.X.max(axis=0)
    margin = _MARGIN * np.where(high > low, high - low, 1.0)
    (left, bottom), (right, top) = low - margin, high + margin
    return float(left), float(right), float(bottom), float(top)


def curve_grid(problem: Problem) -> Array:
    """Values of a single feature over which curves are drawn."""
    low, high = float(problem.X.min()), float(problem.X.max())
    margin = 2 * _MARGIN * (high - low or 1.0)
    return np.linspace(low - margin, high + margin, _CURVE)


def opening(problem: Problem) -> dict[str, Any]:
    """Everything about a problem that does not change during its run, as values for JSON."""
    table, settings = problem.table, problem.settings
    optimum = problem.optimum
    unit = "mean 0, standard deviation 1" if settings.standardise else ""
    return {
        "title": table.title,
        "notes": table.notes,
        "features": table.feature_names,
        "columns": table.columns,
        "label": table.label,
        "unit": unit,
        "target_name": table.target,
        "every_class": table.every_class,
        "kept_classes": table.class_names,
        "classes": problem.classes,
        "points": problem.X,
        "codes": problem.codes,
        "targets": problem.target if table.target else [],
        "window": plane_window(problem) if problem.X.shape[1] == 2 else None,
        "grid": curve_grid(problem) if problem.X.shape[1] == 1 else None,
        "parameters": problem.parameter_names(),
        "n_outputs": problem.objective.shape[1],
        "start": problem.start,
        "optimum": {"coefficients": optimum.coefficients, "value": optimum.value, "words": optimum.words},
        "null": problem.objective.null[1],
        "curvature": problem.curvature_bound if settings.way == "batch" else problem.row_curvature_bound,
        "safe_rate": problem.safe_rate,
        "formulas": _formulas(problem),
        "has_gap": problem.has_certificate and settings.penalty > 0,
    }


def _formulas(problem: Problem) -> dict[str, str]:
    """The model, its loss and its step in the notation of the lessons."""
    settings = problem.settings
    n_outputs = problem.objective.shape[1]
    models = {
        "logistic": ("ŷ = σ(x w + b)", "J = −(1/n) Σ [y ln ŷ + (1 − y) ln(1 − ŷ)]", "(ŷ − y) x"),
        "softmax": ("ŷ = softmax(x W + b)", "J = −(1/n) Σ ln ŷ of the true class", "x′ (ŷ − y)"),
        "one-vs-rest": (
            "ŷ of a class = σ(x w + b), for each class against the rest",
            "J = −(1/n) Σ over points and classes [y ln ŷ + (1 − y) ln(1 − ŷ)]",
            "x′ (ŷ − y)",
        ),
        "adaline": ("ŷ = x w + b", "J = (1/2n) Σ (ŷ − y)²", "(ŷ − y) x"),
        "sigmoid": ("ŷ = σ(x w + b)", "J = (1/n) Σ (ŷ − y)²", "2 (ŷ − y) ŷ (1 − ŷ) x"),
        "perceptron": ("ŷ = 1 if x w + b > 0, else 0", "J = (1/n) Σ (ŷ − y) (x w + b)", "(ŷ − y) x"),
    }
    name = "logistic" if settings.loss == "one-vs-rest" and n_outputs == 1 else settings.loss
    model, loss, gradient = models[name]
    w = "W" if n_outputs > 1 else "w"
    shrink = f" + λ {w}" if settings.penalty else ""
    means = {
        "batch": f"(1/n) Σ {gradient}",
        "mini-batch": f"the mean of {gradient} over {settings.batch} points",
        "stochastic": f"{gradient} of one point",
    }
    steps = {
        "newton": f"({w}, b) := ({w}, b) − H⁻¹ ∇J, H the second derivatives of J",
        "lbfgs": f"({w}, b) := ({w}, b) − t B ∇J, B an estimate of H⁻¹ from the last steps, t by a line search",
    }
    step = steps.get(settings.way) or f"{w} := {w} − η ∂J/∂{w},  ∂J/∂{w} = {means[settings.way]}{shrink}"
    return {"model": model, "loss": loss + (f" + (λ/2) ‖{w}‖²" if settings.penalty else ""), "step": step}


def loss_surface(
    problem: Problem, across: int, upwards: int, held: ArrayLike | None, path: ArrayLike | None = None
) -> dict[str, Any]:
    """The loss over two of the parameters, the others held, as values for JSON.

    Args:
        problem: whose loss.
        across: position of the first parameter in `parameter_names`.
        upwards: position of the second one.
        held: values of all parameters, at which the others are held; None for the optimal values.
        path: smallest and largest value of both parameters that the picture is to show,
            `[[least, most], [least, most]]`; it may show less if a run has diverged.

    Returns:
        `x` and `y`, where the loss was computed, `values`, shape (len(y), len(x)), and `levels` for
        contours.

    Raises:
        ArgumentError: a position does not exist, both are the same, there is no optimum, or numbers
            are missing.

    Example:
        >>> from polytome.play.problems import make_problem
        >>> from polytome.play.settings import Settings
        >>> surface = loss_surface(make_problem(Settings(data="houses", loss="adaline")), 0, 1, None)
        >>> surface["values"].shape, surface["names"]
        ((61, 61), ['w', 'b'])
    """
    names, objective = problem.parameter_names(), problem.objective
    if across == upwards or not all(0 <= position < objective.size for position in (across, upwards)):
        raise ArgumentError(
            f"parameters {across} and {upwards}: choose two different ones from 0 to {objective.size - 1}"
        )
    best = problem.optimum.coefficients
    if held is None and best is None:
        raise ArgumentError(f"held: there are no optimal values to hold. {problem.optimum.words}")
    base = _numbers(best if held is None else held, objective.shape, "held")
    pair = [across, upwards]
    known = [problem.start.ravel()[pair]] + ([best.ravel()[pair]] if best is not None else [])
    x, y = _axes(np.array(known), None if path is None else _numbers(path, (2, 2), "path"))
    values = _values(problem, base, (across, x), (upwards, y))
    return {"x": x, "y": y, "values": values, "levels": _levels(values), "names": [names[across], names[upwards]]}


def _values(problem: Problem, base: Array, across: tuple[int, Array], upwards: tuple[int, Array]) -> Array:
    """The objective over two parameters, each a position and its values, (len(y), len(x)): the rows
    are few, so all values of the first are tried at once."""
    (moved, x), (raised, y), objective = across, upwards, problem.objective
    loss, rows, n_outputs = objective.loss, objective.rows, objective.shape[1]
    W = base.copy()
    W.flat[[moved, raised]] = 0.0
    columns = np.column_stack([problem.X, np.ones(len(problem.X))])
    target = np.concatenate([rows.target] * len(x))
    values = np.empty((len(y), len(x)))
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        scores = np.array([columns @ W] * len(x))
        scores[:, :, moved % n_outputs] += x[:, None] * columns[:, moved // n_outputs]
        for row, W.flat[raised] in enumerate(y):
            raised_scores = scores.copy()
            raised_scores[:, :, raised % n_outputs] += W.flat[raised] * columns[:, raised // n_outputs]
            losses, _ = loss.value_and_gradient(raised_scores.reshape(-1, n_outputs), target)
            values[row] = losses.reshape(len(x), -1) @ rows.weight / objective.total_weight
            for column, W.flat[moved] in enumerate(x):
                values[row, column] += objective.penalty.value(W[:-1])
    return values


def _axes(known: Array, path: Array | None) -> tuple[Array, Array]:
    """A grid around what is known and as much of the path as still leaves the rest visible."""
    low, high = known.min(axis=0), known.max(axis=0)
    size = np.maximum(high - low, 1.0)
    if path is not None:
        low = np.clip(path[:, 0], low - _FARTHEST * size, low)
        high = np.clip(path[:, 1], high, high + _FARTHEST * size)
    half = np.maximum(0.62 * (high - low), 0.5)
    middle = (low + high) / 2
    x, y = (np.linspace(middle[axis] - half[axis], middle[axis] + half[axis], _GRID) for axis in (0, 1))
    return x, y


def _levels(values: Array) -> Array:
    """Heights that are closer together near the bottom: the contours of a bowl are then evenly
    spaced."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.empty(0)
    low, high = float(finite.min()), float(finite.max())
    return low + (high - low) * (np.arange(1, _LEVELS + 1) / (_LEVELS + 1)) ** 2


def _numbers(values: Any, shape: tuple[int, ...], name: str) -> Array:
    """Finite numbers of a shape."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape != shape or not np.isfinite(array).all() or np.abs(array).max() > 1e12:
        raise ArgumentError(f"{name}: needs finite numbers of shape {shape}, none beyond 1e12")
    return array
