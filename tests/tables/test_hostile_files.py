"""Files that claim or unpack to very much, in every format: refused before the memory is taken,
unless allowed."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from commands import run
from file_makers import (
    CSV,
    IMAGES,
    LABELS,
    arrow_table,
    feather_bytes,
    idx_bytes,
    npy_bytes,
    npz_bytes,
    parquet_bytes,
    zipped,
)
from polytome.errors import ArgumentError, DataError, FileError
from polytome.tables.readers.arrow_files import read_columnar
from polytome.tables.readers.idx import IDX_FILES
from polytome.tables.readers.libsvm import read_libsvm
from polytome.tables.readers.opening import Allowance
from polytome.tables.table import read_table

LIMIT = 0.001  # gigabytes
ROWS = 100_000


def arrow_of(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    with pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue()


LINES = b"1,2,a\n2,3,b\n" * ROWS
SVM = b"1 1:1\n2 1:2\n" * ROWS
ZEROS = pa.table({"x": np.zeros(2 * ROWS), "y": np.arange(2 * ROWS) % 2})
GREEDY = {
    "rows.csv.gz": gzip.compress(LINES, 1, mtime=0),
    "rows.csv.bz2": bz2.compress(LINES),
    "rows.csv.zip": zipped(**{"rows.csv": LINES}),
    "line.csv.gz": gzip.compress(b"a," * 1_000_000, 1, mtime=0),
    "line.csv": b"a," * 10_000,
    "line.txt": b"a b\n" + b"a " * 10_000 + b"\n",
    "rows.svm.gz": gzip.compress(SVM, 1, mtime=0),
    "rows.svm.bz2": bz2.compress(SVM),
    "line.svm.gz": gzip.compress(b"1 " + b"".join(b"%d:1 " % i for i in range(1, 200_000)), 1),
    "wide.svm": b"1 1:1\n2 2147483647:1\n",
    "wide.npz": npz_bytes(data=[1.0], indices=[9], indptr=[0, 1], shape=[1, 2**31 - 1], format=b"csr"),
    "tall.npz": npz_bytes(data=[1.0], indices=[9], indptr=[0, 1], shape=[2**31 - 1, 1], format=b"csc"),
    "zeros.npz": zipped(**{"X.npy": npy_bytes(np.zeros((ROWS, 4))), "y.npy": npy_bytes(np.arange(ROWS) % 2)}),
    "zeros.npy.gz": gzip.compress(npy_bytes(np.zeros((ROWS, 4))), 1),
    "zeros-idx3-ubyte.gz": gzip.compress(idx_bytes(np.zeros((2000, 28, 28), dtype=np.uint8)), 1),
    "zeros.parquet": parquet_bytes(ZEROS),
    "zeros.feather": feather_bytes(ZEROS, "zstd"),
    "nulls.arrow": arrow_of(pa.table({"x": pa.nulls(2**22)})),
}


@pytest.mark.parametrize("name", GREEDY)
def test_what_takes_more_than_is_allowed_is_refused_and_read_where_it_is_allowed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(GREEDY[name])
    labels = {} if "svm" in name or ".np" in name or "idx" in name else {"target": "last"}
    with pytest.raises(
        FileError, match=r"would take .* GB of memory, and 0\.001 GB are allowed.*--read-limit"
    ) as caught:
        read_table(path, read_limit=LIMIT, **labels)
    assert name in str(caught.value)
    if name in ("rows.csv.gz", "rows.csv.zip", "rows.svm.bz2", "zeros.npz", "zeros.npy.gz", "zeros.feather"):
        assert read_table(path, read_limit=0.2, **labels).X.shape[0] >= ROWS


def test_the_index_that_is_too_large_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "wide.svm"
    path.write_text("# a comment\n1 1:1\n2 2147483647:1\n1 2:1\n")
    with pytest.raises(FileError, match=r"wide\.svm, line 3: index 2147483647 would take 137\.4 GB"):
        read_table(path)
    assert read_libsvm(path, n_features=2**31 - 1)[0].shape == (3, 2**31 - 1)  # whoever says so means it


def test_text_that_stands_for_many_long_cells_stays_coded(tmp_path: Path) -> None:
    coded = pa.DictionaryArray.from_arrays(pa.array(np.zeros(50_000, dtype=np.int32)), pa.array(["x" * 1_000_000]))
    path = tmp_path / "words.parquet"
    parquet.write_table(pa.table({"a": coded}), path)  # 50 GB, were it written out
    codes, words = read_columnar(path)["a"].words()
    assert (len(codes), len(words), len(words[0])) == (50_000, 1, 1_000_000)


def test_the_allowance_grows_with_the_file() -> None:
    assert Allowance.of(0).size == Allowance.of(10**6).size == 2**30
    assert Allowance.of(10**9).size == 10**11
    assert Allowance.of(10**9, read_limit=2).size == 2 * 10**9


@pytest.mark.parametrize("limit", [0, -1.0, float("nan"), float("inf"), "1", True])
def test_a_limit_that_is_none_is_refused(tmp_path: Path, limit: object) -> None:
    with pytest.raises(ArgumentError, match="read_limit="):
        read_table(tmp_path / "any.csv", target="last", read_limit=limit)


def test_the_command_line_takes_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(GREEDY["rows.csv.gz"])
    refused = run("train", path, "--target", "last", "--read-limit", LIMIT)
    assert refused.exit_code == 1
    assert "--read-limit" in refused.output
    path.write_bytes(gzip.compress(LINES[:1200]))
    model = tmp_path / "model.safetensors"
    assert run("train", path, "--target", "last", "--read-limit", LIMIT, "--out", model).exit_code == 0
    for command in ("predict", "evaluate"):
        assert run(command, model, path, "--read-limit", LIMIT).exit_code == 0
        assert run(command, model, path, "--read-limit", 1e-6).exit_code == 1


# --- headers that announce what does not follow, references to nowhere


def test_a_header_that_announces_more_than_follows(tmp_path: Path) -> None:
    head = npy_bytes(np.zeros((3, 2)))[:128].replace(b"(3, 2), ", b"(999999999999, 2), ")
    head = head.replace(b" " * 10, b"", 1)
    (tmp_path / "long.npy").write_bytes(head + bytes(48))
    (tmp_path / "long.npz").write_bytes(zipped(**{"X.npy": head + bytes(48)}))
    (tmp_path / "long-idx3-ubyte").write_bytes(b"\0\0\x08\3" + struct.pack(">3I", 2**31, 2**31, 2**31) + bytes(9))
    for name in ("long.npy", "long.npz", "long-idx3-ubyte"):
        with pytest.raises(FileError, match=name):
            read_table(tmp_path / name)


def test_an_arrow_file_whose_offsets_and_codes_point_to_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "t.arrow"
    table = pa.table({"a": ["u", "v", "w", "u"], "y": pa.array(["p", "q", "p", "q"]).dictionary_encode()})
    good = arrow_of(table)
    path.write_bytes(good)
    assert read_table(path, target="y").X.shape == (4, 3)
    offsets = struct.pack("<5i", 0, 1, 2, 3, 4)
    codes = struct.pack("<4i", 0, 1, 0, 1)
    for wrong in (
        good.replace(offsets, struct.pack("<5i", 0, 1, 2**30, 3, 4)),
        good.replace(codes, struct.pack("<4i", 0, 1, 77, -5)),
        good[:-10] + good[-6:],
        good[:-30],
    ):
        assert wrong != good
        path.write_bytes(wrong)
        with pytest.raises(FileError, match=r"t\.arrow: damaged Arrow"):
            read_table(path, target="y")


@pytest.mark.parametrize("letter", [0xFFFFFFFF, 0x110000, 0xD800])
def test_labels_of_letters_that_are_none(tmp_path: Path, letter: int) -> None:
    y = np.array(["ab", "cd", "ab", "cd"])
    y.view(np.uint32)[5] = letter
    path = tmp_path / "letters.npz"
    path.write_bytes(npz_bytes(X=np.ones((4, 1)), y=y))
    with pytest.raises(DataError, match=r"letters\.npz, row 3: the label is not text"):
        read_table(path)
    path.write_bytes(npz_bytes(X=np.ones((4, 1)), y=np.array([b"a", b"b", b"\xff", b"a"])))
    with pytest.raises(DataError, match=r"row 3: the label b'\\xff' is not UTF-8"):
        read_table(path)


def test_labels_of_images_that_are_no_whole_numbers(tmp_path: Path) -> None:
    (tmp_path / IDX_FILES[0]).write_bytes(idx_bytes(IMAGES))
    (tmp_path / IDX_FILES[1]).write_bytes(idx_bytes(np.full(4, np.nan, dtype=">f4"), mark=b"\0\0\x0d"))
    with pytest.raises(FileError, match="whole numbers are needed"):
        read_table(tmp_path)
    (tmp_path / IDX_FILES[1]).write_bytes(idx_bytes(LABELS))
    assert read_table(tmp_path).y.tolist() == LABELS.tolist()


def test_feather_of_the_first_version_says_how_to_renew_it(tmp_path: Path) -> None:
    (tmp_path / "old.feather").write_bytes(b"FEA1" + bytes(50) + b"FEA1")
    with pytest.raises(FileError, match=r"version 1.*write it again"):
        read_table(tmp_path / "old.feather", target="last")


def test_a_file_that_is_packed_as_a_whole_reads_as_the_file(tmp_path: Path) -> None:
    good = {"a.feather": feather_bytes(arrow_table()), "a.csv": CSV.encode(), "a.parquet": parquet_bytes(arrow_table())}
    for name, content in good.items():
        for suffix, packed in ((".gz", gzip.compress(content)), (".zip", zipped(**{"folder/": b"", name: content}))):
            path = tmp_path / (name + suffix)
            path.write_bytes(packed)
            assert read_table(path, target="income").X.shape == (4, 4)
    path = tmp_path / "b.npy.bz2"
    path.write_bytes(bz2.compress(npy_bytes(np.eye(3))))
    assert read_table(path).X.tolist() == np.eye(3).tolist()


# --- long lines of libsvm text


@pytest.mark.parametrize("piece", [9, 16, 50, 333])
def test_lines_that_are_longer_than_a_piece_read_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    lines = ["# a long comment # in it", "1 1:2 3:4.5\t7:1", "", "2", "-1 2:3 # and 4:5", "  3 5:1 6:2   ", "1 1:1"]
    path = tmp_path / "rows.svm"
    path.write_text("\n".join(lines * 5))
    expected, labels = read_libsvm(path)
    assert labels.tolist() == [1, 2, -1, 3, 1] * 5
    monkeypatch.setattr("polytome.tables.readers.libsvm._PIECE", piece)
    found, again = read_libsvm(path)
    assert again.tolist() == labels.tolist()
    assert (found != expected).nnz == 0
    path.write_text("\n".join([*lines, "1 2:3 4:5 6:7 8:9 10:11 12:13 12:14"]))
    with pytest.raises(DataError, match=r"line 8: index 12 comes twice"):
        read_libsvm(path)
