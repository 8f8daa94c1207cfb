"""Columns along which the scores of a class only rise, or only fall.

A number needs a sign for that: its coefficient is 0 or more, or 0 or less. The levels of a category
need an order, and features that are steps: `education>=mid` is 1 in all rows with mid or a higher
level, so its coefficient is what the step from the level below to mid adds to the score. Then the
levels rise where no step is negative, and all is said by bounds of coefficients. The lowest level
has no feature. A penalty is on steps, so neighbouring levels are drawn to each other, and not to 0.

References: Barlow, Bartholomew, Bremner and Brunk, Statistical inference under order restrictions,
1972; Gertheiss and Tutz, Sparse modeling of categorial explanatory variables, Annals of Applied
Statistics 4, 2010 (differences of neighbouring levels).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from polytome.errors import ArgumentError, DataError
from polytome.plain.names import suggested
from polytome.tables.encoder import MISSING_LEVEL, OTHER_LEVEL, Column, Encoder
from polytome.tables.frames import listing, parse_number

__all__ = ["Monotone", "check_monotone", "monotone_notes", "monotone_signs", "with_steps"]

Monotone = Mapping[str, str | Sequence[str]]
"""For a column "increasing" or "decreasing", or the levels of a category along which scores
rise."""

_DIRECTIONS = ("increasing", "decreasing")


def check_monotone(given: object) -> None:
    """Refuse what names no direction, and no levels, for a column.

    Raises:
        ArgumentError: it is not a mapping of such.

    Example:
        >>> check_monotone({"age": "increasing", "education": ["none", "school", "college"]})
        >>> check_monotone({"age": "up"})
        Traceback (most recent call last):
        polytome.errors.ArgumentError: monotone['age'] is 'up': needs 'increasing', 'decreasing', or the levels of ...
    """
    if not isinstance(given, Mapping):
        raise ArgumentError(f"monotone={given!r}: needs a direction for each column, as in {{'age': 'increasing'}}")
    for name, value in given.items():
        if not isinstance(name, str):
            raise ArgumentError(f"monotone has the key {name!r}: needs names of columns, which are text")
        is_list = not isinstance(value, str) and isinstance(value, Sequence)
        if is_list and len(value) > 1 and all(isinstance(level, str) for level in value):
            if len({*value}) < len(value):
                twice = next(level for place, level in enumerate(value) if level in value[:place])
                raise ArgumentError(f"monotone[{name!r}] has the level {twice!r} twice: name each once")
        elif value not in _DIRECTIONS:
            raise ArgumentError(
                f"monotone[{name!r}] is {value!r}: needs 'increasing', 'decreasing', or the levels of a category from "
                "the one with the lowest score to that with the highest, at least two"
            )


def with_steps(encoder: Encoder, monotone: Monotone, orders: Mapping[str, Sequence[str]], source: str) -> Encoder:
    """The encoder with steps in the place of the levels of each category that is monotone.

    Args:
        encoder: as it was learned, with all levels.
        monotone: checked.
        orders: the levels of categories that the table itself orders.
        source: what messages call the table.

    Raises:
        ArgumentError: there is no such column, it has no order, or levels that are not in it.

    Example:
        >>> encoder = Encoder((Column("size", "category", ("l", "m", "s")),), None, missing="error", unknown="error")
        >>> with_steps(encoder, {"size": ["s", "m", "l"]}, {}, "shirts").feature_names
        ('size>=m', 'size>=l')
    """
    known = {column.name: column for column in encoder.columns}
    for name in monotone:
        if name not in known:
            raise ArgumentError(
                f"monotone names {name!r}: {source} has no column {suggested(name, known)} to learn from; its columns "
                f"are {listing(list(known))}"
            )
        if known[name].kind == "text":
            raise ArgumentError(f"monotone[{name!r}]: the column is text, of which terms are counted; leave it out")
        if known[name].kind == "number" and monotone[name] not in _DIRECTIONS:
            raise ArgumentError(
                f"monotone[{name!r}] has levels, and the column holds numbers; say 'increasing' or 'decreasing', or "
                f"let it count as a category with --categories {name}"
            )
    if encoder.unknown == "zero" and any(known[name].kind == "category" for name in monotone):
        raise ArgumentError(
            "unknown='zero': a level never seen would count as the lowest one of a column that is monotone; use "
            "unknown='error'"
        )
    return replace(
        encoder,
        columns=tuple(
            _stepped(column, monotone[column.name], orders.get(column.name), source)
            if column.name in monotone and column.kind == "category"
            else column
            for column in encoder.columns
        ),
    )


def monotone_signs(encoder: Encoder, monotone: Monotone) -> dict[str, tuple[float, float]]:
    """Between which numbers the coefficients of each such column are.

    Example:
        >>> encoder = Encoder((Column("age", "number"),), None, missing="error", unknown="error")
        >>> monotone_signs(encoder, {"age": "decreasing"})
        {'age': (-inf, 0.0)}
    """
    return {
        column.name: (-np.inf, 0.0) if monotone[column.name] == "decreasing" else (0.0, np.inf)
        for column in encoder.columns
        if column.name in monotone
    }


def monotone_notes(encoder: Encoder, monotone: Monotone, label: str) -> tuple[str, ...]:
    """What is held to, a sentence for each column.

    Example:
        >>> encoder = Encoder((Column("age", "number"),), None, missing="error", unknown="error")
        >>> monotone_notes(encoder, {"age": "decreasing"}, "ill")
        ("the score of 'ill' never rises with 'age'",)
    """
    notes = []
    for column in encoder.columns:
        if column.name in monotone:
            verb = "rises" if monotone[column.name] == "decreasing" else "falls"
            along = f"along {column.name!r}: {' < '.join(column.steps)}" if column.steps else f"with {column.name!r}"
            notes.append(f"the score of {label!r} never {verb} {along}")
    return tuple(notes)


def _stepped(column: Column, direction: str | Sequence[str], own: Sequence[str] | None, source: str) -> Column:
    """The column with steps along its order."""
    place = f"monotone[{column.name!r}]"
    levels = [level for level in column.levels if level != MISSING_LEVEL]
    if column.other is not None:
        raise ArgumentError(
            f"{place}: rare levels of the column are put together as {OTHER_LEVEL!r}, which has no place in an order; "
            "use min_level_count=1"
        )
    if len(levels) < 2:
        raise DataError(
            f"{source}, column {column.name!r}: has one level, {levels[0]!r}, in the rows to learn from, and no step "
            f"between levels; leave the column out with --drop {column.name}"
        )
    if isinstance(direction, str):
        numbers = [parse_number(level) for level in levels]
        if own is None and np.isfinite(numbers).all() and len({*numbers}) == len(numbers):
            own = [level for _, level in sorted(zip(numbers, levels, strict=True))]
        if own is None:
            raise ArgumentError(
                f"{place} is {direction!r}, and the levels of the column have no order: name them from the one with "
                f"the lowest score to that with the highest (they are {listing(levels)}), or give a data frame where "
                "the column is an ordered category"
            )
        order = [level for level in own if level in levels]  # a type may have levels that no row has
    else:
        order = list(direction)
        if strange := [level for level in order if level not in levels]:
            raise ArgumentError(
                f"{place}: the column has no level {suggested(strange[0], levels)}; its levels are {listing(levels)}"
            )
    if lacking := [level for level in levels if level not in order]:
        raise ArgumentError(
            f"{place}: the order has {listing(order)} and not {listing(lacking)}, which rows have; give each level its "
            "place"
        )
    return replace(column, reference=order[0], steps=tuple(order))
