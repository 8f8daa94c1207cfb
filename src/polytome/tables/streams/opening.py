"""Open rows that do not fit into memory: look at the files, read them once to learn an encoder, and
hand out parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polytome import native
from polytome.errors import ArgumentError, DataError, FileError
from polytome.plain.names import suggested
from polytome.rows import Stream
from polytome.rows.dask import as_workers
from polytome.tables.date_columns import names_with_parts, with_parts
from polytome.tables.encoder import MISSING_MARKS, MISSING_RULES, UNKNOWN_RULES, Encoder
from polytome.tables.frames import Frame, listing
from polytome.tables.named_columns import (
    find_column,
    find_columns,
    find_ids,
    find_texts,
    find_weight,
    learn_dates,
    name_written_numbers,
    note_positions,
)
from polytome.tables.number_formats import ALL_COLUMNS, with_written_numbers, written_numbers_of
from polytome.tables.readers.whereabouts import located, shown_name
from polytome.tables.schemas import refuse_equal_names
from polytome.tables.streams.arrays import ARRAYS, array_files, array_pieces, open_arrays
from polytome.tables.streams.each_row import chosen_of, composed
from polytome.tables.streams.frames import opener_of
from polytome.tables.streams.kinds import TableFile, TablePart, check_header, common_kind, table_files
from polytome.tables.streams.learning import Learner, learn_from_fewer_frames
from polytome.tables.streams.memory import bytes_of, check_memory
from polytome.tables.streams.places import files_of
from polytome.tables.streams.table import StreamedTable
from polytome.tables.streams.text import TextFile
from polytome.tables.table import check_min_level_count, given_names, keeping, names_expected
from polytome.tables.term_columns import with_term_columns
from polytome.tables.terms import Terms
from polytome.tables.text_columns import TextOptions
from polytome.tables.weight_columns import check_some_weight

__all__ = ["EncodedPart", "Pieces", "open_pieces", "open_rows"]

_PIECE_VALUES = 2**20
_MOST_PIECE_ROWS = 2**16
_MOST_PIECE_TEXTS = 2**11
_BYTES_OF_TEXTS = 2**26  # of a piece: as they are, as tokens, and counted


@dataclass(frozen=True)
class EncodedPart:
    """Some rows of a table as numbers.

    Attributes:
        part: the rows as they are in their file.
        encoder: how they become numbers.
        n_rows: how many of them are used.
        used: which of them are, eight to a byte; None for all.
    """

    part: TablePart
    encoder: Encoder
    n_rows: int
    used: NDArray[np.uint8] | None = None

    def __str__(self) -> str:
        return str(self.part)

    def only(self, chosen: NDArray[np.bool_]) -> EncodedPart:
        """The part with some of the rows that it has now."""
        used = composed(self.used, self.part.n_rows, chosen)
        return replace(self, n_rows=int(chosen.sum()), used=used)

    def frames(self) -> Iterator[Frame]:
        """The rows as a table, piece by piece."""
        row = 0
        used = chosen_of(self.used, self.part.n_rows)
        for frame in self.part.frames():
            own, row = slice(row, row + frame.n_rows), row + frame.n_rows
            yield frame if used is None else frame.take(used[own])

    def read(self) -> Iterator[Any]:
        """The encoded rows piece by piece."""
        for frame in self.frames():
            yield self.encoder.encode(frame, native.Room.of_thread())


def open_rows(
    source: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    target: str | None = None,
    missing: str | None = None,
    unknown: str | None = None,
    header: str = "auto",
    drop: Sequence[str] = (),
    categories: Sequence[str] = (),
    marks: Sequence[str] | None = None,
    weight: str | None = None,
    dates: Mapping[str, str | Sequence[str]] | None = None,
    references: Mapping[str, str] | None = None,
    numbers: Mapping[str, str] | str | None = None,
    ids: Sequence[str] = (),
    names: Sequence[str] = (),
    min_level_count: int = 1,
    text: Sequence[str] = (),
    text_options: TextOptions | None = None,
    terms: Terms | None = None,
    memory: str | float | None = None,
    workers: Any = None,
    progress: Callable[[int, int], object] | None = None,
) -> StreamedTable:
    """Open files that do not fit into memory, to fit a model to all of their rows.

    The files are read once to learn what their columns are and which labels there are, and then
    once for each pass of a fit, a piece at a time. Coefficients and certificate are those of a fit
    in memory. The files must stay as they are until the fit ends: each opening checks their size
    and time.

    Args:
        source: a file, a folder, a pattern such as `"logs/2026-*/*.parquet"`, or a sequence of
            these: Parquet, Arrow (Feather), CSV and other text tables, libsvm text or `.npy`. All
            files are of one kind, and have the columns of the first. Or a data frame of Dask or
            Spark.
        target: where the labels are; see `read_table`. Text of libsvm has them in a fixed place.
        missing: what to do with a missing cell; see `read_table`.
        unknown: what a model does later with a level that training never saw; see `read_table`.
        header: "yes", "no" or "auto": whether the first line of a text table holds names.
        drop: columns to leave out.
        categories: columns to read as text, even if they look like numbers.
        marks: words that mark a missing cell; see `read_table`.
        weight: a column of numbers by which the rows are weighted: 2 equals the row twice, 0 its
            absence. The weights are kept in memory, eight bytes for each row.
        dates: for columns of dates the parts of which each becomes a column; see `read_table`. For
            an age the files are read once more.
        references: for a column of categories the level that gets no feature; see `read_table`.
        numbers: for columns an example of how their numbers are written; see `read_table`.
        ids: columns that are no features, and that predictions keep; see `read_table`.
        names: of the columns of text tables without a header line.
        min_level_count: in how many rows a level must occur; see `read_table`.
        text: columns of text of which the terms are counted; see `read_table`. At most a million
            different terms of a column are kept, unless they are hashed.
        text_options: how; None for `TextOptions()`.
        terms: columns that are made of others; see `terms_of`. Where knots are quantiles, and for
            pairs of levels, the files are read once more, and the columns are kept meanwhile.
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
    for name, value, allowed in (
        ("missing", missing, (None, *MISSING_RULES)),
        ("unknown", unknown, (None, *UNKNOWN_RULES)),
        ("header", header, ("auto", "yes", "no")),
    ):
        if value not in allowed:
            raise ArgumentError(f"{name}={value!r}: choose one of {', '.join(filter(None, allowed))}")
    check_min_level_count(min_level_count)
    limit = bytes_of(memory)
    if text_options is not None and not text:
        raise ArgumentError("options of texts are given, and no column of text; name it with --text")
    if (opened := opener_of(source)) is not None:
        if target is None:
            raise ArgumentError("target=None: a data frame of a cluster needs the name of its column of labels")
        if dates:
            raise ArgumentError("dates: of a data frame of a cluster no parts are made; make columns of them there")
        if numbers or ids or names or min_level_count != 1:
            raise ArgumentError(
                "numbers, ids, names and min_level_count are for tables in files and in memory; bring the columns of a "
                "data frame of a cluster into form there"
            )
        if terms is not None:
            raise ArgumentError(
                "crosses, splines and powers: of a data frame of a cluster none are made; make columns of them there"
            )
        if text:
            raise ArgumentError(
                "text: of a data frame of a cluster no terms are counted; write it to Parquet files, and open these"
            )
        rules: dict[str, Any] = {"missing": missing or "error", "unknown": unknown or "error", "marks": marks or ()}
        rules |= {"weight": weight, "references": references}
        return opened(source, target, workers, limit, drop=drop, categories=categories, **rules)
    paths = files_of(source)
    if workers is not None:
        workers, paths = as_workers(workers), tuple(located(path).absolute() for path in paths)
    kind = common_kind(paths)
    name = shown_name(located(paths[0])) + (f" and {len(paths) - 1:,} more" if len(paths) > 1 else "")
    check_header(header, kind, paths[0])
    if kind in ARRAYS:
        options = drop or marks or categories or weight or dates or references or text or terms
        if options or missing in ("drop", "mean") or unknown == "zero":
            raise ArgumentError(
                f"{name}: drop, categories, dates, references, marks, weight, text, missing and unknown need named "
                "columns; this has none"
            )
        return open_arrays(name, array_files(paths, kind, target), _piece_rows, limit, progress, workers)
    missing, unknown = missing or "error", unknown or "error"
    if every := next((each for each in written_numbers_of(numbers or {}) if each.name == ALL_COLUMNS), None):
        raise ArgumentError(
            f"numbers={every.example!r}: rows that are read piece by piece need the columns that are written so; name "
            f"each, as COLUMN={every.example}"
        )
    if names and (kind != "delimited" or header == "yes"):
        raise ArgumentError(f"names={listing(names, 3)}: {name} has names of its own; leave one of them out")
    files = table_files(paths, kind, "no" if names else header, names_expected(target))
    if names:
        files = [_renamed(file, names) for file in files]
    notes: list[str] = list(files[0].notes)
    layout = names
    names, target, forced, weight, kept, texts = _chosen_columns(
        files[0], target, drop, categories, weight, ids, text, notes
    )
    read = [*names, target, *([] if weight is None else [weight])]
    _check_alike(files, read, notes)
    piece_rows = min(_piece_rows(len(names) + 1), _MOST_PIECE_TEXTS) if texts else _piece_rows(len(names) + 1)
    parts = [part for file in files for part in file.parts(read, piece_rows)]
    n_rows = sum(part.n_rows for part in parts)
    if not n_rows:
        raise FileError(f"{name}: has 0 rows and {len(read)} columns; there is nothing to read")
    held_bytes = max(file.held_bytes for file in files) + (_BYTES_OF_TEXTS if texts else 0)
    held_bytes += 8 * n_rows * (0 if terms is None else terms.n_kept)
    check_memory(n_rows, piece_rows, len(read), held_bytes, limit, is_weighted=weight is not None)
    given = tuple(marks) if marks is not None else MISSING_MARKS if kind == "delimited" else ()
    rules = {"missing": missing, "unknown": unknown, "forced": forced, "marks": given, "weight": weight}
    rules |= {"references": references, "min_level_count": min_level_count}
    rules |= {"texts": texts, "text_options": text_options}
    header_frame, others = Frame(tuple(files[0].names), (), name), {*files[0].names} - {*names} | forced | texts
    taken = {target: "target", **dict.fromkeys(forced, "categories"), **dict.fromkeys(kept, "id")}
    written = name_written_numbers(header_frame, numbers or {}, taken)
    dated = learn_dates(header_frame, lambda: _frames(parts), dates or {}, others, given)
    rules["forced"] = {*forced, *(part for each in dated for part in each.categories)}
    learner = Learner(name, names_with_parts(names, dated), target, **rules)
    counted: list[TablePart] = []
    for part in parts:
        before = learner.n_rows
        for frame in part.frames():
            learner.see(with_parts(with_written_numbers(frame, written, given), dated, given))
            if progress is not None:
                progress(learner.n_rows, max(n_rows, learner.n_rows))
        counted.append(part.checked(learner.n_rows - before, names))
    encoder, more = learner.learned()
    has_gaps = learner.has_gaps()
    encoder = replace(encoder, dates=dated, numbers=written, ids=tuple(kept), layout=tuple(layout))
    classes, codes = learner.labelled(encoder.label_kind)
    encoded, weights = [EncodedPart(part, encoder, part.n_rows) for part in counted if part.n_rows], learner.weighed()
    if missing == "drop" and has_gaps:
        encoded, codes, weights, note = _without_incomplete(name, encoded, codes, weights)
        more = (*more, note)
        if texts:  # terms of rows that are left out are no terms of training
            encoder = learn_from_fewer_frames(encoder, partial(_frames, encoded), name)
            encoded = [replace(part, encoder=encoder) for part in encoded]
    if terms is not None:
        encoder = with_term_columns(encoder, partial(_frames, encoded), name, terms)
        refuse_equal_names(name, encoder)
        encoded = [replace(part, encoder=encoder) for part in encoded]
    if weights is not None:
        check_some_weight(weights, name, str(weight))
    width = len(encoder.feature_names)
    entries = len(codes) * (len(encoder.columns) - len(texts) if encoder.is_sparse else width) + learner.text_entries
    X = Stream(
        tuple(encoded), width, piece_rows, encoder.is_sparse, entries, np.dtype(np.float64), limit, workers=workers
    )
    seen = tuple(file.file for file in files)
    return StreamedTable(name, X, codes, classes, encoder, seen, (*notes, *more), weight=weights)


def _renamed(file: TableFile, names: Sequence[str]) -> TableFile:
    """A text table without a header line, with names that were given."""
    assert isinstance(file, TextFile)
    return replace(file, names=given_names(names, len(file.names), str(file.file)), headed=True)


def _frames(parts: Sequence[TablePart | EncodedPart]) -> Iterator[Frame]:
    """All rows, piece by piece."""
    for part in parts:
        yield from part.frames()


class Pieces(NamedTuple):
    """The rows of files for a model, piece by piece: of tables, or of files of numbers; one of both
    has no pieces."""

    n_rows: int
    """About how many there are."""
    encoder: Encoder
    """That of the model, which knows the columns that are kept beside predictions."""
    frames: Iterator[Frame]
    """Tables with the columns of the encoder."""
    arrays: Iterator[tuple[Any, NDArray[Any] | None]]
    """Features and labels."""
    notes: tuple[str, ...] = ()
    """What a user should know about how tables are read."""


def open_pieces(
    source: Sequence[str | PathLike[str]],
    encoder: Encoder,
    target: str | None = None,
    header: str = "auto",
    ids: Sequence[str] = (),
) -> Pieces:
    """The rows of files for a model piece by piece.

    Args:
        source: files, folders, patterns.
        encoder: of the model.
        target: where the labels of `.npy` files are.
        header: as for `open_rows`.
        ids: columns that are kept beside predictions, in place of those of training.

    Raises:
        ArgumentError: an option means nothing for these files, or there is no such column.
        FileError: a file is missing or damaged, or lacks one of the columns.
        DataError: there is too little memory.
        MissingExtraError: pyarrow is not installed.
    """
    paths = files_of(source)
    kind = common_kind(paths)
    check_header(header, kind, paths[0])
    if kind in ARRAYS:
        if ids:
            raise ArgumentError(f"id={ids[0]!r}: {paths[0]} has no named columns; leave the option out")
        n_rows, pieces = array_pieces(paths, kind, len(encoder.feature_names), _piece_rows, target)
        return Pieces(n_rows, encoder, iter(()), pieces)
    if target not in (None, encoder.target):
        raise ArgumentError(f"target={target!r}: is for training; the model knows its columns")
    names = list(encoder.source_names)
    files = table_files(paths, kind, header, set(names))
    if ids:
        known = files[0].names if files[0].headed else encoder.layout or encoder.source_names
        encoder = keeping(encoder, ids, known, str(files[0].file))
    more = (encoder.target, encoder.weight, *encoder.ids)
    labelled = list(dict.fromkeys([*names, *(name for name in more if name is not None)]))
    parts: list[TablePart] = []
    piece_rows = _piece_rows(len(labelled))
    check_memory(0, piece_rows, len(labelled), max(file.held_bytes for file in files), None)
    for file in files:
        wanted = [*names, *(encoder.ids if ids else ())]
        lacking = [name for name in wanted if name not in file.names] if file.headed else []
        if lacking:
            raise FileError(
                f"{file.file}: lacks the column {suggested(lacking[0], file.names)}; found "
                f"{listing(list(file.names))}; name the columns as in training"
            )
        # Without a header line the encoder finds columns by their places.
        chosen = [name for name in labelled if name in file.names] if file.headed else file.names
        parts += file.parts(chosen, piece_rows)
    frames = (frame for part in parts for frame in part.frames())
    notes = () if encoder.layout and not files[0].headed else files[0].notes  # which say that there are no names
    return Pieces(sum(part.n_rows for part in parts), encoder, frames, iter(()), notes)


def _piece_rows(n_columns: int) -> int:
    """How many rows of so many columns make a piece."""
    return max(1, min(_PIECE_VALUES // n_columns, _MOST_PIECE_ROWS))


def _chosen_columns(
    file: TableFile,
    target: str | None,
    drop: Sequence[str],
    categories: Sequence[str],
    weight: str | None,
    ids: Sequence[str],
    text: Sequence[str],
    notes: list[str],
) -> tuple[list[str], str, set[str], str | None, list[str], set[str]]:
    """The feature columns, the target, the columns to read as categories, that of weights, those
    that are kept, and those of text, as `learn_encoder` finds them."""
    if target is None:
        raise ArgumentError(
            f"{file.file}: say which column holds the labels with --target NAME (or target=NAME); its columns are "
            f"{listing(file.names)}"
        )
    header = Frame(file.names, (), str(file.file))
    note_positions(
        header.names, [target, *drop, *categories, *text, *ids, *([] if weight is None else [weight])], notes
    )
    target = find_column(header, target, "target")
    dropped = set(find_columns(header, drop, "drop", keep=(target, str(weight))))
    forced = set(find_columns(header, categories, "categories", keep=(target, str(weight))))
    weight = find_weight(header, weight, target, {*dropped, *forced})
    kept = find_ids(header, ids, {target: "target", **dict.fromkeys(forced, "categories"), str(weight): "weight"})
    dropped.update(kept)
    texts = find_texts(header, text, {target: "target", **dict.fromkeys(dropped, "drop")}, forced, weight)
    index = [name for name in file.index if name not in {target, weight, *dropped, *forced, *texts}]
    names = [name for name in header.names if name not in {target, weight, *dropped, *index}]
    if not names:
        raise DataError(f"{header.source}: has no column besides the target {target!r}; there is nothing to learn from")
    notes += [
        f"column {name!r} is taken to be the index that pandas wrote and left out; to learn from it give it a name, or "
        "use reset_index() in pandas"
        for name in index
    ]
    return names, target, forced, weight, kept, texts


def _check_alike(files: Sequence[TableFile], names: Sequence[str], notes: list[str]) -> None:
    """Refuse a file without one of the columns, or with another kind of values in it than the files
    before."""
    known: dict[str, TableFile] = {}
    more: dict[str, TableFile] = {}
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
    name: str, parts: Sequence[EncodedPart], codes: NDArray[Any], weights: NDArray[np.float64] | None
) -> tuple[list[EncodedPart], NDArray[Any], NDArray[np.float64] | None, str]:
    """The parts, codes and weights of the rows that lack no cell: one more reading."""
    found, row = [], 0
    chosen = codes >= 0
    if weights is not None:
        chosen &= ~np.isnan(weights)
    for part in parts:
        first = row
        for frame in part.frames():
            chosen[row : row + frame.n_rows] &= ~part.encoder.incomplete(frame)
            row += frame.n_rows
        found.append(part.only(chosen[first:row]))
    if not chosen.any():
        raise DataError(f"{name}: every row has a missing cell; use --missing mean, or leave columns out")
    note = f"{int((~chosen).sum())} of {len(chosen)} rows have a missing cell and are left out"
    weights = None if weights is None else weights[chosen]
    return [part for part in found if part.n_rows], codes[chosen], weights, note
