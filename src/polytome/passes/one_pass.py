"""What a pass is, and how its results for blocks become the result for all rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.passes.block import Block

Array = NDArray[Any]
Sums = tuple[Array, ...]
"""What a pass adds up over blocks: arrays, or numbers."""

__all__ = ["Pass", "Sums", "added_up"]


class Pass(Protocol):
    """A sum over rows as a value: immutable, and picklable, so that it can be sent to where the
    rows are.

    Most results are sums over the rows. The last `joined` of them are not added up but joined in
    the order of the rows: they have one entry for each row (or for each block).
    """

    @property
    def joined(self) -> int:
        """How many of the last results are joined."""
        ...

    def of_block(self, block: Block) -> Sums:
        """The sums over some rows, in NumPy: the definition that any other implementation must
        match."""
        ...


def added_up(results: Iterable[Sums], joined: int = 0) -> Sums:
    """The result of a pass for all rows, from those of blocks: added or joined, in their order, in
    float64.

    Args:
        results: those of the blocks, in the order of the rows.
        joined: how many of the last terms are joined.

    Raises:
        ArgumentError: there is no block.

    Example:
        >>> added_up([(np.array(1.0), np.ones(2)), (np.array(2.0), np.zeros(1))], joined=1)
        (array(3.), array([1., 1., 0.]))
    """
    totals: list[Array] = []
    pieces: list[list[Array]] = []
    for result in results:
        last = len(result) - joined
        if not (totals or pieces):
            totals = [np.array(term, dtype=np.float64) for term in result[:last]]
            pieces = [[term] for term in result[last:]]
            continue
        for total, term in zip(totals, result[:last], strict=True):
            total += term
        for piece, term in zip(pieces, result[last:], strict=True):
            piece.append(term)
    if not (totals or pieces):
        raise ArgumentError("a sum over rows needs at least one row")
    return *totals, *map(np.concatenate, pieces)
