"""Which rows are held out of training, and whether rows to evaluate a model on are those it was
trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from polytome.errors import DataError
from polytome.files.training_record import data_hash
from polytome.models.fitted_source import DividedBy, source_of
from polytome.numerics.row_numbers import numbers_of
from polytome.tables.date_columns import DateCells, times_of
from polytome.tables.frames import Frame
from polytome.tables.label_columns import refuse_first

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

SplitKind = Literal["class", "group", "time"]
"""What a choice of held-out rows keeps: the shares of classes, groups whole, or the order in
time."""

__all__ = [
    "SplitKind",
    "are_training_rows",
    "choose_groups",
    "choose_held_out",
    "choose_latest",
    "rows_of_training",
    "training_rows",
]

_BETTER = "it may do better on them than on new ones"


def choose_held_out(y: NDArray[Any], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Choose rows to set aside, the same fraction of every class; at least one row of each class
    stays.

    Args:
        y: labels, (n,).
        fraction: between 0 and 1.
        seed: of the choice.

    Returns:
        (n,) true for the rows that are set aside.

    Example:
        >>> int(choose_held_out(np.array([0, 0, 1, 1]), 0.5, seed=0).sum())
        2
    """
    random = np.random.default_rng(seed)
    is_test = np.zeros(len(y), dtype=np.bool_)
    for label in np.unique(y):
        rows = numbers_of(y == label)
        random.shuffle(rows)
        is_test[rows[: min(round(fraction * len(rows)), len(rows) - 1)]] = True
    return is_test


def choose_groups(column: Frame, fraction: float, seed: int) -> tuple[NDArray[np.bool_], str]:
    """Choose whole groups to set aside, at random, until they have about this fraction of the rows.

    Args:
        column: the group of each row, in the one column of this table.
        fraction: between 0 and 1.
        seed: of the choice.

    Returns:
        (n,) true for the rows that are set aside, and a sentence.

    Raises:
        DataError: a row has no group, or there is but one.

    Example:
        >>> chosen, told = choose_groups(Frame.of({"user": ["a", "b", "a", "c"]}), 0.5, seed=0)
        >>> chosen.tolist(), told
        ([False, False, False, True], "held out: 1 row, of 1 of 3 values of 'user', whole")
    """
    (name,) = column.names
    codes, words = column[name].words()
    _refuse_gaps(column, codes < 0, "its group")
    counts = np.bincount(codes, minlength=len(words))
    order = np.random.default_rng(seed).permutation(np.flatnonzero(counts))
    n_chosen = _nearest(counts[order], fraction, name, column.source)
    is_test: NDArray[np.bool_] = np.isin(codes, order[:n_chosen])
    return is_test, (f"held out: {_rows(is_test)}, of {n_chosen:,} of {len(order):,} values of {name!r}, whole")


def choose_latest(column: Frame, fraction: float) -> tuple[NDArray[np.bool_], str]:
    """Choose the latest rows to set aside, about this fraction; rows of one time stay together.

    Args:
        column: the time of each row, in the one column of this table: numbers, or dates such as
            2026-11-30 or 2026-11-30T18:05.
        fraction: between 0 and 1.

    Returns:
        (n,) true for the rows that are set aside, and a sentence.

    Raises:
        DataError: a row has no time, one is not a date, or all have the same.

    Example:
        >>> chosen, told = choose_latest(Frame.of({"day": ["2026-11-30", "2026-12-02", "2026-12-01"]}), 0.3)
        >>> chosen.tolist(), told
        ([False, True, False], "held out: 1 row, from 2026-12-02 on by 'day'")
    """
    (name,) = column.names
    cells = column[name]
    # Those of a text file are words, which may spell numbers.
    is_date = isinstance(cells, DateCells) or np.isinf(cells.numbers()).any()
    otherwise = "as numbers, or choose another column"
    times: NDArray[Any] = times_of(column, name, (), otherwise) if is_date else cells.numbers()
    _refuse_gaps(column, np.isnan(times) if times.dtype.kind == "f" else np.isnat(times), "its time")
    different, counts = np.unique(times, return_counts=True)
    n_chosen = _nearest(counts[::-1], fraction, name, column.source)
    first = different[-n_chosen]
    is_test: NDArray[np.bool_] = times >= first
    shown = f"{first:.15g}" if times.dtype.kind == "f" else str(first).removesuffix(".000000").removesuffix("T00:00:00")
    return is_test, f"held out: {_rows(is_test)}, from {shown} on by {name!r}"


def _refuse_gaps(column: Frame, gaps: NDArray[np.bool_], what: str) -> None:
    """Refuse rows of which nobody can say on which side they belong."""
    (name,) = column.names
    refuse_first(column, name, gaps, f"the cell is missing, and {what} decides whether the row is held out; fill it in")


def _nearest(counts: NDArray[np.int_], fraction: float, name: str, source: str) -> int:
    """How many of the first parts together have nearest to this fraction of the rows; at least one,
    and never all."""
    if len(counts) < 2:
        raise DataError(f"{source}, column {name!r}: all rows have the same value; nothing can be held out by it")
    sums = np.cumsum(counts)[:-1]
    return int(np.abs(sums - fraction * counts.sum()).argmin()) + 1


def are_training_rows(model: Fitted, X: Any, y: NDArray[Any]) -> bool:
    """Whether these are all the rows that a model was trained on, in the same order.

    Args:
        model: fitted.
        X: (n, d) rows.
        y: (n,) their labels.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> are_training_rows(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), np.eye(2), np.array([0, 1]))
        False
    """
    record = source_of(model).training
    return record is not None and len(y) == record.n_rows and data_hash(X, y) == record.data_sha256


def training_rows(
    model: Fitted, X: Any, y: NDArray[Any], weight: NDArray[Any] | None = None, beside: Frame | None = None
) -> tuple[Any, NDArray[Any], NDArray[Any] | None]:
    """The rows of a model's source, features, labels and weights, without those that training held
    out.

    Args:
        model: fitted.
        X: (n, d) all rows of its source, or the training rows alone.
        y: (n,) their labels.
        weight: (n,) their weights, or None.
        beside: the column of these rows that decided which were held out, where one did.

    Raises:
        DataError: the column that decided it is not there.

    Example:
        >>> from polytome.files.sources import fit_source, hold_out, open_source
        >>> from polytome.models.logistic import LogisticRegression
        >>> iris = open_source("iris")
        >>> training_rows(fit_source(LogisticRegression(), hold_out(iris, 0.2)), iris.X, iris.y)[0].shape
        (120, 4)
    """
    record = source_of(model).training
    if record is None or len(y) == record.n_rows:
        return X, y, weight
    if record.divided_by is not None:
        is_test = _chosen_again(record.divided_by, beside)
    elif record.test_fraction is not None:
        is_test = choose_held_out(y, record.test_fraction, record.seed or 0)
    else:
        return X, y, weight
    train = np.flatnonzero(~is_test)
    return X[train], y[train], None if weight is None else weight[train]


def _chosen_again(by: DividedBy, column: Frame | None) -> NDArray[np.bool_]:
    """The rows that were held out by a column of their table."""
    if column is None:
        raise DataError(
            f"column {by.column!r}, by which training held out rows (--{by.kind}), is not among these rows; give the "
            "whole table with it, or the training rows alone"
        )
    return (choose_latest(column, by.fraction) if by.kind == "time" else choose_groups(column, by.fraction, by.seed))[0]


def rows_of_training(model: Fitted, X: Any, y: NDArray[Any], name: str) -> str:
    """Say whether rows to evaluate a model on are those that it was trained on, as far as its
    record shows.

    The record has a digest of all training rows in order. It is compared with that of these rows
    and, if rows were held out, also with that of the rows which the same choice would leave for
    training.

    Args:
        model: fitted.
        X: (n, d) rows.
        y: (n,) their labels.
        name: of the data set or file that they come from.

    Returns:
        A sentence, or nothing if there is no sign of it. Training rows in another order, or parts
        of them, are not recognised, except by the same name of their source.

    Example:
        >>> from polytome.files.sources import fit_source, open_source
        >>> from polytome.models.logistic import LogisticRegression
        >>> iris = open_source("iris")
        >>> rows_of_training(fit_source(LogisticRegression(), iris), iris.X, iris.y, "iris")
        'these are the rows that the model was trained on: it may do better on them than on new ones'
    """
    record = source_of(model).training
    if record is None:
        return ""
    if are_training_rows(model, X, y):
        return f"these are the rows that the model was trained on: {_BETTER}"
    if record.test_fraction and record.seed is not None and len(y) == record.n_rows + record.n_test_rows:
        train = np.flatnonzero(~choose_held_out(y, record.test_fraction, record.seed))
        if data_hash(X[train], y[train]) == record.data_sha256:
            return f"{len(train):,} of these {len(y):,} rows are those that the model was trained on: {_BETTER}"
    brought_test_rows = record.n_test_rows and not record.test_fraction
    # Where groups or the latest rows were held out, their source has all of them.
    if name == record.source and (not brought_test_rows or len(y) == record.n_rows + record.n_test_rows):
        return (
            f"the model was trained on a source of the same name, {name}, with other rows or the same ones in another "
            f"order; where some of these are among them, {_BETTER}"
        )
    return ""


def _rows(chosen: NDArray[np.bool_]) -> str:
    """How many rows are chosen."""
    n_rows = int(chosen.sum())
    return f"{n_rows:,} {'row' if n_rows == 1 else 'rows'}"
