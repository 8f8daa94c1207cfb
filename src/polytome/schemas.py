"""Learn from a training table what each of its columns is."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from polytome.encoders import MISSING_LEVEL, Column, Encoder, is_missing, listing
from polytome.errors import ArgumentError, DataError
from polytome.frames import Cells, Frame, parse_number
from polytome.label_columns import label_kind, refuse_first

__all__ = ["find_column", "learn_encoder"]

_MOST_LEVELS = 1000
_FEW_LEVELS = 20
_NEARLY_ALL = 0.9
_FEW_WRONG = 0.05


def find_column(frame: Frame, wanted: str, option: str) -> str:
    """Return the name of the column that the user means.

    Args:
        frame: the table.
        wanted: a name; or else "last", or a position counted from 1.
        option: the option that named it, for the message.

    Raises:
        ArgumentError: there is no such column; the message lists those there are.

    Example:
        >>> frame = Frame.of({"age": [25], "income": ["low"]})
        >>> find_column(frame, "last", "target"), find_column(frame, "1", "drop")
        ('income', 'age')
    """
    if wanted in frame.names:
        return wanted
    if wanted == "last":
        return frame.names[-1]
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= len(frame.names):
        return frame.names[int(wanted) - 1]
    raise ArgumentError(
        f"{option}={wanted!r}: {frame.source} has no such column; choose a name, a position from 1 to "
        f"{len(frame.names)}, or 'last'; its columns are {listing(frame.names)}"
    )


def learn_encoder(
    frame: Frame,
    target: str,
    *,
    missing: str = "error",
    unknown: str = "error",
    drop: Sequence[str] = (),
    categories: Sequence[str] = (),
) -> tuple[Encoder, Frame, tuple[str, ...]]:
    """Decide for each column whether it holds numbers or categories.

    A column holds numbers when every cell that is not missing is a finite number (or every one is true or
    false), and categories otherwise. Where one cell or fewer than 5 % of the cells spoil a column of
    numbers, that is an error.

    Args:
        frame: the training table.
        target: the column of labels: a name, "last", or a position from 1.
        missing: "error", "drop" (leave out rows with a gap in a column that is used) or "mean" (a number gets the
            column's mean, a category the level `MISSING_LEVEL`).
        unknown: kept in the encoder; see `Encoder`.
        drop: columns to leave out.
        categories: columns to read as text even where they look like numbers.

    Returns:
        The encoder, the frame with the rows that training uses, and notes that a user should see.

    Raises:
        ArgumentError: an option names no column of the table.
        DataError: a column cannot be used; the message names the column, the place and the remedy.

    Example:
        >>> frame = Frame.of({"age": [25, 31], "colour": ["red", "blue"], "y": ["a", "b"]})
        >>> encoder, _, _ = learn_encoder(frame, "y")
        >>> encoder.feature_names
        ('age', 'colour=blue', 'colour=red')
    """
    target = find_column(frame, target, "target")
    left_out = {target, *(find_column(frame, name, "drop") for name in drop)}
    forced = {find_column(frame, name, "categories") for name in categories}
    names = [name for name in frame.names if name not in left_out]
    if not names:
        raise DataError(
            f"{frame.source}: has no column beside the target {target!r}; if there should be more, "
            "separate the cells by commas, tabs, semicolons or bars"
        )
    notes: list[str] = []
    kinds = {name: _kind(frame, name, forced, notes) for name in names}
    if missing == "drop":
        frame = _drop_gaps(frame, {**kinds, target: "category"}, notes)
    gaps = is_missing(frame[target], "category")
    refuse_first(frame, target, gaps, "the label is missing; fill it in, or leave out the row with --missing drop")
    columns = tuple(_learn_column(frame, name, kinds[name], missing) for name in names)
    encoder = Encoder(columns, target, missing, unknown, label_kind(frame, target))
    if missing == "mean":
        _note_fills(frame, kinds, notes)
    return encoder, frame, tuple(notes)


def _kind(frame: Frame, name: str, forced: Collection[str], notes: list[str]) -> Literal["number", "category"]:
    """Decide what a column holds, refusing what is neither."""
    cells = frame[name]
    if name in forced:
        return "category"
    values = cells.numbers()
    present = ~np.isnan(values)
    if not present.any():
        raise DataError(
            f"{frame.source}, column {name!r}: every cell is missing; leave the column out with --drop {name}"
        )
    wrong = np.isinf(values)
    if not wrong.any():
        if np.array_equal(np.diff(values), np.ones(len(values) - 1)) and values[0] in (0.0, 1.0) and len(values) > 2:
            notes.append(f"column {name!r} counts the rows; leave it out with --drop {name} if it is no measurement")
        return "number"
    n_wrong, n_present = int(wrong.sum()), int(present.sum())
    if n_wrong < _FEW_WRONG * n_present or n_wrong == 1 < n_present - 2:
        refuse_first(
            frame,
            name,
            wrong,
            f"{{value}} is not a finite number, while {n_present - n_wrong} other cells are; correct the cell, "
            f"or treat the column as text with --categories {name}",
        )
    if n_wrong < n_present:
        notes.append(f"column {name!r} is read as text: {n_wrong} of its {n_present} cells are not numbers")
    _refuse_decimal_commas(frame, name, cells, wrong)
    return "category"


def _refuse_decimal_commas(frame: Frame, name: str, cells: Cells, wrong: NDArray[np.bool_]) -> None:
    """Refuse text that would be numbers if its commas were points."""
    _, words = cells.words()
    if all(np.isfinite(parse_number(word.replace(",", "."))) for word in words):
        refuse_first(frame, name, wrong, "{value} looks like a number with a decimal comma; write it with a point")


def _drop_gaps(frame: Frame, kinds: dict[str, str], notes: list[str]) -> Frame:
    """Leave out the rows that lack a cell in any column that is used."""
    keep = ~np.any([is_missing(frame[name], kind) for name, kind in kinds.items()], axis=0)
    if not keep.any():
        raise DataError(f"{frame.source}: every row has a missing cell; use --missing mean, or leave columns out")
    if not keep.all():
        notes.append(f"{int((~keep).sum())} of {len(keep)} rows have a missing cell and are left out")
    return frame.take(keep)


def _note_fills(frame: Frame, kinds: dict[str, Literal["number", "category"]], notes: list[str]) -> None:
    """Say how many cells are filled, and in which columns."""
    gaps = {name: int(is_missing(frame[name], kind).sum()) for name, kind in kinds.items()}
    filled = [f"{name} ({count})" for name, count in gaps.items() if count]
    if filled:
        notes.append(
            f"{sum(gaps.values())} missing cells are filled, in {len(filled)} columns: {', '.join(filled[:12])}"
        )


def _learn_column(frame: Frame, name: str, kind: Literal["number", "category"], missing: str) -> Column:
    """Learn the mean of a number column, or the levels of a category."""
    cells = frame[name]
    gaps = is_missing(cells, kind)
    if kind == "number":
        return Column(name, kind, fill=float(cells.numbers()[~gaps].mean()) if missing == "mean" else None)
    _, words = cells.words()
    n_present = len(gaps) - int(gaps.sum())
    if len(words) > _MOST_LEVELS or (len(words) > _FEW_LEVELS and len(words) > _NEARLY_ALL * n_present):
        raise DataError(
            f"{frame.source}, column {name!r}: holds {len(words)} different texts in {n_present} cells, "
            f"such as {reprlib.repr(words[0])}; no model can learn from texts this rare; "
            f"leave the column out with --drop {name}"
        )
    extra = {MISSING_LEVEL} if missing == "mean" and gaps.any() else set()
    fill = MISSING_LEVEL if missing == "mean" else None
    return Column(name, kind, tuple(sorted({*words, *extra})), fill)
