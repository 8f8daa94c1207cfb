"""Tables that are trained on without being read into memory: which they are, and a fit to one with
its record."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from polytome._version import __version__
from polytome.errors import ArgumentError
from polytome.files.image_folders import is_images
from polytome.files.sources import is_dataset, left_out, only_held_out, without_comparison
from polytome.files.splits import choose_held_out
from polytome.files.training_record import record_streamed_training
from polytome.models.fitted_source import FittedSource, HeldOut
from polytome.models.model import Model
from polytome.models.penalty_weights import numbered_weights
from polytome.rows.journal import Journal
from polytome.solvers.memory import memory_left
from polytome.tables.frames import listing
from polytome.tables.readers.addresses import is_address
from polytome.tables.readers.columnar import VALUE_BYTES
from polytome.tables.readers.idx import IDX_FILES, find_idx
from polytome.tables.readers.opening import exists
from polytome.tables.readers.whereabouts import located, part_of
from polytome.tables.streams.arrays import NpyFile
from polytome.tables.streams.kinds import stream_kind
from polytome.tables.streams.learning import learn_from_fewer_frames
from polytome.tables.streams.memory import bytes_of, check_held_out
from polytome.tables.streams.opening import EncodedPart
from polytome.tables.streams.parquet import ParquetFile
from polytome.tables.streams.places import is_several, unbounded
from polytome.tables.streams.table import StreamedTable

Array = NDArray[Any]
AnyModel = TypeVar("AnyModel", bound=Model)

__all__ = [
    "fit_streamed",
    "hold_out_streamed",
    "is_long",
    "named",
    "streamed_against_rest",
    "why_read_piecewise",
    "why_streamed",
]

_CHANGE_NO_BIT = ("callback", "verbose", "n_jobs")
_BY_WORKERS = "by workers"
_LONG_BYTES = 2**28
"""What a file would take in memory from which on its predictions are made piece by piece."""
_BYTES_OF_LABEL = 128  # in memory: as it is read, sorted into classes, and weighed
_READINGS = 3  # as a table, as cells and as features
_TIMES_ITS_TEXT = 6  # what text takes when it is read: itself, cells, and numbers of eight bytes


def why_streamed(
    source: str | PathLike[str] | Sequence[str | PathLike[str]],
    memory: str | float | None = None,
    workers: str | None = None,
) -> str | None:
    """Why a source is read piece by piece: it is several files, needs more memory than there is, or
    is for workers; None if it is not.

    Args:
        source: a path, a folder or a pattern, or several of these.
        memory: what may be taken, such as "2GB"; None for what is free.
        workers: who makes the passes; None for this process.

    Raises:
        ArgumentError: the memory is limited, there are workers, or there are several sources, and
            one is of a kind that is read whole.
        FileError: a file is missing or damaged.
    """
    limit = bytes_of(memory)
    names = [str(source)] if isinstance(source, str | PathLike) else [str(name) for name in source]
    if names == [name for name in names if is_address(name)][:1] and limit is None and workers is None:
        return None
    if len(names) > 1:
        for name in names:
            whole = is_address(name) or is_dataset(name) or is_images(name)
            if whole or not (is_several(name) or stream_kind(Path(name))):
                raise ArgumentError(
                    f"{name}: is read whole, and {len(names)} sources are given; give one, or several files of one "
                    "kind: Parquet, Arrow, CSV, libsvm or .npy"
                )
        return "several files" if workers is None else _BY_WORKERS
    name = names[0]
    if not is_address(name) and is_several(name) and not (is_images(name) or find_idx(Path(name), IDX_FILES[0])):
        return "several files" if workers is None else _BY_WORKERS
    kind = None
    if exists(name) and located(name).is_file() and not (is_images(name) or is_dataset(name) or part_of(name)):
        kind = stream_kind(Path(name))
    if kind is None:
        if limit is not None:
            raise ArgumentError(
                f"memory={memory!r}: {name} is read whole, and only files of Parquet, Arrow, CSV, libsvm and .npy are "
                "read piece by piece; leave the option out, or write the table as one of these"
            )
        if workers is not None:
            raise ArgumentError(
                f"workers={workers!r}: {name} is read whole, and workers read only files of Parquet, Arrow, CSV, "
                "libsvm and .npy; leave the option out, or write the table as one of these"
            )
        return None
    if workers is not None:
        return _BY_WORKERS
    needed, left = _bytes_in_memory(located(name), kind, limit), memory_left(limit)
    if left is None or needed <= left:
        return None
    return f"in memory it would take {needed / 1e9:,.2g} GB, and {left / 1e9:,.2g} GB are left"


def _bytes_in_memory(path: Path, kind: str, limit: int | None) -> int:
    """About what it takes to read a file whole."""
    if kind == "npy":  # without a limit a large one is mapped, and the system reads it as it is used
        return 0 if limit is None else path.stat().st_size + NpyFile.of(path, None).shape[0] * _BYTES_OF_LABEL
    if kind == "Parquet":
        file = ParquetFile.of(path)
        return sum(file.groups) * (len(file.kinds) * VALUE_BYTES * _READINGS + _BYTES_OF_LABEL)
    return _TIMES_ITS_TEXT * unbounded(path).unpacked_size()


def why_read_piecewise(sources: Sequence[str]) -> str | None:
    """Why rows for a model are read piece by piece: they are several files, or need too much
    memory."""
    if len(sources) == 1:
        return None if is_dataset(sources[0]) else why_streamed(sources[0])
    if any(is_images(name) or is_dataset(name) or not exists(name) for name in sources if not is_several(name)):
        return None
    return why_streamed(sources)


def hold_out_streamed(table: StreamedTable, fraction: float, seed: int = 0) -> StreamedTable:
    """Set rows aside as test rows, the same fraction of every class, and the same rows as
    `hold_out` does of rows in memory.

    Means and levels are learned again from the remaining rows: one more reading, where there are
    any.

    Args:
        table: the rows.
        fraction: between 0 and 1.
        seed: of the choice.

    Raises:
        ArgumentError: no row would be held out, or the rows are those of a data frame.
    """
    if not table.files:
        raise ArgumentError(
            f"test_fraction={fraction:g}: rows of a {table.name} lie with workers, where none are held out; divide the "
            "frame, as randomSplit (Spark) and random_split (Dask) do"
        )
    check_held_out(table.n_rows, table.X.memory)
    ranks = np.argsort(np.argsort(table.classes)).astype(table.codes.dtype)  # a positive class comes last
    is_test = choose_held_out(ranks[table.codes], fraction, seed)
    if not is_test.any():
        raise ArgumentError(f"test_fraction={fraction:g}: is too small to hold out a row of any class")
    train, test = table.only(~is_test), table.only(is_test)
    old, notes = table.encoder, table.notes
    if old is not None and (
        old.missing == "mean" or old.has_terms or any(column.kind != "number" for column in old.columns)
    ):
        parts = [part for part in train.X.parts if isinstance(part, EncodedPart)]
        encoder = learn_from_fewer_frames(old, lambda: (frame for part in parts for frame in part.frames()), table.name)
        train, notes = train.encoded(encoder), notes + only_held_out(old, encoder)
        if without_comparison(old, encoder):
            held_out = (part for part in test.X.parts if isinstance(part, EncodedPart))
            unseen = np.concatenate([encoder.unseen(frame) for part in held_out for frame in part.frames()])
            test, notes = test.only(~unseen), (*notes, left_out(unseen, fraction))
        test = test.encoded(replace(encoder, unknown="zero"))
    return replace(train, notes=notes, test=test, test_fraction=fraction, seed=seed)


def streamed_against_rest(table: StreamedTable, positive: str) -> StreamedTable:
    """Distinguish one label from all others, as `one_against_rest` does.

    Raises:
        ArgumentError: it is not one of the labels.
    """
    labels = [str(label) for label in table.classes.tolist()]
    if positive not in labels:
        raise ArgumentError(f"positive={positive!r}: {table.name} has no such label; it has {listing(labels)}")
    codes = (table.codes == labels.index(positive)).astype(np.int8)
    return replace(table, codes=codes, classes=np.array([f"not {positive}", positive]), positive=positive)


def fit_streamed(
    model: AnyModel,
    table: StreamedTable,
    *,
    command: str | None = None,
    checkpoint: str | PathLike[str] | None = None,
) -> AnyModel:
    """Fit a model to rows that stay in their files, and record what they were; as `fit_source` does
    of rows in memory.

    Args:
        model: the classifier.
        table: as `polytome.open_rows` gave it.
        command: the command line that asks for the fit, for its record.
        checkpoint: a file for the sums of each pass. A fit that was interrupted or killed goes on
            where it ended, when it is begun again with the same file, and ends with the same bits
            as one that was not.

    Raises:
        ArgumentError: the checkpoint is that of other data or settings.
        FileError: it cannot be read or written.
    """
    began = time.perf_counter()
    with ExitStack() as closing:
        if checkpoint is not None:
            journal = closing.enter_context(Journal(checkpoint, _what_decides(model, table)))
            table = replace(table, X=replace(table.X, journal=journal))
        model.fit(table, None)
        seconds = time.perf_counter() - began
        with numbered_weights(model, table.encoder):
            training = record_streamed_training(model, table, command=command, seconds=seconds)
    held_out = None
    if table.test is not None:
        held_out = HeldOut(table.test, None, f"rows of {table.name} that were held out")
    model.source_ = FittedSource(encoder=table.encoder, positive=table.positive, training=training, held_out=held_out)
    return model


def _what_decides(model: Model, table: StreamedTable) -> dict[str, Any]:
    """What the sums of passes depend on, by names that a message can use."""
    settings = {name: value for name, value in vars(model).items() if name in model.get_params(deep=False)}
    encoder = None if table.encoder is None else table.encoder.to_json()
    codes = hashlib.sha256(np.ascontiguousarray(table.codes).data.cast("B")).hexdigest()
    return {
        "files": [[str(file.path), file.size, file.modified] for file in table.files],
        "values": [getattr(part, "checksum", None) for part in table.X.parts],  # those that lie with workers have one
        "columns": hashlib.sha256(json.dumps(encoder).encode()).hexdigest(),
        "rows": [table.n_rows, codes, table.test_fraction, table.seed],
        "classes": [str(label) for label in table.classes.tolist()],
        "model": type(model).__name__,
        **{name: repr(value) for name, value in settings.items() if name not in _CHANGE_NO_BIT},
        "versions": [__version__, np.__version__],
    }


def is_long(source: str) -> bool:
    """Whether a file is so long that its predictions are made and written piece by piece, though it
    fits into memory."""
    if is_dataset(source) or part_of(source) or not exists(source) or not located(source).is_file():
        return False
    kind = None if is_images(source) else stream_kind(Path(source))
    return kind is not None and _bytes_in_memory(located(source), kind, None) > _LONG_BYTES


def named(source: Sequence[str]) -> str:
    """What messages call several files: the first, and how many more.

    Example:
        >>> named(["a.csv"]), named(["a.csv", "b.csv", "c.csv"])
        ('a.csv', 'a.csv and 2 more')
    """
    return source[0] + (f" and {len(source) - 1:,} more" if len(source) > 1 else "")
