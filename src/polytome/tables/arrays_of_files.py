"""Files that hold numbers without names of columns, and what their labels may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError
from polytome.tables.frames import EXACT, Cells, Frame, NumberCells, TextCells
from polytome.tables.label_columns import label_kind, read_labels
from polytome.tables.readers.arrays import Matrix, check_matrix, flat_images, plain_texts, read_npy, read_npz
from polytome.tables.readers.idx import images_and_labels, read_idx_pair
from polytome.tables.readers.libsvm import read_libsvm
from polytome.tables.readers.opening import InputFile

__all__ = ["array_labels", "labels_that_occur", "read_arrays"]


def read_arrays(
    file: InputFile, kind: str, target: str | None, n_features: int | None, wants_labels: bool
) -> tuple[Matrix, NDArray[Any] | None, tuple[str, ...]]:
    """Read a file that holds numbers without column names: features, labels and notes.

    Args:
        file: the file.
        kind: of it, see `kind_of_file`.
        target: where the labels are, as for `read_table`.
        n_features: how many columns X must have; None in training.
        wants_labels: whether labels are read.

    Raises:
        ArgumentError: the target has no meaning for this file.
        DataError: what the file holds cannot be used.
    """
    if target is not None and kind in ("libsvm", "idx"):
        raise ArgumentError(f"target={target!r}: {file} has its labels in a fixed place; leave the option out")
    X: Matrix
    y: NDArray[Any] | None
    if kind == "libsvm":
        X, y = read_libsvm(file, n_features)
    elif kind == "idx":
        images, labels = images_and_labels(file.path)
        X, y = read_idx_pair(file.beside(images), None if labels is None else file.beside(labels))
    else:
        X, y = read_npy(file, target) if kind == "npy" else read_npz(file, target)
    X = check_matrix(flat_images(X) if isinstance(X, np.ndarray) else X, str(file))
    notes: list[str] = []
    found = None
    if y is not None and wants_labels:
        found = array_labels(y, X.shape[0], str(file), n_features is None, notes)
    return X, found, tuple(notes)


def array_labels(y: NDArray[Any], n_rows: int, source: str, training: bool, notes: list[str]) -> NDArray[Any] | None:
    """Check the labels of an array as those of a table are checked."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != (n_rows,):
        raise DataError(
            f"{source}: labels of shape {y.shape} for {n_rows} rows; one label per row is needed, {(n_rows,)} "
            "(argmax(axis=1) turns one-hot rows into labels)"
        )
    frame = _label_frame(y, source)
    return read_labels(frame, "label", label_kind(frame, "label", training=training, notes=notes))


def labels_that_occur(
    y: NDArray[Any], source: str, firsts: Sequence[int], n_rows: int, notes: list[str]
) -> NDArray[Any]:
    """Check labels for training of which each is named once, as those of all rows are checked.

    Args:
        y: the labels.
        source: what messages call the rows.
        firsts: the row in which each occurs first, counted from 0.
        n_rows: how many rows they stand for.
        notes: receives a sentence if they hardly look like classes.
    """
    frame = replace(_label_frame(y, source), rows=np.array(firsts, dtype=np.intp))
    found = read_labels(frame, "label", label_kind(frame, "label", notes=notes, n_rows=n_rows))
    assert found is not None  # there are at least two classes
    return found


def _label_frame(y: NDArray[Any], source: str) -> Frame:
    """The labels as the only column of a table."""
    cells: Cells
    if y.dtype.kind in "iu" and max(abs(int(y.max())), abs(int(y.min()))) > EXACT:
        cells = TextCells.of([str(label) for label in y.tolist()])  # float64 would merge neighbours
    elif y.dtype.kind in "buif":
        cells = NumberCells(y.astype(np.float64), boolean=y.dtype.kind == "b")
    elif y.dtype.kind in "US":
        cells = TextCells.of(plain_texts(y, source))
    else:
        raise DataError(f"{source}: labels of type {y.dtype}; whole numbers or text are needed")
    return Frame(("label",), (cells,), source)
