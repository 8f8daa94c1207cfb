"""What every kind of rows shares: blocks, implicit centring and scaling, and the ordered sum."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome import native
from polytome.errors import ArgumentError
from polytome.threads import available_threads, kept

Array = NDArray[Any]
Sums = tuple[Array, ...]
Result = TypeVar("Result")

_FEW_ENTRIES = 2**20

__all__ = ["Block", "Columns", "Rows", "Storage", "in_order", "ordered_sum"]


@dataclass(frozen=True)
class Block:
    """A few rows in raw units: as they are `stored` (array, CSR or CSC), their targets and weights."""

    stored: Any
    precision: np.dtype[Any]
    target: Array
    weight: Array

    @property
    @kept
    def X(self) -> Any:
        """The rows in the precision of the products, converted when first asked for."""
        stored: Any = self.stored
        if sparse.issparse(self.stored):
            return stored.astype(self.precision, copy=False)
        return np.ascontiguousarray(stored, dtype=self.precision)


@dataclass(frozen=True)
class Columns:
    """Implicit columns `(raw - shift) * scale`: the storage is never touched, the coefficients are.

    `raw @ V + v0` with `V, v0 = to_raw(W)` equals `standardised @ W + w0`, and `from_raw` is the transpose of that
    map, so it turns a gradient with respect to raw coefficients into one with respect to standardised coefficients.

    Args:
        shift: subtracted from each column, shape (n_features,).
        scale: multiplies each column, shape (n_features,).

    Example:
        >>> columns = Columns(np.array([2.0]), np.array([10.0]))
        >>> columns.to_raw(np.array([[1.0], [0.5]]))
        array([[ 10. ],
               [-19.5]])
    """

    shift: Array
    scale: Array

    @classmethod
    def identity(cls, n_features: int) -> Columns:
        """Columns as they are stored."""
        return cls(np.zeros(n_features), np.ones(n_features))

    def to_raw(self, W: Array) -> Array:
        """Coefficients (n_features + 1, n_outputs) for raw columns, intercept last."""
        raw = np.empty_like(W)
        np.multiply(W[:-1], self.scale[:, None], out=raw[:-1])
        raw[-1] = W[-1] - self.shift @ raw[:-1]
        return raw

    def as_given(self, W: Array) -> tuple[Array, Array]:
        """Coefficients for raw columns as a user sees them: (n_outputs, n_features), and the intercepts.

        They lie in memory as W does, and are W's own where columns are not scaled.
        """
        coefficients = W[:-1].T if (self.scale == 1.0).all() else W[:-1].T * self.scale
        return coefficients, W[-1] - (self.shift * self.scale) @ W[:-1]

    def from_raw(self, gradient: Array) -> Array:
        """Gradient with respect to standardised coefficients from the one with respect to raw coefficients."""
        result = np.empty_like(gradient)
        np.subtract(gradient[:-1], np.multiply.outer(self.shift, gradient[-1]), out=result[:-1])
        result[:-1] *= self.scale[:, None]
        result[-1] = gradient[-1]
        return result

    def from_raw_coefficients(self, V: Array) -> Array:
        """The inverse of `to_raw`: standardised coefficients from raw ones."""
        W: Array = V / np.append(self.scale, 1.0)[:, None]
        W[-1] = V[-1] + self.shift @ V[:-1]
        return W

    def apply(self, X: Array) -> Array:
        """The standardised columns of a dense block, in its precision: the only place where they are formed."""
        standardised: Array = X - self.shift.astype(X.dtype, copy=False)
        standardised *= self.scale.astype(X.dtype, copy=False)
        return standardised


class Rows(Protocol):
    """The data as an objective sees it: sums over all rows, and batches of a few.

    `n_rows`, `n_features`; `target` and `weight` of each row; `columns` (implicit centring and scaling);
    `precision`, the floating type in which a block is multiplied (sums over blocks are always float64). `whole` are all
    rows as they are stored, `ends_of_blocks` the rows before which a block ends, and `n_threads` share the blocks.
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
    def n_threads(self) -> int: ...  # noqa: D102
    @property
    def whole(self) -> Block: ...  # noqa: D102
    @property
    def ends_of_blocks(self) -> Array: ...  # noqa: D102

    def sum(self, fn: Callable[[Block], Sums]) -> Sums:
        """`fn` of every block, added up in the order of the rows whatever the number of threads."""
        ...

    def each(self, fn: Callable[[Block], Array]) -> Array:
        """`fn` of every block, one entry per row, joined in the order of the rows."""
        ...

    def blocks(self) -> Iterator[Block]:
        """The blocks one by one, in the order of the rows."""
        ...

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[Block]:
        """All rows once in random order, `size` at a time."""
        ...

    def sample(self, size: int, rng: np.random.Generator) -> Self:
        """Rows drawn without replacement: a copy of `size` rows."""
        ...

    def subset(self, chosen: Array, weight: Array) -> Self:
        """A copy of the chosen rows under new weights."""
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

    def with_ends(self, ends: Sequence[int]) -> Self:
        """The same rows in blocks of which none reaches beyond one of these rows."""
        ...

    def dense(self, block: Block) -> Array:
        """The standardised columns of a block as a dense array of the rows' precision."""
        ...

    def moments(self) -> tuple[Array, Array]:
        """Weighted mean and standard deviation of the raw columns, each of shape (n_features,)."""
        ...

    def lengths(self, centre: Array) -> Array:
        """Upper bounds on the weighted root mean squares of the raw columns about a centre, shape (n_features,)."""
        ...


def ordered_sum(fn: Callable[[Any], Sums], parts: Sequence[Any], n_threads: int) -> Sums:
    """Sum of `fn(part)` in the order of `parts`, computed by `n_threads` threads, few results held at a time.

    The order of addition does not depend on the number of threads, so neither do the bits of the result.
    """
    total: list[Array] | None = None
    for result in in_order(fn, parts, n_threads):
        if total is None:
            total = [np.array(term, dtype=np.float64) for term in result]
        else:
            for accumulated, term in zip(total, result, strict=True):
                accumulated += term
    if total is None:
        raise ArgumentError("a sum over rows needs at least one row")
    return tuple(total)


def in_order(fn: Callable[[Any], Result], parts: Sequence[Any], n_threads: int) -> Iterator[Result]:
    """`fn(part)` in the order of `parts`, computed by `n_threads` threads at most two parts ahead of the one in use."""
    if n_threads == 1 or len(parts) == 1:
        yield from map(fn, parts)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        pending: deque[Future[Result]] = deque()
        for part in parts:
            pending.append(_submitted(pool, fn, part))
            if len(pending) > 2 * n_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@dataclass(frozen=True)
class Moments:
    """Weighted moments of the raw columns: mean, standard deviation, and the root mean square about some value of each
    column, which is never smaller than the deviation and rounded in no other way than relatively."""

    mean: Array
    deviation: Array
    near: Array
    length: Array


def _submitted(pool: ThreadPoolExecutor, fn: Callable[[Any], Result], part: Any) -> Future[Result]:
    """`fn(part)` by a thread of the pool, or by this one where the interpreter ends and lends no more threads."""
    try:
        # Each thread sees the caller's context: where NumPy may overflow in silence is part of it.
        return pool.submit(copy_context().run, fn, part)
    except RuntimeError:
        done: Future[Result] = Future()
        done.set_result(fn(part))
        return done


def weighted_moments(rows: Storage) -> Moments:
    """Moments of the raw columns, summed around values of the columns so that nothing cancels."""
    raw = rows.with_columns(Columns.identity(rows.n_features)).at(np.float64)
    # A value of the column itself, from a row that counts: so a constant column is found to be exactly that.
    counting = np.flatnonzero(raw.weight > 0)
    weight = raw.weight[counting]
    # Where some rows weigh far more than others, the mean is near theirs.
    chance = None if (weight == weight[0]).all() else weight / weight.sum()
    few = np.sort(np.random.default_rng(0).choice(counting, 1 if raw.is_sparse else 101, p=chance))
    block = raw.pick(few)
    near = np.median(block.X.toarray() if raw.is_sparse else block.X, axis=0)
    if raw.is_sparse:
        whole = float(raw.weight.sum())
        (offset,) = raw.sum(lambda block: (_sparse_offset(block, near),))
        mean = near + offset / whole
        squares = centred_squares(raw, mean)
        if chance is not None:  # the mean's own rounding counts beside what light rows add to a heavy one
            (left,) = raw.sum(lambda block: (_sparse_offset(block, mean),))
            squares = np.maximum(squares - left * left / whole, 0.0)
        deviation = np.sqrt(squares / whole)
        return Moments(mean, deviation, mean, deviation)

    def powers(block: Block) -> Sums:
        fused = native.moments(block, near)
        if fused is not None:
            return *fused, block.weight.sum()
        centred = block.X - near
        first = block.weight @ centred
        np.multiply(centred, centred, out=centred)
        return first, block.weight @ centred, block.weight.sum()

    first, second, total = raw.sum(powers)
    offset = first / total
    deviation = np.sqrt(np.maximum(second / total - offset * offset, 0.0))
    return Moments(near + offset, deviation, near, np.sqrt(second / total))


def centred_squares(rows: Rows, mean: Array, row_weights: Callable[[Block], Array] | None = None) -> Array:
    """Weighted sum of `(raw - mean)^2` of each column, never forming a centred sparse matrix."""

    def second(block: Block) -> Sums:
        w = block.weight if row_weights is None else row_weights(block)
        if not rows.is_sparse:
            centred = block.X - mean
            return (w @ (centred * centred),)
        # Stored entries one by one, then the zeros of each column all at once: nothing cancels.
        sums = native.sparse_moments(replace(block, weight=w), mean)
        if sums is not None:
            return (sums[1] + mean * mean * _rest(block.X, w, *sums[2:]),)
        X = block.X
        stored = type(X)(((X.data - mean[_entry_columns(X)]) ** 2, X.indices, X.indptr), shape=X.shape)
        return (stored.T @ w + mean * mean * _absent_weight(X, w),)

    (squares,) = rows.sum(second)
    return squares


def _sparse_offset(block: Block, near: Array) -> Array:
    """Weighted sum of `raw - near` of each column of a sparse block."""
    sums = native.sparse_moments(block, near)
    if sums is not None:
        return np.asarray(sums[0] - near * _rest(block.X, block.weight, *sums[2:]))
    X = block.X
    shifted = type(X)((X.data - near[_entry_columns(X)], X.indices, X.indptr), shape=X.shape)
    offset: Array = shifted.T @ block.weight - near * _absent_weight(X, block.weight)
    return offset


def _entry_columns(X: Any) -> Array:
    """The column of each stored entry of a CSR or CSC matrix."""
    return X.indices if X.format == "csr" else np.repeat(np.arange(X.shape[1]), np.diff(X.indptr))


def _absent_weight(X: Any, w: Array) -> Array:
    """Weight of the rows in which a column is not stored: exactly zero where none is, never negative."""
    columns = _entry_columns(X)
    rows = X.indices if X.format == "csc" else np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    present = np.bincount(columns, weights=w[rows], minlength=X.shape[1])
    return _rest(X, w, present, np.bincount(columns, weights=(w > 0)[rows], minlength=X.shape[1]))


def _rest(X: Any, w: Array, present: Array, count: Array) -> Array:
    """What the entries of a column leave of the weight of all rows: zero where no row with weight lacks one."""
    if np.prod(X.shape) <= _FEW_ENTRIES:  # row by row, since a difference loses what a light row weighs beside a heavy
        stored = type(X)((np.ones(len(X.data)), X.indices, X.indptr), shape=X.shape).toarray()
        return np.asarray(w @ (stored == 0))
    return np.where(count == (w > 0).sum(), 0.0, np.maximum(w.sum() - present, 0.0))


@dataclass(frozen=True)
class Storage(ABC):
    """Base of the two in-memory kinds of rows: everything but how a block is cut from the storage."""

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
        """Rows of `X` (n, d) as it is stored; unit weights unless given; columns neither centred nor scaled."""
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
    def whole(self) -> Block:
        """All rows as they are stored."""
        return Block(self.X, self.precision, self.target, self.weight)

    @property
    @kept
    def ends_of_blocks(self) -> Array:
        """The rows before which a block ends, int64."""
        return np.array([part.stop for part in self._parts()], dtype=np.int64)

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

    @abstractmethod
    def dense(self, block: Block) -> Array:
        """The standardised columns of a block as a dense array."""

    def sum(self, fn: Callable[[Block], Sums]) -> Sums:
        """`fn` of every block, added up in the order of the rows."""
        return ordered_sum(lambda part: fn(self.pick(part)), self._parts(), self.n_threads)

    def each(self, fn: Callable[[Block], Array]) -> Array:
        """`fn` of every block, one entry per row, joined in the order of the rows."""
        return np.concatenate(list(in_order(lambda part: fn(self.pick(part)), self._parts(), self.n_threads)))

    def blocks(self) -> Iterator[Block]:
        """The blocks in order."""
        return map(self.pick, self._parts())

    def at(self, precision: Any) -> Self:
        """The same rows multiplied in another floating type; themselves where that is their own."""
        return self if self.precision == precision else self._but(precision=np.dtype(precision))

    def with_columns(self, columns: Columns) -> Self:
        """The same rows under another centring and scaling."""
        return self._but(columns=columns)

    def with_target(self, target: Array) -> Self:
        """The same rows with another target."""
        return self._but(target=target)

    def with_ends(self, ends: Sequence[int]) -> Self:
        """The same rows in blocks of which none reaches beyond one of these rows."""
        return self._but(ends=tuple(int(end) for end in ends))

    def _but(self, **changes: Any) -> Self:
        """The same rows and weights but for what has nothing to do with their moments, which they take along."""
        changed = replace(self, **changes)
        if "_kept__moments" in vars(self):
            vars(changed)["_kept__moments"] = self._moments
        return changed

    def moments(self) -> tuple[Array, Array]:
        """Weighted mean and standard deviation of the raw columns."""
        return self._moments.mean, self._moments.deviation

    def lengths(self, centre: Array) -> Array:
        """Upper bounds on the weighted root mean squares of the raw columns about a centre, by Minkowski's
        inequality."""
        found: Array = np.abs(self._moments.near - centre) + self._moments.length
        return found * (1 + (self.n_rows + 8) * 2.0**-53)

    @property
    @kept
    def _moments(self) -> Moments:
        return weighted_moments(self)

    def sample(self, size: int, rng: np.random.Generator) -> Self:
        """`size` rows drawn without replacement, in the order of the storage."""
        chosen = np.sort(rng.permutation(self.n_rows)[:size])
        return self.subset(chosen, self.weight[chosen])

    def subset(self, chosen: Array, weight: Array) -> Self:
        """A copy of the chosen rows under new weights."""
        return replace(self, X=self.X[chosen], target=self.target[chosen], weight=weight, ends=())

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[Block]:
        """All rows once in random order, `size` at a time."""
        order = rng.permutation(self.n_rows)
        for start in range(0, self.n_rows, size):
            yield self.pick(order[start : start + size])
