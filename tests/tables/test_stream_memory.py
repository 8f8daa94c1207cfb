"""Rows that are read piece by piece: memory grows with them by a few bytes each, and with passes
not at all."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polytome import LogisticRegression, open_rows
from polytome.evaluation import measures
from polytome.files.streamed import fit_streamed, hold_out_streamed
from polytome.files.streamed_predictions import evaluate_test_rows
from polytome.losses import Softmax
from polytome.numerics import row_numbers, totals
from polytome.objective import Objective
from polytome.passes import ValueAndGradient
from polytome.penalties import L2
from polytome.rows import Stream, StreamedRows, rows_of
from polytome.solvers import LBFGS, memory
from polytome.solvers.memory import forecast, planned_solver
from polytome.tables.streams import arrays, lines, opening, text
from polytome.tables.streams.table import StreamedTable

pyarrow = pytest.importorskip("pyarrow")
_FEW, _MANY = 10_000, 30_000
_PIECE = 1_024
KINDS = ("parquet", "arrow", "csv", "csv.gz", "npy", "whole.npy", "svm", "svm.gz")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of a thousand rows, so that few rows are many pieces."""
    monkeypatch.setattr(opening, "_MOST_PIECE_ROWS", _PIECE)
    monkeypatch.setattr(arrays, "_MOST_LINES", _PIECE)
    monkeypatch.setattr(lines, "PIECE_BYTES", 2**14)
    monkeypatch.setattr(text, "LONGEST_ROW", 2**13)  # twice as much is looked at first
    monkeypatch.setattr(totals, "_ROWS_AT_ONCE", _PIECE)


def write(path: Path, n_rows: int) -> Path:
    """Rows of two columns, three classes, and weights where columns have names."""
    from pyarrow import csv, feather, parquet

    rng = np.random.default_rng(0)
    X = rng.integers(-50, 50, (n_rows, 2))
    y = np.argmax(X @ rng.normal(size=(2, 3)) / 50 + rng.gumbel(size=(n_rows, 3)), axis=1)
    table = pyarrow.table({"a": X[:, 0], "b": X[:, 1], "w": rng.integers(1, 9, n_rows), "y": np.array(list("xyz"))[y]})
    if ".parquet" in path.name:
        parquet.write_table(table, path, row_group_size=4 * _PIECE)
    elif ".arrow" in path.name:
        feather.write_feather(table, path, chunksize=_PIECE)
    elif ".npy" in path.name:
        np.save(path, np.column_stack([X, y]) if "whole" in path.name else np.column_stack([X / 2, y]))
    else:
        written = "".join(f"{c} 1:{a} 2:{b}\n" for c, (a, b) in zip(y.tolist(), X.tolist(), strict=True))
        opened: Any = pyarrow.output_stream(str(path))  # which compresses by the ending
        with opened as stream:
            stream.write(written.encode()) if ".svm" in path.name else csv.write_csv(table, stream)
    return path


def opened(path: Path, weight: str | None = None) -> StreamedTable:
    """The rows of a file that `write` made."""
    named = not (".npy" in path.name or ".svm" in path.name)
    return open_rows(path, target="y" if named else None if ".svm" in path.name else "last", weight=weight)


def peak(do: Callable[[], Any]) -> tuple[Any, int]:
    """What is made, and the most memory that it took at a time."""
    gc.collect()
    tracemalloc.start()
    try:
        return do(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv", "npy", "whole.npy", "svm"])
def test_opening_keeps_a_byte_for_each_row(kind: str, tmp_path: Path) -> None:
    peaks = []
    for n_rows in (_FEW, _MANY):
        path = write(tmp_path / f"{n_rows}.{kind}", n_rows)
        table, taken = peak(lambda path=path: opened(path))  # type: ignore[misc]
        assert table.codes.dtype == np.int8
        assert len(table.codes) == n_rows
        peaks.append(taken)
    assert (peaks[1] - peaks[0]) / (_MANY - _FEW) < 4


@pytest.mark.parametrize(
    ("settings", "weight", "held_out", "allowed"),
    [
        ({"solver": "newton"}, None, 0.2, 16),
        ({"solver": "lbfgs", "class_weight": "balanced"}, "w", None, 24),  # of which weights are 16
    ],
)
def test_a_fit_takes_no_more_for_each_row_than_is_forecast(
    settings: dict[str, Any],
    weight: str | None,
    held_out: float | None,
    allowed: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measures, "_MOST_ROWS", _PIECE)
    monkeypatch.setattr(row_numbers, "_ROWS_AT_ONCE", _PIECE)
    peaks: list[list[int]] = []
    for n_rows in (2 * _FEW, 2 * _MANY):  # more than samples have
        table, took = opened(write(tmp_path / f"{n_rows}.parquet", n_rows), weight), []
        if held_out is not None:
            table, taken = peak(lambda table=table: hold_out_streamed(table, held_out))  # type: ignore[misc]
            took.append(taken)
        model = LogisticRegression(tol=1e-2, **settings)  # a few passes hold as much as many
        _, taken = peak(lambda table=table, model=model: fit_streamed(model, table))  # type: ignore[misc]
        assert model.certificate_.holds
        judged, evaluated = peak(lambda table=table, model=model: evaluate_test_rows(model, table))  # type: ignore[misc]
        assert judged.accuracy > 0.4
        peaks.append([*took, taken, evaluated])
    growth = np.subtract(*reversed(peaks)) / (2 * _MANY - 2 * _FEW)
    assert (growth < allowed).all()


@pytest.mark.parametrize("kind", KINDS)
def test_passes_leave_nothing_behind(kind: str, tmp_path: Path) -> None:
    table = opened(write(tmp_path / f"rows.{kind}", _FEW))
    rows = rows_of(table.X, table.codes)
    a_pass = ValueAndGradient(Softmax(3), np.zeros((table.X.n_features + 1, 3)))
    pool, kept = pyarrow.default_memory_pool(), []
    gc.collect()
    gc.disable()  # what a cycle of references keeps counts as left behind
    tracemalloc.start()
    try:
        for _ in range(4):
            rows.reduce(a_pass)
            kept.append((pool.bytes_allocated(), tracemalloc.get_traced_memory()[0]))
    finally:
        tracemalloc.stop()
        gc.enable()
    assert kept[1][0] == kept[3][0]
    # A piece for each pass: what a thread of another test takes meanwhile does not grow with each.
    assert min(after[1] - before[1] for before, after in pairwise(kept[1:])) < _PIECE * 16


class Unread:
    """Very many rows that nobody reads."""

    n_rows = 66_600_000

    def read(self) -> Any:
        raise AssertionError("was read")


def test_very_many_rows_have_a_solver_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 6 GB of Parquet with three classes; what else the process holds is not counted here."""
    monkeypatch.setattr(memory, "memory_left", lambda limit: limit - 400_000_000)
    codes, entries = np.broadcast_to(np.int8(0), Unread.n_rows), 30 * Unread.n_rows
    stream = Stream((Unread(),), 136, 2**15, True, entries, np.dtype(float))
    objective = Objective(Softmax(3), L2(1e-8), StreamedRows.of(stream, codes, n_threads=2))
    choice = planned_solver("auto", objective, None, 1_400_000_000)
    assert isinstance(choice.solver, LBFGS)
    assert forecast(objective, choice.solver) < 600_000_000


_RETURNED = """
import ctypes
import numpy as np
from polytome.rows.freed_memory import return_freed_memory

class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd a b c d e".split()]

library = ctypes.CDLL(None)
library.mallinfo2.restype = Mallinfo
taken = return_freed_memory()
np.empty(2**24, dtype=np.int8)  # and freed
before = library.mallinfo2().hblkhd
kept = np.empty(2**23, dtype=np.int8)
print(taken, library.mallinfo2().hblkhd - before >= 2**23)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs a C library that tells of its memory")
@pytest.mark.parametrize(("chosen", "answer"), [({}, "True True"), ({"MALLOC_MMAP_THRESHOLD_": "1000"}, "False True")])
def test_large_arrays_go_back_to_the_system_after_larger_ones_did(chosen: dict[str, str], answer: str) -> None:
    """glibc would take the second array from the heap, since the first was larger."""
    environment = {name: value for name, value in os.environ.items() if name not in ("GLIBC_TUNABLES", *chosen)}
    command = [sys.executable, "-c", _RETURNED]
    found = subprocess.run(command, env=environment | chosen, capture_output=True, text=True, check=True)
    assert found.stdout.split() == answer.split()
