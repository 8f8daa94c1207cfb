"""What a fit tells of itself, in the words of the command line; and an exit status for scripts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import typer

from polytome.cli.output import show_warning

if TYPE_CHECKING:
    from polytome.certificates.certificate import Certificate
    from polytome.solvers import Stop
    from polytome.solvers.choose import Choice

__all__ = ["require_certificate", "require_proof", "solver_words", "stop_words"]

_NOT_CERTIFIED = 3
_NAMES = {
    "Newton": "Newton's method",
    "TemperedNewton": "Newton's method on pairs of classes",
    "CarefulNewton": "Newton's method in careful sums",
    "ProximalNewton": "proximal Newton's method",
    "LBFGS": "L-BFGS",
    "DualCoordinateAscent": "dual coordinate ascent",
    "GradientDescent": "gradient descent",
    "StochasticGradientDescent": "stochastic gradient descent",
    "float64": "double precision",
}
_TOOK_OVER = re.compile(rf"\b({'|'.join(_NAMES)}) took over")
_SETTING = re.compile(r"`?\b(max_iter|tol|C)\b`?")


def solver_words(choice: Choice) -> str:
    """A solver by its name, and why it was taken.

    Example:
        >>> from polytome.solvers.choose import Choice
        >>> from polytome.solvers import LBFGS, Newton
        >>> solver_words(Choice(LBFGS(then=Newton()), "many columns; Newton took over at iteration 30"))
        "L-BFGS, then Newton's method if that is slow (many columns; Newton's method took over at iteration 30)"
    """
    reason = "asked for" if choice.reason.endswith(" was asked for") else choice.reason
    return f"{_name(choice.solver)} ({_TOOK_OVER.sub(lambda match: f'{_NAMES[match[1]]} took over', reason)})"


def _name(solver: Any) -> str:
    kind = type(solver).__name__
    if kind == "RowSpace":
        return f"{_name(solver.solver)} in the space of the rows"
    if kind == "DistinctRows":
        return f"{_name(solver.solver)}, equal rows merged"
    name = _NAMES.get(kind, str(solver))
    if kind == "Newton" and solver.sample is not None:
        name += " on a sample of the rows"
    return f"{name}, then {_name(solver.then)} if that is slow" if getattr(solver, "then", None) is not None else name


def stop_words(stop: Stop) -> str:
    """Why a fit stopped, with settings by the names of their options.

    Example:
        >>> from polytome.solvers import Stop
        >>> stop_words(Stop.MAX_ITER)
        '--max-iter iterations were made before the certificate held; raise --max-iter or --tol'
    """
    return _SETTING.sub(lambda match: f"--{match[1].replace('_', '-')}", stop.value)


def require_certificate(strict: bool, certificate: Certificate) -> None:
    """End with an exit status of its own where a proof is required and there is none."""
    if certificate.holds and certificate.kind != "proof":
        require_proof(strict, False, "the distance from the minimum is estimated, not proved")
    require_proof(strict, certificate.holds, "the certificate does not hold")


def require_proof(strict: bool, is_proved: bool, why: str) -> None:
    """The same where there is no certificate but its outcome."""
    if strict and not is_proved:
        show_warning(f"{why}, and --strict requires a proof.")
        raise typer.Exit(_NOT_CERTIFIED)
