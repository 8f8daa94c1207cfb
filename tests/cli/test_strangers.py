"""What someone who tries the command for the first time would stop at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from commands import done, run
from polytome.cli.show import show_table


def _people(path: Path, ending: str = "") -> Path:
    rows = (f"{k % 9},{k * k % 41},{'rich' if k % 9 > 4 else 'poor'}{ending}" for k in range(60))
    path.write_text("\n".join(["age,gain,income", *rows]))
    return path


def test_test_rows_with_other_labels_are_refused_before_the_fit(tmp_path: Path) -> None:
    rows, out = _people(tmp_path / "a.csv"), tmp_path / "m.safetensors"
    found = run("train", rows, "--target", "income", "--test", _people(tmp_path / "b.csv", "."), "--out", out)
    assert found.exit_code == 1
    said = " ".join(found.output.split())
    assert (
        "no label is one of the classes: its labels are like 'poor.', 'poor.', the classes are 'poor', 'rich'" in said
    )
    assert "Certificate" not in said
    assert not out.exists()
    done("train", rows, "--target", "income", "--test", _people(tmp_path / "c.csv"), "--out", out)
    again = run("evaluate", out, tmp_path / "b.csv")
    assert "write the labels as in training" in " ".join(again.output.split())


@pytest.mark.parametrize("split", [False, True])
def test_no_model_is_proposed_to_lie_in_a_folder_of_data(tmp_path: Path, split: bool) -> None:
    path = tmp_path / "people"
    _people(path)
    said = done("train", path, "--target", "income", *(["--memory", "2GB"] if split else []))
    assert "Not saved: add --out model.safetensors to save the model." in said


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.0003015, "1.0003"), (0.99999871, "0.9999987"), (1.0, "1"), (0.9996, "0.9996"), (2.0, "2"), (1.0 + 2**-52, "1")],
)
def test_an_odds_ratio_near_1_is_not_shown_as_1(value: float, shown: str) -> None:
    console = Console(record=True, width=80)
    show_table(console, "t", ("ratio",), [(value,)])
    assert console.export_text().split()[-1].startswith(shown)


def test_one_pass_is_not_passes(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(30, 1200)).round(3)
    rows = (f"{','.join(map(str, row))},{'ab'[int(row[0] > 0)]}" for row in X)
    (tmp_path / "wide.csv").write_text("\n".join([",".join([*(f"x{j}" for j in range(1200)), "y"]), *rows]))
    assert ", 1 pass over the rows, " in done("train", tmp_path / "wide.csv", "--target", "y")
