"""What a table is that stays in its files: what models take in place of X and y. It imports no
reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome.numerics.row_numbers import numbers_of
from polytome.numerics.totals import class_totals
from polytome.rows import Stream

if TYPE_CHECKING:
    from polytome.tables.encoder import Encoder
    from polytome.tables.streams.places import SeenFile

__all__ = ["StreamedTable"]


@dataclass(frozen=True)
class StreamedTable:
    """Rows of a table that stay in their files: what `fit` takes in place of X and y.

    Attributes:
        name: of the file, or of the first one and how many more there are.
        X: the features, which are read again for each pass.
        codes: which of the classes each row has, (n,).
        classes: the labels, sorted, (K,).
        encoder: how columns become numbers; None for files that hold numbers alone.
        files: those that are read, as they were when they were first opened; none where rows lie
            with the workers of a cluster.
        notes: sentences that a user should see.
        test: rows that are held out of training, or None.
        test_fraction: the share of each class that was held out; None where none was.
        seed: of its choice.
        positive: the label that is distinguished from all others, if there is one.
        rows: of these rows the numbers in the files, counted from 0; None for all.
        weight: of each row, (n,); None for equal weights.
    """

    name: str
    X: Stream
    codes: NDArray[Any]
    classes: NDArray[Any]
    encoder: Encoder | None
    files: tuple[SeenFile, ...]
    notes: tuple[str, ...] = ()
    test: StreamedTable | None = None
    test_fraction: float | None = None
    seed: int | None = None
    positive: str | None = None
    rows: NDArray[Any] | None = None
    weight: NDArray[np.float64] | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.codes)

    @property
    def n_bytes(self) -> int:
        """Of the files; of rows that lie with workers, what their features take there."""
        if self.files:
            return sum(file.size for file in self.files)
        return self.X.n_entries * (self.X.dtype.itemsize + 4 * self.X.is_sparse)

    @property
    def weights(self) -> NDArray[np.float64]:
        """Of each row, (n,): those of their column, or ones that take no memory."""
        return np.broadcast_to(1.0, self.n_rows) if self.weight is None else self.weight

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """Rows of each class, (K,)."""
        totals = class_totals(self.codes, np.broadcast_to(1.0, self.n_rows), len(self.classes))
        return totals.astype(np.int64)

    def labelled_pieces(self) -> Iterator[tuple[Any, NDArray[Any], NDArray[Any] | None]]:
        """Features, labels and weights of some rows after the other, each of which is read once."""
        row = 0
        for _, X in self.X.pieces(range(len(self.X.parts))):
            part = slice(row, row + X.shape[0])
            yield X, self.classes[self.codes[part]], None if self.weight is None else self.weight[part]
            row += X.shape[0]

    def only(self, chosen: NDArray[np.bool_]) -> StreamedTable:
        """Some of the rows, which stay in their files, too.

        Args:
            chosen: (n,) true for these rows.
        """
        parts, row = [], 0
        for part in self.X.parts:
            own = chosen[row : row + part.n_rows]
            row += part.n_rows
            if own.any():
                chooser: Any = part
                parts.append(part if own.all() else chooser.only(own))
        entries = self.X.n_entries * int(chosen.sum()) // max(self.n_rows, 1)
        rows = numbers_of(chosen) if self.rows is None else self.rows[chosen]
        X = replace(self.X, parts=tuple(parts), n_entries=entries)
        weight = None if self.weight is None else self.weight[chosen]
        return replace(self, X=X, codes=self.codes[chosen], rows=rows, weight=weight)

    def encoded(self, encoder: Encoder) -> StreamedTable:
        """The same rows of a table with another encoder of its columns."""
        old: Any = self.X.parts
        parts = tuple(replace(part, encoder=encoder) for part in old)
        width = len(encoder.feature_names)
        entries = self.n_rows * (encoder.entries_of_row if encoder.is_sparse else width)
        entries = self.X.n_entries if encoder.has_text else entries
        X = replace(self.X, parts=parts, n_features=width, is_sparse=encoder.is_sparse, n_entries=entries)
        return replace(self, X=X, encoder=encoder)
