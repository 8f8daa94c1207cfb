"""`polytome plan`: what is shown, as JSON too, and what is refused."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from commands import done, run


def written(path: Path) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rng = np.random.default_rng(0)
    x, hue = rng.normal(size=600), rng.choice(["red", "blue"], 600)
    parquet.write_table(pyarrow.table({"x": x, "hue": hue, "y": x > 0}), path, row_group_size=100)
    return path


@pytest.fixture(autouse=True)
def few_made_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told of a fit on paper does not depend on how many rows are made up to be timed."""
    monkeypatch.setattr("polytome.models.cost._MADE_ENTRIES", 2**17)


def test_a_data_set() -> None:
    said = " ".join(done("plan", "iris").split())
    assert re.search(r"Data iris: 150 rows, 4 columns, 3 classes; 4.8 kB in memory", said)
    assert re.search(r"Passes \d+ \(from a fit to all rows\)", said)
    assert "Newton" in said
    for name in ("Opening", "A pass", "Memory", "In all", "Bottleneck"):
        assert f" {name} " in said
    assert "Shared" not in said


def test_lines_have_80_columns(tmp_path: Path) -> None:
    for arguments in (("iris", "--workers", "3"), (written(tmp_path / "t.parquet"), "--target", "y")):
        assert max(map(len, done("plan", *arguments).splitlines())) <= 80


def test_files_that_are_read_in_each_pass_and_workers(tmp_path: Path) -> None:
    for place in range(2):
        written(tmp_path / f"{place}.parquet")
    said = " ".join(done("plan", tmp_path, "--target", "y", "--workers", 4, "--bandwidth", "10MB/s").split())
    assert "1,200 rows, 3 columns, 2 classes" in said
    assert "read in each pass" in said
    assert "reading all rows once takes" in said
    assert "for value and gradient alone" in said
    assert "4 workers" in said
    assert "at 10 MB/s" in said


def test_on_paper() -> None:
    said = " ".join(done("plan", "--rows", "4.3e9", "--columns", "1e4", "--entries", 39, "--memory", "8GB").split())
    assert "4,300,000,000 rows, 10,000 columns (39 entries a row), 2 classes" in said
    assert "estimated from fits to known data sets; between" in said
    assert "Bottleneck memory" in said


def test_json(tmp_path: Path) -> None:
    found = json.loads(done("plan", "iris", "--workers", 2, "--json"))
    assert found["n_rows"] == 150
    assert found["passes"][0] == found["passes"][1] == found["passes"][2]
    assert found["solver"]["name"].startswith("Newton")
    assert found["shared"]["workers"] == {"count": 2, "bandwidth": 1e9}
    assert found["opening_seconds"] > 0
    paper = json.loads(done("plan", "--rows", 1000, "--columns", 5, "--json"))
    assert paper["source"] is None
    assert paper["opening_seconds"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give a SOURCE, or --rows and --columns"),
        (("--rows", "100"), "give a SOURCE, or --rows and --columns"),
        (("iris", "--rows", "100"), "rows=100"),
        (("iris", "--disk", "1GB/s"), "disk=1GB/s"),
        (("iris", "--workers", "2", "--bandwidth", "fast"), "bandwidth='fast'"),
        (("--rows", "100", "--columns", "5", "--disk", "slow"), "disk='slow'"),
        (("--rows", "100.5", "--columns", "5"), "rows=100.5"),
        *(
            (("--rows", "9", "--columns", "2", *said), f"{said[0]}: is of a SOURCE, and rows on paper")
            for said in (
                ("--target", "y"),
                ("--cross", "a*b"),
                ("--date", "a=year"),
                ("--id", "a"),
                ("--min-level-count", "9"),
                ("--encoding", "cp1252"),
            )
        ),
        (("iris", "--C", "0"), "C=0"),
        (("no-such-file.csv",), "no such file"),
        (("iris", "--device", "cpu", "--workers", "2"), "--workers: a plan for a device is of one machine"),
        (("--rows", "9", "--columns", "2", "--device", "cpu"), "--device: rows are moved there to be timed"),
        (("iris", "--device", "tpu"), "needs one of cpu, cuda, mps"),
    ],
)
def test_one_line_says_what_is_wrong(arguments: tuple[str, ...], words: str) -> None:
    result = run("plan", *arguments)
    assert result.exit_code == 1
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("options", [(), ("--l1-ratio", "1"), ("--penalty-weights", "x=0,z=9", "--C", "0.01")])
def test_options_of_a_fit_change_its_plan(options: tuple[str, ...], tmp_path: Path) -> None:
    for place in range(2):
        rng = np.random.default_rng(place)
        x = rng.normal(size=(300, 2))
        y = x[:, 0] + rng.logistic(size=300) > 0
        np.savetxt(tmp_path / f"{place}.csv", np.column_stack([x, y]), delimiter=",", header="x,z,y", comments="")
    for source in (tmp_path, tmp_path / "0.csv"):
        planned = json.loads(done("plan", source, "--target", "y", "--json", *options))
        made = json.loads(done("train", source, "--target", "y", "--json", *options))
        assert planned["passes"] == [made["model"]["passes"]] * 3
        assert made["model"]["solver"].startswith(planned["solver"]["name"])
    assert "penalty_weights names 'w'" in run("plan", tmp_path, "--target", "y", "--penalty-weights", "w=0").stderr


def test_text_without_names_is_read_piece_by_piece(tmp_path: Path) -> None:
    for place in range(2):
        (tmp_path / f"{place}.svm").write_text("1 1:0.5 3:2\n0 2:1\n" * 50)
        (tmp_path / f"{place}.csv").write_text("1,2,0\n2,1,1\n" * 50)
    assert json.loads(done("plan", tmp_path / "*.svm", "--json"))["n_features"] == 3
    for header, n_rows in (("no", 200), ("yes", 198)):
        words = ("--target", "2" if header == "no" else "0", "--header", header, "--json")
        assert json.loads(done("plan", tmp_path / "*.csv", *words))["n_rows"] == n_rows
    refused = run("plan", tmp_path / "*.csv", "--target", "2", "--read-limit", "5")
    assert "--read-limit" in refused.stderr
    assert "is read piece by piece (several files)" in " ".join(refused.stderr.split())


def test_memory_is_for_what_is_read_piece_by_piece() -> None:
    refused = run("plan", "iris", "--memory", "2GB")
    assert refused.exit_code == 1
    assert "is read whole" in refused.stderr


def test_a_stream_needs_a_target(tmp_path: Path) -> None:
    for place in range(2):
        written(tmp_path / f"{place}.parquet")
    result = run("plan", tmp_path)
    assert result.exit_code == 1
    assert "--target" in result.stderr


def test_a_device(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    said = " ".join(done("plan", "iris", "--device", "cpu").split())
    assert "Device cpu: the rows take 4.8 kB as float64, and moving them" in said
    assert json.loads(done("plan", "iris", "--device", "cpu", "--json"))["device"]["n_bytes"] == 4_800
    several = tmp_path / "rows"
    several.mkdir()
    for name in ("a", "b"):
        written(several / f"{name}.parquet")
    assert "--device: " in run("plan", several, "--target", "y", "--device", "cpu").stderr


def test_a_device_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    refused = run("plan", "iris", "--device", "cpu")
    assert refused.exit_code == 1
    assert 'pip install "polytome[torch]"' in refused.stderr
