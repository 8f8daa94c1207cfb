"""Text tables of other encodings are read as their twins in UTF-8, and none is guessed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polytome import load, read_table, train
from polytome.errors import ArgumentError, FileError
from polytome.tables.readers.encodings import as_utf8

LINES = ["größe;stadt;kündigt"] + [
    f"{k % 7};{('Köln', 'Zürich', 'Graz')[k % 3]};{'jä' if k % 2 else 'nein'}" for k in range(30)
]
TEXT = "\r\n".join(LINES) + "\r\n"


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("cp1252", "cp1252"),
        ("latin-1", "Latin_1"),
        ("cp850", "cp850"),
        ("utf-8-sig", None),
        ("utf-8-sig", "utf-8"),
        ("utf-16", None),
        ("utf-16-le", "utf-16-le"),
        ("utf-16", "utf-16"),
    ],
)
def test_a_table_is_read_as_its_twin_in_utf8(tmp_path: Path, encoding: str, said: str | None) -> None:
    (tmp_path / "twin.csv").write_bytes(TEXT.encode())
    (tmp_path / "k.csv").write_bytes(TEXT.encode(encoding))
    twin, found = (
        read_table(tmp_path / name, target="kündigt", encoding=how)
        for name, how in (("twin.csv", None), ("k.csv", said))
    )
    assert found.feature_names == twin.feature_names
    assert np.array_equal(np.asarray(found.X), np.asarray(twin.X))
    assert found.y is not None
    assert twin.y is not None
    assert found.y.tolist() == twin.y.tolist()


def test_a_model_of_such_a_table_is_that_of_its_twin(tmp_path: Path) -> None:
    (tmp_path / "twin.csv").write_bytes(TEXT.encode())
    (tmp_path / "k.csv").write_bytes(TEXT.encode("cp1252"))
    twin = train(tmp_path / "twin.csv", target="kündigt")
    model = train(tmp_path / "k.csv", target="kündigt", encoding="cp1252")
    assert np.array_equal(model.coef_, twin.coef_)
    model.save(tmp_path / "k.safetensors")
    again = load(tmp_path / "k.safetensors")
    assert again.encoder_ == twin.encoder_


def test_nothing_is_guessed(tmp_path: Path) -> None:
    path = tmp_path / "k.csv"
    path.write_bytes(TEXT.encode("cp1252"))
    with pytest.raises(FileError, match=r"k\.csv, line 1: byte 0xf6 is not UTF-8; save .*--encoding cp1252"):
        read_table(path, target="last")
    with pytest.raises(FileError, match=r"k\.csv: byte 3, 0xf6, is not ascii; name the file's encoding"):
        read_table(path, target="last", encoding="ascii")
    for wrong in ("hex", "no such", "a\0b", ""):
        with pytest.raises(ArgumentError, match="is not the name of an encoding of text"):
            read_table(path, target="last", encoding=wrong)
    path.write_bytes(TEXT.encode("utf-8-sig"))
    with pytest.raises(ArgumentError, match=r"begins with the mark of UTF-8; leave the option out"):
        read_table(path, target="last", encoding="cp1252")
    path.write_bytes(TEXT.encode("utf-16"))
    with pytest.raises(ArgumentError, match=r"begins with the mark of UTF-16; leave the option out"):
        read_table(path, target="last", encoding="cp1252")
    path.write_bytes(b"age,town\n20,x\n")
    with pytest.raises(FileError, match=r"no rows; .*; is it cp037\? another --encoding may make lines of it"):
        read_table(path, target="last", encoding="cp037")
    (tmp_path / "k.jsonl").write_text('{"a": 1, "y": "b"}\n')
    with pytest.raises(ArgumentError, match="neither a text table nor a folder of texts"):
        read_table(tmp_path / "k.jsonl", target="y", encoding="cp1252")


def test_half_a_letter_of_utf16_is_told() -> None:
    with pytest.raises(FileError, match=r"t\.csv: byte [\d,]+, 0x.., is not utf-16; name the file's encoding"):
        as_utf8("a;b".encode("utf-16")[:-1], "t.csv")
