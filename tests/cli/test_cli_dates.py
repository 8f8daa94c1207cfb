"""`--date` and several columns in one option, through the commands that read tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas
import pytest

from commands import run


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    days = pandas.Timestamp("2026-01-01") + pandas.to_timedelta(random.integers(0, 700, 120), "D")
    table = pandas.DataFrame({"id": range(120), "signup": days, "x_1": random.normal(size=120), "x_2": 1.0})
    is_weekend = days.map(pandas.Timestamp.isoweekday) > 5
    table["y"] = np.where(random.random(120) < np.where(is_weekend, 0.9, 0.1), "yes", "no")
    folder = tmp_path_factory.mktemp("dates")
    table.to_parquet(folder / "people.parquet")
    table.to_csv(folder / "people.csv", index=False)
    return folder


def test_a_model_of_dates_is_trained_judged_and_used(people):
    out, table = people / "model.safetensors", people / "people.csv"
    trained = run(
        *("train", table, "--target", "y", "--date", "signup=weekday,age", "--drop", "id,x_*"),
        *("--test-fraction", "0.2", "--out", out, "--json"),
    )
    assert trained.exit_code == 0, trained.stderr
    names = {each["feature"] for each in json.loads(trained.stdout)["model"]["largest_coefficients"]}
    assert names <= {
        "signup.age",
        *(f"signup.weekday={day}" for day in ["1 Mon", "2 Tue", "3 Wed", "4 Thu", "5 Fri", "6 Sat", "7 Sun"]),
    }
    for name in ("people.csv", "people.parquet"):
        judged = run("evaluate", out, people / name, "--json")
        assert json.loads(judged.stdout)["metrics"]["accuracy"] > 0.8
    assert run("predict", out, people / "people.parquet").stdout.count("\n") == 121


@pytest.mark.parametrize(
    "words",
    [
        ("tune", "--C", "1", "--folds", "2", "--time", "id"),
        ("diagnose",),
        ("plan",),
    ],
    ids=lambda words: words[0],
)
def test_other_commands_read_dates_too(words, people):
    command, *more = words
    table = people / "people.parquet"
    options = ("--target", "y", "--drop", "x_2", "--date", "signup=month,age")
    done = run(command, table, *options, *more, "--json")
    assert done.exit_code == 0, done.stderr
    refused = run(command, table, "--target", "y", *more)
    assert refused.exit_code == 1
    assert "column 'signup': holds dates; make parts of them with --date signup=" in " ".join(refused.stderr.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--date", "signup"), "'signup' is not COLUMN=PART,..., such as signup=year,month"),
        (("--date", "signup=year", "--date", "signup=age"), "names the column 'signup' twice"),
    ],
)
def test_wrong_words_are_wrong_usage(words, message, people):
    refused = run("train", people / "people.csv", "--target", "y", *words)
    assert refused.exit_code == 2
    assert message in " ".join(refused.stderr.replace("│", " ").split())
