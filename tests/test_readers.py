"""Every kind of file, whole and broken: a wrong file must be named with its place and a remedy."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from pyarrow import feather, parquet
from scipy import sparse

from polytome.errors import ArgumentError, DataError, FileError, MissingExtraError
from polytome.readers.idx import IDX_FILES, read_idx
from polytome.readers.libsvm import read_libsvm
from polytome.tables import Encoder, Table, read_table

ROWS = [("25", "red", "low"), ("31.5", "blue", "high"), ("-4e2", "red", "low"), ("7", "green", "high")]
CSV = "age,colour,income\n" + "".join(",".join(row) + "\n" for row in ROWS)
X_EXPECTED = np.array([[25, 0, 0, 1], [31.5, 1, 0, 0], [-400, 0, 0, 1], [7, 0, 1, 0]])
Y_EXPECTED = np.array(["low", "high", "low", "high"])
NAMES = ("age", "colour=blue", "colour=green", "colour=red")


def _arrow_table() -> pa.Table:
    ages, colours, incomes = zip(*ROWS, strict=True)
    return pa.table(
        {
            "age": [float(age) for age in ages],
            "colour": pa.array(colours).dictionary_encode(),
            "income": pa.array(incomes, pa.large_string()),
        }
    )


def _npy(array: Any, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def _npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _idx(array: np.ndarray, mark: bytes = b"\0\0\x08") -> bytes:
    return mark + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def _parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(table, stream)
    return stream.getvalue()


def _feather(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    feather.write_feather(table, stream)
    return stream.getvalue()


IMAGES = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
LABELS = np.array([3, 1, 3, 1], dtype=np.uint8)


# --- the same table in all


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("people.csv", CSV.encode()),
        ("people.tsv", CSV.replace(",", "\t").encode()),
        ("people.txt", CSV.replace(",", ";").encode()),
        ("people.dat", CSV.replace(",", "|").encode()),
        ("blanks.txt", CSV.replace(",", " ").encode()),
        ("people", CSV.replace(",", ", ").replace("\n", "\r\n").encode()),
        ("bom.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("quoted.csv", CSV.replace("red", '"red"').replace("age", '"age"').encode()),
        ("single.csv", "\n".join(",".join(f"'{c}'" for c in line.split(",")) for line in CSV.split()).encode()),
        ("spaced.csv", ("\n" + CSV.replace("\n", "\n\n")).encode()),
        ("trailing.csv", CSV.replace("\n", ",,\n").encode()),
        ("unended.csv", CSV.rstrip().encode()),
        ("people.csv.gz", gzip.compress(CSV.encode())),
        ("people.csv.bz2", bz2.compress(CSV.encode())),
        ("people.parquet", _parquet(_arrow_table())),
        ("people.feather", _feather(_arrow_table())),
        ("people.arrow", _feather(_arrow_table())),
        ("people.unknown", _parquet(_arrow_table())),
    ],
)
def test_every_kind_of_table_reads_as_the_same_rows(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    table = read_table(path, target="income")
    assert_array_equal(table.X, X_EXPECTED)
    assert_array_equal(table.y, Y_EXPECTED)
    assert table.feature_names == NAMES
    assert table.encoder is not None
    again = read_table(path, encoder=table.encoder)
    assert_array_equal(again.X, X_EXPECTED)
    assert_array_equal(again.y, Y_EXPECTED)


def test_every_kind_of_array_reads_as_the_same_rows(tmp_path: Path) -> None:
    X = IMAGES.reshape(4, 6)
    y = LABELS.astype(int)
    lines = [f"{label} " + " ".join(f"{j + 1}:{v}" for j, v in enumerate(row)) for label, row in zip(y, X, strict=True)]
    svm = "# a comment\n" + " # another\n\n".join(lines)
    (tmp_path / "y.npy").write_bytes(_npy(y))
    files: list[tuple[str, bytes, str | None]] = [
        ("a.npy", _npy(X), str(tmp_path / "y.npy")),
        ("images.npy", _npy(IMAGES), str(tmp_path / "y.npy")),
        ("last.npy", _npy(np.column_stack([X, y])), "last"),
        ("first.npy", _npy(np.column_stack([y, X])), "1"),
        ("swapped.npy", _npy(X.astype(">f4")), str(tmp_path / "y.npy")),
        ("a.npz", _npz(X=X, y=y), None),
        ("b.npz", _npz(x_train=IMAGES, digit=y[:, None], other=[1]), "digit"),
        ("a.svm", svm.encode(), None),
        ("a.libsvm.gz", gzip.compress(svm.encode()), None),
        ("guessed.t", "\n".join(lines).encode(), None),
        ("guessed.bz2", bz2.compress("\n".join(lines).encode()), None),
        ("t10k-images-idx3-ubyte.gz", gzip.compress(_idx(IMAGES)), None),
        ("t10k-labels-idx1-ubyte", _idx(LABELS), None),
    ]
    for name, content, _ in files:
        (tmp_path / name).write_bytes(content)
    for name, _, target in files[:-1]:
        table = read_table(tmp_path / name, target=target)
        dense = table.X.toarray() if sparse.issparse(table.X) else table.X
        assert_array_equal(dense, X, err_msg=name)
        assert_array_equal(table.y, y, err_msg=name)
        assert table.X.dtype.isnative
    assert read_table(tmp_path / "images.npy").X.dtype == np.uint8
    assert read_table(tmp_path / "a.npy").y is None
    assert isinstance(read_table(tmp_path / "a.npy").X, np.memmap)


def test_scipy_sparse_npz(tmp_path: Path) -> None:
    X = sparse.random_array((20, 30), density=0.1, rng=np.random.default_rng(0))
    for kind in ("csr", "csc"):
        sparse.save_npz(tmp_path / f"{kind}.npz", X.asformat(kind))
        read = read_table(tmp_path / f"{kind}.npz").X
        assert read.format == "csr"
        assert_array_equal(read.toarray(), X.toarray())


@pytest.mark.parametrize("type_code", [(0x09, ">i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")])
def test_idx_of_every_type(tmp_path: Path, type_code: tuple[int, str]) -> None:
    array = np.arange(-5, 7).reshape(3, 2, 2).astype(type_code[1])
    (tmp_path / "a").write_bytes(_idx(array, mark=bytes([0, 0, type_code[0]])))
    read = read_idx(tmp_path / "a")
    assert_array_equal(read, array)
    assert read.dtype.isnative


def test_a_folder_means_its_training_pair_and_a_file_itself(tmp_path: Path) -> None:
    contents = (IMAGES, LABELS, IMAGES[:3] + 1, LABELS[:3])
    for name, array in zip(IDX_FILES, contents, strict=True):
        (tmp_path / name.replace("-idx", ".idx")).write_bytes(_idx(array))
    assert_array_equal(read_table(tmp_path).X, IMAGES.reshape(4, 6))
    test = read_table(tmp_path / "t10k-images.idx3-ubyte")
    assert_array_equal(test.X, (IMAGES[:3] + 1).reshape(3, 6))
    assert_array_equal(test.y, LABELS[:3])


def test_libsvm_in_pieces_equals_libsvm_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    expected = sparse.csr_array(sparse.random_array((300, 40), density=0.2, rng=rng))
    lines = []
    for i in range(300):
        entries = expected[[i]].tocoo()
        lines.append(
            " ".join(
                [
                    "+1" if i % 2 else "-1",
                    *(f"{j + 1}:{v!r}" for j, v in zip(entries.col, entries.data.tolist(), strict=True)),
                ]
            )
        )
    (tmp_path / "a.svm").write_text("\n".join(lines))
    monkeypatch.setattr("polytome.readers.libsvm._PIECE", 701)
    X, y = read_libsvm(tmp_path / "a.svm", n_features=40)
    assert_array_equal(X.toarray(), expected.toarray())
    assert_array_equal(y, np.where(np.arange(300) % 2, 1, -1))
    lines[250] = "1 7:1 3:2"
    (tmp_path / "bad.svm").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"bad\.svm, line 251: index 3 comes after index 7"):
        read_libsvm(tmp_path / "bad.svm")


def test_libsvm_agrees_with_scikit_learn(tmp_path: Path) -> None:
    from sklearn.datasets import dump_svmlight_file, load_svmlight_file

    rng = np.random.default_rng(2)
    X = sparse.csr_array(sparse.random_array((50, 20), density=0.3, rng=rng))
    path = tmp_path / "a.svm"
    dump_svmlight_file(X, rng.integers(0, 3, 50), str(path), zero_based=False)
    theirs, labels = load_svmlight_file(str(path), n_features=20)
    ours, y = read_libsvm(path, n_features=20)
    assert_array_equal(ours.toarray(), theirs.toarray())
    assert_array_equal(y, labels)


# --- wrong inputs


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
    Wrong("one.csv", "age:income\n1:a\n2:b\n", DataError, ("no column beside", "semicolons"), {"target": "1"}),
    Wrong("latin.csv", CSV.encode() + b"3,caf\xe9,low\n", FileError, ("line 6", "0xe9", "UTF-8"), TARGET),
    Wrong("utf16.csv", CSV.encode("utf-16"), FileError, ("UTF-16",), TARGET),
    Wrong("zeros.csv", CSV.encode() + b"1,\0,low\n", FileError, ("line 6", "zero byte"), TARGET),
    Wrong("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(50), FileError, ("PNG",), TARGET),
    Wrong("really-parquet.csv", _parquet(_arrow_table()), FileError, ("Parquet", "ending"), TARGET),
    Wrong("cut.csv.gz", gzip.compress(CSV.encode())[:-12], FileError, ("cut short",), TARGET),
    Wrong("damaged.csv.gz", gzip.compress(CSV.encode())[:-8] + bytes(8), FileError, ("unpacked", "CRC"), TARGET),
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
    Wrong("unlabelled.csv", CSV.replace("high", "NA"), DataError, ("line 3", "'income'", "label is missing"), TARGET),
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
    Wrong("cut.parquet", _parquet(_arrow_table())[:-9], FileError, ("damaged Parquet",), TARGET),
    Wrong("text.feather", CSV, FileError, ("neither a Parquet nor an Arrow",), TARGET),
    Wrong("cut.feather", _feather(_arrow_table())[:-20], FileError, ("damaged Arrow",), TARGET),
    Wrong(
        "null.parquet",
        _parquet(pa.table({"x": [1, 2, None], "income": ["a", "b", "a"]})),
        DataError,
        ("row 3", "'x'", "missing"),
        TARGET,
    ),
    Wrong(
        "list.parquet",
        _parquet(pa.table({"x": [[1], [2]], "income": ["a", "b"]})),
        DataError,
        ("'x'", "list", "--drop x"),
        TARGET,
    ),
    Wrong("norows.parquet", _parquet(_arrow_table().slice(0, 0)), FileError, ("0 rows",), TARGET),
    # arrays
    Wrong("text.npy", CSV, FileError, ("not a .npy file",)),
    Wrong("cut.npy", _npy(NAN)[:-9], FileError, ("damaged",)),
    Wrong("objects.npy", _npy(OBJECTS, allow_pickle=True), FileError, ("Python objects",)),
    Wrong("flat.npy", _npy(np.ones(5)), DataError, ("(5,)", "(n, d)")),
    Wrong("deep.npy", _npy(np.ones((2, 2, 2, 2))), DataError, ("(2, 2, 2, 2)",)),
    Wrong("void.npy", _npy(np.ones((0, 3))), DataError, ("(0, 3)",)),
    Wrong("complex.npy", _npy(np.ones((2, 2), complex)), DataError, ("complex128", "real")),
    Wrong("words.npy", _npy(np.array([["a", "b"]])), DataError, ("<U1", "real")),
    Wrong("nan.npy", _npy(NAN), DataError, ("row 3, column 2", "nan")),
    Wrong("inf.npy", _npy(np.where(np.isnan(NAN), -np.inf, NAN)), DataError, ("row 3, column 2", "-inf")),
    Wrong("target.npy", _npy(np.ones((4, 3))), ArgumentError, ("target='income'", "(4, 3)", "1 to 3"), TARGET),
    Wrong("width.npy", _npy(np.ones((4, 3))), DataError, ("3 features", "5 are expected"), {"n_features": 5}),
    Wrong("drop.npy", _npy(np.ones((4, 3))), ArgumentError, ("named columns",), {"drop": ["1"]}),
    Wrong("nothing.npz", _npz(a=[1], b=[2]), FileError, ("found a, b",)),
    Wrong("text.npz", CSV, FileError, ("not a .npz file",)),
    Wrong("cut.npz", _npz(X=np.ones((9, 9)), y=np.ones(9))[:-30], FileError, ("damaged",)),
    Wrong("objects.npz", _npz(X=OBJECTS), FileError, ("Python objects",)),
    Wrong("uneven.npz", _npz(X=np.ones((4, 3)), y=[1, 2, 3]), DataError, ("(3,)", "4 rows")),
    Wrong("onehot.npz", _npz(X=np.ones((4, 3)), y=np.eye(4)), DataError, ("(4, 4)", "argmax")),
    Wrong("nanlabel.npz", _npz(X=np.ones((4, 3)), y=[0, 1, np.nan, 1]), DataError, ("row 3", "label is missing")),
    Wrong("one-class.npz", _npz(X=np.ones((4, 3)), y=[1, 1, 1, 1]), DataError, ("only the label '1'",)),
    Wrong(
        "sparse.npz", _npz(data=[1.0], indices=[9], indptr=[0, 1], shape=[1, 3], format=b"csr"), FileError, ("damaged",)
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
    Wrong("type-idx3-ubyte", _idx(IMAGES, mark=b"\0\0\x07"), FileError, ("not an IDX file",)),
    Wrong("swapped-idx3-ubyte", _idx(LABELS), FileError, ("1 dimensions where 3", "swapped")),
    Wrong("short-idx3-ubyte", _idx(IMAGES)[:9], FileError, ("within its header",)),
    Wrong("cut-idx3-ubyte", _idx(IMAGES)[:-1], FileError, ("(4, 2, 3)", "24 bytes", "found 23")),
    Wrong("more-idx3-ubyte", _idx(IMAGES) + b"!", FileError, ("follow after the 24 bytes",)),
    Wrong("giant-idx3-ubyte", b"\0\0\x08\3" + b"\xff" * 12, FileError, ("cut short", "found 0")),
    Wrong("none-idx3-ubyte", _idx(IMAGES[:0]), FileError, ("no pixels",)),
    Wrong("cut-idx3-ubyte.gz", gzip.compress(_idx(IMAGES))[:-9], FileError, ("cut short",)),
    Wrong("train-labels-idx1-ubyte", _idx(LABELS), FileError, ("holds labels",)),
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
    (folder / IDX_FILES[0]).write_bytes(_idx(IMAGES))
    return folder


def _uneven_pair(folder: Path) -> Path:
    (folder / IDX_FILES[0]).write_bytes(_idx(IMAGES))
    (folder / IDX_FILES[1]).write_bytes(_idx(LABELS[:3]))
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


# --- real data


@pytest.fixture
def data() -> Path:
    folder = os.environ.get("POLYTOME_DATA")
    if not folder:
        pytest.skip("POLYTOME_DATA names no folder of real data")
    return Path(folder)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "n_features", "shape", "n_classes"),
    [
        ("a9a/a9a", None, (32561, 123), 2),
        ("a9a/a9a.t", 123, (16281, 123), 2),
        ("letter/letter.scale", None, (15000, 16), 26),
        ("sector/sector.scale.bz2", None, (6412, 55197), 105),
        ("sector/sector.t.scale.bz2", 55197, (3207, 55197), 105),
        ("mnist", None, (60000, 784), 10),
        ("mnist/t10k-images-idx3-ubyte.gz", 784, (10000, 784), 10),
        ("singh/ma_singh.npz", None, (102, 12600), 2),
    ],
)
def test_real_arrays(data: Path, name: str, n_features: int | None, shape: tuple[int, int], n_classes: int) -> None:
    table: Table = read_table(data / name, n_features=n_features)
    assert table.X.shape == shape
    assert table.y is not None
    assert len(np.unique(table.y)) == n_classes


@pytest.mark.data
def test_real_index_above_the_features_is_named(data: Path) -> None:
    with pytest.raises(DataError, match=r"a9a, line 19610: index 123 is above the 122 features"):
        read_table(data / "a9a/a9a", n_features=122)


@pytest.mark.data
def test_real_adult_with_gaps(data: Path) -> None:
    train, test = data / "adult/adult-train.csv", data / "adult/adult-test.csv"
    with pytest.raises(DataError, match=r"adult-train\.csv, line 28, column 'column_2': the cell is missing"):
        read_table(train, target="last")
    filled = read_table(train, target="column_15", missing="mean")
    assert isinstance(filled.encoder, Encoder)
    assert filled.X.shape == (32561, 108)  # 6 numbers and 99 levels, and "(missing)" in three columns
    assert sparse.issparse(filled.X)
    assert_array_equal(np.unique(filled.y), ["<=50K", ">50K"])
    assert read_table(test, encoder=filled.encoder).X.shape == (16281, 108)
    dropped = read_table(train, target="15", missing="drop")
    assert dropped.X.shape == (30162, 104)
    assert dropped.kept is not None
    assert dropped.kept.sum() == 30162
    assert not dropped.kept[27]
    assert dropped.notes == ("2399 of 32561 rows have a missing cell and are left out",)
