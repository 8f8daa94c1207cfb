"""Learn what columns a table gets for the terms that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError
from polytome.plain.names import suggested
from polytome.tables.encoder import Column, Encoder
from polytome.tables.frames import Frame, listing
from polytome.tables.terms import Term, Terms, crossed, knots_of, spline_terms

__all__ = ["learn_again", "with_term_columns"]

Array = NDArray[Any]
_MOST_LEVELS = 200
"""Of a category beside a number: each becomes a column of numbers."""
_FEWEST_ROWS = ((1000, 5.0), (20, 1.1))
"""Above so many pairs of levels a cross is refused if there are on average fewer rows for each."""


def with_term_columns(
    encoder: Encoder, frames: Callable[[], Iterable[Frame]], source: str, terms: Terms | None
) -> Encoder:
    """An encoder with the columns of terms after its own.

    Args:
        encoder: of the columns of the table.
        frames: gives the rows to learn from, whole or piece by piece: knots are quantiles of
            these, and of pairs of levels those count that occur. They are read where a term has
            one or the other.
        source: what messages call the table.
        terms: that are asked for; None for none.

    Raises:
        ArgumentError: a term names no column, or one that it cannot be made of.
        DataError: a column is not suited to its term.

    Example:
        >>> frame = Frame.of({"age": [25, 31, 47], "sex": ["F", "M", "F"]})
        >>> encoder = Encoder((Column("age", "number"), Column("sex", "category", ("F", "M"))), None, "error", "error")
        >>> terms = Terms((("age", "sex"),), powers=(("age", 2),))
        >>> with_term_columns(encoder, lambda: [frame], "people", terms).feature_names
        ('age', 'sex=F', 'sex=M', 'age*sex=F', 'age*sex=M', 'age^2')
    """
    if terms is None:
        return encoder
    table = _Table(encoder, frames, source)
    columns = [column for pair in terms.crosses for column in table.cross(pair)]
    columns += [column for name, knots in terms.splines for column in table.spline(name, knots)]
    columns += [column for name, most in terms.powers for column in table.powers(name, most)]
    names = [column.name for column in (*encoder.columns, *columns)]
    if twice := [name for place, name in enumerate(names) if name in names[:place]]:
        if twice[0] in names[: len(encoder.columns)]:
            raise DataError(f"{source}: has a column {twice[0]!r}, as a term is called; rename the column")
        raise ArgumentError(f"terms: {twice[0]!r} is asked for twice; name each cross, spline and power once")
    return replace(encoder, columns=(*encoder.columns, *columns))


def learn_again(encoder: Encoder, before: Encoder, frames: Callable[[], Iterable[Frame]], source: str) -> Encoder:
    """An encoder without terms, learned again from fewer rows, with the terms that it had before.

    Args:
        encoder: of the columns of the table.
        before: it, as it was before.
        frames: gives the rows; see `with_term_columns`.
        source: what messages call the table.

    Raises:
        DataError: a column is not suited to its term in these rows.
    """
    asked = dict.fromkeys((each.kind if each.kind in ("power", "spline") else "cross", each.of) for each in _of(before))
    table, columns = _Table(encoder, frames, source), []
    for kind, names in asked:
        those = [each for each in _of(before) if each.of == names and (each.kind == kind or kind == "cross")]
        if kind == "power":
            columns += table.powers(names[0], max(each.place for each in those))
        else:
            knots = those[0].knots
            columns += (
                table.spline(names[0], knots if those[0].given else len(knots))
                if kind == "spline"
                else table.cross(names)
            )
    return replace(encoder, columns=(*encoder.columns, *columns))


def _of(encoder: Encoder) -> Iterator[Term]:
    return (column.term for column in encoder.columns if column.term is not None)


@dataclass(frozen=True)
class _Table:
    """The rows to learn from."""

    encoder: Encoder
    frames: Callable[[], Iterable[Frame]]
    source: str

    def _places(self, *names: str) -> list[Array]:
        """What all rows have in some columns: numbers, or the places of levels."""
        found: list[list[Array]] = [[] for _ in names]
        for frame in self.frames():
            places = self.encoder.places(frame)
            for column, name in zip(found, names, strict=True):
                column.append(places[name])
        return [np.concatenate(column) for column in found]

    def cross(self, pair: Sequence[str]) -> Iterator[Column]:
        """The columns of a product."""
        asked = "*".join(pair)
        first, second = (self._column(name, f"cross {asked}") for name in pair)
        if first.name == second.name:
            raise ArgumentError(f"cross {asked}: is a column with itself; for a number --power {pair[0]}=2 is that")
        if first.kind == second.kind == "category":
            yield self._pairs(first, second, asked)
        elif first.kind == second.kind:
            yield _made(Term("product", (first.name, second.name)))
        else:
            number, category = (first, second) if first.kind == "number" else (second, first)
            if len(category.coded) > _MOST_LEVELS:
                raise DataError(
                    f"{self.source}, cross {asked}: {category.name!r} has {len(category.coded):,} levels, and "
                    f"each would become a column of numbers; {_MOST_LEVELS} are allowed: put rare ones together with "
                    "--min-level-count"
                )
            for level in category.coded:
                yield _made(Term("levels", (number.name, category.name), level=level))

    def _pairs(self, first: Column, second: Column, asked: str) -> Column:
        """The levels of two categories together, as far as they occur in rows enough."""
        found, other = self._places(first.name, second.name)
        pairs, places = crossed(found, other, first.coded, second.coded)
        counts = np.bincount(places[places >= 0], minlength=len(pairs))
        levels = [pair for pair, count in zip(pairs, counts.tolist(), strict=True) if count >= self._least]
        where = f"{self.source}, cross {asked}"
        if not levels:
            raise DataError(
                f"{where}: no two levels occur together in {self._least} rows or more; leave the cross out, or lower "
                "--min-level-count"
            )
        if len({*levels}) < len(levels):
            raise DataError(
                f"{where}: two pairs of levels would have one name, as levels hold a '*'; write another character there"
            )
        rows = int((places >= 0).sum())
        if any(len(levels) > most and rows < each * len(levels) for most, each in _FEWEST_ROWS):
            raise DataError(
                f"{where}: {len(levels):,} pairs of levels occur in {rows:,} rows, too few for each; leave the cross "
                "out, or keep those of 10 rows and more with --min-level-count 10"
            )
        return Column(asked, "category", tuple(sorted(levels)), term=Term("cross", (first.name, second.name)))

    @property
    def _least(self) -> int:
        return self.encoder.min_level_count

    def spline(self, name: str, asked: int | tuple[float, ...]) -> list[Column]:
        """The columns of a spline beyond the number itself."""
        if isinstance(asked, tuple):
            column = self._number(name, f"spline {name}")
            return [_made(term) for term in spline_terms(column.name, asked, given=True)]
        count = asked
        column = self._number(name, f"spline {name}={count}")
        (values,) = self._places(column.name)
        knots = knots_of(values, count)
        made = [] if knots is None else spline_terms(column.name, knots)
        if not made or not all(term.bend.is_finite for term in made):
            raise DataError(
                f"{self.source}, spline {name}={count}: the column has fewer than {count} different numbers in "
                "the rows to learn from; take fewer knots (3 at least), or leave the spline out"
            )
        return [_made(term) for term in made]

    def powers(self, name: str, most: int) -> list[Column]:
        """The columns of the powers of a number, from its square on."""
        column = self._number(name, f"power {name}={most}")
        return [_made(Term("power", (column.name,), place)) for place in range(2, most + 1)]

    def _column(self, name: str, asked: str) -> Column:
        known = {column.name: column for column in self.encoder.columns}
        if name not in known:
            raise ArgumentError(
                f"{asked}: {self.source} has no column {suggested(name, known)} to learn from; its columns are "
                f"{listing(list(known))}"
            )
        if known[name].kind == "text":
            raise ArgumentError(f"{asked}: column {name!r} is text; terms are made of numbers and categories")
        return known[name]

    def _number(self, name: str, asked: str) -> Column:
        column = self._column(name, asked)
        if column.kind != "number":
            raise ArgumentError(f"{asked}: column {name!r} is a category; only numbers have powers and splines")
        return column


def _made(term: Term) -> Column:
    return Column(term.name, "number", term=term)
