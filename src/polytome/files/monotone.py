"""Rows to train on with columns along which the score only rises, or only falls: see
`polytome.tables.monotone_levels`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from polytome.errors import ArgumentError
from polytome.files.sources import Source, suited_scale
from polytome.tables.monotone_levels import (
    Monotone,
    check_monotone,
    monotone_notes,
    monotone_signs,
    with_steps,
)
from polytome.tables.streams.table import StreamedTable

__all__ = ["bounds_beside_monotone", "check_monotone_settings", "monotone_source", "monotone_stream"]


def check_monotone_settings(monotone: Any, settings: Mapping[str, Any]) -> None:
    """Refuse, before anything is read, settings beside which nothing is monotone.

    Raises:
        ArgumentError: there are such, or `monotone` is not a direction for each column.

    Example:
        >>> check_monotone_settings({"age": "increasing"}, {"C": float("inf")})
        Traceback (most recent call last):
        polytome.errors.ArgumentError: monotone: without a penalty nothing is proved of a coefficient that may grow ...
    """
    if monotone is None:
        return
    check_monotone(monotone)
    if np.isinf(settings.get("C", 1.0)):
        raise ArgumentError(
            "monotone: without a penalty nothing is proved of a coefficient that may grow without end; use a weak one, "
            "such as C=1e6"
        )
    if settings.get("groups") is not None:
        raise ArgumentError("monotone and groups: coefficients of groups have no signs of their own; leave one out")
    bounds = settings.get("bounds")
    if bounds is not None and not isinstance(bounds, Mapping):
        raise ArgumentError("monotone and bounds of all columns: bounds beside monotone are by the names of columns")
    if both := [name for name in bounds or {} if name in monotone]:
        raise ArgumentError(f"monotone and bounds both name {both[0]!r}: leave one of them out")


def bounds_beside_monotone(source: Source | StreamedTable, monotone: Monotone | None, bounds: Any) -> Any:
    """The setting `bounds` with the signs of what is monotone."""
    if monotone is None or source.encoder is None:
        return bounds
    return {**(bounds or {}), **monotone_signs(source.encoder, monotone)}


def monotone_source(source: Source, monotone: Monotone | None) -> Source:
    """Rows in memory with steps in the place of levels, before test rows are held out.

    Raises:
        ArgumentError: the rows are not a table, have three and more classes, or as `with_steps`.
    """
    if monotone is None:
        return source
    if source.frame is None or source.encoder is None or source.y is None:
        raise ArgumentError(f"monotone names columns, and {source.name} is not a table that has some; leave it out")
    labels = np.unique(source.y).tolist() if source.positive is None else ["", source.positive]
    label = _second_of(labels, source.name)
    for column in source.encoder.columns:
        if column.term is not None and (both := [name for name in column.term.of if name in monotone]):
            raise ArgumentError(
                f"monotone: {both[0]!r} is in the term {column.name!r} too, whose coefficients may turn the score the "
                "other way; leave one of them out"
            )
    encoder = with_steps(source.encoder, monotone, source.frame.orders, source.name)
    notes = (*source.notes, *monotone_notes(encoder, monotone, label))
    if encoder == source.encoder:  # numbers have signs, and no steps
        return replace(source, notes=notes)
    scale = suited_scale(encoder) if encoder.has_text else source.scale
    return replace(source, X=encoder.encode(source.frame), encoder=encoder, scale=scale, notes=notes)


def monotone_stream(table: StreamedTable, monotone: Monotone | None) -> StreamedTable:
    """Rows that stay in their files with steps in the place of levels.

    Raises:
        ArgumentError: as `monotone_source`.
    """
    if monotone is None:
        return table
    if table.encoder is None:
        raise ArgumentError(f"monotone names columns, and {table.name} is not a table that has some; leave it out")
    label = _second_of(table.classes.tolist(), table.name)
    encoder = with_steps(table.encoder, monotone, {}, table.name)
    table = table if encoder == table.encoder else table.encoded(encoder)
    return replace(table, notes=(*table.notes, *monotone_notes(encoder, monotone, label)))


def _second_of(labels: list[Any], name: str) -> str:
    """The label whose score it is."""
    if len(labels) > 2:
        raise ArgumentError(
            f"monotone: {name} has {len(labels)} classes, and a column can raise one of their scores while it raises "
            "another more; distinguish one class from all others with positive"
        )
    return str(labels[-1])
