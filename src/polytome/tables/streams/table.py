"""What a table is that stays in its files: what models take in place of X and y. It imports no
reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polytome.rows import Stream

if TYPE_CHECKING:
    from polytome.tables.encoder import Encoder

__all__ = ["StreamedTable"]


@dataclass(frozen=True)
class StreamedTable:
    """Rows of a table that stay in their files: what `fit` takes in place of X and y.

    Attributes:
        name: of the file, or of the first one and how many more there are.
        X: the features, which are read again for each pass.
        codes: which of the classes each row has, (n,).
        classes: the labels, sorted, (K,).
        encoder: how columns become numbers.
        n_bytes: of the files.
        notes: sentences that a user should see.
    """

    name: str
    X: Stream
    codes: NDArray[Any]
    classes: NDArray[Any]
    encoder: Encoder
    n_bytes: int
    notes: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.codes)

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """Rows of each class, (K,)."""
        return np.bincount(self.codes, minlength=len(self.classes)).astype(np.int64)
