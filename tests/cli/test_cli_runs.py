"""Runs are kept whole or not at all, listed, ranked and compared."""

import json

import pytest

from commands import done, run
from polytome.errors import FileError
from polytome.files import runs as module
from polytome.files.model_file import load
from polytome.files.runs import MODEL_FILE, RUN_FILE, keep_run, read_runs


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Two runs on the same held-out rows, and one on others, perhaps of one second."""
    folder = tmp_path_factory.mktemp("kept") / "runs"
    for words in (("--C", "0.001"), ("--C", "inf"), ("--seed", "1")):
        done("train", "iris", "--test-fraction", "0.3", "--tol", "1e-2", *words, "--log-to", folder)
    return folder


def test_a_run_has_its_command_data_settings_metrics_and_model(kept):
    first, second, third = read_runs(kept)
    assert first.value("command").endswith(f"--C 0.001 --log-to {kept}")
    assert first.value("settings", "C") == 0.001
    assert second.value("settings", "C") == "inf"
    assert first.value("data_sha256") == second.value("data_sha256") != third.value("data_sha256")
    model = load(first.folder / MODEL_FILE)
    assert model.training_.data_sha256 == first.value("data_sha256")
    assert model.certificate_.gap == first.value("certificate", "gap")
    assert first.value("metrics", "rows") == "held-out"
    assert sorted(place.name for place in first.folder.iterdir()) == [MODEL_FILE, RUN_FILE]


def test_they_are_listed_ranked_and_compared(kept):
    names = [each.name for each in read_runs(kept)]
    listed = done("runs", kept)
    assert [line.split()[0] for line in listed.splitlines() if line.startswith("20")] == names
    assert "Metrics of different letters are of different rows." in listed
    ranked = json.loads(done("runs", kept, "--sort", "log_loss", "--json"))["runs"]
    losses = [each["metrics"]["log_loss"] for each in ranked]
    assert losses == sorted(losses)
    assert {each["name"]: each["rows"] for each in ranked} == dict(zip(names, ["A", "A", "B"], strict=True))
    both = json.loads(done("runs", kept, *names[:2], "--json"))
    assert both["differences"] == {"C": [0.001, "inf"]}
    shown = done("runs", kept, *names[:2])
    assert "What the runs differ in" in shown
    assert "log loss" in shown


def test_names_of_runs_are_never_divided(tmp_path):
    """They are copied from the list, however long the name of the data is."""
    table = tmp_path / "a rather long name of a table of visits to a shop in one year.csv"
    table.write_text("x,y\n" + "".join(f"{i % 7},{'ab'[i % 2]}\n" for i in range(20)))
    done("train", table, "--target", "y", "--log-to", tmp_path / "runs")
    (only,) = read_runs(tmp_path / "runs")
    listed = done("runs", tmp_path / "runs")
    assert only.name in listed
    assert "1 run in " in listed


def test_without_test_rows_it_says_so(tmp_path):
    done("train", "iris", "--log-to", tmp_path / "new" / "runs")
    assert "A (training)" in done("runs", tmp_path / "new" / "runs")


def test_runs_of_one_second_sort_in_their_order(tmp_path, monkeypatch):
    class Stopped(module.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 11, 30, 12, 0, 0, tzinfo=tz)

    monkeypatch.setattr(module, "datetime", Stopped)
    for number in range(11):
        keep_run(tmp_path, {"command": str(number)}, lambda path: path.write_text(""))
    found = read_runs(tmp_path)
    assert [each.value("command") for each in found] == [str(number) for number in range(11)]
    assert found[10].name == "20261130T120000Z-11"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device"), FileError("full")])
def test_nothing_is_left_of_a_run_that_cannot_be_kept(tmp_path, error):
    def fails(path):
        path.write_text("half")
        raise error

    with pytest.raises((KeyboardInterrupt, FileError)):
        keep_run(tmp_path, {}, fails)
    assert list(tmp_path.iterdir()) == []


def test_results_are_shown_where_a_run_cannot_be_kept(tmp_path, monkeypatch):
    def full(*_):
        raise FileError("runs: the run could not be kept (No space left on device)")

    monkeypatch.setattr(module, "keep_run", full)
    result = run("train", "iris", "--log-to", tmp_path)
    assert result.exit_code == 1
    assert "log loss" in result.stdout
    assert "No space left on device" in result.stderr


def test_wrong_uses_say_what_to_do(kept, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    (tmp_path / "none").mkdir()
    damaged = tmp_path / "damaged" / "20261130T120000Z"
    damaged.mkdir(parents=True)
    (damaged / RUN_FILE).write_text("{")
    for words, message in (
        (("train", "iris", "--log-to", file), "is a file; runs are kept in a folder"),
        (("runs", tmp_path / "absent"), "no such folder; keep runs in one with"),
        (("runs", file), "is a file; give the folder that runs were kept in"),
        (("runs", tmp_path / "none"), "holds no runs; keep some with"),
        (("runs", kept, "20261130"), "has no run '20261130'"),
        (("runs", kept, "--sort", "speed"), "is not one of the metrics accuracy"),
    ):
        result = run(*words)
        assert result.exit_code == 1
        assert message in result.stderr, words
    assert "20261130T120000Z: cannot be read and left out" in run("runs", tmp_path / "damaged").stderr
