"""Texts as a user of the command line meets them: from a table or a folder to a report."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.metrics import roc_auc_score

from commands import done, run
from polytome import load
from polytome.files.sources import hold_out, open_source

GOOD = ["the soup was warm and rich", "warm bread, rich butter", "a rich and lovely <b>cake</b>", "lovely warm rooms"]
BAD = ["the soup was cold and thin", "cold rooms and thin walls", "a thin slice of stale cake", "stale, cold coffee"]


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reviews")
    path = folder / "reviews.csv"
    rows = [(f"{text} {n}", n, "good" if text in GOOD else "bad") for n in range(3) for text in (*GOOD, *BAD)]
    path.write_text("said,stars,y\n" + "\n".join(f'"{said}",{stars},{y}' for said, stars, y in rows) + "\n")
    return path


@pytest.fixture(scope="module")
def trained(reviews):
    out, report = (reviews.parent / name for name in ("m.safetensors", "m.html"))
    words = ["--target", "y", "--text", "said", "--ngrams", "1,2", "--min-count", "2", "--test-fraction", "0.25"]
    return out, done("train", reviews, *words, "--out", out, "--report", report), report


def test_a_column_of_text_is_learned_and_its_words_are_named(trained):
    out, told, report = trained
    assert "said: cold" in told
    assert "said: warm" in told
    page = report.read_text("utf-8")
    assert "said: cold" in page
    model = load(out)
    assert "said: and thin" in model.encoder_.feature_names
    explained = json.loads(done("explain", out, "--json"))
    assert {"said: warm", "said: cold"} <= {found["feature"] for found in explained["largest_coefficients"]}


def test_a_report_shows_texts_escaped(trained, reviews, tmp_path):
    done("report", trained[0], reviews, "--out", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "a rich and lovely &lt;b&gt;cake&lt;/b&gt;" in page
    assert "<b>cake</b>" not in page


def test_texts_are_predicted_from_one_file_and_from_several(trained, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("stars,said\n1,lovely warm bread\n2,stale and cold\n")
    lines = done("predict", trained[0], tmp_path / "a.csv").splitlines()
    assert [line.split(",")[0] for line in lines] == ["prediction", "good", "bad"]
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    done("predict", trained[0], tmp_path / "a.csv", tmp_path / "b.csv", "--out", tmp_path / "p.parquet")
    assert parquet.read_table(tmp_path / "p.parquet")["prediction"].to_pylist() == ["good", "bad"] * 2


def test_a_verified_and_evaluated_model_of_texts(trained, reviews):
    assert "Confirmed" in done("verify", trained[0], reviews)
    assert json.loads(done("evaluate", trained[0], reviews, "--json"))["metrics"]["accuracy"] == 1.0


@pytest.mark.parametrize("form", [("--torch", "m.safetensors"), ("--sql", "m.sql"), ("--c", "m.h")])
def test_a_model_of_texts_is_exported_to_onnx_alone_and_other_forms_say_why(trained, tmp_path, form):
    result = run("export", trained[0], form[0], tmp_path / form[1])
    assert result.exit_code == 1
    assert "column 'said' is text, whose terms ONNX alone finds as the model does" in result.output
    assert not (tmp_path / form[1]).exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--text", "sead"], "text='sead'"),
        (["--text", "said", "--ngrams", "2,1"], "ngrams=2,1: needs the shortest and the longest run"),
        (["--text", "said", "--ngrams", "two"], "'two' is not LOW,HIGH"),
        (["--text", "said", "--hashing", "many"], "'many' is not a number of features"),
        (["--text", "said", "--hashing", "2^40"], "hashing=1099511627776: needs a whole number"),
        (["--text", "said", "--analyzer", "line"], "'line' is not one of word, char, char_wb"),
        (["--text", "said", "--hashing", "2^5", "--min-count", "2"], "min_count=2: hashing keeps no terms"),
        (["--ngrams", "1,2", "--categories", "said"], "options of texts are given, and no column of text"),
        (["--text", "said", "--memory", "1KB"], "rows that are read piece by piece need"),
        (["--text", "said", "--encoding", "latin1st"], "is not the name of an encoding of text"),
        ([], "learn from their words with --text said"),
    ],
)
def test_a_wrong_use_is_one_sentence(reviews, words, message):
    result = run("train", reviews, "--target", "y", *words)
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.output.replace("│", " ").split())


def test_hashed_terms_have_numbers_for_names(reviews):
    told = done("train", reviews, "--target", "y", "--text", "said", "--hashing", "2^6", "--no-tfidf", "--json")
    found = json.loads(told)
    assert found["data"]["n_features"] == 65
    assert found["model"]["largest_coefficients"][0]["feature"].startswith("said: #")


def test_a_folder_of_texts_is_trained_on_and_predicted_by_file(tmp_path):
    for label, texts in (("good", GOOD), ("bad", BAD)):
        (tmp_path / "all" / label).mkdir(parents=True)
        for place, text in enumerate(texts):
            (tmp_path / "all" / label / f"{place}.txt").write_text(text)
    out = tmp_path / "m.safetensors"
    assert "text: cold" in done("train", tmp_path / "all", "--out", out)
    lines = done("predict", out, tmp_path / "all" / "bad", "--no-probabilities").splitlines()
    assert lines[0] == "file,prediction"
    assert [Path(line.split(",")[0]).name for line in lines[1:]] == [f"{place}.txt" for place in range(4)]
    assert {line.split(",")[1] for line in lines[1:]} == {"bad"}
    metrics = json.loads(done("evaluate", out, tmp_path / "all", "--encoding", "ascii", "--json"))["metrics"]
    assert metrics["accuracy"] == 1.0
    (tmp_path / "all" / "bad" / "0.txt").write_bytes(b"caf\xe9")
    result = run("predict", out, tmp_path / "all", "--encoding", "ascii")
    assert result.exit_code == 1
    assert "0.txt: byte 4, 0xe9, is not ascii; name the encoding" in " ".join(result.output.split())


@pytest.mark.data
def test_spam_is_found_from_the_raw_file_in_one_command(data, tmp_path):
    path, out = data / "text" / "SMSSpamCollection", tmp_path / "sms.safetensors"
    words = ["--target", "1", "--text", "2", "--test-fraction", "0.2", "--json", "--out", out]
    metrics = json.loads(done("train", path, *words))["metrics"]
    assert metrics["rows"] == "held-out"
    assert metrics["accuracy"] >= 0.98
    rows = hold_out(open_source(str(path), target="1", text=["2"]), 0.2)
    area = roc_auc_score(rows.y_test == "spam", load(out).predict_proba(rows.X_test)[:, 1])
    lines = np.array([line.split("\t", 1)[1].strip() for line in path.read_text("utf-8").splitlines()])
    is_test = np.isin(np.arange(1, len(lines) + 1), rows.test_names)
    vectorizer = TfidfVectorizer()
    peer = Peer(max_iter=1000).fit(vectorizer.fit_transform(lines[~is_test]), rows.y)
    theirs = roc_auc_score(rows.y_test == "spam", peer.predict_proba(vectorizer.transform(lines[is_test]))[:, 1])
    assert area > theirs - 0.002


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ([], "larger ones with --C\n"),  # the scale is one number for each column
        (["--drop", "stars"], "larger ones with --C, or --scale standard\n"),
        (["--scale", "standard"], "larger ones with --C\n"),
        (["--scale", "none", "--l1-ratio", "0"], "larger ones with --C, or --scale standard\n"),
    ],
)
def test_tuning_beside_texts_says_when_the_weakest_penalty_is_best(reviews, words, advice):
    result = run("tune", reviews, "--target", "y", "--text", "said", "--folds", 3, "--C", "0.01,0.1", *words)
    assert result.exit_code == 0, result.output
    assert "is the largest that was tried" in result.stderr
    assert advice in result.stderr


def test_a_table_of_another_encoding_goes_through_all_commands(tmp_path):
    lines = [
        "größe;stadt;kündigt",
        *(f"{k % 7};{('Köln', 'Graz')[k % 3 // 2]};{'jä' if k % 5 < 2 else 'nein'}" for k in range(40)),
    ]
    path, out = tmp_path / "k.csv", tmp_path / "m.safetensors"
    path.write_bytes("\r\n".join(lines).encode("cp1252"))
    done("train", path, "--target", "kündigt", "--encoding", "cp1252", "--out", out)
    said = ["--encoding", "cp1252"]
    assert done("predict", out, path, *said).splitlines()[0] == "prediction,probability_jä,probability_nein"
    done("evaluate", out, path, *said)
    done("compare", out, out, path, *said)
    assert "kündigt = nein" in done("infer", path, "kündigt ~ größe", *said)
    for command in ("plan", "diagnose"):
        done(command, path, "--target", "kündigt", *said)
    done("diagnose", path, "kündigt ~ größe", *said)
    done("card", out, path, *said, "--out", tmp_path / "c.md")
    done("report", out, path, *said, "--out", tmp_path / "r.html")
    for command in ("evaluate", "verify", "report", "card"):
        found = run(command, out, path, path, *said)
        assert found.exit_code == 1
        assert "--encoding" in found.output
    pytest.importorskip("flint")
    assert done("verify", out, path, *said).startswith("Confirmed: ")
