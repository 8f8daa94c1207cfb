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
