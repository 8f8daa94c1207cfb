"""Open rows that do not fit into memory: look at the files, read them once to learn an encoder, and
hand out parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError, FileError
from polytome.rows import Stream
from polytome.rows.dask import as_workers
from polytome.tables.encoder import MISSING_RULES, UNKNOWN_RULES, Encoder
from polytome.tables.frames import Frame, listing
from polytome.tables.schemas import find_column, note_positions
from polytome.tables.streams.frames import opener_of
from polytome.tables.streams.learning import Learner
from polytome.tables.streams.memory import bytes_of, check_memory
from polytome.tables.streams.parquet import ParquetFile, ParquetPart
from polytome.tables.streams.places import files_of
from polytome.tables.streams.table import StreamedTable

__all__ = ["EncodedPart", "open_parts", "open_rows"]

_PIECE_VALUES = 2**20
_MOST_PIECE_ROWS = 2**16


@dataclass(frozen=True)
class EncodedPart:
    """Some rows of a table as numbers.

    Attributes:
        part: the rows as they are in their file.
        encoder: how they become numbers.
        n_rows: how many of them are used.
        used: which of them are, eight to a byte; None for all.
    """

    part: ParquetPart
    encoder: Encoder
    n_rows: int
    used: NDArray[np.uint8] | None = None

    def __str__(self) -> str:
        return str(self.part)

    def read(self) -> Iterator[Any]:
        """The encoded rows piece by piece."""
        row = 0
        used = None if self.used is None else np.unpackbits(self.used, count=self.part.n_rows).astype(np.bool_)
        for frame in self.part.frames():
            own, row = slice(row, row + frame.n_rows), row + frame.n_rows
            yield self.encoder.encode(frame if used is None else frame.take(used[own]))


def open_rows(
    source: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    target: str,
    missing: str = "error",
    unknown: str = "error",
    drop: Sequence[str] = (),
    categories: Sequence[str] = (),
    marks: Sequence[str] = (),
    memory: str | float | None = None,
    workers: Any = None,
    progress: Callable[[int, int], object] | None = None,
) -> StreamedTable:
    """Open Parquet files that do not fit into memory, to fit a model to all of their rows.

    The files are read once to learn what their columns are and which labels there are, and then
    once for each pass of a fit, a piece at a time. Coefficients and certificate are those of a fit
    in memory. The files must stay as they are until the fit ends: each opening checks their size
    and time.

    Args:
        source: a file, a folder, a pattern such as `"logs/2026-*/*.parquet"`, or a sequence of
            these. All files have the columns of the first. Or a data frame of Dask or Spark.
        target: the column of labels: a name, "last", or a position from 1.
        missing: what to do with a missing cell; see `read_table`.
        unknown: what a model does later with a level that training never saw; see `read_table`.
        drop: columns to leave out.
        categories: columns to read as text, even if they look like numbers.
        marks: words that mark a missing cell.
        memory: what the fit may take, such as "2GB", or a number of bytes; None for what is free.
        workers: who makes the passes of a fit: a `distributed.Client` of Dask, whose workers read
            the files under the same paths, or `polytome.rows.dask.DaskWorkers`; None for this
            process. Coefficients are the same bits.
        progress: called with the rows read so far, and their number, during the first reading.

    Raises:
        ArgumentError: an option cannot be used, or names no column.
        ClusterError: there is no worker, or one lacks this version of Polytome.
        DataError: what the files hold cannot be used, or there is too little memory.
        FileError: a file is missing or damaged, is changed meanwhile, or has other columns than the
            first.
        MissingExtraError: pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import pyarrow
        >>> from pyarrow import parquet
        >>> from polytome import LogisticRegression
        >>> folder = tempfile.TemporaryDirectory()
        >>> table = pyarrow.table({"age": [25, 31, 42, 57], "hue": list("abab"), "y": ["no", "no", "yes", "yes"]})
        >>> parquet.write_table(table, Path(folder.name, "people.parquet"), row_group_size=2)
        >>> rows = open_rows(folder.name, target="y")
        >>> rows.encoder.feature_names, rows.classes.tolist()
        (('age', 'hue=a', 'hue=b'), ['no', 'yes'])
        >>> LogisticRegression().fit(rows).certificate_.holds
        True
        >>> folder.cleanup()
    """
    for name, value, allowed in (("missing", missing, MISSING_RULES), ("unknown", unknown, UNKNOWN_RULES)):
        if value not in allowed:
            raise ArgumentError(f"{name}={value!r}: choose one of {', '.join(allowed)}")
    limit = bytes_of(memory)
    if (opened := opener_of(source)) is not None:
        options = {"missing": missing, "unknown": unknown, "drop": drop, "categories": categories, "marks": marks}
        return opened(source, target, workers, limit, **options)
    paths = files_of(source)
    if workers is not None:
        workers, paths = as_workers(workers), tuple(path.absolute() for path in paths)
    files = [ParquetFile.of(path) for path in paths]
    name = str(paths[0]) + (f" and {len(paths) - 1:,} more" if len(paths) > 1 else "")
    notes: list[str] = []
    names, target, forced = _chosen_columns(files[0], target, drop, categories, notes)
    _check_alike(files, [*names, target], {*forced, target}, notes)
    piece_rows = _piece_rows(len(names) + 1)
    parts = [part for file in files for part in file.parts([*names, target], piece_rows)]
    n_rows = sum(part.n_rows for part in parts)
    if not n_rows:
        raise FileError(f"{name}: has 0 rows and {len(names) + 1} columns; there is nothing to read")
    most_grouped = max(max(file.groups, default=0) for file in files)
    check_memory(n_rows, piece_rows, len(names) + 1, most_grouped, limit)
    learner = Learner(name, names, target, missing=missing, unknown=unknown, forced=forced, marks=marks)
    for part in parts:
        for frame in part.frames():
            learner.see(frame)
            if progress is not None:
                progress(learner.n_rows, n_rows)
    encoder, more = learner.learned()
    classes, codes = learner.labelled(encoder.label_kind)
    encoded = [EncodedPart(part.checked(), encoder, part.n_rows) for part in parts]
    if missing == "drop" and learner.has_gaps():
        encoded, codes, note = _without_incomplete(name, encoded, codes)
        more = (*more, note)
    width = len(encoder.feature_names)
    entries = len(codes) * (len(encoder.columns) if encoder.is_sparse else width)
    X = Stream(tuple(encoded), width, piece_rows, encoder.is_sparse, entries, np.dtype(np.float64), limit, workers)
    n_bytes = sum(file.file.size for file in files)
    return StreamedTable(name, X, codes, classes, encoder, n_bytes, (*notes, *more))


def open_parts(source: str | PathLike[str] | Sequence[str | PathLike[str]], encoder: Encoder) -> list[ParquetPart]:
    """The parts of Parquet files that hold the columns of an encoder, to be read piece by piece.

    Raises:
        FileError: a file is missing or damaged, or lacks one of the columns.
        DataError: there is too little memory.
        MissingExtraError: pyarrow is not installed.
    """
    files = [ParquetFile.of(path) for path in files_of(source)]
    names = [column.name for column in encoder.columns]
    lacking = next(((file, name) for file in files for name in names if name not in file.kinds), None)
    if lacking is not None:
        file, name = lacking
        raise FileError(
            f"{file.file}: lacks the column {name!r}; found {listing(list(file.kinds))}; "
            "name the columns as in training"
        )
    piece_rows = _piece_rows(len(names))
    check_memory(0, piece_rows, len(names), max(max(file.groups, default=0) for file in files), None)
    return [part for file in files for part in file.parts(names, piece_rows)]


def _piece_rows(n_columns: int) -> int:
    """How many rows of so many columns make a piece."""
    return max(1, min(_PIECE_VALUES // n_columns, _MOST_PIECE_ROWS))


def _chosen_columns(
    file: ParquetFile, target: str, drop: Sequence[str], categories: Sequence[str], notes: list[str]
) -> tuple[list[str], str, set[str]]:
    """The feature columns, the target, and the columns to read as text, as `learn_encoder` finds
    them."""
    header = Frame(tuple(file.kinds), (), str(file.file))
    note_positions(header.names, [target, *drop, *categories], notes)
    target = find_column(header, target, "target")
    dropped = {find_column(header, name, "drop") for name in drop}
    forced = {find_column(header, name, "categories") for name in categories}
    index = [name for name in file.index if name not in {target, *dropped, *forced}]
    names = [name for name in header.names if name not in {target, *dropped, *index}]
    if not names:
        raise DataError(f"{header.source}: has no column besides the target {target!r}; there is nothing to learn from")
    notes += [
        f"column {name!r} is taken to be the index that pandas wrote and left out; to learn from it give it a name, or "
        "use reset_index() in pandas"
        for name in index
    ]
    return names, target, forced


def _check_alike(files: Sequence[ParquetFile], names: Sequence[str], forced: set[str], notes: list[str]) -> None:
    """Refuse a file without one of the columns, or with another kind of values in it than the files
    before."""
    known: dict[str, ParquetFile] = {}
    more: dict[str, ParquetFile] = {}
    for file in files:
        lacking = [name for name in names if name not in file.kinds]
        if lacking:
            raise FileError(
                f"{file.file}: lacks the column {listing(lacking)}, which {files[0].file} has; give all files the same "
                "columns"
            )
        more |= {name: file for name in file.kinds if name not in files[0].kinds and name not in more}
        for name in names:
            first, kind = known.get(name), file.kinds[name]
            if first is None:
                if kind != "nothing":
                    known[name] = file
            elif kind not in ("nothing", first.kinds[name]):
                raise FileError(
                    f"{file.file}, column {name!r}: holds {kind}, and in {first.file} it holds {first.kinds[name]}; "
                    "write the column alike in all files"
                )
    if more:
        name, file = next(iter(more.items()))
        notes.append(
            f"{listing(list(more))} is a column of {file.file} and not of {files[0].file}, and left out"
            if len(more) == 1
            else f"{listing(list(more))} are columns of later files and not of {files[0].file}, and left out"
        )


def _without_incomplete(
    name: str, parts: Sequence[EncodedPart], codes: NDArray[Any]
) -> tuple[list[EncodedPart], NDArray[Any], str]:
    """The parts and the codes of the rows that lack no cell: one more reading."""
    found, row = [], 0
    chosen = codes >= 0
    for part in parts:
        first = row
        for frame in part.part.frames():
            chosen[row : row + frame.n_rows] &= ~part.encoder.incomplete(frame)
            row += frame.n_rows
        own = chosen[first:row]
        found.append(replace(part, n_rows=int(own.sum()), used=None if own.all() else np.packbits(own)))
    if not chosen.any():
        raise DataError(f"{name}: every row has a missing cell; use --missing mean, or leave columns out")
    note = f"{int((~chosen).sum())} of {len(chosen)} rows have a missing cell and are left out"
    return [part for part in found if part.n_rows], codes[chosen], note
