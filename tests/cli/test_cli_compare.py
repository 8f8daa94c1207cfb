"""Two models of different columns compared on one file."""

import json

import numpy as np
import pytest

from commands import done, run
from polytome.files.model_file import load


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    random = np.random.default_rng(0)
    for name in ("train", "test"):
        lines = ["age,hours,country,income"]
        for _ in range(300):
            age, hours = random.integers(18, 80), random.integers(10, 60)
            rich = random.random() < 1 / (1 + np.exp(-(0.06 * (age - 50) + 0.1 * (hours - 35))))
            lines.append(f"{age},{hours},{random.choice(['no', 'se'])},{'high' if rich else 'low'}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    train = ("train", folder / "train.csv", "--target", "income")
    done(*train, "--out", folder / "all.safetensors")
    done(*train, "--drop", "hours", "--drop", "country", "--out", folder / "age.safetensors")
    return folder


def test_each_model_reads_the_file_by_its_own_columns(files):
    words = ("compare", files / "age.safetensors", files / "all.safetensors", files / "test.csv")
    found = json.loads(done(*words, "--json"))
    accuracy, auc, loss = found["differences"]
    for place, name in (("first", "age"), ("second", "all")):
        judged = json.loads(done("evaluate", files / f"{name}.safetensors", files / "test.csv", "--json"))["metrics"]
        wanted = (judged["accuracy"], judged["auc"], judged["log_loss"])
        assert (accuracy[place], auc[place], loss[place]) == pytest.approx(wanted)
    assert loss["high"] < 0 < auc["low"]
    n = sum(found[name] for name in ("n_both_right", "n_first_right", "n_second_right", "n_both_wrong"))
    assert n == found["n_rows"] == 300
    assert len(found["second_right_rows"]) == found["n_second_right"]
    text = done(*words)
    assert max(map(len, text.splitlines())) <= 80
    assert "Right by the second model alone" in text
    assert f"p = {found['p_value']:.3g}" in text
    assert json.loads(done(*words, "--json")) == found


def test_rows_that_one_model_leaves_out_are_left_out_for_both(files):
    lines = (files / "test.csv").read_text().splitlines()
    cells = lines[5].split(",")
    lines[5] = ",".join([cells[0], "", *cells[2:]])
    gap = files / "gap.csv"
    gap.write_text("\n".join(lines) + "\n")
    words = ("compare", files / "age.safetensors", files / "all.safetensors", gap, "--missing", "drop", "--json")
    found = json.loads(done(*words))
    assert found["n_rows"] == 299
    shown = {*found["first_right_rows"], *found["second_right_rows"]}
    assert 5 not in shown
    assert max(shown) > 290  # numbers are those of the file


def test_training_rows_are_told_and_wrong_words_refused(files):
    both = (files / "age.safetensors", files / "all.safetensors")
    assert "rows that the model was trained on" in run("compare", *both, files / "train.csv").stderr
    assert "absent.csv: no such file" in run("compare", *both, "absent.csv").stderr
    iris = files / "iris.safetensors"
    done("train", "iris", "--out", iris)
    result = run("compare", both[0], iris, files / "test.csv")
    assert result.exit_code == 1
    assert "lacks" in result.stderr
    others = files / "others.safetensors"
    done("train", files / "train.csv", "--target", "country", "--out", others)
    result = run("compare", both[0], others, files / "test.csv")
    assert result.exit_code == 1
    assert "different classes" in result.stderr
    assert load(iris).classes_.size == 3


def test_a_cut_off_is_compared_as_it_decides(files):
    cut = files / "cut.safetensors"
    done("evaluate", files / "all.safetensors", files / "test.csv", "--threshold", 0.9, "--out", cut)
    found = json.loads(done("compare", files / "all.safetensors", cut, files / "test.csv", "--json"))
    accuracy, auc, loss = found["differences"]
    assert (auc["difference"], loss["difference"]) == (0, 0)
    assert accuracy["difference"] != 0
