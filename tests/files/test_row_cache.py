"""A copy of rows on disk: the same bits, and nothing left behind where it cannot be made."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from commands import done, run
from polytome import LogisticRegression, load, open_rows
from polytome.errors import FileError
from polytome.files.row_cache import CachedPart, bytes_of_cache, cached
from polytome.files.streamed import hold_out_streamed

pytest.importorskip("pyarrow")


def written(path: Path, n_towns: int = 3) -> Path:
    rng = np.random.default_rng(0)
    x, town = rng.normal(size=(500, 3)), rng.integers(0, n_towns, 500)
    y = np.where(x[:, 0] + town / n_towns + rng.logistic(size=500) > 0, "yes", "no")
    rows = [f"{','.join(map(str, x[i].tolist()))},town {town[i]},{y[i]}\n" for i in range(500)]
    path.write_bytes(gzip.compress(("a,b,c,town,y\n" + "".join(rows)).encode()))
    return path


@pytest.mark.parametrize("n_towns", [3, 15])  # dense and sparse
def test_a_copy_is_fitted_with_the_same_bits(n_towns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytome.tables.streams.opening._MOST_PIECE_ROWS", 64)
    path = written(tmp_path / "t.csv.gz", n_towns)
    rows = hold_out_streamed(open_rows(path, target="y"), 0.2)
    copy = cached(rows, tmp_path)
    (file,) = tmp_path.glob("*.rows")
    assert file.stat().st_size <= bytes_of_cache(rows) + 1_000
    assert all(isinstance(part, CachedPart) for part in copy.X.parts)
    made = file.stat().st_mtime_ns
    again = cached(hold_out_streamed(open_rows(path, target="y"), 0.2), tmp_path)
    assert file.stat().st_mtime_ns == made
    wanted = LogisticRegression(scale="standard").fit(rows)
    for one in (copy, again):
        assert_array_equal(LogisticRegression(scale="standard").fit(one).coef_, wanted.coef_)
    for number in (None, 1):  # other rows, another seed: other copies
        cached(rows if number is None else hold_out_streamed(open_rows(path, target="y"), 0.2, number), tmp_path)
    assert len(list(tmp_path.glob("*.rows"))) == 2
    written(path, n_towns + 1)
    cached(open_rows(path, target="y"), tmp_path)
    assert len(list(tmp_path.glob("*.rows"))) == 3


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i2"])
def test_numbers_of_other_files(dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(scale=9.0, size=(300, 4)).astype(dtype), rng.integers(0, 3, 300)
    np.save(tmp_path / "X.npy", np.asfortranarray(np.column_stack([X, y.astype(dtype)])))
    lines = [f"{y[i]} " + " ".join(f"{j + 1}:{X[i, j]}" for j in range(4)) for i in range(300)]
    (tmp_path / "X.svm").write_text("\n".join(lines) + "\n")
    (tmp_path / "copies").mkdir()
    monkeypatch.chdir(tmp_path)
    copies = [(rows, cached(rows, "copies")) for rows in (open_rows("X.npy", target="last"), open_rows("X.svm"))]
    wanted = [LogisticRegression().fit(rows).coef_ for rows, _ in copies]
    monkeypatch.chdir(tmp_path / "copies")
    for (_, copy), coef in zip(copies, wanted, strict=True):
        assert_array_equal(LogisticRegression().fit(copy).coef_, coef)


def test_faults_of_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = open_rows(written(tmp_path / "t.csv.gz"), target="y")
    with pytest.raises(FileError, match="there is no such folder"):
        cached(rows, tmp_path / "none")

    class Usage:
        free = 1_000

    with monkeypatch.context() as patched:
        patched.setattr("shutil.disk_usage", lambda _: Usage)
        with pytest.raises(FileError, match=r"a copy of the rows takes .* GB, and 1e-06 GB are free there"):
            cached(rows, tmp_path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(FileError, match=r"could not be written \(No space left on device"):
            cached(rows, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv.gz"]
    copy = cached(rows, tmp_path)
    (file,) = tmp_path.glob("*.rows")
    content = file.read_bytes()
    for damaged in (content[:-30], b"other" + content, content[:-8] + b"\xff" * 8, b""):
        file.write_bytes(damaged)
        with pytest.raises(FileError, match="is not a copy of these rows, or damaged; remove it"):
            cached(rows, tmp_path)
        with pytest.raises(FileError, match="was changed while its rows were in use"):
            LogisticRegression().fit(copy)


def test_the_command(tmp_path: Path) -> None:
    path, folder = written(tmp_path / "t.csv.gz"), tmp_path / "copies"
    folder.mkdir()
    words = ["train", path, path, "--target", "y", "--test-fraction", "0.3"]
    done(*words, "--out", tmp_path / "one.safetensors")
    done(*words, "--out", tmp_path / "other.safetensors", "--cache", folder)
    assert len(list(folder.iterdir())) == 1
    one, other = load(tmp_path / "one.safetensors"), load(tmp_path / "other.safetensors")
    assert_array_equal(one.coef_, other.coef_)
    assert one.training_.data_sha256 == other.training_.data_sha256
    failed = run("train", *words[1:], "--cache", tmp_path / "none")
    assert failed.exit_code == 1
    assert "there is no such folder for copies of rows" in " ".join(failed.output.split())
    failed = run("train", "iris", "--cache", folder)
    assert failed.exit_code == 1
    assert "--cache: is for rows that are read piece by piece" in " ".join(failed.output.split())
