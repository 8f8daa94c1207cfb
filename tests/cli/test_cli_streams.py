"""Training on Parquet files that stay where they are, from the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from commands import done, run
from polytome import LogisticRegression, load, open_rows
from polytome.errors import DataError
from polytome.files.runs import read_runs
from polytome.files.sources import fit_source, hold_out, open_source
from polytome.files.streamed import _bytes_in_memory, fit_streamed, hold_out_streamed, why_streamed
from polytome.files.streamed_predictions import read_files, sample_of_test_rows

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def written(path: Path, n_rows: int = 600, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    x, hue = rng.normal(size=(n_rows, 3)), rng.choice(["red", "blue"], n_rows)
    y = np.array(["a", "b", "c"])[np.argmax(x + rng.gumbel(size=x.shape), axis=1)]
    table = {f"x{j}": x[:, j] for j in range(3)} | {"hue": hue, "same": hue == "red", "y": y}
    parquet.write_table(pyarrow.table(table), path, row_group_size=100)
    return path


def test_a_folder_is_trained_on_like_the_same_rows_in_memory(tmp_path: Path) -> None:
    whole, folder = written(tmp_path / "whole.parquet"), tmp_path / "parts"
    folder.mkdir()
    table = parquet.read_table(whole)
    for place, start in enumerate(range(0, 600, 250)):
        parquet.write_table(table.slice(start, 250), folder / f"{place}.parquet")
    held, streamed = tmp_path / "held.safetensors", tmp_path / "streamed.safetensors"
    done("train", whole, "--target", "y", "--tol", "1e-8", "--out", held)
    said = done("train", folder, "--target", "y", "--tol", "1e-8", "--out", streamed)
    assert "read piece by piece (several files)" in " ".join(said.split())
    assert "Proved" in said
    one, other = load(held), load(streamed)
    assert_allclose(other.coef_, one.coef_, atol=1e-7)
    mine, theirs = other.training_, one.training_
    assert mine.data_sha256 == theirs.data_sha256
    for name in ("n_rows", "class_counts", "low", "high", "constant", "duplicates", "divisor"):
        assert_array_equal(getattr(mine, name), getattr(theirs, name), name)
    assert_allclose(mine.mean, theirs.mean, rtol=1e-12)
    assert other.encoder_ == one.encoder_


def test_json(tmp_path: Path) -> None:
    written(tmp_path / "0.parquet")
    written(tmp_path / "1.parquet", seed=1)
    found = json.loads(done("train", tmp_path / "*.parquet", "--target", "y", "--json"))
    assert found["data"]["n_rows"] == 1_200
    assert found["data"]["balance"].keys() == {"a", "b", "c"}
    assert found["stop"]["name"] == "CERTIFIED"


def test_little_memory_is_refused_before_any_work(tmp_path: Path) -> None:
    path = written(tmp_path / "0.parquet")
    failed = run("train", str(path), "--target", "y", "--memory", "3MB")
    assert failed.exit_code == 1
    assert "read piece by piece need" in failed.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--data", "."], "--data: .* is read piece by piece .* where the option cannot be used"),
        (["--report", "r.html"], "--report: .* hold some out with --test-fraction"),
        (["--positive", "d"], "positive='d': .* has no such label; it has 'a', 'b', 'c'"),
        (["--test-fraction", "1e-9"], "is too small to hold out a row of any class"),
        (["--header", "yes"], "header='yes': .* is not a text table"),
        (["--checkpoint", "new.csv"], "--checkpoint new.csv: .* end the name with one that stands for no other format"),
        (["--memory", "lots"], "needs a size such as '2GB'"),
    ],
)
def test_options_that_streams_do_not_take(options: list[str], said: str, tmp_path: Path) -> None:
    written(tmp_path / "0.parquet")
    failed = run("train", str(tmp_path), "--target", "y", *options)
    assert failed.exit_code == 1
    assert re.search(said, " ".join(failed.output.split()))


def test_memory_is_for_what_is_read_piece_by_piece(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", X=np.eye(3), y=np.arange(3))
    failed = run("train", str(tmp_path / "t.npz"), "--memory", "2GB")
    assert failed.exit_code == 1
    assert "is read whole, and only files of Parquet, Arrow, CSV" in " ".join(failed.output.split())


def test_the_record_of_sparse_rows_is_that_of_rows_in_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    town = rng.choice([f"town {k}" for k in range(12)], 300)
    columns = {"town": town, "again": town, "x": rng.normal(size=300), "y": rng.integers(0, 2, 300)}
    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table(columns), path, row_group_size=50)
    held = fit_source(LogisticRegression(scale="standard"), open_source(str(path), target="y")).training_
    table = open_rows(path, target="y")
    assert table.X.is_sparse
    streamed = fit_streamed(LogisticRegression(scale="standard"), table).training_
    assert streamed.data_sha256 == held.data_sha256
    for name in ("class_counts", "low", "high", "constant", "duplicates"):
        assert_array_equal(getattr(streamed, name), getattr(held, name), name)
    for name in ("mean", "divisor"):
        assert_allclose(getattr(streamed, name), getattr(held, name), rtol=1e-12)
    assert len(held.duplicates) == 12


def test_what_is_streamed(tmp_path: Path) -> None:
    path = written(tmp_path / "t.parquet")
    assert why_streamed(path) is None
    assert why_streamed(path, "100GB") is None
    assert "in memory it would take" in str(why_streamed(path, "1MB"))
    assert why_streamed(tmp_path) == why_streamed(str(tmp_path / "*.parquet")) == "several files"
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "drawing.png").write_bytes(b"")  # images, whatever else lies there
    assert why_streamed(tmp_path) is None


def test_predictions_of_several_files_are_those_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, folder, model = written(tmp_path / "whole.parquet"), tmp_path / "parts", tmp_path / "m.safetensors"
    folder.mkdir()
    table = parquet.read_table(whole)
    names = [folder / f"{place}.parquet" for place in range(3)]
    for place, name in enumerate(names):
        parquet.write_table(table.slice(250 * place, 250), name, row_group_size=70)
    done("train", whole, "--target", "y", "--out", model)
    done("predict", model, whole, "--out", tmp_path / "wanted.parquet")
    wanted = parquet.read_table(tmp_path / "wanted.parquet")
    monkeypatch.setattr("polytome.tables.streams.opening._MOST_PIECE_ROWS", 64)
    for sources in ([folder], [folder / "*.parquet"], names):
        said = done("predict", model, *sources, "--out", tmp_path / "found.parquet")
        assert "600 predictions are in" in said
        assert parquet.read_table(tmp_path / "found.parquet").equals(wanted)
    monkeypatch.setattr("polytome.files.streamed.memory_left", lambda limit=None: 1000)
    shown = json.loads(done("predict", model, whole, "--out", tmp_path / "found.parquet", "--json"))
    assert shown["n_rows"] == 600
    assert parquet.read_table(tmp_path / "found.parquet").equals(wanted)


def test_faults_of_predictions_leave_no_file(tmp_path: Path) -> None:
    first, second = written(tmp_path / "0.parquet"), written(tmp_path / "1.parquet", seed=1)
    model, out = tmp_path / "m.safetensors", tmp_path / "found.parquet"
    done("train", first, "--target", "y", "--out", model)
    table = parquet.read_table(second)
    for content, words, said in (
        (table.drop_columns(["x1"]), (), "1.parquet: lacks the column 'x1'"),
        (table.set_column(0, "x0", [[1.0] * 599 + [None]]), (), "row 600, column 'x0': the cell is missing"),
        (table, ("--header", "yes"), "is not a text table"),
    ):
        parquet.write_table(content, second)
        failed = run("predict", model, first, second, "--out", out, *words)
        assert failed.exit_code == 1
        assert said in " ".join(failed.output.split())
        assert not out.exists()
    failed = run("predict", model, first, second, "--json")
    assert failed.exit_code == 1
    assert "give --out FILE" in " ".join(failed.output.split())


@pytest.mark.parametrize("positive", [None, "b"])
def test_held_out_rows_are_those_of_rows_in_memory(positive: str | None, tmp_path: Path) -> None:
    whole, folder = written(tmp_path / "whole.parquet"), tmp_path / "parts"
    folder.mkdir()
    table = parquet.read_table(whole)
    names = [folder / f"{place}.parquet" for place in range(3)]
    for place, name in enumerate(names):
        parquet.write_table(table.slice(250 * place, 250), name, row_group_size=70)
    options = ["--target", "y", "--tol", "1e-8", "--test-fraction", "0.25", "--seed", "3", "--json", "--report"]
    options += [tmp_path / "r.html"] + (["--positive", positive] if positive else [])
    held = json.loads(done("train", whole, "--out", tmp_path / "held.safetensors", *options))
    streamed = json.loads(done("train", *names, "--out", tmp_path / "streamed.safetensors", *options))
    assert streamed["data"] == {**held["data"], "name": streamed["data"]["name"]}
    assert streamed["metrics"]["confusion"] == held["metrics"]["confusion"]
    assert streamed["metrics"]["log_loss"] == pytest.approx(held["metrics"]["log_loss"], abs=1e-9)
    one, other = load(tmp_path / "held.safetensors"), load(tmp_path / "streamed.safetensors")
    assert other.classes_.tolist() == one.classes_.tolist()
    assert_allclose(other.coef_, one.coef_, atol=1e-7)
    assert other.encoder_ == one.encoder_
    mine, theirs = other.training_, one.training_
    assert (mine.data_sha256, mine.n_test_rows, mine.seed) == (theirs.data_sha256, theirs.n_test_rows, theirs.seed)
    assert "that were held out" in (tmp_path / "r.html").read_text()
    # The same rows again, all of them, from several files and from one.
    judged = json.loads(done("evaluate", tmp_path / "streamed.safetensors", *names, "--json"))["metrics"]
    wanted = json.loads(done("evaluate", tmp_path / "held.safetensors", whole, "--json"))["metrics"]
    assert judged["confusion"] == wanted["confusion"]


def test_levels_and_means_are_learned_without_held_out_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    hue = np.array(["red", "blue"])[rng.integers(0, 2, 300)].astype(object)
    hue[7] = "only here"
    x = rng.normal(size=300)
    columns = {
        "x": pyarrow.array(x, mask=rng.random(300) < 0.1),
        "hue": pyarrow.array(hue.tolist(), mask=rng.random(300) < 0.1),
        "y": np.where(x + rng.normal(size=300) > 0, "a", "b"),
    }
    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table(columns), path, row_group_size=40)
    seeds = 0
    for seed in range(20):
        held = hold_out(open_source(str(path), target="y", missing="mean", categories=["hue"]), 0.5, seed)
        table = open_rows(path, target="y", missing="mean", categories=["hue"])
        streamed = hold_out_streamed(table, 0.5, seed)
        for mine, theirs in zip(streamed.encoder.columns, held.encoder.columns, strict=True):
            assert mine.levels == theirs.levels
            assert mine.fill == pytest.approx(theirs.fill, rel=1e-12) if mine.kind == "number" else theirs.fill
        assert_array_equal(streamed.rows + 1, np.setdiff1d(np.arange(1, 301), held.test_names))
        assert_array_equal(streamed.test.classes[streamed.test.codes], held.y_test)
        test = np.vstack([piece for _, piece in streamed.test.X.pieces(range(len(streamed.test.X.parts)))])
        assert_allclose(test, held.X_test, rtol=1e-12)
        seeds += "only here" not in streamed.encoder.columns[1].levels
        assert (streamed.notes[-1:] == held.notes[-1:]) or "only here" in streamed.encoder.columns[1].levels
        if seeds and seed > 2:
            break
    assert seeds


def test_sources_of_several_kinds(tmp_path: Path) -> None:
    path = written(tmp_path / "0.parquet")
    (tmp_path / "1.csv").write_text("x0,x1,x2,hue,same,y\n1,2,3,red,true,a\n")
    for sources, said in (
        ([path, tmp_path / "1.csv"], "1.csv: is a text table, and .*0.parquet is a Parquet file"),
        ([path, "iris"], "iris: is read whole, and 2 sources are given"),
        ([path, tmp_path / "none.parquet"], "none.parquet: no such file"),
    ):
        failed = run("train", *sources, "--target", "y")
        assert failed.exit_code == 1
        assert re.search(said, " ".join(failed.output.split()))


def test_a_weighted_folder_through_every_command(tmp_path: Path) -> None:
    whole, folder = written(tmp_path / "whole.parquet"), tmp_path / "parts"
    folder.mkdir()
    table = parquet.read_table(whole)
    cases = pyarrow.array(np.random.default_rng(1).integers(0, 4, 600))
    table = table.append_column("cases", cases)
    for place, start in enumerate(range(0, 600, 250)):
        parquet.write_table(table.slice(start, 250), folder / f"{place}.parquet")
    model, options = tmp_path / "m.safetensors", ("--target", "y", "--weight", "cases")
    found = run("train", folder, *options, "--test-fraction", "0.2", "--out", model)
    assert found.exit_code == 0, found.output
    assert "column 'cases' weighs the rows in the fit" in " ".join(found.stderr.split())
    total = load(model).objective_.total_weight
    assert total == hold_out_streamed(open_rows(folder, target="y", weight="cases"), 0.2).weight.sum()
    pytest.importorskip("flint")
    assert done("verify", model, folder / "0.parquet", folder / "1.parquet", folder / "2.parquet").startswith(
        "Confirmed"
    )
    parquet.write_table(table.drop_columns(["cases"]), whole)
    assert "lacks the column 'cases', by which the rows were weighted" in run("verify", model, whole).stderr
    assert "On 600 rows" in done("card", model, folder / "*.parquet")  # metrics need no weights
    done("report", model, folder, "--out", tmp_path / "r.html")
    assert "Not separated" in done("diagnose", folder, *options)
    assert json.loads(done("plan", folder, *options, "--json"))["n_rows"] == 600


@pytest.mark.parametrize("words", [("train",), ("plan",)])
def test_a_solver_that_needs_rows_in_memory_is_refused_before_the_first_reading(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "0.parquet").write_bytes(b"PAR1, and nothing that could be read")
    failed = run(*words, tmp_path, "--target", "y", "--solver", "dual")
    assert "--solver dual: dual coordinate ascent needs rows in memory" in " ".join(failed.stderr.split())


def test_many_rows_of_files_are_drawn_for_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in range(3):
        written(tmp_path / f"{place}.parquet", seed=place)
    model = fit_streamed(LogisticRegression(), open_rows(tmp_path, target="y"))
    every = read_files(model, [str(tmp_path)], draws=True)
    assert (len(every.y), every.notes) == (1_800, ())
    monkeypatch.setattr("polytome.files.streamed_predictions._DRAWN_BYTES", every.X.nbytes // 4)
    some, again = (read_files(model, [str(tmp_path)], draws=True) for _ in range(2))
    assert 300 < len(some.y) < 500
    assert some.notes == (f"{len(some.y)} rows, drawn at random, stand for 1,800",)
    assert_array_equal(some.X, every.X[some.test_names - 1])
    assert_array_equal(some.y, every.y[some.test_names - 1])
    assert_array_equal(again.test_names, some.test_names)
    monkeypatch.setattr("polytome.files.streamed_predictions.memory_left", lambda: 1_000)
    with pytest.raises(DataError, match="all rows are needed in memory: give fewer files"):
        read_files(model, [str(tmp_path)])


def test_labels_count_for_what_rows_take_in_memory(tmp_path: Path) -> None:
    """Many short rows: their labels take more than the file does."""
    np.save(tmp_path / "rows.npy", np.zeros((100_000, 2), dtype=np.uint8))
    parquet.write_table(pyarrow.table({"x": np.zeros(100_000), "y": ["a", "b"] * 50_000}), tmp_path / "rows.parquet")
    for name, least in (("rows.npy", 200_000), ("rows.parquet", 100_000 * 2 * 8 * 3)):
        assert _bytes_in_memory(tmp_path / name, {"rows.npy": "npy"}.get(name, "Parquet"), 10**9) >= least + 12_800_000


def test_test_rows_are_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a correction, for the digest of a run that is kept, and for the report."""
    counted = []

    def once(table: object, seed: int) -> object:
        counted.append(seed)
        return sample_of_test_rows(table, seed)  # type: ignore[arg-type]

    monkeypatch.setattr("polytome.files.streamed_predictions.sample_of_test_rows", once)
    folder = tmp_path / "rows"
    folder.mkdir()
    for name in ("a", "b"):
        written(folder / f"{name}.parquet")
    runs, report = tmp_path / "runs", tmp_path / "report.html"
    held = ("--test-fraction", "0.3", "--recalibrate", "temperature", "--log-to", runs, "--report", report)
    done("train", folder, "--target", "y", *held)
    assert counted == [0]
    assert report.exists()
    (kept,) = read_runs(runs)
    assert kept.value("judged_sha256") != kept.value("data_sha256")
