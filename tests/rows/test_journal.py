"""A fit that was killed goes on from its checkpoint with the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from commands import done, run
from polytome import LogisticRegression, OneVsRest, load, open_rows
from polytome.errors import ArgumentError, FileError
from polytome.files.streamed import fit_streamed
from polytome.passes import CentredSums
from polytome.rows import StreamedRows
from polytome.rows.journal import Journal

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def written(path: Path, n_rows: int = 3_000, n_columns: int = 40) -> Path:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_columns))
    y = np.argmax(X[:, :4] + rng.gumbel(size=(n_rows, 4)), axis=1)
    parquet.write_table(
        pyarrow.table({f"x{j}": X[:, j] for j in range(n_columns)} | {"y": y}), path, row_group_size=700
    )
    return path


class KilledError(Exception):
    """Stands for what ends a process."""


@pytest.fixture
def reductions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts passes over the rows in its first number, and ends the process at its second."""
    counts, reduced = [0, -1], StreamedRows._reduced

    def counted(self: StreamedRows, a_pass: Any) -> Any:
        if counts[0] == counts[1]:
            raise KilledError
        counts[0] += 1
        return reduced(self, a_pass)

    monkeypatch.setattr(StreamedRows, "_reduced", counted)
    return counts


@pytest.mark.parametrize("make", [LogisticRegression, OneVsRest])
@pytest.mark.parametrize("settings", [{}, {"scale": "standard", "tol": 1e-8}, {"solver": "newton"}])
def test_a_fit_goes_on_with_the_same_bits(make: Any, settings: Any, reductions: list[int], tmp_path: Path) -> None:
    path, checkpoint = written(tmp_path / "t.parquet", 900, 20), tmp_path / "fit.checkpoint"
    whole = fit_streamed(make(**settings), open_rows(path, target="y"))
    total = reductions[0]
    places = np.unique(np.linspace(0, total - 1, 4).astype(int)).tolist()
    for before, place in zip([0, *places], places, strict=False):
        reductions[:] = [before, place]
        with pytest.raises(KilledError):
            fit_streamed(make(**settings), open_rows(path, target="y"), checkpoint=checkpoint)
        assert reductions[0] == place
    reductions[:] = [places[-1], -1]
    again = fit_streamed(make(**settings), open_rows(path, target="y"), checkpoint=checkpoint)
    assert reductions[0] == total
    assert_array_equal(again.coef_, whole.coef_)
    assert_array_equal(again.intercept_, whole.intercept_)
    if make is LogisticRegression:
        assert again.history_ == whole.history_
        assert again.certificate_.to_json() == whole.certificate_.to_json()


def test_a_checkpoint_that_is_cut_or_damaged_anywhere(reductions: list[int], tmp_path: Path) -> None:
    path, checkpoint = written(tmp_path / "t.parquet", 500, 6), tmp_path / "fit.checkpoint"
    whole = fit_streamed(LogisticRegression(), open_rows(path, target="y"), checkpoint=checkpoint)
    content, rng = checkpoint.read_bytes(), np.random.default_rng(0)
    for place in [0, 5, 30, *rng.integers(0, len(content), 20).tolist()]:
        checkpoint.write_bytes(content[:place])
        again = fit_streamed(LogisticRegression(), open_rows(path, target="y"), checkpoint=checkpoint)
        assert_array_equal(again.coef_, whole.coef_)
        assert checkpoint.read_bytes() == content
    first = content.index(b"}") + 40
    for place in rng.integers(first, len(content), 20).tolist():
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        checkpoint.write_bytes(bytes(damaged))
        again = fit_streamed(LogisticRegression(), open_rows(path, target="y"), checkpoint=checkpoint)
        assert_array_equal(again.coef_, whole.coef_)
        assert checkpoint.read_bytes() == content


def test_a_checkpoint_of_something_else(tmp_path: Path) -> None:
    path, checkpoint = written(tmp_path / "t.parquet", 500, 6), tmp_path / "fit.checkpoint"
    rows = open_rows(path, target="y")
    fit_streamed(LogisticRegression(C=2.0), rows, checkpoint=checkpoint)
    content = checkpoint.read_bytes()
    for model, said in ((LogisticRegression(C=3.0), "other C"), (OneVsRest(C=2.0), "other model")):
        with pytest.raises(ArgumentError, match=f"is the checkpoint of another fit, with {said}"):
            fit_streamed(model, rows, checkpoint=checkpoint)
    with pytest.raises(ArgumentError, match="with other columns"):
        fit_streamed(LogisticRegression(C=2.0), open_rows(path, target="y", drop=["x0"]), checkpoint=checkpoint)
    os.utime(path, ns=(1, 1))
    with pytest.raises(ArgumentError, match="with other files"):
        fit_streamed(LogisticRegression(C=2.0), open_rows(path, target="y"), checkpoint=checkpoint)
    assert checkpoint.read_bytes() == content
    with pytest.raises(FileError, match="is not a checkpoint; give the name of a new file"):
        fit_streamed(LogisticRegression(), open_rows(path, target="y"), checkpoint=path)
    with pytest.raises(FileError, match="cannot be used as a checkpoint"):
        Journal(tmp_path / "none" / "c", {})


def test_a_full_disk_keeps_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c"
    with Journal(path, {"data": 1}) as journal:
        journal.recalled(CentredSums(np.zeros(2)), lambda: (np.ones(2),))
        monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(FileError, match=r"the checkpoint cannot be written \(No space left on device\)"):
            journal.recalled(CentredSums(np.ones(2)), lambda: (np.ones(2),))
    monkeypatch.undo()
    with Journal(path, {"data": 1}) as journal:
        journal.recalled(CentredSums(np.zeros(2)), lambda: pytest.fail("is known"))
        assert journal.n_recalled == 1


def test_results_are_recalled_as_they_lay_in_memory(tmp_path: Path) -> None:
    sums = (np.array(3.0), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(3), np.zeros((1, 2, 2)))
    for again in range(2):
        with Journal(tmp_path / "c", {}) as journal:
            found = journal.recalled(CentredSums(np.zeros(2)), lambda: sums)
            assert journal.n_recalled == again
        for one, other in zip(found, sums, strict=True):
            assert_array_equal(one, other)
            assert (one.dtype, one.flags.c_contiguous) == (other.dtype, other.flags.c_contiguous)


# A command that is killed when its checkpoint has some sums, by itself: a test that watched the
# file might see them when the command has ended.
IS_KILLED = """
import os, signal
from polytome.cli import main
from polytome.rows.journal import Journal

plain = Journal.recalled
def recalled(self, *asked):
    if self.path.stat().st_size > 8_000:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(self, *asked)
Journal.recalled = recalled
main()
"""


def test_a_killed_command_goes_on(tmp_path: Path) -> None:
    path, out, checkpoint = written(tmp_path / "t.parquet", 6_000), tmp_path / "m.safetensors", tmp_path / "c"
    words = [
        "train",
        path,
        path,
        "--target",
        "y",
        "--tol",
        "1e-9",
        "--max-iter",
        "25",
        "--solver",
        "lbfgs",
        "--C",
        "1000",
    ]
    done(*words, "--out", tmp_path / "whole.safetensors")
    command = [sys.executable, "-c", IS_KILLED, *map(str, words), "--out", str(out), "--checkpoint", str(checkpoint)]
    assert subprocess.run(command, capture_output=True, timeout=600).returncode == -signal.SIGKILL
    assert checkpoint.stat().st_size > 8_000
    assert not out.exists()
    done(*words, "--out", out, "--checkpoint", checkpoint)
    assert_array_equal(load(out).coef_, load(tmp_path / "whole.safetensors").coef_)
    assert not checkpoint.exists()


def test_checkpoints_that_mean_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "t.parquet", 500, 6)
    for words, said in (
        (("iris", "--checkpoint", tmp_path / "c"), "is for rows that are read piece by piece, and iris is not"),
        ((path, path, "--target", "y", "--solver", "sgd", "--checkpoint", tmp_path / "c"), "--solver sgd makes none"),
        ((path, path, "--target", "y", "--checkpoint", path), "which this command reads"),
    ):
        failed = run("train", *words)
        assert failed.exit_code == 1
        assert said in " ".join(failed.output.split())
    assert not (tmp_path / "c").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of processes")
def test_a_disk_that_is_full_in_the_middle_ends_with_one_sentence(tmp_path: Path) -> None:
    """A process that may not write large files stands for a disk that is full."""
    program = """
import resource, signal, sys
import numpy as np
from polytome.errors import FileError
from polytome.passes import CentredSums
from polytome.rows.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for name, limit in (("kept", 2000), ("new", 10)):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        with Journal(f"{sys.argv[1]}/{name}", {"data": "some"}) as journal:
            for place in range(9):
                journal.recalled(CentredSums(np.full(2, place)), lambda: (np.arange(50.0),))
    except FileError as error:
        print(error)
"""
    told = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert told.stderr == ""
    for name, line in zip(("kept", "new"), told.stdout.splitlines(), strict=True):
        assert line.startswith(f"{tmp_path / name}: the checkpoint cannot be written (File too large)")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    with Journal(tmp_path / "kept", {"data": "some"}) as journal:
        for place in range(9):
            journal.recalled(CentredSums(np.full(2, place)), lambda: (np.arange(50.0),))
        assert 0 < journal.n_recalled < 9
