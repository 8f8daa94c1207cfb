"""Columns that are made of other columns: products of two, powers, and splines.

The columns that a term is made of stay in the model, and the term says what they do beyond that: a
product says how the effect of one column depends on another, a power or a spline how the effect of
a number bends.

A spline is natural: cubic between its knots, and straight before the first and after the last one.
With the number itself, k knots need k - 2 more columns,

    C_j(x) = (cube(x - t_j) - cube(x - t_(k-1)) (t_k - t_j) / (t_k - t_(k-1))
              + cube(x - t_k) (t_(k-1) - t_j) / (t_k - t_(k-1))) / (t_k - t_1)^2

with cube(z) = max(z, 0)^3. The denominator gives them the unit of the number.

References:
    Stone and Koo, "Additive splines in statistics", Proceedings of the Statistical Computing
    Section, American Statistical Association, 1985. Harrell, "Regression Modeling Strategies"
    (2015), sections 2.4.5 and 2.4.6: this basis, and the quantiles that are its knots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError

__all__ = [
    "FEWEST_KNOTS",
    "MOST_KNOTS",
    "MOST_POWER",
    "Bend",
    "Term",
    "Terms",
    "crossed",
    "knots_of",
    "spline_terms",
    "terms_of",
]

Array = NDArray[Any]
Kind: TypeAlias = Literal["product", "levels", "cross", "power", "spline"]
FEWEST_KNOTS = 3
"""A spline with fewer knots is a straight line."""
MOST_KNOTS = 20
"""Of a spline; quantiles beyond 20 follow the rows rather than what they have in common."""
MOST_POWER = 9
"""The largest exponent."""
_BETWEEN = "*"


@dataclass(frozen=True)
class Term:
    """How a column is made of others.

    Attributes:
        kind: "product" of two numbers; "levels", a number in the rows of one level of a category,
            else 0; "cross", the levels of two categories together; "power" of a number; "spline",
            one of the columns of it.
        of: the names of the columns that it is made of; of "levels" the number, then the category.
        place: of a power the exponent; of a column of a spline its number, from 1; else 0.
        level: of "levels" the level; else None.
        knots: of a spline; else empty.
        given: whether the knots are given, not quantiles of the rows.

    Example:
        >>> ages = np.array([20.0, 40.0, 80.0])
        >>> Term("power", ("age",), 2).values({"age": ages}, {})
        array([ 400., 1600., 6400.])
        >>> Term("spline", ("age",), 1, knots=(20.0, 40.0, 80.0)).values({"age": ages}, {}).round(2)
        array([ 0.  ,  2.22, 33.33])
    """

    kind: Kind
    of: tuple[str, ...]
    place: int = 0
    level: str | None = None
    knots: tuple[float, ...] = ()
    given: bool = False

    @property
    def name(self) -> str:
        """The name of the column."""
        if self.kind == "power":
            return f"{self.of[0]}^{self.place}"
        if self.kind == "spline":
            return f"{self.title} {self.place}"
        return self.title if self.level is None else f"{self.title}={self.level}"

    @property
    def title(self) -> str:
        """What all columns of the term are called together."""
        if self.kind == "power":
            return self.name
        return f"{self.of[0]} spline" if self.kind == "spline" else _BETWEEN.join(self.of)

    def values(
        self, found: Mapping[str, Array], coded: Mapping[str, Sequence[str]], levels: Sequence[str] = ()
    ) -> Array:
        """The column, (n,): numbers, or of a cross the places of levels, -1 for none of them.

        Args:
            found: the columns that it is made of: numbers, or places among the levels that have a
                feature, -1 for none.
            coded: for each category these levels.
            levels: of a cross, those that the model knows.
        """
        first = found[self.of[0]]
        with np.errstate(over="ignore", invalid="ignore"):
            if self.kind == "power":
                return np.asarray(first**self.place)
            if self.kind == "spline":
                return self.bend.values(first)
            second = found[self.of[1]]
            if self.kind == "product":
                return np.asarray(first * second)
        if self.kind == "levels":
            names = coded[self.of[1]]
            place = names.index(self.level) if self.level in names else -2
            return np.where(second == place, first, 0.0)
        pairs, codes = crossed(first, second, coded[self.of[0]], coded[self.of[1]])
        known = {level: place for place, level in enumerate(levels)}
        places = np.array([*(known.get(pair, -1) for pair in pairs), -1], dtype=np.intp)
        return places[codes]

    @property
    def bend(self) -> Bend:
        """One column of a spline as numbers alone."""
        knots, j = np.array(self.knots), self.place - 1
        first, last, before = knots[j], knots[-1], knots[-2]
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            size = (last - knots[0]) ** 2
            numbers = 1 / size, (last - first) / (last - before) / size, 3 * (last - first) * (before - first) / size
        return Bend(*map(float, (first, before, last, *numbers)))

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; that knots are given is left out where they are not."""
        plain: dict[str, Any] = {"kind": self.kind, "of": list(self.of), "place": self.place, "level": self.level}
        return plain | {"knots": list(self.knots)} | ({"given": True} if self.given else {})


@dataclass(frozen=True)
class Bend:
    """A column of a spline: with z the number, or the last knot where that is less,
    `cube(z - first) * rise - cube(z - before) * fall + max(x - last, 0) * slope`.

    Written so, nothing cancels far beyond the last knot, where the formula of the books takes
    differences of large cubes.
    """

    first: float
    before: float
    last: float
    rise: float
    fall: float
    slope: float

    @property
    def is_finite(self) -> bool:
        """Whether knots are neither too near nor too far from each other for floats."""
        return bool(np.isfinite([self.rise, self.fall, self.slope]).all()) and self.slope > 0

    def values(self, x: Array) -> Array:
        """The column, (n,)."""
        z = np.minimum(x, self.last)
        cubes = np.maximum(z - self.first, 0.0) ** 3 * self.rise - np.maximum(z - self.before, 0.0) ** 3 * self.fall
        return np.asarray(cubes + np.maximum(x - self.last, 0.0) * self.slope)


@dataclass(frozen=True)
class Terms:
    """The terms that are asked for, by the names of columns.

    Attributes:
        crosses: pairs of columns.
        splines: for each column its number of knots, or these.
        powers: for each column the largest exponent.
    """

    crosses: tuple[tuple[str, str], ...] = ()
    splines: tuple[tuple[str, int | tuple[float, ...]], ...] = ()
    powers: tuple[tuple[str, int], ...] = ()

    @property
    def n_kept(self) -> int:
        """How many columns may be kept while terms are learned: those of pairs of levels, and of
        knots that are quantiles."""
        return 2 * len(self.crosses) + sum(not isinstance(knots, tuple) for _, knots in self.splines)


def terms_of(
    crosses: Sequence[str | Sequence[str]] = (),
    splines: Mapping[str, int | Sequence[float]] | None = None,
    powers: Mapping[str, int] | None = None,
) -> Terms | None:
    """The terms that a user asks for; None for none.

    Args:
        crosses: pairs of names, or texts such as "a*b".
        splines: for a column its number of knots, or where they are.
        powers: for a column the largest exponent.

    Raises:
        ArgumentError: this is not two columns, or a number is too small or too large.

    Example:
        >>> terms_of(["age*sex"], {"age": 5, "years": [1, 5, 20]})
        Terms(crosses=(('age', 'sex'),), splines=(('age', 5), ('years', (1.0, 5.0, 20.0))), powers=())
    """
    if not isinstance(crosses, list | tuple):
        raise ArgumentError(f"crosses={crosses!r}: needs a list of pairs, as in [('age', 'sex')] or ['age*sex']")
    pairs = []
    for cross in crosses:
        pair = cross.split(_BETWEEN) if isinstance(cross, str) else cross if isinstance(cross, list | tuple) else ()
        if len(pair) != 2 or not all(isinstance(name, str) and name.strip() for name in pair):
            raise ArgumentError(f"cross {cross!r}: needs two columns, as in age*sex (in Python also ('age', 'sex'))")
        pairs.append((pair[0].strip(), pair[1].strip()))
    found = Terms(
        tuple(pairs),
        _counts("spline", "knots", splines, FEWEST_KNOTS, MOST_KNOTS),
        _counts("power", "the largest exponent", powers, 2, MOST_POWER),
    )
    return None if found == Terms() else found


def _counts(option: str, what: str, given: Mapping[str, Any] | None, least: int, most: int) -> tuple[Any, ...]:
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise ArgumentError(f"{option}s={given!r}: needs a number for each column, as in {{'age': {max(least, 2)}}}")
    found: list[tuple[str, Any]] = []
    for name, count in given.items():
        if option == "spline" and isinstance(count, list | tuple | np.ndarray):
            found.append((name, _given_knots(name, count)))
            continue
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or not least <= count <= most:
            raise ArgumentError(
                f"{option} {name}={count!r}: needs {what}, a whole number from {least} to {most}, as in {name}={least}"
            )
        found.append((name, int(count)))
    return tuple(found)


def _given_knots(name: str, given: Sequence[float] | Array) -> tuple[float, ...]:
    """The knots of a spline, checked."""
    knots = np.asarray(given)
    is_plain = knots.ndim == 1 and knots.dtype.kind in "iuf" and np.isfinite(knots).all()
    if is_plain and FEWEST_KNOTS <= len(knots) <= MOST_KNOTS and (np.diff(knots) > 0).all():
        terms = spline_terms(name, tuple(map(float, knots)))
        if all(term.bend.is_finite for term in terms):
            return terms[0].knots
    raise ArgumentError(
        f"spline {name}={','.join(map(str, given))}: needs its knots in rising order, {FEWEST_KNOTS} to {MOST_KNOTS} "
        f"numbers, as in {name}=20,40,60; or how many they are, as in {name}=5"
    )


def spline_terms(name: str, knots: tuple[float, ...], *, given: bool = False) -> list[Term]:
    """The columns of a spline beyond the number itself.

    Args:
        name: of the column.
        knots: in rising order.
        given: see `Term`.
    """
    return [Term("spline", (name,), place, knots=knots, given=given) for place in range(1, len(knots) - 1)]


def crossed(first: Array, second: Array, names: Sequence[str], others: Sequence[str]) -> tuple[list[str], Array]:
    """The levels of two categories that occur together, and the place among them for each row, -1
    where either has none.

    Example:
        >>> crossed(np.array([0, 1, 0, -1]), np.array([1, 0, 1, 1]), ["F", "M"], ["no", "yes"])
        (['F*yes', 'M*no'], array([ 0,  1,  0, -1]))
    """
    both = (first >= 0) & (second >= 0)
    keys, codes = np.unique(first[both] * len(others) + second[both], return_inverse=True)
    placed = np.full(len(first), -1, dtype=np.intp)
    placed[both] = codes
    pairs = [f"{names[key // len(others)]}{_BETWEEN}{others[key % len(others)]}" for key in keys.tolist()]
    return pairs, placed


def knots_of(values: Array, count: int) -> tuple[float, ...] | None:
    """The knots of a spline: quantiles of the numbers, or where many are equal of those that
    differ; None where fewer than this many differ.

    Example:
        >>> np.round(knots_of(np.arange(101.0), 5), 9).tolist()
        [5.0, 27.5, 50.0, 72.5, 95.0]
        >>> np.round(knots_of(np.array([0.0] * 98 + [1.0, 2.0]), 3), 9).tolist()
        [0.2, 1.0, 1.8]
    """
    outer = 0.1 if count == FEWEST_KNOTS else 0.05 if count <= 6 else 0.025
    shares = np.linspace(outer, 1 - outer, count)
    different = np.unique(values)
    if len(different) < count:
        return None
    knots = np.quantile(values, shares)
    if (np.diff(knots) <= 0).any():
        knots = np.quantile(different, shares)
    return tuple(knots.tolist())
