"""The largest value of a smooth function, also under linear constraints, by steps that are halved
where they do not gain.

A step is measured by an information matrix, which of a penalised likelihood leaves the penalty's
second derivatives out; what the last gradients show of these is added as L-BFGS does.

Reference: Nocedal and Wright, Numerical Optimization, 2006, chapters 3, 7 and 16.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import null_space

from polytome.inference.estimate import Refit
from polytome.inference.likelihood import solved

Array = NDArray[Any]

__all__ = ["Ascended", "HasDerivatives", "ascend", "refitted"]

CONVERGED = 1e-10
"""The length of the gradient, in units of its standard error, at which an ascent has converged."""
_ROUNDING = 1e-12
"""Of a value: what a difference may be by rounding."""
_MAX_STEPS = 500
_MAX_HALVINGS = 40
_MAX_IDLE_STEPS = 5
_MAX_PAIRS = 20
_MIN_CURVATURE = 1e-10
"""Of a step and the change of the gradient: the cosine of their angle."""


class HasDerivatives(Protocol):
    """A value with its gradient, and the information that steps are measured by."""

    @property
    def value(self) -> float:
        """-infinity where there is none."""
        ...

    @property
    def gradient(self) -> Array:
        """Of the value."""
        ...

    @property
    def information(self) -> Array:
        """Minus the second derivatives, or what they are expected to be."""
        ...


Derivatives = TypeVar("Derivatives", bound=HasDerivatives)


@dataclass(frozen=True)
class Ascended(Generic[Derivatives]):
    """Where an ascent ended.

    Attributes:
        at: the coefficients.
        derived: the value there.
        last_step: the step before.
        distance: the length of the gradient in units of its standard error, which is about how far
            the coefficients are from where it is 0, in units of theirs.
    """

    at: Array
    derived: Derivatives
    last_step: Array
    distance: float

    @property
    def has_converged(self) -> bool:
        """Whether the gradient is 0, but for rounding."""
        return self.distance <= CONVERGED


def ascend(
    derive: Callable[[Array], Derivatives], at: Array, constraints: tuple[Array, Array] | None = None
) -> Ascended[Derivatives]:
    """Climb until the gradient is 0.

    Args:
        derive: the value at some coefficients.
        at: where to begin; the constraints must hold.
        constraints: A and b of `A theta = b`.

    Example:
        >>> from polytome.inference.likelihood import Derived
        >>> def parabola(at):
        ...     return Derived(float(-((at - 3.0) ** 2).sum()), -2 * (at - 3.0), 2 * np.eye(len(at)))
        >>> ascend(parabola, np.zeros(2)).at
        array([3., 3.])
        >>> ascend(parabola, np.zeros(2), (np.array([[1.0, 0.0]]), np.zeros(1))).at
        array([0., 3.])
    """
    basis = np.eye(len(at)) if constraints is None else null_space(constraints[0])
    now, pairs = derive(at), _Pairs()
    shortest, n_idle = np.inf, 0
    slope, plain = _scoring_step(now, basis)
    for _ in range(_MAX_STEPS):
        distance = np.sqrt(max(float(slope @ plain), 0.0))
        # Rounding ends what cannot come nearer.
        n_idle = 0 if distance < 0.9 * shortest else n_idle + 1
        shortest = min(shortest, distance)
        allowed = 2 if distance <= CONVERGED else _MAX_IDLE_STEPS
        if distance <= _ROUNDING * 1e-2 or (distance <= 1e-6 and n_idle >= allowed):
            break
        step = pairs.improved(slope, now.information, basis)
        advanced = _advanced(derive, at, now, basis @ step, float(slope @ step))
        if advanced is None and pairs.kept:
            pairs = _Pairs()
            advanced = _advanced(derive, at, now, basis @ plain, float(slope @ plain))
        if advanced is None:
            break
        moved, now = advanced
        before, moved_by, at = slope, basis.T @ (moved - at), moved
        slope, plain = _scoring_step(now, basis)
        pairs.add(moved_by, before - slope)
    return Ascended(at, now, basis @ plain, float(np.sqrt(max(float(slope @ plain), 0.0))))


class _Pairs:
    """The last steps and what they changed of the gradient."""

    def __init__(self) -> None:
        self.kept: list[tuple[Array, Array]] = []

    def add(self, step: Array, gradient_change: Array) -> None:
        if step @ gradient_change > _MIN_CURVATURE * np.linalg.norm(step) * np.linalg.norm(gradient_change):
            self.kept = [*self.kept, (step, gradient_change)][-_MAX_PAIRS:]

    def improved(self, slope: Array, information: Array, basis: Array) -> Array:
        """The step to where the gradient would be 0, by the information and these pairs."""
        rest, factors = slope, []
        for step, change in reversed(self.kept):
            factors.append((step @ rest) / (step @ change))
            rest = rest - factors[-1] * change
        found = _solved(information, basis, rest)
        for (step, change), factor in zip(self.kept, reversed(factors), strict=True):
            found = found + (factor - (change @ found) / (step @ change)) * step
        return found


def _scoring_step(now: HasDerivatives, basis: Array) -> tuple[Array, Array]:
    """The gradient within the constraints, and the step by the information."""
    slope = basis.T @ now.gradient
    return slope, _solved(now.information, basis, slope)


def _solved(information: Array, basis: Array, right: Array) -> Array:
    return solved(basis.T @ information @ basis, right) if basis.shape[1] else right


def _advanced(
    derive: Callable[[Array], Derivatives], at: Array, now: Derivatives, step: Array, square: float
) -> tuple[Array, Derivatives] | None:
    """The longest of the step and its halves that gains, or all of one that is too short to show;
    None where none does."""
    allowed = _ROUNDING * max(1.0, abs(now.value))
    for halving in range(_MAX_HALVINGS):
        moved = at + step * 0.5**halving
        after = derive(moved)
        gained = after.value - now.value
        if np.isfinite(after.value) and gained >= (-allowed if square * 0.5**halving < 100 * allowed else 0.0):
            return moved, after
    return None


def refitted(
    derive: Callable[[Array], HasDerivatives],
    best: Ascended[Any],
    to_given: Array,
    constraints: tuple[Array, Array],
    start: Array | None,
) -> Refit:
    """The largest value under `A theta = b`.

    Args:
        derive: the value at coefficients as they are computed.
        best: the largest without constraints.
        to_given: the matrix that turns coefficients as they are computed into those as given.
        constraints: A and b, for coefficients as given.
        start: coefficients as given near the maximum; the best quadratic guess if None.
    """
    A, b = constraints
    own = A @ to_given
    guess = best.at if start is None else np.linalg.solve(to_given, start)
    spread = solved(best.derived.information, own.T)
    guess = guess - spread @ np.linalg.lstsq(own @ spread, own @ guess - b, rcond=None)[0]
    found = ascend(derive, guess, (own, b))
    derived = found.derived
    score = float(derived.gradient @ solved(derived.information, derived.gradient))
    gradient = np.linalg.solve(to_given.T, derived.gradient)
    return Refit(to_given @ found.at, derived.value, gradient, score)
