"""Predictions, evaluation and labelled rows of files that are read piece by piece, by a fitted
model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.errors import DataError, FileError
from polytome.evaluation.metrics import Evaluation, evaluate_pieces
from polytome.files.predictions import Predictions, kept_columns, predict_rows
from polytome.files.sources import Source, encoder_of
from polytome.files.streamed import named
from polytome.models.fitted import refuse_without_classes
from polytome.models.fitted_source import source_of
from polytome.models.framed import against_rest
from polytome.numerics.row_numbers import drawn
from polytome.rows import StreamedRows
from polytome.solvers.memory import memory_left
from polytome.tables.frames import listing
from polytome.tables.streams.opening import open_pieces
from polytome.tables.streams.table import StreamedTable
from polytome.tables.table import encode_rows

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

Array = NDArray[Any]

__all__ = ["evaluate_streamed", "evaluate_test_rows", "predict_streamed", "read_files", "sample_of_test_rows"]

_DRAWN_BYTES = 2**27


def predict_streamed(
    model: Fitted,
    source: Sequence[str],
    write: Callable[[Predictions], object],
    *,
    probabilities: bool = True,
    missing: str | None = None,
    unknown: str | None = None,
    header: str = "auto",
    ids: Sequence[str] = (),
    progress: Callable[[int, int], object] | None = None,
    noted: Callable[[Sequence[str]], object] | None = None,
) -> tuple[int, dict[Any, int]]:
    """Predict rows of files piece by piece.

    Args:
        model: a fitted model.
        source: files, folders, patterns.
        write: takes the predictions of each piece, as those of `prediction_file` does.
        probabilities: whether they are wanted.
        missing: as for `read_table`; where rows are dropped, the predictions say which are there.
        unknown: as for `read_table`.
        header: as for `read_table`.
        ids: columns that are kept beside the predictions, in place of those of training.
        progress: called with the rows read so far, and about their number.
        noted: called with what a user should know about how the rows are read.

    Returns:
        How many predictions there are, and how many rows were put into each class.

    Raises:
        ArgumentError: there is no such column, or an option means nothing for these files.
        DataError: the rows do not suit the model.
        FileError: a file is missing or damaged, or lacks a column; or the other cannot be written.
        MissingExtraError: pyarrow is not installed.
    """
    encoder = replace(encoder_of(model), target=None, weight=None)
    opened = open_pieces(source, encoder, None, header, ids)
    if not opened.n_rows:
        raise FileError(f"{listing(source, form=str)}: has no rows; there is nothing to predict")
    counts, n_read, n_predicted = Counter[Any](), 0, 0

    def predicted(X: Any, kept: Array | None, columns: dict[str, Array]) -> None:
        nonlocal n_predicted
        if noted is not None and not n_predicted:  # not before the first rows suit the model
            noted(opened.notes)
        found = predict_rows(model, X, probabilities=probabilities, ids=columns)
        write(found if kept is None else replace(found, rows=n_read + np.flatnonzero(kept) + 1))
        counts.update(found.counts())
        n_predicted += X.shape[0]

    whole = encoder_of(model)
    for frame in opened.frames:
        frame = whole.named(frame)
        n_rows, kept = frame.n_rows, None
        if missing == "drop":
            frame = opened.encoder.align(frame)
            kept = ~opened.encoder.incomplete(frame)
            frame = frame.take(kept)
        if frame.n_rows:
            read = encode_rows(frame, opened.encoder, None if missing == "drop" else missing, unknown)
            assert read.frame is not None
            predicted(read.X, kept, kept_columns(read.frame, opened.encoder.ids))
        n_read += n_rows
        if progress is not None:
            progress(n_read, max(opened.n_rows, n_read))
    for X, _ in opened.arrays:
        predicted(X, None, {})
        n_read += X.shape[0]
        if progress is not None:
            progress(n_read, max(opened.n_rows, n_read))
    if not n_predicted:
        raise DataError(f"{listing(source, form=str)}: every row has a missing cell; fill them in")
    return n_predicted, dict(sorted(counts.items()))


def evaluate_streamed(
    model: Fitted,
    source: Sequence[str],
    *,
    target: str | None = None,
    missing: str | None = None,
    unknown: str | None = None,
    header: str = "auto",
    weights: bool = True,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[Evaluation, tuple[str, ...]]:
    """Compare a model's predictions with the labels of files that are read piece by piece.

    Args:
        model: a fitted classifier.
        source: files, folders, patterns.
        target: where the labels of `.npy` files are; see `read_table`.
        missing: as for `read_table`.
        unknown: as for `read_table`.
        header: as for `read_table`.
        weights: whether rows count with the weights that a column gave them in training.
        progress: called with the rows read so far, and about their number.

    Returns:
        The evaluation, and notes that a user should see.

    Raises:
        DataError: the rows do not suit the model, or have no labels.
        FileError: a file is missing or damaged, or lacks a column.
    """
    refuse_without_classes(model, "rows of a file or data set have one label each")
    n_rows, pieces = _pieces(model, source, target, missing, unknown, header, labels=True, weights=weights)
    positive, done = source_of(model).positive, 0

    def labelled() -> Iterator[tuple[Any, Array, Array | None]]:
        nonlocal done
        for X, y, weight in pieces:
            if y is None:
                encoder = source_of(model).encoder
                where = "say where they are with --target" if encoder is None else f"column {encoder.target!r} has none"
                raise DataError(f"{listing(source, form=str)}: has no labels to compare the predictions with; {where}")
            done += len(y)
            if progress is not None:
                progress(done, max(n_rows, done))
            yield X, y if positive is None else against_rest(y, positive), weight

    evaluation = evaluate_pieces(model, labelled())
    record = source_of(model).training
    files = list(source)
    if record is None or record.source is None or not any(record.source.startswith(name) for name in files):
        return evaluation, ()
    return evaluation, (
        f"the model was trained on a source of the same name, {record.source}: it may do better on these rows than on "
        "new ones",
    )


def evaluate_test_rows(model: Fitted, table: StreamedTable) -> Evaluation:
    """Compare a model's predictions with the labels of the rows that were held out, or where none
    were, of the training rows: one reading."""
    return evaluate_pieces(model, (table if table.test is None else table.test).labelled_pieces())


def sample_of_test_rows(table: StreamedTable, seed: int) -> tuple[Any, Array, Array, Array | None]:
    """Features, labels, numbers from 1 and weights of test rows: of all, or of as many as are in
    memory at a time, drawn at random."""
    rows = table if table.test is None else table.test
    stream = StreamedRows.of(rows.X, rows.codes)
    size = min(stream.n_rows, stream.facts.most_copied)
    chosen = drawn(stream.n_rows, size, np.random.default_rng(seed))
    X = stream.subset(chosen, stream.weight[chosen]).X
    numbers = chosen if rows.rows is None else rows.rows[chosen]
    weight = None if rows.weight is None else rows.weight[chosen]
    return X, rows.classes[rows.codes[chosen]], numbers + 1, weight


def read_files(
    model: Fitted,
    source: Sequence[str],
    *,
    target: str | None = None,
    missing: str | None = None,
    unknown: str | None = None,
    header: str = "auto",
    weights: bool = False,
    draws: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Source:
    """The labelled rows of several files, or of one that is read piece by piece, in memory, in the
    way that a model was trained.

    Args:
        model: a fitted classifier.
        source: files, folders, patterns.
        target: where the labels of `.npy` files are; see `read_table`.
        missing: as for `read_table`.
        unknown: as for `read_table`.
        header: as for `read_table`.
        weights: whether the rows need the weights that they had in training.
        draws: whether some rows, drawn at random, stand for all where these are many.
        progress: called with the rows read so far, and about their number.

    Raises:
        DataError: the rows do not suit the model, have no labels, or do not fit into memory.
        FileError: a file is missing or damaged, or lacks a column.
    """
    refuse_without_classes(model, "rows of a file or data set have one label each")
    name = named(source)
    about, pieces = _pieces(model, source, target, missing, unknown, header, labels=True, weights=weights)
    held, n_rows, draw = _Held(), 0, np.random.default_rng(0)
    for X, y, weight in pieces:
        if y is None:
            raise DataError(f"{name}: has no labels to compare the predictions with; say where they are with --target")
        numbers = np.arange(n_rows + 1, n_rows + 1 + len(y))
        n_rows += len(y)
        held.add(draw.random(len(y)) if draws else np.zeros(len(y)), numbers, X, y, weight)
        if draws and held.n_bytes > 2 * _DRAWN_BYTES:
            held.thin(_DRAWN_BYTES)
        left = memory_left()
        if not draws and left is not None and held.n_bytes > left:  # they are put together in a copy
            raise DataError(
                f"{name}: {n_rows:,} of about {about:,} rows take {held.n_bytes / 1e9:,.2g} GB, and "
                f"{left / 1e9:,.2g} GB are left to put them together; all rows are needed in memory: give fewer files"
            )
        if progress is not None:
            progress(n_rows, max(about, n_rows))
    if not n_rows:
        raise DataError(f"{name}: has no rows")
    if draws and held.n_bytes > _DRAWN_BYTES:
        held.thin(_DRAWN_BYTES)
    _, numbers, X, y, weight = held.whole()
    positive = source_of(model).positive
    y = y if positive is None else against_rest(y, positive)
    drawn = () if len(y) == n_rows else (f"{len(y):,} rows, drawn at random, stand for {n_rows:,}",)
    return Source(name, X, y, notes=drawn, positive=positive, weight=weight, test_names=numbers)


class _Held:
    """Rows that are gathered piece by piece, each with a random number by which some are kept."""

    def __init__(self) -> None:
        self.pieces: list[tuple[Array, Array, Any, Array, Array | None]] = []
        self.n_bytes = 0

    def add(self, order: Array, numbers: Array, X: Any, y: Array, weight: Array | None) -> None:
        """Keep more rows."""
        self.pieces.append((order, numbers, X, y, weight))
        arrays = (X.data, X.indices, X.indptr) if sparse.issparse(X) else (X,)  # type: ignore[attr-defined]
        self.n_bytes += sum(each.nbytes for each in arrays) + 4 * y.nbytes

    def whole(self) -> tuple[Array, Array, Any, Array, Array | None]:
        """All of them together."""
        order, numbers, X, y, weight = zip(*self.pieces, strict=True)
        together: Any = sparse.vstack(X, format="csr") if sparse.issparse(X[0]) else np.concatenate(X)
        weights = None if weight[0] is None else np.concatenate(weight)
        return np.concatenate(order), np.concatenate(numbers), together, np.concatenate(y), weights

    def thin(self, n_bytes: int) -> None:
        """Keep about so many bytes of rows, those with the smallest numbers."""
        order, numbers, X, y, weight = self.whole()
        count = max(1, int(len(order) * n_bytes / self.n_bytes))
        kept = np.sort(np.argpartition(order, count - 1)[:count])
        self.__init__()  # type: ignore[misc]
        self.add(order[kept], numbers[kept], X[kept], y[kept], None if weight is None else weight[kept])


def _pieces(
    model: Fitted,
    source: Sequence[str],
    target: str | None,
    missing: str | None,
    unknown: str | None,
    header: str,
    *,
    labels: bool,
    weights: bool = False,
) -> tuple[int, Iterator[tuple[Any, Array | None, Array | None]]]:
    """About how many rows files have for a model, and their features, labels and weights piece by
    piece."""
    encoder = encoder_of(model) if labels else replace(encoder_of(model), target=None)
    encoder = encoder if weights else replace(encoder, weight=None)
    n_rows, encoder, tables, arrays, _ = open_pieces(source, encoder, target, header)

    def pieces() -> Iterator[tuple[Any, Array | None, Array | None]]:
        for frame in tables:
            frame = encoder_of(model).named(frame)
            if missing == "drop":
                frame = encoder.align(frame)
                frame = frame.take(~encoder.incomplete(frame))
                if not frame.n_rows:
                    continue
            found = encode_rows(frame, encoder, None if missing == "drop" else missing, unknown)
            yield found.X, found.y, found.weight
        yield from ((X, y, None) for X, y in arrays)

    return n_rows, pieces()
