"""A column that weighs the rows: the same weights and the same fit in memory, read piece by piece,
and with each row repeated; and wrong weights refused by their place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import csv, feather, parquet

from polytome import LogisticRegression, load, open_rows
from polytome.errors import ArgumentError, DataError, FileError
from polytome.files.sources import fit_source, hold_out, open_source, read_for_model
from polytome.files.streamed import fit_streamed, hold_out_streamed
from polytome.tables.encoder import Column, Encoder
from polytome.tables.table import read_table

WRITERS = {
    "parquet": lambda table, path: parquet.write_table(table, path, row_group_size=70),
    "csv": csv.write_csv,
    "feather": lambda table, path: feather.write_feather(table, path, compression="uncompressed", chunksize=64),
}


def some_table(gaps: bool = False) -> pyarrow.Table:
    rng = np.random.default_rng(3)
    X, hue = rng.normal(size=(300, 2)).round(3), np.array(list("abc"))[rng.integers(0, 3, 300)]
    y = np.array(["no", "so", "yes"])[np.argmax(np.c_[X, X[:, 0] * 0] + rng.gumbel(size=(300, 3)), axis=1)]
    cases = rng.integers(0, 4, 300).astype(float)
    columns = {"u": X[:, 0], "cases": cases, "v": X[:, 1], "hue": hue, "y": y}
    if gaps:
        columns["cases"] = [None if row % 50 == 7 else value for row, value in enumerate(cases.tolist())]
        columns["v"] = [None if row % 60 == 9 else value for row, value in enumerate(X[:, 1].tolist())]
    return pyarrow.table(columns)


@pytest.fixture(params=list(WRITERS))
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    found = tmp_path / f"rows.{request.param}"
    WRITERS[request.param](some_table(), found)
    return found


def test_memory_and_streams_find_the_same_weights_and_fit(path: Path) -> None:
    whole, stream = read_table(path, target="y", weight="cases"), open_rows(path, target="y", weight="cases")
    assert stream.encoder == whole.encoder
    assert stream.notes == whole.notes
    assert whole.encoder is not None
    assert "cases" not in whole.encoder.feature_names
    np.testing.assert_array_equal(stream.weight, whole.weight)
    in_memory = LogisticRegression(tol=1e-9).fit(whole.X, whole.y, whole.weight)
    streamed = LogisticRegression(tol=1e-9).fit(stream)
    np.testing.assert_allclose(streamed.coef_, in_memory.coef_, atol=1e-9)
    assert streamed.objective_.total_weight == whole.weight.sum()


def test_a_weight_stands_for_repeated_rows(tmp_path: Path) -> None:
    table = some_table()
    WRITERS["parquet"](table, tmp_path / "w.parquet")
    again = table.take(np.repeat(np.arange(300), table["cases"].to_numpy().astype(int))).drop_columns(["cases"])
    WRITERS["parquet"](again, tmp_path / "again.parquet")
    weighed = LogisticRegression(tol=1e-9).fit(open_rows(tmp_path / "w.parquet", target="y", weight="cases"))
    repeated = LogisticRegression(tol=1e-9).fit(open_rows(tmp_path / "again.parquet", target="y"))
    np.testing.assert_allclose(weighed.coef_, repeated.coef_, atol=1e-6)
    assert weighed.certificate_.objective == pytest.approx(repeated.certificate_.objective, rel=1e-9)


def test_incomplete_rows_lose_their_weights_too(tmp_path: Path) -> None:
    WRITERS["parquet"](some_table(gaps=True), tmp_path / "w.parquet")
    options = {"target": "y", "weight": "cases", "missing": "drop"}
    whole, stream = read_table(tmp_path / "w.parquet", **options), open_rows(tmp_path / "w.parquet", **options)
    assert len(whole.weight) == 300 - 11
    assert stream.notes == whole.notes
    np.testing.assert_array_equal(stream.weight, whole.weight)
    for read in (read_table, open_rows):
        with pytest.raises(DataError, match="row 8, column 'cases': the weight is missing; fill it in"):
            read(tmp_path / "w.parquet", target="y", weight="cases", missing="mean")


def test_weights_follow_held_out_rows_the_model_file_and_the_record(tmp_path: Path, path: Path) -> None:
    source = hold_out(open_source(str(path), target="y", weight="cases"), 0.2, seed=4)
    model = fit_source(LogisticRegression(), source)
    table = hold_out_streamed(open_rows(path, target="y", weight="cases"), 0.2, seed=4)
    np.testing.assert_array_equal(table.weight, source.weight)
    streamed = fit_streamed(LogisticRegression(scale="standard"), table)
    in_memory = fit_source(LogisticRegression(scale="standard"), source)
    np.testing.assert_allclose(streamed.training_.divisor, in_memory.training_.divisor, rtol=1e-9)
    assert model.training_.could_change is not None  # what is proved of predictions is, with weights too
    model.save(tmp_path / "m.safetensors")
    assert load(tmp_path / "m.safetensors").encoder_ == model.encoder_
    again = read_for_model(model, str(path), weights=True)
    np.testing.assert_array_equal(again.weight, open_source(str(path), target="y", weight="cases").weight)
    assert read_for_model(model, str(path)).weight is None


def test_files_without_weights_are_as_before() -> None:
    columns = (Column("u", "number"),)
    plain = Encoder(columns, "y", "error", "error")
    assert "weight" not in plain.to_json()
    assert Encoder.from_json(plain.to_json()) == plain
    weighed = Encoder(columns, "y", "error", "error", weight="cases")
    assert Encoder.from_json(weighed.to_json()) == weighed
    for wrong in ("u", "y", 3):
        with pytest.raises(FileError, match="encoder"):
            Encoder.from_json({**weighed.to_json(), "weight": wrong})


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("-1", "row 41, column 'cases': '-1' is negative; weights of rows are zero or more"),
        ("many", "row 41, column 'cases': 'many' is not a finite number"),
        ("", "row 41, column 'cases': the weight is missing; fill it in, or leave out the row with --missing drop"),
        ("inf", "row 41, column 'cases': 'inf' is not a finite number"),
    ],
)
def test_wrong_weights_are_refused_by_their_place(tmp_path: Path, cell: str, said: str) -> None:
    lines = ["u,cases,y", *(f"{row},{cell if row == 40 else 2},{'ab'[row % 2]}" for row in range(60))]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(lines))
    for read in (read_table, open_rows):
        with pytest.raises(DataError) as raised:
            read(path, target="y", weight="cases")
        assert said.replace("row 41", "line 42") in str(raised.value)


def test_wrong_columns_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("u,zero,y\n" + "".join(f"{row},0,{'ab'[row % 2]}\n" for row in range(20)))
    for read in (read_table, open_rows):
        with pytest.raises(DataError, match="column 'zero': every weight is zero; at least one row must count"):
            read(path, target="y", weight="zero")
        with pytest.raises(ArgumentError, match=r"weight=.cases.: .* has no such column"):
            read(path, target="y", weight="cases")
        with pytest.raises(ArgumentError, match="weight='y': column 'y' is the column of labels"):
            read(path, target="y", weight="y")
        with pytest.raises(ArgumentError, match="weight='zero': column 'zero' is also named by --drop"):
            read(path, target="y", weight="zero", drop=["zero"])
        np.save(tmp_path / "rows.npy", np.arange(20.0).reshape(10, 2) % 3)
        with pytest.raises(ArgumentError, match="need named columns"):
            read(tmp_path / "rows.npy", target="last", weight="1")


def test_weights_beside_a_table_say_where_they_belong(path: Path) -> None:
    rows = open_rows(path, target="y", weight="cases")
    with pytest.raises(ArgumentError, match=r"say where they are with open_rows\(..., target=..., weight=...\)"):
        LogisticRegression().fit(rows, sample_weight=np.ones(300))
