"""Penalties from the command line: trained, reported, saved and verified."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from commands import done, run
from polytome import LogisticRegression, load
from polytome.files.sources import open_source


def test_a_share_of_absolute_values_is_trained_reported_saved_and_verified(tmp_path: Path) -> None:
    files = ["--out", tmp_path / "m.safetensors", "--report", tmp_path / "m.html"]
    text = " ".join(done("train", "iris", "--l1-ratio", "1", "--C", "0.5", *files).split())
    assert "C = 0.5, l1_ratio = 1: 9 of 12 coefficients are 0" in text
    assert "sum of absolute coefficients (C = 0.5)" in (tmp_path / "m.html").read_text()
    rows = open_source("iris")
    model = LogisticRegression(l1_ratio=1, C=0.5).fit(rows.X, rows.y)
    assert np.array_equal(load(tmp_path / "m.safetensors").coef_, model.coef_)
    pytest.importorskip("flint")
    assert "nothing is proved of how far" in " ".join(done("verify", tmp_path / "m.safetensors", "iris").split())
    wrong = run("train", "iris", "--l1-ratio", "1.5")
    assert wrong.exit_code == 1
    assert "l1_ratio=1.5: needs a number from 0" in wrong.stderr


def test_groups_are_trained_reported_and_saved(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    rng = np.random.default_rng(3)
    size = rng.normal(size=90)
    rows = zip(rng.choice(["red", "green", "blue"], 90), size, np.where(size > 0.1, "big", "small"), strict=True)
    file.write_text("colour,size,label\n" + "\n".join(f"{colour},{x:.4f},{label}" for colour, x, label in rows))
    files = ["--out", tmp_path / "m.safetensors", "--report", tmp_path / "m.html"]
    options = ["--target", "label", "--l1-ratio", "1", "--C", "0.1", "--groups", "columns"]
    text = " ".join(done("train", file, *options, *files).split())
    assert "groups = 2 groups of 4 columns: 3 of 4 coefficients are 0" in text
    assert "norms of the coefficients of 2 groups of 4 columns" in (tmp_path / "m.html").read_text()
    assert load(tmp_path / "m.safetensors").groups == "columns"
    assert "not 'none', 'classes' or 'columns'" in " ".join(run("train", file, "--groups", "rows").stderr.split())
    wrong = run("train", file, "--target", "label", "--groups", "classes")
    assert wrong.exit_code == 1
    assert "groups has no effect where l1_ratio is 0" in " ".join(wrong.stderr.split())
    text = run("train", file, *options, "--group-ratio", "0.5", "--report", str(tmp_path / "s.html")).stdout
    assert "groups = 2 groups of 4 columns, group_ratio = 0.5: " in " ".join(text.split())
    of_page = (
        "(0.5 of the sum of the norms of the coefficients of 2 groups of 4 columns, each times the root of its size"
    )
    assert f"{of_page}, and 0.5 of the sum of absolute coefficients)" in (tmp_path / "s.html").read_text()
    wrong = run("train", file, "--target", "label", "--l1-ratio", "1", "--group-ratio", "0.5")
    assert "group_ratio=0.5 has no effect without groups" in " ".join(wrong.stderr.split())
