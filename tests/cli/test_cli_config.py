"""Options that are kept in a file, and taken from one."""

import json
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest

from commands import done, run
from polytome.files.model_file import load


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("config")
    random = np.random.default_rng(3)
    lines = ['age,"the ""size"" of\\it",town,income']
    for _ in range(60):
        age, town = random.integers(18, 80), random.choice(["Bath", "Oslo", "Rhodos"])
        lines.append(f"{age},{random.normal():.3f},{town},{'high' if random.random() < age / 90 else 'low'}")
    (folder / "people.csv").write_text("\n".join(lines) + "\n")
    return folder


WORDS = [
    *("--target", "income", "--test-fraction", "0.25", "--C", "0.5", "--no-intercept", "--drop", "tow*"),
    *("--penalty-weights", 'the "size" of\\it=-0', "--penalty-weights", "age=3", "--seed", "4", "--tol", "1e-6"),
]


@pytest.fixture(scope="module")
def saved(folder):
    """A run, and the file with its options."""
    config = folder / "run.toml"
    out = folder / "first.safetensors"
    done("train", folder / "people.csv", *WORDS, "--out", out, "--save-config", config)
    return config, load(out)


def test_what_is_saved_are_the_options_that_were_given(folder, saved):
    assert tomllib.loads(saved[0].read_text()) == {
        "target": "income",
        "test-fraction": 0.25,
        "C": 0.5,
        "intercept": False,
        "drop": ["tow*"],
        "penalty-weights": ['the "size" of\\it=-0', "age=3"],
        "seed": 4,
        "tol": 1e-6,
        "out": str(folder / "first.safetensors"),
    }


def test_a_saved_file_makes_the_same_model_and_the_command_line_wins(folder, saved, tmp_path):
    config, first = saved
    again, other = tmp_path / "again.safetensors", tmp_path / "other.safetensors"
    done("train", folder / "people.csv", "--config", config, "--out", again)
    model = load(again)
    assert np.array_equal(model.coef_, first.coef_)
    assert model.get_params() == first.get_params()
    done(
        "train",
        folder / "people.csv",
        f"--config={config}",
        "--C",
        7,
        "--drop",
        "age",
        "--intercept",
        "--out",
        other,
        "--penalty-weights",
        "town=2",
    )
    changed = load(other)
    assert (changed.C, changed.fit_intercept, changed.tol) == (7.0, True, 1e-6)
    assert {column.name for column in changed.encoder_.columns} == {'the "size" of\\it', "town"}


def test_what_a_model_keeps_of_its_command_names_the_options_of_the_file(folder, saved, tmp_path):
    config, _ = saved
    out = tmp_path / "again.safetensors"
    done("train", folder / "people.csv", "--config", config, "--out", out, "--seed", 5)
    words = shlex.split(load(out).training_.command)
    assert words[:2] == ["polytome", "train"]
    assert str(config) not in words
    assert {"--no-intercept", "--C"} <= set(words)
    assert words[-4:] == ["--out", str(out), "--seed", "5"]
    done(*words[1:])  # the command is whole
    assert load(out).random_state == 5


def test_a_file_saved_from_a_file_holds_all_options(folder, saved, tmp_path):
    config, _ = saved
    second = tmp_path / "second.toml"
    done("train", folder / "people.csv", "--config", config, "--max-iter", 50, "--save-config", second)
    assert tomllib.loads(second.read_text()) == {**tomllib.loads(config.read_text()), "max-iter": 50}


def test_ratios_that_stand_behind_the_source_are_saved(folder, tmp_path):
    config = tmp_path / "tune.toml"
    words = ("tune", folder / "people.csv", "--target", "income", "--folds", 2, "--C", "0.1,1", "--json")
    found = json.loads(done(*words, "--l1-ratio", 0, 0.5, "--save-config", config))
    kept = tomllib.loads(config.read_text())
    assert (kept["l1-ratio"], kept["C"], kept["folds"], kept["json"]) == (["0.0", "0.5"], "0.1,1", 2, True)
    again = json.loads(done("tune", folder / "people.csv", "--config", config))
    assert again == found


def test_other_commands_keep_their_options_too(folder, saved, tmp_path):
    model = folder / "first.safetensors"
    for words in (
        ("evaluate", model, folder / "people.csv", "--threshold", "0.3", "--unweighted"),
        ("predict", model, folder / "people.csv", "--no-probabilities", "--id", "town"),
        ("infer", folder / "people.csv", "income ~ age", "--test", "age", "--level", "0.9", "--odds-ratios"),
    ):
        config = tmp_path / f"{words[0]}.toml"
        shown = done(*words, "--save-config", config)
        positional = words[: words.index(next(word for word in words if str(word).startswith("--")))]
        assert done(*positional, "--config", config) == shown
        assert len(tomllib.loads(config.read_text())) >= 2


@pytest.mark.parametrize(
    ("text", "status", "told"),
    [
        ("test-fracton = 0.2", 2, "line 1: test-fracton is not an option of train; did you mean test-fraction?"),
        ("C = 1\n\nmax_iter = 5", 2, "line 3: max_iter is not an option of train; did you mean max-iter?"),
        ("config = 'x'", 2, "config is not an option of train"),
        ("sort = 'auc'", 2, "sort is an option of runs, not of train; leave it out"),
        ("no-intercept = true", 2, "did you mean intercept?"),
        ("[train]\nC = 1", 2, "line 1: train is a table; write all options without [tables]"),
        ("tol = 'x'", 2, 'line 1: tol = "x": is not a number'),
        ("C = true", 2, "C = true: is not a number"),
        ("seed = 1.5", 2, "seed = 1.5: is not a whole number"),
        ("intercept = 'no'", 2, 'intercept = "no": is not true or false'),
        ("target = ['a', 'b']", 2, 'target = ["a", "b"]: is not a text'),
        ("drop = ['a', false]", 2, "is not a text"),
        ("target = 1979-05-27", 2, "target = 1979-05-27: is not a text"),
        ("# all\nmissing = 'x'", 2, "line 2: missing = \"x\": 'x' is not one of error, drop, mean"),
        ("seed = -1", 2, "line 1: seed = -1"),
        ("categories = 'a'\ncategory = 'b'", 2, "line 2: category is another name of categories, which is"),
        ("category = 'a'\ncategories = 'b'", 2, "line 2: categories is another name of category, which is"),
        ("C = 1\nC = 2\n", 1, "is not TOML: Cannot overwrite a value (at "),
        ("target income", 1, "is not TOML"),
        (b"\xff\xfe\x00", 1, "is not UTF-8 text"),
        (None, 1, "no such file"),
    ],
)
def test_what_a_file_may_not_hold_is_told_by_its_place(folder, tmp_path, text, status, told):
    config = tmp_path / "wrong.toml"
    if text is not None:
        config.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = run("train", folder / "people.csv", "--config", config)
    assert result.exit_code == status
    assert str(config) in result.stderr
    assert told in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\r\n", b"# no options"])
def test_a_file_without_options_leaves_the_defaults(tmp_path, content):
    config = tmp_path / "none.toml"
    config.write_bytes(content)
    words = ["train", "iris", "--json"]
    alone, beside = json.loads(done(*words)), json.loads(done(*words, "--config", config))
    assert beside["objective"] == alone["objective"]


def test_a_value_is_a_value(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMN", "income")
    config = tmp_path / "run.toml"
    config.write_text("target = '$COLUMN'\n")
    assert "$COLUMN" in run("train", folder / "people.csv", "--config", config).stderr


def test_a_file_of_options_replaces_nothing_that_the_command_reads_or_writes(folder, saved, tmp_path):
    people = folder / "people.csv"
    before, config = people.read_bytes(), saved[0]
    names = tmp_path / "names.toml"
    names.write_text("a\nb\nc\nincome\n")
    for words, told in (
        (("--config", config, "--save-config", config), "is also --config"),
        (("--target", "income", "--names", names, "--save-config", names), "is also --names"),
        (("--target", "income", "--save-config", people), "is not a .csv file"),
        (("--target", "income", "--save-config", tmp_path), "is a folder"),
        (("--target", "income", "--save-config", "-"), "is not a file that can be written"),
    ):
        result = run("train", people, *words)
        assert (result.exit_code, told in result.stderr) == (1, True), result.output
    assert people.read_bytes() == before
    assert Path(names).read_text().startswith("a\n")


def test_a_command_that_fails_saves_nothing_and_one_that_is_only_strict_does(folder, tmp_path):
    config = tmp_path / "run.toml"
    assert run("train", folder / "people.csv", "--target", "incom", "--save-config", config).exit_code == 1
    assert not config.exists()
    words = ("--target", "income", "--max-iter", 1, "--solver", "lbfgs", "--tol", "1e-9", "--strict", "--quiet")
    result = run("train", folder / "people.csv", *words, "--save-config", config)
    assert result.exit_code == 3, result.output
    assert tomllib.loads(config.read_text())["strict"] is True
