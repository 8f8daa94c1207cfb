"""Data sets by name, and downloads against a server on this machine that breaks off, lies and
resumes."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import os
import re
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from polytome.errors import ArgumentError, FileError
from polytome.tables import datasets
from polytome.tables.datasets import is_here, list_datasets, load_dataset
from polytome.tables.downloads import RemoteFile, fetch
from polytome.tables.readers.idx import IDX_FILES

CONTENT = bytes(range(256)) * 2000
PACKED = gzip.compress(CONTENT, compresslevel=0, mtime=0)
FILE = RemoteFile("data.gz", hashlib.sha256(CONTENT).hexdigest())
HALF = len(PACKED) // 2


class Server:
    """What is served, how it misbehaves, and what was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"/good/data.gz": PACKED}
        self.resumes = True
        self.break_after: int | None = None
        self.length: str | None = None
        self.asked: list[tuple[str, str | None]] = []
        self.address = ""

    def mirrors(self, *names: str) -> tuple[str, ...]:
        return tuple(f"{self.address}/{name}/" for name in names)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves byte ranges, or breaks the connection off."""

    def __init__(self, state: Server, *arguments: Any) -> None:
        self.state = state
        super().__init__(*arguments)

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.state.asked.append((self.path, wanted))
        content = self.state.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = int(re.findall(r"\d+", wanted)[0]) if wanted and self.state.resumes else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", self.state.length or str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.state.break_after is None else body[: self.state.break_after])

    def log_message(self, format: str, *arguments: Any) -> None:
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, state)) as listener:
        state.address = f"http://127.0.0.1:{listener.server_address[1]}"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        listener.shutdown()
        thread.join()


# --- downloads


def test_whole_download_is_kept_and_not_repeated(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    path = fetch(FILE, server.mirrors("good"), tmp_path / "new", lambda *step: seen.append(step))
    assert path.read_bytes() == PACKED
    assert seen[-1] == ("data.gz", len(PACKED), len(PACKED))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert [entry.name for entry in path.parent.iterdir()] == ["data.gz"]
    assert fetch(FILE, server.mirrors("good"), tmp_path / "new") == path
    assert len(server.asked) == 1


def test_a_server_that_never_ends_or_says_no_length_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.length = "very long"
    with pytest.raises(FileError, match=r"data\.gz: could not be downloaded"):
        fetch(FILE, server.mirrors("good"), tmp_path)
    server.length = None
    monkeypatch.setattr("polytome.tables.downloads._MOST_BYTES", HALF)
    with pytest.raises(FileError, match="it sends more than"):
        fetch(FILE, server.mirrors("good"), tmp_path)


def test_interrupted_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.break_after = HALF
    with pytest.raises(
        FileError, match=rf"data\.gz: could not .*the connection ended after {HALF} of {len(PACKED)} bytes"
    ):
        fetch(FILE, server.mirrors("good"), tmp_path)
    assert (tmp_path / "data.gz.part").read_bytes() == PACKED[:HALF]
    assert not (tmp_path / "data.gz").exists()
    server.break_after = None
    assert fetch(FILE, server.mirrors("good"), tmp_path).read_bytes() == PACKED
    assert server.asked[-1] == ("/good/data.gz", f"bytes={HALF}-")


def test_an_interrupted_mirror_is_continued_by_the_next(server: Server, tmp_path: Path) -> None:
    server.break_after = HALF + 10
    server.files["/other/data.gz"] = PACKED
    assert fetch(FILE, server.mirrors("good", "other"), tmp_path).read_bytes() == PACKED
    assert server.asked == [("/good/data.gz", None), ("/other/data.gz", f"bytes={HALF + 10}-")]


def test_a_server_that_cannot_resume_sends_all_again(server: Server, tmp_path: Path) -> None:
    server.resumes = False
    (tmp_path / "data.gz.part").write_bytes(PACKED[:HALF])
    assert fetch(FILE, server.mirrors("good"), tmp_path).read_bytes() == PACKED


@pytest.mark.parametrize(
    "rest", [b"x" * HALF, PACKED + b"more", PACKED[:-1] + b"x"], ids=["foreign", "long", "damaged"]
)
def test_a_useless_rest_is_thrown_away(server: Server, tmp_path: Path, rest: bytes) -> None:
    (tmp_path / "data.gz.part").write_bytes(rest)
    assert fetch(FILE, server.mirrors("good"), tmp_path).read_bytes() == PACKED
    assert server.asked[-1] == ("/good/data.gz", None)


def test_a_complete_rest_needs_no_more_bytes(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.gz.part").write_bytes(PACKED)
    assert fetch(FILE, server.mirrors("good"), tmp_path).read_bytes() == PACKED
    assert len(server.asked) == 1


def test_corrupted_mirrors_are_passed_over_and_named(server: Server, tmp_path: Path) -> None:
    server.files["/bad/data.gz"] = PACKED[:HALF] + b"!" + PACKED[HALF + 1 :]
    server.files["/page/data.gz"] = b"<html>please log in</html>"
    assert fetch(FILE, server.mirrors("bad", "page", "good"), tmp_path / "a").read_bytes() == PACKED
    with pytest.raises(FileError) as caught:
        fetch(FILE, server.mirrors("bad", "page", "absent"), tmp_path / "b")
    for part in ("/bad/data.gz (its checksum is wrong)", "/page/data.gz (its checksum", "/absent/data.gz (HTTP 404"):
        assert part in str(caught.value)
    assert list((tmp_path / "b").iterdir()) == []


def test_md5_is_of_the_packed_file(server: Server, tmp_path: Path) -> None:
    right = RemoteFile("data.gz", hashlib.md5(PACKED, usedforsecurity=False).hexdigest(), "md5")
    assert fetch(right, server.mirrors("good"), tmp_path).read_bytes() == PACKED
    with pytest.raises(FileError, match="checksum is wrong"):
        fetch(RemoteFile("data.gz", "0" * 32, "md5"), server.mirrors("good"), tmp_path / "b")


def test_a_cache_that_cannot_be_made_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileError, match=r"file.cache: cannot be created .*POLYTOME_CACHE"):
        fetch(FILE, server.mirrors("good"), tmp_path / "file" / "cache")


# --- MNIST and its relatives


def _idx(array: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


RNG = np.random.default_rng(0)
ARRAYS = (
    RNG.integers(0, 256, (30, 28, 28), dtype=np.uint8),
    RNG.integers(0, 10, 30, dtype=np.uint8),
    RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8),
    RNG.integers(0, 10, 20, dtype=np.uint8),
)


def _write(folder: Path, packed: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(IDX_FILES, ARRAYS, strict=True):
        content = _idx(array)
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)
    return folder


def _closed_port() -> str:
    """An address where nobody listens."""
    return "http://127.0.0.1:9/"


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No data folder, an empty cache and no connection."""
    monkeypatch.delenv("POLYTOME_DATA", raising=False)
    monkeypatch.setenv("POLYTOME_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets, "_MIRRORS", dict.fromkeys(("mnist", "fashion-mnist"), (_closed_port(),)))
    return tmp_path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("below", ["", "mnist"])
@pytest.mark.parametrize("given", ["argument", "environment"])
def test_mnist_from_a_folder(
    sealed: Path, monkeypatch: pytest.MonkeyPatch, packed: bool, below: str, given: str
) -> None:
    _write(sealed / "data" / below, packed)
    if given == "environment":
        monkeypatch.setenv("POLYTOME_DATA", str(sealed / "data"))
    mnist = load_dataset("mnist", sealed / "data" if given == "argument" else None)
    assert mnist.X.dtype == np.uint8
    assert_array_equal(mnist.X, ARRAYS[0].reshape(30, 784))
    assert_array_equal(mnist.y, ARRAYS[1])
    assert mnist.X_test is not None
    assert_array_equal(mnist.X_test, ARRAYS[2].reshape(20, 784))
    assert_array_equal(mnist.y_test, ARRAYS[3])
    assert (mnist.scale, mnist.image_shape, mnist.class_names) == (255.0, (28, 28), tuple("0123456789"))
    assert mnist.feature_names[29] == "pixel_1_1"


def test_fashion_has_names_for_labels(sealed: Path) -> None:
    fashion = load_dataset("fashion-mnist", _write(sealed / "data"))
    assert_array_equal(fashion.y, np.array(fashion.class_names)[ARRAYS[1]])
    assert fashion.class_names[9] == "Ankle boot"


def test_one_set_is_not_taken_for_the_other(sealed: Path) -> None:
    folder = _write(sealed / "data")
    labels = ARRAYS[1].copy()
    labels[:10] = [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    (folder / IDX_FILES[1]).write_bytes(_idx(labels))
    assert load_dataset("mnist", folder).y[0] == 5
    with pytest.raises(FileError, match=r"train-labels-idx1-ubyte: holds the labels of mnist, not of fashion-mnist"):
        load_dataset("fashion-mnist", folder)


def test_labels_above_nine_are_refused(sealed: Path) -> None:
    folder = _write(sealed / "data")
    (folder / IDX_FILES[1]).write_bytes(_idx(ARRAYS[1] + np.uint8(1) * 10))
    with pytest.raises(FileError, match="a label is above 9"):
        load_dataset("mnist", folder)


def test_test_images_of_another_size_are_refused(sealed: Path) -> None:
    folder = _write(sealed / "data")
    (folder / IDX_FILES[2]).write_bytes(_idx(ARRAYS[2][:, :, :27]))
    with pytest.raises(FileError, match=r"\(28, 27\) pixels, in training \(28, 28\)"):
        load_dataset("mnist", folder)


def test_a_named_folder_without_the_files_is_an_error(sealed: Path) -> None:
    with pytest.raises(FileError) as caught:
        load_dataset("mnist", sealed)
    assert [name for name in (str(sealed), *IDX_FILES) if name not in str(caught.value)] == []


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_offline_says_what_was_tried_and_what_to_do(sealed: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYTOME_DATA", str(sealed))  # holds nothing, which is no error
    with pytest.raises(FileError) as caught:
        load_dataset(name)
    wanted = (name, f"{_closed_port()}{IDX_FILES[0]}.gz (", "refused", "--data DIR", *IDX_FILES)
    assert [part for part in wanted if part not in str(caught.value)] == [], caught.value


@pytest.mark.parametrize("variable", ["POLYTOME_CACHE", "XDG_CACHE_HOME", "HOME"])
def test_mnist_is_downloaded_once(server: Server, sealed: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for name in ("POLYTOME_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(sealed / "home"))
    below = {"POLYTOME_CACHE": "", "XDG_CACHE_HOME": "polytome", "HOME": ".cache/polytome"}[variable]
    contents = [_idx(array) for array in ARRAYS]
    for file, content in zip(IDX_FILES, contents, strict=True):
        server.files[f"/good/{file}.gz"] = gzip.compress(content)
    checksums = tuple(hashlib.sha256(content).hexdigest() for content in contents)
    monkeypatch.setattr(datasets, "_MIRRORS", {"mnist": server.mirrors("absent", "good")})
    monkeypatch.setattr(datasets, "_CHECKSUMS", {"mnist": ("sha256", checksums)})
    seen = []
    assert_array_equal(load_dataset("mnist", progress=lambda *step: seen.append(step[0])).y, ARRAYS[1])
    assert sorted(set(seen)) == sorted(f"{file}.gz" for file in IDX_FILES)
    assert sorted(entry.name for entry in (sealed / "home" / below / "mnist").iterdir()) == sorted(set(seen))
    n_asked = len(server.asked)
    assert_array_equal(load_dataset("mnist").y_test, ARRAYS[3])
    assert len(server.asked) == n_asked


def _cached(folder: Path, names: tuple[str, ...] = IDX_FILES, suffix: str = ".gz") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}{suffix}").touch()


def test_whether_a_data_set_is_here(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_here("wine")
    assert not is_here("mnist")
    folder = sealed / "cache" / "mnist"
    _cached(folder)
    assert is_here("mnist")
    assert not is_here("fashion-mnist")
    assert not is_here("mnist", sealed)
    assert is_here("mnist", folder)
    monkeypatch.setenv("POLYTOME_DATA", str(sealed / "elsewhere"))
    assert is_here("mnist")
    _cached(sealed / "elsewhere" / "fashion-mnist", suffix="")
    assert is_here("fashion-mnist")
    with pytest.raises(ArgumentError, match="did you mean 'mnist'"):
        is_here("minst")


@pytest.mark.parametrize(("names", "suffix"), [(IDX_FILES[:3], ".gz"), (IDX_FILES, "")], ids=["three", "unpacked"])
def test_a_cache_that_would_be_added_to_is_not_enough(sealed: Path, names: tuple[str, ...], suffix: str) -> None:
    """What is not in the cache under the name it is fetched by is downloaded."""
    _cached(sealed / "cache" / "mnist", names, suffix)
    assert not is_here("mnist")
    with pytest.raises(FileError, match=r"could not be downloaded"):
        load_dataset("mnist")


def test_every_mirror_is_encrypted_and_every_checksum_complete() -> None:
    for name, mirrors in datasets._MIRRORS.items():
        algorithm, checksums = datasets._CHECKSUMS[name]
        assert len(mirrors) >= 2
        assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in mirrors)
        assert [len(bytes.fromhex(checksum)) for checksum in checksums] == [hashlib.new(algorithm).digest_size] * 4


# --- the bundled


@pytest.mark.parametrize("info", [info for info in list_datasets() if info.bundled], ids=lambda info: info.name)
def test_bundled_sets_are_as_announced(info: datasets.DatasetInfo) -> None:
    dataset = load_dataset(info.name)
    assert dataset.X.shape == (info.n_rows, info.n_features)
    assert len(dataset.feature_names) == info.n_features
    assert len(dataset.class_names) == len(np.unique(dataset.y)) == info.n_classes
    assert set(dataset.y.astype(str)) == set(dataset.class_names)
    assert dataset.X_test is dataset.y_test is None
    assert dataset.source == info.source


def test_digits_are_images_of_small_integers() -> None:
    from sklearn.datasets import load_digits

    digits = load_dataset("digits")
    assert digits.X.dtype == np.uint8
    assert_array_equal(digits.X, load_digits().data)
    assert digits.X.max() == digits.scale == 16.0
    assert digits.image_shape == (8, 8)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("irs", "did you mean 'iris'"), ("fashion_mnist", "'fashion-mnist'?"), ("cifar", "breast-cancer")],
)
def test_unknown_names_are_refused(name: str, hint: str) -> None:
    with pytest.raises(ArgumentError, match=r"no such data set; choose one of iris") as caught:
        load_dataset(name)
    assert hint in str(caught.value)


@pytest.mark.data
def test_real_mnist_has_the_checksums_that_downloads_must_have() -> None:
    if not os.environ.get("POLYTOME_DATA"):
        pytest.skip("POLYTOME_DATA names no folder of real data")
    folder = Path(os.environ["POLYTOME_DATA"], "mnist")
    for name, checksum in zip(IDX_FILES, datasets._CHECKSUMS["mnist"][1], strict=True):
        assert RemoteFile(name, checksum).matches(folder / f"{name}.gz")
    mnist = load_dataset("mnist")
    assert mnist.X.shape == (60000, 784)
    assert mnist.X_test is not None
    assert mnist.X_test.shape == (10000, 784)
    assert_array_equal(np.bincount(mnist.y)[:3], [5923, 6742, 5958])
