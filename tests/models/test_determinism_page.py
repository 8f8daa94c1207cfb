"""What the page on determinism promises holds, of the ways that need no cluster; tests of Dask and
Spark check theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import polytome.native
from determinism import SETTINGS, check, in_memory, promises, write_rows
from polytome import LogisticRegression, open_rows
from polytome.files.row_cache import cached
from polytome.files.streamed import fit_streamed

pytest.importorskip("pyarrow")


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("solver", SETTINGS)
def test_the_promises_of_one_machine(tmp_path: Path, solver: str, wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytome.tables.streams.opening._MOST_PIECE_ROWS", 70)
    path, settings = write_rows(tmp_path, wide=wide), SETTINGS[solver]
    rows = open_rows(path, target="y", weight="w")
    assert len(rows.X.parts) > 1
    assert rows.X.is_sparse is wide

    def streamed(table: Any = rows, **how: Any) -> LogisticRegression:
        return fit_streamed(LogisticRegression(**settings), table, **how)

    found = {"in memory": in_memory(path, settings), "in files": streamed()}
    monkeypatch.setenv("POLYTOME_NUM_THREADS", "3")
    found |= {"in memory, by 3 threads": in_memory(path, settings), "in files, by 3 threads": streamed()}
    found["in files, from a cache"] = streamed(cached(rows, tmp_path))
    found["in files, killed and resumed"] = resumed(tmp_path / "fit.checkpoint", streamed)
    monkeypatch.setattr(polytome.native, "instruction_set", lambda: None)
    found |= {"in memory, by NumPy": in_memory(path, settings), "in files, by NumPy": streamed()}
    check(found)


def resumed(checkpoint: Path, fit: Any) -> LogisticRegression:
    """A fit that goes on from the first half of what another one had kept."""
    fit(checkpoint=checkpoint)
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: len(content) // 2])
    model: LogisticRegression = fit(checkpoint=checkpoint)
    return model


def test_every_pair_is_on_the_page_once() -> None:
    ways = {name for pair in promises() for name in pair}
    assert len(promises()) == len(ways) * (len(ways) - 1) // 2
    assert set(promises().values()) == {"bits", "1e-10"}
