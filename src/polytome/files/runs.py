"""Keep what came of each training in a folder of its own, and read such folders again.

A run is a folder `YYYYMMDDTHHMMSSZ` (its end, in UTC; several of one second have -2, -3, ... behind
it) with `run.json` (the command, digests of the data, settings, metrics, certificate, versions) and
`model.safetensors`. It is made under another name and renamed when it is whole, so that neither
Ctrl-C nor a full disk leaves half a run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from os import PathLike
from pathlib import Path
from typing import Any

from polytome.errors import ArgumentError, FileError
from polytome.files.atomic_files import atomic_output
from polytome.plain.names import suggested
from polytome.plain.values import plain

__all__ = ["MODEL_FILE", "RUN_FILE", "Run", "check_run_folder", "differences", "keep_run", "read_runs"]

MODEL_FILE, RUN_FILE = "model.safetensors", "run.json"
_FORMAT = 1
_NAME = re.compile(r"\d{8}T\d{6}Z(?:-(\d+))?")
_MOST_BYTES = 2**26


@dataclass(frozen=True)
class Run:
    """One training that was kept.

    Attributes:
        name: of its folder.
        folder: where it is.
        facts: what its file says: "command", "settings", "data", "metrics", "certificate", and
            more; None where the file cannot be read.
    """

    name: str
    folder: Path
    facts: Mapping[str, Any] | None

    def value(self, *path: str) -> Any:
        """A value among the facts; None where there is none.

        Example:
            >>> Run("a", Path("a"), {"metrics": {"accuracy": 0.9}}).value("metrics", "accuracy")
            0.9
        """
        found: Any = self.facts
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found


def check_run_folder(folder: str | PathLike[str]) -> None:
    """Check before long work that a run can be kept in a folder, which is made where there is none.

    Raises:
        FileError: it is a file, or cannot be made or written to.
    """
    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise FileError(f"{folder}: is a file; runs are kept in a folder")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: cannot be made ({error.strerror or error}); choose another folder") from error
    if not os.access(place, os.W_OK):
        raise FileError(f"{folder}: permission to write to the folder is denied; choose another")


def keep_run(folder: str | PathLike[str], facts: Mapping[str, Any], save: Callable[[Path], object]) -> Path:
    """Keep a run, whole or not at all.

    Args:
        folder: of all runs.
        facts: what is known of it, as plain values or what `plain` makes such of.
        save: writes the model to a path.

    Returns:
        The folder of the run.

    Raises:
        FileError: it cannot be written; nothing of it is left.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     place = keep_run(folder, {"command": "polytome train iris"}, lambda path: path.write_text("a model"))
        ...     [run.facts["command"] for run in read_runs(folder)], sorted(each.name for each in place.iterdir())
        (['polytome train iris'], ['model.safetensors', 'run.json'])
    """
    check_run_folder(folder)
    now = datetime.now(UTC)
    name = now.strftime("%Y%m%dT%H%M%SZ")
    part = Path(folder) / f".{name}-{os.getpid()}.part"
    told = {"format": _FORMAT, "ended": now.isoformat(timespec="seconds"), **facts}
    try:
        part.mkdir()
        save(part / MODEL_FILE)
        with atomic_output(part / RUN_FILE) as stream:
            stream.write(json.dumps(plain(told), indent=1, ensure_ascii=False, allow_nan=False).encode())
        return _named(part, Path(folder), name)
    except OSError as error:
        raise FileError(f"{folder}: the run could not be kept ({error.strerror or error})") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _named(part: Path, folder: Path, name: str) -> Path:
    """The whole run under its name, or the next one that is free."""
    for number in count(1):
        place = folder / (name if number == 1 else f"{name}-{number}")
        if place.exists():
            continue
        try:
            return part.rename(place)
        except OSError:
            if not place.exists():  # else another run of this second came first
                raise
    raise AssertionError("count does not end")


def read_runs(folder: str | PathLike[str], names: Sequence[str] = ()) -> list[Run]:
    """The runs of a folder in the order of their time, those that cannot be read without facts.

    Args:
        folder: that runs were kept in.
        names: of some runs, in the order that is wanted; all, if there are none.

    Raises:
        FileError: there is no such folder, it is a file, or it holds no runs.
        ArgumentError: there is no run of a name.
    """
    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise FileError(f"{folder}: is a file; give the folder that runs were kept in")
    if not place.is_dir():
        raise FileError(f"{folder}: no such folder; keep runs in one with polytome train ... --log-to {folder}")
    found = {each.name: each for each in place.iterdir() if _NAME.fullmatch(each.name) and each.is_dir()}
    if not found:
        raise FileError(f"{folder}: holds no runs; keep some with polytome train ... --log-to {folder}")
    for name in names:
        if name not in found:
            raise ArgumentError(f"{folder}: has no run {suggested(name, found)}")
    return [Run(name, found[name], _facts(found[name])) for name in names or sorted(found, key=_order)]


def differences(runs: Sequence[Run]) -> list[tuple[str, list[Any]]]:
    """What the runs differ in, by name, each with the value of every run.

    Example:
        >>> runs = [Run(str(C), Path(str(C)), {"settings": {"C": C, "tol": 1e-4}}) for C in (1.0, 2.0)]
        >>> differences(runs)
        [('C', [1.0, 2.0])]
    """
    asked: dict[str, tuple[str, ...]] = {
        "source": ("data", "name"),
        "training rows": ("data", "n_rows"),
        "features": ("data", "n_features"),
        "digest of the data": ("data_sha256",),
        "decision": ("decision",),
        "calibration": ("calibration",),
    }
    asked |= {name: ("settings", name) for run in runs for name in run.value("settings") or {}}
    values = [(title, [run.value(*path) for run in runs]) for title, path in asked.items()]
    return [(title, found) for title, found in values if any(value != found[0] for value in found)]


def _order(name: str) -> tuple[str, int]:
    """By time, the runs of one second by their number."""
    match = _NAME.fullmatch(name)
    assert match is not None
    return name.partition("-")[0], int(match[1] or 1)


def _facts(folder: Path) -> Mapping[str, Any] | None:
    """What the file of a run says, if it can be read."""
    file = folder / RUN_FILE
    try:
        if file.stat().st_size > _MOST_BYTES:
            return None
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("format") == _FORMAT else None
