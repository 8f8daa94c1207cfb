"""Identifiers, names, numbers with marks and rare levels, from the terminal and from Python; and
predictions in every format, in memory and piece by piece."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import numpy as np
import pandas
import pytest
from typer.testing import CliRunner

from commands import done, run
from polytome import load, train
from polytome.cli.app import app
from polytome.errors import ArgumentError
from polytome.export.form import form_of
from polytome.files import streamed
from polytome.tables.streams.opening import open_rows

NAMES = "customer,city,amount,share,y"
COLUMNS = ("--names", NAMES, "--id", "customer", "--numbers", "amount=1.234,5", "--numbers", "share=12,5%")
OPTIONS = ("--target", "y", *COLUMNS, "--min-level-count", "10")


def written(amount: float) -> str:
    return f"{amount:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bare rows as a bank would write them, with a customer's number that begins with zeros."""
    folder, random = tmp_path_factory.mktemp("columns"), np.random.default_rng(0)
    amounts = random.random(240) * 5000
    cities = np.where(random.random(240) < 0.8, random.choice(["Rome", "Oslo"], 240), "village")
    rare = np.flatnonzero(cities == "village")
    cities = np.where(cities == "village", np.char.add("v", (rare[0] + np.arange(240) % 30).astype(str)), cities)
    labels = np.where(amounts + random.normal(size=240) * 900 > 2500, "high", "low")
    lines = [
        f'{k:05d};{city};{written(amount)};"{written(k % 50)}%";{y}\n'
        for k, (city, amount, y) in enumerate(zip(cities, amounts, labels, strict=True))
    ]
    (folder / "rows.csv").write_text("".join(lines))
    (folder / "bare.csv").write_text("".join(line.rsplit(";", 1)[0] + "\n" for line in lines))
    (folder / "1.csv").write_text("".join(lines[:90]))
    (folder / "2.csv").write_text("".join(lines[90:]))
    pandas.DataFrame({"amount": amounts, "city": cities, "share": np.arange(240) % 50}).assign(
        customer=np.arange(240)
    ).to_parquet(folder / "rows.parquet")
    done("train", folder / "rows.csv", *OPTIONS, "--scale", "standard", "--out", folder / "m.safetensors", "--quiet")
    return folder


def predicted(text: str) -> pandas.DataFrame:
    return pandas.read_csv(StringIO(text), dtype={"customer": str})


def test_a_model_keeps_what_was_said_of_its_columns(folder: Path) -> None:
    model = load(folder / "m.safetensors")
    encoder = model.encoder_
    assert encoder.feature_names == ("city=(other)", "city=Oslo", "city=Rome", "amount", "share")
    assert (encoder.ids, encoder.layout, encoder.min_level_count) == (("customer",), tuple(NAMES.split(",")), 10)
    options = {"names": NAMES.split(","), "ids": "customer", "numbers": {"amount": "1.234,5", "share": "12,5%"}}
    twin = train(folder / "rows.csv", "y", **options, min_level_count=10, scale="standard")
    assert twin.coef_.tobytes() == model.coef_.tobytes()
    assert twin.encoder_ == encoder
    said = json.loads(done("explain", folder / "m.safetensors", "--json"))
    assert said["features"][0] == "city=(other)"


def test_predictions_stand_beside_identifiers_with_and_without_labels(folder: Path) -> None:
    model, found = folder / "m.safetensors", done("predict", folder / "m.safetensors", folder / "rows.csv")
    assert found == done("predict", model, folder / "bare.csv")
    table = predicted(found)
    assert table.columns.tolist() == ["customer", "prediction", "probability_high", "probability_low"]
    assert table.customer.tolist() == [f"{k:05d}" for k in range(240)]
    loaded = load(model)
    rows = pandas.read_csv(folder / "rows.csv", sep=";", header=None, names=NAMES.split(","), dtype=str)
    np.testing.assert_array_equal(loaded.predict_proba(rows), table[["probability_high", "probability_low"]])
    assert "no line of names" not in run("predict", model, folder / "bare.csv").stderr


def test_unknown_levels_join_the_rare_ones(folder: Path) -> None:
    model = load(folder / "m.safetensors")
    rows = pandas.DataFrame({"city": ["v3", "Paris", "(other)"], "amount": [100.0] * 3, "share": ["1%"] * 3})
    assert len(np.unique(model.decision_function(rows))) == 1
    with pytest.raises(ArgumentError, match=r"rare levels of column 'city' are one, '\(other\)'"):
        form_of(model)


def test_files_that_are_read_piece_by_piece_give_the_same_model_and_predictions(folder: Path) -> None:
    files = (folder / "1.csv", folder / "2.csv")
    out = folder / "streamed.safetensors"
    done("train", *files, *OPTIONS, "--scale", "standard", "--test-fraction", "0.2", "--out", out, "--quiet")
    whole = folder / "whole.safetensors"
    words = ("--scale", "standard", "--test-fraction", "0.2", "--out", whole, "--quiet")
    done("train", folder / "rows.csv", *OPTIONS, *words)
    assert load(out).encoder_ == load(whole).encoder_
    np.testing.assert_allclose(load(out).coef_, load(whole).coef_, rtol=1e-3)
    model = folder / "m.safetensors"
    assert done("predict", model, *files) == done("predict", model, folder / "rows.csv")


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow", "jsonl"])
def test_predictions_are_the_same_in_every_format_and_piece_by_piece(ending, folder, tmp_path, monkeypatch) -> None:
    def read(path: Path) -> pandas.DataFrame:
        if ending == "jsonl":
            return pandas.read_json(path, lines=True, dtype={"customer": str}, precise_float=True)
        readers = {"parquet": pandas.read_parquet, "arrow": pandas.read_feather}
        return readers.get(ending, lambda path: predicted(path.read_text()))(path)

    model, out = folder / "m.safetensors", tmp_path / f"p.{ending}"
    expected = predicted(done("predict", model, folder / "rows.csv"))
    said = done("predict", model, folder / "rows.csv", "--out", out)
    assert said.startswith(f"240 predictions are in {out}")
    pandas.testing.assert_frame_equal(read(out), expected, check_dtype=False)
    monkeypatch.setattr(streamed, "_LONG_BYTES", 0)
    whole, out = out.read_bytes(), tmp_path / f"pieces.{ending}"
    done("predict", model, folder / "rows.csv", "--out", out)
    assert out.read_bytes() == whole or ending in ("parquet", "arrow")
    pandas.testing.assert_frame_equal(read(out), expected, check_dtype=False)


def test_rows_that_are_left_out_are_seen_in_the_column_row(folder, tmp_path, monkeypatch) -> None:
    rows = pandas.DataFrame({"city": ["Rome", None, "Oslo"], "amount": [1.0, 2.0, None], "share": [1.0, 2.0, 3.0]})
    rows.assign(customer=[7, 8, 9]).to_parquet(tmp_path / "gaps.parquet")
    rows[:1].assign(customer=[7]).to_parquet(tmp_path / "full.parquet")
    model = folder / "m.safetensors"
    for limit in (streamed._LONG_BYTES, 0):
        monkeypatch.setattr(streamed, "_LONG_BYTES", limit)
        for name in ("gaps", "full"):
            found = done("predict", model, tmp_path / f"{name}.parquet", "--missing", "drop", "--no-probabilities")
            assert found == "row,customer,prediction\n1,7,low\n"


def test_other_columns_are_kept_when_asked_for(folder: Path) -> None:
    model = folder / "m.safetensors"
    found = predicted(done("predict", model, folder / "rows.parquet", "--id", "share,1", "--no-probabilities"))
    assert found.columns.tolist() == ["share", "amount", "prediction"]
    assert found.share.tolist() == (np.arange(240) % 50).tolist()
    found = json.loads(done("predict", model, folder / "rows.parquet", "--json"))
    assert found["customer"] == list(range(240))


def test_pipes_are_read_and_written(folder: Path) -> None:
    def piped(text: bytes, *words: object) -> str:
        result = CliRunner(env={"COLUMNS": "80"}).invoke(app, [str(word) for word in words], input=text)
        assert result.exit_code == 0, result.output
        return result.stdout

    text, model = (folder / "rows.csv").read_bytes(), folder / "piped.safetensors"
    shown = piped(text, "train", "-", *OPTIONS, "--scale", "standard", "--out", model)
    assert "standard input: 240 rows" in shown
    assert load(model).coef_.tobytes() == load(folder / "m.safetensors").coef_.tobytes()
    assert piped(text, "predict", model, "-") == done("predict", model, folder / "rows.csv")
    assert json.loads(piped(text, "evaluate", model, "-", "--json"))["metrics"]["accuracy"] > 0.8
    line = b'{"city": "Rome", "amount": 4800, "share": 1, "customer": "x"}\n'
    assert piped(line, "predict", model, "-", "--no-probabilities") == "customer,prediction\nx,high\n"


def test_other_commands_know_these_columns(folder: Path) -> None:
    for command, *more in (("diagnose",), ("plan",), ("tune", "--C", "1", "--folds", "2")):
        said = run(command, folder / "rows.csv", *OPTIONS, *more, "--json")
        assert said.exit_code == 0, said.stderr


WRONG = [
    (("--names", "a,b,c", "--target", "c"), "names='a', 'b', 'c': are 3, and ", "has 5 columns; give each its name"),
    (("--names", "a,b,c,d,a", "--target", "c"), "names: 'a' stands twice; give each column its own name"),
    (("--names", "a,b,,d,e", "--target", "a"), "names: one is empty; give each column its own name"),
    (("--names", NAMES, "--header", "yes", "--target", "y"), "has a line of names with header='yes'; leave one"),
    (("--target", "y", *COLUMNS, "--id", "y"), "id='y': is also named by --target; leave one of them out"),
    (("--target", "y", *COLUMNS, "--id", "custmer"), "id='custmer'", "did you mean 'customer'?"),
    (("--target", "y", *COLUMNS, "--categories", "customer"), "id='customer': is also named by --categories"),
    (("--target", "y", *COLUMNS, "--numbers", "*=1,234"), "numbers='1,234': ',' may group digits or be the decimal"),
    (("--target", "y", "--names", NAMES, "--numbers", "amount=$1,2"), "is not a number such as $1,2, as the column"),
    (("--target", "y", *COLUMNS, "--numbers", "city=1,5"), "'city': 'Oslo' is not a number such as 1,5"),
    (
        ("--target", "y", *COLUMNS, "--min-level-count", "0"),
        "min_level_count=0: needs a whole number of rows, 1 or more",
    ),
    (("--target", "y", *COLUMNS, "--min-level-count", "500"), "column 'city': holds", "none of them in 500 cells or"),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case[1][:40])
def test_wrong_uses_are_refused_in_one_sentence(case, folder: Path) -> None:
    words, *messages = case
    result = run("train", folder / "rows.csv", *words)
    said = " ".join(result.stderr.split())
    assert result.exit_code == 1
    assert result.stdout == ""
    assert said.count("Error:") == 1
    for message in messages:
        assert message in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "iris", "--id", "petal"), "ids: iris is a built-in data set and takes no --id; the option is for"),
        (
            ("predict", "m.safetensors", "rows.csv", "--out", "-"),
            "--out -: is not a file that can be written; name one",
        ),
        (("predict", "m.safetensors", "rows.csv", "--out", "p.xlsx"), "--out p.xlsx: the output is not a .xlsx file"),
        (
            ("predict", "m.safetensors", "rows.csv", "--id", "prize"),
            "id='prize'",
        ),
        (("predict", "m.safetensors", "1.csv", "2.csv", "--json"), "too many for one object; give --out FILE"),
        (
            ("train", "1.csv", "2.csv", "--target", "y", "--names", NAMES, "--numbers", "1,5"),
            "name each, as COLUMN=1,5",
        ),
        (("train", "rows.parquet", "--target", "city", "--names", "a"), "has names of its own; leave one of them out"),
    ],
    ids=lambda case: str(case)[:30],
)
def test_other_wrong_uses_are_refused(words, message, folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    result = run(*words)
    assert result.exit_code == 1
    assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    "options", [{"ids": ["x"]}, {"numbers": {"x": "1,5"}}, {"names": ["x"]}, {"min_level_count": 2}], ids=list
)
def test_a_frame_of_a_cluster_is_brought_into_form_there(options, monkeypatch) -> None:
    monkeypatch.setattr("polytome.tables.streams.opening.opener_of", lambda source: pytest.fail)
    with pytest.raises(ArgumentError, match="bring the columns of a data frame of a cluster into form there"):
        open_rows("frame", target="y", **options)
