"""Rows beyond memory: peak of resident memory, measured from outside, and seconds per pass beside
reading alone.

    python -m benchmarks.streams --work DIR --gigabytes 2 --memory 1GB --only parquet libsvm csv.gz

Makes a Parquet file of 30 columns, two of them categories, with three classes, a wide sparse libsvm
file and a compressed CSV file; fits each by `polytome train` with a limit of memory; and removes
what it made. The page cache is warm, so that decoding is what is compared.

    python -m benchmarks.streams --work DIR --gigabytes 6 --memory 1.4GB --only parquet --alone

fits alone, to a file that is made if it is not in the folder and that stays there, and prints one
line of JSON for each: what the fit said, and its memory as it was seen from outside.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from polytome import open_rows
from polytome.losses import Logistic, Softmax
from polytome.passes import ValueAndGradient
from polytome.rows import rows_of

_COLUMNS = 28
_TOWNS, _HUES = 100, 8
_ROWS_OF_GROUP = 200_000
_WIDE = 100_000
_ENTRIES = 40
_SECONDS_BETWEEN_LOOKS = 0.2


def make_parquet(path: Path, n_bytes: float) -> None:
    """Write a table of 28 columns of numbers, two of texts, and three classes."""
    import pyarrow
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    W, towns = rng.normal(size=(_COLUMNS, 3)), np.array([f"town {k}" for k in range(_TOWNS)])
    hues = np.array([f"hue {k}" for k in range(_HUES)])
    effects = rng.normal(size=(_TOWNS, 3))
    writer = None
    while not path.exists() or path.stat().st_size < n_bytes:
        X = rng.normal(size=(_ROWS_OF_GROUP, _COLUMNS)).round(4)
        town, hue = rng.integers(0, _TOWNS, len(X)), rng.integers(0, _HUES, len(X))
        y = np.argmax(X @ W / 4 + effects[town] + rng.gumbel(size=(len(X), 3)), axis=1)
        columns: dict[str, Any] = {f"x{j}": X[:, j] for j in range(_COLUMNS)}
        table = pyarrow.table({**columns, "town": towns[town], "hue": hues[hue], "y": np.array(["a", "b", "c"])[y]})
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def make_libsvm(path: Path, n_bytes: float) -> None:
    """Write sparse rows of 100,000 columns, some 40 entries each."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=_WIDE) * (rng.random(_WIDE) < 0.05)
    with path.open("w") as stream:
        while stream.tell() < n_bytes:
            for _ in range(2_000):
                places = np.unique((_WIDE * rng.random(_ENTRIES) ** 3).astype(int))
                values = rng.random(len(places)).round(4)
                label = int(w[places] @ values + rng.logistic() > 0)
                stream.write(f"{label} " + " ".join(map("{}:{}".format, (places + 1).tolist(), values.tolist())) + "\n")


def make_csv(path: Path, n_bytes: float) -> None:
    """Write a compressed text table of 20 columns of numbers, one of texts, and three classes."""
    rng = np.random.default_rng(0)
    W = rng.normal(size=(20, 3))
    with gzip.open(path, "wt", compresslevel=1) as stream:
        stream.write(",".join([*(f"x{j}" for j in range(20)), "hue", "y"]) + "\n")
        while not path.exists() or path.stat().st_size < n_bytes:
            X, hue = rng.normal(size=(20_000, 20)).round(3), rng.integers(0, _HUES, 20_000)
            y = np.argmax(X @ W / 4 + rng.gumbel(size=(len(X), 3)), axis=1)
            for row in range(len(X)):
                stream.write(",".join(map(str, X[row].tolist())) + f",hue {hue[row]},{'abc'[y[row]]}\n")


def reading_alone(path: Path, kind: str) -> float:
    """Seconds to decode all rows as the library that decodes them does, a piece at a time."""
    began = time.perf_counter()
    if kind == "parquet":
        from pyarrow import parquet

        with parquet.ParquetFile(path, read_dictionary=["town", "hue", "y"]) as file:
            for _ in file.iter_batches(2**15):
                pass
    elif kind == "csv.gz":
        from pyarrow import csv

        with csv.open_csv(path) as reader:
            for _ in reader:
                pass
    else:
        with path.open("rb") as stream:
            while stream.read(2**22):
                pass
    return time.perf_counter() - began


def a_pass(path: Path, kind: str) -> float:
    """Seconds of one pass over the rows: decoded, encoded, and the gradient of all classes."""
    rows = open_rows(path, target=None if kind == "libsvm" else "y")
    n_outputs = 1 if len(rows.classes) == 2 else len(rows.classes)
    loss = Logistic() if n_outputs == 1 else Softmax(n_outputs)
    gradient = ValueAndGradient(loss, np.zeros((rows.X.n_features + 1, n_outputs)))
    found = []
    for _ in range(2):
        began = time.perf_counter()
        rows_of(rows.X, rows.codes).reduce(gradient)
        found.append(time.perf_counter() - began)
    return min(found)


def fitted(path: Path, kind: str, memory: str, options: list[str]) -> dict[str, Any]:
    """What `polytome train` says of a fit, with what was seen of its process from outside: seconds,
    processor seconds, and bytes of resident memory: at the peak, and at the end of each twentieth
    of the time."""
    command = [sys.executable, "-m", "polytome", "train", str(path), "--memory", memory, "--json", *options]
    command += [] if kind == "libsvm" else ["--target", "y"]
    began, held, largest = time.perf_counter(), [], 0
    with tempfile.TemporaryFile() as said, subprocess.Popen(command, stdout=said) as process:
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            resident, most = _resident(process.pid)
            held, largest = [*held, resident], max(largest, most)
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        said.seek(0)
        found = said.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with {process.returncode}")
    usage = ended[2]
    return json.loads(found) | {
        "file_bytes": path.stat().st_size,
        "wall_seconds": time.perf_counter() - began,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": max(1024 * usage.ru_maxrss, largest),
        "resident_bytes": [max(some.tolist()) for some in np.array_split(np.array(held), 20) if len(some)],
    }


def _resident(pid: int) -> tuple[int, int]:
    """Bytes of a process that are in memory, and the most that ever were; 0 where the system does
    not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return 1024 * int(found.get("VmRSS", 0)), 1024 * int(found.get("VmHWM", 0))


_MAKERS = {"parquet": make_parquet, "libsvm": make_libsvm, "csv.gz": make_csv}


def main() -> None:
    """Make the files, fit them, print what was measured, and remove them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--only", nargs="+", choices=list(_MAKERS), default=list(_MAKERS))
    parser.add_argument("--alone", action="store_true", help="the fit alone, to a file that stays")
    parser.add_argument("--options", nargs="*", default=[], help="more options for polytome train")
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    for kind in chosen.only:
        path = chosen.work / f"rows.{'svm' if kind == 'libsvm' else kind}"
        if chosen.alone:
            if not path.exists():
                _MAKERS[kind](path, chosen.gigabytes * 1e9)
            print(json.dumps(fitted(path, kind, chosen.memory, chosen.options)), flush=True)
            continue
        try:
            _MAKERS[kind](path, chosen.gigabytes * 1e9)
            alone = min(reading_alone(path, kind) for _ in range(2))
            one = a_pass(path, kind)
            said = fitted(path, kind, chosen.memory, chosen.options)
            passes, peak = said["model"]["passes"], said["peak_bytes"] / 1e6
            print(
                f"{kind}: {path.stat().st_size / 1e9:.2f} GB, {said['data']['n_rows']:,} rows, "
                f"{said['data']['n_features']:,} features; reading alone {alone:.2f} s, a pass {one:.2f} s; fit "
                f"{said['seconds']:.1f} s, {passes:.0f} passes; {said['wall_seconds']:.1f} s in all; "
                f"peak {peak:,.0f} MB of {chosen.memory}; {said['certificate']['kind']}, {said['stop']['name']}",
                flush=True,
            )
        finally:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
