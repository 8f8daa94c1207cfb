"""Test files, quiet commands, and exit statuses that a script can rely on."""

import json

import numpy as np
import pytest

from commands import done, run
from polytome.files.model_file import load


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manners")
    random = np.random.default_rng(1)
    for name in ("train", "test"):
        lines = ["age,colour,cases,income"]
        for _ in range(80):
            age, colour = random.integers(18, 80), random.choice(["red", "blue"])
            lines.append(f"{age},{colour},{random.integers(1, 4)},{'high' if random.random() < age / 90 else 'low'}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder


def train(files, *words):
    return run("train", files / "train.csv", "--target", "income", *words)


def test_rows_of_another_file_are_tested_on(files, tmp_path):
    out, report = tmp_path / "m.safetensors", tmp_path / "m.html"
    words = ("--drop", "cases", "--test", files / "test.csv", "--out", out)
    found = json.loads(train(files, *words, "--json").stdout)
    assert found["metrics"]["rows"] == "held-out"
    assert (found["data"]["n_rows"], found["data"]["n_test_rows"]) == (80, 80)
    judged = json.loads(done("evaluate", out, files / "test.csv", "--json"))["metrics"]
    assert judged == {name: value for name, value in found["metrics"].items() if name != "rows"}
    plain = json.loads(train(files, "--drop", "cases", "--json").stdout)
    assert plain["certificate"]["objective"] == found["certificate"]["objective"]  # the test rows have no influence
    text = train(files, *words, "--report", report).stdout
    assert f"On 80 rows of {files / 'test.csv'}" in " ".join(text.split())
    assert str(files / "test.csv") in report.read_text()


def test_a_cut_off_and_a_positive_class_and_weights_with_a_test_file(files):
    words = (
        "--test",
        files / "test.csv",
        "--positive",
        "high",
        "--prefer",
        "recall=0.9",
        "--weight",
        "cases",
        "--json",
    )
    found = json.loads(train(files, *words).stdout)["metrics"]
    assert found["per_class"][1]["label"] == "high"
    assert found["per_class"][1]["recall"]["value"] >= 0.9
    assert np.sum(found["confusion"]) > 80


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--test", "{train}"], "which is trained on"),
        (["--test", "{test}", "--test-fraction", 0.2], "there are test rows already (--test-fraction holds some out)"),
        (["--test", "absent.csv"], "absent.csv: no such file"),
        (["--test", "iris"], "is for a table beside a table"),
        (["--test", "{test}", "--out", "{test}"], "which this command reads"),
        (["--test", "{test}", "--memory", "1KB"], "--test"),
    ],
)
def test_test_files_that_cannot_be_used_are_refused(files, words, message):
    result = train(files, *(str(w).format(train=files / "train.csv", test=files / "test.csv") for w in words))
    assert result.exit_code == 1
    assert message in result.stderr


def test_a_file_of_other_columns_is_refused(files):
    assert "lacks the column 'sepal length (cm)'" in run("train", "iris", "--test", files / "test.csv").stderr


def test_quiet_commands_write_files_and_nothing_else(files, tmp_path):
    out = tmp_path / "m.safetensors"
    result = train(files, "--weight", "cases", "--quiet", "--out", out)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert load(out).certificate_.holds
    assert "weighs the rows" in train(files, "--weight", "cases").stderr  # the next command speaks again
    failed = train(files, "--quiet", "--target", "absent")
    assert failed.exit_code == 1
    assert failed.stderr.startswith("Error: ")
    assert json.loads(train(files, "--quiet", "--json").stdout)["metrics"]["n_rows"] == 80


def test_strict_requires_a_certificate_and_loses_nothing(files, tmp_path):
    out = tmp_path / "m.safetensors"
    result = train(files, "--strict", "--max-iter", 1, "--solver", "gradient-descent", "--out", out)
    assert result.exit_code == 3
    assert "the certificate does not hold, which --strict requires" in result.stderr
    assert "accuracy" in result.stdout
    assert not load(out).certificate_.holds
    assert train(files, "--strict").exit_code == 0
    halves = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for half in halves:
        half.write_text((files / "train.csv").read_text())
    words = ("--target", "income", "--strict", "--max-iter", 1, "--solver", "gradient-descent")
    assert run("train", *halves, *words).exit_code == 3
