"""Text tables, Arrow files, libsvm text and arrays, read piece by piece: as read whole, within
bounds, and clear about faults."""

from __future__ import annotations

import bz2
import gzip
import io
import os
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from polytome import LogisticRegression, open_rows, read_table
from polytome.errors import ArgumentError, FileError, PolytomeError
from polytome.tables.readers.delimited import read_delimited
from polytome.tables.readers.dialects import Dialect
from polytome.tables.streams import lines
from polytome.tables.streams.lines import row_texts
from polytome.tables.streams.text import TextFile

pyarrow = pytest.importorskip("pyarrow")
feather = pytest.importorskip("pyarrow.feather")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that small files have many pieces and parts."""
    monkeypatch.setattr(lines, "PIECE_BYTES", 3_000)
    monkeypatch.setattr(lines, "LONGEST_ROW", 2_000)
    monkeypatch.setattr("polytome.tables.streams.text.LONGEST_ROW", 2_000)
    monkeypatch.setattr("polytome.tables.streams.opening._MOST_PIECE_ROWS", 64)


def people(n_rows: int = 300) -> dict[str, list[Any]]:
    rng = np.random.default_rng(0)
    age, hue = rng.normal(40, 10, n_rows), rng.choice(["red", "sky blue", "green"], n_rows)
    score = (age - 40) / 10 + (hue == "red") + rng.logistic(size=n_rows)
    income = np.where(score > 1, "high", np.where(score > -1, "middle", "low"))
    return {
        "age": [f"{value:.17g}" for value in age],
        "hue": hue.tolist(),
        "count": rng.integers(0, 5, n_rows).tolist(),
        "income": income.tolist(),
    }


def text_of(columns: dict[str, list[Any]], separator: str = ",", quote: str = "", end: str = "\n") -> str:
    def cell(value: object) -> str:
        text = str(value)
        needed = bool(quote) and (any(mark in text for mark in (separator, quote, "\n")) or text == "always")
        return f"{quote}{text.replace(quote, 2 * quote)}{quote}" if needed else text

    rows = [list(columns), *map(list, zip(*columns.values(), strict=True))]
    return "".join(separator.join(map(cell, row)) + end for row in rows)


def assert_same(path: Path, **options: Any) -> Any:
    """Reads and fits rows whole and piece by piece; the rows piece by piece."""
    table, rows = read_table(path, **options), open_rows(path, **options)
    assert rows.encoder is None or rows.encoder.label_kind == table.encoder.label_kind
    if rows.encoder is not None:
        assert rows.encoder.feature_names == table.encoder.feature_names
        assert rows.encoder.marks == table.encoder.marks
    assert_array_equal(rows.classes[rows.codes], table.y)
    pieces = [piece for _, piece in rows.X.pieces(range(len(rows.X.parts)))]
    assert len(pieces) > 2
    dense = [piece.toarray() if rows.X.is_sparse else piece for piece in pieces]
    X = table.X.toarray() if rows.X.is_sparse else table.X
    assert_allclose(np.vstack(dense), X, rtol=1e-14)
    assert rows.X.dtype == X.dtype == dense[0].dtype
    held, streamed = (LogisticRegression(tol=1e-6, scale="standard", solver="newton") for _ in range(2))
    held.fit(table.X, table.y)
    streamed.fit(rows)
    assert streamed.certificate_.holds
    assert_allclose(streamed.coef_, held.coef_, atol=1e-10 if rows.X.dtype.itemsize == 8 else 1e-6)
    return rows


@pytest.mark.data
def test_adult_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = os.environ.get("POLYTOME_DATA")
    found = Path(folder or "", "adult", "adult-train.csv")
    if not (folder and found.exists()):
        pytest.skip("POLYTOME_DATA has no adult")
    monkeypatch.setattr(lines, "PIECE_BYTES", 2**16)
    monkeypatch.setattr("polytome.tables.streams.opening._MOST_PIECE_ROWS", 2**10)
    path = tmp_path / "adult.csv.gz"
    with found.open("rb") as table:
        path.write_bytes(gzip.compress(b"".join(islice(table, 8_000)), 1))
    assert_same(path, target="last", missing="mean")


@pytest.mark.parametrize("pack", [None, gzip.compress, bz2.compress])
@pytest.mark.parametrize(
    ("separator", "quote", "end"), [(",", '"', "\n"), ("\t", "", "\n"), (";", '"', "\r\n"), ("|", '"', "\n")]
)
def test_text_tables(separator: str, quote: str, end: str, pack: Any, tmp_path: Path) -> None:
    columns = people()
    if quote:
        odd = {"red": f"r{separator}ed", "green": f"gr{quote}een\nof two lines", "sky blue": "sky blue"}
        columns["hue"] = [odd[hue] for hue in columns["hue"]]
        columns |= {"age": [*columns["age"][:-1], "40.5"]}
    text = text_of(columns, separator, quote, end).encode()
    ending = {None: "", gzip.compress: ".gz", bz2.compress: ".bz2"}[pack]
    path = tmp_path / f"people.csv{ending}"
    path.write_bytes(text if pack is None else pack(text))
    rows = assert_same(path, target="income")
    assert len(rows.X.parts) == 1 if pack else len(rows.X.parts) > 1


def test_quotation_marks_that_are_text(tmp_path: Path) -> None:
    columns = people()
    columns["hue"] = [{"red": '5" wide', "green": '"so" he said', "sky blue": "plain"}[hue] for hue in columns["hue"]]
    path = tmp_path / "people.tsv"
    path.write_text(text_of(columns, "\t"))
    assert_same(path, target="income")


@pytest.mark.parametrize("missing", ["mean", "drop"])
def test_missing_cells_and_marks(missing: str, tmp_path: Path) -> None:
    columns, rng = people(), np.random.default_rng(1)
    for name, mark in (("age", "NA"), ("hue", "?"), ("count", "-9")):
        columns[name] = [mark if rng.random() < 0.1 else value for value in columns[name]]
    path = tmp_path / "people.csv"
    path.write_text(text_of(columns))
    assert_same(path, target="income", missing=missing, marks=["-9", "?"])
    columns = {name: ["" if value == "-9" else value for value in column] for name, column in columns.items()}
    path.write_text(text_of(columns))
    rows = assert_same(path, target="income", missing=missing)
    assert rows.encoder.marks == ("?",)


def test_headers_and_columns_without_names(tmp_path: Path) -> None:
    columns, path = people(), tmp_path / "people.csv"
    text = text_of(columns)
    for content, options in (
        (text.partition("\n")[2], {"target": "last"}),
        (text, {"target": "4", "header": "yes"}),
        ("\n\n" + text, {"target": "income"}),
        ("sep=,\r\n" + text, {"target": "income"}),
        ("\ufeff" + text, {"target": "income"}),
        (text.rstrip("\n"), {"target": "income"}),
        (text.replace("\n", ",\n"), {"target": "last"}),  # a column of nothing
        (
            "".join(f"{'' if row == 0 else row - 1},{line}\n" for row, line in enumerate(text.splitlines())),
            {"target": "income"},
        ),
        (text.replace("age", "Unnamed: 0", 1), {"target": "income"}),
    ):
        path.write_text(content)
        rows = assert_same(path, **options)
        whole = read_delimited(path, expected={options["target"]})
        found = TextFile.of(path, expected={options["target"]})
        assert (found.names, found.index, found.notes) == (whole.names, whole.index, whole.notes)
        assert rows.n_rows == 300


def test_several_text_tables(tmp_path: Path) -> None:
    text = text_of(people())
    head, *rows = text.splitlines(keepends=True)
    (tmp_path / "whole.csv").write_text(text)
    folder = tmp_path / "parts"
    folder.mkdir()
    for place in range(4):
        (folder / f"{place}.csv").write_text(head + "".join(rows[80 * place : 80 * place + 80]))
    (folder / "4.csv.gz").write_bytes(gzip.compress(head.encode()))  # without rows
    whole, parts = open_rows(tmp_path / "whole.csv", target="income"), open_rows(folder, target="income")
    assert parts.encoder == whole.encoder
    assert_array_equal(parts.codes, whole.codes)
    (folder / "3.csv").write_text(head.replace("hue", "hew") + rows[0])
    with pytest.raises(FileError, match=r"3\.csv: lacks the column 'hue', which .*0\.csv has"):
        open_rows(folder, target="income")


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("kind", ["file", "stream"])
def test_arrow(compression: str | None, kind: str, tmp_path: Path) -> None:
    columns = people()
    table = pyarrow.table(columns | {"age": np.array(columns["age"], dtype=float)})
    table = table.set_column(1, "hue", table["hue"].dictionary_encode())
    path = tmp_path / "people.arrow"
    make = pyarrow.ipc.new_file if kind == "file" else pyarrow.ipc.new_stream
    with make(path, table.schema, options=pyarrow.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=70)
    assert_same(path, target="income")


def test_an_arrow_batch_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytome.tables.streams.arrow._MOST_BATCH_BYTES", 2_000)
    path = tmp_path / "people.feather"
    feather.write_feather(pyarrow.table(people()), path, compression="uncompressed")
    with pytest.raises(FileError, match="has a batch of more than"):
        open_rows(path, target="income")
    feather.write_feather(pyarrow.table({"y": ["a"] * 100_000}), path, compression="zstd")
    with pytest.raises(FileError, match="has a batch of more than"):
        open_rows(path, target="y")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float64", "float32", ">f8", "uint8"])
def test_arrays(dtype: str, order: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X, path = rng.integers(0, 9, (300, 4)), tmp_path / "X.npy"
    X[:, 1] = X[:, 0] + rng.normal(size=300) > 4
    np.save(path, np.asarray(X.astype(dtype), order=order))
    for target in ("2", "last"):
        assert_same(path, target=target)
    np.save(tmp_path / "y.npy", np.where(X[:, 1] == 1, "yes", "no"))
    assert_same(path, target=str(tmp_path / "y.npy"))


def test_images_in_an_array(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "X.npy", rng.integers(0, 255, (300, 3, 2)).astype(np.uint8))
    np.save(tmp_path / "y.npy", rng.integers(0, 3, 300))
    assert_same(tmp_path / "X.npy", target=str(tmp_path / "y.npy"))


def libsvm_text(n_rows: int = 300) -> str:
    rng = np.random.default_rng(0)
    text = "# a comment\n"
    for _ in range(n_rows):
        places = np.flatnonzero(rng.random(20) < 0.2)
        label = rng.integers(0, 2) + (3 in places)
        text += f"+{label} " + " ".join(f"{place + 1}:{rng.normal():.17g}" for place in places) + " # why\n"
    return text


@pytest.mark.parametrize("pack", [None, gzip.compress])
def test_libsvm(pack: Any, tmp_path: Path) -> None:
    text = libsvm_text().encode()
    path = tmp_path / ("a.svm" if pack is None else "a.svm.gz")
    path.write_bytes(text if pack is None else pack(text))
    rows = assert_same(path)
    assert rows.X.is_sparse
    assert rows.classes.tolist() == [0, 1, 2]
    path.write_bytes(text.replace(b"+0 ", b"9007199254740993 ") if pack is None else pack(text))
    assert_same(path)


@pytest.mark.parametrize(
    ("name", "content", "options", "said"),
    [
        (
            "a.csv",
            "x,y\n" + "1,a\n2,b\n" * 900 + '3,"c\n' + "1,a\n" * 900,
            {},
            r"line 1802: is longer than .* left open",
        ),
        ("a.csv", "x,y\n" + "1,a\n2,b\n" * 900 + "1" * 9_000 + ",a\n", {}, r"line 1802: is longer than .* MiB"),
        ("a.csv", "x,y\n" + "1,a\n2,b\n" * 900 + "3\n", {}, "line 1802: 1 cells where the first line has 2"),
        ("a.csv", "x,y\n" + "1,a\n2,b\n" * 900 + "3,\0\n", {}, "line 1802: contains a zero byte"),
        ("a.csv", b"x,y\n" + b"1,a\n2,b\n" * 900 + b"3,\xe9\n", {}, "line 1802: byte 0xe9 is not UTF-8"),
        ("a.csv", "x,y\n" + "1,a\n2,b\n" * 900 + ",a\n", {}, "line 1802, column 'x': the cell is missing"),
        ("a.csv", "x,y\n" + "1,a\n2,b\n" * 900 + "z,a\n", {}, "line 1802, column 'x': 'z' is not a finite number"),
        ("a.csv", "x,y\n" + "1,a\n2,b\n" * 900 + "3,\n", {}, "line 1802, column 'y': the label is missing"),
        ("a.csv", "x,x\n1,2\n", {}, "line 1: the header names 'x' twice"),
        ("a.csv", "\n\n", {}, "holds no rows, only blank lines"),
        ("a.csv", "x,y\n", {}, "has 0 rows and 2 columns"),
        ("a.csv.gz", gzip.compress(b"x,y\n" + b"1,a\n2,b\n" * 90_000)[:-90], {}, "compressed file is cut short"),
        ("a.csv.gz", gzip.compress(b"x,y\n" + b"1" * 10_000_000), {}, "line 2: is longer than"),
        ("a.svm", "1 1:1\n0 2:1\n" * 900 + "1 2:a\n", {}, "line 1801: value 'a' in '2:a' is not a finite number"),
        ("a.svm", "1 1:1\n0 2:1\n" * 900 + "1" + " 2:1" * 9_000, {}, "line 1801: is longer than"),
        ("a.svm", "1 1:1\n0 2:1\n", {"target": "y"}, "has its labels in a fixed place"),
        ("a.svm", "1 1:1\n0 2:1\n", {"drop": ["x"]}, "need named columns; this has none"),
        ("a.svm", "1\n0\n", {}, "every row is empty"),
    ],
)
def test_faults(name: str, content: Any, options: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(PolytomeError, match=said):
        open_rows(path, **({"target": "y"} if "csv" in name else {}) | options)


def test_faults_of_arrays(tmp_path: Path) -> None:
    X, path = np.random.default_rng(0).normal(size=(300, 3)), tmp_path / "0.npy"
    X[:, 2] = X[:, 0] > 0

    def refused(said: str, target: str | None = "last", source: Any = path) -> None:
        with pytest.raises(PolytomeError, match=said):
            open_rows(source, target=target)

    np.save(path, X)
    refused(r"target='4': .* is an array of shape \(300, 3\)", "4")
    refused("has no labels to learn from", None)
    np.save(tmp_path / "1.npy", X[:, 1:])
    refused(r"1\.npy: has rows of shape \(2,\) and type float64, and those of .*0\.npy have \(3,\)", source=tmp_path)
    np.save(tmp_path / "y.npy", X[:7, 1])
    refused("for 300 rows; one label per row", str(tmp_path / "y.npy"))
    refused("is one file of labels for 2 files", str(tmp_path / "y.npy"), [path, path])
    X[250, 1] = np.nan
    np.save(path, X)
    refused("row 251, column 2: the value is nan")
    path.write_bytes(path.read_bytes()[:-20])
    refused("damaged array .cut short")
    np.save(path, np.array([[1, "a"]], dtype=object))
    refused("holds Python objects")
    np.save(path, np.array([["a", "b"]]))
    refused("real numbers are needed")
    np.save(path, np.zeros(4))
    refused("rows and columns, .n, d., are needed")


@pytest.mark.parametrize("kind", ["csv", "feather", "npy", "svm", "csv.gz"])
def test_a_file_that_is_changed_between_passes(kind: str, tmp_path: Path) -> None:
    path, target = tmp_path / f"a.{kind}", {"npy": "last", "svm": None}.get(kind, "income")
    columns, more = people(), np.random.default_rng(0).integers(0, 3, (300, 3))

    def write(n_rows: int) -> None:
        some = {name: column[:n_rows] for name, column in columns.items()}
        if kind == "feather":
            feather.write_feather(pyarrow.table(some), path)
        elif kind == "npy":
            np.save(path, more[:n_rows])
        else:
            text = (libsvm_text(n_rows) if kind == "svm" else text_of(some)).encode()
            path.write_bytes(gzip.compress(text) if kind == "csv.gz" else text)

    write(300)
    rows = open_rows(path, target=target)
    write(299)
    with pytest.raises(FileError, match="was changed while its rows were in use"):
        LogisticRegression().fit(rows)


def test_rows_are_cut_where_they_end() -> None:
    rng = np.random.default_rng(0)
    pieces = ["a", "b,c", '"d\ne"', '"f""\n""g"', "", "h i", '"\r\n"', 'j"k']
    for _ in range(200):
        ends = ["\n", "\r\n"][rng.integers(2)]
        rows = [",".join(rng.choice(pieces, rng.integers(1, 4))) for _ in range(rng.integers(1, 30))]
        text = ends.join(rows) + (ends if rng.random() < 0.5 else "")
        found = list(row_texts("t", io.BytesIO(text.encode()), int(rng.integers(1, 9)), Dialect(",", '"')))
        assert b"".join(piece.text for piece in found) == text.encode()
        whole = [row for _, row in Dialect(",", '"').rows(text.replace("\r\n", "\n"))]
        cut = [row for piece in found for _, row in Dialect(",", '"').rows(piece.text.decode().replace("\r\n", "\n"))]
        assert cut == whole
        assert [piece.line for piece in found] == list(
            1 + np.cumsum([0, *(piece.text.count(b"\n") for piece in found[:-1])])
        )


def test_kinds_that_are_read_whole(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.eye(3), y=np.arange(3))
    with pytest.raises(FileError, match="is of a kind that is not read piece by piece"):
        open_rows(tmp_path / "a.npz")
    (tmp_path / "a.csv").write_text("x,y\n1,a\n2,b\n")
    np.save(tmp_path / "b.npy", np.eye(3))
    with pytest.raises(FileError, match=r"b\.npy: is a \.npy file, and .*a\.csv is a text table"):
        open_rows([tmp_path / "a.csv", tmp_path / "b.npy"], target="y")
    with pytest.raises(ArgumentError, match="say which column holds the labels"):
        open_rows(tmp_path / "a.csv")
