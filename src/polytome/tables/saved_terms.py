"""What a model file may say of columns that are made of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from polytome.plain.kinds import (
    LARGEST,
    LARGEST_COUNT,
    brief,
    choice,
    flag,
    listed,
    optional,
    real,
    record,
    refuse,
    text,
    whole,
)
from polytome.tables.terms import FEWEST_KNOTS, MOST_KNOTS, MOST_POWER, Term

__all__ = ["check_term", "term_from_json"]

_TEXT = text(LARGEST_COUNT, nul=True)
_TERM = record(
    {
        "kind": choice("product", "levels", "cross", "power", "spline"),
        "of": listed(_TEXT),
        "place": whole(0, LARGEST_COUNT),
        "level": optional(_TEXT),
        "knots": listed(real(-LARGEST, LARGEST)),
        "given": flag,
    },
    {"given": False},
)


def term_from_json(value: Any, what: str) -> Term:
    """A term of the values that `Term.to_json` gave.

    Args:
        value: from JSON.
        what: what messages call it.

    Raises:
        FileError: something is absent, superfluous, of the wrong type or not finite.

    Example:
        >>> term = Term("power", ("age",), 2)
        >>> term_from_json(term.to_json(), "term") == term
        True
    """
    found = _TERM(value, what)
    return Term(**{**found, "of": tuple(found["of"]), "knots": tuple(found["knots"])})


class Made(Protocol):
    """A column, as far as a term is concerned."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def kind(self) -> str:
        """number, category or text."""

    @property
    def coded(self) -> tuple[str, ...]:
        """Its levels that have a feature."""

    @property
    def term(self) -> Term | None:
        """How it is made of others."""


def check_term(column: Made, before: Sequence[Made], what: str) -> None:
    """Refuse a column that is not made of those before it as its term says.

    Args:
        column: with a term.
        before: the columns before it.
        what: what messages call it.

    Raises:
        FileError: they contradict each other.
    """
    term = column.term
    assert term is not None
    known = {each.name: each for each in before if each.term is None}
    if term.name != column.name or not {*term.of} <= known.keys() or len({*term.of}) < len(term.of):
        refuse(f"{what}.term is made of {brief(list(term.of))}: needs columns of the table before it, and its name")
    kinds = {
        "product": ("number", "number"),
        "levels": ("number", "category"),
        "cross": ("category", "category"),
        "power": ("number",),
        "spline": ("number",),
    }
    if tuple(known[name].kind for name in term.of) != kinds[term.kind]:
        refuse(f"{what}.term is a {term.kind} of columns that it cannot be made of")
    if column.kind != ("category" if term.kind == "cross" else "number"):
        refuse(f"{what}.term is a {term.kind}, and the column is a {column.kind}")
    wrong: Any = False
    if term.kind == "spline":
        wrong = not FEWEST_KNOTS <= len(term.knots) <= MOST_KNOTS or not 1 <= term.place <= len(term.knots) - 2
        wrong = wrong or any(low >= high for low, high in zip(term.knots, term.knots[1:], strict=False))
        wrong = wrong or not term.bend.is_finite
    elif term.kind == "power":
        wrong = term.knots or not 2 <= term.place <= MOST_POWER
    else:
        wrong = term.knots or term.place
    wrong = wrong or (term.given and term.kind != "spline")
    if wrong or (term.level is None) == (term.kind == "levels"):
        refuse(f"{what}.term has a place, knots or a level that a {term.kind} has not")
    if term.kind == "levels" and term.level not in known[term.of[1]].coded:
        refuse(f"{what}.term.level is {brief(term.level)}, which is not a level of {brief(term.of[1])} with a feature")
