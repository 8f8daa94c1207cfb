"""Read labels from a column: whole numbers stay numbers, everything else is text."""

from __future__ import annotations

import re
import reprlib
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from polytome.errors import DataError
from polytome.tables.frames import EXACT, Frame, parse_number

__all__ = ["label_kind", "read_labels", "refuse_first"]

_LEADING_ZERO = re.compile(r"[+-]?0\d")
_MANY = 20


def refuse_first(frame: Frame, name: str, wrong: NDArray[np.bool_], complaint: str) -> None:
    """Raise for the first wrong cell of a column, if there is one.

    Args:
        frame: the table.
        name: the column.
        wrong: `(n_rows,)` true where a cell is wrong.
        complaint: what is wrong and what to do; `{value}` in it becomes the cell's text in
            quotation marks.

    Raises:
        DataError: a cell is wrong; the message names the place, the column and the value, and
            counts such cells.

    Example:
        >>> frame = Frame.of({"age": [25, -3]})
        >>> refuse_first(frame, "age", frame["age"].numbers() < 0, "{value} is negative")
        Traceback (most recent call last):
        polytome.errors.DataError: <memory>, row 2, column 'age': '-3' is negative
    """
    if wrong.any():
        row = int(np.argmax(wrong))
        count = int(wrong.sum())
        more = f" ({count} such cells)" if count > 1 else ""
        said = complaint.replace("{value}", reprlib.repr(frame[name].text(row)))
        raise DataError(f"{frame.place(row)}, column {name!r}: {said}{more}")


def label_kind(
    frame: Frame, name: str, *, training: bool = True, notes: list[str] | None = None, n_rows: int | None = None
) -> Literal["integer", "text"]:
    """Decide what the labels of a column are.

    Args:
        frame: the table.
        name: its column of labels, which must not have gaps.
        training: whether a classifier is to learn from them; then they must be at least two classes
            and look like classes.
        notes: receives a sentence if they hardly do.
        n_rows: how many rows the labels stand for, where the table is but a list of those that
            occur.

    Returns:
        "integer" when every label is a whole number below 2^53 in size, written without leading
        zeros.

    Raises:
        DataError: there is one class only, or there are so many that this looks like a regression
            target or a name.

    Example:
        >>> label_kind(Frame.of({"grade": ["+1", "-1", "1.0"]}), "grade")
        'integer'
        >>> label_kind(Frame.of({"grade": ["01", "02"]}), "grade")
        'text'
    """
    _, words = frame[name].words()
    n_rows = frame.n_rows if n_rows is None else n_rows
    values = np.array([parse_number(word) for word in words])
    whole = bool(_is_whole(values).all())
    if training:
        _check_classes(frame.source, name, words, n_rows, fractions=bool(np.isfinite(values).all()) and not whole)
        if notes is not None and 2 < len(words) > n_rows / 2:
            notes.append(f"column {name!r} holds {len(words)} different labels in {n_rows} rows; is it the target?")
    return "integer" if whole and not any(_LEADING_ZERO.match(word) for word in words) else "text"


def read_labels(frame: Frame, name: str, kind: Literal["integer", "text"]) -> NDArray[Any] | None:
    """Read a column of labels.

    Args:
        frame: the table.
        name: its column of labels.
        kind: what the labels are; see `label_kind`.

    Returns:
        `(n_rows,)` int64 or `str`; None when the whole column is empty, as in a table that awaits
        predictions.

    Raises:
        DataError: some labels are missing, or one is not a whole number where all should be.

    Example:
        >>> read_labels(Frame.of({"grade": ["+1", "-1"]}), "grade", "integer")
        array([ 1, -1])
    """
    codes, words = frame[name].words()
    if not words:
        return None
    refuse_first(frame, name, codes < 0, "the label is missing; fill it in, or remove the row")
    labels: NDArray[Any] = np.array(words, dtype=np.str_)
    if kind == "integer":
        values = np.array([parse_number(word) for word in words])
        odd = ~_is_whole(values)
        refuse_first(
            frame,
            name,
            np.take(odd, codes),
            "the label {value} is not a whole number below 2^53, as all were in training",
        )
        labels = values.astype(np.int64)
    return np.take(labels, codes)


def _is_whole(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which values are whole numbers that float64 holds exactly."""
    whole: NDArray[np.bool_] = (np.abs(values) < EXACT) & (values == np.floor(values))
    return whole


def _check_classes(source: str, name: str, words: tuple[str, ...], n_rows: int, fractions: bool) -> None:
    """Refuse labels that are not classes."""
    where = f"{source}, column {name!r}"
    if len(words) < 2:
        found = f"only the label {words[0]!r}" if words else "no labels"
        raise DataError(f"{where}: holds {found}; a classifier needs at least two classes")
    if len(words) > _MANY and (fractions or len(words) > n_rows / 2):
        raise DataError(
            f"{where}: holds {len(words)} different values in {n_rows} rows, such as {reprlib.repr(words[0])}; "
            "this looks like a regression target or an identifier; choose a column of classes"
        )
