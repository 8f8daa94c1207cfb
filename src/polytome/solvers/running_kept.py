"""Some of the rows that have come, kept to be learned from again when their classes no longer come.

Of each class those with the smallest identities are kept: a sample of its distinct rows that
depends neither on their order nor on their batches. Sums over a class are estimated by those over
its kept rows, times the weight of the class over theirs.

References: Cohen and Kaplan, Summarizing data using bottom-k sketches, PODC 2007; Rolnick, Ahuja,
Schwarz, Lillicrap and Wayne, Experience replay for continual learning, NeurIPS 2019.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.objective import Objective
from polytome.solvers.running_batch import Batch, is_sparse

Array = NDArray[Any]

__all__ = ["Kept", "largest_quota"]

_REPLAYED_ROWS = 300  # to a step; their gradient then has less noise than that of the new rows


@dataclass(frozen=True)
class Kept:
    """Rows that are kept, in the order of their identities.

    Attributes:
        most: how many there may be.
        quota: how many of each class; it never grows, so that no row is missed that came before.
        arrival: how many rows had come when the last new class did.
        X: an array or CSR, divided by nothing, of the numbers' own type.
        codes: the class of each row.
        weight: of each row, with that of its copies.
        identities: of each row, growing.
    """

    most: int
    quota: int
    arrival: int
    X: Any
    codes: Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    weight: Array = field(default_factory=lambda: np.zeros(0))
    identities: Array = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))

    @classmethod
    def begin(cls, most: int, n_features: int) -> Kept:
        """No rows yet.

        Example:
            >>> Kept.begin(1000, 4).X.shape
            (0, 4)
        """
        return cls(most, most, 0, np.zeros((0, n_features), dtype=np.uint8))

    def widened(self, n_features: int) -> Kept:
        """With further columns, which were 0."""
        more = n_features - self.X.shape[1]
        if not more:
            return self
        if is_sparse(self.X):
            X: Any = self.X
            wider = sparse.csr_matrix((X.data, X.indices, X.indptr), shape=(X.shape[0], n_features))
            return replace(self, X=wider)
        return replace(self, X=np.pad(self.X, ((0, 0), (0, more))))

    def plus(self, batch: Batch) -> Kept:
        """With those of a batch's rows that belong to the sample, and without those that no longer
        do."""
        both = np.concatenate([self.identities, batch.identities])
        identities, first, place = np.unique(both, return_index=True, return_inverse=True)
        codes = np.concatenate([self.codes, batch.codes])[first]
        weight = np.bincount(place, np.concatenate([self.weight, batch.weight]))
        quota = min(self.quota, largest_quota(np.bincount(codes), self.most))
        by_class = np.argsort(codes, kind="stable")
        starts = np.searchsorted(codes[by_class], codes[by_class])
        chosen = np.sort(by_class[np.arange(len(codes)) - starts < quota])
        sources, n_before = first[chosen], len(self.identities)
        X = self.X
        if len(sources) != n_before or (sources >= n_before).any():
            X = _stacked(self.X, batch.X, sources)
        return replace(
            self, quota=quota, X=X, codes=codes[chosen], weight=weight[chosen], identities=identities[chosen]
        )

    def counts(self, n_classes: int) -> Array:
        """How many rows of each class there are."""
        counted: Array = np.bincount(self.codes, minlength=n_classes)
        return counted

    def objective(self, shares: Array, batch: Batch, turn: int | None = None) -> Objective:
        """The loss of kept rows, each class weighing what it is given.

        Args:
            shares: the weight of each class; rows of those with 0 are left out.
            batch: what says how columns are scaled.
            turn: the number of a step: only some of the rows then, other ones each time; None for
                all.
        """
        places = [np.flatnonzero(self.codes == k) for k in np.flatnonzero(shares)]
        if turn is not None:
            places = [_in_turn(own, max(1, _REPLAYED_ROWS // len(places)), turn) for own in places]
        rows, weight = np.concatenate(places), np.zeros(len(self.codes))
        for k, own in zip(np.flatnonzero(shares), places, strict=True):
            weight[own] = self.weight[own] / self.weight[own].sum() * shares[k]
        rows = np.sort(rows)
        kept = replace(batch, X=self.X[rows], codes=self.codes[rows], weight=weight[rows])
        return kept.objective(len(shares))


def largest_quota(counts: Array, most: int) -> int:
    """How many rows of each class there may be, so that no more are kept than may be: what a small
    class leaves is for the others; at least 1.

    Args:
        counts: rows of each class.
        most: of all.

    Example:
        >>> largest_quota(np.array([2, 90, 90]), 100)
        49
    """
    left, quota = most, 0
    ordered = np.sort(counts)
    for place, count in enumerate(ordered.tolist()):
        quota = left // (len(ordered) - place)
        if count > quota:
            return max(1, quota)
        left -= count
    return most


def _in_turn(own: Array, size: int, turn: int) -> Array:
    """Some of a class's rows, other ones each time."""
    size = min(size, len(own))
    chosen: Array = own[(turn * size + np.arange(size)) % len(own)]
    return chosen


def _stacked(old: Any, new: Any, sources: Array) -> Any:
    """Some rows of both: numbers below the count of the old ones are theirs."""
    n_old = old.shape[0]
    dtype = np.result_type(old.dtype, np.uint8 if new.dtype == np.bool_ else new.dtype).newbyteorder("=")
    from_old, from_new = sources[sources < n_old], sources[sources >= n_old] - n_old
    order = np.argsort(np.concatenate([np.flatnonzero(sources < n_old), np.flatnonzero(sources >= n_old)]))
    if is_sparse(new) or is_sparse(old):
        parts = [sparse.csr_matrix(old[from_old], dtype=dtype), sparse.csr_matrix(new[from_new], dtype=dtype)]
        both: Any = sparse.csr_matrix(sparse.vstack(parts, format="csr")[order], dtype=dtype)
        both.sort_indices()
        return both
    return np.concatenate([old[from_old].astype(dtype), new[from_new].astype(dtype)])[order]
