"""Wrong files of every kind: each must be named with its place, what was found there and a
remedy."""

from __future__ import annotations

import bz2
import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest

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
from polytome.errors import ArgumentError, DataError, FileError, MissingExtraError
from polytome.tables.readers.idx import IDX_FILES
from polytome.tables.table import read_table


class Wrong(NamedTuple):
    """A file that must be refused, and what the message must say beside the file's name."""

    name: str
    content: bytes | str
    error: type[Exception]
    says: tuple[str, ...]
    options: dict[str, Any] = {}  # noqa: RUF012


TARGET = {"target": "income"}
MANY = [f"{i},{'ab'[i % 2]}" for i in range(100)]
NUMBERS = "age,income\n" + "\n".join(MANY)
UNIQUE = "name,income\n" + "\n".join(f"person {i},{'ab'[i % 2]}" for i in range(100))
LEVELS = "name,income\n" + "\n".join(f"level {i % 1001},{'ab'[i % 2]}" for i in range(4000))
TEN = "".join(f"{label} 1:1 3:{label}\n" for label in (1, 2) * 5)
OBJECTS = np.array([{"a": 1}, None], dtype=object)
NAN = np.where(np.arange(12).reshape(4, 3) == 7, np.nan, 1.0)

WRONG = [
    # text tables
    Wrong("empty.csv", "", FileError, ("empty",), TARGET),
    Wrong("blank.csv", "\n\n\n", FileError, ("blank lines",), TARGET),
    Wrong("header.csv", "age,income\n", FileError, ("no rows", "--header no"), {**TARGET, "header": "yes"}),
    Wrong("ragged.csv", CSV + "1,red\n", FileError, ("line 6", "2 cells", "has 3", "comma"), TARGET),
    Wrong("long.csv", "age,income\n1,a\n2,b,c\n", FileError, ("line 3", "3 cells", "has 2"), TARGET),
    Wrong("multi.csv", 'a,b\n1,"x\ny"\n2\n', FileError, ("line 4", "1 cells"), {"target": "b"}),
    Wrong(
        "quote.csv",
        'a,b\n1,x\n2,"y\n3,z\n4,z\n',
        FileError,
        ("line 3", "quotation mark", "never closed"),
        {"target": "b"},
    ),
    Wrong("twice.csv", "age,age,income\n1,2,a\n3,4,b\n", FileError, ("line 1", "'age' twice"), TARGET),
    Wrong("one.csv", "age:income\n1:a\n2:b\n", DataError, ("no column besides", "semicolons"), {"target": "1"}),
    Wrong("latin.csv", CSV.encode() + b"3,caf\xe9,low\n", FileError, ("line 6", "0xe9", "UTF-8"), TARGET),
    Wrong("utf16.csv", CSV.encode("utf-16")[:-1], FileError, ("is not utf-16", "--encoding"), TARGET),
    Wrong("zeros.csv", CSV.encode() + b"1,\0,low\n", FileError, ("line 6", "zero byte"), TARGET),
    Wrong("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(50), FileError, ("PNG",), TARGET),
    Wrong("really-parquet.csv", parquet_bytes(arrow_table()), FileError, ("Parquet", "ending"), TARGET),
    Wrong("cut.csv.gz", gzip.compress(CSV.encode())[:-12], FileError, ("cut short",), TARGET),
    Wrong("damaged.csv.gz", gzip.compress(CSV.encode())[:-8] + bytes(8), FileError, ("decompressed", "CRC"), TARGET),
    Wrong("cut.csv.bz2", bz2.compress(CSV.encode())[:-8], FileError, ("cut short",), TARGET),
    Wrong("plain.csv.gz", CSV, FileError, ("not a gzip file",), TARGET),
    Wrong("untargeted.csv", CSV, ArgumentError, ("--target", "'age', 'colour', 'income'")),
    Wrong("mistargeted.csv", CSV, ArgumentError, ("target='wage'", "'income'"), {"target": "wage"}),
    Wrong("dropped.csv", CSV, ArgumentError, ("drop='wage'", "'income'"), {**TARGET, "drop": ["wage"]}),
    Wrong(
        "letters.csv",
        NUMBERS.replace("\n7,", "\n12a,"),
        DataError,
        ("line 9", "'age'", "'12a'", "--categories age"),
        TARGET,
    ),
    Wrong("infinite.csv", NUMBERS.replace("\n7,", "\ninf,"), DataError, ("line 9", "'age'", "'inf'", "finite"), TARGET),
    Wrong(
        "gap.csv", NUMBERS.replace("\n7,", "\n,"), DataError, ("line 9", "'age'", "missing", "--missing mean"), TARGET
    ),
    Wrong("gaps.csv", CSV.replace("blue", " ? "), DataError, ("line 3", "'colour'", "missing"), TARGET),
    Wrong("unlabelled.csv", CSV.replace("high", "?"), DataError, ("line 3", "'income'", "label is missing"), TARGET),
    Wrong(
        "comma.csv",
        "x;y\n1,5;a\n2,25;b\n3;a\n",
        DataError,
        ("line 2", "'x'", "'1,5'", "decimal comma"),
        {"target": "y"},
    ),
    Wrong(
        "hollow.csv", "x,z,y\n1,NA,a\n2,,b\n", DataError, ("'z'", "every cell is missing", "--drop z"), {"target": "y"}
    ),
    Wrong("unique.csv", UNIQUE, DataError, ("'name'", "100 different", "--drop name"), TARGET),
    Wrong("levels.csv", LEVELS, DataError, ("'name'", "1001 different", "--drop name"), TARGET),
    Wrong(
        "regression.csv",
        "x,y\n" + "\n".join(f"1,{i / 7}" for i in range(1, 60)),
        DataError,
        ("'y'", "regression"),
        {"target": "y"},
    ),
    Wrong("names.csv", NUMBERS, DataError, ("'age'", "100 different", "identifier"), {"target": "age"}),
    Wrong(
        "single.csv", CSV.replace("high", "low"), DataError, ("'income'", "only the label 'low'", "two classes"), TARGET
    ),
    Wrong(
        "all-dropped.csv",
        "x,z,y\n1,,a\n,2,b\n",
        DataError,
        ("every row", "--missing mean"),
        {"target": "y", "missing": "drop"},
    ),
    Wrong("option.csv", CSV, ArgumentError, ("missing='zero'", "error, drop, mean"), {**TARGET, "missing": "zero"}),
    Wrong("option2.csv", CSV, ArgumentError, ("header='maybe'",), {**TARGET, "header": "maybe"}),
    # columns with types
    Wrong("text.parquet", CSV, FileError, ("neither a Parquet nor an Arrow",), TARGET),
    Wrong("cut.parquet", parquet_bytes(arrow_table())[:-9], FileError, ("damaged Parquet",), TARGET),
    Wrong("text.feather", CSV, FileError, ("neither a Parquet nor an Arrow",), TARGET),
    Wrong("cut.feather", feather_bytes(arrow_table())[:-20], FileError, ("damaged Arrow",), TARGET),
    Wrong(
        "null.parquet",
        parquet_bytes(pa.table({"x": [1, 2, None], "income": ["a", "b", "a"]})),
        DataError,
        ("row 3", "'x'", "missing"),
        TARGET,
    ),
    Wrong(
        "list.parquet",
        parquet_bytes(pa.table({"x": [[1], [2]], "income": ["a", "b"]})),
        DataError,
        ("'x'", "list", "--drop x"),
        TARGET,
    ),
    Wrong("norows.parquet", parquet_bytes(arrow_table().slice(0, 0)), FileError, ("0 rows",), TARGET),
    # arrays
    Wrong("text.npy", CSV, FileError, ("not a .npy file",)),
    Wrong("cut.npy", npy_bytes(NAN)[:-9], FileError, ("damaged",)),
    Wrong("objects.npy", npy_bytes(OBJECTS, allow_pickle=True), FileError, ("Python objects",)),
    Wrong("flat.npy", npy_bytes(np.ones(5)), DataError, ("(5,)", "(n, d)")),
    Wrong("deep.npy", npy_bytes(np.ones((2, 2, 2, 2))), DataError, ("(2, 2, 2, 2)",)),
    Wrong("void.npy", npy_bytes(np.ones((0, 3))), DataError, ("(0, 3)",)),
    Wrong("complex.npy", npy_bytes(np.ones((2, 2), complex)), DataError, ("complex128", "real")),
    Wrong("words.npy", npy_bytes(np.array([["a", "b"]])), DataError, ("<U1", "real")),
    Wrong("nan.npy", npy_bytes(NAN), DataError, ("row 3, column 2", "nan")),
    Wrong("inf.npy", npy_bytes(np.where(np.isnan(NAN), -np.inf, NAN)), DataError, ("row 3, column 2", "-inf")),
    Wrong("target.npy", npy_bytes(np.ones((4, 3))), ArgumentError, ("target='income'", "(4, 3)", "1 to 3"), TARGET),
    Wrong("width.npy", npy_bytes(np.ones((4, 3))), DataError, ("3 features", "5 are expected"), {"n_features": 5}),
    Wrong("drop.npy", npy_bytes(np.ones((4, 3))), ArgumentError, ("named columns",), {"drop": ["1"]}),
    Wrong("nothing.npz", npz_bytes(a=[1], b=[2]), FileError, ("found a, b",)),
    Wrong("text.npz", CSV, FileError, ("not a .npz file",)),
    Wrong("cut.npz", npz_bytes(X=np.ones((9, 9)), y=np.ones(9))[:-30], FileError, ("damaged",)),
    Wrong("objects.npz", npz_bytes(X=OBJECTS), FileError, ("Python objects",)),
    Wrong("uneven.npz", npz_bytes(X=np.ones((4, 3)), y=[1, 2, 3]), DataError, ("(3,)", "4 rows")),
    Wrong("onehot.npz", npz_bytes(X=np.ones((4, 3)), y=np.eye(4)), DataError, ("(4, 4)", "argmax")),
    Wrong("nanlabel.npz", npz_bytes(X=np.ones((4, 3)), y=[0, 1, np.nan, 1]), DataError, ("row 3", "label is missing")),
    Wrong("one-class.npz", npz_bytes(X=np.ones((4, 3)), y=[1, 1, 1, 1]), DataError, ("only the label '1'",)),
    *(
        Wrong(
            f"pointers-{kind.decode()}-{number}.npz",
            npz_bytes(data=[1.0, 2.0], indices=[0, 1], indptr=pointers, shape=[2, 3], format=kind),
            FileError,
            ("damaged sparse array",),
        )
        for kind in (b"csr", b"csc")
        for number, pointers in enumerate(([0, 2**62, 2], [0, -1, 2], [0, 2, 1], [1, 1, 2], [0, 1, 3], [0, 2]))
    ),
    Wrong("names.npz", zipped(**{"a\nb\x1b[31m.csv": CSV}), FileError, ("without NumPy arrays (a b\\x1b[31m.csv)",)),
    Wrong(
        "sparse.npz",
        npz_bytes(data=[1.0], indices=[9], indptr=[0, 1], shape=[1, 3], format=b"csr"),
        FileError,
        ("damaged",),
    ),
    # libsvm
    Wrong("words.svm", TEN + "x 1:1\n", DataError, ("line 11", "label 'x'")),
    Wrong("several.svm", TEN + "1,2 1:1\n", DataError, ("line 11", "label '1,2'")),
    Wrong("unlabelled.svm", TEN + "1:1 2:1\n", DataError, ("line 11", "label '1:1'")),
    Wrong("zero.svm", "# zero-based\n1 0:1 1:1\n" + TEN, DataError, ("line 2", "index 0", "from 1")),
    Wrong("negative.svm", TEN + "1 -3:1\n", DataError, ("line 11", "index '-3'")),
    Wrong("fraction.svm", TEN + "1 1.5:1\n", DataError, ("line 11", "index '1.5'")),
    Wrong("descending.svm", TEN + "\n1 3:1 2:1\n", DataError, ("line 12", "index 2", "after index 3")),
    Wrong("repeated.svm", TEN + "1 3:1 3:1\n", DataError, ("line 11", "index 3", "twice")),
    Wrong("value.svm", TEN + "1 3:abc\n", DataError, ("line 11", "value 'abc'")),
    Wrong("nan.svm", TEN + "1 3:nan\n", DataError, ("line 11", "value 'nan'", "finite")),
    Wrong("absent.svm", TEN + "1 3:\n", DataError, ("line 11", "value ''")),
    Wrong("colonless.svm", TEN + "1 3\n", DataError, ("line 11", "'3' has no colon")),
    Wrong("shifted.svm", TEN + "1 2 3:4:5\n", DataError, ("line 11", "'2' has no colon")),
    Wrong("ranking.svm", TEN + "1 qid:3 1:1\n", DataError, ("line 11", "qid")),
    Wrong("huge.svm", TEN + "1 99999999999:1\n", DataError, ("line 11", "largest possible")),
    Wrong("wide.svm", TEN + "1 4:1\n", DataError, ("line 11", "index 4", "3 features"), {"n_features": 3}),
    Wrong("comments.svm", "# nothing\n\n", DataError, ("no line holds a row",)),
    Wrong("bare.svm", "1\n2\n", DataError, ("every row is empty",)),
    Wrong("cut.svm.gz", gzip.compress(TEN.encode())[:-5], FileError, ("cut short",)),
    Wrong("target.svm", TEN, ArgumentError, ("target='income'", "fixed place"), TARGET),
    Wrong("real.svm", "".join(f"{i / 7} 1:1\n" for i in range(1, 60)), DataError, ("regression",)),
    # images
    Wrong("text-idx3-ubyte", CSV, FileError, ("61 67 65 2c", "not an IDX file")),
    Wrong("type-idx3-ubyte", idx_bytes(IMAGES, mark=b"\0\0\x07"), FileError, ("not an IDX file",)),
    Wrong("swapped-idx3-ubyte", idx_bytes(LABELS), FileError, ("1 dimensions where 3", "swapped")),
    Wrong("short-idx3-ubyte", idx_bytes(IMAGES)[:9], FileError, ("within its header",)),
    Wrong("cut-idx3-ubyte", idx_bytes(IMAGES)[:-1], FileError, ("(4, 2, 3)", "24 bytes", "found 23")),
    Wrong("more-idx3-ubyte", idx_bytes(IMAGES) + b"!", FileError, ("follow after the 24 bytes",)),
    Wrong("giant-idx3-ubyte", b"\0\0\x08\3" + b"\xff" * 12, FileError, ("cut short", "found 0")),
    Wrong("none-idx3-ubyte", idx_bytes(IMAGES[:0]), FileError, ("no pixels",)),
    Wrong("cut-idx3-ubyte.gz", gzip.compress(idx_bytes(IMAGES))[:-9], FileError, ("cut short",)),
    Wrong("train-labels-idx1-ubyte", idx_bytes(LABELS), FileError, ("holds labels",)),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_wrong_file_is_refused_with_its_name_and_place(tmp_path: Path, wrong: Wrong) -> None:
    path = tmp_path / wrong.name
    path.write_bytes(wrong.content.encode() if isinstance(wrong.content, str) else wrong.content)
    with pytest.raises(wrong.error) as caught:
        read_table(path, **wrong.options)
    message = str(caught.value)
    assert type(caught.value) is wrong.error
    assert [part for part in wrong.says if part not in message] == [], message
    if "option" not in wrong.name:  # the only mistakes that are not about the file
        assert wrong.name in message
    assert "\n" not in message


def test_there_are_many_wrong_files_all_different() -> None:
    assert len({wrong.name for wrong in WRONG}) == len(WRONG) >= 40


def _missing_file(folder: Path) -> Path:
    return folder / "absent.csv"


def _empty_folder(folder: Path) -> Path:
    (folder / "sub").mkdir()
    (folder / "sub" / "notes.txt").write_text("x")
    return folder / "sub"


def _lonely_images(folder: Path) -> Path:
    (folder / IDX_FILES[0]).write_bytes(idx_bytes(IMAGES))
    return folder


def _uneven_pair(folder: Path) -> Path:
    (folder / IDX_FILES[0]).write_bytes(idx_bytes(IMAGES))
    (folder / IDX_FILES[1]).write_bytes(idx_bytes(LABELS[:3]))
    return folder


def _folder_named_csv(folder: Path) -> Path:
    (folder / "folder.npy").mkdir()
    return folder / "folder.npy"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_missing_file, ("absent.csv", "no such file")),
        (_empty_folder, ("sub", IDX_FILES[0], "notes.txt")),
        (_lonely_images, (IDX_FILES[0], IDX_FILES[1], "put the labels beside")),
        (_uneven_pair, (IDX_FILES[1], "3 labels", "4 images")),
        (_folder_named_csv, ("folder.npy", "nothing")),
    ],
)
def test_wrong_place_is_refused(tmp_path: Path, make: Callable[[Path], Path], says: tuple[str, ...]) -> None:
    path = make(tmp_path)
    with pytest.raises(FileError) as caught:
        read_table(path)
    assert [part for part in says if part not in str(caught.value)] == [], caught.value


def test_a_missing_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for name in ("a.csv", "a.parquet"):
        (tmp_path / name).write_text(CSV)
        with pytest.raises(MissingExtraError, match=r'pip install "polytome\[cli\]"'):
            read_table(tmp_path / name, target="income")
