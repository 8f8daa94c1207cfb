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
        help="Let the effect of a number bend, by a natural cubic spline with 3 to 20 knots at quantiles, as in age=5, "
        "or at numbers, as in age=20,40,60. May be given several times.",
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

        return terms_of(self.cross or (), _splines(self.spline), _counts("power", self.power))


def _splines(texts: list[str] | None) -> dict[str, int | list[float]]:
    """The number of knots for each column, or these, from texts such as age=5 and age=20,40,60."""
    given = {text.rpartition("=")[0]: text.rpartition("=")[2].split(",") for text in texts or () if "," in text}
    found: dict[str, int | list[float]] = dict(_counts("spline", [text for text in texts or () if "," not in text]))
    for name, knots in given.items():
        try:
            found[name] = [float(knot) for knot in knots]
        except ValueError as error:
            said = f"{name}={','.join(knots)}"
            raise typer.BadParameter(
                f"{said!r}: needs COLUMN=NUMBER, such as age=5, or COLUMN=KNOT,..., such as age=20,40,60",
                param_hint="'--spline'",
            ) from error
    return found


def _counts(option: str, texts: list[str] | None) -> dict[str, int]:
    """A whole number for each column, from texts such as age=5."""
    found: dict[str, int] = {}
    for text in texts or ():
        name, _, number = text.rpartition("=")
        if not name or not number.isdecimal():
            raise typer.BadParameter(
                f"{text!r}: needs COLUMN=NUMBER with a whole number, such as age=3", param_hint=f"'--{option}'"
            )
        if name in found:
            raise typer.BadParameter(f"{text!r} names the column {name!r} twice", param_hint=f"'--{option}'")
        found[name] = int(number)
    return found
