"""`polytome train --workers`: the same model, bit by bit, or one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from commands import PRESSES_CTRL_C, done, run
from polytome import load

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
distributed = pytest.importorskip("distributed", reason="Dask is not installed")

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def written(folder: Path, n_rows: int = 200) -> Path:
    rng = np.random.default_rng(0)
    for place in range(3):
        x, hue = rng.normal(size=(n_rows, 3)), rng.choice(["red", "blue"], n_rows)
        y = np.array(["a", "b", "c"])[np.argmax(x + rng.gumbel(size=x.shape), axis=1)]
        table = {f"x{j}": x[:, j] for j in range(3)} | {"hue": hue, "y": y}
        parquet.write_table(pyarrow.table(table), folder / f"{place}.parquet")
    return folder


def test_a_local_cluster(tmp_path: Path) -> None:
    written(tmp_path)
    here, there = tmp_path / "here.safetensors", tmp_path / "there.safetensors"
    done("train", tmp_path, "--target", "y", "--out", here)
    told = json.loads(done("train", tmp_path, "--target", "y", "--workers", "2", "--json", "--out", there))
    one, other = load(here), load(there)
    assert_array_equal(other.coef_, one.coef_)
    assert other.certificate_.to_json() == one.certificate_.to_json()
    assert other.training_.data_sha256 == one.training_.data_sha256
    assert other.encoder_ == one.encoder_
    assert told["stop"]["name"] == "CERTIFIED"


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        ("many", "needs a number of processes, or the address of a scheduler such as tcp://host:8786"),
        ("0", "needs a number of processes"),
        ("tcp://127.0.0.1:9", "no scheduler has answered within 0.5 s"),
    ],
)
def test_workers_that_are_none(workers: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytome.rows.dask.CONNECT_SECONDS", 0.5)
    failed = run("train", written(tmp_path), "--target", "y", "--workers", workers)
    assert failed.exit_code == 1
    assert said in " ".join(failed.output.split())


def test_workers_read_no_data_set() -> None:
    failed = run("train", "iris", "--workers", "2")
    assert failed.exit_code == 1
    assert "iris is read whole, and workers read only files of Parquet, Arrow, CSV" in " ".join(failed.output.split())


def test_ctrl_c_stops_at_the_next_iterate_and_ends_the_workers(tmp_path: Path) -> None:
    written(tmp_path)
    out = tmp_path / "model.safetensors"
    options = ["--workers", "1", "--solver", "gradient-descent", "--tol", "1e-13", "--max-iter", "1000000"]
    words = ["train", str(tmp_path), "--target", "y", *options, "--out", str(out)]
    command = [sys.executable, "-c", PRESSES_CTRL_C, *words]
    log = tmp_path / "log.txt"
    with log.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, start_new_session=True)
    try:
        assert process.wait(timeout=600) == 130, log.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert "Streamed" in log.read_text()
    assert "Stopping at the next iterate" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert load(out).stop_.name == "INTERRUPTED"
