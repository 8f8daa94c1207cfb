"""Test files, quiet commands, and exit statuses that a script can rely on."""

import json
import re

import numpy as np
import pytest
import typer

from commands import done, run
from polytome import solvers
from polytome.certificates.certificate import Certificate
from polytome.cli.fit_words import require_certificate, solver_words, stop_words
from polytome.files.model_file import load
from polytome.solvers import Stop
from polytome.solvers.choose import Choice


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
    assert "the certificate does not hold, and --strict requires a proof" in result.stderr
    assert "accuracy" in result.stdout
    assert not load(out).certificate_.holds
    assert train(files, "--strict").exit_code == 0
    halves = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for half in halves:
        half.write_text((files / "train.csv").read_text())
    words = ("--target", "income", "--strict", "--max-iter", 1, "--solver", "gradient-descent")
    assert run("train", *halves, *words).exit_code == 3


def tune(files, *words):
    return run("tune", files / "train.csv", "--target", "income", "--folds", 2, "--C", "1", "--l1-ratio", "0", *words)


def infer(files, *words):
    return run("infer", files / "train.csv", "income ~ age + colour", *words)


def test_quiet_tunings_and_tables_write_nothing_but_files(files, tmp_path):
    out, page = tmp_path / "m.safetensors", tmp_path / "t.html"
    for result in (tune(files, "--quiet", "--out", out), infer(files, "--quiet", "--report", page)):
        assert (result.exit_code, result.stdout) == (0, "")
        assert all(line.startswith("Warning: ") for line in result.stderr.splitlines())
    assert load(out).certificate_.holds
    assert "income ~ age" in page.read_text()
    told = infer(files, "--quiet", "--json")
    assert json.loads(told.stdout)["source"] == str(files / "train.csv")


def test_strict_tunings_end_with_a_status_of_their_own_when_all_is_written(files, tmp_path):
    assert tune(files, "--strict").exit_code == 0
    out = tmp_path / "m.safetensors"
    result = tune(files, "--strict", "--quiet", "--max-iter", 1, "--solver", "gradient-descent", "--out", out)
    assert result.exit_code == 3
    assert "Warning: the certificate does not hold, and --strict requires a proof." in result.stderr
    assert not load(out).certificate_.holds


def test_strict_tables_need_a_proof(files):
    strict = infer(files, "--strict")
    assert strict.exit_code == 0
    assert "Proved: the log-likelihood" in strict.stdout
    refused = infer(files, "--strict", "--firth")
    assert refused.exit_code == 2
    assert "--firth comes without a certificate, which --strict requires" in " ".join(refused.stderr.split())


def test_an_estimate_is_no_proof_and_settings_are_named_as_options():
    estimate, proof = (Certificate(0.5, 1e-9, 0.7, 1e-4, kind) for kind in ("estimate", "proof"))
    require_certificate(True, proof)
    require_certificate(False, estimate)
    with pytest.raises(typer.Exit) as ended:
        require_certificate(True, estimate)
    assert ended.value.exit_code == 3
    for stop in Stop:
        assert "max_iter" not in stop_words(stop)
        assert "`" not in stop_words(stop)


def test_solvers_are_named_in_words():
    newton = solvers.Newton()
    named = [
        newton,
        solvers.Newton(100),
        solvers.LBFGS(then=newton),
        solvers.TemperedNewton(),
        solvers.ProximalNewton(),
    ]
    named += [solvers.RowSpace(newton), solvers.DistinctRows(newton), solvers.DualCoordinateAscent()]
    named += [solvers.GradientDescent(), solvers.StochasticGradientDescent()]
    told = [solver_words(Choice(solver, "so")) for solver in named]
    assert len(set(told)) == len(named)
    assert all(re.fullmatch(r"[A-Za-z' ,-]+ \(so\)", words) for words in told), told
    assert solver_words(Choice(solvers.RowSpace(solvers.LBFGS()), "x; float64 took over at iteration 3")) == (
        "L-BFGS in the space of the rows (x; double precision took over at iteration 3)"
    )
