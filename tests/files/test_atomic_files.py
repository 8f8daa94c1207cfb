from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from polytome.errors import FileError
from polytome.files.atomic_files import atomic_output, check_writable


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
    with pytest.raises(FileError, match="is denied"):
        check_writable(tmp_path / "a")


# --- what killed processes leave ----------------------------------------------------------------

SLOW_SAVE = """
import sys, time
from polytome.files.atomic_files import atomic_output
with atomic_output(sys.argv[1]) as stream:
    stream.write(b"half")
    stream.flush()
    print("writing", flush=True)
    sys.stdin.readline()
    stream.write(b" and half")
"""


def slow_save(path: Path) -> subprocess.Popen[str]:
    """A process in the middle of a save; a line on its standard input lets it go on."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_SAVE, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def save(path: Path, content: bytes = b"new") -> None:
    with atomic_output(path) as stream:
        stream.write(content)


needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="no locks of files that end with their process")


@needs_locks
def test_what_killed_saves_leave_is_removed_by_the_next_one_into_the_folder(tmp_path: Path) -> None:
    killed = [slow_save(tmp_path / "a.txt"), slow_save(tmp_path / "b.txt")]
    assert len(list(tmp_path.iterdir())) == 2
    for process in killed:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert len(list(tmp_path.iterdir())) == 2
    save(tmp_path / "c.txt")
    assert list(tmp_path.iterdir()) == [tmp_path / "c.txt"]


@needs_locks
def test_a_save_leaves_those_alone_that_are_still_being_written(tmp_path: Path) -> None:
    process = slow_save(tmp_path / "a.txt")
    for _ in range(5):
        save(tmp_path / "b.txt")
        save(tmp_path / "a.txt")
    process.communicate("go on\n")
    assert process.returncode == 0
    assert (tmp_path / "a.txt").read_bytes() == b"half and half"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt"]


def test_many_saves_at_once_neither_fail_nor_leave_anything(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def save_often(number: int) -> None:
        try:
            for _ in range(50):
                save(tmp_path / f"{number % 3}.txt", b"x" * 1000)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=save_often, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.txt", "1.txt", "2.txt"]
    assert all(path.read_bytes() == b"x" * 1000 for path in tmp_path.iterdir())


def test_files_of_others_stay_whatever_they_are_called(tmp_path: Path) -> None:
    ours = ".0123456789abcdef.polytome.tmp"
    names = ["a.polytome.tmp", ".0123.polytome.tmp", f"{ours}.more", f"b{ours}", ".a.txt.01234567.tmp", "notes.tmp"]
    for name in names:
        (tmp_path / name).write_bytes(b"mine")
    (tmp_path / ".fedcba9876543210.polytome.tmp").mkdir()
    (tmp_path / "target").write_bytes(b"mine")
    (tmp_path / ".aaaaaaaaaaaaaaaa.polytome.tmp").symlink_to("target")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / ".bbbbbbbbbbbbbbbb.polytome.tmp")
    before = {path.name for path in tmp_path.iterdir()} - {".bbbbbbbbbbbbbbbb.polytome.tmp"}
    save(tmp_path / "a.txt")
    assert before <= {path.name for path in tmp_path.iterdir()}


# --- names and disks that cannot be used --------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [("a\0b", "not a valid file name"), ("\ud800", "not a valid file name"), ("x" * 300, "cannot be written")],
)
def test_names_that_no_file_can_have(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(FileError, match=message):
        save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_longest_name_that_a_file_can_have(tmp_path: Path) -> None:
    save(tmp_path / ("\N{GRINNING FACE}" * 63))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_device_that_is_full() -> None:
    with pytest.raises(FileError, match="/dev/full: could not be written"):
        save(Path("/dev/full"))


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of resources")
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """A process that may not write large files stands for a disk that is full."""
    program = """
import resource, sys
from polytome.files.atomic_files import atomic_output
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with atomic_output(sys.argv[1]) as stream:
        stream.write(bytes(100_000))
except ValueError as error:
    print(type(error).__name__, error)
"""
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    ended = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith(f"FileError {path}: could not be written (File too large)")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
