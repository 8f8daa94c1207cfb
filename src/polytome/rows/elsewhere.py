"""What travels to where a part of the rows is: a pass, and how features become rows in memory
there."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from polytome._version import __version__
from polytome.errors import ClusterError
from polytome.passes import Pass, Sums
from polytome.rows.blocks import Array
from polytome.rows.stream import Part, StreamedRows
from polytome.threads import one_blas_thread

__all__ = [
    "ArrayPart",
    "Labels",
    "check_same_rows",
    "checksum_of",
    "checksum_of_piece",
    "features_there",
    "labels_of",
    "message_of",
    "sums_there",
]

Labels = tuple[Array, Array | float, int | None]
"""The targets of some rows, the weight of each, or that of all, and the checksum of their features,
where that is known."""


@dataclass(frozen=True)
class ArrayPart:
    """Rows in the memory of a worker.

    Attributes:
        pieces: arrays or canonical CSR matrices.
        name: what messages call it.
        checksum: of the pieces: what is computed again, because its worker was lost, may come out
            in another order, and labels would belong to other rows.
        codes: which of the classes each row has, where a table brings them.
        weight: of each row, where a table brings them.
    """

    pieces: tuple[Any, ...]
    name: str
    checksum: int
    codes: Array | None = None
    weight: Array | None = None

    @classmethod
    def of(cls, X: Any, name: str, codes: Array | None = None, weight: Array | None = None) -> ArrayPart:
        """A part of one piece."""
        return cls((X,), name, checksum_of([checksum_of_piece(X)]), codes, weight)

    @property
    def n_rows(self) -> int:
        """How many there are."""
        return sum(int(X.shape[0]) for X in self.pieces)

    def __str__(self) -> str:
        return self.name

    def __sizeof__(self) -> int:
        """Bytes: by these Dask decides when to write what it holds to disk."""
        return sum(each.nbytes for X in self.pieces for each in _arrays_of(X))

    def read(self) -> Iterator[Any]:
        """The pieces."""
        return iter(self.pieces)


def _arrays_of(X: Any) -> tuple[Array, ...]:
    """What an array or a CSR matrix consists of."""
    return (X,) if isinstance(X, np.ndarray) else (X.data, X.indices, X.indptr)


def checksum_of_piece(X: Any) -> int:
    """Of the bytes of an array or a CSR matrix."""
    found = 0
    for each in _arrays_of(X):
        found = zlib.crc32(each.tobytes(), found)
    return found


def checksum_of(pieces: Sequence[int]) -> int:
    """Of a part, from the checksums of its pieces."""
    return zlib.crc32(np.array(pieces, dtype=np.int64).tobytes())


def check_same_rows(part: Any, checksum: int) -> None:
    """Raises ClusterError where a part is not what it was at first."""
    if getattr(part, "checksum", None) != checksum:
        raise ClusterError(
            f"{part}: has come out with other values, or in another order, when it was computed again; persist the "
            "collection, write it to files, or let its computation be the same each time"
        )


def labels_of(target: Array, weight: Array, checksum: int | None) -> Labels:
    """Targets and weights of some rows as they travel: one number for equal weights."""
    return target, float(weight[0]) if weight.strides == (0,) and len(weight) else weight, checksum


def message_of(rows: StreamedRows, a_pass: Pass | None, dumps: Callable[[Any], bytes]) -> bytes:
    """A pass, or None, with all that is to be known of rows but the rows themselves.

    Args:
        rows: whose parts are elsewhere.
        a_pass: what is to be made of a part.
        dumps: how values travel.
    """
    stream = replace(rows.stream, parts=(), workers=None, journal=None, block_rows=rows.block_rows)
    nothing = np.zeros(0)
    template = StreamedRows(stream, nothing, nothing, rows.columns, rows.precision, 1)
    return pickle.dumps((__version__, dumps((template, a_pass, np.geterr()))))


def _received(message: bytes, part: Part, labels: Labels, n_threads: int) -> tuple[StreamedRows, Any, Any]:
    """The rows of a part, the pass, and where NumPy may overflow in silence."""
    version, content = pickle.loads(message)
    if version != __version__:
        raise ClusterError(
            f"a worker has polytome {__version__}, and {version} is here; install polytome=={version} there"
        )
    template, a_pass, errors = pickle.loads(content)
    target, weight, checksum = labels
    if checksum is not None:
        check_same_rows(part, checksum)
    weight = np.broadcast_to(weight, len(target)) if isinstance(weight, float) else weight
    stream = replace(template.stream, parts=(part,))
    return replace(template, stream=stream, target=target, weight=weight, n_threads=n_threads), a_pass, errors


def sums_there(part: Part, labels: Labels, message: bytes, n_threads: int) -> Sums:
    """What a pass makes of a part: equal bits wherever that is done."""
    rows, a_pass, errors = _received(message, part, labels, n_threads)
    with one_blas_thread(), np.errstate(**errors):
        return rows.reduce(a_pass)


def features_there(part: Part, labels: Labels, message: bytes, chosen: Array) -> list[Any]:
    """The features of the chosen rows of a part, which are in growing order, piece by piece."""
    rows, _, _ = _received(message, part, labels, 1)
    return rows.features_of(chosen)
