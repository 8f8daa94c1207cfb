"""One run in a process of its own: seconds of the fit, its peak memory beyond the data, the objective it reached.

As a program (`python -m benchmarks.measure FOLDER JOB`) this is the measured process: it loads the stored problem, fits
a few rows so that everything is imported, starts the clock, fits, and prints what it found as one line of JSON.
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
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.datasets import restore
from benchmarks.methods import Method, exact_objective

Row = dict[str, Any]


def run(folder: Path, method: Method, limit: float, soft: bool = False) -> Row:
    """Fit in a child process.

    Args:
        folder: where the problem is stored.
        method: what fits it.
        limit: seconds after which the fit is ended.
        soft: at the limit keep what was reached (Polytome alone can) instead of ending the process.

    Returns:
        The facts of the run with "status": "ok"; or else only the method and a status that says what went wrong.
    """
    job = json.dumps({"method": asdict(method), "limit": limit, "soft": soft})
    program = [sys.executable, "-m", "benchmarks.measure", str(folder), job]
    child = subprocess.run(
        program, env=_environment(method), capture_output=True, text=True, check=False, start_new_session=True
    )
    row: Row = {"label": method.label, "method": asdict(method), "status": _status_of(child, limit)}
    if row["status"] == "ok":
        row |= json.loads(child.stdout.splitlines()[-1])
    print(f"  {method} {row['status']} {row.get('seconds', '')}", flush=True)
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


def fastest(folder: Path, variants: list[Method], limit: float) -> tuple[Method, Row]:
    """The fastest variant of a method and its run; a variant need not go on for longer than the one before it took."""
    best, first = variants[0], run(folder, variants[0], limit)
    for variant in variants[1:]:
        row = run(folder, variant, first["seconds"] if first["status"] == "ok" else limit)
        if row["status"] == "ok":
            best, first = variant, row
    return best, first


def merged(runs: list[Row]) -> Row:
    """Repeats of one method as one row, with medians; a repeat that failed makes the row a failure."""
    bad = [run for run in runs if run["status"] != "ok"]
    if bad:
        return bad[0]
    row = dict(runs[0])
    row["all_seconds"] = [run["seconds"] for run in runs]
    for name in ("seconds", "peak_bytes"):
        values = [run[name] for run in runs if run[name] is not None]
        row[name] = median(values) if values else None
    return row


def interleaved(folder: Path, methods: list[list[Method]], limit: float, repeats: int, patience: float) -> list[Row]:
    """The fastest variant of each method `repeats` times in turns, so that a slow minute of the machine falls on all
    of them alike.

    What took longer than `patience` seconds, or did not end well, is not run again.
    """
    chosen = [fastest(folder, variants, limit) for variants in methods]
    runs = [[row] for _, row in chosen]
    for _ in range(repeats - 1):
        for (method, first), mine in zip(chosen, runs, strict=True):
            if first["status"] == "ok" and first["seconds"] <= patience:
                mine.append(run(folder, method, limit))
    return [merged(mine) for mine in runs]


def main() -> None:
    """The measured process."""
    job = json.loads(sys.argv[2])
    method, limit = Method(**job["method"]), job["limit"]
    method.warm_up()
    problem = restore(Path(sys.argv[1]))
    X, more = method.features(problem), {}
    if job["soft"]:
        more["callback"] = lambda progress: progress.seconds > limit
    else:
        if method.n_jobs is not None:
            signal.signal(signal.SIGALRM, _end_with_workers)
        signal.setitimer(signal.ITIMER_REAL, limit)  # where nothing catches its signal, it ends the process
    model = method.model(problem.C, problem.scale, **more)
    before = _memory_now()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        began = time.perf_counter()
        model.fit(X, problem.y)
        seconds = time.perf_counter() - began
    peak = _memory_peak()
    signal.setitimer(signal.ITIMER_REAL, 0)
    complained = any(warning.category.__name__ == "ConvergenceWarning" for warning in caught)
    found = {
        "seconds": seconds,
        "peak_bytes": None if before is None or peak is None or method.n_jobs else max(0, peak - before),
        "objective": exact_objective(problem, method.coefficients(model, problem.scale), method.reduction),
        "warnings": sorted({warning.category.__name__ for warning in caught}),
        **method.facts(model, complained),
    }
    print(json.dumps(found))


def _end_with_workers(*_: Any) -> None:
    """Ends the worker processes as well, which otherwise go on and hold the pipes that the parent reads."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGALRM)


def _environment(method: Method) -> dict[str, str]:
    """The environment in which the BLAS of NumPy's usual builds has the threads that the method wants."""
    if method.blas_threads is None:
        return dict(os.environ)
    return {**os.environ, **dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(method.blas_threads))}


def _memory_now() -> int | None:
    """Memory in use, in bytes, after which the kernel's record of the peak starts anew; None where it keeps none."""
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
