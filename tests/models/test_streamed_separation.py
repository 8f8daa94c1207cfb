"""What separates the classes of rows that stay in their files: the same proof as of rows in memory,
or a word that it was not looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet
from sklearn.exceptions import ConvergenceWarning

from polytome import LogisticRegression, OneVsRest, load, open_rows
from polytome.files.streamed import fit_streamed
from polytome.models import separation
from polytome.models.diagnose import diagnose
from polytome.models.separation import separation_sentence, separation_to_json
from polytome.tables.table import read_table


def write(folder: Path, classes: str, *, rare: bool = True) -> Path:
    """Rows of which those of a rare level are all of the last class, in several parts."""
    rng = np.random.default_rng(len(classes))
    n = 900
    X, hue = rng.normal(size=(n, 2)), np.array(list("uvw"))[rng.integers(0, 3, n)]
    scores = np.c_[X, np.zeros(n)][:, : len(classes)]
    y = np.array(list(classes))[np.argmax(scores + rng.gumbel(size=scores.shape), axis=1)]
    if rare:
        chosen = np.arange(n) % 301 == 11
        hue, y = np.where(chosen, "rare", hue), np.where(chosen, classes[-1], y)
    path = folder / "rows.parquet"
    parquet.write_table(pyarrow.table({"a": X[:, 0], "b": X[:, 1], "hue": hue, "y": y}), path, row_group_size=450)
    return path


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytome.tables.streams.opening._MOST_PIECE_ROWS", 100)


@pytest.mark.parametrize(("model", "classes"), [(LogisticRegression, "abc"), (OneVsRest, "ny")])
def test_the_same_is_proved_of_rows_in_files(tmp_path: Path, classes: str, model: Any) -> None:
    path = write(tmp_path, classes)
    whole, rows = read_table(path, target="y"), open_rows(path, target="y")
    assert len(rows.X.parts) > 1
    with pytest.warns(ConvergenceWarning, match="No finite coefficients are optimal: in 3 of 900 rows"):
        streamed = model(C=np.inf).fit(rows)
    with pytest.warns(ConvergenceWarning):
        in_memory = model(C=np.inf).fit(whole.X, whole.y)
    assert streamed.separation_ == in_memory.separation_
    assert str(diagnose(rows)) == str(diagnose(whole.X, whole.y, encoder=whole.encoder))


def test_nothing_separates_where_nothing_does(tmp_path: Path) -> None:
    rows = open_rows(write(tmp_path, "abc", rare=False), target="y")
    found = diagnose(rows)
    assert (found.separation, found.not_looked_for) == (None, "")
    model = LogisticRegression(C=np.inf, tol=1e-6).fit(rows)
    assert model.separation_ is None
    assert separation_sentence(model) == ""


def test_what_is_not_looked_for_is_said_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, said = write(tmp_path, "ny"), "900 rows times 2 classes are more than the 1,000 that are looked at"
    monkeypatch.setattr(separation, "_MOST_LABELS", 1000)
    with pytest.warns(ConvergenceWarning, match=f"separated is not known: {said}"):
        model = LogisticRegression(C=np.inf).fit(open_rows(path, target="y"))
    assert separation_to_json(model) == {"not_looked_for": said}
    model.save(tmp_path / "m.safetensors")
    assert separation_sentence(load(tmp_path / "m.safetensors")) == separation_sentence(model)
    found = diagnose(open_rows(path, target="y"))
    assert str(found).startswith(f"Whether the classes are separated is not known: {said}.")
    assert found.to_json()["separated"] == "not known"
    with pytest.warns(ConvergenceWarning):
        model.set_params(C=np.inf).fit([[0.0], [0.0], [1.0]], [0, 1, 1])
    assert "separation_unknown_" not in vars(model)  # of the fit before


def test_memory_bounds_what_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separation, "memory_left", lambda memory: 10**5)
    assert "is not known: that would take 0 MB" in str(diagnose(open_rows(write(tmp_path, "ny"), target="y")))


def test_checkpoints_do_not_keep_what_is_asked_of_each_row(tmp_path: Path) -> None:
    rows = open_rows(write(tmp_path, "ny"), target="y")
    with pytest.warns(ConvergenceWarning):
        model = fit_streamed(LogisticRegression(C=np.inf), rows, checkpoint=tmp_path / "fit.checkpoint")
    size = (tmp_path / "fit.checkpoint").stat().st_size
    with pytest.warns(ConvergenceWarning):
        again = fit_streamed(LogisticRegression(C=np.inf), rows, checkpoint=tmp_path / "fit.checkpoint")
    assert again.separation_ == model.separation_
    assert (tmp_path / "fit.checkpoint").stat().st_size == size
