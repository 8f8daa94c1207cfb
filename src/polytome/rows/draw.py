"""Rows drawn with probabilities that are known only when all rows have been seen: in one reading,
and in memory that grows with what is drawn alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["NUMBERS_OF_DRAWN", "Draw"]

NUMBERS_OF_DRAWN = 20
"""What a row that is wanted takes at most: three numbers of twice as many, and of what comes with a
piece, while they are put together."""
_TIMES_THE_SIZE = 2
_LEAST_HELD = 2**12


class Draw:
    """About `size` rows, each with the probability `min(1, size * importance / total)`, where the
    total is that of all rows.

    A row has a random number by its place, and is drawn where that is below its probability. The
    total of the rows so far is never above that of all, so a row that is not drawn by it will never
    be: it is forgotten. What is drawn does not depend on how the rows are cut into pieces, but for
    the rounding of the total.

    Args:
        size: how many are wanted.
        total: of the importance of all rows, where that is known beforehand.

    Example:
        >>> draw = Draw(3)
        >>> for piece in ([0.0, 9.0], [0.1, 9.0, 9.0]):
        ...     draw.add(np.array(piece))
        >>> draw.drawn()[0]
        array([1, 3, 4])

    Reference: Duffield, Lund and Thorup, Priority sampling for estimation of arbitrary subset sums,
    Journal of the ACM 54, 2007: a threshold that all rows decide.
    """

    def __init__(self, size: int, total: float | None = None) -> None:
        self.size, self.total, self._is_known = size, total or 0.0, total is not None
        self.n_seen, self._n_held = 0, 0
        self._rng = np.random.default_rng(0)
        self._held: list[tuple[Array, Array, Array]] = []
        self._largest = (0, -1.0)  # stands for all where none is drawn

    def add(self, importance: Array) -> None:
        """The next rows.

        Args:
            importance: of each, not negative, shape (n,).
        """
        if not len(importance):
            return
        if not self._is_known:
            self.total += float(importance.sum())
        at = int(importance.argmax())
        if importance[at] > self._largest[1]:
            self._largest = self.n_seen + at, float(importance[at])
        below = self._rng.random(len(importance))
        found = np.flatnonzero(below < self._probability(importance))
        self._held.append((self.n_seen + found, importance[found], below[found]))
        self.n_seen += len(importance)
        self._n_held += len(found)
        if self._n_held > max(_TIMES_THE_SIZE * self.size, _LEAST_HELD):
            self._thin()

    def drawn(self) -> tuple[Array, Array]:
        """The numbers of the rows that are drawn, in growing order, and the probability of each; at
        least one row."""
        self._thin()
        numbers, importance, _ = self._held[0]
        if not len(numbers):
            numbers, importance = (np.array([value]) for value in self._largest)
        return numbers, self._probability(importance)

    def _probability(self, importance: Array) -> Array:
        """That of rows by the total of those so far."""
        return np.minimum(1.0, self.size * importance / max(self.total, 1e-300))

    def _thin(self) -> None:
        """Forget the rows that the total of those so far leaves out."""
        numbers, importance, below = (np.concatenate(each) for each in zip(*self._held, strict=True))
        kept = below < self._probability(importance)
        self._held = [(numbers[kept], importance[kept], below[kept])]
        self._n_held = int(kept.sum())
