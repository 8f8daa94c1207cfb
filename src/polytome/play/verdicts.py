"""How a run is going, in one sentence: it falls, rises, has arrived, or diverges, and then what to
do about it."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from polytome.play.problems import Problem

__all__ = ["Verdict", "rate_advice", "verdict"]

_TOO_HIGH = 10.0
_ARRIVED = 1e-9

State = Literal["start", "falls", "rises", "level", "arrived", "settled", "diverged"]


class Verdict(NamedTuple):
    """One word for a program, and a sentence for a reader."""

    state: State
    words: str


def verdict(
    problem: Problem, start_value: float, before: float | None, value: float, gap: float | None, is_last: bool
) -> Verdict:
    """How the run is going.

    A run diverges where its loss is not finite, or ten times that of the start and of the null
    model. Only along a smooth loss do short steps promise descent, so the perceptron never
    diverges: it settles or does not.

    Args:
        problem: what is descended on, and how.
        start_value: the loss at the start.
        before: the loss one step earlier; None at the start.
        value: the loss now.
        gap: bound on its distance from the lowest value, if there is one.
        is_last: whether no step follows.
    """
    yardstick = max(start_value, problem.objective.null[1])
    if not np.isfinite(value):
        return Verdict("diverged", f"Diverged: the loss has overflowed. {rate_advice(problem)}")
    if np.isfinite(problem.objective.loss.smoothness) and value > _TOO_HIGH * yardstick:
        times = f"{value / yardstick:,.0f}" if value < 1e6 * yardstick else f"{value / yardstick:.0e}"
        words = f"Diverged: the loss is {value:.4g}, {times} times that of the start."
        return Verdict("diverged", f"{words} {rate_advice(problem)}")
    if is_last:
        return Verdict("settled", _settled(problem))
    if before is None:
        return Verdict("start", f"The start: the loss is {value:.4g}.")
    lowest = problem.optimum.value
    distance = gap if lowest is None else value - lowest
    if distance is not None and distance <= _ARRIVED * problem.objective.null[1]:
        distance = max(distance, 1e-16)
        return Verdict("arrived", f"Arrived: the loss {value:.6g} is within {distance:.0e} of its lowest value.")
    if value == before:
        return Verdict("level", f"The loss stays at {value:.4g}.")
    if value < before:
        return Verdict("falls", f"The loss fell from {_pair(before, value)}.")
    return Verdict("rises", f"The loss rose from {_pair(before, value)}{_why_it_rose(problem)}")


def rate_advice(problem: Problem) -> str:
    """What to do about steps that go too far, with the number that theory gives.

    Example:
        >>> from polytome.play.problems import make_problem
        >>> from polytome.play.settings import Settings
        >>> rate_advice(make_problem(Settings(data="six-petals", rate=100)))
        'Try a rate below 2/L = 0.952.'
    """
    safe = problem.safe_rate
    if safe is None or problem.settings.rate <= safe:
        return "Try a smaller rate."
    whose = "" if problem.settings.way == "batch" else ", L being the largest curvature that one point has"
    return f"Try a rate below 2/L = {_rounded_down(safe):g}{whose}."


def _why_it_rose(problem: Problem) -> str:
    if problem.settings.way in ("mini-batch", "stochastic"):
        return "; a step that helps some points may hurt the others."
    safe = problem.safe_rate
    if safe is not None and problem.settings.rate > safe:
        return f": the step went too far. Rates below 2/L = {_rounded_down(safe):g} always descend."
    return "."


def _settled(problem: Problem) -> str:
    if problem.settings.loss == "perceptron":
        return "Settled: no point is on the wrong side any more, so nothing will change."
    if problem.settings.way in ("newton", "lbfgs"):
        return "Arrived: no further step lowers the loss by more than rounding."
    return "Settled: the last steps changed no parameter."


def _pair(before: float, value: float) -> str:
    """Two numbers with enough digits to distinguish them.

    Example:
        >>> _pair(0.5, 0.25), _pair(0.123456789, 0.123456788)
        ('0.5 to 0.25', '0.123456789 to 0.123456788')
    """
    for digits in range(4, 16):
        texts = f"{before:.{digits}g}", f"{value:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return " to ".join(texts)


def _rounded_down(number: float, digits: int = 3) -> float:
    """A number rounded down to three digits: what is below it is below the bound.

    Example:
        >>> _rounded_down(0.12399)
        0.123
    """
    scale = 10.0 ** (digits - 1 - math.floor(math.log10(number)))
    return math.floor(number * scale) / scale
