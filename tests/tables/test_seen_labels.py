"""Labels of arrays that are read piece by piece are those of the same rows in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polytome import open_rows, read_table
from polytome.errors import DataError
from polytome.tables.readers.opening import InputFile
from polytome.tables.streams import arrays, learning, lines, opening, seen_labels
from polytome.tables.streams.seen_labels import SeenLabels

_LABELS: dict[str, np.ndarray[Any, Any]] = {
    "whole float64": np.array([2.0, -1.0, 2.0, 7.0, -0.0, 0.0, 7.0, 2.0]),
    "float32 fractions": np.array([0.5, 1.1, 0.5, 1.1, 1.1, 0.5, 0.5, 1.1], dtype=np.float32),
    "bool": np.array([True, False, True, True, False, False, True, True]),
    "uint8": np.array([3, 0, 255, 3, 0, 0, 255, 3], dtype=np.uint8),
    "beyond float64": np.array([2**53 + 1, 2**53, 2**53 + 1, 5, 5, 5, 5, 2**53], dtype=np.int64),
    "text": np.array(["b", "a", "cc", "a", "b", "b", "cc", "a"]),
}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of three rows."""
    monkeypatch.setattr(opening, "_MOST_PIECE_ROWS", 3)
    monkeypatch.setattr(arrays, "_MOST_LINES", 3)
    monkeypatch.setattr(lines, "PIECE_BYTES", 24)


@pytest.mark.parametrize("kind", list(_LABELS))
def test_labels_in_a_file_of_their_own(kind: str, tmp_path: Path) -> None:
    y = _LABELS[kind]
    np.save(tmp_path / "X.npy", np.arange(16.0).reshape(8, 2))
    np.save(tmp_path / "y.npy", y)
    streamed = open_rows(tmp_path / "X.npy", target=str(tmp_path / "y.npy"))
    whole = read_table(tmp_path / "X.npy", target=str(tmp_path / "y.npy"))
    assert whole.y is not None
    assert streamed.codes.dtype == np.int8
    assert streamed.classes.dtype == whole.y.dtype
    assert streamed.classes[streamed.codes].tolist() == whole.y.tolist()


@pytest.mark.parametrize("labels", [["1", "-1", "+1", "1.0"], ["9007199254740993", "9007199254740992", "4", "4"]])
def test_labels_of_libsvm_text(labels: list[str], tmp_path: Path) -> None:
    path = tmp_path / "rows.svm"
    path.write_text("".join(f"{label} 1:{place + 1}\n" for place, label in enumerate(3 * labels)))
    streamed, whole = open_rows(path), read_table(path)
    assert whole.y is not None
    assert streamed.classes[streamed.codes].tolist() == whole.y.tolist()


def test_a_missing_label_is_refused_with_its_row(tmp_path: Path) -> None:
    rows = np.column_stack([np.arange(8.0), [0, 1, 0, 1, 0, np.nan, 0, np.nan]])
    seen = SeenLabels("rows.npy")
    for start in range(0, 8, 3):
        seen.see(rows[start : start + 3, 1])
    with pytest.raises(DataError, match=r"rows.npy, row 6, column 'label': the label is missing"):
        seen.coded(InputFile(tmp_path / "rows.npy"), [])


def test_labels_that_are_no_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "X.npy", np.arange(60.0).reshape(30, 2) / 7)
    with pytest.raises(DataError, match="30 different values in 30 rows"):
        open_rows(tmp_path / "X.npy", target="last")
    monkeypatch.setattr(seen_labels, "MOST_WORDS", 10)
    with pytest.raises(DataError, match=r"holds 12 or more different labels, such as 0\.14.*, and 10 of them are kept"):
        open_rows(tmp_path / "X.npy", target="last")
    assert learning.MOST_WORDS == 100_000


def test_one_hot_labels_beside_rows_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.arange(16.0).reshape(8, 2))
    np.save(tmp_path / "y.npy", np.eye(8))
    with pytest.raises(DataError, match=r"labels of shape \(8, 8\) for 8 rows; one label per row is needed, \(8,\)"):
        open_rows(tmp_path / "X.npy", target=str(tmp_path / "y.npy"))
