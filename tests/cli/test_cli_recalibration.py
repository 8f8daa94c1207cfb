"""Corrected probabilities from the command line: learned on held-out rows, kept, and told."""

import csv
import io
import json

import numpy as np
import pytest

from commands import done, run


@pytest.fixture(scope="module")
def fraud(tmp_path_factory):
    """Rare fraud in a table of more columns than a hundred rows can bear."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("fraud") / "fraud.csv"
    lines = [",".join([*(f"x{j}" for j in range(20)), "fraud"])]
    for _ in range(900):
        row = random.normal(size=20)
        is_fraud = random.random() < 1 / (1 + np.exp(2 - 2 * row[0]))
        lines.append(",".join([*(f"{value:.3f}" for value in row), "yes" if is_fraud else "no"]))
    path.write_text("\n".join(lines) + "\n")
    later = path.with_name("later.csv")
    later.write_text("\n".join([lines[0], *lines[500:]]) + "\n")
    path.write_text("\n".join(lines[:500]) + "\n")
    return path, later


@pytest.fixture(scope="module")
def model(fraud):
    path = fraud[0].with_name("fraud.safetensors")
    words = ("--class-weight", "balanced", "--C", "inf", "--out", path)
    assert "yes 0.5 instead of" in run("train", fraud[0], "--target", "fraud", *words).stderr
    return path


def parsed(*words):
    return json.loads(done(*words, "--json"))


def refused(*words, code=1):
    result = run(*words)
    assert result.exit_code == code, result.output
    return result.stderr


def test_a_correction_is_learned_told_kept_and_used(fraud, model, tmp_path):
    out = tmp_path / "m.safetensors"
    found = parsed("evaluate", model, fraud[1], "--recalibrate", "temperature", "--prefer", "f1", "--out", out)
    worth = found["recalibration"]
    assert worth["log_loss_after"]["value"] < worth["log_loss_before"]["value"]
    assert found["calibration"]["temperature"] > 1
    assert found["decision"]["reason"].startswith("the largest F1")
    # A division of scores, in every use: the log odds of predicted probabilities.
    rows = [list(csv.DictReader(io.StringIO(done("predict", each, fraud[1])))) for each in (model, out)]
    odds = [np.array([np.log(float(r["probability_yes"]) / float(r["probability_no"])) for r in each]) for each in rows]
    assert np.allclose(odds[0], odds[1] * found["calibration"]["temperature"])
    shown = done("evaluate", out, fraud[1])
    assert "scores are divided by the temperature" in shown
    table = done("evaluate", model, fraud[1], "--recalibrate", "isotonic")
    assert "judged on parts of the rows that it was not learned from" in table
    assert "The log loss falls by" in table


def test_training_corrects_by_the_rows_that_it_holds_out(fraud, tmp_path):
    words = ("train", fraud[0], "--target", "fraud", "--class-weight", "balanced")
    found = parsed(*words, "--prior", "training", "--out", tmp_path / "m.safetensors")
    counts = found["data"]["balance"]
    assert np.diff(found["calibration"]["shift"])[0] == pytest.approx(np.log(counts["yes"] / counts["no"]))
    assert found["recalibration"] is None
    assert found["metrics"]["calibration_error"] < 0.06
    held_out = parsed(*words, "--test-fraction", 0.4, "--recalibrate", "temperature")
    assert held_out["recalibration"]["n_rows"] == held_out["data"]["n_test_rows"]
    streamed = parsed(*words, "--memory", "2GB", "--test-fraction", 0.4, "--recalibrate", "temperature")
    assert streamed["calibration"]["temperature"] > 0


def test_wrong_uses_say_what_to_do(fraud, model, tmp_path):
    cut = tmp_path / "cut.safetensors"
    done("evaluate", model, fraud[1], "--threshold", 0.3, "--out", cut)
    train = ("train", fraud[0], "--target", "fraud")
    for words, message in (
        (("evaluate", model, fraud[1], "--recalibrate", "platt"), "needs temperature or isotonic"),
        (("evaluate", model, fraud[0], "--recalibrate", "isotonic"), "has the rows that the model was trained on"),
        (("evaluate", cut, fraud[1], "--prior", "yes=0.1"), "say how classes are chosen after the correction"),
        (("evaluate", model, fraud[1], "--prior", "perhaps=0.1"), "'perhaps' is not one of the classes no, yes"),
        (("evaluate", model, fraud[1], "--prior", "yes=2"), "needs a share between 0 and 1"),
        (("evaluate", model, fraud[1], "--prior", "yes=0.1", "--recalibrate", "isotonic"), "give one of them"),
        ((*train, "--recalibrate", "temperature"), "hold some out with --test-fraction"),
        ((*train, "--prior", "training"), "there are none; give the share of each class"),
        ((*train, "--prior", "perhaps=0.1"), "'perhaps' is not one of the classes"),
    ):
        assert message in refused(*words), words
    assert "such as yes=0.02" in refused(*train, "--prior", "yes", code=2)
