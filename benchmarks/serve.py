"""A model behind HTTP under load: single rows, alone and beside large requests."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.load import Load, put_under_load, request_bytes

CONNECTIONS = (1, 32, 128)
SECONDS = 10.0
_LARGE_ROWS = 50_000


def measure_serve(data: Path | None, work: Path, limit: float) -> dict[str, Any]:
    """Requests a second and latencies for several numbers of connections."""
    import polytome

    path = work / "served-iris.safetensors"
    train = ["-m", "polytome", "train", "iris", "--out", str(path)]
    subprocess.run([sys.executable, *train], check=True, capture_output=True)
    row = [5.9, 3.0, 5.1, 1.8]
    wanted = polytome.load(path).predict_proba([row]).tolist()
    with serving(path) as address:
        body = json.dumps({"rows": [row]}).encode()
        _check(address, body, wanted)
        request = request_bytes(address, "/predict", body)
        put_under_load(address, request, 8, 1.0)
        runs = [
            {
                "connections": connections,
                "beside": "nothing",
                **put_under_load(address, request, connections, SECONDS).summary(),
            }
            for connections in CONNECTIONS
        ]
        large = request_bytes(address, "/predict", json.dumps({"rows": [row] * _LARGE_ROWS}).encode())
        beside: list[Load] = []
        thread = threading.Thread(target=lambda: beside.append(put_under_load(address, large, 2, SECONDS)))
        thread.start()
        small = put_under_load(address, request, 32, SECONDS)
        thread.join()
        what = f"{len(beside[0].latencies)} requests of {_LARGE_ROWS:,} rows"
        runs.append({"connections": 32, "beside": what, **small.summary()})
    return {"rows": runs}


@contextmanager
def serving(path: Path, *options: str) -> Iterator[str]:
    """The address of a server of a model, in a process of its own."""
    command = [sys.executable, "-m", "polytome", "serve", str(path), "--port", "0", *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = server.stdout.readline() if server.stdout else ""
        found = re.search(r"http://\S+", line)
        if found is None:
            raise RuntimeError(f"the server did not start: {line!r}")
        yield found[0]
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)


def _check(address: str, body: bytes, wanted: list[list[float]]) -> None:
    """See that the answers that are timed are right."""
    from urllib.request import Request, urlopen

    request = Request(f"{address}/predict", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        found = json.load(answer)["probabilities"]
    if found != wanted:
        raise RuntimeError(f"the server answers {found}, and the model says {wanted}")
