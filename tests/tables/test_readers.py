"""Every kind of file holds the same rows. Broken files are in test_wrong_files."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from file_makers import CSV, IMAGES, LABELS, arrow_table, feather_bytes, idx_bytes, npy_bytes, npz_bytes, parquet_bytes
from polytome import LogisticRegression
from polytome.errors import DataError
from polytome.tables.readers.idx import IDX_FILES, read_idx
from polytome.tables.readers.libsvm import read_libsvm
from polytome.tables.table import Encoder, Table, read_table

X_EXPECTED = np.array([[25, 0, 0, 1], [31.5, 1, 0, 0], [-400, 0, 0, 1], [7, 0, 1, 0]])
Y_EXPECTED = np.array(["low", "high", "low", "high"])
NAMES = ("age", "colour=blue", "colour=green", "colour=red")


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
        ("people.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("people.csv.bz2", bz2.compress(CSV.encode())),
        ("people.parquet", parquet_bytes(arrow_table())),
        ("people.feather", feather_bytes(arrow_table())),
        ("people.arrow", feather_bytes(arrow_table())),
        ("people.unknown", parquet_bytes(arrow_table())),
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


@pytest.mark.skipif(not hasattr(pa, "string_view"), reason="this pyarrow has no views of texts")
def test_arrow_streams_and_views_read_as_the_same_rows(tmp_path: Path) -> None:
    views = arrow_table()
    for name in ("colour", "income"):
        column = views[name].cast(pa.string()).cast(pa.string_view())
        views = views.set_column(views.column_names.index(name), name, column)
    with pa.OSFile(str(tmp_path / "stream.arrow"), "wb") as sink, pa.ipc.new_stream(sink, views.schema) as writer:
        writer.write_table(views)
    with pa.OSFile(str(tmp_path / "file.arrow"), "wb") as sink, pa.ipc.new_file(sink, views.schema) as writer:
        writer.write_table(views)
    for name in ("stream.arrow", "file.arrow"):
        table = read_table(tmp_path / name, target="income")
        assert_array_equal(table.X, X_EXPECTED)
        assert_array_equal(table.y, Y_EXPECTED)


def test_every_kind_of_array_reads_as_the_same_rows(tmp_path: Path) -> None:
    X = IMAGES.reshape(4, 6)
    y = LABELS.astype(int)
    lines = [f"{label} " + " ".join(f"{j + 1}:{v}" for j, v in enumerate(row)) for label, row in zip(y, X, strict=True)]
    svm = "# a comment\n" + " # another\n\n".join(lines)
    (tmp_path / "y.npy").write_bytes(npy_bytes(y))
    files: list[tuple[str, bytes, str | None]] = [
        ("a.npy", npy_bytes(X), str(tmp_path / "y.npy")),
        ("images.npy", npy_bytes(IMAGES), str(tmp_path / "y.npy")),
        ("last.npy", npy_bytes(np.column_stack([X, y])), "last"),
        ("first.npy", npy_bytes(np.column_stack([y, X])), "1"),
        ("swapped.npy", npy_bytes(X.astype(">f4")), str(tmp_path / "y.npy")),
        ("a.npz", npz_bytes(X=X, y=y), None),
        ("b.npz", npz_bytes(x_train=IMAGES, digit=y[:, None], other=[1]), "digit"),
        ("a.svm", svm.encode(), None),
        ("a.libsvm.gz", gzip.compress(svm.encode(), mtime=0), None),
        ("guessed.t", "\n".join(lines).encode(), None),
        ("guessed.bz2", bz2.compress("\n".join(lines).encode()), None),
        ("t10k-images-idx3-ubyte.gz", gzip.compress(idx_bytes(IMAGES), mtime=0), None),
        ("t10k-labels-idx1-ubyte", idx_bytes(LABELS), None),
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


def test_an_array_is_mapped_only_where_it_would_take_much_of_the_free_memory(tmp_path: Path, monkeypatch) -> None:
    X = np.arange(600.0).reshape(200, 3)
    np.save(tmp_path / "a.npy", X)
    for free, limit, mapped in ((None, None, True), (19_000, None, True), (20_000, None, False), (20_000, 1e-6, True)):
        monkeypatch.setattr("polytome.tables.readers.arrays.available_memory", lambda free=free: free)
        table = read_table(tmp_path / "a.npy", read_limit=limit)
        assert isinstance(table.X, np.memmap) == mapped
        assert_array_equal(table.X, X)


def test_a_fit_outlives_the_file_that_it_was_read_from(tmp_path: Path) -> None:
    """Of a mapped array, the first page that is missing would end the process."""
    X, y = np.random.default_rng(0).normal(size=(5_000, 20)), np.arange(5_000) % 2
    np.save(tmp_path / "a.npy", X)
    read = read_table(tmp_path / "a.npy").X
    with (tmp_path / "a.npy").open("r+b") as file:
        file.truncate(100)
    assert_array_equal(LogisticRegression().fit(read, y).coef_, LogisticRegression().fit(X, y).coef_)


def test_scipy_sparse_npz(tmp_path: Path) -> None:
    X = sparse.random_array((20, 30), density=0.1, random_state=np.random.default_rng(0))
    for kind in ("csr", "csc"):
        sparse.save_npz(tmp_path / f"{kind}.npz", X.asformat(kind))
        read = read_table(tmp_path / f"{kind}.npz").X
        assert read.format == "csr"
        assert_array_equal(read.toarray(), X.toarray())


@pytest.mark.parametrize("type_code", [(0x09, ">i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")])
def test_idx_of_every_type(tmp_path: Path, type_code: tuple[int, str]) -> None:
    array = np.arange(-5, 7).reshape(3, 2, 2).astype(type_code[1])
    (tmp_path / "a").write_bytes(idx_bytes(array, mark=bytes([0, 0, type_code[0]])))
    read = read_idx(tmp_path / "a")
    assert_array_equal(read, array)
    assert read.dtype.isnative


def test_a_folder_means_its_training_pair_and_a_file_itself(tmp_path: Path) -> None:
    contents = (IMAGES, LABELS, IMAGES[:3] + 1, LABELS[:3])
    for name, array in zip(IDX_FILES, contents, strict=True):
        (tmp_path / name.replace("-idx", ".idx")).write_bytes(idx_bytes(array))
    assert_array_equal(read_table(tmp_path).X, IMAGES.reshape(4, 6))
    test = read_table(tmp_path / "t10k-images.idx3-ubyte")
    assert_array_equal(test.X, (IMAGES[:3] + 1).reshape(3, 6))
    assert_array_equal(test.y, LABELS[:3])


def test_libsvm_in_pieces_equals_libsvm_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    expected = sparse.csr_array(sparse.random_array((300, 40), density=0.2, random_state=rng))
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
    monkeypatch.setattr("polytome.tables.readers.libsvm._PIECE", 701)
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
    X = sparse.csr_array(sparse.random_array((50, 20), density=0.3, random_state=rng))
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)  # what older releases write
    path = tmp_path / "a.svm"
    dump_svmlight_file(X, rng.integers(0, 3, 50), str(path), zero_based=False)
    theirs, labels = load_svmlight_file(str(path), n_features=20)
    ours, y = read_libsvm(path, n_features=20)
    assert_array_equal(ours.toarray(), theirs.toarray())
    assert_array_equal(y, labels)


# --- real data


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
    assert dropped.notes[1:] == ("2399 of 32561 rows have a missing cell and are left out",)
