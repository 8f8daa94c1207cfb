"""Checks of an estimator's settings, before any work: each names the setting, what was found and
what is possible."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from polytome.errors import ArgumentError

__all__ = ["check_common_settings", "check_flag", "check_whole_number", "real_number"]


def check_common_settings(estimator: Any) -> None:
    """Raises ArgumentError unless those of these settings that the estimator has can be used:
    `fit_intercept`, `warm_start`, `shuffle`, `random_state`, `verbose` and `callback`."""
    settings = vars(estimator)
    for name in ("fit_intercept", "warm_start", "shuffle"):
        if name in settings:
            check_flag(name, settings[name])
    state = settings.get("random_state")
    if state is not None and not isinstance(state, np.random.RandomState):
        _check_seed(state)
    if not isinstance(settings.get("verbose", 0), bool | np.bool_):
        check_whole_number("verbose", settings.get("verbose", 0), 0)
    callback = settings.get("callback")
    if callback is not None and not callable(callback):
        raise ArgumentError(f"callback={callback!r}: needs None or a function, called with the progress of the fit")


def check_flag(name: str, value: Any) -> None:
    """Raises ArgumentError unless the value is True or False.

    Example:
        >>> check_flag("shuffle", True)
    """
    if not isinstance(value, bool | np.bool_):
        raise ArgumentError(f"{name}={value!r}: needs True or False")


def check_whole_number(name: str, value: Any, least: int) -> None:
    """Raises ArgumentError unless the value is a whole number from `least` on.

    Example:
        >>> check_whole_number("epochs", 20, 1)
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise ArgumentError(f"{name}={value!r}: needs a whole number, {least} or more")


def real_number(value: Any) -> float:
    """A setting as a float; NaN where it is not a real number, or one beyond the range of floats.

    Example:
        >>> real_number(3), real_number("3")
        (3.0, nan)
    """
    try:
        return float(value) if isinstance(value, Real) else np.nan
    except OverflowError:
        return np.nan


def _check_seed(value: Any) -> None:
    if not isinstance(value, Integral) or int(value) < 0:
        raise ArgumentError(f"random_state={value!r}: needs None, a whole number from 0, or a RandomState")
