"""Read the table a user names, whatever kind of file it is in, as X and y.

| ending | file |
|---|---|
| `.csv` `.tsv` `.tab` | text table |
| `.parquet` `.pq` `.feather` `.arrow` `.ipc` | Parquet, Arrow |
| `.jsonl` `.ndjson` `.json` | JSON Lines, or an array of objects |
| `.xlsx` `.xlsm` `.xlsb` `.xls` `.ods` | a sheet of a workbook: `book.xlsx#Sheet` |
| `.db` `.sqlite` `.sqlite3` | SQLite: `shop.db#table`, or a query: `shop.db#select ...` |
| `.npy` `.npz` | NumPy arrays |
| `.svm` `.libsvm` `.svmlight` | libsvm text |
| `*-idx3-ubyte` or a folder of IDX files | images such as MNIST |
| a folder with a subfolder of text files for each class | texts |
| anything else, such as a pipe, or `-`, the standard input | whatever its first bytes show |

A file may be compressed with gzip, bzip2, xz, zstd or lz4 (`.csv.gz`), or alone in a zip archive
(`.csv.zip`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike, fspath
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError, FileError
from polytome.tables.arrays_of_files import read_arrays
from polytome.tables.data_frames import DATA_FRAME, DataFrame, frame_of, is_data_frame
from polytome.tables.encoder import MISSING_MARKS, MISSING_RULES, UNKNOWN_RULES, Column, Encoder
from polytome.tables.frames import Frame, listing
from polytome.tables.kinds_of_files import WITH_HEADERS, is_named, kind_of_file, read_frame
from polytome.tables.named_columns import NO_HEADER, find_column, find_columns, find_ids
from polytome.tables.readers.addresses import check_no_password, is_address, read_address
from polytome.tables.readers.arrays import Matrix
from polytome.tables.readers.idx import IDX_FILES
from polytome.tables.readers.opening import InputFile
from polytome.tables.readers.text_folders import LABEL_COLUMN, TEXT_COLUMN, read_text_folder
from polytome.tables.reference_levels import refuse_zero
from polytome.tables.schemas import learn_encoder, note_drops
from polytome.tables.terms import Terms
from polytome.tables.text_columns import TextOptions
from polytome.tables.weight_columns import check_some_weight

__all__ = [
    "Column",
    "Encoder",
    "RowOptions",
    "Table",
    "TableOptions",
    "check_min_level_count",
    "encode_rows",
    "given_names",
    "keeping",
    "names_expected",
    "read_table",
]


class RowOptions(TypedDict, total=False):
    """How a table is read, whether to train on it or to predict from it: arguments of
    `read_table`."""

    target: str | None
    missing: str | None
    unknown: str | None
    header: str
    read_limit: float | None
    encoding: str | None
    ids: Sequence[str]


class TableOptions(RowOptions, total=False):
    """How a table to train on is read: arguments of `read_table`."""

    drop: Sequence[str]
    categories: Sequence[str]
    marks: Sequence[str] | None
    weight: str | None
    text: Sequence[str]
    text_options: TextOptions | None
    dates: Mapping[str, str | Sequence[str]] | None
    references: Mapping[str, str] | None
    beside: str | None
    numbers: str | Mapping[str, str] | None
    names: Sequence[str]
    min_level_count: int
    terms: Terms | None


@dataclass(frozen=True)
class Table:
    """What was read from a file.

    Attributes:
        X: `(n, d)` features: float64 from a table of columns; in their own type, maybe
            memory-mapped, from an array; CSR where most are zero.
        y: `(n,)` labels, int64 or `str`; None when the file has none.
        feature_names: `d` names; None when the file has none.
        encoder: how columns became numbers; None for files that hold numbers alone.
        source: the file's name.
        notes: sentences a user should see, such as how many rows were left out.
        kept: `(n_rows of the file,)` which rows are in X; None when all are.
        frame: the columns of the rows in X as they were read; None for files that hold numbers
            alone.
        weight: `(n_rows,)` weights of the rows; None for equal ones.
        beside: the column that is no feature and comes along, for the rows in X.
    """

    X: Matrix
    y: NDArray[Any] | None
    feature_names: tuple[str, ...] | None
    encoder: Encoder | None
    source: str
    notes: tuple[str, ...] = ()
    kept: NDArray[np.bool_] | None = None
    frame: Frame | None = None
    weight: NDArray[np.float64] | None = None
    beside: Frame | None = None


def read_table(
    path: str | PathLike[str] | DataFrame,
    *,
    target: str | None = None,
    encoder: Encoder | None = None,
    missing: str | None = None,
    unknown: str | None = None,
    header: str = "auto",
    n_features: int | None = None,
    drop: Sequence[str] = (),
    categories: Sequence[str] = (),
    marks: Sequence[str] | None = None,
    weight: str | None = None,
    text: Sequence[str] = (),
    text_options: TextOptions | None = None,
    dates: Mapping[str, str | Sequence[str]] | None = None,
    references: Mapping[str, str] | None = None,
    beside: str | None = None,
    numbers: str | Mapping[str, str] | None = None,
    ids: Sequence[str] = (),
    names: Sequence[str] = (),
    min_level_count: int = 1,
    terms: Terms | None = None,
    labels: bool = True,
    read_limit: float | None = None,
    encoding: str | None = None,
) -> Table:
    """Read a file of features and labels, to train on, or to predict from with a model's encoder.

    Args:
        path: the file, or a folder of IDX files; see the list of endings above. `-` is the standard
            input. The address of a database as SQLAlchemy has it, such as
            `postgresql://reader@host/shop#customers`. Or a data frame of pandas, polars or Arrow,
            whose index is no column.
        target: where the labels are. In a table of columns: a name, "last", or a position from 1
            (needed in training). In `.npz`: the array's name. In `.npy`: another `.npy` file,
            "last", or a position.
        encoder: the encoder of a trained model; columns are then matched by name (see
            `Encoder.align`).
        missing: what to do with a missing cell: "error" (the default), "drop" the row, or "mean": a
            number gets its training mean, a category the level "(missing)". With an encoder None
            means as in training, but rows are dropped only if asked for here, so that no prediction
            goes missing unnoticed.
        unknown: what to do with a level that training never saw: "error" (the default) or "zero".
            None as for `missing`.
        header: "yes", "no" or "auto": whether line 1 of a text table, or row 1 of a sheet, holds
            names.
        n_features: the number of features that X must have; a libsvm file may show fewer.
        drop: columns to leave out; by name or position.
        categories: columns to read as text, even if they look like numbers or their texts hardly
            repeat; by name or position.
        marks: words that mark a missing cell in training, besides the empty one; None is "?" in a
            text table and nothing else in a file that has nulls. `MISSING_WORDS` count as missing
            among numbers in any case.
        weight: a column of numbers by which the rows are weighted in training; by name or position.
            A weight of 2 equals the row twice, 0 its absence. With an encoder it knows its own.
        text: columns of text, of which the terms are counted; by name or position.
        text_options: how; None for `TextOptions()`.
        dates: for columns of dates the parts of which each becomes a column, as in
            `{"signup": "year,month,age"}`: year, quarter, month, day, weekday, hour, and the age in
            days, before the latest date in training. Dates are written as 2026-11-30, perhaps with
            a time, or as 31 December among the parts shows, as in `"year,31.12.2026"`. Without
            parts they are refused.
        references: for a column of categories the level that gets no feature, so that without a
            penalty a coefficient compares a level with it, as in `{"education": "HS-grad"}`; of
            the categories that are not named the first level, in sorted order. `{}` names none.
            None: all levels get one, as suits a penalty.
        beside: a column that is no feature and comes along with the rows, as that of groups which
            are not to be divided; by name or position.
        numbers: how numbers are written that have marks, by an example such as "1,234.5",
            "1.234,5", "$12" or "12.5%": for each column, as in `{"price": "1,234.5"}`, or for every
            column of text the cells of which are all written so. 12% is read as 12.
        ids: columns that are no features, and that predictions keep beside them; by name, position
            or pattern. With an encoder in place of those of training.
        names: of the columns of a text table or a sheet without a header line; the model then knows
            them for other such tables.
        min_level_count: in how many rows of training a level of a category must occur. Rarer ones
            count as one level, "(other)", as do levels that training never saw.
        terms: columns that are made of others; see `terms_of`. None for none.
        labels: False to ignore labels, which rows to be predicted do not need.
        read_limit: gigabytes (10^9 bytes) of memory that the file's contents may take, so that
            neither a damaged nor a malicious file takes all of it: a small file can decompress to a
            very large one, and one index makes libsvm text as wide as it says. None: 1.07 (2^30
            bytes), or 100 times the file's size where that is more.
        encoding: of a text table, or of the texts of a folder. None is UTF-8, or UTF-16 where the
            file begins with its mark; texts of a folder that are not are read as Latin-1.

    Returns:
        The table.

    Raises:
        ArgumentError: an option has no meaning for this file, or names something that it does not
            have.
        DataError: what the file holds cannot be used.
        FileError: the file cannot be read, or needs more memory than is allowed.
        MissingExtraError: the file needs a package that is not installed, such as pyarrow.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "people.csv")
        ...     _ = path.write_text("age,colour,income\\n25,red,low\\n31,blue,high\\n")
        ...     table = read_table(path, target="income")
        >>> table.feature_names
        ('age', 'colour=blue', 'colour=red')
        >>> table.X
        array([[25.,  0.,  1.],
               [31.,  1.,  0.]])
        >>> table.y
        array(['low', 'high'], dtype='<U4')
    """
    _check_choice("missing", missing, (None, *MISSING_RULES))
    _check_choice("unknown", unknown, (None, *UNKNOWN_RULES))
    _check_choice("header", header, ("auto", "yes", "no"))
    check_min_level_count(min_level_count)
    file, kind, place = None, "frame", DATA_FRAME
    if is_address(path):
        kind, place = "address", str(path)
        check_no_password(place)
    elif not is_data_frame(path):
        if not isinstance(path, str | PathLike):
            raise ArgumentError(f"path is a {type(path).__name__}: needs a file, or a data frame with named columns")
        file = InputFile(fspath(path), read_limit)
        kind, place = kind_of_file(file), str(file)
    if header != "auto" and kind not in WITH_HEADERS:
        raise ArgumentError(f"header={header!r}: {place} is not a text table; leave the option out")
    if encoding is not None and kind not in ("texts", "delimited"):
        raise ArgumentError(
            f"encoding={encoding!r}: {place} is neither a text table nor a folder of texts; leave the option out"
        )
    if file is None or kind == "texts" or is_named(kind):
        expected = set(encoder.source_names) if encoder else names_expected(target)
        is_text = kind == "delimited"
        if names and (kind not in WITH_HEADERS or header == "yes"):
            what = "has names of its own" if kind not in WITH_HEADERS else "has a line of names with header='yes'"
            raise ArgumentError(f"names={listing(names, 3)}: {place} {what}; leave one of them out")
        if file is None:
            frame = read_address(place, read_limit) if kind == "address" else frame_of(path)
        elif kind == "texts":
            frame = read_text_folder(file.path, encoding, read_limit)
            text, target = ((TEXT_COLUMN,), target or _labels_of(frame)) if encoder is None else (text, target)
        else:
            frame = read_frame(file, kind, "no" if names else header, expected, encoding)
            if names:
                frame = replace(frame, names=given_names(names, len(frame.names), place), headed=True)
                _refuse_names_as_row(frame)
        options: Any = drop or categories or marks or weight or dates or references or text_options
        options = options or numbers or names or min_level_count != 1 or terms
        if encoder is not None and (options or (text and kind != "texts") or target not in (None, encoder.target)):
            raise ArgumentError(
                f"{place}: target, weight, drop, categories, dates, references, numbers, names, marks, text and terms "
                "are for training; the model knows its columns"
            )
        if encoder is None:
            marks = tuple(marks) if marks is not None else MISSING_MARKS if is_text else ()
            rules: dict[str, Any] = {
                "missing": missing or "error",
                "unknown": unknown or "error",
                "drop": drop,
                "weight": weight,
                "dates": dates,
                "references": references,
            }
            rules |= {"categories": categories, "marks": marks, "text": text, "text_options": text_options}
            rules |= {
                "numbers": numbers,
                "ids": ids,
                "layout": names,
                "min_level_count": min_level_count,
                "terms": terms,
            }
            if text_options is not None and not text:
                raise ArgumentError(f"{place}: options of texts are given, and no column of text; name it with --text")
            table = _train(frame, target, rules, beside)
        else:
            if encoder.layout and not frame.headed:
                frame = encoder.named(replace(frame, notes=()))  # which say that there are no names
            encoder = keeping(encoder, ids, frame.names, place) if ids else encoder
            asked = encoder if labels else replace(encoder, target=None)
            table = encode_rows(frame, asked, missing, unknown, beside)
    else:
        if numbers or ids or names or min_level_count != 1 or terms:
            raise ArgumentError(
                f"{place}: numbers, ids, names, min_level_count, crosses, splines and powers need named columns; this "
                "has none"
            )
        options = drop or marks or categories or weight or text or dates or references or beside
        if options or missing in ("drop", "mean") or unknown == "zero":
            raise ArgumentError(
                f"{place}: drop, categories, dates, references, marks, weight, text, missing and unknown need named "
                "columns; this has none"
            )
        if encoder is not None:
            n_features = len(encoder.feature_names)
        X, y, notes = read_arrays(file, kind, target, n_features, labels)
        table = Table(X, y, None, None, place, notes)
    if n_features is not None and table.X.shape[1] != n_features:
        raise DataError(
            f"{place}: has {table.X.shape[1]} features where {n_features} are expected; is it the right file?"
        )
    return table


def check_min_level_count(count: int) -> None:
    """Refuse what is not a number of rows.

    Raises:
        ArgumentError: it is not a whole number of 1 or more.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ArgumentError(f"min_level_count={count!r}: needs a whole number of rows, 1 or more")


def keeping(encoder: Encoder, ids: Sequence[str], names: Sequence[str], source: str) -> Encoder:
    """An encoder that keeps other columns beside predictions.

    Args:
        encoder: of a model.
        ids: their names.
        names: those of the columns of the rows to predict.
        source: what messages call these.

    Raises:
        ArgumentError: there is no such column.
    """
    return replace(encoder, ids=tuple(find_ids(Frame(tuple(names), (), source), ids, {})))


def given_names(names: Sequence[str], n_columns: int, source: str) -> tuple[str, ...]:
    """The names that were given for columns without a header line.

    Raises:
        ArgumentError: there are more or fewer names than columns, one is empty, or one stands
            twice.

    Example:
        >>> given_names(["age", "hue"], 2, "people.csv")
        ('age', 'hue')
    """
    found = tuple(str(name).strip() for name in names)
    if len(found) != n_columns:
        remedy = (
            "give each its name" if len(found) > 1 else "name each, as in a,b,c, or an existing file with the names"
        )
        raise ArgumentError(
            f"names={listing(found, 3)}: are {len(found)}, and {source} has {n_columns} columns; {remedy}"
        )
    if twice := [name for place, name in enumerate(found) if name in found[:place] or not name]:
        raise ArgumentError(
            f"names: {f'{twice[0]!r} stands twice' if twice[0] else 'one is empty'}; give each column its own name"
        )
    return found


def _refuse_names_as_row(frame: Frame) -> None:
    """Refuse a table without a header line whose first row has the names that were given."""
    first = [frame[name].text(0).strip().casefold() == name.casefold() for name in frame.names] if frame.n_rows else []
    if 2 * sum(first) > len(first):
        raise ArgumentError(
            f"{frame.place(0)}: holds the names of the columns, as a header line does; leave names "
            "(--names) out, or remove the line"
        )


def names_expected(target: str | None) -> set[str]:
    """The target if it can only be a name, not a position."""
    return set() if target in (None, "last") or str(target).isdigit() else {str(target)}


def _labels_of(frame: Frame) -> str:
    """The column of labels of a folder of texts."""
    if LABEL_COLUMN not in frame.names:
        raise FileError(
            f"{frame.source}: holds texts without labels, such as {frame.locate(0)}; put those of each class into a "
            f"subfolder named after it (images of IDX files are read from {IDX_FILES[0]} and the like)"
        )
    return LABEL_COLUMN


def _train(frame: Frame, target: str | None, rules: dict[str, Any], beside: str | None) -> Table:
    """Learn an encoder from the frame by the arguments of `learn_encoder`, and apply it."""
    if target is None:
        raise ArgumentError(
            f"{frame.source}: say which column holds the labels with --target NAME (or target=NAME); "
            f"its columns are {listing(frame.names)}{'' if frame.headed else f'; {NO_HEADER}'}"
        )
    whole = frame
    if beside is not None:
        beside = find_column(frame, beside, "group or time")
        if beside == find_column(frame, target, "target"):
            raise ArgumentError(f"{frame.source}: column {beside!r} holds the labels, which cannot divide the rows too")
        wanted = {"weight": [rules["weight"]] if rules["weight"] else [], "date": [*(rules["dates"] or {})]}
        for option, names in {**wanted, "text": rules["text"]}.items():
            if beside in find_columns(frame, names, option, keep=(beside,)):
                raise ArgumentError(
                    f"{option}={beside!r}: the column decides which rows are held out and is not a feature (group or "
                    "time); leave one of them out, or add the column again under another name"
                )
        rules = rules | {"drop": (*rules["drop"], beside)}
    encoder, frame, notes = learn_encoder(frame, target, **rules)
    table = _encoded(frame, encoder, whole.n_rows, notes)
    if beside is not None:
        table = _with_column(table, whole, beside)
    if table.weight is not None:
        check_some_weight(table.weight, frame.source, str(encoder.weight))
    return table


def encode_rows(
    frame: Frame, encoder: Encoder, missing: str | None, unknown: str | None, beside: str | None = None
) -> Table:
    """Apply a model's encoder to rows.

    Args:
        frame: the rows.
        encoder: of the model; without its target, labels are ignored, and without its weight,
            weights are.
        missing: as for `read_table`.
        unknown: as for `read_table`.
        beside: a column that comes along with the rows, if it is there.

    Raises:
        ArgumentError: there are no means.
        DataError: a column or a cell is missing, or cannot be used.
    """
    if missing == "mean" and encoder.missing != "mean":
        raise ArgumentError(
            f"missing='mean': the model was trained with missing={encoder.missing!r} and has no means; "
            "use 'drop', or train it again with missing='mean'"
        )
    refuse_zero(encoder, unknown)
    if missing == "error":
        encoder = replace(encoder, columns=tuple(replace(column, fill=None) for column in encoder.columns))
    encoder = replace(encoder, unknown=unknown or encoder.unknown)
    notes, whole = [*frame.notes], frame
    frame, n_rows = encoder.align(frame), frame.n_rows
    if missing == "drop":
        keep = ~encoder.incomplete(frame)
        frame = frame.take(keep)
        note_drops(keep, notes)
        if not frame.n_rows:
            raise DataError(f"{frame.source}: every row has a missing cell; fill them in")
    table = _encoded(frame, encoder, n_rows, tuple(notes))
    return table if beside not in whole.names else _with_column(table, whole, beside)


def _with_column(table: Table, whole: Frame, name: str) -> Table:
    """A table with another column of the frame that it was made from."""
    column = whole.select([name])
    return replace(table, beside=column if table.kept is None else column.take(table.kept))


def _encoded(frame: Frame, encoder: Encoder, n_rows: int, notes: tuple[str, ...]) -> Table:
    """Encode a frame of which some rows may have been dropped."""
    kept = None
    if frame.n_rows < n_rows and frame.rows is not None:
        kept = np.zeros(n_rows, dtype=np.bool_)
        kept[frame.rows] = True
    X, y, weight = encoder.encode(frame), encoder.labels(frame), encoder.weights(frame)
    return Table(X, y, encoder.feature_names, encoder, frame.source, notes, kept, frame, weight)


def _check_choice(name: str, value: str | None, allowed: tuple[str | None, ...]) -> None:
    """Refuse a value that is not among the few allowed."""
    if value not in allowed:
        raise ArgumentError(f"{name}={value!r}: choose one of {', '.join(str(choice) for choice in allowed if choice)}")
