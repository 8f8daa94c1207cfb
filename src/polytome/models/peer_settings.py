"""The settings and words of scikit-learn's `LogisticRegression`, and what they mean here.

Programs and grids written for scikit-learn 1.6 to 1.9 run unchanged where a setting has the same
meaning; where it has another one, or none, one sentence says so before any work.
"""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np

from polytome.errors import ArgumentError
from polytome.threads import available_threads

__all__ = [
    "check_peer_classes",
    "check_peer_settings",
    "check_ratio",
    "l1_ratio_of",
    "own_settings",
    "peer_warning",
    "threads_of",
]

_RATIO = "a number from 0 (L2) to 1 (L1), the share of absolute values in the penalty"
_L2_ONLY = ("lbfgs", "newton-cg", "newton-cholesky", "sag")
_OWN_L2_ONLY = ("newton", "dual", "gradient-descent", "sgd")
_PENALTIES = ("deprecated", "l2", "l1", "elasticnet", None)
_WAYS = ("deprecated", "auto", "multinomial", "ovr")
_NAMES = ("penalty", "dual", "intercept_scaling", "multi_class", "n_jobs")
_WARNINGS = {
    "lbfgs": "lbfgs failed to converge after {} iteration(s)",
    "newton-cg": "newton-cg failed to converge after {} iteration(s). Increase the number of iterations.",
    "newton-cholesky": "Newton solver did not converge after {} iterations",
    "liblinear": "Liblinear failed to converge, increase the number of iterations.",
    "sag": "The max_iter was reached which means the coef_ did not converge",
    "saga": "The max_iter was reached which means the coef_ did not converge",
}


def check_peer_settings(estimator: Any) -> None:
    """Raises ArgumentError where a setting of scikit-learn's has another meaning here, or none.

    Warns, as scikit-learn does, where `penalty` disables `C` or `l1_ratio`.
    """
    _check_penalty(estimator.penalty, estimator.l1_ratio, estimator.C, estimator.solver)
    dual: Any = estimator.dual
    scaling: Any = estimator.intercept_scaling
    n_jobs: Any = estimator.n_jobs
    if not isinstance(dual, bool | np.bool_):
        raise ArgumentError(f"dual={dual!r}: needs True or False")
    if dual and estimator.solver != "liblinear":
        raise ArgumentError(
            f"Solver {estimator.solver} supports only dual=False, got dual=True: the minimum is the same; to work on "
            "the dual problem use solver='dual'"
        )
    if not (isinstance(scaling, Real) and np.isfinite(float(scaling)) and float(scaling) > 0):
        raise ArgumentError(f"intercept_scaling={scaling!r}: needs a positive number; the intercept is never penalised")
    if n_jobs is not None and (isinstance(n_jobs, bool) or not isinstance(n_jobs, Integral) or int(n_jobs) == 0):
        raise ArgumentError(f"n_jobs={n_jobs!r}: needs None, a number of threads, or -1 for all cores")
    if estimator.multi_class not in _WAYS:
        raise ArgumentError(f"multi_class={estimator.multi_class!r}: needs 'auto'; more than two classes are softmax")


def check_ratio(estimator: Any) -> None:
    """Raises ArgumentError where the `l1_ratio` of an estimator without a setting `penalty` cannot
    be used, or its solver minimises squares alone.

    Example:
        >>> from polytome import OneVsRest
        >>> check_ratio(OneVsRest(l1_ratio=2))
        Traceback (most recent call last):
        polytome.errors.ArgumentError: l1_ratio=2: needs a number from 0 (L2) to 1 (L1), the share of absolute ...
    """
    _check_penalty("deprecated", estimator.l1_ratio, estimator.C, estimator.solver)


def _check_penalty(penalty: Any, l1_ratio: Any, C: Any, solver: Any) -> None:
    if not (penalty is None or isinstance(penalty, str)) or penalty not in _PENALTIES:
        hint = "; for no penalty give None, or C=numpy.inf" if penalty == "none" else ""
        raise ArgumentError(f"penalty={penalty!r}: needs 'l2', 'l1', 'elasticnet' or None{hint}")
    known = l1_ratio is None or (isinstance(l1_ratio, Real) and 0 <= float(l1_ratio) <= 1)
    if not known or isinstance(l1_ratio, bool):
        raise ArgumentError(f"l1_ratio={l1_ratio!r}: needs {_RATIO}")
    if penalty == "elasticnet" and l1_ratio is None:
        raise ArgumentError(f"penalty='elasticnet': l1_ratio must be given, {_RATIO}")
    if (ratio := _ratio(penalty, l1_ratio)) > 0:
        asked = f"penalty={penalty!r}" if penalty == "l1" else f"l1_ratio={l1_ratio!r}"
        if isinstance(solver, str) and solver in _L2_ONLY:
            raise ArgumentError(f"Solver {solver} supports only 'l2' or None penalties, got {asked}: use solver='auto'")
        if isinstance(solver, str) and solver in _OWN_L2_ONLY:
            raise ArgumentError(f"solver={solver!r} minimises L2 penalties or none, got {asked}: use solver='auto'")
        if isinstance(solver, str) and solver == "liblinear" and ratio < 1:
            raise ArgumentError(
                f"Only 'saga' solver supports elasticnet penalty, got solver=liblinear and {asked}: use solver='auto'"
            )
    if penalty == "l2" and l1_ratio not in (0, None):
        warnings.warn(
            f"Inconsistent values: penalty=l2 with l1_ratio={l1_ratio}. The penalty is L2", UserWarning, stacklevel=5
        )
    if penalty == "l1" and l1_ratio not in (0, 1, None):
        warnings.warn(
            f"Inconsistent values: penalty=l1 with l1_ratio={l1_ratio}. The penalty is L1", UserWarning, stacklevel=5
        )
    if penalty is None and C != 1.0:
        warnings.warn("Setting penalty=None will ignore the C and l1_ratio parameters", UserWarning, stacklevel=5)


def l1_ratio_of(estimator: Any) -> float:
    """The share of absolute values in an estimator's penalty, whichever of scikit-learn's settings
    says so; 0 where it has no such setting.

    Example:
        >>> from polytome import LogisticRegression
        >>> l1_ratio_of(LogisticRegression(penalty="l1")), l1_ratio_of(LogisticRegression(l1_ratio=0.5))
        (1.0, 0.5)
    """
    settings = vars(estimator)
    return _ratio(settings.get("penalty", "deprecated"), settings.get("l1_ratio"))


def _ratio(penalty: Any, l1_ratio: Any) -> float:
    """That of two settings."""
    if penalty == "l1":
        return 1.0
    return float(l1_ratio or 0) if penalty in ("elasticnet", "deprecated") else 0.0


def check_peer_classes(estimator: Any, n_classes: int) -> None:
    """Raises ArgumentError where so many classes would be another model in scikit-learn: one
    against the rest."""
    if n_classes > 2 and estimator.solver == "liblinear":
        raise ArgumentError(
            "The 'liblinear' solver does not support multiclass classification: for one class against the rest use "
            "polytome.OneVsRest, for softmax another solver, such as 'auto'"
        )
    if n_classes > 2 and estimator.multi_class == "ovr":
        raise ArgumentError("multi_class='ovr': for one class against the rest use polytome.OneVsRest")
    if n_classes == 2 and estimator.multi_class == "multinomial":
        raise ArgumentError(
            "multi_class='multinomial' of two classes is scikit-learn's model with C doubled: leave multi_class out, "
            f"and give C={2 * float(estimator.C):g}"
        )


def own_settings(estimator: Any) -> dict[str, Any]:
    """The settings without those that only scikit-learn has: the others express their meaning.

    Example:
        >>> from polytome import LogisticRegression
        >>> own_settings(LogisticRegression(penalty=None, n_jobs=2))["C"]
        inf
    """
    settings = {name: value for name, value in estimator.get_params(deep=False).items() if name not in _NAMES}
    if vars(estimator).get("penalty", "l2") is None:
        settings["C"] = float("inf")
    if "l1_ratio" in settings and vars(estimator).get("penalty", "deprecated") != "deprecated":
        settings["l1_ratio"] = l1_ratio_of(estimator)
    return settings


def peer_warning(solver: Any, n_iterations: int) -> str:
    """How scikit-learn's warning of a fit that did not converge begins, for its own names of
    solvers, else nothing.

    Warning filters match these words.

    Example:
        >>> peer_warning("lbfgs", 3)
        'lbfgs failed to converge after 3 iteration(s): '
    """
    words = _WARNINGS.get(solver) if isinstance(solver, str) else None
    if words is None:
        return ""
    words = words.format(n_iterations)
    return f"{words} " if words.endswith(".") else f"{words}: "


def threads_of(n_jobs: int | None) -> int | None:
    """The number of threads that `n_jobs` means, -1 for all, -2 for all but one; None for the usual
    number.

    Example:
        >>> threads_of(3), threads_of(None)
        (3, None)
    """
    if n_jobs is None:
        return None
    return int(n_jobs) if n_jobs > 0 else max(1, available_threads() + 1 + int(n_jobs))
