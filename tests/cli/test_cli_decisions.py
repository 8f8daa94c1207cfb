"""Cut-offs and costs from the command line: chosen on held-out rows, kept, and used everywhere."""

import csv
import io
import json

import numpy as np
import pytest

from commands import done, run
from polytome.files.model_file import load


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("people") / "people.csv"
    lines = ["age,hours,cases,income"]
    for _ in range(400):
        age, hours = random.integers(18, 80), random.integers(10, 60)
        rich = random.random() < 1 / (1 + np.exp(-(0.06 * (age - 60) + 0.08 * (hours - 45))))
        lines.append(f"{age},{hours},{random.integers(0, 4)},{'high' if rich else 'low'}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def model(people):
    path = people.with_name("people.safetensors")
    done("train", people, "--target", "income", "--drop", "cases", "--positive", "high", "--out", path)
    return path


def parsed(*words):
    return json.loads(done(*words, "--json"))


def refused(*words):
    result = run(*words)
    assert result.exit_code == 1, result.output
    assert [line for line in result.stderr.splitlines() if not line.startswith("Note: ")] == [
        result.stderr.splitlines()[-1]
    ]
    return result.stderr


def predictions(model, rows):
    return [row["prediction"] for row in csv.DictReader(io.StringIO(done("predict", model, rows)))]


TRAIN = ("--target", "income", "--drop", "cases", "--positive", "high")


def test_a_cut_off_is_chosen_on_held_out_rows_and_kept(people, tmp_path):
    out = tmp_path / "m.safetensors"
    words = ("train", people, *TRAIN, "--test-fraction", 0.5, "--prefer", "recall=0.9", "--out", out)
    found = parsed(*words)
    assert found["metrics"]["per_class"][1]["label"] == "high"
    assert found["metrics"]["per_class"][1]["recall"]["value"] >= 0.9
    assert "recall of at least 0.9 on 200 rows that were not trained on" in found["decision"]["reason"]
    kept = load(out)
    assert kept.decision_.threshold == found["decision"]["threshold"]
    said = predictions(out, people)
    assert said == kept.predict(np.loadtxt(people, delimiter=",", skiprows=1, usecols=(0, 1))).tolist()
    text = done("evaluate", out, people)
    assert "high is predicted where its probability is at least" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_threshold_and_costs_need_no_held_out_rows(people, tmp_path):
    costs = tmp_path / "costs.csv"
    costs.write_text("true,high,not high\nnot high,1,0\nhigh,0,4\n")
    given = parsed("train", people, *TRAIN, "--threshold", 0.2)
    by_costs = parsed("train", people, *TRAIN, "--costs", costs)
    assert given["decision"]["threshold"] == 0.2 == pytest.approx(by_costs["decision"]["threshold"])
    assert given["metrics"]["confusion"] == by_costs["metrics"]["confusion"]
    assert given["metrics"]["confusion"] != parsed("train", people, *TRAIN)["metrics"]["confusion"]


def test_costs_of_many_classes(tmp_path):
    costs = tmp_path / "costs.csv"
    costs.write_text("true,setosa,versicolor,virginica\nsetosa,0,1,1\nversicolor,1,0,1\nvirginica,1,20,0\n")
    out = tmp_path / "iris.safetensors"
    found = parsed("train", "iris", "--costs", costs, "--out", out)
    assert found["metrics"]["confusion"][2][1] == 0  # the dear mistake is not made
    assert "expected cost is the smallest" in done("evaluate", out, "iris")
    assert parsed("evaluate", out, "iris")["metrics"]["confusion"] == found["metrics"]["confusion"]


def test_another_rule_is_tried_by_evaluate_and_saved_with_out(people, model, tmp_path):
    others = tmp_path / "others.csv"
    others.write_text("\n".join(people.read_text().splitlines()[:201]) + "\n")
    before = load(model)
    out = tmp_path / "m.safetensors"
    found = parsed("evaluate", model, others, "--prefer", "precision=0.8", "--out", out)
    assert found["metrics"]["per_class"][1]["precision"]["value"] >= 0.8
    assert load(out).decision_.threshold == found["decision"]["threshold"]
    assert load(model).decision_ is None is before.decision_
    tried = parsed("evaluate", model, others, "--threshold", 0.9)
    assert (tried["decision"]["threshold"], tried["out"]) == (0.9, None)


def test_pieces_are_read_for_a_rule_too(people, tmp_path):
    halves = [tmp_path / f"{part}.csv" for part in range(2)]
    head, *lines = people.read_text().splitlines()
    for part, half in enumerate(halves):
        half.write_text("\n".join([head, *lines[200 * part : 200 * part + 200]]) + "\n")
    out = tmp_path / "m.safetensors"
    words = ("train", *halves, *TRAIN, "--test-fraction", 0.5)
    found = parsed(*words, "--prefer", "recall=0.9", "--out", out)
    assert found["metrics"]["per_class"][1]["recall"]["value"] >= 0.9
    whole = parsed("train", people, *TRAIN, "--test-fraction", 0.5, "--prefer", "recall=0.9")
    assert found["decision"]["threshold"] == pytest.approx(whole["decision"]["threshold"], rel=1e-3)
    judged = parsed("evaluate", out, *halves)
    assert judged["decision"]["threshold"] == found["decision"]["threshold"]
    assert judged["metrics"]["auc"] == pytest.approx(parsed("evaluate", out, people)["metrics"]["auc"])


def test_metrics_are_weighted_as_training_was(people, tmp_path):
    out = tmp_path / "m.safetensors"
    words = ("train", people, "--target", "income", "--weight", "cases")
    trained = parsed(*words, "--out", out)["metrics"]
    judged = parsed("evaluate", out, people)["metrics"]
    assert judged == {name: value for name, value in trained.items() if name != "rows"}
    unweighted = parsed("evaluate", out, people, "--unweighted")["metrics"]
    assert unweighted["confusion"] != judged["confusion"]
    assert np.sum(unweighted["confusion"]) == 400
    assert "each with its weight" in done("evaluate", out, people)
    held_out = parsed(*words, "--test-fraction", 0.5)["metrics"]
    assert np.sum(held_out["confusion"]) != 200 == held_out["n_rows"]
    without = tmp_path / "without.csv"
    without.write_text(
        "\n".join(",".join(line.split(",")[:2] + line.split(",")[3:]) for line in people.read_text().splitlines())
    )
    assert "lacks the column 'cases'" in refused("evaluate", out, without)
    assert parsed("evaluate", out, without, "--unweighted")["metrics"] == unweighted
    report = tmp_path / "r.html"
    done("report", out, people, "--out", report)
    assert f"{judged['accuracy']:.1%}".replace("%", " %") in report.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--threshold", 0.2, "--prefer", "f1"], "--threshold, --prefer: each says how classes are predicted"),
        (["--threshold", 1.5], "threshold=1.5: needs a probability"),
        (["--prefer", "recall"], "prefer='recall': needs f1, recall=SHARE"),
        (["--prefer", "f1"], "--prefer f1: a cut-off is chosen on rows that were not trained on; hold some out"),
        (["--costs", "absent.csv"], "--costs absent.csv: no such file"),
    ],
)
def test_wrong_wishes_are_refused_before_a_fit(people, tmp_path, words, message):
    out = tmp_path / "m.safetensors"
    assert message in refused("train", people, *TRAIN, *words, "--out", out)
    assert not out.exists()


def test_a_wish_that_cannot_be_met_loses_nothing(people, tmp_path):
    out = tmp_path / "m.safetensors"
    words = ("train", people, "--target", "income", "--drop", "age", "--drop", "hours", "--test-fraction", 0.5)
    result = run(*words, "--prefer", "precision=1", "--out", out)
    assert result.exit_code == 1
    assert "no cut-off reaches it on rows that were not trained on; the largest precision is" in result.stderr
    assert "accuracy" in result.stdout
    assert load(out).decision_ is None


def test_three_classes_have_no_cut_off(tmp_path):
    assert "there are 3; give --costs" in refused("train", "iris", "--threshold", 0.3)
    assert "there are 3; give costs" in refused("train", "iris", "--prefer", "f1", "--test-fraction", 0.3)


def test_evaluate_refuses_what_means_nothing(people, model, tmp_path):
    out = tmp_path / "m.safetensors"
    assert "saves a model with another rule or correction" in refused("evaluate", model, people, "--out", out)
    assert "has the rows that the model was trained on" in refused("evaluate", model, people, "--prefer", "f1")
    assert "which this command reads" in refused("evaluate", model, people, "--threshold", 0.3, "--out", model)
    costs = tmp_path / "costs.csv"
    costs.write_text("t,low,high\nlow,0,1\nhigh,1,0\n")
    assert "line 1: 'low' is not one of the classes" in refused("evaluate", model, people, "--costs", costs)
