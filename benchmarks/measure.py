"""One run in a process of its own: seconds of the fit, its peak memory beyond the data, the
objective it reached.

As a program (`python -m benchmarks.measure FOLDER JOB`) this is the measured process: it loads the
stored problem, fits a few rows so that everything is imported, starts the clock, fits, and prints
what it found as one line of JSON.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.datasets import restore
from benchmarks.methods import OURS, Method, exact_objective
from benchmarks.peers import FITS, Fitted, fit_polytome, warm_up

Row = dict[str, Any]

BRIEF = 0.1  # seconds; a fit shorter than this is made again in the same process
MOST_BRIEF = 5
_ROOT = Path(__file__).parents[1]
_BLAS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def run(folder: Path, method: Method, limit: float) -> Row:
    """Fit in a child process.

    Args:
        folder: where the problem is stored.
        method: what fits it.
        limit: seconds after which the fit is ended.

    Returns:
        The facts of the run with "status": "ok"; or else only the method and a status that says
        what went wrong.
    """
    job = json.dumps({"method": asdict(method), "limit": limit})
    program = [sys.executable, "-m", "benchmarks.measure", str(folder.absolute()), job]
    child = subprocess.run(
        program,
        env=_environment(method),
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    row: Row = {"label": method.label, "method": asdict(method), "limit": limit, "status": _status_of(child, limit)}
    if row["status"] == "ok":
        row |= json.loads(child.stdout.splitlines()[-1])
    tol = "" if method.tol is None else f" tol {method.tol:.0e}"
    print(f"  {method.label}{tol} {row['status']} {row.get('seconds', '')}", flush=True)
    return row


def _status_of(child: subprocess.CompletedProcess[str], limit: float) -> str:
    """How the process ended, in words for the table."""
    if child.returncode == 0:
        return "ok"
    if child.returncode == -signal.SIGALRM:
        return f"> {limit:.3g} s"
    if child.returncode < 0:
        return f"killed by signal {-child.returncode}"
    # The name of the exception alone: its words may hold a path of this machine.
    return "failed: " + (child.stderr.strip().splitlines() or ["?"])[-1].split(":")[0]


def merged(runs: list[Row]) -> Row:
    """Repeats of one method as one row, with medians; a repeat that failed makes the row a
    failure."""
    bad = [run for run in runs if run["status"] != "ok"]
    if bad:
        return bad[0]
    row = dict(runs[0])
    row["all_seconds"] = [run["seconds"] for run in runs]
    for name in ("seconds", "peak_bytes"):
        values = [run[name] for run in runs if run[name] is not None]
        row[name] = median(values) if values else None
    return row


def main() -> None:
    """The measured process."""
    job = json.loads(sys.argv[2])
    method, limit = Method(**job["method"]), job["limit"]
    problem = restore(Path(sys.argv[1]))
    warm_up(method, problem.n_classes == 2 and method.reduction is None)
    X = method.features(problem)
    fit = partial(fit_polytome, scale=problem.scale) if method.library == OURS else FITS[method.library]
    if method.n_jobs is not None:
        signal.signal(signal.SIGALRM, _end_with_workers)
    signal.setitimer(signal.ITIMER_REAL, limit)  # where nothing catches its signal, it ends the process
    before = _memory_now()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seconds, fitted = _timed(lambda: fit(X, problem.y, problem.C, method))
        signal.setitimer(signal.ITIMER_REAL, 0)
        peak = _memory_peak()
        times = [seconds]
        while seconds < BRIEF and len(times) < MOST_BRIEF:
            times.append(_timed(lambda: fit(X, problem.y, problem.C, method))[0])
    found = {
        "seconds": median(times),
        "peak_bytes": None if before is None or peak is None or method.n_jobs else max(0, peak - before),
        "objective": exact_objective(problem, fitted.coefficients, method.reduction),
        "iterations": fitted.iterations,
        "verdict": fitted.verdict,
        **(fitted.more or {}),
    }
    print(json.dumps(found))


def _timed(fit: Any) -> tuple[float, Fitted]:
    began = time.perf_counter()
    fitted = fit()
    return time.perf_counter() - began, fitted


def _end_with_workers(*_: Any) -> None:
    """Ends the worker processes as well, which otherwise go on and hold the pipes that the parent
    reads."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGALRM)


def _environment(method: Method) -> dict[str, str]:
    """The environment in which the library has the threads that the method wants."""
    if method.threads is None:
        return dict(os.environ)
    names = ("POLYTOME_NUM_THREADS",) if method.library == OURS else _BLAS
    return {**os.environ, **dict.fromkeys(names, str(method.threads))}


def _memory_now() -> int | None:
    """Memory in use, in bytes, after which the kernel's record of the peak starts again; None where
    it keeps none."""
    gc.collect()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _status("VmRSS")


def _memory_peak() -> int | None:
    return _status("VmHWM")


def _status(name: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(name)), None)


if __name__ == "__main__":
    main()
