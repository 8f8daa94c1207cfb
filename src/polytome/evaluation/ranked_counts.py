"""Rows counted by the size of their score, so that very many of them are ranked in little memory.

Scores fall into intervals of equal relative width; rows of one interval count as equal. Where they
are not, what that may change is bounded by their order inside the interval, and a ranking of which
four decimals are not certain is not given.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["RankedCounts", "Ranking", "ranking_of_counts"]

_LOWEST, _HIGHEST = -64, 11
"""Logarithms by 2 of the sizes that are told apart: of -log(1 - 2**-54), and of -log of the least
number."""
_MOST_BYTES = 2**26
_FINEST = 14
_UNCERTAIN = 5e-5


class Ranking(NamedTuple):
    """How well scores put the rows of a class before all others."""

    auc: float
    """The probability that a row of the class has a higher score than another; ties count half."""
    average_precision: float


class RankedCounts:
    """The weight of rows of a class, and of all others, in intervals of log-probabilities.

    Args:
        n_outputs: how many of these there are, which share 64 MB.

    Example:
        >>> counts = RankedCounts(1)
        >>> counts.add(np.array([False, True, True]), np.log([0.1, 0.4, 0.8]), np.ones(3))
        >>> counts.ranking()
        Ranking(auc=1.0, average_precision=1.0)
    """

    def __init__(self, n_outputs: int) -> None:
        intervals = _HIGHEST - _LOWEST
        room = _MOST_BYTES // (32 * intervals * n_outputs)
        self._digits = max(0, min(_FINEST, room.bit_length() - 1))
        """So many binary digits of a score are looked at, after the first."""
        self._weights = np.zeros((2, intervals << self._digits))
        self._least = np.full(intervals << self._digits, np.inf)
        self._most = np.zeros(intervals << self._digits)

    def add(self, belongs: Array, log_probabilities: Array, weight: Array) -> None:
        """Count some rows.

        Args:
            belongs: whether each belongs to the class, shape (n,).
            log_probabilities: of the class, shape (n,), none above 0.
            weight: of each row, shape (n,).
        """
        # The digits of a positive number are in the order of its size.
        sizes = np.clip(-log_probabilities, 2.0**_LOWEST, np.nextafter(2.0**_HIGHEST, 0.0)).astype(np.float64)
        shift = np.uint64(52 - self._digits)
        first = np.float64(2.0**_LOWEST).view(np.uint64) >> shift
        place = ((sizes.view(np.uint64) >> shift) - first).astype(np.int64)
        np.minimum.at(self._least, place, sizes)
        np.maximum.at(self._most, place, sizes)
        for is_own, own in enumerate((~belongs, belongs)):
            self._weights[is_own] += np.bincount(place[own], weight[own], self._weights.shape[1])

    def ranking(self) -> Ranking | None:
        """Of the rows so far; NaN where those of one kind have no weight, None where four decimals
        are not certain."""
        misses, hits = self._weights
        some = (misses > 0) | (hits > 0)
        differ = self._least[some] < self._most[some]
        found, uncertain = ranking_of_counts(hits[some], misses[some], differ)
        return None if uncertain > _UNCERTAIN else found


def ranking_of_counts(hits: Array, misses: Array, differ: Array) -> tuple[Ranking, float]:
    """The ranking of rows in groups that count as equal, and by how much either number may differ
    from it where they are not.

    Args:
        hits: weight of the rows of the class in each group, best group first; none is empty.
        misses: of all others.
        differ: whether the rows of a group have different scores.

    Example:
        >>> ranking_of_counts(np.array([1.0, 1.0]), np.array([0.0, 1.0]), np.array([False, True]))
        (Ranking(auc=0.75, average_precision=0.8333333333333333), 0.25)
    """
    after, wrong = np.cumsum(hits), np.cumsum(misses)
    if not (len(after) and after[-1] > 0 and wrong[-1] > 0):
        return Ranking(np.nan, np.nan), 0.0
    pairs = after[-1] * wrong[-1]
    area = float((misses * (after - hits / 2)).sum() / pairs)
    before, share = wrong - misses, hits / after[-1]
    precision = after / (after + wrong)
    average = float((share * precision).sum())
    # All rows of the class before the others of their group, or after them.
    best = np.divide(after, after + before, out=np.ones_like(after), where=after + before > 0)
    earlier = after - hits
    worst = np.divide(earlier, earlier + wrong, out=np.ones_like(after), where=wrong > 0)
    pairs_inside, higher, lower = hits * misses / 2 / pairs, share * (best - precision), share * (precision - worst)
    return Ranking(area, average), float(max(each[differ].sum() for each in (pairs_inside, higher, lower)))
