"""Which level of each category is left out, so that the others are compared with it.

Without a penalty the columns of zeros and ones of all levels add up to the intercept's column, and
only differences of coefficients mean something. With one level left out a coefficient is the
difference to that level: a log odds ratio against it.

Reference:
    Agresti, "Categorical Data Analysis" (2013), section 5.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from polytome.errors import ArgumentError, DataError
from polytome.plain.names import suggested
from polytome.tables.encoder import MISSING_LEVEL, OTHER_LEVEL, Column, Encoder
from polytome.tables.frames import listing, parse_number

__all__ = ["check_references", "first_level", "refuse_zero", "same_reference", "with_references"]


def first_level(levels: Sequence[str]) -> str:
    """The level that is left out where none is chosen: the first in sorted order, of numbers the
    smallest, as R and formulas have it. Missing cells and rare levels put together are not compared
    with unless they are chosen, or there is nothing else.

    Example:
        >>> first_level(["(missing)", "blue", "red"]), first_level(["10", "2", "3"])
        ('blue', '2')
    """
    known = [level for level in levels if level not in (MISSING_LEVEL, OTHER_LEVEL)] or list(levels)
    numbers = [parse_number(level) for level in known]
    if np.isfinite(numbers).all():
        return known[int(np.argmin(numbers))]
    return min(known)


def check_references(references: object) -> None:
    """Refuse what names no level for a column.

    Raises:
        ArgumentError: it is not a mapping.

    Example:
        >>> check_references({"education": "HS-grad"})
    """
    if not isinstance(references, Mapping):
        raise ArgumentError(
            f"references={references!r}: needs a level for each column, as in {{'education': 'HS-grad'}}"
        )


def with_references(columns: Sequence[Column], references: Mapping[str, str] | None, source: str) -> tuple[Column, ...]:
    """The columns, each category without one of its levels.

    Args:
        columns: as they were learned, with all levels.
        references: for a column the level to leave out; `first_level` for others. None leaves all
            levels in.
        source: what messages call the table.

    Raises:
        ArgumentError: there is no such column, it is not a category, or has no such level.
        DataError: a category has one level alone.

    Example:
        >>> columns = [Column("age", "number"), Column("hue", "category", ("blue", "red"))]
        >>> with_references(columns, {"hue": "red"}, "people")[1].feature_names
        ('hue=blue',)
    """
    if references is None:
        return tuple(columns)
    known = {column.name: column for column in columns}
    check_references(references)
    for name, level in references.items():
        if name not in known:
            raise ArgumentError(
                f"reference {name}={level}: {source} has no column {suggested(name, known)} to learn from; its columns "
                f"are {listing(list(known))}"
            )
        column = known[name]
        if column.kind != "category":
            what = "holds numbers" if column.kind == "number" else "is text"
            remedy = f"let it count as a category with --categories {name}, or " if column.kind == "number" else ""
            raise ArgumentError(f"reference {name}={level}: the column {what} and has no levels; {remedy}leave it out")
        if level not in column.levels:
            raise ArgumentError(
                f"reference {name}={level}: the column has no level {suggested(level, column.levels)}; its levels are "
                f"{listing(column.levels)}"
            )
    return tuple(
        _without(column, references.get(column.name), source) if column.kind == "category" else column
        for column in columns
    )


def same_reference(column: Column, before: Column, source: str) -> Column:
    """A category, learned again from fewer rows, without the level that it was without before.

    Raises:
        DataError: a level that was chosen, not the first, is gone, or only one is left.

    Example:
        >>> before = Column("hue", "category", ("blue", "green", "red"), reference="blue")
        >>> same_reference(Column("hue", "category", ("green", "red")), before, "people").reference
        'green'
    """
    if before.reference is None:
        return column
    if before.steps:
        steps = tuple(level for level in before.steps if level in column.levels)
        if len(steps) < 2:
            raise DataError(
                f"{source}, column {column.name!r}: has one level in the rows to learn from, and no step between "
                f"levels; leave the column out with --drop {column.name}"
            )
        return replace(_without(column, steps[0], source), steps=steps)
    if before.reference in column.levels:
        return _without(column, before.reference, source)
    if before.reference != first_level(before.levels):
        raise DataError(
            f"{source}, column {column.name!r}: no row to learn from has the reference level {before.reference!r}; "
            "choose another, or hold out other rows (another seed)"
        )
    return _without(column, None, source)


def refuse_zero(encoder: Encoder, unknown: str | None) -> None:
    """Refuse that a level never seen counts as no level where that would be the reference level.

    Raises:
        ArgumentError: it would.
    """
    left_out = [column for column in encoder.columns if column.reference is not None]
    if unknown == "zero" and left_out:
        other = "leave such rows out" if left_out[0].steps else "train with a penalty"
        raise ArgumentError(
            f"unknown='zero': column {left_out[0].name!r} has no feature for its reference level "
            f"{left_out[0].reference!r}, and a level never seen would count as that one; use unknown='error', or "
            f"{other}"
        )


def _without(column: Column, level: str | None, source: str) -> Column:
    if len(column.levels) == 1:
        raise DataError(
            f"{source}, column {column.name!r}: has one level, {column.levels[0]!r}, in the rows to learn from, and "
            f"nothing to compare it with; leave the column out with --drop {column.name}"
        )
    return replace(column, reference=first_level(column.levels) if level is None else level)
