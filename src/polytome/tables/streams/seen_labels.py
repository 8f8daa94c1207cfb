"""The labels of rows that are read piece by piece, where they are numbers or words in an array."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import DataError
from polytome.tables.arrays_of_files import labels_that_occur
from polytome.tables.readers.libsvm import joined_labels
from polytome.tables.readers.opening import InputFile
from polytome.tables.streams.each_row import joined, smallest
from polytome.tables.streams.learning import MOST_WORDS

Array = NDArray[Any]

__all__ = ["SeenLabels"]


class SeenLabels:
    """Which labels occur, and for each row the code of its own in as few bytes as it takes.

    Args:
        source: what messages call the rows.

    Example:
        >>> seen = SeenLabels("rows.npy")
        >>> seen.see(np.array([3.0, 7.0, 3.0]))
        >>> seen.see(np.array([5.0]))
        >>> seen.coded(InputFile("rows.npy"), [])
        (array([3, 5, 7]), array([0, 2, 0, 1], dtype=int8))
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.n_rows = 0
        self._labels: dict[Any, int] = {}
        self._firsts: list[int] = []
        self._codes: list[Array] = []
        self._dtype = np.dtype(np.float64)

    def see(self, y: Array) -> None:
        """Look at the labels of the next rows, (n,): numbers, or Python's numbers and words.

        Raises:
            DataError: there are too many different ones.
        """
        labels, firsts, places = _distinct(y)
        own = np.empty(len(labels), dtype=np.int32)
        for place in np.argsort(firsts, kind="stable").tolist():
            own[place] = self._labels.setdefault(labels[place], len(self._labels))
            if len(self._labels) > len(self._firsts):
                self._firsts.append(self.n_rows + int(firsts[place]))
        if len(self._labels) > MOST_WORDS:
            raise DataError(
                f"{self.source}: holds {len(self._labels):,} or more different labels, such as "
                f"{reprlib.repr(next(iter(self._labels)))}, and {MOST_WORDS:,} of them are kept of rows that are read "
                "piece by piece; choose labels that are classes"
            )
        self._codes.append(own.astype(smallest(len(self._labels)))[places])
        self._dtype = y.dtype
        self.n_rows += len(y)

    def coded(self, file: InputFile, notes: list[str]) -> tuple[Array, Array]:
        """The labels sorted, (K,), and which of them each row has, (n,); what was kept for each row
        is given away.

        Args:
            file: whose allowance long texts may take.
            notes: receives a sentence if the labels hardly look like classes.

        Raises:
            DataError: a label is missing, or they are not classes.
        """
        labels = [np.nan if label is None else label for label in self._labels]
        if any(isinstance(label, str) for label in labels):
            y = joined_labels(file, [np.array(labels, dtype=object)])
        else:
            y = np.array(labels, dtype=np.float64 if self._dtype.kind == "O" else self._dtype)
        found = labels_that_occur(y, self.source, self._firsts, self.n_rows, notes)
        classes, meant = np.unique(found, return_inverse=True)
        return classes, joined(self._codes, meant.astype(smallest(len(classes))))


def _distinct(y: Array) -> tuple[list[Any], Array, Array]:
    """The labels that differ, None for what is not a number; the row in which each occurs first,
    and the place of each row's label among them."""
    if y.dtype.kind == "O":
        known: dict[Any, int] = {}
        places = np.array([known.setdefault(label, len(known)) for label in y.tolist()], dtype=np.intp)
        return list(known), np.unique(places, return_index=True)[1], places
    found, firsts, places = np.unique(y, return_index=True, return_inverse=True)
    return [None if label != label else label for label in found.tolist()], firsts, places
