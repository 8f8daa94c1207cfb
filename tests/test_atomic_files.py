from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from polytome.atomic_files import atomic_output, check_writable
from polytome.errors import FileError


def test_replaces_the_file_at_the_end_only(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with atomic_output(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_error_inside_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def write_half() -> None:
        with atomic_output(path) as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_disk_error_is_a_file_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if broken == "fsync" else (Path, "replace")), fail)
    message = r"a\.txt: could not be written \(No space left on device\)"
    with pytest.raises(FileError, match=message), atomic_output(path) as stream:
        stream.write(b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_follows_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    with atomic_output(tmp_path / "link") as stream:
        stream.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_new_file_has_ordinary_permissions(tmp_path: Path) -> None:
    with atomic_output(tmp_path / "a") as stream:
        stream.write(b"x")
    (tmp_path / "plain").write_bytes(b"x")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_device_is_written_to_and_not_replaced() -> None:
    with atomic_output(os.devnull) as stream:
        stream.write(b"x")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_refuses_a_folder_and_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(FileError, match="there is no folder"):
        check_writable(tmp_path / "absent" / "a")
    with pytest.raises(FileError, match="there is no folder"):
        check_writable(tmp_path / "a" / ".." / "b" / "c")


def test_refuses_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(FileError, match="may not be written to"):
        check_writable(tmp_path / "a")
