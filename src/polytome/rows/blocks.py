"""What every kind of rows shares: the contract, and all of it that rows in memory have in
common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome import native
from polytome.errors import ArgumentError
from polytome.numerics.row_numbers import drawn, has_one_weight
from polytome.passes import (
    Block,
    CentredSums,
    Columns,
    OffsetsOfEntries,
    Pass,
    SquaresOfEntries,
    Sums,
    added_up,
)
from polytome.threads import available_threads, kept

Array = NDArray[Any]
Result = TypeVar("Result")

__all__ = [
    "Facts",
    "Moments",
    "Rows",
    "Standardised",
    "Storage",
    "in_memory",
    "in_order",
    "submitted",
    "weighted_moments",
]

_COPIED_BYTES = 2**26
_LEAST_COPIED = 1_000


@dataclass(frozen=True)
class Facts:
    """What is known of rows without reading them: the basis for the choice of a solver and the
    forecast of memory.

    Attributes:
        n_rows: how many rows there are.
        n_features: how many columns.
        is_sparse: whether blocks are sparse.
        n_entries: entries that are stored.
        dtype: their type.
        entry_bytes: what one takes, its index included.
        n_blocks: blocks that are added up.
        largest_block: rows of the largest one.
        n_threads: threads that share the blocks.
        is_resident: whether any row can be read at any time: of an array, in memory or a memory
            map.
    """

    n_rows: int
    n_features: int
    is_sparse: bool
    n_entries: int
    dtype: np.dtype[Any]
    entry_bytes: int
    n_blocks: int
    largest_block: int
    n_threads: int
    is_resident: bool

    @property
    def most_copied(self) -> int:
        """How many rows may be copied at a time: all, unless they do not fit into memory."""
        row_bytes = self.entry_bytes * self.n_entries // max(self.n_rows, 1) + 1
        return self.n_rows if self.is_resident else max(_COPIED_BYTES // row_bytes, _LEAST_COPIED)


class Rows(Protocol):
    """The data as an objective sees it: sums over all rows, and batches of a few.

    `target` and `weight` of each row; `columns` (implicit centring and scaling); `precision`, the
    floating type in which a block is multiplied (sums over blocks are always float64).
    """

    @property
    def n_rows(self) -> int: ...  # noqa: D102
    @property
    def n_features(self) -> int: ...  # noqa: D102
    @property
    def target(self) -> Array: ...  # noqa: D102
    @property
    def weight(self) -> Array: ...  # noqa: D102
    @property
    def columns(self) -> Columns: ...  # noqa: D102
    @property
    def precision(self) -> np.dtype[Any]: ...  # noqa: D102
    @property
    def is_sparse(self) -> bool: ...  # noqa: D102
    @property
    def facts(self) -> Facts: ...  # noqa: D102

    def reduce(self, a_pass: Pass) -> Sums:
        """The result of a pass for all rows, added up or joined in their order, whatever the number
        of threads."""
        ...

    def blocks(self) -> Iterator[Block]:
        """The blocks one by one, in the order of the rows."""
        ...

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[Block]:
        """All rows once in random order, `size` at a time."""
        ...

    def sample(self, size: int, rng: np.random.Generator) -> Storage:
        """Rows drawn without replacement, in their order: a copy of `size` rows."""
        ...

    def subset(self, chosen: Array, weight: Array) -> Storage:
        """A copy of the chosen rows under new weights; unless the rows are resident, in growing
        order."""
        ...

    def at(self, precision: Any) -> Self:
        """The same rows multiplied in another floating type."""
        ...

    def with_columns(self, columns: Columns) -> Self:
        """The same rows under another centring and scaling."""
        ...

    def with_target(self, target: Array) -> Self:
        """The same rows with another target."""
        ...

    def dense(self, block: Block) -> Array:
        """The standardised columns of a block as a dense array of the rows' precision."""
        ...

    def moments(self) -> tuple[Array, Array]:
        """Weighted mean and standard deviation of the raw columns, each of shape (n_features,)."""
        ...

    def lengths(self, centre: Array) -> Array:
        """Upper bounds on the weighted root mean squares of the raw columns about a centre, shape
        (n_features,)."""
        ...


def in_memory(rows: Rows, what: str) -> Storage:
    """The rows, for what needs random access to them: in memory, or a memory map.

    Args:
        rows: any rows.
        what: what needs them, for the message.

    Raises:
        ArgumentError: the rows are handed out block by block.
    """
    if not isinstance(rows, Storage):
        raise ArgumentError(f"{what} needs rows in memory, and these are read block by block; use solver='auto'")
    return rows


def in_order(fn: Callable[[Any], Result], parts: Sequence[Any], n_threads: int) -> Iterator[Result]:
    """`fn(part)` in the order of `parts`, computed by `n_threads` threads at most two parts ahead
    of the one in use."""
    if n_threads == 1 or len(parts) == 1:
        yield from map(fn, parts)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        pending: deque[Future[Result]] = deque()
        for part in parts:
            pending.append(submitted(pool, fn, part))
            if len(pending) > 2 * n_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@dataclass(frozen=True)
class Moments:
    """Weighted moments of the raw columns: mean, standard deviation, and the root mean square about
    some value of each column, which is never smaller than the deviation and has only a relative
    rounding error."""

    mean: Array
    deviation: Array
    near: Array
    length: Array

    def lengths(self, centre: Array, n_rows: int) -> Array:
        """Upper bounds on the root mean squares of so many rows about a centre, by Minkowski's
        inequality."""
        found: Array = np.abs(self.near - centre) + self.length
        return found * (1 + (n_rows + 8) * 2.0**-53)


def submitted(pool: ThreadPoolExecutor, fn: Callable[[Any], Result], part: Any) -> Future[Result]:
    """`fn(part)` by a thread of the pool, or by this one where the interpreter is shutting down and
    starts no more threads."""
    try:
        # Each thread sees the caller's context: where NumPy may overflow in silence is part of it.
        return pool.submit(copy_context().run, fn, part)
    except RuntimeError:
        done: Future[Result] = Future()
        done.set_result(fn(part))
        return done


def _stored(block: Block, columns: Array) -> Array:
    """Some columns as they are stored, dense."""
    stored: Any = block.stored
    return np.asarray(stored[:, columns].toarray() if sparse.issparse(block.stored) else stored[:, columns])


_SMALL_SQUARES = 2.0**-900
"""Mean squares below this may be of entries whose own squares are rounded to zero."""


def weighted_moments(rows: Rows, near: Array) -> Moments:
    """Moments of the raw columns, summed around values of the columns so that nothing cancels.

    Args:
        rows: any rows.
        near: a value of each column, from rows with weight: so a constant column has a deviation of
            exactly zero.
    """
    raw = rows.with_columns(Columns.identity(rows.n_features)).at(np.float64)
    if raw.is_sparse:
        weight = float(raw.weight.sum())
        (offset,) = raw.reduce(OffsetsOfEntries(near))
        mean = near + offset / weight
        (squares,) = raw.reduce(SquaresOfEntries(mean))
        length = np.sqrt(squares / weight)
        if not has_one_weight(raw.weight):  # the mean's own rounding matters beside the contribution of light rows
            (correction,) = raw.reduce(OffsetsOfEntries(mean))
            squares = np.maximum(squares - correction * correction / weight, 0.0)
        deviation = np.sqrt(squares / weight)
        small = (length < math.sqrt(_SMALL_SQUARES)) & (np.abs(mean) < math.sqrt(_SMALL_SQUARES))
        if (small := small & ((mean != 0) | (length > 0))).any():
            unit, first, second = _small_sums(raw, mean, np.flatnonzero(small))
            length[small] = np.sqrt(second / weight) * unit
            deviation[small] = np.sqrt(np.maximum(second / weight - (first / weight) ** 2, 0.0)) * unit
        return Moments(mean, deviation, mean, length)
    first, second, total = raw.reduce(CentredSums(near))
    unit = np.ones_like(near)
    if (small := (second < _SMALL_SQUARES * total) & (np.abs(near) < math.sqrt(_SMALL_SQUARES))).any():
        unit[small], first[small], second[small] = _small_sums(raw, near, np.flatnonzero(small))
    offset = first / total
    deviation = np.sqrt(np.maximum(second / total - offset * offset, 0.0))
    return Moments(near + offset * unit, deviation * unit, near, np.sqrt(second / total) * unit)


def _small_sums(raw: Rows, near: Array, small: Array) -> tuple[Array, Array, Array]:
    """The sums of columns whose squares may be below what a float can hold: the unit that each is
    measured in, a power of two, and the sums of its entries and of their squares in that unit."""

    def centred() -> Iterator[tuple[Array, Array]]:
        for block in raw.blocks():
            yield block.weight, np.asarray(_stored(block, small), dtype=np.float64) - near[small]

    largest = np.zeros(len(small))
    unit, first, second = np.ones_like(largest), np.zeros_like(largest), np.zeros_like(largest)
    if not near[small].any() and not any(_stored(block, small).any() for block in raw.blocks()):
        return unit, first, second  # columns of zeros, as many data have
    for weight, X in centred():
        np.maximum(largest, np.abs(X[weight > 0]).max(axis=0, initial=0.0), out=largest)
    if largest.any():
        unit = np.where(largest > 0, 2.0 ** np.floor(np.log2(np.where(largest > 0, largest, 1.0))), 1.0)
        for weight, X in centred():
            X = np.where((weight > 0)[:, None], X, 0.0) / unit
            first += weight @ X
            second += weight @ (X * X)
    return unit, first, second


_THERE = ("_kept_groups", "_kept_parts_there")  # what workers have of rows
_INDEPENDENT_OF = {
    "columns": ("_kept__moments", "_kept_facts", "_kept_stored_rows", *_THERE, "_kept_labels_there"),
    "precision": ("_kept__moments", *_THERE, "_kept_labels_there"),  # it decides how many rows make a block
    "target": ("_kept__moments", "_kept_facts", *_THERE),
    "ends": ("_kept__moments",),
}
"""For each field the cached values that do not depend on it."""


class Standardised(ABC):
    """What rows share wherever they lie, under implicit centring and scaling: the same rows with
    one field changed, which keep what does not depend on it, and moments of the raw columns."""

    columns: Columns
    precision: np.dtype[Any]

    @property
    @abstractmethod
    def n_rows(self) -> int:
        """Number of rows."""

    @property
    @abstractmethod
    def _moments(self) -> Moments:
        """Moments of the raw columns."""

    def dense(self, block: Block) -> Array:
        """The standardised columns of a block as a dense array."""
        return self.columns.dense(block)

    def at(self, precision: Any) -> Self:
        """The same rows multiplied in another floating type; themselves where that is their own."""
        return self if self.precision == precision else self._changed(precision=np.dtype(precision))

    def with_columns(self, columns: Columns) -> Self:
        """The same rows under another centring and scaling."""
        return self._changed(columns=columns)

    def with_target(self, target: Array) -> Self:
        """The same rows with another target."""
        return self._changed(target=target)

    def _changed(self, **changes: Any) -> Self:
        """The same rows and weights but for one field; cached values that do not depend on it are
        kept."""
        changed: Self = replace(cast(Any, self), **changes)
        (field,) = changes
        for name in _INDEPENDENT_OF[field]:
            if name in vars(self):
                vars(changed)[name] = vars(self)[name]
        return changed

    def moments(self) -> tuple[Array, Array]:
        """Weighted mean and standard deviation of the raw columns."""
        return self._moments.mean, self._moments.deviation

    def lengths(self, centre: Array) -> Array:
        """Upper bounds on the weighted root mean squares of the raw columns about a centre."""
        return self._moments.lengths(centre, self.n_rows)


@dataclass(frozen=True)
class Storage(Standardised):
    """Base of rows to which there is random access: everything but how a block is cut from the
    storage.

    X need not be an array: it has `shape` and `dtype`, and `X[chosen]`, of a slice or of numbers of
    rows, is an array or again such an X. Where it is neither an array nor a sparse matrix, compiled
    code is given one block at a time.
    """

    X: Any
    target: Array
    weight: Array
    columns: Columns
    precision: np.dtype[Any]
    n_threads: int
    ends: tuple[int, ...] = ()
    """Rows before which a block ends, such as the first rows of classes."""

    @classmethod
    def of(
        cls,
        X: Any,
        target: Array,
        weight: Array | None = None,
        *,
        precision: Any = np.float64,
        n_threads: int | None = None,
    ) -> Self:
        """Rows of `X` (n, d) as it is stored; unit weights unless given; columns neither centred
        nor scaled."""
        weight = np.ones(X.shape[0]) if weight is None else weight
        columns = Columns.identity(X.shape[1])
        return cls(X, target, weight, columns, np.dtype(precision), n_threads or available_threads())

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.X.shape[0])

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return int(self.X.shape[1])

    @property
    def is_sparse(self) -> bool:
        """Whether blocks are sparse."""
        return bool(sparse.issparse(self.X))

    @property
    @kept
    def facts(self) -> Facts:
        """What is known of them without reading them."""
        stored: Any = self.X
        lengths = [part.stop - part.start for part in self._parts()]
        return Facts(
            n_rows=self.n_rows,
            n_features=self.n_features,
            is_sparse=self.is_sparse,
            n_entries=stored.nnz if self.is_sparse else self.n_rows * self.n_features,
            dtype=stored.dtype,
            entry_bytes=stored.dtype.itemsize + (stored.indices.dtype.itemsize if self.is_sparse else 0),
            n_blocks=len(lengths),
            largest_block=max(lengths),
            n_threads=self.n_threads,
            is_resident=True,
        )

    @property
    @kept
    def stored_rows(self) -> native.StoredRows:
        """All rows at once, and where their blocks end: what a pass in compiled code is given."""
        ends = np.array([part.stop for part in self._parts()], dtype=np.int64)
        return native.StoredRows(Block(self.X, self.precision, self.target, self.weight), ends, self.n_threads)

    @property
    def whole(self) -> Block:
        """All rows as they are stored; of what is neither an array nor a sparse matrix, as one
        array."""
        return self.pick(slice(0, self.n_rows)) if self.stored_rows.is_array_by_block else self.stored_rows.block

    def __getstate__(self) -> dict[str, Any]:
        """Without cached values: they belong to this process, or can be recomputed."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_kept_")}

    @abstractmethod
    def parts(self) -> list[slice]:
        """The slices of rows that make the blocks, whatever the number of threads."""

    def _parts(self) -> list[slice]:
        """The parts, cut where a block must end."""
        parts = self.parts()
        bounds = sorted({0, *(part.stop for part in parts), *self.ends})
        return [slice(start, stop) for start, stop in pairwise(bounds)] if self.ends else parts

    @abstractmethod
    def pick(self, chosen: Array | slice) -> Block:
        """The chosen rows as a block."""

    def reduce(self, a_pass: Pass) -> Sums:
        """The result of a pass for all rows: by compiled code where that offers it, else block by
        block in NumPy."""
        work = native.work_of(a_pass, self.stored_rows)
        if isinstance(work, native.EachBlock):
            return added_up(self._of_blocks(work.of_block), a_pass.joined)
        return work.results(work.compute())

    def _of_blocks(self, of_block: Callable[[Block], Sums]) -> Iterator[Sums]:
        parts = self._parts()
        if self.n_threads == 1 or len(parts) == 1:
            return map(of_block, map(self.pick, parts))
        return in_order(lambda part: of_block(self.pick(part)), parts, self.n_threads)

    def blocks(self) -> Iterator[Block]:
        """The blocks in order."""
        return map(self.pick, self._parts())

    def with_ends(self, ends: Sequence[int]) -> Self:
        """The same rows in blocks of which none reaches beyond one of these rows."""
        return self._changed(ends=tuple(int(end) for end in ends))

    @property
    @kept
    def _moments(self) -> Moments:
        counting: Any = self.n_rows  # all of them
        probability = None
        if not (self.weight == self.weight[0]).all():
            counting = np.flatnonzero(self.weight > 0)
            weight = self.weight[counting]
            # Where some rows weigh far more than others, the mean is near those.
            probability = None if has_one_weight(weight) else weight / weight.sum()
        sample = np.sort(np.random.default_rng(0).choice(counting, 1 if self.is_sparse else 101, p=probability))
        block = self.at(np.float64).pick(sample)
        values = np.sort(block.X.toarray() if self.is_sparse else block.X, axis=0)
        # The median; NumPy's own takes six times as long for so few.
        return weighted_moments(self, (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2)

    def sample(self, size: int, rng: np.random.Generator) -> Self:
        """`size` rows drawn without replacement, in the order of the storage."""
        chosen = drawn(self.n_rows, size, rng)
        return self.subset(chosen, self.weight[chosen])

    def subset(self, chosen: Array, weight: Array) -> Self:
        """A copy of the chosen rows under new weights."""
        return replace(self, X=self.X[chosen], target=self.target[chosen], weight=weight, ends=())

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[Block]:
        """All rows once in random order, `size` at a time."""
        order = rng.permutation(self.n_rows)
        for start in range(0, self.n_rows, size):
            yield self.pick(order[start : start + size])
