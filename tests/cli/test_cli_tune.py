"""`polytome tune`: what it chooses and shows, folds by a column, gaps filled inside the fold, and
what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import polytome
from commands import done, run
from polytome import LogisticRegressionCV
from polytome.errors import DataError
from polytome.files.sources import open_source
from polytome.files.tuned import order_of_times, path_of_source, tune_source


def people(path: Path, n: int = 60, gaps: bool = False) -> Path:
    """A table of people, some with several rows, in the order of no column."""
    random = np.random.default_rng(0)
    age, person = random.normal(40, 9, n).round(1), np.arange(n) % 12
    hue, day = random.choice(["red", "blue"], n), random.permutation(n)
    ill = age + 4 * (hue == "red") + random.normal(0, 6, n) > 43
    lines = ["age,hue,person,day,ill"]
    for row in range(n):
        shown = "" if gaps and row % 7 == 0 else f"{age[row]}"
        lines.append(
            f"{shown},{hue[row]},p{person[row]},2026-{1 + day[row] // 28:02d}-{1 + day[row] % 28:02d},{int(ill[row])}"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_table_of_strengths_and_the_model(tmp_path: Path) -> None:
    out = tmp_path / "best.safetensors"
    said = done("tune", "iris", "--l1-ratio", "0", "1", "--C", "5", "--folds", "3", "--out", out)
    assert max(len(line) for line in said.splitlines() if str(tmp_path) not in line) <= 80
    flat = " ".join(said.split())
    assert "C held-out log loss standard error not 0 choice" in flat
    assert "best held-out log loss of each: 0: " in flat
    assert "by the rule min" in flat
    model = polytome.load(out)
    assert f"C = {model.C:.4g}" in flat
    assert model.training_.source == "iris"
    assert model.training_.command.startswith("polytome tune iris")


def test_json_says_the_same(tmp_path: Path) -> None:
    words = ("tune", "iris", "--l1-ratio", "1", "--C", "0.1,1,10", "--folds", "3", "--rule", "1se", "--json")
    found = json.loads(done(*words))
    assert found["Cs"] == [0.1, 1.0, 10.0]
    assert found["choice"]["rule"] == "1se"
    marked = [row["C"] for row in found["tried"] if "1se" in row["marks"]]
    assert marked == [found["choice"]["C"]]
    assert found["certificate"]["holds"]
    assert json.loads(done(*words)) == found  # the seed is part of it
    assert np.shape(found["mean_scores"]) == (1, 3)


def test_one_strength_suits_columns_in_all_units(tmp_path: Path) -> None:
    """Without a word columns are divided by their deviations; where they are not, and the weakest
    penalty was best, that is a remedy."""
    table = people(tmp_path / "people.csv")
    in_other_units = tmp_path / "other.csv"
    head, *lines = table.read_text().splitlines()
    cells = [line.split(",") for line in lines]
    in_other_units.write_text("\n".join([head, *(",".join([f"{float(a) * 2.0**20}", *rest]) for a, *rest in cells)]))
    words = ("--target", "ill", "--drop", "day", "--drop", "person", "--l1-ratio", "0", "--folds", "3", "--json")
    ours, others = (json.loads(done("tune", path, *words)) for path in (table, in_other_units))
    assert np.allclose(ours["mean_scores"], others["mean_scores"], rtol=0, atol=1e-4)
    result = run("tune", in_other_units, *words[:-1], "--scale", "none", "--C", "1e-17,1e-16")
    assert "give larger ones with --C, or --scale standard" in " ".join(result.output.split())


def test_folds_by_groups_and_by_time(tmp_path: Path) -> None:
    table = people(tmp_path / "people.csv")
    words = ("tune", table, "--target", "ill", "--l1-ratio", "1", "--C", "3", "--folds", "3", "--json")
    by_group = json.loads(done(*words, "--groups", "person", "--drop", "day"))
    assert by_group["choice"]["n_folds"] == 3
    assert by_group["data"]["n_features"] == 3
    by_time = json.loads(done(*words, "--time", "day", "--drop", "person", "--metric", "auc"))
    assert by_time["choice"]["metric"] == "roc_auc"
    assert by_time["mean_scores"] != by_group["mean_scores"]


def test_groups_of_coefficients(tmp_path: Path) -> None:
    table, out, report = people(tmp_path / "people.csv"), tmp_path / "m.safetensors", tmp_path / "tune.html"
    words = ("tune", table, "--target", "ill", "--drop", "person", "--drop", "day", "--l1-ratio", "0.5", "--C", "3")
    groups = ("--folds", "3", "--penalty-groups", "columns", "--group-ratio", "0.8", "--out", out, "--json")
    found = json.loads(done(*words, *groups))
    assert found["objective"]["groups"] != "none"
    assert found["objective"]["group_ratio"] == 0.8
    model = polytome.load(out)
    assert (model.groups, model.group_ratio) == ("columns", 0.8)
    source = open_source(str(table), target="ill", drop=["day", "person"])
    search = LogisticRegressionCV(Cs=3, l1_ratios=[0, 1], cv=3, groups="columns")
    path = path_of_source(tune_source(search, source), source)
    assert (path.groups, search.best_model().groups) == (("columns",) * 2 if search.l1_ratio_ else (None,) * 2)
    pytest.importorskip("jinja2")
    done(*words, *groups[:4], "--report", report)
    assert "that are not 0 goes from 0 to" in report.read_text()


def test_means_that_fill_gaps_are_learned_from_training_rows(tmp_path: Path) -> None:
    source = open_source(
        str(people(tmp_path / "gaps.csv", gaps=True)), target="ill", missing="mean", drop=["day", "person"]
    )
    folds = [(np.arange(20, 60), np.arange(20)), (np.arange(40), np.arange(40, 60))]
    search = tune_source(LogisticRegressionCV(Cs=[1.0], l1_ratios=[0], cv=folds, tol=1e-9), source)
    gaps = np.arange(60) % 7 == 0
    for fold, (train, _) in enumerate(folds):
        X = source.X.copy()
        X[gaps, 0] = X[train][~gaps[train], 0].mean()
        model = polytome.LogisticRegression(C=1.0, tol=1e-9).fit(X[train], source.y[train])
        assert search.coefs_paths_[fold, 0, 0, :, :-1] == pytest.approx(model.coef_, rel=1e-4)


def test_the_report_shows_the_choice(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    report = tmp_path / "tune.html"
    words = ("--positive", "virginica", "--l1-ratio", "1", "--C", "4", "--folds", "3", "--report", report)
    assert f"The report is in {report}" in done("tune", "iris", *words).replace("\n", "")
    page = report.read_text()
    assert "How the penalty was chosen" in page
    assert "Cross-validation in 3 folds" not in page.split("<h2")[0]
    assert page.count("<figure") >= 3
    assert "the number of coefficients that are not 0 goes from 0 to" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rule", "best"], "rule='best': needs 'min'"),
        (["--l1-ratio", "1.5"], "l1_ratios=[1.5]: needs a list of numbers from 0"),
        (["--C", "0.1,-1"], "Cs[1] is -1: needs positive finite numbers"),
        (["--metric", "goodness"], "--metric goodness: needs one of log-loss, accuracy"),
        (["--groups", "person", "--time", "day"], "rows are held out by one of them"),
        (["--groups", "family"], "--groups family: "),
        (["--groups", "columns"], "for groups of coefficients give --penalty-groups columns"),
        (["--penalty-groups", "classes", "--l1-ratio", "0"], "groups has no effect where l1_ratio is 0"),
        (["--penalty-groups", "columns", "--bounds", "0:"], "bounds and groups: "),
        (["--group-ratio", "0.5"], "group_ratio=0.5 has no effect without groups"),
        (["--folds", "61"], "--folds 61: "),
        (["--folds", "13", "--groups", "person"], "has 12 groups, fewer than 13 folds"),
        (["other.csv"], "tune takes one source"),
    ],
)
def test_what_is_refused(words: list[str], said: str, tmp_path: Path) -> None:
    result = run("tune", people(tmp_path / "people.csv"), "--target", "ill", "--drop", "day", *words)
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error")]
    assert said in line


def test_a_number_that_is_none(tmp_path: Path) -> None:
    result = run("tune", "iris", "--l1-ratio", "some")
    assert result.exit_code == 2
    assert "'some' is not a number" in result.stderr


def test_a_group_that_is_missing(tmp_path: Path) -> None:
    table = people(tmp_path / "people.csv")
    table.write_text(table.read_text().replace(",p3,", ",,", 1))
    result = run("tune", table, "--target", "ill", "--groups", "person", "--drop", "day")
    assert "the cell is missing, and --groups needs it" in " ".join(result.stderr.split())
    assert "--groups person: iris is a built-in data set" in run("tune", "iris", "--groups", "person").stderr


def test_times_whose_order_is_not_that_of_the_alphabet_are_refused() -> None:
    times = np.array(["2026-02-01", "2025-12-31", "2026-01-31"])
    assert order_of_times(times).tolist() == [1, 2, 0]
    assert order_of_times(np.array(["2026-02-01 12:00", "2026-02-01 09:30"])).tolist() == [1, 0]
    for text in ("mon", "31.01.2026", "2026-1-31", "01/31/2026"):
        with pytest.raises(DataError, match="whose order in time is not known"):
            order_of_times(np.array(["2026-02-01", text]))
