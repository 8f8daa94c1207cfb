"""Data frames whose rows lie in the partitions of a cluster: learn an encoder there, and hold the
encoded rows there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.errors import ArgumentError, DataError
from polytome.tables.encoder import Encoder
from polytome.tables.frames import Frame
from polytome.tables.named_columns import find_column, find_columns, find_weight, note_positions
from polytome.tables.readers.columnar import import_pyarrow, table_frame
from polytome.tables.streams.learning import Learner
from polytome.tables.weight_columns import read_weights

if TYPE_CHECKING:
    import pyarrow

Array = NDArray[Any]

__all__ = ["Asked", "arrow_of", "asked_of", "encoded", "joined", "learner_of"]


@dataclass(frozen=True)
class Asked:
    """What is to be learned of a data frame, by whoever holds some of its rows.

    Attributes:
        source: what messages call the whole frame.
        names: of the feature columns.
        target: the column of labels.
        missing: as for `read_table`.
        unknown: as for `read_table`.
        forced: the columns to read as text.
        marks: words that mark a missing cell.
        weight: the column of weights of rows; None for equal ones.
        references: as for `learn_encoder`.
    """

    source: str
    names: tuple[str, ...]
    target: str
    missing: str
    unknown: str
    forced: frozenset[str]
    marks: tuple[str, ...]
    weight: str | None = None
    references: Mapping[str, str] | None = None

    @property
    def read(self) -> tuple[str, ...]:
        """All columns that are read."""
        return (*self.names, self.target, *(() if self.weight is None else (self.weight,)))

    def learner(self) -> Learner:
        """One that has seen nothing."""
        return Learner(
            self.source,
            self.names,
            self.target,
            missing=self.missing,
            unknown=self.unknown,
            forced=self.forced,
            marks=self.marks,
            weight=self.weight,
            references=self.references,
        )


def asked_of(
    source: str,
    header: Sequence[Any],
    target: str,
    *,
    missing: str,
    unknown: str,
    drop: Sequence[str],
    categories: Sequence[str],
    marks: Sequence[str],
    notes: list[str],
    weight: str | None = None,
    references: Mapping[str, str] | None = None,
) -> Asked:
    """What is to be learned of a data frame with these columns.

    Raises:
        ArgumentError: an option names no column, or rows are to be dropped.
        DataError: names of columns are no text, or there is no column to learn from.
    """
    if missing == "drop":
        raise ArgumentError(
            f"missing='drop': rows of a {source} are not dropped here; drop them in the frame, as dropna() does"
        )
    wrong = [name for name in header if not isinstance(name, str)]
    if wrong:
        raise DataError(f"{source}: has a column named {wrong[0]!r}, which is not text; rename it")
    frame = Frame(tuple(header), (), source)
    note_positions(frame.names, [target, *drop, *categories, *([] if weight is None else [weight])], notes)
    target = find_column(frame, target, "target")
    dropped = set(find_columns(frame, drop, "drop", keep=(target, str(weight))))
    forced: Collection[str] = set(find_columns(frame, categories, "categories", keep=(target, str(weight))))
    weight = find_weight(frame, weight, target, {*dropped, *forced})
    names = tuple(name for name in frame.names if name not in {target, weight, *dropped})
    if not names:
        raise DataError(f"{source}: has no column besides the target {target!r}; there is nothing to learn from")
    return Asked(source, names, target, missing, unknown, frozenset(forced), tuple(marks), weight, references)


def learner_of(table: pyarrow.Table, asked: Asked, place: int) -> Learner:
    """What one partition tells."""
    learner = asked.learner()
    if table.num_rows:
        name = f"{asked.source}, partition {place}"
        learner.see(table_frame(table.select(asked.read), name))
    learner.codes, learner.weights = [], []  # the rows may come in another order when they are encoded
    return learner


def joined(asked: Asked, learners: Iterable[Learner]) -> tuple[Encoder, Array, tuple[str, ...]]:
    """The encoder, the classes, and notes, from what all partitions tell, in their order.

    Raises:
        DataError: there are no rows, or a column cannot be used.
    """
    whole = asked.learner()
    for each in learners:
        whole.join(each)
    if not whole.n_rows:
        raise DataError(f"{asked.source}: has 0 rows; there is nothing to learn from")
    encoder, notes = whole.learned()
    return encoder, whole.classes(encoder.label_kind)[0], notes


def encoded(
    table: pyarrow.Table, asked: Asked, encoder: Encoder, classes: Array, name: str
) -> tuple[Any, Array, Array | None]:
    """Some rows as numbers, which of the classes each has, and its weight; None for equal ones.

    Raises:
        DataError: rows are not what they were when the encoder was learned.
    """
    kind = np.min_scalar_type(-len(classes))
    if not table.num_rows:
        width = len(encoder.feature_names)
        nothing: Any = sparse.csr_matrix((0, width)) if encoder.is_sparse else np.empty((0, width))
        return nothing, np.empty(0, dtype=kind), None if encoder.weight is None else np.empty(0)
    frame = table_frame(table.select(asked.read), name)
    labels: Any = encoder.labels(frame)
    codes = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    if not np.array_equal(classes[codes], labels):
        raise DataError(f"{name}: holds other labels than when it was first computed; persist the frame before the fit")
    weight = None if encoder.weight is None else read_weights(frame, encoder.weight, encoder.marks)
    return encoder.encode(frame), codes.astype(kind), weight


def arrow_of(frame: Any, source: str) -> pyarrow.Table:
    """A pandas frame as an Arrow table, without its index.

    Raises:
        DataError: a column holds values of different types.
    """
    pyarrow = import_pyarrow(source)
    try:
        return pyarrow.Table.from_pandas(frame, preserve_index=False)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError) as error:
        raise DataError(f"{source}: a column holds what cannot be read: {error}; give each column one type") from error
