"""Which rows have come before: a number for each row, and what is remembered of those that came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[Any]

__all__ = ["WATCHED", "Seen", "identities"]

WATCHED = 4096
"""How many rows are watched for: 32 KiB."""
_ENTRIES_AT_ONCE = 2**20


def identities(X: Any, labels: Array, weight: Array) -> Array:
    """A number for each row, uint64, equal for equal rows: features, label and weight.

    A zero adds nothing, so rows stay what they are in a matrix with further columns, stored sparse
    or not.

    Args:
        X: shape (n, d), an array or CSR.
        labels: a number for each row that stands for its label, uint64.
        weight: of each row.

    Example:
        >>> labels, weight = np.zeros(2, np.uint64), np.ones(2)
        >>> one = identities(np.eye(2), labels, weight)
        >>> other = identities(sparse.csr_matrix(np.eye(2, 3)), labels, weight)
        >>> bool((one == other).all()), bool(one[0] == one[1])
        (True, False)
    """
    n_rows, n_columns = X.shape
    keys = _mixed(np.arange(1, n_columns + 1, dtype=np.uint64)) | np.uint64(1)
    sums = np.zeros(n_rows, dtype=np.uint64)
    if sparse.issparse(X):
        stored: Any = X
        terms = (_mixed(_bits(stored.data)) * keys[stored.indices]).cumsum(dtype=np.uint64)
        terms = np.concatenate([np.zeros(1, dtype=np.uint64), terms])
        sums = terms[stored.indptr[1:]] - terms[stored.indptr[:-1]]
    else:
        size = max(1, _ENTRIES_AT_ONCE // max(n_columns, 1))
        for start in range(0, n_rows, size):
            part = slice(start, start + size)
            sums[part] = (_mixed(_bits(X[part])) * keys).sum(axis=1, dtype=np.uint64)
    return _mixed(sums ^ _mixed(_bits(weight)) ^ labels)


@dataclass(frozen=True)
class Seen:
    """Distinct data: how many rows there were, and what they can be recognised by.

    The rows with the smallest identities are watched: a sample of all rows that does not depend on
    their order. The sum of all identities tells whether later rows are the same ones, in any order.

    Attributes:
        n_rows: rows.
        weight: the sum of their weights.
        total: the sum of their identities, modulo 2^64.
        watched: the smallest identities, sorted, shape (n_watched,), uint64.

    Example:
        >>> rows = np.arange(5, dtype=np.uint64)
        >>> seen = Seen().plus(rows, np.ones(5))
        >>> seen.knows(rows[:2]), seen.knows(np.array([9], dtype=np.uint64))
        (True, False)
    """

    n_rows: int = 0
    weight: float = 0.0
    total: int = 0
    watched: Array = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))

    def knows(self, rows: Array) -> bool | None:
        """Whether those of these rows that would be watched are; None where none would be."""
        full = len(self.watched) == WATCHED
        decisive = rows[rows <= self.watched[-1]] if full else rows
        return bool(np.isin(decisive, self.watched).all()) if len(decisive) else None

    def plus(self, rows: Array, weight: Array) -> Seen:
        """With further rows."""
        watched = np.union1d(self.watched, rows)[:WATCHED]
        return self.joined(Seen(len(rows), float(weight.sum()), int(rows.sum(dtype=np.uint64)), watched))

    def joined(self, other: Seen) -> Seen:
        """The rows of both."""
        watched = np.union1d(self.watched, other.watched)[:WATCHED]
        total = (self.total + other.total) % 2**64
        return Seen(self.n_rows + other.n_rows, self.weight + other.weight, total, watched)

    def equals(self, other: Seen) -> bool:
        """Whether they are the same rows, perhaps in another order."""
        return (self.n_rows, self.total) == (other.n_rows, other.total)


def _bits(values: Array) -> Array:
    """Numbers as float64, bit by bit; both zeros are 0."""
    return (np.asarray(values, dtype=np.float64) + 0.0).view(np.uint64)


def _mixed(numbers: Array) -> Array:
    """A bijection of uint64 in which every bit depends on every bit; 0 stays 0.

    Reference: Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    mixed = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: Array = mixed ^ (mixed >> np.uint64(31))
    return result
