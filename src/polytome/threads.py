"""How many threads work runs on, and the rule that keeps its bits the same for any number of them."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from polytome.errors import ArgumentError

__all__ = ["available_threads", "one_blas_thread"]


def available_threads() -> int:
    """How many threads a pass may use: `POLYTOME_NUM_THREADS`, else `OMP_NUM_THREADS`, else the cores.

    joblib sets `OMP_NUM_THREADS` in its workers, so that they do not fight for the cores.

    Raises:
        ArgumentError: an environment variable is not a positive whole number.

    Example:
        >>> available_threads() >= 1
        True
    """
    for name in ("POLYTOME_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "").split(",")[0].strip()
        if text:
            if not text.isdecimal() or int(text) < 1:
                raise ArgumentError(f"environment variable {name}={text!r}: needs a positive whole number")
            return int(text)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows
        return os.cpu_count() or 1


def one_blas_thread() -> AbstractContextManager[Any]:
    """A context in which BLAS and LAPACK use one thread.

    Parallel work is shared out by blocks of rows, whose sums are added in a fixed order. A BLAS that splits a
    product by its own count of threads could change the last bits, and two layers of threads would fight for the cores.
    """
    limiter: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return limiter


@cache
def _controller() -> Any:
    """The controller of the BLAS libraries now loaded: finding them takes milliseconds, so it is done once."""
    import scipy.linalg  # noqa: F401  (loads SciPy's own BLAS, so that it is found too)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
