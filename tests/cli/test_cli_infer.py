"""`polytome infer`, and `diagnose` with a formula."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from commands import done, run
from inference_data import people
from polytome.inference import fit_formula


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = people()
    frame.loc[4, "town"] = None
    path = tmp_path_factory.mktemp("infer") / "people.csv"
    frame.to_csv(path, index=False)
    return path


def test_the_table_is_that_of_fit_formula(file: Path) -> None:
    frame = people().drop(index=4)
    frame["member"] = frame["member"].astype(float)
    said = done("infer", file, "vote ~ town + member", "--reference", "no")
    expected = fit_formula("vote ~ town + member", frame, reference="no")
    assert "119 rows, 1 more left out as something is missing" in said
    assert all(len(line) <= 80 for line in said.splitlines())
    found = json.loads(done("infer", file, "vote ~ town + member", "--reference", "no", "--json"))
    values = np.array([row["coefficient"] for row in found["coefficients"]])
    assert_allclose(values, expected.coefficients.ravel(), rtol=1e-8)
    assert_allclose(found["covariance"], expected.covariance, rtol=1e-7, atol=1e-12)
    for line in str(expected).splitlines()[-3:]:
        assert line.split()[:1] == [] or line.split()[0] in said


def test_all_that_can_be_asked_is_shown(file: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    asked = ["--odds-ratios", "--profile", "--effects", "--test", "town", "--compare", "vote ~ age", "--report", page]
    said = done("infer", file, "vote ~ town + age", *asked)
    for part in (
        "odds ratio",
        "profile 95 % from",
        "Wald test of town",
        "likelihood ratio test of vote ~ age",
        "age dP/dx",
    ):
        assert part in said
    html = page.read_text()
    assert "Wald test of town" in html
    assert html.count("<table>") == 2
    found = json.loads(done("infer", file, "vote ~ town + age", *asked[:-2], "--json"))
    assert [test["df"] for test in found["tests"]] == [4, 4]
    assert len(found["profile"]["lower"]) == 8
    assert len(found["effects"]) == 9


def test_errors_by_cluster_and_weights(file: Path) -> None:
    said = done("infer", file, "vote ~ age", "--cluster", "group")
    assert "clustered by group (9 clusters)" in said
    said = done("infer", file, "vote ~ age", "--robust", "HC3", "--weights", "count", "--weights-are", "frequencies")
    assert "Standard errors HC3" in said
    assert f"{people()['count'].sum():,} rows" in said
    said = done("infer", file, "vote ~ group", "--categories", "group")
    assert "group[8]" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vote ~ agee"], "Error: formula: there is no column 'agee'; did you mean 'age'?"),
        (["vote ~ age", "--reference", "maybe"], "Error: reference='maybe': not one of the classes of vote"),
        (
            ["vote ~ age", "--test", "agee"],
            "Error: hypothesis 'agee': no coefficient or term is 'agee'; did you mean 'age'?",
        ),
        (["vote ~ age", "--compare", "vote ~ wage"], "'wage' is not a variable of this model"),
        (["vote ~ age", "--weights", "count"], "Error: weights and weights_are need each other"),
        (["vote ~ age", "--cluster", "groups"], "Error: clusters: there is no column 'groups'; did you mean 'group'?"),
        (["vote ~ age", "--robust", "HC0", "--profile"], "the likelihood does not describe; leave it out"),
        (["vote ~ age", "--robust", "HC0", "--firth"], "are of the information alone; leave one of them out"),
        (["vote ~ age", "--categories", "ages"], "categories='ages'"),
    ],
)
def test_what_is_wrong_is_one_line(file: Path, words: list[str], said: str) -> None:
    ended = run("infer", file, *words)
    assert ended.exit_code == 1
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_options_that_exclude_each_other_are_refused(file: Path) -> None:
    assert run("infer", file, "vote ~ age", "--robust", "HC0", "--cluster", "group").exit_code == 2
    assert run("infer", file, "vote ~ age", "--robust", "HC7").exit_code == 2
    assert run("diagnose", file, "vote ~ age", "--target", "vote").exit_code == 2
    ended = run("infer", file.with_name("people.npy"), "vote ~ age")
    assert ended.exit_code == 1


def test_diagnose_takes_a_formula(file: Path, tmp_path: Path) -> None:
    assert "Not separated" in done("diagnose", file, "vote ~ town * age")
    path = tmp_path / "ill.csv"
    path.write_text("ill,exposed\nno,a\nyes,a\nyes,b\n")
    found = json.loads(done("diagnose", path, "ill ~ exposed", "--json"))
    assert found["infinite"] == [{"feature": "exposed[b]", "of": "yes", "against": ["no"], "sign": 1}]
    said = done("infer", path.with_name("ill.csv"), "ill ~ exposed")
    assert "'exposed[b]' to +infinity" in " ".join(said.split())


def test_firth_and_ordered_classes(file: Path, tmp_path: Path) -> None:
    order = ["--order", "no, blank,yes"]
    said = done("infer", file, "vote ~ age + town", *order, "--brant", "--test", "town")
    for part in ("no < blank < yes", "no|blank", "Brant's test of proportional odds: chi2(3)", "Wald test of town"):
        assert part in said
    found = json.loads(done("infer", file, "vote ~ age", *order, "--brant", "--json"))
    assert found["brant"]["df"] == 1
    assert [row["term"] for row in found["coefficients"]] == ["age", "no|blank", "blank|yes"]
    effects = json.loads(done("infer", file, "vote ~ age", *order, "--effects", "--json"))["effects"]
    assert sum(each["effect"] for each in effects) == pytest.approx(0)
    assert "count, 1 < 2 < 3" in done("infer", file, "count ~ age", "--ordered")
    path = tmp_path / "ill.csv"
    path.write_text("ill,exposed\n" + "no,a\n" * 3 + "yes,a\n" * 2 + "yes,b\n" * 3)
    found = json.loads(done("infer", path, "ill ~ exposed", "--firth", "--profile", "--json"))
    assert_allclose([row["coefficient"] for row in found["coefficients"]], [np.log(2.5 / 3.5), np.log(7 * 1.4)])
    assert np.isfinite(found["profile"]["upper"]).all()
    for words, text in (
        (["vote ~ age", "--ordered"], "order: vote holds text"),
        (["vote ~ age", "--order", "no,yes"], "order leaves out 'blank'"),
        (["vote ~ age", "--firth", "--robust", "HC0"], "covariance='HC0'"),
    ):
        ended = run("infer", file, *words)
        assert ended.exit_code == 1
        assert text in ended.stderr
    assert run("infer", file, "vote ~ age", "--firth", "--ordered").exit_code == 2
    assert run("infer", file, "vote ~ age", *order, "--firth").exit_code == 2


def test_resamples_odds_ratios_and_the_level_of_effects(file: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    asked = ["--odds-ratios", "--bootstrap", "30", "--seed", "3", "--effects", "--level", "0.8", "--cluster", "town"]
    said = done("infer", file, "member ~ age", *asked, "--report", page)
    assert "BCa 80 % from" in said
    assert said.count("80 % from") == 3
    assert "resamples of 3 clusters, seed 3" in said
    assert "<h2>Bootstrap</h2>" in page.read_text(encoding="utf-8")
    found = json.loads(done("infer", file, "member ~ age", *asked[:-2], "--json"))
    row = found["coefficients"][1]
    assert row["odds_ratio"] == pytest.approx(np.exp(row["coefficient"]))
    assert row["odds_ratio_upper"] == pytest.approx(np.exp(row["upper"]))
    assert found["bootstrap"]["n"] == 30
    again = fit_formula("member ~ age", people()).effects()
    assert found["effects"][0]["upper"] == pytest.approx(
        again.values[0] + 1.2815515655446004 * again.standard_errors[0]
    )


def test_the_page_never_replaces_the_data(file: Path, tmp_path: Path) -> None:
    data = tmp_path / "people.html"
    data.write_bytes(file.read_bytes())
    said = run("infer", data, "vote ~ town", "--report", data)
    assert said.exit_code == 1
    assert "which this command reads" in said.output
    assert data.read_bytes() == file.read_bytes()
    assert "not a .csv file" in run("infer", file, "vote ~ town", "--report", tmp_path / "page.csv").output


def test_json_has_the_level_that_is_asked_for(file: Path) -> None:
    ends = [json.loads(done("infer", file, "vote ~ age", "--json", "--level", level)) for level in ("0.5", "0.95")]
    assert [each["level"] for each in ends] == [0.5, 0.95]
    widths = [each["coefficients"][1]["upper"] - each["coefficients"][1]["lower"] for each in ends]
    assert widths[0] < 0.5 * widths[1]
    assert "level=2.0: needs a number between 0 and 1" in run("infer", "no such file.csv", "a ~ b", "--level", 2).output
