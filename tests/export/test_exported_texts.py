"""Models of texts in ONNX: the terms that the graph finds are those of the model, in any script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exported_models import data_folder, encoded_rows
from polytome import LogisticRegression, TextOptions
from polytome.errors import ArgumentError
from polytome.export import to_c, to_onnx, to_sklearn, to_sql, to_torch, write_onnx
from polytome.files.sources import fit_source, open_source

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

LINES = """message,age,sort,label
win a FREE prize é,1,a,spam
"free cash, now: x-y",,b,spam
see you at home Über,3,a,ham
dinner now?  don't\tgo,4,,ham
οδος 中文 now,5,a,other
"""
LETTERS = "aAbfreewin now éÉüÜßKſσςδ中文²٣_-.,!'\t\n\r\u3000\u00a0\u200b\u0301😀Ǆﬁ"


def model_of(folder: Path, missing: str = "mean", lines: str = LINES, **options: Any) -> LogisticRegression:
    path = folder / "messages.csv"
    path.write_text(lines, encoding="utf-8")
    how: dict[str, Any] = {"target": "label", "text": ["message"], "text_options": TextOptions(**options)}
    source = open_source(str(path), missing=missing, unknown="zero", **how)
    return fit_source(LogisticRegression(scale=source.scale), source)


def run(model: LogisticRegression, texts: list[str], **others: Any) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(to_onnx(model).SerializeToString(), providers=["CPUExecutionProvider"])
    feed = {"message": np.array(texts, dtype=object).reshape(-1, 1)}
    feed |= {name: np.array(values).reshape(-1, 1) for name, values in others.items()}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def drawn_texts(number: int) -> list[str]:
    """Texts of the training words, and of characters that analyzers treat each in its way."""
    random, words = np.random.default_rng(7), LINES.replace(",", " ").split()
    texts = []
    for _ in range(number):
        pieces = [words[k] for k in random.integers(len(words), size=random.integers(6))]
        pieces += ["".join(LETTERS[k] for k in random.integers(len(LETTERS), size=random.integers(1, 12)))]
        texts.append("".join(piece + LETTERS[random.integers(len(LETTERS))] for piece in random.permutation(pieces)))
    return texts


@pytest.mark.parametrize("tfidf", [True, False])
@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("ngrams", [(1, 1), (1, 2), (2, 4)])
@pytest.mark.parametrize("analyzer", ["word", "char", "char_wb"])
def test_texts_of_any_script_have_the_probabilities_of_the_model(
    analyzer: Any, ngrams: tuple[int, int], lowercase: bool, tfidf: bool, tmp_path: Path
) -> None:
    model = model_of(tmp_path, analyzer=analyzer, ngrams=ngrams, lowercase=lowercase, tfidf=tfidf)
    texts = [*drawn_texts(300), "", "  ", "\t", "free"]
    n_rows = len(texts)
    found = run(model, texts, age=np.arange(n_rows, dtype=float), sort=np.array(["a", "b"] * (n_rows // 2), object))
    cells = {"message": texts, "age": [*range(n_rows)], "sort": ["a", "b"] * (n_rows // 2)}
    expected = model.predict_proba(encoded_rows(model, cells))
    assert np.abs(found["probabilities"] - expected).max() < 1e-13
    assert (found["label"] == model.predict(encoded_rows(model, cells))).all()


def test_the_file_is_seen_to_agree_before_it_is_written(tmp_path: Path) -> None:
    model = model_of(tmp_path, ngrams=(1, 2))
    seen = write_onnx(model, tmp_path / "model.onnx")
    assert (seen.n_rows, seen.n_labels_differ) == (256, 0)
    assert seen.largest_difference < 1e-13
    half = write_onnx(model, tmp_path / "half.onnx", precision="float32")
    assert 1e-10 < half.largest_difference < 1e-5
    given = {"message": ["free cash", "now"], "age": [1.0, 2.0], "sort": ["a", "b"]}
    assert write_onnx(model, tmp_path / "model.onnx", rows=given).n_rows == 2


def test_what_the_graph_cannot_read_as_the_model_does_gets_nan(tmp_path: Path) -> None:
    """The lower case of one letter is two, that of another depends on its neighbours."""
    lines = "message,label\nfree now,yes\nsee you,no\n"
    model = model_of(tmp_path, missing="error", lines=lines)
    found = run(model, ["free", "İstanbul free", "ΟΔΥΣΣΕΥΣ\nfree", "", "  ", "oδυσσευς free"])
    np.testing.assert_array_equal(np.isnan(found["probabilities"]).any(axis=1), [False, True, True, True, True, False])
    np.testing.assert_array_equal(found["label"] == "", [False, True, True, True, True, False])
    cased = model_of(tmp_path, lowercase=False, lines=lines)
    assert np.isfinite(run(cased, ["İstanbul free ΟΔΥΣΣΕΥΣ"])["probabilities"]).all()


def test_no_texts_and_texts_without_terms(tmp_path: Path) -> None:
    model = model_of(tmp_path, lines="message,label\nfree now,yes\nsee you,no\n")
    assert run(model, [])["probabilities"].shape == (0, 2)
    empty = run(model, ["", ""])["probabilities"]
    np.testing.assert_allclose(empty, model.predict_proba(encoded_rows(model, {"message": ["", ""]})), atol=1e-15)


def test_every_letter_of_unicode_is_read_alike(tmp_path: Path) -> None:
    """Each between two words that are known: as a letter it joins them."""
    model = model_of(tmp_path, lines="message,label\nfree now,yes\nsee you,no\n", ngrams=(1, 2))
    letters = [chr(code) for code in range(1, 0x3000) if chr(code) not in "İΣ"]
    texts = [f"free{letter}now see{letter}" for letter in letters]
    expected = model.predict_proba(encoded_rows(model, {"message": texts}))
    assert len({*np.round(expected[:, 0], 9)}) == 2
    assert np.abs(run(model, texts)["probabilities"] - expected).max() < 1e-13


def test_other_forms_and_hashed_terms_are_refused_with_a_remedy(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    for refused in (to_c, to_sql, to_sklearn, to_torch):
        with pytest.raises(
            ArgumentError, match=r"column 'message' is text, whose terms ONNX alone finds .*; export to"
        ):
            refused(model)
    with pytest.raises(ArgumentError, match=r"hashed terms, which no other form hashes .*; train without --hashing"):
        to_onnx(model_of(tmp_path, hashing=64))


@pytest.mark.data
def test_the_messages_as_they_are(tmp_path: Path) -> None:
    path = data_folder() / "text" / "SMSSpamCollection"
    source = open_source(str(path), target="1", text=["2"], text_options=TextOptions(max_features=2000))
    model = fit_source(LogisticRegression(scale=source.scale, tol=1e-2), source)
    name = model.encoder_.columns[0].name
    texts = [line.split("\t")[1] for line in path.read_text(encoding="utf-8").splitlines()][:1000]
    seen = write_onnx(model, tmp_path / "sms.onnx", rows={name: texts})
    assert (seen.n_rows, seen.n_labels_differ) == (1000, 0)
    assert seen.largest_difference < 1e-12
