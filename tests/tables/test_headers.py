"""Whether the first line of a table holds names: by what stands below it and by the names that are
wanted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polytome.errors import DataError
from polytome.files.sources import fit_source, open_source, read_for_model
from polytome.models.logistic import LogisticRegression
from polytome.tables.readers.delimited import parse_delimited
from polytome.tables.readers.headers import decide_header
from polytome.tables.table import read_table

random = np.random.default_rng(0)
FLOATS = random.normal(size=(40, 4))
COUNTS = random.integers(0, 5, (40, 4))
WORDS = random.choice(["up", "down"], 40)


def _rows(first: str, *columns: np.ndarray) -> list[list[str]]:
    return [first.split(","), *([str(cell) for cell in row] for row in zip(*columns, strict=True))]


@pytest.mark.parametrize(
    "rows",
    [
        _rows("0,1,2,3", *FLOATS.T),
        _rows("0,1,2,3", *COUNTS.T),
        _rows("1,2,3,4", *FLOATS.T),
        _rows("0,1", *FLOATS.T[:2]),
        _rows("0,1", FLOATS.T[0], COUNTS.T[0]),
        _rows("0,y", FLOATS.T[0], WORDS),
        _rows("0,1,2,y", *COUNTS.T[:3], WORDS),
        _rows(",0,1,2", np.arange(40), *FLOATS.T[:3]),
        _rows(",".join(map(str, range(1, 32))), *random.integers(0, 40, (31, 40))),
        _rows("2019,2020,2021", *FLOATS.T[:3]),
        _rows("2022,2021", *FLOATS.T[:2]),
        _rows("1990,1995,2000", *COUNTS.T[:3]),
        _rows("1990,2003,2010", *FLOATS.T[:3]),
        _rows("country,1990,1995,2000", WORDS, *random.integers(1000, 9000, (3, 40))),
        _rows("400.0,400.5,401.0", *np.abs(FLOATS.T[:3])),
        _rows("0.1,0.2,0.3,0.4", *random.random((4, 40))),
        _rows("0.5,1.0,1.5,2.0", *np.abs(FLOATS.T.round(1))),
        _rows("0.05,0.25,0.5,0.95", *random.random((4, 40))),
        _rows("2020,2021,2022", ["u", "v", "u"], ["v", "u", "v"], ["u", "v", "v"]),
        _rows("2019,2020,y", [3, 3], [4, 5], [1, 0]),
        _rows("NA,EU,y", [1, 2], [2, 3], ["b", "a"]),
    ],
    ids=lambda rows: ",".join(rows[0][:4]),
)
def test_a_line_of_names_is_found_though_they_are_numbers(rows: list[list[str]]) -> None:
    decision = decide_header(rows)
    assert decision.headed
    assert decision.reason or "NA" in rows[0]
    assert not decide_header(rows[1:]).headed


@pytest.mark.parametrize(
    "first",
    [
        "5.1,3.5,1.4,setosa",
        "0,0,0,setosa",
        "1,2,3,4",
        "5,0,0,0",
        "1,10,100,1000",
        "5,n.a.,7,setosa",
        "?,1,2,3",
        ",1,2,3",
    ],
)
def test_a_row_of_data_is_no_line_of_names(first: str) -> None:
    below = ["4.9,3,1.4,setosa", "6,3,4.5,versicolor", "5,2,4,versicolor", "1,2,3,setosa"]
    if not first.endswith("setosa"):
        below = ["3,1,2,4", "2,20,200,2000", "1,1,1,1", "4,40,400,4000"]
    assert not decide_header([line.split(",") for line in (first, *below)]).headed


def test_evenly_spaced_numbers_above_such_are_data() -> None:
    rows = [[f"{start + step * j:.2f}" for j in range(4)] for start, step in zip(range(20), range(1, 21), strict=True)]
    assert not decide_header(rows).headed


def test_a_wide_table_is_decided_in_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr("polytome.tables.readers.headers.parse_number", lambda word: calls.append(word) or float(word))
    rows = [[str(random.random()) for _ in range(10_000)] for _ in range(100)]
    assert not decide_header(rows).headed
    assert len(calls) < 20 * 10_000


def test_the_names_of_a_model_decide() -> None:
    rows = [line.split(",") for line in ("0,1,2", "3,1,2", "0,0,1", "2,2,2")]
    assert decide_header(rows, ["2", "1", "0"]).headed
    assert decide_header(rows[:2], ["0"]).headed
    assert not decide_header(rows, ["age", "height", "weight"]).headed  # in doubt, it is data
    assert decide_header([["9", "age"], ["1", "2"]], ["age", "size"]).headed


def test_a_table_says_what_its_first_line_was_taken_for() -> None:
    (note,) = parse_delimited(b"0,1\n0.5,0.25\n1.5,2.5\n0.5,1.5\n", "t.csv").notes
    assert note.startswith("line 1 is read as the names of the columns, '0', '1', because its numbers count")
    assert "--header no" in note
    (note,) = parse_delimited(b"5,1\n0.5,0.25\n", "t.csv").notes
    assert "the columns are 'column_1', 'column_2'; use --header yes" in note
    assert parse_delimited(b"5,1\n0.5,0.25\n", "t.csv", header="no").notes == ()
    assert parse_delimited(b"x,y\n0.5,0.25\n", "t.csv").notes == ()


def test_a_model_of_numbered_columns_reads_as_many_rows_as_there_are(tmp_path: Path) -> None:
    lines = [f"{a},{b},{word}" for (a, b), word in zip(FLOATS[:, :2], WORDS, strict=True)]
    path = tmp_path / "train.csv"
    path.write_text("\n".join(["0,1,y", *lines]))
    model = fit_source(LogisticRegression(), open_source(str(path), target="y"))
    assert model.encoder_.feature_names == ("0", "1")
    new = tmp_path / "new.csv"
    new.write_text("1,0\n0.5,0\n0,1\n")
    assert read_for_model(model, str(new)).X.tolist() == [[0, 0.5], [1, 0]]
    assert read_for_model(model, str(new), header="no").X.tolist() == [[1, 0], [0.5, 0], [0, 1]]
    new.write_text("0.5,0\n0,1\n")
    assert read_for_model(model, str(new)).X.tolist() == [[0.5, 0], [0, 1]]
    new.write_text("3,4,5\n0.5,0.5,0.5\n0.1,0.3,0.1\n0.2,0.2,0.2\n")
    with pytest.raises(DataError, match="lacks the column '0', '1'; found '3', '4', '5'"):
        read_for_model(model, str(new))


def test_a_number_that_is_a_name_and_a_position_is_the_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("0,1,2\n" + "".join(f"{a},{b},{c}\n" for a, b, c in zip(*FLOATS.T[:2], COUNTS.T[0], strict=True)))
    table = read_table(path, target="2")
    assert table.feature_names == ("0", "1")
    assert "2 means the column of this name, not column '1', which has this position" in table.notes


@pytest.mark.parametrize(("start", "line"), [("", 1), ("sep=;\n", 2)])
def test_notes_name_the_line_that_is_read_as_names(start: str, line: int) -> None:
    named = parse_delimited(f"{start}0;1;2\n0.5;1.5;a\n0.5;2.5;b\n".encode(), "t.csv")
    assert named.names == ("0", "1", "2")
    assert named.notes[0].startswith(f"line {line} is read as the names")
    nameless = parse_delimited(f"{start}0.5;7\n1.5;8\n".encode(), "t.csv")
    assert nameless.notes[0].endswith(f"use --header yes if line {line} is one")
