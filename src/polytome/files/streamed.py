"""Tables that are trained on without being read into memory: which they are, and a fit to one with
its record."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from polytome.errors import ArgumentError, FileError
from polytome.files.atomic_files import atomic_output
from polytome.files.image_folders import is_images
from polytome.files.predictions import predict_rows
from polytome.files.sources import encoder_of, is_dataset
from polytome.files.training_record import record_streamed_training
from polytome.models.fitted_source import FittedSource
from polytome.models.model import Model
from polytome.models.penalty_weights import numbered_weights
from polytome.solvers.memory import memory_left
from polytome.tables.readers.columnar import VALUE_BYTES
from polytome.tables.readers.idx import IDX_FILES, find_idx
from polytome.tables.readers.opening import InputFile, exists, is_folder, kind_of_bytes
from polytome.tables.streams.memory import bytes_of
from polytome.tables.streams.opening import open_parts
from polytome.tables.streams.parquet import ParquetFile
from polytome.tables.streams.places import is_several
from polytome.tables.streams.table import StreamedTable
from polytome.tables.table import encode_rows

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

AnyModel = TypeVar("AnyModel", bound=Model)

__all__ = ["fit_streamed", "predict_streamed", "why_predicted_piecewise", "why_streamed"]

_BY_WORKERS = "by workers"
_READINGS = 3  # as a table, as cells and as features


def why_streamed(
    source: str | PathLike[str], memory: str | float | None = None, workers: str | None = None
) -> str | None:
    """Why a source is read piece by piece: it is several files, needs more memory than there is, or
    is for workers; None if it is not.

    Args:
        source: a path, a folder or a pattern.
        memory: what may be taken, such as "2GB"; None for what is free.
        workers: who makes the passes; None for this process.

    Raises:
        ArgumentError: the memory is limited, or there are workers, and the source is no Parquet
            file.
        FileError: a Parquet file is damaged.
    """
    limit, name = bytes_of(memory), str(source)
    if is_several(name) and not (is_images(name) or find_idx(Path(name), IDX_FILES[0])):
        return "several files" if workers is None else _BY_WORKERS
    is_file = exists(name) and not is_folder(name)
    if not (is_file and Path(name).is_file() and _is_parquet(name)):
        if limit is not None:
            raise ArgumentError(
                f"memory={memory!r}: {name} is no Parquet file, and only those are read piece by piece; leave the "
                "option out, or write the table as Parquet"
            )
        if workers is not None:
            raise ArgumentError(
                f"workers={workers!r}: {name} is no Parquet file, and workers read only those; leave the option out, "
                "or write the table as Parquet"
            )
        return None
    if workers is not None:
        return _BY_WORKERS
    file = ParquetFile.of(Path(name))
    needed = sum(file.groups) * len(file.kinds) * VALUE_BYTES * _READINGS
    left = memory_left(limit)
    if left is None or needed <= left:
        return None
    return f"in memory it would take {needed / 1e9:,.2g} GB, and {left / 1e9:,.2g} GB are left"


def why_predicted_piecewise(sources: Sequence[str]) -> str | None:
    """Why rows to be predicted are read piece by piece: they are several Parquet files, or need too
    much memory."""
    if len(sources) == 1:
        return None if is_dataset(sources[0]) else why_streamed(sources[0])
    alike = all(is_several(name) or (Path(name).is_file() and _is_parquet(name)) for name in sources)
    return "several files" if alike and not any(map(is_images, sources)) else None


def _is_parquet(name: str) -> bool:
    return kind_of_bytes(InputFile(Path(name)).starts_with()) == "Parquet"


def fit_streamed(model: AnyModel, table: StreamedTable, *, command: str | None = None) -> AnyModel:
    """Fit a model to rows that stay in their files, and record what they were; as `fit_source` does
    of rows in memory.

    Args:
        model: the classifier.
        table: as `polytome.open_rows` gave it.
        command: the command line that asks for the fit, for its record.
    """
    began = time.perf_counter()
    model.fit(table, None)
    seconds = time.perf_counter() - began
    with numbered_weights(model, table.encoder):
        training = record_streamed_training(model, table, command=command, seconds=seconds)
    model.source_ = FittedSource(encoder=table.encoder, training=training)
    return model


def predict_streamed(
    model: Fitted,
    source: str | Sequence[str],
    out: str | PathLike[str],
    *,
    probabilities: bool = True,
    missing: str | None = None,
    unknown: str | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[int, dict[Any, int]]:
    """Predict rows of Parquet files piece by piece into a Parquet file, written whole or not at
    all.

    Args:
        model: a fitted model.
        source: a file, a folder, a pattern, or several of these.
        out: the file to write: the columns of `Predictions`.
        probabilities: whether they are wanted.
        missing: as for `read_table`; rows are not dropped.
        unknown: as for `read_table`.
        progress: called with the rows predicted so far, and their number.

    Returns:
        How many rows there are, and how many were put into each class.

    Raises:
        ArgumentError: rows are to be dropped.
        DataError: the rows do not suit the model.
        FileError: a file is missing or damaged, or lacks a column; or the other cannot be written.
        MissingExtraError: pyarrow is not installed.
    """
    if missing == "drop":
        raise ArgumentError("missing='drop': rows that are read piece by piece all get a prediction; leave it out")
    encoder = replace(encoder_of(model), target=None)
    parts = open_parts(source, encoder)
    if not parts:
        raise FileError(f"{source}: has no rows; there is nothing to predict")
    from pyarrow import parquet

    n_rows, done, counts, writer = sum(part.n_rows for part in parts), 0, Counter[Any](), None
    with atomic_output(out) as stream, ExitStack() as closing:
        for frame in (frame for part in parts for frame in part.frames()):
            found = predict_rows(model, encode_rows(frame, encoder, missing, unknown).X, probabilities=probabilities)
            table = found.to_table()
            writer = writer or closing.enter_context(parquet.ParquetWriter(stream, table.schema))
            writer.write_table(table)
            counts.update(found.counts())
            done += frame.n_rows
            if progress is not None:
                progress(done, n_rows)
    return done, dict(sorted(counts.items()))
