"""Tables that are trained on without being read into memory: which they are, and a fit to one with its record."""

from __future__ import annotations

import time
from os import PathLike
from pathlib import Path
from typing import TypeVar

from polytome.errors import ArgumentError
from polytome.files.image_folders import is_images
from polytome.files.training_record import record_streamed_training
from polytome.models.fitted_source import FittedSource
from polytome.models.model import Model
from polytome.solvers.memory import memory_left
from polytome.tables.readers.columnar import VALUE_BYTES
from polytome.tables.readers.idx import IDX_FILES, find_idx
from polytome.tables.readers.opening import InputFile, exists, is_folder, kind_of_bytes
from polytome.tables.streams.memory import bytes_of
from polytome.tables.streams.parquet import ParquetFile
from polytome.tables.streams.places import is_several
from polytome.tables.streams.table import StreamedTable

AnyModel = TypeVar("AnyModel", bound=Model)

__all__ = ["fit_streamed", "why_streamed"]

_READINGS = 3  # as a table, as cells and as features


def why_streamed(source: str | PathLike[str], memory: str | float | None = None) -> str | None:
    """Why a source is read piece by piece: it is several files, or needs more memory than there is; None if it is not.

    Args:
        source: a path, a folder or a pattern.
        memory: what may be taken, such as "2GB"; None for what is free.

    Raises:
        ArgumentError: the memory is limited, and the source is no Parquet file.
        FileError: a Parquet file is damaged.
    """
    limit, name = bytes_of(memory), str(source)
    if is_several(name) and not (is_images(name) or find_idx(Path(name), IDX_FILES[0])):
        return "several files"
    is_file = exists(name) and not is_folder(name)
    if not (is_file and Path(name).is_file() and _is_parquet(name)):
        if limit is not None:
            raise ArgumentError(
                f"memory={memory!r}: {name} is no Parquet file, and only those are read piece by piece; leave the "
                "option out, or write the table as Parquet"
            )
        return None
    file = ParquetFile.of(Path(name))
    needed = sum(file.groups) * len(file.kinds) * VALUE_BYTES * _READINGS
    left = memory_left(limit)
    if left is None or needed <= left:
        return None
    return f"in memory it would take {needed / 1e9:,.2g} GB, and {left / 1e9:,.2g} GB are left"


def _is_parquet(name: str) -> bool:
    return kind_of_bytes(InputFile(Path(name)).starts_with()) == "Parquet"


def fit_streamed(model: AnyModel, table: StreamedTable, *, command: str | None = None) -> AnyModel:
    """Fit a model to rows that stay in their files, and record what they were; as `fit_source` does of rows in memory.

    Args:
        model: the classifier.
        table: as `polytome.open_rows` gave it.
        command: the command line that asks for the fit, for its record.
    """
    began = time.perf_counter()
    model.fit(table, None)
    seconds = time.perf_counter() - began
    training = record_streamed_training(model, table, command=command, seconds=seconds)
    model.source_ = FittedSource(encoder=table.encoder, training=training)
    return model
