"""One pass over MNIST beside what the memory and the arithmetic of the machine allow, measured in
the same run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import Problem, prepared, restore

_REPEATS = 15
_SIDE = 4096


def measure_roofline(data: Path | None, work: Path, limit: float) -> dict[str, Any]:
    """The best of several: seconds of the pass on one thread and on all, bytes and multiply-adds
    per second.

    The bound of a pass is the larger of two times: reading X once, and its arithmetic (two
    operations for each number of X and class in the scores, two in the gradient) at the rate of the
    BLAS on a large product of matrices.
    """
    problem = restore(prepared("mnist", data, work))
    pixels = np.divide(problem.X, np.float32(255), dtype=np.float32)
    bandwidth = pixels.nbytes / _best(_reader(pixels))
    A = np.ones((_SIDE, _SIDE), dtype=np.float32)
    rate = 2 * _SIDE**3 / _best(lambda: A @ A, 5)
    operations = 4 * pixels.size * problem.n_classes
    passes = []
    for X in (pixels, problem.X):
        bound = max(X.nbytes / bandwidth, operations / rate)
        for threads in (1, len(os.sched_getaffinity(0))):
            with _threads(threads):
                seconds = _best(_a_pass(problem, X))
            passes.append(
                {
                    "dtype": str(X.dtype),
                    "threads": threads,
                    "seconds": seconds,
                    "bound": bound,
                    "times": seconds / bound,
                }
            )
            print(f"  {X.dtype}, {threads} threads: {seconds:.4f} s, bound {bound:.4f} s", flush=True)
    return {"bytes_per_second": bandwidth, "operations_per_second": rate, "operations": operations, "passes": passes}


def _a_pass(problem: Problem, X: np.ndarray) -> Callable[[], Any]:
    """Objective and gradient at coefficients of ordinary size, in the precision in which a fit
    begins."""
    from polytome.losses import Softmax
    from polytome.objective import Objective
    from polytome.penalties import L2
    from polytome.rows import as_rows

    rows = as_rows(X, problem.y).at(np.float32)
    objective = Objective(Softmax(problem.n_classes), L2(1 / len(problem.y)), rows)
    W = np.random.default_rng(0).standard_normal(objective.shape) / (30 * float(X.max()))
    return lambda: objective.value_and_gradient(W)


def _reader(X: np.ndarray) -> Callable[[], Any]:
    """Reads the numbers once, on all cores: a product of a vector with itself, shared out by the
    BLAS."""
    flat = X.ravel()
    return lambda: np.dot(flat, flat)


def _best(call: Callable[[], Any], repeats: int = _REPEATS) -> float:
    call()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Polytome on so many threads."""
    before = os.environ.get("POLYTOME_NUM_THREADS")
    os.environ["POLYTOME_NUM_THREADS"] = str(count)
    try:
        yield
    finally:
        del os.environ["POLYTOME_NUM_THREADS"]
        if before is not None:
            os.environ["POLYTOME_NUM_THREADS"] = before
