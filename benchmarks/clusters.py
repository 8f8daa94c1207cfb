"""Rows on Dask workers: what a pass costs beside computing, what a second worker brings, and
workers killed in the middle.

    python -m benchmarks.clusters overhead speed-up kills peer [--kills 50] [--peer PYTHON]

Each prints what it measured. `--peer` names a Python that has dask-ml, which then fits the same
rows of two classes. Figures are of the machine as it is: where others compute on it too, only equal
bits mean something.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from polytome import LogisticRegression
from polytome.losses import Logistic, Softmax
from polytome.passes import ValueAndGradient
from polytome.rows import Stream, StreamedRows
from polytome.rows.dask import DaskWorkers, opened_workers

PEER = """
import json, sys, time
import numpy as np
import dask.array as da
from distributed import Client, LocalCluster
from dask_ml.linear_model import LogisticRegression
if __name__ == "__main__":
    X, y = np.load(sys.argv[1], mmap_mode="r"), np.load(sys.argv[2])
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster, Client(cluster):
        rows = da.from_array(X, chunks=(len(X) // 8, X.shape[1])).persist()
        began = time.perf_counter()
        model = LogisticRegression(solver="newton", C=1.0, tol=1e-6, max_iter=50)
        model.fit(rows, da.from_array(y, len(X) // 8))
        seconds = time.perf_counter() - began
        print(json.dumps([seconds, model.coef_.ravel().tolist(), np.ravel(model.intercept_).tolist()]))
"""


@dataclass(frozen=True)
class Drawn:
    """Rows that are drawn when they are read: as reading would, that takes time and no memory.

    Attributes:
        again: how many times they are drawn, to take longer.
    """

    seed: int
    n_rows: int
    n_features: int
    again: int = 1

    def read(self) -> Iterator[Any]:
        for start in range(0, self.n_rows, 2**15):
            size = min(2**15, self.n_rows - start)
            for _ in range(self.again):
                X = np.random.default_rng([self.seed, start]).normal(size=(size, self.n_features))
            yield X


def drawn(n_parts: int, n_rows: int, n_features: int, again: int = 1) -> Stream:
    parts = tuple(Drawn(seed, n_rows, n_features, again) for seed in range(n_parts))
    return Stream(parts, n_features, 2**15, False, n_parts * n_rows * n_features, np.dtype(float))


def seconds_of(rows: StreamedRows, times: int) -> list[float]:
    a_pass = ValueAndGradient(Softmax(3), np.ones((rows.n_features + 1, 3)))
    rows.reduce(a_pass)
    found = []
    for _ in range(times):
        began = time.perf_counter()
        rows.reduce(a_pass)
        found.append(time.perf_counter() - began)
    return found


def overhead(workers: DaskWorkers) -> None:
    """32 parts of 100 rows: computing takes a few milliseconds in all."""
    stream = drawn(32, 100, 10)
    y = np.arange(3200) % 3
    cpu = time.process_time()
    there = seconds_of(StreamedRows.of(replace(stream, workers=workers), y), 50)
    cpu = (time.process_time() - cpu) / 51
    here = seconds_of(StreamedRows.of(stream, y, n_threads=1), 50)
    print(
        f"overhead, 32 parts: a pass {1e3 * min(there):.1f} ms at best, {1e3 * median(there):.1f} ms in the median "
        f"({1e3 * cpu:.1f} ms of it processor time of client and scheduler); in one process {1e3 * min(here):.1f} ms"
    )


def speed_up() -> None:
    """A pass that takes some seconds, by one worker and by two."""
    stream, best = drawn(16, 2**16, 20, again=4), {}
    y = np.arange(stream.shape[0]) % 3
    for n_workers in ("1", "2"):
        with opened_workers(n_workers) as workers:
            best[n_workers] = min(seconds_of(StreamedRows.of(replace(stream, workers=workers), y), 4))
    print(f"speed-up: {best['1']:.2f} s by one worker, {best['2']:.2f} s by two, {best['1'] / best['2']:.2f} times")


def kills(workers: DaskWorkers, times: int) -> None:
    """Fits during which a worker is killed, beside undisturbed ones."""
    stream = drawn(8, 2**14, 10, again=4)
    rng = np.random.default_rng(0)
    X = np.vstack([piece for part in stream.parts for piece in part.read()])
    y = np.argmax(X[:, :3] + rng.gumbel(size=(len(X), 3)), axis=1)

    def fitted(stream: Stream, kill_after: float | None = None) -> tuple[bytes, float]:
        began = time.perf_counter()
        timer = None
        if kill_after is not None:
            pids = list(workers.client.run(os.getpid, on_error="ignore").values())
            timer = threading.Timer(kill_after, os.kill, [pids[int(rng.integers(len(pids)))], signal.SIGKILL])
            timer.start()
        rows = StreamedRows.of(stream, y)
        passes = [ValueAndGradient(Softmax(3), np.random.default_rng(k).normal(size=(11, 3))) for k in range(6)]
        sums = b"".join(term.tobytes() for a_pass in passes for term in rows.reduce(a_pass))
        if timer is not None:
            timer.join()
        return sums, time.perf_counter() - began

    spread = replace(stream, workers=workers)
    wanted, _ = fitted(stream)
    undisturbed = [fitted(spread)[1] for _ in range(3)]
    equal, took = 0, []
    for _ in range(times):
        workers.client.wait_for_workers(2, timeout=900)  # on a busy machine a process takes minutes to be there
        sums, seconds = fitted(spread, float(rng.uniform(0.1, 0.8)) * min(undisturbed))
        equal += sums == wanted
        took.append(seconds)
        print(f"  {len(took)} kills, {equal} equal, {max(took) / max(undisturbed):.1f} times", end="\r", flush=True)
    print(
        f"kills: {equal} of {times} equal to the bits of one process; {median(took):.1f} s in the median, "
        f"{max(took):.1f} s at most, undisturbed {min(undisturbed):.1f} to {max(undisturbed):.1f} s"
    )


def peer(python: str, n_rows: int) -> None:
    """dask-ml's Newton, on two classes, beside a certified fit of the same array."""
    import dask.array

    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 20))
    y = (X[:, :5].sum(axis=1) + rng.logistic(size=n_rows) > 0).astype(int)
    with tempfile.TemporaryDirectory() as folder:
        names = [str(Path(folder, name)) for name in ("X.npy", "y.npy", "peer.py")]
        np.save(names[0], X)
        np.save(names[1], y)
        Path(names[2]).write_text(PEER)
        done = subprocess.run([python, names[2], names[0], names[1]], capture_output=True, text=True, timeout=900)
        if done.returncode:
            print(f"dask-ml failed: {done.stderr.strip().splitlines()[-1]}")
        with opened_workers("2") as workers, workers.client.as_current():
            spread = dask.array.from_array(X, chunks=(n_rows // 8, 20)).persist()
            began = time.perf_counter()
            model = LogisticRegression(tol=1e-6).fit(spread, y)
            ours = time.perf_counter() - began
    print(f"polytome: {ours:.1f} s, {model.certificate_}")
    if not done.returncode:
        seconds, coef, intercept = json.loads(done.stdout.splitlines()[-1])

        def value(W: Any, b: float) -> float:
            return float(Logistic().value_and_gradient((X @ W + b)[:, None], y)[0].mean() + W @ W / (2 * n_rows))

        distance = value(np.array(coef), intercept[0]) - model.certificate_.objective + model.certificate_.gap
        print(f"dask-ml: {seconds:.1f} s, at most {distance:.2e} above the minimum of the same objective")


def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="+", choices=["overhead", "speed-up", "kills", "peer"])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peer", metavar="PYTHON")
    asked = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    if "speed-up" in asked.parts:
        speed_up()
    if {"overhead", "kills"} & {*asked.parts}:
        with opened_workers("2") as workers:
            if "overhead" in asked.parts:
                overhead(workers)
            if "kills" in asked.parts:
                kills(workers, asked.kills)
    if "peer" in asked.parts:
        peer(asked.peer, asked.rows)


if __name__ == "__main__":
    main()
