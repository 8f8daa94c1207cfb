"""How text tables are written: long lines, quotation marks that are text, a named separator; pipes,
other files."""

from __future__ import annotations

import os
import threading
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from commands import run
from file_makers import CSV, npy_bytes, npz_bytes
from polytome.errors import FileError, MissingExtraError
from polytome.files.sources import open_source
from polytome.tables.readers.delimited import parse_delimited
from polytome.tables.table import read_table


def cells(text: str, **options: str) -> list[list[str]]:
    """All rows of a text without a header line."""
    frame = parse_delimited(text.encode(), "text", **{"header": "no", **options})
    return [[column.text(row) for column in frame.cells] for row in range(frame.n_rows)]


@pytest.mark.parametrize("separator", [",", "\t", ";"])
@pytest.mark.parametrize("length", [10, 1000])
def test_no_line_is_too_long(separator: str, length: int) -> None:
    names = [f"gene_{j:0{length}d}" for j in range(1200 if length > 10 else 20_000)]  # above 1 MiB, above 128 KiB
    values = ["1.5"] * len(names)
    text = "\n".join(separator.join(row) for row in (names, values, values)) + "\n"
    frame = parse_delimited(text.encode(), "genes.csv")
    assert frame.names == tuple(names)
    assert frame[names[-1]].numbers().tolist() == [1.5, 1.5]


def test_no_cell_is_too_long() -> None:
    long = "word " * 50_000
    assert cells(f'id,text\n1,{long}\n2,"{long},\n{long}"\n') == [
        ["id", "text"],
        ["1", long.strip()],
        ["2", f"{long},\n{long}".strip()],
    ]
    with pytest.raises(FileError, match=r"line 3: 3 cells where the first line has 2"):
        cells(f"1,{long}\n2,{long}\n3,{long},{long}\n")


def test_a_long_line_that_has_too_many_cells_is_named() -> None:
    text = "a,b\n" + "1,x\n2,y\n" * 60 + "1," * 300_000 + "\n"
    with pytest.raises(FileError, match=r"line 122: 300001 cells where the first line has 2"):
        cells(text)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('ham\t"Call me\nspam\tyou won\n', [["ham", '"Call me'], ["spam", "you won"]]),
        ('ham\t"Call\nspam\tme"\nham\tx\n', [["ham", '"Call'], ["spam", 'me"'], ["ham", "x"]]),
        ('ham\t"Hi" he said\nspam\t"yes"\n', [["ham", '"Hi" he said'], ["spam", '"yes"']]),
        ('ham;"Hi" he said\r\nspam;no\r\n', [["ham", '"Hi" he said'], ["spam", "no"]]),
        ('1,2,3,"a\n4,5,6,b"\n', [["1", "2", "3", '"a'], ["4", "5", "6", 'b"']]),
        ('1,5" pipe\n2,6" "wide" pipe\n', [["1", '5" pipe'], ["2", '6" "wide" pipe']]),
        # and marks that enclose
        ('"1","2"\n"3","4"\n', [["1", "2"], ["3", "4"]]),
        ('1,"a,b"\n2,c\n', [["1", "a,b"], ["2", "c"]]),
        ('1,"say ""yes"""\n2,"no"\n', [["1", 'say "yes"'], ["2", "no"]]),
        ('1,"one\ntwo"\n2,x\n', [["1", "one\ntwo"], ["2", "x"]]),
        ('1,"one,\ntwo, three"\n2,x\n', [["1", "one,\ntwo, three"], ["2", "x"]]),
        ('1,"one\ntwo, three"\n2,x\n', [["1", "one\ntwo, three"], ["2", "x"]]),
        ('1\t"a"\n2\t"b\tc"\n', [["1", "a"], ["2", "b\tc"]]),
        ('1,"5"" pipe"\n2,5" pipe\n', [["1", '5" pipe'], ["2", '5" pipe']]),
    ],
)
def test_quotation_marks_enclose_cells_or_are_text(text: str, rows: list[list[str]]) -> None:
    assert cells(text) == rows


def test_messages_of_the_telephone_corpus_are_all_read() -> None:
    """Its texts hold quotation marks as people wrote them."""
    path = Path(os.environ.get("POLYTOME_DATA", "absent"), "text", "SMSSpamCollection")
    if not path.exists():
        pytest.skip("the corpus is absent")
    lines = path.read_text("utf-8").splitlines()
    rows = cells(path.read_text("utf-8"))
    assert rows == [[cell.strip() for cell in line.split("\t")] for line in lines]


@pytest.mark.parametrize("first", ["sep=;\n", '"sep=;"\r\n', "SEP=;\n", "\ufeffsep=;\r\n"])
def test_a_first_line_that_names_the_separator(first: str) -> None:
    frame = parse_delimited(f"{first}a;b\n1,5;2\n3;4,5\n".encode(), "excel.csv", header="yes")
    assert frame.names == ("a", "b")
    assert frame["a"].text(0) == "1,5"
    assert frame.place(0) == "excel.csv, line 3"
    with pytest.raises(FileError, match=r"line 4: 3 cells where the first line has 2 \(separator: semicolon\)"):
        parse_delimited(f"{first}a;b\n1;2\n3;4;5\n".encode(), "excel.csv")


# --- pipes, archives and other files


@pytest.mark.parametrize(
    "content", [CSV.encode(), npz_bytes(X=np.eye(4), y=[0, 1, 0, 1]), npy_bytes(np.eye(70)), b"1 1:2\n2 1:3\n"]
)
def test_a_pipe_is_read_whole(tmp_path: Path, content: bytes) -> None:
    plain, pipe = tmp_path / "plain", tmp_path / "pipe"
    plain.write_bytes(content)
    os.mkfifo(pipe)
    options = {"target": "income"} if content == CSV.encode() else {}
    expected = read_table(plain, **options)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    found = read_table(pipe, **options)
    writer.join()
    assert abs(found.X - expected.X).max() == 0
    assert np.array_equal(found.y, expected.y)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero")
def test_a_device_that_never_ends_is_refused() -> None:
    with pytest.raises(FileError, match="/dev/zero: its output would take"):
        read_table("/dev/zero", target="last", read_limit=0.02)


def test_archives_and_workbooks_are_called_what_they_are(tmp_path: Path) -> None:
    members = {
        "book.xlsx": (
            ["[Content_Types].xml", "xl/workbook.xml"],
            "(damaged workbook|reading workbooks needs python-calamine)",
        ),
        "renamed.csv": (["_rels/.rels", "xl/workbook.xml"], r"Excel workbook, not text; give it the ending \.xlsx"),
        "two.csv.zip": (["a.csv", "b.csv"], r"contains 2 files \(a\.csv, b\.csv\); unpack it"),
        "texts.npz": (["a.csv"], r"a zip archive without NumPy arrays \(a\.csv\); unpack it"),
    }
    for name, (inside, says) in members.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member in inside:
                archive.writestr(member, CSV)
        with pytest.raises((FileError, MissingExtraError), match=says) as caught:
            read_table(tmp_path / name, target="last")
        assert name in str(caught.value)


def test_a_name_that_comes_twice_in_parquet_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "twice.parquet"
    parquet.write_table(pa.table([[1, 2], [3, 4], ["a", "b"]], names=["x", "x", "y"]), path)
    with pytest.raises(FileError, match="has two columns named 'x'; give each column its own name"):
        read_table(path, target="y")


@pytest.mark.parametrize("name", ["a\0.csv", "a" * 5000, "\0"])
def test_a_name_that_no_file_can_have(name: str) -> None:
    for read in (lambda: read_table(name, target="y"), lambda: open_source(name)):
        with pytest.raises(FileError):
            read()
    assert run("train", name).exit_code == 1
