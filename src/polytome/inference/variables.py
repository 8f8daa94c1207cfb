"""The variables of the rows of a table: their levels, what they can be set to, and the columns that
this makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.inference.design import Design
from polytome.inference.hypotheses import nearest
from polytome.inference.sample import Sample
from polytome.tables.frames import listing

Array = NDArray[Any]

__all__ = ["Change", "RowsOfVariables", "Variables", "settings_at", "variable_of", "variables_of"]

_BLOCK_ENTRIES = 2**20
_SMALL_STEP = 1e-4
"""Of a standard deviation: between the values by which a transformation is differentiated."""
_MOST_VALUES = 500
_MOST_KEPT = 3
"""Columns of a block of rows under some settings, which more than one change begins with."""


@dataclass(frozen=True, eq=False)
class Change:
    """How columns change: what is set to make them, and what they are differentiated by.

    With an empty `contrast` nothing changes, and probabilities are wanted.
    """

    variable: str
    contrast: str
    low: Any = None
    high: Any = None

    @property
    def is_derivative(self) -> bool:
        """Whether the variable is a number."""
        return self.low is None and self.high is None and self.contrast != ""


def variables_of(sample: Sample, design: Design | None) -> list[str]:
    """The names of the variables that can change alone."""
    return [name for name in Variables(sample, design).names if name not in sample.made_of]


def variable_of(sample: Sample, design: Design | None, name: str) -> tuple[list[Any] | None, Any]:
    """The levels of a variable, or None of a number; and its value in each row.

    Raises:
        ArgumentError: there is no such variable.
    """
    variables = Variables(sample, design)
    variables.check(name)
    return variables.levels(name), variables.values(name)


class Variables:
    """The rows of a sample by their variables."""

    def __init__(self, sample: Sample, design: Design | None) -> None:
        self.sample, self.design = sample, design
        self.names: list[str] = list(sample.names) if design is None else [str(name) for name in design.data.columns]

    def check(self, name: str) -> None:
        """Raises ArgumentError unless there is such a variable, which can change alone."""
        if name not in self.names:
            raise ArgumentError(f"effects: no variable is {name!r}{nearest(name, self.names)}")
        if (term := self.sample.made_of.get(name)) is not None:
            raise ArgumentError(
                f"effects: {name!r} does not change alone, as {term!r} changes with it; fit_formula has effects of "
                "such terms"
            )

    def values(self, name: str) -> Any:
        """A variable's value in each row."""
        if self.design is not None:
            return self.design.data[name]
        column = self.sample.X[:, [self.names.index(name)]]
        return np.asarray(column.toarray() if hasattr(column, "toarray") else column).ravel()

    def levels(self, name: str) -> list[Any] | None:
        """The levels of a category or of what has only the values 0 and 1; None for numbers."""
        values = self.values(name)
        if str(values.dtype) == "category":
            return list(values.cat.categories)
        column = np.asarray(values)
        if column.dtype.kind in "biuf":
            found = np.unique(column[:1_000_000]).tolist()
            is_category = self.design is not None and self.design.is_category(name)
            if is_category:
                return list(np.unique(column).tolist())
            return found if set(found) == {0, 1} and not ((column != 0) & (column != 1)).any() else None
        return sorted(set(column.tolist()))

    def changes(self, name: str) -> Iterator[Change]:
        """The derivative of a number; each level against the first."""
        levels = self.levels(name)
        if levels is None:
            yield Change(name, "dP/dx")
            return
        first = levels[0] if self.design is None else self.design.first_level(name, levels)
        for level in levels:
            if level != first:
                yield Change(name, f"{_level(level)} - {_level(first)}", first, level)

    def means(self, change: Change) -> dict[str, float]:
        """The means of the variables that are numbers; categories stay, and their columns are
        averaged."""
        if self.design is None:
            return {}  # columns are variables, which are averaged themselves
        weight, found = self.sample.weight, {}
        for name in self.names:
            values = self.design.data[name]
            if np.asarray(values).dtype.kind in "biuf" and not self.design.is_category(name):
                found[name] = float(np.average(np.asarray(values, dtype=np.float64), weights=weight))
        if change.contrast and not change.is_derivative:
            found.pop(change.variable, None)
        return found

    def blocks(self) -> Iterator[RowsOfVariables]:
        """The rows, some at a time."""
        size = max(_BLOCK_ENTRIES // max(self.sample.X.shape[1], 1), 1)
        for start in range(0, len(self.sample.weight), size):
            yield RowsOfVariables(self, slice(start, start + size))


class RowsOfVariables:
    """Some rows, with the columns that settings of variables make of them."""

    def __init__(self, variables: Variables, piece: slice) -> None:
        self.variables, self.piece = variables, piece
        self.weight = variables.sample.weight[piece]
        self._kept: dict[tuple[tuple[str, Any], ...], Array] = {}

    def columns(self, settings: Mapping[str, Any], change: Change) -> tuple[Array, Array, Array]:
        """The columns at the low and at the high value, and their derivatives; the intercept's
        first, and an offset last."""
        low = self._made({**settings, **_set(change, change.low)})
        high = low if change.high is None else self._made({**settings, **_set(change, change.high)})
        slope = self._slope(settings, change.variable) if change.is_derivative else np.zeros((0, 0))
        return low, high, slope

    def _made(self, settings: Mapping[str, Any]) -> Array:
        """The columns under settings: of a number that they are linear in, from those at 0 and 1,
        which many values share."""
        design = self.variables.design
        if design is None:
            made = self._kept_or_made({}).copy()
            for name, value in settings.items():
                made[:, self._place(name)] = value
            return made
        for name, value in settings.items():
            if self._is_along(name, value):
                at_0, at_1 = (self._kept_or_made({**settings, name: each}) for each in (0.0, 1.0))
                return np.asarray(at_0 + value * (at_1 - at_0))
        return self._kept_or_made(settings)

    def _is_along(self, name: str, value: Any) -> bool:
        """Whether a variable is set to a number that the columns are linear in."""
        design = self.variables.design
        assert design is not None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_measured = design.data[name].dtype.kind in "iuf" and not design.is_category(name)
        return is_number and is_measured and design.is_linear_in(name)

    def _kept_or_made(self, settings: Mapping[str, Any]) -> Array:
        """The columns under settings, as they are made."""
        if any(np.ndim(value) for value in settings.values()):
            return self._newly_made(settings)
        key = tuple(settings.items())
        if key not in self._kept:
            if len(self._kept) == _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = self._newly_made(settings)
        return self._kept[key]

    def _newly_made(self, settings: Mapping[str, Any]) -> Array:
        design, sample = self.variables.design, self.variables.sample
        parts: list[Any] = [np.ones(len(self.weight))] if sample.fit_intercept else []
        if design is None:
            block: Any = sample.X[self.piece]
            return np.column_stack([*parts, block.toarray() if hasattr(block, "toarray") else block]).astype(np.float64)
        data = design.data.iloc[self.piece].copy()
        for name, value in settings.items():
            data[name] = _like(data[name], value)
        offset = design.offset_of(data)
        return np.column_stack([*parts, design.columns_of(data), *([] if offset is None else [offset])])

    def _place(self, name: str) -> int:
        """Of a variable that is a column."""
        return self.variables.names.index(name) + int(self.variables.sample.fit_intercept)

    def _slope(self, settings: Mapping[str, Any], name: str) -> Array:
        """The derivatives of the columns with respect to a number."""
        design = self.variables.design
        if design is None:
            slope = np.zeros_like(self._kept_or_made({}))
            slope[:, self._place(name)] = 1.0
            return slope
        if design.is_linear_in(name):
            at_0, at_1 = (self._kept_or_made({**settings, name: each}) for each in (0.0, 1.0))
            return np.asarray(at_1 - at_0)
        whole = np.asarray(design.data[name], dtype=np.float64)
        own = np.full(len(self.weight), float(settings[name])) if name in settings else whole[self.piece]
        step = _SMALL_STEP * (float(whole.std()) or 1.0)
        # A spline is not known beyond the values that it was made for.
        low, high = np.maximum(own - step, whole.min()), np.minimum(own + step, whole.max())
        low, high = np.minimum(low, own), np.maximum(high, own)
        change = self._newly_made({**settings, name: high}) - self._newly_made({**settings, name: low})
        return np.asarray(change / (high - low)[:, None])


def _set(change: Change, value: Any) -> dict[str, Any]:
    return {} if value is None else {change.variable: value}


def _like(column: Any, value: Any) -> Any:
    """A value, or one for each row, of the type of a column."""
    if str(column.dtype) == "category":
        return column.iloc[:0].astype(column.dtype).reindex(column.index).fillna(value)
    return value


def _level(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings_at(variables: Variables, at: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Which variables are set to what, one after the other, and what each is called.

    Raises:
        ArgumentError: no such variable, level or number.
    """
    if isinstance(at, str):
        if at not in ("average", "means"):
            raise ArgumentError(f"at={at!r}: needs 'average', 'means', or a mapping from variables to values")
        if at == "means" and variables.sample.made_of:
            name, term = next(iter(variables.sample.made_of.items()))
            raise ArgumentError(
                f"at='means': the mean of {term!r} is not that which the mean of {name!r} gives; use 'average'"
            )
        return [{}], [""]
    if not isinstance(at, Mapping) or not at:
        raise ArgumentError(f"at={at!r}: needs 'average', 'means', or a mapping from variables to values")
    lists: list[list[Any]] = []
    for name, given in at.items():
        variables.check(name)
        values = list(given) if isinstance(given, list | tuple | np.ndarray) else [given]
        levels = variables.levels(name)
        if levels is not None and set(levels) != {0, 1}:
            known = {str(level): level for level in levels}
            for value in values:
                if str(value) not in known:
                    raise ArgumentError(f"at: {name} has no level {value!r}; there are {listing(levels)}")
            values = [known[str(value)] for value in values]
        else:
            values = [_number(name, value) for value in values]
        lists.append(values)
    settings = [dict(zip(at, each, strict=True)) for each in product(*lists)]
    if len(settings) > _MOST_VALUES:
        raise ArgumentError(f"at: {len(settings):,} combinations of values; at most {_MOST_VALUES} are taken")
    return settings, [", ".join(f"{name} = {_level(value)}" for name, value in each.items()) for each in settings]


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise ArgumentError(f"at: {name} = {value!r} is not a number")
    return number
