"""Columns of text in rows that are read piece by piece: the terms, and the models, of the same rows
in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from commands import done, run
from polytome import LogisticRegression, load, open_rows
from polytome.errors import ArgumentError, DataError
from polytome.files.row_cache import cached
from polytome.files.sources import hold_out, open_source, suited_scale
from polytome.files.streamed import hold_out_streamed
from polytome.tables import text_columns
from polytome.tables.frames import TextCells
from polytome.tables.streams import opening
from polytome.tables.text_columns import TermCounts, TextOptions, learn_terms

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
_WORDS = np.array(["cat", "dog", "Ärger", "sun", "rain", "car", "win", "prize", "free", "six", "see", "you"])
OPTIONS = [
    TextOptions(),
    TextOptions(min_count=6, lowercase=False),
    TextOptions(hashing=64),
    TextOptions(ngrams=(1, 2), max_features=40, tfidf=False),
    TextOptions(analyzer="char_wb", ngrams=(2, 3), tfidf=False),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of messages, a number and a category; a message and a number are missing."""
    rng, place = np.random.default_rng(0), tmp_path_factory.mktemp("messages")
    y = rng.integers(0, 3, 400)
    messages = [" ".join(rng.choice(_WORDS, rng.integers(1, 9))) + " zebra" * int(label == 1) for label in y]
    numbers: list[float | None] = rng.normal(size=400).tolist()
    messages[5], numbers[300] = "", None
    table = pyarrow.table({"message": messages, "a": numbers, "hue": rng.choice(["r", "b"], 400), "y": y})
    for name, part in (("0", table.slice(0, 150)), ("1", table.slice(150))):
        parquet.write_table(part, place / f"{name}.parquet", row_group_size=100)
    parquet.write_table(table, place.parent / "whole.parquet")
    return place


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_MOST_PIECE_TEXTS", 64)


def both(folder: Path, **options: Any) -> tuple[Any, Any]:
    options = {"target": "y", "text": ["message"], "missing": "mean", **options}
    return open_source(str(folder.parent / "whole.parquet"), **options), open_rows(folder, **options)


def dense(table: Any) -> np.ndarray:
    return np.vstack([piece.toarray() for _, piece in table.X.pieces(range(len(table.X.parts)))])


@pytest.mark.parametrize("missing", ["mean", "drop"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_terms_and_features_are_those_of_rows_in_memory(options: TextOptions, missing: str, folder: Path) -> None:
    held, streamed = both(folder, text_options=options, missing=missing)
    assert len(list(streamed.X.pieces(range(len(streamed.X.parts))))) > 6
    assert streamed.encoder.columns[0].terms == held.encoder.columns[0].terms
    assert_array_equal(dense(streamed)[:, :-3], held.X.toarray()[:, :-3])  # the others have means added up in pieces
    assert streamed.X.n_entries >= held.X.nnz
    one, other = hold_out(held, 0.3, seed=1), hold_out_streamed(streamed, 0.3, seed=1)
    assert other.encoder.columns[0].terms == one.encoder.columns[0].terms
    assert_array_equal(dense(other.test)[:, :-3], one.X_test.toarray()[:, :-3])


def test_the_model_is_that_of_rows_in_memory(folder: Path, tmp_path: Path) -> None:
    held, streamed = both(folder)
    scale = suited_scale(streamed.encoder)
    assert_array_equal(scale, suited_scale(held.encoder))
    one = LogisticRegression(scale=scale, tol=1e-9).fit(held.X, held.y)
    for table in (streamed, cached(streamed, tmp_path)):
        other = LogisticRegression(scale=scale, tol=1e-9).fit(table)
        assert other.certificate_.holds
        assert_allclose(other.coef_, one.coef_, rtol=1e-8, atol=1e-10)


def test_from_the_command_line(folder: Path, tmp_path: Path) -> None:
    model, report, predictions = (tmp_path / name for name in ("m.safetensors", "r.html", "p.csv"))
    given = ("--target", "y", "--text", "message", "--missing", "mean")
    more = ("--min-count", "2", "--test-fraction", "0.2", "--checkpoint", tmp_path / "fit.checkpoint")
    done("train", folder, *given, *more, "--out", model, "--report", report)
    same = tmp_path / "same.safetensors"
    done("train", folder.parent / "whole.parquet", *given, *more[:4], "--out", same)
    one, other = load(same), load(model)
    assert other.encoder_.columns[0].terms == one.encoder_.columns[0].terms
    assert_array_equal(other.scale, one.scale)
    assert_allclose(other.coef_, one.coef_, atol=0.05)  # both to 1e-4 of the null model
    assert "message: zebra" in report.read_text()
    done("predict", model, folder, "--out", predictions)
    assert len(predictions.read_text().splitlines()) == 401
    assert "accuracy" in done("evaluate", model, folder)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"text": ["y"]}, "is also named by --target"),
        ({"text": ["hue"], "categories": ["hue"]}, "is also named by --categories"),
        ({"text": ["mesage"]}, "mesage"),
        ({"text_options": TextOptions()}, "options of texts are given, and no column of text"),
    ],
)
def test_a_column_that_cannot_be_text_is_refused(options: dict[str, Any], words: str, folder: Path) -> None:
    with pytest.raises(ArgumentError, match=words):
        open_source(str(folder.parent / "whole.parquet"), target="y", **options)
    with pytest.raises(ArgumentError, match=words):
        open_rows(folder, target="y", **options)


def test_what_texts_hold_is_refused_by_its_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"0\.parquet.*row 6.*'message'.*missing"):
        open_rows(folder, target="y", text=["message"])
    with pytest.raises(DataError, match="no term occurs in 1000 texts or more"):
        open_rows(folder, target="y", text=["message"], missing="mean", text_options=TextOptions(min_count=1000))
    monkeypatch.setattr(text_columns, "MOST_TERMS", 9)
    said = run("train", folder, "--target", "y", "--text", "message", "--missing", "mean").stderr
    assert "'message': holds 13 or more different terms, and 9 of them are kept" in " ".join(said.split())
    assert "--hashing" in said
    open_rows(folder, target="y", text=["message"], missing="mean", text_options=TextOptions(hashing=64))


def test_text_in_files_without_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.svm").write_text("1 1:2\n0 2:1\n")
    with pytest.raises(ArgumentError, match="need named columns"):
        open_rows(tmp_path / "rows.svm", text=["message"])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("size", [1, 7, 300])
def test_counts_of_texts_that_come_some_at_a_time(options: TextOptions, size: int) -> None:
    rng = np.random.default_rng(size)
    texts = [" ".join(rng.choice(_WORDS, rng.integers(0, 9))) for _ in range(300)]
    counts = TermCounts(options, "texts")
    for start in range(0, 300, size):
        counts.see(TextCells.of(texts[start : start + size]))
    learned = learn_terms(TextCells.of(texts), options, "texts")
    assert counts.terms() == learned
    assert counts.n_entries == learned.encode(TextCells.of(texts)).nnz


def test_texts_without_terms_say_what_to_do() -> None:
    counts = TermCounts(TextOptions(), "t.csv, column 'x'")
    counts.see(TextCells.of(["a", "b c"]))
    with pytest.raises(DataError, match=r"t\.csv, column 'x': no text holds a word of two letters or more"):
        counts.terms()
