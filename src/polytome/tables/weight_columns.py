"""Read the weights of rows from a column."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from polytome.errors import DataError
from polytome.tables.frames import Frame
from polytome.tables.label_columns import refuse_first
from polytome.tables.marked_numbers import explain_marks

__all__ = ["check_some_weight", "read_weights", "weight_note"]


def read_weights(
    frame: Frame, name: str, marks: Collection[str] = (), *, may_be_missing: bool = False
) -> NDArray[np.float64]:
    """The numbers of a column of weights: 2 equals the row twice, 0 equals its absence.

    Args:
        frame: the table.
        name: its column of weights.
        marks: words that mark a missing cell, besides the usual ones.
        may_be_missing: whether rows without a weight are left out later; theirs is NaN.

    Raises:
        DataError: a weight is missing, is not a finite number, or is negative; the message names
            the place, the column and the value.

    Example:
        >>> read_weights(Frame.of({"cases": [3, 0, 1]}), "cases")
        array([3., 0., 1.])
        >>> read_weights(Frame.of({"cases": [3, -1]}), "cases")
        Traceback (most recent call last):
        polytome.errors.DataError: <memory>, row 2, column 'cases': '-1' is negative; weights of rows are zero or more
    """
    frame = frame.without(name, marks) if marks else frame
    weight = frame[name].numbers()
    wrong = np.isinf(weight)
    if wrong.any():
        said = explain_marks(frame[name].text(int(np.argmax(wrong)))) or "is not a finite number"
        refuse_first(frame, name, wrong, f"{{value}} {said}; a weight for each row is needed")
    refuse_first(frame, name, weight < 0, "{value} is negative; weights of rows are zero or more")
    if not may_be_missing:
        remedy = "fill it in, or leave out the row with --missing drop"
        refuse_first(frame, name, np.isnan(weight), f"the weight is missing; {remedy}")
    return weight


def check_some_weight(weight: NDArray[np.float64], source: str, name: str) -> None:
    """Refuse weights that are all zero.

    Raises:
        DataError: they are.
    """
    if not weight.any():
        raise DataError(f"{source}, column {name!r}: every weight is zero; at least one row must count")


def weight_note(name: str) -> str:
    """What a user should know of weights."""
    return f"column {name!r} weighs the rows in the fit and in metrics; counts of rows count each row once"
