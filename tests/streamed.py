"""Rows that exist only as a function that yields blocks: the contract `Rows` without a matrix
behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy import sparse

from polytome.passes import Block, Columns, Pass, Sums, added_up
from polytome.rows import Facts, Storage, as_rows
from polytome.rows.blocks import Moments, weighted_moments

Array = np.ndarray[Any, Any]


def pieces_on_disk(X: Any, folder: Path, size: int) -> Callable[[], Iterator[Any]]:
    """A function that reads X piece by piece, from files that hold so many rows each."""
    names = []
    for start in range(0, X.shape[0], size):
        piece = X[start : start + size]
        names.append(folder / f"{start}.npz")
        if sparse.issparse(piece):
            sparse.save_npz(names[-1], piece)
        else:
            np.savez(names[-1], X=piece)

    def source() -> Iterator[Any]:
        for name in names:
            yield sparse.load_npz(name) if sparse.issparse(X) else np.load(name)["X"]

    return source


@dataclass(frozen=True)
class StreamedRows:
    """Targets and weights of all rows, and a function that yields their features, a few rows at a
    time."""

    source: Callable[[], Iterator[Any]]
    target: Array
    weight: Array
    columns: Columns
    precision: np.dtype[Any]
    facts: Facts
    moments_of_columns: Moments | None = None

    @classmethod
    def of(cls, source: Callable[[], Iterator[Any]], target: Array, weight: Array | None = None) -> StreamedRows:
        """Two readings: one to see what there is, another for the moments of the columns."""
        counts, entries = [], 0
        for X in source():
            counts.append(X.shape[0])
            entries += X.nnz if sparse.issparse(X) else X.size
        is_sparse = bool(sparse.issparse(X))
        index_bytes = X.indices.dtype.itemsize if is_sparse else 0
        facts = Facts(
            n_rows=sum(counts),
            n_features=X.shape[1],
            is_sparse=is_sparse,
            n_entries=entries,
            dtype=X.dtype,
            entry_bytes=X.dtype.itemsize + index_bytes,
            n_blocks=len(counts),
            largest_block=max(counts),
            n_threads=1,
            is_resident=False,
        )
        weight = np.ones(facts.n_rows) if weight is None else weight
        rows = cls(source, target, weight, Columns.identity(facts.n_features), np.dtype(float), facts)
        few = np.flatnonzero(weight > 0)[: 1 if is_sparse else 101]
        X = rows.subset(few, weight[few]).whole.X
        near = np.median(X.toarray() if is_sparse else X, axis=0)
        return replace(rows, moments_of_columns=weighted_moments(rows, near))

    @property
    def n_rows(self) -> int:
        return self.facts.n_rows

    @property
    def n_features(self) -> int:
        return self.facts.n_features

    @property
    def is_sparse(self) -> bool:
        return self.facts.is_sparse

    def reduce(self, a_pass: Pass) -> Sums:
        return added_up(map(a_pass.of_block, self.blocks()), a_pass.joined)

    def blocks(self) -> Iterator[Block]:
        start = 0
        for X in self.source():
            end = start + X.shape[0]
            yield Block(X, self.precision, self.target[start:end], self.weight[start:end])
            start = end

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[Block]:
        """A reading for each batch."""
        order = rng.permutation(self.n_rows)
        for start in range(0, self.n_rows, size):
            chosen = np.sort(order[start : start + size])
            yield self.subset(chosen, self.weight[chosen]).whole

    def sample(self, size: int, rng: np.random.Generator) -> Storage:
        chosen = np.sort(rng.permutation(self.n_rows)[:size])
        return self.subset(chosen, self.weight[chosen])

    def subset(self, chosen: Array, weight: Array) -> Storage:
        assert (np.diff(chosen) >= 0).all(), "rows that are read once cannot be had in another order"
        start, found = 0, []
        for X in self.source():
            end = start + X.shape[0]
            found.append(X[chosen[(chosen >= start) & (chosen < end)] - start])
            start = end
        X = sparse.vstack(found, format="csr") if self.is_sparse else np.concatenate(found)
        return as_rows(X, self.target[chosen], weight).with_columns(self.columns).at(self.precision)

    def at(self, precision: Any) -> Self:
        return self if self.precision == precision else replace(self, precision=np.dtype(precision))

    def with_columns(self, columns: Columns) -> Self:
        return replace(self, columns=columns)

    def with_target(self, target: Array) -> Self:
        return replace(self, target=target)

    def dense(self, block: Block) -> Array:
        return self.columns.dense(block)

    def moments(self) -> tuple[Array, Array]:
        assert self.moments_of_columns is not None
        return self.moments_of_columns.mean, self.moments_of_columns.deviation

    def lengths(self, centre: Array) -> Array:
        assert self.moments_of_columns is not None
        return self.moments_of_columns.lengths(centre, self.n_rows)
