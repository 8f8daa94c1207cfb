"""What a command writes and takes: no output over an input, no wrong ending, no unchecked option,
JSON everywhere."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.main import get_command

from commands import done, run
from polytome.cli.app import app
from polytome.cli.outputs import check_outputs
from polytome.errors import ArgumentError

TABLE = "x,y\n1.5,0\n2.5,1\n3.5,0\n4.0,1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "t.csv").write_text(TABLE)
    done("train", tmp_path / "t.csv", "--target", "y", "--out", tmp_path / "m.safetensors")
    return tmp_path


def _refused(folder: Path, *words: object) -> str:
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    result = run(*words)
    assert result.exit_code in (1, 2)
    assert result.stdout == ""
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    return result.stderr


@pytest.mark.parametrize("spelling", ["t.csv", "./sub/../t.csv", "link", "twin"])
def test_no_output_takes_the_place_of_an_input(folder: Path, spelling: str) -> None:
    (folder / "sub").mkdir()
    (folder / "link").symlink_to(folder / "t.csv")
    os.link(folder / "t.csv", folder / "twin")
    table, model, out = folder / "t.csv", folder / "m.safetensors", f"{folder}/{spelling}"
    for words in (
        ["train", table, "--target", "y", "--out", out],
        ["train", table, "--target", "y", "--report", out],
        ["predict", model, table, "--out", out],
        ["report", model, table, "--out", out],
        ["card", model, table, "--out", out],
    ):
        assert "which this command reads" in _refused(folder, *words)


def test_no_output_takes_the_place_of_the_model_or_of_another_output(folder: Path) -> None:
    table, model = folder / "t.csv", folder / "m.safetensors"
    for words in (
        ["predict", model, table, "--out", model],
        ["report", model, "--out", model],
        ["card", model, "--out", model],
        ["export", model, "--torch", model],
    ):
        assert "which this command reads" in _refused(folder, *words)
    both = ["--out", folder / "same", "--report", f"{folder}/./same"]
    assert "--report" in _refused(folder, "train", table, "--target", "y", *both)
    both = ["--c", folder / "same", "--sql", folder / "same"]
    assert "is also the file of --c" in _refused(folder, "export", model, *both)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["train", "t.csv", "--target", "y", "--out", "n.csv"], ".safetensors"),
        (["train", "t.csv", "--target", "y", "--report", "n.pdf"], ".html"),
        (["predict", "m.safetensors", "t.csv", "--out", "n.tsv"], ".csv or .parquet"),
        (["predict", "m.safetensors", "t.csv", "--out", "n.csv.gz"], ".csv or .parquet"),
        (["predict", "m.safetensors", "t.csv", "--out", "train-labels-idx1-ubyte"], ".csv or .parquet"),
        (["card", "m.safetensors", "--out", "n.html"], ".md"),
        (["export", "m.safetensors", "--onnx", "n.py"], ".onnx"),
    ],
)
def test_an_ending_that_promises_something_else_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], wanted: str
) -> None:
    monkeypatch.chdir(folder)
    assert f"end the name with {wanted}" in _refused(folder, *words)


def test_devices_may_be_written_to_twice() -> None:
    check_outputs([os.devnull], {"--out": (Path(os.devnull), ".csv"), "--report": (Path(os.devnull), ".html")})
    with pytest.raises(ArgumentError, match=r"--b x: is also the file of --a"):
        check_outputs([], {"--a": (Path("x"), ".csv"), "--b": (Path("x"), ".csv")})


def test_predictions_are_parquet_where_the_name_says_so(folder: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    done("predict", folder / "m.safetensors", folder / "t.csv", "--out", folder / "p.parquet")
    text = done("predict", folder / "m.safetensors", folder / "t.csv")
    table = parquet.read_table(folder / "p.parquet").to_pydict()
    assert list(table) == text.splitlines()[0].split(",")
    assert [",".join(map(repr, row)) for row in zip(*table.values(), strict=True)] == text.splitlines()[1:]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_costs_no_result(folder: Path) -> None:
    for option in ("--out", "--report"):
        result = run("train", folder / "t.csv", "--target", "y", option, "/dev/full")
        assert result.exit_code == 1
        assert "Certificate" in result.stdout
        assert "Largest coefficients" in result.stdout
        assert "The model is in" not in result.stdout
        assert "/dev/full: could not be written" in result.stderr
    result = run("train", folder / "t.csv", "--target", "y", "--out", "/dev/full", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["model"]["path"] is None
    result = run("predict", folder / "m.safetensors", folder / "t.csv", "--out", "/dev/full")
    assert result.exit_code == 1
    assert result.stdout.count("\n") == 5


@pytest.mark.parametrize(
    "words",
    [
        ["--header", "maybe"],
        ["--missing", "guess"],
        ["--unknown", "guess"],
        ["--seed", "-1"],
        ["--solver", "magic"],
        ["--class-weight", "odd"],
        ["--scale", "nan"],
        ["--tol", "nan"],
        ["--C", "0"],
        ["--max-iter", "-1"],
        ["--test-fraction", "1"],
        ["--test-fraction", "nan"],
    ],
)
@pytest.mark.parametrize("source", ["iris", "absent.csv"])
def test_options_are_checked_before_any_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str, words: list[str]
) -> None:
    monkeypatch.setattr("polytome.files.sources.open_source", lambda *_, **__: pytest.fail("work has begun"))
    message = _refused(tmp_path, "train", source, *words)
    assert words[0].lstrip("-").replace("-", "_").split("_")[0] in message


def test_options_of_other_commands_are_checked_before_any_work(folder: Path) -> None:
    model = folder / "m.safetensors"
    for words in (
        ["predict", model, "absent.csv", "--header", "maybe"],
        ["evaluate", model, "absent.csv", "--split", "half"],
        ["card", model, "absent.csv", "--missing", "guess"],
        ["report", model, "absent.csv", "--unknown", "guess"],
    ):
        assert f"Invalid value for '{words[-2]}'" in _refused(folder, *words)
    words = ["export", model, "--c", folder / "m.h", "--precision", "float16"]
    assert "precision='float16'" in _refused(folder, *words)


def test_every_command_has_json_and_the_card_too(folder: Path) -> None:
    for command in get_command(app).commands:  # type: ignore[attr-defined]
        assert "--json" in done(command, "--help")
    card = json.loads(done("card", folder / "m.safetensors", "--json"))
    assert card["card"] == done("card", folder / "m.safetensors")
    written = json.loads(done("card", folder / "m.safetensors", "--out", folder / "C.md", "--json"))
    assert written["out"] == str(folder / "C.md")
    assert (folder / "C.md").read_text() == card["card"]


def test_evaluate_says_that_rows_are_those_of_training(folder: Path) -> None:
    result = run("evaluate", folder / "m.safetensors", folder / "t.csv")
    assert "Note: these are the rows that the model was trained on" in result.stderr
    (folder / "new.csv").write_text(TABLE.replace("1.5", "1.25"))
    assert run("evaluate", folder / "m.safetensors", folder / "new.csv").stderr == ""
