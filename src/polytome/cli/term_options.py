"""Options on columns that are made of others: products, splines and powers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from polytome.tables.terms import Terms

__all__ = ["Crosses", "Powers", "Splines", "TermOptions"]

Crosses = Annotated[
    list[str] | None,
    typer.Option(
        "--cross",
        metavar="A*B",
        show_default=False,
        help="Let the effect of one column depend on another, by their product; of two categories by each pair of "
        "levels. May be given several times; a shell wants quotation marks.",
    ),
]
Splines = Annotated[
    list[str] | None,
    typer.Option(
        "--spline",
        metavar="COLUMN=KNOTS",
        show_default=False,
        help="Let the effect of a number bend, by a natural cubic spline with 3 to 20 knots at quantiles, as in age=5. "
        "May be given several times.",
    ),
]
Powers = Annotated[
    list[str] | None,
    typer.Option(
        "--power",
        metavar="COLUMN=EXPONENT",
        show_default=False,
        help="Add powers of a number, from its square to this one, as in age=2. May be given several times.",
    ),
]


@dataclass(frozen=True)
class TermOptions:
    """Which columns are made of others."""

    cross: Crosses = None
    spline: Splines = None
    power: Powers = None

    def made(self) -> Terms | None:
        """The terms that these options ask for; None for none."""
        from polytome.tables.terms import terms_of

        return terms_of(self.cross or (), _counts("spline", self.spline), _counts("power", self.power))


def _counts(option: str, texts: list[str] | None) -> dict[str, int]:
    """A whole number for each column, from texts such as age=5."""
    found: dict[str, int] = {}
    for text in texts or ():
        name, _, number = text.rpartition("=")
        if not name or not number.isdecimal():
            raise typer.BadParameter(f"{text!r}: needs COLUMN=NUMBER, such as age=3", param_hint=f"'--{option}'")
        if name in found:
            raise typer.BadParameter(f"{text!r} names the column {name!r} twice", param_hint=f"'--{option}'")
        found[name] = int(number)
    return found
