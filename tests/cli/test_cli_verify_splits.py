"""`polytome verify` on the whole table of a model that held out groups or the latest rows."""

import json

import numpy as np
import pytest

from commands import run
from polytome.files.model_file import load


@pytest.fixture(scope="module")
def visits(tmp_path_factory):
    """Rows of patients and days, of which some have a missing cell; and the same without the
    columns that divide them."""
    folder = tmp_path_factory.mktemp("splits")
    random = np.random.default_rng(5)
    lines, bare = ["patient,day,dose,town,ill"], ["dose,town,ill"]
    for number in range(60):
        dose = "" if number % 17 == 3 else f"{random.normal():.3f}"
        rest = f"{dose},{random.choice(['Bath', 'Oslo'])},{random.choice(['no', 'yes'])}"
        lines.append(f"p{random.integers(12)},2026-{random.integers(1, 12):02d}-{random.integers(1, 28):02d},{rest}")
        bare.append(rest)
    (folder / "visits.csv").write_text("\n".join(lines) + "\n")
    (folder / "bare.csv").write_text("\n".join(bare) + "\n")
    return folder


@pytest.fixture(scope="module", params=["group", "time"])
def held_out(request, visits):
    """A model, the file it was trained on, and the option that divided the rows."""
    out, option = visits / f"{request.param}.safetensors", f"--{request.param}"
    column, other = ("patient", "day") if request.param == "group" else ("day", "patient")
    words = ("--target", "ill", "--test-fraction", 0.3, option, column, "--drop", other, "--missing", "drop")
    trained = run("train", visits / "visits.csv", *words, "--seed", 3, "--out", out)
    assert trained.exit_code == 0, trained.output
    return out, visits, column


def test_the_file_tells_how_rows_were_divided(held_out):
    out, _, column = held_out
    record = load(out).training_
    assert (record.divided_by.column, record.divided_by.fraction, record.divided_by.seed) == (column, 0.3, 3)
    assert record.test_fraction is None
    assert 0 < record.n_test_rows < record.n_rows


def test_the_whole_table_is_divided_again(held_out):
    pytest.importorskip("flint")
    out, visits, _ = held_out
    result = run("verify", out, visits / "visits.csv", "--missing", "drop", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["verdict"], found["n_rows"]) == ("confirmed", load(out).training_.n_rows)


def test_a_table_without_the_column_is_refused_with_the_remedy(held_out):
    pytest.importorskip("flint")
    out, visits, column = held_out
    result = run("verify", out, visits / "bare.csv", "--missing", "drop")
    assert result.exit_code == 1
    assert f"column '{column}', by which training held out rows" in result.stderr
    assert "give the whole table with it, or the training rows alone" in result.stderr
