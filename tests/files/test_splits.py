"""Rows that are held out whole by group, or are the latest, in one process as the user would."""

import json

import numpy as np
import pandas as pd
import pytest

from commands import done, run
from polytome.errors import ArgumentError, DataError
from polytome.evaluation.metrics import evaluate
from polytome.files.splits import choose_groups, choose_latest
from polytome.files.training import train
from polytome.tables.frames import Frame


@pytest.fixture(scope="module")
def visits(tmp_path_factory):
    """Visits of patients, each with a habit of its own, on days in a random order."""
    random = np.random.default_rng(0)
    patient = random.integers(0, 60, 600)
    day = pd.Timestamp("2026-01-01") + pd.to_timedelta(random.integers(0, 200, 600), unit="D")
    pulse = random.normal(70, 8, 600)
    ill = np.where(random.random(600) < 1 / (1 + np.exp(-(pulse - 70) / 4)), "yes", "no")
    frame = pd.DataFrame({"patient": [f"p{k}" for k in patient], "day": day.strftime("%Y-%m-%d"), "pulse": pulse})
    frame["ill"] = ill
    path = tmp_path_factory.mktemp("visits") / "visits.csv"
    frame.to_csv(path, index=False)
    return path, frame


def test_no_group_is_on_both_sides_and_none_is_a_feature(visits):
    _, frame = visits
    model = train(frame, target="ill", drop="day", test_fraction=0.3, group="patient")
    rows = model.held_out_.row_names - 1
    held_out = set(frame["patient"][rows])
    assert not held_out & set(frame["patient"].drop(rows))
    assert abs(len(rows) - 180) < 12
    assert [column.name for column in model.encoder_.columns] == ["pulse"]
    assert evaluate(model).n_rows == len(rows) == model.training_.n_test_rows
    (told,) = [note for note in model.training_.notes if note.startswith("held out")]
    assert told == f"held out: {len(rows)} rows, of {len(held_out)} of 60 values of 'patient', whole"
    other = train(frame, target="ill", drop="day", test_fraction=0.3, group="patient", random_state=1)
    assert set(frame["patient"][other.held_out_.row_names - 1]) != held_out


@pytest.mark.parametrize("as_numbers", [False, True])
def test_the_latest_rows_are_held_out(visits, as_numbers):
    _, frame = visits
    if as_numbers:
        frame = frame.assign(day=pd.to_datetime(frame["day"]).map(pd.Timestamp.toordinal))
    model = train(frame, target="ill", drop="patient", test_fraction=0.25, time="day")
    rows = model.held_out_.row_names - 1
    assert frame["day"][rows].min() > frame["day"].drop(rows).max()
    assert abs(len(rows) - 150) <= 5
    assert any(note.startswith("held out") and "on by 'day'" in note for note in model.training_.notes)


def test_the_command_is_the_same_and_evaluate_knows_its_source(visits, tmp_path):
    path, frame = visits
    out = tmp_path / "m.safetensors"
    words = ("--target", "ill", "--drop", "day", "--test-fraction", 0.3, "--group", "patient")
    found = json.loads(done("train", path, *words, "--out", out, "--json"))
    model = train(frame, target="ill", drop="day", test_fraction=0.3, group="patient")
    assert found["data"]["n_test_rows"] == model.training_.n_test_rows
    assert found["metrics"]["log_loss"] == pytest.approx(evaluate(model).log_loss)
    assert "a source of the same name" in run("evaluate", out, path).stderr
    several = run("train", path, path, *words)
    assert "--group: " in several.stderr
    assert several.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"group": "patient"}, "say how many with test_fraction"),
        ({"group": "patient", "time": "day", "test_fraction": 0.2}, "give one of them"),
        ({"group": "patients", "test_fraction": 0.2}, "patient"),
        ({"group": "ill", "test_fraction": 0.2}, "holds the labels"),
        ({"time": "patient", "drop": "day", "test_fraction": 0.2}, "is not a date such as"),
    ],
)
def test_wrong_uses(visits, arguments, message):
    with pytest.raises((ArgumentError, DataError), match=message):
        train(visits[1], target="ill", **arguments)


def test_gaps_and_single_values_are_refused_with_their_place():
    with pytest.raises(DataError, match=r"row 2, column 'user'.*its group decides"):
        choose_groups(Frame.of({"user": ["a", None, "b"]}), 0.5, 0)
    with pytest.raises(DataError, match=r"row 1, column 'day'.*its time decides"):
        choose_latest(Frame.of({"day": [None, "2026-01-01"]}), 0.5)
    with pytest.raises(DataError, match="all rows have the same value"):
        choose_latest(Frame.of({"day": [1.0, 1.0]}), 0.5)
    with pytest.raises(ArgumentError, match="takes no --group or --time"):
        train("iris", test_fraction=0.2, group="x")


@pytest.mark.parametrize("extra", [{}, {"drop": "time"}, {"ids": "time"}])
def test_times_are_numbers_in_text_tables_too(tmp_path, extra):
    """Cells of a text file are words until numbers are asked of them: 10 is later than 9."""
    path = tmp_path / "t.csv"
    path.write_text("time,x,y\n" + "".join(f"{i}.5,{i % 7},{'ab'[i % 2]}\n" for i in range(20)))
    model = train(str(path), "y", time="time", test_fraction=0.25, **extra)
    assert "held out: 5 rows, from 15.5 on by 'time'" in model.training_.notes
    assert model.held_out_.row_names.tolist() == [16, 17, 18, 19, 20]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"time": "hue"}, "'red' is not a date .* or choose another column"),
        ({"time": "when"}, "'1' is not a date .* or as numbers"),
        ({"group": "absent"}, "group or time='absent': the data frame has no such column"),
        ({"group": "cases", "weight": "cases"}, "weight='cases': the column decides which rows are held out"),
        ({"time": "day", "dates": {"day": "year"}}, "date='day': the column decides which rows are held out"),
        ({"group": "hue", "text": "hue"}, "text='hue': the column decides which rows are held out"),
        ({"group": ["hue"]}, "group=.*: needs the name of a column"),
    ],
)
def test_a_column_that_divides_rows_is_refused_in_words_of_its_own(arguments, message):
    table = pd.DataFrame(
        {
            "hue": ["red", "blue"] * 6,
            "when": ["1", "soon"] * 6,
            "cases": [1, 2, 3] * 4,
            "day": [f"2026-01-{i:02}" for i in range(1, 13)],
            "x": range(12),
            "y": list("aabb") * 3,
        }
    )
    with pytest.raises((ArgumentError, DataError), match=message):
        train(table, "y", test_fraction=0.25, categories="day", **arguments)


def test_some_group_is_held_out_and_some_is_left():
    frame = Frame.of({"user": ["a"] * 99 + ["b"]})
    for fraction in (0.001, 0.5, 0.999):
        for seed in range(4):
            chosen, _ = choose_groups(frame, fraction, seed)
            assert 0 < chosen.sum() < 100
