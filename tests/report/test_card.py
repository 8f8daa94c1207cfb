"""Model cards: front matter that YAML reads, numbers that are right, and no sentence that is not
known."""

import json
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from polytome import LogisticRegression
from polytome.cli.app import app
from polytome.files.sources import fit_source, hold_out, open_source
from polytome.report.card import model_card
from polytome.report.contents import judge

yaml = pytest.importorskip("yaml")


@pytest.fixture(scope="module")
def iris():
    source = hold_out(open_source("iris"), 0.3)
    model = fit_source(LogisticRegression(), source, command="polytome train iris --test-fraction 0.3")
    return model, judge(model, source.X_test, source.y_test, name="held out")


def front_matter(card):
    beginning, front, rest = card.split("---\n", 2)
    assert beginning == ""
    return yaml.safe_load(front), rest


def test_hubs_can_read_the_metrics(iris):
    model, judged = iris
    front, _ = front_matter(model_card(model, judged, name='my "model": 1'))
    assert front["library_name"] == "polytome"
    assert front["pipeline_tag"] == "tabular-classification"
    (entry,) = front["model-index"]
    assert entry["name"] == 'my "model": 1'
    (result,) = entry["results"]
    assert result["task"] == {"type": "tabular-classification"}
    assert result["dataset"] == {"name": "held out", "type": "held out"}
    assert result["metrics"] == [
        {"type": "accuracy", "value": judged.evaluation.accuracy},
        {"type": "log_loss", "value": judged.evaluation.log_loss},
        {"type": "roc_auc", "value": judged.evaluation.auc},
        {"type": "f1", "value": judged.evaluation.f1},
        {"type": "brier_score", "value": judged.evaluation.brier_score},
    ]


def test_a_card_says_what_is_known(iris):
    model, judged = iris
    _, text = front_matter(model_card(model, judged, name="iris"))
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert headings == ["Data", "Objective", "Certificate", "Metrics", "Limits", "How to reproduce it"]
    for known in (
        model.training_.data_sha256,
        "    polytome train iris --test-fraction 0.3\n",
        f"    {model.objective_}\n",
        "| setosa | 35 | 33.3 % |",
        "Training had 35 rows of the class setosa",
        "The class found least often is",
    ):
        assert known in text


def test_without_rows_there_are_no_metrics(iris):
    front, text = front_matter(model_card(iris[0]))
    assert "model-index" not in front
    assert "the model was not evaluated" in text
    assert "How good it is on new rows is not known" in text


def test_rows_of_training_are_no_evidence(iris):
    model, _ = iris
    source = hold_out(open_source("iris"), 0.3)
    front, text = front_matter(model_card(model, judge(model, source.X, source.y, name="iris")))
    assert "model-index" not in front
    assert "They are the training rows" in text


def test_without_a_record_nothing_is_made_up():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), rng.integers(0, 2, size=60)
    text = model_card(LogisticRegression(C=0.5).fit(X, y))
    assert "This model has no record of its training data" in text
    assert "LogisticRegression(C=0.5).fit(X, y)" in text
    assert "SHA-256" not in text
    judged = judge(
        LogisticRegression(C=0.5).fit(X, y), rng.normal(size=(30, 2)), rng.integers(0, 2, size=30), name="new"
    )
    assert "not shown to be right more often" in model_card(LogisticRegression(C=0.5).fit(X, y), judged)


def test_a_fit_that_failed_is_a_limit():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), rng.integers(0, 3, size=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(max_iter=1, solver="lbfgs", tol=1e-9).fit(X, y)
    assert "The fit is not finished" in model_card(model)


def test_names_do_not_become_mark_up():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"<b>a|b*</b>": np.ones(60), "c": rng.normal(size=60)})
    y = np.array(["# one", "two\n---\n| x |"])[rng.integers(0, 2, size=60)]
    model = LogisticRegression().fit(X, y)
    model.report(X_train=X, y_train=y)
    front, text = front_matter(model_card(model, judge(model, X, y, name="new\nrows: [1]")))
    assert front["library_name"] == "polytome"
    assert "<b>" not in text.replace("\\<b", "")
    assert re.findall(r"^#+ (.*)$", text, re.M)[0] == "model"
    for line in text.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) in (4, 5, 6)


def test_images_have_their_task():
    front, text = front_matter(model_card(fit_source(LogisticRegression(tol=0.1), open_source("digits"))))
    assert front["pipeline_tag"] == "image-classification"
    assert "It has learned nothing about 3 features that never changed in training." in text


def test_the_command_writes_to_a_file_or_to_stdout(tmp_path):
    model, out = str(tmp_path / "iris.safetensors"), tmp_path / "CARD.md"
    run = lambda *arguments: CliRunner().invoke(app, [str(each) for each in arguments])  # noqa: E731
    assert run("train", "iris", "--test-fraction", "0.3", "--out", model).exit_code == 0
    shown = run("card", model, "iris")
    assert shown.exit_code == 0, shown.output
    assert run("card", model, "iris", "--out", out).exit_code == 0
    assert out.read_text(encoding="utf-8") == shown.stdout
    assert "They include the training rows" in shown.stdout
    assert front_matter(shown.stdout)[1].strip().startswith("# iris")
    assert json.dumps("iris") not in shown.stdout.split("---")[1].replace('name: "iris"', "")
    assert run("card", model, "--out", tmp_path / "no" / "CARD.md").exit_code == 1
