"""Cross-validation on a source: folds by a column of its table, and gaps filled inside each
fold."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError
from polytome.files.sources import Source
from polytome.files.training_record import record_training
from polytome.models.cross_validation import LogisticRegressionCV
from polytome.models.fitted_source import FittedSource
from polytome.models.path import RegularizationPath
from polytome.models.penalty_weights import numbered_weights
from polytome.tables.date_columns import DateCells
from polytome.tables.encoder import Encoder
from polytome.tables.frames import Frame
from polytome.tables.kinds_of_files import kind_of_file
from polytome.tables.named_columns import find_column
from polytome.tables.readers.arrow_files import read_columnar
from polytome.tables.readers.delimited import read_delimited
from polytome.tables.readers.opening import InputFile
from polytome.tables.schemas import learn_from_fewer

Array = NDArray[Any]

__all__ = ["column_of_rows", "order_of_times", "path_of_source", "tune_source"]

_TIME = re.compile(r"\d{4}[-/.](\d\d|Q[1-4]|W\d\d)([-/.]\d\d([T ]\d\d:\d\d.*)?)?")
"""Text that sorts as time does: the year first, and the same number of digits in each."""


def tune_source(
    search: LogisticRegressionCV, source: Source, *, groups: Array | None = None, command: str | None = None
) -> LogisticRegressionCV:
    """Choose a model's penalty by cross-validation on a source.

    Means that fill missing cells are those of the training rows of each fold. A level that only
    held-out rows have counts there as none of the known levels.

    Args:
        search: what is to be tried.
        source: rows with labels.
        groups: for each row the group that is held out together.
        command: the command line that asks for it, for the record.

    Returns:
        The search, fitted; its model remembers the source as after `fit_source`.

    Example:
        >>> from polytome.files.sources import open_source
        >>> search = tune_source(LogisticRegressionCV(Cs=3, l1_ratios=[1], cv=3), open_source("iris"))
        >>> search.training_.n_rows, search.best_model().encoder_.feature_names[0]
        (150, 'sepal length (cm)')
    """
    began = time.perf_counter()
    assert source.y is not None
    with numbered_weights(search, source.encoder):
        y = source.y if source.positive is None else source.y == source.positive
        search._fit(source.X, y, groups=groups, encode=_encoded_by_fold(source))
        seconds = time.perf_counter() - began
        if source.positive is not None:  # false sorts before true
            search.classes_ = np.array([f"not {source.positive}", source.positive])
        model = search.best_model()
        training = record_training(
            model,
            source.X,
            source.y,
            source=source.name,
            notes=source.notes,
            command=command,
            n_test_rows=0 if source.y_test is None else len(source.y_test),
            seconds=seconds,
        )
    if search.groups is not None and model.groups is not None:
        search._refitted.groups = search.groups  # "columns" again, and not the numbers that these became
    search.source_ = FittedSource(source.encoder, source.image_shape, source.positive, training)
    return search


def path_of_source(search: LogisticRegressionCV, source: Source) -> RegularizationPath:
    """The path of the chosen l1_ratio on all rows, at the strengths that were tried."""
    assert source.y is not None
    shared = set(RegularizationPath().get_params()) - {"callback", "l1_ratio"}
    settings = {name: value for name, value in search.get_params(deep=False).items() if name in shared}
    model = search.best_model()
    strengths = 1 / (search.Cs_ * model.objective_.total_weight)
    if not search.l1_ratio_:
        settings |= {"groups": None, "group_ratio": 1.0}
    path = RegularizationPath(search.l1_ratio_, strengths=strengths, **settings)
    with numbered_weights(path, source.encoder):
        path.fit(source.X, source.y if source.positive is None else source.y == source.positive)
    for point in path._points:
        point.groups = path.groups
        point.source_, point.classes_ = (
            FittedSource(source.encoder, source.image_shape, source.positive),
            model.classes_,
        )
    path.classes_ = model.classes_
    return path


def column_of_rows(source: Source, name: str, option: str, *, header: str = "auto") -> tuple[str, Array]:
    """A column of the table that a source was read from, by its full name, for the rows of X: as
    numbers if it holds numbers, else as text.

    Raises:
        ArgumentError: the source is no table, or has no such column.
        DataError: a cell is missing.
    """
    if source.encoder is None or not Path(source.name).is_file():
        raise ArgumentError(f"--{option} {name}: {source.name} is not a table with named columns; leave the option out")
    frame = _frame_of(source.name, header)
    found = find_column(frame, name, option)
    if source.kept is not None:
        frame = frame.take(source.kept)
    cells = frame[found]
    numbers = cells.seconds() if isinstance(cells, DateCells) else cells.numbers()
    missing = np.isnan(numbers)
    if missing.any():
        row = int(missing.argmax())
        raise DataError(
            f"{source.name}, {frame.place(row)}, column {found!r}: the cell is missing, and --{option} needs it"
        )
    if np.isfinite(numbers).all():
        return found, numbers
    codes, words = frame[found].words()
    return found, np.array(words, dtype=object)[codes].astype(str)


def order_of_times(times: Array) -> Array:
    """The numbers of the rows from the earliest to the latest; equal ones as they stand.

    Raises:
        DataError: text that is not in the order of time when it is in that of the alphabet.

    Example:
        >>> order_of_times(np.array([3.0, 1.0, 2.0]))
        array([1, 2, 0])
    """
    if times.dtype.kind == "U":
        unlike = next((text for text in times.tolist() if not _TIME.fullmatch(text)), None)
        if unlike is not None:
            raise DataError(
                f"--time: {unlike!r} is text whose order in time is not known; write times as numbers, or as "
                "2026-01-31 or 2026-01-31 12:00"
            )
    return np.argsort(times, kind="stable")


def _frame_of(name: str, header: str) -> Frame:
    file = InputFile(Path(name), None)
    if kind_of_file(file) == "columnar":
        return read_columnar(file)
    return read_delimited(file, header=header, expected=set())


def _encoded_by_fold(source: Source) -> Callable[[Array], Any] | None:
    """X as training rows have it, where means fill its gaps or splines have knots; else None."""
    frame, encoder = source.frame, source.encoder
    if frame is None or encoder is None:
        return None
    fills = encoder.missing == "mean" and encoder.incomplete(frame).any()
    if not fills and not any(column.term is not None and column.term.knots for column in encoder.columns):
        return None

    def encode(train: Array) -> Any:
        chosen = np.zeros(frame.n_rows, dtype=bool)
        chosen[train] = True
        learned = learn_from_fewer(encoder, frame.take(chosen))
        return _with_fills(encoder, learned).encode(frame)

    return encode


def _with_fills(encoder: Encoder, learned: Encoder) -> Encoder:
    """The levels of one, and the means and knots of the other."""
    known = {column.name: column for column in learned.columns}
    columns = []
    for old in encoder.columns:
        if old.term is not None and old.term.knots:
            columns.append(replace(old, term=known[old.name].term))
        else:
            is_filled = old.kind == "number" and old.term is None
            columns.append(replace(old, fill=known[old.name].fill) if is_filled else old)
    return replace(encoder, columns=tuple(columns))
