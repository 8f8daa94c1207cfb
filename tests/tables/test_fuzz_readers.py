"""Files that were damaged at random are read or refused in words: no crash, no hang, no foreign
error, bounded memory.

The suite tries the same few hundred each time. With POLYTOME_FUZZ_SECONDS=60 it goes on that long,
with a new seed.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("PIL")

_SECONDS = os.environ.get("POLYTOME_FUZZ_SECONDS")
_FUZZER = Path(__file__).parents[1] / "reader_fuzzer.py"


def test_damaged_files_are_read_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed, limit = (secrets.randbelow(2**32), f"{float(_SECONDS)}s") if _SECONDS else (0, "600")
    if _SECONDS:
        with capsys.disabled():
            print(f"\nreaders: seed {seed}, {_SECONDS} seconds")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(_FUZZER), str(seed), str(tmp_path), limit],
        capture_output=True,
        text=True,
        timeout=1200 + float(_SECONDS or 0),
        check=False,
    )
    file = (tmp_path / "current").read_text() if (tmp_path / "current").exists() else "no file"
    assert done.returncode == 0, (
        f"seed {seed}, ended by {done.returncode} at {file} in {tmp_path}: {done.stderr[-2000:]}"
    )
    found = json.loads(done.stdout)
    assert found["failures"] == [], f"seed {seed}"
    assert found["refused"] > found["count"] / 2
    if _SECONDS:
        with capsys.disabled():
            print(f"readers: {found['count']} files, {found['refused']} refused")
