"""The same fit repeated with one setting changed: the learning rate, or the strength of the
penalty.

Reference:
    Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning" (2009), sections 3.4.1
    and 7.2.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.evaluation.curves import known_codes
from polytome.evaluation.metrics import log_loss

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

Array = NDArray[Any]

__all__ = ["Descent", "PathPoint", "learning_rate_descents", "regularization_path"]


class Descent(NamedTuple):
    """The objective along a descent with one learning rate."""

    learning_rate: float
    objectives: tuple[float, ...]
    """At the start and after each epoch, in nats; the last one may be infinite or NaN."""
    diverges: bool
    """Whether it overflowed, or was above its start in the second half of its epochs."""


class PathPoint(NamedTuple):
    """A fit with one strength of the penalty."""

    C: float
    train_loss: float
    """Mean log loss of the rows that it was fitted to, in nats."""
    held_out_loss: float
    """Mean log loss of other rows, in nats."""
    coefficients: Array
    """Shape (1, d) or (K, d)."""


def learning_rate_descents(
    model: Fitted,
    X: Any,
    y: Any,
    learning_rates: Sequence[float],
    *,
    epochs: int = 50,
    solver: Literal["gradient-descent", "sgd"] = "gradient-descent",
) -> tuple[Descent, ...]:
    """Descend on the model's objective with each learning rate, starting from the null model.

    Args:
        model: its settings say what is minimised; it is not changed and need not be fitted.
        X: features, shape (n, d).
        y: labels, shape (n,).
        learning_rates: positive numbers, for the columns as scaled by `model.scale`.
        epochs: the most passes over the rows for each rate.
        solver: "gradient-descent" makes one step per epoch, "sgd" one per row.

    Raises:
        ArgumentError: there is no learning rate, one is not positive, or the solver is another one.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> slow, fast = learning_rate_descents(LogisticRegression(), X, y, [0.1, 1e3], epochs=5)
        >>> slow.diverges, fast.diverges
        (False, True)
    """
    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning

    from polytome.solvers import GradientDescent, StochasticGradientDescent

    kinds = {"gradient-descent": GradientDescent, "sgd": StochasticGradientDescent}
    if solver not in kinds:
        raise ArgumentError(f"solver={solver!r}: give one of {', '.join(kinds)}")
    if not len(learning_rates):
        raise ArgumentError("learning_rates is empty: give at least one")
    walkers = [kinds[solver](learning_rate=float(rate)) for rate in learning_rates]
    descents = []
    for rate, walker in zip(learning_rates, walkers, strict=True):
        # A tolerance below rounding: no descent stops because it is close enough.
        settings = {"solver": walker, "max_iter": epochs, "tol": 1e-300, "verbose": 0, "callback": None}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = clone(model).set_params(**settings).fit(X, y)
        objectives = tuple(line.objective for line in fitted.history_)
        later = objectives[len(objectives) // 2 :]
        diverges = not all(value <= objectives[0] for value in later)
        descents.append(Descent(float(rate), objectives, diverges))
    return tuple(descents)


def regularization_path(
    model: Fitted, X: Any, y: Any, X_held_out: Any, y_held_out: Any, Cs: Sequence[float]
) -> tuple[PathPoint, ...]:
    """Fit the model with each strength of its penalty, and evaluate each fit on the rows that it
    saw and on others.

    Args:
        model: a classifier with the setting `C`; it is not changed and need not be fitted.
        X: features to fit to, shape (n, d).
        y: their labels.
        X_held_out: other rows.
        y_held_out: their labels.
        Cs: positive numbers, the inverse strengths.

    Returns:
        One point for each C, in ascending order.

    Raises:
        ArgumentError: there is no C.
        DataError: a held-out label is not one of the model's classes.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> weak, strong = regularization_path(LogisticRegression(), X, y, X[1:], y[1:], [1e-3, 1e3])
        >>> weak.train_loss > strong.train_loss
        True
    """
    from sklearn.base import clone

    if not len(Cs):
        raise ArgumentError("Cs is empty: give at least one")
    points = []
    for C in sorted(map(float, Cs)):
        fitted = clone(model).set_params(C=C).fit(X, y)
        losses = [
            log_loss(known_codes(labels, fitted.classes_), fitted.predict_log_proba(rows))
            for rows, labels in ((X, y), (X_held_out, y_held_out))
        ]
        points.append(PathPoint(C, losses[0], losses[1], fitted.coef_))
    return tuple(points)
