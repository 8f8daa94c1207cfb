"""JSON Lines, workbooks, databases, the standard input and compressed files: the same rows in every
form are the same features, and each fault is named with its place."""

from __future__ import annotations

import bz2
import csv
import io
import json
import lzma
import sqlite3
import sys
import zipfile
from contextlib import closing
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest

from polytome import read_table
from polytome.errors import ArgumentError, FileError
from polytome.tables.columns import read_columns
from polytome.tables.readers.whereabouts import located

pyarrow = pytest.importorskip("pyarrow")

NAMES = ("age", "hue", "ok", "y")
ROWS = [
    (25.5, "red", True, "no"),
    (None, "blue", False, "yes"),
    (31.0, None, True, "yes"),
    (-4.0, "a, 'b' \u20ac", False, "no"),
]
OPTIONS = {"target": "y", "missing": "mean"}


def text_of(rows=ROWS) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(NAMES)
    writer.writerows([str(cell).lower() if isinstance(cell, bool) else cell for cell in row] for row in rows)
    return text.getvalue().encode()


def lines_of(rows=ROWS) -> bytes:
    return "".join(json.dumps(dict(zip(NAMES, row, strict=True))) + "\n" for row in rows).encode()


def workbook_of(sheets: dict[str, list[list[object]]]) -> bytes:
    """A workbook as small as one can be: its first cell is B3, so that places are not those of rows
    counted from 1."""
    found = io.BytesIO()
    ns = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    rels = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    with zipfile.ZipFile(found, "w") as archive:
        overrides = "".join(
            f'<Override PartName="/xl/worksheets/sheet{k}.xml" ContentType="{kinds}.worksheet+xml"/>'
            for k in range(1, len(sheets) + 1)
        )
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>{overrides}</Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{rels}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        named = "".join(
            f'<sheet name="{escape(name)}" sheetId="{k}" r:id="r{k}"/>' for k, name in enumerate(sheets, start=1)
        )
        archive.writestr("xl/workbook.xml", f'<workbook {ns} xmlns:r="{rels}"><sheets>{named}</sheets></workbook>')
        targets = "".join(
            f'<Relationship Id="r{k}" Type="{rels}/worksheet" Target="worksheets/sheet{k}.xml"/>'
            for k in range(1, len(sheets) + 1)
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{package}/relationships">{targets}</Relationships>'
        )
        for k, rows in enumerate(sheets.values(), start=1):
            lines = ""
            for number, row in enumerate(rows, start=3):
                cells = "".join(_cell(f"{chr(66 + at)}{number}", cell) for at, cell in enumerate(row))
                lines += f'<row r="{number}">{cells}</row>'
            archive.writestr(
                f"xl/worksheets/sheet{k}.xml", f"<worksheet {ns}><sheetData>{lines}</sheetData></worksheet>"
            )
    return found.getvalue()


def _cell(place: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


def write_database(path: Path, rows=ROWS) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE people (age REAL, hue TEXT, ok INTEGER, y TEXT)")
        database.executemany("INSERT INTO people VALUES (?, ?, ?, ?)", rows)
        database.execute("CREATE VIEW \"the 'old'\" AS SELECT * FROM people WHERE age > 0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    (folder / "p.csv").write_bytes(text_of())
    (folder / "p.jsonl").write_bytes(lines_of())
    (folder / "blank.ndjson").write_bytes(b"\xef\xbb\xbf\n" + lines_of().replace(b"\n", b"\r\n\r\n"))
    (folder / "p.json").write_text(json.dumps([dict(zip(NAMES, row, strict=True)) for row in ROWS], indent=1))
    (folder / "unnamed").write_bytes(lines_of())
    for ending, pack in (("bz2", bz2.compress), ("xz", lzma.compress)):
        (folder / f"p.csv.{ending}").write_bytes(pack(text_of()))
        (folder / f"p.jsonl.{ending}").write_bytes(pack(lines_of()))
    for ending, codec in (("zst", "zstd"), ("lz4", "lz4")):
        with pyarrow.CompressedOutputStream(str(folder / f"p.csv.{ending}"), codec) as stream:
            stream.write(text_of())
    write_database(folder / "p.db")
    (folder / "p.db.xz").write_bytes(lzma.compress((folder / "p.db").read_bytes()))
    sheet: list[list[object]] = [list(NAMES), *(list(row) for row in ROWS)]
    (folder / "one.xlsx").write_bytes(workbook_of({"People": sheet}))
    (folder / "two.xlsx").write_bytes(workbook_of({"People": [*sheet[:2], [], *sheet[2:]], "Empty": []}))
    return folder


@pytest.mark.parametrize(
    "name",
    [
        *("p.jsonl", "blank.ndjson", "p.json", "unnamed", "p.csv.bz2", "p.csv.xz", "p.csv.zst", "p.csv.lz4"),
        *("p.jsonl.xz", "p.db#people", "p.db#SELECT age, hue, ok, y FROM people -- a//b", "p.db.xz#people"),
        *("one.xlsx", "one.xlsx#People", "two.xlsx#People"),
    ],
)
def test_the_same_rows_in_every_form_are_the_same_features(name: str, folder: Path) -> None:
    if ".xlsx" in name:
        pytest.importorskip("python_calamine")
    plain, found = read_table(folder / "p.csv", **OPTIONS), read_table(f"{folder}/{name}", **OPTIONS)
    assert found.feature_names == plain.feature_names
    np.testing.assert_array_equal(found.X, plain.X)
    assert found.y.tolist() == plain.y.tolist()
    assert found.source == f"{folder}/{name}"


def test_a_part_of_a_database_and_a_formula_read_what_is_named(folder: Path) -> None:
    assert read_table(f"{folder}/p.db#the 'old'", target="y", drop=["hue"]).X.tolist() == [[25.5, 1.0], [31.0, 1.0]]
    columns = read_columns(f"{folder}/p.db#select age from people where age > 0 order by age")
    assert columns.column("age").tolist() == [25.5, 31.0]


def test_the_standard_input_is_read_once_and_again_as_a_file(folder, monkeypatch) -> None:
    for name in ("p.csv", "p.jsonl", "p.db", "p.csv.zst"):
        stdin = io.TextIOWrapper(io.BytesIO((folder / name).read_bytes()))
        monkeypatch.setattr(sys, "stdin", stdin)
        for _ in range(2):
            found = read_table("-" if name != "p.db" else f"{located('-')}#people", **OPTIONS)
            np.testing.assert_array_equal(found.X, read_table(folder / "p.csv", **OPTIONS).X)
        copy = located("-")
        assert copy.exists()
        monkeypatch.undo()
        del stdin
        assert not copy.exists()


def test_places_are_those_of_the_file(folder: Path) -> None:
    for name, place in (("p.jsonl", "line 2"), ("blank.ndjson", "line 4"), ("p.db#people", "row 2")):
        with pytest.raises(ValueError, match=rf"{place}, column 'age': the cell is missing"):
            read_table(f"{folder}/{name}", target="y")
    pytest.importorskip("python_calamine")
    with pytest.raises(ValueError, match=r"two\.xlsx#People, row 6, column 'age': the cell is missing"):
        read_table(f"{folder}/two.xlsx#People", target="y")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a": 1}\n{"a": "x"}\n', r"line 2, column 'a': is text where line 1 has a number; write the column alike"),
        (b'{"a": true}\n\n{"a": 0}\n', r"line 3, column 'a': is a number where line 1 has true or false"),
        (b'{"a": 1}\n{"a": 2\n', r"line 2: is not JSON .*; write one object in each line"),
        (b'{"a": 1}\n[2]\n', r"line 2: is a list where an object is needed"),
        (b'{"a": 1, "a": 2}\n', r"line 1: names 'a' twice; give each column its own name"),
        (b'[{"a": 1}, 2]', r"row 2: is a number where an object is needed"),
        (b'[{"a": 1}', r"is not JSON .*; write it again"),
        (b"\n\n", r"only blank lines"),
    ],
)
def test_what_is_not_json_lines_is_refused_with_its_place(text: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(text)
    with pytest.raises(FileError, match=message):
        read_table(path, target="a")


def test_objects_and_blobs_are_an_error_only_where_they_are_used(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": {"b": 1}, "x": 1, "y": "p"}\n{"a": null, "x": 2, "y": "q"}\n')
    assert read_table(path, target="y", drop=["a"]).X.ravel().tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match=r"column 'a': holds values of type struct.*leave it out with --drop a"):
        read_table(path, target="y")
    with closing(sqlite3.connect(tmp_path / "t.db")) as database, database:
        database.execute("CREATE TABLE t (a BLOB, x, y TEXT)")
        database.execute("INSERT INTO t VALUES (x'00', 1, 'p'), (NULL, 2.5, 'q')")
    assert read_table(tmp_path / "t.db", target="y", drop=["a"]).X.ravel().tolist() == [1.0, 2.5]
    with pytest.raises(ValueError, match=r"column 'a': holds bytes \(a BLOB\)"):
        read_table(tmp_path / "t.db", target="y")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("p.db", r"has 2 tables, 'people', \"the 'old'\"; name one of them, as in '.*p.db#people'"),
        ("p.db#peple", r"has no table 'peple' \(did you mean 'people'\?\)"),
        ("p.db#select nope from people", r"the query cannot be run \(no such column: nope\)"),
        ("p.db#delete from people", r"has no table 'delete from people'.*begins with SELECT"),
        ("p.db#with a as (select 1) delete from people", r"the query cannot be run \(not authorized\)"),
        ("p.db#select 1 as y; drop table people", r"the query cannot be run .*one query that reads"),
        ("p.db#select age, age from people", r"names the column 'age' twice; name one of them AS something else"),
        ("p.db#select * from people where age > 99", r"has 0 rows and 4 columns; there is nothing to read"),
        ("p.csv#people", r"only workbooks and databases have parts that are named after #; leave out #people"),
        ("two.xlsx", r"has 2 sheets, 'People', 'Empty'; name one of them, as in '.*two.xlsx#People'"),
        ("two.xlsx#Peopel", r"has no sheet 'Peopel' \(did you mean 'People'\?\)"),
        ("two.xlsx#Empty", r"the sheet is empty; there is nothing to read"),
    ],
)
def test_parts_that_are_not_there_are_refused(name: str, message: str, folder: Path) -> None:
    if ".xlsx" in name:
        pytest.importorskip("python_calamine")
    before = (folder / "p.db").read_bytes()
    with pytest.raises((ArgumentError, FileError), match=message):
        read_table(f"{folder}/{name}", target="y")
    assert (folder / "p.db").read_bytes() == before


def test_damaged_files_are_refused(folder: Path, tmp_path: Path) -> None:
    database = (folder / "p.db").read_bytes()
    (tmp_path / "p.db").write_bytes(database[:100] + bytes(len(database) - 100))
    with pytest.raises(FileError, match="cannot be read as an SQLite database"):
        read_table(tmp_path / "p.db", target="y")
    for ending in ("xz", "zst", "lz4"):
        packed = (folder / f"p.csv.{ending}").read_bytes()
        (tmp_path / f"p.csv.{ending}").write_bytes(packed[: len(packed) // 2])
        with pytest.raises(FileError, match="the compressed file is cut short"):
            read_table(tmp_path / f"p.csv.{ending}", target="y")
        (tmp_path / f"plain.csv.{ending}").write_bytes(text_of())
        with pytest.raises(FileError, match=f"is named .{ending} but is not a"):
            read_table(tmp_path / f"plain.csv.{ending}", target="y")
    (tmp_path / "huge.jsonl.xz").write_bytes(lzma.compress(b'{"a": 1}\n' * 400_000))
    with pytest.raises(FileError, match="allowed for it"):
        read_table(tmp_path / "huge.jsonl.xz", target="a", read_limit=0.003)
    pytest.importorskip("python_calamine")
    book = (folder / "one.xlsx").read_bytes()
    (tmp_path / "one.xlsx").write_bytes(book[: len(book) // 2])
    with pytest.raises(FileError, match="damaged workbook"):
        read_table(tmp_path / "one.xlsx", target="y")


def test_a_sheet_without_names_takes_those_that_are_given(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    rows: list[list[object]] = [[1.5, "a", "p"], [2.5, "b", "q"], [3.5, "a", "q"]]
    (tmp_path / "bare.xlsx").write_bytes(workbook_of({"S": rows}))
    found = read_table(tmp_path / "bare.xlsx", target="y", names=["x", "hue", "y"])
    assert found.feature_names == ("x", "hue=a", "hue=b")
    assert found.X[:, 0].tolist() == [1.5, 2.5, 3.5]
