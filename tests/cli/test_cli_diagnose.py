"""`polytome diagnose` and what `train` says of coefficients without a finite estimate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import done, run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [
        f"{age},{town},{age % 3},{label}" for age, town, label in zip(range(30), "aab" * 10, "nyyynn" * 5, strict=True)
    ]
    rows += [f"{age},c,{age % 3},y" for age in range(30, 36)]
    path = tmp_path / "people.csv"
    path.write_text("age,town,third,bought\n" + "\n".join(rows) + "\n")
    return path


def test_what_separates_and_what_depends_is_named(table: Path) -> None:
    said = done("diagnose", table, "--target", "bought")
    assert "Separated in part: in 6 of 36 rows" in said
    assert "  'town=c'  to +infinity" in said
    assert "Sums of other columns" not in said  # town=a is left out, and the others are compared with it
    header, *lines = table.read_text().splitlines()
    doubled = table.with_name("doubled.csv")
    doubled.write_text("\n".join([f"twice,{header}", *(f"{2 * int(line.split(',')[0])},{line}" for line in lines)]))
    assert "'age' = 0.5 'twice'" in done("diagnose", doubled, "--target", "bought")
    found = json.loads(done("diagnose", table, "--target", "bought", "--drop", "town", "--json"))
    assert (found["separated"], found["infinite"], found["aliases"]) == ("no", [], [])


def test_train_says_it_and_the_model_file_keeps_it(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    ended = run("train", table, "--target", "bought", "--C", "inf", "--out", out)
    assert ended.exit_code == 0
    assert "No finite coefficients are optimal: in 6 of 36 rows" in " ".join(ended.stderr.split())
    shown = run("explain", out)
    assert "No finite coefficients are optimal" in " ".join(shown.stderr.split())
    found = json.loads(done("explain", out, "--json"))["separation"]
    assert found["n_separated"] == 6
    assert "town=c" in {each["feature"] for each in found["infinite"]}
    assert "No finite coefficients are optimal" in done("card", out)
    assert json.loads(done("train", table, "--target", "bought", "--json"))["separation"] is None


def test_a_wrong_target_is_one_line(table: Path) -> None:
    ended = run("diagnose", table, "--target", "sold")
    assert ended.exit_code == 1
    assert "sold" in ended.stderr
